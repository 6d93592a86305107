// Semi and anti joins whose left side is the one that is kept: rows of the right side pass by and mark what they match,
// then the marked rows (semi) or the others (anti) come out. Hot.
import Columns
import Diagnostics
import Planner
import Synchronization

/// The last step of the passing side of a turned join (see ``JoinShape/isTurned``): nothing leaves it.
final class ExistenceMarks: TransformStage {
    fileprivate let build: HashJoinBuild
    fileprivate let shape: JoinShape
    private let account: MemoryAccount
    private let marks = Mutex<Buffer?>(nil)

    /// `shape` is the build's, with the columns of the passing side.
    init(_ build: HashJoinBuild, _ shape: JoinShape, account: MemoryAccount) {
        self.build = build
        self.shape = shape
        self.account = account
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform { try Worker(self, run) }

    /// Bits of the kept rows that were matched; nil: none was.
    fileprivate var matched: Buffer? { marks.withLock { $0 } }

    private func add(_ bits: Buffer, rows: Int) {
        marks.withLock { all in
            guard let all else {
                all = bits
                return
            }
            let (to, from) = (all.pointer(UInt64.self), bits.pointer(UInt64.self))
            for word in 0..<Bitmap.words(rows) { to[word] |= from[word] }
        }
    }

    /// One worker's marks.
    private final class Worker: Transform {
        private let stage: ExistenceMarks
        private let table: JoinTable
        private let lookup: ProbeLookup
        private let condition: PairCondition?
        private let run: QueryRun
        private let matched: Buffer
        /// Chains, by their first row, of which every row is matched; not needed when a chain is matched as a whole.
        private let done: Buffer?
        private let passingRows = Buffer(count: Batch.rowsMax, of: Int32.self)
        private let keptRows = Buffer(count: Batch.rowsMax, of: Int32.self)
        /// Where the batch in hand stands: its row, and the candidate of it to look at next (see ``JoinTable/next``).
        private var row = 0
        private var link: Int32 = 0
        private var isOpen = false
        private var isUnderWay = false
        private var isHandedOver = false

        /// Links that are followed before other queries get their turn.
        private static let stepsPerTurn = 256 << 10

        init(_ stage: ExistenceMarks, _ run: QueryRun) throws(SQLError) {
            self.stage = stage
            self.run = run
            table = try stage.build.table()
            lookup = try ProbeLookup(stage.shape, table, stage.build.tableKeys, run)
            condition = try PairCondition(stage.shape, run)
            let isWhole = table.isExact && condition == nil
            try stage.account.add(Int64(Bitmap.words(table.rows) * (isWhole ? 8 : 16)))
            matched = Bitmap.make(table.rows, all: false)
            done = isWhole ? nil : Bitmap.make(table.rows, all: false)
        }

        func apply(_ batch: Batch) throws(SQLError) -> Output {
            try run.check()
            guard table.rows > 0 else { return .last(nil) }
            guard batch.rows > 0 else { return .none }
            if !isUnderWay {
                try lookup.begin(batch)
                (row, link) = (0, 0)
            }
            if let done {
                isUnderWay = try !chase(batch, done.pointer(UInt64.self))
                if isUnderWay { return .more(Batch([], rows: 0)) }
            } else {
                markChains(batch.rows)
            }
            lookup.end()
            return .none
        }

        func flush() throws(SQLError) -> Batch? {
            if !isHandedOver { stage.add(matched, rows: table.rows) }
            isHandedOver = true
            return nil
        }

        /// All rows of a chain have the key: a chain is matched as a whole, and followed once.
        private func markChains(_ rows: Int) {
            let (heads, words) = (lookup.heads, matched.pointer(UInt64.self))
            guard let next = table.next else {
                for row in 0..<rows where heads[row] != 0 { Bitmap.set(words, Int(heads[row] &- 1)) }
                return
            }
            for row in 0..<rows {
                var link = heads[row]
                guard link != 0, !Bitmap.get(words, Int(link &- 1)) else { continue }
                while link != 0 {
                    Bitmap.set(words, Int(link &- 1))
                    link = next[Int(link &- 1)]
                }
            }
        }

        /// Looks at the pairs with rows that are not matched yet; false when there is more to do.
        private func chase(_ batch: Batch, _ done: UnsafeMutablePointer<UInt64>) throws(SQLError) -> Bool {
            let (passing, kept) = (passingRows.pointer(Int32.self), keptRows.pointer(Int32.self))
            let (heads, words, next) = (lookup.heads, matched.pointer(UInt64.self), table.next)
            var (count, steps) = (0, 0)
            while row < batch.rows, steps < Worker.stepsPerTurn {
                let head = heads[row]
                if link == 0 {
                    guard head != 0, !Bitmap.get(done, Int(head &- 1)) else {
                        row &+= 1
                        continue
                    }
                    (link, isOpen) = (head, false)
                }
                while link != 0, steps < Worker.stepsPerTurn {
                    let at = Int(link &- 1)
                    if !Bitmap.get(words, at) {
                        isOpen = true
                        passing[count] = Int32(truncatingIfNeeded: row)
                        kept[count] = link &- 1
                        count &+= 1
                        if count == Batch.rowsMax {
                            try judge(batch, count)
                            count = 0
                        }
                    }
                    link = next.map { $0[at] } ?? 0
                    steps &+= 1
                }
                guard link == 0 else { break }
                if !isOpen { Bitmap.set(done, Int(head &- 1)) }
                row &+= 1
            }
            if count > 0 { try judge(batch, count) }
            return row >= batch.rows
        }

        private func judge(_ batch: Batch, _ candidates: Int) throws(SQLError) {
            let (passing, kept) = (passingRows.pointer(Int32.self), keptRows.pointer(Int32.self))
            let words = matched.pointer(UInt64.self)
            let count = lookup.verify(passing, kept, count: candidates)
            guard count > 0 else { return }
            guard let condition else {
                for index in 0..<count { Bitmap.set(words, Int(kept[index])) }
                return
            }
            try run.check()
            let truths = try condition.evaluate(batch.columns, passing, table.columns, kept, count: count)
            for index in 0..<count where truths[index] == Truth.yes { Bitmap.set(words, Int(kept[index])) }
        }
    }
}

/// The end of a pipeline whose last step keeps what there is to keep.
final class DiscardStage: SinkStage {
    func worker(_ run: QueryRun) throws(SQLError) -> any Sink { Worker() }
    func finish(_ run: QueryRun) throws(SQLError) {}

