// Subqueries to joins. Uncorrelated ones join as they stand; correlated ones give up their correlated conditions, which
// become join conditions (CorrelatedPredicates.swift); what resists is joined through the distinct outer values
// (DependentJoin.swift, after Neumann and Kemper, "Unnesting Arbitrary Queries", 2015).
import Columns
import Diagnostics
import Functions

/// Removes every ``Expr/subquery(_:)`` and every lateral join.
struct Decorrelate: OptimizerRule {
    let name = "decorrelate"
    let isRequired = true

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        let needsIt = plan.contains { node in
            if case .join(let join) = node, join.isLateral { return true }
            return node.expressions.contains { $0.hasSubquery }
        }
        guard needsIt else { return nil }
        let work = Decorrelation(fresh: FreshColumns(after: plan))
        return try work.plan(plan)
    }
}

extension LogicalPlan {
    /// Whether a node of the plan, subquery plans aside, satisfies a test.
    func contains(_ test: (LogicalPlan) -> Bool) -> Bool {
        test(self) || inputs.contains { $0.contains(test) }
    }
}

/// One run of the rule.
struct Decorrelation {
    let fresh: FreshColumns

    /// Rewrites bottom-up: a node's inputs are free of subqueries before its own are removed.
    func plan(_ plan: LogicalPlan) throws(SQLError) -> LogicalPlan {
        let node = try plan.mapInputs { (input) throws(SQLError) in try self.plan(input) }
        switch node {
        case .join(let join) where join.isLateral: return try lateral(join)
        case .join(let join): return try joinConditions(join)
        case .filter(let input, let condition): return try filter(input, condition)
        case .aggregate, .project, .sort, .window, .limit, .distinct, .unnest: return try operands(node)
        case .values(let values): return try self.values(values)
        case .scan, .setOperation, .recursive, .cteScan, .with, .write: return node
        }
    }

    // MARK: - Where subqueries stand

    /// Conditions of a filter: EXISTS and IN become semi and anti joins when they stand alone.
    func filter(_ input: LogicalPlan, _ condition: Expr) throws(SQLError) -> LogicalPlan {
        guard condition.hasSubquery else { return .filter(input, condition) }
        let columns = input.columns
        var current = input
        var later: [Expr] = []
        var plain: [Expr] = []
        for conjunct in condition.conjuncts {
            if conjunct.hasSubquery { later.append(conjunct) } else { plain.append(conjunct) }
        }
        // What needs no join first: fewer rows to join.
        current = current.filtered(plain)
        for conjunct in later {
            if let joined = try semiJoin(current, conjunct) {
                current = joined
            } else {
                var target = current
                let replaced = try replaceSubqueries(conjunct, &target)
                current = target.filtered([replaced])
            }
        }
        return current.passing(columns)
    }

    /// Nodes over one input: the input grows by the subqueries' columns.
    private func operands(_ node: LogicalPlan) throws(SQLError) -> LogicalPlan {
        guard node.expressions.contains(where: \.hasSubquery), let input = node.inputs.first else { return node }
        if case .write = input { return try returning(node, of: input) }
        var target = input
        let changed = try node.mapExpressions { (expr) throws(SQLError) in try replaceSubqueries(expr, &target) }
        let rebuilt = try changed.mapInputs { (_) throws(SQLError) in target }
        if case .distinct(let distinct) = node, distinct.on == nil { return rebuilt }
        return rebuilt.passing(node.columns)
    }

    /// Subqueries in RETURNING look at what a write gives. Rows around a subquery may be computed twice, but a table must
    /// not be written twice: the write is a common table expression.
    private func returning(_ node: LogicalPlan, of write: LogicalPlan) throws(SQLError) -> LogicalPlan {
        let id = fresh.number()
        let columns = write.columns.map { fresh.make(like: $0) }
        let map = Dictionary(
            zip(write.columns.map(\.id), columns.map { Expr.column($0) }), uniquingKeysWith: { first, _ in first })
        let scan = LogicalPlan.cteScan(LogicalPlan.CTEScan(id: id, name: "returning", columns: columns))
        let body = try node.mapInputs { (_) throws(SQLError) in scan }
            .mapExpressions { (expr) throws(SQLError) in try expr.substituting(map) }
        return .with(id: id, definition: write, body: try operands(body))
    }

