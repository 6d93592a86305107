// Constant folding and boolean algebra: `1 + 1`, `x AND true`, `NOT NOT x`, filters that are always or never true.
import Columns
import Diagnostics
import Functions

/// Evaluates what does not depend on rows.
struct FoldConstants: OptimizerRule {
    let name = "fold_constants"

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        try plan.rebuilding { (node) throws(SQLError) in
            let folded = try node.mapExpressions { (expr) throws(SQLError) in
                try expr.rewritten { (inner) throws(SQLError) in FoldConstants.fold(inner, context.functions) }
            }
            return FoldConstants.simplify(folded)
        }
    }

    /// Folds one expression whose operands are folded. An expression that throws is left to run time: its row may never
    /// be reached.
    static func fold(_ expr: Expr, _ context: FunctionContext) -> Expr {
        switch expr {
        case .literal, .column, .parameter, .subquery: return expr
        case .and(let operands):
            var kept: [Expr] = []
            for operand in operands.flatMap(\.conjuncts) {
                if operand.asLiteral?.value == .bool(false) { return .literal(.boolean(false)) }
                // Of many conditions each would be compared with all: what comes twice is then tested twice.
                if kept.count > comparedMax || !kept.contains(where: { $0.isSame(as: operand) }) {
                    kept.append(operand)
                }
            }
            return Expr.all(kept)
        case .or(let operands): return or(operands)
        case .not(let operand): return not(operand)
        case .isNull(let operand):
            if let value = operand.asLiteral { return .literal(.boolean(value.isNull)) }
            return expr
        case .conditional(let branches, let otherwise, let type):
            return conditional(branches, otherwise, type)
        case .coalesce(let operands, let type): return coalesce(operands, type)
        case .call(let function, let arguments):
            // Strict with a NULL: NULL without a call, when the other arguments have no effects.
            if function.isStrict, function.volatility != .volatile,
                arguments.contains(where: { $0.asLiteral?.isNull == true }),
                !arguments.contains(where: { $0.canFail || $0.isVolatile })
            {
                return .literal(.null(function.resultType))
            }
            return constant(expr, context)
        case .notDistinct, .inList: return constant(expr, context)
        }
    }

    /// Conditions of one AND that are looked at for doubles.
    private static let comparedMax = 256

    private static func constant(_ expr: Expr, _ context: FunctionContext) -> Expr {
        guard ConstantFold.isConstant(expr, upTo: .stable), let value = try? ConstantFold.evaluate(expr, context) else {
            return expr
        }
        return .literal(Scalar(expr.type, value.value))
    }

    private static func or(_ operands: [Expr]) -> Expr {
        var kept: [Expr] = []
        for operand in operands {
            if operand.isTrue { return .yes }
            if operand.asLiteral?.value == .bool(false) { continue }
            if case .or(let inner) = operand { kept += inner } else { kept.append(operand) }
        }
        if kept.isEmpty { return .literal(.boolean(false)) }
        if kept.count == 1 { return kept[0] }
        // What every branch demands is demanded: (a AND b) OR (a AND c) = a AND (b OR c). Finds TPC-H Q19's join key.
        let branches = kept.map(\.conjuncts)
        let shared = branches[0].filter { candidate in
            branches.dropFirst().allSatisfy { $0.contains { $0.isSame(as: candidate) } }
        }
        guard !shared.isEmpty else { return .or(kept) }
        let rest = branches.map { branch in
            Expr.all(branch.filter { condition in !shared.contains { $0.isSame(as: condition) } })
        }
        if rest.contains(where: \.isTrue) { return Expr.all(shared) }
        return Expr.all(shared + [.or(rest)])
    }

    private static let negations = ["=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"]

    private static func not(_ operand: Expr) -> Expr {
        switch operand {
        case .literal(let scalar):
            if case .bool(let flag) = scalar.value { return .literal(.boolean(!flag)) }
            return .literal(.null(.boolean))
        case .not(let inner): return inner
        case .and(let operands): return .or(operands.map(not))
        case .or(let operands): return Expr.all(operands.map(not))
        case .call(let function, let arguments) where arguments.count == 2:
            guard let opposite = negations[function.name],
                let bound = try? FunctionRegistry.binaryOrUnary(
                    opposite, function.argumentTypes[0], function.argumentTypes[1], position: nil)
            else { return .not(operand) }
            return .call(bound, arguments)
        default: return .not(operand)
        }
    }

    private static func conditional(
        _ branches: [(when: Expr, then: Expr)], _ otherwise: Expr, _ type: SQLType
    ) -> Expr {
        var kept: [(when: Expr, then: Expr)] = []
        for branch in branches {
            if branch.when.isNeverTrue { continue }
            if branch.when.isTrue {
                return kept.isEmpty ? branch.then : .conditional(kept, otherwise: branch.then, type)
            }
            kept.append(branch)
        }
        return kept.isEmpty ? otherwise : .conditional(kept, otherwise: otherwise, type)
    }

    private static func coalesce(_ operands: [Expr], _ type: SQLType) -> Expr {
        var kept: [Expr] = []
        for operand in operands {
            if operand.asLiteral?.isNull == true { continue }
            kept.append(operand)
            // Nothing after a value that is never NULL counts.
            if operand.asLiteral != nil { break }
        }
        if kept.isEmpty { return .literal(.null(type)) }
        return kept.count == 1 ? kept[0] : .coalesce(kept, type)
    }

    private static func simplify(_ plan: LogicalPlan) -> LogicalPlan {
        guard case .filter(let input, let condition) = plan else { return plan }
        if condition.isTrue { return input }
        if condition.conjuncts.contains(where: \.isNeverTrue) {
            return .values(LogicalPlan.Values(columns: input.columns, rows: []))
        }
        return plan
    }
}
