// Table scans: tasks are opened ahead so that their bytes are on the way, and taken by whichever worker is free.
import Catalogs
import Columns
import Diagnostics
import Planner
import Synchronization

/// What one scan of a plan asks for, and the answer once the table has planned it.
final class ScanSlot: Sendable {
    let table: any Table
    let request: ScanRequest
    let metrics = ScanMetrics()
    private let planned = Mutex<ScanPlan?>(nil)
    private let taken = Atomic<Int64>(0)

    init(table: any Table, request: ScanRequest) {
        self.table = table
        self.request = request
    }

    var plan: ScanPlan? { planned.withLock { $0 } }

    /// Asks the table for its tasks.
    func prepare() async throws(SQLError) {
        let plan = try await table.scan(request)
        planned.withLock { $0 = plan }
    }

    /// Counts a task's bytes once a worker reads it.
    func took(bytes: Int64) { taken.add(bytes, ordering: .relaxed) }

    /// Bytes of the tasks that workers have taken, and of all; nil before the table has planned them.
    var progress: (takenBytes: Int64, allBytes: Int64)? {
        guard let plan else { return nil }
        let all = plan.tasks.reduce(0) { $0 + $1.bytes }
        // A recursive query scans a table once a round.
        return (min(taken.load(ordering: .relaxed), all), all)
    }

    /// What else than statistics ruled out row groups.
    private var prunedHow: String {
        let ways = [
            (ScanMetrics.Counter.rowGroupsPrunedByBloom, "Bloom filters"),
            (.rowGroupsPrunedByDictionary, "dictionaries"),
        ]
        let said = ways.filter { metrics[$0.0] > 0 }.map { "\(metrics[$0.0]) by \($0.1)" }
        return said.isEmpty ? "" : " (\(said.joined(separator: ", ")))"
    }

    /// Counts for EXPLAIN ANALYZE.
    var measures: [RunReport.Measure] {
        guard let plan else { return [] }
        let report = plan.report
        let pruned = Int64(report.filesPrunedByStatistics) + metrics[.filesPruned]
        let ruledOut = metrics[.filesRuledOut]
        let opened = metrics[.filesOpened]
        let groupsPruned = metrics[.rowGroupsPruned] + Int64(report.rowGroupsPruned)
        let bytes = metrics[.bytesRead] + report.bytesRead
        let requests = metrics[.requests] + report.requests
        let read = RunReport.Measure("Rows Read", "\(metrics[.rowsRead])", [("Rows Read", metrics[.rowsRead])])
        // Tables that are no files have nothing else to tell.
        guard report.filesConsidered > 0 || requests > 0 else { return metrics[.rowsRead] > 0 ? [read] : [] }
        var lines: [RunReport.Measure] = []
        // Folders that are ruled out are not listed: each counts as one.
        lines.append(
            RunReport.Measure(
                "Files",
                "\(report.filesConsidered) considered, \(report.filesPrunedByPartition) pruned by partition, "
                    + "\(pruned) by statistics" + (ruledOut > 0 ? ", \(ruledOut) by join keys" : "")
                    + ", \(opened) opened",
                [
                    ("Files Considered", Int64(report.filesConsidered)),
                    ("Files Pruned by Partition", Int64(report.filesPrunedByPartition)),
                    ("Files Pruned by Statistics", pruned), ("Files Pruned by Join Keys", ruledOut),
                    ("Files Opened", opened),
                ]))
        lines.append(
            RunReport.Measure(
                "Row Groups", "\(metrics[.rowGroupsRead]) read, \(groupsPruned) pruned" + prunedHow,
                [
                    ("Row Groups Read", metrics[.rowGroupsRead]), ("Row Groups Pruned", groupsPruned),
                    ("Row Groups Pruned by Bloom Filters", metrics[.rowGroupsPrunedByBloom]),
                    ("Row Groups Pruned by Dictionaries", metrics[.rowGroupsPrunedByDictionary]),
                ]))
        if metrics[.pagesPruned] > 0 {
            lines.append(
                RunReport.Measure(
                    "Pages Pruned", "\(metrics[.pagesPruned])", [("Pages Pruned", metrics[.pagesPruned])]))
        }
        lines.append(read)
        lines.append(
            RunReport.Measure(
                "Bytes Read", "\(bytes) in \(requests) requests, \(report.listRequests) of them listings",
                [("Bytes Read", bytes), ("Requests", requests), ("List Requests", Int64(report.listRequests))]))
        return lines
    }
}

/// Keys of a join's build side, once it is built, as a filter for scans of its probe side.
protocol RuntimeFilterSource: Sendable {
    /// Bounds of a key; nil when there are none to use.
    func domain(key: Int) -> ColumnDomain?
    /// A condition on a column of the scan; nil when it would not pay.
    func predicate(key: Int, column: Int) -> (any RowPredicate)?
}

/// A scan with its conditions.
final class ScanStage: SourceStage {
    private let slot: ScanSlot
    private let conditions: [Expr]
    private let layout: ColumnLayout
    private let runtimeFilters: [RuntimeFilterUse]
    private let limit: Int?
    private let state = Mutex(State())

