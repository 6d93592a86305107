// The syntax tree of statements that change rows: INSERT, UPDATE, DELETE, MERGE, COPY.

/// INSERT, UPDATE, DELETE or MERGE, with the WITH before it.
public struct WriteStatement: Hashable, Sendable {
    public var with: [CommonTable]
    public var isRecursive: Bool
    public var target: QualifiedName
    /// `t@dev`: the branch that is changed; nil: the session's.
    public var version: Version?
    public var alias: Identifier?
    public var change: Change
    /// RETURNING; empty: none.
    public var returning: [SelectItem]
    public var position: Int

    public indirect enum Change: Hashable, Sendable {
        case insert(Insert)
        case update([Assignment], from: [TableExpression], filter: Expression?)
        case delete(using: [TableExpression], filter: Expression?)
        case merge(Merge)
    }

    public struct Insert: Hashable, Sendable {
        /// Columns in the order of the values; empty: the table's.
        public var columns: [Identifier]
        /// nil: DEFAULT VALUES.
        public var query: Query?
        /// OVERRIDING SYSTEM VALUE and OVERRIDING USER VALUE.
        public enum Overriding: Hashable, Sendable { case system, user }
        public var overriding: Overriding?
        /// ON CONFLICT.
        public var conflict: Conflict?
        public struct Conflict: Hashable, Sendable {
            /// The columns whose values must differ; empty: those of all declared keys.
            public var columns: [Identifier]
            /// DO UPDATE; nil: DO NOTHING.
            public var assignments: [Assignment]?
            public var filter: Expression?
            public var position: Int
        }
        public init(columns: [Identifier], query: Query?) {
            self.columns = columns
            self.query = query
        }
    }

    /// `a = 1`, `(a, b) = (1, 2)`, `(a, b) = (SELECT ...)`.
    public struct Assignment: Hashable, Sendable {
        public var columns: [Identifier]
        public var value: Expression
        public init(columns: [Identifier], value: Expression) {
            self.columns = columns
            self.value = value
        }
    }

    public struct Merge: Hashable, Sendable {
        public var source: TableExpression
        public var condition: Expression
        public var clauses: [MergeClause]
        public init(source: TableExpression, condition: Expression, clauses: [MergeClause]) {
            self.source = source
            self.condition = condition
            self.clauses = clauses
        }
    }

    public struct MergeClause: Hashable, Sendable {
        public enum Kind: Hashable, Sendable { case matched, notMatched, notMatchedBySource }
        public indirect enum Action: Hashable, Sendable {
            case update([Assignment])
            case delete
            /// No values: DEFAULT VALUES.
            case insert(columns: [Identifier], values: [Expression])
            case nothing
        }
        public var kind: Kind
        public var condition: Expression?
        public var action: Action
        public var position: Int
        public init(kind: Kind, condition: Expression?, action: Action, position: Int) {
            self.kind = kind
            self.condition = condition
            self.action = action
            self.position = position
        }
    }

    public init(
        with: [CommonTable] = [], isRecursive: Bool = false, target: QualifiedName, version: Version? = nil,
        alias: Identifier? = nil, change: Change, returning: [SelectItem] = [], position: Int
    ) {
        self.with = with
        self.isRecursive = isRecursive
        self.target = target
        self.version = version
        self.alias = alias
        self.change = change
        self.returning = returning
        self.position = position
    }

    /// "INSERT", "UPDATE", "DELETE", "MERGE".
    public var verb: String {
        switch change {
        case .insert: "INSERT"
        case .update: "UPDATE"
        case .delete: "DELETE"
        case .merge: "MERGE"
        }
    }
}

/// COPY t FROM STDIN, COPY t TO STDOUT, COPY (query) TO STDOUT.
public struct CopyStatement: Hashable, Sendable {
    public enum Subject: Hashable, Sendable {
        case table(QualifiedName, columns: [Identifier])
        case query(Query)
    }
    public enum Format: String, Hashable, Sendable { case text, csv, binary, parquet, json }

    public struct Options: Hashable, Sendable {
        public var format = Format.text
        /// Whether FORMAT was said.
        public var hasFormat = false
        /// PARTITION_BY: columns whose values name folders.
        public var partitionBy: [Identifier] = []
        /// Options of files, by lower-case name: compression, row_group_size, ...
        public var others: [String: String] = [:]
        public var delimiter: String?
        public var null: String?
        /// HEADER: the first line names the columns. FROM skips it, with MATCH after comparing.
        public var hasHeader = false
        public var matchesHeader = false
        public var quote: String?
        public var escape: String?
        /// FORCE_QUOTE; `*` is all columns.
        public var forceQuote: [Identifier] = []
        public var forcesAllQuotes = false
        public var forceNotNull: [Identifier] = []
        public var forceNull: [Identifier] = []
        public init() {}
    }

    public var subject: Subject
    public var isFrom: Bool
    /// The file that the rows come from or go to; nil: the client.
    public var path: String?
    public var options: Options
    public var position: Int
    public init(subject: Subject, isFrom: Bool, options: Options, position: Int) {
        self.subject = subject
        self.isFrom = isFrom
        self.options = options
        self.position = position
    }
}
