// Iceberg's REST protocol (open-api/rest-catalog-open-api.yaml): which request is which, and the handshake.

import Catalogs
import Coordinator
import Diagnostics
import Iceberg

/// One request of the protocol, after `v1`.
struct IcebergRoutes {
    let api: CatalogAPI
    let request: APIRequest
    let segments: [String]
    /// The branch in the catalog's URI.
    let baseRef: String?

    /// Separates the levels of a namespace in a path.
    static let separator: Character = "\u{1f}"
    /// Names of a page, when a client asks for pages.
    private static let pageMax = 10_000

    /// First parts of paths without a prefix.
    private static let roots: Set<String> = ["namespaces", "tables", "transactions", "views", "register-view"]

    func answer() async -> APIResponse {
        let missing = segments.contains("views") ? "View" : "Table"
        do throws(SQLError) {
            if segments.first == "oauth" { return try token() }
            let user = try api.user(of: request)
            let rights = try await api.engine.rights(of: user)
            if segments == ["config"] { return try await configuration() }
            var rest = segments[...]
            var ref = baseRef ?? ""
            if let first = rest.first, !IcebergRoutes.roots.contains(first) {
                ref = IcebergRoutes.ref(ofPrefix: first) ?? ref
                rest = rest.dropFirst()
            }
            let call = IcebergCall(api: api, request: request, ref: try api.ref(ref), user: user, rights: rights)
            return try await route(Array(rest), call)
        } catch {
            return .iceberg(error, missing: missing)
        }
    }

    /// `dev|warehouse`, `dev`, `|warehouse`: nil for no branch.
    static func ref(ofPrefix prefix: String) -> String? {
        let name = String(prefix.prefix { $0 != "|" })
        return name.isEmpty || name == "-" ? nil : name
    }

    private func route(_ path: [String], _ call: IcebergCall) async throws(SQLError) -> APIResponse {
        let method = request.method
        switch (method, path.count) {
        case ("GET", 1) where path[0] == "namespaces": return try await call.listNamespaces()
        case ("POST", 1) where path[0] == "namespaces": return try await call.createNamespace()
        case ("POST", 2) where path == ["tables", "rename"]: return try await call.renameTable()
        case ("POST", 2) where path == ["views", "rename"]: return try await call.renameView()
        case ("POST", 2) where path == ["transactions", "commit"]: return try await call.commitTransaction()
        default: break
        }
        guard path.count >= 2, path[0] == "namespaces" else { throw unknown() }
        let schema = try IcebergRoutes.schema(path[1].split(separator: IcebergRoutes.separator).map(String.init))
        switch (method, path.count) {
        case ("GET", 2): return try await call.loadNamespace(schema)
        case ("HEAD", 2):
            _ = try await call.loadNamespace(schema)
            return .done
        case ("DELETE", 2): return try await call.dropNamespace(schema)
        case ("POST", 3) where path[2] == "properties": return try await call.updateNamespace(schema)
        case ("GET", 3) where path[2] == "tables": return try await call.listTables(schema)
        case ("POST", 3) where path[2] == "tables": return try await call.createTable(schema)
        case ("POST", 3) where path[2] == "register": return try await call.registerTable(schema)
        case ("GET", 3) where path[2] == "views": return try await call.listViews(schema)
        case ("POST", 3) where path[2] == "views": return try await call.createView(schema)
        case (_, 4) where path[2] == "tables":
            let name = TableName(schema: schema, name: path[3])
            switch method {
            case "GET": return try await call.loadTable(name)
            case "HEAD":
                _ = try await call.table(name)
                return .done
            case "POST": return try await call.commitTable(name)
            case "DELETE": return try await call.dropTable(name)
            default: throw unknown()
            }
        case (_, 4) where path[2] == "views":
            let name = TableName(schema: schema, name: path[3])
            switch method {
            case "GET": return try await call.loadView(name)
            case "HEAD":
                _ = try await call.view(name)
                return .done
            case "POST": return try await call.replaceView(name)
            case "DELETE": return try await call.dropView(name)
            default: throw unknown()
            }
        // Reports are taken and not kept.
        case ("POST", 5) where path[2] == "tables" && path[4] == "metrics": return .done
        case ("GET", 5) where path[2] == "tables" && path[4] == "credentials":
            return APIResponse(["storage-credentials": .array([])])
        default: throw unknown()
        }
    }

    private func unknown() -> SQLError {
        SQLError(.protocolViolation, "\(request.method) \(request.path) is not known")
    }

    /// The schema that a namespace is: namespaces have one level here.
    static func schema(_ levels: [String]) throws(SQLError) -> String {
        guard levels.count == 1, !levels[0].isEmpty else {
            throw SQLError(.invalidSchema, "namespace \"\(levels.joined(separator: "."))\" does not exist")
        }
        return levels[0]
    }

    // MARK: - Handshake

    private static let endpoints = [
        "GET /v1/{prefix}/namespaces", "POST /v1/{prefix}/namespaces", "GET /v1/{prefix}/namespaces/{namespace}",
        "HEAD /v1/{prefix}/namespaces/{namespace}", "DELETE /v1/{prefix}/namespaces/{namespace}",
        "POST /v1/{prefix}/namespaces/{namespace}/properties", "GET /v1/{prefix}/namespaces/{namespace}/tables",
        "POST /v1/{prefix}/namespaces/{namespace}/tables", "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        "POST /v1/{prefix}/namespaces/{namespace}/register",
        "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics", "POST /v1/{prefix}/tables/rename",
        "POST /v1/{prefix}/transactions/commit", "GET /v1/{prefix}/namespaces/{namespace}/views",
        "POST /v1/{prefix}/namespaces/{namespace}/views", "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
        "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
        "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
        "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}", "POST /v1/{prefix}/views/rename",
    ]

