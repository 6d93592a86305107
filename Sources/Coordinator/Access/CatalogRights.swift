// Rights of users who come by another protocol than SQL: the same checks, table by table.
import Access
public import Catalogs
public import Diagnostics

/// What one user may do with the catalog.
public struct CatalogRights: Sendable {
    /// nil: everything.
    let access: AccessGuard?
    let catalog: any Versioned

    /// The number of the role that owns what the user makes; nil: the bootstrap user.
    public var owner: Int64? {
        guard let id = access?.who.id, id != EntryOwner.bootstrap else { return nil }
        return id
    }

    /// Throws 42501 unless a version may be read.
    public func requireReading(_ ref: Ref) async throws(SQLError) { try await access?.requireReading(ref, catalog) }

    /// Throws 42501 unless a whole table may be read: its files tell everything. Where row policies or masks hold, only
    /// the owner gets them.
    public func requireReading(_ name: TableName, _ entry: Entry) throws(SQLError) {
        guard let access else { return }
        let secured = AccessGuard.secured(name, entry)
        try access.require(.select, secured)
        if access.hidesRows(of: secured) {
            throw SQLError(
                .insufficientPrivilege, "permission denied for \(secured.what)",
                detail: "Row policies or column masks hold for it, which files know nothing of.")
        }
    }

    /// Whether a whole table may be read.
    public func mayRead(_ name: TableName, _ entry: Entry) -> Bool {
        do throws(SQLError) {
            try requireReading(name, entry)
            return true
        } catch {
            return false
        }
    }

    /// The refs that the user may know of.
    public func visible(_ refs: [NamedRef]) -> [NamedRef] { access?.visible(refs) ?? refs }

    /// Throws 42501 unless branches and tags may be made.
    public func requireCreating() throws(SQLError) { try access?.require(.create) }

    /// Throws 42501 unless a branch or tag is the user's own.
    public func requireOwner(of ref: NamedRef) throws(SQLError) { try access?.requireOwner(of: ref) }

    /// Throws 42501 unless files may be read that the server has keys for.
    public func requireServerFiles() throws(SQLError) {
        guard let access, !access.who.readsServerFiles else { return }
        throw SQLError(.insufficientPrivilege, "permission denied to read files of the server")
    }

    /// Throws 42501 unless the branch may be committed to.
    func requireCommitting(_ ref: NamedRef) throws(SQLError) { try access?.require(.commit, on: ref) }

    /// The changes with their owners, if the user may make them.
    func permitted(_ changes: [Change], at head: CommitID) async throws(SQLError) -> [Change] {
        guard let access else { return changes }
        var result: [Change] = []
        for change in changes {
            switch change {
            case .putSchema(var schema):
                schema.owner = try await catalog.schema(schema.name, at: head).map(\.owner) ?? owner
                result.append(.putSchema(schema))
            case .put(let name, let entry):
                let old = try await catalog.entries([name], at: head)[name]
                result.append(.put(name, owned(entry, instead: old)))
            case .drop, .dropSchema: result.append(change)
            }
        }
        try await access.requireRights(for: result, at: head, catalog)
        // A name that moves keeps its owner; what is new is the user's.
        let moved = Set(changes.compactMap { if case .drop(let name) = $0 { name } else { nil } })
        let left = try await catalog.entries(moved, at: head).values.map(\.owner)
        for case .put(_, let entry) in result where !access.who.has(entry.owner) && !left.contains(entry.owner) {
            let isOld = try await isHeld(entry, result, head)
            guard isOld else {
                throw SQLError(.insufficientPrivilege, "must be member of the role that owns the table")
            }
        }
        return result
    }

    /// Whether an entry takes the place of one with the same owner.
    private func isHeld(_ entry: Entry, _ changes: [Change], _ head: CommitID) async throws(SQLError) -> Bool {
        for case .put(let name, let put) in changes where put == entry {
            guard let old = try await catalog.entries([name], at: head)[name], old.owner == entry.owner else {
                return false
            }
        }
        return true
    }

    private func owned(_ entry: Entry, instead old: Entry?) -> Entry {
        let standing = old.map { $0.owner == EntryOwner.bootstrap ? nil : $0.owner } ?? owner
        switch entry {
        case .view(var view):
            view.owner = standing
            return .view(view)
        case .external(var definition):
            definition.owner = standing
            return .external(definition)
        case .object(var object):
            object.owner = standing
            return .object(object)
        case .managed(var definition):
            // Files that others write do not know of owners.
            if definition.owner == nil { definition.owner = standing }
            return .managed(definition)
        }
    }
}

extension Engine {
    /// Who owns what nobody else owns; the user of programs on this machine that need not say who they are, once roles
    /// are defined.
    public var bootstrapUser: String { users.superuser }

    /// What a user may do. Throws 28000 for one that is not known.
    public func rights(of user: String) async throws(SQLError) -> CatalogRights {
        try await access.refresh()
        let state = access.current
        guard !state.isOpen else { return CatalogRights(access: nil, catalog: catalog) }
        guard let who = state.standing(of: user) else {
            throw SQLError(.invalidAuthorization, "role \"\(user)\" does not exist")
        }
        return CatalogRights(
            access: AccessGuard(state: state, who: who, database: database), catalog: catalog)
    }

    /// The name under which an unnamed, trusted program acts.
    public func trustedUser(_ name: String) -> String { access.current.isOpen ? name : bootstrapUser }
}

extension Engine {
    /// Throws 42501 unless a user may merge into a branch.
    public func requireMerging(_ ref: NamedRef, as user: String) async throws(SQLError) {
        try await rights(of: user).access?.require(.merge, on: ref)
    }
}
