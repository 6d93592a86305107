// Conditions to where their columns are made: into scans, below aggregates and windows, into join keys. Outer joins
// whose NULL rows a condition drops become inner.
import Columns
import Diagnostics
import Functions

/// Moves filters down.
struct PushDownFilters: OptimizerRule {
    let name = "push_down_filters"
    /// Comma joins get their keys here: without it most queries would never end.
    let isRequired = true

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        try push([], into: plan)
    }

    private func push(_ conditions: [Expr], into plan: LogicalPlan) throws(SQLError) -> LogicalPlan {
        try PlanContext.checkGivenUp()
        switch plan {
        case .filter(let input, let condition):
            let all = conditions + condition.conjuncts
            let volatile = all.filter(\.isVolatile)
            return try push(all.filter { !$0.isVolatile }, into: input).filtered(volatile)
        case .scan(var scan):
            scan.filter += conditions
            return .scan(scan)
        case .project(let input, let outputs): return try project(conditions, input, outputs)
        case .aggregate(let node): return try aggregate(conditions, node)
        case .window(var node):
            let keys = ColumnSet(node.partition.compactMap { $0.asColumn?.id })
            let (below, above) = split(conditions) { !keys.isEmpty && $0.columnIDs.isSubset(of: keys) }
            node.input = try push(below, into: node.input)
            return LogicalPlan.window(node).filtered(above)
        case .sort(let input, let keys): return .sort(try push(conditions, into: input), keys)
        case .limit(var node):
            // Without a limit it is the barrier above a row policy: no error may tell of rows that are hidden.
            let isBarrier = node.limit == nil && node.offset == nil && node.order.isEmpty
            let (below, above) = split(conditions) { isBarrier && !$0.canFail && !$0.isVolatile }
            node.input = try push(below, into: node.input)
            return LogicalPlan.limit(node).filtered(above)
        case .distinct(var node):
            let isPlain = node.on == nil
            node.input = try push(isPlain ? conditions : [], into: node.input)
            return LogicalPlan.distinct(node).filtered(isPlain ? [] : conditions)
        case .join(let join): return try self.join(conditions, join)
        case .setOperation(var node):
            for index in node.inputs.indices {
                var map: [ColumnID: Expr] = [:]
                for (output, column) in zip(node.columns, node.inputs[index].columns) {
                    map[output.id] = .column(column)
                }
                var own: [Expr] = []
                for condition in conditions { own.append(try condition.substituting(map)) }
                node.inputs[index] = try push(own, into: node.inputs[index])
            }
            return .setOperation(node)
        case .unnest(var node):
            let ids = node.input.columnIDs
            let (below, above) = split(conditions) { !node.keepsEmpty && $0.columnIDs.isSubset(of: ids) }
            node.input = try push(below, into: node.input)
            return LogicalPlan.unnest(node).filtered(above)
        case .with(let id, let definition, let body):
            let first = try push([], into: definition)
            return .with(id: id, definition: first, body: try push(conditions, into: body))
        case .recursive, .values, .cteScan, .write:
            return try plan.mapInputs { (input) throws(SQLError) in try push([], into: input) }.filtered(conditions)
        }
    }

    private func split(_ conditions: [Expr], _ test: (Expr) -> Bool) -> (yes: [Expr], no: [Expr]) {
        (conditions.filter(test), conditions.filter { !test($0) })
    }

    private func project(
        _ conditions: [Expr], _ input: LogicalPlan, _ outputs: [LogicalPlan.Output]
    ) throws(SQLError) -> LogicalPlan {
        var map: [ColumnID: Expr] = [:]
        var volatile: ColumnSet = []
        for output in outputs {
            if output.expr.isVolatile { volatile.insert(output.column.id) } else { map[output.column.id] = output.expr }
        }
        let (below, above) = split(conditions) { $0.columnIDs.isDisjoint(with: volatile) }
        var moved: [Expr] = []
        for condition in below { moved += try condition.substituting(map).conjuncts }
        return LogicalPlan.project(try push(moved, into: input), outputs).filtered(above)
    }

    private func aggregate(
        _ conditions: [Expr], _ node: LogicalPlan.AggregateNode
    ) throws(SQLError) -> LogicalPlan {
        var node = node
        var map: [ColumnID: Expr] = [:]
        // A group column of every set may be filtered before grouping.
        for (index, group) in node.groups.enumerated() where !group.expr.isVolatile {
            if node.sets?.allSatisfy({ $0.contains(index) }) ?? true { map[group.column.id] = group.expr }
        }
        let (below, above) = split(conditions) { condition in
            let ids = condition.columnIDs
            return !ids.isEmpty && ids.allSatisfy { map[$0] != nil }
        }
        var moved: [Expr] = []
        for condition in below { moved.append(try condition.substituting(map)) }
        node.input = try push(moved, into: node.input)
        return LogicalPlan.aggregate(node).filtered(above)
    }

    // MARK: - Joins

    private func join(_ conditions: [Expr], _ join: LogicalPlan.Join) throws(SQLError) -> LogicalPlan {
        var join = join
        guard !join.isLateral else {
            throw SQLError(.internalError, "a lateral join is left after decorrelation")
        }
        simplifyKind(&join, conditions)
        let (leftIDs, rightIDs) = (join.left.columnIDs, join.right.columnIDs)
        func isLeft(_ expr: Expr) -> Bool { expr.columnIDs.isSubset(of: leftIDs) }
        func isRight(_ expr: Expr) -> Bool { expr.columnIDs.isSubset(of: rightIDs) }
        var left: [Expr] = []
        var right: [Expr] = []
        var above: [Expr] = []
        switch join.kind {
        case .inner:
            var between: [Expr] = []
            for condition in conditions + join.residual {
                if isLeft(condition) {
                    left.append(condition)
                } else if isRight(condition) {
                    right.append(condition)
                } else {
                    between.append(condition)
                }
            }
            join.residual = []
            for condition in between {
                if let key = LogicalPlan.JoinKey(condition, leftIDs, rightIDs) {
                    join.keys.append(key)
                } else {
                    join.residual.append(condition)
                }
            }
            try transfer(join.keys, &left, &right)
            for condition in join.residual {
                left += implied(condition, by: leftIDs).filter { new in !left.contains { $0.isSame(as: new) } }
                right += implied(condition, by: rightIDs).filter { new in !right.contains { $0.isSame(as: new) } }
            }
        case .left, .single, .semi, .anti, .mark:
            var own: [Expr] = []
            for condition in join.residual {
                if isRight(condition), !condition.columnIDs.isEmpty, join.kind != .mark {
                    right.append(condition)
                } else if join.kind == .semi, isLeft(condition) {
                    left.append(condition)
                } else {
                    own.append(condition)
                }
            }
            join.residual = own
            for condition in conditions {
                if isLeft(condition) { left.append(condition) } else { above.append(condition) }
            }
            if join.kind != .anti, join.kind != .mark {
                var ignored = left
                try transfer(join.keys, &ignored, &right)
                if join.kind == .semi { left = ignored }
            }
        case .right:
            for condition in conditions {
                if isRight(condition) { right.append(condition) } else { above.append(condition) }
            }
            let (own, kept) = split(join.residual) { isLeft($0) && !$0.columnIDs.isEmpty }
            left = own
            join.residual = kept
        case .full:
            above = conditions
        }
        join.left = try push(left, into: join.left)
        join.right = try push(right, into: join.right)
        return LogicalPlan.join(join).filtered(above)
    }

    /// Outer joins whose NULL rows cannot pass become narrower; marks that are only tested become semi or anti joins.
    private func simplifyKind(_ join: inout LogicalPlan.Join, _ conditions: [Expr]) {
        func rejectsNulls(of side: LogicalPlan) -> Bool {
            var nulls: [ColumnID: Expr] = [:]
            for column in side.columns { nulls[column.id] = .literal(.null(column.type)) }
            let ids = ColumnSet(nulls.keys)
            return conditions.contains { condition in
                guard !condition.columnIDs.isDisjoint(with: ids), !condition.isVolatile else { return false }
                guard let replaced = try? condition.substituting(nulls) else { return false }
                return FoldConstants.foldAll(replaced).isNeverTrue
            }
        }
        switch join.kind {
        case .left: if rejectsNulls(of: join.right) { join.kind = .inner }
        case .right: if rejectsNulls(of: join.left) { join.kind = .inner }
        case .full:
            let keepsLeft = rejectsNulls(of: join.left)
            let keepsRight = rejectsNulls(of: join.right)
            if keepsLeft, keepsRight {
                join.kind = .inner
            } else if keepsLeft {
                join.kind = .left
            } else if keepsRight {
                join.kind = .right
            }
        case .inner, .semi, .anti, .mark, .single: break
        }
    }

    /// `(a AND b) OR (c AND d)` demands `a OR c` of the side that a and c look at: a filter before the join.
    private func implied(_ condition: Expr, by ids: ColumnSet) -> [Expr] {
        guard case .or(let branches) = condition else { return [] }
        var parts: [Expr] = []
        for branch in branches {
            let own = branch.conjuncts.filter { !$0.columnIDs.isEmpty && $0.columnIDs.isSubset(of: ids) && !$0.canFail }
            guard !own.isEmpty else { return [] }
            parts.append(Expr.all(own))
        }
        return [.or(parts)]
    }

    /// `a = b AND a < 5` also filters b, so that both scans prune.
    private func transfer(_ keys: [LogicalPlan.JoinKey], _ left: inout [Expr], _ right: inout [Expr]) throws(SQLError) {
        let (fromLeft, fromRight) = (left, right)
        for key in keys {
            guard let a = key.left.asColumn, let b = key.right.asColumn, !key.nullsEqual else { continue }
            for condition in fromLeft where isComparison(condition, of: a) {
                let copy = try condition.substituting([a.id: .column(b)])
                if !right.contains(where: { $0.isSame(as: copy) }) { right.append(copy) }
            }
            for condition in fromRight where isComparison(condition, of: b) {
                let copy = try condition.substituting([b.id: .column(a)])
                if !left.contains(where: { $0.isSame(as: copy) }) { left.append(copy) }
            }
        }
    }

    /// Whether a condition compares one column with literals, and nothing else.
    private func isComparison(_ condition: Expr, of column: PlanColumn) -> Bool {
        switch condition {
        case .call(let function, let arguments):
            guard ["=", "<", "<=", ">", ">="].contains(function.name), arguments.count == 2 else { return false }
            return (arguments[0].asColumn?.id == column.id && arguments[1].asLiteral != nil)
                || (arguments[1].asColumn?.id == column.id && arguments[0].asLiteral != nil)
        case .inList(let value, let items):
            return value.asColumn?.id == column.id && items.allSatisfy { $0.asLiteral != nil }
        default: return false
        }
    }
}
