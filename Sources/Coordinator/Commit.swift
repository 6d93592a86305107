// COMMIT: a transaction's changes become one commit of the branch. Where the branch has moved on in between, changes
// of other tables stay as they are, writes are taken again from the newer state, and what cannot be is 40001.
import Access
import Catalogs
import Diagnostics
import Synchronization

extension Session {
    /// Makes the transaction's changes one commit.
    func commit() async throws(SQLError) {
        guard transaction != nil else { return }
        try await recordSequences()
        guard let open = transaction else { return }
        do throws(SQLError) {
            try channels.check()
            try await publish(open)
            try await engine.access.apply(open.accessEdits)
        } catch {
            // Whether a commit whose answer was lost has happened is not known: its files must stay.
            await rollback(keepsFiles: isCommitUnknown)
            isCommitUnknown = false
            throw error
        }
        let orphans = settleTemporaries(open) + open.orphanedWrites
        closeTransactionCursors(isCommitted: true)
        settings.endTransaction()
        transaction = nil
        channels.settle()
        savepointMarks = [:]
        for write in orphans { await write.abandon() }
    }

    /// Forgets the transaction's changes; settings go back to what they were.
    func rollback(keepsFiles: Bool = false) async {
        if let open = transaction, open.isExplicit || open.isFailed { settings = open.settingsBefore }
        let (writes, states) = (transaction?.writes ?? [], transaction?.states ?? [])
        closeTransactionCursors(isCommitted: false)
        channels.forget()
        savepointMarks = [:]
        settings.endTransaction()
        transaction = nil
        if !keepsFiles { await Session.undo(writes, states) }
    }

    /// Removes the files of what was not committed.
    static func undo(_ writes: [any TableWrite], _ states: [MadeState]) async {
        for write in writes { await write.abandon() }
        for state in states { await state.format.forget(state.definition) }
    }

    /// Runs a change inside the open transaction; outside of one, as a transaction of its own that is tried again when
    /// another commit came in between.
    func changing(
        _ text: String, _ body: () async throws(SQLError) -> any ResultStream
    ) async throws(SQLError) -> any ResultStream {
        if transaction != nil {
            let result = try await body()
            transaction?.note(text)
            transaction?.origin.add(model: model)
            return result
        }
        let raised = notices
        var attempt = 1
        while true {
            transaction = currentTransaction
            do throws(SQLError) {
                let result = try await body()
                transaction?.note(text)
                transaction?.origin.add(model: model)
                try await commit()
                return result
            } catch {
                if transaction != nil { await rollback() }
                guard error.state == .serializationFailure, attempt < Session.attemptsMax else { throw error }
                notices = raised
                attempt += 1
            }
        }
    }

    /// Times that a single statement is run when other commits keep getting in its way.
    private static let attemptsMax = 10
    /// Times that one COMMIT tries to get its changes onto a moving branch.
    private static let swapsMax = 100

    private func publish(_ open: Transaction) async throws(SQLError) {
        guard let branch = open.branch, open.changes.touchesCatalog else { return }
        guard let base = open.base(of: branch) else {
            throw SQLError(.internalError, "a transaction without a commit to stand on")
        }
        // One after the other: the swap below is then lost to other servers only.
        await engine.commits.enter(branch)
        defer { engine.commits.leave(branch) }
        let databases = databases
        var rebase = Rebase(engine: engine, databases: databases, changes: open.changes, base: base)
        let note = CommitNote(
            author: user,
            message: (open.message.isEmpty ? open.changes.summary : open.message)
                + open.origin.trailers(application: settings["application_name"]))
        for _ in 0..<Session.swapsMax {
            let head = try await databases.commit(of: .branch(branch))
            let changes = try await rebase.changes(onto: head)
            if changes.isEmpty { return }
            do throws(SQLError) {
                try await databases.commit(changes, to: branch, expecting: head, note: note)
                return
            } catch {
                // Classes of refusals: nothing was committed. Anything else may come from a commit that has happened.
                isCommitUnknown = !["40", "42", "3F", "2B", "23"].contains(error.state.code.prefix(2))
                guard error.state == .serializationFailure else { throw error }
            }
        }
        throw SQLError(
            .serializationFailure, "could not commit to branch \"\(branch)\" because of other commits",
            detail: "It was changed \(Session.swapsMax) times in between.",
            hint: "The transaction might succeed if retried.")
    }
}

extension TransactionChanges {
    /// Whether anything but temporary tables was changed.
    var touchesCatalog: Bool { !schemas.isEmpty || tables.keys.contains { !$0.isTemporary } }

    /// A commit's message when there is none better.
    var summary: String {
        let dropped = tables.filter { $0.value.entry == nil }.keys
        let put = tables.keys.filter { tables[$0]?.entry != nil && !$0.isTemporary }
        let names =
            schemas.keys.sorted().map { "schema \($0)" } + put.map(\.description).sorted()
            + dropped.map { "drop \($0)" }.sorted()
        let shown = names.prefix(5).joined(separator: ", ")
        return names.count > 5 ? "Change \(shown) and \(names.count - 5) more" : "Change \(shown)"
    }
}

extension Transaction {
    /// Writes into tables that the transaction dropped again: no commit holds them.
    var orphanedWrites: [any TableWrite] {
        var kept: Set<ObjectIdentifier> = []
        for change in changes.tables.values where change.entry != nil {
            for case .write(let write) in change.steps { kept.insert(ObjectIdentifier(write)) }
        }
        return writes.filter { !kept.contains(ObjectIdentifier($0)) }
    }
}

