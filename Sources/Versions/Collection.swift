// Letting go of what no ref needs, while others commit.
//
// Why nothing that is needed goes: commits go first, children before parents, a group at a time, and only while none of
// the group was seen since the collection began; whoever makes a ref point to an old commit, or builds on one, makes it
// young in the same transaction, so that the group stays and everything is looked at anew. Then nodes go that no commit
// that stayed reaches, unless they were written again since. A new commit shares nodes only with its parent.
public import Catalogs
public import Diagnostics
import Foundation

extension VersionedCatalog {
    /// Objects that one transaction removes.
    private static let removedMax = 1_000
    /// Times that a collection begins again because others began to use what it was about to remove.
    private static let collectionsMax = 20

    public func collect(
        dryRun: Bool, keeping: Set<CommitID>, graceSeconds: Int
    ) async throws(SQLError) -> Collected {
        var result = Collected()
        for _ in 0..<VersionedCatalog.collectionsMax {
            let state = try await KeptCommits(
                store: store, keeping: keeping, graceSeconds: graceSeconds, now: now())
            let doomed = state.doomed
            guard try await remove(doomed, state, dryRun: dryRun, result: &result) else { continue }
            let marked = try await reachableNodes(state) { _, _ in }
            result.nodeCount += try await removeNodes(except: marked, state, dryRun: dryRun)
            if !dryRun, result.commitCount > 0 { objects.forget() }
            return result
        }
        throw SQLError(
            .objectInUse, "could not collect commits because they are being used",
            hint: "What was removed until now stays removed; collect again later.")
    }

    public func reachableTables(
        keeping: Set<CommitID>, graceSeconds: Int
    ) async throws(SQLError) -> Set<ManagedDefinition> {
        let state = try await KeptCommits(store: store, keeping: keeping, graceSeconds: graceSeconds, now: now())
        var found: Set<ManagedDefinition> = []
        _ = try await reachableNodes(state) { (bytes, node) throws(SQLError) in
            if case .managed(let definition) = try ObjectCoding.decode(Entry.self, bytes, node) {
                found.insert(definition)
            }
        }
        return found
    }

    /// Removes commits; false when some of them are in use again.
    private func remove(
        _ doomed: [ObjectID], _ state: KeptCommits, dryRun: Bool, result: inout Collected
    ) async throws(SQLError) -> Bool {
        for start in stride(from: 0, to: doomed.count, by: VersionedCatalog.removedMax) {
            let group = Array(doomed[start..<min(start + VersionedCatalog.removedMax, doomed.count)])
            let listed = try await list(group, upTo: Collected.listedMax - result.commits.count)
            if !dryRun, try await !store.removeCommits(group, before: state.cutoff).isEmpty { return false }
            result.commits += listed
            result.commitCount += group.count
        }
        return true
    }

    private func list(_ ids: [ObjectID], upTo max: Int) async throws(SQLError) -> [CommitInfo] {
        let shown = Array(ids.prefix(max))
        let bytes = try await store.objects(shown)
        var result: [CommitInfo] = []
        for id in shown {
            guard let bytes = bytes[id] else { continue }
            result.append(CommitInfo(id, try ObjectCoding.decode(CommitObject.self, bytes, id)))
        }
        return result
    }

    /// Visits every entry of the commits that stay, once for each piece of a tree that holds it, and returns the trees'
    /// nodes.
    private func reachableNodes(
        _ state: KeptCommits, entry: (Data, ObjectID) throws(SQLError) -> Void
    ) async throws(SQLError) -> Set<ObjectID> {
        var seen: Set<ObjectID> = []
        var roots: Set<ObjectID> = []
        let schemas = state.kept.compactMap { state.commits[$0]?.schemas }
        try await visit(schemas, seen: &seen) { (bytes, node) throws(SQLError) in
            roots.insert(try ObjectCoding.decode(SchemaObject.self, bytes, node).entries)
        }
        try await visit(Array(roots), seen: &seen, entry)
        return seen
    }

    /// Visits the values of trees. Past the cache: it would only push out what commits need.
    private func visit(
        _ roots: [ObjectID], seen: inout Set<ObjectID>, _ value: (Data, ObjectID) throws(SQLError) -> Void
    ) async throws(SQLError) {
        var pending = roots
        while !pending.isEmpty {
            var wanted: [ObjectID] = []
            while wanted.count < ObjectReader.batchMax, let id = pending.popLast() {
                if seen.insert(id).inserted { wanted.append(id) }
            }
            let found = try await store.objects(wanted)
            for id in wanted {
                guard let bytes = found[id] else { throw ObjectReader.missing(id) }
                let node = try TreeNode(bytes, id)
                if let children = node.children { pending += children.values }
                for bytes in (node.entries ?? [:]).values { try value(bytes, id) }
            }
        }
    }

    private func removeNodes(
        except marked: Set<ObjectID>, _ state: KeptCommits, dryRun: Bool
    ) async throws(SQLError) -> Int {
        var count = 0
        var after: ListedObject?
        while true {
            let page = try await store.listObjects(
                before: state.cutoff, after: after, limit: VersionedCatalog.removedMax)
            let garbage = page.map(\.id).filter { !marked.contains($0) && state.commits[$0] == nil }
            if dryRun {
                count += garbage.count
            } else if !garbage.isEmpty {
                count += try await store.removeNodes(garbage, before: state.cutoff)
            }
            guard page.count == VersionedCatalog.removedMax else { return count }
            after = page.last
        }
    }
}
