// Listeners that run for the length of a test.
import Coordinator
import Diagnostics
import Logging
import Support

@testable import Server

/// Runs a listener over an engine. The client's side gets the port and the listener's counters.
func serving(
    _ engine: any SQLServerEngine, connectionsMax: Int = 50,
    _ body: @Sendable @escaping (Int, ServerMetrics) async throws -> Void
) async throws {
    let (ports, found) = AsyncStream<Int>.makeStream()
    let metrics = ServerMetrics()
    let listener = try PostgresListener(
        engine: engine, configuration: ServerConfiguration(port: 0, connectionsMax: connectionsMax),
        metrics: metrics, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await listener.run { found.yield($0) } }
        for await port in ports {
            try await body(port, metrics)
            break
        }
        tasks.cancelAll()
        while let result = await tasks.nextResult() { _ = result }
    }
}

/// Runs a listener over a real engine with an empty catalog.
func servingLake(_ body: @Sendable @escaping (Int, ServerMetrics) async throws -> Void) async throws {
    try await serving(try await TestLake().engine, body)
}

/// Waits for a condition that another task makes true.
func eventually(_ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<500 {
        if condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}
