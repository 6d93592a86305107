// Finds one string in another, sixteen places at a time. Hot.
import Glibc

enum TextSearch {
    /// The first offset of a needle of at least one byte; -1 when there is none.
    @inline(__always)
    static func find(_ text: UnsafeRawPointer, _ count: Int, _ needle: UnsafeRawPointer, _ length: Int) -> Int {
        let last = count &- length
        guard last >= 0 else { return -1 }
        let first = needle.load(as: UInt8.self)
        let end = needle.load(fromByteOffset: length &- 1, as: UInt8.self)
        var at = 0
        let firsts = SIMD16<UInt8>(repeating: first)
        let ends = SIMD16<UInt8>(repeating: end)
        // Both the first and the last byte must match before the bytes between are looked at.
        while at &+ 15 <= last {
            let a = text.loadUnaligned(fromByteOffset: at, as: SIMD16<UInt8>.self)
            let b = text.loadUnaligned(fromByteOffset: at &+ length &- 1, as: SIMD16<UInt8>.self)
            let hits = (a .== firsts) .& (b .== ends)
            let bits = unsafeBitCast(hits, to: SIMD2<UInt64>.self)
            if bits[0] | bits[1] != 0 {
                // Eight bits a place; the lowest set one is the first hit.
                var half = bits[0]
                var base = at
                while true {
                    while half != 0 {
                        let step = half.trailingZeroBitCount &>> 3
                        if memcmp(text + base + step, needle, length) == 0 { return base &+ step }
                        half &= ~(0xff &<< UInt64(truncatingIfNeeded: step &* 8))
                    }
                    if base != at { break }
                    half = bits[1]
                    base = at &+ 8
                }
            }
            at &+= 16
        }
        while at <= last {
            if text.load(fromByteOffset: at, as: UInt8.self) == first,
                text.load(fromByteOffset: at &+ length &- 1, as: UInt8.self) == end,
                memcmp(text + at, needle, length) == 0
            {
                return at
            }
            at &+= 1
        }
        return -1
    }
}
