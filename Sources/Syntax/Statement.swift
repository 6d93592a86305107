// The syntax tree of statements.

/// A statement with its own text.
public struct ParsedStatement: Hashable, Sendable {
    public var statement: Statement
    /// The statement's text, without the semicolon.
    public var text: String
    /// Where the text begins in the whole SQL text. All positions in the tree count from the whole text's begin.
    public var offset: Int
    public init(statement: Statement, text: String, offset: Int) {
        self.statement = statement
        self.text = text
        self.offset = offset
    }
}

public indirect enum Statement: Hashable, Sendable {
    case query(Query)
    /// INSERT, UPDATE, DELETE, MERGE.
    case write(WriteStatement)
    /// REFRESH MATERIALIZED VIEW.
    case refresh(QualifiedName, withData: Bool)
    case truncate([QualifiedName])
    case copy(CopyStatement)
    case createTable(CreateTable)
    case alterTable(AlterTable)
    case comment(Comment)
    case explain(Explain)
    case createSchema(CreateSchema)
    case createView(CreateView)
    case createExternalTable(CreateExternalTable)
    case drop(Drop)
    /// Sequences, indexes, functions.
    case object(ObjectStatement)
    case createRef(CreateRef)
    case dropRef(kind: RefKind, name: Identifier, ifExists: Bool)
    case attach(Attach)
    case detach(Identifier, ifExists: Bool)
    case useBranch(Identifier)
    case branch(BranchStatement)
    case upkeep(UpkeepStatement)
    /// Roles, rights and row policies.
    case access(AccessStatement)
    case show(Show)
    case set(SetVariable)
    case reset(Identifier?)
    case discard(String)
    case transaction(TransactionCommand)
    case prepare(name: Identifier, types: [TypeName], statement: Statement, text: String)
    case execute(name: Identifier, arguments: [Expression])
    /// CALL procedure(...); `isSelected` when it was written SELECT procedure(...).
    case call(FunctionCall, isSelected: Bool)
    /// nil: all.
    case deallocate(Identifier?)
    case declareCursor(DeclareCursor)
    /// FETCH and MOVE.
    case fetch(Fetch)
    /// CLOSE; nil: all.
    case closeCursor(Identifier?)
    case notification(Notification)
    /// ANALYZE and its kin: accepted, without effect.
    case accepted(String)
    /// LOCK TABLE: the tables.
    case lock([QualifiedName], position: Int)
    /// DESCRIBE t, SHOW COLUMNS FROM t.
    case describe(QualifiedName)
    /// A statement of PostgreSQL that is known by name, and not supported: "GRANT", "CREATE INDEX".
    case unsupported(String, position: Int)

    public struct Explain: Hashable, Sendable {
        public var analyze: Bool
        public var verbose: Bool
        /// "text" or "json".
        public var format: String
        public var statement: Statement
        public init(analyze: Bool, verbose: Bool, format: String, statement: Statement) {
            self.analyze = analyze
            self.verbose = verbose
            self.format = format
            self.statement = statement
        }
    }

    public struct CreateSchema: Hashable, Sendable {
        /// `"lake@dev"` or an attached database; nil for the session's branch.
        public var database: Identifier?
        public var name: Identifier
        public var ifNotExists: Bool
        public var location: String?
        /// AUTHORIZATION.
        public var owner: RoleName?
        /// Tables, views, sequences and indexes that are made in it at once, with their texts.
        public var elements: [Statement] = []
        public var elementTexts: [String] = []
        public init(database: Identifier? = nil, name: Identifier, ifNotExists: Bool, location: String?) {
            self.database = database
            self.name = name
            self.ifNotExists = ifNotExists
            self.location = location
        }
    }

    public struct CreateView: Hashable, Sendable {
        public var name: QualifiedName
        public var columns: [Identifier]
        public var orReplace: Bool
        public var ifNotExists: Bool
        public var isTemporary: Bool
        public var query: Query
        /// The query's text.
        public var text: String
        public init(
            name: QualifiedName, columns: [Identifier], orReplace: Bool, ifNotExists: Bool, isTemporary: Bool,
            query: Query, text: String
        ) {
            self.name = name
            self.columns = columns
            self.orReplace = orReplace
            self.ifNotExists = ifNotExists
            self.isTemporary = isTemporary
            self.query = query
            self.text = text
        }
    }

    public struct ColumnDefinition: Hashable, Sendable {
        public var name: Identifier
        public var type: TypeName
        public var isNotNull: Bool
        /// DEFAULT, and its text.
        public var defaultValue: Expression?
        public var defaultText: String?
        /// GENERATED ... AS IDENTITY.
        public var identity: Identity?
        /// GENERATED ALWAYS AS (...) STORED, and its text.
        public var generated: Expression?
        public var generatedText: String?
        public struct Identity: Hashable, Sendable {
            public var isAlways: Bool
            public var options: ObjectStatement.SequenceOptions
            public init(isAlways: Bool, options: ObjectStatement.SequenceOptions) {
                self.isAlways = isAlways
                self.options = options
            }
        }
        public init(name: Identifier, type: TypeName, isNotNull: Bool = false) {
            self.name = name
            self.type = type
            self.isNotNull = isNotNull
        }
    }

    public struct CreateExternalTable: Hashable, Sendable {
        public var name: QualifiedName
        public var orReplace: Bool
        public var ifNotExists: Bool
        public var columns: [ColumnDefinition]
        public var partitionColumns: [ColumnDefinition]
        /// Lower case: "parquet".
        public var format: String
        public var location: String
        public var options: [String: String]
        public init(
            name: QualifiedName, orReplace: Bool, ifNotExists: Bool, columns: [ColumnDefinition],
            partitionColumns: [ColumnDefinition], format: String, location: String, options: [String: String]
        ) {
            self.name = name
            self.orReplace = orReplace
            self.ifNotExists = ifNotExists
            self.columns = columns
            self.partitionColumns = partitionColumns
            self.format = format
            self.location = location
            self.options = options
        }
    }

    public enum DropKind: String, Hashable, Sendable {
        case schema, table, view
        case materializedView = "materialized view"
        case externalTable = "external table"
    }

    public struct Drop: Hashable, Sendable {
        public var kind: DropKind
        public var names: [QualifiedName]
        public var ifExists: Bool
        public var isCascade: Bool
        public init(kind: DropKind, names: [QualifiedName], ifExists: Bool, isCascade: Bool) {
            self.kind = kind
            self.names = names
            self.ifExists = ifExists
            self.isCascade = isCascade
        }
    }

    /// LISTEN, UNLISTEN and NOTIFY.
    public enum Notification: Hashable, Sendable {
        case listen(Identifier)
        /// nil: from everything.
        case unlisten(Identifier?)
        case notify(Identifier, payload: String)
    }

    public enum RefKind: String, Hashable, Sendable { case branch, tag }

    public struct CreateRef: Hashable, Sendable {
        public var kind: RefKind
        public var name: Identifier
        public var ifNotExists: Bool
        public var orReplace: Bool
        /// FROM ref: a branch, tag or commit; nil: the session's branch.
        public var source: Identifier?
        /// AT COMMIT, AT TIMESTAMP, ...
        public var version: Version?
        public var options = RefOptionList()
        public init(
            kind: RefKind, name: Identifier, ifNotExists: Bool, orReplace: Bool, source: Identifier?, version: Version?
        ) {
            self.kind = kind
            self.name = name
            self.ifNotExists = ifNotExists
            self.orReplace = orReplace
            self.source = source
            self.version = version
        }
    }

    public enum Show: Hashable, Sendable {
        case variable(Identifier)
        case all
        case branches, tags
        case schemas
        /// FROM or IN a schema.
        case tables(Identifier?)
        /// SHOW LOG [FOR BRANCH b] [LIMIT n].
        case log(branch: Identifier?, limit: Int?)
    }

    public struct SetVariable: Hashable, Sendable {
        public enum Scope: Hashable, Sendable { case session, local }
        public enum Value: Hashable, Sendable {
            case text(String)
            case number(String)
            case defaultValue
        }
        public var scope: Scope
        /// Lower case; "timezone" for SET TIME ZONE, "transaction" for SET TRANSACTION.
        public var name: Identifier
        public var values: [Value]
        public init(scope: Scope, name: Identifier, values: [Value]) {
            self.scope = scope
            self.name = name
            self.values = values
        }
    }

    /// DECLARE name CURSOR FOR query: psycopg's named cursors and ODBC's.
    public struct DeclareCursor: Hashable, Sendable {
        public var name: Identifier
        public var isBinary: Bool
        /// SCROLL (true), NO SCROLL (false), unsaid (nil).
        public var isScrollable: Bool?
        /// WITH HOLD: outlives its transaction.
        public var isHeld: Bool
        public var query: Query
        /// The query's text.
        public var text: String
        public init(
            name: Identifier, isBinary: Bool, isScrollable: Bool?, isHeld: Bool, query: Query, text: String
        ) {
            self.name = name
            self.isBinary = isBinary
            self.isScrollable = isScrollable
            self.isHeld = isHeld
            self.query = query
            self.text = text
        }
    }

    public struct Fetch: Hashable, Sendable {
        /// A count of nil is ALL. NEXT is forward(1), PRIOR is backward(1), FIRST is absolute(1), LAST is absolute(-1).
        /// Negative counts go the other way, as in PostgreSQL.
        public enum Direction: Hashable, Sendable {
            case forward(Int?)
            case backward(Int?)
            case absolute(Int)
            case relative(Int)
        }
        public var direction: Direction
        public var cursor: Identifier
        /// MOVE: without returning rows.
        public var isMove: Bool
        public init(direction: Direction, cursor: Identifier, isMove: Bool) {
            self.direction = direction
            self.cursor = cursor
            self.isMove = isMove
        }
    }

    /// What BEGIN and SET TRANSACTION ask for; nil where they do not say.
    public struct TransactionModes: Hashable, Sendable {
        public var isReadOnly: Bool?
        /// In lower case: "serializable", "repeatable read", ...
        public var isolation: String?
        public init(isReadOnly: Bool? = nil, isolation: String? = nil) {
            self.isReadOnly = isReadOnly
            self.isolation = isolation
        }
    }

    public enum TransactionCommand: Hashable, Sendable {
        case begin(TransactionModes)
        case commit, rollback
        /// COMMIT AND CHAIN, ROLLBACK AND CHAIN: a transaction of the same kind begins.
        case chain(isCommit: Bool)
        case savepoint(Identifier)
        case release(Identifier)
        case rollbackTo(Identifier)
    }
}
