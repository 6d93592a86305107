// Manifests: the files of a table, with what is known of their values (specification, "Manifests").

import Columns
import Diagnostics
import Storage

enum Manifest {
    /// Gives the entries of a manifest in turn, with what they inherit from the list.
    static func forEach(
        _ manifest: ManifestFile, _ bytes: Bytes, of metadata: TableMetadata,
        _ body: (ManifestEntry) throws(Malformed) -> Void
    ) throws(SQLError) {
        let reader = try AvroReader(bytes, path: manifest.path)
        let spec: PartitionSpec
        if let known = metadata.specs[manifest.specID] {
            spec = known
        } else {
            guard let text = reader.text("partition-spec") else {
                throw Malformed("its partition spec \(manifest.specID) is not known").error(in: manifest.path)
            }
            do throws(Malformed) {
                spec = try PartitionSpec(id: manifest.specID, fields: JSON(parsing: text).asArray ?? [])
            } catch { throw error.error(in: manifest.path) }
        }
        let types = spec.fields.map { field in
            field.transform.result(of: metadata.field(field.sourceID)?.type ?? .unknown)
        }
        // Rows of data files without an id of their own are numbered in their order.
        var nextRowID = manifest.firstRowID
        try reader.forEach { (record) throws(Malformed) in
            var entry = try entry(record, manifest, spec, types)
            if entry.isLive, entry.file.content == .data, entry.file.facts.firstRowID == nil, let first = nextRowID {
                entry.file = entry.file.with(firstRowID: first)
                nextRowID = first &+ entry.file.rows
            }
            try body(entry)
        }
    }

    private static func entry(
        _ record: AvroRecord, _ manifest: ManifestFile, _ spec: PartitionSpec, _ types: [IcebergType]
    ) throws(Malformed) -> ManifestEntry {
        guard let status = ManifestEntry.Status(rawValue: record[0]?.asInt ?? -1), let data = record[2]?.asRecord else {
            throw Malformed("an entry has no status or no file")
        }
        let file = try file(data, manifest, spec, types)
        // Only files that were just added inherit; old tables have no numbers at all.
        let inherited = manifest.sequenceNumber
        let sequence = record[3]?.asInt ?? inherited
        return ManifestEntry(
            status: status, snapshotID: record[1]?.asInt ?? manifest.addedSnapshotID, sequenceNumber: sequence,
            fileSequenceNumber: record[4]?.asInt ?? inherited, file: file)
    }

    private static func file(
        _ data: AvroRecord, _ manifest: ManifestFile, _ spec: PartitionSpec, _ types: [IcebergType]
    ) throws(Malformed) -> DataFile {
        guard let path = data[100]?.asString, let rows = data[103]?.asInt, rows >= 0 else {
            throw Malformed("a file has no path or no count of rows")
        }
        guard let content = DataFile.Content(rawValue: data[134]?.asInt32 ?? 0) else {
            throw Malformed("a file has content of an unknown kind")
        }
        guard (content != .data) == manifest.isDeletes else {
            throw Malformed("a manifest mixes data and deletes")
        }
        var partition: [Scalar] = []
        let tuple = data[102]?.asRecord
        for (field, type) in zip(spec.fields, types) {
            partition.append(try SingleValue.decode(tuple?[field.fieldID], type))
        }
        var facts = DataFile.Facts()
        facts.columnSizes = numbers(data[108])
        facts.valueCounts = numbers(data[109])
        facts.nullCounts = numbers(data[110])
        facts.nanCounts = numbers(data[137])
        facts.lowerBounds = bounds(data[125])
        facts.upperBounds = bounds(data[128])
        facts.keyMetadata = data[131]?.asBytes
        facts.splitOffsets = data[132]?.asArray?.compactMap(\.asInt)
        facts.equalityIDs = data[135]?.asArray?.compactMap(\.asInt32)
        facts.sortOrderID = data[140]?.asInt32
        facts.firstRowID = data[142]?.asInt
        facts.referencedDataFile = data[143]?.asString
        facts.contentOffset = data[144]?.asInt
        facts.contentSizeBytes = data[145]?.asInt
        return DataFile(
            content: content, path: path, format: (data[101]?.asString ?? "PARQUET").uppercased(), specID: spec.id,
            partition: partition, rows: rows, sizeBytes: data[104]?.asInt ?? 0, facts: facts)
    }

    private static func pairs(_ value: AvroValue?) -> [(Int32, AvroValue)]? {
        value?.asArray?.compactMap { pair in
            guard let record = pair.asRecord, record.values.count == 2, let key = record.values[0].asInt32 else {
                return nil
            }
            return (key, record.values[1])
        }
    }

