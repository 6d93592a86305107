// A transaction: one commit of the branch that all its statements see, and the changes it has made so far.
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
    /// Not committed yet. All on ``branch``.
    private(set) var changes: [Change] = []
    /// The branch that the changes go to.
    private(set) var branch: String?
    /// Changes at the time of each savepoint.
    private var savepoints: [(name: String, count: Int)] = []
    /// Settings to go back to on ROLLBACK.
    let settingsBefore: SessionSettings

    /// Savepoints in one transaction.
    static let savepointsMax = 10_000

    init(isExplicit: Bool, isReadOnly: Bool, settings: SessionSettings) {
        self.isExplicit = isExplicit
        self.isReadOnly = isReadOnly
        settingsBefore = settings
    }

    /// Adds changes to a branch.
    mutating func add(_ more: [Change], to branch: String) throws(SQLError) {
        guard !isReadOnly else {
            throw SQLError(.readOnlyTransaction, "cannot change the catalog in a read-only transaction")
        }
        if let current = self.branch, current != branch {
            throw SQLError(
                .featureNotSupported, "a transaction changes one branch",
                detail: "This one has changed \"\(current)\" already.")
        }
        self.branch = branch
        changes += more
    }

    /// What the changes say about a name: an entry, nothing (dropped), or nil for not changed.
    func changed(_ name: TableName) -> Entry?? {
        for change in changes.reversed() {
            switch change {
            case .put(let changed, let entry) where changed == name: return .some(entry)
            case .drop(let changed) where changed == name: return .some(nil)
            case .dropSchema(let schema) where schema == name.schema: return .some(nil)
            default: continue
            }
        }
        return nil
    }

    /// What the changes say about a schema.
    func changedSchema(_ name: String) -> SchemaDefinition?? {
        for change in changes.reversed() {
            switch change {
            case .putSchema(let definition) where definition.name == name: return .some(definition)
            case .dropSchema(let dropped) where dropped == name: return .some(nil)
            default: continue
            }
        }
        return nil
    }

    mutating func savepoint(_ name: String) throws(SQLError) {
        guard savepoints.count < Transaction.savepointsMax else {
            throw SQLError(.programLimitExceeded, "too many savepoints")
        }
        savepoints.append((name, changes.count))
    }

    mutating func release(_ name: String) throws(SQLError) {
        savepoints.removeSubrange(try index(of: name)...)
    }

    mutating func rollback(to name: String) throws(SQLError) {
        let index = try index(of: name)
        changes.removeSubrange(savepoints[index].count...)
        savepoints.removeSubrange((index + 1)...)
        isFailed = false
    }

    private func index(of name: String) throws(SQLError) -> Int {
        guard let index = savepoints.lastIndex(where: { $0.name == name }) else {
            throw SQLError(SQLState("3B001"), "savepoint \"\(name)\" does not exist")
        }
        return index
    }
}
