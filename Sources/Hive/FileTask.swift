// A part of a scan: row groups of a file whose footer is known, or a whole file that is looked into when its turn
// comes.

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Storage

/// What all parts of a scan share.
final class SharedScan: Sendable {
    let format: HiveFormat
    let columns: TableColumns
    let request: ScanRequest
    /// More files than there is room for footers: what is kept then stays.
    let isLarge: Bool
    /// Columns of the table that are read: those asked for, then those that only prune.
    private let wanted: [Int]

    init(_ format: HiveFormat, _ columns: TableColumns, _ request: ScanRequest, files: Int) {
        self.format = format
        isLarge = files > format.footers.roomForFooters
        self.columns = columns
        self.request = request
        wanted = request.columns + request.domains.keys.filter { !request.columns.contains($0) }.sorted()
    }

    /// Where the columns are in a file: first the output's, then those that only prune.
    func mapped(_ file: ListedFile, _ footer: FileFooter, _ guess: inout [Int?]) throws(SQLError) -> [FileColumn] {
        var mapped = try columns.mapped(wanted, of: file, footer: footer, guess: &guess)
        for (place, path) in request.paths where mapped.indices.contains(place) {
            mapped[place] = SharedScan.narrowed(mapped[place], path, footer)
        }
        return mapped
    }

    /// A field inside a struct, found by its names; NULL where the file lacks it.
    private static func narrowed(_ column: FileColumn, _ path: [Int], _ footer: FileFooter) -> FileColumn {
        let type = column.type.field(at: path) ?? .unknown
        guard case .file(let index) = column.origin else { return .constant(.null(type)) }
        var (wanted, found) = (column.type, footer.fields[index])
        var places: [Int] = []
        for step in path {
            guard let name = wanted.rowFields?[step].name, let fields = found.type.rowFields,
                let place = fields.place(of: name)
            else { return found.unsupported == nil ? .constant(.null(type)) : column }
            places.append(place)
            found = found.children[place]
            wanted = wanted.rowFields?[step].type ?? .unknown
        }
        let shape = places.reversed().reduce(FileShape.named) { .field($1, $0) }
        return FileColumn(.nested(index, shape), type: type)
    }

    /// The row groups that may hold matches.
    func matching(_ mapped: [FileColumn], _ footer: FileFooter) -> [Int] {
        footer.rowGroups.indices.filter { group in
            let rows = footer.rowGroups[group].rows
            guard rows > 0 else { return false }
            for (place, column) in wanted.enumerated() {
                guard let domain = request.domains[column] else { continue }
                switch mapped[place].origin {
                case .constant(let value): if !domain.mayMatch(value) { return false }
                case .rowNumber: continue
                case .file, .nested:
                    let statistics = footer.statistics(rowGroup: group, of: mapped[place])
                    if !statistics.mayMatch(domain, rows: rows) { return false }
                }
            }
            for (place, domain) in request.fieldDomains where mapped.indices.contains(place) {
                if case .constant(let value) = mapped[place].origin {
                    if !domain.mayMatch(value) { return false }
                } else if !footer.statistics(rowGroup: group, of: mapped[place]).mayMatch(domain, rows: rows) {
                    return false
                }
            }
            return true
        }
    }

    /// Whether what was found at run time rules out a file by the values of its path.
    func isRuledOut(_ file: ListedFile, _ context: ScanContext) -> Bool {
        guard let domains = context.dynamicDomains?() else { return false }
        for (output, domain) in domains where request.columns.indices.contains(output) {
            guard case .key(let key) = columns.columns[request.columns[output]].origin else { continue }
            if !domain.mayMatch(file.keyValues[key]) { return true }
        }
        return false
    }

    /// The reader of some row groups.
    func source(
        _ footer: FileFooter, _ mapped: [FileColumn], _ groups: [Int], isCounted: Bool, _ context: ScanContext
    ) throws(SQLError) -> ParquetSource {
        var domains: [Int: ColumnDomain] = [:]
        for (output, column) in request.columns.enumerated() {
            if request.paths[output] != nil { continue }
            if let domain = request.domains[column] { domains[output] = domain }
        }
        domains.merge(request.fieldDomains) { old, _ in old }
        var scan = FileScan(
            footer, in: format.stores, columns: Array(mapped.prefix(request.columns.count)), rowGroups: groups,
            domains: domains, dynamicDomains: context.dynamicDomains,
            limit: context.filter == nil ? request.limit : nil, metrics: context.metrics)
        scan.isFileCounted = isCounted
        scan.stop = context.stop
        return try ParquetSource(scan, filter: context.filter)
    }

