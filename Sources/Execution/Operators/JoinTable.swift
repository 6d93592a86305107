// The build side of a hash join: rows by key. Read-only once made, shared by all probing workers. Hot.
// A key is one 64-bit number: exact for integers (KeyPacking), a hash that is verified for all else. Numbers lead to
// the first of their rows by direct address when they lie densely, else by open addressing; further rows are chained.
import Columns
import Diagnostics

/// Finds build rows by key.
final class JoinTable: @unchecked Sendable {
    // Sendable: nothing changes after init.

    /// Rows kept.
    let rows: Int
    /// The columns kept, and all evaluated keys, flat.
    let columns: [Column]
    let allKeys: [Column]
    /// The keys that lead to rows.
    let keys: [Column]
    let nullsEqual: [Bool]
    /// Whether a candidate row is a match: otherwise its keys must be compared.
    let isExact: Bool
    /// Whether no row has a successor.
    var isUnique: Bool { links == nil }
    /// Whether some row's key is NULL where NULLs are not equal.
    let hasNullKeys: Bool
    /// Rows with such keys, ascending, when asked for.
    let nullRows: [Int32]

    private let packing: KeyPacking?
    private let form: Form
    /// By row: the next row with the same number plus one, 0 at the end.
    private var links: TableMemory?

    private enum Form {
        case empty
        /// Row plus one, by number.
        case direct(TableMemory, range: UInt64)
        /// Pairs of number and row plus one.
        case hashed(TableMemory, shift: UInt64, mask: Int)
    }

    /// How rows are found, for reports.
    var formName: String {
        switch form {
        case .empty: "empty"
        case .direct: "direct addressing"
        case .hashed: isExact ? "hashed integers" : "hashed"
        }
    }

    /// Direct addressing may use this many entries per row: as much memory as slots would take.
    private static let directPerRow: UInt64 = 8
    private static let directMin: UInt64 = 1 << 14
    /// Rows whose keys are packed or hashed at a time.
    private static let step = 4096

    /// The slot where the search for a number begins: its upper half counts too, then a product's best bits.
    @inline(__always)
    private static func slot(_ number: UInt64, _ shift: UInt64) -> Int {
        Int(truncatingIfNeeded: ((number ^ number &>> 32) &* 0xd6e8_feb8_6659_fd93) &>> shift)
    }

    /// Builds the table over `tableKeys` of the keys. `keepsDuplicates` false: of rows with equal keys one is enough
    /// (semi joins).
    init(
        _ columns: [Column], keys allKeys: [Column], tableKeys: [Int], rows: Int, nullsEqual allNullsEqual: [Bool],
        keepsDuplicates: Bool, collectsNulls: Bool, run: QueryRun, account: MemoryAccount
    ) throws(SQLError) {
        let keys = tableKeys.map { allKeys[$0] }
        let nullsEqual = tableKeys.map { allNullsEqual[$0] }
        self.columns = columns
        self.allKeys = allKeys
        self.keys = keys
        self.rows = rows
        self.nullsEqual = nullsEqual
        let nulls = JoinTable.nullRows(keys, nullsEqual, rows, collects: collectsNulls)
        hasNullKeys = nulls.found
        nullRows = nulls.rows
        packing = KeyPacking(keys, nullsEqual: nullsEqual)
        isExact = packing != nil
        guard rows > 0 else {
            form = .empty
            return
        }
        var builder = Builder(rows: rows, keepsDuplicates: keepsDuplicates || packing == nil, account: account)
        if let packing, packing.range <= max(JoinTable.directMin, UInt64(rows) * JoinTable.directPerRow) {
            let memory = try TableMemory(bytes: Int(packing.range) * 4, account: account)
            form = .direct(memory, range: packing.range)
            try JoinTable.each(keys, nullsEqual, packing, rows, run) { numbers, start, count throws(SQLError) in
                try builder.insert(numbers, start, count, direct: memory.pointer(Int32.self))
            }
        } else {
            var slots = 64
            while slots * 3 < rows * 4 { slots *= 2 }
            let memory = try TableMemory(bytes: slots * 16, account: account)
            let shift = UInt64(64 - slots.trailingZeroBitCount)
            form = .hashed(memory, shift: shift, mask: slots - 1)
            try JoinTable.each(keys, nullsEqual, packing, rows, run) { numbers, start, count throws(SQLError) in
                try builder.insert(
                    numbers, start, count, slots: memory.pointer(UInt64.self), shift: shift, mask: slots - 1)
            }
        }
        links = builder.links
    }

    /// By row, the next row with the same number plus one; nil when there are no such rows.
    var next: UnsafePointer<Int32>? { links.map { UnsafePointer($0.pointer(Int32.self)) } }

    /// Computes the number of each probe row: ``KeyPacking/none`` when it cannot match.
    func numbers(_ keys: [Column], rows: Int, into out: UnsafeMutablePointer<UInt64>) {
        JoinTable.numbers(keys, nullsEqual, packing, from: 0, rows, out)
    }

