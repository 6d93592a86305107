// Every file of Queries/sql, run in this process over tables in memory.
import Diagnostics
import Support
import Testing

@Suite struct SQLFileTests {
    @Test("there are SQL files") func present() { #expect(SQLFile.all.count >= 7) }

    @Test("SQL files give the expected rows", arguments: SQLFile.all)
    func file(name: String) async throws {
        let problems = try await SQLFile.problems(of: name, in: try await TestLake().session())
        #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
    }
}
