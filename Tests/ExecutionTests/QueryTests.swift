// Plans with joins, sorts, set operations, shared and recursive queries, run by the scheduler on several threads.
import Columns
import Diagnostics
import Functions
import Planner
import Testing

@testable import Execution

@Suite("Joins, sorts, sets and recursion as plans")
struct QueryTests {
    let left = Sample(rows: 6000, seed: 1, distinct: 500)
    let right = Sample(rows: 3000, seed: 2, firstID: 100, distinct: 500)

    func join(_ kind: LogicalPlan.JoinKind, filterID: Int? = nil) -> LogicalPlan.Join {
        LogicalPlan.Join(
            kind: kind, left: left.scan(), right: right.scan(),
            keys: [LogicalPlan.JoinKey(left: left.expr("b"), right: right.expr("b"))],
            residual: [call(Fn.compare("<", .int4), left.expr("e"), right.expr("e"))], runtimeFilterID: filterID)
    }

    func pairs(_ matches: ([Scalar], [Scalar]) -> Bool) -> (pairs: [[Scalar]], left: [[Scalar]], right: [[Scalar]]) {
        var pairs: [[Scalar]] = []
        var unmatched: [[Scalar]] = []
        var matched = Set<Int>()
        var byKey: [Scalar: [Int]] = [:]
        for (index, row) in right.rows.enumerated() { byKey[row[1], default: []].append(index) }
        for row in left.rows {
            var found = false
            for index in byKey[row[1]] ?? [] where !row[1].isNull && matches(row, right.rows[index]) {
                pairs.append(row + right.rows[index])
                matched.insert(index)
                found = true
            }
            if !found { unmatched.append(row) }
        }
        return (pairs, unmatched, right.rows.enumerated().filter { !matched.contains($0.offset) }.map(\.element))
    }

    static func isLess(_ a: [Scalar], _ b: [Scalar]) -> Bool { (Scalar.compare(a[4], b[4]) ?? 0) < 0 }

    @Test("joins on several threads", arguments: 1...3)
    func joins(threads: Int) async throws {
        let want = pairs(Self.isLess)
        let leftNulls = left.columns.map { Scalar.null($0.type) }
        let rightNulls = right.columns.map { Scalar.null($0.type) }
        for kind in [LogicalPlan.JoinKind.inner, .left, .right, .full, .semi, .anti] {
            let rows = try await execute(.join(join(kind)), threads: threads)
            var expected: [[Scalar]]
            switch kind {
            case .semi:
                let gone = Set(want.left.map(rowKey))
                expected = left.rows.filter { !gone.contains(rowKey($0)) }
            case .anti: expected = want.left
            default:
                expected = want.pairs
                if kind == .left || kind == .full { expected += want.left.map { $0 + rightNulls } }
                if kind == .right || kind == .full { expected += want.right.map { leftNulls + $0 } }
            }
            #expect(multiset(rows) == multiset(expected), "\(kind)")
            guard kind == .semi || kind == .anti else { continue }
            var turned = join(kind)
            turned.buildsLeft = true
            let marked = try await execute(.join(turned), threads: threads)
            #expect(multiset(marked) == multiset(expected), "\(kind) that keeps its left side")
        }
    }

    @Test("pairs that never match are looked at in turns")
    func turns() async throws {
        // Every row of the one side is compared with every row of the other, in more than one turn.
        let (many, few) = (Sample(rows: 2500, seed: 5, firstID: 200), Sample(rows: 700, seed: 6, firstID: 300))
        let (a, b) = (many.expr("e"), few.expr("e"))
        let never = [call(Fn.compare("<", .int4), a, b), call(Fn.compare("<", .int4), b, a)]
        let keys = [LogicalPlan.JoinKey(left: .literal(.int4(1)), right: .literal(.int4(1)))]
        for kind in [LogicalPlan.JoinKind.inner, .left, .semi, .anti] {
            for (hasKey, buildsLeft) in [(false, false), (true, false), (true, true)] {
                if buildsLeft, kind != .semi, kind != .anti { continue }
                var node = LogicalPlan.Join(
                    kind: kind, left: many.scan(), right: few.scan(), keys: hasKey ? keys : [], residual: never)
                node.buildsLeft = buildsLeft
                let rows = try await execute(.join(node))
                #expect(rows.count == (kind == .inner || kind == .semi ? 0 : many.rows.count), "\(kind)")
            }
        }
    }

