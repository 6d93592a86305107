// Listings of object storage, used again for a while: a table of many files is then planned without asking for them. They
// are looked at anew in the background before they are too old, and forgotten as soon as they are known to be wrong.

import Diagnostics
import Synchronization

/// Recent listings by folder.
public final class ListingCache: Sendable {
    /// Objects in all listings; with more, the oldest half of the listings is forgotten.
    private static let objectsMax = 4_000_000
    /// Listings kept.
    private static let listingsMax = 100_000

    struct Key: Hashable, Sendable {
        var folder: ObjectPath
        var isRecursive: Bool
    }

    struct Listing: Sendable {
        var folders: [ObjectPath] = []
        var objects: [ObjectInfo] = []
    }

    private struct Entry {
        var listing: Listing
        var asked: ContinuousClock.Instant
        var isAskedAgain = false
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var objects = 0
        /// Listings on their way; those that are not here any more when they come are of yesterday.
        var coming: [UInt64: Key] = [:]
        var next: UInt64 = 0
    }

    /// How long after it was asked for a listing is used.
    private let lifetime: Duration
    private let state = Mutex(State())
    private let drops = Atomic<Int>(0)

    public init(lifetime: Duration) { self.lifetime = lifetime }

    /// Listings forgotten because an object in them could not be read.
    public var wrong: Int { drops.load(ordering: .acquiring) }

    /// A listing that is young enough, or a new one.
    func listing(
        _ key: Key, _ ask: @escaping @Sendable () async throws(SQLError) -> Listing
    ) async throws(SQLError) -> Listing {
        let now = ContinuousClock.now
        let (kept, isOld) = state.withLock { state -> (Listing?, Bool) in
            guard let entry = state.entries[key], now - entry.asked < lifetime else { return (nil, false) }
            guard now - entry.asked > lifetime / 2, !entry.isAskedAgain else { return (entry.listing, false) }
            state.entries[key]?.isAskedAgain = true
            return (entry.listing, true)
        }
        guard let kept else { return try await fetch(key, ask) }
        if isOld { Task.detached { _ = try? await self.fetch(key, ask) } }
        return kept
    }

    private func fetch(
        _ key: Key, _ ask: @Sendable () async throws(SQLError) -> Listing
    ) async throws(SQLError) -> Listing {
        let asked = ContinuousClock.now
        let number = state.withLock { state in
            state.next += 1
            state.coming[state.next] = key
            return state.next
        }
        do throws(SQLError) {
            let listing = try await ask()
            state.withLock { state in
                guard state.coming.removeValue(forKey: number) != nil else { return }
                ListingCache.remove(key, &state)
                state.entries[key] = Entry(listing: listing, asked: asked)
                state.objects += listing.objects.count
                if state.objects > ListingCache.objectsMax || state.entries.count > ListingCache.listingsMax {
                    ListingCache.shrink(&state)
                }
            }
            return listing
        } catch {
            state.withLock { state in
                state.coming[number] = nil
                state.entries[key]?.isAskedAgain = false
            }
            throw error
        }
    }

    private static func remove(_ key: Key, _ state: inout State) {
        if let old = state.entries.removeValue(forKey: key) { state.objects -= old.listing.objects.count }
    }

    private static func shrink(_ state: inout State) {
        let times = state.entries.values.map(\.asked).sorted()
        let median = times[times.count / 2]
        for (key, entry) in state.entries where entry.asked <= median { remove(key, &state) }
    }

    /// Forgets the listings that an object is in, or would be; returns whether there was one.
    @discardableResult
    func forget(_ path: ObjectPath) -> Bool {
        state.withLock { state in
            var found = false
            var folder = path
            while true {
                for isRecursive in [true, false] {
                    let key = Key(folder: folder, isRecursive: isRecursive)
                    if state.entries[key] != nil {
                        ListingCache.remove(key, &state)
                        found = true
                    }
                }
                let parent = folder.parent
                if parent == folder || folder.key.isEmpty { break }
                folder = parent
            }
            guard !state.coming.isEmpty else { return found }
            for (number, key) in state.coming where path.relative(to: key.folder) != nil {
                state.coming[number] = nil
            }
            return found
        }
    }

    /// A read of an object has failed.
    func note(_ path: ObjectPath) { if forget(path) { drops.add(1, ordering: .releasing) } }

    /// Whoever waits for a read, told of its result after what it says about listings was noted.
    func watching<T>(_ path: ObjectPath, _ done: @escaping Done<T>) -> Done<T> {
        { [self] result in
            // A missing object, or another one than was listed.
            if case .failure = result { note(path) }
            done(result)
        }
    }
}

/// An upload that changes what is listed once it is complete.
final class ListedUpload: ObjectUpload {
    private let inner: any ObjectUpload
    private let path: ObjectPath
    private let listings: ListingCache

    init(_ inner: any ObjectUpload, _ path: ObjectPath, _ listings: ListingCache) {
        self.inner = inner
        self.path = path
        self.listings = listings
    }

    var sizeBytes: Int64 { inner.sizeBytes }
    var heldBytes: Int { inner.heldBytes }
    func append(_ parts: [Bytes]) throws(SQLError) { try inner.append(parts) }
    func seal() throws(SQLError) { try inner.seal() }
    func complete(if precondition: Precondition) throws(SQLError) -> ObjectInfo {
        // Also after an error: the object may be there.
        defer { listings.forget(path) }
        return try inner.complete(if: precondition)
    }
    func abort() { inner.abort() }
}
