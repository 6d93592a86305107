// What a Parquet file to be written looks like, and what is known of it once it is written.

public import Columns
public import Storage

/// A column of a file to be written.
public struct ParquetColumn: Sendable, Hashable {
    public var name: String
    /// The type in the file. Batches bring values of this type; for `numeric(p,s)` any numeric, which is rounded to it.
    public var type: SQLType
    /// Whether NULL may come; a NULL in a column without is an error.
    public var isNullable: Bool
    /// The id that table formats give columns.
    public var id: Int32?
    /// Whether row groups get a Bloom filter of this column.
    public var hasBloomFilter: Bool
    /// Whether repeated values may be written once.
    public var hasDictionary: Bool
    /// The parts of a nested column, where they have ids or are never NULL: fields of a struct, the element of an
    /// array, key and value of a map. Empty: as the type says.
    public var parts: [ParquetColumn]

    public init(
        _ name: String, _ type: SQLType, isNullable: Bool = true, id: Int32? = nil, hasBloomFilter: Bool = false,
        hasDictionary: Bool = true, parts: [ParquetColumn] = []
    ) {
        self.name = name
        self.type = type
        self.isNullable = isNullable
        self.id = id
        self.hasBloomFilter = hasBloomFilter
        self.hasDictionary = hasDictionary
        self.parts = parts
    }
}

/// How pages are compressed.
public enum ParquetCodec: String, Sendable, Hashable, CaseIterable {
    case uncompressed, snappy, gzip, lz4Raw = "lz4_raw", zstd

    /// The number in the format (parquet.thrift, CompressionCodec).
    var number: Int32 {
        switch self {
        case .uncompressed: 0
        case .snappy: 1
        case .gzip: 2
        case .zstd: 6
        case .lz4Raw: 7
        }
    }
}

/// An order that the rows of every row group have. The writer believes it.
public struct ParquetSorting: Sendable, Hashable {
    public var column: Int
    public var isDescending: Bool
    public var isNullsFirst: Bool

    public init(_ column: Int, isDescending: Bool = false, isNullsFirst: Bool = false) {
        self.column = column
        self.isDescending = isDescending
        self.isNullsFirst = isNullsFirst
    }
}

/// How a Parquet file is written.
public struct ParquetOptions: Sendable {
    public var codec = ParquetCodec.zstd
    /// The effort of zstd and gzip.
    public var level = 3
    /// A row group ends at so many rows,
    public var rowGroupRowsMax = 1 << 20
    /// or at about so many bytes as they will be in the file: what an encoder keeps in memory.
    public var rowGroupBytesMax = 128 << 20
    /// A page ends at so many rows, or about so many bytes before compression.
    public var pageRowsMax = 20_000
    public var pageBytesMax = 1 << 20
    /// A dictionary beyond this is given up for the rest of the row group.
    public var dictionaryBytesMax = 1 << 20
    /// Whether integers may be written as differences (DELTA_BINARY_PACKED) where that is shorter.
    public var usesDifferences = true
    /// Longer bounds in statistics are cut.
    public var boundBytesMax = 64
    /// The size of a Bloom filter: how often it may err, and its most bytes.
    public var bloomErrors = 0.01
    public var bloomBytesMax = 1 << 20
    /// Key-value metadata, in order.
    public var keyValues: [(key: String, value: String)] = []
    public var sorting: [ParquetSorting] = []
    /// The name of the program, in the form that other readers parse.
    public var createdBy = "apus version 0.1.0 (build 0)"
    /// Whether a complete file outlives a loss of power.
    public var isDurable = true

    public init() {}
}

/// What a finished file holds, as table formats list it.
public struct WrittenFile: Sendable {
    /// Path, size and version.
    public var info: ObjectInfo
    public var rows: Int64
    /// Where each row group starts in the file.
    public var splitOffsets: [Int64]
    /// By column; nested ones by their leaves.
    public var columns: [WrittenColumn]

    public var sizeBytes: Int64 { info.sizeBytes }
}

/// What a finished file holds in one column.
public struct WrittenColumn: Sendable, Hashable {
    public var name: String
    public var id: Int32?
    public var type: SQLType
    /// Bytes in the file, with page headers.
    public var compressedBytes: Int64 = 0
    public var uncompressedBytes: Int64 = 0
    /// Values with NULLs.
    public var valueCount: Int64 = 0
    public var nullCount: Int64 = 0
    /// Not numbers among the values: floats only.
    public var nanCount: Int64?
    /// No value but NaN is less; long text is cut. Nil: no value, or none that has an order.
    public var lower: Scalar?
    /// No value but NaN is greater; long text is cut and raised.
    public var upper: Scalar?
    public var isLowerExact = false
    public var isUpperExact = false
}
