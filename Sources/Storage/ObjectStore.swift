// The seam to storage: objects by byte range. One primitive per verb, and two ways to wait for it:
// `async` for tasks, `Blocking` for worker threads.

public import Diagnostics
import Foundation
import Synchronization

/// What a callback gets: exactly one call, from any thread. It must not block.
public typealias Done<T> = @Sendable (Result<T, SQLError>) -> Void

/// What a listing or a response tells about an object.
public struct ObjectInfo: Sendable, Hashable {
    public var path: ObjectPath
    public var sizeBytes: Int64
    /// Microseconds since 1970-01-01 UTC.
    public var modified: Int64
    /// Changes whenever the content changes; without the quotes of HTTP.
    public var etag: String?
    /// Whether an object of this name never gets other content, so that it is known without asking for its entity tag:
    /// those of table formats.
    public var isImmutable = false

    public init(path: ObjectPath, sizeBytes: Int64, modified: Int64, etag: String?) {
        self.path = path
        self.sizeBytes = sizeBytes
        self.modified = modified
        self.etag = etag
    }
}

/// What must hold for a write to happen.
public enum Precondition: Sendable, Hashable {
    case none
    /// There is no such object yet; otherwise the write fails with `duplicateFile`.
    case ifAbsent
    /// The object still has this etag; otherwise the write fails with `serializationFailure`.
    case ifMatch(String)
}

/// A place that keeps objects.
///
/// A missing object is `undefinedFile` (58P01), a forbidden one `insufficientPrivilege` (42501), all else `ioError`.
/// `metrics` collects what one query asked for.
public protocol ObjectStore: Sendable {
    /// Reads byte ranges of one object, all or none; each result has exactly the bytes of its range.
    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>)
    /// The same, given up once `cancellation` is set: then `done` gets an error, early if the store can.
    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>)
    /// The same of exactly this version of an object, where its entity tag is known: when there is another one by now,
    /// `done` gets an error, and never bytes of it.
    func read(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>)
    /// Reads the last bytes of an object (all of it, if it is shorter) and learns its size in the same request.
    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>)
    /// The same, given up once `cancellation` is set.
    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>)
    /// The same, of `version` if that is at hand and of what is there now if not: `info` tells.
    func readSuffix(
        _ bytesMax: Int, of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>)
    /// Writes an object as a whole: readers see the old one or the new one.
    func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>)
    /// Begins an object that is written in parts. Blocks: for worker threads. `isDurable` asks for what it takes to
    /// outlive a loss of power, where that is extra.
    func upload(to path: ObjectPath, isDurable: Bool, metrics: StoreMetrics?) throws(SQLError) -> any ObjectUpload
    /// Writes objects that nothing refers to yet, side by side. When this returns they outlive a loss of power, and so do
    /// `uploads`: objects that were uploaded before without that. After an error some may be there.
    func write(
        _ objects: [NewObject], settling uploads: [ObjectPath], metrics: StoreMetrics?
    ) async throws(SQLError)
    /// All objects below a folder at any depth, sorted by path. A folder that does not exist is empty.
    func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo]
    /// The folders and objects directly in a folder, each sorted by path. A folder that does not exist is empty.
    func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo])
    /// Size and age of one object.
    func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo
    /// Deletes objects; those that do not exist are no error.
    func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError)

    /// `read` for worker threads: blocks the calling thread, so never call it in a task.
    func readBlocking(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes]
    /// `read` of one version for worker threads.
    func readBlocking(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes]
    /// `readSuffix` for worker threads.
    func readSuffixBlocking(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> (bytes: Bytes, info: ObjectInfo)
    /// How to fetch ranges of this object: what a request costs here.
    func fetchPolicy(for path: ObjectPath) -> FetchPolicy
}

/// An object to be written as a whole.
public struct NewObject: Sendable {
    public var path: ObjectPath
    public var parts: [Bytes]
    public init(path: ObjectPath, parts: [Bytes]) {
        self.path = path
        self.parts = parts
    }
}

/// What a request costs, and so which ranges are worth reading together.
public struct FetchPolicy: Sendable, Hashable {
    /// Ranges with a gap up to this are read in one request.
    public var gapBytesMax: Int64
    /// Ranges are not merged beyond this size.
    public var requestBytesMax: Int64
    /// Whether requests start before anybody waits for them.
    public var isEager: Bool

