// SELECT: the order in which its clauses are bound, and the plan that they make.
import Columns
import Diagnostics
import Functions
import Syntax

/// An output of a select list.
struct Target {
    var name: String
    var typed: Typed
    /// The column above the projection.
    var column: PlanColumn?
    /// The group that computes it, when GROUP BY names the target itself.
    var group: Int?
    /// Which of the block's column uses are its own.
    var uses: Range<Int> = 0..<0
}

/// The parts of one SELECT while it is bound.
struct SelectParts {
    let block: SelectBlock
    var targets: [Target] = []
    var filter: Expr?
    var having: Expr?
    var qualify: Expr?
    var groups = GroupingPlan()
    /// Sort keys: a target or an expression of its own.
    var order: [(key: SortKey, target: Int?)] = []
    /// DISTINCT ON, as targets or hidden expressions.
    var on: [(expr: Expr, target: Int?)]?
    var isGrouped = false
}

extension QueryBinder {
    func bindSelect(
        _ select: Select, _ query: Query, _ outer: Scope?, _ ctes: CTEScope?, keepsOpen: Bool
    ) throws(SQLError) -> BoundRows {
        let scope = Scope(outer: outer, ctes: ctes)
        let from = try bindFrom(select.from, scope)
        let block = SelectBlock(scope: scope)
        scope.block = block
        // The two know each other: without this they would keep each other for ever.
        defer { scope.block = nil }
        var parts = SelectParts(block: block)
        try bindWindows(select.windows, block, scope)
        let isPlain = select.groupBy.isEmpty && !select.groupByAll && select.distinct == .all
        parts.targets = try bindTargets(select.items, block, scope, keepsOpen: keepsOpen && isPlain)
        if let filter = select.filter {
            parts.filter = try scope.refusing("WHERE") { () throws(SQLError) -> Expr in
                try condition(try bind(filter, scope), of: "WHERE")
            }
        }
        if let having = select.having {
            scope.windowsRefused = "HAVING"
            parts.having = try condition(try bind(having, scope), of: "HAVING")
            scope.windowsRefused = nil
        }
        if let qualify = select.qualify { parts.qualify = try bindQualify(qualify, parts.targets, scope) }
        try bindOrder(query, &parts, scope)
        try bindGroups(select, &parts, scope)
        try bindDistinct(select, query, &parts, scope)
        parts.isGrouped =
            !select.groupBy.isEmpty || select.groupByAll || parts.having != nil || !block.aggregates.isEmpty
        let positions = parts.targets.map(\.typed.position)
        let plan = try assemble(from, &parts, select, query, outer, ctes)
        return BoundRows(plan: plan, positions: positions)
    }

    // MARK: Select list

    func bindTargets(
        _ items: [SelectItem], _ block: SelectBlock, _ scope: Scope, keepsOpen: Bool
    ) throws(SQLError) -> [Target] {
        block.allowsSetReturning = true
        defer { block.allowsSetReturning = false }
        var targets: [Target] = []
        for item in items {
            let start = block.uses.count
            if case .star(let star) = item.value.node {
                targets += try expand(star, position(item.value.position), scope)
                continue
            }
            var typed = try bind(item.value, scope)
            if !keepsOpen || typed.literal == nil && !typed.isParameter { typed.expr = try settleAsText(typed) }
            var target = Target(name: item.alias?.value ?? OutputNames.name(item.value), typed: typed)
            target.uses = start..<block.uses.count
            targets.append(target)
        }
        guard targets.count <= QueryBinder.targetsMax else {
            throw SQLError(
                SQLState("54011"), "target lists can have at most \(QueryBinder.targetsMax) entries")
        }
        return targets
    }

    /// PostgreSQL's limit, too.
    private static let targetsMax = 1_664 * 10

