// The name of an object: the SHA-256 of its bytes.
import Catalogs
import Crypto
import Diagnostics
import Foundation

/// The SHA-256 of an object's bytes.
struct ObjectID: Hashable, Sendable, Comparable {
    /// Big-endian quarters of the digest.
    private let words: (UInt64, UInt64, UInt64, UInt64)

    static let sizeBytes = 32

    /// Hashes an object's bytes.
    init(of bytes: Data) { self.init(digest: Array(SHA256.hash(data: bytes))) }

    /// nil unless there are 32 bytes.
    init?(bytes: some Collection<UInt8>) {
        guard bytes.count == ObjectID.sizeBytes else { return nil }
        self.init(digest: Array(bytes))
    }

    /// nil unless these are 64 hexadecimal digits.
    init?(hex: String) {
        var digest: [UInt8] = []
        digest.reserveCapacity(ObjectID.sizeBytes)
        var high: UInt8?
        for digit in hex.utf8 {
            let value: UInt8
            switch digit {
            case 48...57: value = digit - 48
            case 97...102: value = digit - 87
            case 65...70: value = digit - 55
            default: return nil
            }
            if let first = high {
                digest.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        guard high == nil, digest.count == ObjectID.sizeBytes else { return nil }
        self.init(digest: digest)
    }

    /// Throws 42704 for a text that no commit can have as its hash.
    init(_ commit: CommitID) throws(SQLError) {
        guard let id = ObjectID(hex: commit.hex) else {
            throw SQLError(.undefinedObject, "commit \"\(commit.hex)\" does not exist")
        }
        self = id
    }

    private init(digest: [UInt8]) {
        func word(_ index: Int) -> UInt64 {
            digest[index * 8..<index * 8 + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
        words = (word(0), word(1), word(2), word(3))
    }

    /// The 32 bytes.
    var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(ObjectID.sizeBytes)
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: 56, through: 0, by: -8) {
                result.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return result
    }

    /// 64 lower-case hexadecimal digits.
    var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: 2 * ObjectID.sizeBytes) { buffer in
            for (index, byte) in bytes.enumerated() {
                buffer[2 * index] = digits[Int(byte >> 4)]
                buffer[2 * index + 1] = digits[Int(byte & 15)]
            }
            return 2 * ObjectID.sizeBytes
        }
    }

    /// Six bits of the digest, those that choose a child at a level of a tree.
    func slot(_ level: Int) -> Int {
        let bit = level * 6
        func word(_ index: Int) -> UInt64 {
            switch index {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            case 3: words.3
            default: 0
            }
        }
        let (index, offset) = (bit / 64, bit % 64)
        let high = word(index) << UInt64(offset)
        let low = offset == 0 ? 0 : word(index + 1) >> UInt64(64 - offset)
        return Int((high | low) >> 58)
    }

    static func == (a: ObjectID, b: ObjectID) -> Bool { a.words == b.words }
    static func < (a: ObjectID, b: ObjectID) -> Bool { a.words < b.words }

    func hash(into hasher: inout Hasher) {
        // One quarter of a cryptographic hash tells objects apart as well as all of it.
        hasher.combine(words.0)
    }
}

extension ObjectID: Codable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = ObjectID(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a hash")
        }
        self = id
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}
