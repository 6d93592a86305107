// Random faults of the object store under queries: whatever it does, the rows are right or there is an error that names
// the object, in bounded time, and nothing is left behind.
import Coordinator
import Diagnostics
import Foundation
import Iceberg
import S3Support
import Storage
import Support
import Testing

@Suite(.serialized)
struct FaultScheduleTests {
    private static let schedules =
        ProcessInfo.processInfo.environment["APUS_FAULT_SCHEDULES"].flatMap { Int($0) } ?? 12
    private static let firstSeed = ProcessInfo.processInfo.environment["APUS_FAULT_SEED"].flatMap { UInt64($0) } ?? 1
    /// No query takes longer, whatever happens to its requests; on a loaded machine, too.
    private static let deadline = Duration.seconds(60)

    /// Swift's own pool may grow, and other tests may run beside this one; what leaks would come with every schedule.
    private static let slack = 24

    @Test("whatever the object store does, rows are right or there is a clear error")
    func schedules() async throws {
        let bucket = try await FaultyBucket.make()
        let server = try #require(UnreliableS3(bucket.objects))
        defer { server.stop() }
        let expected = try await bucket.expected(server)
        try await Task.sleep(for: .milliseconds(300))
        let threadsBefore = FaultScheduleTests.count("/proc/self/task")
        let filesBefore = FaultScheduleTests.count("/proc/self/fd")
        var tally = Tally()
        for seed in Self.firstSeed..<Self.firstSeed + UInt64(Self.schedules) {
            try await run(seed, bucket, server, expected, &tally)
        }
        print(
            "\(Self.schedules) fault schedules from seed \(Self.firstSeed): \(tally.right) right answers, "
                + "\(tally.errors) errors, \(tally.stopped) stopped, \(server.faults) faults in \(server.requests) "
                + "requests, slowest query \(tally.slowest)")
        #expect(tally.right > tally.errors / 4)
        // Threads of requests and queries end with their schedule; connections are closed.
        try await settled { server.connections == 0 }
        #expect(server.connections == 0)
        try await settled { FaultScheduleTests.count("/proc/self/task") <= threadsBefore + Self.slack }
        #expect(FaultScheduleTests.count("/proc/self/task") <= threadsBefore + Self.slack)
        #expect(FaultScheduleTests.count("/proc/self/fd") <= filesBefore + Self.slack)
    }

    private struct Tally {
        var right = 0
        var errors = 0
        var stopped = 0
        var slowest = Duration.zero
    }

    private func run(
        _ seed: UInt64, _ bucket: FaultyBucket, _ server: UnreliableS3, _ expected: [[[String?]]], _ tally: inout Tally
    ) async throws {
        var random = SplitMix(state: seed)
        let schedule = UnreliableS3.Schedule(
            seed: seed, faults: [20, 100, 250, 500].randomElement(using: &random) ?? 100,
            knowsIfMatch: Int.random(in: 0..<3, using: &random) > 0,
            changes: [0, 0, 0, 150, 500].randomElement(using: &random) ?? 0)
        server.begin(schedule, bucket.objects)
        let lake = try await TestLake(store: Stores(s3: FaultyBucket.configuration(server)))
        let session = try await lake.session()
        for _ in 0..<3 {
            let index = Int.random(in: 0..<FaultyBucket.queries.count, using: &random)
            let sql = FaultyBucket.queries[index]
            let isTimed = Int.random(in: 0..<8, using: &random) == 0
            if isTimed { _ = try await session.rows("SET statement_timeout = 150") }
            let start = ContinuousClock.now
            let note = Comment(rawValue: "seed \(seed): \(sql)")
            do throws(SQLError) {
                let rows = try await session.rows(sql)
                let isRight = FaultyBucket.isRight(rows, expected[index], of: index)
                #expect(isRight, "\(note): \(rows)")
                tally.right += 1
            } catch {
                check(error, isTimed: isTimed, note)
                if error.state == .queryCanceled { tally.stopped += 1 } else { tally.errors += 1 }
            }
            let time = ContinuousClock.now - start
            tally.slowest = max(tally.slowest, time)
            #expect(time < Self.deadline, note)
            if isTimed { _ = try await session.rows("SET statement_timeout = 0") }
        }
    }

    private func check(_ error: SQLError, isTimed: Bool, _ note: Comment) {
        if isTimed, error.state == .queryCanceled { return }
        #expect(
            ["58030", "58P01", "42501"].contains(error.state.code), "\(note): \(error.state.code) \(error.message)")
        #expect(error.message.contains("s3://lake/"), "\(note): \(error.message)")
    }

    private func settled(_ isDone: () -> Bool) async throws {
        for _ in 0..<100 where !isDone() { try await Task.sleep(for: .milliseconds(100)) }
    }

    private static func count(_ folder: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
    }
}

/// Tables as objects: a small TPC-H with files that are read by ranges, and a landing of small files whose objects may
/// be replaced while they are read.
private struct FaultyBucket {
    let objects: [String: UnreliableS3.Object]

    static let orders = "read_parquet('s3://lake/orders/*.parquet')"
    static let lines = "read_parquet('s3://lake/lines/*.parquet')"
    static let landing = "read_parquet('s3://lake/landing/**/*.parquet', hive_partitioning => true)"

