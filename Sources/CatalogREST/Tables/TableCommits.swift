// Commits of other engines: requirements against the table as the branch has it, updates onto its metadata, and one
// commit of the catalog for all tables of a transaction.

import Catalogs
import Coordinator
import Diagnostics
import Iceberg

/// What a client wants to change in one table.
private struct TableCommit {
    var name: TableName
    var requirements: [JSON]
    var updates: [JSON]

    init(_ json: JSON, named name: TableName) {
        self.name = name
        requirements = json["requirements"]?.asArray ?? []
        updates = json["updates"]?.asArray ?? []
    }

    var creates: Bool { requirements.contains { $0["type"]?.asString == "assert-create" } }

    /// In the commit's message: what was done to the rows, or else to the metadata.
    var summary: String {
        for update in updates where update["action"]?.asString == "add-snapshot" {
            let summary = update["snapshot"]?["summary"]?.asStrings ?? [:]
            let counts = ["added-records", "deleted-records", "added-position-deletes"].compactMap { key in
                summary[key].flatMap { $0 == "0" ? nil : "\(key) \($0)" }
            }
            let what = summary["operation"] ?? "change"
            return counts.isEmpty ? "\(what) \(name)" : "\(what) \(name) (\(counts.joined(separator: ", ")))"
        }
        if creates { return "create \(name)" }
        var actions: [String] = []
        for action in updates.compactMap({ $0["action"]?.asString }) where !actions.contains(action) {
            actions.append(action)
        }
        return "\(actions.joined(separator: ", ")) \(name)"
    }
}

extension IcebergCall {
    /// Tables of one transaction.
    private static let tablesMax = 10_000

    func commitTable(_ name: TableName) async throws(SQLError) -> APIResponse {
        let made = try await commit([TableCommit(try request.json(), named: name)])
        guard let definition = made[name] else { throw IcebergCall.missing(name) }
        return APIResponse([
            "metadata-location": .string(definition.metadataLocation),
            "metadata": try await api.tables.document(of: definition),
        ])
    }

    func commitTransaction() async throws(SQLError) -> APIResponse {
        let changes = try request.json()["table-changes"]?.asArray ?? []
        guard !changes.isEmpty, changes.count <= IcebergCall.tablesMax else {
            throw SQLError(.invalidParameterValue, "a transaction changes 1 to \(IcebergCall.tablesMax) tables")
        }
        var commits: [TableCommit] = []
        for change in changes {
            commits.append(TableCommit(change, named: try IcebergCall.name(change["identifier"])))
        }
        _ = try await commit(commits)
        return .done
    }

    /// Where the branch has moved on, tables that it left alone keep the metadata that was written for them; the others
    /// are tried again from their newer state, and their requirements decide.
    private func commit(_ commits: [TableCommit]) async throws(SQLError) -> [TableName: ManagedDefinition] {
        let names = Set(commits.map(\.name))
        var written: [ManagedDefinition] = []
        var results: [TableName: ManagedDefinition] = [:]
        var bases: [TableName: Entry?] = [:]
        let message = commits.map(\.summary).joined(separator: "; ")
        do throws(SQLError) {
            try await publish(String(message.prefix(1_000))) { (head) throws(SQLError) in
                let entries = try await api.engine.catalog.entries(names, at: head)
                if !bases.isEmpty, names.allSatisfy({ bases[$0] == .some(entries[$0]) }) {
                    return changes(results, over: entries)
                }
                results = [:]
                for commit in commits {
                    let base = try await base(commit, results[commit.name], entries[commit.name], head)
                    var updates = commit.updates
                    if base == nil, let owner = rights.owner {
                        updates.append([
                            "action": .string("set-properties"),
                            "updates": .object([TableProperty.owner: .string(String(owner))]),
                        ])
                    }
                    let made = try await api.tables.commit(
                        requirements: commit.requirements, updates: updates, onto: base, named: commit.name)
                    if made != base { written.append(made) }
                    results[commit.name] = made
                }
                for name in names { bases[name] = .some(entries[name]) }
                return changes(results, over: entries)
            }
        } catch {
            if error.state.code != "08007" { for definition in written { await api.tables.forget(definition) } }
            throw error
        }
        let kept = Set(results.values)
        for definition in written where !kept.contains(definition) && !isStep(definition, written) {
            await api.tables.forget(definition)
        }
        return results
    }

    /// Whether a later file of the same table names this one as its predecessor: a table that changes twice in one
    /// transaction.
    private func isStep(_ definition: ManagedDefinition, _ written: [ManagedDefinition]) -> Bool {
        written.filter { $0.identity == definition.identity }.count > 1
    }

    private func changes(_ results: [TableName: ManagedDefinition], over entries: [TableName: Entry]) -> [Change] {
        results.sorted { $0.key.description < $1.key.description }.compactMap { name, definition in
            entries[name] == .managed(definition) ? nil : .put(name, .managed(definition))
        }
    }

    /// The state that a change is made over; nil: the table is created.
    private func base(
        _ commit: TableCommit, _ earlier: ManagedDefinition?, _ entry: Entry?, _ head: CommitID
    ) async throws(SQLError) -> ManagedDefinition? {
        if let earlier { return earlier }
        switch entry {
        case .managed(let definition)?: return definition
        case .view?, .external?, .object?:
            throw commit.creates
                ? SQLError(.duplicateTable, "\"\(commit.name)\" already exists") : IcebergCall.missing(commit.name)
        case nil:
            _ = try await requireSchema(commit.name.schema, at: head)
            guard commit.creates else { throw IcebergCall.missing(commit.name) }
            return nil
        }
    }
}
