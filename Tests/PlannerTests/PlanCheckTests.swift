import Testing

// Every statement of the goldens gives a sound plan, bound and optimized.
@testable import Planner

@Suite struct PlanCheckTests {
    @Test(
        "plans are sound after binding and after optimizing",
        arguments: [
            "bind_aggregates", "bind_ctes", "bind_expressions", "bind_from", "bind_selects", "bind_setops",
            "bind_subqueries", "bind_tpch", "bind_windows",
        ])
    func sound(_ name: String) throws {
        for item in try PlanFile(name).cases {
            guard let bound = try? PlannerFixture.bind(item.sql) else { continue }
            #expect(PlanChecker.problems(of: bound.plan, isBound: true) == [], "bound: \(item.sql)")
            do {
                let optimized = try Optimizer.optimize(bound.plan, PlanContext())
                let problems = PlanChecker.problems(of: optimized, isBound: false)
                #expect(
                    problems == [], "optimized: \(item.sql)\n\(PlanPrinter.text(optimized).joined(separator: "\n"))")
            } catch {
                Issue.record("\(item.sql): \(error)")
            }
        }
    }
}
