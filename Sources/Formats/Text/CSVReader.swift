// Records of a CSV file as columns of text, which are views into the file's own bytes. Hot.

public import Columns
public import Diagnostics
import Storage

/// How a CSV file is written.
public struct CSVDialect: Sendable, Hashable {
    public var delimiter: UInt8 = UInt8(ascii: ",")
    /// Nil: there are no quotes.
    public var quote: UInt8? = UInt8(ascii: "\"")
    /// What makes a quote inside quotes a character.
    public var escape: UInt8? = UInt8(ascii: "\"")
    /// Lines that begin with it are passed over.
    public var comment: UInt8?
    /// Texts that are NULL.
    public var nulls: [[UInt8]] = [[]]
    /// Whether those are NULL in quotes, too.
    public var areQuotedNulls = true
    /// Lines before the records, or before the header.
    public var skip = 0
    /// Whether records with fewer values end in NULLs.
    public var isPadded = false
    /// Whether records with another number of values are left out.
    public var skipsWrong = false
    public init() {}
}

/// Some records.
public struct CSVRecords {
    /// Of the type text.
    public var columns: [Column]
    public var rows: Int
    /// The line that each record begins at, from 1.
    public var lines: [Int]
}

/// Reads one CSV file. One owner thread.
public final class CSVReader {
    private let blocks: TextBlocks
    private let dialect: CSVDialect
    private var at = 0
    private var line: Int
    /// Records that begin behind this place of the file are others' to read.
    private let last: Int64
    /// The values of the record at hand.
    private let room = FieldRoom()
    private var found = 0
    /// By byte: whether it ends a value.
    private let stops: Buffer
    /// Bytes of values that had escapes.
    private var scratch: [UInt8] = []

    /// Values of one record.
    private static let fieldsMax = 100_000

    private typealias Field = CSVField

    public convenience init(_ input: TextInput, _ dialect: CSVDialect) throws(SQLError) {
        try self.init(input, dialect, line: 1, last: .max)
    }

    /// `line`: where the input begins in its file.
    init(_ input: TextInput, _ dialect: CSVDialect, line: Int, last: Int64) throws(SQLError) {
        self.line = line
        self.last = last
        blocks = TextBlocks(input)
        self.dialect = dialect
        stops = Buffer(bytes: 256)
        stops.fill(0)
        let table = stops.pointer(UInt8.self)
        for byte in [dialect.delimiter, 10, 13] { table[Int(byte)] = 1 }
        for _ in 0..<dialect.skip { if !(try skipLine()) { break } }
    }

    private var path: ObjectPath { blocks.input.path }

    // MARK: - Records

    private enum Outcome { case record, blank, incomplete, end }

    private func skipLine() throws(SQLError) -> Bool {
        while true {
            let block = blocks.block
            var place = at
            while place < block.count, block.base[place] != 10, block.base[place] != 13 { place += 1 }
            if place < block.count, block.base[place] == 10 || place + 1 < block.count || blocks.isAtEnd {
                let isPair = block.base[place] == 13 && place + 1 < block.count && block.base[place + 1] == 10
                at = place + (isPair ? 2 : 1)
                line += 1
                return true
            }
            guard try blocks.refill(from: at) else {
                at = blocks.block.count
                return false
            }
            at = 0
        }
    }

    /// Finds the values of the record at hand; sets `at` behind it.
    private func parse() throws(SQLError) -> Outcome {
        let base = blocks.block.base
        let end = blocks.block.count
        let isLast = blocks.isAtEnd
        let (delimiter, quote, escape) = (dialect.delimiter, dialect.quote, dialect.escape)
        let table = UnsafePointer(stops.pointer(UInt8.self))
        var place = at
        guard place < end else { return isLast ? .end : .incomplete }
        if let comment = dialect.comment, base[place] == comment {
            while place < end, base[place] != 10 { place &+= 1 }
            guard place < end || isLast else { return .incomplete }
            at = min(end, place &+ 1)
            line &+= 1
            found = 0
            return .blank
        }
        var fields = room.base
        var capacity = room.capacity
        var count = 0
        var lines = 0
        let unquoted = ByteSearch(delimiter, 10, 13)
        let quoted = ByteSearch(quote ?? 10, 10, escape ?? quote ?? 10)
        while true {
            var field = Field(start: Int32(truncatingIfNeeded: place), count: 0, isQuoted: false, hasEscapes: false)
            if let quote, place < end, base[place] == quote {
                place &+= 1
                field.isQuoted = true
                field.start &+= 1
                inside: while true {
                    place = quoted.first(base, place, end)
                    guard place < end else {
                        guard isLast else { return .incomplete }
                        throw wrong("a quote is not closed")
                    }
                    let byte = base[place]
                    if byte == 10 {
                        lines &+= 1
                        place &+= 1
                        continue inside
                    }
                    if let escape, byte == escape {
                        // A quote that is its own escape needs one byte more to be told apart.
                        guard place &+ 1 < end || isLast else { return .incomplete }
                        if place &+ 1 < end,
                            base[place &+ 1] == quote || (escape != quote && base[place &+ 1] == escape)
                        {
                            field.hasEscapes = true
                            place &+= 2
                            continue inside
                        }
                        if byte != quote {
                            place &+= 1
                            continue inside
                        }
                    }
                    break inside
                }
                field.count = Int32(truncatingIfNeeded: place) &- field.start
                place &+= 1
                // Blanks may stand behind a closing quote, nothing else.
                while place < end, base[place] == 32, delimiter != 32 { place &+= 1 }
                guard place < end || isLast else { return .incomplete }
                if place < end, table[Int(base[place])] == 0 {
                    throw wrong("a value goes on behind its closing quote")
                }
            } else {
                place = unquoted.first(base, place, end)
                guard place < end || isLast else { return .incomplete }
                field.count = Int32(truncatingIfNeeded: place) &- field.start
            }
            if count == capacity {
                guard count < CSVReader.fieldsMax else { throw wrong("a record has too many values") }
                room.grow()
                (fields, capacity) = (room.base, room.capacity)
            }
            fields[count] = field
            count &+= 1
            guard place < end else { break }
            if base[place] == delimiter {
                place &+= 1
                continue
            }
            if base[place] == 13 {
                guard place &+ 1 < end || isLast else { return .incomplete }
                if place &+ 1 < end, base[place &+ 1] == 10 { place &+= 1 }
            }
            place &+= 1
            lines &+= 1
            break
        }
        found = count
        let isBlank = count == 1 && fields[0].count == 0 && !fields[0].isQuoted
        at = place
        line &+= lines
        return isBlank ? .blank : .record
    }

