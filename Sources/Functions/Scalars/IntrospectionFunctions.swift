// Functions without a catalog that introspection queries use: sizes in words, identifiers, JSON objects.
import Columns
import Diagnostics

enum IntrospectionFunctions {
    static let all: [Overload] = [
        Overload("pg_size_pretty", [.int8], .text, canFail: false) { (_, a, rows) throws(SQLError) in
            try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                guard case .int(let bytes) = a[0].scalar(row).value else { return false }
                out.append(contentsOf: pretty(bytes).utf8)
                return true
            }
        },
        options("pg_option_names") { text, sign in String(text[..<sign]) },
        options("pg_option_values") { text, sign in String(text[sign...].dropFirst()) },
        Overload("parse_ident", [.text], .array(.text)) { (_, a, rows) throws(SQLError) in try identifiers(a[0], rows)
        },
        Overload("parse_ident", [.text, .boolean], .array(.text)) { (_, a, rows) throws(SQLError) in
            try identifiers(a[0], rows)
        },
    ]

    /// As PostgreSQL: the unit grows while ten thousand or more are left, halves are rounded up.
    private static func pretty(_ bytes: Int64) -> String {
        if bytes.magnitude < 10_240 { return "\(bytes) bytes" }
        // Twice the number of the unit below, so that the last division can round.
        var doubled = bytes / 512
        for unit in ["kB", "MB", "GB", "TB"] {
            if doubled.magnitude < 2 * 10_240 - 1 { return "\((doubled + (doubled < 0 ? -1 : 1)) / 2) \(unit)" }
            doubled /= 1_024
        }
        return "\((doubled + (doubled < 0 ? -1 : 1)) / 2) PB"
    }

    private static func identifiers(_ column: Column, _ rows: Int) throws(SQLError) -> Column {
        let builder = ColumnBuilder(.array(.text), capacity: rows)
        for row in 0..<rows {
            guard case .string(let text) = column.scalar(row).value else {
                builder.appendNull()
                continue
            }
            builder.append(Scalar(.array(.text), .array(try parts(text).map { Scalar.text($0) })))
        }
        return builder.finish()
    }

    /// The parts of a dotted name.
    private static func parts(_ text: String) throws(SQLError) -> [String] {
        let invalid = SQLError(.invalidParameterValue, "string is not a valid identifier: \"\(text)\"")
        var parts: [String] = []
        var rest = Substring(text.filter { $0 != " " || text.contains("\"") })
        while true {
            if rest.first == "\"" {
                rest.removeFirst()
                var name = ""
                while let next = rest.popFirst() {
                    guard next == "\"" else {
                        name.append(next)
                        continue
                    }
                    guard rest.first == "\"" else { break }
                    name.append(rest.removeFirst())
                }
                guard !name.isEmpty else { throw invalid }
                parts.append(name)
            } else {
                let name = rest.prefix { $0 != "." }
                guard let first = name.first, first.isLetter || first == "_" else { throw invalid }
                parts.append(name.lowercased())
                rest = rest.dropFirst(name.count)
            }
            guard let dot = rest.popFirst() else { return parts }
            guard dot == "." else { throw invalid }
        }
    }

    /// One half of each `name=value`: what pg_options_to_table() is unnest() of.
    private static func options(
        _ name: String, _ half: @escaping @Sendable (String, String.Index) -> String
    ) -> Overload {
        Overload(name, [.array(.text)], .array(.text), canFail: false) { (_, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(.array(.text), capacity: rows)
            for row in 0..<rows {
                guard let items = ArrayFunctions.elements(a[0], row) else {
                    builder.appendNull()
                    continue
                }
                let halves = items.map { item -> Scalar in
                    guard case .string(let text) = item.value else { return .null(.text) }
                    return .text(half(text, text.firstIndex(of: "=") ?? text.endIndex))
                }
                builder.append(Scalar(.array(.text), .array(halves)))
            }
            return builder.finish()
        }
    }
}
