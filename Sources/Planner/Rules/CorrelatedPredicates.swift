// Takes the conditions that look at an outer query out of a subquery, so that they become join conditions.
import Columns
import Diagnostics
import Functions

/// Pulls correlated conditions up through a plan.
struct CorrelatedPredicates {
    /// Columns of the outer query.
    let outer: ColumnSet
    let fresh: FreshColumns
    /// Whether it matters how often a row comes (scalar and lateral subqueries), or only whether (EXISTS).
    let keepsCounts: Bool

    struct Pulled {
        /// Free of outer columns; puts out what it did, and what the predicates need.
        var plan: LogicalPlan
        /// Over the plan's and the outer columns.
        var predicates: [Expr] = []
        /// Values of columns when no row matches: an ungrouped count is 0, not NULL.
        var defaults: [ColumnID: Expr] = [:]
        /// Whether at most one row matches an outer row.
        var isUnique = false
        /// Whether it was one row in any case: an aggregate without groups.
        var isScalarAggregate = false
    }

    /// Returns nil when some condition cannot be pulled.
    func pull(_ plan: LogicalPlan) -> Pulled? {
        guard !plan.outerColumnIDs.isDisjoint(with: outer) else { return Pulled(plan: plan) }
        switch plan {
        case .filter(let input, let condition): return filter(input, condition)
        case .project(let input, let outputs): return project(input, outputs)
        case .aggregate(let node): return aggregate(node)
        case .join(let join): return self.join(join)
        case .sort(let input, _): return pull(input)
        case .distinct(let node):
            guard node.on == nil, var pulled = pull(node.input), pulled.defaults.isEmpty else { return nil }
            // With an equality the added column is constant for an outer row.
            guard !keepsCounts || pulled.predicates.allSatisfy({ split($0) != nil }) else { return nil }
            pulled.plan = .distinct(LogicalPlan.DistinctNode(input: pulled.plan))
            return pulled
        case .unnest(var node):
            guard node.arguments.allSatisfy(isInner), var pulled = pull(node.input) else { return nil }
            node.input = pulled.plan
            pulled.plan = .unnest(node)
            pulled.isUnique = false
            return pulled
        case .scan, .values, .window, .limit, .setOperation, .recursive, .cteScan, .with, .write: return nil
        }
    }

    private func isInner(_ expr: Expr) -> Bool { expr.columnIDs.isDisjoint(with: outer) }

    private func filter(_ input: LogicalPlan, _ condition: Expr) -> Pulled? {
        guard var pulled = pull(input) else { return nil }
        var kept: [Expr] = []
        for conjunct in condition.conjuncts {
            if isInner(conjunct) {
                kept.append(conjunct)
            } else {
                guard !conjunct.isVolatile, !conjunct.hasSubquery else { return nil }
                pulled.predicates.append(conjunct)
            }
        }
        // HAVING decides whether the one row of an ungrouped aggregate exists: the default value no longer holds.
        guard pulled.defaults.isEmpty, !pulled.isScalarAggregate else { return nil }
        pulled.plan = pulled.plan.filtered(kept)
        return pulled
    }

    private func project(_ input: LogicalPlan, _ outputs: [LogicalPlan.Output]) -> Pulled? {
        guard outputs.allSatisfy({ isInner($0.expr) && !$0.expr.isVolatile }), var pulled = pull(input) else {
            return nil
        }
        var all = outputs
        let made = ColumnSet(outputs.map(\.column.id))
        // What the input does not make belongs to a query farther out.
        let below = pulled.plan.columnIDs
        for column in pulled.predicates.flatMap(\.columns) where below.contains(column.id) {
            if !made.contains(column.id), !all.contains(where: { $0.column.id == column.id }) {
                all.append(LogicalPlan.Output(column, .column(column)))
            }
        }
        var defaults: [ColumnID: Expr] = [:]
        if pulled.isScalarAggregate {
            // Columns without a default are NULL when nothing matches.
            var map = pulled.defaults
            for column in pulled.plan.columns where map[column.id] == nil {
                map[column.id] = .literal(.null(column.type))
            }
            for output in outputs {
                guard let value = try? output.expr.substituting(map) else { return nil }
                let folded = FoldConstants.foldAll(value)
                if folded.asLiteral?.isNull == true { continue }
                defaults[output.column.id] = folded
            }
        }
        pulled.plan = .project(pulled.plan, all)
        pulled.defaults = defaults
        return pulled
    }

