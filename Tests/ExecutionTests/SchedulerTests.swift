import Catalogs
import Columns
import Diagnostics
import Execution
import Planner
import Synchronization
import Testing

@Suite("Scheduling")
struct SchedulerTests {
    /// Rows without end; counts what was asked for.
    final class Endless: Table {
        let name = "endless"
        let schema = Schema([Field("x", .int8)])
        var statistics: TableStatistics { TableStatistics() }
        let batches = Atomic<Int>(0)
        let lastAsked = Mutex<ContinuousClock.Instant?>(nil)

        func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
            ScanPlan(tasks: [Task(table: self), Task(table: self), Task(table: self)])
        }

        struct Task: ScanTask {
            let table: Endless
            var bytes: Int64 { 1 }
            var rows: Int64? { nil }
            func open(_ context: ScanContext) throws(SQLError) -> any BatchSource { Source(table, context) }
        }

        final class Source: BatchSource {
            private let table: Endless
            private let context: ScanContext
            init(_ table: Endless, _ context: ScanContext) {
                self.table = table
                self.context = context
            }
            func next() throws(SQLError) -> Batch? {
                table.batches.add(1, ordering: .relaxed)
                table.lastAsked.withLock { $0 = ContinuousClock.now }
                let values = Buffer(count: Batch.rowsMax, of: Int64.self)
                values.fill(1)
                return Batch([Column(.int8, count: Batch.rowsMax, values: values)], rows: Batch.rowsMax)
            }
        }
    }

    private func scan(_ table: Endless) -> LogicalPlan {
        let column = PlanColumn(id: ColumnID(1), name: "x", type: .int8)
        return .scan(LogicalPlan.Scan(table: table, alias: "t", columns: [(column, 0)]))
    }

    private func counted(_ table: Endless) -> LogicalPlan {
        .aggregate(
            LogicalPlan.AggregateNode(
                input: scan(table), groups: [],
                calls: [
                    (
                        PlanColumn(id: ColumnID(2), name: "n", type: .int8),
                        AggregateCall(function: Fn.count, arguments: [])
                    )
                ]))
    }

    @Test("a cancelled query stops reading within 100 ms")
    func cancel() async throws {
        let table = Endless()
        let runner = LocalRunner(scheduler: Scheduler(threads: 2))
        let query = try await runner.start(counted(table), PlanContext())
        let waiting = _Concurrency.Task { try await query.next() }
        try await _Concurrency.Task.sleep(nanoseconds: 30_000_000)
        let start = ContinuousClock.now
        query.cancel(SQLError(.queryCanceled, "canceling statement due to user request"))
        await #expect(throws: SQLError(.queryCanceled, "canceling statement due to user request")) {
            try await waiting.value
        }
        try await _Concurrency.Task.sleep(nanoseconds: 150_000_000)
        let last = table.lastAsked.withLock { $0 } ?? start
        #expect(last - start < .milliseconds(100))
    }

    @Test("a client that does not ask parks the query; then rows flow again")
    func parking() async throws {
        let table = Endless()
        let runner = LocalRunner(scheduler: Scheduler(threads: 2))
        let query = try await runner.start(scan(table), PlanContext())
        _ = try await query.next()
        try await _Concurrency.Task.sleep(nanoseconds: 100_000_000)
        let parked = table.batches.load(ordering: .relaxed)
        #expect(parked < 200)
        try await _Concurrency.Task.sleep(nanoseconds: 50_000_000)
        #expect(table.batches.load(ordering: .relaxed) == parked)
        for _ in 0..<1000 { #expect(try await query.next() != nil) }
        query.cancel(SQLError(.queryCanceled, "enough"))
    }

    @Test("a long query does not keep short ones waiting")
    func fairness() async throws {
        let table = Endless()
        let runner = LocalRunner(scheduler: Scheduler(threads: 2))
        let long = try await runner.start(counted(table), PlanContext())
        let sample = Sample(rows: 1000, seed: 1)
        // The long query has no end: short ones end only because they get their turn.
        for _ in 0..<5 {
            let short = try await runner.start(sample.scan(), PlanContext())
            var rows = 0
            while let batch = try await short.next() { rows += batch.rows }
            #expect(rows == 1000)
        }
        long.cancel(SQLError(.queryCanceled, "enough"))
    }

    @Test("a limit stops an endless scan")
    func limit() async throws {
        let table = Endless()
        let rows = try await execute(
            .limit(LogicalPlan.LimitNode(input: scan(table), limit: number(5000), offset: nil)))
        #expect(rows.count == 5000)
    }

    @Test("a dropped query stops its workers")
    func dropped() async throws {
        let table = Endless()
        let runner = LocalRunner(scheduler: Scheduler(threads: 2))
        do {
            let query = try await runner.start(counted(table), PlanContext())
            try await _Concurrency.Task.sleep(nanoseconds: 20_000_000)
            withExtendedLifetime(query) {}
        }
        try await _Concurrency.Task.sleep(nanoseconds: 100_000_000)
        let seen = table.batches.load(ordering: .relaxed)
        try await _Concurrency.Task.sleep(nanoseconds: 50_000_000)
        #expect(table.batches.load(ordering: .relaxed) == seen)
    }

    @Test("a report counts rows by operator")
    func report() async throws {
        let sample = Sample(rows: 3000, seed: 8)
        let runner = LocalRunner(scheduler: Scheduler(threads: 2))
        let plan = LogicalPlan.filter(sample.scan(), .isNull(sample.expr("a")))
        let query = try await runner.start(plan, PlanContext(isProfiled: true))
        var rows: Int64 = 0
        while let batch = try await query.next() { rows += Int64(batch.rows) }
        let report = query.report
        #expect(report.root.rows == rows)
        #expect(report.root.children.first?.rows == 3000)
    }
}
