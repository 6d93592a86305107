// EXPLAIN ends the walk after the optimizer; EXPLAIN ANALYZE runs the query, drops its rows and prints the report.
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    static let explainColumns = [ResultColumn("QUERY PLAN", .text)]

    func explain(_ explain: Statement.Explain) async throws(SQLError) -> any ResultStream {
        var target = explain.statement
        if case .execute(let name, _) = target, let prepared = statements[name.value]?.statement { target = prepared }
        guard case .query(let query) = target else {
            throw SQLError(.featureNotSupported, "EXPLAIN works for queries only")
        }
        let clock = ContinuousClock()
        let start = clock.now
        let life = life(isProfiled: explain.analyze)
        let bound = try await life.bind(query, in: currentTransaction)
        remember(bound)
        var traces: [RuleTrace] = []
        let plan = try life.optimize(bound, trace: { traces.append($0) })
        let planned = clock.now - start
        var lines: [String]
        if explain.analyze {
            let running = try await life.start(plan)
            setRunning(running)
            defer { clearRunning() }
            while try await running.next() != nil {}
            let report = running.report
            lines =
                explain.format == "json"
                ? PlanPrinter.json(report).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
                : PlanPrinter.text(report)
        } else {
            lines =
                explain.format == "json"
                ? PlanPrinter.json(plan).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
                : PlanPrinter.text(plan)
        }
        if explain.format == "text", explain.analyze || explain.verbose {
            lines.append("Planning Time: \(Session.milliseconds(planned)) ms")
            let rules = traces.filter { $0.plan != nil }.map { "\($0.rule) \($0.nanoseconds / 1_000) us" }
            if explain.verbose, !rules.isEmpty { lines.append("Rules: " + rules.joined(separator: ", ")) }
            if explain.analyze { lines.append("Execution Time: \(Session.milliseconds(clock.now - start - planned)) ms") }
        }
        let text = explain.format == "json" ? [lines.joined(separator: "\n")] : lines
        return FixedStream(Session.explainColumns, text.map { [.text($0)] }, tag: .rows("EXPLAIN"))
    }

    private static func milliseconds(_ duration: Duration) -> String {
        let microseconds = duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000
        let rest = String(microseconds % 1_000)
        return "\(microseconds / 1_000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
}
