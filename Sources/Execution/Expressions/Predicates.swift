// The conditions that filters are made of. Hot: every loop is branch-free over the row numbers.
import Columns
import Diagnostics
import Functions
import Planner

/// Loops that keep rows.
enum Narrow {
    /// Keeps the rows for which `test` of the value holds.
    @inline(__always)
    static func rows<T>(
        _ values: UnsafePointer<T>, _ from: UnsafePointer<Int32>?, _ count: Int,
        _ into: UnsafeMutablePointer<Int32>, _ test: (T) -> Bool
    ) -> Int {
        var kept = 0
        if let from {
            for index in 0..<count {
                let row = from[index]
                into[kept] = row
                kept &+= Int(truncatingIfNeeded: unsafeBitCast(test(values[Int(row)]), to: UInt8.self))
            }
        } else {
            for row in 0..<count {
                into[kept] = Int32(truncatingIfNeeded: row)
                kept &+= Int(truncatingIfNeeded: unsafeBitCast(test(values[row]), to: UInt8.self))
            }
        }
        return kept
    }

    /// Keeps the rows that are valid (or not).
    static func valid(
        _ validity: UnsafePointer<UInt64>, _ from: UnsafePointer<Int32>?, _ count: Int,
        _ into: UnsafeMutablePointer<Int32>, wanted: UInt64 = 1
    ) -> Int {
        var kept = 0
        for index in 0..<count {
            let row = from.map { Int($0[index]) } ?? index
            into[kept] = Int32(truncatingIfNeeded: row)
            let bit = (validity[row &>> 6] &>> UInt64(row & 63)) & 1
            kept &+= Int(truncatingIfNeeded: bit ^ wanted ^ 1)
        }
        return kept
    }

    /// All rows.
    static func all(
        _ from: UnsafePointer<Int32>?, _ count: Int, _ into: UnsafeMutablePointer<Int32>
    ) -> Int {
        if let from {
            if from != UnsafePointer(into) { into.update(from: from, count: count) }
        } else {
            for row in 0..<count { into[row] = Int32(truncatingIfNeeded: row) }
        }
        return count
    }
}

/// Evaluates a condition on one column once per dictionary entry or constant; flat columns go to `inner`.
final class DictionaryPredicate: RowPredicate {
    private let index: Int
    private let inner: any RowPredicate
    private var dictionary: Column?
    private var passes = Buffer(bytes: 0)
    private var rowsSeen = 0
    private var hasFailed = false

    init(_ index: Int, _ inner: any RowPredicate) {
        self.index = index
        self.inner = inner
    }

