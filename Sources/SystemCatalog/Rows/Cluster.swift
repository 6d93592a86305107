// Rows about the server: databases (a branch each), roles, settings, tablespaces, sessions.
import Access
import Catalogs
import Columns
import Diagnostics

extension RelationRows {
    /// A database to connect to: the lake, or one of its branches.
    struct DatabaseItem: Sendable {
        var oid: Int64
        var name: String
        var acl: [String]?
    }

    /// `lake`, and `lake@dev` for each branch besides main.
    static func databases(_ name: String, _ refs: [NamedRef], acl: [String]? = nil) -> [DatabaseItem] {
        var items = [DatabaseItem(oid: OIDs.database(name), name: name)]
        for ref in refs where ref.kind == .branch && ref.name != "main" {
            let full = "\(name)@\(ref.name)"
            items.append(DatabaseItem(oid: OIDs.database(full), name: full))
        }
        for index in items.indices { items[index].acl = acl }
        return items
    }

    private static func roleColumns(_ prefix: String, _ c: inout Columns<RoleItem>) {
        c["\(prefix)name"] = { .string($0.role.name) }
        c["\(prefix)super"] = { .bool($0.role.isSuperuser) }
        c["\(prefix)inherit"] = { .bool($0.role.inherits) }
        c["\(prefix)createrole"] = { .bool($0.role.canCreateRoles) }
        c["\(prefix)createdb"] = { .bool($0.role.canCreateDatabases) }
        c["\(prefix)canlogin"] = { .bool($0.role.canLogin) }
        c["\(prefix)bypassrls"] = { .bool($0.role.bypassesRowSecurity) }
        c["\(prefix)replication"] = { .bool($0.role.canReplicate) }
        c["\(prefix)connlimit"] = { .int(Int64($0.role.connectionLimit)) }
        c["\(prefix)validuntil"] = { .optional($0.role.validUntil) }
        c["oid"] = { .int($0.oid) }
    }

    private static func settings(_ item: RoleItem) -> Scalar.Value {
        item.role.settings.isEmpty ? .null : .texts(item.role.settings.map { "\($0.name)=\($0.value)" })
    }

    /// pg_user, and pg_shadow, which has the verifiers.
    private static func users(
        _ name: String, password: @escaping @Sendable (RoleItem) -> Scalar.Value
    ) -> RelationRows {
        RelationRows(
            name, items: { (state, _) async throws(SQLError) in try state.roleItems().filter(\.role.canLogin) },
            columns: { c in
                c["usename"] = { .string($0.role.name) }
                c["usesysid"] = { .int($0.oid) }
                c["usecreatedb"] = { .bool($0.role.canCreateDatabases) }
                c["usesuper"] = { .bool($0.role.isSuperuser) }
                c["usebypassrls"] = { .bool($0.role.bypassesRowSecurity) }
                c["userepl"] = { .bool($0.role.canReplicate) }
                c["passwd"] = password
                c["valuntil"] = { .optional($0.role.validUntil) }
                c["useconfig"] = settings
            })
    }

