// Comparison of jsonb, containment, and whether keys are there. Values are walked over, not taken apart.
import Columns
import Diagnostics

enum JSONCompare {
    static let operators: [Overload] =
        Comparison.allCases.map { comparison in
            Overload(comparison.rawValue, [.jsonb, .jsonb], .boolean, kernel(comparison))
        } + [
            Overload("@>", [.jsonb, .jsonb], .boolean, containment(isReversed: false)),
            Overload("<@", [.jsonb, .jsonb], .boolean, containment(isReversed: true)),
            Overload("?", [.jsonb, .text], .boolean, canFail: false, exists),
            Overload("?|", [.jsonb, .array(.text)], .boolean, canFail: false, exist(isAll: false)),
            Overload("?&", [.jsonb, .array(.text)], .boolean, canFail: false, exist(isAll: true)),
        ]

    static let functions: [Overload] =
        operators.compactMap { overload in
            let names = [
                "@>": "jsonb_contains", "<@": "jsonb_contained", "?": "jsonb_exists", "?|": "jsonb_exists_any",
                "?&": "jsonb_exists_all",
            ]
            return names[overload.name].map { overload.renamed($0) }
        } + [
            // Bytes that sort as the values do: what ORDER BY looks at.
            Overload(
                "jsonb_order_key", [.jsonb], .bytea,
                TextKernels.unary(.bytea) { (raw, out) throws(SQLError) in
                    try JSONOrder.appendKey(raw, to: &out)
                })
        ]

