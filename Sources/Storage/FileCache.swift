// Open descriptors of local files, kept for the next read and dropped when the file was replaced.

import Diagnostics
import Foundation
import Synchronization

/// What tells one content of a file from another.
struct FileIdentity: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64
    let sizeBytes: Int64
    let modifiedNanoseconds: Int64

    init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(truncatingIfNeeded: status.st_ino)
        sizeBytes = Int64(status.st_size)
        modifiedNanoseconds = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    }

    /// What tells one folder from another, whatever links lead to it.
    struct Place: Hashable {
        let device: UInt64
        let inode: UInt64

        /// Nil if there is nothing of this name.
        init?(_ path: ObjectPath) {
            var status = stat()
            guard stat(path.key.isEmpty ? "." : path.key, &status) == 0 else { return nil }
            device = UInt64(truncatingIfNeeded: status.st_dev)
            inode = UInt64(truncatingIfNeeded: status.st_ino)
        }
    }

    /// Looks at a regular file.
    static func ofFile(_ path: ObjectPath) throws(SQLError) -> FileIdentity {
        var status = stat()
        guard stat(path.key, &status) == 0 else { throw fileError("could not open file", path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw notAFile(path, status) }
        return FileIdentity(status)
    }

    static func notAFile(_ path: ObjectPath, _ status: stat) -> SQLError {
        status.st_mode & S_IFMT == S_IFDIR
            ? SQLError(.undefinedFile, "could not open file \"\(path)\": Is a directory")
            : SQLError(.undefinedFile, "could not open file \"\(path)\": not a regular file")
    }

    /// Inode, size and time in hexadecimal. Listings make one for each file: in one allocation.
    var etag: String {
        String(unsafeUninitializedCapacity: 3 * 17 + 2) { target in
            var count = 0
            func add(_ number: UInt64) {
                var digits = max(1, (64 - number.leadingZeroBitCount + 3) / 4)
                while digits > 0 {
                    digits -= 1
                    let digit = UInt8(truncatingIfNeeded: number >> (4 * UInt64(digits)) & 15)
                    target[count] = digit < 10 ? 48 + digit : 87 + digit
                    count += 1
                }
            }
            func add(_ number: Int64) {
                if number < 0 {
                    target[count] = UInt8(ascii: "-")
                    count += 1
                }
                add(number.magnitude)
            }
            func addDash() {
                target[count] = UInt8(ascii: "-")
                count += 1
            }
            add(inode)
            addDash()
            add(sizeBytes)
            addDash()
            add(modifiedNanoseconds)
            return count
        }
    }

    func info(_ path: ObjectPath) -> ObjectInfo {
        ObjectInfo(path: path, sizeBytes: sizeBytes, modified: modifiedNanoseconds / 1000, etag: etag)
    }
}

/// An open file. Closed when its last reader is gone.
final class OpenFile: Sendable {
    let identity: FileIdentity
    let etag: String
    private let path: ObjectPath
    private let descriptor: Int32

    init(_ path: ObjectPath) throws(SQLError) {
        // Without O_NONBLOCK opening a named pipe would wait for a writer.
        let descriptor = open(path.key, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw fileError("could not open file", path, errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FileIdentity.notAFile(path, status)
        }
        self.path = path
        self.descriptor = descriptor
        identity = FileIdentity(status)
        etag = identity.etag
    }

    deinit { close(descriptor) }

    /// Reads exactly `range`.
    func read(_ range: Range<Int64>) throws(SQLError) -> Bytes {
        guard range.lowerBound >= 0, range.upperBound <= identity.sizeBytes else {
            throw outOfBounds(range, path, sizeBytes: identity.sizeBytes)
        }
        if range.isEmpty { return .empty }
        return try Bytes(capacity: range.count) { target throws(SQLError) in
            var done = 0
            while done < target.count {
                let count = pread(
                    descriptor, target.baseAddress.map { $0 + done }, target.count - done,
                    off_t(range.lowerBound) + off_t(done))
                if count < 0 {
                    if errno == EINTR { continue }
                    throw fileError("could not read file", path, errno)
                }
                // The file was cut while it was open.
                guard count > 0 else { throw outOfBounds(range, path, sizeBytes: range.lowerBound + Int64(done)) }
                done += count
            }
            return done
        }
    }
}

/// The error of a read past the end of an object.
func outOfBounds(_ range: Range<Int64>, _ path: ObjectPath, sizeBytes: Int64) -> SQLError {
    SQLError(
        .ioError, "could not read \"\(path)\": it ends before the bytes asked for",
        detail: "Asked for bytes \(range.lowerBound) to \(range.upperBound) of \(sizeBytes).")
}

/// Open files by path, the least recently used dropped first.
final class FileCache: Sendable {
    /// Far below the usual limit of 1024 descriptors.
    static let filesMax = 256

    private struct Entry {
        let file: OpenFile
        var lastUse: UInt64
    }
    private struct State {
        var entries: [String: Entry] = [:]
        var clock: UInt64 = 0
    }
    private let state = Mutex(State())

    /// The file that has this name now: one `stat` if it is open already.
    func open(_ path: ObjectPath) throws(SQLError) -> OpenFile {
        let cached = state.withLock { state in
            state.clock += 1
            state.entries[path.key]?.lastUse = state.clock
            return state.entries[path.key]?.file
        }
        if let cached {
            var status = stat()
            if stat(path.key, &status) == 0, FileIdentity(status) == cached.identity { return cached }
        }
        let file: OpenFile
        do throws(SQLError) {
            file = try OpenFile(path)
        } catch {
            state.withLock { _ = $0.entries.removeValue(forKey: path.key) }
            throw error
        }
        state.withLock { state in
            state.entries[path.key] = Entry(file: file, lastUse: state.clock)
            if state.entries.count > FileCache.filesMax { FileCache.shrink(&state) }
        }
        return file
    }

    /// Keeps a file that is open already for the reads to come.
    func keep(_ file: OpenFile, _ path: ObjectPath) {
        state.withLock { state in
            state.clock += 1
            state.entries[path.key] = Entry(file: file, lastUse: state.clock)
            if state.entries.count > FileCache.filesMax { FileCache.shrink(&state) }
        }
    }

    /// Drops the older half, so that the cost of looking for the oldest is paid rarely.
    private static func shrink(_ state: inout State) {
        let uses = state.entries.values.map(\.lastUse).sorted()
        let median = uses[uses.count / 2]
        state.entries = state.entries.filter { $0.value.lastUse > median }
    }
}
