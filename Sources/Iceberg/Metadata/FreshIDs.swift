// Ids of columns, nested ones too: the catalog gives new tables theirs, whatever a client sent.

import Diagnostics

/// Walks over the ids of a schema's JSON.
enum FreshIDs {
    /// Schemas nested deeper are refused.
    private static let depthMax = 100

    /// Every id in a schema or type.
    static func all(in json: JSON) -> [Int32] {
        var ids: [Int32] = []
        walk(json, 0) { ids.append($0) }
        return ids
    }

    static func largest(in json: JSON) -> Int64 { Int64(all(in: json).max() ?? 0) }

    private static func walk(_ json: JSON, _ depth: Int, _ body: (Int32) -> Void) {
        guard depth < depthMax else { return }
        for key in ["id", "element-id", "key-id", "value-id"] {
            if let id = json[key]?.asInt32 { body(id) }
        }
        for field in json["fields"]?.asArray ?? [] { walk(field, depth + 1, body) }
        for key in ["type", "element", "key", "value"] {
            if let type = json[key], type.asObject != nil { walk(type, depth + 1, body) }
        }
    }

    /// A schema with ids from 1: a level's columns first, then those inside them. Returns what became of the old ids.
    static func assign(_ schema: JSON) throws(SQLError) -> (schema: JSON, ids: [Int32: Int32]) {
        var assigner = Assigner()
        var made = try assigner.type(schema, 0).asObject ?? JSONObject()
        made["type"] = .string("struct")
        made["schema-id"] = .int(0)
        if let identifiers = schema["identifier-field-ids"]?.asArray {
            made["identifier-field-ids"] = .array(
                identifiers.compactMap { $0.asInt32.flatMap { assigner.ids[$0] }.map { .int(Int64($0)) } })
        }
        return (.object(made), assigner.ids)
    }

    private struct Assigner {
        var ids: [Int32: Int32] = [:]
        var last: Int32 = 0

        private mutating func next(_ old: JSON?) -> JSON {
            last &+= 1
            if let id = old?.asInt32 { ids[id] = last }
            return .int(Int64(last))
        }

        mutating func type(_ json: JSON, _ depth: Int) throws(SQLError) -> JSON {
            guard var object = json.asObject else { return json }
            guard depth < FreshIDs.depthMax else { throw MetadataUpdates.invalid("a schema is nested too deeply") }
            if let fields = json["fields"]?.asArray {
                var made: [JSONObject] = []
                for field in fields {
                    guard var field = field.asObject else { throw MetadataUpdates.invalid("a column is no object") }
                    field["id"] = next(field["id"])
                    made.append(field)
                }
                var list: [JSON] = []
                for var field in made {
                    if let type = field["type"] { field["type"] = try self.type(type, depth + 1) }
                    list.append(.object(field))
                }
                object["fields"] = .array(list)
            }
            for key in ["element", "key", "value"] where object[key] != nil {
                object["\(key)-id"] = next(object["\(key)-id"])
            }
            for key in ["element", "key", "value"] {
                if let type = object[key] { object[key] = try self.type(type, depth + 1) }
            }
            return .object(object)
        }
    }
}
