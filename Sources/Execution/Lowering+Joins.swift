// Lowering of joins: the right side is kept, the left side passes by.
import Columns
import Diagnostics
import Planner

extension Lowering {
    func lowerJoin(_ join: LogicalPlan.Join, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        guard !join.isLateral else {
            throw SQLError(.featureNotSupported, "this kind of LATERAL join is not supported")
        }
        let wanted = needed
        let right = try lower(join.right)
        var shape = JoinShape(
            kind: join.kind, left: [], right: right.columns, keys: join.keys, residual: join.residual,
            mark: join.mark, output: plan.columns.filter { wanted?.contains($0.id) ?? true })
        let account = newAccount("join")
        if join.keys.isEmpty {
            let build = NestedLoopBuild(shape, account: account)
            var left = try lowerLeft(join)
            shape.left = left.columns
            let profile = profile(plan, [left.profile, right.profile])
            profile.account(account)
            left.wait(for: close(right, into: build, profile: profile))
            left.append(NestedLoopProbe(build, shape), columns: shape.output, profile: profile)
            return left
        }
        let build = HashJoinBuild(shape, makesFilters: join.runtimeFilterID != nil, account: account)
        if let id = join.runtimeFilterID { runtimeFilters[id] = build }
        var left = try lowerLeft(join)
        shape.left = left.columns
        let profile = profile(plan, [left.profile, right.profile])
        profile.account(account)
        profile.detail { build.details }
        left.wait(for: close(right, into: build, profile: profile))
        left.append(HashJoinProbe(build, shape), columns: shape.output, profile: profile)
        return left
    }

    /// The last worker to end gives the right rows without a match: that takes one chain.
    private func lowerLeft(_ join: LogicalPlan.Join) throws(SQLError) -> Flow {
        let left = try lower(join.left)
        guard join.kind == .right || join.kind == .full, left.chains.count > 1 else { return left }
        return materialize(left, as: left.columns, profile: left.profile)
    }

    /// Keeps all rows of a flow, then gives them again from one chain.
    func materialize(_ flow: Flow, as columns: [PlanColumn], profile: OperatorProfile) -> Flow {
        let account = newAccount("rows")
        profile.account(account)
        let stage = MaterializeStage(types: flow.columns.map(\.type), account: account)
        let feeding = close(flow, into: stage, profile: nil)
        let chain = Chain(source: MaterializedSource(stage), dependencies: feeding, isSerial: flow.isSerial)
        return Flow(chains: [chain], columns: columns, profile: profile)
    }
}

extension HashJoinBuild: RuntimeFilterSource {
    func domain(key: Int) -> ColumnDomain? { filter(key: key)?.domain }

    func predicate(key: Int, column: Int) -> (any RowPredicate)? {
        filter(key: key).map { RuntimeFilterPredicate($0, column: column) }
    }
}

extension LogicalPlan {
    /// The columns that inputs must give when this node must give `wanted` (nil: all of its columns).
    func neededOfInputs(for wanted: Set<ColumnID>?) -> Set<ColumnID>? {
        var used: Set<ColumnID>
        switch self {
        case .scan, .values, .cteScan, .setOperation, .recursive, .with: return nil
        case .distinct(let node):
            guard node.on != nil, let wanted else { return nil }
            used = wanted
        case .project, .aggregate: used = []
        case .filter, .sort, .limit, .window, .join, .unnest:
            guard let wanted else { return nil }
            used = wanted
        }
        for expr in expressions { for column in expr.columnsUsed { used.insert(column.id) } }
        return used
    }
}
