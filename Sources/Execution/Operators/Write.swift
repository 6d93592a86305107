// The write of INSERT, UPDATE, DELETE and MERGE: every worker has one sink of the table's write, and gives it the rows
// that pass. The new state is made by whoever started the query, once all workers have ended well.
import Catalogs
import Columns
import Diagnostics
import Planner

/// A write as a step of a pipeline.
final class WriteStage: TransformStage {
    fileprivate let write: any TableWrite
    fileprivate let count: WriteCount
    fileprivate let appended: [Int]
    fileprivate let place: (file: Int, position: Int)?
    fileprivate let action: Int?
    fileprivate let outputs: [Int]
    fileprivate let returnsRows: Bool
    /// Places seen so far, where rows may come twice.
    fileprivate let seen: WritePlaces?

    init(_ node: LogicalPlan.WriteNode, layout: ColumnLayout, account: MemoryAccount) throws(SQLError) {
        write = node.write
        count = node.count
        var places: [Int] = []
        for column in node.appended { places.append(try layout.index(of: column)) }
        appended = places
        if let own = node.place {
            place = (try layout.index(of: own.file), try layout.index(of: own.position))
            seen = own.repeated == .never ? nil : WritePlaces(own.repeated, account: account)
        } else {
            place = nil
            seen = nil
        }
        action = try node.action.map { (column) throws(SQLError) in try layout.index(of: column) }
        var passed: [Int] = []
        for column in node.outputs { passed.append(try layout.index(of: column)) }
        outputs = passed
        returnsRows = node.returnsRows
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform { WriteTransform(self) }
}

private final class WriteTransform: Transform {
    private let stage: WriteStage
    /// Made with the first row: a worker without rows makes no file.
    private var sink: (any RowSink)?
    private let removed = RowNumbers()
    private let added = RowNumbers()

    init(_ stage: WriteStage) { self.stage = stage }

    func apply(_ input: Batch) throws(SQLError) -> Output {
        guard input.rows > 0 else { return .none }
        var batch = input
        if stage.action != nil {
            batch = try applyActions(batch)
        } else if let place = stage.place {
            if let seen = stage.seen {
                removed.fill(batch.rows)
                try seen.keepFirst(of: removed, batch.columns[place.file], batch.columns[place.position])
                if removed.count < batch.rows { batch = batch.take(removed.rows, count: removed.count) }
            }
            guard batch.rows > 0 else { return .none }
            try remove(batch, place)
            if !stage.appended.isEmpty { try append(batch) }
        } else {
            try append(batch)
        }
        stage.count.add(batch.rows)
        guard stage.returnsRows else { return .none }
        return .one(Batch(stage.outputs.map { batch.columns[$0] }, rows: batch.rows))
    }

    func flush() throws(SQLError) -> Batch? {
        let ended = sink
        sink = nil
        try ended?.finish()
        return nil
    }

    /// MERGE: each row says itself what is done. Rows without an action have been dropped below.
    private func applyActions(_ batch: Batch) throws(SQLError) -> Batch {
        guard let index = stage.action else { return batch }
        let flat = Flatten.flat(batch.columns[index])
        let actions = flat.pointer(Int32.self)
        removed.clear(batch.rows)
        added.clear(batch.rows)
        for row in 0..<batch.rows {
            let bits = actions[row]
            if bits & 1 != 0 { removed.add(row) }
            if bits & 2 != 0 { added.add(row) }
        }
        withExtendedLifetime(flat) {}
        if removed.count > 0, let place = stage.place {
            try stage.seen?.keepFirst(of: removed, batch.columns[place.file], batch.columns[place.position])
            try remove(removed.count == batch.rows ? batch : batch.take(removed.rows, count: removed.count), place)
        }
        if added.count > 0 {
            try append(added.count == batch.rows ? batch : batch.take(added.rows, count: added.count))
        }
        return batch
    }

    private func remove(_ batch: Batch, _ place: (file: Int, position: Int)) throws(SQLError) {
        let columns = [batch.columns[place.file], batch.columns[place.position]]
        try opened().remove(Batch(columns, rows: batch.rows))
    }

    private func append(_ batch: Batch) throws(SQLError) {
        try opened().append(Batch(stage.appended.map { batch.columns[$0] }, rows: batch.rows))
    }

    private func opened() throws(SQLError) -> any RowSink {
        if let sink { return sink }
        let made = try stage.write.sink()
        sink = made
        return made
    }
}

/// Ascending row numbers of a batch, in memory that is used again.
final class RowNumbers {
    private(set) var count = 0
    private var buffer = Buffer(count: Batch.rowsMax, of: Int32.self)
    private var room = Batch.rowsMax

    var rows: UnsafePointer<Int32> { UnsafePointer(buffer.pointer(Int32.self)) }

    /// Forgets all rows and makes room for `rowsMax`.
    func clear(_ rowsMax: Int) {
        if rowsMax > room {
            buffer = Buffer(count: rowsMax, of: Int32.self)
            room = rowsMax
        }
        count = 0
    }

    /// Takes rows 0 to `rows`.
    func fill(_ rows: Int) {
        clear(rows)
        let out = buffer.pointer(Int32.self)
        for row in 0..<rows { out[row] = Int32(truncatingIfNeeded: row) }
        count = rows
    }

    /// Adds a row; no more than there is room for.
    func add(_ row: Int) {
        buffer.pointer(Int32.self)[count] = Int32(truncatingIfNeeded: row)
        count += 1
    }

    /// Keeps the rows for which the test holds.
    func keep(_ test: (Int) throws(SQLError) -> Bool) throws(SQLError) {
        let out = buffer.pointer(Int32.self)
        var kept = 0
        for index in 0..<count where try test(Int(out[index])) {
            out[kept] = out[index]
            kept += 1
        }
        count = kept
    }
}
