// One data file on its way: Parquet with field ids, and what the manifest says of it once it is finished.

import Columns
import Diagnostics
import Formats
import Foundation
import Storage

/// How the data files of a table are written.
struct WriteLayout: Sendable {
    let metadata: TableMetadata
    let spec: PartitionSpec
    /// The columns that files have: those of types that can be written.
    let fields: [IcebergField]
    /// Where they are among the table's columns.
    let places: [Int]
    let columns: [ParquetColumn]
    let options: ParquetOptions
    /// A file ends when it has so many bytes.
    let targetBytes: Int64

    private static let defaultTargetBytes: Int64 = 512 << 20
    private static let boundBytesMax = 64

    /// The layout of files of a partitioning; the table's own if none is given.
    init(_ metadata: TableMetadata, spec: PartitionSpec? = nil, columns table: IcebergSchema) throws(SQLError) {
        self.metadata = metadata
        self.spec = spec ?? metadata.defaultSpec
        var places: [Int] = []
        for (place, field) in table.fields.enumerated() {
            switch field.type {
            case .other, .unknown: continue
            default:
                // Other writers' structs may hold what this one does not know; such a column is left out, too.
                if field.sqlType == .unknown { continue }
                guard field.type.isWritable else {
                    throw SQLError(
                        .featureNotSupported,
                        "writing column \"\(field.name)\" of type \(field.type.name) is not supported")
                }
                places.append(place)
            }
        }
        self.places = places
        fields = places.map { table.fields[$0] }
        let blooms = metadata.properties
        columns = fields.map { field in
            var column = WriteLayout.column(field)
            column.hasBloomFilter = blooms["write.parquet.bloom-filter-enabled.column.\(field.name)"] == "true"
            return column
        }
        var options = ParquetOptions()
        options.boundBytesMax = WriteLayout.boundBytesMax
        // The commit sees to it, for all files at one time.
        options.isDurable = false
        let codec = metadata.properties["write.parquet.compression-codec"]?.lowercased() ?? "zstd"
        options.codec = ParquetCodec(rawValue: codec == "lz4" ? "lz4_raw" : codec) ?? .zstd
        if let level = metadata.properties["write.parquet.compression-level"].flatMap({ Int($0) }),
            (1...22).contains(level)
        {
            options.level = level
        }
        options.keyValues = [("iceberg.schema", table.json().text)]
        if (spec ?? metadata.defaultSpec).isPartitioned { options.rowGroupBytesMax = 32 << 20 }
        self.options = options
        let target = metadata.properties["write.target-file-size-bytes"].flatMap { Int64($0) }
        targetBytes = max(1 << 16, target ?? WriteLayout.defaultTargetBytes)
    }

    /// A column with the ids of all its parts.
    private static func column(_ field: IcebergField) -> ParquetColumn {
        ParquetColumn(
            field.name, field.sqlType, isNullable: !field.isRequired, id: field.id,
            parts: field.type.parts.map { WriteLayout.column($0) })
    }

    /// The folder of data files.
    var folder: String {
        let own = metadata.properties["write.data.path"].map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        return own ?? metadata.location + "/data"
    }

    /// A new path for a file of a partition; names in it help people only.
    func path(_ partition: [Scalar]) -> String {
        var path = folder
        for (field, value) in zip(spec.fields, partition) where field.transform != .void {
            let text = value.isNull ? "null" : value.outputText() ?? "null"
            path += "/\(WriteLayout.escaped(field.name))=\(WriteLayout.escaped(text))"
        }
        return path + "/" + UUID().uuidString.lowercased() + ".parquet"
    }

    /// Letters, digits and a few signs as they are; the rest as `%XX`, cut to a length that file systems take.
    static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8.prefix(60) {
            switch byte {
            // No name is hidden, and none leads upwards.
            case UInt8(ascii: ".") where result.isEmpty || result.utf8.last == UInt8(ascii: "."): result += "_2E"
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "_" + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }
}

/// A data file that one worker writes.
final class DataFileWriter {
    let path: String
    private let layout: WriteLayout
    private let partition: [Scalar]
    private let writer: ParquetWriter
    private let lane: ParquetLane
    /// When it was written to last, in the sink's own count.
    var lastUse = 0

    init(_ layout: WriteLayout, partition: [Scalar], in store: any ObjectStore) throws(SQLError) {
        self.layout = layout
        self.partition = partition
        path = layout.path(partition)
        writer = try ParquetWriter(
            layout.columns, to: try ObjectPath(iceberg: path), in: store, options: layout.options)
        lane = writer.lane()
    }

