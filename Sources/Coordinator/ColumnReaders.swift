// What reads a column, and what a view reads.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    // MARK: - Columns

    /// Requires that no view reads a column that goes, or drops those views.
    func dropDependents(
        ofColumn column: String, of place: NewPlace, isCascade: Bool, at position: Int
    ) async throws(SQLError) {
        guard let branch = place.branch ?? Optional(self.branch), let all = try await dependencies(on: branch) else {
            return
        }
        let table = place.name
        let root = Dependable.column(table, column)
        var followers: [Dependencies.Follower] = all.followers(of: [root])
        for case .relation(let view) in all.users[.relation(table)] ?? [] {
            guard try await reads(view, column, of: table, on: branch) else { continue }
            followers.append(Dependencies.Follower(thing: .relation(view), on: root, isPart: false))
            followers += all.followers(of: [.relation(view)]).filter { more in
                !followers.contains { $0.thing == more.thing }
            }
        }
        // Part of the column: they go with it.
        followers.removeAll { $0.thing == .defaultValue(table, column) }
        try await drop(followers, [root], all, on: branch, isCascade, position)
    }

    /// The views that read a column of a table.
    func views(reading column: String, of place: NewPlace) async throws(SQLError) -> [String] {
        guard let branch = place.branch ?? Optional(self.branch), let all = try await dependencies(on: branch) else {
            return []
        }
        var found: [String] = []
        for case .relation(let view) in all.users[.relation(place.name)] ?? [] {
            if try await reads(view, column, of: place.name, on: branch) { found.append(all.text(.relation(view))) }
        }
        return found.sorted()
    }

    private func reads(
        _ view: TableName, _ column: String, of table: TableName, on branch: String
    ) async throws(SQLError) -> Bool {
        let place = NewPlace(name: view, branch: view.isTemporary ? nil : branch)
        var text: (sql: String, path: [String])?
        switch try await entry(at: place) {
        case .view(let view)?: text = (view.sql, view.searchPath)
        case .managed(let definition)?:
            let table = try? await engine.managed.open(definition, named: view)
            text = table?.properties[TableProperty.viewQuery].map { query in
                (query, table?.properties[TableProperty.viewPath].map(SessionSettings.names) ?? settings.searchPath)
            }
        default: break
        }
        guard let text, let query = try? Parser.parseQuery(text.sql) else { return false }
        var life = life()
        life.resolver.access = nil
        life.resolver.searchPath = text.path
        // What cannot be bound reads nothing.
        guard let bound = try? await bind(query, [], life) else { return false }
        return bound.query.uses.contains { use in
            use.reference.name == table.name && use.reference.definer == nil
                && (use.reference.schema ?? table.schema) == table.schema && use.columns.contains(column)
        }
    }

    // MARK: - What a view reads

    /// Names that a view keeps of what it reads; beyond them DROP parses its text.
    private static let readsMax = 500

    /// What the text of a view reads in its own branch.
    func reads(of query: Query, _ bound: QueryLife.Bound) async throws(SQLError) -> [TableName]? {
        let names = try QueryNames.references(of: query, context: planContext())
        var found: Set<TableName> = []
        let context = planContext()
        var pinned = transaction?.pinned ?? [:]
        var resolver = resolver(context)
        resolver.access = nil
        for (reference, _) in names.relations where reference.ref == nil && reference.database == nil {
            guard found.count < Session.readsMax else { return nil }
            if let one = try await resolver.find(reference, currentTransaction, &pinned) { found.insert(one.name) }
        }
        for text in names.sequences {
            guard case .column(let name)? = (try? Parser.parseExpression(text))?.node else { continue }
            let one = try await resolver.object(.sequence, name, currentTransaction, &pinned)
            if let one { found.insert(one.name) }
        }
        for name in names.types where name.parts.count <= 2 {
            if let one = try await resolver.object(.type, name, currentTransaction, &pinned) { found.insert(one.name) }
        }
        for use in bound.query.functions where names.functions.contains(where: { $0.last == use.name }) {
            found.insert(
                .object(
                    .function, schema: use.schema, name: use.name + Dependencies.signature(use.function)))
        }
        transaction?.pinned = pinned
        guard found.count < Session.readsMax else { return nil }
        return found.sorted { ($0.schema, $0.name) < ($1.schema, $1.name) }
    }
}