    private static func numbers(_ value: AvroValue?) -> [Int32: Int64]? {
        guard let pairs = pairs(value) else { return nil }
        var result: [Int32: Int64] = [:]
        for (key, value) in pairs { result[key] = value.asInt }
        return result
    }

    private static func bounds(_ value: AvroValue?) -> [Int32: [UInt8]]? {
        guard let pairs = pairs(value) else { return nil }
        var result: [Int32: [UInt8]] = [:]
        for (key, value) in pairs { result[key] = value.asBytes }
        return result
    }
}

/// Makes a manifest, entry by entry, and counts what the list says of it.
struct ManifestWriter {
    private let metadata: TableMetadata
    private let spec: PartitionSpec
    private let types: [IcebergType]
    private let isDeletes: Bool
    private let snapshotID: Int64
    private var writer: AvroWriter
    private var summaries: [ManifestFile.Summary]
    private var counts = [ManifestEntry.Status: (files: Int32, rows: Int64)]()
    private var minSequence: Int64?
    private(set) var entries = 0

    init(spec: PartitionSpec, isDeletes: Bool, snapshotID: Int64, of metadata: TableMetadata) {
        self.metadata = metadata
        self.spec = spec
        self.isDeletes = isDeletes
        self.snapshotID = snapshotID
        types = spec.fields.map { $0.transform.result(of: metadata.field($0.sourceID)?.type ?? .unknown) }
        summaries = spec.fields.map { _ in ManifestFile.Summary(containsNull: false, containsNaN: false) }
        var about: [(key: String, value: String)] = [
            ("schema", metadata.currentSchema.json().text), ("schema-id", "\(metadata.currentSchema.id)"),
            ("partition-spec", spec.fieldsJSON.text), ("partition-spec-id", "\(spec.id)"),
            ("format-version", "\(metadata.formatVersion)"),
        ]
        if metadata.formatVersion > 1 { about.append(("content", isDeletes ? "deletes" : "data")) }
        writer = AvroWriter(schema: ManifestWriter.schema(spec, types, metadata.formatVersion).text, metadata: about)
    }

    var sizeBytes: Int { writer.sizeBytes }

    /// Adds an entry. Numbers of added files are inherited from the list, so that a commit can be tried again.
    mutating func add(_ entry: ManifestEntry) throws(SQLError) {
        let version = metadata.formatVersion
        let isNew = entry.status == .added
        let file = entry.file
        let types = types
        try writer.record { encoder in
            encoder.long(entry.status.rawValue)
            if version == 1 { encoder.long(entry.snapshotID) } else { encoder.optional(Optional(entry.snapshotID)) }
            if version > 1 {
                encoder.optional(isNew ? nil : Optional(entry.sequenceNumber))
                encoder.optional(isNew ? nil : Optional(entry.fileSequenceNumber))
                encoder.long(Int64(file.content.rawValue))
            }
            encoder.string(file.path)
            encoder.string(file.format)
            for (value, type) in zip(file.partition, types) { SingleValue.encode(value, type, to: &encoder) }
            encoder.long(file.rows)
            encoder.long(file.sizeBytes)
            if version == 1 { encoder.long(ManifestWriter.blockBytes) }
            encoder.pairs(file.facts.columnSizes) { $0.long($1) }
            encoder.pairs(file.facts.valueCounts) { $0.long($1) }
            encoder.pairs(file.facts.nullCounts) { $0.long($1) }
            encoder.pairs(file.facts.nanCounts) { $0.long($1) }
            encoder.pairs(file.facts.lowerBounds) { $0.block($1) }
            encoder.pairs(file.facts.upperBounds) { $0.block($1) }
            encoder.optional(file.facts.keyMetadata)
            encoder.optional(file.facts.splitOffsets) { $0.array($1) { $0.long($1) } }
            if version > 1 { encoder.optional(file.facts.equalityIDs) { $0.array($1) { $0.long(Int64($1)) } } }
            encoder.optional(file.facts.sortOrderID)
            if version > 2 { encoder.optional(isNew ? nil : file.facts.firstRowID) }
            if version > 1 { encoder.optional(file.facts.referencedDataFile) }
            if version > 2 {
                encoder.optional(file.facts.contentOffset)
                encoder.optional(file.facts.contentSizeBytes)
            }
        }
        count(entry)
    }

    /// Old readers of version 1 want a number here.
    private static let blockBytes: Int64 = 64 << 20

    private mutating func count(_ entry: ManifestEntry) {
        entries += 1
        var counted = counts[entry.status] ?? (0, 0)
        counted.files += 1
        counted.rows &+= entry.file.rows
        counts[entry.status] = counted
        if entry.status == .existing { minSequence = min(minSequence ?? Int64.max, entry.sequenceNumber) }
        for (index, value) in entry.file.partition.enumerated() where index < summaries.count {
            if value.isNull {
                summaries[index].containsNull = true
            } else if value.isNaN {
                summaries[index].containsNaN = true
            } else {
                widen(&summaries[index], value, types[index])
            }
        }
    }

