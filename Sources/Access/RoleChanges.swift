// CREATE, ALTER and DROP ROLE and memberships: what may be done, by whom, with PostgreSQL's errors.
public import Diagnostics

/// Attributes that CREATE or ALTER ROLE gives; nil: not said.
public struct RoleChange: Sendable {
    public var isSuperuser: Bool?
    public var inherits: Bool?
    public var canCreateRoles: Bool?
    public var canCreateDatabases: Bool?
    public var canLogin: Bool?
    public var canReplicate: Bool?
    public var bypassesRowSecurity: Bool?
    public var connectionLimit: Int?
    /// A verifier; `.some(nil)` removes the password.
    public var verifier: String??
    /// Microseconds since 1970 UTC; `.some(nil)`: for ever.
    public var validUntil: Int64??
    public init() {}

    /// Whether only the password is changed: what everybody may do to himself.
    var isPasswordOnly: Bool {
        isSuperuser == nil && inherits == nil && canCreateRoles == nil && canCreateDatabases == nil && canLogin == nil
            && canReplicate == nil && bypassesRowSecurity == nil && connectionLimit == nil && validUntil == nil
    }

    func apply(to role: inout Role) {
        if let isSuperuser { role.isSuperuser = isSuperuser }
        if let inherits { role.inherits = inherits }
        if let canCreateRoles { role.canCreateRoles = canCreateRoles }
        if let canCreateDatabases { role.canCreateDatabases = canCreateDatabases }
        if let canLogin { role.canLogin = canLogin }
        if let canReplicate { role.canReplicate = canReplicate }
        if let bypassesRowSecurity { role.bypassesRowSecurity = bypassesRowSecurity }
        if let connectionLimit { role.connectionLimit = connectionLimit }
        if let verifier { role.verifier = verifier }
        if let validUntil { role.validUntil = validUntil }
    }
}

extension AccessState {
    static func denied(_ message: String, detail: String? = nil) -> SQLError {
        SQLError(.insufficientPrivilege, message, detail: detail)
    }

    /// PostgreSQL's error for a role that is not there.
    public static func undefined(_ name: String) -> SQLError {
        SQLError(.undefinedObject, "role \"\(name)\" does not exist")
    }

    /// A role that statements may change.
    func changeable(_ name: String) throws(SQLError) -> Role {
        if let role = role(named: name) { return role }
        guard id(of: name) == nil else {
            throw SQLError(
                .featureNotSupported, "role \"\(name)\" cannot be changed",
                detail: "It is defined by the server, or by its configuration.")
        }
        throw AccessState.undefined(name)
    }

    /// The number of a role that is named somewhere.
    public func requireID(of name: String) throws(SQLError) -> RoleID {
        guard let id = id(of: name) else { throw AccessState.undefined(name) }
        return id
    }

    // MARK: - Create

    public mutating func createRole(
        _ name: String, _ change: RoleChange, by who: Standing
    ) throws(SQLError) {
        if !who.isSuperuser {
            if change.isSuperuser == true { throw AccessState.denied("must be superuser to create superusers") }
            if change.canReplicate == true { throw AccessState.denied("must be superuser to create replication users") }
            if change.bypassesRowSecurity == true {
                throw AccessState.denied("must be superuser to create bypassrls users")
            }
            guard who.canCreateRoles else { throw AccessState.denied("permission denied to create role") }
        }
        try checkName(name)
        guard roles.count < AccessState.rolesMax else {
            throw SQLError(.programLimitExceeded, "a lake has at most \(AccessState.rolesMax) roles")
        }
        // Until now everybody could do everything: who makes the first role stays one who can.
        if isOpen, who.id == KnownRole.bootstrap, !configured.contains(who.name), who.name != name {
            var own = Role(id: number(), name: who.name)
            own.isSuperuser = true
            own.canLogin = true
            own.canCreateRoles = true
            own.canCreateDatabases = true
            own.bypassesRowSecurity = true
            put(own)
        }
        var role = Role(id: number(), name: name)
        change.apply(to: &role)
        put(role)
    }

