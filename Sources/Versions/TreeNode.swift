// Nodes of a tree and their bytes, and the bytes of the other objects.
import Diagnostics
import Foundation

/// A node: either up to ``leafMax`` entries, or up to 64 children by the next six bits of the key's hash.
struct TreeNode: Codable, Sendable, Hashable {
    var entries: [String: Data]?
    var children: [Int: ObjectID]?

    static let leafMax = 64
    /// Six bits a level of a 256-bit hash.
    static let depthMax = 42
    static let fanOut = 64

    static let empty = TreeNode(entries: [:], children: nil)

    var isEmpty: Bool { children == nil && entries?.isEmpty != false }

    /// The first byte says what follows; older versions wrote JSON, whose first byte is a brace.
    private enum Kind {
        static let leaf: UInt8 = 1
        static let inner: UInt8 = 2
        static let json = UInt8(ascii: "{")
    }

    /// A leaf: the count, then keys and values with their lengths, in the order of the keys' bytes. An inner node: a bit
    /// for each child, then the children's hashes. Numbers are little-endian.
    func encoded() throws(SQLError) -> (ObjectID, Data) {
        var bytes: [UInt8] = []
        func append(_ number: some FixedWidthInteger) {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        if let children {
            bytes.reserveCapacity(9 + ObjectID.sizeBytes * children.count)
            bytes.append(Kind.inner)
            append(children.keys.reduce(UInt64(0)) { $0 | 1 << UInt64($1 & 63) })
            for slot in 0..<TreeNode.fanOut { if let child = children[slot] { bytes += child.bytes } }
        } else {
            let entries = (entries ?? [:]).map { (Array($0.key.utf8), $0.value) }
                .sorted { $0.0.lexicographicallyPrecedes($1.0) }
            bytes.reserveCapacity(5 + entries.reduce(0) { $0 + 8 + $1.0.count + $1.1.count })
            bytes.append(Kind.leaf)
            append(UInt32(truncatingIfNeeded: entries.count))
            for (key, value) in entries {
                guard let length = UInt32(exactly: value.count) else {
                    throw SQLError(.programLimitExceeded, "a definition in the catalog is longer than 4 GB")
                }
                append(UInt32(truncatingIfNeeded: key.count))
                bytes += key
                append(length)
                bytes.append(contentsOf: value)
            }
        }
        let data = Data(bytes)
        return (ObjectID(of: data), data)
    }

    /// Reads a node of any version.
    init(_ bytes: Data, _ id: ObjectID) throws(SQLError) {
        let node: TreeNode?
        switch bytes.first {
        case Kind.json: node = try ObjectCoding.decode(TreeNode.self, bytes, id)
        case Kind.leaf: node = TreeNode.leaf(bytes)
        case Kind.inner: node = TreeNode.inner(bytes)
        default: node = nil
        }
        guard let node else { throw SQLError(.dataCorrupted, "catalog object \(id.hex) is damaged") }
        self = node
    }

    init(entries: [String: Data]?, children: [Int: ObjectID]?) {
        self.entries = entries
        self.children = children
    }

    /// nil when the bytes end too early.
    private static func leaf(_ bytes: Data) -> TreeNode? {
        var offset = bytes.startIndex + 1
        func number() -> Int? {
            guard bytes.endIndex - offset >= 4 else { return nil }
            var value = 0
            for index in 0..<4 { value |= Int(bytes[offset + index]) << (8 * index) }
            offset += 4
            return value
        }
        func part() -> Data? {
            guard let length = number(), length <= bytes.endIndex - offset else { return nil }
            defer { offset += length }
            return bytes[offset..<offset + length]
        }
        guard let count = number(), count <= bytes.count else { return nil }
        var entries: [String: Data] = [:]
        entries.reserveCapacity(count)
        for _ in 0..<count {
            guard let key = part(), let value = part() else { return nil }
            entries[String(decoding: key, as: UTF8.self)] = value
        }
        return TreeNode(entries: entries, children: nil)
    }

    private static func inner(_ bytes: Data) -> TreeNode? {
        var offset = bytes.startIndex + 1
        guard bytes.endIndex - offset >= 8 else { return nil }
        var bits: UInt64 = 0
        for index in 0..<8 { bits |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
        offset += 8
        guard bytes.endIndex - offset == ObjectID.sizeBytes * bits.nonzeroBitCount else { return nil }
        var children: [Int: ObjectID] = [:]
        children.reserveCapacity(bits.nonzeroBitCount)
        for slot in 0..<fanOut where bits >> UInt64(slot) & 1 == 1 {
            children[slot] = ObjectID(bytes: bytes[offset..<offset + ObjectID.sizeBytes])
            offset += ObjectID.sizeBytes
        }
        return TreeNode(entries: nil, children: children)
    }
}

/// Commits and what is kept under a name are JSON with sorted keys: the same content has the same bytes, and a human can
/// read it.
enum ObjectCoding {
    static func encode(_ value: some Encodable) throws(SQLError) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try encoder.encode(value)
        } catch {
            throw SQLError(.internalError, "could not encode a catalog object: \(error)")
        }
    }

    static func decode<T: Decodable>(_ type: T.Type, _ bytes: Data, _ id: ObjectID) throws(SQLError) -> T {
        do {
            return try JSONDecoder().decode(type, from: bytes)
        } catch {
            throw SQLError(.dataCorrupted, "catalog object \(id.hex) is damaged", detail: "\(error)")
        }
    }
}
