// What a column of a Parquet file means: its SQL type and how stored values become SQL values.

import Columns

/// How stored values become the values of a column.
enum ValueForm: Equatable {
    case bool
    // INT32.
    case int32ToInt16, int32, int32ToInt64, uint32ToInt64, int32Millis
    // INT64.
    case int64, int64Millis, int64Nanos, int64ToInt128, uint64ToInt128
    case int96
    case float, double
    // FIXED_LEN_BYTE_ARRAY and BYTE_ARRAY, big-endian two's complement.
    case decimalToInt64, decimalToInt128
    // FIXED_LEN_BYTE_ARRAY.
    case uuid, float16, interval
    // Views of bytes; text is checked to be UTF-8.
    case text, bytes

    /// Whether PLAIN values of this form are the column's values, bit by bit.
    var isIdentity: Bool {
        switch self {
        case .int32, .int64, .float, .double: true
        default: false
        }
    }

    var isView: Bool { self == .text || self == .bytes }
}

/// A column of values that can be read: a top-level column, or a part of a nested one.
struct Leaf {
    var name: String
    var physical: PhysicalKind
    /// Bytes of a FIXED_LEN_BYTE_ARRAY value.
    var length: Int
    var isOptional: Bool
    /// Its place among the chunks of a row group.
    var index: Int
    var type: SQLType
    var form: ValueForm
    /// The definition level of values that are not NULL, and the deepest repetition level.
    var definitionMax: Int
    var repetitionMax: Int

    /// Whether it lies inside another column.
    var isPart: Bool

    /// Whether it is a column of its own, with one value or NULL a row.
    var isFlat: Bool { !isPart && repetitionMax == 0 }

    /// Bytes of a PLAIN value; 0 when it varies.
    var width: Int { physical.width(length: length) }

    /// The longest FIXED_LEN_BYTE_ARRAY.
    static let lengthMax = 1 << 24

    /// Reads the schema's top level: a field for every column, a tree for those that can be read.
    static func columns(
        of elements: [SchemaElement]
    ) throws(Damage) -> (fields: [FileField], nodes: [FileNode?], total: Int) {
        guard let root = elements.first else { throw Damage("the schema is empty") }
        var fields: [FileField] = []
        var nodes: [FileNode?] = []
        var reader = NodeReader(elements)
        for _ in 0..<root.children {
            guard reader.at < elements.count else { throw Damage("the schema ends too early") }
            let element = elements[reader.at]
            let node = try reader.column()
            if let node {
                fields.append(node.field)
            } else {
                var field = FileField(element.name, .unknown, isNullable: element.repetition != 0, id: element.id)
                field.unsupported = reader.unsupported ?? "this column"
                fields.append(field)
            }
            nodes.append(node)
        }
        guard reader.at == elements.count else { throw Damage("the schema has more elements than its tree") }
        return (fields, nodes, reader.leaves)
    }

    typealias Meaning = (type: SQLType, form: ValueForm)

    static func meaning(of element: SchemaElement) -> Result<Meaning, Damage> {
        guard let physical = element.physical else { return .failure(Damage("the schema has a column without a type")) }
        if physical == .fixed, element.length <= 0 || element.length > lengthMax {
            return .failure(Damage("the schema has a fixed length of \(element.length) bytes"))
        }
        let logical = element.logical ?? legacy(element)
        switch physical {
        case .boolean: return .success((.boolean, .bool))
        case .float: return .success((.float4, .float))
        case .double: return .success((.float8, .double))
        case .int96: return .success((.timestamp, .int96))
        case .int32: return int32(logical)
        case .int64: return int64(logical)
        case .byteArray: return byteArray(logical)
        case .fixed: return fixed(logical, length: element.length)
        }
    }

