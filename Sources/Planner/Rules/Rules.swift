// The optimizer: an ordered list of named rules, each timed, switchable and checked.
public import Diagnostics

/// Rewrites a plan without changing its rows or its output columns.
public protocol OptimizerRule: Sendable {
    /// Lower-case words with underscores, as `SET disabled_rules` spells them.
    var name: String { get }
    /// Returns the better plan, nil when nothing changes.
    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan?
}

/// What one rule did to a plan.
public struct RuleTrace: Sendable {
    public var rule: String
    public var nanoseconds: Int64
    public var changed: Bool
    /// The plan after the rule, when it changed and the caller asked for plans.
    public var plan: LogicalPlan?
}

/// Runs the rules.
public enum Optimizer {
    /// Rewrites a bound plan (parameters replaced) to the plan to run.
    public static func optimize(
        _ plan: LogicalPlan, _ context: PlanContext, trace: ((RuleTrace) -> Void)? = nil
    ) throws(SQLError) -> LogicalPlan { plan }
}
