// COPY ... TO 'path': rows into one file, or into files in key=value folders. Nothing can be seen of any of them before
// all are written; then they appear side by side, since stores have no way to show several at once (`Appearing`).

public import Catalogs
import Columns
public import Diagnostics
import Dispatch
import Formats
import Storage
import Synchronization

/// Files of one export. Work is done on a queue of its own, since writers block.
final class FileWriting: FileExport, @unchecked Sendable {
    // Sendable: everything below is touched on the queue only.

    private let layout: ExportLayout
    private let request: ExportRequest
    private let store: any ObjectStore
    private let root: ObjectPath
    private let queue = DispatchQueue(label: "export")
    /// The files that take rows, by folder.
    private var files: [String: ExportFile] = [:]
    /// Files that got no more rows because of what was in memory.
    private var sealed: [ExportFile] = []
    /// Files begun, by folder.
    private var begun: [String: Int] = [:]
    private var isOver = false
    /// How the names of files in folders begin.
    private var stem = "data_"
    /// What must hold for a file to appear.
    private var precondition = Precondition.none
    /// Files that were there before, and may be replaced.
    private var earlier: Set<ObjectPath> = []

    /// Partitions of one export: each has a file open.
    private static let filesMax = 10_000
    /// Rows that all files together keep in memory.
    private static let rowsHeldMax = 1 << 21
    /// Bytes that all files together keep in memory: S3 takes no parts below 5 MiB, so each file has some.
    private let bytesHeldMax: Int
    static let bytesHeldMax = 512 << 20
    private static let threads = 2

    init(
        _ request: ExportRequest, in store: any ObjectStore, bytesHeldMax: Int = FileWriting.bytesHeldMax
    ) throws(SQLError) {
        self.bytesHeldMax = bytesHeldMax
        self.request = request
        self.store = store
        layout = try ExportLayout(request)
        root = try ObjectPath(request.path)
        if request.keys.isEmpty {
            files[""] = try ExportFile(layout, to: root, in: store, threads: FileWriting.threads)
        }
    }

    /// What must be there, or not be there, before rows are written to folders.
    func checkFolder() async throws(SQLError) {
        guard !request.keys.isEmpty else { return }
        if try ExportLayout.flag(request.options, "overwrite") {
            throw SQLError(
                .featureNotSupported, "option \"overwrite\" is not supported",
                hint: "Write to a new folder, or take overwrite_or_ignore, which leaves other files there.")
        }
        if try ExportLayout.flag(request.options, "overwrite_or_ignore") {
            earlier = Set(try await store.list(root, metrics: nil).map(\.path))
            return
        }
        precondition = .ifAbsent
        if try ExportLayout.flag(request.options, "append") {
            stem = "data_" + String(UInt64.random(in: 0 ... .max), radix: 16) + "_"
            return
        }
        let children = try await store.listChildren(root, metrics: nil)
        var isEmpty = children.folders.isEmpty && children.objects.isEmpty
        // Folders of a file system may be left without files.
        if !isEmpty, children.objects.isEmpty, root.scheme == .file {
            isEmpty = try await store.list(root, metrics: nil).isEmpty
        }
        guard isEmpty else {
            throw SQLError(
                .duplicateFile, "folder \"\(root)\" is not empty",
                hint:
                    "Take append to write beside what is there, or overwrite_or_ignore, by which files of the same name "
                    + "are replaced.")
        }
    }