    /// Looks up numbers: `heads` gets the first candidate row plus one, 0 for none.
    func find(_ numbers: UnsafePointer<UInt64>, rows: Int, into heads: UnsafeMutablePointer<Int32>) {
        switch form {
        case .empty: heads.update(repeating: 0, count: rows)
        case .direct(let memory, let range):
            let table = memory.pointer(Int32.self)
            for row in 0..<rows {
                let number = numbers[row]
                heads[row] = number < range ? table[Int(truncatingIfNeeded: number)] : 0
            }
        case .hashed(let memory, let shift, let mask):
            let slots = UnsafePointer(memory.pointer(UInt64.self))
            for row in 0..<rows {
                let number = numbers[row]
                var slot = JoinTable.slot(number, shift)
                var found: UInt64 = 0
                if number != KeyPacking.none {
                    while true {
                        let entry = slots[slot &* 2 &+ 1]
                        if entry == 0 { break }
                        if slots[slot &* 2] == number {
                            found = entry
                            break
                        }
                        slot = (slot &+ 1) & mask
                    }
                }
                heads[row] = Int32(truncatingIfNeeded: found)
            }
        }
    }

    // MARK: - Building

    private struct Builder {
        let rows: Int
        let keepsDuplicates: Bool
        let account: MemoryAccount
        var links: TableMemory?

        init(rows: Int, keepsDuplicates: Bool, account: MemoryAccount) {
            self.rows = rows
            self.keepsDuplicates = keepsDuplicates
            self.account = account
        }

        /// Inserts backwards, so that chains ascend.
        mutating func insert(
            _ numbers: UnsafePointer<UInt64>, _ start: Int, _ count: Int, direct table: UnsafeMutablePointer<Int32>
        ) throws(SQLError) {
            var index = count &- 1
            while index >= 0 {
                let number = numbers[index]
                if number != KeyPacking.none {
                    let at = Int(truncatingIfNeeded: number)
                    if table[at] != 0 { try link(start &+ index, to: table[at]) }
                    table[at] = Int32(truncatingIfNeeded: start &+ index &+ 1)
                }
                index &-= 1
            }
        }

        mutating func insert(
            _ numbers: UnsafePointer<UInt64>, _ start: Int, _ count: Int, slots: UnsafeMutablePointer<UInt64>,
            shift: UInt64, mask: Int
        ) throws(SQLError) {
            var index = count &- 1
            while index >= 0 {
                let number = numbers[index]
                if number != KeyPacking.none {
                    var slot = JoinTable.slot(number, shift)
                    while slots[slot &* 2 &+ 1] != 0, slots[slot &* 2] != number { slot = (slot &+ 1) & mask }
                    let head = slots[slot &* 2 &+ 1]
                    if head != 0 { try link(start &+ index, to: Int32(truncatingIfNeeded: head)) }
                    slots[slot &* 2] = number
                    slots[slot &* 2 &+ 1] = UInt64(truncatingIfNeeded: start &+ index &+ 1)
                }
                index &-= 1
            }
        }

        @inline(__always)
        private mutating func link(_ row: Int, to head: Int32) throws(SQLError) {
            guard keepsDuplicates else { return }
            if links == nil { links = try TableMemory(bytes: rows * 4, account: account) }
            links?.pointer(Int32.self)[row] = head
        }
    }

    private static func each(
        _ keys: [Column], _ nullsEqual: [Bool], _ packing: KeyPacking?, _ rows: Int, _ run: QueryRun,
        _ insert: (UnsafePointer<UInt64>, Int, Int) throws(SQLError) -> Void
    ) throws(SQLError) {
        let buffer = Buffer(count: step, of: UInt64.self)
        let numbers = buffer.pointer(UInt64.self)
        var end = rows
        while end > 0 {
            try run.check()
            let start = max(0, end - step)
            self.numbers(keys, nullsEqual, packing, from: start, end - start, numbers)
            try insert(UnsafePointer(numbers), start, end - start)
            end = start
        }
    }

    private static func numbers(
        _ keys: [Column], _ nullsEqual: [Bool], _ packing: KeyPacking?, from start: Int, _ rows: Int,
        _ out: UnsafeMutablePointer<UInt64>
    ) {
        if let packing {
            packing.pack(keys, from: start, rows: rows, into: out)
            return
        }
        var part: [Column] = []
        for key in keys { part.append(Gather.slice(key, from: start, count: rows)) }
        KeyHash.hash(part, rows: rows, into: out)
        for row in 0..<rows where out[row] == KeyPacking.none { out[row] = 0 }
        for (index, key) in part.enumerated() where !nullsEqual[index] {
            guard let valid = key.validityWords else { continue }
            if key.layout == .constant {
                if !key.isValid(0) { out.update(repeating: KeyPacking.none, count: rows) }
                continue
            }
            for row in 0..<rows where !Bitmap.get(valid, row) { out[row] = KeyPacking.none }
        }
    }

    private static func nullRows(
        _ keys: [Column], _ nullsEqual: [Bool], _ rows: Int, collects: Bool
    ) -> (found: Bool, rows: [Int32]) {
        var found = false
        var list: [Int32] = []
        for (index, key) in keys.enumerated() where !nullsEqual[index] {
            guard let valid = key.validityWords else { continue }
            found = found || Bitmap.count(valid, rows) < rows
        }
        guard found, collects else { return (found, []) }
        for row in 0..<rows {
            for (index, key) in keys.enumerated() where !nullsEqual[index] && !key.isValid(row) {
                list.append(Int32(row))
                break
            }
        }
        return (found, list)
    }
}
