// A store that fails: before a call takes effect, or after it did, so that nobody knows whether it has.
import Catalogs
import Diagnostics
import Foundation
import PostgresClient
import Synchronization

@testable import Versions

/// Random numbers by seed; one owner at a time.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1 }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(max(count, 1))) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}

/// Fails a share of the calls to another store, half of them after they took effect.
final class FaultyStore: RefStore {
    private let store: any RefStore
    private let random: Mutex<SeededRandom>
    private let percent: Int
    let faults = Atomic<Int>(0)
    /// Names of refs that were made more than once because an answer was lost.
    private let made = Mutex<[String: Int]>([:])
    var madeAgain: Set<String> { made.withLock { Set($0.filter { $0.value > 1 }.keys) } }

    init(_ store: any RefStore, seed: UInt64, percent: Int) {
        self.store = store
        self.percent = percent
        random = Mutex(SeededRandom(seed))
    }

    private func failing<T: Sendable>(_ call: () async throws(SQLError) -> T) async throws(SQLError) -> T {
        let (before, after) = random.withLock { ($0.chance(percent), $0.chance(percent)) }
        if before { throw fault("before") }
        let result = try await call()
        if after { throw fault("after") }
        return result
    }

    private func fault(_ when: String) -> SQLError {
        faults.add(1, ordering: .relaxed)
        return SQLError(PostgresConnection.answerLost, "injected \(when)")
    }

    func objects(_ ids: [ObjectID]) async throws(SQLError) -> [ObjectID: Data] {
        try await failing { () throws(SQLError) in try await store.objects(ids) }
    }
    func move(_ move: RefMove, writing objects: NewObjects) async throws(SQLError) -> MoveOutcome {
        if move.from == nil { made.withLock { $0[move.name, default: 0] += 1 } }
        return try await failing { () throws(SQLError) in try await store.move(move, writing: objects) }
    }
    func store(_ objects: NewObjects, needing: [ObjectID]) async throws(SQLError) -> Bool {
        try await failing { () throws(SQLError) in try await store.store(objects, needing: needing) }
    }
    func setOptions(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> Bool {
        try await failing { () throws(SQLError) in try await store.setOptions(options, of: kind, name) }
    }
    func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) -> Bool {
        try await failing { () throws(SQLError) in try await store.rename(kind, name, to: newName) }
    }
    func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> StoredRef? {
        try await failing { () throws(SQLError) in try await store.ref(kind, name) }
    }
    func refs() async throws(SQLError) -> [StoredRef] {
        try await failing { () throws(SQLError) in try await store.refs() }
    }
    func commits(startingWith prefix: String) async throws(SQLError) -> [ObjectID] {
        try await failing { () throws(SQLError) in try await store.commits(startingWith: prefix) }
    }
    func accessRecords(since version: Int64) async throws(SQLError) -> AccessRecords {
        try await failing { () throws(SQLError) in try await store.accessRecords(since: version) }
    }
    func putAccessRecords(_ records: [String: Data?], expecting version: Int64) async throws(SQLError) -> Bool {
        try await failing { () throws(SQLError) in try await store.putAccessRecords(records, expecting: version) }
    }
    func time() async throws(SQLError) -> Int64 { try await failing { () throws(SQLError) in try await store.time() } }
    func listCommits(after: ObjectID?, limit: Int) async throws(SQLError) -> [ListedCommit] {
        try await failing { () throws(SQLError) in try await store.listCommits(after: after, limit: limit) }
    }
    func listObjects(before: Int64, after: ListedObject?, limit: Int) async throws(SQLError) -> [ListedObject] {
        try await failing { () throws(SQLError) in
            try await store.listObjects(before: before, after: after, limit: limit)
        }
    }
    func removeCommits(_ ids: [ObjectID], before: Int64) async throws(SQLError) -> [ObjectID] {
        try await failing { () throws(SQLError) in try await store.removeCommits(ids, before: before) }
    }
    func removeNodes(_ ids: [ObjectID], before: Int64) async throws(SQLError) -> Int {
        try await failing { () throws(SQLError) in try await store.removeNodes(ids, before: before) }
    }
}
