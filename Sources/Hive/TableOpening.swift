// Opening a table: keys and columns from what is declared, from one branch of the folders, or from all files.

import Catalogs
import Columns
import Diagnostics
import Formats
import Storage

/// One opening.
struct TableOpening: Sendable {
    let format: HiveFormat
    let name: String
    let found: [FilePlace.Found]
    let options: ReadOptions
    let declared: [Field]
    let declaredKeys: [Field]
    /// read_parquet: keys above the location count, the first file tells the columns, and no file may lack one.
    let isFunction: Bool
    let metrics: StoreMetrics
    let location: String
    /// What was known when the table was made.
    var rowsEstimated: Double?
    /// Partitions that are computed instead of found.
    var projection: Projection?

    private var places: [FilePlace] { found.map(\.place) }
    private var key: LayoutCache.Key { LayoutCache.Key(location: location, isFunction: isFunction) }
    private var store: any ObjectStore { format.stores }
    private var isRemote: Bool { places.contains { store.fetchPolicy(for: $0.root).isEager } }

    func open() async throws(SQLError) -> HiveTable {
        if !declared.isEmpty, !declaredKeys.isEmpty || options.hivePartitioning == false {
            let columns = try TableColumns(
                data: declared, keys: declaredKeys, options: options, sample: nil, mayLack: true)
            return table(columns, keys: declaredKeys, await statistics(declared: columns))
        }
        let (layouts, footer) = try await sampled()
        let keys = try keys(layouts)
        if declared.isEmpty {
            if isFunction, options.unionByName == true { return try await openUnion(keys) }
            // Files of one folder are few, and all looked at anyway.
            if !isFunction, options.unionByName != false, let table = try await openFlat(keys, layouts) { return table }
        }
        let columns = try TableColumns(
            data: declared.isEmpty ? footer.columns(options) : declared, keys: keys, options: options,
            sample: declared.isEmpty ? footer.info.path : nil, mayLack: !isFunction || options.unionByName == true)
        let statistics = try await statistics(layouts, footer, columns)
        return table(columns, keys: keys, statistics)
    }

    private func table(_ columns: TableColumns, keys: [Field], _ statistics: TableStatistics) -> HiveTable {
        HiveTable(
            format: format, name: name, places: places, columns: columns,
            reader: reader(keys), projection: projection, cacheKey: key, statistics: statistics,
            opening: metrics.counters)
    }

    private func reader(_ keys: [Field]) -> KeyReader {
        let names = keys.map(\.name).filter { name in
            declaredKeys.isEmpty && declared.position(of: name) == nil && options.hiveTypes.position(of: name) == nil
        }
        return KeyReader(keys: keys, inferred: Set(names), isWholePath: isFunction)
    }

    /// The layouts, and the footer of the file that tells the columns: of another one if the first is damaged, because
    /// queries that do not touch the damaged one work all the same.
    private func sampled() async throws(SQLError) -> (layouts: [ProbedLayout], footer: FileFooter) {
        var excluded: Set<ObjectPath> = []
        var damage: SQLError?
        while true {
            let layouts = try await probe(excluded)
            guard let sample = isFunction ? layouts.first?.sample : layouts.last?.sample else {
                throw damage ?? SQLError(.undefinedFile, "no files match \"\(location)\"")
            }
            do throws(SQLError) {
                return (layouts, try await format.footer(sample, metrics))
            } catch {
                guard error.state == .dataCorrupted, excluded.count < TableOpening.damagedMax else { throw error }
                if damage == nil { damage = error }
                excluded.insert(sample.path)
            }
        }
    }

    /// Damaged files passed over in search for one that tells the columns.
    private static let damagedMax = 3

    /// Walks down one branch of each place that has files.
    private func probe(
        _ excluded: Set<ObjectPath> = [], isShallow: Bool = false
    ) async throws(SQLError) -> [ProbedLayout] {
        if isRemote, !isShallow, excluded.isEmpty, let kept = format.layouts.layouts(key) { return kept }
        let (store, isFunction, metrics) = (store, isFunction, metrics)
        let layouts = try await inParallel(self.found, atOnce: HiveFormat.footersAtOnce) {
            (known) throws(SQLError) -> ProbedLayout? in
            let probe = LayoutProbe(
                store: store, place: known.place, isWholePath: isFunction, takesLast: !isFunction, metrics: metrics,
                known: known, excluded: excluded, isShallow: isShallow)
            return try await probe.run()
        }
        let found = layouts.compactMap { $0 }
        // The files of a flat folder give exact answers, so they are listed anew each time.
        if isRemote, !isShallow, found.count == places.count, !found.contains(where: \.isComplete) {
            format.layouts.insert(key, found)
        }
        return found
    }

    // MARK: - Keys

