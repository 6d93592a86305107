import Diagnostics
import Foundation
import Support
import Testing

/// Every file of Queries/sql, run in this process.
@Suite struct SQLFileTests {
    static let files: [String] = {
        let folder = TestLake.root + "/Queries/sql"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".slt") }.sorted()
    }()

    @Test("there are SQL files") func present() { #expect(Self.files.count >= 7) }

    @Test("SQL files give the expected rows", arguments: files)
    func file(name: String) async throws {
        let text = try String(contentsOfFile: TestLake.root + "/Queries/sql/" + name, encoding: .utf8)
        let session = try await TestLake().session()
        for entry in SQLFile(text).entries {
            let sql = entry.sql.replacing("${FIXTURES}", with: TestLake.root + "/Fixtures")
            let place = "\(name):\(entry.line): \(entry.sql)"
            do throws(SQLError) {
                let found = try await session.rows(sql).map { $0.map(SQLFile.cell).joined(separator: "|") }
                switch entry.expectation {
                case .done: break
                case .rows(let expected, let sorted):
                    let rows = sorted ? found.sorted() : found
                    #expect(rows == expected, "\(place)")
                case .error(let state): Issue.record("\(place)\nno error, but \(state) was expected; rows: \(found)")
                }
            } catch {
                guard case .error(let state) = entry.expectation else {
                    Issue.record("\(place)\n\(error)")
                    continue
                }
                #expect(error.state.code == state, "\(place)\n\(error)")
            }
        }
    }
}
