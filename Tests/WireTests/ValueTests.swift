// Values over the wire: DataRow in both formats, parameters back again.
import Columns
import Diagnostics
import Testing

@testable import PostgresWire

enum SQLTypeSample {
    static let all: [SQLType] = [
        .boolean, .int2, .int4, .int8, .float4, .float8, .decimal(precision: 12, scale: 2),
        .decimal(precision: 38, scale: 20), .numeric, .text, .varchar(5), .char(4), .bytea, .date, .time, .timestamp,
        .timestamptz, .interval, .uuid, .array(.int4), .array(.text), .array(.array(.int8)), .unknown,
    ]
}

/// Cuts DataRow messages into fields.
func fields(_ buffer: WireBuffer) -> [[[UInt8]?]] {
    let bytes = buffer.withBytes { Array($0) }
    var rows: [[[UInt8]?]] = []
    var reader = MessageReader(bytes[...])
    while reader.remaining > 0 {
        guard (try? reader.byte()) == 68, let length = try? reader.int32(), let count = try? reader.uint16() else {
            break
        }
        let end = reader.remaining - Int(length) + 6
        var row: [[UInt8]?] = []
        for _ in 0..<count {
            guard let size = try? reader.int32() else { break }
            row.append(size < 0 ? nil : (try? reader.slice(Int(size))).map { Array($0) })
        }
        #expect(reader.remaining == end)
        rows.append(row)
    }
    return rows
}

func column(_ type: SQLType, _ texts: [String?]) throws -> Column {
    let builder = ColumnBuilder(type)
    for text in texts { builder.append(try text.map { try TextParse.scalar($0, as: type) } ?? .null(type)) }
    return builder.finish()
}

