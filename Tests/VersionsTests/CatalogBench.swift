// Figures of the catalog: `make bench-catalog`. Among 10 tables and 10 commits, and among 100,000 and a million.
import Catalogs
import Diagnostics
import Foundation
import GRDB
import PostgresClient
import PostgresSupport
import Testing

@testable import Versions

@Suite(.enabled(if: ProcessInfo.processInfo.environment["APUS_BENCH"] != nil), .serialized)
struct CatalogBench {
    static let tables = ModelTests.number("APUS_BENCH_TABLES", 100_000)
    static let commits = ModelTests.number("APUS_BENCH_COMMITS", 1_000_000)

    @Test("figures", arguments: StoreKind.allCases, [false, true])
    func figures(kind: StoreKind, isLarge: Bool) async throws {
        let lake = try await BenchLake(
            kind, tables: isLarge ? Self.tables : 10, commits: isLarge ? Self.commits : 10)
        defer { lake.remove() }
        print("\n\(kind.rawValue): \(lake.tables) tables, \(lake.commits) commits")
        try await lake.resolve()
        try await lake.commit()
        if isLarge { try await lake.merge() }
    }
}

/// A catalog of a given size, in a durable store.
private struct BenchLake {
    let tables: Int
    let commits: Int
    private let kind: StoreKind
    private let url: String
    private let cluster: PrivateCluster?
    private let store: any RefStore
    private let catalog: VersionedCatalog
    private let note = CommitNote(author: "bench", message: "bench")

    init(_ kind: StoreKind, tables: Int, commits: Int) async throws {
        self.kind = kind
        self.tables = tables
        self.commits = commits
        switch kind {
        case .sqlite:
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-" + UUID().uuidString)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            url = folder.appendingPathComponent("catalog.sqlite").path
            cluster = nil
            store = try SQLiteRefStore(path: url, now: VersionedCatalog.systemTime)
        case .postgres:
            let cluster = try #require(PrivateCluster(isDurable: true))
            self.cluster = cluster
            url = try cluster.makeDatabase()
            store = try await PostgresRefStore(url: url)
        }
        catalog = try await VersionedCatalog(store: store)
        for start in stride(from: 0, to: tables, by: 10_000) {
            let names = start..<min(start + 10_000, tables)
            let head = try await catalog.commit(of: .branch("main"))
            _ = try await catalog.commit(
                names.map { .put(BenchLake.name($0), BenchLake.entry(0)) }, to: "main", expecting: head, note: note)
        }
        try await fillHistory()
    }

    /// Removes the files; PostgreSQL's go with its server.
    func remove() {
        guard kind == .sqlite else { return }
        try? FileManager.default.removeItem(at: URL(fileURLWithPath: url).deletingLastPathComponent())
    }

    static func name(_ number: Int) -> TableName { TableName(schema: "public", name: "table_\(number)") }

    static func entry(_ state: Int) -> Entry {
        .managed(
            ManagedDefinition(
                format: "iceberg", identity: "6f1c6a0e-93b0-4a53-8a4c-0d6a6c4f0b11",
                metadataLocation: "s3://lake/warehouse/public/table/metadata/\(state)-6f1c6a0e.metadata.json",
                snapshotID: Int64(state)))
    }

    /// Puts commits on top of main, past the catalog: a million of them one by one would take an hour of waiting for the
    /// disk. They have the same tables, and jump pointers as commits have them.
    private func fillHistory() async throws {
        let head = try await ObjectID(catalog.commit(of: .branch("main")))
        let reader = ObjectReader(store)
        var last = try await reader.commit(head)
        var ids = [head]
        var jumps = [0]
        var rows: [(ObjectID, Data)] = []
        let time = last.committedAt
        for number in 1..<max(commits - last.generation, 2) {
            let parent = number - 1
            let jump = jumps[parent]
            let jumpsFurther = parent - jump == jump - jumps[jump]
            jumps.append(jumpsFurther ? jumps[jump] : parent)
            last.parents = [ids[parent]]
            last.generation += 1
            last.jump = ids[jumps[number]]
            last.committedAt = time + Int64(number)
            let bytes = try ObjectCoding.encode(last)
            ids.append(ObjectID(of: bytes))
            rows.append((ids[number], bytes))
        }
        // In the order of hashes: one pass over the table.
        rows.sort { $0.0 < $1.0 }
        for start in stride(from: 0, to: rows.count, by: 20_000) {
            try await insert(rows[start..<min(start + 20_000, rows.count)])
        }
        try await catalog.move(
            .branch, "main", from: CommitID(hex: head.hex), to: CommitID(hex: ids[ids.count - 1].hex))
    }

    private func insert(_ rows: ArraySlice<(ObjectID, Data)>) async throws {
        switch kind {
        case .sqlite:
            let database = try DatabaseQueue(path: url)
            try await database.write { database in
                for (id, bytes) in rows {
                    try database.execute(
                        sql: "INSERT INTO object (id, is_commit, bytes, seen_at) VALUES (?, 1, ?, 0)",
                        arguments: [id.hex, bytes])
                }
            }
        case .postgres:
            _ = try PostgresConnection(url: url).query(
                "INSERT INTO apus.object SELECT id, true, 0, bytes FROM unnest($1, $2) AS new (id, bytes)",
                [.bytesArray(rows.map(\.0.bytes)), .dataArray(rows.map(\.1))])
        }
    }

