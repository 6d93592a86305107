// Joins without equalities: every left row meets every right row, a batch of pairs at a time. Hot.
import Columns
import Diagnostics
import Planner
import Synchronization

/// Keeps the right side of a join without equalities.
final class NestedLoopBuild: SinkStage {
    let shape: JoinShape
    /// Rows that found a match, for right and full joins.
    let matched = MatchedRows()
    private let account: MemoryAccount
    private let state = Mutex<(stores: [RowStore], rows: Batch?)>(([], nil))

    init(_ shape: JoinShape, account: MemoryAccount) {
        self.shape = shape
        self.account = account
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Sink {
        let source = ColumnLayout(shape.right)
        var indexes: [Int] = []
        for column in shape.kept { indexes.append(try source.index(of: column)) }
        return Worker(self, indexes, RowStore(types: shape.kept.map(\.type), account: account), run)
    }

    func finish(_ run: QueryRun) throws(SQLError) {
        let stores = state.withLock { $0.stores }
        let rows = try RowStore.join(stores, types: shape.kept.map(\.type), run)
        state.withLock { $0 = ([], rows) }
    }

    /// The right rows, once finished.
    func rows() throws(SQLError) -> Batch {
        guard let rows = state.withLock({ $0.rows }) else {
            throw SQLError(.internalError, "a join is probed before its right side is kept")
        }
        return rows
    }

    private final class Worker: Sink {
        private let stage: NestedLoopBuild
        private let indexes: [Int]
        private let store: RowStore
        private let run: QueryRun

        init(_ stage: NestedLoopBuild, _ indexes: [Int], _ store: RowStore, _ run: QueryRun) {
            self.stage = stage
            self.indexes = indexes
            self.store = store
            self.run = run
        }

        func push(_ batch: Batch) throws(SQLError) -> Bool {
            try run.check()
            try store.append(indexes.map { batch.columns[$0] }, rows: batch.rows)
            return true
        }

        func combine() throws(SQLError) { stage.state.withLock { $0.stores.append(store) } }
    }
}

/// Joins batches of the left side with the kept rows.
final class NestedLoopProbe: TransformStage {
    private let build: NestedLoopBuild
    private let shape: JoinShape

    /// `shape` is the build's, with the columns of the left side.
    init(_ build: NestedLoopBuild, _ shape: JoinShape) {
        self.build = build
        self.shape = shape
    }

    func expect(workers: Int) { build.matched.expect(workers: workers) }

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform {
        let rows = try build.rows()
        if shape.isExistence { return try ExistenceLoop(shape, rows, run) }
        return try PairProbe(
            shape, LoopPairs(shape, rows, run), right: rows.columns, rightRows: rows.rows, build.matched,
            run)
    }
}

/// Enumerates pairs, left row by left row.
private final class LoopPairs: PairFinder {
    private let right: Batch
    private let condition: PairCondition?
    private var row = 0
    private var rightRow = 0
    private var rows = 0

    /// Right sides of at least this many rows are looked at as slices, without copies.
    static let sliceRowsMin = 256

    init(_ shape: JoinShape, _ right: Batch, _ run: QueryRun) throws(SQLError) {
        self.right = right
        condition = try PairCondition(shape, run)
    }

    var isUnique: Bool { right.rows <= 1 }
    var givesMissing: Bool { false }
    var isDone: Bool { row >= rows || right.rows == 0 }

    func begin(_ batch: Batch) { (row, rightRow, rows) = (0, 0, batch.rows) }
    func end() {}

    func fill(
        _ batch: Batch, _ left: UnsafeMutablePointer<Int32>, _ other: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        if let condition, right.rows >= LoopPairs.sliceRowsMin {
            let (at, start) = (row, rightRow)
            let count = min(Batch.rowsMax, right.rows - start)
            let truths = try condition.evaluate(batch.columns, row: at, right.columns, from: start, count: count)
            step(count)
            var kept = 0
            for index in 0..<count {
                left[kept] = Int32(truncatingIfNeeded: at)
                other[kept] = Int32(truncatingIfNeeded: start &+ index)
                kept &+= Int(truncatingIfNeeded: Truth.isYes(truths[index]))
            }
            return kept
        }
        var count = 0
        while count < Batch.rowsMax, !isDone {
            let length = min(Batch.rowsMax - count, right.rows - rightRow)
            for index in 0..<length {
                left[count &+ index] = Int32(truncatingIfNeeded: row)
                other[count &+ index] = Int32(truncatingIfNeeded: rightRow &+ index)
            }
            count += length
            step(length)
        }
        guard let condition else { return count }
        let truths = try condition.evaluate(batch.columns, left, right.columns, other, count: count)
        return ProbeLookup.compact(left, other, count) { Truth.isYes(truths[$0]) }
    }

