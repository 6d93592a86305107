// One leaf of a nested column read forward: for some rows, the levels of all entries and the values one after the
// other. Hot.

import Columns
import Storage

/// Reads the chunk of a leaf. One owner thread.
final class LevelReader {
    let leaf: Leaf
    /// What views become.
    private let type: SQLType
    private let bytes: FileBytes
    private let range: Range<Int64>
    private let page: PageDecoder
    /// Entries of the chunk.
    private let total: Int64
    /// Entries that are behind.
    private var behind: Int64 = 0
    private var nextPage: Int64
    /// Entries of the page that are behind.
    private var entry = 0

    // What was read last.
    private var definitions = Buffer(bytes: 0)
    private var repetitions = Buffer(bytes: 0)
    private var count = 0
    private var values = Buffer(bytes: 0)
    private var valueCount = 0
    private var heaps: [Buffer] = []

    /// Entries of one batch: longer lists are refused, since places are 32 bits wide.
    private static let entriesMax = 1 << 30

    init(
        _ leaf: Leaf, _ chunk: ChunkMeta, type: SQLType, bytes: FileBytes, range: Range<Int64>, pool: BufferPool,
        decompressor: Decompressor
    ) throws(Damage) {
        if chunk.isEncrypted { throw Damage.unsupported("an encrypted column") }
        if chunk.isElsewhere { throw Damage.unsupported("a column chunk in another file") }
        guard chunk.physical == leaf.physical.rawValue else {
            throw Damage("a column chunk has another type than the schema")
        }
        guard let codec = Decompressor.Codec(rawValue: chunk.codec) else {
            throw Damage.unsupported("compression codec \(chunk.codec)")
        }
        guard chunk.values >= 0 else { throw Damage("a column chunk has \(chunk.values) values") }
        self.leaf = leaf
        self.type = leaf.form.isView ? type : leaf.type
        self.bytes = bytes
        self.range = range
        total = chunk.values
        nextPage = range.lowerBound
        page = PageDecoder(leaf, codec: codec, type: type, pool: pool, decompressor: decompressor)
    }

    /// The levels read last; valid until the next call.
    var levels: LeafLevels {
        LeafLevels(
            definitions: UnsafePointer(definitions.pointer(UInt8.self)),
            repetitions: UnsafePointer(repetitions.pointer(UInt8.self)), count: count,
            isRepeated: leaf.repetitionMax > 0)
    }

    /// The values read last, without NULLs, with room for one more.
    var dense: Column { Column(type, count: valueCount, values: values, heaps: heaps) }

    /// Reads the entries of the next `n` rows.
    func read(_ n: Int) throws(Damage) {
        count = 0
        valueCount = 0
        heaps = []
        values = Buffer(bytes: max(1, n) * page.stride)
        var rows = 0
        try forEachRun(of: n, &rows) { (start, length) throws(Damage) in try append(start, length) }
        guard rows == n else { throw Damage("a column chunk ends after \(rows) of \(n) rows") }
    }

    /// Skips the entries of the next `n` rows.
    func skip(_ n: Int) throws(Damage) {
        var rows = 0
        try forEachRun(of: n, &rows) { (start, length) throws(Damage) in
            try page.skip(LevelBits.count(of: leaf.definitionMax, page.definitions.pointer(UInt8.self) + start, length))
        }
        guard rows == n else { throw Damage("a column chunk ends after \(rows) of \(n) rows") }
    }

    /// Goes over the entries of `n` rows, page by page: a row ends where the next one begins, which may be in the next
    /// page.
    private func forEachRun(
        of n: Int, _ rows: inout Int, _ body: (Int, Int) throws(Damage) -> Void
    ) throws(Damage) {
        while behind < total {
            if entry == page.entries {
                guard try openNext() else { throw Damage("a column chunk ends within its values", at: nextPage) }
            }
            let start = entry
            let repetitions = UnsafePointer(page.repetitions.pointer(UInt8.self))
            if leaf.repetitionMax == 0 {
                entry = min(page.entries, start + n - rows)
                rows += entry - start
            } else {
                guard rows > 0 || repetitions[start] == 0 else { throw Damage("a column chunk begins within a row") }
                while entry < page.entries {
                    if repetitions[entry] == 0 {
                        if rows == n { break }
                        rows += 1
                    }
                    entry &+= 1
                }
            }
            if entry == start { return }
            behind += Int64(entry - start)
            try body(start, entry - start)
            if leaf.repetitionMax == 0, rows == n { return }
        }
    }

    private func append(_ start: Int, _ length: Int) throws(Damage) {
        guard count + length <= LevelReader.entriesMax else {
            throw Damage.unsupported("more than \(LevelReader.entriesMax) values in \(Batch.rowsMax) rows")
        }
        LevelReader.reserve(&definitions, count, length)
        LevelReader.reserve(&repetitions, count, length)
        (definitions.base + count).copyMemory(from: page.definitions.base + start, byteCount: length)
        (repetitions.base + count).copyMemory(from: page.repetitions.base + start, byteCount: length)
        count += length
        let stride = page.stride
        let found = LevelBits.count(of: leaf.definitionMax, page.definitions.pointer(UInt8.self) + start, length)
        LevelReader.reserve(&values, valueCount * stride, found * stride)
        var done = 0
        while done < found {
            let step = min(Batch.rowsMax, found - done)
            try page.decode(step, to: values.base + (valueCount + done) * stride, asCodes: false)
            done += step
        }
        valueCount += found
        guard leaf.form.isView, found > 0 else { return }
        if page.form == .codes, let dictionary = page.dictionary {
            heaps += dictionary.column.heaps
        } else if heaps.last !== page.memory {
            heaps.append(page.memory)
        }
    }

    private static func reserve(_ buffer: inout Buffer, _ used: Int, _ more: Int) {
        guard used + more > buffer.capacity else { return }
        // Held until it is copied: the assignment lets go of it as early as it likes.
        let old = buffer
        let grown = Buffer(bytes: max(used + more, old.capacity * 2))
        withExtendedLifetime(old) { grown.base.copyMemory(from: old.base, byteCount: used) }
        buffer = grown
    }

    /// Loads the next page with entries; false when there is none.
    private func openNext() throws(Damage) -> Bool {
        while nextPage < range.upperBound {
            let area = nextPage..<range.upperBound
            let (block, offset) = try bytes.bytes(area)
            let at = nextPage
            do throws(Damage) {
                let header = try PageHeader(block.base + offset, count: area.count)
                let start = offset + header.headerBytes
                let payload = PagePayload(
                    base: block.base + start, count: header.compressedBytes,
                    readableBehind: block.count - start - header.compressedBytes, owner: block)
                nextPage += Int64(header.headerBytes + header.compressedBytes)
                switch header.kind {
                case .dictionary:
                    guard page.dictionary == nil else { throw Damage("a column chunk has two dictionaries") }
                    try page.loadDictionary(header, payload, type: type)
                case .data, .dataV2:
                    if header.values == 0 { continue }
                    guard Int64(header.values) <= total - behind else {
                        throw Damage("a page has \(header.values) values for \(total - behind)")
                    }
                    try page.load(header, payload)
                    entry = 0
                    return true
                case .index, nil: continue
                }
            } catch {
                var copy = error
                if copy.offset == nil { copy.offset = at }
                throw copy
            }
        }
        return false
    }
}
