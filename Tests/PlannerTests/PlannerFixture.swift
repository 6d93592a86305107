// A snapshot of small tables for planner tests: only names, types and row counts, no data.
import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax

@testable import Planner

/// A table that can be planned, not scanned.
struct FakeTable: Table {
    let name: String
    let schema: Schema
    var statistics = TableStatistics()

    init(_ name: String, _ fields: [(String, SQLType)]) {
        self.name = name
        schema = Schema(fields.map { Field($0.0, $0.1) })
    }

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        throw SQLError(.featureNotSupported, "a fake table has no data")
    }
}

enum PlannerFixture {
    static let money = SQLType.decimal(precision: 15, scale: 2)

    static let tables: [FakeTable] = [
        FakeTable("t", [("a", .int4), ("b", .int4), ("c", .text), ("d", .date), ("x", .float8)]),
        FakeTable("u", [("a", .int4), ("e", .int8), ("f", .text)]),
        FakeTable("v", [("b", .int4), ("ts", .timestamp), ("amount", .decimal(precision: 10, scale: 2))]),
        FakeTable("region", [("r_regionkey", .int4), ("r_name", .text), ("r_comment", .text)]),
        FakeTable(
            "nation", [("n_nationkey", .int4), ("n_name", .text), ("n_regionkey", .int4), ("n_comment", .text)]),
        FakeTable(
            "supplier",
            [
                ("s_suppkey", .int8), ("s_name", .text), ("s_address", .text), ("s_nationkey", .int4),
                ("s_phone", .text), ("s_acctbal", money), ("s_comment", .text),
            ]),
        FakeTable(
            "customer",
            [
                ("c_custkey", .int8), ("c_name", .text), ("c_address", .text), ("c_nationkey", .int4),
                ("c_phone", .text), ("c_acctbal", money), ("c_mktsegment", .text), ("c_comment", .text),
            ]),
        FakeTable(
            "part",
            [
                ("p_partkey", .int8), ("p_name", .text), ("p_mfgr", .text), ("p_brand", .text), ("p_type", .text),
                ("p_size", .int4), ("p_container", .text), ("p_retailprice", money), ("p_comment", .text),
            ]),
        FakeTable(
            "partsupp",
            [
                ("ps_partkey", .int8), ("ps_suppkey", .int8), ("ps_availqty", .int8), ("ps_supplycost", money),
                ("ps_comment", .text),
            ]),
        FakeTable(
            "orders",
            [
                ("o_orderkey", .int8), ("o_custkey", .int8), ("o_orderstatus", .text), ("o_totalprice", money),
                ("o_orderdate", .date), ("o_orderpriority", .text), ("o_clerk", .text), ("o_shippriority", .int4),
                ("o_comment", .text),
            ]),
        FakeTable(
            "lineitem",
            [
                ("l_orderkey", .int8), ("l_partkey", .int8), ("l_suppkey", .int8), ("l_linenumber", .int8),
                ("l_quantity", money), ("l_extendedprice", money), ("l_discount", money), ("l_tax", money),
                ("l_returnflag", .text), ("l_linestatus", .text), ("l_shipdate", .date), ("l_commitdate", .date),
                ("l_receiptdate", .date), ("l_shipinstruct", .text), ("l_shipmode", .text), ("l_comment", .text),
            ]),
    ]

    static let views: [String: ViewDefinition] = [
        "tv": ViewDefinition(sql: "SELECT a, b + 1 AS b1 FROM t WHERE a > 0", columnNames: [], searchPath: ["public"]),
        "renamed": ViewDefinition(sql: "SELECT a, b FROM t", columnNames: ["p", "q"], searchPath: ["public"]),
        "loop": ViewDefinition(sql: "SELECT * FROM loop", columnNames: [], searchPath: ["public"]),
        "broken": ViewDefinition(sql: "SELECT nothing FROM t", columnNames: [], searchPath: ["public"]),
    ]

    /// Resolves the names of a query as the coordinator does: views add rounds.
    static func snapshot(of query: Query) throws(SQLError) -> CatalogSnapshot {
        var snapshot = CatalogSnapshot()
        var pending = [try QueryNames.references(of: query, context: PlanContext())]
        var rounds = 0
        while let names = pending.popLast(), rounds < 10 {
            rounds += 1
            for (reference, _) in names.relations {
                if let table = tables.first(where: { $0.name == reference.name }) {
                    snapshot.relations[reference] = .table(table)
                } else if let view = views[reference.name] {
                    snapshot.relations[reference] = .view(view)
                    let inner = try Parser.parseQuery(view.sql)
                    pending.append(
                        try QueryNames.references(
                            of: inner, context: PlanContext(), viewPath: view.searchPath, viewRef: reference.ref,
                            definer: view.definer))
                }
            }
            for (call, _) in names.fileCalls {
                snapshot.fileTables[call] = FakeTable("files", [("k", .int4), ("filename", .text)])
            }
        }
        return snapshot
    }

    static func bind(_ sql: String, types: [SQLType?] = []) throws(SQLError) -> BoundQuery {
        let query = try Parser.parseQuery(sql)
        let snapshot = try snapshot(of: query)
        return try Binder.bind(query, snapshot: snapshot, context: PlanContext(), parameterTypes: types)
    }

    /// The plan's text, or the error with its position.
    static func explain(_ sql: String) -> String {
        do throws(SQLError) {
            return PlanPrinter.text(try bind(sql).plan).joined(separator: "\n")
        } catch {
            let place = error.position.map { " @\($0)" } ?? ""
            return "\(error.state.code)\(place): \(error.message)" + (error.hint.map { " (\($0))" } ?? "")
        }
    }
}
