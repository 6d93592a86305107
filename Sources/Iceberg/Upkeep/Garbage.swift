// Garbage collection: marks what definitions lead to, then lists what nothing leads to.

public import Catalogs
import Diagnostics
import Foundation
import Storage
import Synchronization

extension IcebergFormat {
    public func garbageCollection() -> (any GarbageCollection)? { IcebergGarbage(self) }
}

/// One collection.
final class IcebergGarbage: GarbageCollection {
    private let format: IcebergFormat
    private let state = Mutex(State())

    private struct State {
        /// Hashes of the paths that are in use: two that are equal keep a file too many, never lose one.
        var marked: Set<UInt64> = []
        var definitions: Set<String> = []
        /// Manifests and lists that were read.
        var read: Set<UInt64> = []
        /// Folders outside of the warehouse that were given to tables when they were made here. Registered tables belong
        /// to somebody else, too.
        var locations: Set<String> = []
        /// Folders whose tables say that their files are not to be removed.
        var excluded: Set<String> = []
        var names = CanonicalNames()
    }

    /// A table's property: its folder was given to it alone when it was made.
    static let ownsLocationKey = "apus.owns-location"

    /// Files that one collection lists, and removes in one call.
    private static let filesMax = 20_000_000
    private static let removalsAtOnce = 1_000

    init(_ format: IcebergFormat) { self.format = format }

    // MARK: - Marking

    func mark(_ definition: ManagedDefinition) async throws(SQLError) {
        guard definition.format == IcebergFormat.name else { return }
        let isNew = state.withLock { $0.definitions.insert(definition.metadataLocation).inserted }
        guard isNew else { return }
        // Not by way of the caches: they are for queries.
        let metadata = try await MetadataFile.read(definition.metadataLocation, in: format.stores)
        try mark(metadata.file)
        try mark("\(metadata.location)/metadata/version-hint.text")
        for key in ["statistics", "partition-statistics"] {
            for entry in metadata.raw[key]?.asArray ?? [] {
                if let path = entry["statistics-path"]?.asString { try mark(path) }
            }
        }
        state.withLock { state in
            if metadata.properties["gc.enabled"] == "false" {
                state.excluded.insert(metadata.location)
            } else if metadata.properties[IcebergGarbage.ownsLocationKey] == "true" {
                state.locations.insert(metadata.location)
            }
        }
        for snapshot in metadata.snapshots.values {
            if let list = snapshot.manifestList {
                try mark(list)
                guard try isUnread(list) else { continue }
            }
            for manifest in try await ManifestList.read(snapshot, of: metadata, in: format.stores) {
                try mark(manifest.path)
                guard try isUnread(manifest.path) else { continue }
                try await mark(manifest, metadata)
            }
        }
    }

