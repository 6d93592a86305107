// Runs a file of Queries/sql in a session.
public import Coordinator
import Diagnostics
import Foundation

extension SQLFile {
    /// The names of all files.
    public static let all: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: TestLake.root + "/Queries/sql")) ?? []
        return names.filter { $0.hasSuffix(".slt") }.sorted()
    }()

    /// Runs every entry of a file, and tells which did not give what they should.
    public static func problems(of name: String, in session: Session) async throws -> [String] {
        let text = try String(contentsOfFile: TestLake.root + "/Queries/sql/" + name, encoding: .utf8)
        var problems: [String] = []
        let entries = SQLFile(text).entries
        if entries.isEmpty { problems.append("\(name) has no entries") }
        for entry in entries {
            let sql = entry.sql.replacing("${FIXTURES}", with: TestLake.root + "/Fixtures")
            let place = "\(name):\(entry.line): \(entry.sql)"
            do throws(SQLError) {
                let found = try await session.rows(sql).map { $0.map(SQLFile.cell).joined(separator: "|") }
                switch entry.expectation {
                case .done: break
                case .rows(let expected, let sorted):
                    let rows = sorted ? found.sorted() : found
                    if rows != expected { problems.append("\(place)\n\(rows) instead of \(expected)") }
                case .error(let state):
                    problems.append("\(place)\nno error, but \(state) was expected; rows: \(found)")
                }
            } catch {
                if case .error(let state) = entry.expectation, state == error.state.code { continue }
                problems.append("\(place)\n\(error)")
            }
        }
        return problems
    }
}
