// Several expressions over the same batches: what they have in common is computed once.
import Columns
import Diagnostics
import Functions
import Planner

/// Expressions evaluated together. One owner thread at a time.
final class ExpressionSet {
    private let evaluators: [any Evaluator]
    private let generation: Generation

    init(_ exprs: [Expr], _ layout: ColumnLayout, _ run: QueryRun) throws(SQLError) {
        var uses: [String: Int] = [:]
        for expr in exprs { expr.countCalls(&uses) }
        let shared = SharedCalls(uses.filter { $0.value > 1 })
        let compiler = EvaluatorCompiler(layout: layout, context: run.functions, shared: shared)
        evaluators = try compiler.compileAll(exprs)
        generation = shared.generation
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> [Column] {
        generation.number &+= 1
        var columns: [Column] = []
        columns.reserveCapacity(evaluators.count)
        for evaluator in evaluators { columns.append(try evaluator.evaluate(batch)) }
        return columns
    }
}

/// Tells one batch from the next.
final class Generation {
    var number = 0
}

/// Calls that occur more than once in a set, by their key.
final class SharedCalls {
    let generation = Generation()
    private let wanted: Set<String>
    private var made: [String: SharedEvaluator] = [:]

    init(_ repeated: [String: Int]) { wanted = Set(repeated.keys) }

    /// The one evaluator of a repeated call; nil when the call is not repeated.
    func evaluator(for expr: Expr, _ make: () throws(SQLError) -> any Evaluator) throws(SQLError) -> (any Evaluator)? {
        guard !wanted.isEmpty, let key = expr.key, wanted.contains(key) else { return nil }
        if let known = made[key] { return known }
        let evaluator = SharedEvaluator(try make(), generation)
        made[key] = evaluator
        return evaluator
    }
}

/// Keeps its result for the length of one batch.
final class SharedEvaluator: Evaluator {
    private let inner: any Evaluator
    private let generation: Generation
    private var seen = -1
    private var result: Column?

    init(_ inner: any Evaluator, _ generation: Generation) {
        self.inner = inner
        self.generation = generation
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        if seen == generation.number, let result { return result }
        let column = try inner.evaluate(batch)
        result = column
        seen = generation.number
        return column
    }
}

extension Expr {
    /// A text that is equal for equal calls; nil for what is not worth sharing.
    fileprivate var key: String? {
        switch self {
        case .column(let column): return column.id.description
        case .literal(let scalar): return "\(scalar.type.name):\(scalar.value)"
        case .call(let function, let arguments):
            guard function.volatility != .volatile else { return nil }
            var text = "\(function.name)/\(function.resultType.name)("
            for (argument, type) in zip(arguments, function.argumentTypes) {
                guard let part = argument.key else { return nil }
                text += "\(part)~\(type.name),"
            }
            return text + ")"
        default: return nil
        }
    }

    /// Counts calls in places where every row is evaluated.
    fileprivate func countCalls(_ uses: inout [String: Int]) {
        guard case .call(_, let arguments) = self else { return }
        if let key {
            uses[key, default: 0] += 1
            // What stands inside a repeated call is evaluated once with it.
            if uses[key, default: 0] > 1 { return }
        }
        for argument in arguments { argument.countCalls(&uses) }
    }
}
