// CASE and COALESCE: branches are evaluated on the rows that reach them and put together again.
import Columns
import Diagnostics

/// Puts the results of branches together, row by row.
///
/// Pieces are concatenated and gathered by one row number each, which works for every type; one piece for all rows is
/// passed through.
struct Merger {
    private var pieces: [Column] = []
    private var start = 0
    private let slots: UnsafeMutablePointer<Int32>
    private let rows: Int

    /// `slots` has room for `rows`.
    init(slots: UnsafeMutablePointer<Int32>, rows: Int) {
        self.slots = slots
        self.rows = rows
    }

    /// Adds a piece whose row i is the value of `at[i]`.
    mutating func add(_ piece: Column, at places: UnsafePointer<Int32>, count: Int) {
        for index in 0..<count { slots[Int(places[index])] = Int32(truncatingIfNeeded: start &+ index) }
        pieces.append(piece)
        start += piece.count
    }

    /// Adds a piece with a value for every row, used at `places` only.
    mutating func add(whole piece: Column, at places: UnsafePointer<Int32>, count: Int) {
        if piece.layout == .constant {
            for index in 0..<count { slots[Int(places[index])] = Int32(truncatingIfNeeded: start) }
            pieces.append(Column.constant(piece, count: 1))
            start += 1
        } else {
            for index in 0..<count {
                slots[Int(places[index])] = Int32(truncatingIfNeeded: start) &+ places[index]
            }
            pieces.append(piece)
            start += piece.count
        }
    }

    func finish(_ type: SQLType) -> Column {
        let typed = pieces.map { piece in
            guard piece.type != type else { return piece }
            // A bare NULL may come without the type of its siblings.
            guard piece.physical == type.physical else { return Column.constant(.null(type), count: piece.count) }
            return piece.retyped(type)
        }
        return Gather.concatenate(typed, type: type).gather(slots, count: rows)
    }
}

/// Searched CASE.
final class ConditionalEvaluator: Evaluator {
    private let arms: [(when: any Evaluator, then: Guarded)]
    /// Conditions after the first, by arm - 1.
    private let later: [Guarded]
    private let otherwise: Guarded
    private let type: SQLType
    private let truths = Scratch<UInt8>()
    private let slots = Scratch<Int32>()
    private let taken = Scratch<Int32>()
    private let left = Scratch<Int32>()

    init(_ arms: [(when: any Evaluator, then: Guarded)], later: [Guarded], otherwise: Guarded, _ type: SQLType) {
        self.arms = arms
        self.later = later
        self.otherwise = otherwise
        self.type = type
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let rows = batch.rows
        let open = left.room(rows)
        for row in 0..<rows { open[row] = Int32(truncatingIfNeeded: row) }
        var openCount = rows
        var merger = Merger(slots: slots.room(rows), rows: rows)
        for (index, arm) in arms.enumerated() where openCount > 0 {
            let condition =
                index == 0
                ? try arm.when.evaluate(batch)
                : try later[index - 1].evaluate(batch, rows: open, count: openCount)
            let truth = truths.room(openCount)
            Truth.write(condition, openCount, to: truth)
            let takenRows = taken.room(openCount)
            let (takenCount, restCount) = ConditionalEvaluator.split(truth, open, openCount, taken: takenRows)
            if takenCount == rows { return try arm.then.evaluator.evaluate(batch) }
            openCount = restCount
            try ConditionalEvaluator.add(arm.then, batch, takenRows, takenCount, to: &merger)
        }
        if openCount == rows { return try otherwise.evaluator.evaluate(batch) }
        try ConditionalEvaluator.add(otherwise, batch, open, openCount, to: &merger)
        return merger.finish(type)
    }

    /// Moves rows whose condition is true from `open` to `taken`.
    private static func split(
        _ truth: UnsafePointer<UInt8>, _ open: UnsafeMutablePointer<Int32>, _ count: Int,
        taken: UnsafeMutablePointer<Int32>
    ) -> (taken: Int, open: Int) {
        var takenCount = 0
        var openCount = 0
        for index in 0..<count {
            let row = open[index]
            let isTaken = Int(truncatingIfNeeded: unsafeBitCast(truth[index] == Truth.yes, to: UInt8.self))
            taken[takenCount] = row
            open[openCount] = row
            takenCount &+= isTaken
            openCount &+= 1 &- isTaken
        }
        return (takenCount, openCount)
    }

    static func add(
        _ branch: Guarded, _ batch: Batch, _ places: UnsafePointer<Int32>, _ count: Int, to merger: inout Merger
    ) throws(SQLError) {
        guard count > 0 else { return }
        if branch.isSafe {
            merger.add(whole: try branch.evaluator.evaluate(batch), at: places, count: count)
        } else {
            merger.add(try branch.evaluate(batch, rows: places, count: count), at: places, count: count)
        }
    }
}

/// COALESCE: the first operand that is not NULL; later ones see only rows that are still NULL.
final class CoalesceEvaluator: Evaluator {
    private let operands: [Guarded]
    private let type: SQLType
    private let slots = Scratch<Int32>()
    private let taken = Scratch<Int32>()
    private let left = Scratch<Int32>()

    init(_ operands: [Guarded], _ type: SQLType) {
        self.operands = operands
        self.type = type
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let rows = batch.rows
        let open = left.room(rows)
        for row in 0..<rows { open[row] = Int32(truncatingIfNeeded: row) }
        var openCount = rows
        var merger = Merger(slots: slots.room(rows), rows: rows)
        for (index, operand) in operands.enumerated() where openCount > 0 {
            let value = try operand.evaluate(batch, rows: open, count: openCount)
            let isLast = index == operands.count - 1
            if value.validity == nil || isLast {
                if openCount == rows { return value }
                merger.add(value, at: open, count: openCount)
                openCount = 0
                break
            }
            if value.isNullConstant { continue }
            // NULL rows get a place too, until a later operand gives them another.
            merger.add(value, at: open, count: openCount)
            var rest = 0
            for position in 0..<openCount where !value.isValid(position) {
                open[rest] = open[position]
                rest += 1
            }
            openCount = rest
        }
        if openCount == rows { return Column.constant(.null(type), count: rows) }
        return merger.finish(type)
    }
}
