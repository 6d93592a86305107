// What may be done with an object, and the lists of who may: PostgreSQL's access control lists, with branches beside its
// kinds of objects.
import Diagnostics

/// The number of a role. Numbers are never given twice; names may change.
public typealias RoleID = Int64

/// Numbers that mean something.
public enum KnownRole {
    /// Everybody, in access control lists.
    public static let everybody: RoleID = 0
    /// Who the configuration names, and everybody while no role is defined: may do everything.
    public static let bootstrap: RoleID = 10
    /// The first number of roles that statements make.
    public static let first: RoleID = 16_384
    static let databaseOwner: RoleID = 6_171
    static let readAllData: RoleID = 6_181
    static let writeAllData: RoleID = 6_182
    static let monitor: RoleID = 3_373
    static let readAllSettings: RoleID = 3_374
    static let readAllStatistics: RoleID = 3_375
    static let statisticsScan: RoleID = 3_377
    static let readServerFiles: RoleID = 4_569
    static let writeServerFiles: RoleID = 4_570
    static let executePrograms: RoleID = 4_571
    static let signalBackend: RoleID = 4_200
    static let checkpoint: RoleID = 4_544

    /// PostgreSQL's own roles, by name.
    static let predefined: [String: RoleID] = [
        "pg_database_owner": databaseOwner, "pg_read_all_data": readAllData, "pg_write_all_data": writeAllData,
        "pg_monitor": monitor, "pg_read_all_settings": readAllSettings, "pg_read_all_stats": readAllStatistics,
        "pg_stat_scan_tables": statisticsScan, "pg_read_server_files": readServerFiles,
        "pg_write_server_files": writeServerFiles, "pg_execute_server_program": executePrograms,
        "pg_signal_backend": signalBackend, "pg_checkpoint": checkpoint,
    ]
}

/// A set of rights.
public struct Rights: OptionSet, Hashable, Sendable, Codable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let insert = Rights(rawValue: 1 << 0)
    public static let select = Rights(rawValue: 1 << 1)
    public static let update = Rights(rawValue: 1 << 2)
    public static let delete = Rights(rawValue: 1 << 3)
    public static let truncate = Rights(rawValue: 1 << 4)
    public static let references = Rights(rawValue: 1 << 5)
    public static let trigger = Rights(rawValue: 1 << 6)
    public static let execute = Rights(rawValue: 1 << 7)
    public static let usage = Rights(rawValue: 1 << 8)
    public static let create = Rights(rawValue: 1 << 9)
    public static let temporary = Rights(rawValue: 1 << 10)
    public static let connect = Rights(rawValue: 1 << 11)
    /// Of a branch: to commit to it.
    public static let commit = Rights(rawValue: 1 << 12)
    /// Of a branch: to merge into it, also when it is protected.
    public static let merge = Rights(rawValue: 1 << 13)

    /// In the order in which PostgreSQL prints them, with its letters; branches have letters of their own.
    public static let all: [(right: Rights, letter: Character, name: String)] = [
        (.insert, "a", "INSERT"), (.select, "r", "SELECT"), (.update, "w", "UPDATE"), (.delete, "d", "DELETE"),
        (.truncate, "D", "TRUNCATE"), (.references, "x", "REFERENCES"), (.trigger, "t", "TRIGGER"),
        (.execute, "X", "EXECUTE"), (.usage, "U", "USAGE"), (.create, "C", "CREATE"), (.temporary, "T", "TEMPORARY"),
        (.connect, "c", "CONNECT"), (.commit, "k", "COMMIT"), (.merge, "m", "MERGE"),
    ]

    /// The right of a name as GRANT spells it, in any case.
    public init?(name: String) {
        let name = name.uppercased() == "TEMP" ? "TEMPORARY" : name.uppercased()
        guard let found = Rights.all.first(where: { $0.name == name }) else { return nil }
        self = found.right
    }

    /// The names of the rights in the set.
    public var names: [String] { Rights.all.filter { contains($0.right) }.map(\.name) }

    /// Those that columns can have.
    public static let ofColumns: Rights = [.select, .insert, .update, .references]
}

/// Kinds of objects that rights are kept for.
public enum SecuredKind: String, Sendable, Hashable, Codable {
    case database, schema, relation, branch
    /// A function's name has the types of its arguments: `f(integer,text)`.
    case sequence, function, type

    /// All rights that such an object has.
    public var rights: Rights {
        switch self {
        case .database: [.create, .temporary, .connect]
        case .schema: [.usage, .create]
        case .relation: [.insert, .select, .update, .delete, .truncate, .references, .trigger]
        case .branch: [.select, .commit, .merge]
        case .sequence: [.usage, .select, .update]
        case .function: .execute
        case .type: .usage
        }
    }

    /// Whether it lies in a schema.
    public var isInSchema: Bool {
        switch self {
        case .relation, .sequence, .function, .type: true
        case .database, .schema, .branch: false
        }
    }
}

