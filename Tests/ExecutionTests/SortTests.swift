// Sorts, top-N and DISTINCT ON against a sort of plain rows.
import Columns
import Planner
import Testing

@testable import Execution

@Suite("Sorts")
struct SortTests {
    static func run(_ plan: SortPlan, _ batches: [Batch]) throws -> [[Scalar]] {
        let run = QueryRun.test()
        let stage = SortStage(plan, account: run.memory.account("sort"))
        let sink = CollectingSink()
        try InlineExecution.run(
            [
                Pipeline(source: BatchesSource(batches), sink: stage),
                Pipeline(source: SortedSource(stage), sink: sink, dependencies: [0], isSerial: true),
            ], run)
        return sink.rows
    }

    static func columns(_ batches: [Batch], _ types: [SQLType]) -> [Column] {
        Batch.concatenate(batches, types: types).columns
    }

    static func plan(_ types: [SQLType], _ random: inout RandomRows) -> SortPlan {
        let columns = planColumns(types)
        return SortPlan(
            input: columns,
            keys: columns.dropLast().map {
                SortKey(
                    .column($0), isDescending: Bool.random(using: &random.numbers),
                    nullsFirst: Bool.random(using: &random.numbers))
            })
    }

    @Test("every type, any direction, several keys")
    func types() throws {
        for (number, type) in RandomRows.keyTypes.enumerated() {
            for variant in 0..<8 {
                let seed = UInt64(number * 50 + variant + 1)
                var random = RandomRows(seed)
                let types: [SQLType] =
                    [[type], [type, .int4], [.text, type], [type, .numeric, .text]][variant % 4] + [.int8]
                let rows = [300, 900][variant / 4]
                let batches = random.batches(types, rows: rows, distinct: 50, nulls: 0.1, batchRows: 700)
                let plan = Self.plan(types, &random)
                let note = "\(types) variant \(variant) seed \(seed)"
                let all = Self.columns(batches, types)
                let order = (0..<rows).sorted {
                    let result = KeyCompare.compare(Array(all.dropLast()), $0, Array(all.dropLast()), $1, plan.orders)
                    return result != 0 ? result < 0 : $0 < $1
                }
                let want = order.map { row in rowKey(all.map { $0.scalar(row) }) }
                let got = try Self.run(plan, batches).map(rowKey)
                #expect(got == want, "\(note)")

                var top = plan
                top.limit = [0, 1, 20, 700][variant % 4]
                top.offset = [0, 5][variant / 4]
                let first = try Self.run(top, batches).map(rowKey)
                #expect(first.count == min(top.limit ?? 0, rows - top.offset), "\(note)")
                // Rows that tie may be any of them: compare the keys.
                let sortedKeys = order.map { row in rowKey(all.dropLast().map { $0.scalar(row) }) }
                let keyOf = Dictionary(zip(want, sortedKeys)) { first, _ in first }
                let wantedKeys = Array(sortedKeys[top.offset..<min(rows, top.offset + (top.limit ?? 0))])
                #expect(first.compactMap { keyOf[$0] } == wantedKeys, "top \(note)")

                top.withTies = true
                let ties = try Self.run(top, batches).map(rowKey)
                var end = min(rows, top.offset + (top.limit ?? 0))
                while end > top.offset, end < rows,
                    KeyCompare.compare(
                        Array(all.dropLast()), order[end], Array(all.dropLast()), order[end - 1], plan.orders) == 0
                { end += 1 }
                #expect(bag(ties) == bag(Array(want[top.offset..<max(top.offset, end)])), "ties \(note)")
            }
        }
    }

    @Test("top-N over many batches keeps the right rows")
    func manyRows() throws {
        var random = RandomRows(99)
        let types: [SQLType] = [.int4, .text, .int8]
        let batches = random.batches(types, rows: 40_000, distinct: 1 << 20, nulls: 0.01, batchRows: 2048)
        var plan = Self.plan(types, &random)
        let all = try Self.run(plan, batches).map(rowKey)
        plan.limit = 100
        plan.offset = 7
        #expect(try Self.run(plan, batches).map(rowKey) == Array(all[7..<107]))
    }

    @Test("full 64-bit keys and long runs of equal prefixes")
    func wide() throws {
        var random = RandomRows(3)
        let builder = ColumnBuilder(.int8)
        let text = ColumnBuilder(.text)
        for _ in 0..<20_000 {
            builder.append(Int64(bitPattern: random.numbers.next()))
            text.append("the very same long prefix \(Int.random(in: 0..<4000, using: &random.numbers))")
        }
        let columns = [builder.finish(), text.finish()]
        let batches = stride(from: 0, to: 20_000, by: 2000).map {
            Batch(columns, rows: 20_000).slice(from: $0, count: 2000)
        }
        for key in 0..<2 {
            let input = planColumns([.int8, .text])
            let plan = SortPlan(input: input, keys: [SortKey(.column(input[key]), isDescending: key == 1)])
            let got = try Self.run(plan, batches)
            for index in 1..<got.count {
                let order = Scalar.compare(got[index - 1][key], got[index][key]) ?? 0
                #expect(key == 1 ? order >= 0 : order <= 0)
            }
            #expect(got.count == 20_000)
        }
    }

    @Test("DISTINCT ON keeps the first row of each group")
    func distinctOn() throws {
        var random = RandomRows(17)
        let types: [SQLType] = [.text, .int4, .int8]
        let batches = random.batches(types, rows: 2000, distinct: 30, nulls: 0.1)
        var plan = Self.plan(types, &random)
        let all = try Self.run(plan, batches)
        plan.distinct = [.column(plan.input[0])]
        let got = try Self.run(plan, batches)
        var seen = Set<String>()
        let want = all.filter { seen.insert(rowKey([$0[0]])).inserted }
        #expect(got.map { rowKey(Array($0[..<2])) } == want.map { rowKey(Array($0[..<2])) })
    }
}

func bag(_ rows: [String]) -> [String] { rows.sorted() }
