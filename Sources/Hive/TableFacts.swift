// What footers tell of a whole table: rows, bounds and NULLs of columns. Facts of one file are kept while it lives.

import Catalogs
import Columns
import Formats
import Storage
import Synchronization

/// Facts of one file.
final class FileFacts: Sendable {
    struct Column: Sendable {
        var min: Scalar?
        var max: Scalar?
        var nullCount: Int64?
    }
    let columns: [Column]

    init(_ footer: FileFooter) {
        var columns: [Column] = []
        columns.reserveCapacity(footer.fields.count)
        for (index, field) in footer.fields.enumerated() {
            columns.append(FileFacts.column(index, field, footer))
        }
        self.columns = columns
    }

    private static func column(_ index: Int, _ field: FileField, _ footer: FileFooter) -> Column {
        guard field.unsupported == nil else { return Column() }
        var bounds = Bounds()
        // Writers cut long texts, not all say so, and only exact bounds may answer a query.
        let hasBounds = !field.type.isText && field.type != .bytea
        for group in footer.rowGroups.indices where footer.rowGroups[group].rows > 0 {
            let statistics = footer.statistics(rowGroup: group, column: index)
            let rows = footer.rowGroups[group].rows
            bounds.add(
                min: hasBounds && statistics.isMinExact && !statistics.mayHaveNaN ? statistics.min : nil,
                max: hasBounds && statistics.isMaxExact && !statistics.mayHaveNaN ? statistics.max : nil,
                nullCount: statistics.nullCount, rows: rows)
        }
        return bounds.column
    }
}

/// Merges the bounds of parts; what one part does not tell is unknown for all.
struct Bounds {
    private var min: Scalar?
    private var max: Scalar?
    private var nullCount: Int64? = 0
    private var isMinKnown = true
    private var isMaxKnown = true

    mutating func add(min low: Scalar?, max high: Scalar?, nullCount nulls: Int64?, rows: Int64) {
        if let sum = nullCount, let nulls { nullCount = sum &+ nulls } else { nullCount = nil }
        // Only NULLs: no bounds, and none needed.
        if let nulls, nulls >= rows { return }
        if let low {
            if let old = min { min = (Scalar.compare(low, old) ?? 0) < 0 ? low : old } else { min = low }
        } else {
            isMinKnown = false
        }
        if let high {
            if let old = max { max = (Scalar.compare(high, old) ?? 0) > 0 ? high : old } else { max = high }
        } else {
            isMaxKnown = false
        }
    }

    var column: FileFacts.Column {
        FileFacts.Column(min: isMinKnown ? min : nil, max: isMaxKnown ? max : nil, nullCount: nullCount)
    }
}

/// Facts of files by path and version.
final class FactsCache: Sendable {
    /// Columns of files kept; when there are more, all are forgotten.
    static let columnsMax = 500_000

    private struct State {
        var facts: [ObjectInfo: FileFacts] = [:]
        var columns = 0
    }
    private let state = Mutex(State())

    func facts(of footer: FileFooter) -> FileFacts {
        if let kept = state.withLock({ $0.facts[footer.info] }) { return kept }
        let made = FileFacts(footer)
        state.withLock { state in
            if state.columns > FactsCache.columnsMax { state = State() }
            if state.facts.updateValue(made, forKey: footer.info) == nil { state.columns += made.columns.count }
        }
        return made
    }

    /// The statistics of a table that is exactly these files.
    func statistics(of footers: [FileFooter], _ table: TableColumns, bytes: Int64) -> TableStatistics {
        var statistics = TableStatistics(rows: 0, isExact: true, sizeBytes: bytes)
        let facts = footers.map { self.facts(of: $0) }
        statistics.rows = Double(footers.reduce(0) { $0 &+ $1.rows })
        for (index, column) in table.columns.enumerated() where column.origin == .file {
            var bounds = Bounds()
            var guess: Int?
            for (footer, facts) in zip(footers, facts) where footer.rows > 0 {
                guard let at = table.place(of: column.field.name, in: footer, guess) else {
                    // Missing columns are NULL, or an error when they are read.
                    bounds.add(min: nil, max: nil, nullCount: table.mayLack ? footer.rows : nil, rows: footer.rows)
                    continue
                }
                guess = at
                let known = facts.columns[at]
                let type = column.field.type
                bounds.add(
                    min: known.min.flatMap { FactsCache.value($0, as: type) },
                    max: known.max.flatMap { FactsCache.value($0, as: type) }, nullCount: known.nullCount,
                    rows: footer.rows)
            }
            let known = bounds.column
            statistics.columns[index] = ColumnFacts(min: known.min, max: known.max, nullCount: known.nullCount)
        }
        return statistics
    }

    /// A bound as the table's type; nil when that needs arithmetic.
    private static func value(_ scalar: Scalar, as type: SQLType) -> Scalar? {
        if scalar.type == type { return scalar }
        return scalar.type.isInteger && type.isInteger ? Scalar(type, scalar.value) : nil
    }
}
