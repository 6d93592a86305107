// Deletion vectors: the blob "deletion-vector-v1" and the Puffin files that hold it (puffin-spec.md, Roaring's portable
// serialisation).

import Diagnostics
import Formats

enum DeletionVector {
    private static let magic: UInt32 = 0x6439_d3d1
    private static let cookieNoRuns: UInt32 = 12346
    private static let cookieRuns: UInt32 = 12347
    /// Containers without runs have no offsets below this number when others have runs.
    private static let offsetsFrom = 4
    /// A larger blob is taken for damage.
    static let bytesMax: Int64 = 1 << 30

    // MARK: - Reading

    /// Reads a blob.
    static func decode(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> PositionSet {
        guard bytes.count >= 20 else { throw Malformed("a deletion vector is too short") }
        let length = Int(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        guard length >= 12, length <= bytes.count - 8 else {
            throw Malformed("a deletion vector has an invalid length")
        }
        let body = UnsafeRawBufferPointer(rebasing: bytes[4..<4 + length])
        let stored = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4 + length, as: UInt32.self))
        guard stored == Compression.checksum(body) else { throw Malformed("a deletion vector has a wrong checksum") }
        var reader = LittleReader(bytes: body)
        guard try reader.next(UInt32.self) == magic else { throw Malformed("a deletion vector has no magic number") }
        let bitmaps = try reader.next(UInt64.self)
        guard bitmaps <= UInt64(body.count / 8) else { throw Malformed("a deletion vector has too many bitmaps") }
        var set = PositionSet()
        var last: Int64 = -1
        for _ in 0..<bitmaps {
            let high = try reader.next(UInt32.self)
            guard Int64(high) > last, high < UInt32(Int32.max) else {
                throw Malformed("a deletion vector has bitmaps out of order")
            }
            last = Int64(high)
            try bitmap(&reader, UInt64(high) << 16, &set)
        }
        guard reader.left == 0 else { throw Malformed("a deletion vector has bytes after its bitmaps") }
        return set
    }

    private static func bitmap(
        _ reader: inout LittleReader, _ high: UInt64, _ set: inout PositionSet
    ) throws(Malformed) {
        let cookie = try reader.next(UInt32.self)
        var count = 0
        var runs: [UInt8] = []
        if cookie & 0xffff == cookieRuns {
            count = Int(cookie >> 16) + 1
            runs = try reader.bytes((count + 7) / 8)
        } else if cookie == cookieNoRuns {
            count = Int(try reader.next(UInt32.self))
        } else {
            throw Malformed("a deletion vector has a bitmap of an unknown form")
        }
        guard count <= 1 << 16 else { throw Malformed("a deletion vector has too many containers") }
        var heads: [(key: UInt16, count: Int)] = []
        for _ in 0..<count {
            let key = try reader.next(UInt16.self)
            if let before = heads.last, before.key >= key {
                throw Malformed("a deletion vector has containers out of order")
            }
            heads.append((key, Int(try reader.next(UInt16.self)) + 1))
        }
        if runs.isEmpty || count >= offsetsFrom { _ = try reader.bytes(4 * count) }
        for (index, head) in heads.enumerated() {
            var container = PositionSet.Container()
            if !runs.isEmpty, runs[index / 8] >> UInt8(index % 8) & 1 != 0 {
                for _ in 0..<(try reader.next(UInt16.self)) {
                    let start = try reader.next(UInt16.self)
                    let (end, overflow) = start.addingReportingOverflow(try reader.next(UInt16.self))
                    guard !overflow else { throw Malformed("a deletion vector has a run that is too long") }
                    container.insert(start...end)
                }
            } else if head.count > PositionSet.Container.arrayMax {
                container.bits.reserveCapacity(PositionSet.Container.words)
                for _ in 0..<PositionSet.Container.words {
                    let word = try reader.next(UInt64.self)
                    container.bits.append(word)
                    container.count += word.nonzeroBitCount
                }
            } else {
                for _ in 0..<head.count {
                    let low = try reader.next(UInt16.self)
                    if let before = container.array.last, before >= low {
                        throw Malformed("a deletion vector has positions out of order")
                    }
                    container.array.append(low)
                }
                container.count = head.count
            }
            guard container.count == head.count else {
                throw Malformed("a deletion vector has a container of the wrong size")
            }
            set.append(container, key: high | UInt64(head.key))
        }
    }

