// How far the COPYs of the sessions have got, for pg_stat_progress_copy.
import Catalogs
import Diagnostics
import Synchronization
import SystemCatalog

/// One COPY under way. The session makes it, whoever carries the bytes counts.
public final class CopyProgress: Sendable {
    let user: String
    let database: String
    /// nil: a query.
    let table: TableName?
    let isFrom: Bool
    /// A file of the server; else the client's pipe.
    let isFile: Bool
    private let bytes = Atomic<Int64>(0)
    private let bytesAll = Atomic<Int64>(0)
    private let rows = Atomic<Int64>(0)

    init(user: String, database: String, table: TableName?, isFrom: Bool, isFile: Bool) {
        self.user = user
        self.database = database
        self.table = table
        self.isFrom = isFrom
        self.isFile = isFile
    }

    public func add(bytes count: Int, rows more: Int) {
        bytes.add(Int64(count), ordering: .relaxed)
        rows.add(Int64(more), ordering: .relaxed)
    }

    /// Bytes of the whole, where they are known.
    public func set(total: Int64) { bytesAll.store(total, ordering: .relaxed) }

    fileprivate func shown(_ processID: Int32) -> CopyActivity {
        CopyActivity(
            processID: processID, user: user, database: database, table: table, isFrom: isFrom, isFile: isFile,
            bytes: bytes.load(ordering: .relaxed), bytesTotal: bytesAll.load(ordering: .relaxed),
            rows: rows.load(ordering: .relaxed))
    }
}

/// The COPYs of one server, one a session.
final class CopyList: Sendable {
    private let running = Mutex<[Int32: CopyProgress]>([:])

    func begin(_ processID: Int32, _ progress: CopyProgress) { running.withLock { $0[processID] = progress } }
    func end(_ processID: Int32) { running.withLock { $0[processID] = nil } }

    var all: [CopyActivity] {
        running.withLock { $0.map { $1.shown($0) } }.sorted { $0.processID < $1.processID }
    }
}

extension Session {
    /// Begins to show a COPY.
    func showCopy(_ table: TableName?, isFrom: Bool, isFile: Bool) -> CopyProgress {
        let progress = CopyProgress(
            user: currentUser, database: database, table: table, isFrom: isFrom, isFile: isFile)
        engine.copies.begin(processID, progress)
        return progress
    }
}
