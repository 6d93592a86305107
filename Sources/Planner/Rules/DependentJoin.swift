// Correlated subqueries that resist simpler ways: the subquery is computed for every distinct combination of outer
// values at once, and joined back on them (Neumann and Kemper, 2015).
import Columns
import Diagnostics
import Functions

/// Pushes the distinct outer values (the domain) down into a plan.
struct DependentJoin {
    let fresh: FreshColumns
    /// What holds for the outer rows whose result is used: for others nothing is computed.
    var within: [Expr] = []
    /// WITH RECURSIVE around: scans of their last rows bring the domain's values along.
    private var carried: Set<Int> = []

    init(fresh: FreshColumns, within: [Expr] = []) {
        self.fresh = fresh
        self.within = within
    }

    /// Joins `left` with a `right` that reads columns of it.
    func join(
        _ kind: LogicalPlan.JoinKind, _ left: LogicalPlan, _ right: LogicalPlan, _ conditions: [Expr],
        mark: PlanColumn? = nil
    ) throws(SQLError) -> LogicalPlan {
        let ids = right.outerIDs(in: left)
        let columns = left.columns.filter { ids.contains($0.id) }
        // The outer side again, under other names, cut to its distinct values.
        let copy = try left.filtered(within.filter { !$0.isVolatile }).renamed(fresh)
        var outputs: [LogicalPlan.Output] = []
        var domain = Domain(plan: copy, columns: [])
        for column in columns {
            guard let index = left.columns.firstIndex(where: { $0.id == column.id }) else { continue }
            let made = fresh.make(like: column, isNullable: true)
            outputs.append(LogicalPlan.Output(made, .column(copy.columns[index])))
            domain.columns.append((outer: column, inner: made))
        }
        domain.plan = .distinct(LogicalPlan.DistinctNode(input: .project(copy, outputs)))
        let pushed = try push(right, domain)
        let keys = domain.columns.map {
            LogicalPlan.JoinKey(left: .column($0.outer), right: .column($0.inner), nullsEqual: true)
        }
        var result = LogicalPlan.joining(kind, left, pushed, conditions, mark: mark)
        if case .join(var join) = result {
            join.keys += keys
            result = .join(join)
        }
        guard kind != .semi, kind != .anti, kind != .mark else { return result }
        return result.passing(left.columns + right.columns)
    }

    /// The domain: a plan of distinct rows whose columns stand for outer columns.
    private struct Domain {
        var plan: LogicalPlan
        var columns: [(outer: PlanColumn, inner: PlanColumn)]

        var substitution: [ColumnID: Expr] {
            Dictionary(uniqueKeysWithValues: columns.map { ($0.outer.id, Expr.column($0.inner)) })
        }
        var inner: [PlanColumn] { columns.map(\.inner) }
        var outerIDs: ColumnSet { ColumnSet(columns.map(\.outer.id)) }
    }

    private func copied(_ domain: Domain) throws(SQLError) -> Domain {
        let plan = try domain.plan.renamed(fresh)
        return Domain(
            plan: plan, columns: zip(domain.columns, plan.columns).map { (outer: $0.0.outer, inner: $0.1) })
    }

    /// Returns a plan that for each row of the domain has the rows of `plan` with its values put in; its columns are
    /// those of `plan` and those of the domain.
    private func push(_ plan: LogicalPlan, _ domain: Domain) throws(SQLError) -> LogicalPlan {
        try PlanContext.checkGivenUp()
        guard !plan.outerColumnIDs.isDisjoint(with: domain.outerIDs) || carries(plan) else {
            return .join(LogicalPlan.Join(kind: .inner, left: plan, right: domain.plan))
        }
        let map = domain.substitution
        switch plan {
        case .filter(let input, let condition):
            return .filter(try push(input, domain), try condition.substituting(map))
        case .project(let input, let outputs):
            var changed = domain.inner.map { LogicalPlan.Output($0, .column($0)) }
            for (index, output) in outputs.enumerated() {
                changed.insert(LogicalPlan.Output(output.column, try output.expr.substituting(map)), at: index)
            }
            return .project(try push(input, domain), changed)
        case .values(let values): return try self.values(values, domain)
        case .aggregate(let node): return try aggregate(node, domain)
        case .window(var node):
            node.input = try push(node.input, domain)
            guard case .window(var changed) = try LogicalPlan.window(node).substitutingOwn(map) else { return plan }
            changed.partition += domain.inner.map { .column($0) }
            return .window(changed)
        case .sort(let input, _): return try push(input, domain)
        case .limit(let node): return try limit(node, domain)
        case .distinct(var node):
            node.input = try push(node.input, domain)
            guard case .distinct(var changed) = try LogicalPlan.distinct(node).substitutingOwn(map) else { return plan }
            if changed.on != nil { changed.on?.append(contentsOf: domain.inner.map { .column($0) }) }
            return .distinct(changed)
        case .join(let join): return try self.join(join, domain)
        case .setOperation(let node): return try setOperation(node, domain)
        case .unnest(var node):
            node.input = try push(node.input, domain)
            return try LogicalPlan.unnest(node).substitutingOwn(map)
        case .with(let id, let definition, let body):
            guard definition.outerColumnIDs.isDisjoint(with: domain.outerIDs) else { throw unsupported("WITH") }
            return .with(id: id, definition: definition, body: try push(body, domain))
        case .recursive(let node): return try recursive(node, domain)
        case .write: throw unsupported("a write")
        case .cteScan(var scan) where carried.contains(scan.id):
            scan.columns += domain.inner
            return .cteScan(scan)
        case .scan, .cteScan: throw SQLError(.internalError, "a scan cannot read outer columns")
        }
    }

