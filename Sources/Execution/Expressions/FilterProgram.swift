// Conditions as a program that narrows a selection of rows, condition by condition, cheap ones first.
import Columns
import Diagnostics
import Functions
import Planner

/// One condition. One owner thread at a time.
protocol RowPredicate: AnyObject {
    /// Batch columns that it reads.
    var columns: [Int] { get }
    /// Relative cost a row: 1 for comparing integers.
    var cost: Int { get }
    /// Keeps the rows for which the condition is true: reads `count` ascending row numbers from `from` (nil: all rows)
    /// and writes the survivors to `into`, which may be the same memory. Returns how many there are.
    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int,
        into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int
}

/// A conjunction of conditions for batches of one layout.
final class FilterProgram: BatchFilter {
    /// Groups of conditions with the columns that they need; the rows of a group's result reach the next.
    private let groups: [[any RowPredicate]]
    let stages: [[Int]]

    /// `extra` conditions come after the plain ones, and before those that can fail.
    init(
        _ conditions: [Expr], _ layout: ColumnLayout, _ run: QueryRun, extra: [any RowPredicate] = []
    ) throws(SQLError) {
        let compiler = PredicateCompiler(layout: layout, run: run)
        var safe: [any RowPredicate] = extra
        var failing: [any RowPredicate] = []
        for condition in compiler.fused(conditions.flatMap(\.conjuncts)) {
            let predicate = try compiler.compile(condition)
            // What can fail stays behind everything that may guard it, in the order written.
            if condition.canFail || !condition.isRepeatable {
                failing.append(predicate)
            } else {
                safe.append(predicate)
            }
        }
        // Cheap ones first; a stable insertion, for lists are short.
        var ordered: [any RowPredicate] = []
        for predicate in safe {
            var place = ordered.count
            while place > 0, ordered[place - 1].cost > predicate.cost { place -= 1 }
            ordered.insert(predicate, at: place)
        }
        ordered += failing
        var groups: [[any RowPredicate]] = []
        var stages: [[Int]] = []
        for predicate in ordered {
            let needed = Array(Set(predicate.columns)).sorted()
            if let last = stages.last, Set(needed).isSubset(of: last) {
                groups[groups.count - 1].append(predicate)
            } else {
                groups.append([predicate])
                stages.append(needed)
            }
        }
        self.groups = groups
        self.stages = stages
    }

    var isEmpty: Bool { groups.isEmpty }

    func select(stage: Int, _ columns: [Column?], rows: Int) throws(SQLError) -> Selection? {
        try narrow(groups[stage...stage], columns, rows)
    }

    /// Applies all conditions to a batch; nil when all rows pass.
    func select(_ batch: Batch) throws(SQLError) -> Selection? {
        try narrow(groups[...], batch.columns, batch.rows)
    }

    private func narrow(
        _ groups: ArraySlice<[any RowPredicate]>, _ columns: [Column?], _ rows: Int
    ) throws(SQLError) -> Selection? {
        guard rows > 0 else { return nil }
        let buffer = Buffer(count: rows, of: Int32.self)
        let selected = buffer.pointer(Int32.self)
        var count = rows
        for group in groups {
            for predicate in group {
                // While all rows pass, the row numbers need not be read.
                count = try predicate.narrow(
                    columns, rows: rows, from: count == rows ? nil : UnsafePointer(selected), count: count,
                    into: selected)
                if count == 0 { return Selection(buffer, count: 0) }
            }
        }
        return count == rows ? nil : Selection(buffer, count: count)
    }
}

/// A scan's conditions on single values that hold for many rows: those that a file's path tells.
final class KnownValues: @unchecked Sendable {
    // Sendable: a table asks from one thread at a time.
    /// Conditions on columns that give the same answer for the same values.
    private let lasting: [any RowPredicate]

    /// Nil when there are none.
    init?(_ conditions: [Expr], _ layout: ColumnLayout, _ run: QueryRun) throws(SQLError) {
        let compiler = PredicateCompiler(layout: layout, run: run)
        var lasting: [any RowPredicate] = []
        for condition in compiler.fused(conditions.flatMap(\.conjuncts)) where condition.isRepeatable {
            let predicate = try compiler.compile(condition)
            if !predicate.columns.isEmpty { lasting.append(predicate) }
        }
        guard !lasting.isEmpty else { return nil }
        self.lasting = lasting
    }

    /// Whether a row with these values may be among the result's.
    func mayPass(_ known: [Column?]) -> Bool {
        var row: Int32 = 0
        for predicate in lasting where predicate.columns.allSatisfy({ known[$0] != nil }) {
            // A condition that fails (a date that does not exist) is an error of the rows, if there are any.
            let passed = try? withUnsafeMutablePointer(to: &row) { row throws(SQLError) in
                try predicate.narrow(known, rows: 1, from: nil, count: 1, into: row)
            }
            if passed == 0 { return false }
        }
        return true
    }
}

/// Chooses the fastest predicate for a condition.
struct PredicateCompiler {
    let layout: ColumnLayout
    let run: QueryRun

    /// Conditions with pairs of bounds on one integer column made one range.
    enum Condition {
        case plain(Expr)
        case range(PlanColumn, IntegerRange)

        var canFail: Bool { if case .plain(let expr) = self { expr.canFail } else { false } }
        var isRepeatable: Bool { if case .plain(let expr) = self { expr.isRepeatable } else { true } }
    }

