// A query's pipelines under way: which wait for which, who is parked, when everything has ended.
import Columns
import Diagnostics
import Synchronization

/// Starts pipelines when what they depend on has finished, and unwinds all of them on the first error.
final class QueryExecution: Sendable {
    let run: QueryRun
    private let lane: Scheduler.Lane
    private let scheduler: Scheduler
    private let results: ResultQueue
    private let state: Mutex<State>

    private struct State {
        var pipelines: [Pipeline]
        /// By pipeline: index of its sink.
        var sinkOf: [Int]
        /// By pipeline: sinks that must finish first.
        var waitsFor: [Set<Int>]
        /// By sink: pipelines that still feed it.
        var feeding: [Int]
        /// By pipeline: workers that have not ended; -1 before the start.
        var workers: [Int]
        var parkedJobs: [(PipelineWorker, Int)] = []
        /// Workers and sink finishes that have not ended.
        var active = 0
        /// Sinks that have not finished.
        var sinksLeft: Int
        var isClosed = false
        /// Whoever waits for the last worker.
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    init(_ pipelines: [Pipeline], run: QueryRun, results: ResultQueue, scheduler: Scheduler) {
        self.run = run
        self.results = results
        self.scheduler = scheduler
        lane = Scheduler.Lane(threadsMax: run.threads)
        var numbers: [ObjectIdentifier: Int] = [:]
        let sinkOf = pipelines.map { pipeline in
            let key = ObjectIdentifier(pipeline.sink)
            let number = numbers[key] ?? numbers.count
            numbers[key] = number
            return number
        }
        var feeding = [Int](repeating: 0, count: numbers.count)
        for sink in sinkOf { feeding[sink] += 1 }
        state = Mutex(
            State(
                pipelines: pipelines, sinkOf: sinkOf,
                waitsFor: pipelines.map { Set($0.dependencies.map { sinkOf[$0] }) }, feeding: feeding,
                workers: [Int](repeating: -1, count: pipelines.count), sinksLeft: numbers.count))
    }

    /// Queues the pipelines that wait for nothing.
    func start() {
        run.onStop { [weak self] error in
            self?.results.fail(error)
            self?.resume()
        }
        results.onRoom { [weak self] in self?.resume() }
        for pipeline in state.withLock({ $0.pipelines }) { pipeline.expect(workers: workers(of: pipeline)) }
        startReady()
    }

    /// Rows from which on finishing a sink is a job of its own.
    private static let rowsOfLongFinish = 64 << 10

    /// One job, on a scheduler thread.
    func work(_ job: Scheduler.Job, until deadline: Int64) {
        guard let worker = job.worker else {
            finish(job.pipeline)
            return
        }
        slice(worker, of: job.pipeline, until: deadline)
    }

    private func slice(_ worker: PipelineWorker, of pipeline: Int, until deadline: Int64) {
        do throws(SQLError) {
            switch try worker.slice(until: deadline) {
            case .again: scheduler.enqueue(Scheduler.Job(execution: self, worker: worker, pipeline: pipeline), lane)
            case .parked: park(worker, of: pipeline)
            case .done: ended(pipeline)
            }
        } catch {
            run.stop(error)
            worker.release()
            ended(pipeline)
        }
    }

    private func park(_ worker: PipelineWorker, of pipeline: Int) {
        state.withLock { $0.parkedJobs.append((worker, pipeline)) }
        // The client may have emptied the queue in between: whoever sees the worker resumes it.
        if results.hasRoom || run.isStopped { resume() }
    }

    private func resume() {
        let jobs = state.withLock { state in
            let jobs = state.parkedJobs
            state.parkedJobs = []
            return jobs
        }
        for (worker, pipeline) in jobs {
            scheduler.enqueue(Scheduler.Job(execution: self, worker: worker, pipeline: pipeline), lane)
        }
    }

