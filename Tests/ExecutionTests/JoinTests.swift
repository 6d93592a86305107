// Joins of every kind against a nested loop over plain rows: random data, all key types, all layouts.
import Columns
import Diagnostics
import Functions
import Planner
import Testing

@testable import Execution

@Suite("Joins")
struct JoinTests {
    static let kinds: [LogicalPlan.JoinKind] = [.inner, .left, .right, .full, .semi, .anti, .mark]

    struct Case {
        var kind: LogicalPlan.JoinKind
        var keyTypes: [SQLType]
        var nullsEqual: [Bool]
        var hasResidual: Bool
        var left: [Batch]
        var right: [Batch]
        /// Keys, then an int8 payload that the residual compares.
        var leftColumns: [PlanColumn] { planColumns(keyTypes + [.int8]) }
        var rightColumns: [PlanColumn] { planColumns(keyTypes + [.int8], from: 100) }
    }

    static func shape(_ test: Case) -> JoinShape {
        let keys = test.keyTypes.indices.map {
            LogicalPlan.JoinKey(
                left: .column(test.leftColumns[$0]), right: .column(test.rightColumns[$0]),
                nullsEqual: test.nullsEqual[$0])
        }
        let width = test.keyTypes.count
        let condition = Expr.call(
            PairFunctions.less, [.column(test.leftColumns[width]), .column(test.rightColumns[width])])
        return JoinShape(
            kind: test.kind, left: test.leftColumns, right: test.rightColumns, keys: keys,
            residual: test.hasResidual ? [condition] : [],
            mark: test.kind == .mark ? PlanColumn(id: ColumnID(999), name: "mark", type: .boolean) : nil)
    }

    /// Semi and anti joins whose left side is kept.
    static func runTurned(_ test: Case) throws -> [[Scalar]] {
        let run = QueryRun.test()
        let plain = shape(test)
        let account = run.memory.account("join")
        var shape = JoinShape(
            kind: test.kind, left: plain.right, right: plain.left,
            keys: plain.keys.map { LogicalPlan.JoinKey(left: $0.right, right: $0.left, nullsEqual: $0.nullsEqual) },
            residual: plain.residual, output: plain.output)
        shape.isTurned = true
        let build = HashJoinBuild(shape, makesFilters: true, account: account)
        let marks = ExistenceMarks(build, shape, account: account)
        let sink = CollectingSink()
        try InlineExecution.run(
            [
                Pipeline(source: BatchesSource(test.left), sink: build),
                Pipeline(
                    source: BatchesSource(test.right), steps: [Step(marks)], sink: DiscardStage(), dependencies: [0]),
                Pipeline(source: ExistenceSource(marks), sink: sink, dependencies: [1]),
            ], run)
        return sink.rows
    }

    static func run(_ test: Case) throws -> [[Scalar]] {
        let run = QueryRun.test()
        let shape = shape(test)
        let sink = CollectingSink()
        if test.keyTypes.isEmpty {
            let build = NestedLoopBuild(shape, account: run.memory.account("join"))
            try InlineExecution.run(
                [
                    Pipeline(source: BatchesSource(test.right), sink: build),
                    Pipeline(
                        source: BatchesSource(test.left), steps: [Step(NestedLoopProbe(build, shape))], sink: sink,
                        dependencies: [0]),
                ], run)
        } else {
            let build = HashJoinBuild(shape, makesFilters: true, account: run.memory.account("join"))
            try InlineExecution.run(
                [
                    Pipeline(source: BatchesSource(test.right), sink: build),
                    Pipeline(
                        source: BatchesSource(test.left), steps: [Step(HashJoinProbe(build, shape))], sink: sink,
                        dependencies: [0]),
                ], run)
        }
        return sink.rows
    }

    /// Values that are identical when SQL holds them equal.
    static func comparable(_ row: [Scalar]) -> [Scalar] {
        row.map { scalar in
            if case .char = scalar.type, case .string(let text) = scalar.value {
                return Scalar(scalar.type, .string(String(text.reversed().drop { $0 == " " }.reversed())))
            }
            return Scalar(scalar.type, scalar.equalityKey)
        }
    }