    private func checkName(_ name: String) throws(SQLError) {
        guard !name.isEmpty, !name.hasPrefix("pg_"), name != "public", name != "none" else {
            throw SQLError(
                SQLState("42939"), "role name \"\(name)\" is reserved",
                detail: name.hasPrefix("pg_") ? "Role names starting with \"pg_\" are reserved." : nil)
        }
        guard id(of: name) == nil else {
            throw SQLError(.duplicateObject, "role \"\(name)\" already exists")
        }
    }

    // MARK: - Alter

    public mutating func alterRole(
        _ name: String, _ change: RoleChange, by who: Standing
    ) throws(SQLError) {
        var role = try changeable(name)
        if !who.isSuperuser {
            guard !role.isSuperuser, change.isSuperuser == nil else {
                throw AccessState.denied(
                    "must be superuser to alter superuser roles or change superuser attribute")
            }
            guard !role.canReplicate, change.canReplicate == nil else {
                throw AccessState.denied(
                    "must be superuser to alter replication roles or change replication attribute")
            }
            guard change.bypassesRowSecurity == nil else {
                throw AccessState.denied("must be superuser to change bypassrls attribute")
            }
            guard who.canCreateRoles || role.id == who.id && change.isPasswordOnly else {
                throw AccessState.denied("permission denied")
            }
        }
        change.apply(to: &role)
        put(role)
    }

    /// Sets or removes a setting of sessions to come; nil name: all.
    public mutating func alterRole(
        _ name: String, setting: String?, to value: String?, by who: Standing
    ) throws(SQLError) {
        var role = try changeable(name)
        if !who.isSuperuser {
            guard !role.isSuperuser else { throw AccessState.denied("must be superuser to alter superusers") }
            guard who.canCreateRoles || role.id == who.id else { throw AccessState.denied("permission denied") }
        }
        if let setting {
            role.settings.removeAll { $0.name == setting }
            if let value { role.settings.append(RoleSetting(name: setting, value: value)) }
        } else {
            role.settings = []
        }
        put(role)
    }

    public mutating func renameRole(
        _ name: String, to new: String, by who: Standing, sessionUser: String
    ) throws(SQLError) {
        var role = try changeable(name)
        guard name != sessionUser else {
            throw SQLError(.featureNotSupported, "session user cannot be renamed")
        }
        guard name != who.name else { throw SQLError(.featureNotSupported, "current user cannot be renamed") }
        try checkName(new)
        if !who.isSuperuser {
            guard !role.isSuperuser else { throw AccessState.denied("must be superuser to rename superusers") }
            guard who.canCreateRoles else { throw AccessState.denied("permission denied to rename role") }
        }
        // An md5 hash has the name in it.
        if role.verifier?.hasPrefix("md5") == true { role.verifier = nil }
        role.name = new
        put(role)
    }

    public mutating func comment(on name: String, _ text: String?, by who: Standing) throws(SQLError) {
        var role = try changeable(name)
        guard who.isSuperuser || who.canCreateRoles && !role.isSuperuser else {
            throw AccessState.denied("must have CREATEROLE privilege")
        }
        role.comment = text
        put(role)
    }

    // MARK: - Drop

    /// `owned`: what the role owns, for people. Throws 2BP01 when something depends on it.
    public mutating func dropRole(
        _ name: String, by who: Standing, sessionUser: String, owned: [String]
    ) throws(SQLError) {
        let role = try changeable(name)
        guard who.canCreateRoles || who.isSuperuser else { throw AccessState.denied("permission denied to drop role") }
        guard name != who.name else { throw SQLError(.objectInUse, "current user cannot be dropped") }
        guard name != sessionUser else { throw SQLError(.objectInUse, "session user cannot be dropped") }
        guard who.isSuperuser || !role.isSuperuser else {
            throw AccessState.denied("must be superuser to drop superusers")
        }
        var reasons = owned.map { "owner of \($0)" }
        for object in recorded {
            if rights(of: object).names(role.id) { reasons.append("privileges for \(object.described)") }
        }
        for entry in defaults where entry.role == role.id || entry.items.contains(where: { $0.grantee == role.id }) {
            reasons.append("default privileges")
        }
        for (key, policy) in policies where policy.policies.contains(where: { $0.roles.contains(role.id) }) {
            reasons.append("target of a policy on \(SecuredObject(key: key)?.described ?? key)")
        }
        guard reasons.isEmpty else {
            var lines = reasons.sorted().prefix(AccessState.reasonsShown)
            if reasons.count > lines.count { lines.append("and \(reasons.count - lines.count) more") }
            throw SQLError(
                SQLState("2BP01"), "role \"\(name)\" cannot be dropped because some objects depend on it",
                detail: lines.joined(separator: "\n"))
        }
        for var member in roles.values where member.memberships.contains(where: { $0.role == role.id }) {
            member.memberships.removeAll { $0.role == role.id }
            put(member)
        }
        remove(role)
    }

