// Sorts row numbers by key columns: keys as words, radix sort by word, comparison only for what words do not hold. Hot.
import Columns
import Diagnostics
import Glibc

/// Finds the order of rows.
struct RowSorter {
    private let keys: [Column]
    private let orders: [KeyOrder]
    private let rows: Int
    private let run: QueryRun
    private let account: MemoryAccount
    private let encoder: KeyEncoder

    /// Ranges below this are sorted by insertion.
    private static let insertionMax = 24
    /// Rows between two looks at whether the query was stopped.
    private static let step = 256 << 10
    private static let digitBits = 11
    private static let digits = 1 << digitBits

    /// A key word and its row.
    private struct Entry {
        var word: UInt64
        var row: UInt64
    }

    /// Returns the row numbers in order, as Int32. The sort is stable.
    static func order(
        _ keys: [Column], _ orders: [KeyOrder], rows: Int, run: QueryRun, account: MemoryAccount
    ) throws(SQLError) -> Buffer {
        try account.add(Int64(rows * 4))
        let result = Buffer(count: max(1, rows), of: Int32.self)
        let sorter = RowSorter(
            keys: keys, orders: orders, rows: rows, run: run, account: account,
            encoder: KeyEncoder(fitting: keys, orders: orders))
        try sorter.sort(into: result.pointer(Int32.self))
        return result
    }

    private func sort(into out: UnsafeMutablePointer<Int32>) throws(SQLError) {
        guard rows > 1, !(encoder.bits == 0 && encoder.isExact) else {
            for row in 0..<rows { out[row] = Int32(truncatingIfNeeded: row) }
            return
        }
        let wordBytes = Int64(rows * encoder.words * 8)
        try account.add(wordBytes)
        let buffer = Buffer(bytes: rows * encoder.words * 8)
        let words = buffer.pointer(UInt64.self)
        var start = 0
        while start < rows {
            try run.check()
            let count = min(RowSorter.step, rows - start)
            encoder.encode(keys, from: start, count: count, into: words + start * encoder.words)
            start += count
        }
        try sortByPrefix(words, into: out)
        try account.add(-wordBytes)
    }

    // MARK: - The first word

    /// Sorts by as many leading bits as fit into one word beside the row number, then what ties in them.
    private func sortByPrefix(
        _ words: UnsafePointer<UInt64>, into out: UnsafeMutablePointer<Int32>
    ) throws(SQLError) {
        let bytes = Int64(rows * 16)
        try account.add(bytes)
        let (first, second) = (Buffer(bytes: rows * 8), Buffer(bytes: rows * 8))
        var (from, to) = (first.pointer(UInt64.self), second.pointer(UInt64.self))
        let rowBits = 64 - (rows - 1).leadingZeroBitCount
        let keyBits = min(encoder.bits, 64 - rowBits)
        let mask: UInt64 = (1 << UInt64(rowBits)) - 1
        let width = encoder.words
        // The key's bits stand above the row's, at the lower end.
        let down = UInt64(64 - rowBits - keyBits)
        for row in 0..<rows {
            let key = keyBits == 0 ? 0 : words[row &* width] &>> down
            from[row] = key & ~mask | UInt64(truncatingIfNeeded: row)
        }
        let counts = Buffer(count: RowSorter.digits, of: Int.self)
        var shift = rowBits
        while shift < rowBits + keyBits {
            try run.check()
            let by = UInt64(shift)
            let isMoved = RowSorter.pass(from, to, rows, counts.pointer(Int.self)) {
                Int(truncatingIfNeeded: $0 &>> by) & (RowSorter.digits - 1)
            }
            if isMoved { swap(&from, &to) }
            shift += RowSorter.digitBits
        }
        for row in 0..<rows { out[row] = Int32(truncatingIfNeeded: from[row] & mask) }
        let isWhole = width == 1 && keyBits == encoder.bits
        if !isWhole || !encoder.isExact {
            try sortTies(of: from, words, out, shift: UInt64(rowBits), after: isWhole ? 0 : -1)
        }
        withExtendedLifetime((first, second)) {}
        try account.add(-bytes)
    }

    /// Sorts the runs that are equal in their prefix.
    private func sortTies(
        of sorted: UnsafePointer<UInt64>, _ words: UnsafePointer<UInt64>, _ out: UnsafeMutablePointer<Int32>,
        shift: UInt64, after word: Int
    ) throws(SQLError) {
        var start = 0
        while start < rows {
            let prefix = sorted[start] &>> shift
            var end = start &+ 1
            while end < rows, sorted[end] &>> shift == prefix { end &+= 1 }
            if end &- start > 1 { try sortTie(words, out, from: start, to: end, after: word) }
            start = end
        }
    }

