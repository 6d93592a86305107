// Declares count, sum, avg, min, max and the folds of bits and booleans.
import Columns
import Diagnostics

enum CoreAggregates {
    static let all: [AggregateOverload] =
        counts + sums + averages + extremes("min", isMax: false) + extremes("max", isMax: true) + booleans + bits

    private static let counts = [
        AggregateOverload("count", [], .int8) { CountAggregate() },
        AggregateOverload("count", [.any]) { (call) throws(SQLError) in
            AggregateBinding(arguments: call.types, result: .int8) { CountAggregate() }
        },
    ]

    private static let sums = [
        AggregateOverload("sum", [.int2], .int8) { IntegerSum<Int16, Int64>(.sum, type: .int8, scale: 0) },
        AggregateOverload("sum", [.int4], .int8) { IntegerSum<Int32, Int64>(.sum, type: .int8, scale: 0) },
        AggregateOverload("sum", [.int8], .decimal(precision: 38, scale: 0)) {
            IntegerSum<Int64, Int128>(.sum, type: .decimal(precision: 38, scale: 0), scale: 0)
        },
        AggregateOverload("sum", [.float4], .float4) { FloatSum<Float>(.sum, type: .float4) },
        AggregateOverload("sum", [.float8], .float8) { FloatSum<Double>(.sum, type: .float8) },
        AggregateOverload("sum", [.interval], .interval) { IntervalSum(.sum) },
        AggregateOverload("sum", [.type(.numeric)]) { (call) throws(SQLError) in decimal(.sum, call.types[0]) },
    ]

    private static let averages = [
        AggregateOverload("avg", [.int2], .numeric) { IntegerSum<Int16, Int64>(.average, type: .numeric, scale: 0) },
        AggregateOverload("avg", [.int4], .numeric) { IntegerSum<Int32, Int64>(.average, type: .numeric, scale: 0) },
        AggregateOverload("avg", [.int8], .numeric) { IntegerSum<Int64, Int128>(.average, type: .numeric, scale: 0) },
        AggregateOverload("avg", [.float4], .float8) { FloatSum<Float>(.average, type: .float8) },
        AggregateOverload("avg", [.float8], .float8) { FloatSum<Double>(.average, type: .float8) },
        AggregateOverload("avg", [.interval], .interval) { IntervalSum(.average) },
        AggregateOverload("avg", [.type(.numeric)]) { (call) throws(SQLError) in decimal(.average, call.types[0]) },
    ]

    private static func decimal(_ result: SumResult, _ type: SQLType) -> AggregateBinding {
        guard case .decimal(_, let scale) = type else {
            return AggregateBinding(arguments: [.numeric], result: .numeric) { NumericSum(result) }
        }
        let made: SQLType = result == .sum ? .decimal(precision: SQLType.precisionMax, scale: scale) : .numeric
        if type.physical == .int64 {
            return AggregateBinding(arguments: [type], result: made) {
                IntegerSum<Int64, Int128>(result, type: made, scale: scale)
            }
        }
        return AggregateBinding(arguments: [type], result: made) {
            IntegerSum<Int128, Int128>(result, type: made, scale: scale)
        }
    }

    // MARK: Extremes

    /// Makes the states of min or max for any orderable type; nil for those without order.
    static func extreme(isMax: Bool, _ type: SQLType) -> (@Sendable () -> any Aggregate)? {
        switch type.physical {
        case .int16: { ExtremeAggregate<IntegerOrder<Int16>>(isMax: isMax, type: type) }
        case .int32: { ExtremeAggregate<IntegerOrder<Int32>>(isMax: isMax, type: type) }
        case .int64: { ExtremeAggregate<IntegerOrder<Int64>>(isMax: isMax, type: type) }
        case .int128: { ExtremeAggregate<IntegerOrder<Int128>>(isMax: isMax, type: type) }
        case .float32: { ExtremeAggregate<FloatOrder<Float>>(isMax: isMax, type: type) }
        case .float64: { ExtremeAggregate<FloatOrder<Double>>(isMax: isMax, type: type) }
        case .numeric: { ExtremeAggregate<NumericOrder>(isMax: isMax, type: type) }
        case .interval: { ExtremeAggregate<IntervalOrder>(isMax: isMax, type: type) }
        case .view: { TextExtreme(isMax: isMax, type: type) }
        case .bool: { ExtremeAggregate<IntegerOrder<UInt8>>(isMax: isMax, type: type) }
        case .list, .row: nil
        }
    }

