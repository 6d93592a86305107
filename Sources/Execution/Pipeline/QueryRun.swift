// A running query as its operators see it: cancellation, memory, context.
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
    private let reason = Mutex<SQLError?>(nil)
    private let stopped = Atomic<Bool>(false)

    init(functions: FunctionContext, memory: MemoryPool) {
        self.functions = functions
        self.memory = memory
    }

    /// Asks every worker to stop; the first reason wins.
    func stop(_ error: SQLError) {
        reason.withLock { if $0 == nil { $0 = error } }
        stopped.store(true, ordering: .releasing)
    }

    /// Throws when the query was stopped. Call at least once a batch; in long loops, every few thousand rows.
    func check() throws(SQLError) {
        guard stopped.load(ordering: .acquiring) else { return }
        throw reason.withLock { $0 } ?? SQLError(.queryCanceled, "canceling statement due to user request")
    }

    /// Whether the query was stopped.
    var isStopped: Bool { stopped.load(ordering: .relaxed) }
}
