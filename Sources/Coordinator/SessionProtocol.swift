// What the Server needs of sessions and of the engine: the seam between sockets and the life of a query.
// The Server owns messages, formats, row limits and suspended streams; the session owns SQL: statements, portals,
// transactions, settings. One task of one connection calls a session; only `cancel` comes from elsewhere.
public import Columns
public import Diagnostics

/// What all connections share.
public protocol SQLServerEngine: Sendable {
    /// Says how a user has to prove who he is. Called once a connection, before ``openSession(_:)``. Unknown users get
    /// a rule like known ones: the Server then runs the whole exchange and refuses in the end.
    func authentication(of user: String, database: String, from peer: PeerAddress) async -> AuthenticationRule

    /// Makes the session of an authenticated user. Throws 3D000 for an unknown database, 22023 for a bad startup
    /// setting, 53300 for too many sessions.
    func openSession(_ request: SessionRequest) async throws(SQLError) -> any SQLSession

    /// Metrics of the engine in Prometheus' text format; the Server adds its own.
    func metricsText() async -> String
}

/// Where a connection comes from.
public struct PeerAddress: Sendable {
    /// The address without port; nil for a socket of this machine.
    public var host: String?
    /// Whether the peer is on this machine.
    public var isLoopback: Bool
    public var isEncrypted: Bool

    public init(host: String?, isLoopback: Bool, isEncrypted: Bool) {
        self.host = host
        self.isLoopback = isLoopback
        self.isEncrypted = isEncrypted
    }
}

/// How a user proves who he is.
public enum AuthenticationRule: Sendable {
    case trust
    /// A verifier as pg_authid.rolpassword has it (`SCRAM-SHA-256$4096:salt$stored:server`); nil for a user without
    /// one, who fails like one with a wrong password.
    case scram(verifier: String?)
    /// An md5 hash as pg_authid.rolpassword has it, asked for with a salt.
    case md5(stored: String?)
    /// The password in the clear, against whatever form is kept.
    case password(stored: String?)
    /// A client certificate whose common name is the user's, and besides it what follows.
    indirect case certificate(then: AuthenticationRule?)
    /// `isListed`: by a rule that says so; else because no rule fits.
    case reject(isListed: Bool)
}

/// A connection that asks for a session.
public struct SessionRequest: Sendable {
    public var user: String
    public var database: String
    /// Startup parameters other than user, database and options; the `-c name=value` of options are among them.
    public var settings: [(name: String, value: String)]
    public var peer: PeerAddress
    /// What pg_backend_pid() answers.
    public var processID: Int32

    public init(
        user: String, database: String, settings: [(name: String, value: String)], peer: PeerAddress, processID: Int32
    ) {
        self.user = user
        self.database = database
        self.settings = settings
        self.peer = peer
        self.processID = processID
    }
}

/// A column of a result as RowDescription announces it.
public struct ResultColumn: Sendable, Hashable {
    public var name: String
    public var type: SQLType
    /// The type's OID when it is not that of `type`: oid (26) over bigint, name (19) over text, regclass (2205) ...
    public var announcedOID: UInt32?

    public init(_ name: String, _ type: SQLType, announcedOID: UInt32? = nil) {
        self.name = name
        self.type = type
        self.announcedOID = announcedOID
    }
}

/// What Describe tells about a prepared statement.
public struct StatementDescription: Sendable {
    /// The parameters' types, $1 first; inferred where the client gave none.
    public var parameters: [SQLType]
    /// Columns of the result; nil for a statement that returns no rows.
    public var columns: [ResultColumn]?
    /// What the text form of parameters depends on: the session's clock and zone.
    public var context: TextParseContext

    public init(parameters: [SQLType], columns: [ResultColumn]?, context: TextParseContext = TextParseContext()) {
        self.parameters = parameters
        self.columns = columns
        self.context = context
    }
}

/// The transaction state in ReadyForQuery.
public enum TransactionStatus: UInt8, Sendable {
    /// `I`
    case idle = 73
    /// `T`
    case active = 84
    /// `E`
    case failed = 69
}

/// A message beside the result.
public struct SQLNotice: Sendable, Hashable {
    public enum Severity: String, Sendable {
        case debug = "DEBUG"
        case log = "LOG"
        case info = "INFO"
        case notice = "NOTICE"
        case warning = "WARNING"
    }

    public var severity: Severity
    /// SQLSTATE and texts; the state is 00000 or of class 01.
    public var content: SQLError

    public init(_ severity: Severity, _ content: SQLError) {
        self.severity = severity
        self.content = content
    }
}

/// How a statement is announced as complete.
public enum CommandTag: Sendable, Hashable {
    /// `SELECT`, `FETCH`...: the word and the number of rows that were sent, which the Server counts.
    case rows(String)
    /// The whole tag: `INSERT 0 5`, `CREATE TABLE`, `BEGIN`.
    case done(String)
    /// The text had no statement: EmptyQueryResponse.
    case empty
}

/// How a statement ended.
public struct StatementOutcome: Sendable {
    public var tag: CommandTag
    /// Notices raised since the last outcome or report.
    public var notices: [SQLNotice]
    /// Reported settings that changed (`SET DateStyle` ...).
    public var parameterChanges: [(name: String, value: String)]

