// HTTP beside the PostgreSQL port: health for load balancers, metrics for Prometheus, and the catalog for other engines.
public import CatalogREST
public import Coordinator
import Hummingbird
public import Logging
import NIOCore

/// Serves /health, /metrics, and the paths of ``CatalogAPI``.
public struct HTTPServer: Sendable {
    private let host: String
    private let port: Int
    private let engine: any SQLServerEngine
    private let catalog: CatalogAPI?
    private let metrics: ServerMetrics
    private let logger: Logger

    /// Bytes of a request's body.
    private static let bodyMax = 64 << 20

    public init(
        host: String, port: Int, engine: any SQLServerEngine, catalog: CatalogAPI? = nil, metrics: ServerMetrics,
        logger: Logger
    ) {
        self.host = host
        self.port = port
        self.engine = engine
        self.catalog = catalog
        self.metrics = metrics
        self.logger = logger
    }

    /// Serves until the task is cancelled. Port 0 takes any free port; `onRunning` is told which.
    public func run(onRunning: @escaping @Sendable (Int) -> Void = { _ in }) async throws {
        let server = self
        let responder = CallbackResponder<PeerContext> { request, context in
            try await server.respond(to: request, context)
        }
        let application = Application(
            responder: responder, configuration: .init(address: .hostname(host, port: port), serverName: "apus"),
            onServerRunning: { channel in onRunning(channel.localAddress?.port ?? 0) }, logger: logger)
        try await application.run()
    }

    private func respond(to request: Request, _ context: PeerContext) async throws -> Response {
        let path = request.uri.path
        switch (request.method, path) {
        case (.get, "/health"):
            return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "ok\n")))
        case (.get, "/metrics"):
            let text = metrics.text + (await engine.metricsText())
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: text)))
        default: break
        }
        guard let catalog, CatalogAPI.serves(path) else { return Response(status: .notFound) }
        let body = try await request.body.collect(upTo: HTTPServer.bodyMax)
        var headers: [String: String] = [:]
        for field in request.headers { headers[field.name.canonicalName] = field.value }
        let answer = await catalog.answer(
            APIRequest(
                method: request.method.rawValue, path: path, query: request.uri.query ?? "", headers: headers,
                body: Array(body.readableBytesView), peer: context.peer))
        if answer.status >= 500 {
            logger.warning("a catalog request failed", metadata: ["path": "\(path)", "status": "\(answer.status)"])
        }
        return HTTPServer.response(answer, isHead: request.method == .head)
    }

    private static func response(_ answer: APIResponse, isHead: Bool) -> Response {
        var response = Response(status: .init(code: answer.status))
        for (name, value) in answer.headers {
            switch name.lowercased() {
            case "content-type": response.headers[.contentType] = value
            case "etag": response.headers[.eTag] = value
            default: break
            }
        }
        if !answer.body.isEmpty, !isHead { response.body = .init(byteBuffer: ByteBuffer(bytes: answer.body)) }
        return response
    }
}

/// A request's context that knows where the client is.
private struct PeerContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let peer: PeerAddress

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        let host = source.channel.remoteAddress?.ipAddress
        peer = PeerAddress(host: host, isLoopback: PeerAddress.isLoopback(host), isEncrypted: false)
    }
}

extension PeerAddress {
    /// Whether an address is this machine's; nil is a socket in the file system.
    static func isLoopback(_ host: String?) -> Bool {
        guard let host else { return true }
        return host == "::1" || host.hasPrefix("127.") || host.hasPrefix("::ffff:127.")
    }
}
