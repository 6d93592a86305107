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
        /// The version asked for, nil for the session's.
        public var ref: Ref?
        public init(database: String? = nil, schema: String? = nil, name: String, ref: Ref? = nil) {
            self.database = database
            self.schema = schema
            self.name = name
            self.ref = ref
        }
    }
    public var relations: [Reference: Relation]
    /// Tables of table functions that read files, by the position of the call in the SQL text.
    public var functionTables: [Int: any Table]

    public init(relations: [Reference: Relation] = [:], functionTables: [Int: any Table] = [:]) {
        self.relations = relations
        self.functionTables = functionTables
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
