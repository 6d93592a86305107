// Variances, standard deviations, covariance, correlation and linear regression.
import Columns
import Diagnostics
import Glibc

enum VarianceKind: String, CaseIterable, Sendable {
    case varPop = "var_pop"
    case varSamp = "var_samp"
    case variance
    case stddevPop = "stddev_pop"
    case stddevSamp = "stddev_samp"
    case stddev

    var isSample: Bool { self != .varPop && self != .stddevPop }
    var isRoot: Bool { self == .stddev || self == .stddevPop || self == .stddevSamp }
}

/// Exact variances of integers and numerics: sums and sums of squares in 256 bits.
final class ExactVariance: Aggregate {
    private struct State: BitwiseCopyable {
        var sum = WideInteger.zero
        var squares = WideInteger.zero
        var count: Int64 = 0
        /// Fractional digits of `sum`; `squares` has twice as many.
        var scale: Int32 = 0
        var hasNaN = false
    }

    private let states = StateArray<State>(State())
    private let kind: VarianceKind

    init(_ kind: VarianceKind) { self.kind = kind }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        states.grow(to: max(groups.groups, 1))
        let column = Flatten.flat(arguments[0])
        let valid = column.validityWords
        switch column.physical {
        case .int16: try add(column.pointer(Int16.self), 0, valid, groups)
        case .int32: try add(column.pointer(Int32.self), 0, valid, groups)
        case .int64: try add(column.pointer(Int64.self), scale(column.type), valid, groups)
        case .int128: try add(column.pointer(Int128.self), scale(column.type), valid, groups)
        default:
            let values = column.pointer(Numeric.self)
            try groups.each(valid) { (group, row) throws(SQLError) in
                let value = values[row]
                if value.isFinite {
                    try add(value.mantissa, Int(value.scale), to: group)
                } else {
                    states.base[group].hasNaN = true
                    states.base[group].count += 1
                }
            }
        }
    }

    private func scale(_ type: SQLType) -> Int {
        if case .decimal(_, let scale) = type { return scale }
        return 0
    }

    private func add<T: FixedWidthInteger & BitwiseCopyable>(
        _ values: UnsafePointer<T>, _ scale: Int, _ valid: UnsafePointer<UInt64>?, _ groups: GroupNumbers
    ) throws(SQLError) {
        try groups.each(valid) { (group, row) throws(SQLError) in
            try add(Int128(truncatingIfNeeded: values[row]), scale, to: group)
        }
    }

    @inline(__always)
    private func add(_ mantissa: Int128, _ scale: Int, to group: Int) throws(SQLError) {
        let states = states.base
        var value = mantissa
        if Int(states[group].scale) != scale {
            if scale > Int(states[group].scale) {
                try raise(&states[group], to: scale)
            } else {
                guard let raised = DecimalMath.rescale(mantissa, from: scale, to: Int(states[group].scale)) else {
                    throw DecimalMath.overflow
                }
                value = raised
            }
        }
        states[group].sum = states[group].sum + WideInteger(value)
        states[group].squares = states[group].squares + WideInteger(value, times: value)
        states[group].count &+= 1
    }

    private func raise(_ state: inout State, to scale: Int) throws(SQLError) {
        let power = UInt128(DecimalMath.pow10(scale - Int(state.scale)))
        guard let sum = state.sum.multiplied(by: power), let once = state.squares.multiplied(by: power),
            let squares = once.multiplied(by: power)
        else { throw DecimalMath.overflow }
        (state.sum, state.squares, state.scale) = (sum, squares, Int32(scale))
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? ExactVariance else { throw AggregateResult.mismatch }
        states.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.states.count) {
            let group = groups.group(index)
            var from = other.states.base[index]
            var to = states.base[group]
            if from.scale > to.scale { try raise(&to, to: Int(from.scale)) }
            if to.scale > from.scale { try raise(&from, to: Int(to.scale)) }
            to.sum = to.sum + from.sum
            to.squares = to.squares + from.squares
            to.count += from.count
            to.hasNaN = to.hasNaN || from.hasNaN
            states.base[group] = to
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        try AggregateResult.column(.numeric, range, zero: Numeric(0, scale: 0)) {
            (group) throws(SQLError) -> Numeric? in
            try result(states[group])
        }
    }

    private func result(_ state: State) throws(SQLError) -> Numeric? {
        guard state.count > (kind.isSample ? 1 : 0) else { return nil }
        if state.hasNaN { return .nan }
        // (N * sum(x^2) - sum(x)^2) / (N * N) or (N * (N - 1)).
        let count = UInt128(state.count)
        guard let left = state.squares.multiplied(by: count),
            let sum = state.sum.numeric(scale: 0).map(\.mantissa)
        else { throw DecimalMath.overflow }
        let numerator = left + -WideInteger(sum, times: sum)
        if numerator.isNegative || numerator.isZero { return Numeric(0, scale: 0) }
        guard let top = numerator.numeric(scale: 2 * Int(state.scale)),
            let bottom = DecimalMath.multiply(Int128(count), Int128(kind.isSample ? count - 1 : count))
        else { throw DecimalMath.overflow }
        let divisor = Numeric(bottom, scale: 0)
        let quotient = try NumericMath.divide(top, divisor)
        guard kind.isRoot else { return quotient }
        return try NumericTranscendental.sqrt(quotient, scale: NumericMath.divisionScale(top, divisor))
    }

    var sizeBytes: Int { states.sizeBytes }
}

