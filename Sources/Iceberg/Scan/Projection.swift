// How the columns of a file become those of the table: by field id (specification, "Column Projection").

import Catalogs
import Columns
import Diagnostics
import Formats

/// A column that a scan reads.
enum ScanColumn: Sendable, Hashable {
    case field(IcebergField)
    /// A field inside a struct: the places of the fields on the way.
    case part(IcebergField, [Int])
    /// Hidden columns: the file's path and the row's number in it.
    case path, position
    /// Row lineage (specification, "Row Lineage"): what stays the row's own when it moves to another file, and the commit
    /// that changed it last.
    case rowID, sequenceNumber

    /// The hidden columns of a table, in the order of their indexes.
    static func hidden(_ metadata: TableMetadata) -> [(field: Field, column: ScanColumn)] {
        let places = zip(RowPlace.hiddenColumns, [ScanColumn.path, .position]).map { ($0, $1) }
        guard metadata.formatVersion > 2 else { return places }
        return places + [
            (Field("_row_id", .int8), .rowID), (Field("_last_updated_sequence_number", .int8), .sequenceNumber),
        ]
    }
}

/// A change of a column's type that keeps its bits, or of bytes to what they mean.
enum ColumnRepair: Sendable, Hashable {
    case none
    case retype(SQLType)
    /// Sixteen bytes that the file does not call a UUID.
    case uuid
    /// Numbers that begin elsewhere.
    case adding(Int64)
    /// What stands for NULL.
    case filling(Int64)
    /// Row ids that were written with the rows.
    case complete

    func apply(_ column: Column, file: String) throws(SQLError) -> Column {
        switch self {
        case .none: return column
        case .retype(let type): return column.type == type ? column : column.retyped(type)
        case .adding(let first):
            let flat = Flatten.flat(column)
            let values = Buffer(count: max(1, flat.count), of: Int64.self)
            let (from, to) = (flat.pointer(Int64.self), values.pointer(Int64.self))
            for row in 0..<flat.count { to[row] = from[row] &+ first }
            return Column(.int8, count: flat.count, values: values, validity: flat.validity)
        case .filling(let value):
            let flat = Flatten.flat(column)
            let values = Buffer(count: max(1, flat.count), of: Int64.self)
            let (from, to) = (flat.pointer(Int64.self), values.pointer(Int64.self))
            for row in 0..<flat.count { to[row] = flat.isValid(row) ? from[row] : value }
            return Column(.int8, count: flat.count, values: values)
        case .complete:
            for row in 0..<column.count where !column.isValid(row) {
                throw SQLError(
                    .featureNotSupported, "\"\(file)\" has ids for some rows and not for others",
                    hint: "Rows can be read without _row_id.")
            }
            return column
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
        _ wanted: [ScanColumn], in file: DataFile, changedBy sequence: Int64, _ footer: FileFooter
    ) throws(SQLError) -> FileProjection {
        var result = FileProjection()
        let places = places(footer)
        for column in wanted {
            switch column {
            case .path: result.add(.constant(.text(file.path)))
            case .position: result.add(FileColumn(.rowNumber, type: .int8))
            case .rowID, .sequenceNumber: add(lineage: column, places, file, sequence, &result)
            case .part(let field, let path):
                result.add(try part(of: field, path, places[field.id], file, footer))
            case .field(let field):
                if let place = places[field.id], field.type.isNested, footer.fields[place].unsupported == nil {
                    let shape = try shape(of: field, place, file, footer)
                    result.add(FileColumn(.nested(place, shape), type: field.sqlType))
                } else if let place = places[field.id] {
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
        if hasIDs(footer) {
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

    private func hasIDs(_ footer: FileFooter) -> Bool { footer.fields.contains { $0.id != nil } }

    private func shape(
        of field: IcebergField, _ place: Int, _ file: DataFile, _ footer: FileFooter
    ) throws(SQLError) -> FileShape {
        let names = hasIDs(footer) ? nil : metadata.nameMapping?.child(field.id)
        return try shape(of: field, in: footer.fields[place], file, names, usesNames: !hasIDs(footer))
    }

    /// A field inside a struct.
    private func part(
        of field: IcebergField, _ path: [Int], _ place: Int?, _ file: DataFile, _ footer: FileFooter
    ) throws(SQLError) -> FileColumn {
        let type = field.sqlType.field(at: path) ?? .unknown
        guard let place else { return .constant(.null(type)) }
        // A column that cannot be read is an error of its own when it is read.
        if footer.fields[place].unsupported != nil { return FileColumn(.file(place), type: .unknown) }
        var shape = try shape(of: field, place, file, footer)
        var places: [Int] = []
        for step in path {
            guard case .row(let parts) = shape, parts.indices.contains(step) else {
                return .constant(.null(type))
            }
            switch parts[step] {
            case .field(let index, let inner):
                places.append(index)
                shape = inner
            case .constant(let value):
                // NULL also where the struct is; no other value is.
                guard value.isNull else {
                    throw SQLError(
                        .featureNotSupported,
                        "reading a default inside column \"\(field.name)\" of \"\(file.path)\" is not supported")
                }
                return .constant(.null(type))
            }
        }
        return FileColumn(.nested(place, places.reversed().reduce(shape) { .field($1, $0) }), type: type)
    }

    /// How the parts of a nested column are found in a file: by their ids, or by their names where files have none.
    private func shape(
        of field: IcebergField, in found: FileField, _ file: DataFile, _ names: NameMapping?, usesNames: Bool
    ) throws(SQLError) -> FileShape {
        func part(_ index: Int, _ child: Int) throws(SQLError) -> FileShape {
            try shape(
                of: field.type.parts[index], in: found.children[child], file, names?.child(field.type.parts[index].id),
                usesNames: usesNames)
        }
        switch (field.type, found.type) {
        case (.row(let fields), .row):
            var parts: [FileShape.Part] = []
            for (index, field) in fields.enumerated() {
                let place = found.children.firstIndex { child in
                    guard usesNames else { return child.id == field.id }
                    return names.map { $0.id(of: child.name) == field.id } ?? (child.name == field.name)
                }
                if let place {
                    parts.append(.field(place, try part(index, place)))
                } else {
                    parts.append(.constant(try missing(field, file)))
                }
            }
            return .row(parts)
        case (.list, .array): return .list(try part(0, 0))
        case (.map, .map): return .map(key: try part(0, 0), value: try part(1, 1))
        default:
            guard !field.type.isNested, !found.type.isNested else { throw mismatch(field, found, file) }
            return .value
        }
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

    /// Files from before the table had lineage have none.
    private func add(
        lineage column: ScanColumn, _ places: [Int32: Int], _ file: DataFile, _ sequence: Int64,
        _ result: inout FileProjection
    ) {
        let isRowID = column == .rowID
        if let place = places[isRowID ? Lineage.rowID.id : Lineage.sequence.id] {
            return result.add(
                FileColumn(.file(place), type: .int8), isRowID ? .complete : .filling(sequence))
        }
        guard let first = file.facts.firstRowID else { return result.add(.constant(.null(.int8))) }
        if isRowID {
            result.add(FileColumn(.rowNumber, type: .int8), .adding(first))
        } else {
            result.add(.constant(.int8(sequence)))
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
