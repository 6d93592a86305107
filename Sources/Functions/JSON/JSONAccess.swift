// Parts of JSON values: -> ->> #> #>> and the functions of the same meaning, PostgreSQL's and DuckDB's. Parts are views
// into the argument's own memory; only strings with escapes are written anew. Hot.
import Columns
import Diagnostics

/// One step of a path.
struct JSONStep: Sendable, Hashable {
    /// The step as a key.
    var key: [UInt8]
    /// The step as an element's number; nil when it is none.
    var index: Int?
}

enum JSONAccess {
    static let operators: [Overload] = [SQLType.json, .jsonb].flatMap { type in
        [
            JSONWildcards.overload("->", type, type, canFail: false, isOperator: true, members(type, type)),
            JSONWildcards.overload("->>", type, .text, canFail: false, isOperator: true, members(type, .text)),
            Overload("->", [type, .int4], type, canFail: false, elements(type, type)),
            Overload("->>", [type, .int4], .text, canFail: false, elements(type, .text)),
            Overload("#>", [type, .array(.text)], type, canFail: false, steps(type, type)),
            Overload("#>>", [type, .array(.text)], .text, canFail: false, steps(type, .text)),
        ]
    }

    static let functions: [Overload] = extraction + named + duckDB + lengths + subscripts

    /// What PostgreSQL calls the functions behind -> and ->>.
    private static let named: [Overload] = [SQLType.json, .jsonb].flatMap { type in
        [
            Overload("\(type.name)_array_element", [type, .int4], type, canFail: false, elements(type, type)),
            Overload("\(type.name)_array_element_text", [type, .int4], .text, canFail: false, elements(type, .text)),
            Overload("\(type.name)_object_field", [type, .text], type, canFail: false, members(type, type)),
            Overload("\(type.name)_object_field_text", [type, .text], .text, canFail: false, members(type, .text)),
        ]
    }

    // MARK: The result

