// A read that is sent a second time when its answer is late: whichever answer comes first counts.

import Diagnostics
import Synchronization

/// Up to two attempts at one read. The client's thread calls back, one call at a time.
final class Hedge<T: Sendable>: Sendable {
    /// Sends the read: given up with the flag, telling `late` once if the answer takes too long. What the attempts
    /// write to must be their own, or they must write the same.
    typealias Start =
        @Sendable (_ flag: CancelFlag, _ late: @escaping @Sendable () -> Void, _ done: @escaping Done<T>)
        -> Void

    private struct State {
        var running = 1
        var isDone = false
        var failure: SQLError?
    }
    private let state = Mutex(State())
    private let flags: [CancelFlag]
    private let start: Start
    private let health: ServerHealth
    private let metrics: StoreMetrics?
    private let done: Done<T>

    private init(
        _ health: ServerHealth, _ cancellation: CancelFlag?, _ metrics: StoreMetrics?, _ start: @escaping Start,
        _ done: @escaping Done<T>
    ) {
        self.health = health
        self.metrics = metrics
        self.start = start
        self.done = done
        flags = [CancelFlag(below: cancellation), CancelFlag(below: cancellation)]
    }

    static func run(
        _ health: ServerHealth, until cancellation: CancelFlag?, _ metrics: StoreMetrics?, _ start: @escaping Start,
        then done: @escaping Done<T>
    ) {
        let hedge = Hedge(health, cancellation, metrics, start, done)
        start(hedge.flags[0], { hedge.late() }, { hedge.take($0, 0) })
    }

    private func late() {
        guard !state.withLock({ $0.isDone }), health.mayHedge() else { return }
        state.withLock { $0.running += 1 }
        metrics?.addHedge()
        start(flags[1], {}, { [self] in take($0, 1) })
    }

    private func take(_ result: Result<T, SQLError>, _ attempt: Int) {
        let outcome = state.withLock { state -> Result<T, SQLError>? in
            guard !state.isDone else { return nil }
            state.running -= 1
            switch result {
            case .success: break
            case .failure(let error):
                state.failure = state.failure ?? error
                if state.running > 0 { return nil }
            }
            state.isDone = true
            if case .failure = result, let failure = state.failure { return .failure(failure) }
            return result
        }
        guard let outcome else { return }
        // From here on the other attempt writes nothing: it looks at its flag first, on this same thread.
        flags[1 - attempt].set()
        done(outcome)
    }
}
