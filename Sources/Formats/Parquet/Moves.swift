// Moving values between places by size, whatever they mean: gather, spread over NULLs, compact. Hot.

import Columns

enum Moves {
    /// Two words at a time: the values of 16 bytes.
    typealias Wide = SIMD2<UInt64>

    /// `output[i] = from[places[i] - base]` for values of `stride` bytes; `from` may be unaligned.
    static func gather(
        _ from: UnsafeRawPointer, _ places: UnsafePointer<Int32>, minus base: Int32 = 0, _ n: Int, stride: Int,
        to output: UnsafeMutableRawPointer
    ) {
        switch stride {
        case 1: pick(from, places, base, n, output, UInt8.self)
        case 2: pick(from, places, base, n, output, UInt16.self)
        case 4: pick(from, places, base, n, output, UInt32.self)
        case 8: pick(from, places, base, n, output, UInt64.self)
        case 16: pick(from, places, base, n, output, Wide.self)
        default:
            for row in 0..<n {
                (output + row &* stride).copyMemory(
                    from: from + Int(places[row] &- base) &* stride, byteCount: stride)
            }
        }
    }

    @inline(__always)
    private static func pick<T: BitwiseCopyable>(
        _ from: UnsafeRawPointer, _ places: UnsafePointer<Int32>, _ base: Int32, _ n: Int,
        _ output: UnsafeMutableRawPointer, _: T.Type
    ) {
        let target = output.assumingMemoryBound(to: T.self)
        for row in 0..<n {
            let place = Int(places[row] &- base)
            target[row] = from.loadUnaligned(fromByteOffset: place &* MemoryLayout<T>.stride, as: T.self)
        }
    }

    /// `output[i] = dictionary[codes[i]]`. The codes must have been checked.
    static func look(
        up codes: UnsafePointer<UInt32>, _ n: Int, in dictionary: UnsafeRawPointer, stride: Int,
        to output: UnsafeMutableRawPointer
    ) {
        switch stride {
        case 1: look(codes, n, dictionary, output, UInt8.self)
        case 2: look(codes, n, dictionary, output, UInt16.self)
        case 4: look(codes, n, dictionary, output, UInt32.self)
        case 8: look(codes, n, dictionary, output, UInt64.self)
        default: look(codes, n, dictionary, output, Wide.self)
        }
    }

    @inline(__always)
    private static func look<T>(
        _ codes: UnsafePointer<UInt32>, _ n: Int, _ dictionary: UnsafeRawPointer, _ output: UnsafeMutableRawPointer,
        _: T.Type
    ) {
        let from = dictionary.assumingMemoryBound(to: T.self)
        let target = output.assumingMemoryBound(to: T.self)
        var row = 0
        while row &+ 4 <= n {
            let (a, b, c, d) = (codes[row], codes[row &+ 1], codes[row &+ 2], codes[row &+ 3])
            target[row] = from[Int(a)]
            target[row &+ 1] = from[Int(b)]
            target[row &+ 2] = from[Int(c)]
            target[row &+ 3] = from[Int(d)]
            row &+= 4
        }
        while row < n {
            target[row] = from[Int(codes[row])]
            row &+= 1
        }
    }

    /// Whether all codes are below `count`, which is at most Int32.max.
    static func areBelow(_ count: Int, _ codes: UnsafePointer<UInt32>, _ n: Int) -> Bool {
        let limit = Int32(truncatingIfNeeded: count &- 1)
        var bad: Int32 = 0
        for row in 0..<n {
            let code = Int32(bitPattern: codes[row])
            bad |= (limit &- code) | code
        }
        return bad >= 0
    }

    /// Spreads values over the rows whose bit is 1; the others become 0. `dense` has one more readable value.
    static func spread(
        _ dense: UnsafeRawPointer, _ bits: UnsafePointer<UInt64>, at bit: Int, _ n: Int, stride: Int,
        to output: UnsafeMutableRawPointer
    ) {
        switch stride {
        case 1: spread(dense, bits, bit, n, output, UInt8.self)
        case 2: spread(dense, bits, bit, n, output, UInt16.self)
        case 4: spread(dense, bits, bit, n, output, UInt32.self)
        case 8: spread(dense, bits, bit, n, output, UInt64.self)
        default: spreadWide(dense, bits, bit, n, output)
        }
    }

