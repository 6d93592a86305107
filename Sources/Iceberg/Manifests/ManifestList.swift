// Manifest lists: which manifests a snapshot has (specification, "Manifest Lists").

import Diagnostics
import Storage

enum ManifestList {
    /// Manifests of one snapshot.
    private static let manifestsMax = 1_000_000

    /// The manifests of a snapshot.
    static func read(
        _ snapshot: Snapshot, of metadata: TableMetadata, in store: any ObjectStore, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> [ManifestFile] {
        guard let location = snapshot.manifestList else {
            return try await embedded(snapshot, metadata, in: store, metrics)
        }
        let bytes = try await IcebergFile.read(
            location, in: store, bytesMax: AvroReader.fileBytesMax, metrics: metrics)
        let reader = try AvroReader(bytes, path: location)
        var manifests: [ManifestFile] = []
        try reader.forEach { (record) throws(Malformed) in
            guard manifests.count < manifestsMax else { throw Malformed("it has more than \(manifestsMax) manifests") }
            manifests.append(try manifest(record))
        }
        return manifests
    }

    /// Old tables of version 1 name the manifests in the metadata; what a list would tell is in the manifests.
    private static func embedded(
        _ snapshot: Snapshot, _ metadata: TableMetadata, in store: any ObjectStore, _ metrics: StoreMetrics?
    ) async throws(SQLError) -> [ManifestFile] {
        var manifests: [ManifestFile] = []
        for path in snapshot.manifests {
            let bytes = try await IcebergFile.read(
                path, in: store, bytesMax: AvroReader.fileBytesMax, metrics: metrics)
            let reader = try AvroReader(bytes, path: path)
            let spec = reader.text("partition-spec-id").flatMap { Int32($0) } ?? metadata.defaultSpec.id
            manifests.append(
                ManifestFile(
                    path: path, sizeBytes: Int64(bytes.count), specID: spec, isDeletes: false, sequenceNumber: 0,
                    minSequenceNumber: 0, addedSnapshotID: snapshot.id))
        }
        return manifests
    }

    private static func manifest(_ record: AvroRecord) throws(Malformed) -> ManifestFile {
        guard let path = record[500]?.asString else { throw Malformed("a manifest has no path") }
        var manifest = ManifestFile(
            path: path, sizeBytes: record[501]?.asInt ?? 0, specID: record[502]?.asInt32 ?? 0,
            isDeletes: record[517]?.asInt == 1, sequenceNumber: record[515]?.asInt ?? 0,
            minSequenceNumber: record[516]?.asInt ?? 0, addedSnapshotID: record[503]?.asInt ?? 0)
        manifest.addedFiles = record[504]?.asInt32
        manifest.existingFiles = record[505]?.asInt32
        manifest.deletedFiles = record[506]?.asInt32
        manifest.addedRows = record[512]?.asInt
        manifest.existingRows = record[513]?.asInt
        manifest.deletedRows = record[514]?.asInt
        manifest.keyMetadata = record[519]?.asBytes
        // Delete manifests must have none, but some writers put a number there.
        manifest.firstRowID = manifest.isDeletes ? nil : record[520]?.asInt
        if let summaries = record[507]?.asArray {
            manifest.partitions = summaries.compactMap(\.asRecord).map { summary in
                ManifestFile.Summary(
                    containsNull: summary[509]?.asBool ?? true, containsNaN: summary[518]?.asBool,
                    lower: summary[510]?.asBytes, upper: summary[511]?.asBytes)
            }
        }
        return manifest
    }

    // MARK: - Writing

    /// The bytes of a list.
    static func write(
        _ manifests: [ManifestFile], snapshotID: Int64, parentID: Int64?, sequenceNumber: Int64, version: Int
    ) throws(SQLError) -> [Bytes] {
        var metadata: [(key: String, value: String)] = [
            ("snapshot-id", "\(snapshotID)"), ("parent-snapshot-id", parentID.map { "\($0)" } ?? "null"),
            ("format-version", "\(version)"),
        ]
        if version > 1 { metadata.append(("sequence-number", "\(sequenceNumber)")) }
        var writer = AvroWriter(schema: schema(version).text, metadata: metadata)
        for manifest in manifests {
            try writer.record { encoder in
                encoder.string(manifest.path)
                encoder.long(manifest.sizeBytes)
                encoder.long(Int64(manifest.specID))
                if version > 1 {
                    encoder.long(manifest.isDeletes ? 1 : 0)
                    encoder.long(manifest.sequenceNumber)
                    encoder.long(manifest.minSequenceNumber)
                }
                encoder.long(manifest.addedSnapshotID)
                encoder.long(Int64(manifest.addedFiles ?? 1))
                encoder.long(Int64(manifest.existingFiles ?? 1))
                encoder.long(Int64(manifest.deletedFiles ?? 1))
                encoder.long(manifest.addedRows ?? 0)
                encoder.long(manifest.existingRows ?? 0)
                encoder.long(manifest.deletedRows ?? 0)
                encoder.optional(manifest.partitions) { encoder, summaries in
                    encoder.array(summaries) { encoder, summary in
                        encoder.bool(summary.containsNull)
                        encoder.optional(summary.containsNaN) { $0.bool($1) }
                        encoder.optional(summary.lower)
                        encoder.optional(summary.upper)
                    }
                }
                encoder.optional(manifest.keyMetadata)
                if version > 2 { encoder.optional(manifest.firstRowID) }
            }
        }
        return try writer.finish()
    }

    private static func schema(_ version: Int) -> JSON {
        var fields = [
            AvroField.required("manifest_path", 500, "string"), .required("manifest_length", 501, "long"),
            .required("partition_spec_id", 502, "int"),
        ]
        if version > 1 {
            fields += [
                .required("content", 517, "int"), .required("sequence_number", 515, "long"),
                .required("min_sequence_number", 516, "long"),
            ]
        }
        fields += [
            .required("added_snapshot_id", 503, "long"), .required("added_files_count", 504, "int"),
            .required("existing_files_count", 505, "int"), .required("deleted_files_count", 506, "int"),
            .required("added_rows_count", 512, "long"), .required("existing_rows_count", 513, "long"),
            .required("deleted_rows_count", 514, "long"),
        ]
        let summary = AvroField.record(
            "r508",
            [
                .required("contains_null", 509, "boolean"), .optional("contains_nan", 518, .string("boolean")),
                .optional("lower_bound", 510, .string("bytes")), .optional("upper_bound", 511, .string("bytes")),
            ])
        fields.append(
            .optional(
                "partitions", 507,
                .object(["type": .string("array"), "items": summary, "element-id": .int(508)])))
        fields.append(.optional("key_metadata", 519, .string("bytes")))
        if version > 2 { fields.append(.optional("first_row_id", 520, .string("long"))) }
        return AvroField.record("manifest_file", fields)
    }
}

/// A field of the Avro schemas that are written.
struct AvroField {
    let json: JSON