    private func unsupported(_ what: String) -> SQLError {
        SQLError(.featureNotSupported, "\(what) in a subquery may not refer to columns of the outer query")
    }

    /// Whether a plan reads the last rows of a recursion that carries the domain.
    private func carries(_ plan: LogicalPlan) -> Bool {
        if case .cteScan(let scan) = plan { return carried.contains(scan.id) }
        return !carried.isEmpty && plan.inputs.contains { carries($0) }
    }

    /// Every row of the recursion remembers for which outer values it is.
    private func recursive(_ node: LogicalPlan.Recursive, _ domain: Domain) throws(SQLError) -> LogicalPlan {
        var node = node
        let (first, next) = (try copied(domain), try copied(domain))
        let (base, step) = (node.base.columns, node.step.columns)
        node.base = try push(node.base, first).passing(base + first.inner)
        var inside = self
        inside.carried.insert(node.id)
        node.step = try inside.push(node.step, next).passing(step + next.inner)
        node.columns += domain.inner
        return .recursive(node)
    }

    private func values(_ values: LogicalPlan.Values, _ domain: Domain) throws(SQLError) -> LogicalPlan {
        var rows: [LogicalPlan] = []
        for row in values.rows {
            let copy = values.rows.count == 1 ? domain : try copied(domain)
            var outputs: [LogicalPlan.Output] = []
            for (column, expr) in zip(values.columns, row) {
                let made = values.rows.count == 1 ? column : fresh.make(like: column)
                outputs.append(LogicalPlan.Output(made, try expr.substituting(copy.substitution)))
            }
            rows.append(.project(copy.plan, outputs + copy.inner.map { LogicalPlan.Output($0, .column($0)) }))
        }
        if rows.count == 1 { return rows[0] }
        return .setOperation(
            LogicalPlan.SetOperation(
                kind: .union, isAll: true, inputs: rows, columns: values.columns + domain.inner))
    }

    private func aggregate(_ node: LogicalPlan.AggregateNode, _ domain: Domain) throws(SQLError) -> LogicalPlan {
        var node = node
        let isScalar = node.groups.isEmpty || node.sets?.contains([]) == true
        guard node.sets == nil else { throw unsupported("GROUPING SETS") }
        let columns = LogicalPlan.aggregate(node).columns
        node.input = try push(node.input, domain)
        guard case .aggregate(var changed) = try LogicalPlan.aggregate(node).substitutingOwn(domain.substitution)
        else { return .aggregate(node) }
        if !isScalar {
            changed.groups += domain.inner.map { LogicalPlan.Output($0, .column($0)) }
            return LogicalPlan.aggregate(changed).passing(columns + domain.inner)
        }
        // Without groups there is a row for every outer value, also where nothing matched.
        let keys = domain.columns.map { fresh.make(like: $0.inner) }
        changed.groups = zip(keys, domain.inner).map { LogicalPlan.Output($0, .column($1)) }
        let again = try copied(domain)
        let joined = LogicalPlan.join(
            LogicalPlan.Join(
                kind: .left, left: again.plan, right: .aggregate(changed),
                keys: zip(again.inner, keys).map {
                    LogicalPlan.JoinKey(left: .column($0), right: .column($1), nullsEqual: true)
                }))
        var outputs: [LogicalPlan.Output] = []
        for entry in changed.calls {
            let made = entry.column
            let empty = entry.call.function.make()
            try empty.update(
                entry.call.function.argumentTypes.map { Column.constant(.null($0), count: 0) },
                groups: GroupNumbers(numbers: nil, rows: 0, groups: 1))
            let value = try empty.finish(0..<1).scalar(0)
            outputs.append(
                LogicalPlan.Output(
                    fresh.make(like: made),
                    value.isNull ? .column(made) : .coalesce([.column(made), .literal(value)], made.type)))
        }
        let projected = LogicalPlan.project(
            joined, outputs + again.inner.map { LogicalPlan.Output($0, .column($0)) })
        // Give the results the names that the plan above knows.
        var final: [LogicalPlan.Output] = []
        for (entry, output) in zip(changed.calls, outputs) {
            final.append(LogicalPlan.Output(entry.column, .column(output.column)))
        }
        for (old, new) in zip(domain.inner, again.inner) { final.append(LogicalPlan.Output(old, .column(new))) }
        return .project(projected, final)
    }

