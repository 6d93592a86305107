// Rows about the server: databases (a branch each), roles, settings, tablespaces, sessions.
import Catalogs
import Columns
import Diagnostics

extension RelationRows {
    /// A database to connect to: the lake, or one of its branches.
    struct DatabaseItem: Sendable {
        var oid: Int64
        var name: String
    }

    /// `lake`, and `lake@dev` for each branch besides main.
    static func databases(_ name: String, _ refs: [NamedRef]) -> [DatabaseItem] {
        var items = [DatabaseItem(oid: OIDs.database(name), name: name)]
        for ref in refs where ref.kind == .branch && ref.name != "main" {
            let full = "\(name)@\(ref.name)"
            items.append(DatabaseItem(oid: OIDs.database(full), name: full))
        }
        return items
    }

    private static func roles(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [String] {
        let source = try state.source()
        return Array(Set([OIDs.ownerName, source.user] + source.users)).sorted()
    }

    private static func roleColumns(_ prefix: String, _ c: inout Columns<String>) {
        c["\(prefix)name"] = { .string($0) }
        for right in ["super", "inherit", "createrole", "createdb", "canlogin", "bypassrls"] {
            c["\(prefix)\(right)"] = { _ in .bool(true) }
        }
        c["\(prefix)replication"] = { _ in .bool(false) }
        c["\(prefix)connlimit"] = { _ in .int(-1) }
        c["oid"] = { .int(OIDs.role($0)) }
    }

    static let clusterRows: [RelationRows] = [
        RelationRows(
            "pg_database",
            items: { (state, _) async throws(SQLError) -> [DatabaseItem] in
                databases(try state.source().database, try await state.refs())
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
                c["datcollate"] = { _ in .string("C") }
                c["datctype"] = { _ in .string("C") }
            }),
        RelationRows(
            "pg_roles", items: roles,
            columns: { c in
                roleColumns("rol", &c)
                c["rolpassword"] = { _ in .string("********") }
            }),
        RelationRows("pg_authid", items: roles, columns: { c in roleColumns("rol", &c) }),
        RelationRows(
            "pg_user", items: roles,
            columns: { c in
                c["usename"] = { .string($0) }
                c["usesysid"] = { .int(OIDs.role($0)) }
                for right in ["usecreatedb", "usesuper", "usebypassrls"] { c[right] = { _ in .bool(true) } }
                c["userepl"] = { _ in .bool(false) }
                c["passwd"] = { _ in .string("********") }
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
