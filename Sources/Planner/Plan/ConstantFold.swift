// Evaluates expressions without columns: literals' casts when binding, constant folding when optimizing.
public import Columns
public import Diagnostics
public import Functions

/// Computes constant expressions with the same kernels that run over batches.
public enum ConstantFold {
    /// Returns the value of an expression that has no columns, parameters or subqueries.
    /// Throws what evaluation throws; XX000 when the expression is not constant.
    public static func evaluate(_ expr: Expr, _ context: FunctionContext) throws(SQLError) -> Scalar {
        switch expr {
        case .literal(let scalar): return scalar
        case .call(let function, let arguments):
            var values: [Scalar] = []
            values.reserveCapacity(arguments.count)
            for argument in arguments { values.append(try evaluate(argument, context)) }
            return try call(function, values, context)
        case .and(let operands): return try logical(operands, stopsAt: false, context)
        case .or(let operands): return try logical(operands, stopsAt: true, context)
        case .not(let operand):
            let value = try evaluate(operand, context)
            guard case .bool(let flag) = value.value else { return .null(.boolean) }
            return .boolean(!flag)
        case .isNull(let operand): return .boolean(try evaluate(operand, context).isNull)
        case .notDistinct(let left, let right):
            return try same(evaluate(left, context), evaluate(right, context), context)
        case .conditional(let branches, let otherwise, let type):
            for branch in branches where try evaluate(branch.when, context).value == .bool(true) {
                return Scalar(type, try evaluate(branch.then, context).value)
            }
            return Scalar(type, try evaluate(otherwise, context).value)
        case .coalesce(let operands, let type):
            for operand in operands {
                let value = try evaluate(operand, context)
                if !value.isNull { return Scalar(type, value.value) }
            }
            return .null(type)
        case .inList(let operand, let items):
            return try contains(evaluate(operand, context), items, context)
        case .column, .parameter, .subquery:
            throw SQLError(.internalError, "expression is not constant")
        }
    }

    /// Whether an expression can be evaluated before the statement runs: no columns, parameters, subqueries, and no
    /// function whose result may differ later. `upTo` tells how stable functions must be.
    public static func isConstant(_ expr: Expr, upTo volatility: Volatility = .immutable) -> Bool {
        switch expr {
        case .literal: return true
        case .column, .parameter, .subquery: return false
        case .call(let function, let arguments):
            switch function.volatility {
            case .immutable: break
            case .stable: if volatility == .immutable { return false }
            case .volatile: return false
            }
            return arguments.allSatisfy { isConstant($0, upTo: volatility) }
        default: return expr.operands.allSatisfy { isConstant($0, upTo: volatility) }
        }
    }

    /// Calls a function once.
    public static func call(
        _ function: BoundFunction, _ arguments: [Scalar], _ context: FunctionContext
    ) throws(SQLError) -> Scalar {
        if function.isStrict, arguments.contains(where: \.isNull) { return .null(function.resultType) }
        var columns: [Column] = []
        columns.reserveCapacity(arguments.count)
        for (index, argument) in arguments.enumerated() {
            let type = index < function.argumentTypes.count ? function.argumentTypes[index] : argument.type
            let builder = ColumnBuilder(type, capacity: 1)
            builder.append(argument)
            columns.append(builder.finish())
        }
        let result = try function.kernel(context, columns, 1)
        return Scalar(function.resultType, result.scalar(0).value)
    }

    private static func logical(
        _ operands: [Expr], stopsAt stop: Bool, _ context: FunctionContext
    ) throws(SQLError) -> Scalar {
        var sawNull = false
        for operand in operands {
            switch try evaluate(operand, context).value {
            case .bool(stop): return .boolean(stop)
            case .null: sawNull = true
            default: break
            }
        }
        return sawNull ? .null(.boolean) : .boolean(!stop)
    }

    private static func same(
        _ left: Scalar, _ right: Scalar, _ context: FunctionContext
    ) throws(SQLError) -> Scalar {
        if left.isNull || right.isNull { return .boolean(left.isNull && right.isNull) }
        let equal = try FunctionRegistry.binaryOrUnary("=", left.type, right.type, position: nil)
        return try call(equal, [left, right], context)
    }

    private static func contains(
        _ value: Scalar, _ items: [Expr], _ context: FunctionContext
    ) throws(SQLError) -> Scalar {
        if value.isNull { return .null(.boolean) }
        var sawNull = false
        for item in items {
            let other = try evaluate(item, context)
            if other.isNull {
                sawNull = true
            } else if try same(value, other, context).value == .bool(true) {
                return .boolean(true)
            }
        }
        return sawNull ? .null(.boolean) : .boolean(false)
    }
}
