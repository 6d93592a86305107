// A transaction: one commit of the branch that all its statements see, and the changes it has made so far.
import Access
import Catalogs
import Diagnostics

/// The state of a transaction, explicit or implicit.
struct Transaction: Sendable {
    /// BEGIN was said.
    var isExplicit: Bool
    var isFailed = false
    var isReadOnly: Bool
    /// Branches and tags as first seen, by name: every later statement sees the same commits.
    var pinned: [Ref: CommitID] = [:]
    /// Not committed yet. All on ``branch``, those of temporary tables aside.
    private(set) var changes = TransactionChanges()
    /// The branch that the changes go to.
    private(set) var branch: String?
    /// Which dbt model made the changes, from which tables.
    var origin = CommitOrigin()
    /// The statements that made the changes: the commit's message.
    private(set) var message = ""
    /// Changes of roles and rights, and the state with them.
    private(set) var accessEdits: [AccessEdit] = []
    private(set) var accessView: AccessState?
    /// Every write of rows, in order: what ROLLBACK abandons.
    private(set) var writes: [any TableWrite] = []
    /// Every state of a table's metadata that CREATE and ALTER made, in order: what ROLLBACK forgets.
    private(set) var states: [MadeState] = []
    /// The state at each savepoint.
    private var savepoints: [Savepoint] = []

    private struct Savepoint: Sendable {
        var name: String
        var changes: TransactionChanges
        var branch: String?
        /// Writes and states.
        var made: (Int, Int)
        var accessEdits: Int
        var accessView: AccessState?
    }

    /// Settings to go back to on ROLLBACK.
    let settingsBefore: SessionSettings

    /// Savepoints in one transaction.
    static let savepointsMax = 10_000

    init(isExplicit: Bool, isReadOnly: Bool, settings: SessionSettings) {
        self.isExplicit = isExplicit
        self.isReadOnly = isReadOnly
        settingsBefore = settings
    }

    /// Changes something on a branch.
    mutating func change(on branch: String, _ body: (inout TransactionChanges) -> Void) throws(SQLError) {
        guard !isReadOnly else {
            throw SQLError(.readOnlyTransaction, "cannot change the catalog in a read-only transaction")
        }
        if let current = self.branch, current != branch {
            throw SQLError(
                .featureNotSupported, "a transaction changes one branch, or one attached database",
                detail: "This one has changed \"\(current)\" already.")
        }
        self.branch = branch
        body(&changes)
    }

    /// Changes a temporary table: allowed in read-only transactions, and on no branch.
    mutating func changeTemporary(_ body: (inout TransactionChanges) -> Void) { body(&changes) }

    /// Adds a statement's text to the message, as far as there is room.
    mutating func note(_ text: String) {
        guard message.count < Transaction.messageMax else { return }
        message += message.isEmpty ? text : ";\n" + text
        message = String(message.prefix(Transaction.messageMax))
    }

    /// Characters of a commit's message.
    private static let messageMax = 1_000

    /// Notes a write, to be abandoned when the transaction does not end well.
    mutating func keep(_ write: any TableWrite) { writes.append(write) }

    /// Notes a state of a table's metadata that was written, to be forgotten in the same way. `old`: the state it was made
    /// from; when nothing had to be written they are the same, and it stays.
    mutating func keep(_ definition: ManagedDefinition, from old: ManagedDefinition?, of format: any ManagedFormat) {
        guard definition.metadataLocation != old?.metadataLocation else { return }
        states.append(MadeState(format: format, definition: definition))
    }

    /// Notes a change of roles or rights, and what it makes of them.
    mutating func addAccess(_ edit: @escaping AccessEdit, _ view: AccessState) {
        accessEdits.append(edit)
        accessView = view
    }

    /// The commit of a branch that this transaction stands on.
    func base(of branch: String) -> CommitID? { pinned[.named(branch)] ?? pinned[.branch(branch)] }

    // MARK: - Savepoints

    mutating func savepoint(_ name: String) throws(SQLError) {
        guard savepoints.count < Transaction.savepointsMax else {
            throw SQLError(.programLimitExceeded, "too many savepoints")
        }
        savepoints.append(
            Savepoint(
                name: name, changes: changes, branch: branch, made: (writes.count, states.count),
                accessEdits: accessEdits.count,
                accessView: accessView))
    }

