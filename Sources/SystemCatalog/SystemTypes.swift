// The types of pg_type: numbers, names, and how format_type prints them.
import Catalogs
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
    var schema = OIDs.catalogSchema
    var owner = OIDs.owner
    /// What a domain is over.
    var base: Int64 = 0
    var isNotNull = false
    var defaultText: String?
    /// Of an enum.
    var labels: [String] = []
    var acl: [String]?
    var comment: String?
    /// Conditions of a domain, by name.
    var checks: [TypeDefinition.Check] = []
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

    /// The rows of a type of the user, and of its arrays.
    static func rows(of type: TypeDefinition, _ name: TableName, _ schema: Int64) -> [SystemTypeRow] {
        let oid = StableOID.type(name.schema, name.objectName)
        let array = StableOID.arrayType(name.schema, name.objectName)
        var row = SystemTypeRow(
            oid: oid, name: name.objectName, length: -1, isByValue: false, kind: "e", category: "E", isPreferred: false,
            element: 0, array: array, input: "", output: "", receive: "", send: "", modifierIn: "", modifierOut: "",
            subscripting: "", alignment: "i", storage: "p", collation: 0)
        row.schema = schema
        row.owner = type.owner ?? OIDs.owner
        row.comment = type.comment
        switch type.form {
        case .enumeration(let labels):
            (row.length, row.isByValue, row.labels) = (4, true, labels)
        case .composite: (row.kind, row.category, row.storage, row.alignment) = ("c", "C", "x", "d")
        case .domain(let domain):
            let base = self.oid(named: domain.base).flatMap { byOID[$0] }
            (row.kind, row.category, row.base) = ("d", base?.category ?? "U", base?.oid ?? userOID(domain.base) ?? 25)
            (row.length, row.isByValue) = (base?.length ?? -1, base?.isByValue ?? false)
            (row.storage, row.alignment) = (base?.storage ?? "x", base?.alignment ?? "i")
            (row.isNotNull, row.defaultText, row.checks) = (domain.isNotNull, domain.defaultValue, domain.checks)
        }
        var list = row
        (list.oid, list.name, list.length, list.isByValue) = (array, "_" + row.name, -1, false)
        (list.kind, list.category, list.element, list.array) = ("b", "A", oid, 0)
        list.comment = nil
        (list.labels, list.checks, list.base, list.isNotNull, list.defaultText) = ([], [], 0, false, nil)
        return [row, list]
    }

    /// The number of a user's type by its name as tables keep it: `"schema"."name"`, with [] for arrays.
    static func userOID(_ text: String) -> Int64? {
        guard text.hasPrefix("\"") else { return nil }
        let isArray = text.hasSuffix("[]")
        let parts = SystemState.parts(isArray ? String(text.prefix { $0 != "[" }) : text)
        guard parts.count == 2 else { return nil }
        return isArray ? StableOID.arrayType(parts[0], parts[1]) : StableOID.type(parts[0], parts[1])
    }

    static let byOID: [Int64: SystemTypeRow] = Dictionary(
        all.map { ($0.oid, $0) }, uniquingKeysWith: { first, _ in first })
    static let byName: [String: SystemTypeRow] = Dictionary(
        all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// The number of a column's type.
    static func oid(of type: SQLType) -> Int64 {
        switch type {
        case .enumeration(let type): StableOID.type(type.schema, type.name)
        case .array(.enumeration(let type)): StableOID.arrayType(type.schema, type.name)
        default: byName[name(of: type)]?.oid ?? 25
        }
    }

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
        case .bit: "bit"
        case .varbit: "varbit"
        case .enumeration(let type): type.name
        case .system(.char): "char"
        case .system(let type): type.rawValue
        }
    }

    /// atttypmod.
    static func modifier(of type: SQLType) -> Int64 {
        switch type {
        case .decimal(let precision, let scale): Int64(precision << 16 | scale) + 4
        case .varchar(.some(let length)), .char(let length): Int64(length + 4)
        case .bit(let length), .varbit(.some(let length)): Int64(length)
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
        case "bit": return modifier == nil ? "bit" : mod > 0 ? "bit(\(mod))" : "\"bit\""
        case "varbit": return mod > 0 ? "bit varying(\(mod))" : "bit varying"
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
