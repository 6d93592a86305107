// Types of $n, putting values in, and the names that a statement mentions.
import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax
import Testing

@testable import Planner

@Suite struct BinderParameterTests {
    @Test(
        "parameters take the type of what they meet",
        arguments: [
            ("SELECT $1", [.text]),
            ("SELECT a FROM t WHERE a = $1", [.int4]),
            ("SELECT a FROM t WHERE d BETWEEN $1 AND $2", [.date, .date]),
            ("SELECT a FROM t WHERE a IN ($1, $2)", [.int4, .int4]),
            ("SELECT $1::int8 + $1", [.int8]),
            ("SELECT a FROM t WHERE amount_of > $1", []),
            ("SELECT a FROM t WHERE a = ANY ($1)", [.array(.int4)]),
            ("SELECT CASE WHEN $1 THEN $2 ELSE x END FROM t", [.boolean, .float8]),
            ("SELECT a FROM t LIMIT $1 OFFSET $2", [.int8, .int8]),
            ("VALUES (1, $1), ($2, 'x')", [.text, .int4]),
            ("SELECT $1 UNION SELECT a FROM t", [.int4]),
            ("SELECT a FROM t WHERE $1 IS NULL OR a = $1", [.int4]),
        ] as [(String, [SQLType])])
    func types(_ sql: String, _ expected: [SQLType]) {
        do throws(SQLError) {
            #expect(try PlannerFixture.bind(sql).parameterTypes == expected)
        } catch {
            #expect(expected.isEmpty, "\(sql): \(error)")
        }
    }

    @Test(
        "parameters whose type stays open are errors",
        arguments: [
            ("SELECT $2::int", "42P18"), ("SELECT $1 IS NULL", "42P18"),
            ("SELECT $0", "42P02"), ("SELECT a FROM t WHERE a = $1 AND c = $1", "42883"), ("SELECT $70000", "42P02"),
        ])
    func open(_ sql: String, _ code: String) {
        do throws(SQLError) {
            _ = try PlannerFixture.bind(sql)
            Issue.record("\(sql) binds")
        } catch { #expect(error.state.code == code, "\(error)") }
    }

    @Test("values replace parameters; a known array becomes a list")
    func values() throws {
        let bound = try PlannerFixture.bind("SELECT a FROM t WHERE a = ANY ($1) AND b > $2")
        let array = Scalar(.array(.int4), .array([.int4(1), .int4(2)]))
        let plan = try Binder.replaceParameters(in: bound.plan, with: [array, .int4(7)])
        let text = PlanPrinter.text(plan).joined(separator: "\n")
        #expect(text.contains("(a IN (1, 2)) AND (b > 7)"), "\(text)")
        let none = try Binder.replaceParameters(in: bound.plan, with: [.null(.array(.int4)), .int4(7)])
        #expect(PlanPrinter.text(none).joined().contains("NULL::boolean"))
    }

    @Test("declared types stand")
    func declared() throws {
        let bound = try PlannerFixture.bind("SELECT $1 + 1", types: [.int8])
        #expect(bound.parameterTypes == [.int8])
        #expect(bound.plan.columns.map(\.type) == [.int8])
    }

    @Test("names are found wherever they stand, with their versions")
    func names() throws {
        let sql = """
            WITH c AS (SELECT * FROM t), t2 AS (SELECT * FROM c)
            SELECT (SELECT max(x) FROM s.u) FROM c, t2, "lake@dev".p.q, r@tagged, "v@b" x
            WHERE EXISTS (SELECT 1 FROM c JOIN w ON true) AND 1 IN (SELECT a FROM c AT BRANCH main)
            """
        let names = try QueryNames.references(of: try Parser.parseQuery(sql), context: PlanContext())
        let found = names.relations.map { name in
            let reference = name.reference
            return [reference.database, reference.schema, reference.name, reference.ref?.description]
                .compactMap { $0 }.joined(separator: ".")
        }
        #expect(found == ["t", "lake.p.q.dev", "r.tagged", "v.b", "s.u", "w", "c.main"])
    }

    @Test("a recursive table hides the relation of its name")
    func recursiveNames() throws {
        let sql = "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r"
        #expect(try QueryNames.references(of: try Parser.parseQuery(sql), context: PlanContext()).relations.isEmpty)
        let plain = "WITH r AS (SELECT * FROM r) SELECT * FROM r"
        #expect(
            try QueryNames.references(of: try Parser.parseQuery(plain), context: PlanContext()).relations.count == 1)
    }

    @Test("file functions keep their paths and options")
    func files() throws {
        let sql = "SELECT * FROM read_parquet(['a', 'b'], hive_partitioning => true, filename = false)"
        let names = try QueryNames.references(of: try Parser.parseQuery(sql), context: PlanContext())
        let call = try #require(names.fileCalls.first?.call)
        #expect(call.function == "read_parquet")
        #expect(call.paths == ["a", "b"])
        #expect(call.options == ["hive_partitioning": .boolean(true), "filename": .boolean(false)])
    }

    @Test("names inside a view are looked up with the view's path and version")
    func viewNames() throws {
        let names = try QueryNames.references(
            of: try Parser.parseQuery("SELECT * FROM t, s.u, t@main"), context: PlanContext(), viewPath: ["sales"],
            viewRef: .named("dev"))
        #expect(
            names.relations.map(\.reference) == [
                CatalogSnapshot.Reference(name: "t", ref: .named("dev"), searchPath: ["sales"]),
                CatalogSnapshot.Reference(schema: "s", name: "u", ref: .named("dev")),
                CatalogSnapshot.Reference(name: "t", ref: .named("main"), searchPath: ["sales"]),
            ])
    }

    @Test("deep and wide queries end in an error or a plan, never in a crash")
    func depth() {
        let wide = "SELECT " + (0..<3_000).map { "a + \($0)" }.joined(separator: ", ") + " FROM t"
        #expect((try? PlannerFixture.bind(wide)) != nil)
        let list = "SELECT * FROM t WHERE a IN (" + (0..<20_000).map { "\($0)" }.joined(separator: ", ") + ")"
        #expect((try? PlannerFixture.bind(list)) != nil)
        for depth in [50, 150, 380, 5_000] {
            let parens = String(repeating: "(", count: depth) + "1" + String(repeating: ")", count: depth)
            _ = try? PlannerFixture.bind("SELECT \(parens)")
            _ = try? PlannerFixture.bind("SELECT " + String(repeating: "- ", count: depth) + "a FROM t")
            _ = try? PlannerFixture.bind("SELECT 1" + String(repeating: " + 1", count: depth))
            _ = try? PlannerFixture.bind("SELECT 1" + String(repeating: " UNION ALL SELECT 1", count: depth))
            let nested =
                String(repeating: "SELECT (", count: depth) + "SELECT 1" + String(repeating: ")", count: depth)
            _ = try? PlannerFixture.bind(nested)
            let from =
                String(repeating: "SELECT * FROM (", count: depth) + "SELECT 1"
                + String(repeating: ") s", count: depth)
            _ = try? PlannerFixture.bind(from)
            let tables = (0..<min(depth, 1_000)).map { "c\($0) AS (SELECT * FROM \($0 == 0 ? "t" : "c\($0 - 1)"))" }
            _ = try? PlannerFixture.bind("WITH \(tables.joined(separator: ", ")) SELECT * FROM c0")
        }
    }
}
