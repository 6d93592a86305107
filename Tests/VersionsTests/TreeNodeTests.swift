import Diagnostics
import Foundation
import Testing

@testable import Versions

@Suite struct TreeNodeTests {
    let id = ObjectID(of: Data())

    @Test("nodes are what they were after they were written and read")
    func roundTrip() throws {
        var random = SeededRandom(7)
        for count in [0, 1, 2, 17, 64] {
            var leaf = TreeNode.empty
            var inner = TreeNode(entries: nil, children: [:])
            for number in 0..<count {
                leaf.entries?["täble \(number)"] = Data((0..<random.below(300)).map { UInt8($0 & 255) })
                inner.children?[(number * 7) % 64] = ObjectID(of: Data([UInt8(number)]))
            }
            for node in [leaf, inner] {
                let (hash, bytes) = try node.encoded()
                #expect(try TreeNode(bytes, hash) == node)
                // Inside other bytes, as a slice.
                #expect(try TreeNode((Data([9, 9]) + bytes).dropFirst(2), hash) == node)
                // As versions before this format wrote them.
                #expect(try TreeNode(try ObjectCoding.encode(node), hash) == node)
            }
        }
    }

    @Test("damaged nodes are an error")
    func damaged() throws {
        var random = SeededRandom(8)
        let leaf = TreeNode(entries: ["a": Data([1, 2, 3]), "b": Data(repeating: 7, count: 100)], children: nil)
        let inner = TreeNode(entries: nil, children: [3: id, 60: ObjectID(of: Data([1]))])
        for node in [leaf, inner] {
            let (hash, bytes) = try node.encoded()
            for length in 0..<bytes.count {
                #expect(throws: SQLError.self) { try TreeNode(bytes.prefix(length), hash) }
            }
            for _ in 0..<2_000 {
                var broken = bytes
                for _ in 0...random.below(4) { broken[random.below(broken.count)] = UInt8(random.below(256)) }
                _ = try? TreeNode(broken, hash)
            }
        }
    }

    @Test("hashes are their digits and their bytes, and the slots are their bits")
    func hashes() throws {
        let text = "00ff10a5" + String(repeating: "7e", count: 28)
        let hash = try #require(ObjectID(hex: text))
        #expect(hash.hex == text && ObjectID(bytes: hash.bytes) == hash)
        #expect(ObjectID(hex: text.uppercased()) == hash)
        for wrong in ["", "00", String(text.dropLast()), text + "0", "g" + text.dropFirst()] {
            #expect(ObjectID(hex: wrong) == nil)
        }
        var bits: [Int] = []
        for byte in hash.bytes { for bit in 0..<8 { bits.append(Int(byte >> (7 - bit)) & 1) } }
        for level in 0..<TreeNode.depthMax {
            #expect(hash.slot(level) == bits[level * 6..<level * 6 + 6].reduce(0) { $0 << 1 | $1 })
        }
    }
}
