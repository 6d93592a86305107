// Messages to clients, except DataRow, which RowEncoder writes. PostgreSQL docs 55.7 and 55.8.
public import Columns
public import Diagnostics

/// A column as RowDescription announces it.
public struct RowField: Sendable, Hashable {
    public var name: String
    public var type: SQLType
    /// The type's OID when it is not that of `type`.
    public var announcedOID: UInt32?

    public init(_ name: String, _ type: SQLType, announcedOID: UInt32? = nil) {
        self.name = name
        self.type = type
        self.announcedOID = announcedOID
    }
}

/// How bad an ErrorResponse is: FATAL closes the connection.
public enum ErrorSeverity: String, Sendable {
    case error = "ERROR"
    case fatal = "FATAL"
}

extension WireBuffer {
    // MARK: Authentication

    /// AuthenticationOk.
    public func authenticationOK() { message(82) { $0.append(UInt32(0)) } }

    /// AuthenticationCleartextPassword.
    public func authenticationCleartext() { message(82) { $0.append(UInt32(3)) } }

    /// AuthenticationMD5Password, with its salt of four bytes.
    public func authenticationMD5(_ salt: [UInt8]) {
        message(82) {
            $0.append(UInt32(5))
            $0.append(bytes: salt)
        }
    }

    /// AuthenticationSASL: the mechanisms on offer.
    public func authenticationSASL(_ mechanisms: [String]) {
        message(82) {
            $0.append(UInt32(10))
            for mechanism in mechanisms { $0.append(mechanism) }
            $0.append(UInt8(0))
        }
    }

    /// AuthenticationSASLContinue.
    public func authenticationSASLContinue(_ data: [UInt8]) {
        message(82) {
            $0.append(UInt32(11))
            $0.append(bytes: data)
        }
    }

    /// AuthenticationSASLFinal.
    public func authenticationSASLFinal(_ data: [UInt8]) {
        message(82) {
            $0.append(UInt32(12))
            $0.append(bytes: data)
        }
    }

    /// BackendKeyData: what a CancelRequest has to repeat.
    public func backendKeyData(processID: Int32, secret: Int32) {
        message(75) {
            $0.append(UInt32(bitPattern: processID))
            $0.append(UInt32(bitPattern: secret))
        }
    }

    /// NegotiateProtocolVersion: the newest minor version spoken and the extensions that are not known.
    public func negotiateProtocolVersion(unknown extensions: [String]) {
        message(118) {
            $0.append(StartupMessage.versionSupported)
            $0.append(UInt32(extensions.count))
            for name in extensions { $0.append(name) }
        }
    }

    /// ParameterStatus.
    public func parameterStatus(_ name: String, _ value: String) {
        message(83) {
            $0.append(name)
            $0.append(value)
        }
    }

    // MARK: Answers

    /// ReadyForQuery with `I`, `T` or `E`.
    public func readyForQuery(status: UInt8) { message(90) { $0.append(status) } }

    /// NotificationResponse.
    public func notificationResponse(_ processID: Int32, _ channel: String, _ payload: String) {
        message(65) {
            $0.append(UInt32(bitPattern: processID))
            $0.append(channel)
            $0.append(payload)
        }
    }

    /// CommandComplete.
    public func commandComplete(_ tag: String) { message(67) { $0.append(tag) } }

    public func parseComplete() { message(49) { _ in } }
    public func bindComplete() { message(50) { _ in } }
    public func closeComplete() { message(51) { _ in } }
    public func noData() { message(110) { _ in } }
    public func emptyQueryResponse() { message(73) { _ in } }
    public func portalSuspended() { message(115) { _ in } }

    /// ParameterDescription.
    public func parameterDescription(_ types: [SQLType]) {
        message(116) {
            $0.append(UInt16(truncatingIfNeeded: types.count))
            for type in types { $0.append(PostgresType.oid(type)) }
        }
    }

    /// RowDescription. No formats stand for text, one for all columns.
    public func rowDescription(_ fields: [RowField], formats: [ValueFormat] = []) {
        message(84) {
            $0.append(UInt16(truncatingIfNeeded: fields.count))
            for (index, field) in fields.enumerated() {
                let format = formats.count > index ? formats[index] : formats.first ?? .text
                let oid = field.announcedOID ?? PostgresType.oid(field.type)
                $0.append(field.name)
                $0.append(UInt32(0))
                $0.append(UInt16(0))
                $0.append(oid)
                $0.append(UInt16(bitPattern: PostgresType.length(oid)))
                $0.append(UInt32(bitPattern: field.announcedOID == nil ? PostgresType.modifier(field.type) : -1))
                $0.append(UInt16(bitPattern: format.rawValue))
            }
        }
    }

    // MARK: Errors and notices

    /// ErrorResponse. `sql` is the text that the error's position points into.
    public func errorResponse(_ error: SQLError, severity: ErrorSeverity = .error, sql: String? = nil) {
        message(69) { $0.fields(error, severity: severity.rawValue, sql: sql) }
    }

    /// NoticeResponse.
    public func noticeResponse(_ content: SQLError, severity: String) {
        message(78) { $0.fields(content, severity: severity, sql: nil) }
    }

    private func fields(_ error: SQLError, severity: String, sql: String?) {
        field("S", severity)
        field("V", severity)
        field("C", error.state.code)
        field("M", error.message)
        if let detail = error.detail { field("D", detail) }
        if let hint = error.hint { field("H", hint) }
        if let position = error.position, let sql, position >= 0, position <= sql.utf8.count {
            // The error counts bytes from 0, the wire characters from 1.
            let end = sql.utf8.index(sql.startIndex, offsetBy: position)
            field("P", String(sql.unicodeScalars[..<end].count + 1))
        }
        append(UInt8(0))
    }

    private func field(_ code: Unicode.Scalar, _ text: String) {
        append(UInt8(truncatingIfNeeded: code.value))
        append(text)
    }
}