/// Variances of floats (Youngs and Cramer, as PostgreSQL).
final class FloatVariance<V: BinaryFloatingPoint & BitwiseCopyable>: Aggregate {
    private struct State: BitwiseCopyable {
        var count = 0.0
        var sum = 0.0
        var squares = 0.0
        /// Whether a value was infinite or not a number: otherwise an infinite sum is an overflow.
        var isSpecial = false
    }

    private let states = StateArray<State>(State())
    private let kind: VarianceKind

    init(_ kind: VarianceKind) { self.kind = kind }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        states.grow(to: max(groups.groups, 1))
        let column = Flatten.flat(arguments[0])
        let values = column.pointer(V.self)
        let s = states.base
        try groups.each(column.validityWords) { (group, row) throws(SQLError) in
            let value = Double(values[row])
            let count = s[group].count + 1
            let sum = s[group].sum + value
            if count > 1 {
                let delta = value * count - sum
                s[group].squares += delta * delta / (count * (count - 1))
            } else if !value.isFinite {
                s[group].squares = .nan
            }
            s[group].count = count
            s[group].sum = sum
            if !value.isFinite { s[group].isSpecial = true }
        }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? FloatVariance<V> else { throw AggregateResult.mismatch }
        states.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.states.count) {
            let group = groups.group(index)
            let (a, b) = (states.base[group], other.states.base[index])
            guard b.count > 0 else { continue }
            guard a.count > 0 else {
                states.base[group] = b
                continue
            }
            let count = a.count + b.count
            let delta = a.sum / a.count - b.sum / b.count
            states.base[group] = State(
                count: count, sum: a.sum + b.sum,
                squares: a.squares + b.squares + a.count * b.count * delta * delta / count,
                isSpecial: a.isSpecial || b.isSpecial)
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        try AggregateResult.column(.float8, range, zero: 0.0) { (group) throws(SQLError) -> Double? in
            let state = states[group]
            guard state.count > (kind.isSample ? 1 : 0) else { return nil }
            if !state.sum.isFinite || !state.squares.isFinite, !state.isSpecial { throw Arithmetic.floatOverflow }
            let variance = state.squares / (kind.isSample ? state.count - 1 : state.count)
            return kind.isRoot ? variance.squareRoot() : variance
        }
    }

    var sizeBytes: Int { states.sizeBytes }
}

enum RegressionKind: String, CaseIterable, Sendable {
    case corr
    case covarPop = "covar_pop"
    case covarSamp = "covar_samp"
    case avgx = "regr_avgx"
    case avgy = "regr_avgy"
    case intercept = "regr_intercept"
    case r2 = "regr_r2"
    case slope = "regr_slope"
    case sxx = "regr_sxx"
    case sxy = "regr_sxy"
    case syy = "regr_syy"
}

