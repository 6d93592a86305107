// One page at a time: decompression, levels, and values in any encoding, taken or skipped in order. Hot.

import Columns

/// The values of a chunk that its codes point into.
struct ChunkDictionary {
    /// Flat, without NULLs, at least one entry.
    let column: Column
    /// Entries that codes may name.
    let count: Int
}

/// Decodes the pages of one column chunk.
final class PageDecoder {
    /// How the values of the loaded page lie.
    enum Form {
        /// Fixed-width values in PLAIN form at `fixed`.
        case fixed
        /// Booleans, a bit each, at `fixed`.
        case bits
        /// Booleans in runs.
        case runs
        /// Codes in runs.
        case codes
        /// PLAIN byte arrays.
        case plainBytes
        /// Byte arrays that were decoded at once, at `fixed` as views.
        case views
    }

    private let leaf: Leaf
    private let codec: Decompressor.Codec
    private let pool: BufferPool
    private let decompressor: Decompressor
    /// Whether views must hold UTF-8.
    private let isText: Bool
    let stride: Int

    private(set) var dictionary: ChunkDictionary?

    // The loaded page.
    private(set) var form = Form.fixed
    /// The memory that values lie in and views point into.
    private(set) var memory: Buffer
    /// One bit a row; meaningless when the page has no NULLs.
    private(set) var levels: Buffer
    private(set) var hasNulls = false
    /// For leaves of nested columns: levels and entries, values and what takes their place.
    private(set) var definitions = Buffer(bytes: 0)
    private(set) var repetitions = Buffer(bytes: 0)
    private(set) var entries = 0
    /// Values (not NULLs) of the page.
    private var values = 0
    /// Values taken or skipped.
    private(set) var taken = 0
    private(set) var fixed: UnsafeRawPointer
    private var fixedOwner: Buffer
    private var runs: HybridReader
    private var plain: PlainBytes
    private var mustCheckText = false

    private let scratch = Buffer(count: Batch.rowsMax, of: UInt32.self)
    private var viewScratch: Buffer?
    private var dense: Buffer?

    /// `type`: what views become.
    init(_ leaf: Leaf, codec: Decompressor.Codec, type: SQLType, pool: BufferPool, decompressor: Decompressor) {
        self.leaf = leaf
        self.codec = codec
        self.pool = pool
        self.decompressor = decompressor
        isText = leaf.form.isView && type != .bytea
        stride = leaf.type.physical.stride
        let empty = Buffer(bytes: 0)
        memory = empty
        levels = empty
        fixedOwner = empty
        fixed = UnsafeRawPointer(empty.base)
        runs = HybridReader(fixed, count: 0, width: 0)
        plain = PlainBytes(fixed, count: 0)
    }

    // MARK: - Loading

    /// Bytes in memory that is kept by `owner`.
    private struct Block {
        var base: UnsafeRawPointer
        var count: Int
        var owner: Buffer

        func dropping(_ bytes: Int) -> Block { Block(base: base + bytes, count: count - bytes, owner: owner) }
    }

    /// Decompresses a payload, so that 64 bytes behind it may be read.
    private func open(_ payload: PagePayload, from: Int, size: Int, isPacked: Bool) throws(Damage) -> Block {
        let input = payload.base + from
        let count = payload.count - from
        if isPacked, codec != .uncompressed {
            let buffer = pool.take(size)
            // An empty page may have no compressed form at all.
            if size > 0 {
                try decompressor.decompress(codec, input, count, to: buffer.base, size)
            }
            return Block(base: UnsafeRawPointer(buffer.base), count: size, owner: buffer)
        }
        if payload.readableBehind >= Buffer.slack {
            return Block(base: input, count: count, owner: Buffer(base: input, bytes: count, owner: payload.owner))
        }
        let buffer = pool.take(count)
        buffer.base.copyMemory(from: input, byteCount: count)
        return Block(base: UnsafeRawPointer(buffer.base), count: count, owner: buffer)
    }

