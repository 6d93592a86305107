// What binding the expressions of one SELECT collects: aggregates, windows, set-returning calls, GROUPING.
import Columns
import Diagnostics
import Functions

/// Calls found in the expressions of one SELECT. Each is replaced by a column where it stood; the nodes that compute
/// these columns are put together afterwards.
final class SelectBlock {
    let scope: Scope
    var aggregates: [(column: PlanColumn, call: AggregateCall)] = []
    var windows: [WindowEntry] = []
    var setReturning: [SetReturningCall] = []
    var groupings: [GroupingCall] = []
    /// Columns used outside aggregates, with the text that used them, for the error about ungrouped ones.
    var uses: [(id: ColumnID, position: Int?)] = []
    /// The WINDOW clause.
    var namedWindows: [String: WindowShape] = [:]
    /// Names of select list items, for QUALIFY.
    var aliases: [String: Expr] = [:]
    /// Whether set-returning calls may stand here: in the select list only.
    var allowsSetReturning = false

    init(scope: Scope) { self.scope = scope }

    /// Partition, order and frame of OVER (...) or of a named window.
    struct WindowShape {
        var partition: [Typed] = []
        var order: [SortKey] = []
        var frame = WindowFrame()
        var hasFrame = false
    }

    struct WindowEntry {
        var column: PlanColumn
        var call: WindowCall
        var partition: [Expr]
        var order: [SortKey]
    }

    struct SetReturningCall {
        var column: PlanColumn
        var function: LogicalPlan.Unnest.Function
        var arguments: [Expr]
    }

    /// GROUPING(a, b): bits are filled in once the grouping sets are known.
    struct GroupingCall {
        var column: PlanColumn
        var arguments: [Typed]
        var position: Int?
    }

    /// Adds an aggregate; the same call twice is computed once.
    func add(_ call: AggregateCall, _ make: (SQLType) -> PlanColumn) -> PlanColumn {
        for known in aggregates where known.call.isSame(as: call) { return known.column }
        let column = make(call.function.resultType)
        aggregates.append((column, call))
        return column
    }

    /// Adds a window call; the same call over the same window is computed once.
    func add(_ entry: WindowEntry) -> PlanColumn {
        for known in windows where known.isSame(as: entry) { return known.column }
        windows.append(entry)
        return entry.column
    }
}

extension SelectBlock.WindowEntry {
    /// Whether two entries share partition and order, so that one node computes both.
    func hasSameWindow(as other: Self) -> Bool {
        guard Expr.same(partition, other.partition), order.count == other.order.count else { return false }
        for index in order.indices where !order[index].isSame(as: other.order[index]) { return false }
        return true
    }

    func isSame(as other: Self) -> Bool {
        guard hasSameWindow(as: other), Expr.same(call.arguments, other.call.arguments),
            call.ignoresNulls == other.call.ignoresNulls, call.filter == nil, other.call.filter == nil,
            call.frame.isDefault, other.call.frame.isDefault
        else { return false }
        switch (call.function, other.call.function) {
        case (.window(let left, let type), .window(let right, let otherType)): return left == right && type == otherType
        case (.aggregate(let left), .aggregate(let right)):
            return left.name == right.name && left.argumentTypes == right.argumentTypes
        default: return false
        }
    }
}

extension WindowFrame {
    /// RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW.
    var isDefault: Bool {
        guard case .unboundedPreceding = start, case .currentRow = end else { return false }
        return mode == .range && exclusion == .noOthers
    }
}

extension AggregateCall {
    /// Whether two calls compute the same.
    func isSame(as other: AggregateCall) -> Bool {
        guard function.name == other.function.name, function.argumentTypes == other.function.argumentTypes,
            function.resultType == other.function.resultType, isDistinct == other.isDistinct,
            Expr.same(arguments, other.arguments), order.count == other.order.count
        else { return false }
        for index in order.indices where !order[index].isSame(as: other.order[index]) { return false }
        switch (filter, other.filter) {
        case (nil, nil): return true
        case (let left?, let right?): return left.isSame(as: right)
        default: return false
        }
    }
}
