// The types of Iceberg's columns, as metadata writes them and as SQL knows them.

import Columns
import Diagnostics

/// The type of a column.
indirect enum IcebergType: Hashable, Sendable {
    case boolean, int, long, float, double
    case decimal(precision: Int, scale: Int)
    case date, time, timestamp, timestamptz, timestampNanos, timestamptzNanos
    case string, uuid, binary
    case fixed(Int)
    /// Version 3: every value is NULL.
    case unknown
    case row([IcebergField])
    /// The element is a field without a name of its own, as are the parts of maps.
    case list(IcebergField)
    case map(key: IcebergField, value: IcebergField)
    /// What this program does not know.
    case other(JSON)

    init(_ json: JSON) throws(Malformed) {
        guard let text = json.asString else {
            self = try IcebergType.nested(json)
            return
        }
        let word = text.filter { $0 != " " }
        switch word {
        case "boolean": self = .boolean
        case "int": self = .int
        case "long": self = .long
        case "float": self = .float
        case "double": self = .double
        case "date": self = .date
        case "time": self = .time
        case "timestamp": self = .timestamp
        case "timestamptz": self = .timestamptz
        case "timestamp_ns": self = .timestampNanos
        case "timestamptz_ns": self = .timestamptzNanos
        case "string": self = .string
        case "uuid": self = .uuid
        case "binary": self = .binary
        case "unknown": self = .unknown
        default:
            if let digits = IcebergType.arguments(word, "decimal(", ")"), digits.count == 2,
                (1...SQLType.precisionMax).contains(digits[0]), (0...digits[0]).contains(digits[1])
            {
                self = .decimal(precision: digits[0], scale: digits[1])
            } else if let length = IcebergType.arguments(word, "fixed[", "]"), length.count == 1 {
                self = .fixed(length[0])
            } else {
                self = .other(json)
            }
        }
    }

    /// Structs, lists and maps.
    private static func nested(_ json: JSON) throws(Malformed) -> IcebergType {
        func part(_ name: String) throws(Malformed) -> IcebergField {
            guard let id = json["\(name)-id"]?.asInt32, let type = json[name] else {
                throw Malformed("a column of lists or maps has no \(name)")
            }
            let isRequired = name == "key" || json["\(name)-required"]?.asBool ?? false
            return IcebergField(id: id, name: name, isRequired: isRequired, type: try IcebergType(type))
        }
        switch json["type"]?.asString {
        case "struct":
            var fields: [IcebergField] = []
            var ids: Set<Int32> = []
            for field in json["fields"]?.asArray ?? [] {
                let made = try IcebergField(field)
                guard ids.insert(made.id).inserted else { throw Malformed("two fields have the id \(made.id)") }
                fields.append(made)
            }
            return .row(fields)
        case "list": return .list(try part("element"))
        case "map": return .map(key: try part("key"), value: try part("value"))
        case nil: throw Malformed("a column has no type")
        default: return .other(json)
        }
    }

    /// The parts of a nested type: fields of a struct, the element of a list, key and value of a map.
    var parts: [IcebergField] {
        switch self {
        case .row(let fields): fields
        case .list(let element): [element]
        case .map(let key, let value): [key, value]
        default: []
        }
    }

    var isNested: Bool {
        switch self {
        case .row, .list, .map: true
        default: false
        }
    }

    /// Whether this or a part of it satisfies a condition.
    func contains(_ condition: (IcebergType) -> Bool) -> Bool {
        condition(self) || parts.contains { $0.type.contains(condition) }
    }

    private static func arguments(_ word: String, _ start: String, _ end: String) -> [Int]? {
        guard word.hasPrefix(start), word.hasSuffix(end) else { return nil }
        let parts = word.dropFirst(start.count).dropLast(end.count).split(separator: ",")
        let numbers = parts.compactMap { Int($0) }
        return numbers.count == parts.count && numbers.allSatisfy { $0 >= 0 } ? numbers : nil
    }

    var json: JSON { json(over: nil) }

    /// As metadata has it, edited into what stood there.
    func json(over old: JSON?) -> JSON {
        switch self {
        case .other(let json): return json
        case .row(let fields):
            var known: [Int32: JSON] = [:]
            for field in old?["fields"]?.asArray ?? [] {
                if let id = field["id"]?.asInt32 { known[id] = field }
            }
            var object = old?.asObject ?? JSONObject()
            object["type"] = .string("struct")
            object["fields"] = .array(fields.map { $0.json(over: known[$0.id]) })
            return .object(object)
        case .list, .map:
            var object = old?.asObject ?? JSONObject()
            object["type"] = .string(name)
            for part in parts {
                object["\(part.name)-id"] = .int(Int64(part.id))
                object[part.name] = part.type.json(over: old?[part.name])
                if part.name != "key" { object["\(part.name)-required"] = .bool(part.isRequired) }
            }
            return .object(object)
        default: return .string(name)
        }
    }

    var name: String {
        switch self {
        case .boolean: "boolean"
        case .int: "int"
        case .long: "long"
        case .float: "float"
        case .double: "double"
        case .decimal(let precision, let scale): "decimal(\(precision), \(scale))"
        case .date: "date"
        case .time: "time"
        case .timestamp: "timestamp"
        case .timestamptz: "timestamptz"
        case .timestampNanos: "timestamp_ns"
        case .timestamptzNanos: "timestamptz_ns"
        case .string: "string"
        case .uuid: "uuid"
        case .binary: "binary"
        case .fixed(let length): "fixed[\(length)]"
        case .unknown: "unknown"
        case .row: "struct"
        case .list: "list"
        case .map: "map"
        case .other(let json): json["type"]?.asString ?? json.asString ?? "unknown"
        }
    }

    /// The SQL type; `unknown` when the column cannot be read.
    var sqlType: SQLType {
        switch self {
        case .boolean: .boolean
        case .int: .int4
        case .long: .int8
        case .float: .float4
        case .double: .float8
        case .decimal(let precision, let scale): .decimal(precision: precision, scale: scale)
        case .date: .date
        case .time: .time
        case .timestamp, .timestampNanos: .timestamp
        case .timestamptz, .timestamptzNanos: .timestamptz
        case .string, .unknown: .text
        case .uuid: .uuid
        case .binary, .fixed: .bytea
        case .row(let fields):
            fields.contains { $0.sqlType == .unknown }
                ? .unknown : .row(fields.map { StructField($0.name, $0.sqlType) })
        case .list(let element): element.sqlType == .unknown ? .unknown : .array(element.sqlType)
        case .map(let key, let value):
            key.sqlType == .unknown || value.sqlType == .unknown
                ? .unknown : .map(key: key.sqlType, value: value.sqlType)
        case .other: .unknown
        }
    }

    var isNanos: Bool { self == .timestampNanos || self == .timestamptzNanos }

    /// The type that stores values of an SQL type, which may be nested: its parts get the ids after `last`. Nil when
    /// there is none.
    init?(storing type: SQLType, last: inout Int32) {
        func part(_ name: String, _ type: SQLType, isRequired: Bool = false, id: Int32) -> IcebergField? {
            IcebergType(storing: type, last: &last).map {
                IcebergField(id: id, name: name, isRequired: isRequired, type: $0)
            }
        }
        let first = last + 1
        switch type {
        case .row(let fields):
            // The ids of a level come before those inside it.
            last += Int32(fields.count)
            var made: [IcebergField] = []
            for (index, field) in fields.enumerated() {
                guard let part = part(field.name, field.type, id: first + Int32(index)) else { return nil }
                made.append(part)
            }
            guard !made.isEmpty else { return nil }
            self = .row(made)
        case .array(let element):
            last += 1
            guard let part = part("element", element, id: first) else { return nil }
            self = .list(part)
        case .map(let key, let value):
            last += 2
            guard let keyPart = part("key", key, isRequired: true, id: first),
                let valuePart = part("value", value, id: first + 1)
            else { return nil }
            self = .map(key: keyPart, value: valuePart)
        default:
            guard let plain = IcebergType(storing: type) else { return nil }
            self = plain
        }
    }

    /// The type that stores values of an SQL type that is not nested; nil when there is none.
    init?(storing type: SQLType) {
        switch type {
        case .boolean: self = .boolean
        case .int2, .int4: self = .int
        case .int8: self = .long
        case .float4: self = .float
        case .float8: self = .double
        case .decimal(let precision, let scale): self = .decimal(precision: precision, scale: scale)
        // Every value of a column has one scale here: enough digits for averages.
        case .numeric: self = .decimal(precision: SQLType.precisionMax, scale: IcebergType.numericScale)
        // Spans of time are written as SQL writes them.
        case .text, .varchar, .char, .json, .jsonb, .interval: self = .string
        case .bytea: self = .binary
        case .date: self = .date
        case .time: self = .time
        case .timestamp: self = .timestamp
        case .timestamptz: self = .timestamptz
        case .uuid: self = .uuid
        case .unknown, .array, .row, .map, .system, .enumeration, .bit, .varbit: return nil
        }
    }

    /// Fractional digits of `numeric` columns without a modifier.
    static let numericScale = 16

    /// Whether values of this type can be written.
    var isWritable: Bool {
        !contains { type in
            switch type {
            case .timestampNanos, .timestamptzNanos, .fixed, .unknown, .other: true
            default: false
            }
        }
    }

    /// Whether a column may be changed to a type, as the specification allows it.
    func promotes(to target: IcebergType, version: Int) -> Bool {
        switch (self, target) {
        case (.int, .long), (.float, .double): true
        case (.decimal(let precision, let scale), .decimal(let wider, let same)): scale == same && wider >= precision
        case (.date, .timestamp), (.date, .timestampNanos): version >= 3
        case (.unknown, _): version >= 3
        default: self == target
        }
    }
}

