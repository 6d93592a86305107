// One column of a row group on its way to bytes: pages, their index, the chunk's statistics. Hot.
// (Parquet specification, Data Pages; PageIndex.md.)

import Columns
import Diagnostics
import Storage

/// What a thread needs for encoding, whatever the column. One owner thread.
final class EncodingScratch {
    let compressor: Compressor
    let body = OutputBuffer(1 << 20)
    let packed = OutputBuffer(1 << 20)
    /// Rows at a time; as many codes and values without NULLs fit.
    static let rowsMax = Batch.rowsMax
    let dense = Buffer(bytes: EncodingScratch.rowsMax * 16)
    let places = Buffer(count: EncodingScratch.rowsMax, of: Int32.self)
    /// Codes of a constant.
    let zeros = Buffer(count: EncodingScratch.rowsMax, of: Int32.self)

    init(_ options: ParquetOptions) {
        compressor = Compressor(options.codec, level: options.level)
        zeros.fill(0)
    }
}

/// A page of a chunk, as the page index lists it.
struct WrittenPage {
    /// From the start of the chunk, with the header.
    var offset: Int
    var bytes: Int
    var firstRow: Int
    var rows: Int
    var nulls: Int
    var bounds: Bounds?
}

/// A column chunk as bytes, with what the footer tells about it.
struct EncodedChunk {
    var bytes: Bytes
    /// The dictionary page, which comes before the others.
    var dictionary: Bytes?
    /// Bytes of the dictionary page; 0 without one.
    var dictionaryBytes = 0
    var uncompressedBytes = 0
    var values = 0
    var rows = 0
    var nulls = 0
    var nans = 0
    var distinct: Int?
    var bounds: Bounds?
    var pages: [WrittenPage] = []
    /// Data pages by encoding.
    var encodings: [PageEncoding: Int] = [:]
    var bloom: [UInt8] = []
}

/// Encodes one column of a row group after the other. One thread at a time.
final class ChunkEncoder {
    private enum Values {
        case bools(BoolValues)
        case words32(WordValues<Int32>)
        case words64(WordValues<Int64>)
        case words128(WordValues<Int128>)
        case views(ViewValues)
    }

    private let leaf: WriteLeaf
    private let options: ParquetOptions
    private let input: InputValues
    private let values: Values
    private let bloom: BloomBuilder?

    /// A dictionary so many times as long as its batch is looked at once before it is taken for a shared one.
    private static let strayFactor = 4
    private var seen: Column?

    // The page: rows, or entries of a nested column.
    private var pageRows = 0
    /// Nested columns only.
    private let levels: LevelStage?
    private var nestedRows = 0
    private var pageNulls = 0
    private let validity: Buffer

    // The chunk.
    private let output = OutputBuffer(64 << 10)
    private var chunk = EncodedChunk(bytes: .empty)
    private var hasBounds = true

    init(_ leaf: WriteLeaf, _ options: ParquetOptions) {
        self.leaf = leaf
        self.options = options
        levels = leaf.isPart ? LevelStage(leaf) : nil
        input = InputValues(leaf)
        values =
            switch leaf.stage {
            case .bool: .bools(BoolValues())
            case .word32: .words32(WordValues(leaf, options))
            case .word64: .words64(WordValues(leaf, options))
            case .word128: .words128(WordValues(leaf, options))
            case .view: .views(ViewValues(leaf, options))
            }
        bloom = leaf.column.hasBloomFilter && leaf.stage != .bool ? BloomBuilder(options) : nil
        validity = Buffer(bytes: (Bitmap.words(options.pageRowsMax) + 1) * 8)
        validity.fill(0)
    }

    /// Bytes that the chunk takes so far, about.
    var sizeBytes: Int { output.count + pageBytes }

    private var pageBytes: Int {
        switch values {
        case .bools(let values): values.count / 8
        case .words32(let values): values.pageBytes
        case .words64(let values): values.pageBytes
        case .words128(let values): values.pageBytes
        case .views(let values): values.pageBytes
        }
    }

    // MARK: - Rows in

