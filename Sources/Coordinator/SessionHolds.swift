// What sessions are doing, as far as garbage collection must know: since when, and on which commits they stand.
import Catalogs
import Synchronization

/// What one session is doing.
final class SessionHold: Sendable {
    struct State: Sendable {
        /// When the oldest thing began that is not over (microseconds since 1970): files made since may be its own.
        var since: Int64?
        /// Commits that an open transaction sees; known between its statements.
        var pinned: [CommitID] = []
        /// Temporary tables, which no commit holds; known between statements.
        var temporaries: [ManagedDefinition] = []
    }

    private let state = Mutex(State())

    var now: State { state.withLock { $0 } }

    func begin(at time: Int64) {
        state.withLock { $0.since = $0.since ?? time }
    }

    /// Nothing is open any more but temporary tables.
    func end(holding temporaries: [ManagedDefinition]) {
        state.withLock { $0 = State(temporaries: temporaries) }
    }

    /// A transaction or a cursor is open between statements.
    func rest(on pinned: [CommitID], holding temporaries: [ManagedDefinition]) {
        state.withLock { state in
            state.pinned = pinned
            state.temporaries = temporaries
        }
    }
}

/// The sessions of this process.
final class HoldRegistry: Sendable {
    private let sessions = Mutex<[ObjectIdentifier: SessionHold]>([:])

    func add(_ hold: SessionHold) { sessions.withLock { $0[ObjectIdentifier(hold)] = hold } }
    func remove(_ hold: SessionHold) {
        _ = sessions.withLock { $0.removeValue(forKey: ObjectIdentifier(hold)) }
    }

    /// All but one.
    func others(than own: SessionHold?) -> [SessionHold] {
        sessions.withLock { sessions in sessions.values.filter { $0 !== own } }
    }
}
