// Results on their way to the Server: of running queries, and of statements that have their rows at hand.
import Columns
import Diagnostics
import Planner
import Synchronization

/// Rows of a running query.
final class QueryStream: ResultStream {
    let columns: [ResultColumn]?
    let timeZone: SessionTimeZone
    private let running: any RunningQuery
    private let timeout: Task<Void, Never>?
    private let ended: @Sendable (SQLError?) -> Void

    /// `ended` is called once the rows have ended, with the error if there was one.
    init(
        columns: [ResultColumn], timeZone: SessionTimeZone, running: any RunningQuery, timeoutMilliseconds: Int,
        ended: @escaping @Sendable (SQLError?) -> Void
    ) {
        self.columns = columns
        self.timeZone = timeZone
        self.running = running
        self.ended = ended
        timeout =
            timeoutMilliseconds == 0
            ? nil
            : Task {
                try? await Task.sleep(for: .milliseconds(timeoutMilliseconds))
                guard !Task.isCancelled else { return }
                running.cancel(SQLError(.queryCanceled, "canceling statement due to statement timeout"))
            }
    }

    func next() async throws(SQLError) -> Batch? {
        do {
            return try await running.next()
        } catch let error {
            timeout?.cancel()
            ended(error)
            throw error
        }
    }

    func finish() async throws(SQLError) -> StatementOutcome {
        timeout?.cancel()
        ended(nil)
        return StatementOutcome(.rows("SELECT"))
    }

    func cancel() {
        timeout?.cancel()
        running.cancel(SQLError(.queryCanceled, "canceling statement due to user request"))
        ended(nil)
    }
}

/// Rows that are there already, or none.
final class FixedStream: ResultStream {
    let columns: [ResultColumn]?
    let timeZone: SessionTimeZone
    private let batches: Mutex<[Batch]>
    private let outcome: StatementOutcome

    init(_ outcome: StatementOutcome, timeZone: SessionTimeZone = .utc) {
        columns = nil
        self.timeZone = timeZone
        batches = Mutex([])
        self.outcome = outcome
    }

    /// Takes rows of scalars, whose types are those of the columns.
    init(_ columns: [ResultColumn], _ rows: [[Scalar]], tag: CommandTag, timeZone: SessionTimeZone = .utc) {
        self.columns = columns
        self.timeZone = timeZone
        outcome = StatementOutcome(tag)
        var made: [Batch] = []
        var start = 0
        while start < rows.count {
            let part = rows[start..<min(rows.count, start + Batch.rowsMax)]
            let builders = columns.map { ColumnBuilder($0.type, capacity: part.count) }
            for row in part {
                for (builder, value) in zip(builders, row) { builder.append(value) }
            }
            made.append(Batch(builders.map { $0.finish() }, rows: part.count))
            start += Batch.rowsMax
        }
        batches = Mutex(made.reversed())
    }

    func next() async throws(SQLError) -> Batch? { batches.withLock { $0.popLast() } }
    func finish() async throws(SQLError) -> StatementOutcome { outcome }
    func cancel() {}
}
