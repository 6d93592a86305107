// The values of one column of fixed width: codes into a dictionary while that pays, else the values. Hot.

import Columns

/// Dictionary and page of a column of 32, 64 or 128 bits. One owner thread.
final class WordValues<T: FixedWidthInteger & SignedInteger & BitwiseCopyable> {
    private let leaf: WriteLeaf
    private let options: ParquetOptions
    /// Values that the page has room for; rows of nested columns may bring more.
    private var rowsMax: Int

    /// Values not NULL on the page.
    private(set) var count = 0
    /// Whether the page's values are codes.
    private(set) var isDictionary: Bool
    /// Codes of the page.
    private var codes: Buffer
    /// Values of the page when there are no codes.
    private var staged: Buffer

    // The dictionary: open addressing, slots hold code + 1.
    private var slots: Buffer
    private var mask: Int
    private var entries: Buffer
    private(set) var distinct = 0
    /// Entries that pages before this one know.
    private var known = 0
    private var pages = 0

    /// The codes of another dictionary's entries in this one; -1: not seen yet.
    private var remap: Buffer?
    private var remapped: Column?

    private static var slotsMin: Int { 1 << 10 }

    init(_ leaf: WriteLeaf, _ options: ParquetOptions) {
        self.leaf = leaf
        self.options = options
        rowsMax = options.pageRowsMax
        isDictionary = leaf.column.hasDictionary
        codes = Buffer(count: rowsMax + 8, of: UInt32.self)
        staged = Buffer(count: rowsMax + 8, of: T.self)
        slots = Buffer(count: WordValues.slotsMin, of: UInt32.self)
        slots.fill(0)
        mask = WordValues.slotsMin - 1
        entries = Buffer(count: WordValues.slotsMin, of: T.self)
    }

    /// Bytes that the page takes, about.
    var pageBytes: Int { isDictionary ? count &* 2 : count &* leaf.width }

    /// Forgets the dictionary: a new row group begins.
    func reset() {
        isDictionary = leaf.column.hasDictionary
        slots.fill(0)
        (count, distinct, known, pages) = (0, 0, 0, 0)
        (remap, remapped) = (nil, nil)
    }

    // MARK: - Values in

    /// Makes room for more values than a page of rows has.
    private func grow(_ more: Int) {
        rowsMax = max(count + more, rowsMax * 2)
        let (newCodes, newStaged) = (
            Buffer(count: rowsMax + 8, of: UInt32.self), Buffer(count: rowsMax + 8, of: T.self)
        )
        let old = (codes, staged)
        withExtendedLifetime(old) {
            newCodes.base.copyMemory(from: old.0.base, byteCount: count * MemoryLayout<UInt32>.stride)
            newStaged.base.copyMemory(from: old.1.base, byteCount: count * MemoryLayout<T>.stride)
        }
        (codes, staged) = (newCodes, newStaged)
    }

    /// Takes values.
    func append(_ values: UnsafePointer<T>, _ n: Int) {
        if count + n > rowsMax { grow(n) }
        if isDictionary {
            let out = codes.pointer(UInt32.self) + count
            lookUp(values, n, out)
            count &+= n
            if distinct &* leaf.width > options.dictionaryBytesMax { leaveDictionary() }
            return
        }
        (staged.pointer(T.self) + count).update(from: values, count: n)
        count &+= n
    }

    /// Takes values by their codes in another dictionary.
    func append(_ values: UnsafePointer<T>, codes from: UnsafePointer<Int32>, _ n: Int, of dictionary: Column) {
        guard isDictionary else {
            let out = staged.pointer(T.self) + count
            for row in 0..<n { out[row] = values[Int(from[row])] }
            count &+= n
            return
        }
        if remapped !== dictionary {
            let made = Buffer(count: max(dictionary.count, 1), of: Int32.self)
            made.fill(0xff)
            remap = made
            remapped = dictionary
        }
        guard let remap else { return }
        let map = remap.pointer(Int32.self)
        let out = codes.pointer(UInt32.self) + count
        for row in 0..<n {
            let code = Int(from[row])
            var mine = map[code]
            if mine < 0 {
                lookUp(values + code, 1, out + row)
                mine = Int32(bitPattern: out[row])
                map[code] = mine
            }
            out[row] = UInt32(bitPattern: mine)
        }
        count &+= n
        if distinct &* leaf.width > options.dictionaryBytesMax { leaveDictionary() }
    }

    @inline(__always)
    private static func hash(_ value: T) -> Int {
        var key = UInt64(truncatingIfNeeded: value)
        if T.bitWidth > 64 { key ^= UInt64(truncatingIfNeeded: value &>> 64) &* 0x9E37_79B9_7F4A_7C15 }
        let mixed = key &* 0xD6E8_FEB8_6659_FD93
        return Int(truncatingIfNeeded: mixed ^ mixed &>> 32)
    }