    /// Takes a part of each row's JSON: as it is, or as text without quotes.
    @inline(__always)
    static func parts(
        _ a: [Column], _ rows: Int, _ result: SQLType,
        _ find: (JSONScan, Int) throws(SQLError) -> Range<Int>?
    ) throws(SQLError) -> Column {
        let sink = TextSink(rows: rows)
        let lane = Lane(a[0], StringView.self)
        let validity = Loops.validity(a, rows)
        let isText = result == .text
        var scratch: [UInt8] = []
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            try lane[row].read { (raw) throws(SQLError) in
                let scan = JSONScan(raw)
                guard var range = try find(scan, row) else { return sink.setNull(row) }
                if isText {
                    switch scan.kind(range.lowerBound) {
                    case .null: return sink.setNull(row)
                    case .string:
                        range = scan.inside(range)
                        let inside = scan.bytes(range)
                        if inside.contains(UInt8(ascii: "\\")) {
                            scratch.removeAll(keepingCapacity: true)
                            JSONEscape.decode(scan.base, range, to: &scratch)
                            return try sink.set(row, scratch)
                        }
                    default: break
                    }
                }
                // Short parts are copied into the view, long ones lie in the argument's heap.
                sink.set(row, view: StringView(scan.base + range.lowerBound, range.count))
            }
        }
        return sink.finish(result, validity: validity, sharing: a[0].heaps)
    }

    // MARK: Steps

    /// A key that is a path as DuckDB writes them: `$`, `$.a.b`, `$[0]`; nil for other keys.
    private static func path(_ key: UnsafeRawBufferPointer) -> [JSONStep]? {
        guard key.count > 0, key[0] == UInt8(ascii: "$") else { return nil }
        guard key.count == 1 || key[1] == UInt8(ascii: ".") || key[1] == UInt8(ascii: "[") else { return nil }
        return try? JSONPathText.steps(key)
    }

    private static func members(_ type: SQLType, _ result: SQLType) -> Kernel {
        let isUnique = type == .jsonb
        return { (_, a, rows) throws(SQLError) in
            let keys = Lane(a[1], StringView.self)
            if a[1].layout == .constant {
                let key = TextKernels.bytes(keys[0])
                if let path = key.withUnsafeBytes(path) {
                    return try parts(a, rows, result) { (scan, _) throws(SQLError) in
                        walk(scan, path, isUnique: isUnique)
                    }
                }
                // An empty array has no address: nothing is read from it then.
                return try key.parsedBytes { (wanted) throws(SQLError) in
                    try parts(a, rows, result) { (scan, _) throws(SQLError) in
                        scan.member(scan.skipBlanks(0), wanted, isUnique: isUnique)
                    }
                }
            }
            return try parts(a, rows, result) { (scan, row) throws(SQLError) in
                try keys[row].read { (key) throws(SQLError) in
                    if let path = path(key) { return walk(scan, path, isUnique: isUnique) }
                    return scan.member(scan.skipBlanks(0), key, isUnique: isUnique)
                }
            }
        }
    }

    private static func elements(_ type: SQLType, _ result: SQLType) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let numbers = Lane(a[1], Int32.self)
            return try parts(a, rows, result) { (scan, row) throws(SQLError) in
                let (start, number) = (scan.skipBlanks(0), Int(numbers[row]))
                // A scalar jsonb is an array of itself here, as in PostgreSQL.
                if type == .jsonb, number == 0 || number == -1, scan.kind(start) != .array, scan.kind(start) != .object
                {
                    return scan.root
                }
                return scan.element(start, number)
            }
        }
    }

    /// Follows a path; nil where it leads nowhere.
    @inline(__always)
    static func walk(_ scan: JSONScan, _ path: [JSONStep], isUnique: Bool) -> Range<Int>? {
        // Where the whole value ends does not matter to a step into it.
        guard let first = path.first else { return scan.root }
        guard var range = step(scan, scan.skipBlanks(0), first, isUnique: isUnique) else { return nil }
        for step in path.dropFirst() {
            guard let next = self.step(scan, range.lowerBound, step, isUnique: isUnique) else { return nil }
            range = next
        }
        return range
    }

    static func step(_ scan: JSONScan, _ at: Int, _ step: JSONStep, isUnique: Bool) -> Range<Int>? {
        switch scan.kind(at) {
        case .object: step.key.withUnsafeBytes { scan.member(at, $0, isUnique: isUnique) }
        case .array: step.index.flatMap { scan.element(at, $0) }
        default: nil
        }
    }

    /// A text array as a path; nil when one of its elements is NULL.
    static func path(_ column: Column, _ row: Int) -> [JSONStep]? {
        guard let items = ArrayFunctions.elements(column, row) else { return nil }
        var steps: [JSONStep] = []
        for item in items {
            guard case .string(let text) = item.value else { return nil }
            steps.append(step(text))
        }
        return steps
    }

    static func step(_ text: String) -> JSONStep {
        let number = text.drop { $0 == " " }
        return JSONStep(key: Array(text.utf8), index: Int32(number).map { Int($0) })
    }

    private static func steps(_ type: SQLType, _ result: SQLType) -> Kernel {
        let isUnique = type == .jsonb
        return { (_, a, rows) throws(SQLError) in
            var known: [JSONStep]?
            let isFixed = a[1].layout == .constant
            if isFixed { known = path(a[1], 0) }
            return try parts(a, rows, result) { (scan, row) throws(SQLError) in
                guard let path = isFixed ? known : path(a[1], row) else { return nil }
                return walk(scan, path, isUnique: isUnique)
            }
        }
    }

    /// json_extract_path(j, 'a', 'b'): steps as arguments.
    private static let extraction: [Overload] = [SQLType.json, .jsonb].flatMap { type in
        [("\(type.name)_extract_path", type), ("\(type.name)_extract_path_text", SQLType.text)].map { name, result in
            Overload(name, [.type(type), .type(.text)], optional: 1, isVariadic: true, canFail: false) {
                (call) throws(SQLError) in
                Binding(
                    arguments: [type] + call.types.dropFirst().map { Overload.argument(.text, $0) }, result: result,
                    kernel: separateSteps(isUnique: type == .jsonb, result))
            }
        }
    }

    private static func separateSteps(isUnique: Bool, _ result: SQLType) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let lanes = a.dropFirst().map { Lane($0, StringView.self) }
            let isFixed = a.dropFirst().allSatisfy { $0.layout == .constant }
            let known = isFixed ? lanes.map { step($0[0].string) } : []
            return try parts(a, rows, result) { (scan, row) throws(SQLError) in
                walk(scan, isFixed ? known : lanes.map { step($0[row].string) }, isUnique: isUnique)
            }
        }
    }

    // MARK: DuckDB's spellings

    /// json_extract(j, '$.a[0]') and json_extract_string; a path without `$` or `/` is a key.
    private static let duckDB: [Overload] =
        [("json_extract", false), ("json_extract_string", true), ("json_value", true)].flatMap { name, isText in
            [SQLType.json, .jsonb, .text].map { type in
                let part: SQLType = type == .text ? .json : type
                let result = isText ? SQLType.text : part
                return JSONWildcards.overload(name, type, result, paths(isUnique: type == .jsonb, result))
            }
        }
        + ["->", "->>"].flatMap { symbol in
            // On plain text too, as in DuckDB: PostgreSQL has no such operators.
            [
                JSONWildcards.overload(
                    symbol, .text, symbol == "->" ? .json : .text, isOperator: true, checkedMembers(symbol)),
                Overload(symbol, [.text, .int4], symbol == "->" ? .json : .text, checkedMembers(symbol)),
            ]
        }

    /// DuckDB's operators on text, which has to be checked first.
    static let textOperators = duckDB.filter { $0.name.hasPrefix("-") }

    private static func checkedMembers(_ symbol: String) -> Kernel {
        let result: SQLType = symbol == "->" ? .json : .text
        let (keys, numbers) = (members(.json, result), elements(.json, result))
        return { (context, a, rows) throws(SQLError) in
            try check(a[0], rows)
            return try a[1].physical == .view ? keys(context, a, rows) : numbers(context, a, rows)
        }
    }

    static func check(_ column: Column, _ rows: Int) throws(SQLError) {
        guard column.type != .json, column.type != .jsonb else { return }
        let lane = Lane(column, StringView.self)
        try Loops.eachRow(Flatten.validity(column), rows) { (row) throws(SQLError) in
            try lane[row].read { (raw) throws(SQLError) in try JSONText.check(raw) }
        }
    }

    private static func paths(isUnique: Bool, _ result: SQLType) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            try check(a[0], rows)
            let texts = Lane(a[1], StringView.self)
            var known: [JSONStep] = []
            let isFixed = a[1].layout == .constant
            if isFixed { known = try texts[0].read { (raw) throws(SQLError) in try JSONPathText.steps(raw) } }
            return try parts(a, rows, result) { (scan, row) throws(SQLError) in
                if isFixed { return walk(scan, known, isUnique: isUnique) }
                let path = try texts[row].read { (raw) throws(SQLError) in try JSONPathText.steps(raw) }
                return walk(scan, path, isUnique: isUnique)
            }
        }
    }

    // MARK: Lengths and kinds

    private static let lengths: [Overload] =
        [SQLType.json, .jsonb].flatMap { type in
            [
                Overload("\(type.name)_array_length", [type], .int4, arrayLength),
                Overload("\(type.name)_typeof", [type], .text, canFail: false, typeName),
            ]
        } + [
            // On text as in DuckDB: what is no array has no elements. A literal is PostgreSQL's json.
            Overload("json_array_length", [.type(.text)]) { (call) throws(SQLError) in
                let isLiteral = call.literal(0) != nil
                return Binding(arguments: [.text], result: .int4) { (context, a, rows) throws(SQLError) in
                    try check(a[0], rows)
                    if isLiteral { return try arrayLength(context, a, rows) }
                    return try Loops.unaryThrowing(a[0], rows, .int4) { (view: StringView) throws(SQLError) -> Int32 in
                        view.withBytes { raw in
                            let scan = JSONScan(raw)
                            let start = scan.skipBlanks(0)
                            return scan.kind(start) == .array ? Int32(truncatingIfNeeded: scan.count(start)) : 0
                        }
                    }
                }
            }
        ]

    private static let arrayLength: Kernel = { (_, a, rows) throws(SQLError) in
        try Loops.unaryThrowing(a[0], rows, .int4) { (view: StringView) throws(SQLError) -> Int32 in
            try view.read { (raw) throws(SQLError) -> Int32 in
                let scan = JSONScan(raw)
                let start = scan.skipBlanks(0)
                switch scan.kind(start) {
                case .array: return Int32(truncatingIfNeeded: scan.count(start))
                case .object:
                    throw SQLError(.invalidParameterValue, "cannot get array length of a non-array")
                default: throw SQLError(.invalidParameterValue, "cannot get array length of a scalar")
                }
            }
        }
    }

    private static let typeName: Kernel = { (_, a, rows) throws(SQLError) in
        let lane = Lane(a[0], StringView.self)
        return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
            let kind = lane[row].withBytes { raw in
                let scan = JSONScan(raw)
                return scan.kind(scan.skipBlanks(0))
            }
            out.append(contentsOf: kind.name.utf8)
            return true
        }
    }

    /// `j['a']`, `j[0]`: the step as text, whatever the value is.
    private static let subscripts: [Overload] = [
        Overload("jsonb_subscript", [.jsonb, .text], .jsonb, canFail: false, separateSteps(isUnique: true, .jsonb))
    ]
}

