// Databases beside the lake, attached under names: three-part names reach them. Protocols only; the executable says
// which kinds there are.
public import Diagnostics

/// A database that is attached. It has no branches: each `commit(of:)` begins a look at its state of that moment, and
/// `commit` makes changes that are refused with 40001 when the state has moved on in what they touch.
///
/// A kind whose tables are files of a table format returns their definitions as entries, and the format opens and
/// writes them. Another kind returns `.external` entries of a format of its own, and opens them itself.
public protocol AttachedDatabase: Catalog {
    /// The kind: "iceberg_rest".
    var kind: String { get }
    /// Opens an entry that none of the lake's formats opens; nil: they do.
    func open(_ entry: Entry, named name: TableName) async throws(SQLError) -> (any Table)?
    /// The folder in which the database wants a new table; nil: any will do.
    func folder(forNew table: TableName) async throws(SQLError) -> String?
}

extension AttachedDatabase {
    public func open(_ entry: Entry, named name: TableName) async throws(SQLError) -> (any Table)? { nil }
    public func folder(forNew table: TableName) async throws(SQLError) -> String? { nil }
}

/// Attaches databases of one kind.
public protocol DatabaseKind: Sendable {
    /// As TYPE names it, lower case.
    var name: String { get }
    /// Connects far enough to know that the options are right. Throws 22023 for an unknown one.
    func attach(_ location: String, options: [String: String]) async throws(SQLError) -> any AttachedDatabase
}
