// Threads on which statements are resolved, bound and optimized: a plan that takes long to find keeps a thread busy, and
// the few threads of Swift's own pool must stay free for connections, cancels and timeouts.
import Foundation

/// A task executor of a fixed number of threads, started when first needed; they live as long as the process.
final class PlanningThreads: TaskExecutor, @unchecked Sendable {
    // Sendable: `waiting`, `threads` and `idle` are used under `condition` only.
    static let shared = PlanningThreads(threadsMax: max(8, ProcessInfo.processInfo.activeProcessorCount))

    /// Plans are trees that rules walk by recursion.
    private static let stackBytes = 16 << 20
    private let condition = NSCondition()
    private var waiting: [UnownedJob] = []
    /// Jobs before this index of `waiting` were taken already.
    private var taken = 0
    private var threads = 0
    private var idle = 0
    private let threadsMax: Int

    private init(threadsMax: Int) { self.threadsMax = threadsMax }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        condition.lock()
        defer { condition.unlock() }
        waiting.append(job)
        // A thread that was woken still counts as idle until it runs, so compare with all that waits.
        if waiting.count - taken > idle, threads < threadsMax {
            threads += 1
            let thread = Thread { [self] in serve() }
            thread.stackSize = PlanningThreads.stackBytes
            thread.name = "planning"
            thread.start()
        } else {
            condition.signal()
        }
    }

    private func serve() {
        while true {
            condition.lock()
            while taken == waiting.count {
                idle += 1
                condition.wait()
                idle -= 1
            }
            let job = waiting[taken]
            taken += 1
            if taken == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                taken = 0
            }
            condition.unlock()
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
