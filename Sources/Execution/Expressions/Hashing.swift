// Hashes of values: sets of literals and group keys use them. Hot.
import Columns

enum Hash {
    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        let (high, low) = (value ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
        return high ^ low
    }

    @inline(__always)
    static func combine(_ seed: UInt64, _ value: UInt64) -> UInt64 {
        let (high, low) = (seed ^ 0xe703_7ed1_a0b4_28db).multipliedFullWidth(by: value ^ 0x8ebc_6af0_9c88_c6e3)
        return high ^ low
    }

    /// Hashes bytes; reads up to the count only.
    static func bytes(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: count) &* 0x9e37_79b9_7f4a_7c15
        var at = 0
        while at &+ 8 <= count {
            hash = combine(hash, base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at &+= 8
        }
        if at < count {
            // Only long strings come here: the last eight bytes overlap what was hashed.
            hash = combine(hash, base.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self))
        }
        return mix(hash)
    }
}

extension StringView {
    /// A hash of the content, whatever memory holds it.
    @inline(__always)
    var contentHash: UInt64 {
        if isInline { return Hash.combine(Hash.mix(head), tail) }
        return Hash.bytes(address, count)
    }
}
