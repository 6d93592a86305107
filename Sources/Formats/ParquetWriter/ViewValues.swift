// The values of one column of text or bytes: codes into a dictionary while that pays, else the bytes. Hot.

import Columns
import Glibc

/// Dictionary and page of a column of strings. One owner thread.
final class ViewValues {
    private let leaf: WriteLeaf
    private let options: ParquetOptions

    /// Values not NULL on the page.
    private(set) var count = 0
    private(set) var isDictionary: Bool
    private var codes: Buffer
    /// Codes that there is room for; rows of nested columns may bring more.
    private var rowsMax: Int
    /// The page's PLAIN values when there are no codes.
    private let staged = OutputBuffer(64 << 10)
    private var range = ViewRange()

    // The dictionary: open addressing, slots hold code + 1.
    private var slots: Buffer
    private var mask: Int
    private var entries: Buffer
    private var heaps: [Buffer] = []
    private var heapUsed = 0
    private(set) var distinct = 0
    /// Bytes of the dictionary as PLAIN values.
    private var dictionaryBytes = 0
    private var known = 0
    private var pages = 0

    private var remap: Buffer?
    private var remapped: Column?

    private static let slotsMin = 1 << 10
    /// Bytes of one heap of entries; a longer string gets its own.
    private static let heapBytes = 64 << 10

    init(_ leaf: WriteLeaf, _ options: ParquetOptions) {
        self.leaf = leaf
        self.options = options
        isDictionary = leaf.column.hasDictionary
        rowsMax = options.pageRowsMax
        codes = Buffer(count: rowsMax + 8, of: UInt32.self)
        slots = Buffer(count: ViewValues.slotsMin, of: UInt32.self)
        slots.fill(0)
        mask = ViewValues.slotsMin - 1
        entries = Buffer(count: ViewValues.slotsMin, of: StringView.self)
    }

    /// Bytes that the page takes, about.
    var pageBytes: Int { isDictionary ? count &* 2 : staged.count }

    /// Forgets the dictionary: a new row group begins.
    func reset() {
        isDictionary = leaf.column.hasDictionary
        slots.fill(0)
        (count, distinct, known, pages, dictionaryBytes) = (0, 0, 0, 0, 0)
        staged.count = 0
        range = ViewRange()
        heaps = []
        heapUsed = 0
        (remap, remapped) = (nil, nil)
    }

    // MARK: - Values in

    /// Takes values; the page has room for their number.
    func append(_ values: UnsafePointer<StringView>, _ n: Int) {
        if isDictionary {
            if count + n > rowsMax {
                rowsMax = max(count + n, rowsMax * 2)
                let (old, grown) = (codes, Buffer(count: rowsMax + 8, of: UInt32.self))
                withExtendedLifetime(old) {
                    grown.base.copyMemory(from: old.base, byteCount: count * MemoryLayout<UInt32>.stride)
                }
                codes = grown
            }
            lookUp(values, n, codes.pointer(UInt32.self) + count)
            count &+= n
            if dictionaryBytes > options.dictionaryBytesMax { leaveDictionary() }
            return
        }
        stage(values, n)
        count &+= n
    }

