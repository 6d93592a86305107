// Limits: with a sort below they become top-N; below projections and UNION ALL they stop work early.
import Catalogs
import Columns
import Diagnostics

/// Moves limits down.
struct PushDownLimits: OptimizerRule {
    let name = "push_down_limits"

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        try plan.rewritten { (node) throws(SQLError) in
            guard case .limit(let limit) = node else { return node }
            return push(limit)
        }
    }

    private func push(_ node: LogicalPlan.LimitNode) -> LogicalPlan {
        guard !node.withTies || !node.order.isEmpty || isSort(node.input) else { return .limit(node) }
        var node = node
        switch node.input {
        case .sort(let input, let keys) where node.order.isEmpty && node.limit != nil:
            node.input = input
            node.order = keys
            return .limit(node)
        case .project(let input, let outputs) where node.order.isEmpty && !outputs.contains { $0.expr.isVolatile }:
            node.input = input
            return .project(push(node), outputs)
        case .scan(var scan) where node.order.isEmpty && scan.filter.isEmpty:
            guard let rows = rowsNeeded(node) else { return .limit(node) }
            scan.limit = min(rows, scan.limit ?? rows)
            node.input = .scan(scan)
            return .limit(node)
        case .setOperation(var operation) where node.order.isEmpty && operation.isAll && operation.kind == .union:
            guard let rows = rowsNeeded(node) else { return .limit(node) }
            for index in operation.inputs.indices {
                let inner = LogicalPlan.LimitNode(
                    input: operation.inputs[index], limit: .literal(.int8(Int64(rows))), offset: nil)
                operation.inputs[index] = push(inner)
            }
            node.input = .setOperation(operation)
            return .limit(node)
        case .recursive(var recursive) where node.order.isEmpty && recursive.isAll:
            // A step need not give more rows than are wanted of all: one that is recursive itself may never end.
            guard let rows = rowsNeeded(node) else { return .limit(node) }
            recursive.step = push(
                LogicalPlan.LimitNode(input: recursive.step, limit: .literal(.int8(Int64(rows))), offset: nil))
            node.input = .recursive(recursive)
            return .limit(node)
        default: return .limit(node)
        }
    }

    private func isSort(_ plan: LogicalPlan) -> Bool {
        if case .sort = plan { return true }
        return false
    }

    /// Limit plus offset, when both are literals.
    private func rowsNeeded(_ node: LogicalPlan.LimitNode) -> Int? {
        guard case .int(let limit)? = node.limit?.asLiteral?.value, limit >= 0 else { return nil }
        var offset: Int64 = 0
        if let expr = node.offset {
            guard let literal = expr.asLiteral else { return nil }
            if case .int(let value) = literal.value { offset = value }
        }
        let (sum, overflow) = limit.addingReportingOverflow(max(0, offset))
        return overflow ? nil : Int(sum)
    }
}
