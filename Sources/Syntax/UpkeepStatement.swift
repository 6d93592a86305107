// The syntax tree of upkeep: OPTIMIZE TABLE, VACUUM, EXPIRE SNAPSHOTS, COLLECT GARBAGE, ALTER TABLE ... EXECUTE.

/// Statements that keep tables and the lake in shape and change no rows.
public enum UpkeepStatement: Hashable, Sendable {
    /// OPTIMIZE TABLE t, VACUUM t: small files and deleted rows go.
    case optimize(Optimize)
    /// EXPIRE SNAPSHOTS OF t.
    case expireSnapshots(ExpireSnapshots)
    /// COLLECT GARBAGE: files that nothing leads to go.
    case collectGarbage(CollectGarbage)

    public struct Optimize: Hashable, Sendable {
        /// Empty: all tables of the branch.
        public var tables: [QualifiedName]
        /// Only files that may hold such rows.
        public var condition: Expression?
        /// `file_size_threshold`, `deleted_share`, `min_files`.
        public var options: [String: String]
        public var isDryRun: Bool
        /// "OPTIMIZE TABLE" or "VACUUM".
        public var verb: String
        public init(
            tables: [QualifiedName], condition: Expression? = nil, options: [String: String] = [:],
            isDryRun: Bool = false, verb: String = "OPTIMIZE TABLE"
        ) {
            self.tables = tables
            self.condition = condition
            self.options = options
            self.isDryRun = isDryRun
            self.verb = verb
        }
    }

    public struct ExpireSnapshots: Hashable, Sendable {
        public var table: QualifiedName
        /// An interval or an instant.
        public var olderThan: Expression?
        public var keeping: Int?
        public var isDryRun: Bool
        public init(
            table: QualifiedName, olderThan: Expression? = nil, keeping: Int? = nil, isDryRun: Bool = false
        ) {
            self.table = table
            self.olderThan = olderThan
            self.keeping = keeping
            self.isDryRun = isDryRun
        }
    }

    public struct CollectGarbage: Hashable, Sendable {
        /// An interval or an instant.
        public var olderThan: Expression?
        public var isDryRun: Bool
        public init(olderThan: Expression? = nil, isDryRun: Bool = false) {
            self.olderThan = olderThan
            self.isDryRun = isDryRun
        }
    }
}
