// `apus serve`: the PostgreSQL port and the HTTP port over one engine, until a signal.
import Access
import ArgumentParser
import Coordinator
import Diagnostics
import Foundation
import Logging
import PostgresWire
import Server
import ServiceLifecycle
import UnixSignals

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve PostgreSQL clients, and over HTTP the catalog, /health and /metrics.")

    @Option(help: "Port of the PostgreSQL protocol.") var port: Int?
    @Option(help: "Port of /health and /metrics; 0 for none.") var httpPort: Int?
    @Option(help: "Address to listen on.") var host: String?
    @OptionGroup var lake: LakeOptions

    func run() async throws {
        do throws(SQLError) {
            var flags = lake.flags
            flags["port"] = port.map(String.init)
            flags["http_port"] = httpPort.map(String.init)
            flags["host"] = host
            try await serve(try Configuration(file: lake.file, flags: flags))
        } catch {
            leave(error)
        }
    }

    private func serve(_ configuration: Configuration) async throws(SQLError) {
        let logger = try ServeCommand.logger(configuration)
        let lake = try await Composition.lake(configuration, users: try ServeCommand.users(configuration))
        let (engine, catalog) = (lake.engine, try Composition.catalogAPI(lake, configuration))
        let metrics = ServerMetrics()
        let server = ServerConfiguration(
            host: configuration["host"], port: try configuration.number("port", in: 0...65_535),
            connectionsMax: try configuration.number("max_connections", in: 1...100_000),
            certificatePath: configuration["tls_cert"].isEmpty ? nil : configuration["tls_cert"],
            privateKeyPath: configuration["tls_key"].isEmpty ? nil : configuration["tls_key"],
            authorityPath: configuration["tls_ca"].isEmpty ? nil : configuration["tls_ca"])
        let httpPort = try configuration.number("http_port", in: 0...65_535)
        do {
            let listener = try PostgresListener(
                engine: engine, configuration: server, metrics: metrics, logger: logger)
            var services: [any Service] = [ServedPart { try await listener.run() }]
            services.append(
                ServedPart {
                    for await _ in await UnixSignalsSequence(trapping: .sighup) { listener.reloadCertificates() }
                })
            if httpPort > 0 {
                let http = HTTPServer(
                    host: configuration["host"], port: httpPort, engine: engine, catalog: catalog, metrics: metrics,
                    logger: logger)
                services.append(ServedPart { try await http.run() })
            }
            if configuration["catalog_warmup"] == "on" {
                Task.detached(priority: .utility) { await engine.warmCatalog() }
            }
            let hours = try configuration.number("upkeep_hours", in: 0...8_760)
            if hours > 0 {
                services.append(
                    ServedPart {
                        try await engine.keepInShape(every: .seconds(hours * 3_600)) { logger.info("\($0)") }
                    })
            }
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) },
                    cancellationSignals: [.sigterm, .sigint], logger: logger))
            try await group.run()
        } catch is CancellationError {
            return
        } catch {
            throw SQLError(.ioError, "could not serve: \(error)")
        }
    }

    private static func logger(_ configuration: Configuration) throws(SQLError) -> Logger {
        guard let level = Logger.Level(rawValue: configuration["log_level"]) else {
            throw SQLError(.invalidParameterValue, "log_level is not a level: \"\(configuration["log_level"])\"")
        }
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "apus")
        logger.logLevel = level
        return logger
    }

    /// Passwords become verifiers at once: nothing keeps them.
    private static func users(_ configuration: Configuration) throws(SQLError) -> Engine.UserRules {
        var rules = Engine.UserRules()
        var hosts = configuration["hba"]
        if hosts.isEmpty, !configuration["hba_file"].isEmpty {
            guard let text = try? String(contentsOfFile: configuration["hba_file"], encoding: .utf8) else {
                throw SQLError(.undefinedFile, "could not read hba_file \"\(configuration["hba_file"])\"")
            }
            hosts = text
        }
        if !hosts.isEmpty { rules.hosts = try HostRules(text: hosts) }
        rules.superuser = configuration["superuser"]
        guard !rules.superuser.isEmpty, !rules.superuser.hasPrefix("pg_"), rules.superuser != "public" else {
            throw SQLError(.invalidParameterValue, "superuser cannot be named \"\(rules.superuser)\"")
        }
        rules.trustsLoopback = configuration["trust_loopback"] != "off"
        for entry in configuration["users"].split(separator: ",") {
            let parts = entry.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw SQLError(.invalidParameterValue, "an entry of users is not of the form name:password")
            }
            rules.verifiers[parts[0]] =
                parts[1].hasPrefix("SCRAM-SHA-256$") ? parts[1] : ScramVerifier(password: parts[1], salt: salt()).text
        }
        return rules
    }

    private static func salt() -> [UInt8] { (0..<ScramVerifier.saltBytes).map { _ in UInt8.random(in: 0...255) } }
}

/// A part of the server that runs until it is cancelled.
private struct ServedPart: Service {
    let body: @Sendable () async throws -> Void

    init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }

    func run() async throws { try await body() }
}
