// Keys of an S3 server, and the places they come from: given, a file that others rewrite, a web identity, a container's
// or a machine's metadata. Those that expire are fetched anew, before and when they do.

import Diagnostics
import Foundation
import Synchronization

/// Who asks.
struct Credentials: Sendable, Hashable {
    var accessKey: String
    var secretKey: String
    var sessionToken: String?
    /// Seconds since 1970.
    var expires: Double?
}

/// Where keys come from.
public enum CredentialOrigin: Sendable, Hashable {
    /// The configuration's own.
    case given
    /// A profile of the AWS tools' files.
    case profile(name: String, credentialsFile: String, configurationFile: String)
    /// A token in a file, changed for keys at the security token service.
    case webIdentity(tokenFile: String, role: String, session: String, endpoint: String)
    /// An agent beside the container.
    case container(url: String, token: String?, tokenFile: String?)
    /// The machine's metadata service.
    case instance(endpoint: String)
}

/// Hands out the keys that are good now. Any thread.
final class CredentialSource: Sendable {
    /// Keys are fetched anew this long before they expire, behind the backs of requests.
    static let earlySeconds = 300.0
    /// After keys were refused or could not be fetched, the next attempt waits so long.
    static let pauseSeconds = 5.0
    static let connectTimeoutMilliseconds = 2_000
    static let requestTimeoutMilliseconds = 10_000
    static let attemptsMax = 3

    private struct State {
        var kept: Credentials?
        var isFetching = false
        var fetched = 0.0
        var waiters: [Done<Credentials>] = []
    }
    private let state = Mutex(State())
    private let configuration: S3Configuration
    private let client: CurlClient
    private let clock: @Sendable () -> Double

