// UTF-8 as the string functions see it: characters are code points, as in PostgreSQL. Hot.
import Columns

enum TextOps {
    typealias Bytes = UnsafeRawBufferPointer

    /// Code points: bytes that do not continue one.
    @inline(__always)
    static func characters(_ bytes: Bytes) -> Int {
        var total = 0
        for index in 0..<bytes.count {
            total &+= Int(truncatingIfNeeded: unsafeBitCast(bytes[index] & 0xc0 != 0x80, to: UInt8.self))
        }
        return total
    }

    @inline(__always)
    static func isASCII(_ bytes: Bytes) -> Bool {
        var seen: UInt8 = 0
        for index in 0..<bytes.count { seen |= bytes[index] }
        return seen < 0x80
    }

    /// The byte offset of a character; the length when there are not that many.
    static func offset(_ bytes: Bytes, ofCharacter character: Int) -> Int {
        guard character > 0 else { return 0 }
        var left = character
        var at = 0
        while at < bytes.count {
            at = next(bytes, at)
            left &-= 1
            if left == 0 { return at }
        }
        return bytes.count
    }

    /// The offset after the character that begins here.
    @inline(__always)
    static func next(_ bytes: Bytes, _ at: Int) -> Int {
        var end = at &+ 1
        while end < bytes.count, bytes[end] & 0xc0 == 0x80 { end &+= 1 }
        return end
    }

    /// The start of the character that ends before here.
    @inline(__always)
    static func previous(_ bytes: Bytes, _ at: Int) -> Int {
        var start = at &- 1
        while start > 0, bytes[start] & 0xc0 == 0x80 { start &-= 1 }
        return start
    }

    /// Bytes of a view without blanks at its end.
    @inline(__always)
    static func lengthWithoutBlanks(_ view: StringView) -> Int {
        view.withBytes { raw in
            var length = raw.count
            while length > 0, raw[length &- 1] == 32 { length &-= 1 }
            return length
        }
    }

    /// The code point that begins here; ill-formed bytes stand for themselves.
    static func scalar(_ bytes: Bytes, _ at: Int) -> UInt32 {
        let first = UInt32(bytes[at])
        let length = next(bytes, at) - at
        func tail(_ index: Int) -> UInt32 { UInt32(bytes[at + index] & 0x3f) }
        switch (length, first) {
        case (2, 0xc0...): return (first & 0x1f) << 6 | tail(1)
        case (3, 0xe0...): return (first & 0x0f) << 12 | tail(1) << 6 | tail(2)
        case (4, 0xf0...): return (first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3)
        default: return first
        }
    }

    /// Appends the UTF-8 form of a code point.
    static func append(_ scalar: UInt32, to out: inout [UInt8]) {
        switch scalar {
        case 0..<0x80: out.append(UInt8(scalar))
        case 0x80..<0x800:
            out.append(UInt8(0xc0 | scalar >> 6))
            out.append(UInt8(0x80 | scalar & 0x3f))
        case 0x800..<0x10000:
            out.append(UInt8(0xe0 | scalar >> 12))
            out.append(UInt8(0x80 | scalar >> 6 & 0x3f))
            out.append(UInt8(0x80 | scalar & 0x3f))
        default:
            out.append(UInt8(0xf0 | scalar >> 18 & 0x07))
            out.append(UInt8(0x80 | scalar >> 12 & 0x3f))
            out.append(UInt8(0x80 | scalar >> 6 & 0x3f))
            out.append(UInt8(0x80 | scalar & 0x3f))
        }
    }

    /// The first place of a needle, nil when there is none. An empty needle is at the start.
    static func find(_ needle: Bytes, in text: Bytes, from start: Int = 0) -> Int? {
        guard needle.count > 0 else { return start }
        guard let base = text.baseAddress, let wanted = needle.baseAddress, text.count - start >= needle.count else {
            return nil
        }
        let hit = TextSearch.find(base + start, text.count - start, wanted, needle.count)
        return hit < 0 ? nil : start + hit
    }

    @inline(__always)
    static func hasPrefix(_ text: Bytes, _ prefix: Bytes, at: Int = 0) -> Bool {
        guard text.count - at >= prefix.count else { return false }
        for index in 0..<prefix.count where text[at &+ index] != prefix[index] { return false }
        return true
    }
}
