// OPTIMIZE TABLE, VACUUM and EXPIRE SNAPSHOTS: what keeps tables in shape and changes no rows. Allowed on protected
// branches, too.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

extension Session {
    func upkeep(_ statement: UpkeepStatement, _ text: String) async throws(SQLError) -> any ResultStream {
        switch statement {
        case .optimize(let optimize):
            try refuseInBlock(optimize.verb)
            return try await self.optimize(optimize, text)
        case .expireSnapshots(let expire): return try await expireSnapshots(expire, text)
        case .collectGarbage(let collect):
            try requireSuperuser("collect garbage")
            try refuseInBlock("COLLECT GARBAGE")
            return try await collectGarbage(collect)
        }
    }

    static func columns(of statement: UpkeepStatement) -> [ResultColumn]? {
        switch statement {
        case .optimize(let optimize): optimize.verb == "VACUUM" ? nil : optimizeColumns
        case .expireSnapshots: expiryColumns
        case .collectGarbage: garbageColumns
        }
    }

    private func refuseInBlock(_ verb: String) throws(SQLError) {
        guard transaction == nil else {
            throw SQLError(.activeTransaction, "\(verb) cannot run inside a transaction block")
        }
    }

    // MARK: - Compaction

    private static let optimizeColumns = [
        ResultColumn("table", .text), ResultColumn("files_before", .int8), ResultColumn("files_after", .int8),
        ResultColumn("bytes_before", .int8), ResultColumn("bytes_after", .int8), ResultColumn("rows", .int8),
    ]

    private func optimize(
        _ optimize: UpkeepStatement.Optimize, _ text: String
    ) async throws(SQLError) -> any ResultStream {
        var tables = optimize.tables
        if tables.isEmpty {
            try requireSuperuser("\(optimize.verb) all tables")
            tables = try await managedTables()
        }
        var options = try CompactionOptions(options: optimize.options)
        var rows: [[Scalar]] = []
        for name in tables {
            if let condition = optimize.condition { options.domains = try await domains(condition, name) }
            let made: (name: TableName, summary: CompactionSummary)
            do throws(SQLError) {
                made = try await compact(name, options, optimize, text)
            } catch {
                if transaction != nil { await rollback() }
                // One table that cannot be compacted does not keep VACUUM from the others.
                guard optimize.tables.isEmpty, error.state == .featureNotSupported else { throw error }
                notices.append(SQLNotice(.warning, error))
                continue
            }
            func after(_ number: Int64) -> Scalar { optimize.isDryRun ? .null(.int8) : .int8(number) }
            let summary = made.summary
            rows.append([
                .text(made.name.description), .int8(Int64(summary.filesBefore)), after(Int64(summary.filesAfter)),
                .int8(summary.bytesBefore), after(summary.bytesAfter), after(summary.rows),
            ])
        }
        if optimize.verb == "VACUUM" { return done("VACUUM") }
        return FixedStream(Session.optimizeColumns, rows, tag: .done(optimize.verb))
    }

    /// All tables of the session's branch.
    private func managedTables() async throws(SQLError) -> [QualifiedName] {
        let commit = try await engine.catalog.commit(of: .named(branch))
        var found: [QualifiedName] = []
        for schema in try await engine.catalog.schemas(at: commit) {
            let names = try await engine.catalog.names(in: schema.name, at: commit)
            for case (let name, .managed) in try await engine.catalog.entries(Set(names), at: commit) {
                let parts = [Identifier(name.schema, position: 0), Identifier(name.name, position: 0)]
                found.append(QualifiedName(parts, position: 0))
            }
        }
        return found.sorted { $0.text < $1.text }
    }

    /// Compacts a table piece by piece. Each piece is a commit of its own: what is done stays done, and no writer waits.
    private func compact(
        _ name: QualifiedName, _ options: CompactionOptions, _ optimize: UpkeepStatement.Optimize, _ text: String
    ) async throws(SQLError) -> (name: TableName, summary: CompactionSummary) {
        transaction = currentTransaction
        let target = try await upkeepTarget(name, optimize.verb)
        await rollback()
        let managed = engine.managed
        let pieces = try await currentWatch.perform { () async throws(SQLError) -> [any TableCompaction] in
            try await managed.compactions(of: target.table.definition, named: target.name, options: options)
        }
        var total = CompactionSummary()
        for piece in pieces {
            if !optimize.isDryRun {
                do throws(SQLError) {
                    try await currentWatch.perform { () async throws(SQLError) in try await piece.write() }
                } catch {
                    await piece.abandon()
                    throw error
                }
                guard try await publish(piece, name, target, text) else { continue }
            }
            total += piece.summary
        }
        return (target.name, total)
    }

    /// Commits a piece; false when another commit was in its way.
    private func publish(
        _ piece: any TableCompaction, _ name: QualifiedName, _ target: WriteTarget, _ text: String
    ) async throws(SQLError) -> Bool {
        transaction = currentTransaction
        do throws(SQLError) {
            let now = try await upkeepTarget(name, "OPTIMIZE TABLE")
            guard now.name == target.name, now.table.definition.identity == target.table.definition.identity else {
                await piece.abandon()
                throw SQLError(.serializationFailure, "table \"\(name.text)\" was replaced by another one")
            }
            try await put(piece, now)
            transaction?.note(text)
            try await commit()
            return true
        } catch {
            if transaction != nil { await rollback() }
            guard error.state == .serializationFailure else { throw error }
            notices.append(
                SQLNotice(
                    .notice,
                    SQLError(
                        .successfulCompletion, "some files of \"\(name.text)\" stay as they are",
                        detail: error.detail ?? error.message)))
            return false
        }
    }

