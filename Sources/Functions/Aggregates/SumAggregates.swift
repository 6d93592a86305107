// sum and avg over integers, decimals, floats, numerics and intervals. Hot.
// A generic class called through a protocol runs unspecialised code unless it lists its specialisations.
import Columns
import Diagnostics

/// Whether a sum or its quotient by the count is wanted.
enum SumResult: Sendable { case sum, average }

/// Sums of integers and fixed decimals: values V into sums S, which hold every sum of less than 2^63 rows, or notice.
final class IntegerSum<V, S>: Aggregate
where V: FixedWidthInteger & SignedInteger & BitwiseCopyable, S: FixedWidthInteger & SignedInteger & BitwiseCopyable {
    private let sums = StateArray<S>(0)
    private let counts = StateArray<Int64>(0)
    private let result: SumResult
    private let type: SQLType
    /// Fractional digits of the values.
    private let scale: Int
    /// Whether adding may overflow S.
    private let isChecked: Bool

    init(_ result: SumResult, type: SQLType, scale: Int) {
        self.result = result
        self.type = type
        self.scale = scale
        isChecked = V.bitWidth == S.bitWidth
    }

    @_specialize(where V == Int16, S == Int64)
    @_specialize(where V == Int32, S == Int64)
    @_specialize(where V == Int64, S == Int128)
    @_specialize(where V == Int128, S == Int128)
    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        sums.grow(to: max(groups.groups, 1))
        counts.grow(to: max(groups.groups, 1))
        let column = Flatten.flat(arguments[0])
        let values = column.pointer(V.self)
        if isChecked {
            try updateChecked(values, column.validityWords, groups)
        } else if let numbers = groups.numbers {
            updateGrouped(values, column.validityWords, numbers, groups.rows)
        } else {
            updateOne(values, column.validityWords, groups.rows)
        }
    }

    private func updateChecked(
        _ values: UnsafePointer<V>, _ valid: UnsafePointer<UInt64>?, _ groups: GroupNumbers
    ) throws(SQLError) {
        let (s, c) = (sums.base, counts.base)
        try groups.each(valid) { (group, row) throws(SQLError) in
            let (sum, overflow) = s[group].addingReportingOverflow(S(truncatingIfNeeded: values[row]))
            if overflow { throw DecimalMath.overflow }
            s[group] = sum
            c[group] &+= 1
        }
    }

    @inline(__always)
    private func updateGrouped(
        _ values: UnsafePointer<V>, _ valid: UnsafePointer<UInt64>?, _ numbers: UnsafePointer<Int32>, _ rows: Int
    ) {
        let (s, c) = (sums.base, counts.base)
        if let valid {
            for row in 0..<rows {
                let bit = Int64(bitPattern: (valid[row &>> 6] &>> UInt64(truncatingIfNeeded: row & 63)) & 1)
                let group = Int(numbers[row])
                s[group] &+= S(truncatingIfNeeded: values[row]) & S(truncatingIfNeeded: 0 &- bit)
                c[group] &+= bit
            }
        } else {
            for row in 0..<rows {
                let group = Int(numbers[row])
                s[group] &+= S(truncatingIfNeeded: values[row])
                c[group] &+= 1
            }
        }
    }

    /// One group: halves of 32 bits in separate sums, which cannot overflow within a batch and vectorize.
    @inline(__always)
    private func updateOne(_ values: UnsafePointer<V>, _ valid: UnsafePointer<UInt64>?, _ rows: Int) {
        var (high, low): (Int64, Int64) = (0, 0)
        if let valid {
            for row in 0..<rows {
                let bit = Int64(bitPattern: (valid[row &>> 6] &>> UInt64(truncatingIfNeeded: row & 63)) & 1)
                let value = Int64(truncatingIfNeeded: values[row]) & (0 &- bit)
                high &+= value &>> 32
                low &+= value & 0xffff_ffff
            }
            counts.base[0] &+= Int64(Bitmap.count(valid, rows))
        } else {
            for row in 0..<rows {
                let value = Int64(truncatingIfNeeded: values[row])
                high &+= value &>> 32
                low &+= value & 0xffff_ffff
            }
            counts.base[0] &+= Int64(rows)
        }
        sums.base[0] &+= S(truncatingIfNeeded: Int128(high) << 32 + Int128(low))
    }

    @_specialize(where V == Int16, S == Int64)
    @_specialize(where V == Int32, S == Int64)
    @_specialize(where V == Int64, S == Int128)
    @_specialize(where V == Int128, S == Int128)
    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? IntegerSum<V, S> else { throw AggregateResult.mismatch }
        sums.grow(to: max(groups.groups, 1))
        counts.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.sums.count) {
            let group = groups.group(index)
            let (sum, overflow) = sums.base[group].addingReportingOverflow(other.sums.base[index])
            if overflow {
                throw S.bitWidth == 64 ? Arithmetic.outOfRange(.int8) : DecimalMath.overflow
            }
            sums.base[group] = sum
            counts.base[group] &+= other.counts.base[index]
        }
    }

    @_specialize(where V == Int16, S == Int64)
    @_specialize(where V == Int32, S == Int64)
    @_specialize(where V == Int64, S == Int128)
    @_specialize(where V == Int128, S == Int128)
    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        switch result {
        case .average:
            return try AggregateResult.column(type, range, zero: Numeric(0, scale: 0)) {
                (group) throws(SQLError) -> Numeric? in
                let count = counts[group]
                guard count > 0 else { return nil }
                return try NumericMath.divide(
                    Numeric(Int128(truncatingIfNeeded: sums[group]), scale: scale), Numeric(Int128(count), scale: 0))
            }
        case .sum where S.bitWidth == 64:
            return try AggregateResult.column(type, range, zero: Int64(0)) { (group) throws(SQLError) -> Int64? in
                counts[group] > 0 ? Int64(truncatingIfNeeded: sums[group]) : nil
            }
        case .sum:
            return try AggregateResult.column(type, range, zero: Int128(0)) { (group) throws(SQLError) -> Int128? in
                guard counts[group] > 0 else { return nil }
                let sum = Int128(truncatingIfNeeded: sums[group])
                guard DecimalMath.fits(sum) else { throw DecimalMath.overflow }
                return sum
            }
        }
    }

    var sizeBytes: Int { sums.sizeBytes + counts.sizeBytes }
}

