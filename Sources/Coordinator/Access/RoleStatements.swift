// CREATE, ALTER and DROP ROLE, memberships, REASSIGN OWNED and DROP OWNED.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

extension Session {
    func changeAccess(_ statement: AccessStatement) async throws(SQLError) -> any ResultStream {
        let who = standing
        switch statement {
        case .createRole(let name, let options): try await createRole(name, options, who)
        case .alterRole(let role, let options):
            let name = try name(role)
            let change = try change(options, of: name)
            try await changeAccess { (state) throws(SQLError) in try state.alterRole(name, change, by: who) }
        case .renameRole(let old, let new):
            let user = sessionUser
            try await changeAccess { (state) throws(SQLError) in
                try state.renameRole(old.value, to: new.value, by: who, sessionUser: user)
            }
        case .setDefault(let role, let database, let set): try await setDefault(role, database, set, who)
        case .resetDefault(let role, let database, let setting):
            try check(database)
            let name = try role.map { (role) throws(SQLError) in try self.name(role) }
            try await changeSetting(name, setting?.value.lowercased(), to: nil, who)
        case .dropRoles(let roles, let ifExists): try await dropRoles(roles, ifExists, who)
        case .memberships(let groups, let members, let isGrant, let admin):
            try await changeMemberships(groups, members, isGrant, admin, who)
        case .grant(let grant): try await self.grant(grant)
        case .defaults(let roles, let schemas, let grant): try await changeDefaults(roles, schemas, grant)
        case .owner(let owned, let role): try await changeOwner(owned, role)
        case .reassignOwned(let roles, let role): try await reassignOwned(roles, role)
        case .dropOwned(let roles): try await dropOwned(roles)
        case .policy(let policy): try await changePolicy(policy)
        }
        return done(statement.tag)
    }

    /// The name that a statement means.
    func name(_ role: RoleName) throws(SQLError) -> String {
        switch role {
        case .named(let name): return name.value
        case .currentUser: return currentUser
        case .sessionUser: return sessionUser
        case .everybody: throw AccessState.undefined("public")
        }
    }

    /// The number of a role, or of everybody.
    func number(_ role: RoleName) throws(SQLError) -> RoleID {
        if case .everybody = role { return KnownRole.everybody }
        let name = try name(role)
        // While no role is defined, who is logged in is the bootstrap user.
        if access.isOpen, name == currentUser { return KnownRole.bootstrap }
        return try access.requireID(of: name)
    }

    func warn(_ text: String, _ state: SQLState = .successfulCompletion, _ severity: SQLNotice.Severity = .notice) {
        notices.append(SQLNotice(severity, SQLError(state, text)))
    }

    // MARK: - Create and alter

    private func createRole(_ name: Identifier, _ options: RoleOptions, _ who: Standing) async throws(SQLError) {
        var change = try change(options, of: name.value)
        if change.inherits == nil { change.inherits = true }
        let made = change
        var groups: [String] = []
        for role in options.groups { groups.append(try self.name(role)) }
        var members: [(name: String, isAdmin: Bool)] = []
        for role in options.members { members.append((try self.name(role), false)) }
        for role in options.admins { members.append((try self.name(role), true)) }
        let (inside, outside) = (groups, members)
        try await changeAccess { (state) throws(SQLError) in
            try state.createRole(name.value, made, by: who)
            for group in inside { _ = try state.grant(role: group, to: name.value, admin: false, by: who) }
            for member in outside {
                _ = try state.grant(role: name.value, to: member.name, admin: member.isAdmin, by: who)
            }
        }
    }

