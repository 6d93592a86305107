// Iceberg tables: opened by their metadata, made, altered and merged. The managed format.

public import Catalogs
import Columns
public import Diagnostics
public import Formats
import Foundation
public import Storage
import Synchronization

/// Makes, opens and changes Iceberg tables.
public final class IcebergFormat: ManagedFormat {
    /// How definitions name this format.
    public static let name = "iceberg"

    let stores: any ObjectStore
    let footers: FooterCache
    let manifests = ManifestCache()
    let positions = PositionCache()
    /// The folder of new tables.
    let warehouse: String

    /// Footers read at one time.
    static let footersAtOnce = 32
    /// Footers read to plan one scan, where a request takes long and where it does not.
    static let remoteFootersMax = 64
    static let localFootersMax = 1024

    /// `warehouse`: the folder below which tables without a location of their own are made.
    public init(stores: any ObjectStore, warehouse: String, footers: FooterCache = FooterCache()) {
        self.stores = stores
        self.footers = footers
        self.warehouse = warehouse.count > 1 && warehouse.hasSuffix("/") ? String(warehouse.dropLast()) : warehouse
    }

    /// Which state of a table is meant.
    public enum Version: Hashable, Sendable {
        /// The current one.
        case current
        /// With the schema of that time.
        case snapshot(Int64)
        /// A branch (with the table's schema) or a tag (with the schema of that time) inside the table.
        case ref(String)
        /// The newest snapshot at an instant, milliseconds since 1970.
        case time(Int64)
    }

    public func open(
        _ definition: ManagedDefinition, named name: TableName
    ) async throws(SQLError) -> any WritableTable {
        let metadata = try await metadata(of: definition)
        let current = metadata.currentSnapshotID
        // A commit may pin a snapshot that is not the newest of its metadata.
        if let id = definition.snapshotID, id != current {
            guard let snapshot = metadata.snapshots[id] else { throw missing("snapshot \(id)", metadata) }
            return try await table(metadata, snapshot, metadata.currentSchema, name.name)
        }
        let snapshot = definition.snapshotID == nil ? nil : metadata.currentSnapshot
        return try await table(metadata, snapshot, metadata.currentSchema, name.name)
    }

    /// Opens a table by the path of its metadata file, or by its folder: then the newest file in `metadata/` is taken.
    public func open(
        metadataLocation: String, at version: Version = .current, named name: String = "iceberg"
    ) async throws(SQLError) -> any WritableTable {
        let file = try await MetadataFile.newest(metadataLocation, in: stores)
        let metadata = try await MetadataFile.read(file, in: stores)
        var snapshot = metadata.currentSnapshot
        var columns = metadata.currentSchema
        func pin(_ id: Int64) throws(SQLError) {
            guard let found = metadata.snapshots[id] else { throw missing("snapshot \(id)", metadata) }
            snapshot = found
            if let schema = found.schemaID.flatMap({ metadata.schemas[$0] }) { columns = schema }
        }
        switch version {
        case .current: break
        case .snapshot(let id): try pin(id)
        case .time(let milliseconds): try pin(try metadata.snapshotID(at: milliseconds))
        case .ref(let ref):
            guard let found = metadata.refs[ref] else { throw missing("ref \"\(ref)\"", metadata) }
            try pin(found.snapshotID)
            if !found.isTag { columns = metadata.currentSchema }
        }
        return try await table(metadata, snapshot, columns, name)
    }

    private func missing(_ what: String, _ metadata: TableMetadata) -> SQLError {
        SQLError(.undefinedObject, "\(what) does not exist in \"\(metadata.file)\"")
    }

