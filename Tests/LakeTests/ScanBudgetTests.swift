// What a query asks of object storage: refused when it is more than settings allow, and told by EXPLAIN ANALYZE with its
// cost.
import Coordinator
import Diagnostics
import Foundation
import S3Support
import Storage
import Support
import Testing

struct ScanBudgetTests {
    private static let table = "read_parquet('s3://lake/t/**/*.parquet', hive_partitioning => true)"

    private func lake() async throws -> (server: UnreliableS3, session: Session) {
        let file = TestLake.root + "/Fixtures/lake/shop/orders/year=2026/month=01/day=07/part-0.parquet"
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
        let objects = (1...5).map { ("lake/t/d=\($0)/part-0.parquet", UnreliableS3.Object(bytes)) }
        let server = try #require(UnreliableS3(Dictionary(uniqueKeysWithValues: objects)))
        let configuration = S3Configuration(endpoint: server.endpoint, accessKey: "key", secretKey: "secret")
        let lake = try await TestLake(store: Stores(s3: configuration))
        return (server, try await lake.session())
    }

    @Test("queries that would read too many files or bytes are refused before they read them")
    func limits() async throws {
        let (server, session) = try await lake()
        defer { server.stop() }
        _ = try await session.rows("SET max_scan_files = 2")
        #expect(try await session.rows("SELECT count(*) FROM \(Self.table) WHERE d <= 2").count == 1)
        for (setting, value) in [("max_scan_files", "2"), ("max_scan_bytes", "1kB")] {
            _ = try await session.rows("SET max_scan_files = 0")
            _ = try await session.rows("SET \(setting) = '\(value)'")
            do throws(SQLError) {
                _ = try await session.rows("SELECT sum(id) FROM \(Self.table)")
                Issue.record("\(setting) was not looked at")
            } catch {
                #expect(error.state.code == "53400")
                #expect(error.message.contains(setting) && error.hint?.contains(setting) == true)
            }
        }
        _ = try await session.rows("SET max_scan_bytes = 0")
        #expect(try await session.rows("SELECT sum(id) FROM \(Self.table)").count == 1)
        do throws(SQLError) {
            _ = try await session.rows("SET max_scan_bytes = 'much'")
            Issue.record("a bad size was taken")
        } catch {
            #expect(error.state == .invalidParameterValue)
        }
    }

    @Test("EXPLAIN ANALYZE tells requests and their cost")
    func costs() async throws {
        let (server, session) = try await lake()
        defer { server.stop() }
        _ = try await session.rows("SET price_of_1000_reads = 1; SET price_of_1000_lists = 10")
        let before = server.requests
        let lines = try await session.rows("EXPLAIN ANALYZE SELECT sum(id) FROM \(Self.table)").compactMap { $0[0] }
        let sent = server.requests - before
        let line = try #require(lines.first { $0.hasPrefix("Object Storage: ") })
        #expect(line.hasPrefix("Object Storage: \(sent) requests ("), "\(line)")
        let words = line.split(separator: " ")
        let lists = try #require(
            words.firstIndex { $0.hasPrefix("listings") }.flatMap { Int(words[$0 - 1].dropFirst()) })
        #expect(lists > 0 && line.contains("0 retries, 0 hedges"))
        let cost = try #require(line.split(separator: "$").last.flatMap { Double($0) })
        #expect(abs(cost - Double(sent - lists) / 1_000 - Double(lists) / 100) < 1e-9, "\(line)")
    }
}
