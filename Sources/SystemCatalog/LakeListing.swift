// What the system catalog is made from: schemas, relations and refs as one statement sees them. The coordinator gives it.
public import Access
public import Catalogs
public import Columns
public import Diagnostics

/// The schemas and relations of one state of a branch.
public struct LakeListing: Sendable {
    /// In the order of their names.
    public var schemas: [String]
    public var relations: [LakeRelation]
    /// Sequences, functions, indexes and types, under the names that the catalog keeps them by.
    public var objects: [LakeRelation] = []
    /// The number of the role that owns a schema, where it is not the bootstrap user.
    public var schemaOwners: [String: Int64] = [:]
    public var schemaComments: [String: String] = [:]
    public init(schemas: [String], relations: [LakeRelation]) {
        self.schemas = schemas
        self.relations = relations
    }
}

/// A relation under its name.
public struct LakeRelation: Hashable, Sendable {
    public var name: TableName
    public var entry: Entry
    public init(name: TableName, entry: Entry) {
        self.name = name
        self.entry = entry
    }
}

/// What only the relation itself tells.
public struct RelationDetails: Sendable {
    /// External tables are opened anew where no more relations are asked for: files may have added columns. Lists of
    /// more show them as they were when they were opened last.
    public static let openedAnewMax = 64

    public var columns: [Field]
    /// Comments, defaults and keys, under the names of ``TableProperty``.
    public var properties: [String: String]
    public var rows: Double?
    public var sizeBytes: Int64?
    public init(columns: [Field], properties: [String: String] = [:], rows: Double? = nil, sizeBytes: Int64? = nil) {
        self.columns = columns
        self.properties = properties
        self.rows = rows
        self.sizeBytes = sizeBytes
    }
}

/// A session as pg_stat_activity shows it.
public struct SessionActivity: Sendable {
    public var processID: Int32
    public var user: String
    public var database: String
    public var application: String
    public var state: String
    public var query: String
    /// Microseconds since 1970 UTC.
    public var startedAt: Int64
    public var queryStartedAt: Int64?
    public init(
        processID: Int32, user: String, database: String, application: String, state: String, query: String,
        startedAt: Int64, queryStartedAt: Int64?
    ) {
        self.processID = processID
        self.user = user
        self.database = database
        self.application = application
        self.state = state
        self.query = query
        self.startedAt = startedAt
        self.queryStartedAt = queryStartedAt
    }
}

/// A COPY as pg_stat_progress_copy shows it.
public struct CopyActivity: Sendable {
    public var processID: Int32
    public var user: String
    public var database: String
    /// nil: a query.
    public var table: TableName?
    public var isFrom: Bool
    public var isFile: Bool
    public var bytes: Int64
    public var bytesTotal: Int64
    public var rows: Int64
    public init(
        processID: Int32, user: String, database: String, table: TableName?, isFrom: Bool, isFile: Bool, bytes: Int64,
        bytesTotal: Int64, rows: Int64
    ) {
        self.processID = processID
        self.user = user
        self.database = database
        self.table = table
        self.isFrom = isFrom
        self.isFile = isFile
        self.bytes = bytes
        self.bytesTotal = bytesTotal
        self.rows = rows
    }
}

/// A setting as pg_settings shows it.
public struct ShownSetting: Sendable {
    public var name: String
    public var value: String
    public var summary: String
    public var standard: String
    public init(name: String, value: String, summary: String, standard: String) {
        self.name = name
        self.value = value
        self.summary = summary
        self.standard = standard
    }
}

/// Answers for one statement: everything at one commit, with the open transaction's changes.
public protocol LakeSource: Sendable {
    var database: String { get }
    var user: String { get }
    var branch: String { get }
    var searchPath: [String] { get }
    /// All users that are known by name.
    var users: [String] { get }
    /// The name of the user whom everything without another owner belongs to.
    var ownerName: String { get }
    /// Roles and rights.
    var access: AccessState { get }
    /// Whose rights count.
    var standing: Standing { get }
    var settings: [ShownSetting] { get }
    var sessions: [SessionActivity] { get }
    var copies: [CopyActivity] { get }
    /// The schemas and relations, numbered. The same object for the same commit as long as it is remembered.
    func directory() async throws(SQLError) -> Directory
    /// Branches and tags.
    func refs() async throws(SQLError) -> [NamedRef]
    /// Details in the order of the relations. What cannot be read has no columns.
    func details(of relations: [LakeRelation]) async throws(SQLError) -> [RelationDetails]
}
