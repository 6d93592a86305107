// The page index: where the pages of a chunk are and what values they hold.
// (Parquet specification, PageIndex.md.)

import Columns

/// A data page of a chunk.
struct PageLocation {
    var offset: Int64
    /// With the header.
    var bytes: Int32
    /// Its first row in the row group.
    var firstRow: Int
}

enum PageIndex {
    private typealias Kind = ThriftReader.Kind

    /// Reads an OffsetIndex whose pages must lie in `range` and cover `rows` rows in order.
    static func locations(
        _ base: UnsafeRawPointer, _ count: Int, range: Range<Int64>, rows: Int
    ) throws(Damage) -> [PageLocation] {
        var reader = ThriftReader(base, count: count)
        var last: Int32 = 0
        var pages: [PageLocation] = []
        while let field = try reader.field(after: &last) {
            guard field.matches(1, Kind.list) else {
                try reader.skip(field)
                continue
            }
            let count = try reader.structures()
            pages.reserveCapacity(count)
            for _ in 0..<count { pages.append(try location(&reader)) }
        }
        var row = 0
        var end = range.lowerBound
        for (index, page) in pages.enumerated() {
            guard page.offset >= end, page.bytes > 0, page.offset <= range.upperBound - Int64(page.bytes),
                index == 0 ? page.firstRow == 0 : page.firstRow > row, page.firstRow < rows
            else { throw Damage("the offset index is not in order") }
            end = page.offset + Int64(page.bytes)
            row = page.firstRow
        }
        return pages
    }

    private static func location(_ reader: inout ThriftReader) throws(Damage) -> PageLocation {
        var page = PageLocation(offset: 0, bytes: 0, firstRow: 0)
        var last: Int32 = 0
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Kind.int64): page.offset = try reader.integer()
            case (2, Kind.int32): page.bytes = try reader.int32(field)
            case (3, Kind.int64): page.firstRow = Int(truncatingIfNeeded: try reader.integer())
            default: try reader.skip(field)
            }
        }
        return page
    }

    /// Reads a ColumnIndex; one entry for every page, or nothing.
    static func statistics(
        _ base: UnsafeRawPointer, _ count: Int, _ leaf: Leaf, pages: [PageLocation], rows: Int
    ) throws(Damage) -> [ChunkStatistics]? {
        var reader = ThriftReader(base, count: count)
        var last: Int32 = 0
        var isNull: [Bool] = []
        var mins: [Range<Int>] = []
        var maxs: [Range<Int>] = []
        var nullCounts: [Int64] = []
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Kind.list):
                let (count, _) = try reader.list()
                for _ in 0..<count { isNull.append(try reader.byte() == Kind.yes) }
            case (2, Kind.list): mins = try binaries(&reader)
            case (3, Kind.list): maxs = try binaries(&reader)
            case (5, Kind.list):
                let (count, kind) = try reader.list()
                guard kind == Kind.int64 || count == 0 else { throw Damage("the column index has wrong types") }
                for _ in 0..<count { nullCounts.append(try reader.integer()) }
            default: try reader.skip(field)
            }
        }
        let n = pages.count
        guard isNull.count == n, mins.count == n, maxs.count == n else { return nil }
        var result: [ChunkStatistics] = []
        result.reserveCapacity(n)
        for page in 0..<n {
            var entry = ChunkStatistics()
            if nullCounts.count == n, nullCounts[page] >= 0 { entry.nullCount = nullCounts[page] }
            if isNull[page] {
                entry.nullCount = Int64((page + 1 < n ? pages[page + 1].firstRow : rows) - pages[page].firstRow)
            } else {
                StatisticsReader.set(&entry, min: mins[page], max: maxs[page], in: base, leaf)
            }
            result.append(entry)
        }
        return result
    }

    private static func binaries(_ reader: inout ThriftReader) throws(Damage) -> [Range<Int>] {
        let (count, kind) = try reader.list()
        guard kind == Kind.binary || count == 0 else { throw Damage("the column index has wrong types") }
        var result: [Range<Int>] = []
        result.reserveCapacity(count)
        for _ in 0..<count { result.append(try reader.binary()) }
        return result
    }
}

/// Ascending, disjoint ranges of rows.
struct RowRanges {
    private(set) var ranges: [Range<Int>]

    /// All of some rows.
    init(all rows: Int) { ranges = rows > 0 ? [0..<rows] : [] }

    init(_ ranges: [Range<Int>]) { self.ranges = ranges }

    var isEmpty: Bool { ranges.isEmpty }
    var count: Int { ranges.reduce(0) { $0 + $1.count } }

    /// The rows in both.
    func intersect(_ other: RowRanges) -> RowRanges {
        var result: [Range<Int>] = []
        var (a, b) = (0, 0)
        while a < ranges.count, b < other.ranges.count {
            let low = max(ranges[a].lowerBound, other.ranges[b].lowerBound)
            let high = min(ranges[a].upperBound, other.ranges[b].upperBound)
            if low < high { result.append(low..<high) }
            if ranges[a].upperBound < other.ranges[b].upperBound { a += 1 } else { b += 1 }
        }
        return RowRanges(result)
    }

    /// Whether some row lies in a range.
    func overlaps(_ range: Range<Int>) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= range.lowerBound { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound < range.upperBound
    }

    /// Adds rows behind the last.
    mutating func append(_ range: Range<Int>) {
        if let last = ranges.last, last.upperBound == range.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
        } else if !range.isEmpty {
            ranges.append(range)
        }
    }
}
