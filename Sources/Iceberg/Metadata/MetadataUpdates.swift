// The changes of a table's metadata as the REST catalog's clients word them, applied to the JSON as it stands
// (Iceberg REST specification, TableUpdate). What is not known is refused, never ignored.

import Catalogs
import Diagnostics
import Foundation

/// Metadata while updates are applied to it.
struct MetadataUpdates {
    private(set) var raw: JSONObject
    /// nil for a new table.
    private let base: TableMetadata?
    /// Milliseconds since 1970.
    private let now: Int64
    private var lastSchemaID: Int32?
    private var lastSpecID: Int32?
    private var lastOrderID: Int32?
    private var addedSnapshots: Set<Int64> = []

    /// Members of a list that an update adds to.
    static let listMax = 100_000

    init(_ base: TableMetadata?, now: Int64) {
        self.base = base
        self.now = base.map { max(now, $0.lastUpdated) } ?? now
        guard let base else {
            raw = ["format-version": .int(2), "last-sequence-number": .int(0)]
            return
        }
        raw = base.raw
        // Version 1 may have the singular members only.
        if list("schemas").isEmpty, let schema = raw["schema"] {
            var object = schema.asObject ?? JSONObject()
            object["schema-id"] = .int(Int64(base.currentSchema.id))
            raw["schemas"] = .array([.object(object)])
            raw["current-schema-id"] = .int(Int64(base.currentSchema.id))
        }
        if list("partition-specs").isEmpty {
            raw["partition-specs"] = .array([base.defaultSpec.json])
            raw["default-spec-id"] = .int(Int64(base.defaultSpec.id))
        }
        if list("sort-orders").isEmpty {
            raw["sort-orders"] = .array([SortOrder(id: 0, fields: []).json])
            raw["default-sort-order-id"] = .int(0)
        }
        if raw["last-partition-id"] == nil { raw["last-partition-id"] = .int(Int64(base.lastPartitionID)) }
    }

    // MARK: - Reading and writing members

    private var version: Int64 { raw["format-version"]?.asInt ?? 2 }

    private func list(_ key: String) -> [JSON] { raw[key]?.asArray ?? [] }

    private func number(_ key: String) -> Int64? { raw[key]?.asInt }

    private func ids(_ key: String, _ idKey: String) -> [Int32] { list(key).map { $0[idKey]?.asInt32 ?? 0 } }

    private mutating func append(_ value: JSON, to key: String) throws(SQLError) {
        let values = list(key)
        guard values.count < MetadataUpdates.listMax else {
            throw SQLError(.programLimitExceeded, "the table has \(values.count) \(key) already")
        }
        raw[key] = .array(values + [value])
    }

    static func invalid(_ message: String) -> SQLError { SQLError(.invalidParameterValue, message) }

    private static func member<T>(_ value: T?, _ key: String, _ update: JSON) throws(SQLError) -> T {
        guard let value else {
            throw invalid("update \"\(update["action"]?.asString ?? "")\" has no valid \"\(key)\"")
        }
        return value
    }

    /// The entry that a id of an update means; -1 is the last one added.
    private func chosen(_ key: String, _ update: JSON, last: Int32?, among known: [Int32]) throws(SQLError) -> Int32 {
        var id = try MetadataUpdates.member(update[key]?.asInt32, key, update)
        if id == -1 {
            guard let last else { throw MetadataUpdates.invalid("\(key) -1 means the last one added, and none was") }
            id = last
        }
        guard known.contains(id) else { throw MetadataUpdates.invalid("\(key) \(id) does not exist") }
        return id
    }

    // MARK: - Updates

    mutating func apply(_ update: JSON) throws(SQLError) {
        guard let action = update["action"]?.asString else { throw MetadataUpdates.invalid("an update has no action") }
        switch action {
        case "assign-uuid":
            let uuid = try MetadataUpdates.member(update["uuid"]?.asString, "uuid", update)
            raw["table-uuid"] = .string(uuid.lowercased())
        case "upgrade-format-version":
            try upgrade(to: try MetadataUpdates.member(update["format-version"]?.asInt, "format-version", update))
        case "add-schema": try addSchema(update)
        case "set-current-schema":
            let known = ids("schemas", "schema-id")
            let id = try chosen("schema-id", update, last: lastSchemaID, among: known)
            moveProperties(to: id)
            raw["current-schema-id"] = .int(Int64(id))
        case "add-spec": try addSpec(update)
        case "set-default-spec":
            let known = ids("partition-specs", "spec-id")
            raw["default-spec-id"] = .int(
                Int64(try chosen("spec-id", update, last: lastSpecID, among: known)))
        case "add-sort-order": try addSortOrder(update)
        case "set-default-sort-order":
            let known = ids("sort-orders", "order-id")
            raw["default-sort-order-id"] = .int(
                Int64(try chosen("sort-order-id", update, last: lastOrderID, among: known)))
        case "set-location":
            raw["location"] = .string(try MetadataUpdates.member(update["location"]?.asString, "location", update))
        case "set-properties": try setProperties(update)
        case "remove-properties":
            let removals = try MetadataUpdates.member(update["removals"]?.asArray, "removals", update)
            var properties = raw["properties"]?.asObject ?? JSONObject()
            for key in removals.compactMap(\.asString) { properties[key] = nil }
            raw["properties"] = .object(properties)
        case "add-snapshot", "set-snapshot-ref", "remove-snapshots", "remove-snapshot-ref":
            try applyToSnapshots(action, update)
        default: try applyToRest(action, update)
        }
    }

