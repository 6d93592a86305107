// MERGE BRANCH, REVERT, CHERRY PICK, RESTORE, ALTER BRANCH and SHOW DIFF.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

extension Session {
    /// Tries of a merge while others commit to its target.
    private static let mergeTriesMax = 20
    /// Conflicts that an error lists.
    private static let conflictsShownMax = 20

    func branchStatement(_ statement: BranchStatement, _ text: String) async throws(SQLError) -> any ResultStream {
        switch statement {
        case .merge(let merge): return try await self.merge(merge)
        case .alter(let kind, let name, let alteration): return try await alterRef(kind, name, alteration)
        case .revert(let commit, let branch): return try await replay(commit, onto: branch, isRevert: true)
        case .cherryPick(let commit, let branch): return try await replay(commit, onto: branch, isRevert: false)
        case .restore(let name, let version): return try await restore(name, version, text)
        case .difference(let from, let to): return try await difference(from, to)
        case .rowDifference(let from, let to, let table):
            let life = life()
            let query = try Parser.parseQuery(Session.rowDifference(from, to, table))
            return try await start(try await bind(query, [], life), [], life)
        }
    }

    /// For Describe.
    func branchColumns(_ statement: BranchStatement) async throws(SQLError) -> [ResultColumn]? {
        switch statement {
        case .merge, .revert, .cherryPick: return Session.mergeColumns
        case .alter, .restore: return nil
        case .difference: return Session.differenceColumns
        case .rowDifference(let from, let to, let table):
            let query = try Parser.parseQuery(Session.rowDifference(from, to, table))
            return try await bind(query, [], life()).columns
        }
    }

    /// Statements that move refs are not part of a transaction.
    private func refuseInBlock(_ tag: String) throws(SQLError) {
        guard transaction?.isExplicit != true, transaction?.changes.isEmpty != false else {
            throw SQLError(.activeTransaction, "\(tag) cannot run inside a transaction block")
        }
    }

    // MARK: - Merge, revert, cherry-pick

    static let mergeColumns = ThreeWay.columns.map { ResultColumn($0, .text) }

    private func merge(_ merge: BranchStatement.Merge) async throws(SQLError) -> any ResultStream {
        try refuseInBlock("MERGE BRANCH")
        let target = merge.target?.value ?? branch
        try await requireReading(.named(merge.source.value))
        let source: CommitID
        do throws(SQLError) {
            source = try await engine.catalog.commit(of: .named(merge.source.value))
        } catch {
            throw error.at(merge.source.position)
        }
        let message = merge.message ?? "Merge \(merge.source.value) into \(target)"
        return try await bring(
            "MERGE BRANCH", onto: target, position: merge.target?.position, isDryRun: merge.isDryRun,
            choice: { table in
                let exception = merge.exceptions.first { exception in
                    exception.table.last == table?.name
                        && (exception.table.parts.count < 2
                            || exception.table.parts[exception.table.parts.count - 2].value == table?.schema)
                }
                return (exception?.choice ?? merge.choice).threeWay
            },
            note: CommitNote(author: user, message: message)
        ) { (head, catalog) async throws(SQLError) in
            guard let base = try await catalog.mergeBase(source, head) else {
                throw SQLError(.invalidParameterValue, "\"\(merge.source.value)\" has no history with \"\(target)\"")
            }
            return Movement(base: base, source: source, merged: source)
        }
    }

    private func replay(
        _ name: Identifier, onto named: Identifier?, isRevert: Bool
    ) async throws(SQLError) -> any ResultStream {
        let tag = isRevert ? "REVERT" : "CHERRY PICK"
        try refuseInBlock(tag)
        try await requireReading(.named(name.value))
        let info: CommitInfo?
        do throws(SQLError) {
            info = try await engine.catalog.log(.named(name.value), limit: 1).first
        } catch {
            throw error.at(name.position)
        }
        guard let info, let parent = info.parents.first else {
            throw SQLError(
                .invalidParameterValue, "commit \"\(name.value)\" has no parent", position: name.position)
        }
        let note = CommitNote(
            author: user, message: "\(isRevert ? "Revert" : "Cherry-pick") \(info.id.hex.prefix(12)): \(info.message)")
        return try await bring(
            tag, onto: named?.value ?? branch, position: named?.position, isDryRun: false, choice: { _ in .cancel },
            note: note
        ) { (_, _) async throws(SQLError) in
            isRevert
                ? Movement(base: info.id, source: parent, merged: nil)
                : Movement(base: parent, source: info.id, merged: nil)
        }
    }

