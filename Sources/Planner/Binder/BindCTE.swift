// WITH: common table expressions, bound once or once a reference, and WITH RECURSIVE.
import Columns
import Diagnostics
import Functions
public import Syntax

/// Common table expressions in view at a place of a query.
final class CTEScope {
    let outer: CTEScope?
    private(set) var entries: [CTEEntry] = []

    init(outer: CTEScope?) { self.outer = outer }

    func add(_ entry: CTEEntry) { entries.append(entry) }

    func find(_ name: String) -> CTEEntry? {
        var scope: CTEScope? = self
        while let current = scope {
            if let entry = current.entries.last(where: { $0.name == name }) { return entry }
            scope = current.outer
        }
        return nil
    }

}

/// One common table expression.
final class CTEEntry {
    let name: String
    let table: CommonTable
    /// Where its own text is bound.
    let outer: Scope?
    let ctes: CTEScope?
    let id: Int
    var columns: [PlanColumn] = []
    var plan: LogicalPlan?
    /// Whether each reference gets a plan of its own; the first takes ``plan``.
    var isBoundAgain = false
    var isPlanTaken = false
    /// References of the recursive term to itself.
    var selfReferences = 0
    /// While the recursive query of this name is bound: whether it may refer to itself now.
    var recursion: Recursion = .none

    enum Recursion {
        case none
        case base
        /// In the recursive term, which began inside this many subqueries and nullable sides.
        case step(id: Int, subqueries: Int, nullableSides: Int)
    }

    init(_ table: CommonTable, id: Int, outer: Scope?, ctes: CTEScope?) {
        name = table.name.value
        self.table = table
        self.id = id
        self.outer = outer
        self.ctes = ctes
    }
}

extension QueryBinder {
    /// Binds the tables of WITH; returns the scope that sees them.
    func bindWith(
        _ query: Query, _ outer: Scope?, _ ctes: CTEScope?
    ) throws(SQLError) -> CTEScope {
        let scope = CTEScope(outer: ctes)
        for table in query.with {
            guard !scope.entries.contains(where: { $0.name == table.name.value }) else {
                throw SQLError(
                    .duplicateAlias, "WITH query name \"\(table.name.value)\" specified more than once",
                    position: position(table.name.position))
            }
            if let write = table.write {
                throw SQLError(
                    .featureNotSupported,
                    "WITH clause containing a data-modifying statement must be at the top level",
                    position: position(write.position))
            }
            let visible = CTEScope(outer: ctes)
            for entry in scope.entries { visible.add(entry) }
            let entry = CTEEntry(table, id: nextCTE(), outer: outer, ctes: visible)
            if query.isRecursive, try QueryNames.mentions(entry.name, in: table.query, context: context) {
                entry.plan = try recursive(entry, visible)
            } else {
                entry.plan = try definition(entry)
                entry.isBoundAgain =
                    table.isMaterialized == false || table.isMaterialized == nil && table.query.isTrivial
            }
            entry.columns = entry.plan?.columns ?? []
            scope.add(entry)
        }
        return scope
    }

    private func definition(_ entry: CTEEntry) throws(SQLError) -> LogicalPlan {
        let plan = try bind(entry.table.query, outer: entry.outer, ctes: entry.ctes).plan
        return try renamedColumns(
            plan, entry.table.columns.map(\.value), "WITH query \"\(entry.name)\"",
            position(entry.table.name.position))
    }

    /// A reference in FROM.
    func commonTable(_ entry: CTEEntry, _ at: Int?) throws(SQLError) -> LogicalPlan {
        switch entry.recursion {
        case .none: break
        case .base:
            throw SQLError(
                .invalidRecursion,
                "recursive reference to query \"\(entry.name)\" must not appear within its non-recursive term",
                position: at)
        case .step(let id, let subqueries, let sides):
            var problem: String?
            if expressionSubqueries > subqueries { problem = "within a subquery" }
            if nullableSides > sides { problem = "within an outer join" }
            if entry.selfReferences > 0 { problem = "more than once" }
            if let problem {
                throw SQLError(
                    .invalidRecursion,
                    "recursive reference to query \"\(entry.name)\" must not appear \(problem)", position: at)
            }
            entry.selfReferences += 1
            return .cteScan(LogicalPlan.CTEScan(id: id, name: entry.name, columns: fresh(entry.columns)))
        }
        guard entry.isBoundAgain else {
            return .cteScan(LogicalPlan.CTEScan(id: entry.id, name: entry.name, columns: fresh(entry.columns)))
        }
        if let plan = entry.plan, !entry.isPlanTaken {
            entry.isPlanTaken = true
            return plan
        }
        return try definition(entry)
    }

    private func fresh(_ columns: [PlanColumn]) -> [PlanColumn] {
        columns.map { column($0.name, $0.type, isNullable: $0.isNullable) }
    }

    /// Puts the shared tables of a WITH around its body: tables used once go where they are used.
    func wrap(_ body: LogicalPlan, with scope: CTEScope) throws(SQLError) -> LogicalPlan {
        var plan = body
        var references: [Int: Int] = [:]
        body.countCTEScans(&references)
        for entry in scope.entries.reversed() where !entry.isBoundAgain {
            guard let definition = entry.plan, let count = references[entry.id] else { continue }
            definition.countCTEScans(&references)
            if count == 1, entry.table.isMaterialized != true, !definition.isVolatile {
                plan = try inline(definition, for: entry.id, in: plan)
            } else {
                plan = .with(id: entry.id, definition: definition, body: plan)
            }
        }
        return plan
    }

