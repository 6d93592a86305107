// GROUP BY: expressions, ordinals, aliases, grouping sets; and the rewriting of expressions to group columns.
import Columns
import Diagnostics
import Functions
import Syntax

/// What GROUP BY asks for.
struct GroupingPlan {
    var exprs: [Expr] = []
    /// Indexes into `exprs`; nil: one set of all.
    var sets: [[Int]]?
    var columns: [PlanColumn] = []
    var setColumn: PlanColumn?

    /// Adds an expression; the same one twice is one group.
    mutating func add(_ expr: Expr) -> Int {
        if let known = exprs.firstIndex(where: { $0.isSame(as: expr) }) { return known }
        exprs.append(expr)
        return exprs.count - 1
    }
}

extension QueryBinder {
    func bindGroups(_ select: Select, _ parts: inout SelectParts, _ scope: Scope) throws(SQLError) {
        if select.groupByAll {
            let computed = parts.block.computedIDs
            for index in parts.targets.indices {
                let expr = parts.targets[index].typed.expr
                guard !expr.uses(computed), parts.targets[index].typed.literal == nil else { continue }
                parts.targets[index].group = parts.groups.add(expr)
            }
            return
        }
        guard !select.groupBy.isEmpty else { return }
        var sets: [[Int]] = [[]]
        for item in select.groupBy {
            let expanded = try expand(item, &parts, scope)
            var product: [[Int]] = []
            for left in sets {
                for right in expanded { product.append(left + right.filter { !left.contains($0) }) }
            }
            guard product.count <= QueryBinder.groupingSetsMax else {
                throw SQLError(
                    .statementTooComplex,
                    "too many grouping sets present (maximum \(QueryBinder.groupingSetsMax))")
            }
            sets = product
        }
        if select.groupByDistinct {
            var seen: Set<Set<Int>> = []
            sets = sets.filter { seen.insert(Set($0)).inserted }
        }
        parts.groups.sets = sets.count > 1 ? sets : nil
    }

    private static let groupingSetsMax = 4_096
    private static let cubeMax = 12

    private func expand(
        _ item: GroupItem, _ parts: inout SelectParts, _ scope: Scope
    ) throws(SQLError) -> [[Int]] {
        switch item {
        case .value(let expr):
            if case .row(let exprs) = expr.node { return [try groups(exprs, &parts, scope)] }
            return [try groups([expr], &parts, scope)]
        case .set(let exprs): return [try groups(exprs, &parts, scope)]
        case .rollup(let items):
            var elements: [[Int]] = []
            for item in items { elements.append(try expand(item, &parts, scope).first ?? []) }
            return (0...elements.count).reversed().map { merged(Array(elements.prefix($0))) }
        case .cube(let items):
            guard items.count <= QueryBinder.cubeMax else {
                throw SQLError(
                    SQLState("54011"), "CUBE is limited to \(QueryBinder.cubeMax) elements")
            }
            var elements: [[Int]] = []
            for item in items { elements.append(try expand(item, &parts, scope).first ?? []) }
            let count = elements.count
            return (0..<(1 << count)).reversed().map { mask in
                merged(elements.indices.filter { mask >> (count - 1 - $0) & 1 == 1 }.map { elements[$0] })
            }
        case .groupingSets(let items):
            var sets: [[Int]] = []
            for item in items { sets += try expand(item, &parts, scope) }
            return sets
        }
    }

    private func merged(_ lists: [[Int]]) -> [Int] {
        var result: [Int] = []
        for list in lists { for index in list where !result.contains(index) { result.append(index) } }
        return result
    }

    private func groups(
        _ exprs: [Expression], _ parts: inout SelectParts, _ scope: Scope
    ) throws(SQLError) -> [Int] {
        var indexes: [Int] = []
        for expr in exprs {
            let targets = parts.targets
            parts.block.allowsSetReturning = false
            let found = try scope.refusing("GROUP BY") { () throws(SQLError) in
                try target(of: expr, targets, scope, "GROUP BY", aliasFirst: false)
            }
            if found.expr.uses(ColumnSet(parts.block.aggregates.map(\.column.id))) {
                throw SQLError(
                    .groupingError, "aggregate functions are not allowed in GROUP BY", position: found.position)
            }
            if found.expr.uses(ColumnSet(parts.block.windows.map(\.column.id))) {
                throw SQLError(
                    .windowingError, "window functions are not allowed in GROUP BY", position: found.position)
            }
            try checkEquality(found.expr.type, found.position)
            let index: Int
            if let known = found.target.flatMap({ parts.targets[$0].group }) {
                index = known
            } else {
                index = parts.groups.add(found.expr)
            }
            if let target = found.target { parts.targets[target].group = index }
            if !indexes.contains(index) { indexes.append(index) }
        }
        return indexes
    }

    // MARK: The aggregate node

    /// Puts the aggregate over its input, and gives the groups their columns.
    func aggregateNode(_ input: LogicalPlan, _ parts: inout SelectParts) -> LogicalPlan {
        let inputIDs = ColumnSet(input.columns.map(\.id))
        var outputs: [LogicalPlan.Output] = []
        for (index, expr) in parts.groups.exprs.enumerated() {
            var result: PlanColumn?
            if parts.groups.sets == nil, case .column(let column) = expr, inputIDs.contains(column.id) {
                result = column
            }
            let name = parts.targets.first { $0.group == index }?.name ?? expr.columnName ?? "group"
            let column = result ?? self.column(name, expr.type)
            parts.groups.columns.append(column)
            outputs.append(LogicalPlan.Output(column, expr))
        }
        if parts.groups.sets != nil, !parts.block.groupings.isEmpty {
            parts.groups.setColumn = column("grouping_set", .int4, isNullable: false)
        }
        return .aggregate(
            LogicalPlan.AggregateNode(
                input: input, groups: outputs, sets: parts.groups.sets, setColumn: parts.groups.setColumn,
                calls: parts.block.aggregates))
    }