    /// Which way changes go.
    private struct Movement: Sendable {
        var base: CommitID
        var source: CommitID
        /// Second parent of the new commit.
        var merged: CommitID?
    }

    /// Brings what happened between two commits onto a branch, as one commit; tried again while others commit.
    private func bring(
        _ tag: String, onto target: String, position: Int?, isDryRun: Bool,
        choice: @Sendable (TableName?) -> ThreeWay.Choice,
        note: CommitNote, movement: @Sendable (CommitID, any Versioned) async throws(SQLError) -> Movement
    ) async throws(SQLError) -> any ResultStream {
        let catalog = engine.catalog
        let threeWay = ThreeWay(catalog: catalog, managed: engine.managed)
        for _ in 0..<Session.mergeTriesMax {
            guard let ref = try await catalog.ref(.branch, target) else {
                throw SQLError(.undefinedObject, "branch \"\(target)\" does not exist", position: position)
            }
            try accessGuard?.require(isDryRun ? .select : .merge, on: ref)
            let way = try await movement(ref.head, catalog)
            let items = try await threeWay.items(
                base: way.base, source: way.source, target: ref.head, choice: choice)
            if isDryRun { return mergeRows(items, tag) }
            try await requireRights(for: items.compactMap(\.change), at: ref.head)
            let conflicts = items.filter(\.isConflict)
            guard conflicts.isEmpty else { throw Session.conflict(tag, target, conflicts) }
            // A branch that was merged already adds nothing, not even a commit.
            guard way.base != way.source else {
                notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, "\"\(target)\" is up to date")))
                return mergeRows([], tag)
            }
            let commit = try await catalog.prepare(
                items.compactMap(\.change), onto: ref.head, merging: way.merged, note: note)
            for check in ref.options.checks { try await hold(check, on: ref, at: commit) }
            do throws(SQLError) {
                try await catalog.move(.branch, target, from: ref.head, to: commit)
            } catch {
                guard error.state == .serializationFailure else { throw error }
                continue
            }
            return mergeRows(items, tag)
        }
        throw SQLError(
            .serializationFailure,
            "branch \"\(target)\" was changed by other commits in every one of "
                + "\(Session.mergeTriesMax) tries", hint: "The statement may be tried again.")
    }

    private func mergeRows(_ items: [ThreeWay.Item], _ tag: String) -> any ResultStream {
        FixedStream(
            Session.mergeColumns, items.map(\.row), tag: .done(Session.mergeTag(tag, items.count)),
            notices: takeNotices())
    }

    /// Clients know MERGE with a count, and stumble over any other word behind it.
    private static func mergeTag(_ tag: String, _ count: Int) -> String {
        tag == "MERGE BRANCH" ? "MERGE \(count)" : tag
    }

    private static func conflict(_ tag: String, _ target: String, _ conflicts: [ThreeWay.Item]) -> SQLError {
        var lines = conflicts.prefix(conflictsShownMax).map { "\($0.kind) \($0.name): \($0.reason ?? "")" }
        if conflicts.count > conflictsShownMax { lines.append("and \(conflicts.count - conflictsShownMax) more") }
        return SQLError(
            .serializationFailure,
            "\(tag) has \(conflicts.count) conflict\(conflicts.count == 1 ? "" : "s") on \"\(target)\"",
            detail: lines.joined(separator: "\n"),
            hint: tag == "MERGE BRANCH"
                ? "DRY RUN lists them; ON CONFLICT TAKE SOURCE or TAKE TARGET decides, EXCEPT for single tables." : nil)
    }

    /// Runs a check at a commit that is not published yet.
    private func hold(_ check: BranchCheck, on ref: NamedRef, at commit: CommitID) async throws(SQLError) {
        let context = planContext()
        let branch = ref.name
        // With the rights of whoever owns the branch, and may say what holds for it.
        let owner = AccessGuard.object(ref).owner
        var access = accessGuard.map {
            AccessGuard(state: $0.state, who: $0.state.standing(of: owner), database: $0.database)
        }
        access?.isAtUnpublished = true
        let resolver = Resolver(
            engine: engine, branch: commit.hex, searchPath: check.searchPath, context: context, access: access)
        let life = QueryLife(engine: engine, resolver: resolver, context: context)
        let failed = "check \"\(check.name)\" of branch \"\(branch)\""
        let row: Batch?
        do throws(SQLError) {
            let fresh = Transaction(isExplicit: false, isReadOnly: true, settings: settings)
            let plan = try life.optimize(try await life.bind(try Parser.parseQuery(check.sql), in: fresh))
            let query = try await begin(plan, life)
            var found: Batch?
            while let batch = try await query.next() {
                guard batch.rows > 0 else { continue }
                found = batch
                break
            }
            query.cancel(SQLError(.queryCanceled, "canceling a check that has failed"))
            row = found
        } catch {
            throw SQLError(error.state, "\(failed) could not run: \(error.message)", hint: error.hint)
        }
        guard let row else { return }
        let cells = row.columns.map { column in
            var bytes: [UInt8] = []
            guard column.isValid(0) else { return "null" }
            TextForm.append(column, 0, zone: context.functions.timeZone, to: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        throw SQLError(
            SQLState("23514"), "\(failed) does not hold", detail: "It found (\(cells.joined(separator: ", "))).",
            hint: "Nothing was published.")
    }

    // MARK: - Alter

    private func alterRef(
        _ kind: Statement.RefKind, _ name: Identifier, _ alteration: BranchStatement.Alteration
    ) async throws(SQLError) -> any ResultStream {
        let named: NamedRef.Kind = kind == .branch ? .branch : .tag
        let tag = "ALTER \(named.rawValue.uppercased())"
        try refuseInBlock(tag)
        guard let ref = try await engine.catalog.ref(named, name.value) else {
            throw SQLError(
                .undefinedObject, "\(named.rawValue) \"\(name.value)\" does not exist", position: name.position)
        }
        try accessGuard?.requireOwner(of: ref)
        var options = ref.options
        switch alteration {
        case .rename(let newName):
            guard name.value != branch else {
                throw SQLError(
                    .objectInUse, "cannot rename branch \"\(name.value)\"", detail: "This session is on it.",
                    position: name.position)
            }
            do throws(SQLError) {
                try await engine.catalog.rename(named, name.value, to: newName.value)
            } catch {
                throw error.at(newName.position)
            }
            if named == .branch {
                let old = AccessGuard.object(ref)
                var new = old
                new.name = newName.value
                let renamed = new
                try await changeAccess { (state) throws(SQLError) in
                    state.renamed(old, to: renamed, forgetsOld: true)
                }
            }
        case .assign(let source, let version):
            if named == .branch { try await refuseIfProtected(name.value) }
            try await requireReading(try await self.ref(version, of: source.value))
            let commit: CommitID
            do throws(SQLError) {
                commit = try await engine.catalog.commit(of: try await self.ref(version, of: source.value))
            } catch {
                throw error.at(source.position)
            }
            try await engine.catalog.move(named, name.value, from: ref.head, to: commit)
        case .set(let list):
            if let isProtected = list.isProtected { options.isProtected = isProtected }
            if let days = list.retainDays { options.retainDays = days }
            try await engine.catalog.set(options, of: named, name.value)
        case .addCheck(let check, let query, let text):
            guard !options.checks.contains(where: { $0.name == check.value }) else {
                throw SQLError(
                    .duplicateObject, "check \"\(check.value)\" of branch \"\(name.value)\" already exists",
                    position: check.position)
            }
            let bound = try await bind(query, [], life())
            guard bound.query.parameterTypes.isEmpty else {
                throw SQLError(.undefinedParameter, "there is no parameter $1")
            }
            options.checks.append(BranchCheck(name: check.value, sql: text, searchPath: settings.searchPath))
            try await engine.catalog.set(options, of: named, name.value)
        case .dropCheck(let check, let ifExists):
            let count = options.checks.count
            options.checks.removeAll { $0.name == check.value }
            guard options.checks.count < count || ifExists else {
                throw SQLError(
                    .undefinedObject, "check \"\(check.value)\" of branch \"\(name.value)\" does not exist",
                    position: check.position)
            }
            try await engine.catalog.set(options, of: named, name.value)
        }
        return done(tag)
    }

    /// A protected branch takes changes only by merge.
    func refuseIfProtected(_ branch: String) async throws(SQLError) {
        // What may be changed in an attached database, it says itself.
        if Databases.name(ofBranch: branch) != nil { return }
        _ = try await engine.changeable(branch)
    }

    // MARK: - Restore

    private func restore(_ name: QualifiedName, _ version: Version, _ text: String) async throws(SQLError)
        -> any ResultStream
    {
        let wanted = try await ref(version, of: branch)
        try await requireReading(wanted)
        let commit = try await engine.catalog.commit(of: wanted)
        let path = name.parts.count >= 2 ? [name.parts[name.parts.count - 2].value] : settings.searchPath
        for schema in path {
            let table = TableName(schema: schema, name: name.last)
            guard let entry = try await engine.catalog.entries([table], at: commit)[table] else { continue }
            let old = try await engine.catalog.schema(schema, at: commit)
            return try await changing(text) { () async throws(SQLError) -> any ResultStream in
                let branch = try await requireBranch(.named(self.branch))
                let there = try await self.schema(schema, on: branch)
                let isThere = there != nil
                if let access = accessGuard {
                    if let there { try access.require(.create, on: there) } else { try access.require(.create) }
                    try access.requireOwner(AccessGuard.secured(table, entry))
                    if let now = try await self.entry(at: NewPlace(name: table, branch: branch)) {
                        try access.requireOwner(AccessGuard.secured(table, now))
                    }
                }
                try transaction?.change(on: branch) { changes in
                    if !isThere, let old { changes.putSchema(old) }
                    changes.put(table, entry)
                }
                return done("RESTORE")
            }
        }
        throw SQLError(
            .undefinedTable, "relation \"\(name.text)\" does not exist in that version", position: name.position)
    }

    // MARK: - Differences

    private static let differenceColumns = LakeTables.differenceColumns.map { ResultColumn($0, .text) }

    private func difference(_ from: Identifier, _ to: Identifier) async throws(SQLError) -> any ResultStream {
        var ends: [CommitID] = []
        for name in [from, to] {
            try await requireReading(.named(name.value))
            do throws(SQLError) {
                ends.append(try await engine.catalog.commit(of: .named(name.value)))
            } catch {
                throw error.at(name.position)
            }
        }
        let rows = try await engine.catalog.differences(from: ends[0], to: ends[1]).map(LakeTables.row)
        return FixedStream(Session.differenceColumns, rows, tag: .rows("SHOW"))
    }

    /// Rows of `to` that `from` has not, marked +, and the other way round, marked -.
    private static func rowDifference(_ from: Identifier, _ to: Identifier, _ table: QualifiedName) -> String {
        func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
        let name = table.parts.map { quoted($0.value) }.joined(separator: ".")
        let old = "SELECT * FROM \(name) AT VERSION \(quoted(from.value))"
        let new = "SELECT * FROM \(name) AT VERSION \(quoted(to.value))"
        return """
            SELECT '+' AS change, * FROM (\(new) EXCEPT ALL \(old)) AS added
            UNION ALL SELECT '-', * FROM (\(old) EXCEPT ALL \(new)) AS removed
            """
    }
}

extension BranchStatement.Choice {
    fileprivate var threeWay: ThreeWay.Choice {
        switch self {
        case .cancel: .cancel
        case .takeSource: .takeSource
        case .takeTarget: .takeTarget
        }
    }
}
