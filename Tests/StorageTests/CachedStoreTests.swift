// What goes to the disk cache: with no size given footers, small files and metadata only, and names that never get other
// content without asking for an entity tag.
import Diagnostics
import Foundation
import Synchronization
import Testing

@testable import Storage

/// Local files that count their reads.
private final class CountedReads: ObjectStore {
    private let inner = LocalStore()
    let count = Atomic<Int>(0)

    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        count.add(1, ordering: .relaxed)
        inner.read(ranges, of: path, metrics: metrics, then: done)
    }
    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        count.add(1, ordering: .relaxed)
        inner.readSuffix(bytesMax, of: path, metrics: metrics, then: done)
    }
    func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) { inner.write(parts, to: path, if: precondition, metrics: metrics, then: done) }
    func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        try await inner.list(folder, metrics: metrics)
    }
    func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await inner.listChildren(folder, metrics: metrics)
    }
    func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await inner.head(path, metrics: metrics)
    }
    func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        try await inner.delete(paths, metrics: metrics)
    }
    func fetchPolicy(for path: ObjectPath) -> FetchPolicy { .remote }
}

@Suite struct CachedStoreTests {
    private let folder = NSTemporaryDirectory() + "cached-\(UUID().uuidString)"

    /// The requests that reading a file's end, the rest of its footer and some data takes; as after a restart.
    private func requests(_ info: ObjectInfo, keepsData: Bool, _ name: String) async throws -> [Int] {
        let inner = CountedReads()
        let cache = try DiskCache(folder: "\(folder)/\(name)", bytesMax: 64 << 20, keepsData: keepsData)
        cache.settle()
        let store = CachedStore(inner, cache: cache) { $0 }
        var counts: [Int] = []
        let wanted = try await LocalStore().read(0..<info.sizeBytes, of: info.path)
        let (end, found) = try await store.readSuffix(1_000, of: info)
        #expect(end.array == Array(wanted.array.suffix(1_000)) && found.sizeBytes == info.sizeBytes)
        #expect(found.isImmutable == info.isImmutable)
        counts.append(inner.count.load(ordering: .relaxed))
        for range in [info.sizeBytes - 5_000..<info.sizeBytes - 8, 100..<2_000] {
            let bytes = try await store.read([range], of: found)
            #expect(bytes.first?.array == Array(wanted.array[Int(range.lowerBound)..<Int(range.upperBound)]))
            counts.append(inner.count.load(ordering: .relaxed))
        }
        cache.settle()
        return counts
    }

    @Test("footers are kept over restarts, data only where a size is given", arguments: [false, true])
    func kinds(isImmutable: Bool) async throws {
        let path = ObjectPath(file: "\(folder)/file")
        var info = try await LocalStore().write([Bytes((0..<20_000).map { UInt8($0 % 251) })], to: path)
        if isImmutable {
            // As a manifest names it.
            info = ObjectInfo(path: path, sizeBytes: 20_000, modified: 0, etag: nil)
            info.isImmutable = true
        }
        #expect(try await requests(info, keepsData: false, "few") == [1, 2, 3])
        #expect(try await requests(info, keepsData: false, "few") == [0, 0, 1])
        #expect(try await requests(info, keepsData: true, "all") == [1, 2, 3])
        #expect(try await requests(info, keepsData: true, "all") == [0, 0, 0])
        var unnamed = info
        (unnamed.etag, unnamed.isImmutable) = (nil, false)
        // Nothing tells one content of such an object from another.
        #expect(try await requests(unnamed, keepsData: true, "none").first == 1)
        #expect(try await requests(unnamed, keepsData: true, "none").first == 1)
    }
}