    /// Rewrites an expression over the input to one over the aggregate's output. `uses` are the column uses in its
    /// text, for the error's position.
    func overGroups(
        _ expr: Expr, _ parts: SelectParts, _ ids: ColumnSet, uses: Range<Int>? = nil
    ) throws(SQLError) -> Expr {
        try rewrite(expr, parts, ids, uses, isInSubquery: false)
    }

    private func rewrite(
        _ expr: Expr, _ parts: SelectParts, _ ids: ColumnSet, _ uses: Range<Int>?, isInSubquery: Bool
    ) throws(SQLError) -> Expr {
        if case .literal = expr { return expr }
        for (index, group) in parts.groups.exprs.enumerated() where group.isSame(as: expr) {
            return .column(parts.groups.columns[index])
        }
        if case .column(let column) = expr {
            for call in parts.block.groupings where call.column.id == column.id {
                return try groupingValue(call, parts)
            }
            guard ids.contains(column.id) else { return expr }
            throw ungrouped(column, parts.block, uses, isInSubquery: isInSubquery)
        }
        return try expr.mapOperands(
            { (operand) throws(SQLError) in try rewrite(operand, parts, ids, uses, isInSubquery: isInSubquery) },
            plans: { (plan) throws(SQLError) in
                try plan.replacingExpressions { (inner) throws(SQLError) -> Expr? in
                    try rewriteInSubquery(inner, parts, ids, uses)
                }
            })
    }

    /// Nil where nothing of the outer query stands, so that the walk goes on.
    private func rewriteInSubquery(
        _ expr: Expr, _ parts: SelectParts, _ ids: ColumnSet, _ uses: Range<Int>?
    ) throws(SQLError) -> Expr? {
        if case .literal = expr { return nil }
        for (index, group) in parts.groups.exprs.enumerated() where group.isSame(as: expr) {
            return .column(parts.groups.columns[index])
        }
        guard case .column(let column) = expr else { return nil }
        for call in parts.block.groupings where call.column.id == column.id { return try groupingValue(call, parts) }
        if ids.contains(column.id) { throw ungrouped(column, parts.block, uses, isInSubquery: true) }
        return nil
    }

    private func ungrouped(
        _ column: PlanColumn, _ block: SelectBlock, _ uses: Range<Int>?, isInSubquery: Bool
    ) -> SQLError {
        var name = column.name
        for item in block.scope.items {
            for known in item.columns {
                guard case .column(let found) = known.expr, found.id == column.id else { continue }
                if let table = item.name { name = "\(table).\(known.name)" } else { continue }
            }
        }
        let own = uses.flatMap { range in block.uses[range].first { $0.id == column.id } }
        let at = (own ?? block.uses.last { $0.id == column.id })?.position
        let message =
            isInSubquery
            ? "subquery uses ungrouped column \"\(name)\" from outer query"
            : "column \"\(name)\" must appear in the GROUP BY clause or be used in an aggregate function"
        return SQLError(.groupingError, message, position: at)
    }

    /// The bits of GROUPING(a, b): 1 where the set lacks the argument.
    private func groupingValue(
        _ call: SelectBlock.GroupingCall, _ parts: SelectParts
    ) throws(SQLError) -> Expr {
        var indexes: [Int] = []
        for argument in call.arguments {
            guard let index = parts.groups.exprs.firstIndex(where: { $0.isSame(as: argument.expr) }) else {
                throw SQLError(
                    .groupingError,
                    "arguments to GROUPING must be grouping expressions of the associated query level",
                    position: argument.position)
            }
            indexes.append(index)
        }
        guard let sets = parts.groups.sets, let number = parts.groups.setColumn else { return .literal(.int4(0)) }
        func bits(_ set: [Int]) -> Expr {
            var value: Int32 = 0
            for index in indexes { value = value << 1 | (set.contains(index) ? 0 : 1) }
            return .literal(.int4(value))
        }
        var branches: [(when: Expr, then: Expr)] = []
        for (index, set) in sets.enumerated().dropLast() {
            let isSet = Typed(.literal(.int4(Int32(index))), nil)
            branches.append((try operation("=", Typed(.column(number), nil), isSet, nil), bits(set)))
        }
        return .conditional(branches, otherwise: bits(sets[sets.count - 1]), .int4)
    }
}

extension SelectBlock {
    /// Columns that aggregates, windows and GROUPING compute.
    var computedIDs: ColumnSet {
        ColumnSet(aggregates.map(\.column.id) + windows.map(\.column.id) + groupings.map(\.column.id))
    }
}

extension Expr {
    /// Whether this uses any of some columns.
    func uses(_ ids: ColumnSet) -> Bool {
        contains { expr in
            if case .column(let column) = expr { return ids.contains(column.id) }
            return false
        }
    }

    fileprivate var columnName: String? {
        if case .column(let column) = self { return column.name }
        return nil
    }
}
