// References, entries, contents, history and differences as Nessie's clients ask for them.

import Catalogs
import Coordinator
import Diagnostics
import Iceberg

/// A request with its user: what the operations are methods of.
struct NessieCall {
    let api: CatalogAPI
    let request: APIRequest
    let user: String
    let rights: CatalogRights
    /// Version 2 of the API: other members in some answers.
    let isSecond: Bool

    /// Commits of one page, and those looked through at most.
    private static let pageMax = 1_000
    static let logMax = 100_000

    var catalog: any Versioned { api.engine.catalog }

    // MARK: - Refs

    /// The ref of a name: a branch, or else a tag. Throws 42704.
    func named(_ name: String?) async throws(SQLError) -> NamedRef {
        let name = name ?? api.options.defaultBranch
        if let branch = try await catalog.ref(.branch, name) { return branch }
        if let tag = try await catalog.ref(.tag, name) { return tag }
        throw SQLError(.undefinedObject, "Named reference '\(name)' not found")
    }

    /// The commit that a ref means.
    func commit(of ref: NessieRef) async throws(SQLError) -> CommitID {
        var commit: CommitID
        if let hash = ref.hash {
            commit = try await catalog.commit(of: .commit(CommitID(hex: hash)))
            try await rights.requireReading(.commit(commit))
        } else {
            let found = try await named(ref.name)
            try await rights.requireReading(found.kind == .branch ? .branch(found.name) : .tag(found.name))
            commit = found.head
        }
        if ref.stepsBack > 0 {
            let log = try await catalog.log(.commit(commit), limit: ref.stepsBack + 1)
            guard log.count > ref.stepsBack, let last = log.last else {
                throw SQLError(.undefinedObject, "Commit '\(commit)' has no ancestor \(ref.stepsBack) steps back")
            }
            commit = last.id
        }
        return commit
    }

    private static func document(_ ref: NamedRef) -> JSONObject {
        [
            "type": .string(ref.kind.rawValue.uppercased()), "name": .string(ref.name), "hash": .string(ref.head.hex),
        ]
    }

    /// With what `fetch=ALL` adds.
    private func document(_ ref: NamedRef) async throws(SQLError) -> JSON {
        var object = NessieCall.document(ref)
        guard request.parameter("fetch") == "ALL" else { return .object(object) }
        guard let head = try await catalog.log(.commit(ref.head), limit: 1).first else { return .object(object) }
        let main = try await named(nil)
        try await rights.requireReading(ref.kind == .branch ? .branch(ref.name) : .tag(ref.name))
        var metadata: JSONObject = ["commitMetaOfHEAD": meta(head)]
        if let common = try await catalog.mergeBase(main.head, ref.head) {
            metadata["commonAncestorHash"] = .string(common.hex)
        }
        object["metadata"] = .object(metadata)
        return .object(object)
    }

    /// An answer that is a ref: version 2 puts it in an object.
    private func answer(_ ref: NamedRef) async throws(SQLError) -> APIResponse {
        let document = try await document(ref)
        return APIResponse(isSecond ? ["reference": document] : document)
    }

    func references() async throws(SQLError) -> APIResponse {
        var list: [JSON] = []
        for ref in rights.visible(try await catalog.refs()).sorted(by: { $0.name < $1.name }) {
            list.append(try await document(ref))
        }
        return APIResponse(["references": .array(list), "hasMore": .bool(false)])
    }

    func reference(_ ref: NessieRef) async throws(SQLError) -> APIResponse {
        guard ref.hash != nil || ref.stepsBack > 0 else { return try await answer(try await named(ref.name)) }
        let commit = try await commit(of: ref)
        let document: JSON = [
            "type": .string("DETACHED"), "name": .string("DETACHED"), "hash": .string(commit.hex),
        ]
        return APIResponse(isSecond ? ["reference": document] : document)
    }

    private static func kind(_ text: String) throws(SQLError) -> NamedRef.Kind {
        switch text.lowercased() {
        case "branch": return .branch
        case "tag": return .tag
        default: throw SQLError(.invalidParameterValue, "a reference is a branch or a tag, not \"\(text)\"")
        }
    }