    private func mark(_ manifest: ManifestFile, _ metadata: TableMetadata) async throws(SQLError) {
        let bytes = try await IcebergFile.read(
            manifest.path, in: format.stores, bytesMax: AvroReader.fileBytesMax)
        var failure: SQLError?
        try Manifest.forEach(manifest, bytes, of: metadata) { (entry) throws(Malformed) in
            // What a snapshot deleted is an older snapshot's, if that is kept.
            guard entry.isLive, failure == nil else { return }
            do throws(SQLError) { try mark(entry.file.path) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func mark(_ path: String) throws(SQLError) {
        let path = try ObjectPath(iceberg: path)
        state.withLock { state in
            let key = state.names.key(path)
            state.marked.insert(key)
        }
    }

    private func isUnread(_ path: String) throws(SQLError) -> Bool {
        let path = try ObjectPath(iceberg: path)
        return state.withLock { state in
            let key = state.names.key(path)
            return state.read.insert(key).inserted
        }
    }

    // MARK: - Sweeping

    func unmarked(olderThan: Int64) async throws(SQLError) -> [LostFile] {
        var found: [String: LostFile] = [:]
        let locations = state.withLock { $0.locations }
        if !format.warehouse.isEmpty {
            try await collect(format.warehouse, isWarehouse: true, olderThan, &found)
        }
        for location in locations.sorted() where !isStandard(location) {
            try await collect(location, isWarehouse: false, olderThan, &found)
        }
        return found.values.sorted { $0.path < $1.path }
    }

    /// Whether a table's folder is one that the listing of the warehouse takes for one.
    private func isStandard(_ location: String) -> Bool {
        guard !format.warehouse.isEmpty, location.hasPrefix(format.warehouse + "/") else { return false }
        let parts = location.dropFirst(format.warehouse.count).split(separator: "/")
        return parts.count == 2 && IcebergGarbage.isFolderOfTable(parts[1])
    }

    private static func isFolderOfTable(_ name: Substring) -> Bool {
        guard let mark = name.lastIndex(of: "-") else { return false }
        let digits = name[name.index(after: mark)...]
        return digits.count == 8 && digits.allSatisfy(\.isHexDigit)
    }

    private func collect(
        _ folder: String, isWarehouse: Bool, _ olderThan: Int64, _ found: inout [String: LostFile]
    ) async throws(SQLError) {
        let root = try ObjectPath(iceberg: folder)
        var excluded: [String] = []
        for location in state.withLock({ $0.excluded }) {
            excluded.append(try ObjectPath(iceberg: location).text + "/")
        }
        for object in try await format.stores.list(root, metrics: nil) {
            guard object.modified < olderThan, object.path.key.hasPrefix(root.key) else { continue }
            let below = object.path.key.dropFirst(root.key.count).split(separator: "/")
            guard IcebergGarbage.isOurs(below, isWarehouse: isWarehouse) else { continue }
            let isMarked = state.withLock { state in
                let key = state.names.key(object.path)
                return state.marked.contains(key)
            }
            let text = object.path.text
            if isMarked || excluded.contains(where: { text.hasPrefix($0) }) { continue }
            guard found.count < IcebergGarbage.filesMax else {
                throw SQLError(.programLimitExceeded, "more than \(IcebergGarbage.filesMax) files without use")
            }
            found[text] = LostFile(path: text, sizeBytes: object.sizeBytes, modified: object.modified)
        }
    }

    /// Whether a file below the warehouse, or below a table's location, has a name that tables give: in the warehouse
    /// `schema/table-01234567/data/...` and `.../metadata/...`. What else lies there is somebody else's.
    static func isOurs(_ parts: [Substring], isWarehouse: Bool) -> Bool {
        var parts = parts[...]
        if isWarehouse {
            guard parts.count >= 4, isFolderOfTable(parts[1]) else { return false }
            parts = parts.dropFirst(2)
        }
        guard parts.count >= 2, let folder = parts.first, let name = parts.last else { return false }
        switch folder {
        case "metadata":
            return parts.count == 2
                && [".metadata.json", ".avro", ".stats", ".puffin"].contains { name.hasSuffix($0) }
        case "data": return [".parquet", ".puffin", ".avro", ".orc"].contains { name.hasSuffix($0) }
        default: return false
        }
    }

    func remove(_ files: [LostFile]) async throws(SQLError) {
        for start in stride(from: 0, to: files.count, by: IcebergGarbage.removalsAtOnce) {
            var paths: [ObjectPath] = []
            for file in files[start..<min(start + IcebergGarbage.removalsAtOnce, files.count)] {
                paths.append(try ObjectPath(file.path))
            }
            try await format.stores.delete(paths, metrics: nil)
        }
    }
}

/// One name for each file, whichever way its path is written: relative, or by way of links.
private struct CanonicalNames: Sendable {
    private var folders: [String: String] = [:]
    private static let foldersMax = 100_000

    mutating func key(_ path: ObjectPath) -> UInt64 {
        switch path.scheme {
        case .s3: return CanonicalNames.hash(path.text)
        case .file:
            let parent = path.parent.key
            if let known = folders[parent] { return CanonicalNames.hash(known + "/" + path.name) }
            // A folder that is not there has no files that could be lost.
            let absolute = URL(fileURLWithPath: parent.isEmpty ? "." : parent).resolvingSymlinksInPath().path
            if folders.count >= CanonicalNames.foldersMax { folders = [:] }
            folders[parent] = absolute
            return CanonicalNames.hash(absolute + "/" + path.name)
        }
    }

    /// FNV-1a, mixed once more.
    private static func hash(_ text: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash ^= hash >> 32
        return hash &* 0x9e37_79b9_7f4a_7c15
    }
}
