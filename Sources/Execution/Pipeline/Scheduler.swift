// Fixed worker threads that all queries share: short slices, taken from the queries in turn.
import Diagnostics
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Runs the workers of all queries on a fixed number of threads.
///
/// Each query has a lane; threads take one job from the first lane that may run, work on it for a slice, and put lane
/// and job back at the end: a long query does not keep a short one waiting.
public final class Scheduler: Sendable {
    /// Worker threads.
    public let threads: Int
    private let shared: Shared

    /// How long a worker keeps its thread before others get their turn.
    static let sliceNanoseconds: Int64 = 10_000_000
    /// Deep expression trees recurse; the default of secondary threads may be small.
    static let stackBytes = 8 << 20
    /// More threads than this are never useful to one process.
    static let threadsMax = 1024

    /// Starts the threads; nil: as many as the machine has cores.
    public init(threads: Int? = nil) {
        let cores = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        self.threads = max(1, min(threads ?? cores, Scheduler.threadsMax))
        Allocator.keepFreedMemory()
        shared = Shared()
        shared.longMax = max(1, self.threads - 1)
        for _ in 0..<self.threads { Scheduler.spawn(shared) }
    }

    deinit { shared.close() }

    /// A query's jobs that are ready to run.
    final class Lane: @unchecked Sendable {
        // Sendable: read and written under the scheduler's lock only.
        fileprivate var jobs: [Job] = []
        fileprivate var running = 0
        fileprivate var isQueued = false
        fileprivate let threadsMax: Int
        init(threadsMax: Int) { self.threadsMax = threadsMax }
    }

    /// A worker that wants a slice, or the sink of a pipeline that is to be finished in one go.
    struct Job: Sendable {
        let execution: QueryExecution
        let worker: PipelineWorker?
        let pipeline: Int

        /// Whether the job may take long: sorting what was kept, making a hash table, the windows of a big partition.
        var isLong: Bool { worker?.isLong ?? true }
    }

    func enqueue(_ job: Job, _ lane: Lane) { shared.add(job, lane) }

    private static func spawn(_ shared: Shared) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(shared).toOpaque()
        let code = pthread_create(
            &thread, &attributes,
            { raw in
                if let raw { Unmanaged<Shared>.fromOpaque(raw).takeRetainedValue().work() }
                return nil
            }, argument)
        if code != 0 { Unmanaged<Shared>.fromOpaque(argument).release() }
        pthread_attr_destroy(&attributes)
    }

    /// The lanes with ready jobs, and the lock and condition that guard them.
    private final class Shared: @unchecked Sendable {
        // Sendable: `ring` and the lanes' fields are used under `lock` only.
        private let lock: UnsafeMutablePointer<pthread_mutex_t>
        private let wake: UnsafeMutablePointer<pthread_cond_t>
        private var ring: [Lane] = []
        private var isClosed = false
        /// Long jobs that may run at a time, so that one thread stays for short queries; set before threads start.
        var longMax = 1
        private var longRunning = 0

        init() {
            lock = .allocate(capacity: 1)
            lock.initialize(to: pthread_mutex_t())
            wake = .allocate(capacity: 1)
            wake.initialize(to: pthread_cond_t())
            pthread_mutex_init(lock, nil)
            pthread_cond_init(wake, nil)
        }

        deinit {
            pthread_cond_destroy(wake)
            pthread_mutex_destroy(lock)
            wake.deallocate()
            lock.deallocate()
        }

        func add(_ job: Job, _ lane: Lane) {
            pthread_mutex_lock(lock)
            lane.jobs.append(job)
            if !lane.isQueued, lane.running < lane.threadsMax {
                lane.isQueued = true
                ring.append(lane)
            }
            pthread_cond_signal(wake)
            pthread_mutex_unlock(lock)
        }

        func close() {
            pthread_mutex_lock(lock)
            isClosed = true
            pthread_cond_broadcast(wake)
            pthread_mutex_unlock(lock)
        }

        func work() {
            while let (job, lane) = take() {
                job.execution.work(job, until: Clock.now() + Scheduler.sliceNanoseconds)
                give(back: lane, job)
            }
        }

        /// Waits for a job; nil when the scheduler is gone.
        private func take() -> (Job, Lane)? {
            pthread_mutex_lock(lock)
            defer { pthread_mutex_unlock(lock) }
            while true {
                if let found = next() { return found }
                if isClosed { return nil }
                pthread_cond_wait(wake, lock)
            }
        }

        /// The first job that may run, of the first lane that has one.
        private func next() -> (Job, Lane)? {
            let takesLong = longRunning < longMax
            for (place, lane) in ring.enumerated() {
                guard let index = lane.jobs.firstIndex(where: { takesLong || !$0.isLong }) else { continue }
                ring.remove(at: place)
                lane.isQueued = false
                let job = lane.jobs.remove(at: index)
                lane.running += 1
                longRunning += job.isLong ? 1 : 0
                requeue(lane)
                return (job, lane)
            }
            return nil
        }

        private func give(back lane: Lane, _ job: Job) {
            pthread_mutex_lock(lock)
            lane.running -= 1
            if job.isLong {
                longRunning -= 1
                // Another long job may have been passed over.
                if !ring.isEmpty { pthread_cond_signal(wake) }
            }
            requeue(lane)
            pthread_mutex_unlock(lock)
        }

        /// Puts a lane at the end when it has jobs and may use another thread.
        private func requeue(_ lane: Lane) {
            guard !lane.isQueued, !lane.jobs.isEmpty, lane.running < lane.threadsMax else { return }
            lane.isQueued = true
            ring.append(lane)
            pthread_cond_signal(wake)
        }
    }
}
