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

    let configuration: S3Configuration
    private let client: CurlClient

    init(_ configuration: S3Configuration) {
        self.configuration = configuration
        var options = HTTPOptions()
        options.connectionsMax = configuration.connectionsMax
        options.connectTimeoutMilliseconds = configuration.connectTimeoutMilliseconds
        options.stallTimeoutSeconds = configuration.stallTimeoutSeconds
        options.requestTimeoutMilliseconds = configuration.requestTimeoutMilliseconds
        options.certificateFile = configuration.certificateFile
        client = CurlClient(options)
    }

    /// Carries out an operation: `done` gets a checked answer or the reason why there is none.
    func send(_ operation: S3Operation, _ metrics: StoreMetrics?, then done: @escaping Done<HTTPResponse>) {
        guard operation.path.scheme == .s3 else {
            return done(.failure(SQLError(.internalError, "\"\(operation.path)\" is no object of S3")))
        }
        attempt(0, operation, request(operation), metrics, after: 0, then: done)
    }

    private func attempt(
        _ number: Int, _ operation: S3Operation, _ request: HTTPRequest, _ metrics: StoreMetrics?,
        after pauseMilliseconds: Int, then done: @escaping Done<HTTPResponse>
    ) {
        metrics?.addRequest()
        if number > 0 { metrics?.addRetry() }
        client.send(request, afterMilliseconds: pauseMilliseconds) { [self] response in
            switch verdict(response, operation, number) {
            case .good: done(.success(response))
            case .failed(let error): done(.failure(error))
            case .again(let why):
                let isUnreachable = response.failure?.kind == .unreachable
                let most =
                    isUnreachable
                    ? min(S3Sender.unreachableRetriesMax, configuration.retriesMax) : configuration.retriesMax
                guard number < most else {
                    return done(.failure(failure(operation, why, attempts: number + 1)))
                }
                attempt(
                    number + 1, operation, request, metrics, after: S3Sender.pause(number), then: done)
            }
        }
    }

    /// Doubles with every attempt, and is drawn at random so that many clients do not come back together.
    private static func pause(_ attempt: Int) -> Int {
        let most = min(pauseMillisecondsMax, pauseMillisecondsMin << min(attempt, 16))
        return Int.random(in: most / 2...most)
    }

    // MARK: The request

    private func request(_ operation: S3Operation) -> HTTPRequest {
        var url = configuration.url(bucket: operation.path.bucket) + "/"
        if !operation.isOfBucket { url += URLText.encode(operation.path.key, keepingSlashes: true) }
        if !operation.query.isEmpty {
            url += "?" + operation.query.map { $0.name + "=" + URLText.encode($0.value) }.joined(separator: "&")
        }
        var request = HTTPRequest(method: operation.method, url: url)
        request.headers = operation.headers
        request.body = operation.body
        request.cancellation = operation.cancellation
        if !configuration.anonymous {
            // Hashing bodies would cost more than it protects: TLS does that.
            request.headers.append("x-amz-content-sha256: UNSIGNED-PAYLOAD")
            if let token = configuration.sessionToken { request.headers.append("x-amz-security-token: \(token)") }
            request.signature = HTTPRequest.Signature(
                provider: "aws:amz:\(configuration.region):s3", user: configuration.accessKey,
                password: configuration.secretKey)
        }
        let accept = operation.accept
        request.accept = { head in
            (200..<300).contains(head.status) ? accept(head) : .keep(bytesMax: S3Sender.errorBytesMax)
        }
        return request
    }

    // MARK: The answer

    private func verdict(_ response: HTTPResponse, _ operation: S3Operation, _ attempt: Int) -> S3Verdict {
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
        default: return .failed(refusal(status, told, response.head, operation))
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

    private func failure(_ operation: S3Operation, _ why: String, attempts: Int) -> SQLError {
        SQLError(
            .ioError, "could not \(operation.verb) \"\(operation.path)\": \(configuration.redacted(why))",
            detail: attempts > 1 ? "Tried \(attempts) times." : nil)
    }

    /// The error of an answer that another attempt would not change.
    private func refusal(
        _ status: Int, _ told: S3ErrorDocument, _ head: HTTPHead, _ operation: S3Operation
    ) -> SQLError {
        let path = operation.path
        let why = configuration.redacted(cause(status, told))
        switch status {
        case 404 where told.code == "NoSuchBucket":
            return SQLError(
                .undefinedFile, "could not \(operation.verb) \"\(path)\": bucket \"\(path.bucket)\" does not exist")
        case 404:
            return SQLError(.undefinedFile, "could not open file \"\(path)\": No such file or directory")
        case 401, 403:
            return SQLError(
                .insufficientPrivilege, "permission denied for \"\(path)\": \(told.code ?? "HTTP \(status)")",
                detail: why + ".",
                hint: configuration.anonymous
                    ? "No credentials are set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
                    : nil)
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
