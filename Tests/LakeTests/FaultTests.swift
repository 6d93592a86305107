// Sessions whose object store misbehaves: it does not answer, fails for a while, refuses, or loses files.
import Coordinator
import Diagnostics
import Foundation
import S3Support
import Storage
import Support
import Testing

@Suite(.enabled(if: MotoServer.shared != nil), .serialized)
struct FaultTests {
    /// The statement's error, and how long it took to come after `stop` was called.
    private func stopped(
        _ session: Session, _ sql: String, after pause: Duration = .milliseconds(300),
        _ stop: @escaping @Sendable () -> Void
    ) async throws -> (error: SQLError?, milliseconds: Double) {
        let work = Task { () -> (SQLError?, ContinuousClock.Instant) in
            do throws(SQLError) {
                _ = try await session.rows(sql)
                return (nil, .now)
            } catch {
                return (error, .now)
            }
        }
        try await Task.sleep(for: pause)
        let start = ContinuousClock.now
        stop()
        let (error, end) = await work.value
        return (error, (end - start) / .milliseconds(1))
    }

    /// Where a query waits when the server goes silent.
    enum Stage: CaseIterable {
        case listing, planning, reading
    }

    @Test("cancel ends a query at once, wherever it waits for a silent server", arguments: Stage.allCases)
    func cancels(_ stage: Stage) async throws {
        let shop = try await Shop()
        try await shop.makeTable()
        let sql =
            stage == .planning
            ? "SELECT sum(price) FROM orders WHERE \(PartitionTests.point)"
            : "SELECT sum(price) FROM orders"
        var best = Double.infinity
        for _ in 0..<3 {
            shop.proxy.behave(stage == .listing ? .silent : .silentReads)
            let (error, milliseconds) = try await stopped(shop.session, sql) { shop.session.cancel() }
            #expect(error?.state == .queryCanceled)
            #expect(error?.message == "canceling statement due to user request")
            best = min(best, milliseconds)
        }
        #expect(best < 100, "\(best) ms")
        // The threads and connections are free for others.
        shop.proxy.behave(.honest)
        let rows = try await shop.session.rows("SELECT count(*) FROM orders WHERE \(PartitionTests.point)")
        #expect(rows == [["\(Shop.rowsPerDay)"]])
    }

    @Test("statement_timeout counts the time that storage takes", arguments: Stage.allCases)
    func timesOut(_ stage: Stage) async throws {
        let shop = try await Shop()
        try await shop.makeTable()
        _ = try await shop.session.rows("SET statement_timeout = 250")
        shop.proxy.behave(stage == .listing ? .silent : .silentReads)
        let sql =
            stage == .planning
            ? "EXPLAIN ANALYZE SELECT sum(price) FROM orders WHERE \(PartitionTests.point)"
            : "SELECT sum(price) FROM orders"
        var best = Double.infinity
        for _ in 0..<3 {
            let (error, milliseconds) = try await stopped(shop.session, sql, after: .zero) {}
            #expect(error?.state == .queryCanceled)
            #expect(error?.message == "canceling statement due to statement timeout")
            best = min(best, milliseconds)
        }
        #expect(best > 200 && best < 350, "\(best) ms")
    }

    @Test("errors that pass are tried again", arguments: ["503 Slow Down", "500 Internal Server Error", nil])
    func triesAgain(_ status: String?) async throws {
        let shop = try await Shop()
        try await shop.makeTable()
        shop.proxy.behave(.failing(4, status: status))
        let rows = try await shop.session.rows("SELECT count(*), sum(id) > 0 FROM orders WHERE \(PartitionTests.point)")
        #expect(rows == [["\(Shop.rowsPerDay)", "t"]])
        #expect(shop.proxy.requests.count >= 5 + 4)
    }

    @Test("a file that is deleted while it is queried is an error that names it")
    func deletedFile() async throws {
        let shop = try await Shop()
        try await shop.makeTable()
        shop.proxy.behave(.forgetful)
        let error = await failure(shop.session, "SELECT sum(price) FROM orders WHERE \(PartitionTests.point)")
        #expect(error?.state == .undefinedFile)
        let name = "s3://\(Shop.bucket)/\(Shop.folder((2026, 1, 7)))part-0.parquet"
        #expect(error?.message.contains(name) == true, "\(String(describing: error))")
    }

    @Test("refused credentials are an error that names what was asked for")
    func refused() async throws {
        let shop = try await Shop()
        shop.proxy.behave(.failing(1_000, status: "403 Forbidden"))
        let error = await failure(
            shop.session, "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 's3://\(Shop.bucket)/\(Shop.orders)/'")
        #expect(error?.state == .insufficientPrivilege)
        #expect(error?.message.contains("s3://\(Shop.bucket)/\(Shop.orders)") == true)
        let read = await failure(shop.session, "SELECT * FROM read_parquet('s3://\(Shop.bucket)/a/b.parquet')")
        #expect(read?.message.contains("permission denied for \"s3://\(Shop.bucket)/a/b.parquet\"") == true)
    }

    @Test("a bucket that is missing, a folder that is empty, and what a location may look like")
    func locations() async throws {
        let shop = try await Shop()
        let session = shop.session
        let missing = await failure(session, "SELECT * FROM read_parquet('s3://no-such-bucket/x/')")
        #expect(missing?.message.contains("bucket \"no-such-bucket\" does not exist") == true)
        let table = await failure(
            session, "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 's3://no-such-bucket/x'")
        #expect(table?.message.contains("bucket \"no-such-bucket\" does not exist") == true)
        let schema = await failure(session, "SELECT * FROM read_parquet('s3://\(Shop.bucket)/nothing/here/')")
        #expect(schema?.state == .undefinedFile && schema?.message.contains("nothing/here") == true)
        let root = "s3://\(Shop.bucket)/\(Shop.orders)"
        let day = "\(root)/year=2026/month=01/day=07"
        for (location, count) in [
            (root, 92), (root + "/", 92), (root + "//", 92), (day, 1), (day + "/", 1), (day + "/part-0.parquet", 1),
            (root + "/*/month=12/*/*.parquet", 31),
        ] {
            _ = try await session.rows("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '\(location)'")
            #expect(try await session.rows("SELECT count(*) FROM t") == [["\(count * Shop.rowsPerDay)"]], "\(location)")
            _ = try await session.rows("DROP TABLE t")
        }
    }

    private func failure(_ session: Session, _ sql: String) async -> SQLError? {
        do throws(SQLError) {
            _ = try await session.rows(sql)
            return nil
        } catch {
            return error
        }
    }
}
