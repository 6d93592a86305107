// The hash by which PARTITION BY HASH spreads rows: PostgreSQL's own, so that a row lies in the partition of the same
// number there and here.
import Columns
import Diagnostics

/// Declares `partition_hash(key, ...)`: 64 bits as int8; NULL keys count for nothing.
enum PartitionHash {
    static let all: [Overload] = [
        Overload("partition_hash", [.any], isVariadic: true, isStrict: false) { (call) throws(SQLError) in
            for type in call.types where !isHashed(type) {
                throw SQLError(
                    .featureNotSupported, "PARTITION BY HASH over type \(type.name) is not supported",
                    position: call.position)
            }
            return Binding(arguments: call.types, result: .int8) { (_, columns, rows) throws(SQLError) in
                let values = Buffer(count: rows, of: Int64.self)
                let out = values.pointer(Int64.self)
                for row in 0..<rows { out[row] = 0 }
                for column in columns { add(Flatten.flat(column), rows, out) }
                return Column(.int8, count: rows, values: values, validity: nil)
            }
        },
        Overload("partition_fits", [.int8, .int4, .int4], .boolean) { (_, columns, rows) throws(SQLError) in
            let hashes = Lane<Int64>(columns[0])
            let (moduli, remainders) = (Lane<Int32>(columns[1]), Lane<Int32>(columns[2]))
            let values = Buffer(count: rows, of: UInt8.self)
            let out = values.pointer(UInt8.self)
            for row in 0..<rows {
                let modulus = UInt64(max(1, moduli[row]))
                let rest = UInt64(bitPattern: hashes[row]) % modulus
                out[row] = rest == UInt64(max(0, remainders[row])) ? 1 : 0
            }
            return Column(.boolean, count: rows, values: values, validity: Loops.validity(columns, rows))
        },
    ]

    private static let seed: UInt64 = 0x7A5B_2236_7996_DCFD

    private static func isHashed(_ type: SQLType) -> Bool {
        switch type {
        case .int2, .int4, .int8, .date, .timestamp, .timestamptz, .time, .text, .varchar, .bytea, .boolean: true
        default: false
        }
    }

    private static func add(_ column: Column, _ rows: Int, _ out: UnsafeMutablePointer<Int64>) {
        for row in 0..<rows where column.isValid(row) {
            let hash: UInt64
            switch column.physical {
            case .bool: hash = JenkinsHash.word(UInt32(column.pointer(UInt8.self)[row]), seed)
            case .int16: hash = JenkinsHash.number(Int64(column.pointer(Int16.self)[row]), seed)
            case .int32: hash = JenkinsHash.number(since2000(Int64(column.pointer(Int32.self)[row]), column.type), seed)
            case .int64: hash = JenkinsHash.number(since2000(column.pointer(Int64.self)[row], column.type), seed)
            case .view: hash = column.pointer(StringView.self)[row].withBytes { JenkinsHash.bytes($0, seed) }
            default: continue
            }
            out[row] = Int64(bitPattern: combined(UInt64(bitPattern: out[row]), hash))
        }
    }

    /// A value as PostgreSQL keeps it: dates and timestamps count from 2000, here from 1970. Infinities are the same.
    static func since2000(_ value: Int64, _ type: SQLType) -> Int64 {
        switch type {
        case .date where value != Int64(Int32.max) && value != Int64(Int32.min): value - daysTo2000
        case .timestamp, .timestamptz:
            value == .max || value == .min ? value : value &- daysTo2000 &* Calendar.microsecondsPerDay
        default: value
        }
    }

    private static let daysTo2000: Int64 = 10_957

    /// hash_combine64.
    private static func combined(_ a: UInt64, _ b: UInt64) -> UInt64 {
        a ^ (b &+ 0x49a0_f4dd_15e5_a8e3 &+ (a << 54) &+ (a >> 7))
    }
}
