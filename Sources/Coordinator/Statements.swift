// What each kind of statement does: queries go their way, the others are done here and in DataDefinition and Branching.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Synchronization
import Syntax

extension Statement {
    /// A statement's text as others may see it.
    func shown(_ text: String) -> String { holdsSecrets ? SecretText.redacted(text) : text }
}

extension Session {
    /// Runs a statement of a simple query.
    func runSimple(_ parsed: ParsedStatement) async throws(SQLError) -> any ResultStream {
        engine.counters.statements.add(1, ordering: .relaxed)
        engine.activity.begin(processID, parsed.statement.shown(parsed.text), at: SystemClock.microseconds())
        beginStatement()
        do throws(SQLError) {
            try await engine.access.refresh()
            return try await run(parsed.statement, text: parsed.text, position: parsed.offset)
        } catch let error {
            engine.counters.errors.add(1, ordering: .relaxed)
            throw error
        }
    }

    /// Runs a statement. `position` is where its text begins.
    func run(_ statement: Statement, text: String, position: Int) async throws(SQLError) -> any ResultStream {
        try refuseIfFailed(statement)
        if statement.changesInWith { return try await changeInWith(statement, text, [], types: []) }
        switch statement {
        case .query(let query):
            let life = life()
            return try await start(try await bind(query, [], life), [], life)
        case .explain(let explain): return try await self.explain(explain)
        case .write(let write): return try await self.write(write, text, [], types: [])
        case .truncate, .refresh, .createTable, .alterTable, .comment, .createSchema, .createView, .createExternalTable,
            .drop, .object:
            return try await define(statement, text)
        case .copy(let copy): return try await self.copy(copy, text)
        case .call(let call, let isSelected): return try await self.call(call, [], isSelected: isSelected)
        case .createRef(let create): return try await createRef(create)
        case .dropRef(let kind, let name, let ifExists): return try await dropRef(kind, name, ifExists)
        case .branch(let statement): return try await branchStatement(statement, text)
        case .attach(let attach): return try await self.attach(attach)
        case .detach(let name, let ifExists): return try detach(name, ifExists: ifExists)
        case .upkeep(let statement): return try await upkeep(statement, text)
        case .access(let statement): return try await changeAccess(statement)
        case .useBranch(let name):
            try await setBranch(name.value, isLocal: false)
            return done("SET")
        case .show(let show): return try await self.show(show)
        case .set(let set):
            try await self.set(set)
            return done("SET")
        case .reset(let name):
            if let name, Session.isUser(name.value) {
                try setUser(name.value, nil, isLocal: false)
            } else if let name {
                try settings.reset(name.value)
            } else {
                settings.resetAll()
            }
            return done("RESET")
        case .discard(let what): return try await discard(what)
        case .transaction(let command): return try await transactionCommand(command)
        case .prepare(let name, let types, let inner, let text):
            return try await prepareStatement(name, types, inner, text)
        case .execute(let name, let arguments): return try await executeStatement(name, arguments)
        case .deallocate(let name):
            guard let name else {
                statements = [:]
                return done("DEALLOCATE ALL")
            }
            guard statements.removeValue(forKey: name.value) != nil else { throw Session.unknownStatement(name.value) }
            return done("DEALLOCATE")
        case .declareCursor(let declare): return try await declareCursor(declare)
        case .fetch(let fetch): return try await self.fetch(fetch)
        case .closeCursor(let name): return try await closeCursor(name)
        case .notification(let statement): return try await notification(statement)
        case .accepted(let word): return done(word)
        case .lock(let names, _): return try await lockTables(names)
        case .describe(let name): return try await describe(name)
        case .unsupported(let name, let position):
            throw SQLError(.featureNotSupported, "\(name) is not supported yet", position: position)
        }
    }

