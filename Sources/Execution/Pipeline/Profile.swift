// What each operator of a query did: counted by workers, read by reports while the query still runs.
import Columns
import Diagnostics
import Planner
import Synchronization

/// Counters of one plan node. Stages of a node share it.
final class OperatorProfile: Sendable {
    let title: String
    private let rows = Atomic<Int64>(0)
    private let nanoseconds = Atomic<Int64>(0)
    private let facts: Mutex<Facts>

    private struct Facts {
        var details: [@Sendable () -> [(name: String, value: String)]] = []
        var measures: [@Sendable () -> [RunReport.Measure]] = []
        var accounts: [MemoryAccount] = []
        var children: [OperatorProfile] = []
        var rowsEstimated: Double?
    }

    init(_ title: String, details: [(name: String, value: String)] = []) {
        self.title = title
        facts = Mutex(Facts(details: details.isEmpty ? [] : [{ details }]))
    }

    /// Counts rows that leave the node.
    func add(rows count: Int) { rows.add(Int64(count), ordering: .relaxed) }
    /// Adds a worker's time.
    func add(nanoseconds count: Int64) { nanoseconds.add(count, ordering: .relaxed) }
    /// Adds facts that are asked for when a report is made.
    func detail(_ lines: @escaping @Sendable () -> [(name: String, value: String)]) {
        facts.withLock { $0.details.append(lines) }
    }
    /// Adds counts that are asked for when a report is made.
    func measure(_ lines: @escaping @Sendable () -> [RunReport.Measure]) {
        facts.withLock { $0.measures.append(lines) }
    }
    func detail(_ name: String, _ value: String) { detail { [(name, value)] } }
    func child(_ profile: OperatorProfile) { facts.withLock { $0.children.append(profile) } }
    func account(_ account: MemoryAccount) { facts.withLock { $0.accounts.append(account) } }
    func estimate(rows: Double?) { facts.withLock { $0.rowsEstimated = rows } }

    var node: RunReport.Node {
        let (facts, children) = facts.withLock { ($0, $0.children) }
        var node = RunReport.Node(
            title: title, details: facts.details.flatMap { $0() }, rowsEstimated: facts.rowsEstimated,
            rows: rows.load(ordering: .relaxed), nanoseconds: nanoseconds.load(ordering: .relaxed),
            memoryPeakBytes: facts.accounts.reduce(0) { $0 + $1.peakBytes }, children: children.map(\.node))
        node.measures = facts.measures.flatMap { $0() }
        return node
    }
}