    @Test("a full join over a union sees unmatched rows once")
    func unionBelowFullJoin() async throws {
        var node = join(.full)
        node.residual = []
        node.left = .setOperation(
            LogicalPlan.SetOperation(
                kind: .union, isAll: true, inputs: [left.scan(), left.scan()], columns: left.columns))
        let rows = try await execute(.join(node), threads: 3)
        var expected = pairs { _, _ in true }
        expected.pairs += expected.pairs
        let nulls = right.columns.map { Scalar.null($0.type) }
        let all =
            expected.pairs + (expected.left + expected.left).map { $0 + nulls }
            + expected.right.map { left.columns.map { Scalar.null($0.type) } + $0 }
        #expect(multiset(rows) == multiset(all))
    }

    @Test("runtime filters change nothing but the work")
    func runtimeFilters() async throws {
        var node = join(.inner, filterID: 5)
        node.right = .filter(right.scan(), call(Fn.compare("<", .int8), right.expr("b"), number(40)))
        node.residual = []
        let plain = try await execute(.join(node))
        guard case .scan(var scan) = left.scan() else { return }
        scan.runtimeFilters = [LogicalPlan.RuntimeFilterTarget(joinID: 5, key: 0, column: left["b"])]
        node.left = .scan(scan)
        #expect(multiset(try await execute(.join(node))) == multiset(plain))
    }

    @Test("a projection above a join takes only its columns")
    func pruned() async throws {
        var node = join(.inner)
        node.residual = []
        let out = PlanColumn(id: ColumnID(900), name: "n", type: .int8)
        let sum = LogicalPlan.AggregateNode(
            input: .join(node), groups: [], calls: [(out, AggregateCall(function: Fn.count, arguments: []))])
        let rows = try await execute(.aggregate(sum))
        #expect(rows == [[.int8(Int64(pairs { _, _ in true }.pairs.count))]])
        let sorted = LogicalPlan.sort(.join(node), [SortKey(left.expr("b")), SortKey(right.expr("e"))])
        let projected = try await execute(.project(sorted, [LogicalPlan.Output(left["a"], left.expr("a"))]))
        #expect(projected.count == pairs { _, _ in true }.pairs.count)
        #expect(projected.first?.count == 1)
    }

    @Test("ORDER BY gives rows in order, LIMIT the first ones")
    func sorts() async throws {
        let keys = [SortKey(left.expr("c"), isDescending: true, nullsFirst: true), SortKey(left.expr("b"))]
        let rows = try await execute(.sort(left.scan(), keys))
        #expect(multiset(rows) == multiset(left.rows))
        func isInOrder(_ rows: [[Scalar]]) -> Bool {
            zip(rows, rows.dropFirst()).allSatisfy { a, b in
                if a[2] != b[2] { return a[2].isNull || !b[2].isNull && (Scalar.compare(a[2], b[2]) ?? 0) > 0 }
                return b[1].isNull || !a[1].isNull && (Scalar.compare(a[1], b[1]) ?? 0) <= 0
            }
        }
        #expect(isInOrder(rows))
        let top = try await execute(
            .limit(
                LogicalPlan.LimitNode(
                    input: left.scan(), limit: number(50), offset: number(10), order: keys)), threads: 3)
        #expect(top.map { rowKey(Array($0[1...2])) } == rows[10..<60].map { rowKey(Array($0[1...2])) })
    }

    @Test("UNION, INTERSECT and EXCEPT, with ALL and without")
    func sets() async throws {
        func narrow(_ sample: Sample) -> LogicalPlan {
            .project(sample.scan(), ["a", "c"].map { LogicalPlan.Output(sample[$0], sample.expr($0)) })
        }
        func counts(_ sample: Sample) -> [String: Int] {
            Dictionary(sample.rows.map { (rowKey([$0[0], $0[2]]), 1) }, uniquingKeysWith: +)
        }
        let small = Sample(rows: 40, seed: 9, firstID: 300)
        let columns = [
            PlanColumn(id: ColumnID(800), name: "a", type: .int8),
            PlanColumn(id: ColumnID(801), name: "c", type: .text),
        ]
        let (x, y) = (counts(left), counts(small))
        for kind in [LogicalPlan.SetOperator.union, .intersect, .except] {
            for isAll in [false, true] {
                let node = LogicalPlan.SetOperation(
                    kind: kind, isAll: isAll, inputs: [narrow(left), narrow(small)], columns: columns)
                let rows = try await execute(.setOperation(node), threads: 3)
                var got: [String: Int] = [:]
                for row in rows { got[rowKey(row), default: 0] += 1 }
                var want: [String: Int] = [:]
                for key in Set(x.keys).union(y.keys) {
                    let (a, b) = (x[key] ?? 0, y[key] ?? 0)
                    switch kind {
                    case .union: want[key] = isAll ? a + b : 1
                    case .intersect: want[key] = isAll ? min(a, b) : (a > 0 && b > 0 ? 1 : 0)
                    case .except: want[key] = isAll ? max(0, a - b) : (a > 0 && b == 0 ? 1 : 0)
                    }
                }
                #expect(got == want.filter { $0.value > 0 }, "\(kind) \(isAll)")
            }
        }
    }

