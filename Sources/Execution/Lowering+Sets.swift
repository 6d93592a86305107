// Lowering of set operations, WITH and recursion.
import Columns
import Diagnostics
import Functions
import Planner

extension Lowering {
    func lowerSetOperation(_ node: LogicalPlan.SetOperation, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        if node.kind == .union {
            guard !node.isAll else { return try lowerUnionAll(node, plan) }
            var all = node
            all.isAll = true
            return try lower(.distinct(LogicalPlan.DistinctNode(input: .setOperation(all))))
        }
        guard node.inputs.count == 2 else {
            throw SQLError(.internalError, "\(node.kind.rawValue) has \(node.inputs.count) inputs")
        }
        var left = try lowerInOrder(node.inputs[0])
        let right = try lowerInOrder(node.inputs[1])
        let profile = profile(plan, [left.profile, right.profile])
        let account = newAccount(node.kind.rawValue)
        profile.account(account)
        let build = SetBuild(types: node.columns.map(\.type), account: account)
        left.wait(for: close(right, into: build, profile: profile))
        left.append(SetProbe(build, node.kind, isAll: node.isAll), columns: node.columns, profile: profile)
        return left
    }

    private func lowerUnionAll(_ node: LogicalPlan.SetOperation, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        var chains: [Chain] = []
        var profiles: [OperatorProfile] = []
        for input in node.inputs {
            let flow = try lowerInOrder(input)
            chains += flow.chains
            profiles.append(flow.profile)
        }
        return Flow(chains: chains, columns: node.columns, profile: profile(plan, profiles))
    }

    /// Lowers an input whose columns are known by position.
    private func lowerInOrder(_ input: LogicalPlan) throws(SQLError) -> Flow {
        var flow = try lower(input)
        let places = try places(of: input.columns, in: flow)
        if places != Array(flow.columns.indices) {
            flow.append(PickStage(columns: places), columns: input.columns, profile: flow.profile)
        }
        return flow
    }

    private func places(of columns: [PlanColumn], in flow: Flow) throws(SQLError) -> [Int] {
        let layout = flow.layout
        var places: [Int] = []
        for column in columns { places.append(try layout.index(of: column)) }
        return places
    }

    func lowerWith(
        _ id: Int, _ definition: LogicalPlan, _ body: LogicalPlan, _ plan: LogicalPlan
    ) throws(SQLError) -> Flow {
        let rows = try lower(definition)
        let profile = profile(plan, [])
        let account = newAccount("with")
        profile.account(account)
        let stage = MaterializeStage(types: rows.columns.map(\.type), account: account)
        let places = try places(of: definition.columns, in: rows)
        let feeding = close(rows, into: stage, profile: nil)
        sharedRows[id] = .kept(stage, feeding: feeding, columns: places, isSerial: rows.isSerial)
        var flow = try lower(body)
        profile.child(rows.profile)
        profile.child(flow.profile)
        flow.profile = profile
        return flow
    }

    func lowerCTEScan(_ scan: LogicalPlan.CTEScan, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let profile = profile(plan, [])
        let chain: Chain
        switch sharedRows[scan.id] {
        case .kept(let stage, let feeding, let columns, let isSerial)?:
            chain = Chain(
                source: MaterializedSource(stage, columns: columns), sourceProfile: profile, dependencies: feeding,
                isSerial: isSerial)
        case .working(let rows)?:
            chain = Chain(source: MaterializedSource(rows.current), sourceProfile: profile, isSerial: true)
        case nil:
            throw SQLError(.internalError, "rows of \"\(scan.name)\" are read outside of their WITH")
        }
        return Flow(chains: [chain], columns: scan.columns, profile: profile)
    }

    func lowerUnnest(_ node: LogicalPlan.Unnest, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let wanted = needed
        var flow = try lower(node.input)
        let kept = flow.columns.filter { wanted?.contains($0.id) ?? true }
        var unnest = UnnestPlan(
            kind: .elements, arguments: node.arguments, input: flow.columns, kept: kept, columns: node.columns,
            hasOrdinality: node.ordinality != nil, keepsEmpty: node.keepsEmpty)
        switch node.function {
        case .generateSeries: unnest.kind = .series
        case .unnest: break
        case .regexpSplitToTable: unnest.arguments = [try arrayCall("regexp_split_to_array", node.arguments)]
        case .stringToTable: unnest.arguments = [try arrayCall("string_to_array", node.arguments)]
        case .regexpMatches: unnest.arguments = [try arrayCall("regexp_all_matches", node.arguments)]
        }
        guard unnest.kind != .elements || unnest.arguments.count == node.columns.count else {
            throw SQLError(.internalError, "unnest has \(node.columns.count) columns for other arguments")
        }
        let columns = kept + node.columns + (node.ordinality.map { [$0] } ?? [])
        flow.append(UnnestStage(plan: unnest), columns: columns, profile: profile(plan, [flow.profile]))
        return flow
    }

    /// A call that gives as an array what the set-returning function gives as rows.
    private func arrayCall(_ name: String, _ arguments: [Expr]) throws(SQLError) -> Expr {
        let function = try FunctionRegistry.function(
            name, arguments.map(\.type), literals: arguments.map { _ in nil }, position: nil)
        return .call(function, arguments)
    }

    func lowerRecursive(_ node: LogicalPlan.Recursive, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let base = try lowerInOrder(node.base)
        let account = newAccount("recursive union")
        let types = node.columns.map(\.type)
        let seed = MaterializeStage(types: types, account: account)
        let working = WorkingRows()
        // Steps run inside the source, when everything around has been computed.
        var visible = sharedRows
        var feeding: [Int] = []
        for (id, shared) in sharedRows {
            guard case .kept(let stage, let others, let columns, let isSerial) = shared else { continue }
            feeding += others
            visible[id] = .kept(stage, feeding: [], columns: columns, isSerial: isSerial)
        }
        visible[node.id] = .working(working)
        let first = separate(node.step)
        first.sharedRows = visible
        let sketch = try first.lowerInOrder(node.step)
        try first.giveBack()
        let slots = first.slots
        adopt(slots)
        let bound = visible
        let step = { @Sendable [run] (sink: any SinkStage) throws(SQLError) in
            let lowering = Lowering(node.step, run, replaying: slots)
            lowering.sharedRows = bound
            let flow = try lowering.lowerInOrder(node.step)
            _ = lowering.close(flow, into: sink, profile: nil)
            try InlineExecution.run(lowering.pipelines, run)
            try lowering.giveBack()
        }
        let profile = profile(plan, [base.profile, sketch.profile])
        profile.account(account)
        let source = RecursiveSource(
            RecursivePlan(types: types, isAll: node.isAll, working: working, step: step), base: seed, account: account)
        feeding += close(base, into: seed, profile: nil)
        let chain = Chain(source: source, sourceProfile: profile, dependencies: feeding, isSerial: true)
        return Flow(chains: [chain], columns: node.columns, profile: profile)
    }
}