    /// Appends the rows of a column.
    func append(_ given: Column, _ scratch: EncodingScratch) throws(SQLError) {
        var column = try input.adapt(given)
        if let dictionary = column.dictionary, dictionary.count > ChunkEncoder.strayFactor * column.count {
            // A large dictionary pays only if more batches share it.
            if seen !== dictionary { column = Flatten.flat(column) }
            seen = dictionary
        }
        var row = 0
        while row < column.count {
            let room = min(EncodingScratch.rowsMax, options.pageRowsMax - pageRows)
            var rows = min(column.count - row, room)
            if case .views = values { rows = fitting(column, row, rows) }
            try append(column, row, rows, scratch)
            row += rows
            if pageRows >= options.pageRowsMax || pageBytes >= options.pageBytesMax { try finishPage(scratch) }
        }
    }

    /// Appends what a leaf gets of some rows.
    func append(_ shredded: ShreddedLeaf, _ scratch: EncodingScratch) throws(SQLError) {
        let column = shredded.values.count > 0 ? Flatten.flat(try input.adapt(shredded.values)) : shredded.values
        let definitions = UnsafePointer(shredded.definitions.pointer(UInt8.self))
        let repetitions = UnsafePointer(shredded.repetitions.pointer(UInt8.self))
        let stride = column.physical.stride
        var (entry, value) = (0, 0)
        while entry < shredded.count {
            // Pages end where rows do.
            var (end, rows) = (entry, 0)
            repeat {
                end += 1
                rows += 1
                if leaf.repetitionMax > 0 { while end < shredded.count, repetitions[end] != 0 { end += 1 } }
            } while end < shredded.count && end - entry < EncodingScratch.rowsMax
            let found = LevelBits.count(of: leaf.definitionMax, definitions + entry, end - entry)
            levels?.append(definitions + entry, repetitions + entry, end - entry)
            var done = 0
            while done < found {
                let step = min(EncodingScratch.rowsMax, found - done)
                take(UnsafeRawPointer(column.values.base) + (value + done) &* stride, step)
                done += step
            }
            pageRows += end - entry
            pageNulls += end - entry - found
            nestedRows += rows
            entry = end
            value += found
            if pageRows >= options.pageRowsMax || pageBytes >= options.pageBytesMax { try finishPage(scratch) }
        }
    }

    /// Rows of strings that do not make the page much longer than it should be; one at least.
    private func fitting(_ column: Column, _ row: Int, _ rows: Int) -> Int {
        let room = 2 * options.pageBytesMax - pageBytes
        let views = column.storage.pointer(StringView.self)
        guard column.layout != .constant else {
            let length = column.isNullConstant ? 1 : views[0].count + 4
            return max(1, min(rows, room / length))
        }
        var total = 0
        if column.validity == nil {
            // Long strings are rare: most slices fit, as a plain sum tells.
            if column.dictionary == nil {
                for index in row..<row + rows { total &+= views[index].count &+ 4 }
            } else {
                let codes = column.codes
                for index in row..<row + rows { total &+= views[Int(codes[index])].count &+ 4 }
            }
            if total <= room { return rows }
            total = 0
        }
        for index in row..<row + rows where column.isValid(index) {
            total += views[column.slot(index)].count + 4
            if total > room { return max(1, index - row) }
        }
        return rows
    }

    private func append(_ column: Column, _ row: Int, _ rows: Int, _ scratch: EncodingScratch) throws(SQLError) {
        let valid = try appendLevels(column, row, rows)
        pageRows += rows
        guard valid > 0 else { return }
        if column.layout == .constant {
            return take(column.values.base, scratch.zeros.pointer(Int32.self), rows, of: column)
        }
        let stride = column.dictionary == nil ? column.physical.stride : 4
        var from = UnsafeRawPointer(column.values.base) + row &* stride
        if valid < rows, let words = column.validityWords {
            let places = scratch.places.pointer(Int32.self)
            var n = 0
            for index in 0..<rows {
                places[n] = Int32(truncatingIfNeeded: index)
                n &+= Int(truncatingIfNeeded: words[(row &+ index) &>> 6] &>> UInt64((row &+ index) & 63) & 1)
            }
            Moves.gather(from, UnsafePointer(places), valid, stride: stride, to: scratch.dense.base)
            from = UnsafeRawPointer(scratch.dense.base)
        }
        if let dictionary = column.dictionary {
            take(dictionary.values.base, from.assumingMemoryBound(to: Int32.self), valid, of: dictionary)
        } else {
            take(from, valid)
        }
    }

