// A Parquet file's footer: schema, row groups and where their pages are. Parsed once, kept in a cache, read by all.

public import Columns
import Diagnostics
public import Storage

/// What a file says about itself.
public final class FileFooter: Sendable {
    /// Rows that were written together.
    public struct RowGroup: Sendable, Hashable {
        public var rows: Int64
        /// The number of its first row in the file.
        public var firstRow: Int64
    }

    /// Path, size and version of the file.
    public let info: ObjectInfo
    /// The top-level columns.
    public let fields: [FileField]
    public let rowGroups: [RowGroup]
    /// Rows of all row groups.
    public let rows: Int64
    /// Key-value metadata.
    public let keyValues: [String: String]
    /// The program that wrote the file, as it calls itself.
    public let createdBy: String?

    /// The whole file if it is small: no further request is needed to scan it.
    let contents: Bytes?
    let chunks: ContiguousArray<ChunkMeta>
    /// By column; nil when it cannot be read.
    let nodes: [FileNode?]
    private let leafCount: Int
    private let hasKnownOrder: [Bool]
    private let metadata: Bytes
    private let hasShortSizes: Bool

    /// Parses the metadata of the file `info`.
    init(_ metadata: Bytes, info: ObjectInfo, contents: Bytes?) throws(Damage) {
        var reader = ThriftReader(metadata.base, count: metadata.count)
        let file = try FileMetadata(&reader)
        let columns = try Leaf.columns(of: file.elements)
        guard file.chunks.count == columns.total * file.groupRows.count else {
            throw Damage("row groups do not have the columns of the schema")
        }
        var first: Int64 = 0
        var groups: [RowGroup] = []
        groups.reserveCapacity(file.groupRows.count)
        for rows in file.groupRows {
            groups.append(RowGroup(rows: rows, firstRow: first))
            first += rows
        }
        self.info = info
        self.contents = contents
        self.metadata = metadata
        fields = columns.fields
        nodes = columns.nodes
        leafCount = columns.total
        chunks = file.chunks
        hasKnownOrder = file.hasKnownOrder
        rowGroups = groups
        rows = first
        keyValues = file.keyValues
        createdBy = file.createdBy
        hasShortSizes = FileFooter.hasShortSizes(file.createdBy)
    }

    /// The top-level columns as a schema. Columns that cannot be read are there with the type `unknown`.
    public var schema: Schema { Schema(fields.map { Field($0.name, $0.type, isNullable: $0.isNullable) }) }

    /// Bytes of some columns of a row group, compressed.
    public func bytes(ofRowGroup group: Int, columns: [Int]) -> Int64 {
        var total: Int64 = 0
        for column in columns {
            for leaf in nodes[column]?.leaves ?? [] { total &+= max(0, chunk(group, leaf).compressedBytes) }
        }
        return total
    }

    /// The statistics of a column in a row group; empty when there are none that can be trusted.
    public func statistics(rowGroup group: Int, column: Int) -> ChunkStatistics {
        guard let leaf = leaf(column) else { return ChunkStatistics() }
        return statistics(group, leaf)
    }

    /// The statistics of what a scan reads in a row group; empty where several values make one of its own.
    public func statistics(rowGroup group: Int, of column: FileColumn) -> ChunkStatistics {
        switch column.origin {
        case .file(let index): return statistics(rowGroup: group, column: index)
        case .nested(let index, let shape):
            guard let node = nodes[index]?.part(shape), case .leaf(let leaf) = node.kind, leaf.repetitionMax == 0 else {
                return ChunkStatistics()
            }
            return statistics(group, leaf)
        case .constant, .rowNumber: return ChunkStatistics()
        }
    }

    private func statistics(_ group: Int, _ leaf: Leaf) -> ChunkStatistics {
        let chunk = chunk(group, leaf)
        guard chunk.statisticsAt >= 0 else { return ChunkStatistics() }
        let isOrderKnown = hasKnownOrder.isEmpty || (leaf.index < hasKnownOrder.count && hasKnownOrder[leaf.index])
        var reader = ThriftReader(metadata.base, count: metadata.count, at: Int(chunk.statisticsAt))
        defer { withExtendedLifetime(metadata) {} }
        return (try? StatisticsReader.read(&reader, leaf, isOrderKnown: isOrderKnown)) ?? ChunkStatistics()
    }

    /// Memory held, for the cache.
    var sizeBytes: Int {
        let held = keyValues.reduce(contents?.count ?? metadata.count) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        return held + chunks.count * MemoryLayout<ChunkMeta>.stride + fields.count * 384 + rowGroups.count * 16 + 1024
    }

    /// The leaf of a column that is not nested.
    func leaf(_ column: Int) -> Leaf? {
        guard case .leaf(let leaf)? = nodes[column]?.kind else { return nil }
        return leaf
    }

    /// The chunk of a leaf.
    func chunk(_ group: Int, _ leaf: Leaf) -> ChunkMeta { chunks[group * leafCount + leaf.index] }

    /// The place of a chunk's pages in the file.
    func range(of chunk: ChunkMeta) throws(Damage) -> Range<Int64> {
        let start = chunk.start
        guard start >= 4, chunk.compressedBytes >= 0, start <= info.sizeBytes,
            chunk.compressedBytes <= info.sizeBytes - start
        else { throw Damage("a column chunk lies outside the file", at: start) }
        let end = start + chunk.compressedBytes
        return start..<(hasShortSizes ? min(end + FileFooter.dictionaryHeaderMax, info.sizeBytes) : end)
    }

    /// Room for the header that old sizes leave out.
    private static let dictionaryHeaderMax: Int64 = 100

    /// Whether chunk sizes leave out the dictionary's header, as parquet-mr before 1.2.9 wrote them (PARQUET-816).
    private static func hasShortSizes(_ createdBy: String?) -> Bool {
        guard let createdBy, createdBy.hasPrefix("parquet-mr") else { return false }
        guard let version = createdBy.split(separator: " ").dropFirst(2).first else { return true }
        let parts = version.split(whereSeparator: { !$0.isNumber }).prefix(3).compactMap { Int($0) }
        return parts.count == 3 && (parts[0], parts[1], parts[2]) < (1, 2, 9)
    }
}
