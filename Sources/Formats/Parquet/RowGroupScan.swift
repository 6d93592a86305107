// One row group of a scan: what its statistics and page index leave, the requests for it, and the readers of its
// columns.

import Columns
import Diagnostics
import Storage

/// What all row groups of a scan share. One owner thread.
final class ScanContents {
    let scan: FileScan
    let storeMetrics = StoreMetrics()
    let pool = BufferPool()
    let decompressor = Decompressor()
    let policy: FetchPolicy
    /// Output columns that a filter looks at.
    let isFiltered: [Bool]
    /// By output column; nil for those that are not in the file, and for nested ones.
    let leaves: [Leaf?]
    /// By output column; nil for those that are not nested.
    let plans: [NestedPlan?]

    init(_ scan: FileScan, isFiltered: [Bool]) throws(SQLError) {
        self.scan = scan
        self.isFiltered = isFiltered
        policy = scan.store.fetchPolicy(for: scan.footer.info.path)
        var leaves: [Leaf?] = []
        var plans: [NestedPlan?] = []
        for column in scan.columns {
            let node = try ScanContents.node(column, scan.footer)
            if case .leaf(let leaf)? = node?.kind {
                leaves.append(leaf)
                plans.append(nil)
            } else {
                leaves.append(nil)
                plans.append(
                    try node.map { (node) throws(SQLError) in try ScanContents.plan(column, node, scan.footer) })
            }
        }
        self.leaves = leaves
        self.plans = plans
    }

    private static func plan(
        _ column: FileColumn, _ node: FileNode, _ footer: FileFooter
    ) throws(SQLError) -> NestedPlan {
        var shape = FileShape.named
        if case .nested(_, let given) = column.origin { shape = given }
        do throws(Damage) { return try NestedPlan(node, shape, column.type) } catch {
            throw error.error(in: footer.info.path, column: node.name)
        }
    }

    /// The column of the file that an output column is made of.
    private static func node(_ column: FileColumn, _ footer: FileFooter) throws(SQLError) -> FileNode? {
        let index: Int
        switch column.origin {
        case .file(let place): index = place
        case .nested(let place, _): index = place
        case .constant, .rowNumber: return nil
        }
        precondition(footer.fields.indices.contains(index))
        let field = footer.fields[index]
        if let reason = field.unsupported {
            throw Damage.unsupported(reason).error(in: footer.info.path, column: field.name)
        }
        if case .nested = column.origin { return footer.nodes[index] }
        guard field.type.widens(to: column.type) else {
            throw SQLError(
                .datatypeMismatch,
                "column \"\(field.name)\" of Parquet file \"\(footer.info.path)\" is of type \(field.type.name) "
                    + "but type \(column.type.name) is expected")
        }
        return footer.nodes[index]
    }

    var path: ObjectPath { scan.footer.info.path }

    /// What must hold now, by output column.
    func domains() -> [Int: ColumnDomain] {
        guard let dynamic = scan.dynamicDomains else { return scan.domains }
        return scan.domains.merging(dynamic()) { $0.intersect($1) }
    }
}

/// A row group while it is read. One owner thread.
final class RowGroupScan {
    let contents: ScanContents
    private let group: Int
    private let rows: Int
    /// Rows that may hold matches.
    private var ranges: RowRanges
    private var rangeIndex = 0
    private var rangeRow = 0
    private var readers: [ChunkReader?]
    private var nestedReaders: [NestedReader?]
    private(set) var chunks: [ChunkMeta?]
    private var indexFetch: RangeFetch?
    /// Output columns whose column index, Bloom filter or dictionary was asked for.
    private var indexed: Set<Int> = []
    private var bloomed: Set<Int> = []
    private(set) var listed: Set<Int> = []
    /// The columns of the filter, or all.
    private var early: RangeFetch?
    /// The other columns, when they wait for the filter.
    private var late: RangeFetch?
    private var locations: [[PageLocation]?]
    private var isFetching = false

    /// Page indexes of remote files are worth a request when a row group has more bytes than this.
    private static let indexWorthBytes: Int64 = 4 << 20

    /// Checks the statistics: nil when no row can match.
    init?(_ contents: ScanContents, _ group: Int) throws(SQLError) {
        self.contents = contents
        self.group = group
        let footer = contents.scan.footer
        rows = Int(footer.rowGroups[group].rows)
        ranges = RowRanges(all: rows)
        readers = Array(repeating: nil, count: contents.leaves.count)
        nestedReaders = Array(repeating: nil, count: contents.leaves.count)
        locations = Array(repeating: nil, count: contents.leaves.count)
        chunks = contents.leaves.map { leaf in leaf.map { footer.chunk(group, $0) } }
        guard rows > 0 else { return nil }
        let domains = contents.domains()
        guard mayMatch(domains) else { return nil }
        // Where requests do not run ahead, nothing is planned before the row group's turn.
        guard contents.policy.isEager, footer.contents == nil else { return }
        if usesIndex(domains) { planIndex(domains) } else { try fetch() }
    }

