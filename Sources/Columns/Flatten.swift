// Decodes dictionary and constant columns to one value a row, for kernels that know no other layout. Hot.

/// Turns any layout into the flat one.
public enum Flatten {
    /// Returns the same values as a flat column; a flat column comes back as it is.
    public static func flat(_ column: Column) -> Column {
        switch column.layout {
        case .flat: column
        case .constant: spread(column)
        case .dictionary: decode(column)
        }
    }

    /// Returns the validity of a column as one bit a row, nil when no row is NULL.
    public static func validity(_ column: Column) -> Buffer? {
        guard column.validity != nil else { return nil }
        guard column.layout == .constant else { return column.validity }
        return column.isValid(0) ? nil : Bitmap.make(column.count, all: false)
    }

    private static func spread(_ column: Column) -> Column {
        let rows = column.count
        let stride = column.physical.stride
        let values = Buffer(bytes: max(1, rows) * stride)
        switch stride {
        case 1: fill(column, values, rows, UInt8.self)
        case 2: fill(column, values, rows, UInt16.self)
        case 4: fill(column, values, rows, UInt32.self)
        case 8: fill(column, values, rows, UInt64.self)
        case 16: fill(column, values, rows, Int128.self)
        default: fill(column, values, rows, Numeric.self)
        }
        return Column(
            column.type, count: rows, values: values, validity: validity(column), heaps: column.heaps,
            child: column.child, fields: column.fields)
    }

    private static func fill<T: BitwiseCopyable>(_ from: Column, _ to: Buffer, _ rows: Int, _ type: T.Type) {
        let value = from.pointer(type)[0]
        let target = to.pointer(type)
        for row in 0..<rows { target[row] = value }
    }

    private static func decode(_ column: Column) -> Column {
        guard let dictionary = column.dictionary else { return column }
        let rows = column.count
        let stride = column.physical.stride
        let values = Buffer(bytes: max(1, rows) * stride)
        if dictionary.count == 0 {
            values.fill(0)
        } else {
            switch stride {
            case 1: gather(column, dictionary, values, UInt8.self)
            case 2: gather(column, dictionary, values, UInt16.self)
            case 4: gather(column, dictionary, values, UInt32.self)
            case 8: gather(column, dictionary, values, UInt64.self)
            case 16: gather(column, dictionary, values, Int128.self)
            default: gather(column, dictionary, values, Numeric.self)
            }
        }
        return Column(
            column.type, count: rows, values: values, validity: column.validity, heaps: dictionary.heaps,
            child: dictionary.child, fields: dictionary.fields)
    }

    private static func gather<T: BitwiseCopyable>(
        _ column: Column, _ dictionary: Column, _ to: Buffer, _ type: T.Type
    ) {
        let (codes, from, target) = (column.codes, dictionary.pointer(type), to.pointer(type))
        let rows = column.count
        guard let valid = column.validityWords else {
            for row in 0..<rows { target[row] = from[Int(codes[row])] }
            return
        }
        // The code of a NULL row may be anything, so it is replaced by 0.
        for row in 0..<rows {
            let keep = Int((valid[row &>> 6] &>> UInt64(truncatingIfNeeded: row & 63)) & 1)
            target[row] = from[Int(codes[row]) & (0 &- keep)]
        }
    }
}
