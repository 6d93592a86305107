// Joins in FROM: ON, USING, NATURAL; equalities become keys.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    func bindJoin(
        _ join: TableExpression.Join, _ at: Int?, _ scope: Scope, _ outerLeft: [Scope.Item]
    ) throws(SQLError) -> FromItem {
        var left = try nullable(join.kind == .right || join.kind == .full) { () throws(SQLError) -> FromItem in
            try bindTable(join.left, scope, left: outerLeft, leftPlan: nil)
        }
        let takesFunction = join.kind == .inner || join.kind == .cross
        var right = try nullable(join.kind == .left || join.kind == .full) { () throws(SQLError) -> FromItem in
            try bindTable(
                join.right, scope, left: outerLeft + left.items, leftPlan: takesFunction ? left.plan : nil)
        }
        if right.isLateral, join.kind == .right || join.kind == .full {
            throw SQLError(
                .invalidColumnReference, "invalid reference to FROM-clause entry",
                detail: "The combining JOIN type must be INNER or LEFT for a LATERAL reference.", position: at)
        }
        try checkJoinNames(left.items, right.items, at)
        let names = try mergedNames(join.condition, left.items, right.items, at)
        var conditions: [Expr] = []
        var merged: [Scope.ItemColumn] = []
        for name in names {
            let (a, b) = try mergedColumn(name, left.items, right.items)
            conditions.append(try operation("=", a, b, position(name.position)))
            merged.append(try mergedOutput(name.value, join.kind, a, b))
        }
        if case .on(let condition) = join.condition {
            conditions += try joinCondition(condition, left.items + right.items, outerLeft, scope).conjuncts
        }
        let plan = joinPlan(join.kind, left, right, conditions)
        for index in left.items.indices where join.kind == .right || join.kind == .full {
            left.items[index].mayBeMissing = true
        }
        for index in right.items.indices where join.kind == .left || join.kind == .full {
            right.items[index].mayBeMissing = true
        }
        let items = joinedItems(join, left.items, right.items, names.map(\.value), merged)
        // What is lateral inside this join need not be so outside.
        let mayReach = !outerLeft.isEmpty && (right.isLateral || right.containsLeft)
        let reaches = mayReach && plan.usesAny(of: outerLeft)
        return FromItem(plan: plan, items: items, isLateral: left.isLateral || reaches)
    }

    private func nullable<T>(_ isNullable: Bool, _ body: () throws(SQLError) -> T) throws(SQLError) -> T {
        nullableSides += isNullable ? 1 : 0
        defer { nullableSides -= isNullable ? 1 : 0 }
        return try body()
    }

    private func checkJoinNames(
        _ left: [Scope.Item], _ right: [Scope.Item], _ at: Int?
    ) throws(SQLError) {
        for item in right where item.isNameVisible {
            guard let name = item.name,
                left.contains(where: { $0.isNameVisible && $0.name == name && $0.schema == item.schema })
            else { continue }
            throw SQLError(.duplicateAlias, "table name \"\(name)\" specified more than once", position: at)
        }
    }

    private func joinCondition(
        _ condition: Expression, _ items: [Scope.Item], _ hidden: [Scope.Item], _ scope: Scope
    ) throws(SQLError) -> Expr {
        let inner = Scope(outer: scope.outer, ctes: scope.ctes)
        inner.items = items
        inner.unreachable = Set(hidden.compactMap { $0.isNameVisible ? $0.name : nil })
        inner.isLateralAdvised = false
        inner.refused = "JOIN conditions"
        return try self.condition(try bind(condition, inner), of: "JOIN/ON")
    }

    // MARK: USING and NATURAL

    private func mergedNames(
        _ condition: TableExpression.JoinCondition, _ left: [Scope.Item], _ right: [Scope.Item], _ at: Int?
    ) throws(SQLError) -> [Identifier] {
        switch condition {
        case .none, .on: return []
        case .using(let names, _):
            var seen: Set<String> = []
            for name in names where !seen.insert(name.value).inserted {
                throw SQLError(
                    .duplicateColumn, "column name \"\(name.value)\" appears more than once in USING clause",
                    position: position(name.position))
            }
            return names
        case .natural:
            let rightNames = Set(visible(right).map(\.name))
            var names: [Identifier] = []
            for column in visible(left) where rightNames.contains(column.name) {
                guard !names.contains(where: { $0.value == column.name }) else { continue }
                names.append(Identifier(column.name, position: at ?? 0))
            }
            return names
        }
    }

    private func visible(_ items: [Scope.Item]) -> [Scope.ItemColumn] {
        items.filter(\.areColumnsVisible).flatMap(\.columns).filter { !$0.isHidden }
    }

    private func mergedColumn(
        _ name: Identifier, _ left: [Scope.Item], _ right: [Scope.Item]
    ) throws(SQLError) -> (left: Typed, right: Typed) {
        let at = position(name.position)
        func one(_ items: [Scope.Item], _ side: String) throws(SQLError) -> Typed {
            let matches = visible(items).filter { $0.name == name.value }
            guard let first = matches.first else {
                throw SQLError(
                    .undefinedColumn,
                    "column \"\(name.value)\" specified in USING clause does not exist in \(side) table", position: at)
            }
            guard matches.count == 1 else {
                throw SQLError(
                    .ambiguousColumn, "common column name \"\(name.value)\" appears more than once in \(side) table",
                    position: at)
            }
            note(first.source)
            return Typed(first.expr, at)
        }
        return (try one(left, "left"), try one(right, "right"))
    }

    /// The merged column: from the side that has a value.
    private func mergedOutput(
        _ name: String, _ kind: TableExpression.JoinKind, _ left: Typed, _ right: Typed
    ) throws(SQLError) -> Scope.ItemColumn {
        let (exprs, type) = try unify([left, right], "JOIN/USING", isPrinted: false)
        switch kind {
        case .right: return Scope.ItemColumn(name: name, expr: exprs[1])
        case .full: return Scope.ItemColumn(name: name, expr: .coalesce(exprs, type))
        case .inner, .left, .cross, .semi, .anti: return Scope.ItemColumn(name: name, expr: exprs[0])
        }
    }

    private func joinedItems(
        _ join: TableExpression.Join, _ left: [Scope.Item], _ right: [Scope.Item], _ names: [String],
        _ merged: [Scope.ItemColumn]
    ) -> [Scope.Item] {
        if join.kind == .semi || join.kind == .anti { return left }
        let leftItems = join.kind == .right || join.kind == .full ? left.map(\.asNullable) : left
        let rightItems = join.kind == .left || join.kind == .full ? right.map(\.asNullable) : right
        guard !names.isEmpty else { return leftItems + rightItems }
        let rest = (visible(leftItems) + visible(rightItems)).filter { !names.contains($0.name) }
        var items = [Scope.Item(name: nil, columns: merged + rest)]
        for item in leftItems + rightItems {
            var hidden = item
            hidden.areColumnsVisible = false
            items.append(hidden)
        }
        if case .using(_, let alias?) = join.condition {
            items.append(Scope.Item(name: alias.value, columns: merged, areColumnsVisible: false))
        }
        return items
    }

    // MARK: Plans

    private func joinPlan(
        _ kind: TableExpression.JoinKind, _ left: FromItem, _ right: FromItem, _ conditions: [Expr]
    ) -> LogicalPlan {
        if right.containsLeft {
            return conditions.isEmpty ? right.plan : .filter(right.plan, .all(conditions))
        }
        let joinKind: LogicalPlan.JoinKind
        switch kind {
        case .inner, .cross: joinKind = .inner
        case .left: joinKind = .left
        case .right: joinKind = .right
        case .full: joinKind = .full
        case .semi: joinKind = .semi
        case .anti: joinKind = .anti
        }
        var join = LogicalPlan.Join(kind: joinKind, left: left.plan, right: right.plan, isLateral: right.isLateral)
        let leftIDs = ColumnSet(left.plan.columns.map(\.id))
        let rightIDs = ColumnSet(right.plan.columns.map(\.id))
        for condition in Expr.all(conditions).conjuncts {
            if !right.isLateral, let key = JoinKeys.key(condition, leftIDs, rightIDs) {
                join.keys.append(key)
            } else {
                join.residual.append(condition)
            }
        }
        return .join(join)
    }
}

