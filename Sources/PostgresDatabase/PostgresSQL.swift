// SQL for a PostgreSQL server: names, values, and the domains of a scan as conditions.
import Columns

/// Spells SQL.
enum PostgresSQL {
    static func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }

    static func quoted(schema: String, _ name: String) -> String { quoted(schema) + "." + quoted(name) }

    static func string(_ text: String) -> String {
        // A backslash means itself in E'' only when it is doubled, whatever standard_conforming_strings says.
        text.contains("\\")
            ? " E'" + text.replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
            : "'" + text.replacing("'", with: "''") + "'"
    }

    /// Values that one condition lists; longer lists are sent as their bounds.
    private static let valuesMax = 1_024

    /// A condition that holds for every row of the domain, and for as few others as the server can tell; nil: none.
    static func condition(_ column: PostgresColumn, _ domain: ColumnDomain) -> String? {
        guard !domain.isAll, column.isDirect else { return nil }
        if domain.isNone { return "false" }
        let name = quoted(column.name)
        if let values = domain.values, values.isEmpty { return name + " IS NULL" }
        var parts: [String] = []
        if let values = domain.values, values.count <= valuesMax {
            let list = values.compactMap { literal($0, for: column.type) }
            if list.count == values.count { parts.append("\(name) IN (\(list.joined(separator: ", ")))") }
        }
        if parts.isEmpty {
            if let value = domain.single.flatMap({ literal($0, for: column.type) }) {
                parts.append("\(name) = \(value)")
            } else if let ordered = ordered(name, column.type) {
                if let low = domain.low.flatMap({ literal($0, for: column.type) }) {
                    parts.append("\(ordered) \(domain.isLowInclusive ? ">=" : ">") \(low)")
                }
                if let high = domain.high.flatMap({ literal($0, for: column.type) }) {
                    parts.append("\(ordered) \(domain.isHighInclusive ? "<=" : "<") \(high)")
                }
            }
        }
        let both = parts.joined(separator: " AND ")
        switch (domain.allowsNull, both.isEmpty) {
        case (true, true): return nil
        case (true, false): return "(\(both) OR \(name) IS NULL)"
        case (false, true): return name + " IS NOT NULL"
        case (false, false): return both
        }
    }

    /// A column as it must be written to be ordered as we order; nil: the server's order is another.
    private static func ordered(_ name: String, _ type: SQLType) -> String? {
        switch type {
        case .text, .varchar: name + " COLLATE \"C\""
        case .int2, .int4, .int8, .float4, .float8, .decimal, .numeric, .date, .time, .timestamp, .timestamptz: name
        default: nil
        }
    }

    /// A value that compares with a column of a type as it does here; nil: not certainly.
    private static func literal(_ value: Scalar, for type: SQLType) -> String? {
        let spelling: String
        switch (type, value.type) {
        case (.int2, .int2), (.int2, .int4), (.int2, .int8), (.int4, .int2), (.int4, .int4), (.int4, .int8),
            (.int8, .int2), (.int8, .int4), (.int8, .int8):
            spelling = "bigint"
        case (.decimal, let other) where other.isInteger || other.isNumeric: spelling = "numeric"
        case (.numeric, let other) where other.isInteger || other.isNumeric: spelling = "numeric"
        case (.int2, let other) where other.isNumeric: spelling = "numeric"
        case (.int4, let other) where other.isNumeric: spelling = "numeric"
        case (.int8, let other) where other.isNumeric: spelling = "numeric"
        case (.float4, .float4): spelling = "real"
        case (.float8, .float8), (.float4, .float8), (.float8, .float4): spelling = "double precision"
        case (.text, .text), (.text, .varchar), (.text, .unknown), (.varchar, .text), (.varchar, .varchar),
            (.varchar, .unknown):
            spelling = "text"
        case (.boolean, .boolean): spelling = "boolean"
        case (.date, .date): spelling = "date"
        case (.time, .time): spelling = "time"
        case (.timestamp, .timestamp): spelling = "timestamp"
        case (.timestamptz, .timestamptz): spelling = "timestamptz"
        case (.uuid, .uuid): spelling = "uuid"
        default: return nil
        }
        guard let text = value.outputText(), !text.contains("\0") else { return nil }
        return string(text) + "::" + spelling
    }
}
