// The values of a JSON file: one a line, one behind the other, or the elements of one array. Hot.

public import Columns
public import Diagnostics
import Foundation
public import Storage

/// How values follow each other in a JSON file.
public enum JSONLayout: String, Sendable, Hashable {
    /// One value a line.
    case lines = "newline_delimited"
    /// The elements of an array.
    case array
    /// Values behind each other, over lines as they like.
    case unstructured
}

/// Some values.
public struct JSONRecords {
    /// Of the type json, each of them checked.
    public var column: Column
    public var rows: Int
    /// The line that each value begins at, from 1.
    public var lines: [Int]
}

/// Reads one JSON file, or a range of one with a value a line. One owner thread.
public final class JSONLineReader {
    private let blocks: TextBlocks
    private let layout: JSONLayout
    private let skipsWrong: Bool
    private var at = 0
    private var line = 1
    private var isBegun = false
    private var isOver = false
    /// For a range: lines that begin at or behind this place of the file belong to the next range.
    private let limit: Int64?
    private var dropsFirst: Bool

    /// `range`: the lines that begin in it, where the range is not the file. Lines are counted from its start then.
    public init(
        _ info: ObjectInfo, in store: any ObjectStore, packing: TextPacking, layout: JSONLayout, skipsWrong: Bool,
        range: Range<Int64>? = nil, metrics: StoreMetrics? = nil, stop: StopSignal? = nil
    ) throws(SQLError) {
        self.layout = layout
        self.skipsWrong = skipsWrong
        // A line that began before belongs to the range before, but not if it ended right before this one: the byte
        // before tells.
        var read: Range<Int64>?
        if let range {
            read = max(0, range.lowerBound - 1)..<info.sizeBytes
        }
        limit = range?.upperBound
        dropsFirst = (range?.lowerBound ?? 0) > 0
        blocks = TextBlocks(
            try TextInput(info, in: store, packing: packing, range: read, metrics: metrics, stop: stop))
    }

    /// How the values of a file follow each other, as its beginning shows.
    public static func layout(
        of info: ObjectInfo, in store: any ObjectStore, packing: TextPacking
    ) throws(SQLError) -> JSONLayout {
        let blocks = TextBlocks(try TextInput(info, in: store, packing: packing))
        _ = try blocks.refill(from: 0)
        let block = blocks.block
        var start = 0
        while start < block.count, block.base[start] <= 32 { start += 1 }
        guard start < block.count else { return .lines }
        let found = memchr(block.base + start, 10, block.count - start)
        let stop = found.map { UnsafeRawPointer($0) - UnsafeRawPointer(block.base) } ?? block.count
        let isValue =
            (try? JSONText.check(UnsafeRawBufferPointer(start: block.base + start, count: stop - start))) != nil
        guard block.base[start] == UInt8(ascii: "[") else {
            return isValue || (found == nil && block.count > start && !blocks.isAtEnd) ? .lines : .unstructured
        }
        // Arrays one a line, or one array of values.
        var rest = stop
        while rest < block.count, block.base[rest] <= 32 { rest += 1 }
        return isValue && rest < block.count ? .lines : .array
    }

    private var path: ObjectPath { blocks.input.path }

    private func wrong(_ what: String) -> SQLError {
        SQLError(
            .invalidTextRepresentation, "\(blocks.input.path): line \(line): \(what)",
            hint: "ignore_errors => true reads such a value as NULL.")
    }

