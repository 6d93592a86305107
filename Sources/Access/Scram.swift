// SCRAM-SHA-256 and -PLUS on the server's side: RFC 5802, 5929 and 7677, and PostgreSQL docs 55.3.
import Crypto
public import Diagnostics

/// What the server keeps instead of a password: `SCRAM-SHA-256$4096:salt$stored:server`, as pg_authid.rolpassword.
public struct ScramVerifier: Sendable, Hashable {
    public var iterations: Int
    public var salt: [UInt8]
    public var storedKey: [UInt8]
    public var serverKey: [UInt8]

    /// PostgreSQL's default.
    public static let iterationsDefault = 4096
    /// More would let a configuration stall every login.
    public static let iterationsMax = 10_000_000
    /// Bytes of a fresh salt, as in PostgreSQL.
    public static let saltBytes = 16

    /// Derives the keys of a password. A password beyond ASCII is taken as its UTF-8 bytes, without SASLprep.
    public init(password: String, salt: [UInt8], iterations: Int = iterationsDefault) {
        let salted = Scram.salted(Array(password.utf8), salt: salt, iterations: max(1, iterations))
        let clientKey = Scram.hmac(salted, Array("Client Key".utf8))
        self.iterations = max(1, iterations)
        self.salt = salt
        storedKey = Scram.hash(clientKey)
        serverKey = Scram.hmac(salted, Array("Server Key".utf8))
    }

    /// Reads PostgreSQL's text form; nil when it is not one.
    public init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "SCRAM-SHA-256" else { return nil }
        let head = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        let keys = parts[2].split(separator: ":", omittingEmptySubsequences: false)
        guard head.count == 2, keys.count == 2, let iterations = Int(head[0]), iterations > 0,
            iterations <= ScramVerifier.iterationsMax,
            let salt = Base64.decode(Array(head[1].utf8)), !salt.isEmpty,
            let stored = Base64.decode(Array(keys[0].utf8)), stored.count == 32,
            let server = Base64.decode(Array(keys[1].utf8)), server.count == 32
        else { return nil }
        self.iterations = iterations
        self.salt = salt
        storedKey = stored
        serverKey = server
    }

    /// Whether a password sent in the clear is the right one.
    public func accepts(_ password: String) -> Bool {
        let other = ScramVerifier(password: password, salt: salt, iterations: iterations)
        return Scram.isEqual(other.storedKey, storedKey)
    }

    /// PostgreSQL's text form.
    public var text: String {
        "SCRAM-SHA-256$\(iterations):\(Base64.encode(salt))$\(Base64.encode(storedKey)):\(Base64.encode(serverKey))"
    }

    /// A verifier for a user who has none: the same salt at every attempt, and a password nobody knows, so that an
    /// attacker cannot tell who exists.
    public static func mock(user: String, secret: [UInt8]) -> ScramVerifier {
        var verifier = ScramVerifier(password: "", salt: [0], iterations: 1)
        verifier.iterations = iterationsDefault
        verifier.salt = Array(Scram.hmac(secret, Array(user.utf8)).prefix(saltBytes))
        verifier.storedKey = Scram.hmac(secret, Array("stored \(user)".utf8))
        verifier.serverKey = Scram.hmac(secret, Array("server \(user)".utf8))
        return verifier
    }
}

/// The server's side of one exchange: client-first in, server-first out; client-final in, server-final out.
public struct ScramExchange: Sendable {
    public static let mechanism = "SCRAM-SHA-256"
    /// Bound to the TLS channel by the hash of the server's certificate.
    public static let boundMechanism = "SCRAM-SHA-256-PLUS"
    /// Bytes of the server's nonce before base64, as in PostgreSQL.
    public static let nonceBytes = 18

    private let verifier: ScramVerifier
    /// False for a mock verifier: the exchange runs to its end and fails there.
    private let isGenuine: Bool
    private let serverNonce: String
    /// tls-server-end-point of the connection: the hash of the certificate; nil without TLS.
    private let endpoint: [UInt8]?
    /// Whether the client chose the mechanism with channel binding.
    public var isBound = false
    private var gs2Header = ""
    private var clientFirstBare = ""
    private var serverFirst = ""
    private var nonce = ""

    /// Starts an exchange. `nonce` must be fresh random bytes.
    public init(
        verifier: ScramVerifier?, user: String, mockSecret: [UInt8], nonce: [UInt8], endpoint: [UInt8]? = nil
    ) {
        self.endpoint = endpoint
        self.verifier = verifier ?? .mock(user: user, secret: mockSecret)
        isGenuine = verifier != nil
        serverNonce = Base64.encode(nonce)
    }

