// The rows of a data file that deletes remove, as a filter inside its scan.

import Catalogs
import Columns
import Diagnostics

/// What removes rows from one data file.
struct DeletedRows: Sendable {
    var positions = PositionSet()
    var keys: [EqualityKeys] = []

    var isEmpty: Bool { positions.isEmpty && keys.isEmpty }
}

/// Values of some columns: rows that have them are gone.
final class EqualityKeys: @unchecked Sendable {
    // Sendable: filled by one task, then only read.

    let fields: [IcebergField]
    private var batches: [[Column]] = []
    /// Places of rows, batch and row, by the hash of their values.
    private var places: [UInt64: [(batch: Int32, row: Int32)]] = [:]
    private(set) var rows = 0

    /// Rows of equality deletes that one scan holds in memory.
    static let rowsMax = 20_000_000

    init(_ fields: [IcebergField]) { self.fields = fields }

    func add(_ columns: [Column], rows count: Int) throws(SQLError) {
        rows += count
        guard rows <= EqualityKeys.rowsMax else {
            throw SQLError(
                .programLimitExceeded, "a table has more than \(EqualityKeys.rowsMax) rows of equality deletes",
                hint: "Compact the table.")
        }
        let kept = columns.map { Gather.concatenate([$0], type: $0.type, owned: true) }
        let hashes = Buffer(count: max(1, count), of: UInt64.self)
        KeyHash.hash(kept, rows: count, into: hashes.pointer(UInt64.self))
        for row in 0..<count {
            places[hashes.pointer(UInt64.self)[row], default: []].append((Int32(batches.count), Int32(row)))
        }
        batches.append(kept)
    }

    /// The rows that do not have any of the values; nil when that is all of them.
    func survivors(_ columns: [Column], rows count: Int) -> Selection? {
        let hashes = Buffer(count: max(1, count), of: UInt64.self)
        KeyHash.hash(columns, rows: count, into: hashes.pointer(UInt64.self))
        let from = hashes.pointer(UInt64.self)
        let buffer = Buffer(count: max(1, count), of: Int32.self)
        let out = buffer.pointer(Int32.self)
        var kept = 0
        for row in 0..<count {
            var isGone = false
            if let found = places[from[row]] {
                isGone = found.contains { KeyEquality.equal(columns, row, batches[Int($0.batch)], Int($0.row)) }
            }
            if isGone { continue }
            out[kept] = Int32(truncatingIfNeeded: row)
            kept += 1
        }
        return kept == count ? nil : Selection(buffer, count: kept)
    }
}

/// Leaves out deleted rows, then asks the query's filter. The columns that deletes need follow the query's.
final class DeleteFilter: BatchFilter {
    let stages: [[Int]]
    private let deleted: DeletedRows
    private let positionColumn: Int?
    private let keyColumns: [[Int]]
    private let inner: (any BatchFilter)?
    private let repairs: [ColumnRepair]
    private let width: Int
    private let file: String

    /// `width`: columns of the query. `positionColumn`: where row numbers are.
    init(
        _ deleted: DeletedRows, positionColumn: Int?, keyColumns: [[Int]], inner: (any BatchFilter)?, width: Int,
        repairs: [ColumnRepair], file: String
    ) {
        self.deleted = deleted
        self.positionColumn = positionColumn
        self.keyColumns = keyColumns
        self.inner = inner
        self.width = width
        self.repairs = repairs
        self.file = file
        stages = (positionColumn.map { [[$0]] } ?? []) + keyColumns + (inner?.stages ?? [])
    }

    func select(stage: Int, _ columns: [Column?], rows: Int) throws(SQLError) -> Selection? {
        var stage = stage
        if let positionColumn {
            if stage == 0 { return columns[positionColumn].flatMap { positions($0, rows) } }
            stage -= 1
        }
        if stage < keyColumns.count {
            var keys: [Column] = []
            for place in keyColumns[stage] {
                if let column = columns[place] { keys.append(try repairs[place].apply(column, file: file)) }
            }
            return deleted.keys[stage].survivors(keys, rows: rows)
        }
        guard let inner else { return nil }
        var seen: [Column?] = []
        seen.reserveCapacity(width)
        for (place, column) in columns.prefix(width).enumerated() {
            guard let column else {
                seen.append(nil)
                continue
            }
            seen.append(try repairs[place].apply(column, file: file))
        }
        return try inner.select(stage: stage - keyColumns.count, seen, rows: rows)
    }

    /// The rows whose numbers, which ascend, are not in the set.
    private func positions(_ column: Column, _ rows: Int) -> Selection? {
        let numbers = Flatten.flat(column)
        let from = numbers.pointer(Int64.self)
        guard rows > 0, deleted.positions.mayMeet(from[0], from[rows - 1]) else { return nil }
        let buffer = Buffer(count: rows, of: Int32.self)
        let out = buffer.pointer(Int32.self)
        var kept = 0
        var key: Int64 = -1
        var container: PositionSet.Container?
        for row in 0..<rows {
            let position = from[row]
            if position >> 16 != key {
                key = position >> 16
                container = deleted.positions.container(of: position)
            }
            if let container, container.contains(UInt16(truncatingIfNeeded: position)) { continue }
            out[kept] = Int32(truncatingIfNeeded: row)
            kept += 1
        }
        return kept == rows ? nil : Selection(buffer, count: kept)
    }
}
