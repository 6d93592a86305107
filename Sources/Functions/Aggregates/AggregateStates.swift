// Memory of aggregate states: arrays that grow with the groups, and the loops that all aggregates share. Hot.
import Columns
import Diagnostics

/// One trivial state a group.
final class StateArray<T: BitwiseCopyable> {
    /// States of all groups; moves when the array grows, so loops take it once per batch.
    private(set) var base: UnsafeMutablePointer<T>
    private(set) var count = 0
    private var capacity: Int
    private let initial: T

    init(_ initial: T) {
        self.initial = initial
        capacity = 8
        base = UnsafeMutablePointer<T>.allocate(capacity: capacity)
    }

    deinit { base.deallocate() }

    /// Makes room for groups; new ones have the initial state.
    func grow(to groups: Int) {
        guard groups > count else { return }
        if groups > capacity {
            let wanted = max(groups, capacity * 2)
            let moved = UnsafeMutablePointer<T>.allocate(capacity: wanted)
            moved.update(from: base, count: count)
            base.deallocate()
            base = moved
            capacity = wanted
        }
        for group in count..<groups { base[group] = initial }
        count = groups
    }

    /// The state of a group, the initial one when it was never seen.
    subscript(group: Int) -> T { group < count ? base[group] : initial }

    var sizeBytes: Int { capacity * MemoryLayout<T>.stride }
}

extension GroupNumbers {
    /// The group of a row. Not for hot loops.
    @inline(__always)
    func group(_ row: Int) -> Int { numbers.map { Int($0[row]) } ?? 0 }

    /// Calls the body with group and row of each row that is not NULL.
    @inline(__always)
    func each(_ valid: UnsafePointer<UInt64>?, _ body: (Int, Int) throws(SQLError) -> Void) throws(SQLError) {
        if let numbers {
            if let valid {
                for row in 0..<rows where Bitmap.get(valid, row) { try body(Int(numbers[row]), row) }
            } else {
                for row in 0..<rows { try body(Int(numbers[row]), row) }
            }
        } else if let valid {
            for row in 0..<rows where Bitmap.get(valid, row) { try body(0, row) }
        } else {
            for row in 0..<rows { try body(0, row) }
        }
    }
}

/// Builds a result column of trivial values.
enum AggregateResult {
    /// `body` gives the value of a group, nil for NULL.
    @inline(__always)
    static func column<R: BitwiseCopyable>(
        _ type: SQLType, _ range: Range<Int>, zero: R, _ body: (Int) throws(SQLError) -> R?
    ) throws(SQLError) -> Column {
        let rows = range.count
        let out = Buffer(count: max(1, rows), of: R.self)
        let o = out.pointer(R.self)
        var bits: Buffer?
        for (row, group) in range.enumerated() {
            if let value = try body(group) {
                o[row] = value
            } else {
                let made = bits ?? Bitmap.make(rows, all: true)
                bits = made
                Bitmap.clear(made.pointer(UInt64.self), row)
                o[row] = zero
            }
        }
        return Column(type, count: rows, values: out, validity: bits)
    }

    /// The error of an aggregate that was handed another's states: a bug of ours.
    static let mismatch = SQLError(.internalError, "aggregate states of different kinds")
}
