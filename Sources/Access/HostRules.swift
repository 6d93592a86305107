// Who may connect from where, and how he proves who he is: rules as in pg_hba.conf, the first that fits decides.
public import Diagnostics

/// One rule.
public struct HostRule: Sendable, Hashable {
    public enum Connection: String, Sendable { case local, host, hostssl, hostnossl }
    public enum Method: String, Sendable {
        case trust, reject, md5, password, cert
        case scram = "scram-sha-256"
    }
    public var connection: Connection
    /// `all`, `sameuser`, a database, or a branch of one: `lake@dev`.
    public var databases: [String]
    /// `all`, a user, or +role for its members.
    public var users: [String]
    /// nil: all.
    public var network: Network?
    public var method: Method
    /// Whether a client certificate that names the user is asked for besides.
    public var needsCertificate = false

    /// An IPv4 or IPv6 network.
    public struct Network: Sendable, Hashable {
        var address: [UInt8]
        var bits: Int

        func contains(_ other: [UInt8]) -> Bool {
            guard other.count == address.count else { return false }
            for index in 0..<address.count {
                let left = bits - 8 * index
                if left <= 0 { return true }
                let mask: UInt8 = left >= 8 ? 0xff : ~(0xff >> UInt8(left))
                if other[index] & mask != address[index] & mask { return false }
            }
            return true
        }
    }

    func fits(database: String, branch: String, user: String, host: [UInt8]?, isEncrypted: Bool, _ who: Standing?)
        -> Bool
    {
        switch connection {
        case .local: guard host == nil else { return false }
        case .host: guard host != nil else { return false }
        case .hostssl: guard host != nil, isEncrypted else { return false }
        case .hostnossl: guard host != nil, !isEncrypted else { return false }
        }
        if let network { guard let host, network.contains(host) else { return false } }
        let isDatabase = databases.contains { name in
            name == "all" || name == database || name == "\(database)@\(branch)"
                || name == "sameuser" && user == database
        }
        let isUser = users.contains { name in
            if name == "all" || name == user { return true }
            guard name.hasPrefix("+"), let who else { return false }
            return !who.isSuperuser && who.memberOfNames.contains(String(name.dropFirst()))
        }
        return isDatabase && isUser
    }
}

/// Rules in order.
public struct HostRules: Sendable {
    public var rules: [HostRule]
    public init(rules: [HostRule] = []) { self.rules = rules }

    /// Rules that one configuration may have.
    private static let rulesMax = 10_000

    /// Reads lines, or entries separated by semicolons; # begins a comment.
    public init(text: String) throws(SQLError) {
        rules = []
        for (number, line) in text.split(whereSeparator: { $0 == "\n" || $0 == ";" }).enumerated() {
            let words = HostRules.words(line.prefix { $0 != "#" })
            guard !words.isEmpty else { continue }
            guard rules.count < HostRules.rulesMax else {
                throw SQLError(.programLimitExceeded, "there are at most \(HostRules.rulesMax) connection rules")
            }
            guard let rule = HostRules.rule(words) else {
                throw SQLError(
                    .invalidParameterValue, "connection rule \(number + 1) cannot be read: \"\(line)\"",
                    hint: "Write TYPE DATABASE USER [ADDRESS] METHOD, as in pg_hba.conf.")
            }
            rules.append(rule)
        }
    }

    private static func words(_ line: Substring) -> [String] {
        line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" }).map { word in
            word.count >= 2 && word.first == "\"" && word.last == "\""
                ? String(word.dropFirst().dropLast()) : String(word)
        }
    }

    private static func rule(_ words: [String]) -> HostRule? {
        guard words.count >= 4, let connection = HostRule.Connection(rawValue: words[0]) else { return nil }
        func list(_ text: String) -> [String] { text.split(separator: ",").map(String.init) }
        var rest = words.dropFirst(3)
        var network: HostRule.Network?
        if connection != .local {
            guard let address = rest.popFirst() else { return nil }
            if address != "all" {
                if address == "samehost" {
                    network = HostRule.Network(address: [127, 0, 0, 0], bits: 8)
                } else if address.contains("/") {
                    let parts = address.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
                    guard parts.count == 2, let bytes = IPAddress.bytes(parts[0]), let bits = Int(parts[1]),
                        (0...bytes.count * 8).contains(bits)
                    else { return nil }
                    network = HostRule.Network(address: bytes, bits: bits)
                } else {
                    guard let bytes = IPAddress.bytes(address), let word = rest.popFirst(),
                        let mask = IPAddress.bytes(word), mask.count == bytes.count
                    else { return nil }
                    let bits = mask.reduce(0) { $0 + $1.nonzeroBitCount }
                    network = HostRule.Network(address: bytes, bits: bits)
                }
            }
        }
        guard let word = rest.popFirst(), let method = HostRule.Method(rawValue: word) else { return nil }
        var rule = HostRule(
            connection: connection, databases: list(words[1]), users: list(words[2]), network: network, method: method)
        for option in rest {
            guard option == "clientcert=verify-full" || option == "clientcert=verify-ca" else { return nil }
            rule.needsCertificate = true
        }
        if method == .cert { rule.needsCertificate = true }
        return rule
    }

    /// The first rule that fits; nil: none does.
    public func rule(
        database: String, branch: String, user: String, host: String?, isEncrypted: Bool, _ who: Standing?
    ) -> HostRule? {
        let bytes = host.flatMap(IPAddress.bytes)
        return rules.first {
            $0.fits(
                database: database, branch: branch, user: user, host: host == nil ? nil : bytes ?? [],
                isEncrypted: isEncrypted, who)
        }
    }
}

/// Addresses as bytes.
enum IPAddress {
    /// 4 bytes, or 16; an IPv4 address inside IPv6 is one of 4.
    static func bytes(_ text: String) -> [UInt8]? {
        let text = text.prefix { $0 != "%" }
        if !text.contains(":") { return version4(text) }
        var groups: (head: [UInt8], tail: [UInt8]) = ([], [])
        let halves = text.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false)
        guard let head = version6(halves[0]), let tail = halves.count > 1 ? version6(halves[1]) : [] else { return nil }
        groups = (head, tail)
        let missing = 16 - groups.head.count - groups.tail.count
        guard halves.count > 1 ? missing >= 2 : missing == 0 else { return nil }
        let bytes = groups.head + Array(repeating: 0, count: missing) + groups.tail
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        return isMapped ? Array(bytes[12...]) : bytes
    }

    private static func version4(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        guard parts.count == 4, !parts.contains(nil) else { return nil }
        return parts.compactMap { $0 }
    }

    private static func version6(_ text: Substring) -> [UInt8]? {
        if text.isEmpty { return [] }
        var bytes: [UInt8] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(".") {
                guard let four = version4(part) else { return nil }
                bytes += four
            } else {
                guard part.count <= 4, let number = UInt16(part, radix: 16) else { return nil }
                bytes += [UInt8(number >> 8), UInt8(number & 0xff)]
            }
        }
        return bytes.count <= 16 ? bytes : nil
    }
}