    private mutating func applyToRest(_ action: String, _ update: JSON) throws(SQLError) {
        func id() throws(SQLError) -> Int64 {
            let id = update["snapshot-id"]?.asInt
            return try MetadataUpdates.member(id, "snapshot-id", update)
        }
        switch action {
        case "set-statistics":
            let file = try MetadataUpdates.member(update["statistics"], "statistics", update)
            let id = try MetadataUpdates.member(
                file["snapshot-id"]?.asInt ?? update["snapshot-id"]?.asInt, "snapshot-id", update)
            replace("statistics", of: id, with: file)
        case "remove-statistics": replace("statistics", of: try id(), with: nil)
        case "set-partition-statistics":
            let file = try MetadataUpdates.member(update["partition-statistics"], "partition-statistics", update)
            replace(
                "partition-statistics",
                of: try MetadataUpdates.member(file["snapshot-id"]?.asInt, "snapshot-id", update), with: file)
        case "remove-partition-statistics": replace("partition-statistics", of: try id(), with: nil)
        case "remove-partition-specs":
            try remove("spec-ids", update, from: "partition-specs", "spec-id", but: "default-spec-id")
        case "remove-schemas": try remove("schema-ids", update, from: "schemas", "schema-id", but: "current-schema-id")
        case "add-encryption-key":
            try append(
                try MetadataUpdates.member(update["encryption-key"], "encryption-key", update), to: "encryption-keys")
        case "remove-encryption-key":
            let key = try MetadataUpdates.member(update["key-id"]?.asString, "key-id", update)
            raw["encryption-keys"] = .array(list("encryption-keys").filter { $0["key-id"]?.asString != key })
        default: throw MetadataUpdates.invalid("update \"\(action)\" is not known")
        }
    }

    private mutating func replace(_ key: String, of snapshot: Int64, with file: JSON?) {
        var files = list(key).filter { $0["snapshot-id"]?.asInt != snapshot }
        if let file { files.append(file) }
        raw[key] = .array(files)
    }

    private mutating func remove(
        _ idsKey: String, _ update: JSON, from key: String, _ idKey: String, but current: String
    ) throws(SQLError) {
        let removed = Set(try MetadataUpdates.member(update[idsKey]?.asArray, idsKey, update).compactMap(\.asInt32))
        if let id = number(current), removed.contains(Int32(clamping: id)) {
            throw MetadataUpdates.invalid("\(idKey) \(id) is in use and cannot be removed")
        }
        raw[key] = .array(list(key).filter { !removed.contains($0[idKey]?.asInt32 ?? 0) })
    }

    // MARK: - Version and properties

    private mutating func upgrade(to wanted: Int64) throws(SQLError) {
        guard wanted >= version || base == nil else {
            throw MetadataUpdates.invalid("the table has format version \(version), which cannot become \(wanted)")
        }
        guard (1...Int64(TableMetadata.versionMax)).contains(wanted) else {
            throw MetadataUpdates.invalid("format version \(wanted) is not supported")
        }
        raw["format-version"] = .int(wanted)
        if wanted == 1 { raw["last-sequence-number"] = nil }
        if wanted > 1 {
            if raw["last-sequence-number"] == nil { raw["last-sequence-number"] = .int(0) }
            raw["schema"] = nil
            raw["partition-spec"] = nil
        }
        if wanted > 2, raw["next-row-id"] == nil { raw["next-row-id"] = .int(0) }
    }