    init(
        _ configuration: S3Configuration,
        clock: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 }
    ) {
        self.configuration = configuration
        self.clock = clock
        var options = HTTPOptions()
        options.connectionsMax = 2
        options.connectTimeoutMilliseconds = CredentialSource.connectTimeoutMilliseconds
        options.requestTimeoutMilliseconds = CredentialSource.requestTimeoutMilliseconds
        client = CurlClient(options)
        guard !configuration.accessKey.isEmpty else { return }
        let given = Credentials(
            accessKey: configuration.accessKey, secretKey: configuration.secretKey,
            sessionToken: configuration.sessionToken)
        state.withLock { $0.kept = given }
    }

    /// Whether other keys can come than those there are.
    var canRefresh: Bool { configuration.credentials != .given }

    /// Calls back with keys: at once, on this thread, where those there are will do.
    func get(_ done: @escaping Done<Credentials>) {
        let time = clock()
        let (kept, mustFetch) = state.withLock { state -> (Credentials?, Bool) in
            let left = state.kept.map { ($0.expires ?? .infinity) - time } ?? 0
            if left > CredentialSource.earlySeconds || (left > 0 && state.isFetching) { return (state.kept, false) }
            if !canRefresh, let kept = state.kept { return (kept, false) }
            if left <= 0 { state.waiters.append(done) }
            defer { state.isFetching = true }
            return (left > 0 ? state.kept : nil, !state.isFetching)
        }
        if let kept { done(.success(kept)) }
        if mustFetch { fetch() }
    }

    /// Forgets keys that the server refused; false when others cannot be had.
    func refused(_ credentials: Credentials) -> Bool {
        guard canRefresh else { return false }
        let time = clock()
        return state.withLock { state in
            // Somebody else has seen to it already.
            guard state.kept == credentials else { return true }
            guard !state.isFetching, time - state.fetched >= CredentialSource.pauseSeconds else { return false }
            state.kept = nil
            return true
        }
    }

    // MARK: - Fetching

    private func fetch() {
        switch configuration.credentials {
        case .given: finish(.failure(CredentialSource.failure("there are none")))
        case .profile(let name, let credentialsFile, let configurationFile):
            finish(CredentialSource.ofProfile(name, credentialsFile, configurationFile))
        case .webIdentity(let tokenFile, let role, let session, let endpoint):
            fetchByIdentity(tokenFile, role, session, endpoint)
        case .container(let url, let token, let tokenFile):
            var request = HTTPRequest(method: .get, url: url)
            if let token = tokenFile.flatMap(CredentialSource.text(ofFile:)) ?? token {
                request.headers = ["authorization: \(token)"]
            }
            ask(request, "the container's agent") { [self] result in finish(result.flatMap(CredentialSource.ofJSON)) }
        case .instance(let endpoint): fetchFromInstance(endpoint)
        }
    }

    private func finish(_ result: Result<Credentials, SQLError>) {
        let time = clock()
        let (answer, waiters) = state.withLock { state -> (Result<Credentials, SQLError>, [Done<Credentials>]) in
            state.isFetching = false
            state.fetched = time
            defer { state.waiters = [] }
            if case .success(let fresh) = result { state.kept = fresh }
            return (result, state.waiters)
        }
        for waiter in waiters { waiter(answer) }
    }

    private static func failure(_ why: String) -> SQLError {
        SQLError(.insufficientPrivilege, "could not get S3 credentials: \(why)")
    }

    /// Sends a request until there is an answer, a few times.
    private func ask(
        _ request: HTTPRequest, _ who: String, attempt: Int = 1,
        then done: @escaping @Sendable (Result<[UInt8], SQLError>) -> Void
    ) {
        client.send(request, afterMilliseconds: attempt > 1 ? 200 << attempt : 0) { [self] response in
            let status = response.head.status
            if response.failure == nil, (200..<300).contains(status) { return done(.success(response.body)) }
            let mayPass = response.failure.map { $0.kind != .permanent } ?? (status == 429 || status >= 500)
            if mayPass, attempt < CredentialSource.attemptsMax {
                return ask(request, who, attempt: attempt + 1, then: done)
            }
            let told = response.failure?.text ?? "HTTP \(status)" + CredentialSource.code(response.body)
            done(.failure(CredentialSource.failure("\(who) answered \(told)")))
        }
    }

    /// The code of the token service's error document.
    private static func code(_ body: [UInt8]) -> String {
        var code = ""
        _ = XMLScanner.scan(body) { path, text in
            if path.last == "Code", path.contains("Error") { code = " " + text }
        }
        return code
    }

    private static func text(ofFile path: String) -> String? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        return trimmed.isEmpty ? nil : trimmed
    }

    private static func ofProfile(
        _ name: String, _ credentialsFile: String, _ configurationFile: String
    ) -> Result<Credentials, SQLError> {
        let profile = S3Configuration.profile(name, credentialsFile, configurationFile)
        guard let key = profile["aws_access_key_id"], let secret = profile["aws_secret_access_key"] else {
            return .failure(failure("\"\(credentialsFile)\" has no keys for the profile \"\(name)\""))
        }
        return .success(
            Credentials(accessKey: key, secretKey: secret, sessionToken: profile["aws_session_token"]))
    }

    private func fetchByIdentity(_ tokenFile: String, _ role: String, _ session: String, _ endpoint: String) {
        guard let token = CredentialSource.text(ofFile: tokenFile) else {
            return finish(.failure(CredentialSource.failure("could not read the web identity in \"\(tokenFile)\"")))
        }
        let parameters = [
            ("Action", "AssumeRoleWithWebIdentity"), ("RoleArn", role), ("RoleSessionName", session),
            ("Version", "2011-06-15"), ("WebIdentityToken", token),
        ]
        let body = parameters.map { $0.0 + "=" + URLText.encode($0.1) }.joined(separator: "&")
        var request = HTTPRequest(method: .post, url: endpoint + "/")
        request.headers = ["content-type: application/x-www-form-urlencoded"]
        request.body = [Bytes(Array(body.utf8))]
        ask(request, "the token service") { [self] result in finish(result.flatMap(CredentialSource.ofXML)) }
    }

    private func fetchFromInstance(_ endpoint: String) {
        var request = HTTPRequest(method: .put, url: endpoint + "/latest/api/token")
        request.headers = ["x-aws-ec2-metadata-token-ttl-seconds: 21600"]
        let service = "the machine's metadata service"
        ask(request, service) { [self] result in
            guard case .success(let token) = result else {
                return finish(result.flatMap { _ in .failure(CredentialSource.failure("no token")) })
            }
            let headers = ["x-aws-ec2-metadata-token: \(String(decoding: token, as: UTF8.self))"]
            let folder = endpoint + "/latest/meta-data/iam/security-credentials/"
            var request = HTTPRequest(method: .get, url: folder)
            request.headers = headers
            ask(request, service) { [self] result in
                let role = result.map { String(decoding: $0, as: UTF8.self).split(whereSeparator: \.isNewline).first }
                guard case .success(let name?) = role else {
                    return finish(
                        result.flatMap { _ in .failure(CredentialSource.failure("the machine has no role")) }
                    )
                }
                var request = HTTPRequest(method: .get, url: folder + URLText.encode(String(name)))
                request.headers = headers
                ask(request, service) { [self] result in finish(result.flatMap(CredentialSource.ofJSON)) }
            }
        }
    }

    // MARK: - Documents

    private static func ofJSON(_ body: [UInt8]) -> Result<Credentials, SQLError> {
        let object = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]
        guard let object, let key = object["AccessKeyId"] as? String,
            let secret = object["SecretAccessKey"] as? String
        else { return .failure(failure("the answer has no keys")) }
        return .success(
            Credentials(
                accessKey: key, secretKey: secret, sessionToken: object["Token"] as? String,
                expires: (object["Expiration"] as? String).flatMap(seconds)))
    }

    private static func ofXML(_ body: [UInt8]) -> Result<Credentials, SQLError> {
        var found: [String: String] = [:]
        let isWhole = XMLScanner.scan(body) { path, text in
            if path.count >= 2, path[path.count - 2] == "Credentials" { found[path[path.count - 1]] = text }
        }
        guard isWhole, let key = found["AccessKeyId"], let secret = found["SecretAccessKey"] else {
            return .failure(failure("the token service's answer has no keys"))
        }
        return .success(
            Credentials(
                accessKey: key, secretKey: secret, sessionToken: found["SessionToken"],
                expires: found["Expiration"].flatMap(seconds)))
    }

    private static func seconds(_ text: String) -> Double? { S3Time.ofListing(text).map { Double($0) / 1e6 } }
}
