// A table over files, and the planning of its scans: which files and row groups are read, and in which parts.

import Catalogs
import Columns
import Diagnostics
import Formats
import Storage
import Synchronization

/// A table over Parquet files.
final class HiveTable: Table {
    let name: String
    let statistics: TableStatistics
    let columns: TableColumns
    private let format: HiveFormat
    private let places: [FilePlace]
    private let reader: KeyReader
    private let projection: Projection?
    private let cacheKey: LayoutCache.Key
    /// What opening the table asked of storage; reported by its first scan.
    private let opening: Mutex<RequestCounters>

    var schema: Schema { columns.schema }
    var hiddenColumns: [Field] { columns.hiddenColumns }

    init(
        format: HiveFormat, name: String, places: [FilePlace], columns: TableColumns, reader: KeyReader,
        projection: Projection?, cacheKey: LayoutCache.Key, statistics: TableStatistics, opening: RequestCounters
    ) {
        self.format = format
        self.name = name
        self.places = places
        self.columns = columns
        self.reader = reader
        self.projection = projection
        self.cacheKey = cacheKey
        self.statistics = statistics
        self.opening = Mutex(opening)
    }

    var readsFields: Bool { true }

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        var plan = ScanPlan(tasks: [])
        plan.report.add(
            opening.withLock { counters in
                defer { counters = RequestCounters() }
                return counters
            })
        for (column, domain) in request.domains {
            guard columns.columns.indices.contains(column) else {
                throw SQLError(.internalError, "a scan of \"\(name)\" names a column that does not exist")
            }
            // Nothing can match: nothing is listed.
            if domain.isNone { return plan }
        }
        let files = try await list(request, &plan.report)
        if files.isEmpty { return plan }
        let shared = SharedScan(format, columns, request, files: files.count)
        let asked = StoreMetrics()
        let footers = try await footers(files, request, asked)
        plan.report.add(asked.counters)
        if plan.report.filesPrunedByPartition == 0 { remember(files, footers) }
        var guess: [Int?] = Array(repeating: nil, count: columns.columns.count)
        var rows: Int64 = 0
        for (file, footer) in zip(files, footers) {
            if let limit = request.limit, rows >= Int64(limit) { break }
            guard let footer else {
                plan.tasks.append(FileTask(shared, file))
                continue
            }
            let parts = try split(file, footer, shared, &guess, &plan.report)
            for part in parts { rows &+= part.rows ?? 0 }
            plan.tasks += parts
        }
        return plan
    }

    // MARK: - Files

    private func list(_ request: ScanRequest, _ report: inout ScanReport) async throws(SQLError) -> [ListedFile] {
        var domains: [Int: ColumnDomain] = [:]
        for (column, domain) in request.domains {
            guard case .key(let key) = columns.columns[column].origin, !domain.isAll else { continue }
            domains[key] = domain
        }
        let metrics = StoreMetrics()
        let listing = FileListing(store: format.stores, reader: reader, domains: domains, metrics: metrics)
        let found: FileListing.Found
        if let projection {
            found = try await listing.files(of: try projection.partitions(domains))
        } else {
            found = try await listing.files(of: places)
        }
        report.add(metrics.counters)
        report.filesPrunedByPartition = found.pruned
        report.filesConsidered = found.files.count + found.pruned
        if projection == nil, found.files.isEmpty, found.pruned == 0 {
            throw SQLError(.undefinedFile, "no files match \"\(cacheKey.location)\"")
        }
        var kept = found.files
        for (column, domain) in request.domains where !domain.isAll {
            if case .key = columns.columns[column].origin { continue }
            kept = kept.filter { file in columns.known(column, of: file).map { domain.mayMatch($0) } ?? true }
        }
        if let mayPass = request.mayPass { kept = kept.filter { mayPass(known($0, request)) } }
        report.filesPrunedByPartition += found.files.count - kept.count
        return kept
    }

    /// What the path tells of the output columns.
    private func known(_ file: ListedFile, _ request: ScanRequest) -> [Column?] {
        request.columns.map { column in
            columns.known(column, of: file).map { Column.constant($0, count: 1) }
        }
    }

    /// Footers that are known or cheap to know; nil for files that their tasks look into.
    private func footers(
        _ files: [ListedFile], _ request: ScanRequest, _ asked: StoreMetrics
    ) async throws(SQLError) -> [FileFooter?] {
        var known: [FileFooter?] = Array(repeating: nil, count: files.count)
        // Of more files than there is room for, the first are enough to know: tasks ask for their own.
        let lookups = files.count > format.footers.roomForFooters ? HiveFormat.localFootersMax : files.count
        for index in 0..<lookups { known[index] = format.footers.footer(for: files[index].info) }
        if lookups < files.count { return known }
        let isRemote = places.contains { format.stores.fetchPolicy(for: $0.root).isEager }
        // What comes whole with its footer is left to its task: a join may rule it out before.
        let missing = files.indices.filter { index in
            known[index] == nil && !(isRemote && files[index].info.sizeBytes <= Int64(ParquetFile.wholeBytesMax))
        }
        // A limit without conditions is reached by the first files.
        let footersMax = request.limit != nil ? 1 : isRemote ? HiveFormat.remoteFootersMax : HiveFormat.localFootersMax
        if missing.isEmpty || missing.count > footersMax { return known }
        let read = try await format.footers(missing.map { files[$0].info }, asked)
        var result = known
        for (index, footer) in zip(missing, read) { result[index] = footer }
        return result
    }

    /// Keeps the size of the whole table for the estimates of queries to come.
    private func remember(_ files: [ListedFile], _ footers: [FileFooter?]) {
        var known = (bytes: 0.0, rows: 0.0)
        var bytes = 0.0
        for (file, footer) in zip(files, footers) {
            bytes += Double(file.info.sizeBytes)
            guard let footer else { continue }
            known.bytes += Double(file.info.sizeBytes)
            known.rows += Double(footer.rows)
        }
        let rows = known.bytes > 0 ? (known.rows * bytes / known.bytes).rounded() : nil
        format.layouts.remember(
            cacheKey,
            LayoutCache.Size(
                bytes: bytes, rows: rows, sample: files.prefix(HiveFormat.remoteFootersMax).map(\.info)))
    }

    // MARK: - Parts

    /// The parts of a file that may hold matches: one for each row group, small ones together.
    private func split(
        _ file: ListedFile, _ footer: FileFooter, _ shared: SharedScan, _ guess: inout [Int?],
        _ report: inout ScanReport
    ) throws(SQLError) -> [FileTask] {
        let mapped = try shared.mapped(file, footer, &guess)
        let groups = shared.matching(mapped, footer)
        guard !groups.isEmpty else {
            if footer.rows > 0 { report.filesPrunedByStatistics += 1 }
            report.rowGroupsPruned += footer.rowGroups.count
            return []
        }
        report.rowGroupsPruned += footer.rowGroups.count - groups.count
        var parts: [FileTask] = []
        var part: [Int] = []
        var rows: Int64 = 0
        for group in groups {
            part.append(group)
            rows &+= footer.rowGroups[group].rows
            if rows >= HiveTable.partRowsMin {
                parts.append(FileTask(shared, file, footer, mapped, part, isFirst: parts.isEmpty))
                part = []
                rows = 0
            }
        }
        if !part.isEmpty { parts.append(FileTask(shared, file, footer, mapped, part, isFirst: parts.isEmpty)) }
        return parts
    }

    /// Row groups with fewer rows are read together.
    private static let partRowsMin: Int64 = 60_000
}

extension ScanReport {
    fileprivate mutating func add(_ counters: RequestCounters) {
        requests += counters.requests
        listRequests += Int(counters.lists)
        bytesRead += counters.bytesRead
        storage += counters
    }
}
