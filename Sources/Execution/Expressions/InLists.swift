// IN lists: of literals by sets, of expressions by comparing. Hot for integers and strings.
import Columns
import Diagnostics

/// A set of literals of one type.
final class ValueSet {
    let hasNull: Bool
    private let form: Form

    private enum Form {
        /// int16, int32, int64 and their kin.
        case integers(IntegerSet)
        case strings(StringSet)
        /// Everything else, by equality key.
        case keys(Set<Scalar.Value>)
    }

    init(_ type: SQLType, _ items: [Scalar]) {
        hasNull = items.contains(where: \.isNull)
        let values = items.filter { !$0.isNull }
        switch type.physical {
        case .int16, .int32, .int64:
            var numbers: [Int64] = []
            for item in values {
                switch item.value {
                case .int(let number): numbers.append(number)
                case .int128(let number): if let small = Int64(exactly: number) { numbers.append(small) }
                default: break
                }
            }
            form = .integers(IntegerSet(numbers))
        case .view where type != .jsonb: form = .strings(StringSet(type, values))
        case .bool, .int128, .float32, .float64, .numeric, .interval, .view, .list, .row:
            form = .keys(Set(values.map(\.equalityKey)))
        }
    }

    /// Writes 1 for values (not rows) in the set; what NULLs get is meaningless.
    func write(_ column: Column, _ count: Int, to out: UnsafeMutablePointer<UInt8>) {
        switch form {
        case .integers(let set):
            switch column.physical {
            case .int16: set.write(column.pointer(Int16.self), count, to: out)
            case .int32: set.write(column.pointer(Int32.self), count, to: out)
            default: set.write(column.pointer(Int64.self), count, to: out)
            }
        case .strings(let set): set.write(column.pointer(StringView.self), count, to: out)
        case .keys(let set):
            for row in 0..<count { out[row] = set.contains(column.scalar(row).equalityKey) ? 1 : 0 }
        }
    }
}

/// Integers: a bit a value when the range is small, else open addressing.
final class IntegerSet {
    /// Ranges up to this many values are kept as bits: 8 KiB.
    private static let rangeMax: Int64 = 1 << 16
    private let low: Int64
    private let range: UInt64
    private let bits: Buffer?
    private let slots: Buffer
    private let mask: Int
    private let hasZero: Bool

    init(_ numbers: [Int64]) {
        low = numbers.min() ?? 0
        let high = numbers.max() ?? -1
        let (width, overflow) = high.subtractingReportingOverflow(low)
        hasZero = numbers.contains(0)
        if !overflow, width < IntegerSet.rangeMax {
            range = numbers.isEmpty ? 0 : UInt64(width) + 1
            let made = Bitmap.make(Int(range) + 64, all: false)
            for number in numbers { Bitmap.set(made.pointer(UInt64.self), Int(number - low)) }
            bits = made
            slots = Buffer(bytes: 0)
            mask = 0
            return
        }
        bits = nil
        range = 0
        var capacity = 16
        while capacity < numbers.count * 2 { capacity *= 2 }
        mask = capacity - 1
        slots = Buffer(count: capacity, of: Int64.self)
        slots.fill(0)
        let table = slots.pointer(Int64.self)
        for number in numbers where number != 0 {
            var at = IntegerSet.hash(number) & mask
            while table[at] != 0, table[at] != number { at = (at + 1) & mask }
            table[at] = number
        }
    }

    @inline(__always)
    private static func hash(_ number: Int64) -> Int {
        let mixed = UInt64(bitPattern: number) &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: mixed &>> 32)
    }

    func write<T: FixedWidthInteger>(_ values: UnsafePointer<T>, _ count: Int, to out: UnsafeMutablePointer<UInt8>) {
        if let bits {
            let (words, base, limit) = (bits.pointer(UInt64.self), low, range)
            for row in 0..<count {
                let offset = UInt64(bitPattern: Int64(truncatingIfNeeded: values[row]) &- base)
                let isInside = offset < limit
                let bit = isInside ? words[Int(truncatingIfNeeded: offset &>> 6)] &>> (offset & 63) : 0
                out[row] = UInt8(truncatingIfNeeded: bit) & 1
            }
            return
        }
        let table = slots.pointer(Int64.self)
        for row in 0..<count {
            let number = Int64(truncatingIfNeeded: values[row])
            guard number != 0 else {
                out[row] = hasZero ? 1 : 0
                continue
            }
            var at = IntegerSet.hash(number) & mask
            while table[at] != 0, table[at] != number { at = (at &+ 1) & mask }
            out[row] = table[at] == 0 ? 0 : 1
        }
    }
}