    private func configuration() async throws(SQLError) -> APIResponse {
        let ref = try await chosenRef()
        // Defaults, so that a client's own prefix wins.
        var defaults = JSONObject(api.options.storage)
        defaults["prefix"] = .string(ref)
        return APIResponse([
            "defaults": .object(defaults), "overrides": .object([:]),
            "endpoints": .array(IcebergRoutes.endpoints.map { .string($0) }),
        ])
    }

    /// The branch that a client's `warehouse` means. What names nothing is refused: writing to another branch than
    /// meant would be worse.
    private func chosenRef() async throws(SQLError) -> String {
        let base = baseRef.flatMap(IcebergRoutes.ref(ofPrefix:))
        let warehouse = request.parameter("warehouse") ?? ""
        var wanted = base ?? api.options.defaultBranch
        let database = api.engine.database
        if warehouse.contains("|") {
            wanted = IcebergRoutes.ref(ofPrefix: warehouse) ?? wanted
        } else if let at = ["@", "/"].first(where: { warehouse.hasPrefix(database + $0) }) {
            wanted = String(warehouse.dropFirst(database.count + at.count))
        } else if !["", "warehouse", database, api.tables.warehouseLocation].contains(warehouse) {
            wanted = warehouse
        }
        do throws(SQLError) {
            _ = try await api.engine.catalog.commit(of: try api.ref(wanted))
        } catch {
            throw SQLError(
                .invalidParameterValue, "warehouse \"\(warehouse.isEmpty ? wanted : warehouse)\" does not exist",
                hint: "Name a branch, or \"\(database)\" for branch \"\(api.options.defaultBranch)\".")
        }
        return wanted
    }

    /// POST oauth/tokens: the secret of a client is a token of the configuration already.
    private func token() throws(SQLError) -> APIResponse {
        guard request.method == "POST", segments == ["oauth", "tokens"] else { throw unknown() }
        var form = request
        form.query = String(decoding: request.body, as: UTF8.self)
        let secret = form.parameter("client_secret") ?? form.parameter("subject_token") ?? ""
        guard api.user(ofToken: secret) != nil || api.isTrusted(request) else {
            return APIResponse(
                ["error": .string("invalid_client"), "error_description": .string("the credentials are not valid")],
                status: 401)
        }
        return APIResponse([
            "access_token": .string(secret.isEmpty ? "loopback" : secret), "token_type": .string("bearer"),
            "issued_token_type": .string("urn:ietf:params:oauth:token-type:access_token"), "expires_in": .int(86_400),
        ])
    }

    // MARK: - Pages

    /// Sorted names, all of them or the page that was asked for.
    static func page(_ names: [String], _ request: APIRequest) -> (names: [String], next: JSON?) {
        guard let token = request.parameter("pageToken") else { return (names, nil) }
        let size = request.number("pageSize", in: 1...pageMax, standard: pageMax)
        let rest = names.drop { !token.isEmpty && $0 <= token }
        let page = Array(rest.prefix(size))
        return (page, rest.count > size ? page.last.map { .string($0) } : nil)
    }
}

/// A request with its ref and its user: what the operations are methods of.
struct IcebergCall {
    let api: CatalogAPI
    let request: APIRequest
    let ref: Ref
    let user: String
    let rights: CatalogRights

    /// The commit that reads see.
    func commit() async throws(SQLError) -> CommitID {
        let commit = try await api.engine.catalog.commit(of: ref)
        try await rights.requireReading(ref)
        return commit
    }

    /// The branch that changes go to.
    func branch() throws(SQLError) -> String {
        switch ref {
        case .branch(let name), .named(let name): return name
        case .tag, .commit, .time:
            throw SQLError(.wrongObjectType, "\"\(ref)\" is not a branch", hint: "Tags and commits cannot be changed.")
        }
    }

    /// Commits changes of the branch's head, with a note on who made them.
    func publish(
        _ message: String, _ changes: (CommitID) async throws(SQLError) -> [Change]
    ) async throws(SQLError) {
        let note = CommitNote(author: user, message: message)
        _ = try await api.engine.publish(to: try branch(), as: user, note: note, changes)
    }

    /// Throws 3F000 when there is no such schema.
    func requireSchema(_ name: String, at commit: CommitID) async throws(SQLError) -> SchemaDefinition {
        guard let schema = try await api.engine.catalog.schema(name, at: commit) else {
            throw SQLError(.invalidSchema, "namespace \"\(name)\" does not exist")
        }
        return schema
    }

    /// The entry of a name, nil when there is none.
    func entry(_ name: TableName, at commit: CommitID) async throws(SQLError) -> Entry? {
        try await api.engine.catalog.entries([name], at: commit)[name]
    }

    static func identifier(_ name: TableName) -> JSON {
        ["namespace": .array([.string(name.schema)]), "name": .string(name.name)]
    }

    static func name(_ identifier: JSON?) throws(SQLError) -> TableName {
        guard let name = identifier?["name"]?.asString, !name.isEmpty, let levels = identifier?["namespace"]?.asArray
        else { throw SQLError(.invalidParameterValue, "a table is not named by namespace and name") }
        return TableName(schema: try IcebergRoutes.schema(levels.compactMap(\.asString)), name: name)
    }
}
