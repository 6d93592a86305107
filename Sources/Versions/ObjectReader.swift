// Objects with a cache in front: they never change, so what was read once need not be read again.
import Diagnostics
import Foundation
import Synchronization

/// Reads trees and commits. The caches are emptied when full: simple, and a full cache is rare.
final class ObjectReader: Sendable {
    let store: any RefStore
    private let nodes = Mutex<[ObjectID: TreeNode]>([:])
    private let commits = Mutex<[ObjectID: CommitObject]>([:])

    /// Objects of each kind kept in memory.
    private static let cacheMax = 20_000

    init(_ store: any RefStore) { self.store = store }

    func node(_ id: ObjectID) async throws(SQLError) -> TreeNode {
        if let node = nodes.withLock({ $0[id] }) { return node }
        let node = try ObjectCoding.decode(TreeNode.self, try await bytes(id), id)
        nodes.withLock { cache in
            if cache.count >= ObjectReader.cacheMax { cache.removeAll(keepingCapacity: true) }
            cache[id] = node
        }
        return node
    }

    func commit(_ id: ObjectID) async throws(SQLError) -> CommitObject {
        if let commit = commits.withLock({ $0[id] }) { return commit }
        let commit = try ObjectCoding.decode(CommitObject.self, try await bytes(id), id)
        commits.withLock { cache in
            if cache.count >= ObjectReader.cacheMax { cache.removeAll(keepingCapacity: true) }
            cache[id] = commit
        }
        return commit
    }

    private func bytes(_ id: ObjectID) async throws(SQLError) -> Data {
        guard let bytes = try await store.objects([id])[id] else {
            throw SQLError(.dataCorrupted, "catalog object \(id.hex) is missing")
        }
        return bytes
    }
}
