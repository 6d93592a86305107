// Window functions against a computation by definition, over random partitions, orders and frames.
import Columns
import Functions
import Planner
import Testing

@testable import Execution

@Suite("Windows")
struct WindowTests {
    static let columns = planColumns([.int4, .int8, .int8])
    static let order = SortKey(.column(columns[1]))

    static func run(
        _ batches: [Batch], _ calls: [WindowCall], order: [SortKey] = [order], columns: [PlanColumn] = columns,
        slidingMin: Int = WindowAggregate.rowsPerFrameMin
    ) throws -> [[Scalar]] {
        let run = QueryRun.test()
        var plan = WindowPlan(
            input: columns, kept: columns, partition: [.column(columns[0])], order: order,
            calls: calls.enumerated().map { (PlanColumn(id: ColumnID(50 + $0), name: "w\($0)", type: $1.type), $1) })
        plan.slidingMin = slidingMin
        let stage = WindowStage(plan, account: run.memory.account("window"))
        let sink = CollectingSink()
        try InlineExecution.run(
            [
                Pipeline(source: BatchesSource(batches), sink: stage),
                Pipeline(source: WindowSource(stage), sink: sink, dependencies: [0]),
            ], run)
        return sink.rows
    }

    static func number(_ scalar: Scalar) -> Int64? {
        if case .int(let value) = scalar.value { return value }
        return nil
    }

    /// Rows come out partition by partition in order, so the output itself says what frames hold.
    static func partitions(_ rows: [[Scalar]]) -> [[[Scalar]]] {
        var all: [[[Scalar]]] = []
        for row in rows {
            if let last = all.last?.last, last[0] == row[0] {
                all[all.count - 1].append(row)
            } else {
                all.append([row])
            }
        }
        return all
    }

    static func offset(_ bound: WindowFrame.Bound) -> Int? {
        switch bound {
        case .preceding(.literal(let scalar)): -Int(number(scalar) ?? 0)
        case .following(.literal(let scalar)): Int(number(scalar) ?? 0)
        case .currentRow: 0
        default: nil
        }
    }

    /// Positions of a row's frame in its partition.
    static func frame(_ frame: WindowFrame, _ part: [[Scalar]], _ row: Int) -> [Int] {
        let keys = part.map { number($0[1]) }
        var groups: [Int] = []
        for index in keys.indices {
            groups.append(index == 0 ? 0 : groups[index - 1] + (keys[index] == keys[index - 1] ? 0 : 1))
        }
        func isInside(_ other: Int) -> Bool {
            func distance(_ bound: WindowFrame.Bound, _ compare: (Int, Int) -> Bool) -> Bool {
                switch bound {
                case .unboundedPreceding, .unboundedFollowing: return true
                default: break
                }
                let limit = offset(bound) ?? 0
                switch frame.mode {
                case .rows: return compare(other - row, limit)
                case .groups: return compare(groups[other] - groups[row], limit)
                case .range:
                    if case .currentRow = bound { return compare(groups[other] - groups[row], 0) }
                    // NULLs come last: after every bound of the others, and at the bounds of their own.
                    guard let a = keys[row] else { return compare(keys[other] == nil ? 0 : -1, 0) }
                    guard let b = keys[other] else { return compare(1, 0) }
                    return compare(Int(b - a), limit)
                }
            }
            return distance(frame.start, >=) && distance(frame.end, <=)
        }
        return part.indices.filter { other in
            guard isInside(other) else { return false }
            switch frame.exclusion {
            case .noOthers: return true
            case .currentRow: return other != row
            case .group: return groups[other] != groups[row]
            case .ties: return other == row || groups[other] != groups[row]
            }
        }
    }

