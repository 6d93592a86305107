// HTTP for documents: what talks to another catalog's API needs, over the same client as the object store.

public import Diagnostics

/// Sends requests whose answers are small documents. Any thread.
public final class WebClient: Sendable {
    /// What came back, whatever its status.
    public struct Answer: Sendable {
        public var status: Int
        public var body: [UInt8]
    }

    private let client: CurlClient

    public init() {
        var options = HTTPOptions()
        options.connectionsMax = 16
        options.requestTimeoutMilliseconds = 120_000
        client = CurlClient(options)
    }

    /// Sends once. Throws 08001 when nobody was reached, so that nothing has happened, and 08006 when the answer was
    /// lost.
    public func send(
        _ method: String, _ url: String, headers: [String] = [], body: [UInt8] = []
    ) async throws(SQLError) -> Answer {
        guard let verb = HTTPRequest.Method(rawValue: method) else {
            throw SQLError(.internalError, "HTTP method \"\(method)\" is not known")
        }
        var request = HTTPRequest(method: verb, url: url)
        request.headers = headers
        if !body.isEmpty { request.body = [Bytes(body)] }
        let final = request
        return try await resultUnlessCancelled { flag, done in
            var request = final
            request.cancellation = flag
            client.send(request) { response in
                if let failure = response.failure {
                    let state = failure.kind == .unreachable ? SQLState("08001") : SQLState.connectionFailure
                    return done(.failure(SQLError(state, "could not reach \"\(url)\": \(failure.text)")))
                }
                done(.success(Answer(status: response.head.status, body: response.body)))
            }
        }.get()
    }
}