    private func wrong(_ what: String) -> SQLError { CSVReader.wrong(path, line, what) }

    static func wrong(_ path: ObjectPath, _ line: Int, _ what: String) -> SQLError {
        SQLError(
            SQLState("22P04"), "line \(line) of \"\(path)\": \(what)",
            hint: "Give delim, quote and escape as the file has them; null_padding and ignore_errors take less.")
    }

    /// Finds the next record. False at the end. `isSingle`: a blank line is a record.
    private func advance(isSingle: Bool) throws(SQLError) -> Bool {
        while true {
            if blocks.offset &+ Int64(at) > last { return false }
            switch try parse() {
            case .record: return true
            case .blank: if isSingle, dialect.comment == nil || found == 1 { return true }
            case .end: return false
            case .incomplete:
                let start = at
                at = 0
                // At the end of the file what is left is a record, too.
                _ = try blocks.refill(from: start)
            }
        }
    }

    // MARK: - Columns

    /// The next records as texts, to find out about a file: at most `rowsMax`, whatever their numbers of values.
    public func texts(_ rowsMax: Int) throws(SQLError) -> [[String?]] {
        var rows: [[String?]] = []
        while rows.count < rowsMax, try advance(isSingle: false) {
            let base = blocks.block.base
            rows.append(
                (0..<found).map { place in
                    let field = room.base[place]
                    return isNull(field, base) ? nil : string(field, base)
                })
        }
        return rows
    }

    private func string(_ field: Field, _ base: UnsafePointer<UInt8>) -> String {
        let raw = UnsafeRawBufferPointer(start: base + Int(field.start), count: Int(field.count))
        guard field.hasEscapes else { return String(decoding: raw, as: UTF8.self) }
        unescape(raw)
        return String(decoding: scratch, as: UTF8.self)
    }

    private func unescape(_ raw: UnsafeRawBufferPointer) {
        scratch.removeAll(keepingCapacity: true)
        var place = 0
        while place < raw.count {
            if let escape = dialect.escape, raw[place] == escape, place + 1 < raw.count,
                raw[place + 1] == dialect.quote || raw[place + 1] == escape
            {
                place += 1
            }
            scratch.append(raw[place])
            place += 1
        }
    }

    @inline(__always)
    private func isNull(_ field: Field, _ base: UnsafePointer<UInt8>) -> Bool {
        if field.isQuoted, !dialect.areQuotedNulls { return false }
        for null in dialect.nulls where null.count == Int(field.count) {
            let raw = UnsafeRawBufferPointer(start: base + Int(field.start), count: null.count)
            if null.withUnsafeBytes({ $0.elementsEqual(raw) }) { return true }
        }
        return false
    }

