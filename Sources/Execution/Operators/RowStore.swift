// Rows that an operator keeps until its input ends: join builds, sorts, windows, shared results. Hot.
// Each worker appends to its own store; the stage then makes one column of all of them, addressed by Int32 row numbers.
import Columns
import Diagnostics
import Glibc

/// Grows columns in chunks and counts their memory. One owner thread at a time.
final class RowStore: @unchecked Sendable {
    // Sendable: a worker hands it over to its stage with its last call.

    let types: [SQLType]
    private(set) var rows = 0
    private let columns: [ColumnStore]

    /// Row numbers are Int32.
    static let rowsMax = Int(Int32.max) - 1

    init(types: [SQLType], account: MemoryAccount) {
        self.types = types
        columns = types.map { ColumnStore($0, account) }
    }

    /// Copies a batch. Long strings are copied too, so that nothing of the batch stays alive.
    func append(_ batch: Batch) throws(SQLError) {
        try append(batch.columns, rows: batch.rows)
    }

    func append(_ batch: [Column], rows count: Int) throws(SQLError) {
        for (index, column) in columns.enumerated() { try column.append(batch[index], rows: count) }
        rows += count
        guard rows <= RowStore.rowsMax else { throw RowStore.tooManyRows }
    }

    /// Makes one flat column of the stores' rows, store by store; the stores are empty afterwards.
    static func join(_ stores: [RowStore], types: [SQLType], _ run: QueryRun) throws(SQLError) -> Batch {
        let total = stores.reduce(0) { $0 + $1.rows }
        guard total <= rowsMax else { throw tooManyRows }
        var joined: [Column] = []
        for (index, type) in types.enumerated() {
            joined.append(try ColumnStore.join(stores.map { $0.columns[index] }, type, rows: total, run))
        }
        for store in stores { store.rows = 0 }
        return Batch(joined, rows: total)
    }

    static var tooManyRows: SQLError {
        SQLError(.programLimitExceeded, "an operator cannot keep more than \(rowsMax) rows")
    }
}

/// One column of a store.
final class ColumnStore {
    private struct Chunk {
        var values: Buffer
        var validity: Buffer?
        let capacity: Int
        var count = 0
    }

    private let type: SQLType
    private let stride: Int
    private let account: MemoryAccount
    private var chunks: [Chunk] = []
    private var rows = 0
    private var heaps: [Buffer] = []
    private var heapUsed = 0
    private let child: ColumnStore?
    /// Of a struct.
    private let fields: [ColumnStore]
    /// The last dictionary seen, and the same with strings of its own.
    private var dictionary: (seen: Column, owned: Column)?

    /// Dictionaries with more entries per row of a batch are not copied as a whole: most would not be used.
    private static let entriesPerRowMax = 2
    private static let chunkRowsMin = 1024
    private static let chunkRowsMax = 256 << 10
    private static let heapBytesMin = 16 << 10
    private static let heapBytesMax = 4 << 20

    init(_ type: SQLType, _ account: MemoryAccount) {
        self.type = type
        self.account = account
        stride = type.physical.stride
        child = type.element.map { ColumnStore($0, account) }
        fields = (type.rowFields ?? []).map { ColumnStore($0.type, account) }
    }

    func append(_ column: Column, rows count: Int) throws(SQLError) {
        var isOwned = type.physical != .view
        var source = column
        if !isOwned, let shared = column.dictionary, shared.count <= count * ColumnStore.entriesPerRowMax {
            source = Column(
                codes: column.values, count: column.count, validity: column.validity,
                dictionary: try ownedDictionary(shared))
            isOwned = true
        }
        source = Flatten.flat(source)
        if let child, let elements = source.child { source = try appendElements(source, elements, count, child) }
        if !fields.isEmpty { source = try appendFields(source, count) }
        var done = 0
        while done < count {
            let chunk = try room()
            let length = min(count - done, chunks[chunk].capacity - chunks[chunk].count)
            let at = chunks[chunk].count
            memcpy(
                chunks[chunk].values.base + at * stride, source.values.base + done * stride, length * stride)
            try appendValidity(source, from: done, length, to: chunk)
            if !isOwned {
                let views = chunks[chunk].values.pointer(StringView.self) + at
                try own(views, length, source.validityWords, from: done)
            }
            chunks[chunk].count += length
            done += length
        }
        rows += count
    }

