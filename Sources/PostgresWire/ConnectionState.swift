// The protocol of an authenticated connection as a value: messages in, actions out. No sockets, no SQL.
// PostgreSQL docs 55.2.2 to 55.2.4: simple and extended queries, and what an error skips.
public import Diagnostics

/// What the Server has to do next. Actions of one call are carried out in order; those marked with an arrow are
/// reported back with ``ConnectionState/finished(_:)`` before the next message is received.
public enum Action: Sendable {
    /// Run the statements of a text and send their results. ->
    case query(String)
    /// Prepare a statement and send ParseComplete. ->
    case parse(ParseMessage)
    /// Make a portal and send BindComplete. ->
    case bind(BindMessage)
    /// Send ParameterDescription and RowDescription or NoData of a statement. ->
    case describeStatement(String)
    /// Send RowDescription or NoData of a portal. ->
    case describePortal(String)
    /// Run a portal; send rows, then CommandComplete or PortalSuspended. No limit is nil. ->
    case execute(portal: String, rowsMax: Int?)
    /// Forget a statement and send CloseComplete. ->
    case closeStatement(String)
    /// Forget a portal and send CloseComplete. ->
    case closePortal(String)
    /// Tell the session that its message failed, and send ErrorResponse.
    case fail(SQLError)
    /// Let the session end its cycle and send ReadyForQuery.
    case ready
    /// Send what is buffered.
    case flush
    /// Send ErrorResponse with FATAL, then close.
    case fatal(SQLError)
    /// Close.
    case terminate
}

/// Follows one connection from message to message.
public struct ConnectionState: Sendable {
    /// What the connection is doing.
    private enum Phase: Sendable, Hashable {
        /// Takes any message.
        case idle
        /// A simple Query runs: ReadyForQuery comes when it ends, well or not.
        case simple
        /// A message of the extended protocol runs.
        case extended
        /// After an error of the extended protocol: everything up to Sync is passed over.
        case skipping
        case closed
    }

    private var phase = Phase.idle

    public init() {}

    /// Whether the connection waits for `finished`.
    public var isBusy: Bool { phase == .simple || phase == .extended }

    /// Takes a message that could be read. Must not be called while busy.
    public mutating func receive(_ message: FrontendMessage) -> [Action] {
        precondition(!isBusy, "a message is still being carried out")
        guard phase != .closed else { return [] }
        switch message {
        case .terminate:
            phase = .closed
            return [.terminate]
        case .sync:
            phase = .idle
            return [.ready, .flush]
        case .password:
            phase = .closed
            return [.fatal(SQLError(.protocolViolation, "invalid frontend message type 112"))]
        case .copyData, .copyDone, .copyFail:
            // Left over from a COPY that failed, as PostgreSQL sees it.
            return []
        case .query(let sql):
            guard phase == .idle else { return [] }
            phase = .simple
            return [.query(sql)]
        case .flush:
            return phase == .idle ? [.flush] : []
        case .parse(let message): return begin(.parse(message))
        case .bind(let message): return begin(.bind(message))
        case .describe(.statement(let name)): return begin(.describeStatement(name))
        case .describe(.portal(let name)): return begin(.describePortal(name))
        case .execute(let portal, let rowsMax):
            return begin(.execute(portal: portal, rowsMax: rowsMax > 0 ? Int(rowsMax) : nil))
        case .close(.statement(let name)): return begin(.closeStatement(name))
        case .close(.portal(let name)): return begin(.closePortal(name))
        }
    }

    /// Takes a frame: reads it, and treats what cannot be read as a failed message of its kind.
    public mutating func receive(_ frame: Frame) -> [Action] {
        do throws(SQLError) {
            // Passed over without being read: PostgreSQL does not look into messages it skips either.
            if phase == .skipping, frame.kind != 83, frame.kind != 88 { return [] }
            if frame.kind == 70 {
                return [.fail(SQLError(.featureNotSupported, "function calls are not supported")), .ready, .flush]
            }
            return receive(try FrontendMessage(frame))
        } catch {
            return malformed(frame.kind, error)
        }
    }

    /// Says how the action that is being carried out ended.
    public mutating func finished(_ outcome: Result<Void, SQLError>) -> [Action] {
        switch (phase, outcome) {
        case (.simple, .success):
            phase = .idle
            return [.ready, .flush]
        case (.simple, .failure(let error)):
            phase = .idle
            return [.fail(error), .ready, .flush]
        case (.extended, .success):
            phase = .idle
            return []
        case (.extended, .failure(let error)):
            phase = .skipping
            return [.fail(error), .flush]
        case (.idle, _), (.skipping, _), (.closed, _): return []
        }
    }

    private mutating func begin(_ action: Action) -> [Action] {
        guard phase == .idle else { return [] }
        phase = .extended
        return [action]
    }

    private mutating func malformed(_ kind: UInt8, _ error: SQLError) -> [Action] {
        guard phase != .closed else { return [] }
        switch kind {
        case 80, 66, 68, 69, 67:
            phase = .skipping
            return [.fail(error), .flush]
        case 83, 88:
            // Sync and Terminate have no body: whoever sends one has lost the thread.
            phase = .closed
            return [.fatal(error)]
        default: return [.fail(error), .ready, .flush]
        }
    }
}
