// Threads on which statements are resolved, bound and optimized: a plan that takes long to find keeps a thread busy.
import Foundation
import Threads

/// A task executor of a fixed number of threads.
final class PlanningThreads: TaskExecutor {
    static let shared = PlanningThreads(threadsMax: max(8, ProcessInfo.processInfo.activeProcessorCount))

    /// Plans are trees that rules walk by recursion.
    private static let stackBytes = 16 << 20
    private let threads: WorkThreads

    private init(threadsMax: Int) {
        threads = WorkThreads(name: "planning", threadsMax: threadsMax, stackBytes: PlanningThreads.stackBytes)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        threads.run { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
