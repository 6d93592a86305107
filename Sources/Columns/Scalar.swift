// One typed value or NULL: literals, parameters, statistics, partition values. Never used per row.

/// A value with its type.
public struct Scalar: Hashable, Sendable {
    public var type: SQLType
    public var value: Value

    /// The value's form; which cases go with a type follows from its physical form.
    public enum Value: Hashable, Sendable {
        case null
        case bool(Bool)
        /// int2, int4, int8, date, time, timestamp, timestamptz.
        case int(Int64)
        /// float4, float8.
        case double(Double)
        /// decimal (mantissa at the type's scale), uuid (stored form).
        case int128(Int128)
        /// numeric.
        case numeric(mantissa: Int128, scale: Int)
        /// unknown, text, varchar, char.
        case string(String)
        /// bytea.
        case bytes([UInt8])
        case interval(Interval)
        /// Arrays, and maps as rows of key and value.
        case array([Scalar])
        /// Structs.
        case row([Scalar])
    }

    public init(_ type: SQLType, _ value: Value) {
        self.type = type
        self.value = value
    }

    public static func null(_ type: SQLType) -> Scalar { Scalar(type, .null) }
    public static func boolean(_ value: Bool) -> Scalar { Scalar(.boolean, .bool(value)) }
    public static func int4(_ value: Int32) -> Scalar { Scalar(.int4, .int(Int64(value))) }
    public static func int8(_ value: Int64) -> Scalar { Scalar(.int8, .int(value)) }
    public static func text(_ value: String) -> Scalar { Scalar(.text, .string(value)) }

    public var isNull: Bool { value == .null }
}

extension Column {
    /// Returns the value of one row. Not for loops over rows.
    public func scalar(_ row: Int) -> Scalar {
        guard isValid(row) else { return .null(type) }
        let at = slot(row)
        let from = storage
        switch physical {
        case .bool: return Scalar(type, .bool(from.pointer(UInt8.self)[at] != 0))
        case .int16: return Scalar(type, .int(Int64(from.pointer(Int16.self)[at])))
        case .int32: return Scalar(type, .int(Int64(from.pointer(Int32.self)[at])))
        case .int64:
            let number = from.pointer(Int64.self)[at]
            if case .decimal = type { return Scalar(type, .int128(Int128(number))) }
            return Scalar(type, .int(number))
        case .int128: return Scalar(type, .int128(from.pointer(Int128.self)[at]))
        case .float32: return Scalar(type, .double(Double(from.pointer(Float.self)[at])))
        case .float64: return Scalar(type, .double(from.pointer(Double.self)[at]))
        case .numeric:
            let number = from.pointer(Numeric.self)[at]
            return Scalar(type, .numeric(mantissa: number.mantissa, scale: Int(number.scale)))
        case .interval: return Scalar(type, .interval(from.pointer(Interval.self)[at]))
        case .view:
            let view = from.pointer(StringView.self)[at]
            if type == .bytea { return Scalar(type, .bytes(view.withBytes { [UInt8]($0) })) }
            return Scalar(type, .string(view.string))
        case .list:
            let span = from.pointer(ListSpan.self)[at]
            var elements: [Scalar] = []
            if let child {
                for index in Int(span.start)..<Int(span.start + span.count) { elements.append(child.scalar(index)) }
            }
            return Scalar(type, .array(elements))
        case .row:
            let place = Int(from.pointer(Int32.self)[at])
            return Scalar(type, .row(from.fields.map { $0.scalar(place) }))
        }
    }
}
