// The transform of semi, anti and mark joins: left rows come out once, whatever matches. Hot.
import Columns
import Diagnostics
import Planner

/// One worker of a join that asks only whether there is a match.
final class ExistenceProbe: Transform {
    private let table: JoinTable
    private let lookup: ProbeLookup
    private let condition: PairCondition?
    private let emitter: ExistenceOutput
    private let shape: JoinShape
    private let run: QueryRun
    private let isDirect: Bool
    /// Keys of a mark join that are compared three-valued on pairs that exact keys have found.
    private let splitKeys: [Int]
    private let leftRows = Buffer(count: Batch.rowsMax, of: Int32.self)
    private let rightRows = Buffer(count: Batch.rowsMax, of: Int32.self)
    private let truths = Buffer(bytes: Batch.rowsMax)
    /// By left row: ``Truth``.
    private let results = Scratch<UInt8>()
    private let active = Scratch<Int32>()
    private let links = Scratch<Int32>()
    private let flags = Scratch<UInt8>()
    /// Rows of the batch in hand whose candidates are not all looked at; nil: the batch is not begun.
    private var openRows: Int?

    /// Looks at candidates before other queries get their turn.
    private static let roundsPerTurn = 128

    init(
        _ shape: JoinShape, _ table: JoinTable, _ lookup: ProbeLookup, _ tableKeys: [Int], _ run: QueryRun
    ) throws(SQLError) {
        self.run = run
        self.shape = shape
        self.table = table
        self.lookup = lookup
        condition = try PairCondition(shape, run)
        emitter = try ExistenceOutput(shape)
        splitKeys = shape.keys.indices.filter { !tableKeys.contains($0) }
        isDirect = table.isExact && condition == nil && splitKeys.isEmpty
    }

    func apply(_ input: Batch) throws(SQLError) -> Output {
        try run.check()
        guard table.rows > 0 else {
            switch shape.kind {
            case .semi: return .last(nil)
            default: return emitter.emit(input, all: Truth.no)
            }
        }
        guard input.rows > 0 else { return .none }
        guard input.rows <= Batch.rowsMax else { throw PairProbe.tooManyRows }
        let result = results.room(input.rows)
        if openRows == nil { try lookup.begin(input) }
        if isDirect {
            let heads = lookup.heads
            for row in 0..<input.rows { result[row] = unsafeBitCast(heads[row] != 0, to: UInt8.self) }
        } else {
            let rows = try chase(input, result, openRows ?? begin(input, result))
            openRows = rows > 0 ? rows : nil
            guard rows == 0 else { return .more(Batch([], rows: 0)) }
        }
        defer { lookup.end() }
        if shape.kind == .mark, splitKeys.isEmpty { try addUnknowns(input, result) }
        return emitter.emit(input, result)
    }

    // MARK: - Candidates that need a further look

    /// Lists the rows that have candidates; returns how many there are.
    private func begin(_ input: Batch, _ result: UnsafeMutablePointer<UInt8>) -> Int {
        let (open, link) = (active.room(input.rows), links.room(input.rows))
        result.update(repeating: Truth.no, count: input.rows)
        var openRows = 0
        for row in 0..<input.rows {
            link[row] = lookup.heads[row]
            open[openRows] = Int32(truncatingIfNeeded: row)
            openRows &+= link[row] != 0 ? 1 : 0
        }
        return openRows
    }

    /// Looks at candidates, several a row at a time, until each row has a match or none left, or the turn is over;
    /// returns how many rows are still open.
    private func chase(
        _ input: Batch, _ result: UnsafeMutablePointer<UInt8>, _ rows: Int
    ) throws(SQLError) -> Int {
        let (open, link) = (active.room(input.rows), links.room(input.rows))
        let (left, right) = (leftRows.pointer(Int32.self), rightRows.pointer(Int32.self))
        let next = table.next
        var openRows = rows
        var rounds = 0
        while openRows > 0, rounds < ExistenceProbe.roundsPerTurn {
            try run.check()
            rounds += 1
            let quota = max(1, Batch.rowsMax / openRows)
            var count = 0
            for index in 0..<openRows {
                let row = Int(open[index])
                var taken = 0
                while taken < quota, link[row] != 0 {
                    left[count] = Int32(truncatingIfNeeded: row)
                    right[count] = link[row] &- 1
                    link[row] = next.map { $0[Int(link[row] &- 1)] } ?? 0
                    count &+= 1
                    taken &+= 1
                }
            }
            try judge(input, count, result)
            var still = 0
            for index in 0..<openRows {
                let row = Int(open[index])
                open[still] = open[index]
                still &+= result[row] != Truth.yes && link[row] != 0 ? 1 : 0
            }
            openRows = still
        }
        return openRows
    }

    /// Adds what the pairs say to the rows' results: true wins, then unknown.
    private func judge(_ input: Batch, _ candidates: Int, _ result: UnsafeMutablePointer<UInt8>) throws(SQLError) {
        let (left, right) = (leftRows.pointer(Int32.self), rightRows.pointer(Int32.self))
        let count = lookup.verify(left, right, count: candidates)
        guard count > 0 else { return }
        let truth = truths.pointer(UInt8.self)
        truth.update(repeating: Truth.yes, count: count)
        for key in splitKeys { compareThreeValued(key, left, right, count, truth) }
        if let condition {
            let more = try condition.evaluate(input.columns, left, table.columns, right, count: count)
            for index in 0..<count { truth[index] = Truth.and(truth[index], more[index]) }
        }
        let keepsUnknown = shape.kind == .mark
        for index in 0..<count {
            let row = Int(left[index])
            if truth[index] == Truth.yes {
                result[row] = Truth.yes
            } else if keepsUnknown, truth[index] == Truth.unknown, result[row] == Truth.no {
                result[row] = Truth.unknown
            }
        }
    }

