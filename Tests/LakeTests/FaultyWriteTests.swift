// Random SQL of several writers over Iceberg tables whose storage fails, against a plain model: what was acknowledged is
// there, what failed left nothing that a reader sees, and a collection removes whatever else it left.
import Coordinator
import Diagnostics
import Foundation
import Iceberg
import Storage
import Support
import Synchronization
import Testing

/// Fails some calls: before they do something, or after, when the answer is lost.
private final class FailingStore: ObjectStore {
    private let inner = LocalStore()
    /// Calls of a thousand that fail; 0: none.
    let writesFailing = Atomic<Int>(0)
    let readsFailing = Atomic<Int>(0)
    let faults = Atomic<Int>(0)

    private func fails(_ share: borrowing Atomic<Int>) -> SQLError? {
        guard Int.random(in: 0..<1_000) < share.load(ordering: .relaxed) else { return nil }
        faults.add(1, ordering: .relaxed)
        return SQLError(.ioError, "the store has failed")
    }

    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        if let error = fails(readsFailing) { return done(.failure(error)) }
        inner.read(ranges, of: path, metrics: metrics, then: done)
    }
    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        if let error = fails(readsFailing) { return done(.failure(error)) }
        inner.readSuffix(bytesMax, of: path, metrics: metrics, then: done)
    }
    /// Every write comes here: this store has none of the others' ways.
    func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        if let error = fails(writesFailing) { return done(.failure(error)) }
        let lost = fails(writesFailing)
        inner.write(parts, to: path, if: precondition, metrics: metrics) { result in
            done(lost.map { .failure($0) } ?? result)
        }
    }
    func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        try await inner.list(folder, metrics: metrics)
    }
    func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await inner.listChildren(folder, metrics: metrics)
    }
    func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await inner.head(path, metrics: metrics)
    }
    func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        if let error = fails(writesFailing) { throw error }
        try await inner.delete(paths, metrics: metrics)
    }
    func fetchPolicy(for path: ObjectPath) -> FetchPolicy { .local }
}

/// What a branch must hold: the ids of each table.
private typealias Tables = [String: [Int]]

/// One writer: a branch of its own, and tables of its own on main, which it merges its branch into.
private final class Writer {
    let number: Int
    let session: Session
    var random: SplitMix
    var branch: Tables = [:]
    var main: Tables = [:]
    var done = 0
    var failed = 0
    private var serial = 0

    init(_ number: Int, _ session: Session, seed: UInt64) {
        self.number = number
        self.session = session
        random = SplitMix(state: seed &* 1_000 &+ UInt64(number))
    }

    /// Runs statements; true when they succeeded.
    private func run(_ sql: String) async -> Bool {
        do throws(SQLError) {
            _ = try await session.rows(sql)
            done += 1
            return true
        } catch {
            failed += 1
            #expect(["58030", "40001"].contains(error.state.code), "\(sql): \(error.state.code) \(error.message)")
            _ = try? await session.rows("ROLLBACK")
            return false
        }
    }

    private func fresh(_ count: Int) -> [Int] {
        serial += count
        return Array(serial - count..<serial)
    }

    private func values(_ ids: [Int]) -> String { ids.map { "(\($0), 'row \($0)')" }.joined(separator: ", ") }