    func create(_ name: String, _ type: String, _ source: NessieRef) async throws(SQLError) -> APIResponse {
        let kind = try NessieCall.kind(type)
        let commit = try await commit(of: source.hash == NessieRoutes.noAncestor ? NessieRef(name: nil) : source)
        try rights.requireCreating()
        for other in [NamedRef.Kind.branch, .tag] where try await catalog.ref(other, name) != nil {
            throw SQLError(.duplicateObject, "Named reference '\(name)' already exists")
        }
        try await catalog.create(kind, name, at: commit, RefOptions(owner: rights.owner))
        return try await answer(try await named(name))
    }

    /// The ref that is changed, of the kind that was said, and at the hash that was expected.
    private func expected(_ type: String?, _ ref: NessieRef) async throws(SQLError) -> NamedRef {
        let found = try await named(ref.name)
        try rights.requireOwner(of: found)
        if let type, try NessieCall.kind(type) != found.kind {
            throw SQLError(.undefinedObject, "'\(found.name)' is not a \(type.lowercased())")
        }
        guard let hash = ref.hash else { return found }
        guard found.head.hex.hasPrefix(hash.lowercased()) else {
            throw SQLError(
                .serializationFailure,
                "Named-reference '\(found.name)' is not at expected hash '\(hash)', but at "
                    + "'\(found.head)'")
        }
        return found
    }

    func assign(_ type: String?, _ ref: NessieRef, _ target: JSON) async throws(SQLError) -> APIResponse {
        let found = try await expected(type, ref)
        if found.kind == .branch { _ = try await api.engine.changeable(found.name) }
        let commit = try await commit(of: NessieRef(name: target["name"]?.asString, hash: target["hash"]?.asString))
        try await catalog.move(found.kind, found.name, from: found.head, to: commit)
        return isSecond ? try await answer(try await named(found.name)) : .done
    }

    func delete(_ type: String?, _ ref: NessieRef) async throws(SQLError) -> APIResponse {
        let found = try await expected(type, ref)
        if found.kind == .branch { _ = try await api.engine.changeable(found.name) }
        try await catalog.drop(found.kind, found.name)
        return isSecond ? APIResponse(["reference": .object(NessieCall.document(found))]) : .done
    }

    // MARK: - Contents

    /// A table's or view's content; nil for what Nessie has no word for. Reads a table's metadata.
    func document(_ name: TableName, _ entry: Entry) async throws(SQLError) -> JSON? {
        try rights.requireReading(name, entry)
        switch entry {
        case .managed(let definition):
            let document = try await api.tables.document(of: definition)
            func id(_ key: String) -> JSON { .int(document[key]?.asInt ?? 0) }
            return [
                "type": .string("ICEBERG_TABLE"), "id": .string(definition.identity),
                "metadataLocation": .string(definition.metadataLocation),
                "snapshotId": .int(definition.snapshotID ?? -1), "schemaId": id("current-schema-id"),
                "specId": id("default-spec-id"), "sortOrderId": id("default-sort-order-id"),
            ]
        case .view(let view):
            let id = view.properties?["view-uuid"] ?? IcebergCall.uuid(of: name)
            return [
                "type": .string("ICEBERG_VIEW"), "id": .string(id),
                "metadataLocation": .string("\(api.tables.warehouseLocation)/\(name.schema)/\(name.name)"),
                "versionId": .int(1), "schemaId": .int(0), "sqlText": .string(view.sql),
                "dialect": .string("postgresql"),
            ]
        case .external, .object: return nil
        }
    }

    func document(_ schema: SchemaDefinition) -> JSON {
        var object: JSONObject = [
            "type": .string("NAMESPACE"), "id": .string(NessieCall.id(of: schema.name)),
            "elements": .array([.string(schema.name)]),
        ]
        // Clients of version 1 refuse what they do not know.
        if isSecond { object["properties"] = .object(JSONObject(schema.properties ?? [:])) }
        return .object(object)
    }

    private static func id(of schema: String) -> String { IcebergCall.uuid(of: TableName(schema: "", name: schema)) }

