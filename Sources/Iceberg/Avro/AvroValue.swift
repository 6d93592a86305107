// Avro values decoded from untrusted bytes.

/// A value of an Avro file.
enum AvroValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// int and long.
    case int(Int64)
    case double(Double)
    case string(String)
    /// bytes and fixed.
    case bytes([UInt8])
    case array([AvroValue])
    case map([String: AvroValue])
    case record(AvroRecord)

    var asInt: Int64? {
        if case .int(let value) = self { value } else { nil }
    }
    var asInt32: Int32? { asInt.flatMap { Int32(exactly: $0) } }
    var asString: String? {
        if case .string(let text) = self { text } else { nil }
    }
    var asBytes: [UInt8]? {
        if case .bytes(let bytes) = self { bytes } else { nil }
    }
    var asBool: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }
    var asArray: [AvroValue]? {
        if case .array(let values) = self { values } else { nil }
    }
    var asRecord: AvroRecord? {
        if case .record(let record) = self { record } else { nil }
    }
}

/// A record; its fields are found by Iceberg's ids.
struct AvroRecord: Sendable, Hashable {
    let type: AvroRecordType
    /// In the order of the type's fields; null where a field was not wanted.
    let values: [AvroValue]

    /// The value of a field; nil when the file has no such field or it is null.
    subscript(id: Int32) -> AvroValue? {
        guard let place = type.place(of: id), values[place] != .null else { return nil }
        return values[place]
    }

    static func == (a: AvroRecord, b: AvroRecord) -> Bool { a.values == b.values }
    func hash(into hasher: inout Hasher) { hasher.combine(values) }
}

/// A place in bytes that values are read from.
struct AvroCursor {
    let bytes: UnsafeRawBufferPointer
    private(set) var at: Int

    private static let depthMax = 64

    init(_ bytes: UnsafeRawBufferPointer, at: Int = 0) {
        self.bytes = bytes
        self.at = at
    }

    var left: Int { bytes.count - at }

    private var early: Malformed { Malformed("the file ends too early") }

    /// A zigzag number of up to 64 bits.
    mutating func long() throws(Malformed) -> Int64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard at < bytes.count else { throw early }
            let byte = bytes[at]
            at += 1
            guard shift < 63 || byte <= 1 else { throw Malformed("a number has more than 64 bits") }
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { break }
            shift += 7
        }
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// The bytes that a length and that many bytes stand for.
    mutating func block() throws(Malformed) -> UnsafeRawBufferPointer {
        let count = try long()
        guard count >= 0, count <= Int64(left) else { throw early }
        return try take(Int(count))
    }

    mutating func take(_ count: Int) throws(Malformed) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= left else { throw early }
        defer { at += count }
        return UnsafeRawBufferPointer(rebasing: bytes[at..<at + count])
    }

    mutating func string() throws(Malformed) -> String { String(decoding: try block(), as: UTF8.self) }

    private mutating func load<T: BitwiseCopyable>(_ type: T.Type) throws(Malformed) -> T {
        try take(MemoryLayout<T>.size).loadUnaligned(as: type)
    }

    /// Decodes a value. Fields whose ids are in `unwanted` are skipped and null.
    mutating func value(
        _ type: AvroType, without unwanted: Set<Int32>, depth: Int = 0
    ) throws(Malformed) -> AvroValue {
        guard depth < AvroCursor.depthMax else { throw Malformed("values are nested too deeply") }
        switch type {
        case .null: return .null
        case .boolean: return .bool(try load(UInt8.self) != 0)
        case .int, .long: return .int(try long())
        case .float: return .double(Double(Float(bitPattern: UInt32(littleEndian: try load(UInt32.self)))))
        case .double: return .double(Double(bitPattern: UInt64(littleEndian: try load(UInt64.self))))
        case .bytes: return .bytes(Array(try block()))
        case .string: return .string(try string())
        case .fixed(let length): return .bytes(Array(try take(length)))
        case .enumeration(let symbols):
            let index = try long()
            guard index >= 0, index < Int64(symbols.count) else { throw Malformed("an enum has no such symbol") }
            return .string(symbols[Int(index)])
        case .union(let types):
            return try value(types[try choice(types)], without: unwanted, depth: depth + 1)
        case .array(let items):
            var values: [AvroValue] = []
            while let count = try run(items) {
                for _ in 0..<count { values.append(try value(items, without: unwanted, depth: depth + 1)) }
            }
            return .array(values)
        case .map(let items):
            var values: [String: AvroValue] = [:]
            while let count = try run(nil) {
                for _ in 0..<count {
                    let key = try string()
                    values[key] = try value(items, without: unwanted, depth: depth + 1)
                }
            }
            return .map(values)
        case .record(let record):
            var values: [AvroValue] = []
            values.reserveCapacity(record.fields.count)
            for field in record.fields {
                if let id = field.id, unwanted.contains(id) {
                    try skip(field.type, depth: depth + 1)
                    values.append(.null)
                } else {
                    values.append(try value(field.type, without: unwanted, depth: depth + 1))
                }
            }
            return .record(AvroRecord(type: record, values: values))
        }
    }

    private mutating func choice(_ types: [AvroType]) throws(Malformed) -> Int {
        let index = try long()
        guard index >= 0, index < Int64(types.count) else { throw Malformed("a union has no such type") }
        return Int(index)
    }

    /// The number of elements in the next run of an array or a map; nil at the end.
    private mutating func run(_ items: AvroType?) throws(Malformed) -> Int? {
        var count = try long()
        if count == 0 { return nil }
        if count < 0 {
            guard count != Int64.min else { throw Malformed("an array has an invalid length") }
            count = -count
            _ = try long()
        }
        guard items?.mayBeEmpty != true else { throw Malformed("an array has elements that hold nothing") }
        guard count <= Int64(left) else { throw early }
        return Int(count)
    }

    /// Passes over a value.
    mutating func skip(_ type: AvroType, depth: Int = 0) throws(Malformed) {
        guard depth < AvroCursor.depthMax else { throw Malformed("values are nested too deeply") }
        switch type {
        case .null: break
        case .boolean: _ = try take(1)
        case .int, .long, .enumeration: _ = try long()
        case .float: _ = try take(4)
        case .double: _ = try take(8)
        case .bytes, .string: _ = try block()
        case .fixed(let length): _ = try take(length)
        case .union(let types): try skip(types[try choice(types)], depth: depth + 1)
        case .array(let items):
            while let count = try run(items) { for _ in 0..<count { try skip(items, depth: depth + 1) } }
        case .map(let items):
            while let count = try run(nil) {
                for _ in 0..<count {
                    _ = try block()
                    try skip(items, depth: depth + 1)
                }
            }
        case .record(let record): for field in record.fields { try skip(field.type, depth: depth + 1) }
        }
    }
}
