// WITH RECURSIVE: the recursive term runs again and again over the rows of the step before, until there are none.
import Columns
import Diagnostics
import Planner
import Synchronization

/// Rows that a CTEScan reads.
enum SharedRows: Sendable {
    /// Kept once for all readers; pipelines that must have ended first, none inside a separate lowering.
    case kept(MaterializeStage, feeding: [Int], columns: [Int], isSerial: Bool)
    /// The rows of the step before.
    case working(WorkingRows)
}

/// The rows that the recursive term sees.
final class WorkingRows: Sendable {
    private let rows = Mutex<Batch>(Batch([], rows: 0))
    var current: Batch { rows.withLock { $0 } }
    func set(_ batch: Batch) { rows.withLock { $0 = batch } }
}

/// What a recursive query runs.
struct RecursivePlan: Sendable {
    let types: [SQLType]
    /// UNION ALL: rows may repeat.
    let isAll: Bool
    let working: WorkingRows
    /// Runs one step; its rows go to the sink given.
    let step: @Sendable (any SinkStage) throws(SQLError) -> Void
}

/// Gives the rows of the base, then those of each step. Its pipeline must be serial.
final class RecursiveSource: SourceStage {
    private let plan: RecursivePlan
    private let base: MaterializeStage
    private let account: MemoryAccount

    init(_ plan: RecursivePlan, base: MaterializeStage, account: MemoryAccount) {
        self.plan = plan
        self.base = base
        self.account = account
    }

    /// A step runs to its end.
    var rowsAtOnce: Int { .max }

    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource { Worker(plan, base, account, run) }

    private final class Worker: BatchSource {
        private let plan: RecursivePlan
        private let base: MaterializeStage
        private let account: MemoryAccount
        private let run: QueryRun
        /// Rows seen so far, unless they may repeat.
        private let seen: GroupTable?
        private var accounted = 0
        /// What holds the current rows, after the first step.
        private var held: MemoryAccount?
        private let numbers = Scratch<Int32>()
        private let fresh = Scratch<Int32>()
        private var current: Batch?
        private var position = 0

        init(_ plan: RecursivePlan, _ base: MaterializeStage, _ account: MemoryAccount, _ run: QueryRun) {
            self.plan = plan
            self.base = base
            self.account = account
            self.run = run
            seen = plan.isAll ? nil : GroupTable(plan.types)
        }

        func next() throws(SQLError) -> Batch? {
            while true {
                try run.check()
                guard let rows = current else {
                    current = try distinct(try base.rows())
                    continue
                }
                let count = min(Batch.rowsMax, rows.rows - position)
                if count > 0 {
                    position += count
                    return rows.slice(from: position - count, count: count)
                }
                guard rows.rows > 0 else { return nil }
                plan.working.set(rows)
                let kept = run.memory.account("recursive step")
                let sink = MaterializeStage(types: plan.types, account: kept)
                try plan.step(sink)
                current = try distinct(try sink.rows())
                position = 0
                // The rows of the step before are not read any more.
                if let held {
                    try held.add(-held.bytes)
                    run.memory.forget([held])
                }
                held = kept
            }
        }

        /// Drops rows that came before.
        private func distinct(_ rows: Batch) throws(SQLError) -> Batch {
            guard let seen else { return rows }
            var parts: [Batch] = []
            var start = 0
            while start < rows.rows {
                try run.check()
                let part = rows.slice(from: start, count: min(Batch.rowsMax, rows.rows - start))
                start += part.rows
                let (found, kept) = (numbers.room(part.rows), fresh.room(part.rows))
                var known = Int32(truncatingIfNeeded: seen.count)
                seen.find(part.columns, part.rows, to: found)
                var count = 0
                // New groups are numbered in the order of their first rows.
                for row in 0..<part.rows where found[row] >= known {
                    kept[count] = Int32(truncatingIfNeeded: row)
                    count += 1
                    known = found[row] + 1
                }
                if count > 0 { parts.append(part.take(kept, count: count)) }
            }
            if seen.sizeBytes > accounted {
                try account.add(Int64(seen.sizeBytes - accounted))
                accounted = seen.sizeBytes
            }
            return Batch.concatenate(parts, types: plan.types)
        }
    }
}