    /// For test vectors, whose nonce is given as text.
    init(verifier: ScramVerifier, nonceText: String) {
        endpoint = nil
        self.verifier = verifier
        isGenuine = true
        serverNonce = nonceText
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws(SQLError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw malformed("Message is not UTF-8.")
        }
        return text
    }

    private static func malformed(_ detail: String) -> SQLError {
        SQLError(.protocolViolation, "malformed SCRAM message", detail: detail)
    }

    /// Reads client-first-message and returns server-first-message.
    public mutating func first(_ message: ArraySlice<UInt8>) throws(SQLError) -> [UInt8] {
        let text = try ScramExchange.text(message)
        guard !message.contains(0) else { throw ScramExchange.malformed("Message contains a zero byte.") }
        let parts = text.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw ScramExchange.malformed("Attribute expected.") }
        switch parts[0] {
        case "n", "y":
            guard !isBound else {
                throw ScramExchange.malformed(
                    "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding "
                        + "data.")
            }
            // The client could bind, and believes that we cannot: somebody took the offer out.
            if parts[0] == "y", endpoint != nil {
                throw SQLError(
                    .invalidAuthorization, "SCRAM channel binding negotiation error",
                    detail: "The client supports SCRAM channel binding but thinks the server does not.  "
                        + "However, this server does support channel binding.")
            }
        case "p=tls-server-end-point" where isBound && endpoint != nil: break
        case _ where parts[0].hasPrefix("p="):
            guard isBound else {
                throw ScramExchange.malformed(
                    "The client selected SCRAM-SHA-256 without channel binding, but sent channel binding data.")
            }
            throw SQLError(
                .protocolViolation, "unsupported SCRAM channel-binding type \"\(parts[0].dropFirst(2))\"")
        default: throw ScramExchange.malformed("Unexpected channel-binding flag \"\(parts[0])\".")
        }
        guard parts[1].isEmpty else {
            throw SQLError(
                .featureNotSupported, "client uses authorization identity, but it is not supported")
        }
        gs2Header = "\(parts[0]),,"
        clientFirstBare = String(parts[2])
        let attributes = clientFirstBare.split(separator: ",", omittingEmptySubsequences: false)
        if clientFirstBare.hasPrefix("m=") {
            throw SQLError(.featureNotSupported, "client requires an unsupported SCRAM extension")
        }
        // The user name is that of the startup packet; the one here is not looked at, as in PostgreSQL.
        guard attributes.count >= 2, attributes[0].hasPrefix("n="), attributes[1].hasPrefix("r=") else {
            throw ScramExchange.malformed("Attributes n and r expected.")
        }
        let clientNonce = attributes[1].dropFirst(2)
        guard !clientNonce.isEmpty, clientNonce.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw SQLError(.protocolViolation, "non-printable characters in SCRAM nonce")
        }
        nonce = clientNonce + serverNonce
        serverFirst = "r=\(nonce),s=\(Base64.encode(verifier.salt)),i=\(verifier.iterations)"
        return Array(serverFirst.utf8)
    }

    /// Reads client-final-message; returns server-final-message, or nil when the password is wrong.
    public func final(_ message: ArraySlice<UInt8>) throws(SQLError) -> [UInt8]? {
        let text = try ScramExchange.text(message)
        let attributes = text.split(separator: ",", omittingEmptySubsequences: false)
        guard attributes.count >= 3, attributes[0].hasPrefix("c="), attributes[1].hasPrefix("r="),
            let last = attributes.last, last.hasPrefix("p=")
        else { throw ScramExchange.malformed("Attributes c, r and p expected.") }
        let bound = Array(gs2Header.utf8) + (isBound ? endpoint ?? [] : [])
        guard let sent = Base64.decode(Array(attributes[0].dropFirst(2).utf8)), Scram.isEqual(sent, bound) else {
            guard !isBound else {
                throw SQLError(.invalidAuthorization, "SCRAM channel binding check failed")
            }
            throw SQLError(.protocolViolation, "unexpected SCRAM channel-binding attribute in client-final-message")
        }
        guard attributes[1].dropFirst(2) == nonce else {
            throw SQLError(.protocolViolation, "invalid SCRAM response", detail: "Nonce does not match.")
        }
        guard let proof = Base64.decode(Array(last.dropFirst(2).utf8)), proof.count == 32 else {
            throw ScramExchange.malformed("Malformed proof in client-final-message.")
        }
        let withoutProof = attributes.dropLast().joined(separator: ",")
        let authMessage = Array("\(clientFirstBare),\(serverFirst),\(withoutProof)".utf8)
        let signature = Scram.hmac(verifier.storedKey, authMessage)
        let clientKey = zip(proof, signature).map { $0 ^ $1 }
        let isRight = Scram.isEqual(Scram.hash(clientKey), verifier.storedKey)
        guard isRight, isGenuine else { return nil }
        return Array("v=\(Base64.encode(Scram.hmac(verifier.serverKey, authMessage)))".utf8)
    }
}

