// FROM: tables, views, subqueries, joins with USING and NATURAL, LATERAL. Functions are in BindTableFunction.swift.
import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    /// A bound FROM item.
    struct FromItem {
        var plan: LogicalPlan
        var items: [Scope.Item]
        /// Whether the plan refers to items on its left.
        var isLateral = false
        /// Whether the plan already contains what was on its left.
        var containsLeft = false
    }

    /// Binds the FROM list into a scope; one row of no columns when it is empty.
    func bindFrom(_ list: [TableExpression], _ scope: Scope) throws(SQLError) -> LogicalPlan {
        var plan: LogicalPlan?
        for table in list {
            let item = try bindTable(table, scope, left: scope.items, leftPlan: plan)
            try checkNames(item.items, against: scope.items, position(table.position))
            if let left = plan, !item.containsLeft {
                plan = .join(
                    LogicalPlan.Join(kind: .inner, left: left, right: item.plan, isLateral: item.isLateral))
            } else {
                plan = item.plan
            }
            scope.items += item.items
        }
        return plan ?? QueryBinder.oneRow
    }

    private func checkNames(
        _ added: [Scope.Item], against known: [Scope.Item], _ at: Int?
    ) throws(SQLError) {
        for item in added where item.isNameVisible {
            guard let name = item.name else { continue }
            let clash = known.contains { $0.isNameVisible && $0.name == name && $0.schema == item.schema }
            if clash {
                throw SQLError(
                    .duplicateAlias, "table name \"\(name)\" specified more than once", position: at)
            }
        }
    }

    /// Binds one FROM item. `left` are the items that LATERAL may refer to; `leftPlan` is their plan when a function
    /// may be applied to its rows directly.
    func bindTable(
        _ table: TableExpression, _ scope: Scope, left: [Scope.Item], leftPlan: LogicalPlan?
    ) throws(SQLError) -> FromItem {
        let at = position(table.position)
        expressionDepth += 1
        defer { expressionDepth -= 1 }
        guard expressionDepth <= QueryBinder.expressionDepthMax else {
            throw SQLError(.statementTooComplex, "FROM is nested too deeply", position: at)
        }
        switch table.node {
        case .table(let name, let version, let alias): return try namedTable(name, version, alias, at, scope)
        case .subquery(let query, let isLateral, let alias):
            return try derivedTable(query, isLateral, alias, at, scope, left)
        case .functions(let calls, _, let withOrdinality, let alias):
            return try tableFunction(
                calls, withOrdinality, alias, at, lateralScope(scope, left), leftPlan)
        case .join(let join): return try bindJoin(join, at, scope, left)
        case .aliased(let inner, let alias):
            var item = try bindTable(inner, scope, left: left, leftPlan: nil)
            let columns = item.items.filter(\.areColumnsVisible).flatMap(\.columns)
            item.items = [try renamed(Scope.Item(name: nil, columns: columns), alias, at)]
            return item
        case .sampled(let inner, let sample): return try sampled(inner, sample, at, scope, left)
        }
    }

    /// The scope in which LATERAL items are bound: what is on the left, then the queries around.
    private func lateralScope(_ scope: Scope, _ left: [Scope.Item]) -> Scope {
        let lateral = Scope(outer: scope.outer, ctes: scope.ctes)
        lateral.items = left
        lateral.refused = "FROM clause of their own query level"
        return lateral
    }

    // MARK: Tables

    private func namedTable(
        _ name: QualifiedName, _ version: Version?, _ alias: TableAlias?, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> FromItem {
        if name.parts.count == 1, version == nil, let entry = scope.ctes?.find(name.last) {
            let plan = try commonTable(entry, at)
            let item = Scope.Item(name: name.last, columns: itemColumns(plan.columns))
            return FromItem(plan: plan, items: [try renamed(item, alias, at)])
        }
        let reference: CatalogSnapshot.Reference
        do throws(SQLError) {
            reference = try QueryNames.reference(name, version, context, views.last)
        } catch {
            var moved = error
            moved.position = position(error.position)
            throw moved
        }
        guard let relation = snapshot.relations[reference] else {
            throw SQLError(.undefinedTable, "relation \"\(name.text)\" does not exist", position: at)
        }
        switch relation {
        case .table(let table):
            var plan = scan(table, alias: alias?.name.value ?? reference.name)
            if let security = snapshot.security[reference] {
                let columns = Array(plan.columns.prefix(table.schema.fields.count))
                plan = try secured(plan, columns, security, reference, at)
            }
            var item = Scope.Item(name: reference.name, columns: itemColumns(plan.columns, of: table))
            use(of: reference, &item.columns)
            item.schema = reference.schema
            item.table = reference.name
            return FromItem(plan: plan, items: [try renamed(item, alias, at)])
        case .view(let view):
            let plan = try expand(view, reference, at)
            var item = Scope.Item(name: reference.name, columns: itemColumns(plan.columns))
            use(of: reference, &item.columns)
            item.schema = reference.schema
            item.table = reference.name
            return FromItem(plan: plan, items: [try renamed(item, alias, at)])
        }
    }

    /// A scan of all columns; rules drop those that nobody uses.
    func scan(_ table: any Table, alias: String) -> LogicalPlan {
        var columns: [(column: PlanColumn, index: Int)] = []
        for (index, field) in (table.schema.fields + table.hiddenColumns).enumerated() {
            columns.append((column(field.name, field.type, isNullable: field.isNullable), index))
        }
        let scan = LogicalPlan.scan(LogicalPlan.Scan(table: table, alias: alias, columns: columns))
        guard let table = table as? any WritableTable else { return scan }
        return asDeclared(scan, table.declaredFields(snapshot.types))
    }

    func itemColumns(_ columns: [PlanColumn]) -> [Scope.ItemColumn] {
        columns.map { Scope.ItemColumn(name: $0.name, expr: .column($0)) }
    }

    /// The columns of a scan, with those that the table hides.
    func itemColumns(_ columns: [PlanColumn], of table: any Table) -> [Scope.ItemColumn] {
        let shown = table.schema.fields.count
        return columns.enumerated().map { index, column in
            Scope.ItemColumn(name: column.name, expr: .column(column), isHidden: index >= shown)
        }
    }

    /// Binds a view's text as a subquery with the view's search path.
    private func expand(
        _ view: ViewDefinition, _ reference: CatalogSnapshot.Reference, _ at: Int?
    ) throws(SQLError) -> LogicalPlan {
        guard views.count < QueryBinder.viewDepthMax else {
            throw SQLError(
                SQLState("42P17"), "infinite recursion detected in rules for relation \"\(reference.name)\"",
                position: at)
        }
        views.append(
            ViewFrame(
                name: reference.name, ref: reference.ref, searchPath: view.searchPath, definer: view.definer))
        defer { views.removeLast() }
        let query: Query
        do throws(SQLError) { query = try Parser.parseQuery(view.sql) } catch {
            throw SQLError(
                .internalError, "definition of view \"\(reference.name)\" cannot be parsed", detail: error.message)
        }
        let plan = try bind(query, outer: nil, ctes: nil).plan
        return try renamedColumns(plan, view.columnNames, "view \"\(reference.name)\"", at)
    }

    /// Gives a plan's first columns other names.
    func renamedColumns(
        _ plan: LogicalPlan, _ names: [String], _ what: String, _ at: Int?
    ) throws(SQLError) -> LogicalPlan {
        if names.isEmpty { return plan }
        let columns = plan.columns
        guard names.count <= columns.count else {
            throw SQLError(
                .invalidColumnReference,
                "\(what) has \(columns.count) columns available but \(names.count) columns specified", position: at)
        }
        var outputs: [LogicalPlan.Output] = []
        for (index, old) in columns.enumerated() {
            let isSame = index >= names.count || names[index] == old.name
            let new = isSame ? old : column(names[index], old.type, isNullable: old.isNullable)
            outputs.append(LogicalPlan.Output(new, .column(old)))
        }
        return .project(plan, outputs)
    }

    /// Applies `AS t (a, b)` to an item.
    func renamed(_ item: Scope.Item, _ alias: TableAlias?, _ at: Int?) throws(SQLError) -> Scope.Item {
        guard let alias else { return item }
        var result = item
        result.name = alias.name.value
        result.schema = nil
        let available = item.columns.count { !$0.isHidden }
        guard alias.columns.count <= available else {
            throw SQLError(
                .invalidColumnReference,
                "table \"\(alias.name.value)\" has \(available) columns available but "
                    + "\(alias.columns.count) columns specified", position: at)
        }
        // Of a join in parentheses, each table may hide columns: they stand between those that are named.
        let shown = item.columns.indices.filter { !item.columns[$0].isHidden }
        for (index, name) in zip(shown, alias.columns) { result.columns[index].name = name.value }
        return result
    }

    private func derivedTable(
        _ query: Query, _ isLateral: Bool, _ alias: TableAlias?, _ at: Int?, _ scope: Scope, _ left: [Scope.Item]
    ) throws(SQLError) -> FromItem {
        if isLateral {
            let lateral = lateralScope(scope, left)
            let (rows, used) = try collectingScopes { () throws(SQLError) -> BoundRows in
                try bind(query, outer: lateral, ctes: scope.ctes)
            }
            let item = Scope.Item(name: nil, columns: itemColumns(rows.plan.columns))
            return FromItem(
                plan: rows.plan, items: [try renamed(item, alias, at)],
                isLateral: used.contains { $0 === lateral })
        }
        // What is on the left exists, but cannot be seen: the error says so.
        let outer = Scope(outer: scope.outer, ctes: scope.ctes)
        outer.unreachable = Set(left.compactMap { $0.isNameVisible ? $0.name : nil })
        outer.refused = "FROM clause of their own query level"
        let plan = try bind(query, outer: outer, ctes: scope.ctes).plan
        let item = Scope.Item(name: nil, columns: itemColumns(plan.columns))
        return FromItem(plan: plan, items: [try renamed(item, alias, at)])
    }
}
