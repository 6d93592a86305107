// INSERT ... ON CONFLICT: new rows that meet a row of the same key are left out, or change that row, as MERGE would.
import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax

extension WriteBinder {
    /// `rows` are whole new rows with these columns, in the table's order.
    func conflict(
        _ conflict: WriteStatement.Insert.Conflict, _ rows: LogicalPlan, _ columns: [PlanColumn], _ ctes: CTEScope?
    ) throws(SQLError) -> LogicalPlan {
        let keys = try keys(of: conflict)
        var rows = rows
        for key in keys { rows = try unique(rows, key.map { columns[$0] }, refuses: conflict.assignments != nil) }
        guard let assignments = conflict.assignments, let key = keys.first else {
            for key in keys {
                let target = try targetScan()
                let condition = try equal(target.columns, columns, key)
                rows = .joining(.anti, rows, target.plan, condition)
            }
            let scope = Scope(outer: nil, ctes: ctes)
            scope.items = [item(columns)]
            return try finished("Insert", rows, appended: columns, place: nil, scope)
        }
        let target = try targetScan()
        let excluded = Scope.Item(name: "excluded", columns: binder.itemColumns(columns))
        let both = Scope(outer: nil, ctes: ctes)
        let source = QueryBinder.FromItem(plan: rows, items: [excluded])
        let clauses = [
            WriteStatement.MergeClause(
                kind: .matched, condition: conflict.filter, action: .update(assignments), position: conflict.position),
            WriteStatement.MergeClause(
                kind: .notMatched, condition: nil, action: inserting(conflict.position), position: conflict.position),
        ]
        return try merged(clauses, target, source, both) { () throws(SQLError) -> Expr in
            Expr.all(try equal(target.columns, columns, key))
        }
    }

    /// The columns whose values must differ, by index: those named, or each declared key.
    private func keys(of conflict: WriteStatement.Insert.Conflict) throws(SQLError) -> [[Int]] {
        if !conflict.columns.isEmpty { return [try targets(conflict.columns)] }
        var keys: [[Int]] = []
        var number = 1
        while let text = table.properties[TableProperty.key(number)] {
            number += 1
            guard text.hasPrefix("PRIMARY KEY (") || text.hasPrefix("UNIQUE ("), let open = text.firstIndex(of: "("),
                case .row(let items)? = (try? Parser.parseExpression("ROW" + text[open...]))?.node
            else { continue }
            let names = items.compactMap { item -> Int? in
                guard case .column(let name) = item.node else { return nil }
                return table.schema.index(of: name.last)
            }
            if names.count == items.count { keys.append(names) }
        }
        return keys
    }

    private func equal(
        _ left: [PlanColumn], _ right: [PlanColumn], _ key: [Int]
    ) throws(SQLError) -> [Expr] {
        var conditions: [Expr] = []
        for index in key {
            conditions.append(
                try binder.operation(
                    "=", Typed(.column(left[index]), nil), Typed(.column(right[index]), nil), nil))
        }
        return conditions
    }

    /// Of new rows with one key the first stays, or 21000. NULL is no key.
    private func unique(
        _ rows: LogicalPlan, _ key: [PlanColumn], refuses: Bool
    ) throws(SQLError) -> LogicalPlan {
        let number = binder.column("number", .int8)
        let call = WindowCall(function: .window(.rowNumber, .int8), arguments: [])
        let numbered = LogicalPlan.window(
            LogicalPlan.WindowNode(
                input: rows, partition: key.map { .column($0) }, order: [], calls: [(number, call)]))
        let isFirst =
            refuses
            ? try binder.call("insert_conflict_check", [Typed(.column(number), nil)], nil)
            : try binder.operation("=", Typed(.column(number), nil), Typed(.literal(.int8(1)), nil), nil)
        let isNull = key.map { (when: Expr.isNull(.column($0)), then: Expr.yes) }
        let kept = LogicalPlan.filter(numbered, .conditional(isNull, otherwise: isFirst, .boolean))
        return .project(kept, rows.columns.map { LogicalPlan.Output($0, .column($0)) })
    }

    /// The new row as it is; columns that compute themselves are left to do so.
    private func inserting(_ position: Int) -> WriteStatement.MergeClause.Action {
        let given = fields.filter { table.properties[TableProperty.generated($0.name)] == nil }
        let columns = given.map { Identifier($0.name, isQuoted: true, position: position) }
        let values = columns.map { column in
            Expression(
                .column(QualifiedName([Identifier("excluded"), column], position: position)), position: position)
        }
        return .insert(columns: columns, values: values)
    }
}
