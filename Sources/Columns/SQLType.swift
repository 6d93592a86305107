// What a value may be: SQL types as users name them, and the physical form that columns store.

/// The type of a column or an expression.
public indirect enum SQLType: Hashable, Sendable, Codable {
    /// A string literal or NULL whose type the context has not settled yet (PostgreSQL's `unknown`).
    case unknown
    case boolean
    case int2, int4, int8
    case float4, float8
    /// `numeric(precision, scale)`: every value has exactly `scale` fractional digits. 1 <= precision <= 38.
    case decimal(precision: Int, scale: Int)
    /// `numeric` without a modifier: every value carries its own scale, as in PostgreSQL.
    case numeric
    case text
    /// `varchar(length)` in characters, or `varchar` when nil.
    case varchar(Int?)
    /// `char(length)` in characters, blank-padded.
    case char(Int)
    case bytea
    /// `bit(length)`: kept as text of 0 and 1, whose order is that of bits.
    case bit(Int)
    /// `bit varying(length)`, or without a bound when nil.
    case varbit(Int?)
    /// One of the user's labels: the number of its place among them, so that values order as the labels do.
    case enumeration(EnumType)
    /// Days since 1970-01-01; Int32.max and Int32.min are infinity and -infinity.
    case date
    /// Microseconds since midnight.
    case time
    /// Microseconds since 1970-01-01 00:00:00; Int64.max and Int64.min are infinity and -infinity.
    case timestamp
    /// The same in UTC.
    case timestamptz
    case interval
    case uuid
    /// JSON text as it was written, checked.
    case json
    /// JSON in PostgreSQL's normal form, as text: keys by length and bytes, each once.
    case jsonb
    case array(SQLType)
    /// A struct: named fields, each of a type of its own. Fields made by `ROW(...)` are called f1, f2, ...
    case row([StructField])
    /// Keys with values, in the order they were put in.
    case map(key: SQLType, value: SQLType)
    /// A type of pg_catalog.
    case system(SystemType)

    /// The largest precision of a fixed decimal, in digits.
    public static let precisionMax = 38

    /// Levels of nesting that values may have.
    public static let nestingMax = 64

    /// How columns of this type store their values.
    public var physical: PhysicalType {
        switch self {
        case .boolean: .bool
        case .int2: .int16
        case .int4, .date, .enumeration: .int32
        case .int8, .time, .timestamp, .timestamptz: .int64
        case .float4: .float32
        case .float8: .float64
        case .decimal(let precision, _): precision <= 18 ? .int64 : .int128
        case .numeric: .numeric
        case .unknown, .text, .varchar, .char, .bytea, .json, .jsonb, .bit, .varbit: .view
        case .interval: .interval
        case .uuid: .int128
        case .array, .map: .list
        case .row: .row
        case .system(let type): type.isNumber || type == .timetz ? .int64 : .view
        }
    }

    public var isInteger: Bool { self == .int2 || self == .int4 || self == .int8 }
    public var isFloat: Bool { self == .float4 || self == .float8 }

    /// Whether this is `numeric`, fixed or not.
    public var isNumeric: Bool {
        switch self {
        case .decimal, .numeric: true
        default: false
        }
    }

    /// Whether arithmetic works on this type.
    public var isNumber: Bool { isInteger || isFloat || isNumeric }

    /// Whether this is a character string.
    public var isText: Bool {
        switch self {
        case .text, .varchar, .char, .unknown: true
        case .system(let type): type.isText
        default: false
        }
    }

    /// Whether this is a string of bits.
    public var isBits: Bool {
        switch self {
        case .bit, .varbit: true
        default: false
        }
    }

    /// What the lists of this type are made of: elements of arrays, entries (key, value) of maps.
    public var element: SQLType? {
        switch self {
        case .array(let element): element
        case .map(let key, let value): .row([StructField("key", key), StructField("value", value)])
        default: nil
        }
    }

    /// The fields of a struct.
    public var rowFields: [StructField]? {
        if case .row(let fields) = self { return fields }
        return nil
    }

    /// The type of a field inside structs, by the places of the fields on the way; nil when there is none.
    public func field(at path: some Sequence<Int>) -> SQLType? {
        var type = self
        for place in path {
            guard let fields = type.rowFields, fields.indices.contains(place) else { return nil }
            type = fields[place].type
        }
        return type
    }

    /// Whether values have parts: arrays, structs and maps.
    public var isNested: Bool { physical == .list || physical == .row }

    /// Dimensions of an array's type: an array of arrays has two, other types none.
    public var arrayDepth: Int {
        if case .array(let element) = self { return 1 + element.arrayDepth }
        return 0
    }

    private static func structName(_ fields: [StructField], _ type: (SQLType) -> String) -> String {
        "struct(" + fields.map { "\(quoted($0.name)) \(type($0.type))" }.joined(separator: ", ") + ")"
    }

    /// A field's name as it is written in a type: in quotes where it would not be read back as it is.
    static func quoted(_ name: String) -> String {
        let isPlain = name.utf8.enumerated().allSatisfy { index, byte in
            (97...122).contains(byte) || byte == 95 || index > 0 && (48...57).contains(byte)
        }
        if isPlain, !name.isEmpty { return name }
        return "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    /// The name as PostgreSQL's format_type prints it.
    public var name: String {
        switch self {
        case .unknown: "unknown"
        case .boolean: "boolean"
        case .int2: "smallint"
        case .int4: "integer"
        case .int8: "bigint"
        case .float4: "real"
        case .float8: "double precision"
        case .decimal(let precision, let scale): "numeric(\(precision),\(scale))"
        case .numeric: "numeric"
        case .text: "text"
        case .varchar(let length): length.map { "character varying(\($0))" } ?? "character varying"
        case .char(let length): "character(\(length))"
        case .bytea: "bytea"
        case .bit(let length): "bit(\(length))"
        case .varbit(let length): length.map { "bit varying(\($0))" } ?? "bit varying"
        case .enumeration(let type): type.printedName
        case .date: "date"
        case .time: "time without time zone"
        case .timestamp: "timestamp without time zone"
        case .timestamptz: "timestamp with time zone"
        case .interval: "interval"
        case .uuid: "uuid"
        case .json: "json"
        case .jsonb: "jsonb"
        case .array(let element): element.name + "[]"
        case .row(let fields): SQLType.structName(fields) { $0.name }
        case .map(let key, let value): "map(\(key.name), \(value.name))"
        case .system(let type): type.rawValue
        }
    }

    /// The name without modifiers, as operator errors print it.
    public var baseName: String {
        switch self {
        case .decimal: "numeric"
        case .varchar: "character varying"
        case .char: "character"
        case .bit: "bit"
        case .varbit: "bit varying"
        case .array(let element): element.baseName + "[]"
        case .row(let fields): SQLType.structName(fields) { $0.baseName }
        case .map(let key, let value): "map(\(key.baseName), \(value.baseName))"
        default: name
        }
    }
}

/// The form in which a column stores its values.
public enum PhysicalType: UInt8, Sendable, Hashable {
    /// One byte a value: 0 or 1.
    case bool
    case int16, int32, int64, int128
    case float32, float64
    /// A ``StringView``: bytes of text or bytea.
    case view
    /// A ``Numeric``.
    case numeric
    /// An ``Interval``.
    case interval
    /// ``ListSpan`` into the child column.
    case list
    /// Int32: the place of the row's values in the columns of the fields.
    case row

    /// Bytes from one value to the next.
    public var stride: Int {
        switch self {
        case .bool: 1
        case .int16: 2
        case .int32, .float32, .row: 4
        case .int64, .float64: 8
        case .int128, .view, .interval: 16
        case .numeric: 32
        case .list: 8
        }
    }
}

/// A field of a struct. Fields may be NULL.
public struct StructField: Hashable, Sendable, Codable {
    public var name: String
    public var type: SQLType

    public init(_ name: String, _ type: SQLType) {
        self.name = name
        self.type = type
    }
}

/// A column's name and type.
public struct Field: Hashable, Sendable, Codable {
    public var name: String
    public var type: SQLType
    public var isNullable: Bool

    public init(_ name: String, _ type: SQLType, isNullable: Bool = true) {
        self.name = name
        self.type = type
        self.isNullable = isNullable
    }
}

/// The columns of a table, a file or a result, in order.
public struct Schema: Hashable, Sendable {
    public var fields: [Field]

    public init(_ fields: [Field]) { self.fields = fields }

    /// Returns the index of the first field of this exact name.
    public func index(of name: String) -> Int? { fields.firstIndex { $0.name == name } }
}

extension [StructField] {
    /// The field of a name: exactly, else without regard to case.
    public func place(of name: String) -> Int? {
        if let exact = firstIndex(where: { $0.name == name }) { return exact }
        let lower = name.lowercased()
        return firstIndex { $0.name.lowercased() == lower }
    }

    /// For a cast to other fields: by name where both have the same names, else by place; nil when there are more of
    /// one than of the other.
    public func sources(for target: [StructField]) -> [Int]? {
        guard count == target.count else { return nil }
        let places = target.map { place(of: $0.name) }
        guard Set(places).count == count, !places.contains(nil) else { return indices.map { $0 } }
        return places.compactMap { $0 }
    }
}
