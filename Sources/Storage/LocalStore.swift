// Objects as files of this machine: positioned reads on cached descriptors, whole-file writes by atomic rename.

public import Diagnostics
import Foundation
import Synchronization
import Threads

/// The object store over the local file system.
///
/// Relative paths are relative to the directory of the process. Symbolic links are followed.
public final class LocalStore: ObjectStore {
    /// Threads for callers that do not block by themselves.
    static let threadsMax = 8
    /// Folders nested deeper than this are an error.
    static let depthMax = 128
    /// Names that writes in progress have; a crash may leave one behind.
    static let temporarySuffix = ".apus-partial"

    private let files = FileCache()
    private let threads = WorkThreads(name: "storage-io", threadsMax: LocalStore.threadsMax)
    /// Makes "compare and replace" one step among the writers of this process.
    private let replacing = Mutex<Void>(())
    private let temporaryNames = Atomic<UInt64>(0)

    public init() {}

    public func fetchPolicy(for path: ObjectPath) -> FetchPolicy { .local }

    // MARK: Reading

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        threads.run { [self] in
            done(Result { () throws(SQLError) in try readBlocking(ranges, of: path, metrics: metrics) })
        }
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        threads.run { [self] in
            done(Result { () throws(SQLError) in try readSuffixBlocking(bytesMax, of: path, metrics: metrics) })
        }
    }

    /// Reads in the calling thread, without a hop.
    public func readBlocking(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        try read(ranges, of: try files.open(path), metrics)
    }

    public func read(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        threads.run { [self] in
            done(Result { () throws(SQLError) in try readBlocking(ranges, of: version, metrics: metrics) })
        }
    }

    public func readBlocking(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        let file = try files.open(version.path)
        if let etag = version.etag, file.etag != etag { throw replacedError(version.path) }
        return try read(ranges, of: file, metrics)
    }

    private func read(
        _ ranges: [Range<Int64>], of file: OpenFile, _ metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        var results: [Bytes] = []
        results.reserveCapacity(ranges.count)
        for range in ranges {
            metrics?.addRequest(bytesRead: Int64(range.count))
            results.append(try file.read(range))
        }
        return results
    }

    public func readSuffixBlocking(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?
    ) throws(SQLError) -> (bytes: Bytes, info: ObjectInfo) {
        // Footers are asked for once: what is read whole needs no descriptor kept.
        let file = try OpenFile(path)
        let size = file.identity.sizeBytes
        let lower = max(0, size - Int64(max(bytesMax, 0)))
        if lower > 0 { files.keep(file, path) }
        metrics?.addRequest(bytesRead: size - lower)
        return (try file.read(lower..<size), file.identity.info(path))
    }

    public func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        metrics?.addRequest()
        return try await onThread { () throws(SQLError) in
            try FileIdentity.ofFile(path).info(path)
        }
    }

    // MARK: Writing

    public func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        threads.run { [self] in
            done(
                Result { () throws(SQLError) in
                    let bytes = parts.reduce(0) { $0 + Int64($1.count) }
                    metrics?.addRequest()
                    metrics?.addBytesWritten(bytes)
                    return try write(parts, to: path, precondition)
                })
        }
    }

    /// Writes a temporary file beside the target, syncs it and moves it into place.
    private func write(
        _ parts: [Bytes], to path: ObjectPath, _ precondition: Precondition
    ) throws(SQLError) -> ObjectInfo {
        let file = try LocalUpload(self, path, isDurable: true, metrics: nil)
        do throws(SQLError) {
            try file.append(parts)
            return try file.complete(if: precondition)
        } catch {
            file.abort()
            throw error
        }
    }

    /// All files first, then all of them are synced at one time: the file system makes one step of it.
    public func write(
        _ objects: [NewObject], settling uploads: [ObjectPath], metrics: StoreMetrics?
    ) async throws(SQLError) {
        try await onThread { [self] () throws(SQLError) in
            for object in objects {
                let file = try LocalUpload(self, object.path, isDurable: false, metrics: metrics)
                metrics?.addRequest()
                try file.append(object.parts)
                _ = try file.complete(if: .none)
            }
        }
        let files = objects.map(\.path) + uploads
        var tasks: [(path: ObjectPath, isFolder: Bool)] = files.map { ($0, false) }
        for folder in Set(files.map(\.parent)) { tasks.append((folder, true)) }
        let count = min(tasks.count, LocalStore.threadsMax)
        let shares = (0..<count).map { share in stride(from: share, to: tasks.count, by: count).map { tasks[$0] } }
        let failure = await withTaskGroup(of: SQLError?.self) { group -> SQLError? in
            for share in shares {
                group.addTask { [self] in
                    do throws(SQLError) {
                        try await onThread { () throws(SQLError) in
                            for task in share {
                                if task.isFolder {
                                    LocalStore.sync(task.path)
                                } else {
                                    try LocalStore.settle(task.path)
                                }
                            }
                        }
                        return nil
                    } catch { return error }
                }
            }
            var failure: SQLError?
            for await error in group { failure = failure ?? error }
            return failure
        }
        if let failure { throw failure }
    }

    /// Makes the content of a finished file last.
    private static func settle(_ path: ObjectPath) throws(SQLError) {
        let descriptor = open(path.key, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fileError("could not open file", path, errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw fileError("could not fsync file", path, errno) }
    }

    public func upload(to path: ObjectPath, isDurable: Bool, metrics: StoreMetrics?) throws(SQLError)
        -> any ObjectUpload
    {
        metrics?.addRequest()
        return try LocalUpload(self, path, isDurable: isDurable, metrics: metrics)
    }

    /// Opens a new file beside the target, in a folder that is made if need be.
    fileprivate func openTemporary(for path: ObjectPath) throws(SQLError) -> (name: ObjectPath, descriptor: Int32) {
        try makeFolder(path.parent)
        let number = temporaryNames.add(1, ordering: .relaxed).newValue
        let temporary = path.parent.appending(
            ".\(path.name).\(getpid())-\(number)\(LocalStore.temporarySuffix)")
        let descriptor = open(temporary.key, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw fileError("could not create file", path, errno) }
        return (temporary, descriptor)
    }

    /// Moves a finished file into place.
    fileprivate func publish(
        _ temporary: ObjectPath, as path: ObjectPath, _ precondition: Precondition, isDurable: Bool
    ) throws(SQLError) -> ObjectInfo {
        try replacing.withLock { _ throws(SQLError) in
            try move(temporary, to: path, precondition)
        }
        if isDurable { LocalStore.sync(path.parent) }
        return try FileIdentity.ofFile(path).info(path)
    }

    fileprivate static func write(
        _ parts: [Bytes], to descriptor: Int32, reportedAs path: ObjectPath
    ) throws(SQLError) {
        for part in parts {
            var offset = 0
            while offset < part.count {
                let written = Foundation.write(descriptor, part.base + offset, part.count - offset)
                if written < 0 {
                    if errno == EINTR { continue }
                    throw fileError("could not write file", path, errno)
                }
                offset += written
            }
        }
    }

    private func move(_ temporary: ObjectPath, to path: ObjectPath, _ precondition: Precondition) throws(SQLError) {
        switch precondition {
        case .none: break
        case .ifAbsent:
            // A link fails if the name is taken, even by another process; a rename would replace.
            guard link(temporary.key, path.key) == 0 else {
                let code = errno
                if code == EEXIST { throw SQLError(.duplicateFile, "file \"\(path)\" already exists") }
                throw fileError("could not create file", path, code)
            }
            unlink(temporary.key)
            return
        case .ifMatch(let etag):
            let current = try? FileIdentity.ofFile(path)
            guard current?.etag == etag else { throw changedError(path) }
        }
        guard rename(temporary.key, path.key) == 0 else { throw fileError("could not rename file", path, errno) }
    }

    /// Makes the new name last. Not all file systems can, and the content is safe already.
    private static func sync(_ folder: ObjectPath) {
        let descriptor = open(folder.key, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        close(descriptor)
    }

    private func makeFolder(_ folder: ObjectPath) throws(SQLError) {
        var status = stat()
        if stat(folder.key, &status) == 0 { return }
        if folder.parent != folder { try makeFolder(folder.parent) }
        guard mkdir(folder.key, 0o755) == 0 || errno == EEXIST else {
            throw fileError("could not create directory", folder, errno)
        }
    }

    public func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        try await onThread { () throws(SQLError) in
            for path in paths {
                metrics?.addRequest()
                guard unlink(path.key) == 0 || errno == ENOENT || errno == ENOTDIR else {
                    throw fileError("could not remove file", path, errno)
                }
            }
        }
    }

    // MARK: Listing

    public func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        let top = try await listChildren(folder, metrics: metrics)
        let parts = try await inParallel(LocalStore.shares(of: top.folders), atOnce: LocalStore.threadsMax) {
            [self] (folders) throws(SQLError) -> [ObjectInfo] in
            try await onThread { () throws(SQLError) in
                var objects: [ObjectInfo] = []
                for folder in folders { try LocalStore.walk(folder, depth: 1, metrics, into: &objects) }
                return objects
            }
        }
        var objects = top.objects
        objects.reserveCapacity(parts.reduce(objects.count) { $0 + $1.count })
        for part in parts { objects += part }
        // Mostly in order already; a file may stand between folders whose names begin as its own does.
        objects.sort { $0.path.precedes($1.path) }
        return objects
    }

    /// Folders in their order, in parts that threads walk side by side.
    private static func shares(of folders: [ObjectPath]) -> [ArraySlice<ObjectPath>] {
        let size = max(1, min(foldersPerShare, folders.count / threadsMax))
        return stride(from: 0, to: folders.count, by: size).map { folders[$0..<min(folders.count, $0 + size)] }
    }

    /// Folders that one thread walks before it looks for others.
    private static let foldersPerShare = 64

    public func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await onThread { () throws(SQLError) in
            try LocalStore.children(folder, metrics)
        }
    }

    private static func walk(
        _ folder: ObjectPath, depth: Int, _ metrics: StoreMetrics?, into objects: inout [ObjectInfo]
    ) throws(SQLError) {
        guard depth < depthMax else {
            throw SQLError(.programLimitExceeded, "directories below \"\(folder)\" are nested too deeply")
        }
        let children = try children(folder, metrics)
        objects.append(contentsOf: children.objects)
        for child in children.folders { try walk(child, depth: depth + 1, metrics, into: &objects) }
    }

    private static func children(
        _ folder: ObjectPath, _ metrics: StoreMetrics?
    ) throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        metrics?.addList()
        let place = folder.key.isEmpty ? "." : folder.key
        guard let directory = opendir(place) else {
            if errno == ENOENT || errno == ENOTDIR { return ([], []) }
            throw fileError("could not open directory", folder, errno)
        }
        defer { closedir(directory) }
        // What lies in "." is named without it, as a shell would.
        let base = folder.key == "." ? folder.replacing(key: "") : folder
        var folders: [ObjectPath] = []
        var objects: [ObjectInfo] = []
        var above: Set<FileIdentity.Place>?
        let dot = CChar(UInt8(ascii: "."))
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                if errno != 0 { throw fileError("could not read directory", folder, errno) }
                break
            }
            var status = stat()
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { name -> String? in
                    if name[0] == dot, name[1] == 0 || (name[1] == dot && name[2] == 0) { return nil }
                    // A file deleted since, or a link to nothing: not there.
                    guard fstatat(dirfd(directory), name, &status, 0) == 0 else { return nil }
                    // A name that is not UTF-8 cannot be named in SQL either.
                    return String(validatingCString: name)
                }
            }
            guard let name, !name.hasSuffix(temporarySuffix) else { continue }
            let path = base.appending(name)
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                if isLink(path), let place = FileIdentity.Place(path) {
                    // A link back to a folder on the way down would never end.
                    let places = above ?? placesAbove(folder)
                    above = places
                    if places.contains(place) { continue }
                }
                folders.append(path)
            case S_IFREG: objects.append(FileIdentity(status).info(path))
            default: break
            }
        }
        folders.sort { $0.precedes($1) }
        objects.sort { $0.path.precedes($1.path) }
        return (folders, objects)
    }

    private static func isLink(_ path: ObjectPath) -> Bool {
        var status = stat()
        return lstat(path.key, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// A folder and all folders its path leads through.
    private static func placesAbove(_ folder: ObjectPath) -> Set<FileIdentity.Place> {
        var places: Set<FileIdentity.Place> = []
        var folder = folder
        while true {
            if let place = FileIdentity.Place(folder) { places.insert(place) }
            if folder.parent == folder || folder.key.isEmpty { return places }
            folder = folder.parent
        }
    }

    private func onThread<T: Sendable>(
        _ body: @escaping @Sendable () throws(SQLError) -> T
    ) async throws(SQLError) -> T {
        try await resultOf { done in
            threads.run { done(Result { () throws(SQLError) in try body() }) }
        }.get()
    }
}

/// A file written under another name until it is whole.
private final class LocalUpload: ObjectUpload {
    private let store: LocalStore
    private let path: ObjectPath
    private let temporary: ObjectPath
    private let isDurable: Bool
    private let metrics: StoreMetrics?
    /// -1 once it is closed.
    private var descriptor: Int32
    private var isPublished = false
    private(set) var sizeBytes: Int64 = 0

    init(_ store: LocalStore, _ path: ObjectPath, isDurable: Bool, metrics: StoreMetrics?) throws(SQLError) {
        self.store = store
        self.path = path
        self.isDurable = isDurable
        self.metrics = metrics
        (temporary, descriptor) = try store.openTemporary(for: path)
    }

    deinit { abort() }

    func append(_ parts: [Bytes]) throws(SQLError) {
        try LocalStore.write(parts, to: descriptor, reportedAs: path)
        let bytes = parts.reduce(0) { $0 + Int64($1.count) }
        sizeBytes += bytes
        metrics?.addBytesWritten(bytes)
    }

    func complete(if precondition: Precondition) throws(SQLError) -> ObjectInfo {
        if isDurable, fsync(descriptor) != 0 { throw fileError("could not fsync file", path, errno) }
        close(descriptor)
        descriptor = -1
        let info = try store.publish(temporary, as: path, precondition, isDurable: isDurable)
        isPublished = true
        return info
    }

    func abort() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        if !isPublished { unlink(temporary.key) }
        isPublished = true
    }
}

/// The error of a failed system call on a file.
func fileError(_ what: String, _ path: ObjectPath, _ code: Int32) -> SQLError {
    let state: SQLState =
        switch code {
        case ENOENT, ENOTDIR: .undefinedFile
        case EACCES, EPERM, EROFS: .insufficientPrivilege
        case ENOSPC, EDQUOT: .diskFull
        default: .ioError
        }
    return SQLError(state, "\(what) \"\(path)\": \(String(cString: strerror(code)))")
}

/// The error of a conditional write that came too late.
func changedError(_ path: ObjectPath) -> SQLError {
    SQLError(.serializationFailure, "could not write \"\(path)\" because it was changed concurrently")
}

/// The error of a read that needs the version of an object that was there before.
func replacedError(_ path: ObjectPath) -> SQLError {
    SQLError(
        .ioError, "could not read \"\(path)\": it was replaced while it was read",
        hint: "Run the statement again: it then reads the new one.")
}
