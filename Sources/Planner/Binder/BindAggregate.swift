// Aggregate calls: their level, arguments, DISTINCT, ORDER BY, FILTER, WITHIN GROUP; and GROUPING().
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    func aggregateCall(
        _ call: FunctionCall, _ name: String, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        let wasInside = scope.isInsideAggregate
        let (bound, used) = try collectingScopes { () throws(SQLError) -> AggregateCall in
            // Nested calls are found by the scope they belong to, so every scope around is marked.
            let marked = scope.markInsideAggregate()
            defer { for scope in marked { scope.isInsideAggregate = false } }
            return try aggregate(call, name, at, scope)
        }
        let owner = scope.innermost(of: used) ?? scope
        if owner === scope ? wasInside : owner.isInsideAggregate {
            throw SQLError(.groupingError, "aggregate function calls cannot be nested", position: at)
        }
        guard let block = owner.block, owner.refused == nil else {
            throw SQLError(
                .groupingError, "aggregate functions are not allowed in \(owner.refused ?? "this context")",
                position: at)
        }
        return .column(block.add(bound) { type in column(name, type) })
    }

    /// Binds what is inside the parentheses, and FILTER.
    func aggregate(
        _ call: FunctionCall, _ name: String, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> AggregateCall {
        if call.isStar, name != "count" {
            throw SQLError(
                .undefinedFunction, "function \(name)() does not exist", position: at)
        }
        if call.isVariadic {
            throw SQLError(.featureNotSupported, "VARIADIC arguments are not supported", position: at)
        }
        if !call.isStar, name == "count", call.arguments.isEmpty {
            throw SQLError(
                .wrongObjectType, "count(*) must be used to call a parameterless aggregate function", position: at)
        }
        let isOrderedSet = QueryBinder.orderedSetAggregates.contains(name)
        if isOrderedSet, call.withinGroup.isEmpty {
            throw SQLError(
                .wrongObjectType, "WITHIN GROUP is required for ordered-set aggregate \(name)", position: at)
        }
        if !isOrderedSet, !call.withinGroup.isEmpty {
            throw SQLError(
                .wrongObjectType, "\(name) is not an ordered-set aggregate, so it cannot have WITHIN GROUP",
                position: at)
        }
        if isOrderedSet, call.isDistinct {
            throw SQLError(
                .wrongObjectType, "cannot use DISTINCT with WITHIN GROUP", position: at)
        }
        let wasInsideSum = isInsideSum
        isInsideSum = name == "sum" || name == "avg"
        defer { isInsideSum = wasInsideSum }
        var arguments: [Typed]
        if name == "count", call.arguments.count == 1, case .row(let items) = call.arguments[0].value.node,
            !items.isEmpty
        {
            arguments = [Typed(try rowKey(items, at, scope), at)]
        } else {
            arguments = try asJSONArguments(try self.arguments(of: call, scope), name)
        }
        var order: [SortKey] = []
        if isOrderedSet {
            for item in call.withinGroup { arguments.append(try bind(item.value, scope)) }
        }
        let function = try FunctionRegistry.aggregate(
            name, arguments.map(\.type), literals: arguments.map(\.literal), position: at)
        let exprs = try coerceAll(arguments, to: function.argumentTypes)
        if isOrderedSet {
            for (item, expr) in zip(call.withinGroup, exprs.suffix(call.withinGroup.count)) {
                order.append(try sortKey(item, expr))
            }
        } else {
            for item in call.order {
                order.append(try sortKey(item, try settleAsText(try bind(item.value, scope))))
            }
        }
        try checkDistinct(call, exprs, order)
        var filter: Expr?
        if let condition = call.filter { filter = try self.condition(try bind(condition, scope), of: "FILTER") }
        return AggregateCall(
            function: function, arguments: exprs, isDistinct: call.isDistinct && !function.ignoresDistinct,
            filter: filter, order: order)
    }

    /// A value for `count(DISTINCT (a, b))`: equal for equal rows, and never NULL.
    private func rowKey(_ items: [Expression], _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        var texts: [Typed] = []
        for item in items {
            var typed = try bind(item, scope)
            // 1.0 and 1.00 are equal, but differ as text.
            if typed.type.isNumeric { typed.expr = try call("trim_scale", [typed], at) }
            texts.append(Typed(try coerce(typed, to: .text, .explicit), typed.position))
        }
        return try call("array", texts, at)
    }

    private func checkDistinct(
        _ call: FunctionCall, _ arguments: [Expr], _ order: [SortKey]
    ) throws(SQLError) {
        guard call.isDistinct else { return }
        for (item, key) in zip(call.order, order) where !arguments.contains(where: { $0.isSame(as: key.expr) }) {
            throw SQLError(
                .invalidColumnReference,
                "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
                position: position(item.value.position))
        }
    }

    private static let orderedSetAggregates: Set<String> = ["mode", "percentile_cont", "percentile_disc"]

    /// A bound sort key with PostgreSQL's place for NULLs. Throws when the type has no order.
    func sortKey(_ item: OrderItem, _ expr: Expr) throws(SQLError) -> SortKey {
        if expr.type == .json {
            throw SQLError(
                .undefinedFunction, "could not identify an ordering operator for type json",
                hint: "Use an explicit ordering operator or modify the query.",
                position: position(item.value.position))
        }
        return SortKey(
            expr, isDescending: item.isDescending, nullsFirst: item.nullsFirst ?? nullsComeFirst(item.isDescending))
    }

    /// Where NULLs go that no NULLS FIRST or LAST places: behind all others ascending, unless the session's
    /// default_null_order says otherwise.
    func nullsComeFirst(_ isDescending: Bool) -> Bool {
        switch context.functions.setting("default_null_order") {
        case "nulls_first": true
        case "nulls_last": false
        case "nulls_first_on_asc_last_on_desc": !isDescending
        default: isDescending
        }
    }

    /// GROUPING(a, b): a column whose value is known once the grouping sets are.
    func grouping(_ arguments: [Expression], _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        guard let block = scope.block, scope.refused == nil else {
            throw SQLError(
                .groupingError, "grouping operations are not allowed in \(scope.refused ?? "this context")",
                position: at)
        }
        guard arguments.count < 32 else {
            throw SQLError(.programLimitExceeded, "GROUPING must have fewer than 32 arguments", position: at)
        }
        let uses = block.uses
        var bound: [Typed] = []
        for argument in arguments { bound.append(try bind(argument, scope)) }
        block.uses = uses
        let result = column("grouping", .int4, isNullable: false)
        block.groupings.append(SelectBlock.GroupingCall(column: result, arguments: bound, position: at))
        return .column(result)
    }

    /// Runs a step and returns the scopes in which it found columns.
    func collectingScopes<T>(_ body: () throws(SQLError) -> T) throws(SQLError) -> (T, [Scope]) {
        usedScopes.append([])
        defer {
            let found = usedScopes.removeLast()
            if !usedScopes.isEmpty { usedScopes[usedScopes.count - 1] += found }
        }
        let result = try body()
        return (result, usedScopes[usedScopes.count - 1])
    }
}

extension Scope {
    /// The nearest scope, here or outwards, among some.
    func innermost(of scopes: [Scope]) -> Scope? {
        var scope: Scope? = self
        while let current = scope {
            if scopes.contains(where: { $0 === current }) { return current }
            scope = current.outer
        }
        return nil
    }

    /// Marks this scope, and those around it, as being inside an aggregate; returns those that were not before.
    func markInsideAggregate() -> [Scope] {
        var marked: [Scope] = []
        var scope: Scope? = self
        while let current = scope {
            if !current.isInsideAggregate {
                current.isInsideAggregate = true
                marked.append(current)
            }
            scope = current.outer
        }
        return marked
    }

    /// Runs a step in a clause where aggregates, windows and set-returning calls may not stand.
    func refusing<T>(_ clause: String, _ body: () throws(SQLError) -> T) throws(SQLError) -> T {
        let before = refused
        refused = clause
        defer { refused = before }
        return try body()
    }
}
