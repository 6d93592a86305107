// One client: reads messages, lets the state machine say what to do, does it with the session, writes answers.
// All of it in one task; what a slow client does not read parks that task and nothing else.
import Columns
import Coordinator
import Diagnostics
import Logging
import NIOCore
import PostgresWire

/// A portal as the Server knows it: formats, and the stream once it runs.
struct Portal {
    var formats: [ValueFormat]
    /// The statement's text, into which positions of errors point.
    var sql: String?
    var stream: (any ResultStream)?
    var encoder: RowEncoder?
    var isDone = false
}

/// A connection from its first byte to its last. Confined to one task.
final class PostgresConnection {
    let shared: ConnectionShared
    let channel: any Channel
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    let isOverLimit: Bool
    var framing = Framing()
    let out = WireBuffer(capacity: 16 << 10)
    private var state = ConnectionState()
    var portals: [String: Portal] = [:]
    /// Texts of named and unnamed statements, for positions of errors.
    private var statementTexts: [String: String] = [:]
    /// The text that the current message is about.
    var currentSQL: String?
    var isEncrypted = false
    /// The hash of the certificate that this connection was encrypted with, for channel binding.
    var endpoint: [UInt8]?
    /// Reported settings that changed in this cycle.
    var parameterChanges: [(name: String, value: String)] = []

    /// Whether the client has been told that it is its turn, outside of a transaction.
    private var isAtRest = true

    /// Bytes of answers that are gathered before they are written.
    static let flushBytes = 64 << 10
    /// How long a client may take to read the last words.
    private static let lastWordsMax = TimeAmount.seconds(5)
    /// Portals a client may have open at a time; pgjdbc and friends use a handful.
    private static let portalsMax = 4096
    /// Statement texts kept for positions; beyond it errors come without one.
    private static let statementTextsMax = 4096

    init(
        _ shared: ConnectionShared, _ channel: any Channel,
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>, isOverLimit: Bool
    ) {
        self.shared = shared
        self.channel = channel
        self.inbound = inbound
        self.outbound = outbound
        self.isOverLimit = isOverLimit
    }

    // MARK: Bytes

    /// Waits for bytes; false at the end of the stream.
    func receive() async throws -> Bool {
        guard let buffer = try await inbound.next() else { return false }
        shared.metrics.bytesReceived.increase(by: buffer.readableBytes)
        buffer.withUnsafeReadableBytes { framing.append($0) }
        return true
    }

    /// Writes what is buffered; waits while the client does not read.
    func flush() async throws {
        guard out.count > 0 else { return }
        shared.metrics.bytesSent.increase(by: out.count)
        let buffer = out.withBytes { channel.allocator.buffer(bytes: $0) }
        out.removeAll()
        try await outbound.write(buffer)
    }

    /// Writes the last words of the server, also when the task is cancelled already.
    private func sendLast(_ error: SQLError) async {
        shared.metrics.errors.increase()
        out.errorResponse(error, severity: .fatal)
        let buffer = out.withBytes { channel.allocator.buffer(bytes: $0) }
        out.removeAll()
        // A client that does not read must not hold up the server's end.
        let deadline = channel.eventLoop.scheduleTask(in: PostgresConnection.lastWordsMax) { [channel] in
            channel.close(promise: nil)
        }
        try? await channel.writeAndFlush(buffer).get()
        deadline.cancel()
    }

    // MARK: The life of a connection

    /// Serves the client until it leaves, breaks the protocol or the server stops.
    func run() async {
        let timeout = channel.eventLoop.scheduleTask(in: .seconds(shared.configuration.authenticationSecondsMax)) {
            [channel] in channel.close(promise: nil)
        }
        do {
            guard let startup = try await start() else { return timeout.cancel() }
            let processID = shared.registry.processID()
            let session = try await open(startup, processID: processID)
            timeout.cancel()
            let secret = Int32.random(in: Int32.min...Int32.max)
            shared.registry.add(session, processID: processID, secret: secret)
            channel.closeFuture.whenComplete { _ in session.cancel() }
            await withTaskCancellationHandler {
                await serve(session, processID: processID, secret: secret)
            } onCancel: {
                session.cancel()
            }
            shared.registry.remove(processID: processID)
            dropPortals()
            await session.close()
        } catch let error as SQLError {
            timeout.cancel()
            await sendLast(error)
        } catch {
            timeout.cancel()
            if Task.isCancelled { await sendLast(PostgresConnection.shutdown) }
        }
    }

    private static var shutdown: SQLError {
        SQLError(.adminShutdown, "terminating connection due to administrator command")
    }

    private func serve(_ session: any SQLSession, processID: Int32, secret: Int32) async {
        do {
            for (name, value) in await session.reportedParameters() { out.parameterStatus(name, value) }
            out.backendKeyData(processID: processID, secret: secret)
            out.readyForQuery(status: TransactionStatus.idle.rawValue)
            try await flush()
            let sender = session.notifications.map { NotificationSender(channel, $0) }
            while !Task.isCancelled {
                guard let frame = try framing.nextFrame() else {
                    if isAtRest { sender?.rest() }
                    guard try await receive() else { break }
                    sender?.work()
                    continue
                }
                isAtRest = false
                guard try await perform(state.receive(frame), session) else { return }
            }
            sender?.work()
            if Task.isCancelled { await sendLast(PostgresConnection.shutdown) }
        } catch let error as SQLError {
            await sendLast(error)
        } catch {
            // The client is gone, or the server stops: only the latter has someone to tell.
            if Task.isCancelled { await sendLast(PostgresConnection.shutdown) }
        }
    }

