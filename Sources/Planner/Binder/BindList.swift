// DuckDB's functions over lists that take more than values: lambdas, names of aggregates, ranges; and typeof().
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    /// Binds what only lists have; nil for all other calls.
    func listCall(_ call: FunctionCall, _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr? {
        guard call.name.parts.count == 1, call.over == nil else { return nil }
        let name = call.name.last
        switch name {
        case "list_transform", "array_transform", "list_apply", "array_apply", "apply":
            return try mapped(call, isFilter: false, at, scope)
        case "list_filter", "array_filter", "filter": return try mapped(call, isFilter: true, at, scope)
        case "list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate":
            guard call.arguments.count >= 2, case .string(let aggregate) = call.arguments[1].value.node,
                FunctionRegistry.isAggregate(aggregate.lowercased())
            else { return nil }
            return try aggregated(call, aggregate.lowercased(), call.arguments.dropFirst(2), at, scope)
        case "list_concat", "list_cat", "array_concat", "array_cat":
            guard call.arguments.count > 2 else { return nil }
            var joined: Typed?
            for argument in try arguments(of: call, scope) {
                guard let known = joined else {
                    joined = argument
                    continue
                }
                joined = Typed(try self.call("array_cat", [known, argument], at), at)
            }
            return joined?.expr
        case "range": return try rangeList(call, at, scope)
        case "typeof" where call.arguments.count == 1:
            let typed = try bind(call.arguments[0].value, scope)
            return .literal(.text(typed.isOpen && typed.literal?.isNull != true ? "VARCHAR" : typed.type.duckName))
        case "regexp_matches" where scope.block?.allowsSetReturning != true:
            // No rows can come of it here: DuckDB's question whether the pattern is found.
            return try self.call("regexp_like", try arguments(of: call, scope), at)
        default:
            guard name.hasPrefix("list_"), !FunctionRegistry.isFunction(name), !call.arguments.isEmpty else {
                return nil
            }
            let aggregate = String(name.dropFirst(5))
            guard FunctionRegistry.isAggregate(aggregate) else { return nil }
            return try aggregated(call, aggregate, call.arguments.dropFirst(), at, scope)
        }
    }

    /// The name that stands for the list inside of the query over its elements: none that SQL can write by accident.
    private static let listName = "list of the call"
    private static let placeName = "place in the list"

    /// A list, and the scope in which the query over its elements is bound.
    private func elements(
        of list: Expression, _ name: String, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> (list: Typed, inner: Scope)? {
        let typed = try arrayed(try bind(list, scope))
        guard case .array = typed.type else {
            if typed.literal?.isNull == true { return nil }
            throw SQLError(
                .undefinedFunction, "function \(name)(\(typed.type.baseName), ...) does not exist",
                hint: "No function matches the given name and argument types. You might need to add explicit type "
                    + "casts.", position: at)
        }
        let inner = Scope(outer: scope, ctes: scope.ctes)
        let column = Scope.ItemColumn(name: QueryBinder.listName, expr: typed.expr)
        inner.items = [Scope.Item(name: nil, columns: [column])]
        return (typed, inner)
    }

    /// `unnest(list) WITH ORDINALITY AS t (names)`.
    private func unnested(_ names: [Identifier], _ place: Int) -> TableExpression {
        let list = QualifiedName([Identifier(QueryBinder.listName, position: place)], position: place)
        let call = FunctionCall(
            name: QualifiedName([Identifier("unnest", position: place)], position: place),
            arguments: [FunctionCall.Argument(value: Expression(.column(list), position: place))])
        let alias = TableAlias(name: Identifier("elements of the list", position: place), columns: names)
        return TableExpression(
            .functions([call], isLateral: false, withOrdinality: true, alias: alias), position: place)
    }

    /// list_transform and list_filter: an array of a query over the elements, in their order.
    private func mapped(
        _ call: FunctionCall, isFilter: Bool, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr? {
        guard call.arguments.count == 2, case .lambda(var names, let body) = call.arguments[1].value.node else {
            return nil
        }
        guard (1...2).contains(names.count) else {
            throw SQLError(.syntaxError, "a lambda of \(call.name.last) has one or two parameters", position: at)
        }
        guard let (list, inner) = try elements(of: call.arguments[0].value, call.name.last, at, scope) else {
            return .literal(.null(.array(.unknown)))
        }
        let place = call.name.position
        if names.count == 1 { names.append(Identifier(QueryBinder.placeName, position: place)) }
        let element = Expression(.column(QualifiedName([names[0]], position: place)), position: place)
        var select = Select(
            items: [SelectItem(value: isFilter ? element : body)], from: [unnested(names, place)], position: place)
        if isFilter { select.filter = body }
        let number = Expression(.column(QualifiedName([names[1]], position: place)), position: place)
        let query = Query(body: .select(select), order: [OrderItem(value: number)], position: place)
        let array = try arrayQuery(query, at, inner)
        return .conditional([(.isNull(list.expr), .literal(.null(array.type)))], otherwise: array, array.type)
    }

    /// An aggregate over the elements of a list.
    private func aggregated(
        _ call: FunctionCall, _ aggregate: String, _ extra: ArraySlice<FunctionCall.Argument>, _ at: Int?,
        _ scope: Scope
    ) throws(SQLError) -> Expr? {
        guard let (list, inner) = try elements(of: call.arguments[0].value, call.name.last, at, scope) else {
            return .literal(.null(.unknown))
        }
        let place = call.name.position
        let names = ["element of the list", QueryBinder.placeName].map { Identifier($0, position: place) }
        func column(_ name: Identifier) -> Expression {
            Expression(.column(QualifiedName([name], position: place)), position: place)
        }
        var over = FunctionCall(
            name: QualifiedName([Identifier(aggregate, position: place)], position: place),
            arguments: [FunctionCall.Argument(value: column(names[0]))] + extra)
        over.order = [OrderItem(value: column(names[1]))]
        let value = Expression(.call(over), position: place)
        let select = Select(items: [SelectItem(value: value)], from: [unnested(names, place)], position: place)
        let result = try scalarQuery(Query(body: .select(select), position: place), at, inner)
        return .conditional([(.isNull(list.expr), .literal(.null(result.type)))], otherwise: result, result.type)
    }

    /// `range(1, 10)` outside of FROM: a list.
    private func rangeList(_ call: FunctionCall, _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr? {
        guard (1...3).contains(call.arguments.count), !FunctionRegistry.isFunction("range") else { return nil }
        let bound = try arguments(of: call, scope)
        if bound.allSatisfy({ $0.isOpen || $0.type.isInteger }) {
            let (bounds, _) = try setArguments(.generateSeries, "range", bound, at)
            return try self.call("series_array", bounds.map { Typed($0, at) }, at)
        }
        let place = call.name.position
        let value = Expression(
            .column(QualifiedName([Identifier("range", position: place)], position: place)), position: place)
        let table = TableExpression(
            .functions([call], isLateral: false, withOrdinality: false, alias: nil), position: place)
        let select = Select(items: [SelectItem(value: value)], from: [table], position: place)
        return try arrayQuery(Query(body: .select(select), position: place), at, scope)
    }

    /// The arguments of range() as those of generate_series(), whose end is part of it.
    func rangeArguments(_ bound: [Typed], _ at: Int?) throws(SQLError) -> [Typed] {
        guard let first = bound.first, bound.count <= 3 else { return bound }
        var bounds = bound.count == 1 ? [Typed(.literal(.int8(0)), at), first] : bound
        let isTime = bounds.contains { $0.type == .timestamp || $0.type == .timestamptz || $0.type == .date }
        guard isTime else {
            for index in bounds.indices { bounds[index].expr = try coerce(bounds[index], to: .int8) }
            let step = bounds.count == 3 ? bounds[2] : Typed(.literal(.int8(1)), at)
            let sign = Typed(try coerce(Typed(try call("sign", [step], at), at), to: .int8, .explicit), at)
            bounds[1].expr = try operation("-", bounds[1], sign, at)
            return bounds
        }
        guard bounds.count == 3 else { return bounds }
        for index in 0...1 where bounds[index].type == .date {
            bounds[index].expr = try coerce(bounds[index], to: .timestamp)
        }
        let tick = Typed(.literal(Scalar(.interval, .interval(Interval(microseconds: 1)))), at)
        let zero = Typed(.literal(Scalar(.interval, .interval(Interval(microseconds: 0)))), at)
        let step = Typed(try coerce(bounds[2], to: .interval), at)
        let below = try operation("-", bounds[1], tick, at)
        let above = try operation("+", bounds[1], tick, at)
        bounds[1].expr = .conditional(
            [(try operation("<", step, zero, at), above)], otherwise: below, below.type)
        bounds[2] = step
        return bounds
    }
}

extension SQLType {
    /// The name that DuckDB's typeof() gives.
    fileprivate var duckName: String {
        switch self {
        case .unknown: "\"NULL\""
        case .float4: "FLOAT"
        case .float8: "DOUBLE"
        case .decimal(let precision, let scale): "DECIMAL(\(precision),\(scale))"
        case .numeric: "DECIMAL"
        case .text, .varchar, .char: "VARCHAR"
        case .bytea: "BLOB"
        case .time: "TIME"
        case .timestamp: "TIMESTAMP"
        case .array(let element): element.duckName + "[]"
        case .row(let fields): "STRUCT(" + fields.map { "\($0.name) \($0.type.duckName)" }.joined(separator: ", ") + ")"
        case .map(let key, let value): "MAP(\(key.duckName), \(value.duckName))"
        default: name.uppercased()
        }
    }
}
