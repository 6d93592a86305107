// Page indexes and footer of a file, and what table formats want to know of it.
// (Parquet specification, parquet.thrift; PageIndex.md.)

import Columns
import Storage

/// A row group in the file.
struct WrittenGroup {
    var offset: Int64
    var rows: Int
    var chunks: [WrittenChunk] = []
}

/// A column chunk in the file.
struct WrittenChunk {
    /// What was encoded, without the bytes.
    var facts: EncodedChunk
    var start: Int64
    var compressedBytes: Int
    var bloomOffset: Int64 = 0
    var bloomBytes = 0
    var columnIndex: (offset: Int64, bytes: Int)?
    var offsetIndex: (offset: Int64, bytes: Int)?

    init(_ chunk: EncodedChunk, start: Int64) {
        self.start = start
        compressedBytes = chunk.dictionaryBytes + chunk.bytes.count
        facts = chunk
        facts.bytes = .empty
        facts.dictionary = nil
        facts.bloom = []
    }
}

/// Makes the end of a file.
struct FooterWriter {
    private typealias Kind = ThriftReader.Kind

    private let columns: [WriteNode]
    private let leaves: [WriteLeaf]
    private let options: ParquetOptions
    private var groups: [WrittenGroup]
    private let rows: Int64

    init(_ tree: WriteTree, _ options: ParquetOptions, groups: [WrittenGroup], rows: Int64) {
        columns = tree.columns
        leaves = tree.leaves
        self.options = options
        self.groups = groups
        self.rows = rows
    }

