// One client's session: settings, transaction, prepared statements and portals. What a statement does is in the
// extensions by topic; queries take the way of QueryLife.
import Access
import Catalogs
public import Columns
public import Diagnostics
import Functions
import Planner
import Synchronization
import Syntax
import SystemCatalog

/// A session. One connection's task calls it; `cancel` may come from elsewhere.
public actor Session: SQLSession {
    let engine: Engine
    let user: String
    let database: String
    let processID: Int32
    var settings: SessionSettings
    /// nil between statements outside a block.
    var transaction: Transaction?
    var statements: [String: PreparedStatement] = [:]
    var portals: [String: Portal] = [:]
    var cursors: [String: OpenCursor] = [:]
    /// Cursors of the open transaction, and those there were at each of its savepoints.
    var newCursors: Set<String> = []
    var savepointCursors: [String: Set<String>] = [:]
    /// How much had been notified at each of its savepoints.
    var savepointMarks: [String: Int] = [:]
    var notices: [SQLNotice] = []
    /// Whether DROP ... CASCADE takes something along.
    var isCascading = false
    /// By name.
    var temporaries: [String: TemporaryTable] = [:]
    /// Rows that changes in the WITH of the present statement have returned, by name; nil: it has none.
    var givenTables: [String: any Table]?
    /// Databases that this session attached, by name.
    var attached: [String: any AttachedDatabase] = [:]
    /// Whether the last commit may have happened although it failed.
    var isCommitUnknown = false
    /// Temporary tables of the open transaction that end with it.
    var droppedOnCommit: Set<String> = []
    private var reportedBefore: [String: String] = [:]
    private let clock: @Sendable () -> Int64
    /// Over the statement that is being carried out.
    private let watch = Mutex<StatementWatch?>(nil)
    /// What garbage collection must know of this session.
    let hold = SessionHold()
    let sequences = SessionSequences()
    let channels: SessionChannels

    /// Prepared statements of one session.
    static let statementsMax = 10_000
    /// Open portals of one session.
    static let portalsMax = 10_000

    /// A statement by name.
    struct PreparedStatement: Sendable {
        var name: String
        var text: String
        /// nil for an empty text.
        var statement: Statement?
        var declaredTypes: [SQLType?]
        var parameterTypes: [SQLType]
        var columns: [ResultColumn]?
        /// The plan as bound when the statement was prepared, with the settings it was bound under.
        var bound: QueryLife.Bound?
        var generation: Int
    }

    /// A statement with its parameters.
    struct Portal: Sendable {
        var statement: PreparedStatement
        var parameters: [Scalar]
        /// The query behind it, once it runs.
        var running: (any RunningQuery)?
    }

    init(engine: Engine, user: String, database: String, settings: SessionSettings, processID: Int32) {
        self.engine = engine
        self.user = user
        self.database = database
        self.settings = settings
        self.processID = processID
        clock = { SystemClock.microseconds() }
        channels = SessionChannels(hub: engine.notifications, processID: processID)
        engine.activity.open(
            SessionActivity(
                processID: processID, user: user, database: database, application: settings["application_name"],
                state: "idle", query: "", startedAt: SystemClock.microseconds(), queryStartedAt: nil))
        engine.holds.add(hold)
    }

    deinit { engine.holds.remove(hold) }

    // MARK: - What planning needs

    /// The branch of this session.
    var branch: String { settings["branch"] }

    /// Facts for planning and running one statement.
    func planContext(isProfiled: Bool = false) -> PlanContext {
        let now = clock()
        let settings = self.settings
        var zone = (try? SessionTimeZone.setting(settings["timezone"])) ?? .utc
        zone.style = TimeStyle(dateStyle: settings["datestyle"], intervalStyle: settings["intervalstyle"])
        zone.style.escapesBytes = settings["bytea_output"] == "escape"
        if let digits = Int(settings["extra_float_digits"]), digits < 1 { zone.style.floatDigits = digits }
        var functions = SessionFacts.functions(
            now: now, start: transaction?.isExplicit == true ? transactionTime ?? now : now, zone: zone,
            user: currentUser,
            database: database, settings: settings)
        functions.sessionUser = sessionUser
        functions.system = SystemState()
        functions.processID = processID
        functions.sequences = sequences
        functions.notifications = channels
        let rules = settings["disabled_rules"].split { $0 == "," || $0 == " " }.map(String.init)
        var context = PlanContext(
            functions: functions, disabledRules: Set(rules), threadsMax: Int(settings["threads"]),
            memoryMaxBytes: Settings.bytes(settings["memory_limit"]), isProfiled: isProfiled)
        context.scanLimits = ScanLimits(
            bytesMax: Settings.bytes(settings["max_scan_bytes"]),
            filesMax: Int(settings["max_scan_files"]).flatMap { $0 > 0 ? $0 : nil })
        context.prices = RequestPrices(
            ofThousandReads: Double(settings["price_of_1000_reads"]) ?? 0,
            ofThousandLists: Double(settings["price_of_1000_lists"]) ?? 0,
            ofGigabyte: Double(settings["price_of_gigabyte"]) ?? 0)
        return context
    }

    /// The dbt node that sends the statement, by its comment.
    var model: String?
    /// When the open block began.
    var transactionTime: Int64?

    func life(isProfiled: Bool = false) -> QueryLife {
        let context = planContext(isProfiled: isProfiled)
        return QueryLife(
            engine: engine, resolver: resolver(context), context: context, isPart: givenTables != nil)
    }

    /// Looks names up as this session sees them.
    func resolver(_ context: PlanContext) -> Resolver {
        let access = accessGuard
        return Resolver(
            engine: engine, branch: branch, searchPath: settings.searchPath, context: context,
            temporaries: temporaries,
            facts: SystemSessionFacts(user: currentUser, settings: settings), attached: attached, access: access,
            given: givenTables ?? [:])
    }

    /// The open transaction, or a fresh one for a single statement.
    var currentTransaction: Transaction {
        transaction
            ?? Transaction(
                isExplicit: false, isReadOnly: settings["default_transaction_read_only"] == "on", settings: settings)
    }

    // MARK: - SQLSession: simple queries

    public func reportedParameters() -> [(name: String, value: String)] {
        let values = settings.reported
        for (name, value) in values { reportedBefore[name] = value }
        return values
    }

    public func query(_ sql: String) throws(SQLError) -> any StatementSequence {
        model = QueryComment.model(in: sql)
        let parsed = try Parser.parse(sql).map(BranchProcedures.recognized)
        // Several statements in one message are one transaction, unless they say otherwise.
        if parsed.count > 1, transaction == nil {
            transaction = currentTransaction
            transactionTime = clock()
        }
        return SimpleQuery(session: self, statements: parsed)
    }

    // MARK: - SQLSession: extended queries

    public func parse(_ name: String, sql: String, parameterTypes: [SQLType?]) async throws(SQLError) {
        guard name.isEmpty || statements[name] == nil else {
            throw SQLError(.duplicatePreparedStatement, "prepared statement \"\(name)\" already exists")
        }
        guard statements.count < Session.statementsMax else {
            throw SQLError(
                .programLimitExceeded, "a session holds at most \(Session.statementsMax) prepared statements")
        }
        beginStatement()
        try await engine.access.refresh()
        let parsed = try Parser.parse(sql).map(BranchProcedures.recognized)
        guard parsed.count <= 1 else {
            throw SQLError(.syntaxError, "cannot insert multiple commands into a prepared statement")
        }
        statements[name] = try await prepare(name, parsed.first?.statement, text: sql, parameterTypes)
    }

    func prepare(
        _ name: String, _ statement: Statement?, text: String, _ types: [SQLType?]
    ) async throws(SQLError) -> PreparedStatement {
        var prepared = PreparedStatement(
            name: name, text: text, statement: statement, declaredTypes: types, parameterTypes: [], columns: nil,
            bound: nil, generation: settings.generation)
        guard let statement else { return prepared }
        try refuseIfFailed(statement)
        if statement.changesInWith {
            let (types, columns) = try await describeParts(of: statement, types)
            prepared.parameterTypes = types
            prepared.columns = columns
            return prepared
        }
        switch statement {
        case .query(let query):
            let bound = try await bind(query, types, life())
            prepared.bound = bound
            prepared.parameterTypes = bound.query.parameterTypes
            prepared.columns = bound.columns
        case .declareCursor(let declare):
            prepared.parameterTypes = try await bind(declare.query, types, life()).query.parameterTypes
        case .call(let call, let isSelected):
            prepared.parameterTypes = Array(repeating: .text, count: BranchProcedures.parameters(of: call))
            prepared.columns = try BranchProcedures.columns(of: call, isSelected: isSelected)
        case .write(let write):
            let (types, columns) = try await describe(write, types)
            prepared.parameterTypes = types
            prepared.columns = columns
        case .explain(let explain):
            prepared.parameterTypes = types.map { $0 ?? .text }
            if case .query(let query) = explain.statement {
                prepared.parameterTypes = try await bind(query, types, life()).query.parameterTypes
            } else if case .write(let write) = explain.statement {
                prepared.parameterTypes = try await describe(write, types).parameters
            }
            prepared.columns = Session.explainColumns
        default:
            prepared.parameterTypes = types.map { $0 ?? .text }
            prepared.columns = try await columns(of: statement)
        }
        return prepared
    }

    public func statement(_ name: String) throws(SQLError) -> StatementDescription {
        guard let prepared = statements[name] else { throw Session.unknownStatement(name) }
        let context = planContext().functions
        return StatementDescription(
            parameters: prepared.parameterTypes, columns: prepared.columns,
            context: TextParseContext(now: context.transactionTime, timeZone: context.timeZone))
    }

    static func unknownStatement(_ name: String) -> SQLError {
        name.isEmpty
            ? SQLError(.invalidStatementName, "unnamed prepared statement does not exist")
            : SQLError(.invalidStatementName, "prepared statement \"\(name)\" does not exist")
    }

    public func bind(_ portal: String, statement: String, parameters: [Scalar]) throws(SQLError) {
        guard let prepared = statements[statement] else { throw Session.unknownStatement(statement) }
        guard portal.isEmpty || portals[portal] == nil else {
            throw SQLError(.duplicateCursor, "cursor \"\(portal)\" already exists")
        }
        guard portals.count < Session.portalsMax else {
            throw SQLError(.programLimitExceeded, "a session holds at most \(Session.portalsMax) portals")
        }
        portals[portal] = Portal(statement: prepared, parameters: parameters)
    }

    public func portal(_ name: String) throws(SQLError) -> [ResultColumn]? {
        // A cursor is a portal, too: drivers describe what DECLARE has made.
        if let cursor = cursors[name] { return cursor.columns }
        guard let portal = portals[name] else { throw Session.unknownPortal(name) }
        return portal.statement.columns
    }

    static func unknownPortal(_ name: String) -> SQLError {
        SQLError(.invalidCursorName, "portal \"\(name)\" does not exist")
    }

    public func execute(_ name: String) async throws(SQLError) -> any ResultStream {
        guard let portal = portals[name] else { throw Session.unknownPortal(name) }
        beginStatement()
        try await engine.access.refresh()
        model = QueryComment.model(in: portal.statement.text)
        // Changes up to the next Sync are one transaction, as in PostgreSQL.
        if transaction == nil, portal.statement.statement?.isChange == true {
            transaction = currentTransaction
            transactionTime = clock()
        }
        let stream = try await execute(portal.statement, portal.parameters)
        portals[name]?.running = (stream as? any QueryBacked)?.running
        return stream
    }

    public func resume(_ name: String) {
        let watch = beginStatement()
        if let running = portals[name]?.running { watch.follow(running) }
    }

    func execute(
        _ prepared: PreparedStatement, _ parameters: [Scalar]
    ) async throws(SQLError) -> any ResultStream {
        guard let statement = prepared.statement else { return FixedStream(StatementOutcome(.empty)) }
        engine.activity.begin(processID, statement.shown(prepared.text), at: SystemClock.microseconds())
        engine.counters.statements.add(1, ordering: .relaxed)
        do throws(SQLError) {
            try refuseIfFailed(statement)
            if statement.changesInWith {
                return try await changeInWith(statement, prepared.text, parameters, types: prepared.parameterTypes)
            }
            switch statement {
            case .declareCursor(let declare):
                return try await declareCursor(declare, prepared.parameterTypes, parameters)
            case .explain(let explain): return try await self.explain(explain, prepared.parameterTypes, parameters)
            case .write(let write):
                return try await self.write(write, prepared.text, parameters, types: prepared.parameterTypes)
            case .call(let call, let isSelected):
                return try await self.call(call, parameters, isSelected: isSelected)
            default: break
            }
            guard case .query(let query) = statement else {
                return try await run(statement, text: prepared.text, position: 0)
            }
            let life = life()
            var bound = prepared.bound
            // The plan bound at Parse holds as long as neither settings nor the branches it read have moved.
            if let known = bound, prepared.generation == settings.generation, transaction?.accessView == nil,
                known.accessVersion == engine.access.current.version, try await isCurrent(known)
            {
                remember(known)
            } else {
                // As at Parse: types that it inferred are narrower than their OIDs tell.
                bound = try await bind(query, prepared.declaredTypes, life)
                if bound?.query.parameterTypes != prepared.parameterTypes {
                    bound = try await bind(query, prepared.parameterTypes, life)
                }
                guard bound?.columns == prepared.columns else {
                    throw SQLError(.featureNotSupported, "cached plan must not change result type")
                }
            }
            guard let bound else { throw SQLError(.internalError, "a query without a plan") }
            return try await start(bound, parameters, life)
        } catch let error {
            engine.counters.errors.add(1, ordering: .relaxed)
            throw error
        }
    }

    /// Whether the refs that a plan was bound at still stand for the same commits.
    private func isCurrent(_ bound: QueryLife.Bound) async throws(SQLError) -> Bool {
        // External tables are files that others write: only a plan without tables never ages.
        guard bound.pinned.isEmpty else { return false }
        return true
    }

    public func closeStatement(_ name: String) { statements[name] = nil }
    public func closePortal(_ name: String) { portals[name] = nil }

    // MARK: - SQLSession: cycles

    public func fail(_ error: SQLError) {
        transaction?.isFailed = true
        if transaction == nil { channels.forget() }
    }

    public func finishCycle() async -> CycleReport {
        endStatement()
        engine.copies.end(processID)
        var problem: SQLError?
        if let open = transaction, !open.isExplicit {
            do {
                if open.isFailed { await rollback() } else { try await commit() }
            } catch let error {
                problem = error
            }
        }
        if transaction == nil, sequences.isTouched {
            transaction = currentTransaction
            do { try await commit() } catch let error { problem = problem ?? error }
        }
        let status: TransactionStatus =
            switch transaction {
            case nil: .idle
            case .some(let open): open.isFailed ? .failed : .active
            }
        if status == .idle {
            // pg_notify() outside of any transaction that changes something.
            do { try channels.check() } catch let error {
                channels.forget()
                problem = problem ?? error
            }
            channels.settle()
            portals = [:]
            AdvisoryLocks.shared.releaseAll(owner: processID, ofTransaction: true)
        }
        engine.activity.end(
            processID,
            state: status == .idle
                ? "idle"
                : status == .active
                    ? "idle in transaction"
                    : "idle in transaction (aborted)", application: settings["application_name"])
        noteHold(isIdle: status == .idle && cursors.isEmpty)
        return CycleReport(
            status: status, error: problem, notices: takeNotices(), parameterChanges: parameterChanges())
    }

    public nonisolated func cancel() {
        watch.withLock { $0 }?.stop(SQLError(.queryCanceled, "canceling statement due to user request"))
    }

    public func close() async {
        cancel()
        channels.forget()
        channels.unlistenAll()
        engine.copies.end(processID)
        engine.activity.close(processID)
        await rollback()
        await dropTemporaries()
        await closeAllCursors()
        statements = [:]
        portals = [:]
        hold.end(holding: [])
        AdvisoryLocks.shared.releaseAll(owner: processID, ofTransaction: true)
        AdvisoryLocks.shared.releaseAll(owner: processID, ofTransaction: false)
    }

    /// Tells garbage collection what this session stands on between statements.
    private func noteHold(isIdle: Bool) {
        var held: [ManagedDefinition] = []
        for table in temporaries.values {
            if case .managed(let definition) = table.entry { held.append(definition) }
        }
        if isIdle {
            hold.end(holding: held)
        } else {
            hold.rest(on: transaction.map { Array($0.pinned.values) } ?? [], holding: held)
        }
    }

    // MARK: - Running

    /// Watches over a statement from now on.
    @discardableResult
    func beginStatement() -> StatementWatch {
        let next = StatementWatch(timeoutMilliseconds: Int(settings["statement_timeout"]) ?? 0)
        let last = watch.withLock { watch in
            defer { watch = next }
            return watch
        }
        last?.end()
        hold.begin(at: clock())
        return next
    }

    private func endStatement() {
        let last = watch.withLock { watch in
            defer { watch = nil }
            return watch
        }
        last?.end()
    }

    /// The watch over the current statement.
    var currentWatch: StatementWatch { watch.withLock { $0 } ?? beginStatement() }

    /// Resolves and binds, under the statement's watch.
    func bind(_ query: Query, _ types: [SQLType?], _ life: QueryLife) async throws(SQLError) -> QueryLife.Bound {
        let transaction = currentTransaction
        return try await currentWatch.perform { () async throws(SQLError) -> QueryLife.Bound in
            try await life.bind(query, parameterTypes: types, in: transaction)
        }
    }

    /// Starts a plan, under the statement's watch.
    func begin(_ plan: LogicalPlan, _ life: QueryLife) async throws(SQLError) -> any RunningQuery {
        let watch = currentWatch
        let query = try await watch.perform { () async throws(SQLError) -> any RunningQuery in
            try await life.start(plan)
        } discard: { query, cause in
            query.cancel(cause)
        }
        watch.follow(query)
        return query
    }

    /// Optimizes and starts a bound query, under the statement's watch.
    func start(
        _ bound: QueryLife.Bound, _ parameters: [Scalar], _ life: QueryLife, copy: CopyOptions? = nil,
        progress: CopyProgress? = nil
    ) async throws(SQLError) -> QueryStream {
        remember(bound)
        let watch = currentWatch
        let query = try await watch.perform { () async throws(SQLError) -> any RunningQuery in
            try await life.start(try life.optimize(bound, parameters: parameters))
        } discard: { query, cause in
            query.cancel(cause)
        }
        watch.follow(query)
        let counters = engine.counters
        let catalog = life.context.functions.system as? SystemState
        return QueryStream(
            columns: bound.columns, copyOut: copy, timeZone: life.context.functions.timeZone,
            names: life.context.functions.system, running: query,
            session: self, catalog: catalog, copyProgress: progress
        ) { error in
            if error != nil { counters.errors.add(1, ordering: .relaxed) }
        }
    }

    /// Does what set_config() asked for.
    func apply(_ changes: [(name: String, value: String?, isLocal: Bool)]) throws(SQLError) {
        for change in changes {
            guard let value = change.value else {
                if change.name.lowercased() == "role" { try setUser("role", nil, isLocal: false) }
                try settings.reset(change.name)
                continue
            }
            // Outside a block a local setting ends with its statement.
            guard !change.isLocal || transaction?.isExplicit == true else { continue }
            if change.name.lowercased() == "role" {
                try setUser("role", value, isLocal: change.isLocal)
                continue
            }
            try settings.set(change.name, value, isLocal: change.isLocal)
        }
    }

    /// Keeps the commits that a statement saw for the rest of the transaction.
    func remember(_ bound: QueryLife.Bound) {
        transaction?.pinned.merge(bound.pinned) { first, _ in first }
    }

    /// In a failed block only the end of it is taken.
    func refuseIfFailed(_ statement: Statement) throws(SQLError) {
        guard transaction?.isFailed == true else { return }
        switch statement {
        case .transaction(.commit), .transaction(.rollback), .transaction(.rollbackTo), .transaction(.chain): return
        default:
            throw SQLError(
                .inFailedTransaction,
                "current transaction is aborted, commands ignored until end of transaction block")
        }
    }

    func takeNotices() -> [SQLNotice] {
        defer { notices = [] }
        return notices
    }

    /// Reported settings whose values the client does not know yet.
    func parameterChanges() -> [(name: String, value: String)] {
        var changes: [(name: String, value: String)] = []
        for (name, value) in settings.reported where reportedBefore[name] != value {
            reportedBefore[name] = value
            changes.append((name, value))
        }
        return changes
    }

    /// How a statement without rows ends.
    func done(_ tag: String) -> any ResultStream {
        FixedStream(
            StatementOutcome(.done(tag), notices: takeNotices(), parameterChanges: parameterChanges()))
    }
}

/// The statements of one Query message.
private actor SimpleQuery: StatementSequence {
    private let session: Session
    private let statements: [ParsedStatement]
    private var index = 0

    init(session: Session, statements: [ParsedStatement]) {
        self.session = session
        self.statements = statements
    }

    func next() async throws(SQLError) -> (any ResultStream)? {
        if statements.isEmpty {
            defer { index = 1 }
            return index == 0 ? FixedStream(StatementOutcome(.empty)) : nil
        }
        guard index < statements.count else { return nil }
        let statement = statements[index]
        index += 1
        return try await session.runSimple(statement)
    }
}
