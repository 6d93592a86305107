// The disk cache: what it keeps over restarts and between processes, its limit, and files that are torn or rotten.
import Diagnostics
import Foundation
import S3Support
import Testing

@testable import Storage

struct DiskCacheTests {
    private final class Folder {
        let path = NSTemporaryDirectory() + "cache-\(UUID().uuidString)"
        deinit { try? FileManager.default.removeItem(atPath: path) }

        var files: [String] {
            let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
            return names.filter { $0.hasSuffix(DiskCache.suffix) }.map { path + "/" + $0 }
        }
    }

    private func cache(_ folder: Folder, _ bytesMax: Int64 = 64 << 20) throws -> DiskCache {
        let cache = try DiskCache(folder: folder.path, bytesMax: bytesMax)
        cache.settle()
        return cache
    }

    private let key = DiskCache.Key(url: "http://s3/b/k", etag: "e")

    @Test func keepsRanges() throws {
        let folder = Folder()
        let content = pattern(300_000)
        let first = try cache(folder)
        #expect(first.read(key, 0..<10) == nil)
        first.insert(key, 1_000..<301_000, Bytes(content))
        first.settle()
        for range in [1_000..<301_000, 1_000..<1_001, 66_536..<66_537, 66_530..<132_080, 300_999..<301_000] {
            let range = Int64(range.lowerBound)..<Int64(range.upperBound)
            let wanted = Array(content[Int(range.lowerBound) - 1_000..<Int(range.upperBound) - 1_000])
            #expect(first.read(key, range)?.array == wanted)
        }
        #expect(first.read(key, 999..<2_000) == nil && first.read(key, 300_000..<301_001) == nil)
        #expect(first.read(DiskCache.Key(url: "http://s3/b/k", etag: "f"), 1_000..<1_001) == nil)
        // Another process, or the same after a restart.
        let second = try cache(folder)
        #expect(second.read(key, 2_000..<3_000)?.array == Array(content[1_000..<2_000]))
        #expect(second.counts.ranges == 1 && second.counts.bytes == first.counts.bytes)
    }

    @Test("files that are cut, changed or of another key are not believed", arguments: 0..<4)
    func damage(_ kind: Int) throws {
        let folder = Folder()
        let cache = try cache(folder)
        cache.insert(key, 0..<200_000, Bytes(pattern(200_000)))
        cache.settle()
        let file = try #require(folder.files.first)
        var data = try Data(contentsOf: URL(fileURLWithPath: file))
        switch kind {
        case 0: data = data.prefix(100_000)
        case 1: data[data.count - 5] ^= 1
        case 2: data[45] ^= 1
        default: data = Data()
        }
        try data.write(to: URL(fileURLWithPath: file))
        #expect(cache.read(key, 150_000..<200_000) == nil)
        #expect(folder.files.isEmpty && cache.counts.ranges == 0 && cache.counts.bytes == 0)
    }

    @Test func staysWithinItsLimit() throws {
        let folder = Folder()
        let cache = try cache(folder, 1 << 20)
        for number in 0..<100 {
            let start = Int64(number) * 50_000
            cache.insert(key, start..<start + 50_000, Bytes(pattern(50_000)))
            cache.settle()
            // In use all the time.
            #expect(cache.read(key, 0..<10) != nil)
        }
        let bytes = folder.files.reduce(Int64(0)) { sum, file in
            let size = try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int64
            return sum + (size ?? 0)
        }
        #expect(bytes <= 1 << 20 && bytes > 1 << 19)
        #expect(cache.counts.bytes == bytes)
        #expect(cache.read(key, 99 * 50_000..<100 * 50_000) != nil)
        #expect(cache.read(key, 50_000..<100_000) == nil)
    }

    @Test("several writers at one time leave whole files only")
    func processes() async throws {
        let folder = Folder()
        let caches = [try cache(folder), try cache(folder), try cache(folder)]
        await withTaskGroup(of: Void.self) { group in
            for cache in caches {
                let key = key
                group.addTask {
                    for number in 0..<50 {
                        let start = Int64(number) * 1_000
                        cache.insert(key, start..<start + 1_000, Bytes([UInt8](repeating: UInt8(number), count: 1_000)))
                    }
                    cache.settle()
                }
            }
        }
        let fresh = try cache(folder)
        #expect(fresh.counts.ranges == 50)
        for number in 0..<50 {
            let start = Int64(number) * 1_000
            #expect(fresh.read(key, start + 5..<start + 9)?.array == [UInt8](repeating: UInt8(number), count: 4))
        }
    }

    @Test("a store with a cache asks once for a version, and anew for the next one")
    func store() async throws {
        let folder = Folder()
        let content = pattern(500_000)
        let server = try #require(UnreliableS3(["b/k": .init(content)]))
        defer { server.stop() }
        let configuration = S3Configuration(endpoint: server.endpoint, accessKey: "key", secretKey: "secret")
        let listed = try #require(try await S3Store(configuration).list(try ObjectPath("s3://b/")).first)
        for round in 0..<3 {
            // A new process each time.
            let cache = try cache(folder)
            let store = Stores(s3: configuration, cache: cache)
            let before = server.requests
            let metrics = StoreMetrics()
            let (suffix, info) = try await store.readSuffix(1_000, of: listed, metrics: metrics)
            #expect(suffix.array == Array(content.suffix(1_000)) && info.sizeBytes == 500_000)
            let ranges: [Range<Int64>] = [0..<100, 200_000..<300_000, 5..<5]
            let parts = try await store.read(ranges, of: info, metrics: metrics)
            #expect(parts.map(\.array) == [Array(content[..<100]), Array(content[200_000..<300_000]), []])
            cache.settle()
            #expect(server.requests - before == (round == 0 ? 3 : 0))
            #expect(metrics.counters.cacheHits == (round == 0 ? 0 : 3))
            #expect(metrics.counters.billed == (round == 0 ? 3 : 0))
        }
        let other = pattern(400_000).map { $0 ^ 1 }
        server.begin(.honest, ["b/k": .init(other)])
        let store = Stores(s3: configuration, cache: try cache(folder))
        let fresh = try #require(try await store.list(try ObjectPath("s3://b/")).first)
        #expect(try await store.readSuffix(1_000, of: fresh).bytes.array == Array(other.suffix(1_000)))
        let error = await errorOf { () throws(SQLError) in try await store.read([50..<60], of: fresh) }
        #expect(error == nil)
    }
}