    private final class Worker: Sink {
        func push(_ batch: Batch) throws(SQLError) -> Bool { true }
        func combine() throws(SQLError) {}
    }
}

/// Gives the kept rows that have a match, or those that have none; workers share them.
final class ExistenceSource: SourceStage {
    private let marks: ExistenceMarks
    private let taken = Atomic<Int>(0)

    init(_ marks: ExistenceMarks) { self.marks = marks }

    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource { try Worker(self, run) }

    private final class Worker: BatchSource {
        private let stage: ExistenceSource
        private let table: JoinTable
        private let matched: Buffer?
        private let isSemi: Bool
        private let columns: [Column]
        private let rows = Buffer(count: Batch.rowsMax, of: Int32.self)
        private let run: QueryRun

        init(_ stage: ExistenceSource, _ run: QueryRun) throws(SQLError) {
            self.stage = stage
            self.run = run
            table = try stage.marks.build.table()
            matched = stage.marks.matched
            isSemi = stage.marks.shape.kind == .semi
            var columns: [Column] = []
            for source in try JoinOutput.all(stage.marks.shape) {
                guard case .right(let index) = source else {
                    throw SQLError(.internalError, "a turned join gives columns of its passing side")
                }
                columns.append(table.columns[index])
            }
            self.columns = columns
        }

        func next() throws(SQLError) -> Batch? {
            try run.check()
            let start = stage.taken.add(Batch.rowsMax, ordering: .relaxed).oldValue
            guard start < table.rows else { return nil }
            let end = min(start + Batch.rowsMax, table.rows)
            let out = rows.pointer(Int32.self)
            var count = 0
            if let words = matched?.pointer(UInt64.self) {
                for row in start..<end {
                    out[count] = Int32(truncatingIfNeeded: row)
                    count &+= Bitmap.get(words, row) == isSemi ? 1 : 0
                }
            } else if !isSemi {
                for row in start..<end { out[row &- start] = Int32(truncatingIfNeeded: row) }
                count = end - start
            }
            return Batch(columns.map { Gather.take($0, out, count: count) }, rows: count)
        }
    }
}
