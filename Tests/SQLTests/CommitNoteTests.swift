// Commits say what made them: statements, dbt model, tables read.
import Coordinator
import Diagnostics
import Support
import Testing

@Suite struct CommitNoteTests {
    @Test("a commit names its dbt model and what it read") func lineage() async throws {
        let lake = try await TestLake()
        let session = try await lake.session(settings: [(name: "application_name", value: "dbt")])
        _ = try await session.rows("CREATE TABLE orders (id int)")
        _ = try await session.rows("CREATE BRANCH dev")
        let comment = "/* {\"app\": \"dbt\", \"node_id\": \"model.shop.fct_orders\"} */\n"
        _ = try await session.rows(comment + "CREATE TABLE fct AS SELECT o.id FROM orders o JOIN orders@dev USING (id)")
        let message = try await session.rows("SHOW LOG LIMIT 1").first?[3]
        #expect(
            message == """
                CREATE TABLE fct AS SELECT o.id FROM orders o JOIN orders@dev USING (id)

                Model: model.shop.fct_orders
                Application: dbt
                Reads: public.orders, public.orders@dev
                """)
        // The next statement has no comment, and no model.
        _ = try await session.rows("INSERT INTO fct VALUES (1)")
        let next = try await session.rows("SHOW LOG LIMIT 1").first?[3]
        #expect(next == "INSERT INTO fct VALUES (1)\n\nApplication: dbt")
    }

    @Test("a transaction's commit names everything it read") func transaction() async throws {
        let lake = try await TestLake()
        let session = try await lake.session()
        _ = try await session.rows("CREATE TABLE a (id int); CREATE TABLE b (id int); INSERT INTO b VALUES (1)")
        _ = try await session.rows("BEGIN; INSERT INTO a SELECT id FROM b; UPDATE b SET id = a.id FROM a; COMMIT")
        let message = try await session.rows("SHOW LOG LIMIT 1").first?[3]
        #expect(message?.hasSuffix("\n\nReads: public.a, public.b") == true, "\(message ?? "")")
    }
}
