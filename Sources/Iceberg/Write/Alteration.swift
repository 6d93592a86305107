// ALTER TABLE: new schemas, specs and properties over the metadata as it stands.

public import Catalogs
import Columns
public import Diagnostics
import Foundation
import Storage

extension IcebergFormat {
    public func alter(
        _ definition: ManagedDefinition, named name: TableName, _ changes: [TableAlteration]
    ) async throws(SQLError) -> ManagedDefinition {
        let metadata = try await state(of: definition)
        var alteration = Alteration(metadata, name: name.name)
        for change in changes { try alteration.apply(change) }
        let raw = try alteration.finish()
        if raw == metadata.raw { return definition }
        let made = try await MetadataFile.write(raw, after: metadata, in: stores)
        keep(made)
        return made.definition(made.currentSnapshot)
    }
}

/// Metadata while it is altered.
struct Alteration {
    private let metadata: TableMetadata
    private let name: String
    private var schema: IcebergSchema
    private var lastColumnID: Int32
    private var lastPartitionID: Int32
    private var specs: [PartitionSpec]
    private var spec: PartitionSpec
    private var properties: [String: String]
    private var version: Int
    private var expiry: SnapshotExpiry?

    init(_ metadata: TableMetadata, name: String) {
        self.metadata = metadata
        self.name = name
        schema = metadata.currentSchema
        lastColumnID = metadata.lastColumnID
        lastPartitionID = metadata.lastPartitionID
        specs = metadata.specs.values.sorted { $0.id < $1.id }
        spec = metadata.defaultSpec
        properties = metadata.properties
        version = metadata.formatVersion
    }

    private var hasRows: Bool {
        guard let snapshot = metadata.currentSnapshot else { return false }
        return snapshot.summary["total-records"] != "0"
    }

    private func place(_ column: String) throws(SQLError) -> Int {
        guard let place = schema.fields.firstIndex(where: { $0.name == column }) else {
            throw SQLError(.undefinedColumn, "column \"\(column)\" of relation \"\(name)\" does not exist")
        }
        return place
    }

    mutating func apply(_ change: TableAlteration) throws(SQLError) {
        switch change {
        case .addColumn(let field): try add(field)
        case .dropColumn(let column): try drop(column)
        case .renameColumn(let old, let new): try rename(old, new)
        case .setType(let column, let type): try retype(column, type)
        case .dropNotNull(let column): schema.fields[try place(column)].isRequired = false
        case .setPartitioning(let fields): try partition(fields)
        case .setProperty(let key, let value):
            guard key == "format-version" else {
                properties[key] = value
                return
            }
            let wanted = try IcebergFormat.version(value)
            guard wanted >= version else {
                throw SQLError(.featureNotSupported, "table \"\(name)\" has format version \(version) already")
            }
            version = wanted
        case .removeProperty(let key): properties[key] = nil
        case .expireSnapshots(let expiry): self.expiry = expiry
        }
    }

    // MARK: - Columns

    private mutating func add(_ column: Field) throws(SQLError) {
        guard schema.field(named: column.name) == nil else {
            throw SQLError(.duplicateColumn, "column \"\(column.name)\" of relation \"\(name)\" already exists")
        }
        if !column.isNullable, hasRows {
            throw SQLError(
                .notNullViolation, "column \"\(column.name)\" of relation \"\(name)\" contains null values",
                hint: "Add the column without NOT NULL.")
        }
        lastColumnID &+= 1
        let id = lastColumnID
        schema.fields.append(try IcebergFormat.field(column, id: id, among: [], last: &lastColumnID))
        if DeclaredType.isNeeded(column.type) {
            properties[TableProperty.declaredType(of: column.name)] = column.type.name
        }
    }

    private mutating func drop(_ column: String) throws(SQLError) {
        let place = try place(column)
        let id = schema.fields[place].id
        let isKey = spec.fields.contains { $0.sourceID == id && $0.transform != .void }
        let isSorted = metadata.sortOrders[metadata.defaultSortOrderID]?.fields.contains { $0.sourceID == id } ?? false
        if isKey || isSorted {
            throw SQLError(
                SQLState("2BP01"),
                "cannot drop column \"\(column)\" of relation \"\(name)\" because the table is "
                    + (isKey ? "partitioned" : "sorted") + " by it",
                hint: isKey ? "Change the partitioning first." : nil)
        }
        schema.fields.remove(at: place)
        guard !schema.fields.isEmpty else {
            throw SQLError(.featureNotSupported, "cannot drop the only column of relation \"\(name)\"")
        }
        schema.identifierIDs.removeAll { $0 == id }
        move(of: column, to: nil)
    }

    private mutating func rename(_ old: String, _ new: String) throws(SQLError) {
        let place = try place(old)
        guard old != new else { return }
        guard schema.field(named: new) == nil else {
            throw SQLError(.duplicateColumn, "column \"\(new)\" of relation \"\(name)\" already exists")
        }
        guard !new.isEmpty else { throw SQLError(.invalidName, "a column needs a name") }
        schema.fields[place].name = new
        move(of: old, to: new)
        map(schema.fields[place].id, new)
    }

