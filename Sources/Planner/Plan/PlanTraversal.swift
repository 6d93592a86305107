// Walking and rebuilding plans: one place knows every node's inputs and expressions.
public import Diagnostics

extension LogicalPlan {
    /// The direct inputs, left to right; plans of subqueries inside expressions are not among them.
    public var inputs: [LogicalPlan] {
        switch self {
        case .scan, .values, .cteScan: []
        case .filter(let input, _), .project(let input, _), .sort(let input, _): [input]
        case .aggregate(let node): [node.input]
        case .window(let node): [node.input]
        case .limit(let node): [node.input]
        case .distinct(let node): [node.input]
        case .join(let join): [join.left, join.right]
        case .setOperation(let node): node.inputs
        case .unnest(let node): [node.input]
        case .recursive(let node): [node.base, node.step]
        case .with(_, let definition, let body): [definition, body]
        case .write(let node): [node.input]
        }
    }

    /// Rebuilds this with each direct input replaced.
    public func mapInputs(
        _ transform: (LogicalPlan) throws(SQLError) -> LogicalPlan
    ) throws(SQLError) -> LogicalPlan {
        // All rules walk by it.
        try PlanContext.checkGivenUp()
        switch self {
        case .scan, .values, .cteScan: return self
        case .filter(let input, let condition): return .filter(try transform(input), condition)
        case .project(let input, let outputs): return .project(try transform(input), outputs)
        case .sort(let input, let keys): return .sort(try transform(input), keys)
        case .aggregate(var node):
            node.input = try transform(node.input)
            return .aggregate(node)
        case .window(var node):
            node.input = try transform(node.input)
            return .window(node)
        case .limit(var node):
            node.input = try transform(node.input)
            return .limit(node)
        case .distinct(var node):
            node.input = try transform(node.input)
            return .distinct(node)
        case .join(var join):
            join.left = try transform(join.left)
            join.right = try transform(join.right)
            return .join(join)
        case .setOperation(var node):
            for index in node.inputs.indices { node.inputs[index] = try transform(node.inputs[index]) }
            return .setOperation(node)
        case .unnest(var node):
            node.input = try transform(node.input)
            return .unnest(node)
        case .recursive(var node):
            node.base = try transform(node.base)
            node.step = try transform(node.step)
            return .recursive(node)
        case .with(let id, let definition, let body):
            return .with(id: id, definition: try transform(definition), body: try transform(body))
        case .write(var node):
            node.input = try transform(node.input)
            return .write(node)
        }
    }

    /// The expressions of this node itself.
    public var expressions: [Expr] {
        switch self {
        case .cteScan, .setOperation, .recursive, .with: []
        case .write(let node): node.reads.map { .column($0) }
        case .scan(let scan): scan.filter
        case .values(let values): values.rows.flatMap { $0 }
        case .filter(_, let condition): [condition]
        case .project(_, let outputs): outputs.map(\.expr)
        case .sort(_, let keys): keys.map(\.expr)
        case .aggregate(let node): node.groups.map(\.expr) + node.calls.flatMap { $0.call.expressions }
        case .window(let node):
            node.partition + node.order.map(\.expr) + node.calls.flatMap { $0.call.expressions }
        case .limit(let node): [node.limit, node.offset].compactMap { $0 } + node.order.map(\.expr)
        case .distinct(let node): (node.on ?? []) + node.order.map(\.expr)
        case .join(let join): join.keys.flatMap { [$0.left, $0.right] } + join.residual
        case .unnest(let node): node.arguments
        }
    }

    /// Rebuilds this with each of its own expressions replaced.
    public func mapExpressions(_ transform: (Expr) throws(SQLError) -> Expr) throws(SQLError) -> LogicalPlan {
        switch self {
        // The columns of a write are its input's: there is nothing to replace.
        case .cteScan, .setOperation, .recursive, .with, .write: return self
        case .scan(var scan):
            scan.filter = try Expr.map(scan.filter, transform)
            return .scan(scan)
        case .values(var values):
            for index in values.rows.indices { values.rows[index] = try Expr.map(values.rows[index], transform) }
            return .values(values)
        case .filter(let input, let condition): return .filter(input, try transform(condition))
        case .project(let input, var outputs):
            for index in outputs.indices { outputs[index].expr = try transform(outputs[index].expr) }
            return .project(input, outputs)
        case .sort(let input, let keys): return .sort(input, try SortKey.map(keys, transform))
        case .aggregate(var node):
            for index in node.groups.indices { node.groups[index].expr = try transform(node.groups[index].expr) }
            for index in node.calls.indices {
                node.calls[index].call = try node.calls[index].call.mapExpressions(transform)
            }
            return .aggregate(node)
        case .window(var node):
            node.partition = try Expr.map(node.partition, transform)
            node.order = try SortKey.map(node.order, transform)
            for index in node.calls.indices {
                node.calls[index].call = try node.calls[index].call.mapExpressions(transform)
            }
            return .window(node)
        case .limit(var node):
            if let limit = node.limit { node.limit = try transform(limit) }
            if let offset = node.offset { node.offset = try transform(offset) }
            node.order = try SortKey.map(node.order, transform)
            return .limit(node)
        case .distinct(var node):
            if let on = node.on { node.on = try Expr.map(on, transform) }
            node.order = try SortKey.map(node.order, transform)
            return .distinct(node)
        case .join(var join):
            for index in join.keys.indices {
                join.keys[index].left = try transform(join.keys[index].left)
                join.keys[index].right = try transform(join.keys[index].right)
            }
            join.residual = try Expr.map(join.residual, transform)
            return .join(join)
        case .unnest(var node):
            node.arguments = try Expr.map(node.arguments, transform)
            return .unnest(node)
        }
    }

