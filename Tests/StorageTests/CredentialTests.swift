// Keys that expire: fetched from a file, for a web identity, from a container's agent and from the machine's metadata,
// and fetched anew when the server says that they are no longer good.
import Diagnostics
import Foundation
import Testing

@testable import Storage

struct CredentialTests {
    /// An S3 server, token service, agent and metadata service in one. Keys `key1`, `key2` and so on are handed out;
    /// only the newest is good.
    private final class Cloud: @unchecked Sendable {
        // Sendable: the lock guards both.
        private let lock = NSLock()
        private var newest = 0
        private var handedOut = 0
        var server: FaultyServer?

        init() {
            server = FaultyServer { [unowned self] request in reply(request) }
        }

        var endpoint: String { "http://127.0.0.1:\(server?.port ?? 0)" }
        /// The keys that were handed out are good no longer.
        func expire() { lock.withLock { newest += 1 } }
        var fetches: Int { lock.withLock { handedOut } }

        private func hand() -> Int {
            lock.withLock {
                handedOut += 1
                return newest
            }
        }

        private func reply(_ request: FaultyServer.Request) -> FaultyServer.Reply {
            let later = "2099-01-01T00:00:00Z"
            switch (request.method, request.target) {
            case ("PUT", "/latest/api/token"): return .init(body: Array("the-token".utf8))
            case ("GET", "/latest/meta-data/iam/security-credentials/"): return .init(body: Array("the role\n".utf8))
            case ("GET", "/latest/meta-data/iam/security-credentials/the%20role"), ("GET", "/agent"):
                let isKnown =
                    request.headers["x-aws-ec2-metadata-token"] == "the-token"
                    || request.headers["authorization"] == "agent-secret"
                guard isKnown else { return .init(status: "401 Unauthorized") }
                let number = hand()
                let text =
                    "{\"AccessKeyId\": \"key\(number)\", \"SecretAccessKey\": \"s\", \"Token\": \"token-\(number)\", "
                    + "\"Expiration\": \"\(later)\"}"
                return .init(body: Array(text.utf8))
            case ("POST", "/"):
                let number = hand()
                return .init(
                    body: Array(
                        """
                        <AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
                        <AccessKeyId>key\(number)</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
                        <SessionToken>token-\(number)</SessionToken><Expiration>\(later)</Expiration>
                        </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
                        """.utf8))
            default:
                let number = lock.withLock { newest }
                let isGood = request.headers["authorization"]?.contains("Credential=key\(number)/") ?? false
                guard isGood else {
                    return .init(
                        status: "400 Bad Request", body: Array("<Error><Code>ExpiredToken</Code></Error>".utf8))
                }
                return S3FaultTests.honest(request)
            }
        }
    }

    private func reads(_ store: S3Store) async throws {
        let bytes = try await store.read(100..<200, of: try ObjectPath("s3://bucket/object"))
        #expect(bytes.array == Array(S3FaultTests.content[100..<200]))
        #expect(try await store.head(try ObjectPath("s3://bucket/object")).sizeBytes == 10_000)
    }

    private func environment(_ cloud: Cloud, _ more: [String: String]) -> [String: String] {
        ["AWS_ENDPOINT_URL_S3": cloud.endpoint, "HOME": "/nonexistent"].merging(more) { $1 }
    }

    @Test("keys that expired are fetched anew, and the query does not notice", arguments: 0..<3)
    func refreshes(_ kind: Int) async throws {
        let cloud = Cloud()
        defer { cloud.server?.stop() }
        let file = NSTemporaryDirectory() + "identity-\(UUID().uuidString)"
        try "the identity\n".write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        let settings: [String: String] =
            switch kind {
            case 0:
                [
                    "AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
                    "AWS_ENDPOINT_URL_STS": cloud.endpoint,
                ]
            case 1:
                [
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI": cloud.endpoint + "/agent",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "agent-secret",
                ]
            default: ["AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.endpoint]
            }
        let configuration = S3Configuration(environment: environment(cloud, settings))
        #expect(!configuration.anonymous)
        let store = S3Store(configuration)
        for _ in 0..<3 { try await reads(store) }
        #expect(cloud.fetches == 1)
        // Refused right after they were fetched: no storm of requests for new ones.
        cloud.expire()
        let early = await errorOf { () throws(SQLError) in
            try await store.read(0..<1, of: try ObjectPath("s3://bucket/object"))
        }
        #expect(early?.state == .insufficientPrivilege && early?.message.contains("ExpiredToken") == true)
        try await Task.sleep(for: .seconds(CredentialSource.pauseSeconds + 0.2))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { await #expect(throws: Never.self) { try await reads(store) } } }
        }
        #expect(cloud.fetches == 2)
    }

    @Test("keys of a file are read again when they are refused")
    func file() async throws {
        let cloud = Cloud()
        defer { cloud.server?.stop() }
        let file = NSTemporaryDirectory() + "credentials-\(UUID().uuidString)"
        func write(_ key: String) throws {
            try "[default]\naws_access_key_id = \(key)\naws_secret_access_key = s\naws_session_token = t\n".write(
                toFile: file, atomically: true, encoding: .utf8)
        }
        try write("key0")
        defer { try? FileManager.default.removeItem(atPath: file) }
        let store = S3Store(
            S3Configuration(
                environment: environment(
                    cloud, ["AWS_SHARED_CREDENTIALS_FILE": file, "AWS_CONFIG_FILE": "/nonexistent"])))
        try await reads(store)
        cloud.expire()
        try write("key1")
        try await reads(store)
    }

    @Test("keys of the environment cannot be had anew: the error says so")
    func given() async throws {
        let cloud = Cloud()
        defer { cloud.server?.stop() }
        let store = S3Store(
            S3Configuration(
                environment: environment(
                    cloud, ["AWS_ACCESS_KEY_ID": "key0", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"])))
        try await reads(store)
        cloud.expire()
        let error = await errorOf { () throws(SQLError) in
            try await store.read(0..<1, of: try ObjectPath("s3://bucket/object"))
        }
        #expect(error?.message == "permission denied for \"s3://bucket/object\": ExpiredToken")
        #expect(error?.hint?.contains("have expired") == true)
    }

    @Test("a place that gives no keys is an error that names it and the object")
    func unreachable() async throws {
        var configuration = S3Configuration(
            environment: ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1", "HOME": "/nonexistent"])
        configuration.endpoint = "http://127.0.0.1:1"
        let store = S3Store(configuration)
        let error = await errorOf { () throws(SQLError) in try await store.read(0..<1, of: try ObjectPath("s3://b/k")) }
        #expect(error?.state == .insufficientPrivilege)
        #expect(error?.message.hasPrefix("could not get S3 credentials: the machine's metadata service") == true)
        #expect(error?.detail?.contains("s3://b/k") == true)
    }
}