    private func room() throws(SQLError) -> Int {
        if let last = chunks.last, last.count < last.capacity { return chunks.count - 1 }
        let capacity = min(
            max(chunks.last.map { $0.capacity * 2 } ?? 0, ColumnStore.chunkRowsMin), ColumnStore.chunkRowsMax)
        try account.add(Int64(capacity * stride))
        chunks.append(Chunk(values: Buffer(bytes: capacity * stride), validity: nil, capacity: capacity))
        return chunks.count - 1
    }

    private func appendValidity(_ source: Column, from: Int, _ length: Int, to chunk: Int) throws(SQLError) {
        guard let bits = source.validityWords else { return }
        if chunks[chunk].validity == nil {
            try account.add(Int64(chunks[chunk].capacity / 8))
            chunks[chunk].validity = Bitmap.make(chunks[chunk].capacity, all: true)
        }
        guard let target = chunks[chunk].validity else { return }
        Bitmap.copy(bits, from, length, to: target.pointer(UInt64.self), chunks[chunk].count)
    }

    /// Copies the bytes of long views behind the store's own pointers.
    private func own(
        _ views: UnsafeMutablePointer<StringView>, _ count: Int, _ valid: UnsafePointer<UInt64>?, from: Int
    ) throws(SQLError) {
        for row in 0..<count {
            if let valid, !Bitmap.get(valid, from &+ row) { views[row] = StringView(head: 0, tail: 0) }
            let length = views[row].count
            if length <= StringView.inlineMax { continue }
            let target = try heapRoom(length)
            memcpy(target, views[row].address, length)
            views[row].tail = UInt64(UInt(bitPattern: target))
        }
    }

    private func heapRoom(_ bytes: Int) throws(SQLError) -> UnsafeMutableRawPointer {
        if heaps.isEmpty || heaps[heaps.count - 1].capacity - heapUsed < bytes {
            let last = heaps.last?.capacity ?? 0
            let size = max(bytes, min(max(last * 2, ColumnStore.heapBytesMin), ColumnStore.heapBytesMax))
            try account.add(Int64(size))
            heaps.append(Buffer(bytes: size))
            heapUsed = 0
        }
        let target = heaps[heaps.count - 1].base + heapUsed
        heapUsed += bytes
        return target
    }

    private func ownedDictionary(_ seen: Column) throws(SQLError) -> Column {
        if let dictionary, dictionary.seen === seen { return dictionary.owned }
        let views = Buffer(bytes: max(1, seen.count) * stride)
        memcpy(views.base, seen.values.base, seen.count * stride)
        try own(views.pointer(StringView.self), seen.count, nil, from: 0)
        let owned = Column(type, count: seen.count, values: views)
        dictionary = (seen, owned)
        return owned
    }

    /// Copies the elements of the lists, and returns spans that point to the copies.
    private func appendElements(
        _ source: Column, _ elements: Column, _ count: Int, _ child: ColumnStore
    ) throws(SQLError) -> Column {
        let spans = Buffer(count: max(1, count), of: ListSpan.self)
        let (from, to) = (source.pointer(ListSpan.self), spans.pointer(ListSpan.self))
        var total = 0
        for row in 0..<count where source.isValid(row) { total += Int(from[row].count) }
        guard child.rows + total <= RowStore.rowsMax else { throw RowStore.tooManyRows }
        let picked = Buffer(count: max(1, total), of: Int32.self)
        let numbers = picked.pointer(Int32.self)
        var used = 0
        for row in 0..<count {
            let length = source.isValid(row) ? from[row].count : 0
            to[row] = ListSpan(start: child.rows + used, count: Int(length))
            for offset in 0..<length {
                numbers[used] = from[row].start + offset
                used += 1
            }
        }
        if total > 0 { try child.append(Gather.take(elements, numbers, count: total), rows: total) }
        return Column(source.type, count: source.count, values: spans, validity: source.validity)
    }

