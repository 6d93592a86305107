// Tables: listed, created, loaded, registered, renamed, dropped.

import Catalogs
import Coordinator
import Diagnostics
import Iceberg

extension IcebergCall {
    func listTables(_ schema: String) async throws(SQLError) -> APIResponse {
        try await list(schema) {
            if case .managed = $0 { true } else { false }
        }
    }

    /// The names in a schema that hold what is asked for.
    func list(_ schema: String, _ isWanted: (Entry) -> Bool) async throws(SQLError) -> APIResponse {
        let commit = try await commit()
        _ = try await requireSchema(schema, at: commit)
        let names = try await api.engine.catalog.names(in: schema, at: commit)
        let entries = try await api.engine.catalog.entries(Set(names), at: commit)
        let wanted = names.filter { entries[$0].map(isWanted) ?? false }.map(\.name).sorted()
        let (page, next) = IcebergRoutes.page(wanted, request)
        var object: JSONObject = [
            "identifiers": .array(page.map { IcebergCall.identifier(TableName(schema: schema, name: $0)) })
        ]
        if let next { object["next-page-token"] = next }
        return APIResponse(.object(object))
    }

    /// The definition of a table that others may read. Throws 42P01.
    func table(_ name: TableName) async throws(SQLError) -> ManagedDefinition {
        let commit = try await commit()
        guard case .managed(let definition)? = try await entry(name, at: commit) else {
            _ = try await requireSchema(name.schema, at: commit)
            throw IcebergCall.missing(name)
        }
        try rights.requireReading(name, .managed(definition))
        return definition
    }

    static func missing(_ name: TableName) -> SQLError {
        SQLError(.undefinedTable, "table \"\(name)\" does not exist")
    }

    func loadTable(_ name: TableName) async throws(SQLError) -> APIResponse {
        let definition = try await table(name)
        let tag = "\"\(definition.metadataLocation.split(separator: "/").last ?? "")/\(definition.snapshotID ?? 0)\""
        if let known = request.headers["if-none-match"], known == tag || known == "*" {
            return APIResponse(status: 304, headers: [(name: "ETag", value: tag)])
        }
        var document = try await api.tables.document(of: definition)
        if request.parameter("snapshots") == "refs", var object = document.asObject {
            let kept = Set((object["refs"]?.asObject?.members ?? []).compactMap { $0.value["snapshot-id"]?.asInt })
            object["snapshots"] = .array(
                (object["snapshots"]?.asArray ?? []).filter { kept.contains($0["snapshot-id"]?.asInt ?? -1) })
            document = .object(object)
        }
        return APIResponse(loaded(document, definition.metadataLocation), headers: [(name: "ETag", value: tag)])
    }

    /// LoadTableResult; without a location for staged tables.
    func loaded(_ document: JSON, _ location: String?) -> JSON {
        [
            "metadata-location": location.map { .string($0) } ?? .null, "metadata": document,
            "config": .object(JSONObject(api.options.storage)),
        ]
    }

    func createTable(_ schema: String) async throws(SQLError) -> APIResponse {
        let body = try owned(try request.json())
        guard let text = body["name"]?.asString, !text.isEmpty else {
            throw SQLError(.invalidParameterValue, "a table needs a name")
        }
        let name = TableName(schema: schema, name: text)
        func check(_ commit: CommitID) async throws(SQLError) {
            _ = try await requireSchema(schema, at: commit)
            guard try await entry(name, at: commit) == nil else {
                throw SQLError(.duplicateTable, "table \"\(name)\" already exists")
            }
        }
        try await check(try await api.engine.changeable(try branch()).head)
        let staged = try api.tables.staged(body, named: name)
        if body["stage-create"]?.asBool == true {
            api.tables.makeFolders(ofStaged: staged)
            return APIResponse(loaded(staged, nil))
        }
        let definition = try await api.tables.create(staged: staged)
        try await keeping(definition) { () throws(SQLError) in
            try await publish("Create table \(name)") { (head) throws(SQLError) in
                try await check(head)
                return [.put(name, .managed(definition))]
            }
        }
        return APIResponse(loaded(try await api.tables.document(of: definition), definition.metadataLocation))
    }

    /// The body of a new table with its owner among the properties, where the client cannot set it.
    private func owned(_ body: JSON) throws(SQLError) -> JSON {
        guard var object = body.asObject else { return body }
        var properties = object["properties"]?.asObject ?? [:]
        guard properties[TableProperty.owner] == nil else { throw IcebergCall.ownerIsKept }
        guard let owner = rights.owner else { return body }
        properties[TableProperty.owner] = .string(String(owner))
        object["properties"] = .object(properties)
        return .object(object)
    }

    static let ownerIsKept = SQLError(
        .insufficientPrivilege, "property \"\(TableProperty.owner)\" is set by ALTER TABLE ... OWNER TO")

    /// Removes a new metadata file when its commit is refused, but not when that may have happened.
    private func keeping(
        _ definition: ManagedDefinition, _ body: () async throws(SQLError) -> Void
    ) async throws(SQLError) {
        do throws(SQLError) {
            try await body()
        } catch {
            if error.state.code != "08007" { await api.tables.forget(definition) }
            throw error
        }
    }

    func registerTable(_ schema: String) async throws(SQLError) -> APIResponse {
        let body = try request.json()
        guard let text = body["name"]?.asString, !text.isEmpty,
            let location = body["metadata-location"]?.asString, !location.isEmpty
        else { throw SQLError(.invalidParameterValue, "a table is registered by name and metadata-location") }
        let name = TableName(schema: schema, name: text)
        try rights.requireServerFiles()
        let definition = try await api.tables.register(metadataLocation: location)
        let isOverwrite = body["overwrite"]?.asBool ?? false
        try await publish("Register table \(name)") { (head) throws(SQLError) in
            _ = try await requireSchema(schema, at: head)
            let old = try await entry(name, at: head)
            guard old == nil || isOverwrite else {
                throw SQLError(.duplicateTable, "table \"\(name)\" already exists")
            }
            return [.put(name, .managed(definition))]
        }
        return APIResponse(loaded(try await api.tables.document(of: definition), definition.metadataLocation))
    }

    /// Files stay: other branches and older commits may have them. Garbage collection removes what nobody reaches.
    func dropTable(_ name: TableName) async throws(SQLError) -> APIResponse {
        try await publish("Drop table \(name)") { (head) throws(SQLError) in
            guard case .managed? = try await entry(name, at: head) else { throw IcebergCall.missing(name) }
            return [.drop(name)]
        }
        return .done
    }

    func renameTable() async throws(SQLError) -> APIResponse {
        try await rename("table") {
            if case .managed = $0 { true } else { false }
        }
    }

    func rename(_ what: String, _ isWanted: @Sendable (Entry) -> Bool) async throws(SQLError) -> APIResponse {
        let body = try request.json()
        let source = try IcebergCall.name(body["source"])
        let destination = try IcebergCall.name(body["destination"])
        try await publish("Rename \(what) \(source) to \(destination)") { (head) throws(SQLError) in
            guard let old = try await entry(source, at: head), isWanted(old) else {
                throw SQLError(.undefinedTable, "\(what) \"\(source)\" does not exist")
            }
            _ = try await requireSchema(destination.schema, at: head)
            if source == destination { return [] }
            guard try await entry(destination, at: head) == nil else {
                throw SQLError(.duplicateTable, "\"\(destination)\" already exists")
            }
            return [.drop(source), .put(destination, old)]
        }
        return .done
    }
}
