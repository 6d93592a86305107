// What manifests tell of files: data files and the files that remove rows from them.

import Columns

/// A file of a table.
final class DataFile: Sendable {
    enum Content: Int32, Sendable { case data = 0, positionDeletes, equalityDeletes }

    /// Facts that only some files have.
    struct Facts: Sendable {
        var columnSizes: [Int32: Int64]?
        var valueCounts: [Int32: Int64]?
        var nullCounts: [Int32: Int64]?
        var nanCounts: [Int32: Int64]?
        var lowerBounds: [Int32: [UInt8]]?
        var upperBounds: [Int32: [UInt8]]?
        var keyMetadata: [UInt8]?
        var splitOffsets: [Int64]?
        var equalityIDs: [Int32]?
        var sortOrderID: Int32?
        var firstRowID: Int64?
        var referencedDataFile: String?
        var contentOffset: Int64?
        var contentSizeBytes: Int64?
    }

    let content: Content
    let path: String
    /// Upper case: PARQUET, AVRO, ORC, PUFFIN.
    let format: String
    let specID: Int32
    /// In the order of the spec's fields.
    let partition: [Scalar]
    let rows: Int64
    let sizeBytes: Int64
    let facts: Facts

    init(
        content: Content, path: String, format: String, specID: Int32, partition: [Scalar], rows: Int64,
        sizeBytes: Int64, facts: Facts
    ) {
        self.content = content
        self.path = path
        self.format = format
        self.specID = specID
        self.partition = partition
        self.rows = rows
        self.sizeBytes = sizeBytes
        self.facts = facts
    }

    /// The bytes of one file of a Puffin file that is a deletion vector.
    var isDeletionVector: Bool {
        content == .positionDeletes && (format == "PUFFIN" || facts.contentOffset != nil)
    }

    /// The only data file that a file of position deletes is about; nil when there may be several.
    var onlyDataFile: String? {
        if let path = facts.referencedDataFile { return path }
        for id in FieldIDs.deletePaths {
            if let low = facts.lowerBounds?[id], let high = facts.upperBounds?[id], low == high {
                return String(validating: low, as: UTF8.self)
            }
        }
        return nil
    }

    func with(firstRowID: Int64?) -> DataFile {
        var facts = facts
        facts.firstRowID = firstRowID
        return with(facts)
    }

    func with(sortOrderID: Int32) -> DataFile {
        var facts = facts
        facts.sortOrderID = sortOrderID
        return with(facts)
    }

    private func with(_ facts: Facts) -> DataFile {
        DataFile(
            content: content, path: path, format: format, specID: specID, partition: partition, rows: rows,
            sizeBytes: sizeBytes, facts: facts)
    }
}

/// Ids that the specification reserves.
enum FieldIDs {
    static let deletePath: Int32 = 2_147_483_546
    static let deletePosition: Int32 = 2_147_483_545
    /// The bound of the path in files of position deletes; DuckDB writes the second.
    static let deletePaths: [Int32] = [deletePath, 2_147_483_646]
}

/// A line of a manifest.
struct ManifestEntry: Sendable {
    enum Status: Int64, Sendable { case existing = 0, added, deleted }

    var status: Status
    var snapshotID: Int64
    /// When the file's rows came to the table.
    var sequenceNumber: Int64
    var fileSequenceNumber: Int64
    var file: DataFile

    var isLive: Bool { status != .deleted }
}

/// A line of a manifest list.
struct ManifestFile: Sendable, Hashable {
    struct Summary: Sendable, Hashable {
        var containsNull: Bool
        var containsNaN: Bool?
        var lower: [UInt8]?
        var upper: [UInt8]?
    }

    var path: String
    var sizeBytes: Int64
    var specID: Int32
    var isDeletes: Bool
    var sequenceNumber: Int64
    var minSequenceNumber: Int64
    var addedSnapshotID: Int64
    /// Nil: not known, so not zero.
    var addedFiles: Int32?
    var existingFiles: Int32?
    var deletedFiles: Int32?
    var addedRows: Int64?
    var existingRows: Int64?
    var deletedRows: Int64?
    var partitions: [Summary]?
    var keyMetadata: [UInt8]?
    var firstRowID: Int64?

    /// Whether a file of it may be live.
    var mayBeLive: Bool { addedFiles ?? 1 > 0 || existingFiles ?? 1 > 0 }

    /// Live rows, if the counts are known.
    var liveRows: Int64? {
        guard let addedRows, let existingRows else { return nil }
        return addedRows &+ existingRows
    }

    /// Live files, if the counts are known.
    var liveFiles: Int? {
        guard let addedFiles, let existingFiles else { return nil }
        return Int(addedFiles) + Int(existingFiles)
    }
}