    /// Copies the fields of the structs, and returns places that point to the copies.
    private func appendFields(_ source: Column, _ count: Int) throws(SQLError) -> Column {
        let first = fields[0].rows
        guard first + count <= RowStore.rowsMax else { throw RowStore.tooManyRows }
        for (index, store) in fields.enumerated() { try store.append(source.field(index), rows: count) }
        let places = Buffer(count: max(1, count), of: Int32.self)
        let to = places.pointer(Int32.self)
        for row in 0..<count { to[row] = Int32(truncatingIfNeeded: first &+ row) }
        return Column(source.type, count: source.count, values: places, validity: source.validity)
    }

    /// Joins the chunks of all stores into one column, and gives the chunks' memory back.
    static func join(
        _ stores: [ColumnStore], _ type: SQLType, rows: Int, _ run: QueryRun
    ) throws(SQLError) -> Column {
        let filled = stores.filter { $0.rows > 0 }
        let heaps = filled.flatMap(\.heaps)
        guard let account = filled.first?.account else {
            return empty(type)
        }
        var child: Column?
        if let element = type.element {
            let children = filled.compactMap(\.child)
            child = try join(children, element, rows: children.reduce(0) { $0 + $1.rows }, run)
        }
        var fields: [Column] = []
        for (index, field) in (type.rowFields ?? []).enumerated() {
            let parts = filled.map { $0.fields[index] }
            fields.append(try join(parts, field.type, rows: parts.reduce(0) { $0 + $1.rows }, run))
        }
        if filled.count == 1, let only = filled.first, only.chunks.count == 1 {
            let chunk = only.chunks[0]
            only.forget()
            return Column(
                type, count: rows, values: chunk.values, validity: chunk.validity, heaps: heaps, child: child,
                fields: fields)
        }
        let stride = type.physical.stride
        let hasNulls = filled.contains { $0.chunks.contains { $0.validity != nil } }
        try account.add(Int64(rows * stride + (hasNulls ? rows / 8 : 0)))
        let values = Buffer(bytes: rows * stride)
        let validity = hasNulls ? Bitmap.make(rows, all: true) : nil
        var (start, childStart) = (0, 0)
        for store in filled {
            for chunk in store.chunks {
                try run.check()
                memcpy(values.base + start * stride, chunk.values.base, chunk.count * stride)
                if let validity, let bits = chunk.validity {
                    Bitmap.copy(bits.pointer(UInt64.self), 0, chunk.count, to: validity.pointer(UInt64.self), start)
                }
                if childStart > 0, type.physical == .row {
                    let places = values.pointer(Int32.self)
                    for row in start..<start + chunk.count { places[row] &+= Int32(truncatingIfNeeded: childStart) }
                } else if childStart > 0 {
                    let spans = values.pointer(ListSpan.self)
                    for row in start..<start + chunk.count {
                        spans[row].start &+= Int32(truncatingIfNeeded: childStart)
                    }
                }
                start += chunk.count
            }
            childStart += (store.child ?? store.fields.first)?.joinedRows ?? 0
            try account.add(-store.chunkBytes)
            store.forget()
        }
        return Column(type, count: rows, values: values, validity: validity, heaps: heaps, child: child, fields: fields)
    }

    private static func empty(_ type: SQLType) -> Column { ColumnBuilder(type, capacity: 1).finish() }

    private var chunkBytes: Int64 {
        chunks.reduce(0) { $0 + Int64($1.values.capacity + ($1.validity?.capacity ?? 0)) }
    }

    /// Rows that the store held when it was joined.
    private var joinedRows = 0

    private func forget() {
        joinedRows = rows
        chunks = []
        heaps = []
        rows = 0
        dictionary = nil
    }
}