    static let queries = [
        """
        SELECT flag, status, sum(quantity), sum(price), avg(discount), count(*) FROM \(lines)
        WHERE shipped <= date '1998-09-02' GROUP BY flag, status ORDER BY flag, status
        """,
        """
        SELECT l.order_id, sum(l.price * (100 - l.discount)) AS revenue, o.placed FROM \(lines) l JOIN \(orders) o
        ON l.order_id = o.id WHERE o.segment = 'BUILDING' AND l.shipped > date '1995-03-15'
        GROUP BY l.order_id, o.placed ORDER BY revenue DESC, l.order_id LIMIT 10
        """,
        """
        SELECT sum(price * discount) FROM \(lines)
        WHERE shipped >= date '1994-01-01' AND discount BETWEEN 2 AND 6 AND quantity < 24
        """,
        "SELECT note FROM \(lines) WHERE order_id = 77 ORDER BY note",
        "SELECT order_id, length(note), price FROM \(lines) ORDER BY price DESC, order_id, note LIMIT 5",
        "SELECT count(*), count(DISTINCT segment) FROM \(orders) WHERE id IN (SELECT order_id FROM \(lines))",
        // One row for each version of each file: a mixture would show.
        "SELECT day, version, count(*), sum(amount) FROM \(landing) GROUP BY day, version ORDER BY day, version",
        """
        SELECT day, count(*) FROM (SELECT * FROM \(landing) WHERE day BETWEEN 3 AND 6
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY day DESC) = 1) t GROUP BY day ORDER BY day
        """,
    ]
    private static let versioned = 6
    private static let days = 12

    static func configuration(_ server: UnreliableS3) -> S3Configuration {
        var configuration = S3Configuration(
            endpoint: server.endpoint, accessKey: "key", secretKey: "secret", connectionsMax: 16,
            connectTimeoutMilliseconds: 2_000, stallTimeoutSeconds: 1, retriesMax: 5)
        configuration.operationTimeoutMilliseconds = 8_000
        return configuration
    }

    /// The answers while nothing fails.
    func expected(_ server: UnreliableS3) async throws -> [[[String?]]] {
        server.begin(.honest, objects)
        let lake = try await TestLake(store: Stores(s3: FaultyBucket.configuration(server)))
        let session = try await lake.session()
        var answers: [[[String?]]] = []
        for sql in FaultyBucket.queries {
            let rows = try await session.rows(sql)
            try #require(!rows.isEmpty, "\(sql)")
            answers.append(rows)
        }
        return answers
    }

    /// Whether rows are what the objects hold, before or after they were replaced.
    static func isRight(_ rows: [[String?]], _ expected: [[String?]], of query: Int) -> Bool {
        switch query {
        case FaultyBucket.versioned:
            // Each day is there as its old or as its new version, whole. The last is deleted in some schedules.
            var expected = expected
            if rows.last?[0] != expected.last?[0] { expected.removeLast() }
            return rows.count == expected.count
                && zip(rows, expected).allSatisfy { row, wanted in
                    guard row != wanted else { return true }
                    guard let version = wanted[1].flatMap({ Int($0) }), let sum = wanted[3].flatMap({ Int($0) }),
                        let count = wanted[2].flatMap({ Int($0) })
                    else { return false }
                    return row == [wanted[0], "\(version + 1)", "\(count)", "\(sum + count * 1_000)"]
                }
        // Replaced files hold the same ids.
        default: return rows == expected
        }
    }

    /// Makes the files by SQL.
    static func make() async throws -> FaultyBucket {
        let folder = NSTemporaryDirectory() + "faults-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let lake = try await TestLake(format: IcebergFormat(stores: Stores(), warehouse: folder))
        let session = try await lake.session()
        var objects: [String: UnreliableS3.Object] = [:]
        func file(_ select: String) async throws -> [UInt8] {
            let name = "t\(UUID().uuidString.prefix(8).lowercased())"
            _ = try await session.rows("CREATE TABLE \(name) AS \(select)")
            let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
            let data = try #require(files.first { $0.contains(name) && $0.hasSuffix(".parquet") })
            return Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + data)))
        }
        for part in 0..<2 {
            objects["lake/lines/part-\(part).parquet"] = .init(
                try await file(
                    """
                    SELECT (i * 7919 % 2000) AS order_id, (i % 50)::int AS quantity, (i * 31 % 90000) AS price,
                        (i % 11)::int AS discount, date '1992-01-01' + (i * 13 % 2500)::int AS shipped,
                        substr('ANR', (i % 3)::int + 1, 1) AS flag, substr('OF', (i % 2)::int + 1, 1) AS status,
                        md5(i::text) || md5((i + 1)::text) || md5((i * 3)::text) || md5((i * 5)::text) AS note
                    FROM generate_series(\(part * 9_000 + 1), \(part * 9_000 + 9_000)) AS g(i)
                    """))
        }
        objects["lake/orders/part-0.parquet"] = .init(
            try await file(
                """
                SELECT i AS id, date '1992-01-01' + (i * 3 % 1200)::int AS placed,
                    (ARRAY['BUILDING', 'MACHINERY', 'FURNITURE'])[(i % 3)::int + 1] AS segment
                FROM generate_series(1, 2000) AS g(i)
                """))
        for day in 1...days {
            var versions: [[UInt8]] = []
            for version in 1...2 {
                versions.append(
                    try await file(
                        """
                        SELECT \(day) * 40 + i AS id, \(version) AS version,
                            i * 7 + \(version - 1) * 1000 AS amount FROM generate_series(1, 60) AS g(i)
                        """))
            }
            objects["lake/landing/day=\(day)/data.parquet"] = .init(
                versions[0], next: day == days ? [] : versions[1])
        }
        return FaultyBucket(objects: objects)
    }
}
