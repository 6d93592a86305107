// What inner, left, right, full and single joins do with the pairs that a hash table or a nested loop finds. Hot.
// Pairs leave in batches of at most Batch.rowsMax rows; left rows without a match follow their batch, right rows
// without a match come when the last worker has no more input.
import Columns
import Diagnostics
import Planner
import Synchronization

/// Finds the pairs of left batches with the kept right rows. One owner thread at a time.
protocol PairFinder: AnyObject {
    /// Whether a left row has at most one pair.
    var isUnique: Bool { get }
    /// Whether left rows without a match come as pairs with right row -1.
    var givesMissing: Bool { get }
    /// Whether the batch has no further pairs.
    var isDone: Bool { get }
    func begin(_ batch: Batch) throws(SQLError)
    /// Writes up to Batch.rowsMax true pairs, left rows ascending; may be none although there are more.
    func fill(
        _ batch: Batch, _ left: UnsafeMutablePointer<Int32>, _ right: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int
    func end()
}

/// Right rows that found a match, merged from the workers of a probe.
final class MatchedRows: Sendable {
    private let state = Mutex(State())

    private struct State {
        var bits: Buffer?
        /// Workers that have more input, those included that are not made yet.
        var probing = 0
    }

    /// Counts the workers that will probe, before the first does.
    func expect(workers: Int) { state.withLock { $0.probing += workers } }

    /// A worker has no more input. The last one gets the bits of all matched rows: it emits the others.
    func end(_ bits: Buffer?, rows: Int) -> Buffer? {
        state.withLock { state in
            if let a = state.bits, let b = bits {
                let (to, from) = (a.pointer(UInt64.self), b.pointer(UInt64.self))
                for word in 0..<Bitmap.words(rows) { to[word] |= from[word] }
            } else {
                state.bits = state.bits ?? bits
            }
            state.probing -= 1
            guard state.probing == 0 else { return nil }
            return state.bits ?? Bitmap.make(rows, all: false)
        }
    }
}

/// One worker of a join that gives pairs.
final class PairProbe: Transform {
    private let finder: any PairFinder
    private let shape: JoinShape
    private let output: [JoinOutput]
    private let right: [Column]
    private let rightCount: Int
    private let run: QueryRun
    private let leftRows = Buffer(count: Batch.rowsMax, of: Int32.self)
    private let rightRows = Buffer(count: Batch.rowsMax, of: Int32.self)
    /// By left row of the batch: 1 when it has a match.
    private let matched = Scratch<UInt8>()
    private let shared: MatchedRows
    /// Bits of right rows that found a match; made at the first one.
    private var rightMatched: Buffer?
    private var isUnderWay = false
    private var isProbing: Bool
    private var unmatched: (bits: Buffer, row: Int)?

    init(
        _ shape: JoinShape, _ finder: any PairFinder, right: [Column], rightRows: Int, _ shared: MatchedRows,
        _ run: QueryRun
    ) throws(SQLError) {
        self.shape = shape
        self.finder = finder
        self.right = right
        rightCount = rightRows
        self.shared = shared
        self.run = run
        output = try JoinOutput.all(shape)
        isProbing = shape.keepsRight
    }

    /// Looks for pairs that may find none before other queries get their turn.
    private static let missesMax = 64

    private var notesLeft: Bool { shape.kind == .single || hasLeftovers }
    /// Whether left rows without a match come after the pairs.
    private var hasLeftovers: Bool { shape.keepsLeft && !finder.givesMissing }

    func apply(_ input: Batch) throws(SQLError) -> Output {
        try run.check()
        if !isUnderWay {
            if rightCount == 0, !shape.keepsLeft { return .last(nil) }
            guard input.rows > 0 else { return .none }
            guard input.rows <= Batch.rowsMax else { throw PairProbe.tooManyRows }
            try finder.begin(input)
            isUnderWay = true
            if notesLeft { matched.room(input.rows).update(repeating: 0, count: input.rows) }
        }
        let (left, right) = (leftRows.pointer(Int32.self), rightRows.pointer(Int32.self))
        var misses = 0
        while !finder.isDone {
            try run.check()
            let count = try finder.fill(input, left, right)
            guard count > 0 else {
                misses += 1
                // Gives the slice a chance to end.
                if misses == PairProbe.missesMax { return .more(Batch([], rows: 0)) }
                continue
            }
            if notesLeft { try note(left, right, count, input.rows) }
            if shape.keepsRight { noteRight(right, count) }
            let made = emit(input, count)
            if !finder.isDone || hasLeftovers { return .more(made) }
            finish()
            return .one(made)
        }
        defer { finish() }
        return hasLeftovers ? leftovers(input) : .none
    }