    static func frames(_ random: inout RandomRows) -> WindowFrame {
        let mode = [WindowFrame.Mode.rows, .range, .groups].randomElement(using: &random.numbers) ?? .rows
        func offset(_ random: inout RandomRows) -> Expr {
            .literal(.int8(Int64.random(in: 0...4, using: &random.numbers)))
        }
        let bounds: [WindowFrame.Bound] = [
            .unboundedPreceding, .preceding(offset(&random)), .currentRow, .following(offset(&random)),
            .unboundedFollowing,
        ]
        let first = Int.random(in: 0...3, using: &random.numbers)
        let last = Int.random(in: max(1, first)...4, using: &random.numbers)
        let exclusion =
            [WindowFrame.Exclusion.noOthers, .noOthers, .currentRow, .group, .ties]
            .randomElement(using: &random.numbers) ?? .noOthers
        return WindowFrame(mode: mode, start: bounds[first], end: bounds[last], exclusion: exclusion)
    }

    @Test(
        "aggregates and frame functions over random frames", arguments: 1...60,
        [0, WindowAggregate.rowsPerFrameMin])
    func frames(seed: Int, slidingMin: Int) throws {
        var random = RandomRows(UInt64(seed))
        let batches = random.batches(
            [.int4, .int8, .int8], rows: 220, distinct: seed % 3 == 0 ? 2 : 12, nulls: seed % 2 == 0 ? 0.1 : 0)
        let frame = Self.frames(&random)
        let value = Expr.column(Self.columns[2])
        let calls = [
            WindowCall(function: .aggregate(Fn.sum), arguments: [value], frame: frame),
            WindowCall(function: .aggregate(Fn.count), arguments: [], frame: frame),
            WindowCall(function: .window(.firstValue, .int8), arguments: [value], frame: frame),
            WindowCall(function: .window(.lastValue, .int8), arguments: [value], frame: frame),
            WindowCall(
                function: .window(.nthValue, .int8), arguments: [value, .literal(.int4(2))], frame: frame),
            WindowCall(function: .window(.firstValue, .int8), arguments: [value], ignoresNulls: true, frame: frame),
            WindowCall(function: .window(.lastValue, .int8), arguments: [value], ignoresNulls: true, frame: frame),
            WindowCall(
                function: .aggregate(Fn.count), arguments: [], filter: .not(.isNull(value)), frame: frame),
        ]
        let rows = try Self.run(batches, calls, slidingMin: slidingMin)
        #expect(bag(rows.map { Array($0[..<3]) }) == bag(batches.rows))
        for part in Self.partitions(rows) {
            for (index, row) in part.enumerated() {
                let inside = Self.frame(frame, part, index)
                let values = inside.map { part[$0][2] }
                let numbers = values.compactMap(Self.number)
                let note = "seed \(seed) row \(index) \(frame)"
                #expect(Self.number(row[3]) == (numbers.isEmpty ? nil : numbers.reduce(0, +)), "sum \(note)")
                #expect(Self.number(row[4]) == Int64(inside.count), "count \(note)")
                #expect(Self.number(row[5]) == values.first.flatMap(Self.number), "first \(note)")
                #expect(Self.number(row[6]) == values.last.flatMap(Self.number), "last \(note)")
                #expect(Self.number(row[7]) == (values.count > 1 ? Self.number(values[1]) : nil), "nth \(note)")
                #expect(Self.number(row[8]) == numbers.first, "first ignoring NULLs \(note)")
                #expect(Self.number(row[9]) == numbers.last, "last ignoring NULLs \(note)")
                #expect(Self.number(row[10]) == Int64(numbers.count), "filtered count \(note)")
            }
        }
    }

