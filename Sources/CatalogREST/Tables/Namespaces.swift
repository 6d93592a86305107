// Namespaces are schemas of one level; their properties are kept with them.

import Catalogs
import Coordinator
import Diagnostics
import Iceberg

extension IcebergCall {
    func listNamespaces() async throws(SQLError) -> APIResponse {
        let commit = try await commit()
        if let parent = request.parameter("parent"), !parent.isEmpty {
            let levels = parent.split(separator: IcebergRoutes.separator).map(String.init)
            _ = try await requireSchema(try IcebergRoutes.schema(levels), at: commit)
            return APIResponse(["namespaces": .array([])])
        }
        let names = try await api.engine.catalog.schemas(at: commit).map(\.name).sorted()
        let (page, next) = IcebergRoutes.page(names, request)
        var object: JSONObject = ["namespaces": .array(page.map { .array([.string($0)]) })]
        if let next { object["next-page-token"] = next }
        return APIResponse(.object(object))
    }

    func createNamespace() async throws(SQLError) -> APIResponse {
        let body = try request.json()
        let levels = (body["namespace"]?.asArray ?? []).compactMap(\.asString)
        guard levels.count == 1, !levels[0].isEmpty else {
            throw SQLError(.invalidParameterValue, "a namespace has one level here")
        }
        let name = levels[0]
        guard !name.hasPrefix("pg_"), name != "information_schema" else {
            throw SQLError(.invalidParameterValue, "unacceptable namespace name \"\(name)\"")
        }
        let properties = body["properties"]?.asStrings ?? [:]
        let kept = properties.isEmpty ? nil : properties
        try await publish("Create namespace \(name)") { (head) throws(SQLError) in
            guard try await api.engine.catalog.schema(name, at: head) == nil else {
                throw SQLError(.duplicateSchema, "namespace \"\(name)\" already exists")
            }
            return [.putSchema(SchemaDefinition(name: name, properties: kept))]
        }
        return APIResponse(IcebergCall.document(SchemaDefinition(name: name, properties: kept)))
    }

    private static func document(_ schema: SchemaDefinition) -> JSON {
        var properties = schema.properties ?? [:]
        if let location = schema.location { properties["location"] = location }
        return [
            "namespace": .array([.string(schema.name)]), "properties": .object(JSONObject(properties)),
        ]
    }

    func loadNamespace(_ name: String) async throws(SQLError) -> APIResponse {
        APIResponse(IcebergCall.document(try await requireSchema(name, at: try await commit())))
    }

    func dropNamespace(_ name: String) async throws(SQLError) -> APIResponse {
        try await publish("Drop namespace \(name)") { (head) throws(SQLError) in
            _ = try await requireSchema(name, at: head)
            let left = try await api.engine.catalog.names(in: name, at: head)
            guard left.isEmpty else {
                throw SQLError(SQLState("2BP01"), "namespace \"\(name)\" is not empty: it has \"\(left[0].name)\"")
            }
            return [.dropSchema(name)]
        }
        return .done
    }

    func updateNamespace(_ name: String) async throws(SQLError) -> APIResponse {
        let body = try request.json()
        let removals = (body["removals"]?.asArray ?? []).compactMap(\.asString)
        let updates = body["updates"]?.asStrings ?? [:]
        if let both = removals.first(where: { updates[$0] != nil }) {
            throw SQLError(.invalidParameterValue, "property \"\(both)\" is removed and updated")
        }
        var removed: [String] = []
        try await publish("Change properties of namespace \(name)") { (head) throws(SQLError) in
            var schema = try await requireSchema(name, at: head)
            var properties = schema.properties ?? [:]
            removed = removals.filter { properties[$0] != nil }
            for key in removals { properties[key] = nil }
            properties.merge(updates) { $1 }
            schema.properties = properties.isEmpty ? nil : properties
            return [.putSchema(schema)]
        }
        func texts(_ list: [String]) -> JSON { .array(list.map { .string($0) }) }
        return APIResponse([
            "updated": texts(updates.keys.sorted()), "removed": texts(removed),
            "missing": texts(removals.filter { !removed.contains($0) }),
        ])
    }
}
