// min and max over every type. Hot.
// A generic class called through a protocol runs unspecialised code unless it lists its specialisations.
import Columns
import Diagnostics
import Glibc

/// An order of values in memory.
protocol ValueOrder: Sendable {
    associatedtype Value: BitwiseCopyable
    static var zero: Value { get }
    static func isLess(_ a: Value, _ b: Value) -> Bool
}

enum IntegerOrder<T: FixedWidthInteger & BitwiseCopyable & Sendable>: ValueOrder {
    static var zero: T { 0 }
    @inline(__always)
    static func isLess(_ a: T, _ b: T) -> Bool { a < b }
}

/// NaN is above every number.
enum FloatOrder<T: BinaryFloatingPoint & BitwiseCopyable & Sendable>: ValueOrder {
    static var zero: T { 0 }
    @inline(__always)
    static func isLess(_ a: T, _ b: T) -> Bool { a < b || (b != b && a == a) }
}

enum NumericOrder: ValueOrder {
    static var zero: Numeric { Numeric(0, scale: 0) }
    static func isLess(_ a: Numeric, _ b: Numeric) -> Bool { Numeric.compare(a, b) < 0 }
}

enum IntervalOrder: ValueOrder {
    static var zero: Interval { Interval() }
    static func isLess(_ a: Interval, _ b: Interval) -> Bool { a.comparisonKey < b.comparisonKey }
}

/// The least or greatest value of trivial types.
final class ExtremeAggregate<Order: ValueOrder>: Aggregate {
    typealias Value = Order.Value
    private let values = StateArray<Value>(Order.zero)
    private let seen = StateArray<UInt8>(0)
    private let isMax: Bool
    private let type: SQLType

    init(isMax: Bool, type: SQLType) {
        self.isMax = isMax
        self.type = type
    }

    @_specialize(where Order == IntegerOrder<Int16>)
    @_specialize(where Order == IntegerOrder<Int32>)
    @_specialize(where Order == IntegerOrder<Int64>)
    @_specialize(where Order == IntegerOrder<Int128>)
    @_specialize(where Order == FloatOrder<Float>)
    @_specialize(where Order == FloatOrder<Double>)
    @_specialize(where Order == NumericOrder)
    @_specialize(where Order == IntervalOrder)
    @_specialize(where Order == IntegerOrder<UInt8>)
    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        grow(groups.groups)
        let column = entries(arguments[0], groups)
        let input = column.pointer(Value.self)
        let rows = column.count
        if groups.numbers == nil, column.validity == nil {
            if rows > 0 { offer(best(input, rows), to: 0) }
            return
        }
        let (v, s) = (values.base, seen.base)
        if isMax {
            try groups.each(column.validityWords) { (group, row) throws(SQLError) in
                let value = input[row]
                if s[group] == 0 || Order.isLess(v[group], value) { v[group] = value }
                s[group] = 1
            }
        } else {
            try groups.each(column.validityWords) { (group, row) throws(SQLError) in
                let value = input[row]
                if s[group] == 0 || Order.isLess(value, v[group]) { v[group] = value }
                s[group] = 1
            }
        }
    }

    /// One row is enough of a constant when all rows go to one group.
    private func entries(_ column: Column, _ groups: GroupNumbers) -> Column {
        guard column.layout == .constant, groups.numbers == nil, column.validity == nil, groups.rows > 0 else {
            return Flatten.flat(column)
        }
        return Flatten.flat(Column.constant(column, count: 1))
    }

    @inline(__always)
    private func best(_ input: UnsafePointer<Value>, _ rows: Int) -> Value {
        var best = input[0]
        if isMax {
            for row in 0..<rows { best = Order.isLess(best, input[row]) ? input[row] : best }
        } else {
            for row in 0..<rows { best = Order.isLess(input[row], best) ? input[row] : best }
        }
        return best
    }

    private func offer(_ value: Value, to group: Int) {
        let (v, s) = (values.base, seen.base)
        if s[group] == 0 || (isMax ? Order.isLess(v[group], value) : Order.isLess(value, v[group])) {
            v[group] = value
        }
        s[group] = 1
    }

    private func grow(_ groups: Int) {
        values.grow(to: max(groups, 1))
        seen.grow(to: max(groups, 1))
    }

    @_specialize(where Order == IntegerOrder<Int16>)
    @_specialize(where Order == IntegerOrder<Int32>)
    @_specialize(where Order == IntegerOrder<Int64>)
    @_specialize(where Order == IntegerOrder<Int128>)
    @_specialize(where Order == FloatOrder<Float>)
    @_specialize(where Order == FloatOrder<Double>)
    @_specialize(where Order == NumericOrder)
    @_specialize(where Order == IntervalOrder)
    @_specialize(where Order == IntegerOrder<UInt8>)
    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? ExtremeAggregate<Order> else { throw AggregateResult.mismatch }
        grow(groups.groups)
        for index in 0..<min(groups.rows, other.values.count) where other.seen.base[index] != 0 {
            offer(other.values.base[index], to: groups.group(index))
        }
    }

    @_specialize(where Order == IntegerOrder<Int16>)
    @_specialize(where Order == IntegerOrder<Int32>)
    @_specialize(where Order == IntegerOrder<Int64>)
    @_specialize(where Order == IntegerOrder<Int128>)
    @_specialize(where Order == FloatOrder<Float>)
    @_specialize(where Order == FloatOrder<Double>)
    @_specialize(where Order == NumericOrder)
    @_specialize(where Order == IntervalOrder)
    @_specialize(where Order == IntegerOrder<UInt8>)
    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        try AggregateResult.column(type, range, zero: Order.zero) { (group) throws(SQLError) -> Value? in
            seen[group] != 0 ? values[group] : nil
        }
    }

    var sizeBytes: Int { values.sizeBytes + seen.sizeBytes }
}

