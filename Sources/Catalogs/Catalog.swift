// The catalog seam: names at a ref to relations, and changes to a branch as one commit.
public import Columns
public import Diagnostics

/// What a catalog keeps under a table name.
public enum Entry: Hashable, Sendable, Codable {
    case view(ViewDefinition)
    case external(ExternalDefinition)
    case managed(ManagedDefinition)
    /// Under names of objects only.
    case object(SchemaObject)
}

/// A view: SQL text, bound anew on each use with the search path of its creation.
public struct ViewDefinition: Hashable, Sendable, Codable {
    public var sql: String
    /// Output names given in CREATE VIEW v (a, b), else empty.
    public var columnNames: [String]
    public var searchPath: [String]
    /// What it reads in its own branch, so that DROP need not parse it: relations, and objects under their names as such;
    /// functions with the types of their arguments. nil: not known.
    public var reads: [TableName]?
    /// Comments on the view and its columns, under the names of ``TableProperty``; nil: none.
    public var properties: [String: String]?
    /// The number of the role that owns it, and with whose rights it reads; nil: the bootstrap user.
    public var owner: Int64?
    /// The same with the bootstrap user's number.
    public var definer: Int64 { owner ?? EntryOwner.bootstrap }
    public init(sql: String, columnNames: [String], searchPath: [String]) {
        self.sql = sql
        self.columnNames = columnNames
        self.searchPath = searchPath
    }
}

/// An external table: files that others write.
public struct ExternalDefinition: Hashable, Sendable, Codable {
    /// "parquet".
    public var format: String
    /// A file, a folder or a glob; s3:// or a path.
    public var location: String
    /// Declared columns in order; empty: taken from the files.
    public var columns: [Field]
    /// Declared partition keys in order; empty: found in the paths.
    public var partitionColumns: [Field]
    public var options: [String: String]
    /// Rows when the table was made: an estimate for plans.
    public var rowsEstimated: Double?
    /// Comments on the table and its columns, under the names of ``TableProperty``; nil: none.
    public var properties: [String: String]?
    /// The number of the role that owns it; nil: the bootstrap user.
    public var owner: Int64?
    public init(
        format: String, location: String, columns: [Field] = [], partitionColumns: [Field] = [],
        options: [String: String] = [:]
    ) {
        self.format = format
        self.location = location
        self.columns = columns
        self.partitionColumns = partitionColumns
        self.options = options
    }
}

/// Owners of what a catalog keeps. They are part of the entry: on every branch, and in every commit, a table has the
/// owner that its entry says.
public enum EntryOwner {
    /// The number of the user who may do everything.
    public static let bootstrap: Int64 = 10
}

extension Entry {
    /// The number of the role that owns it.
    public var owner: Int64 {
        switch self {
        case .view(let view): view.definer
        case .external(let definition): definition.owner ?? EntryOwner.bootstrap
        case .managed(let definition): definition.owner ?? EntryOwner.bootstrap
        case .object(let object): object.owner ?? EntryOwner.bootstrap
        }
    }
}

/// A schema; with a location, its sub-folders are its tables.
public struct SchemaDefinition: Hashable, Sendable, Codable {
    public var name: String
    public var location: String?
    /// What other engines keep with a namespace, and its COMMENT under Iceberg's name for it; nil: nothing.
    public var properties: [String: String]?
    /// The number of the role that owns it; nil: the bootstrap user.
    public var owner: Int64?
    public init(name: String, location: String? = nil, properties: [String: String]? = nil) {
        self.name = name
        self.location = location
        self.properties = properties
    }
}

/// One change of a commit.
public enum Change: Hashable, Sendable {
    case putSchema(SchemaDefinition)
    case dropSchema(String)
    case put(TableName, Entry)
    case drop(TableName)
}

/// All relations of one commit that a statement needs: what a name stands for.
public enum Relation: Sendable {
    case table(any Table)
    case view(ViewDefinition)
}

/// Who commits, and why.
public struct CommitNote: Hashable, Sendable {
    public var author: String
    public var message: String
    public init(author: String, message: String) {
        self.author = author
        self.message = message
    }
}

/// A catalog whose every name is resolved at a ref.
public protocol Catalog: Sendable {
    /// Returns the commit a ref stands for now. Throws 42704 for an unknown ref.
    func commit(of ref: Ref) async throws(SQLError) -> CommitID
    /// Lists the schemas at a commit.
    func schemas(at commit: CommitID) async throws(SQLError) -> [SchemaDefinition]
    /// Returns one schema, nil when it does not exist.
    func schema(_ name: String, at commit: CommitID) async throws(SQLError) -> SchemaDefinition?
    /// Lists the names in a schema.
    func names(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName]
    /// Lists what a schema holds besides relations.
    func objects(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName]
    /// Returns the entries of those names that exist.
    func entries(_ names: Set<TableName>, at commit: CommitID) async throws(SQLError) -> [TableName: Entry]
    /// Commits changes to a branch if its head is still `head` (40001 otherwise).
    func commit(
        _ changes: [Change], to branch: String, expecting head: CommitID, note: CommitNote
    ) async throws(SQLError) -> CommitID
}

extension Catalog {
    /// Catalogs of others keep relations only.
    public func objects(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName] { [] }
}

/// Turns an entry into a table that can be scanned: the table formats' side of the catalog.
public protocol TableFormat: Sendable {
    /// Opens an external table. Reads as little as needed to know its columns.
    func open(_ definition: ExternalDefinition, named name: TableName) async throws(SQLError) -> any Table
    /// Returns a definition with what opening it found out, to be kept in the catalog: for a table that is made.
    func completed(
        _ definition: ExternalDefinition, as table: any Table
    ) async throws(SQLError) -> ExternalDefinition
    /// Lists the folders that are the tables of a schema with a location.
    func tables(under location: String) async throws(SQLError) -> [String]
    /// Returns the definition of a table of a schema with a location, nil when there is no such folder.
    func definition(of table: String, under location: String) async throws(SQLError) -> ExternalDefinition?
    /// Opens read_parquet(paths, options) or another function that reads files.
    func read(
        _ function: String, _ paths: [String], options: [String: Scalar]
    ) async throws(SQLError) -> any Table
    /// Begins to write the files of COPY ... TO 'path'.
    func export(_ request: ExportRequest) async throws(SQLError) -> any FileExport
    /// How often what was remembered of which files there are turned out to be wrong: a query that failed by it is
    /// planned again.
    var wrongListings: Int { get }
}

extension TableFormat {
    public var wrongListings: Int { 0 }
}
