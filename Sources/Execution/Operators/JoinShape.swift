// What a join is told by lowering: kind, sides, keys, further conditions, and which columns come out.
import Columns
import Diagnostics
import Planner

/// A join as its operators see it. The left side is probed with, or streams; the right side is kept.
struct JoinShape: Sendable {
    var kind: LogicalPlan.JoinKind
    /// Columns of the batches on the left.
    var left: [PlanColumn]
    /// Columns of the batches on the right.
    var right: [PlanColumn]
    var keys: [LogicalPlan.JoinKey]
    var residual: [Expr]
    /// The mark column of a mark join.
    var mark: PlanColumn?
    /// Columns that are wanted, in order: of the left, of the right (not for semi, anti, mark), the mark.
    var output: [PlanColumn]
    /// Semi and anti joins: the sides are exchanged. The join's left rows are those kept, and come out.
    var isTurned = false

    init(
        kind: LogicalPlan.JoinKind, left: [PlanColumn], right: [PlanColumn], keys: [LogicalPlan.JoinKey] = [],
        residual: [Expr] = [], mark: PlanColumn? = nil, output: [PlanColumn]? = nil
    ) {
        self.kind = kind
        self.left = left
        self.right = right
        self.keys = keys
        self.residual = residual
        self.mark = mark
        switch kind {
        case .inner, .left, .right, .full, .single: self.output = output ?? left + right
        case .semi, .anti: self.output = output ?? left
        case .mark: self.output = output ?? left + (mark.map { [$0] } ?? [])
        }
    }

    /// Right columns that are kept: those that come out, and those that the residual reads.
    var kept: [PlanColumn] {
        var wanted = Set(output.map(\.id))
        for condition in residual { for column in condition.columnsUsed { wanted.insert(column.id) } }
        return right.filter { wanted.contains($0.id) }
    }

    /// Left rows without a match come out.
    var keepsLeft: Bool {
        switch kind {
        case .left, .full, .single: true
        case .inner, .right, .semi, .anti, .mark: false
        }
    }

    /// Right rows without a match come out.
    var keepsRight: Bool { kind == .right || kind == .full }

    /// Left rows come out at most once, without columns of the right.
    var isExistence: Bool { kind == .semi || kind == .anti || kind == .mark }

    static var severalRows: SQLError {
        SQLError(.cardinalityViolation, "more than one row returned by a subquery used as an expression")
    }
}

/// Where an output column comes from.
enum JoinOutput: Sendable {
    case left(Int)
    case right(Int)
    case mark

    /// Finds the output columns of a shape in the left batches and the kept right columns.
    static func all(_ shape: JoinShape) throws(SQLError) -> [JoinOutput] {
        let kept = shape.kept
        var found: [JoinOutput] = []
        for column in shape.output {
            if let index = shape.left.firstIndex(where: { $0.id == column.id }) {
                found.append(.left(index))
            } else if let index = kept.firstIndex(where: { $0.id == column.id }) {
                found.append(.right(index))
            } else if column.id == shape.mark?.id {
                found.append(.mark)
            } else {
                throw SQLError(.internalError, "column \(column.name) (\(column.id)) is not produced by the join")
            }
        }
        return found
    }
}

/// Further conditions of a join, on pairs of rows. One owner thread at a time.
final class PairCondition {
    private let evaluator: any Evaluator
    private let leftUsed: [Int]
    private let rightUsed: [Int]
    private let width: Int
    private let leftWidth: Int
    private let filler: Column
    private let truths = Scratch<UInt8>()

    /// Nil without conditions.
    init?(_ shape: JoinShape, _ run: QueryRun) throws(SQLError) {
        guard !shape.residual.isEmpty else { return nil }
        let kept = shape.kept
        let condition = Expr.all(shape.residual)
        evaluator = try condition.compiled(ColumnLayout(shape.left + kept), run)
        let used = Set(condition.columnsUsed.map(\.id))
        leftUsed = shape.left.indices.filter { used.contains(shape.left[$0].id) }
        rightUsed = kept.indices.filter { used.contains(kept[$0].id) }
        leftWidth = shape.left.count
        width = shape.left.count + kept.count
        filler = Column.constant(.null(.boolean), count: 1)
    }

    /// Evaluates on pairs; the truth values (see ``Truth``) are valid until the next call.
    func evaluate(
        _ left: [Column], _ leftRows: UnsafePointer<Int32>, _ right: [Column], _ rightRows: UnsafePointer<Int32>,
        count: Int
    ) throws(SQLError) -> UnsafePointer<UInt8> {
        var columns = [Column](repeating: filler, count: width)
        for index in leftUsed { columns[index] = Gather.take(left[index], leftRows, count: count) }
        for index in rightUsed { columns[leftWidth + index] = Gather.take(right[index], rightRows, count: count) }
        return try evaluate(columns, count)
    }

    /// Evaluates one left row against right rows `start..<start + count`.
    func evaluate(
        _ left: [Column], row: Int, _ right: [Column], from start: Int, count: Int
    ) throws(SQLError) -> UnsafePointer<UInt8> {
        var columns = [Column](repeating: filler, count: width)
        for index in leftUsed { columns[index] = PairCondition.repeated(left[index], row, count) }
        for index in rightUsed { columns[leftWidth + index] = Gather.slice(right[index], from: start, count: count) }
        return try evaluate(columns, count)
    }

    private func evaluate(_ columns: [Column], _ count: Int) throws(SQLError) -> UnsafePointer<UInt8> {
        let result = try evaluator.evaluate(Batch(columns, rows: count))
        let out = truths.room(max(1, count))
        Truth.write(result, count, to: out)
        return UnsafePointer(out)
    }

    /// One value for many rows.
    static func repeated(_ column: Column, _ row: Int, _ count: Int) -> Column {
        var one = Int32(truncatingIfNeeded: row)
        let value = withUnsafePointer(to: &one) { Gather.take(column, $0, count: 1) }
        return Column.constant(Flatten.flat(value), count: count)
    }
}