    /// Finds a table to be kept in shape. Protection of its branch does not matter: no rows change.
    private func upkeepTarget(_ name: QualifiedName, _ verb: String) async throws(SQLError) -> WriteTarget {
        let context = planContext()
        let open = currentTransaction
        var pinned = open.pinned
        let reference = try QueryNames.target(name, nil, context: context)
        guard let found = try await resolver(context).find(reference, open, &pinned) else {
            throw SQLError(.undefinedTable, "relation \"\(name.text)\" does not exist", position: name.position)
        }
        transaction?.pinned = pinned
        if !found.name.isTemporary { try accessGuard?.requireOwner(AccessGuard.secured(found)) }
        guard case .managed(let definition) = found.entry else {
            throw SQLError(
                .wrongObjectType, "cannot execute \(verb) on \(found.entry.kind) \"\(name.last)\"",
                position: name.position)
        }
        let table = try await databases.format(on: found.branch, pinned).open(definition, named: found.name)
        guard !found.name.isTemporary else { return WriteTarget(name: found.name, branch: nil, table: table) }
        switch found.ref {
        case .branch(let text), .named(let text):
            guard try await engine.catalog.ref(.branch, text) != nil else { fallthrough }
            return WriteTarget(name: found.name, branch: text, table: table)
        case .tag, .commit, .time:
            throw SQLError(
                .wrongObjectType, "\"\(found.ref)\" is not a branch", hint: "Tags and commits cannot be changed.")
        }
    }

    /// What a condition says about the table's columns, as far as files can be told by it.
    private func domains(
        _ condition: Expression, _ name: QualifiedName
    ) async throws(SQLError) -> [Int: ColumnDomain] {
        let star = Expression(.star(Expression.Star()), position: name.position)
        let table = TableExpression(.table(name, version: nil, alias: nil), position: name.position)
        var select = Select(items: [SelectItem(value: star)], from: [table], position: name.position)
        select.filter = condition
        let life = life()
        let bound = try await bind(Query(body: .select(select), position: name.position), [], life)
        var plan = try life.optimize(bound)
        while true {
            switch plan {
            case .project(let input, _): plan = input
            case .filter(let input, _): plan = input
            case .scan(let scan): return scan.domains
            // Without a scan nothing can match.
            case .values: return [0: .none]
            default: return [:]
            }
        }
    }

    // MARK: - Expiry

    private static let expiryColumns = [
        ResultColumn("snapshot_id", .int8), ResultColumn("committed_at", .timestamptz),
    ]
    /// Iceberg's own default: five days.
    private static let snapshotAgeMilliseconds: Int64 = 432_000_000

    private func expireSnapshots(
        _ expire: UpkeepStatement.ExpireSnapshots, _ text: String
    ) async throws(SQLError) -> any ResultStream {
        let zone = planContext().functions.timeZone
        let now = planContext().functions.statementTime / 1000
        return try await changing(text) { () async throws(SQLError) -> any ResultStream in
            let target = try await upkeepTarget(expire.table, "EXPIRE SNAPSHOTS")
            let properties = target.table.properties
            let age = properties["history.expire.max-snapshot-age-ms"].flatMap { Int64($0) }
            let kept = properties["history.expire.min-snapshots-to-keep"].flatMap { Int($0) }
            var expiry = SnapshotExpiry(
                olderThan: now - (age ?? Session.snapshotAgeMilliseconds), keeping: expire.keeping ?? kept ?? 1)
            if let given = expire.olderThan { expiry.olderThan = try instant(given) / 1000 }
            let gone = try await engine.managed.expired(of: target.table.definition, expiry)
            if !gone.isEmpty, !expire.isDryRun {
                let changes = [TableAlteration.expireSnapshots(expiry)]
                let definition = try await engine.managed.alter(
                    target.table.definition, named: target.name, changes)
                transaction?.keep(definition, from: target.table.definition, of: engine.managed)
                try record(target.name, target.branch) { $0.alter(target.name, definition, .alter(changes)) }
            }
            let rows: [[Scalar]] = gone.map { [.int8($0.id), Scalar(.timestamptz, .int($0.committedAt * 1000))] }
            return FixedStream(
                Session.expiryColumns, rows, tag: .done("EXPIRE SNAPSHOTS \(gone.count)"), timeZone: zone)
        }
    }
}

extension CompactionOptions {
    /// What OPTIMIZE says in parentheses.
    fileprivate init(options: [String: String]) throws(SQLError) {
        self.init()
        for (key, text) in options.sorted(by: { $0.key < $1.key }) {
            let isKnown: Bool
            switch key {
            case "file_size_threshold":
                smallBytes = Settings.bytes(text)
                isKnown = smallBytes != nil
            case "min_files":
                filesMin = Int(text) ?? 0
                isKnown = filesMin > 0
            case "deleted_share":
                deletedShare = Double(text) ?? -1
                isKnown = deletedShare >= 0 && deletedShare <= 1
            default:
                throw SQLError(
                    .syntaxError, "unrecognized option \"\(key)\"",
                    hint: "There are file_size_threshold, min_files and deleted_share.")
            }
            guard isKnown else {
                throw SQLError(.invalidParameterValue, "invalid value for option \"\(key)\": \"\(text)\"")
            }
        }
    }
}