    /// Finds or makes the codes of values.
    @inline(__always)
    private func lookUp(_ values: UnsafePointer<T>, _ n: Int, _ out: UnsafeMutablePointer<UInt32>) {
        var row = 0
        while row < n {
            let table = slots.pointer(UInt32.self)
            let keys = entries.pointer(T.self)
            let mask = mask
            // Grows between runs only, so that the pointers stay.
            let room = (mask &+ 1) / 2 &- distinct
            let end = min(n, row &+ room)
            var made = distinct
            while row < end {
                let value = values[row]
                var slot = WordValues.hash(value) & mask
                while true {
                    let found = table[slot]
                    if found == 0 {
                        keys[made] = value
                        made &+= 1
                        table[slot] = UInt32(truncatingIfNeeded: made)
                        out[row] = UInt32(truncatingIfNeeded: made &- 1)
                        break
                    }
                    if keys[Int(found &- 1)] == value {
                        out[row] = found &- 1
                        break
                    }
                    slot = (slot &+ 1) & mask
                }
                row &+= 1
            }
            distinct = made
            if made &* 2 > mask { grow() }
        }
    }

    @inline(never)
    private func grow() {
        let size = (mask + 1) * 4
        let larger = Buffer(count: size, of: UInt32.self)
        larger.fill(0)
        let moved = Buffer(count: size / 2, of: T.self)
        let (table, keys) = (larger.pointer(UInt32.self), moved.pointer(T.self))
        keys.update(from: entries.pointer(T.self), count: distinct)
        let mask = size - 1
        for code in 0..<distinct {
            var slot = WordValues.hash(keys[code]) & mask
            while table[slot] != 0 { slot = (slot &+ 1) & mask }
            table[slot] = UInt32(truncatingIfNeeded: code &+ 1)
        }
        self.mask = mask
        slots = larger
        entries = moved
    }

    /// Turns the page's codes into values, and goes on with values.
    private func leaveDictionary() {
        let (from, keys, out) = (codes.pointer(UInt32.self), entries.pointer(T.self), staged.pointer(T.self))
        for row in 0..<count { out[row] = keys[Int(from[row])] }
        isDictionary = false
        // Entries of this page alone are in no page any more.
        distinct = known
        if pages == 0 { distinct = 0 }
        (remap, remapped) = (nil, nil)
    }

    // MARK: - Pages out

    /// Writes the page's values and forgets them.
    func finishPage(_ output: OutputBuffer, hashes: BloomBuilder?) -> PageFacts {
        // Only NULLs: no reason for a dictionary that nobody needs.
        if count == 0, pages == 0 { return PageFacts(encoding: .plain) }
        defer { count = 0 }
        if isDictionary, !isWorthIt() { leaveDictionary() }
        if isDictionary {
            let facts = finishCodes(output)
            known = distinct
            pages += 1
            return facts
        }
        let values = UnsafePointer(staged.pointer(T.self))
        var facts = PageFacts(encoding: .plain)
        if let range = range(values, count, &facts.nans) { facts.bounds = bounds(range.low, range.high) }
        if count > 0, isDelta(values) {
            facts.encoding = .delta
            DeltaWriter.write(values, count, to: output)
        } else {
            plain(values, count, output)
        }
        if let hashes {
            let bytes = OutputBuffer(count * leaf.width)
            plain(values, count, bytes)
            hashes.add(bytes.base, count, width: leaf.width)
        }
        return facts
    }

    private var isInteger: Bool { T.bitWidth <= 64 && leaf.order == .signed }

    /// Whether differences are clearly shorter than the values.
    private func isDelta(_ values: UnsafePointer<T>) -> Bool {
        guard options.usesDifferences, isInteger else { return false }
        return DeltaWriter.cost(values, count) * 10 < count * leaf.width * 7
    }

    /// Whether the dictionary should go on: new values must become rare, and sorted keys have shorter differences.
    private func isWorthIt() -> Bool {
        guard count > 0 else { return true }
        let news = distinct - known
        if pages == 0 {
            // A small page tells little, and little is lost.
            if count >= 1024, news * 10 > count * 6 { return false }
            if options.usesDifferences, isInteger, count >= 1024 {
                let (from, keys, out) = (codes.pointer(UInt32.self), entries.pointer(T.self), staged.pointer(T.self))
                for row in 0..<count { out[row] = keys[Int(from[row])] }
                let codeBits = BitPack.width(UInt64(distinct - 1))
                if DeltaWriter.cost(out, count) * 8 * 2 < count * codeBits + news * leaf.width * 8 { return false }
            }
            return true
        }
        return news * 10 < count * 5
    }