    var columns: [Int] { [index] }
    var cost: Int { inner.cost }

    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int, into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        guard let column = batch[index] else { throw SQLError(.internalError, "a filter's column is missing") }
        switch column.layout {
        case .flat: return try inner.narrow(batch, rows: rows, from: from, count: count, into: into)
        case .constant:
            var one = batch
            one[index] = Column.constant(column, count: 1).flat()
            var row: Int32 = 0
            return try inner.narrow(one, rows: 1, from: nil, count: 1, into: &row) == 1
                ? Narrow.all(from, count, into) : 0
        case .dictionary: break
        }
        guard let entries = column.dictionary, try prepare(entries, batch, rows) else {
            var flat = batch
            flat[index] = column.flat()
            return try inner.narrow(flat, rows: rows, from: from, count: count, into: into)
        }
        let pass = passes.pointer(UInt8.self)
        let codes = column.codes
        guard let validity = column.validityWords else {
            return Narrow.rows(codes, from, count, into) { pass[Int($0)] != 0 }
        }
        if pass[entries.count] == 0 {
            // Codes of NULL rows mean nothing: those rows go first.
            let valid = Narrow.valid(validity, from, count, into)
            return Narrow.rows(codes, into, valid, into) { pass[Int($0)] != 0 }
        }
        // NULL passes, as in `x IS NULL OR ...`.
        var kept = 0
        for index in 0..<count {
            let row = from.map { Int($0[index]) } ?? index
            into[kept] = Int32(truncatingIfNeeded: row)
            kept &+= Bitmap.get(validity, row) ? Int(pass[Int(codes[row])]) : 1
        }
        return kept
    }

    /// Fills `passes` for a new dictionary: a byte an entry and one for NULL. False when that does not pay.
    private func prepare(_ entries: Column, _ batch: [Column?], _ rows: Int) throws(SQLError) -> Bool {
        if dictionary !== entries {
            dictionary = entries
            passes = Buffer(bytes: 0)
            rowsSeen = 0
            hasFailed = false
        }
        if passes.capacity > 0 { return true }
        rowsSeen += rows
        guard !hasFailed, rowsSeen * 2 >= entries.count else { return false }
        do throws(SQLError) {
            let made = Buffer(bytes: entries.count + 1)
            made.fill(0)
            let pass = made.pointer(UInt8.self)
            var copy = batch
            copy[index] = entries
            let survivors = Buffer(count: entries.count + 1, of: Int32.self)
            let kept = survivors.pointer(Int32.self)
            if entries.count > 0 {
                let count = try inner.narrow(copy, rows: entries.count, from: nil, count: entries.count, into: kept)
                for position in 0..<count { pass[Int(kept[position])] = 1 }
            }
            copy[index] = Column.constant(.null(entries.type), count: 1).flat()
            pass[entries.count] = UInt8(try inner.narrow(copy, rows: 1, from: nil, count: 1, into: kept))
            passes = made
            return true
        } catch {
            hasFailed = true
            return false
        }
    }
}

/// A range of integers.
final class IntegerRangePredicate: RowPredicate {
    private let index: Int
    private let range: IntegerRange
    init(_ index: Int, _ range: IntegerRange) {
        self.index = index
        self.range = range
    }
    var columns: [Int] { [index] }
    var cost: Int { 1 }

    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int, into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        guard let column = batch[index] else { throw SQLError(.internalError, "a filter's column is missing") }
        let kept: Int
        switch column.physical {
        case .int16: kept = narrow(column.pointer(Int16.self), from, count, into)
        case .int32: kept = narrow(column.pointer(Int32.self), from, count, into)
        default: kept = narrow(column.pointer(Int64.self), from, count, into)
        }
        guard let validity = column.validityWords else { return kept }
        return Narrow.valid(validity, into, kept, into)
    }

    /// One unsigned comparison tests both bounds.
    @inline(__always)
    private func narrow<T: FixedWidthInteger & SignedInteger>(
        _ values: UnsafePointer<T>, _ from: UnsafePointer<Int32>?, _ count: Int, _ into: UnsafeMutablePointer<Int32>
    ) -> Int {
        let low = max(range.low, Int64(T.min))
        let high = min(range.high, Int64(T.max))
        guard low <= high else { return 0 }
        let base = T(truncatingIfNeeded: low)
        let width = T.Magnitude(truncatingIfNeeded: high &- low)
        return Narrow.rows(values, from, count, into) { T.Magnitude(truncatingIfNeeded: $0 &- base) <= width }
    }
}

/// A column against a literal, for types that are not covered by ranges.
final class ConstantPredicate: RowPredicate {
    private let index: Int
    private let op: Comparison.Operator
    private let literal: Column

    static func make(_ index: Int, _ comparison: Comparison) -> ConstantPredicate? {
        let physical = comparison.column.type.physical
        guard physical == comparison.value.type.physical else { return nil }
        switch physical {
        case .numeric, .interval, .list, .row: return nil
        case .float32, .float64: if comparison.value.isNotANumber { return nil }
        case .bool, .int16, .int32, .int64, .int128, .view: break
        }
        return ConstantPredicate(index, comparison)
    }

    private init(_ index: Int, _ comparison: Comparison) {
        self.index = index
        op = comparison.op
        literal = Column.constant(comparison.value, count: 1)
    }