    /// Rows whose bits are looked at together.
    private static let group = 32

    @inline(__always)
    private static func spread<T: FixedWidthInteger>(
        _ dense: UnsafeRawPointer, _ bits: UnsafePointer<UInt64>, _ bit: Int, _ n: Int,
        _ output: UnsafeMutableRawPointer, _: T.Type
    ) {
        let from = dense.assumingMemoryBound(to: T.self)
        let target = output.assumingMemoryBound(to: T.self)
        var next = 0
        var row = 0
        while row < n {
            let count = min(group, n &- row)
            var word = BitCopy.bits(bits, at: bit &+ row, count)
            if word.nonzeroBitCount == count {
                (target + row).update(from: from + next, count: count)
                next &+= count
            } else {
                for index in row..<row &+ count {
                    let one = word & 1
                    target[index] = from[next] & (0 &- T(truncatingIfNeeded: one))
                    next &+= Int(truncatingIfNeeded: one)
                    word &>>= 1
                }
            }
            row &+= count
        }
    }

    /// The same for values of two words, so that no 128-bit arithmetic is needed.
    private static func spreadWide(
        _ dense: UnsafeRawPointer, _ bits: UnsafePointer<UInt64>, _ bit: Int, _ n: Int,
        _ output: UnsafeMutableRawPointer
    ) {
        let from = dense.assumingMemoryBound(to: UInt64.self)
        let target = output.assumingMemoryBound(to: UInt64.self)
        var next = 0
        var row = 0
        while row < n {
            let count = min(group, n &- row)
            var word = BitCopy.bits(bits, at: bit &+ row, count)
            if word.nonzeroBitCount == count {
                (target + 2 &* row).update(from: from + 2 &* next, count: 2 &* count)
                next &+= count
            } else {
                for index in row..<row &+ count {
                    let mask = 0 &- (word & 1)
                    target[2 &* index] = from[2 &* next] & mask
                    target[2 &* index &+ 1] = from[2 &* next &+ 1] & mask
                    next &+= Int(truncatingIfNeeded: word & 1)
                    word &>>= 1
                }
            }
            row &+= count
        }
    }

    /// The rows of a selection as a new column. The column is flat, constant or coded.
    static func take(_ column: Column, _ selection: Selection) -> Column {
        let n = selection.count
        if column.layout == .constant { return Column.constant(column, rows: n) }
        var validity: Buffer?
        if let words = column.validityWords {
            let taken = Bitmap.make(n, all: false)
            if takeBits(words, selection.rows, minus: 0, n, to: taken.pointer(UInt64.self), at: 0) < n {
                validity = taken
            }
        }
        let stride = column.layout == .dictionary ? 4 : column.physical.stride
        let values = Buffer(bytes: n * stride)
        gather(column.values.base, selection.rows, n, stride: stride, to: values.base)
        if let dictionary = column.dictionary {
            return Column(codes: values, count: n, validity: validity, dictionary: dictionary)
        }
        return Column(
            column.type, count: n, values: values, validity: validity, heaps: column.heaps, child: column.child,
            fields: column.fields)
    }

    /// Sets bit `at + i` where bit `places[i] - base` is 1; returns how many are.
    @discardableResult
    static func takeBits(
        _ bits: UnsafePointer<UInt64>, _ places: UnsafePointer<Int32>, minus base: Int, _ n: Int,
        to output: UnsafeMutablePointer<UInt64>, at: Int
    ) -> Int {
        var ones = 0
        for row in 0..<n {
            let place = Int(places[row]) &- base
            let one = (bits[place &>> 6] &>> UInt64(truncatingIfNeeded: place & 63)) & 1
            let target = at &+ row
            output[target &>> 6] |= one &<< UInt64(truncatingIfNeeded: target & 63)
            ones &+= Int(truncatingIfNeeded: one)
        }
        return ones
    }
}

extension Column {
    /// The value of a constant column for another number of rows.
    static func constant(_ column: Column, rows: Int) -> Column {
        column.count == rows ? column : Column.constant(column, count: rows)
    }
}
