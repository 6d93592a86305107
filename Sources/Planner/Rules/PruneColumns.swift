// Columns that nothing reads are not computed, not joined along, not read from files.
import Columns
import Diagnostics

/// Cuts every node's output to what is read above it.
struct PruneColumns: OptimizerRule {
    let name = "prune_columns"

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        try Pruning().prune(plan, ColumnSet(plan.columns.map(\.id)), isExact: true)
    }
}

/// Which columns of common tables are read, by position: what any scan of them needs.
private final class CommonTableReads {
    private var places: [Int: Set<Int>] = [:]

    func add(_ scan: LogicalPlan.CTEScan, _ needed: ColumnSet) {
        places[scan.id, default: []].formUnion(scan.columns.indices.filter { needed.contains(scan.columns[$0].id) })
    }

    /// In order; one at least, because rows are kept by their columns.
    func kept(_ id: Int, of columns: [PlanColumn]) -> [Int] {
        let read = places[id] ?? []
        if read.isEmpty, !columns.isEmpty { return [0] }
        return read.sorted()
    }
}

private struct Pruning {
    let reads = CommonTableReads()

    /// Returns the plan with at least the needed columns. `isExact`: the output must stay as it is, in order.
    func prune(_ plan: LogicalPlan, _ needed: ColumnSet, isExact: Bool = false) throws(SQLError) -> LogicalPlan {
        try PlanContext.checkGivenUp()
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
            return .project(try prune(input, ownReads(outputs.map(\.expr))), outputs)
        case .aggregate(var node):
            if !isExact { node.calls.removeAll { !needed.contains($0.column.id) } }
            node.input = try prune(node.input, ownReads(LogicalPlan.aggregate(node).expressions))
            return .aggregate(node)
        case .window(var node):
            if !isExact { node.calls.removeAll { !needed.contains($0.column.id) } }
            let own = ownReads(LogicalPlan.window(node).expressions)
            node.input = try prune(node.input, needed.union(own), isExact: isExact)
            return node.calls.isEmpty ? node.input : .window(node)
        case .sort(let input, let keys):
            return .sort(try prune(input, needed.union(ownReads(keys.map(\.expr))), isExact: isExact), keys)
        case .limit(var node):
            let own = ownReads(LogicalPlan.limit(node).expressions)
            node.input = try prune(node.input, needed.union(own), isExact: isExact)
            return .limit(node)
        case .distinct(var node):
            guard node.on != nil else {
                // Every column decides what is distinct.
                node.input = try prune(node.input, node.input.columnIDs, isExact: true)
                return .distinct(node)
            }
            let own = ownReads(LogicalPlan.distinct(node).expressions)
            node.input = try prune(node.input, needed.union(own), isExact: isExact)
            return .distinct(node)
        case .join(let join): return try self.join(join, needed, isExact)
        case .setOperation(let node): return try setOperation(node, needed, isExact)
        case .unnest(var node):
            node.input = try prune(node.input, needed.union(ownReads(node.arguments)), isExact: isExact)
            return .unnest(node)
        case .recursive(var node):
            node.base = try prune(node.base, node.base.columnIDs, isExact: true)
            node.step = try prune(node.step, node.step.columnIDs, isExact: true)
            return .recursive(node)
        case .cteScan(let scan):
            reads.add(scan, needed)
            return plan
        case .with(let id, let definition, let body): return try with(id, definition, body, needed, isExact)
        case .write(var node):
            if !isExact { node.outputs.removeAll { !needed.contains($0.id) } }
            node.input = try prune(node.input, ColumnSet((node.reads + node.outputs).map(\.id)))
            return .write(node)
        }
    }

    private func ownReads(_ exprs: [Expr]) -> ColumnSet {
        var ids: ColumnSet = []
        for expr in exprs { ids.formUnion(expr.columnIDs) }
        return ids
    }

    private func join(
        _ join: LogicalPlan.Join, _ needed: ColumnSet, _ isExact: Bool
    ) throws(SQLError) -> LogicalPlan {
        var join = join
        let own = ownReads(LogicalPlan.join(join).expressions)
        let carriesRight = ![.semi, .anti, .mark].contains(join.kind)
        join.left = try narrowed(join.left, needed.union(own), isExact)
        join.right = try narrowed(join.right, needed.union(own), isExact && carriesRight)
        return .join(join)
    }

    /// Prunes, and cuts off what only the input's own filters read: joins carry every column they get.
    private func narrowed(
        _ plan: LogicalPlan, _ needed: ColumnSet, _ isExact: Bool
    ) throws(SQLError) -> LogicalPlan {
        let pruned = try prune(plan, needed, isExact: isExact)
        guard !isExact else { return pruned }
        return pruned.passing(pruned.columns.filter { needed.contains($0.id) })
    }

    /// The readers first: the definition makes what they need together, and every scan of it has just that.
    private func with(
        _ id: Int, _ definition: LogicalPlan, _ body: LogicalPlan, _ needed: ColumnSet, _ isExact: Bool
    ) throws(SQLError) -> LogicalPlan {
        let pruned = try prune(body, needed, isExact: isExact)
        let columns = definition.columns
        let kept = reads.kept(id, of: columns)
        guard kept.count < columns.count, !definition.writes else {
            return .with(
                id: id, definition: try prune(definition, definition.columnIDs, isExact: true), body: pruned)
        }
        let own = kept.map { columns[$0] }
        let narrow = try prune(definition, ColumnSet(own.map(\.id))).passing(own)
        return .with(id: id, definition: narrow, body: try pruned.narrowingScans(of: id, to: kept))
    }

    private func setOperation(
        _ node: LogicalPlan.SetOperation, _ needed: ColumnSet, _ isExact: Bool
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
            node.inputs[index] = try prune(node.inputs[index], ColumnSet(own.map(\.id))).passing(own)
        }
        node.columns = kept.map { node.columns[$0] }
        return .setOperation(node)
    }
}

extension LogicalPlan {
    /// Whether it changes a table.
    fileprivate var writes: Bool {
        if case .write = self { return true }
        return inputs.contains { $0.writes }
    }

    /// Cuts the scans of a common table to some of its columns, by position.
    fileprivate func narrowingScans(of id: Int, to kept: [Int]) throws(SQLError) -> LogicalPlan {
        if case .cteScan(var scan) = self, scan.id == id {
            guard let last = kept.last, last < scan.columns.count else {
                throw SQLError(.internalError, "a scan of \"\(scan.name)\" lacks columns")
            }
            scan.columns = kept.map { scan.columns[$0] }
            return .cteScan(scan)
        }
        let plan = try mapInputs { (input) throws(SQLError) in try input.narrowingScans(of: id, to: kept) }
        // What cut the scan before may have nothing left to cut.
        if case .project(.cteScan(let scan), let outputs) = plan, outputs.map(\.column.id) == scan.columns.map(\.id),
            outputs.allSatisfy({ $0.expr.asColumn?.id == $0.column.id })
        {
            return .cteScan(scan)
        }
        return plan
    }
}
