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
    /// Reaches whoever waits on behalf of the query.
    let signal = StopSignal()
    private let watches = Mutex<[StopWatch]>([])

    init(functions: FunctionContext, memory: MemoryPool, threads: Int = 1, isProfiled: Bool = false) {
        self.functions = functions
        self.memory = memory
        self.threads = max(1, threads)
        self.isProfiled = isProfiled
    }

    /// Asks every worker to stop; the first reason wins.
    func stop(_ error: SQLError) { signal.stop(error) }

    /// Calls `watcher` once when the query is stopped: at once when it already was.
    func onStop(_ watcher: @escaping @Sendable (SQLError) -> Void) {
        let watch = signal.watch(watcher)
        watches.withLock { $0.append(watch) }
    }

    /// Forgets the watchers; called when the query has ended.
    func close() { signal.close() }

    /// Throws when the query was stopped. Call at least once a batch; in long loops, every few thousand rows.
    func check() throws(SQLError) {
        guard signal.isStopped else { return }
        throw signal.reason ?? SQLError(.queryCanceled, "canceling statement due to user request")
    }

    /// Whether the query was stopped.
    var isStopped: Bool { signal.isStopped }
    /// Why the query was stopped.
    var stopReason: SQLError? { signal.reason }
}
