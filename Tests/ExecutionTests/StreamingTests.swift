import Columns
import Diagnostics
import Functions
import Planner
import Testing

@Suite("Filters, projections, limits")
struct StreamingTests {
    @Test("conditions keep the rows that a row-by-row evaluation keeps", arguments: 1...3)
    func conditions(seed: Int) async throws {
        let sample = Sample(rows: 3000, seed: UInt64(seed))
        let (a, b, c, e, f) = (sample.expr("a"), sample.expr("b"), sample.expr("c"), sample.expr("e"), sample.expr("f"))
        let conditions: [(Expr, @Sendable ([Scalar]) -> Bool?)] = [
            (call(Fn.compare("<", .int8), b, number(500_000)), { r in r[1].int.map { $0 < 500_000 } }),
            (call(Fn.compare(">=", .int8), number(0), a), { r in r[0].int.map { 0 >= $0 } }),
            (call(Fn.compare("<>", .int8), a, number(1)), { r in r[0].int.map { $0 != 1 } }),
            (call(Fn.compare("=", .text), c, .literal(.text("red"))), { r in r[2].string.map { $0 == "red" } }),
            (call(Fn.compare(">", .text), c, .literal(.text("blue"))), { r in r[2].string.map { $0 > "blue" } }),
            (
                call(Fn.compare("<", .int8), a, b),
                { r in
                    guard let x = r[0].int, let y = r[1].int else { return nil }
                    return x < y
                }
            ),
            (.isNull(c), { r in r[2].isNull }),
            (.not(.isNull(a)), { r in !r[0].isNull }),
            (.inList(a, [number(1), number(-2)]), { r in r[0].int.map { [1, -2].contains($0) } }),
            (.not(.inList(a, [number(1), .literal(.null(.int8))])), { r in r[0].int == 1 ? false : nil }),
            (
                .inList(c, [.literal(.text("green")), .literal(.text(""))]),
                { r in r[2].string.map { ["green", ""].contains($0) } }
            ),
            (
                .or([.isNull(c), call(Fn.compare("=", .text), c, .literal(.text("blue")))]),
                { r in r[2].string.map { $0 == "blue" } ?? true }
            ),
            (
                call(Fn.compare(">", .float8), f, .literal(Scalar(.float8, .double(1)))),
                { r in
                    guard case .double(let x) = r[5].value else { return nil }
                    return x.isNaN || x > 1
                }
            ),
            (
                call(Fn.compare("=", .text), call(Fn.upper, c), .literal(.text("RED"))),
                { r in r[2].string.map { $0 == "red" } }
            ),
            (
                .and([
                    call(Fn.compare("<>", .int8), a, number(0)),
                    call(Fn.compare(">", .int8), call(Fn.divide, number(6), a), number(2)),
                ]),
                { r in r[0].int.map { $0 != 0 && 6 / $0 > 2 } }
            ),
            (.column(sample["g"]), { r in if case .bool(let x) = r[6].value { x } else { nil } }),
            (.notDistinct(a, .literal(.null(.int8))), { r in r[0].isNull }),
            (call(Fn.compare("<", .int4), e, .literal(.int4(10))), { r in r[4].int.map { $0 < 10 } }),
        ]
        for (index, (condition, keeps)) in conditions.enumerated() {
            let expected = multiset(sample.rows.filter { keeps($0) == true })
            #expect(
                multiset(try await execute(sample.scan([condition]))) == expected, "condition \(index), in the scan")
            #expect(multiset(try await execute(.filter(sample.scan(), condition))) == expected, "condition \(index)")
        }
        // Pairs, in one scan.
        for (first, second) in [(0, 1), (3, 6), (11, 0), (13, 5), (14, 8), (17, 3)] {
            let expected = sample.rows.filter { conditions[first].1($0) == true && conditions[second].1($0) == true }
            let rows = try await execute(sample.scan([conditions[first].0, conditions[second].0]))
            #expect(multiset(rows) == multiset(expected), "conditions \(first) and \(second)")
        }
    }

    @Test("CASE and COALESCE evaluate only what is reached")
    func branches() async throws {
        let sample = Sample(rows: 5000, seed: 11)
        let a = sample.expr("a")
        let safe = Expr.conditional(
            [
                (call(Fn.compare("=", .int8), a, number(0)), number(-1)),
                (.isNull(a), .literal(.null(.int8))),
            ], otherwise: call(Fn.divide, number(12), a), .int8)
        let first = Expr.coalesce([a, sample.expr("b"), number(7)], .int8)
        let texts = Expr.conditional(
            [(call(Fn.compare("<", .int8), a, number(1)), sample.expr("c"))], otherwise: sample.expr("d"), .text)
        let out = [safe, first, texts].enumerated().map {
            LogicalPlan.Output(PlanColumn(id: ColumnID(100 + $0.offset), name: "x", type: $0.element.type), $0.element)
        }
        let expected = sample.rows.map { row -> [Scalar] in
            let x = row[0].int
            return [
                x.map { .int8($0 == 0 ? -1 : 12 / $0) } ?? .null(.int8),
                .int8(x ?? row[1].int ?? 7),
                (x ?? 9) < 1 ? row[2] : row[3],
            ]
        }
        #expect(multiset(try await execute(.project(sample.scan(), out))) == multiset(expected))
    }

    @Test("a division by zero that a row reaches stops the query with 22012")
    func divisionByZero() async throws {
        let sample = Sample(rows: 5000, seed: 3)
        let out = LogicalPlan.Output(
            PlanColumn(id: ColumnID(100), name: "x", type: .int8), call(Fn.divide, number(1), sample.expr("a")))
        await #expect(throws: SQLError(.divisionByZero, "division by zero")) {
            try await execute(.project(sample.scan(), [out]))
        }
    }

    @Test(
        "LIMIT and OFFSET give the number of rows asked for",
        arguments: [(0, 0), (10, 0), (5000, 100), (10, 6990), (1, 9000)])
    func limits(limit: Int, offset: Int) async throws {
        let sample = Sample(rows: 7000, seed: 5)
        let node = LogicalPlan.LimitNode(
            input: sample.scan(), limit: number(Int64(limit)), offset: number(Int64(offset)))
        let rows = try await execute(.limit(node))
        #expect(rows.count == max(0, min(limit, 7000 - offset)))
    }

    @Test("VALUES gives its rows in order")
    func values() async throws {
        let column = PlanColumn(id: ColumnID(1), name: "x", type: .int8)
        let rows = (0..<5000).map { [Expr.literal(.int8(Int64($0)))] }
        let result = try await execute(.values(LogicalPlan.Values(columns: [column], rows: rows)))
        #expect(result.map { $0[0].int } == (0..<5000).map { Int64($0) })
        let one = try await execute(.values(LogicalPlan.Values(columns: [], rows: [[]])))
        #expect(one == [[]])
    }
}

extension Scalar {
    var int: Int64? { if case .int(let number) = value { number } else { nil } }
    var string: String? { if case .string(let text) = value { text } else { nil } }
}
