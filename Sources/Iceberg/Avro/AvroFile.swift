// Avro object container files: manifest lists and manifests, read block by block and written.

import Diagnostics
import Formats
import Storage

/// An Avro file that was read.
struct AvroReader {
    let path: String
    /// The file's own metadata, beside the schema and the codec.
    let metadata: [String: [UInt8]]
    private let type: AvroType
    private let codec: Codec
    private let sync: [UInt8]
    private let bytes: Bytes
    private let bodyStart: Int

    enum Codec: Sendable { case null, packed(Compression) }

    /// A larger file is taken for damage.
    static let fileBytesMax: Int64 = 2 << 30
    private static let blockBytesMax = 512 << 20
    private static let syncBytes = 16
    private static let emptyRecordsMax: Int64 = 1 << 16

    init(_ bytes: Bytes, path: String) throws(SQLError) {
        do throws(Malformed) { try self.init(parsing: bytes, path) } catch { throw error.error(in: path) }
    }

    private init(parsing bytes: Bytes, _ path: String) throws(Malformed) {
        defer { withExtendedLifetime(bytes) {} }
        let all = UnsafeRawBufferPointer(start: bytes.base, count: bytes.count)
        guard all.count > 4, all[0] == UInt8(ascii: "O"), all[1] == UInt8(ascii: "b"), all[2] == UInt8(ascii: "j"),
            all[3] == 1
        else { throw Malformed("it is no Avro file") }
        var cursor = AvroCursor(all, at: 4)
        guard case .map(let entries) = try cursor.value(.map(.bytes), without: []) else {
            throw Malformed("it has no metadata")
        }
        let metadata = entries.compactMapValues(\.asBytes)
        guard let schema = metadata["avro.schema"] else { throw Malformed("it has no Avro schema") }
        type = try AvroType(parsing: JSON(parsing: String(decoding: schema, as: UTF8.self)))
        let name = metadata["avro.codec"].map { String(decoding: $0, as: UTF8.self) } ?? "null"
        switch name {
        case "null", "": codec = .null
        case "deflate": codec = .packed(.deflate)
        case "zstandard": codec = .packed(.zstd)
        default: throw Malformed("its Avro codec \"\(name)\" is not supported")
        }
        sync = Array(try cursor.take(AvroReader.syncBytes))
        self.metadata = metadata
        self.bytes = bytes
        self.path = path
        bodyStart = cursor.at
    }

    func text(_ key: String) -> String? { metadata[key].map { String(decoding: $0, as: UTF8.self) } }

    /// Gives each record in turn. Fields whose ids are in `unwanted` are skipped.
    func forEach(
        without unwanted: Set<Int32> = [], _ body: (AvroRecord) throws(Malformed) -> Void
    ) throws(SQLError) {
        do throws(Malformed) { try read(unwanted, body) } catch { throw error.error(in: path) }
    }

    private func read(
        _ unwanted: Set<Int32>, _ body: (AvroRecord) throws(Malformed) -> Void
    ) throws(Malformed) {
        defer { withExtendedLifetime(bytes) {} }
        var cursor = AvroCursor(UnsafeRawBufferPointer(start: bytes.base, count: bytes.count), at: bodyStart)
        while cursor.left > 0 {
            let count = try cursor.long()
            let block = try cursor.block()
            guard sync.elementsEqual(try cursor.take(AvroReader.syncBytes)) else {
                throw Malformed("a block does not end with the file's mark")
            }
            switch codec {
            case .null: try AvroReader.records(block, count, type, unwanted, body)
            case .packed(let compression):
                guard let plain = compression.unpack(block, bytesMax: AvroReader.blockBytesMax) else {
                    throw Malformed("a block cannot be unpacked")
                }
                let result = plain.withUnsafeBytes { plain -> Result<Void, Malformed> in
                    do throws(Malformed) {
                        return .success(try AvroReader.records(plain, count, type, unwanted, body))
                    } catch { return .failure(error) }
                }
                try result.get()
            }
        }
    }

