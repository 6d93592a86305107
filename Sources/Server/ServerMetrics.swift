// Counters of the sockets, in Prometheus' text format.
import Synchronization

/// What the Server counts. Any thread.
public final class ServerMetrics: Sendable {
    let connectionsActive = Atomic<Int>(0)
    let connectionsTotal = Atomic<Int>(0)
    let connectionsRefused = Atomic<Int>(0)
    let authenticationFailures = Atomic<Int>(0)
    let cancelRequests = Atomic<Int>(0)
    let statements = Atomic<Int>(0)
    let errors = Atomic<Int>(0)
    let rowsSent = Atomic<Int>(0)
    let bytesSent = Atomic<Int>(0)
    let bytesReceived = Atomic<Int>(0)

    public init() {}

    /// The counters as Prometheus reads them.
    public var text: String {
        let counters: [(name: String, kind: String, help: String, value: Int)] = [
            ("connections", "gauge", "Connections open now.", connectionsActive.load(ordering: .relaxed)),
            ("connections_total", "counter", "Connections accepted.", connectionsTotal.load(ordering: .relaxed)),
            (
                "connections_refused_total", "counter", "Connections refused for their number.",
                connectionsRefused.load(ordering: .relaxed)
            ),
            (
                "authentication_failures_total", "counter", "Failed authentications.",
                authenticationFailures.load(ordering: .relaxed)
            ),
            ("cancel_requests_total", "counter", "CancelRequests received.", cancelRequests.load(ordering: .relaxed)),
            ("statements_total", "counter", "Statements run.", statements.load(ordering: .relaxed)),
            ("errors_total", "counter", "Errors sent to clients.", errors.load(ordering: .relaxed)),
            ("rows_sent_total", "counter", "Rows sent to clients.", rowsSent.load(ordering: .relaxed)),
            ("bytes_sent_total", "counter", "Bytes sent to clients.", bytesSent.load(ordering: .relaxed)),
            (
                "bytes_received_total", "counter", "Bytes received from clients.",
                bytesReceived.load(ordering: .relaxed)
            ),
        ]
        return counters.map {
            "# HELP apus_\($0.name) \($0.help)\n# TYPE apus_\($0.name) \($0.kind)\napus_\($0.name) \($0.value)\n"
        }.joined()
    }
}

extension Atomic<Int> {
    func increase(by count: Int = 1) { wrappingAdd(count, ordering: .relaxed) }
}