    /// The next values; nil at the end.
    public func next(_ rowsMax: Int = Batch.rowsMax) throws(SQLError) -> JSONRecords? {
        let values = Buffer(count: rowsMax, of: StringView.self)
        let views = values.pointer(StringView.self)
        var lines: [Int] = []
        lines.reserveCapacity(rowsMax)
        var heaps: [Buffer] = []
        var validity: Buffer?
        var rows = 0
        while rows < rowsMax, let range = try find() {
            let block = blocks.block
            let raw = UnsafeRawBufferPointer(start: block.base + range.lowerBound, count: range.count)
            views[rows] = StringView(head: 0, tail: 0)
            do throws(SQLError) {
                try JSONText.check(raw)
                if heaps.last !== block.buffer { heaps.append(block.buffer) }
                if let start = raw.baseAddress { views[rows] = StringView(start, raw.count) }
            } catch {
                guard skipsWrong else {
                    throw SQLError(
                        .invalidTextRepresentation, "line \(line) of \"\(path)\" is not valid JSON",
                        detail: error.detail,
                        hint: "ignore_errors => true reads such a value as NULL.")
                }
                let bits = validity ?? Bitmap.make(rowsMax, all: true)
                validity = bits
                Bitmap.clear(bits.pointer(UInt64.self), rows)
            }
            lines.append(line)
            count(range)
            rows += 1
        }
        guard rows > 0 else { return nil }
        let column = Column(.json, count: rows, values: values, validity: validity, heaps: heaps)
        return JSONRecords(column: column, rows: rows, lines: lines)
    }

    /// Counts the line feeds of what is passed, and goes on behind it.
    private func count(_ range: Range<Int>) {
        countLines(range)
        at = range.upperBound
    }

    private func countLines(_ range: Range<Int>) {
        var place = range.lowerBound
        let base = blocks.block.base
        while place < range.upperBound, let found = memchr(base + place, 10, range.upperBound - place) {
            line += 1
            place = UnsafeRawPointer(found) - UnsafeRawPointer(base) + 1
        }
    }

    private func refill() throws(SQLError) -> Bool {
        // The last block stays as it is.
        if blocks.isAtEnd { return false }
        let start = at
        let isMore = try blocks.refill(from: start)
        at = 0
        return isMore
    }

    private func find() throws(SQLError) -> Range<Int>? {
        if isOver { return nil }
        return layout == .lines ? try findLine() : try findValue()
    }

    private func findLine() throws(SQLError) -> Range<Int>? {
        while true {
            let block = blocks.block
            let found = at < block.count ? memchr(block.base + at, 10, block.count - at) : nil
            let stop = found.map { UnsafeRawPointer($0) - UnsafeRawPointer(block.base) }
            guard let stop = stop ?? (blocks.isAtEnd && at < block.count ? block.count : nil) else {
                if try !refill(), blocks.isAtEnd, at >= blocks.block.count {
                    isOver = true
                    return nil
                }
                continue
            }
            if dropsFirst {
                dropsFirst = false
                at = min(block.count, stop + 1)
                continue
            }
            if let limit, blocks.offset + Int64(at) >= limit {
                isOver = true
                return nil
            }
            var (low, high) = (at, stop)
            while low < high, block.base[low] <= 32 { low += 1 }
            while high > low, block.base[high - 1] <= 32 { high -= 1 }
            guard low < high else {
                // A line without a value.
                count(at..<min(block.count, stop + 1))
                continue
            }
            return low..<high
        }
    }

    private func findValue() throws(SQLError) -> Range<Int>? {
        while true {
            let block = blocks.block
            var place = at
            while place < block.count, block.base[place] <= 32 { place += 1 }
            count(at..<place)
            guard place < block.count else {
                if try refill() { continue }
                if layout == .array, isBegun { throw wrong("the array is not closed") }
                isOver = true
                return nil
            }
            let byte = block.base[place]
            if layout == .array {
                if !isBegun {
                    guard byte == UInt8(ascii: "[") else { throw wrong("an array is expected") }
                    isBegun = true
                    at = place + 1
                    continue
                }
                if byte == UInt8(ascii: "]") {
                    isOver = true
                    return nil
                }
                if byte == UInt8(ascii: ",") {
                    at = place + 1
                    continue
                }
            }
            let scan = JSONScan(UnsafeRawBufferPointer(start: block.base, count: block.count))
            let stop = scan.skipValue(place)
            // The end of the block may cut the value.
            if stop >= block.count, !blocks.isAtEnd {
                _ = try refill()
                continue
            }
            guard stop > place else { throw wrong("a value is expected") }
            return place..<stop
        }
    }
}
