// What a collection lets go, and what it must never let go.
import Catalogs
import Columns
import Diagnostics
import Foundation
import Synchronization
import Testing

@testable import Versions

/// A clock that a test sets.
final class ManualClock: Sendable {
    private let time: Mutex<Int64>
    init(_ start: Int64 = 1_000_000_000_000_000) { time = Mutex(start) }
    var now: Int64 {
        time.withLock {
            // No two readings are equal, as on the real one.
            $0 += 1
            return $0
        }
    }
    func advance(days: Double) { time.withLock { $0 += Int64(days * 86_400_000_000) } }
}

@Suite struct CollectionTests {
    let clock = ManualClock()
    let note = CommitNote(author: "ada", message: "test")

    func managed(_ state: Int, of table: String = "t") -> Entry { .managed(definition(state, of: table)) }

    func definition(_ state: Int, of table: String = "t") -> ManagedDefinition {
        ManagedDefinition(
            format: "iceberg", identity: table, metadataLocation: "/lake/\(table)/\(state).json",
            snapshotID: Int64(state))
    }

    func catalog(_ kind: StoreKind) async throws -> VersionedCatalog {
        try await TestStore(kind, clock: clock).catalog()
    }

    /// PostgreSQL stamps with its own clock: all that was written is old at once.
    func minute(_ kind: StoreKind) -> Int { kind == .sqlite ? 60 : 0 }

    /// Commits one state of table `t` for each number, a day apart. Returns the commits.
    func fill(_ catalog: VersionedCatalog, _ branch: String, _ states: Range<Int>) async throws -> [CommitID] {
        var commits: [CommitID] = []
        for state in states {
            clock.advance(days: 1)
            let head = try await catalog.commit(of: .branch(branch))
            commits.append(
                try await catalog.commit(
                    [.put(TableName(schema: "public", name: "t"), managed(state))], to: branch, expecting: head,
                    note: note))
        }
        return commits
    }

    func reads(_ catalog: VersionedCatalog, _ commit: CommitID) async throws -> Entry? {
        let name = TableName(schema: "public", name: "t")
        // A catalog without a cache.
        let fresh = try await VersionedCatalog(store: catalog.store, now: catalog.now)
        return try await fresh.entries([name], at: commit)[name]
    }