    static let clusterRows: [RelationRows] = [
        RelationRows(
            "pg_database",
            items: { (state, _) async throws(SQLError) -> [DatabaseItem] in
                let source = try state.source()
                let object = SecuredObject(.database, name: source.database, owner: OIDs.owner)
                let acl = source.access.texts(of: object) { state.roleName($0) ?? "?" }
                return databases(source.database, try await state.refs(), acl: acl)
            },
            columns: { c in
                c["oid"] = { .int($0.oid) }
                c["datname"] = { .string($0.name) }
                c["datdba"] = { _ in .int(OIDs.owner) }
                c["encoding"] = { _ in .int(6) }
                c["datlocprovider"] = { _ in .string("c") }
                c["datallowconn"] = { _ in .bool(true) }
                c["datconnlimit"] = { _ in .int(-1) }
                c["dattablespace"] = { _ in .int(1_663) }
                c["datacl"] = { .acl($0.acl) }
                c["datcollate"] = { _ in .string("C") }
                c["datctype"] = { _ in .string("C") }
            }),
        RelationRows(
            "pg_roles", items: { (state, _) async throws(SQLError) in try state.roleItems() },
            columns: { c in
                roleColumns("rol", &c)
                c["rolpassword"] = { _ in .string("********") }
                c["rolconfig"] = settings
            }),
        RelationRows(
            "pg_authid", items: { (state, _) async throws(SQLError) in try state.roleItems() },
            columns: { c in
                roleColumns("rol", &c)
                c["rolpassword"] = { .optional($0.role.verifier) }
            }),
        users("pg_user") { _ in .string("********") },
        users("pg_shadow") { .optional($0.role.verifier) },
        RelationRows(
            "pg_group",
            items: { (state, _) async throws(SQLError) in try state.roleItems().filter { !$0.role.canLogin } },
            columns: { c in
                c["groname"] = { .string($0.role.name) }
                c["grosysid"] = { .int($0.oid) }
                c["grolist"] = { .array($0.members.map { Scalar(.system(.oid), .int($0)) }) }
            }),
        RelationRows(
            "pg_auth_members",
            items: { (state, _) async throws(SQLError) -> [MemberItem] in
                try state.roleItems().flatMap { item in
                    item.role.memberships.map { MemberItem(member: item.oid, membership: $0) }
                }
            },
            columns: { c in
                c["roleid"] = { .int($0.membership.role) }
                c["member"] = { .int($0.member) }
                c["grantor"] = { .int($0.membership.grantor) }
                c["admin_option"] = { .bool($0.membership.isAdmin) }
            }),
        RelationRows(
            "pg_db_role_setting",
            items: { (state, _) async throws(SQLError) -> [RoleItem] in
                let roles = try state.roleItems().filter { !$0.role.settings.isEmpty }
                var everybody = Role(id: 0, name: "")
                everybody.settings = try state.source().access.settingsOfAll
                return (everybody.settings.isEmpty ? [] : [RoleItem(oid: 0, role: everybody)]) + roles
            },
            columns: { c in
                c["setrole"] = { .int($0.oid) }
                c["setconfig"] = settings
            }),
        RelationRows(
            "pg_shdescription",
            items: { (state, _) async throws(SQLError) -> [SharedComment] in try await state.sharedComments() },
            columns: { c in
                c["objoid"] = { .int($0.object) }
                c["classoid"] = { .int($0.classID) }
                c["description"] = { .string($0.text) }
            }),
        RelationRows(
            "pg_tablespace",
            items: { (_, _) async throws(SQLError) -> [String] in ["pg_default", "pg_global"] },
            columns: { c in
                c["oid"] = { .int($0 == "pg_default" ? 1_663 : 1_664) }
                c["spcname"] = { .string($0) }
                c["spcowner"] = { _ in .int(OIDs.owner) }
            }),
        RelationRows(
            "pg_settings",
            items: { (state, _) async throws(SQLError) -> [ShownSetting] in try state.source().settings },
            columns: { c in
                c["name"] = { .string($0.name) }
                c["setting"] = { .string($0.value) }
                c["category"] = { _ in .string("Apus") }
                c["short_desc"] = { .string($0.summary) }
                c["context"] = { _ in .string("user") }
                c["vartype"] = { _ in .string("string") }
                c["source"] = { .string($0.value == $0.standard ? "default" : "session") }
                c["boot_val"] = { .string($0.standard) }
                c["reset_val"] = { .string($0.standard) }
                c["pending_restart"] = { _ in .bool(false) }
            }),
        RelationRows(
            "pg_stat_progress_copy",
            items: { (state, _) async throws(SQLError) -> [(CopyActivity, Int64)] in
                let directory = try await state.directory()
                return try state.source().copies.map { copy in
                    (copy, copy.table.flatMap { directory.relation($0)?.oid } ?? 0)
                }
            },
            columns: { c in
                c["pid"] = { .int(Int64($0.0.processID)) }
                c["datid"] = { .int(OIDs.database($0.0.database)) }
                c["datname"] = { .string($0.0.database) }
                c["relid"] = { .int($0.1) }
                c["command"] = { .string($0.0.isFrom ? "COPY FROM" : "COPY TO") }
                c["type"] = { .string($0.0.isFile ? "FILE" : "PIPE") }
                c["bytes_processed"] = { .int($0.0.bytes) }
                c["bytes_total"] = { .int($0.0.bytesTotal) }
                c["tuples_processed"] = { .int($0.0.rows) }
                c["tuples_excluded"] = { _ in .int(0) }
            }),
        RelationRows(
            "pg_stat_activity",
            items: { (state, _) async throws(SQLError) -> [SessionActivity] in try state.source().sessions },
            columns: { c in
                c["datid"] = { .int(OIDs.database($0.database)) }
                c["datname"] = { .string($0.database) }
                c["pid"] = { .int(Int64($0.processID)) }
                c["usesysid"] = { .int(OIDs.role($0.user)) }
                c["usename"] = { .string($0.user) }
                c["application_name"] = { .string($0.application) }
                c["backend_start"] = { .int($0.startedAt) }
                c["query_start"] = { .optional($0.queryStartedAt) }
                c["state"] = { .string($0.state) }
                c["query"] = { .string($0.query) }
                c["backend_type"] = { _ in .string("client backend") }
            }),
    ]
}
