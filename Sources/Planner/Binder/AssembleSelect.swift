// The plan of one SELECT: filter, aggregate, windows, projection, distinct, sort, limit, bottom up.
import Columns
import Diagnostics
import Syntax

extension QueryBinder {
    func assemble(
        _ from: LogicalPlan, _ parts: inout SelectParts, _ select: Select, _ query: Query, _ outer: Scope?,
        _ ctes: CTEScope?
    ) throws(SQLError) -> LogicalPlan {
        var plan = from
        if let filter = parts.filter { plan = .filter(plan, filter) }
        var calls = parts.block.setReturning
        if parts.isGrouped {
            // Rows multiply before grouping only when a group asks for it.
            let early = calls.filter { call in parts.groups.exprs.contains { $0.uses([call.column.id]) } }
            calls.removeAll { call in early.contains { $0.column.id == call.column.id } }
            plan = unnested(plan, early)
            let ids = parts.block.scope.columnIDs.union(early.map(\.column.id))
            plan = aggregateNode(plan, &parts)
            try moveOverGroups(&parts, &calls, ids)
            if let having = parts.having { plan = .filter(plan, having) }
        } else if let call = parts.block.groupings.first {
            throw SQLError(
                .groupingError,
                "arguments to GROUPING must be grouping expressions of the associated query level",
                position: call.position)
        }
        plan = windowNodes(parts.block.windows, over: plan)
        if let qualify = parts.qualify { plan = .filter(plan, qualify) }
        plan = unnested(plan, calls)
        return try projected(plan, &parts, select, query, outer, ctes)
    }

    private func unnested(_ plan: LogicalPlan, _ calls: [SelectBlock.SetReturningCall]) -> LogicalPlan {
        // Several calls run in step, as unnest of several arrays does: the binder lets no others through.
        guard let first = calls.first else { return plan }
        return .unnest(
            LogicalPlan.Unnest(
                input: plan, function: first.function, arguments: calls.flatMap(\.arguments),
                columns: calls.map(\.column)))
    }

    /// Rewrites everything that stands above the aggregate.
    private func moveOverGroups(
        _ parts: inout SelectParts, _ calls: inout [SelectBlock.SetReturningCall], _ ids: ColumnSet
    ) throws(SQLError) {
        for index in parts.targets.indices {
            let target = parts.targets[index]
            if let group = target.group {
                parts.targets[index].typed.expr = .column(parts.groups.columns[group])
            } else {
                parts.targets[index].typed.expr =
                    try overGroups(target.typed.expr, parts, ids, uses: target.uses)
            }
        }
        if let having = parts.having { parts.having = try overGroups(having, parts, ids) }
        if let qualify = parts.qualify { parts.qualify = try overGroups(qualify, parts, ids) }
        for index in parts.order.indices where parts.order[index].target == nil {
            parts.order[index].key.expr = try overGroups(parts.order[index].key.expr, parts, ids)
        }
        if var on = parts.on {
            for index in on.indices where on[index].target == nil {
                on[index].expr = try overGroups(on[index].expr, parts, ids)
            }
            parts.on = on
        }
        for index in parts.block.windows.indices {
            var entry = parts.block.windows[index]
            let grouped = parts
            let move = { (expr: Expr) throws(SQLError) -> Expr in try self.overGroups(expr, grouped, ids) }
            entry.partition = try Expr.map(entry.partition, move)
            entry.order = try SortKey.map(entry.order, move)
            entry.call = try entry.call.mapExpressions(move)
            parts.block.windows[index] = entry
        }
        for index in calls.indices {
            for argument in calls[index].arguments.indices {
                calls[index].arguments[argument] = try overGroups(calls[index].arguments[argument], parts, ids)
            }
        }
    }

    /// Projects the select list, with columns that only the sort needs behind it; these go away at the end.
    private func projected(
        _ input: LogicalPlan, _ parts: inout SelectParts, _ select: Select, _ query: Query, _ outer: Scope?,
        _ ctes: CTEScope?
    ) throws(SQLError) -> LogicalPlan {
        let inputIDs = ColumnSet(input.columns.map(\.id))
        var used: ColumnSet = []
        var outputs: [LogicalPlan.Output] = []
        for target in parts.targets {
            outputs.append(output(target.typed.expr, target.name, inputIDs, &used))
        }
        let visible = outputs.count
        func place(_ expr: Expr, _ target: Int?) -> Expr {
            if let target { return .column(outputs[target].column) }
            if let known = outputs.first(where: { $0.expr.isSame(as: expr) }) { return .column(known.column) }
            outputs.append(output(expr, "order", inputIDs, &used))
            return .column(outputs[outputs.count - 1].column)
        }
        var keys: [SortKey] = []
        for item in parts.order {
            var key = item.key
            key.expr = place(item.key.expr, item.target)
            // A key that was sorted by before changes nothing.
            if !keys.contains(where: { $0.expr.isSame(as: key.expr) }) { keys.append(key) }
        }
        var on: [Expr]?
        if let items = parts.on { on = items.map { place($0.expr, $0.target) } }
        var plan = LogicalPlan.project(input, outputs)
        switch select.distinct {
        case .all: break
        case .distinct: plan = .distinct(LogicalPlan.DistinctNode(input: plan))
        case .on: plan = .distinct(LogicalPlan.DistinctNode(input: plan, on: on ?? [], order: keys))
        }
        plan = try limited(plan, keys, query, outer, ctes)
        guard outputs.count > visible else { return plan }
        return .project(plan, outputs.prefix(visible).map { LogicalPlan.Output($0.column, .column($0.column)) })
    }

    /// A column passed through keeps its id when its name is right and nothing else took it.
    private func output(
        _ expr: Expr, _ name: String, _ inputIDs: ColumnSet, _ used: inout ColumnSet
    ) -> LogicalPlan.Output {
        if case .column(let column) = expr, inputIDs.contains(column.id), column.name == name || name == "order",
            used.insert(column.id).inserted
        {
            return LogicalPlan.Output(column, expr)
        }
        return LogicalPlan.Output(column(name, expr.type, isNullable: expr.mayBeNull), expr)
    }
}

extension Expr {
    /// Whether this may be NULL, as far as its form tells.
    fileprivate var mayBeNull: Bool {
        switch self {
        case .column(let column): column.isNullable
        case .literal(let scalar): scalar.isNull
        case .isNull, .notDistinct: false
        default: true
        }
    }
}