    private static func extremes(_ name: String, isMax: Bool) -> [AggregateOverload] {
        // Booleans have no min in PostgreSQL; DuckDB's is harmless.
        let types: [SQLType] = [
            .int2, .int4, .int8, .float4, .float8, .numeric, .text, .char(1), .bytea, .date, .time, .timestamp,
            .timestamptz, .interval, .uuid, .boolean, .system(.oid), .system(.inet), .system(.timetz),
        ]
        return types.map { (type: SQLType) -> AggregateOverload in
            AggregateOverload(name, [.type(type)], ignoresDistinct: true) { (call) throws(SQLError) in
                try extremeBinding(type, call.types[0], isMax: isMax)
            }
        } + [
            AggregateOverload(name, [.anyEnum], ignoresDistinct: true) { (call) throws(SQLError) in
                try extremeBinding(call.types[0], call.types[0], isMax: isMax)
            }
        ]
    }

    private static func extremeBinding(
        _ declared: SQLType, _ actual: SQLType, isMax: Bool
    ) throws(SQLError) -> AggregateBinding {
        var argument = declared
        var result = declared
        switch (declared, actual) {
        // Lengths and scales of the argument are kept where the result keeps them.
        case (.char, .char), (.numeric, .decimal): (argument, result) = (actual, actual)
        case (.text, .varchar): argument = actual
        case (.text, .system(let type)) where type.isText: argument = actual
        default: break
        }
        guard let make = extreme(isMax: isMax, result) else { throw AggregateResult.mismatch }
        return AggregateBinding(arguments: [argument], result: result, make: make)
    }

    // MARK: Bits

    private static let booleans: [AggregateOverload] = [
        AggregateOverload("bool_and", [.boolean], .boolean, ignoresDistinct: true) { boolean(.and) },
        AggregateOverload("every", [.boolean], .boolean, ignoresDistinct: true) { boolean(.and) },
        AggregateOverload("bool_or", [.boolean], .boolean, ignoresDistinct: true) { boolean(.or) },
    ]

    private static func boolean(_ operation: BitOperation) -> any Aggregate {
        // Values are 0 and 1; the empty AND begins with all bits set and is cut by the first value.
        BitAggregate<UInt8>(operation, type: .boolean)
    }

    private static let bits: [AggregateOverload] =
        [
            AggregateOverload("bitstring_agg", [.int8], .varbit(nil), ignoresDistinct: true) { BitstringAggregate() },
            AggregateOverload("bitstring_agg", [.int8, .int8, .int8], .varbit(nil), ignoresDistinct: true) {
                BitstringAggregate()
            },
        ] + bits("bit_and", .and, ignoresDistinct: true) + bits("bit_or", .or, ignoresDistinct: true)
        + bits("bit_xor", .xor, ignoresDistinct: false)

    private static func bits(
        _ name: String, _ operation: BitOperation, ignoresDistinct: Bool
    ) -> [AggregateOverload] {
        [
            AggregateOverload(name, [.int2], .int2, ignoresDistinct: ignoresDistinct) {
                BitAggregate<Int16>(operation, type: .int2)
            },
            AggregateOverload(name, [.int4], .int4, ignoresDistinct: ignoresDistinct) {
                BitAggregate<Int32>(operation, type: .int4)
            },
            AggregateOverload(name, [.int8], .int8, ignoresDistinct: ignoresDistinct) {
                BitAggregate<Int64>(operation, type: .int8)
            },
        ]
    }
}
