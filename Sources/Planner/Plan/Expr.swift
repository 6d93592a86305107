// Bound expressions: every name is a column id, every function an overload, every type known.
public import Columns
public import Functions

/// A column of a plan, unique within the plan: a rule may move an expression anywhere its columns are produced.
public struct PlanColumn: Hashable, Sendable {
    public let id: ColumnID
    public let name: String
    public let type: SQLType
    public let isNullable: Bool

    public init(id: ColumnID, name: String, type: SQLType, isNullable: Bool = true) {
        self.id = id
        self.name = name
        self.type = type
        self.isNullable = isNullable
    }
}

/// Names one column within one plan.
public struct ColumnID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let number: Int
    public init(_ number: Int) { self.number = number }
    public static func < (left: ColumnID, right: ColumnID) -> Bool { left.number < right.number }
    public var description: String { "#\(number)" }
}

/// A bound expression.
///
/// A column that no child of a node produces is a reference to an outer query: correlation needs no marks.
public indirect enum Expr: Sendable {
    case column(PlanColumn)
    case literal(Scalar)
    /// $n, 0-based, replaced by a literal before optimizing.
    case parameter(Int, SQLType)
    /// A function call, an operator, or a cast (name `cast`).
    case call(BoundFunction, [Expr])
    /// Three-valued; stops at the first false. At least two operands.
    case and([Expr])
    case or([Expr])
    case not(Expr)
    case isNull(Expr)
    /// IS NOT DISTINCT FROM: NULLs are equal.
    case notDistinct(Expr, Expr)
    /// Searched CASE; evaluates only what is reached. Branch types are equal.
    case conditional([(when: Expr, then: Expr)], otherwise: Expr, SQLType)
    /// First operand that is not NULL. Types are equal.
    case coalesce([Expr], SQLType)
    /// `value IN (list)`; types are equal; items may be any expressions.
    case inList(Expr, [Expr])
    /// A subquery that the Decorrelate rule turns into a join.
    case subquery(Subquery)

    /// A subquery inside an expression.
    public struct Subquery: Sendable {
        public enum Kind: Sendable {
            /// The one value of the one row, NULL when there is no row, 21000 when there are several.
            case scalar
            case exists
            /// `operand op ANY (plan)`, comparisons bound; each pairs an operand with a plan column.
            case any([(operand: Expr, comparison: BoundFunction, column: PlanColumn)])
            case all([(operand: Expr, comparison: BoundFunction, column: PlanColumn)])
        }
        public var kind: Kind
        public var plan: LogicalPlan
        public init(kind: Kind, plan: LogicalPlan) {
            self.kind = kind
            self.plan = plan
        }
    }

    public var type: SQLType {
        switch self {
        case .column(let column): column.type
        case .literal(let scalar): scalar.type
        case .parameter(_, let type): type
        case .call(let function, _): function.resultType
        case .and, .or, .not, .isNull, .notDistinct, .inList: .boolean
        case .conditional(_, _, let type): type
        case .coalesce(_, let type): type
        case .subquery(let subquery):
            switch subquery.kind {
            case .scalar: subquery.plan.columns.first?.type ?? .unknown
            case .exists, .any, .all: .boolean
            }
        }
    }

    /// TRUE.
    public static let yes = Expr.literal(.boolean(true))

    /// Joins conditions with AND: TRUE for none.
    public static func all(_ conditions: [Expr]) -> Expr {
        var flat: [Expr] = []
        for condition in conditions {
            if case .and(let inner) = condition { flat += inner } else { flat.append(condition) }
        }
        flat.removeAll {
            if case .literal(let scalar) = $0 { return scalar.value == .bool(true) }
            return false
        }
        return flat.count > 1 ? .and(flat) : flat.first ?? .yes
    }

    /// The conditions that AND joins.
    public var conjuncts: [Expr] {
        switch self {
        case .and(let operands): operands.flatMap(\.conjuncts)
        case .literal(let scalar) where scalar.value == .bool(true): []
        default: [self]
        }
    }
}

/// A sort key.
public struct SortKey: Sendable {
    public var expr: Expr
    public var isDescending: Bool
    public var nullsFirst: Bool
    public init(_ expr: Expr, isDescending: Bool = false, nullsFirst: Bool = false) {
        self.expr = expr
        self.isDescending = isDescending
        self.nullsFirst = nullsFirst
    }
}

/// An aggregate over its arguments.
public struct AggregateCall: Sendable {
    public var function: BoundAggregate
    public var arguments: [Expr]
    public var isDistinct: Bool
    public var filter: Expr?
    public var order: [SortKey]
    public init(
        function: BoundAggregate, arguments: [Expr], isDistinct: Bool = false, filter: Expr? = nil,
        order: [SortKey] = []
    ) {
        self.function = function
        self.arguments = arguments
        self.isDistinct = isDistinct
        self.filter = filter
        self.order = order
    }
}

/// A window function's frame (PostgreSQL docs 4.2.8).
public struct WindowFrame: Sendable {
    public enum Mode: Sendable, Hashable { case rows, range, groups }
    public enum Exclusion: Sendable, Hashable { case noOthers, currentRow, group, ties }
    public enum Bound: Sendable {
        case unboundedPreceding
        case preceding(Expr)
        case currentRow
        case following(Expr)
        case unboundedFollowing
    }
    public var mode: Mode
    public var start: Bound
    public var end: Bound
    public var exclusion: Exclusion
    public init(
        mode: Mode = .range, start: Bound = .unboundedPreceding, end: Bound = .currentRow,
        exclusion: Exclusion = .noOthers
    ) {
        self.mode = mode
        self.start = start
        self.end = end
        self.exclusion = exclusion
    }
}

/// A call over a window.
public struct WindowCall: Sendable {
    public enum Function: Sendable {
        case window(WindowFunctionKind, SQLType)
        case aggregate(BoundAggregate)
    }
    public var function: Function
    public var arguments: [Expr]
    public var filter: Expr?
    public var ignoresNulls: Bool
    public var frame: WindowFrame
    public init(
        function: Function, arguments: [Expr], filter: Expr? = nil, ignoresNulls: Bool = false,
        frame: WindowFrame = WindowFrame()
    ) {
        self.function = function
        self.arguments = arguments
        self.filter = filter
        self.ignoresNulls = ignoresNulls
        self.frame = frame
    }
    public var type: SQLType {
        switch function {
        case .window(_, let type): type
        case .aggregate(let aggregate): aggregate.resultType
        }
    }
}
