// Who a session is, and what that allows: the current user, SET ROLE, and the checks that statements ask for.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    /// Who logged in, or was set by SET SESSION AUTHORIZATION.
    var sessionUser: String { settings["session_authorization"] }

    /// Whose rights count.
    var currentUser: String {
        let role = settings["role"]
        return role == "none" || role.isEmpty ? sessionUser : role
    }

    /// Roles and rights as this session sees them: with what its transaction has changed.
    var access: AccessState { transaction?.accessView ?? engine.access.current }

    var standing: Standing {
        // A role that was dropped meanwhile can do what everybody can.
        access.standing(of: currentUser) ?? AccessState.nobody(currentUser)
    }

    /// nil while everybody may do everything.
    var accessGuard: AccessGuard? {
        let state = access
        // What a DROP takes along is not asked for its owner.
        guard !state.isOpen, !isCascading else { return nil }
        return AccessGuard(
            state: state, who: state.standing(of: currentUser) ?? AccessState.nobody(currentUser),
            database: engine.database)
    }

    /// The owner of what is made now; nil: the bootstrap user.
    var newOwner: Int64? {
        let id = standing.id
        return id == EntryOwner.bootstrap ? nil : id
    }

    /// Changes roles or rights: in a block with its other changes, outside of one at once.
    func changeAccess(_ edit: @escaping AccessEdit) async throws(SQLError) {
        guard !currentTransaction.isReadOnly else {
            throw SQLError(.readOnlyTransaction, "cannot change roles in a read-only transaction")
        }
        guard transaction != nil else { return try await engine.access.apply([edit]) }
        var view = access
        try edit(&view)
        transaction?.addAccess(edit, view)
    }

    // MARK: - SET ROLE

    /// Checks a new value of role or session_authorization.
    func checkUser(_ setting: String, _ value: String) throws(SQLError) -> String {
        let state = access
        if setting == "role", value.lowercased() == "none" { return "none" }
        // Without roles a name is only a name.
        guard !state.isOpen else { return value }
        guard let target = state.standing(of: value) else {
            throw SQLError(.invalidParameterValue, "role \"\(value)\" does not exist")
        }
        if setting == "role" {
            guard let own = state.standing(of: sessionUser), own.isMember(of: target.id) || own.name == value else {
                throw SQLError(.insufficientPrivilege, "permission denied to set role \"\(value)\"")
            }
        } else {
            // What counts is who logged in, not who he has become.
            guard user == value || state.standing(of: user)?.isSuperuser == true else {
                throw SQLError(.insufficientPrivilege, "permission denied to set session authorization")
            }
        }
        return value
    }

    /// Sets role or session_authorization; clients are told whether they are superuser now.
    func setUser(_ setting: String, _ value: String?, isLocal: Bool) throws(SQLError) {
        let checked = try value.map { (value) throws(SQLError) in try checkUser(setting, value) }
        if setting == "session_authorization" { settings.force("role", nil, isLocal: isLocal) }
        settings.force(setting, checked, isLocal: isLocal)
        settings.force("is_superuser", standing.isSuperuser ? "on" : "off", isLocal: isLocal)
    }

    // MARK: - Checks

    /// The branch, if it may be read.
    func requireReading(_ ref: Ref) async throws(SQLError) {
        try await accessGuard?.requireReading(ref, engine.catalog)
    }

    /// Requires a right on a branch, by name.
    func require(_ right: Rights, onBranch name: String) async throws(SQLError) {
        guard let access = accessGuard, !access.who.isSuperuser, Databases.name(ofBranch: name) == nil,
            let ref = try await engine.catalog.ref(.branch, name)
        else { return }
        try access.require(right, on: ref)
    }

    /// Only a superuser may do this.
    func requireSuperuser(_ what: String) throws(SQLError) {
        guard let access = accessGuard, !access.who.isSuperuser else { return }
        throw SQLError(.insufficientPrivilege, "must be superuser to \(what)")
    }

    /// Files of the server, and the stores that it has keys for.
    func requireServerFiles(writing: Bool) throws(SQLError) {
        guard let access = accessGuard else { return }
        guard writing ? access.who.writesServerFiles : access.who.readsServerFiles else {
            throw SQLError(
                .insufficientPrivilege, "permission denied to \(writing ? "write" : "read") files of the server",
                detail: "Only roles with the privileges of \"pg_\(writing ? "write" : "read")_server_files\" may.")
        }
    }
}

extension AccessState {
    /// A user who is not known any more.
    static func nobody(_ name: String) -> Standing { AccessState.powerless(name) }
}
