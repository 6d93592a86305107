// Memory accounting of one query: a limit, and who holds how much when it is reached.
import Diagnostics
import Synchronization

/// Counts the bytes that a query's operators hold.
final class MemoryPool: Sendable {
    /// The limit, in bytes.
    let limitBytes: Int64
    private let held = Mutex<(now: Int64, peak: Int64)>((0, 0))
    private let accounts = Mutex<[MemoryAccount]>([])

    init(limitBytes: Int64) { self.limitBytes = limitBytes }

    /// Opens an operator's account; kept until the query ends so that reports can read its peak.
    func account(_ title: String) -> MemoryAccount {
        let account = MemoryAccount(title: title, pool: self)
        accounts.withLock { $0.append(account) }
        return account
    }

    /// Drops accounts that hold nothing any more, of the steps of a recursive query.
    func forget(_ closed: [MemoryAccount]) {
        let gone = Set(closed.map { ObjectIdentifier($0) })
        accounts.withLock { list in list.removeAll { gone.contains(ObjectIdentifier($0)) } }
    }

    /// The most bytes held at one time.
    var peakBytes: Int64 { held.withLock { $0.peak } }

    fileprivate func add(_ bytes: Int64) throws(SQLError) {
        let fits = held.withLock { state in
            if bytes > 0, state.now + bytes > limitBytes { return false }
            state.now += bytes
            state.peak = max(state.peak, state.now)
            return true
        }
        guard !fits else { return }
        let greedy = accounts.withLock { $0 }.sorted { $0.bytes > $1.bytes }.prefix(3)
        let list = greedy.map { "\($0.title) \($0.bytes >> 20) MiB" }.joined(separator: ", ")
        throw SQLError(
            .outOfMemory, "query exceeds its memory limit of \(limitBytes >> 20) MiB",
            detail: "Most is held by: \(list).", hint: "Raise memory_limit, or let the query keep fewer rows.")
    }
}

/// What one operator holds. Workers call it in steps of pages, not of rows.
final class MemoryAccount: Sendable {
    let title: String
    private let pool: MemoryPool
    private let held = Atomic<Int64>(0)
    private let highest = Atomic<Int64>(0)

    fileprivate init(title: String, pool: MemoryPool) {
        self.title = title
        self.pool = pool
    }

    var bytes: Int64 { held.load(ordering: .relaxed) }
    var peakBytes: Int64 { highest.load(ordering: .relaxed) }

    /// Adds bytes (negative: gives back). Throws 53200 above the query's limit.
    func add(_ bytes: Int64) throws(SQLError) {
        try pool.add(bytes)
        let now = held.add(bytes, ordering: .relaxed).newValue
        highest.max(now, ordering: .relaxed)
    }
}
