// Lowering of joins, sorts, windows, set operations and recursion.
import Diagnostics
import Planner

extension Lowering {
    func lowerJoin(_ join: LogicalPlan.Join, _ plan: LogicalPlan) throws(SQLError) -> Flow { throw missing("joins") }
    func lowerSort(_ input: LogicalPlan, _ keys: [SortKey], _ plan: LogicalPlan) throws(SQLError) -> Flow {
        throw missing("ORDER BY")
    }
    func lowerTopN(
        _ node: LogicalPlan.LimitNode, limit: Int?, offset: Int, _ plan: LogicalPlan
    ) throws(SQLError) -> Flow { throw missing("ORDER BY") }
    func lowerWindow(_ node: LogicalPlan.WindowNode, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        throw missing("window functions")
    }
    func lowerSetOperation(_ node: LogicalPlan.SetOperation, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        throw missing("set operations")
    }
    func lowerUnnest(_ node: LogicalPlan.Unnest, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        throw missing("set-returning functions")
    }
    func lowerRecursive(_ node: LogicalPlan.Recursive, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        throw missing("WITH RECURSIVE")
    }
    func lowerCTEScan(_ scan: LogicalPlan.CTEScan, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        throw missing("WITH")
    }
    func lowerWith(
        _ id: Int, _ definition: LogicalPlan, _ body: LogicalPlan, _ plan: LogicalPlan
    ) throws(SQLError) -> Flow { throw missing("WITH") }
    func lowerDistinctOn(_ node: LogicalPlan.DistinctNode, _ plan: LogicalPlan) throws(SQLError) -> Flow {
        throw missing("DISTINCT ON")
    }

    private func missing(_ what: String) -> SQLError { SQLError(.featureNotSupported, "\(what) are not supported yet") }
}