    private static func check(_ header: PageHeader, _ payload: PagePayload) throws(Damage) {
        if let crc = header.crc, Decompressor.checksum(payload.base, payload.count) != crc {
            throw Damage("a page does not have its checksum")
        }
    }

    /// Loads a data page.
    func load(_ header: PageHeader, _ payload: PagePayload) throws(Damage) {
        taken = 0
        hasNulls = false
        values = header.values
        try PageDecoder.check(header, payload)
        var block: Block
        if !leaf.isFlat {
            block = try loadNested(header, payload)
        } else if header.kind == .dataV2 {
            let levelBytes = header.levelBytes + header.repetitionBytes
            if leaf.isOptional {
                let copy = pool.take(header.levelBytes)
                copy.base.copyMemory(from: payload.base + header.repetitionBytes, byteCount: header.levelBytes)
                try readLevels(HybridReader(copy.base, count: header.levelBytes, width: 1), header.values)
            }
            block = try open(
                payload, from: levelBytes, size: header.uncompressedBytes - levelBytes, isPacked: header.isCompressed)
        } else {
            block = try open(payload, from: 0, size: header.uncompressedBytes, isPacked: true)
            if leaf.isOptional { block = block.dropping(try readLevels(block, header)) }
        }
        memory = block.owner
        try openValues(header.encoding, block)
    }

    /// Reads the definition levels at the start of a page of version 1; returns their bytes.
    private func readLevels(_ block: Block, _ header: PageHeader) throws(Damage) -> Int {
        if header.levelEncoding == PageHeader.Encoding.bitPacked {
            let bytes = (header.values + 7) / 8
            guard bytes <= block.count else { throw Damage("a page ends within its levels") }
            let bits = zeroedLevels(header.values)
            var ones = 0
            for row in 0..<header.values {
                // Deprecated: the most significant bit comes first.
                let byte = block.base.load(fromByteOffset: row >> 3, as: UInt8.self)
                if byte & (0x80 >> UInt8(row & 7)) != 0 {
                    Bitmap.set(bits, row)
                    ones += 1
                }
            }
            hasNulls = ones < header.values
            values = ones
            return bytes
        }
        guard header.levelEncoding == PageHeader.Encoding.rle else {
            throw Damage.unsupported("level encoding \(header.levelEncoding)")
        }
        guard block.count >= 4 else {
            // Writers leave everything out of a page without values.
            if header.values == 0 { return block.count }
            throw Damage("a page ends within its levels")
        }
        let bytes = Int(block.base.loadUnaligned(as: UInt32.self))
        guard bytes <= block.count - 4 else { throw Damage("a page ends within its levels") }
        try readLevels(HybridReader(block.base + 4, count: bytes, width: 1), header.values)
        return bytes + 4
    }

    private func readLevels(_ reader: HybridReader, _ rows: Int) throws(Damage) {
        var reader = reader
        let bits = zeroedLevels(rows)
        guard let ones = reader.readBits(rows, to: bits) else {
            throw Damage("a page has fewer levels than values, or levels above 1")
        }
        hasNulls = ones < rows
        values = ones
    }

    // MARK: - Levels of nested columns

    /// Reads both kinds of levels; returns what the values are in.
    private func loadNested(_ header: PageHeader, _ payload: PagePayload) throws(Damage) -> Block {
        entries = header.values
        var block: Block
        if header.kind == .dataV2 {
            let (repetition, definition) = (header.repetitionBytes, header.levelBytes)
            let copy = pool.take(repetition + definition)
            copy.base.copyMemory(from: payload.base, byteCount: repetition + definition)
            let start = UnsafeRawPointer(copy.base)
            try readLevels(
                HybridReader(start, count: repetition, width: LevelBits.width(leaf.repetitionMax)), leaf.repetitionMax,
                to: &repetitions)
            try readLevels(
                HybridReader(start + repetition, count: definition, width: LevelBits.width(leaf.definitionMax)),
                leaf.definitionMax, to: &definitions)
            block = try open(
                payload, from: repetition + definition,
                size: header.uncompressedBytes - repetition - definition, isPacked: header.isCompressed)
        } else {
            block = try open(payload, from: 0, size: header.uncompressedBytes, isPacked: true)
            let skipped = try readLevels(block, header.repetitionEncoding, leaf.repetitionMax, to: &repetitions)
            block = block.dropping(skipped)
            block = block.dropping(try readLevels(block, header.levelEncoding, leaf.definitionMax, to: &definitions))
        }
        values = LevelBits.count(of: leaf.definitionMax, definitions.pointer(UInt8.self), entries)
        return block
    }

