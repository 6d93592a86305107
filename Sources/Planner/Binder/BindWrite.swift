// INSERT, UPDATE and DELETE to plans that end in a write node. MERGE is in BindMerge.swift.
public import Catalogs
public import Columns
public import Diagnostics
import Functions
public import Syntax

/// What binding a write gives.
public struct BoundWrite: Sendable {
    /// The write node, under the projection of RETURNING.
    public var plan: LogicalPlan
    public var write: any TableWrite
    public var count: WriteCount
    public var returnsRows: Bool
    /// Types of $1, $2, ...
    public var parameterTypes: [SQLType]
    /// What is read: rights are asked for it.
    public var uses: [RelationUse] = []
    public var functions: [FunctionUse] = []
}

extension Binder {
    /// Binds INSERT, UPDATE, DELETE or MERGE into a table, whose change it begins.
    public static func bind(
        _ statement: WriteStatement, into table: any WritableTable, named name: TableName, snapshot: CatalogSnapshot,
        context: PlanContext, parameterTypes: [SQLType?] = [], security: RowSecurity? = nil, isPart: Bool = false
    ) throws(SQLError) -> BoundWrite {
        let binder = QueryBinder(snapshot: snapshot, context: context, parameterTypes: parameterTypes)
        let writer = WriteBinder(
            binder: binder, table: table, name: name, statement: statement, security: security)
        var plan = try writer.bind()
        for (index, type) in binder.parameters.enumerated() where type == .unknown && !isPart {
            throw SQLError(
                .indeterminateDatatype, "could not determine data type of parameter $\(index + 1)")
        }
        plan = try settled(plan, binder)
        return BoundWrite(
            plan: plan, write: writer.write, count: writer.count, returnsRows: !statement.returning.isEmpty,
            parameterTypes: binder.parameters, uses: binder.relationUses, functions: binder.functionUses)
    }

    /// Plans the insert of a table's rows (COPY FROM): its columns are those named, of their declared types; the
    /// others get their defaults. Several such plans may feed one write.
    public static func insert(
        rowsOf source: any Table, columns: [Int], into table: any WritableTable, named name: TableName,
        snapshot: CatalogSnapshot, context: PlanContext, write: any TableWrite, count: WriteCount
    ) throws(SQLError) -> LogicalPlan {
        let binder = QueryBinder(snapshot: snapshot, context: context, parameterTypes: [])
        let none = WriteStatement(
            target: QualifiedName([Identifier(name.name)], position: 0), change: .delete(using: [], filter: nil),
            position: 0)
        let writer = WriteBinder(
            binder: binder, table: table, name: name, statement: none, write: write, count: count)
        let scan = binder.scan(source, alias: "stdin")
        var values: [Int: PlanColumn] = [:]
        for (index, column) in zip(columns, scan.columns) { values[index] = column }
        return try writer.inserted(scan, values, nil)
    }

    /// The columns of a table with their declared types.
    public static func declaredFields(of table: any WritableTable, _ types: UserTypes = UserTypes()) -> [Field] {
        table.declaredFields(types)
    }

    /// Checks what a generated column of a table that is being made is computed by.
    public static func checkGenerated(
        _ expression: Expression, of field: Field, among fields: [Field], generated: Set<String>, context: PlanContext,
        types: UserTypes = UserTypes()
    ) throws(SQLError) {
        let binder = QueryBinder(snapshot: CatalogSnapshot(types: types), context: context, parameterTypes: [])
        let scope = Scope(outer: nil, ctes: nil)
        scope.refused = "column generation expressions"
        let columns = fields.map { binder.column($0.name, $0.type) }
        scope.items = [Scope.Item(name: nil, columns: binder.itemColumns(columns))]
        let typed = try binder.bind(expression, scope)
        let used = typed.expr.columnIDs
        for column in columns where used.contains(column.id) && generated.contains(column.name) {
            throw SQLError(
                SQLState("42P17"), "cannot use generated column \"\(column.name)\" in column generation expression",
                detail: "A generated column cannot reference another generated column.", position: expression.position)
        }
        guard !typed.expr.hasSubquery else {
            throw SQLError(
                .featureNotSupported, "cannot use subquery in column generation expression",
                position: expression.position)
        }
        guard !typed.expr.isVolatile else {
            throw SQLError(
                SQLState("42P17"), "generation expression is not immutable", position: expression.position)
        }
        _ = try binder.assign(typed, to: field)
    }

