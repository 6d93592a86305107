// Strings of bits: & | # ~ << >> ||, lengths, single bits, parts.
import Columns
import Diagnostics

enum BitStrings {
    static let operators: [Overload] =
        [
            pair("&", "AND") { $0 & $1 }, pair("|", "OR") { $0 | $1 },
            pair("#", "XOR") { ($0 ^ $1) & 1 | 48 },
            unary("~") { $0 ^ 1 },
            shift("<<") { (bits, count) in count >= 0 ? left(bits, count) : right(bits, -count) },
            shift(">>") { (bits, count) in count >= 0 ? right(bits, count) : left(bits, -count) },
            Overload("||", [varying, varying], varying) { (_, a, rows) throws(SQLError) in
                let (x, y) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
                return try TextKernels.rows(a, rows, varying) { (row, out) throws(SQLError) in
                    x[row].withBytes { out.append(contentsOf: $0) }
                    y[row].withBytes { out.append(contentsOf: $0) }
                    return true
                }
            },
        ]

    static let functions: [Overload] =
        ["length", "bit_length"].map { name in
            Overload(name, [varying], .int4, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, .int4) { (x: StringView) -> Int32 in Int32(truncatingIfNeeded: x.count) }
            }
        } + [
            Overload("octet_length", [varying], .int4, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, .int4) { (x: StringView) -> Int32 in
                    Int32(truncatingIfNeeded: (x.count + 7) / 8)
                }
            },
            Overload("bit_count", [varying], .int8, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, .int8) { (x: StringView) -> Int64 in
                    x.withBytes { raw in raw.reduce(0) { $0 + Int64($1 & 1) } }
                }
            },
            Overload(
                "get_bit", [varying, .int4], .int4,
                Rowwise.binary(.int4) {
                    (x: StringView, place: Int32) throws(SQLError) -> Int32 in
                    try check(place, x.count)
                    return x.withBytes { Int32($0[Int(place)] & 1) }
                }),
            Overload("set_bit", [varying, .int4, .int4], varying) { (_, a, rows) throws(SQLError) in
                let (x, places, values) = (Lane(a[0], StringView.self), Lane(a[1], Int32.self), Lane(a[2], Int32.self))
                return try TextKernels.rows(a, rows, varying) { (row, out) throws(SQLError) in
                    try check(places[row], x[row].count)
                    guard values[row] == 0 || values[row] == 1 else {
                        throw SQLError(.invalidParameterValue, "new bit must be 0 or 1")
                    }
                    x[row].withBytes { out.append(contentsOf: $0) }
                    out[Int(places[row])] = 48 + UInt8(values[row])
                    return true
                }
            },
            part([varying, .int4]) { $1.count < 2 ? Int.max : $1[1] }, part([varying, .int4, .int4]) { $1[1] },
            overlay([varying, varying, .int4]), overlay([varying, varying, .int4, .int4]),
        ]
        + ["position", "strpos"].map { name in
            Overload(name, [varying, varying], .int4, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.binary(a[0], a[1], rows, .int4) { (x: StringView, y: StringView) -> Int32 in
                    // POSITION(a IN b) comes as position(a, b).
                    let isFirst = name == "strpos"
                    let (all, sought) = (Array((isFirst ? x : y).string.utf8), Array((isFirst ? y : x).string.utf8))
                    guard sought.count <= all.count else { return 0 }
                    for start in 0...(all.count - sought.count)
                    where all[start..<start + sought.count].elementsEqual(sought) {
                        return all.isEmpty && !sought.isEmpty ? 0 : Int32(truncatingIfNeeded: start + 1)
                    }
                    return 0
                }
            }
        }

    private static let varying = SQLType.varbit(nil)

    private static func check(_ place: Int32, _ count: Int) throws(SQLError) {
        guard place >= 0, Int(place) < count else {
            throw SQLError(SQLState("2202E"), "bit index \(place) out of valid range (0..\(count - 1))")
        }
    }

    private static func pair(
        _ symbol: String, _ word: String, _ body: @escaping @Sendable (UInt8, UInt8) -> UInt8
    ) -> Overload {
        Overload(symbol, [varying, varying], varying) { (_, a, rows) throws(SQLError) in
            let (x, y) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            return try TextKernels.rows(a, rows, varying) { (row, out) throws(SQLError) in
                guard x[row].count == y[row].count else {
                    throw SQLError(SQLState("22026"), "cannot \(word) bit strings of different sizes")
                }
                x[row].withBytes { left in
                    y[row].withBytes { right in
                        for index in 0..<left.count { out.append(body(left[index], right[index])) }
                    }
                }
                return true
            }
        }
    }

    private static func unary(_ symbol: String, _ body: @escaping @Sendable (UInt8) -> UInt8) -> Overload {
        Overload(
            symbol, [varying], varying, canFail: false,
            TextKernels.unary(varying) { (raw, out) throws(SQLError) in
                for byte in raw { out.append(body(byte)) }
            })
    }

    private static func shift(
        _ symbol: String, _ body: @escaping @Sendable ([UInt8], Int) -> [UInt8]
    ) -> Overload {
        Overload(symbol, [varying, .int4], varying) { (_, a, rows) throws(SQLError) in
            let (x, counts) = (Lane(a[0], StringView.self), Lane(a[1], Int32.self))
            return try TextKernels.rows(a, rows, varying) { (row, out) throws(SQLError) in
                out.append(contentsOf: body(x[row].withBytes { Array($0) }, Int(counts[row])))
                return true
            }
        }
    }

    private static func left(_ bits: [UInt8], _ count: Int) -> [UInt8] {
        let moved = min(count, bits.count)
        return Array(bits.dropFirst(moved)) + [UInt8](repeating: 48, count: moved)
    }

    private static func right(_ bits: [UInt8], _ count: Int) -> [UInt8] {
        let moved = min(count, bits.count)
        return [UInt8](repeating: 48, count: moved) + Array(bits.dropLast(moved))
    }

    /// substring(bits, from [, count]): places outside are left out.
    private static func part(
        _ parameters: [SQLType], _ length: @escaping @Sendable (Int, [Int]) -> Int
    ) -> Overload {
        Overload("substring", parameters, varying) { (_, a, rows) throws(SQLError) in
            let x = Lane(a[0], StringView.self)
            let numbers = a.dropFirst().map { Lane($0, Int32.self) }
            return try TextKernels.rows(a, rows, varying) { (row, out) throws(SQLError) in
                let values = numbers.map { Int($0[row]) }
                let count = length(row, values)
                guard count >= 0 else {
                    throw SQLError(SQLState("22011"), "negative substring length not allowed")
                }
                let end = count == .max ? Int.max : values[0] + count
                x[row].withBytes { raw in
                    let from = max(values[0], 1) - 1
                    let to = min(end == .max ? raw.count : end - 1, raw.count)
                    if from < to { out.append(contentsOf: UnsafeRawBufferPointer(rebasing: raw[from..<to])) }
                }
                return true
            }
        }
    }

    private static func overlay(_ parameters: [SQLType]) -> Overload {
        Overload("overlay", parameters, varying) { (_, a, rows) throws(SQLError) in
            let (x, y) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            let numbers = a.dropFirst(2).map { Lane($0, Int32.self) }
            return try TextKernels.rows(a, rows, varying) { (row, out) throws(SQLError) in
                let start = Int(numbers[0][row])
                guard start >= 1 else {
                    throw SQLError(SQLState("22011"), "negative substring length not allowed")
                }
                let given = y[row].withBytes { Array($0) }
                let all = x[row].withBytes { Array($0) }
                let count = numbers.count > 1 ? Int(numbers[1][row]) : given.count
                out.append(contentsOf: all.prefix(start - 1))
                out.append(contentsOf: given)
                let rest = start - 1 + count
                if rest < all.count { out.append(contentsOf: all.dropFirst(max(0, rest))) }
                return true
            }
        }
    }
}