    private func aggregate(_ node: LogicalPlan.AggregateNode) -> Pulled? {
        guard node.sets == nil, var pulled = pull(node.input), pulled.defaults.isEmpty, !pulled.isScalarAggregate
        else { return nil }
        let own = node.groups.map(\.expr) + node.calls.flatMap { $0.call.expressions }
        guard own.allSatisfy(isInner) else { return nil }
        var node = node
        let isScalar = node.groups.isEmpty
        var predicates: [Expr] = []
        for predicate in pulled.predicates {
            // Only an equality splits the rows into groups that each belong to one outer value.
            guard let (inner, outerSide, rebuild) = split(predicate) else { return nil }
            let column: PlanColumn
            if let known = node.groups.first(where: { $0.expr.isSame(as: inner) }) {
                column = known.column
            } else {
                column = fresh.make(inner.asColumn?.name ?? "key", inner.type)
                node.groups.append(LogicalPlan.Output(column, inner))
            }
            predicates.append(rebuild(.column(column), outerSide))
        }
        node.input = pulled.plan
        pulled.plan = .aggregate(node)
        pulled.predicates = predicates
        pulled.isUnique = isScalar
        pulled.isScalarAggregate = isScalar
        if isScalar {
            for entry in node.calls
            where ["count", "count_if", "regr_count", "approx_count_distinct"].contains(entry.call.function.name) {
                pulled.defaults[entry.column.id] = .literal(Scalar(entry.column.type, .int(0)))
            }
        }
        return pulled
    }

    private func join(_ join: LogicalPlan.Join) -> Pulled? {
        guard !join.isLateral, join.keys.allSatisfy({ isInner($0.left) && isInner($0.right) }) else { return nil }
        var join = join
        guard let left = pull(join.left), left.defaults.isEmpty, !left.isScalarAggregate else { return nil }
        var pulled = Pulled(plan: left.plan, predicates: left.predicates)
        join.left = left.plan
        switch join.kind {
        case .inner:
            guard let right = pull(join.right), right.defaults.isEmpty, !right.isScalarAggregate else { return nil }
            join.right = right.plan
            pulled.predicates += right.predicates
            pulled.predicates += join.residual.filter { !isInner($0) }
            guard !pulled.predicates.contains(where: { $0.isVolatile || $0.hasSubquery }) else { return nil }
            join.residual.removeAll { !isInner($0) }
        case .left, .semi, .anti, .mark, .single:
            guard join.right.outerColumnIDs.isDisjoint(with: outer), join.residual.allSatisfy(isInner) else {
                return nil
            }
        case .right, .full: return nil
        }
        pulled.plan = .join(join)
        return pulled
    }

    /// An equality of something inner with something outer, and how to write it again.
    private func split(_ predicate: Expr) -> (inner: Expr, outer: Expr, rebuild: (Expr, Expr) -> Expr)? {
        guard case .call(let function, let arguments) = predicate, function.name == "=", arguments.count == 2 else {
            return nil
        }
        let (left, right) = (arguments[0], arguments[1])
        func isOuter(_ expr: Expr) -> Bool {
            let ids = expr.columnIDs
            return !ids.isEmpty && ids.isSubset(of: outer)
        }
        if isInner(left), isOuter(right) { return (left, right, { .call(function, [$0, $1]) }) }
        if isOuter(left), isInner(right) { return (right, left, { .call(function, [$1, $0]) }) }
        return nil
    }
}

extension FoldConstants {
    /// Folds a whole expression bottom-up, without a session.
    static func foldAll(_ expr: Expr) -> Expr {
        let folded = try? expr.rewritten { (inner) throws(SQLError) in fold(inner, FunctionContext()) }
        return folded ?? expr
    }
}