    var columns: [Int] { [index] }
    var cost: Int { literal.physical == .view ? 3 : 1 }

    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int, into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        guard let column = batch[index] else { throw SQLError(.internalError, "a filter's column is missing") }
        guard literal.isValid(0) else { return 0 }
        let kept: Int
        switch column.physical {
        case .bool: kept = ordered(column, UInt8.self, from, count, into)
        case .int16: kept = ordered(column, Int16.self, from, count, into)
        case .int32: kept = ordered(column, Int32.self, from, count, into)
        case .int64: kept = ordered(column, Int64.self, from, count, into)
        case .int128: kept = ordered(column, Int128.self, from, count, into)
        case .float32: kept = floats(column, Float.self, from, count, into)
        case .float64: kept = floats(column, Double.self, from, count, into)
        case .view: kept = strings(column, from, count, into)
        case .numeric, .interval, .list, .row: throw SQLError(.internalError, "a filter got a column of another type")
        }
        guard let validity = column.validityWords else { return kept }
        return Narrow.valid(validity, into, kept, into)
    }

    @inline(__always)
    private func ordered<T: Comparable>(
        _ column: Column, _: T.Type, _ from: UnsafePointer<Int32>?, _ count: Int,
        _ into: UnsafeMutablePointer<Int32>
    ) -> Int {
        let (values, k) = (column.pointer(T.self), literal.pointer(T.self)[0])
        switch op {
        case .equal: return Narrow.rows(values, from, count, into) { $0 == k }
        case .notEqual: return Narrow.rows(values, from, count, into) { $0 != k }
        case .less: return Narrow.rows(values, from, count, into) { $0 < k }
        case .lessOrEqual: return Narrow.rows(values, from, count, into) { $0 <= k }
        case .greater: return Narrow.rows(values, from, count, into) { $0 > k }
        case .greaterOrEqual: return Narrow.rows(values, from, count, into) { $0 >= k }
        }
    }

    /// NaN is greater than every number (PostgreSQL docs 8.1.3); the literal is a number.
    @inline(__always)
    private func floats<T: BinaryFloatingPoint>(
        _ column: Column, _: T.Type, _ from: UnsafePointer<Int32>?, _ count: Int,
        _ into: UnsafeMutablePointer<Int32>
    ) -> Int {
        let (values, k) = (column.pointer(T.self), literal.pointer(T.self)[0])
        switch op {
        case .equal: return Narrow.rows(values, from, count, into) { $0 == k }
        case .notEqual: return Narrow.rows(values, from, count, into) { $0 != k }
        case .less: return Narrow.rows(values, from, count, into) { $0 < k }
        case .lessOrEqual: return Narrow.rows(values, from, count, into) { $0 <= k }
        case .greater: return Narrow.rows(values, from, count, into) { !($0 <= k) }
        case .greaterOrEqual: return Narrow.rows(values, from, count, into) { !($0 < k) }
        }
    }

    private func strings(
        _ column: Column, _ from: UnsafePointer<Int32>?, _ count: Int, _ into: UnsafeMutablePointer<Int32>
    ) -> Int {
        let (values, k) = (column.pointer(StringView.self), literal.pointer(StringView.self)[0])
        switch op {
        case .equal:
            if k.isInline {
                return Narrow.rows(values, from, count, into) { ($0.head ^ k.head) | ($0.tail ^ k.tail) == 0 }
            }
            return Narrow.rows(values, from, count, into) { StringView.equal($0, k) }
        case .notEqual:
            if k.isInline {
                return Narrow.rows(values, from, count, into) { ($0.head ^ k.head) | ($0.tail ^ k.tail) != 0 }
            }
            return Narrow.rows(values, from, count, into) { !StringView.equal($0, k) }
        case .less: return Narrow.rows(values, from, count, into) { StringView.compare($0, k) < 0 }
        case .lessOrEqual: return Narrow.rows(values, from, count, into) { StringView.compare($0, k) <= 0 }
        case .greater: return Narrow.rows(values, from, count, into) { StringView.compare($0, k) > 0 }
        case .greaterOrEqual: return Narrow.rows(values, from, count, into) { StringView.compare($0, k) >= 0 }
        }
    }
}

