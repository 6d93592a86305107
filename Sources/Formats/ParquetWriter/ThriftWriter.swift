// Thrift's compact protocol, written. (Thrift specification, thrift-compact-protocol.md.)

/// Builds compact-protocol bytes. Fields must come in ascending order of their ids.
struct ThriftWriter {
    private typealias Kind = ThriftReader.Kind

    private(set) var bytes: [UInt8] = []
    private var last: Int32 = 0
    private var outer: [Int32] = []

    init() {}

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func zigzag(_ value: Int64) { varint(UInt64(bitPattern: value << 1 ^ value >> 63)) }

    private mutating func header(_ id: Int32, _ kind: UInt8) {
        let step = id - last
        if step > 0, step < 16 {
            bytes.append(UInt8(step) << 4 | kind)
        } else {
            bytes.append(kind)
            zigzag(Int64(id))
        }
        last = id
    }

    mutating func int16(_ id: Int32, _ value: Int16) {
        header(id, Kind.int16)
        zigzag(Int64(value))
    }

    mutating func int32(_ id: Int32, _ value: Int32) {
        header(id, Kind.int32)
        zigzag(Int64(value))
    }

    mutating func int64(_ id: Int32, _ value: Int64) {
        header(id, Kind.int64)
        zigzag(value)
    }

    mutating func byte(_ id: Int32, _ value: Int8) {
        header(id, Kind.byte)
        bytes.append(UInt8(bitPattern: value))
    }

    mutating func bool(_ id: Int32, _ value: Bool) { header(id, value ? Kind.yes : Kind.no) }

    mutating func binary(_ id: Int32, _ value: [UInt8]) {
        header(id, Kind.binary)
        element(value)
    }

    mutating func string(_ id: Int32, _ value: String) { binary(id, Array(value.utf8)) }

    /// Opens a structure that `end` closes.
    mutating func begin(_ id: Int32) {
        header(id, Kind.structure)
        beginElement()
    }

    mutating func end() {
        bytes.append(0)
        last = outer.popLast() ?? 0
    }

    /// A structure without fields, as unions have them.
    mutating func empty(_ id: Int32) {
        begin(id)
        end()
    }

    // MARK: - Lists

    /// Opens a list; as many elements have to follow.
    mutating func list(_ id: Int32, _ kind: UInt8, count: Int) {
        header(id, Kind.list)
        if count < 15 {
            bytes.append(UInt8(count) << 4 | kind)
        } else {
            bytes.append(0xf0 | kind)
            varint(UInt64(count))
        }
    }

    /// Opens a structure in a list.
    mutating func beginElement() {
        outer.append(last)
        last = 0
    }

    mutating func element(_ value: Int64) { zigzag(value) }
    mutating func element(_ value: Bool) { bytes.append(value ? Kind.yes : Kind.no) }
    mutating func element(_ value: [UInt8]) {
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// The end of the outermost structure.
    consuming func finish() -> [UInt8] {
        bytes.append(0)
        return bytes
    }
}
