// Functions in SQL: their bodies take the place of the call, with the arguments where the parameters stand.
import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    /// A function of the user that a call means, with its arguments in the types of the parameters.
    struct UserCall {
        var function: FunctionDefinition
        var name: String
        var arguments: [Typed]
    }

    /// nil when the user has no function of this name, or none that takes these arguments.
    func userCall(_ call: FunctionCall, _ at: Int?, _ scope: Scope) throws(SQLError) -> UserCall? {
        guard let functions = snapshot.functions[QueryNames.plain(call.name)] else { return nil }
        guard views.count < QueryBinder.viewDepthMax else {
            throw SQLError(
                .statementTooComplex, "functions call each other too deeply", position: at)
        }
        var given: [(name: String?, value: Typed)] = []
        for argument in call.arguments { given.append((argument.name?.value, try bind(argument.value, scope))) }
        var best: (function: FunctionDefinition, arguments: [Typed], exact: Int)?
        for function in functions where !function.isProcedure {
            guard let (arguments, exact) = try fitted(given, function) else { continue }
            if let best, best.exact >= exact { continue }
            best = (function, arguments, exact)
        }
        guard let best else { return nil }
        use(of: best.function, QueryNames.plain(call.name))
        return UserCall(function: best.function, name: call.name.last, arguments: best.arguments)
    }

    /// The arguments at their places, with defaults; nil when they do not fit. Also how many are of the exact type.
    private func fitted(
        _ given: [(name: String?, value: Typed)], _ function: FunctionDefinition
    ) throws(SQLError) -> (arguments: [Typed], exact: Int)? {
        guard given.count <= function.parameters.count else { return nil }
        var places = [Typed?](repeating: nil, count: function.parameters.count)
        for (index, argument) in given.enumerated() {
            let place = argument.name.map { name in function.parameters.firstIndex { $0.name == name } } ?? index
            guard let place, places[place] == nil else { return nil }
            places[place] = argument.value
        }
        var arguments: [Typed] = []
        var exact = 0
        for (place, parameter) in zip(places, function.parameters) {
            var value: Typed
            if let place {
                value = place
            } else {
                guard let text = parameter.defaultValue else { return nil }
                value = try bind(try Parser.parseExpression(text), Scope(outer: nil, ctes: nil))
            }
            if let type = try self.type(named: parameter.type) {
                if value.type == type { exact += 2 }
                if value.isOpen { exact += type == .text ? 1 : 0 }
                guard let expr = try? tryCoerce(value, to: type, .implicit) else { return nil }
                value = Typed(expr, value.position)
            } else if value.isOpen {
                value = Typed(try coerce(value, to: .text), value.position)
            }
            arguments.append(value)
        }
        return (arguments, exact)
    }

    /// nil for anyelement and its kin, void, record and names of tables.
    func type(named text: String) throws(SQLError) -> SQLType? {
        guard let name = UserTypes.name(text) else { return nil }
        return try? TypeNames.type(name, snapshot.types)
    }

    /// The query that the body ends with.
    private func body(of call: UserCall, _ at: Int?) throws(SQLError) -> Query? {
        let statements = try Parser.parse(call.function.body)
        for parsed in statements {
            guard case .query = parsed.statement else {
                throw SQLError(
                    .featureNotSupported, "function \"\(call.name)\" changes data, which a query cannot do",
                    position: at)
            }
        }
        guard case .query(let query)? = statements.last?.statement else { return nil }
        return query
    }

    /// The scope of a body: its parameters, and nothing of the caller.
    private func bodyScope(_ call: UserCall, _ at: Int?) throws(SQLError) -> Scope {
        let scope = Scope(outer: nil, ctes: nil)
        var columns: [Scope.ItemColumn] = []
        for (parameter, argument) in zip(call.function.parameters, call.arguments) {
            guard !argument.expr.isVolatile else {
                throw SQLError(
                    .featureNotSupported, "volatile arguments of functions in SQL are not supported", position: at)
            }
            columns.append(Scope.ItemColumn(name: parameter.name, expr: argument.expr))
        }
        scope.items = [Scope.Item(name: call.name, columns: columns)]
        return scope
    }

    private func inBody<T>(_ call: UserCall, _ body: () throws(SQLError) -> T) throws(SQLError) -> T {
        views.append(ViewFrame(name: call.name, ref: nil, searchPath: call.function.searchPath))
        functionArguments.append(call.arguments)
        defer {
            views.removeLast()
            functionArguments.removeLast()
        }
        return try body()
    }

    /// The value of a function in an expression.
    func value(of call: UserCall, _ at: Int?) throws(SQLError) -> Expr {
        let function = call.function
        guard !function.isSet, function.columns.isEmpty else {
            throw SQLError(
                .featureNotSupported, "function \"\(call.name)\" returns rows: call it in FROM", position: at)
        }
        let type = try function.returnType.map { (text) throws(SQLError) in try self.type(named: text) } ?? nil
        guard let query = try body(of: call, at) else { return .literal(.null(type ?? .text)) }
        let scope = try bodyScope(call, at)
        let bound = try inBody(call) { () throws(SQLError) -> Expr in
            if case .select(let select) = query.body, select.from.isEmpty, select.filter == nil, select.groupBy.isEmpty,
                select.having == nil, query.with.isEmpty, query.limit == nil, query.offset == nil,
                query.order.isEmpty, select.items.count == 1, select.distinct == .all,
                let item = select.items.first, !item.value.hasCalls
            {
                return try bind(item.value, scope).expr
            }
            var one = query
            if one.limit == nil { one.limit = Expression(.integer("1"), position: 0) }
            return try scalarQuery(one, nil, scope)
        }
        if function.returnType == "void" { return .literal(.null(.text)) }
        var result = try settleAsText(Typed(bound, at))
        if let type { result = try coerce(Typed(bound, at), to: type, .assignment) }
        guard function.isStrict, !call.arguments.isEmpty else { return result }
        let nulls = call.arguments.map { Expr.isNull($0.expr) }
        return .conditional(
            [(nulls.count == 1 ? nulls[0] : .or(nulls), .literal(.null(result.type)))], otherwise: result, result.type)
    }

    /// A function in FROM: the rows of its body. `list`: the column definition list that a function of records needs.
    func rows(of call: UserCall, _ list: TableAlias?, _ at: Int?) throws(SQLError) -> LogicalPlan {
        let function = call.function
        guard var query = try body(of: call, at) else {
            throw SQLError(.featureNotSupported, "function \"\(call.name)\" returns no rows", position: at)
        }
        if !function.isSet, query.limit == nil { query.limit = Expression(.integer("1"), position: 0) }
        let scope = try bodyScope(call, at)
        let plan = try inBody(call) { () throws(SQLError) -> LogicalPlan in
            try bind(query, outer: scope, ctes: nil).plan
        }
        var wanted: [(name: String, type: SQLType?)] = []
        for column in function.columns { wanted.append((column.name, try self.type(named: column.type))) }
        if wanted.isEmpty, let text = function.returnType, let type = try self.type(named: text) {
            wanted = [(call.name, type)]
        }
        if function.columns.isEmpty, wanted.count == 1, case .row(let parts)? = wanted[0].type,
            plan.columns.count == parts.count, plan.columns.first?.type != wanted[0].type
        {
            // A composite type, whose columns the body gives.
            wanted = parts.map { ($0.name, $0.type) }
        }
        if let list {
            guard function.returnType == "record", function.columns.isEmpty else {
                throw SQLError(
                    .syntaxError, "a column definition list is only allowed for functions returning \"record\"",
                    position: position(list.types.first?.position))
            }
            wanted = []
            for (name, type) in zip(list.columns, list.types) {
                wanted.append((name.value, try TypeNames.type(type, snapshot.types)))
            }
        }
        guard !wanted.isEmpty else { return plan }
        guard wanted.count == plan.columns.count else {
            throw SQLError(
                SQLState("42P13"), "return type mismatch in function \"\(call.name)\"",
                detail: "The final statement returns \(plan.columns.count) columns, \(wanted.count) are declared.",
                position: at)
        }
        var outputs: [LogicalPlan.Output] = []
        for (old, new) in zip(plan.columns, wanted) {
            let expr =
                try new.type.map { (type) throws(SQLError) in
                    try coerce(Typed(.column(old), at), to: type, .assignment)
                } ?? .column(old)
            outputs.append(LogicalPlan.Output(column(new.name.isEmpty ? old.name : new.name, expr.type), expr))
        }
        return .project(plan, outputs)
    }
}

extension Expression {
    /// Whether an aggregate, a window or a set may be among the operands: such bodies need a query of their own.
    fileprivate var hasCalls: Bool {
        if case .call(let call) = node {
            if call.over != nil || FunctionRegistry.isAggregate(call.name.last)
                || QueryBinder.setReturning[call.name.last] != nil
            {
                return true
            }
        }
        if case .star = node { return true }
        return operands.contains { $0.hasCalls }
    }
}
