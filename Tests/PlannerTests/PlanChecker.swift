// What must hold of every plan: columns come from inputs or from outside a subquery, types fit, ids are made once.
import Columns
import Functions

@testable import Planner

/// Walks a plan and lists what is wrong with it.
struct PlanChecker {
    private(set) var problems: [String] = []
    private var made: [ColumnID: Int] = [:]
    private var isBound: Bool

    /// Checks a whole plan. Subqueries may stand in bound plans only.
    static func problems(of plan: LogicalPlan, isBound: Bool) -> [String] {
        var checker = PlanChecker(isBound: isBound)
        checker.check(plan, outer: [])
        return checker.problems
    }

    private init(isBound: Bool) { self.isBound = isBound }

    private mutating func check(_ plan: LogicalPlan, outer: ColumnSet) {
        var visible = outer
        for input in plan.inputs { visible.formUnion(input.columns.map(\.id)) }
        if case .recursive = plan { visible = outer }
        // A scan filters by its own columns.
        if case .scan = plan { visible.formUnion(plan.columns.map(\.id)) }
        for expr in plan.expressions { check(expr, visible) }
        if case .join(let join) = plan {
            check(join.left, outer: outer)
            check(join.right, outer: join.isLateral ? outer.union(join.left.columns.map(\.id)) : outer)
            if join.isLateral, !isBound { problems.append("a lateral join is left") }
            for key in join.keys {
                if key.left.type != key.right.type { problems.append("key types \(key.left.type), \(key.right.type)") }
                checkSide(key.left, join.left, outer)
                checkSide(key.right, join.right, outer)
            }
        } else {
            for input in plan.inputs { check(input, outer: outer) }
        }
        checkTypes(plan)
        checkMade(plan)
    }

    private mutating func checkSide(_ expr: Expr, _ side: LogicalPlan, _ outer: ColumnSet) {
        let known = outer.union(side.columns.map(\.id))
        if !expr.columnIDs.isSubset(of: known) { problems.append("a key is of both sides") }
    }

    private mutating func checkTypes(_ plan: LogicalPlan) {
        switch plan {
        case .project(_, let outputs):
            for output in outputs where output.column.type != output.expr.type {
                problems.append("output \(output.column.name): \(output.column.type), \(output.expr.type)")
            }
        case .setOperation(let node):
            for input in node.inputs where input.columns.map(\.type) != node.columns.map(\.type) {
                problems.append("set operation over \(input.columns.map(\.type))")
            }
        case .values(let values):
            for row in values.rows where row.map(\.type) != values.columns.map(\.type) {
                problems.append("values \(row.map(\.type))")
            }
        case .filter(_, let condition):
            if condition.type != .boolean { problems.append("filter of type \(condition.type)") }
        case .aggregate(let node):
            for (column, call) in node.calls {
                if column.type != call.function.resultType { problems.append("aggregate \(call.function.name)") }
                if call.arguments.map(\.type) != call.function.argumentTypes {
                    problems.append("arguments of \(call.function.name): \(call.arguments.map(\.type))")
                }
            }
            for group in node.groups where group.column.type != group.expr.type { problems.append("group type") }
        case .recursive(let node):
            if node.base.columns.map(\.type) != node.columns.map(\.type) { problems.append("recursive base") }
            if node.step.columns.map(\.type) != node.columns.map(\.type) { problems.append("recursive step") }
        default: break
        }
    }

    /// A column id has one maker.
    private mutating func checkMade(_ plan: LogicalPlan) {
        let passed = Set(plan.inputs.flatMap { $0.columns.map(\.id) })
        var own = plan.columns.map(\.id).filter { !passed.contains($0) }
        if case .recursive(let node) = plan { own = node.columns.map(\.id) }
        for id in own {
            made[id, default: 0] += 1
            // Rules may give a column back the id that an input of its makes.
            if made[id] == 2, isBound { problems.append("column \(id) is made twice") }
        }
        let ids = plan.columns.map(\.id)
        if Set(ids).count != ids.count {
            problems.append("a column comes out twice of \(PlanPrinter.tree(plan).title)")
        }
    }

    private mutating func check(_ expr: Expr, _ visible: ColumnSet) {
        switch expr {
        case .column(let column):
            if !visible.contains(column.id) { problems.append("column \(column.name) \(column.id) comes from nowhere") }
        case .call(let function, let arguments):
            if arguments.map(\.type) != function.argumentTypes {
                problems.append("\(function.name): \(arguments.map(\.type)) for \(function.argumentTypes)")
            }
        case .inList(let operand, let items):
            if items.contains(where: { $0.type != operand.type }) { problems.append("IN: \(items.map(\.type))") }
        case .coalesce(let operands, let type):
            if operands.contains(where: { $0.type != type }) { problems.append("COALESCE: \(operands.map(\.type))") }
        case .conditional(let branches, let otherwise, let type):
            if otherwise.type != type || branches.contains(where: { $0.then.type != type }) {
                problems.append("CASE: \(branches.map(\.then.type)), \(otherwise.type)")
            }
        case .notDistinct(let left, let right):
            if left.type != right.type { problems.append("DISTINCT: \(left.type), \(right.type)") }
        case .subquery(let subquery):
            if !isBound { problems.append("a subquery is left") }
            checkPairs(subquery)
            check(subquery.plan, outer: visible)
        case .literal, .parameter, .and, .or, .not, .isNull: break
        }
        for operand in expr.operands { check(operand, visible) }
    }

    private mutating func checkPairs(_ subquery: Expr.Subquery) {
        switch subquery.kind {
        case .any(let pairs), .all(let pairs):
            let columns = ColumnSet(subquery.plan.columns.map(\.id))
            for pair in pairs {
                if !columns.contains(pair.column.id) { problems.append("a pair's column is not the plan's") }
                if [pair.operand.type, pair.column.type] != pair.comparison.argumentTypes {
                    problems.append("ANY: \(pair.operand.type), \(pair.column.type)")
                }
            }
        case .scalar, .exists: break
        }
    }
}
