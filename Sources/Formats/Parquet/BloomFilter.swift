// Split-block Bloom filters of column chunks, and the hash they use.
// (Parquet specification, BloomFilter.md; xxHash specification, XXH64.)

import Columns

enum BloomFilter {
    /// Value lists longer than this are not looked up.
    static let valuesMax = 64

    private typealias Kind = ThriftReader.Kind
    static let salts: [UInt32] = [
        0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31,
    ]

    /// The values that a domain leaves, if they are few, as the filter would have hashed them; nil if it does not help.
    static func hashes(_ domain: ColumnDomain, _ leaf: Leaf) -> [UInt64]? {
        guard !domain.allowsNull, let values = domain.values ?? domain.single.map({ [$0] }),
            values.count <= valuesMax
        else { return nil }
        var result: [UInt64] = []
        for value in values {
            guard let bytes = stored(value, leaf) else { return nil }
            result.append(bytes.withUnsafeBytes { hash($0) })
        }
        return result
    }

    /// Whether one of the hashes may be in the filter whose header starts at `base`.
    static func mayHold(_ hashes: [UInt64], _ base: UnsafeRawPointer, _ count: Int) throws(Damage) -> Bool {
        var reader = ThriftReader(base, count: count)
        var last: Int32 = 0
        var size = 0
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Kind.int32): size = Int(try reader.int32(field))
            case (2, Kind.structure), (3, Kind.structure), (4, Kind.structure):
                // Unions with one choice each so far: split blocks, XXH64, uncompressed.
                var choice: Int32 = 0
                while let chosen = try reader.field(after: &choice) {
                    if chosen.id != 1 { return true }
                    try reader.skip(chosen)
                }
            default: try reader.skip(field)
            }
        }
        guard size > 0, size % 32 == 0, size <= reader.remaining else { return true }
        let blocks = UInt64(size / 32)
        let bits = base + reader.at
        return hashes.contains { hash in
            let block = bits + Int(((hash >> 32) &* blocks) >> 32) * 32
            for (index, salt) in salts.enumerated() {
                let word = block.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
                let bit = (UInt32(truncatingIfNeeded: hash) &* salt) >> 27
                if word & (1 << bit) == 0 { return false }
            }
            return true
        }
    }

    /// A value as the PLAIN encoding stores it; nil when that is not certain.
    private static func stored(_ scalar: Scalar, _ leaf: Leaf) -> [UInt8]? {
        switch (leaf.form, scalar.value) {
        case (.text, .string(let text)):
            if case .char = scalar.type { return nil }
            return Array(text.utf8)
        case (.bytes, .bytes(let bytes)): return bytes
        case (.int32, .int(let number)), (.int32ToInt16, .int(let number)):
            guard isSameKind(scalar.type, leaf.type) else { return nil }
            return Int32(exactly: number).map { little($0) }
        case (.int64, .int(let number)):
            guard isSameKind(scalar.type, leaf.type) else { return nil }
            return little(number)
        case (.int64, .int128(let number)), (.int32ToInt64, .int128(let number)):
            guard case .decimal(_, let scale) = scalar.type, case .decimal(_, let own) = leaf.type, scale == own else {
                return nil
            }
            if leaf.form == .int64 { return Int64(exactly: number).map { little($0) } }
            return Int32(exactly: number).map { little($0) }
        default: return nil
        }
    }

    private static func isSameKind(_ a: SQLType, _ b: SQLType) -> Bool { a == b || (a.isInteger && b.isInteger) }

    private static func little<T: FixedWidthInteger>(_ number: T) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    // MARK: - XXH64

    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 { value &<< bits | value &>> (64 &- bits) }

    private static func round(_ state: UInt64, _ input: UInt64) -> UInt64 {
        rotate(state &+ input &* prime2, 31) &* prime1
    }

    /// XXH64 with seed 0.
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        func word(_ at: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
        }
        var at = 0
        var hash: UInt64
        if bytes.count >= 32 {
            var lanes = [prime1 &+ prime2, prime2, 0, 0 &- prime1]
            while at + 32 <= bytes.count {
                for lane in 0..<4 { lanes[lane] = round(lanes[lane], word(at + lane * 8)) }
                at += 32
            }
            hash = rotate(lanes[0], 1) &+ rotate(lanes[1], 7) &+ rotate(lanes[2], 12) &+ rotate(lanes[3], 18)
            for lane in lanes { hash = (hash ^ round(0, lane)) &* prime1 &+ prime4 }
        } else {
            hash = prime5
        }
        hash &+= UInt64(bytes.count)
        while at + 8 <= bytes.count {
            hash = rotate(hash ^ round(0, word(at)), 27) &* prime1 &+ prime4
            at += 8
        }
        if at + 4 <= bytes.count {
            let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            hash = rotate(hash ^ UInt64(half) &* prime1, 23) &* prime2 &+ prime3
            at += 4
        }
        while at < bytes.count {
            hash = rotate(hash ^ UInt64(bytes[at]) &* prime5, 11) &* prime1
            at += 1
        }
        hash = (hash ^ hash >> 33) &* prime2
        hash = (hash ^ hash >> 29) &* prime3
        return hash ^ hash >> 32
    }
}