    /// Checks a DEFAULT for a column of a table that is being made.
    public static func checkDefault(
        _ expression: Expression, of field: Field, context: PlanContext, types: UserTypes = UserTypes()
    ) throws(SQLError) {
        let binder = QueryBinder(snapshot: CatalogSnapshot(types: types), context: context, parameterTypes: [])
        let typed: Typed
        let scope = Scope(outer: nil, ctes: nil)
        scope.refused = "DEFAULT expressions"
        if case .column = expression.node {
            throw SQLError(
                .featureNotSupported, "cannot use column reference in DEFAULT expression",
                position: expression.position)
        }
        typed = try binder.bind(expression, scope)
        guard !typed.expr.hasSubquery else {
            throw SQLError(
                .featureNotSupported, "cannot use subquery in DEFAULT expression", position: expression.position)
        }
        do throws(SQLError) { _ = try binder.assign(typed, to: field) } catch {
            // A number that the column cannot hold is an error of the row that would get it, as in PostgreSQL.
            guard error.state == .numericValueOutOfRange, !typed.isOpen else { throw error }
        }
    }

    /// Gives the rows of a bound query the types of a new table's columns, and writes them into it.
    public static func insert(
        _ query: BoundQuery, into table: any WritableTable, named name: TableName, context: PlanContext,
        kind: WriteKind = .change
    ) throws(SQLError) -> BoundWrite {
        let binder = QueryBinder(snapshot: CatalogSnapshot(), context: context, parameterTypes: [])
        let fresh = FreshColumns(after: query.plan)
        var outputs: [LogicalPlan.Output] = []
        for (column, field) in zip(query.plan.columns, table.schema.fields) {
            // An untyped literal has become text, and a format may keep a type in a wider one.
            let expr = try binder.assign(Typed(.column(column), nil), to: field)
            outputs.append(LogicalPlan.Output(fresh.make(field.name, field.type), expr))
        }
        let (write, count) = (table.write(kind), WriteCount())
        let node = LogicalPlan.WriteNode(
            verb: "Insert", table: name.name, input: .project(query.plan, outputs), write: write, count: count,
            appended: outputs.map(\.column))
        return BoundWrite(
            plan: .write(node), write: write, count: count, returnsRows: false, parameterTypes: query.parameterTypes)
    }
}

/// Binds one write.
struct WriteBinder {
    let binder: QueryBinder
    let table: any WritableTable
    let name: TableName
    let statement: WriteStatement
    let write: any TableWrite
    let count: WriteCount
    /// The columns as declared; ``stored(_:)`` brings them to what the table keeps.
    let fields: [Field]
    /// Policies of the table.
    let security: RowSecurity?

    init(
        binder: QueryBinder, table: any WritableTable, name: TableName, statement: WriteStatement,
        write: (any TableWrite)? = nil, count: WriteCount = WriteCount(), security: RowSecurity? = nil
    ) {
        self.binder = binder
        self.security = security
        self.table = table
        self.name = name
        self.statement = statement
        self.write = write ?? table.write(.change)
        self.count = count
        fields = table.declaredFields(binder.snapshot.types)
    }

    /// The columns to append, of the types that the table keeps: a projection over the declared ones where they differ.
    func stored(
        _ plan: LogicalPlan, _ columns: [PlanColumn]
    ) throws(SQLError) -> (plan: LogicalPlan, columns: [PlanColumn]) {
        let kept = table.schema.fields
        guard zip(columns, kept).contains(where: { $0.type != $1.type }) else { return (plan, columns) }
        var outputs = plan.columns.map { LogicalPlan.Output($0, .column($0)) }
        var made: [PlanColumn] = []
        for (column, field) in zip(columns, kept) {
            guard column.type != field.type else {
                made.append(column)
                continue
            }
            let new = binder.column(field.name, field.type)
            var value = Expr.column(column)
            if let wide = table.wideNumeric(of: field.name) {
                value = try binder.fitted(value, wide.precision, wide.scale, nil)
            }
            outputs.append(LogicalPlan.Output(new, try binder.assign(Typed(value, nil), to: field)))
            made.append(new)
        }
        return (.project(plan, outputs), made)
    }

    func bind() throws(SQLError) -> LogicalPlan {
        guard !statement.with.isEmpty else { return try bind(nil) }
        let query = Query(
            with: statement.with, isRecursive: statement.isRecursive, body: .values([]), position: statement.position)
        let ctes = try binder.bindWith(query, nil, nil)
        return try binder.wrap(try bind(ctes), with: ctes)
    }