    /// Subqueries in literal rows: one row of no columns joined with them, then projected.
    private func values(_ values: LogicalPlan.Values) throws(SQLError) -> LogicalPlan {
        guard values.rows.contains(where: { $0.contains(where: \.hasSubquery) }) else { return .values(values) }
        var rows: [LogicalPlan] = []
        for row in values.rows {
            var target = LogicalPlan.values(LogicalPlan.Values(columns: [], rows: [[]]))
            var outputs: [LogicalPlan.Output] = []
            for (column, expr) in zip(values.columns, row) {
                let made = rows.isEmpty && values.rows.count == 1 ? column : fresh.make(like: column)
                outputs.append(LogicalPlan.Output(made, try replaceSubqueries(expr, &target)))
            }
            rows.append(.project(target, outputs))
        }
        if rows.count == 1 { return rows[0] }
        return .setOperation(
            LogicalPlan.SetOperation(kind: .union, isAll: true, inputs: rows, columns: values.columns))
    }

    /// Subqueries in ON: a filter above an inner join; for outer joins, computed on the one side they look at.
    private func joinConditions(_ join: LogicalPlan.Join) throws(SQLError) -> LogicalPlan {
        let conditions = join.keys.flatMap { [$0.left, $0.right] } + join.residual
        guard conditions.contains(where: \.hasSubquery) else { return .join(join) }
        let columns = LogicalPlan.join(join).columns
        var join = join
        let subqueries = join.residual.filter(\.hasSubquery)
        guard !join.keys.contains(where: { $0.left.hasSubquery || $0.right.hasSubquery }) else {
            throw SQLError(.featureNotSupported, "subqueries as join keys are not supported")
        }
        join.residual.removeAll(where: \.hasSubquery)
        if join.kind == .inner { return try filter(.join(join), Expr.all(subqueries)) }
        var (left, right) = (join.left, join.right)
        var both: [Expr] = []
        for condition in subqueries {
            var looksAtBoth = false
            let replaced = try condition.replacing { (expr) throws(SQLError) -> Expr? in
                guard case .subquery(let subquery) = expr else { return nil }
                let outer = expr.columnIDs
                if outer.isSubset(of: right.columnIDs) { return try self.value(subquery, &right) }
                if outer.isSubset(of: left.columnIDs) { return try self.value(subquery, &left) }
                looksAtBoth = true
                return expr
            }
            if looksAtBoth { both.append(replaced) } else { join.residual.append(replaced) }
        }
        (join.left, join.right) = (left, right)
        guard both.isEmpty else { return try outerJoin(join, both).passing(columns) }
        return LogicalPlan.join(join).passing(columns)
    }

    /// Replaces every subquery of an expression by a column that `target` is joined with.
    /// `guards` must hold for the expression to be reached at all: a branch of CASE that is not taken raises no error.
    private func replaceSubqueries(
        _ expr: Expr, _ target: inout LogicalPlan, guards: [Expr] = []
    ) throws(SQLError) -> Expr {
        guard expr.hasSubquery else { return expr }
        var passed = guards
        switch expr {
        case .subquery(let subquery):
            var grown = target
            let ready = try expr.mapOperands { (operand) throws(SQLError) in
                try self.replaceSubqueries(operand, &grown, guards: guards)
            }
            target = grown
            guard case .subquery(let found) = ready else { return try value(subquery, &target, guards: guards) }
            return try value(found, &target, guards: guards)
        case .conditional(let branches, let otherwise, let type):
            var made: [(when: Expr, then: Expr)] = []
            for branch in branches {
                let when = try replaceSubqueries(branch.when, &target, guards: passed)
                made.append((when, try replaceSubqueries(branch.then, &target, guards: passed + [when])))
                passed.append(.not(.notDistinct(when, .yes)))
            }
            return .conditional(
                made, otherwise: try replaceSubqueries(otherwise, &target, guards: passed), type)
        case .coalesce(let operands, let type):
            return .coalesce(try inTurn(operands, &target, guards) { .isNull($0) }, type)
        case .and(let operands):
            return .and(try inTurn(operands, &target, guards) { .not(.notDistinct($0, .literal(.boolean(false)))) })
        case .or(let operands):
            return .or(try inTurn(operands, &target, guards) { .not(.notDistinct($0, .yes)) })
        default:
            var grown = target
            let replaced = try expr.mapOperands { (operand) throws(SQLError) in
                try self.replaceSubqueries(operand, &grown, guards: guards)
            }
            target = grown
            return replaced
        }
    }

