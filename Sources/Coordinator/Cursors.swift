// SQL cursors: DECLARE, FETCH, MOVE, CLOSE; also over portals of the protocol, which are cursors of the same names.
public import Columns
public import Diagnostics
import Functions
import Planner
import Syntax

/// FETCH or MOVE over a portal of the protocol. The Server has its rows, and carries it out: forward only.
public final class PortalFetch: ResultStream {
    public let portal: String
    /// nil for all.
    public let rowsMax: Int?
    public let isMove: Bool
    public let columns: [ResultColumn]?
    public let timeZone: SessionTimeZone

    init(portal: String, rowsMax: Int?, isMove: Bool, columns: [ResultColumn]?, timeZone: SessionTimeZone) {
        self.portal = portal
        self.rowsMax = rowsMax
        self.isMove = isMove
        self.columns = columns
        self.timeZone = timeZone
    }

    public func next() async throws(SQLError) -> Batch? { nil }
    public func finish() async throws(SQLError) -> StatementOutcome {
        StatementOutcome(.rows(isMove ? "MOVE" : "FETCH"))
    }
    public func cancel() {}
}

/// The rows of one FETCH.
private actor FetchStream: ResultStream, QueryBacked {
    nonisolated let columns: [ResultColumn]?
    nonisolated let timeZone: SessionTimeZone
    nonisolated let names: (any SystemNames)?
    nonisolated let isBinary: Bool
    nonisolated let running: any RunningQuery
    private let cursor: OpenCursor
    /// Rows still to come from the cursor.
    private var left: Int
    /// Rows that are there already, the first one last.
    private var found: [Batch]

    init(_ cursor: OpenCursor, rowsMax: Int, found: [Batch] = []) {
        self.cursor = cursor
        running = cursor.running
        columns = cursor.columns
        timeZone = cursor.timeZone
        names = cursor.names
        isBinary = cursor.isBinary
        left = rowsMax
        self.found = found.reversed()
    }

    func next() async throws(SQLError) -> Batch? {
        if let batch = found.popLast() { return batch }
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
        guard cursors[name] == nil, portals[name] == nil else {
            throw SQLError(
                .duplicateCursor, "cursor \"\(name)\" already exists", position: declare.name.position)
        }
        guard cursors.count < Session.portalsMax else {
            throw SQLError(.programLimitExceeded, "a session holds at most \(Session.portalsMax) cursors")
        }
        let life = life()
        let bound = try await bind(declare.query, types, life)
        let scrolling: OpenCursor.Scrolling =
            switch declare.isScrollable {
            case true?: .wanted
            case false?: .refused
            case nil: .unspecified
            }
        cursors[name] = OpenCursor(
            try await start(bound, parameters, life), isHeld: declare.isHeld, isBinary: declare.isBinary,
            scrolling: scrolling)
        newCursors.insert(name)
        return done("DECLARE CURSOR")
    }

    func fetch(_ fetch: Statement.Fetch) async throws(SQLError) -> any ResultStream {
        let name = fetch.cursor.value
        guard let cursor = cursors[name] else { return try fetchPortal(fetch) }
        // The query began under another statement's watch.
        currentWatch.follow(cursor.running)
        var found: [Batch] = []
        switch fetch.direction {
        case .forward(let count) where (count ?? 1) > 0:
            let rows = count ?? Int.max
            guard fetch.isMove else { return FetchStream(cursor, rowsMax: rows) }
            var moved = 0
            while moved < rows, let batch = try await cursor.next(rows - moved) { moved += batch.rows }
            return done("MOVE \(moved)")
        case .backward(let count) where (count ?? 1) < 0:
            return try await self.fetch(
                Statement.Fetch(
                    direction: .forward(-(count ?? 1)), cursor: fetch.cursor, isMove: fetch.isMove))
        case .backward(let count) where count == nil || count != 0: found = try await cursor.previous(count)
        case .forward(let count?) where count < 0: found = try await cursor.previous(-count)
        case .forward, .backward: found = try await cursor.relative(0).map { [$0] } ?? []
        case .absolute(let number): found = try await cursor.absolute(number).map { [$0] } ?? []
        case .relative(let offset): found = try await cursor.relative(offset).map { [$0] } ?? []
        }
        if fetch.isMove { return done("MOVE \(found.reduce(0) { $0 + $1.rows })") }
        return FetchStream(cursor, rowsMax: 0, found: found)
    }

    /// FETCH over what Bind has made.
    private func fetchPortal(_ fetch: Statement.Fetch) throws(SQLError) -> any ResultStream {
        let name = fetch.cursor.value
        guard let portal = portals[name] else {
            throw SQLError(.invalidCursorName, "cursor \"\(name)\" does not exist", position: fetch.cursor.position)
        }
        guard case .query? = portal.statement.statement else {
            throw SQLError(SQLState("55000"), "portal \"\(name)\" cannot be run")
        }
        let rows: Int?
        switch fetch.direction {
        case .forward(nil): rows = nil
        case .forward(let count?) where count >= 1: rows = count
        case .relative(1): rows = 1
        default: throw OpenCursor.forwardOnly
        }
        return PortalFetch(
            portal: name, rowsMax: rows, isMove: fetch.isMove, columns: portal.statement.columns,
            timeZone: planContext().functions.timeZone)
    }

    /// LOCK TABLE: a transaction sees one commit whatever others do, and commits that get in its way are found at its
    /// end; so there is nothing to lock, but the tables have to be there.
    func lockTables(_ names: [QualifiedName]) async throws(SQLError) -> any ResultStream {
        guard transaction?.isExplicit == true else {
            throw SQLError(.noActiveTransaction, "LOCK TABLE can only be used in transaction blocks")
        }
        for name in names {
            let star = Expression(.star(Expression.Star()), position: name.position)
            let table = TableExpression(.table(name, version: nil, alias: nil), position: name.position)
            let query = Query(
                body: .select(Select(items: [SelectItem(value: star)], from: [table], position: name.position)),
                position: name.position)
            remember(try await bind(query, [], life()))
        }
        return done("LOCK TABLE")
    }

    /// CLOSE of one cursor, or of all.
    func closeCursor(_ name: Identifier?) async throws(SQLError) -> any ResultStream {
        guard let name else {
            await closeAllCursors()
            return done("CLOSE CURSOR ALL")
        }
        if portals.removeValue(forKey: name.value) != nil { return done("CLOSE CURSOR") }
        guard let cursor = cursors.removeValue(forKey: name.value) else {
            throw SQLError(.invalidCursorName, "cursor \"\(name.value)\" does not exist", position: name.position)
        }
        await cursor.close()
        return done("CLOSE CURSOR")
    }

    func closeAllCursors() async {
        for cursor in cursors.values { await cursor.close() }
        cursors = [:]
        newCursors = []
    }

    /// At the end of a transaction its cursors are closed; those WITH HOLD stay when it is committed.
    func closeTransactionCursors(isCommitted: Bool) {
        for (name, cursor) in cursors where !cursor.isHeld || !isCommitted && newCursors.contains(name) {
            cursors[name] = nil
            Task { await cursor.close() }
        }
        newCursors = []
        savepointCursors = [:]
    }

    /// Cursors that were made after a savepoint go with what came after it.
    func closeCursors(since savepoint: String) async {
        guard let before = savepointCursors[savepoint] else { return }
        for name in newCursors.subtracting(before) { await cursors.removeValue(forKey: name)?.close() }
        newCursors.formIntersection(before)
    }
}