    static var tooManyRows: SQLError { SQLError(.internalError, "a batch has more than \(Batch.rowsMax) rows") }

    private func finish() {
        isUnderWay = false
        finder.end()
    }

    /// Remembers which left rows have a match; a second one fails single joins.
    private func note(
        _ left: UnsafePointer<Int32>, _ right: UnsafePointer<Int32>, _ count: Int, _ rows: Int
    ) throws(SQLError) {
        let seen = matched.room(rows)
        guard shape.kind == .single else {
            for index in 0..<count { seen[Int(left[index])] = 1 }
            return
        }
        for index in 0..<count where right[index] >= 0 {
            if seen[Int(left[index])] != 0 { throw JoinShape.severalRows }
            seen[Int(left[index])] = 1
        }
    }

    private func noteRight(_ right: UnsafePointer<Int32>, _ count: Int) {
        let bits = rightMatched ?? Bitmap.make(rightCount, all: false)
        rightMatched = bits
        let words = bits.pointer(UInt64.self)
        for index in 0..<count where right[index] >= 0 { Bitmap.set(words, Int(right[index])) }
    }

    private func emit(_ input: Batch, _ count: Int) -> Batch {
        let (left, right) = (leftRows.pointer(Int32.self), rightRows.pointer(Int32.self))
        // Left rows ascend, so as many distinct ones as there are rows are all rows.
        let isWhole = count == input.rows && finder.isUnique
        return batch(count) { source in
            switch source {
            case .left(let index):
                isWhole ? input.columns[index] : Gather.take(input.columns[index], left, count: count)
            case .right(let index):
                finder.givesMissing
                    ? Gather.takeOrNull(self.right[index], right, count: count)
                    : Gather.take(self.right[index], right, count: count)
            case .mark: Gather.nulls(.boolean, count: count)
            }
        }
    }

    private func batch(_ rows: Int, _ column: (JoinOutput) -> Column) -> Batch {
        var columns: [Column] = []
        columns.reserveCapacity(output.count)
        for source in output { columns.append(column(source)) }
        return Batch(columns, rows: rows)
    }

    /// Left rows without a match, with NULLs on the right.
    private func leftovers(_ input: Batch) -> Output {
        let seen = matched.room(input.rows)
        let rows = leftRows.pointer(Int32.self)
        var count = 0
        for row in 0..<input.rows {
            rows[count] = Int32(truncatingIfNeeded: row)
            count &+= Int(truncatingIfNeeded: seen[row] ^ 1)
        }
        guard count > 0 else { return .none }
        let made = batch(count) { source in
            switch source {
            case .left(let index): Gather.take(input.columns[index], rows, count: count)
            case .right(let index): Gather.nulls(right[index].type, count: count)
            case .mark: Gather.nulls(.boolean, count: count)
            }
        }
        return .one(made)
    }

    func flush() throws(SQLError) -> Batch? {
        if isProbing {
            isProbing = false
            if let bits = shared.end(rightMatched, rows: rightCount) { unmatched = (bits, 0) }
            rightMatched = nil
        }
        guard let (bits, start) = unmatched else { return nil }
        try run.check()
        let words = bits.pointer(UInt64.self)
        let rows = rightRows.pointer(Int32.self)
        var (row, count) = (start, 0)
        while row < rightCount, count < Batch.rowsMax {
            if row & 63 == 0, words[row &>> 6] == ~0 {
                row &+= 64
                continue
            }
            rows[count] = Int32(truncatingIfNeeded: row)
            count &+= Bitmap.get(words, row) ? 0 : 1
            row &+= 1
        }
        guard count > 0 else {
            unmatched = nil
            return nil
        }
        unmatched = (bits, row)
        return batch(count) { source in
            switch source {
            case .left(let index): Gather.nulls(shape.left[index].type, count: count)
            case .right(let index): Gather.take(right[index], rows, count: count)
            case .mark: Gather.nulls(.boolean, count: count)
            }
        }
    }
}