    /// Everything behind the last row group, which ends at `position`.
    mutating func write(at position: Int64) -> [UInt8] {
        var bytes: [UInt8] = []
        for group in groups.indices {
            for column in leaves.indices {
                guard let index = columnIndex(groups[group].chunks[column].facts, leaves[column]) else { continue }
                groups[group].chunks[column].columnIndex = (position + Int64(bytes.count), index.count)
                bytes += index
            }
        }
        for group in groups.indices {
            for column in leaves.indices {
                let index = offsetIndex(groups[group].chunks[column])
                groups[group].chunks[column].offsetIndex = (position + Int64(bytes.count), index.count)
                bytes += index
            }
        }
        let footer = metadata()
        bytes += footer
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: footer.count).littleEndian) { bytes.append(contentsOf: $0) }
        bytes += Array("PAR1".utf8)
        return bytes
    }

    // MARK: - Page index

    /// Nil when a page with values has no bounds: then an index would say something wrong.
    private func columnIndex(_ chunk: EncodedChunk, _ leaf: WriteLeaf) -> [UInt8]? {
        for page in chunk.pages where page.bounds == nil && page.nulls < page.rows { return nil }
        var writer = ThriftWriter()
        let n = chunk.pages.count
        writer.list(1, Kind.yes, count: n)
        for page in chunk.pages { writer.element(page.bounds == nil) }
        writer.list(2, Kind.binary, count: n)
        for page in chunk.pages { writer.element(page.bounds?.lower ?? []) }
        writer.list(3, Kind.binary, count: n)
        for page in chunk.pages { writer.element(page.bounds?.upper ?? []) }
        writer.int32(4, boundaryOrder(chunk, leaf))
        writer.list(5, Kind.int64, count: n)
        for page in chunk.pages { writer.element(Int64(page.nulls)) }
        return writer.finish()
    }

    /// 1: both bounds ascend from page to page; 2: both descend; 0: neither.
    private func boundaryOrder(_ chunk: EncodedChunk, _ leaf: WriteLeaf) -> Int32 {
        var isUp = true
        var isDown = true
        var last: Bounds?
        for page in chunk.pages {
            guard let bounds = page.bounds else { continue }
            if let last {
                let (low, high) = (leaf.compare(last.lower, bounds.lower), leaf.compare(last.upper, bounds.upper))
                isUp = isUp && low <= 0 && high <= 0
                isDown = isDown && low >= 0 && high >= 0
            }
            last = bounds
        }
        return isUp ? 1 : isDown ? 2 : 0
    }

    private func offsetIndex(_ chunk: WrittenChunk) -> [UInt8] {
        var writer = ThriftWriter()
        writer.list(1, Kind.structure, count: chunk.facts.pages.count)
        for page in chunk.facts.pages {
            writer.beginElement()
            writer.int64(1, chunk.start + Int64(page.offset))
            writer.int32(2, Int32(truncatingIfNeeded: page.bytes))
            writer.int64(3, Int64(page.firstRow))
            writer.end()
        }
        return writer.finish()
    }

    // MARK: - Footer

    private func metadata() -> [UInt8] {
        var writer = ThriftWriter()
        writer.int32(1, 2)
        let elements = columns.flatMap { $0.elements(leaves) }
        writer.list(2, Kind.structure, count: elements.count + 1)
        writer.beginElement()
        writer.string(4, "schema")
        writer.int32(5, Int32(columns.count))
        writer.end()
        for element in elements { self.element(element, &writer) }
        writer.int64(3, rows)
        writer.list(4, Kind.structure, count: groups.count)
        for (index, group) in groups.enumerated() { rowGroup(group, index, &writer) }
        if !options.keyValues.isEmpty {
            writer.list(5, Kind.structure, count: options.keyValues.count)
            for (key, value) in options.keyValues {
                writer.beginElement()
                writer.string(1, key)
                writer.string(2, value)
                writer.end()
            }
        }
        writer.string(6, options.createdBy)
        writer.list(7, Kind.structure, count: leaves.count)
        for _ in leaves {
            // The order that the type defines.
            writer.beginElement()
            writer.empty(1)
            writer.end()
        }
        return writer.finish()
    }

    private func element(_ element: SchemaElement, _ writer: inout ThriftWriter) {
        writer.beginElement()
        if let physical = element.physical { writer.int32(1, physical.rawValue) }
        if element.length > 0 { writer.int32(2, Int32(element.length)) }
        writer.int32(3, element.repetition)
        writer.string(4, element.name)
        if element.children > 0 { writer.int32(5, Int32(element.children)) }
        if let converted = element.converted { writer.int32(6, converted) }
        if case .decimal(let scale, let precision) = element.logical {
            writer.int32(7, Int32(scale))
            writer.int32(8, Int32(precision))
        }
        if let id = element.id { writer.int32(9, id) }
        if let logical = element.logical {
            writer.begin(10)
            FooterWriter.logical(logical, &writer)
            writer.end()
        }
        writer.end()
    }

    private static func logical(_ logical: SchemaElement.Logical, _ writer: inout ThriftWriter) {
        switch logical {
        case .string: writer.empty(1)
        case .map: writer.empty(2)
        case .list: writer.empty(3)
        case .enumeration: writer.empty(4)
        case .decimal(let scale, let precision):
            writer.begin(5)
            writer.int32(1, Int32(scale))
            writer.int32(2, Int32(precision))
            writer.end()
        case .date: writer.empty(6)
        case .time(let unit):
            writer.begin(7)
            writer.bool(1, false)
            self.unit(unit, &writer)
            writer.end()
        case .timestamp(let unit, let isUTC):
            writer.begin(8)
            writer.bool(1, isUTC)
            self.unit(unit, &writer)
            writer.end()
        case .integer(let bits, let isSigned):
            writer.begin(10)
            writer.byte(1, Int8(truncatingIfNeeded: bits))
            writer.bool(2, isSigned)
            writer.end()
        case .json: writer.empty(12)
        case .bson: writer.empty(13)
        case .uuid: writer.empty(14)
        case .float16: writer.empty(15)
        case .variant: writer.empty(16)
        case .interval: break
        }
    }

    private static func unit(_ unit: SchemaElement.Unit, _ writer: inout ThriftWriter) {
        writer.begin(2)
        switch unit {
        case .millis: writer.empty(1)
        case .micros: writer.empty(2)
        case .nanos: writer.empty(3)
        }
        writer.end()
    }

    private func rowGroup(_ group: WrittenGroup, _ index: Int, _ writer: inout ThriftWriter) {
        writer.beginElement()
        writer.list(1, Kind.structure, count: leaves.count)
        for (leaf, chunk) in zip(leaves, group.chunks) { columnChunk(leaf, chunk, &writer) }
        writer.int64(2, group.chunks.reduce(0) { $0 + Int64($1.facts.uncompressedBytes) })
        writer.int64(3, Int64(group.rows))
        if !options.sorting.isEmpty {
            writer.list(4, Kind.structure, count: options.sorting.count)
            for sorting in options.sorting {
                writer.beginElement()
                writer.int32(1, Int32(truncatingIfNeeded: sorting.column))
                writer.bool(2, sorting.isDescending)
                writer.bool(3, sorting.isNullsFirst)
                writer.end()
            }
        }
        writer.int64(5, group.offset)
        writer.int64(6, group.chunks.reduce(0) { $0 + Int64($1.compressedBytes) })
        if let ordinal = Int16(exactly: index) { writer.int16(7, ordinal) }
        writer.end()
    }

    private func columnChunk(_ leaf: WriteLeaf, _ chunk: WrittenChunk, _ writer: inout ThriftWriter) {
        let facts = chunk.facts
        writer.beginElement()
        // Deprecated, but required: 0 says that the metadata is here.
        writer.int64(2, 0)
        writer.begin(3)
        writer.int32(1, leaf.physical.rawValue)
        var encodings: [PageEncoding] = facts.encodings.keys.sorted { $0.rawValue < $1.rawValue }
        if leaf.definitionMax > 0 || leaf.repetitionMax > 0 { encodings.append(.rle) }
        if facts.dictionaryBytes > 0, !encodings.contains(.plain) { encodings.append(.plain) }
        writer.list(2, Kind.int32, count: encodings.count)
        for encoding in encodings { writer.element(Int64(encoding.rawValue)) }
        writer.list(3, Kind.binary, count: leaf.path.count)
        for name in leaf.path { writer.element(Array(name.utf8)) }
        writer.int32(4, options.codec.number)
        writer.int64(5, Int64(facts.values))
        writer.int64(6, Int64(facts.uncompressedBytes))
        writer.int64(7, Int64(chunk.compressedBytes))
        writer.int64(9, chunk.start + Int64(facts.dictionaryBytes))
        if facts.dictionaryBytes > 0 { writer.int64(11, chunk.start) }
        statistics(leaf, facts, &writer)
        encodingStatistics(facts, &writer)
        if chunk.bloomBytes > 0 {
            writer.int64(14, chunk.bloomOffset)
            writer.int32(15, Int32(truncatingIfNeeded: chunk.bloomBytes))
        }
        writer.end()
        if let place = chunk.offsetIndex {
            writer.int64(4, place.offset)
            writer.int32(5, Int32(truncatingIfNeeded: place.bytes))
        }
        if let place = chunk.columnIndex {
            writer.int64(6, place.offset)
            writer.int32(7, Int32(truncatingIfNeeded: place.bytes))
        }
        writer.end()
    }

    private func statistics(_ leaf: WriteLeaf, _ facts: EncodedChunk, _ writer: inout ThriftWriter) {
        writer.begin(12)
        writer.int64(3, Int64(facts.nulls))
        if let distinct = facts.distinct { writer.int64(4, Int64(distinct)) }
        if let bounds = facts.bounds {
            writer.binary(5, bounds.upper)
            writer.binary(6, bounds.lower)
            writer.bool(7, bounds.isUpperExact)
            writer.bool(8, bounds.isLowerExact)
        }
        if leaf.order == .float { writer.int64(9, Int64(facts.nans)) }
        writer.end()
    }

    private func encodingStatistics(_ facts: EncodedChunk, _ writer: inout ThriftWriter) {
        let pages = facts.encodings.sorted { $0.key.rawValue < $1.key.rawValue }
        writer.list(13, Kind.structure, count: pages.count + (facts.dictionaryBytes > 0 ? 1 : 0))
        func entry(_ page: Int32, _ encoding: PageEncoding, _ count: Int) {
            writer.beginElement()
            writer.int32(1, page)
            writer.int32(2, encoding.rawValue)
            writer.int32(3, Int32(truncatingIfNeeded: count))
            writer.end()
        }
        if facts.dictionaryBytes > 0 { entry(2, .plain, 1) }
        for (encoding, count) in pages { entry(0, encoding, count) }
    }

    // MARK: - For table formats

    /// What is known of the file.
    func file(_ info: ObjectInfo) -> WrittenFile {
        let columns = leaves.indices.map { column(leaves[$0], $0) }
        return WrittenFile(info: info, rows: rows, splitOffsets: groups.map(\.offset), columns: columns)
    }

    private func column(_ leaf: WriteLeaf, _ index: Int) -> WrittenColumn {
        var result = WrittenColumn(name: leaf.column.name, id: leaf.column.id, type: leaf.column.type)
        var bounds: Bounds?
        var isKnown = true
        var nans = 0
        for group in groups {
            let chunk = group.chunks[index]
            result.compressedBytes += Int64(chunk.compressedBytes)
            result.uncompressedBytes += Int64(chunk.facts.uncompressedBytes)
            result.valueCount += Int64(chunk.facts.values)
            result.nullCount += Int64(chunk.facts.nulls)
            nans += chunk.facts.nans
            if let more = chunk.facts.bounds {
                if bounds == nil { bounds = more } else { bounds?.add(more, leaf) }
            } else if chunk.facts.values > chunk.facts.nulls + chunk.facts.nans {
                isKnown = false
            }
        }
        if leaf.order == .float { result.nanCount = Int64(nans) }
        guard isKnown, let bounds, let read = leaf.readLeaf(index: index) else { return result }
        result.lower = scalar(bounds.lower, read, isMax: false)
        result.upper = scalar(bounds.upper, read, isMax: true)
        result.isLowerExact = bounds.isLowerExact && result.lower != nil
        result.isUpperExact = bounds.isUpperExact && result.upper != nil
        return result
    }

    private func scalar(_ bound: [UInt8], _ leaf: Leaf, isMax: Bool) -> Scalar? {
        // A byte more, so that there is an address even for the empty string.
        (bound + [0]).withUnsafeBytes { bytes in
            bytes.baseAddress.flatMap { StatisticsReader.scalar($0, bound.count, leaf, isMax: isMax) }
        }
    }
}
