// Lowering of sorts, top-N, DISTINCT ON and windows.
import Columns
import Diagnostics
import Planner

extension Lowering {
    func lowerSort(_ input: LogicalPlan, _ keys: [SortKey], _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let wanted = needed
        return sorted(try lower(input), keys, wanted, plan) { _ in }
    }

    func lowerTopN(
        _ node: LogicalPlan.LimitNode, limit: Int?, offset: Int, _ plan: LogicalPlan
    ) throws(SQLError) -> Flow {
        let wanted = needed
        return sorted(try lower(node.input), node.order, wanted, plan) { sort in
            sort.limit = limit
            sort.offset = offset
            sort.withTies = node.withTies
        }
    }

    /// Sorts so that rows equal in `on` stand together, the wanted one first. `ORDER BY` starts with the expressions of
    /// `on`, in any order, unless it has fewer of them.
    func lowerDistinctOn(_ node: LogicalPlan.DistinctNode, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let wanted = needed
        let on = node.on ?? []
        let keys = node.order.count >= on.count ? node.order : node.order + on.map { SortKey($0) }
        return sorted(try lower(node.input), keys, wanted, plan) { $0.distinct = on }
    }

    private func sorted(
        _ input: Flow, _ keys: [SortKey], _ wanted: ColumnSet?, _ plan: LogicalPlan,
        _ adjust: (inout SortPlan) -> Void
    ) -> Flow {
        let profile = profile(plan, [input.profile])
        let account = newAccount("sort")
        profile.account(account)
        var sort = SortPlan(
            input: input.columns, output: input.columns.filter { wanted?.contains($0.id) ?? true }, keys: keys)
        adjust(&sort)
        let stage = SortStage(sort, account: account)
        let feeding = close(input, into: stage, profile: profile)
        let chain = Chain(
            source: SortedSource(stage), sourceProfile: profile, dependencies: feeding, isSerial: true)
        return Flow(chains: [chain], columns: sort.output, profile: profile)
    }

    func lowerWindow(_ node: LogicalPlan.WindowNode, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let wanted = needed
        let input = try lower(node.input)
        let profile = profile(plan, [input.profile])
        let account = newAccount("window")
        profile.account(account)
        let kept = input.columns.filter { wanted?.contains($0.id) ?? true }
        let window = WindowPlan(
            input: input.columns, kept: kept, partition: node.partition, order: node.order, calls: node.calls)
        let stage = WindowStage(window, account: account)
        let feeding = close(input, into: stage, profile: profile)
        let chain = Chain(source: WindowSource(stage), sourceProfile: profile, dependencies: feeding)
        return Flow(chains: [chain], columns: kept + node.calls.map(\.column), profile: profile)
    }
}
