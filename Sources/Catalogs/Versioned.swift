// Branches, tags and history: what only a versioned catalog knows.
public import Diagnostics

/// A difference between two commits.
public enum Difference: Hashable, Sendable {
    case schema(String, before: SchemaDefinition?, after: SchemaDefinition?)
    case entry(TableName, before: Entry?, after: Entry?)
}

/// A query that must return no rows in the state that a merge would make.
public struct BranchCheck: Hashable, Sendable, Codable {
    public var name: String
    public var sql: String
    public var searchPath: [String]
    public init(name: String, sql: String, searchPath: [String]) {
        self.name = name
        self.sql = sql
        self.searchPath = searchPath
    }
}

/// What is said of a branch or tag besides where it is.
public struct RefOptions: Hashable, Sendable, Codable {
    /// A protected branch takes changes only by merge.
    public var isProtected: Bool
    /// Days that old commits of the branch are kept; nil: for ever.
    public var retainDays: Int?
    /// Hold for a merge into the branch, in order.
    public var checks: [BranchCheck]
    /// The number of the role that owns it; nil: the bootstrap user.
    public var owner: Int64?
    public var comment: String?
    public init(
        isProtected: Bool = false, retainDays: Int? = nil, checks: [BranchCheck] = [], owner: Int64? = nil,
        comment: String? = nil
    ) {
        self.isProtected = isProtected
        self.retainDays = retainDays
        self.checks = checks
        self.owner = owner
        self.comment = comment
    }

    /// Options that a store wrote before a member existed have its default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        isProtected = try values.decodeIfPresent(Bool.self, forKey: .isProtected) ?? false
        retainDays = try values.decodeIfPresent(Int.self, forKey: .retainDays)
        checks = try values.decodeIfPresent([BranchCheck].self, forKey: .checks) ?? []
        owner = try values.decodeIfPresent(Int64.self, forKey: .owner)
        comment = try values.decodeIfPresent(String.self, forKey: .comment)
    }
}

/// What a collection let go, or would let go.
public struct Collected: Hashable, Sendable {
    /// Newest first; at most ``listedMax``.
    public var commits: [CommitInfo]
    public var commitCount: Int
    /// Pieces of the catalog that only those commits, or changes that were never committed, held.
    public var nodeCount: Int

    /// Commits that are listed one by one.
    public static let listedMax = 10_000

    public init(commits: [CommitInfo] = [], commitCount: Int = 0, nodeCount: Int = 0) {
        self.commits = commits
        self.commitCount = commitCount
        self.nodeCount = nodeCount
    }
}

/// A catalog with branches and tags.
public protocol Versioned: Catalog, AccessStore {
    func refs() async throws(SQLError) -> [NamedRef]
    /// Returns one ref, nil when it does not exist.
    func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> NamedRef?
    func log(_ ref: Ref, limit: Int) async throws(SQLError) -> [CommitInfo]
    func create(_ kind: NamedRef.Kind, _ name: String, at commit: CommitID, _ options: RefOptions)
        async throws(SQLError)
    func drop(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError)
    /// Gives a ref another name. Throws 42710 when it is taken.
    func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError)
    func set(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError)
    /// Moves a ref. Throws 40001 when it is not at `old` any more.
    func move(_ kind: NamedRef.Kind, _ name: String, from old: CommitID, to new: CommitID) async throws(SQLError)

    /// Lists what changed from one commit to another. Costs what differs, not what exists.
    func differences(from old: CommitID, to new: CommitID) async throws(SQLError) -> [Difference]
    /// Returns the nearest commit that both descend from, nil when there is none.
    func mergeBase(_ a: CommitID, _ b: CommitID) async throws(SQLError) -> CommitID?
    /// Writes a commit that no ref reaches yet: its state can be read and checked before `move` publishes it. `merged`
    /// becomes its second parent.
    func prepare(
        _ changes: [Change], onto head: CommitID, merging merged: CommitID?, note: CommitNote
    ) async throws(SQLError) -> CommitID

    /// Lets go of commits that no ref reaches and of those that retention of every ref that reaches them has let go.
    ///
    /// Stay: heads of refs; the commits of a ref without retention; of one with retention those of its days and the state
    /// at their beginning; commits that some branches have and others do not, with those they parted from (a merge needs
    /// them); commits written, or left by a ref, within the grace period, with what they came from; those in `keeping`,
    /// which open transactions and running queries read. May run while others commit. `dryRun` removes nothing.
    func collect(dryRun: Bool, keeping: Set<CommitID>, graceSeconds: Int) async throws(SQLError) -> Collected
    /// Returns the state of every managed table in every commit that `collect` with the same arguments lets stay. After a
    /// collection, a file that none of these states holds, and that is older than the grace period, is garbage.
    func reachableTables(
        keeping: Set<CommitID>, graceSeconds: Int
    ) async throws(SQLError) -> Set<ManagedDefinition>
}
