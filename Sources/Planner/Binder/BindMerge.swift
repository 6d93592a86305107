// MERGE: target and source are joined, the first clause that fits is chosen a row, and its values are computed.
import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax

extension WriteBinder {
    /// What MERGE's clauses see, and how a row tells which of them may fit.
    private struct MergeScopes {
        var both: Scope
        var source: Scope
        var target: Scope
        /// TRUE where the row has a target, and a source.
        var hasTarget: PlanColumn
        var hasSource: PlanColumn

        func scope(_ kind: WriteStatement.MergeClause.Kind) -> Scope {
            switch kind {
            case .matched: both
            case .notMatched: source
            case .notMatchedBySource: target
            }
        }

        func applies(_ kind: WriteStatement.MergeClause.Kind) -> [Expr] {
            switch kind {
            case .matched: [.not(.isNull(.column(hasTarget))), .not(.isNull(.column(hasSource)))]
            case .notMatched: [.isNull(.column(hasTarget))]
            case .notMatchedBySource: [.isNull(.column(hasSource))]
            }
        }
    }

    func merge(_ merge: WriteStatement.Merge, _ ctes: CTEScope?) throws(SQLError) -> LogicalPlan {
        try checkReachable(merge.clauses)
        let target = try targetScan()
        let bothScope = Scope(outer: nil, ctes: ctes)
        let source = try binder.bindTable(merge.source, bothScope, left: [], leftPlan: nil)
        guard !source.items.contains(where: { $0.isNameVisible && $0.name == targetName && $0.schema == nil }) else {
            throw SQLError(
                .duplicateAlias, "name \"\(targetName)\" specified more than once",
                detail: "The name is used both as MERGE target table and data source.",
                position: merge.source.position)
        }
        return try merged(merge.clauses, target, source, bothScope) { () throws(SQLError) -> Expr in
            try bothScope.refusing("JOIN conditions") { () throws(SQLError) -> Expr in
                try binder.condition(try binder.bind(merge.condition, bothScope), of: "JOIN/ON")
            }
        }
    }

    /// The clauses over a target and a source that are bound; the condition is bound once both are in the scope.
    func merged(
        _ clauses: [WriteStatement.MergeClause], _ target: TargetScan, _ source: QueryBinder.FromItem,
        _ bothScope: Scope, on condition: () throws(SQLError) -> Expr
    ) throws(SQLError) -> LogicalPlan {
        let ctes = bothScope.ctes
        let (left, hasTarget) = marked(target.plan, "target")
        let (right, hasSource) = marked(source.plan, "source")
        bothScope.items = [item(target.columns.map(\.nullable))] + source.items.map(\.asNullable)
        bothScope.refused = "MERGE WHEN conditions"
        let sourceScope = Scope(outer: nil, ctes: ctes)
        sourceScope.items = source.items.map(\.asNullable)
        sourceScope.unreachable = [targetName]
        sourceScope.isLateralAdvised = false
        let targetScope = Scope(outer: nil, ctes: ctes)
        targetScope.items = [item(target.columns.map(\.nullable))]
        targetScope.unreachable = Set(source.items.compactMap { $0.isNameVisible ? $0.name : nil })
        targetScope.isLateralAdvised = false
        let joined = LogicalPlan.joining(kind(clauses), left, right, try condition().conjuncts)
        let scopes = MergeScopes(
            both: bothScope, source: sourceScope, target: targetScope, hasTarget: hasTarget.nullable,
            hasSource: hasSource.nullable)
        return try chosen(clauses, joined, scopes, target)
    }

    /// A clause behind an unconditional one of its kind can never be reached.
    private func checkReachable(_ clauses: [WriteStatement.MergeClause]) throws(SQLError) {
        var final: Set<WriteStatement.MergeClause.Kind> = []
        for clause in clauses {
            guard !final.contains(clause.kind) else {
                throw SQLError(
                    .syntaxError, "unreachable WHEN clause specified after unconditional WHEN clause",
                    position: clause.position)
            }
            if clause.condition == nil { final.insert(clause.kind) }
        }
    }

    /// Rows without a partner are kept only where a clause wants them.
    private func kind(_ clauses: [WriteStatement.MergeClause]) -> LogicalPlan.JoinKind {
        let kinds = Set(clauses.map(\.kind))
        switch (kinds.contains(.notMatched), kinds.contains(.notMatchedBySource)) {
        case (false, false): return .inner
        case (true, false): return .right
        case (false, true): return .left
        case (true, true): return .full
        }
    }

    /// The plan with a column that is TRUE in all of its rows: NULL behind an outer join means that there was none.
    private func marked(_ plan: LogicalPlan, _ name: String) -> (LogicalPlan, PlanColumn) {
        let mark = binder.column("has_\(name)", .boolean)
        let passed = plan.columns.map { LogicalPlan.Output($0, .column($0)) }
        return (.project(plan, passed + [LogicalPlan.Output(mark, .yes)]), mark)
    }

