// Plan nodes: what to compute, not how. Kept apart from Expr; switches over it are exhaustive.
public import Catalogs
public import Columns

/// A relational expression. Each node's `columns` are its output, in order.
public indirect enum LogicalPlan: Sendable {
    case scan(Scan)
    /// Literal rows (also SELECT without FROM: one row of no columns).
    case values(Values)
    case filter(LogicalPlan, Expr)
    /// Computes the outputs; columns passed through keep their ids.
    case project(LogicalPlan, [Output])
    case aggregate(AggregateNode)
    case window(WindowNode)
    case sort(LogicalPlan, [SortKey])
    /// Rows `offset..<offset + limit`; sorted by `order` when not empty (top-N).
    case limit(LimitNode)
    case distinct(DistinctNode)
    case join(Join)
    case setOperation(SetOperation)
    /// Rows of a set-returning function, for each row of the input: a lateral join.
    case unnest(Unnest)
    /// WITH RECURSIVE.
    case recursive(Recursive)
    /// The rows of the step before, inside a recursive term; or a shared common table expression.
    case cteScan(CTEScan)
    /// Evaluates `definition` once for all ``CTEScan``s of its id inside `body`.
    case with(id: Int, definition: LogicalPlan, body: LogicalPlan)
    /// Changes a table.
    case write(WriteNode)

    /// An output column and the expression that computes it.
    public struct Output: Sendable {
        public var column: PlanColumn
        public var expr: Expr
        public init(_ column: PlanColumn, _ expr: Expr) {
            self.column = column
            self.expr = expr
        }
    }

    public struct Scan: Sendable {
        public var table: any Table
        /// As the query calls it, for EXPLAIN.
        public var alias: String
        /// Output columns with their index in the table's schema.
        public var columns: [(column: PlanColumn, index: Int)]
        /// Conditions evaluated inside the scan.
        public var filter: [Expr]
        /// Prunes files, row groups and pages, by table column index; implied by the filter.
        public var domains: [Int: ColumnDomain]
        public var limit: Int?
        /// Columns that are a field inside a struct of the table: the places of the fields on the way.
        public var paths: [ColumnID: [Int]] = [:]
        /// What must hold for those columns, as `domains`.
        public var fieldDomains: [ColumnID: ColumnDomain] = [:]
        /// Joins whose build keys filter this scan at run time, set by the RuntimeFilters rule.
        public var runtimeFilters: [RuntimeFilterTarget]
        public init(
            table: any Table, alias: String, columns: [(column: PlanColumn, index: Int)], filter: [Expr] = [],
            domains: [Int: ColumnDomain] = [:], limit: Int? = nil, runtimeFilters: [RuntimeFilterTarget] = []
        ) {
            self.table = table
            self.alias = alias
            self.columns = columns
            self.filter = filter
            self.domains = domains
            self.limit = limit
            self.runtimeFilters = runtimeFilters
        }
    }

    /// Tells a scan that one of its columns must match the build keys of a join.
    public struct RuntimeFilterTarget: Sendable, Hashable {
        /// Equal to ``Join/runtimeFilterID``.
        public var joinID: Int
        /// Which of the join's key pairs.
        public var key: Int
        public var column: PlanColumn
        public init(joinID: Int, key: Int, column: PlanColumn) {
            self.joinID = joinID
            self.key = key
            self.column = column
        }
    }

    public struct Values: Sendable {
        public var columns: [PlanColumn]
        public var rows: [[Expr]]
        public init(columns: [PlanColumn], rows: [[Expr]]) {
            self.columns = columns
            self.rows = rows
        }
    }

    public struct AggregateNode: Sendable {
        public var input: LogicalPlan
        public var groups: [Output]
        /// Indexes into `groups` for each grouping set; nil means one set of all. Several sets: rows of a set have NULL
        /// in the other groups.
        public var sets: [[Int]]?
        /// Column that tells the set's number (0-based int4), when several sets and GROUPING() is used.
        public var setColumn: PlanColumn?
        public var calls: [(column: PlanColumn, call: AggregateCall)]
        public init(
            input: LogicalPlan, groups: [Output], sets: [[Int]]? = nil, setColumn: PlanColumn? = nil,
            calls: [(column: PlanColumn, call: AggregateCall)]
        ) {
            self.input = input
            self.groups = groups
            self.sets = sets
            self.setColumn = setColumn
            self.calls = calls
        }
    }

    /// Calls that share one partitioning and order. Output: input columns, then the calls'.
    public struct WindowNode: Sendable {
        public var input: LogicalPlan
        public var partition: [Expr]
        public var order: [SortKey]
        public var calls: [(column: PlanColumn, call: WindowCall)]
        public init(
            input: LogicalPlan, partition: [Expr], order: [SortKey], calls: [(column: PlanColumn, call: WindowCall)]
        ) {
            self.input = input
            self.partition = partition
            self.order = order
            self.calls = calls
        }
    }

    public struct LimitNode: Sendable {
        public var input: LogicalPlan
        /// int8 expressions without columns; nil or NULL: no limit.
        public var limit: Expr?
        public var offset: Expr?
        /// Top-N when not empty.
        public var order: [SortKey]
        public var withTies: Bool
        public init(
            input: LogicalPlan, limit: Expr?, offset: Expr?, order: [SortKey] = [], withTies: Bool = false
        ) {
            self.input = input
            self.limit = limit
            self.offset = offset
            self.order = order
            self.withTies = withTies
        }
    }

    /// DISTINCT over all columns, or DISTINCT ON: the first row (by `order`) of each group of `on`.
    public struct DistinctNode: Sendable {
        public var input: LogicalPlan
        public var on: [Expr]?
        public var order: [SortKey]
        public init(input: LogicalPlan, on: [Expr]? = nil, order: [SortKey] = []) {
            self.input = input
            self.on = on
            self.order = order
        }
    }

    public enum JoinKind: String, Sendable, Hashable {
        case inner, left, right, full
        /// Left rows with a match; output is the left columns.
        case semi
        /// Left rows without a match.
        case anti
        /// All left rows and a boolean: matched; NULL when unknown, as IN and NOT IN need: no pair is true, but one is
        /// NULL. Keys without `nullsEqual` and residuals are compared three-valued. A pulled-up correlation must not
        /// make the mark NULL: it is a key with `nullsEqual` (with IS NOT NULL below the right side if NULL must not
        /// match) or a residual that is never NULL.
        case mark
        /// All left rows with the columns of the at most one match; 21000 for a second match.
        case single
    }

    public struct Join: Sendable {
        public var kind: JoinKind
        public var left: LogicalPlan
        public var right: LogicalPlan
        /// Equalities: left expression over left columns, right over right columns; types are equal.
        /// `nullsEqual` makes NULL match NULL.
        public var keys: [JoinKey]
        /// Further conditions over both sides.
        public var residual: [Expr]
        /// The mark column of a `.mark` join.
        public var mark: PlanColumn?
        /// Whether the right side may refer to columns of the left (LATERAL): gone after Decorrelate.
        public var isLateral: Bool
        /// Set by the RuntimeFilters rule when scans below the probe side use this join's build keys.
        public var runtimeFilterID: Int?
        /// Semi and anti joins with keys: the left side, being the smaller one, is kept in the table, and rows of the
        /// right side mark what they match. Set by ReorderJoins.
        public var buildsLeft = false
        public init(
            kind: JoinKind, left: LogicalPlan, right: LogicalPlan, keys: [JoinKey] = [], residual: [Expr] = [],
            mark: PlanColumn? = nil, isLateral: Bool = false, runtimeFilterID: Int? = nil
        ) {
            self.kind = kind
            self.left = left
            self.right = right
            self.keys = keys
            self.residual = residual
            self.mark = mark
            self.isLateral = isLateral
            self.runtimeFilterID = runtimeFilterID
        }
    }

    public struct JoinKey: Sendable {
        public var left: Expr
        public var right: Expr
        public var nullsEqual: Bool
        public init(left: Expr, right: Expr, nullsEqual: Bool = false) {
            self.left = left
            self.right = right
            self.nullsEqual = nullsEqual
        }
    }

    public enum SetOperator: String, Sendable, Hashable { case union, intersect, except }

    public struct SetOperation: Sendable {
        public var kind: SetOperator
        public var isAll: Bool
        /// At least two; each has columns of the output types, by position. INTERSECT and EXCEPT have exactly two.
        public var inputs: [LogicalPlan]
        public var columns: [PlanColumn]
        public init(kind: SetOperator, isAll: Bool, inputs: [LogicalPlan], columns: [PlanColumn]) {
            self.kind = kind
            self.isAll = isAll
            self.inputs = inputs
            self.columns = columns
        }
    }

    public struct Unnest: Sendable {
        public enum Function: Sendable {
            /// start, stop, step; int4, int8, decimal, timestamp or timestamptz.
            case generateSeries
            case unnest
            case regexpMatches, regexpSplitToTable, stringToTable
        }
        public var input: LogicalPlan
        public var function: Function
        public var arguments: [Expr]
        public var columns: [PlanColumn]
        /// int8, 1-based.
        public var ordinality: PlanColumn?
        /// Keep input rows that yield nothing (LEFT JOIN LATERAL ... ON true).
        public var keepsEmpty: Bool
        public init(
            input: LogicalPlan, function: Function, arguments: [Expr], columns: [PlanColumn],
            ordinality: PlanColumn? = nil, keepsEmpty: Bool = false
        ) {
            self.input = input
            self.function = function
            self.arguments = arguments
            self.columns = columns
            self.ordinality = ordinality
            self.keepsEmpty = keepsEmpty
        }
    }

    public struct Recursive: Sendable {
        public var id: Int
        public var isAll: Bool
        public var base: LogicalPlan
        public var step: LogicalPlan
        public var columns: [PlanColumn]
        public init(id: Int, isAll: Bool, base: LogicalPlan, step: LogicalPlan, columns: [PlanColumn]) {
            self.id = id
            self.isAll = isAll
            self.base = base
            self.step = step
            self.columns = columns
        }
    }

    public struct CTEScan: Sendable {
        public var id: Int
        public var name: String
        /// Fresh ids, by position of the definition's columns.
        public var columns: [PlanColumn]
        public init(id: Int, name: String, columns: [PlanColumn]) {
            self.id = id
            self.name = name
            self.columns = columns
        }
    }

    /// The output columns.
    public var columns: [PlanColumn] {
        switch self {
        case .scan(let scan): scan.columns.map(\.column)
        case .values(let values): values.columns
        case .filter(let input, _), .sort(let input, _): input.columns
        case .project(_, let outputs): outputs.map(\.column)
        case .aggregate(let node):
            node.groups.map(\.column) + node.calls.map(\.column) + (node.setColumn.map { [$0] } ?? [])
        case .window(let node): node.input.columns + node.calls.map(\.column)
        case .limit(let node): node.input.columns
        case .distinct(let node): node.input.columns
        case .join(let join):
            switch join.kind {
            case .inner, .left, .right, .full, .single: join.left.columns + join.right.columns
            case .semi, .anti: join.left.columns
            case .mark: join.left.columns + (join.mark.map { [$0] } ?? [])
            }
        case .setOperation(let node): node.columns
        case .unnest(let node):
            node.input.columns + node.columns + (node.ordinality.map { [$0] } ?? [])
        case .recursive(let node): node.columns
        case .cteScan(let scan): scan.columns
        case .with(_, _, let body): body.columns
        case .write(let node): node.outputs
        }
    }
}
