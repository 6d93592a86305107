// A column vector: the values of one column for the rows of a batch. Hot.

/// Values of one type. Immutable once made; shared freely between batches.
public final class Column: @unchecked Sendable {
    // Sendable: nothing changes after init.

    /// How the values are laid out.
    public enum Layout: UInt8, Sendable {
        /// One value a row.
        case flat
        /// One value (row 0) for all rows.
        case constant
        /// A code a row into ``Column/dictionary``.
        case dictionary
    }

    public let type: SQLType
    public let physical: PhysicalType
    public let layout: Layout
    /// Rows.
    public let count: Int
    /// Flat and constant: values. Dictionary: Int32 codes; the code of a NULL row is valid memory, but meaningless.
    public let values: Buffer
    /// One bit a row (constant: one bit), 1 = not NULL; nil when no row is NULL.
    public let validity: Buffer?
    /// The flat column that the codes point into. Its own entries are never NULL.
    public let dictionary: Column?
    /// Memory that string views point into.
    public let heaps: [Buffer]
    /// The elements of a list column, flat.
    public let child: Column?
    /// The columns of a struct's fields, flat; a row's value says where in them its own are.
    public let fields: [Column]

    /// Makes a flat column.
    public init(
        _ type: SQLType, count: Int, values: Buffer, validity: Buffer? = nil, heaps: [Buffer] = [],
        child: Column? = nil, fields: [Column] = []
    ) {
        self.type = type
        physical = type.physical
        layout = .flat
        self.count = count
        self.values = values
        self.validity = validity
        dictionary = nil
        self.heaps = heaps
        self.child = child
        self.fields = fields
    }

    /// Makes a column of Int32 codes into a flat dictionary without NULLs.
    public init(codes: Buffer, count: Int, validity: Buffer? = nil, dictionary: Column) {
        precondition(dictionary.layout == .flat && dictionary.validity == nil)
        type = dictionary.type
        physical = dictionary.physical
        layout = .dictionary
        self.count = count
        values = codes
        self.validity = validity
        self.dictionary = dictionary
        heaps = []
        child = dictionary.child
        fields = dictionary.fields
    }

    private init(_ type: SQLType, layout: Layout, of other: Column, count: Int) {
        self.type = type
        physical = other.physical
        self.layout = layout
        self.count = count
        values = other.values
        validity = other.validity
        dictionary = other.dictionary.map { $0.type == type ? $0 : $0.retyped(type) }
        heaps = other.heaps
        child = other.child
        fields = other.fields
    }

    /// Repeats row 0 of a flat column for a number of rows.
    public static func constant(_ one: Column, count: Int) -> Column {
        precondition(one.layout != .dictionary && one.count >= 1)
        return Column(one.type, layout: .constant, of: one, count: count)
    }

    /// Makes a column of one repeated value.
    public static func constant(_ scalar: Scalar, count: Int) -> Column {
        let builder = ColumnBuilder(scalar.type, capacity: 1)
        builder.append(scalar)
        return constant(builder.finish(), count: count)
    }

    /// The same values under another type of the same physical form.
    public func retyped(_ type: SQLType) -> Column {
        precondition(type.physical == physical)
        return Column(type, layout: layout, of: self, count: count)
    }

    /// Whether row i is not NULL, whatever the layout. Not for loops over rows.
    public func isValid(_ row: Int) -> Bool {
        guard let validity else { return true }
        return Bitmap.get(validity.pointer(UInt64.self), layout == .constant ? 0 : row)
    }

    /// The index into the storage (the dictionary's, for codes) for a row, whatever the layout.
    public func slot(_ row: Int) -> Int {
        switch layout {
        case .flat: row
        case .constant: 0
        case .dictionary: Int(values.pointer(Int32.self)[row])
        }
    }

    /// The column that holds the values: the dictionary for codes, else this one.
    public var storage: Column { dictionary ?? self }

    /// Values as a typed pointer: flat and constant only.
    @inlinable @inline(__always)
    public func pointer<T>(_ type: T.Type) -> UnsafePointer<T> { UnsafePointer(values.pointer(type)) }

    /// Codes of a dictionary column.
    @inlinable @inline(__always)
    public var codes: UnsafePointer<Int32> { UnsafePointer(values.pointer(Int32.self)) }

    /// The validity words, nil when all rows are valid. Constant columns have one bit only.
    @inlinable @inline(__always)
    public var validityWords: UnsafePointer<UInt64>? { validity.map { UnsafePointer($0.pointer(UInt64.self)) } }

    /// Whether every row is NULL because the column is a NULL constant.
    public var isNullConstant: Bool { layout == .constant && !isValid(0) }

    /// Memory held by this column, in bytes; shared parts count fully.
    public var sizeBytes: Int {
        var total = values.capacity + (validity?.capacity ?? 0)
        for heap in heaps { total += heap.capacity }
        if let dictionary { total += dictionary.sizeBytes }
        if let child { total += child.sizeBytes }
        for field in fields { total += field.sizeBytes }
        return total
    }
}
