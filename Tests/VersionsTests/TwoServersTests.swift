// Two servers, each with connections and a cache of its own, commit to one branch of one catalog. APUS_TWO_SERVERS is
// the number of commits.
import Catalogs
import Diagnostics
import Foundation
import PostgresSupport
import Testing

@testable import Versions

@Suite struct TwoServersTests {
    @Test("two servers of eight writers each: no commit is lost, none is there twice")
    func twoServers() async throws {
        let total = ModelTests.number("APUS_TWO_SERVERS", 320)
        let url: String
        var durable: PrivateCluster?
        if total > 1_000 {
            durable = PrivateCluster(isDurable: true)
            url = try #require(durable).makeDatabase()
        } else {
            url = try #require(PrivateCluster.shared).makeDatabase()
        }
        let writers = 8
        let each = total / (2 * writers)
        let begin = ContinuousClock.now
        var lost = 0
        try await withThrowingTaskGroup(of: Int.self) { group in
            for server in 0..<2 {
                let catalog = try await VersionedCatalog(url: url)
                // What a server does with its own commits to a branch: one after the other.
                let gate = Turnstile()
                for writer in 0..<writers {
                    group.addTask {
                        try await TwoServersTests.write(
                            each, "server \(server) writer \(writer)", catalog, gate)
                    }
                }
            }
            for try await count in group { lost += count }
        }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        print(
            "two servers, \(2 * writers) writers: \(each * 2 * writers) commits in \(seconds.formatted()) s,",
            "\((Double(each * 2 * writers) / seconds).rounded().formatted()) a second, \(lost) swaps lost to the other server"
        )
        try await check(url, writers: writers, each: each)
        withExtendedLifetime(durable) {}
    }

    private static func write(
        _ count: Int, _ name: String, _ catalog: VersionedCatalog, _ gate: Turnstile
    ) async throws -> Int {
        var lost = 0
        for number in 0..<count {
            let change = Change.put(
                TableName(schema: "public", name: name),
                .view(ViewDefinition(sql: "SELECT \(number)", columnNames: [], searchPath: [])))
            await gate.enter()
            var isDone = false
            while !isDone {
                do throws(SQLError) {
                    let head = try await catalog.commit(of: .branch("main"))
                    _ = try await catalog.commit(
                        [change], to: "main", expecting: head,
                        note: CommitNote(author: name, message: "\(name) \(number)"))
                    isDone = true
                } catch {
                    #expect(error.state == .serializationFailure, "\(error)")
                    lost += 1
                    if error.state != .serializationFailure { break }
                }
            }
            await gate.leave()
        }
        return lost
    }

    private func check(_ url: String, writers: Int, each: Int) async throws {
        let catalog = try await VersionedCatalog(url: url)
        let log = try await catalog.log(.branch("main"), limit: 1_000_000)
        #expect(log.count == 2 * writers * each + 1)
        var counts: [String: Int] = [:]
        for commit in log { counts[commit.message, default: 0] += 1 }
        for server in 0..<2 {
            for writer in 0..<writers {
                for number in 0..<each { #expect(counts["server \(server) writer \(writer) \(number)"] == 1) }
            }
        }
        let head = try await catalog.commit(of: .branch("main"))
        let names = try await catalog.names(in: "public", at: head)
        #expect(names.count == 2 * writers)
        for entry in try await catalog.entries(Set(names), at: head).values {
            #expect(entry == .view(ViewDefinition(sql: "SELECT \(each - 1)", columnNames: [], searchPath: [])))
        }
    }
}

/// Lets tasks pass one at a time.
actor Turnstile {
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func leave() {
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }
}
