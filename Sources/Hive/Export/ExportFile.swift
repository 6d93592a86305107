// One file that an export writes: encoded as it grows, seen when it is complete.

import Catalogs
import Columns
import Diagnostics
import Formats
import Storage

/// How the files of an export are written.
struct ExportLayout: Sendable {
    let format: ExportRequest.Format
    /// The columns that are in the files.
    let fields: [Field]
    /// Where they are among the rows' columns.
    let places: [Int]
    var parquet = ParquetOptions()
    var csv = CSVWriter()
    var hasHeader: Bool
    var packing = TextPacking.none
    /// JSON as one array.
    var isArray = false

    static let names = [
        "append", "array", "compression", "compression_level", "overwrite", "overwrite_or_ignore", "row_group_size",
        "write_partition_columns",
    ]

    init(_ request: ExportRequest) throws(SQLError) {
        format = request.format
        hasHeader = request.hasHeader
        let keepsKeys = try ExportLayout.flag(request.options, "write_partition_columns")
        let kept = request.fields.indices.filter { keepsKeys || !request.keys.contains($0) }
        guard !kept.isEmpty else {
            throw SQLError(.invalidParameterValue, "no column is left beside those of PARTITION_BY")
        }
        places = kept
        fields = kept.map { request.fields[$0] }
        csv.delimiter = request.delimiter
        csv.quote = request.quote
        csv.escape = request.escape
        csv.null = Array(request.null.utf8)
        csv.isText = request.format == .text
        csv.forceQuote = kept.map { $0 < request.forceQuote.count && request.forceQuote[$0] }
        isArray = try ExportLayout.flag(request.options, "array")
        for name in request.options.keys.sorted() where !ExportLayout.names.contains(name) {
            throw SQLError(
                .syntaxError, "option \"\(name)\" not recognized",
                hint:
                    "Besides those of COPY, options are \(ExportLayout.names.joined(separator: ", ")) and partition_by."
            )
        }
        let compression = request.options["compression"]?.lowercased()
        if format == .parquet {
            guard
                let codec = ParquetCodec(
                    rawValue: compression.map { ["none": "uncompressed", "lz4": "lz4_raw"][$0] ?? $0 } ?? "snappy")
            else { throw ExportLayout.wrong("compression", "uncompressed, snappy, gzip, zstd or lz4") }
            parquet.codec = codec
            if let rows = try ExportLayout.number(request.options, "row_group_size") { parquet.rowGroupRowsMax = rows }
            if let level = try ExportLayout.number(request.options, "compression_level") {
                parquet.level = min(level, 22)
            }
            parquet.usesDifferences = false
        } else {
            switch compression {
            case nil, "auto": packing = TextPacking(name: request.path)
            case "none", "uncompressed": packing = .none
            case "gzip": packing = .gzip
            case "zstd": packing = .zstd
            default: throw ExportLayout.wrong("compression", "none, gzip or zstd")
            }
        }
    }

    static func wrong(_ name: String, _ expected: String) -> SQLError {
        SQLError(.invalidParameterValue, "option \"\(name)\" requires \(expected)")
    }

    static func flag(_ options: [String: String], _ name: String) throws(SQLError) -> Bool {
        switch options[name]?.lowercased() {
        case nil, "false", "off", "0": return false
        case "", "true", "on", "1": return true
        default: throw wrong(name, "true or false")
        }
    }

    private static func number(_ options: [String: String], _ name: String) throws(SQLError) -> Int? {
        guard let text = options[name] else { return nil }
        guard let number = Int(text), (1...Int(Int32.max)).contains(number) else { throw wrong(name, "a number") }
        return number
    }

    /// What the files of a folder are called, by their number.
    func fileName(_ stem: String, _ number: Int) -> String {
        let name = "\(stem)\(number)." + (format == .text ? "txt" : format.rawValue)
        switch packing {
        case .none: return name
        case .gzip: return name + ".gz"
        case .zstd: return name + ".zst"
        }
    }
}

