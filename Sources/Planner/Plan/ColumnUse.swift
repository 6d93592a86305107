// Which columns expressions and plans read and make: what decides where a rule may move them.
import Columns
import Diagnostics
import Functions

extension Expr {
    /// Rewrites bottom-up: operands first, then the expression itself; subquery plans stay.
    func rewritten(_ change: (Expr) throws(SQLError) -> Expr) throws(SQLError) -> Expr {
        try change(try mapOperands { (operand) throws(SQLError) in try operand.rewritten(change) })
    }

    /// Calls `visit` for this and every expression below, not inside subquery plans.
    func walk(_ visit: (Expr) -> Void) {
        visit(self)
        for operand in operands { operand.walk(visit) }
    }

    /// The columns it reads, with those that its subqueries take from outside.
    var columnIDs: ColumnSet {
        var ids: ColumnSet = []
        collect(&ids)
        return ids
    }

    fileprivate func collect(_ ids: inout ColumnSet) {
        switch self {
        case .column(let column): ids.insert(column.id)
        case .subquery(let subquery):
            ids.formUnion(subquery.plan.outerColumnIDs)
            for operand in operands { operand.collect(&ids) }
        default: for operand in operands { operand.collect(&ids) }
        }
    }

    /// The columns it reads, subqueries aside.
    var columns: [PlanColumn] {
        var found: [PlanColumn] = []
        walk {
            if case .column(let column) = $0, !found.contains(where: { $0.id == column.id }) { found.append(column) }
        }
        return found
    }

    /// Whether a subquery is in it.
    var hasSubquery: Bool {
        var found = false
        walk { if case .subquery = $0 { found = true } }
        return found
    }

    /// Whether a call in it may differ from one evaluation to the next.
    var isVolatile: Bool {
        var found = false
        walk { if case .call(let function, _) = $0, function.volatility == .volatile { found = true } }
        return found
    }

    /// Whether evaluating it may throw.
    var canFail: Bool {
        var found = false
        walk {
            switch $0 {
            case .call(let function, _): if function.canFail { found = true }
            case .subquery: found = true
            default: break
            }
        }
        return found
    }

    /// Replaces columns, also inside subquery plans.
    func substituting(_ map: [ColumnID: Expr]) throws(SQLError) -> Expr {
        guard !map.isEmpty else { return self }
        return try replacing { (expr) throws(SQLError) in
            guard case .column(let column) = expr else { return nil }
            return map[column.id]
        }
    }

    /// The column, when it is nothing else.
    var asColumn: PlanColumn? {
        if case .column(let column) = self { return column }
        return nil
    }

    /// The value, when it is a literal.
    var asLiteral: Scalar? {
        if case .literal(let scalar) = self { return scalar }
        return nil
    }

    /// Whether it is TRUE.
    var isTrue: Bool { asLiteral?.value == .bool(true) }

    /// Whether a filter on it keeps no row: FALSE or NULL.
    var isNeverTrue: Bool {
        guard let value = asLiteral?.value else { return false }
        return value == .bool(false) || value == .null
    }

    /// The operands of `left = right`, when it is an equality.
    var asEquality: (left: Expr, right: Expr)? {
        guard case .call(let function, let arguments) = self, function.name == "=", arguments.count == 2 else {
            return nil
        }
        return (arguments[0], arguments[1])
    }
}

extension LogicalPlan {
    /// The ids of the output columns.
    var columnIDs: ColumnSet { ColumnSet(columns.map(\.id)) }

    /// Columns read but not made inside: correlation.
    var outerColumnIDs: ColumnSet {
        var read: ColumnSet = []
        var made: ColumnSet = []
        collect(&read, &made)
        return read.subtracting(made)
    }

    private func collect(_ read: inout ColumnSet, _ makes: inout ColumnSet) {
        for expr in expressions { expr.collect(&read) }
        for column in made { makes.insert(column.id) }
        for input in inputs { input.collect(&read, &makes) }
    }

    /// The columns that this node itself makes; the others of its output are an input's.
    private var made: [PlanColumn] {
        switch self {
        case .filter, .sort, .limit, .distinct, .with: []
        case .window(let node): node.calls.map(\.column)
        case .join(let join): join.mark.map { [$0] } ?? []
        case .unnest(let node): node.columns + (node.ordinality.map { [$0] } ?? [])
        case .scan, .values, .project, .aggregate, .setOperation, .recursive, .cteScan, .write: columns
        }
    }

    /// Rewrites bottom-up: inputs first, then the node itself; subqueries inside expressions stay.
    func rewritten(_ change: (LogicalPlan) throws(SQLError) -> LogicalPlan) throws(SQLError) -> LogicalPlan {
        try change(try mapInputs { (input) throws(SQLError) in try input.rewritten(change) })
    }

    /// Puts a filter on top, unless nothing is left to filter.
    func filtered(_ conditions: [Expr]) -> LogicalPlan {
        let all = Expr.all(conditions)
        return all.isTrue ? self : .filter(self, all)
    }

    /// Puts a projection on top that passes exactly these columns.
    func passing(_ columns: [PlanColumn]) -> LogicalPlan {
        if self.columns.map(\.id) == columns.map(\.id) { return self }
        return .project(self, columns.map { Output($0, .column($0)) })
    }
}

/// Hands out column ids that a plan does not use yet.
final class FreshColumns {
    private var next: Int

    /// Plan nodes that were copied so far.
    private var copies = 0

    /// Plan nodes that one rewrite may copy: subqueries within subqueries copy what is around them, which doubles at
    /// each level.
    static let copiesMax = 20_000

    init(after plan: LogicalPlan) { next = FreshColumns.highest(plan) + 1 }

    /// To be called for each node that is copied. Throws 54001 above ``copiesMax``, 57014 if the statement was given up.
    func countCopy() throws(SQLError) {
        copies += 1
        guard copies <= FreshColumns.copiesMax else {
            throw SQLError(
                .statementTooComplex, "correlated subqueries are nested too deeply",
                hint: "Write the inner subqueries as joins or as WITH queries.")
        }
        try PlanContext.checkGivenUp()
    }

    func make(like column: PlanColumn, isNullable: Bool? = nil) -> PlanColumn {
        make(column.name, column.type, isNullable: isNullable ?? column.isNullable)
    }

    func make(_ name: String, _ type: SQLType, isNullable: Bool = true) -> PlanColumn {
        defer { next += 1 }
        return PlanColumn(id: ColumnID(next), name: name, type: type, isNullable: isNullable)
    }

    /// A number for ids of joins and common table expressions, from the same sequence.
    func number() -> Int {
        defer { next += 1 }
        return next
    }

    private static func highest(_ plan: LogicalPlan) -> Int {
        var highest = plan.columns.reduce(0) { max($0, $1.id.number) }
        switch plan {
        case .with(let id, _, _): highest = max(highest, id)
        case .recursive(let node): highest = max(highest, node.id)
        case .cteScan(let scan): highest = max(highest, scan.id)
        default: break
        }
        for input in plan.inputs { highest = max(highest, FreshColumns.highest(input)) }
        for expr in plan.expressions {
            expr.walk {
                switch $0 {
                case .column(let column): highest = max(highest, column.id.number)
                case .subquery(let subquery): highest = max(highest, FreshColumns.highest(subquery.plan))
                default: break
                }
            }
        }
        return highest
    }
}
