// COPY's formats: rows from pieces cut anywhere, and back again.
import Columns
import Diagnostics
import Testing

@testable import PostgresWire

@Suite("COPY")
struct CopyTests {
    static let text = CopyFormat(kind: .text, delimiter: 9, null: Array("\\N".utf8))
    static let csv = CopyFormat(kind: .csv, delimiter: 44, null: [])

    private func read(
        _ fields: [Field], _ format: CopyFormat, _ input: [UInt8], piece: Int
    ) throws -> [[String?]] {
        let decoder = CopyDecoder(fields, format, table: "t", context: TextParseContext())
        var rows: [[String?]] = []
        func take(_ batch: Batch) {
            for row in 0..<batch.rows {
                rows.append(
                    batch.columns.map { column in
                        guard column.isValid(row) else { return nil }
                        var out: [UInt8] = []
                        TextForm.append(column, row, zone: .utc, to: &out)
                        return String(decoding: out, as: UTF8.self)
                    })
            }
        }
        var at = 0
        while at < input.count {
            decoder.append(input[at..<min(at + piece, input.count)])
            at += piece
            while let batch = try decoder.next(isLast: false) { take(batch) }
        }
        while let batch = try decoder.next(isLast: true) { take(batch) }
        return rows
    }

    private func every(
        _ fields: [Field], _ format: CopyFormat, _ input: String, _ expected: [[String?]]
    ) throws {
        let bytes = Array(input.utf8)
        for piece in [1, 2, 3, 5, 7, 1_000] { #expect(try read(fields, format, bytes, piece: piece) == expected) }
    }

    private func state(_ fields: [Field], _ format: CopyFormat, _ input: String) -> String? {
        do {
            _ = try read(fields, format, Array(input.utf8), piece: 1_000)
            return nil
        } catch { return (error as? SQLError)?.state.code }
    }

    static let two = [Field("a", .int4), Field("b", .text)]

    @Test("text: escapes, NULL, the end marker, lines of any ending") func textFormat() throws {
        try every(
            Self.two, Self.text, "1\tone\n\\N\ta\\tb\\nc\\\\d\\x41\\101\r\n2\t\\N\n3\t\n4\tlast",
            [["1", "one"], [nil, "a\tb\nc\\dAA"], ["2", nil], ["3", ""], ["4", "last"]])
        try every(Self.two, Self.text, "1\tx\n\\.\nignored\n", [["1", "x"]])
        try every([Field("b", .text)], Self.text, "\n\\\\N\n\\N\n", [[""], ["\\N"], [nil]])
    }

    @Test("csv: quotes, line ends inside them, NULL only when not quoted") func csvFormat() throws {
        try every(
            Self.two, Self.csv, "1,one\n,\"\"\n2,\"a,\"\"b\"\"\nc\"\r\n3,\"x\"y\n4,last",
            [["1", "one"], [nil, ""], ["2", "a,\"b\"\nc"], ["3", "xy"], ["4", "last"]])
        var header = Self.csv
        header.hasHeader = true
        try every(Self.two, header, "a,b\n1,x\n", [["1", "x"]])
        header.matchesHeader = true
        #expect(state(Self.two, header, "a,c\n1,x\n") == "22P04")
        var forced = Self.csv
        forced.forceNull = [false, true]
        try every(Self.two, forced, "1,\"\"\n", [["1", nil]])
        forced = Self.csv
        forced.forceNotNull = [false, true]
        try every(Self.two, forced, "1,\n", [["1", ""]])
        var escaped = Self.csv
        escaped.escape = 92
        try every(Self.two, escaped, "1,\"a\\\"b\\\\c\"\n", [["1", "a\"b\\c"]])
    }

    @Test("rows that do not fit are refused") func errors() {
        #expect(state(Self.two, Self.text, "1\n") == "22P04")
        #expect(state(Self.two, Self.text, "1\ta\tb\n") == "22P04")
        #expect(state(Self.two, Self.text, "x\ta\n") == "22P02")
        #expect(state(Self.two, Self.text, "1\ta\rb\n") == "22P04")
        #expect(state(Self.two, Self.csv, "1,\"open\n") == "22P04")
        #expect(state([Field("a", .varchar(2))], Self.text, "abc\n") == "22001")
        let binary = CopyFormat(kind: .binary, delimiter: 9, null: [])
        #expect(state(Self.two, binary, "not a signature at all") == "22P04")
    }

    @Test("what is written is read back", arguments: [CopyFormat.Kind.text, .csv, .binary])
    func roundTrip(kind: CopyFormat.Kind) async throws {
        var format = kind == .csv ? Self.csv : Self.text
        format.kind = kind
        let types: [SQLType] = [
            .int4, .text, .decimal(precision: 10, scale: 2), .timestamptz, .bytea, .boolean, .array(.text),
        ]
        let fields = types.enumerated().map { Field("c\($0)", $1) }
        let values: [[String?]] = [
            ["1", "", "1.50", "2026-01-01 00:00:00+00", "\\x00ff", "t", "{a,\"b,c\"}"],
            [nil, nil, nil, nil, nil, nil, nil],
            ["-5", "tab\there \"quoted\", \\ and\nnewline", "-0.01", "infinity", "\\x", "f", "{}"],
            ["7", "\\N", "0.00", "1999-12-31 23:59:59.5+00", "\\x22", "t", "{NULL}"],
        ]
        let columns = try types.indices.map { index in try column(types[index], values.map { $0[index] }) }
        let out = WireBuffer()
        let encoder = try CopyEncoder(fields.map { RowField($0.name, $0.type) }, format, zone: .utc)
        encoder.begin(into: out)
        try await encoder.encode(Batch(columns, rows: values.count), into: out, bytesMax: 1 << 20) {}
        encoder.end(into: out)
        var input: [UInt8] = []
        var reader = MessageReader(out.withBytes { Array($0) }[...])
        while reader.remaining > 0 {
            #expect(try reader.byte() == 100)
            input += try reader.slice(Int(try reader.int32()) - 4)
        }
        for piece in [1, 3, 1_000] { #expect(try read(fields, format, input, piece: piece) == values) }
    }
}
