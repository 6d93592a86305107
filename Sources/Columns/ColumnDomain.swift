// What a predicate leaves of one column: an interval, a list of values, NULL or not.
// Sources compare it with statistics to skip files, row groups and pages.

/// The values of one column that can still matter. It may be wider than the predicate it came from, never narrower.
public struct ColumnDomain: Sendable, Hashable {
    /// The least value; nil: no bound.
    public var low: Scalar?
    public var isLowInclusive: Bool
    /// The greatest value; nil: no bound.
    public var high: Scalar?
    public var isHighInclusive: Bool
    /// The only values allowed; nil: every value between the bounds. Never holds NULL.
    public var values: [Scalar]?
    /// Whether NULL rows matter.
    public var allowsNull: Bool

    /// Longer value lists are kept as their bounds only when domains are intersected.
    public static let valuesMax = 1024

    public init(
        low: Scalar? = nil, isLowInclusive: Bool = true, high: Scalar? = nil, isHighInclusive: Bool = true,
        values: [Scalar]? = nil, allowsNull: Bool = false
    ) {
        self.low = low
        self.isLowInclusive = isLowInclusive
        self.high = high
        self.isHighInclusive = isHighInclusive
        self.values = values
        self.allowsNull = allowsNull
    }

    /// Every value and NULL.
    public static let all = ColumnDomain(allowsNull: true)
    /// Every value but NULL.
    public static let notNull = ColumnDomain()
    /// NULL only.
    public static let onlyNull = ColumnDomain(values: [], allowsNull: true)
    /// Nothing: the predicate is false.
    public static let none = ColumnDomain(values: [])

    /// One value.
    public static func equal(_ value: Scalar) -> ColumnDomain {
        value.isNull ? none : ColumnDomain(low: value, high: value)
    }

    /// One of some values; NULLs in the list match nothing.
    public static func oneOf(_ values: [Scalar]) -> ColumnDomain {
        let kept = values.filter { !$0.isNull }
        guard let first = kept.first else { return none }
        var low = first
        var high = first
        for value in kept.dropFirst() {
            guard let below = Scalar.compare(value, low), let above = Scalar.compare(value, high) else {
                return ColumnDomain(values: kept)
            }
            if below < 0 { low = value }
            if above > 0 { high = value }
        }
        return ColumnDomain(low: low, high: high, values: kept.count == 1 ? nil : kept)
    }

    /// At least (or more than) a value.
    public static func above(_ value: Scalar, inclusive: Bool) -> ColumnDomain {
        value.isNull ? none : ColumnDomain(low: value, isLowInclusive: inclusive)
    }

    /// At most (or less than) a value.
    public static func below(_ value: Scalar, inclusive: Bool) -> ColumnDomain {
        value.isNull ? none : ColumnDomain(high: value, isHighInclusive: inclusive)
    }

    /// Whether nothing can match.
    public var isNone: Bool { !allowsNull && !mayHoldValue }

    /// Whether the domain lets every row pass.
    public var isAll: Bool { allowsNull && low == nil && high == nil && values == nil }

    /// The single value of an equality, if that is all there is.
    public var single: Scalar? {
        guard !allowsNull else { return nil }
        if let values { return values.count == 1 ? values[0] : nil }
        guard let low, let high, isLowInclusive, isHighInclusive, Scalar.compare(low, high) == 0 else { return nil }
        return low
    }

    private var mayHoldValue: Bool {
        if let values, values.isEmpty { return false }
        guard let low, let high, let order = Scalar.compare(low, high) else { return true }
        return order < 0 || (order == 0 && isLowInclusive && isHighInclusive)
    }

    /// Whether one value (or NULL) may pass. Values that do not compare with the bounds may.
    public func mayMatch(_ value: Scalar) -> Bool {
        if value.isNull { return allowsNull }
        if let values {
            return values.contains { Scalar.compare($0, value).map { $0 == 0 } ?? true } && isBetween(value)
        }
        return isBetween(value)
    }

    private func isBetween(_ value: Scalar) -> Bool {
        if let low, let order = Scalar.compare(value, low), order < 0 || (order == 0 && !isLowInclusive) {
            return false
        }
        if let high, let order = Scalar.compare(value, high), order > 0 || (order == 0 && !isHighInclusive) {
            return false
        }
        return true
    }

