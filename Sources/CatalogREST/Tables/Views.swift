// Views: SQL of PostgreSQL's dialect, bound when they are made and when they are loaded.

import Catalogs
import Columns
import Coordinator
import Diagnostics
import Iceberg

extension IcebergCall {
    /// The dialect of our views, and names that are taken for it.
    private static let dialect = "postgresql"
    private static let dialects: Set<String> = ["postgresql", "postgres", "apus"]
    /// Where a view keeps what SQL has no place for.
    private static let uuidKey = "view-uuid"
    private static let versionKey = "view-version-id"
    private static let ownKeys: Set<String> = [uuidKey, versionKey]

    func listViews(_ schema: String) async throws(SQLError) -> APIResponse {
        try await list(schema) {
            if case .view = $0 { true } else { false }
        }
    }

    func view(_ name: TableName) async throws(SQLError) -> ViewDefinition {
        let commit = try await commit()
        guard case .view(let view)? = try await entry(name, at: commit) else {
            _ = try await requireSchema(name.schema, at: commit)
            throw IcebergCall.missingView(name)
        }
        return view
    }

    private static func missingView(_ name: TableName) -> SQLError {
        SQLError(.undefinedTable, "view \"\(name)\" does not exist")
    }

    func loadView(_ name: TableName) async throws(SQLError) -> APIResponse {
        let view = try await view(name)
        let columns = try await columns(of: "SELECT * FROM \(IcebergCall.quoted(name))", path: view.searchPath)
        return APIResponse(loaded(view, name, columns))
    }

    private func loaded(_ view: ViewDefinition, _ name: TableName, _ columns: [Field]) -> JSON {
        let properties = view.properties ?? [:]
        let uuid = properties[IcebergCall.uuidKey] ?? IcebergCall.uuid(of: name)
        let version = Int64(properties[IcebergCall.versionKey] ?? "") ?? 1
        let location = "\(api.tables.warehouseLocation)/\(name.schema)/\(name.name)-\(uuid.prefix(8))"
        let schema = IcebergFormat.document(of: columns)
        let representation: JSON = [
            "type": .string("sql"), "sql": .string(view.sql), "dialect": .string(IcebergCall.dialect),
        ]
        let metadata: JSON = [
            "view-uuid": .string(uuid), "format-version": .int(1), "location": .string(location),
            "schemas": .array([schema]), "current-version-id": .int(version),
            "versions": .array([
                [
                    "version-id": .int(version), "timestamp-ms": .int(0), "schema-id": .int(0),
                    "summary": ["engine-name": .string("apus")], "representations": .array([representation]),
                    "default-namespace": .array(view.searchPath.prefix(1).map { .string($0) }),
                ]
            ]),
            "version-log": .array([["timestamp-ms": .int(0), "version-id": .int(version)]]),
            "properties": .object(JSONObject(properties.filter { !IcebergCall.ownKeys.contains($0.key) })),
        ]
        return [
            "metadata-location": .string("\(location)/metadata/\(version)-\(uuid).metadata.json"), "metadata": metadata,
            "config": .object([:]),
        ]
    }

    func createView(_ schema: String) async throws(SQLError) -> APIResponse {
        let body = try request.json()
        guard let text = body["name"]?.asString, !text.isEmpty, let version = body["view-version"] else {
            throw SQLError(.invalidParameterValue, "a view needs a name and a view-version")
        }
        let name = TableName(schema: schema, name: text)
        _ = try await requireSchema(schema, at: try await commit())
        var view = try definition(version, body["schema"])
        var properties = body["properties"]?.asStrings ?? [:]
        properties[IcebergCall.uuidKey] = IcebergCall.uuid(of: name)
        properties[IcebergCall.versionKey] = "1"
        view.properties = properties
        let columns = try await columns(of: view.sql, path: view.searchPath)
        guard view.columnNames.isEmpty || view.columnNames.count == columns.count else {
            throw SQLError(.invalidParameterValue, "the schema has not as many columns as the view's query")
        }
        try await publish("Create view \(name)") { (head) throws(SQLError) in
            _ = try await requireSchema(schema, at: head)
            guard try await entry(name, at: head) == nil else {
                throw SQLError(.duplicateTable, "\"\(name)\" already exists")
            }
            return [.put(name, .view(view))]
        }
        return try await loadView(name)
    }

    /// The definition that a view version and its schema describe.
    private func definition(_ version: JSON, _ schema: JSON?) throws(SQLError) -> ViewDefinition {
        let representations = version["representations"]?.asArray ?? []
        let own = representations.first { IcebergCall.dialects.contains($0["dialect"]?.asString?.lowercased() ?? "") }
        guard let sql = own?["sql"]?.asString else {
            throw SQLError(
                .featureNotSupported, "a view needs a representation in dialect \"\(IcebergCall.dialect)\"")
        }
        let path = (version["default-namespace"]?.asArray ?? []).compactMap(\.asString)
        let names = (schema?["fields"]?.asArray ?? []).compactMap { $0["name"]?.asString }
        return ViewDefinition(sql: sql, columnNames: names, searchPath: path + ["public"].filter { !path.contains($0) })
    }