    static func required(_ name: String, _ id: Int32, _ type: String) -> AvroField {
        required(name, id, .string(type))
    }

    static func required(_ name: String, _ id: Int32, _ type: JSON) -> AvroField {
        AvroField(json: .object(["name": .string(name), "type": type, "field-id": .int(Int64(id))]))
    }

    static func optional(_ name: String, _ id: Int32, _ type: JSON) -> AvroField {
        AvroField(
            json: .object([
                "name": .string(name), "type": .array([.string("null"), type]), "default": .null,
                "field-id": .int(Int64(id)),
            ]))
    }

    static func record(_ name: String, _ fields: [AvroField]) -> JSON {
        .object(["type": .string("record"), "name": .string(name), "fields": .array(fields.map(\.json))])
    }

    /// A map with integer keys.
    static func pairs(_ name: String, _ id: Int32, key: Int32, value: Int32, _ type: String) -> AvroField {
        .optional(
            name, id,
            .object([
                "type": .string("array"), "logicalType": .string("map"),
                "items": record(
                    "k\(key)_v\(value)", [.required("key", key, "int"), .required("value", value, type)]),
            ]))
    }

    static func list(_ name: String, _ id: Int32, element: Int32, _ type: String) -> AvroField {
        .optional(
            name, id,
            .object(["type": .string("array"), "items": .string(type), "element-id": .int(Int64(element))]))
    }
}
