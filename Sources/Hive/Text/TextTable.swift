// A table over CSV or JSON files: one task a file, or some where a file can be cut at line ends.

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Functions
import Storage
import Synchronization

final class TextTable: Table {
    let name: String
    let columns: TableColumns
    let options: TextOptions
    let shape: TextShape
    let isDeclared: Bool
    let format: HiveFormat
    private let files: [ListedFile]
    private let opening: Mutex<RequestCounters>
    /// Listings that were wrong when the files were listed: with more of them, they are listed again.
    private let wrongBefore: Int
    private let list: @Sendable () async throws(SQLError) -> [ListedFile]

    init(
        format: HiveFormat, name: String, files: [ListedFile], columns: TableColumns, options: TextOptions,
        shape: TextShape, isDeclared: Bool, opening: RequestCounters, wrongBefore: Int,
        list: @escaping @Sendable () async throws(SQLError) -> [ListedFile]
    ) {
        self.wrongBefore = wrongBefore
        self.list = list
        self.format = format
        self.name = name
        self.files = files
        self.columns = columns
        self.options = options
        self.shape = shape
        self.isDeclared = isDeclared
        self.opening = Mutex(opening)
    }

    var schema: Schema { columns.schema }
    var hiddenColumns: [Field] { columns.hiddenColumns }

    var statistics: TableStatistics {
        let bytes = files.reduce(0) { $0 &+ $1.info.sizeBytes }
        // Records of a hundred bytes are usual.
        return TableStatistics(rows: Double(bytes / 100 + 1), sizeBytes: bytes)
    }

    /// The definition with the columns and keys that were found.
    func completed(_ definition: ExternalDefinition) -> ExternalDefinition {
        var completed = definition
        completed.columns = columns.columns.filter { $0.origin == .file }.map(\.field)
        if definition.partitionColumns.isEmpty {
            completed.partitionColumns = columns.columns.compactMap { column in
                if case .key = column.origin { return column.field }
                return nil
            }
        }
        return completed
    }

    /// Files of lines are cut into parts of about this size.
    private static let partBytes: Int64 = 16 << 20

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        var plan = ScanPlan(tasks: [])
        let counters = opening.withLock { counters in
            defer { counters = RequestCounters() }
            return counters
        }
        plan.report.requests += counters.requests
        plan.report.listRequests += Int(counters.lists)
        let files = format.wrongListings == wrongBefore ? files : try await list()
        plan.report.filesConsidered = files.count
        if request.domains.contains(where: { $0.value.isNone }) { return plan }
        let scan = try TextScan(self, request)
        for file in files {
            let isOut = request.domains.contains { column, domain in
                columns.known(column, of: file).map { !domain.mayMatch($0) } ?? false
            }
            let known = request.columns.map { column in
                columns.known(column, of: file).map { Column.constant($0, count: 1) }
            }
            if isOut || request.mayPass.map({ !$0(known) }) ?? false {
                plan.report.filesPrunedByPartition += 1
                continue
            }
            let packing = options.packing ?? TextPacking(name: file.info.path.name)
            for extent in extents(of: file, packing) {
                plan.tasks.append(TextTask(scan: scan, file: file, packing: packing, extent: extent))
            }
        }
        return plan
    }

    /// What of a file one task reads.
    private func extents(of file: ListedFile, _ packing: TextPacking) -> [TextTask.Extent] {
        let size = file.info.sizeBytes
        guard packing == .none else { return [.whole] }
        if options.kind == .csv {
            guard CSVCuts.canCut(shape.dialect), size > CSVCuts.partBytes * 2 else { return [.whole] }
            let cuts = CSVCuts(file.info, in: format.stores, shape.dialect)
            let header = HeaderOnce()
            return (0..<cuts.count).map { .part(cuts, $0, header) }
        }
        guard case .given(.lines) = options.layout, size > TextTable.partBytes * 2 else { return [.whole] }
        return stride(from: 0, to: size, by: Int64.Stride(TextTable.partBytes)).map { start in
            .lines(start..<min(size, start + TextTable.partBytes))
        }
    }
}

/// What all tasks of a scan share.
final class TextScan: Sendable {
    let table: TextTable
    let request: ScanRequest
    /// The columns of files that are read, by index of the table.
    let wanted: [Int]
    /// By `wanted`.
    let readers: [TextCasts.Reader]
    /// JSON: one reader of all of them.
    let objects: TextCasts.Reader?

    init(_ table: TextTable, _ request: ScanRequest) throws(SQLError) {
        self.table = table
        self.request = request
        let columns = table.columns.columns
        let options = table.options
        // A record is left out for any of its values.
        let all = options.kind == .csv && options.ignoresErrors ? Array(columns.indices) : request.columns
        var wanted: [Int] = []
        for index in all where columns[index].origin == .file && !wanted.contains(index) { wanted.append(index) }
        self.wanted = wanted
        var readers: [TextCasts.Reader] = []
        var objects: TextCasts.Reader?
        if options.kind == .csv {
            for index in wanted {
                let field = columns[index].field
                guard let reader = TextCasts.reader(field.type, isLenient: options.ignoresErrors) else {
                    throw SQLError(
                        .featureNotSupported,
                        "column \"\(field.name)\" of type \(field.type.name) cannot be read from CSV")
                }
                readers.append(reader)
            }
        } else if !table.shape.hasRecords {
            if let index = wanted.first {
                objects = try JSONTables.reader(columns[index].field.type, isLenient: options.ignoresErrors)
            }
        } else if !wanted.isEmpty {
            let fields = wanted.map { index in
                let field = columns[index].field
                return StructField(table.shape.keys[field.name] ?? field.name, field.type)
            }
            objects = try JSONTables.reader(.row(fields), isLenient: options.ignoresErrors)
        }
        self.readers = readers
        self.objects = objects
    }
}

/// One file, or a range of it.
struct TextTask: ScanTask {
    let scan: TextScan
    let file: ListedFile
    let packing: TextPacking
    let extent: Extent

    enum Extent: Sendable {
        case whole
        /// Lines of JSON that begin in a range.
        case lines(Range<Int64>)
        /// Records of CSV.
        case part(CSVCuts, Int, HeaderOnce)

        /// The bytes; nil: all.
        var range: Range<Int64>? {
            switch self {
            case .whole: nil
            case .lines(let range): range
            case .part(let cuts, let number, _): cuts.range(number)
            }
        }
    }

    var bytes: Int64 { extent.range.map { $0.upperBound - $0.lowerBound } ?? file.info.sizeBytes }
    var rows: Int64? { nil }

    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource {
        if extent.range == nil || extent.range?.lowerBound == 0 { context.metrics.add(.filesOpened) }
        return try TextSource(self, context)
    }
}

/// The header of a file that is read in parts: whoever needs it first reads it.
final class HeaderOnce: @unchecked Sendable {
    // Sendable: the lock guards what was read.
    private let lock = NSLock()
    private var found: [String?]??

    func names(_ read: () throws(SQLError) -> [String?]?) throws(SQLError) -> [String?]? {
        lock.lock()
        defer { lock.unlock() }
        if let found { return found }
        let made = try read()
        found = .some(made)
        return made
    }
}