    @Test("a WITH query is computed once and read twice")
    func with() async throws {
        func scan(_ first: Int) -> LogicalPlan.CTEScan {
            LogicalPlan.CTEScan(
                id: 1, name: "t",
                columns: left.columns.enumerated().map {
                    PlanColumn(id: ColumnID(first + $0.offset), name: $0.element.name, type: $0.element.type)
                })
        }
        let (a, b) = (scan(400), scan(500))
        let body = LogicalPlan.join(
            LogicalPlan.Join(
                kind: .semi, left: .cteScan(a), right: .cteScan(b),
                keys: [LogicalPlan.JoinKey(left: .column(a.columns[1]), right: .column(b.columns[1]))]))
        let definition = LogicalPlan.filter(
            left.scan(), call(Fn.compare("<", .int8), left.expr("b"), number(100)))
        let rows = try await execute(.with(id: 1, definition: definition, body: body), threads: 2)
        let want = left.rows.filter { row in
            if case .int(let number) = row[1].value { return number < 100 }
            return false
        }
        #expect(multiset(rows) == multiset(want))
    }

    /// n := 1; n + 1 while n < last, joined with a table in each step when asked for.
    func counting(to last: Int64, isAll: Bool, through table: LogicalPlan? = nil) -> LogicalPlan {
        let n = PlanColumn(id: ColumnID(700), name: "n", type: .int8)
        let m = PlanColumn(id: ColumnID(701), name: "n", type: .int8)
        let next = PlanColumn(id: ColumnID(702), name: "n", type: .int8)
        let base = LogicalPlan.values(
            LogicalPlan.Values(columns: [PlanColumn(id: ColumnID(703), name: "n", type: .int8)], rows: [[number(1)]]))
        var input = LogicalPlan.filter(
            .cteScan(LogicalPlan.CTEScan(id: 3, name: "r", columns: [m])),
            call(Fn.compare("<", .int8), .column(m), number(last)))
        if let table {
            input = .join(
                LogicalPlan.Join(
                    kind: .semi, left: input, right: table,
                    keys: [LogicalPlan.JoinKey(left: .column(m), right: right.expr("b"))]))
        }
        let step = LogicalPlan.project(
            input, [LogicalPlan.Output(next, call(Fn.add, .column(m), number(1)))])
        return .recursive(LogicalPlan.Recursive(id: 3, isAll: isAll, base: base, step: step, columns: [n]))
    }

    @Test("WITH RECURSIVE counts, joins, and ends")
    func recursion() async throws {
        for isAll in [true, false] {
            let rows = try await execute(counting(to: 300, isAll: isAll), threads: 2)
            #expect(rows == (1...300).map { [Scalar.int8(Int64($0))] })
            let joined = try await execute(
                counting(to: 300, isAll: isAll, through: right.scan()), threads: 2, memory: 3 << 20)
            let known = Set(
                right.rows.compactMap { row -> Int64? in
                    if case .int(let value) = row[1].value { return value }
                    return nil
                })
            let want = 1 + (1..<300).prefix { known.contains(Int64($0)) }.count
            #expect(joined.count == want)
        }
    }

    @Test("UNION in WITH RECURSIVE stops at a fixpoint")
    func fixpoint() async throws {
        let n = PlanColumn(id: ColumnID(700), name: "n", type: .int8)
        let m = PlanColumn(id: ColumnID(701), name: "n", type: .int8)
        let base = LogicalPlan.values(
            LogicalPlan.Values(columns: [PlanColumn(id: ColumnID(703), name: "n", type: .int8)], rows: [[number(1)]]))
        let step = LogicalPlan.cteScan(LogicalPlan.CTEScan(id: 3, name: "r", columns: [m]))
        let plan = LogicalPlan.recursive(
            LogicalPlan.Recursive(id: 3, isAll: false, base: base, step: step, columns: [n]))
        #expect(try await execute(plan) == [[.int8(1)]])
    }

