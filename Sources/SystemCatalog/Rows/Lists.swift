// The list views of pg_catalog: pg_tables, pg_views, pg_indexes and the statistics of tables.
import Catalogs
import Columns
import Diagnostics

extension RelationRows {
    /// The lake's and the system's relations of a kind, as far as a filter on schema and name leaves them.
    static func listed(
        _ state: SystemState, _ keys: Keys, kind: String, schema: String, name: String
    ) async throws(SQLError) -> [Directory.RelationEntry] {
        let (schemas, names) = (keys.names(schema), keys.names(name))
        return try await state.directory().relations.filter { relation in
            (relation.kind == kind || kind == "r" && relation.kind == "p")
                && schemas?.contains(relation.name.schema) != false
                && names?.contains(relation.name.name) != false
        }
    }

    private static func tables(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [Directory.RelationEntry] {
        try await listed(state, keys, kind: "r", schema: "schemaname", name: "tablename")
    }

    /// A table with the facts that its own metadata has.
    struct CountedTable: Sendable {
        var relation: Directory.RelationEntry
        var details: RelationDetails
        var owner = ""
    }

    private static func counted(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [CountedTable] {
        let tables = try await listed(state, keys, kind: "r", schema: "schemaname", name: "relname")
            .filter { $0.lake != nil }
        let details = try await state.details(of: tables)
        return zip(tables, details).map { CountedTable(relation: $0, details: $1) }
    }

    private static func statistics(_ name: String) -> RelationRows {
        RelationRows(
            name, items: counted,
            columns: { c in
                c["relid"] = { .int($0.relation.oid) }
                c["schemaname"] = { .string($0.relation.name.schema) }
                c["relname"] = { .string($0.relation.name.name) }
                c["seq_scan"] = { _ in .int(0) }
                c["n_live_tup"] = { .int(Int64($0.details.rows ?? 0)) }
                c["n_dead_tup"] = { _ in .int(0) }
            })
    }

    static let listRows: [RelationRows] = [
        RelationRows(
            "pg_tables",
            items: { (state, keys) async throws(SQLError) in owned(state, try await tables(state, keys)) },
            columns: { c in
                c["schemaname"] = { .string($0.relation.name.schema) }
                c["tablename"] = { .string($0.relation.name.name) }
                c["tableowner"] = { .string($0.owner) }
                for flag in ["hasindexes", "hasrules", "hastriggers", "rowsecurity"] { c[flag] = { _ in .bool(false) } }
            }),
        RelationRows(
            "pg_views",
            items: { (state, keys) async throws(SQLError) in
                owned(
                    state, try await listed(state, keys, kind: "v", schema: "schemaname", name: "viewname"))
            },
            columns: { c in
                c["schemaname"] = { .string($0.relation.name.schema) }
                c["viewname"] = { .string($0.relation.name.name) }
                c["viewowner"] = { .string($0.owner) }
                c["definition"] = { .optional($0.relation.viewText) }
            }),
        RelationRows(
            "pg_indexes",
            items: { (state, keys) async throws(SQLError) -> [DeclaredKey] in
                try await declaredKeys(state, try await tables(state, keys)).filter(\.hasIndex)
            },
            columns: { c in
                c["schemaname"] = { .string($0.relation.name.schema) }
                c["tablename"] = { .string($0.relation.name.name) }
                c["indexname"] = { .string($0.name) }
                c["indexdef"] = { .optional($0.indexText()) }
            }),
        RelationRows(
            "pg_matviews",
            items: { (state, keys) async throws(SQLError) -> [CountedTable] in
                let views = try await listed(state, keys, kind: "m", schema: "schemaname", name: "matviewname")
                let details = try await state.details(of: views)
                return zip(views, details).map {
                    CountedTable(relation: $0, details: $1, owner: state.roleName($0.owner) ?? "?")
                }
            },
            columns: { c in
                c["schemaname"] = { .string($0.relation.name.schema) }
                c["matviewname"] = { .string($0.relation.name.name) }
                c["matviewowner"] = { .string($0.owner) }
                c["hasindexes"] = { _ in .bool(false) }
                c["ispopulated"] = { .bool($0.details.properties[TableProperty.isPopulated] != "false") }
                c["definition"] = { .optional($0.details.properties[TableProperty.viewQuery]) }
            }),
        statistics("pg_stat_user_tables"), statistics("pg_stat_all_tables"),
    ]
}