/// A column of a table.
struct IcebergField: Sendable, Hashable {
    var id: Int32
    var name: String
    var isRequired: Bool
    var type: IcebergType
    var doc: String?
    /// The value of rows in files that lack the column.
    var initialDefault: JSON?
    var writeDefault: JSON?
    /// The length of varchar(n) and char(n) in SQL; Iceberg knows strings only.
    var sqlType: SQLType

    init(id: Int32, name: String, isRequired: Bool, type: IcebergType) {
        self.id = id
        self.name = name
        self.isRequired = isRequired
        self.type = type
        sqlType = type.sqlType
    }

    init(_ json: JSON) throws(Malformed) {
        guard let id = json["id"]?.asInt32, let name = json["name"]?.asString, let type = json["type"] else {
            throw Malformed("a column has no id, name or type")
        }
        self.init(id: id, name: name, isRequired: json["required"]?.asBool ?? false, type: try IcebergType(type))
        doc = json["doc"]?.asString
        initialDefault = json["initial-default"]
        writeDefault = json["write-default"]
    }

    /// As a member of a schema's list of fields, edited into what stood there.
    func json(over old: JSON? = nil) -> JSON {
        var object = old?.asObject ?? JSONObject()
        object["id"] = .int(Int64(id))
        object["name"] = .string(name)
        object["required"] = .bool(isRequired)
        object["type"] = type.json(over: old?["type"])
        if let doc { object["doc"] = .string(doc) }
        if let initialDefault { object["initial-default"] = initialDefault }
        if let writeDefault { object["write-default"] = writeDefault }
        return .object(object)
    }