    /// The columns of a statement that is not a query, for Describe: nil when it returns no rows.
    func columns(of statement: Statement) async throws(SQLError) -> [ResultColumn]? {
        if statement.changesInWith { return try await describeParts(of: statement, []).columns }
        switch statement {
        case .query(let query): return try await bind(query, [], life()).columns
        case .write(let write): return try await describe(write, []).columns
        case .explain: return Session.explainColumns
        case .show(let show): return try showColumns(show)
        case .branch(let statement): return try await branchColumns(statement)
        case .upkeep(let statement): return Session.columns(of: statement)
        case .call(let call, let isSelected): return try BranchProcedures.columns(of: call, isSelected: isSelected)
        case .describe: return Session.describeColumns
        case .execute(let name, _): return statements[name.value]?.columns
        case .fetch(let fetch):
            let name = fetch.cursor.value
            return fetch.isMove ? nil : cursors[name]?.columns ?? portals[name]?.statement.columns
        default: return nil
        }
    }

    // MARK: - Settings

    func set(_ set: Statement.SetVariable) async throws(SQLError) {
        let isLocal = set.scope == .local
        if isLocal, transaction?.isExplicit != true {
            notices.append(
                SQLNotice(
                    .warning,
                    SQLError(SQLState("25P01"), "SET LOCAL can only be used in transaction blocks")))
            return
        }
        do throws(SQLError) {
            if set.name.value == "transaction" || set.name.value == "session characteristics" {
                return try setTransactionModes(set)
            }
            var words: [String] = []
            for value in set.values {
                switch value {
                case .text(let text), .number(let text): words.append(text)
                case .defaultValue:
                    if Session.isUser(set.name.value) { return try setUser(set.name.value, nil, isLocal: isLocal) }
                    try settings.reset(set.name.value)
                    return
                }
            }
            let value = words.joined(separator: ", ")
            if Session.isUser(set.name.value) {
                try setUser(set.name.value, value, isLocal: isLocal)
            } else if set.name.value == "branch" {
                try await setBranch(value, isLocal: isLocal)
            } else if set.name.value == "search_path" {
                let quoted = words.map { $0.contains(",") || $0 != $0.lowercased() ? "\"\($0)\"" : $0 }
                try settings.set("search_path", quoted.joined(separator: ", "), isLocal: isLocal)
            } else {
                try settings.set(set.name.value, value, isLocal: isLocal)
            }
        } catch let error {
            throw error.at(set.name.position)
        }
    }

    /// SET TRANSACTION, and SET SESSION CHARACTERISTICS for the transactions to come.
    private func setTransactionModes(_ set: Statement.SetVariable) throws(SQLError) {
        let isDefault = set.name.value == "session characteristics"
        for case .text(let mode) in set.values {
            switch mode {
            case "read only", "read write":
                if isDefault {
                    try settings.set("default_transaction_read_only", mode == "read only" ? "on" : "off")
                } else {
                    transaction?.isReadOnly = mode == "read only"
                }
            default:
                if isDefault {
                    try settings.set("default_transaction_isolation", mode)
                } else if transaction?.isExplicit == true {
                    try settings.set("transaction_isolation", mode, isLocal: true)
                }
            }
        }
    }

    /// Changes the session's branch, which must exist.
    func setBranch(_ name: String, isLocal: Bool) async throws(SQLError) {
        _ = try await engine.catalog.commit(of: .named(name))
        try await requireReading(.named(name))
        try settings.set("branch", name, isLocal: isLocal)
    }

    /// Whether a setting says who the user is.
    static func isUser(_ name: String) -> Bool { name == "role" || name == "session_authorization" }

    private func discard(_ what: String) async throws(SQLError) -> any ResultStream {
        switch what {
        case "all":
            guard transaction?.isExplicit != true else {
                throw SQLError(.activeTransaction, "DISCARD ALL cannot run inside a transaction block")
            }
            try setUser("session_authorization", nil, isLocal: false)
            settings.resetAll()
            statements = [:]
            portals = [:]
            await closeAllCursors()
            AdvisoryLocks.shared.releaseAll(owner: processID, ofTransaction: false)
            channels.unlistenAll()
            await dropTemporaries()
        case "temp", "temporary": await dropTemporaries()
        case "plans", "sequences": break
        default: throw SQLError(.syntaxError, "syntax error at or near \"\(what)\"")
        }
        return done("DISCARD \(what.uppercased())")
    }

