// What the build side of a join says about the probe side's keys before they are joined: scans skip with it. Hot.
import Columns
import Diagnostics

/// The key values of one join key: bounds and, unless there are too many, a filter for single rows.
final class RuntimeFilter: Sendable {
    /// Rows outside have no match: for pruning files, row groups and pages. NULL never matches.
    let domain: ColumnDomain
    /// Whether the build side has no key: no row matches.
    let isEmpty: Bool
    fileprivate let membership: Membership

    fileprivate enum Membership: Sendable {
        case none
        /// A bit for each number from `low` on.
        case bitmap(Buffer, low: Int64, span: UInt64)
        case bloom(Buffer, mask: UInt64)
    }

    /// An exact bitmap may take this many bits per build row.
    private static let bitmapBitsPerRow: UInt64 = 64
    private static let bitmapBitsMin: UInt64 = 1 << 16
    private static let bloomBitsPerRow = 16
    /// Bigger filters leave the cache and cost more than they save.
    private static let bloomBytesMax = 8 << 20

    /// Looks at the build side's values of a key, a flat column.
    init(_ key: Column) {
        let (low, high) = RuntimeFilter.extremes(key)
        isEmpty = low == nil
        var values: [Scalar]?
        if key.count <= ColumnDomain.valuesMax {
            var distinct = Set<Scalar>()
            for row in 0..<key.count where key.isValid(row) { distinct.insert(key.scalar(row)) }
            values = Array(distinct)
        }
        domain = ColumnDomain(low: low, high: high, values: values)
        guard !isEmpty else {
            membership = .none
            return
        }
        membership = RuntimeFilter.bitmap(key, low, high) ?? RuntimeFilter.bloom(key)
    }

    private static func extremes(_ key: Column) -> (Scalar?, Scalar?) {
        switch key.physical {
        case .int16: return extremes(key, Int16.self)
        case .int32: return extremes(key, Int32.self)
        case .int64: return extremes(key, Int64.self)
        case .bool, .int128, .float32, .float64, .view, .numeric, .interval, .list, .row: break
        }
        var (low, high): (Int?, Int?)
        for row in 0..<key.count where key.isValid(row) {
            if low.map({ KeyCompare.compare(key, row, key, $0, KeyOrder()) < 0 }) ?? true { low = row }
            if high.map({ KeyCompare.compare(key, row, key, $0, KeyOrder()) > 0 }) ?? true { high = row }
        }
        return (low.map(key.scalar), high.map(key.scalar))
    }

    private static func extremes<T: FixedWidthInteger>(_ key: Column, _: T.Type) -> (Scalar?, Scalar?) {
        let (values, valid) = (key.pointer(T.self), key.validityWords)
        var (low, high) = (-1, -1)
        for row in 0..<key.count {
            if let valid, !Bitmap.get(valid, row) { continue }
            if low < 0 || values[row] < values[low] { low = row }
            if high < 0 || values[row] > values[high] { high = row }
        }
        return low < 0 ? (nil, nil) : (key.scalar(low), key.scalar(high))
    }

    private static func bitmap(_ key: Column, _ low: Scalar?, _ high: Scalar?) -> Membership? {
        guard let first = low?.integer, let last = high?.integer else { return nil }
        let span = UInt64(bitPattern: last &- first)
        guard span < max(bitmapBitsMin, UInt64(key.count) * bitmapBitsPerRow) else { return nil }
        let bits = Bitmap.make(Int(span) + 1, all: false)
        let words = bits.pointer(UInt64.self)
        switch key.physical {
        case .int16: mark(key, Int16.self, first, words)
        case .int32: mark(key, Int32.self, first, words)
        case .int64: mark(key, Int64.self, first, words)
        default: return nil
        }
        return .bitmap(bits, low: first, span: span)
    }

    private static func mark<T: FixedWidthInteger>(
        _ key: Column, _: T.Type, _ low: Int64, _ words: UnsafeMutablePointer<UInt64>
    ) {
        let values = key.pointer(T.self)
        let valid = key.validityWords
        for row in 0..<key.count {
            if let valid, !Bitmap.get(valid, row) { continue }
            Bitmap.set(words, Int(truncatingIfNeeded: Int64(truncatingIfNeeded: values[row]) &- low))
        }
    }