/// An object that rights are kept for. Rights belong to a name and its owner, on all branches: who makes a table of the
/// same name on a branch of his own gives rights to his own table only.
public struct SecuredObject: Hashable, Sendable {
    public var kind: SecuredKind
    /// The attached database that it is in; empty for the lake.
    public var database: String
    /// Of what lies in a schema.
    public var schema: String
    public var name: String
    public var owner: RoleID

    public init(_ kind: SecuredKind, database: String = "", schema: String = "", name: String, owner: RoleID) {
        self.kind = kind
        self.database = database
        self.schema = schema
        self.name = name
        self.owner = owner
    }

    /// The key of its record: names cannot run into each other.
    var key: String {
        ([kind.rawValue, database, schema, name].map(SecuredObject.escaped) + [String(owner)]).joined(separator: "/")
    }

    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 37 || $0 == 47 }) else { return text }
        return text.map { $0 == "%" ? "%25" : $0 == "/" ? "%2F" : String($0) }.joined()
    }

    init?(key: String) {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false).map {
            String($0).replacing("%2F", with: "/").replacing("%25", with: "%")
        }
        guard parts.count == 5, let kind = SecuredKind(rawValue: parts[0]), let owner = RoleID(parts[4]) else {
            return nil
        }
        self.init(kind, database: parts[1], schema: parts[2], name: parts[3], owner: owner)
    }

    /// What it has before anything is granted.
    public var standard: [AccessItem] {
        var items: [AccessItem] = []
        func everybody(_ rights: Rights) {
            items.append(AccessItem(grantee: KnownRole.everybody, grantor: owner, rights: rights))
        }
        switch kind {
        case .database: everybody([.connect, .temporary])
        case .schema: if name == "public" || !database.isEmpty { everybody(.usage) }
        case .branch: everybody([.select, .commit])
        case .function: everybody(.execute)
        case .type: everybody(.usage)
        case .relation, .sequence: break
        }
        items.append(AccessItem(grantee: owner, grantor: owner, rights: kind.rights))
        return items
    }
}

/// What one role was given by another.
public struct AccessItem: Hashable, Sendable, Codable {
    /// ``KnownRole/everybody`` for PUBLIC.
    public var grantee: RoleID
    public var grantor: RoleID
    public var rights: Rights
    /// Those of the rights that may be given on.
    public var grantable: Rights

    public init(grantee: RoleID, grantor: RoleID, rights: Rights, grantable: Rights = []) {
        self.grantee = grantee
        self.grantor = grantor
        self.rights = rights
        self.grantable = grantable
    }
}

/// The rights of one object and of its columns.
public struct ObjectRights: Hashable, Sendable, Codable {
    public var items: [AccessItem]
    public var columns: [String: [AccessItem]]

    public init(items: [AccessItem], columns: [String: [AccessItem]] = [:]) {
        self.items = items
        self.columns = columns
    }
}

/// Operations on access control lists.
enum AccessList {
    /// Adds rights.
    static func grant(
        _ rights: Rights, to grantee: RoleID, by grantor: RoleID, grantable: Bool, in items: inout [AccessItem]
    ) {
        if let place = items.firstIndex(where: { $0.grantee == grantee && $0.grantor == grantor }) {
            items[place].rights.formUnion(rights)
            if grantable { items[place].grantable.formUnion(rights) }
        } else {
            items.append(
                AccessItem(grantee: grantee, grantor: grantor, rights: rights, grantable: grantable ? rights : []))
        }
    }

    /// Takes rights, or only the option to give them on. What was given on with them goes too, or refuses the change
    /// when that is not wanted.
    static func revoke(
        _ rights: Rights, from grantee: RoleID, by grantor: RoleID, optionOnly: Bool, cascades: Bool, owner: RoleID,
        in items: inout [AccessItem], depth: Int = 0
    ) throws(SQLError) {
        guard let place = items.firstIndex(where: { $0.grantee == grantee && $0.grantor == grantor }) else { return }
        let lost = items[place].grantable.intersection(rights)
        items[place].grantable.subtract(rights)
        if !optionOnly { items[place].rights.subtract(rights) }
        if items[place].rights.isEmpty { items.remove(at: place) }
        guard !lost.isEmpty, grantee != owner, depth < depthMax else { return }
        let still = items.filter { $0.grantee == grantee }.reduce(into: Rights()) { $0.formUnion($1.grantable) }
        let gone = lost.subtracting(still)
        for item in items where item.grantor == grantee && !item.rights.intersection(gone).isEmpty {
            guard cascades else {
                throw SQLError(
                    SQLState("2BP01"), "dependent privileges exist", hint: "Use CASCADE to revoke them too.")
            }
            try revoke(
                item.rights.intersection(gone), from: item.grantee, by: grantee, optionOnly: false, cascades: true,
                owner: owner, in: &items, depth: depth + 1)
        }
    }

    /// Grants upon grants that are followed.
    private static let depthMax = 1_000
}
