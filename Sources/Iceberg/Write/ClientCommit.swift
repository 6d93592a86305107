// Tables as other engines change them through a REST catalog: they write the files of rows, we the metadata.

public import Catalogs
public import Columns
public import Diagnostics
import Foundation
import Storage

extension IcebergFormat {
    /// The folder below which tables without a location of their own are made.
    public var warehouseLocation: String { warehouse }

    /// The metadata of a table in the state of its definition: that of its file, with the definition's snapshot as
    /// the current one.
    public func document(of definition: ManagedDefinition) async throws(SQLError) -> JSON {
        .object(try await state(of: definition).raw)
    }

    /// The metadata that a request to create a table describes (CreateTableRequest), not written yet: columns have ids
    /// of ours.
    public func staged(_ request: JSON, named name: TableName) throws(SQLError) -> JSON {
        guard let given = request["schema"] else { throw MetadataUpdates.invalid("a table needs a schema") }
        let (schema, ids) = try FreshIDs.assign(given)
        var properties = request["properties"]?.asStrings ?? [:]
        let version = properties.removeValue(forKey: "format-version").map { Int64($0) } ?? 2
        guard let version else { throw MetadataUpdates.invalid("property \"format-version\" is not a number") }
        if properties["write.parquet.compression-codec"] == nil {
            properties["write.parquet.compression-codec"] = "zstd"
        }
        var updates = MetadataUpdates(nil, now: Int64(Date().timeIntervalSince1970 * 1000))
        try updates.apply(["action": .string("upgrade-format-version"), "format-version": .int(version)])
        try updates.apply(["action": .string("add-schema"), "schema": schema])
        try updates.apply(["action": .string("set-current-schema"), "schema-id": .int(-1)])
        try updates.apply([
            "action": .string("add-spec"), "spec": renumbered(request["partition-spec"], ids, "spec-id"),
        ])
        try updates.apply(["action": .string("set-default-spec"), "spec-id": .int(-1)])
        let order = renumbered(request["write-order"], ids, "order-id")
        if order["fields"]?.asArray?.isEmpty == false {
            try updates.apply(["action": .string("add-sort-order"), "sort-order": SortOrder(id: 0, fields: []).json])
        }
        try updates.apply(["action": .string("add-sort-order"), "sort-order": order])
        try updates.apply(["action": .string("set-default-sort-order"), "sort-order-id": .int(-1)])
        try updates.apply(["action": .string("set-properties"), "updates": .object(JSONObject(properties))])
        if let location = request["location"]?.asString, !location.isEmpty {
            try updates.apply(["action": .string("set-location"), "location": .string(location)])
        }
        let raw = try updates.finish(location: try folder(for: name))
        // What cannot be read is not handed out.
        _ = try TableMetadata(raw, file: "")
        return .object(raw)
    }

    /// A spec or an order whose source columns are named by the ids that a client sent.
    private func renumbered(_ given: JSON?, _ ids: [Int32: Int32], _ idKey: String) -> JSON {
        let fields = (given?["fields"]?.asArray ?? []).map { field -> JSON in
            guard var object = field.asObject else { return field }
            if let id = field["source-id"]?.asInt32.flatMap({ ids[$0] }) { object["source-id"] = .int(Int64(id)) }
            if let list = field["source-ids"]?.asArray {
                object["source-ids"] = .array(
                    list.compactMap { $0.asInt32.flatMap { ids[$0] }.map { .int(Int64($0)) } })
            }
            // Ids of partition fields are ours as well.
            if idKey == "spec-id" { object["field-id"] = nil }
            return .object(object)
        }
        return .object([idKey: .int(0), "fields": .array(fields)])
    }

    /// A folder for a new table that no other table has, also not on another branch.
    private func folder(for name: TableName) throws(SQLError) -> String {
        guard !warehouse.isEmpty else {
            throw SQLError(.featureNotSupported, "no warehouse is configured for new tables")
        }
        let suffix = UUID().uuidString.lowercased().prefix(8)
        return "\(warehouse)/\(WriteLayout.escaped(name.schema))/\(WriteLayout.escaped(name.name))-\(suffix)"
    }

    /// Makes the folders of a staged table in the local warehouse: DuckDB writes into them before there is any file, and
    /// makes none itself.
    public func makeFolders(ofStaged document: JSON) {
        guard let location = document["location"]?.asString, location.hasPrefix(warehouse + "/"),
            let path = try? ObjectPath(iceberg: location), path.scheme == .file
        else { return }
        for folder in ["metadata", "data"] {
            try? FileManager.default.createDirectory(
                atPath: path.text + "/" + folder, withIntermediateDirectories: true)
        }
    }

    /// Writes staged metadata: the first file of a table.
    public func create(staged document: JSON) async throws(SQLError) -> ManagedDefinition {
        let made = try await MetadataFile.write(document.asObject ?? JSONObject(), after: nil, in: stores)
        keep(made)
        return made.definition(made.currentSnapshot)
    }

    /// Checks a client's requirements and applies its updates (CommitTableRequest); nil: there is no table yet. Throws
    /// 40001 when a requirement does not hold, 22023 for updates that make no sense.
    public func commit(
        requirements: [JSON], updates: [JSON], onto definition: ManagedDefinition?, named name: TableName
    ) async throws(SQLError) -> ManagedDefinition {
        let base: TableMetadata?
        if let definition { base = try await state(of: definition) } else { base = nil }
        try MetadataRequirements.check(requirements, base, name.description)
        var applied = MetadataUpdates(base, now: Int64(Date().timeIntervalSince1970 * 1000))
        for update in updates { try applied.apply(update) }
        let folder = if let base { base.location } else { try folder(for: name) }
        let raw = try applied.finish(location: folder)
        if let base, let definition, raw == base.raw { return definition }
        let made = try await MetadataFile.write(raw, after: base, in: stores)
        keep(made)
        return made.definition(made.currentSnapshot)
    }

    /// The definition of a table that another catalog has made, by its metadata file.
    public func register(metadataLocation: String) async throws(SQLError) -> ManagedDefinition {
        let metadata = try await MetadataFile.read(metadataLocation, in: stores)
        keep(metadata)
        return metadata.definition(metadata.currentSnapshot)
    }

    /// Columns of SQL as a schema document; those that cannot be stored are strings.
    public static func document(of columns: [Field]) -> JSON {
        var last = Int32(columns.count)
        let fields = columns.enumerated().map { index, column in
            IcebergField(
                id: Int32(index + 1), name: column.name, isRequired: !column.isNullable,
                type: IcebergType(storing: column.type, last: &last) ?? .string)
        }
        return IcebergSchema(id: 0, fields: fields).json()
    }

    /// Removes a metadata file of which no commit knows.
    public func forget(_ definition: ManagedDefinition) async { await remove([definition.metadataLocation]) }
}

extension JSON: ExpressibleByDictionaryLiteral {
    /// An object.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        var object = JSONObject()
        for (key, value) in elements { object[key] = value }
        self = .object(object)
    }
}