    private func compareThreeValued(
        _ key: Int, _ left: UnsafePointer<Int32>, _ right: UnsafePointer<Int32>, _ count: Int,
        _ truth: UnsafeMutablePointer<UInt8>
    ) {
        let equal = flags.room(count)
        equal.update(repeating: 1, count: count)
        let (a, b) = (lookup.keys[key], table.allKeys[key])
        KeyEquality.match(a, left, b, right, count: count, nullsEqual: false, into: equal)
        for index in 0..<count {
            var value = equal[index]
            if !a.isValid(Int(left[index])) || !b.isValid(Int(right[index])) { value = Truth.unknown }
            truth[index] = Truth.and(truth[index], value)
        }
    }

    // MARK: - Unknown marks

    /// Rows without a match are unknown when a NULL hides one: `a IN (...)` with a NULL on either side.
    private func addUnknowns(_ input: Batch, _ result: UnsafeMutablePointer<UInt8>) throws(SQLError) {
        let nullable = shape.keys.indices.filter { !shape.keys[$0].nullsEqual }
        guard !nullable.isEmpty else { return }
        if nullable.count == 1, shape.keys.count == 1, condition == nil {
            let key = lookup.keys[0]
            let ifMissing = table.hasNullKeys ? Truth.unknown : Truth.no
            for row in 0..<input.rows where result[row] == Truth.no {
                result[row] = key.isValid(row) ? ifMissing : Truth.unknown
            }
            return
        }
        for row in 0..<input.rows where result[row] == Truth.no {
            let hasNull = nullable.contains { !lookup.keys[$0].isValid(row) }
            if !hasNull, table.nullRows.isEmpty { continue }
            result[row] = try isUnknown(input, row, all: hasNull) ? Truth.unknown : Truth.no
        }
    }

    /// Compares one left row with all right rows, or with those that have NULL keys.
    private func isUnknown(_ input: Batch, _ row: Int, all: Bool) throws(SQLError) -> Bool {
        let (left, right) = (leftRows.pointer(Int32.self), rightRows.pointer(Int32.self))
        let truth = truths.pointer(UInt8.self)
        let total = all ? table.rows : table.nullRows.count
        var start = 0
        while start < total {
            try run.check()
            let count = min(Batch.rowsMax, total - start)
            for index in 0..<count {
                left[index] = Int32(truncatingIfNeeded: row)
                right[index] = all ? Int32(truncatingIfNeeded: start + index) : table.nullRows[start + index]
            }
            truth.update(repeating: Truth.yes, count: count)
            for key in shape.keys.indices { compareThreeValued(key, left, right, count, truth) }
            if let condition {
                let more = try condition.evaluate(input.columns, left, table.columns, right, count: count)
                for index in 0..<count { truth[index] = Truth.and(truth[index], more[index]) }
            }
            for index in 0..<count where truth[index] == Truth.unknown { return true }
            start += count
        }
        return false
    }
}

/// What semi, anti and mark joins give for a batch. One owner thread at a time.
final class ExistenceOutput {
    private let kind: LogicalPlan.JoinKind
    private let output: [JoinOutput]
    private let truths = Scratch<UInt8>()
    private let rows = Scratch<Int32>()

    init(_ shape: JoinShape) throws(SQLError) {
        kind = shape.kind
        output = try JoinOutput.all(shape)
    }

    /// The same result for all rows.
    func emit(_ input: Batch, all truth: UInt8) -> Output {
        let result = truths.room(max(1, input.rows))
        result.update(repeating: truth, count: input.rows)
        return emit(input, result)
    }

    /// A result a row: ``Truth``.
    func emit(_ input: Batch, _ result: UnsafePointer<UInt8>) -> Output {
        var columns: [Column] = []
        if kind == .mark {
            let mark = Truth.column(result, input.rows)
            for source in output {
                if case .left(let index) = source { columns.append(input.columns[index]) } else { columns.append(mark) }
            }
            return .one(Batch(columns, rows: input.rows))
        }
        let selected = rows.room(max(1, input.rows))
        // Unknown is no match: it stays out of a semi join and in an anti join.
        let wanted: UInt8 = kind == .semi ? 1 : 0
        var count = 0
        for row in 0..<input.rows {
            selected[count] = Int32(truncatingIfNeeded: row)
            count &+= Int(truncatingIfNeeded: Truth.isYes(result[row]) ^ wanted ^ 1)
        }
        guard count > 0 else { return .none }
        for source in output {
            guard case .left(let index) = source else { continue }
            let column = input.columns[index]
            columns.append(count == input.rows ? column : Gather.take(column, selected, count: count))
        }
        return .one(Batch(columns, rows: count))
    }
}

extension Truth {
    /// AND of two truth values.
    @inline(__always)
    static func and(_ a: UInt8, _ b: UInt8) -> UInt8 {
        if a == no || b == no { return no }
        return a == yes && b == yes ? yes : unknown
    }

    /// 1 for true, 0 for false and unknown.
    @inline(__always)
    static func isYes(_ value: UInt8) -> UInt8 { value & (value &>> 1 ^ 1) }
}
