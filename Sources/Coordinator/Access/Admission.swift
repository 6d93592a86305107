// Who is let in: connection rules, passwords, and what a role says of its sessions.
import Access
import Catalogs
import Diagnostics
import SystemCatalog

extension Engine {
    public func authentication(
        of user: String, database: String, from peer: PeerAddress
    ) async -> AuthenticationRule {
        // A store that cannot be asked lets nobody in by what was known before: the session would fail anyway.
        try? await access.refresh(isForced: true)
        let state = access.current
        guard let hosts = users.hosts else {
            if peer.isLoopback, users.trustsLoopback { return .trust }
            return .scram(verifier: secret(of: user, state))
        }
        let place = try? split(database)
        let rule = hosts.rule(
            database: place?.name ?? database, branch: place?.branch ?? "main", user: user, host: peer.host,
            isEncrypted: peer.isEncrypted, state.isOpen ? nil : state.standing(of: user))
        guard let rule else { return .reject(isListed: false) }
        let secret = secret(of: user, state)
        let method: AuthenticationRule
        switch rule.method {
        case .trust: method = .trust
        case .reject: return .reject(isListed: true)
        case .cert: return .certificate(then: nil)
        case .password: method = .password(stored: secret)
        case .scram: method = .scram(verifier: secret)
        case .md5:
            // As in PostgreSQL: md5 takes whichever form is kept.
            method = secret.map(StoredPassword.isMD5) == true ? .md5(stored: secret) : .scram(verifier: secret)
        }
        return rule.needsCertificate ? .certificate(then: method) : method
    }

    /// The password of a user as it is kept; nil for one who has none, or whose password has ended.
    private func secret(of user: String, _ state: AccessState) -> String? {
        if let configured = users.verifiers[user] { return configured }
        guard let role = state.role(named: user) else { return nil }
        if let end = role.validUntil, end <= SystemClock.microseconds() { return nil }
        return role.verifier
    }

    /// Checks that an authenticated user may have a session.
    func admitted(_ request: SessionRequest) async throws(SQLError) -> Standing {
        try await access.refresh(isForced: true)
        let state = access.current
        guard let standing = state.standing(of: request.user) else {
            throw SQLError(.invalidAuthorization, "role \"\(request.user)\" does not exist")
        }
        guard let role = state.role(named: request.user), !users.verifiers.keys.contains(request.user) else {
            guard standing.id != KnownRole.bootstrap else { return standing }
            throw SQLError(.invalidAuthorization, "role \"\(request.user)\" is not permitted to log in")
        }
        guard role.canLogin else {
            throw SQLError(.invalidAuthorization, "role \"\(request.user)\" is not permitted to log in")
        }
        if !role.isSuperuser, role.connectionLimit >= 0 {
            let open = activity.all.count { $0.user == request.user }
            guard open < role.connectionLimit else {
                throw SQLError(.tooManyConnections, "too many connections for role \"\(request.user)\"")
            }
        }
        let guarded = AccessGuard(state: state, who: standing, database: database)
        guard state.rights(on: guarded.lake, of: standing).contains(.connect) else {
            throw SQLError(
                .insufficientPrivilege, "permission denied for database \"\(database)\"",
                detail: "User does not have CONNECT privilege.")
        }
        return standing
    }
}
