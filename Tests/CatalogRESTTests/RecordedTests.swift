// Conversations with the catalog's HTTP interfaces, recorded in Queries/rest: requests, and the answers with what differs
// from run to run masked. `RECORD=1 swift test --filter CatalogRESTTests` writes the answers anew.
import Catalogs
import Coordinator
import Diagnostics
import Execution
import Foundation
import Hive
import Iceberg
import Storage
import Support
import Testing
import Versions

@testable import CatalogREST

/// A lake with Iceberg tables in a folder of its own.
struct RestLake {
    let folder: String
    let engine: Engine
    let api: CatalogAPI

    init(
        _ options: CatalogAPI.Options = CatalogAPI.Options(), catalog given: (any Versioned)? = nil
    ) async throws {
        let catalog: any Versioned
        if let given { catalog = given } else { catalog = try await VersionedCatalog(path: nil) }
        folder = NSTemporaryDirectory() + "apus-rest-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let stores = Stores()
        let tables = IcebergFormat(stores: stores, warehouse: folder)
        engine = Engine(
            catalog: catalog, format: HiveFormat(stores: stores), managed: tables,
            runners: [LocalRunner(scheduler: Scheduler(threads: 2), memoryMaxBytes: 1 << 30)])
        api = CatalogAPI(engine: engine, tables: tables, options: options)
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    static let here = PeerAddress(host: "127.0.0.1", isLoopback: true, isEncrypted: false)
    static let elsewhere = PeerAddress(host: "10.0.0.9", isLoopback: false, isEncrypted: false)

    func ask(
        _ method: String, _ target: String, _ body: String = "", headers: [String: String] = [:],
        peer: PeerAddress = here
    ) async -> APIResponse {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        return await api.answer(
            APIRequest(
                method: method, path: parts[0], query: parts.count > 1 ? parts[1] : "", headers: headers,
                body: Array(body.utf8), peer: peer))
    }

    func sql(_ text: String, on branch: String = "main") async throws -> [[String?]] {
        let session = try await engine.session(
            SessionRequest(
                user: "tester", database: "lake@\(branch)", settings: [], peer: RestLake.here, processID: 1))
        return try await session.rows(text)
    }
}

/// A line of a conversation, and what it gave.
private struct Step {
    var comments: [String]
    /// `POST /v1/...`, or `SQL branch statement`.
    var request: String
    var body: String
    var answer: [String]
}

@Suite struct RecordedTests {
    static let folder = TestLake.root + "/Queries/rest"

