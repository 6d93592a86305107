// Expressions over batches: a bound Expr and a column layout compile to a tree of objects that evaluate a column at a
// time. One tree a worker: objects keep scratch memory and caches.
import Columns
import Diagnostics
import Functions
import Planner

/// Computes one column from a batch. One owner thread at a time.
protocol Evaluator: AnyObject {
    /// Returns a column of `batch.rows` rows, of any layout.
    func evaluate(_ batch: Batch) throws(SQLError) -> Column
}

/// Where the columns of a plan stand in the batches of a stage.
struct ColumnLayout: Sendable {
    private let indexes: [ColumnID: Int]
    let types: [SQLType]

    init(_ columns: [PlanColumn]) {
        var indexes: [ColumnID: Int] = [:]
        for (index, column) in columns.enumerated() where indexes[column.id] == nil { indexes[column.id] = index }
        self.indexes = indexes
        types = columns.map(\.type)
    }

    func index(of column: PlanColumn) throws(SQLError) -> Int {
        guard let index = indexes[column.id] else {
            throw SQLError(.internalError, "column \(column.name) (\(column.id)) is not produced below its use")
        }
        return index
    }
}

extension Expr {
    /// Compiles for batches of a layout.
    func compiled(_ layout: ColumnLayout, _ run: QueryRun) throws(SQLError) -> any Evaluator {
        try EvaluatorCompiler(layout: layout, context: run.functions).compile(self)
    }

    /// The value of an expression without columns.
    func constantValue(_ run: QueryRun) throws(SQLError) -> Scalar {
        try compiled(ColumnLayout([]), run).evaluate(Batch([], rows: 1)).scalar(0)
    }
}

/// Compiles several expressions for one layout.
func compile(_ exprs: [Expr], _ layout: ColumnLayout, _ run: QueryRun) throws(SQLError) -> [any Evaluator] {
    var all: [any Evaluator] = []
    for expr in exprs { all.append(try expr.compiled(layout, run)) }
    return all
}

/// Turns expressions into evaluators.
struct EvaluatorCompiler {
    let layout: ColumnLayout
    let context: FunctionContext
    /// Calls that several expressions of a set have in common.
    var shared: SharedCalls?

    func compile(_ expr: Expr) throws(SQLError) -> any Evaluator {
        switch expr {
        case .column(let column): return ColumnEvaluator(try layout.index(of: column))
        case .literal(let scalar): return ConstantEvaluator(scalar)
        case .parameter(let index, _):
            throw SQLError(.undefinedParameter, "there is no parameter $\(index + 1)")
        case .call(let function, let arguments):
            let make = { () throws(SQLError) -> any Evaluator in
                CallEvaluator(function, try compileAll(arguments), context, isFixed: expr.isRepeatable)
            }
            if let known = try shared?.evaluator(for: expr, make) { return known }
            return try make()
        case .and(let operands): return try logic(operands, isAnd: true)
        case .or(let operands): return try logic(operands, isAnd: false)
        case .not(let operand): return NotEvaluator(try compile(operand))
        case .isNull(let operand): return IsNullEvaluator(try compile(operand))
        case .notDistinct(let left, let right): return NotDistinctEvaluator(try compile(left), try compile(right))
        case .conditional(let branches, let otherwise, let type):
            var arms: [(when: any Evaluator, then: Guarded)] = []
            for branch in branches { arms.append((try guarded(branch.when).evaluator, try guarded(branch.then))) }
            // A later condition must not see rows that an earlier one has taken.
            let conditions = try branches.dropFirst().guardedConditions(self)
            return ConditionalEvaluator(arms, later: conditions, otherwise: try guarded(otherwise), type)
        case .coalesce(let operands, let type):
            var arms: [Guarded] = []
            for operand in operands { arms.append(try guarded(operand)) }
            return CoalesceEvaluator(arms, type)
        case .inList(let value, let items): return try inList(value, items)
        case .subquery:
            throw SQLError(.featureNotSupported, "this kind of correlated subquery is not supported")
        }
    }

    func compileAll(_ exprs: [Expr]) throws(SQLError) -> [any Evaluator] {
        var all: [any Evaluator] = []
        for expr in exprs { all.append(try compile(expr)) }
        return all
    }

