// Split-block Bloom filters of the column chunks that ask for one. (Parquet specification, BloomFilter.md.)

import Columns
import Foundation

/// Collects the hashes of a chunk's values; the filter is made when their number is known.
final class BloomBuilder {
    private var hashes: [UInt64] = []
    private let errors: Double
    private let bytesMax: Int

    init(_ options: ParquetOptions) {
        errors = min(max(options.bloomErrors, 0.000_1), 0.5)
        bytesMax = max(options.bloomBytesMax, 32)
    }

    /// Adds PLAIN values of a fixed width.
    func add(_ values: UnsafeRawPointer, _ count: Int, width: Int) {
        for index in 0..<count {
            hashes.append(BloomFilter.hash(UnsafeRawBufferPointer(start: values + index * width, count: width)))
        }
    }

    /// Adds PLAIN strings: length, then bytes.
    func add(strings: UnsafeRawPointer, _ count: Int) {
        var at = strings
        for _ in 0..<count {
            let length = Int(UInt32(littleEndian: at.loadUnaligned(as: UInt32.self)))
            hashes.append(BloomFilter.hash(UnsafeRawBufferPointer(start: at + 4, count: length)))
            at += length + 4
        }
    }

    /// The filter with its header; nothing when there are no values. Forgets the values.
    func finish() -> [UInt8] {
        guard !hashes.isEmpty else { return [] }
        hashes.sort()
        var distinct = 0
        for index in hashes.indices where index == 0 || hashes[index] != hashes[index - 1] {
            hashes[distinct] = hashes[index]
            distinct += 1
        }
        let size = bytes(distinct)
        var words = [UInt32](repeating: 0, count: size / 4)
        let blocks = UInt64(size / 32)
        for hash in hashes.prefix(distinct) {
            let block = Int(((hash >> 32) &* blocks) >> 32) * 8
            for (index, salt) in BloomFilter.salts.enumerated() {
                words[block + index] |= 1 << ((UInt32(truncatingIfNeeded: hash) &* salt) >> 27)
            }
        }
        hashes = []
        var header = ThriftWriter()
        header.int32(1, Int32(size))
        for union in 2...4 as ClosedRange<Int32> {
            // Split blocks, XXH64, uncompressed: the first choice of each.
            header.begin(union)
            header.empty(1)
            header.end()
        }
        var result = header.finish()
        result.reserveCapacity(result.count + size)
        for word in words { withUnsafeBytes(of: word.littleEndian) { result.append(contentsOf: $0) } }
        return result
    }

    /// A power of two that errs as rarely as asked.
    private func bytes(_ distinct: Int) -> Int {
        let bits = -8 * Double(distinct) / log(1 - pow(errors, 1.0 / 8))
        var size = 32
        while size < bytesMax / 2 * 2, Double(size * 8) < bits { size *= 2 }
        return min(size, bytesMax / 32 * 32)
    }
}
