// Random columns of every type and layout, and files made of them.

import Columns
import Diagnostics
import Formats
import Foundation
import Storage

/// Columns that a file can have.
let writtenTypes: [SQLType] = [
    .boolean, .int2, .int4, .int8, .float4, .float8, .decimal(precision: 7, scale: 2),
    .decimal(precision: 15, scale: 4), .decimal(precision: 25, scale: 6), .decimal(precision: 38, scale: 0), .text,
    .varchar(40), .bytea, .date, .time, .timestamp, .timestamptz, .uuid, .interval,
]

/// Makes values that are hard in some way.
struct ValueMaker {
    var random: Random
    /// Distinct values that are likely: few make dictionaries, many make none.
    var variety: Int

    mutating func scalar(_ type: SQLType) -> Scalar {
        let edge = random.below(20) == 0
        switch type {
        case .boolean: return .boolean(random.below(2) == 0)
        case .int2: return Scalar(type, .int(edge ? end(Int16.self) : Int64(number())))
        case .int4, .date: return Scalar(type, .int(edge ? end(Int32.self) : Int64(number())))
        case .int8, .timestamp, .timestamptz:
            return Scalar(type, .int(edge ? end(Int64.self) : Int64(number()) * 1_000_003))
        case .time: return Scalar(type, .int(Int64(random.below(variety)) * 977 % 86_400_000_000))
        case .float4, .float8:
            let odd: [Double] = [.nan, 0, -0.0, .infinity, -.infinity, 1e-30]
            return Scalar(type, .double(edge ? odd[random.below(odd.count)] : Double(Float(number()) / 8)))
        case .decimal(let precision, _):
            let limit = Self.power(precision) - 1
            return Scalar(type, .int128(edge ? (random.below(2) == 0 ? limit : -limit) : Int128(number()) % limit))
        case .text, .varchar: return Scalar(type, .string(text(edge)))
        case .bytea: return Scalar(type, .bytes(Array(text(edge).utf8.reversed())))
        case .uuid: return Scalar(type, .int128(Int128(truncatingIfNeeded: mixed()) << 64 | Int128(mixed() >> 1)))
        default:
            return Scalar(
                type,
                .interval(
                    Interval(
                        months: Int32(random.below(50)), days: Int32(random.below(40)),
                        microseconds: Int64(random.below(variety)) * 1000)))
        }
    }

    private mutating func end<T: FixedWidthInteger>(_ type: T.Type) -> Int64 {
        Int64(random.below(2) == 0 ? T.min : T.max)
    }

    private mutating func mixed() -> UInt64 { UInt64(random.below(variety)) &* 0x9E37_79B9_7F4A_7C15 }
    private mutating func number() -> Int { random.below(variety * 2) % 30_000 - min(variety, 15_000) }

    private mutating func text(_ edge: Bool) -> String {
        let odd = ["", "\u{0}", "\u{10ffff}\u{10ffff}", String(repeating: "é", count: 90), "a", "a\u{0}"]
        if edge { return odd[random.below(odd.count)] }
        let number = random.below(variety)
        return number % 3 == 0 ? "k\(number)" : "a longer value that is no prefix, number \(number)"
    }

    static func power(_ exponent: Int) -> Int128 { (0..<exponent).reduce(Int128(1)) { value, _ in value * 10 } }
}

/// Makes a column of some rows in a random layout; `nullPercent` of them NULL.
func randomColumn(_ type: SQLType, rows: Int, nullPercent: Int, _ maker: inout ValueMaker) -> Column {
    let layout = maker.random.below(8)
    if layout == 0 {
        let isNull = maker.random.below(100) < nullPercent
        return Column.constant(isNull ? .null(type) : maker.scalar(type), count: rows)
    }
    if layout == 1 {
        let builder = ColumnBuilder(type)
        let distinct = 1 + maker.random.below(maker.variety)
        for _ in 0..<distinct { builder.append(maker.scalar(type)) }
        let dictionary = builder.finish()
        let codes = Buffer(count: max(rows, 1), of: Int32.self)
        let validity = Bitmap.make(max(rows, 1), all: true)
        var hasNull = false
        for row in 0..<rows {
            codes.pointer(Int32.self)[row] = Int32(maker.random.below(distinct))
            if maker.random.below(100) < nullPercent {
                Bitmap.clear(validity.pointer(UInt64.self), row)
                hasNull = true
            }
        }
        return Column(codes: codes, count: rows, validity: hasNull ? validity : nil, dictionary: dictionary)
    }
    let builder = ColumnBuilder(type)
    for _ in 0..<rows {
        if maker.random.below(100) < nullPercent { builder.appendNull() } else { builder.append(maker.scalar(type)) }
    }
    return builder.finish()
}

/// A folder for the files of one test, removed with it.
final class ScratchFolder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-write-\(UUID().uuidString)").path
    let store = LocalStore()

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> ObjectPath { ObjectPath(file: path + "/" + name) }

    /// Writes batches as one file.
    func write(
        _ batches: [Batch], _ columns: [ParquetColumn], _ options: ParquetOptions = ParquetOptions(),
        to name: String = "file.parquet", threads: Int = 1
    ) throws(SQLError) -> WrittenFile {
        let writer = try ParquetWriter(columns, to: file(name), in: store, options: options)
        do throws(SQLError) {
            let lane = writer.lane(threads: threads)
            for batch in batches { try lane.push(batch) }
            try lane.finish()
            return try writer.finish()
        } catch {
            writer.abort()
            throw error
        }
    }

    /// Reads all rows of a file; columns outside the domains may be missing rows.
    func read(
        _ name: String = "file.parquet", domains: [Int: ColumnDomain] = [:], metrics: ScanMetrics = ScanMetrics()
    ) throws(SQLError) -> [[Scalar]] {
        let footer = try ParquetFile.footerBlocking(of: file(name), in: store)
        var columns: [FileColumn] = []
        for (index, field) in footer.fields.enumerated() { columns.append(FileColumn(.file(index), type: field.type)) }
        let scan = FileScan(footer, in: store, columns: columns, domains: domains, metrics: metrics)
        let source = try ParquetSource(scan)
        var rows: [[Scalar]] = []
        while let batch = try source.next() {
            for row in 0..<batch.rows { rows.append(batch.columns.map { $0.scalar(row) }) }
        }
        return rows
    }
}

/// A value as a text that is the same whatever the reader: bits of floats, bytes in hexadecimal, numbers of days and
/// microseconds.
func canonical(_ scalar: Scalar) -> String? {
    switch scalar.value {
    case .null: return nil
    case .bool(let flag): return flag ? "1" : "0"
    case .int(let number): return "\(number)"
    case .double(let number):
        if number.isNaN { return "nan" }
        return scalar.type == .float4
            ? String(Float(number).bitPattern, radix: 16) : String(number.bitPattern, radix: 16)
    case .int128(let number):
        if scalar.type == .uuid {
            let digits = String(UUIDBits.number(number), radix: 16)
            return String(repeating: "0", count: 32 - digits.count) + digits
        }
        return "\(number)"
    case .numeric(let mantissa, let scale): return "\(mantissa)e-\(scale)"
    case .string(let text): return hex(Array(text.utf8))
    case .bytes(let bytes): return hex(bytes)
    case .interval(let value): return "\(value.months) \(value.days) \(value.microseconds)"
    case .array(let parts): return "[" + parts.map { canonical($0) ?? "~" }.joined(separator: ",") + "]"
    case .row(let parts): return "(" + parts.map { canonical($0) ?? "~" }.joined(separator: ",") + ")"
    }
}

private func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}