/// The least or greatest string: states keep the bytes of long ones in an arena of their own.
final class TextExtreme: Aggregate {
    private let values = StateArray<StringView>(StringView(head: 0, tail: 0))
    private let seen = StateArray<UInt8>(0)
    private let arena = ViewArena()
    private let isMax: Bool
    private let type: SQLType
    private let isPadded: Bool

    init(isMax: Bool, type: SQLType) {
        self.isMax = isMax
        self.type = type
        if case .char = type { isPadded = true } else { isPadded = false }
    }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        grow(groups.groups)
        let column = Flatten.flat(arguments[0])
        let input = column.pointer(StringView.self)
        if groups.numbers == nil {
            // Only the batch's best is copied.
            var best = -1
            try groups.each(column.validityWords) { (_, row) throws(SQLError) in
                if best < 0 || beats(input[row], input[best]) { best = row }
            }
            if best >= 0 { offer(input[best], to: 0) }
        } else {
            try groups.each(column.validityWords) { (group, row) throws(SQLError) in offer(input[row], to: group) }
        }
        arena.compact(values.base, values.count)
    }

    @inline(__always)
    private func beats(_ a: StringView, _ b: StringView) -> Bool {
        if isPadded {
            let x = a.slice(0, TextOps.lengthWithoutBlanks(a))
            let y = b.slice(0, TextOps.lengthWithoutBlanks(b))
            return isMax ? StringView.compare(x, y) > 0 : StringView.compare(x, y) < 0
        }
        return isMax ? StringView.compare(a, b) > 0 : StringView.compare(a, b) < 0
    }

    @inline(__always)
    private func offer(_ value: StringView, to group: Int) {
        let (v, s) = (values.base, seen.base)
        guard s[group] == 0 || beats(value, v[group]) else { return }
        v[group] = arena.keep(value, replacing: v[group])
        s[group] = 1
    }

    private func grow(_ groups: Int) {
        values.grow(to: max(groups, 1))
        seen.grow(to: max(groups, 1))
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? TextExtreme else { throw AggregateResult.mismatch }
        grow(groups.groups)
        for index in 0..<min(groups.rows, other.values.count) where other.seen.base[index] != 0 {
            offer(other.values.base[index], to: groups.group(index))
        }
        arena.compact(values.base, values.count)
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        let made = try AggregateResult.column(type, range, zero: StringView(head: 0, tail: 0)) {
            (group) throws(SQLError) -> StringView? in seen[group] != 0 ? values[group] : nil
        }
        return Column(
            type, count: made.count, values: made.values, validity: made.validity, heaps: arena.heaps)
    }

    var sizeBytes: Int { values.sizeBytes + seen.sizeBytes + arena.sizeBytes }
}

/// Bytes of long strings that states point to. Replaced strings leave holes, which compaction removes.
final class ViewArena {
    private(set) var heaps: [Buffer] = []
    private var used = 0
    private var total = 0
    private var dead = 0

    private static let heapBytes = 64 << 10
    /// Holes below this are not worth a compaction.
    private static let deadBytesMin = 1 << 20

    /// Copies a long view's bytes here; `replacing` is the view that the state held before.
    func keep(_ view: StringView, replacing old: StringView = StringView(head: 0, tail: 0)) -> StringView {
        if !old.isInline { dead += old.count }
        guard !view.isInline else { return view }
        let count = view.count
        if heaps.isEmpty || heaps[heaps.count - 1].capacity - used < count {
            let heap = Buffer(bytes: max(ViewArena.heapBytes, count))
            heaps.append(heap)
            total += heap.capacity
            used = 0
        }
        let target = heaps[heaps.count - 1].base + used
        memcpy(target, view.address, count)
        used += count
        return StringView(target, count)
    }

    /// Moves the live strings together when most bytes are holes.
    func compact(_ views: UnsafeMutablePointer<StringView>, _ count: Int) {
        guard dead > ViewArena.deadBytesMin, dead * 2 > total else { return }
        let old = heaps
        heaps = []
        (used, total, dead) = (0, 0, 0)
        for index in 0..<count { views[index] = keep(views[index]) }
        withExtendedLifetime(old) {}
    }

    var sizeBytes: Int { total }
}
