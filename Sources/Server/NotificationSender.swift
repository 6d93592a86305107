// Writes notifications to a client that waits for nothing: between its messages, and outside of transactions.
import Coordinator
import NIOCore
import PostgresWire
import Synchronization

/// Watches the queue of one session. Any thread.
final class NotificationSender: Sendable {
    private struct State {
        /// Whether the client has its ReadyForQuery, and no message of it is being carried out.
        var isIdle = false
        /// Bytes that were written and have not left.
        var bytesUnderWay = 0
    }
    private let state = Mutex(State())
    private let channel: any Channel
    private let queue: NotificationQueue

    /// A client that reads more slowly leaves the rest in its queue.
    private static let bytesUnderWayMax = 1 << 20

    init(_ channel: any Channel, _ queue: NotificationQueue) {
        self.channel = channel
        self.queue = queue
        queue.onArrival { [weak self] in self?.send() }
    }

    /// The client waits for nothing now.
    func rest() {
        state.withLock { $0.isIdle = true }
        if !queue.isEmpty { send() }
    }

    /// A message of the client is carried out: notifications wait for its end.
    func work() { state.withLock { $0.isIdle = false } }

    private func send() {
        // Under the lock: what is written before `work` comes back stands before the answers to the next message.
        let written: (bytes: Int, done: EventLoopFuture<Void>)? = state.withLock { state in
            guard state.isIdle, state.bytesUnderWay < NotificationSender.bytesUnderWayMax else { return nil }
            let waiting = queue.take()
            guard !waiting.isEmpty else { return nil }
            let out = WireBuffer(capacity: 1 << 10)
            for one in waiting { out.notificationResponse(one.processID, one.channel, one.payload) }
            state.bytesUnderWay += out.count
            let buffer = out.withBytes { channel.allocator.buffer(bytes: $0) }
            return (out.count, channel.writeAndFlush(buffer))
        }
        guard let written else { return }
        written.done.whenComplete { [weak self] _ in
            guard let self else { return }
            state.withLock { $0.bytesUnderWay -= written.bytes }
            if !queue.isEmpty { send() }
        }
    }
}
