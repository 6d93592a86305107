// A few threads that wait for the operating system, so that tasks and workers do not have to.

import Foundation

/// A fixed set of threads that run blocking work in the order it came.
final class IOThreads: @unchecked Sendable {
    private let condition = NSCondition()
    private var waiting: [@Sendable () -> Void] = []
    /// Work before this index of `waiting` was taken already.
    private var taken = 0
    private var threads = 0
    private var idle = 0
    private let threadsMax: Int

    init(threadsMax: Int) { self.threadsMax = max(1, threadsMax) }

    /// Runs `work` on one of the threads, which are started when first needed.
    func run(_ work: @escaping @Sendable () -> Void) {
        condition.lock()
        defer { condition.unlock() }
        waiting.append(work)
        // A thread that was woken still counts as idle until it runs, so compare with all that waits.
        if waiting.count - taken > idle, threads < threadsMax {
            threads += 1
            let thread = Thread { [self] in serve() }
            thread.name = "storage-io"
            thread.start()
        } else {
            condition.signal()
        }
    }

    /// The threads live as long as the process: they hold this object.
    private func serve() {
        while true {
            condition.lock()
            while taken == waiting.count {
                idle += 1
                condition.wait()
                idle -= 1
            }
            let work = waiting[taken]
            taken += 1
            if taken == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                taken = 0
            }
            condition.unlock()
            work()
        }
    }
}
