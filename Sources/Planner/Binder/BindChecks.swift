// CHECK constraints and domains: rows that a write adds must satisfy them.
import Catalogs
public import Columns
public import Diagnostics
import Functions
public import Syntax

/// Puts the checks of a table around the rows that are written to it.
struct CheckBinder {
    let binder: QueryBinder
    let table: any WritableTable
    let name: TableName
    let fields: [Field]

    /// The rows with the checks around their columns; as they are when there is nothing to check. With an action (MERGE)
    /// only rows that are written are looked at.
    func checked(
        _ plan: LogicalPlan, _ columns: [PlanColumn], _ alias: String, _ action: PlanColumn?
    ) throws(SQLError) -> (plan: LogicalPlan, columns: [PlanColumn]) {
        let checks = TableCheck.all(of: table.properties)
        let constraint = table.properties[TableProperty.partitionConstraint]
        let domains = columns.indices.map { index in domain(of: fields[index].name) }
        guard !columns.isEmpty, !checks.isEmpty || constraint != nil || domains.contains(where: { $0 != nil }) else {
            return (plan, columns)
        }
        binder.views.append(QueryBinder.ViewFrame(name: "", ref: nil, searchPath: []))
        defer { binder.views.removeLast() }
        var values = columns.map { Expr.column($0) }
        for (index, domain) in domains.enumerated() {
            guard let domain else { continue }
            values[index] = try binder.checked(values[index], domain, nil, guardedBy: action)
        }
        let scope = Scope(outer: nil, ctes: nil)
        scope.items = [Scope.Item(name: alias, columns: binder.itemColumns(columns))]
        scope.refused = "check constraints"
        for check in checks {
            let typed = try binder.bind(try Parser.parseExpression(check.text), scope)
            let condition = try binder.condition(typed, of: "CHECK")
            let message =
                "new row for relation \"\(name.name)\" violates check constraint \"\(check.name)\""
            values[0] = try binder.checkedValue(values[0], try binder.unless(action, condition), message)
        }
        if let constraint {
            let typed = try binder.bind(try Parser.parseExpression(constraint), scope)
            let condition = try binder.condition(typed, of: "CHECK")
            let message = "new row for relation \"\(name.name)\" violates partition constraint"
            values[0] = try binder.checkedValue(values[0], try binder.unless(action, condition), message)
        }
        var outputs = plan.columns.map { LogicalPlan.Output($0, .column($0)) }
        var made: [PlanColumn] = []
        for (index, old) in columns.enumerated() {
            if case .column = values[index] {
                made.append(old)
                continue
            }
            let new = binder.column(old.name, values[index].type)
            outputs.append(LogicalPlan.Output(new, values[index]))
            made.append(new)
        }
        return (.project(plan, outputs), made)
    }

    private func domain(of column: String) -> UserType? {
        guard let text = table.properties[TableProperty.userType(of: column)], let name = UserTypes.name(text),
            name.arrayDimensions == 0, let found = binder.snapshot.types[name], found.domain != nil
        else { return nil }
        return found
    }
}

extension QueryBinder {
    /// A value that must satisfy a domain.
    func checked(
        _ expr: Expr, _ type: UserType, _ at: Int?, guardedBy action: PlanColumn? = nil
    ) throws(SQLError) -> Expr {
        guard let domain = type.domain else { return expr }
        var value = expr
        // A domain over a domain obeys both.
        if let base = UserTypes.name(domain.base), let below = snapshot.types[base] {
            value = try checked(value, below, at, guardedBy: action)
        }
        let shown = type.schema == "public" ? type.name : "\(type.schema).\(type.name)"
        if domain.isNotNull {
            value = try checkedValue(
                value, try unless(action, .not(.isNull(expr))), "domain \(shown) does not allow null values")
        }
        for check in domain.checks {
            let scope = Scope(outer: nil, ctes: nil)
            scope.refused = "check constraints"
            scope.items = [Scope.Item(name: nil, columns: [Scope.ItemColumn(name: "value", expr: expr)])]
            views.append(ViewFrame(name: "", ref: nil, searchPath: []))
            defer { views.removeLast() }
            let condition = try self.condition(try bind(try Parser.parseExpression(check.text), scope), of: "CHECK")
            value = try checkedValue(
                value, try unless(action, condition),
                "value for domain \(shown) violates check constraint \"\(check.name)\"")
        }
        return value
    }

    /// A value that is an error unless a condition is true or NULL.
    func checkedValue(_ value: Expr, _ condition: Expr, _ message: String) throws(SQLError) -> Expr {
        try call(
            "checked_value",
            [
                Typed(value, nil), Typed(condition, nil), Typed(.literal(.text(message)), nil),
                Typed(.literal(.null(.text)), nil),
            ], nil)
    }

    /// The condition, for rows that an action writes.
    func unless(_ action: PlanColumn?, _ condition: Expr) throws(SQLError) -> Expr {
        guard let action else { return condition }
        let writes = try operation(">=", Typed(.column(action), nil), Typed(.literal(.int4(2)), nil), nil)
        return .conditional([(when: writes, then: condition)], otherwise: .literal(.boolean(true)), .boolean)
    }
}

extension Binder {
    /// Checks the condition of a CHECK for a table of these columns; returns the columns that it names.
    public static func checkCondition(
        _ expression: Expression, among fields: [Field], context: PlanContext, types: UserTypes
    ) throws(SQLError) -> [String] {
        let binder = QueryBinder(snapshot: CatalogSnapshot(types: types), context: context, parameterTypes: [])
        let scope = Scope(outer: nil, ctes: nil)
        scope.refused = "check constraints"
        let columns = fields.map { binder.column($0.name, $0.type) }
        scope.items = [Scope.Item(name: nil, columns: binder.itemColumns(columns))]
        let condition = try binder.condition(try binder.bind(expression, scope), of: "CHECK")
        guard !condition.hasSubquery else {
            throw SQLError(
                .featureNotSupported, "cannot use subquery in check constraint", position: expression.position)
        }
        let used = condition.columnIDs
        return columns.filter { used.contains($0.id) }.map(\.name)
    }

    /// Checks the condition of a domain over VALUE.
    public static func checkDomain(
        _ expression: Expression, over type: SQLType, context: PlanContext, types: UserTypes
    ) throws(SQLError) {
        _ = try checkCondition(expression, among: [Field("value", type)], context: context, types: types)
    }
}