    private static func bloom(_ key: Column) -> Membership {
        var size = 64
        while size * 64 < key.count * bloomBitsPerRow { size *= 2 }
        guard size * 8 <= bloomBytesMax else { return .none }
        let buffer = Buffer(count: size, of: UInt64.self)
        buffer.fill(0)
        let words = buffer.pointer(UInt64.self)
        let mask = UInt64(size - 1)
        let hashes = Buffer(count: Batch.rowsMax, of: UInt64.self)
        let scratch = hashes.pointer(UInt64.self)
        var start = 0
        while start < key.count {
            let count = min(Batch.rowsMax, key.count - start)
            let part = Gather.slice(key, from: start, count: count)
            KeyHash.hash(part, rows: count, into: scratch)
            for row in 0..<count {
                if let valid = part.validityWords, !Bitmap.get(valid, row) { continue }
                words[Int(truncatingIfNeeded: scratch[row] & mask)] |= bits(scratch[row])
            }
            start += count
        }
        return .bloom(buffer, mask: mask)
    }

    /// Four bits of one word, by the upper half of a hash.
    @inline(__always)
    fileprivate static func bits(_ hash: UInt64) -> UInt64 {
        let (a, b) = ((hash &>> 32) & 63, (hash &>> 38) & 63)
        let (c, d) = ((hash &>> 44) & 63, (hash &>> 50) & 63)
        return 1 &<< a | 1 &<< b | 1 &<< c | 1 &<< d
    }

    /// One worker's end.
    func probe() -> RuntimeFilterProbe { RuntimeFilterProbe(self) }
}

extension Scalar {
    fileprivate var integer: Int64? {
        switch value {
        case .int(let number): number
        case .int128(let number) where type.physical == .int64: Int64(exactly: number)
        default: nil
        }
    }
}

/// Applies a runtime filter to batches. One owner thread at a time.
final class RuntimeFilterProbe {
    private let filter: RuntimeFilter
    private var seen = 0
    private var passed = 0
    private var isOff = false
    /// The last dictionary, with a byte an entry: 1 when it may match.
    private var dictionary: (column: Column, flags: Buffer)?
    private let scratch = Scratch<UInt8>()
    private let hashes = Scratch<UInt64>()

    /// A filter that drops less than one row in ten is not worth its time; decided after these rows.
    private static let trialRows = 64 << 10

    init(_ filter: RuntimeFilter) { self.filter = filter }

    /// Returns the rows that may match: nil when all may.
    func select(_ column: Column, rows: Int) -> Selection? {
        guard let pass = flags(column, rows: rows) else { return nil }
        let buffer = Buffer(count: rows, of: Int32.self)
        let out = buffer.pointer(Int32.self)
        var count = 0
        for row in 0..<rows {
            out[count] = Int32(truncatingIfNeeded: row)
            count &+= Int(truncatingIfNeeded: pass[row] & 1)
        }
        self.count(seen: rows, passed: count)
        return count == rows ? nil : Selection(buffer, count: count)
    }

    /// A byte a row, 1 when it may match; nil when the filter does not pay. Valid until the next call.
    func flags(_ column: Column, rows: Int) -> UnsafePointer<UInt8>? {
        guard !isOff, rows > 0 else { return nil }
        let pass = scratch.room(rows)
        mark(column, rows, pass)
        return UnsafePointer(pass)
    }

    /// Notes what the filter did, and switches it off when that is little.
    func count(seen more: Int, passed kept: Int) {
        seen += more
        passed += kept
        guard seen >= RuntimeFilterProbe.trialRows else { return }
        isOff = !filter.isEmpty && passed * 10 > seen * 9
        (seen, passed) = (0, 0)
    }