    @Test("retention lets old commits of a branch go, the state at its beginning stays", arguments: StoreKind.allCases)
    func retention(kind: StoreKind) async throws {
        let catalog = try await catalog(kind)
        let commits = try await fill(catalog, "main", 0..<20)
        try await catalog.set(RefOptions(retainDays: 5), of: .branch, "main")
        clock.advance(days: 0.5)
        let planned = try await catalog.collect(dryRun: true, keeping: [], graceSeconds: minute(kind))
        #expect(try await catalog.log(.branch("main"), limit: 100).count == 21)
        let done = try await catalog.collect(dryRun: false, keeping: [], graceSeconds: minute(kind))
        #expect(planned == done)
        // 0 to 5 days old stay, and the one that was current five days ago.
        #expect(done.commitCount == 15 && done.nodeCount > 15)
        #expect(try await catalog.log(.branch("main"), limit: 100).map(\.id) == commits.suffix(6).reversed())
        for (state, commit) in commits.enumerated().suffix(6) {
            #expect(try await reads(catalog, commit) == managed(state))
        }
        await #expect {
            try await catalog.commit(of: .commit(commits[3]))
        } throws: { ($0 as? SQLError)?.state == .undefinedObject }
        await #expect(throws: SQLError.self) {
            try await catalog.commit(of: .time(branch: "main", microseconds: clock.now - 10 * 86_400_000_000))
        }
        let instant = clock.now - 5 * 86_400_000_000
        #expect(try await catalog.commit(of: .time(branch: "main", microseconds: instant)) == commits[14])
        #expect(
            try await catalog.reachableTables(keeping: [], graceSeconds: minute(kind))
                == Set((14..<20).map { definition($0) }))
        #expect(try await catalog.collect(dryRun: false, keeping: [], graceSeconds: minute(kind)) == Collected())
    }

    @Test("without retention nothing that a ref reaches goes", arguments: StoreKind.allCases)
    func unlimited(kind: StoreKind) async throws {
        let catalog = try await catalog(kind)
        let commits = try await fill(catalog, "main", 0..<10)
        try await catalog.create(.tag, "v1", at: commits[4], RefOptions())
        try await catalog.create(.branch, "dev", at: commits[7], RefOptions())
        let dev = try await fill(catalog, "dev", 10..<15)
        try await catalog.drop(.branch, "dev")
        clock.advance(days: 1)
        let done = try await catalog.collect(dryRun: false, keeping: [], graceSeconds: minute(kind))
        #expect(done.commitCount == 5)
        #expect(Set(done.commits.map(\.id)) == Set(dev))
        for (state, commit) in commits.enumerated() { #expect(try await reads(catalog, commit) == managed(state)) }
        #expect(try await catalog.log(.branch("main"), limit: 100).count == 11)
    }

    @Test("a tag keeps what a branch lets go", arguments: StoreKind.allCases)
    func tags(kind: StoreKind) async throws {
        let catalog = try await catalog(kind)
        let commits = try await fill(catalog, "main", 0..<10)
        try await catalog.create(.tag, "v1", at: commits[2], RefOptions(retainDays: 0))
        try await catalog.set(RefOptions(retainDays: 0), of: .branch, "main")
        clock.advance(days: 1)
        try await catalog.collect(dryRun: false, keeping: [], graceSeconds: minute(kind)).expect(commits: 9)
        #expect(try await reads(catalog, commits[2]) == managed(2))
        #expect(try await reads(catalog, commits[9]) == managed(9))
        #expect(
            try await catalog.reachableTables(keeping: [], graceSeconds: minute(kind)) == [
                definition(2), definition(9),
            ])
    }

    @Test("what a later merge needs stays, and the merge still works", arguments: StoreKind.allCases)
    func mergeBase(kind: StoreKind) async throws {
        let catalog = try await catalog(kind)
        let commits = try await fill(catalog, "main", 0..<10)
        try await catalog.create(.branch, "dev", at: commits[5], RefOptions(retainDays: 1))
        _ = try await fill(catalog, "dev", 20..<25)
        try await catalog.set(RefOptions(retainDays: 1), of: .branch, "main")
        clock.advance(days: 100)
        try await catalog.collect(dryRun: false, keeping: [], graceSeconds: minute(kind)).expect(commits: 6)
        let fresh = try await VersionedCatalog(store: catalog.store, now: catalog.now)
        let (main, dev) = (
            try await fresh.commit(of: .branch("main")), try await fresh.commit(of: .branch("dev"))
        )
        let base = try #require(try await fresh.mergeBase(main, dev))
        #expect(base == commits[5])
        #expect(try await fresh.differences(from: base, to: dev).count == 1)
    }

    @Test("commits of the grace period and those in use stay, the others go")
    func grace() async throws {
        let catalog = try await catalog(.sqlite)
        let first = try await catalog.commit(of: .branch("main"))
        let name = TableName(schema: "public", name: "t")
        let old = try await catalog.prepare([.put(name, managed(1))], onto: first, merging: nil, note: note)
        let used = try await catalog.prepare([.put(name, managed(2))], onto: first, merging: nil, note: note)
        clock.advance(days: 1)
        let young = try await catalog.prepare([.put(name, managed(3))], onto: first, merging: nil, note: note)
        try await catalog.collect(dryRun: false, keeping: [used], graceSeconds: 3_600).expect(commits: 1)
        await #expect {
            try await catalog.move(.branch, "main", from: first, to: old)
        } throws: { ($0 as? SQLError)?.state == .serializationFailure }
        #expect(try await reads(catalog, used) == managed(2))
        try await catalog.move(.branch, "main", from: first, to: young)
        #expect(try await reads(catalog, try await catalog.commit(of: .branch("main"))) == managed(3))
        // The head that was left a moment ago is still read by somebody.
        try await catalog.set(RefOptions(retainDays: 0), of: .branch, "main")
        clock.advance(days: 3)
        let last = try await fill(catalog, "main", 4..<5)
        try await catalog.collect(dryRun: false, keeping: [], graceSeconds: 3_600).expect(commits: 2)
        #expect(try await reads(catalog, young) == managed(3))
        clock.advance(days: 1)
        try await catalog.collect(dryRun: false, keeping: [], graceSeconds: 3_600).expect(commits: 1)
        #expect(try await reads(catalog, last[0]) == managed(4))
    }

    @Test("a state that is committed again after it went is whole")
    func again() async throws {
        let catalog = try await catalog(.sqlite)
        let name = TableName(schema: "public", name: "t")
        for round in 0..<5 {
            _ = try await fill(catalog, "main", 0..<5)
            let head = try await catalog.commit(of: .branch("main"))
            _ = try await catalog.commit([.drop(name)], to: "main", expecting: head, note: note)
            try await catalog.set(RefOptions(retainDays: 0), of: .branch, "main")
            clock.advance(days: 1)
            _ = try await catalog.collect(dryRun: false, keeping: [], graceSeconds: round * 10)
            let tip = try await catalog.commit(of: .branch("main"))
            #expect(try await reads(catalog, tip) == nil)
        }
    }
}

extension Collected {
    func expect(commits: Int, _ location: SourceLocation = #_sourceLocation) {
        #expect(commitCount == commits, sourceLocation: location)
    }
}
