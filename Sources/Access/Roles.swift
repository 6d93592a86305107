// Roles as the catalog keeps them, and what one of them amounts to with all that it is a member of.
import Diagnostics

/// A role.
public struct Role: Hashable, Sendable, Codable {
    public var id: RoleID
    public var name: String
    public var isSuperuser = false
    public var inherits = true
    public var canCreateRoles = false
    public var canCreateDatabases = false
    public var canLogin = false
    public var canReplicate = false
    public var bypassesRowSecurity = false
    /// -1: no limit.
    public var connectionLimit = -1
    /// A verifier as pg_authid.rolpassword has it; nil: no password fits.
    public var verifier: String?
    /// When the password ends, microseconds since 1970 UTC; nil: never.
    public var validUntil: Int64?
    /// What ALTER ROLE ... SET said, for sessions to come.
    public var settings: [RoleSetting] = []
    /// The roles that it is a member of.
    public var memberships: [Membership] = []
    public var comment: String?

    public init(id: RoleID, name: String) {
        self.id = id
        self.name = name
    }
}

/// One setting of a role.
public struct RoleSetting: Hashable, Sendable, Codable {
    public var name: String
    public var value: String
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// Being a member of another role.
public struct Membership: Hashable, Sendable, Codable {
    public var role: RoleID
    public var grantor: RoleID
    /// Whether the member may make others members.
    public var isAdmin: Bool
    public init(role: RoleID, grantor: RoleID, isAdmin: Bool) {
        self.role = role
        self.grantor = grantor
        self.isAdmin = isAdmin
    }
}

/// What acts: a role with everything it is a member of.
public struct Standing: Sendable {
    public let id: RoleID
    public let name: String
    public let isSuperuser: Bool
    public let canCreateRoles: Bool
    public let bypassesRowSecurity: Bool
    /// Roles whose rights it has, itself among them.
    public let inherited: Set<RoleID>
    /// Roles that it is a member of, itself among them: those it may become.
    public let memberOf: Set<RoleID>
    /// Their names.
    public let memberOfNames: Set<String>

    /// Who may do everything.
    public static func superuser(_ name: String, id: RoleID = KnownRole.bootstrap) -> Standing {
        Standing(
            id: id, name: name, isSuperuser: true, canCreateRoles: true, bypassesRowSecurity: true, inherited: [id],
            memberOf: [id], memberOfNames: [name])
    }

    /// Whether it has the rights of a role.
    public func has(_ role: RoleID) -> Bool { isSuperuser || inherited.contains(role) }
    /// Whether it may become a role.
    public func isMember(of role: RoleID) -> Bool { isSuperuser || memberOf.contains(role) }

    public var readsServerFiles: Bool { has(KnownRole.readServerFiles) }
    public var writesServerFiles: Bool { has(KnownRole.writeServerFiles) }
    public var readsStatistics: Bool { has(KnownRole.readAllStatistics) || has(KnownRole.monitor) }
    public var signalsBackends: Bool { has(KnownRole.signalBackend) }
}