    @Test("recorded conversations", arguments: ["iceberg.txt", "nessie.txt"])
    func conversation(_ name: String) async throws {
        let path = RecordedTests.folder + "/" + name
        let steps = RecordedTests.steps(try String(contentsOfFile: path, encoding: .utf8))
        #expect(steps.count > 10)
        let lake = try await RestLake()
        defer { lake.remove() }
        var known: [String: String] = [:]
        var text = ""
        for step in steps {
            let answer = try await RecordedTests.perform(step, lake, &known)
            #expect(answer == step.answer, "\(name): \(step.request)")
            text +=
                (step.comments + [step.request] + (step.body.isEmpty ? [] : [step.body]) + answer.map { "  " + $0 })
                .joined(separator: "\n") + "\n\n"
        }
        if ProcessInfo.processInfo.environment["RECORD"] == "1" {
            try String(text.dropLast()).write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    /// Blocks between empty lines: comments, a request, its body, and the answer indented by two.
    private static func steps(_ text: String) -> [Step] {
        text.split(separator: "\n\n", omittingEmptySubsequences: true).compactMap { block in
            var step = Step(comments: [], request: "", body: "", answer: [])
            for line in block.split(separator: "\n").map(String.init) {
                if line.hasPrefix("#") {
                    step.comments.append(line)
                } else if line.hasPrefix("  ") {
                    step.answer.append(String(line.dropFirst(2)))
                } else if step.request.isEmpty {
                    step.request = line
                } else {
                    step.body += line
                }
            }
            return step.request.isEmpty ? nil : step
        }
    }

    private static func perform(
        _ step: Step, _ lake: RestLake, _ known: inout [String: String]
    ) async throws -> [String] {
        func filled(_ text: String) -> String {
            known.reduce(text.replacing("$WAREHOUSE", with: lake.folder)) { $0.replacing($1.key, with: $1.value) }
        }
        let words = step.request.split(separator: " ", maxSplits: 2).map(String.init)
        if words[0] == "SQL" {
            let rows = try await lake.sql(filled(words[2]), on: words[1])
            return rows.map { $0.map { $0 ?? "null" }.joined(separator: "|") }.map { masked($0, lake) }
        }
        let answer = await lake.ask(words[0], filled(words[1]), filled(step.body))
        let text = String(decoding: answer.body, as: UTF8.self)
        // What later requests name: the hash of a branch, the newest table.
        for (key, member) in ["$HASH": "hash", "$UUID": "table-uuid", "$METADATA": "metadata-location"] {
            if let value = value(of: member, in: text) { known[key] = value }
        }
        return [String(answer.status)] + (text.isEmpty ? [] : [masked(text, lake)])
    }

    private static func value(of member: String, in text: String) -> String? {
        guard let start = text.range(of: "\"\(member)\":\"") else { return nil }
        return String(text[start.upperBound...].prefix { $0 != "\"" })
    }

    /// Hides what is another thing in every run.
    private static func masked(_ text: String, _ lake: RestLake) -> String {
        text.replacing(lake.folder, with: "$WAREHOUSE")
            .replacing(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/, with: "$UUID")
            .replacing(/[0-9a-f]{64}/, with: "$HASH")
            .replacing(/-[0-9a-f]{8}(?=["\/])/, with: "-$ID")
            .replacing(/20\d\d-\d\d-\d\dT[0-9:.]+Z/, with: "$TIME")
            .replacing(/20\d\d-\d\d-\d\d [0-9:.]+\+00/, with: "$TIME")
            .replacing(/"(last-updated-ms|timestamp-ms)":\d+/) { "\"\($0.output.1)\":0" }
            .replacing(/"(snapshot-id|snapshotId|parent-snapshot-id)":\d{6,}/) { "\"\($0.output.1)\":1" }
            .replacing(/-[0-9]{9,}-1-/, with: "-1-1-")
            .replacing(/snapshot \d+/, with: "snapshot 1")
    }
}

@Suite struct AccessTests {
    @Test("without a token only this machine may ask")
    func tokens() async throws {
        let lake = try await RestLake(CatalogAPI.Options(users: ["secret": "robot"]))
        defer { lake.remove() }
        let path = "/v1/main/namespaces"
        #expect(await lake.ask("GET", path).status == 200)
        #expect(await lake.ask("GET", path, peer: RestLake.elsewhere).status == 401)
        #expect(await lake.ask("GET", path, headers: ["origin": "http://page"]).status == 401)
        #expect(await lake.ask("GET", path, headers: ["x-forwarded-for": "10.0.0.9"]).status == 401)
        let wrong = ["authorization": "Bearer secrets"]
        #expect(await lake.ask("GET", path, headers: wrong, peer: RestLake.elsewhere).status == 401)
        let right = ["authorization": "Bearer secret"]
        #expect(await lake.ask("GET", path, headers: right, peer: RestLake.elsewhere).status == 200)
        let made = await lake.ask(
            "POST", path, #"{"namespace":["byrobot"]}"#, headers: right, peer: RestLake.elsewhere)
        #expect(made.status == 200)
        let log = try await lake.sql("SHOW LOG LIMIT 1")
        #expect(log[0][2] == "robot")
        #expect(log[0][3] == "Create namespace byrobot")
        let form = "grant_type=client_credentials&client_id=robot&client_secret="
        #expect(await lake.ask("POST", "/v1/oauth/tokens", form + "secret", peer: RestLake.elsewhere).status == 200)
        #expect(await lake.ask("POST", "/v1/oauth/tokens", form + "other", peer: RestLake.elsewhere).status == 401)
    }

    @Test("what is no request gets an answer")
    func nonsense() async throws {
        let lake = try await RestLake()
        defer { lake.remove() }
        for (method, target, body) in [
            ("GET", "/v1", ""), ("GET", "/iceberg", ""), ("GET", "/api", ""), ("GET", "/api/v2/", ""),
            ("POST", "/v1/main/namespaces", "{"), ("POST", "/v1/main/namespaces", "[1]"),
            ("POST", "/v1/main/namespaces", #"{"namespace":"x"}"#), ("PATCH", "/v1/main/namespaces/a/tables/b", ""),
            ("GET", "/v1/main/namespaces/%1F", ""), ("GET", "/v1/main/namespaces/a%1Fb", ""),
            ("POST", "/v1/main/transactions/commit", #"{"table-changes":[{}]}"#),
            ("POST", "/v1/main/namespaces/public/tables", #"{"name":"t","schema":{"type":"struct","fields":[{}]}}"#),
            ("POST", "/v1/main/namespaces/public/tables", #"{"name":"t","schema":{"type":"struct","fields":[]}}"#),
            ("POST", "/v1/main/namespaces/public/register", #"{"name":"t","metadata-location":"/nowhere/x.json"}"#),
            ("POST", "/v1/main/namespaces/public/tables/t", #"{"requirements":[],"updates":[]}"#),
            ("GET", "/v1/nothing/namespaces", ""), ("GET", "/api/v1/trees/tree/nothing", ""),
            ("GET", "/api/v2/trees/main~9999999999999999999", ""), ("GET", "/api/v2/trees/@zzzz", ""),
            ("GET", "/api/v1/trees/tree/main/entries?filter=%28%28%28", ""),
            ("POST", "/api/v1/trees/branch/main/commit", "{}"),
        ] {
            let answer = await lake.ask(method, target, body)
            #expect((400..<500).contains(answer.status), "\(method) \(target) gave \(answer.status)")
        }
    }
}
