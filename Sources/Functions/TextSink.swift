// Collects the strings that a kernel makes: views, and heaps for those longer than a view holds. Hot.
import Columns
import Diagnostics
import Glibc

/// Result strings of one batch, written in any order of rows.
final class TextSink {
    private let rows: Int
    private let values: Buffer
    private var heaps: [Buffer] = []
    private var free: UnsafeMutableRawPointer?
    private var left = 0
    private var nulls: Buffer?

    /// The first heap's size; the following ones double up to the limit.
    private static let heapBytesFirst = 4 << 10
    private static let heapBytesMax = 1 << 20
    private var heapBytes = TextSink.heapBytesFirst

    init(rows: Int) {
        self.rows = rows
        values = Buffer(count: max(1, rows), of: StringView.self)
        values.fill(0)
    }

    /// Memory for up to `count` bytes, valid until the next call.
    @inline(__always)
    func room(_ count: Int) throws(SQLError) -> UnsafeMutableRawPointer {
        if let free, count <= left { return free }
        return try grow(count)
    }

    private func grow(_ count: Int) throws(SQLError) -> UnsafeMutableRawPointer {
        guard count <= TextSink.stringBytesMax else {
            throw SQLError(.programLimitExceeded, "requested length too large")
        }
        let heap = Buffer(bytes: max(heapBytes, count))
        heapBytes = min(heapBytes * 2, TextSink.heapBytesMax)
        heaps.append(heap)
        free = heap.base
        left = heap.capacity
        return heap.base
    }

    /// Makes the first `count` bytes of the last room the string of a row.
    @inline(__always)
    func commit(_ row: Int, _ count: Int) {
        guard let start = free, count > 0 else { return }
        values.pointer(StringView.self)[row] = StringView(start, count)
        if count > StringView.inlineMax {
            free = start + count
            left &-= count
        }
    }

    /// Copies bytes to a row.
    @inline(__always)
    func set(_ row: Int, _ bytes: UnsafeRawBufferPointer) throws(SQLError) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        if bytes.count <= StringView.inlineMax {
            // Through the stack: the source may end anywhere, and the view's constructor reads only what is there.
            values.pointer(StringView.self)[row] = StringView(base, bytes.count)
            return
        }
        let target = try room(bytes.count)
        memcpy(target, base, bytes.count)
        commit(row, bytes.count)
    }

    func set(_ row: Int, _ bytes: [UInt8]) throws(SQLError) {
        let target = try room(bytes.count)
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { memcpy(target, base, source.count) }
        }
        commit(row, bytes.count)
    }

    func set(_ row: Int, _ text: String) throws(SQLError) {
        var copy = text
        let target = try room(copy.utf8.count)
        let count = copy.withUTF8 { source in
            if let base = source.baseAddress { memcpy(target, base, source.count) }
            return source.count
        }
        commit(row, count)
    }

    /// A view whose memory the caller hands to ``finish(_:validity:sharing:)``.
    @inline(__always)
    func set(_ row: Int, view: StringView) { values.pointer(StringView.self)[row] = view }

    /// Makes a row NULL.
    func setNull(_ row: Int) {
        let bits = nulls ?? Bitmap.make(rows, all: true)
        nulls = bits
        Bitmap.clear(bits.pointer(UInt64.self), row)
    }

    func finish(_ type: SQLType, validity: Buffer?, sharing shared: [Buffer] = []) -> Column {
        Column(
            type, count: rows, values: values, validity: Bitmap.and(validity, nulls, rows), heaps: heaps + shared)
    }

    /// The longest string a function makes: PostgreSQL's limit of 1 GB.
    static let stringBytesMax = (1 << 30) - 5
}

/// Kernels whose result is text.
enum TextKernels {
    typealias Bytes = UnsafeRawBufferPointer

    /// One text argument; the body appends to an array that is reused from row to row.
    static func unary(
        _ type: SQLType = .text, _ body: @escaping @Sendable (Bytes, inout [UInt8]) throws(SQLError) -> Void
    ) -> Kernel {
        { (_, arguments, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            let lane = Lane(arguments[0], StringView.self)
            let validity = Flatten.validity(arguments[0])
            var scratch: [UInt8] = []
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                scratch.removeAll(keepingCapacity: true)
                try lane[row].read { (raw) throws(SQLError) in try body(raw, &scratch) }
                try sink.set(row, scratch)
            }
            return sink.finish(type, validity: validity)
        }
    }

    /// Any row, by number: the body reads what it wants through lanes and says what the result is.
    static func rows(
        _ arguments: [Column], _ rows: Int, _ type: SQLType = .text,
        _ body: (Int, inout [UInt8]) throws(SQLError) -> Bool
    ) throws(SQLError) -> Column {
        let sink = TextSink(rows: rows)
        let validity = Loops.validity(arguments, rows)
        var scratch: [UInt8] = []
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            scratch.removeAll(keepingCapacity: true)
            if try body(row, &scratch) { try sink.set(row, scratch) } else { sink.setNull(row) }
        }
        return sink.finish(type, validity: validity)
    }

    /// The bytes of a row as an array.
    static func bytes(_ view: StringView) -> [UInt8] { view.withBytes { [UInt8]($0) } }

    /// One argument of any trivial type; the body gives the text.
    static func from<A: BitwiseCopyable>(
        _ type: SQLType = .text, _ body: @escaping @Sendable (A, inout [UInt8]) throws(SQLError) -> Void
    ) -> Kernel {
        { (_, arguments, rows) throws(SQLError) in
            let lane = Lane(arguments[0], A.self)
            return try TextKernels.rows(arguments, rows, type) { (row, out) throws(SQLError) in
                try body(lane[row], &out)
                return true
            }
        }
    }
}
