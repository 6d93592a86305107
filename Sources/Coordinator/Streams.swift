// Results on their way to the Server: of running queries, and of statements that have their rows at hand.
import Columns
import Diagnostics
import Planner
import Synchronization
import SystemCatalog

/// A stream whose rows a query makes.
protocol QueryBacked {
    var running: any RunningQuery { get }
}

/// Rows of a running query.
final class QueryStream: ResultStream, QueryBacked {
    let columns: [ResultColumn]?
    let timeZone: SessionTimeZone
    let names: (any SystemNames)?
    let running: any RunningQuery
    let copyOut: CopyOptions?
    private let ended: @Sendable (SQLError?) -> Void
    /// Whose settings set_config() changes once the rows are out.
    private let session: Session?
    private let catalog: SystemState?
    let copyProgress: CopyProgress?

    /// `ended` is called once the rows have ended, with the error if there was one.
    init(
        columns: [ResultColumn], copyOut: CopyOptions? = nil, timeZone: SessionTimeZone,
        names: (any SystemNames)? = nil, running: any RunningQuery,
        session: Session? = nil, catalog: SystemState? = nil, copyProgress: CopyProgress? = nil,
        ended: @escaping @Sendable (SQLError?) -> Void
    ) {
        self.columns = columns
        self.copyOut = copyOut
        self.timeZone = timeZone
        self.names = names
        self.running = running
        self.session = session
        self.catalog = catalog
        self.copyProgress = copyProgress
        self.ended = ended
    }

    func next() async throws(SQLError) -> Batch? {
        do {
            return try await running.next()
        } catch let error {
            ended(error)
            throw error
        }
    }

    func finish() async throws(SQLError) -> StatementOutcome {
        ended(nil)
        if let settings = catalog?.takeSettings(), !settings.isEmpty { try await session?.apply(settings) }
        return StatementOutcome(.rows(copyOut == nil ? "SELECT" : "COPY"))
    }

    var progress: Double? { running.progress }

    func cancel() {
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
    init(
        _ columns: [ResultColumn], _ rows: [[Scalar]], tag: CommandTag, notices: [SQLNotice] = [],
        timeZone: SessionTimeZone = .utc
    ) {
        self.columns = columns
        self.timeZone = timeZone
        outcome = StatementOutcome(tag, notices: notices)
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

    /// Takes rows that a statement has returned.
    init(_ columns: [ResultColumn], _ rows: [Batch], tag: CommandTag, timeZone: SessionTimeZone) {
        self.columns = columns
        self.timeZone = timeZone
        outcome = StatementOutcome(tag)
        batches = Mutex(rows.reversed())
    }

    func next() async throws(SQLError) -> Batch? { batches.withLock { $0.popLast() } }
    func finish() async throws(SQLError) -> StatementOutcome { outcome }
    func cancel() {}
}
