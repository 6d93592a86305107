// A table in one state, and the planning of its scans.

import Catalogs
import Columns
import Diagnostics
import Formats
import Storage

/// An Iceberg table at one snapshot.
final class IcebergTable: WritableTable {
    let name: String
    let definition: ManagedDefinition
    let statistics: TableStatistics
    let metadata: TableMetadata
    let snapshot: Snapshot?
    let columns: IcebergSchema
    private let format: IcebergFormat

    var schema: Schema { columns.schema }
    var hiddenColumns: [Field] { ScanColumn.hidden(metadata).map(\.field) }
    var movedColumns: [Field] { metadata.formatVersion > 2 ? [Field("_row_id", .int8)] : [] }
    var properties: [String: String] { metadata.properties }

    init(
        format: IcebergFormat, name: String, metadata: TableMetadata, snapshot: Snapshot?, columns: IcebergSchema,
        statistics: TableStatistics
    ) {
        self.format = format
        self.name = name
        self.metadata = metadata
        self.snapshot = snapshot
        self.columns = columns
        self.statistics = statistics
        definition = metadata.definition(snapshot)
    }

    var readsFields: Bool { true }

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        var plan = ScanPlan(tasks: [])
        let work = try work(request)
        var domains: [Int32: ColumnDomain] = [:]
        for (place, domain) in work.domains {
            // Nothing can match: nothing is read.
            if domain.isNone { return plan }
            if case .field(let field) = work.columns[place] { domains[field.id] = domain }
        }
        guard let snapshot else { return plan }
        let planner = FilePlanner(
            metadata: metadata, cache: format.manifests, store: format.stores, metrics: work.planning,
            domains: domains)
        var found = try await planner.plan(snapshot)
        if let place = work.columns.firstIndex(of: .path), let domain = work.domains[place] {
            let kept = found.files.filter { domain.mayMatch(.text($0.file.path)) }
            found.prunedByStatistics += found.files.count - kept.count
            found.files = kept
        }
        plan.report.filesConsidered = found.considered
        plan.report.filesPrunedByPartition = found.prunedByPartition
        plan.report.filesPrunedByStatistics = found.prunedByStatistics
        if let limit = request.limit { IcebergTable.cut(&found.files, to: Int64(limit)) }
        let loader = format.deletes(metadata, work.planning)
        let deleted = try await loader.load(found.files)
        var files: [WorkFile] = []
        for (planned, deleted) in zip(found.files, deleted) {
            files.append(try WorkFile(planned.file, addedBy: planned.sequenceNumber, deleted))
        }
        try await split(files, work, request, &plan)
        return plan
    }

    /// A limit without conditions is reached by the first files whose rows are all there.
    private static func cut(_ files: inout [PlannedFile], to limit: Int64) {
        var rows: Int64 = 0
        for (index, file) in files.enumerated() {
            if rows >= limit {
                files.removeSubrange(index...)
                return
            }
            if !file.hasDeletes { rows &+= file.file.rows }
        }
    }

    private func work(_ request: ScanRequest) throws(SQLError) -> ScanWork {
        func column(_ index: Int) throws(SQLError) -> ScanColumn {
            let count = columns.fields.count
            let hidden = ScanColumn.hidden(metadata)
            guard index >= 0, index < count + hidden.count else {
                throw SQLError(.internalError, "a scan of \"\(name)\" names a column that does not exist")
            }
            if index >= count { return hidden[index - count].column }
            let field = columns.fields[index]
            guard field.sqlType != .unknown else {
                throw SQLError(
                    .featureNotSupported,
                    "column \"\(field.name)\" of table \"\(name)\" is of type \(field.type.name), "
                        + "which is not supported"
                )
            }
            return .field(field)
        }
        var list: [ScanColumn] = []
        for (place, index) in request.columns.enumerated() {
            let made = try column(index)
            if let path = request.paths[place], case .field(let field) = made {
                list.append(.part(field, path))
            } else {
                list.append(made)
            }
        }
        var domains = request.fieldDomains
        for (index, domain) in request.domains {
            let places = request.columns.indices.filter { request.columns[$0] == index && request.paths[$0] == nil }
            if places.isEmpty {
                domains[list.count] = domain
                list.append(try column(index))
            }
            for place in places { domains[place] = domain }
        }
        return ScanWork(
            store: format.stores, footers: format.footers, metadata: metadata, columns: list,
            width: request.columns.count, domains: domains, limit: request.limit)
    }

    // MARK: - Parts

    /// Row groups with fewer rows are read together.
    private static let partRowsMin: Int64 = 60_000

    private func split(
        _ files: [WorkFile], _ work: ScanWork, _ request: ScanRequest, _ plan: inout ScanPlan
    ) async throws(SQLError) {
        let footers = try await footers(files, request, work)
        var rows: Int64 = 0
        for (file, footer) in zip(files, footers) {
            if let limit = request.limit, rows >= Int64(limit) { break }
            guard let footer else {
                plan.tasks.append(DataTask(work, file))
                rows &+= file.deleted.isEmpty ? file.file.rows : 0
                continue
            }
            let opened = try OpenedFile(work, file, footer)
            plan.report.rowGroupsPruned += footer.rowGroups.count - opened.groups.count
            if opened.groups.isEmpty {
                if footer.rows > 0 { plan.report.filesPrunedByStatistics += 1 }
                continue
            }
            var parts: [DataTask] = []
            var part: [Int] = []
            var partRows: Int64 = 0
            for group in opened.groups {
                part.append(group)
                partRows &+= footer.rowGroups[group].rows
                if partRows >= IcebergTable.partRowsMin {
                    parts.append(DataTask(work, file, opened, part, isFirst: parts.isEmpty))
                    part = []
                    partRows = 0
                }
            }
            if !part.isEmpty { parts.append(DataTask(work, file, opened, part, isFirst: parts.isEmpty)) }
            for part in parts { rows &+= part.rows ?? 0 }
            plan.tasks += parts
        }
    }

    /// Footers that are known or cheap to know; nil for files that their tasks look into.
    private func footers(
        _ files: [WorkFile], _ request: ScanRequest, _ work: ScanWork
    ) async throws(SQLError) -> [FileFooter?] {
        let known = files.map { file in file.info.flatMap { format.footers.footer(for: $0) } }
        let missing = files.indices.filter { known[$0] == nil }
        let isRemote = files.contains { format.stores.fetchPolicy(for: $0.path).isEager }
        let footersMax =
            request.limit != nil ? 1 : isRemote ? IcebergFormat.remoteFootersMax : IcebergFormat.localFootersMax
        if missing.isEmpty || missing.count > footersMax { return known }
        let wanted = missing.map { files[$0] }
        let read = try await inParallel(wanted, atOnce: IcebergFormat.footersAtOnce) {
            (file) throws(SQLError) -> FileFooter in
            try await ParquetFile.footer(
                of: file.path, in: work.store, info: file.info, cache: work.footers, metrics: work.planning)
        }
        var result = known
        for (index, footer) in zip(missing, read) { result[index] = footer }
        return result
    }

    // MARK: - Writing

    func write(_ kind: WriteKind) -> any TableWrite {
        IcebergWrite(format: format, table: self, kind: kind)
    }
}

