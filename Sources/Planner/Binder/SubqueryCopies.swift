// Gives each subquery its own column ids: `(SELECT ...) BETWEEN a AND b` uses its operand twice.
import Columns
import Diagnostics

/// Finds subqueries that stand twice in a plan, and renames the columns of the second.
final class SubqueryCopies {
    private var seen: ColumnSet = []
    private let fresh: FreshColumns

    private init(_ plan: LogicalPlan) { fresh = FreshColumns(after: plan) }

    /// Returns the plan with every column id made once.
    static func separated(_ plan: LogicalPlan) throws(SQLError) -> LogicalPlan {
        var count = 0
        _ = plan.containsExpression { expr in
            if case .subquery = expr { count += 1 }
            return false
        }
        return count > 1 ? try SubqueryCopies(plan).walk(plan) : plan
    }

    private func walk(_ plan: LogicalPlan) throws(SQLError) -> LogicalPlan {
        let mapped = try plan.mapInputs { (input) throws(SQLError) in try self.walk(input) }
        return try mapped.mapExpressions { (expr) throws(SQLError) in try self.walk(expr) }
    }

    private func walk(_ expr: Expr) throws(SQLError) -> Expr {
        guard case .subquery(var subquery) = expr else {
            return try expr.mapOperands { (operand) throws(SQLError) in try self.walk(operand) }
        }
        let made = subquery.plan.madeIDs
        if made.isDisjoint(with: seen) {
            seen.formUnion(made)
        } else {
            let copy = try subquery.plan.renamed(fresh)
            let new = Dictionary(
                zip(subquery.plan.columns.map(\.id), copy.columns), uniquingKeysWith: { first, _ in first })
            subquery.kind = subquery.kind.mapColumns { new[$0.id] ?? $0 }
            subquery.plan = copy
        }
        subquery.kind = try subquery.kind.mapOperands { (operand) throws(SQLError) in try self.walk(operand) }
        subquery.plan = try walk(subquery.plan)
        return .subquery(subquery)
    }
}

extension LogicalPlan {
    /// Ids of the columns that nodes of this plan make, those of subqueries aside.
    fileprivate var madeIDs: ColumnSet {
        var ids = columnIDs
        for input in inputs { ids.formUnion(input.madeIDs) }
        return ids
    }
}

extension Expr.Subquery.Kind {
    fileprivate func mapColumns(_ change: (PlanColumn) -> PlanColumn) -> Self {
        switch self {
        case .scalar, .exists: self
        case .any(let pairs): .any(pairs.map { ($0.operand, $0.comparison, change($0.column)) })
        case .all(let pairs): .all(pairs.map { ($0.operand, $0.comparison, change($0.column)) })
        }
    }
}
