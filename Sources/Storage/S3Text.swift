// The text of S3: URLs, headers, times and the XML of listings and errors.

import Diagnostics
import Foundation

/// Percent encoding as SigV4 wants it.
enum URLText {
    static func encode(_ text: String, keepingSlashes: Bool = false) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            case UInt8(ascii: "/") where keepingSlashes: bytes.append(byte)
            default:
                bytes.append(UInt8(ascii: "%"))
                bytes.append(digits[Int(byte >> 4)])
                bytes.append(digits[Int(byte & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Undoes the encoding of listings, where a plus is a space. Nil if that gives no UTF-8.
    static func decode(_ text: String) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") {
                bytes.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit)
                else { return nil }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// `bytes 0-99/1234`: which part of the object a body holds.
struct ContentRange: Equatable {
    let lower: Int64
    /// Exclusive.
    let upper: Int64
    /// Nil for `*`.
    let total: Int64?

    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
        let halves = words[1].split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int64(ends[0]), let last = Int64(ends[1]), first >= 0, last >= first,
            last < Int64.max
        else { return nil }
        if halves[1] == "*" {
            total = nil
        } else {
            guard let size = Int64(halves[1]), size > last else { return nil }
            total = size
        }
        lower = first
        upper = last + 1
    }
}

/// The two forms of time S3 uses, in microseconds since 1970.
enum S3Time {
    /// `2009-10-12T17:50:30.000Z`
    static func ofListing(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 19, bytes[4] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: "T") else { return nil }
        guard let year = number(bytes, 0, 4), let month = number(bytes, 5, 2), let day = number(bytes, 8, 2),
            let hour = number(bytes, 11, 2), let minute = number(bytes, 14, 2), let second = number(bytes, 17, 2)
        else { return nil }
        var fraction: Int64 = 0
        var scale: Int64 = 100_000
        if bytes.count > 19, bytes[19] == UInt8(ascii: ".") {
            for byte in bytes[20...] {
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { break }
                fraction += Int64(byte - UInt8(ascii: "0")) * scale
                scale /= 10
            }
        }
        return microseconds(year, month, day, hour, minute, second).map { $0 + fraction }
    }

    /// `Mon, 12 Oct 2009 17:50:30 GMT`
    static func ofHeader(_ text: String) -> Int64? {
        let words = text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "-" })
        guard words.count >= 5, let day = Int64(words[1]), let year = Int64(words[3]) else { return nil }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let month = months.firstIndex(of: String(words[2])) else { return nil }
        let clock = words[4].split(separator: ":").compactMap { Int64($0) }
        guard clock.count == 3 else { return nil }
        return microseconds(year, Int64(month) + 1, day, clock[0], clock[1], clock[2])
    }

    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for byte in bytes[start..<start + count] {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return value
    }

    private static func microseconds(
        _ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64, _ minute: Int64, _ second: Int64
    ) -> Int64? {
        guard (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0..<24).contains(hour),
            (0..<60).contains(minute), (0...60).contains(second)
        else { return nil }
        // Days from the civil calendar, years starting in March.
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000
    }
}

/// `<Error><Code>..</Code><Message>..</Message></Error>`; empty if the body is something else.
struct S3ErrorDocument {
    private(set) var code: String?
    private(set) var message: String?

    init(_ body: [UInt8]) {
        var code: String?
        var message: String?
        let isWhole = XMLScanner.scan(body) { path, text in
            if path == ["Error", "Code"] { code = text }
            if path == ["Error", "Message"] { message = text }
        }
        guard isWhole else { return }
        self.code = code
        self.message = message
    }
}

/// One page of ListObjectsV2.
struct S3ListPage {
    struct Entry: Equatable {
        var key = ""
        var sizeBytes: Int64 = 0
        var modified: Int64 = 0
        var etag: String?
    }
    private(set) var entries: [Entry] = []
    private(set) var prefixes: [String] = []
    private(set) var isTruncated = false
    private(set) var nextToken: String?

    /// Whether the end of the body is that of a whole listing; telling more takes reading it.
    static func isListing(_ body: [UInt8]) -> Bool {
        String(decoding: body.suffix(64), as: UTF8.self).contains("ListBucketResult")
    }

    /// Nil if the body is no listing.
    init?(_ body: [UInt8]) {
        var entries: [Entry] = []
        var prefixes: [String] = []
        var entry = Entry()
        var isURLEncoded = false
        var isTruncated = false
        var nextToken: String?
        var isGood = true
        var hasRoot = false
        let isWhole = XMLScanner.scan(body) { path, text in
            guard path.first == "ListBucketResult" else { return }
            hasRoot = true
            switch (path.count, path.count > 2 ? path[1] : "", path.last ?? "") {
            case (2, _, "EncodingType"): isURLEncoded = text == "url"
            case (2, _, "IsTruncated"): isTruncated = text == "true"
            case (2, _, "NextContinuationToken"): nextToken = text
            case (2, _, "Contents"):
                entries.append(entry)
                entry = Entry()
            case (3, "Contents", "Key"): entry.key = text
            case (3, "Contents", "Size"):
                if let size = Int64(text), size >= 0 { entry.sizeBytes = size } else { isGood = false }
            case (3, "Contents", "LastModified"): entry.modified = S3Time.ofListing(text) ?? 0
            case (3, "Contents", "ETag"): entry.etag = ETag.bare(text)
            case (3, "CommonPrefixes", "Prefix"): prefixes.append(text)
            default: break
            }
        }
        guard isWhole, hasRoot, isGood else { return nil }
        if isURLEncoded {
            for index in entries.indices {
                guard let key = URLText.decode(entries[index].key) else { return nil }
                entries[index].key = key
            }
            for index in prefixes.indices {
                guard let prefix = URLText.decode(prefixes[index]) else { return nil }
                prefixes[index] = prefix
            }
        }
        self.entries = entries
        self.prefixes = prefixes
        self.isTruncated = isTruncated
        self.nextToken = nextToken
    }
}

/// Entity tags come with quotes in some places and without in others.
enum ETag {
    static func bare(_ text: String) -> String {
        text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
    }
}
