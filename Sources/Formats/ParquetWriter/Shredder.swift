// Nested values taken apart into the levels and values of their leaves, a level of nesting at a time. Hot.
// (Dremel's column striping.)

import Columns
import Diagnostics

/// What one leaf gets of some rows.
struct ShreddedLeaf {
    /// Entries: values, and what takes their place. A byte each.
    var count: Int
    var definitions: Buffer
    var repetitions: Buffer
    /// The values that are not NULL, in order.
    var values: Column
}

/// Takes the columns of batches apart.
struct Shredder {
    private let root: WriteNode

    init(_ root: WriteNode) { self.root = root }

    /// The entries of a part: their levels so far, and the row of the part's column that each stands for; -1 where
    /// something above is NULL or empty.
    private struct Entries {
        var count: Int
        var definitions: Buffer
        var repetitions: Buffer
        var places: Buffer

        init(_ count: Int) {
            self.count = count
            definitions = Buffer(bytes: max(1, count))
            repetitions = Buffer(bytes: max(1, count))
            places = Buffer(count: max(1, count), of: Int32.self)
        }
    }

    /// More entries of one batch are refused.
    private static let entriesMax = 1 << 30

    /// By leaf of the column, in order.
    func shred(_ column: Column) throws(SQLError) -> [ShreddedLeaf] {
        let entries = Entries(column.count)
        entries.definitions.fill(0)
        entries.repetitions.fill(0)
        let places = entries.places.pointer(Int32.self)
        for row in 0..<column.count { places[row] = Int32(truncatingIfNeeded: row) }
        var leaves: [ShreddedLeaf] = []
        try shred(root, Flatten.flat(column), entries, &leaves)
        return leaves
    }

    private func shred(
        _ node: WriteNode, _ column: Column, _ given: Entries, _ leaves: inout [ShreddedLeaf]
    ) throws(SQLError) {
        let entries = try checked(node, column, given)
        switch node.kind {
        case .leaf: leaves.append(leaf(column, entries))
        case .row(let fields): try shred(structs: column, fields, entries, &leaves)
        case .list(let element):
            let expanded = try expand(node, column, entries)
            guard let child = column.child else { return empty(element, expanded, &leaves) }
            try shred(element, child, expanded, &leaves)
        case .map(let key, let value):
            let expanded = try expand(node, column, entries)
            guard let child = column.child, child.fields.count == 2 else {
                empty(key, expanded, &leaves)
                return empty(value, expanded, &leaves)
            }
            try shred(structs: child, [key, value], expanded, &leaves)
        }
    }

    private func shred(
        structs column: Column, _ fields: [WriteNode], _ entries: Entries, _ leaves: inout [ShreddedLeaf]
    ) throws(SQLError) {
        var inner = entries
        inner.places = Buffer(count: max(1, entries.count), of: Int32.self)
        let (from, to) = (entries.places.pointer(Int32.self), inner.places.pointer(Int32.self))
        let places = column.pointer(Int32.self)
        for index in 0..<entries.count { to[index] = from[index] < 0 ? -1 : places[Int(from[index])] }
        for (field, part) in zip(fields, column.fields) { try shred(field, part, inner, &leaves) }
        // A column of NULLs may come without its fields.
        if column.fields.isEmpty { for field in fields { empty(field, inner, &leaves) } }
    }

    /// Raises the definition levels of entries that are not NULL.
    private func checked(_ node: WriteNode, _ column: Column, _ given: Entries) throws(SQLError) -> Entries {
        let valid = column.validityWords
        if !node.isNullable {
            guard let valid else { return given }
            let places = given.places.pointer(Int32.self)
            for index in 0..<given.count where places[index] >= 0 {
                guard Bitmap.get(valid, Int(places[index])) else {
                    throw SQLError(
                        .notNullViolation,
                        "null value in \"\(node.name)\" of column \"\(root.name)\" violates not-null constraint")
                }
            }
            return given
        }
        var made = given
        made.definitions = Buffer(bytes: max(1, given.count))
        made.places = Buffer(count: max(1, given.count), of: Int32.self)
        let (from, to) = (given.places.pointer(Int32.self), made.places.pointer(Int32.self))
        let (old, new) = (given.definitions.pointer(UInt8.self), made.definitions.pointer(UInt8.self))
        let level = UInt8(truncatingIfNeeded: node.present)
        for index in 0..<given.count {
            let place = from[index]
            let isThere = place >= 0 && (valid.map { Bitmap.get($0, Int(place)) } ?? true)
            to[index] = isThere ? place : -1
            new[index] = isThere ? level : old[index]
        }
        return made
    }