    /// Operands that are evaluated only while those before them have not settled the result.
    private func inTurn(
        _ operands: [Expr], _ target: inout LogicalPlan, _ guards: [Expr], _ isOpen: (Expr) -> Expr
    ) throws(SQLError) -> [Expr] {
        var passed = guards
        var made: [Expr] = []
        for operand in operands {
            let next = try replaceSubqueries(operand, &target, guards: passed)
            made.append(next)
            passed.append(isOpen(next))
        }
        return made
    }

    // MARK: - Values of subqueries

    /// Joins `target` with a subquery, and returns the expression of its value.
    private func value(
        _ subquery: Expr.Subquery, _ target: inout LogicalPlan, guards: [Expr] = []
    ) throws(SQLError) -> Expr {
        let inner = try plan(subquery.plan)
        switch subquery.kind {
        case .scalar: return try scalar(inner, &target, guards)
        case .exists: return try exists(inner, conditions: [], guards, &target)
        case .any(let tests):
            return try quantified(
                inner, tests.map { .call($0.comparison, [$0.operand, .column($0.column)]) }, guards, &target)
        case .all(let tests):
            let failures = tests.map { Expr.not(.call($0.comparison, [$0.operand, .column($0.column)])) }
            return .not(try quantified(inner, failures, guards, &target))
        }
    }

    private func scalar(
        _ inner: LogicalPlan, _ target: inout LogicalPlan, _ guards: [Expr]
    ) throws(SQLError) -> Expr {
        guard let column = inner.columns.first else { return .literal(.null(.unknown)) }
        // Only a subquery that may have too many rows needs guarding: the others cannot fail by their number of rows.
        let conditions = inner.isAtMostOneRow ? [] : guards.filter { !$0.isVolatile && !$0.canFail }
        let (joined, value) = try single(target, inner, column, conditions, within: guards)
        target = joined
        return value
    }

    /// TRUE or FALSE, never NULL: a mark join whose unknown counts as no match.
    private func exists(
        _ inner: LogicalPlan, conditions: [Expr], _ guards: [Expr], _ target: inout LogicalPlan
    ) throws(SQLError) -> Expr {
        let mark = fresh.make("exists", .boolean)
        target = try joined(.mark, target, inner.withoutRowLimit, conditions, mark: mark, within: guards)
        return .coalesce([.column(mark), .literal(.boolean(false))], .boolean)
    }

    /// ANY: TRUE if a row passes, else NULL if a row is unknown, else FALSE.
    private func quantified(
        _ inner: LogicalPlan, _ conditions: [Expr], _ guards: [Expr], _ target: inout LogicalPlan
    ) throws(SQLError) -> Expr {
        // A single equality without correlation: the mark join knows IN's own NULL rules.
        if conditions.count == 1, let (left, right) = conditions[0].asEquality, inner.outerIDs(in: target).isEmpty,
            right.asColumn != nil, left.columnIDs.isSubset(of: target.columnIDs)
        {
            let mark = fresh.make("in", .boolean)
            target = .join(
                LogicalPlan.Join(
                    kind: .mark, left: target, right: inner,
                    keys: [LogicalPlan.JoinKey(left: left, right: right)], mark: mark))
            return .column(mark)
        }
        let condition = Expr.all(conditions)
        let yes = try exists(inner, conditions: conditions, guards, &target)
        let again = try inner.renamed(fresh)
        var map: [ColumnID: Expr] = [:]
        for (old, new) in zip(inner.columns, again.columns) { map[old.id] = .column(new) }
        let unknown = try exists(again, conditions: [.isNull(try condition.substituting(map))], guards, &target)
        return .conditional(
            [(yes, .yes), (unknown, .literal(.null(.boolean)))], otherwise: .literal(.boolean(false)), .boolean)
    }

