// Queries: WITH, VALUES, set operations, and ORDER BY and LIMIT over them.
import Columns
import Diagnostics
import Functions
import Syntax

/// A bound query: its plan, and where each output column's text starts.
struct BoundRows {
    var plan: LogicalPlan
    var positions: [Int?]
}

extension QueryBinder {
    /// Binds a query. `outer` is the scope around a subquery. With `keepsOpen`, untyped literals among the outputs stay
    /// open for a set operation to settle.
    func bind(
        _ query: Query, outer: Scope?, ctes: CTEScope?, keepsOpen: Bool = false
    ) throws(SQLError) -> BoundRows {
        queryDepth += 1
        queriesBound += 1
        defer { queryDepth -= 1 }
        guard queryDepth <= QueryBinder.queryDepthMax, queriesBound <= QueryBinder.queriesBoundMax else {
            throw SQLError(.statementTooComplex, "query is too complex", position: position(query.position))
        }
        guard !query.with.isEmpty else { return try bindBody(query, outer, ctes, keepsOpen) }
        let scope = try bindWith(query, outer, ctes)
        var rows = try bindBody(query, outer, scope, keepsOpen)
        rows.plan = try wrap(rows.plan, with: scope)
        return rows
    }

    private func bindBody(
        _ query: Query, _ outer: Scope?, _ ctes: CTEScope?, _ keepsOpen: Bool
    ) throws(SQLError) -> BoundRows {
        let isOrdered = !query.order.isEmpty || query.orderAll != nil
        switch query.body {
        case .select(let select):
            return try bindSelect(select, query, outer, ctes, keepsOpen: keepsOpen && !isOrdered)
        case .values(let rows):
            let values = try bindValues(rows, outer, ctes, keepsOpen: keepsOpen && !isOrdered, query)
            return try ordered(values, query, outer, ctes, allowsExpressions: true)
        case .setOperation(let kind, let isAll, let left, let right, _):
            let rows = try setOperation(kind, isAll, left, right, outer, ctes)
            return try ordered(rows, query, outer, ctes, allowsExpressions: false)
        case .nested(let inner):
            let rows = try bind(inner, outer: outer, ctes: ctes, keepsOpen: keepsOpen && !isOrdered)
            return try ordered(rows, query, outer, ctes, allowsExpressions: true)
        }
    }

    // MARK: VALUES

    private func bindValues(
        _ rows: [[Expression]], _ outer: Scope?, _ ctes: CTEScope?, keepsOpen: Bool, _ query: Query
    ) throws(SQLError) -> BoundRows {
        let scope = Scope(outer: outer, ctes: ctes)
        scope.refused = "VALUES"
        var bound: [[Typed]] = []
        let width = rows.first?.count ?? 0
        for row in rows {
            guard row.count == width else {
                throw SQLError(
                    .syntaxError, "VALUES lists must all be the same length", position: position(row.first?.position))
            }
            var typed: [Typed] = []
            for expr in row { typed.append(try bind(expr, scope)) }
            bound.append(typed)
        }
        var columns: [PlanColumn] = []
        for index in 0..<width {
            var cells: [Typed] = []
            for row in bound { cells.append(row[index]) }
            let (exprs, type) = try unify(cells, "VALUES")
            for row in bound.indices { bound[row][index].expr = exprs[row] }
            columns.append(column("column\(index + 1)", type))
        }
        let plan = LogicalPlan.values(LogicalPlan.Values(columns: columns, rows: bound.map { $0.map(\.expr) }))
        return BoundRows(plan: plan, positions: rows.first?.map { position($0.position) } ?? [])
    }

    // MARK: Set operations

