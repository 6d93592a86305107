// Catalogs of older versions are upgraded, those of newer ones refused.
import Catalogs
import Diagnostics
import Foundation
import GRDB
import PostgresClient
import PostgresSupport
import Testing

@testable import Versions

@Suite struct SchemaTests {
    static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures/catalog")

    /// A copy of a fixture that a test may change.
    func copy(_ name: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".sqlite").path
        try FileManager.default.copyItem(atPath: Self.fixtures.appendingPathComponent(name).path, toPath: path)
        return path
    }

    @Test("the embedded catalog of an older version is upgraded", arguments: [1, 2, 3])
    func upgrade(version: Int) async throws {
        let path = try copy("version\(version).sqlite")
        defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) } }
        for _ in 0..<2 {
            let catalog = try await VersionedCatalog(path: path)
            let head = try await catalog.commit(of: .branch("main"))
            #expect(head.hex.hasPrefix("a9f1a5840dca"))
            #expect(try await catalog.names(in: "sales", at: head).count == 100)
            let name = TableName(schema: "sales", name: "t42")
            #expect(
                try await catalog.entries([name], at: head)[name]
                    == .external(ExternalDefinition(format: "parquet", location: "/2/42")))
            let tag = try await catalog.commit(of: .tag("v1"))
            #expect(try await catalog.schema("sales", at: tag)?.location == nil)
            #expect(try await catalog.schema("sales", at: head)?.location == "s3://lake/sales")
            let options = try await catalog.ref(.branch, "main")?.options
            #expect(options == (version == 1 ? RefOptions() : RefOptions(isProtected: true, retainDays: 7)))
            #expect(try await catalog.log(.branch("main"), limit: 10).count == 4)
        }
        let catalog = try await VersionedCatalog(path: path)
        let old = try await catalog.commit(of: .branch("main"))
        #expect(try await catalog.accessRecords(since: 0).version == 0)
        #expect(try await catalog.putAccessRecords(["role/1": Data([1])], expecting: 0))
        #expect(try await catalog.accessRecords(since: 0).records == ["role/1": Data([1])])
        let new = try await catalog.commit(
            [.drop(TableName(schema: "sales", name: "t1"))], to: "main", expecting: old,
            note: CommitNote(author: "ada", message: "after the upgrade"))
        #expect(try await catalog.differences(from: old, to: new).count == 1)
        try await catalog.drop(.tag, "v1")
        #expect(try await catalog.collect(dryRun: false, keeping: [], graceSeconds: 0).commitCount == 0)
        #expect(try await catalog.names(in: "sales", at: new).count == 99)
    }

    @Test("a catalog of a newer version is refused")
    func newerSQLite() async throws {
        let path = try copy("version2.sqlite")
        defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) } }
        do {
            let database = try DatabaseQueue(path: path)
            try await database.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99: to come')") }
        }
        await #expect {
            try await VersionedCatalog(path: path)
        } throws: { ($0 as? SQLError)?.state == .featureNotSupported }
    }

    @Test("a shared catalog of a newer version is refused, by servers that run already as well")
    func newerPostgres() async throws {
        let url = try #require(PrivateCluster.shared).makeDatabase()
        // Several servers start at once: one makes the tables.
        try await withThrowingTaskGroup(of: CommitID.self) { group in
            for _ in 0..<6 {
                group.addTask { try await VersionedCatalog(url: url).commit(of: .branch("main")) }
            }
            var heads: Set<CommitID> = []
            for try await head in group { heads.insert(head) }
            #expect(heads.count == 1)
        }
        let running = try await VersionedCatalog(url: url)
        try PostgresConnection(url: url).execute("UPDATE apus.version SET number = 99")
        await #expect {
            try await VersionedCatalog(url: url)
        } throws: { ($0 as? SQLError)?.state == .featureNotSupported }
        try PrivateCluster.cutConnections(of: url)
        await #expect {
            try await running.commit(of: .branch("main"))
        } throws: { ($0 as? SQLError)?.state == .featureNotSupported }
    }

    @Test("a database that cannot be reached is a clear error")
    func unreachable() async throws {
        await #expect {
            try await VersionedCatalog(url: "postgresql://127.0.0.1:1/nothing?connect_timeout=2")
        } throws: { ($0 as? SQLError)?.state == PostgresConnection.cannotConnect }
    }
}
