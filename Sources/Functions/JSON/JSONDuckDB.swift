// DuckDB's functions over JSON that PostgreSQL lacks: json_valid, json_type, json_keys, json_contains, from_json.
import Columns
import Diagnostics

enum JSONDuckDB {
    static let functions: [Overload] = [SQLType.text, .json, .jsonb].flatMap { type -> [Overload] in
        [
            Overload("json_valid", [type], .boolean, canFail: false, valid),
            Overload("json_type", [type], .text) { (_, a, rows) throws(SQLError) in try types(a, rows) },
            Overload("json_type", [type, .text], .text) { (_, a, rows) throws(SQLError) in try types(a, rows) },
            Overload("json_keys", [type], .array(.text)) { (_, a, rows) throws(SQLError) in
                try JSONSets.lists(a[0], rows, .text) { (scan, start, list) throws(SQLError) in
                    guard scan.kind(start) == .object else { return }
                    var at = start
                    while let member = scan.nextMember(&at) { list.append(text(scan, member.key)) }
                }
            },
            Overload("json_contains", [type, type], .boolean) { (_, a, rows) throws(SQLError) in
                try Loops.binaryThrowing(a[0], a[1], rows, .boolean) {
                    (whole: StringView, part: StringView) throws(SQLError) -> UInt8 in
                    try whole.read { (p) throws(SQLError) in
                        try part.read { (q) throws(SQLError) in
                            let (x, y) = (JSONScan(p), JSONScan(q))
                            return try JSONCompare.contains(x, x.skipBlanks(0), y, y.skipBlanks(0), depth: 0) ? 1 : 0
                        }
                    }
                }
            },
        ]
            + ["from_json", "json_transform", "from_json_strict", "json_transform_strict"].map { name in
                Overload(name, [.type(type), .type(.text)]) { (call) throws(SQLError) in
                    try transformed(call, type, isStrict: name.hasSuffix("strict"))
                }
            }
    }

    private static func text(_ scan: JSONScan, _ inside: Range<Int>) -> [UInt8] {
        var out: [UInt8] = []
        scan.appendText(inside, to: &out)
        return out
    }

    private static let valid: Kernel = { (_, a, rows) throws(SQLError) in
        try Loops.unaryThrowing(a[0], rows, .boolean) { (view: StringView) throws(SQLError) -> UInt8 in
            let isGood = view.withBytes { raw in (try? JSONText.check(raw)) != nil }
            return isGood ? 1 : 0
        }
    }

    private static func types(_ a: [Column], _ rows: Int) throws(SQLError) -> Column {
        let lane = Lane(a[0], StringView.self)
        let paths = a.count > 1 ? Lane(a[1], StringView.self) : nil
        return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
            try lane[row].read { (raw) throws(SQLError) in
                let scan = JSONScan(raw)
                var steps: [JSONStep] = []
                if let paths { steps = try paths[row].read { (path) throws(SQLError) in try JSONPathText.steps(path) } }
                guard let range = JSONAccess.walk(scan, steps, isUnique: true) else { return false }
                out.append(contentsOf: name(scan, range).utf8)
                return true
            }
        }
    }

    /// DuckDB's word for what a value is.
    private static func name(_ scan: JSONScan, _ range: Range<Int>) -> String {
        switch scan.kind(range.lowerBound) {
        case .null: return "NULL"
        case .boolean: return "BOOLEAN"
        case .string: return "VARCHAR"
        case .array: return "ARRAY"
        case .object: return "OBJECT"
        case .number:
            let digits = String(decoding: scan.bytes(range), as: UTF8.self)
            if UInt64(digits) != nil { return "UBIGINT" }
            return Int64(digits) != nil ? "BIGINT" : "DOUBLE"
        }
    }

    // MARK: from_json

    private static let names: [String: SQLType] = [
        "VARCHAR": .text, "TEXT": .text, "STRING": .text, "BOOLEAN": .boolean, "BOOL": .boolean, "TINYINT": .int2,
        "SMALLINT": .int2, "INTEGER": .int4, "INT": .int4, "BIGINT": .int8,
        "HUGEINT": .decimal(precision: 38, scale: 0),
        "UTINYINT": .int2, "USMALLINT": .int4, "UINTEGER": .int8, "UBIGINT": .decimal(precision: 20, scale: 0),
        "FLOAT": .float4, "REAL": .float4, "DOUBLE": .float8, "DATE": .date, "TIME": .time, "TIMESTAMP": .timestamp,
        "TIMESTAMPTZ": .timestamptz, "TIMESTAMP WITH TIME ZONE": .timestamptz, "UUID": .uuid, "JSON": .json,
    ]

    /// from_json(j, '"INTEGER"') and from_json(j, '["VARCHAR"]'): one value, or a list.
    private static func transformed(_ call: Call, _ type: SQLType, isStrict: Bool) throws(SQLError) -> Binding {
        guard case .string(let shape)? = call.literal(1)?.value else {
            throw SQLError(.invalidParameterValue, "JSON structure must be a constant")
        }
        let unsupported = SQLError(
            .featureNotSupported, "JSON structure \(shape) is not supported",
            hint: "A type such as '\"INTEGER\"' or a list of one such as '[\"VARCHAR\"]' is.")
        let bytes = Array(shape.utf8)
        try bytes.parsedBytes { (raw) throws(SQLError) in try JSONText.check(raw) }
        let tree = try bytes.parsedBytes { (raw) throws(SQLError) in
            let scan = JSONScan(raw)
            return try JSONTree(scan, scan.skipBlanks(0), depth: 0)
        }
        var leaf = tree
        if case .array(let items) = tree {
            guard items.count == 1 else { throw unsupported }
            leaf = items[0]
        }
        let isList = tree.kind == .array
        guard case .string(let name) = leaf,
            let element = names[String(decoding: name, as: UTF8.self).uppercased()]
        else { throw unsupported }
        let result: SQLType = isList ? .array(element) : element
        let source: SQLType = isList ? .array(element == .json ? .json : .text) : element == .json ? .json : .text
        guard let cast = FunctionRegistry.cast(from: source, to: result, context: .explicit, isTry: !isStrict) else {
            throw unsupported
        }
        return Binding(arguments: [type, .text], result: result) { (context, a, rows) throws(SQLError) in
            let parts: Column
            if isList {
                parts = try JSONSets.lists(a[0], rows, element == .json ? .json : .text) {
                    (scan, start, list) throws(SQLError) in
                    guard scan.kind(start) == .array else { return }
                    var at = start
                    var isFirst = true
                    while let item = scan.nextElement(&at, &isFirst) {
                        try list.append(scan, value: item, asText: element != .json)
                    }
                }
            } else {
                parts = try JSONAccess.parts(a, rows, source) { (scan, _) throws(SQLError) in scan.root }
            }
            return Flatten.flat(try cast.kernel(context, [parts], rows))
        }
    }
}