    /// Takes values by their codes in another dictionary.
    func append(
        _ values: UnsafePointer<StringView>, codes from: UnsafePointer<Int32>, _ n: Int, of dictionary: Column
    ) {
        guard isDictionary else {
            withUnsafeTemporaryAllocation(of: StringView.self, capacity: max(n, 1)) { views in
                guard let out = views.baseAddress else { return }
                for row in 0..<n { (out + row).initialize(to: values[Int(from[row])]) }
                stage(out, n)
            }
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
        if dictionaryBytes > options.dictionaryBytesMax { leaveDictionary() }
    }

    /// Appends PLAIN values and keeps the bounds.
    private func stage(_ values: UnsafePointer<StringView>, _ n: Int) {
        var bytes = 0
        for row in 0..<n { bytes &+= Int(truncatingIfNeeded: values[row].head & 0xffff_ffff) }
        staged.reserve(bytes &+ n &* 4)
        var range = range
        let base = staged.base
        var at = staged.count
        for row in 0..<n {
            let view = values[row]
            let length = view.count
            base.storeBytes(of: UInt32(truncatingIfNeeded: length), toByteOffset: at, as: UInt32.self)
            at &+= 4
            if length <= 12 {
                // The buffer has room behind for the bytes that are none of the string's.
                base.storeBytes(of: view.head &>> 32 | view.tail &<< 32, toByteOffset: at, as: UInt64.self)
                base.storeBytes(of: view.tail &>> 32, toByteOffset: at &+ 8, as: UInt64.self)
            } else {
                memcpy(base + at, view.address, length)
            }
            range.add(view.head, at, length, base)
            at &+= length
        }
        staged.count = at
        self.range = range
    }

    @inline(__always)
    private static func hash(_ view: StringView) -> Int {
        let length = view.count
        var mixed = view.head &* 0xD6E8_FEB8_6659_FD93
        if length <= 12 {
            mixed = (mixed ^ mixed &>> 32 ^ view.tail) &* 0x9E37_79B9_7F4A_7C15
        } else {
            mixed = long(view.address, length, mixed)
        }
        return Int(truncatingIfNeeded: mixed ^ mixed &>> 32)
    }

    @inline(__always)
    private static func long(_ bytes: UnsafeRawPointer, _ length: Int, _ seed: UInt64) -> UInt64 {
        var mixed = seed
        var at = 0
        while at &+ 8 <= length {
            mixed = (mixed ^ bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
            mixed ^= mixed &>> 32
            at &+= 8
        }
        // The last eight bytes overlap what was seen.
        let last = bytes.loadUnaligned(fromByteOffset: length &- 8, as: UInt64.self)
        return (mixed ^ last) &* 0xD6E8_FEB8_6659_FD93
    }

    /// Finds or makes the codes of values.
    private func lookUp(_ values: UnsafePointer<StringView>, _ n: Int, _ out: UnsafeMutablePointer<UInt32>) {
        for row in 0..<n {
            let view = values[row]
            let table = slots.pointer(UInt32.self)
            let keys = entries.pointer(StringView.self)
            var slot = ViewValues.hash(view) & mask
            while true {
                let found = table[slot]
                if found == 0 {
                    out[row] = UInt32(truncatingIfNeeded: distinct)
                    insert(view, slot)
                    break
                }
                if StringView.equal(keys[Int(found &- 1)], view) {
                    out[row] = found &- 1
                    break
                }
                slot = (slot &+ 1) & mask
            }
        }
    }

    @inline(never)
    private func insert(_ view: StringView, _ slot: Int) {
        entries.pointer(StringView.self)[distinct] = kept(view)
        distinct &+= 1
        slots.pointer(UInt32.self)[slot] = UInt32(truncatingIfNeeded: distinct)
        dictionaryBytes &+= view.count &+ 4
        if distinct &* 2 > mask { grow() }
    }

    /// The same string in memory of ours.
    private func kept(_ view: StringView) -> StringView {
        guard !view.isInline else { return view }
        if heaps.isEmpty || heaps[heaps.count - 1].capacity - heapUsed < view.count {
            heaps.append(Buffer(bytes: max(ViewValues.heapBytes, view.count)))
            heapUsed = 0
        }
        let target = heaps[heaps.count - 1].base + heapUsed
        memcpy(target, view.address, view.count)
        heapUsed += view.count
        return StringView(target, view.count)
    }

    private func grow() {
        let size = (mask + 1) * 4
        let larger = Buffer(count: size, of: UInt32.self)
        larger.fill(0)
        let moved = Buffer(count: size / 2, of: StringView.self)
        let (table, keys) = (larger.pointer(UInt32.self), moved.pointer(StringView.self))
        keys.update(from: entries.pointer(StringView.self), count: distinct)
        mask = size - 1
        for code in 0..<distinct {
            var slot = ViewValues.hash(keys[code]) & mask
            while table[slot] != 0 { slot = (slot &+ 1) & mask }
            table[slot] = UInt32(truncatingIfNeeded: code &+ 1)
        }
        slots = larger
        entries = moved
    }

    /// Turns the page's codes into values, and goes on with values.
    private func leaveDictionary() {
        let (from, keys) = (codes.pointer(UInt32.self), entries.pointer(StringView.self))
        for row in 0..<count { stage(keys + Int(from[row]), 1) }
        isDictionary = false
        // Entries of this page alone are in no page any more.
        distinct = pages == 0 ? 0 : known
        (remap, remapped) = (nil, nil)
    }

    // MARK: - Pages out

    /// Writes the page's values and forgets them.
    func finishPage(_ output: OutputBuffer, hashes: BloomBuilder?) -> PageFacts {
        // Only NULLs: no reason for a dictionary that nobody needs.
        if count == 0, pages == 0 { return PageFacts(encoding: .plain) }
        defer { count = 0 }
        if isDictionary, count >= 1024, (distinct - known) * 10 > count * 6 { leaveDictionary() }
        if isDictionary {
            let facts = finishCodes(output)
            known = distinct
            pages += 1
            return facts
        }
        var facts = PageFacts(encoding: .plain)
        if count > 0 {
            facts.bounds = Bounds.cut(
                lower: range.lower(staged.base), upper: range.upper(staged.base), isText: leaf.isText,
                most: options.boundBytesMax)
        }
        output.append(staged.base, staged.count)
        hashes?.add(strings: staged.base, count)
        staged.count = 0
        range = ViewRange()
        return facts
    }

    private func finishCodes(_ output: OutputBuffer) -> PageFacts {
        let width = distinct > 1 ? BitPack.width(UInt64(distinct - 1)) : 0
        let used = Buffer(bytes: max(distinct, 1))
        used.fill(0)
        let marks = used.pointer(UInt8.self)
        let from = codes.pointer(UInt32.self)
        for row in 0..<count { marks[Int(from[row])] = 1 }
        let keys = entries.pointer(StringView.self)
        var low: StringView?
        var high: StringView?
        for code in 0..<distinct where marks[code] != 0 {
            let view = keys[code]
            if let least = low, StringView.compare(view, least) >= 0 {} else { low = view }
            if let most = high, StringView.compare(view, most) <= 0 {} else { high = view }
        }
        var facts = PageFacts(encoding: .dictionary)
        if let low, let high {
            facts.bounds = low.withBytes { a in
                high.withBytes { b in
                    Bounds.cut(lower: a, upper: b, isText: leaf.isText, most: options.boundBytesMax)
                }
            }
        }
        output.append(byte: UInt8(width))
        HybridWriter.write(from, count, width: width, to: output)
        return facts
    }

    /// The dictionary as a page body; its hashes go to the Bloom filter.
    func finishDictionary(_ output: OutputBuffer, hashes: BloomBuilder?) {
        let from = output.count
        let keys = entries.pointer(StringView.self)
        for code in 0..<distinct {
            let view = keys[code]
            output.append(littleEndian: UInt32(truncatingIfNeeded: view.count))
            output.reserve(view.count)
            view.copy(to: output.end)
            output.count &+= view.count
        }
        hashes?.add(strings: output.base + from, distinct)
    }
}

/// The least and the greatest of staged strings, by their places.
struct ViewRange {
    private var isEmpty = true
    private var lowPrefix: UInt32 = 0
    private var highPrefix: UInt32 = 0
    private var lowAt = 0
    private var lowCount = 0
    private var highAt = 0
    private var highCount = 0

    init() {}

    /// Adds the string at an offset; `head` is its view's.
    @inline(__always)
    mutating func add(_ head: UInt64, _ at: Int, _ count: Int, _ base: UnsafeRawPointer) {
        let prefix = UInt32(truncatingIfNeeded: head &>> 32).byteSwapped
        if prefix > lowPrefix, prefix < highPrefix { return }
        slow(prefix, at, count, base)
    }

    @inline(never)
    private mutating func slow(_ prefix: UInt32, _ at: Int, _ count: Int, _ base: UnsafeRawPointer) {
        if isEmpty || ViewRange.compare(base + at, count, base + lowAt, lowCount) < 0 {
            (lowPrefix, lowAt, lowCount) = (prefix, at, count)
        }
        if isEmpty || ViewRange.compare(base + at, count, base + highAt, highCount) > 0 {
            (highPrefix, highAt, highCount) = (prefix, at, count)
        }
        isEmpty = false
    }

    private static func compare(_ a: UnsafeRawPointer, _ m: Int, _ b: UnsafeRawPointer, _ n: Int) -> Int {
        let order = memcmp(a, b, min(m, n))
        return order != 0 ? Int(order) : m - n
    }

    func lower(_ base: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + lowAt, count: lowCount)
    }

    func upper(_ base: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + highAt, count: highCount)
    }
}
