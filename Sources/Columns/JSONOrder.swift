// The order of jsonb values: a key of bytes for each, which compare as PostgreSQL compares the values.
public import Diagnostics

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

public enum JSONOrder {
    private enum Mark {
        static let null: UInt8 = 1
        static let string: UInt8 = 2
        static let number: UInt8 = 3
        static let boolean: UInt8 = 4
        static let array: UInt8 = 5
        static let object: UInt8 = 6
        // In the outermost place: an empty array comes before all scalars, as it does in PostgreSQL.
        static let emptyArray: UInt8 = 1
        static let scalar: UInt8 = 2
    }

    /// Whether two values are equal.
    public static func isEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) throws(SQLError) -> Bool {
        if a.count == b.count, a.elementsEqual(b) { return true }
        return try compare(a, b) == 0
    }

    /// Negative, zero or positive.
    public static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) throws(SQLError) -> Int {
        var (x, y): ([UInt8], [UInt8]) = ([], [])
        try appendKey(a, to: &x)
        try appendKey(b, to: &y)
        let order = memcmp(x, y, min(x.count, y.count))
        return order != 0 ? Int(order) : x.count - y.count
    }

    /// Bytes that are the same for equal values. What is no JSON (which jsonb cannot hold) stands for itself.
    public static func equalityKey(_ value: [UInt8]) -> [UInt8] {
        var key: [UInt8] = []
        let made = value.withUnsafeBytes { raw in Result { () throws(SQLError) in try appendKey(raw, to: &key) } }
        if case .failure = made { return value }
        return key
    }

    /// Appends bytes that sort as the value does.
    public static func appendKey(_ value: UnsafeRawBufferPointer, to out: inout [UInt8]) throws(SQLError) {
        let scan = JSONScan(value)
        let start = scan.skipBlanks(0)
        switch scan.kind(start) {
        case .array where scan.count(start) == 0: out.append(Mark.emptyArray)
        case .array, .object: try append(scan, start..<scan.skipValue(start), 0, &out)
        default:
            out.append(Mark.scalar)
            try append(scan, start..<scan.skipValue(start), 0, &out)
        }
    }

    private static func append(
        _ scan: JSONScan, _ range: Range<Int>, _ depth: Int, _ out: inout [UInt8]
    ) throws(SQLError) {
        guard depth <= JSONText.depthMax else {
            throw SQLError(.statementTooComplex, "stack depth limit exceeded")
        }
        switch scan.kind(range.lowerBound) {
        case .null: out.append(Mark.null)
        case .boolean: out.append(contentsOf: [Mark.boolean, scan.base[range.lowerBound] == UInt8(ascii: "t") ? 1 : 0])
        case .string:
            out.append(Mark.string)
            scan.appendText(scan.inside(range), to: &out)
            out.append(0)
        case .number:
            out.append(Mark.number)
            try JSONNumber.appendKey(UnsafeBufferPointer(rebasing: scan.numbers(range)), to: &out)
        case .array:
            out.append(Mark.array)
            appendCount(scan.count(range.lowerBound), &out)
            var at = range.lowerBound
            var isFirst = true
            while let element = scan.nextElement(&at, &isFirst) { try append(scan, element, depth + 1, &out) }
        case .object:
            out.append(Mark.object)
            appendCount(scan.count(range.lowerBound), &out)
            var at = range.lowerBound
            while let member = scan.nextMember(&at) {
                scan.appendText(member.key, to: &out)
                out.append(0)
                try append(scan, member.value, depth + 1, &out)
            }
        }
    }

    private static func appendCount(_ count: Int, _ out: inout [UInt8]) {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: count).bigEndian) { out.append(contentsOf: $0) }
    }
}

extension JSONScan {
    fileprivate func numbers(_ range: Range<Int>) -> Slice<UnsafeBufferPointer<UInt8>> {
        UnsafeBufferPointer(start: base, count: end)[range]
    }
}

extension JSONNumber {
    /// Appends bytes that sort as the number does, whatever its trailing zeros are.
    static func appendKey(_ text: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) throws(SQLError) {
        let parts = try parts(text)
        guard let first = parts.digits.firstIndex(where: { $0 != 48 }),
            let last = parts.digits.lastIndex(where: { $0 != 48 })
        else {
            out.append(1)
            return
        }
        // 0.digits times ten to the power of `weight`.
        let weight = UInt32(truncatingIfNeeded: parts.digits.count - first - parts.scale + (1 << 30))
        var key: [UInt8] = []
        withUnsafeBytes(of: weight.bigEndian) { key.append(contentsOf: $0) }
        key.append(contentsOf: parts.digits[first...last])
        key.append(0)
        out.append(parts.isNegative ? 0 : 2)
        out.append(contentsOf: parts.isNegative ? key.map { ~$0 } : key)
    }

    /// Orders two numbers.
    public static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) throws(SQLError) -> Int {
        var (x, y): ([UInt8], [UInt8]) = ([], [])
        try appendKey(a.bindMemory(to: UInt8.self), to: &x)
        try appendKey(b.bindMemory(to: UInt8.self), to: &y)
        let order = memcmp(x, y, min(x.count, y.count))
        return order != 0 ? Int(order) : x.count - y.count
    }
}

extension StringView {
    /// Bytes that order jsonb values; equal for equal values.
    var jsonKey: [UInt8] { withBytes { JSONOrder.equalityKey(Array($0)) } }

    /// Orders two jsonb values.
    static func compareJSON(_ a: StringView, _ b: StringView) -> Int {
        if equal(a, b) { return 0 }
        let (x, y) = (a.jsonKey, b.jsonKey)
        let order = memcmp(x, y, min(x.count, y.count))
        return order != 0 ? Int(order) : x.count - y.count
    }
}
