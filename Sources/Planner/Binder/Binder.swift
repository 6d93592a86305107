// Names to columns, text to types: the syntax tree of a query and a catalog snapshot make a logical plan.
public import Catalogs
public import Columns
public import Diagnostics
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
        public init(
            database: String? = nil, schema: String? = nil, name: String, ref: Ref? = nil, searchPath: [String]? = nil
        ) {
            self.database = database
            self.schema = schema
            self.name = name
            self.ref = ref
            self.searchPath = searchPath
        }
    }
    /// A call of a table function that reads files: the same call is the same table, wherever it stands.
    public struct FileCall: Hashable, Sendable {
        /// "read_parquet".
        public var function: String
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

    public init(relations: [Reference: Relation] = [:], fileTables: [FileCall: any Table] = [:]) {
        self.relations = relations
        self.fileTables = fileTables
    }
}

/// What binding a query gives.
public struct BoundQuery: Sendable {
    /// The plan; its columns carry the names that the client sees.
    public var plan: LogicalPlan
    /// Types of $1, $2, ...: as declared, or as inferred from use.
    public var parameterTypes: [SQLType]
    public init(plan: LogicalPlan, parameterTypes: [SQLType]) {
        self.plan = plan
        self.parameterTypes = parameterTypes
    }
}
