// TABLESAMPLE: a filter over the rows of a table. What is chosen follows from the places of rows, so that REPEATABLE gives
// the same rows as long as the table's files are the same.
import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    func sampled(
        _ table: TableExpression, _ sample: TableExpression.Sample, _ at: Int?, _ scope: Scope, _ left: [Scope.Item]
    ) throws(SQLError) -> FromItem {
        guard case .table(let name, let version, _) = table.node, try isTable(name, version, scope) else {
            throw SQLError(
                .featureNotSupported, "TABLESAMPLE clause can only be applied to tables and materialized views",
                position: at)
        }
        let method = sample.method.value
        let methodAt = position(sample.method.position)
        guard method == "system" || method == "bernoulli" else {
            throw SQLError(.undefinedObject, "tablesample method \(method) does not exist", position: methodAt)
        }
        guard sample.arguments.count == 1 else {
            throw SQLError(
                SQLState("2202H"),
                "tablesample method \(method) requires 1 argument, not \(sample.arguments.count)", position: methodAt)
        }
        var item = try bindTable(table, scope, left: left, leftPlan: nil)
        let empty = Scope(outer: nil, ctes: nil)
        func number(_ expression: Expression, _ type: SQLType) throws(SQLError) -> Typed {
            let value = try bind(expression, empty)
            return Typed(try coerce(value, to: type, .assignment), value.position)
        }
        var arguments = [try number(sample.arguments[0], .float4)]
        arguments.append(
            try sample.seed.map { (seed) throws(SQLError) in try number(seed, .float8) }
                ?? Typed(.literal(Scalar(.float8, .double(-1))), at))
        arguments.append(Typed(.literal(.boolean(sample.seed != nil)), at))
        arguments.append(Typed(.literal(.boolean(method == "system")), at))
        let columns = item.items.flatMap(\.columns)
        for place in ["_file", "_pos"] {
            guard let column = columns.first(where: { $0.isHidden && $0.name == place }) else { continue }
            arguments.append(Typed(column.expr, at))
        }
        let hasPlaces = arguments.count == 6
        if !hasPlaces {
            // Tables that do not tell the places of rows: by the values of the row.
            arguments.removeSubrange(4...)
            for column in columns where !column.isHidden {
                let text = try coerce(Typed(column.expr, at), to: .text, .explicit)
                arguments.append(Typed(text, at))
            }
        }
        let function = hasPlaces ? "table_sample" : "table_sample_row"
        item.plan = .filter(item.plan, try call(function, arguments, at))
        return item
    }

    private func isTable(_ name: QualifiedName, _ version: Version?, _ scope: Scope) throws(SQLError) -> Bool {
        // A missing relation has its own error.
        if name.parts.count == 1, version == nil, scope.ctes?.find(name.last) != nil { return false }
        let reference = try QueryNames.reference(name, version, context, views.last)
        if case .view(_)? = snapshot.relations[reference] { return false }
        return true
    }
}
