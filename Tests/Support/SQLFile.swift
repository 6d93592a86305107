// An .slt file: statements with the rows or the SQLSTATE they must give.
import Foundation

/// One file of Queries/sql.
public struct SQLFile: Sendable {
    public struct Entry: Sendable {
        public enum Expectation: Sendable, Equatable {
            /// `statement`: it must run.
            case done
            /// `query [rowsort]`: rows, cells joined by |.
            case rows([String], sorted: Bool)
            /// `error 42601`.
            case error(String)
        }
        public var sql: String
        public var expectation: Expectation
        /// 1-based.
        public var line: Int
    }

    public var entries: [Entry] = []

    /// Entries are separated by empty lines; lines with # are comments.
    public init(_ text: String) {
        var line = 1
        for block in text.components(separatedBy: "\n\n") {
            let lines = block.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            defer { line += lines.count + 1 }
            let comments = lines.prefix { $0.hasPrefix("#") || $0.isEmpty }.count
            let body = Array(lines.dropFirst(comments))
            guard let head = body.first?.split(separator: " ").map(String.init), let kind = head.first else { continue }
            let rest = Array(body.dropFirst())
            let split = rest.firstIndex(of: "----") ?? rest.count
            let sql = rest[..<split].joined(separator: "\n")
            let expectation: Entry.Expectation
            switch kind {
            case "query":
                let rows = rest.dropFirst(split + 1).filter { !$0.isEmpty }
                expectation = .rows(Array(rows), sorted: head.contains("rowsort"))
            case "error": expectation = .error(head.count > 1 ? head[1] : "")
            default: expectation = .done
            }
            entries.append(Entry(sql: sql, expectation: expectation, line: line + comments))
        }
    }

    /// How a cell is written: NULL, (empty), and escapes for what would break the line.
    public static func cell(_ text: String?) -> String {
        guard let text else { return "NULL" }
        if text.isEmpty { return "(empty)" }
        return text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n").replacing("|", with: "\\p")
    }
}
