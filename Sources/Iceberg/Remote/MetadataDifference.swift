// What changed from one state of a table's metadata to the next, in the words of the REST catalog.

import Diagnostics

/// Requirements and updates that bring one state to another.
struct MetadataDifference {
    private(set) var requirements: [JSON] = []
    private(set) var updates: [JSON] = []
    /// Metadata files on the way, which nobody needs once the catalog has written its own.
    private(set) var files: [String] = []

    /// nil: a new table.
    init(from base: TableMetadata?, to new: TableMetadata) {
        files = [new.file]
        for entry in (new.raw["metadata-log"]?.asArray ?? []).reversed() {
            guard let file = entry["metadata-file"]?.asString, file != base?.file else { break }
            files.append(file)
        }
        if let base {
            require("assert-table-uuid", ["uuid": .string(base.uuid)])
            require(
                "assert-ref-snapshot-id",
                ["ref": .string("main"), "snapshot-id": base.currentSnapshotID.map { .int($0) } ?? .null])
        } else {
            require("assert-create", [:])
            update("assign-uuid", ["uuid": .string(new.uuid)])
        }
        if base.map({ $0.formatVersion != new.formatVersion }) ?? true {
            update("upgrade-format-version", ["format-version": .int(new.formatVersion)])
        }
        columns(base, new)
        layout(base, new)
        if base?.location != new.location { update("set-location", ["location": .string(new.location)]) }
        properties(base?.properties ?? [:], new.properties)
        snapshots(base, new)
    }

    private mutating func require(_ type: String, _ members: JSONObject) {
        var object: JSONObject = ["type": .string(type)]
        for member in members.members { object[member.key] = member.value }
        requirements.append(.object(object))
    }

    private mutating func update(_ action: String, _ members: JSONObject) {
        var object: JSONObject = ["action": .string(action)]
        for member in members.members { object[member.key] = member.value }
        updates.append(.object(object))
    }

    private static func added(_ key: String, _ idKey: String, _ base: TableMetadata?, _ new: TableMetadata) -> [JSON] {
        let known = Set((base?.raw[key]?.asArray ?? []).map { $0[idKey]?.asInt ?? 0 })
        return (new.raw[key]?.asArray ?? []).filter { !known.contains($0[idKey]?.asInt ?? 0) }
    }

    /// The id to set: -1 for the last one added, because the catalog may number anew.
    private static func chosen(_ id: Int32, _ added: [JSON], _ idKey: String) -> JSON {
        added.last?[idKey]?.asInt == Int64(id) ? .int(-1) : .int(Int64(id))
    }

    private mutating func columns(_ base: TableMetadata?, _ new: TableMetadata) {
        let schemas = MetadataDifference.added("schemas", "schema-id", base, new)
        for schema in schemas {
            update("add-schema", ["schema": schema, "last-column-id": .int(Int64(new.lastColumnID))])
        }
        guard base?.currentSchema.id != new.currentSchema.id else { return }
        if let base {
            require("assert-current-schema-id", ["current-schema-id": .int(Int64(base.currentSchema.id))])
            require("assert-last-assigned-field-id", ["last-assigned-field-id": .int(Int64(base.lastColumnID))])
        }
        update(
            "set-current-schema", ["schema-id": MetadataDifference.chosen(new.currentSchema.id, schemas, "schema-id")])
    }

    private mutating func layout(_ base: TableMetadata?, _ new: TableMetadata) {
        let specs = MetadataDifference.added("partition-specs", "spec-id", base, new)
        for spec in specs { update("add-spec", ["spec": spec]) }
        if base?.defaultSpec.id != new.defaultSpec.id {
            if let base {
                require("assert-default-spec-id", ["default-spec-id": .int(Int64(base.defaultSpec.id))])
                require(
                    "assert-last-assigned-partition-id",
                    ["last-assigned-partition-id": .int(Int64(base.lastPartitionID))])
            }
            update("set-default-spec", ["spec-id": MetadataDifference.chosen(new.defaultSpec.id, specs, "spec-id")])
        }
        let orders = MetadataDifference.added("sort-orders", "order-id", base, new)
        for order in orders { update("add-sort-order", ["sort-order": order]) }
        guard base?.defaultSortOrderID != new.defaultSortOrderID else { return }
        if let base {
            require("assert-default-sort-order-id", ["default-sort-order-id": .int(Int64(base.defaultSortOrderID))])
        }
        update(
            "set-default-sort-order",
            ["sort-order-id": MetadataDifference.chosen(new.defaultSortOrderID, orders, "order-id")])
    }

    private mutating func properties(_ old: [String: String], _ new: [String: String]) {
        let set = new.filter { old[$0.key] != $0.value }
        if !set.isEmpty { update("set-properties", ["updates": .object(JSONObject(set))]) }
        let gone = old.keys.filter { new[$0] == nil }.sorted()
        if !gone.isEmpty { update("remove-properties", ["removals": .array(gone.map { .string($0) })]) }
    }

    private mutating func snapshots(_ base: TableMetadata?, _ new: TableMetadata) {
        let added = MetadataDifference.added("snapshots", "snapshot-id", base, new)
        for snapshot in added { update("add-snapshot", ["snapshot": snapshot]) }
        if let id = new.currentSnapshotID {
            if id != base?.currentSnapshotID {
                update(
                    "set-snapshot-ref",
                    ["ref-name": .string("main"), "type": .string("branch"), "snapshot-id": .int(id)])
            }
        } else if base?.currentSnapshotID != nil {
            update("remove-snapshot-ref", ["ref-name": .string("main")])
        }
        let gone = (base?.snapshots.keys.filter { new.snapshots[$0] == nil } ?? []).sorted()
        if !gone.isEmpty { update("remove-snapshots", ["snapshot-ids": .array(gone.map { .int($0) })]) }
    }
}
