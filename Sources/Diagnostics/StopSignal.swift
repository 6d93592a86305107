// How a stopped query reaches threads that wait for something on its behalf: bytes of a store, first of all.
import Synchronization

/// Told once when a query is stopped; tells everybody who watches, from the thread that stops it.
public final class StopSignal: Sendable {
    private struct State {
        var reason: SQLError?
        var watchers: [UInt64: @Sendable (SQLError) -> Void] = [:]
        var next: UInt64 = 0
    }
    private let state = Mutex(State())
    private let flag = Atomic<Bool>(false)

    public init() {}

    /// Whether the query was stopped: cheap enough for every batch.
    public var isStopped: Bool { flag.load(ordering: .acquiring) }

    /// Why the query was stopped; nil while it was not.
    public var reason: SQLError? { state.withLock { $0.reason } }

    /// Stops; the first reason wins. Returns whether this was it.
    @discardableResult
    public func stop(_ error: SQLError) -> Bool {
        let called = state.withLock { state -> [@Sendable (SQLError) -> Void]? in
            guard state.reason == nil else { return nil }
            state.reason = error
            // Before the watchers hear of it: a worker that one of them wakes must see it.
            flag.store(true, ordering: .releasing)
            defer { state.watchers = [:] }
            return Array(state.watchers.values)
        }
        guard let called else { return false }
        for watcher in called { watcher(error) }
        return true
    }

    /// Calls `watcher` when the query is stopped, at once if it already was, for as long as the result lives.
    /// The watcher must not block.
    public func watch(_ watcher: @escaping @Sendable (SQLError) -> Void) -> StopWatch {
        let (number, reason) = state.withLock { state -> (UInt64, SQLError?) in
            state.next &+= 1
            if state.reason == nil { state.watchers[state.next] = watcher }
            return (state.next, state.reason)
        }
        if let reason { watcher(reason) }
        return StopWatch(self, number)
    }

    /// Forgets all watchers: the query has ended.
    public func close() { state.withLock { $0.watchers = [:] } }

    fileprivate func forget(_ number: UInt64) {
        // Dropped outside the lock: the watcher may own what owns other watches.
        let dropped = state.withLock { $0.watchers.removeValue(forKey: number) }
        withExtendedLifetime(dropped) {}
    }
}

/// One watcher of a signal; gone with this object.
public final class StopWatch: Sendable {
    private let signal: StopSignal
    private let number: UInt64

    fileprivate init(_ signal: StopSignal, _ number: UInt64) {
        self.signal = signal
        self.number = number
    }

    deinit { signal.forget(number) }
}
