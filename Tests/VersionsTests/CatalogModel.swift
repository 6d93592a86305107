// The plain model that a catalog is compared with: a dictionary for each commit, and the moves of each ref.
import Catalogs
import Foundation
import Testing

/// What a commit holds.
struct ModelState: Hashable {
    var schemas: [String: SchemaDefinition] = ["public": SchemaDefinition(name: "public")]
    var tables: [TableName: Entry] = [:]

    func applying(_ changes: [Change]) -> ModelState {
        var copy = self
        for change in changes {
            switch change {
            case .putSchema(let schema): copy.schemas[schema.name] = schema
            case .dropSchema(let name):
                copy.schemas[name] = nil
                copy.tables = copy.tables.filter { $0.key.schema != name }
            case .put(let name, let entry): copy.tables[name] = entry
            case .drop(let name): copy.tables[name] = nil
            }
        }
        return copy
    }

    /// The changes that make this state out of another, in an order that can be applied.
    func changes(from old: ModelState) -> [Change] {
        var changes: [Change] = []
        for (name, schema) in schemas where old.schemas[name] != schema { changes.append(.putSchema(schema)) }
        for (name, entry) in tables where old.tables[name] != entry { changes.append(.put(name, entry)) }
        for name in old.tables.keys where tables[name] == nil && schemas[name.schema] != nil {
            changes.append(.drop(name))
        }
        for name in old.schemas.keys where schemas[name] == nil { changes.append(.dropSchema(name)) }
        return changes
    }
}

/// What became of something a writer asked for.
enum ModelOutcome { case done, refused, unknown }

/// A ref from its creation to its end, whatever it was called. Names are never used twice.
struct ModelRef {
    var kind: NamedRef.Kind
    var start: CommitID
    var creation: ModelOutcome
    var dropped: [ModelOutcome] = []
    var names: [(String, ModelOutcome)]
    /// Values of retainDays that were set.
    var options: Set<Int> = []
    var moves: [Move] = []

    struct Move: CustomStringConvertible {
        var from: CommitID
        /// nil when the answer, and so the hash, was lost: `token` is in the commit's message then.
        var to: CommitID?
        var token: String
        var outcome: ModelOutcome
        /// A move that only says where the ref goes: whether it took place cannot be seen when the ref has moved on.
        var isPrepared: Bool
        var isBack = false

        var description: String {
            let kind = isBack ? " back" : isPrepared ? " prepared" : ""
            return "\(from.hex.prefix(6))>\(to?.hex.prefix(6) ?? "") \(token) \(outcome)\(kind)"
        }
    }
}

/// All that the writers did.
actor CatalogModel {
    var states: [CommitID: ModelState] = [:]
    /// What commits hold whose answer was lost: the state they were made of, and the changes.
    private var pending: [String: ModelState] = [:]
    private(set) var commits: [String: Set<CommitID>] = [:]
    private(set) var refs: [Int: ModelRef] = [:]
    private var byName: [String: Int] = [:]
    private var inUse: [CommitID: Int] = [:]
    private var serial = 0
    private(set) var done = 0
    private(set) var refused = 0
    private(set) var unknown = 0

    func start(main: CommitID) {
        states[main] = ModelState()
        _ = add(.branch, "main", at: main, .done)
    }

    func next() -> Int {
        serial += 1
        return serial
    }

    // MARK: - Commits

    func state(_ commit: CommitID) -> ModelState? { states[commit] }

    func expect(_ token: String, _ state: ModelState) { pending[token] = state }

    /// The commit of a token was seen.
    func note(_ commit: CommitID, _ token: String) {
        guard let state = pending[token] else { return }
        states[commit] = state
        commits[token, default: []].insert(commit)
    }

    // MARK: - Refs

    func add(_ kind: NamedRef.Kind, _ name: String, at commit: CommitID, _ outcome: ModelOutcome) -> Int {
        let id = next()
        refs[id] = ModelRef(kind: kind, start: commit, creation: outcome, names: [(name, .done)])
        byName[name] = id
        return id
    }

    func created(_ id: Int, _ outcome: ModelOutcome) { refs[id]?.creation = outcome }

    func renaming(_ name: String, to newName: String) { byName[newName] = byName[name] }

    func renamed(_ newName: String, _ outcome: ModelOutcome) { change(newName) { $0.names.append((newName, outcome)) } }

    func dropped(_ name: String, _ outcome: ModelOutcome) { change(name) { $0.dropped.append(outcome) } }

    func set(_ days: Int, of name: String) { change(name) { $0.options.insert(days) } }

    func moved(_ name: String, _ move: ModelRef.Move) {
        switch move.outcome {
        case .done: done += 1
        case .refused: refused += 1
        case .unknown: unknown += 1
        }
        change(name) { $0.moves.append(move) }
    }

    private func change(_ name: String, _ body: (inout ModelRef) -> Void) {
        guard let id = byName[name], var ref = refs[id] else { return }
        body(&ref)
        refs[id] = ref
    }

    // MARK: - Commits that are being read

    func use(_ commit: CommitID) { inUse[commit, default: 0] += 1 }

    func leave(_ commit: CommitID) {
        inUse[commit, default: 1] -= 1
        if inUse[commit] == 0 { inUse[commit] = nil }
    }

    var used: Set<CommitID> { Set(inUse.keys) }
}

