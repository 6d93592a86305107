// Statements that take long to plan end soon after they were given up, wherever planning is.
import Diagnostics
import Testing

@testable import Planner

@Suite struct GivenUpTests {
    /// Long to order, and none of the orders is good.
    static let joins =
        "SELECT count(*) FROM "
        + (0..<60).map { "t t\($0)" }.joined(separator: ", ") + " WHERE "
        + (1..<60).map { "t\($0).a + t\($0 - 1).b > t\(($0 * 7) % 60).a" }.joined(separator: " AND ")

    /// Subqueries of subqueries that look far out.
    static let subqueries =
        (0..<9).reversed().reduce("SELECT 1") { inner, level in
            "SELECT s\(level).a FROM t s\(level) WHERE EXISTS (\(inner)"
                + (inner == "SELECT 1" ? "" : " AND s\(level + 1).b = s\(level).b")
                + ") OR s\(level).a = (SELECT max(u.a) FROM u WHERE u.e = s\(level).b"
                + (level > 0 ? " AND u.a < s\(level - 1).a" : "") + ")"
        }

    /// A long chain of joins below each other, which every rule walks.
    static let chain = (0..<120).reduce("t") { "(\($0) LEFT JOIN u u\($1) USING (a))" }

    @Test(
        "planning ends when the statement was given up",
        arguments: [joins, subqueries, "SELECT * FROM \(chain)"])
    func ends(_ sql: String) async throws {
        let clock = ContinuousClock()
        let planning = Task { () -> (SQLError?, ContinuousClock.Instant) in
            do throws(SQLError) {
                let bound = try PlannerFixture.bind(sql)
                _ = try Optimizer.optimize(bound.plan, PlanContext())
                return (nil, clock.now)
            } catch {
                return (error, clock.now)
            }
        }
        try await Task.sleep(for: .milliseconds(40))
        let given = clock.now
        planning.cancel()
        let (error, end) = await planning.value
        // What was planned before it could be given up is no failure.
        if let error { #expect(error.state == .queryCanceled || error.state == .statementTooComplex, "\(error)") }
        #expect(end - given < .milliseconds(GivenUpTests.lateMilliseconds), "\(sql.prefix(60))")
    }

    /// Tests run beside others on few cores.
    private static let lateMilliseconds = 500
}