    /// Expands `*` and `t.*` with EXCLUDE, REPLACE and RENAME.
    private func expand(
        _ star: Expression.Star, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> [Target] {
        var columns: [Scope.ItemColumn]
        if let qualifier = star.qualifier {
            let parts = qualifier.parts.map(\.value)
            let schema = parts.count > 1 ? parts[parts.count - 2] : nil
            if let found = scope.item(qualifier.last, schema: schema) {
                columns = found.item.columns
            } else if let fields = try structColumns(qualifier, scope) {
                columns = fields
            } else {
                throw missingTable(qualifier.text, position(qualifier.position), scope)
            }
        } else {
            guard !scope.items.isEmpty else {
                throw SQLError(
                    .syntaxError, "SELECT * with no tables specified is not valid", position: at)
            }
            columns = scope.items.filter(\.areColumnsVisible).flatMap(\.columns)
        }
        columns.removeAll(where: \.isHidden)
        if let pattern = star.pattern {
            var matching: [Scope.ItemColumn] = []
            for column in columns {
                let texts = [column.name, pattern].map { Typed(.literal(.text($0)), at) }
                let found = try ConstantFold.evaluate(try call("regexp_like", texts, at), context.functions)
                if found.value == .bool(true) { matching.append(column) }
            }
            columns = matching
        }
        for name in star.excluded {
            try checkStarName(name, columns, "EXCLUDE")
        }
        for renaming in star.renamed { try checkStarName(renaming.old, columns, "RENAME") }
        let excluded = Set(star.excluded.map(\.last))
        var replaced: [String: Typed] = [:]
        for item in star.replaced {
            guard let name = item.alias else {
                throw SQLError(.syntaxError, "REPLACE needs a name: REPLACE (expression AS column)", position: at)
            }
            try checkStarName(QualifiedName([name], position: name.position), columns, "REPLACE")
            let typed = try bind(item.value, scope)
            replaced[name.value] = Typed(try settleAsText(typed), typed.position)
        }
        var targets: [Target] = []
        for column in columns where !excluded.contains(column.name) {
            let start = scope.block?.uses.count ?? 0
            if case .column(let used) = column.expr { scope.block?.uses.append((used.id, at)) }
            let name = star.renamed.first { $0.old.last == column.name }?.new.value ?? column.name
            noteUse(of: scope)
            if replaced[column.name] == nil { note(column.source) }
            var target = Target(name: name, typed: replaced[column.name] ?? Typed(column.expr, at))
            target.uses = start..<(scope.block?.uses.count ?? start)
            targets.append(target)
        }
        guard !targets.isEmpty else {
            throw SQLError(.syntaxError, "SELECT list is empty after resolving * expression", position: at)
        }
        return targets
    }

    private func checkStarName(
        _ name: QualifiedName, _ columns: [Scope.ItemColumn], _ clause: String
    ) throws(SQLError) {
        guard !columns.contains(where: { $0.name == name.last }) else { return }
        throw SQLError(
            .undefinedColumn, "column \"\(name.last)\" in \(clause) list does not exist",
            position: position(name.position))
    }

    /// QUALIFY sees the select list's names.
    private func bindQualify(
        _ qualify: Expression, _ targets: [Target], _ scope: Scope
    ) throws(SQLError) -> Expr {
        for target in targets { scope.block?.aliases[target.name] = target.typed.expr }
        defer { scope.block?.aliases = [:] }
        return try condition(try bind(qualify, scope), of: "QUALIFY")
    }

    // MARK: ORDER BY and DISTINCT

    private func bindOrder(_ query: Query, _ parts: inout SelectParts, _ scope: Scope) throws(SQLError) {
        if let all = query.orderAll {
            for (index, target) in parts.targets.enumerated() {
                let key = SortKey(
                    target.typed.expr, isDescending: all.isDescending,
                    nullsFirst: all.nullsFirst ?? nullsComeFirst(all.isDescending))
                parts.order.append((key, index))
            }
        }
        parts.block.allowsSetReturning = true
        defer { parts.block.allowsSetReturning = false }
        for item in query.order {
            let found = try target(of: item.value, parts.targets, scope, "ORDER BY", aliasFirst: true)
            parts.order.append((try sortKey(item, found.expr), found.target))
        }
    }

    /// Finds what an item of ORDER BY, GROUP BY or DISTINCT ON means: an ordinal, an output name, an expression.
    func target(
        of expr: Expression, _ targets: [Target], _ scope: Scope, _ clause: String, aliasFirst: Bool
    ) throws(SQLError) -> (expr: Expr, target: Int?, position: Int?) {
        let at = position(expr.position)
        if let index = try ordinal(expr, count: targets.count, clause) {
            return (targets[index].typed.expr, index, at)
        }
        if case .column(let name) = expr.node, name.parts.count == 1 {
            let isInput = !aliasFirst && scope.hasOwnColumn(name.last)
            if !isInput, let index = try named(name.last, targets, clause, at) {
                return (targets[index].typed.expr, index, at)
            }
        }
        let typed = try bind(expr, scope)
        let bound = try settleAsText(typed)
        return (bound, targets.firstIndex { $0.typed.expr.isSame(as: bound) }, at)
    }

    /// The target of an output name; several of one name must be the same expression.
    private func named(
        _ name: String, _ targets: [Target], _ clause: String, _ at: Int?
    ) throws(SQLError) -> Int? {
        var found: Int?
        for (index, target) in targets.enumerated() where target.name == name {
            if let found, !targets[found].typed.expr.isSame(as: target.typed.expr) {
                throw SQLError(.ambiguousColumn, "\(clause) \"\(name)\" is ambiguous", position: at)
            }
            found = found ?? index
        }
        return found
    }

    private func bindDistinct(
        _ select: Select, _ query: Query, _ parts: inout SelectParts, _ scope: Scope
    ) throws(SQLError) {
        switch select.distinct {
        case .all: return
        case .distinct:
            for target in parts.targets { try checkEquality(target.typed.expr.type, target.typed.position) }
            for (index, item) in parts.order.enumerated() where item.target == nil {
                let text = index < query.order.count ? query.order[index].value.position : select.position
                throw SQLError(
                    .invalidColumnReference,
                    "for SELECT DISTINCT, ORDER BY expressions must appear in select list", position: position(text))
            }
        case .on(let exprs):
            var on: [(expr: Expr, target: Int?)] = []
            for expr in exprs {
                let found = try target(of: expr, parts.targets, scope, "DISTINCT ON", aliasFirst: true)
                on.append((found.expr, found.target))
            }
            try checkDistinctOn(on, parts.order, exprs)
            parts.on = on
        }
    }

    /// The first sort keys must be the expressions of DISTINCT ON, in any order.
    private func checkDistinctOn(
        _ on: [(expr: Expr, target: Int?)], _ order: [(key: SortKey, target: Int?)], _ exprs: [Expression]
    ) throws(SQLError) {
        func matches(_ key: (key: SortKey, target: Int?), _ item: (expr: Expr, target: Int?)) -> Bool {
            key.target != nil && key.target == item.target || key.key.expr.isSame(as: item.expr)
        }
        let leading = order.prefix { key in on.contains { matches(key, $0) } }
        let isCovered = on.allSatisfy { item in leading.contains { matches($0, item) } }
        guard order.isEmpty || leading.count == order.count || isCovered else {
            throw SQLError(
                .invalidColumnReference, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                position: position(exprs.first?.position))
        }
    }
}

extension Scope {
    /// Whether a bare name is a column of this scope itself.
    fileprivate func hasOwnColumn(_ name: String) -> Bool {
        items.contains { $0.areColumnsVisible && $0.columns.contains { $0.name == name && !$0.isHidden } }
    }
}