    private static func kernel(_ comparison: Comparison) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            try Loops.binaryThrowing(a[0], a[1], rows, .boolean) {
                (x: StringView, y: StringView) throws(SQLError) -> UInt8 in
                if comparison == .equal || comparison == .notEqual, StringView.equal(x, y) {
                    return comparison == .equal ? 1 : 0
                }
                let order = try x.read { (p) throws(SQLError) in
                    try y.read { (q) throws(SQLError) in try JSONOrder.compare(p, q) }
                }
                let holds =
                    switch comparison {
                    case .equal: order == 0
                    case .notEqual: order != 0
                    case .less: order < 0
                    case .lessOrEqual: order <= 0
                    case .greater: order > 0
                    case .greaterOrEqual: order >= 0
                    }
                return holds ? 1 : 0
            }
        }
    }

    // MARK: Containment

    private static func containment(isReversed: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            try Loops.binaryThrowing(a[isReversed ? 1 : 0], a[isReversed ? 0 : 1], rows, .boolean) {
                (whole: StringView, part: StringView) throws(SQLError) -> UInt8 in
                try whole.read { (p) throws(SQLError) in
                    try part.read { (q) throws(SQLError) in
                        let (x, y) = (JSONScan(p), JSONScan(q))
                        return try contains(x, x.skipBlanks(0), y, y.skipBlanks(0), depth: 0) ? 1 : 0
                    }
                }
            }
        }
    }

    /// Whether the value at `a` contains the value at `b`.
    static func contains(
        _ x: JSONScan, _ a: Int, _ y: JSONScan, _ b: Int, depth: Int
    ) throws(SQLError) -> Bool {
        guard depth <= JSONText.depthMax else { throw SQLError(.statementTooComplex, "stack depth limit exceeded") }
        switch (x.kind(a), y.kind(b)) {
        case (.object, .object):
            var at = b
            while let member = y.nextMember(&at) {
                guard let found = find(x, a, y, member) else { return false }
                guard try contains(x, found.lowerBound, y, member.value.lowerBound, depth: depth + 1) else {
                    return false
                }
            }
            return true
        case (.array, .array):
            var at = b
            var isFirst = true
            while let element = y.nextElement(&at, &isFirst) {
                guard try has(x, a, y, element.lowerBound, depth: depth) else { return false }
            }
            return true
        case (.array, .object): return false
        // Only in the outermost place an array contains a scalar.
        case (.array, _): return depth == 0 ? try has(x, a, y, b, depth: depth) : false
        case (_, .array), (_, .object), (.object, _): return false
        default: return try equalScalars(x, a, y, b)
        }
    }

    /// Whether one of an array's elements contains a value; scalars must be equal.
    private static func has(
        _ x: JSONScan, _ array: Int, _ y: JSONScan, _ b: Int, depth: Int
    ) throws(SQLError) -> Bool {
        let kind = y.kind(b)
        var at = array
        var isFirst = true
        while let element = x.nextElement(&at, &isFirst) {
            guard x.kind(element.lowerBound) == kind else { continue }
            if try contains(x, element.lowerBound, y, b, depth: depth + 1) { return true }
        }
        return false
    }

    private static func find(_ x: JSONScan, _ object: Int, _ y: JSONScan, _ member: JSONScan.Member) -> Range<Int>? {
        guard member.hasEscapes else { return x.member(object, y.bytes(member.key), isUnique: true) }
        var key: [UInt8] = []
        y.appendText(member.key, to: &key)
        return key.withUnsafeBytes { x.member(object, $0, isUnique: true) }
    }

    private static func equalScalars(_ x: JSONScan, _ a: Int, _ y: JSONScan, _ b: Int) throws(SQLError) -> Bool {
        guard x.kind(a) == y.kind(b) else { return false }
        let (p, q) = (x.bytes(a..<x.skipValue(a)), y.bytes(b..<y.skipValue(b)))
        if p.elementsEqual(q) { return true }
        switch x.kind(a) {
        case .number: return try JSONNumber.compare(p, q) == 0
        case .string:
            guard p.contains(UInt8(ascii: "\\")) || q.contains(UInt8(ascii: "\\")) else { return false }
            return try JSONOrder.isEqual(p, q)
        default: return false
        }
    }

    // MARK: Keys

    /// Whether a text is a key of an object, a string in an array, or the string itself.
    private static func exists(_ scan: JSONScan, _ key: UnsafeRawBufferPointer) -> Bool {
        let start = scan.skipBlanks(0)
        switch scan.kind(start) {
        case .object: return scan.member(start, key, isUnique: true) != nil
        case .array:
            var at = start
            var isFirst = true
            while let element = scan.nextElement(&at, &isFirst) {
                if scan.kind(element.lowerBound) == .string, isText(scan, element, key) { return true }
            }
            return false
        case .string: return isText(scan, start..<scan.skipValue(start), key)
        default: return false
        }
    }

    private static func isText(_ scan: JSONScan, _ string: Range<Int>, _ key: UnsafeRawBufferPointer) -> Bool {
        let inside = scan.bytes(scan.inside(string))
        guard inside.contains(UInt8(ascii: "\\")) else { return inside.elementsEqual(key) }
        var text: [UInt8] = []
        scan.appendText(scan.inside(string), to: &text)
        return text.elementsEqual(key)
    }

    private static let exists: Kernel = { (_, a, rows) throws(SQLError) in
        try Loops.binaryThrowing(a[0], a[1], rows, .boolean) {
            (value: StringView, key: StringView) throws(SQLError) -> UInt8 in
            value.withBytes { raw in key.withBytes { exists(JSONScan(raw), $0) } } ? 1 : 0
        }
    }

    private static func exist(isAll: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let out = Buffer(count: max(1, rows), of: UInt8.self)
            out.fill(0)
            let target = out.pointer(UInt8.self)
            let validity = Loops.validity(a, rows)
            let lane = Lane(a[0], StringView.self)
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                var holds = isAll
                for item in ArrayFunctions.elements(a[1], row) ?? [] {
                    guard case .string(let text) = item.value else { continue }
                    let isThere = lane[row].withBytes { raw in
                        Array(text.utf8).withUnsafeBytes { exists(JSONScan(raw), $0) }
                    }
                    if isThere != isAll {
                        holds = isThere
                        break
                    }
                }
                target[row] = holds ? 1 : 0
            }
            return Column(.boolean, count: rows, values: out, validity: validity)
        }
    }
}
