// Partition transforms (specification, "Partition Transforms"): of single values, and of conditions for pruning.

import Catalogs
import Columns

/// How a partition value follows from a column's.
enum Transform: Hashable, Sendable {
    case identity, year, month, day, hour, void
    case bucket(Int)
    case truncate(Int)
    /// A transform that this program does not know: nothing is pruned by it, and nothing written with it.
    case other(String)

    init(_ text: String) {
        switch text {
        case "identity": self = .identity
        case "year", "years": self = .year
        case "month", "months": self = .month
        case "day", "days": self = .day
        case "hour", "hours": self = .hour
        case "void": self = .void
        default:
            if let open = text.firstIndex(of: "["), text.hasSuffix("]"),
                let number = Int(text[text.index(after: open)...].dropLast()), number > 0, number <= Int(Int32.max)
            {
                switch text[..<open] {
                case "bucket": self = .bucket(number)
                case "truncate": self = .truncate(number)
                default: self = .other(text)
                }
            } else {
                self = .other(text)
            }
        }
    }

    init(_ transform: PartitionTransform) {
        switch transform {
        case .identity: self = .identity
        case .bucket(let count): self = .bucket(count)
        case .truncate(let width): self = .truncate(width)
        case .year: self = .year
        case .month: self = .month
        case .day: self = .day
        case .hour: self = .hour
        }
    }

    var name: String {
        switch self {
        case .identity: "identity"
        case .year: "year"
        case .month: "month"
        case .day: "day"
        case .hour: "hour"
        case .void: "void"
        case .bucket(let count): "bucket[\(count)]"
        case .truncate(let width): "truncate[\(width)]"
        case .other(let text): text
        }
    }

    /// The name that a partition field gets: `d`, `d_day`, `id_bucket_16`.
    func fieldName(_ column: String) -> String {
        switch self {
        case .identity: column
        case .bucket(let count): "\(column)_bucket_\(count)"
        case .truncate(let width): "\(column)_trunc_\(width)"
        case .void: "\(column)_null"
        default: "\(column)_\(name)"
        }
    }

    /// The type of partition values.
    func result(of source: IcebergType) -> IcebergType {
        switch self {
        case .identity, .truncate, .void: source
        case .year, .month, .hour, .bucket: .int
        case .day: .date
        case .other: .string
        }
    }

    func applies(to source: IcebergType) -> Bool {
        switch (self, source) {
        case (.void, _): return true
        case (_, .other), (_, .unknown), (_, .row), (_, .list), (_, .map): return false
        case (.identity, _): return true
        case (.bucket, .boolean), (.bucket, .float), (.bucket, .double): return false
        case (.bucket, _): return true
        case (.truncate, .int), (.truncate, .long), (.truncate, .decimal), (.truncate, .string), (.truncate, .binary):
            return true
        case (.year, .date), (.month, .date), (.day, .date): return true
        case (.year, _), (.month, _), (.day, _), (.hour, _):
            return [.timestamp, .timestamptz, .timestampNanos, .timestamptzNanos].contains(source)
        default: return false
        }
    }

    // MARK: - Values

    /// The partition value of a column's value, which is of its type; nil when the transform cannot make one.
    func apply(_ value: Scalar, _ source: IcebergType) -> Scalar? {
        let type = result(of: source).sqlType
        if value.isNull || self == .void { return .null(type) }
        switch self {
        case .identity: return value
        case .bucket(let count):
            return Transform.hash(value, source).map { Scalar(.int4, .int(Int64($0 & 0x7fff_ffff) % Int64(count))) }
        case .truncate(let width): return Transform.truncate(value, Int64(width))
        case .year, .month, .day, .hour:
            guard case .int(let number) = value.value else { return nil }
            return Scalar(type, .int(units(number, isDate: source == .date)))
        case .void, .other: return nil
        }
    }

    /// Whole units since 1970 of days or microseconds.
    func units(_ number: Int64, isDate: Bool) -> Int64 {
        let perDay = Calendar.microsecondsPerDay
        if self == .hour { return SingleValue.floorDivide(number, Calendar.microsecondsPerHour) }
        let days = isDate ? number : SingleValue.floorDivide(number, perDay)
        if self == .day { return days }
        let civil = Calendar.civil(Int(days))
        return Int64(self == .year ? civil.year - 1970 : (civil.year - 1970) * 12 + civil.month - 1)
    }

    private static func truncate(_ value: Scalar, _ width: Int64) -> Scalar? {
        switch value.value {
        case .int(let number): return Scalar(value.type, .int(floored(number, width)))
        case .int128(let number): return Scalar(value.type, .int128(floored(number, Int128(width))))
        case .string(let text): return Scalar(value.type, .string(prefix(text, Int(width))))
        case .bytes(let bytes): return Scalar(value.type, .bytes(Array(bytes.prefix(Int(width)))))
        default: return nil
        }
    }

    static func floored<T: FixedWidthInteger & SignedInteger>(_ value: T, _ width: T) -> T {
        let rest = value % width
        return value &- (rest < 0 ? rest &+ width : rest)
    }

    /// The first code points of a text.
    static func prefix(_ text: String, _ count: Int) -> String { String(text.unicodeScalars.prefix(count)) }

    /// The hash of a value, as all engines compute it.
    static func hash(_ value: Scalar, _ source: IcebergType) -> UInt32? {
        switch (source, value.value) {
        case (.int, .int(let number)), (.long, .int(let number)), (.date, .int(let number)),
            (.time, .int(let number)), (.timestamp, .int(let number)), (.timestamptz, .int(let number)),
            (.timestampNanos, .int(let number)), (.timestamptzNanos, .int(let number)):
            return Murmur3.hash(number)
        case (.boolean, _), (.float, _), (.double, _): return nil
        default: return SingleValue.encode(value, source).map { $0.withUnsafeBytes { Murmur3.hash($0) } }
        }
    }