    private func bind(_ ctes: CTEScope?) throws(SQLError) -> LogicalPlan {
        switch statement.change {
        case .insert(let insert): return try self.insert(insert, ctes)
        case .update(let assignments, let from, let filter): return try update(assignments, from, filter, ctes)
        case .delete(let using, let filter): return try delete(using, filter, ctes)
        case .merge(let merge): return try self.merge(merge, ctes)
        }
    }

    func undefined(_ column: Identifier) -> SQLError {
        SQLError(
            .undefinedColumn, "column \"\(column.value)\" of relation \"\(name.name)\" does not exist",
            position: column.position)
    }

    /// The indexes of named columns; all when none are named.
    func targets(_ columns: [Identifier]) throws(SQLError) -> [Int] {
        guard !columns.isEmpty else { return Array(fields.indices) }
        var indexes: [Int] = []
        for column in columns {
            guard let index = table.schema.index(of: column.value) else { throw undefined(column) }
            guard !indexes.contains(index) else {
                throw SQLError(
                    .duplicateColumn, "column \"\(column.value)\" specified more than once", position: column.position)
            }
            indexes.append(index)
        }
        return indexes
    }

    private var reference: CatalogSnapshot.Reference {
        CatalogSnapshot.Reference(schema: name.schema, name: name.name, ref: security?.ref)
    }

    /// The name by which the rest of the statement knows the target.
    var targetName: String { statement.alias?.value ?? name.name }

    // MARK: - Insert

    private func insert(_ insert: WriteStatement.Insert, _ ctes: CTEScope?) throws(SQLError) -> LogicalPlan {
        let targets = try targets(insert.columns)
        var values: [Int: PlanColumn] = [:]
        var plan = QueryBinder.oneRow
        if let query = insert.query {
            let given = try rows(query, targets, isListed: !insert.columns.isEmpty, insert.overriding, ctes)
            plan = given.plan
            for (target, column) in zip(given.targets, plan.columns) {
                if insert.overriding == .user, table.identity(of: fields[target].name) != nil { continue }
                values[target] = column
            }
        }
        return try inserted(plan, values, ctes)
    }

    /// Fills the columns that were not given with their defaults.
    func inserted(
        _ plan: LogicalPlan, _ values: [Int: PlanColumn], _ ctes: CTEScope?
    ) throws(SQLError) -> LogicalPlan {
        var outputs: [LogicalPlan.Output] = []
        for (index, field) in fields.enumerated() {
            if let column = values[index] {
                outputs.append(LogicalPlan.Output(binder.column(field.name, field.type), .column(column)))
            } else {
                let expr = try binder.defaultValue(of: field, in: table)
                outputs.append(LogicalPlan.Output(binder.column(field.name, field.type), expr))
            }
        }
        if case .insert(let insert) = statement.change, let conflict = insert.conflict {
            return try self.conflict(conflict, .project(plan, outputs), outputs.map(\.column), ctes)
        }
        let scope = Scope(outer: nil, ctes: ctes)
        scope.items = [item(outputs.map(\.column))]
        return try finished("Insert", .project(plan, outputs), appended: outputs.map(\.column), place: nil, scope)
    }

    /// Binds what is inserted; the columns of the plan have the types of `targets`.
    private func rows(
        _ query: Query, _ all: [Int], isListed: Bool, _ overriding: WriteStatement.Insert.Overriding?,
        _ ctes: CTEScope?
    ) throws(SQLError) -> (plan: LogicalPlan, targets: [Int]) {
        func checked(_ width: Int, _ position: Int?) throws(SQLError) -> [Int] {
            guard width <= all.count else {
                throw SQLError(
                    .syntaxError, "INSERT has more expressions than target columns", position: position)
            }
            guard width == all.count || !isListed else {
                throw SQLError(
                    .syntaxError, "INSERT has more target columns than expressions",
                    position: position ?? statement.target.position)
            }
            return Array(all.prefix(width))
        }
        if case .values(let rows) = query.body, query.with.isEmpty, query.order.isEmpty, query.orderAll == nil,
            query.limit == nil, query.offset == nil, let first = rows.first
        {
            let targets = try checked(first.count, first.first?.position)
            for row in rows {
                for (target, value) in zip(targets, row) where !value.isDefault {
                    try checkGiven(target, overriding, value.position)
                }
            }
            return (try values(rows, targets, ctes), targets)
        }
        let rows = try binder.bind(query, outer: nil, ctes: ctes, keepsOpen: true)
        let targets = try checked(rows.plan.columns.count, rows.positions.first ?? nil)
        for target in targets { try checkGiven(target, overriding, nil) }
        return (try binder.assign(rows, to: targets.map { fields[$0] }), targets)
    }