    /// Whether the statistics of the row group allow a match.
    private func mayMatch(_ domains: [Int: ColumnDomain]) -> Bool {
        for (output, domain) in domains {
            guard contents.scan.columns.indices.contains(output) else { continue }
            switch contents.scan.columns[output].origin {
            case .constant(let value): if !domain.mayMatch(value) { return false }
            case .rowNumber: continue
            case .file, .nested:
                let column = contents.scan.columns[output]
                let statistics = contents.scan.footer.statistics(rowGroup: group, of: column)
                if !statistics.mayMatch(domain, rows: Int64(rows)) { return false }
            }
        }
        return true
    }

    // MARK: - Page index

    private func usesIndex(_ domains: [Int: ColumnDomain]) -> Bool {
        var isUseful = false
        for (output, domain) in domains where chunks.indices.contains(output) {
            guard let chunk = chunks[output] else { continue }
            if hasIndex(chunk) || bloom(output, chunk, domain) != nil || dictionary(output, chunk, domain) != nil {
                isUseful = true
            }
        }
        guard isUseful, contents.policy.isEager else { return isUseful }
        var total: Int64 = 0
        for case let chunk? in chunks { total &+= max(0, chunk.compressedBytes) }
        return total > RowGroupScan.indexWorthBytes
    }

    private func hasIndex(_ chunk: ChunkMeta) -> Bool {
        let size = contents.scan.footer.info.sizeBytes
        func isInside(_ offset: Int64, _ bytes: Int32) -> Bool {
            offset > 0 && bytes > 0 && offset <= size - Int64(bytes)
        }
        return isInside(chunk.columnIndexOffset, chunk.columnIndexBytes)
            && isInside(chunk.offsetIndexOffset, chunk.offsetIndexBytes)
    }

    /// Asks for the indexes of the columns in domains, and for where the pages of all columns are.
    private func planIndex(_ domains: [Int: ColumnDomain]) {
        var ranges: [Range<Int64>] = []
        for (output, chunk) in chunks.enumerated() {
            guard let chunk else { continue }
            if let domain = domains[output], let bloom = bloom(output, chunk, domain) {
                ranges.append(bloom.range)
                bloomed.insert(output)
            }
            if let domain = domains[output], let dictionary = dictionary(output, chunk, domain) {
                ranges.append(dictionary)
                listed.insert(output)
            }
            guard hasIndex(chunk) else { continue }
            ranges.append(chunk.offsetIndexOffset..<chunk.offsetIndexOffset + Int64(chunk.offsetIndexBytes))
            if domains[output] != nil {
                ranges.append(chunk.columnIndexOffset..<chunk.columnIndexOffset + Int64(chunk.columnIndexBytes))
                indexed.insert(output)
            }
        }
        let fetch = RangeFetch(
            contents.scan.store, of: contents.scan.footer.info, ranges: ranges, metrics: contents.storeMetrics,
            stop: contents.scan.stop)
        fetch.start()
        indexFetch = fetch
    }

    /// The place of a Bloom filter and what to look up in it; nil when it does not help.
    func bloom(
        _ output: Int, _ chunk: ChunkMeta, _ domain: ColumnDomain
    ) -> (range: Range<Int64>, hashes: [UInt64])? {
        let size = contents.scan.footer.info.sizeBytes
        let bytes = Int64(chunk.bloomBytes)
        // A filter of unknown length, or larger than what it could save, is left alone.
        guard chunk.bloomOffset > 0, bytes > 0, chunk.bloomOffset <= size - bytes, bytes <= chunk.compressedBytes,
            let leaf = contents.leaves[output], let hashes = BloomFilter.hashes(domain, leaf)
        else { return nil }
        return (chunk.bloomOffset..<chunk.bloomOffset + bytes, hashes)
    }

    /// Whether the Bloom filters let all equalities be true.
    private func mayMatchBloom(_ source: FileBytes, _ domains: [Int: ColumnDomain]) throws(Damage) -> Bool {
        for (output, domain) in domains where bloomed.contains(output) {
            guard let chunk = chunks[output], let bloom = bloom(output, chunk, domain) else { continue }
            let (bytes, offset) = try source.bytes(bloom.range)
            defer { withExtendedLifetime(bytes) {} }
            if !(try BloomFilter.mayHold(bloom.hashes, bytes.base + offset, bloom.range.count)) { return false }
        }
        return true
    }

