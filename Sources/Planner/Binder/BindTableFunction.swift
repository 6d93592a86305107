// Functions in FROM: files, set-returning functions, and scalar functions as one row.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    func tableFunction(
        _ calls: [FunctionCall], _ withOrdinality: Bool, _ alias: TableAlias?, _ at: Int?, _ lateral: Scope,
        _ leftPlan: LogicalPlan?
    ) throws(SQLError) -> FromItem {
        guard calls.count == 1, let call = calls.first else {
            return try rowsInStep(calls, withOrdinality, alias, at, lateral, leftPlan)
        }
        if let rows = try queryTable(call, alias, at) { return rows }
        if let record = try recordTable(call, withOrdinality, alias, at, lateral, leftPlan) { return record }
        if let alias, !alias.types.isEmpty, snapshot.functions[QueryNames.plain(call.name)] == nil {
            throw SQLError(
                .syntaxError, "a column definition list is only allowed for functions returning \"record\"",
                position: position(alias.types.first?.position))
        }
        let name = call.name.last
        if QueryNames.isFileFunction(call.name) {
            guard !withOrdinality else {
                throw SQLError(
                    .featureNotSupported, "WITH ORDINALITY is not supported for \(name)", position: at)
            }
            return try fileTable(call, name, alias, at)
        }
        let (own, used) = try collectingScopes { () throws(SQLError) -> UserCall? in
            try userCall(call, position(call.name.position), lateral)
        }
        if let own {
            return try ownRows(of: own, withOrdinality, alias, at, isLateral: used.contains { $0 === lateral })
        }
        try checkSchema(call.name)
        if call.over != nil || FunctionRegistry.isAggregate(name) {
            throw SQLError(
                call.over == nil ? .groupingError : .windowingError,
                "\(call.over == nil ? "aggregate" : "window") functions are not allowed in functions in FROM",
                position: at)
        }
        if name == "pg_get_keywords", call.arguments.isEmpty, !withOrdinality { return try keywords(alias, at) }
        if name == "_pg_expandarray", !withOrdinality {
            return try expanded(call, alias, at, lateral, leftPlan)
        }
        if let function = QueryBinder.setReturning[name] {
            return try rows(of: function, call, withOrdinality, alias, at, lateral, leftPlan)
        }
        return try oneRow(of: call, withOrdinality, alias, at, lateral)
    }

    /// A function of the user, with its rows numbered where that is asked for.
    private func ownRows(
        of own: UserCall, _ withOrdinality: Bool, _ alias: TableAlias?, _ at: Int?, isLateral: Bool
    ) throws(SQLError) -> FromItem {
        var plan = try rows(of: own, alias.map { $0.types.isEmpty ? nil : $0 } ?? nil, position(at))
        if let alias, plan.columns.count == 1, let only = plan.columns.first {
            plan = try renamedColumns(plan, [alias.name.value], only.name, at)
        }
        if withOrdinality {
            let made = column("ordinality", .int8, isNullable: false)
            let call = WindowCall(function: .window(.rowNumber, .int8), arguments: [])
            plan = .window(LogicalPlan.WindowNode(input: plan, partition: [], order: [], calls: [(made, call)]))
        }
        let item = Scope.Item(name: own.name, columns: itemColumns(plan.columns))
        return FromItem(plan: plan, items: [try renamed(item, alias, at)], isLateral: isLateral)
    }

    /// ROWS FROM (f(...), g(...)): the rows of several functions side by side, as unnest of arrays of their columns.
    private func rowsInStep(
        _ calls: [FunctionCall], _ withOrdinality: Bool, _ alias: TableAlias?, _ at: Int?, _ lateral: Scope,
        _ leftPlan: LogicalPlan?
    ) throws(SQLError) -> FromItem {
        let (arrays, used) = try collectingScopes { () throws(SQLError) -> [(name: String, value: Expr)] in
            var arrays: [(name: String, value: Expr)] = []
            for call in calls {
                let item = try tableFunction([call], false, nil, at, lateral, nil)
                let columns = item.items.flatMap(\.columns).filter { !$0.isHidden }
                for index in columns.indices {
                    let query = QueryBinder.columnQuery(call, index, of: columns.count)
                    arrays.append((columns[index].name, try arrayQuery(query, at, lateral)))
                }
            }
            return arrays
        }
        let usesLeft = used.contains { $0 === lateral }
        let columns = arrays.map { column($0.name, $0.value.type.element ?? .text) }
        let ordinality = withOrdinality ? column("ordinality", .int8, isNullable: false) : nil
        let input = usesLeft ? leftPlan : nil
        let plan = LogicalPlan.unnest(
            LogicalPlan.Unnest(
                input: input ?? QueryBinder.oneRow, function: .unnest, arguments: arrays.map(\.value),
                columns: columns, ordinality: ordinality))
        let item = Scope.Item(name: nil, columns: itemColumns(columns + (ordinality.map { [$0] } ?? [])))
        return FromItem(
            plan: plan, items: [try renamed(item, alias, at)], isLateral: usesLeft && input == nil,
            containsLeft: input != nil)
    }

    /// `SELECT c FROM f(...) WITH ORDINALITY AS t (..., c, ..., n) ORDER BY n`.
    private static func columnQuery(_ call: FunctionCall, _ index: Int, of count: Int) -> Query {
        let place = call.name.position
        let names = (0...count).map { Identifier("column \($0) of rows in step", position: place) }
        func column(_ name: Identifier) -> Expression {
            Expression(.column(QualifiedName([name], position: place)), position: place)
        }
        let alias = TableAlias(name: Identifier("rows in step", position: place), columns: names)
        let table = TableExpression(
            .functions([call], isLateral: false, withOrdinality: true, alias: alias), position: place)
        let select = Select(items: [SelectItem(value: column(names[index]))], from: [table], position: place)
        return Query(body: .select(select), order: [OrderItem(value: column(names[count]))], position: place)
    }

    /// The words that SQL reserves, as PostgreSQL lists them.
    private func keywords(_ alias: TableAlias?, _ at: Int?) throws(SQLError) -> FromItem {
        let columns = [
            column("word", .text), column("catcode", .system(.char)), column("barelabel", .boolean),
            column("catdesc", .text), column("baredesc", .text),
        ]
        let rows: [[Expr]] = SQLKeywords.all.map { keyword in
            [
                .literal(.text(keyword.word)), .literal(Scalar(.system(.char), .string(keyword.code))),
                .literal(.boolean(keyword.isBareLabel)), .literal(.text(keyword.description)),
                .literal(.text(keyword.isBareLabel ? "can be bare label" : "requires AS")),
            ]
        }
        let item = Scope.Item(name: "pg_get_keywords", columns: itemColumns(columns))
        return FromItem(
            plan: .values(LogicalPlan.Values(columns: columns, rows: rows)), items: [try renamed(item, alias, at)])
    }

    private func fileTable(
        _ call: FunctionCall, _ name: String, _ alias: TableAlias?, _ at: Int?
    ) throws(SQLError) -> FromItem {
        let key: CatalogSnapshot.FileCall
        do throws(SQLError) { key = try FileCalls.call(call, at ?? 0, context) } catch {
            var moved = error
            moved.position = position(error.position)
            throw moved
        }
        guard let table = snapshot.fileTables[key] else {
            throw SQLError(.featureNotSupported, "\(name) cannot be used here", position: at)
        }
        let plan = scan(table, alias: alias?.name.value ?? name)
        let item = Scope.Item(name: name, columns: itemColumns(plan.columns, of: table))
        return FromItem(plan: plan, items: [try renamed(item, alias, at)])
    }

    private func rows(
        of function: LogicalPlan.Unnest.Function, _ call: FunctionCall, _ withOrdinality: Bool, _ alias: TableAlias?,
        _ at: Int?, _ lateral: Scope, _ leftPlan: LogicalPlan?
    ) throws(SQLError) -> FromItem {
        let name = call.name.last
        let callPosition = position(call.name.position)
        let (bound, used) = try collectingScopes { () throws(SQLError) -> (arguments: [Expr], types: [SQLType]) in
            try setArguments(function, name, try arguments(of: call, lateral), callPosition)
        }
        let usesLeft = used.contains { $0 === lateral }
        // A function of one column is named by its alias: generate_series(1, 3) AS n.
        let single = bound.types.count == 1 ? alias?.name.value ?? name : name
        let names = QueryBinder.jsonSets[name]?.columns ?? bound.types.map { _ in single }
        let columns = zip(names, bound.types).map { column($0, $1) }
        let ordinality = withOrdinality ? column("ordinality", .int8, isNullable: false) : nil
        let input = usesLeft ? leftPlan : nil
        let plan = LogicalPlan.unnest(
            LogicalPlan.Unnest(
                input: input ?? QueryBinder.oneRow, function: function, arguments: bound.arguments, columns: columns,
                ordinality: ordinality))
        var item = Scope.Item(
            name: name, columns: itemColumns(columns + (ordinality.map { [$0] } ?? [])))
        item.isScalar = columns.count == 1
        return FromItem(
            plan: plan, items: [try renamed(item, alias, at)], isLateral: usesLeft && input == nil,
            containsLeft: input != nil)
    }

    /// `FROM _pg_expandarray(a)`: the elements as x, with their numbers as n.
    private func expanded(
        _ call: FunctionCall, _ alias: TableAlias?, _ at: Int?, _ lateral: Scope, _ leftPlan: LogicalPlan?
    ) throws(SQLError) -> FromItem {
        var plain = call
        plain.name = QualifiedName([Identifier("unnest")], position: call.name.position)
        var item = try rows(of: .unnest, plain, true, nil, at, lateral, leftPlan)
        for index in item.items.indices {
            item.items[index].name = call.name.last
            for (column, name) in zip(item.items[index].columns.indices, ["x", "n"]) {
                item.items[index].columns[column].name = name
            }
        }
        if let only = item.items.first { item.items = [try renamed(only, alias, at)] }
        return item
    }

    /// `FROM now()`: a row of the function's value.
    private func oneRow(
        of call: FunctionCall, _ withOrdinality: Bool, _ alias: TableAlias?, _ at: Int?, _ lateral: Scope
    ) throws(SQLError) -> FromItem {
        let name = call.name.last
        let (expr, used) = try collectingScopes { () throws(SQLError) -> Expr in
            try settleAsText(Typed(try bindCall(call, position(call.name.position), lateral), at))
        }
        var outputs = [LogicalPlan.Output(column(alias?.name.value ?? name, expr.type), expr)]
        if withOrdinality {
            outputs.append(LogicalPlan.Output(column("ordinality", .int8, isNullable: false), .literal(.int8(1))))
        }
        let item = Scope.Item(name: name, columns: itemColumns(outputs.map(\.column)))
        return FromItem(
            plan: .project(QueryBinder.oneRow, outputs), items: [try renamed(item, alias, at)],
            isLateral: used.contains { $0 === lateral })
    }
}