    /// Rebuilds all expressions of the whole plan with ``Expr/replacing(_:)``.
    public func replacingExpressions(_ replace: (Expr) throws(SQLError) -> Expr?) throws(SQLError) -> LogicalPlan {
        let mapped = try mapInputs { (input) throws(SQLError) in try input.replacingExpressions(replace) }
        return try mapped.mapExpressions { (expr) throws(SQLError) in try expr.replacing(replace) }
    }

    /// Whether any expression of the whole plan satisfies a test, subqueries included.
    public func containsExpression(_ test: (Expr) -> Bool) -> Bool {
        for expr in expressions where expr.contains(test) { return true }
        for input in inputs where input.containsExpression(test) { return true }
        return false
    }

    /// Rebuilds every node bottom-up, also inside subqueries of expressions.
    public func rebuilding(
        _ transform: (LogicalPlan) throws(SQLError) -> LogicalPlan
    ) throws(SQLError) -> LogicalPlan {
        var plan = try mapInputs { (input) throws(SQLError) in try input.rebuilding(transform) }
        plan = try plan.mapExpressions { (expr) throws(SQLError) in
            try expr.rebuildingPlans { (inner) throws(SQLError) in try inner.rebuilding(transform) }
        }
        return try transform(plan)
    }
}

extension Expr {
    /// Rebuilds the plans of all subqueries inside this expression.
    public func rebuildingPlans(
        _ transform: (LogicalPlan) throws(SQLError) -> LogicalPlan
    ) throws(SQLError) -> Expr {
        try mapOperands(
            { (operand) throws(SQLError) in try operand.rebuildingPlans(transform) }, plans: transform)
    }
}

extension SortKey {
    static func map(
        _ keys: [SortKey], _ transform: (Expr) throws(SQLError) -> Expr
    ) throws(SQLError) -> [SortKey] {
        var mapped = keys
        for index in mapped.indices { mapped[index].expr = try transform(mapped[index].expr) }
        return mapped
    }
}

extension AggregateCall {
    /// Arguments, filter and order keys.
    public var expressions: [Expr] { arguments + (filter.map { [$0] } ?? []) + order.map(\.expr) }

    /// Rebuilds this with each expression replaced.
    public func mapExpressions(_ transform: (Expr) throws(SQLError) -> Expr) throws(SQLError) -> AggregateCall {
        var call = self
        call.arguments = try Expr.map(arguments, transform)
        if let filter { call.filter = try transform(filter) }
        call.order = try SortKey.map(order, transform)
        return call
    }
}

extension WindowCall {
    /// Arguments, filter and frame offsets.
    public var expressions: [Expr] {
        arguments + (filter.map { [$0] } ?? []) + [frame.start.offset, frame.end.offset].compactMap { $0 }
    }

    /// Rebuilds this with each expression replaced.
    public func mapExpressions(_ transform: (Expr) throws(SQLError) -> Expr) throws(SQLError) -> WindowCall {
        var call = self
        call.arguments = try Expr.map(arguments, transform)
        if let filter { call.filter = try transform(filter) }
        call.frame.start = try frame.start.mapOffset(transform)
        call.frame.end = try frame.end.mapOffset(transform)
        return call
    }
}

extension WindowFrame.Bound {
    /// The expression of `n PRECEDING` and `n FOLLOWING`.
    public var offset: Expr? {
        switch self {
        case .preceding(let expr), .following(let expr): expr
        case .unboundedPreceding, .currentRow, .unboundedFollowing: nil
        }
    }

    func mapOffset(_ transform: (Expr) throws(SQLError) -> Expr) throws(SQLError) -> Self {
        switch self {
        case .preceding(let expr): .preceding(try transform(expr))
        case .following(let expr): .following(try transform(expr))
        case .unboundedPreceding, .currentRow, .unboundedFollowing: self
        }
    }
}
