// Appends values one by one: literals, small results, virtual tables, statistics. Kernels write buffers directly.
import Glibc

/// Grows a flat column.
public final class ColumnBuilder {
    public let type: SQLType
    public private(set) var count = 0
    private let physical: PhysicalType
    private var values: Buffer
    private var validity: [UInt64] = []
    private var nulls = 0
    private var heaps: [Buffer] = []
    private var heapUsed = 0
    private var children: ColumnBuilder?
    private var fields: [ColumnBuilder] = []

    /// Bytes of one string heap; a longer string gets a heap of its own.
    private static let heapBytes = 64 << 10

    public init(_ type: SQLType, capacity: Int = 16) {
        self.type = type
        physical = type.physical
        values = Buffer(bytes: max(1, capacity) * physical.stride)
        if let element = type.element { children = ColumnBuilder(element) }
        if let fields = type.rowFields { self.fields = fields.map { ColumnBuilder($0.type) } }
    }

    /// Appends NULL.
    public func appendNull() {
        reserve()
        memset(values.base + count * physical.stride, 0, physical.stride)
        nulls += 1
        advance(valid: false)
    }

    /// Appends a value of a trivial type whose size is the column's stride.
    public func append<T: BitwiseCopyable>(_ value: T) {
        precondition(MemoryLayout<T>.stride == physical.stride)
        reserve()
        (values.base + count * physical.stride).storeBytes(of: value, as: T.self)
        advance(valid: true)
    }

    /// Appends text or bytes, copied.
    public func append(bytes: UnsafeRawBufferPointer) {
        let view: StringView
        if let base = bytes.baseAddress, bytes.count > StringView.inlineMax {
            if heaps.isEmpty || heaps[heaps.count - 1].capacity - heapUsed < bytes.count {
                heaps.append(Buffer(bytes: max(ColumnBuilder.heapBytes, bytes.count)))
                heapUsed = 0
            }
            let target = heaps[heaps.count - 1].base + heapUsed
            memcpy(target, base, bytes.count)
            heapUsed += bytes.count
            view = StringView(target, bytes.count)
        } else if let base = bytes.baseAddress {
            view = StringView(base, bytes.count)
        } else {
            view = StringView(head: 0, tail: 0)
        }
        append(view)
    }

    /// Appends text, copied.
    public func append(_ text: String) {
        var copy = text
        copy.withUTF8 { append(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// Appends a scalar of this column's type, or NULL.
    public func append(_ scalar: Scalar) {
        guard isKept(scalar.value) else { return appendNull() }
        switch scalar.value {
        case .null: appendNull()
        case .bool(let value): append(UInt8(value ? 1 : 0))
        case .int(let value):
            switch physical {
            case .int16: append(Int16(truncatingIfNeeded: value))
            case .int32: append(Int32(truncatingIfNeeded: value))
            default: append(value)
            }
        case .double(let value):
            if physical == .float32 { append(Float(value)) } else { append(value) }
        case .int128(let value):
            if physical == .int64 { append(Int64(truncatingIfNeeded: value)) } else { append(value) }
        case .numeric(let mantissa, let scale): append(Numeric(mantissa, scale: scale))
        case .string(let text): append(text)
        case .bytes(let bytes): bytes.withUnsafeBytes { append(bytes: $0) }
        case .interval(let interval): append(interval)
        case .array(let elements):
            let start = children?.count ?? 0
            for element in elements { children?.append(element) }
            append(ListSpan(start: start, count: elements.count))
        case .row(let values):
            let place = fields.first?.count ?? 0
            for (index, field) in fields.enumerated() {
                if index < values.count { field.append(values[index]) } else { field.appendNull() }
            }
            append(Int32(truncatingIfNeeded: place))
        }
    }

    /// Whether a value has a form that this column stores: a wrong one must not end the process.
    private func isKept(_ value: Scalar.Value) -> Bool {
        switch value {
        case .null: true
        case .bool: physical == .bool
        case .int: physical == .int16 || physical == .int32 || physical == .int64
        case .double: physical == .float32 || physical == .float64
        case .int128: physical == .int64 || physical == .int128
        case .numeric: physical == .numeric
        case .string, .bytes: physical == .view
        case .interval: physical == .interval
        case .array: physical == .list
        case .row: physical == .row
        }
    }

    /// Returns the column; the builder must not be used afterwards.
    public func finish() -> Column {
        var bitmap: Buffer?
        if nulls > 0 {
            let made = Buffer(bytes: validity.count * 8)
            _ = validity.withUnsafeBytes { memcpy(made.base, $0.baseAddress.unsafelyUnwrapped, $0.count) }
            bitmap = made
        }
        return Column(
            type, count: count, values: values, validity: bitmap, heaps: heaps, child: children?.finish(),
            fields: fields.map { $0.finish() })
    }

    private func reserve() {
        let needed = (count + 1) * physical.stride
        guard needed > values.capacity else { return }
        let grown = Buffer(bytes: max(needed, values.capacity * 2))
        memcpy(grown.base, values.base, count * physical.stride)
        values = grown
    }

    private func advance(valid: Bool) {
        if count & 63 == 0 { validity.append(0) }
        if valid { validity[count >> 6] |= 1 << UInt64(count & 63) }
        count += 1
    }
}
