// LISTEN and NOTIFY among the sessions of one server. What a transaction notifies is sent when it commits, in the order of
// the commits; a session gets it between its transactions. Queues are bounded: a full one refuses the COMMIT that sends.
import Diagnostics
import Functions
import Synchronization
import Syntax

/// A message to everybody who listens on a channel.
public struct SQLNotification: Sendable, Hashable {
    public var processID: Int32
    public var channel: String
    public var payload: String
}

/// What waits for one session.
public final class NotificationQueue: Sendable {
    private struct State {
        var waiting: [SQLNotification] = []
        var bytes = 0
        var arrival: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    /// Bytes that may wait for a session.
    static let bytesMax = 16 << 20

    /// Calls a closure whenever something has come, from any thread.
    public func onArrival(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.arrival = body } }

    /// Takes all that waits.
    public func take() -> [SQLNotification] {
        state.withLock { state in
            defer { (state.waiting, state.bytes) = ([], 0) }
            return state.waiting
        }
    }

    public var isEmpty: Bool { state.withLock { $0.waiting.isEmpty } }

    fileprivate var usage: Double { state.withLock { Double($0.bytes) / Double(NotificationQueue.bytesMax) } }

    fileprivate func hasRoom(for bytes: Int) -> Bool {
        state.withLock { $0.bytes + bytes <= NotificationQueue.bytesMax }
    }

    fileprivate func add(_ notifications: [SQLNotification]) {
        let arrival = state.withLock { state in
            state.waiting += notifications
            state.bytes += notifications.reduce(0) { $0 + $1.bytes }
            return state.arrival
        }
        arrival?()
    }
}

extension SQLNotification {
    /// What it takes in a queue, roughly.
    fileprivate var bytes: Int { channel.utf8.count + payload.utf8.count + 64 }
}

/// Who listens where.
final class NotificationHub: Sendable {
    private struct State {
        /// By channel and process.
        var listeners: [String: [Int32: NotificationQueue]] = [:]
    }
    private let state = Mutex(State())

    func listen(_ channel: String, _ processID: Int32, _ queue: NotificationQueue) {
        state.withLock { $0.listeners[channel, default: [:]][processID] = queue }
    }

    func unlisten(_ channel: String, _ processID: Int32) {
        state.withLock { state in
            state.listeners[channel]?[processID] = nil
            if state.listeners[channel]?.isEmpty == true { state.listeners[channel] = nil }
        }
    }

    /// Throws 54000 when somebody's queue has no room.
    func requireRoom(for notifications: [SQLNotification]) throws(SQLError) {
        var bytes: [ObjectIdentifier: (queue: NotificationQueue, bytes: Int)] = [:]
        state.withLock { state in
            for one in notifications {
                for queue in state.listeners[one.channel]?.values ?? [:].values {
                    bytes[ObjectIdentifier(queue), default: (queue, 0)].bytes += one.bytes
                }
            }
        }
        for (_, wanted) in bytes where !wanted.queue.hasRoom(for: wanted.bytes) {
            throw SQLError(.programLimitExceeded, "too many notifications in the NOTIFY queue")
        }
    }

    /// Sends in the order in which this is called.
    func send(_ notifications: [SQLNotification]) {
        guard !notifications.isEmpty else { return }
        // Under the lock, so that all get the commits in one order.
        let woken: [(NotificationQueue, [SQLNotification])] = state.withLock { state in
            var each: [ObjectIdentifier: (NotificationQueue, [SQLNotification])] = [:]
            for one in notifications {
                for queue in state.listeners[one.channel]?.values ?? [:].values {
                    each[ObjectIdentifier(queue), default: (queue, [])].1.append(one)
                }
            }
            return Array(each.values)
        }
        for (queue, list) in woken { queue.add(list) }
    }

    var usage: Double {
        state.withLock { state in
            var most = 0.0
            for queues in state.listeners.values {
                for queue in queues.values { most = max(most, queue.usage) }
            }
            return min(most, 1)
        }
    }
}

/// The channels of one session, and what its open transaction has asked for.
final class SessionChannels: NotificationChannels {
    /// A change that waits for the commit.
    private enum Pending: Hashable {
        case listen(String)
        case unlisten(String)
        case unlistenAll
        case notify(String, String)
    }
    private struct State {
        var listening: [String] = []
        var pending: [Pending] = []
        /// The notifications among them: a transaction sends each only once.
        var known: Set<Pending> = []
    }
    private let state = Mutex(State())
    let queue = NotificationQueue()
    private let hub: NotificationHub
    private let processID: Int32

