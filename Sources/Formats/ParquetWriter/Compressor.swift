// Compression with the C libraries.

import CCodecs
import Columns
import Diagnostics

/// Compresses pages; keeps what the libraries can reuse. One owner thread.
final class Compressor {
    private let codec: ParquetCodec
    private let level: Int32
    private var zstd: OpaquePointer?

    init(_ codec: ParquetCodec, level: Int) {
        self.codec = codec
        self.level = Int32(clamping: level)
    }

    deinit { if let zstd { ZSTD_freeCCtx(zstd) } }

    /// Appends the compressed bytes of a page body to `output`.
    func compress(_ input: UnsafeRawPointer, _ count: Int, to output: OutputBuffer) throws(SQLError) {
        let isRight =
            switch codec {
            case .uncompressed: copy(input, count, output)
            case .snappy: snappy(input, count, output)
            case .gzip: gzip(input, count, output)
            case .lz4Raw: lz4(input, count, output)
            case .zstd: zstd(input, count, output)
            }
        guard isRight else {
            throw SQLError(.internalError, "could not compress a page of \(count) bytes with \(codec.rawValue)")
        }
    }

    private func copy(_ input: UnsafeRawPointer, _ count: Int, _ output: OutputBuffer) -> Bool {
        output.append(input, count)
        return true
    }

    private func zstd(_ input: UnsafeRawPointer, _ count: Int, _ output: OutputBuffer) -> Bool {
        if zstd == nil { zstd = ZSTD_createCCtx() }
        guard let zstd else { return false }
        let room = ZSTD_compressBound(count)
        output.reserve(room)
        let written = ZSTD_compressCCtx(zstd, output.end, room, input, count, level)
        guard ZSTD_isError(written) == 0 else { return false }
        output.count += written
        return true
    }

    private func snappy(_ input: UnsafeRawPointer, _ count: Int, _ output: OutputBuffer) -> Bool {
        var room = snappy_max_compressed_length(count)
        output.reserve(room)
        let status = snappy_compress(
            input.assumingMemoryBound(to: CChar.self), count, output.end.assumingMemoryBound(to: CChar.self), &room)
        guard status == SNAPPY_OK else { return false }
        output.count += room
        return true
    }

    private func lz4(_ input: UnsafeRawPointer, _ count: Int, _ output: OutputBuffer) -> Bool {
        guard let size = Int32(exactly: count), size <= LZ4_MAX_INPUT_SIZE else { return false }
        let room = LZ4_compressBound(size)
        output.reserve(Int(room))
        let written = LZ4_compress_default(
            input.assumingMemoryBound(to: CChar.self), output.end.assumingMemoryBound(to: CChar.self), size, room)
        guard written > 0 else { return false }
        output.count += Int(written)
        return true
    }

    private func gzip(_ input: UnsafeRawPointer, _ count: Int, _ output: OutputBuffer) -> Bool {
        var stream = z_stream()
        let header: Int32 = 15 + 16
        let effort = min(max(level, 1), 9)
        guard
            deflateInit2_(
                &stream, effort, Z_DEFLATED, header, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { return false }
        defer { deflateEnd(&stream) }
        let room = Int(deflateBound(&stream, UInt(count)))
        output.reserve(room)
        stream.next_in = UnsafeMutableRawPointer(mutating: input).assumingMemoryBound(to: UInt8.self)
        stream.avail_in = UInt32(truncatingIfNeeded: count)
        stream.next_out = output.end.assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(truncatingIfNeeded: room)
        guard deflate(&stream, Z_FINISH) == Z_STREAM_END else { return false }
        output.count += Int(stream.total_out)
        return true
    }
}