    /// A conjunct that is [NOT] EXISTS or [NOT] IN as a semi or anti join; nil for anything else.
    private func semiJoin(_ target: LogicalPlan, _ conjunct: Expr) throws(SQLError) -> LogicalPlan? {
        var isNegated = false
        var test = conjunct
        while case .not(let inner) = test {
            isNegated.toggle()
            test = inner
        }
        guard case .subquery(let subquery) = test else { return nil }
        var conditions: [Expr] = []
        switch subquery.kind {
        case .scalar: return nil
        case .exists: break
        case .any(let tests):
            guard !tests.contains(where: { $0.operand.hasSubquery }) else { return nil }
            for test in tests {
                let condition = Expr.call(test.comparison, [test.operand, .column(test.column)])
                // NOT IN drops a row also when the comparison is unknown.
                conditions.append(condition)
            }
            if isNegated {
                // Unknown unless both are known; the mark join is the better plan for a plain NOT IN.
                if tests.count == 1, conditions[0].asEquality != nil { return nil }
                conditions = [.coalesce([Expr.all(conditions), .yes], .boolean)]
            }
        case .all(let tests):
            guard !isNegated, !tests.contains(where: { $0.operand.hasSubquery }) else { return nil }
            isNegated = true
            let holds = Expr.all(tests.map { .call($0.comparison, [$0.operand, .column($0.column)]) })
            conditions = [.coalesce([.not(holds), .yes], .boolean)]
        }
        let inner = try plan(subquery.plan).withoutRowLimit
        return try joined(isNegated ? .anti : .semi, target, inner, conditions)
    }

    // MARK: - Joins

    /// Joins for existence: semi, anti or mark.
    private func joined(
        _ kind: LogicalPlan.JoinKind, _ left: LogicalPlan, _ right: LogicalPlan, _ conditions: [Expr],
        mark: PlanColumn? = nil, within guards: [Expr] = []
    ) throws(SQLError) -> LogicalPlan {
        let outer = right.outerIDs(in: left)
        if outer.isEmpty { return LogicalPlan.joining(kind, left, right, conditions, mark: mark) }
        if let pulled = CorrelatedPredicates(outer: outer, fresh: fresh, keepsCounts: false).pull(right),
            pulled.defaults.isEmpty, !pulled.isScalarAggregate
        {
            return LogicalPlan.joining(kind, left, pulled.plan, conditions + pulled.predicates, mark: mark)
        }
        return try DependentJoin(fresh: fresh, within: guards).join(kind, left, right, conditions, mark: mark)
    }

    /// Joins a scalar subquery: every left row once, with the value or NULL.
    private func single(
        _ left: LogicalPlan, _ right: LogicalPlan, _ column: PlanColumn, _ guards: [Expr],
        within all: [Expr]
    ) throws(SQLError) -> (LogicalPlan, Expr) {
        let outer = right.outerIDs(in: left)
        if outer.isEmpty {
            return (LogicalPlan.joining(.single, left, right, guards), .column(column))
        }
        if let pulled = CorrelatedPredicates(outer: outer, fresh: fresh, keepsCounts: true).pull(right) {
            // At most one row a key: a left join is enough, and cheaper.
            let kind: LogicalPlan.JoinKind = pulled.isUnique ? .left : .single
            let conditions = pulled.predicates + (pulled.isUnique ? [] : guards)
            var inner = pulled.plan
            guard let fallback = pulled.defaults[column.id] else {
                return (LogicalPlan.joining(kind, left, inner, conditions), .column(column))
            }
            // No row matched: the aggregate over nothing, count(*) = 0.
            let matched = fresh.make("matched", .boolean)
            inner = .project(
                inner,
                inner.columns.map { LogicalPlan.Output($0, .column($0)) } + [LogicalPlan.Output(matched, .yes)])
            let value = Expr.conditional(
                [(.isNull(.column(matched)), fallback)], otherwise: .column(column), column.type)
            return (LogicalPlan.joining(kind, left, inner, conditions), value)
        }
        return (try DependentJoin(fresh: fresh, within: all).join(.single, left, right, guards), .column(column))
    }

    /// LATERAL in FROM: inner or left.
    private func lateral(_ join: LogicalPlan.Join) throws(SQLError) -> LogicalPlan {
        var join = join
        join.isLateral = false
        let conditions = join.keys.map(\.equality) + join.residual
        let outer = join.right.outerIDs(in: join.left)
        if outer.isEmpty { return try joinConditions(join) }
        // unnest(t.list), generate_series(1, t.n): the function itself runs over the left rows.
        if case .unnest(var node) = join.right, node.input.columns.isEmpty, conditions.isEmpty || join.kind == .inner,
            case .values(let values) = node.input, values.rows.count == 1
        {
            node.input = join.left
            node.keepsEmpty = join.kind == .left
            return LogicalPlan.unnest(node).filtered(conditions)
        }
        if conditions.contains(where: \.hasSubquery) {
            guard join.kind == .inner else {
                throw SQLError(
                    .featureNotSupported, "subqueries in the condition of LEFT JOIN LATERAL are not supported",
                    hint: "Put the condition into the lateral subquery.")
            }
            let columns = LogicalPlan.join(join).columns
            (join.keys, join.residual) = ([], [])
            join.isLateral = true
            return try filter(try lateral(join), Expr.all(conditions)).passing(columns)
        }
        if let pulled = CorrelatedPredicates(outer: outer, fresh: fresh, keepsCounts: true).pull(join.right),
            pulled.defaults.isEmpty, !pulled.isScalarAggregate || join.kind == .left && conditions.isEmpty
        {
            return LogicalPlan.joining(join.kind, join.left, pulled.plan, conditions + pulled.predicates)
                .passing(LogicalPlan.join(join).columns)
        }
        return try DependentJoin(fresh: fresh).join(join.kind, join.left, join.right, conditions)
            .passing(LogicalPlan.join(join).columns)
    }
}

