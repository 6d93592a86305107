// What the binder gets from the function library and the evaluator calls: bound functions, aggregates, windows.
public import Columns
public import Diagnostics

/// What a kernel may know of its statement: stable for the length of one statement.
public struct FunctionContext: Sendable {
    /// The transaction's start, microseconds since 1970 UTC: now(), current_date.
    public var transactionTime: Int64
    /// The statement's start, microseconds since 1970 UTC.
    public var statementTime: Int64
    /// The session's time zone.
    public var timeZone: SessionTimeZone
    public var user: String
    /// Who logged in, or was set by SET SESSION AUTHORIZATION; nil: the same as ``user``.
    public var sessionUser: String?
    public var database: String
    public var branch: String
    /// The number of the session: pg_backend_pid(), and who holds an advisory lock.
    public var processID: Int32 = 0
    /// Schemas searched for unqualified names, in order.
    public var searchPath: [String]
    /// The system catalog, for statements that ask about it.
    public var system: (any SystemFacts)?
    /// The session's sequences.
    public var sequences: (any SequenceValues)?
    /// The session's channels.
    public var notifications: (any NotificationChannels)?
    /// Value of a setting, by lower-case name: current_setting().
    public var setting: @Sendable (String) -> String?

    public init(
        transactionTime: Int64 = 0, statementTime: Int64 = 0, timeZone: SessionTimeZone = .utc, user: String = "apus",
        database: String = "lake", branch: String = "main", searchPath: [String] = ["public"],
        setting: @escaping @Sendable (String) -> String? = { _ in nil }
    ) {
        self.transactionTime = transactionTime
        self.statementTime = statementTime
        self.timeZone = timeZone
        self.user = user
        self.database = database
        self.branch = branch
        self.searchPath = searchPath
        self.setting = setting
    }
}

/// What functions may ask about the catalog. Answers are the same for the length of one statement.
public protocol SystemFacts: SystemNames {
    /// The number behind a name as SQL writes it. Throws 42P01, 42704 or 42883 for an unknown one.
    func oid(of type: SystemType, named name: String) throws(SQLError) -> Int64
    /// The answer of a catalog function (``CatalogFunctions``); its arguments may be NULL.
    func call(_ function: String, _ arguments: [Scalar], _ context: FunctionContext) throws(SQLError) -> Scalar
}

/// Evaluates a function over a batch. Arguments have `rows` rows each, of any layout, and the bound argument types; the
/// result has the bound result type and `rows` rows. Called once per batch.
public typealias Kernel =
    @Sendable (_ context: FunctionContext, _ arguments: [Column], _ rows: Int)
    throws(SQLError) -> Column

/// How far a result may be reused (PostgreSQL docs 38.7).
public enum Volatility: Sendable, Hashable {
    /// Depends on the arguments only: may be folded.
    case immutable
    /// The same for one statement.
    case stable
    /// May differ on each call.
    case volatile
}

/// An overload chosen for argument types.
public struct BoundFunction: Sendable {
    /// Lower-case name, or the operator's symbol.
    public let name: String
    /// What the binder must cast the arguments to.
    public let argumentTypes: [SQLType]
    public let resultType: SQLType
    public let volatility: Volatility
    /// NULL in any argument gives NULL, and the kernel may be given only the rows without NULLs.
    public let isStrict: Bool
    /// Whether the kernel can throw for some input: such calls are not moved before filters that guard them.
    public let canFail: Bool
    public let kernel: Kernel

    public init(
        name: String, argumentTypes: [SQLType], resultType: SQLType, volatility: Volatility = .immutable,
        isStrict: Bool = true, canFail: Bool = true, kernel: @escaping Kernel
    ) {
        self.name = name
        self.argumentTypes = argumentTypes
        self.resultType = resultType
        self.volatility = volatility
        self.isStrict = isStrict
        self.canFail = canFail
        self.kernel = kernel
    }
}

/// The group of each row of a batch.
public struct GroupNumbers: @unchecked Sendable {
    // Sendable: used within one call of one thread.

    /// A group number a row; nil when all rows are of group 0.
    public let numbers: UnsafePointer<Int32>?
    public let rows: Int
    /// All numbers are below this; an aggregate grows its states to it before it updates.
    public let groups: Int

    public init(numbers: UnsafePointer<Int32>?, rows: Int, groups: Int) {
        self.numbers = numbers
        self.rows = rows
        self.groups = groups
    }
}

/// The states of one aggregate for all groups of one worker. One owner thread at a time.
public protocol Aggregate: AnyObject {
    /// Adds a batch. FILTER and DISTINCT have been applied by the caller.
    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError)
    /// Adds the states of `other` (same concrete type): its group i goes to `groups.numbers[i]` of this one.
    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError)
    /// Returns the results of groups `range`, in order; a group that saw no row has the empty result (NULL, 0).
    func finish(_ range: Range<Int>) throws(SQLError) -> Column
    /// Memory of the states, in bytes.
    var sizeBytes: Int { get }
}

/// An aggregate chosen for argument types.
public struct BoundAggregate: Sendable {
    public let name: String
    public let argumentTypes: [SQLType]
    public let resultType: SQLType
    /// Whether the result depends on the order of rows (string_agg, array_agg): parallel workers must keep it.
    public let isOrderSensitive: Bool
    /// Whether DISTINCT changes nothing (min, max, bool_and).
    public let ignoresDistinct: Bool
    /// Makes the states of one worker.
    public let make: @Sendable () -> any Aggregate

    public init(
        name: String, argumentTypes: [SQLType], resultType: SQLType, isOrderSensitive: Bool = false,
        ignoresDistinct: Bool = false, make: @escaping @Sendable () -> any Aggregate
    ) {
        self.name = name
        self.argumentTypes = argumentTypes
        self.resultType = resultType
        self.isOrderSensitive = isOrderSensitive
        self.ignoresDistinct = ignoresDistinct
        self.make = make
    }
}

/// Functions that only exist over windows; aggregates over windows are ``BoundAggregate``.
public enum WindowFunctionKind: String, Sendable, Hashable, CaseIterable {
    case rowNumber = "row_number"
    case rank
    case denseRank = "dense_rank"
    case percentRank = "percent_rank"
    case cumeDist = "cume_dist"
    case ntile, lag, lead
    case firstValue = "first_value"
    case lastValue = "last_value"
    case nthValue = "nth_value"
}

/// How freely a cast may be put in (PostgreSQL docs 10).
public enum CastContext: Int, Sendable, Comparable {
    case implicit, assignment, explicit
    public static func < (left: CastContext, right: CastContext) -> Bool { left.rawValue < right.rawValue }
}
