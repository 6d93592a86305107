// Objects with a cache in front: they never change, so what was read once need not be read again.
import Diagnostics
import Foundation
import Synchronization

/// Reads trees and commits.
final class ObjectReader: Sendable {
    let store: any RefStore
    private let nodes = Mutex(TwoGenerations<TreeNode>(bytesMax: ObjectReader.nodeBytesMax))
    private let commits = Mutex(TwoGenerations<CommitObject>(bytesMax: ObjectReader.commitBytesMax))

    /// Encoded bytes of the nodes and commits kept in memory; decoded they take two to three times as much.
    private static let nodeBytesMax = 64 << 20
    private static let commitBytesMax = 16 << 20
    /// Objects that one request asks for.
    static let batchMax = 1_000

    init(_ store: any RefStore) { self.store = store }

    func node(_ id: ObjectID) async throws(SQLError) -> TreeNode {
        guard let node = try await nodes([id])[id] else { throw ObjectReader.missing(id) }
        return node
    }

    /// Returns all of these nodes.
    func nodes(_ ids: some Sequence<ObjectID>) async throws(SQLError) -> [ObjectID: TreeNode] {
        var found: [ObjectID: TreeNode] = [:]
        var absent: [ObjectID] = []
        nodes.withLock { cache in
            for id in ids {
                if let node = cache[id] { found[id] = node } else { absent.append(id) }
            }
        }
        for start in stride(from: 0, to: absent.count, by: ObjectReader.batchMax) {
            let wanted = Array(absent[start..<min(start + ObjectReader.batchMax, absent.count)])
            let bytes = try await store.objects(wanted)
            for id in wanted where found[id] == nil {
                guard let bytes = bytes[id] else { throw ObjectReader.missing(id) }
                let node = try TreeNode(bytes, id)
                found[id] = node
                nodes.withLock { $0.keep(node, id, bytes.count) }
            }
        }
        return found
    }

    /// Throws 42704 when there is no such commit.
    func commit(_ id: ObjectID) async throws(SQLError) -> CommitObject {
        guard let commit = try await keptCommit(id) else {
            throw SQLError(
                .undefinedObject, "commit \"\(id.hex)\" does not exist",
                detail: "It may have expired: retention of its branch lets old commits go.")
        }
        return commit
    }

    /// nil when retention has let the commit go.
    func keptCommit(_ id: ObjectID) async throws(SQLError) -> CommitObject? {
        if let commit = commits.withLock({ $0[id] }) { return commit }
        guard let bytes = try await store.objects([id])[id] else { return nil }
        let commit = try ObjectCoding.decode(CommitObject.self, bytes, id)
        commits.withLock { $0.keep(commit, id, bytes.count) }
        return commit
    }

    /// Keeps objects that were written: the next commit reads them.
    func keep(_ written: NewObjects) {
        for (id, node) in written.nodes { nodes.withLock { $0.keep(node, id, written.bytes[id]?.count ?? 0) } }
        if let id = written.commit, let commit = written.commitObject {
            commits.withLock { $0.keep(commit, id, written.bytes[id]?.count ?? 0) }
        }
    }

    /// Forgets what it has read: after a collection.
    func forget() {
        nodes.withLock { $0 = TwoGenerations(bytesMax: ObjectReader.nodeBytesMax) }
        commits.withLock { $0 = TwoGenerations(bytesMax: ObjectReader.commitBytesMax) }
    }

    static func missing(_ id: ObjectID) -> SQLError {
        SQLError(
            .dataCorrupted, "catalog object \(id.hex) is missing",
            detail: "A state that retention let go is gone; otherwise the catalog is damaged.")
    }
}

/// A bounded cache: what was not used while the younger half filled up goes.
private struct TwoGenerations<Value> {
    private var young: [ObjectID: (value: Value, sizeBytes: Int)] = [:]
    private var old: [ObjectID: (value: Value, sizeBytes: Int)] = [:]
    private var youngBytes = 0
    private let bytesMax: Int

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    subscript(id: ObjectID) -> Value? {
        mutating get {
            if let found = young[id] { return found.value }
            guard let found = old.removeValue(forKey: id) else { return nil }
            keep(found.value, id, found.sizeBytes)
            return found.value
        }
    }

    mutating func keep(_ value: Value, _ id: ObjectID, _ sizeBytes: Int) {
        if youngBytes + sizeBytes > bytesMax / 2 {
            old = young
            young = [:]
            youngBytes = 0
        }
        if young.updateValue((value, sizeBytes), forKey: id) == nil { youngBytes += sizeBytes }
    }
}
