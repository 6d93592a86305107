// How a column is stored: physical type, annotations, and the order of its statistics.
// (Parquet specification, LogicalTypes.md.)

import Columns
import Diagnostics

/// How an encoder keeps the values of a column until they are in a page.
enum StageForm {
    case bool
    /// INT32, FLOAT.
    case word32
    /// INT64, DOUBLE.
    case word64
    /// FIXED_LEN_BYTE_ARRAY of up to 16 bytes, as Int128.
    case word128
    case view
}

/// The order in which statistics compare.
enum BoundOrder {
    case signed, float, bytes
    /// Statistics are left out.
    case none
}

/// How the 16 bytes of a staged Int128 become those of the file.
enum FixedForm {
    /// Two's complement, the last `length` bytes.
    case decimal
    /// From the stored form of a UUID.
    case uuid
    /// The first `length` bytes as they are.
    case raw
}

/// A column of a file being written.
struct WriteLeaf: Sendable {
    var column: ParquetColumn
    var physical: PhysicalKind
    /// Bytes of a FIXED_LEN_BYTE_ARRAY value.
    var length = 0
    var stage: StageForm
    var order = BoundOrder.signed
    var fixed = FixedForm.decimal
    var logical: SchemaElement.Logical?
    var converted: Int32?
    /// The names that lead to it, and its levels.
    var path: [String] = []
    var definitionMax = 0
    var repetitionMax = 0
    /// Whether it lies inside another column.
    var isPart = false

    /// Bytes of a PLAIN value; 0 when it varies.
    var width: Int { physical.width(length: length) }

    /// Whether the values are text: bounds are cut between characters.
    var isText: Bool { stage == .view && column.type != .bytea }

    init(_ column: ParquetColumn) throws(SQLError) {
        switch column.type {
        case .boolean: self.init(column, .boolean, .bool)
        case .int2: self.init(column, .int32, .word32, .integer(bits: 16, isSigned: true), 16)
        case .int4: self.init(column, .int32, .word32)
        case .int8: self.init(column, .int64, .word64)
        case .float4: self.init(column, .float, .word32, order: .float)
        case .float8: self.init(column, .double, .word64, order: .float)
        case .date: self.init(column, .int32, .word32, .date, 6)
        case .time: self.init(column, .int64, .word64, .time(.micros))
        case .timestamp: self.init(column, .int64, .word64, .timestamp(.micros, isUTC: false))
        case .timestamptz: self.init(column, .int64, .word64, .timestamp(.micros, isUTC: true), 10)
        case .decimal(let precision, let scale):
            guard precision >= 1, precision <= SQLType.precisionMax, scale >= 0, scale <= precision else {
                throw WriteLeaf.unsupported(column)
            }
            let form = WriteLeaf.decimal(precision)
            self.init(column, form.physical, form.stage, .decimal(scale: scale, precision: precision), 5)
            length = form.length
        case .text, .varchar, .char, .unknown: self.init(column, .byteArray, .view, .string, 0, order: .bytes)
        case .json, .jsonb: self.init(column, .byteArray, .view, .json, 19, order: .bytes)
        case .bytea: self.init(column, .byteArray, .view, order: .bytes)
        case .uuid:
            self.init(column, .fixed, .word128, .uuid)
            (length, fixed) = (16, .uuid)
        case .interval:
            self.init(column, .fixed, .word128, nil, 21, order: .none)
            (length, fixed) = (12, .raw)
        case .numeric, .array, .row, .map, .system, .enumeration, .bit, .varbit: throw WriteLeaf.unsupported(column)
        }
    }

    private init(
        _ column: ParquetColumn, _ physical: PhysicalKind, _ stage: StageForm, _ logical: SchemaElement.Logical? = nil,
        _ converted: Int32? = nil, order: BoundOrder = .signed
    ) {
        self.column = column
        self.physical = physical
        self.stage = stage
        self.logical = logical
        self.converted = converted
        self.order = order
    }

    private static func decimal(_ precision: Int) -> (physical: PhysicalKind, stage: StageForm, length: Int) {
        if precision <= 9 { return (.int32, .word32, 0) }
        if precision <= 18 { return (.int64, .word64, 0) }
        let most = UInt128(DecimalMath.pow10(precision)) - 1
        let bits = 128 - most.leadingZeroBitCount + 1
        return (.fixed, .word128, (bits + 7) / 8)
    }

    private static func unsupported(_ column: ParquetColumn) -> SQLError {
        SQLError(
            .featureNotSupported,
            "column \"\(column.name)\" of type \(column.type.name) cannot be written to a Parquet file",
            hint: column.type == .numeric ? "Declare precision and scale, as in numeric(38,10)." : nil)
    }

    /// The reader's view of this column: its bounds are read back with it.
    func readLeaf(index: Int) -> Leaf? {
        var root = SchemaElement()
        root.children = 1
        guard let made = try? Leaf.columns(of: [root, element]),
            case .leaf(var leaf)? = made.nodes.first??.kind
        else { return nil }
        leaf.index = index
        return leaf
    }