    private func keys(_ layouts: [ProbedLayout]) throws(SQLError) -> [Field] {
        if options.hivePartitioning == false { return [] }
        if !declaredKeys.isEmpty { return declaredKeys }
        guard let first = layouts.first else { return [] }
        var names: [String] = []
        for pair in first.pairs where !names.contains(pair.key) { names.append(pair.key) }
        for other in layouts.dropFirst() where Set(other.pairs.map(\.key)) != Set(names) {
            // As DuckDB: keys that not all paths have are no columns, unless they were asked for.
            guard options.hivePartitioning == true else { return [] }
            throw SQLError(
                .invalidParameterValue,
                "\"\(first.sample.path)\" and \"\(other.sample.path)\" do not have the same partition keys",
                hint: "Read with hive_partitioning => false, or read these files apart.")
        }
        var keys: [Field] = []
        for name in names {
            var values: Set<String?> = []
            for layout in layouts { values.formUnion(layout.values[name] ?? []) }
            keys.append(Field(name, keyType(name, values)))
        }
        for field in options.hiveTypes where keys.position(of: field.name) == nil {
            throw SQLError(
                .undefinedColumn, "option \"hive_types\" names \"\(field.name)\", which is no partition key",
                detail: "Keys are \(names.map { "\"\($0)\"" }.joined(separator: ", ")).")
        }
        return keys
    }

    private func keyType(_ name: String, _ values: Set<String?>) -> SQLType {
        if let place = options.hiveTypes.position(of: name) { return options.hiveTypes[place].type }
        if let place = declared.position(of: name) { return declared[place].type }
        return options.isTypeInferred ? PartitionPath.type(of: values) : .text
    }

    // MARK: - Columns of all files

    /// Files whose columns a new table unites, where a request takes long and where it does not. Of more files, so
    /// many are looked at, evenly spread; read_parquet with union_by_name looks at all.
    private static let remoteUnionMax = 4096
    private static let localUnionMax = 32_768

    private func openUnion(_ keys: [Field]) async throws(SQLError) -> HiveTable {
        let files = try await listed(keys)
        let footers = try await format.footers(files.map(\.info), metrics)
        var union = ColumnUnion(isStrict: true)
        for footer in footers { try union.add(footer, options) }
        let columns = try TableColumns(data: union.fields, keys: keys, options: options, sample: nil, mayLack: true)
        let bytes = files.reduce(0) { $0 &+ $1.info.sizeBytes }
        return table(columns, keys: keys, format.facts.statistics(of: footers, columns, bytes: bytes))
    }

    /// A table over the files of one folder; nil where there are more folders, or too many files.
    private func openFlat(_ keys: [Field], _ layouts: [ProbedLayout]) async throws(SQLError) -> HiveTable? {
        let files = layouts.flatMap(\.siblings)
        let filesMax = isRemote ? HiveFormat.remoteFootersMax : HiveFormat.localFootersMax
        guard keys.isEmpty, files.count > 1, files.count <= filesMax, layouts.allSatisfy(\.isComplete) else {
            return nil
        }
        let footers = try await readable(files)
        guard !footers.isEmpty else { return nil }
        var union = ColumnUnion(isStrict: false)
        for footer in footers { try union.add(footer, options) }
        var columns = try TableColumns(data: union.fields, keys: keys, options: options, sample: nil, mayLack: true)
        columns.origins = union.origins
        let bytes = files.reduce(0) { $0 &+ $1.sizeBytes }
        var statistics = format.facts.statistics(of: footers, columns, bytes: bytes)
        if footers.count < files.count { statistics.isExact = false }
        return table(columns, keys: keys, statistics)
    }

    /// The keys with types that hold the values of all paths, and the columns of all files: for a table that keeps them.
    func united(_ keys: [Field]) async throws(SQLError) -> (keys: [Field], columns: [Field]) {
        let inferred = reader(keys).inferred
        let files = try await listed(keys.map { inferred.contains($0.name) ? Field($0.name, .text) : $0 })
        var typed = keys
        for (index, key) in keys.enumerated() where inferred.contains(key.name) {
            var values: Set<String?> = []
            for file in files {
                if case .string(let text) = file.keyValues[index].value { values.insert(text) }
            }
            typed[index].type = keyType(key.name, values)
        }
        let filesMax = isRemote ? TableOpening.remoteUnionMax : TableOpening.localUnionMax
        let looked =
            files.count <= filesMax ? files : (0..<filesMax).map { files[$0 * (files.count - 1) / (filesMax - 1)] }
        var union = ColumnUnion(isStrict: true)
        for footer in try await readable(looked.map(\.info)) { try union.add(footer, options) }
        return (typed, union.fields)
    }

    private func listed(_ keys: [Field]) async throws(SQLError) -> [ListedFile] {
        let listing = FileListing(store: store, reader: reader(keys), domains: [:], metrics: metrics)
        return try await listing.files(of: places).files
    }

    /// Footers of files. A damaged file is an error of the queries that read it, and no sooner.
    private func readable(_ files: [ObjectInfo]) async throws(SQLError) -> [FileFooter] {
        let (format, metrics) = (format, metrics)
        let read = try await inParallel(files, atOnce: HiveFormat.footersAtOnce) {
            (info) throws(SQLError) -> FileFooter? in
            do throws(SQLError) { return try await format.footer(info, metrics) } catch {
                guard error.state == .dataCorrupted else { throw error }
                return nil
            }
        }
        return read.compactMap { $0 }
    }

    // MARK: - Statistics

    /// Statistics of a table that needs none of its files to be opened: what is cheap to learn, and no error.
    private func statistics(declared columns: TableColumns) async -> TableStatistics {
        do throws(SQLError) {
            // Where the folders are keys and a request takes long, the first to be asked for are the scan's.
            let isLeft = projection != nil || (isRemote && !declaredKeys.isEmpty)
            let layouts = isLeft ? [] : try await probe(isShallow: isRemote)
            if let last = layouts.last, layouts.count == places.count {
                return try await statistics(layouts, try await format.footer(last.sample, metrics), columns)
            }
        } catch {
            // A damaged or missing file is an error of the scan that reads it.
        }
        let size = format.layouts.size(key)
        return TableStatistics(
            rows: size.flatMap { format.rows(of: $0) } ?? rowsEstimated, sizeBytes: size.map { clamped($0.bytes) })
    }

    /// Exact where all files are known and few, else scaled from the sample.
    private func statistics(
        _ layouts: [ProbedLayout], _ sample: FileFooter, _ columns: TableColumns
    ) async throws(SQLError) -> TableStatistics {
        var files: [ObjectInfo] = []
        var bytes = 0.0
        for layout in layouts {
            files += layout.siblings
            bytes += layout.folders * Double(layout.siblings.reduce(0) { $0 &+ $1.sizeBytes })
        }
        let filesMax = isRemote ? HiveFormat.remoteFootersMax : HiveFormat.localFootersMax
        if layouts.allSatisfy(\.isComplete), files.count <= filesMax {
            do throws(SQLError) {
                let footers = try await format.footers(files, metrics)
                return format.facts.statistics(of: footers, columns, bytes: clamped(bytes))
            } catch {
                // A damaged file is an error of the scan that reads it.
            }
        }
        // The size when all was listed last is better than the size of one branch times the number of branches.
        if let size = format.layouts.size(key) { bytes = size.bytes }
        var known = (bytes: sample.info.sizeBytes, rows: sample.rows)
        // What is cached counts too, so that the estimate gets better.
        for file in files.prefix(HiveFormat.localFootersMax) where file.path != sample.info.path {
            guard let footer = format.footers.footer(for: file) else { continue }
            known.bytes &+= file.sizeBytes
            known.rows &+= footer.rows
        }
        var statistics = TableStatistics(
            rows: (Double(known.rows) * bytes / Double(max(1, known.bytes))).rounded(), sizeBytes: clamped(bytes))
        for (index, column) in columns.columns.enumerated() {
            guard case .key = column.origin else { continue }
            let values = layouts.reduce(into: Set<String?>()) { $0.formUnion($1.values[column.field.name] ?? []) }
            statistics.columns[index] = ColumnFacts(distinct: Double(max(1, values.count)))
        }
        return statistics
    }
}

