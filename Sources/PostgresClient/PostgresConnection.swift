// One connection to a PostgreSQL server. Its calls block; one thread at a time uses it.
import CPq
public import Diagnostics

/// A connection with statements that are prepared on first use.
public final class PostgresConnection {
    let connection: OpaquePointer
    /// Names of prepared statements, by text.
    private var prepared: [String: String] = [:]
    /// Grows with every name.
    private var serial = 0
    /// Statements kept prepared; more run unprepared.
    private static let preparedMax = 200
    /// PostgreSQL 12: the oldest version that is tested against.
    private static let versionMin: Int32 = 120_000

    /// Connects. Throws class 08 when that fails: nothing was sent.
    public init(
        url: String, password: String? = nil, limits: PostgresLimits = PostgresLimits()
    ) throws(SQLError) {
        // Before the URL, which may say otherwise.
        var parameters = [
            ("connect_timeout", String(limits.connectSeconds)), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"), ("tcp_user_timeout", "20000"),
            ("target_session_attrs", limits.mayReadOnly ? "any" : "read-write"),
            ("fallback_application_name", "apus"), ("dbname", url), ("client_encoding", "UTF8"),
        ]
        if let password { parameters.append(("password", password)) }
        let names = PostgresConnection.cStrings(parameters.map(\.0))
        let values = PostgresConnection.cStrings(parameters.map(\.1))
        defer { for string in names + values { string?.deallocate() } }
        guard let made = PQconnectdbParams(names.map { UnsafePointer($0) }, values.map { UnsafePointer($0) }, 1) else {
            throw SQLError(.outOfMemory, "could not connect to the database: out of memory")
        }
        connection = made
        apus_pq_silence(made)
        guard PQstatus(made) == CONNECTION_OK else {
            throw SQLError(
                PostgresConnection.cannotConnect, "could not connect to the database",
                detail: PostgresConnection.line(PQerrorMessage(made)))
        }
        guard PQserverVersion(made) >= PostgresConnection.versionMin else {
            throw SQLError(.featureNotSupported, "the database is older than PostgreSQL 12")
        }
        // A commit that was acknowledged survives a crash, whatever the database's default.
        try execute(
            """
            SET statement_timeout = \(limits.statementMilliseconds);
            SET lock_timeout = \(limits.lockMilliseconds);
            SET idle_in_transaction_session_timeout = \(2 * limits.statementMilliseconds);
            SET default_transaction_isolation = 'read committed';
            SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
            """)
    }

    deinit { PQfinish(connection) }

    /// Nothing was sent.
    public static let cannotConnect = SQLState("08001")
    /// The connection was lost before the answer came: what was asked for may have happened.
    public static let answerLost = SQLState("08007")

    /// Whether the connection stands and is outside of any transaction.
    public var isIdle: Bool { PQstatus(connection) == CONNECTION_OK && PQtransactionStatus(connection) == PQTRANS_IDLE }
    public var isLost: Bool { PQstatus(connection) != CONNECTION_OK }

    // MARK: - Statements

    /// Runs one statement, prepared on its first use.
    public func query(_ sql: String, _ parameters: [PostgresParameter] = []) throws(SQLError) -> PostgresRows {
        guard let name = try statement(sql, parameters) else {
            return try send(parameters) { values, lengths, formats in
                let types = parameters.map(\.oid)
                return PQexecParams(
                    connection, sql, Int32(parameters.count), types, values, lengths, formats, 1)
            }
        }
        do throws(SQLError) {
            return try run(name, parameters)
        } catch {
            // A pooler in between has given this session another server's: prepare it there too.
            guard error.state == .invalidStatementName, PQtransactionStatus(connection) == PQTRANS_IDLE else {
                throw error
            }
            prepared = [:]
            guard let name = try statement(sql, parameters) else { throw error }
            return try run(name, parameters)
        }
    }

    /// Runs statements without parameters, as one transaction unless they say otherwise.
    public func execute(_ script: String) throws(SQLError) { _ = try checked(PQexec(connection, script)) }