    mutating func release(_ name: String) throws(SQLError) {
        savepoints.removeSubrange(try index(of: name)...)
    }

    /// Goes back; returns what is undone.
    mutating func rollback(to name: String) throws(SQLError) -> (writes: [any TableWrite], states: [MadeState]) {
        let index = try index(of: name)
        let point = savepoints[index]
        changes = point.changes
        branch = point.branch
        accessEdits.removeSubrange(point.accessEdits...)
        accessView = point.accessView
        let undone = (Array(writes[point.made.0...]), Array(states[point.made.1...]))
        writes.removeSubrange(point.made.0...)
        states.removeSubrange(point.made.1...)
        savepoints.removeSubrange((index + 1)...)
        isFailed = false
        return undone
    }

    private func index(of name: String) throws(SQLError) -> Int {
        guard let index = savepoints.lastIndex(where: { $0.name == name }) else {
            throw SQLError(SQLState("3B001"), "savepoint \"\(name)\" does not exist")
        }
        return index
    }
}

/// A state of a table's metadata that was written for a transaction.
struct MadeState: Sendable {
    var format: any ManagedFormat
    var definition: ManagedDefinition
}

/// What a transaction has changed: the state of each name it touched, and how to get there again from another commit.
struct TransactionChanges: Sendable {
    private(set) var tables: [TableName: TableChange] = [:]
    /// nil: dropped.
    private(set) var schemas: [String: SchemaDefinition?] = [:]
    /// Schemas that were dropped at some time: what the branch has in them is gone.
    private(set) var droppedSchemas: Set<String> = []

    var isEmpty: Bool { tables.isEmpty && schemas.isEmpty }

    /// What the changes say about a name: an entry, nothing (dropped), or nil for not changed.
    func changed(_ name: TableName) -> Entry?? {
        if let change = tables[name] { return .some(change.entry) }
        return droppedSchemas.contains(name.schema) ? .some(nil) : nil
    }

    /// What the changes say about a schema.
    func changedSchema(_ name: String) -> SchemaDefinition?? { schemas[name] }

    mutating func putSchema(_ schema: SchemaDefinition) { schemas[schema.name] = .some(schema) }

    mutating func dropSchema(_ name: String) {
        schemas[name] = .some(nil)
        droppedSchemas.insert(name)
        for table in tables.keys where table.schema == name { tables[table] = nil }
    }

    /// Puts something new under a name, whatever was there.
    mutating func put(_ name: TableName, _ entry: Entry, _ steps: [TableStep] = []) {
        tables[name] = TableChange(entry: entry, origin: nil, steps: steps)
    }

    mutating func drop(_ name: TableName) { tables[name] = TableChange(entry: nil, origin: nil, steps: []) }

    /// Changes a managed table: `step` made `definition` from what was there.
    mutating func alter(_ name: TableName, _ definition: ManagedDefinition, _ step: TableStep) {
        var change = tables[name] ?? TableChange(entry: nil, origin: name, steps: [])
        change.entry = .managed(definition)
        change.steps.append(step)
        tables[name] = change
    }

    /// Moves what is under a name.
    mutating func rename(_ old: TableName, to new: TableName, _ entry: Entry) {
        var change = tables[old] ?? TableChange(entry: entry, origin: old, steps: [])
        change.entry = entry
        tables[new] = change
        tables[old] = TableChange(entry: nil, origin: nil, steps: [])
    }

    /// Forgets what was done to a name.
    mutating func forget(_ name: TableName) { tables[name] = nil }
}

/// What a transaction has done to one name.
struct TableChange: Sendable {
    /// nil: dropped, or renamed.
    var entry: Entry?
    /// The name under which the branch has the table that was changed or renamed; nil: the entry is new.
    var origin: TableName?
    /// How the entry came about from the branch's, or from a new table.
    var steps: [TableStep]
}

/// One step from a state of a managed table to the next, that can be taken again from another state.
enum TableStep: Sendable {
    case write(any TableWrite)
    case alter([TableAlteration])
}
