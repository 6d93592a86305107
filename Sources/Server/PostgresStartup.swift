// From the first byte of a connection to its session: TLS, CancelRequest, startup packet, authentication.
import Access
import Coordinator
import Diagnostics
import Logging
import NIOCore
import NIOSSL
import PostgresWire

extension PostgresConnection {
    /// Reads up to the startup packet; nil when the connection was for something else or ended.
    func start() async throws -> StartupMessage? {
        while true {
            guard let request = try framing.nextStartup() else {
                guard try await receive() else { return nil }
                continue
            }
            switch request {
            case .ssl: try await negotiateTLS()
            case .gssEncryption: try await answer(78)
            case .cancel(let processID, let secret):
                shared.metrics.cancelRequests.increase()
                shared.registry.cancel(processID: processID, secret: secret)
                return nil
            case .startup(let message): return message
            }
        }
    }

    private func answer(_ byte: UInt8) async throws {
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: [byte])).get()
    }

    private func negotiateTLS() async throws {
        guard let certificate = shared.tls?.current, !isEncrypted else { return try await answer(78) }
        // Bytes behind the request came in the clear: somebody in between may have put them there.
        guard framing.pendingBytes == 0 else {
            throw SQLError(.protocolViolation, "received unencrypted data after SSL request")
        }
        let channel = self.channel
        // In one turn of the event loop, so that no byte of the client slips past the new handler.
        try await channel.eventLoop.submit {
            channel.writeAndFlush(channel.allocator.buffer(bytes: [83]), promise: nil)
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLServerHandler(context: certificate.context), position: .first)
        }.get()
        isEncrypted = true
        endpoint = certificate.endpoint
    }

    /// The common name of the certificate that the client showed, and that an authority of ours has signed.
    private func certificateUser() async -> String? {
        guard let shown = try? await channel.nioSSL_peerCertificate().get(), let der = try? shown.toDERBytes() else {
            return nil
        }
        return CertificateFields(der: der).commonName
    }

    /// Authenticates the user and opens the session. Every error is fatal.
    func open(_ startup: StartupMessage, processID: Int32) async throws -> any SQLSession {
        guard let user = startup["user"], !user.isEmpty else {
            throw SQLError(.invalidAuthorization, "no PostgreSQL user name specified in startup packet")
        }
        guard !isOverLimit else {
            shared.metrics.connectionsRefused.increase()
            throw SQLError(.tooManyConnections, "sorry, too many clients already")
        }
        if let replication = startup["replication"], !["false", "off", "no", "0"].contains(replication) {
            throw SQLError(.featureNotSupported, "replication connections are not supported")
        }
        if startup.needsNegotiation { out.negotiateProtocolVersion(unknown: startup.extensions) }
        let database = startup["database"].flatMap { $0.isEmpty ? nil : $0 } ?? user
        let peer = peerAddress()
        try await authenticate(user, database, peer)
        let request = SessionRequest(
            user: user, database: database, settings: try startup.settings(), peer: peer, processID: processID)
        let session = try await shared.engine.openSession(request)
        framing.isAuthenticated = true
        return session
    }

    private func peerAddress() -> PeerAddress {
        guard let address = channel.remoteAddress, let host = address.ipAddress else {
            return PeerAddress(host: nil, isLoopback: true, isEncrypted: isEncrypted)
        }
        return PeerAddress(host: host, isLoopback: PeerAddress.isLoopback(host), isEncrypted: isEncrypted)
    }

    private func authenticate(_ user: String, _ database: String, _ peer: PeerAddress) async throws {
        let rule = await shared.engine.authentication(of: user, database: database, from: peer)
        try await prove(user, rule, database, peer)
        out.authenticationOK()
    }

    private func prove(_ user: String, _ rule: AuthenticationRule, _ database: String, _ peer: PeerAddress) async throws
    {
        switch rule {
        case .trust: break
        case .reject(let isListed):
            shared.metrics.authenticationFailures.increase()
            let encryption = peer.isEncrypted ? "SSL encryption" : "no encryption"
            throw SQLError(
                .invalidAuthorization,
                (isListed ? "pg_hba.conf rejects connection" : "no pg_hba.conf entry")
                    + " for host \"\(peer.host ?? "[local]")\", user \"\(user)\", database \"\(database)\", \(encryption)"
            )
        case .certificate(let next):
            guard peer.isEncrypted, let name = await certificateUser(), name == user else {
                shared.metrics.authenticationFailures.increase()
                throw SQLError(.invalidAuthorization, "certificate authentication failed for user \"\(user)\"")
            }
            if let next { try await prove(user, next, database, peer) }
        case .password(let stored):
            out.authenticationCleartext()
            try await flush()
            let password = try passwordText(try await passwordMessage())
            guard StoredPassword.accepts(stored, password, user: user) else { throw refused(user) }
        case .md5(let stored):
            var random = SystemRandomNumberGenerator()
            let salt = (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
            out.authenticationMD5(salt)
            try await flush()
            let answer = try passwordText(try await passwordMessage())
            guard StoredPassword.acceptsMD5(stored, answer, salt: salt) else { throw refused(user) }
        case .scram(let text):
            let verifier = text.flatMap(ScramVerifier.init)
            if text != nil, verifier == nil, text?.hasPrefix("md5") != true {
                shared.logger.warning("a password verifier cannot be read", metadata: ["user": "\(user)"])
            }
            try await scram(user, verifier)
        }
    }

    private func refused(_ user: String) -> SQLError {
        shared.metrics.authenticationFailures.increase()
        return SQLError(.invalidPassword, "password authentication failed for user \"\(user)\"")
    }

    /// The text of a password message, without the zero byte at its end.
    private func passwordText(_ body: ArraySlice<UInt8>) throws(SQLError) -> String {
        guard body.last == 0, let text = String(validating: body.dropLast(), as: UTF8.self), !text.contains("\0") else {
            throw SQLError(.protocolViolation, "invalid password packet")
        }
        return text
    }

    private func scram(_ user: String, _ verifier: ScramVerifier?) async throws {
        var random = SystemRandomNumberGenerator()
        var exchange = ScramExchange(
            verifier: verifier, user: user, mockSecret: shared.mockSecret,
            nonce: (0..<ScramExchange.nonceBytes).map { _ in UInt8.random(in: 0...255, using: &random) },
            endpoint: endpoint)
        let mechanisms = (endpoint == nil ? [] : [ScramExchange.boundMechanism]) + [ScramExchange.mechanism]
        out.authenticationSASL(mechanisms)
        try await flush()
        let initial = try SASLInitialResponse(try await passwordMessage())
        exchange.isBound = initial.mechanism == ScramExchange.boundMechanism
        guard mechanisms.contains(initial.mechanism), let data = initial.data else {
            throw SQLError(.protocolViolation, "client selected an invalid SASL authentication mechanism")
        }
        out.authenticationSASLContinue(try exchange.first(data))
        try await flush()
        guard let last = try exchange.final(try await passwordMessage()) else {
            throw refused(user)
        }
        out.authenticationSASLFinal(last)
    }

    private func passwordMessage() async throws -> ArraySlice<UInt8> {
        while true {
            if let frame = try framing.nextFrame() {
                guard frame.kind == 112 else {
                    throw SQLError(.protocolViolation, "expected SASL response, got message type \(frame.kind)")
                }
                return frame.body
            }
            guard try await receive() else {
                throw SQLError(.connectionFailure, "the client left during authentication")
            }
        }
    }
}
