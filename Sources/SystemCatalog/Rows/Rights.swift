// Rows about roles and rights: who there is, who may do what, and whose everything is.
import Access
import Catalogs
import Columns
import Diagnostics

/// A role as the catalog lists it.
struct RoleItem: Sendable {
    var oid: Int64
    var role: Role
    /// The members of it.
    var members: [Int64] = []
}

struct MemberItem: Sendable {
    var member: Int64
    var membership: Membership
}

/// A comment on something that all branches share.
struct SharedComment: Sendable {
    var object: Int64
    var classID: Int64
    var text: String
}

/// A relation with the name of its owner.
struct OwnedRelation: Sendable {
    var relation: Directory.RelationEntry
    var owner: String
}

/// One right that somebody has on a relation or a column of it.
struct GrantedRight: Sendable {
    var database: String
    var relation: Directory.RelationEntry
    var column: String?
    var grantor: String
    var grantee: String
    var right: String
    var isGrantable: Bool
}

extension SystemState {
    /// All roles: the bootstrap user, those of the configuration, those that statements made, and PostgreSQL's own.
    func roleItems() throws(SQLError) -> [RoleItem] {
        let source = try source()
        let state = source.access
        var items: [RoleItem] = []
        var names: Set<String> = []
        let mighty = [source.ownerName] + source.users + (state.isOpen ? [source.user] : [])
        for name in mighty where names.insert(name).inserted {
            var role = Role(id: roleOID(name) ?? OIDs.role(name), name: name)
            role.isSuperuser = true
            role.canCreateRoles = true
            role.canCreateDatabases = true
            role.canLogin = true
            role.bypassesRowSecurity = true
            items.append(RoleItem(oid: role.id, role: role))
        }
        for role in state.allRoles where names.insert(role.name).inserted {
            items.append(RoleItem(oid: role.id, role: role))
        }
        if !state.isOpen {
            for (name, id) in AccessState.predefinedRoles {
                items.append(RoleItem(oid: id, role: Role(id: id, name: name)))
            }
        }
        var members: [Int64: [Int64]] = [:]
        for item in items {
            for membership in item.role.memberships { members[membership.role, default: []].append(item.oid) }
        }
        for index in items.indices { items[index].members = members[items[index].oid] ?? [] }
        return items.sorted { $0.role.name < $1.role.name }
    }

    /// Whether the user may know of everything.
    func showsAll() throws(SQLError) -> Bool { try source().standing.isSuperuser }

    /// The name of a role by its number.
    func roleName(_ oid: Int64) -> String? {
        guard let source = knownSource else { return nil }
        if oid == OIDs.owner { return source.ownerName }
        if let name = source.access.name(of: oid) { return name }
        return ([source.user] + source.users).first { OIDs.role($0) == oid }
    }

    /// The number of a role by its name.
    func roleOID(_ name: String) -> Int64? {
        guard let source = knownSource else { return nil }
        if name == source.ownerName { return OIDs.owner }
        if let role = source.access.role(named: name) { return role.id }
        if let predefined = AccessState.predefinedRoles.first(where: { $0.name == name }) { return predefined.id }
        let isKnown = source.users.contains(name) || source.access.isOpen && source.user == name
        return isKnown ? OIDs.role(name) : nil
    }

    /// What a role may do, by its number.
    func standing(ofRole oid: Int64) -> Standing? {
        guard let source = knownSource, let name = roleName(oid) else { return nil }
        if source.access.isOpen || source.users.contains(name) || oid == OIDs.owner { return .superuser(name) }
        return source.access.standing(of: oid)
    }

    func sharedComments() async throws(SQLError) -> [SharedComment] {
        var result: [SharedComment] = []
        for item in try roleItems() {
            if let text = item.role.comment {
                result.append(SharedComment(object: item.oid, classID: 1_260, text: text))
            }
        }
        let database = try source().database
        for ref in try await refs() where ref.kind == .branch {
            guard let text = ref.options.comment else { continue }
            let name = ref.name == "main" ? database : "\(database)@\(ref.name)"
            result.append(SharedComment(object: OIDs.database(name), classID: 1_262, text: text))
        }
        return result
    }

    /// The rights on relations, those of owners included, as far as the user may know of them.
    func grantedRights(_ relations: [Directory.RelationEntry], columns: Bool) async throws(SQLError) -> [GrantedRight] {
        let source = try source()
        let (state, who) = (source.access, source.standing)
        var result: [GrantedRight] = []
        for relation in relations {
            guard let object = relation.secured else { continue }
            let record = state.rights(of: object)
            var items: [(column: String?, item: AccessItem)] = []
            if columns {
                for (column, list) in record.columns { for item in list { items.append((column, item)) } }
                let names = try await details(of: [relation]).first?.columns.map(\.name) ?? []
                for item in record.items {
                    var part = item
                    part.rights.formIntersection(.ofColumns)
                    for name in names where !part.rights.isEmpty { items.append((name, part)) }
                }
            } else {
                items = record.items.map { (nil, $0) }
            }
            for (column, item) in items {
                let isKnown =
                    item.grantee == KnownRole.everybody || who.has(item.grantee) || who.has(item.grantor)
                guard isKnown else { continue }
                for (right, _, name) in Rights.all where item.rights.contains(right) {
                    result.append(
                        GrantedRight(
                            database: source.database, relation: relation, column: column,
                            grantor: roleName(item.grantor) ?? "?",
                            grantee: item.grantee == KnownRole.everybody ? "PUBLIC" : roleName(item.grantee) ?? "?",
                            right: name, isGrantable: item.grantable.contains(right) || item.grantee == object.owner))
                }
            }
        }
        return result
    }
}