    /// Numbers the clause of each row, drops rows that nothing is done to, and computes the rest.
    private func chosen(
        _ clauses: [WriteStatement.MergeClause], _ joined: LogicalPlan, _ scopes: MergeScopes, _ target: TargetScan
    ) throws(SQLError) -> LogicalPlan {
        var branches: [(when: Expr, then: Expr)] = []
        for (number, clause) in clauses.enumerated() {
            var conditions = scopes.applies(clause.kind)
            if let condition = clause.condition {
                let scope = scopes.scope(clause.kind)
                conditions.append(
                    try scope.refusing("MERGE WHEN conditions") { () throws(SQLError) -> Expr in
                        try binder.condition(try binder.bind(condition, scope), of: "WHEN")
                    })
            }
            let result = clause.action == .nothing ? -1 : Int32(number)
            branches.append((Expr.all(conditions), .literal(.int4(result))))
        }
        let chosen = binder.column("clause", .int4)
        let nothing = Expr.literal(.int4(-1))
        let columns = joined.columns.map(\.nullable)
        let passed = columns.map { LogicalPlan.Output($0, .column($0)) }
        var plan = LogicalPlan.project(
            joined, passed + [LogicalPlan.Output(chosen, .conditional(branches, otherwise: nothing, .int4))])
        let isDone = try binder.operation(">=", Typed(.column(chosen), nil), Typed(.literal(.int4(0)), nil), nil)
        plan = .filter(plan, isDone)
        let (appended, action) = (fields.map { binder.column($0.name, $0.type) }, binder.column("merge_action", .int4))
        var values: [[(when: Expr, then: Expr)]] = fields.map { _ in [] }
        var actions: [(when: Expr, then: Expr)] = []
        for (number, clause) in clauses.enumerated() where clause.action != .nothing {
            let isChosen = try binder.operation(
                "=", Typed(.column(chosen), nil), Typed(.literal(.int4(Int32(number))), nil), nil)
            let (bits, exprs) = try effect(clause, scopes.scope(clause.kind), target)
            actions.append((isChosen, .literal(.int4(bits))))
            for (index, expr) in exprs.enumerated() { values[index].append((isChosen, expr)) }
        }
        var outputs = passed
        for (index, field) in fields.enumerated() {
            let null = Expr.literal(.null(field.type))
            let expr = values[index].isEmpty ? null : Expr.conditional(values[index], otherwise: null, field.type)
            outputs.append(LogicalPlan.Output(appended[index], expr))
        }
        let none = Expr.literal(.int4(0))
        outputs.append(
            LogicalPlan.Output(action, actions.isEmpty ? none : .conditional(actions, otherwise: none, .int4)))
        plan = .project(plan, outputs)
        // RETURNING sees the new row, or the deleted one.
        let scope = scopes.both
        scope.items[0] = item(appended)
        if case .insert = statement.change { scope.items.removeSubrange(1...) }
        let place = LogicalPlan.WriteNode.Place(
            file: target.file.nullable, position: target.position.nullable, repeated: .refused)
        return try finished(
            "Merge", plan, appended: appended, moved: target.moved.map(\.nullable), place: place, action: action, scope)
    }

    /// What a clause does to a row: bit 0 remove, bit 1 append; and the values of all columns.
    private func effect(
        _ clause: WriteStatement.MergeClause, _ scope: Scope, _ target: TargetScan
    ) throws(SQLError) -> (bits: Int32, values: [Expr]) {
        switch clause.action {
        case .nothing: return (0, [])
        case .delete:
            // A deleted row's values are for RETURNING only.
            guard !statement.returning.isEmpty else { return (1, []) }
            var values: [Expr] = []
            for (column, field) in zip(target.columns, fields) { values.append(try kept(column.nullable, field)) }
            return (1, values)
        case .update(let assignments):
            let values = try self.values(assignments, scope)
            var exprs: [Expr] = []
            for (index, field) in fields.enumerated() {
                if let value = values[index] {
                    exprs.append(value)
                } else {
                    exprs.append(try kept(target.columns[index].nullable, field))
                }
            }
            return (3, exprs)
        case .insert(let columns, let expressions):
            let all = try targets(columns)
            guard expressions.count <= all.count else {
                throw SQLError(
                    .syntaxError, "INSERT has more expressions than target columns",
                    position: expressions[all.count].position)
            }
            guard expressions.count == all.count || columns.isEmpty || expressions.isEmpty else {
                throw SQLError(
                    .syntaxError, "INSERT has more target columns than expressions",
                    position: columns[expressions.count].position)
            }
            var values: [Int: Expr] = [:]
            for (index, expression) in zip(all, expressions) {
                values[index] = try scope.refusing("VALUES") { () throws(SQLError) -> Expr in
                    try binder.value(expression, for: fields[index], in: table, scope)
                }
            }
            var exprs: [Expr] = []
            for (index, field) in fields.enumerated() {
                if let value = values[index] {
                    exprs.append(value)
                } else {
                    exprs.append(try binder.defaultValue(of: field, in: table))
                }
            }
            return (2, exprs)
        }
    }
}

extension PlanColumn {
    /// The same column above an outer join.
    fileprivate var nullable: PlanColumn { PlanColumn(id: id, name: name, type: type, isNullable: true) }
}
