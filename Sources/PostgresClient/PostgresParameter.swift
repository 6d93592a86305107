// Values on their way to a PostgreSQL server, in its binary format.
public import Foundation

/// A parameter of a statement.
public enum PostgresParameter: Sendable {
    case text(String)
    case int8(Int64)
    case int8OrNull(Int64?)
    case bool(Bool)
    case bytes([UInt8])
    case texts([String])
    case bytesArray([[UInt8]])
    case dataArray([Data])

    /// The server's type.
    var oid: UInt32 {
        switch self {
        case .text: 25
        case .int8, .int8OrNull: 20
        case .bool: 16
        case .bytes: 17
        case .texts: 1_009
        case .bytesArray, .dataArray: 1_001
        }
    }

    /// nil for NULL.
    var encoded: [UInt8]? {
        switch self {
        case .text(let text): Array(text.utf8)
        case .int8(let number): PostgresParameter.bigEndian(number)
        case .int8OrNull(let number): number.map { PostgresParameter.bigEndian($0) }
        case .bool(let value): [value ? 1 : 0]
        case .bytes(let bytes): bytes
        case .texts(let texts): PostgresParameter.array(texts.map(\.utf8), element: 25)
        case .bytesArray(let values): PostgresParameter.array(values, element: 17)
        case .dataArray(let values): PostgresParameter.array(values, element: 17)
        }
    }

    private static func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    /// One dimension, no NULLs.
    private static func array(_ values: [some Collection<UInt8>], element: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(20 + values.reduce(0) { $0 + 4 + $1.count })
        for word: Int32 in [values.isEmpty ? 0 : 1, 0, Int32(bitPattern: element)] { bytes += bigEndian(word) }
        if values.isEmpty { return bytes }
        for word: Int32 in [Int32(truncatingIfNeeded: values.count), 1] { bytes += bigEndian(word) }
        for value in values {
            bytes += bigEndian(Int32(truncatingIfNeeded: value.count))
            bytes += value
        }
        return bytes
    }
}