    /// Columns that compute themselves take no values, identity columns GENERATED ALWAYS only when told so.
    private func checkGiven(
        _ target: Int, _ overriding: WriteStatement.Insert.Overriding?, _ at: Int?
    ) throws(SQLError) {
        let name = fields[target].name
        let refused = SQLState("428C9")
        if table.properties[TableProperty.generated(name)] != nil {
            throw SQLError(
                refused, "cannot insert a non-DEFAULT value into column \"\(name)\"",
                detail: "Column \"\(name)\" is a generated column.")
        }
        guard table.identity(of: name) == "always", overriding == nil else { return }
        throw SQLError(
            refused, "cannot insert a non-DEFAULT value into column \"\(name)\"",
            detail: "Column \"\(name)\" is an identity column defined as GENERATED ALWAYS.",
            hint: "Use OVERRIDING SYSTEM VALUE to override.")
    }

    /// Puts generated columns in their places: they follow from the other columns of the new row.
    private func computed(
        _ plan: LogicalPlan, _ appended: [PlanColumn], _ scope: Scope
    ) throws(SQLError) -> (plan: LogicalPlan, columns: [PlanColumn]) {
        let texts = fields.map { table.properties[TableProperty.generated($0.name)] }
        guard !appended.isEmpty, texts.contains(where: { $0 != nil }) else { return (plan, appended) }
        let row = Scope(outer: nil, ctes: nil)
        row.items = [item(appended)]
        var columns = appended
        var outputs = plan.columns.map { LogicalPlan.Output($0, .column($0)) }
        binder.views.append(QueryBinder.ViewFrame(name: "", ref: nil, searchPath: []))
        defer { binder.views.removeLast() }
        for (index, text) in texts.enumerated() {
            guard let text else { continue }
            let typed = try binder.bind(try Parser.parseExpression(text), row)
            let made = binder.column(fields[index].name, fields[index].type)
            outputs.append(LogicalPlan.Output(made, try binder.assign(typed, to: fields[index])))
            columns[index] = made
        }
        for place in scope.items.indices {
            for column in scope.items[place].columns.indices {
                guard case .column(let old) = scope.items[place].columns[column].expr,
                    let index = appended.firstIndex(where: { $0.id == old.id })
                else { continue }
                scope.items[place].columns[column].expr = .column(columns[index])
            }
        }
        return (.project(plan, outputs), columns)
    }

    /// VALUES: each value goes to its column's type by itself, and may be DEFAULT.
    private func values(_ rows: [[Expression]], _ targets: [Int], _ ctes: CTEScope?) throws(SQLError) -> LogicalPlan {
        let scope = Scope(outer: nil, ctes: ctes)
        scope.refused = "VALUES"
        var bound: [[Expr]] = []
        bound.reserveCapacity(rows.count)
        for row in rows {
            guard row.count == targets.count else {
                throw SQLError(
                    .syntaxError, "VALUES lists must all be the same length", position: row.first?.position)
            }
            var cells: [Expr] = []
            for (target, expression) in zip(targets, row) {
                cells.append(try binder.value(expression, for: fields[target], in: table, scope))
            }
            bound.append(cells)
        }
        let columns = targets.map { binder.column(fields[$0].name, fields[$0].type) }
        return .values(LogicalPlan.Values(columns: columns, rows: bound))
    }

    // MARK: - Update

    private func update(
        _ assignments: [WriteStatement.Assignment], _ from: [TableExpression], _ filter: Expression?,
        _ ctes: CTEScope?
    ) throws(SQLError) -> LogicalPlan {
        let target = try targetScan()
        let scope = Scope(outer: nil, ctes: ctes)
        var plan = try source(target, from, filter, scope)
        let values = try self.values(assignments, scope)
        var outputs = ([target.file, target.position] + target.moved).map { LogicalPlan.Output($0, .column($0)) }
        var appended: [PlanColumn] = []
        for (index, field) in fields.enumerated() {
            let new = binder.column(field.name, field.type)
            appended.append(new)
            if let value = values[index] {
                outputs.append(LogicalPlan.Output(new, value))
            } else {
                outputs.append(LogicalPlan.Output(new, try kept(target.columns[index], field)))
            }
        }
        let old = ColumnSet((target.columns + [target.file, target.position] + target.moved).map(\.id))
        outputs += plan.columns.filter { !old.contains($0.id) }.map { LogicalPlan.Output($0, .column($0)) }
        plan = .project(plan, outputs)
        // RETURNING sees the new row.
        scope.items[0] = item(appended)
        let place = LogicalPlan.WriteNode.Place(
            file: target.file, position: target.position, repeated: from.isEmpty ? .never : .ignored)
        return try finished("Update", plan, appended: appended, moved: target.moved, place: place, scope)
    }