extension ModelRef {
    /// Moves that nobody knows of and that may together have taken place: more are not tried.
    private static let openMax = 4

    /// Whether the moves that were acknowledged, with some of those that nobody knows of, lead from where the ref began to
    /// `end` (nil: anywhere), each used once.
    func explains(_ end: CommitID?, _ found: (String) -> CommitID?) -> Bool {
        var certain: [Edge] = []
        var open: [Edge] = []
        let isMovedBack = moves.contains { $0.isBack && $0.outcome != .refused }
        let isMovedAbout = isMovedBack || names.count > 1 || !dropped.isEmpty
        for move in moves {
            guard let to = move.to ?? found(move.token) else { continue }
            let edge = Edge(from: move.from, to: to)
            switch move.outcome {
            case .done:
                // Of equal moves back, whose answers were lost, nobody can say whose it was.
                if move.isBack, certain.contains(edge) { open.append(edge) } else { certain.append(edge) }
                // A merge whose answer was lost is asked for again, after somebody has moved its branch back to where it
                // was: then it took place twice.
                if move.isPrepared, !move.isBack, isMovedBack { open.append(edge) }
            case .unknown: open.append(edge)
            case .refused:
                // Without any grace, the commit by which a lost answer is told may be gone with the ref.
                if move.isPrepared ? isMovedAbout : !dropped.isEmpty { open.append(edge) }
            }
        }
        return explains(certain, open[...], ModelRef.openMax, end)
    }

    private struct Edge: Hashable {
        var from: CommitID
        var to: CommitID
    }

    /// Whether these edges, and at most `more` of the open ones, are one way.
    private func explains(_ edges: [Edge], _ open: ArraySlice<Edge>, _ more: Int, _ end: CommitID?) -> Bool {
        if ModelRef.isPath(edges, from: start, to: end) { return true }
        guard more > 0 else { return false }
        return open.indices.contains { explains(edges + [open[$0]], open[($0 + 1)...], more - 1, end) }
    }

    /// Whether edges are one way through all of them.
    private static func isPath(_ edges: [Edge], from start: CommitID, to end: CommitID?) -> Bool {
        var balance: [CommitID: Int] = [:]
        var next: [CommitID: [CommitID]] = [:]
        for edge in edges {
            balance[edge.from, default: 0] += 1
            balance[edge.to, default: 0] -= 1
            next[edge.from, default: []].append(edge.to)
        }
        balance[start, default: 0] -= 1
        let last = end ?? balance.first { $0.value == -1 }?.key ?? start
        balance[last, default: 0] += 1
        guard balance.values.allSatisfy({ $0 == 0 }) else { return false }
        var reached: Set<CommitID> = [start]
        var pending = [start]
        while let commit = pending.popLast() {
            for to in next[commit] ?? [] where reached.insert(to).inserted { pending.append(to) }
        }
        return edges.allSatisfy { reached.contains($0.from) }
    }
}