    /// What SQL sees.
    var field: Field { Field(name, sqlType, isNullable: !isRequired) }
}

/// The columns of a table at one time.
struct IcebergSchema: Sendable, Hashable {
    var id: Int32
    var fields: [IcebergField]
    var identifierIDs: [Int32]

    init(id: Int32, fields: [IcebergField], identifierIDs: [Int32] = []) {
        self.id = id
        self.fields = fields
        self.identifierIDs = identifierIDs
    }

    private static let fieldsMax = 10_000

    init(_ json: JSON) throws(Malformed) {
        id = json["schema-id"]?.asInt32 ?? 0
        identifierIDs = (json["identifier-field-ids"]?.asArray ?? []).compactMap(\.asInt32)
        guard let list = json["fields"]?.asArray else { throw Malformed("a schema has no fields") }
        guard list.count <= IcebergSchema.fieldsMax else {
            throw Malformed("a schema has more than \(IcebergSchema.fieldsMax) fields")
        }
        fields = []
        var ids: Set<Int32> = []
        for field in list {
            let made = try IcebergField(field)
            guard ids.insert(made.id).inserted else { throw Malformed("two columns have the id \(made.id)") }
            fields.append(made)
        }
    }

    func field(_ id: Int32) -> IcebergField? { fields.first { $0.id == id } }

    func field(named name: String) -> IcebergField? { fields.first { $0.name == name } }

    var schema: Schema { Schema(fields.map(\.field)) }

    /// As an entry of `schemas`; fields are edited into those of `old` that have the same ids.
    func json(over old: JSON? = nil) -> JSON {
        var known: [Int32: JSON] = [:]
        for field in old?["fields"]?.asArray ?? [] {
            if let id = field["id"]?.asInt32 { known[id] = field }
        }
        var object: JSONObject = [
            "type": .string("struct"), "schema-id": .int(Int64(id)),
            "fields": .array(fields.map { $0.json(over: known[$0.id]) }),
        ]
        if !identifierIDs.isEmpty { object["identifier-field-ids"] = .array(identifierIDs.map { .int(Int64($0)) }) }
        return .object(object)
    }
}
