// Estimates of rows and distinct values, from table statistics and rules of thumb.
import Catalogs
import Columns
import Functions

/// What is expected of a plan's output.
struct Estimate {
    var rows: Double
    /// Distinct values by column, where something is known.
    var distinct: [ColumnID: Double] = [:]
    var bounds: [ColumnID: (low: Double, high: Double)] = [:]

    func distinct(_ expr: Expr) -> Double {
        if let column = expr.asColumn, let known = distinct[column.id] { return max(1, min(known, rows)) }
        // A computed key, or a column without statistics: many values, but not all different.
        return max(1, rows.squareRoot() * 4)
    }
}

/// Estimates plans. Unknown tables count as middling.
struct Cardinality {
    /// Rows of a table that tells nothing.
    static let unknownRows = 100_000.0
    /// Share of rows that a condition keeps when nothing better is known.
    static let unknownSelectivity = 0.2

    func estimate(_ plan: LogicalPlan) -> Estimate {
        switch plan {
        case .scan(let scan): return self.scan(scan)
        case .values(let values): return Estimate(rows: Double(values.rows.count))
        case .filter(let input, let condition): return filtered(estimate(input), condition.conjuncts)
        case .project(let input, let outputs):
            var result = estimate(input)
            for output in outputs {
                guard let column = output.expr.asColumn else { continue }
                result.distinct[output.column.id] = result.distinct[column.id]
                result.bounds[output.column.id] = result.bounds[column.id]
            }
            return result
        case .aggregate(let node):
            let input = estimate(node.input)
            guard !node.groups.isEmpty else { return Estimate(rows: 1) }
            var rows = 1.0
            for group in node.groups { rows *= input.distinct(group.expr) }
            var result = Estimate(rows: max(1, min(rows, input.rows)))
            for group in node.groups {
                result.distinct[group.column.id] = min(input.distinct(group.expr), result.rows)
                if let column = group.expr.asColumn { result.bounds[group.column.id] = input.bounds[column.id] }
            }
            if let sets = node.sets { result.rows *= Double(max(1, sets.count)) }
            return result
        case .window(let node): return estimate(node.input)
        case .sort(let input, _): return estimate(input)
        case .limit(let node):
            var result = estimate(node.input)
            if case .int(let limit)? = node.limit?.asLiteral?.value { result.rows = min(result.rows, Double(limit)) }
            return result
        case .distinct(let node):
            var result = estimate(node.input)
            var rows = 1.0
            for expr in node.on ?? node.input.columns.map({ .column($0) }) { rows *= result.distinct(expr) }
            result.rows = max(1, min(result.rows, rows))
            return result
        case .join(let join): return self.join(join)
        case .setOperation(let node):
            let all = node.inputs.map { estimate($0).rows }
            return Estimate(rows: node.kind == .union ? all.reduce(0, +) : all.first ?? 0)
        case .unnest(let node):
            var result = estimate(node.input)
            result.rows *= 10
            return result
        case .recursive(let node): return Estimate(rows: estimate(node.base).rows * 10)
        case .cteScan: return Estimate(rows: Cardinality.unknownRows)
        case .with(_, _, let body): return estimate(body)
        case .write(let node): return estimate(node.input)
        }
    }

    private func scan(_ scan: LogicalPlan.Scan) -> Estimate {
        let statistics = scan.table.statistics
        var result = Estimate(rows: max(1, statistics.rows ?? Cardinality.unknownRows))
        for (column, index) in scan.columns {
            guard let facts = statistics.columns[index] else { continue }
            if let low = number(facts.min), let high = number(facts.max) {
                result.bounds[column.id] = (low, high)
                if facts.distinct == nil, [.int16, .int32, .int64].contains(column.type.physical) {
                    result.distinct[column.id] = min(result.rows, high - low + 1)
                }
            }
            if let distinct = facts.distinct { result.distinct[column.id] = distinct }
        }
        return filtered(result, scan.filter)
    }

    private func filtered(_ input: Estimate, _ conditions: [Expr]) -> Estimate {
        var result = input
        for condition in conditions {
            let share = selectivity(condition, result)
            result.rows = max(1, result.rows * share)
            if let (left, right) = condition.asEquality {
                if let column = left.asColumn, right.columnIDs.isEmpty { result.distinct[column.id] = 1 }
                if let column = right.asColumn, left.columnIDs.isEmpty { result.distinct[column.id] = 1 }
            }
        }
        return result
    }