    public init(
        _ tag: CommandTag, notices: [SQLNotice] = [], parameterChanges: [(name: String, value: String)] = []
    ) {
        self.tag = tag
        self.notices = notices
        self.parameterChanges = parameterChanges
    }
}

/// What ReadyForQuery and what goes before it need.
public struct CycleReport: Sendable {
    public var status: TransactionStatus
    /// Why the implicit transaction could not be committed.
    public var error: SQLError?
    public var notices: [SQLNotice]
    public var parameterChanges: [(name: String, value: String)]

    public init(
        status: TransactionStatus, error: SQLError? = nil, notices: [SQLNotice] = [],
        parameterChanges: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.error = error
        self.notices = notices
        self.parameterChanges = parameterChanges
    }
}

/// A running statement. Called by one task at a time, except ``cancel()``.
///
/// `next` until nil, then `finish` once. A stream that is left before its end gets `cancel` instead of `finish`.
public protocol ResultStream: Sendable {
    /// Columns of the rows; nil when the statement returns none (then `next` gives nil at once).
    var columns: [ResultColumn]? { get }
    /// Set when the rows go out by COPY instead of as a result.
    var copyOut: CopyOptions? { get }
    /// The zone in which timestamptz values are printed.
    var timeZone: SessionTimeZone { get }
    /// Whether a simple query gets the values in binary format.
    var isBinary: Bool { get }
    /// What regclass values and their kin print as.
    var names: (any SystemNames)? { get }
    /// Returns the next rows, nil at the end. Column types must be those of `columns`.
    func next() async throws(SQLError) -> Batch?
    /// Ends the statement: what it changed is done when this returns.
    func finish() async throws(SQLError) -> StatementOutcome
    /// Ends the statement early and frees what it holds. Any thread; more than once does no harm.
    func cancel()
    /// How much of its input the statement has read, 0 to 1; nil when that is not known.
    var progress: Double? { get }
    /// Where whoever carries the rows of a COPY counts them; nil for other statements.
    var copyProgress: CopyProgress? { get }
}

extension ResultStream {
    public var copyProgress: CopyProgress? { nil }
}

extension ResultStream {
    public var progress: Double? { nil }
}

extension ResultStream {
    public var names: (any SystemNames)? { nil }
    public var isBinary: Bool { false }
}

extension ResultStream {
    public var copyOut: CopyOptions? { nil }
}

/// The statements of one simple Query message, run one after the other.
public protocol StatementSequence: Sendable {
    /// Starts the next statement once the stream before has been finished; nil after the last one.
    func next() async throws(SQLError) -> (any ResultStream)?
}

/// One client's session.
public protocol SQLSession: Sendable {
    /// All reported settings (server_version, client_encoding, DateStyle, TimeZone ...), sent once after
    /// authentication; later changes come with outcomes and reports.
    func reportedParameters() async -> [(name: String, value: String)]

    /// Query: parses the whole text before anything runs (42601 here means nothing ran). A text without statements
    /// gives one stream whose outcome is ``CommandTag/empty``. Several statements are one implicit transaction.
    func query(_ sql: String) async throws(SQLError) -> any StatementSequence

    /// Parse: names and types a statement; the empty name is replaced silently, another one is 42P05 when taken. nil
    /// stands for a parameter type the client left open.
    func parse(_ name: String, sql: String, parameterTypes: [SQLType?]) async throws(SQLError)

    /// Describes a statement; the Server also asks before each Bind, to decode parameters. 26000 when unknown.
    func statement(_ name: String) async throws(SQLError) -> StatementDescription

    /// Bind: makes a portal; the empty name is replaced silently, another one is 42P03 when taken.
    func bind(_ portal: String, statement: String, parameters: [Scalar]) async throws(SQLError)

    /// Describe of a portal: columns, nil for none. 34000 when unknown.
    func portal(_ name: String) async throws(SQLError) -> [ResultColumn]?

    /// Execute: starts a portal. The Server calls this once a portal and keeps the stream while it is suspended.
    func execute(_ portal: String) async throws(SQLError) -> any ResultStream

    /// Execute of a portal whose stream was left at a row limit: what runs now is that stream.
    func resume(_ portal: String) async

    /// Close: unknown names do no harm.
    func closeStatement(_ name: String) async
    func closePortal(_ name: String) async

    /// Tells that the current message failed, also when the session itself threw: the transaction block becomes
    /// failed, an implicit transaction will be rolled back.
    func fail(_ error: SQLError) async

    /// Before each ReadyForQuery (after a Query, at Sync): commits the implicit transaction, or rolls it back after
    /// `fail`. Outside a transaction block all portals end here; the Server then drops its streams as well.
    func finishCycle() async -> CycleReport

    /// Cancels what runs now, which then throws 57014. Any thread; does nothing when nothing runs.
    func cancel()

    /// The connection is gone: rolls back, frees everything.
    func close() async

    /// What NOTIFY sends to this session; nil for none.
    var notifications: NotificationQueue? { get }
}

extension SQLSession {
    public var notifications: NotificationQueue? { nil }
}