    /// Narrows the rows by the Bloom filters and the pages' statistics.
    private func pruneByIndex(_ domains: [Int: ColumnDomain]) throws(SQLError) {
        let source: FileBytes
        if let whole = contents.scan.footer.contents {
            guard usesIndex(domains) else { return }
            source = .whole(whole)
            indexed = Set(chunks.indices)
            (bloomed, listed) = (indexed, indexed)
        } else if let indexFetch {
            source = .fetched(indexFetch)
        } else {
            return
        }
        do throws(Damage) {
            guard try mayMatchBloom(source, domains) else {
                contents.scan.metrics.add(.rowGroupsPrunedByBloom)
                ranges = RowRanges([])
                return
            }
            guard try mayMatchDictionary(source, domains) else {
                contents.scan.metrics.add(.rowGroupsPrunedByDictionary)
                ranges = RowRanges([])
                return
            }
        } catch {
            // A filter is only a hint.
            if error.cause != nil { throw error.error(in: contents.path) }
        }
        for (output, chunk) in chunks.enumerated() {
            guard let chunk, let leaf = contents.leaves[output], hasIndex(chunk) else { continue }
            do throws(Damage) {
                try readIndex(output, chunk, leaf, source, domains[output])
            } catch {
                if error.cause != nil { throw error.error(in: contents.path) }
                // A page index is only a hint: without a sound one, the pages are read.
                locations[output] = nil
            }
        }
        indexFetch = nil
        if ranges.count == rows { locations = Array(repeating: nil, count: locations.count) }
    }

    private func readIndex(
        _ output: Int, _ chunk: ChunkMeta, _ leaf: Leaf, _ source: FileBytes, _ domain: ColumnDomain?
    ) throws(Damage) {
        let place = chunk.offsetIndexOffset..<chunk.offsetIndexOffset + Int64(chunk.offsetIndexBytes)
        let (bytes, offset) = try source.bytes(place)
        defer { withExtendedLifetime(bytes) {} }
        let pages = try PageIndex.locations(
            bytes.base + offset, place.count, range: try contents.scan.footer.range(of: chunk), rows: rows)
        guard !pages.isEmpty else { return }
        locations[output] = pages
        guard let domain, indexed.contains(output) else { return }
        let indexPlace = chunk.columnIndexOffset..<chunk.columnIndexOffset + Int64(chunk.columnIndexBytes)
        let (index, start) = try source.bytes(indexPlace)
        defer { withExtendedLifetime(index) {} }
        guard
            let statistics = try PageIndex.statistics(
                index.base + start, indexPlace.count, leaf, pages: pages, rows: rows)
        else { return }
        var kept = RowRanges([])
        var pruned = 0
        for page in pages.indices {
            let last = page + 1 < pages.count ? pages[page + 1].firstRow : rows
            if statistics[page].mayMatch(domain, rows: Int64(last - pages[page].firstRow)) {
                kept.append(pages[page].firstRow..<last)
            } else {
                pruned += 1
            }
        }
        if pruned > 0 { contents.scan.metrics.add(.pagesPruned, Int64(pruned)) }
        ranges = ranges.intersect(kept)
    }

    // MARK: - Bytes

    /// Applies what is known by now; false when no row is left. Waits for the page index only.
    func begin() throws(SQLError) -> Bool {
        let domains = contents.domains()
        guard mayMatch(domains) else { return false }
        if !contents.policy.isEager, contents.scan.footer.contents == nil, usesIndex(domains) { planIndex(domains) }
        try pruneByIndex(domains)
        if ranges.isEmpty { return false }
        if !isFetching { try fetch() }
        return true
    }

    /// Plans the requests; starts them where requests run ahead.
    private func fetch() throws(SQLError) {
        isFetching = true
        guard contents.scan.footer.contents == nil else { return }
        var first: [Range<Int64>] = []
        var second: [Range<Int64>] = []
        let waits = RowGroupScan.shouldWait(contents)
        for (output, chunk) in chunks.enumerated() {
            let needed: [Range<Int64>]
            if let chunk {
                needed = try located(output) { () throws(Damage) in try self.needed(output, chunk) }
            } else if let plan = contents.plans[output] {
                needed = try located(output) { () throws(Damage) in try self.needed(plan) }
            } else {
                continue
            }
            if waits, !contents.isFiltered[output] { second += needed } else { first += needed }
        }
        if !first.isEmpty {
            early = RangeFetch(
                contents.scan.store, of: contents.scan.footer.info, ranges: first, metrics: contents.storeMetrics,
                stop: contents.scan.stop)
            early?.start()
        }
        if !second.isEmpty {
            late = RangeFetch(
                contents.scan.store, of: contents.scan.footer.info, ranges: second, metrics: contents.storeMetrics,
                stop: contents.scan.stop)
        }
    }

    /// Whether columns outside the filter are asked for only when a row survives: always where a request costs
    /// little, else once the filter has turned out to let few rows pass.
    private static func shouldWait(_ contents: ScanContents) -> Bool {
        guard contents.isFiltered.contains(true) else { return false }
        guard contents.policy.isEager else { return true }
        let read = contents.scan.metrics[.rowsRead]
        return read > 100_000 && contents.scan.metrics[.rowsReturned] < read / 1000
    }