    func step() async {
        let table = branch.keys.sorted().randomElement(using: &random)
        switch Int.random(in: 0..<12, using: &random) {
        case 0, 1:
            let name = "w\(number)_\(serial)"
            let ids = fresh(3)
            if await run("CREATE TABLE \(name) AS SELECT * FROM (VALUES \(values(ids))) v (id, s)") {
                branch[name] = ids
            }
        case 2, 3, 4:
            guard let table else { return }
            let ids = fresh(Int.random(in: 1...20, using: &random))
            if await run("INSERT INTO \(table) VALUES \(values(ids))") { branch[table, default: []] += ids }
        case 5:
            guard let table else { return }
            let rest = Int.random(in: 0..<4, using: &random)
            if await run("DELETE FROM \(table) WHERE id % 4 = \(rest)") { branch[table]?.removeAll { $0 % 4 == rest } }
        case 6:
            guard let table else { return }
            let (from, by) = (Int.random(in: 0..<max(serial, 1), using: &random), 1_000_000 + serial)
            _ = fresh(1)
            if await run("UPDATE \(table) SET id = id + \(by) WHERE id >= \(from) AND id < 1000000") {
                branch[table] = branch[table]?.map { $0 >= from && $0 < 1_000_000 ? $0 + by : $0 }
            }
        case 7:
            // Several tables at once, or not at all.
            guard let table else { return }
            let name = "w\(number)_\(serial)"
            let ids = fresh(6)
            let isKept = Bool.random(using: &random)
            let text = """
                BEGIN; INSERT INTO \(table) VALUES \(values(Array(ids[..<3]))); CREATE TABLE \(name) (id int, s text);
                INSERT INTO \(name) VALUES \(values(Array(ids[3...]))); \(isKept ? "COMMIT" : "ROLLBACK")
                """
            if await run(text), isKept {
                branch[table, default: []] += ids[..<3]
                branch[name] = Array(ids[3...])
            }
        case 8:
            guard let table else { return }
            if await run("ALTER TABLE \(table) RENAME TO \(table)r") {
                branch["\(table)r"] = branch.removeValue(forKey: table)
            }
        case 9:
            guard let table, branch.count > 3 else { return }
            if await run("DROP TABLE \(table)") { branch[table] = nil }
        case 10:
            if await run("MERGE BRANCH w\(number) INTO main") { main = branch }
        default:
            guard let table else { return }
            if Bool.random(using: &random) {
                _ = await run("OPTIMIZE TABLE \(table)")
            } else if await run("TRUNCATE \(table)") {
                branch[table] = []
            }
        }
    }
}

@Suite struct FaultyWriteTests {
    private static let seeds = ProcessInfo.processInfo.environment["APUS_MODEL_SEEDS"].flatMap { Int($0) } ?? 2
    private static let steps = ProcessInfo.processInfo.environment["APUS_MODEL_STEPS"].flatMap { Int($0) } ?? 40

    @Test("whatever write of an object fails, every branch holds what was acknowledged", arguments: 0..<seeds)
    func model(seed: Int) async throws {
        let folder = NSTemporaryDirectory() + "faulty-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = FailingStore()
        let lake = try await TestLake(format: IcebergFormat(stores: store, warehouse: folder))
        let first = try await lake.session()
        var writers: [Writer] = []
        for number in 0..<3 {
            _ = try await first.rows("CREATE BRANCH w\(number)")
            writers.append(Writer(number, try await lake.session("lake@w\(number)"), seed: UInt64(seed)))
        }
        store.writesFailing.store(30, ordering: .relaxed)
        store.readsFailing.store(5, ordering: .relaxed)
        await withTaskGroup(of: Void.self) { group in
            for writer in writers {
                nonisolated(unsafe) let writer = writer
                group.addTask { for _ in 0..<Self.steps { await writer.step() } }
            }
        }
        store.writesFailing.store(0, ordering: .relaxed)
        store.readsFailing.store(0, ordering: .relaxed)
        let done = writers.reduce(0) { $0 + $1.done }
        let failed = writers.reduce(0) { $0 + $1.failed }
        print(
            "faulty writes, seed \(seed): \(done) done, \(failed) failed, \(store.faults.load(ordering: .relaxed)) faults"
        )
        #expect(done > Self.steps && failed > 5)
        try await check(writers, lake)
        _ = try await first.rows("COLLECT GARBAGE OLDER THAN '0 s'")
        #expect(try await first.rows("COLLECT GARBAGE OLDER THAN '0 s'") == [])
        try await check(writers, lake)
    }

    private func check(_ writers: [Writer], _ lake: TestLake) async throws {
        var main: Tables = [:]
        for writer in writers {
            try await check(writer.branch, "lake@w\(writer.number)", lake, only: "w\(writer.number)_")
            main.merge(writer.main) { $1 }
        }
        try await check(main, "lake", lake, only: "w")
    }

    private func check(_ tables: Tables, _ database: String, _ lake: TestLake, only prefix: String) async throws {
        let session = try await lake.session(database)
        let names = try await session.rows("SHOW TABLES").compactMap { $0[1] }.sorted()
        #expect(names.filter { $0.hasPrefix(prefix) } == tables.keys.sorted(), "\(database)")
        for (name, ids) in tables {
            let rows = try await session.rows("SELECT id FROM \(name) ORDER BY id").compactMap {
                $0[0].flatMap { Int($0) }
            }
            #expect(rows == ids.sorted(), "\(database) \(name)")
        }
    }
}