    struct RuntimeFilterUse: Sendable {
        let source: any RuntimeFilterSource
        let key: Int
        /// Output column of the scan.
        let column: Int
    }

    /// Sources opened ahead at most, and bytes that they may have on the way; the first ones are always opened.
    private static let openedMax = 64
    private static let openedBytesMax: Int64 = 64 << 20

    private struct State {
        var next = 0
        var opened: [Opened] = []
        var openedBytes: Int64 = 0
        var rows = 0
    }

    /// A source that no worker has taken yet.
    private struct Opened: @unchecked Sendable {
        // Sendable: handed over under the stage's lock; one worker uses it.
        let source: any BatchSource
        let bytes: Int64
    }

    init(
        _ slot: ScanSlot, conditions: [Expr], columns: [PlanColumn], limit: Int?,
        runtimeFilters: [RuntimeFilterUse] = []
    ) {
        self.slot = slot
        self.conditions = conditions
        layout = ColumnLayout(columns)
        self.limit = limit
        self.runtimeFilters = runtimeFilters
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource { ScanSource(self, run) }

    /// Rows, and the files they are in, that a second worker would not read sooner.
    private static let smallRowsMax: Int64 = 4_096
    private static let smallTasksMax = 64

    /// Known once the table has planned the scan, which it has before any worker is made.
    var isSmall: Bool {
        guard let tasks = slot.plan?.tasks, tasks.count <= ScanStage.smallTasksMax else { return false }
        var rows: Int64 = 0
        for task in tasks {
            guard let more = task.rows else { return false }
            rows &+= more
        }
        return rows <= ScanStage.smallRowsMax
    }

    /// Gives a source to read, nil when none is left; opens others ahead.
    fileprivate func take(_ run: QueryRun) throws(SQLError) -> (any BatchSource)? {
        if let limit, state.withLock({ $0.rows >= limit }) { return nil }
        let tasks = slot.plan?.tasks ?? []
        let (ready, index) = state.withLock { state -> (Opened?, Int?) in
            if !state.opened.isEmpty {
                let first = state.opened.removeFirst()
                state.openedBytes -= first.bytes
                slot.took(bytes: first.bytes)
                return (first, nil)
            }
            guard state.next < tasks.count else { return (nil, nil) }
            state.next += 1
            return (nil, state.next - 1)
        }
        var source = ready?.source
        if let index {
            source = try open(tasks[index], run)
            slot.took(bytes: tasks[index].bytes)
        }
        if source != nil { try openAhead(tasks, run) }
        return source
    }

    private func openAhead(_ tasks: [any ScanTask], _ run: QueryRun) throws(SQLError) {
        // A limit is likely reached by what is open.
        let always = limit == nil ? run.threads + 1 : run.threads - 1
        while true {
            let index = state.withLock { state -> Int? in
                guard state.next < tasks.count else { return nil }
                let opened = state.opened.count
                let mayOpen =
                    opened < always
                    || (limit == nil && opened < ScanStage.openedMax && state.openedBytes < ScanStage.openedBytesMax)
                guard mayOpen else { return nil }
                state.next += 1
                state.openedBytes += tasks[state.next - 1].bytes
                return state.next - 1
            }
            guard let index else { return }
            let opened = Opened(source: try open(tasks[index], run), bytes: tasks[index].bytes)
            state.withLock { $0.opened.append(opened) }
        }
    }

    private func open(_ task: any ScanTask, _ run: QueryRun) throws(SQLError) -> any BatchSource {
        var extra: [any RowPredicate] = []
        for use in runtimeFilters {
            if let predicate = use.source.predicate(key: use.key, column: use.column) { extra.append(predicate) }
        }
        // A filter has one owner thread, and who will read this source is not known yet: each source gets its own.
        let filter = try FilterProgram(conditions, layout, run, extra: extra)
        let uses = runtimeFilters
        var domains: (@Sendable () -> [Int: ColumnDomain])?
        if !uses.isEmpty {
            domains = { @Sendable in
                var domains: [Int: ColumnDomain] = [:]
                for use in uses { if let domain = use.source.domain(key: use.key) { domains[use.column] = domain } }
                return domains
            }
        }
        return try task.open(
            ScanContext(
                filter: filter.isEmpty ? nil : filter, dynamicDomains: domains, metrics: slot.metrics, stop: run.signal)
        )
    }

    /// Counts rows towards the limit.
    fileprivate func count(_ rows: Int) { if limit != nil { state.withLock { $0.rows += rows } } }
}

/// One worker's end of a scan.
private final class ScanSource: BatchSource {
    private let stage: ScanStage
    private let run: QueryRun
    private var current: (any BatchSource)?

    init(_ stage: ScanStage, _ run: QueryRun) {
        self.stage = stage
        self.run = run
    }

    func next() throws(SQLError) -> Batch? {
        if current == nil { current = try stage.take(run) }
        guard let source = current else { return nil }
        if let batch = try source.next() {
            stage.count(batch.rows)
            return batch
        }
        current = nil
        // No rows, but not the end: gives the slice a chance to end between tasks.
        return Batch([], rows: 0)
    }
}
