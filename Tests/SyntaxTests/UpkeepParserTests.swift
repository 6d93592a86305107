import Diagnostics
import Testing

@testable import Syntax

@Suite struct UpkeepParserTests {
    private func parse(_ sql: String) throws -> UpkeepStatement? {
        guard case .upkeep(let statement)? = try Parser.parse(sql).first?.statement else { return nil }
        return statement
    }

    @Test("OPTIMIZE TABLE, VACUUM, and what Trino calls them")
    func optimize() throws {
        guard
            case .optimize(let full)? = try parse(
                "OPTIMIZE TABLE s.t (file_size_threshold => '128MB', min_files = 3) WHERE d >= date '2026-01-01' DRY RUN"
            )
        else {
            Issue.record("not read")
            return
        }
        #expect(full.tables.map(\.text) == ["s.t"] && full.isDryRun && full.condition != nil)
        #expect(full.options == ["file_size_threshold": "128MB", "min_files": "3"])
        let short = try parse("optimize t")
        #expect(try parse("alter table t execute optimize") != nil && short != nil)
        guard case .optimize(let vacuum)? = try parse("vacuum (full, analyze) a, s.b; select 1") else {
            Issue.record("not read")
            return
        }
        #expect(vacuum.verb == "VACUUM" && vacuum.tables.map(\.text) == ["a", "s.b"])
        guard case .optimize(let all)? = try parse("VACUUM FULL VERBOSE ANALYZE") else {
            Issue.record("not read")
            return
        }
        #expect(all.tables.isEmpty)
    }

    @Test("EXPIRE SNAPSHOTS and COLLECT GARBAGE")
    func others() throws {
        guard
            case .expireSnapshots(let expire)? = try parse(
                "EXPIRE SNAPSHOTS OF t OLDER THAN interval '7 days' KEEP 5 DRY RUN")
        else {
            Issue.record("not read")
            return
        }
        #expect(expire.table.text == "t" && expire.keeping == 5 && expire.isDryRun && expire.olderThan != nil)
        guard
            case .expireSnapshots(let trino)? = try parse(
                "ALTER TABLE t EXECUTE expire_snapshots(retention_threshold => '7d', retain_last => 2)")
        else {
            Issue.record("not read")
            return
        }
        #expect(trino.keeping == 2 && trino.olderThan?.node == .string("7d") && !trino.isDryRun)
        guard case .collectGarbage(let collect)? = try parse("COLLECT GARBAGE DRY RUN OLDER THAN '2 days'") else {
            Issue.record("not read")
            return
        }
        #expect(collect.isDryRun && collect.olderThan?.node == .string("2 days"))
    }

    @Test(
        "what is wrong is said",
        arguments: [
            ("expire snapshots of t keep 0", "42601"), ("collect rubbish", "42601"), ("optimize table", "42601"),
            ("alter table t execute fly", "42704"), ("alter table t execute remove_orphan_files", "0A000"),
            ("alter table t execute expire_snapshots(what => 1)", "42601"), ("optimize t where", "42601"),
        ])
    func errors(sql: String, state: String) {
        do throws(SQLError) {
            _ = try Parser.parse(sql)
            Issue.record("read: \(sql)")
        } catch { #expect(error.state.code == state) }
    }
}
