// The types of pg_type: numbers, names, and how format_type prints them.
import Columns

/// A row of pg_type.
struct SystemTypeRow: Sendable {
    var oid: Int64
    var name: String
    var length: Int64
    var isByValue: Bool
    var kind: String
    var category: String
    var isPreferred: Bool
    var element: Int64
    var array: Int64
    var input, output, receive, send, modifierIn, modifierOut, subscripting: String
    var alignment: String
    var storage: String
    var collation: Int64
}

/// All types.
enum SystemTypes {
    static let all: [SystemTypeRow] = CatalogData.typeRows.split(separator: "\n").compactMap { line in
        let cells = line.split(separator: " ").map { $0 == "_" ? "" : String($0) }
        guard cells.count == 19, let oid = Int64(cells[0]), let length = Int64(cells[2]), let element = Int64(cells[7]),
            let array = Int64(cells[8]), let collation = Int64(cells[18])
        else { return nil }
        return SystemTypeRow(
            oid: oid, name: cells[1], length: length, isByValue: cells[3] == "t", kind: cells[4], category: cells[5],
            isPreferred: cells[6] == "t", element: element, array: array, input: cells[9], output: cells[10],
            receive: cells[11], send: cells[12], modifierIn: cells[13], modifierOut: cells[14],
            subscripting: cells[15], alignment: cells[16], storage: cells[17], collation: collation)
    }

    static let byOID: [Int64: SystemTypeRow] = Dictionary(
        all.map { ($0.oid, $0) }, uniquingKeysWith: { first, _ in first })
    static let byName: [String: SystemTypeRow] = Dictionary(
        all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// The number of a column's type.
    static func oid(of type: SQLType) -> Int64 { byName[name(of: type)]?.oid ?? 25 }

    /// pg_type's name of a type.
    static func name(of type: SQLType) -> String {
        switch type {
        case .unknown, .text: "text"
        case .boolean: "bool"
        case .int2: "int2"
        case .int4: "int4"
        case .int8: "int8"
        case .float4: "float4"
        case .float8: "float8"
        case .decimal, .numeric: "numeric"
        case .varchar: "varchar"
        case .char: "bpchar"
        case .bytea: "bytea"
        case .date: "date"
        case .time: "time"
        case .timestamp: "timestamp"
        case .timestamptz: "timestamptz"
        case .interval: "interval"
        case .uuid: "uuid"
        case .json: "json"
        case .jsonb: "jsonb"
        // Only tables of one dimension have names of their own; maps travel as their text.
        case .array(.array(let element)): name(of: .array(element))
        case .array(let element): "_" + name(of: element)
        case .row: "record"
        case .map: "text"
        case .system(.char): "char"
        case .system(let type): type.rawValue
        }
    }

    /// atttypmod.
    static func modifier(of type: SQLType) -> Int64 {
        switch type {
        case .decimal(let precision, let scale): Int64(precision << 16 | scale) + 4
        case .varchar(.some(let length)), .char(let length): Int64(length + 4)
        case .array(let element): modifier(of: element)
        default: -1
        }
    }

    /// format_type: SQL's name of a type, with its modifier; nil for an unknown number.
    static func format(_ oid: Int64, _ modifier: Int64?) -> String? {
        guard oid != 0 else { return "-" }
        guard let row = byOID[oid] else { return nil }
        if row.category == "A", row.element != 0, row.name.hasPrefix("_") {
            return format(row.element, modifier).map { $0 + "[]" }
        }
        let mod = modifier ?? -1
        switch row.name {
        case "bpchar":
            if mod >= 4 { return "character(\(mod - 4))" }
            // Asked without a modifier it is SQL's character, with -1 the type without a length.
            return modifier == nil ? "character" : "bpchar"
        case "varchar": return mod >= 4 ? "character varying(\(mod - 4))" : "character varying"
        case "numeric":
            guard mod >= 4 else { return "numeric" }
            return "numeric(\((mod - 4) >> 16 & 0xffff),\((mod - 4) & 0xffff))"
        case "char": return "\"char\""
        default: return spelled[row.name] ?? row.name
        }
    }

    private static let spelled: [String: String] = [
        "bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real",
        "float8": "double precision", "time": "time without time zone", "timestamp": "timestamp without time zone",
        "timestamptz": "timestamp with time zone", "any": "\"any\"",
    ]

    /// The number behind a type's name as SQL writes it, nil for an unknown one.
    static func oid(named text: String) -> Int64? {
        var name = text.trimmingBlanks
        var isArray = false
        if name.hasSuffix("[]") {
            isArray = true
            name = String(name.dropLast(2)).trimmingBlanks
        }
        if let open = name.firstIndex(of: "("), let close = name.lastIndex(of: ")"), open < close {
            name = String(name[..<open]).trimmingBlanks + String(name[name.index(after: close)...])
        }
        if name == "\"char\"" {
            name = "char"
        } else {
            for prefix in ["pg_catalog.", "\"pg_catalog\"."] where name.lowercased().hasPrefix(prefix) {
                name = String(name.dropFirst(prefix.count))
            }
            name = name.hasPrefix("\"") ? name.filter { $0 != "\"" } : aliases[name.lowercased()] ?? name.lowercased()
        }
        guard let row = byName[name] else { return nil }
        if isArray { return row.array == 0 ? nil : row.array }
        return row.oid
    }

    private static let aliases: [String: String] = {
        var table = Dictionary(spelled.map { ($0.value, $0.key) }, uniquingKeysWith: { first, _ in first })
        let more = [
            "int": "int4", "character": "bpchar", "char": "bpchar", "character varying": "varchar", "float": "float8",
            "decimal": "numeric", "dec": "numeric", "string": "text", "boolean": "bool",
        ]
        table.merge(more) { _, new in new }
        return table
    }()
}

extension String {
    /// Without blanks at both ends.
    var trimmingBlanks: String {
        var rest = Substring(self)
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " { rest.removeLast() }
        return String(rest)
    }
}