    public init(gapBytesMax: Int64, requestBytesMax: Int64, isEager: Bool) {
        self.gapBytesMax = gapBytesMax
        self.requestBytesMax = requestBytesMax
        self.isEager = isEager
    }

    /// Local files: a read costs microseconds, and the waiting thread does it itself.
    public static let local = FetchPolicy(gapBytesMax: 64 << 10, requestBytesMax: 16 << 20, isEager: false)
    /// Object storage: a request costs as long as half a mebibyte takes, and many run in parallel.
    public static let remote = FetchPolicy(gapBytesMax: 512 << 10, requestBytesMax: 8 << 20, isEager: true)
}

// MARK: - Metrics

/// Counts what a query asks of storage; shared by all its threads.
public final class StoreMetrics: Sendable {
    private let state = Mutex(RequestCounters())

    public init() {}

    public func addRequest(bytesRead bytes: Int64 = 0) {
        state.withLock { counters in
            counters.requests += 1
            counters.bytesRead += max(0, bytes)
        }
    }
    /// A request to a server that bills it.
    public func addBilledRequest(isRetry: Bool) {
        state.withLock { counters in
            counters.requests += 1
            counters.billed += 1
            if isRetry { counters.retries += 1 }
        }
    }
    public func addBytesRead(_ bytes: Int64) { state.withLock { $0.bytesRead += bytes } }
    public func addBytesWritten(_ bytes: Int64) { state.withLock { $0.bytesWritten += bytes } }
    public func addList(isBilled: Bool = false) {
        state.withLock { counters in
            counters.lists += 1
            if isBilled { counters.billedLists += 1 }
        }
    }
    public func addHedge() { state.withLock { $0.hedges += 1 } }
    public func addCacheHit(bytes: Int64) {
        state.withLock { counters in
            counters.cacheHits += 1
            counters.cacheBytes += bytes
        }
    }

    /// The counts so far.
    public var counters: RequestCounters { state.withLock { $0 } }
}

/// Tells everybody who works on something that nobody waits for it any more.
public final class CancelFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    private let parent: CancelFlag?

    public init() { parent = nil }

    /// A flag that is set once `parent` is, too.
    init(below parent: CancelFlag?) { self.parent = parent }

    public var isSet: Bool { flag.load(ordering: .relaxed) || (parent?.isSet ?? false) }
    public func set() { flag.store(true, ordering: .relaxed) }
}

// MARK: - Ways to wait