    static func add(_ asked: StoreMetrics, to metrics: ScanMetrics) {
        metrics.add(asked.counters)
    }
}

/// One part of a scan.
struct FileTask: ScanTask {
    private let shared: SharedScan
    private let file: ListedFile
    private let known: Known?
    let bytes: Int64
    let rows: Int64?

    private struct Known: Sendable {
        let footer: FileFooter
        let mapped: [FileColumn]
        let groups: [Int]
        let isFirst: Bool
    }

    /// A whole file, whose footer is read when it is opened.
    init(_ shared: SharedScan, _ file: ListedFile) {
        self.shared = shared
        self.file = file
        known = nil
        bytes = file.info.sizeBytes
        rows = nil
    }

    /// Some row groups.
    init(
        _ shared: SharedScan, _ file: ListedFile, _ footer: FileFooter, _ mapped: [FileColumn], _ groups: [Int],
        isFirst: Bool
    ) {
        self.shared = shared
        self.file = file
        known = Known(footer: footer, mapped: mapped, groups: groups, isFirst: isFirst)
        let read = mapped.prefix(shared.request.columns.count).compactMap { column -> Int? in
            switch column.origin {
            case .file(let index), .nested(let index, _): index
            case .constant, .rowNumber: nil
            }
        }
        bytes = groups.reduce(0) { $0 &+ footer.bytes(ofRowGroup: $1, columns: read) }
        rows = groups.reduce(0) { $0 &+ footer.rowGroups[$1].rows }
    }

    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource {
        if let known {
            if shared.isRuledOut(file, context) {
                if known.isFirst { context.metrics.add(.filesRuledOut) }
                return NoRows()
            }
            let source = try shared.source(
                known.footer, known.mapped, known.groups, isCounted: known.isFirst, context)
            try source.open()
            return source
        }
        let source = UnreadFile(shared, file, context)
        if shared.format.stores.fetchPolicy(for: file.info.path).isEager { source.start() }
        return source
    }
}

/// A file that turned out to hold no matches.
private final class NoRows: BatchSource {
    func next() throws(SQLError) -> Batch? { nil }
}

/// A file whose footer is not known yet. One owner thread; the footer may be read ahead by a task.
private final class UnreadFile: BatchSource {
    private let opening: FileOpening<ParquetSource>
    private var source: ParquetSource?
    private var isDone = false

    init(_ shared: SharedScan, _ file: ListedFile, _ context: ScanContext) {
        var opened = FileOpening<ParquetSource>.File(
            path: file.info.path, info: file.info, store: shared.format.stores, footers: shared.format.footers)
        opened.onlyIfRoom = shared.isLarge
        opening = FileOpening(
            opened, stop: context.stop,
            isRuledOut: {
                guard shared.isRuledOut(file, context) else { return false }
                context.metrics.add(.filesRuledOut)
                return true
            },
            prepare: { (footer, asked) throws(SQLError) -> ParquetSource? in
                try UnreadFile.prepare(shared, file, context, footer, asked)
            })
    }

    private static func prepare(
        _ shared: SharedScan, _ file: ListedFile, _ context: ScanContext, _ footer: FileFooter, _ asked: StoreMetrics
    ) throws(SQLError) -> ParquetSource? {
        SharedScan.add(asked, to: context.metrics)
        var guess: [Int?] = Array(repeating: nil, count: shared.columns.columns.count)
        let mapped = try shared.mapped(file, footer, &guess)
        let groups = shared.matching(mapped, footer)
        let pruned = footer.rowGroups.count - groups.count
        if pruned > 0 { context.metrics.add(.rowGroupsPruned, Int64(pruned)) }
        guard !groups.isEmpty else {
            context.metrics.add(.filesPruned)
            return nil
        }
        let source = try shared.source(footer, mapped, groups, isCounted: true, context)
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
