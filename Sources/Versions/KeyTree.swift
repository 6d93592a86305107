// An immutable map from names to objects, shared between commits: a hash trie whose nodes are objects themselves. A
// lookup reads one node a level, a change writes one node a level, two trees are compared by their nodes' hashes.
import Diagnostics
import Foundation

/// A key and the hash that says where in a tree it is.
private struct HashedKey {
    let key: String
    let hash: ObjectID

    init(_ key: String) {
        self.key = key
        hash = ObjectID(of: Data(key.utf8))
    }
}

/// Reads and changes trees. Every level of a tree is one request to the store, however many keys are looked up.
struct KeyTree: Sendable {
    let objects: ObjectReader

    /// Returns the values of those keys that exist.
    func values(_ keys: some Sequence<String>, in root: ObjectID) async throws(SQLError) -> [String: Data] {
        var found: [String: Data] = [:]
        var pending = [root: keys.map(HashedKey.init)]
        var level = 0
        while !pending.isEmpty {
            let nodes = try await objects.nodes(pending.keys)
            var next: [ObjectID: [HashedKey]] = [:]
            for (id, keys) in pending {
                guard let node = nodes[id] else { continue }
                for key in keys {
                    if let children = node.children {
                        if let child = children[key.hash.slot(level)] { next[child, default: []].append(key) }
                    } else if let value = node.entries?[key.key] {
                        found[key.key] = value
                    }
                }
            }
            pending = next
            level += 1
        }
        return found
    }

    /// Returns all entries.
    func all(in root: ObjectID) async throws(SQLError) -> [String: Data] {
        var result: [String: Data] = [:]
        var pending = [root]
        while !pending.isEmpty {
            var next: [ObjectID] = []
            for (_, node) in try await objects.nodes(pending) {
                if let entries = node.entries { result.merge(entries) { $1 } }
                if let children = node.children { next += children.values }
            }
            pending = next
        }
        return result
    }

    /// Puts (or with nil removes) keys; new nodes go to `new`. Returns the new root.
    func changing(
        _ root: ObjectID?, _ changes: [String: Data?], writing new: inout NewObjects
    ) async throws(SQLError) -> ObjectID {
        let keys = changes.keys.map(HashedKey.init)
        var tree = ChangedTree(
            nodes: try await nodes(towards: keys, in: root, new), values: changes, new: new)
        let (id, _) = try tree.change(root, keys, level: 0)
        new = tree.new
        return id
    }

    /// The nodes on the ways to keys.
    private func nodes(
        towards keys: [HashedKey], in root: ObjectID?, _ new: NewObjects
    ) async throws(SQLError) -> [ObjectID: TreeNode] {
        var result: [ObjectID: TreeNode] = [:]
        var pending: [ObjectID: [HashedKey]] = [:]
        if let root { pending[root] = keys }
        var level = 0
        while !pending.isEmpty {
            var loaded: [ObjectID: TreeNode] = [:]
            for id in pending.keys { loaded[id] = new.nodes[id] }
            let stored = try await objects.nodes(pending.keys.filter { loaded[$0] == nil })
            loaded.merge(stored) { $1 }
            var next: [ObjectID: [HashedKey]] = [:]
            for (id, keys) in pending {
                guard let children = loaded[id]?.children else { continue }
                for key in keys {
                    if let child = children[key.hash.slot(level)] { next[child, default: []].append(key) }
                }
            }
            result.merge(loaded) { $1 }
            pending = next
            level += 1
        }
        return result
    }

    /// Returns the keys whose values differ, with both values. Nodes that the trees share are not read.
    func difference(
        _ old: ObjectID?, _ new: ObjectID?
    ) async throws(SQLError) -> [String: (before: Data?, after: Data?)] {
        var result: [String: (before: Data?, after: Data?)] = [:]
        var pending: [(ObjectID?, ObjectID?)] = [(old, new)]
        while !pending.isEmpty {
            pending.removeAll { $0.0 == $0.1 }
            let nodes = try await objects.nodes(Set(pending.flatMap { [$0.0, $0.1].compactMap { $0 } }))
            func node(_ id: ObjectID?) -> TreeNode { id.flatMap { nodes[$0] } ?? .empty }
            var next: [(ObjectID?, ObjectID?)] = []
            for (old, new) in pending {
                let before = node(old)
                let after = node(new)
                if before.children == nil, after.children == nil {
                    KeyTree.compare(before.entries ?? [:], after.entries ?? [:], into: &result)
                } else if let left = before.children ?? (before.isEmpty ? [:] : nil),
                    let right = after.children ?? (after.isEmpty ? [:] : nil)
                {
                    for slot in Set(left.keys).union(right.keys) { next.append((left[slot], right[slot])) }
                } else {
                    // A leaf on one side is a node with children on the other: it has grown.
                    let left = if let old { try await all(in: old) } else { [String: Data]() }
                    let right = if let new { try await all(in: new) } else { [String: Data]() }
                    KeyTree.compare(left, right, into: &result)
                }
            }
            pending = next
        }
        return result
    }

    private static func compare(
        _ left: [String: Data], _ right: [String: Data], into result: inout [String: (before: Data?, after: Data?)]
    ) {
        for (key, value) in left where right[key] != value { result[key] = (value, right[key]) }
        for (key, value) in right where left[key] == nil { result[key] = (nil, value) }
    }
}

/// A tree while keys are put and removed. All nodes that the change touches are here.
private struct ChangedTree {
    let nodes: [ObjectID: TreeNode]
    let values: [String: Data?]
    var new: NewObjects

    /// Returns the new node, and whether it holds nothing.
    mutating func change(
        _ id: ObjectID?, _ keys: [HashedKey], level: Int
    ) throws(SQLError) -> (ObjectID, isEmpty: Bool) {
        var node = id.flatMap { nodes[$0] } ?? .empty
        if var children = node.children {
            for (slot, part) in Dictionary(grouping: keys, by: { $0.hash.slot(level) }) {
                let (child, isEmpty) = try change(children[slot], part, level: level + 1)
                children[slot] = isEmpty ? nil : child
            }
            node = children.isEmpty ? .empty : TreeNode(entries: nil, children: children)
        } else {
            var entries = node.entries ?? [:]
            for key in keys { if let value = values[key.key] { entries[key.key] = value } }
            node = try leaf(entries, level: level)
        }
        return (try write(node), node.isEmpty)
    }

    /// A node of these entries: one leaf, or as many as it takes.
    private mutating func leaf(_ entries: [String: Data], level: Int) throws(SQLError) -> TreeNode {
        guard entries.count > TreeNode.leafMax, level < TreeNode.depthMax else {
            return TreeNode(entries: entries, children: nil)
        }
        var children: [Int: ObjectID] = [:]
        for (slot, keys) in Dictionary(grouping: entries.keys.map(HashedKey.init), by: { $0.hash.slot(level) }) {
            var part: [String: Data] = [:]
            for key in keys { part[key.key] = entries[key.key] }
            children[slot] = try write(try leaf(part, level: level + 1))
        }
        return TreeNode(entries: nil, children: children)
    }

    private mutating func write(_ node: TreeNode) throws(SQLError) -> ObjectID { try new.add(node) }
}