/// Two columns of one integer or string type.
final class ColumnPairPredicate: RowPredicate {
    private let left: Int
    private let right: Int
    private let op: Comparison.Operator

    static func make(_ expr: Expr, _ layout: ColumnLayout) -> ColumnPairPredicate? {
        guard case .call(let function, let arguments) = expr, arguments.count == 2,
            let op = Comparison.Operator(rawValue: function.name), function.resultType == .boolean,
            case .column(let a) = arguments[0], case .column(let b) = arguments[1],
            Comparison.isPlain([a.type, b.type]), Comparison.isPlain(function.argumentTypes),
            let left = try? layout.index(of: a), let right = try? layout.index(of: b)
        else { return nil }
        switch a.type.physical {
        case .int16, .int32, .int64, .int128, .view: return ColumnPairPredicate(left, right, op)
        case .bool, .float32, .float64, .numeric, .interval, .list, .row: return nil
        }
    }

    private init(_ left: Int, _ right: Int, _ op: Comparison.Operator) {
        self.left = left
        self.right = right
        self.op = op
    }

    var columns: [Int] { [left, right] }
    var cost: Int { 2 }

    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int, into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        guard let a = batch[left]?.flat(), let b = batch[right]?.flat() else {
            throw SQLError(.internalError, "a filter's column is missing")
        }
        var kept: Int
        switch a.physical {
        case .int16: kept = ordered(a, b, Int16.self, from, count, into)
        case .int32: kept = ordered(a, b, Int32.self, from, count, into)
        case .int64: kept = ordered(a, b, Int64.self, from, count, into)
        case .int128: kept = ordered(a, b, Int128.self, from, count, into)
        default: kept = strings(a, b, from, count, into)
        }
        if let validity = a.validityWords { kept = Narrow.valid(validity, into, kept, into) }
        if let validity = b.validityWords { kept = Narrow.valid(validity, into, kept, into) }
        return kept
    }

    @inline(__always)
    private static func rows<T>(
        _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ from: UnsafePointer<Int32>?, _ count: Int,
        _ into: UnsafeMutablePointer<Int32>, _ test: (T, T) -> Bool
    ) -> Int {
        var kept = 0
        for index in 0..<count {
            let row = from.map { Int($0[index]) } ?? index
            into[kept] = Int32(truncatingIfNeeded: row)
            kept &+= Int(truncatingIfNeeded: unsafeBitCast(test(a[row], b[row]), to: UInt8.self))
        }
        return kept
    }

    @inline(__always)
    private func ordered<T: Comparable>(
        _ a: Column, _ b: Column, _: T.Type, _ from: UnsafePointer<Int32>?, _ count: Int,
        _ into: UnsafeMutablePointer<Int32>
    ) -> Int {
        let (x, y) = (a.pointer(T.self), b.pointer(T.self))
        switch op {
        case .equal: return ColumnPairPredicate.rows(x, y, from, count, into) { $0 == $1 }
        case .notEqual: return ColumnPairPredicate.rows(x, y, from, count, into) { $0 != $1 }
        case .less: return ColumnPairPredicate.rows(x, y, from, count, into) { $0 < $1 }
        case .lessOrEqual: return ColumnPairPredicate.rows(x, y, from, count, into) { $0 <= $1 }
        case .greater: return ColumnPairPredicate.rows(x, y, from, count, into) { $0 > $1 }
        case .greaterOrEqual: return ColumnPairPredicate.rows(x, y, from, count, into) { $0 >= $1 }
        }
    }

    private func strings(
        _ a: Column, _ b: Column, _ from: UnsafePointer<Int32>?, _ count: Int, _ into: UnsafeMutablePointer<Int32>
    ) -> Int {
        let (x, y) = (a.pointer(StringView.self), b.pointer(StringView.self))
        switch op {
        case .equal: return ColumnPairPredicate.rows(x, y, from, count, into) { StringView.equal($0, $1) }
        case .notEqual: return ColumnPairPredicate.rows(x, y, from, count, into) { !StringView.equal($0, $1) }
        case .less: return ColumnPairPredicate.rows(x, y, from, count, into) { StringView.compare($0, $1) < 0 }
        case .lessOrEqual: return ColumnPairPredicate.rows(x, y, from, count, into) { StringView.compare($0, $1) <= 0 }
        case .greater: return ColumnPairPredicate.rows(x, y, from, count, into) { StringView.compare($0, $1) > 0 }
        case .greaterOrEqual:
            return ColumnPairPredicate.rows(x, y, from, count, into) { StringView.compare($0, $1) >= 0 }
        }
    }
}

