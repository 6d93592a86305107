// Whether bytes are one JSON value, said fast for most texts: one loop without calls. Where it is not certain, or errors
// are to be told, ``JSONText`` reads the text again. Hot.

enum JSONCheck {
    /// What a byte means where a value, or something between values, is expected.
    private enum Sign {
        static let quote = UInt8(ascii: "\"")
        static let slash = UInt8(ascii: "\\")
    }

    /// Levels that one word of bits keeps.
    private static let depthMax = 60

    /// True: the bytes are JSON. False: they may be none.
    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let raw = bytes.baseAddress else { return false }
        let base = raw.assumingMemoryBound(to: UInt8.self)
        let end = bytes.count
        var at = 0
        // A bit a level: 1 for objects.
        var levels: UInt64 = 0
        var depth = 0
        while true {
            // A value.
            while at < end, base[at] <= 32 {
                if !isBlank(base[at]) { return false }
                at &+= 1
            }
            guard at < end else { return false }
            switch base[at] {
            case Sign.quote:
                at = skipString(base, end, at)
                if at < 0 { return false }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                let isObject = base[at] == UInt8(ascii: "{")
                at &+= 1
                while at < end, base[at] <= 32 {
                    if !isBlank(base[at]) { return false }
                    at &+= 1
                }
                guard at < end else { return false }
                if base[at] == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    at &+= 1
                    break
                }
                guard depth < depthMax else { return false }
                levels = levels &<< 1 | (isObject ? 1 : 0)
                depth &+= 1
                if isObject {
                    at = skipKey(base, end, at)
                    if at < 0 { return false }
                }
                continue
            case UInt8(ascii: "t"):
                guard end &- at >= 4, base[at &+ 1] == 114, base[at &+ 2] == 117, base[at &+ 3] == 101 else {
                    return false
                }
                at &+= 4
            case UInt8(ascii: "n"):
                guard end &- at >= 4, base[at &+ 1] == 117, base[at &+ 2] == 108, base[at &+ 3] == 108 else {
                    return false
                }
                at &+= 4
            case UInt8(ascii: "f"):
                guard end &- at >= 5, base[at &+ 1] == 97, base[at &+ 2] == 108, base[at &+ 3] == 115,
                    base[at &+ 4] == 101
                else { return false }
                at &+= 5
            default:
                at = skipNumber(base, end, at)
                if at < 0 { return false }
            }
            // What follows it.
            while true {
                while at < end, base[at] <= 32 {
                    if !isBlank(base[at]) { return false }
                    at &+= 1
                }
                if depth == 0 { return at == end }
                guard at < end else { return false }
                let byte = base[at]
                at &+= 1
                if byte == UInt8(ascii: ",") {
                    if levels & 1 == 1 {
                        while at < end, base[at] <= 32 {
                            if !isBlank(base[at]) { return false }
                            at &+= 1
                        }
                        at = skipKey(base, end, at)
                        if at < 0 { return false }
                    }
                    break
                }
                guard byte == (levels & 1 == 1 ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
                levels &>>= 1
                depth &-= 1
            }
        }
    }

    @inline(__always)
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 10 || byte == 13 || byte == 9 }

    /// Behind a key and its colon; -1 where there is none.
    @inline(__always)
    private static func skipKey(_ base: UnsafePointer<UInt8>, _ end: Int, _ start: Int) -> Int {
        guard start < end, base[start] == Sign.quote else { return -1 }
        var at = skipString(base, end, start)
        guard at >= 0 else { return -1 }
        while at < end, isBlank(base[at]) { at &+= 1 }
        guard at < end, base[at] == UInt8(ascii: ":") else { return -1 }
        return at &+ 1
    }

    /// Behind the closing quote; -1 for strings that need a closer look.
    @inline(__always)
    private static func skipString(_ base: UnsafePointer<UInt8>, _ end: Int, _ start: Int) -> Int {
        var at = start &+ 1
        while true {
            // Eight bytes at a time up to a quote, a backslash or a control character.
            while at &+ 8 <= end {
                let word = UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self)
                let ones: UInt64 = 0x0101_0101_0101_0101
                let quote = word ^ 0x2222_2222_2222_2222
                let slash = word ^ 0x5c5c_5c5c_5c5c_5c5c
                let found =
                    ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash)
                    | ((word &- 0x2020_2020_2020_2020) & ~word)
                let hit = found & 0x8080_8080_8080_8080
                if hit == 0 {
                    at &+= 8
                    continue
                }
                at &+= hit.trailingZeroBitCount &>> 3
                break
            }
            guard at < end else { return -1 }
            let byte = base[at]
            if byte == Sign.quote { return at &+ 1 }
            if byte < 32 { return -1 }
            at &+= 1
            guard byte == Sign.slash else { continue }
            guard at < end else { return -1 }
            switch base[at] {
            case Sign.quote, Sign.slash, UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
                UInt8(ascii: "r"), UInt8(ascii: "t"):
                at &+= 1
            case UInt8(ascii: "u"):
                guard end &- at > 4 else { return -1 }
                var code: UInt32 = 0
                for step in 1...4 {
                    guard let digit = JSONEscape.hexDigit(base[at &+ step]) else { return -1 }
                    code = code &<< 4 | digit
                }
                // Pairs, and the zero that text cannot hold, are looked at closely.
                guard code != 0, code &>> 11 != 27 else { return -1 }
                at &+= 5
            default: return -1
            }
        }
    }

    /// Behind a number; -1 where there is none.
    @inline(__always)
    private static func skipNumber(_ base: UnsafePointer<UInt8>, _ end: Int, _ start: Int) -> Int {
        var at = start
        if base[at] == UInt8(ascii: "-") { at &+= 1 }
        guard at < end, base[at] &- 48 < 10 else { return -1 }
        if base[at] == 48 {
            at &+= 1
        } else {
            while at < end, base[at] &- 48 < 10 { at &+= 1 }
        }
        if at < end, base[at] == UInt8(ascii: ".") {
            at &+= 1
            let first = at
            while at < end, base[at] &- 48 < 10 { at &+= 1 }
            guard at > first else { return -1 }
        }
        if at < end, base[at] | 32 == UInt8(ascii: "e") {
            at &+= 1
            if at < end, base[at] == UInt8(ascii: "+") || base[at] == UInt8(ascii: "-") { at &+= 1 }
            let first = at
            while at < end, base[at] &- 48 < 10 { at &+= 1 }
            guard at > first else { return -1 }
        }
        // What may stand behind a number; anything else makes it a bad token.
        if at < end {
            switch base[at] {
            case 32, 10, 13, 9, UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"): break
            default: return -1
            }
        }
        return at
    }
}