extension TableMetadata {
    /// Whether the texts among the properties may name functions, sequences, types or tables: rather yes than no.
    private var namesOthers: Bool {
        properties.contains { key, text in
            guard key.hasPrefix("apus.") else { return false }
            if key.hasPrefix("apus.usertype.") || key == TableProperty.viewQuery { return true }
            if key.hasPrefix("apus.key.") {
                let upper = text.uppercased()
                return upper.hasPrefix("FOREIGN") || upper.hasPrefix("REFERENCES")
            }
            guard ["apus.default.", "apus.check.", "apus.generated."].contains(where: key.hasPrefix) else {
                return false
            }
            if text.contains("::") || text.uppercased().contains("CAST") { return true }
            // A parenthesis behind a name is a call.
            var last: UInt8 = 0
            for byte in text.utf8 {
                let isName =
                    last == 34 || last == 95 || last > 127 || (48...57).contains(last)
                    || (65...90).contains(last & 0xDF)
                if byte == 40, isName { return true }
                last = byte
            }
            return false
        }
    }

    /// The pointer to this metadata at one of its snapshots.
    func definition(_ snapshot: Snapshot?) -> ManagedDefinition {
        var definition = ManagedDefinition(
            format: IcebergFormat.name, identity: uuid, metadataLocation: file, snapshotID: snapshot?.id)
        if properties[TableProperty.viewQuery] != nil { definition.isMaterializedView = true }
        definition.namesOthers = namesOthers
        definition.owner = properties[TableProperty.owner].flatMap { Int64($0) }
        if properties[TableProperty.partitionBy] != nil { definition.isPartitioned = true }
        definition.partitionOf = properties[TableProperty.partitionOf]
        return definition
    }
}