    /// Options with the password as it is kept: nothing keeps the password itself.
    private func change(_ options: RoleOptions, of name: String) throws(SQLError) -> RoleChange {
        var change = RoleChange()
        change.isSuperuser = options.isSuperuser
        change.inherits = options.inherits
        change.canCreateRoles = options.canCreateRoles
        change.canCreateDatabases = options.canCreateDatabases
        change.canLogin = options.canLogin
        change.canReplicate = options.canReplicate
        change.bypassesRowSecurity = options.bypassesRowSecurity
        change.connectionLimit = options.connectionLimit
        switch options.password {
        case nil: break
        case RoleOptions.Password.none?: change.verifier = .some(nil)
        case .text(let password)?:
            guard password.utf8.count <= Session.passwordBytesMax else {
                throw SQLError(.invalidParameterValue, "a password has at most \(Session.passwordBytesMax) bytes")
            }
            let kept = StoredPassword.stored(password, user: name, md5: settings["password_encryption"] == "md5")
            if kept == nil { warn("empty string is not a valid password, clearing password") }
            change.verifier = .some(kept)
        }
        if let text = options.validUntil {
            if ["infinity", ""].contains(text.lowercased()) {
                change.validUntil = .some(nil)
            } else {
                let literal = Expression(.string(text), position: 0)
                let value = try Binder.value(of: literal, as: .timestamptz, context: planContext())
                guard case .int(let microseconds) = value.value else {
                    throw SQLError(.invalidParameterValue, "VALID UNTIL needs a time")
                }
                change.validUntil = .some(microseconds)
            }
        }
        return change
    }

    /// Longer ones would only cost time.
    private static let passwordBytesMax = 1_024

    private func check(_ database: Identifier?) throws(SQLError) {
        guard let database, database.value != engine.database else { return }
        throw SQLError(
            .invalidDatabase, "database \"\(database.value)\" does not exist", position: database.position)
    }

    /// A setting of a role's sessions, or of everybody's.
    private func changeSetting(
        _ name: String?, _ setting: String?, to value: String?, _ who: Standing
    ) async throws(SQLError) {
        try await changeAccess { (state) throws(SQLError) in
            if let name {
                try state.alterRole(name, setting: setting, to: value, by: who)
            } else {
                try state.alterAllRoles(setting: setting, to: value, by: who)
            }
        }
    }

    private func setDefault(
        _ role: RoleName?, _ database: Identifier?, _ set: Statement.SetVariable, _ who: Standing
    ) async throws(SQLError) {
        try check(database)
        let name = try role.map { (role) throws(SQLError) in try self.name(role) }
        let setting = try Settings.find(set.name.value)
        let key = setting.name.lowercased()
        guard key != "session_authorization", key != "transaction", key != "session characteristics" else {
            throw SQLError(SQLState("55P02"), "parameter \"\(set.name.value)\" cannot be set for a role")
        }
        var words: [String] = []
        for value in set.values {
            switch value {
            case .text(let text), .number(let text): words.append(text)
            case .defaultValue:
                return try await changeSetting(name, key, to: nil, who)
            }
        }
        if key == "search_path" {
            words = words.map { $0.contains(",") || $0 != $0.lowercased() ? "\"\($0)\"" : $0 }
        }
        let value = try setting.check(words.joined(separator: ", "))
        try await changeSetting(name, key, to: value, who)
    }

    // MARK: - Drop

    private func dropRoles(_ roles: [RoleName], _ ifExists: Bool, _ who: Standing) async throws(SQLError) {
        let user = sessionUser
        for role in roles {
            let name = try name(role)
            guard access.id(of: name) != nil || !ifExists else {
                warn("role \"\(name)\" does not exist, skipping")
                continue
            }
            let owned: [String]
            if let id = access.role(named: name)?.id { owned = try await self.owned(by: [id]) } else { owned = [] }
            let gone = try await gone(access.id(of: name).map { access.recorded(naming: $0) } ?? [])
            try await changeAccess { (state) throws(SQLError) in
                for object in gone { state.forget(object) }
                try state.dropRole(name, by: who, sessionUser: user, owned: owned)
            }
        }
    }