    private static func records(
        _ block: UnsafeRawBufferPointer, _ count: Int64, _ type: AvroType, _ unwanted: Set<Int32>,
        _ body: (AvroRecord) throws(Malformed) -> Void
    ) throws(Malformed) {
        guard count >= 0, count <= max(Int64(block.count), emptyRecordsMax) else {
            throw Malformed("a block has an invalid count of records")
        }
        var cursor = AvroCursor(block)
        for _ in 0..<count {
            guard case .record(let record) = try cursor.value(type, without: unwanted) else {
                throw Malformed("it does not hold records")
            }
            try body(record)
        }
        guard cursor.left == 0 else { throw Malformed("a block has bytes after its records") }
    }
}

/// Bytes of Avro values.
struct AvroEncoder {
    private(set) var bytes: [UInt8] = []

    mutating func long(_ value: Int64) {
        var left = UInt64(bitPattern: value << 1) ^ UInt64(bitPattern: value >> 63)
        while left > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: left))
    }
    mutating func int(_ value: Int) { long(Int64(value)) }
    mutating func bool(_ value: Bool) { bytes.append(value ? 1 : 0) }
    mutating func double(_ value: Double) { raw(withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }) }
    mutating func float(_ value: Float) { raw(withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }) }
    mutating func raw(_ value: [UInt8]) { bytes += value }
    mutating func block(_ value: [UInt8]) {
        int(value.count)
        bytes += value
    }
    mutating func string(_ value: String) { block(Array(value.utf8)) }

    /// A union of null and a type.
    mutating func optional<T>(_ value: T?, _ body: (inout AvroEncoder, T) -> Void) {
        guard let value else { return long(0) }
        long(1)
        body(&self, value)
    }
    mutating func optional(_ value: Int64?) { optional(value) { $0.long($1) } }
    mutating func optional(_ value: Int32?) { optional(value) { $0.long(Int64($1)) } }
    mutating func optional(_ value: String?) { optional(value) { $0.string($1) } }
    mutating func optional(_ value: [UInt8]?) { optional(value) { $0.block($1) } }

    mutating func array<T>(_ values: [T], _ body: (inout AvroEncoder, T) -> Void) {
        if !values.isEmpty {
            int(values.count)
            for value in values { body(&self, value) }
        }
        long(0)
    }

    /// A map with integer keys, as Iceberg writes it: an array of pairs.
    mutating func pairs<T>(_ values: [Int32: T]?, _ body: (inout AvroEncoder, T) -> Void) {
        optional(values) { encoder, values in
            encoder.array(values.sorted { $0.key < $1.key }) { encoder, pair in
                encoder.long(Int64(pair.key))
                body(&encoder, pair.value)
            }
        }
    }

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
}

/// Makes an Avro file, block by block.
struct AvroWriter {
    private(set) var parts: [Bytes] = []
    private(set) var sizeBytes = 0
    private var block = AvroEncoder()
    private var blockRecords = 0
    private let sync: [UInt8]

    /// Bytes of a block before it is packed.
    private static let blockBytes = 1 << 20

    init(schema: String, metadata: [(key: String, value: String)]) {
        var random = SystemRandomNumberGenerator()
        sync = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
        var head = AvroEncoder()
        head.raw(Array("Obj".utf8) + [1])
        let all = metadata + [("avro.codec", "deflate"), ("avro.schema", schema)]
        head.array(all) { encoder, entry in
            encoder.string(entry.key)
            encoder.string(entry.value)
        }
        head.raw(sync)
        add(head.bytes)
    }

    private mutating func add(_ bytes: [UInt8]) {
        sizeBytes += bytes.count
        parts.append(Bytes(bytes))
    }

    mutating func record(_ body: (inout AvroEncoder) -> Void) throws(SQLError) {
        body(&block)
        blockRecords += 1
        if block.bytes.count >= AvroWriter.blockBytes { try endBlock() }
    }

    private mutating func endBlock() throws(SQLError) {
        guard blockRecords > 0 else { return }
        let packed = try Compression.deflate.pack(block.bytes)
        var head = AvroEncoder()
        head.int(blockRecords)
        head.block(packed)
        head.raw(sync)
        add(head.bytes)
        block.removeAll()
        blockRecords = 0
    }

    /// The file's bytes; nothing may be added afterwards.
    mutating func finish() throws(SQLError) -> [Bytes] {
        try endBlock()
        return parts
    }
}