    @Test("generate_series streams; a limit ends it")
    func series() async throws {
        let one = LogicalPlan.values(LogicalPlan.Values(columns: [], rows: [[]]))
        func series(_ type: SQLType, _ arguments: [Scalar.Value]) -> LogicalPlan {
            var exprs = arguments.map { Expr.literal(Scalar(type, $0)) }
            if type == .timestamp, case .interval = arguments[2] {
                exprs[2] = .literal(Scalar(.interval, arguments[2]))
            }
            return .unnest(
                LogicalPlan.Unnest(
                    input: one, function: .generateSeries, arguments: exprs,
                    columns: [PlanColumn(id: ColumnID(600), name: "s", type: type)],
                    ordinality: PlanColumn(id: ColumnID(601), name: "o", type: .int8)))
        }
        let all = try await execute(series(.int8, [.int(5), .int(10_004), .int(1)]))
        #expect(all == (0..<10_000).map { [.int8(Int64($0) + 5), .int8(Int64($0) + 1)] })
        #expect(
            try await execute(series(.int4, [.int(5), .int(-5), .int(-5)])).map { $0[0] } == [
                .int4(5), .int4(0), .int4(-5),
            ])
        #expect(try await execute(series(.int8, [.int(.max - 1), .int(.max), .int(1)])).count == 2)
        #expect(try await execute(series(.int8, [.int(1), .null, .int(1)])).isEmpty)
        let endless = LogicalPlan.limit(
            LogicalPlan.LimitNode(
                input: series(.int8, [.int(0), .int(1_000_000_000_000), .int(1)]), limit: number(3000), offset: nil))
        #expect(try await execute(endless).count == 3000)
        let numerics = try await execute(
            series(
                .numeric,
                [
                    .numeric(mantissa: 10, scale: 1), .numeric(mantissa: 225, scale: 2),
                    .numeric(mantissa: 5, scale: 1),
                ]))
        #expect(numerics.map { $0[0].value } == [10, 15, 20].map { .numeric(mantissa: $0, scale: 1) })
        let day: Int64 = 86_400_000_000
        let times = try await execute(
            series(.timestamp, [.int(0), .int(2 * day), .interval(Interval(days: 1))]))
        #expect(times.map { $0[0].value } == [.int(0), .int(day), .int(2 * day)])
        await #expect(throws: SQLError.self) { _ = try await execute(series(.int8, [.int(1), .int(2), .int(0)])) }
    }

    @Test("unnest repeats rows, counts them, and keeps empty ones when asked to")
    func arrays() async throws {
        let array = PlanColumn(id: ColumnID(500), name: "a", type: .array(.int4))
        let item = PlanColumn(id: ColumnID(501), name: "i", type: .int4)
        let position = PlanColumn(id: ColumnID(502), name: "o", type: .int8)
        func list(_ items: [Int32]) -> Scalar { Scalar(.array(.int4), .array(items.map(Scalar.int4))) }
        let lists = [list([1, 2, 3]), list([]), .null(.array(.int4)), list(Array(0..<5000))]
        let input = LogicalPlan.values(
            LogicalPlan.Values(columns: [array], rows: lists.map { [.literal($0)] }))
        for keepsEmpty in [false, true] {
            let plan = LogicalPlan.unnest(
                LogicalPlan.Unnest(
                    input: input, function: .unnest, arguments: [.column(array)], columns: [item],
                    ordinality: position, keepsEmpty: keepsEmpty))
            let rows = try await execute(.project(plan, [item, position].map { LogicalPlan.Output($0, .column($0)) }))
            var want: [[Scalar]] = []
            for value in [1, 2, 3] { want.append([.int4(Int32(value)), .int8(Int64(value))]) }
            if keepsEmpty { want += [[.null(.int4), .null(.int8)], [.null(.int4), .null(.int8)]] }
            for value in 0..<5000 { want.append([.int4(Int32(value)), .int8(Int64(value + 1))]) }
            #expect(rows == want)
        }
    }
}