    private mutating func setProperties(_ update: JSON) throws(SQLError) {
        let updates = try MetadataUpdates.member(update["updates"]?.asObject, "updates", update)
        var properties = raw["properties"]?.asObject ?? JSONObject()
        for member in updates.members {
            guard let text = member.value.asString else {
                throw MetadataUpdates.invalid("property \"\(member.key)\" is not a string")
            }
            guard member.key == "format-version" else {
                properties[member.key] = .string(text)
                continue
            }
            try upgrade(to: try MetadataUpdates.member(Int64(text), "format-version", update))
        }
        raw["properties"] = .object(properties)
    }

    // MARK: - Schemas, specs, sort orders

    private mutating func addSchema(_ update: JSON) throws(SQLError) {
        let given = try MetadataUpdates.member(update["schema"], "schema", update)
        let schema = try MetadataUpdates.checked(given)
        let lastColumn = max(
            number("last-column-id") ?? 0, update["last-column-id"]?.asInt ?? 0, FreshIDs.largest(in: given))
        raw["last-column-id"] = .int(lastColumn)
        let same = list("schemas").first { known in
            known["fields"] == given["fields"]
                && (known["identifier-field-ids"]?.asArray ?? []) == (given["identifier-field-ids"]?.asArray ?? [])
        }
        if let id = same.map({ $0["schema-id"]?.asInt32 ?? 0 }) {
            lastSchemaID = id
            return
        }
        let known = ids("schemas", "schema-id")
        let id = known.contains(schema.id) || (known.isEmpty && schema.id < 0) ? (known.max() ?? -1) &+ 1 : schema.id
        var object = given.asObject ?? JSONObject()
        object["type"] = .string("struct")
        object["schema-id"] = .int(Int64(id))
        try append(.object(object), to: "schemas")
        lastSchemaID = id
    }

    /// A schema whose columns have names and ids of their own.
    static func checked(_ json: JSON) throws(SQLError) -> IcebergSchema {
        let schema: IcebergSchema
        do throws(Malformed) { schema = try IcebergSchema(json) } catch { throw invalid(error.reason) }
        guard !schema.fields.isEmpty else { throw invalid("a schema has no columns") }
        var names: Set<String> = []
        for field in schema.fields where !names.insert(field.name).inserted {
            throw SQLError(.duplicateColumn, "column \"\(field.name)\" specified more than once")
        }
        return schema
    }

    private mutating func addSpec(_ update: JSON) throws(SQLError) {
        let given = try MetadataUpdates.member(update["spec"], "spec", update)
        var last = number("last-partition-id").flatMap { Int32(exactly: $0) } ?? PartitionSpec.firstFieldID - 1
        var fields: [JSON] = []
        let columns = Set(list("schemas").flatMap { FreshIDs.all(in: $0) })
        for field in given["fields"]?.asArray ?? [] {
            var object = field.asObject ?? JSONObject()
            let sources = (field["source-ids"]?.asArray ?? []).compactMap(\.asInt32)
            let source = try MetadataUpdates.member(field["source-id"]?.asInt32 ?? sources.first, "source-id", update)
            _ = try MetadataUpdates.member(field["transform"]?.asString, "transform", update)
            guard columns.contains(source) || field["transform"]?.asString == "void" else {
                throw MetadataUpdates.invalid("partition field \"\(field["name"]?.asString ?? "")\" has no column")
            }
            if field["field-id"]?.asInt32 == nil {
                let known = list("partition-specs").flatMap { $0["fields"]?.asArray ?? [] }.first {
                    $0["source-id"] == field["source-id"] && $0["transform"] == field["transform"]
                }
                if let id = known?["field-id"]?.asInt32 {
                    object["field-id"] = .int(Int64(id))
                } else {
                    last &+= 1
                    object["field-id"] = .int(Int64(last))
                }
            }
            last = max(last, object["field-id"]?.asInt32 ?? last)
            fields.append(.object(object))
        }
        raw["last-partition-id"] = .int(Int64(last))
        if let same = list("partition-specs").first(where: { ($0["fields"]?.asArray ?? []) == fields }) {
            lastSpecID = same["spec-id"]?.asInt32 ?? 0
            return
        }
        let known = ids("partition-specs", "spec-id")
        let wanted = given["spec-id"]?.asInt32 ?? -1
        let id = known.contains(wanted) || wanted < 0 ? (known.max() ?? -1) &+ 1 : wanted
        let spec: JSON = .object(["spec-id": .int(Int64(id)), "fields": .array(fields)])
        do throws(Malformed) { _ = try PartitionSpec(spec) } catch { throw MetadataUpdates.invalid(error.reason) }
        try append(spec, to: "partition-specs")
        lastSpecID = id
    }