    private func take(_ from: UnsafeRawPointer, _ n: Int) {
        switch values {
        case .bools(let values): values.append(from.assumingMemoryBound(to: UInt8.self), n)
        case .words32(let values): values.append(from.assumingMemoryBound(to: Int32.self), n)
        case .words64(let values): values.append(from.assumingMemoryBound(to: Int64.self), n)
        case .words128(let values): values.append(from.assumingMemoryBound(to: Int128.self), n)
        case .views(let values): values.append(from.assumingMemoryBound(to: StringView.self), n)
        }
    }

    private func take(_ from: UnsafeRawPointer, _ codes: UnsafePointer<Int32>, _ n: Int, of dictionary: Column) {
        switch values {
        case .bools(let values): values.append(from.assumingMemoryBound(to: UInt8.self), codes: codes, n)
        case .words32(let values):
            values.append(from.assumingMemoryBound(to: Int32.self), codes: codes, n, of: dictionary)
        case .words64(let values):
            values.append(from.assumingMemoryBound(to: Int64.self), codes: codes, n, of: dictionary)
        case .words128(let values):
            values.append(from.assumingMemoryBound(to: Int128.self), codes: codes, n, of: dictionary)
        case .views(let values):
            values.append(from.assumingMemoryBound(to: StringView.self), codes: codes, n, of: dictionary)
        }
    }

    /// Notes which rows are not NULL; returns how many.
    private func appendLevels(_ column: Column, _ row: Int, _ rows: Int) throws(SQLError) -> Int {
        let bits = validity.pointer(UInt64.self)
        var valid = rows
        if column.layout == .constant {
            if !column.isValid(0) { valid = 0 }
            if valid > 0 { BitCopy.set(bits, at: pageRows, rows) }
        } else if let words = column.validityWords {
            valid = ChunkEncoder.copyBits(words, from: row, rows, to: bits, at: pageRows)
        } else {
            BitCopy.set(bits, at: pageRows, rows)
        }
        pageNulls += rows - valid
        guard leaf.column.isNullable || valid == rows else {
            throw SQLError(
                .notNullViolation,
                "null value in column \"\(leaf.column.name)\" violates not-null constraint")
        }
        return valid
    }

