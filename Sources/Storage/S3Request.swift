// One operation on an S3 server: signed, sent, checked, sent again where that may help; its errors in our words.

import Diagnostics
import Foundation

/// What an operation asks, apart from how often it has to be sent.
struct S3Operation: Sendable {
    /// As in `could not read "s3://..."`.
    var verb: String
    var path: ObjectPath
    var method: HTTPRequest.Method = .get
    /// Sorted by name: libcurl signs parameters in the order they have.
    var query: [(name: String, value: String)] = []
    var headers: [String] = []
    var body: [Bytes] = []
    var cancellation: CancelFlag?
    /// Called once when an answer is late.
    var late: (@Sendable () -> Void)?
    /// Whether the URL names the bucket and not the object.
    var isOfBucket = false
    var accept: @Sendable (HTTPHead) -> BodyPlan = { _ in .keep(bytesMax: HTTPRequest.documentBytesMax) }
    /// Judges an answer that is no HTTP error; the attempt counts from 0.
    var check: @Sendable (HTTPResponse) -> S3Verdict = { _ in .good }
    /// Judges an HTTP error before the general rules do; nil leaves it to them.
    var judge: @Sendable (HTTPResponse, _ attempt: Int) -> S3Verdict? = { _, _ in nil }
}

/// What an answer is worth.
enum S3Verdict: Sendable {
    case good
    case again(String)
    case failed(SQLError)
}

/// Sends operations to one server.
final class S3Sender: Sendable {
    /// The first pause between two attempts; it doubles every time.
    static let pauseMillisecondsMin = 50
    static let pauseMillisecondsMax = 5_000
    /// A server that cannot be reached at all is given up sooner.
    static let unreachableRetriesMax = 3
    /// How much of an error document is looked at.
    static let errorBytesMax = 64 << 10
    /// How much of a server's message is repeated.
    static let messageCharactersMax = 300

    /// A server may ask for longer pauses, up to this.
    static let retryAfterSecondsMax = 20

    let configuration: S3Configuration
    let health: ServerHealth
    private let client: CurlClient
    private let credentials: CredentialSource

    init(_ configuration: S3Configuration) {
        self.configuration = configuration
        var options = HTTPOptions()
        options.connectionsMax = configuration.connectionsMax
        options.connectTimeoutMilliseconds = configuration.connectTimeoutMilliseconds
        options.stallTimeoutSeconds = configuration.stallTimeoutSeconds
        options.requestTimeoutMilliseconds = configuration.requestTimeoutMilliseconds
        options.certificateFile = configuration.certificateFile
        let health = ServerHealth(connectionsMax: configuration.connectionsMax)
        options.connectionsAllowed = { health.connections }
        self.health = health
        credentials = CredentialSource(configuration)
        client = CurlClient(options)
    }

    /// Carries out an operation: `done` gets a checked answer or the reason why there is none.
    func send(_ operation: S3Operation, _ metrics: StoreMetrics?, then done: @escaping Done<HTTPResponse>) {
        guard operation.path.scheme == .s3 else {
            return done(.failure(SQLError(.internalError, "\"\(operation.path)\" is no object of S3")))
        }
        attempt(Attempt(), operation, metrics, after: 0, then: done)
    }

    /// One of the attempts at an operation.
    private struct Attempt {
        /// Counts from 0.
        var number = 0
        /// Spent on earlier ones and on the pauses between.
        var spentMilliseconds = 0
        var hasRefreshedKeys = false
    }

    private func attempt(
        _ attempt: Attempt, _ operation: S3Operation, _ metrics: StoreMetrics?, after pauseMilliseconds: Int,
        then done: @escaping Done<HTTPResponse>
    ) {
        guard !configuration.anonymous else {
            return send(attempt, operation, nil, metrics, after: pauseMilliseconds, then: done)
        }
        credentials.get { [self] result in
            switch result {
            case .success(let keys): send(attempt, operation, keys, metrics, after: pauseMilliseconds, then: done)
            case .failure(var error):
                error.detail = "They are needed to \(operation.verb) \"\(operation.path)\"."
                done(.failure(error))
            }
        }
    }

