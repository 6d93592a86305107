// Single values in Iceberg's three forms: bytes of bounds, Avro values of partition tuples, JSON of defaults.

import Columns
import Foundation

/// Values of Iceberg types.
enum SingleValue {
    // MARK: - Bytes (specification, appendix D)

    /// A bound; nil when its bytes are none of the type. A bound may be older than a promotion of its column.
    static func decode(_ bytes: [UInt8], _ type: IcebergType) -> Scalar? {
        let sql = type.sqlType
        switch type {
        case .boolean: return bytes.count == 1 ? .boolean(bytes[0] != 0) : nil
        case .int, .long, .time:
            return integer(bytes).map { Scalar(sql, .int($0)) }
        case .date:
            return bytes.count == 4 ? integer(bytes).map { Scalar(sql, .int($0)) } : nil
        case .timestamp, .timestamptz:
            guard let value = integer(bytes) else { return nil }
            // Four bytes are days, from before the column was promoted.
            return Scalar(sql, .int(bytes.count == 4 ? value &* Calendar.microsecondsPerDay : value))
        // Microseconds of nanoseconds: bounds are rounded down as the values are when they are read.
        case .timestampNanos, .timestamptzNanos:
            guard bytes.count == 8, let value = integer(bytes) else { return nil }
            return Scalar(sql, .int(floorDivide(value, 1000)))
        case .float, .double:
            if bytes.count == 4, let bits = integer(bytes) {
                return Scalar(sql, .double(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))))
            }
            return integer(bytes).map { Scalar(sql, .double(Double(bitPattern: UInt64(bitPattern: $0)))) }
        case .decimal: return bigEndian(bytes).map { Scalar(sql, .int128($0)) }
        case .string: return String(validating: bytes, as: UTF8.self).map { Scalar(.text, .string($0)) }
        case .uuid: return uuid(bytes).map { Scalar(sql, .int128($0)) }
        case .binary, .fixed: return Scalar(sql, .bytes(bytes))
        case .unknown, .row, .list, .map, .other: return nil
        }
    }

    /// The bytes of a value; nil for NULL and for types without them.
    static func encode(_ scalar: Scalar, _ type: IcebergType) -> [UInt8]? {
        switch (type, scalar.value) {
        case (.boolean, .bool(let flag)): return [flag ? 1 : 0]
        case (.int, .int(let value)), (.date, .int(let value)):
            return little(UInt32(truncatingIfNeeded: value))
        case (.long, .int(let value)), (.time, .int(let value)), (.timestamp, .int(let value)),
            (.timestamptz, .int(let value)):
            return little(UInt64(bitPattern: value))
        case (.timestampNanos, .int(let value)), (.timestamptzNanos, .int(let value)):
            let (nanos, overflow) = value.multipliedReportingOverflow(by: 1000)
            return overflow ? nil : little(UInt64(bitPattern: nanos))
        case (.float, .double(let value)): return little(Float(value).bitPattern)
        case (.double, .double(let value)): return little(value.bitPattern)
        case (.decimal, .int128(let value)): return minimalBigEndian(value)
        case (.string, .string(let text)): return Array(text.utf8)
        case (.uuid, .int128(let stored)): return withUnsafeBytes(of: UUIDBits.number(stored).bigEndian) { Array($0) }
        case (.binary, .bytes(let bytes)), (.fixed, .bytes(let bytes)): return bytes
        default: return nil
        }
    }

    private static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// Four or eight little-endian bytes.
    private static func integer(_ bytes: [UInt8]) -> Int64? {
        switch bytes.count {
        case 4: bytes.withUnsafeBytes { Int64(Int32(littleEndian: $0.loadUnaligned(as: Int32.self))) }
        case 8: bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(as: Int64.self)) }
        default: nil
        }
    }

    /// A big-endian two's complement number that Int128 holds.
    static func bigEndian(_ bytes: [UInt8]) -> Int128? {
        guard let first = bytes.first, bytes.count <= 16 else { return nil }
        var value = Int128(Int8(bitPattern: first))
        for byte in bytes.dropFirst() { value = value << 8 | Int128(byte) }
        return value
    }

    /// The fewest bytes of a big-endian two's complement number.
    static func minimalBigEndian(_ value: Int128) -> [UInt8] {
        var bytes = withUnsafeBytes(of: value.bigEndian) { Array($0) }
        let sign: UInt8 = value < 0 ? 0xff : 0
        while bytes.count > 1, bytes[0] == sign, (bytes[1] & 0x80 != 0) == (value < 0) { bytes.removeFirst() }
        return bytes
    }

    /// Bytes of a decimal's fixed type: the fewest for all its digits.
    static func fixedBytes(precision: Int) -> Int {
        var max: Int128 = 1
        for _ in 0..<min(precision, SQLType.precisionMax) { max *= 10 }
        return minimalBigEndian(max - 1).count
    }

    private static func uuid(_ bytes: [UInt8]) -> Int128? {
        guard bytes.count == 16 else { return nil }
        return UUIDBits.stored(bytes.withUnsafeBytes { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) })
    }

    static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return quotient &* divisor > value ? quotient &- 1 : quotient
    }

    // MARK: - Avro

    /// A partition value. Nanoseconds keep their digits as plain numbers.
    static func decode(_ value: AvroValue?, _ type: IcebergType) throws(Malformed) -> Scalar {
        let sql = type.isNanos ? .int8 : type.sqlType
        guard let value, value != .null else { return .null(sql) }
        switch (type, value) {
        case (.boolean, .bool(let flag)): return .boolean(flag)
        case (.int, .int(let number)), (.long, .int(let number)), (.date, .int(let number)),
            (.time, .int(let number)), (.timestamp, .int(let number)), (.timestamptz, .int(let number)),
            (.timestampNanos, .int(let number)), (.timestamptzNanos, .int(let number)):
            return Scalar(sql, .int(number))
        case (.float, .double(let number)), (.double, .double(let number)): return Scalar(sql, .double(number))
        case (.decimal, .bytes(let bytes)):
            if let number = bigEndian(bytes) { return Scalar(sql, .int128(number)) }
        case (.string, .string(let text)): return .text(text)
        case (.uuid, .bytes(let bytes)):
            if let stored = uuid(bytes) { return Scalar(sql, .int128(stored)) }
        case (.uuid, .string(let text)):
            if let stored = parseUUID(text) { return Scalar(sql, .int128(stored)) }
        case (.binary, .bytes(let bytes)), (.fixed, .bytes(let bytes)): return Scalar(sql, .bytes(bytes))
        default: break
        }
        throw Malformed("a partition value is not of type \(type.name)")
    }

    static func encode(_ scalar: Scalar, _ type: IcebergType, to encoder: inout AvroEncoder) {
        switch (type, scalar.value) {
        case (_, .null): encoder.long(0)
        case (_, .bool(let flag)):
            encoder.long(1)
            encoder.bool(flag)
        case (_, .int(let number)):
            encoder.long(1)
            encoder.long(number)
        case (.float, .double(let number)):
            encoder.long(1)
            encoder.float(Float(number))
        case (_, .double(let number)):
            encoder.long(1)
            encoder.double(number)
        case (.uuid, .int128(let stored)):
            encoder.long(1)
            encoder.raw(withUnsafeBytes(of: UUIDBits.number(stored).bigEndian) { Array($0) })
        case (.decimal(let precision, _), .int128(let number)):
            encoder.long(1)
            let width = fixedBytes(precision: precision)
            let all = withUnsafeBytes(of: number.bigEndian) { Array($0) }
            encoder.raw(Array(all.suffix(width)))
        case (_, .string(let text)):
            encoder.long(1)
            encoder.string(text)
        case (.fixed, .bytes(let bytes)):
            encoder.long(1)
            encoder.raw(bytes)
        case (_, .bytes(let bytes)):
            encoder.long(1)
            encoder.block(bytes)
        default: encoder.long(0)
        }
    }

    /// The Avro type of partition values, without the union with null.
    static func avroType(_ type: IcebergType, fieldID: Int32) -> JSON {
        func logical(_ base: String, _ name: String) -> JSON {
            .object(["type": .string(base), "logicalType": .string(name)])
        }
        switch type {
        case .boolean: return .string("boolean")
        case .int: return .string("int")
        case .long: return .string("long")
        case .float: return .string("float")
        case .double: return .string("double")
        case .date: return logical("int", "date")
        case .time: return logical("long", "time-micros")
        case .timestamp, .timestamptz, .timestampNanos, .timestamptzNanos:
            return .object([
                "type": .string("long"),
                "logicalType": .string(type.isNanos ? "timestamp-nanos" : "timestamp-micros"),
                "adjust-to-utc": .bool(type == .timestamptz || type == .timestamptzNanos),
            ])
        case .string, .unknown, .row, .list, .map, .other: return .string("string")
        case .binary: return .string("bytes")
        case .uuid:
            return .object([
                "type": .string("fixed"), "name": .string("uuid_fixed_\(fieldID)"), "size": .int(16),
                "logicalType": .string("uuid"),
            ])
        case .fixed(let length):
            return .object([
                "type": .string("fixed"), "name": .string("fixed_\(fieldID)"), "size": .int(length),
            ])
        case .decimal(let precision, let scale):
            return .object([
                "type": .string("fixed"), "name": .string("decimal_\(fieldID)"),
                "size": .int(fixedBytes(precision: precision)), "logicalType": .string("decimal"),
                "precision": .int(precision), "scale": .int(scale),
            ])
        }
    }

    // MARK: - JSON (specification, appendix D)

    /// A default value; nil when it is none of the type.
    static func decode(_ json: JSON, _ type: IcebergType) -> Scalar? {
        let sql = type.sqlType
        switch (type, json) {
        case (_, .null): return .null(sql)
        case (.boolean, .bool(let flag)): return .boolean(flag)
        case (.int, .number), (.long, .number): return json.asInt.map { Scalar(sql, .int($0)) }
        case (.float, .number), (.double, .number): return json.asDouble.map { Scalar(sql, .double($0)) }
        case (.string, .string(let text)): return .text(text)
        case (.uuid, .string(let text)): return parseUUID(text).map { Scalar(sql, .int128($0)) }
        case (.binary, .string(let text)), (.fixed, .string(let text)): return hex(text).map { Scalar(sql, .bytes($0)) }
        case (.decimal, .string(let text)), (.date, .string(let text)), (.time, .string(let text)),
            (.timestamp, .string(let text)), (.timestamptz, .string(let text)),
            (.timestampNanos, .string(let text)), (.timestamptzNanos, .string(let text)):
            return try? TextParse.scalar(text, as: sql)
        default: return nil
        }
    }

    /// A value as JSON; nil for NULL and for values that JSON cannot say.
    static func json(_ scalar: Scalar, _ type: IcebergType) -> JSON? {
        switch (type, scalar.value) {
        case (_, .null): return nil
        case (.boolean, .bool(let flag)): return .bool(flag)
        case (.int, .int(let number)), (.long, .int(let number)): return .int(number)
        case (.float, .double(let number)), (.double, .double(let number)):
            return number.isFinite ? .number("\(number)") : nil
        case (.string, .string(let text)): return .string(text)
        case (.binary, .bytes(let bytes)), (.fixed, .bytes(let bytes)):
            return .string(bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined())
        case (.timestamp, .int), (.timestamptz, .int):
            guard let text = scalar.outputText() else { return nil }
            let parts = text.split(separator: " ")
            guard parts.count == 2 else { return nil }
            let time = parts[1].hasSuffix("+00") ? parts[1] + ":00" : parts[1]
            return .string("\(parts[0])T\(time)")
        default: return scalar.outputText().map { .string($0) }
        }
    }

    private static func hex(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes
    }

    private static func parseUUID(_ text: String) -> Int128? {
        hex(text.filter { $0 != "-" }).flatMap { uuid($0) }
    }
}
