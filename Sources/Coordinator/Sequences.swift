// Sequences at work. A value that was given is never given again by this server, whatever becomes of the transaction;
// the commit keeps how far the sequence has got, and the further of two states wins where commits meet.
import Access
import Catalogs
import Diagnostics
import Foundation
import Functions
import Planner
import Synchronization
import Syntax

/// A sequence in memory, shared by all sessions of the server.
final class LiveSequence: Sendable {
    private let state: Mutex<(now: SequenceDefinition, seen: SequenceDefinition)>

    init(_ definition: SequenceDefinition) { state = Mutex((definition, definition)) }

    /// What a commit has: other servers may have gone further.
    func learn(_ definition: SequenceDefinition) {
        state.withLock { state in
            guard definition != state.seen else { return }
            state.now = definition.joined(state.now)
            state.seen = definition
        }
    }

    var definition: SequenceDefinition { state.withLock { $0.now } }

    func next(_ name: String) throws(SQLError) -> Int64 {
        let value: Int64? = state.withLock { state in
            var next = state.now.last
            if state.now.isCalled {
                let (sum, overflow) = state.now.last.addingReportingOverflow(state.now.increment)
                let isUp = state.now.increment > 0
                next = sum
                if overflow || sum > state.now.max || sum < state.now.min {
                    guard state.now.isCycled else { return nil }
                    next = isUp ? state.now.min : state.now.max
                }
            }
            (state.now.last, state.now.isCalled) = (next, true)
            return next
        }
        if let value { return value }
        let now = definition
        let (end, bound) = now.increment > 0 ? ("maximum", now.max) : ("minimum", now.min)
        throw SQLError(SQLState("2200H"), "nextval: reached \(end) value of sequence \"\(name)\" (\(bound))")
    }

    func set(_ name: String, _ value: Int64, isCalled: Bool) throws(SQLError) {
        let now = definition
        guard value >= now.min, value <= now.max else {
            throw SQLError(
                .numericValueOutOfRange,
                "setval: value \(value) is out of bounds for sequence \"\(name)\" (\(now.min)..\(now.max))")
        }
        state.withLock { ($0.now.last, $0.now.isCalled) = (value, isCalled) }
    }
}

/// All sequences that sessions of this server have used, by identity.
final class LiveSequences: Sendable {
    private let live = Mutex<[String: LiveSequence]>([:])
    /// Names this server in what it writes.
    let writer = UUID().uuidString.lowercased()

    func sequence(_ definition: SequenceDefinition) -> LiveSequence {
        let found = live.withLock { live in
            if let known = live[definition.identity] { return known }
            let made = LiveSequence(definition)
            live[definition.identity] = made
            return made
        }
        found.learn(definition)
        return found
    }
}

/// The sequences that one session has looked up, and what it was given.
final class SessionSequences: SequenceValues {
    struct Known: Sendable {
        var name: TableName
        /// nil for a temporary sequence.
        var branch: String?
        var live: LiveSequence
        /// What the user may do with it.
        var rights: Rights = SecuredKind.sequence.rights

        func require(_ some: Rights) throws(SQLError) {
            guard rights.isDisjoint(with: some) else { return }
            throw AccessGuard.denied("sequence \(name.objectName)")
        }
    }
    private struct State {
        var known: [String: Known] = [:]
        /// By identity.
        var given: [String: Int64] = [:]
        var last: Int64?
        var touched: [TableName: Known] = [:]
    }
    private let state = Mutex(State())

    func learn(_ text: String, _ known: Known?) { state.withLock { $0.known[text] = known } }

    var isTouched: Bool { state.withLock { !$0.touched.isEmpty } }

    /// What was changed since this was asked last.
    func takeTouched() -> [Known] {
        state.withLock { state in
            defer { state.touched = [:] }
            return Array(state.touched.values)
        }
    }

    private func known(_ text: String) throws(SQLError) -> Known {
        guard let known = state.withLock({ $0.known[text] }) else {
            throw SQLError(.undefinedTable, "relation \"\(text)\" does not exist")
        }
        return known
    }

    func next(_ name: String) throws(SQLError) -> Int64 {
        let known = try known(name)
        try known.require([.usage, .update])
        let value = try known.live.next(known.name.objectName)
        let identity = known.live.definition.identity
        state.withLock { state in
            state.given[identity] = value
            state.last = value
            state.touched[known.name] = known
        }
        return value
    }

    func current(_ name: String) throws(SQLError) -> Int64 {
        let known = try known(name)
        try known.require([.usage, .select])
        let identity = known.live.definition.identity
        guard let value = state.withLock({ $0.given[identity] }) else {
            throw SQLError(
                SQLState("55000"),
                "currval of sequence \"\(known.name.objectName)\" is not yet defined in this session")
        }
        return value
    }