    /// Properties that are about a column go with it.
    private mutating func move(of old: String, to new: String?) {
        let names: [(String) -> String] = [
            TableProperty.defaultValue(of:), TableProperty.comment(on:), TableProperty.declaredType(of:),
        ]
        for key in names {
            guard let value = properties.removeValue(forKey: key(old)) else { continue }
            if let new { properties[key(new)] = value }
        }
    }

    /// Files without ids have the column under its old names; the new one may come too.
    private mutating func map(_ id: Int32, _ new: String) {
        guard let text = properties[NameMapping.property], let mapping = try? JSON(parsing: text),
            let list = mapping.asArray
        else { return }
        properties[NameMapping.property] =
            JSON.array(
                list.map { entry in
                    guard entry["field-id"]?.asInt32 == id, var object = entry.asObject else { return entry }
                    let names = entry["names"]?.asArray ?? []
                    if !names.contains(.string(new)) { object["names"] = .array(names + [.string(new)]) }
                    return .object(object)
                }
            ).text
    }

    private mutating func retype(_ column: String, _ type: SQLType) throws(SQLError) {
        let place = try place(column)
        let old = schema.fields[place].type
        func refused() -> SQLError {
            SQLError(
                .featureNotSupported,
                "cannot change column \"\(column)\" from type \(schema.fields[place].sqlType.name) to \(type.name)",
                hint: "Only widening is possible: integer to bigint, real to double precision, more digits of numeric.")
        }
        guard let target = IcebergType(storing: type), old.promotes(to: target, version: version) else {
            throw refused()
        }
        if case .timestamp = target, old == .date,
            spec.fields.contains(where: { $0.sourceID == schema.fields[place].id })
        {
            throw refused()
        }
        if old == .string {
            // Longer is wider; shorter would need a look at all rows.
            if !Alteration.isWider(type, than: schema.fields[place].sqlType) { throw refused() }
            properties[TableProperty.declaredType(of: column)] = DeclaredType.isNeeded(type) ? type.name : nil
        }
        schema.fields[place].type = target
        schema.fields[place].sqlType = type
    }

    private static func isWider(_ new: SQLType, than old: SQLType) -> Bool {
        switch (old, new) {
        case (_, .text), (_, .varchar(nil)): true
        case (.varchar(.some(let length)), .varchar(.some(let longer))): longer >= length
        default: false
        }
    }

    private mutating func partition(_ fields: [PartitionField]) throws(SQLError) {
        guard version > 1 else {
            throw SQLError(.featureNotSupported, "changing the partitioning of a table of version 1 is not supported")
        }
        let id = (specs.map(\.id).max() ?? -1) &+ 1
        let made = try IcebergFormat.spec(fields, id: id, over: schema, known: specs, last: lastPartitionID)
        if let same = specs.first(where: { $0.fields == made.fields }) {
            spec = same
            return
        }
        specs.append(made)
        spec = made
        lastPartitionID = max(lastPartitionID, made.fields.map(\.fieldID).max() ?? 0)
    }

    // MARK: - Result

    /// The metadata with the changes.
    func finish() throws(SQLError) -> JSONObject {
        var raw = metadata.raw
        let old = metadata.currentSchema
        if schema.fields.map({ $0.json() }) != old.fields.map({ $0.json() })
            || schema.identifierIDs != old.identifierIDs
        {
            var made = schema
            made.id = (metadata.schemas.keys.max() ?? -1) &+ 1
            let before = (raw["schemas"]?.asArray ?? []).first { ($0["schema-id"]?.asInt32 ?? 0) == old.id }
            let same = metadata.schemas.values.first {
                $0.fields.map { $0.json() } == made.fields.map { $0.json() } && $0.identifierIDs == made.identifierIDs
            }
            if let same {
                made.id = same.id
            } else {
                var list = raw["schemas"]?.asArray ?? []
                if list.isEmpty, let single = raw["schema"] { list = [single] }
                raw["schemas"] = .array(list + [made.json(over: before ?? raw["schema"])])
            }
            raw["current-schema-id"] = .int(Int64(made.id))
            raw["last-column-id"] = .int(Int64(lastColumnID))
            if metadata.formatVersion == 1 { raw["schema"] = made.json(over: before ?? raw["schema"]) }
        }
        if spec.id != metadata.defaultSpec.id {
            if metadata.specs[spec.id] == nil {
                raw["partition-specs"] = .array((raw["partition-specs"]?.asArray ?? []) + [spec.json])
            }
            raw["default-spec-id"] = .int(Int64(spec.id))
            raw["last-partition-id"] = .int(Int64(lastPartitionID))
        }
        if properties != metadata.properties { raw["properties"] = .object(JSONObject(properties)) }
        if version != metadata.formatVersion {
            raw["format-version"] = .int(version)
            if raw["last-sequence-number"] == nil { raw["last-sequence-number"] = .int(0) }
            if version > 2, raw["next-row-id"] == nil { raw["next-row-id"] = .int(0) }
        }
        if let expiry { TableMetadata.forget(metadata.expired(expiry), in: &raw) }
        if raw != metadata.raw {
            let now = Int64(Date().timeIntervalSince1970 * 1000)
            raw["last-updated-ms"] = .int(max(now, metadata.lastUpdated))
        }
        return raw
    }
}
