// A column chunk read forward: pages are found by their headers or by the offset index, and only those with rows that
// somebody wants are decompressed. Hot.

import Columns
import Storage

/// Reads rows of one column in one row group, in ascending order. One owner thread.
final class ChunkReader {
    private let leaf: Leaf
    /// The type of the columns it gives.
    private let type: SQLType
    private let rows: Int
    private let bytes: FileBytes
    private let range: Range<Int64>
    /// Where pages are, when only some of them were asked for.
    private let locations: [PageLocation]?
    private let page: PageDecoder

    /// The file offset of the next page header.
    private var nextPage: Int64
    private var isDictionaryRead = false
    // The current page.
    private var header: PageHeader?
    private var payload: PagePayload?
    private var pageOffset: Int64 = 0
    private var isLoaded = false
    private var pageFirst = 0
    private var pageRows = 0
    /// Rows of the page that are behind.
    private var position = 0

    private let codesType: Bool

    init(
        _ leaf: Leaf, _ chunk: ChunkMeta, type: SQLType, rows: Int, bytes: FileBytes, range: Range<Int64>,
        locations: [PageLocation]?, pool: BufferPool, decompressor: Decompressor
    ) throws(Damage) {
        if chunk.isEncrypted { throw Damage.unsupported("an encrypted column") }
        if chunk.isElsewhere { throw Damage.unsupported("a column chunk in another file") }
        guard chunk.physical == leaf.physical.rawValue else {
            throw Damage("a column chunk has another type than the schema")
        }
        guard let codec = Decompressor.Codec(rawValue: chunk.codec) else {
            throw Damage.unsupported("compression codec \(chunk.codec)")
        }
        guard chunk.values == Int64(rows) else {
            throw Damage("a column chunk has \(chunk.values) values for \(rows) rows")
        }
        self.leaf = leaf
        self.type = type
        self.rows = rows
        self.bytes = bytes
        self.range = range
        self.locations = locations
        nextPage = range.lowerBound
        codesType = leaf.form.isView
        page = PageDecoder(leaf, codec: codec, type: type, pool: pool, decompressor: decompressor)
    }

    // MARK: - Pages

    /// Goes to the page of a row, which must not lie behind.
    private func seek(_ row: Int) throws(Damage) {
        if let locations, row >= pageFirst + pageRows { try jump(row, locations) }
        while row >= pageFirst + pageRows { try openNext() }
        let ahead = row - pageFirst - position
        if ahead > 0 { try skipRows(ahead) }
    }

