// The partition of each row that is written to a table with PARTITION BY.
import Catalogs
public import Columns
public import Diagnostics
public import Syntax

extension WriteBinder {
    /// Adds the number of each row's partition: NULL where no partition takes the row.
    func routed(
        _ plan: LogicalPlan, _ columns: [PlanColumn], _ text: String
    ) throws(SQLError) -> (plan: LogicalPlan, route: [PlanColumn]) {
        let scope = Scope(outer: nil, ctes: nil)
        scope.items = [Scope.Item(name: name.name, columns: binder.itemColumns(columns))]
        scope.refused = "partition key expressions"
        binder.views.append(QueryBinder.ViewFrame(name: "", ref: nil, searchPath: []))
        defer { binder.views.removeLast() }
        let typed = try binder.bind(try Parser.parseExpression(text), scope)
        let route = binder.column("partition", .int4)
        let outputs = plan.columns.map { LogicalPlan.Output($0, .column($0)) }
        let number = try binder.coerce(typed, to: .int4)
        return (.project(plan, outputs + [LogicalPlan.Output(route, number)]), [route])
    }
}

extension Binder {
    /// Checks a key of PARTITION BY, and returns its type.
    public static func partitionKeyType(
        _ key: Expression, among fields: [Field], context: PlanContext, types: UserTypes = UserTypes()
    ) throws(SQLError) -> SQLType {
        let binder = QueryBinder(snapshot: CatalogSnapshot(types: types), context: context, parameterTypes: [])
        let scope = Scope(outer: nil, ctes: nil)
        scope.refused = "partition key expressions"
        let columns = fields.map { binder.column($0.name, $0.type) }
        scope.items = [Scope.Item(name: nil, columns: binder.itemColumns(columns))]
        let typed = try binder.bind(key, scope)
        let invalid = SQLState("42P17")
        guard !typed.expr.hasSubquery else {
            throw SQLError(
                .featureNotSupported, "cannot use subquery in partition key expression", position: key.position)
        }
        guard !typed.expr.columnIDs.isEmpty else {
            throw SQLError(invalid, "cannot use constant expression as partition key", position: key.position)
        }
        guard !typed.expr.isVolatile else {
            throw SQLError(
                invalid, "functions in partition key expression must be marked IMMUTABLE", position: key.position)
        }
        switch typed.type {
        case .unknown, .row, .map:
            throw SQLError(invalid, "partition key column has pseudo-type \(typed.type.name)", position: key.position)
        default: return typed.type
        }
    }
}
