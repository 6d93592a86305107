// Window calls: OVER, named windows and their inheritance, frames, and the nodes that compute them.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    func windowCall(
        _ call: FunctionCall, _ name: String, _ over: FunctionCall.Over, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        guard let block = scope.block, scope.refused == nil, scope.windowsRefused == nil else {
            let place = scope.refused ?? scope.windowsRefused ?? "this context"
            if place == QueryBinder.windowPlace {
                throw SQLError(.windowingError, "window function calls cannot be nested", position: at)
            }
            throw SQLError(.windowingError, "window functions are not allowed in \(place)", position: at)
        }
        guard !scope.isInsideAggregate else {
            throw SQLError(
                .groupingError, "aggregate function calls cannot contain window function calls", position: at)
        }
        let before = scope.windowsRefused
        scope.windowsRefused = QueryBinder.windowPlace
        defer { scope.windowsRefused = before }
        let shape = try windowShape(over, block, scope)
        let bound = try windowFunction(call, name, shape, at, scope)
        let entry = SelectBlock.WindowEntry(
            column: column(name, bound.type), call: bound, partition: shape.partition.map(\.expr), order: shape.order)
        return .column(block.add(entry))
    }

    private static let windowPlace = "window functions"

    // MARK: Functions

    private func windowFunction(
        _ call: FunctionCall, _ name: String, _ shape: SelectBlock.WindowShape, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> WindowCall {
        if call.isDistinct {
            throw SQLError(.featureNotSupported, "DISTINCT is not implemented for window functions", position: at)
        }
        if !call.order.isEmpty {
            throw SQLError(
                .featureNotSupported, "aggregate ORDER BY is not implemented for window functions", position: at)
        }
        if !call.withinGroup.isEmpty {
            throw SQLError(
                .featureNotSupported, "OVER is not supported for ordered-set aggregate \(name)", position: at)
        }
        // DuckDB's first() and last() are aggregates of all rows of the frame; without NULLs they are window functions.
        let known = call.ignoresNulls ? ["first": "first_value", "last": "last_value"][name] ?? name : name
        if let kind = WindowFunctionKind(rawValue: known) {
            if call.filter != nil {
                throw SQLError(
                    .featureNotSupported, "FILTER is not implemented for non-aggregate window functions",
                    position: at)
            }
            if call.isStar {
                throw SQLError(.undefinedFunction, "function \(name)(*) does not exist", position: at)
            }
            let (arguments, type) = try windowArguments(kind, try arguments(of: call, scope), at)
            return WindowCall(
                function: .window(kind, type), arguments: arguments, ignoresNulls: call.ignoresNulls,
                frame: shape.frame)
        }
        guard FunctionRegistry.isAggregate(name) else {
            throw SQLError(
                .wrongObjectType,
                "OVER specified, but \(name) is not a window function nor an aggregate function", position: at)
        }
        if call.ignoresNulls {
            throw SQLError(
                .featureNotSupported, "IGNORE NULLS is not supported for aggregate functions", position: at)
        }
        let aggregate = try aggregate(call, name, at, scope)
        return WindowCall(
            function: .aggregate(aggregate.function), arguments: aggregate.arguments, filter: aggregate.filter,
            frame: shape.frame)
    }

    private func windowArguments(
        _ kind: WindowFunctionKind, _ bound: [Typed], _ at: Int?
    ) throws(SQLError) -> (arguments: [Expr], type: SQLType) {
        let undefined = SQLError(
            .undefinedFunction,
            "function \(kind.rawValue)(\(bound.map(\.type.baseName).joined(separator: ", "))) does not exist",
            hint: "No function matches the given name and argument types. You might need to add explicit type casts.",
            position: at)
        func integer(_ argument: Typed) throws(SQLError) -> Expr {
            guard let expr = try tryCoerce(argument, to: .int4, .implicit) else { throw undefined }
            return expr
        }
        switch kind {
        case .rowNumber, .rank, .denseRank, .percentRank, .cumeDist:
            guard bound.isEmpty else { throw undefined }
            return ([], kind == .percentRank || kind == .cumeDist ? .float8 : .int8)
        case .ntile:
            guard bound.count == 1 else { throw undefined }
            return ([try integer(bound[0])], .int4)
        case .firstValue, .lastValue:
            guard bound.count == 1 else { throw undefined }
            let value = try settleAsText(bound[0])
            return ([value], value.type)
        case .nthValue:
            guard bound.count == 2 else { throw undefined }
            let value = try settleAsText(bound[0])
            return ([value, try integer(bound[1])], value.type)
        case .lag, .lead:
            guard (1...3).contains(bound.count) else { throw undefined }
            guard bound.count == 3 else {
                let value = try settleAsText(bound[0])
                let offset = bound.count == 2 ? try integer(bound[1]) : .literal(.int4(1))
                return ([value, offset], value.type)
            }
            let (values, type) = try unify([bound[0], bound[2]], kind.rawValue.uppercased())
            return ([values[0], try integer(bound[1]), values[1]], type)
        }
    }

    // MARK: Windows

    private func windowShape(
        _ over: FunctionCall.Over, _ block: SelectBlock, _ scope: Scope
    ) throws(SQLError) -> SelectBlock.WindowShape {
        switch over {
        case .named(let name):
            guard let shape = block.namedWindows[name.value] else { throw unknownWindow(name) }
            return shape
        case .inline(let specification): return try windowShape(specification, block, scope)
        }
    }

    private func unknownWindow(_ name: Identifier) -> SQLError {
        SQLError(
            .undefinedObject, "window \"\(name.value)\" does not exist", position: position(name.position))
    }

    /// Binds the WINDOW clause. Later windows may extend earlier ones.
    func bindWindows(_ windows: [NamedWindow], _ block: SelectBlock, _ scope: Scope) throws(SQLError) {
        let before = scope.windowsRefused
        scope.windowsRefused = "window definitions"
        defer { scope.windowsRefused = before }
        for window in windows {
            guard block.namedWindows[window.name.value] == nil else {
                throw SQLError(
                    .windowingError, "window \"\(window.name.value)\" is already defined",
                    position: position(window.name.position))
            }
            block.namedWindows[window.name.value] = try windowShape(window.window, block, scope)
        }
    }

    private func windowShape(
        _ specification: WindowSpecification, _ block: SelectBlock, _ scope: Scope
    ) throws(SQLError) -> SelectBlock.WindowShape {
        var shape = SelectBlock.WindowShape()
        let at = position(specification.position)
        if let base = specification.base {
            guard let known = block.namedWindows[base.value] else { throw unknownWindow(base) }
            try checkExtension(of: base.value, known, by: specification, at)
            shape.partition = known.partition
            shape.order = known.order
        }
        for expr in specification.partition {
            let typed = try bind(expr, scope)
            shape.partition.append(Typed(try settleAsText(typed), typed.position))
        }
        for item in specification.order {
            shape.order.append(try sortKey(item, try settleAsText(try bind(item.value, scope))))
        }
        if let frame = specification.frame {
            shape.frame = try windowFrame(frame, shape.order, scope)
            shape.hasFrame = true
        }
        return shape
    }

    private func checkExtension(
        of name: String, _ known: SelectBlock.WindowShape, by specification: WindowSpecification, _ at: Int?
    ) throws(SQLError) {
        if !specification.partition.isEmpty {
            throw SQLError(
                .windowingError, "cannot override PARTITION BY clause of window \"\(name)\"", position: at)
        }
        if !specification.order.isEmpty, !known.order.isEmpty {
            throw SQLError(.windowingError, "cannot override ORDER BY clause of window \"\(name)\"", position: at)
        }
        if known.hasFrame {
            throw SQLError(
                .windowingError, "cannot copy window \"\(name)\" because it has a frame clause", position: at)
        }
    }

    // MARK: Frames

    private func windowFrame(
        _ frame: WindowSpecification.Frame, _ order: [SortKey], _ scope: Scope
    ) throws(SQLError) -> WindowFrame {
        let at = position(frame.position)
        let end = frame.end ?? .currentRow
        try checkFrame(frame.start, end, at)
        let mode: WindowFrame.Mode
        switch frame.mode {
        case .rows: mode = .rows
        case .range: mode = .range
        case .groups: mode = .groups
        }
        if mode == .groups, order.isEmpty {
            throw SQLError(.windowingError, "GROUPS mode requires an ORDER BY clause", position: at)
        }
        let exclusion: WindowFrame.Exclusion
        switch frame.exclusion {
        case .noOthers: exclusion = .noOthers
        case .currentRow: exclusion = .currentRow
        case .group: exclusion = .group
        case .ties: exclusion = .ties
        }
        return WindowFrame(
            mode: mode, start: try frameBound(frame.start, mode, order, at, scope),
            end: try frameBound(end, mode, order, at, scope), exclusion: exclusion)
    }

    private func checkFrame(
        _ start: WindowSpecification.Bound, _ end: WindowSpecification.Bound, _ at: Int?
    ) throws(SQLError) {
        var problem: String?
        switch (start, end) {
        case (.unboundedFollowing, _): problem = "frame start cannot be UNBOUNDED FOLLOWING"
        case (_, .unboundedPreceding): problem = "frame end cannot be UNBOUNDED PRECEDING"
        case (.currentRow, .preceding): problem = "frame starting from current row cannot have preceding rows"
        case (.following, .currentRow), (.following, .preceding):
            problem = "frame starting from following row cannot have preceding rows"
        default: break
        }
        if let problem { throw SQLError(.windowingError, problem, position: at) }
    }

    private func frameBound(
        _ bound: WindowSpecification.Bound, _ mode: WindowFrame.Mode, _ order: [SortKey], _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> WindowFrame.Bound {
        switch bound {
        case .unboundedPreceding: .unboundedPreceding
        case .currentRow: .currentRow
        case .unboundedFollowing: .unboundedFollowing
        case .preceding(let expr): .preceding(try frameOffset(expr, mode, order, at, scope))
        case .following(let expr): .following(try frameOffset(expr, mode, order, at, scope))
        }
    }

    private func frameOffset(
        _ expr: Expression, _ mode: WindowFrame.Mode, _ order: [SortKey], _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        let (typed, used) = try collectingScopes { () throws(SQLError) -> Typed in try bind(expr, scope) }
        let word = mode == .rows ? "ROWS" : mode == .range ? "RANGE" : "GROUPS"
        guard !used.contains(where: { $0 === scope }) else {
            throw SQLError(
                .invalidColumnReference, "argument of \(word) must not contain variables", position: typed.position)
        }
        var target = SQLType.int8
        if mode == .range {
            guard order.count == 1, let key = order.first?.expr.type else {
                throw SQLError(
                    .windowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
                    position: at)
            }
            switch key {
            case .date, .time, .timestamp, .timestamptz, .interval: target = .interval
            case _ where key.isNumber: target = key
            default:
                throw SQLError(
                    .featureNotSupported,
                    "RANGE with offset PRECEDING/FOLLOWING is not supported for column type \(key.baseName)",
                    position: typed.position)
            }
            if case .decimal = key { target = .numeric }
        }
        guard let offset = try tryCoerce(typed, to: target, .implicit) else {
            throw SQLError(
                .datatypeMismatch,
                "argument of \(word) must be type \(target.baseName), not type \(typed.type.baseName)",
                position: typed.position)
        }
        return offset
    }

    // MARK: Nodes

    /// Puts one node a distinct window over a plan.
    func windowNodes(_ entries: [SelectBlock.WindowEntry], over input: LogicalPlan) -> LogicalPlan {
        var plan = input
        var left = entries[...]
        while let first = left.popFirst() {
            // A window with a subquery is not even the same as itself.
            let same = [first] + left.filter { $0.hasSameWindow(as: first) }
            left.removeAll { $0.hasSameWindow(as: first) }
            plan = .window(
                LogicalPlan.WindowNode(
                    input: plan, partition: first.partition, order: first.order,
                    calls: same.map { ($0.column, $0.call) }))
        }
        return plan
    }
}
