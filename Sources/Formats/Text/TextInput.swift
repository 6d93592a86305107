// The bytes of a text file from the first to the last, in pieces: unpacked where the file is packed, one piece read ahead.

import CCodecs
import Columns
public import Diagnostics
import Foundation
public import Storage
import Synchronization

/// How a text file is packed.
public enum TextPacking: String, Sendable, Hashable {
    case none, gzip, zstd

    /// What a name's ending says.
    public init(name: String) {
        let lower = name.lowercased()
        self = lower.hasSuffix(".gz") ? .gzip : lower.hasSuffix(".zst") || lower.hasSuffix(".zstd") ? .zstd : .none
    }
}

/// Reads one file, or a range of one that is not packed. One owner thread; blocks.
public final class TextInput {
    public let path: ObjectPath
    private let store: any ObjectStore
    private let metrics: StoreMetrics?
    private let unpacker: Unpacker?
    private let end: Int64
    private var next: Int64
    private let info: ObjectInfo
    private let stop: StopSignal?
    /// Where in the file the first byte is.
    let start: Int64
    private var ahead: ReadAhead?
    private var piece: Bytes?
    private var pieceAt = 0

    /// Bytes read at a time.
    public static let pieceBytes = 2 << 20

    public init(
        _ info: ObjectInfo, in store: any ObjectStore, packing: TextPacking, range: Range<Int64>? = nil,
        metrics: StoreMetrics? = nil, stop: StopSignal? = nil
    ) throws(SQLError) {
        path = info.path
        self.info = info
        self.store = store
        self.metrics = metrics
        self.stop = stop
        start = range?.lowerBound ?? 0
        next = start
        end = range?.upperBound ?? info.sizeBytes
        unpacker = try packing == .none ? nil : Unpacker(packing, info.path)
        readAhead()
    }

    /// The rest of a file that is not packed, from a place whose first bytes are here already. More is read when it is
    /// needed.
    init(
        _ info: ObjectInfo, in store: any ObjectStore, loaded: Bytes, from start: Int64, metrics: StoreMetrics?,
        stop: StopSignal?
    ) {
        path = info.path
        self.info = info
        self.store = store
        self.metrics = metrics
        self.stop = stop
        self.start = start
        next = start + Int64(loaded.count)
        end = info.sizeBytes
        unpacker = nil
        piece = loaded
    }

    deinit { ahead?.flag.set() }

    private func readAhead() {
        guard next < end else {
            ahead = nil
            return
        }
        let range = next..<min(end, next + Int64(TextInput.pieceBytes))
        next = range.upperBound
        let reading = ReadAhead(stop)
        ahead = reading
        // Of the version that was listed: two pieces of two files would be rows that nobody wrote.
        store.read([range], of: info, metrics: metrics, until: reading.flag) { reading.set($0) }
    }

    /// The next bytes of the file as they are stored; nil at the end.
    private func stored() throws(SQLError) -> Bytes? {
        if ahead == nil { readAhead() }
        guard let reading = ahead else { return nil }
        let bytes = try reading.wait()
        readAhead()
        return bytes
    }

    /// Puts more of the text behind `kept` bytes that are in `buffer` already; returns how many came, 0 at the end.
    func fill(_ buffer: UnsafeMutableRawPointer, _ room: Int) throws(SQLError) -> Int {
        var filled = 0
        while filled < room {
            if piece == nil || pieceAt == piece?.count ?? 0 {
                // What was read is given before anybody waits for more.
                if filled > 0, unpacker == nil { break }
                piece = try stored()
                pieceAt = 0
                guard piece != nil else { break }
            }
            guard let piece else { break }
            guard let unpacker else {
                let count = min(room - filled, piece.count - pieceAt)
                memcpy(buffer + filled, piece.base + pieceAt, count)
                pieceAt += count
                filled += count
                continue
            }
            let step = try unpacker.step(
                UnsafeRawBufferPointer(start: piece.base + pieceAt, count: piece.count - pieceAt),
                buffer + filled, room - filled)
            pieceAt += step.taken
            filled += step.given
            if step.taken == 0, step.given == 0 { throw unpacker.damage() }
        }
        // Some output may be left inside once all input is taken.
        if filled == 0, let unpacker {
            filled = try unpacker.step(UnsafeRawBufferPointer(start: nil, count: 0), buffer, room).given
            if filled == 0, !unpacker.isAtEnd { throw unpacker.damage() }
        }
        return filled
    }
}

/// A read on its way.
final class ReadAhead: Sendable {
    let flag = CancelFlag()
    private let semaphore = DispatchSemaphore(value: 0)
    private let result = Mutex<Result<[Bytes], SQLError>?>(nil)
    private let watch = Mutex<StopWatch?>(nil)

    /// A query that is stopped waits for no bytes.
    init(_ stop: StopSignal?) {
        guard let stop else { return }
        let made = stop.watch { [weak self] error in
            self?.flag.set()
            self?.set(.failure(error))
        }
        watch.withLock { $0 = made }
    }

    /// The first result stays.
    func set(_ value: Result<[Bytes], SQLError>) {
        let isFirst = result.withLock { result in
            guard result == nil else { return false }
            result = value
            return true
        }
        if isFirst { semaphore.signal() }
    }

    func wait() throws(SQLError) -> Bytes? {
        semaphore.wait()
        return try result.withLock { $0 }?.get().first
    }
}

