// Upkeep of managed tables: small files put together, old snapshots forgotten, files that nothing leads to removed.
// Values and protocols only; a table format (Iceberg) conforms.
public import Columns
public import Diagnostics

/// What a compaction looks for.
public struct CompactionOptions: Sendable {
    /// Files with fewer bytes are put together; nil: three quarters of the table's target size.
    public var smallBytes: Int64?
    /// A file that lost more than this share of its rows is written anew.
    public var deletedShare: Double
    /// Fewer small files in a partition are left alone.
    public var filesMin: Int
    /// Only files that may hold rows in these domains, by table column index.
    public var domains: [Int: ColumnDomain]
    public init(
        smallBytes: Int64? = nil, deletedShare: Double = 0.1, filesMin: Int = 2, domains: [Int: ColumnDomain] = [:]
    ) {
        self.smallBytes = smallBytes
        self.deletedShare = deletedShare
        self.filesMin = filesMin
        self.domains = domains
    }
}

/// What a compaction does, or would do.
public struct CompactionSummary: Hashable, Sendable {
    public var filesBefore = 0
    public var filesAfter = 0
    public var bytesBefore: Int64 = 0
    public var bytesAfter: Int64 = 0
    /// Rows of the new files.
    public var rows: Int64 = 0
    public init() {}

    public static func += (sum: inout CompactionSummary, part: CompactionSummary) {
        sum.filesBefore += part.filesBefore
        sum.filesAfter += part.filesAfter
        sum.bytesBefore &+= part.bytesBefore
        sum.bytesAfter &+= part.bytesAfter
        sum.rows &+= part.rows
    }
}

/// One piece of a compaction: a commit of its own. `write` makes the files; then it is committed like any write, also
/// onto later states, as long as its old files are there and lost no rows since (40001 otherwise).
public protocol TableCompaction: TableWrite {
    /// What is known so far: the old files, and the new ones once they are written.
    var summary: CompactionSummary { get }
    func write() async throws(SQLError)
}

/// What is forgotten of a table's past.
public struct SnapshotExpiry: Hashable, Sendable {
    /// Milliseconds since 1970 UTC.
    public var olderThan: Int64
    /// The newest so many stay however old they are; the current one always does.
    public var keeping: Int
    public init(olderThan: Int64, keeping: Int = 1) {
        self.olderThan = olderThan
        self.keeping = keeping
    }
}

/// A snapshot of a table.
public struct SnapshotInfo: Hashable, Sendable {
    public var id: Int64
    /// Milliseconds since 1970 UTC.
    public var committedAt: Int64
    public init(id: Int64, committedAt: Int64) {
        self.id = id
        self.committedAt = committedAt
    }
}

/// A file that nothing leads to.
public struct LostFile: Hashable, Sendable {
    public var path: String
    public var sizeBytes: Int64
    /// Microseconds since 1970 UTC.
    public var modified: Int64
    public init(path: String, sizeBytes: Int64, modified: Int64) {
        self.path = path
        self.sizeBytes = sizeBytes
        self.modified = modified
    }
}

/// Collects what is in use, then finds what is not. One collection, one task.
public protocol GarbageCollection: AnyObject, Sendable {
    /// Marks every file that a definition leads to, at any snapshot that its metadata keeps.
    func mark(_ definition: ManagedDefinition) async throws(SQLError)
    /// Lists files of tables that nothing marked and that are older than an instant (microseconds since 1970 UTC): below
    /// the warehouse, and below the locations of all tables that were marked. Never others than those that the format makes.
    func unmarked(olderThan: Int64) async throws(SQLError) -> [LostFile]
    /// Removes files.
    func remove(_ files: [LostFile]) async throws(SQLError)
}

extension ManagedFormat {
    public func compactions(
        of definition: ManagedDefinition, named name: TableName, options: CompactionOptions
    ) async throws(SQLError) -> [any TableCompaction] { [] }

    public func expired(
        of definition: ManagedDefinition, _ expiry: SnapshotExpiry
    ) async throws(SQLError) -> [SnapshotInfo] { [] }

    public func garbageCollection() -> (any GarbageCollection)? { nil }
}
