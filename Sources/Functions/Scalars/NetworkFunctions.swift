// inet and cidr: parts of addresses, networks that hold others, arithmetic.
import Columns
import Diagnostics

enum NetworkFunctions {
    private static let inet = SQLType.system(.inet)
    private static let cidr = SQLType.system(.cidr)

    // MARK: - Kernels

    private static func value(_ view: StringView) throws(SQLError) -> NetworkAddress {
        guard let value = view.withBytes({ NetworkAddress(key: $0) }) else {
            throw SQLError(.internalError, "a network address is damaged")
        }
        return value
    }

    /// One address to another.
    static func map(
        _ result: SQLType, _ body: @escaping @Sendable (NetworkAddress) throws(SQLError) -> NetworkAddress
    ) -> Kernel {
        texts(result) { (x) throws(SQLError) in try body(x).key }
    }

    private static func texts(
        _ result: SQLType, _ body: @escaping @Sendable (NetworkAddress) throws(SQLError) -> String
    ) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let x = Lane(a[0], StringView.self)
            return try TextKernels.rows(a, rows, result) { (row, out) throws(SQLError) in
                out.append(contentsOf: try body(try value(x[row])).utf8)
                return true
            }
        }
    }

    private static func pairs(
        _ result: SQLType,
        _ body: @escaping @Sendable (NetworkAddress, NetworkAddress) throws(SQLError) -> NetworkAddress
    ) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let (x, y) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            return try TextKernels.rows(a, rows, result) { (row, out) throws(SQLError) in
                out.append(contentsOf: try body(try value(x[row]), try value(y[row])).key.utf8)
                return true
            }
        }
    }

    private static func test(
        _ name: String, _ body: @escaping @Sendable (NetworkAddress, NetworkAddress) -> Bool
    ) -> Overload {
        Overload(name, [inet, inet], .boolean) { (_, a, rows) throws(SQLError) in
            try Loops.binaryThrowing(a[0], a[1], rows, .boolean) {
                (x: StringView, y: StringView) throws(SQLError) -> UInt8 in
                body(try value(x), try value(y)) ? 1 : 0
            }
        }
    }

    private static func number(
        _ name: String, _ body: @escaping @Sendable (NetworkAddress) -> Int32
    ) -> Overload {
        Overload(name, [inet], .int4) { (_, a, rows) throws(SQLError) in
            try Loops.unaryThrowing(a[0], rows, .int4) { (x: StringView) throws(SQLError) -> Int32 in
                body(try value(x))
            }
        }
    }

    // MARK: - Operators

    /// Whether a network holds another, `isStrict`: and is larger.
    private static func holds(_ x: NetworkAddress, _ y: NetworkAddress, isStrict: Bool) -> Bool {
        guard x.isIPv6 == y.isIPv6, isStrict ? x.bits < y.bits : x.bits <= y.bits else { return false }
        return x.network == y.address & x.mask
    }

    private static func overlaps(_ x: NetworkAddress, _ y: NetworkAddress) -> Bool {
        holds(x, y, isStrict: false) || holds(y, x, isStrict: false)
    }

    private static func bitwise(
        _ symbol: String, _ word: String, _ body: @escaping @Sendable (UInt128, UInt128) -> UInt128
    ) -> Overload {
        Overload(
            symbol, [inet, inet], inet,
            pairs(inet) { (x, y) throws(SQLError) in
                guard x.isIPv6 == y.isIPv6 else {
                    throw SQLError(.invalidParameterValue, "cannot \(word) inet values of different sizes")
                }
                return NetworkAddress(isIPv6: x.isIPv6, address: body(x.address, y.address), bits: max(x.bits, y.bits))
            })
    }

    private static func moved(_ x: NetworkAddress, by count: Int64, _ isBack: Bool) throws(SQLError) -> NetworkAddress {
        let distance = UInt128(count.magnitude)
        let isDown = isBack != (count < 0)
        let (sum, overflow) =
            isDown ? x.address.subtractingReportingOverflow(distance) : x.address.addingReportingOverflow(distance)
        guard !overflow, sum <= x.all else { throw SQLError(.numericValueOutOfRange, "result is out of range") }
        return NetworkAddress(isIPv6: x.isIPv6, address: sum, bits: x.bits)
    }

    private static func shift(_ symbol: String, isBack: Bool) -> [Overload] {
        [
            Overload(symbol, [inet, .int8], inet) { (_, a, rows) throws(SQLError) in
                let (x, counts) = (Lane(a[0], StringView.self), Lane(a[1], Int64.self))
                return try TextKernels.rows(a, rows, inet) { (row, out) throws(SQLError) in
                    out.append(contentsOf: try moved(try value(x[row]), by: counts[row], isBack).key.utf8)
                    return true
                }
            }
        ]
            + (isBack
                ? []
                : [
                    Overload(symbol, [.int8, inet], inet) { (_, a, rows) throws(SQLError) in
                        let (counts, x) = (Lane(a[0], Int64.self), Lane(a[1], StringView.self))
                        return try TextKernels.rows(a, rows, inet) { (row, out) throws(SQLError) in
                            out.append(contentsOf: try moved(try value(x[row]), by: counts[row], false).key.utf8)
                            return true
                        }
                    }
                ])
    }

    static let operators: [Overload] =
        [
            test("<<") { holds($1, $0, isStrict: true) }, test("<<=") { holds($1, $0, isStrict: false) },
            test(">>") { holds($0, $1, isStrict: true) }, test(">>=") { holds($0, $1, isStrict: false) },
            test("&&", overlaps), bitwise("&", "AND") { $0 & $1 }, bitwise("|", "OR") { $0 | $1 },
            Overload(
                "~", [inet], inet,
                map(inet) { (x) throws(SQLError) in
                    NetworkAddress(isIPv6: x.isIPv6, address: ~x.address & x.all, bits: x.bits)
                }),
            Overload("-", [inet, inet], .int8) { (_, a, rows) throws(SQLError) in
                try Loops.binaryThrowing(a[0], a[1], rows, .int8) {
                    (x: StringView, y: StringView) throws(SQLError) -> Int64 in
                    let (x, y) = (try value(x), try value(y))
                    guard x.isIPv6 == y.isIPv6 else {
                        throw SQLError(
                            .invalidParameterValue, "cannot subtract inet values of different sizes")
                    }
                    let distance = x.address > y.address ? x.address - y.address : y.address - x.address
                    guard let size = Int64(exactly: distance) else {
                        throw SQLError(.numericValueOutOfRange, "result is out of range")
                    }
                    return x.address >= y.address ? size : -size
                }
            },
        ] + shift("+", isBack: false) + shift("-", isBack: true)

    // MARK: - Functions

    private static func checked(_ bits: Int32, _ x: NetworkAddress) throws(SQLError) -> Int {
        let bits = bits == -1 ? Int32(x.width) : bits
        guard bits >= 0, Int(bits) <= x.width else {
            throw SQLError(.invalidParameterValue, "invalid mask length: \(bits)")
        }
        return Int(bits)
    }

    private static func masked(_ type: SQLType) -> Overload {
        Overload("set_masklen", [type, .int4], type) { (_, a, rows) throws(SQLError) in
            let (x, bits) = (Lane(a[0], StringView.self), Lane(a[1], Int32.self))
            return try TextKernels.rows(a, rows, type) { (row, out) throws(SQLError) in
                var made = try value(x[row])
                made.bits = try checked(bits[row], made)
                if type == cidr { made.address = made.network }
                out.append(contentsOf: made.key.utf8)
                return true
            }
        }
    }

    static let functions: [Overload] = [
        number("masklen") { Int32($0.bits) }, number("family") { $0.isIPv6 ? 6 : 4 },
        Overload("host", [inet], .text, texts(.text) { (x) throws(SQLError) in x.host }),
        // Unlike a cast, text() always tells the bits.
        Overload("text", [inet], .text, texts(.text) { (x) throws(SQLError) in x.text(isNetwork: true) }),
        Overload("abbrev", [cidr], .text, texts(.text) { (x) throws(SQLError) in x.abbreviated }),
        Overload("abbrev", [inet], .text, texts(.text) { (x) throws(SQLError) in x.text(isNetwork: false) }),
        Overload(
            "network", [inet], cidr,
            map(cidr) { (x) throws(SQLError) in
                NetworkAddress(isIPv6: x.isIPv6, address: x.network, bits: x.bits)
            }),
        Overload(
            "broadcast", [inet], inet,
            map(inet) { (x) throws(SQLError) in
                NetworkAddress(isIPv6: x.isIPv6, address: x.address | ~x.mask & x.all, bits: x.bits)
            }),
        Overload(
            "netmask", [inet], inet,
            map(inet) { (x) throws(SQLError) in
                NetworkAddress(isIPv6: x.isIPv6, address: x.mask, bits: x.width)
            }),
        Overload(
            "hostmask", [inet], inet,
            map(inet) { (x) throws(SQLError) in
                NetworkAddress(isIPv6: x.isIPv6, address: ~x.mask & x.all, bits: x.width)
            }),
        test("inet_same_family") { $0.isIPv6 == $1.isIPv6 },
        Overload(
            "inet_merge", [inet, inet], cidr,
            pairs(cidr) { (x, y) throws(SQLError) in
                guard x.isIPv6 == y.isIPv6 else {
                    throw SQLError(.invalidParameterValue, "cannot merge addresses from different families")
                }
                var made = NetworkAddress(isIPv6: x.isIPv6, address: x.address, bits: min(x.bits, y.bits))
                while made.bits > 0, made.network != y.address & made.mask { made.bits -= 1 }
                made.address = made.network
                return made
            }),
        masked(inet), masked(cidr),
    ]
}