    /// Reads levels at the start of a page of version 1; returns their bytes.
    private func readLevels(
        _ block: Block, _ encoding: Int32, _ most: Int, to levels: inout Buffer
    ) throws(Damage) -> Int {
        if most == 0 {
            try readLevels(HybridReader(block.base, count: 0, width: 0), 0, to: &levels)
            return 0
        }
        let width = LevelBits.width(most)
        if encoding == PageHeader.Encoding.bitPacked {
            let bytes = (entries * width + 7) / 8
            guard bytes <= block.count else { throw Damage("a page ends within its levels") }
            if levels.capacity < entries { levels = Buffer(bytes: entries) }
            guard LevelBits.unpack(block.base, width, most, entries, to: levels.pointer(UInt8.self)) else {
                throw Damage("a page has levels above \(most)")
            }
            return bytes
        }
        guard encoding == PageHeader.Encoding.rle else { throw Damage.unsupported("level encoding \(encoding)") }
        guard block.count >= 4 else {
            if entries == 0 { return block.count }
            throw Damage("a page ends within its levels")
        }
        let bytes = Int(block.base.loadUnaligned(as: UInt32.self))
        guard bytes <= block.count - 4 else { throw Damage("a page ends within its levels") }
        try readLevels(HybridReader(block.base + 4, count: bytes, width: width), most, to: &levels)
        return bytes + 4
    }

    /// Reads the levels of all entries of the page, a byte each.
    private func readLevels(_ reader: HybridReader, _ most: Int, to levels: inout Buffer) throws(Damage) {
        var reader = reader
        if levels.capacity < entries { levels = Buffer(bytes: entries) }
        let target = levels.pointer(UInt8.self)
        guard most > 0 else {
            target.update(repeating: 0, count: entries)
            return
        }
        let unpacked = scratch.pointer(UInt32.self)
        var done = 0
        while done < entries {
            let step = min(Batch.rowsMax, entries - done)
            guard reader.read(step, to: unpacked), LevelBits.narrow(unpacked, step, most, to: target + done) else {
                throw Damage("a page has fewer levels than values, or levels above \(most)")
            }
            done += step
        }
    }

    private func zeroedLevels(_ rows: Int) -> UnsafeMutablePointer<UInt64> {
        let bytes = Bitmap.words(rows) * 8
        if levels.capacity < bytes { levels = Buffer(bytes: bytes) }
        let bits = levels.pointer(UInt64.self)
        bits.update(repeating: 0, count: Bitmap.words(rows))
        return bits
    }

