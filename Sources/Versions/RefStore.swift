// The lowest step of the versioned catalog: immutable objects by hash, and one compare-and-swap of a ref. Whatever can
// keep these keeps a lake's catalog: SQLite and PostgreSQL do.
import Catalogs
import Diagnostics
import Foundation

/// A named ref as the store keeps it.
struct StoredRef: Hashable, Sendable {
    var kind: NamedRef.Kind
    var name: String
    var head: ObjectID
    /// Microseconds since 1970 UTC.
    var createdAt: Int64
    var options: RefOptions
}

/// One compare-and-swap of a ref.
struct RefMove: Hashable, Sendable {
    var kind: NamedRef.Kind
    var name: String
    /// nil: the ref must not exist.
    var from: ObjectID?
    /// nil: the ref is removed.
    var to: ObjectID?
    /// When: a ref that the move makes is created at this time. Microseconds since 1970 UTC.
    var time: Int64
    /// Of a ref that the move makes; kept when it moves.
    var options = RefOptions()
    /// When the ref that is removed was created: another one that has taken its name since stays.
    var removing: Int64?
}

/// What became of a move.
enum MoveOutcome: Hashable, Sendable {
    case done
    /// The ref is not at `from`; nothing was written.
    case refMoved
    /// There is no commit to move to: collected, or never there. Nothing was written.
    case commitMissing
}

/// Objects of one commit, to be written at once.
struct NewObjects: Sendable {
    var bytes: [ObjectID: Data] = [:]
    /// The one that is a commit; the others are nodes.
    var commit: ObjectID?
    /// The same before they were encoded.
    var nodes: [ObjectID: TreeNode] = [:]
    var commitObject: CommitObject?
}

/// A commit as a collection looks at it.
struct ListedCommit: Sendable {
    var id: ObjectID
    /// When it was written, or last left by a ref. The store's clock, microseconds since 1970 UTC.
    var seenAt: Int64
    var bytes: Data
}

/// An object as a collection looks at it.
struct ListedObject: Hashable, Sendable {
    var id: ObjectID
    var seenAt: Int64
}

/// Keeps objects and refs.
///
/// A move and its objects are one transaction: a crash leaves the old state or the new. Every call may fail; class 08
/// says that a change may or may not have happened (the answer was lost), and that asking again is safe.
///
/// Objects carry the time they were last written: what is written again is young again. With the rule that a move to a
/// commit needs the commit to be there, and makes it young, a collection can work beside commits (``Collection``).
protocol RefStore: Sendable {
    /// Returns those of the objects that exist.
    func objects(_ ids: [ObjectID]) async throws(SQLError) -> [ObjectID: Data]
    /// Writes objects and moves a ref in one transaction. Without objects, the commit to move to must exist.
    func move(_ move: RefMove, writing objects: NewObjects) async throws(SQLError) -> MoveOutcome
    /// Writes objects that no ref reaches yet. Returns false, and writes nothing, when one of the commits in `needing` is
    /// not there.
    func store(_ objects: NewObjects, needing: [ObjectID]) async throws(SQLError) -> Bool
    /// Returns false when there is no such ref.
    func setOptions(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> Bool
    /// Returns false, and changes nothing, when the new name is taken or the old one does not exist.
    func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) -> Bool
    func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> StoredRef?
    func refs() async throws(SQLError) -> [StoredRef]
    /// Returns the commits whose hash begins with these lower-case hexadecimal digits, two at most.
    func commits(startingWith prefix: String) async throws(SQLError) -> [ObjectID]

    // Roles and rights.

    func accessRecords(since version: Int64) async throws(SQLError) -> AccessRecords
    func putAccessRecords(_ records: [String: Data?], expecting version: Int64) async throws(SQLError) -> Bool

    // Collection.

    /// The store's clock, microseconds since 1970 UTC: the one that objects are stamped with. All that was stamped before
    /// can be seen by who calls.
    func time() async throws(SQLError) -> Int64
    /// Lists commits in the order of their hashes.
    func listCommits(after: ObjectID?, limit: Int) async throws(SQLError) -> [ListedCommit]
    /// Lists the objects that were last written before an instant, oldest first.
    func listObjects(before: Int64, after: ListedObject?, limit: Int) async throws(SQLError) -> [ListedObject]
    /// Removes commits that were last seen before an instant. When some of them were seen since, removes nothing and
    /// returns those.
    func removeCommits(_ ids: [ObjectID], before: Int64) async throws(SQLError) -> [ObjectID]
    /// Removes those of the nodes that were last written before an instant; returns how many.
    func removeNodes(_ ids: [ObjectID], before: Int64) async throws(SQLError) -> Int
}
