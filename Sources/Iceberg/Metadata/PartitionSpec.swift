// How a table's files are partitioned and sorted.

import Catalogs
import Columns

/// A field of a partitioning.
struct SpecField: Sendable, Hashable {
    var sourceID: Int32
    var fieldID: Int32
    var name: String
    var transform: Transform
}

/// A partitioning; each manifest is of one.
struct PartitionSpec: Sendable, Hashable {
    var id: Int32
    var fields: [SpecField]

    /// Partition field ids count from here.
    static let firstFieldID: Int32 = 1000

    init(id: Int32, fields: [SpecField]) {
        self.id = id
        self.fields = fields
    }

    init(_ json: JSON) throws(Malformed) {
        try self.init(id: json["spec-id"]?.asInt32 ?? 0, fields: json["fields"]?.asArray ?? [])
    }

    /// Takes a bare list of fields, as version 1 and manifests have it.
    init(id: Int32, fields list: [JSON]) throws(Malformed) {
        self.id = id
        fields = []
        for (index, field) in list.enumerated() {
            let source = field["source-id"]?.asInt32 ?? field["source-ids"]?.asArray?.first?.asInt32
            guard let source, let transform = field["transform"]?.asString else {
                throw Malformed("a partition field has no source or transform")
            }
            let isSingle = (field["source-ids"]?.asArray?.count ?? 1) == 1
            fields.append(
                SpecField(
                    sourceID: source,
                    fieldID: field["field-id"]?.asInt32 ?? PartitionSpec.firstFieldID + Int32(index),
                    name: field["name"]?.asString ?? "", transform: isSingle ? Transform(transform) : .other(transform)
                ))
        }
    }

    var isPartitioned: Bool { fields.contains { $0.transform != .void } }

    var fieldsJSON: JSON {
        .array(
            fields.map { field in
                .object([
                    "source-id": .int(Int64(field.sourceID)), "field-id": .int(Int64(field.fieldID)),
                    "name": .string(field.name), "transform": .string(field.transform.name),
                ])
            })
    }

    var json: JSON { .object(["spec-id": .int(Int64(id)), "fields": fieldsJSON]) }
}

/// A key of a sort order.
struct SortField: Sendable, Hashable {
    var transform: Transform
    var sourceID: Int32
    var isDescending: Bool
    var nullsFirst: Bool
}

/// A sort order of the rows in files.
struct SortOrder: Sendable, Hashable {
    var id: Int32
    var fields: [SortField]

    init(id: Int32, fields: [SortField]) {
        self.id = id
        self.fields = fields
    }

    init(_ json: JSON) {
        id = json["order-id"]?.asInt32 ?? 0
        fields = (json["fields"]?.asArray ?? []).compactMap { field in
            guard let source = field["source-id"]?.asInt32 else { return nil }
            return SortField(
                transform: Transform(field["transform"]?.asString ?? ""), sourceID: source,
                isDescending: field["direction"]?.asString == "desc",
                nullsFirst: field["null-order"]?.asString != "nulls-last")
        }
    }

    var json: JSON {
        .object([
            "order-id": .int(Int64(id)),
            "fields": .array(
                fields.map { field in
                    .object([
                        "transform": .string(field.transform.name), "source-id": .int(Int64(field.sourceID)),
                        "direction": .string(field.isDescending ? "desc" : "asc"),
                        "null-order": .string(field.nullsFirst ? "nulls-first" : "nulls-last"),
                    ])
                }),
        ])
    }
}