    /// An entry for each element; lists that are NULL or empty keep theirs.
    private func expand(_ node: WriteNode, _ column: Column, _ given: Entries) throws(SQLError) -> Entries {
        let spans = column.pointer(ListSpan.self)
        let from = given.places.pointer(Int32.self)
        var total = 0
        for index in 0..<given.count { total += from[index] < 0 ? 1 : max(1, Int(spans[Int(from[index])].count)) }
        guard total <= Shredder.entriesMax else {
            throw SQLError(
                .programLimitExceeded,
                "column \"\(root.name)\" has more than \(Shredder.entriesMax) elements in \(column.count) rows")
        }
        let made = Entries(total)
        let (places, definitions, repetitions) = (
            made.places.pointer(Int32.self), made.definitions.pointer(UInt8.self), made.repetitions.pointer(UInt8.self)
        )
        let (oldDefinitions, oldRepetitions) = (
            given.definitions.pointer(UInt8.self), given.repetitions.pointer(UInt8.self)
        )
        let (exists, repeats) = (UInt8(truncatingIfNeeded: node.exists), UInt8(truncatingIfNeeded: node.repeats))
        var at = 0
        for index in 0..<given.count {
            let span = from[index] < 0 ? ListSpan(start: 0, count: 0) : spans[Int(from[index])]
            guard span.count > 0 else {
                places[at] = -1
                definitions[at] = oldDefinitions[index]
                repetitions[at] = oldRepetitions[index]
                at &+= 1
                continue
            }
            for offset in 0..<span.count {
                places[at] = span.start &+ offset
                definitions[at] = exists
                repetitions[at] = offset == 0 ? oldRepetitions[index] : repeats
                at &+= 1
            }
        }
        return made
    }

    private func leaf(_ column: Column, _ entries: Entries) -> ShreddedLeaf {
        let picked = Buffer(count: max(1, entries.count), of: Int32.self)
        let (from, to) = (entries.places.pointer(Int32.self), picked.pointer(Int32.self))
        var count = 0
        for index in 0..<entries.count {
            to[count] = from[index]
            count &+= from[index] >= 0 ? 1 : 0
        }
        let values = Gather.take(column, to, count: count)
        return ShreddedLeaf(
            count: entries.count, definitions: entries.definitions, repetitions: entries.repetitions,
            values: Column(values.type, count: count, values: values.values, heaps: values.heaps))
    }

    /// The leaves of a part of which no value is there.
    private func empty(_ node: WriteNode, _ entries: Entries, _ leaves: inout [ShreddedLeaf]) {
        switch node.kind {
        case .leaf:
            let none = Column(.int4, count: 0, values: Buffer(bytes: 16))
            leaves.append(
                ShreddedLeaf(
                    count: entries.count, definitions: entries.definitions, repetitions: entries.repetitions,
                    values: none))
        case .row(let fields): for field in fields { empty(field, entries, &leaves) }
        case .list(let element): empty(element, entries, &leaves)
        case .map(let key, let value):
            empty(key, entries, &leaves)
            empty(value, entries, &leaves)
        }
    }
}

/// Encodes one column of a row group: its one leaf, or the leaves that it is taken apart into. One thread at a time.
final class ColumnEncoder {
    private let shredder: Shredder?
    private let chunks: [ChunkEncoder]

    init(_ node: WriteNode, _ leaves: ArraySlice<WriteLeaf>, _ options: ParquetOptions) {
        if case .leaf = node.kind { shredder = nil } else { shredder = Shredder(node) }
        chunks = leaves.map { ChunkEncoder($0, options) }
    }

    /// Bytes that the chunks take so far, about.
    var sizeBytes: Int { chunks.reduce(0) { $0 + $1.sizeBytes } }

    func append(_ column: Column, _ scratch: EncodingScratch) throws(SQLError) {
        guard let shredder else { return try chunks[0].append(column, scratch) }
        for (chunk, leaf) in zip(chunks, try shredder.shred(column)) { try chunk.append(leaf, scratch) }
    }

    func finish(_ scratch: EncodingScratch) throws(SQLError) -> [EncodedChunk] {
        var made: [EncodedChunk] = []
        for chunk in chunks { made.append(try chunk.finish(scratch)) }
        return made
    }
}
