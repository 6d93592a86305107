// Ranges of immutable objects on local disk: one file a range, written beside its name and moved there, checked by sums
// when it is read. Any number of processes may share a folder; a crash leaves at most a file that nobody reads.

public import Diagnostics
import Foundation
import Synchronization
import Threads

/// A folder of ranges with a limit. What it cannot do, it leaves: a cache is never the cause of an error.
public final class DiskCache: Sendable {
    /// Ranges that the index knows; more are not kept.
    static let rangesMax = 500_000
    /// Bytes that have a sum of their own.
    static let blockBytes = 64 << 10
    /// Larger ranges are not kept.
    static let rangeBytesMax = 64 << 20
    /// Bytes waiting to be written; more are dropped.
    static let pendingBytesMax = 128 << 20
    /// What is left when the limit was passed.
    static let keptShare = 0.9
    /// The folder is looked through again after writing this share of the limit: others may have written, too.
    static let rescanShare = 0.1
    /// Times of use are told to other processes no more often.
    static let touchSeconds = 60.0
    /// Files of writers that died.
    static let partialSecondsMax = 3_600.0

    static let suffix = ".range"
    private static let partialSuffix = ".partial"
    private static let magic: UInt64 = 0x3130_474E_5253_5041
    private static let headerBytes = 40

    /// A version of an object, by its address and entity tag.
    struct Key: Hashable, Sendable {
        let text: String
        let high: UInt64
        let low: UInt64

        init(url: String, etag: String) {
            text = url + "\n" + etag
            let bytes = Array(text.utf8)
            high = bytes.withUnsafeBytes { DiskCache.sum($0, seed: 1) }
            low = bytes.withUnsafeBytes { DiskCache.sum($0, seed: 2) }
        }

        var identity: Identity { Identity(high: high, low: low) }
    }

    struct Identity: Hashable, Sendable {
        let high: UInt64
        let low: UInt64
    }

    private struct Entry {
        var range: Range<Int64>
        var fileBytes: Int64
        /// Seconds since 1970.
        var used: Double
        var touched: Double
    }

    private struct State {
        var entries: [Identity: [Entry]] = [:]
        var ranges = 0
        var bytes: Int64 = 0
        var writtenSinceScan: Int64 = 0
        var pendingBytes = 0
        var isScanning = false
    }

    public let folder: String
    public let bytesMax: Int64
    /// Whether ranges of data are kept, beside footers, small files and metadata.
    public let keepsData: Bool
    private let state = Mutex(State())
    private let writer = WorkThreads(name: "storage-io", threadsMax: 1)
    private let names = Atomic<UInt64>(0)

