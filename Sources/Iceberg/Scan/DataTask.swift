// A part of a scan: row groups of a data file whose footer is known, or a whole file that is looked into when its turn
// comes.

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Storage
import Synchronization

/// What all parts of a scan share.
final class ScanWork: Sendable {
    let store: any ObjectStore
    let footers: FooterCache
    let metadata: TableMetadata
    /// The columns of the query, then those that only prune.
    let columns: [ScanColumn]
    /// How many are the query's.
    let width: Int
    /// By place in `columns`.
    let domains: [Int: ColumnDomain]
    let limit: Int?
    /// What planning asked of storage; counted with the first part that is opened.
    let planning = StoreMetrics()
    private let isPlanningCounted = Atomic<Bool>(false)

    init(
        store: any ObjectStore, footers: FooterCache, metadata: TableMetadata, columns: [ScanColumn], width: Int,
        domains: [Int: ColumnDomain], limit: Int?
    ) {
        self.store = store
        self.footers = footers
        self.metadata = metadata
        self.columns = columns
        self.width = width
        self.domains = domains
        self.limit = limit
    }

    func countPlanning(_ metrics: ScanMetrics) {
        guard !isPlanningCounted.exchange(true, ordering: .relaxed) else { return }
        ScanWork.add(planning, to: metrics)
    }

    static func add(_ asked: StoreMetrics, to metrics: ScanMetrics) {
        metrics.add(asked.counters)
    }
}

/// A data file with what its deletes remove.
struct WorkFile: Sendable {
    let file: DataFile
    /// The commit that added the file.
    let sequenceNumber: Int64
    let path: ObjectPath
    let deleted: DeletedRows

    /// `sequence` matters to those who read lineage only.
    init(_ file: DataFile, addedBy sequence: Int64 = 0, _ deleted: DeletedRows) throws(SQLError) {
        guard file.format == "PARQUET" else {
            throw SQLError(
                .featureNotSupported, "data files in format \(file.format) are not supported (\"\(file.path)\")")
        }
        self.file = file
        sequenceNumber = sequence
        path = try ObjectPath(iceberg: file.path)
        self.deleted = deleted
    }

    /// As a listing would tell it; nil when the manifest does not know the size.
    var info: ObjectInfo? { .named(path, sizeBytes: file.sizeBytes) }
}

/// A file once its footer is known.
struct OpenedFile: Sendable {
    let footer: FileFooter
    /// The columns of the scan, then what deletes need.
    let projection: FileProjection
    let positionColumn: Int?
    let keyColumns: [[Int]]
    /// Row groups that may hold matches.
    let groups: [Int]

    init(_ work: ScanWork, _ file: WorkFile, _ footer: FileFooter) throws(SQLError) {
        var wanted = work.columns
        var positionColumn: Int?
        if !file.deleted.positions.isEmpty {
            positionColumn = wanted.count
            wanted.append(.position)
        }
        var keyColumns: [[Int]] = []
        for keys in file.deleted.keys {
            keyColumns.append(Array(wanted.count..<wanted.count + keys.fields.count))
            wanted += keys.fields.map { .field($0) }
        }
        let projection = try Projection(metadata: work.metadata).resolve(
            wanted, in: file.file, changedBy: file.sequenceNumber, footer)
        self.footer = footer
        self.projection = projection
        self.positionColumn = positionColumn
        self.keyColumns = keyColumns
        groups = footer.rowGroups.indices.filter { group in
            let rows = footer.rowGroups[group].rows
            guard rows > 0 else { return false }
            for (place, domain) in work.domains {
                switch projection.columns[place].origin {
                case .constant(let value): if !domain.mayMatch(value) { return false }
                case .rowNumber: continue
                case .file, .nested:
                    let statistics = footer.statistics(rowGroup: group, of: projection.columns[place])
                    if !statistics.mayMatch(domain, rows: rows) { return false }
                }
            }
            return true
        }
    }

    /// The reader of some row groups.
    func source(
        _ work: ScanWork, _ file: WorkFile, _ groups: [Int], isCounted: Bool, _ context: ScanContext
    ) throws(SQLError) -> DataSource {
        // What only prunes is not read.
        let extra = work.columns.count - work.width
        func place(_ old: Int) -> Int { old < work.columns.count ? old : old - extra }
        let kept = projection.columns.indices.filter { $0 < work.width || $0 >= work.columns.count }
        let columns = kept.map { projection.columns[$0] }
        let repairs = kept.map { projection.repairs[$0] }
        var scan = FileScan(
            footer, in: work.store, columns: columns, rowGroups: groups,
            domains: work.domains.filter { $0.key < work.width }, dynamicDomains: context.dynamicDomains,
            limit: context.filter == nil ? work.limit : nil, metrics: context.metrics)
        scan.isFileCounted = isCounted
        scan.stop = context.stop
        var filter = context.filter
        if !file.deleted.isEmpty || (filter != nil && projection.hasRepairs) {
            filter = DeleteFilter(
                file.deleted, positionColumn: positionColumn.map(place), keyColumns: keyColumns.map { $0.map(place) },
                inner: filter, width: work.width, repairs: repairs, file: file.file.path)
        }
        return DataSource(
            try ParquetSource(scan, filter: filter), repairs: Array(repairs.prefix(work.width)), file: file.file.path)
    }
}

