// EXPLAIN's forms: text, JSON, and reports of runs.
import Columns
import Testing

@testable import Planner

@Suite struct PlanPrinterTests {
    static let report = RunReport(
        root: RunReport.Node(
            title: "Hash Join  (inner)", details: [("Cond", "(a = \"b\")")], rowsEstimated: 12, rows: 10,
            nanoseconds: 1_234_567, memoryPeakBytes: 20 << 20,
            children: [RunReport.Node(title: "Scan on t", rows: 3, nanoseconds: 999)]),
        nanoseconds: 2_000_000, memoryPeakBytes: 4_096)

    @Test("a report names rows, time and memory of each operator")
    func reportText() {
        #expect(
            PlanPrinter.text(PlanPrinterTests.report) == [
                "Hash Join  (inner)  (rows=12)  (actual rows=10 time=1.234 ms memory=20 MB)",
                "  Cond: (a = \"b\")",
                "  ->  Scan on t  (actual rows=3 time=0.000 ms)",
                "Execution Time: 2.000 ms",
                "Peak Memory: 4096 B",
            ])
    }

    @Test("JSON escapes what it must")
    func reportJSON() {
        let json = PlanPrinter.json(PlanPrinterTests.report)
        #expect(json.contains("\"Cond\": \"(a = \\\"b\\\")\""))
        #expect(json.contains("\"Actual Rows\": 10"))
        #expect(json.contains("\"Plans\": ["))
        #expect(json.hasPrefix("[\n  {\n    \"Plan\": {"))
    }

    @Test("a plan's JSON has its nodes and facts")
    func planJSON() throws {
        let json = PlanPrinter.json(try PlannerFixture.bind("SELECT a FROM t WHERE c = 'x\ny\u{1}'").plan)
        #expect(json.contains("\"Node Type\": \"Filter\""))
        #expect(json.contains("\\n") && json.contains("\\u0001"))
    }

    @Test(
        "literals read as SQL",
        arguments: [
            (Scalar.text("it's"), "'it''s'"), (.int4(-3), "-3"), (.int8(7), "7::bigint"), (.boolean(true), "true"),
            (.null(.unknown), "NULL"), (.null(.int4), "NULL::integer"),
            (Scalar(.decimal(precision: 5, scale: 2), .int128(150)), "1.50"),
            (Scalar(.date, .int(0)), "'1970-01-01'::date"),
            (Scalar(.interval, .interval(Interval(days: 1))), "'1 day'::interval"),
        ])
    func literals(_ scalar: Scalar, _ text: String) {
        #expect(PlanNaming.literal(scalar) == text)
    }
}
