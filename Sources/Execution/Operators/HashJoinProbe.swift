// The transform of an equality join: batches of the left side are looked up as a whole. Hot.
import Columns
import Diagnostics
import Planner

/// Joins batches of the left side with the kept right side.
final class HashJoinProbe: TransformStage {
    private let build: HashJoinBuild
    private let shape: JoinShape

    /// `shape` is the build's, with the columns of the left side.
    init(_ build: HashJoinBuild, _ shape: JoinShape) {
        self.build = build
        self.shape = shape
    }

    func expect(workers: Int) { build.matched.expect(workers: workers) }

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform {
        let table = try build.table()
        let lookup = try ProbeLookup(shape, table, build.tableKeys, run)
        if shape.isExistence { return try ExistenceProbe(shape, table, lookup, build.tableKeys, run) }
        return try PairProbe(
            shape, HashPairs(shape, table, lookup, run), right: table.columns, rightRows: table.rows, build.matched,
            run)
    }
}

/// Evaluates the left keys of a batch and finds the first candidates.
final class ProbeLookup {
    private let table: JoinTable
    private let evaluators: [any Evaluator]
    private let tableKeys: [Int]
    private let numbers = Scratch<UInt64>()
    private let candidates = Scratch<Int32>()
    private let flags = Scratch<UInt8>()
    /// All keys of the current batch.
    private(set) var keys: [Column] = []
    /// By row of the current batch: first candidate plus one, 0 for none.
    private(set) var heads: UnsafePointer<Int32>

    init(_ shape: JoinShape, _ table: JoinTable, _ tableKeys: [Int], _ run: QueryRun) throws(SQLError) {
        self.table = table
        self.tableKeys = tableKeys
        evaluators = try compile(shape.keys.map(\.left), ColumnLayout(shape.left), run)
        heads = UnsafePointer(candidates.room(1))
    }

    func begin(_ batch: Batch) throws(SQLError) {
        keys = []
        for evaluator in evaluators { keys.append(try evaluator.evaluate(batch)) }
        let out = numbers.room(max(1, batch.rows))
        let found = candidates.room(max(1, batch.rows))
        table.numbers(tableKeys.map { keys[$0] }, rows: batch.rows, into: out)
        table.find(out, rows: batch.rows, into: found)
        heads = UnsafePointer(found)
    }

    func end() { keys = [] }

    /// Keeps the pairs whose keys really are equal; returns how many.
    func verify(
        _ left: UnsafeMutablePointer<Int32>, _ right: UnsafeMutablePointer<Int32>, count: Int
    ) -> Int {
        guard !table.isExact, count > 0 else { return count }
        let pass = flags.room(count)
        pass.update(repeating: 1, count: count)
        for (index, key) in tableKeys.enumerated() {
            KeyEquality.match(
                keys[key], left, table.keys[index], right, count: count, nullsEqual: table.nullsEqual[index],
                into: pass)
        }
        return ProbeLookup.compact(left, right, count) { pass[$0] }
    }

    /// Keeps pairs whose flag is 1, without a branch.
    @inline(__always)
    static func compact(
        _ left: UnsafeMutablePointer<Int32>, _ right: UnsafeMutablePointer<Int32>, _ count: Int,
        _ flag: (Int) -> UInt8
    ) -> Int {
        var kept = 0
        for index in 0..<count {
            (left[kept], right[kept]) = (left[index], right[index])
            kept &+= Int(truncatingIfNeeded: flag(index) & 1)
        }
        return kept
    }
}

/// The pairs of an equality join.
private final class HashPairs: PairFinder {
    private let table: JoinTable
    private let lookup: ProbeLookup
    private let condition: PairCondition?
    let givesMissing: Bool
    private var row = 0
    /// The candidate of `row` to look at, plus one; 0: begin with the row.
    private var link: Int32 = 0
    private var rows = 0

    init(_ shape: JoinShape, _ table: JoinTable, _ lookup: ProbeLookup, _ run: QueryRun) throws(SQLError) {
        self.table = table
        self.lookup = lookup
        condition = try PairCondition(shape, run)
        givesMissing = shape.keepsLeft && table.isExact && condition == nil
    }

    var isUnique: Bool { table.isUnique }
    var isDone: Bool { row >= rows }

    func begin(_ batch: Batch) throws(SQLError) {
        try lookup.begin(batch)
        (row, link, rows) = (0, 0, batch.rows)
    }

    func end() { lookup.end() }

    func fill(
        _ batch: Batch, _ left: UnsafeMutablePointer<Int32>, _ right: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        var count = table.next.map { chained($0, left, right) } ?? single(left, right)
        if !table.isExact { count = lookup.verify(left, right, count: count) }
        if let condition, count > 0 {
            let truths = try condition.evaluate(batch.columns, left, table.columns, right, count: count)
            count = ProbeLookup.compact(left, right, count) { Truth.isYes(truths[$0]) }
        }
        return count
    }

    /// One candidate a row at most.
    private func single(_ left: UnsafeMutablePointer<Int32>, _ right: UnsafeMutablePointer<Int32>) -> Int {
        let heads = lookup.heads
        let (start, end) = (row, min(rows, row &+ Batch.rowsMax))
        row = end
        var count = 0
        if givesMissing {
            for at in start..<end {
                left[count] = Int32(truncatingIfNeeded: at)
                right[count] = heads[at] &- 1
                count &+= 1
            }
            return count
        }
        for at in start..<end {
            left[count] = Int32(truncatingIfNeeded: at)
            right[count] = heads[at] &- 1
            count &+= Int(truncatingIfNeeded: unsafeBitCast(heads[at] != 0, to: UInt8.self))
        }
        return count
    }

    private func chained(
        _ next: UnsafePointer<Int32>, _ left: UnsafeMutablePointer<Int32>, _ right: UnsafeMutablePointer<Int32>
    ) -> Int {
        let heads = lookup.heads
        let (total, addsMissing) = (rows, givesMissing)
        var (at, link, count) = (row, self.link, 0)
        while at < total, count < Batch.rowsMax {
            if link == 0 {
                link = heads[at]
                if link == 0 {
                    if addsMissing {
                        left[count] = Int32(truncatingIfNeeded: at)
                        right[count] = -1
                        count &+= 1
                    }
                    at &+= 1
                    continue
                }
            }
            left[count] = Int32(truncatingIfNeeded: at)
            right[count] = link &- 1
            count &+= 1
            link = next[Int(link &- 1)]
            if link == 0 { at &+= 1 }
        }
        (row, self.link) = (at, link)
        return count
    }
}
