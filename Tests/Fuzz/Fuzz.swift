// Bytes from libFuzzer through everything that reads what others wrote: any answer is right but a trap, a read outside
// of memory, or a hang. APUS_FUZZ_PART names the part: parquet, sql, copy, json or values. `make fuzz` builds and runs it.
import Columns
import Diagnostics
import Formats
import Foundation
import PostgresWire
import Storage
import Syntax

private let part = ProcessInfo.processInfo.environment["APUS_FUZZ_PART"] ?? "parquet"

/// libFuzzer's own main, by another name: the package manager gives the program's entry one of its own.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ one: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

@_cdecl("fuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments) { data, size in fuzzOne(data, size) }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = [UInt8](UnsafeBufferPointer(start: data, count: size))
    switch part {
    case "sql": readSQL(bytes)
    case "copy": readCopy(bytes)
    case "json": readJSON(bytes)
    case "values": readValues(bytes)
    default: readParquet(bytes)
    }
    return 0
}

/// Rows of one file that are read at most: a few bytes can stand for billions.
private let rowsMax = 200_000

private func readParquet(_ bytes: [UInt8]) {
    for isRemote in [false, true] {
        do throws(SQLError) {
            let store = OneObjectStore(bytes, isRemote: isRemote, suffixMax: isRemote ? 64 : .max)
            let source = try ParquetSource(try store.scan())
            try source.open()
            var rows = 0
            while rows < rowsMax, let batch = try source.next() {
                rows += batch.rows
                for column in batch.columns {
                    for row in 0..<min(batch.rows, 3) { _ = rendered(column.scalar(row)) }
                }
            }
        } catch {}
    }
}

private func readSQL(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    _ = try? Parser.parse(text)
    _ = try? Parser.parseExpression(text)
}

private let fields = [
    Field("a", .int4), Field("b", .text), Field("c", .decimal(precision: 10, scale: 2)), Field("d", .timestamptz),
    Field("e", .array(.int4)), Field("f", .jsonb), Field("g", .interval), Field("h", .bytea), Field("i", .float8),
]

private func readCopy(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    let formats = [
        CopyFormat(kind: .text, delimiter: 9, null: [92, 78]), CopyFormat(kind: .csv, delimiter: 44, null: []),
        CopyFormat(kind: .binary, delimiter: 9, null: []),
    ]
    let decoder = CopyDecoder(
        fields, formats[Int(first) % formats.count], table: "t", context: TextParseContext(now: 0, timeZone: .utc))
    do throws(SQLError) {
        let rest = bytes.dropFirst()
        let half = rest.startIndex + rest.count / 2
        decoder.append(rest[..<half])
        while try decoder.next(isLast: false) != nil {}
        decoder.append(rest[half...])
        while try decoder.next(isLast: true) != nil {}
    } catch {}
}

private func readJSON(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { raw in
        var normal: [UInt8] = []
        do throws(SQLError) {
            try JSONText.appendNormal(raw, to: &normal)
            // What jsonb holds can be compared and read again.
            _ = JSONOrder.equalityKey(normal)
        } catch {}
    }
}

/// The text forms of every type, one after another.
private func readValues(_ bytes: [UInt8]) {
    let context = TextParseContext(now: 0, timeZone: .utc)
    let text = String(decoding: bytes, as: UTF8.self)
    let types: [SQLType] = [
        .int2, .int8, .float4, .float8, .numeric, .boolean, .date, .time, .timestamp, .timestamptz, .interval, .uuid,
        .bytea, .json, .jsonb, .array(.text), .array(.timestamptz),
    ]
    for type in types { _ = try? TextParse.scalar(text, as: type, context: context) }
}
