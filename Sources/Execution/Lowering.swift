// Logical plans to pipelines: each node becomes a source, a step, or a sink with the source that reads it.
import Catalogs
import Columns
import Diagnostics
import Planner

/// Pipelines under construction for one plan.
final class Lowering {
    let run: QueryRun
    /// Closed so far; a pipeline's number is its index.
    private(set) var pipelines: [Pipeline] = []
    private var accounts: [MemoryAccount] = []
    /// Scans in the order of lowering; their tables are asked for tasks before anything runs.
    private(set) var slots: [ScanSlot] = []
    /// Slots of an earlier lowering of the same plan, to be used instead of new ones.
    private var replayed: ArraySlice<ScanSlot>
    private let naming: PlanNaming
    /// Filters of joins under construction, by ``LogicalPlan/Join/runtimeFilterID``.
    var runtimeFilters: [Int: RuntimeFilterMaker] = [:]
    /// Rows of WITH queries and of recursive terms, by ``LogicalPlan/CTEScan/id``.
    var sharedRows: [Int: SharedRows] = [:]
    /// Columns that the node being lowered must give, nil for all; read it before lowering inputs.
    private(set) var needed: ColumnSet?
    private var neededOfInputs: ColumnSet?

    /// `replaying` the slots of an earlier lowering of the same plan makes its pipelines anew over the same tasks, as
    /// each step of a recursive query needs.
    init(_ plan: LogicalPlan, _ run: QueryRun, replaying: [ScanSlot] = []) {
        self.run = run
        naming = PlanNaming(plan)
        replayed = replaying[...]
    }

    /// Opens the account of an operator.
    func newAccount(_ title: String) -> MemoryAccount {
        let account = run.memory.account(title)
        accounts.append(account)
        return account
    }

    /// Gives back what the operators held, once their pipelines are gone.
    func giveBack() throws(SQLError) {
        pipelines = []
        for account in accounts { try account.add(-account.bytes) }
        run.memory.forget(accounts)
        accounts = []
    }

    /// Takes over the scans of a plan that is lowered again and again, a term of a recursive query.
    func adopt(_ others: [ScanSlot]) {
        slots += others
        replayed = replayed.dropFirst(others.count)
    }

    /// A lowering of a part of the plan into pipelines of its own, over the same scans if this one replays.
    func separate(_ plan: LogicalPlan) -> Lowering {
        let other = Lowering(plan, run, replaying: Array(replayed))
        other.sharedRows = sharedRows
        return other
    }

    /// A pipeline without its end.
    struct Chain {
        var source: any SourceStage
        var sourceProfile: OperatorProfile?
        var steps: [Step] = []
        var dependencies: [Int] = []
        /// One worker only: the order of rows matters, or there is nothing to share.
        var isSerial = false
    }

    /// The rows of a plan node: one chain, or several whose rows are put together (UNION ALL).
    struct Flow {
        var chains: [Chain]
        var columns: [PlanColumn]
        var profile: OperatorProfile

        var layout: ColumnLayout { ColumnLayout(columns) }

        /// Adds a step to every chain.
        mutating func append(_ stage: any TransformStage, columns: [PlanColumn], profile: OperatorProfile) {
            for index in chains.indices { chains[index].steps.append(Step(stage, profile)) }
            self.columns = columns
            self.profile = profile
        }

        /// Makes pipelines wait for others before they start.
        mutating func wait(for pipelines: [Int]) {
            for index in chains.indices { chains[index].dependencies += pipelines }
        }

        /// Whether rows come in an order that matters.
        var isSerial: Bool { chains.contains(where: \.isSerial) }
    }

    /// Ends a flow in a sink; returns the numbers of its pipelines.
    func close(_ flow: Flow, into sink: any SinkStage, profile: OperatorProfile?, isSerial: Bool = false) -> [Int] {
        var numbers: [Int] = []
        for chain in flow.chains {
            numbers.append(pipelines.count)
            pipelines.append(
                Pipeline(
                    source: chain.source, steps: chain.steps, sink: sink, dependencies: chain.dependencies,
                    isSerial: chain.isSerial || isSerial, sourceProfile: chain.sourceProfile, sinkProfile: profile))
        }
        return numbers
    }

    /// The counters of a node, below which its inputs' stand.
    func profile(_ plan: LogicalPlan, _ children: [OperatorProfile]) -> OperatorProfile {
        let (title, details) = PlanPrinter.describe(plan, naming)
        let profile = OperatorProfile(title, details: details)
        for child in children { profile.child(child) }
        return profile
    }

    /// Lowers a plan to a flow that is still open.
    func lower(_ plan: LogicalPlan) throws(SQLError) -> Flow {
        let outer = (needed, neededOfInputs)
        needed = neededOfInputs
        neededOfInputs = plan.neededOfInputs(for: needed)
        defer { (needed, neededOfInputs) = outer }
        return try lowerNode(plan)
    }

