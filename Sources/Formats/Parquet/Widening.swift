// Values of a file's type as values of a wider one (SQLType.widens). Hot.

import Columns
import Diagnostics

enum Widening {
    /// Converts a flat column. Columns of views have their type already.
    static func widen(_ column: Column, to target: SQLType) throws(Damage) -> Column {
        if column.type == target { return column }
        if column.physical == .view { return column.retyped(target) }
        if target.physical == .view { return try print(column, as: target) }
        let n = column.count
        let output = Buffer(bytes: n * target.physical.stride)
        let isDone: Bool
        switch column.type {
        case .int2: isDone = integers(column.pointer(Int16.self), n, target, output)
        case .int4: isDone = integers(column.pointer(Int32.self), n, target, output)
        case .int8: isDone = integers(column.pointer(Int64.self), n, target, output)
        case .float4 where target == .float8:
            each(column.pointer(Float.self), n, output) { Double($0) }
            isDone = true
        case .date where target == .timestamp:
            isDone = true
            try dates(column, output)
        case .decimal(_, let scale):
            isDone =
                column.physical == .int64
                ? decimals(column.pointer(Int64.self), n, scale, target, output)
                : decimals(column.pointer(Int128.self), n, scale, target, output)
        default: isDone = false
        }
        guard isDone else { throw Damage.unsupported("reading \(column.type.name) as \(target.name)") }
        return Column(target, count: n, values: output, validity: column.validity)
    }

    @inline(__always)
    private static func each<In, Out>(
        _ from: UnsafePointer<In>, _ n: Int, _ output: Buffer, _ body: (In) -> Out
    ) {
        let target = output.pointer(Out.self)
        for row in 0..<n { target[row] = body(from[row]) }
    }

    @inline(__always)
    private static func integers<T: FixedWidthInteger>(
        _ from: UnsafePointer<T>, _ n: Int, _ target: SQLType, _ output: Buffer
    ) -> Bool {
        switch target {
        case .int4: each(from, n, output) { Int32(truncatingIfNeeded: $0) }
        case .int8: each(from, n, output) { Int64(truncatingIfNeeded: $0) }
        case .float4: each(from, n, output) { Float($0) }
        case .float8: each(from, n, output) { Double($0) }
        default: return decimals(from, n, 0, target, output)
        }
        return true
    }

    /// Decimals to a larger scale. The target's digits have room for every value of the source's type.
    @inline(__always)
    private static func decimals<T: FixedWidthInteger>(
        _ from: UnsafePointer<T>, _ n: Int, _ scale: Int, _ target: SQLType, _ output: Buffer
    ) -> Bool {
        switch target {
        case .decimal(_, let wider):
            var factor: Int128 = 1
            for _ in scale..<max(wider, scale) { factor *= 10 }
            if target.physical == .int64 {
                let small = Int64(truncatingIfNeeded: factor)
                each(from, n, output) { Int64(truncatingIfNeeded: $0) &* small }
            } else {
                each(from, n, output) { Int128(truncatingIfNeeded: $0) &* factor }
            }
        case .numeric: each(from, n, output) { Numeric(Int128(truncatingIfNeeded: $0), scale: scale) }
        case .float8: doubles(from, n, scale, output)
        default: return false
        }
        return true
    }

    /// The nearest doubles, rounded as bounds are for pruning.
    @inline(__always)
    private static func doubles<T: FixedWidthInteger>(
        _ from: UnsafePointer<T>, _ n: Int, _ scale: Int, _ output: Buffer
    ) {
        var divisor = 1.0
        // Powers up to here are exact, and quotients of exact numbers are the nearest.
        let scaleMax = 22
        for _ in 0..<min(scale, scaleMax) { divisor *= 10 }
        let exactMax: UInt64 = 1 << 53
        let isExact = scale <= scaleMax
        each(from, n, output) { mantissa in
            if isExact, mantissa.magnitude <= exactMax { return Double(mantissa) / divisor }
            return Double("\(mantissa)e-\(scale)") ?? .nan
        }
    }

    /// Values as SQL prints them: only where a table declares text for a column that some files have otherwise.
    private static func print(_ column: Column, as target: SQLType) throws(Damage) -> Column {
        guard column.type.isPrinted, target.isText else {
            throw Damage.unsupported("reading \(column.type.name) as \(target.name)")
        }
        let builder = ColumnBuilder(target, capacity: max(1, column.count))
        var text: [UInt8] = []
        for row in 0..<column.count {
            guard column.isValid(row) else {
                builder.appendNull()
                continue
            }
            text.removeAll(keepingCapacity: true)
            TextForm.append(column, row, zone: .utc, to: &text)
            text.withUnsafeBytes { builder.append(bytes: $0) }
        }
        return builder.finish()
    }

    /// Midnights; infinite days stay infinite.
    private static func dates(_ column: Column, _ output: Buffer) throws(Damage) {
        let from = column.pointer(Int32.self)
        let target = output.pointer(Int64.self)
        // Days whose microseconds Int64 holds.
        let dayMax: Int32 = 106_751_990
        for row in 0..<column.count {
            let day = from[row]
            if day == Int32.max {
                target[row] = Int64.max
            } else if day == Int32.min {
                target[row] = Int64.min
            } else {
                if day > dayMax || day < -dayMax {
                    guard !column.isValid(row) else { throw Damage("a date is out of range for a timestamp") }
                }
                target[row] = Int64(day) &* 86_400_000_000
            }
        }
    }
}