extension ObjectStore {
    /// Stores whose reads are short do not look at the flag.
    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        read(ranges, of: path, metrics: metrics, then: done)
    }

    /// Stores that know no versions read what is there.
    public func read(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        read(ranges, of: version.path, metrics: metrics, until: cancellation, then: done)
    }

    /// Reads byte ranges of one version of an object.
    public func read(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> [Bytes] {
        try await resultUnlessCancelled { flag, done in
            read(ranges, of: version, metrics: metrics, until: flag, then: done)
        }.get()
    }

    public func readBlocking(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        try readBlocking(ranges, of: version.path, metrics: metrics)
    }

    /// Stores whose reads are short do not look at the flag.
    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        readSuffix(bytesMax, of: path, metrics: metrics, then: done)
    }

    /// Stores that keep nothing read what is there.
    public func readSuffix(
        _ bytesMax: Int, of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        readSuffix(bytesMax, of: version.path, metrics: metrics, until: cancellation, then: done)
    }

    /// Reads the last bytes of an object that a listing told of.
    public func readSuffix(
        _ bytesMax: Int, of version: ObjectInfo, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> (bytes: Bytes, info: ObjectInfo) {
        try await resultUnlessCancelled { flag, done in
            readSuffix(bytesMax, of: version, metrics: metrics, until: flag, then: done)
        }.get()
    }

    /// Reads byte ranges of one object.
    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> [Bytes] {
        try await resultUnlessCancelled { flag, done in
            read(ranges, of: path, metrics: metrics, until: flag, then: done)
        }.get()
    }

    /// Reads one byte range.
    public func read(
        _ range: Range<Int64>, of path: ObjectPath, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> Bytes {
        try await read([range], of: path, metrics: metrics).first ?? .empty
    }

    /// Reads the last bytes of an object and learns its size.
    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> (bytes: Bytes, info: ObjectInfo) {
        try await resultUnlessCancelled { flag, done in
            readSuffix(bytesMax, of: path, metrics: metrics, until: flag, then: done)
        }.get()
    }

    /// Writes an object as a whole.
    @discardableResult
    public func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition = .none, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> ObjectInfo {
        try await resultOf { done in
            write(parts, to: path, if: precondition, metrics: metrics, then: done)
        }.get()
    }

    public func readBlocking(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        try waitFor { done in read(ranges, of: path, metrics: metrics, then: done) }.get()
    }

    /// `read` for worker threads, uncounted.
    public func readBlocking(_ ranges: [Range<Int64>], of path: ObjectPath) throws(SQLError) -> [Bytes] {
        try readBlocking(ranges, of: path, metrics: nil)
    }

    public func readSuffixBlocking(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> (bytes: Bytes, info: ObjectInfo) {
        try waitFor { done in readSuffix(bytesMax, of: path, metrics: metrics, then: done) }.get()
    }

    /// `write` for worker threads.
    @discardableResult
    public func writeBlocking(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition = .none, metrics: StoreMetrics? = nil
    ) throws(SQLError) -> ObjectInfo {
        try waitFor { done in write(parts, to: path, if: precondition, metrics: metrics, then: done) }.get()
    }

    /// All objects below a folder, uncounted.
    public func list(_ folder: ObjectPath) async throws(SQLError) -> [ObjectInfo] {
        try await list(folder, metrics: nil)
    }

    /// The folders and objects directly in a folder, uncounted.
    public func listChildren(
        _ folder: ObjectPath
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await listChildren(folder, metrics: nil)
    }

    /// Size and age of one object, uncounted.
    public func head(_ path: ObjectPath) async throws(SQLError) -> ObjectInfo { try await head(path, metrics: nil) }

    /// Deletes objects, uncounted.
    public func delete(_ paths: [ObjectPath]) async throws(SQLError) { try await delete(paths, metrics: nil) }
}

/// Turns a callback into something a task can wait for.
func resultOf<T: Sendable>(_ start: (@escaping Done<T>) -> Void) async -> Result<T, SQLError> {
    await withCheckedContinuation { continuation in
        start { continuation.resume(returning: $0) }
    }
}

/// The same for what may be given up: ends at once when the task is cancelled, whoever else still works on it.
func resultUnlessCancelled<T: Sendable>(
    _ start: (CancelFlag, @escaping Done<T>) -> Void
) async -> Result<T, SQLError> {
    let flag = CancelFlag()
    let first = FirstResult<T>()
    return await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            first.wait(continuation)
            if flag.isSet { return }
            start(flag) { first.take($0) }
        }
    } onCancel: {
        flag.set()
        first.take(.failure(SQLError(.queryCanceled, "canceling statement due to user request")))
    }
}

/// Hands the first of several results to the one who waits.
private final class FirstResult<T: Sendable>: Sendable {
    private enum State {
        case open
        case waiting(CheckedContinuation<Result<T, SQLError>, Never>)
        case early(Result<T, SQLError>)
        case done
    }
    private let state = Mutex(State.open)

    func wait(_ continuation: CheckedContinuation<Result<T, SQLError>, Never>) {
        let early = state.withLock { state -> Result<T, SQLError>? in
            if case .early(let result) = state {
                state = .done
                return result
            }
            state = .waiting(continuation)
            return nil
        }
        if let early { continuation.resume(returning: early) }
    }

    func take(_ result: Result<T, SQLError>) {
        let waiter = state.withLock { state -> CheckedContinuation<Result<T, SQLError>, Never>? in
            switch state {
            case .open:
                state = .early(result)
                return nil
            case .waiting(let waiter):
                state = .done
                return waiter
            case .early, .done: return nil
            }
        }
        waiter?.resume(returning: result)
    }
}

/// Turns a callback into something a thread can wait for.
func waitFor<T: Sendable>(_ start: (@escaping Done<T>) -> Void) -> Result<T, SQLError> {
    let slot = Slot<T>()
    start { slot.fill($0) }
    return slot.wait()
}

/// One result on its way from the thread that makes it to the thread that waits.
private final class Slot<T: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private var result: Result<T, SQLError>?

    func fill(_ value: Result<T, SQLError>) {
        condition.lock()
        result = value
        condition.signal()
        condition.unlock()
    }

    func wait() -> Result<T, SQLError> {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result { return result }
            condition.wait()
        }
    }
}
