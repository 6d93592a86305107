// Rows of set-returning functions beside the rows that they are called for.
import Columns
import Diagnostics
import Functions
import Planner

/// What an unnest is told by lowering.
struct UnnestPlan: Sendable {
    enum Kind: Sendable {
        case series
        /// The elements of arrays, side by side.
        case elements
        /// The value itself, unless it is NULL.
        case value
    }
    var kind: Kind
    var arguments: [Expr]
    var input: [PlanColumn]
    /// Input columns that come out.
    var kept: [PlanColumn]
    var columns: [PlanColumn]
    var hasOrdinality: Bool
    var keepsEmpty: Bool
}

/// Repeats input rows for each row of the function.
struct UnnestStage: TransformStage {
    let plan: UnnestPlan

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform { try UnnestTransform(plan, run) }
}

private final class UnnestTransform: Transform {
    private let plan: UnnestPlan
    private let run: QueryRun
    private let picked: [Int]
    private let evaluators: [any Evaluator]
    private let inputRows = Buffer(count: Batch.rowsMax, of: Int32.self)
    private var current: Current?

    /// Where the current batch stands.
    private struct Current {
        let arguments: [Column]
        var row = 0
        /// Values given for `row` so far; -1: it has not begun.
        var position = -1
        var series = Series.ended
    }

    init(_ plan: UnnestPlan, _ run: QueryRun) throws(SQLError) {
        self.plan = plan
        self.run = run
        let layout = ColumnLayout(plan.input)
        var picked: [Int] = []
        for column in plan.kept { picked.append(try layout.index(of: column)) }
        self.picked = picked
        evaluators = try compile(plan.arguments, layout, run)
    }

    func apply(_ input: Batch) throws(SQLError) -> Output {
        try run.check()
        if current == nil {
            var arguments: [Column] = []
            for evaluator in evaluators { arguments.append(try evaluator.evaluate(input)) }
            current = Current(arguments: arguments)
        }
        guard var at = current else { return .none }
        let builders = plan.columns.map { ColumnBuilder($0.type, capacity: 64) }
        let places = plan.kind == .elements ? plan.columns.map { _ in Places() } : []
        let ordinality = plan.hasOrdinality ? ColumnBuilder(.int8, capacity: 64) : nil
        let rows = inputRows.pointer(Int32.self)
        var count = 0
        while count < Batch.rowsMax, at.row < input.rows {
            let given = max(0, at.position)
            if at.position < 0 { try begin(&at) }
            let (made, isDone) = try take(&at, Batch.rowsMax - count, builders, places)
            for index in 0..<made {
                rows[count + index] = Int32(truncatingIfNeeded: at.row)
                ordinality?.append(Int64(given + index + 1))
            }
            count += made
            at.position = given + made
            guard isDone else { continue }
            if at.position == 0, plan.keepsEmpty {
                for builder in builders { builder.appendNull() }
                for place in places { place.append(-1) }
                ordinality?.appendNull()
                rows[count] = Int32(truncatingIfNeeded: at.row)
                count += 1
            }
            at.row += 1
            at.position = -1
        }
        let isLast = at.row >= input.rows
        current = isLast ? nil : at
        guard count > 0 else { return .none }
        var columns: [Column] = []
        for index in picked { columns.append(Gather.take(input.columns[index], rows, count: count)) }
        if plan.kind == .elements {
            for (index, column) in plan.columns.enumerated() {
                columns.append(places[index].take(at.arguments[index].storage.child, column.type))
            }
        } else {
            columns += builders.map { $0.finish() }
        }
        if let ordinality { columns.append(ordinality.finish()) }
        let batch = Batch(columns, rows: count)
        return isLast ? .one(batch) : .more(batch)
    }

    private func begin(_ at: inout Current) throws(SQLError) {
        at.position = 0
        guard plan.kind == .series, let column = plan.columns.first else { return }
        at.series = try Series.start(column.type, at.arguments, row: at.row, zone: run.functions.timeZone)
    }

    /// Appends values of the current row; says whether it has no more.
    private func take(
        _ at: inout Current, _ room: Int, _ builders: [ColumnBuilder], _ places: [Places]
    ) throws(SQLError) -> (Int, isDone: Bool) {
        switch plan.kind {
        case .series:
            let count = try at.series.take(room, into: builders[0])
            if case .ended = at.series { return (count, true) }
            return (count, false)
        case .value:
            guard room > 0 else { return (0, false) }
            guard at.arguments[0].isValid(at.row) else { return (0, true) }
            builders[0].append(at.arguments[0].scalar(at.row))
            return (1, true)
        case .elements: return elements(at, room, places)
        }
    }

    /// Shorter arrays are filled up with NULLs.
    private func elements(_ at: Current, _ room: Int, _ places: [Places]) -> (Int, isDone: Bool) {
        var longest = 0
        var spans: [ListSpan] = []
        for argument in at.arguments {
            let isValid = argument.isValid(at.row)
            let span =
                isValid
                ? argument.storage.pointer(ListSpan.self)[argument.slot(at.row)] : ListSpan(start: 0, count: 0)
            spans.append(span)
            longest = max(longest, Int(span.count))
        }
        let end = min(longest, at.position + room)
        for (span, target) in zip(spans, places) {
            for position in at.position..<end {
                target.append(position < Int(span.count) ? span.start &+ Int32(truncatingIfNeeded: position) : -1)
            }
        }
        return (end - at.position, end == longest)
    }
}

/// Places of elements among all elements of an argument; -1 for none. One owner thread.
private final class Places {
    private let buffer = Buffer(count: Batch.rowsMax, of: Int32.self)
    private var count = 0

    /// There is room for a batch.
    func append(_ place: Int32) {
        buffer.pointer(Int32.self)[count] = place
        count &+= 1
    }

    func take(_ elements: Column?, _ type: SQLType) -> Column {
        guard let elements else { return Gather.nulls(type, count: count) }
        return Gather.takeOrNull(elements, buffer.pointer(Int32.self), count: count)
    }
}