    private mutating func addSortOrder(_ update: JSON) throws(SQLError) {
        let given = try MetadataUpdates.member(update["sort-order"], "sort-order", update)
        let fields = given["fields"]?.asArray ?? []
        if let same = list("sort-orders").first(where: { ($0["fields"]?.asArray ?? []) == fields }) {
            lastOrderID = same["order-id"]?.asInt32 ?? 0
            return
        }
        let known = ids("sort-orders", "order-id")
        let wanted = given["order-id"]?.asInt32 ?? -1
        // 0 is kept for the order without keys.
        var id = known.contains(wanted) || wanted < 0 ? (known.max() ?? -1) &+ 1 : wanted
        if !fields.isEmpty { id = max(id, 1) }
        try append(.object(["order-id": .int(Int64(id)), "fields": .array(fields)]), to: "sort-orders")
        lastOrderID = id
    }

    /// What properties say of a column goes with it when another client renames or drops it.
    private mutating func moveProperties(to schemaID: Int32) {
        guard let base, var properties = raw["properties"]?.asObject,
            let after = list("schemas").first(where: { ($0["schema-id"]?.asInt32 ?? 0) == schemaID })
        else { return }
        var names: [Int32: String] = [:]
        for field in after["fields"]?.asArray ?? [] {
            if let id = field["id"]?.asInt32 { names[id] = field["name"]?.asString }
        }
        let keys: [(String) -> String] = [
            TableProperty.defaultValue(of:), TableProperty.comment(on:), TableProperty.declaredType(of:),
        ]
        var moved: [(key: String, value: JSON)] = []
        for field in base.currentSchema.fields where names[field.id] != field.name {
            for key in keys {
                guard let value = properties[key(field.name)] else { continue }
                properties[key(field.name)] = nil
                if let name = names[field.id] { moved.append((key(name), value)) }
            }
        }
        for (key, value) in moved { properties[key] = value }
        raw["properties"] = .object(properties)
    }

    // MARK: - Snapshots

    private mutating func applyToSnapshots(_ action: String, _ update: JSON) throws(SQLError) {
        switch action {
        case "add-snapshot": try addSnapshot(try MetadataUpdates.member(update["snapshot"], "snapshot", update))
        case "set-snapshot-ref": try setRef(update)
        case "remove-snapshot-ref":
            removeRef(try MetadataUpdates.member(update["ref-name"]?.asString, "ref-name", update))
        default:
            let removed = Set(
                try MetadataUpdates.member(update["snapshot-ids"]?.asArray, "snapshot-ids", update).compactMap(\.asInt))
            raw["snapshots"] = .array(
                list("snapshots").filter { !removed.contains($0["snapshot-id"]?.asInt ?? -1) })
            for member in raw["refs"]?.asObject?.members ?? []
            where removed.contains(member.value["snapshot-id"]?.asInt ?? -1) {
                removeRef(member.key)
            }
            if let current = number("current-snapshot-id"), removed.contains(current) { removeRef("main") }
            for id in removed {
                for key in ["statistics", "partition-statistics"] where raw[key] != nil {
                    replace(key, of: id, with: nil)
                }
            }
            // A gap in the log would tell a wrong state for some times: what is before it goes.
            var log: [JSON] = []
            for entry in list("snapshot-log") {
                if removed.contains(entry["snapshot-id"]?.asInt ?? -1) { log = [] } else { log.append(entry) }
            }
            raw["snapshot-log"] = .array(log)
        }
    }

    private mutating func addSnapshot(_ given: JSON) throws(SQLError) {
        let snapshot: Snapshot
        do throws(Malformed) { snapshot = try Snapshot(given) } catch { throw MetadataUpdates.invalid(error.reason) }
        guard !list("snapshots").contains(where: { $0["snapshot-id"]?.asInt == snapshot.id }) else {
            throw MetadataUpdates.invalid("snapshot \(snapshot.id) exists already")
        }
        func stale(_ what: String) -> SQLError {
            SQLError(.serializationFailure, "snapshot \(snapshot.id) was made over an older state: \(what)")
        }
        if version > 1 {
            let last = number("last-sequence-number") ?? 0
            guard snapshot.sequenceNumber > last || snapshot.parentID == nil else {
                throw stale("its sequence number \(snapshot.sequenceNumber) is not above \(last)")
            }
            raw["last-sequence-number"] = .int(max(last, snapshot.sequenceNumber))
        }
        if version > 2 {
            let next = number("next-row-id") ?? 0
            let first = snapshot.firstRowID ?? next
            guard first >= next else { throw stale("its first row id \(first) is below \(next)") }
            let (sum, isOver) = first.addingReportingOverflow(max(0, snapshot.addedRows ?? 0))
            guard !isOver else { throw MetadataUpdates.invalid("row ids are used up") }
            raw["next-row-id"] = .int(sum)
        }
        guard snapshot.manifestList != nil || !snapshot.manifests.isEmpty || version == 1 else {
            throw MetadataUpdates.invalid("snapshot \(snapshot.id) has no manifest list")
        }
        try append(given, to: "snapshots")
        addedSnapshots.insert(snapshot.id)
    }

