// One worker of one pipeline: pulls batches from the source, through the transforms, into the sink, a slice at a time.
import Columns
import Diagnostics
import Synchronization

/// Why a slice ended.
enum SliceEnd {
    /// Time is up; there is more to do.
    case again
    /// The sink is full.
    case parked
    /// This worker's part is done and handed over.
    case done
}

/// What the workers of one pipeline share while it runs.
final class PipelineProgress: Sendable {
    private let satisfied = Atomic<Bool>(false)
    /// Whether nobody downstream needs more rows.
    var isSatisfied: Bool { satisfied.load(ordering: .relaxed) }
    func satisfy() { satisfied.store(true, ordering: .relaxed) }
}

/// A worker's state between slices.
final class PipelineWorker: @unchecked Sendable {
    // Sendable: one thread at a time owns it; the scheduler's lock hands it over.

    private let pipeline: Pipeline
    private let progress: PipelineProgress
    private let run: QueryRun
    private var source: (any BatchSource)?
    private var transforms: [any Transform] = []
    private var sink: (any Sink)?
    /// Inputs that must be applied again, with the transform that wants them; the latest on top.
    private var pending: [(step: Int, input: Batch)] = []
    /// The transform to flush next; nil while the source still gives rows.
    private var flushing: Int?

    /// Whether a slice may take much longer than it should.
    let isLong: Bool

    /// Rows that a source works on at once from which on it counts as long.
    private static let rowsOfLongSource = 1 << 20

    init(_ pipeline: Pipeline, _ progress: PipelineProgress, _ run: QueryRun) {
        self.pipeline = pipeline
        self.progress = progress
        self.run = run
        isLong = pipeline.source.rowsAtOnce > PipelineWorker.rowsOfLongSource
    }

    /// Works until the deadline, the end, or a full sink; always at least one step.
    func slice(until deadline: Int64) throws(SQLError) -> SliceEnd {
        if source == nil { try open() }
        guard let source, let sink else { return .done }
        repeat {
            try run.check()
            if let (step, input) = pending.popLast() {
                if try !drive(input, from: step, into: sink) { return .parked }
            } else if let step = flushing {
                guard step < transforms.count else {
                    try combine(sink)
                    return .done
                }
                if let batch = try transforms[step].flush() {
                    if try !drive(batch, from: step + 1, into: sink) { return .parked }
                } else {
                    flushing = step + 1
                }
            } else if progress.isSatisfied {
                flushing = 0
            } else if let batch = try pull(source) {
                if batch.rows > 0, try !drive(batch, from: 0, into: sink) { return .parked }
            } else {
                flushing = 0
            }
        } while Clock.now() < deadline
        return .again
    }

    private func open() throws(SQLError) {
        var made: [any Transform] = []
        for step in pipeline.steps { made.append(try step.stage.worker(run)) }
        transforms = made
        sink = try pipeline.sink.worker(run)
        source = try pipeline.source.worker(run)
    }

    private func pull(_ source: any BatchSource) throws(SQLError) -> Batch? {
        guard run.isProfiled else {
            let batch = try source.next()
            if let batch { pipeline.sourceProfile?.add(rows: batch.rows) }
            return batch
        }
        let start = Clock.now()
        let batch = try source.next()
        pipeline.sourceProfile?.add(nanoseconds: Clock.now() - start)
        if let batch { pipeline.sourceProfile?.add(rows: batch.rows) }
        return batch
    }

    /// Sends a batch through the transforms from `first` on. False when the sink is full.
    private func drive(_ batch: Batch, from first: Int, into sink: any Sink) throws(SQLError) -> Bool {
        var current = batch
        var step = first
        while step < transforms.count {
            let start = run.isProfiled ? Clock.now() : 0
            let output = try transforms[step].apply(current)
            if run.isProfiled { pipeline.steps[step].profile?.add(nanoseconds: Clock.now() - start) }
            switch output {
            case .none: return true
            case .one(let next): current = next
            case .more(let next):
                pending.append((step, current))
                current = next
            case .last(let next):
                progress.satisfy()
                pending.removeAll()
                guard let next else { return true }
                current = next
            }
            guard current.rows > 0 else { return true }
            pipeline.steps[step].profile?.add(rows: current.rows)
            step += 1
        }
        guard run.isProfiled else { return try sink.push(current) }
        let start = Clock.now()
        let hasRoom = try sink.push(current)
        pipeline.sinkProfile?.add(nanoseconds: Clock.now() - start)
        return hasRoom
    }

    private func combine(_ sink: any Sink) throws(SQLError) {
        let start = run.isProfiled ? Clock.now() : 0
        try sink.combine()
        if run.isProfiled { pipeline.sinkProfile?.add(nanoseconds: Clock.now() - start) }
        release()
    }

    /// Drops what the worker holds.
    func release() {
        source = nil
        transforms = []
        sink = nil
        pending = []
    }
}