    // MARK: - Transactions

    private func transactionCommand(
        _ command: Statement.TransactionCommand
    ) async throws(SQLError) -> any ResultStream {
        switch command {
        case .begin(let modes):
            if transaction?.isExplicit == true {
                notices.append(
                    SQLNotice(.warning, SQLError(.activeTransaction, "there is already a transaction in progress")))
                return done("BEGIN")
            }
            var begun = currentTransaction
            begun.isExplicit = true
            if let isReadOnly = modes.isReadOnly { begun.isReadOnly = isReadOnly }
            transaction = begun
            if let isReadOnly = modes.isReadOnly {
                try settings.set("transaction_read_only", isReadOnly ? "on" : "off", isLocal: true)
            }
            if let isolation = modes.isolation {
                // Every transaction sees one commit, whatever it asks for; what it asked for is shown.
                try settings.set("transaction_isolation", isolation, isLocal: true)
            }
            transactionTime = planContext().functions.statementTime
            return done("BEGIN")
        case .commit:
            guard let open = transaction, open.isExplicit else {
                warnNoTransaction()
                return done("COMMIT")
            }
            if open.isFailed {
                await rollback()
                return done("ROLLBACK")
            }
            try await commit()
            return done("COMMIT")
        case .rollback:
            if transaction?.isExplicit != true { warnNoTransaction() }
            await rollback()
            return done("ROLLBACK")
        case .chain(let isCommit):
            guard let open = transaction, open.isExplicit else {
                throw SQLError(
                    .noActiveTransaction,
                    "\(isCommit ? "COMMIT" : "ROLLBACK") AND CHAIN can only be used in transaction blocks")
            }
            let isolation = settings["transaction_isolation"]
            let ended = try await transactionCommand(isCommit ? .commit : .rollback)
            let modes = Statement.TransactionModes(isReadOnly: open.isReadOnly, isolation: isolation)
            _ = try await transactionCommand(.begin(modes))
            return ended
        case .savepoint(let name):
            try requireBlock("SAVEPOINT")
            try transaction?.savepoint(name.value)
            savepointCursors[name.value] = newCursors
            savepointMarks[name.value] = channels.mark
            return done("SAVEPOINT")
        case .release(let name):
            try requireBlock("RELEASE SAVEPOINT")
            try transaction?.release(name.value)
            return done("RELEASE")
        case .rollbackTo(let name):
            try requireBlock("ROLLBACK TO SAVEPOINT")
            if let undone = try transaction?.rollback(to: name.value) {
                await Session.undo(undone.writes, undone.states)
            }
            channels.forget(after: savepointMarks[name.value] ?? 0)
            await closeCursors(since: name.value)
            return done("ROLLBACK")
        }
    }

    private func warnNoTransaction() {
        notices.append(SQLNotice(.warning, SQLError(.noActiveTransaction, "there is no transaction in progress")))
    }

    private func requireBlock(_ what: String) throws(SQLError) {
        guard transaction?.isExplicit == true else {
            throw SQLError(.noActiveTransaction, "\(what) can only be used in transaction blocks")
        }
    }

    // MARK: - PREPARE and EXECUTE

    private func prepareStatement(
        _ name: Identifier, _ typeNames: [TypeName], _ inner: Statement, _ text: String
    ) async throws(SQLError) -> any ResultStream {
        guard statements[name.value] == nil else {
            throw SQLError(.duplicatePreparedStatement, "prepared statement \"\(name.value)\" already exists")
        }
        var types: [SQLType?] = []
        let known = try await self.types(in: typeNames)
        for typeName in typeNames { types.append(try TypeNames.type(typeName, known)) }
        statements[name.value] = try await prepare(name.value, inner, text: text, types)
        return done("PREPARE")
    }

