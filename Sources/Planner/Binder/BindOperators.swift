// Operators and operator-like forms: AND, BETWEEN, IN, LIKE, CASE, IS, arrays, time zones.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    func bindOperator(_ expr: Expression, _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        switch expr.node {
        case .unary(let symbol, let operand): return try unary(symbol, operand, at, scope)
        case .binary(let symbol, let left, let right): return try binary(symbol, left, right, at, scope)
        case .and(let operands): return .and(try conditions(operands, "AND", scope))
        case .or(let operands): return .or(try conditions(operands, "OR", scope))
        case .not(let operand): return .not(try condition(try bind(operand, scope), of: "NOT"))
        case .isTest(let operand, let test, let negated): return try isTest(operand, test, negated, scope)
        case .isDistinct(let left, let right, let negated):
            let same = try notDistinct(left, right, at, scope)
            return negated ? same : .not(same)
        case .between(let operand, let low, let high, let symmetric, let negated):
            return try between(operand, low, high, symmetric, negated, at, scope)
        case .inList(let operand, let items, let negated): return try inList(operand, items, negated, at, scope)
        case .inQuery(let operand, let query, let negated):
            let found = try quantified(operand, "=", isAll: false, query, at, scope)
            return negated ? .not(found) : found
        case .like(let kind, let operand, let pattern, let escape, let negated):
            return try like(kind, operand, pattern, escape, negated, at, scope)
        case .quantified(let left, let symbol, let isAll, let right):
            let symbol = symbol == "!=" ? "<>" : symbol == "==" ? "=" : symbol
            switch right {
            case .query(let query): return try quantified(left, symbol, isAll: isAll, query, at, scope)
            case .array(let array):
                if case .arrayQuery(let query) = array.node {
                    return try quantified(left, symbol, isAll: isAll, query, at, scope)
                }
                return try quantified(left, symbol, isAll: isAll, array: array, at, scope)
            }
        case .array(let items): return try array(items, at, scope)
        case .conditional(let operand, let branches, let otherwise):
            return try conditional(operand, branches, otherwise, at, scope)
        case .atTimeZone(let value, let zone):
            return try call("timezone", [try bind(zone, scope), try bind(value, scope)], at)
        case .subscripted(let array, let index):
            return try subscripted(try bind(array, scope), try bind(index, scope), at)
        case .slice(let array, let from, let to): return try slice(array, from, to, at, scope)
        default: throw SQLError(.internalError, "expression is not known to the binder", position: at)
        }
    }

    /// Array element and slice are ordinary functions of the library.
    static let subscriptFunction = "array_subscript"
    static let sliceFunction = "array_slice"

    private func unary(
        _ symbol: String, _ operand: Expression, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        // A minus belongs to the number: -2147483648 is an integer.
        if symbol == "-" {
            switch operand.node {
            case .integer(let digits), .decimal(let digits):
                // The parser may have put one minus into the digits already: - (-1).
                if digits.hasPrefix("-") { return try number(String(digits.dropFirst()), at) }
                return try number(digits, isNegative: true, at)
            default: break
            }
        }
        return try operation(symbol, nil, try bind(operand, scope), at)
    }

    private func binary(
        _ symbol: String, _ left: Expression, _ right: Expression, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        let symbol = symbol == "!=" ? "<>" : symbol
        if case .row(let a) = left.node, case .row(let b) = right.node {
            return try compareRows(a, symbol, b, at, scope)
        }
        if case .row(let items) = left.node, case .scalarQuery(let query) = right.node {
            return try compareRow(items, symbol, query, at, scope)
        }
        if symbol == "//" { return try quotient(try bind(left, scope), try bind(right, scope), at) }
        return try operation(symbol, try bind(left, scope), try bind(right, scope), at)
    }

    /// DuckDB's whole quotient: NULL where the divisor is 0.
    private func quotient(_ left: Typed, _ right: Typed, _ at: Int?) throws(SQLError) -> Expr {
        let divided: Expr
        if left.type.isInteger || left.isOpen, right.type.isInteger || right.isOpen {
            divided = try operation("/", left, right, at)
        } else if left.type.isFloat || right.type.isFloat {
            divided = try call("floor", [Typed(try operation("/", left, right, at), at)], at)
        } else {
            divided = try call("div", [left, right], at)
        }
        let zero = try operation("=", right, Typed(.literal(.int4(0)), at), at)
        return .conditional([(zero, .literal(.null(divided.type)))], otherwise: divided, divided.type)
    }

    private func conditions(
        _ operands: [Expression], _ word: String, _ scope: Scope
    ) throws(SQLError) -> [Expr] {
        var bound: [Expr] = []
        for operand in operands { bound.append(try condition(try bind(operand, scope), of: word)) }
        return bound
    }

    private func isTest(
        _ operand: Expression, _ test: Expression.IsTest, _ negated: Bool, _ scope: Scope
    ) throws(SQLError) -> Expr {
        if case .row(let items) = operand.node, test == .null {
            var parts: [Expr] = []
            for item in items {
                let isNull = Expr.isNull(try settleAsText(try bind(item, scope)))
                parts.append(negated ? .not(isNull) : isNull)
            }
            return parts.count > 1 ? .and(parts) : parts.first ?? .yes
        }
        let typed = try bind(operand, scope)
        let result: Expr
        switch test {
        case .null: result = .isNull(typed.isParameter ? typed.expr : try settleAsText(typed))
        case .unknown: result = .isNull(try condition(typed, of: "IS UNKNOWN"))
        case .yes: result = .notDistinct(try condition(typed, of: "IS TRUE"), .literal(.boolean(true)))
        case .no: result = .notDistinct(try condition(typed, of: "IS FALSE"), .literal(.boolean(false)))
        }
        return negated ? .not(result) : result
    }

    private func notDistinct(
        _ left: Expression, _ right: Expression, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        if case .row(let a) = left.node, case .row(let b) = right.node {
            guard a.count == b.count else {
                throw SQLError(.syntaxError, "unequal number of entries in row expressions", position: at)
            }
            var parts: [Expr] = []
            for (x, y) in zip(a, b) { parts.append(try notDistinct(x, y, at, scope)) }
            return parts.count > 1 ? .and(parts) : parts.first ?? .yes
        }
        return try notDistinct(try bind(left, scope), try bind(right, scope), at)
    }

    /// IS NOT DISTINCT FROM over one common type. Throws as `=` does when the types cannot be compared.
    func notDistinct(_ left: Typed, _ right: Typed, _ at: Int?) throws(SQLError) -> Expr {
        let known = [left, right].filter { !$0.isOpen }.map(\.type)
        if known.count == 2, known[0] != known[1], FunctionRegistry.commonType(known) == nil {
            guard case .call(let function, let arguments) = try operation("=", left, right, at),
                arguments.count == 2, function.argumentTypes.first == function.argumentTypes.last
            else {
                throw SQLError(
                    .datatypeMismatch,
                    "types \(known[0].baseName) and \(known[1].baseName) cannot be matched", position: at)
            }
            return .notDistinct(arguments[0], arguments[1])
        }
        let (exprs, type) = try unify([left, right], "IS DISTINCT FROM", isPrinted: false)
        _ = try FunctionRegistry.binaryOrUnary("=", type, type, position: at)
        return .notDistinct(exprs[0], exprs[1])
    }

    private func between(
        _ operand: Expression, _ low: Expression, _ high: Expression, _ symmetric: Bool, _ negated: Bool,
        _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        if !negated, !symmetric, let inside = tupleRange(operand, low, high, scope) { return inside }
        let value = try bind(operand, scope)
        let (a, b) = (try bind(low, scope), try bind(high, scope))
        func within(_ low: Typed, _ high: Typed) throws(SQLError) -> Expr {
            let first = try operation(">=", value, low, at)
            // A parameter that has got its type from the first bound has it at the second.
            var again = value
            if case .parameter = operand.node { again = try bind(operand, scope) }
            return .and([first, try operation("<=", again, high, at)])
        }
        let inside = symmetric ? Expr.or([try within(a, b), try within(b, a)]) : try within(a, b)
        return negated ? .not(inside) : inside
    }

    private func inList(
        _ operand: Expression, _ items: [Expression], _ negated: Bool, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        var result: Expr
        if case .row(let left) = operand.node {
            var parts: [Expr] = []
            for item in items {
                guard case .row(let right) = item.node else {
                    throw SQLError(
                        .datatypeMismatch, "a row can be compared with rows only", position: position(item.position))
                }
                parts.append(try compareRows(left, "=", right, at, scope))
            }
            result = parts.count > 1 ? .or(parts) : parts.first ?? .literal(.boolean(false))
        } else {
            let value = try bind(operand, scope)
            var bound: [Typed] = []
            for item in items { bound.append(try bind(item, scope)) }
            if bound.count > 1, let list = try inList(value, bound) {
                result = list
            } else {
                var parts: [Expr] = []
                for item in bound { parts.append(try operation("=", value, item, at)) }
                result = parts.count > 1 ? .or(parts) : parts.first ?? .literal(.boolean(false))
            }
        }
        return negated ? .not(result) : result
    }

    private func like(
        _ kind: Expression.LikeKind, _ operand: Expression, _ pattern: Expression, _ escape: Expression?,
        _ negated: Bool, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        let value = try bind(operand, scope)
        var template = try bind(pattern, scope)
        let escapeCharacter = try escape.map { (expr) throws(SQLError) in try bind(expr, scope) }
        let symbol: String
        switch kind {
        case .like, .ilike:
            symbol = kind == .like ? "~~" : "~~*"
            if let escapeCharacter { template.expr = try call("like_escape", [template, escapeCharacter], at) }
        case .similar:
            symbol = "~"
            template.expr = try call("similar_to_escape", [template] + (escapeCharacter.map { [$0] } ?? []), at)
        }
        if case .call(let function, let arguments) = template.expr,
            ConstantFold.isConstant(template.expr), arguments.allSatisfy({ ConstantFold.isConstant($0) })
        {
            do throws(SQLError) {
                template.expr = .literal(try ConstantFold.evaluate(.call(function, arguments), context.functions))
            } catch { throw error.at(template.position) }
        }
        return try operation((negated ? "!" : "") + symbol, value, template, at)
    }

    private func conditional(
        _ operand: Expression?, _ branches: [Expression.Branch], _ otherwise: Expression?, _ at: Int?,
        _ scope: Scope
    ) throws(SQLError) -> Expr {
        let value = try operand.map { (expr) throws(SQLError) in try bind(expr, scope) }
        var whens: [Expr] = []
        var results: [Typed] = []
        for branch in branches {
            let when = try bind(branch.when, scope)
            if let value {
                whens.append(try operation("=", value, when, when.position))
            } else {
                whens.append(try condition(when, of: "CASE/WHEN"))
            }
            results.append(try bind(branch.then, scope))
        }
        // ELSE comes first when a type is chosen, as in PostgreSQL: errors then name the same types and place.
        let rest =
            try otherwise.map { (expr) throws(SQLError) in try bind(expr, scope) }
            ?? Typed(.literal(.null(.unknown)), at)
        let (exprs, type) = try unify([rest] + results, "CASE")
        let pairs = zip(whens, exprs.dropFirst()).map { (when: $0.0, then: $0.1) }
        return .conditional(pairs, otherwise: exprs[0], type)
    }

    /// ARRAY[a, b]: a constant when all items are.
    private func array(_ items: [Expression], _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        guard !items.isEmpty else {
            throw SQLError(
                .indeterminateDatatype, "cannot determine type of empty array",
                hint: "Explicitly cast to the desired type, for example ARRAY[]::integer[].", position: at)
        }
        var bound: [Typed] = []
        for item in items { bound.append(try bind(item, scope)) }
        let (exprs, type) = try unify(bound, "ARRAY")
        var values: [Scalar] = []
        for expr in exprs { if case .literal(let scalar) = expr { values.append(Scalar(type, scalar.value)) } }
        if values.count == exprs.count { return .literal(Scalar(.array(type), .array(values))) }
        return try call("array", exprs.map { Typed($0, at) }, at)
    }

    private func slice(
        _ array: Expression, _ from: Expression?, _ to: Expression?, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        let missing = Typed(.literal(.null(.int4)), at)
        func bound(_ expr: Expression?) throws(SQLError) -> Typed {
            guard let expr else { return missing }
            let typed = try bind(expr, scope)
            return typed.type == .int8 ? Typed(try coerce(typed, to: .int4, .explicit), at) : typed
        }
        let (low, high) = (try bound(from), try bound(to))
        let value = try bind(array, scope)
        if value.type.isCharacters || value.isString {
            return try macroCall("text_slice", [value, low, high], at) ?? .literal(.null(.text))
        }
        return try call(QueryBinder.sliceFunction, [value, low, high], at)
    }
}
