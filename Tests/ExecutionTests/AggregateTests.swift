import Columns
import Diagnostics
import Functions
import Planner
import Testing

@Suite("Grouping")
struct AggregateTests {
    /// Groups by columns, with count, sum(a), min(d).
    private func plan(
        _ sample: Sample, _ keys: [String], sets: [[Int]]? = nil, calls: [AggregateCall]? = nil,
        input: LogicalPlan? = nil
    ) -> LogicalPlan {
        let groups = keys.enumerated().map {
            LogicalPlan.Output(
                PlanColumn(id: ColumnID(100 + $0.offset), name: $0.element, type: sample[$0.element].type),
                sample.expr($0.element))
        }
        let all =
            calls ?? [
                AggregateCall(function: Fn.count, arguments: []),
                AggregateCall(function: Fn.sum, arguments: [sample.expr("a")]),
                AggregateCall(function: Fn.minText, arguments: [sample.expr("d")]),
            ]
        let named = all.enumerated().map {
            (PlanColumn(id: ColumnID(200 + $0.offset), name: "x", type: $0.element.function.resultType), $0.element)
        }
        let setColumn = sets.map { _ in PlanColumn(id: ColumnID(300), name: "set", type: .int4) }
        return .aggregate(
            LogicalPlan.AggregateNode(
                input: input ?? sample.scan(), groups: groups, sets: sets, setColumn: setColumn, calls: named))
    }

    private func reference(_ rows: [[Scalar]], _ keys: [Int]) -> [[Scalar]] {
        var order: [[String]: Int] = [:]
        var groups: [(key: [Scalar], count: Int64, sum: Int64?, least: String?)] = []
        if keys.isEmpty { groups.append(([], 0, nil, nil)) }
        for row in rows {
            let key = keys.map { row[$0] }
            let text = key.map { scalar -> String in
                if case .double(let number) = scalar.value, number == 0 { return "0" }
                return "\(scalar.value)"
            }
            let index = keys.isEmpty ? 0 : order[text] ?? groups.count
            if index == groups.count {
                order[text] = index
                groups.append((key, 0, nil, nil))
            }
            groups[index].count += 1
            if let a = row[0].int { groups[index].sum = (groups[index].sum ?? 0) + a }
            if let d = row[3].string { groups[index].least = min(groups[index].least ?? d, d) }
        }
        return groups.map {
            $0.key + [
                .int8($0.count), $0.sum.map { .int8($0) } ?? .null(.int8), $0.least.map { .text($0) } ?? .null(.text),
            ]
        }
    }

    @Test(
        "groups by any keys equal a dictionary's",
        arguments: [
            [], ["a"], ["c"], ["b"], ["d"], ["g"], ["f"], ["a", "c"], ["c", "g"], ["e", "a", "c", "f"], ["b", "d"],
        ],
        [1, 2])
    func groups(keys: [String], threads: Int) async throws {
        for seed: UInt64 in 1...2 {
            let sample = Sample(rows: 4000, seed: seed, nulls: seed == 1 ? 0 : 0.2, distinct: 900)
            let indexes = keys.map { key in Sample.types.firstIndex { $0.0 == key } ?? 0 }
            let rows = try await execute(plan(sample, keys), threads: threads)
            #expect(multiset(rows) == multiset(reference(sample.rows, indexes)), "seed \(seed)")
        }
    }

    @Test("many groups go through partitions", arguments: [["b"], ["d"], ["b", "c"]], [1, 2])
    func partitions(keys: [String], threads: Int) async throws {
        let sample = Sample(rows: 50_000, seed: 7, nulls: 0.01, distinct: 400_000)
        let indexes = keys.map { key in Sample.types.firstIndex { $0.0 == key } ?? 0 }
        let rows = try await execute(plan(sample, keys), threads: threads)
        #expect(multiset(rows) == multiset(reference(sample.rows, indexes)))
    }

    @Test("no rows: one row without keys, none with keys")
    func empty() async throws {
        let sample = Sample(rows: 100, seed: 1)
        let none = LogicalPlan.filter(sample.scan(), .literal(.boolean(false)))
        #expect(try await execute(plan(sample, [], input: none)) == [[.int8(0), .null(.int8), .null(.text)]])
        #expect(try await execute(plan(sample, ["a"], input: none)).isEmpty)
    }

    @Test("grouping sets give each set's groups, NULL elsewhere, and the set's number")
    func sets() async throws {
        let sample = Sample(rows: 5000, seed: 9)
        let sets = [[0, 1], [1], []]
        let rows = try await execute(plan(sample, ["a", "c"], sets: sets))
        var expected: [[Scalar]] = []
        for (number, members) in sets.enumerated() {
            for row in reference(sample.rows, members.map { [0, 2][$0] }) {
                var keys: [Scalar] = [.null(.int8), .null(.text)]
                for (position, member) in members.enumerated() { keys[member] = row[position] }
                expected.append(keys + row[members.count...] + [.int4(Int32(number))])
            }
        }
        #expect(multiset(rows) == multiset(expected))
    }

    @Test("DISTINCT, FILTER and ORDER BY inside aggregates", arguments: [1, 2])
    func modifiers(threads: Int) async throws {
        let sample = Sample(rows: 6000, seed: 21, distinct: 50)
        let (b, c, g) = (sample.expr("b"), sample.expr("c"), sample.expr("g"))
        let calls = [
            AggregateCall(function: Fn.count, arguments: [b], isDistinct: true),
            AggregateCall(function: Fn.sum, arguments: [b], isDistinct: true, filter: g),
            AggregateCall(function: Fn.count, arguments: [], filter: g),
            AggregateCall(
                function: Fn.stringAgg, arguments: [c], isDistinct: true, order: [SortKey(c, isDescending: true)]),
        ]
        let rows = try await execute(plan(sample, ["a"], calls: calls), threads: threads)
        var groups: [Scalar: [[Scalar]]] = [:]
        for row in sample.rows { groups[row[0], default: []].append(row) }
        let expected = groups.map { key, members -> [Scalar] in
            let isTrue = { (row: [Scalar]) in row[6].value == .bool(true) }
            let sums = Set(members.filter(isTrue).compactMap { $0[1].int })
            let words = Set(members.compactMap { $0[2].string }).sorted().reversed()
            return [
                key, .int8(Int64(Set(members.compactMap { $0[1].int }).count)),
                sums.isEmpty ? .null(.int8) : .int8(sums.reduce(0, +)), .int8(Int64(members.filter(isTrue).count)),
                words.isEmpty ? .null(.text) : .text(words.joined(separator: ",")),
            ]
        }
        #expect(multiset(rows) == multiset(expected))
    }

    @Test("SELECT DISTINCT keeps each row once")
    func distinct() async throws {
        let sample = Sample(rows: 8000, seed: 4)
        let out = ["a", "c"].map { LogicalPlan.Output(sample[$0], sample.expr($0)) }
        let rows = try await execute(.distinct(LogicalPlan.DistinctNode(input: .project(sample.scan(), out))))
        let expected = Set(sample.rows.map { [$0[0], $0[2]] })
        #expect(multiset(rows) == multiset(Array(expected)))
    }

    @Test("groups beyond the memory limit stop the query with 53200")
    func memoryLimit() async throws {
        let sample = Sample(rows: 30_000, seed: 2, distinct: 1_000_000)
        do {
            _ = try await execute(plan(sample, ["d"]), memory: 1 << 20)
            Issue.record("the limit was not noticed")
        } catch {
            #expect(error.state == .outOfMemory)
        }
    }
}
