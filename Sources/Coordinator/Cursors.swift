// SQL cursors: DECLARE, FETCH, MOVE, CLOSE. A cursor is a query parked between fetches; it moves forward only.
import Columns
import Diagnostics
import Planner
import Syntax

/// An open cursor.
actor OpenCursor {
    nonisolated let columns: [ResultColumn]
    nonisolated let timeZone: SessionTimeZone
    nonisolated let isHeld: Bool
    private let stream: QueryStream
    nonisolated let running: any RunningQuery
    private var rest: Batch?
    private var isAtEnd = false

    init(_ stream: QueryStream, isHeld: Bool) {
        self.stream = stream
        running = stream.running
        self.isHeld = isHeld
        columns = stream.columns ?? []
        timeZone = stream.timeZone
    }

    /// Returns the next rows, at most `rowsMax`; nil at the end.
    func next(_ rowsMax: Int) async throws(SQLError) -> Batch? {
        guard !isAtEnd, rowsMax > 0 else { return nil }
        var batch = rest
        rest = nil
        if batch == nil { batch = try await stream.next() }
        guard let batch else {
            isAtEnd = true
            _ = try await stream.finish()
            return nil
        }
        guard batch.rows > rowsMax else { return batch }
        rest = Batch(
            batch.columns.map { Gather.slice($0, from: rowsMax, count: batch.rows - rowsMax) },
            rows: batch.rows - rowsMax)
        return Batch(batch.columns.map { Gather.slice($0, from: 0, count: rowsMax) }, rows: rowsMax)
    }

    func close() {
        if !isAtEnd { stream.cancel() }
        isAtEnd = true
        rest = nil
    }
}

/// The rows of one FETCH.
private actor FetchStream: ResultStream, QueryBacked {
    nonisolated let columns: [ResultColumn]?
    nonisolated let timeZone: SessionTimeZone
    nonisolated let running: any RunningQuery
    private let cursor: OpenCursor
    private var left: Int

    init(_ cursor: OpenCursor, rowsMax: Int) {
        self.cursor = cursor
        running = cursor.running
        columns = cursor.columns
        timeZone = cursor.timeZone
        left = rowsMax
    }

    func next() async throws(SQLError) -> Batch? {
        guard let batch = try await cursor.next(left) else { return nil }
        left -= batch.rows
        return batch
    }

    func finish() -> StatementOutcome { StatementOutcome(.rows("FETCH")) }

    nonisolated func cancel() { Task { await cursor.close() } }
}

extension Session {
    func declareCursor(
        _ declare: Statement.DeclareCursor, _ types: [SQLType?] = [], _ parameters: [Scalar] = []
    ) async throws(SQLError) -> any ResultStream {
        let name = declare.name.value
        guard declare.isHeld || transaction?.isExplicit == true else {
            throw SQLError(
                .noActiveTransaction, "DECLARE CURSOR can only be used in transaction blocks",
                position: declare.name.position)
        }
        guard declare.isScrollable != true else {
            throw SQLError(
                .featureNotSupported, "SCROLL cursors are not supported", position: declare.name.position)
        }
        guard cursors[name] == nil else {
            throw SQLError(
                .duplicateCursor, "cursor \"\(name)\" already exists", position: declare.name.position)
        }
        guard cursors.count < Session.portalsMax else {
            throw SQLError(.programLimitExceeded, "a session holds at most \(Session.portalsMax) cursors")
        }
        let life = life()
        let bound = try await bind(declare.query, types, life)
        cursors[name] = OpenCursor(try await start(bound, parameters, life), isHeld: declare.isHeld)
        return done("DECLARE CURSOR")
    }

    func fetch(_ fetch: Statement.Fetch) async throws(SQLError) -> any ResultStream {
        guard let cursor = cursors[fetch.cursor.value] else {
            throw SQLError(
                .invalidCursorName, "cursor \"\(fetch.cursor.value)\" does not exist", position: fetch.cursor.position)
        }
        let rows: Int
        switch fetch.direction {
        case .forward(nil): rows = Int.max
        case .forward(let count?) where count >= 0: rows = count
        case .relative(let count) where count == 1: rows = 1
        default:
            throw SQLError(
                SQLState("55000"), "cursor can only scan forward",
                hint: "Declare it with SCROLL option to enable backward scan.")
        }
        // The query began under another statement's watch.
        currentWatch.follow(cursor.running)
        guard fetch.isMove else { return FetchStream(cursor, rowsMax: rows) }
        var moved = 0
        while moved < rows, let batch = try await cursor.next(rows - moved) { moved += batch.rows }
        return done("MOVE \(moved)")
    }

    /// CLOSE of one cursor, or of all.
    func closeCursor(_ name: Identifier?) async throws(SQLError) -> any ResultStream {
        guard let name else {
            for cursor in cursors.values { await cursor.close() }
            cursors = [:]
            return done("CLOSE CURSOR ALL")
        }
        guard let cursor = cursors.removeValue(forKey: name.value) else {
            throw SQLError(.invalidCursorName, "cursor \"\(name.value)\" does not exist", position: name.position)
        }
        await cursor.close()
        return done("CLOSE CURSOR")
    }

    /// At the end of a transaction its cursors are closed, those WITH HOLD excepted.
    func closeTransactionCursors() {
        for (name, cursor) in cursors where !cursor.isHeld {
            cursors[name] = nil
            Task { await cursor.close() }
        }
    }
}
