// Threads that wait or compute for long, so that the few threads of Swift's own pool stay free for connections, cancels
// and timeouts.
import Foundation

/// A bounded number of threads that run what they are given in the order it came. They are started when first needed and
/// live as long as the process.
public final class WorkThreads: @unchecked Sendable {
    // Sendable: `waiting`, `taken`, `threads` and `idle` are used under `condition` only.
    private let condition = NSCondition()
    private var waiting: [@Sendable () -> Void] = []
    /// Work before this index of `waiting` was taken already.
    private var taken = 0
    private var threads = 0
    private var idle = 0
    private let name: String
    private let threadsMax: Int
    private let stackBytes: Int?

    /// `stackBytes` of each thread; nil: what the system gives.
    public init(name: String, threadsMax: Int, stackBytes: Int? = nil) {
        self.name = name
        self.threadsMax = max(1, threadsMax)
        self.stackBytes = stackBytes
    }

    /// Runs `work` on one of the threads. What waits is bounded by its owner.
    public func run(_ work: @escaping @Sendable () -> Void) {
        condition.lock()
        defer { condition.unlock() }
        waiting.append(work)
        // A thread that was woken still counts as idle until it runs, so compare with all that waits.
        if waiting.count - taken > idle, threads < threadsMax {
            threads += 1
            let thread = Thread { [self] in serve() }
            if let stackBytes { thread.stackSize = stackBytes }
            thread.name = name
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
