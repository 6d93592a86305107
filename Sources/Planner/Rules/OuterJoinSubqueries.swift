// Conditions of outer joins whose subqueries look at both sides. Such a condition can only be computed above a join, so
// the pairs that match are made by an inner join; rows without a match come back by a number that each row is given.
import Columns
import Diagnostics
import Functions

extension Decorrelation {
    /// The outer join `join` on `conditions` as well. Its sides may not read columns of an outer query: they are computed
    /// once and read twice.
    func outerJoin(_ join: LogicalPlan.Join, _ conditions: [Expr]) throws(SQLError) -> LogicalPlan {
        let all = LogicalPlan.join(join)
        guard join.kind == .left || join.kind == .right || join.kind == .full, all.outerColumnIDs.isEmpty else {
            throw SQLError(
                .featureNotSupported, "a subquery in the condition of an outer join may look at one side only",
                hint: "Compute the subquery's value in a subquery of FROM.")
        }
        let left = join.kind == .right ? nil : try numbered(join.left)
        let right = join.kind == .left ? nil : try numbered(join.right)
        var map: [ColumnID: Expr] = [:]
        for side in [left, right] { map.merge(side?.substitution ?? [:]) { first, _ in first } }
        var on: [Expr] = []
        for condition in join.keys.map(\.equality) + join.residual + conditions {
            on.append(try condition.substituting(map))
        }
        // Conditions without subqueries are the inner join's own: fewer pairs for the others.
        let pairs = LogicalPlan.joining(
            .inner, left?.again ?? join.left, right?.again ?? join.right, on.filter { !$0.hasSubquery })
        let matches = try filter(pairs, Expr.all(on.filter(\.hasSubquery)))
        func keys(_ side: NumberedSide) -> [LogicalPlan.JoinKey] {
            [LogicalPlan.JoinKey(left: .column(side.number), right: .column(side.numberAgain))]
        }
        var result: LogicalPlan
        switch (left, right) {
        case (let left?, nil):
            let kept = matches.passing([left.numberAgain] + join.right.columns)
            result = .join(LogicalPlan.Join(kind: .left, left: left.rows, right: kept, keys: keys(left)))
        case (nil, let right?):
            let kept = matches.passing([right.numberAgain] + join.left.columns)
            result = .join(LogicalPlan.Join(kind: .left, left: right.rows, right: kept, keys: keys(right)))
        case (let left?, let right?):
            let kept = matches.passing([left.numberAgain, right.numberAgain])
            let first = LogicalPlan.join(LogicalPlan.Join(kind: .left, left: left.rows, right: kept, keys: keys(left)))
            let key = LogicalPlan.JoinKey(left: .column(right.numberAgain), right: .column(right.number))
            result = .join(LogicalPlan.Join(kind: .full, left: first, right: right.rows, keys: [key]))
        case (nil, nil): return all
        }
        for side in [left, right] {
            guard let side else { continue }
            result = .with(id: side.id, definition: side.definition, body: result)
        }
        return result.passing(all.columns)
    }

    /// A side whose rows are numbered, read in two places.
    private struct NumberedSide {
        let id: Int
        let definition: LogicalPlan
        /// The side's own columns and the number.
        let rows: LogicalPlan
        let number: PlanColumn
        /// The same rows under other names.
        let again: LogicalPlan
        let numberAgain: PlanColumn
        /// The side's columns to those of `again`.
        let substitution: [ColumnID: Expr]
    }

    private func numbered(_ side: LogicalPlan) throws(SQLError) -> NumberedSide {
        let copy = try side.renamed(fresh)
        let made = fresh.make("row_number", .int8, isNullable: false)
        let definition = LogicalPlan.window(
            LogicalPlan.WindowNode(
                input: copy, partition: [], order: [],
                calls: [(made, WindowCall(function: .window(.rowNumber, .int8), arguments: []))]))
        let id = fresh.number()
        let (number, other) = (fresh.make(like: made), fresh.make(like: made))
        let columns = side.columns.map { fresh.make(like: $0) }
        func scan(_ columns: [PlanColumn]) -> LogicalPlan {
            .cteScan(LogicalPlan.CTEScan(id: id, name: "numbered", columns: columns))
        }
        return NumberedSide(
            id: id, definition: definition, rows: scan(side.columns + [number]), number: number,
            again: scan(columns + [other]), numberAgain: other,
            substitution: Dictionary(
                zip(side.columns.map(\.id), columns.map { Expr.column($0) }), uniquingKeysWith: { first, _ in first }))
    }
}
