// Commits that others get in the way of, commits whose answer is lost, and requests that make no sense.
import Catalogs
import Coordinator
import Diagnostics
import Execution
import Foundation
import Hive
import Iceberg
import Storage
import Support
import Synchronization
import Testing
import Versions

@testable import CatalogREST

/// A catalog in whose commits a test can meddle.
private final class MeddledCatalog: Versioned {
    let inner: VersionedCatalog
    /// Run once, before the next commit.
    let before = Mutex<(@Sendable (VersionedCatalog) async throws -> Void)?>(nil)
    /// Whether the answer of the next commit gets lost after it has happened.
    let losesAnswer = Mutex(false)

    init(_ inner: VersionedCatalog) { self.inner = inner }

    func commit(
        _ changes: [Change], to branch: String, expecting head: CommitID, note: CommitNote
    ) async throws(SQLError) -> CommitID {
        let action = before.withLock { action in
            defer { action = nil }
            return action
        }
        if let action { try? await action(inner) }
        let made = try await inner.commit(changes, to: branch, expecting: head, note: note)
        let isLost = losesAnswer.withLock { flag in
            defer { flag = false }
            return flag
        }
        if isLost { throw SQLError(.connectionFailure, "the answer was lost") }
        return made
    }

    func commit(of ref: Ref) async throws(SQLError) -> CommitID { try await inner.commit(of: ref) }
    func schemas(at commit: CommitID) async throws(SQLError) -> [SchemaDefinition] {
        try await inner.schemas(at: commit)
    }
    func schema(_ name: String, at commit: CommitID) async throws(SQLError) -> SchemaDefinition? {
        try await inner.schema(name, at: commit)
    }
    func names(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName] {
        try await inner.names(in: schema, at: commit)
    }
    func entries(_ names: Set<TableName>, at commit: CommitID) async throws(SQLError) -> [TableName: Entry] {
        try await inner.entries(names, at: commit)
    }
    func accessRecords(since version: Int64) async throws(SQLError) -> AccessRecords {
        try await inner.accessRecords(since: version)
    }
    func putAccessRecords(_ records: [String: Data?], expecting version: Int64) async throws(SQLError) -> Bool {
        try await inner.putAccessRecords(records, expecting: version)
    }
    func refs() async throws(SQLError) -> [NamedRef] { try await inner.refs() }
    func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> NamedRef? {
        try await inner.ref(kind, name)
    }
    func log(_ ref: Ref, limit: Int) async throws(SQLError) -> [CommitInfo] { try await inner.log(ref, limit: limit) }
    func create(
        _ kind: NamedRef.Kind, _ name: String, at commit: CommitID, _ options: RefOptions
    ) async throws(SQLError) { try await inner.create(kind, name, at: commit, options) }
    func drop(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) { try await inner.drop(kind, name) }
    func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) {
        try await inner.rename(kind, name, to: newName)
    }
    func set(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) {
        try await inner.set(options, of: kind, name)
    }
    func move(
        _ kind: NamedRef.Kind, _ name: String, from old: CommitID, to new: CommitID
    ) async throws(SQLError) { try await inner.move(kind, name, from: old, to: new) }
    func differences(from old: CommitID, to new: CommitID) async throws(SQLError) -> [Difference] {
        try await inner.differences(from: old, to: new)
    }
    func mergeBase(_ a: CommitID, _ b: CommitID) async throws(SQLError) -> CommitID? {
        try await inner.mergeBase(a, b)
    }
    func prepare(
        _ changes: [Change], onto head: CommitID, merging merged: CommitID?, note: CommitNote
    ) async throws(SQLError) -> CommitID {
        try await inner.prepare(changes, onto: head, merging: merged, note: note)
    }
    func collect(dryRun: Bool, keeping: Set<CommitID>, graceSeconds: Int) async throws(SQLError) -> Collected {
        try await inner.collect(dryRun: dryRun, keeping: keeping, graceSeconds: graceSeconds)
    }
    func reachableTables(
        keeping: Set<CommitID>, graceSeconds: Int
    ) async throws(SQLError) -> Set<ManagedDefinition> {
        try await inner.reachableTables(keeping: keeping, graceSeconds: graceSeconds)
    }
}