/// One file. One thread at a time; blocks.
final class ExportFile {
    let path: ObjectPath
    private let layout: ExportLayout
    private enum Kind {
        case parquet(ParquetWriter, ParquetLane)
        case text(any ObjectUpload, JSONWriter?)
    }
    private let kind: Kind
    private var text: [UInt8] = []
    private var isFirst = true
    /// Rows that are in memory still.
    var rowsHeld: Int {
        if case .parquet(_, let lane) = kind { return lane.rowsHeld }
        return 0
    }

    /// Bytes of the file that are in memory still.
    var heldBytes: Int {
        switch kind {
        case .parquet(let writer, _): writer.heldBytes
        case .text(let upload, _): upload.heldBytes + text.count
        }
    }

    /// Text is packed and sent in pieces of this size.
    private static let pieceBytes = 1 << 20

    init(_ layout: ExportLayout, to path: ObjectPath, in store: any ObjectStore, threads: Int) throws(SQLError) {
        self.layout = layout
        self.path = path
        if layout.format == .parquet {
            let columns = layout.fields.map { ParquetColumn($0.name, ExportFile.stored($0.type)) }
            let writer = try ParquetWriter(columns, to: path, in: store, options: layout.parquet)
            kind = .parquet(writer, writer.lane(threads: threads))
        } else {
            let names = layout.fields.map(\.name)
            kind = .text(
                try store.upload(to: path), layout.format == .json ? JSONWriter(names) : nil)
            if layout.format != .json, layout.hasHeader { layout.csv.header(names, to: &text) }
            if layout.format == .json, layout.isArray { text.append(UInt8(ascii: "[")) }
        }
    }

    /// What a type is in a Parquet file.
    private static func stored(_ type: SQLType) -> SQLType {
        switch type {
        case .varchar, .char, .unknown: .text
        // Digits before the point are fewer than those of a numeric; more digits after it are rounded off.
        case .numeric: .decimal(precision: SQLType.precisionMax, scale: 16)
        default: type
        }
    }

    /// Adds rows: the columns of the layout.
    func append(_ batch: Batch) throws(SQLError) {
        switch kind {
        case .parquet(_, let lane): try lane.push(batch)
        case .text(let upload, let json):
            if let json {
                let separator: [UInt8] = layout.isArray ? [44, 10] : [10]
                json.append(batch, separator: separator, isFirst: &isFirst, to: &text)
            } else {
                layout.csv.append(batch, to: &text)
            }
            if text.count >= ExportFile.pieceBytes { try send(upload) }
        }
    }

    /// Ends the row group at hand: what is held goes to the file.
    func flush() throws(SQLError) { if case .parquet(_, let lane) = kind { try lane.flush() } }

    private func send(_ upload: any ObjectUpload) throws(SQLError) {
        guard !text.isEmpty else { return }
        // A packed stream may have several members.
        switch layout.packing {
        case .none: try upload.append([Bytes(text)])
        case .gzip: try upload.append([Bytes(try Compression.gzip.pack(text))])
        case .zstd: try upload.append([Bytes(try Compression.zstd.pack(text))])
        }
        text.removeAll(keepingCapacity: true)
    }

    /// All but making the file appear.
    func prepare() throws(SQLError) {
        switch kind {
        case .parquet(_, let lane): try lane.finish()
        case .text(let upload, let json):
            if json != nil {
                if layout.isArray { text.append(UInt8(ascii: "]")) }
                if !isFirst || layout.isArray { text.append(10) }
            }
            try send(upload)
        }
    }

    /// All but making the file appear, and nothing of it stays in memory where the store can help that.
    func seal() throws(SQLError) {
        try prepare()
        switch kind {
        case .parquet(let writer, _): try writer.seal()
        case .text(let upload, _): try upload.seal()
        }
    }

    func complete(if precondition: Precondition) throws(SQLError) {
        switch kind {
        case .parquet(let writer, _): _ = try writer.finish(if: precondition)
        case .text(let upload, _): _ = try upload.complete(if: precondition)
        }
    }

    func abort() {
        switch kind {
        case .parquet(let writer, _): writer.abort()
        case .text(let upload, _): upload.abort()
        }
    }
}