    /// Copies bits to zeroed memory, without reading words behind the last; returns how many are 1.
    private static func copyBits(
        _ source: UnsafePointer<UInt64>, from: Int, _ count: Int, to bits: UnsafeMutablePointer<UInt64>, at: Int
    ) -> Int {
        var done = 0
        var ones = 0
        while done < count {
            let (read, write) = ((from &+ done) & 63, (at &+ done) & 63)
            let take = min(64 &- read, 64 &- write, count &- done)
            let word = source[(from &+ done) &>> 6] &>> UInt64(truncatingIfNeeded: read)
            let kept = word & (UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- take))
            bits[(at &+ done) &>> 6] |= kept &<< UInt64(truncatingIfNeeded: write)
            ones &+= kept.nonzeroBitCount
            done &+= take
        }
        return ones
    }

    // MARK: - Pages out

    private func finishPage(_ scratch: EncodingScratch) throws(SQLError) {
        let body = scratch.body
        body.count = 0
        if let levels {
            levels.write(pageRows, to: body)
        } else if leaf.column.isNullable {
            writeLevels(body)
        }
        let facts =
            switch values {
            case .bools(let values): values.finishPage(body)
            case .words32(let values): values.finishPage(body, hashes: bloom)
            case .words64(let values): values.finishPage(body, hashes: bloom)
            case .words128(let values): values.finishPage(body, hashes: bloom)
            case .views(let values): values.finishPage(body, hashes: bloom)
            }
        let offset = output.count
        try write(body, scratch) { header in
            header.begin(5)
            header.int32(1, Int32(pageRows))
            header.int32(2, facts.encoding.rawValue)
            header.int32(3, PageEncoding.rle.rawValue)
            header.int32(4, PageEncoding.rle.rawValue)
            header.end()
        }
        chunk.pages.append(
            WrittenPage(
                offset: offset, bytes: output.count - offset, firstRow: chunk.rows, rows: pageRows, nulls: pageNulls,
                bounds: facts.bounds))
        chunk.encodings[facts.encoding, default: 0] += 1
        chunk.values += pageRows
        chunk.rows += levels == nil ? pageRows : nestedRows
        nestedRows = 0
        chunk.nulls += pageNulls
        chunk.nans += facts.nans
        if let bounds = facts.bounds {
            if chunk.bounds == nil { chunk.bounds = bounds } else { chunk.bounds?.add(bounds, leaf) }
        } else if pageRows > pageNulls + facts.nans {
            hasBounds = false
        }
        memsetZero(validity, Bitmap.words(pageRows) + 1)
        pageRows = 0
        pageNulls = 0
    }

    private func memsetZero(_ buffer: Buffer, _ words: Int) {
        buffer.pointer(UInt64.self).update(repeating: 0, count: min(words, buffer.capacity / 8))
    }

    /// Definition levels: 1 where there is a value.
    private func writeLevels(_ body: OutputBuffer) {
        let start = body.count
        body.append(littleEndian: 0)
        if pageNulls == 0 {
            body.append(varint: UInt64(pageRows) << 1)
            body.append(byte: 1)
        } else {
            HybridWriter.write(bits: UnsafePointer(validity.pointer(UInt64.self)), pageRows, to: body)
        }
        let length = UInt32(truncatingIfNeeded: body.count - start - 4)
        body.base.storeBytes(of: length.littleEndian, toByteOffset: start, as: UInt32.self)
    }

    /// Appends a page: header and compressed body. `kind` writes the header's part of its own.
    private func write(
        _ body: OutputBuffer, isDictionary: Bool = false, _ scratch: EncodingScratch,
        _ kind: (inout ThriftWriter) -> Void
    ) throws(SQLError) {
        scratch.packed.count = 0
        try scratch.compressor.compress(body.base, body.count, to: scratch.packed)
        guard let size = Int32(exactly: body.count), let packed = Int32(exactly: scratch.packed.count) else {
            throw SQLError(
                .programLimitExceeded, "a value of column \"\(leaf.column.name)\" is too long for a Parquet file")
        }
        var header = ThriftWriter()
        header.int32(1, isDictionary ? 2 : 0)
        header.int32(2, size)
        header.int32(3, packed)
        kind(&header)
        let bytes = header.finish()
        output.append(bytes)
        output.append(scratch.packed.base, scratch.packed.count)
        chunk.uncompressedBytes += bytes.count + body.count
    }

    // MARK: - Chunks out

    /// Ends the chunk and begins the next.
    func finish(_ scratch: EncodingScratch) throws(SQLError) -> EncodedChunk {
        if pageRows > 0 { try finishPage(scratch) }
        var made = chunk
        if !hasBounds { made.bounds = nil }
        if (made.encodings[.dictionary] ?? 0) > 0 {
            try finishDictionary(scratch, &made)
        } else {
            made.bytes = output.take()
        }
        made.uncompressedBytes = chunk.uncompressedBytes
        made.bloom = bloom?.finish() ?? []
        chunk = EncodedChunk(bytes: .empty)
        hasBounds = true
        switch values {
        case .bools: break
        case .words32(let values): values.reset()
        case .words64(let values): values.reset()
        case .words128(let values): values.reset()
        case .views(let values): values.reset()
        }
        return made
    }

    /// Puts the dictionary page before the pages that need it.
    private func finishDictionary(_ scratch: EncodingScratch, _ made: inout EncodedChunk) throws(SQLError) {
        let body = scratch.body
        body.count = 0
        let distinct: Int
        switch values {
        case .bools: distinct = 0
        case .words32(let values):
            distinct = values.distinct
            values.finishDictionary(body, hashes: bloom)
        case .words64(let values):
            distinct = values.distinct
            values.finishDictionary(body, hashes: bloom)
        case .words128(let values):
            distinct = values.distinct
            values.finishDictionary(body, hashes: bloom)
        case .views(let values):
            distinct = values.distinct
            values.finishDictionary(body, hashes: bloom)
        }
        let pages = output.take()
        try write(body, isDictionary: true, scratch) { header in
            header.begin(7)
            header.int32(1, Int32(distinct))
            header.int32(2, PageEncoding.plain.rawValue)
            header.end()
        }
        made.dictionaryBytes = output.count
        // Only a chunk without other pages has no values but these.
        if made.encodings.count == 1 { made.distinct = distinct }
        for index in made.pages.indices { made.pages[index].offset += made.dictionaryBytes }
        made.dictionary = output.take()
        made.bytes = pages
    }
}
