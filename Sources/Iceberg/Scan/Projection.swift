// How the columns of a file become those of the table: by field id (specification, "Column Projection").

import Columns
import Diagnostics
import Formats

/// A column that a scan reads.
enum ScanColumn: Sendable, Hashable {
    case field(IcebergField)
    /// Hidden columns: the file's path and the row's number in it.
    case path, position
}

/// A change of a column's type that keeps its bits, or of bytes to what they mean.
enum ColumnRepair: Sendable, Hashable {
    case none
    case retype(SQLType)
    /// Sixteen bytes that the file does not call a UUID.
    case uuid

    func apply(_ column: Column, file: String) throws(SQLError) -> Column {
        switch self {
        case .none: return column
        case .retype(let type): return column.type == type ? column : column.retyped(type)
        case .uuid:
            let flat = Flatten.flat(column)
            let values = Buffer(count: max(1, flat.count), of: Int128.self)
            let (from, to) = (flat.pointer(StringView.self), values.pointer(Int128.self))
            for row in 0..<flat.count {
                guard flat.isValid(row) else {
                    to[row] = 0
                    continue
                }
                guard from[row].count == 16 else {
                    throw SQLError(.dataCorrupted, "a UUID in \"\(file)\" has \(from[row].count) bytes")
                }
                to[row] = from[row].withBytes { bytes in
                    UUIDBits.stored(UInt128(bigEndian: bytes.loadUnaligned(as: UInt128.self)))
                }
            }
            return Column(.uuid, count: flat.count, values: values, validity: flat.validity)
        }
    }
}

/// Where the columns of a scan are in one file.
struct FileProjection: Sendable {
    var columns: [FileColumn] = []
    var repairs: [ColumnRepair] = []
    var hasRepairs: Bool { repairs.contains { $0 != .none } }
}

/// Resolves columns in files.
struct Projection: Sendable {
    let metadata: TableMetadata

    func resolve(
        _ wanted: [ScanColumn], in file: DataFile, _ footer: FileFooter
    ) throws(SQLError) -> FileProjection {
        var result = FileProjection()
        let places = places(footer)
        for column in wanted {
            switch column {
            case .path: result.add(.constant(.text(file.path)))
            case .position: result.add(FileColumn(.rowNumber, type: .int8))
            case .field(let field):
                if let place = places[field.id] {
                    try add(field, footer.fields[place], place, file, &result)
                } else {
                    result.add(.constant(try missing(field, file)))
                }
            }
        }
        return result
    }

    /// The columns of a file by field id.
    private func places(_ footer: FileFooter) -> [Int32: Int] {
        var places: [Int32: Int] = [:]
        if footer.fields.contains(where: { $0.id != nil }) {
            for (index, field) in footer.fields.enumerated() {
                if let id = field.id { places[id] = index }
            }
            return places
        }
        // Files that were written for something else: by the table's mapping, or by name if there is none.
        for (index, field) in footer.fields.enumerated() {
            let id =
                metadata.nameMapping.map { $0.id(of: field.name) }
                ?? metadata.currentSchema.field(named: field.name)?.id
            if let id { places[id] = index }
        }
        return places
    }

    private func add(
        _ field: IcebergField, _ found: FileField, _ place: Int, _ file: DataFile, _ result: inout FileProjection
    ) throws(SQLError) {
        let wanted = field.sqlType
        // A column that cannot be read is an error of its own when it is read.
        if found.unsupported != nil { return result.add(FileColumn(.file(place), type: found.type)) }
        switch (found.type, wanted) {
        case (.bytea, .uuid):
            result.add(FileColumn(.file(place), type: .bytea), .uuid)
        // Whether a timestamp is in UTC was not said in old files.
        case (.timestamp, .timestamptz), (.timestamptz, .timestamp):
            result.add(FileColumn(.file(place), type: found.type), .retype(wanted))
        case (_, .varchar), (_, .char), (_, .json), (_, .jsonb):
            guard found.type.widens(to: .text) else { throw mismatch(field, found, file) }
            result.add(FileColumn(.file(place), type: .text), .retype(wanted))
        default:
            guard found.type.widens(to: wanted) else { throw mismatch(field, found, file) }
            result.add(FileColumn(.file(place), type: wanted))
        }
    }

    private func mismatch(_ field: IcebergField, _ found: FileField, _ file: DataFile) -> SQLError {
        SQLError(
            .datatypeMismatch,
            "column \"\(field.name)\" is of type \(found.type.name) in \"\(file.path)\" but of type "
                + "\(field.sqlType.name) in the table")
    }

    /// The value of a column that a file lacks.
    private func missing(_ field: IcebergField, _ file: DataFile) throws(SQLError) -> Scalar {
        let type = field.sqlType
        if let spec = metadata.specs[file.specID],
            let place = spec.fields.firstIndex(where: { $0.sourceID == field.id && $0.transform == .identity }),
            place < file.partition.count, !field.type.isNanos
        {
            let value = file.partition[place]
            return Scalar(type, value.value)
        }
        if let json = field.initialDefault {
            guard let value = SingleValue.decode(json, field.type) else {
                throw SQLError(
                    .dataCorrupted, "the default of column \"\(field.name)\" is no value of type \(field.type.name)")
            }
            return Scalar(type, value.value)
        }
        return .null(type)
    }
}

extension FileProjection {
    mutating func add(_ column: FileColumn, _ repair: ColumnRepair = .none) {
        columns.append(column)
        repairs.append(repair)
    }
}
