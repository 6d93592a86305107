// An immutable map from names to objects, shared between commits: a hash trie whose nodes are objects themselves. A
// lookup reads one node a level, a change writes one node a level, two trees are compared by their nodes' hashes.
import Crypto
import Diagnostics
import Foundation

/// A node: either up to ``leafMax`` entries, or up to 64 children by the next six bits of the key's hash.
struct TreeNode: Codable, Sendable, Hashable {
    var entries: [String: Data]?
    var children: [Int: ObjectID]?

    static let leafMax = 64
    /// Six bits a level of a 256-bit hash.
    static let depthMax = 42

    static let empty = TreeNode(entries: [:], children: nil)

    func encoded() throws(SQLError) -> (ObjectID, Data) {
        let bytes = try ObjectCoding.encode(self)
        return (ObjectID(of: bytes), bytes)
    }
}

/// Objects are JSON with sorted keys: the same content has the same bytes, and a human can read the store.
enum ObjectCoding {
    static func encode(_ value: some Encodable) throws(SQLError) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try encoder.encode(value)
        } catch {
            throw SQLError(.internalError, "could not encode a catalog object: \(error)")
        }
    }

    static func decode<T: Decodable>(_ type: T.Type, _ bytes: Data, _ id: ObjectID) throws(SQLError) -> T {
        do {
            return try JSONDecoder().decode(type, from: bytes)
        } catch {
            throw SQLError(.dataCorrupted, "catalog object \(id.hex) is damaged", detail: "\(error)")
        }
    }
}

/// Reads and changes trees.
struct KeyTree: Sendable {
    let objects: ObjectReader

    /// Returns the values of those keys that exist.
    func values(_ keys: some Sequence<String>, in root: ObjectID) async throws(SQLError) -> [String: Data] {
        var found: [String: Data] = [:]
        for key in keys {
            let path = KeyTree.path(key)
            var node = try await objects.node(root)
            var level = 0
            while let children = node.children {
                guard let child = children[path(level)] else { break }
                node = try await objects.node(child)
                level += 1
            }
            if let value = node.entries?[key] { found[key] = value }
        }
        return found
    }

    /// Returns all entries.
    func all(in root: ObjectID) async throws(SQLError) -> [String: Data] {
        var result: [String: Data] = [:]
        var pending = [root]
        while let id = pending.popLast() {
            let node = try await objects.node(id)
            if let entries = node.entries { result.merge(entries) { $1 } }
            if let children = node.children { pending += children.values }
        }
        return result
    }

    /// Puts (or with nil removes) keys; new nodes go to `written`. Returns the new root.
    func changing(
        _ root: ObjectID?, _ changes: [String: Data?], written: inout [ObjectID: Data]
    ) async throws(SQLError) -> ObjectID {
        try await change(root, changes, level: 0, written: &written)
    }

    private func change(
        _ id: ObjectID?, _ changes: [String: Data?], level: Int, written: inout [ObjectID: Data]
    ) async throws(SQLError) -> ObjectID {
        var node = TreeNode.empty
        if let id { node = try await loaded(id, written) }
        if var children = node.children {
            var parts: [Int: [String: Data?]] = [:]
            for (key, value) in changes { parts[KeyTree.path(key)(level), default: [:]][key] = .some(value) }
            for (slot, part) in parts {
                children[slot] = try await change(children[slot], part, level: level + 1, written: &written)
            }
            node.children = children
        } else {
            var entries = node.entries ?? [:]
            for (key, value) in changes { entries[key] = value }
            if entries.count > TreeNode.leafMax, level < TreeNode.depthMax {
                var parts: [Int: [String: Data?]] = [:]
                for (key, value) in entries { parts[KeyTree.path(key)(level), default: [:]][key] = .some(value) }
                var children: [Int: ObjectID] = [:]
                for (slot, part) in parts {
                    children[slot] = try await change(nil, part, level: level + 1, written: &written)
                }
                node = TreeNode(entries: nil, children: children)
            } else {
                node.entries = entries
            }
        }
        let (newID, bytes) = try node.encoded()
        written[newID] = bytes
        return newID
    }

    /// Returns the keys whose values differ, with both values. Nodes that the trees share are not read.
    func difference(
        _ old: ObjectID?, _ new: ObjectID?
    ) async throws(SQLError) -> [String: (before: Data?, after: Data?)] {
        var result: [String: (before: Data?, after: Data?)] = [:]
        var pending: [(ObjectID?, ObjectID?)] = [(old, new)]
        while let (old, new) = pending.popLast() {
            if old == new { continue }
            let before = try await node(old)
            let after = try await node(new)
            if let left = before.children, let right = after.children {
                for slot in Set(left.keys).union(right.keys) { pending.append((left[slot], right[slot])) }
                continue
            }
            // A leaf on one side may be a node with children on the other: it has grown.
            let left = if let old { try await all(in: old) } else { [String: Data]() }
            let right = if let new { try await all(in: new) } else { [String: Data]() }
            for (key, value) in left where right[key] != value { result[key] = (value, right[key]) }
            for (key, value) in right where left[key] == nil { result[key] = (nil, value) }
        }
        return result
    }

    private func node(_ id: ObjectID?) async throws(SQLError) -> TreeNode {
        if let id { return try await objects.node(id) }
        return TreeNode(entries: [:], children: nil)
    }

    private func loaded(_ id: ObjectID, _ written: [ObjectID: Data]) async throws(SQLError) -> TreeNode {
        if let bytes = written[id] { return try ObjectCoding.decode(TreeNode.self, bytes, id) }
        return try await objects.node(id)
    }

    /// The slot of a key at each level.
    private static func path(_ key: String) -> (Int) -> Int {
        let digest = Array(SHA256.hash(data: Data(key.utf8)))
        return { level in
            let bit = level * 6
            let window = UInt16(digest[bit / 8]) << 8 | (bit / 8 + 1 < digest.count ? UInt16(digest[bit / 8 + 1]) : 0)
            return Int((window >> UInt16(10 - bit % 8)) & 63)
        }
    }
}