/// Finds equalities between the two sides of a join.
enum JoinKeys {
    /// `a = b` with `a` over left columns only and `b` over right ones only, or the other way round.
    static func key(
        _ condition: Expr, _ left: ColumnSet, _ right: ColumnSet
    ) -> LogicalPlan.JoinKey? {
        let operands: (Expr, Expr)
        var nullsEqual = false
        switch condition {
        case .call(let function, let arguments)
        where function.name == "=" && arguments.count == 2 && arguments[0].type == arguments[1].type:
            operands = (arguments[0], arguments[1])
        case .notDistinct(let a, let b) where a.type == b.type:
            operands = (a, b)
            nullsEqual = true
        default: return nil
        }
        if isOver(operands.0, left), isOver(operands.1, right) {
            return LogicalPlan.JoinKey(left: operands.0, right: operands.1, nullsEqual: nullsEqual)
        }
        if isOver(operands.0, right), isOver(operands.1, left) {
            return LogicalPlan.JoinKey(left: operands.1, right: operands.0, nullsEqual: nullsEqual)
        }
        return nil
    }

    /// Whether an expression uses some of these columns and nothing else that varies.
    private static func isOver(_ expr: Expr, _ columns: ColumnSet) -> Bool {
        var uses = false
        let isForeign = expr.contains { part in
            switch part {
            case .column(let column):
                uses = true
                return !columns.contains(column.id)
            case .subquery: return true
            case .call(let function, _): return function.volatility == .volatile
            default: return false
            }
        }
        return uses && !isForeign
    }
}

extension LogicalPlan {
    /// Whether some expression uses a column of these items.
    fileprivate func usesAny(of items: [Scope.Item]) -> Bool {
        let scope = Scope(outer: nil, ctes: nil)
        scope.items = items
        let ids = scope.columnIDs
        return containsExpression { expr in
            if case .column(let column) = expr { return ids.contains(column.id) }
            return false
        }
    }
}

extension Scope.Item {
    /// The same item on the side of an outer join that may have no row.
    var asNullable: Scope.Item {
        var copy = self
        for index in copy.columns.indices { copy.columns[index].expr = copy.columns[index].expr.asNullable }
        return copy
    }
}

extension Expr {
    /// A column that outer joins may make NULL.
    fileprivate var asNullable: Expr {
        guard case .column(let column) = self else { return self }
        return .column(PlanColumn(id: column.id, name: column.name, type: column.type, isNullable: true))
    }
}