    private func effective(_ ref: NessieRef, _ commit: CommitID) async throws(SQLError) -> JSON {
        guard ref.hash == nil || ref.name != nil else {
            return ["type": .string("DETACHED"), "name": .string("DETACHED"), "hash": .string(commit.hex)]
        }
        var found = try await named(ref.name)
        found.head = commit
        return .object(NessieCall.document(found))
    }

    /// The content of a key at a commit; nil when there is none.
    private func content(_ key: NessieKey, at commit: CommitID) async throws(SQLError) -> JSON? {
        if let schema = key.schema { return try await catalog.schema(schema, at: commit).map { document($0) } }
        guard let table = key.table, let entry = try await catalog.entries([table], at: commit)[table] else {
            return nil
        }
        return try await document(table, entry)
    }

    func content(_ key: NessieKey, _ ref: NessieRef) async throws(SQLError) -> APIResponse {
        let commit = try await commit(of: ref)
        guard let content = try await content(key, at: commit) else {
            throw SQLError(
                .undefinedTable,
                "Could not find content for key '\(key.elements.joined(separator: "."))' in reference "
                    + "'\(ref.name ?? ref.hash ?? api.options.defaultBranch)'")
        }
        guard isSecond else { return APIResponse(content) }
        return APIResponse(["content": content, "effectiveReference": try await effective(ref, commit)])
    }

    func contents(_ keys: [NessieKey], _ ref: NessieRef) async throws(SQLError) -> APIResponse {
        let commit = try await commit(of: ref)
        var list: [JSON] = []
        for key in keys {
            guard let content = try await content(key, at: commit) else { continue }
            list.append(["key": key.json, "content": content])
        }
        var object: JSONObject = ["contents": .array(list)]
        if isSecond { object["effectiveReference"] = try await effective(ref, commit) }
        return APIResponse(.object(object))
    }

    func entries(_ ref: NessieRef) async throws(SQLError) -> APIResponse {
        let commit = try await commit(of: ref)
        let filter = try NessieFilter(request.parameter("filter") ?? request.parameter("query_expression"))
        let wantsContent = isSecond && request.parameter("content") == "true"
        var list: [JSON] = []
        func add(_ key: NessieKey, _ type: String, _ id: String, _ content: JSON?) {
            var object: JSONObject = ["type": .string(type), "name": key.json]
            if isSecond { object["contentId"] = .string(id) }
            if let content { object["content"] = content }
            list.append(.object(object))
        }
        for schema in try await catalog.schemas(at: commit) {
            let key = NessieKey([schema.name])
            if try filter.takes(entry: key, "NAMESPACE") {
                add(key, "NAMESPACE", NessieCall.id(of: schema.name), wantsContent ? document(schema) : nil)
            }
            let names = try await catalog.names(in: schema.name, at: commit)
            let entries = try await catalog.entries(Set(names), at: commit)
            for name in names {
                guard let entry = entries[name], !wantsContent || rights.mayRead(name, entry),
                    let (type, id) = NessieCall.type(name, entry),
                    try filter.takes(entry: NessieKey(name), type)
                else { continue }
                add(NessieKey(name), type, id, wantsContent ? try await document(name, entry) : nil)
            }
        }
        var object: JSONObject = ["hasMore": .bool(false), "entries": .array(list)]
        if isSecond { object["effectiveReference"] = try await effective(ref, commit) }
        return APIResponse(.object(object))
    }

    private static func type(_ name: TableName, _ entry: Entry) -> (type: String, id: String)? {
        switch entry {
        case .managed(let definition): ("ICEBERG_TABLE", definition.identity)
        case .view(let view): ("ICEBERG_VIEW", view.properties?["view-uuid"] ?? IcebergCall.uuid(of: name))
        case .external, .object: nil
        }
    }

    // MARK: - History

