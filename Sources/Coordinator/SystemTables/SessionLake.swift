// The lake as a session's system catalog shows it: one commit, the open transaction's changes over it, and the session.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax
import SystemCatalog

/// Answers for one statement.
struct SessionLake: LakeSource {
    let resolver: Resolver
    let commit: CommitID
    let ref: Ref
    /// Changes on the branch of `ref` that are not committed yet.
    let changes: TransactionChanges?
    let transaction: Transaction

    private var engine: Engine { resolver.engine }

    var database: String { engine.database }
    var user: String { resolver.facts.user }
    var branch: String { resolver.branch }
    var searchPath: [String] { resolver.searchPath }
    var users: [String] { engine.userNames }
    var ownerName: String { engine.bootstrapUser }
    var access: AccessState { resolver.access?.state ?? AccessState() }
    var standing: Standing { resolver.access?.who ?? .superuser(user) }

    /// What others run is theirs to know.
    var sessions: [SessionActivity] {
        guard let access = resolver.access, !access.who.isSuperuser, !access.who.readsStatistics else {
            return engine.activity.all
        }
        return engine.activity.all.map { session in
            guard !access.who.memberOfNames.contains(session.user) else { return session }
            var hidden = session
            hidden.query = "<insufficient privilege>"
            return hidden
        }
    }

    /// What others copy is theirs to know.
    var copies: [CopyActivity] {
        guard let access = resolver.access, !access.who.isSuperuser, !access.who.readsStatistics else {
            return engine.copies.all
        }
        return engine.copies.all.filter { access.who.memberOfNames.contains($0.user) }
    }

    var settings: [ShownSetting] {
        Settings.all.map { setting in
            ShownSetting(
                name: setting.name, value: resolver.facts.settings[setting.name], summary: setting.summary,
                standard: setting.standard)
        }
    }

    func refs() async throws(SQLError) -> [NamedRef] { try await resolver.visibleRefs() }

    // MARK: - Relations

    /// The session's temporary tables, with the transaction's changes.
    private var temporaries: [LakeRelation] {
        var entries = resolver.temporaries.mapValues(\.entry)
        for (name, change) in transaction.changes.tables where name.isTemporary { entries[name.name] = change.entry }
        return entries.map {
            LakeRelation(name: TableName(schema: TableName.temporarySchema, name: $0.key), entry: $0.value)
        }
    }

    func directory() async throws(SQLError) -> Directory {
        let stored = try await engine.directories.listing(at: commit, of: engine.catalog)
        var listing = stored
        let folders = try await addFolders(to: &listing)
        let temporaries = self.temporaries
        guard let changes, !changes.isEmpty else {
            if temporaries.isEmpty, !folders { return engine.directories.directory(of: stored, at: commit) }
            return with(temporaries, listing)
        }
        for (name, definition) in changes.schemas {
            listing.schemas.removeAll { $0 == name }
            if definition != nil { listing.schemas.append(name) }
            listing.schemaOwners[name] = definition?.owner
            listing.schemaComments[name] = definition?.properties?[TableProperty.comment]
        }
        listing.relations.removeAll { changes.changed($0.name) != nil }
        listing.objects.removeAll { changes.changed($0.name) != nil }
        for (name, change) in changes.tables where !name.isTemporary {
            guard let entry = change.entry else { continue }
            let relation = LakeRelation(name: name, entry: entry)
            if name.isObject { listing.objects.append(relation) } else { listing.relations.append(relation) }
        }
        return with(temporaries, listing)
    }

    private func with(_ temporaries: [LakeRelation], _ listing: LakeListing) -> Directory {
        var listing = listing
        if !temporaries.isEmpty {
            listing.schemas.append(TableName.temporarySchema)
            listing.relations += temporaries.filter { !$0.name.isObject }
            listing.objects += temporaries.filter(\.name.isObject)
        }
        return Directory(listing)
    }

