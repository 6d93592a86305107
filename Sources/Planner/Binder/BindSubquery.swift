// Subqueries inside expressions: scalar, EXISTS, IN, ANY, ALL, ARRAY(...), and comparisons of rows.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    /// Binds a subquery whose outer columns are those of a scope.
    func subquery(_ query: Query, in scope: Scope) throws(SQLError) -> LogicalPlan {
        expressionSubqueries += 1
        let wasInsideSum = isInsideSum
        isInsideSum = false
        defer {
            expressionSubqueries -= 1
            isInsideSum = wasInsideSum
        }
        return try bind(query, outer: scope, ctes: scope.ctes).plan
    }

    func scalarQuery(_ query: Query, _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        let plan = try subquery(query, in: scope)
        guard plan.columns.count == 1 else {
            throw SQLError(.syntaxError, "subquery must return only one column", position: at)
        }
        return .subquery(Expr.Subquery(kind: .scalar, plan: plan))
    }

    /// `x IN (SELECT ...)`, `(a, b) IN (SELECT ...)`, `x op ANY (SELECT ...)`, `x op ALL (SELECT ...)`.
    func quantified(
        _ left: Expression, _ symbol: String, isAll: Bool, _ query: Query, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        if case .row(let items) = left.node, items.count > 1, !(symbol == "=" && !isAll), !(symbol == "<>" && isAll) {
            return try comparedRows(items, symbol, isAll: isAll, query, at, scope)
        }
        var operands: [Typed] = []
        if case .row(let items) = left.node {
            for item in items { operands.append(try bind(item, scope)) }
        } else {
            operands.append(try bind(left, scope))
        }
        let plan = try subquery(query, in: scope)
        guard plan.columns.count == operands.count else {
            let problem = plan.columns.count > operands.count ? "too many" : "too few"
            throw SQLError(.syntaxError, "subquery has \(problem) columns", position: at)
        }
        guard operands.count == 1 || (symbol == "=" && !isAll) || (symbol == "<>" && isAll) else {
            throw SQLError(
                .featureNotSupported, "rows can be compared with a subquery by = ANY and <> ALL only", position: at)
        }
        return try compare(operands, symbol, isAll: isAll, plan, at)
    }

    /// `(a, b) < ANY (SELECT ...)`: what bool_or and bool_and make of the comparisons; of no rows FALSE and TRUE.
    private func comparedRows(
        _ items: [Expression], _ symbol: String, isAll: Bool, _ query: Query, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        let place = query.position
        let names = items.indices.map { Identifier("compared row \($0)", position: place) }
        let source = TableExpression(
            .subquery(
                query, isLateral: false, alias: TableAlias(name: Identifier("compared rows"), columns: names)),
            position: place)
        func call(_ name: String, _ arguments: [Expression]) -> Expression {
            let call = FunctionCall(
                name: QualifiedName([Identifier(name)], position: place),
                arguments: arguments.map { FunctionCall.Argument(value: $0) })
            return Expression(.call(call), position: place)
        }
        let right = names.map { Expression(.column(QualifiedName([$0], position: place)), position: place) }
        let compared = Expression(
            .binary(symbol, Expression(.row(items), position: place), Expression(.row(right), position: place)),
            position: place)
        let all = call(isAll ? "bool_and" : "bool_or", [compared])
        let isEmpty = Expression(
            .binary(
                "=", call("count", [Expression(.integer("1"), position: place)]),
                Expression(.integer("0"), position: place)), position: place)
        let value = Expression(
            .conditional(
                operand: nil,
                branches: [Expression.Branch(when: isEmpty, then: Expression(.boolean(isAll), position: place))],
                otherwise: all), position: place)
        let select = Select(items: [SelectItem(value: value)], from: [source], position: place)
        return try scalarQuery(Query(body: .select(select), position: place), at, scope)
    }

    /// Puts the comparisons of operands with a plan's columns together; the plan gets the casts that they want.
    func compare(
        _ operands: [Typed], _ symbol: String, isAll: Bool, _ plan: LogicalPlan, _ at: Int?
    ) throws(SQLError) -> Expr {
        var pairs: [(operand: Expr, comparison: BoundFunction, column: PlanColumn)] = []
        var outputs: [LogicalPlan.Output] = []
        var isCast = false
        for (operand, column) in zip(operands, plan.columns) {
            let function = try FunctionRegistry.binaryOrUnary(symbol, operand.type, column.type, position: at)
            guard function.resultType == .boolean else {
                throw SQLError(.datatypeMismatch, "op ANY/ALL (array) requires operator to yield boolean", position: at)
            }
            guard let leftType = function.argumentTypes.first, let rightType = function.argumentTypes.last else {
                throw SQLError(.internalError, "operator \(symbol) has no operands", position: at)
            }
            var output = LogicalPlan.Output(column, .column(column))
            if column.type != rightType {
                let expr = try coerce(Typed(.column(column), at), to: rightType)
                output = LogicalPlan.Output(self.column(column.name, rightType), expr)
                isCast = true
            }
            outputs.append(output)
            pairs.append((try coerce(operand, to: leftType), function, output.column))
        }
        let compared = isCast ? LogicalPlan.project(plan, outputs) : plan
        return .subquery(Expr.Subquery(kind: isAll ? .all(pairs) : .any(pairs), plan: compared))
    }

    /// `x op ANY (array)`, `x op ALL (array)`.
    func quantified(
        _ left: Expression, _ symbol: String, isAll: Bool, array: Expression, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        let operand = try bind(left, scope)
        if case .array(let items) = array.node {
            var bound: [Typed] = []
            for item in items { bound.append(try bind(item, scope)) }
            return try compareEach(operand, symbol, isAll: isAll, bound, at)
        }
        var typed = try bind(array, scope)
        if typed.isOpen {
            let element: SQLType = operand.isOpen ? .text : operand.type.withoutModifier
            typed.expr = try coerce(typed, to: .array(element))
        }
        typed = try arrayed(typed)
        guard case .array(let element) = typed.type else {
            throw SQLError(
                .wrongObjectType, "op ANY/ALL (array) requires array on right side", position: at)
        }
        if let scalar = typed.literal {
            guard case .array(let values) = scalar.value else { return .literal(.null(.boolean)) }
            let items = values.map { Typed(.literal(Scalar(element, $0.value)), typed.position) }
            return try compareEach(operand, symbol, isAll: isAll, items, at)
        }
        let column = self.column("unnest", element)
        let rows = LogicalPlan.unnest(
            LogicalPlan.Unnest(
                input: QueryBinder.oneRow, function: .unnest, arguments: [typed.expr], columns: [column]))
        let compared = try compare([operand], symbol, isAll: isAll, rows, at)
        return .conditional(
            [(.isNull(typed.expr), .literal(.null(.boolean)))], otherwise: compared, .boolean)
    }

    private func compareEach(
        _ operand: Typed, _ symbol: String, isAll: Bool, _ items: [Typed], _ at: Int?
    ) throws(SQLError) -> Expr {
        if items.isEmpty { return .literal(.boolean(isAll)) }
        if symbol == "=", !isAll, items.count > 1, let list = try inList(operand, items) { return list }
        var parts: [Expr] = []
        for item in items {
            parts.append(try condition(Typed(try operation(symbol, operand, item, at), at), of: "ANY/ALL"))
        }
        if parts.count == 1 { return parts[0] }
        return isAll ? .and(parts) : .or(parts)
    }

    /// `x IN (a, b)` over one common type; nil when there is none.
    func inList(_ operand: Typed, _ items: [Typed]) throws(SQLError) -> Expr? {
        let known = ([operand] + items).filter { !$0.isOpen }.map(\.type)
        if !known.isEmpty, FunctionRegistry.commonType(known) == nil, Set(known).count > 1 { return nil }
        let (exprs, _) = try unify([operand] + items, "IN", isPrinted: false)
        return .inList(exprs[0], Array(exprs.dropFirst()))
    }

    /// ARRAY(SELECT x ...): the rows' values in order.
    func arrayQuery(_ query: Query, _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        let plan = try subquery(query, in: scope)
        guard plan.columns.count == 1, let input = plan.columns.first else {
            throw SQLError(.syntaxError, "subquery must return only one column", position: at)
        }
        let function = try FunctionRegistry.aggregate("array_agg", [input.type], literals: [nil], position: at)
        let result = column("array", function.resultType)
        // Decorrelation keeps no order of rows, so the aggregate sorts by what the query sorts by.
        let (source, item, order) = QueryBinder.ordered(plan, input)
        let node = LogicalPlan.AggregateNode(
            input: source, groups: [],
            calls: [(result, AggregateCall(function: function, arguments: [item], order: order))])
        let array = Expr.subquery(Expr.Subquery(kind: .scalar, plan: .aggregate(node)))
        return .coalesce([array, .literal(Scalar(function.resultType, .array([])))], function.resultType)
    }

    /// Takes the projection off a sorted plan of one column, so that its sort keys can be seen.
    private static func ordered(_ plan: LogicalPlan, _ column: PlanColumn) -> (LogicalPlan, Expr, [SortKey]) {
        var source = plan
        var item = Expr.column(column)
        if case .project(let input, let outputs) = plan, let output = outputs.first {
            (source, item) = (input, output.expr)
        }
        switch source {
        case .sort(let input, let keys): return (input, item, keys)
        case .limit(let limit) where !limit.order.isEmpty: return (source, item, limit.order)
        case .limit(let limit):
            if case .sort(_, let keys) = limit.input { return (source, item, keys) }
        default: break
        }
        return (plan, .column(column), [])
    }

    /// Compares rows: = and <> by parts, the others by the first difference.
    func compareRows(
        _ left: [Expression], _ symbol: String, _ right: [Expression], _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        guard left.count == right.count else {
            throw SQLError(.syntaxError, "unequal number of entries in row expressions", position: at)
        }
        guard !left.isEmpty else {
            throw SQLError(.featureNotSupported, "cannot compare rows of zero length", position: at)
        }
        var pairs: [(Typed, Typed)] = []
        for (a, b) in zip(left, right) { pairs.append((try bind(a, scope), try bind(b, scope))) }
        return try compareRows(pairs, symbol, at)
    }

    /// `(a, b) op (SELECT x, y ...)`: the comparison is made inside the subquery, whose one row gives its value.
    func compareRow(
        _ left: [Expression], _ symbol: String, _ query: Query, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        let plan = try subquery(query, in: scope)
        guard plan.columns.count == left.count else {
            let problem = plan.columns.count > left.count ? "too many" : "too few"
            throw SQLError(.syntaxError, "subquery has \(problem) columns", position: at)
        }
        var pairs: [(Typed, Typed)] = []
        for (item, column) in zip(left, plan.columns) {
            pairs.append((try bind(item, scope), Typed(.column(column), at)))
        }
        let result = column("?column?", .boolean)
        let output = LogicalPlan.Output(result, try compareRows(pairs, symbol, at))
        return .subquery(Expr.Subquery(kind: .scalar, plan: .project(plan, [output])))
    }

    private func compareRows(_ pairs: [(Typed, Typed)], _ symbol: String, _ at: Int?) throws(SQLError) -> Expr {
        func part(_ index: Int, _ symbol: String) throws(SQLError) -> Expr {
            try operation(symbol, pairs[index].0, pairs[index].1, at)
        }
        switch symbol {
        case "=", "<>":
            var parts: [Expr] = []
            for index in pairs.indices { parts.append(try part(index, symbol)) }
            if parts.count == 1 { return parts[0] }
            return symbol == "=" ? .and(parts) : .or(parts)
        case "<", ">", "<=", ">=":
            let strict = String(symbol.prefix(1))
            var result = try part(pairs.count - 1, symbol)
            for index in pairs.indices.dropLast().reversed() {
                result = .or([try part(index, strict), .and([try part(index, "="), result])])
            }
            return result
        default:
            throw SQLError(
                .featureNotSupported, "rows cannot be compared by operator \(symbol)", position: at)
        }
    }
}
