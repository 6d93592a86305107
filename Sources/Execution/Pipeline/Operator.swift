// Source, transform, sink: what pipelines are made of. A stage is shared by all workers of a query; it makes one worker
// object per thread, and that object owns its state: no casts, no locks in the row path.
import Columns
import Diagnostics

/// Where a pipeline's rows come from. Shared by the workers.
protocol SourceStage: Sendable {
    /// Makes one worker's end. Workers of one stage share its rows between them.
    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource
    /// Rows that one call for the next batch may work on: it cannot be interrupted by other queries.
    var rowsAtOnce: Int { get }
    /// Whether the rows are so few that one worker reads them soonest, and in their order.
    var isSmall: Bool { get }
}

extension SourceStage {
    var rowsAtOnce: Int { 0 }
    var isSmall: Bool { false }
}

/// A step that rows pass on their way.
protocol TransformStage: Sendable {
    /// Called once for each pipeline that the stage is a step of, before any of them starts: so many workers of the
    /// pipeline will be made and flushed, some of them only after others have ended.
    func expect(workers: Int)
    func worker(_ run: QueryRun) throws(SQLError) -> any Transform
}

extension TransformStage {
    func expect(workers: Int) {}
}

/// Where a pipeline's rows end.
protocol SinkStage: AnyObject, Sendable {
    func worker(_ run: QueryRun) throws(SQLError) -> any Sink
    /// Called once, after every worker of every pipeline that feeds this sink has combined. Pipelines that depend on
    /// this one start afterwards.
    func finish(_ run: QueryRun) throws(SQLError)
    /// Rows that ``finish(_:)`` works on: it cannot be interrupted by other queries.
    var rowsToFinish: Int { get }
}

extension SinkStage {
    var rowsToFinish: Int { 0 }
}

/// What a transform gives for a batch.
enum Output {
    case none
    case one(Batch)
    /// A batch, and the same input must be applied again for more (joins that expand).
    case more(Batch)
    /// A batch (or none), and no worker of this pipeline needs further input (a limit that is reached).
    case last(Batch?)
}

/// One worker's end of a transform. One owner thread at a time.
protocol Transform: AnyObject {
    func apply(_ input: Batch) throws(SQLError) -> Output
    /// Gives what is still held back when this worker's input ends; called until it gives nil.
    func flush() throws(SQLError) -> Batch?
}

extension Transform {
    func flush() throws(SQLError) -> Batch? { nil }
}

/// One worker's end of a sink. One owner thread at a time.
protocol Sink: AnyObject {
    /// Takes a batch. `false` asks the worker to park: the sink is full (a slow client) and has taken the batch.
    func push(_ batch: Batch) throws(SQLError) -> Bool
    /// Hands this worker's state over to the stage: its last call.
    func combine() throws(SQLError)
}

/// A transform and the plan node that it counts for.
struct Step: Sendable {
    let stage: any TransformStage
    let profile: OperatorProfile?

    init(_ stage: any TransformStage, _ profile: OperatorProfile? = nil) {
        self.stage = stage
        self.profile = profile
    }
}

/// Rows that flow from one source through transforms into one sink. Several pipelines may feed one sink, or share steps.
struct Pipeline: Sendable {
    let source: any SourceStage
    let steps: [Step]
    let sink: any SinkStage
    /// Indexes of pipelines whose sinks must have finished before this one starts.
    let dependencies: [Int]
    /// Whether only one worker may run it (order matters).
    let isSerial: Bool
    /// Plan nodes that the source's rows and time, and the sink's time, count for.
    let sourceProfile: OperatorProfile?
    let sinkProfile: OperatorProfile?

    init(
        source: any SourceStage, steps: [Step] = [], sink: any SinkStage, dependencies: [Int] = [],
        isSerial: Bool = false, sourceProfile: OperatorProfile? = nil, sinkProfile: OperatorProfile? = nil
    ) {
        self.source = source
        self.steps = steps
        self.sink = sink
        self.dependencies = dependencies
        self.isSerial = isSerial
        self.sourceProfile = sourceProfile
        self.sinkProfile = sinkProfile
    }

    /// Tells the steps how many workers will pass them.
    func expect(workers: Int) {
        for step in steps { step.stage.expect(workers: workers) }
    }
}
