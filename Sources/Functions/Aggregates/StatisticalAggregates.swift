// Declares the statistical aggregates, first, last, any_value and approx_count_distinct.
import Columns
import Diagnostics

enum StatisticalAggregates {
    static let all: [AggregateOverload] = VarianceKind.allCases.flatMap(variances) + regressions + picks

    private static func variances(_ kind: VarianceKind) -> [AggregateOverload] {
        let name = kind.rawValue
        return [
            AggregateOverload(name, [.int2], .numeric) { ExactVariance(kind) },
            AggregateOverload(name, [.int4], .numeric) { ExactVariance(kind) },
            AggregateOverload(name, [.int8], .numeric) { ExactVariance(kind) },
            AggregateOverload(name, [.float4], .float8) { FloatVariance<Float>(kind) },
            AggregateOverload(name, [.float8], .float8) { FloatVariance<Double>(kind) },
            AggregateOverload(name, [.type(.numeric)]) { (call) throws(SQLError) in
                AggregateBinding(arguments: call.types, result: .numeric) { ExactVariance(kind) }
            },
        ]
    }

    private static let regressions: [AggregateOverload] =
        RegressionKind.allCases.map { kind in
            AggregateOverload(kind.rawValue, [.float8, .float8], .float8) { RegressionAggregate(kind) }
        } + [AggregateOverload("regr_count", [.float8, .float8], .int8) { RegressionAggregate(nil) }]

    private static let picks: [AggregateOverload] =
        [("first", PickedRow.Pick.first), ("last", .last), ("any_value", .any), ("arbitrary", .any)].map { name, pick in
            AggregateOverload(name, [.any], isOrderSensitive: pick != .any) { (call) throws(SQLError) in
                AggregateBinding(arguments: call.types, result: call.types[0]) { PickedRow(pick, type: call.types[0]) }
            }
        } + [
            AggregateOverload("approx_count_distinct", [.any], ignoresDistinct: true) { (call) throws(SQLError) in
                AggregateBinding(arguments: call.types, result: .int8) { DistinctSketch() }
            }
        ]
}
