// Threads that encode columns side by side, for writers that get their batches from one thread.

import Diagnostics
import Foundation
import Synchronization

/// Runs numbered pieces of work on some threads and the caller's own.
final class EncodingCrew: Sendable {
    private typealias Work = @Sendable (_ index: Int, _ worker: Int) throws(SQLError) -> Void

    /// What the threads share; they keep it alive, not the crew.
    private final class State: @unchecked Sendable {
        // Sendable: the condition's lock guards all but the atomic.
        let condition = NSCondition()
        let next = Atomic<Int>(0)
        var work: Work?
        var count = 0
        var round = 0
        var busy = 0
        var failure: SQLError?
        var isOver = false

        /// Takes pieces until there are none.
        func take(_ work: Work, _ count: Int, _ worker: Int) {
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                do throws(SQLError) {
                    try work(index, worker)
                } catch {
                    condition.lock()
                    failure = failure ?? error
                    condition.unlock()
                    next.store(count, ordering: .relaxed)
                }
            }
        }

        /// The life of a thread.
        func serve(_ worker: Int) {
            var seen = 0
            condition.lock()
            while true {
                while round == seen, !isOver { condition.wait() }
                if isOver { break }
                seen = round
                guard let work else { continue }
                let count = count
                condition.unlock()
                take(work, count, worker)
                condition.lock()
                busy -= 1
                if busy == 0 { condition.broadcast() }
            }
            condition.unlock()
        }
    }

    private let state = State()
    private let helpers: Int

    /// `threads` with the caller's.
    init(threads: Int) {
        helpers = max(0, threads - 1)
        for worker in 1..<max(threads, 1) {
            let thread = Thread { [state] in state.serve(worker) }
            thread.name = "apus-encode"
            thread.start()
        }
    }

    deinit {
        state.condition.lock()
        state.isOver = true
        state.condition.broadcast()
        state.condition.unlock()
    }

    /// Does pieces `0..<count`, each once, and waits for all; the caller is worker 0.
    func run(
        _ count: Int, _ work: @escaping @Sendable (_ index: Int, _ worker: Int) throws(SQLError) -> Void
    ) throws(SQLError) {
        state.condition.lock()
        state.next.store(0, ordering: .relaxed)
        state.work = work
        state.count = count
        state.busy = helpers
        state.failure = nil
        state.round += 1
        state.condition.broadcast()
        state.condition.unlock()
        state.take(work, count, 0)
        state.condition.lock()
        while state.busy > 0 { state.condition.wait() }
        state.work = nil
        let failure = state.failure
        state.condition.unlock()
        if let failure { throw failure }
    }
}
