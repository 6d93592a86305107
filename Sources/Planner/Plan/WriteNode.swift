// The plan node of INSERT, UPDATE, DELETE and MERGE: what of its input's rows is appended to a table, and what removed.
public import Catalogs
import Columns
import Synchronization

extension LogicalPlan {
    /// Changes a table by the rows of its input. A barrier: rules neither move through it nor drop what it reads.
    public struct WriteNode: Sendable {
        /// "Insert", "Update", "Delete", "Merge", for EXPLAIN.
        public var verb: String
        /// The table's name, for EXPLAIN and errors.
        public var table: String
        public var input: LogicalPlan
        public var write: any TableWrite
        public var count: WriteCount
        /// Columns that are appended, in the table's order, then its `movedColumns` or none; empty: nothing is.
        public var appended: [PlanColumn]
        /// The place of the row that is removed: the columns of ``RowPlace``; nil: nothing is removed.
        public var place: Place?
        /// For MERGE, a column that tells what to do with a row: bit 0 remove, bit 1 append. nil: both, as far as
        /// there are columns for it.
        public var action: PlanColumn?
        /// Columns of the input that come out again, for RETURNING.
        public var outputs: [PlanColumn]
        /// Whether rows come out, be it without columns.
        public var returnsRows: Bool

        public init(
            verb: String, table: String, input: LogicalPlan, write: any TableWrite, count: WriteCount,
            appended: [PlanColumn], place: Place? = nil, action: PlanColumn? = nil, outputs: [PlanColumn] = [],
            returnsRows: Bool = false
        ) {
            self.verb = verb
            self.table = table
            self.input = input
            self.write = write
            self.count = count
            self.appended = appended
            self.place = place
            self.action = action
            self.outputs = outputs
            self.returnsRows = returnsRows
        }

        /// Where a row is, and what happens when it comes twice.
        public struct Place: Sendable {
            public enum Repeated: String, Sendable, Hashable {
                /// Rows come once: no joins are below.
                case never
                /// The first counts (UPDATE ... FROM, DELETE ... USING).
                case ignored
                /// 21000 (MERGE).
                case refused
            }
            public var file: PlanColumn
            public var position: PlanColumn
            public var repeated: Repeated
            public init(file: PlanColumn, position: PlanColumn, repeated: Repeated) {
                self.file = file
                self.position = position
                self.repeated = repeated
            }
        }

        /// All columns of the input that the write itself reads.
        public var reads: [PlanColumn] {
            appended + (place.map { [$0.file, $0.position] } ?? []) + (action.map { [$0] } ?? [])
        }
    }
}

/// Rows that a write has changed: each counts once, an updated one too. Workers add, the session reads.
public final class WriteCount: Sendable {
    private let changed = Atomic<Int64>(0)
    public init() {}
    public func add(_ rows: Int) { changed.add(Int64(rows), ordering: .relaxed) }
    public var rows: Int64 { changed.load(ordering: .relaxed) }
}
