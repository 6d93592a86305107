// How many connections a database has from here, and those that wait to be used again.
import Diagnostics
import PostgresClient
import Synchronization

/// Counts connections. Nobody waits for one: a scan that holds one may itself wait for a worker.
final class ConnectionSlots: Sendable {
    /// A connection between two uses.
    private struct Idle: @unchecked Sendable {
        // Sendable: in the list nobody uses it.
        var connection: PostgresConnection
        var since: ContinuousClock.Instant
    }

    private struct State: Sendable {
        var used = 0
        var idle: [Idle] = []
    }

    private let state = Mutex(State())
    private let max: Int
    /// Connections that are kept for the next statement, and for how long.
    private static let idleMax = 4
    private static let idleTime = Duration.seconds(60)

    init(max: Int) { self.max = max }

    /// Takes a place, with a connection that is there already if there is one.
    func take() throws(SQLError) -> ConnectionSlot {
        let now = ContinuousClock.now
        let (isTaken, connection) = state.withLock { state -> (Bool, Idle?) in
            guard state.used < max else { return (false, nil) }
            state.used += 1
            state.idle.removeAll { now - $0.since > ConnectionSlots.idleTime }
            return (true, state.idle.popLast())
        }
        guard isTaken else {
            throw SQLError(.tooManyConnections, "more than \(max) connections to the attached database are in use")
        }
        return ConnectionSlot(self, connection?.connection)
    }

    fileprivate func giveBack() { state.withLock { $0.used -= 1 } }

    fileprivate func keep(_ connection: PostgresConnection) {
        let idle = Idle(connection: connection, since: .now)
        state.withLock { state in
            if state.idle.count < ConnectionSlots.idleMax { state.idle.append(idle) }
        }
    }
}

/// A place for one connection; given back with this object.
final class ConnectionSlot {
    private let slots: ConnectionSlots
    /// A connection that was used before.
    let connection: PostgresConnection?

    init(_ slots: ConnectionSlots, _ connection: PostgresConnection?) {
        self.slots = slots
        self.connection = connection
    }

    deinit { slots.giveBack() }

    /// Keeps a connection in good order for the next.
    func keep(_ connection: PostgresConnection) {
        if connection.isIdle { slots.keep(connection) }
    }
}