/// Strings by open addressing over their views.
final class StringSet {
    private let literals: Column
    /// `char(n)`: blanks at the end do not count.
    private let isPadded: Bool
    private let slots: Buffer
    private let mask: Int

    init(_ type: SQLType, _ items: [Scalar]) {
        if case .char = type { isPadded = true } else { isPadded = false }
        let builder = ColumnBuilder(type, capacity: max(1, items.count))
        for item in items { builder.append(item) }
        literals = builder.finish()
        var capacity = 16
        while capacity < items.count * 2 { capacity *= 2 }
        mask = capacity - 1
        slots = Buffer(count: capacity, of: Int32.self)
        slots.fill(0)
        let (table, views) = (slots.pointer(Int32.self), literals.pointer(StringView.self))
        for item in 0..<literals.count {
            let key = form(views[item])
            var at = Int(truncatingIfNeeded: KeyHash.hash(key)) & mask
            while table[at] != 0, !StringView.equal(form(views[Int(table[at]) - 1]), key) { at = (at + 1) & mask }
            table[at] = Int32(item + 1)
        }
    }

    @inline(__always)
    private func form(_ view: StringView) -> StringView { isPadded ? view.withoutTrailingBlanks : view }

    func write(_ values: UnsafePointer<StringView>, _ count: Int, to out: UnsafeMutablePointer<UInt8>) {
        let (table, views) = (slots.pointer(Int32.self), literals.pointer(StringView.self))
        for row in 0..<count {
            let key = form(values[row])
            var at = Int(truncatingIfNeeded: KeyHash.hash(key)) & mask
            while table[at] != 0, !StringView.equal(form(views[Int(table[at]) &- 1]), key) { at = (at &+ 1) & mask }
            out[row] = table[at] == 0 ? 0 : 1
        }
    }
}

/// `value IN (literals)`.
final class InListEvaluator: Evaluator {
    private let value: any Evaluator
    private let set: ValueSet
    private let truths = Scratch<UInt8>()
    private let entries = Scratch<UInt8>()

    init(_ value: any Evaluator, _ set: ValueSet) {
        self.value = value
        self.set = set
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let column = try value.evaluate(batch)
        let rows = batch.rows
        if column.layout == .constant {
            guard column.isValid(0) else { return Column.constant(.null(.boolean), count: rows) }
            var found: UInt8 = 0
            set.write(column, 1, to: &found)
            if found == 0, set.hasNull { return Column.constant(.null(.boolean), count: rows) }
            return Column.constant(.boolean(found != 0), count: rows)
        }
        let out = truths.room(rows)
        if let dictionary = column.dictionary, dictionary.count <= rows * 2 {
            let mask = entries.room(dictionary.count)
            set.write(dictionary, dictionary.count, to: mask)
            let codes = column.codes
            for row in 0..<rows where column.isValid(row) { out[row] = mask[Int(codes[row])] }
        } else {
            set.write(column.flat(), rows, to: out)
        }
        let missing = set.hasNull ? Truth.unknown : Truth.no
        for row in 0..<rows { out[row] = out[row] == 0 ? missing : Truth.yes }
        if column.validity != nil {
            for row in 0..<rows where !column.isValid(row) { out[row] = Truth.unknown }
        }
        return Truth.column(out, rows)
    }
}

/// `value IN (expressions)`.
final class InExpressionsEvaluator: Evaluator {
    private let value: any Evaluator
    private let items: [any Evaluator]
    private let truths = Scratch<UInt8>()
    private let equal = Scratch<UInt8>()

    init(_ value: any Evaluator, _ items: [any Evaluator]) {
        self.value = value
        self.items = items
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let column = try value.evaluate(batch)
        let rows = batch.rows
        let out = truths.room(rows)
        for row in 0..<rows { out[row] = Truth.no }
        for item in items {
            let other = try item.evaluate(batch)
            let same = equal.room(rows)
            ColumnEquality.write(column, other, rows, to: same)
            for row in 0..<rows where out[row] != Truth.yes {
                if !column.isValid(row) || !other.isValid(row) {
                    out[row] = Truth.unknown
                } else if same[row] != 0 {
                    out[row] = Truth.yes
                }
            }
        }
        return Truth.column(out, rows)
    }
}