    private func send(
        _ attempt: Attempt, _ operation: S3Operation, _ keys: Credentials?, _ metrics: StoreMetrics?,
        after pauseMilliseconds: Int, then done: @escaping Done<HTTPResponse>
    ) {
        metrics?.addBilledRequest(isRetry: attempt.number > 0)
        var request = request(operation, keys)
        let left = configuration.operationTimeoutMilliseconds - attempt.spentMilliseconds
        // Uploads take what they take: a stalled one ends by itself.
        if operation.body.isEmpty { request.timeoutMilliseconds = max(left, S3Sender.attemptMillisecondsMin) }
        if let late = operation.late { request.late = (health.slowMilliseconds, late) }
        client.send(request, afterMilliseconds: pauseMilliseconds) { [self] response in
            let verdict = verdict(response, operation, attempt.number, keys)
            switch verdict {
            case .good:
                health.succeeded(retries: attempt.number)
                if operation.late != nil { health.took(milliseconds: Double(response.milliseconds)) }
                return done(.success(response))
            case .failed(let error):
                if let keys, !attempt.hasRefreshedKeys, S3Sender.isAboutKeys(response), credentials.refused(keys) {
                    var next = attempt
                    next.hasRefreshedKeys = true
                    return self.attempt(next, operation, metrics, after: 0, then: done)
                }
                return done(.failure(error))
            case .again(let why):
                tryAgain(attempt, operation, response, why, metrics, then: done)
            }
        }
    }

    /// Sends again after a pause, unless that has been done often or long enough.
    private func tryAgain(
        _ attempt: Attempt, _ operation: S3Operation, _ response: HTTPResponse, _ why: String,
        _ metrics: StoreMetrics?, then done: @escaping Done<HTTPResponse>
    ) {
        let status = response.head.status
        if status == 429 || status == 503 { health.throttled() }
        let isUnreachable = response.failure?.kind == .unreachable
        let most =
            isUnreachable
            ? min(S3Sender.unreachableRetriesMax, configuration.retriesMax) : configuration.retriesMax
        var next = attempt
        next.number += 1
        let pause = max(S3Sender.pause(attempt.number), S3Sender.pauseAsked(response))
        next.spentMilliseconds += response.milliseconds + pause
        var limit: String?
        if attempt.number >= most {
            limit = ""
        } else if next.spentMilliseconds >= configuration.operationTimeoutMilliseconds {
            limit = " in \(configuration.operationTimeoutMilliseconds) ms"
        } else if !health.mayRetry() {
            limit = "; too many requests to this server fail to try again"
        }
        if let limit { return done(.failure(failure(operation, why, attempts: next.number, limit))) }
        self.attempt(next, operation, metrics, after: pause, then: done)
    }

    /// The last attempt gets this long, however little is left.
    private static let attemptMillisecondsMin = 1_000

    /// What the server asks for by Retry-After.
    private static func pauseAsked(_ response: HTTPResponse) -> Int {
        guard let seconds = response.head["retry-after"].flatMap({ Int($0) }), seconds > 0 else { return 0 }
        return min(seconds, retryAfterSecondsMax) * 1_000
    }

    /// Whether an answer may mean that the keys are no longer good. An answer to HEAD has no document that says so.
    private static func isAboutKeys(_ response: HTTPResponse) -> Bool {
        guard [400, 401, 403].contains(response.head.status) else { return false }
        guard let code = S3ErrorDocument(response.body).code else { return true }
        return keyCodes.contains(code)
    }

    private static let keyCodes: Set = [
        "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidSecurity", "InvalidToken",
        "RequestExpired", "TokenRefreshRequired",
    ]

    /// Doubles with every attempt, and is drawn at random so that many clients do not come back together.
    private static func pause(_ attempt: Int) -> Int {
        let most = min(pauseMillisecondsMax, pauseMillisecondsMin << min(attempt, 16))
        return Int.random(in: most / 2...most)
    }

    // MARK: The request

    private func request(_ operation: S3Operation, _ keys: Credentials?) -> HTTPRequest {
        var url = configuration.url(bucket: operation.path.bucket) + "/"
        if !operation.isOfBucket { url += URLText.encode(operation.path.key, keepingSlashes: true) }
        if !operation.query.isEmpty {
            url += "?" + operation.query.map { $0.name + "=" + URLText.encode($0.value) }.joined(separator: "&")
        }
        var request = HTTPRequest(method: operation.method, url: url)
        request.headers = operation.headers
        request.body = operation.body
        request.cancellation = operation.cancellation
        if let keys {
            // Hashing bodies would cost more than it protects: TLS does that.
            request.headers.append("x-amz-content-sha256: UNSIGNED-PAYLOAD")
            if let token = keys.sessionToken { request.headers.append("x-amz-security-token: \(token)") }
            request.signature = HTTPRequest.Signature(
                provider: "aws:amz:\(configuration.region):s3", user: keys.accessKey,
                password: keys.secretKey)
        }
        let accept = operation.accept
        request.accept = { head in
            (200..<300).contains(head.status) ? accept(head) : .keep(bytesMax: S3Sender.errorBytesMax)
        }
        return request
    }

