// Whether bytes are well-formed UTF-8. Hot.

import Columns

enum UTF8Check {
    /// Whether all bytes are below 0x80.
    static func isASCII(_ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
        var at = 0
        var high = SIMD4<UInt64>(repeating: 0)
        while at &+ 32 <= count {
            high |= bytes.loadUnaligned(fromByteOffset: at, as: SIMD4<UInt64>.self)
            at &+= 32
        }
        var rest = high[0] | high[1] | high[2] | high[3]
        while at &+ 8 <= count {
            rest |= bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        while at < count {
            rest |= UInt64(bytes.load(fromByteOffset: at, as: UInt8.self))
            at &+= 1
        }
        return rest & 0x8080_8080_8080_8080 == 0
    }

    /// Whether the bytes are UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
    static func isValid(_ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
        let p = bytes.assumingMemoryBound(to: UInt8.self)
        var at = 0
        while at < count {
            if at &+ 8 <= count {
                let word = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                if word & 0x8080_8080_8080_8080 == 0 {
                    at &+= 8
                    continue
                }
            }
            let first = p[at]
            if first < 0x80 {
                at &+= 1
            } else if first < 0xe0 {
                guard first >= 0xc2, at &+ 1 < count, p[at &+ 1] & 0xc0 == 0x80 else { return false }
                at &+= 2
            } else if first < 0xf0 {
                guard at &+ 2 < count, p[at &+ 1] & 0xc0 == 0x80, p[at &+ 2] & 0xc0 == 0x80 else { return false }
                if first == 0xe0, p[at &+ 1] < 0xa0 { return false }
                if first == 0xed, p[at &+ 1] >= 0xa0 { return false }
                at &+= 3
            } else {
                guard first <= 0xf4, at &+ 3 < count, p[at &+ 1] & 0xc0 == 0x80, p[at &+ 2] & 0xc0 == 0x80,
                    p[at &+ 3] & 0xc0 == 0x80
                else { return false }
                if first == 0xf0, p[at &+ 1] < 0x90 { return false }
                if first == 0xf4, p[at &+ 1] >= 0x90 { return false }
                at &+= 4
            }
        }
        return true
    }
}
