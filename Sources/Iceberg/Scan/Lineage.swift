// Row lineage of v3 tables: the columns in which writers keep it for rows that they move to another file.
// Specification, "Row Lineage" and "Reserved Field IDs".

import Columns

/// The reserved columns.
enum Lineage {
    static let rowID = IcebergField(id: 2_147_483_540, name: "_row_id", isRequired: false, type: .long)
    static let sequence = IcebergField(
        id: 2_147_483_539, name: "_last_updated_sequence_number", isRequired: false, type: .long)

    /// The columns of files whose rows were changed and keep their ids.
    static func withIDs(_ schema: IcebergSchema) -> IcebergSchema {
        var wide = schema
        wide.fields.append(rowID)
        return wide
    }

    /// The columns of files that take over all rows of others as they are: with lineage, where the rows have it.
    static func columns(of schema: IcebergSchema, _ metadata: TableMetadata, from files: [DataFile]) -> IcebergSchema {
        guard metadata.formatVersion > 2, files.allSatisfy({ $0.facts.firstRowID != nil }) else { return schema }
        var wide = schema
        wide.fields += [rowID, sequence]
        return wide
    }
}

extension ScanColumn {
    /// What a scan reads for a column of a file.
    init(_ field: IcebergField) {
        switch field.id {
        case Lineage.rowID.id: self = .rowID
        case Lineage.sequence.id: self = .sequenceNumber
        default: self = .field(field)
        }
    }
}