    private func table(
        _ metadata: TableMetadata, _ snapshot: Snapshot?, _ columns: IcebergSchema, _ name: String
    ) async throws(SQLError) -> IcebergTable {
        let key = StateKey(file: metadata.file, snapshotID: snapshot?.id, schemaID: columns.id)
        let statistics: TableStatistics
        if let known = statisticsKept.withLock({ $0[key] }) {
            statistics = known
        } else {
            let facts = TableFacts(metadata: metadata, columns: columns, cache: manifests, store: stores)
            statistics = try await facts.statistics(snapshot)
            statisticsKept.withLock { kept in
                if kept.count >= IcebergFormat.keptMax { kept = [:] }
                kept[key] = statistics
            }
        }
        return IcebergTable(
            format: self, name: name, metadata: metadata, snapshot: snapshot, columns: columns,
            statistics: statistics)
    }

    private struct StateKey: Hashable, Sendable {
        var file: String
        var snapshotID: Int64?
        var schemaID: Int32
    }
    private let statisticsKept = Mutex<[StateKey: TableStatistics]>([:])

    /// The metadata that a definition points to.
    func metadata(of definition: ManagedDefinition) async throws(SQLError) -> TableMetadata {
        guard definition.format == IcebergFormat.name else {
            throw SQLError(.featureNotSupported, "table format \"\(definition.format)\" is not supported")
        }
        if let kept = kept.withLock({ $0.byFile[definition.metadataLocation] }) { return kept }
        let metadata = try await MetadataFile.read(definition.metadataLocation, in: stores)
        keep(metadata)
        return metadata
    }

    /// The metadata with the definition's snapshot as the current one: what a change is made over.
    func state(of definition: ManagedDefinition) async throws(SQLError) -> TableMetadata {
        let metadata = try await metadata(of: definition)
        if metadata.currentSnapshotID == definition.snapshotID { return metadata }
        var raw = metadata.raw
        var refs = raw["refs"]?.asObject ?? JSONObject()
        if let id = definition.snapshotID {
            guard metadata.snapshots[id] != nil else { throw missing("snapshot \(id)", metadata) }
            raw["current-snapshot-id"] = .int(id)
            refs["main"] = .object(["snapshot-id": .int(id), "type": .string("branch")])
        } else {
            raw["current-snapshot-id"] = nil
            refs["main"] = nil
        }
        raw["refs"] = .object(refs)
        return try TableMetadata(raw, file: metadata.file)
    }

    /// Reads the deletes of a table.
    func deletes(_ metadata: TableMetadata, _ metrics: StoreMetrics = StoreMetrics()) -> DeleteLoader {
        DeleteLoader(metadata: metadata, store: stores, footers: footers, metrics: metrics, cache: positions)
    }

    /// Metadata files never change: the last ones are kept.
    private let kept = Mutex(KeptMetadata())
    private static let keptMax = 1_000

    private struct KeptMetadata {
        var byFile: [String: TableMetadata] = [:]
        var snapshots = 0
        /// Snapshots of all kept metadata together.
        static let snapshotsMax = 100_000
    }

    func keep(_ metadata: TableMetadata) {
        kept.withLock { kept in
            kept.snapshots += metadata.snapshots.count
            if kept.byFile.count >= IcebergFormat.keptMax || kept.snapshots > KeptMetadata.snapshotsMax {
                kept.byFile = [:]
                kept.snapshots = metadata.snapshots.count
            }
            kept.byFile[metadata.file] = metadata
        }
    }
}

extension TableMetadata {
    /// The snapshot that was current at an instant, by the table's log.
    func snapshotID(at milliseconds: Int64) throws(SQLError) -> Int64 {
        var newest: (time: Int64, id: Int64)?
        for entry in JSON.object(raw)["snapshot-log"]?.asArray ?? [] {
            guard let time = entry["timestamp-ms"]?.asInt, let id = entry["snapshot-id"]?.asInt, time <= milliseconds,
                newest.map({ $0.time <= time }) ?? true
            else { continue }
            newest = (time, id)
        }
        guard let newest else {
            throw SQLError(
                .undefinedObject, "the table has no snapshot of that time", detail: "Metadata is \"\(file)\".")
        }
        return newest.id
    }
}
