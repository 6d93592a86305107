import Diagnostics
import Foundation
import Synchronization
import Testing

@testable import Storage

struct GlobTests {
    @Test func matchesSegments() throws {
        let yes: [(String, String)] = [
            ("*.parquet", "a.parquet"), ("*", ""), ("*", ".hidden"), ("a*c", "ac"), ("a*c", "abcbc"), ("?", "ü"),
            ("[1-4]x", "3x"), ("[!1]", "2"), ("[]a]", "]"), ("[a-]", "-"), ("month=*", "month=12"),
            ("*=*", "k=v"), ("a\\*b*", "a*bc"), ("**x", "abx"), ("[é-ü]", "ö"), ("*a*a*a*b", "aaaaaaaaab"),
        ]
        for (pattern, name) in yes { #expect(try matches(pattern, name), "\(pattern) \(name)") }
        let no: [(String, String)] = [
            ("*.parquet", "a.parquet.crc"), ("?", ""), ("?", "ab"), ("[1-4]", "5"), ("[!1]", "1"), ("[4-1]", "2"),
            ("a*c", "ab"), ("{a,b}*", "a"), ("*a*a*a*a*a*a*a*a*b", String(repeating: "a", count: 2000)),
        ]
        for (pattern, name) in no { #expect(try !matches(pattern, name), "\(pattern) \(name)") }
        for pattern in ["a[", "[!", "[a-", "*\\"] { #expect(throws: SQLError.self) { try Glob(pattern) } }
    }

    private func matches(_ pattern: String, _ name: String) throws -> Bool {
        try Glob("/f/" + pattern).matches(ObjectPath(file: "/f").appending(name))
    }

    @Test func matchesPaths() throws {
        let glob = try Glob("s3://b/t/**/day=[12]*/*.parquet")
        #expect(glob.literalPrefix.text == "s3://b/t")
        #expect(glob.matches(try ObjectPath("s3://b/t/day=1/x.parquet")))
        #expect(glob.matches(try ObjectPath("s3://b/t/y=1/m=2/day=21/x.parquet")))
        #expect(!glob.matches(try ObjectPath("s3://b/t/y=1/day=3/x.parquet")))
        #expect(!glob.matches(try ObjectPath("s3://b/t/day=1/sub/x.parquet")))
        #expect(!glob.matches(try ObjectPath("s3://c/t/day=1/x.parquet")))
        #expect(glob.matchesFolderPrefix(try ObjectPath("s3://b")))
        #expect(glob.matchesFolderPrefix(try ObjectPath("s3://b/t/anything")))
        #expect(!glob.matchesFolderPrefix(try ObjectPath("s3://b/u")))
        let flat = try Glob("/d/y=*/f.parquet")
        #expect(flat.matchesFolderPrefix(ObjectPath(file: "/d/y=1")))
        #expect(!flat.matchesFolderPrefix(ObjectPath(file: "/d/z=1")))
        #expect(!flat.matchesFolderPrefix(ObjectPath(file: "/d/y=1/f.parquet")))
        #expect(try Glob("/d/**").matches(ObjectPath(file: "/d/a/b/c")))
        #expect(try Glob("/*").literalPrefix.text == "/")
        #expect(try Glob("*.csv").matches(ObjectPath(file: "a.csv")))
        #expect(try Glob("/a/plain").matches(ObjectPath(file: "/a/plain")) && !(try Glob("/a/plain").hasWildcards))
    }

    private func inTree(_ body: (ObjectPath, LocalStore) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = LocalStore()
        let root = ObjectPath(file: folder)
        for year in 2020...2023 {
            for month in 1...3 {
                try await store.write([Bytes("x")], to: root.appending("t/year=\(year)/month=\(month)/data.parquet"))
            }
            try await store.write([Bytes("x")], to: root.appending("t/year=\(year)/note.txt"))
        }
        try await store.write([Bytes("x")], to: root.appending("t/_SUCCESS"))
        try await body(root, store)
    }

    @Test func expands() async throws {
        try await inTree { root, store in
            let counts: [(String, Int)] = [
                ("t/**/*.parquet", 12), ("t/year=2021/*/*.parquet", 3), ("t/*/month=[12]/*", 8), ("t/*", 1),
                ("t/**", 17), ("t", 17), ("t/", 17), ("t/_SUCCESS", 1), ("none/*", 0), ("none", 0), ("t/*/note.txt", 4),
                ("t/year=202[!0]/month=1/data.parquet", 3), ("t/**/month=3/**", 4), ("t/*/*/", 12), ("t/**/", 17),
            ]
            for (pattern, count) in counts {
                let glob = try Glob(root.text + "/" + pattern)
                let listed = try await glob.expand(in: store)
                let walked = try await glob.expand(in: store, keepFolder: { _, _ in true })
                #expect(listed == walked, "\(pattern)")
                #expect(listed.count == count, "\(pattern)")
                #expect(listed.allSatisfy { glob.matches($0.path) }, "\(pattern)")
            }
        }
    }

    @Test func leavesFoldersOut() async throws {
        try await inTree { root, store in
            let seen = Mutex<Set<String>>([])
            let metrics = StoreMetrics()
            let found = try await Glob(root.text + "/t/**/*.parquet").expand(in: store, metrics: metrics) { name, _ in
                seen.withLock { _ = $0.insert(name) }
                return name == "year=2022" || name == "month=2"
            }
            #expect(found.map(\.path) == [root.appending("t/year=2022/month=2/data.parquet")])
            #expect(metrics.counters.lists == 3)
            #expect(seen.withLock { $0.count } == 7)
        }
    }
}