    /// CommitMeta.
    private func meta(_ commit: CommitInfo) -> JSON {
        let time = JSON.string(NessieTime.text(commit.committedAt))
        var object: JSONObject = [
            "hash": .string(commit.id.hex), "committer": .string(commit.author), "author": .string(commit.author),
            "message": .string(commit.message), "commitTime": time, "authorTime": time, "properties": .object([:]),
        ]
        if isSecond {
            object["authors"] = .array([.string(commit.author)])
            object["allSignedOffBy"] = .array([])
            object["allProperties"] = .object([:])
            object["parentCommitHashes"] = .array(commit.parents.map { .string($0.hex) })
        }
        return .object(object)
    }

    func log(_ ref: NessieRef) async throws(SQLError) -> APIResponse {
        let token = request.parameter("pageToken") ?? request.parameter("page-token")
        let start = token.map { NessieRef(name: nil, hash: $0) } ?? ref
        let wanted = request.number(
            isSecond ? "max-records" : "maxRecords", in: 1...NessieCall.pageMax,
            standard: request.number("max_records", in: 1...NessieCall.pageMax, standard: NessieCall.pageMax))
        let oldest = request.parameter("limit-hash") ?? request.parameter("startHash")
        let filter = try NessieFilter(request.parameter("filter"))
        let limit = filter.isEmpty ? wanted + 1 : NessieCall.logMax
        var list: [JSON] = []
        var next: CommitID?
        for commit in try await catalog.log(.commit(try await self.commit(of: start)), limit: limit) {
            if try filter.takes(commit: commit) {
                guard list.count < wanted else {
                    next = commit.id
                    break
                }
                list.append(try await logEntry(commit))
            }
            if let oldest, commit.id.hex.hasPrefix(oldest.lowercased()) { break }
        }
        var object: JSONObject = ["hasMore": .bool(next != nil), "logEntries": .array(list)]
        if let next { object["token"] = .string(next.hex) }
        return APIResponse(.object(object))
    }

    private func logEntry(_ commit: CommitInfo) async throws(SQLError) -> JSON {
        var object: JSONObject = ["commitMeta": meta(commit)]
        object["parentCommitHash"] = .string(commit.parents.first?.hex ?? NessieRoutes.noAncestor)
        guard request.parameter("fetch") == "ALL" else { return .object(object) }
        var operations: [JSON] = []
        if let parent = commit.parents.first {
            for difference in try await catalog.differences(from: parent, to: commit.id) where mayTell(difference) {
                let (key, _, after) = try await sides(difference)
                if let after {
                    operations.append(["type": .string("PUT"), "key": key.json, "content": after])
                } else {
                    operations.append(["type": .string("DELETE"), "key": key.json])
                }
            }
        }
        object["operations"] = .array(operations)
        return .object(object)
    }

    /// Whether the user may know both states.
    private func mayTell(_ difference: Difference) -> Bool {
        guard case .entry(let name, let before, let after) = difference else { return true }
        return [before, after].allSatisfy { $0.map { rights.mayRead(name, $0) } ?? true }
    }

    /// What a difference was and is.
    private func sides(_ difference: Difference) async throws(SQLError) -> (NessieKey, before: JSON?, after: JSON?) {
        switch difference {
        case .schema(let name, let before, let after):
            return (NessieKey([name]), before.map { document($0) }, after.map { document($0) })
        case .entry(let name, let before, let after):
            var contents: [JSON?] = []
            for entry in [before, after] {
                if let entry { contents.append(try await document(name, entry)) } else { contents.append(nil) }
            }
            return (NessieKey(name), contents[0], contents[1])
        }
    }

    func difference(_ from: NessieRef, _ to: NessieRef) async throws(SQLError) -> APIResponse {
        let (old, new) = (try await commit(of: from), try await commit(of: to))
        var list: [JSON] = []
        for difference in try await catalog.differences(from: old, to: new) where mayTell(difference) {
            let (key, before, after) = try await sides(difference)
            guard before != nil || after != nil else { continue }
            list.append(["key": key.json, "from": before ?? .null, "to": after ?? .null])
        }
        var object: JSONObject = ["hasMore": .bool(false), "diffs": .array(list)]
        if isSecond {
            object["effectiveFromReference"] = try await effective(from, old)
            object["effectiveToReference"] = try await effective(to, new)
        }
        return APIResponse(.object(object))
    }
}