    /// LIMIT for each outer value: by row number.
    private func limit(_ node: LogicalPlan.LimitNode, _ domain: Domain) throws(SQLError) -> LogicalPlan {
        guard !node.withTies else { throw unsupported("WITH TIES") }
        var order = node.order
        var input = node.input
        if case .sort(let inner, let keys) = input {
            input = inner
            order = keys
        }
        let map = domain.substitution
        var keys: [SortKey] = []
        for key in order {
            keys.append(
                SortKey(
                    try key.expr.substituting(map), isDescending: key.isDescending, nullsFirst: key.nullsFirst))
        }
        let number = fresh.make("row_number", .int8, isNullable: false)
        let numbered = LogicalPlan.window(
            LogicalPlan.WindowNode(
                input: try push(input, domain), partition: domain.inner.map { .column($0) }, order: keys,
                calls: [(number, WindowCall(function: .window(.rowNumber, .int8), arguments: []))]))
        var conditions: [Expr] = []
        var last: Expr? = try node.limit?.substituting(map)
        if let offset = try node.offset?.substituting(map) {
            let more = try FunctionRegistry.binaryOrUnary(">", .int8, .int8, position: nil)
            let known = Expr.coalesce([offset, .literal(.int8(0))], .int8)
            conditions.append(.call(more, [.column(number), known]))
            if let limit = last {
                let plus = try FunctionRegistry.binaryOrUnary("+", .int8, .int8, position: nil)
                last = .call(plus, [limit, known])
            }
        }
        if let last {
            let most = try FunctionRegistry.binaryOrUnary("<=", .int8, .int8, position: nil)
            conditions.append(.coalesce([.call(most, [.column(number), last]), .yes], .boolean))
        }
        return numbered.filtered(conditions).passing(node.input.columns + domain.inner)
    }

    private func join(_ join: LogicalPlan.Join, _ domain: Domain) throws(SQLError) -> LogicalPlan {
        guard !join.isLateral else { throw SQLError(.internalError, "lateral join left in a subquery") }
        let map = domain.substitution
        var join = join
        let outer = domain.outerIDs
        let rightReads = !join.right.outerColumnIDs.isDisjoint(with: outer) || carries(join.right)
        switch join.kind {
        case .right, .full:
            // Rows of either side may stand alone: both sides carry the domain.
            let other = try copied(domain)
            let columns = LogicalPlan.join(join).columns
            join.left = try push(join.left, domain)
            join.right = try push(join.right, other)
            guard case .join(var changed) = try LogicalPlan.join(join).substitutingOwn(map) else { return .join(join) }
            for (left, right) in zip(domain.inner, other.inner) {
                changed.keys.append(
                    LogicalPlan.JoinKey(left: .column(left), right: .column(right), nullsEqual: true))
            }
            // After a full join the value stands on one of the sides; NULL domain values stay NULL on both.
            var outputs = columns.map { LogicalPlan.Output($0, .column($0)) }
            var renamed: [LogicalPlan.Output] = []
            for (left, right) in zip(domain.inner, other.inner) {
                let made = fresh.make(like: left)
                outputs.append(LogicalPlan.Output(made, .coalesce([.column(left), .column(right)], left.type)))
                renamed.append(LogicalPlan.Output(left, .column(made)))
            }
            return .project(
                .project(.join(changed), outputs), columns.map { LogicalPlan.Output($0, .column($0)) } + renamed)
        case .inner, .left, .single, .semi, .anti, .mark:
            join.left = try push(join.left, domain)
            var extra: [LogicalPlan.JoinKey] = []
            if rightReads {
                let other = try copied(domain)
                join.right = try push(join.right, other)
                extra = zip(domain.inner, other.inner).map {
                    LogicalPlan.JoinKey(left: .column($0), right: .column($1), nullsEqual: true)
                }
            }
            guard case .join(var changed) = try LogicalPlan.join(join).substitutingOwn(map) else { return .join(join) }
            changed.keys += extra
            return .join(changed)
        }
    }

