// Walking and rebuilding expressions: operands, sameness, replacement through subqueries.
import Columns
public import Diagnostics
import Functions

extension Expr {
    /// The direct operands; those inside a subquery's plan are not among them.
    public var operands: [Expr] {
        switch self {
        case .column, .literal, .parameter: []
        case .call(_, let arguments): arguments
        case .and(let operands), .or(let operands), .coalesce(let operands, _): operands
        case .not(let operand), .isNull(let operand): [operand]
        case .notDistinct(let left, let right): [left, right]
        case .conditional(let branches, let otherwise, _): branches.flatMap { [$0.when, $0.then] } + [otherwise]
        case .inList(let operand, let items): [operand] + items
        case .subquery(let subquery): subquery.kind.operands
        }
    }

    /// Rebuilds this with each direct operand, and each subquery's plan, replaced.
    public func mapOperands(
        _ transform: (Expr) throws(SQLError) -> Expr,
        plans: (LogicalPlan) throws(SQLError) -> LogicalPlan = { (plan) throws(SQLError) in plan }
    ) throws(SQLError) -> Expr {
        switch self {
        case .column, .literal, .parameter: return self
        case .call(let function, let arguments): return .call(function, try Expr.map(arguments, transform))
        case .and(let operands): return .and(try Expr.map(operands, transform))
        case .or(let operands): return .or(try Expr.map(operands, transform))
        case .not(let operand): return .not(try transform(operand))
        case .isNull(let operand): return .isNull(try transform(operand))
        case .notDistinct(let left, let right): return .notDistinct(try transform(left), try transform(right))
        case .conditional(let branches, let otherwise, let type):
            var mapped: [(when: Expr, then: Expr)] = []
            for branch in branches { mapped.append((try transform(branch.when), try transform(branch.then))) }
            return .conditional(mapped, otherwise: try transform(otherwise), type)
        case .coalesce(let operands, let type): return .coalesce(try Expr.map(operands, transform), type)
        case .inList(let operand, let items): return .inList(try transform(operand), try Expr.map(items, transform))
        case .subquery(let subquery):
            return .subquery(
                Subquery(kind: try subquery.kind.mapOperands(transform), plan: try plans(subquery.plan)))
        }
    }

    /// Rebuilds from the top: what `replace` answers stands; where it gives nil, operands and subqueries are walked.
    public func replacing(_ replace: (Expr) throws(SQLError) -> Expr?) throws(SQLError) -> Expr {
        if let replaced = try replace(self) { return replaced }
        return try mapOperands(
            { (operand) throws(SQLError) in try operand.replacing(replace) },
            plans: { (plan) throws(SQLError) in try plan.replacingExpressions(replace) })
    }

    /// Whether this or any operand, also inside subqueries, satisfies a test.
    public func contains(_ test: (Expr) -> Bool) -> Bool {
        if test(self) { return true }
        for operand in operands where operand.contains(test) { return true }
        if case .subquery(let subquery) = self { return subquery.plan.containsExpression(test) }
        return false
    }

    /// Whether two expressions compute the same by their form. Subqueries and volatile calls are never the same.
    public func isSame(as other: Expr) -> Bool {
        switch (self, other) {
        case (.column(let left), .column(let right)): return left.id == right.id
        case (.literal(let left), .literal(let right)): return left == right
        case (.parameter(let left, let type), .parameter(let right, let other)): return left == right && type == other
        case (.call(let left, let arguments), .call(let right, let others)):
            return left.name == right.name && left.resultType == right.resultType
                && left.argumentTypes == right.argumentTypes && left.volatility != .volatile
                && Expr.same(arguments, others)
        case (.and(let left), .and(let right)), (.or(let left), .or(let right)): return Expr.same(left, right)
        case (.not(let left), .not(let right)), (.isNull(let left), .isNull(let right)):
            return left.isSame(as: right)
        case (.notDistinct, .notDistinct): return Expr.same(operands, other.operands)
        case (.conditional(let left, _, let type), .conditional(let right, _, let otherType)):
            return left.count == right.count && type == otherType && Expr.same(operands, other.operands)
        case (.coalesce(let left, let type), .coalesce(let right, let otherType)):
            return type == otherType && Expr.same(left, right)
        case (.inList, .inList): return Expr.same(operands, other.operands)
        default: return false
        }
    }

    /// Whether two lists have the same expressions in the same order.
    public static func same(_ left: [Expr], _ right: [Expr]) -> Bool {
        guard left.count == right.count else { return false }
        for index in left.indices where !left[index].isSame(as: right[index]) { return false }
        return true
    }

    static func map(
        _ exprs: [Expr], _ transform: (Expr) throws(SQLError) -> Expr
    ) throws(SQLError) -> [Expr] {
        var mapped: [Expr] = []
        mapped.reserveCapacity(exprs.count)
        for expr in exprs { mapped.append(try transform(expr)) }
        return mapped
    }
}

extension Expr.Subquery.Kind {
    var operands: [Expr] {
        switch self {
        case .scalar, .exists: []
        case .any(let pairs), .all(let pairs): pairs.map(\.operand)
        }
    }

    func mapOperands(_ transform: (Expr) throws(SQLError) -> Expr) throws(SQLError) -> Self {
        switch self {
        case .scalar, .exists: return self
        case .any(var pairs):
            for index in pairs.indices { pairs[index].operand = try transform(pairs[index].operand) }
            return .any(pairs)
        case .all(var pairs):
            for index in pairs.indices { pairs[index].operand = try transform(pairs[index].operand) }
            return .all(pairs)
        }
    }
}

extension SortKey {
    /// Whether two keys order the same way by the same expression.
    public func isSame(as other: SortKey) -> Bool {
        isDescending == other.isDescending && nullsFirst == other.nullsFirst && expr.isSame(as: other.expr)
    }
}
