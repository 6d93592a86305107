// Keys of a join's build side as filters of the scans on its probe side: rows without a partner are not even decoded.
import Columns
import Diagnostics

/// Marks joins and scans; the filters themselves are made when the build side is complete.
struct RuntimeFilters: OptimizerRule {
    let name = "runtime_filters"

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        var marking = Marking(fresh: FreshColumns(after: plan))
        return try marking.mark(plan)
    }
}

private struct Marking {
    let fresh: FreshColumns
    private let cardinality = Cardinality()

    init(fresh: FreshColumns) { self.fresh = fresh }

    mutating func mark(_ plan: LogicalPlan) throws(SQLError) -> LogicalPlan {
        guard case .join(var join) = plan else {
            return try plan.mapInputs { (input) throws(SQLError) in try mark(input) }
        }
        // What is kept filters what passes by.
        let (kept, passing) = join.buildsLeft ? (join.left, join.right) : (join.right, join.left)
        var filtered = passing
        let isFiltering = join.buildsLeft || [.inner, .semi, .right].contains(join.kind)
        if isFiltering, !join.keys.isEmpty, isWorthIt(kept, passing) {
            let id = fresh.number()
            var found = false
            for (index, key) in join.keys.enumerated() where !key.nullsEqual {
                guard let column = (join.buildsLeft ? key.right : key.left).asColumn else { continue }
                let target = LogicalPlan.RuntimeFilterTarget(joinID: id, key: index, column: column)
                if let changed = attach(target, to: filtered) {
                    filtered = changed
                    found = true
                }
            }
            if found { join.runtimeFilterID = id }
        }
        let (keptMarked, passingMarked) = (try mark(kept), try mark(filtered))
        (join.left, join.right) = join.buildsLeft ? (keptMarked, passingMarked) : (passingMarked, keptMarked)
        return .join(join)
    }

    /// A build side that may hold most keys of the probe side filters nothing.
    private func isWorthIt(_ build: LogicalPlan, _ probe: LogicalPlan) -> Bool {
        cardinality.estimate(build).rows < cardinality.estimate(probe).rows || isFiltered(build)
    }

    private func isFiltered(_ plan: LogicalPlan) -> Bool {
        plan.contains { node in
            switch node {
            case .scan(let scan): !scan.filter.isEmpty
            case .filter: true
            default: false
            }
        }
    }

    /// Follows a column down to the scan that reads it.
    private func attach(_ target: LogicalPlan.RuntimeFilterTarget, to plan: LogicalPlan) -> LogicalPlan? {
        switch plan {
        case .scan(var scan):
            guard scan.limit == nil, scan.columns.contains(where: { $0.column.id == target.column.id }) else {
                return nil
            }
            scan.runtimeFilters.append(target)
            return .scan(scan)
        case .filter(let input, let condition): return attach(target, to: input).map { .filter($0, condition) }
        case .project(let input, let outputs):
            guard let output = outputs.first(where: { $0.column.id == target.column.id }),
                let column = output.expr.asColumn
            else { return nil }
            let inner = LogicalPlan.RuntimeFilterTarget(joinID: target.joinID, key: target.key, column: column)
            return attach(inner, to: input).map { .project($0, outputs) }
        case .aggregate(var node):
            // Whole groups fall away.
            guard node.sets == nil, let group = node.groups.first(where: { $0.column.id == target.column.id }),
                let column = group.expr.asColumn
            else { return nil }
            let inner = LogicalPlan.RuntimeFilterTarget(joinID: target.joinID, key: target.key, column: column)
            guard let input = attach(inner, to: node.input) else { return nil }
            node.input = input
            return .aggregate(node)
        case .join(var join):
            let isLeft = join.left.columnIDs.contains(target.column.id)
            switch join.kind {
            case .inner:
                guard let side = attach(target, to: isLeft ? join.left : join.right) else { return nil }
                if isLeft { join.left = side } else { join.right = side }
            case .left, .semi, .anti, .mark, .single:
                guard isLeft, let side = attach(target, to: join.left) else { return nil }
                join.left = side
            case .right:
                guard !isLeft, let side = attach(target, to: join.right) else { return nil }
                join.right = side
            case .full: return nil
            }
            return .join(join)
        case .sort(let input, let keys): return attach(target, to: input).map { .sort($0, keys) }
        case .distinct(var node):
            guard node.on == nil, let input = attach(target, to: node.input) else { return nil }
            node.input = input
            return .distinct(node)
        case .values, .window, .limit, .setOperation, .unnest, .recursive, .cteScan, .with, .write: return nil
        }
    }
}
