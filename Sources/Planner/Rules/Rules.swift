// The optimizer: an ordered list of named rules, each timed, switchable and checked.
public import Diagnostics

/// Rewrites a plan without changing its rows or its output columns.
public protocol OptimizerRule: Sendable {
    /// Lower-case words with underscores, as `SET disabled_rules` spells them.
    var name: String { get }
    /// Whether plans cannot run without it: such a rule cannot be switched off.
    var isRequired: Bool { get }
    /// Returns the better plan, nil when nothing changes.
    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan?
}

extension OptimizerRule {
    public var isRequired: Bool { false }
}

/// What one rule did to a plan.
public struct RuleTrace: Sendable {
    public var rule: String
    public var nanoseconds: Int64
    /// The plan after the rule, nil when it changed nothing.
    public var plan: LogicalPlan?
}

/// Runs the rules.
public enum Optimizer {
    /// In order: each rule may count on what those before it have done.
    public static let rules: [any OptimizerRule] = [
        // Literals first: what is constant decides what the others see.
        FoldConstants(),
        // Joins instead of subqueries: everything below sees plain joins.
        Decorrelate(),
        // Conditions to where their columns are made; comma joins get their keys.
        PushDownFilters(),
        // Needs all conditions at the joins.
        ReorderJoins(),
        // Needs the filters gone from above the scans.
        AggregateFromMetadata(),
        // Sort and limit to top-N, limits into scans.
        PushDownLimits(),
        // After the last rule that reads columns from afar.
        PruneColumns(),
        // Structs that nothing reads as a whole are gone from above the scans by now, but for their fields.
        PushDownFields(),
        // Filters to domains that scans prune with.
        DomainsOfFilters(),
        // Needs the final join order.
        RuntimeFilters(),
    ]

    /// Rewrites a bound plan (parameters replaced) to the plan to run. `trace` is told of each rule that ran.
    public static func optimize(
        _ plan: LogicalPlan, _ context: PlanContext, trace: ((RuleTrace) -> Void)? = nil
    ) throws(SQLError) -> LogicalPlan {
        var current = plan
        let clock = ContinuousClock()
        for rule in rules where rule.isRequired || !context.disabledRules.contains(rule.name) {
            let start = clock.now
            try PlanContext.checkGivenUp()
            let changed = try rule.rewrite(current, context)
            if let changed {
                try check(rule, current, changed)
                current = changed
            }
            if let trace {
                let spent = (clock.now - start).components
                trace(
                    RuleTrace(
                        rule: rule.name,
                        nanoseconds: spent.seconds * 1_000_000_000 + spent.attoseconds / 1_000_000_000, plan: changed))
            }
        }
        return current
    }

    /// A rule must keep the output columns, and may not read columns that nothing makes.
    private static func check(
        _ rule: any OptimizerRule, _ before: LogicalPlan, _ after: LogicalPlan
    ) throws(SQLError) {
        guard before.columns.map(\.id) == after.columns.map(\.id),
            before.columns.map(\.type) == after.columns.map(\.type)
        else {
            throw SQLError(.internalError, "optimizer rule \"\(rule.name)\" changed the output columns")
        }
        let dangling = after.outerColumnIDs
        guard dangling.isEmpty || dangling.isSubset(of: before.outerColumnIDs) else {
            let list = dangling.sorted().map(\.description).joined(separator: ", ")
            throw SQLError(.internalError, "optimizer rule \"\(rule.name)\" lost the columns \(list)")
        }
    }
}
