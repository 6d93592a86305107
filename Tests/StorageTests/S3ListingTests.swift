// Large listings: in parts side by side, complete and in order whatever the folders look like.
import Diagnostics
import Foundation
import S3Support
import Testing

@testable import Storage

struct S3ListingTests {
    /// Lists through a server of seven keys a page.
    private func lists(_ keys: [String], below folder: String = "t") async throws -> (objects: [String], pages: Int) {
        let objects = keys.map { ("b/\($0)", UnreliableS3.Object([1])) }
        let server = try #require(UnreliableS3(Dictionary(uniqueKeysWithValues: objects)))
        defer { server.stop() }
        let store = S3Store(S3Configuration(endpoint: server.endpoint, accessKey: "key", secretKey: "secret"))
        let found = try await store.list(try ObjectPath("s3://b/\(folder)"))
        return (found.map(\.path.key), server.requests)
    }

    private func sorted(_ keys: [String]) -> [String] {
        keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    @Test("one level of many folders")
    func days() async throws {
        let keys = (100..<400).flatMap { day in (0..<3).map { "t/day=\(day)/f\($0)" } }
        let (found, pages) = try await lists(keys)
        #expect(found == sorted(keys))
        // 900 keys are 129 pages; 300 folders are 43 more, and each part may read one page beyond its end.
        #expect(pages < 129 + 43 + S3Store.partsAtOnce + 4, "\(pages)")
    }

    @Test("levels of few folders, objects between them, names that sort around the slash")
    func levels() async throws {
        var keys: [String] = ["t/0", "t/zz", "t/year=2024", "t/year=2024-x/a", "t/year=2024.y", "t/year=2024/"]
        keys.removeLast()
        for year in 2023...2026 {
            for month in 1...12 { for file in 0..<9 { keys.append("t/year=\(year)/month=\(month)/f\(file)") } }
            keys.append("t/year=\(year)/note")
        }
        #expect(try await lists(keys).objects == sorted(keys))
    }

    @Test("no folders, one folder, and nothing")
    func few() async throws {
        let flat = (0..<50).map { "t/f\($0)" }
        #expect(try await lists(flat).objects == sorted(flat))
        let one = (0..<50).map { "t/a/f\($0)" }
        #expect(try await lists(one).objects == sorted(one))
        #expect(try await lists(["u/x"]).objects.isEmpty)
    }
}
