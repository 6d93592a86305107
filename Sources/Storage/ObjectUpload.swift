// Objects written from the first byte to the last, without the whole of them in memory.

public import Diagnostics

/// An object on its way. Nobody sees it before `complete`, and nothing is left of it after `abort`.
///
/// One thread at a time. The calls block, so never make them in a task.
public protocol ObjectUpload: AnyObject {
    /// Bytes appended so far.
    var sizeBytes: Int64 { get }
    /// Bytes of it that are in memory still.
    var heldBytes: Int { get }
    /// Appends bytes; they may be on their way still when this returns. After an error only `abort` makes sense.
    func append(_ parts: [Bytes]) throws(SQLError)
    /// Sends what is in memory, where the store can keep it unseen. Then only `complete` and `abort` may follow.
    func seal() throws(SQLError)
    /// Makes the object appear as a whole, if the condition holds. After an error call `abort`; it can happen that the
    /// object is there all the same, if the connection broke between the request and its answer.
    func complete(if precondition: Precondition) throws(SQLError) -> ObjectInfo
    /// Gives the object up and removes what was stored of it. Does nothing after `complete` succeeded.
    func abort()
}

extension ObjectUpload {
    public var heldBytes: Int { 0 }
    public func seal() throws(SQLError) {}
}

extension ObjectStore {
    /// Stores without a way to write in parts keep them until the end.
    public func upload(to path: ObjectPath, isDurable: Bool, metrics: StoreMetrics?) throws(SQLError)
        -> any ObjectUpload
    {
        BufferedUpload(self, path, metrics)
    }

    /// Stores whose objects always last: some requests at one time.
    public func write(
        _ objects: [NewObject], settling uploads: [ObjectPath], metrics: StoreMetrics?
    ) async throws(SQLError) {
        let outcome = await withTaskGroup(of: SQLError?.self) { group -> SQLError? in
            var rest = objects[...]
            func start() {
                guard let object = rest.popFirst() else { return }
                group.addTask {
                    do throws(SQLError) {
                        try await write(object.parts, to: object.path, metrics: metrics)
                        return nil
                    } catch { return error }
                }
            }
            for _ in 0..<writesAtOnce { start() }
            var failure: SQLError?
            while let error = await group.next() {
                failure = failure ?? error
                // What has begun is waited for: it must not appear after the caller has cleaned up.
                if failure == nil { start() }
            }
            return failure
        }
        if let outcome { throw outcome }
    }

    /// Begins an object that outlives a loss of power once complete, uncounted.
    public func upload(to path: ObjectPath) throws(SQLError) -> any ObjectUpload {
        try upload(to: path, isDurable: true, metrics: nil)
    }
}

/// Requests of one `write` of several objects in flight.
private let writesAtOnce = 16

/// Keeps the parts in memory and writes them at once.
final class BufferedUpload: ObjectUpload {
    /// More than this should not wait in memory.
    static let bytesMax: Int64 = 1 << 30

    private let store: any ObjectStore
    private let path: ObjectPath
    private let metrics: StoreMetrics?
    private var parts: [Bytes] = []
    private(set) var sizeBytes: Int64 = 0
    var heldBytes: Int { Int(sizeBytes) }

    init(_ store: any ObjectStore, _ path: ObjectPath, _ metrics: StoreMetrics?) {
        self.store = store
        self.path = path
        self.metrics = metrics
    }

    func append(_ parts: [Bytes]) throws(SQLError) {
        for part in parts { sizeBytes += Int64(part.count) }
        guard sizeBytes <= BufferedUpload.bytesMax else {
            throw SQLError(
                .programLimitExceeded, "could not write \"\(path)\": \(sizeBytes) bytes are too many at once")
        }
        self.parts += parts
    }

    func complete(if precondition: Precondition) throws(SQLError) -> ObjectInfo {
        try store.writeBlocking(parts, to: path, if: precondition, metrics: metrics)
    }

    func abort() { parts = [] }
}