    private func widen(_ summary: inout ManifestFile.Summary, _ value: Scalar, _ type: IcebergType) {
        guard !type.isNanos, let bytes = SingleValue.encode(value, type) else { return }
        func order(_ old: [UInt8]) -> Int {
            guard let bound = SingleValue.decode(old, type) else { return 0 }
            return Scalar.compare(value, bound) ?? 0
        }
        if summary.lower.map({ order($0) < 0 }) ?? true { summary.lower = bytes }
        if summary.upper.map({ order($0) > 0 }) ?? true { summary.upper = bytes }
    }

    /// The bytes, and the entry for the list.
    mutating func finish(path: String, sequenceNumber: Int64) throws(SQLError) -> (parts: [Bytes], file: ManifestFile) {
        let parts = try writer.finish()
        var file = ManifestFile(
            path: path, sizeBytes: Int64(parts.reduce(0) { $0 + $1.count }), specID: spec.id, isDeletes: isDeletes,
            sequenceNumber: metadata.formatVersion > 1 ? sequenceNumber : 0, minSequenceNumber: 0,
            addedSnapshotID: snapshotID)
        let added = counts[.added] ?? (0, 0)
        let existing = counts[.existing] ?? (0, 0)
        let deleted = counts[.deleted] ?? (0, 0)
        (file.addedFiles, file.addedRows) = (added.files, added.rows)
        (file.existingFiles, file.existingRows) = (existing.files, existing.rows)
        (file.deletedFiles, file.deletedRows) = (deleted.files, deleted.rows)
        file.minSequenceNumber = min(minSequence ?? file.sequenceNumber, file.sequenceNumber)
        file.partitions = summaries
        return (parts, file)
    }

    private static func schema(_ spec: PartitionSpec, _ types: [IcebergType], _ version: Int) -> JSON {
        let tuple = zip(spec.fields, types).map { field, type in
            AvroField.optional(
                avroName(field.name), field.fieldID, SingleValue.avroType(type, fieldID: field.fieldID))
        }
        var file: [AvroField] = version > 1 ? [.required("content", 134, "int")] : []
        file += [
            .required("file_path", 100, "string"), .required("file_format", 101, "string"),
            .required("partition", 102, AvroField.record("r102", tuple)), .required("record_count", 103, "long"),
            .required("file_size_in_bytes", 104, "long"),
        ]
        if version == 1 { file.append(.required("block_size_in_bytes", 105, "long")) }
        file += [
            .pairs("column_sizes", 108, key: 117, value: 118, "long"),
            .pairs("value_counts", 109, key: 119, value: 120, "long"),
            .pairs("null_value_counts", 110, key: 121, value: 122, "long"),
            .pairs("nan_value_counts", 137, key: 138, value: 139, "long"),
            .pairs("lower_bounds", 125, key: 126, value: 127, "bytes"),
            .pairs("upper_bounds", 128, key: 129, value: 130, "bytes"),
            .optional("key_metadata", 131, .string("bytes")), .list("split_offsets", 132, element: 133, "long"),
        ]
        if version > 1 { file.append(.list("equality_ids", 135, element: 136, "int")) }
        file.append(.optional("sort_order_id", 140, .string("int")))
        if version > 2 { file.append(.optional("first_row_id", 142, .string("long"))) }
        if version > 1 { file.append(.optional("referenced_data_file", 143, .string("string"))) }
        if version > 2 {
            file.append(.optional("content_offset", 144, .string("long")))
            file.append(.optional("content_size_in_bytes", 145, .string("long")))
        }
        var entry: [AvroField] = [.required("status", 0, "int")]
        if version == 1 {
            entry.append(.required("snapshot_id", 1, "long"))
        } else {
            entry += [
                .optional("snapshot_id", 1, .string("long")), .optional("sequence_number", 3, .string("long")),
                .optional("file_sequence_number", 4, .string("long")),
            ]
        }
        entry.append(.required("data_file", 2, AvroField.record("r2", file)))
        return AvroField.record("manifest_entry", entry)
    }

    /// Avro's names are letters, digits and underscores; others are written as Java does.
    private static func avroName(_ name: String) -> String {
        var result = ""
        for (index, scalar) in name.unicodeScalars.enumerated() {
            let isLetter = ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_"
            let isDigit = ("0"..."9").contains(scalar)
            if isLetter || (isDigit && index > 0) {
                result.unicodeScalars.append(scalar)
            } else if isDigit {
                result += "_\(scalar)"
            } else {
                result += "_x" + String(scalar.value, radix: 16, uppercase: true)
            }
        }
        return result.isEmpty ? "_" : result
    }
}