    // MARK: The answer

    private func verdict(
        _ response: HTTPResponse, _ operation: S3Operation, _ attempt: Int, _ keys: Credentials?
    ) -> S3Verdict {
        let status = response.head.status
        if operation.cancellation?.isSet ?? false {
            return .failed(SQLError(.queryCanceled, "canceling statement due to user request"))
        }
        if (200..<300).contains(status) {
            // The check knows better than the transfer why a body was refused.
            let verdict = operation.check(response)
            if case .good = verdict, let failure = response.failure { return verdictOfFailure(failure, operation) }
            return verdict
        }
        if let failure = response.failure { return verdictOfFailure(failure, operation) }
        if let verdict = operation.judge(response, attempt) { return verdict }
        let told = S3ErrorDocument(response.body)
        switch status {
        case 408, 429, 500, 502, 503, 504: return .again(cause(status, told))
        case 400 where told.code == "RequestTimeout" || told.code == "SlowDown": return .again(cause(status, told))
        default: return .failed(refusal(status, told, response.head, operation, keys))
        }
    }

    private func verdictOfFailure(_ failure: HTTPFailure, _ operation: S3Operation) -> S3Verdict {
        switch failure.kind {
        case .unreachable, .broken: .again(failure.text)
        case .permanent: .failed(self.failure(operation, failure.text, attempts: 1))
        }
    }

    private func cause(_ status: Int, _ told: S3ErrorDocument) -> String {
        var text = "the server answered \(status)"
        if let code = told.code { text += " " + code }
        if let message = told.message { text += ": " + message.prefix(S3Sender.messageCharactersMax) }
        return text
    }

    private func failure(
        _ operation: S3Operation, _ why: String, attempts: Int, _ limit: String = ""
    ) -> SQLError {
        SQLError(
            .ioError, "could not \(operation.verb) \"\(operation.path)\": \(configuration.redacted(why))",
            detail: attempts > 1 || !limit.isEmpty
                ? "Tried \(attempts) time\(attempts == 1 ? "" : "s")\(limit)." : nil)
    }

    /// What to do about a refusal.
    private func hint(_ code: String?) -> String? {
        if configuration.anonymous {
            return "No credentials are set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        }
        guard let code, code.hasPrefix("ExpiredToken") || code == "TokenRefreshRequired" else { return nil }
        return configuration.credentials == .given
            ? "The credentials that were given have expired. Those of a profile, a web identity or a machine's role "
                + "are fetched anew."
            : "The credentials have expired, and no fresh ones could be had."
    }

    /// The error of an answer that another attempt would not change.
    private func refusal(
        _ status: Int, _ told: S3ErrorDocument, _ head: HTTPHead, _ operation: S3Operation, _ keys: Credentials?
    ) -> SQLError {
        let path = operation.path
        let why = configuration.redacted(cause(status, told), keys)
        let isAboutKeys = status == 400 && told.code.map { S3Sender.keyCodes.contains($0) } ?? false
        switch isAboutKeys ? 403 : status {
        case 404 where told.code == "NoSuchBucket":
            return SQLError(
                .undefinedFile, "could not \(operation.verb) \"\(path)\": bucket \"\(path.bucket)\" does not exist")
        case 404:
            return SQLError(.undefinedFile, "could not open file \"\(path)\": No such file or directory")
        case 401, 403:
            return SQLError(
                .insufficientPrivilege, "permission denied for \"\(path)\": \(told.code ?? "HTTP \(status)")",
                detail: why + ".",
                hint: hint(told.code))
        case 409, 412:
            return changedError(path)
        default:
            let region = head["x-amz-bucket-region"].flatMap { $0 == configuration.region ? nil : $0 }
            return SQLError(
                .ioError, "could not \(operation.verb) \"\(path)\": \(why)",
                hint: region.map { "The bucket is in region \"\($0)\"; set AWS_REGION." })
        }
    }
}
