// Finds parts of JSON text by walking over its bytes: nothing is parsed that is not looked at. Any bytes are safe. Hot.
#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// What a JSON value is, told by its first byte.
public enum JSONKind: Sendable, Hashable {
    case null, string, number, boolean, array, object
}

/// Bytes of JSON text.
public struct JSONScan {
    public let base: UnsafePointer<UInt8>
    public let end: Int

    public init(_ bytes: UnsafeRawBufferPointer) {
        let nothing: StaticString = ""
        base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? nothing.utf8Start
        end = bytes.count
    }

    /// A member of an object; the key's range lies between its quotes.
    public struct Member {
        public var key: Range<Int>
        public var hasEscapes: Bool
        public var value: Range<Int>
    }

    /// The range of the whole value, without blanks around it; nil for nothing.
    public var root: Range<Int>? {
        let first = skipBlanks(0)
        return first < end ? first..<skipValue(first) : nil
    }

    @inline(__always)
    public func kind(_ at: Int) -> JSONKind {
        guard at < end else { return .null }
        switch base[at] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        default: return .number
        }
    }

    @inline(__always)
    public func skipBlanks(_ start: Int) -> Int {
        var at = start
        while at < end, base[at] <= 32 { at &+= 1 }
        return at
    }

    /// Where the string that begins at a quote ends, behind its closing quote.
    @inline(__always)
    public func skipString(_ start: Int, _ hasEscapes: inout Bool) -> Int {
        var at = start &+ 1
        while at < end {
            // Eight bytes at a time up to a quote or a backslash.
            while at &+ 8 <= end {
                let word = UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self)
                let quote = word ^ 0x2222_2222_2222_2222
                let slash = word ^ 0x5c5c_5c5c_5c5c_5c5c
                let ones: UInt64 = 0x0101_0101_0101_0101
                let found = ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash)
                let hit = found & 0x8080_8080_8080_8080
                if hit == 0 {
                    at &+= 8
                    continue
                }
                at &+= hit.trailingZeroBitCount &>> 3
                break
            }
            guard at < end else { break }
            if base[at] == UInt8(ascii: "\"") { return at &+ 1 }
            if base[at] == UInt8(ascii: "\\") {
                hasEscapes = true
                at &+= 2
            } else {
                at &+= 1
            }
        }
        return end
    }

    /// Where the value that begins here ends.
    public func skipValue(_ start: Int) -> Int {
        var at = start
        guard at < end else { return end }
        var escapes = false
        switch base[at] {
        case UInt8(ascii: "\""): return skipString(at, &escapes)
        case UInt8(ascii: "{"), UInt8(ascii: "["): break
        default:
            while at < end {
                let byte = base[at]
                if byte <= 32 || byte == 44 || byte == 93 || byte == 125 || byte == 58 { break }
                at &+= 1
            }
            return at
        }
        var depth = 0
        while at < end {
            switch base[at] {
            case UInt8(ascii: "\""):
                at = skipString(at, &escapes)
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth &+= 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth &-= 1
                if depth == 0 { return at &+ 1 }
            default: break
            }
            at &+= 1
        }
        return end
    }

    /// The next member of an object. `at` is where the object begins, or where the last member ended.
    @inline(__always)
    public func nextMember(_ at: inout Int) -> Member? {
        at = skipBlanks(at)
        guard at < end, base[at] != UInt8(ascii: "}") else { return nil }
        if base[at] == 44 || base[at] == UInt8(ascii: "{") { at = skipBlanks(at &+ 1) }
        guard at < end, base[at] == UInt8(ascii: "\"") else { return nil }
        var hasEscapes = false
        let first = at &+ 1
        let behind = skipString(at, &hasEscapes)
        guard behind > first else { return nil }
        var value = skipBlanks(behind)
        if value < end, base[value] == 58 { value = skipBlanks(value &+ 1) }
        guard value < end else { return nil }
        let stop = skipValue(value)
        at = stop
        guard stop > value else { return nil }
        return Member(key: first..<behind &- 1, hasEscapes: hasEscapes, value: value..<stop)
    }

    /// The next element of an array. `at` is where the array begins, or where the last element ended; `isFirst` must be
    /// true in the beginning.
    @inline(__always)
    public func nextElement(_ at: inout Int, _ isFirst: inout Bool) -> Range<Int>? {
        at = isFirst ? skipBlanks(at &+ 1) : skipBlanks(at)
        guard at < end, base[at] != UInt8(ascii: "]") else { return nil }
        if !isFirst {
            guard base[at] == 44 else { return nil }
            at = skipBlanks(at &+ 1)
        }
        isFirst = false
        guard at < end else { return nil }
        let start = at
        at = skipValue(start)
        return at > start ? start..<at : nil
    }

    /// Whether a member's key is this text.
    @inline(__always)
    public func isKey(_ member: Member, _ key: UnsafeRawBufferPointer) -> Bool {
        if member.hasEscapes {
            var plain: [UInt8] = []
            JSONEscape.decode(base, member.key, to: &plain)
            return plain.elementsEqual(key)
        }
        guard member.key.count == key.count else { return false }
        guard let wanted = key.baseAddress else { return true }
        return memcmp(base + member.key.lowerBound, wanted, key.count) == 0
    }

    /// The value of a key in the object that begins here; of several the last, as PostgreSQL has it for json.
    public func member(_ object: Int, _ key: UnsafeRawBufferPointer, isUnique: Bool) -> Range<Int>? {
        guard kind(object) == .object else { return nil }
        var at = object
        var found: Range<Int>?
        while let member = nextMember(&at) {
            if isKey(member, key) {
                found = member.value
                if isUnique { return found }
            }
        }
        return found
    }

    /// The element of an array by number from 0; negative numbers count from the end.
    public func element(_ array: Int, _ number: Int) -> Range<Int>? {
        guard kind(array) == .array else { return nil }
        var number = number
        if number < 0 {
            number += count(array)
            guard number >= 0 else { return nil }
        }
        var at = array
        var isFirst = true
        var index = 0
        while let range = nextElement(&at, &isFirst) {
            if index == number { return range }
            index &+= 1
        }
        return nil
    }

    /// Elements of an array, or members of an object.
    public func count(_ start: Int) -> Int {
        var at = start
        var count = 0
        if kind(start) == .array {
            var isFirst = true
            while nextElement(&at, &isFirst) != nil { count &+= 1 }
        } else if kind(start) == .object {
            while nextMember(&at) != nil { count &+= 1 }
        }
        return count
    }

    @inline(__always)
    public func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
    }

    /// Appends the text of a string value, or a key, without quotes and escapes.
    public func appendText(_ inside: Range<Int>, to out: inout [UInt8]) {
        let raw = bytes(inside)
        if raw.contains(UInt8(ascii: "\\")) {
            JSONEscape.decode(base, inside, to: &out)
        } else {
            out.append(contentsOf: raw)
        }
    }

    /// What lies between the quotes of a string value.
    @inline(__always)
    public func inside(_ string: Range<Int>) -> Range<Int> {
        string.count >= 2 ? string.lowerBound + 1..<string.upperBound - 1 : string.lowerBound..<string.lowerBound
    }
}