    /// Whether rows with these statistics may hold a match; what is not known is nil.
    ///
    /// `mayHaveNaN`: the bounds leave NaN out, as Parquet's do, though SQL orders it above everything.
    public func mayMatch(
        min: Scalar?, max: Scalar?, nullCount: Int64?, rows: Int64, mayHaveNaN: Bool = false
    ) -> Bool {
        if rows <= 0 { return false }
        if allowsNull, nullCount ?? 1 > 0 { return true }
        if let nullCount, nullCount >= rows { return false }
        guard mayHoldValue else { return false }
        if mayHaveNaN, mayMatch(Scalar(.float8, .double(.nan))) { return true }
        if let max, let low, let order = Scalar.compare(max, low), order < 0 || (order == 0 && !isLowInclusive) {
            return false
        }
        if let min, let high, let order = Scalar.compare(min, high), order > 0 || (order == 0 && !isHighInclusive) {
            return false
        }
        guard let values else { return true }
        for value in values {
            if let min, let order = Scalar.compare(value, min), order < 0 { continue }
            if let max, let order = Scalar.compare(value, max), order > 0 { continue }
            return true
        }
        return false
    }

    /// The values in both. It never loses one, and may keep some that only one side allows.
    public func intersect(_ other: ColumnDomain) -> ColumnDomain {
        var result = self
        result.allowsNull = allowsNull && other.allowsNull
        if let bound = other.low {
            if let mine = low, let order = Scalar.compare(bound, mine) {
                if order > 0 {
                    (result.low, result.isLowInclusive) = (bound, other.isLowInclusive)
                } else if order == 0 {
                    result.isLowInclusive = isLowInclusive && other.isLowInclusive
                }
            } else if low == nil {
                (result.low, result.isLowInclusive) = (bound, other.isLowInclusive)
            }
        }
        if let bound = other.high {
            if let mine = high, let order = Scalar.compare(bound, mine) {
                if order < 0 {
                    (result.high, result.isHighInclusive) = (bound, other.isHighInclusive)
                } else if order == 0 {
                    result.isHighInclusive = isHighInclusive && other.isHighInclusive
                }
            } else if high == nil {
                (result.high, result.isHighInclusive) = (bound, other.isHighInclusive)
            }
        }
        result.values = ColumnDomain.common(values, other.values)
        if let list = result.values { result.values = list.filter { result.isBetween($0) } }
        return result
    }

    /// The values in either (and possibly some between).
    public func union(_ other: ColumnDomain) -> ColumnDomain {
        let eitherNull = allowsNull || other.allowsNull
        func with(_ domain: ColumnDomain) -> ColumnDomain {
            var copy = domain
            copy.allowsNull = eitherNull
            return copy
        }
        guard mayHoldValue else { return with(other) }
        guard other.mayHoldValue else { return with(self) }
        var result = ColumnDomain(allowsNull: eitherNull)
        if let a = low, let b = other.low, let order = Scalar.compare(a, b) {
            result.low = order <= 0 ? a : b
            result.isLowInclusive =
                order == 0
                ? isLowInclusive || other.isLowInclusive : (order < 0 ? isLowInclusive : other.isLowInclusive)
        }
        if let a = high, let b = other.high, let order = Scalar.compare(a, b) {
            result.high = order >= 0 ? a : b
            result.isHighInclusive =
                order == 0
                ? isHighInclusive || other.isHighInclusive : (order > 0 ? isHighInclusive : other.isHighInclusive)
        }
        if let a = listed, let b = other.listed, a.count + b.count <= ColumnDomain.valuesMax {
            result.values = Array(Set(a + b))
        }
        return result
    }

    /// The values if they are listed one by one.
    private var listed: [Scalar]? { values ?? single.map { [$0] } }

    private static func common(_ a: [Scalar]?, _ b: [Scalar]?) -> [Scalar]? {
        guard let a else { return b }
        guard let b, a.count <= valuesMax, b.count <= valuesMax else { return a }
        return a.filter { x in b.contains { Scalar.compare(x, $0).map { $0 == 0 } ?? true } }
    }
}