    /// Runs statements as one transaction. When the answer to its COMMIT is lost the error is class 08.
    public func transaction<T>(_ body: () throws(SQLError) -> T) throws(SQLError) -> T {
        try execute("BEGIN")
        let result: T
        do throws(SQLError) {
            result = try body()
        } catch {
            // When this fails too the connection is not idle, and goes.
            if !isLost { PQclear(PQexec(connection, "ROLLBACK")) }
            throw error
        }
        try execute("COMMIT")
        return result
    }

    private func run(_ name: String, _ parameters: [PostgresParameter]) throws(SQLError) -> PostgresRows {
        try send(parameters) { values, lengths, formats in
            PQexecPrepared(connection, name, Int32(parameters.count), values, lengths, formats, 1)
        }
    }

    /// nil when there are too many prepared statements.
    private func statement(_ sql: String, _ parameters: [PostgresParameter]) throws(SQLError) -> String? {
        if let name = prepared[sql] { return name }
        guard prepared.count < PostgresConnection.preparedMax else { return nil }
        serial += 1
        let name = "apus_\(serial)"
        _ = try checked(PQprepare(connection, name, sql, Int32(parameters.count), parameters.map(\.oid)))
        prepared[sql] = name
        return name
    }

    private typealias Send = (
        UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<Int32>, UnsafePointer<Int32>
    ) -> OpaquePointer?

    /// Lays out parameters in one block of memory for the call.
    private func send(_ parameters: [PostgresParameter], _ call: Send) throws(SQLError) -> PostgresRows {
        let encoded = parameters.map(\.encoded)
        var block: [UInt8] = []
        for case let value? in encoded { block += value }
        block.append(0)
        var lengths: [Int32] = []
        for value in encoded {
            guard let length = Int32(exactly: value?.count ?? 0) else {
                throw SQLError(.programLimitExceeded, "a parameter is longer than 2 GB")
            }
            lengths.append(length)
        }
        let formats = Array(repeating: Int32(1), count: parameters.count)
        let result = block.withUnsafeBytes { bytes in
            var values: [UnsafePointer<CChar>?] = []
            var offset = 0
            for value in encoded {
                values.append(
                    value == nil ? nil : bytes.baseAddress?.advanced(by: offset).assumingMemoryBound(to: CChar.self))
                offset += value?.count ?? 0
            }
            return call(values, lengths, formats)
        }
        return PostgresRows(try checked(result))
    }

    // MARK: - Errors

    /// `begun`: the status of a COPY that has begun.
    func checked(
        _ pointer: OpaquePointer?, begun: ExecStatusType = PGRES_COMMAND_OK
    ) throws(SQLError) -> PostgresResult {
        guard let pointer else { throw lost() }
        let result = PostgresResult(pointer)
        let status = PQresultStatus(pointer)
        if status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == begun { return result }
        guard !isLost, let code = PQresultErrorField(pointer, 67) else { throw lost() }
        func field(_ name: Character) -> String? {
            PQresultErrorField(pointer, Int32(name.asciiValue ?? 0)).map { String(cString: $0) }
        }
        throw SQLError(
            SQLState(String(cString: code)), field("M") ?? "the database refused a statement", detail: field("D"),
            hint: field("H"))
    }

    func lost() -> SQLError {
        SQLError(
            PostgresConnection.answerLost, "the connection to the database was lost",
            detail: PostgresConnection.line(PQerrorMessage(connection)))
    }

    /// The first line of a message of libpq.
    private static func line(_ message: UnsafePointer<CChar>?) -> String? {
        guard let message else { return nil }
        return String(cString: message).split(separator: "\n").first.map(String.init)
    }

    /// Copies with a nil at the end.
    private static func cStrings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
        texts.map { text in
            let bytes = text.utf8CString
            let copy = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count)
            _ = copy.initialize(from: bytes)
            return copy.baseAddress
        } + [nil]
    }
}

/// How long, and how much at a time.
public struct PostgresLimits: Sendable, Hashable {
    public var connectionsMax = 8
    /// Whether a server that takes no changes will do.
    public var mayReadOnly = false
    /// Calls that wait for a connection; more are refused (53300).
    public var waitingMax = 10_000
    public var connectSeconds = 5
    /// 0: no limit.
    public var statementMilliseconds = 30_000
    public var lockMilliseconds = 15_000
    /// A connection that is not used for so long is closed.
    public var idleSeconds = 120.0
    public init() {}
}
