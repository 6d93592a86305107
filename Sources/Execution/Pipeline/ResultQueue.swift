// The bounded queue between a query's last pipeline and its client.
import Columns
import Diagnostics
import Synchronization

/// Batches that wait for the client. Threads push and never wait; the client's task suspends and never blocks.
final class ResultQueue: Sendable {
    /// Above either, workers park until the client has taken half.
    static let batchesMax = 64
    static let bytesMax = 8 << 20

    private let state = Mutex(State())

    private struct State {
        var batches: [Batch] = []
        var first = 0
        var bytes = 0
        var waiter: CheckedContinuation<Result<Batch?, SQLError>, Never>?
        var end: Result<Void, SQLError>?
        var endedAt: Int64?
        var onRoom: (@Sendable () -> Void)?

        var count: Int { batches.count - first }
        var isFull: Bool { count >= ResultQueue.batchesMax || bytes >= ResultQueue.bytesMax }

        mutating func take() -> Batch? {
            guard first < batches.count else { return nil }
            let batch = batches[first]
            first += 1
            if first == batches.count {
                batches.removeAll(keepingCapacity: true)
                first = 0
                bytes = 0
            } else {
                batches[first - 1] = Batch([], rows: 0)
                bytes -= batch.ownBytes
            }
            return batch
        }
    }

    /// Sets who is told when a full queue has been half emptied.
    func onRoom(_ call: @escaping @Sendable () -> Void) { state.withLock { $0.onRoom = call } }

    /// Whether pushing may go on.
    var hasRoom: Bool { state.withLock { !$0.isFull } }

    /// Adds a batch; false when the queue is full now.
    func push(_ batch: Batch) -> Bool {
        let (waiter, hasRoom) = state.withLock {
            state -> (CheckedContinuation<Result<Batch?, SQLError>, Never>?, Bool) in
            guard state.end == nil else { return (nil, true) }
            if let waiter = state.waiter {
                state.waiter = nil
                return (waiter, true)
            }
            state.batches.append(batch)
            state.bytes += batch.ownBytes
            return (nil, !state.isFull)
        }
        waiter?.resume(returning: .success(batch))
        return hasRoom
    }

    /// When the last batch was pushed.
    var endedAt: Int64? { state.withLock { $0.endedAt } }

    /// No more batches will come.
    func end() { finish(.success(())) }

    /// Drops what is queued; the client gets the error.
    func fail(_ error: SQLError) { finish(.failure(error)) }

    private func finish(_ end: Result<Void, SQLError>) {
        let waiter = state.withLock { state -> CheckedContinuation<Result<Batch?, SQLError>, Never>? in
            guard state.end == nil else { return nil }
            state.end = end
            state.endedAt = Clock.now()
            if case .failure = end {
                state.batches = []
                state.first = 0
                state.bytes = 0
            }
            let waiter = state.waiter
            state.waiter = nil
            return waiter
        }
        waiter?.resume(returning: end.map { nil })
    }

    /// Waits for the next batch; nil at the end. One caller at a time.
    func next() async throws(SQLError) -> Batch? {
        let result = await withCheckedContinuation { continuation in
            let (answer, onRoom) = state.withLock { state -> (Result<Batch?, SQLError>?, (@Sendable () -> Void)?) in
                let wasFull = state.isFull
                if let batch = state.take() {
                    // Wakes workers once half is gone, so that they do not run for one batch at a time.
                    let isHalf = state.count <= ResultQueue.batchesMax / 2 && state.bytes <= ResultQueue.bytesMax / 2
                    return (.success(batch), isHalf || (wasFull && !state.isFull) ? state.onRoom : nil)
                }
                if let end = state.end { return (end.map { nil }, nil) }
                state.waiter = continuation
                return (nil, state.onRoom)
            }
            if let answer { continuation.resume(returning: answer) }
            onRoom?()
        }
        return try result.get()
    }
}

extension Batch {
    /// Bytes of the rows themselves, not of heaps and dictionaries that batches share.
    var ownBytes: Int {
        var bytes = 0
        for column in columns { bytes += column.layout == .constant ? 16 : column.values.capacity }
        return bytes
    }
}
