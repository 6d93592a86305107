// Decompression with the C libraries, from untrusted bytes into memory of a size that is known before.

import CCodecs
import Columns

/// Decompresses pages; keeps what the libraries can reuse. One owner thread.
final class Decompressor {
    /// The codecs (parquet.thrift, CompressionCodec).
    enum Codec: Int32 {
        case uncompressed = 0
        case snappy, gzip, lzo, brotli, lz4, zstd, lz4Raw
    }

    private var zstd: OpaquePointer?

    init() {}

    deinit { if let zstd { ZSTD_freeDCtx(zstd) } }

    /// Fills exactly `size` bytes of `output`; up to Buffer.slack bytes behind may be written too.
    func decompress(
        _ codec: Codec, _ input: UnsafeRawPointer, _ count: Int, to output: UnsafeMutableRawPointer, _ size: Int
    ) throws(Damage) {
        let isRight =
            switch codec {
            case .uncompressed: copy(input, count, output, size)
            case .snappy: Snappy.decompress(input, count, to: output, size)
            case .gzip: gzip(input, count, output, size)
            case .brotli: brotli(input, count, output, size)
            case .zstd: zstd(input, count, output, size)
            case .lz4Raw: lz4(input, count, output, size)
            case .lz4:
                hadoop(input, count, output, size) || lz4(input, count, output, size)
                    || lz4Frame(input, count, output, size)
            case .lzo: throw Damage.unsupported("LZO compression")
            }
        guard isRight else { throw Damage("a page does not decompress to \(size) bytes with \(codec)") }
    }

    private func copy(
        _ input: UnsafeRawPointer, _ count: Int, _ output: UnsafeMutableRawPointer, _ size: Int
    ) -> Bool {
        guard count == size else { return false }
        output.copyMemory(from: input, byteCount: count)
        return true
    }

    private func zstd(
        _ input: UnsafeRawPointer, _ count: Int, _ output: UnsafeMutableRawPointer, _ size: Int
    ) -> Bool {
        if zstd == nil { zstd = ZSTD_createDCtx() }
        guard let zstd else { return false }
        let written = ZSTD_decompressDCtx(zstd, output, size, input, count)
        return ZSTD_isError(written) == 0 && written == size
    }

    private func lz4(
        _ input: UnsafeRawPointer, _ count: Int, _ output: UnsafeMutableRawPointer, _ size: Int
    ) -> Bool {
        if size == 0 { return count <= 1 }
        guard let from = Int32(exactly: count), let room = Int32(exactly: size) else { return false }
        let written = LZ4_decompress_safe(
            input.assumingMemoryBound(to: CChar.self), output.assumingMemoryBound(to: CChar.self), from, room)
        return written == room
    }

    /// Hadoop's framing: blocks of big-endian decompressed length, compressed length, bytes.
    private func hadoop(
        _ input: UnsafeRawPointer, _ count: Int, _ output: UnsafeMutableRawPointer, _ size: Int
    ) -> Bool {
        var read = 0
        var written = 0
        while read < count {
            guard count - read >= 8 else { return false }
            let plain = Int(UInt32(bigEndian: input.loadUnaligned(fromByteOffset: read, as: UInt32.self)))
            let packed = Int(UInt32(bigEndian: input.loadUnaligned(fromByteOffset: read + 4, as: UInt32.self)))
            read += 8
            guard packed <= count - read, plain <= size - written else { return false }
            guard lz4(input + read, packed, output + written, plain) else { return false }
            read += packed
            written += plain
        }
        return written == size
    }

    private func lz4Frame(
        _ input: UnsafeRawPointer, _ count: Int, _ output: UnsafeMutableRawPointer, _ size: Int
    ) -> Bool {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0 else { return false }
        defer { LZ4F_freeDecompressionContext(context) }
        var read = 0
        var written = 0
        while read < count {
            var from = count - read
            var room = size - written
            let hint = LZ4F_decompress(context, output + written, &room, input + read, &from, nil)
            guard LZ4F_isError(hint) == 0 else { return false }
            read += from
            written += room
            if hint == 0 || (from == 0 && room == 0) { break }
        }
        return written == size && read == count
    }

    private func brotli(
        _ input: UnsafeRawPointer, _ count: Int, _ output: UnsafeMutableRawPointer, _ size: Int
    ) -> Bool {
        var written = size
        let result = BrotliDecoderDecompress(
            count, input.assumingMemoryBound(to: UInt8.self), &written, output.assumingMemoryBound(to: UInt8.self))
        return result == BROTLI_DECODER_RESULT_SUCCESS && written == size
    }

    /// gzip or zlib; several members in a row make one page.
    private func gzip(
        _ input: UnsafeRawPointer, _ count: Int, _ output: UnsafeMutableRawPointer, _ size: Int
    ) -> Bool {
        var stream = z_stream()
        let automatic: Int32 = 15 + 32
        guard inflateInit2_(&stream, automatic, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return false
        }
        defer { inflateEnd(&stream) }
        let start = UnsafeMutableRawPointer(mutating: input).assumingMemoryBound(to: UInt8.self)
        stream.next_in = start
        stream.avail_in = UInt32(truncatingIfNeeded: count)
        stream.next_out = output.assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(truncatingIfNeeded: size)
        while true {
            let status = inflate(&stream, Z_FINISH)
            guard status == Z_STREAM_END else { return false }
            if stream.avail_in == 0 || stream.avail_out == 0 { break }
            guard inflateReset(&stream) == Z_OK else { return false }
        }
        return stream.avail_out == 0
    }

    /// The CRC-32 of gzip.
    static func checksum(_ bytes: UnsafeRawPointer, _ count: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: crc32_z(0, bytes.assumingMemoryBound(to: UInt8.self), count))
    }
}
