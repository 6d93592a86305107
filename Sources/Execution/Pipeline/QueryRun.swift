// A running query as its operators see it: cancellation, memory, context, profile.
import Columns
import Diagnostics
import Functions
import Synchronization

/// Shared by all operators of one query.
final class QueryRun: Sendable {
    /// For kernels: time, zone, session facts.
    let functions: FunctionContext
    /// Memory that operators account for.
    let memory: MemoryPool
    /// Workers that one pipeline may have.
    let threads: Int
    /// Whether stages are timed.
    let isProfiled: Bool
    private let reason = Mutex<SQLError?>(nil)
    private let stopped = Atomic<Bool>(false)
    private let watchers = Mutex<[@Sendable (SQLError) -> Void]>([])

    init(functions: FunctionContext, memory: MemoryPool, threads: Int = 1, isProfiled: Bool = false) {
        self.functions = functions
        self.memory = memory
        self.threads = max(1, threads)
        self.isProfiled = isProfiled
    }

    /// Asks every worker to stop; the first reason wins.
    func stop(_ error: SQLError) {
        let isFirst = reason.withLock { first in
            guard first == nil else { return false }
            first = error
            return true
        }
        guard isFirst else { return }
        stopped.store(true, ordering: .releasing)
        let called = watchers.withLock { list in
            let all = list
            list = []
            return all
        }
        for watcher in called { watcher(error) }
    }

    /// Calls `watcher` once when the query is stopped: at once when it already was.
    func onStop(_ watcher: @escaping @Sendable (SQLError) -> Void) {
        watchers.withLock { $0.append(watcher) }
        guard isStopped, let error = reason.withLock({ $0 }) else { return }
        let late = watchers.withLock { list in
            let all = list
            list = []
            return all
        }
        for watcher in late { watcher(error) }
    }

    /// Forgets the watchers; called when the query has ended.
    func close() { watchers.withLock { $0 = [] } }

    /// Throws when the query was stopped. Call at least once a batch; in long loops, every few thousand rows.
    func check() throws(SQLError) {
        guard stopped.load(ordering: .acquiring) else { return }
        throw reason.withLock { $0 } ?? SQLError(.queryCanceled, "canceling statement due to user request")
    }

    /// Whether the query was stopped.
    var isStopped: Bool { stopped.load(ordering: .relaxed) }
    /// Why the query was stopped.
    var stopReason: SQLError? { reason.withLock { $0 } }
}
