// INTERSECT and EXCEPT: the right side is grouped and counted, the left side passes by and is measured against it.
import Columns
import Diagnostics
import Planner
import Synchronization

/// Groups the rows of the right side; NULLs are equal.
final class SetBuild: SinkStage {
    private let account: MemoryAccount
    fileprivate let state: Mutex<Groups>

    /// What is known of each group of equal rows.
    fileprivate struct Groups: ~Copyable {
        let table: GroupTable
        /// By group: rows of the right side that no left row has used.
        var counts: [Int] = []
        /// By group: whether it has come out.
        var isGiven: [Bool] = []
        let numbers = Scratch<Int32>()
        var accounted = 0

        init(_ types: [SQLType]) { table = GroupTable(types) }

        /// Finds the groups of a batch; the numbers are valid until the next call.
        mutating func find(_ batch: Batch, _ account: MemoryAccount) throws(SQLError) -> UnsafePointer<Int32> {
            let found = numbers.room(max(1, batch.rows))
            table.find(batch.columns, batch.rows, to: found)
            while counts.count < table.count {
                counts.append(0)
                isGiven.append(false)
            }
            let size = table.sizeBytes + counts.capacity * 9
            if size > accounted {
                try account.add(Int64(size - accounted))
                accounted = size
            }
            return UnsafePointer(found)
        }
    }

    init(types: [SQLType], account: MemoryAccount) {
        self.account = account
        state = Mutex(Groups(types))
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Sink { Worker(self, run) }
    func finish(_ run: QueryRun) throws(SQLError) {}

    fileprivate func add(_ batch: Batch) throws(SQLError) {
        try state.withLock { groups throws(SQLError) in
            let found = try groups.find(batch, account)
            for row in 0..<batch.rows { groups.counts[Int(found[row])] += 1 }
        }
    }

    /// Returns the left rows that come out.
    fileprivate func select(
        _ batch: Batch, _ kind: LogicalPlan.SetOperator, isAll: Bool
    ) throws(SQLError) -> Selection {
        try state.withLock { groups throws(SQLError) in
            let found = try groups.find(batch, account)
            let buffer = Buffer(count: max(1, batch.rows), of: Int32.self)
            let rows = buffer.pointer(Int32.self)
            var count = 0
            for row in 0..<batch.rows {
                let group = Int(found[row])
                var isKept = groups.counts[group] > 0
                if isAll {
                    if isKept { groups.counts[group] -= 1 }
                    if kind == .except { isKept.toggle() }
                } else {
                    if kind == .except { isKept.toggle() }
                    if isKept {
                        isKept = !groups.isGiven[group]
                        groups.isGiven[group] = true
                    }
                }
                if isKept {
                    rows[count] = Int32(truncatingIfNeeded: row)
                    count += 1
                }
            }
            return Selection(buffer, count: count)
        }
    }

    private final class Worker: Sink {
        private let stage: SetBuild
        private let run: QueryRun
        init(_ stage: SetBuild, _ run: QueryRun) {
            self.stage = stage
            self.run = run
        }

        func push(_ batch: Batch) throws(SQLError) -> Bool {
            try run.check()
            try stage.add(batch)
            return true
        }

        func combine() throws(SQLError) {}
    }
}

/// Lets the left rows of INTERSECT or EXCEPT pass.
final class SetProbe: TransformStage {
    private let build: SetBuild
    private let kind: LogicalPlan.SetOperator
    private let isAll: Bool

    init(_ build: SetBuild, _ kind: LogicalPlan.SetOperator, isAll: Bool) {
        self.build = build
        self.kind = kind
        self.isAll = isAll
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform { Worker(self, run) }

    private final class Worker: Transform {
        private let stage: SetProbe
        private let run: QueryRun
        init(_ stage: SetProbe, _ run: QueryRun) {
            self.stage = stage
            self.run = run
        }

        func apply(_ input: Batch) throws(SQLError) -> Output {
            try run.check()
            let kept = try stage.build.select(input, stage.kind, isAll: stage.isAll)
            if kept.count == 0 { return .none }
            return .one(kept.count == input.rows ? input : input.take(kept.rows, count: kept.count))
        }
    }
}