extension LogicalPlan.JoinKey {
    /// The key as a condition.
    var equality: Expr {
        if nullsEqual { return .notDistinct(left, right) }
        if let equal = try? FunctionRegistry.binaryOrUnary("=", left.type, right.type, position: nil) {
            return .call(equal, [left, right])
        }
        return .notDistinct(left, right)
    }
}

extension LogicalPlan {
    /// Columns of `left` that this plan reads.
    func outerIDs(in left: LogicalPlan) -> ColumnSet { outerColumnIDs.intersection(left.columnIDs) }

    /// Whether this has one row at the most, whatever the data: an aggregate of all rows, LIMIT 1.
    var isAtMostOneRow: Bool {
        switch self {
        case .aggregate(let node): node.groups.isEmpty && node.sets == nil
        case .values(let values): values.rows.count <= 1
        case .limit(let node): node.limit?.asLiteral?.value == .int(1) && !node.withTies || node.input.isAtMostOneRow
        case .filter(let input, _), .project(let input, _), .sort(let input, _): input.isAtMostOneRow
        default: false
        }
    }

    /// For existence it does not matter how many rows there are, as long as there is one, nor in which order.
    var withoutRowLimit: LogicalPlan {
        switch self {
        case .limit(let node):
            guard node.offset == nil, let limit = node.limit?.asLiteral, case .int(let rows) = limit.value, rows > 0
            else { return self }
            return node.input.withoutRowLimit
        case .sort(let input, _): return input.withoutRowLimit
        case .project(let input, let outputs): return .project(input.withoutRowLimit, outputs)
        default: return self
        }
    }

    /// Joins on conditions: equalities between the sides become keys.
    static func joining(
        _ kind: JoinKind, _ left: LogicalPlan, _ right: LogicalPlan, _ conditions: [Expr], mark: PlanColumn? = nil
    ) -> LogicalPlan {
        var join = Join(kind: kind, left: left, right: right, mark: mark)
        let (leftIDs, rightIDs) = (left.columnIDs, right.columnIDs)
        for condition in conditions.flatMap(\.conjuncts) {
            if let key = JoinKey(condition, leftIDs, rightIDs) {
                join.keys.append(key)
            } else {
                join.residual.append(condition)
            }
        }
        return .join(join)
    }

    /// The same plan with new ids for all columns it makes.
    func renamed(_ fresh: FreshColumns) throws(SQLError) -> LogicalPlan {
        try Renaming(fresh).plan(self)
    }
}

extension LogicalPlan.JoinKey {
    /// An equality whose sides each belong to one side of a join; nil otherwise.
    init?(_ condition: Expr, _ leftIDs: ColumnSet, _ rightIDs: ColumnSet) {
        let nullsEqual: Bool
        let sides: (left: Expr, right: Expr)
        if let equality = condition.asEquality {
            sides = equality
            nullsEqual = false
        } else if case .notDistinct(let left, let right) = condition {
            sides = (left, right)
            nullsEqual = true
        } else {
            return nil
        }
        guard sides.left.type == sides.right.type, !condition.isVolatile, !condition.hasSubquery else { return nil }
        let (first, second) = (sides.left.columnIDs, sides.right.columnIDs)
        guard !first.isEmpty, !second.isEmpty else { return nil }
        if first.isSubset(of: leftIDs), second.isSubset(of: rightIDs) {
            self.init(left: sides.left, right: sides.right, nullsEqual: nullsEqual)
        } else if first.isSubset(of: rightIDs), second.isSubset(of: leftIDs) {
            self.init(left: sides.right, right: sides.left, nullsEqual: nullsEqual)
        } else {
            return nil
        }
    }
}