/// Sums of floats, in double precision.
final class FloatSum<V: BinaryFloatingPoint & BitwiseCopyable>: Aggregate {
    private let sums = StateArray<Double>(0)
    private let counts = StateArray<Int64>(0)
    /// Infinities in the input make infinite sums right; otherwise they are overflows.
    private let infinities = StateArray<UInt8>(0)
    private let result: SumResult
    private let type: SQLType

    init(_ result: SumResult, type: SQLType) {
        self.result = result
        self.type = type
    }

    @_specialize(where V == Float)
    @_specialize(where V == Double)
    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        sums.grow(to: max(groups.groups, 1))
        counts.grow(to: max(groups.groups, 1))
        infinities.grow(to: max(groups.groups, 1))
        let column = Flatten.flat(arguments[0])
        let values = column.pointer(V.self)
        let (s, c, f) = (sums.base, counts.base, infinities.base)
        if groups.numbers == nil, column.validity == nil {
            let total = FloatSum.total(values, groups.rows)
            s[0] += total
            c[0] &+= Int64(groups.rows)
            if !total.isFinite {
                for row in 0..<groups.rows where values[row].isInfinite { f[0] = 1 }
            }
            return
        }
        try groups.each(column.validityWords) { (group, row) throws(SQLError) in
            let value = Double(values[row])
            s[group] += value
            c[group] &+= 1
            f[group] |= unsafeBitCast(value.isInfinite, to: UInt8.self)
        }
    }

    /// Eight accumulators, or the additions wait for each other.
    @inline(__always)
    private static func total(_ values: UnsafePointer<V>, _ rows: Int) -> Double {
        var parts = SIMD8<Double>(repeating: 0)
        var row = 0
        while row &+ 8 <= rows {
            var next = SIMD8<Double>()
            for lane in 0..<8 { next[lane] = Double(values[row &+ lane]) }
            parts += next
            row &+= 8
        }
        var total = parts.sum()
        while row < rows {
            total += Double(values[row])
            row &+= 1
        }
        return total
    }

    @_specialize(where V == Float)
    @_specialize(where V == Double)
    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? FloatSum<V> else { throw AggregateResult.mismatch }
        sums.grow(to: max(groups.groups, 1))
        counts.grow(to: max(groups.groups, 1))
        infinities.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.sums.count) {
            let group = groups.group(index)
            sums.base[group] += other.sums.base[index]
            counts.base[group] &+= other.counts.base[index]
            infinities.base[group] |= other.infinities.base[index]
        }
    }

    @_specialize(where V == Float)
    @_specialize(where V == Double)
    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        func value(_ group: Int) throws(SQLError) -> Double? {
            let count = counts[group]
            guard count > 0 else { return nil }
            let sum = sums[group]
            if sum.isInfinite, infinities[group] == 0 { throw Arithmetic.floatOverflow }
            return result == .average ? sum / Double(count) : sum
        }
        if type == .float4 {
            return try AggregateResult.column(type, range, zero: Float(0)) { (group) throws(SQLError) -> Float? in
                guard let sum = try value(group) else { return nil }
                let narrow = Float(sum)
                if narrow.isInfinite, infinities[group] == 0 { throw Arithmetic.floatOverflow }
                return narrow
            }
        }
        return try AggregateResult.column(type, range, zero: 0.0) { (group) throws(SQLError) -> Double? in
            try value(group)
        }
    }

    var sizeBytes: Int { sums.sizeBytes + counts.sizeBytes + infinities.sizeBytes }
}

