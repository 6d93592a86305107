// Commits and their ancestry.
import Catalogs
import Diagnostics
import Foundation

/// A commit as stored. Its id is the hash of its bytes.
struct CommitObject: Codable, Sendable, Hashable {
    var parents: [ObjectID]
    /// Commits on the way to the first one along first parents.
    var generation: Int
    /// One more than the highest parent's: orders commits of a history with merges. nil without merges behind it: then it
    /// is the generation.
    var height: Int?
    /// An ancestor further back along first parents (skew-binary jump pointers): any ancestor is reached in a
    /// logarithmic number of steps, so that AT TIMESTAMP costs the same at ten commits and at a million.
    var jump: ObjectID?
    /// Root of the tree of schemas: name to ``SchemaObject``.
    var schemas: ObjectID
    /// Microseconds since 1970 UTC. Never before the parent's.
    var committedAt: Int64
    var author: String
    var message: String

    var anyHeight: Int { height ?? generation }
}

extension NewObjects {
    /// Adds the commit that reaches the nodes.
    mutating func add(_ object: CommitObject) throws(SQLError) -> ObjectID {
        let encoded = try ObjectCoding.encode(object)
        let id = ObjectID(of: encoded)
        bytes[id] = encoded
        commit = id
        commitObject = object
        return id
    }

    /// Adds a node.
    mutating func add(_ node: TreeNode) throws(SQLError) -> ObjectID {
        let (id, encoded) = try node.encoded()
        bytes[id] = encoded
        nodes[id] = node
        return id
    }
}

extension CommitInfo {
    init(_ id: ObjectID, _ commit: CommitObject) {
        self.init(
            id: CommitID(hex: id.hex), parents: commit.parents.map { CommitID(hex: $0.hex) },
            committedAt: commit.committedAt, author: commit.author, message: commit.message)
    }
}

/// A schema within a commit.
struct SchemaObject: Codable, Sendable, Hashable {
    var location: String?
    /// Left out when there are none, so that such schemas keep their hash.
    var properties: [String: String]?
    /// Left out for the bootstrap user.
    var owner: Int64?
    /// Root of the tree of tables and views: name to entry.
    var entries: ObjectID

    func definition(_ name: String) -> SchemaDefinition {
        var definition = SchemaDefinition(name: name, location: location, properties: properties)
        definition.owner = owner
        return definition
    }
}

/// Walks history, as far back as retention has left it.
struct CommitLog: Sendable {
    let objects: ObjectReader

    /// Returns the commits from `head` back along first parents.
    func log(from head: ObjectID, limit: Int) async throws(SQLError) -> [(ObjectID, CommitObject)] {
        var result: [(ObjectID, CommitObject)] = []
        var next: ObjectID? = head
        while let id = next, result.count < limit {
            guard let commit = try await kept(id, from: head) else { break }
            result.append((id, commit))
            next = commit.parents.first
        }
        return result
    }

    /// Returns the last commit at or before an instant, nil when all are later.
    func commit(before microseconds: Int64, from head: ObjectID) async throws(SQLError) -> ObjectID? {
        var id = head
        while let commit = try await kept(id, from: head) {
            if commit.committedAt <= microseconds { return id }
            guard let parent = commit.parents.first else { return nil }
            // The far ancestor when it is still too late, else one step.
            if let jump = commit.jump, let far = try await objects.keptCommit(jump), far.committedAt > microseconds {
                id = jump
            } else {
                id = parent
            }
        }
        return nil
    }

    /// nil for an ancestor that retention has let go; the head itself must be there.
    private func kept(_ id: ObjectID, from head: ObjectID) async throws(SQLError) -> CommitObject? {
        id == head ? try await objects.commit(id) : try await objects.keptCommit(id)
    }

    /// Whether `head` is `ancestor` or came after it along first parents.
    func descends(_ head: ObjectID, from ancestor: ObjectID) async throws(SQLError) -> Bool {
        guard let generation = try await objects.keptCommit(ancestor)?.generation else { return false }
        var id = head
        while id != ancestor {
            guard let commit = try await kept(id, from: head), commit.generation > generation,
                let parent = commit.parents.first
            else { return false }
            if let jump = commit.jump, let far = try await objects.keptCommit(jump), far.generation >= generation {
                id = jump
            } else {
                id = parent
            }
        }
        return true
    }

    /// Returns where a child of `parent` should jump to.
    func jump(forChildOf parent: ObjectID) async throws(SQLError) -> ObjectID {
        let commit = try await objects.commit(parent)
        guard let jump = commit.jump else { return parent }
        guard let far = try await objects.keptCommit(jump), let next = far.jump,
            let further = try await objects.keptCommit(next)
        else { return parent }
        return commit.generation - far.generation == far.generation - further.generation ? next : parent
    }

    /// Returns the highest commit that both descend from (either may be the other's ancestor). Walks both histories from
    /// the top down, so that it costs what came after the common commit. Where branches were merged crosswise there may be
    /// several highest ones; then it is one of them.
    func mergeBase(_ a: ObjectID, _ b: ObjectID) async throws(SQLError) -> ObjectID? {
        var sides: [ObjectID: Int] = [:]
        var open: [(height: Int, id: ObjectID)] = []
        for (id, side) in [(a, 1), (b, 2)] {
            if sides[id] == nil { open.append((try await objects.commit(id).anyHeight, id)) }
            sides[id, default: 0] |= side
        }
        while !open.isEmpty {
            // The front is as wide as there are unmerged lines of history: a few.
            guard let index = open.indices.max(by: { open[$0].height < open[$1].height }) else { return nil }
            let (_, id) = open.remove(at: index)
            let side = sides[id] ?? 0
            if side == 3 { return id }
            for parent in try await objects.commit(id).parents {
                if sides[parent] == nil {
                    guard let height = try await objects.keptCommit(parent)?.anyHeight else { continue }
                    open.append((height, parent))
                }
                sides[parent, default: 0] |= side
            }
        }
        return nil
    }
}