    private func setOperation(_ node: LogicalPlan.SetOperation, _ domain: Domain) throws(SQLError) -> LogicalPlan {
        var node = node
        for index in node.inputs.indices {
            let copy = try copied(domain)
            let columns = node.inputs[index].columns
            node.inputs[index] = try push(node.inputs[index], copy).passing(columns + copy.inner)
        }
        node.columns += domain.inner
        return .setOperation(node)
    }
}

extension LogicalPlan {
    /// Replaces columns in this node's own expressions.
    func substitutingOwn(_ map: [ColumnID: Expr]) throws(SQLError) -> LogicalPlan {
        try mapExpressions { (expr) throws(SQLError) in try expr.substituting(map) }
    }
}

/// Copies a plan under new column ids: a plan may not hold one id twice.
final class Renaming {
    private let fresh: FreshColumns
    private var map: [ColumnID: PlanColumn] = [:]
    private var tables: [Int: Int] = [:]

    init(_ fresh: FreshColumns) { self.fresh = fresh }

    func plan(_ plan: LogicalPlan) throws(SQLError) -> LogicalPlan {
        try fresh.countCopy()
        if case .with(let id, _, _) = plan { tables[id] = fresh.number() }
        if case .recursive(let node) = plan { tables[node.id] = fresh.number() }
        let node = try plan.mapInputs { (input) throws(SQLError) in try self.plan(input) }
        // Expressions before the columns that the node makes: they read what the inputs make.
        switch node {
        case .project(let input, let outputs):
            var exprs: [Expr] = []
            for output in outputs { exprs.append(try substitute(output.expr)) }
            var changed: [LogicalPlan.Output] = []
            for (output, expr) in zip(outputs, exprs) {
                // A column passed through keeps pointing at its copy below.
                if output.expr.asColumn?.id == output.column.id, let copy = map[output.column.id] {
                    changed.append(LogicalPlan.Output(copy, expr))
                } else {
                    changed.append(LogicalPlan.Output(made(output.column), expr))
                }
            }
            return .project(input, changed)
        case .aggregate:
            guard case .aggregate(var aggregate) = try node.mapExpressions(substitute) else { return node }
            for index in aggregate.groups.indices {
                aggregate.groups[index].column = made(aggregate.groups[index].column)
            }
            for index in aggregate.calls.indices {
                aggregate.calls[index].column = renamed(aggregate.calls[index].column)
            }
            aggregate.setColumn = aggregate.setColumn.map(renamed)
            return .aggregate(aggregate)
        default: return try columns(of: node).mapExpressions(substitute)
        }
    }

    /// The columns that a node makes, and the tables it reads or defines, under their new names.
    private func columns(of node: LogicalPlan) -> LogicalPlan {
        switch node {
        case .scan(var scan):
            scan.columns = scan.columns.map { (column: renamed($0.column), index: $0.index) }
            return .scan(scan)
        case .values(var values):
            values.columns = values.columns.map(renamed)
            return .values(values)
        case .window(var window):
            window.calls = window.calls.map { (column: renamed($0.column), call: $0.call) }
            return .window(window)
        case .join(var join):
            join.mark = join.mark.map(renamed)
            return .join(join)
        case .setOperation(var operation):
            operation.columns = operation.columns.map(made)
            return .setOperation(operation)
        case .unnest(var unnest):
            unnest.columns = unnest.columns.map(renamed)
            unnest.ordinality = unnest.ordinality.map(renamed)
            return .unnest(unnest)
        case .recursive(var recursive):
            recursive.id = tables[recursive.id] ?? recursive.id
            recursive.columns = recursive.columns.map(renamed)
            return .recursive(recursive)
        case .cteScan(var scan):
            scan.id = tables[scan.id] ?? scan.id
            scan.columns = scan.columns.map(renamed)
            return .cteScan(scan)
        case .with(let id, let definition, let body):
            return .with(id: tables[id] ?? id, definition: definition, body: body)
        case .project, .aggregate, .filter, .sort, .limit, .distinct, .write: return node
        }
    }

    /// The new column of one that may have got it already.
    private func renamed(_ column: PlanColumn) -> PlanColumn { map[column.id] ?? made(column) }

    private func made(_ column: PlanColumn) -> PlanColumn {
        let made = fresh.make(like: column)
        map[column.id] = made
        return made
    }

    private func substitute(_ expr: Expr) throws(SQLError) -> Expr {
        try expr.replacing { (inner) throws(SQLError) in
            guard case .column(let column) = inner, let copy = map[column.id] else { return nil }
            return .column(copy)
        }
    }
}
