// Databases beside the lake, attached under names: three-part names reach them. Protocols only; the executable says
// which kinds there are.
public import Diagnostics

/// A database that is attached. It has no branches: each `commit(of:)` begins a look at its state of that moment, and
/// `commit` makes changes that are refused with 40001 when the state has moved on in what they touch.
///
/// Its tables are managed tables: files of the lake's own format, or of a format that the database brings along.
public protocol AttachedDatabase: Catalog {
    /// The kind: "iceberg_rest", "postgres".
    var kind: String { get }
    /// What makes, opens and writes its tables in one transaction, which the commit stands for; nil: the lake's format.
    func tables(at commit: CommitID) -> (any ManagedFormat)?
    /// The folder in which the database wants a new table; nil: any will do.
    func folder(forNew table: TableName) async throws(SQLError) -> String?
}

extension AttachedDatabase {
    public func tables(at commit: CommitID) -> (any ManagedFormat)? { nil }
    public func folder(forNew table: TableName) async throws(SQLError) -> String? { nil }
}

/// Attaches databases of one kind.
public protocol DatabaseKind: Sendable {
    /// As TYPE names it, lower case.
    var name: String { get }
    /// Connects far enough to know that the options are right. Throws 22023 for an unknown one.
    func attach(_ location: String, options: [String: String]) async throws(SQLError) -> any AttachedDatabase
}