    /// Relations and schemas that no branch has any more: rights on them hold nobody.
    private func gone(_ objects: [SecuredObject]) async throws(SQLError) -> [SecuredObject] {
        let branches = try await engine.catalog.refs().filter { $0.kind == .branch }
        var gone: [SecuredObject] = []
        for object in objects where object.database.isEmpty {
            var name = TableName(schema: object.schema, name: object.name)
            switch object.kind {
            case .schema, .relation: break
            case .sequence: name = .object(.sequence, schema: object.schema, name: object.name)
            case .type: name = .object(.type, schema: object.schema, name: object.name)
            case .function:
                name = .object(.function, schema: object.schema, name: String(object.name.prefix { $0 != "(" }))
            case .database, .branch: continue
            }
            var isThere = false
            for branch in branches where !isThere {
                // The session's branch with what this transaction has done to it.
                let own = own(branch.name)?.changes
                if object.kind == .schema {
                    if let changed = own?.changedSchema(object.name) {
                        isThere = changed != nil
                    } else {
                        isThere = try await engine.catalog.schema(object.name, at: branch.head) != nil
                    }
                } else {
                    var entry = own?.changed(name)
                    if entry == nil { entry = .some(try await engine.catalog.entries([name], at: branch.head)[name]) }
                    isThere = entry??.holds(object, name) ?? false
                }
            }
            if !isThere { gone.append(object) }
        }
        return gone
    }

    /// Objects that are listed at most.
    private static let ownedMax = 100

    /// What roles own on any branch, for people.
    private func owned(by roles: Set<RoleID>) async throws(SQLError) -> [String] {
        let catalog = engine.catalog
        let branches = try await catalog.refs()
        var found: Set<String> = []
        for ref in branches where ref.options.owner.map({ roles.contains($0) }) == true {
            found.insert("\(ref.kind.rawValue) \(ref.name)")
        }
        // One branch whole, the others as far as they differ from it.
        guard let first = branches.first(where: { $0.kind == .branch }) else { return found.sorted() }
        for schema in try await catalog.schemas(at: first.head) {
            if let owner = schema.owner, roles.contains(owner) { found.insert("schema \(schema.name)") }
            let names = try await catalog.names(in: schema.name, at: first.head)
            let objects = try await catalog.objects(in: schema.name, at: first.head)
            for (name, entry) in try await catalog.entries(Set(names + objects), at: first.head)
            where roles.contains(entry.owner) {
                found.insert(Session.described(name, entry))
            }
        }
        for ref in branches where ref.kind == .branch && ref.name != first.name && found.count < Session.ownedMax {
            for difference in try await catalog.differences(from: first.head, to: ref.head) {
                switch difference {
                case .schema(let name, _, let after?):
                    if let owner = after.owner, roles.contains(owner) {
                        found.insert("schema \(name) on branch \(ref.name)")
                    }
                case .entry(let name, _, let after?):
                    guard roles.contains(after.owner) else { break }
                    found.insert("\(Session.described(name, after)) on branch \(ref.name)")
                case .schema, .entry: break
                }
            }
        }
        return Array(found.sorted().prefix(Session.ownedMax))
    }

    private static func described(_ name: TableName, _ entry: Entry) -> String {
        guard name.isObject else { return "table \(name)" }
        return "\(AccessGuard.secured(name, entry).kind) \(TableName(schema: name.schema, name: name.objectName))"
    }

    // MARK: - Memberships

    private func changeMemberships(
        _ groups: [Identifier], _ members: [RoleName], _ isGrant: Bool, _ admin: Bool, _ who: Standing
    ) async throws(SQLError) {
        for group in groups {
            for member in members {
                let name = try name(member)
                var probe = access
                // A notice is found out beside the change, which may be made again.
                let notice =
                    isGrant
                    ? try probe.grant(role: group.value, to: name, admin: admin, by: who)
                    : try probe.revoke(role: group.value, from: name, adminOnly: admin, by: who)
                if let notice {
                    warn(notice, .successfulCompletion, isGrant ? .notice : .warning)
                    continue
                }
                try await changeAccess { (state) throws(SQLError) in
                    _ =
                        isGrant
                        ? try state.grant(role: group.value, to: name, admin: admin, by: who)
                        : try state.revoke(role: group.value, from: name, adminOnly: admin, by: who)
                }
            }
        }
    }

    // MARK: - REASSIGN OWNED, DROP OWNED