    private func openValues(_ encoding: Int32, _ block: Block) throws(Damage) {
        typealias Encoding = PageHeader.Encoding
        fixedOwner = block.owner
        fixed = block.base
        mustCheckText = false
        if values == 0 {
            form = leaf.form.isView && dictionary != nil ? .codes : .fixed
            runs = HybridReader(block.base, count: 0, width: 0)
            return
        }
        switch encoding {
        case Encoding.plain: try openPlain(block)
        case Encoding.plainDictionary, Encoding.rleDictionary:
            guard dictionary != nil else { throw Damage("a page refers to a dictionary that is not there") }
            guard block.count >= 1 else { throw Damage("a page of codes is empty") }
            let width = Int(block.base.load(as: UInt8.self))
            guard width <= 32 else { throw Damage("a page has codes of \(width) bits") }
            form = .codes
            runs = HybridReader(block.base + 1, count: block.count - 1, width: width)
        case Encoding.rle where leaf.physical == .boolean:
            guard block.count >= 4 else { throw Damage("a page of booleans is too short") }
            let bytes = Int(block.base.loadUnaligned(as: UInt32.self))
            guard bytes <= block.count - 4 else { throw Damage("a page of booleans is too short") }
            form = .runs
            runs = HybridReader(block.base + 4, count: bytes, width: 1)
        case Encoding.deltaBinaryPacked where leaf.physical == .int32 || leaf.physical == .int64:
            try openDelta(block)
        case Encoding.deltaLengthByteArray where leaf.physical == .byteArray:
            let views = try room(values * 16)
            try DeltaDecoder.lengthPrefixed(
                block.base, block.count, wanted: values, to: views.pointer(StringView.self),
                scratch: scratch.pointer(UInt32.self))
            use(views, as: .views)
            mustCheckText = isText && !UTF8Check.isASCII(block.base, block.count)
        case Encoding.deltaByteArray where leaf.physical == .byteArray || leaf.physical == .fixed:
            try openFrontCoded(block)
        case Encoding.byteStreamSplit where leaf.width > 0 && leaf.physical != .int96:
            guard block.count / leaf.width >= values else { throw Damage("a page ends within its values") }
            let streams = block.count / leaf.width
            let joined = try room(streams * leaf.width)
            DeltaDecoder.joinStreams(block.base, streams, width: leaf.width, to: joined.base)
            use(joined, as: .fixed)
        default:
            throw Damage.unsupported("encoding \(encoding) of \(leaf.physical) values")
        }
    }

    private func openPlain(_ block: Block) throws(Damage) {
        switch leaf.physical {
        case .boolean:
            guard block.count >= (values + 7) / 8 else { throw Damage("a page ends within its values") }
            form = .bits
        case .byteArray:
            form = .plainBytes
            plain = PlainBytes(block.base, count: block.count)
            mustCheckText = isText && !UTF8Check.isASCII(block.base, block.count)
        case .int32, .int64, .int96, .float, .double, .fixed:
            guard block.count / leaf.width >= values else { throw Damage("a page ends within its values") }
            form = .fixed
            mustCheckText = isText && !UTF8Check.isASCII(block.base, block.count)
        }
    }

    private func openDelta(_ block: Block) throws(Damage) {
        let decoded = try room(values * leaf.width)
        let unpacked = scratch.pointer(UInt32.self)
        if leaf.physical == .int32 {
            _ = try DeltaDecoder.integers(
                block.base, block.count, wanted: values, to: decoded.pointer(Int32.self), scratch: unpacked)
        } else {
            _ = try DeltaDecoder.integers(
                block.base, block.count, wanted: values, to: decoded.pointer(Int64.self), scratch: unpacked)
        }
        use(decoded, as: .fixed)
    }

    private func openFrontCoded(_ block: Block) throws(Damage) {
        let views = try room(values * 16)
        let v = views.pointer(StringView.self)
        memory = try DeltaDecoder.frontCoded(
            block.base, block.count, wanted: values, to: v, scratch: scratch.pointer(UInt32.self))
        mustCheckText = isText && !UTF8Check.isASCII(memory.base, memory.capacity)
        guard leaf.physical == .fixed else {
            use(views, as: .views)
            return
        }
        let joined = try room(values * leaf.width)
        for row in 0..<values {
            guard v[row].count == leaf.width else { throw Damage("a value is not \(leaf.width) bytes long") }
            v[row].copy(to: joined.base + row * leaf.width)
        }
        memory = joined
        use(joined, as: .fixed)
    }

    private func use(_ buffer: Buffer, as form: Form) {
        fixedOwner = buffer
        fixed = UnsafeRawPointer(buffer.base)
        self.form = form
        // Views of fixed-length values point into what was decoded.
        if form == .fixed { memory = buffer }
    }

    private func room(_ bytes: Int) throws(Damage) -> Buffer {
        guard values <= DeltaDecoder.valuesMax, bytes <= DeltaDecoder.bytesMax else {
            throw Damage("a page of \(values) values is too large to decode at once")
        }
        return pool.take(bytes)
    }