    // MARK: Actions

    /// Carries out actions; false when the connection is over.
    private func perform(_ actions: [Action], _ session: any SQLSession) async throws -> Bool {
        var waiting = actions[...]
        while let action = waiting.popFirst() {
            switch action {
            case .fail(let error):
                try await fail(error, session)
            case .ready:
                await ready(session)
            case .flush:
                try await flush()
            case .fatal(let error):
                await sendLast(error)
                return false
            case .terminate:
                return false
            case .query, .parse, .bind, .describeStatement, .describePortal, .execute, .closeStatement, .closePortal:
                var outcome: Result<Void, SQLError> = .success(())
                do {
                    try await carryOut(action, session)
                } catch let error as SQLError {
                    outcome = .failure(error)
                }
                waiting = (state.finished(outcome) + waiting)[...]
            }
        }
        return true
    }

    private func carryOut(_ action: Action, _ session: any SQLSession) async throws {
        switch action {
        case .query(let sql):
            drop(portal: "")
            currentSQL = sql
            try await query(sql, session)
        case .parse(let message): try await parse(message, session)
        case .bind(let message): try await bind(message, session)
        case .describeStatement(let name):
            currentSQL = statementTexts[name]
            let description = try await session.statement(name)
            out.parameterDescription(description.parameters)
            describe(description.columns, [])
        case .describePortal(let name):
            currentSQL = portals[name]?.sql
            describe(try await session.portal(name), portals[name]?.formats ?? [])
        case .execute(let name, let rowsMax):
            currentSQL = portals[name]?.sql
            try await execute(name, rowsMax: rowsMax, session)
        case .closeStatement(let name):
            statementTexts[name] = nil
            await session.closeStatement(name)
            out.closeComplete()
        case .closePortal(let name):
            drop(portal: name)
            await session.closePortal(name)
            out.closeComplete()
        case .fail, .ready, .flush, .fatal, .terminate: break
        }
        if out.count >= PostgresConnection.flushBytes { try await flush() }
    }

    private func parse(_ message: ParseMessage, _ session: any SQLSession) async throws {
        currentSQL = message.sql
        var types: [SQLType?] = []
        for oid in message.parameterOIDs { types.append(try PostgresType.type(oid)) }
        try await session.parse(message.name, sql: message.sql, parameterTypes: types)
        if statementTexts.count < PostgresConnection.statementTextsMax || statementTexts[message.name] != nil {
            statementTexts[message.name] = message.sql
        }
        out.parseComplete()
    }

    private func bind(_ message: BindMessage, _ session: any SQLSession) async throws {
        currentSQL = statementTexts[message.statement]
        if message.portal.isEmpty { drop(portal: "") }
        let description = try await session.statement(message.statement)
        let expected = description.parameters.count
        guard message.parameters.count == expected else {
            throw SQLError(
                .protocolViolation,
                "bind message supplies \(message.parameters.count) parameters, but prepared statement "
                    + "\"\(message.statement)\" requires \(expected)")
        }
        let formats = message.resultFormats
        if formats.count > 1, let columns = description.columns, columns.count != formats.count {
            throw SQLError(
                .protocolViolation,
                "bind message has \(formats.count) result formats but query has \(columns.count) columns")
        }
        var values: [Scalar] = []
        for (index, bytes) in message.parameters.enumerated() {
            values.append(
                try ParameterDecoder.decode(
                    bytes, message.parameterFormat(index), as: description.parameters[index], number: index + 1,
                    context: description.context))
        }
        guard portals.count < PostgresConnection.portalsMax || portals[message.portal] != nil else {
            throw SQLError(.programLimitExceeded, "too many open portals")
        }
        try await session.bind(message.portal, statement: message.statement, parameters: values)
        drop(portal: message.portal)
        portals[message.portal] = Portal(formats: formats, sql: currentSQL)
        out.bindComplete()
    }

    private func describe(_ columns: [ResultColumn]?, _ formats: [ValueFormat]) {
        if let columns { out.rowDescription(columns.map(RowField.init), formats: formats) } else { out.noData() }
    }

    private func fail(_ error: SQLError, _ session: any SQLSession) async throws {
        shared.metrics.errors.increase()
        if error.state == .internalError {
            shared.logger.error("internal error", metadata: ["message": "\(error.message)"])
        }
        await session.fail(error)
        out.errorResponse(error, sql: currentSQL)
    }

    private func ready(_ session: any SQLSession) async {
        let report = await session.finishCycle()
        if report.status != .active { dropPortals() }
        for notice in report.notices { out.noticeResponse(notice.content, severity: notice.severity.rawValue) }
        if let error = report.error {
            shared.metrics.errors.increase()
            out.errorResponse(error)
        }
        if report.status == .idle {
            for one in session.notifications?.take() ?? [] {
                out.notificationResponse(one.processID, one.channel, one.payload)
            }
            isAtRest = true
        }
        for (name, value) in parameterChanges + report.parameterChanges { out.parameterStatus(name, value) }
        parameterChanges = []
        out.readyForQuery(status: report.status.rawValue)
        currentSQL = nil
    }

    /// Forgets a portal and ends its stream.
    func drop(portal name: String) {
        portals.removeValue(forKey: name)?.stream?.cancel()
    }

    private func dropPortals() {
        for portal in portals.values { portal.stream?.cancel() }
        portals.removeAll()
    }
}

extension RowField {
    init(_ column: ResultColumn) { self.init(column.name, column.type, announcedOID: column.announcedOID) }
}