    // MARK: - Figures

    private func measure(_ what: String, _ count: Int, _ body: (Int) async throws -> Void) async throws {
        var times: [Double] = []
        for number in 0..<count {
            let begin = ContinuousClock.now
            try await body(number)
            times.append((ContinuousClock.now - begin) / .microseconds(1))
        }
        times.sort()
        func show(_ share: Double) -> String { "\(Int(times[Int(Double(times.count - 1) * share)])) µs" }
        print("  \(what): median \(show(0.5)), 10 % within \(show(0.1)), 99 % within \(show(0.99))")
    }

    func resolve() async throws {
        var random = SeededRandom(1)
        _ = try await catalog.entries([BenchLake.name(0)], at: try await catalog.commit(of: .branch("main")))
        try await measure("resolve a name, cache warm", 2_000) { _ in
            let head = try await catalog.commit(of: .branch("main"))
            let name = BenchLake.name(random.below(min(tables, 100)))
            let found = try await catalog.entries([name], at: head)
            if found.count != 1 { Issue.record("\(name) is missing") }
        }
        try await measure("resolve a name, nothing cached", 500) { _ in
            let fresh = try await VersionedCatalog(store: store)
            let name = BenchLake.name(random.below(tables))
            let found = try await fresh.entries([name], at: try await fresh.commit(of: .branch("main")))
            if found.count != 1 { Issue.record("\(name) is missing") }
        }
        let newest = try await catalog.log(.branch("main"), limit: 1)[0].committedAt
        try await measure("the commit at a time, nothing cached", 200) { _ in
            let fresh = try await VersionedCatalog(store: store)
            let time = newest - Int64(random.below(commits))
            _ = try? await fresh.commit(of: .time(branch: "main", microseconds: time))
        }
    }

    func commit() async throws {
        var random = SeededRandom(2)
        let count = 500
        let begin = ContinuousClock.now
        try await measure("commit to one table", count) { number in
            let head = try await catalog.commit(of: .branch("main"))
            _ = try await catalog.commit(
                [.put(BenchLake.name(random.below(tables)), BenchLake.entry(number + 1))], to: "main", expecting: head,
                note: note)
        }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        print("  one writer: \(Int(Double(count) / seconds)) commits a second")
        let writers = 8
        let main = try await catalog.commit(of: .branch("main"))
        for writer in 0..<writers { try await catalog.create(.branch, "b\(writer)", at: main, RefOptions()) }
        let again = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    for number in 0..<count / 4 {
                        let head = try await catalog.commit(of: .branch("b\(writer)"))
                        _ = try await catalog.commit(
                            [.put(BenchLake.name(number % tables), BenchLake.entry(number + writer))],
                            to: "b\(writer)", expecting: head, note: note)
                    }
                }
            }
            try await group.waitForAll()
        }
        let parallel = (ContinuousClock.now - again) / .seconds(1)
        print("  eight writers on branches: \(Int(Double(writers * (count / 4)) / parallel)) commits a second")
    }

    /// Of all threads.
    private static var cpuMilliseconds: Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func milliseconds(_ time: timeval) -> Double { Double(time.tv_sec) * 1_000 + Double(time.tv_usec) / 1_000 }
        return milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime)
    }

    /// What MERGE BRANCH asks of the catalog.
    func merge() async throws {
        let base = try await catalog.commit(of: .branch("main"))
        try await catalog.create(.branch, "dev", at: base, RefOptions())
        let changes = (0..<1_000).map { Change.put(BenchLake.name($0 * (tables / 1_000)), BenchLake.entry(7_777)) }
        let source = try await catalog.commit(changes, to: "dev", expecting: base, note: note)
        let target = try await catalog.commit(
            [.put(BenchLake.name(1), BenchLake.entry(8))], to: "main", expecting: base, note: note)
        for isCold in [true, false] {
            let catalog = isCold ? try await VersionedCatalog(store: store) : self.catalog
            let begin = ContinuousClock.now
            let busy = BenchLake.cpuMilliseconds
            let found = try #require(try await catalog.mergeBase(target, source))
            let differences = try await catalog.differences(from: found, to: source)
            var names: Set<TableName> = []
            var merged: [Change] = []
            for case .entry(let name, _, let entry?) in differences {
                names.insert(name)
                merged.append(.put(name, entry))
            }
            _ = try await catalog.entries(names, at: target)
            let made = try await catalog.prepare(merged, onto: target, merging: source, note: note)
            let milliseconds = (ContinuousClock.now - begin) / .milliseconds(1)
            #expect(merged.count == 1_000)
            if !isCold { try await catalog.move(.branch, "main", from: target, to: made) }
            let used = Int(BenchLake.cpuMilliseconds - busy)
            print(
                "  merge of 1,000 tables, \(isCold ? "nothing cached" : "cache warm"): \(Int(milliseconds)) ms,",
                "\(used) ms of this process's CPU")
        }
    }
}
