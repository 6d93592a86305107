// PostgreSQL's hash functions by their names, hashtext() and its kin: Bob Jenkins' lookup3 as in hashfn.c, bit for bit.
import Columns
import Diagnostics

enum HashFunctions {
    static let all: [Overload] =
        made("hashint2", .int2) { JenkinsHash.number(Int64($0.pointer(Int16.self)[$1]), $2) }
        + made("hashint4", .int4) { JenkinsHash.number(Int64($0.pointer(Int32.self)[$1]), $2) }
        + made("hashint8", .int8) { JenkinsHash.number($0.pointer(Int64.self)[$1], $2) }
        + made("hashoid", .system(.oid)) {
            JenkinsHash.word(UInt32(truncatingIfNeeded: $0.pointer(Int64.self)[$1]), $2)
        }
        + made("hashfloat4", .float4) { JenkinsHash.float(Double($0.pointer(Float.self)[$1]), $2) }
        + made("hashfloat8", .float8) { JenkinsHash.float($0.pointer(Double.self)[$1], $2) }
        + made("hashtext", .text) { column, row, seed in
            column.pointer(StringView.self)[row].withBytes { JenkinsHash.bytes($0, seed) }
        }
        + made("hashvarlena", .bytea) { column, row, seed in
            column.pointer(StringView.self)[row].withBytes { JenkinsHash.bytes($0, seed) }
        }
        + made("time_hash", .time) { JenkinsHash.number($0.pointer(Int64.self)[$1], $2) }
        + made("timestamp_hash", .timestamp) {
            JenkinsHash.number(PartitionHash.since2000($0.pointer(Int64.self)[$1], .timestamp), $2)
        }

    private typealias Hash = @Sendable (Column, Int, UInt64) -> UInt64

    /// A function of 32 bits, and its extended one of 64 with a seed.
    private static func made(_ name: String, _ type: SQLType, _ hash: @escaping Hash) -> [Overload] {
        let extended = name.hasSuffix("_hash") ? name + "_extended" : name + "extended"
        return [
            Overload(name, [type], .int4) { (_, columns, rows) throws(SQLError) in
                let out = Buffer(count: max(1, rows), of: Int32.self)
                out.fill(0)
                let values = out.pointer(Int32.self)
                let column = Flatten.flat(columns[0])
                let validity = Loops.validity(columns, rows)
                try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                    values[row] = Int32(truncatingIfNeeded: hash(column, row, 0))
                }
                return Column(.int4, count: rows, values: out, validity: validity)
            },
            Overload(extended, [type, .int8], .int8) { (_, columns, rows) throws(SQLError) in
                let out = Buffer(count: max(1, rows), of: Int64.self)
                out.fill(0)
                let values = out.pointer(Int64.self)
                let column = Flatten.flat(columns[0])
                let seeds = Lane(columns[1], Int64.self)
                let validity = Loops.validity(columns, rows)
                try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                    values[row] = Int64(bitPattern: hash(column, row, UInt64(bitPattern: seeds[row])))
                }
                return Column(.int8, count: rows, values: out, validity: validity)
            },
        ]
    }
}

/// Bob Jenkins' lookup3, as PostgreSQL uses it: 64 bits, of which the low 32 are the hash without a seed.
enum JenkinsHash {
    /// hashint8extended, which agrees with those of the shorter integers.
    static func number(_ value: Int64, _ seed: UInt64) -> UInt64 {
        let (low, high) = (UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32))
        return word(low ^ (value >= 0 ? high : ~high), seed)
    }

    /// Both zeros are one value, and so are all NaNs.
    static func float(_ value: Double, _ seed: UInt64) -> UInt64 {
        if value == 0 { return seed }
        return withUnsafeBytes(of: value.isNaN ? Double.nan : value) { bytes($0, seed) }
    }

    /// hash_bytes_uint32_extended.
    static func word(_ value: UInt32, _ seed: UInt64) -> UInt64 {
        var state = State(length: 4)
        state.seed(seed)
        state.a &+= value
        return state.end()
    }

    /// hash_bytes_extended.
    static func bytes(_ bytes: UnsafeRawBufferPointer, _ seed: UInt64) -> UInt64 {
        var state = State(length: UInt32(truncatingIfNeeded: bytes.count))
        state.seed(seed)
        var start = 0
        func part(_ from: Int, _ count: Int) -> UInt32 {
            var value: UInt32 = 0
            for index in 0..<max(0, min(count, bytes.count - from)) {
                value |= UInt32(bytes[from + index]) << UInt32(8 * index)
            }
            return value
        }
        while bytes.count - start >= 12 {
            state.a &+= part(start, 4)
            state.b &+= part(start + 4, 4)
            state.c &+= part(start + 8, 4)
            state.mix()
            start += 12
        }
        state.a &+= part(start, 4)
        state.b &+= part(start + 4, 4)
        // The lowest byte is the length's.
        state.c &+= part(start + 8, 3) << 8
        return state.end()
    }

    private struct State {
        var a: UInt32
        var b: UInt32
        var c: UInt32

        init(length: UInt32) {
            a = 0x9e37_79b9 &+ length &+ 3_923_095
            b = a
            c = a
        }

        mutating func seed(_ seed: UInt64) {
            guard seed != 0 else { return }
            a &+= UInt32(truncatingIfNeeded: seed >> 32)
            b &+= UInt32(truncatingIfNeeded: seed)
            mix()
        }

        private static func turned(_ value: UInt32, _ bits: UInt32) -> UInt32 {
            (value << bits) | (value >> (32 - bits))
        }

        mutating func mix() {
            a &-= c
            a ^= State.turned(c, 4)
            c &+= b
            b &-= a
            b ^= State.turned(a, 6)
            a &+= c
            c &-= b
            c ^= State.turned(b, 8)
            b &+= a
            a &-= c
            a ^= State.turned(c, 16)
            c &+= b
            b &-= a
            b ^= State.turned(a, 19)
            a &+= c
            c &-= b
            c ^= State.turned(b, 4)
            b &+= a
        }

        mutating func end() -> UInt64 {
            c ^= b
            c &-= State.turned(b, 14)
            a ^= c
            a &-= State.turned(c, 11)
            b ^= a
            b &-= State.turned(a, 25)
            c ^= b
            c &-= State.turned(b, 16)
            a ^= c
            a &-= State.turned(c, 4)
            b ^= a
            b &-= State.turned(a, 14)
            c ^= b
            c &-= State.turned(b, 24)
            return UInt64(b) << 32 | UInt64(c)
        }
    }
}