    // MARK: - Writing

    /// The blob of a set.
    static func encode(_ set: PositionSet) -> [UInt8] {
        var body: [UInt8] = []
        func add<T: FixedWidthInteger>(_ value: T, to out: inout [UInt8]) {
            withUnsafeBytes(of: value.littleEndian) { out.append(contentsOf: $0) }
        }
        var groups: [(high: UInt32, range: Range<Int>)] = []
        for (index, key) in set.keys.enumerated() {
            let high = UInt32(truncatingIfNeeded: key >> 16)
            if let last = groups.last, last.high == high {
                groups[groups.count - 1].range = last.range.lowerBound..<index + 1
            } else {
                groups.append((high, index..<index + 1))
            }
        }
        add(magic, to: &body)
        add(UInt64(groups.count), to: &body)
        for group in groups {
            add(group.high, to: &body)
            add(cookieNoRuns, to: &body)
            add(UInt32(group.range.count), to: &body)
            var offset = UInt32(8 + group.range.count * 8)
            var offsets: [UInt32] = []
            for index in group.range {
                let container = set.containers[index]
                add(UInt16(truncatingIfNeeded: set.keys[index]), to: &body)
                add(UInt16(truncatingIfNeeded: container.count - 1), to: &body)
                offsets.append(offset)
                offset += container.count > PositionSet.Container.arrayMax ? 8192 : UInt32(2 * container.count)
            }
            for offset in offsets { add(offset, to: &body) }
            for index in group.range {
                let container = set.containers[index]
                if container.count > PositionSet.Container.arrayMax {
                    for word in container.bits { add(word, to: &body) }
                } else {
                    container.forEach { add($0, to: &body) }
                }
            }
        }
        var blob: [UInt8] = []
        withUnsafeBytes(of: UInt32(body.count).bigEndian) { blob.append(contentsOf: $0) }
        blob += body
        let checksum = body.withUnsafeBytes { Compression.checksum($0) }
        withUnsafeBytes(of: checksum.bigEndian) { blob.append(contentsOf: $0) }
        return blob
    }
}

/// Little-endian numbers out of untrusted bytes.
private struct LittleReader {
    let bytes: UnsafeRawBufferPointer
    var at = 0

    var left: Int { bytes.count - at }

    mutating func next<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) throws(Malformed) -> T {
        guard left >= MemoryLayout<T>.size else { throw Malformed("a deletion vector ends too early") }
        defer { at += MemoryLayout<T>.size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: T.self))
    }

    mutating func bytes(_ count: Int) throws(Malformed) -> [UInt8] {
        guard count <= left else { throw Malformed("a deletion vector ends too early") }
        defer { at += count }
        return Array(bytes[at..<at + count])
    }
}

/// A Puffin file that is being made: blobs of deletion vectors.
struct PuffinWriter {
    private static let magic = Array("PFA1".utf8)

    private(set) var bytes: [UInt8] = PuffinWriter.magic
    private var blobs: [JSON] = []

    /// Adds a vector; returns where it is in the file.
    mutating func add(_ set: PositionSet, of dataFile: String) -> (offset: Int64, sizeBytes: Int64) {
        let blob = DeletionVector.encode(set)
        let offset = Int64(bytes.count)
        bytes += blob
        blobs.append(
            .object([
                "type": .string("deletion-vector-v1"), "fields": .array([.int(Int64(FieldIDs.deletePosition))]),
                "snapshot-id": .int(-1), "sequence-number": .int(-1), "offset": .int(offset),
                "length": .int(blob.count),
                "properties": .object([
                    "referenced-data-file": .string(dataFile), "cardinality": .string("\(set.count)"),
                ]),
            ]))
        return (offset, Int64(blob.count))
    }

    /// The whole file.
    mutating func finish() -> [UInt8] {
        let footer = JSON.object([
            "blobs": .array(blobs), "properties": .object(["created-by": .string("apus")]),
        ]).bytes
        bytes += PuffinWriter.magic + footer
        withUnsafeBytes(of: UInt32(footer.count).littleEndian) { bytes.append(contentsOf: $0) }
        bytes += [0, 0, 0, 0] + PuffinWriter.magic
        return bytes
    }
}