    private func setOperation(
        _ operation: Query.SetOperator, _ isAll: Bool, _ leftQuery: Query, _ rightQuery: Query, _ outer: Scope?,
        _ ctes: CTEScope?
    ) throws(SQLError) -> BoundRows {
        let construct = operation.rawValue.uppercased()
        var left = try bind(leftQuery, outer: outer, ctes: ctes, keepsOpen: true)
        var right = try bind(rightQuery, outer: outer, ctes: ctes, keepsOpen: true)
        let (a, b) = (left.plan.columns, right.plan.columns)
        guard a.count == b.count else {
            throw SQLError(
                .syntaxError, "each \(construct) query must have the same number of columns",
                position: right.positions.first ?? position(rightQuery.position))
        }
        var types: [SQLType] = []
        for index in a.indices {
            let pair = [
                Typed(.column(a[index]), left.positions[index]), Typed(.column(b[index]), right.positions[index]),
            ]
            types.append(try commonType(pair, construct))
        }
        left = try castOutputs(left, to: types, construct)
        right = try castOutputs(right, to: types, construct)
        let kind: LogicalPlan.SetOperator
        switch operation {
        case .union: kind = .union
        case .intersect: kind = .intersect
        case .except: kind = .except
        }
        var inputs = [left.plan]
        // A chain of unions is one node.
        if kind == .union, case .setOperation(let inner) = left.plan, inner.kind == .union, inner.isAll == isAll {
            inputs = inner.inputs
        }
        let columns = zip(a, types).map { column($0.0.name, $0.1) }
        if !isAll { for (index, type) in types.enumerated() { try checkEquality(type, left.positions[index]) } }
        let node = LogicalPlan.SetOperation(kind: kind, isAll: isAll, inputs: inputs + [right.plan], columns: columns)
        return BoundRows(plan: .setOperation(node), positions: left.positions)
    }

    /// Gives a query's outputs other types: in place where its select list has them, else by a projection.
    func castOutputs(
        _ rows: BoundRows, to types: [SQLType], _ construct: String
    ) throws(SQLError) -> BoundRows {
        let columns = rows.plan.columns
        guard columns.map(\.type) != types else { return rows }
        var result = rows
        if case .project(let input, var outputs) = rows.plan {
            for index in outputs.indices where outputs[index].column.type != types[index] {
                let expr = try cast(outputs[index].expr, to: types[index], construct, rows.positions, index)
                outputs[index] = LogicalPlan.Output(column(outputs[index].column.name, types[index]), expr)
            }
            result.plan = .project(input, outputs)
            return result
        }
        var outputs: [LogicalPlan.Output] = []
        for (index, old) in columns.enumerated() {
            if old.type == types[index] {
                outputs.append(LogicalPlan.Output(old, .column(old)))
            } else {
                let expr = try cast(.column(old), to: types[index], construct, rows.positions, index)
                outputs.append(LogicalPlan.Output(column(old.name, types[index]), expr))
            }
        }
        result.plan = .project(rows.plan, outputs)
        return result
    }

    private func cast(
        _ expr: Expr, to type: SQLType, _ construct: String, _ positions: [Int?], _ index: Int
    ) throws(SQLError) -> Expr {
        let at = index < positions.count ? positions[index] : nil
        if let cast = try tryCoerce(Typed(expr, at), to: type, .implicit) { return cast }
        if let cast = try tryCoerce(Typed(expr, at), to: type, .explicit), type == expr.type.withoutModifier {
            return cast
        }
        throw SQLError(
            .cannotCoerce,
            "\(construct) could not convert type \(expr.type.baseName) to \(type.baseName)", position: at)
    }

    // MARK: ORDER BY and LIMIT over outputs

    private func ordered(
        _ rows: BoundRows, _ query: Query, _ outer: Scope?, _ ctes: CTEScope?, allowsExpressions: Bool
    ) throws(SQLError) -> BoundRows {
        let columns = rows.plan.columns
        var keys: [SortKey] = []
        if let all = query.orderAll {
            keys = columns.map {
                SortKey(
                    .column($0), isDescending: all.isDescending,
                    nullsFirst: all.nullsFirst ?? nullsComeFirst(all.isDescending))
            }
        }
        let scope = Scope(outer: outer, ctes: ctes)
        scope.items = [Scope.Item(name: "*VALUES*", columns: itemColumns(columns))]
        scope.refused = "ORDER BY"
        for item in query.order {
            keys.append(try sortKey(item, try outputKey(item.value, columns, scope, allowsExpressions)))
        }
        var result = rows
        result.plan = try limited(rows.plan, keys, query, outer, ctes)
        return result
    }

