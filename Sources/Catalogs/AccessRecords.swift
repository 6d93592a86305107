// Roles and rights as a catalog's store keeps them: records under keys, numbered by change. What they hold is the
// coordinator's business; they belong to the lake, not to a branch.
public import Diagnostics
public import Foundation

/// Records that changed since a version.
public struct AccessRecords: Sendable {
    /// The number of the last change; 0 before the first.
    public var version: Int64
    /// nil: removed.
    public var records: [String: Data?]
    public init(version: Int64 = 0, records: [String: Data?] = [:]) {
        self.version = version
        self.records = records
    }
}

/// Keeps roles and rights.
public protocol AccessStore: Sendable {
    /// Returns what changed since a version.
    func accessRecords(since version: Int64) async throws(SQLError) -> AccessRecords
    /// Stores changed records as version + 1. Returns false, and stores nothing, when somebody else was first.
    func putAccessRecords(_ records: [String: Data?], expecting version: Int64) async throws(SQLError) -> Bool
}
