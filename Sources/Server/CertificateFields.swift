// What authentication needs of an X.509 certificate: the hash that names it in channel binding, and its common name.
import Crypto

/// Reads a certificate's DER. Anything odd reads as nothing.
struct CertificateFields {
    /// tls-server-end-point (RFC 5929); nil for signatures without a hash of their own.
    let endpoint: [UInt8]?
    /// The common name of the subject, when there is exactly one.
    let commonName: String?

    init(der: [UInt8]) {
        var outer = DER(der[...])
        guard let certificate = outer.next(0x30) else {
            (endpoint, commonName) = (nil, nil)
            return
        }
        var parts = DER(certificate)
        let signed = parts.next(0x30)
        let algorithm = parts.next(0x30).flatMap { bytes -> [UInt8]? in
            var inner = DER(bytes)
            return inner.next(0x06).map(Array.init)
        }
        endpoint = algorithm.flatMap { CertificateFields.hash(der, $0) }
        commonName = signed.flatMap(CertificateFields.name)
    }

    private static func hash(_ der: [UInt8], _ algorithm: [UInt8]) -> [UInt8]? {
        let rsa: [UInt8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01]
        let ecdsa: [UInt8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03]
        let kind: Int
        if algorithm.dropLast() == rsa[...] {
            // md5 and sha1 are replaced by sha256.
            kind = [4: 256, 5: 256, 11: 256, 12: 384, 13: 512][Int(algorithm.last ?? 0)] ?? 0
        } else if algorithm.dropLast() == ecdsa[...] {
            kind = [2: 256, 3: 384, 4: 512][Int(algorithm.last ?? 0)] ?? 0
        } else {
            kind = algorithm == [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] ? 256 : 0
        }
        switch kind {
        case 256: return Array(SHA256.hash(data: der))
        case 384: return Array(SHA384.hash(data: der))
        case 512: return Array(SHA512.hash(data: der))
        default: return nil
        }
    }

    private static func name(_ signed: ArraySlice<UInt8>) -> String? {
        var fields = DER(signed)
        _ = fields.next(0xa0)
        // Serial number, signature, issuer, validity; then the subject.
        guard fields.next(0x02) != nil, fields.next(0x30) != nil, fields.next(0x30) != nil, fields.next(0x30) != nil,
            let subject = fields.next(0x30)
        else { return nil }
        var names: [String] = []
        var sets = DER(subject)
        while let set = sets.next(0x31) {
            var pairs = DER(set)
            while let pair = pairs.next(0x30) {
                var inner = DER(pair)
                guard inner.next(0x06).map(Array.init) == [0x55, 0x04, 0x03] else { continue }
                guard let value = inner.next(0x0c) ?? inner.next(0x13) ?? inner.next(0x16),
                    let text = String(validating: value, as: UTF8.self), !text.contains("\0")
                else { return nil }
                names.append(text)
            }
        }
        return names.count == 1 ? names[0] : nil
    }
}

/// A walk over the elements of one level.
private struct DER {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Takes the next element if it has this tag; nil, without taking anything, when it has another or is damaged.
    mutating func next(_ tag: UInt8) -> ArraySlice<UInt8>? {
        guard rest.count >= 2, rest.first == tag else { return nil }
        var at = rest.startIndex + 1
        var length = Int(rest[at])
        at += 1
        if length >= 0x80 {
            let count = length & 0x7f
            guard (1...4).contains(count), rest.endIndex - at >= count else { return nil }
            length = rest[at..<(at + count)].reduce(0) { $0 << 8 | Int($1) }
            at += count
        }
        guard rest.endIndex - at >= length else { return nil }
        defer { rest = rest[(at + length)...] }
        return rest[at..<(at + length)]
    }
}
