// The parts of Project Nessie's API, versions 1 and 2, that scripts use: which request is which, refs, and errors.

import Catalogs
import Coordinator
import Diagnostics
import Iceberg

/// One request, after `api/vN`.
struct NessieRoutes {
    let api: CatalogAPI
    let request: APIRequest
    let segments: [String]

    private static let specification = "2.2.0"
    /// Nessie's name for the state before the first commit.
    static let noAncestor = "2e1cfa82b035c26cbbbdae632cea070514eb8b773f616aaeaf668e2f0be8f10d"

    func answer(version: String) async -> APIResponse {
        do throws(SQLError) {
            let user = try api.user(of: request)
            let call = NessieCall(
                api: api, request: request, user: user, rights: try await api.engine.rights(of: user),
                isSecond: version == "v2")
            switch version {
            case "v1": return try await first(call)
            case "v2": return try await second(call)
            default: throw unknown()
            }
        } catch {
            return NessieRoutes.failure(error)
        }
    }

    private func unknown() -> SQLError {
        SQLError(.protocolViolation, "\(request.method) \(request.path) is not known")
    }

    static func failure(_ error: SQLError) -> APIResponse {
        let (status, reason, code) = kind(of: error)
        var message = error.message
        if let detail = error.detail { message += ". \(detail)" }
        return APIResponse(
            [
                "status": .int(status), "reason": .string(reason), "message": .string(message),
                "errorCode": .string(code),
            ], status: status)
    }

    private static func kind(of error: SQLError) -> (status: Int, reason: String, code: String) {
        switch error.state.code {
        case "28000", "28P01": (401, "Unauthorized", "UNKNOWN")
        case "42501": (403, "Forbidden", "FORBIDDEN")
        case "42704", "42809": (404, "Not Found", "REFERENCE_NOT_FOUND")
        case "42P01": (404, "Not Found", "CONTENT_NOT_FOUND")
        case "3F000": (404, "Not Found", "NAMESPACE_NOT_FOUND")
        case "08P01": (404, "Not Found", "UNKNOWN")
        case "42710": (409, "Conflict", "REFERENCE_ALREADY_EXISTS")
        case "40001", "42P06", "42P07", "2BP01", "23514": (409, "Conflict", "REFERENCE_CONFLICT")
        case let code where ["22", "42", "0A", "2B", "55", "58"].contains(code.prefix(2)) && code != "58030":
            (400, "Bad Request", "BAD_REQUEST")
        case let code where ["53", "57"].contains(code.prefix(2)):
            (503, "Service Unavailable", "SERVICE_UNAVAILABLE")
        default: (500, "Internal Server Error", "UNKNOWN")
        }
    }

    // MARK: - Routes

    private func configuration(_ call: NessieCall) -> APIResponse {
        var object: JSONObject = [
            "defaultBranch": .string(api.options.defaultBranch), "maxSupportedApiVersion": .int(2),
        ]
        if call.isSecond {
            object["minSupportedApiVersion"] = .int(1)
            object["actualApiVersion"] = .int(2)
            object["specVersion"] = .string(NessieRoutes.specification)
            object["noAncestorHash"] = .string(NessieRoutes.noAncestor)
        }
        return APIResponse(.object(object))
    }

    private func first(_ call: NessieCall) async throws(SQLError) -> APIResponse {
        let path = segments
        let hash = request.parameter("hashOnRef")
        let expected = request.parameter("expectedHash")
        switch (request.method, path.count) {
        case ("GET", 1) where path == ["config"]: return configuration(call)
        case ("GET", 1) where path == ["trees"]: return try await call.references()
        case ("GET", 2) where path == ["trees", "tree"]:
            return try await call.reference(.init(name: api.options.defaultBranch))
        case ("POST", 2) where path == ["trees", "tree"]:
            let body = try request.json()
            let source = request.parameter("sourceRefName").map { NessieRef(name: $0, hash: body["hash"]?.asString) }
            return try await call.create(
                body["name"]?.asString ?? "", body["type"]?.asString ?? "BRANCH",
                source ?? NessieRef(name: nil, hash: body["hash"]?.asString))
        case ("GET", 3) where path[1] == "tree": return try await call.reference(.init(name: path[2]))
        case ("GET", 4) where path[1] == "tree" && path[3] == "entries":
            return try await call.entries(.init(name: path[2], hash: hash))
        case ("GET", 4) where path[1] == "tree" && path[3] == "log":
            return try await call.log(.init(name: path[2], hash: hash ?? request.parameter("endHash")))
        case ("PUT", 3) where path[0] == "trees":
            return try await call.assign(path[1], .init(name: path[2], hash: expected), try request.json())
        case ("DELETE", 3) where path[0] == "trees":
            return try await call.delete(path[1], .init(name: path[2], hash: expected))
        case ("POST", 4) where path[0] == "trees" && path[1] == "branch":
            return try await change(path[3], .init(name: path[2], hash: expected), call)
        case ("GET", 2) where path[0] == "contents":
            let ref = NessieRef(name: request.parameter("ref"), hash: hash)
            return try await call.content(NessieKey(path: path[1]), ref)
        case ("POST", 1) where path == ["contents"]:
            let ref = NessieRef(name: request.parameter("ref"), hash: hash)
            return try await call.contents(try NessieKey.list(try request.json()["requestedKeys"]), ref)
        case ("GET", 2) where path[0] == "diffs":
            let sides = path[1].split(separator: "...", maxSplits: 1).map(String.init)
            guard sides.count == 2 else { throw unknown() }
            return try await call.difference(NessieRef(first: sides[0]), NessieRef(first: sides[1]))
        default: throw unknown()
        }
    }

