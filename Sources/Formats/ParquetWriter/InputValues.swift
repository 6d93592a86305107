// What batches bring, as the encoders want it: the staged form of the file's type, in whatever layout. Hot.

import Columns
import Diagnostics

/// Adapts the columns of batches to one column of a file. One owner thread.
final class InputValues {
    private let leaf: WriteLeaf
    /// The dictionary adapted last: batches of one source share theirs.
    private var lastDictionary: Column?
    private var lastAdapted: Column?

    init(_ leaf: WriteLeaf) { self.leaf = leaf }

    /// The same rows with values as wide as the stage; dictionary and constant columns stay what they are.
    func adapt(_ column: Column) throws(SQLError) -> Column {
        guard try needsChange(column) else { return column }
        guard let dictionary = column.dictionary else {
            if column.layout == .constant {
                if column.isNullConstant { return column }
                return Column.constant(try change(column, rows: 1), count: column.count)
            }
            return try change(column, rows: column.count)
        }
        if lastDictionary !== dictionary {
            lastAdapted = try change(dictionary, rows: dictionary.count)
            lastDictionary = dictionary
        }
        guard let lastAdapted else { return column }
        return Column(codes: column.values, count: column.count, validity: column.validity, dictionary: lastAdapted)
    }

    private func needsChange(_ column: Column) throws(SQLError) -> Bool {
        let type = leaf.column.type
        switch (column.type, type) {
        case (.int2, .int2): return true
        case (.interval, .interval): return true
        case (.decimal(let p, let s), .decimal(let precision, let scale)):
            return s != scale || p > precision || column.physical == .int64 && leaf.stage != .word64
        case (.numeric, .decimal): return true
        case (let a, let b) where a == b: return false
        case (let a, let b) where a.isText && b.isText: return false
        default:
            if column.isNullConstant { return false }
            throw SQLError(
                .internalError,
                "column \"\(leaf.column.name)\" of type \(type.name) got values of type \(column.type.name)")
        }
    }

    /// Flat values in the staged form. What stands in NULL rows is never looked at.
    private func change(_ column: Column, rows: Int) throws(SQLError) -> Column {
        switch (column.type, leaf.column.type) {
        case (.int2, _):
            let values = Buffer(count: max(rows, 1), of: Int32.self)
            let (from, to) = (column.pointer(Int16.self), values.pointer(Int32.self))
            for row in 0..<rows { to[row] = Int32(from[row]) }
            return Column(.int4, count: rows, values: values, validity: validity(column))
        case (.interval, _): return try intervals(column, rows)
        case (_, .decimal(let precision, let scale)): return try decimals(column, rows, precision, scale)
        default: return column
        }
    }

    /// The validity of a flat column; a constant that is not NULL has none.
    private func validity(_ column: Column) -> Buffer? { column.layout == .constant ? nil : column.validity }

    // MARK: - Decimals

    private func decimals(
        _ column: Column, _ rows: Int, _ precision: Int, _ scale: Int
    ) throws(SQLError) -> Column {
        if case .decimal(let p, let s) = column.type, s == scale, p <= precision, column.physical == .int64 {
            return plain(column, rows)
        }
        let stage: SQLType =
            switch leaf.stage {
            case .word32: .int4
            case .word64: .int8
            default: .decimal(precision: SQLType.precisionMax, scale: 0)
            }
        let values = Buffer(bytes: max(rows, 1) * stage.physical.stride)
        let limit = DecimalMath.pow10(precision)
        for row in 0..<rows {
            var stored: Int128 = 0
            if column.isValid(row) {
                guard let fitted = mantissa(column, row, scale), fitted < limit, fitted > -limit else {
                    throw DecimalMath.overflow(precision: precision, scale: scale)
                }
                stored = fitted
            }
            switch leaf.stage {
            case .word32: values.pointer(Int32.self)[row] = Int32(truncatingIfNeeded: stored)
            case .word64: values.pointer(Int64.self)[row] = Int64(truncatingIfNeeded: stored)
            default: values.pointer(Int128.self)[row] = stored
            }
        }
        return Column(stage, count: rows, values: values, validity: validity(column))
    }

    /// The mantissa of a value at another scale; nil when 38 digits do not hold it or it is no number.
    @inline(__always)
    private func mantissa(_ column: Column, _ row: Int, _ scale: Int) -> Int128? {
        switch column.type {
        case .decimal(_, let own):
            let value =
                column.physical == .int64 ? Int128(column.pointer(Int64.self)[row]) : column.pointer(Int128.self)[row]
            return own == scale ? value : DecimalMath.rescale(value, from: own, to: scale)
        default:
            let value = column.pointer(Numeric.self)[row]
            guard value.isFinite else { return nil }
            let own = Int(value.scale)
            return own == scale ? value.mantissa : DecimalMath.rescale(value.mantissa, from: own, to: scale)
        }
    }

    /// The same digits in another width.
    private func plain(_ column: Column, _ rows: Int) -> Column {
        let from = column.pointer(Int64.self)
        if leaf.stage == .word32 {
            let values = Buffer(count: max(rows, 1), of: Int32.self)
            let to = values.pointer(Int32.self)
            for row in 0..<rows { to[row] = Int32(truncatingIfNeeded: from[row]) }
            return Column(.int4, count: rows, values: values, validity: validity(column))
        }
        let values = Buffer(count: max(rows, 1), of: Int128.self)
        let to = values.pointer(Int128.self)
        for row in 0..<rows { to[row] = Int128(from[row]) }
        let type = SQLType.decimal(precision: SQLType.precisionMax, scale: 0)
        return Column(type, count: rows, values: values, validity: validity(column))
    }

    // MARK: - Intervals

    /// Months, days and milliseconds side by side, all unsigned in the file.
    private func intervals(_ column: Column, _ rows: Int) throws(SQLError) -> Column {
        let values = Buffer(count: max(rows, 1), of: Int128.self)
        let (from, to) = (column.pointer(Interval.self), values.pointer(Int128.self))
        for row in 0..<rows {
            guard column.isValid(row) else {
                to[row] = 0
                continue
            }
            let value = from[row]
            let milliseconds = value.microseconds / 1000
            guard value.months >= 0, value.days >= 0, value.microseconds >= 0,
                value.microseconds % 1000 == 0, let low = UInt32(exactly: milliseconds)
            else {
                throw SQLError(
                    .datetimeFieldOverflow, "interval out of range for a Parquet file",
                    detail: "Column \"\(leaf.column.name)\" holds whole, positive milliseconds only.")
            }
            to[row] = Int128(value.months) | Int128(value.days) << 32 | Int128(low) << 64
        }
        return Column(.uuid, count: rows, values: values, validity: validity(column))
    }
}