@Suite("Values on the wire")
struct ValueTests {
    static let samples: [(SQLType, [String?])] = [
        (.boolean, ["t", nil, "f"]), (.int2, ["-32768", "32767", nil]), (.int4, ["0", "-2147483648", nil]),
        (.int8, ["9223372036854775807", nil]), (.float4, ["1.5", "-0", "NaN", "1e+20"]),
        (.float8, ["0.1", "-Infinity", nil, "1e-05"]),
        (.decimal(precision: 12, scale: 2), ["0.00", "-12345.67", "0.01", "10000.00"]),
        (.decimal(precision: 38, scale: 20), ["123456789012345678.00000000000000000001", "-0.00000000000000010000"]),
        (.decimal(precision: 38, scale: 38), ["0.12345678901234567890123456789012345678"]),
        (
            .numeric,
            [
                "1.500", "NaN", "Infinity", "-Infinity", "0", "100000000", "0.00010",
                "12345678901234567890123456789012345678",
            ]
        ),
        (.text, ["", "short", "a string longer than twelve bytes", nil, "ä"]), (.varchar(5), ["abc"]),
        (.char(4), ["a   "]),
        (.bytea, ["\\x", "\\x00ff", "\\x000102030405060708090a0b0c0d0e0f"]),
        (.date, ["2000-01-01", "1999-12-31", "infinity", "-infinity", "4714-11-24 BC", "5874897-12-31"]),
        (.time, ["00:00:00", "23:59:59.999999", "24:00:00"]),
        (.timestamp, ["2024-02-29 12:34:56.789", "infinity", "0001-01-01 00:00:00 BC"]),
        (.timestamptz, ["2024-02-29 12:34:56+00", nil]),
        (.interval, ["1 year 2 mons -3 days +04:05:06.789", "00:00:00"]),
        (.uuid, ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"]),
        (.array(.int4), ["{1,NULL,3}", "{}", nil]), (.array(.text), ["{a,\"b c\",\"NULL\"}"]),
        (.array(.date), ["{2024-01-01}"]),
        (.array(.array(.int8)), ["{{1,2},{3,4}}"]), (.array(.decimal(precision: 5, scale: 2)), ["{1.50,-2.25}"]),
    ]

    @Test("every type survives both formats and every layout", arguments: samples.indices)
    func roundTrip(_ index: Int) throws {
        let (type, texts) = ValueTests.samples[index]
        let flat = try column(type, texts)
        let reversed = Buffer(count: texts.count, of: Int32.self)
        for row in texts.indices { reversed.pointer(Int32.self)[row] = Int32(texts.count - 1 - row) }
        var layouts: [(Column, [String?])] = [
            (flat, texts), (Column.constant(flat, count: 3), [texts[0], texts[0], texts[0]]),
        ]
        if !texts.contains(nil) {
            layouts.append((Column(codes: reversed, count: texts.count, dictionary: flat), texts.reversed()))
        }
        for (column, expected) in layouts {
            for format in [ValueFormat.text, .binary] {
                let encoder = try RowEncoder([RowField("a", type)], formats: [format], zone: .utc)
                try encoder.begin(Batch([column], rows: column.count))
                let buffer = WireBuffer(capacity: 16)
                #expect(try encoder.encode(into: buffer, rowsMax: 1, bytesMax: 1 << 20) == 1)
                #expect(try encoder.encode(into: buffer, rowsMax: .max, bytesMax: 1 << 20) == column.count - 1)
                let rows = fields(buffer)
                #expect(rows.count == column.count)
                for (row, text) in zip(rows, expected) {
                    if format == .text { #expect(row[0].map { String(decoding: $0, as: UTF8.self) } == text) }
                    let back = try ParameterDecoder.decode(row[0]?[...], format, as: type, number: 1)
                    #expect(back.outputText() == text)
                }
            }
        }
    }

    @Test("numeric has PostgreSQL's bytes")
    func numericBytes() throws {
        func bytes(_ text: String) throws -> [UInt8] {
            let value = try TextParse.numeric(Array(text.utf8))
            var room = [UInt8](repeating: 0, count: 96)
            let count = room.withUnsafeMutableBufferPointer { BinaryForm.write(numeric: value, to: $0.baseAddress!) }
            return Array(room[..<count])
        }
        #expect(try bytes("1.5") == [0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 19, 136])
        #expect(try bytes("-10000") == [0, 1, 0, 1, 64, 0, 0, 0, 0, 1])
        #expect(try bytes("0.0001") == [0, 1, 255, 255, 0, 0, 0, 4, 0, 1])
        #expect(try bytes("0.00001") == [0, 1, 255, 254, 0, 0, 0, 5, 3, 232])
        #expect(try bytes("0.00") == [0, 0, 0, 0, 0, 0, 0, 2])
        #expect(try bytes("NaN") == [0, 0, 0, 0, 192, 0, 0, 0])
    }

    @Test("rows of several columns stop at the byte limit and go on")
    func limits() throws {
        let rows = 2000
        let texts = (0..<rows).map { String?("value number \($0)") }
        let numbers = (0..<rows).map { $0 % 7 == 0 ? nil : String($0) }
        let batch = Batch(
            [try column(.text, texts), try column(.int8, numbers), .constant(.null(.date), count: rows)], rows: rows)
        let encoder = try RowEncoder(
            [RowField("a", .text), RowField("b", .int8), RowField("c", .date)], formats: [.text, .binary, .text],
            zone: .utc)
        try encoder.begin(batch)
        var seen = 0
        while encoder.rowsLeft > 0 {
            let buffer = WireBuffer()
            let count = try encoder.encode(into: buffer, rowsMax: 300, bytesMax: 1000)
            let decoded = fields(buffer)
            #expect(decoded.count == count && count > 0)
            for row in decoded {
                #expect(row[0] == Array(texts[seen]!.utf8))
                #expect(row[1].map { $0.reduce(0) { $0 << 8 | Int($1) } } == numbers[seen].flatMap { Int($0) })
                #expect(row[2] == nil)
                seen += 1
            }
        }
        #expect(seen == rows)
    }

    @Test("an oid travels in four bytes")
    func oid() throws {
        let encoder = try RowEncoder([RowField("oid", .int8, announcedOID: 26)], formats: [.binary], zone: .utc)
        try encoder.begin(Batch([try column(.int8, ["16384"])], rows: 1))
        let buffer = WireBuffer()
        _ = try encoder.encode(into: buffer, rowsMax: 1, bytesMax: 1000)
        #expect(fields(buffer) == [[[0, 0, 64, 0]]])
    }

    @Test(
        "bad parameters",
        arguments: [
            (SQLType.int4, ValueFormat.binary, [UInt8]([0, 0, 0]), "08P01"), (.int4, .text, Array("abc".utf8), "22P02"),
            (.int2, .binary, [0, 1, 0, 0], "22P03"), (.text, .text, [0xff], "22021"),
            (.text, .binary, [65, 0], "22021"),
            (.uuid, .binary, [1, 2], "08P01"), (.date, .binary, [0x7f, 0xff, 0xff, 0xf0], "22008"),
            (.numeric, .binary, [0, 1, 0, 0, 0, 1, 0, 0, 0, 1], "22P03"), (.boolean, .binary, [1, 1], "22P03"),
            (
                .array(.int4), .binary, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1],
                "08P01"
            ),
            // Two dimensions of one element are no integer[].
            (
                .array(.int4), .binary,
                [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]
                    + [0, 0, 0, 4, 0, 0, 0, 7], "0A000"
            ),
        ])
    func badParameters(_ type: SQLType, _ format: ValueFormat, _ bytes: [UInt8], _ code: String) {
        do {
            _ = try ParameterDecoder.decode(bytes[...], format, as: type, number: 3)
            Issue.record("no error")
        } catch {
            #expect(error.state.code == code)
            #expect(error.detail?.contains("$3") == true)
        }
    }

    @Test("types and OIDs")
    func oids() throws {
        #expect(PostgresType.oid(.decimal(precision: 10, scale: 2)) == 1700)
        #expect(PostgresType.modifier(.decimal(precision: 10, scale: 2)) == 655_366)
        #expect(PostgresType.modifier(.varchar(20)) == 24)
        #expect(PostgresType.oid(.array(.varchar(3))) == 1015)
        #expect(PostgresType.oid(.array(.array(.int4))) == 1007)
        #expect(try PostgresType.type(1016) == .array(.int8))
        #expect(try PostgresType.type(0) == nil)
        #expect(throws: SQLError.self) { try PostgresType.type(99_999) }
    }
}

extension TextParse {
    static func numeric(_ bytes: [UInt8]) throws -> Numeric { try bytes.withUnsafeBytes { try numeric($0) } }
}
