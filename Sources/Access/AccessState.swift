// All roles and rights of a lake in one state. They belong to the lake, not to a branch: what is revoked is revoked on
// every branch and in every commit.
public import Diagnostics
public import Foundation

/// Roles, memberships and rights. A value: changes are made to a copy and stored if nobody came in between.
public struct AccessState: Sendable {
    /// The number of the last change that the store holds.
    public internal(set) var version: Int64 = 0
    var roles: [RoleID: Role] = [:]
    private var numbers: [String: RoleID] = [:]
    private(set) var objects: [String: ObjectRights] = [:]
    private(set) var defaults: [DefaultRights] = []
    private(set) var policies: [String: TablePolicies] = [:]
    /// What ALTER ROLE ALL SET said.
    public private(set) var settingsOfAll: [RoleSetting] = []
    /// The next role's number.
    private var next = KnownRole.first
    /// Names of users that the configuration knows: superusers.
    public var configured: Set<String> = []
    /// Records that differ from the store's.
    private var changed: Set<String> = []

    public init() {}

    /// Roles of one lake.
    public static let rolesMax = 100_000
    /// Roles within roles that are followed.
    private static let depthMax = 1_000

    // MARK: - Records

    private static let counterKey = "counter"
    private static let defaultsKey = "defaults"
    private static let settingsKey = "settings"

    /// Takes what the store has changed since ``version``.
    public mutating func take(_ records: [String: Data?], version: Int64) throws(SQLError) {
        for (key, data) in records { try take(key, data) }
        self.version = version
    }

    private mutating func take(_ key: String, _ data: Data?) throws(SQLError) {
        let parts = key.split(separator: "/", maxSplits: 1).map(String.init)
        switch parts.first {
        case "role":
            guard parts.count == 2, let id = RoleID(parts[1]) else { throw AccessState.damaged(key) }
            if let old = roles.removeValue(forKey: id) { numbers[old.name] = nil }
            guard let data else { return }
            let role = try AccessState.decode(Role.self, data, key)
            roles[id] = role
            numbers[role.name] = id
        case "object":
            guard parts.count == 2 else { throw AccessState.damaged(key) }
            objects[parts[1]] = try data.map { (data) throws(SQLError) in
                try AccessState.decode(ObjectRights.self, data, key)
            }
        case "policy":
            guard parts.count == 2 else { throw AccessState.damaged(key) }
            policies[parts[1]] = try data.map { (data) throws(SQLError) in
                try AccessState.decode(TablePolicies.self, data, key)
            }
        case AccessState.defaultsKey:
            defaults =
                try data.map { (data) throws(SQLError) in
                    try AccessState.decode([DefaultRights].self, data, key)
                } ?? []
        case AccessState.settingsKey:
            settingsOfAll =
                try data.map { (data) throws(SQLError) in try AccessState.decode([RoleSetting].self, data, key) } ?? []
        case AccessState.counterKey:
            next =
                try data.map { (data) throws(SQLError) in try AccessState.decode(RoleID.self, data, key) }
                ?? KnownRole.first
        default: throw AccessState.damaged(key)
        }
    }

    /// What the store must be told; nil removes a record.
    public func takingChanges() throws(SQLError) -> [String: Data?] {
        var records: [String: Data?] = [:]
        for key in changed {
            let parts = key.split(separator: "/", maxSplits: 1).map(String.init)
            let data: Data?
            switch parts[0] {
            case "role": data = try RoleID(parts[1]).flatMap { roles[$0] }.map(AccessState.encode)
            case "object": data = try objects[parts[1]].map(AccessState.encode)
            case "policy": data = try policies[parts[1]].map(AccessState.encode)
            case AccessState.defaultsKey: data = try AccessState.encode(defaults)
            case AccessState.settingsKey: data = try AccessState.encode(settingsOfAll)
            default: data = try AccessState.encode(next)
            }
            records[key] = .some(data)
        }
        return records
    }

    public var hasChanges: Bool { !changed.isEmpty }
    /// After the store has taken the changes.
    public mutating func settle(version: Int64) {
        changed = []
        self.version = version
    }

    private static func damaged(_ key: String) -> SQLError {
        SQLError(.dataCorrupted, "the catalog holds a damaged record of rights (\"\(key)\")")
    }

    private static func decode<T: Decodable>(_ type: T.Type, _ data: Data, _ key: String) throws(SQLError) -> T {
        do { return try JSONDecoder().decode(type, from: data) } catch { throw damaged(key) }
    }