    /// Sorts by word, least digit first; returns which of the two holds the result.
    private func radix(
        _ first: UnsafeMutablePointer<Entry>, _ second: UnsafeMutablePointer<Entry>, _ count: Int
    ) throws(SQLError) -> UnsafeMutablePointer<Entry> {
        var (from, to) = (first, second)
        let counts = Buffer(count: RowSorter.digits, of: Int.self)
        var shift = 0
        while shift < 64 {
            try run.check()
            let by = UInt64(shift)
            let isMoved = RowSorter.pass(
                from, to, count, counts.pointer(Int.self)
            ) { Int(truncatingIfNeeded: $0.word &>> by) & (RowSorter.digits - 1) }
            if isMoved { swap(&from, &to) }
            shift += RowSorter.digitBits
        }
        return from
    }

    /// Moves by one digit, keeping the order of equal ones; false when all digits are equal.
    @inline(__always)
    private static func pass<T>(
        _ from: UnsafeMutablePointer<T>, _ to: UnsafeMutablePointer<T>, _ count: Int,
        _ counts: UnsafeMutablePointer<Int>, _ digit: (T) -> Int
    ) -> Bool {
        counts.update(repeating: 0, count: digits)
        for index in 0..<count { counts[digit(from[index])] &+= 1 }
        if counts[digit(from[0])] == count { return false }
        var sum = 0
        for index in 0..<digits {
            let size = counts[index]
            counts[index] = sum
            sum &+= size
        }
        for index in 0..<count {
            let value = from[index]
            let at = digit(value)
            to[counts[at]] = value
            counts[at] &+= 1
        }
        return true
    }

    // MARK: - Ties

    /// Sorts ranges of equal first words by what is left of their keys.
    /// `out[from..<to]` is sorted by the words up to `word`.
    private func breakTies(
        _ words: UnsafePointer<UInt64>, _ out: UnsafeMutablePointer<Int32>, from: Int, to: Int, word: Int
    ) throws(SQLError) {
        let width = encoder.words
        var start = from
        while start < to {
            let value = words[Int(out[start]) &* width &+ word]
            var end = start &+ 1
            while end < to, words[Int(out[end]) &* width &+ word] == value { end &+= 1 }
            if end &- start > 1 { try sortTie(words, out, from: start, to: end, after: word) }
            start = end
        }
    }

    private func sortTie(
        _ words: UnsafePointer<UInt64>, _ out: UnsafeMutablePointer<Int32>, from: Int, to: Int, after word: Int
    ) throws(SQLError) {
        let count = to - from
        if count <= RowSorter.insertionMax {
            insert(words, out + from, count, word + 1)
            return
        }
        try run.check()
        guard word + 1 < encoder.words else {
            var range = UnsafeMutableBufferPointer(start: out + from, count: count)
            // Equal rows keep their order because lower numbers stand first, and the sort is stable.
            // Once the query was stopped, any order will do.
            range.sort { !run.isStopped && compareInexact(Int($0), Int($1)) < 0 }
            try run.check()
            return
        }
        let (first, second) = (Buffer(bytes: count * 16), Buffer(bytes: count * 16))
        let entries = first.pointer(Entry.self)
        let width = encoder.words
        for index in 0..<count {
            let row = Int(out[from &+ index])
            entries[index] = Entry(word: words[row &* width &+ word &+ 1], row: UInt64(truncatingIfNeeded: row))
        }
        if count < RowSorter.digits {
            var range = UnsafeMutableBufferPointer(start: entries, count: count)
            range.sort {
                $0.word != $1.word ? $0.word < $1.word : $0.row < $1.row
            }
            for index in 0..<count { out[from &+ index] = Int32(truncatingIfNeeded: entries[index].row) }
        } else {
            let sorted = try radix(entries, second.pointer(Entry.self), count)
            for index in 0..<count { out[from &+ index] = Int32(truncatingIfNeeded: sorted[index].row) }
        }
        withExtendedLifetime((first, second)) {}
        guard word + 2 < encoder.words || !encoder.isExact else { return }
        // Depth is bounded by KeyEncoder.wordsMax.
        try breakTies(words, out, from: from, to: to, word: word + 1)
    }

    private func insert(
        _ words: UnsafePointer<UInt64>, _ rows: UnsafeMutablePointer<Int32>, _ count: Int, _ word: Int
    ) {
        for index in 1..<count {
            let row = rows[index]
            var at = index
            while at > 0, compare(words, Int(rows[at &- 1]), Int(row), word) > 0 {
                rows[at] = rows[at &- 1]
                at &-= 1
            }
            rows[at] = row
        }
    }

    private func compare(_ words: UnsafePointer<UInt64>, _ a: Int, _ b: Int, _ word: Int) -> Int {
        let width = encoder.words
        for index in word..<max(word, width) {
            let (x, y) = (words[a &* width &+ index], words[b &* width &+ index])
            if x != y { return x < y ? -1 : 1 }
        }
        return compareInexact(a, b)
    }

    private func compareInexact(_ a: Int, _ b: Int) -> Int {
        for index in encoder.firstInexactKey..<keys.count {
            let result = KeyCompare.compare(keys[index], a, keys[index], b, orders[index])
            if result != 0 { return result }
        }
        return 0
    }
}