    /// Adds the folders of schemas with a location; returns whether there was one.
    private func addFolders(to listing: inout LakeListing) async throws(SQLError) -> Bool {
        var isAny = false
        for schema in try await engine.catalog.schemas(at: commit) {
            guard let location = schema.location else { continue }
            isAny = true
            let known = Set(listing.relations.filter { $0.name.schema == schema.name }.map(\.name.name))
            for table in try await engine.format.tables(under: location) where !known.contains(table) {
                guard let definition = try await engine.format.definition(of: table, under: location) else { continue }
                listing.relations.append(
                    LakeRelation(name: TableName(schema: schema.name, name: table), entry: .external(definition)))
            }
        }
        return isAny
    }

    // MARK: - Details

    func details(of relations: [LakeRelation]) async throws(SQLError) -> [RelationDetails] {
        var found = engine.directories.details(of: relations, at: changes == nil ? commit : nil)
        let missing = relations.indices.filter { found[$0] == nil }
        guard !missing.isEmpty else { return found.compactMap { $0 } }
        var made: [(place: Int, details: RelationDetails)] = []
        await withTaskGroup(of: (Int, RelationDetails).self) { group in
            var next = 0
            func add() {
                guard next < missing.count else { return }
                let place = missing[next]
                next += 1
                group.addTask { (place, await self.details(of: relations[place])) }
            }
            for _ in 0..<SessionLake.openedAtOnce { add() }
            while let (place, details) = await group.next() {
                made.append((place, details))
                add()
            }
        }
        for (place, details) in made { found[place] = details }
        engine.directories.keep(
            made.map { (relations[$0.place], $0.details) }, at: changes == nil ? commit : nil)
        return found.map { $0 ?? RelationDetails(columns: []) }
    }

    /// Tables that are opened at one time.
    private static let openedAtOnce = 32

    /// Opens a relation. What is broken has no columns: lists must not fail for it.
    private func details(of relation: LakeRelation) async -> RelationDetails {
        do throws(SQLError) {
            switch relation.entry {
            case .managed(let definition):
                let table = try await engine.managed.open(definition, named: relation.name)
                let columns = table.schema.fields.map {
                    Field($0.name, table.declaredType(of: $0), isNullable: $0.isNullable)
                }
                return RelationDetails(
                    columns: columns, properties: table.properties, rows: table.statistics.rows,
                    sizeBytes: table.statistics.sizeBytes)
            case .external(let definition):
                let table = try await engine.format.open(definition, named: relation.name)
                return RelationDetails(
                    columns: table.schema.fields, properties: definition.properties ?? [:],
                    rows: table.statistics.rows, sizeBytes: table.statistics.sizeBytes)
            case .object: return RelationDetails(columns: [])
            case .view(let view):
                return RelationDetails(
                    columns: try await columns(of: relation.name), properties: view.properties ?? [:])
            }
        } catch {
            return RelationDetails(columns: [])
        }
    }

    /// The columns of a view, as a query of it would give them.
    private func columns(of view: TableName) async throws(SQLError) -> [Field] {
        let star = Expression(.star(Expression.Star()), position: 0)
        let name = QualifiedName(
            [Identifier(view.schema, position: 0), Identifier(view.name, position: 0)], position: 0)
        let version = ref == .named(resolver.branch) ? nil : Version(ref)
        let table = TableExpression(.table(name, version: version, alias: nil), position: 0)
        let query = Query(
            body: .select(Select(items: [SelectItem(value: star)], from: [table], position: 0)), position: 0)
        var nested = resolver
        nested.isNested = true
        // Columns of views are no secret, as those of tables are none, and what is found is remembered for all users.
        nested.access = nil
        var pinned = transaction
        pinned.pinned[ref] = commit
        let bound = try await QueryLife(engine: engine, resolver: nested, context: resolver.context)
            .bind(query, in: pinned)
        return bound.columns.map { Field($0.name, $0.type) }
    }
}

extension Version {
    /// A ref as SQL writes it behind a name.
    fileprivate init?(_ ref: Ref) {
        switch ref {
        case .named(let name): self = .named(Identifier(name, position: 0))
        case .branch(let name): self = .branch(Identifier(name, position: 0))
        case .tag(let name): self = .tag(Identifier(name, position: 0))
        case .commit(let id): self = .commit(Identifier(id.hex, position: 0))
        case .time: return nil
        }
    }
}