    private func lowerNode(_ plan: LogicalPlan) throws(SQLError) -> Flow {
        try PlanContext.checkGivenUp()
        switch plan {
        case .scan(let scan): return try lowerScan(scan, plan)
        case .values(let values):
            let profile = profile(plan, [])
            let source = ValuesStage(rows: values.rows, types: values.columns.map(\.type))
            let chain = Chain(source: source, sourceProfile: profile, isSerial: true)
            return Flow(chains: [chain], columns: values.columns, profile: profile)
        case .filter(let input, let condition):
            var flow = try lower(input)
            flow.append(
                FilterStage(conditions: [condition], layout: flow.layout), columns: flow.columns,
                profile: profile(plan, [flow.profile]))
            return flow
        case .project(let input, let outputs):
            var flow = try lower(input)
            flow.append(
                ProjectStage(exprs: outputs.map(\.expr), layout: flow.layout), columns: plan.columns,
                profile: profile(plan, [flow.profile]))
            return flow
        case .aggregate(let node): return try lowerAggregate(node, plan)
        case .distinct(let node):
            guard node.on == nil else { return try lowerDistinctOn(node, plan) }
            let groups = node.input.columns.map { LogicalPlan.Output($0, .column($0)) }
            return try lowerAggregate(LogicalPlan.AggregateNode(input: node.input, groups: groups, calls: []), plan)
        case .limit(let node): return try lowerLimit(node, plan)
        case .sort(let input, let keys): return try lowerSort(input, keys, plan)
        case .window(let node): return try lowerWindow(node, plan)
        case .join(let join): return try lowerJoin(join, plan)
        case .setOperation(let node): return try lowerSetOperation(node, plan)
        case .unnest(let node): return try lowerUnnest(node, plan)
        case .recursive(let node): return try lowerRecursive(node, plan)
        case .cteScan(let scan): return try lowerCTEScan(scan, plan)
        case .with(let id, let definition, let body): return try lowerWith(id, definition, body, plan)
        case .write(let node): return try lowerWrite(node, plan)
        }
    }

    private func lowerWrite(_ node: LogicalPlan.WriteNode, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        var flow = try lower(node.input)
        let profile = profile(plan, [flow.profile])
        let account = newAccount("write")
        profile.account(account)
        let stage = try WriteStage(node, layout: flow.layout, account: account)
        let count = node.count
        profile.detail { [("Rows Changed", "\(count.rows)")] }
        flow.append(stage, columns: node.outputs, profile: profile)
        return flow
    }

    private func lowerScan(_ scan: LogicalPlan.Scan, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let slot: ScanSlot
        if let known = replayed.popFirst() {
            slot = known
        } else {
            var request = ScanRequest(
                columns: scan.columns.map(\.index), domains: scan.domains,
                limit: scan.filter.isEmpty && scan.runtimeFilters.isEmpty ? scan.limit : nil)
            for (place, entry) in scan.columns.enumerated() {
                if let path = scan.paths[entry.column.id] { request.paths[place] = path }
                if let domain = scan.fieldDomains[entry.column.id] { request.fieldDomains[place] = domain }
            }
            request.mayPass = try KnownValues(scan.filter, ColumnLayout(scan.columns.map(\.column)), run)?.mayPass
            slot = ScanSlot(table: scan.table, request: request)
        }
        slots.append(slot)
        let columns = scan.columns.map(\.column)
        let layout = ColumnLayout(columns)
        var uses: [ScanStage.RuntimeFilterUse] = []
        var dependencies: Set<Int> = []
        for target in scan.runtimeFilters {
            guard let maker = runtimeFilters[target.joinID] else { continue }
            dependencies.formUnion(maker.pipelines)
            uses.append(
                ScanStage.RuntimeFilterUse(
                    source: maker.source, key: target.key, column: try layout.index(of: target.column)))
        }
        let profile = profile(plan, [])
        profile.measure { slot.measures }
        profile.estimate(rows: scan.table.statistics.rows)
        let stage = ScanStage(
            slot, conditions: scan.filter, columns: columns, limit: scan.limit, runtimeFilters: uses)
        return Flow(
            chains: [Chain(source: stage, sourceProfile: profile, dependencies: dependencies.sorted())],
            columns: columns, profile: profile)
    }

    private func lowerAggregate(_ node: LogicalPlan.AggregateNode, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let input = try lower(node.input)
        let profile = profile(plan, [input.profile])
        let aggregation = AggregatePlan(
            groups: node.groups, sets: node.sets, calls: node.calls.map(\.call), hasSetColumn: node.setColumn != nil,
            layout: input.layout)
        let account = newAccount("aggregate")
        profile.account(account)
        let stage = AggregateStage(aggregation, account: account)
        let feeding = close(input, into: stage, profile: profile)
        let chain = Chain(
            source: AggregateSourceStage(stage: stage), sourceProfile: profile, dependencies: feeding)
        let columns =
            node.groups.map(\.column) + node.calls.map(\.column) + (node.setColumn.map { [$0] } ?? [])
        return Flow(chains: [chain], columns: columns, profile: profile)
    }

    private func lowerLimit(_ node: LogicalPlan.LimitNode, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        let limit = try count(node.limit, "LIMIT", .invalidRowCountInLimit)
        let offset = try count(node.offset, "OFFSET", .invalidRowCountInOffset) ?? 0
        guard node.order.isEmpty else { return try lowerTopN(node, limit: limit, offset: offset, plan) }
        var flow = try lower(node.input)
        flow.append(
            LimitStage(limit: limit, offset: offset), columns: flow.columns, profile: profile(plan, [flow.profile]))
        return flow
    }

    private func count(_ expr: Expr?, _ clause: String, _ state: SQLState) throws(SQLError) -> Int? {
        guard let expr, case .int(let number) = try expr.constantValue(run).value else { return nil }
        guard number >= 0 else { throw SQLError(state, "\(clause) must not be negative") }
        return Int(number)
    }
}
