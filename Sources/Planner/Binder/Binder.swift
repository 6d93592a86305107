// Names to columns, text to types: the syntax tree of a query and a catalog snapshot make a logical plan.
public import Catalogs
public import Columns
public import Diagnostics
import Functions
public import Syntax

/// All relations of one statement, resolved once.
public struct CatalogSnapshot: Sendable {
    /// A reference to a relation as the query spells it.
    public struct Reference: Hashable, Sendable {
        /// Database part of a three-part name (`"lake@dev".public.orders`), nil when not given.
        public var database: String?
        /// Schema part, nil when not given (search path applies).
        public var schema: String?
        /// The name, without an `@ref` suffix.
        public var name: String
        /// The version asked for, nil for the session's. Inside a view that was itself asked for at a version: that.
        public var ref: Ref?
        /// Schemas to search for a name without schema inside a view: the view's; nil for the session's.
        public var searchPath: [String]?
        /// The role whose rights the name has inside a view: its owner; nil: the session's.
        public var definer: Int64?
        public init(
            database: String? = nil, schema: String? = nil, name: String, ref: Ref? = nil, searchPath: [String]? = nil,
            definer: Int64? = nil
        ) {
            self.definer = definer
            self.database = database
            self.schema = schema
            self.name = name
            self.ref = ref
            self.searchPath = searchPath
        }
    }
    /// A call of a table function that reads files: the same call is the same table, wherever it stands.
    public struct FileCall: Hashable, Sendable {
        /// "read_parquet", or "apus.log" and its kin.
        public var function: String
        /// The paths; for a function of the lake its arguments.
        public var paths: [String]
        /// By lower-case name.
        public var options: [String: Scalar]
        public init(function: String, paths: [String], options: [String: Scalar] = [:]) {
            self.function = function
            self.paths = paths
            self.options = options
        }
    }
    public var relations: [Reference: Relation]
    /// Tables of table functions that read files.
    public var fileTables: [FileCall: any Table]
    /// Functions of the user, by name as it is written.
    public var functions: [QualifiedName: [FunctionDefinition]] = [:]
    /// The schemas that they are in.
    public var functionSchemas: [QualifiedName: String] = [:]
    /// Policies and masks of relations that are read.
    public var security: [Reference: RowSecurity] = [:]
    /// Types of the user.
    public var types = UserTypes()

    public init(
        relations: [Reference: Relation] = [:], fileTables: [FileCall: any Table] = [:], types: UserTypes = UserTypes()
    ) {
        self.relations = relations
        self.fileTables = fileTables
        self.types = types
    }
}

/// A relation that a statement names, once a place of the text.
public struct RelationUse: Sendable {
    public var reference: CatalogSnapshot.Reference
    /// The target of a write, where it is read as well.
    public var isTarget: Bool
    /// The columns that are read.
    public var columns: Set<String> = []
    init(reference: CatalogSnapshot.Reference, isTarget: Bool) {
        self.reference = reference
        self.isTarget = isTarget
    }
}

/// A function of the user that a statement calls.
public struct FunctionUse: Sendable {
    public var function: FunctionDefinition
    public var schema: String
    public var name: String
}

/// What binding a query gives.
public struct BoundQuery: Sendable {
    /// The plan; its columns carry the names that the client sees.
    public var plan: LogicalPlan
    /// Types of $1, $2, ...: as declared, or as inferred from use.
    public var parameterTypes: [SQLType]
    /// What rights are asked for.
    public var uses: [RelationUse]
    public var functions: [FunctionUse] = []
    public init(plan: LogicalPlan, parameterTypes: [SQLType], uses: [RelationUse] = []) {
        self.plan = plan
        self.parameterTypes = parameterTypes
        self.uses = uses
    }
}