    /// A column that keeps its value, in its declared type.
    func kept(_ column: PlanColumn, _ field: Field) throws(SQLError) -> Expr {
        column.type == field.type ? .column(column) : try binder.assign(Typed(.column(column), nil), to: field)
    }

    /// Binds SET; by column index.
    func values(_ assignments: [WriteStatement.Assignment], _ scope: Scope) throws(SQLError) -> [Int: Expr] {
        var values: [Int: Expr] = [:]
        for assignment in assignments {
            for (place, expression) in try zip(assignment.columns, parts(assignment)) {
                guard let index = table.schema.index(of: place.value) else { throw undefined(place) }
                guard values[index] == nil else {
                    throw SQLError(
                        .syntaxError, "multiple assignments to same column \"\(place.value)\"",
                        position: place.position)
                }
                let isComputed = table.properties[TableProperty.generated(place.value)] != nil
                guard expression.isDefault || !(isComputed || table.identity(of: place.value) == "always") else {
                    throw SQLError(
                        SQLState("428C9"), "column \"\(place.value)\" can only be updated to DEFAULT",
                        position: place.position)
                }
                values[index] = try scope.refusing("UPDATE") { () throws(SQLError) -> Expr in
                    try binder.value(expression, for: fields[index], in: table, scope)
                }
            }
        }
        return values
    }

    /// The value of each column of an assignment.
    private func parts(_ assignment: WriteStatement.Assignment) throws(SQLError) -> [Expression] {
        let columns = assignment.columns
        let value = assignment.value
        switch value.node {
        case .row(let items) where items.count == columns.count: return items
        case .scalarQuery(let query) where columns.count > 1:
            // One subquery a column: each picks its own.
            let names = columns.indices.map { Identifier("column\($0 + 1)") }
            return names.map { name in
                let alias = TableAlias(name: Identifier("assigned"), columns: names)
                let table = TableExpression(
                    .subquery(query, isLateral: false, alias: alias), position: value.position)
                let item = SelectItem(
                    value: Expression(
                        .column(QualifiedName([name], position: value.position)), position: value.position))
                let one = Query(
                    body: .select(Select(items: [item], from: [table], position: value.position)),
                    position: value.position)
                return Expression(.scalarQuery(one), position: value.position)
            }
        case _ where columns.count == 1: return [value]
        case .row:
            throw SQLError(
                .syntaxError, "number of columns does not match number of values", position: value.position)
        default:
            throw SQLError(
                .featureNotSupported,
                "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
                position: value.position)
        }
    }

    // MARK: - Delete

    private func delete(
        _ using: [TableExpression], _ filter: Expression?, _ ctes: CTEScope?
    ) throws(SQLError) -> LogicalPlan {
        let target = try targetScan()
        let scope = Scope(outer: nil, ctes: ctes)
        var plan = try source(target, using, filter, scope)
        var repeated = using.isEmpty ? LogicalPlan.WriteNode.Place.Repeated.never : .ignored
        if !using.isEmpty, statement.returning.isEmpty, let semi = semiJoin(plan) {
            plan = semi
            repeated = .never
        }
        let place = LogicalPlan.WriteNode.Place(file: target.file, position: target.position, repeated: repeated)
        return try finished("Delete", plan, appended: [], place: place, scope)
    }

    /// A deleted row needs one partner: a semi join finds no more. nil when conditions hold subqueries.
    private func semiJoin(_ plan: LogicalPlan) -> LogicalPlan? {
        guard case .filter(.join(let join), let condition) = plan, join.kind == .inner, join.keys.isEmpty,
            join.residual.isEmpty, !join.isLateral, !condition.hasSubquery, !condition.isVolatile
        else { return nil }
        let ids = join.left.columnIDs
        let own = condition.conjuncts.filter { $0.columnIDs.isSubset(of: ids) }
        let shared = condition.conjuncts.filter { !$0.columnIDs.isSubset(of: ids) }
        return LogicalPlan.joining(.semi, join.left.filtered(own), join.right, shared)
    }

    // MARK: - Parts