    /// Memory for the entries of a dictionary.
    private static let dictionaryBytesMax = 1 << 30

    /// Loads the dictionary page.
    func loadDictionary(_ header: PageHeader, _ payload: PagePayload, type: SQLType) throws(Damage) {
        typealias Encoding = PageHeader.Encoding
        guard header.encoding == Encoding.plain || header.encoding == Encoding.plainDictionary else {
            throw Damage.unsupported("dictionary encoding \(header.encoding)")
        }
        guard leaf.physical != .boolean else { throw Damage("a boolean column has a dictionary") }
        try PageDecoder.check(header, payload)
        let block = try open(payload, from: 0, size: header.uncompressedBytes, isPacked: true)
        let count = header.values
        guard count <= block.count / (leaf.width > 0 ? leaf.width : 4), count * stride <= PageDecoder.dictionaryBytesMax
        else {
            throw Damage("a dictionary has \(count) entries in \(block.count) bytes")
        }
        taken = 0
        values = count
        try openPlain(block)
        memory = block.owner
        fixed = block.base
        fixedOwner = block.owner
        let entries = Buffer(bytes: max(count, 1) * stride)
        entries.base.initializeMemory(as: UInt8.self, repeating: 0, count: stride)
        var done = 0
        while done < count {
            let step = min(Batch.rowsMax, count - done)
            try decode(step, to: entries.base + done * stride, asCodes: false)
            done += step
        }
        let column = Column(
            leaf.form.isView ? type : leaf.type, count: max(count, 1), values: entries,
            heaps: leaf.form.isView ? [memory] : [])
        dictionary = ChunkDictionary(column: column, count: count)
        values = 0
    }

    // MARK: - Values

    private static let ended = "a page ends within its values"

    private func take(_ n: Int) throws(Damage) {
        guard n <= values &- taken else { throw Damage("a page has fewer values than rows") }
        taken &+= n
    }

    /// Skips values.
    func skip(_ n: Int) throws(Damage) {
        if n == 0 { return }
        try take(n)
        let isRight =
            switch form {
            case .fixed, .bits, .views: true
            case .runs, .codes: runs.skip(n)
            case .plainBytes: plain.skip(n)
            }
        guard isRight else { throw Damage(PageDecoder.ended) }
    }

    /// Takes up to Batch.rowsMax values in the column's form, or their codes.
    func decode(_ n: Int, to output: UnsafeMutableRawPointer, asCodes: Bool) throws(Damage) {
        if n == 0 { return }
        let start = taken
        try take(n)
        switch form {
        case .fixed:
            guard Conversion.convert(fixed + start &* leaf.width, n, leaf, to: output) else {
                throw Damage("a value does not fit \(leaf.type.name)")
            }
            if mustCheckText { try checkText(output, n) }
        case .bits:
            let bytes = output.assumingMemoryBound(to: UInt8.self)
            for row in 0..<n {
                let bit = start &+ row
                let byte = fixed.load(fromByteOffset: bit &>> 3, as: UInt8.self)
                bytes[row] = (byte &>> UInt8(truncatingIfNeeded: bit & 7)) & 1
            }
        case .runs:
            let unpacked = scratch.pointer(UInt32.self)
            guard runs.read(n, to: unpacked) else { throw Damage(PageDecoder.ended) }
            let bytes = output.assumingMemoryBound(to: UInt8.self)
            for row in 0..<n { bytes[row] = UInt8(truncatingIfNeeded: unpacked[row] & 1) }
        case .codes:
            let codes = asCodes ? output.assumingMemoryBound(to: UInt32.self) : scratch.pointer(UInt32.self)
            guard runs.read(n, to: codes) else { throw Damage(PageDecoder.ended) }
            try finish(codes, n, to: output, asCodes: asCodes)
        case .plainBytes:
            let views = viewTarget(output)
            guard plain.read(n, to: views) else { throw Damage(PageDecoder.ended) }
            try finish(views, n, to: output)
        case .views:
            try finish(fixed.assumingMemoryBound(to: StringView.self) + start, n, to: output)
        }
    }

