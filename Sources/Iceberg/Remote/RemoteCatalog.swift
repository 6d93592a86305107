// Another engine's Iceberg REST catalog as an attached database: its tables are read and written like ours, and a
// commit sends what changed in the metadata as updates with requirements.

public import Catalogs
import Columns
public import Diagnostics
import Foundation
import Storage
import Synchronization

/// Attaches Iceberg REST catalogs.
public struct RemoteCatalogKind: DatabaseKind {
    public let name = "iceberg_rest"
    private let format: IcebergFormat

    public init(format: IcebergFormat) { self.format = format }

    public func attach(_ location: String, options: [String: String]) async throws(SQLError) -> any AttachedDatabase {
        RemoteCatalog(format: format, client: try await RestClient(location, options: options))
    }
}

/// One REST catalog.
final class RemoteCatalog: AttachedDatabase {
    let kind = "iceberg_rest"
    private let format: IcebergFormat
    private let client: RestClient

    /// What one look at the catalog has seen: later questions get the same answers.
    private struct View: Sendable {
        var entries: [TableName: Entry?] = [:]
        var schemas: [String: SchemaDefinition?] = [:]
        var names: [String: [TableName]] = [:]
    }

    private struct Views: Sendable {
        var last: Int64 = 0
        var kept: [Int64: View] = [:]
    }

    private let views = Mutex(Views())
    /// Looks that are remembered; a transaction over an older one has to be tried again.
    private static let viewsMax = 10_000
    /// Pages of one listing.
    private static let pagesMax = 100_000

    init(format: IcebergFormat, client: RestClient) {
        self.format = format
        self.client = client
    }

    // MARK: - Looks

    func commit(of ref: Ref) async throws(SQLError) -> CommitID {
        views.withLock { views in
            views.last += 1
            views.kept[views.last] = View()
            views.kept[views.last - Int64(RemoteCatalog.viewsMax)] = nil
            return CommitID(hex: String(views.last))
        }
    }

    private func view(_ commit: CommitID) throws(SQLError) -> View {
        guard let number = Int64(commit.hex), let view = views.withLock({ $0.kept[number] }) else {
            throw SQLError(.serializationFailure, "the transaction is too old", hint: "It might succeed if retried.")
        }
        return view
    }

    /// Keeps what was seen first: two statements of a transaction may ask at a time.
    private func remember(_ commit: CommitID, _ body: @Sendable (inout View) -> Void) {
        guard let number = Int64(commit.hex) else { return }
        views.withLock { views in
            guard var view = views.kept[number] else { return }
            body(&view)
            views.kept[number] = view
        }
    }

    /// A namespace of several levels is a schema with dots in its name.
    private static func levels(_ schema: String) -> [String] { schema.split(separator: ".").map(String.init) }

    private static func path(_ schema: String) -> String {
        "namespaces/" + levels(schema).map(RestClient.escaped).joined(separator: "%1F")
    }

    private static func path(_ name: TableName) -> String {
        path(name.schema) + "/tables/" + RestClient.escaped(name.name)
    }

    static func identifier(_ name: TableName) -> JSON {
        ["namespace": .array(levels(name.schema).map { .string($0) }), "name": .string(name.name)]
    }

    /// All pages of a listing.
    private func list(_ path: String, _ key: String, about what: String) async throws(SQLError) -> [JSON] {
        var result: [JSON] = []
        var token = ""
        for _ in 0..<RemoteCatalog.pagesMax {
            let page = try await client.ask("GET", path + "?pageToken=\(RestClient.escaped(token))", about: what)
            result += page?[key]?.asArray ?? []
            guard let next = page?["next-page-token"]?.asString, !next.isEmpty else { return result }
            token = next
        }
        throw SQLError(.programLimitExceeded, "\(what) has too many pages")
    }

    func schemas(at commit: CommitID) async throws(SQLError) -> [SchemaDefinition] {
        try await list("namespaces", "namespaces", about: "namespaces").map {
            SchemaDefinition(name: ($0.asArray ?? []).compactMap(\.asString).joined(separator: "."))
        }
    }

    func schema(_ name: String, at commit: CommitID) async throws(SQLError) -> SchemaDefinition? {
        if let known = try view(commit).schemas[name] { return known }
        guard !RemoteCatalog.levels(name).isEmpty else { return nil }
        let found = try await client.ask(
            "GET", RemoteCatalog.path(name), about: "namespace \"\(name)\"", isMissingAllowed: true)
        let schema = found.map { _ in SchemaDefinition(name: name) }
        remember(commit) { $0.schemas[name] = .some(schema) }
        return schema
    }

    func names(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName] {
        if let known = try view(commit).names[schema] { return known }
        let found = try await list(
            RemoteCatalog.path(schema) + "/tables", "identifiers", about: "tables of \"\(schema)\"")
        let names = found.compactMap { $0["name"]?.asString }.sorted().map { TableName(schema: schema, name: $0) }
        remember(commit) { $0.names[schema] = names }
        return names
    }

