// Which session a CancelRequest means: process number and secret, as BackendKeyData gave them to the client.
import Coordinator
import Synchronization

/// Running sessions by process number. The lock guards `entries`.
final class CancelRegistry: Sendable {
    private struct Entry: Sendable {
        var secret: Int32
        var session: any SQLSession
    }

    private let entries = Mutex<[Int32: Entry]>([:])
    private let nextID = Atomic<Int32>(1)

    /// A number no other connection has.
    func processID() -> Int32 {
        while true {
            let id = nextID.wrappingAdd(1, ordering: .relaxed).oldValue & 0x7fff_ffff
            if id != 0, entries.withLock({ $0[id] }) == nil { return id }
        }
    }

    func add(_ session: any SQLSession, processID: Int32, secret: Int32) {
        entries.withLock { $0[processID] = Entry(secret: secret, session: session) }
    }

    func remove(processID: Int32) {
        // The session must not end inside the lock.
        let gone = entries.withLock { $0.removeValue(forKey: processID) }
        _ = gone
    }

    /// Cancels what a session runs, if the secret is right. The client is never told.
    func cancel(processID: Int32, secret: Int32) {
        guard let entry = entries.withLock({ $0[processID] }), entry.secret == secret else { return }
        entry.session.cancel()
    }
}