    private func ended(_ pipeline: Int) {
        let finished: (any SinkStage)? = state.withLock { state in
            state.workers[pipeline] -= 1
            guard state.workers[pipeline] == 0 else { return nil }
            let sink = state.sinkOf[pipeline]
            state.feeding[sink] -= 1
            return state.feeding[sink] == 0 ? state.pipelines[pipeline].sink : nil
        }
        guard let finished, !run.isStopped else { return leave() }
        if finished.rowsToFinish > QueryExecution.rowsOfLongFinish {
            scheduler.enqueue(Scheduler.Job(execution: self, worker: nil, pipeline: pipeline), lane)
        } else {
            finish(pipeline)
        }
    }

    /// Finishes the sink of a pipeline, and starts what waited for it.
    private func finish(_ pipeline: Int) {
        let sink = state.withLock { $0.pipelines.indices.contains(pipeline) ? $0.pipelines[pipeline].sink : nil }
        if let sink, !run.isStopped {
            do throws(SQLError) {
                try sink.finish(run)
                state.withLock { state in
                    let sink = state.sinkOf[pipeline]
                    state.sinksLeft -= 1
                    for index in state.waitsFor.indices { state.waitsFor[index].remove(sink) }
                }
                startReady()
            } catch {
                run.stop(error)
            }
        }
        leave()
    }

    /// A worker, and the finish that it led to, has ended.
    private func leave() {
        let isLast = state.withLock { state in
            state.active -= 1
            return state.active == 0 && (state.sinksLeft == 0 || run.isStopped)
        }
        if isLast { close() }
    }

    private func workers(of pipeline: Pipeline) -> Int {
        pipeline.isSerial || pipeline.source.isSmall ? 1 : run.threads
    }

    private func startReady() {
        let jobs = state.withLock { state -> [(PipelineWorker, Int)] in
            var jobs: [(PipelineWorker, Int)] = []
            for index in state.pipelines.indices where state.workers[index] == -1 && state.waitsFor[index].isEmpty {
                let count = workers(of: state.pipelines[index])
                state.workers[index] = count
                state.active += count
                let progress = PipelineProgress()
                for _ in 0..<count { jobs.append((PipelineWorker(state.pipelines[index], progress, run), index)) }
            }
            return jobs
        }
        for (worker, pipeline) in jobs {
            scheduler.enqueue(Scheduler.Job(execution: self, worker: worker, pipeline: pipeline), lane)
        }
    }

    /// Waits until no worker works any more.
    func ended() async {
        await withCheckedContinuation { continuation in
            let isClosed = state.withLock { state in
                if !state.isClosed { state.waiters.append(continuation) }
                return state.isClosed
            }
            if isClosed { continuation.resume() }
        }
    }

    private func close() {
        let isFirst = state.withLock { state in
            guard !state.isClosed else { return false }
            state.isClosed = true
            // Frees what the stages hold: hash tables, sorted runs, open files.
            state.pipelines = []
            return true
        }
        guard isFirst else { return }
        if let error = run.stopReason { results.fail(error) } else { results.end() }
        run.close()
        let waiters = state.withLock { state in
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// Runs pipelines to their end on the calling thread, one worker each: the steps of a recursive query.
enum InlineExecution {
    static func run(_ pipelines: [Pipeline], _ run: QueryRun) throws(SQLError) {
        var feeding: [ObjectIdentifier: Int] = [:]
        for pipeline in pipelines { feeding[ObjectIdentifier(pipeline.sink), default: 0] += 1 }
        for pipeline in pipelines { pipeline.expect(workers: 1) }
        var left = Array(pipelines.indices)
        while !left.isEmpty {
            let ready = left.first { index in
                pipelines[index].dependencies.allSatisfy { feeding[ObjectIdentifier(pipelines[$0].sink)] == 0 }
            }
            guard let ready else { throw SQLError(.internalError, "pipelines wait for each other") }
            left.removeAll { $0 == ready }
            let worker = PipelineWorker(pipelines[ready], PipelineProgress(), run)
            while true {
                let end = try worker.slice(until: .max)
                if case .done = end { break }
            }
            let key = ObjectIdentifier(pipelines[ready].sink)
            feeding[key, default: 1] -= 1
            if feeding[key] == 0 { try pipelines[ready].sink.finish(run) }
        }
    }
}