    private func inline(
        _ definition: LogicalPlan, for id: Int, in plan: LogicalPlan
    ) throws(SQLError) -> LogicalPlan {
        let columns = definition.columns
        return try plan.rebuilding { (node) throws(SQLError) in
            guard case .cteScan(let scan) = node, scan.id == id else { return node }
            return .project(definition, zip(scan.columns, columns).map { LogicalPlan.Output($0, .column($1)) })
        }
    }

    // MARK: Recursion

    private func recursive(_ entry: CTEEntry, _ visible: CTEScope) throws(SQLError) -> LogicalPlan {
        let query = entry.table.query
        let at = position(entry.table.name.position)
        guard case .setOperation(.union, let isAll, let left, let right, _) = query.body, query.with.isEmpty else {
            throw SQLError(
                .invalidRecursion,
                "recursive query \"\(entry.name)\" does not have the form non-recursive-term UNION [ALL] "
                    + "recursive-term", position: at)
        }
        for (isThere, clause) in [
            (!query.order.isEmpty || query.orderAll != nil, "ORDER BY"), (query.offset != nil, "OFFSET"),
            (query.limit != nil, "LIMIT"), (query.isLocking, "FOR UPDATE/SHARE"),
        ] where isThere {
            throw SQLError(
                .featureNotSupported, "\(clause) in a recursive query is not implemented", position: at)
        }
        visible.add(entry)
        entry.recursion = .base
        var base = try bind(left, outer: entry.outer, ctes: visible)
        let loose = base.plan.columns.map { $0.type == .unknown ? SQLType.text : $0.type.withoutModifier }
        base = try castOutputs(base, to: loose, "UNION")
        base.plan = try renamedColumns(
            base.plan, entry.table.columns.map(\.value), "WITH query \"\(entry.name)\"", at)
        entry.columns = fresh(base.plan.columns)
        let id = nextCTE()
        entry.recursion = .step(id: id, subqueries: expressionSubqueries, nullableSides: nullableSides)
        var step = try bind(right, outer: entry.outer, ctes: visible, keepsOpen: true)
        entry.recursion = .none
        guard entry.selfReferences == 1 else {
            throw SQLError(
                .invalidRecursion, "recursive reference to query \"\(entry.name)\" is missing in its recursive term",
                position: at)
        }
        step = try stepOutputs(step, entry, at)
        return .recursive(
            LogicalPlan.Recursive(
                id: id, isAll: isAll, base: base.plan, step: step.plan, columns: fresh(base.plan.columns)))
    }

    /// The recursive term must give the types of the first one.
    private func stepOutputs(
        _ step: BoundRows, _ entry: CTEEntry, _ at: Int?
    ) throws(SQLError) -> BoundRows {
        let columns = step.plan.columns
        guard columns.count == entry.columns.count else {
            throw SQLError(
                .syntaxError, "each UNION query must have the same number of columns",
                position: step.positions.first ?? at)
        }
        for (index, known) in entry.columns.enumerated() where columns[index].type != .unknown {
            let type = columns[index].type.withoutModifier
            guard type != known.type, FunctionRegistry.commonType([known.type, type]) != known.type else { continue }
            throw SQLError(
                .datatypeMismatch,
                "recursive query \"\(entry.name)\" column \(index + 1) has type \(known.type.baseName) in "
                    + "non-recursive term but type \(type.baseName) overall",
                hint: "Cast the output of the non-recursive term to the correct type.",
                position: index < step.positions.count ? step.positions[index] : at)
        }
        return try castOutputs(step, to: entry.columns.map(\.type), "UNION")
    }
}

extension Query {
    /// Whether binding this again for each reference costs nothing: one table, filtered and projected.
    public var isTrivial: Bool {
        guard with.isEmpty, order.isEmpty, orderAll == nil, limit == nil, offset == nil,
            case .select(let select) = body, select.distinct == .all, select.groupBy.isEmpty, !select.groupByAll,
            select.having == nil, select.qualify == nil, select.windows.isEmpty, select.from.count == 1,
            case .table = select.from[0].node
        else { return false }
        return (select.items.map(\.value) + (select.filter.map { [$0] } ?? [])).allSatisfy(\.isCheap)
    }
}

extension Expression {
    /// No calls and no subqueries: comparisons and arithmetic over columns.
    fileprivate var isCheap: Bool {
        switch node {
        case .call, .inQuery, .exists, .scalarQuery, .arrayQuery, .quantified: false
        default: operands.allSatisfy(\.isCheap)
        }
    }
}

extension LogicalPlan {
    /// Counts the scans of common tables, also inside subqueries of expressions.
    fileprivate func countCTEScans(_ counts: inout [Int: Int]) {
        if case .cteScan(let scan) = self { counts[scan.id, default: 0] += 1 }
        for input in inputs { input.countCTEScans(&counts) }
        for expr in expressions { expr.countCTEScans(&counts) }
    }

    /// Whether some expression may give another value each time.
    fileprivate var isVolatile: Bool {
        containsExpression { expr in
            if case .call(let function, _) = expr { return function.volatility == .volatile }
            return false
        }
    }
}

extension Expr {
    fileprivate func countCTEScans(_ counts: inout [Int: Int]) {
        if case .subquery(let subquery) = self { subquery.plan.countCTEScans(&counts) }
        for operand in operands { operand.countCTEScans(&counts) }
    }
}
