// All stores as one: the scheme of a path says where it goes.

public import Diagnostics
import Foundation
import Synchronization

/// Local files and S3 behind one door.
public final class Stores: ObjectStore {
    private let local: any ObjectStore
    private let s3: any ObjectStore
    private let ofBuckets: [String: any ObjectStore]
    /// Of S3.
    public let listings: ListingCache?

    /// `buckets` names those that live on another server than the rest; `cache` and `listings` keep what they send.
    public init(
        s3 configuration: S3Configuration = S3Configuration(), buckets: [String: S3Configuration] = [:],
        cache: DiskCache? = nil, listings: ListingCache? = nil
    ) {
        self.listings = listings
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
        listings = nil
    }

    private func watching<T>(_ path: ObjectPath, _ done: @escaping Done<T>) -> Done<T> {
        guard let listings, path.scheme == .s3 else { return done }
        return listings.watching(path, done)
    }

    /// `watching` of a read that blocks.
    private func noting<T>(_ path: ObjectPath, _ read: () throws(SQLError) -> T) throws(SQLError) -> T {
        do throws(SQLError) { return try read() } catch {
            if path.scheme == .s3 { listings?.note(path) }
            throw error
        }
    }

    private func changed(_ path: ObjectPath) { if path.scheme == .s3 { listings?.forget(path) } }

    private func store(of path: ObjectPath) -> any ObjectStore {
        switch path.scheme {
        case .file: local
        case .s3: ofBuckets[path.bucket] ?? s3
        }
    }

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        store(of: path).read(ranges, of: path, metrics: metrics, then: watching(path, done))
    }

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        store(of: path).read(ranges, of: path, metrics: metrics, until: cancellation, then: watching(path, done))
    }

    public func read(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        store(of: version.path).read(
            ranges, of: version, metrics: metrics, until: cancellation, then: watching(version.path, done))
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        store(of: path).readSuffix(bytesMax, of: path, metrics: metrics, then: watching(path, done))
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        store(of: path).readSuffix(
            bytesMax, of: path, metrics: metrics, until: cancellation, then: watching(path, done))
    }

    public func readSuffix(
        _ bytesMax: Int, of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        store(of: version.path).readSuffix(
            bytesMax, of: version, metrics: metrics, until: cancellation, then: watching(version.path, done))
    }

    public func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        guard let listings, path.scheme == .s3 else {
            return store(of: path).write(parts, to: path, if: precondition, metrics: metrics, then: done)
        }
        store(of: path).write(parts, to: path, if: precondition, metrics: metrics) { result in
            listings.forget(path)
            done(result)
        }
    }

    public func upload(to path: ObjectPath, isDurable: Bool, metrics: StoreMetrics?) throws(SQLError)
        -> any ObjectUpload
    {
        let upload = try store(of: path).upload(to: path, isDurable: isDurable, metrics: metrics)
        guard let listings, path.scheme == .s3 else { return upload }
        return ListedUpload(upload, path, listings)
    }

    public func write(
        _ objects: [NewObject], settling uploads: [ObjectPath], metrics: StoreMetrics?
    ) async throws(SQLError) {
        struct Place: Hashable {
            var scheme: ObjectPath.Scheme
            var bucket: String
            init(_ path: ObjectPath) { (scheme, bucket) = (path.scheme, path.bucket) }
        }
        defer { for object in objects { changed(object.path) } }
        let parts = Dictionary(grouping: objects) { Place($0.path) }
        let settling = Dictionary(grouping: uploads) { Place($0) }
        for place in Set(parts.keys).union(settling.keys) {
            let (own, finished) = (parts[place] ?? [], settling[place] ?? [])
            guard let path = own.first?.path ?? finished.first else { continue }
            try await store(of: path).write(own, settling: finished, metrics: metrics)
        }
    }

    public func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        let store = store(of: folder)
        guard let listings, folder.scheme == .s3 else { return try await store.list(folder, metrics: metrics) }
        return try await listings.listing(ListingCache.Key(folder: folder, isRecursive: true)) {
            () async throws(SQLError) in
            ListingCache.Listing(objects: try await store.list(folder, metrics: metrics))
        }.objects
    }

    public func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        let store = store(of: folder)
        guard let listings, folder.scheme == .s3 else {
            return try await store.listChildren(folder, metrics: metrics)
        }
        let found = try await listings.listing(ListingCache.Key(folder: folder, isRecursive: false)) {
            () async throws(SQLError) in
            let found = try await store.listChildren(folder, metrics: metrics)
            return ListingCache.Listing(folders: found.folders, objects: found.objects)
        }
        return (found.folders, found.objects)
    }

    public func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        do throws(SQLError) { return try await store(of: path).head(path, metrics: metrics) } catch {
            changed(path)
            throw error
        }
    }

    public func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        defer { for path in paths { changed(path) } }
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
        try noting(path) { () throws(SQLError) in
            try store(of: path).readBlocking(ranges, of: path, metrics: metrics)
        }
    }

    public func readBlocking(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        try noting(version.path) { () throws(SQLError) in
            try store(of: version.path).readBlocking(ranges, of: version, metrics: metrics)
        }
    }

    public func readSuffixBlocking(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> (bytes: Bytes, info: ObjectInfo) {
        try noting(path) { () throws(SQLError) in
            try store(of: path).readSuffixBlocking(bytesMax, of: path, metrics: metrics)
        }
    }

    public func fetchPolicy(for path: ObjectPath) -> FetchPolicy { store(of: path).fetchPolicy(for: path) }
}