/// Sums over pairs (y, x), both not NULL.
final class RegressionAggregate: Aggregate {
    private struct State: BitwiseCopyable {
        var count = 0.0
        var (sx, sxx, sy, syy, sxy) = (0.0, 0.0, 0.0, 0.0, 0.0)
    }

    private let states = StateArray<State>(State())
    /// nil counts the pairs.
    private let kind: RegressionKind?

    init(_ kind: RegressionKind?) { self.kind = kind }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        states.grow(to: max(groups.groups, 1))
        let (first, second) = (Flatten.flat(arguments[0]), Flatten.flat(arguments[1]))
        let (ys, xs) = (first.pointer(Double.self), second.pointer(Double.self))
        let valid = Bitmap.and(first.validity, second.validity, groups.rows)
        let s = states.base
        try groups.each(valid.map { UnsafePointer($0.pointer(UInt64.self)) }) { (group, row) throws(SQLError) in
            let (x, y) = (xs[row], ys[row])
            var state = s[group]
            state.count += 1
            state.sx += x
            state.sy += y
            if state.count > 1 {
                let (dx, dy) = (x * state.count - state.sx, y * state.count - state.sy)
                let scale = 1 / (state.count * (state.count - 1))
                state.sxx += dx * dx * scale
                state.syy += dy * dy * scale
                state.sxy += dx * dy * scale
            } else {
                if !x.isFinite { (state.sxx, state.sxy) = (.nan, .nan) }
                if !y.isFinite { (state.syy, state.sxy) = (.nan, .nan) }
            }
            s[group] = state
        }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? RegressionAggregate else { throw AggregateResult.mismatch }
        states.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.states.count) {
            let group = groups.group(index)
            let (a, b) = (states.base[group], other.states.base[index])
            guard b.count > 0 else { continue }
            guard a.count > 0 else {
                states.base[group] = b
                continue
            }
            var sum = State()
            sum.count = a.count + b.count
            let (dx, dy) = (a.sx / a.count - b.sx / b.count, a.sy / a.count - b.sy / b.count)
            let weight = a.count * b.count / sum.count
            sum.sx = a.sx + b.sx
            sum.sy = a.sy + b.sy
            sum.sxx = a.sxx + b.sxx + weight * dx * dx
            sum.syy = a.syy + b.syy + weight * dy * dy
            sum.sxy = a.sxy + b.sxy + weight * dx * dy
            states.base[group] = sum
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        guard let kind else {
            return try AggregateResult.column(.int8, range, zero: Int64(0)) { (group) throws(SQLError) -> Int64? in
                Int64(states[group].count)
            }
        }
        return try AggregateResult.column(.float8, range, zero: 0.0) { (group) throws(SQLError) -> Double? in
            value(kind, states[group])
        }
    }

    private func value(_ kind: RegressionKind, _ s: State) -> Double? {
        guard s.count > 0 else { return nil }
        switch kind {
        case .covarPop: return s.sxy / s.count
        case .covarSamp: return s.count > 1 ? s.sxy / (s.count - 1) : nil
        case .corr: return s.sxx == 0 || s.syy == 0 ? nil : s.sxy / (s.sxx * s.syy).squareRoot()
        case .avgx: return s.sx / s.count
        case .avgy: return s.sy / s.count
        case .sxx: return s.sxx
        case .syy: return s.syy
        case .sxy: return s.sxy
        case .slope: return s.sxx == 0 ? nil : s.sxy / s.sxx
        case .intercept: return s.sxx == 0 ? nil : (s.sy - s.sx * s.sxy / s.sxx) / s.count
        case .r2:
            if s.sxx == 0 { return nil }
            return s.syy == 0 ? 1 : s.sxy * s.sxy / (s.sxx * s.syy)
        }
    }

    var sizeBytes: Int { states.sizeBytes }
}
