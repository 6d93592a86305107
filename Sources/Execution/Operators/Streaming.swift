// Operators that pass rows on one batch at a time: filter, project, limit, values.
import Columns
import Diagnostics
import Planner
import Synchronization

/// Keeps rows for which all conditions are true.
struct FilterStage: TransformStage {
    let conditions: [Expr]
    let layout: ColumnLayout

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform {
        FilterTransform(try FilterProgram(conditions, layout, run))
    }
}

private final class FilterTransform: Transform {
    private let program: FilterProgram
    init(_ program: FilterProgram) { self.program = program }

    func apply(_ input: Batch) throws(SQLError) -> Output {
        guard let selection = try program.select(input) else { return .one(input) }
        guard selection.count > 0 else { return .none }
        return .one(input.take(selection.rows, count: selection.count))
    }
}

/// Computes columns.
struct ProjectStage: TransformStage {
    let exprs: [Expr]
    let layout: ColumnLayout

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform {
        ProjectTransform(try ExpressionSet(exprs, layout, run))
    }
}

private final class ProjectTransform: Transform {
    private let set: ExpressionSet
    init(_ set: ExpressionSet) { self.set = set }

    func apply(_ input: Batch) throws(SQLError) -> Output {
        .one(Batch(try set.evaluate(input), rows: input.rows))
    }
}

/// LIMIT and OFFSET over rows in the order they come; workers share the counters.
final class LimitStage: TransformStage {
    private let counters: Mutex<(skip: Int, left: Int)>

    init(limit: Int?, offset: Int) { counters = Mutex((offset, limit ?? Int.max)) }

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform { LimitTransform(self) }

    /// Takes rows out of a batch of `rows`; says whether the limit is reached.
    fileprivate func take(_ rows: Int) -> (range: Range<Int>, isLast: Bool) {
        counters.withLock { counters in
            let skipped = min(counters.skip, rows)
            counters.skip -= skipped
            let taken = min(rows - skipped, counters.left)
            counters.left -= taken
            return (skipped..<skipped + taken, counters.left == 0)
        }
    }
}

private final class LimitTransform: Transform {
    private let stage: LimitStage
    init(_ stage: LimitStage) { self.stage = stage }

    func apply(_ input: Batch) throws(SQLError) -> Output {
        let (range, isLast) = stage.take(input.rows)
        if range.isEmpty { return isLast ? .last(nil) : .none }
        let batch = input.slice(from: range.lowerBound, count: range.count)
        return isLast ? .last(batch) : .one(batch)
    }
}

/// Literal rows; also the one row without columns of a SELECT without FROM.
final class ValuesStage: SourceStage {
    private let rows: [[Expr]]
    private let types: [SQLType]
    private let next = Atomic<Int>(0)

    init(rows: [[Expr]], types: [SQLType]) {
        self.rows = rows
        self.types = types
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource { ValuesSource(self, run) }

    fileprivate func batch(_ run: QueryRun) throws(SQLError) -> Batch? {
        let start = next.add(Batch.rowsMax, ordering: .relaxed).oldValue
        guard start < rows.count else { return nil }
        let end = min(start + Batch.rowsMax, rows.count)
        let builders = types.map { ColumnBuilder($0, capacity: end - start) }
        for row in rows[start..<end] {
            for (expr, builder) in zip(row, builders) {
                if case .literal(let scalar) = expr {
                    builder.append(scalar)
                } else {
                    builder.append(try expr.constantValue(run))
                }
            }
        }
        return Batch(builders.map { $0.finish() }, rows: end - start)
    }
}

private final class ValuesSource: BatchSource {
    private let stage: ValuesStage
    private let run: QueryRun
    init(_ stage: ValuesStage, _ run: QueryRun) {
        self.stage = stage
        self.run = run
    }
    func next() throws(SQLError) -> Batch? { try stage.batch(run) }
}
