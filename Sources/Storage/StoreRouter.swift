// All stores as one: the scheme of a path says where it goes.

public import Diagnostics
import Foundation
import Synchronization

/// Local files and S3 behind one door.
public final class Stores: ObjectStore {
    private let local: any ObjectStore
    private let s3: any ObjectStore
    private let ofBuckets: [String: any ObjectStore]

    /// `buckets` names those that live on another server than the rest; `cache` keeps what they send.
    public init(
        s3 configuration: S3Configuration = S3Configuration(), buckets: [String: S3Configuration] = [:],
        cache: DiskCache? = nil
    ) {
        func store(_ configuration: S3Configuration) -> any ObjectStore {
            let store = S3Store(configuration)
            guard let cache else { return store }
            return CachedStore(store, cache: cache) { configuration.url(bucket: $0) }
        }
        local = LocalStore()
        s3 = store(configuration)
        // Buckets of one server share its connections.
        var ofConfigurations: [S3Configuration: any ObjectStore] = [configuration: s3]
        var ofBuckets: [String: any ObjectStore] = [:]
        for (bucket, configuration) in buckets {
            let made = ofConfigurations[configuration] ?? store(configuration)
            ofConfigurations[configuration] = made
            ofBuckets[bucket] = made
        }
        self.ofBuckets = ofBuckets
    }

    /// Puts given stores together; tests use it.
    public init(local: any ObjectStore, s3: any ObjectStore) {
        self.local = local
        self.s3 = s3
        ofBuckets = [:]
    }

    private func store(of path: ObjectPath) -> any ObjectStore {
        switch path.scheme {
        case .file: local
        case .s3: ofBuckets[path.bucket] ?? s3
        }
    }

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        store(of: path).read(ranges, of: path, metrics: metrics, then: done)
    }

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        store(of: path).read(ranges, of: path, metrics: metrics, until: cancellation, then: done)
    }

    public func read(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        store(of: version.path).read(ranges, of: version, metrics: metrics, until: cancellation, then: done)
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        store(of: path).readSuffix(bytesMax, of: path, metrics: metrics, then: done)
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        store(of: path).readSuffix(bytesMax, of: path, metrics: metrics, until: cancellation, then: done)
    }

    public func readSuffix(
        _ bytesMax: Int, of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        store(of: version.path).readSuffix(
            bytesMax, of: version, metrics: metrics, until: cancellation, then: done)
    }

    public func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        store(of: path).write(parts, to: path, if: precondition, metrics: metrics, then: done)
    }

    public func upload(to path: ObjectPath, isDurable: Bool, metrics: StoreMetrics?) throws(SQLError)
        -> any ObjectUpload
    {
        try store(of: path).upload(to: path, isDurable: isDurable, metrics: metrics)
    }

    public func write(
        _ objects: [NewObject], settling uploads: [ObjectPath], metrics: StoreMetrics?
    ) async throws(SQLError) {
        struct Place: Hashable {
            var scheme: ObjectPath.Scheme
            var bucket: String
            init(_ path: ObjectPath) { (scheme, bucket) = (path.scheme, path.bucket) }
        }
        let parts = Dictionary(grouping: objects) { Place($0.path) }
        let settling = Dictionary(grouping: uploads) { Place($0) }
        for place in Set(parts.keys).union(settling.keys) {
            let (own, finished) = (parts[place] ?? [], settling[place] ?? [])
            guard let path = own.first?.path ?? finished.first else { continue }
            try await store(of: path).write(own, settling: finished, metrics: metrics)
        }
    }

    public func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        try await store(of: folder).list(folder, metrics: metrics)
    }

    public func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await store(of: folder).listChildren(folder, metrics: metrics)
    }

    public func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await store(of: path).head(path, metrics: metrics)
    }

    public func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        // One call for each store, so that each can work on its paths side by side.
        var rest = paths[...]
        while let first = rest.first {
            let key = (first.scheme, first.bucket)
            let run = rest.prefix { ($0.scheme, $0.bucket) == key }
            try await store(of: first).delete(Array(run), metrics: metrics)
            rest = rest.dropFirst(run.count)
        }
    }

    public func readBlocking(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        try store(of: path).readBlocking(ranges, of: path, metrics: metrics)
    }

    public func readBlocking(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        try store(of: version.path).readBlocking(ranges, of: version, metrics: metrics)
    }

    public func readSuffixBlocking(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> (bytes: Bytes, info: ObjectInfo) {
        try store(of: path).readSuffixBlocking(bytesMax, of: path, metrics: metrics)
    }

    public func fetchPolicy(for path: ObjectPath) -> FetchPolicy { store(of: path).fetchPolicy(for: path) }
}