    func entries(_ names: Set<TableName>, at commit: CommitID) async throws(SQLError) -> [TableName: Entry] {
        let view = try view(commit)
        var result: [TableName: Entry] = [:]
        for name in names {
            let entry: Entry?
            if let known = view.entries[name] {
                entry = known
            } else {
                entry = try await load(name).map { .managed($0) }
                remember(commit) { if $0.entries[name] == nil { $0.entries[name] = .some(entry) } }
            }
            if let entry { result[name] = entry }
        }
        return result
    }

    private func load(_ name: TableName) async throws(SQLError) -> ManagedDefinition? {
        guard !RemoteCatalog.levels(name.schema).isEmpty, !name.name.isEmpty else { return nil }
        let answer = try await client.ask(
            "GET", RemoteCatalog.path(name), about: "table \"\(name)\"", isMissingAllowed: true)
        guard let answer else { return nil }
        guard let location = answer["metadata-location"]?.asString, let metadata = answer["metadata"]?.asObject else {
            throw SQLError(.dataCorrupted, "the catalog tells no metadata of table \"\(name)\"")
        }
        let table = try TableMetadata(metadata, file: location)
        return table.definition(table.currentSnapshot)
    }

    /// Staging a table tells where the catalog would put it, and makes nothing.
    func folder(forNew table: TableName) async throws(SQLError) -> String? {
        let column: JSON = [
            "id": .int(1), "name": .string("c"), "type": .string("int"), "required": .bool(false),
        ]
        let body: JSON = [
            "name": .string(table.name), "stage-create": .bool(true),
            "schema": ["type": .string("struct"), "schema-id": .int(0), "fields": .array([column])],
        ]
        let path = RemoteCatalog.path(table.schema) + "/tables"
        let staged = try await client.ask("POST", path, body, about: "table \"\(table)\"")
        return staged?["metadata"]?["location"]?.asString
    }

    // MARK: - Changes

    func commit(
        _ changes: [Change], to branch: String, expecting head: CommitID, note: CommitNote
    ) async throws(SQLError) -> CommitID {
        let view = try view(head)
        var tables: [(name: TableName, definition: ManagedDefinition)] = []
        var others: [Change] = []
        for change in changes {
            if case .put(let name, .managed(let definition)) = change {
                tables.append((name, definition))
            } else {
                others.append(change)
            }
        }
        if tables.count == 1, others.count == 1, case .drop(let old) = others[0],
            case .managed(let before)?? = view.entries[old], before == tables[0].definition
        {
            let body: JSON = [
                "source": RemoteCatalog.identifier(old), "destination": RemoteCatalog.identifier(tables[0].name),
            ]
            _ = try await client.ask("POST", "tables/rename", body, about: "renaming \"\(old)\"")
            return try await commit(of: .branch(branch))
        }
        guard tables.isEmpty || others.isEmpty, others.count <= 1 else {
            throw SQLError(
                .featureNotSupported, "a transaction in an attached catalog writes tables, or makes one other change",
                detail: "The catalog could do several changes only one after the other.")
        }
        if let other = others.first { try await make(other) } else { try await send(tables, view) }
        return try await commit(of: .branch(branch))
    }

    private func make(_ change: Change) async throws(SQLError) {
        switch change {
        case .putSchema(let schema):
            let levels = RemoteCatalog.levels(schema.name).map { JSON.string($0) }
            _ = try await client.ask(
                "POST", "namespaces", ["namespace": .array(levels), "properties": .object([:])],
                about: "namespace \"\(schema.name)\"")
        case .dropSchema(let name):
            _ = try await client.ask("DELETE", RemoteCatalog.path(name), about: "namespace \"\(name)\"")
        case .drop(let name):
            _ = try await client.ask("DELETE", RemoteCatalog.path(name), about: "table \"\(name)\"")
        case .put(let name, _):
            throw SQLError(.featureNotSupported, "\"\(name)\" cannot be made in an attached catalog: only tables can")
        }
    }

    /// Sends the changes of tables as one commit, and removes the metadata files that only led there.
    private func send(_ tables: [(name: TableName, definition: ManagedDefinition)], _ view: View) async throws(SQLError)
    {
        var commits: [JSON] = []
        var leftovers: [String] = []
        for (name, definition) in tables {
            let new = try await format.metadata(of: definition)
            var base: TableMetadata?
            if case .managed(let old)?? = view.entries[name] {
                guard old.identity == definition.identity else {
                    throw SQLError(
                        .featureNotSupported,
                        "table \"\(name)\" of an attached catalog cannot be replaced by another one",
                        hint: "DROP it first.")
                }
                base = try await format.state(of: old)
            }
            let difference = MetadataDifference(from: base, to: new)
            commits.append([
                "identifier": RemoteCatalog.identifier(name), "requirements": .array(difference.requirements),
                "updates": .array(difference.updates),
            ])
            leftovers += difference.files
        }
        if tables.count == 1 {
            _ = try await client.ask(
                "POST", RemoteCatalog.path(tables[0].name), commits[0], about: "table \"\(tables[0].name)\"")
        } else {
            _ = try await client.ask(
                "POST", "transactions/commit", ["table-changes": .array(commits)], about: "the commit")
        }
        await format.remove(leftovers)
    }
}
