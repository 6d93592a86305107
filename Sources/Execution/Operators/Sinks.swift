// Where a query's rows end: the queue to its client.
import Columns
import Diagnostics

/// Gives rows to the client.
final class ResultStage: SinkStage {
    private let queue: ResultQueue
    init(_ queue: ResultQueue) { self.queue = queue }

    func worker(_ run: QueryRun) throws(SQLError) -> any Sink { ResultSink(queue) }
    func finish(_ run: QueryRun) throws(SQLError) {}
}

private final class ResultSink: Sink {
    private let queue: ResultQueue
    init(_ queue: ResultQueue) { self.queue = queue }

    func push(_ batch: Batch) throws(SQLError) -> Bool { queue.push(batch) }
    func combine() throws(SQLError) {}
}