    private func step(_ count: Int) {
        rightRow += count
        guard rightRow >= right.rows else { return }
        rightRow = 0
        row += 1
    }
}

/// One worker of a semi, anti or mark join without equalities.
private final class ExistenceLoop: Transform {
    private let shape: JoinShape
    private let right: Batch
    private let condition: PairCondition?
    private let emitter: ExistenceOutput
    private let run: QueryRun
    private let results = Scratch<UInt8>()
    private let leftRows = Buffer(count: Batch.rowsMax, of: Int32.self)
    private let rightRows = Buffer(count: Batch.rowsMax, of: Int32.self)
    /// Where the search stands in the batch in hand: left row, right row, and what was found for the left row so far.
    private var row = 0
    private var rightRow = 0
    private var found: UInt8 = 0
    private var isUnderWay = false

    /// Pairs that are compared before other queries get their turn.
    private static let pairsPerTurn = 256 << 10

    init(_ shape: JoinShape, _ right: Batch, _ run: QueryRun) throws(SQLError) {
        self.shape = shape
        self.right = right
        self.run = run
        condition = try PairCondition(shape, run)
        emitter = try ExistenceOutput(shape)
    }

    func apply(_ input: Batch) throws(SQLError) -> Output {
        try run.check()
        guard input.rows > 0 else { return .none }
        guard right.rows > 0 else {
            return shape.kind == .semi ? .last(nil) : emitter.emit(input, all: Truth.no)
        }
        guard let condition else { return emitter.emit(input, all: Truth.yes) }
        let result = results.room(input.rows)
        if !isUnderWay {
            result.update(repeating: Truth.no, count: input.rows)
            (row, rightRow, found, isUnderWay) = (0, 0, Truth.no, true)
        }
        if right.rows >= LoopPairs.sliceRowsMin {
            guard try search(input, condition, result) else { return .more(Batch([], rows: 0)) }
        } else {
            try compareAll(input, condition, result)
        }
        isUnderWay = false
        return emitter.emit(input, result)
    }

    /// Looks for matches, left row by left row, a slice of the right side at a time; false when there is more to do.
    private func search(
        _ input: Batch, _ condition: PairCondition, _ result: UnsafeMutablePointer<UInt8>
    ) throws(SQLError) -> Bool {
        var pairs = 0
        while row < input.rows {
            try run.check()
            guard pairs < ExistenceLoop.pairsPerTurn else { return false }
            let count = min(Batch.rowsMax, right.rows - rightRow)
            let truths = try condition.evaluate(input.columns, row: row, right.columns, from: rightRow, count: count)
            for index in 0..<count { found |= truths[index] }
            pairs += count
            rightRow += count
            guard found & Truth.yes != 0 || rightRow >= right.rows else { continue }
            result[row] = found & Truth.yes != 0 ? Truth.yes : found & Truth.unknown != 0 ? Truth.unknown : Truth.no
            (row, rightRow, found) = (row + 1, 0, Truth.no)
        }
        return true
    }

    /// Compares as many whole left rows at a time as fit into a batch of pairs.
    private func compareAll(
        _ input: Batch, _ condition: PairCondition, _ result: UnsafeMutablePointer<UInt8>
    ) throws(SQLError) {
        let (left, other) = (leftRows.pointer(Int32.self), rightRows.pointer(Int32.self))
        let atATime = max(1, Batch.rowsMax / right.rows)
        var row = 0
        while row < input.rows {
            try run.check()
            let rows = min(atATime, input.rows - row)
            let count = rows * right.rows
            for index in 0..<count {
                left[index] = Int32(truncatingIfNeeded: row &+ index / right.rows)
                other[index] = Int32(truncatingIfNeeded: index % right.rows)
            }
            let truths = try condition.evaluate(input.columns, left, right.columns, other, count: count)
            for index in 0..<count { result[Int(left[index])] |= truths[index] }
            row += rows
        }
        for row in 0..<input.rows where result[row] & Truth.yes != 0 { result[row] = Truth.yes }
    }
}
