// EXPLAIN ends the walk after the optimizer; EXPLAIN ANALYZE runs the query, drops its rows and prints the report.
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    static let explainColumns = [ResultColumn("QUERY PLAN", .text)]

    func explain(
        _ explain: Statement.Explain, _ types: [SQLType?] = [], _ parameters: [Scalar] = []
    ) async throws(SQLError) -> any ResultStream {
        var (target, types, parameters) = (explain.statement, types, parameters)
        if case .execute(let name, let arguments) = target {
            let (prepared, values) = try evaluate(name, arguments)
            if let statement = prepared.statement { target = statement }
            (types, parameters) = (prepared.parameterTypes, values)
        }
        if case .declareCursor(let declare) = target { target = .query(declare.query) }
        if case .createTable(let create) = target, let query = create.query, !explain.analyze { target = .query(query) }
        guard !target.changesInWith else {
            throw SQLError(.featureNotSupported, "EXPLAIN of WITH that changes data is not supported")
        }
        if case .write(let write) = target { return try await self.explain(write, explain, types, parameters) }
        guard case .query(let query) = target else {
            throw SQLError(.featureNotSupported, "EXPLAIN works for queries and changes of rows only")
        }
        let clock = ContinuousClock()
        let start = clock.now
        let life = life(isProfiled: explain.analyze)
        let bound = try await bind(query, types, life)
        remember(bound)
        let values = parameters
        let (plan, traces) = try await currentWatch.perform { () async throws(SQLError) -> (LogicalPlan, [RuleTrace]) in
            var traces: [RuleTrace] = []
            let plan = try life.optimize(bound, parameters: values, trace: { traces.append($0) })
            return (plan, traces)
        }
        let planned = clock.now - start
        guard explain.analyze else {
            return explained(explain, plan, nil, traces, planned: planned)
        }
        let running = try await begin(plan, life)
        while try await running.next() != nil {}
        return explained(explain, plan, running.report, traces, planned: planned)
    }

    /// EXPLAIN of a write shows its plan; EXPLAIN ANALYZE also does it.
    private func explain(
        _ write: WriteStatement, _ explain: Statement.Explain, _ types: [SQLType?], _ parameters: [Scalar]
    ) async throws(SQLError) -> any ResultStream {
        let clock = ContinuousClock()
        guard explain.analyze else {
            let start = clock.now
            let life = life()
            let (_, bound) = try await bind(write, types, life)
            var traces: [RuleTrace] = []
            let plan = try Optimizer.optimize(bound.plan, life.context) { traces.append($0) }
            return explained(explain, plan, nil, traces, planned: clock.now - start)
        }
        return try await changing("EXPLAIN ANALYZE") { () async throws(SQLError) -> any ResultStream in
            let start = clock.now
            let life = life(isProfiled: true)
            let (target, bound) = try await bind(write, types, life)
            let planned = clock.now - start
            let (_, report) = try await run(bound, target, parameters, life)
            return explained(explain, bound.plan, report, [], planned: planned)
        }
    }

    private func explained(
        _ explain: Statement.Explain, _ plan: LogicalPlan, _ report: RunReport?, _ traces: [RuleTrace],
        planned: Duration
    ) -> any ResultStream {
        var lines: [String]
        if explain.format == "json" {
            lines = [report.map { PlanPrinter.json($0) } ?? PlanPrinter.json(plan)]
        } else {
            lines = report.map { PlanPrinter.text($0) } ?? PlanPrinter.text(plan)
        }
        if explain.format == "text", explain.analyze || explain.verbose {
            lines.append("Planning Time: \(Session.milliseconds(planned)) ms")
            let rules = traces.filter { $0.plan != nil }.map { "\($0.rule) \($0.nanoseconds / 1_000) us" }
            if explain.verbose, !rules.isEmpty { lines.append("Rules: " + rules.joined(separator: ", ")) }
        }
        return FixedStream(Session.explainColumns, lines.map { [.text($0)] }, tag: .done("EXPLAIN"))
    }

    private static func milliseconds(_ duration: Duration) -> String {
        let microseconds = duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000
        let rest = String(microseconds % 1_000)
        return "\(microseconds / 1_000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
}
