// Accepts PostgreSQL clients: one task a connection, limits, TLS, shutdown.
public import Coordinator
import Diagnostics
public import Logging
import NIOCore
import NIOPosix
import PostgresWire
import Synchronization

/// What all connections share.
struct ConnectionShared: Sendable {
    let engine: any SQLServerEngine
    let configuration: ServerConfiguration
    let metrics: ServerMetrics
    let registry: CancelRegistry
    let tls: TLSCertificates?
    /// Makes the salts of unknown users; new at every start.
    let mockSecret: [UInt8]
    let logger: Logger
}

/// The server of PostgreSQL's protocol.
public struct PostgresListener: Sendable {
    private let shared: ConnectionShared

    /// The connections the kernel keeps waiting.
    private static let backlog: Int32 = 512
    /// Bytes waiting in a connection's socket above which its query is parked, and below which it goes on.
    private static let writeBytesMax = 512 << 10
    private static let writeBytesResume = 128 << 10

    /// Makes a server; throws when the certificate cannot be read.
    public init(
        engine: any SQLServerEngine, configuration: ServerConfiguration, metrics: ServerMetrics, logger: Logger
    ) throws {
        var random = SystemRandomNumberGenerator()
        shared = ConnectionShared(
            engine: engine, configuration: configuration, metrics: metrics, registry: CancelRegistry(),
            tls: try TLSCertificates(configuration, logger: logger),
            mockSecret: (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }, logger: logger)
    }

    /// Reads the certificate's files again.
    public func reloadCertificates() { shared.tls?.reload() }

    /// Serves until the task is cancelled; then every client gets 57P01. `ready` learns the port.
    public func run(ready: @Sendable (Int) -> Void = { _ in }) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let configuration = shared.configuration
        let server = try await PostgresListener.bootstrap(group)
            .bind(host: configuration.host, port: configuration.port) { PostgresListener.wrap($0) }
        let port = server.channel.localAddress?.port ?? configuration.port
        shared.logger.info(
            "listening for PostgreSQL clients", metadata: ["host": "\(configuration.host)", "port": "\(port)"])
        ready(port)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await accept(server) }
            if let path = configuration.unixSocketPath {
                let local = try await PostgresListener.bootstrap(group)
                    .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true) { PostgresListener.wrap($0) }
                tasks.addTask { try await accept(local) }
            }
            try await tasks.waitForAll()
        }
    }

    private typealias Client = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private static func bootstrap(_ group: MultiThreadedEventLoopGroup) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(
                .writeBufferWaterMark, value: .init(low: writeBytesResume, high: writeBytesMax))
    }

    private static func wrap(_ channel: any Channel) -> EventLoopFuture<Client> {
        channel.eventLoop.makeCompletedFuture {
            if channel.remoteAddress?.protocol != .unix, let options = channel.syncOptions {
                // Answers are small and complete: waiting for more to send only adds latency.
                try? options.setOption(.tcpOption(.tcp_nodelay), value: 1)
                try? options.setOption(.socketOption(.so_keepalive), value: 1)
            }
            return try Client(wrappingChannelSynchronously: channel)
        }
    }

    private func accept(_ server: NIOAsyncChannel<Client, Never>) async throws {
        try await withThrowingDiscardingTaskGroup { tasks in
            try await server.executeThenClose { clients in
                for try await client in clients {
                    tasks.addTask { await serve(client) }
                }
            }
            // Cancelled: stop accepting first, then end the connections.
            tasks.cancelAll()
        }
    }

    private func serve(_ client: Client) async {
        let metrics = shared.metrics
        metrics.connectionsTotal.increase()
        let active = metrics.connectionsActive.wrappingAdd(1, ordering: .relaxed).newValue
        defer { metrics.connectionsActive.wrappingSubtract(1, ordering: .relaxed) }
        let connectionsMax = shared.configuration.connectionsMax
        do {
            try await client.executeThenClose { inbound, outbound in
                guard active <= connectionsMax + ServerConfiguration.connectionsSpare else {
                    metrics.connectionsRefused.increase()
                    return
                }
                let connection = PostgresConnection(
                    shared, client.channel, inbound.makeAsyncIterator(), outbound, isOverLimit: active > connectionsMax)
                await connection.run()
            }
        } catch {
            shared.logger.debug("a connection ended", metadata: ["error": "\(error)"])
        }
    }
}