    /// Compiles an expression that may be needed for a part of the rows only.
    func guarded(_ expr: Expr) throws(SQLError) -> Guarded {
        var indexes: [Int] = []
        for column in expr.columnsUsed { indexes.append(try layout.index(of: column)) }
        // Guarded expressions see parts of batches: they share nothing with others.
        var alone = self
        alone.shared = nil
        return Guarded(try alone.compile(expr), columns: Array(Set(indexes)).sorted(), isSafe: !expr.canFail)
    }

    private func logic(_ operands: [Expr], isAnd: Bool) throws(SQLError) -> any Evaluator {
        var arms: [Guarded] = []
        for operand in operands { arms.append(try guarded(operand)) }
        return LogicEvaluator(arms, isAnd: isAnd)
    }

    private func inList(_ value: Expr, _ items: [Expr]) throws(SQLError) -> any Evaluator {
        var constants: [Scalar] = []
        for item in items {
            guard case .literal(let scalar) = item else {
                return InExpressionsEvaluator(try compile(value), try compileAll(items))
            }
            constants.append(scalar)
        }
        return InListEvaluator(try compile(value), ValueSet(value.type, constants))
    }
}

extension ArraySlice where Element == (when: Expr, then: Expr) {
    fileprivate func guardedConditions(_ compiler: EvaluatorCompiler) throws(SQLError) -> [Guarded] {
        var all: [Guarded] = []
        for branch in self { all.append(try compiler.guarded(branch.when)) }
        return all
    }
}

/// A column passed through.
final class ColumnEvaluator: Evaluator {
    let index: Int
    init(_ index: Int) { self.index = index }
    func evaluate(_ batch: Batch) throws(SQLError) -> Column { batch.columns[index] }
}

/// A literal.
final class ConstantEvaluator: Evaluator {
    let scalar: Scalar
    private let one: Column
    init(_ scalar: Scalar) {
        self.scalar = scalar
        one = Column.constant(scalar, count: 1)
    }
    func evaluate(_ batch: Batch) throws(SQLError) -> Column { Column.constant(one, count: batch.rows) }
}

/// An expression that is evaluated on the rows that reach it.
final class Guarded {
    let evaluator: any Evaluator
    /// Batch columns that it reads.
    private let columns: [Int]
    /// Cannot fail: may be evaluated on all rows.
    let isSafe: Bool

    init(_ evaluator: any Evaluator, columns: [Int], isSafe: Bool) {
        self.evaluator = evaluator
        self.columns = columns
        self.isSafe = isSafe
    }

    /// Evaluates on the selected rows only; the result has `count` rows.
    func evaluate(_ batch: Batch, rows: UnsafePointer<Int32>, count: Int) throws(SQLError) -> Column {
        if count == batch.rows { return try evaluator.evaluate(batch) }
        // Columns that are not read keep their place and a wrong length.
        var gathered = batch.columns
        for column in columns { gathered[column] = batch.columns[column].gather(rows, count: count) }
        return try evaluator.evaluate(Batch(gathered, rows: count))
    }
}

extension Expr {
    /// The columns that the expression reads.
    var columnsUsed: [PlanColumn] {
        var found: [PlanColumn] = []
        visit { if case .column(let column) = $0 { found.append(column) } }
        return found
    }

    /// Whether evaluating can throw.
    var canFail: Bool {
        var fails = false
        visit {
            switch $0 {
            case .call(let function, _): fails = fails || function.canFail
            case .subquery, .parameter: fails = true
            default: break
            }
        }
        return fails
    }

    /// Whether equal inputs give equal results within a statement.
    var isRepeatable: Bool {
        var repeats = true
        visit { if case .call(let function, _) = $0, function.volatility == .volatile { repeats = false } }
        return repeats
    }

    private func visit(_ look: (Expr) -> Void) {
        look(self)
        switch self {
        case .column, .literal, .parameter, .subquery: break
        case .call(_, let operands), .and(let operands), .or(let operands), .coalesce(let operands, _):
            for operand in operands { operand.visit(look) }
        case .not(let operand), .isNull(let operand): operand.visit(look)
        case .notDistinct(let left, let right):
            left.visit(look)
            right.visit(look)
        case .conditional(let branches, let otherwise, _):
            for branch in branches {
                branch.when.visit(look)
                branch.then.visit(look)
            }
            otherwise.visit(look)
        case .inList(let value, let items):
            value.visit(look)
            for item in items { item.visit(look) }
        }
    }
}