    private func finishCodes(_ output: OutputBuffer) -> PageFacts {
        let width = distinct > 1 ? BitPack.width(UInt64(distinct - 1)) : 0
        let used = Buffer(bytes: max(distinct, 1))
        used.fill(0)
        let marks = used.pointer(UInt8.self)
        let from = codes.pointer(UInt32.self)
        for row in 0..<count { marks[Int(from[row])] = 1 }
        var facts = PageFacts(encoding: .dictionary)
        // The entries that the page uses, side by side.
        let keys = entries.pointer(T.self)
        let present = staged.pointer(T.self)
        var n = 0
        for code in 0..<distinct where marks[code] != 0 {
            present[n] = keys[code]
            n &+= 1
        }
        var nans = 0
        if let range = range(present, n, &nans) { facts.bounds = bounds(range.low, range.high) }
        if nans > 0 { facts.nans = nanRows(from, keys) }
        output.append(byte: UInt8(width))
        HybridWriter.write(from, count, width: width, to: output)
        return facts
    }

    private func nanRows(_ codes: UnsafePointer<UInt32>, _ keys: UnsafePointer<T>) -> Int {
        var total = 0
        for row in 0..<count where WordRange.isNaN(keys[Int(codes[row])]) { total &+= 1 }
        return total
    }

    private func range(_ values: UnsafePointer<T>, _ n: Int, _ nans: inout Int) -> (low: T, high: T)? {
        guard n > 0, leaf.order != .none else { return nil }
        if leaf.order == .float { return WordRange.floats(values, n, &nans) }
        return WordRange.integers(values, n)
    }

    private func bounds(_ low: T, _ high: T) -> Bounds {
        func stored(_ value: T) -> [UInt8] {
            withUnsafePointer(to: value) { pointer in
                let bytes = OutputBuffer(16)
                plain(pointer, 1, bytes)
                return Array(UnsafeRawBufferPointer(start: bytes.base, count: bytes.count))
            }
        }
        return Bounds(lower: stored(low), upper: stored(high))
    }

    /// The dictionary as a page body; its hashes go to the Bloom filter.
    func finishDictionary(_ output: OutputBuffer, hashes: BloomBuilder?) {
        let from = output.count
        plain(UnsafePointer(entries.pointer(T.self)), distinct, output)
        hashes?.add(output.base + from, distinct, width: leaf.width)
    }

    /// Appends PLAIN values.
    private func plain(_ values: UnsafePointer<T>, _ n: Int, _ output: OutputBuffer) {
        guard T.bitWidth > 64 else { return output.append(values, n &* MemoryLayout<T>.size) }
        let length = leaf.length
        output.reserve(n &* length &+ 16)
        var out = output.end
        let shift = T(truncatingIfNeeded: 128 - length * 8)
        for row in 0..<n {
            let bits = UInt128(truncatingIfNeeded: values[row])
            let stored =
                switch leaf.fixed {
                case .decimal: UInt128(truncatingIfNeeded: values[row] &<< shift).bigEndian
                case .uuid: (bits ^ (1 << 127)).bigEndian
                case .raw: bits.littleEndian
                }
            out.storeBytes(of: stored, as: UInt128.self)
            out += length
        }
        output.count &+= n &* length
    }
}

/// The least and the greatest of some words.
enum WordRange {
    @inline(__always)
    static func integers<T: FixedWidthInteger>(_ values: UnsafePointer<T>, _ n: Int) -> (low: T, high: T) {
        var (low, high) = (values[0], values[0])
        for row in 0..<n {
            let value = values[row]
            low = value < low ? value : low
            high = value > high ? value : high
        }
        return (low, high)
    }

    /// The words are floats of their width. NaN is counted and left out; zeros become the wider of both signs.
    static func floats<T: FixedWidthInteger>(
        _ values: UnsafePointer<T>, _ n: Int, _ nans: inout Int
    ) -> (low: T, high: T)? {
        let raw = UnsafeRawPointer(values)
        if T.bitWidth == 32 {
            return floats(raw.assumingMemoryBound(to: Float.self), n, &nans).map { range in
                (T(truncatingIfNeeded: range.low.bitPattern), T(truncatingIfNeeded: range.high.bitPattern))
            }
        }
        return floats(raw.assumingMemoryBound(to: Double.self), n, &nans).map { range in
            (T(truncatingIfNeeded: range.low.bitPattern), T(truncatingIfNeeded: range.high.bitPattern))
        }
    }

    @inline(__always)
    private static func floats<F: BinaryFloatingPoint>(
        _ values: UnsafePointer<F>, _ n: Int, _ nans: inout Int
    ) -> (low: F, high: F)? {
        var (low, high) = (F.infinity, -F.infinity)
        var odd = 0
        for row in 0..<n {
            let value = values[row]
            // Comparisons with NaN are false.
            low = value < low ? value : low
            high = value > high ? value : high
            odd &+= value == value ? 0 : 1
        }
        nans &+= odd
        guard odd < n else { return nil }
        if low == 0 { low = -F.zero }
        if high == 0 { high = F.zero }
        return (low, high)
    }

    /// Whether the word is NaN as a float of its width.
    static func isNaN<T: FixedWidthInteger>(_ word: T) -> Bool {
        T.bitWidth == 32
            ? Float(bitPattern: UInt32(truncatingIfNeeded: word)).isNaN
            : Double(bitPattern: UInt64(truncatingIfNeeded: word)).isNaN
    }
}