    @Test("ranks, ntile, lag and lead")
    func ranks() throws {
        var random = RandomRows(77)
        let batches = random.batches([.int4, .int8, .int8], rows: 400, distinct: 9, nulls: 0.1)
        let value = Expr.column(Self.columns[2])
        func window(_ kind: WindowFunctionKind, _ type: SQLType, _ arguments: [Expr], _ ignoresNulls: Bool = false)
            -> WindowCall
        {
            WindowCall(function: .window(kind, type), arguments: arguments, ignoresNulls: ignoresNulls)
        }
        let two = Expr.literal(.int4(2))
        let calls = [
            window(.rowNumber, .int8, []), window(.rank, .int8, []), window(.denseRank, .int8, []),
            window(.percentRank, .float8, []), window(.cumeDist, .float8, []),
            window(.ntile, .int4, [.literal(.int4(3))]), window(.lag, .int8, [value]),
            window(.lead, .int8, [value, two]), window(.lag, .int8, [value, two, .literal(.int8(-77))]),
            window(.lead, .int8, [value], true), window(.lag, .int8, [value, two], true),
        ]
        let rows = try Self.run(batches, calls)
        for part in Self.partitions(rows) {
            let keys = part.map { Self.number($0[1]) }
            let size = part.count
            for (index, row) in part.enumerated() {
                let before = keys.firstIndex(of: keys[index]) ?? 0
                let last = keys.lastIndex(of: keys[index]) ?? 0
                #expect(Self.number(row[3]) == Int64(index + 1))
                #expect(Self.number(row[4]) == Int64(before + 1))
                #expect(Self.number(row[5]) == Int64(Set(keys[...index].map { $0.map(String.init) ?? "" }).count))
                #expect(row[6].value == .double(size > 1 ? Double(before) / Double(size - 1) : 0))
                #expect(row[7].value == .double(Double(last + 1) / Double(size)))
                let larger = size % 3, each = size / 3
                var (tile, left) = (1, index)
                while left >= each + (tile <= larger ? 1 : 0) {
                    left -= each + (tile <= larger ? 1 : 0)
                    tile += 1
                }
                #expect(Self.number(row[8]) == Int64(tile))
                #expect(Self.number(row[9]) == (index > 0 ? Self.number(part[index - 1][2]) : nil))
                #expect(Self.number(row[10]) == (index + 2 < size ? Self.number(part[index + 2][2]) : nil))
                #expect(Self.number(row[11]) == (index > 1 ? Self.number(part[index - 2][2]) : -77))
                #expect(Self.number(row[12]) == part[(index + 1)...].compactMap { Self.number($0[2]) }.first)
                let earlier = part[..<index].compactMap { Self.number($0[2]) }
                #expect(Self.number(row[13]) == (earlier.count > 1 ? earlier[earlier.count - 2] : nil))
            }
        }
    }

    @Test("a RANGE of days over dates, descending, with an interval")
    func dates() throws {
        let columns = planColumns([.int4, .date, .int8])
        let (group, day, value) = (ColumnBuilder(.int4), ColumnBuilder(.date), ColumnBuilder(.int8))
        for number in 0..<50 {
            group.append(Int32(0))
            day.append(Int32(19_700 + number * 3))
            value.append(Int64(1))
        }
        let batch = Batch([group.finish(), day.finish(), value.finish()], rows: 50)
        let week = Expr.literal(Scalar(.interval, .interval(Interval(days: 7))))
        for isDescending in [false, true] {
            let rows = try Self.run(
                [batch],
                [
                    WindowCall(
                        function: .aggregate(Fn.count), arguments: [],
                        frame: WindowFrame(mode: .range, start: .preceding(week), end: .currentRow))
                ], order: [SortKey(.column(columns[1]), isDescending: isDescending)], columns: columns)
            #expect(rows.map { Self.number($0[3]) } == (0..<50).map { Int64(min($0, 2) + 1) })
        }
    }

    @Test("running totals over a long partition")
    func long() throws {
        let (group, key) = (ColumnBuilder(.int4), ColumnBuilder(.int8))
        for number in 0..<5000 {
            group.append(Int32(0))
            key.append(Int64(number))
        }
        let columns = [group.finish(), key.finish()]
        let all = Batch([columns[0], columns[1], columns[1]], rows: 5000)
        let batches = stride(from: 0, to: 5000, by: 1000).map { all.slice(from: $0, count: 1000) }
        let value = Expr.column(Self.columns[2])
        let rows = try Self.run(
            batches,
            [
                WindowCall(function: .aggregate(Fn.sum), arguments: [value]),
                WindowCall(
                    function: .aggregate(Fn.sum), arguments: [value],
                    frame: WindowFrame(mode: .rows, start: .currentRow, end: .unboundedFollowing)),
            ])
        for (index, row) in rows.enumerated() {
            let n = Int64(index)
            #expect(Self.number(row[3]) == n * (n + 1) / 2)
            #expect(Self.number(row[4]) == 4999 * 5000 / 2 - n * (n - 1) / 2)
        }
    }
}