    private static let reasonsShown = 20

    // MARK: - Memberships

    /// Makes one role a member of another; returns a notice when it is already.
    public mutating func grant(
        role granted: String, to name: String, admin: Bool, by who: Standing
    ) throws(SQLError) -> String? {
        let role = try requireID(of: granted)
        var member = try changeable(name)
        try mayGrant(role, granted, who)
        guard role != member.id else {
            throw SQLError(SQLState("0LP01"), "role \"\(granted)\" is a member of role \"\(name)\"")
        }
        guard roles[role] == nil || !standing(of: role).memberOf.contains(member.id) else {
            throw SQLError(SQLState("0LP01"), "role \"\(granted)\" is a member of role \"\(name)\"")
        }
        if let place = member.memberships.firstIndex(where: { $0.role == role }) {
            guard admin, !member.memberships[place].isAdmin else {
                return "role \"\(name)\" is already a member of role \"\(granted)\""
            }
            member.memberships[place].isAdmin = true
        } else {
            member.memberships.append(Membership(role: role, grantor: who.id, isAdmin: admin))
        }
        put(member)
        return nil
    }

    /// Ends a membership; returns a warning when there is none.
    public mutating func revoke(
        role granted: String, from name: String, adminOnly: Bool, by who: Standing
    ) throws(SQLError) -> String? {
        let role = try requireID(of: granted)
        var member = try changeable(name)
        try mayGrant(role, granted, who)
        guard let place = member.memberships.firstIndex(where: { $0.role == role }) else {
            return "role \"\(name)\" is not a member of role \"\(granted)\""
        }
        if adminOnly {
            member.memberships[place].isAdmin = false
        } else {
            member.memberships.remove(at: place)
        }
        put(member)
        return nil
    }

    private func mayGrant(_ role: RoleID, _ name: String, _ who: Standing) throws(SQLError) {
        guard role != KnownRole.bootstrap else {
            guard !who.isSuperuser else { return }
            throw AccessState.denied("must be superuser to alter superusers")
        }
        if who.isSuperuser { return }
        if roles[role]?.isSuperuser == true { throw AccessState.denied("must be superuser to alter superusers") }
        // PostgreSQL's own roles reach further than CREATEROLE does: only superusers hand them out.
        let isOwn = roles[role] != nil
        let isAdmin = who.inherited.contains { id in
            roles[id]?.memberships.contains { $0.role == role && $0.isAdmin } ?? false
        }
        guard isOwn && who.canCreateRoles || isAdmin else {
            throw AccessState.denied("must have admin option on role \"\(name)\"")
        }
    }
}

extension ObjectRights {
    /// Whether a role gives or has something here.
    func names(_ role: RoleID) -> Bool {
        (items + columns.values.joined()).contains { $0.grantee == role || $0.grantor == role }
    }
}

extension SecuredObject {
    /// As errors speak of it.
    public var described: String {
        switch kind {
        case .database: "database \(name)"
        case .schema: "schema \(name)"
        case .relation: "table \(schema).\(name)"
        case .branch: "branch \(name)"
        case .sequence: "sequence \(schema).\(name)"
        case .function: "function \(schema).\(name)"
        case .type: "type \(schema).\(name)"
        }
    }
}