    private static func int32(_ logical: SchemaElement.Logical?) -> Result<Meaning, Damage> {
        switch logical {
        case .integer(let bits, let isSigned):
            if isSigned { return .success(bits <= 16 ? (.int2, .int32ToInt16) : (.int4, .int32)) }
            if bits <= 8 { return .success((.int2, .int32ToInt16)) }
            return .success(bits <= 16 ? (.int4, .int32) : (.int8, .uint32ToInt64))
        case .decimal(let scale, let precision):
            return decimal(scale, precision).flatMap { type in
                type.physical == .int64
                    ? .success((type, .int32ToInt64)) : .failure(.unsupported("a decimal wider than its INT32"))
            }
        case .date: return .success((.date, .int32))
        case .time: return .success((.time, .int32Millis))
        default: return .success((.int4, .int32))
        }
    }

    private static func int64(_ logical: SchemaElement.Logical?) -> Result<Meaning, Damage> {
        switch logical {
        case .integer(_, let isSigned):
            return .success(isSigned ? (.int8, .int64) : (.decimal(precision: 20, scale: 0), .uint64ToInt128))
        case .decimal(let scale, let precision):
            return decimal(scale, precision).map { ($0, $0.physical == .int64 ? .int64 : .int64ToInt128) }
        case .time(let unit):
            return .success((.time, unit == .millis ? .int64Millis : unit == .micros ? .int64 : .int64Nanos))
        case .timestamp(let unit, let isUTC):
            let form: ValueForm = unit == .millis ? .int64Millis : unit == .micros ? .int64 : .int64Nanos
            return .success((isUTC ? .timestamptz : .timestamp, form))
        default: return .success((.int8, .int64))
        }
    }

    private static func byteArray(_ logical: SchemaElement.Logical?) -> Result<Meaning, Damage> {
        switch logical {
        case .string, .enumeration, .json: return .success((.text, .text))
        case .decimal(let scale, let precision):
            return decimal(scale, precision).map { ($0, $0.physical == .int64 ? .decimalToInt64 : .decimalToInt128) }
        default: return .success((.bytea, .bytes))
        }
    }

    private static func fixed(_ logical: SchemaElement.Logical?, length: Int) -> Result<Meaning, Damage> {
        switch logical {
        case .decimal(let scale, let precision):
            return decimal(scale, precision).map { ($0, $0.physical == .int64 ? .decimalToInt64 : .decimalToInt128) }
        case .uuid where length == 16: return .success((.uuid, .uuid))
        case .float16 where length == 2: return .success((.float4, .float16))
        case .interval where length == 12: return .success((.interval, .interval))
        case .string, .enumeration, .json: return .success((.text, .text))
        default: return .success((.bytea, .bytes))
        }
    }

    private static func decimal(_ scale: Int, _ precision: Int) -> Result<SQLType, Damage> {
        guard precision >= 1, scale >= 0, scale <= precision else {
            return .failure(.unsupported("decimal(\(precision),\(scale))"))
        }
        guard precision <= SQLType.precisionMax else {
            return .failure(.unsupported("decimal(\(precision),\(scale)) beyond \(SQLType.precisionMax) digits"))
        }
        return .success(.decimal(precision: precision, scale: scale))
    }

    /// The meaning of the annotations before LogicalType (parquet.thrift, ConvertedType).
    private static func legacy(_ element: SchemaElement) -> SchemaElement.Logical? {
        switch element.converted {
        case 0: .string
        case 4: .enumeration
        case 5: .decimal(scale: element.scale, precision: element.precision)
        case 6: .date
        case 7: .time(.millis)
        case 8: .time(.micros)
        // Older writers set these for local times too, so they are not taken for UTC, as DuckDB and Arrow do.
        case 9: .timestamp(.millis, isUTC: false)
        case 10: .timestamp(.micros, isUTC: false)
        case 11: .integer(bits: 8, isSigned: false)
        case 12: .integer(bits: 16, isSigned: false)
        case 13: .integer(bits: 32, isSigned: false)
        case 14: .integer(bits: 64, isSigned: false)
        case 15: .integer(bits: 8, isSigned: true)
        case 16: .integer(bits: 16, isSigned: true)
        case 17: .integer(bits: 32, isSigned: true)
        case 18: .integer(bits: 64, isSigned: true)
        case 19: .json
        case 20: .bson
        case 21: .interval
        default: nil
        }
    }
}
