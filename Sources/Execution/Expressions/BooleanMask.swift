// Booleans as bytes: what logic and filters work on. Hot.
import Columns

/// A truth value a row: 0 false, 1 true, 2 unknown.
enum Truth {
    static let no: UInt8 = 0
    static let yes: UInt8 = 1
    static let unknown: UInt8 = 2

    /// Writes the truth values of a boolean column of any layout.
    static func write(_ column: Column, _ rows: Int, to out: UnsafeMutablePointer<UInt8>) {
        if column.layout == .constant {
            let value = column.isValid(0) ? column.pointer(UInt8.self)[0] & 1 : unknown
            for row in 0..<rows { out[row] = value }
            return
        }
        if let dictionary = column.dictionary {
            let (codes, values) = (column.codes, dictionary.pointer(UInt8.self))
            for row in 0..<rows where column.isValid(row) { out[row] = values[Int(codes[row])] & 1 }
        } else {
            let values = column.pointer(UInt8.self)
            for row in 0..<rows { out[row] = values[row] & 1 }
        }
        guard let validity = column.validityWords else { return }
        for row in 0..<rows {
            let isNull = UInt8(truncatingIfNeeded: ~(validity[row &>> 6] &>> UInt64(row & 63))) & 1
            // NULL rows hold any value: clear it, then mark.
            out[row] = (out[row] & (isNull &- 1)) | isNull &<< 1
        }
    }

    /// Makes a boolean column of truth values.
    static func column(_ truths: UnsafePointer<UInt8>, _ rows: Int) -> Column {
        let values = Buffer(bytes: max(1, rows))
        let out = values.pointer(UInt8.self)
        var nulls: UInt8 = 0
        for row in 0..<rows {
            out[row] = truths[row] & 1
            nulls |= truths[row]
        }
        guard nulls & unknown != 0 else { return Column(.boolean, count: rows, values: values) }
        let validity = Bitmap.make(rows, all: false)
        let words = validity.pointer(UInt64.self)
        for row in 0..<rows {
            let bit = UInt64(truncatingIfNeeded: (truths[row] &>> 1) ^ 1)
            words[row &>> 6] |= bit &<< UInt64(row & 63)
        }
        return Column(.boolean, count: rows, values: values, validity: validity)
    }

    /// Collects the rows whose truth value is `wanted`.
    static func rows(
        _ truths: UnsafePointer<UInt8>, _ rows: Int, equal wanted: UInt8, into out: UnsafeMutablePointer<Int32>
    ) -> Int {
        var count = 0
        for row in 0..<rows {
            out[count] = Int32(truncatingIfNeeded: row)
            count &+= Int(truncatingIfNeeded: unsafeBitCast(truths[row] == wanted, to: UInt8.self))
        }
        return count
    }
}

/// Memory that an evaluator keeps from batch to batch.
final class Scratch<Element: BitwiseCopyable> {
    private var buffer = Buffer(bytes: 0)

    /// Room for `count` values of undefined content; valid until the next call.
    func room(_ count: Int) -> UnsafeMutablePointer<Element> {
        if buffer.capacity < count * MemoryLayout<Element>.stride {
            buffer = Buffer(bytes: count * MemoryLayout<Element>.stride * 5 / 4)
        }
        return buffer.pointer(Element.self)
    }
}
