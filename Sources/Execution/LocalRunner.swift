// Runs plans in this process: plans all scans at once, lowers, schedules, and hands out rows.
import Columns
public import Diagnostics
public import Planner

/// The runner of plans on this machine's threads.
public final class LocalRunner: PlanRunner {
    private let scheduler: Scheduler
    private let memoryMaxBytes: Int64

    /// Bytes that one query may hold when neither server nor session say otherwise.
    public static let memoryDefaultBytes: Int64 = 4 << 30

    public init(scheduler: Scheduler, memoryMaxBytes: Int64 = LocalRunner.memoryDefaultBytes) {
        self.scheduler = scheduler
        self.memoryMaxBytes = memoryMaxBytes
    }

    public func accepts(_ plan: LogicalPlan) -> Bool { true }

    public func start(_ plan: LogicalPlan, _ context: PlanContext) async throws(SQLError) -> any RunningQuery {
        let run = QueryRun(
            functions: context.functions,
            memory: MemoryPool(limitBytes: context.memoryMaxBytes ?? memoryMaxBytes),
            threads: min(scheduler.threads, max(1, context.threadsMax ?? scheduler.threads)),
            isProfiled: context.isProfiled)
        let start = Clock.now()
        let (pipelines, slots, root, results) = try lowered(plan, run)
        try await prepare(slots)
        try context.scanLimits.check(slots)
        let execution = QueryExecution(pipelines, run: run, results: results, scheduler: scheduler)
        execution.start()
        return LocalQuery(
            execution: execution, results: results, root: root, slots: slots, started: start,
            prices: context.prices)
    }

    private func lowered(
        _ plan: LogicalPlan, _ run: QueryRun
    ) throws(SQLError) -> ([Pipeline], [ScanSlot], OperatorProfile, ResultQueue) {
        let lowering = Lowering(plan, run)
        let flow = try lowering.lower(plan)
        let results = ResultQueue()
        _ = lowering.close(flow, into: ResultStage(results), profile: nil)
        return (lowering.pipelines, lowering.slots, flow.profile, results)
    }

    /// Asks all tables for their tasks at the same time.
    private func prepare(_ slots: [ScanSlot]) async throws(SQLError) {
        if slots.count == 1, let only = slots.first { return try await only.prepare() }
        let failure = await withTaskGroup(of: SQLError?.self) { group in
            for slot in slots {
                group.addTask {
                    do throws(SQLError) {
                        try await slot.prepare()
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            var first: SQLError?
            for await error in group where first == nil { first = error }
            return first
        }
        if let failure { throw failure }
    }
}

/// A query of this process.
final class LocalQuery: RunningQuery {
    private let execution: QueryExecution
    private let results: ResultQueue
    private let root: OperatorProfile
    private let slots: [ScanSlot]
    private let started: Int64
    private let prices: RequestPrices

    init(
        execution: QueryExecution, results: ResultQueue, root: OperatorProfile, slots: [ScanSlot], started: Int64,
        prices: RequestPrices
    ) {
        self.execution = execution
        self.results = results
        self.root = root
        self.slots = slots
        self.started = started
        self.prices = prices
    }

    deinit {
        // Nobody can ask for rows any more.
        execution.run.stop(SQLError(.queryCanceled, "canceling statement because its result was dropped"))
    }

    func next() async throws(SQLError) -> Batch? { try await results.next() }

    func cancel(_ reason: SQLError) { execution.run.stop(reason) }

    var progress: Double? {
        let known = slots.compactMap(\.progress)
        let all = known.reduce(0) { $0 + $1.allBytes }
        guard all > 0 else { return nil }
        return Double(known.reduce(0) { $0 + $1.takenBytes }) / Double(all)
    }

    func ended() async { await execution.ended() }

    var report: RunReport {
        var report = RunReport(
            root: root.node, nanoseconds: (results.endedAt ?? Clock.now()) - started,
            memoryPeakBytes: execution.run.memory.peakBytes)
        report.measures = prices.measures(of: slots)
        return report
    }
}