    func set(_ name: String, _ value: Int64, isCalled: Bool) throws(SQLError) {
        let known = try known(name)
        try known.require(.update)
        try known.live.set(known.name.objectName, value, isCalled: isCalled)
        let identity = known.live.definition.identity
        state.withLock { state in
            if isCalled { state.given[identity] = value }
            state.touched[known.name] = known
        }
    }

    func last() throws(SQLError) -> Int64 {
        guard let value = state.withLock({ $0.last }) else {
            throw SQLError(SQLState("55000"), "lastval is not yet defined in this session")
        }
        return value
    }
}

extension Session {
    /// Looks up the sequences that a table's defaults use.
    func learnSequences(of table: any WritableTable) async throws(SQLError) {
        var names: Set<String> = []
        // An identity column's sequence is part of the table.
        var own: Set<String> = []
        let head = TableProperty.defaultValue(of: "")
        for (key, text) in table.properties where key.hasPrefix(head) {
            guard text.contains("nextval"), let value = try? Parser.parseExpression(text) else { continue }
            let found = try QueryNames.sequences(in: value, context: planContext())
            let isIdentity = table.properties[TableProperty.identity(of: String(key.dropFirst(head.count)))] != nil
            if isIdentity { own.formUnion(found) } else { names.formUnion(found) }
        }
        var pinned = transaction?.pinned ?? [:]
        var resolver = resolver(planContext())
        if !names.isEmpty { try await resolver.learnSequences(names, currentTransaction, &pinned) }
        resolver.access = nil
        if !own.isEmpty { try await resolver.learnSequences(own, currentTransaction, &pinned) }
        transaction?.pinned = pinned
    }

    /// Makes what sequences have given a part of the transaction.
    func recordSequences() async throws(SQLError) {
        for known in sequences.takeTouched() {
            if let branch = known.branch {
                var pinned = transaction?.pinned ?? [:]
                _ = try await resolver(planContext()).commit(of: .named(branch), &pinned)
                transaction?.pinned = pinned
            }
            if let changed = transaction?.changes.changed(known.name), changed == nil { continue }
            var definition = known.live.definition
            definition.writer = engine.sequences.writer
            let counted = definition
            try record(known.name, known.branch) { $0.put(known.name, .object(.sequence(counted))) }
        }
    }
}

extension Resolver {
    /// Tells the session's sequences what the names in a statement stand for.
    func learnSequences(
        _ names: Set<String>, _ transaction: Transaction, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) {
        guard let sequences = context.functions.sequences as? SessionSequences else { return }
        for text in names {
            guard case .column(let name)? = (try? Parser.parseExpression(text))?.node else { continue }
            let found = try await object(.sequence, name, transaction, &pinned)
            guard let found, case .object(.sequence(let definition)) = found.entry else {
                sequences.learn(text, nil)
                continue
            }
            let live = engine.sequences.sequence(definition)
            var known = SessionSequences.Known(name: found.name, branch: found.branch, live: live)
            if let access, !found.name.isTemporary {
                let object = AccessGuard.secured(found.name, found.entry).object
                known.rights = access.state.rights(on: object, of: access.who)
            }
            sequences.learn(text, known)
        }
    }

    /// Finds an object of a schema by its name.
    func object(
        _ kind: TableName.ObjectKind, _ name: QualifiedName, _ transaction: Transaction,
        _ pinned: inout [Ref: CommitID],
        searchPath own: [String]? = nil, at version: Ref? = nil
    ) async throws(SQLError) -> (name: TableName, entry: Entry, branch: String?)? {
        let reference = try QueryNames.target(name, context: context)
        if version == nil, own == nil, reference.ref == nil, reference.database == nil,
            reference.schema == nil || reference.schema == TableName.temporarySchema
        {
            let key = TableName.object(kind, schema: TableName.temporarySchema, name: reference.name)
            if let entry = temporary(key, transaction) { return (key, entry, nil) }
            if reference.schema != nil { return nil }
        }
        let ref: Ref
        if let version { ref = version } else { ref = try self.ref(of: reference) }
        let path = reference.schema.map { [$0] } ?? own ?? searchPath
        let commit = try await commit(of: ref, &pinned)
        let changes = transaction.branch.map { ref == .branch($0) || ref == .named($0) } ?? false ? transaction : nil
        for schema in path {
            let key = TableName.object(kind, schema: schema, name: reference.name)
            if let entry = try await entry(key, commit, changes) { return (key, entry, ref.description) }
        }
        return nil
    }
}