    private func mark(_ column: Column, _ rows: Int, _ pass: UnsafeMutablePointer<UInt8>) {
        if filter.isEmpty {
            pass.update(repeating: 0, count: rows)
            return
        }
        if column.layout == .constant {
            let one = Flatten.flat(Gather.slice(column, from: 0, count: 1))
            plain(one, 1, pass)
            pass.update(repeating: column.isValid(0) ? pass[0] : 0, count: rows)
            return
        }
        if let values = column.dictionary {
            if dictionary?.column !== values {
                let known = Buffer(bytes: max(1, values.count))
                plain(values, values.count, known.pointer(UInt8.self))
                dictionary = (values, known)
            }
            guard let known = dictionary?.flags.pointer(UInt8.self) else { return }
            let codes = column.codes
            if let valid = column.validityWords {
                for row in 0..<rows { pass[row] = Bitmap.get(valid, row) ? known[Int(codes[row])] : 0 }
            } else {
                for row in 0..<rows { pass[row] = known[Int(codes[row])] }
            }
            return
        }
        plain(column, rows, pass)
        if let valid = column.validityWords {
            for row in 0..<rows {
                let bit = UInt8(truncatingIfNeeded: valid[row &>> 6] &>> UInt64(truncatingIfNeeded: row & 63))
                pass[row] &= bit & 1
            }
        }
    }

    /// Tests a flat column; rows that are NULL get any answer.
    private func plain(_ column: Column, _ rows: Int, _ pass: UnsafeMutablePointer<UInt8>) {
        switch filter.membership {
        case .none: pass.update(repeating: 1, count: rows)
        case .bitmap(let buffer, let low, let span):
            let words = UnsafePointer(buffer.pointer(UInt64.self))
            switch column.physical {
            case .int16: dense(column, Int16.self, words, low, span, rows, pass)
            case .int32: dense(column, Int32.self, words, low, span, rows, pass)
            case .int64: dense(column, Int64.self, words, low, span, rows, pass)
            default: pass.update(repeating: 1, count: rows)
            }
        case .bloom(let buffer, let mask):
            let words = UnsafePointer(buffer.pointer(UInt64.self))
            let found = hashes.room(rows)
            KeyHash.hash(column, rows: rows, into: found)
            for row in 0..<rows {
                let bits = RuntimeFilter.bits(found[row])
                let isIn = words[Int(truncatingIfNeeded: found[row] & mask)] & bits == bits
                pass[row] = unsafeBitCast(isIn, to: UInt8.self)
            }
        }
    }

    @inline(__always)
    private func dense<T: FixedWidthInteger>(
        _ column: Column, _: T.Type, _ words: UnsafePointer<UInt64>, _ low: Int64, _ span: UInt64, _ rows: Int,
        _ pass: UnsafeMutablePointer<UInt8>
    ) {
        let values = column.pointer(T.self)
        for row in 0..<rows {
            let offset = UInt64(bitPattern: Int64(truncatingIfNeeded: values[row]) &- low)
            let isInside = offset <= span
            let at = Int(truncatingIfNeeded: isInside ? offset : 0)
            let bit = UInt8(truncatingIfNeeded: words[at &>> 6] &>> UInt64(truncatingIfNeeded: at & 63)) & 1
            pass[row] = bit & unsafeBitCast(isInside, to: UInt8.self)
        }
    }
}

/// A runtime filter as a condition of a scan.
final class RuntimeFilterPredicate: RowPredicate {
    private let probe: RuntimeFilterProbe
    private let column: Int
    let columns: [Int]
    /// A lookup in a table that may lie outside the nearest cache.
    let cost = 3

    init(_ filter: RuntimeFilter, column: Int) {
        probe = filter.probe()
        self.column = column
        columns = [column]
    }

    func narrow(
        _ batch: [Column?], rows: Int, from: UnsafePointer<Int32>?, count: Int, into: UnsafeMutablePointer<Int32>
    ) throws(SQLError) -> Int {
        guard let values = batch[column], let flags = probe.flags(values, rows: rows) else {
            for index in 0..<count { into[index] = from.map { $0[index] } ?? Int32(truncatingIfNeeded: index) }
            return count
        }
        var kept = 0
        for index in 0..<count {
            let row = from.map { $0[index] } ?? Int32(truncatingIfNeeded: index)
            into[kept] = row
            kept &+= Int(truncatingIfNeeded: flags[Int(row)] & 1)
        }
        probe.count(seen: count, passed: kept)
        return kept
    }
}
