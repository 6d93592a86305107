// New tables: columns get their ids, and the first metadata file is written.

public import Catalogs
import Columns
public import Diagnostics
import Foundation
import Storage

extension IcebergFormat {
    private static let defaultVersion = 2

    public func create(_ table: NewTable) async throws(SQLError) -> ManagedDefinition {
        var properties = table.properties
        let version = try IcebergFormat.version(properties.removeValue(forKey: "format-version"))
        if properties["write.parquet.compression-codec"] == nil {
            properties["write.parquet.compression-codec"] = "zstd"
        }
        var fields: [IcebergField] = []
        var last = Int32(table.columns.count)
        for (index, column) in table.columns.enumerated() {
            fields.append(try IcebergFormat.field(column, id: Int32(index + 1), among: fields, last: &last))
            if DeclaredType.isNeeded(column.type) {
                properties[TableProperty.declaredType(of: column.name)] = column.type.name
            }
        }
        let schema = IcebergSchema(id: 0, fields: fields)
        let spec = try IcebergFormat.spec(table.partitioning, id: 0, over: schema, known: [], last: nil)
        let order = try IcebergFormat.sortOrder(table.sortOrder, over: schema)
        let uuid = UUID().uuidString.lowercased()
        let location = try place(table, uuid)
        if table.location != nil { properties[IcebergGarbage.ownsLocationKey] = "true" }
        var raw: JSONObject = [
            "format-version": .int(version), "table-uuid": .string(uuid), "location": .string(location),
        ]
        if version > 1 { raw["last-sequence-number"] = .int(0) }
        raw["last-updated-ms"] = .int(Int64(Date().timeIntervalSince1970 * 1000))
        raw["last-column-id"] = .int(Int64(last))
        raw["current-schema-id"] = .int(0)
        raw["schemas"] = .array([schema.json()])
        raw["default-spec-id"] = .int(0)
        raw["partition-specs"] = .array([spec.json])
        raw["last-partition-id"] = .int(
            Int64(spec.fields.map(\.fieldID).max() ?? PartitionSpec.firstFieldID - 1))
        raw["default-sort-order-id"] = .int(Int64(order.id))
        let unsorted = SortOrder(id: 0, fields: [])
        raw["sort-orders"] = .array(order.id == 0 ? [unsorted.json] : [unsorted.json, order.json])
        raw["properties"] = .object(JSONObject(properties))
        raw["snapshots"] = .array([])
        raw["refs"] = .object([:])
        raw["snapshot-log"] = .array([])
        raw["metadata-log"] = .array([])
        if version > 2 { raw["next-row-id"] = .int(0) }
        let made = try await MetadataFile.write(raw, after: nil, in: stores)
        keep(made)
        return made.definition(nil)
    }

    /// The folder of a table: as it was asked for, or one that no other table has.
    private func place(_ table: NewTable, _ uuid: String) throws(SQLError) -> String {
        if let location = table.location, !location.isEmpty {
            return location.count > 1 && location.hasSuffix("/") ? String(location.dropLast()) : location
        }
        guard !warehouse.isEmpty else {
            throw SQLError(.featureNotSupported, "no warehouse is configured for new tables")
        }
        let name = WriteLayout.escaped(table.name.name)
        return "\(warehouse)/\(WriteLayout.escaped(table.name.schema))/\(name)-\(uuid.prefix(8))"
    }

    static func version(_ text: String?) throws(SQLError) -> Int {
        guard let text else { return defaultVersion }
        guard let version = Int(text), (2...TableMetadata.versionMax).contains(version) else {
            throw SQLError(
                .invalidParameterValue, "invalid value for property \"format-version\": \"\(text)\"",
                detail: "Versions 2 and 3 are written.")
        }
        return version
    }

    /// A column of SQL as one of Iceberg; its parts get the ids after `last`.
    static func field(
        _ column: Field, id: Int32, among others: [IcebergField], last: inout Int32
    ) throws(SQLError) -> IcebergField {
        guard let type = IcebergType(storing: column.type, last: &last) else {
            throw SQLError(
                .featureNotSupported, "column \"\(column.name)\" of type \(column.type.name) cannot be stored",
                hint: "Cast it to another type, such as text.")
        }
        guard !column.name.isEmpty else { throw SQLError(.invalidName, "a column has no name") }
        guard !others.contains(where: { $0.name == column.name }) else {
            throw SQLError(.duplicateColumn, "column \"\(column.name)\" specified more than once")
        }
        return IcebergField(id: id, name: column.name, isRequired: !column.isNullable, type: type)
    }

    /// A partitioning by columns' names. Fields that other specs have too keep their ids.
    static func spec(
        _ partitioning: [PartitionField], id: Int32, over schema: IcebergSchema, known: [PartitionSpec], last: Int32?
    ) throws(SQLError) -> PartitionSpec {
        var next = last ?? PartitionSpec.firstFieldID - 1
        var fields: [SpecField] = []
        for field in partitioning {
            guard let source = schema.field(named: field.column) else {
                throw SQLError(.undefinedColumn, "column \"\(field.column)\" named in partition key does not exist")
            }
            let transform = Transform(field.transform)
            guard transform.applies(to: source.type) else {
                throw SQLError(
                    .invalidParameterValue,
                    "cannot partition by \(transform.name) of column \"\(source.name)\" of type \(source.type.name)")
            }
            let old = known.lazy.flatMap(\.fields).first { $0.sourceID == source.id && $0.transform == transform }
            var name = old?.name ?? transform.fieldName(source.name)
            func isTaken(_ name: String) -> Bool {
                fields.contains { $0.name == name }
                    || (transform != .identity && schema.field(named: name) != nil)
                    || known.contains { $0.fields.contains { $0.name == name && $0.fieldID != old?.fieldID } }
            }
            while isTaken(name) { name += "_" }
            guard !fields.contains(where: { $0.sourceID == source.id && $0.transform == transform }) else {
                throw SQLError(.invalidParameterValue, "column \"\(source.name)\" appears twice in partition key")
            }
            if old == nil { next &+= 1 }
            fields.append(
                SpecField(sourceID: source.id, fieldID: old?.fieldID ?? next, name: name, transform: transform))
        }
        return PartitionSpec(id: id, fields: fields)
    }

    static func sortOrder(_ keys: [TableSortKey], over schema: IcebergSchema) throws(SQLError) -> SortOrder {
        var fields: [SortField] = []
        for key in keys {
            guard let source = schema.field(named: key.column) else {
                throw SQLError(.undefinedColumn, "column \"\(key.column)\" named in sort order does not exist")
            }
            fields.append(
                SortField(
                    transform: .identity, sourceID: source.id, isDescending: key.isDescending,
                    nullsFirst: key.nullsFirst))
        }
        return SortOrder(id: fields.isEmpty ? 0 : 1, fields: fields)
    }
}
