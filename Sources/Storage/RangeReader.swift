// Fetches many ranges of one object with few requests: neighbours are read together, requests run ahead in parallel,
// and a worker thread waits only for the range it needs next.

public import Diagnostics
import Foundation

/// The requests of one object that a reader (a row group, usually) will need.
///
/// `start` sends them, `bytes(for:)` waits for one. All methods may be called from any thread.
public final class RangeFetch: @unchecked Sendable {
    private enum State {
        case idle
        case running
        case arrived(Bytes)
        case failed(SQLError)
        case released
    }

    /// One request and what became of it.
    private struct Segment {
        let range: Range<Int64>
        var state: State = .idle
    }

    private let store: any ObjectStore
    private let version: ObjectInfo
    private let policy: FetchPolicy
    private let metrics: StoreMetrics?
    private let flag = CancelFlag()
    /// Guards `segments` and `cancellation`; signalled whenever a segment changes.
    private let condition = NSCondition()
    private var segments: [Segment]
    private var cancellation: SQLError?
    private var watch: StopWatch?

    /// Plans the requests for `ranges`, in any order, overlapping or not. Nothing is sent yet. `stop` ends all
    /// waiting. Bytes of another version of the object than `version` are an error.
    public init(
        _ store: any ObjectStore, of version: ObjectInfo, ranges: [Range<Int64>], policy: FetchPolicy? = nil,
        metrics: StoreMetrics? = nil, stop: StopSignal? = nil
    ) {
        self.store = store
        self.version = version
        self.policy = policy ?? store.fetchPolicy(for: version.path)
        self.metrics = metrics
        segments = RangeFetch.merge(ranges, self.policy).map { Segment(range: $0) }
        watch = stop?.watch { [weak self] error in self?.cancel(error) }
    }

    /// Requests nobody waits for any more need not be answered.
    deinit { flag.set() }

    /// The requests that will be sent.
    public var requests: [Range<Int64>] {
        condition.lock()
        defer { condition.unlock() }
        return segments.map(\.range)
    }

    /// Merges neighbouring ranges as the policy allows. The result is sorted and does not overlap,
    /// except that no range is ever cut: a range lies within one request.
    static func merge(_ ranges: [Range<Int64>], _ policy: FetchPolicy) -> [Range<Int64>] {
        let sorted = ranges.filter { !$0.isEmpty }.sorted {
            ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound)
        }
        var merged: [Range<Int64>] = []
        for range in sorted {
            guard let last = merged.last else {
                merged.append(range)
                continue
            }
            let upper = max(last.upperBound, range.upperBound)
            let isOverlap = range.lowerBound < last.upperBound
            let isNear =
                range.lowerBound.subtractingReportingOverflow(last.upperBound).partialValue
                <= policy.gapBytesMax
            let isSmall = upper.subtractingReportingOverflow(last.lowerBound).partialValue <= policy.requestBytesMax
            if isOverlap || (isNear && isSmall) {
                merged[merged.count - 1] = last.lowerBound..<upper
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    /// Sends the requests, in the order of the file. Where waiting threads read by themselves, it does nothing.
    public func start() {
        guard policy.isEager else { return }
        condition.lock()
        var wanted: [Int] = []
        if cancellation == nil {
            for index in segments.indices {
                if case .idle = segments[index].state {
                    segments[index].state = .running
                    wanted.append(index)
                }
            }
        }
        let ranges = wanted.map { segments[$0].range }
        condition.unlock()
        for (index, range) in zip(wanted, ranges) { send(index, range) }
    }

    private func send(_ index: Int, _ range: Range<Int64>) {
        // The fetch may be dropped before its bytes arrive: then they are dropped too.
        store.read([range], of: version, metrics: metrics, until: flag) { [weak self] result in
            self?.arrived(index, result)
        }
    }

    /// Waits for the bytes of `range`, which must lie within one of the ranges asked for.
    ///
    /// The first byte of the range is at `offset` of `bytes`; what lies around it are its neighbours in the file.
    public func bytes(for range: Range<Int64>) throws(SQLError) -> (bytes: Bytes, offset: Int) {
        if range.isEmpty { return (.empty, 0) }
        condition.lock()
        guard let index = position(of: range) else {
            condition.unlock()
            throw SQLError(.internalError, "bytes \(range) of \"\(version.path)\" were not asked for")
        }
        while true {
            if let cancellation {
                condition.unlock()
                throw cancellation
            }
            switch segments[index].state {
            case .arrived(let bytes):
                let offset = Int(range.lowerBound - segments[index].range.lowerBound)
                condition.unlock()
                return (bytes, offset)
            case .failed(let error):
                condition.unlock()
                throw error
            case .running:
                condition.wait()
            case .idle, .released:
                segments[index].state = .running
                let whole = segments[index].range
                condition.unlock()
                // A request may take long, and a thread that sends it itself could not be called back.
                if policy.isEager { send(index, whole) } else { arrived(index, readNow(whole)) }
                condition.lock()
            }
        }
    }

    /// The bytes of one range alone, sharing the memory of their request.
    public func slice(_ range: Range<Int64>) throws(SQLError) -> Bytes {
        let (bytes, offset) = try bytes(for: range)
        return bytes.slice(offset..<offset + range.count)
    }

    /// Whether `bytes(for: range)` would return or throw at once.
    public func isReady(_ range: Range<Int64>) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard cancellation == nil, let index = position(of: range) else { return true }
        switch segments[index].state {
        case .arrived, .failed: return true
        case .idle, .running, .released: return false
        }
    }

    /// Forgets the bytes of requests that end at or before `offset`; asking for them again reads them again.
    public func release(upTo offset: Int64) {
        condition.lock()
        defer { condition.unlock() }
        for index in segments.indices where segments[index].range.upperBound <= offset {
            if case .arrived = segments[index].state { segments[index].state = .released }
        }
    }

    /// Gives up: waiting threads get `error`, bytes that still arrive are dropped.
    public func cancel(_ error: SQLError = SQLError(.queryCanceled, "canceling statement due to user request")) {
        condition.lock()
        defer { condition.unlock() }
        if cancellation == nil { cancellation = error }
        flag.set()
        for index in segments.indices { segments[index].state = .released }
        condition.broadcast()
    }

    private func readNow(_ range: Range<Int64>) -> Result<[Bytes], SQLError> {
        do throws(SQLError) {
            return .success(try store.readBlocking([range], of: version, metrics: metrics))
        } catch {
            return .failure(error)
        }
    }

    private func arrived(_ index: Int, _ result: Result<[Bytes], SQLError>) {
        condition.lock()
        defer { condition.unlock() }
        guard cancellation == nil else { return }
        switch result {
        case .success(let parts):
            if let bytes = parts.first, bytes.count == segments[index].range.count {
                segments[index].state = .arrived(bytes)
            } else {
                segments[index].state = .failed(SQLError(.internalError, "short read of \"\(version.path)\""))
            }
        case .failure(let error):
            segments[index].state = .failed(error)
        }
        condition.broadcast()
    }

    /// The segment that holds `range`, by binary search. The caller holds the lock.
    private func position(of range: Range<Int64>) -> Int? {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].range.lowerBound <= range.lowerBound { low = middle + 1 } else { high = middle }
        }
        guard low > 0, segments[low - 1].range.upperBound >= range.upperBound else { return nil }
        return low - 1
    }
}