    func replaceView(_ name: TableName) async throws(SQLError) -> APIResponse {
        let body = try request.json()
        // The queries are bound before the commit: a branch does not wait for it.
        var replacement: ViewDefinition?
        let updates = body["updates"]?.asArray ?? []
        let schemas = updates.filter { $0["action"]?.asString == "add-schema" }.compactMap { $0["schema"] }
        for update in updates where update["action"]?.asString == "add-view-version" {
            guard let version = update["view-version"] else {
                throw SQLError(.invalidParameterValue, "update add-view-version has no view-version")
            }
            let id = version["schema-id"]?.asInt
            let schema = schemas.first { $0["schema-id"]?.asInt == id } ?? schemas.last
            let view = try definition(version, schema)
            _ = try await columns(of: view.sql, path: view.searchPath)
            replacement = view
        }
        try await publish("Replace view \(name)") { (head) throws(SQLError) in
            guard case .view(let old)? = try await entry(name, at: head) else { throw IcebergCall.missingView(name) }
            for requirement in body["requirements"]?.asArray ?? [] {
                let uuid = old.properties?[IcebergCall.uuidKey] ?? IcebergCall.uuid(of: name)
                guard requirement["type"]?.asString == "assert-view-uuid", requirement["uuid"]?.asString == uuid else {
                    throw SQLError(.serializationFailure, "view \"\(name)\" was replaced by another one")
                }
            }
            var properties = old.properties ?? [:]
            for update in updates { try IcebergCall.apply(update, to: &properties) }
            var view = replacement ?? old
            if replacement != nil {
                let version = (Int64(properties[IcebergCall.versionKey] ?? "") ?? 1) &+ 1
                properties[IcebergCall.versionKey] = String(version)
            }
            view.properties = properties
            return [.put(name, .view(view))]
        }
        return try await loadView(name)
    }

    private static func apply(_ update: JSON, to properties: inout [String: String]) throws(SQLError) {
        switch update["action"]?.asString ?? "" {
        case "set-properties": properties.merge(update["updates"]?.asStrings ?? [:]) { $1 }
        case "remove-properties":
            for key in (update["removals"]?.asArray ?? []).compactMap(\.asString) where !ownKeys.contains(key) {
                properties[key] = nil
            }
        // Versions are settled by the caller; where a view would be stored does not matter.
        case "add-view-version", "set-current-view-version", "add-schema", "assign-uuid", "upgrade-format-version",
            "set-location":
            break
        case let action: throw SQLError(.invalidParameterValue, "update \"\(action)\" is not known")
        }
    }

    func dropView(_ name: TableName) async throws(SQLError) -> APIResponse {
        try await publish("Drop view \(name)") { (head) throws(SQLError) in
            guard case .view? = try await entry(name, at: head) else { throw IcebergCall.missingView(name) }
            return [.drop(name)]
        }
        return .done
    }

    func renameView() async throws(SQLError) -> APIResponse {
        try await rename("view") {
            if case .view = $0 { true } else { false }
        }
    }

    // MARK: - Binding

    /// The columns of a query on this ref. Throws what is wrong with it.
    private func columns(of sql: String, path: [String]) async throws(SQLError) -> [Field] {
        let database = api.engine.database
        let session = try await api.engine.openSession(
            SessionRequest(
                user: user, database: "\(database)@\(ref)",
                settings: [("search_path", path.map { IcebergCall.quoted($0) }.joined(separator: ","))],
                peer: request.peer, processID: 0))
        let described: Result<[ResultColumn]?, SQLError>
        do throws(SQLError) {
            try await session.parse("", sql: sql, parameterTypes: [])
            described = .success(try await session.statement("").columns)
        } catch {
            described = .failure(error)
        }
        await session.close()
        let columns: [ResultColumn]?
        switch described {
        case .success(let found): columns = found
        // It is the text that is wrong, not the view that is missing.
        case .failure(let error):
            throw SQLError(.invalidParameterValue, "the view's query is not valid: \(error.message)", hint: error.hint)
        }
        guard let columns else { throw SQLError(.invalidParameterValue, "a view's text is not a query") }
        return columns.map { Field($0.name, $0.type) }
    }

    private static func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }

    private static func quoted(_ name: TableName) -> String { quoted(name.schema) + "." + quoted(name.name) }

    /// The same UUID for a name at every time: views that SQL made have none of their own.
    static func uuid(of name: TableName) -> String {
        func hash(_ seed: UInt64) -> UInt64 {
            // FNV-1a.
            name.description.utf8.reduce(14_695_981_039_346_656_037 ^ seed) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        }
        func hex(_ value: UInt64, _ digits: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: max(0, digits - text.count)) + text.suffix(digits)
        }
        let (high, low) = (hash(0), hash(0x9e37_79b9_7f4a_7c15))
        return "\(hex(high >> 32, 8))-\(hex(high >> 16 & 0xffff, 4))-8\(hex(high & 0xfff, 3))-"
            + "8\(hex(low >> 48 & 0xfff, 3))-\(hex(low & 0xffff_ffff_ffff, 12))"
    }
}