    /// Makes the folder, and learns what is in it behind the caller's back.
    public init(folder: String, bytesMax: Int64, keepsData: Bool = true) throws(SQLError) {
        self.keepsData = keepsData
        self.folder = folder
        self.bytesMax = bytesMax
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw SQLError(.ioError, "could not make the cache folder \"\(folder)\"")
        }
        writer.run { [self] in scan() }
    }

    /// Ranges and bytes known of.
    public var counts: (ranges: Int, bytes: Int64) { state.withLock { ($0.ranges, $0.bytes) } }

    /// Waits until everything before was written.
    func settle() { waitForWriter() }

    private func waitForWriter() {
        let done = DispatchSemaphore(value: 0)
        writer.run { done.signal() }
        done.wait()
    }

    // MARK: - Names

    private func path(_ identity: Identity, _ range: Range<Int64>) -> String {
        let name = DiskCache.hex(identity.high) + DiskCache.hex(identity.low)
        let ends = String(range.lowerBound, radix: 16) + "-" + String(range.upperBound, radix: 16)
        return folder + "/" + name.prefix(2) + "/" + name + "-" + ends + DiskCache.suffix
    }

    private static func hex(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }

    /// The range that a file's name tells.
    private static func parse(_ name: String) -> (Identity, Range<Int64>)? {
        guard name.hasSuffix(suffix) else { return nil }
        let parts = name.dropLast(suffix.count).split(separator: "-")
        guard parts.count == 3, parts[0].utf8.count == 32, let high = UInt64(parts[0].prefix(16), radix: 16),
            let low = UInt64(parts[0].suffix(16), radix: 16), let lower = Int64(parts[1], radix: 16),
            let upper = Int64(parts[2], radix: 16), lower >= 0, lower < upper
        else { return nil }
        return (Identity(high: high, low: low), lower..<upper)
    }

    /// Eight bytes at a time; good enough to notice torn and rotten files.
    static func sum(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
        var sum = seed &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(bytes.count)
        var at = 0
        while at &+ 8 <= bytes.count {
            sum = (sum ^ bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0xBF58_476D_1CE4_E5B9
            sum ^= sum >> 29
            at &+= 8
        }
        while at < bytes.count {
            sum = (sum ^ UInt64(bytes[at])) &* 0x94D0_49BB_1331_11EB
            sum ^= sum >> 31
            at &+= 1
        }
        return sum ^ (sum >> 32)
    }

    // MARK: - Reading

    /// The bytes of a range if one that holds it is there and sound.
    func read(_ key: Key, _ range: Range<Int64>) -> Bytes? {
        let time = Date().timeIntervalSince1970
        let (found, mustTouch) = state.withLock { state -> (Range<Int64>?, Bool) in
            guard let entries = state.entries[key.identity],
                let index = entries.firstIndex(where: {
                    $0.range.lowerBound <= range.lowerBound && $0.range.upperBound >= range.upperBound
                })
            else { return (nil, false) }
            state.entries[key.identity]?[index].used = time
            let mustTouch = time - entries[index].touched > DiskCache.touchSeconds
            if mustTouch { state.entries[key.identity]?[index].touched = time }
            return (entries[index].range, mustTouch)
        }
        guard let found else { return nil }
        let path = path(key.identity, found)
        if let bytes = DiskCache.load(path, key, found, range) {
            if mustTouch { utimes(path, nil) }
            return bytes
        }
        unlink(path)
        forget(key.identity, found)
        return nil
    }

    private static func load(_ path: String, _ key: Key, _ whole: Range<Int64>, _ range: Range<Int64>) -> Bytes? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let text = Array(key.text.utf8)
        let blocks = (whole.count + blockBytes - 1) / blockBytes
        let head = headerBytes + text.count + 8 * blocks
        guard let header = read(descriptor, 0, head) else { return nil }
        let isSound = header.withUnsafeBytes { header in
            header.loadUnaligned(fromByteOffset: 0, as: UInt64.self) == magic
                && header.loadUnaligned(fromByteOffset: 8, as: Int64.self) == whole.lowerBound
                && header.loadUnaligned(fromByteOffset: 16, as: Int64.self) == whole.upperBound
                && header.loadUnaligned(fromByteOffset: 24, as: Int64.self) == Int64(text.count)
                && header.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
                    == sum(UnsafeRawBufferPointer(rebasing: header[headerBytes...]))
                && header[headerBytes..<headerBytes + text.count].elementsEqual(text)
        }
        guard isSound else { return nil }
        // Whole blocks, because each has one sum.
        let first = Int(range.lowerBound - whole.lowerBound) / blockBytes
        let last = (Int(range.upperBound - whole.lowerBound) - 1) / blockBytes
        let start = first * blockBytes
        let end = min((last + 1) * blockBytes, whole.count)
        guard let bytes = try? Bytes(unfilled: end - start) else { return nil }
        let target = UnsafeMutableRawBufferPointer(start: bytes.mutableBase, count: end - start)
        guard fill(target, descriptor, head + start) else { return nil }
        for block in first...last {
            let from = block * blockBytes - start
            let to = min(from + blockBytes, end - start)
            let wanted = header.withUnsafeBytes {
                $0.loadUnaligned(fromByteOffset: headerBytes + text.count + 8 * block, as: UInt64.self)
            }
            guard sum(UnsafeRawBufferPointer(rebasing: target[from..<to])) == wanted else { return nil }
        }
        let offset = Int(range.lowerBound - whole.lowerBound) - start
        return bytes.slice(offset..<offset + range.count)
    }

    private static func read(_ descriptor: Int32, _ offset: Int, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return bytes.withUnsafeMutableBytes { fill($0, descriptor, offset) } ? bytes : nil
    }

    private static func fill(_ target: UnsafeMutableRawBufferPointer, _ descriptor: Int32, _ offset: Int) -> Bool {
        var done = 0
        while done < target.count {
            let count = pread(
                descriptor, target.baseAddress.map { $0 + done }, target.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private func forget(_ identity: Identity, _ range: Range<Int64>) {
        state.withLock { state in
            guard let index = state.entries[identity]?.firstIndex(where: { $0.range == range }),
                let entry = state.entries[identity]?.remove(at: index)
            else { return }
            state.ranges -= 1
            state.bytes -= entry.fileBytes
            if state.entries[identity]?.isEmpty ?? false { state.entries[identity] = nil }
        }
    }

    // MARK: - Writing

    /// Keeps a range, soon.
    func insert(_ key: Key, _ range: Range<Int64>, _ bytes: Bytes) {
        guard !range.isEmpty, range.count == bytes.count, bytes.count <= DiskCache.rangeBytesMax,
            Int64(bytes.count) <= bytesMax / 8
        else { return }
        let isTaken = state.withLock { state in
            guard state.pendingBytes + bytes.count <= DiskCache.pendingBytesMax, state.ranges < DiskCache.rangesMax
            else {
                return false
            }
            state.pendingBytes += bytes.count
            return true
        }
        guard isTaken else { return }
        writer.run { [self] in
            write(key, range, bytes)
            state.withLock { $0.pendingBytes -= bytes.count }
        }
    }

    private func write(_ key: Key, _ range: Range<Int64>, _ bytes: Bytes) {
        let target = path(key.identity, range)
        let place = (target as NSString).deletingLastPathComponent
        mkdir(place, 0o700)
        let number = names.add(1, ordering: .relaxed).oldValue
        let partial = place + "/\(getpid())-\(number)" + DiskCache.partialSuffix
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let header = DiskCache.header(key, range, bytes)
        let isWritten =
            header.withUnsafeBytes { DiskCache.write($0, descriptor) }
            && DiskCache.write(UnsafeRawBufferPointer(start: bytes.base, count: bytes.count), descriptor)
        withExtendedLifetime(bytes) {}
        close(descriptor)
        guard isWritten, rename(partial, target) == 0 else {
            unlink(partial)
            return
        }
        let size = Int64(header.count + bytes.count)
        let time = Date().timeIntervalSince1970
        let mustScan = state.withLock { state -> Bool in
            DiskCache.add(Entry(range: range, fileBytes: size, used: time, touched: time), key.identity, &state)
            state.writtenSinceScan += size
            return Double(state.writtenSinceScan) > Double(bytesMax) * DiskCache.rescanShare
        }
        if mustScan { scan() } else { shrink() }
    }

    private static func header(_ key: Key, _ range: Range<Int64>, _ bytes: Bytes) -> [UInt8] {
        let text = Array(key.text.utf8)
        let data = UnsafeRawBufferPointer(start: bytes.base, count: bytes.count)
        var tail = text
        var start = 0
        while start < data.count {
            let end = min(start + blockBytes, data.count)
            let sum = sum(UnsafeRawBufferPointer(rebasing: data[start..<end]))
            withUnsafeBytes(of: sum) { tail += $0 }
            start = end
        }
        let tailSum = tail.withUnsafeBytes { sum($0) }
        var header: [UInt8] = []
        withUnsafeBytes(of: magic) { header += $0 }
        withUnsafeBytes(of: range.lowerBound) { header += $0 }
        withUnsafeBytes(of: range.upperBound) { header += $0 }
        withUnsafeBytes(of: Int64(text.count)) { header += $0 }
        withUnsafeBytes(of: tailSum) { header += $0 }
        return header + tail
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, _ descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = Foundation.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private static func add(_ entry: Entry, _ identity: Identity, _ state: inout State) {
        var entries = state.entries[identity] ?? []
        if let index = entries.firstIndex(where: { $0.range == entry.range }) {
            state.bytes += entry.fileBytes - entries[index].fileBytes
            entries[index] = entry
        } else {
            entries.append(entry)
            state.ranges += 1
            state.bytes += entry.fileBytes
        }
        state.entries[identity] = entries
    }

    // MARK: - The limit

    /// Learns what is in the folder: from before, and from other processes.
    private func scan() {
        var fresh = State()
        let time = Date().timeIntervalSince1970
        let places = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for place in places where place.utf8.count == 2 {
            let inner = folder + "/" + place
            for name in (try? FileManager.default.contentsOfDirectory(atPath: inner)) ?? [] {
                var status = stat()
                guard stat(inner + "/" + name, &status) == 0 else { continue }
                let used = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
                if name.hasSuffix(DiskCache.partialSuffix) {
                    if time - used > DiskCache.partialSecondsMax { unlink(inner + "/" + name) }
                } else if let (identity, range) = DiskCache.parse(name), fresh.ranges < DiskCache.rangesMax {
                    DiskCache.add(
                        Entry(range: range, fileBytes: Int64(status.st_size), used: used, touched: used), identity,
                        &fresh)
                }
            }
        }
        let found = fresh
        state.withLock { state in
            let known = state.entries
            state.entries = found.entries
            // Uses of the last moments are not on disk.
            for (identity, entries) in known {
                for entry in entries {
                    guard let index = state.entries[identity]?.firstIndex(where: { $0.range == entry.range }) else {
                        continue
                    }
                    state.entries[identity]?[index].used = max(entry.used, found.entries[identity]?[index].used ?? 0)
                }
            }
            state.ranges = found.ranges
            state.bytes = found.bytes
            state.writtenSinceScan = 0
        }
        shrink()
    }

    /// Removes what was not used for longest until there is room.
    private func shrink() {
        let doomed = state.withLock { state -> [(Identity, Entry)] in
            guard state.bytes > bytesMax else { return [] }
            let all = state.entries.flatMap { identity, entries in entries.map { (identity, $0) } }
            var left = state.bytes
            let goal = Int64(Double(bytesMax) * DiskCache.keptShare)
            return all.sorted { $0.1.used < $1.1.used }.prefix { item in
                guard left > goal else { return false }
                left -= item.1.fileBytes
                return true
            }
        }
        for (identity, entry) in doomed {
            unlink(path(identity, entry.range))
            forget(identity, entry.range)
        }
    }
}