/// Brings a transaction's changes onto a commit.
private struct Rebase {
    let engine: Engine
    let databases: Databases
    let changes: TransactionChanges
    let base: CommitID
    /// What replaying gave, by name and by the state it was replayed on.
    private var replayed: [TableName: (onto: ManagedDefinition, result: ManagedDefinition)] = [:]

    init(engine: Engine, databases: Databases, changes: TransactionChanges, base: CommitID) {
        self.engine = engine
        self.databases = databases
        self.changes = changes
        self.base = base
    }

    /// The changes that make a commit of `head` hold what the transaction did. Throws 40001 for a conflict.
    mutating func changes(onto head: CommitID) async throws(SQLError) -> [Change] {
        var result: [Change] = []
        for name in changes.droppedSchemas.sorted() {
            guard let change = try await drop(ofSchema: name, head) else { continue }
            result.append(change)
        }
        for case (_, .some(let schema)) in changes.schemas {
            let there = try await databases.schema(schema.name, at: head)
            if there == nil || there != schema || changes.droppedSchemas.contains(schema.name) {
                result.append(.putSchema(schema))
            }
        }
        let tables = changes.tables.filter { !$0.key.isTemporary }
        let names = Set(tables.keys).union(tables.values.compactMap(\.origin))
        let old = try await databases.entries(names, at: base)
        let new = head == base ? old : try await databases.entries(names, at: head)
        for name in tables.keys.sorted(by: { $0.description < $1.description }) {
            guard let change = tables[name] else { continue }
            if let made = try await self.change(name, change, old, new) { result.append(made) }
        }
        return result
    }

    /// nil when the schema is gone already.
    private func drop(ofSchema name: String, _ head: CommitID) async throws(SQLError) -> Change? {
        guard try await databases.schema(name, at: head) != nil else { return nil }
        if head != base {
            let before = Set(try await databases.names(in: name, at: base))
            let now = try await databases.names(in: name, at: head)
            if let added = now.first(where: { !before.contains($0) }) {
                throw conflict(added, "it was created in the schema that is dropped")
            }
        }
        return .dropSchema(name)
    }

    private mutating func change(
        _ name: TableName, _ change: TableChange, _ old: [TableName: Entry], _ new: [TableName: Entry]
    ) async throws(SQLError) -> Change? {
        let isSchemaGone = changes.droppedSchemas.contains(name.schema)
        let (before, now) = isSchemaGone ? (nil, nil) : (old[name], new[name])
        guard let entry = change.entry else {
            // What another transaction wrote into a table that is dropped goes with it.
            guard let now else { return nil }
            guard now == before || before?.identity != nil && now.identity == before?.identity else {
                guard before != nil else { return nil }
                throw conflict(name, "it was replaced by another transaction")
            }
            return .drop(name)
        }
        guard let origin = change.origin else {
            if case .object(.sequence(let mine)) = entry, case .object(.sequence(let theirs))? = now,
                mine.identity == theirs.identity
            {
                if now == before { return .put(name, entry) }
                // What another server has given may be what was given here.
                guard theirs.writer == mine.writer else {
                    throw conflict(name, "another server has counted on")
                }
                return .put(name, .object(.sequence(mine.joined(theirs))))
            }
            guard now == before || now == nil || now == entry else {
                throw conflict(
                    name,
                    before == nil ? "it was created by another transaction" : "it was changed by another transaction")
            }
            return .put(name, entry)
        }
        if name != origin, now != nil, now != before {
            throw conflict(name, "it was created or changed by another transaction")
        }
        guard let theirs = new[origin] else { throw conflict(origin, "it was dropped by another transaction") }
        if theirs == old[origin] { return .put(name, entry) }
        guard case .managed(let newer) = theirs, case .managed(let older)? = old[origin],
            newer.identity == older.identity
        else { throw conflict(origin, "it was replaced by another transaction") }
        return .put(name, .managed(try await replay(name, change.steps, onto: newer)))
    }

    private mutating func replay(
        _ name: TableName, _ steps: [TableStep], onto newer: ManagedDefinition
    ) async throws(SQLError) -> ManagedDefinition {
        if let known = replayed[name], known.onto == newer { return known.result }
        var definition = newer
        for step in steps {
            do throws(SQLError) {
                switch step {
                case .write(let write): definition = try await write.commit(onto: definition)
                case .alter(let alterations):
                    definition = try await engine.managed.alter(definition, named: name, alterations)
                }
            } catch {
                if error.state == .serializationFailure || error.state.code.hasPrefix("58") { throw error }
                throw conflict(name, error.message)
            }
        }
        replayed[name] = (newer, definition)
        return definition
    }

    private func conflict(_ name: TableName, _ reason: String) -> SQLError {
        SQLError(
            .serializationFailure, "could not serialize access to \"\(name)\": \(reason)",
            hint: "The transaction might succeed if retried.")
    }
}

extension Entry {
    /// What stays when a managed table is changed.
    fileprivate var identity: String? {
        if case .managed(let definition) = self { return definition.identity }
        return nil
    }
}

/// Lets the commits to one branch pass one at a time, in the order they came.
final class CommitGate: Sendable {
    /// Who waits, by branch; a branch without an entry is free.
    private let waiting = Mutex<[String: [CheckedContinuation<Void, Never>]]>([:])

    func enter(_ branch: String) async {
        await withCheckedContinuation { continuation in
            let isFree = waiting.withLock { waiting in
                guard waiting[branch] != nil else {
                    waiting[branch] = []
                    return true
                }
                waiting[branch]?.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    func leave(_ branch: String) {
        let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
            guard var queue = waiting[branch], !queue.isEmpty else {
                waiting[branch] = nil
                return nil
            }
            let first = queue.removeFirst()
            waiting[branch] = queue
            return first
        }
        next?.resume()
    }
}
