// Footers kept between queries, so that a file that did not change costs no request to plan.

public import Storage
import Synchronization

/// Parsed footers by path and version, the least recently used dropped first.
public final class FooterCache: Sendable {
    /// What a cache did so far.
    public struct Counters: Sendable, Hashable {
        public var hits = 0
        public var misses = 0
        public var evictions = 0
        public var footers = 0
        public var sizeBytes = 0
    }

    /// Memory for footers and the small files that are kept with them.
    public static let defaultBytesMax = 256 << 20

    private struct Entry {
        let footer: FileFooter
        var lastUse: UInt64
    }
    private struct State {
        var entries: [ObjectPath: Entry] = [:]
        var clock: UInt64 = 0
        var counters = Counters()
    }

    private let state = Mutex(State())
    private let bytesMax: Int

    public init(bytesMax: Int = FooterCache.defaultBytesMax) { self.bytesMax = bytesMax }

    public var counters: Counters { state.withLock { $0.counters } }

    /// Footers of a typical file that there is room for.
    public var roomForFooters: Int { bytesMax / FooterCache.footerBytes }
    /// Some columns, one row group.
    private static let footerBytes = 4 << 10

    /// The footer of exactly this version of a file.
    public func footer(for info: ObjectInfo) -> FileFooter? {
        state.withLock { state in
            guard let entry = state.entries[info.path], FooterCache.isSame(entry.footer.info, info) else {
                state.counters.misses += 1
                return nil
            }
            state.clock += 1
            state.entries[info.path]?.lastUse = state.clock
            state.counters.hits += 1
            return entry.footer
        }
    }

    /// Keeps a footer, in place of another version's. `onlyIfRoom`: others do not go for it, as where a scan reads more
    /// files than there is room for, and would come back to each when it is gone already.
    public func insert(_ footer: FileFooter, onlyIfRoom: Bool = false) {
        let size = footer.sizeBytes
        guard size <= bytesMax / 8 else { return }
        state.withLock { state in
            if onlyIfRoom, state.counters.sizeBytes + size > bytesMax { return }
            state.clock += 1
            if let old = state.entries[footer.info.path] { state.counters.sizeBytes -= old.footer.sizeBytes }
            state.entries[footer.info.path] = Entry(footer: footer, lastUse: state.clock)
            state.counters.sizeBytes += size
            if state.counters.sizeBytes > bytesMax { evict(&state) }
            state.counters.footers = state.entries.count
        }
    }

    /// Forgets everything.
    public func removeAll() {
        state.withLock { state in
            state.entries = [:]
            state.counters.footers = 0
            state.counters.sizeBytes = 0
        }
    }

    /// Drops the oldest until a quarter is free, so that the sort is paid rarely.
    private func evict(_ state: inout State) {
        let oldest = state.entries.sorted { $0.value.lastUse < $1.value.lastUse }
        for (path, entry) in oldest {
            guard state.counters.sizeBytes > bytesMax / 4 * 3 else { break }
            state.entries[path] = nil
            state.counters.sizeBytes -= entry.footer.sizeBytes
            state.counters.evictions += 1
        }
    }

    private static func isSame(_ kept: ObjectInfo, _ asked: ObjectInfo) -> Bool {
        guard kept.sizeBytes == asked.sizeBytes else { return false }
        if let a = kept.etag, let b = asked.etag { return a == b }
        return kept.modified == asked.modified
    }
}
