// Whole blocks of bytes packed and unpacked: what Avro blocks and metadata files need. The size of what comes out is not
// known before, so it has a bound.

import CCodecs
public import Diagnostics

/// Compression of whole blocks.
public enum Compression: Sendable {
    /// Deflate without a header (Avro).
    case deflate
    /// Deflate with gzip's header.
    case gzip
    case zstd

    private static let chunkBytes = 64 << 10
    private static let memoryLevel: Int32 = 8

    private var windowBits: Int32 { self == .deflate ? -15 : 15 + 16 }

    /// Unpacks a block; nil when it is damaged or gives more than `bytesMax` bytes.
    public func unpack(_ input: UnsafeRawBufferPointer, bytesMax: Int) -> [UInt8]? {
        self == .zstd ? Compression.unpackZstd(input, bytesMax) : inflateAll(input, bytesMax)
    }

    /// Packs a block.
    public func pack(_ input: [UInt8]) throws(SQLError) -> [UInt8] {
        let packed = input.withUnsafeBytes { self == .zstd ? Compression.packZstd($0) : deflateAll($0) }
        guard let packed else {
            throw SQLError(.outOfMemory, "out of memory while packing \(input.count) bytes")
        }
        return packed
    }

    /// The CRC-32 of gzip and zlib.
    public static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return UInt32(truncatingIfNeeded: crc32_z(0, base.assumingMemoryBound(to: UInt8.self), bytes.count))
    }

    private func inflateAll(_ input: UnsafeRawBufferPointer, _ bytesMax: Int) -> [UInt8]? {
        guard input.count <= Int(UInt32.max) else { return nil }
        var stream = z_stream()
        guard inflateInit2_(&stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { inflateEnd(&stream) }
        stream.next_in = UnsafeMutableRawPointer(mutating: input.baseAddress)?.assumingMemoryBound(to: UInt8.self)
        stream.avail_in = UInt32(input.count)
        var result: [UInt8] = []
        result.reserveCapacity(min(bytesMax, input.count * 4))
        var chunk = [UInt8](repeating: 0, count: Compression.chunkBytes)
        while true {
            let (status, written) = chunk.withUnsafeMutableBufferPointer { room -> (Int32, Int) in
                stream.next_out = room.baseAddress
                stream.avail_out = UInt32(room.count)
                let status = inflate(&stream, Z_NO_FLUSH)
                return (status, room.count - Int(stream.avail_out))
            }
            guard written <= bytesMax - result.count else { return nil }
            result.append(contentsOf: chunk[..<written])
            if status == Z_STREAM_END {
                // gzip files may have several members.
                guard self == .gzip, stream.avail_in > 0 else { return result }
                guard inflateReset(&stream) == Z_OK else { return nil }
                continue
            }
            guard status == Z_OK || (status == Z_BUF_ERROR && written > 0) else { return nil }
            if written == 0, stream.avail_in == 0 { return nil }
        }
    }

    private func deflateAll(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
        guard input.count <= Int(UInt32.max) else { return nil }
        var stream = z_stream()
        guard
            deflateInit2_(
                &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, windowBits, Compression.memoryLevel, Z_DEFAULT_STRATEGY,
                ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { return nil }
        defer { deflateEnd(&stream) }
        stream.next_in = UnsafeMutableRawPointer(mutating: input.baseAddress)?.assumingMemoryBound(to: UInt8.self)
        stream.avail_in = UInt32(input.count)
        let bound = Int(deflateBound(&stream, UInt(input.count)))
        var isDone = false
        let result = [UInt8](unsafeUninitializedCapacity: bound) { room, count in
            stream.next_out = room.baseAddress
            stream.avail_out = UInt32(truncatingIfNeeded: room.count)
            isDone = CCodecs.deflate(&stream, Z_FINISH) == Z_STREAM_END
            count = isDone ? room.count - Int(stream.avail_out) : 0
        }
        return isDone ? result : nil
    }

    private static func unpackZstd(_ input: UnsafeRawBufferPointer, _ bytesMax: Int) -> [UInt8]? {
        guard let context = ZSTD_createDCtx() else { return nil }
        defer { ZSTD_freeDCtx(context) }
        var from = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: chunkBytes)
        while true {
            let (status, written) = chunk.withUnsafeMutableBytes { room -> (Int, Int) in
                var to = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
                return (ZSTD_decompressStream(context, &to, &from), to.pos)
            }
            guard ZSTD_isError(status) == 0, written <= bytesMax - result.count else { return nil }
            result.append(contentsOf: chunk[..<written])
            if status == 0, from.pos == from.size { return result }
            if written == 0, from.pos == from.size { return nil }
        }
    }

    private static func packZstd(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
        let bound = ZSTD_compressBound(input.count)
        var isDone = false
        let result = [UInt8](unsafeUninitializedCapacity: bound) { room, count in
            let written = ZSTD_compress(room.baseAddress, room.count, input.baseAddress, input.count, 3)
            isDone = ZSTD_isError(written) == 0
            count = isDone ? written : 0
        }
        return isDone ? result : nil
    }
}