    private static func encode<T: Encodable>(_ value: T) throws(SQLError) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        do { return try encoder.encode(value) } catch {
            throw SQLError(.internalError, "rights cannot be encoded")
        }
    }

    // MARK: - Roles

    /// Whether no role is defined: everybody may do everything then.
    public var isOpen: Bool { roles.isEmpty }

    /// Roles that statements made, by name.
    public var allRoles: [Role] { roles.values.sorted { $0.name < $1.name } }
    /// PostgreSQL's own roles.
    public static var predefinedRoles: [(name: String, id: RoleID)] {
        KnownRole.predefined.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    public func role(_ id: RoleID) -> Role? { roles[id] }
    public func role(named name: String) -> Role? { numbers[name].flatMap { roles[$0] } }

    /// The number of a role, also of one that the configuration or PostgreSQL defines.
    public func id(of name: String) -> RoleID? {
        if configured.contains(name) { return KnownRole.bootstrap }
        if let id = numbers[name] { return id }
        return KnownRole.predefined[name]
    }

    /// The name of a role; that of the bootstrap user is the lake's business.
    public func name(of id: RoleID) -> String? {
        roles[id]?.name ?? KnownRole.predefined.first { $0.value == id }?.key
    }

    mutating func put(_ role: Role) {
        if let old = roles[role.id] { numbers[old.name] = nil }
        roles[role.id] = role
        numbers[role.name] = role.id
        changed.insert("role/\(role.id)")
    }

    mutating func remove(_ role: Role) {
        roles[role.id] = nil
        numbers[role.name] = nil
        changed.insert("role/\(role.id)")
    }

    mutating func number() -> RoleID {
        defer { next += 1 }
        changed.insert(AccessState.counterKey)
        return next
    }

    // MARK: - Standing

    /// What a user amounts to; nil for one that is not known.
    public func standing(of name: String) -> Standing? {
        if isOpen || configured.contains(name) { return .superuser(name) }
        return id(of: name).map(standing)
    }

    /// A name that stands for nothing: it may do what everybody may.
    public static func powerless(_ name: String) -> Standing {
        Standing(
            id: -1, name: name, isSuperuser: false, canCreateRoles: false, bypassesRowSecurity: false, inherited: [],
            memberOf: [], memberOfNames: [])
    }

    public func standing(of id: RoleID) -> Standing {
        guard id != KnownRole.bootstrap else { return .superuser(configured.min() ?? "apus") }
        let role = roles[id]
        let memberOf = closure(id) { _ in true }
        let inherited = closure(id) { $0.inherits }
        return Standing(
            id: id, name: name(of: id) ?? "unknown (OID=\(id))", isSuperuser: role?.isSuperuser ?? false,
            canCreateRoles: role?.canCreateRoles ?? false, bypassesRowSecurity: role?.bypassesRowSecurity ?? false,
            inherited: inherited, memberOf: memberOf, memberOfNames: Set(memberOf.compactMap { self.name(of: $0) }))
    }

    /// The roles reached through those that `follows` lets through.
    private func closure(_ id: RoleID, _ follows: (Role) -> Bool) -> Set<RoleID> {
        var found: Set<RoleID> = [id]
        var open = [id]
        while let next = open.popLast() {
            guard let role = roles[next], follows(role) else {
                if next == KnownRole.monitor, found.insert(KnownRole.readAllStatistics).inserted {
                    found.insert(KnownRole.readAllSettings)
                }
                continue
            }
            for membership in role.memberships where found.insert(membership.role).inserted {
                open.append(membership.role)
            }
        }
        return found
    }

    // MARK: - Rights

    /// The rights of an object as they stand, those it has by default included.
    public func rights(of object: SecuredObject) -> ObjectRights {
        objects[object.key] ?? ObjectRights(items: object.standard)
    }

    /// Whether anything was granted or revoked on an object.
    public func isRecorded(_ object: SecuredObject) -> Bool { objects[object.key] != nil }

    mutating func put(_ rights: ObjectRights?, of object: SecuredObject) {
        objects[object.key] = rights
        changed.insert("object/\(object.key)")
    }

    /// All objects that have a record.
    var recorded: [SecuredObject] { objects.keys.compactMap(SecuredObject.init(key:)) }

    /// Sets or removes a setting of everybody's sessions to come; nil name: all.
    public mutating func alterAllRoles(setting: String?, to value: String?, by who: Standing) throws(SQLError) {
        guard who.isSuperuser else {
            throw AccessState.denied("must be superuser to alter settings globally")
        }
        settingsOfAll.removeAll { setting == nil || $0.name == setting }
        if let setting, let value { settingsOfAll.append(RoleSetting(name: setting, value: value)) }
        changed.insert(AccessState.settingsKey)
    }

    mutating func put(_ defaults: [DefaultRights]) {
        self.defaults = defaults
        changed.insert(AccessState.defaultsKey)
    }

    mutating func put(_ policies: TablePolicies?, of object: SecuredObject) {
        self.policies[object.key] = policies
        changed.insert("policy/\(object.key)")
    }

    /// The row policies and masks of all relations.
    public var allPolicies: [(object: SecuredObject, policies: TablePolicies)] {
        policies.compactMap { key, value in SecuredObject(key: key).map { ($0, value) } }
    }

    /// The row policies and masks of a relation.
    public func policies(of object: SecuredObject) -> TablePolicies? {
        policies.isEmpty ? nil : policies[object.key]
    }

    /// The rights that somebody has on an object.
    public func rights(on object: SecuredObject, of who: Standing) -> Rights {
        if who.isSuperuser { return object.kind.rights }
        var result = AccessState.sum(rights(of: object).items, who)
        if object.kind == .relation || object.kind == .schema {
            if who.has(KnownRole.readAllData) { result.formUnion(object.kind == .schema ? .usage : .select) }
            if who.has(KnownRole.writeAllData) {
                result.formUnion(object.kind == .schema ? .usage : [.insert, .update, .delete])
            }
        }
        if object.kind == .sequence, who.has(KnownRole.readAllData) { result.formUnion(.select) }
        return result
    }

    private static func sum(_ items: [AccessItem], _ who: Standing) -> Rights {
        var result = Rights()
        for item in items where item.grantee == KnownRole.everybody || who.inherited.contains(item.grantee) {
            result.formUnion(item.rights)
        }
        return result
    }

    /// The rights that somebody has on a column, those on the whole table included.
    public func rights(on object: SecuredObject, column: String, of who: Standing) -> Rights {
        var result = rights(on: object, of: who)
        if let items = objects[object.key]?.columns[column] { result.formUnion(AccessState.sum(items, who)) }
        return result
    }

    /// The rights that somebody has on at least one column.
    public func rightsOnAnyColumn(of object: SecuredObject, of who: Standing) -> Rights {
        var result = rights(on: object, of: who)
        for items in objects[object.key]?.columns.values ?? [:].values {
            result.formUnion(AccessState.sum(items, who))
        }
        return result
    }

    /// The rights that somebody may give on.
    public func grantable(on object: SecuredObject, column: String? = nil, of who: Standing) -> Rights {
        if who.has(object.owner) { return object.kind.rights }
        let rights = rights(of: object)
        let items = rights.items + (column.flatMap { rights.columns[$0] } ?? [])
        var result = Rights()
        for item in items where item.grantee != KnownRole.everybody && who.inherited.contains(item.grantee) {
            result.formUnion(item.grantable)
        }
        return result
    }
}