    /// Nil: unknown.
    static func truth(_ test: Case, _ left: [Scalar], _ right: [Scalar]) -> Bool? {
        var result: Bool? = true
        for key in test.keyTypes.indices {
            let (a, b) = (left[key], right[key])
            var equal: Bool? = a.isNull || b.isNull ? nil : a.value == b.value
            if test.nullsEqual[key], a.isNull || b.isNull { equal = a.isNull && b.isNull }
            if equal == false { return false }
            if equal == nil { result = nil }
        }
        if test.hasResidual {
            let (a, b) = (left[test.keyTypes.count], right[test.keyTypes.count])
            let less: Bool? = a.isNull || b.isNull ? nil : (Scalar.compare(a, b) ?? 0) < 0
            if less == false { return false }
            if less == nil { result = nil }
        }
        return result
    }

    static func expected(_ test: Case) -> [[Scalar]] {
        let (left, right) = (test.left.rows, test.right.rows)
        let (leftKeys, rightKeys) = (left.map(comparable), right.map(comparable))
        var out: [[Scalar]] = []
        var matched = Set<Int>()
        let leftNulls = test.leftColumns.map { Scalar.null($0.type) }
        let rightNulls = test.rightColumns.map { Scalar.null($0.type) }
        for (number, row) in left.enumerated() {
            var pairs: [Int] = []
            var isUnknown = false
            for index in right.indices {
                switch truth(test, leftKeys[number], rightKeys[index]) {
                case true?: pairs.append(index)
                case nil: isUnknown = true
                case false?: break
                }
            }
            matched.formUnion(pairs)
            switch test.kind {
            case .inner, .right: out += pairs.map { row + right[$0] }
            case .left, .full, .single:
                out += pairs.isEmpty ? [row + rightNulls] : pairs.map { row + right[$0] }
            case .semi: if !pairs.isEmpty { out.append(row) }
            case .anti: if pairs.isEmpty { out.append(row) }
            case .mark:
                out.append(row + [!pairs.isEmpty ? .boolean(true) : isUnknown ? .null(.boolean) : .boolean(false)])
            }
        }
        if test.kind == .right || test.kind == .full {
            for (index, row) in right.enumerated() where !matched.contains(index) { out.append(leftNulls + row) }
        }
        return out
    }

    static func check(_ test: Case, _ note: String) throws {
        let (got, want) = (bag(try run(test)), bag(expected(test)))
        #expect(got.count == want.count, "\(note)")
        if got != want { Issue.record("rows differ: \(note)") }
        guard test.kind == .semi || test.kind == .anti, !test.keyTypes.isEmpty else { return }
        let turned = bag(try runTurned(test))
        if turned != want { Issue.record("rows of the turned join differ: \(note)") }
    }

    @Test("every kind agrees with a nested loop over every key type", arguments: kinds)
    func oneKey(kind: LogicalPlan.JoinKind) throws {
        for (number, type) in RandomRows.keyTypes.enumerated() {
            for variant in 0..<6 {
                let seed = UInt64(number * 100 + variant + 1)
                var random = RandomRows(seed)
                let nulls = variant % 3 == 0 ? 0 : 0.2
                let distinct = [2, 20, 400][variant % 3]
                let test = Case(
                    kind: kind, keyTypes: [type], nullsEqual: [variant == 4], hasResidual: variant >= 3,
                    left: random.batches([type, .int8], rows: 150, distinct: distinct, nulls: nulls),
                    right: random.batches(
                        [type, .int8], rows: [0, 100, 60, 1, 80, 120][variant], distinct: distinct, nulls: nulls))
                try Self.check(test, "\(kind) \(type) variant \(variant) seed \(seed)")
            }
        }
    }