    private func executeStatement(
        _ name: Identifier, _ arguments: [Expression]
    ) async throws(SQLError) -> any ResultStream {
        let (prepared, values) = try evaluate(name, arguments)
        return try await execute(prepared, values)
    }

    /// A prepared statement, and the values of EXECUTE's arguments.
    func evaluate(
        _ name: Identifier, _ arguments: [Expression]
    ) throws(SQLError) -> (PreparedStatement, [Scalar]) {
        guard let prepared = statements[name.value] else { throw Session.unknownStatement(name.value) }
        guard arguments.count == prepared.parameterTypes.count else {
            throw SQLError(
                .syntaxError, "wrong number of parameters for prepared statement \"\(name.value)\"",
                detail: "Expected \(prepared.parameterTypes.count) parameters but got \(arguments.count).",
                position: name.position)
        }
        var values: [Scalar] = []
        let context = planContext()
        for (argument, type) in zip(arguments, prepared.parameterTypes) {
            values.append(try Binder.value(of: argument, as: type, context: context))
        }
        return (prepared, values)
    }

    // MARK: - SHOW and DESCRIBE

    func showColumns(_ show: Statement.Show) throws(SQLError) -> [ResultColumn] {
        switch show {
        case .variable(let name): [ResultColumn(try Settings.find(name.value).name, .text)]
        case .all: [ResultColumn("name", .text), ResultColumn("setting", .text), ResultColumn("description", .text)]
        case .branches, .tags:
            [
                ResultColumn("name", .text), ResultColumn("commit", .text), ResultColumn("created_at", .timestamptz),
                ResultColumn("protected", .boolean), ResultColumn("retain_days", .int4),
            ]
        case .schemas: [ResultColumn("schema", .text), ResultColumn("location", .text)]
        case .tables: [ResultColumn("schema", .text), ResultColumn("name", .text), ResultColumn("kind", .text)]
        case .log:
            [
                ResultColumn("commit", .text), ResultColumn("committed_at", .timestamptz),
                ResultColumn("author", .text), ResultColumn("message", .text),
            ]
        }
    }

    private func show(_ show: Statement.Show) async throws(SQLError) -> any ResultStream {
        let columns = try showColumns(show)
        var rows: [[Scalar]] = []
        switch show {
        case .variable(let name):
            do throws(SQLError) {
                rows = [[.text(try settings.value(name.value))]]
            } catch let error {
                throw error.at(name.position)
            }
        case .all:
            rows = Settings.all.map { [.text($0.name), .text(settings[$0.name]), .text($0.summary)] }
        case .branches, .tags, .log: rows = try await refRows(show)
        case .schemas:
            for schema in try await engine.catalog.schemas(at: try await head()) {
                rows.append([.text(schema.name), schema.location.map(Scalar.text) ?? .null(.text)])
            }
        case .tables(let schema): rows = try await tableRows(schema)
        }
        return FixedStream(columns, rows, tag: .done("SHOW"), timeZone: planContext().functions.timeZone)
    }

    static let describeColumns = [
        ResultColumn("column", .text), ResultColumn("type", .text), ResultColumn("nullable", .boolean),
    ]

    private func describe(_ name: QualifiedName) async throws(SQLError) -> any ResultStream {
        let life = life()
        let star = Expression(.star(Expression.Star()), position: name.position)
        let table = TableExpression(.table(name, version: nil, alias: nil), position: name.position)
        let query = Query(
            body: .select(Select(items: [SelectItem(value: star)], from: [table], position: name.position)),
            position: name.position)
        let bound = try await bind(query, [], life)
        let rows: [[Scalar]] = bound.query.plan.columns.map {
            [.text($0.name), .text($0.type.name), .boolean($0.isNullable)]
        }
        return FixedStream(Session.describeColumns, rows, tag: .done("DESCRIBE"))
    }
}
