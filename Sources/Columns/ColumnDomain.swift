// The set of values that a column may have for a row to matter: what scans prune with.

/// An interval or a list of values, with or without NULL.
public struct ColumnDomain: Hashable, Sendable {
    public var low: Scalar?
    public var isLowInclusive: Bool
    public var high: Scalar?
    public var isHighInclusive: Bool
    /// When set, one of these; at most ``valuesMax``.
    public var values: [Scalar]?
    public var allowsNull: Bool

    /// Longer lists are kept as bounds only.
    public static let valuesMax = 256

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
}