extension JSONKind {
    var name: String {
        switch self {
        case .null: "null"
        case .string: "string"
        case .number: "number"
        case .boolean: "boolean"
        case .array: "array"
        case .object: "object"
        }
    }
}

extension [UInt8] {
    /// Lends the bytes to a body that may throw.
    func parsedBytes<R>(_ body: (UnsafeRawBufferPointer) throws(SQLError) -> R) throws(SQLError) -> R {
        let result: Result<R, SQLError> = withUnsafeBytes { raw in
            do throws(SQLError) { return .success(try body(raw)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

/// DuckDB's paths: `$.a."b c"[0]`, `$[#-1]`, `/a/0`, or a key alone.
enum JSONPathText {
    static func steps(_ text: UnsafeRawBufferPointer) throws(SQLError) -> [JSONStep] {
        guard let first = text.first else { return [] }
        if first == UInt8(ascii: "/") { return pointer(text) }
        guard first == UInt8(ascii: "$") else {
            return [JSONAccess.step(String(decoding: text, as: UTF8.self))]
        }
        var steps: [JSONStep] = []
        var at = 1
        func wrong() -> SQLError {
            SQLError(
                .invalidParameterValue, "JSON path error near \"\(String(decoding: text[at...], as: UTF8.self))\"",
                hint: "Paths are such as $.key, $.\"key\", $[0], $[#-1]; use jsonb_path_query for more.")
        }
        while at < text.count {
            if text[at] == UInt8(ascii: ".") {
                at += 1
                guard at < text.count else { throw wrong() }
                let start: Int
                if text[at] == UInt8(ascii: "\"") {
                    start = at + 1
                    guard let close = text[start...].firstIndex(of: UInt8(ascii: "\"")) else { throw wrong() }
                    steps.append(JSONStep(key: Array(text[start..<close]), index: nil))
                    at = close + 1
                } else {
                    start = at
                    while at < text.count, text[at] != UInt8(ascii: "."), text[at] != UInt8(ascii: "[") { at += 1 }
                    guard at > start, text[start] != UInt8(ascii: "*") else { throw wrong() }
                    steps.append(JSONStep(key: Array(text[start..<at]), index: nil))
                }
            } else if text[at] == UInt8(ascii: "["), let close = text[at...].firstIndex(of: UInt8(ascii: "]")) {
                let inside = String(decoding: text[(at + 1)..<close], as: UTF8.self)
                let number = inside.hasPrefix("#") ? String(inside.dropFirst()) : inside
                guard let index = Int32(number) else { throw wrong() }
                steps.append(JSONStep(key: [], index: Int(index)))
                at = close + 1
            } else {
                throw wrong()
            }
        }
        return steps
    }

    private static func pointer(_ text: UnsafeRawBufferPointer) -> [JSONStep] {
        String(decoding: text, as: UTF8.self).dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            JSONAccess.step(String($0).replacing("~1", with: "/").replacing("~0", with: "~"))
        }
    }
}
