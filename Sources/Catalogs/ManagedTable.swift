// Tables that Apus writes: how they are made, changed, replayed on another state, and merged. Values and protocols only;
// a table format (Iceberg) conforms.
public import Columns
public import Diagnostics

/// A managed table as a commit of the catalog keeps it: a pointer to immutable metadata. Two branches that hold equal
/// pointers hold the same table in the same state.
public struct ManagedDefinition: Hashable, Sendable, Codable {
    /// "iceberg".
    public var format: String
    /// The table's UUID, lower case: stays when the table is renamed or changed.
    public var identity: String
    /// Where the metadata file is: s3:// or a path.
    public var metadataLocation: String
    /// The state of the rows; nil for a table that never had any.
    public var snapshotID: Int64?
    /// Set for a materialized view, so that lists of tables need not open each; nil in older commits.
    public var isMaterializedView: Bool?
    /// Whether its defaults, checks, keys or types name other things of the catalog, so that DROP need not open every table;
    /// nil in older commits.
    public var namesOthers: Bool?
    /// The number of the role that owns it, from the table's properties; nil: the bootstrap user.
    public var owner: Int64?
    /// Set for a table with PARTITION BY; nil otherwise.
    public var isPartitioned: Bool?
    /// The parent of a partition, by its full quoted name.
    public var partitionOf: String?
    public init(format: String, identity: String, metadataLocation: String, snapshotID: Int64?) {
        self.format = format
        self.identity = identity
        self.metadataLocation = metadataLocation
        self.snapshotID = snapshotID
    }
}

/// How a partition value follows from a column (Iceberg's transforms).
public enum PartitionTransform: Hashable, Sendable {
    case identity
    case bucket(Int)
    case truncate(Int)
    case year, month, day, hour
}

/// One field of a table's partitioning.
public struct PartitionField: Hashable, Sendable {
    public var column: String
    public var transform: PartitionTransform
    public init(column: String, transform: PartitionTransform) {
        self.column = column
        self.transform = transform
    }
}

/// One key of a table's sort order.
public struct TableSortKey: Hashable, Sendable {
    public var column: String
    public var isDescending: Bool
    public var nullsFirst: Bool
    public init(column: String, isDescending: Bool, nullsFirst: Bool) {
        self.column = column
        self.isDescending = isDescending
        self.nullsFirst = nullsFirst
    }
}

/// What CREATE TABLE says.
public struct NewTable: Hashable, Sendable {
    public var name: TableName
    public var columns: [Field]
    public var partitioning: [PartitionField]
    public var sortOrder: [TableSortKey]
    /// Names and values, kept with the table; `write.format.default` and the like are the format's own.
    public var properties: [String: String]
    /// The folder of the table; nil: the format chooses one under the warehouse.
    public var location: String?
    public init(
        name: TableName, columns: [Field], partitioning: [PartitionField] = [], sortOrder: [TableSortKey] = [],
        properties: [String: String] = [:], location: String? = nil
    ) {
        self.name = name
        self.columns = columns
        self.partitioning = partitioning
        self.sortOrder = sortOrder
        self.properties = properties
        self.location = location
    }
}

/// One step of ALTER TABLE that changes the table's metadata.
public enum TableAlteration: Hashable, Sendable {
    case addColumn(Field)
    case dropColumn(String)
    case renameColumn(from: String, to: String)
    /// Widening only: int4 to int8, float4 to float8, a decimal's precision.
    case setType(String, SQLType)
    case dropNotNull(String)
    case setPartitioning([PartitionField])
    case setProperty(String, String)
    case removeProperty(String)
    /// Forgets old snapshots.
    case expireSnapshots(SnapshotExpiry)
}

/// Makes, opens and changes managed tables.
public protocol ManagedFormat: Sendable {
    /// Whether declared keys hold for every row that is written.
    var enforcesKeys: Bool { get }
    /// Writes the metadata of a table without rows. Nothing sees it until a commit of the catalog holds the definition.
    func create(_ table: NewTable) async throws(SQLError) -> ManagedDefinition
    /// Opens a table in the state of the definition. Throws 58030 or XX001 when its metadata cannot be read.
    func open(_ definition: ManagedDefinition, named name: TableName) async throws(SQLError) -> any WritableTable
    /// Opens a table by the path of its metadata or its folder, for reading only.
    func open(path: String, options: [String: Scalar]) async throws(SQLError) -> any Table
    /// Returns the definition of the altered table.
    func alter(
        _ definition: ManagedDefinition, named name: TableName, _ changes: [TableAlteration]
    ) async throws(SQLError) -> ManagedDefinition
    /// Brings what `source` did since `base` onto `target` (three-way merge of one table). Throws 40001 with the reason
    /// when both sides changed the same thing.
    func merge(
        base: ManagedDefinition, source: ManagedDefinition, target: ManagedDefinition, named name: TableName
    ) async throws(SQLError) -> ManagedDefinition

    /// Removes what `create` or `alter` wrote for a definition that no commit holds, nor may ever hold.
    func forget(_ definition: ManagedDefinition) async

    /// Plans the compaction of a table, in pieces of bounded size; nothing is written yet. Empty: nothing to do.
    func compactions(
        of definition: ManagedDefinition, named name: TableName, options: CompactionOptions
    ) async throws(SQLError) -> [any TableCompaction]
    /// Lists the snapshots that ``TableAlteration/expireSnapshots(_:)`` would forget.
    func expired(
        of definition: ManagedDefinition, _ expiry: SnapshotExpiry
    ) async throws(SQLError) -> [SnapshotInfo]
    /// Begins a garbage collection; nil where the format keeps no files.
    func garbageCollection() -> (any GarbageCollection)?
}

