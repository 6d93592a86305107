// Every file of Queries/sql through a socket: what SQLTests sees in the process must be what a client reads.
import Foundation
import Support
import Testing

/// How a client asks.
enum QueryMode: String, CaseIterable, Sendable {
    case simple
    case extendedText = "extended, text"
    case extendedBinary = "extended, binary"
}

/// What came back for one statement.
struct Answer: Sendable {
    var rows: [String] = []
    /// SQLSTATE of the error, if there was one.
    var state: String?
    var message = ""
    /// Messages up to ReadyForQuery.
    var kinds = ""
}

extension RawClient {
    /// Runs a statement; cells are written as .slt files have them.
    func run(_ sql: String, _ mode: QueryMode) async throws -> Answer {
        if mode == .simple {
            try await send(Send.query(sql))
        } else {
            let format: [UInt8] = mode == .extendedText ? [0, 0] : [0, 1, 0, 1]
            try await send(
                Send.parse(sql), Send.message("D", Send.text("S")),
                Send.message("B", [0, 0, 0, 0, 0, 0] + format), Send.execute(), Send.sync)
        }
        var answer = Answer()
        var types: [UInt32] = []
        for message in try await untilReady() {
            answer.kinds.append(message.kind)
            switch message.kind {
            case "T": types = message.columnTypes
            case "D": answer.rows.append(row(message, types, isBinary: mode == .extendedBinary))
            case "E":
                answer.state = message.field("C")
                answer.message = message.field("M") ?? ""
            default: break
            }
        }
        return answer
    }

    private func row(_ message: Message, _ types: [UInt32], isBinary: Bool) -> String {
        var reader = BinaryReader(message.body[...])
        let count = reader.int(2)
        var cells: [String] = []
        for index in 0..<count {
            let oid = types.indices.contains(index) ? types[index] : 0
            guard let bytes = reader.value() else {
                cells.append(SQLFile.cell(nil))
                continue
            }
            let text = isBinary ? BinaryValues.text(bytes, oid: oid) : String(decoding: bytes, as: UTF8.self)
            cells.append(text.map { SQLFile.cell($0) } ?? "(no reader for OID \(oid))")
        }
        if !reader.isAtEnd || count != types.count { cells.append("(a row of another length than announced)") }
        return cells.joined(separator: "|")
    }
}

extension Message {
    /// Type OIDs of a RowDescription.
    var columnTypes: [UInt32] {
        var reader = BinaryReader(body[...])
        let count = reader.int(2)
        return (0..<count).map { _ in
            _ = reader.string()
            _ = reader.int(4)
            _ = reader.int(2)
            let oid = UInt32(truncatingIfNeeded: reader.int(4))
            _ = reader.int(2)
            _ = reader.int(4)
            _ = reader.int(2)
            return oid
        }
    }

    /// A field of an ErrorResponse or NoticeResponse.
    func field(_ code: Character) -> String? {
        var reader = BinaryReader(body[...])
        while !reader.isAtEnd {
            let field = reader.string()
            if field.first == code { return String(field.dropFirst()) }
        }
        return nil
    }
}

@Suite("SQL files over the wire") struct SQLOverWireTests {
    static let folder = TestLake.root + "/Queries/sql/"
    static let files: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".slt") }.sorted()
    }()

    /// Files about texts that binary values do not have: composites, styles of dates and floats.
    static let textOnly: Set<String> = [
        "duckdb_drift.slt", "duckdb_files.slt", "duckdb_lists.slt", "duckdb_names.slt", "nested.slt",
        "pg_date_input.slt", "pg_dml.slt", "pg_objects.slt", "pg_partitions.slt", "pg_types.slt",
        "pg_with_columns.slt", "roles_masks.slt",
    ]

    @Test("a client reads the expected rows", arguments: files, QueryMode.allCases)
    func file(name: String, mode: QueryMode) async throws {
        if mode == .extendedBinary, Self.textOnly.contains(name) { return }
        let text = try String(contentsOfFile: Self.folder + name, encoding: .utf8)
        let entries = SQLFile(text).entries
        #expect(!entries.isEmpty)
        try await servingLake { port, _ in
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                for entry in entries {
                    let sql = entry.sql.replacing("${FIXTURES}", with: TestLake.root + "/Fixtures")
                    let place = "\(name):\(entry.line) (\(mode.rawValue))\n\(sql)"
                    // Several statements travel only in the simple protocol.
                    let mode = sql.contains("; ") ? .simple : mode
                    Self.check(try await client.run(sql, mode), entry, place)
                }
            }
        }
    }

    private static func check(_ answer: Answer, _ entry: SQLFile.Entry, _ place: String) {
        switch entry.expectation {
        case .error(let state):
            #expect(answer.state == state, "\(place)\n\(answer.message)")
            return
        case .done: #expect(answer.state == nil, "\(place)\n\(answer.message)")
        case .rows(let rows, let sorted):
            #expect(answer.state == nil, "\(place)\n\(answer.message)")
            #expect((sorted ? answer.rows.sorted() : answer.rows) == rows, "\(place)")
        }
        // SET may tell of changed settings.
        #expect(answer.kinds.replacing("S", with: "").hasSuffix("CZ"), "\(place)")
    }
}
