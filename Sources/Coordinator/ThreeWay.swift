// What one line of history did since a common state, brought onto another: merges, reverts and cherry-picks are the same
// thing with other commits.
import Catalogs
import Diagnostics
import Planner

/// A three-way comparison of whole catalogs, table by table.
struct ThreeWay: Sendable {
    let catalog: any Versioned
    let managed: any ManagedFormat

    /// What becomes of something that both sides changed and that cannot be merged.
    enum Choice: Sendable { case cancel, takeSource, takeTarget }

    /// What happens to one schema, table or view.
    struct Item: Sendable {
        var schema: String
        /// nil: the schema itself.
        var table: String?
        /// "schema", "table", "external table", "view".
        var kind: String
        /// "added", "changed", "dropped": taken from the source. "merged": both sides' changes. "kept": the target's, by
        /// choice. "conflict".
        var action: String
        /// What the three states are; nil: nothing of that name.
        var base: String?
        var source: String?
        var target: String?
        /// Why it is a conflict.
        var reason: String?
        var change: Change?

        var isConflict: Bool { action == "conflict" }
        var name: String { table.map { "\(schema).\($0)" } ?? schema }
    }

    /// Lists what the target has to take over; things that it has already are left out.
    func items(
        base: CommitID, source: CommitID, target: CommitID, choice: @Sendable (TableName?) -> Choice
    ) async throws(SQLError) -> [Item] {
        let theirs = Changes(try await catalog.differences(from: base, to: source))
        let ours = Changes(try await catalog.differences(from: base, to: target))
        var items: [Item] = []
        var dropped: [Item] = []
        for (name, change) in theirs.schemas.sorted(by: { $0.key < $1.key }) {
            guard let item = schemaItem(name, change, ours, choice(nil)) else { continue }
            if change.after == nil { dropped.append(item) } else { items.append(item) }
        }
        for (name, change) in theirs.entries.sorted(by: { $0.key.description < $1.key.description }) {
            // Tables of a schema that is dropped go with it.
            if dropped.contains(where: { $0.schema == name.schema && $0.action == "dropped" }) { continue }
            if let item = try await entryItem(name, change, ours, choice(name)) { items.append(item) }
        }
        return items + dropped
    }

    /// Differences by name.
    private struct Changes {
        var schemas: [String: (before: SchemaDefinition?, after: SchemaDefinition?)] = [:]
        var entries: [TableName: (before: Entry?, after: Entry?)] = [:]

        init(_ differences: [Difference]) {
            for difference in differences {
                switch difference {
                case .schema(let name, let before, let after): schemas[name] = (before, after)
                case .entry(let name, let before, let after): entries[name] = (before, after)
                }
            }
        }
    }

    private func schemaItem(
        _ name: String, _ change: (before: SchemaDefinition?, after: SchemaDefinition?), _ ours: Changes,
        _ choice: Choice
    ) -> Item? {
        let own = ours.schemas[name]
        if let own, own.after == change.after { return nil }
        var item = Item(
            schema: name, table: nil, kind: "schema",
            action: ThreeWay.action(change.before != nil, change.after != nil),
            base: change.before.map { $0.location ?? "schema" }, source: change.after.map { $0.location ?? "schema" },
            target: (own == nil ? change.before : own?.after).map { $0.location ?? "schema" },
            change: change.after.map(Change.putSchema) ?? .dropSchema(name))
        if own != nil {
            item.reason = "both sides changed the schema"
        } else if change.after == nil, ours.entries.keys.contains(where: { $0.schema == name }) {
            item.reason = "the source dropped the schema, the target changed tables in it"
        }
        if item.reason != nil { settle(&item, choice) }
        return item
    }

    private func entryItem(
        _ name: TableName, _ change: (before: Entry?, after: Entry?), _ ours: Changes, _ choice: Choice
    ) async throws(SQLError) -> Item? {
        let own = ours.entries[name]
        if let own, own.after == change.after { return nil }
        let target = own == nil ? change.before : own?.after
        var item = Item(
            schema: name.schema, table: name.name, kind: ThreeWay.kind(change.after ?? change.before),
            action: ThreeWay.action(change.before != nil, change.after != nil), base: ThreeWay.text(change.before),
            source: ThreeWay.text(change.after), target: ThreeWay.text(target),
            change: change.after.map { Change.put(name, $0) } ?? .drop(name))
        if change.after != nil, let schema = ours.schemas[name.schema], schema.after == nil {
            item.reason = "the target dropped the schema"
        } else if own != nil {
            if case .managed(let base)? = change.before, case .managed(let source)? = change.after,
                case .managed(let mine)? = target, base.identity == source.identity, base.identity == mine.identity
            {
                do throws(SQLError) {
                    let merged = try await managed.merge(base: base, source: source, target: mine, named: name)
                    item.change = .put(name, .managed(merged))
                    item.action = "merged"
                    return item
                } catch {
                    guard error.state == .serializationFailure else { throw error }
                    item.reason = error.message
                }
            } else if case .object(.sequence(let source))? = change.after, case .object(.sequence(let mine))? = target,
                source.identity == mine.identity
            {
                item.change = .put(name, .object(.sequence(mine.joined(source))))
                item.action = "merged"
                return item
            } else {
                item.reason = ThreeWay.reason(change.after, target)
            }
        }
        if item.reason != nil { settle(&item, choice) }
        return item
    }

    private func settle(_ item: inout Item, _ choice: Choice) {
        switch choice {
        case .cancel:
            item.action = "conflict"
            item.change = nil
        case .takeSource: break
        case .takeTarget:
            item.action = "kept"
            item.change = nil
        }
    }

    private static func reason(_ source: Entry?, _ target: Entry?) -> String {
        switch (source, target) {
        case (nil, _): "the source dropped it, the target changed it"
        case (_, nil): "the target dropped it, the source changed it"
        case (.managed?, .managed?): "the sides hold different tables of that name"
        default: "both sides changed it"
        }
    }

    private static func action(_ before: Bool, _ after: Bool) -> String {
        after ? (before ? "changed" : "added") : "dropped"
    }

    static func kind(_ entry: Entry?) -> String {
        switch entry {
        case .view: "view"
        case .external: "external table"
        case .managed, nil: "table"
        case .object(.sequence): "sequence"
        case .object(.functions): "function"
        case .object(.index): "index"
        case .object(.type): "type"
        }
    }

    /// A state in a few words: the snapshot of a table, the location of files, a view's text.
    static func text(_ entry: Entry?) -> String? {
        switch entry {
        case nil: nil
        case .view(let view): view.sql
        case .external(let definition): definition.location
        case .object(.sequence(let sequence)): "at \(sequence.last)"
        case .object(.functions(let functions)): functions.map(\.body).joined(separator: "; ")
        case .object(.index(let index)): index.text
        case .object(.type(let type)): UserTypes.text(of: type)
        case .managed(let definition):
            (definition.snapshotID.map { "snapshot \($0), " } ?? "")
                + (definition.metadataLocation.split(separator: "/").last.map(String.init) ?? "")
        }
    }
}
