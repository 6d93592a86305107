// HTTP beside the PostgreSQL port: health for load balancers, metrics for Prometheus.
public import Coordinator
import Hummingbird
public import Logging

/// Serves /health and /metrics.
public struct HTTPServer: Sendable {
    private let host: String
    private let port: Int
    private let engine: any SQLServerEngine
    private let metrics: ServerMetrics
    private let logger: Logger

    public init(host: String, port: Int, engine: any SQLServerEngine, metrics: ServerMetrics, logger: Logger) {
        self.host = host
        self.port = port
        self.engine = engine
        self.metrics = metrics
        self.logger = logger
    }

    /// Serves until the task is cancelled.
    public func run() async throws {
        let (engine, metrics) = (self.engine, self.metrics)
        let router = Router()
        router.get("health") { _, _ in "ok\n" }
        router.get("metrics") { _, _ -> Response in
            let text = metrics.text + (await engine.metricsText())
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: text)))
        }
        let application = Application(
            router: router, configuration: .init(address: .hostname(host, port: port), serverName: "apus"),
            logger: logger)
        try await application.run()
    }
}