    /// Takes the values at ascending places (less `base`) among the next `n`, up to Batch.rowsMax, and skips the rest.
    func decode(
        _ n: Int, at places: UnsafePointer<Int32>, _ count: Int, minus base: Int32,
        to output: UnsafeMutableRawPointer, asCodes: Bool
    ) throws(Damage) {
        switch form {
        case .fixed where leaf.form.isIdentity:
            let from = fixed + taken &* leaf.width
            try take(n)
            Moves.gather(from, places, minus: base, count, stride: leaf.width, to: output)
        // Unpacking all is cheaper than picking many.
        case .codes where count &* 4 < n:
            try take(n)
            let codes = asCodes ? output.assumingMemoryBound(to: UInt32.self) : scratch.pointer(UInt32.self)
            guard runs.read(n, at: places, count, minus: base, to: codes) else { throw Damage(PageDecoder.ended) }
            try finish(codes, count, to: output, asCodes: asCodes)
        case .plainBytes where leaf.form.isView:
            try take(n)
            let views = output.assumingMemoryBound(to: StringView.self)
            guard plain.read(n, at: places, count, minus: base, to: views) else { throw Damage(PageDecoder.ended) }
            if mustCheckText { try checkText(output, count) }
        case .fixed, .codes, .plainBytes, .bits, .runs, .views:
            let all = denseRoom()
            try decode(n, to: all.base, asCodes: asCodes)
            Moves.gather(all.base, places, minus: base, count, stride: asCodes ? 4 : stride, to: output)
        }
    }

    /// Memory for a batch of values in the column's form, with one value to spare.
    func denseRoom() -> Buffer {
        if let dense { return dense }
        let made = Buffer(bytes: (Batch.rowsMax + 1) * 16)
        dense = made
        return made
    }

    private func finish(
        _ codes: UnsafeMutablePointer<UInt32>, _ n: Int, to output: UnsafeMutableRawPointer, asCodes: Bool
    ) throws(Damage) {
        guard let dictionary, Moves.areBelow(dictionary.count, codes, n) else {
            throw Damage("a code lies outside the dictionary")
        }
        if asCodes { return }
        Moves.look(up: codes, n, in: dictionary.column.values.base, stride: stride, to: output)
    }

    /// Where byte arrays are read to: the output if they stay views.
    private func viewTarget(_ output: UnsafeMutableRawPointer) -> UnsafeMutablePointer<StringView> {
        if leaf.form.isView { return output.assumingMemoryBound(to: StringView.self) }
        if let viewScratch { return viewScratch.pointer(StringView.self) }
        let made = Buffer(count: Batch.rowsMax, of: StringView.self)
        viewScratch = made
        return made.pointer(StringView.self)
    }

    private func finish(
        _ views: UnsafePointer<StringView>, _ n: Int, to output: UnsafeMutableRawPointer
    ) throws(Damage) {
        if leaf.form.isView {
            let target = output.assumingMemoryBound(to: StringView.self)
            if UnsafePointer(target) != views { target.update(from: views, count: n) }
            if mustCheckText { try checkText(output, n) }
            return
        }
        for row in 0..<n {
            let isRight = views[row].withBytes { bytes in
                bytes.baseAddress.map { Conversion.store($0, bytes.count, leaf.form, output, row) } ?? false
            }
            guard isRight else { throw Damage("a value does not fit \(leaf.type.name)") }
        }
    }

    private func checkText(_ output: UnsafeMutableRawPointer, _ n: Int) throws(Damage) {
        guard PlainBytes.areText(output.assumingMemoryBound(to: StringView.self), n) else {
            throw Damage("text is not UTF-8", kind: .text)
        }
    }
}

/// The bytes of a page behind its header.
struct PagePayload {
    var base: UnsafeRawPointer
    var count: Int
    /// Bytes behind the payload that belong to the same memory.
    var readableBehind: Int
    /// Keeps the memory.
    var owner: AnyObject
}