    @Test("several keys, exact and three-valued, with and without residual", arguments: kinds)
    func severalKeys(kind: LogicalPlan.JoinKind) throws {
        let sets: [[SQLType]] = [
            [.int4, .int8], [.text, .int4], [.date, .boolean, .int2], [.numeric, .char(8)], [.int8, .int8],
        ]
        for (number, types) in sets.enumerated() {
            for variant in 0..<8 {
                let seed = UInt64(7000 + number * 100 + variant)
                var random = RandomRows(seed)
                let equal = types.indices.map { variant & 1 == 1 && $0 == 0 || variant == 6 }
                let test = Case(
                    kind: kind, keyTypes: types, nullsEqual: equal, hasResidual: variant >= 4,
                    left: random.batches(types + [.int8], rows: 100, distinct: 6, nulls: variant & 2 == 0 ? 0.15 : 0),
                    right: random.batches(
                        types + [.int8], rows: 80, distinct: 6, nulls: variant & 2 == 0 ? 0.1 : 0))
                try Self.check(test, "\(kind) \(types) variant \(variant) seed \(seed)")
            }
        }
    }

    @Test("joins without keys: nested loops", arguments: kinds)
    func noKeys(kind: LogicalPlan.JoinKind) throws {
        for (number, rows) in [0, 1, 7, 300, 2500].enumerated() {
            for hasResidual in [false, true] where rows < 2500 || hasResidual || kind == .semi {
                let seed = UInt64(9000 + number)
                var random = RandomRows(seed)
                let test = Case(
                    kind: kind, keyTypes: [], nullsEqual: [], hasResidual: hasResidual,
                    left: random.batches([.int8], rows: 60, distinct: 30, nulls: 0.1),
                    right: random.batches([.int8], rows: rows, distinct: 30, nulls: 0.1))
                try Self.check(test, "\(kind) nested \(rows) residual \(hasResidual) seed \(seed)")
            }
        }
    }

    @Test("a single join gives the one match, NULLs without one, and fails on a second")
    func single() throws {
        func column(_ values: [Int64?]) -> Column {
            let builder = ColumnBuilder(.int8)
            for value in values { if let value { builder.append(value) } else { builder.appendNull() } }
            return builder.finish()
        }
        func test(_ right: [Int64?], _ residual: Bool) -> Case {
            Case(
                kind: .single, keyTypes: [.int8], nullsEqual: [false], hasResidual: residual,
                left: [Batch([column([1, 2, nil, 4]), column([0, 0, 0, 0])], rows: 4)],
                right: [Batch([column(right), column(right.map { _ in 9 })], rows: right.count)])
        }
        for residual in [false, true] {
            try Self.check(test([2, 3, nil, 4], residual), "single")
            #expect(throws: JoinShape.severalRows) { _ = try Self.run(test([2, 3, 3, 2], residual)) }
            try Self.check(test([3, 3, 7], residual), "single, unprobed duplicates")
        }
    }

    @Test("many duplicates expand in batches")
    func expansion() throws {
        var random = RandomRows(5)
        let test = Case(
            kind: .full, keyTypes: [.int4], nullsEqual: [false], hasResidual: false,
            left: random.batches([.int4, .int8], rows: 500, distinct: 3, nulls: 0.1, batchRows: 500),
            right: random.batches([.int4, .int8], rows: 400, distinct: 3, nulls: 0.1, batchRows: 400))
        try Self.check(test, "expansion")
    }

    @Test("a runtime filter keeps every row that has a match")
    func runtimeFilters() throws {
        for (number, type) in RandomRows.keyTypes.enumerated() {
            var random = RandomRows(UInt64(number + 31))
            let build = Flatten.flat(random.column(type, rows: 200, distinct: 60, nulls: 0.1))
            let filter = RuntimeFilter(build)
            let probe = filter.probe()
            for _ in 0..<6 {
                let column = random.column(type, rows: 300, distinct: 200, nulls: 0.1)
                let kept = probe.select(column, rows: 300)
                let passed = kept.map { Set((0..<$0.count).map { Int(kept!.rows[$0]) }) } ?? Set(0..<300)
                for row in 0..<300 where !passed.contains(row) && column.isValid(row) {
                    for other in 0..<200 where build.isValid(other) {
                        #expect(KeyCompare.compare(column, row, build, other, KeyOrder()) != 0, "\(type)")
                    }
                }
            }
        }
    }
}
