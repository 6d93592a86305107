// The syntax tree of statements about roles, rights and row policies.

/// A role as statements name it.
public enum RoleName: Hashable, Sendable {
    case named(Identifier)
    case currentUser, sessionUser
    /// PUBLIC.
    case everybody
}

/// What CREATE ROLE and ALTER ROLE say; nil: nothing.
public struct RoleOptions: Hashable, Sendable {
    public enum Password: Hashable, Sendable {
        case text(String)
        case none
    }
    public var isSuperuser: Bool?
    public var inherits: Bool?
    public var canCreateRoles: Bool?
    public var canCreateDatabases: Bool?
    public var canLogin: Bool?
    public var canReplicate: Bool?
    public var bypassesRowSecurity: Bool?
    public var connectionLimit: Int?
    public var password: Password?
    public var validUntil: String?
    /// IN ROLE.
    public var groups: [RoleName] = []
    /// ROLE, and ADMIN.
    public var members: [RoleName] = []
    public var admins: [RoleName] = []
    public init() {}
}

/// GRANT and REVOKE of rights.
public struct GrantStatement: Hashable, Sendable {
    /// `SELECT`, or `SELECT (a, b)`; the name is upper case.
    public struct Right: Hashable, Sendable {
        public var name: Identifier
        public var columns: [Identifier]
        public init(name: Identifier, columns: [Identifier]) {
            self.name = name
            self.columns = columns
        }
    }
    public enum Target: Hashable, Sendable {
        case relations([QualifiedName])
        case relationsInSchemas([Identifier])
        case schemas([Identifier])
        case databases([Identifier])
        case branches([Identifier])
        case sequences([QualifiedName])
        /// Of the kind said: functions, procedures, or both.
        case routines(ObjectStatement.Kind, [ObjectStatement.Dropped])
        case types([QualifiedName], isDomain: Bool)
        /// ALL SEQUENCES, ALL FUNCTIONS and their kin.
        case objectsInSchemas(ObjectStatement.Kind, [Identifier])
    }
    public var isGrant: Bool
    /// Empty: ALL PRIVILEGES, on `allColumns` when there are some.
    public var rights: [Right]
    public var allColumns: [Identifier] = []
    public var target: Target = .relations([])
    public var grantees: [RoleName] = []
    /// WITH GRANT OPTION, GRANT OPTION FOR.
    public var withOption = false
    public var cascades = false
    public init(isGrant: Bool, rights: [Right]) {
        self.isGrant = isGrant
        self.rights = rights
    }
}

/// Row policies and masks.
public enum PolicyStatement: Hashable, Sendable {
    public struct Policy: Hashable, Sendable {
        public var name: Identifier
        public var table: QualifiedName
        public var isPermissive = true
        /// Lower case: "all", "select", ...
        public var command = "all"
        /// nil: not said.
        public var roles: [RoleName]?
        public var using: Expression?
        public var usingText: String?
        public var check: Expression?
        public var checkText: String?
        public init(name: Identifier, table: QualifiedName) {
            self.name = name
            self.table = table
        }
    }
    case create(Policy)
    case alter(Policy)
    case rename(Identifier, on: QualifiedName, to: Identifier)
    case drop(Identifier, on: QualifiedName, ifExists: Bool)
}

public enum AccessStatement: Hashable, Sendable {
    public enum Owned: Hashable, Sendable {
        case schema(Identifier)
        case database(Identifier)
        case branch(Identifier)
        case sequence(QualifiedName, ifExists: Bool)
        case routine(ObjectStatement.Kind, ObjectStatement.Dropped)
    }
    case createRole(Identifier, RoleOptions)
    case alterRole(RoleName, RoleOptions)
    case renameRole(Identifier, to: Identifier)
    /// ALTER ROLE ... SET; nil: ALL roles.
    case setDefault(RoleName?, database: Identifier?, Statement.SetVariable)
    /// ALTER ROLE ... RESET; setting nil: ALL.
    case resetDefault(RoleName?, database: Identifier?, setting: Identifier?)
    case dropRoles([RoleName], ifExists: Bool)
    /// GRANT role TO role, and REVOKE. `adminOnly`: WITH ADMIN OPTION, or ADMIN OPTION FOR.
    case memberships([Identifier], of: [RoleName], isGrant: Bool, adminOption: Bool)
    case grant(GrantStatement)
    case defaults(roles: [RoleName], schemas: [Identifier], GrantStatement)
    case owner(Owned, to: RoleName)
    case reassignOwned([RoleName], to: RoleName)
    case dropOwned([RoleName])
    case policy(PolicyStatement)

    /// The command tag.
    public var tag: String {
        switch self {
        case .createRole: "CREATE ROLE"
        case .alterRole, .renameRole, .setDefault, .resetDefault: "ALTER ROLE"
        case .dropRoles: "DROP ROLE"
        case .memberships(_, _, let isGrant, _): isGrant ? "GRANT ROLE" : "REVOKE ROLE"
        case .grant(let grant): grant.isGrant ? "GRANT" : "REVOKE"
        case .defaults: "ALTER DEFAULT PRIVILEGES"
        case .owner(.schema, _): "ALTER SCHEMA"
        case .owner(.database, _): "ALTER DATABASE"
        case .owner(.branch, _): "ALTER BRANCH"
        case .owner(.sequence, _): "ALTER SEQUENCE"
        case .owner(.routine(let kind, _), _): "ALTER \(kind.rawValue.uppercased())"
        case .reassignOwned: "REASSIGN OWNED"
        case .dropOwned: "DROP OWNED"
        case .policy(.create): "CREATE POLICY"
        case .policy(.alter), .policy(.rename): "ALTER POLICY"
        case .policy(.drop): "DROP POLICY"
        }
    }
}

extension Statement {
    /// Whether the text may hold a password or a key: it must not be shown or kept.
    public var holdsSecrets: Bool {
        switch self {
        case .access(.createRole), .access(.alterRole), .attach: true
        case .explain(let explain): explain.statement.holdsSecrets
        case .prepare(_, _, let inner, _): inner.holdsSecrets
        default: false
        }
    }
}

/// Texts without what nobody may see.
public enum SecretText {
    /// The same text with every string literal of it blotted out.
    public static func redacted(_ sql: String) -> String {
        let bytes = Array(sql.utf8)
        guard let tokens = try? Lexer.tokens(of: bytes) else { return "<statement with secrets>" }
        var result = ""
        var at = 0
        for token in tokens {
            guard case .string = token.kind, token.position >= at, token.end <= bytes.count else { continue }
            result += String(decoding: bytes[at..<token.position], as: UTF8.self) + "'********'"
            at = token.end
        }
        return result + String(decoding: bytes[at...], as: UTF8.self)
    }
}
