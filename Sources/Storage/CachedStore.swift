// An object store with a disk cache in front: reads that are bound to one version are looked up there first.

public import Diagnostics
import Foundation
import Threads

/// Reads of versions through a cache; all else goes to the store behind.
public final class CachedStore: ObjectStore {
    /// Threads that read the cache's files.
    static let threadsMax = 4

    private let inner: any ObjectStore
    private let cache: DiskCache
    /// The address of a bucket: one cache may serve several servers.
    private let address: @Sendable (_ bucket: String) -> String
    private let threads = WorkThreads(name: "storage-io", threadsMax: CachedStore.threadsMax)

    public init(_ inner: any ObjectStore, cache: DiskCache, address: @escaping @Sendable (_ bucket: String) -> String) {
        self.inner = inner
        self.cache = cache
        self.address = address
    }

    private func key(_ version: ObjectInfo) -> DiskCache.Key? {
        let tag = version.isImmutable ? "immutable" : version.etag
        return tag.map { DiskCache.Key(url: address(version.path.bucket) + "/" + version.path.key, etag: $0) }
    }

    public func fetchPolicy(for path: ObjectPath) -> FetchPolicy { inner.fetchPolicy(for: path) }

    // MARK: - Versions

    public func read(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        guard let key = key(version) else {
            return inner.read(ranges, of: version, metrics: metrics, until: cancellation, then: done)
        }
        threads.run { [self] in
            var found = ranges.map { $0.isEmpty ? Bytes.empty : cache.read(key, $0) }
            for case let bytes? in found where bytes.count > 0 { metrics?.addCacheHit(bytes: Int64(bytes.count)) }
            let missing = found.indices.filter { found[$0] == nil }
            if missing.isEmpty { return done(.success(found.compactMap { $0 })) }
            let known = found
            found = []
            inner.read(missing.map { ranges[$0] }, of: version, metrics: metrics, until: cancellation) {
                [cache] result in
                switch result {
                case .failure(let error): done(.failure(error))
                case .success(let read):
                    var all = known
                    for (index, bytes) in zip(missing, read) {
                        // The rest of a footer ends where its length begins.
                        if cache.keepsData || ranges[index].upperBound == version.sizeBytes - 8 {
                            cache.insert(key, ranges[index], bytes)
                        }
                        all[index] = bytes
                    }
                    done(.success(all.compactMap { $0 }))
                }
            }
        }
    }

    public func readBlocking(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        try waitFor { done in
            read(ranges, of: version, metrics: metrics, until: CancelFlag(), then: done)
        }.get()
    }

    public func readSuffix(
        _ bytesMax: Int, of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        threads.run { [self] in
            let range = max(0, version.sizeBytes - Int64(bytesMax))..<max(0, version.sizeBytes)
            if let key = key(version), !range.isEmpty, let bytes = cache.read(key, range) {
                metrics?.addCacheHit(bytes: Int64(bytes.count))
                return done(.success((bytes, version)))
            }
            // The object may be another by now: what it is decides where the bytes are kept.
            inner.readSuffix(bytesMax, of: version, metrics: metrics, until: cancellation) { [self] result in
                guard case .success((let bytes, var info)) = result else { return done(result) }
                info.isImmutable = version.isImmutable
                if let key = key(info) {
                    cache.insert(key, info.sizeBytes - Int64(bytes.count)..<info.sizeBytes, bytes)
                }
                done(.success((bytes, info)))
            }
        }
    }

    // MARK: - Everything else

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        inner.read(ranges, of: path, metrics: metrics, then: done)
    }

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        inner.read(ranges, of: path, metrics: metrics, until: cancellation, then: done)
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        inner.readSuffix(bytesMax, of: path, metrics: metrics, then: done)
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        inner.readSuffix(bytesMax, of: path, metrics: metrics, until: cancellation, then: done)
    }

    public func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        inner.write(parts, to: path, if: precondition, metrics: metrics, then: done)
    }

    public func upload(
        to path: ObjectPath, isDurable: Bool, metrics: StoreMetrics?
    ) throws(SQLError) -> any ObjectUpload {
        try inner.upload(to: path, isDurable: isDurable, metrics: metrics)
    }

    public func write(
        _ objects: [NewObject], settling uploads: [ObjectPath], metrics: StoreMetrics?
    ) async throws(SQLError) {
        try await inner.write(objects, settling: uploads, metrics: metrics)
    }

    public func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        try await inner.list(folder, metrics: metrics)
    }

    public func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await inner.listChildren(folder, metrics: metrics)
    }

    public func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await inner.head(path, metrics: metrics)
    }

    public func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        try await inner.delete(paths, metrics: metrics)
    }
}