/// Bytes of an estimate, which has no bound.
private func clamped(_ bytes: Double) -> Int64 { Int64(min(bytes, 1e18)) }

extension HiveFormat {
    /// Rows of a table whose files were listed, scaled from the footers that are known.
    func rows(of size: LayoutCache.Size) -> Double? {
        var known = (bytes: 0.0, rows: 0.0)
        for file in size.sample {
            guard let footer = footers.footer(for: file) else { continue }
            known.bytes += Double(file.sizeBytes)
            known.rows += Double(footer.rows)
        }
        return known.bytes > 0 ? (known.rows * size.bytes / known.bytes).rounded() : size.rows
    }

    /// A footer, from the cache if the file did not change.
    func footer(_ info: ObjectInfo, _ metrics: StoreMetrics? = nil) async throws(SQLError) -> FileFooter {
        try await ParquetFile.footer(of: info.path, in: stores, info: info, cache: footers, metrics: metrics)
    }

    /// Footers of files, in their order.
    func footers(_ files: [ObjectInfo], _ metrics: StoreMetrics? = nil) async throws(SQLError) -> [FileFooter] {
        try await inParallel(files, atOnce: HiveFormat.footersAtOnce) { (info) throws(SQLError) -> FileFooter in
            try await self.footer(info, metrics)
        }
    }
}