@Suite struct ContentionTests {
    private static let create =
        #"{"name":"NAME","schema":{"type":"struct","fields":[{"id":1,"name":"id","type":"int","required":false}]}}"#
    private static let change =
        #"{"requirements":[{"type":"assert-current-schema-id","current-schema-id":0}],"updates":[{"action":"set-properties","updates":{"KEY":"1"}}]}"#
    private static let tables = "/v1/main/namespaces/public/tables"

    /// A lake over a meddled catalog, with the tables t and u.
    private static func lake() async throws -> (RestLake, MeddledCatalog) {
        let catalog = MeddledCatalog(try await VersionedCatalog(path: nil))
        let lake = try await RestLake(catalog: catalog)
        for name in ["t", "u"] {
            #expect(await lake.ask("POST", tables, create.replacing("NAME", with: name)).status == 200)
        }
        return (lake, catalog)
    }

    private static func metadataFiles(_ lake: RestLake) -> Set<String> {
        let all = FileManager.default.enumerator(atPath: lake.folder)?.allObjects ?? []
        return Set(all.compactMap { $0 as? String }.filter { $0.hasSuffix(".metadata.json") })
    }

    /// The entry of a table, put where it is again by somebody else under another name.
    private static func commit(_ catalog: VersionedCatalog, _ changes: [Change]) async throws {
        let head = try await catalog.commit(of: .branch("main"))
        _ = try await catalog.commit(
            changes, to: "main", expecting: head, note: CommitNote(author: "other", message: "in between"))
    }

    @Test("another table's commit in between does no harm, and leaves no file")
    func otherTable() async throws {
        let (lake, catalog) = try await Self.lake()
        defer { lake.remove() }
        let before = Self.metadataFiles(lake)
        catalog.before.withLock { action in
            action = { catalog in
                let view = ViewDefinition(sql: "SELECT 1", columnNames: [], searchPath: [])
                try await Self.commit(catalog, [.put(TableName(schema: "public", name: "v"), .view(view))])
            }
        }
        let answer = await lake.ask("POST", Self.tables + "/t", Self.change.replacing("KEY", with: "a"))
        #expect(answer.status == 200)
        #expect(Self.metadataFiles(lake).count == before.count + 1)
        #expect(try await lake.sql("SHOW LOG LIMIT 2").map { $0[3] } == ["set-properties public.t", "in between"])
    }

