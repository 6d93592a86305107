// Rows in a table's sort order, as many at a time as memory allows. Hot.

import Columns
import Diagnostics

/// Collects rows and gives them back in order: all of them, or runs that are sorted in themselves.
final class SortedRows {
    private let types: [SQLType]
    private let keys: [Int]
    private let orders: [KeyOrder]
    private var batches: [Batch] = []
    private var bytes = 0
    private var rows = 0
    /// Runs that were given back.
    private(set) var runs = 0

    /// Bytes of rows that wait to be sorted.
    private static let bytesMax = 256 << 20
    private static let rowsMax = 1 << 24
    private static let batchRows = 2048

    /// nil when the table has no order, or one by what is not a column of its files.
    init?(_ layout: WriteLayout) {
        guard let order = layout.metadata.sortOrders[layout.metadata.defaultSortOrderID], !order.fields.isEmpty else {
            return nil
        }
        var keys: [Int] = []
        for field in order.fields {
            guard field.transform == .identity, let place = layout.fields.firstIndex(where: { $0.id == field.sourceID })
            else { return nil }
            keys.append(place)
        }
        self.keys = keys
        orders = order.fields.map { KeyOrder(isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) }
        types = layout.fields.map(\.sqlType)
    }

    var isFull: Bool { bytes >= SortedRows.bytesMax || rows >= SortedRows.rowsMax }
    var isEmpty: Bool { rows == 0 }

    func push(_ batch: Batch) {
        guard batch.rows > 0 else { return }
        batches.append(batch)
        rows += batch.rows
        bytes += batch.columns.reduce(0) { $0 + $1.sizeBytes }
    }

    /// Gives the rows that were collected, in order, and begins anew.
    func drain(_ body: (Batch) throws(SQLError) -> Void) throws(SQLError) {
        guard rows > 0 else { return }
        let all = Batch.concatenate(batches, types: types)
        batches = []
        bytes = 0
        rows = 0
        runs += 1
        let order = order(all)
        for start in stride(from: 0, to: all.rows, by: SortedRows.batchRows) {
            let count = min(SortedRows.batchRows, all.rows - start)
            let part = order.withUnsafeBufferPointer { order -> Batch? in
                guard let base = order.baseAddress else { return nil }
                return Batch(all.columns.map { Gather.take($0, base + start, count: count) }, rows: count)
            }
            if let part { try body(part) }
        }
    }

    private func order(_ all: Batch) -> [Int32] {
        let keys = keys.map { Flatten.flat(all.columns[$0]) }
        let encoder = KeyEncoder(fitting: keys, orders: orders)
        let width = encoder.words
        let buffer = Buffer(bytes: max(1, all.rows) * width * 8)
        let words = buffer.pointer(UInt64.self)
        encoder.encode(keys, count: all.rows, into: words)
        let (orders, isExact) = (orders, encoder.isExact)
        var result = (0..<all.rows).map { Int32(truncatingIfNeeded: $0) }
        result.sort { a, b in
            var (x, y) = (Int(a) &* width, Int(b) &* width)
            for _ in 0..<width {
                if words[x] != words[y] { return words[x] < words[y] }
                (x, y) = (x &+ 1, y &+ 1)
            }
            if !isExact {
                let order = KeyCompare.compare(keys, Int(a), keys, Int(b), orders)
                if order != 0 { return order < 0 }
            }
            return a < b
        }
        withExtendedLifetime(buffer) {}
        return result
    }
}
