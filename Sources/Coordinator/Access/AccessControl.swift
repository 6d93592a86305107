// The roles and rights that all sessions share: a copy of what the catalog's store holds, and changes to it.
import Access
import Catalogs
import Diagnostics
import Foundation
import Synchronization

/// A change of roles or rights: made to the newest state, also a second time when another server came in between.
typealias AccessEdit = @Sendable (inout AccessState) throws(SQLError) -> Void

/// Keeps the state of roles and rights in this process.
final class AccessControl: Sendable {
    private let store: any AccessStore
    private let cached: Mutex<(state: AccessState, at: ContinuousClock.Instant?)>

    /// For how long what another server has changed may not be seen here. What this server changes is seen at once.
    private static let staleness: Duration = .seconds(1)
    /// Tries of one change while other servers change roles.
    private static let triesMax = 50

    init(store: any AccessStore, configured: Set<String>) {
        self.store = store
        var state = AccessState()
        state.configured = configured
        cached = Mutex((state, nil))
    }

    var current: AccessState { cached.withLock { $0.state } }

    /// Takes what others have changed, if that was not asked a moment ago.
    func refresh(isForced: Bool = false) async throws(SQLError) {
        let (version, at) = cached.withLock { ($0.state.version, $0.at) }
        let now = ContinuousClock.now
        if !isForced, let at, now - at < AccessControl.staleness { return }
        let news = try await store.accessRecords(since: version)
        try cached.withLock { (cached) throws(SQLError) in
            cached.at = now
            guard news.version > cached.state.version else { return }
            // What came in between was newer: its records are taken again, and are the same.
            try cached.state.take(news.records, version: news.version)
        }
    }

    /// Makes changes, all or none.
    func apply(_ edits: [AccessEdit]) async throws(SQLError) {
        guard !edits.isEmpty else { return }
        for _ in 0..<AccessControl.triesMax {
            try await refresh(isForced: true)
            var state = current
            for edit in edits { try edit(&state) }
            guard state.hasChanges else { return }
            let version = state.version
            guard try await store.putAccessRecords(try state.takingChanges(), expecting: version) else { continue }
            state.settle(version: version + 1)
            let settled = state
            cached.withLock { cached in
                if cached.state.version < settled.version { cached.state = settled }
            }
            return
        }
        throw SQLError(
            .serializationFailure, "could not change roles because of other changes",
            hint: "The statement might succeed if retried.")
    }
}