    @Test("a change of the same table in between is seen, and the requirements decide")
    func sameTable() async throws {
        let (lake, catalog) = try await Self.lake()
        defer { lake.remove() }
        // u's state becomes t's: another table, whose schema id is the same.
        let head = try await catalog.commit(of: .branch("main"))
        let (t, u) = (TableName(schema: "public", name: "t"), TableName(schema: "public", name: "u"))
        let entries = try await catalog.entries([t, u], at: head)
        let other = try #require(entries[u])
        catalog.before.withLock { $0 = { catalog in try await Self.commit(catalog, [.put(t, other)]) } }
        let before = Self.metadataFiles(lake)
        #expect(await lake.ask("POST", Self.tables + "/t", Self.change.replacing("KEY", with: "a")).status == 200)
        // What was written for the state that is gone is removed.
        #expect(Self.metadataFiles(lake).count == before.count + 1)
        let uuid = try #require(await Self.member("table-uuid", lake, "t"))
        #expect(uuid == (try #require(await Self.member("table-uuid", lake, "u"))))
        // With the table's identity required, it is a conflict.
        let original = try #require(entries[t])
        let body = Self.change.replacing(
            #""requirements":["#, with: #""requirements":[{"type":"assert-table-uuid","uuid":"\#(uuid)"},"#)
        catalog.before.withLock { $0 = { catalog in try await Self.commit(catalog, [.put(t, original)]) } }
        let files = Self.metadataFiles(lake)
        let refused = await lake.ask("POST", Self.tables + "/t", body.replacing("KEY", with: "b"))
        #expect(refused.status == 409)
        #expect(Self.metadataFiles(lake) == files)
    }

    private static func member(_ name: String, _ lake: RestLake, _ table: String) async -> String? {
        let text = String(decoding: await lake.ask("GET", tables + "/" + table).body, as: UTF8.self)
        guard let start = text.range(of: "\"\(name)\":\"") else { return nil }
        return String(text[start.upperBound...].prefix { $0 != "\"" })
    }

    @Test("a commit whose answer was lost keeps its files")
    func unknownOutcome() async throws {
        let (lake, catalog) = try await Self.lake()
        defer { lake.remove() }
        for (method, path, body) in [
            ("POST", Self.tables + "/t", Self.change.replacing("KEY", with: "a")),
            ("POST", Self.tables, Self.create.replacing("NAME", with: "w")),
        ] {
            catalog.losesAnswer.withLock { $0 = true }
            let before = Self.metadataFiles(lake)
            let answer = await lake.ask(method, path, body)
            #expect(answer.status == 500)
            #expect(String(decoding: answer.body, as: UTF8.self).contains("CommitStateUnknownException"))
            #expect(Self.metadataFiles(lake).count == before.count + 1)
        }
        // It had happened.
        let text = String(decoding: await lake.ask("GET", Self.tables + "/t").body, as: UTF8.self)
        #expect(text.contains(#""a":"1""#))
        #expect(await lake.ask("GET", Self.tables + "/w").status == 200)
        #expect(try await lake.sql("SELECT count(*) FROM w") == [["0"]])
    }

    @Test("damaged requests are answered, and change nothing that cannot be read")
    func damage() async throws {
        let (lake, _) = try await Self.lake()
        defer { lake.remove() }
        let text = try String(contentsOfFile: RecordedTests.folder + "/iceberg.txt", encoding: .utf8)
        var requests: [(method: String, target: String, body: String)] = []
        for block in text.split(separator: "\n\n") {
            let lines = block.split(separator: "\n").filter { !$0.hasPrefix("#") && !$0.hasPrefix("  ") }
            guard lines.count == 2, let words = lines.first?.split(separator: " "), words.count == 2 else { continue }
            let body = String(lines[1]).replacing("$WAREHOUSE", with: lake.folder).replacing("sales", with: "public")
            requests.append((String(words[0]), String(words[1]).replacing("sales", with: "public"), body))
        }
        #expect(requests.count > 20)
        var random = SplitMix(seed: 20_261_121)
        let values = ["null", "-1", "1e400", "9223372036854775807", "[]", "{}", "\"\"", "true", "\"\u{1f}\""]
        let count = ProcessInfo.processInfo.environment["APUS_DAMAGE"].flatMap { Int($0) } ?? 600
        for _ in 0..<count {
            let request = requests[Int.random(in: 0..<requests.count, using: &random)]
            var body = Array(request.body.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                // A value is replaced: what follows a colon, up to the next comma or end.
                let colons = body.indices.filter { body[$0] == UInt8(ascii: ":") }
                guard let colon = colons.randomElement(using: &random) else { break }
                let end = body[(colon + 1)...].firstIndex { [44, 125, 93].contains($0) } ?? body.endIndex
                let value = values[Int.random(in: 0..<values.count, using: &random)]
                body.replaceSubrange((colon + 1)..<end, with: Array(value.utf8))
            }
            let answer = await lake.ask(request.method, request.target, String(decoding: body, as: UTF8.self))
            #expect(answer.status < 500, "\(request.target) \(String(decoding: body, as: UTF8.self))")
        }
        // Whatever is there now can be read.
        let listed = try JSON.parsing(request: await lake.ask("GET", Self.tables).body)
        for table in listed["identifiers"]?.asArray ?? [] {
            let name = table["name"]?.asString ?? ""
            guard name.allSatisfy({ $0.isASCII && $0.isLetter }), !name.isEmpty else { continue }
            #expect(await lake.ask("GET", Self.tables + "/" + name).status == 200, "\(name)")
        }
    }
}

/// The same numbers in every run.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