    private func second(_ call: NessieCall) async throws(SQLError) -> APIResponse {
        let path = segments
        if path == ["config"], request.method == "GET" { return configuration(call) }
        guard path.first == "trees" else { throw unknown() }
        if path.count == 1 {
            guard request.method == "POST" else { return try await call.references() }
            let body = request.body.isEmpty ? JSON.null : try request.json()
            return try await call.create(
                request.parameter("name") ?? "", request.parameter("type") ?? "BRANCH",
                NessieRef(name: body["name"]?.asString, hash: body["hash"]?.asString))
        }
        let ref = try NessieRef(second: path[1])
        switch (request.method, path.count) {
        case ("GET", 2): return try await call.reference(ref)
        case ("PUT", 2):
            return try await call.assign(request.parameter("type"), ref, try request.json())
        case ("DELETE", 2): return try await call.delete(request.parameter("type"), ref)
        case ("GET", 3) where path[2] == "entries": return try await call.entries(ref)
        case ("GET", 3) where path[2] == "history": return try await call.log(ref)
        case ("GET", 3) where path[2] == "contents":
            let keys = request.parameters.filter { $0.name == "key" }.map { NessieKey(path: $0.value) }
            return try await call.contents(keys, ref)
        case ("POST", 3) where path[2] == "contents":
            return try await call.contents(try NessieKey.list(try request.json()["requestedKeys"]), ref)
        case ("GET", 4) where path[2] == "contents": return try await call.content(NessieKey(path: path[3]), ref)
        case ("GET", 4) where path[2] == "diff": return try await call.difference(ref, try NessieRef(second: path[3]))
        case ("POST", 4) where path[2] == "history": return try await change(path[3], ref, call)
        default: throw unknown()
        }
    }

    private func change(_ what: String, _ ref: NessieRef, _ call: NessieCall) async throws(SQLError) -> APIResponse {
        switch what {
        case "commit": try await call.commit(ref, try request.json())
        case "merge": try await call.merge(ref, try request.json())
        case "transplant": try await call.transplant(ref, try request.json())
        default: throw unknown()
        }
    }
}

/// A ref as a request names it.
struct NessieRef {
    /// nil: the default branch, or only a hash.
    var name: String?
    var hash: String?
    /// Steps back along first parents.
    var stepsBack = 0

    init(name: String?, hash: String? = nil) {
        self.name = name == "-" || name == "DETACHED" ? nil : name
        self.hash = hash?.isEmpty == true ? nil : hash
    }

    /// Version 1's `name*hash` in a diff.
    init(first text: String) {
        let parts = text.split(separator: "*", maxSplits: 1).map(String.init)
        self.init(name: parts.first, hash: parts.count > 1 ? parts[1] : nil)
    }

    /// Version 2's `name@hash~2`.
    init(second text: String) throws(SQLError) {
        var text = text
        var steps = 0
        if let tilde = text.firstIndex(of: "~") {
            guard let number = Int(text[text.index(after: tilde)...]), (0...NessieCall.logMax).contains(number) else {
                throw SQLError(.invalidParameterValue, "invalid reference \"\(text)\"")
            }
            steps = number
            text = String(text[..<tilde])
        }
        guard !text.contains("^"), !text.contains("*") else {
            throw SQLError(.featureNotSupported, "reference \"\(text)\" is of a form that is not supported")
        }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        self.init(name: parts[0].isEmpty ? nil : parts[0], hash: parts.count > 1 ? parts[1] : nil)
        stepsBack = steps
    }
}

/// A content key: a schema, or a table or view in one.
struct NessieKey: Hashable {
    var elements: [String]

    init(_ elements: [String]) { self.elements = elements }

    init(_ name: TableName) { elements = [name.schema, name.name] }

    /// Elements joined by dots; a dot inside one is the byte 1D, or everything is escaped behind a first dot.
    init(path: String) {
        guard path.hasPrefix(".") else {
            elements = path.split(separator: ".").map {
                String($0).replacing("\u{1d}", with: ".").replacing("\u{0}", with: ".")
            }
            return
        }
        let escapes: [Character: Character] = [".": ".", "*": "*", "{": "/", "}": "\\", "[": "%"]
        var parts: [String] = []
        var part = ""
        var isEscaped = false
        for character in path.dropFirst() {
            if isEscaped {
                part.append(escapes[character] ?? character)
                isEscaped = false
            } else if character == "*" {
                isEscaped = true
            } else if character == "." {
                parts.append(part)
                part = ""
            } else {
                part.append(character)
            }
        }
        elements = parts + [part]
    }

    init(_ json: JSON?) throws(SQLError) {
        elements = (json?["elements"]?.asArray ?? []).compactMap(\.asString)
        guard !elements.isEmpty else { throw SQLError(.invalidParameterValue, "a content key has no elements") }
    }

    static func list(_ json: JSON?) throws(SQLError) -> [NessieKey] {
        var keys: [NessieKey] = []
        for key in json?.asArray ?? [] { keys.append(try NessieKey(key)) }
        return keys
    }

    var json: JSON { ["elements": .array(elements.map { .string($0) })] }

    var schema: String? { elements.count == 1 ? elements[0] : nil }

    var table: TableName? { elements.count == 2 ? TableName(schema: elements[0], name: elements[1]) : nil }
}