extension Directory.RelationEntry {
    /// What rights are kept for; nil for relations of the system catalog.
    var secured: SecuredObject? {
        if sequence != nil, name.schema != "pg_temp" {
            return SecuredObject(.sequence, schema: name.schema, name: name.name, owner: owner)
        }
        guard let lake, name.schema != "pg_temp" else { return nil }
        return SecuredObject(.relation, schema: name.schema, name: name.name, owner: lake.entry.owner)
    }

    /// The number of its owner.
    var owner: Int64 { lake?.entry.owner ?? objectOwner ?? OIDs.owner }
}

extension Scalar.Value {
    /// aclitem[], or NULL where only the standard rights are.
    static func acl(_ items: [String]?) -> Scalar.Value {
        items.map { .array($0.map { Scalar(.system(.aclitem), .string($0)) }) } ?? .null
    }
}

extension RelationRows {
    /// Relations with their owners' names.
    static func owned(_ state: SystemState, _ relations: [Directory.RelationEntry]) -> [OwnedRelation] {
        relations.map { OwnedRelation(relation: $0, owner: state.roleName($0.owner) ?? "?") }
    }

    private static func grants(_ name: String, columns: Bool, onlyOwn: Bool) -> RelationRows {
        RelationRows(
            CatalogData.informationSchema, name,
            items: { (state, keys) async throws(SQLError) -> [GrantedRight] in
                let relations = try await state.directory().relations.filter { relation in
                    relation.lake != nil && keys.names("table_schema")?.contains(relation.name.schema) != false
                        && keys.names("table_name")?.contains(relation.name.name) != false
                }
                let rights = try await state.grantedRights(relations, columns: columns)
                return onlyOwn ? rights.filter { $0.grantee != "PUBLIC" } : rights
            },
            columns: { c in
                c["grantor"] = { .string($0.grantor) }
                c["grantee"] = { .string($0.grantee) }
                c["table_catalog"] = { .string($0.database) }
                c["table_schema"] = { .string($0.relation.name.schema) }
                c["table_name"] = { .string($0.relation.name.name) }
                c["column_name"] = { .optional($0.column) }
                c["privilege_type"] = { .string($0.right) }
                c["is_grantable"] = { .yes($0.isGrantable) }
                c["with_hierarchy"] = { .yes($0.right == "SELECT") }
            })
    }

    /// defaclobjtype.
    private static let defaultKinds: [SecuredKind: String] = [
        .schema: "n", .relation: "r", .sequence: "S", .function: "f", .type: "T",
    ]

    static let rightRows: [RelationRows] = [
        grants("table_privileges", columns: false, onlyOwn: false),
        grants("role_table_grants", columns: false, onlyOwn: true),
        grants("column_privileges", columns: true, onlyOwn: false),
        grants("role_column_grants", columns: true, onlyOwn: true),
        RelationRows(
            CatalogData.informationSchema, "enabled_roles",
            items: { (state, _) async throws(SQLError) -> [RoleItem] in
                let who = try state.source().standing
                return try state.roleItems().filter { who.isMember(of: $0.oid) }
            },
            columns: { c in c["role_name"] = { .string($0.role.name) } }),
        RelationRows(
            CatalogData.informationSchema, "applicable_roles",
            items: { (state, _) async throws(SQLError) -> [(String, String, Bool)] in
                let who = try state.source().standing
                return try state.roleItems().filter { who.isMember(of: $0.oid) }.flatMap { item in
                    item.role.memberships.map { (item.role.name, state.roleName($0.role) ?? "?", $0.isAdmin) }
                }
            },
            columns: { c in
                c["grantee"] = { .string($0.0) }
                c["role_name"] = { .string($0.1) }
                c["is_grantable"] = { .yes($0.2) }
            }),
        RelationRows(
            "pg_default_acl",
            items: { (state, _) async throws(SQLError) -> [(DefaultRights, Int64, [String])] in
                let directory = try await state.directory()
                return try state.source().access.defaultRights.map { entry in
                    (
                        entry, entry.schema.flatMap { directory.schemaByName[$0] } ?? 0,
                        AccessState.texts(entry.items) { state.roleName($0) ?? "?" }
                    )
                }
            },
            columns: { c in
                c["oid"] = { .int(OIDs.hash("default acl", "\($0.0.role) \($0.0.schema ?? "") \($0.0.kind.rawValue)")) }
                c["defaclrole"] = { .int($0.0.role) }
                c["defaclnamespace"] = { .int($0.1) }
                c["defaclobjtype"] = { .string(defaultKinds[$0.0.kind] ?? "r") }
                c["defaclacl"] = { .acl($0.2) }
            }),
    ]
}
