// The catalog over a real HTTP port: by hand, and by ATTACH from another engine.
import CatalogREST
import Coordinator
import Diagnostics
import Execution
import Foundation
import Hive
import Iceberg
import Logging
import Storage
import Support
import Testing
import Versions

@testable import Server

/// An engine with Iceberg tables in a folder.
private struct IcebergLake {
    let engine: Engine
    let tables: IcebergFormat

    init(_ folder: String) async throws {
        let stores = Stores()
        tables = IcebergFormat(stores: stores, warehouse: folder)
        engine = Engine(
            catalog: try await VersionedCatalog(path: nil), format: HiveFormat(stores: stores), managed: tables,
            runners: [LocalRunner(scheduler: Scheduler(threads: 2), memoryMaxBytes: 1 << 30)],
            kinds: [RemoteCatalogKind(format: tables)])
    }

    func session(_ database: String = "lake") async throws -> Session {
        try await engine.session(
            SessionRequest(
                user: "tester", database: database, settings: [],
                peer: PeerAddress(host: nil, isLoopback: true, isEncrypted: false), processID: 1))
    }
}

/// Serves one lake over HTTP; the other one is the client's.
private func servingCatalog(
    _ body: @Sendable @escaping (_ uri: String, _ far: IcebergLake, _ near: IcebergLake) async throws -> Void
) async throws {
    let folder = NSTemporaryDirectory() + "apus-http-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let far = try await IcebergLake(folder + "/far")
    let near = try await IcebergLake(folder + "/near")
    let (ports, found) = AsyncStream<Int>.makeStream()
    let server = HTTPServer(
        host: "127.0.0.1", port: 0, engine: far.engine, catalog: CatalogAPI(engine: far.engine, tables: far.tables),
        metrics: ServerMetrics(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await server.run { found.yield($0) } }
        for await port in ports {
            try await body("http://127.0.0.1:\(port)", far, near)
            break
        }
        tasks.cancelAll()
        while let result = await tasks.nextResult() { _ = result }
    }
}

@Suite("The catalog over HTTP") struct CatalogHTTPTests {
    @Test("bytes arrive as they are")
    func requests() async throws {
        try await servingCatalog { uri, far, _ in
            let web = WebClient()
            #expect(try await web.send("GET", uri + "/health").status == 200)
            #expect(try await web.send("GET", uri + "/nothing").status == 404)
            #expect(try await web.send("GET", uri + "/v1/config").status == 200)
            // A branch with a slash, and a namespace with signs of its own.
            _ = try await far.session().rows(#"CREATE BRANCH "team/dev""#)
            let made = try await web.send(
                "POST", uri + "/v1/team%2Fdev%7Cwarehouse/namespaces", body: Array(#"{"namespace":["a.b c/d%"]}"#.utf8))
            #expect(made.status == 200)
            let path = uri + "/v1/team%2Fdev/namespaces/a.b%20c%2Fd%25"
            #expect(try await web.send("GET", path).status == 200)
            #expect(try await web.send("HEAD", path).status == 204)
            #expect(try await web.send("HEAD", uri + "/v1/main/namespaces/a.b%20c%2Fd%25").status == 404)
            #expect(try await web.send("DELETE", path).status == 204)
            #expect(try await web.send("GET", uri + "/api/v2/trees/team%2Fdev").status == 200)
        }
    }

    @Test("an attached catalog is read and written")
    func attached() async throws {
        try await servingCatalog { uri, far, near in
            let server = try await far.session()
            _ = try await server.rows("CREATE TABLE t (id int, s text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
            _ = try await server.rows("CREATE BRANCH dev")
            let client = try await near.session()
            _ = try await client.rows("ATTACH '\(uri)' AS far (TYPE iceberg_rest)")
            _ = try await client.rows("ATTACH '\(uri)' AS fardev (TYPE iceberg_rest, branch 'dev')")
            #expect(try await client.rows("SELECT * FROM far.public.t ORDER BY id") == [["1", "a"], ["2", "b"]])
            _ = try await client.rows("INSERT INTO far.public.t VALUES (3, 'c')")
            _ = try await client.rows("UPDATE far.public.t SET s = s || '!' WHERE id > 1")
            _ = try await client.rows("DELETE FROM fardev.public.t WHERE id = 1")
            #expect(try await server.rows("SELECT * FROM t ORDER BY id") == [["1", "a"], ["2", "b!"], ["3", "c!"]])
            #expect(try await server.rows("SELECT * FROM t@dev") == [["2", "b"]])
            _ = try await client.rows("ALTER TABLE far.public.t ADD COLUMN n bigint")
            _ = try await client.rows("CREATE TABLE far.public.u AS SELECT id, n FROM far.public.t")
            #expect(try await server.rows("SELECT count(*), count(n) FROM u") == [["3", "0"]])
            // What another one did in between is kept; what cannot be is a conflict.
            _ = try await client.rows("BEGIN; INSERT INTO far.public.t VALUES (4, 'd', 4)")
            _ = try await server.rows("INSERT INTO t VALUES (5, 'e', 5)")
            _ = try await client.rows("COMMIT")
            #expect(try await server.rows("SELECT count(*) FROM t") == [["5"]])
            _ = try await client.rows("BEGIN; DELETE FROM far.public.t WHERE id = 5")
            _ = try await server.rows("DELETE FROM t WHERE id = 5")
            await #expect(throws: SQLError.self) { try await client.rows("COMMIT") }
            _ = try await client.rows("DROP TABLE far.public.u")
            _ = try await client.rows("CREATE SCHEMA far.marts")
            _ = try await client.rows("CREATE SCHEMA marts")
            _ = try await client.rows("CREATE TABLE far.marts.m (a int)")
            #expect(try await server.rows("SELECT count(*) FROM marts.m") == [["0"]])
            _ = try await client.rows("DROP TABLE far.marts.m")
            _ = try await client.rows("DROP SCHEMA far.marts")
            await #expect(throws: SQLError.self) { try await client.rows("DROP SCHEMA far.marts") }
            _ = try await client.rows("DROP SCHEMA marts")
            #expect(try await server.rows("SHOW TABLES") == [["public", "t", "table"]])
            #expect(try await server.rows("SELECT count(*) FROM t") == [["4"]])
            _ = try await client.rows("DETACH far")
            await #expect(throws: SQLError.self) { try await client.rows("SELECT * FROM far.public.t") }
        }
    }
}