    /// What some roles own on the session's branch.
    private func ownedHere(
        _ roles: Set<RoleID>
    ) async throws(SQLError) -> (schemas: [SchemaDefinition], relations: [(name: TableName, entry: Entry)]) {
        let commit = try await head()
        var schemas: [SchemaDefinition] = []
        var relations: [(name: TableName, entry: Entry)] = []
        for schema in try await databases.schemas(at: commit) {
            if let owner = schema.owner, roles.contains(owner) { schemas.append(schema) }
            let names = try await tableNames(in: schema.name, on: branch)
            for name in names {
                let place = NewPlace(name: name, branch: branch)
                guard let entry = try await self.entry(at: place), roles.contains(entry.owner) else { continue }
                relations.append((name, entry))
            }
            for (name, object) in try await objects(in: schema.name) {
                let entry = Entry.object(object)
                var isOwned = roles.contains(entry.owner)
                if case .functions(let functions) = object {
                    isOwned = functions.contains { roles.contains($0.owner ?? EntryOwner.bootstrap) }
                }
                if isOwned { relations.append((name, entry)) }
            }
        }
        return (schemas, relations)
    }

    private func numbers(_ roles: [RoleName]) throws(SQLError) -> Set<RoleID> {
        var numbers: Set<RoleID> = []
        for role in roles {
            let id = try number(role)
            guard standing.isMember(of: id) else {
                throw SQLError(.insufficientPrivilege, "permission denied to reassign objects")
            }
            guard id != KnownRole.bootstrap, id != KnownRole.everybody else {
                throw SQLError(
                    SQLState("2BP01"),
                    "cannot reassign ownership of objects owned by role \(try name(role)) because "
                        + "they are required by the database system")
            }
            numbers.insert(id)
        }
        return numbers
    }

    private func reassignOwned(_ roles: [RoleName], _ role: RoleName) async throws(SQLError) {
        let old = try numbers(roles)
        let new = try number(role)
        guard standing.isMember(of: new) else {
            throw SQLError(.insufficientPrivilege, "permission denied to reassign objects")
        }
        _ = try await changing("REASSIGN OWNED") { () async throws(SQLError) -> any ResultStream in
            let branch = try await requireBranch(.named(self.branch))
            let found = try await ownedHere(old)
            for schema in found.schemas { try await give(schema, on: branch, to: new) }
            for relation in found.relations {
                let place = NewPlace(name: relation.name, branch: branch)
                if case .object(.functions(let functions)) = relation.entry {
                    try await give(functions, of: old, at: place, to: new)
                } else {
                    try await give(place, relation.entry, to: new)
                }
            }
            return done("REASSIGN OWNED")
        }
        for ref in try await engine.catalog.refs() where ref.options.owner.map({ old.contains($0) }) == true {
            try await give(ref, to: new)
        }
    }

    private func dropOwned(_ roles: [RoleName]) async throws(SQLError) {
        let old = try numbers(roles)
        _ = try await changing("DROP OWNED") { () async throws(SQLError) -> any ResultStream in
            let found = try await ownedHere(old)
            if !found.relations.isEmpty || !found.schemas.isEmpty {
                let branch = try await requireBranch(.named(self.branch))
                for relation in found.relations {
                    var left: [FunctionDefinition] = []
                    if case .object(.functions(let functions)) = relation.entry {
                        left = functions.filter { !old.contains($0.owner ?? EntryOwner.bootstrap) }
                    }
                    let others = left
                    try record(relation.name, branch) {
                        if others.isEmpty {
                            $0.drop(relation.name)
                        } else {
                            $0.put(relation.name, .object(.functions(others)))
                        }
                    }
                }
                for schema in found.schemas {
                    guard try await tableNames(in: schema.name, on: branch).isEmpty else {
                        throw SQLError(
                            SQLState("2BP01"),
                            "cannot drop schema \(schema.name) because other objects depend on it")
                    }
                    try transaction?.change(on: branch) { $0.dropSchema(schema.name) }
                }
            }
            try await changeAccess { (state) throws(SQLError) in for role in old { state.revokeAll(from: role) } }
            return done("DROP OWNED")
        }
    }
}

extension Entry {
    /// Whether an entry is, or has, what rights are kept for.
    fileprivate func holds(_ object: SecuredObject, _ name: TableName) -> Bool {
        guard object.kind == .function else { return true }
        guard case .object(.functions(let functions)) = self else { return false }
        return functions.contains { AccessGuard.secured($0, name.schema, name.objectName).object.name == object.name }
    }
}
