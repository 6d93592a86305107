// count(*), count(x), min(x) and max(x) over a whole table, answered from exact statistics without reading rows.
import Catalogs
import Columns
import Diagnostics
import Functions

/// Replaces an aggregate by the row it would give.
struct AggregateFromMetadata: OptimizerRule {
    let name = "aggregate_from_metadata"

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        try plan.rewritten { (node) throws(SQLError) in
            guard case .aggregate(let aggregate) = node, aggregate.groups.isEmpty, aggregate.sets == nil,
                let scan = AggregateFromMetadata.scan(aggregate.input), scan.filter.isEmpty, scan.limit == nil,
                scan.table.statistics.isExact, let rows = scan.table.statistics.rows
            else { return node }
            var values: [Expr] = []
            for (column, call) in aggregate.calls {
                guard let value = AggregateFromMetadata.value(call, column.type, scan, Int64(rows)) else { return node }
                values.append(.literal(value))
            }
            return .values(LogicalPlan.Values(columns: aggregate.calls.map(\.column), rows: [values]))
        }
    }

    /// The scan below projections that only pass columns.
    private static func scan(_ plan: LogicalPlan) -> LogicalPlan.Scan? {
        switch plan {
        case .scan(let scan): return scan
        case .project(let input, let outputs):
            let passes = outputs.allSatisfy { $0.expr.asColumn?.id == $0.column.id }
            return passes ? scan(input) : nil
        default: return nil
        }
    }

    private static func value(
        _ call: AggregateCall, _ type: SQLType, _ scan: LogicalPlan.Scan, _ rows: Int64
    ) -> Scalar? {
        guard call.filter == nil, !call.isDistinct || call.function.ignoresDistinct else { return nil }
        if call.function.name == "count", call.arguments.isEmpty { return Scalar(type, .int(rows)) }
        guard call.arguments.count == 1 else { return nil }
        if call.function.name == "count", let literal = call.arguments[0].asLiteral {
            return Scalar(type, .int(literal.isNull ? 0 : rows))
        }
        guard let column = call.arguments[0].asColumn,
            let index = scan.columns.first(where: { $0.column.id == column.id })?.index,
            let facts = scan.table.statistics.columns[index]
        else { return nil }
        switch call.function.name {
        case "count": return facts.nullCount.map { Scalar(type, .int(rows - $0)) }
        case "min", "max":
            // Text bounds may be cut short, and floats leave out NaN: only what is stored whole counts.
            switch column.type {
            case .int2, .int4, .int8, .decimal, .date, .time, .timestamp, .timestamptz: break
            default: return nil
            }
            if rows == facts.nullCount { return .null(type) }
            guard let bound = call.function.name == "min" ? facts.min : facts.max, bound.type == type else {
                return nil
            }
            return bound
        default: return nil
        }
    }
}
