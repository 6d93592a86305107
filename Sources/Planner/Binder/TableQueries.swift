// Table functions that are queries: DuckDB's duckdb_tables() and its kin, query('...') and query_table('...').
import Diagnostics
import Functions
import Syntax

/// The queries that calls in FROM stand for.
enum TableQueries {
    /// The query of a call; nil for every other function.
    static func query(_ call: FunctionCall) throws(SQLError) -> Query? {
        if let query = try partitions(call) { return query }
        guard call.name.parts.count == 1 else { return nil }
        if call.arguments.isEmpty { return try catalog[call.name.last].map(Parser.parseQuery) }
        guard let first = call.arguments.first, first.name == nil, case .string(let text) = first.value.node,
            call.arguments.count == 1
        else { return nil }
        switch call.name.last {
        case "query": return try Parser.parseQuery(text)
        case "query_table":
            let quoted = text.split(separator: ".", omittingEmptySubsequences: false)
                .map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }
            return try Parser.parseQuery(
                text.hasPrefix("(") ? "SELECT * FROM \(text)" : "SELECT * FROM \(quoted.joined(separator: "."))")
        default: return nil
        }
    }

    /// pg_partition_ancestors and pg_partition_tree of a table that is named: what psql asks for partitioned tables.
    private static func partitions(_ call: FunctionCall) throws(SQLError) -> Query? {
        guard call.name.parts.count == 1 || call.name.parts.first?.value == "pg_catalog", call.arguments.count == 1,
            ["pg_partition_ancestors", "pg_partition_tree"].contains(call.name.last)
        else { return nil }
        var argument = call.arguments[0].value.node
        if case .cast(let inner, _, _) = argument { argument = inner.node }
        let table: String
        switch argument {
        case .string(let text), .integer(let text): table = "'\(text.replacing("'", with: "''"))'::regclass"
        default: return nil
        }
        let known = "FROM pg_catalog.pg_class WHERE oid = \(table) AND (relispartition OR relkind = 'p')"
        guard call.name.last == "pg_partition_tree" else {
            return try Parser.parseQuery(
                """
                WITH RECURSIVE up(relid) AS (SELECT oid::regclass \(known) UNION ALL SELECT i.inhparent::regclass
                FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid = up.relid) SELECT relid FROM up
                """)
        }
        return try Parser.parseQuery(
            """
            WITH RECURSIVE down(relid, parentrelid, level) AS (SELECT oid::regclass, (SELECT inhparent::regclass
            FROM pg_catalog.pg_inherits WHERE inhrelid = \(table)), 0 \(known) UNION ALL
            SELECT i.inhrelid::regclass, i.inhparent::regclass, down.level + 1
            FROM pg_catalog.pg_inherits i JOIN down ON i.inhparent = down.relid)
            SELECT relid, parentrelid, NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c
            WHERE c.oid = relid AND c.relkind = 'p') AS isleaf, level FROM down
            """)
    }

    private static let relations = """
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind
        """
    private static let place = "current_database() AS database_name, n.nspname AS schema_name"

    private static let catalog: [String: String] = [
        "duckdb_tables": """
        SELECT \(place), c.relname AS table_name, c.oid AS table_oid,
        obj_description(c.oid, 'pg_class') AS comment, false AS internal, c.relpersistence = 't' AS temporary,
        c.reltuples::bigint AS estimated_size, c.relnatts::bigint AS column_count \(relations) IN ('r', 'p', 'f')
        """,
        "duckdb_views": """
        SELECT \(place), c.relname AS view_name, c.oid AS view_oid, obj_description(c.oid, 'pg_class') AS comment,
        false AS internal, false AS temporary, c.relnatts::bigint AS column_count,
        pg_get_viewdef(c.oid) AS sql \(relations) IN ('v', 'm')
        """,
        "duckdb_indexes": """
        SELECT \(place), c.relname AS index_name, c.oid AS index_oid,
        obj_description(c.oid, 'pg_class') AS comment, pg_get_indexdef(c.oid) AS sql \(relations) = 'i'
        """,
        "duckdb_sequences": """
        SELECT \(place), c.relname AS sequence_name, c.oid AS sequence_oid,
        obj_description(c.oid, 'pg_class') AS comment \(relations) = 'S'
        """,
        "duckdb_columns": """
        SELECT \(place), c.relname AS table_name, a.attname AS column_name, a.attnum::integer AS column_index,
        col_description(c.oid, a.attnum) AS comment, pg_get_expr(d.adbin, d.adrelid) AS column_default,
        NOT a.attnotnull AS is_nullable, format_type(a.atttypid, a.atttypmod) AS data_type
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
        AND a.attnum > 0 AND NOT a.attisdropped
        """,
        "duckdb_schemas": """
        SELECT current_database() AS database_name, oid, nspname AS schema_name,
        obj_description(oid, 'pg_namespace') AS comment,
        nspname IN ('pg_catalog', 'information_schema') AS internal FROM pg_catalog.pg_namespace
        """,
        "duckdb_functions": """
        SELECT \(place), p.proname AS function_name, obj_description(p.oid, 'pg_proc') AS comment
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        """,
        "duckdb_settings": """
        SELECT name, setting AS value, short_desc AS description, vartype AS input_type, 'GLOBAL' AS scope
        FROM pg_catalog.pg_settings
        """,
        "duckdb_databases": """
        SELECT datname AS database_name, oid AS database_oid, false AS internal FROM pg_catalog.pg_database
        """,
    ]
}

extension QueryBinder {
    /// A call in FROM that stands for a query; nil for every other function.
    func queryTable(_ call: FunctionCall, _ alias: TableAlias?, _ at: Int?) throws(SQLError) -> FromItem? {
        guard let query = try TableQueries.query(call) else { return nil }
        guard views.count < QueryBinder.viewDepthMax else {
            throw SQLError(.statementTooComplex, "table functions call each other too deeply", position: at)
        }
        // Positions inside of its text mean nothing to the client.
        views.append(ViewFrame(name: call.name.last, ref: nil, searchPath: context.functions.searchPath))
        defer { views.removeLast() }
        let plan = try bind(query, outer: nil, ctes: nil).plan
        let item = Scope.Item(name: call.name.last, columns: itemColumns(plan.columns))
        return FromItem(plan: plan, items: [try renamed(item, alias, at)])
    }
}
