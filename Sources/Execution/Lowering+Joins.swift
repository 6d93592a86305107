// Lowering of joins: the right side is kept, the left side passes by.
import Columns
import Diagnostics
import Planner

extension Lowering {
    func lowerJoin(_ join: LogicalPlan.Join, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        guard !join.isLateral else {
            throw SQLError(.featureNotSupported, "this kind of LATERAL join is not supported")
        }
        if join.buildsLeft { return try lowerTurned(join, plan) }
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
        let profile = profile(plan, [])
        profile.account(account)
        profile.detail { build.details }
        let building = close(right, into: build, profile: profile)
        if let id = join.runtimeFilterID { runtimeFilters[id] = RuntimeFilterMaker(source: build, pipelines: building) }
        var left = try lowerLeft(join)
        shape.left = left.columns
        profile.child(left.profile)
        profile.child(right.profile)
        left.wait(for: building)
        left.append(HashJoinProbe(build, shape), columns: shape.output, profile: profile)
        return left
    }

    /// A semi or anti join whose left side is kept.
    private func lowerTurned(_ join: LogicalPlan.Join, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let wanted = needed
        let left = try lower(join.left)
        let keys = join.keys.map {
            LogicalPlan.JoinKey(left: $0.right, right: $0.left, nullsEqual: $0.nullsEqual)
        }
        var shape = JoinShape(
            kind: join.kind, left: [], right: left.columns, keys: keys, residual: join.residual,
            output: plan.columns.filter { wanted?.contains($0.id) ?? true })
        shape.isTurned = true
        let account = newAccount("join")
        let build = HashJoinBuild(shape, makesFilters: join.runtimeFilterID != nil, account: account)
        let profile = profile(plan, [left.profile])
        profile.account(account)
        profile.detail { build.details }
        let building = close(left, into: build, profile: profile)
        if let id = join.runtimeFilterID { runtimeFilters[id] = RuntimeFilterMaker(source: build, pipelines: building) }
        var right = try lower(join.right)
        shape.left = right.columns
        profile.child(right.profile)
        right.wait(for: building)
        let marks = ExistenceMarks(build, shape, account: account)
        right.append(marks, columns: [], profile: profile)
        let chain = Chain(
            source: ExistenceSource(marks), sourceProfile: profile,
            dependencies: close(right, into: DiscardStage(), profile: nil), isSerial: left.isSerial)
        return Flow(chains: [chain], columns: shape.output, profile: profile)
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

/// A join that makes filters, and the pipelines that feed it: a scan that filters with them starts after those, also
/// when an aggregation or another join stands between the scan and the join.
struct RuntimeFilterMaker {
    let source: any RuntimeFilterSource
    let pipelines: [Int]
}

extension HashJoinBuild: RuntimeFilterSource {
    func domain(key: Int) -> ColumnDomain? { filter(key: key)?.domain }

    func predicate(key: Int, column: Int) -> (any RowPredicate)? {
        filter(key: key).map { RuntimeFilterPredicate($0, column: column) }
    }
}

extension LogicalPlan {
    /// The columns that inputs must give when this node must give `wanted` (nil: all of its columns).
    func neededOfInputs(for wanted: ColumnSet?) -> ColumnSet? {
        var used: ColumnSet
        switch self {
        case .scan, .values, .cteScan, .setOperation, .recursive, .with, .write: return nil
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