    private func jump(_ row: Int, _ locations: [PageLocation]) throws(Damage) {
        if !isDictionaryRead, let first = locations.first, first.offset > range.lowerBound {
            // The dictionary lies before the first data page.
            try openDictionary(range.lowerBound..<first.offset)
        }
        isDictionaryRead = true
        var low = 0
        var high = locations.count
        while low < high {
            let middle = (low + high) / 2
            if locations[middle].firstRow <= row { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { throw Damage("the offset index has no page for row \(row)") }
        pageFirst = locations[low - 1].firstRow
        pageRows = 0
        nextPage = locations[low - 1].offset
    }

    private func openDictionary(_ area: Range<Int64>) throws(Damage) {
        let (block, offset) = try bytes.bytes(area)
        let header = try parse(block.base + offset, area.count, area.lowerBound)
        guard header.kind == .dictionary else { return }
        let payload = self.payload(block, offset, header)
        try located(area.lowerBound) { () throws(Damage) in
            try page.loadDictionary(header, payload, type: type)
        }
    }

    private func parse(_ base: UnsafeRawPointer, _ count: Int, _ at: Int64) throws(Damage) -> PageHeader {
        try located(at) { () throws(Damage) in try PageHeader(base, count: count) }
    }

    private func payload(_ block: Bytes, _ offset: Int, _ header: PageHeader) -> PagePayload {
        let start = offset + header.headerBytes
        return PagePayload(
            base: block.base + start, count: header.compressedBytes,
            readableBehind: block.count - start - header.compressedBytes, owner: block)
    }

    /// Gives damage the offset of the page it was found in.
    private func located<T>(_ offset: Int64, _ body: () throws(Damage) -> T) throws(Damage) -> T {
        do throws(Damage) { return try body() } catch {
            var copy = error
            if copy.offset == nil { copy.offset = offset }
            throw copy
        }
    }

    /// Opens the next page that has rows, without decompressing it.
    private func openNext() throws(Damage) {
        let first = pageFirst + pageRows
        header = nil
        payload = nil
        while true {
            guard nextPage < range.upperBound else {
                throw Damage("a column chunk ends after \(first) of \(rows) rows", at: range.upperBound)
            }
            let area = try area(of: nextPage)
            let (block, offset) = try bytes.bytes(area)
            let parsed = try parse(block.base + offset, area.count, nextPage)
            let payload = self.payload(block, offset, parsed)
            let at = nextPage
            nextPage += Int64(parsed.headerBytes + parsed.compressedBytes)
            switch parsed.kind {
            case .dictionary:
                guard page.dictionary == nil else { throw Damage("a column chunk has two dictionaries", at: at) }
                try located(at) { () throws(Damage) in try page.loadDictionary(parsed, payload, type: type) }
                isLoaded = false
            case .data, .dataV2:
                if parsed.values == 0 { continue }
                guard parsed.values <= rows - first, parsed.rows ?? parsed.values == parsed.values,
                    isIndexed(at, parsed.values, first)
                else { throw Damage("a page has \(parsed.values) values for \(rows - first) rows", at: at) }
                header = parsed
                self.payload = payload
                pageOffset = at
                pageFirst = first
                pageRows = parsed.values
                position = 0
                isLoaded = false
                return
            case .index, nil: continue
            }
        }
    }

    /// The bytes that a page's header and payload lie in.
    private func area(of offset: Int64) throws(Damage) -> Range<Int64> {
        guard let locations else { return offset..<range.upperBound }
        guard let page = location(of: offset, locations) else {
            throw Damage("the offset index does not know a page", at: offset)
        }
        return offset..<offset + Int64(locations[page].bytes)
    }

    /// Whether the offset index, if it is used, gives a page the same rows as its header.
    private func isIndexed(_ offset: Int64, _ values: Int, _ first: Int) -> Bool {
        guard let locations else { return true }
        guard let page = location(of: offset, locations), locations[page].firstRow == first else { return false }
        return (page + 1 < locations.count ? locations[page + 1].firstRow : rows) == first + values
    }

    private func location(of offset: Int64, _ locations: [PageLocation]) -> Int? {
        var low = 0
        var high = locations.count
        while low < high {
            let middle = (low + high) / 2
            if locations[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low < locations.count && locations[low].offset == offset ? low : nil
    }

    private func load() throws(Damage) {
        if isLoaded { return }
        guard let header, let payload else { throw Damage("a page was not opened") }
        try located(pageOffset) { () throws(Damage) in
            try page.load(header, payload)
            if position > 0 { try page.skip(values(in: 0, position)) }
        }
        self.payload = nil
        isLoaded = true
    }

    /// Values among rows of the loaded page.
    private func values(in start: Int, _ count: Int) -> Int {
        guard page.hasNulls else { return count }
        return BitCopy.ones(page.levels.pointer(UInt64.self), at: start, count)
    }

    private func skipRows(_ n: Int) throws(Damage) {
        if isLoaded { try located(pageOffset) { () throws(Damage) in try page.skip(values(in: position, n)) } }
        position += n
    }

    // MARK: - Batches

    /// The column being put together.
    private struct Output {
        var values: Buffer
        var rows = 0
        var isCodes: Bool
        var validity: Buffer?
        var heaps: [Buffer] = []
    }

    /// Reads `n` rows from row `from` on, which must not lie behind; or only those at the places of a selection.
    func read(from: Int, _ n: Int, _ selection: Selection?) throws(Damage) -> Column {
        let total = selection?.count ?? n
        try seek(from)
        try load()
        if selection == nil, let column = borrow(n) {
            position += n
            try page.skip(n)
            return column
        }
        let isCodes = codesType && page.form == .codes
        var output = Output(values: Buffer(bytes: total * (isCodes ? 4 : page.stride)), isCodes: isCodes)
        var done = 0
        var next = 0
        while done < n, output.rows < total {
            if position == pageRows { try openNext() }
            let step = min(n - done, pageRows - position)
            guard let selection else {
                try load()
                try append(step, &output, total)
                done += step
                continue
            }
            let first = next
            while next < selection.count, Int(selection.rows[next]) < done + step { next += 1 }
            if next == first {
                try skipRows(step)
            } else {
                try load()
                try append(step, selection.rows + first, next - first, done, &output, total)
            }
            done += step
        }
        return column(output, total)
    }

    /// A column that points into the page: for plain values in one piece.
    private func borrow(_ n: Int) -> Column? {
        guard page.form == .fixed, leaf.form.isIdentity, n <= pageRows - position, !page.hasNulls else { return nil }
        let start = page.fixed + page.taken &* page.stride
        guard UInt(bitPattern: start) & UInt(page.stride &- 1) == 0 else { return nil }
        return Column(leaf.type, count: n, values: Buffer(base: start, bytes: n &* page.stride, owner: page.memory))
    }

    private func column(_ output: Output, _ total: Int) -> Column {
        if output.isCodes, let dictionary = page.dictionary {
            return Column(codes: output.values, count: total, validity: output.validity, dictionary: dictionary.column)
        }
        return Column(
            codesType ? type : leaf.type, count: total, values: output.values, validity: output.validity,
            heaps: output.heaps)
    }

    /// Appends all of the next rows of the page.
    private func append(_ n: Int, _ output: inout Output, _ total: Int) throws(Damage) {
        prepare(&output, total)
        let stride = output.isCodes ? 4 : page.stride
        let target = output.values.base + output.rows &* stride
        let count = values(in: position, n)
        try located(pageOffset) { () throws(Damage) in
            if count == n {
                try page.decode(n, to: target, asCodes: output.isCodes)
                return
            }
            let dense = page.denseRoom()
            try page.decode(count, to: dense.base, asCodes: output.isCodes)
            Moves.spread(dense.base, page.levels.pointer(UInt64.self), at: position, n, stride: stride, to: target)
        }
        if count < n || output.validity != nil {
            let bits = validity(&output, total)
            if count == n {
                BitCopy.set(bits, at: output.rows, n)
            } else {
                BitCopy.copy(page.levels.base, from: position, n, to: bits, at: output.rows)
            }
        }
        output.rows &+= n
        position &+= n
    }

    /// Appends the rows at some places (less `base`) of the next `n` rows of the page.
    private func append(
        _ n: Int, _ places: UnsafePointer<Int32>, _ picked: Int, _ base: Int, _ output: inout Output, _ total: Int
    ) throws(Damage) {
        prepare(&output, total)
        let stride = output.isCodes ? 4 : page.stride
        let target = output.values.base + output.rows &* stride
        let count = values(in: position, n)
        let shift = Int32(truncatingIfNeeded: base)
        try located(pageOffset) { () throws(Damage) in
            if count == n {
                try page.decode(n, at: places, picked, minus: shift, to: target, asCodes: output.isCodes)
                return
            }
            let dense = page.denseRoom()
            try page.decode(count, to: dense.base, asCodes: output.isCodes)
            let all = Buffer(bytes: n * stride)
            Moves.spread(dense.base, page.levels.pointer(UInt64.self), at: position, n, stride: stride, to: all.base)
            Moves.gather(all.base, places, minus: shift, picked, stride: stride, to: target)
        }
        if count < n || output.validity != nil {
            let bits = validity(&output, total)
            if count == n {
                BitCopy.set(bits, at: output.rows, picked)
            } else {
                Moves.takeBits(
                    page.levels.pointer(UInt64.self), places, minus: base &- position, picked, to: bits,
                    at: output.rows)
            }
        }
        output.rows &+= picked
        position &+= n
    }

    /// Turns codes into views when the page at hand has no codes; keeps the memory that views point into.
    private func prepare(_ output: inout Output, _ total: Int) {
        guard codesType else { return }
        if output.isCodes, page.form != .codes, let dictionary = page.dictionary {
            let views = Buffer(bytes: total * page.stride)
            Moves.look(
                up: output.values.pointer(UInt32.self), output.rows, in: dictionary.column.values.base,
                stride: page.stride, to: views.base)
            output.values = views
            output.isCodes = false
            output.heaps += dictionary.column.heaps
        }
        guard !output.isCodes else { return }
        if page.form == .codes, let dictionary = page.dictionary {
            output.heaps += dictionary.column.heaps
        } else if output.heaps.last !== page.memory {
            output.heaps.append(page.memory)
        }
    }

    private func validity(_ output: inout Output, _ total: Int) -> UnsafeMutablePointer<UInt64> {
        if let made = output.validity { return made.pointer(UInt64.self) }
        let made = Bitmap.make(total, all: false)
        output.validity = made
        BitCopy.set(made.pointer(UInt64.self), at: 0, output.rows)
        return made.pointer(UInt64.self)
    }
}