/// Unpacks a stream.
private final class Unpacker {
    private let path: ObjectPath
    private let kind: TextPacking
    private var stream = z_stream()
    private let zstd: OpaquePointer?
    /// Whether the stream may end here.
    private(set) var isAtEnd = true

    init(_ kind: TextPacking, _ path: ObjectPath) throws(SQLError) {
        self.kind = kind
        self.path = path
        zstd = kind == .zstd ? ZSTD_createDCtx() : nil
        if kind == .gzip {
            guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
                throw SQLError(.outOfMemory, "out of memory while unpacking \"\(path)\"")
            }
        }
    }

    deinit {
        if kind == .gzip { inflateEnd(&stream) }
        if let zstd { ZSTD_freeDCtx(zstd) }
    }

    func damage() -> SQLError {
        SQLError(.dataCorrupted, "file \"\(path)\" is no complete \(kind.rawValue) file")
    }

    func step(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawPointer, _ room: Int
    ) throws(SQLError) -> (taken: Int, given: Int) {
        if let zstd {
            var from = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
            var to = ZSTD_outBuffer(dst: output, size: room, pos: 0)
            let status = ZSTD_decompressStream(zstd, &to, &from)
            guard ZSTD_isError(status) == 0 else { throw damage() }
            if from.pos > 0 || to.pos > 0 { isAtEnd = status == 0 }
            return (from.pos, to.pos)
        }
        if input.count == 0, isAtEnd { return (0, 0) }
        stream.next_in = UnsafeMutableRawPointer(mutating: input.baseAddress)?.assumingMemoryBound(to: UInt8.self)
        stream.avail_in = UInt32(truncatingIfNeeded: input.count)
        stream.next_out = output.assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(truncatingIfNeeded: min(room, Int(UInt32.max)))
        let before = Int(stream.avail_out)
        let status = inflate(&stream, Z_NO_FLUSH)
        let (taken, given) = (input.count - Int(stream.avail_in), before - Int(stream.avail_out))
        switch status {
        case Z_STREAM_END:
            // gzip files may have several members.
            isAtEnd = true
            guard inflateReset(&stream) == Z_OK else { throw damage() }
        case Z_OK: isAtEnd = false
        case Z_BUF_ERROR: break
        default: throw damage()
        }
        return (taken, given)
    }
}

/// Text in memory: records that are complete, and the beginning of the next.
final class TextBlock {
    let buffer: Buffer
    private(set) var count: Int

    init(_ buffer: Buffer, count: Int) {
        self.buffer = buffer
        self.count = count
    }

    var base: UnsafePointer<UInt8> { UnsafePointer(buffer.base.assumingMemoryBound(to: UInt8.self)) }
}

/// Blocks of an input, each beginning with what the last left over.
final class TextBlocks {
    let input: TextInput
    private(set) var block = TextBlock(Buffer(bytes: 16), count: 0)
    private(set) var isAtEnd = false
    private var isFirst = true
    /// Where in the file the block's first byte is; in a packed file, in its text.
    private(set) var offset: Int64

    /// A single record may be so long.
    static let recordBytesMax = 256 << 20

    init(_ input: TextInput) {
        self.input = input
        offset = input.start
    }

    /// Makes a block of the bytes from `start` on and more of the file. False at the end of the file.
    func refill(from start: Int) throws(SQLError) -> Bool {
        guard !isAtEnd else { return false }
        let left = block.count - start
        guard left <= TextBlocks.recordBytesMax else {
            throw SQLError(
                .programLimitExceeded,
                "a record of \"\(input.path)\" is longer than \(TextBlocks.recordBytesMax) bytes",
                hint: "Is a quote missing, or the delimiter another one?")
        }
        // Doubling keeps the copying of long records linear.
        let room = max(TextInput.pieceBytes, left)
        let made = Buffer(bytes: left + room)
        memcpy(made.base, block.buffer.base + start, left)
        offset += Int64(start)
        var filled = try input.fill(made.base + left, room)
        if filled == 0 { isAtEnd = true }
        if isFirst, filled > 0 {
            isFirst = false
            let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
            if filled >= 3, left == 0, input.start == 0, memcmp(made.base, mark, 3) == 0 {
                memmove(made.base, made.base + 3, filled - 3)
                filled -= 3
                offset += 3
            }
        }
        let whole = TextBlocks.wholeCharacters(made.base, left + filled, isAtEnd: isAtEnd)
        guard UTF8Check.isValid(UnsafeRawPointer(made.base), whole) else {
            throw SQLError(
                .characterNotInRepertoire, "file \"\(input.path)\" is not valid UTF-8",
                hint: "Convert it to UTF-8 first.")
        }
        block = TextBlock(made, count: left + filled)
        return filled > 0
    }

    /// The count without a character whose rest is still to come.
    private static func wholeCharacters(_ base: UnsafeMutableRawPointer, _ count: Int, isAtEnd: Bool) -> Int {
        if isAtEnd { return count }
        let bytes = base.assumingMemoryBound(to: UInt8.self)
        var back = 1
        while back <= min(3, count) {
            let byte = bytes[count - back]
            if byte & 0xC0 == 0xC0 {
                let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
                return length > back ? count - back : count
            }
            if byte & 0x80 == 0 { return count }
            back += 1
        }
        return count
    }
}