    private mutating func setRef(_ update: JSON) throws(SQLError) {
        let name = try MetadataUpdates.member(update["ref-name"]?.asString, "ref-name", update)
        let id = try MetadataUpdates.member(update["snapshot-id"]?.asInt, "snapshot-id", update)
        guard let snapshot = list("snapshots").first(where: { $0["snapshot-id"]?.asInt == id }) else {
            throw MetadataUpdates.invalid("snapshot \(id) does not exist")
        }
        let kind = update["type"]?.asString ?? "branch"
        guard kind == "branch" || (kind == "tag" && name != "main") else {
            throw MetadataUpdates.invalid("ref \"\(name)\" cannot be a \(kind)")
        }
        var ref: JSONObject = ["snapshot-id": .int(id), "type": .string(kind)]
        for key in ["min-snapshots-to-keep", "max-snapshot-age-ms", "max-ref-age-ms"] {
            if let value = update[key] { ref[key] = value }
        }
        var refs = raw["refs"]?.asObject ?? JSONObject()
        refs[name] = .object(ref)
        raw["refs"] = .object(refs)
        guard name == "main", number("current-snapshot-id") != id else { return }
        raw["current-snapshot-id"] = .int(id)
        let time = addedSnapshots.contains(id) ? snapshot["timestamp-ms"]?.asInt ?? now : now
        try append(.object(["timestamp-ms": .int(time), "snapshot-id": .int(id)]), to: "snapshot-log")
    }

    private mutating func removeRef(_ name: String) {
        var refs = raw["refs"]?.asObject ?? JSONObject()
        refs[name] = nil
        raw["refs"] = .object(refs)
        if name == "main" { raw["current-snapshot-id"] = nil }
    }

    // MARK: - Result

    /// The metadata, complete. `location` is the folder of a new table that named none.
    func finish(location: String) throws(SQLError) -> JSONObject {
        if let base, raw == base.raw { return raw }
        var raw = raw
        if raw["table-uuid"]?.asString == nil { raw["table-uuid"] = .string(UUID().uuidString.lowercased()) }
        let folder = raw["location"]?.asString ?? ""
        if folder.isEmpty {
            raw["location"] = .string(location)
        } else if folder.count > 1, folder.hasSuffix("/") {
            raw["location"] = .string(String(folder.dropLast()))
        }
        guard let schema = list("schemas").last else { throw MetadataUpdates.invalid("a table needs a schema") }
        if raw["current-schema-id"] == nil { raw["current-schema-id"] = .int(schema["schema-id"]?.asInt ?? 0) }
        func fill(_ key: String, _ value: JSON) { if raw[key] == nil { raw[key] = value } }
        if list("partition-specs").isEmpty {
            raw["partition-specs"] = .array([["spec-id": .int(0), "fields": .array([])]])
            raw["default-spec-id"] = .int(0)
        }
        fill("default-spec-id", .int(list("partition-specs").last?["spec-id"]?.asInt ?? 0))
        fill("last-partition-id", .int(Int64(PartitionSpec.firstFieldID - 1)))
        if list("sort-orders").isEmpty {
            raw["sort-orders"] = .array([SortOrder(id: 0, fields: []).json])
            raw["default-sort-order-id"] = .int(0)
        }
        fill("default-sort-order-id", .int(list("sort-orders").last?["order-id"]?.asInt ?? 0))
        for key in ["snapshots", "snapshot-log", "metadata-log"] { fill(key, .array([])) }
        for key in ["properties", "refs"] { fill(key, .object([:])) }
        if version == 1 {
            let current = raw["current-schema-id"]?.asInt
            raw["schema"] = list("schemas").first { $0["schema-id"]?.asInt == current } ?? schema
            let spec = raw["default-spec-id"]?.asInt
            let specs = raw["partition-specs"]?.asArray ?? []
            raw["partition-spec"] = specs.first { $0["spec-id"]?.asInt == spec }?["fields"] ?? .array([])
        }
        raw["last-updated-ms"] = .int(now)
        return raw
    }
}