    /// The chunks of a nested column's leaves, whole.
    private func needed(_ plan: NestedPlan) throws(Damage) -> [Range<Int64>] {
        var ranges: [Range<Int64>] = []
        for leaf in plan.leaves {
            ranges.append(try contents.scan.footer.range(of: contents.scan.footer.chunk(group, leaf)))
        }
        return ranges
    }

    /// The bytes of a chunk that hold the rows left.
    private func needed(_ output: Int, _ chunk: ChunkMeta) throws(Damage) -> [Range<Int64>] {
        let whole = try contents.scan.footer.range(of: chunk)
        guard let pages = locations[output], let first = pages.first else { return [whole] }
        var result: [Range<Int64>] = []
        if first.offset > whole.lowerBound { result.append(whole.lowerBound..<first.offset) }
        for page in pages.indices {
            let last = page + 1 < pages.count ? pages[page + 1].firstRow : rows
            if ranges.overlaps(pages[page].firstRow..<last) {
                result.append(pages[page].offset..<pages[page].offset + Int64(pages[page].bytes))
            }
        }
        return result
    }

    /// Drops requests under way.
    func cancel() {
        indexFetch?.cancel()
        early?.cancel()
        late?.cancel()
    }

    // MARK: - Rows

    /// The next rows to look at, at most Batch.rowsMax; nil at the end.
    func nextRows() -> Range<Int>? {
        while rangeIndex < ranges.ranges.count {
            let range = ranges.ranges[rangeIndex]
            let start = max(rangeRow, range.lowerBound)
            if start < range.upperBound {
                let end = min(start + Batch.rowsMax, range.upperBound)
                rangeRow = end
                return start..<end
            }
            rangeIndex += 1
        }
        return nil
    }

    /// The number of a row in the file.
    func fileRow(_ row: Int) -> Int64 { contents.scan.footer.rowGroups[group].firstRow + Int64(row) }

    /// Reads the rows of a window, or those of them that a selection names, for a column of the file.
    func column(_ output: Int, _ window: Range<Int>, _ selection: Selection?) throws(SQLError) -> Column {
        try located(output) { () throws(Damage) in
            if let plan = contents.plans[output] {
                let column = try nestedReader(output, plan).read(from: window.lowerBound, window.count)
                return selection.map { Moves.take(column, $0) } ?? column
            }
            let reader = try self.reader(output)
            let column = try reader.read(from: window.lowerBound, window.count, selection)
            return try Widening.widen(column, to: contents.scan.columns[output].type)
        }
    }

    private func reader(_ output: Int) throws(Damage) -> ChunkReader {
        if let made = readers[output] { return made }
        guard let leaf = contents.leaves[output], let chunk = chunks[output] else {
            throw Damage("a column is not in the file")
        }
        let made = try ChunkReader(
            leaf, chunk, type: contents.scan.columns[output].type, rows: rows, bytes: try bytes(output),
            range: try contents.scan.footer.range(of: chunk), locations: locations[output], pool: contents.pool,
            decompressor: contents.decompressor)
        readers[output] = made
        return made
    }

    /// The bytes that were asked for for an output column.
    private func bytes(_ output: Int) throws(Damage) -> FileBytes {
        if let whole = contents.scan.footer.contents { return .whole(whole) }
        if let late, !contents.isFiltered[output] {
            late.start()
            return .fetched(late)
        }
        guard let early else { throw Damage("a column was not asked for") }
        return .fetched(early)
    }

    private func nestedReader(_ output: Int, _ plan: NestedPlan) throws(Damage) -> NestedReader {
        if let made = nestedReaders[output] { return made }
        let footer = contents.scan.footer
        var leaves: [LevelReader] = []
        for (leaf, type) in zip(plan.leaves, plan.types) {
            let chunk = footer.chunk(group, leaf)
            leaves.append(
                try LevelReader(
                    leaf, chunk, type: type, bytes: try bytes(output), range: try footer.range(of: chunk),
                    pool: contents.pool, decompressor: contents.decompressor))
        }
        let made = NestedReader(plan, leaves)
        nestedReaders[output] = made
        return made
    }

    /// Gives damage the names of the file and the column.
    private func located<T>(_ output: Int, _ body: () throws(Damage) -> T) throws(SQLError) -> T {
        do throws(Damage) { return try body() } catch {
            throw error.error(in: contents.path, column: name(of: output))
        }
    }

    private func name(of output: Int) -> String? {
        switch contents.scan.columns[output].origin {
        case .file(let index), .nested(let index, _): contents.scan.footer.fields[index].name
        case .constant, .rowNumber: nil
        }
    }
}
