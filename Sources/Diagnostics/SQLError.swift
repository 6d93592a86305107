// The one error type of the house: what a client sees as an ErrorResponse.

/// An error as PostgreSQL reports it.
///
/// Messages are one lower-case clause with names quoted as PostgreSQL quotes them.
public struct SQLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of error this is.
    public var state: SQLState
    /// One clause, lower case, without a full stop.
    public var message: String
    /// A sentence with the facts behind the message.
    public var detail: String?
    /// A sentence that says what to do about it.
    public var hint: String?
    /// Where in the SQL text: a 0-based offset in UTF-8 bytes. The wire turns it into 1-based characters.
    public var position: Int?

    public init(
        _ state: SQLState, _ message: String, detail: String? = nil, hint: String? = nil, position: Int? = nil
    ) {
        self.state = state
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
    }

    public var description: String { "\(state.code): \(message)" }

    /// Returns the same error with a position, unless it already has one.
    public func at(_ position: Int?) -> SQLError {
        guard self.position == nil, let position else { return self }
        var copy = self
        copy.position = position
        return copy
    }
}

/// A five-character SQLSTATE (PostgreSQL 17 docs, appendix A).
public struct SQLState: Hashable, Sendable {
    /// The five characters.
    public let code: String

    public init(_ code: String) { self.code = code }

    // Class 01, 08, 0A
    public static let successfulCompletion = SQLState("00000")
    public static let warning = SQLState("01000")
    public static let connectionFailure = SQLState("08006")
    public static let protocolViolation = SQLState("08P01")
    public static let featureNotSupported = SQLState("0A000")
    // Class 21, 22, 23: data
    public static let cardinalityViolation = SQLState("21000")
    public static let dataException = SQLState("22000")
    public static let stringDataRightTruncation = SQLState("22001")
    public static let nullValueNotAllowed = SQLState("22004")
    public static let numericValueOutOfRange = SQLState("22003")
    public static let invalidDatetimeFormat = SQLState("22007")
    public static let datetimeFieldOverflow = SQLState("22008")
    public static let divisionByZero = SQLState("22012")
    public static let intervalFieldOverflow = SQLState("22015")
    public static let characterNotInRepertoire = SQLState("22021")
    public static let substringError = SQLState("22011")
    public static let invalidParameterValue = SQLState("22023")
    public static let invalidEscapeSequence = SQLState("22025")
    public static let invalidTextRepresentation = SQLState("22P02")
    public static let invalidBinaryRepresentation = SQLState("22P03")
    public static let untranslatableCharacter = SQLState("22P05")
    public static let invalidRegularExpression = SQLState("2201B")
    public static let invalidArgumentForLogarithm = SQLState("2201E")
    public static let invalidArgumentForPower = SQLState("2201F")
    public static let invalidRowCountInLimit = SQLState("2201W")
    public static let invalidRowCountInOffset = SQLState("2201X")
    public static let notNullViolation = SQLState("23502")
    // Class 25, 26, 28, 2D, 34, 3B, 3D, 3F
    public static let activeTransaction = SQLState("25001")
    public static let readOnlyTransaction = SQLState("25006")
    public static let noActiveTransaction = SQLState("25P01")
    public static let inFailedTransaction = SQLState("25P02")
    public static let invalidStatementName = SQLState("26000")
    public static let invalidAuthorization = SQLState("28000")
    public static let invalidPassword = SQLState("28P01")
    public static let invalidCursorName = SQLState("34000")
    public static let invalidDatabase = SQLState("3D000")
    public static let invalidSchema = SQLState("3F000")
    // Class 40, 42
    public static let serializationFailure = SQLState("40001")
    public static let syntaxError = SQLState("42601")
    public static let insufficientPrivilege = SQLState("42501")
    public static let cannotCoerce = SQLState("42846")
    public static let groupingError = SQLState("42803")
    public static let windowingError = SQLState("42P20")
    public static let invalidRecursion = SQLState("42P19")
    public static let datatypeMismatch = SQLState("42804")
    public static let indeterminateDatatype = SQLState("42P18")
    public static let undefinedColumn = SQLState("42703")
    public static let undefinedFunction = SQLState("42883")
    public static let undefinedTable = SQLState("42P01")
    public static let undefinedParameter = SQLState("42P02")
    public static let undefinedObject = SQLState("42704")
    public static let duplicateColumn = SQLState("42701")
    public static let duplicateCursor = SQLState("42P03")
    public static let duplicateDatabase = SQLState("42P04")
    public static let duplicatePreparedStatement = SQLState("42P05")
    public static let duplicateSchema = SQLState("42P06")
    public static let duplicateTable = SQLState("42P07")
    public static let duplicateAlias = SQLState("42712")
    public static let duplicateObject = SQLState("42710")
    public static let ambiguousColumn = SQLState("42702")
    public static let ambiguousFunction = SQLState("42725")
    public static let invalidColumnReference = SQLState("42P10")
    public static let wrongObjectType = SQLState("42809")
    public static let invalidName = SQLState("42602")
    public static let nameTooLong = SQLState("42622")
    // Class 53, 54, 55, 57, 58, XX
    public static let outOfMemory = SQLState("53200")
    public static let diskFull = SQLState("53100")
    public static let tooManyConnections = SQLState("53300")
    public static let configurationLimitExceeded = SQLState("53400")
    public static let programLimitExceeded = SQLState("54000")
    public static let statementTooComplex = SQLState("54001")
    public static let objectInUse = SQLState("55006")
    public static let queryCanceled = SQLState("57014")
    public static let adminShutdown = SQLState("57P01")
    public static let cannotConnectNow = SQLState("57P03")
    public static let ioError = SQLState("58030")
    public static let undefinedFile = SQLState("58P01")
    public static let duplicateFile = SQLState("58P02")
    public static let internalError = SQLState("XX000")
    public static let dataCorrupted = SQLState("XX001")
}