    private func perform(_ body: @escaping @Sendable () throws(SQLError) -> Void) async throws(SQLError) {
        let outcome: Result<Void, SQLError> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(SQLError) {
                    try body()
                    continuation.resume(returning: .success(()))
                } catch { continuation.resume(returning: .failure(error)) }
            }
        }
        try outcome.get()
    }

    func append(_ batch: Batch) async throws(SQLError) {
        try await perform { () throws(SQLError) in try self.add(batch) }
    }

    func finish() async throws(SQLError) {
        let (store, earlier) = (store, earlier)
        let found = Mutex(Appearing.Outcome())
        try await perform { () throws(SQLError) in
            for file in self.files.values { try file.prepare() }
            let outcome = Appearing.run(self.sealed + self.files.values, if: self.precondition)
            if outcome.error == nil { self.isOver = true }
            found.withLock { $0 = outcome }
        }
        let outcome = found.withLock { $0 }
        guard outcome.error != nil else { return }
        // What is given up first cannot appear after it was removed.
        await abandon()
        throw await outcome.undone(in: store, earlier: earlier)
    }

    func abandon() async {
        try? await perform { () throws(SQLError) in
            guard !self.isOver else { return }
            self.isOver = true
            for file in self.sealed + self.files.values { file.abort() }
        }
    }

    // MARK: - On the queue

    private func add(_ batch: Batch) throws(SQLError) {
        guard batch.rows > 0 else { return }
        if request.keys.isEmpty {
            try files[""]?.append(Batch(layout.places.map { Flatten.flat(batch.columns[$0]) }, rows: batch.rows))
            return
        }
        let flat = batch.columns.map { Flatten.flat($0) }
        var order: [String] = []
        var groups: [String: [Int32]] = [:]
        for row in 0..<batch.rows {
            let folder = folder(flat, row)
            if groups[folder] == nil { order.append(folder) }
            groups[folder, default: []].append(Int32(truncatingIfNeeded: row))
        }
        let inner = Batch(layout.places.map { flat[$0] }, rows: batch.rows)
        for folder in order {
            let rows = groups[folder] ?? []
            let file = try file(in: folder)
            guard rows.count < batch.rows else {
                try file.append(inner)
                continue
            }
            let buffer = Buffer(count: rows.count, of: Int32.self)
            for (index, row) in rows.enumerated() { buffer.pointer(Int32.self)[index] = row }
            try file.append(inner.take(UnsafePointer(buffer.pointer(Int32.self)), count: rows.count))
        }
        // Memory has a bound: the largest go to their files first.
        var held = files.values.reduce(0) { $0 + $1.rowsHeld }
        if held > FileWriting.rowsHeldMax {
            for file in files.values.sorted(by: { $0.rowsHeld > $1.rowsHeld })
            where held > FileWriting.rowsHeldMax / 2 {
                held -= file.rowsHeld
                try file.flush()
            }
        }
        try sealSome()
    }

    /// Then those with the most bytes in memory end, and their folders get another file.
    private func sealSome() throws(SQLError) {
        var held = 0
        let sizes = files.map { (folder: $0.key, bytes: $0.value.heldBytes) }
        for size in sizes { held += size.bytes }
        guard held > bytesHeldMax else { return }
        for size in sizes.sorted(by: { $0.bytes > $1.bytes }) where held > bytesHeldMax / 2 {
            guard let file = files.removeValue(forKey: size.folder) else { continue }
            sealed.append(file)
            try file.seal()
            held -= size.bytes
        }
    }

    private func file(in folder: String) throws(SQLError) -> ExportFile {
        if let file = files[folder] { return file }
        guard files.count + sealed.count < FileWriting.filesMax else {
            throw SQLError(
                .programLimitExceeded, "more than \(FileWriting.filesMax) partitions in one COPY",
                hint: "Write some of them at a time, or take keys with fewer values.")
        }
        let number = begun[folder, default: 0]
        let path = root.appending(folder + "/" + layout.fileName(stem, number))
        let file = try ExportFile(layout, to: path, in: store, threads: 1)
        files[folder] = file
        begun[folder] = number + 1
        return file
    }

    /// `year=2026/month=1`, encoded as Hive's readers decode it.
    private func folder(_ columns: [Column], _ row: Int) -> String {
        var folder = ""
        for key in request.keys {
            if !folder.isEmpty { folder += "/" }
            folder += FileWriting.encoded(request.fields[key].name) + "="
            guard columns[key].isValid(row) else {
                folder += PartitionPath.nullName
                continue
            }
            var text: [UInt8] = []
            TextForm.append(columns[key], row, zone: .utc, to: &text)
            folder += FileWriting.encoded(String(decoding: text, as: UTF8.self))
        }
        return folder
    }

    /// As DuckDB and Hive write: letters, digits, blanks and a few signs as they are.
    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "~"), 32:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count < 2 ? "0" : "") + digits
            }
        }
        return result
    }
}

extension HiveFormat {
    public func export(_ request: ExportRequest) async throws(SQLError) -> any FileExport {
        let writing = try FileWriting(request, in: stores)
        do throws(SQLError) { try await writing.checkFolder() } catch {
            await writing.abandon()
            throw error
        }
        return writing
    }
}