    var rowsHeld: Int { lane.rowsHeld }

    /// Whether the next rows should go to another file.
    var isFull: Bool { writer.sizeBytes >= layout.targetBytes }

    func push(_ batch: Batch) throws(SQLError) { try lane.push(batch) }

    /// Ends the row group at hand.
    func flush() throws(SQLError) { try lane.flush() }

    func finish() throws(SQLError) -> DataFile {
        try lane.finish()
        let written = try writer.finish()
        var facts = DataFileWriter.facts(written, layout.fields)
        let order = layout.metadata.defaultSortOrderID
        // Rows come in the order in which they were inserted: files have no order that one could rely on.
        facts.sortOrderID = order == 0 ? nil : 0
        return DataFile(
            content: .data, path: path, format: "PARQUET", specID: layout.spec.id, partition: partition,
            rows: written.rows, sizeBytes: written.sizeBytes, facts: facts)
    }

    func abort() { writer.abort() }

    // MARK: - Facts

    /// What the manifest says of a written file.
    static func facts(_ written: WrittenFile, _ fields: [IcebergField]) -> DataFile.Facts {
        var facts = DataFile.Facts()
        var sizes: [Int32: Int64] = [:]
        var values: [Int32: Int64] = [:]
        var nulls: [Int32: Int64] = [:]
        var nans: [Int32: Int64] = [:]
        var lower: [Int32: [UInt8]] = [:]
        var upper: [Int32: [UInt8]] = [:]
        let isSingle = Set(fields.flatMap { single($0) })
        let leaves = Dictionary(
            fields.flatMap { DataFileWriter.leaves($0) }.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for column in written.columns {
            guard let id = column.id, let field = leaves[id] else { continue }
            sizes[field.id] = column.compressedBytes
            values[field.id] = column.valueCount
            nulls[field.id] = column.nullCount
            if field.sqlType.isFloat, let count = column.nanCount { nans[field.id] = count }
            // Bounds inside lists and maps say nothing of a row, and other readers do not expect them.
            guard isSingle.contains(id) else { continue }
            if let low = column.lower.flatMap({ cut($0) }) { lower[field.id] = SingleValue.encode(low, field.type) }
            if let high = column.upper.flatMap({ raised($0) }) {
                upper[field.id] = SingleValue.encode(high, field.type)
            }
        }
        facts.columnSizes = sizes
        facts.valueCounts = values
        facts.nullCounts = nulls
        facts.nanCounts = nans
        facts.lowerBounds = lower
        facts.upperBounds = upper
        facts.splitOffsets = written.splitOffsets
        return facts
    }

    /// The fields that have columns of their own in a file.
    private static func leaves(_ field: IcebergField) -> [IcebergField] {
        field.type.isNested ? field.type.parts.flatMap { leaves($0) } : [field]
    }

    /// The ids of those of which each row has one.
    private static func single(_ field: IcebergField) -> [Int32] {
        switch field.type {
        case .row(let fields): fields.flatMap { single($0) }
        case .list, .map: []
        default: [field.id]
        }
    }

    /// Characters, or bytes, of a bound (the default `truncate(16)` of all writers).
    private static let boundLength = 16

    /// A lower bound of at most 16 characters.
    private static func cut(_ bound: Scalar) -> Scalar {
        switch bound.value {
        case .string(let text): Scalar(bound.type, .string(Transform.prefix(text, boundLength)))
        case .bytes(let bytes): Scalar(bound.type, .bytes(Array(bytes.prefix(boundLength))))
        default: bound
        }
    }

    /// An upper bound of at most 16 characters; nil when there is none so short.
    private static func raised(_ bound: Scalar) -> Scalar? {
        switch bound.value {
        case .string(let text):
            if text.unicodeScalars.count <= boundLength { return bound }
            var scalars = Array(text.unicodeScalars.prefix(boundLength))
            while let last = scalars.popLast() {
                // The next character; surrogates are none.
                let next = last.value == 0xd7ff ? 0xe000 : last.value + 1
                guard let raised = Unicode.Scalar(next) else { continue }
                scalars.append(raised)
                var result = String.UnicodeScalarView()
                result.append(contentsOf: scalars)
                return Scalar(bound.type, .string(String(result)))
            }
            return nil
        case .bytes(let bytes):
            if bytes.count <= boundLength { return bound }
            var kept = Array(bytes.prefix(boundLength))
            while let last = kept.popLast() {
                if last == 0xff { continue }
                return Scalar(bound.type, .bytes(kept + [last + 1]))
            }
            return nil
        default: return bound
        }
    }
}