/// Sums of variable-scale numerics.
final class NumericSum: Aggregate {
    private let sums = StateArray<Numeric>(Numeric(0, scale: 0))
    private let counts = StateArray<Int64>(0)
    private let result: SumResult

    init(_ result: SumResult) { self.result = result }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        sums.grow(to: max(groups.groups, 1))
        counts.grow(to: max(groups.groups, 1))
        let column = Flatten.flat(arguments[0])
        let values = column.pointer(Numeric.self)
        let (s, c) = (sums.base, counts.base)
        try groups.each(column.validityWords) { (group, row) throws(SQLError) in
            s[group] = try NumericMath.add(s[group], values[row])
            c[group] &+= 1
        }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? NumericSum else { throw AggregateResult.mismatch }
        sums.grow(to: max(groups.groups, 1))
        counts.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.sums.count) {
            let group = groups.group(index)
            sums.base[group] = try NumericMath.add(sums.base[group], other.sums.base[index])
            counts.base[group] &+= other.counts.base[index]
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        try AggregateResult.column(.numeric, range, zero: Numeric(0, scale: 0)) {
            (group) throws(SQLError) -> Numeric? in
            guard counts[group] > 0 else { return nil }
            if result == .sum { return sums[group] }
            return try NumericMath.divide(sums[group], Numeric(Int128(counts[group]), scale: 0))
        }
    }

    var sizeBytes: Int { sums.sizeBytes + counts.sizeBytes }
}

/// Sums of intervals.
final class IntervalSum: Aggregate {
    private let sums = StateArray<Interval>(Interval())
    private let counts = StateArray<Int64>(0)
    private let result: SumResult

    init(_ result: SumResult) { self.result = result }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        sums.grow(to: max(groups.groups, 1))
        counts.grow(to: max(groups.groups, 1))
        let column = Flatten.flat(arguments[0])
        let values = column.pointer(Interval.self)
        let (s, c) = (sums.base, counts.base)
        try groups.each(column.validityWords) { (group, row) throws(SQLError) in
            s[group] = try s[group].adding(values[row])
            c[group] &+= 1
        }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? IntervalSum else { throw AggregateResult.mismatch }
        sums.grow(to: max(groups.groups, 1))
        counts.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.sums.count) {
            let group = groups.group(index)
            sums.base[group] = try sums.base[group].adding(other.sums.base[index])
            counts.base[group] &+= other.counts.base[index]
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        try AggregateResult.column(.interval, range, zero: Interval()) { (group) throws(SQLError) -> Interval? in
            guard counts[group] > 0 else { return nil }
            return result == .sum ? sums[group] : try sums[group].divided(by: Double(counts[group]))
        }
    }

    var sizeBytes: Int { sums.sizeBytes + counts.sizeBytes }
}
