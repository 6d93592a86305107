// The header of a page (parquet.thrift, PageHeader).

import Columns

struct PageHeader {
    enum Kind: Int32 {
        case data = 0
        case index, dictionary, dataV2
    }

    /// The encodings (parquet.thrift, Encoding).
    enum Encoding {
        static let plain: Int32 = 0
        static let plainDictionary: Int32 = 2
        static let rle: Int32 = 3
        static let bitPacked: Int32 = 4
        static let deltaBinaryPacked: Int32 = 5
        static let deltaLengthByteArray: Int32 = 6
        static let deltaByteArray: Int32 = 7
        static let rleDictionary: Int32 = 8
        static let byteStreamSplit: Int32 = 9
    }

    /// A larger page is taken for damage.
    static let bytesMax = 1 << 30

    private typealias Wire = ThriftReader.Kind

    /// Nil for kinds that are not known, whose bytes are skipped.
    var kind: Kind?
    /// Bytes of the header itself.
    var headerBytes = 0
    var compressedBytes = 0
    var uncompressedBytes = 0
    var crc: UInt32?
    var values = 0
    var encoding: Int32 = -1
    var levelEncoding = Encoding.rle
    var repetitionEncoding = Encoding.rle
    // Version 2 only.
    var rows: Int?
    var nulls: Int?
    var levelBytes = 0
    var repetitionBytes = 0
    var isCompressed = true

    /// Reads the header at the start of `count` bytes.
    init(_ bytes: UnsafeRawPointer, count: Int) throws(Damage) {
        var reader = ThriftReader(bytes, count: count)
        var last: Int32 = 0
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Wire.int32): kind = Kind(rawValue: try reader.int32(field))
            case (2, Wire.int32): uncompressedBytes = Int(try reader.int32(field))
            case (3, Wire.int32): compressedBytes = Int(try reader.int32(field))
            case (4, Wire.int32): crc = UInt32(bitPattern: try reader.int32(field))
            case (5, Wire.structure): try readData(&reader)
            case (7, Wire.structure): try readDictionary(&reader)
            case (8, Wire.structure): try readDataV2(&reader)
            default: try reader.skip(field)
            }
        }
        headerBytes = reader.at
        guard compressedBytes >= 0, compressedBytes <= count - headerBytes else {
            throw Damage("a page of \(compressedBytes) bytes is longer than what is left of its column chunk")
        }
        guard uncompressedBytes >= 0, uncompressedBytes <= PageHeader.bytesMax else {
            throw Damage("a page has an invalid size of \(uncompressedBytes) bytes")
        }
        guard values >= 0 else { throw Damage("a page has \(values) values") }
        guard levelBytes >= 0, repetitionBytes >= 0, levelBytes + repetitionBytes <= compressedBytes,
            levelBytes + repetitionBytes <= uncompressedBytes
        else { throw Damage("a page has invalid lengths of levels") }
    }

    private mutating func readData(_ reader: inout ThriftReader) throws(Damage) {
        var last: Int32 = 0
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Wire.int32): values = Int(try reader.int32(field))
            case (2, Wire.int32): encoding = try reader.int32(field)
            case (3, Wire.int32): levelEncoding = try reader.int32(field)
            case (4, Wire.int32): repetitionEncoding = try reader.int32(field)
            default: try reader.skip(field)
            }
        }
    }

    private mutating func readDictionary(_ reader: inout ThriftReader) throws(Damage) {
        var last: Int32 = 0
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Wire.int32): values = Int(try reader.int32(field))
            case (2, Wire.int32): encoding = try reader.int32(field)
            default: try reader.skip(field)
            }
        }
    }

    private mutating func readDataV2(_ reader: inout ThriftReader) throws(Damage) {
        var last: Int32 = 0
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Wire.int32): values = Int(try reader.int32(field))
            case (2, Wire.int32): nulls = Int(try reader.int32(field))
            case (3, Wire.int32): rows = Int(try reader.int32(field))
            case (4, Wire.int32): encoding = try reader.int32(field)
            case (5, Wire.int32): levelBytes = Int(try reader.int32(field))
            case (6, Wire.int32): repetitionBytes = Int(try reader.int32(field))
            case (7, Wire.yes), (7, Wire.no): isCompressed = field.kind == Wire.yes
            default: try reader.skip(field)
            }
        }
    }
}