    /// Bytes of a payload, as in PostgreSQL.
    private static let payloadBytesMax = 7_999
    /// What one transaction may ask for.
    private static let pendingMax = 100_000
    private static let listeningMax = 10_000

    init(hub: NotificationHub, processID: Int32) {
        self.hub = hub
        self.processID = processID
    }

    var listening: [String] { state.withLock { $0.listening } }
    var usage: Double { hub.usage }
    /// How much the open transaction has asked for; what came later can be forgotten.
    var mark: Int { state.withLock { $0.pending.count } }

    private func add(_ one: Pending) throws(SQLError) {
        let isFull = state.withLock { state in
            guard state.pending.count < SessionChannels.pendingMax else { return true }
            if case .notify = one { guard state.known.insert(one).inserted else { return false } }
            state.pending.append(one)
            return false
        }
        if isFull { throw SQLError(.programLimitExceeded, "too many notifications in one transaction") }
    }

    func notify(_ channel: String, _ payload: String) throws(SQLError) {
        guard !channel.isEmpty else { throw SQLError(.invalidParameterValue, "channel name cannot be empty") }
        guard channel.utf8.count < 64 else { throw SQLError(.invalidParameterValue, "channel name too long") }
        guard payload.utf8.count <= SessionChannels.payloadBytesMax else {
            throw SQLError(.invalidParameterValue, "payload string too long")
        }
        try add(.notify(channel, payload))
    }

    func listen(_ channel: String) throws(SQLError) { try add(.listen(channel)) }
    func unlisten(_ channel: String?) throws(SQLError) { try add(channel.map { .unlisten($0) } ?? .unlistenAll) }

    /// Forgets what was asked for after a mark.
    func forget(after mark: Int = 0) {
        state.withLock { state in
            guard state.pending.count > mark else { return }
            state.pending.removeSubrange(mark...)
            state.known = Set(state.pending.filter { if case .notify = $0 { true } else { false } })
        }
    }

    private var sent: [SQLNotification] {
        state.withLock { state in
            state.pending.compactMap { one in
                guard case .notify(let channel, let payload) = one else { return nil }
                return SQLNotification(processID: processID, channel: channel, payload: payload)
            }
        }
    }

    /// Before a commit: whether what it sends has room.
    func check() throws(SQLError) {
        let sent = sent
        if !sent.isEmpty { try hub.requireRoom(for: sent) }
    }

    /// Behind a commit: listens, and sends.
    func settle() {
        let sent = sent
        let changes = state.withLock { state in
            defer { (state.pending, state.known) = ([], []) }
            return state.pending
        }
        guard !changes.isEmpty else { return }
        for change in changes {
            switch change {
            case .notify: break
            case .listen(let channel):
                let isNew = state.withLock { state in
                    guard !state.listening.contains(channel), state.listening.count < SessionChannels.listeningMax
                    else { return false }
                    state.listening.append(channel)
                    return true
                }
                if isNew { hub.listen(channel, processID, queue) }
            case .unlisten(let channel):
                state.withLock { $0.listening.removeAll { $0 == channel } }
                hub.unlisten(channel, processID)
            case .unlistenAll: unlistenAll()
            }
        }
        hub.send(sent)
    }

    func unlistenAll() {
        let channels = state.withLock { state in
            defer { state.listening = [] }
            return state.listening
        }
        for channel in channels { hub.unlisten(channel, processID) }
    }
}

extension Session {
    public nonisolated var notifications: NotificationQueue? { channels.queue }

    func notification(_ statement: Statement.Notification) async throws(SQLError) -> any ResultStream {
        let tag: String
        switch statement {
        case .listen(let channel):
            try channels.listen(Session.channel(channel))
            tag = "LISTEN"
        case .unlisten(let channel):
            try channels.unlisten(channel.map(Session.channel))
            tag = "UNLISTEN"
        case .notify(let channel, let payload):
            try channels.notify(Session.channel(channel), payload)
            tag = "NOTIFY"
        }
        // Outside a block the statement is a transaction of its own.
        if transaction == nil {
            do throws(SQLError) {
                try channels.check()
            } catch {
                channels.forget()
                throw error
            }
            channels.settle()
        }
        return done(tag)
    }

    /// Identifiers have at most 63 bytes; PostgreSQL cuts longer ones.
    private static func channel(_ name: Identifier) -> String {
        var bytes = 0
        return String(
            name.value.unicodeScalars.prefix { scalar in
                bytes += String(scalar).utf8.count
                return bytes < 64
            }.map(Character.init))
    }
}
