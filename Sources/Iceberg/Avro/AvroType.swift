// Avro schemas: the types of what a file holds, with the field ids that Iceberg gives them.

/// A type of an Avro schema.
indirect enum AvroType: Sendable {
    case null, boolean, int, long, float, double, bytes, string
    case fixed(Int)
    case enumeration([String])
    case array(AvroType)
    case map(AvroType)
    case union([AvroType])
    case record(AvroRecordType)

    /// Whether a value may take no bytes at all.
    var mayBeEmpty: Bool {
        switch self {
        case .null: true
        case .fixed(let length): length == 0
        // Only that of a table without partitions: others are refused.
        case .record(let record): record.fields.isEmpty
        default: false
        }
    }
}

/// A record's fields in the order of their bytes.
final class AvroRecordType: Sendable {
    struct Field: Sendable {
        var name: String
        /// Iceberg's id; nil in files that have none.
        var id: Int32?
        var type: AvroType
    }

    let name: String
    let fields: [Field]
    private let places: [Int32: Int]

    init(name: String, fields: [Field]) {
        self.name = name
        self.fields = fields
        var places: [Int32: Int] = [:]
        for (index, field) in fields.enumerated() {
            if let id = field.id { places[id] = index }
        }
        self.places = places
    }

    func place(of id: Int32) -> Int? { places[id] }
}

extension AvroType {
    private static let depthMax = 64
    private static let fieldsMax = 100_000

    init(parsing json: JSON) throws(Malformed) {
        var names: [String: AvroType] = [:]
        var fields = 0
        self = try AvroType.parse(json, &names, &fields, depth: 0)
    }

    private static func parse(
        _ json: JSON, _ names: inout [String: AvroType], _ fields: inout Int, depth: Int
    ) throws(Malformed) -> AvroType {
        guard depth < depthMax else { throw Malformed("the Avro schema is nested too deeply") }
        switch json {
        case .string(let name): return try named(name, names)
        case .array(let choices):
            var types: [AvroType] = []
            for choice in choices { types.append(try parse(choice, &names, &fields, depth: depth + 1)) }
            guard !types.isEmpty else { throw Malformed("the Avro schema has a union without types") }
            return .union(types)
        case .object: break
        default: throw Malformed("the Avro schema has something that is no type")
        }
        guard let kind = json["type"] else { throw Malformed("the Avro schema has a type without a name") }
        guard let word = kind.asString else { return try parse(kind, &names, &fields, depth: depth + 1) }
        var made: AvroType
        switch word {
        case "array":
            guard let items = json["items"] else { throw Malformed("the Avro schema has an array without items") }
            return .array(try parse(items, &names, &fields, depth: depth + 1))
        case "map":
            guard let values = json["values"] else { throw Malformed("the Avro schema has a map without values") }
            return .map(try parse(values, &names, &fields, depth: depth + 1))
        case "record":
            made = try record(json, &names, &fields, depth: depth)
        case "fixed":
            guard let size = json["size"]?.asInt, size >= 0, size <= 1 << 24 else {
                throw Malformed("the Avro schema has a fixed type of no valid size")
            }
            made = .fixed(Int(size))
        case "enum": made = .enumeration((json["symbols"]?.asArray ?? []).compactMap(\.asString))
        default: return try named(word, names)
        }
        if let name = json["name"]?.asString {
            names[name] = made
            if let space = json["namespace"]?.asString { names[space + "." + name] = made }
        }
        return made
    }

    private static func record(
        _ json: JSON, _ names: inout [String: AvroType], _ fields: inout Int, depth: Int
    ) throws(Malformed) -> AvroType {
        var made: [AvroRecordType.Field] = []
        for field in json["fields"]?.asArray ?? [] {
            guard let name = field["name"]?.asString, let type = field["type"] else {
                throw Malformed("the Avro schema has a field without name or type")
            }
            fields += 1
            guard fields <= fieldsMax else { throw Malformed("the Avro schema has more than \(fieldsMax) fields") }
            made.append(
                AvroRecordType.Field(
                    name: name, id: field["field-id"]?.asInt32,
                    type: try parse(type, &names, &fields, depth: depth + 1)))
        }
        // Many records that take no bytes could be said in a few.
        guard made.isEmpty || !made.allSatisfy({ $0.type.mayBeEmpty }) else {
            throw Malformed("the Avro schema has a record that holds nothing")
        }
        return .record(AvroRecordType(name: json["name"]?.asString ?? "", fields: made))
    }

    private static func named(_ name: String, _ names: [String: AvroType]) throws(Malformed) -> AvroType {
        switch name {
        case "null": return .null
        case "boolean": return .boolean
        case "int": return .int
        case "long": return .long
        case "float": return .float
        case "double": return .double
        case "bytes": return .bytes
        case "string": return .string
        default:
            // A record inside itself is not known yet here: Iceberg has none.
            guard let type = names[name] else { throw Malformed("the Avro schema names an unknown type \"\(name)\"") }
            return type
        }
    }
}