/// Rows of a data file as the table's.
final class DataSource: BatchSource {
    private let source: ParquetSource
    private let repairs: [ColumnRepair]
    private let isPlain: Bool
    private let file: String

    init(_ source: ParquetSource, repairs: [ColumnRepair], file: String) {
        self.source = source
        self.repairs = repairs
        self.file = file
        isPlain = repairs.allSatisfy { $0 == .none }
    }

    func open() throws(SQLError) { try source.open() }

    func next() throws(SQLError) -> Batch? {
        guard let batch = try source.next() else { return nil }
        if isPlain, batch.columns.count == repairs.count { return batch }
        var columns: [Column] = []
        columns.reserveCapacity(repairs.count)
        for (column, repair) in zip(batch.columns, repairs) { columns.append(try repair.apply(column, file: file)) }
        return Batch(columns, rows: batch.rows)
    }
}

/// One part of a scan.
struct DataTask: ScanTask {
    private let work: ScanWork
    private let file: WorkFile
    private let known: Known?
    let bytes: Int64
    let rows: Int64?

    private struct Known: Sendable {
        let opened: OpenedFile
        let groups: [Int]
        let isFirst: Bool
    }

    /// A whole file, whose footer is read when it is opened.
    init(_ work: ScanWork, _ file: WorkFile) {
        self.work = work
        self.file = file
        known = nil
        bytes = file.file.sizeBytes
        rows = file.deleted.isEmpty ? file.file.rows : nil
    }

    /// Some row groups.
    init(_ work: ScanWork, _ file: WorkFile, _ opened: OpenedFile, _ groups: [Int], isFirst: Bool) {
        self.work = work
        self.file = file
        known = Known(opened: opened, groups: groups, isFirst: isFirst)
        let read = opened.projection.columns.prefix(work.width).compactMap { column -> Int? in
            if case .file(let index) = column.origin { index } else { nil }
        }
        bytes = groups.reduce(0) { $0 &+ opened.footer.bytes(ofRowGroup: $1, columns: read) }
        rows = file.deleted.isEmpty ? groups.reduce(0) { $0 &+ opened.footer.rowGroups[$1].rows } : nil
    }

    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource {
        work.countPlanning(context.metrics)
        if let known {
            let source = try known.opened.source(work, file, known.groups, isCounted: known.isFirst, context)
            try source.open()
            return source
        }
        let source = UnreadFile(work, file, context)
        if work.store.fetchPolicy(for: file.path).isEager { source.start() }
        return source
    }
}

/// A file whose footer is not known yet. One owner thread; the footer may be read ahead by a task.
private final class UnreadFile: BatchSource {
    private let opening: FileOpening<DataSource>
    private var source: DataSource?
    private var isDone = false

    init(_ work: ScanWork, _ file: WorkFile, _ context: ScanContext) {
        opening = FileOpening(
            FileOpening.File(path: file.path, info: file.info, store: work.store, footers: work.footers),
            stop: context.stop, isRuledOut: { UnreadFile.isRuledOut(work, file, context) },
            prepare: { (footer, asked) throws(SQLError) -> DataSource? in
                try UnreadFile.prepare(work, file, context, footer, asked)
            })
    }

    /// Whether what was found at run time rules out the file by its bounds.
    private static func isRuledOut(_ work: ScanWork, _ file: WorkFile, _ context: ScanContext) -> Bool {
        guard let found = context.dynamicDomains?() else { return false }
        var domains: [Int32: ColumnDomain] = [:]
        for (place, domain) in found where place < work.width {
            if case .field(let field) = work.columns[place] { domains[field.id] = domain }
        }
        guard !FilePlanner.mayMatch(file.file, domains, work.metadata) else { return false }
        context.metrics.add(.filesPruned)
        return true
    }

    private static func prepare(
        _ work: ScanWork, _ file: WorkFile, _ context: ScanContext, _ footer: FileFooter, _ asked: StoreMetrics
    ) throws(SQLError) -> DataSource? {
        ScanWork.add(asked, to: context.metrics)
        let opened = try OpenedFile(work, file, footer)
        let pruned = footer.rowGroups.count - opened.groups.count
        if pruned > 0 { context.metrics.add(.rowGroupsPruned, Int64(pruned)) }
        guard !opened.groups.isEmpty else {
            context.metrics.add(.filesPruned)
            return nil
        }
        let source = try opened.source(work, file, opened.groups, isCounted: true, context)
        try source.open()
        return source
    }

    /// Reads the footer, and then starts what it asks for, without waiting.
    func start() { opening.start() }

    deinit { opening.cancel() }

    func next() throws(SQLError) -> Batch? {
        if isDone { return nil }
        if source == nil { source = try opening.wait() }
        guard let batch = try source?.next() else {
            isDone = true
            source = nil
            return nil
        }
        return batch
    }
}