    private func outputKey(
        _ expr: Expression, _ columns: [PlanColumn], _ scope: Scope, _ allowsExpressions: Bool
    ) throws(SQLError) -> Expr {
        let at = position(expr.position)
        if let index = try ordinal(expr, count: columns.count, "ORDER BY") { return .column(columns[index]) }
        if case .column(let name) = expr.node, name.parts.count == 1 {
            let matches = columns.filter { $0.name == name.last }
            guard matches.count <= 1 else {
                throw SQLError(.ambiguousColumn, "ORDER BY \"\(name.last)\" is ambiguous", position: at)
            }
            if let match = matches.first { return .column(match) }
            if !allowsExpressions {
                throw SQLError(
                    .undefinedColumn, "column \"\(name.last)\" does not exist", position: at)
            }
        }
        guard allowsExpressions else {
            throw SQLError(
                .featureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                detail: "Only result column names can be used, not expressions or functions.",
                hint: "Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
                position: at)
        }
        return try settleAsText(try bind(expr, scope))
    }

    /// The index that an integer constant in ORDER BY or GROUP BY names; nil for anything but a constant.
    func ordinal(_ expr: Expression, count: Int, _ clause: String) throws(SQLError) -> Int? {
        let at = position(expr.position)
        switch expr.node {
        case .integer(let digits):
            guard let number = Int(digits), (1...max(count, 1)).contains(number), count > 0 else {
                throw SQLError(
                    .invalidColumnReference, "\(clause) position \(digits) is not in select list", position: at)
            }
            return number - 1
        case .decimal, .string, .null, .boolean:
            throw SQLError(.syntaxError, "non-integer constant in \(clause)", position: at)
        case .unary("-", let operand):
            if case .integer(let digits) = operand.node {
                throw SQLError(
                    .invalidColumnReference, "\(clause) position -\(digits) is not in select list", position: at)
            }
            return nil
        default: return nil
        }
    }

    /// Sorts and limits a plan.
    func limited(
        _ plan: LogicalPlan, _ keys: [SortKey], _ query: Query, _ outer: Scope?, _ ctes: CTEScope?
    ) throws(SQLError) -> LogicalPlan {
        let limit = try bound(query.limit, "LIMIT", .invalidRowCountInLimit, outer, ctes)
        let offset = try bound(query.offset, "OFFSET", .invalidRowCountInOffset, outer, ctes)
        if query.withTies, keys.isEmpty {
            throw SQLError(
                .syntaxError, "WITH TIES cannot be specified without ORDER BY clause",
                position: position(query.limit?.position ?? query.position))
        }
        if query.withTies {
            return .limit(
                LogicalPlan.LimitNode(input: plan, limit: limit, offset: offset, order: keys, withTies: true))
        }
        let sorted = keys.isEmpty ? plan : LogicalPlan.sort(plan, try comparable(keys))
        guard limit != nil || offset != nil else { return sorted }
        return .limit(LogicalPlan.LimitNode(input: sorted, limit: limit, offset: offset))
    }

    private func bound(
        _ expr: Expression?, _ clause: String, _ state: SQLState, _ outer: Scope?, _ ctes: CTEScope?
    ) throws(SQLError) -> Expr? {
        guard let expr else { return nil }
        let scope = Scope(outer: outer, ctes: ctes)
        scope.refused = clause
        let (typed, used) = try collectingScopes { () throws(SQLError) -> Typed in try bind(expr, scope) }
        guard used.isEmpty || !used.contains(where: { $0 === scope }) else {
            throw SQLError(
                .invalidColumnReference, "argument of \(clause) must not contain variables", position: typed.position)
        }
        guard let count = try tryCoerce(typed, to: .int8, .assignment) else {
            throw SQLError(
                .datatypeMismatch, "argument of \(clause) must be type bigint, not type \(typed.type.baseName)",
                position: typed.position)
        }
        guard !count.hasSubquery else {
            throw SQLError(
                .featureNotSupported, "subqueries in \(clause) are not supported", position: typed.position)
        }
        if case .literal(let scalar) = count, case .int(let rows) = scalar.value, rows < 0 {
            throw SQLError(state, "\(clause) must not be negative")
        }
        if case .literal(let scalar) = count, scalar.isNull { return nil }
        return count
    }
}