/// Binds queries and fills in parameters.
public enum Binder {
    /// Binds a query. `parameterTypes` are the types that the client declared, nil where it left them open.
    /// `viewPath` and `viewRef` are for the text of a view; a statement of a session needs neither. The types of a part's
    /// parameters may be told by other parts of the statement.
    public static func bind(
        _ query: Query, snapshot: CatalogSnapshot, context: PlanContext, parameterTypes: [SQLType?] = [],
        viewPath: [String]? = nil, viewRef: Ref? = nil, isPart: Bool = false
    ) throws(SQLError) -> BoundQuery {
        let binder = QueryBinder(snapshot: snapshot, context: context, parameterTypes: parameterTypes)
        if let viewPath {
            binder.views.append(QueryBinder.ViewFrame(name: "", ref: viewRef, searchPath: viewPath))
        }
        var rows = try binder.bind(query, outer: nil, ctes: nil)
        for (index, type) in binder.parameters.enumerated() where type == .unknown && !isPart {
            throw SQLError(
                .indeterminateDatatype, "could not determine data type of parameter $\(index + 1)")
        }
        rows.plan = try settled(rows.plan, binder)
        var bound = BoundQuery(plan: rows.plan, parameterTypes: binder.parameters, uses: binder.relationUses)
        bound.functions = binder.functionUses
        return bound
    }

    /// The last touches of a bound plan: subqueries get their own columns, parameters the types that later uses gave.
    static func settled(_ bound: LogicalPlan, _ binder: QueryBinder) throws(SQLError) -> LogicalPlan {
        let plan = try SubqueryCopies.separated(bound)
        // `$1 IS NULL` is bound before `$1 = a` settles the type.
        let types = binder.parameters
        if types.isEmpty { return plan }
        return try plan.replacingExpressions { (expr) throws(SQLError) in
            guard case .parameter(let index, .unknown) = expr else { return nil }
            return .parameter(index, types[index])
        }
    }

    /// Binds an expression without columns and evaluates it: arguments of EXECUTE, for instance.
    public static func value(
        of expression: Expression, as type: SQLType, context: PlanContext
    ) throws(SQLError) -> Scalar {
        let binder = QueryBinder(snapshot: CatalogSnapshot(), context: context, parameterTypes: [])
        let typed = try binder.bind(expression, Scope(outer: nil, ctes: nil))
        let expr = try binder.coerce(typed, to: type, .assignment)
        return try ConstantFold.evaluate(expr, context.functions)
    }

    /// Puts values for the parameters into a bound plan. There must be as many as the query has, of its types.
    public static func replaceParameters(
        in plan: LogicalPlan, with values: [Scalar]
    ) throws(SQLError) -> LogicalPlan {
        try plan.replacingExpressions { (expr) throws(SQLError) in try replaced(expr, values) }
    }

    private static func replaced(_ expr: Expr, _ values: [Scalar]) throws(SQLError) -> Expr? {
        switch expr {
        case .parameter(let index, let type):
            guard index < values.count else {
                throw SQLError(.undefinedParameter, "there is no parameter $\(index + 1)")
            }
            let value = values[index]
            guard value.isNull || value.type.physical == type.physical else {
                throw SQLError(
                    .datatypeMismatch,
                    "parameter $\(index + 1) is of type \(value.type.baseName), not \(type.baseName)")
            }
            return .literal(Scalar(type, value.value))
        case .conditional(let branches, let otherwise, _):
            // `x = ANY($1)`: the array is known now, so that the comparison becomes a list.
            guard branches.count == 1, case .isNull(.parameter(let index, let type)) = branches[0].when,
                case .array = type, index < values.count, case .subquery(let subquery) = otherwise
            else { return nil }
            if values[index].isNull { return branches[0].then }
            return try list(subquery, values)
        default: return nil
        }
    }

    /// `operand = ANY (unnest(array))` with a known array as IN; nil keeps the subquery.
    private static func list(_ subquery: Expr.Subquery, _ values: [Scalar]) throws(SQLError) -> Expr? {
        let plain = { (operand: Expr) throws(SQLError) -> Expr in
            try operand.replacing { (expr) throws(SQLError) in try replaced(expr, values) }
        }
        guard case .any(let pairs) = subquery.kind, pairs.count == 1, let pair = pairs.first,
            pair.comparison.name == "=", pair.comparison.argumentTypes.first == pair.column.type,
            case .unnest(let unnest) = subquery.plan, unnest.columns.first?.id == pair.column.id,
            case .parameter(let index, _)? = unnest.arguments.first, case .array(let items) = values[index].value
        else {
            let mapped = try Expr.subquery(subquery).mapOperands(
                plain, plans: { (plan) throws(SQLError) in try replaceParameters(in: plan, with: values) })
            return mapped
        }
        if items.isEmpty { return .literal(.boolean(false)) }
        return .inList(try plain(pair.operand), items.map { .literal(Scalar(pair.column.type, $0.value)) })
    }
}