    /// The node of the schema.
    var element: SchemaElement {
        var element = SchemaElement()
        element.name = column.name
        element.physical = physical
        element.length = length
        element.repetition = column.isNullable ? 1 : 0
        element.converted = converted
        element.id = column.id
        element.logical = logical
        if case .decimal(let precision, let scale) = column.type {
            element.precision = precision
            element.scale = scale
        }
        return element
    }

    // MARK: - Bounds

    /// Orders two bounds as they stand in the file.
    func compare(_ a: [UInt8], _ b: [UInt8]) -> Int {
        a.withUnsafeBytes { x in
            b.withUnsafeBytes { y in
                switch (order, physical) {
                case (.signed, .int32): order(x.loadUnaligned(as: Int32.self), y.loadUnaligned(as: Int32.self))
                case (.signed, .int64): order(x.loadUnaligned(as: Int64.self), y.loadUnaligned(as: Int64.self))
                case (.float, .float): order(x.loadUnaligned(as: Float.self), y.loadUnaligned(as: Float.self))
                case (.float, _): order(x.loadUnaligned(as: Double.self), y.loadUnaligned(as: Double.self))
                case (.signed, .fixed) where fixed == .decimal: bytes(x, y, flip: 0x80)
                default: bytes(x, y, flip: 0)
                }
            }
        }
    }

    private func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : (a == b ? 0 : 1) }

    /// Orders by unsigned bytes; `flip` turns the sign of the first.
    private func bytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, flip: UInt8) -> Int {
        for index in 0..<min(a.count, b.count) where a[index] != b[index] {
            let mask = index == 0 ? flip : 0
            return a[index] ^ mask < b[index] ^ mask ? -1 : 1
        }
        return a.count - b.count
    }
}

/// The least and the greatest value of a page or more, as PLAIN values.
struct Bounds: Equatable {
    var lower: [UInt8]
    var upper: [UInt8]
    var isLowerExact = true
    var isUpperExact = true

    /// Widens to hold others.
    mutating func add(_ other: Bounds, _ leaf: WriteLeaf) {
        let low = leaf.compare(other.lower, lower)
        if low < 0 {
            lower = other.lower
            isLowerExact = other.isLowerExact
        } else if low == 0 {
            isLowerExact = isLowerExact || other.isLowerExact
        }
        let high = leaf.compare(other.upper, upper)
        if high > 0 {
            upper = other.upper
            isUpperExact = other.isUpperExact
        } else if high == 0 {
            isUpperExact = isUpperExact || other.isUpperExact
        }
    }

    /// An upper bound that cannot be raised is kept whole up to so many bytes.
    private static let wholeMax = 4096

    /// Bounds of byte strings, cut to `most` bytes; nil when the upper one is too long and cannot be raised.
    static func cut(
        lower: UnsafeRawBufferPointer, upper: UnsafeRawBufferPointer, isText: Bool, most: Int
    ) -> Bounds? {
        var bounds = Bounds(lower: [], upper: [])
        if lower.count <= most {
            bounds.lower = Array(lower)
        } else {
            bounds.lower = Array(lower.prefix(isText ? edge(lower, most) : most))
            bounds.isLowerExact = false
        }
        if upper.count <= most {
            bounds.upper = Array(upper)
        } else {
            var kept = Array(upper.prefix(isText ? edge(upper, most) : most))
            if isText ? raiseText(&kept) : raise(&kept) {
                bounds.upper = kept
                bounds.isUpperExact = false
            } else if upper.count <= wholeMax {
                bounds.upper = Array(upper)
            } else {
                return nil
            }
        }
        return bounds
    }

    /// The last edge between characters up to `most` bytes.
    private static func edge(_ bytes: UnsafeRawBufferPointer, _ most: Int) -> Int {
        var at = most
        while at > 0, bytes[at] & 0xc0 == 0x80 { at -= 1 }
        return at
    }

    private static func raise(_ bytes: inout [UInt8]) -> Bool {
        while let last = bytes.popLast() {
            if last < 0xff {
                bytes.append(last + 1)
                return true
            }
        }
        return false
    }

    /// Raises the last character that can be raised; the order of UTF-8 is that of its characters.
    private static func raiseText(_ bytes: inout [UInt8]) -> Bool {
        guard let text = String(validating: bytes, as: UTF8.self) else { return raise(&bytes) }
        var scalars = Array(text.unicodeScalars)
        while let last = scalars.popLast() {
            let next = last.value == 0xd7ff ? 0xe000 : last.value + 1
            if let raised = Unicode.Scalar(next) {
                scalars.append(raised)
                var kept = String.UnicodeScalarView()
                kept.append(contentsOf: scalars)
                bytes = Array(String(kept).utf8)
                return true
            }
        }
        return false
    }
}
