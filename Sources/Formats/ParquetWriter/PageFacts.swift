// What an encoder of values tells about a page, and the values without a width of their own: booleans.

import Columns

/// The encodings that are written (parquet.thrift, Encoding).
enum PageEncoding: Int32 {
    case plain = 0
    case rle = 3
    case delta = 5
    case dictionary = 8
}

/// What is known of a page's values.
struct PageFacts {
    var encoding: PageEncoding
    /// Nil: there is no value, none that has an order, or no bound.
    var bounds: Bounds?
    var nans = 0
}

/// Booleans of a page, a byte each until they are packed.
final class BoolValues {
    private let staged = OutputBuffer(32 << 10)

    var count: Int { staged.count }

    func append(_ values: UnsafePointer<UInt8>, _ n: Int) { staged.append(values, n) }

    func append(_ values: UnsafePointer<UInt8>, codes: UnsafePointer<Int32>, _ n: Int) {
        staged.reserve(n)
        let target = staged.end.assumingMemoryBound(to: UInt8.self)
        for row in 0..<n { target[row] = values[Int(codes[row])] }
        staged.count &+= n
    }

    /// Packs the page's values, eight a byte, and forgets them.
    func finishPage(_ output: OutputBuffer) -> PageFacts {
        let n = staged.count
        staged.reserve(8)
        for index in 0..<8 { staged.end.storeBytes(of: 0, toByteOffset: index, as: UInt8.self) }
        let from = UnsafeRawPointer(staged.base)
        let bytes = (n &+ 7) &>> 3
        output.reserve(bytes)
        let target = output.end.assumingMemoryBound(to: UInt8.self)
        var ones = 0
        for index in 0..<bytes {
            let eight = from.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self)
            // The lowest bit of each byte, gathered by one multiplication.
            let gathered = (eight & 0x0101_0101_0101_0101) &* 0x0102_0408_1020_4080
            let packed = UInt8(truncatingIfNeeded: gathered &>> 56)
            target[index] = packed
            ones &+= packed.nonzeroBitCount
        }
        output.count &+= bytes
        staged.count = 0
        guard n > 0 else { return PageFacts(encoding: .plain) }
        let bounds = Bounds(lower: [ones == n ? 1 : 0], upper: [ones == 0 ? 0 : 1])
        return PageFacts(encoding: .plain, bounds: bounds)
    }
}
