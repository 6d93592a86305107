import Catalogs
import Columns
import Diagnostics
import Foundation
import Synchronization
import Testing

@testable import Versions

@Suite struct VersionedCatalogTests {
    func external(_ location: String) -> Entry {
        .external(
            ExternalDefinition(
                format: "parquet", location: location, columns: [Field("a", .decimal(precision: 9, scale: 2))]))
    }

    let note = CommitNote(author: "ada", message: "test")
    let orders = TableName(schema: "public", name: "orders")

    @Test("a new catalog has main with an empty schema public", arguments: StoreKind.allCases)
    func newCatalog(kind: StoreKind) async throws {
        let catalog = try await TestStore(kind).catalog()
        let head = try await catalog.commit(of: .branch("main"))
        #expect(try await catalog.schemas(at: head).map(\.name) == ["public"])
        #expect(try await catalog.names(in: "public", at: head).isEmpty)
        #expect(try await catalog.refs().map(\.name) == ["main"])
    }

    @Test("two branches give one name two meanings", arguments: StoreKind.allCases)
    func branches(kind: StoreKind) async throws {
        let catalog = try await TestStore(kind).catalog()
        let first = try await catalog.commit(of: .branch("main"))
        let second = try await catalog.commit(
            [.put(orders, external("/a"))], to: "main", expecting: first, note: note)
        try await catalog.create(.branch, "dev", at: second, RefOptions())
        let third = try await catalog.commit([.put(orders, external("/b"))], to: "dev", expecting: second, note: note)
        #expect(try await catalog.entries([orders], at: second) == [orders: external("/a")])
        #expect(try await catalog.entries([orders], at: third) == [orders: external("/b")])
        #expect(try await catalog.commit(of: .branch("main")) == second)
        #expect(try await catalog.commit(of: .named("dev")) == third)
        #expect(try await catalog.commit(of: .named(String(third.hex.prefix(10)))) == third)
        #expect(try await catalog.log(.branch("dev"), limit: 10).map(\.id) == [third, second, first])
    }

    @Test("a commit on a head that moved is refused and changes nothing", arguments: StoreKind.allCases)
    func lostRace(kind: StoreKind) async throws {
        let catalog = try await TestStore(kind).catalog()
        let head = try await catalog.commit(of: .branch("main"))
        let won = try await catalog.commit([.put(orders, external("/a"))], to: "main", expecting: head, note: note)
        await #expect {
            try await catalog.commit([.put(orders, external("/b"))], to: "main", expecting: head, note: note)
        } throws: { ($0 as? SQLError)?.state == .serializationFailure }
        #expect(try await catalog.commit(of: .branch("main")) == won)
    }

    @Test(
        "thousands of tables, dropped and put at random, are what a dictionary says", arguments: StoreKind.allCases,
        [1, 2])
    func model(kind: StoreKind, seed: UInt64) async throws {
        let catalog = try await TestStore(kind).catalog()
        var state = seed
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(below))
        }
        var head = try await catalog.commit(of: .branch("main"))
        var model: [TableName: Entry] = [:]
        var history: [(CommitID, [TableName: Entry])] = []
        for round in 0..<30 {
            var changes: [Change] = []
            for _ in 0..<random(200) {
                let name = TableName(schema: "public", name: "t\(random(2_000))")
                if random(4) == 0 {
                    changes.append(.drop(name))
                    model[name] = nil
                } else {
                    let entry = external("/\(round)/\(random(1_000_000))")
                    changes.append(.put(name, entry))
                    model[name] = entry
                }
            }
            head = try await catalog.commit(changes, to: "main", expecting: head, note: note)
            history.append((head, model))
        }
        for (commit, expected) in history {
            let names = try await catalog.names(in: "public", at: commit)
            #expect(Set(names) == Set(expected.keys))
            #expect(try await catalog.entries(Set(names), at: commit) == expected)
        }
    }

    @Test("time travel finds the last commit at or before an instant")
    func timeTravel() async throws {
        let clock = SteppingClock()
        let catalog = try await VersionedCatalog(path: nil, now: { clock.next() })
        var head = try await catalog.commit(of: .branch("main"))
        var commits = [head]
        for index in 0..<200 {
            head = try await catalog.commit(
                [.put(orders, external("/\(index)"))], to: "main", expecting: head, note: note)
            commits.append(head)
        }
        let log = try await catalog.log(.branch("main"), limit: 1_000)
        #expect(log.count == 201)
        for info in log {
            #expect(try await catalog.commit(of: .time(branch: "main", microseconds: info.committedAt)) == info.id)
            #expect(try await catalog.commit(of: .time(branch: "main", microseconds: info.committedAt + 1)) == info.id)
        }
        await #expect(throws: SQLError.self) { try await catalog.commit(of: .time(branch: "main", microseconds: -5)) }
    }

    @Test("a catalog on disk is there again after it was closed")
    func reopened() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("catalog.sqlite").path
        let written: CommitID
        do {
            let catalog = try await VersionedCatalog(path: path)
            let head = try await catalog.commit(of: .branch("main"))
            written = try await catalog.commit([.put(orders, external("/a"))], to: "main", expecting: head, note: note)
            try await catalog.create(.tag, "v1", at: written, RefOptions())
        }
        let again = try await VersionedCatalog(path: path)
        #expect(try await again.commit(of: .branch("main")) == written)
        #expect(try await again.commit(of: .tag("v1")) == written)
        #expect(try await again.entries([orders], at: written) == [orders: external("/a")])
    }

    @Test("refs are made once, dropped once, and main stays", arguments: StoreKind.allCases)
    func refRules(kind: StoreKind) async throws {
        let catalog = try await TestStore(kind).catalog()
        let head = try await catalog.commit(of: .branch("main"))
        try await catalog.create(.branch, "dev", at: head, RefOptions())
        await #expect { try await catalog.create(.branch, "dev", at: head, RefOptions()) } throws: {
            ($0 as? SQLError)?.state == .duplicateObject
        }
        await #expect { try await catalog.create(.branch, "a@b", at: head, RefOptions()) } throws: {
            ($0 as? SQLError)?.state == .invalidName
        }
        try await catalog.drop(.branch, "dev")
        await #expect { try await catalog.drop(.branch, "dev") } throws: {
            ($0 as? SQLError)?.state == .undefinedObject
        }
        await #expect { try await catalog.drop(.branch, "main") } throws: {
            ($0 as? SQLError)?.state == .objectInUse
        }
    }
}

/// A clock that steps ten microseconds a reading.
final class SteppingClock: Sendable {
    private let time = Mutex<Int64>(0)
    func next() -> Int64 {
        time.withLock {
            $0 += 10; return $0
        }
    }
}
