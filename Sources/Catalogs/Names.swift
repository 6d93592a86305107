// Names of things in catalogs, and the version at which they are looked up.

/// A table or view name, resolved parts only: nil parts are filled from the session.
public struct TableName: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The schema.
    public var schema: String
    public var name: String

    public init(schema: String, name: String) {
        self.schema = schema
        self.name = name
    }

    public var description: String { "\(schema).\(isObject ? objectName : name)" }
}

/// A version of the whole catalog.
public enum Ref: Hashable, Sendable, CustomStringConvertible {
    case branch(String)
    case tag(String)
    case commit(CommitID)
    /// The last commit of a branch at or before an instant, microseconds since 1970 UTC.
    case time(branch: String, microseconds: Int64)
    /// A name that may be a branch, a tag or a commit hash, looked up in this order: `t@name`.
    case named(String)

    public var description: String {
        switch self {
        case .branch(let name), .tag(let name), .named(let name): name
        case .commit(let id): id.hex
        case .time(let branch, let microseconds): "\(branch)@\(microseconds)"
        }
    }
}

/// The hash of a commit.
public struct CommitID: Hashable, Sendable, CustomStringConvertible {
    /// Lower-case hexadecimal digits.
    public let hex: String
    public init(hex: String) { self.hex = hex }
    public var description: String { hex }
}

/// A named ref as SHOW BRANCHES lists it.
public struct NamedRef: Hashable, Sendable {
    public enum Kind: String, Sendable, Hashable { case branch, tag }
    public var kind: Kind
    public var name: String
    public var head: CommitID
    /// Microseconds since 1970 UTC.
    public var createdAt: Int64
    public var options: RefOptions
    public init(kind: Kind, name: String, head: CommitID, createdAt: Int64, options: RefOptions = RefOptions()) {
        self.kind = kind
        self.name = name
        self.head = head
        self.createdAt = createdAt
        self.options = options
    }
}

/// A commit as SHOW LOG lists it.
public struct CommitInfo: Hashable, Sendable {
    public var id: CommitID
    public var parents: [CommitID]
    /// Microseconds since 1970 UTC.
    public var committedAt: Int64
    public var author: String
    public var message: String
    public init(id: CommitID, parents: [CommitID], committedAt: Int64, author: String, message: String) {
        self.id = id
        self.parents = parents
        self.committedAt = committedAt
        self.author = author
        self.message = message
    }
}