    /// The next records: the values at some places, of records that have `width` values. Nil at the end.
    public func next(_ wanted: [Int], width: Int) throws(SQLError) -> CSVRecords? {
        let rowsMax = Batch.rowsMax
        var outputs: [Output] = []
        for _ in wanted { outputs.append(Output(rowsMax)) }
        var lines: [Int] = []
        lines.reserveCapacity(rowsMax)
        var rows = 0
        var heaps: [Buffer] = []
        var side = SideHeap()
        let isEmptyNull = dialect.nulls == [[]] && dialect.areQuotedNulls
        while rows < rowsMax {
            let first = line
            guard try advance(isSingle: width == 1) else { break }
            let (found, fields) = (found, room.base)
            if found != width, !(dialect.isPadded && found < width) {
                if dialect.skipsWrong { continue }
                throw CSVReader.wrong(
                    path, first, "\(width) \(width == 1 ? "value is" : "values are") expected, but \(found) found")
            }
            let block = blocks.block
            if heaps.last !== block.buffer { heaps.append(block.buffer) }
            lines.append(first)
            for (output, place) in wanted.enumerated() {
                guard place < found else {
                    outputs[output].setNull(rows)
                    continue
                }
                let field = fields[place]
                let count = Int(field.count)
                if isEmptyNull ? count == 0 : isNull(field, block.base) {
                    outputs[output].setNull(rows)
                    continue
                }
                let start = UnsafeRawPointer(block.base + Int(field.start))
                if field.hasEscapes {
                    unescape(UnsafeRawBufferPointer(start: start, count: count))
                    outputs[output].views[rows] = side.add(scratch)
                } else if count > 0 {
                    outputs[output].views[rows] = StringView(start, count)
                }
            }
            rows += 1
        }
        guard rows > 0 else { return nil }
        heaps += side.heaps
        return CSVRecords(columns: outputs.map { $0.column(rows, heaps) }, rows: rows, lines: lines)
    }

    /// One column of texts as it grows.
    private final class Output {
        private let values: Buffer
        let views: UnsafeMutablePointer<StringView>
        private var validity: Buffer?
        private let rowsMax: Int

        init(_ rowsMax: Int) {
            self.rowsMax = rowsMax
            values = Buffer(count: rowsMax, of: StringView.self)
            values.fill(0)
            views = values.pointer(StringView.self)
        }

        func setNull(_ row: Int) {
            let bits = validity ?? Bitmap.make(rowsMax, all: true)
            validity = bits
            Bitmap.clear(bits.pointer(UInt64.self), row)
        }

        func column(_ rows: Int, _ heaps: [Buffer]) -> Column {
            Column(.text, count: rows, values: values, validity: validity, heaps: heaps)
        }
    }
}

/// One value of a record, by its bytes in the block.
struct CSVField {
    var start: Int32
    var count: Int32
    var isQuoted: Bool
    var hasEscapes: Bool
}

/// Memory for the values of a record.
private final class FieldRoom {
    private(set) var capacity = 64
    private(set) var base: UnsafeMutablePointer<CSVField>

    init() { base = .allocate(capacity: 64) }
    deinit { base.deallocate() }

    func grow() {
        let larger = UnsafeMutablePointer<CSVField>.allocate(capacity: capacity * 2)
        larger.update(from: base, count: capacity)
        base.deallocate()
        base = larger
        capacity *= 2
    }
}

/// Looks for any of three bytes, eight places at a time.
struct ByteSearch {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080
    private let a: UInt64
    private let b: UInt64
    private let c: UInt64

    @inline(__always)
    init(_ a: UInt8, _ b: UInt8, _ c: UInt8) {
        self.a = UInt64(a) &* ByteSearch.ones
        self.b = UInt64(b) &* ByteSearch.ones
        self.c = UInt64(c) &* ByteSearch.ones
    }

    /// The first place from `start` on that holds one of them; `end` where there is none.
    @inline(__always)
    func first(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var place = start
        while place &+ 8 <= end {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + place).loadUnaligned(as: UInt64.self))
            let (x, y, z) = (word ^ a, word ^ b, word ^ c)
            // The lowest bit is right; those above it may be carried from it.
            let hits =
                ((x &- ByteSearch.ones) & ~x | (y &- ByteSearch.ones) & ~y | (z &- ByteSearch.ones) & ~z)
                & ByteSearch.highs
            if hits != 0 { return place &+ hits.trailingZeroBitCount &>> 3 }
            place &+= 8
        }
        let (p, q, r) = (UInt8(truncatingIfNeeded: a), UInt8(truncatingIfNeeded: b), UInt8(truncatingIfNeeded: c))
        while place < end, base[place] != p, base[place] != q, base[place] != r { place &+= 1 }
        return place
    }
}

/// Strings that do not lie in the file as they are.
struct SideHeap {
    private(set) var heaps: [Buffer] = []
    private var used = 0
    private static let heapBytes = 64 << 10

    mutating func add(_ bytes: [UInt8]) -> StringView {
        bytes.withUnsafeBytes { raw in
            guard let from = raw.baseAddress, raw.count > 0 else { return StringView(head: 0, tail: 0) }
            if raw.count <= StringView.inlineMax { return StringView(from, raw.count) }
            if heaps.isEmpty || heaps[heaps.count - 1].capacity - used < raw.count {
                heaps.append(Buffer(bytes: max(SideHeap.heapBytes, raw.count)))
                used = 0
            }
            let target = heaps[heaps.count - 1].base + used
            target.copyMemory(from: from, byteCount: raw.count)
            used += raw.count
            return StringView(target, raw.count)
        }
    }
}
