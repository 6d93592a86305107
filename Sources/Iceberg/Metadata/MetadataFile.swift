// Metadata files: read, plain or gzipped, and written under a new name each time.

import Diagnostics
import Formats
import Foundation
import Storage

enum MetadataFile {
    /// A larger file is taken for damage.
    static let bytesMax: Int64 = 1 << 30
    /// Older metadata files that the newest one names.
    private static let previousMax = 100

    static func read(_ location: String, in store: any ObjectStore) async throws(SQLError) -> TableMetadata {
        let bytes = try await IcebergFile.read(location, in: store, bytesMax: bytesMax)
        return try parse(bytes, location)
    }

    /// The metadata file that a location means: itself, or the newest one of a table's folder.
    static func newest(_ location: String, in store: any ObjectStore) async throws(SQLError) -> String {
        if location.hasSuffix(".json") || location.hasSuffix(".json.gz") { return location }
        let root = location.count > 1 && location.hasSuffix("/") ? String(location.dropLast()) : location
        let folder = try ObjectPath(iceberg: root + "/metadata")
        var best: (number: Int, modified: Int64, text: String)?
        for object in try await store.listChildren(folder).objects {
            let name = object.path.name
            guard name.hasSuffix(".metadata.json") || name.hasSuffix(".metadata.json.gz") else { continue }
            let digits = name.drop { $0 == "v" }.prefix { $0.isNumber }
            let found = (number: Int(digits) ?? 0, modified: object.modified, text: object.path.text)
            if best.map({ ($0.number, $0.modified, $0.text) < found }) ?? true { best = found }
        }
        guard let best else { throw SQLError(.undefinedFile, "no Iceberg metadata below \"\(location)\"") }
        return best.text
    }

    static func parse(_ bytes: Bytes, _ location: String) throws(SQLError) -> TableMetadata {
        let raw: JSONObject
        do throws(Malformed) { raw = try object(bytes) } catch { throw error.error(in: location) }
        return try TableMetadata(raw, file: location)
    }

    private static func object(_ bytes: Bytes) throws(Malformed) -> JSONObject {
        defer { withExtendedLifetime(bytes) {} }
        let all = UnsafeRawBufferPointer(start: bytes.base, count: bytes.count)
        let json: JSON
        if all.count >= 2, all[0] == 0x1f, all[1] == 0x8b {
            guard let plain = Compression.gzip.unpack(all, bytesMax: Int(bytesMax)) else {
                throw Malformed("it cannot be unpacked")
            }
            json = try JSON(parsing: String(decoding: plain, as: UTF8.self))
        } else {
            json = try JSON(parsing: all)
        }
        guard let object = json.asObject else { throw Malformed("it is no JSON object") }
        return object
    }

    /// Writes a table's next metadata file, and returns it as it will be read.
    static func write(
        _ raw: JSONObject, after previous: TableMetadata?, in store: any ObjectStore
    ) async throws(SQLError) -> TableMetadata {
        let (made, object) = try next(raw, after: previous)
        try await store.write(object.parts, to: object.path)
        return made
    }

    /// A table's next metadata, and the file to be written. `keepsSnapshots`: those of the previous one are unchanged, but
    /// for some that may be gone.
    static func next(
        _ raw: JSONObject, after previous: TableMetadata?, keepsSnapshots: Bool = false
    ) throws(SQLError) -> (metadata: TableMetadata, file: NewObject) {
        let properties = raw["properties"]?.asStrings ?? [:]
        let folder = raw["location"]?.asString ?? ""
        var raw = raw
        if let previous, !previous.file.isEmpty {
            let entry = JSON.object([
                "timestamp-ms": .int(previous.lastUpdated), "metadata-file": .string(previous.file),
            ])
            let kept = properties["write.metadata.previous-versions-max"].flatMap { Int($0) } ?? previousMax
            raw["metadata-log"] = .array(((raw["metadata-log"]?.asArray ?? []) + [entry]).suffix(max(1, kept)))
        }
        var number = 0
        if let file = previous?.file {
            let name = file.split(separator: "/").last ?? ""
            let digits = name.drop { !$0.isNumber }.prefix { $0.isNumber }
            number = (Int(digits) ?? 0) &+ 1
            if name.count < 36 || number < 0 || number > 99_999_999 { number = 1 }
        }
        let digits = String(number)
        let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        let isPacked = properties["write.metadata.compression-codec"]?.lowercased() == "gzip"
        let name = "\(padded)-\(UUID().uuidString.lowercased())"
        let location = "\(folder)/metadata/\(name)\(isPacked ? ".gz" : "").metadata.json"
        // What cannot be read is not written.
        let made = try TableMetadata(raw, file: location, after: keepsSnapshots ? previous : nil)
        var bytes = made.text
        if isPacked { bytes = try Compression.gzip.pack(bytes) }
        return (made, NewObject(path: try ObjectPath(iceberg: location), parts: [Bytes(bytes)]))
    }
}

extension ObjectPath {
    /// A location as tables name it; Hadoop writes `file:/path`.
    init(iceberg location: String) throws(SQLError) {
        let isShort = location.hasPrefix("file:/") && !location.hasPrefix("file://")
        try self.init(isShort ? String(location.dropFirst(5)) : location)
    }
}

extension ObjectInfo {
    /// A file as a table's metadata names it, which never gets other content; nil where its size is not told.
    static func named(_ path: ObjectPath, sizeBytes: Int64) -> ObjectInfo? {
        guard sizeBytes > 0 else { return nil }
        var info = ObjectInfo(path: path, sizeBytes: sizeBytes, modified: 0, etag: nil)
        info.isImmutable = true
        return info
    }
}

/// Whole files of a table's metadata.
enum IcebergFile {
    /// Reads a file. With its size, which whoever names it may know, it is looked for in caches.
    static func read(
        _ location: String, sizeBytes: Int64 = 0, in store: any ObjectStore, bytesMax: Int64,
        metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> Bytes {
        let path = try ObjectPath(iceberg: location)
        let bytes: Bytes
        let info: ObjectInfo
        if let named = ObjectInfo.named(path, sizeBytes: sizeBytes) {
            (bytes, info) = try await store.readSuffix(firstBytes, of: named, metrics: metrics)
        } else {
            (bytes, info) = try await store.readSuffix(firstBytes, of: path, metrics: metrics)
        }
        if Int64(bytes.count) == info.sizeBytes { return bytes }
        guard info.sizeBytes <= bytesMax else {
            throw SQLError(
                .programLimitExceeded, "Iceberg file \"\(location)\" has \(info.sizeBytes) bytes",
                detail: "Files of metadata have \(bytesMax) bytes at most.")
        }
        return try await store.read([0..<info.sizeBytes], of: info, metrics: metrics).first ?? .empty
    }

    /// Most files of metadata are not larger.
    private static let firstBytes = 256 << 10
}
