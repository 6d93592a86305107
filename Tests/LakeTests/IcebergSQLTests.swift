// The SQL files that write, over Iceberg tables in a folder.
import Coordinator
import Diagnostics
import Foundation
import Iceberg
import Storage
import Support
import Testing

@Suite struct IcebergSQLTests {
    static let files = SQLFile.all.filter { name in
        [
            "pg_dml", "pg_merge", "pg_alter", "pg_transactions", "pg_matviews", "pg_ugly_writes", "dml_lake",
            "branches_lake", "keys_lake", "nested",
        ]
        .contains { name == $0 + ".slt" }
    }

    @Test("there are files that write") func present() { #expect(Self.files.count == 10) }

    @Test("SQL files that write give the expected rows", arguments: files)
    func file(name: String) async throws {
        let folder = NSTemporaryDirectory() + "iceberg-sql-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let lake = try await TestLake(format: IcebergFormat(stores: LocalStore(), warehouse: folder))
        let problems = try await SQLFile.problems(of: name, in: try await lake.session())
        #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
    }
}