    // MARK: - Conditions

    /// What a condition on the column leaves of the partition values; nil when it says nothing about them.
    func project(_ domain: ColumnDomain, _ source: IcebergType) -> ColumnDomain? {
        if source.isNanos { return nil }
        let type = source.sqlType
        func made(_ value: Scalar) -> Scalar? { Transform.coerce(value, to: type).flatMap { apply($0, source) } }
        switch self {
        case .void, .other: return nil
        case .identity: return domain
        case .bucket:
            guard let values = domain.values ?? domain.single.map({ [$0] }) else { return nil }
            var buckets: Set<Scalar> = []
            for value in values {
                guard let bucket = made(value) else { return nil }
                buckets.insert(bucket)
            }
            return ColumnDomain(values: Array(buckets), allowsNull: domain.allowsNull)
        case .truncate, .year, .month, .day, .hour:
            var result = ColumnDomain(allowsNull: domain.allowsNull)
            if let values = domain.values {
                if values.isEmpty { return domain }
                var mapped: [Scalar] = []
                for value in values {
                    guard let one = made(value) else { return nil }
                    mapped.append(one)
                    if let next = padded(one) { mapped.append(next) }
                }
                result.values = mapped
            }
            if let low = domain.low { result.low = made(low) }
            if let high = domain.high, var last = Transform.coerce(high, to: type) {
                if !domain.isHighInclusive, case .int(let number) = last.value, number > Int64.min {
                    last.value = .int(number - 1)
                }
                result.high = apply(last, source).map { padded($0) ?? $0 }
            }
            return result
        }
    }

    /// Old writers rounded instants before 1970 up: the value that they gave instead.
    private func padded(_ value: Scalar) -> Scalar? {
        switch self {
        case .year, .month, .day, .hour:
            guard case .int(let number) = value.value, number < 0 else { return nil }
            return Scalar(value.type, .int(number + 1))
        default: return nil
        }
    }

    /// A literal as a value of the column's type, if that needs no rounding.
    static func coerce(_ value: Scalar, to type: SQLType) -> Scalar? {
        if value.type == type || value.isNull { return value }
        switch (value.value, type) {
        case (.int(let number), .int4):
            return value.type.isInteger && Int32(exactly: number) != nil ? Scalar(type, .int(number)) : nil
        case (.int(let number), .int8): return value.type.isInteger ? Scalar(type, .int(number)) : nil
        case (.int(let number), .timestamp):
            guard value.type == .date, abs(number) < 100_000_000 else { return nil }
            return Scalar(type, .int(number * Calendar.microsecondsPerDay))
        case (.string(let text), .text):
            if case .char = value.type { return nil }
            return .text(text)
        case (.int128(let number), .decimal(_, let scale)):
            guard case .decimal(_, let mine) = value.type else { return nil }
            return rescale(number, mine, scale).map { Scalar(type, .int128($0)) }
        case (.numeric(let mantissa, let mine), .decimal(_, let scale)):
            guard Numeric(mantissa, scale: mine).isFinite else { return nil }
            return rescale(mantissa, mine, scale).map { Scalar(type, .int128($0)) }
        case (.int(let number), .decimal(_, let scale)):
            return value.type.isInteger ? rescale(Int128(number), 0, scale).map { Scalar(type, .int128($0)) } : nil
        default: return nil
        }
    }

    private static func rescale(_ number: Int128, _ from: Int, _ to: Int) -> Int128? {
        guard abs(from - to) <= SQLType.precisionMax else { return nil }
        var result = number
        for _ in from..<max(from, to) {
            let (product, overflow) = result.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            result = product
        }
        for _ in to..<max(from, to) {
            guard result % 10 == 0 else { return nil }
            result /= 10
        }
        return result
    }
}

/// MurmurHash3, 32 bits for x86, seed 0.
enum Murmur3 {
    /// The hash of a number's eight little-endian bytes.
    static func hash(_ value: Int64) -> UInt32 {
        let bits = UInt64(bitPattern: value)
        var hash: UInt32 = 0
        mix(&hash, UInt32(truncatingIfNeeded: bits))
        mix(&hash, UInt32(truncatingIfNeeded: bits >> 32))
        return finish(hash, 8)
    }

    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var hash: UInt32 = 0
        var at = 0
        while bytes.count - at >= 4 {
            mix(&hash, UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
            at += 4
        }
        if at < bytes.count {
            var last: UInt32 = 0
            for index in at..<bytes.count { last |= UInt32(bytes[index]) << UInt32((index - at) * 8) }
            hash ^= scrambled(last)
        }
        return finish(hash, bytes.count)
    }

    @inline(__always)
    private static func scrambled(_ word: UInt32) -> UInt32 {
        let product = word &* 0xcc9e_2d51
        return (product << 15 | product >> 17) &* 0x1b87_3593
    }

    @inline(__always)
    private static func mix(_ hash: inout UInt32, _ word: UInt32) {
        hash ^= scrambled(word)
        hash = (hash << 13 | hash >> 19) &* 5 &+ 0xe654_6b64
    }

    private static func finish(_ hash: UInt32, _ count: Int) -> UInt32 {
        var hash = hash ^ UInt32(truncatingIfNeeded: count)
        hash = (hash ^ hash >> 16) &* 0x85eb_ca6b
        hash = (hash ^ hash >> 13) &* 0xc2b2_ae35
        return hash ^ hash >> 16
    }
}