extension ManagedFormat {
    public var enforcesKeys: Bool { false }

    public func forget(_ definition: ManagedDefinition) async {}

    public func open(path: String, options: [String: Scalar]) async throws(SQLError) -> any Table {
        throw SQLError(.featureNotSupported, "tables cannot be opened by a path")
    }
}

/// A managed table in one state.
public protocol WritableTable: Table {
    var definition: ManagedDefinition { get }
    /// The table's properties: those of CREATE TABLE and ALTER TABLE, and the format's own.
    var properties: [String: String] { get }
    /// Columns that scans take behind those of ``RowPlace``, and that a row which UPDATE or MERGE changes takes along: what
    /// names the row whatever its values. A sink gets them behind the table's own columns, NULL for new rows.
    var movedColumns: [Field] { get }
    /// Tells the partition of a row, as SQL over the declared columns that gives an int4; nil: there are none. A sink gets
    /// its value as the last column of appended rows.
    var rowRouting: String? { get }
    /// Begins a change of the rows; writes nothing yet. One sink a worker takes the rows, then `commit` makes a new state.
    func write(_ kind: WriteKind) -> any TableWrite
}

extension WritableTable {
    public var movedColumns: [Field] { [] }
    public var rowRouting: String? { nil }
}

/// Names of the properties in which SQL keeps what the format has no place for.
public enum TableProperty {
    /// A column's DEFAULT as SQL text.
    public static func defaultValue(of column: String) -> String { "apus.default.\(column)" }
    /// "always" or "default" for an identity column, whose DEFAULT is its sequence.
    public static func identity(of column: String) -> String { "apus.identity.\(column)" }
    /// What a generated column is computed by, as SQL text.
    public static func generated(_ column: String) -> String { "apus.generated.\(column)" }
    /// A column's COMMENT.
    public static func comment(on column: String) -> String { "apus.comment.\(column)" }
    /// The COMMENT of a constraint.
    public static func comment(onConstraint name: String) -> String { "apus.constraint_comment.\(name)" }
    /// A column's declared type where the format's own says less (varchar(10) is a string): format_type's text.
    public static func declaredType(of column: String) -> String { "apus.type.\(column)" }
    /// The user's type that a column was declared with, with its schema; `[]` behind it for arrays.
    public static func userType(of column: String) -> String { "apus.usertype.\(column)" }
    /// A CHECK that writes obey: "apus.check.1" = CONSTRAINT name CHECK (a > 0).
    public static func check(_ number: Int) -> String { "apus.check.\(number)" }
    /// The name that a declared key was given.
    public static func keyName(_ number: Int) -> String { "apus.keyname.\(number)" }
    /// The query of a materialized view; a table without it is no such view.
    public static let viewQuery = "apus.view.query"
    /// The search path of that query, as the setting spells it.
    public static let viewPath = "apus.view.search_path"
    /// The number of the role that owns the table; a table without it is the bootstrap user's.
    public static let owner = "apus.owner"
    /// "false" from WITH NO DATA to the next REFRESH.
    public static let isPopulated = "apus.view.populated"
    /// The table's COMMENT; Iceberg's own name for it.
    public static let comment = "comment"
    /// Declared keys that are not enforced: "apus.key.1" = "PRIMARY KEY (a, b)".
    public static func key(_ number: Int) -> String { "apus.key.\(number)" }
}

/// What a write does with the rows that are there.
public enum WriteKind: Hashable, Sendable {
    /// Adds rows, and removes those whose places it is given.
    case change
    /// Removes all rows first (TRUNCATE, CREATE OR REPLACE, INSERT OVERWRITE).
    case replaceAll
}

/// The place of a row in a table's files: what a scan returns for the hidden columns, and what a write is given to
/// remove the row. Positions count from 0 over all rows of the file.
public enum RowPlace {
    /// Scans take these after the table's own columns: index `schema.fields.count` and the one after it.
    public static let hiddenColumns = [
        Field("_file", .text, isNullable: false), Field("_pos", .int8, isNullable: false),
    ]
}

/// A change of a table's rows: files first, commit last.
public protocol TableWrite: AnyObject, Sendable {
    /// One worker's end. Called by each worker that has rows.
    func sink() throws(SQLError) -> any RowSink
    /// Makes the new state over `base`, the table's state as the branch has it now, and returns its definition. May be
    /// called again with a later base when the branch has moved: appended files are kept, metadata is written anew.
    /// Throws 40001 naming the reason when rows to remove are gone from `base`. All sinks must have finished.
    func commit(onto base: ManagedDefinition) async throws(SQLError) -> ManagedDefinition
    /// Removes the files that were written. Not to be called once a commit that holds a result may have happened.
    func abandon() async
}

/// One worker's end of a write. One owner thread at a time.
public protocol RowSink: AnyObject {
    /// Adds rows: columns in the table's order and of its types, then its `movedColumns` or none of them. Throws 23502 for NULL in a required column.
    func append(_ batch: Batch) throws(SQLError)
    /// Removes rows by their places: the columns of ``RowPlace/hiddenColumns``.
    func remove(_ places: Batch) throws(SQLError)
    /// Closes this worker's files: its last call.
    func finish() throws(SQLError)
}