/// IS NULL or IS NOT NULL.
final class NullPredicate: RowPredicate {
    private let index: Int
    private let wantsNull: Bool
    init(_ index: Int, wantsNull: Bool) {
        self.index = index
        self.wantsNull = wantsNull
    }
    var columns: [Int] { [index] }
    var cost: Int { 1 }

    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int, into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        guard let column = batch[index] else { throw SQLError(.internalError, "a filter's column is missing") }
        guard let validity = column.validityWords, column.layout != .constant else {
            return column.isValid(0) == !wantsNull ? Narrow.all(from, count, into) : 0
        }
        return Narrow.valid(validity, from, count, into, wanted: wantsNull ? 0 : 1)
    }
}

/// A column in a set of literals.
final class SetPredicate: RowPredicate {
    private let index: Int
    private let set: ValueSet
    private let found = Scratch<UInt8>()
    init(_ index: Int, _ set: ValueSet) {
        self.index = index
        self.set = set
    }
    var columns: [Int] { [index] }
    var cost: Int { 4 }

    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int, into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        guard let column = batch[index] else { throw SQLError(.internalError, "a filter's column is missing") }
        let mask = found.room(rows)
        set.write(column, rows, to: mask)
        let kept = Narrow.rows(UnsafePointer(mask), from, count, into) { $0 != 0 }
        guard let validity = column.validityWords else { return kept }
        return Narrow.valid(validity, into, kept, into)
    }
}

/// Any boolean expression, evaluated on the rows that are left.
final class EvaluatedPredicate: RowPredicate {
    private let evaluator: any Evaluator
    let columns: [Int]
    private let canFail: Bool
    private let truths = Scratch<UInt8>()

    init(_ evaluator: any Evaluator, columns: [Int], canFail: Bool) {
        self.evaluator = evaluator
        self.columns = columns
        self.canFail = canFail
    }

    var cost: Int { 20 }

    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int, into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        // Gathering costs about as much as evaluating a quarter of the rows in vain.
        let isWhole = from == nil || (!canFail && count * 4 >= rows * 3)
        let missing = Column.constant(.null(.unknown), count: rows)
        var given = batch.map { $0 ?? missing }
        if let from, !isWhole {
            for index in columns { given[index] = given[index].gather(from, count: count) }
        }
        let evaluated = isWhole ? rows : count
        let truth = truths.room(evaluated)
        Truth.write(try evaluator.evaluate(Batch(given, rows: evaluated)), evaluated, to: truth)
        if isWhole { return Narrow.rows(UnsafePointer(truth), from, count, into) { $0 == Truth.yes } }
        guard let from else { return 0 }
        var kept = 0
        for index in 0..<count {
            into[kept] = from[index]
            kept &+= Int(truncatingIfNeeded: unsafeBitCast(truth[index] == Truth.yes, to: UInt8.self))
        }
        return kept
    }
}

extension Scalar {
    fileprivate var isNotANumber: Bool {
        if case .double(let number) = value { return number.isNaN }
        return false
    }
}
