// What a merge, a revert or a cherry-pick changes on its target is asked for table by table, as it is of statements.
import Access
import Catalogs
import Diagnostics

extension Session {
    /// Checks that the user may make these changes to a state of a branch.
    func requireRights(for changes: [Change], at head: CommitID) async throws(SQLError) {
        try await accessGuard?.requireRights(for: changes, at: head, engine.catalog)
    }
}

extension AccessGuard {
    func requireRights(for changes: [Change], at head: CommitID, _ catalog: any Versioned) async throws(SQLError) {
        guard !who.isSuperuser else { return }
        var names: Set<TableName> = []
        for change in changes {
            switch change {
            case .put(let name, _), .drop(let name): names.insert(name)
            case .putSchema, .dropSchema: break
            }
        }
        let entries = try await catalog.entries(names, at: head)
        var made: [String: SchemaDefinition] = [:]
        for change in changes {
            switch change {
            case .putSchema(let new):
                if let old = try await catalog.schema(new.name, at: head) {
                    try requireOwner(of: old)
                } else {
                    try require(.create)
                    made[new.name] = new
                }
            case .dropSchema(let name):
                if let old = try await catalog.schema(name, at: head) { try requireOwner(of: old) }
            case .drop(let name):
                guard let old = entries[name] else { continue }
                try requireOwner(
                    AccessGuard.secured(name, old), orSchema: try await catalog.schema(name.schema, at: head))
            case .put(let name, let entry):
                if let old = entries[name] {
                    try requireReplacing(old, with: entry, name)
                    continue
                }
                // What comes in by a new schema was asked for with it.
                guard made[name.schema] == nil, let schema = try await catalog.schema(name.schema, at: head) else {
                    continue
                }
                try require(.create, on: schema)
            }
        }
    }

    /// New rows of the same table need rights on rows; anything else is the owner's.
    private func requireReplacing(_ old: Entry, with new: Entry, _ name: TableName) throws(SQLError) {
        let secured = AccessGuard.secured(name, old)
        if who.has(secured.object.owner) { return }
        guard case .managed(let before) = old, case .managed(let after) = new, before.identity == after.identity,
            before.owner == after.owner
        else { return try requireOwner(secured) }
        for right in [Rights.insert, .update, .delete] { try require(right, secured) }
    }
}
