// Columns that nothing reads are not computed, not joined along, not read from files.
import Columns
import Diagnostics

/// Cuts every node's output to what is read above it.
struct PruneColumns: OptimizerRule {
    let name = "prune_columns"

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        var tables: [Int: Set<Int>] = [:]
        CTEUse.collect(plan, into: &tables)
        return try Pruning(tables: tables).prune(plan, Set(plan.columns.map(\.id)), isExact: true)
    }
}

/// Which columns of common tables are read: all that any scan of them puts out.
private enum CTEUse {
    static func collect(_ plan: LogicalPlan, into tables: inout [Int: Set<Int>]) {
        if case .cteScan(let scan) = plan { tables[scan.id, default: []].formUnion(scan.columns.indices) }
        for input in plan.inputs { collect(input, into: &tables) }
    }
}

private struct Pruning {
    let tables: [Int: Set<Int>]

    /// Returns the plan with at least the needed columns. `isExact`: the output must stay as it is, in order.
    func prune(_ plan: LogicalPlan, _ needed: Set<ColumnID>, isExact: Bool = false) throws(SQLError) -> LogicalPlan {
        switch plan {
        case .scan(var scan):
            if isExact { return plan }
            // Filter columns are read inside the scan, and need not leave it.
            var inside = needed
            for condition in scan.filter { inside.formUnion(condition.columnIDs) }
            for target in scan.runtimeFilters { inside.insert(target.column.id) }
            scan.columns.removeAll { !inside.contains($0.column.id) }
            return LogicalPlan.scan(scan)
        case .values(var values):
            if isExact { return plan }
            let kept = values.columns.indices.filter { needed.contains(values.columns[$0].id) }
            values.columns = kept.map { values.columns[$0] }
            values.rows = values.rows.map { row in kept.map { row[$0] } }
            return .values(values)
        case .filter(let input, let condition):
            return .filter(try prune(input, needed.union(condition.columnIDs), isExact: isExact), condition)
        case .project(let input, var outputs):
            if !isExact { outputs.removeAll { !needed.contains($0.column.id) && !$0.expr.isVolatile } }
            return .project(try prune(input, reads(outputs.map(\.expr))), outputs)
        case .aggregate(var node):
            if !isExact { node.calls.removeAll { !needed.contains($0.column.id) } }
            node.input = try prune(node.input, reads(LogicalPlan.aggregate(node).expressions))
            return .aggregate(node)
        case .window(var node):
            if !isExact { node.calls.removeAll { !needed.contains($0.column.id) } }
            let own = reads(LogicalPlan.window(node).expressions)
            node.input = try prune(node.input, needed.union(own), isExact: isExact)
            return node.calls.isEmpty ? node.input : .window(node)
        case .sort(let input, let keys):
            return .sort(try prune(input, needed.union(reads(keys.map(\.expr))), isExact: isExact), keys)
        case .limit(var node):
            let own = reads(LogicalPlan.limit(node).expressions)
            node.input = try prune(node.input, needed.union(own), isExact: isExact)
            return .limit(node)
        case .distinct(var node):
            guard node.on != nil else {
                // Every column decides what is distinct.
                node.input = try prune(node.input, node.input.columnIDs, isExact: true)
                return .distinct(node)
            }
            let own = reads(LogicalPlan.distinct(node).expressions)
            node.input = try prune(node.input, needed.union(own), isExact: isExact)
            return .distinct(node)
        case .join(let join): return try self.join(join, needed, isExact)
        case .setOperation(let node): return try setOperation(node, needed, isExact)
        case .unnest(var node):
            node.input = try prune(node.input, needed.union(reads(node.arguments)), isExact: isExact)
            return .unnest(node)
        case .recursive(var node):
            node.base = try prune(node.base, node.base.columnIDs, isExact: true)
            node.step = try prune(node.step, node.step.columnIDs, isExact: true)
            return .recursive(node)
        case .cteScan: return plan
        case .with(let id, let definition, let body):
            let kept = try prune(definition, definition.columnIDs, isExact: true)
            return .with(id: id, definition: kept, body: try prune(body, needed, isExact: isExact))
        case .write(var node):
            if !isExact { node.outputs.removeAll { !needed.contains($0.id) } }
            node.input = try prune(node.input, Set((node.reads + node.outputs).map(\.id)))
            return .write(node)
        }
    }

    private func reads(_ exprs: [Expr]) -> Set<ColumnID> {
        var ids: Set<ColumnID> = []
        for expr in exprs { ids.formUnion(expr.columnIDs) }
        return ids
    }

    private func join(
        _ join: LogicalPlan.Join, _ needed: Set<ColumnID>, _ isExact: Bool
    ) throws(SQLError) -> LogicalPlan {
        var join = join
        let own = reads(LogicalPlan.join(join).expressions)
        let carriesRight = ![.semi, .anti, .mark].contains(join.kind)
        join.left = try narrowed(join.left, needed.union(own), isExact)
        join.right = try narrowed(join.right, needed.union(own), isExact && carriesRight)
        return .join(join)
    }

    /// Prunes, and cuts off what only the input's own filters read: joins carry every column they get.
    private func narrowed(
        _ plan: LogicalPlan, _ needed: Set<ColumnID>, _ isExact: Bool
    ) throws(SQLError) -> LogicalPlan {
        let pruned = try prune(plan, needed, isExact: isExact)
        guard !isExact else { return pruned }
        return pruned.passing(pruned.columns.filter { needed.contains($0.id) })
    }

    private func setOperation(
        _ node: LogicalPlan.SetOperation, _ needed: Set<ColumnID>, _ isExact: Bool
    ) throws(SQLError) -> LogicalPlan {
        var node = node
        // Only UNION ALL keeps rows whatever their columns.
        guard node.kind == .union, node.isAll, !isExact else {
            for index in node.inputs.indices {
                node.inputs[index] = try prune(node.inputs[index], node.inputs[index].columnIDs, isExact: true)
            }
            return .setOperation(node)
        }
        let kept = node.columns.indices.filter { needed.contains(node.columns[$0].id) }
        for index in node.inputs.indices {
            let columns = node.inputs[index].columns
            let own = kept.map { columns[$0] }
            node.inputs[index] = try prune(node.inputs[index], Set(own.map(\.id))).passing(own)
        }
        node.columns = kept.map { node.columns[$0] }
        return .setOperation(node)
    }
}
