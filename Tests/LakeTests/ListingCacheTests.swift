// Listings that are used again: nothing is listed twice, what this server writes is seen at once, and a query that meets a
// file that is gone is planned again.
import Coordinator
import Diagnostics
import Foundation
import S3Support
import Storage
import Support
import Testing

@Suite(.enabled(if: MotoServer.shared != nil), .serialized)
struct ListingCacheTests {
    private let folder = "s3://listings/\(UUID().uuidString)"

    private struct Place {
        let proxy: S3Proxy
        let session: Session
        /// Another client of the bucket.
        let other: S3Store
        /// The session's server's, for what has a body: the proxy takes none.
        let stores: Stores
    }

    private func place(lifetime: Duration) async throws -> Place {
        let moto = try #require(MotoServer.shared)
        moto.makeBucket("listings")
        let proxy = try #require(S3Proxy(to: moto.port))
        let configuration = S3Configuration(
            endpoint: proxy.endpoint, accessKey: "key", secretKey: "secret", retriesMax: 2)
        let stores = Stores(s3: configuration, listings: ListingCache(lifetime: lifetime))
        return Place(
            proxy: proxy, session: try await TestLake(store: stores).session(),
            other: S3Store(S3Configuration(endpoint: moto.endpoint, accessKey: "key", secretKey: "secret")),
            stores: stores)
    }

    private func put(_ place: Place, _ name: String, _ text: String) async throws {
        try await place.other.write([Bytes(text)], to: try ObjectPath("\(folder)/\(name)"))
    }

    @Test("listings are used again, and dropped when a file of theirs is gone or another")
    func usedAgain() async throws {
        let place = try await place(lifetime: .seconds(600))
        for number in 1...3 { try await put(place, "k=\(number)/a.csv", "id\n\(number)\n") }
        let sql = "SELECT count(*), sum(id) FROM read_csv('\(folder)/**/*.csv', hive_partitioning = true)"
        #expect(try await place.session.rows(sql) == [["3", "6"]])
        place.proxy.forget()
        #expect(try await place.session.rows(sql) == [["3", "6"]])
        #expect(!place.proxy.requests.contains { $0.prefix != nil })
        // What others add is seen when the listing is old.
        try await put(place, "k=4/a.csv", "id\n4\n")
        #expect(try await place.session.rows(sql) == [["3", "6"]])
        // What is gone is noticed: the query runs once more.
        try await place.other.delete([try ObjectPath("\(folder)/k=1/a.csv")])
        #expect(try await place.session.rows(sql) == [["3", "9"]])
        try await put(place, "k=2/a.csv", "id\n20\n21\n")
        #expect(try await place.session.rows(sql) == [["4", "48"]])
    }

    @Test("what the server writes and deletes itself is seen at once")
    func ownWrites() async throws {
        let place = try await place(lifetime: .seconds(600))
        let root = try ObjectPath(folder)
        try await put(place, "a.csv", "id\n1\n")
        #expect(try await place.stores.list(root).count == 1)
        #expect(try await place.stores.listChildren(root).objects.count == 1)
        try await put(place, "b.csv", "id\n2\n")
        #expect(try await place.stores.list(root).count == 1)
        try await place.stores.delete([try ObjectPath("\(folder)/a.csv")])
        #expect(try await place.stores.list(root).map(\.path.name) == ["b.csv"])
        #expect(try await place.stores.listChildren(root).objects.map(\.path.name) == ["b.csv"])
    }

    @Test("old listings are asked for anew, in time")
    func revalidates() async throws {
        let place = try await place(lifetime: .milliseconds(1500))
        let root = try ObjectPath(folder)
        try await put(place, "a.csv", "id\n1\n")
        #expect(try await place.stores.list(root).count == 1)
        try await put(place, "b.csv", "id\n2\n")
        try await Task.sleep(for: .milliseconds(900))
        // Used once more, and looked at behind the caller's back.
        #expect(try await place.stores.list(root).count == 1)
        for _ in 0..<50 where try await place.stores.list(root).count == 1 {
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(try await place.stores.list(root).count == 2)
    }
}