    func fused(_ conditions: [Expr]) -> [Condition] {
        var result: [Condition] = []
        for condition in conditions {
            guard let comparison = Comparison(condition), let range = comparison.integerRange else {
                result.append(.plain(condition))
                continue
            }
            let twin = result.firstIndex {
                if case .range(let column, _) = $0 { return column.id == comparison.column.id }
                return false
            }
            if let twin, case .range(let column, let other) = result[twin] {
                result[twin] = .range(column, other.intersection(range))
            } else {
                result.append(.range(comparison.column, range))
            }
        }
        return result
    }

    func compile(_ condition: Condition) throws(SQLError) -> any RowPredicate {
        switch condition {
        case .range(let column, let range):
            let index = try layout.index(of: column)
            return DictionaryPredicate(index, IntegerRangePredicate(index, range))
        case .plain(let expr): return try compile(expr)
        }
    }

    private func compile(_ expr: Expr) throws(SQLError) -> any RowPredicate {
        if let comparison = Comparison(expr) {
            let index = try layout.index(of: comparison.column)
            if let plain = ConstantPredicate.make(index, comparison) { return DictionaryPredicate(index, plain) }
        }
        if case .inList(.column(let column), let items) = expr {
            var literals: [Scalar] = []
            for item in items { if case .literal(let scalar) = item { literals.append(scalar) } }
            if literals.count == items.count {
                let index = try layout.index(of: column)
                return DictionaryPredicate(index, SetPredicate(index, ValueSet(column.type, literals)))
            }
        }
        if case .isNull(.column(let column)) = expr {
            return NullPredicate(try layout.index(of: column), wantsNull: true)
        }
        if case .not(.isNull(.column(let column))) = expr {
            return NullPredicate(try layout.index(of: column), wantsNull: false)
        }
        if let pair = ColumnPairPredicate.make(expr, layout) { return pair }
        var indexes: [Int] = []
        for column in expr.columnsUsed { indexes.append(try layout.index(of: column)) }
        let unique = Array(Set(indexes)).sorted()
        let general = EvaluatedPredicate(try expr.compiled(layout, run), columns: unique, canFail: expr.canFail)
        if unique.count == 1, expr.isRepeatable { return DictionaryPredicate(unique[0], general) }
        return general
    }
}

/// A comparison of a column with a literal of the same type.
struct Comparison {
    enum Operator: String {
        case equal = "=", notEqual = "<>", less = "<", lessOrEqual = "<=", greater = ">"
        case greaterOrEqual = ">="

        var flipped: Operator {
            switch self {
            case .equal, .notEqual: self
            case .less: .greater
            case .lessOrEqual: .greaterOrEqual
            case .greater: .less
            case .greaterOrEqual: .lessOrEqual
            }
        }
    }
    let column: PlanColumn
    let op: Operator
    let value: Scalar

    init?(_ expr: Expr) {
        guard case .call(let function, let arguments) = expr, arguments.count == 2,
            let op = Operator(rawValue: function.name), function.resultType == .boolean,
            Comparison.isPlain(function.argumentTypes)
        else { return nil }
        switch (arguments[0], arguments[1]) {
        case (.column(let column), .literal(let value)):
            self.init(column, op, value)
        case (.literal(let value), .column(let column)):
            self.init(column, op.flipped, value)
        default: return nil
        }
    }

    private init?(_ column: PlanColumn, _ op: Operator, _ value: Scalar) {
        guard Comparison.isPlain([column.type, value.type]) else { return nil }
        self.column = column
        self.op = op
        self.value = value
    }

    /// Whether values of these two types compare by their stored form.
    static func isPlain(_ types: [SQLType]) -> Bool {
        guard types.count == 2 else { return false }
        switch (types[0], types[1]) {
        case (.text, .text), (.text, .varchar), (.varchar, .text), (.varchar, .varchar): return true
        case (.decimal(_, let a), .decimal(_, let b)): return a == b && types[0].physical == types[1].physical
        case (.char, _), (.numeric, _), (.interval, _), (.array, _), (.row, _), (.map, _),
            (.unknown, _), (.jsonb, _):
            return false
        case (let a, let b): return a == b
        }
    }

    /// For integers: the values for which it holds.
    var integerRange: IntegerRange? {
        switch column.type.physical {
        case .int16, .int32, .int64: break
        default: return nil
        }
        let number: Int64
        switch value.value {
        case .null: return .empty
        case .int(let value): number = value
        case .int128(let value):
            guard let small = Int64(exactly: value) else { return nil }
            number = small
        default: return nil
        }
        switch op {
        case .equal: return IntegerRange(low: number, high: number)
        case .notEqual: return nil
        case .less: return number == .min ? IntegerRange.empty : IntegerRange(low: .min, high: number - 1)
        case .lessOrEqual: return IntegerRange(low: .min, high: number)
        case .greater: return number == .max ? IntegerRange.empty : IntegerRange(low: number + 1, high: .max)
        case .greaterOrEqual: return IntegerRange(low: number, high: .max)
        }
    }
}

/// Integers from low to high, both included; empty when low > high.
struct IntegerRange: Sendable {
    let low: Int64
    let high: Int64
    static let empty = IntegerRange(low: 1, high: 0)
    func intersection(_ other: IntegerRange) -> IntegerRange {
        IntegerRange(low: max(low, other.low), high: min(high, other.high))
    }
}