    /// A scan of the target with the places of its rows.
    struct TargetScan {
        var plan: LogicalPlan
        var columns: [PlanColumn]
        var file: PlanColumn
        var position: PlanColumn
        /// What names the row whatever its values.
        var moved: [PlanColumn]
    }

    func targetScan() throws(SQLError) -> TargetScan {
        var columns: [(column: PlanColumn, index: Int)] = []
        let all = table.schema.fields + RowPlace.hiddenColumns + table.movedColumns
        for (index, field) in all.enumerated() {
            columns.append((binder.column(field.name, field.type, isNullable: field.isNullable), index))
        }
        let scan = LogicalPlan.scan(LogicalPlan.Scan(table: table, alias: targetName, columns: columns))
        var plan = binder.asDeclared(scan, fields)
        if let security {
            let columns = Array(plan.columns.prefix(fields.count))
            plan = try binder.secured(plan, columns, security, reference, statement.target.position)
        }
        let made = plan.columns
        return TargetScan(
            plan: plan, columns: Array(made.prefix(fields.count)), file: made[fields.count],
            position: made[fields.count + 1], moved: Array(made.dropFirst(fields.count + 2)))
    }

    /// The target as an item of FROM.
    func item(_ columns: [PlanColumn]) -> Scope.Item {
        var item = Scope.Item(name: targetName, columns: binder.itemColumns(columns))
        binder.use(of: reference, isTarget: true, &item.columns)
        if statement.alias == nil { item.schema = name.schema }
        // Which partition has a row is not known here: there is no one table to name.
        if table.rowRouting == nil { item.table = name.name }
        return item
    }

    /// The target, joined with the other tables, filtered. The scope's first item is the target.
    private func source(
        _ target: TargetScan, _ others: [TableExpression], _ filter: Expression?, _ scope: Scope
    ) throws(SQLError) -> LogicalPlan {
        var plan = target.plan
        if !others.isEmpty {
            let right = try binder.bindFrom(others, scope)
            let clash = scope.items.contains { $0.isNameVisible && $0.name == targetName && $0.schema == nil }
            guard !clash else {
                throw SQLError(
                    .duplicateAlias, "table name \"\(targetName)\" specified more than once",
                    position: others.first?.position)
            }
            plan = .join(LogicalPlan.Join(kind: .inner, left: plan, right: right))
        }
        scope.items.insert(item(target.columns), at: 0)
        guard let filter else { return plan }
        let condition = try scope.refusing("WHERE") { () throws(SQLError) -> Expr in
            try binder.condition(try binder.bind(filter, scope), of: "WHERE")
        }
        return .filter(plan, condition)
    }

    /// The write node over its input, and RETURNING over that.
    func finished(
        _ verb: String, _ input: LogicalPlan, appended: [PlanColumn], moved: [PlanColumn] = [],
        place: LogicalPlan.WriteNode.Place?,
        action: PlanColumn? = nil, _ scope: Scope
    ) throws(SQLError) -> LogicalPlan {
        var (whole, columns) = try computed(input, appended, scope)
        if let security, !appended.isEmpty { whole = try binder.checked(whole, columns, security, reference) }
        let checks = CheckBinder(binder: binder, table: table, name: name, fields: fields)
        let (obeying, checked) = try checks.checked(whole, columns, targetName, action)
        for place in scope.items.indices {
            for column in scope.items[place].columns.indices {
                guard case .column(let old) = scope.items[place].columns[column].expr,
                    let index = columns.firstIndex(where: { $0.id == old.id })
                else { continue }
                scope.items[place].columns[column].expr = .column(checked[index])
            }
        }
        var (input, kept) = try stored(obeying, checked)
        var route: [PlanColumn] = []
        if let text = table.rowRouting, !checked.isEmpty {
            (input, route) = try routed(input, checked, text)
        }
        var node = LogicalPlan.WriteNode(
            verb: verb, table: name.name, input: input, write: write, count: count, appended: kept + moved + route,
            place: place,
            action: action)
        guard !statement.returning.isEmpty else { return .write(node) }
        node.outputs = input.columns
        node.returnsRows = true
        let targets = try scope.refusing("RETURNING") { () throws(SQLError) -> [Target] in
            try binder.bindTargets(statement.returning, SelectBlock(scope: scope), scope, keepsOpen: false)
        }
        let outputs = targets.map { LogicalPlan.Output(binder.column($0.name, $0.typed.type), $0.typed.expr) }
        return .project(.write(node), outputs)
    }
}