/// A password as the catalog may keep it: a SCRAM verifier, or PostgreSQL's md5 hash.
public enum StoredPassword {
    /// Whether a text is such a form already, which PostgreSQL then takes as it is.
    public static func isStored(_ text: String) -> Bool { isMD5(text) || ScramVerifier(text) != nil }

    public static func isMD5(_ text: String) -> Bool {
        text.utf8.count == 35 && text.hasPrefix("md5")
            && text.utf8.dropFirst(3).allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    /// What to keep for a password; nil for an empty one, with which nobody could log in.
    public static func stored(_ password: String, user: String, md5: Bool) -> String? {
        if password.isEmpty { return nil }
        if isStored(password) { return password }
        if md5 { return "md5" + MD5.hex(Array((password + user).utf8)) }
        var random = SystemRandomNumberGenerator()
        let salt = (0..<ScramVerifier.saltBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
        return ScramVerifier(password: password, salt: salt).text
    }

    /// Whether a password that came in the clear is the right one.
    public static func accepts(_ stored: String?, _ password: String, user: String) -> Bool {
        guard let stored else { return false }
        if let verifier = ScramVerifier(stored) { return verifier.accepts(password) }
        return isMD5(stored)
            && Scram.isEqual(Array(stored.utf8), Array("md5\(MD5.hex(Array((password + user).utf8)))".utf8))
    }

    /// Whether the answer to an md5 request is right.
    public static func acceptsMD5(_ stored: String?, _ answer: String, salt: [UInt8]) -> Bool {
        guard let stored, isMD5(stored) else { return false }
        let right = "md5" + MD5.hex(Array(stored.utf8.dropFirst(3)) + salt)
        return Scram.isEqual(Array(right.utf8), Array(answer.utf8))
    }
}

/// Of PostgreSQL's old password hashes.
enum MD5 {
    static func hex(_ bytes: [UInt8]) -> String {
        Insecure.MD5.hash(data: bytes).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}

/// The functions of RFC 5802.
enum Scram {
    static func hmac(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)))
    }

    static func hash(_ message: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: message)) }

    /// Hi(): PBKDF2 with one block.
    static func salted(_ password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
        var block = hmac(password, salt + [0, 0, 0, 1])
        var result = block
        for _ in 1..<max(1, iterations) {
            block = hmac(password, block)
            for index in result.indices { result[index] ^= block[index] }
        }
        return result
    }

    /// Compares in a time that does not depend on where the difference is.
    static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        var difference: UInt8 = 0
        for index in a.indices { difference |= a[index] ^ b[index] }
        return difference == 0
    }
}

/// RFC 4648 base64, with padding and nothing else.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let rest = bytes.count - at
            let second = rest > 1 ? bytes[at + 1] : 0
            let third = rest > 2 ? bytes[at + 2] : 0
            out.append(alphabet[Int(bytes[at] >> 2)])
            out.append(alphabet[Int((bytes[at] & 3) << 4 | second >> 4)])
            out.append(rest > 1 ? alphabet[Int((second & 15) << 2 | third >> 6)] : 61)
            out.append(rest > 2 ? alphabet[Int(third & 63)] : 61)
            at += 3
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Returns nil for a wrong length, a character of another alphabet or bits behind the end.
    static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var out: [UInt8] = []
        var at = 0
        while at < text.count {
            let isLast = at + 4 == text.count
            let padding = isLast ? (text[at + 3] == 61 ? (text[at + 2] == 61 ? 2 : 1) : 0) : 0
            var word: UInt32 = 0
            for index in 0..<4 {
                var digit: UInt32 = 0
                if index < 4 - padding {
                    guard let found = value(of: text[at + index]) else { return nil }
                    digit = found
                }
                word = word << 6 | digit
            }
            if padding == 1, word & 0xff != 0 { return nil }
            if padding == 2, word & 0xffff != 0 { return nil }
            out.append(UInt8(truncatingIfNeeded: word >> 16))
            if padding < 2 { out.append(UInt8(truncatingIfNeeded: word >> 8)) }
            if padding < 1 { out.append(UInt8(truncatingIfNeeded: word)) }
            at += 4
        }
        return out
    }

    private static func value(of character: UInt8) -> UInt32? {
        switch character {
        case 65...90: UInt32(character) - 65
        case 97...122: UInt32(character) - 71
        case 48...57: UInt32(character) + 4
        case 43: 62
        case 47: 63
        default: nil
        }
    }
}
