// Which commits stay: reached by a ref, not let go by its retention, needed by a later merge, or too young to judge.
import Catalogs
import Diagnostics
import Foundation

/// All commits of a store at one time, and those of them that stay.
struct KeptCommits {
    struct Listed {
        var parents: [ObjectID]
        var height: Int
        var committedAt: Int64
        var schemas: ObjectID
        var seenAt: Int64
    }
    private(set) var commits: [ObjectID: Listed] = [:]
    private(set) var kept: Set<ObjectID> = []
    /// What was seen since then is young. Microseconds since 1970 UTC, on the store's clock.
    let cutoff: Int64

    /// Commits that one request lists.
    private static let pageMax = 1_000
    /// A hundred years: nothing overflows.
    private static let graceSecondsMax = 3_155_760_000
    private static let dayMicroseconds: Int64 = 86_400_000_000

    /// Reads the store. Refs are read after the time and before the commits: what is reached is then either listed or
    /// young.
    init(store: any RefStore, keeping: Set<CommitID>, graceSeconds: Int, now: Int64) async throws(SQLError) {
        let grace = min(max(graceSeconds, 0), KeptCommits.graceSecondsMax)
        cutoff = try await store.time() - Int64(grace) * 1_000_000
        let refs = try await store.refs()
        var after: ObjectID?
        while true {
            let page = try await store.listCommits(after: after, limit: KeptCommits.pageMax)
            for listed in page {
                let commit = try ObjectCoding.decode(CommitObject.self, listed.bytes, listed.id)
                commits[listed.id] = Listed(
                    parents: commit.parents, height: commit.anyHeight, committedAt: commit.committedAt,
                    schemas: commit.schemas, seenAt: listed.seenAt)
            }
            guard page.count == KeptCommits.pageMax else { break }
            after = page.last?.id
        }
        keep(refs, keeping: Set(keeping.compactMap { ObjectID(hex: $0.hex) }), now: now)
    }

    /// Commits that may go, children before their parents.
    var doomed: [ObjectID] {
        commits.filter { !kept.contains($0.key) }
            .sorted { ($1.value.height, $1.key) < ($0.value.height, $0.key) }.map(\.key)
    }

    // MARK: - Walking down

    /// What the children of a commit pass on to it.
    private struct Reach {
        /// Refs whose history it is in.
        var refs: Bits
        /// Refs that keep it.
        var keepers: Bits
        /// The most branches that one child is in.
        var widestChild = 0
        var hasYoungChild = false
        /// One that stays although no ref reaches it: what it came from stays with it.
        var hasOrphanChild = false
    }

    private mutating func keep(_ refs: [StoredRef], keeping: Set<ObjectID>, now: Int64) {
        let none = Bits(count: refs.count)
        var (branches, unlimited) = (none, none)
        // Refs by the time from which they keep their commits.
        var limits: [Int64: Bits] = [:]
        var reached: [ObjectID: Reach] = [:]
        for (index, ref) in refs.enumerated() {
            if ref.kind == .branch { branches.insert(index) }
            if let days = ref.options.retainDays {
                let span = Int64(min(max(days, 0), 1_000_000)) * KeptCommits.dayMicroseconds
                limits[now - span, default: none].insert(index)
            } else {
                unlimited.insert(index)
            }
            reached[ref.head, default: Reach(refs: none, keepers: none)].refs.insert(index)
            reached[ref.head]?.keepers.insert(index)
        }
        let branchCount = branches.count
        for (id, commit) in commits.sorted(by: { $1.value.height < $0.value.height }) {
            let isYoung = commit.seenAt >= cutoff
            let reach = reached.removeValue(forKey: id) ?? Reach(refs: none, keepers: none)
            let width = reach.refs.intersection(branches).count
            // Below the last commit that all branches share, no merge looks.
            let isForked = width > 0 && (width < branchCount || branchCount > 1 && reach.widestChild < width)
            let isUnreached = reach.refs.isEmpty
            if !reach.keepers.isEmpty || isForked || isYoung || reach.hasYoungChild || keeping.contains(id)
                || isUnreached && reach.hasOrphanChild
            {
                kept.insert(id)
            }
            let isOrphan = isUnreached && kept.contains(id)
            var lasting = unlimited
            for (limit, limited) in limits where commit.committedAt >= limit { lasting.formUnion(limited) }
            let passedOn = reach.refs.intersection(lasting)
            for parent in commit.parents where commits[parent] != nil {
                var entry = reached[parent] ?? Reach(refs: none, keepers: none)
                entry.refs.formUnion(reach.refs)
                entry.keepers.formUnion(passedOn)
                entry.widestChild = max(entry.widestChild, width)
                entry.hasYoungChild = entry.hasYoungChild || isYoung
                entry.hasOrphanChild = entry.hasOrphanChild || isOrphan
                reached[parent] = entry
            }
        }
    }
}

/// A set of small numbers.
private struct Bits {
    private var words: [UInt64]

    init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

    var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
    var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    mutating func insert(_ index: Int) { words[index / 64] |= 1 << UInt64(index % 64) }
    mutating func formUnion(_ other: Bits) { for index in words.indices { words[index] |= other.words[index] } }

    func intersection(_ other: Bits) -> Bits {
        var result = self
        for index in words.indices { result.words[index] &= other.words[index] }
        return result
    }
}
