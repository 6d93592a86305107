// Thrift's compact protocol, read from untrusted bytes: every length is checked against what is left.
// (Thrift specification, thrift-compact-protocol.md.)

import Columns

/// A cursor over compact-protocol bytes. The memory must outlive it.
struct ThriftReader {
    /// The wire types of fields and elements.
    enum Kind {
        static let yes: UInt8 = 1
        static let no: UInt8 = 2
        static let byte: UInt8 = 3
        static let int16: UInt8 = 4
        static let int32: UInt8 = 5
        static let int64: UInt8 = 6
        static let double: UInt8 = 7
        static let binary: UInt8 = 8
        static let list: UInt8 = 9
        static let set: UInt8 = 10
        static let map: UInt8 = 11
        static let structure: UInt8 = 12
        static let uuid: UInt8 = 13
    }

    /// A field header.
    struct Field {
        var id: Int32
        var kind: UInt8

        /// Whether this is the field of an id with a wire type; another type under the id means: not that field.
        func matches(_ id: Int32, _ kind: UInt8) -> Bool { self.id == id && self.kind == kind }
        func isInteger(_ id: Int32) -> Bool { self.id == id && kind >= Kind.byte && kind <= Kind.int64 }
        func isBool(_ id: Int32) -> Bool { self.id == id && (kind == Kind.yes || kind == Kind.no) }
    }

    /// Structures inside structures that are followed, also when skipping.
    private static let depthMax = 32

    let base: UnsafeRawPointer
    let count: Int
    private(set) var at: Int
    private var depth = 0

    init(_ base: UnsafeRawPointer, count: Int, at: Int = 0) {
        self.base = base
        self.count = count
        self.at = min(max(at, 0), count)
    }

    var remaining: Int { count - at }

    @inline(__always)
    mutating func byte() throws(Damage) -> UInt8 {
        guard at < count else { throw Damage("metadata ends too early") }
        let value = base.load(fromByteOffset: at, as: UInt8.self)
        at &+= 1
        return value
    }

    @inline(__always)
    mutating func varint() throws(Damage) -> UInt64 {
        let first = try byte()
        if first < 0x80 { return UInt64(first) }
        var value = UInt64(first & 0x7f)
        var shift: UInt64 = 7
        while shift < 64 {
            let next = try byte()
            value |= UInt64(next & 0x7f) &<< shift
            if next < 0x80 { return value }
            shift &+= 7
        }
        throw Damage("metadata holds a number of more than 64 bits")
    }

    @inline(__always)
    mutating func integer() throws(Damage) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// An integer field of any width.
    @inline(__always)
    mutating func integer(_ field: Field) throws(Damage) -> Int64 {
        field.kind == Kind.byte ? Int64(Int8(bitPattern: try byte())) : try integer()
    }

    mutating func int32(_ field: Field) throws(Damage) -> Int32 {
        guard let value = Int32(exactly: try integer(field)) else {
            throw Damage("metadata holds a number out of range")
        }
        return value
    }

    /// A byte string's place.
    @inline(__always)
    mutating func binary() throws(Damage) -> Range<Int> {
        let length = try varint()
        guard length <= UInt64(remaining) else { throw Damage("metadata ends within a string") }
        let start = at
        at &+= Int(length)
        return start..<at
    }

    mutating func string() throws(Damage) -> String {
        let range = try binary()
        let bytes = UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Goes on to the next field of a structure whose last field had the id `last`; nil at its end.
    @inline(__always)
    mutating func field(after last: inout Int32) throws(Damage) -> Field? {
        let header = try byte()
        if header == 0 { return nil }
        let step = Int32(header &>> 4)
        if step != 0 {
            last &+= step
        } else {
            guard let id = Int16(exactly: try integer()) else { throw Damage("metadata holds an invalid field id") }
            last = Int32(id)
        }
        return Field(id: last, kind: header & 0x0f)
    }

    /// A list's length and element type; every element takes a byte at least.
    mutating func list() throws(Damage) -> (count: Int, kind: UInt8) {
        let header = try byte()
        var length = UInt64(header &>> 4)
        if length == 15 { length = try varint() }
        guard length <= UInt64(remaining) else { throw Damage("metadata holds a list longer than itself") }
        return (Int(length), header & 0x0f)
    }

    /// Enters a list of structures.
    mutating func structures() throws(Damage) -> Int {
        let (count, kind) = try list()
        guard kind == Kind.structure || count == 0 else { throw Damage("metadata holds a list of the wrong type") }
        return count
    }

    mutating func skip(_ field: Field) throws(Damage) {
        // A boolean field carries its value in the header.
        if field.kind == Kind.yes || field.kind == Kind.no { return }
        try skip(kind: field.kind)
    }

    /// Passes over bytes that another reader takes.
    mutating func advance(_ bytes: Int) throws(Damage) { try skip(bytes: bytes) }

    private mutating func skip(bytes: Int) throws(Damage) {
        guard bytes <= remaining else { throw Damage("metadata ends too early") }
        at &+= bytes
    }

    /// Skips a list's element or a field's value.
    mutating func skip(kind: UInt8) throws(Damage) {
        switch kind {
        case Kind.yes, Kind.no, Kind.byte: try skip(bytes: 1)
        case Kind.int16, Kind.int32, Kind.int64: _ = try varint()
        case Kind.double: try skip(bytes: 8)
        case Kind.binary: _ = try binary()
        case Kind.uuid: try skip(bytes: 16)
        case Kind.list, Kind.set:
            let (count, element) = try list()
            try nested { reader throws(Damage) in
                for _ in 0..<count { try reader.skip(kind: element) }
            }
        case Kind.map:
            let count = try varint()
            guard count <= UInt64(remaining) else { throw Damage("metadata holds a map longer than itself") }
            guard count > 0 else { return }
            let kinds = try byte()
            try nested { reader throws(Damage) in
                for _ in 0..<count {
                    try reader.skip(kind: kinds &>> 4)
                    try reader.skip(kind: kinds & 0x0f)
                }
            }
        case Kind.structure:
            try nested { reader throws(Damage) in
                var last: Int32 = 0
                while let field = try reader.field(after: &last) { try reader.skip(field) }
            }
        default: throw Damage("metadata holds an unknown type")
        }
    }

    private mutating func nested(_ body: (inout ThriftReader) throws(Damage) -> Void) throws(Damage) {
        guard depth < ThriftReader.depthMax else { throw Damage("metadata is nested too deeply") }
        depth += 1
        try body(&self)
        depth -= 1
    }
}
