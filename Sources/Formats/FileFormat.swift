// What a scan of one file asks for, whatever its format: which columns, which rows, and what may be skipped.

public import Columns
public import Diagnostics
public import Storage

/// A top-level column of a file.
public struct FileField: Sendable, Hashable {
    public var name: String
    /// The SQL type of the values; `unknown` when the column cannot be read.
    public var type: SQLType
    public var isNullable: Bool
    /// The id that table formats give columns, if the file has one.
    public var id: Int32?
    /// Why the column cannot be read ("nested columns"); selecting it is 0A000.
    public var unsupported: String?
    /// The parts of a nested column: fields of a struct, the element of a list, key and value of a map.
    public var children: [FileField] = []

    public init(_ name: String, _ type: SQLType, isNullable: Bool, id: Int32? = nil, unsupported: String? = nil) {
        self.name = name
        self.type = type
        self.isNullable = isNullable
        self.id = id
        self.unsupported = unsupported
    }
}

/// What a file says about the values of one column in one row group (or page).
public struct ChunkStatistics: Sendable, Hashable {
    /// No value is less; nil: not known. Of the column's own type in the file.
    public var min: Scalar?
    /// No value but NaN is greater; nil: not known.
    public var max: Scalar?
    public var isMinExact: Bool
    public var isMaxExact: Bool
    public var nullCount: Int64?
    public var distinctCount: Int64?
    /// Whether NaN may be among the values although the bounds leave it out.
    public var mayHaveNaN: Bool

    public init(
        min: Scalar? = nil, max: Scalar? = nil, isMinExact: Bool = false, isMaxExact: Bool = false,
        nullCount: Int64? = nil, distinctCount: Int64? = nil, mayHaveNaN: Bool = false
    ) {
        self.min = min
        self.max = max
        self.isMinExact = isMinExact
        self.isMaxExact = isMaxExact
        self.nullCount = nullCount
        self.distinctCount = distinctCount
        self.mayHaveNaN = mayHaveNaN
    }

    /// Whether one of `rows` rows may lie in the domain.
    public func mayMatch(_ domain: ColumnDomain, rows: Int64) -> Bool {
        domain.mayMatch(min: min, max: max, nullCount: nullCount, rows: rows, mayHaveNaN: mayHaveNaN)
    }
}

/// How the parts of a nested column in a file become those of the type wanted.
public indirect enum FileShape: Sendable, Hashable {
    /// As it lies there: fields of structs are found by name, those that the file lacks are NULL.
    case named
    /// A value whose type was checked: its bits are taken for what is wanted.
    case value
    /// A field of a struct, by index; NULL where the struct is.
    case field(Int, FileShape)
    case row([Part])
    case list(FileShape)
    case map(key: FileShape, value: FileShape)

    /// Where a field of a struct comes from.
    public enum Part: Sendable, Hashable {
        /// A field of the file's struct, by index.
        case field(Int, FileShape)
        case constant(Scalar)
    }
}

/// One output column of a file scan.
public struct FileColumn: Sendable, Hashable {
    /// Where the values come from.
    public enum Origin: Sendable, Hashable {
        /// A top-level column of the file, by index.
        case file(Int)
        /// A nested top-level column of the file, by index, or a part of it.
        case nested(Int, FileShape)
        /// One value for all rows: a partition key, a file name, NULL for a column that the file lacks.
        case constant(Scalar)
        /// The row's number in the file, from 0: int8.
        case rowNumber
    }

    public var origin: Origin
    /// The type wanted: the file's or one that holds all its values (``SQLType/widens(to:)``).
    public var type: SQLType

    public init(_ origin: Origin, type: SQLType) {
        self.origin = origin
        self.type = type
    }

    /// One value for all rows.
    public static func constant(_ scalar: Scalar) -> FileColumn { FileColumn(.constant(scalar), type: scalar.type) }
}

/// A scan of some row groups of one file.
public struct FileScan: Sendable {
    public var store: any ObjectStore
    public var footer: FileFooter
    /// The output columns.
    public var columns: [FileColumn]
    /// The row groups to read, by index, in output order.
    public var rowGroups: [Int]
    /// What must hold, by output column: rows outside may be skipped (row groups, pages), but need not be.
    public var domains: [Int: ColumnDomain]
    /// More of that, found while the query runs; asked when each row group begins.
    public var dynamicDomains: (@Sendable () -> [Int: ColumnDomain])?
    /// Rows wanted at most.
    public var limit: Int?
    public var metrics: ScanMetrics
    /// Tells that nobody waits for the rows any more.
    public var stop: StopSignal?
    /// Whether this scan counts as an opened file: one of several scans of a file does.
    public var isFileCounted = true

    public init(
        _ footer: FileFooter, in store: any ObjectStore, columns: [FileColumn], rowGroups: [Int]? = nil,
        domains: [Int: ColumnDomain] = [:], dynamicDomains: (@Sendable () -> [Int: ColumnDomain])? = nil,
        limit: Int? = nil, metrics: ScanMetrics = ScanMetrics()
    ) {
        self.store = store
        self.footer = footer
        self.columns = columns
        self.rowGroups = rowGroups ?? Array(footer.rowGroups.indices)
        self.domains = domains
        self.dynamicDomains = dynamicDomains
        self.limit = limit
        self.metrics = metrics
    }
}

extension SQLType {
    /// Whether every value of this type can be read as a value of the other: without loss, but that long numbers become
    /// the nearest double. `isPrinting`: whether numbers and dates may become text, which nobody does without being told.
    public func widens(to target: SQLType, isPrinting: Bool = true) -> Bool {
        if self == target { return true }
        switch (self, target) {
        case (.array(let element), .array(let wider)): return element.widens(to: wider, isPrinting: isPrinting)
        case (.map(let key, let value), .map(let widerKey, let widerValue)):
            return key.widens(to: widerKey, isPrinting: isPrinting)
                && value.widens(to: widerValue, isPrinting: isPrinting)
        case (.row(let fields), .row(let wanted)):
            return wanted.allSatisfy { field in
                fields.place(of: field.name).map {
                    fields[$0].type.widens(to: field.type, isPrinting: isPrinting)
                } ?? true
            }
        case (.int2, .int4), (.int2, .int8), (.int4, .int8), (.float4, .float8), (.date, .timestamp): return true
        case (.int2, .float4), (.int2, .float8), (.int4, .float8), (.int8, .float8), (.decimal, .float8): return true
        case (.int2, .numeric), (.int4, .numeric), (.int8, .numeric), (.decimal, .numeric): return true
        case (.int2, .decimal(let precision, let scale)): return precision - scale >= 5
        case (.int4, .decimal(let precision, let scale)): return precision - scale >= 10
        case (.int8, .decimal(let precision, let scale)): return precision - scale >= 19
        case (.decimal(let precision, let scale), .decimal(let wider, let longer)):
            return longer >= scale && wider - longer >= precision - scale
        case (.text, .varchar(nil)), (.varchar, .text), (.varchar, .varchar(nil)), (.text, .bytea): return true
        // Writers without annotations leave text as bytes; it is checked to be UTF-8 as it is read.
        case (.bytea, .text), (.bytea, .varchar(nil)): return true
        case (.json, .text), (.json, .varchar(nil)): return true
        case (_, .text), (_, .varchar(nil)): return isPrinting && isPrinted
        default: return false
        }
    }

    /// Whether values become text as SQL prints them, the same in every session.
    var isPrinted: Bool {
        switch self {
        case .boolean, .int2, .int4, .int8, .float4, .float8, .decimal, .date, .time, .timestamp, .uuid: true
        default: false
        }
    }
}
