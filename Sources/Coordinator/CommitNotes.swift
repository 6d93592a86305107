// What a commit says of itself: the statements that made it, and behind them lines like git's trailers, so that lineage
// can be read by people and by queries: "Model: model.shop.fct_orders", "Reads: raw.orders, public.customers@dev".
import Foundation

/// The lines behind a commit's message.
enum CommitTrailer {
    /// The dbt node that sent the statements, from dbt's query comment.
    static let model = "Model"
    /// The client's application_name.
    static let application = "Application"
    /// Tables and views whose rows went into the changes, sorted, `@ref` where it was not the session's branch.
    static let reads = "Reads"

    /// Returns a commit's message without its trailers, and those by name.
    static func split(_ message: String) -> (message: String, trailers: [String: String]) {
        guard let gap = message.range(of: "\n\n", options: .backwards) else { return (message, [:]) }
        var trailers: [String: String] = [:]
        for line in message[gap.upperBound...].split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":"), [model, application, reads].contains(String(line[..<colon]))
            else { return (message, [:]) }
            trailers[String(line[..<colon])] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return (String(message[..<gap.lowerBound]), trailers)
    }
}

/// Where a transaction's changes come from.
struct CommitOrigin: Sendable {
    private(set) var models: Set<String> = []
    private(set) var reads: Set<String> = []

    /// Tables that one commit lists.
    private static let readsMax = 200
    private static let modelsMax = 20

    mutating func add(model: String?) {
        if let model, models.count < CommitOrigin.modelsMax { models.insert(model) }
    }

    mutating func add(reads names: Set<String>) {
        for name in names.sorted() where reads.count < CommitOrigin.readsMax { reads.insert(name) }
    }

    /// The trailers; empty without any.
    func trailers(application: String) -> String {
        var lines: [String] = []
        if !models.isEmpty { lines.append("\(CommitTrailer.model): \(models.sorted().joined(separator: ", "))") }
        let name = String(application.prefix(CommitOrigin.applicationMax)).replacing("\n", with: " ")
        if !name.isEmpty { lines.append("\(CommitTrailer.application): \(name)") }
        if !reads.isEmpty { lines.append("\(CommitTrailer.reads): \(reads.sorted().joined(separator: ", "))") }
        return lines.isEmpty ? "" : "\n\n" + lines.joined(separator: "\n")
    }

    /// Characters of application_name.
    private static let applicationMax = 100
}

/// dbt says in a comment at the start or the end of every statement which node it runs.
enum QueryComment {
    /// Characters at either end that are looked at.
    private static let reach = 2_000
    private static let key = "\"node_id\": \""

    static func model(in sql: String) -> String? {
        guard sql.utf8.count > key.utf8.count else { return nil }
        for part in [sql.prefix(reach), sql.suffix(reach)] where part.contains("/*") {
            guard let start = part.range(of: key)?.upperBound, let end = part[start...].firstIndex(of: "\"") else {
                continue
            }
            let name = part[start..<end]
            if !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || "._-".contains($0) }) {
                return String(name)
            }
        }
        return nil
    }
}
