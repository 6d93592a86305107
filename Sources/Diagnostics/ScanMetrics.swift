// Counters of one scan, shared by its workers; read by EXPLAIN ANALYZE.
import Synchronization

/// What a scan did.
public final class ScanMetrics: Sendable {
    /// `filesPruned`: by statistics that were read while the query ran; `filesRuledOut`: by the keys of a join.
    public enum Counter: Int, Sendable, CaseIterable {
        case filesOpened, filesPruned, filesRuledOut, rowGroupsRead, rowGroupsPruned, pagesPruned, rowsRead,
            rowsReturned, bytesRead
        case requests
        /// Among `rowGroupsPruned`.
        case rowGroupsPrunedByBloom, rowGroupsPrunedByDictionary
        /// To see what they rule out.
        case dictionariesRead
    }

    private let opened = Atomic<Int64>(0)
    private let filesPruned = Atomic<Int64>(0)
    private let filesRuledOut = Atomic<Int64>(0)
    private let groupsRead = Atomic<Int64>(0)
    private let groupsPruned = Atomic<Int64>(0)
    private let pagesPruned = Atomic<Int64>(0)
    private let rowsRead = Atomic<Int64>(0)
    private let rowsReturned = Atomic<Int64>(0)
    private let bytes = Atomic<Int64>(0)
    private let requests = Atomic<Int64>(0)
    private let prunedByBloom = Atomic<Int64>(0)
    private let prunedByDictionary = Atomic<Int64>(0)
    private let dictionariesRead = Atomic<Int64>(0)

    private let asked = Mutex(RequestCounters())

    public init() {}

    /// Adds what was asked of storage.
    public func add(_ counters: RequestCounters) {
        guard counters != RequestCounters() else { return }
        bytes.add(counters.bytesRead, ordering: .relaxed)
        requests.add(counters.requests, ordering: .relaxed)
        asked.withLock { $0 += counters }
    }

    /// What was asked of storage, as far as `add` was told.
    public var storage: RequestCounters { asked.withLock { $0 } }

    /// Adds to a counter. Once per page or row group, not per row.
    public func add(_ counter: Counter, _ amount: Int64 = 1) {
        switch counter {
        case .filesOpened: opened.add(amount, ordering: .relaxed)
        case .filesPruned: filesPruned.add(amount, ordering: .relaxed)
        case .filesRuledOut: filesRuledOut.add(amount, ordering: .relaxed)
        case .rowGroupsRead: groupsRead.add(amount, ordering: .relaxed)
        case .rowGroupsPruned: groupsPruned.add(amount, ordering: .relaxed)
        case .pagesPruned: pagesPruned.add(amount, ordering: .relaxed)
        case .rowsRead: rowsRead.add(amount, ordering: .relaxed)
        case .rowsReturned: rowsReturned.add(amount, ordering: .relaxed)
        case .bytesRead: bytes.add(amount, ordering: .relaxed)
        case .requests: requests.add(amount, ordering: .relaxed)
        case .rowGroupsPrunedByBloom: prunedByBloom.add(amount, ordering: .relaxed)
        case .rowGroupsPrunedByDictionary: prunedByDictionary.add(amount, ordering: .relaxed)
        case .dictionariesRead: dictionariesRead.add(amount, ordering: .relaxed)
        }
    }

    public subscript(counter: Counter) -> Int64 {
        switch counter {
        case .filesOpened: opened.load(ordering: .relaxed)
        case .filesPruned: filesPruned.load(ordering: .relaxed)
        case .filesRuledOut: filesRuledOut.load(ordering: .relaxed)
        case .rowGroupsRead: groupsRead.load(ordering: .relaxed)
        case .rowGroupsPruned: groupsPruned.load(ordering: .relaxed)
        case .pagesPruned: pagesPruned.load(ordering: .relaxed)
        case .rowsRead: rowsRead.load(ordering: .relaxed)
        case .rowsReturned: rowsReturned.load(ordering: .relaxed)
        case .bytesRead: bytes.load(ordering: .relaxed)
        case .requests: requests.load(ordering: .relaxed)
        case .rowGroupsPrunedByBloom: prunedByBloom.load(ordering: .relaxed)
        case .rowGroupsPrunedByDictionary: prunedByDictionary.load(ordering: .relaxed)
        case .dictionariesRead: dictionariesRead.load(ordering: .relaxed)
        }
    }
}
