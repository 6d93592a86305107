// Statistics of chunks and pages: which bounds can be trusted, and what they mean as SQL values.
// (Parquet specification, parquet.thrift: Statistics, ColumnOrder.)

import Columns

enum StatisticsReader {
    private typealias Kind = ThriftReader.Kind

    /// Reads a Statistics structure.
    static func read(
        _ reader: inout ThriftReader, _ leaf: Leaf, isOrderKnown: Bool
    ) throws(Damage) -> ChunkStatistics {
        var last: Int32 = 0
        var oldMax: Range<Int>?
        var oldMin: Range<Int>?
        var max: Range<Int>?
        var min: Range<Int>?
        var result = ChunkStatistics(isMinExact: true, isMaxExact: true)
        var nanCount: Int64?
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Kind.binary): oldMax = try reader.binary()
            case (2, Kind.binary): oldMin = try reader.binary()
            case (3, Kind.int64): result.nullCount = try reader.integer()
            case (4, Kind.int64): result.distinctCount = try reader.integer()
            case (5, Kind.binary): max = try reader.binary()
            case (6, Kind.binary): min = try reader.binary()
            case (7, Kind.yes), (7, Kind.no): result.isMaxExact = field.kind == Kind.yes
            case (8, Kind.yes), (8, Kind.no): result.isMinExact = field.kind == Kind.yes
            case (9, Kind.int64): nanCount = try reader.integer()
            default: try reader.skip(field)
            }
        }
        if let count = result.nullCount, count < 0 { result.nullCount = nil }
        // The old fields were compared as signed bytes, whatever the type: right for signed numbers only.
        if min == nil, max == nil, isOldOrderRight(leaf) {
            min = oldMin
            max = oldMax
        } else if !isOrderKnown {
            min = nil
            max = nil
        }
        set(&result, min: min, max: max, in: reader.base, leaf)
        if result.mayHaveNaN, nanCount == 0 { result.mayHaveNaN = false }
        return result
    }

    /// Sets bounds from stored bytes; those that cannot be trusted stay nil.
    static func set(
        _ result: inout ChunkStatistics, min: Range<Int>?, max: Range<Int>?, in base: UnsafeRawPointer, _ leaf: Leaf
    ) {
        let isFloat = leaf.form == .float || leaf.form == .double || leaf.form == .float16
        result.mayHaveNaN = isFloat
        result.min = min.flatMap { scalar(base + $0.lowerBound, $0.count, leaf, isMax: false) }
        result.max = max.flatMap { scalar(base + $0.lowerBound, $0.count, leaf, isMax: true) }
        if isFloat, result.min?.isNaN ?? false || result.max?.isNaN ?? false {
            result.min = nil
            result.max = nil
        }
        if let low = result.min, let high = result.max, let order = Scalar.compare(low, high), order > 0 {
            result.min = nil
            result.max = nil
        }
        if result.min == nil { result.isMinExact = false }
        if result.max == nil || isFloat { result.isMaxExact = false }
    }

    private static func isOldOrderRight(_ leaf: Leaf) -> Bool {
        switch leaf.form {
        case .bool, .int32, .int32ToInt16, .int32ToInt64, .int32Millis, .float, .double: true
        case .int64, .int64Millis, .int64Nanos, .int64ToInt128: true
        default: false
        }
    }

    /// A bound as an SQL value; nil when it has none or its order is not SQL's.
    static func scalar(_ bytes: UnsafeRawPointer, _ count: Int, _ leaf: Leaf, isMax: Bool) -> Scalar? {
        if leaf.width > 0, count != leaf.width { return nil }
        let type = leaf.type
        func small() -> Int64 { Int64(bytes.loadUnaligned(as: Int32.self)) }
        func large() -> Int64 { bytes.loadUnaligned(as: Int64.self) }
        func number(_ value: Int64) -> Scalar {
            if case .decimal = type { return Scalar(type, .int128(Int128(value))) }
            return Scalar(type, .int(value))
        }
        switch leaf.form {
        case .bool:
            guard count == 1 else { return nil }
            return .boolean(bytes.load(as: UInt8.self) & 1 != 0)
        case .int32, .int32ToInt64: return number(small())
        case .int32ToInt16: return number(Int64(Int16(truncatingIfNeeded: small())))
        case .uint32ToInt64: return number(Int64(bytes.loadUnaligned(as: UInt32.self)))
        case .int32Millis: return number(small() * 1000)
        case .int64: return number(large())
        case .int64Millis:
            let (product, overflow) = large().multipliedReportingOverflow(by: 1000)
            return overflow ? nil : number(product)
        case .int64Nanos: return number(Conversion.floorDivide(large(), 1000))
        case .int64ToInt128: return Scalar(type, .int128(Int128(large())))
        case .uint64ToInt128: return Scalar(type, .int128(Int128(bytes.loadUnaligned(as: UInt64.self))))
        case .float: return Scalar(type, .double(Double(bytes.loadUnaligned(as: Float.self))))
        case .double: return Scalar(type, .double(bytes.loadUnaligned(as: Double.self)))
        case .float16: return Scalar(type, .double(Double(Conversion.half(bytes.loadUnaligned(as: UInt16.self)))))
        case .decimalToInt64, .decimalToInt128:
            return Conversion.bigEndian(bytes, count).map { Scalar(type, .int128($0)) }
        case .uuid:
            let stored = UUIDBits.stored(UInt128(bigEndian: bytes.loadUnaligned(as: UInt128.self)))
            return Scalar(type, .int128(stored))
        case .text: return text(bytes, count, type, isMax: isMax)
        case .bytes:
            return Scalar(type, .bytes([UInt8](UnsafeRawBufferPointer(start: bytes, count: count))))
        case .int96, .interval: return nil
        }
    }

    /// Writers cut long bounds anywhere: a cut lower bound loses its broken end, a cut upper bound is no use.
    private static func text(_ bytes: UnsafeRawPointer, _ count: Int, _ type: SQLType, isMax: Bool) -> Scalar? {
        var kept = count
        let least = Swift.max(0, count - 3)
        while kept >= least {
            if UTF8Check.isValid(bytes, kept) {
                if kept < count, isMax { return nil }
                let text = String(decoding: UnsafeRawBufferPointer(start: bytes, count: kept), as: UTF8.self)
                return Scalar(type, .string(text))
            }
            kept -= 1
        }
        return nil
    }
}
