// DuckDB's functions over JSON that PostgreSQL lacks: json_valid, json_type, json_keys, json_contains; and names of from_json.
import Columns
import Diagnostics

enum JSONDuckDB {
    static let functions: [Overload] =
        transforms
        + [SQLType.text, .json, .jsonb].flatMap { type -> [Overload] in
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
                                return try JSONCompare.contains(x, x.skipBlanks(0), y, y.skipBlanks(0), depth: 0)
                                    ? 1 : 0
                            }
                        }
                    }
                },
            ]
        }

    private static let transforms: [Overload] =
        ["from_json", "json_transform", "from_json_strict", "json_transform_strict"].flatMap { name in
            [SQLType.text, .json, .jsonb, .array(.json)].map { type in
                Overload(name, [.type(type), .type(.text)]) { (call) throws(SQLError) in
                    try JSONTransform.binding(call, type, isStrict: name.hasSuffix("strict"))
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
}
