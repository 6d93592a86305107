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
        Overload("parse_ident", [.text, .boolean], .array(.text), optional: 1) { (_, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(.array(.text), capacity: rows)
            let validity = Loops.validity(a, rows)
            for row in 0..<rows {
                if let validity, !Bitmap.get(validity.pointer(UInt64.self), row) {
                    builder.appendNull()
                    continue
                }
                let isStrict = a.count < 2 || Lane(a[1], UInt8.self)[row] != 0
                let names = try parts(Lane(a[0], StringView.self)[row].string, isStrict: isStrict)
                builder.append(Scalar(.array(.text), .array(names.map { .text($0) })))
            }
            return builder.finish()
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

    /// The parts of a dotted name, which blanks may surround. Unless it is strict, what follows it may be anything.
    private static func parts(_ text: String, isStrict: Bool) throws(SQLError) -> [String] {
        func invalid(_ detail: String?) -> SQLError {
            SQLError(.invalidParameterValue, "string is not a valid identifier: \"\(text)\"", detail: detail)
        }
        func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || (9...13).contains(scalar.value) }
        func isLetter(_ scalar: Unicode.Scalar) -> Bool {
            scalar.value >= 128 || scalar == "_" || (65...90).contains(scalar.value)
                || (97...122).contains(scalar.value)
        }
        var parts: [String] = []
        var rest = text.unicodeScalars[...].drop(while: isBlank)
        while true {
            if rest.first == "\"" {
                rest.removeFirst()
                var name = String.UnicodeScalarView()
                while true {
                    guard let next = rest.popFirst() else { throw invalid("String has unclosed double quotes.") }
                    if next == "\"" {
                        guard rest.first == "\"" else { break }
                        rest.removeFirst()
                    }
                    name.append(next)
                }
                guard !name.isEmpty else { throw invalid("Quoted identifier must not be empty.") }
                parts.append(String(name))
            } else {
                let name = rest.prefix { isLetter($0) || (48...57).contains($0.value) || $0 == "$" }
                guard let first = name.first, isLetter(first) else {
                    if rest.first == "." { throw invalid("No valid identifier before \".\".") }
                    throw invalid(parts.isEmpty ? nil : "No valid identifier after \".\".")
                }
                parts.append(String(name).lowercased())
                rest = rest.dropFirst(name.count)
            }
            rest = rest.drop(while: isBlank)
            guard rest.first == "." else {
                guard rest.isEmpty || !isStrict else { throw invalid(nil) }
                return parts
            }
            rest = rest.dropFirst().drop(while: isBlank)
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
