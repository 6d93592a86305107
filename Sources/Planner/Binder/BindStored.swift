// Columns of types that files do not know, as what they are kept as: enums, addresses and strings of bits as text.
import Columns
public import Diagnostics
import Functions

extension Binder {
    /// The same query with such columns as text or numbers.
    public static func stored(_ query: BoundQuery, context: PlanContext) throws(SQLError) -> BoundQuery {
        guard query.plan.columns.contains(where: { $0.type.stored != $0.type }) else { return query }
        let binder = QueryBinder(snapshot: CatalogSnapshot(), context: context, parameterTypes: [])
        let fresh = FreshColumns(after: query.plan)
        var outputs: [LogicalPlan.Output] = []
        for column in query.plan.columns {
            let type = column.type.stored
            let value = try binder.coerce(Typed(.column(column), nil), to: type, .explicit)
            outputs.append(LogicalPlan.Output(fresh.make(column.name, type), value))
        }
        var stored = query
        stored.plan = .project(query.plan, outputs)
        return stored
    }
}