    func selectivity(_ condition: Expr, _ input: Estimate) -> Double {
        switch condition {
        case .literal(let scalar): return scalar.value == .bool(true) ? 1 : 0
        case .and(let operands): return operands.reduce(1) { $0 * selectivity($1, input) }
        case .or(let operands): return min(1, 1 - operands.reduce(1) { $0 * (1 - selectivity($1, input)) })
        case .not(let operand): return max(0.01, 1 - selectivity(operand, input))
        case .isNull: return 0.05
        case .inList(let value, let items): return min(1, Double(items.count) / input.distinct(value))
        case .call(let function, let arguments): return call(function, arguments, input)
        default: return Cardinality.unknownSelectivity
        }
    }

    private func call(_ function: BoundFunction, _ arguments: [Expr], _ input: Estimate) -> Double {
        guard arguments.count == 2 else { return Cardinality.unknownSelectivity }
        switch function.name {
        case "=":
            if arguments[1].columnIDs.isEmpty { return 1 / input.distinct(arguments[0]) }
            if arguments[0].columnIDs.isEmpty { return 1 / input.distinct(arguments[1]) }
            return 1 / max(input.distinct(arguments[0]), input.distinct(arguments[1]))
        case "<>": return 0.9
        case "<", "<=", ">", ">=":
            let flipped = arguments[0].asLiteral != nil
            let (side, other) = flipped ? (arguments[1], arguments[0]) : (arguments[0], arguments[1])
            guard let column = side.asColumn, let bounds = input.bounds[column.id], bounds.high > bounds.low,
                let value = number(other.asLiteral)
            else { return 1.0 / 3 }
            let below = min(1, max(0, (value - bounds.low) / (bounds.high - bounds.low)))
            return max(0.0001, function.name.hasPrefix("<") != flipped ? below : 1 - below)
        case "~~", "like": return 0.1
        case "!~~", "!~~*": return 0.9
        default: return Cardinality.unknownSelectivity
        }
    }

    private func join(_ join: LogicalPlan.Join) -> Estimate {
        let left = estimate(join.left)
        let right = estimate(join.right)
        var result = joined(left, right, join.keys, join.residual)
        switch join.kind {
        case .inner: break
        case .left, .single, .mark: result.rows = max(left.rows, join.kind == .left ? result.rows : 0)
        case .right: result.rows = max(right.rows, result.rows)
        case .full: result.rows = max(left.rows + right.rows, result.rows)
        case .semi:
            var share = 1.0
            for key in join.keys { share = min(share, right.distinct(key.right) / left.distinct(key.left)) }
            if join.keys.isEmpty || !join.residual.isEmpty { share = min(share, 0.5) }
            result.rows = max(1, left.rows * min(1, share))
        case .anti: result.rows = max(1, left.rows * 0.3)
        }
        return result
    }

    /// The rows of ``joined(_:_:_:_:)`` alone: orders of joins are compared by them.
    func joinedRows(_ left: Estimate, _ right: Estimate, _ keys: [LogicalPlan.JoinKey], _ residual: [Expr]) -> Double {
        guard residual.isEmpty else { return joined(left, right, keys, residual).rows }
        return max(1, matches(left, right, keys))
    }

    private func matches(_ left: Estimate, _ right: Estimate, _ keys: [LogicalPlan.JoinKey]) -> Double {
        var rows = left.rows * right.rows
        var smallest = Double.infinity
        for key in keys {
            let most = max(left.distinct(key.left), right.distinct(key.right))
            // Several keys depend on each other more often than not: the later ones count less.
            rows /= smallest == .infinity ? most : most.squareRoot()
            smallest = min(smallest, most)
        }
        return rows
    }

    /// The inner join of two estimates.
    func joined(_ left: Estimate, _ right: Estimate, _ keys: [LogicalPlan.JoinKey], _ residual: [Expr]) -> Estimate {
        var result = Estimate(rows: max(1, matches(left, right, keys)))
        result.distinct = left.distinct.merging(right.distinct) { $1 }
        result.bounds = left.bounds.merging(right.bounds) { $1 }
        for key in keys {
            let fewest = min(left.distinct(key.left), right.distinct(key.right))
            if let column = key.left.asColumn { result.distinct[column.id] = fewest }
            if let column = key.right.asColumn { result.distinct[column.id] = fewest }
        }
        for condition in residual { result.rows = max(1, result.rows * selectivity(condition, result)) }
        return result
    }

    /// A number that orders as the value does.
    private func number(_ scalar: Scalar?) -> Double? {
        guard let scalar else { return nil }
        switch scalar.value {
        case .int(let value): return Double(value)
        case .double(let value): return value
        case .int128(let value):
            guard case .decimal(_, let scale) = scalar.type else { return nil }
            return Double(value) / pow10(scale)
        case .numeric(let mantissa, let scale): return Double(mantissa) / pow10(scale)
        case .null, .bool, .string, .bytes, .interval, .array, .row: return nil
        }
    }

    private func pow10(_ exponent: Int) -> Double {
        var result = 1.0
        for _ in 0..<exponent { result *= 10 }
        return result
    }
}