/// What ALTER DEFAULT PRIVILEGES said: rights of objects that a role will make.
public struct DefaultRights: Hashable, Sendable, Codable {
    public var role: RoleID
    /// nil: in every schema.
    public var schema: String?
    public var kind: SecuredKind
    public var items: [AccessItem]
}

/// The row policies of one table, and the masks of its columns.
public struct TablePolicies: Hashable, Sendable, Codable {
    public var isEnabled = false
    /// Whether they hold for the owner as well.
    public var isForced = false
    public var policies: [RowPolicy] = []
    /// Expressions that stand in a column's place, by column.
    public var masks: [String: ColumnMask] = [:]
    public init() {}
    public var isEmpty: Bool { !isEnabled && !isForced && policies.isEmpty && masks.isEmpty }
}

/// One row policy.
public struct RowPolicy: Hashable, Sendable, Codable {
    public enum Command: String, Sendable, Codable { case all, select, insert, update, delete }
    public var name: String
    public var command: Command
    public var isPermissive: Bool
    /// ``KnownRole/everybody`` for PUBLIC.
    public var roles: [RoleID]
    /// SQL text; nil: no condition.
    public var using: String?
    public var check: String?
    /// Where the names in the texts are looked up.
    public var searchPath: [String]?
    public init(
        name: String, command: Command, isPermissive: Bool, roles: [RoleID], using: String?, check: String?,
        searchPath: [String]
    ) {
        self.searchPath = searchPath
        self.name = name
        self.command = command
        self.isPermissive = isPermissive
        self.roles = roles
        self.using = using
        self.check = check
    }
}

/// What others than those named see of a column.
public struct ColumnMask: Hashable, Sendable, Codable {
    /// SQL text over the table's columns.
    public var expression: String
    /// Who sees the column itself.
    public var exempt: [RoleID]
    /// Where the names in the text are looked up.
    public var searchPath: [String]?
    public init(expression: String, exempt: [RoleID], searchPath: [String]) {
        self.searchPath = searchPath
        self.expression = expression
        self.exempt = exempt
    }
}
