// Layouts of remote folders, kept for a moment: queries that follow each other do not walk the same folders again.

import Diagnostics
import Storage
import Synchronization

/// Recently probed layouts by location.
final class LayoutCache: Sendable {
    struct Key: Hashable, Sendable {
        let location: String
        let isFunction: Bool
    }

    /// Locations kept; when there are more, all are forgotten.
    static let layoutsMax = 1024
    /// How long new keys and columns may go unnoticed. Scans list anew in any case.
    static let lifetime = Duration.seconds(5)

    private struct Entry {
        let layouts: [ProbedLayout]
        let made: ContinuousClock.Instant
    }
    private let entries = Mutex<[Key: Entry]>([:])

    /// How large a table was when all its files were listed.
    struct Size: Sendable {
        var bytes: Double
        var rows: Double?
        /// Some of the files: their footers may be known by the time somebody asks.
        var sample: [ObjectInfo] = []
    }
    private let sizes = Mutex<[Key: Size]>([:])

    /// For estimates only: it may be old.
    func size(_ key: Key) -> Size? { sizes.withLock { $0[key] } }

    func remember(_ key: Key, _ size: Size) {
        sizes.withLock { sizes in
            if sizes.count >= LayoutCache.layoutsMax { sizes = [:] }
            sizes[key] = Size(
                bytes: size.bytes, rows: size.rows ?? sizes[key]?.rows, sample: size.sample)
        }
    }

    func layouts(_ key: Key) -> [ProbedLayout]? {
        entries.withLock { entries in
            guard let entry = entries[key], ContinuousClock.now - entry.made < LayoutCache.lifetime else { return nil }
            return entry.layouts
        }
    }

    func insert(_ key: Key, _ layouts: [ProbedLayout]) {
        entries.withLock { entries in
            if entries.count >= LayoutCache.layoutsMax { entries = [:] }
            entries[key] = Entry(layouts: layouts, made: ContinuousClock.now)
        }
    }
}
