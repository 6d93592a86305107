// inet and cidr: addresses with the bits of their network. Columns hold them as text whose order is PostgreSQL's.
public import Diagnostics

/// An IPv4 or IPv6 address with the length of its network.
public struct NetworkAddress: Hashable, Sendable {
    /// 32 or 128 bits.
    public var isIPv6: Bool
    /// The address in the lowest bits.
    public var address: UInt128
    public var bits: Int

    public init(isIPv6: Bool, address: UInt128, bits: Int) {
        self.isIPv6 = isIPv6
        self.address = address
        self.bits = bits
    }

    public var width: Int { isIPv6 ? 128 : 32 }
    /// Ones where the network is.
    public var mask: UInt128 { bits == 0 ? 0 : (all >> UInt128(width - bits)) << UInt128(width - bits) }
    /// Ones in the whole width.
    public var all: UInt128 { isIPv6 ? .max : UInt128(UInt32.max) }
    public var network: UInt128 { address & mask }

    // MARK: - As columns hold it

    /// Family, network, bits, address as hexadecimal digits: the order of such texts is that of the values.
    public var key: String {
        let digits = width / 4
        func hex(_ value: UInt128, _ count: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        return (isIPv6 ? "6" : "4") + hex(network, digits) + hex(UInt128(bits), 2) + hex(address, digits)
    }

    /// Reads ``key``.
    public init?(key: UnsafeRawBufferPointer) {
        guard let first = key.first, first == 52 || first == 54 else { return nil }
        let digits = first == 54 ? 32 : 8
        guard key.count == 1 + 2 * digits + 2 else { return nil }
        func number(_ from: Int, _ count: Int) -> UInt128? {
            var value: UInt128 = 0
            for index in from..<from + count {
                guard let digit = JSONEscape.hexDigit(key[index]) else { return nil }
                value = value << 4 | UInt128(digit)
            }
            return value
        }
        guard let bits = number(1 + digits, 2), let address = number(3 + digits, digits), bits <= UInt128(digits * 4)
        else { return nil }
        self.init(isIPv6: first == 54, address: address, bits: Int(bits))
    }

    public init?(key: String) {
        var key = key
        let made = key.withUTF8 { NetworkAddress(key: UnsafeRawBufferPointer($0)) }
        guard let made else { return nil }
        self = made
    }

    // MARK: - Text

    /// The text of a value; `isNetwork`: of a cidr, which always tells its bits.
    public func text(isNetwork: Bool) -> String {
        isNetwork || bits != width ? "\(host)/\(bits)" : host
    }

    /// The address alone.
    public var host: String {
        guard isIPv6 else {
            return [24, 16, 8, 0].map { String(UInt32(truncatingIfNeeded: address) >> UInt32($0) & 255) }
                .joined(separator: ".")
        }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: address >> UInt128(112 - 16 * $0)) }
        // An IPv4 address in the last groups is written as one.
        let zeros = groups.firstIndex { $0 != 0 } ?? 8
        if zeros == 6 || zeros == 5 && groups[5] == 0xFFFF {
            let low = NetworkAddress(isIPv6: false, address: address & UInt128(UInt32.max), bits: 32).host
            return "::" + (zeros == 5 ? "ffff:" : "") + low
        }
        return NetworkAddress.joined(groups, shortest: 2)
    }

    /// The longest run of zeros, the first of equals, becomes ::, if it is long enough.
    private static func joined(_ groups: [UInt16], shortest: Int) -> String {
        var best = (start: 0, count: 0)
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start > best.count { best = (start, end - start) }
            start = max(end, start + 1)
        }
        func hex(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard best.count >= shortest else { return hex(groups[...]) }
        return hex(groups[..<best.start]) + "::" + hex(groups[(best.start + best.count)...])
    }

    /// cidr's short form: what lies behind the network is left out.
    public var abbreviated: String {
        guard !isIPv6 else {
            guard bits > 0 else { return "::/0" }
            let count = max(2, (bits + 15) / 16)
            let groups = (0..<count).map { UInt16(truncatingIfNeeded: address >> UInt128(112 - 16 * $0)) }
            return NetworkAddress.joined(groups, shortest: 1) + "/\(bits)"
        }
        let count = max(1, (bits + 7) / 8)
        let parts = host.split(separator: ".").prefix(count)
        return parts.joined(separator: ".") + "/\(bits)"
    }

    // MARK: - Parsing

    /// Reads PostgreSQL's forms of inet and cidr.
    public static func parse(_ bytes: UnsafeRawBufferPointer, isNetwork: Bool) throws(SQLError) -> NetworkAddress {
        let text = String(decoding: bytes, as: UTF8.self)
        let type = isNetwork ? "cidr" : "inet"
        let invalid = SQLError(.invalidTextRepresentation, "invalid input syntax for type \(type): \"\(text)\"")
        guard text.utf8.count <= lengthMax else { throw invalid }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let first = parts.first else { throw invalid }
        var bits: Int?
        if parts.count == 2 {
            guard !parts[1].isEmpty, parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
                let number = Int(parts[1])
            else { throw invalid }
            bits = number
        }
        if first.contains(":") {
            guard let address = six(first), (bits ?? 128) <= 128 else { throw invalid }
            let made = NetworkAddress(isIPv6: true, address: address, bits: bits ?? 128)
            return try made.checked(isNetwork, text)
        }
        let octets = first.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard octets.count <= 4, isNetwork || octets.count == 4, (bits ?? 32) <= 32 else { throw invalid }
        var address: UInt128 = 0
        var values: [UInt8] = []
        for octet in octets {
            guard !octet.isEmpty, octet.utf8.count <= 3, octet.utf8.allSatisfy({ (48...57).contains($0) }),
                let value = UInt8(octet)
            else { throw invalid }
            values.append(value)
            address = address << 8 | UInt128(value)
        }
        address <<= UInt128(8 * (4 - octets.count))
        if isNetwork, bits == nil {
            // The class of the network, and at least the bytes that were written.
            let byClass =
                values[0] >= 240 ? 32 : values[0] >= 224 ? 8 : values[0] >= 192 ? 24 : values[0] >= 128 ? 16 : 8
            bits = max(byClass, octets.count * 8)
        }
        return try NetworkAddress(isIPv6: false, address: address, bits: bits ?? 32).checked(isNetwork, text)
    }

    /// Longer texts are no addresses.
    private static let lengthMax = 64

    private func checked(_ isNetwork: Bool, _ text: String) throws(SQLError) -> NetworkAddress {
        guard isNetwork, address != network else { return self }
        throw SQLError(
            .invalidTextRepresentation, "invalid cidr value: \"\(text)\"",
            detail: "Value has bits set to right of mask.")
    }

    private static func six(_ text: String) -> UInt128? {
        var text = text
        // An IPv4 address at the end stands for two groups.
        if let colon = text.lastIndex(of: ":"), text[colon...].contains(".") {
            let tail = text[text.index(after: colon)...].split(separator: ".", omittingEmptySubsequences: false)
            let values = tail.compactMap { UInt16($0) }
            guard tail.count == 4, values.count == 4, values.allSatisfy({ $0 < 256 }) else { return nil }
            text =
                text[...colon] + String(values[0] << 8 | values[1], radix: 16) + ":"
                + String(values[2] << 8 | values[3], radix: 16)
        }
        func groups(_ part: Substring) -> [UInt16]? {
            guard !part.isEmpty else { return [] }
            var found: [UInt16] = []
            for group in part.split(separator: ":", omittingEmptySubsequences: false) {
                guard !group.isEmpty, group.utf8.count <= 4, let value = UInt16(group, radix: 16),
                    group.utf8.first != 43
                else { return nil }
                found.append(value)
            }
            return found
        }
        var all: [UInt16]
        if let gap = text.range(of: "::") {
            guard let front = groups(text[..<gap.lowerBound]), let back = groups(text[gap.upperBound...]),
                front.count + back.count < 8
            else { return nil }
            all = front + [UInt16](repeating: 0, count: 8 - front.count - back.count) + back
        } else {
            guard let whole = groups(text[...]), whole.count == 8 else { return nil }
            all = whole
        }
        return all.reduce(UInt128(0)) { $0 << 16 | UInt128($1) }
    }
}

extension StringProtocol {
    /// The first place of a short text; nil when it is not there.
    fileprivate func range(of sought: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(sought) { return start..<index(start, offsetBy: sought.count) }
            start = index(after: start)
        }
        return nil
    }
}
