// AND, OR, NOT, IS NULL, IS NOT DISTINCT FROM.
import Columns
import Diagnostics

/// Three-valued AND or OR; operands that can fail see only rows that are not settled yet.
final class LogicEvaluator: Evaluator {
    private let operands: [Guarded]
    /// The value that settles a row: false for AND, true for OR.
    private let settled: UInt8
    private let truths = Scratch<UInt8>()
    private let others = Scratch<UInt8>()
    private let open = Scratch<Int32>()

    init(_ operands: [Guarded], isAnd: Bool) {
        self.operands = operands
        settled = isAnd ? Truth.no : Truth.yes
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let rows = batch.rows
        let out = truths.room(rows)
        let stop = settled
        for row in 0..<rows { out[row] = stop ^ 1 }
        for operand in operands {
            let rest = open.room(rows)
            var count = 0
            for row in 0..<rows {
                rest[count] = Int32(truncatingIfNeeded: row)
                count &+= Int(truncatingIfNeeded: unsafeBitCast(out[row] != stop, to: UInt8.self))
            }
            if count == 0 { break }
            let next = others.room(rows)
            if count == rows || operand.isSafe {
                Truth.write(try operand.evaluator.evaluate(batch), rows, to: next)
                for row in 0..<rows { out[row] = LogicEvaluator.join(out[row], next[row], stop) }
            } else {
                Truth.write(try operand.evaluate(batch, rows: rest, count: count), count, to: next)
                for index in 0..<count {
                    let row = Int(rest[index])
                    out[row] = LogicEvaluator.join(out[row], next[index], stop)
                }
            }
        }
        return Truth.column(out, rows)
    }

    /// The settling value wins, then unknown.
    @inline(__always)
    private static func join(_ a: UInt8, _ b: UInt8, _ stop: UInt8) -> UInt8 {
        if a == stop || b == stop { return stop }
        return max(a, b) == Truth.unknown ? Truth.unknown : stop ^ 1
    }
}

final class NotEvaluator: Evaluator {
    private let operand: any Evaluator
    private let truths = Scratch<UInt8>()
    init(_ operand: any Evaluator) { self.operand = operand }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let out = truths.room(batch.rows)
        Truth.write(try operand.evaluate(batch), batch.rows, to: out)
        for row in 0..<batch.rows { out[row] = out[row] ^ (1 ^ out[row] &>> 1) }
        return Truth.column(out, batch.rows)
    }
}

final class IsNullEvaluator: Evaluator {
    private let operand: any Evaluator
    init(_ operand: any Evaluator) { self.operand = operand }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let column = try operand.evaluate(batch)
        guard let validity = column.validityWords else { return Column.constant(.boolean(false), count: batch.rows) }
        if column.layout == .constant { return Column.constant(.boolean(!column.isValid(0)), count: batch.rows) }
        let values = Buffer(bytes: max(1, batch.rows))
        let out = values.pointer(UInt8.self)
        for row in 0..<batch.rows {
            out[row] = UInt8(truncatingIfNeeded: ~(validity[row &>> 6] &>> UInt64(row & 63))) & 1
        }
        return Column(.boolean, count: batch.rows, values: values)
    }
}

/// IS NOT DISTINCT FROM: never unknown.
final class NotDistinctEvaluator: Evaluator {
    private let left: any Evaluator
    private let right: any Evaluator
    init(_ left: any Evaluator, _ right: any Evaluator) {
        self.left = left
        self.right = right
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let a = try left.evaluate(batch)
        let b = try right.evaluate(batch)
        let values = Buffer(bytes: max(1, batch.rows))
        let out = values.pointer(UInt8.self)
        ColumnEquality.write(a, b, batch.rows, to: out)
        if a.validity != nil || b.validity != nil {
            for row in 0..<batch.rows {
                let (isA, isB) = (a.isValid(row), b.isValid(row))
                out[row] = isA && isB ? out[row] : (isA == isB ? 1 : 0)
            }
        }
        return Column(.boolean, count: batch.rows, values: values)
    }
}
