// CREATE of schemas, views and external tables, and DROP of everything: each is a change of the transaction.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    /// The commit that statements of this session see now.
    func head() async throws(SQLError) -> CommitID {
        if let known = transaction?.pinned[.named(branch)] { return known }
        let commit = try await databases.commit(of: .named(branch))
        transaction?.pinned[.named(branch)] = commit
        return commit
    }

    /// Where a new table or view goes.
    struct NewPlace {
        var name: TableName
        /// nil for a temporary table.
        var branch: String?
    }

    /// The schema named, or the first of the search path; for a temporary table the session's own.
    func newPlace(_ name: QualifiedName, isTemporary: Bool = false) async throws(SQLError) -> NewPlace {
        let context = planContext()
        let resolver = resolver(context)
        let reference = try QueryNames.target(name, context: context)
        let ref = try resolver.ref(of: reference)
        if isTemporary || reference.schema == TableName.temporarySchema {
            guard reference.schema == nil || reference.schema == TableName.temporarySchema else {
                throw SQLError(
                    SQLState("42P16"), "cannot create temporary relation in non-temporary schema",
                    position: name.position)
            }
            try accessGuard?.require(.temporary)
            return NewPlace(name: TableName(schema: TableName.temporarySchema, name: reference.name), branch: nil)
        }
        guard let schema = reference.schema ?? settings.searchPath.first else {
            throw SQLError(.invalidSchema, "no schema has been selected to create in", position: name.position)
        }
        let branch = try await requireBranch(ref)
        guard let definition = try await self.schema(schema, on: branch) else {
            throw SQLError(.invalidSchema, "schema \"\(schema)\" does not exist", position: name.position)
        }
        try accessGuard?.require(.create, on: definition, database: Databases.name(ofBranch: branch) ?? "")
        return NewPlace(name: TableName(schema: schema, name: reference.name), branch: branch)
    }

    /// The commit of a branch that statements of this session see now.
    func commit(of branch: String) async throws(SQLError) -> CommitID {
        var pinned = transaction?.pinned ?? [:]
        let commit = try await resolver(planContext()).commit(of: .named(branch), &pinned)
        transaction?.pinned = pinned
        return commit
    }

    func own(_ branch: String) -> Transaction? { transaction?.branch == branch ? transaction : nil }

    func schema(_ name: String, on branch: String) async throws(SQLError) -> SchemaDefinition? {
        try await resolver(planContext()).schema(name, try await commit(of: branch), own(branch))
    }

    /// What is at a place now.
    func entry(at place: NewPlace) async throws(SQLError) -> Entry? {
        let resolver = resolver(planContext())
        guard let branch = place.branch else { return resolver.temporary(place.name, transaction) }
        return try await resolver.entry(place.name, try await commit(of: branch), own(branch))
    }

    // MARK: - Create

    func createSchema(_ create: Statement.CreateSchema) async throws(SQLError) -> any ResultStream {
        let name = create.name.value
        guard !name.hasPrefix("pg_"), name != "information_schema", name != QueryNames.lakeSchema else {
            throw SQLError(
                SQLState("42939"), "unacceptable schema name \"\(name)\"",
                detail: "\"\(QueryNames.lakeSchema)\" and the prefix \"pg_\" are reserved for system schemas.",
                position: create.name.position)
        }
        let branch = try await branch(ofSchema: create.database, named: create.name)
        guard create.location == nil || Databases.name(ofBranch: branch) == nil else {
            throw SQLError(
                .featureNotSupported, "schemas of attached databases have no location", position: create.name.position)
        }
        try accessGuard?.require(.create)
        if try await schema(name, on: branch) != nil {
            let exists = SQLError(.duplicateSchema, "schema \"\(name)\" already exists")
            guard create.ifNotExists else { throw exists.at(create.name.position) }
            notices.append(SQLNotice(.notice, SQLError(.duplicateSchema, exists.message + ", skipping")))
            return done("CREATE SCHEMA")
        }
        if create.location != nil { try requireServerFiles(writing: false) }
        var definition = SchemaDefinition(name: name, location: create.location)
        definition.owner = newOwner
        if let role = create.owner {
            let owner = try newOwner(role)
            definition.owner = owner == EntryOwner.bootstrap ? nil : owner
        }
        let made = definition
        try transaction?.change(on: branch) { $0.putSchema(made) }
        try await grantDefaults(AccessGuard.object(made))
        guard !create.elements.isEmpty else { return done("CREATE SCHEMA") }
        // Elements are made in the new schema, and find each other there.
        let path = settings["search_path"]
        try settings.set("search_path", "\"\(name.replacing("\"", with: "\"\""))\", \(path)", isLocal: false)
        do throws(SQLError) {
            for (element, text) in zip(create.elements, create.elementTexts) { _ = try await define(element, text) }
        } catch {
            try settings.set("search_path", path, isLocal: false)
            throw error
        }
        try settings.set("search_path", path, isLocal: false)
        return done("CREATE SCHEMA")
    }

    func createView(_ create: Statement.CreateView) async throws(SQLError) -> any ResultStream {
        let place = try await newPlace(create.name, isTemporary: create.isTemporary)
        let old = try await entry(at: place)
        if let old, !create.orReplace {
            return try existing(old, place.name, create.ifNotExists, create.name, "CREATE VIEW")
        }
        if let old { try requireOwner(of: old, at: place) }
        if let old, !old.isView {
            throw SQLError(.wrongObjectType, "\"\(place.name.name)\" is not a view", position: create.name.position)
        }
        let bound = try await bind(create.query, [], life())
        remember(bound)
        transaction?.origin.add(reads: bound.reads)
        guard bound.query.parameterTypes.isEmpty else {
            throw SQLError(.undefinedParameter, "there is no parameter $1")
        }
        guard create.columns.count <= bound.columns.count else {
            throw SQLError(.syntaxError, "CREATE VIEW specifies more column names than columns")
        }
        var view = ViewDefinition(
            sql: StoredText.relative(create.text, database: engine.database, branch: branch),
            columnNames: create.columns.map(\.value), searchPath: settings.searchPath)
        view.reads = place.branch == nil ? nil : try await reads(of: create.query, bound)
        view.owner = old.map { $0.owner == EntryOwner.bootstrap ? nil : $0.owner } ?? newOwner
        let made = view
        try record(place.name, place.branch) { $0.put(place.name, .view(made)) }
        try await grantDefaults(AccessGuard.secured(place.name, .view(made)).object)
        return done("CREATE VIEW")
    }

    func createExternalTable(_ create: Statement.CreateExternalTable) async throws(SQLError) -> any ResultStream {
        try requireServerFiles(writing: false)
        let place = try await newPlace(create.name)
        if let old = try await entry(at: place), !create.orReplace {
            return try existing(old, place.name, create.ifNotExists, create.name, "CREATE EXTERNAL TABLE")
        } else if let old = try await entry(at: place) {
            try requireOwner(of: old, at: place)
        }
        var definition = ExternalDefinition(
            format: create.format, location: create.location, columns: try fields(create.columns),
            partitionColumns: try fields(create.partitionColumns), options: create.options)
        // Opened once: a location without files, or with files of another kind, is known now.
        do throws(SQLError) {
            let table = try await engine.format.open(definition, named: place.name)
            definition = try await engine.format.completed(definition, as: table)
        } catch let error {
            throw error.at(create.name.position)
        }
        definition.owner = newOwner
        let made = definition
        try record(place.name, place.branch) { $0.put(place.name, .external(made)) }
        try await grantDefaults(AccessGuard.secured(place.name, .external(made)).object)
        return done("CREATE EXTERNAL TABLE")
    }

    func fields(
        _ columns: [Statement.ColumnDefinition], _ types: UserTypes = UserTypes()
    ) throws(SQLError) -> [Field] {
        var fields: [Field] = []
        for column in columns {
            guard !fields.contains(where: { $0.name == column.name.value }) else {
                throw SQLError(
                    .duplicateColumn, "column \"\(column.name.value)\" specified more than once",
                    position: column.name.position)
            }
            // A partition column without a type takes the one its values suggest.
            let type = column.type.name.isEmpty ? .unknown : try TypeNames.type(column.type, types)
            fields.append(Field(column.name.value, type, isNullable: !column.isNotNull))
        }
        return fields
    }

    func existing(
        _ entry: Entry, _ table: TableName, _ ifNotExists: Bool, _ name: QualifiedName, _ tag: String
    ) throws(SQLError) -> any ResultStream {
        let error = SQLError(
            .duplicateTable, "relation \"\(table.name)\" already exists", position: name.position)
        guard ifNotExists else { throw error }
        notices.append(SQLNotice(.notice, SQLError(.duplicateTable, error.message + ", skipping")))
        return done(tag)
    }

    // MARK: - Drop

    /// The branch, or the attached database, whose schema is meant.
    func branch(ofSchema database: Identifier?, named name: Identifier) async throws(SQLError) -> String {
        guard let database else { return try await requireBranch(.named(branch)) }
        let reference = CatalogSnapshot.Reference(database: database.value, name: name.value)
        do throws(SQLError) {
            return try await requireBranch(try resolver(planContext()).ref(of: reference))
        } catch {
            throw error.at(database.position)
        }
    }

    /// The names in a schema, with the open transaction's changes.
    func tableNames(in schema: String, on branch: String) async throws(SQLError) -> [TableName] {
        let stored = try await databases.names(in: schema, at: try await commit(of: branch))
        guard let changes = own(branch)?.changes else { return stored }
        var names = Set(stored.filter { changes.changed($0).map { $0 != nil } ?? true })
        for (name, change) in changes.tables where name.schema == schema && change.entry != nil && !name.isObject {
            names.insert(name)
        }
        return names.sorted { $0.name < $1.name }
    }

    /// Requires that an entry is the user's own.
    func requireOwner(of entry: Entry, at place: NewPlace) throws(SQLError) {
        guard !place.name.isTemporary else { return }
        try accessGuard?.requireOwner(AccessGuard.secured(place.name, entry))
    }

    /// Finds a relation that a statement changes: its owner's business, and for DROP its schema's owner's; nil when there
    /// is none.
    func find(
        _ name: QualifiedName, isDropped: Bool = false
    ) async throws(SQLError) -> (found: Resolver.Found, branch: String?)? {
        let context = planContext()
        var pinned = transaction?.pinned ?? [:]
        let reference = try QueryNames.target(name, context: context)
        guard let found = try await resolver(context).find(reference, currentTransaction, &pinned) else { return nil }
        transaction?.pinned = pinned
        guard !found.name.isTemporary else { return (found, nil) }
        let branch = try await requireBranch(found.ref)
        if let access = accessGuard {
            let schema = isDropped ? try await self.schema(found.name.schema, on: branch) : nil
            try access.requireOwner(AccessGuard.secured(found), orSchema: schema)
        }
        return (found, branch)
    }

    /// A name that a schema's location has, and the catalog has not, can be neither dropped nor renamed.
    func requireStored(_ found: Resolver.Found, _ branch: String?, _ name: QualifiedName) async throws(SQLError) {
        guard let branch, own(branch)?.changes.changed(found.name) == nil else { return }
        let commit = try await commit(of: branch)
        guard try await databases.entries([found.name], at: commit)[found.name] == nil else { return }
        throw SQLError(
            .wrongObjectType, "\"\(name.last)\" is a folder of the schema's location, and cannot be changed",
            position: name.position)
    }

    /// "view", "materialized view" or "table". A table whose metadata cannot be read is one that can be dropped.
    func kind(of found: Resolver.Found) async -> String {
        switch found.entry {
        case .view: return "view"
        case .external, .object: return "table"
        case .managed(let definition):
            let table = try? await format(on: found.branch).open(definition, named: found.name)
            return table?.properties[TableProperty.viewQuery] == nil ? "table" : "materialized view"
        }
    }

    func missing(
        _ what: String, _ state: SQLState, _ ifExists: Bool, _ position: Int
    ) throws(SQLError) {
        guard ifExists else { throw SQLError(state, "\(what) does not exist", position: position) }
        notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, "\(what) does not exist, skipping")))
    }

    // MARK: - Show tables

    func tableRows(_ schema: Identifier?) async throws(SQLError) -> [[Scalar]] {
        let commit = try await head()
        let resolver = resolver(planContext())
        let own = own(branch)
        var rows: [[Scalar]] = []
        var schemas = try await databases.schemas(at: commit).map(\.name)
        for (name, definition) in own?.changes.schemas ?? [:] where definition != nil && !schemas.contains(name) {
            schemas.append(name)
        }
        for name in schemas.sorted() where schema == nil || name == schema?.value {
            guard let definition = try await resolver.schema(name, commit, own) else { continue }
            let tables = try await tableNames(in: name, on: branch)
            let stored = try await databases.entries(Set(tables), at: commit)
            var kinds: [String: String] = [:]
            for table in tables {
                kinds[table.name] = own?.changes.changed(table).map { $0?.kind } ?? stored[table]?.kind
            }
            if let location = definition.location {
                for table in try await engine.format.tables(under: location) where kinds[table] == nil {
                    kinds[table] = "external table"
                }
            }
            for (table, kind) in kinds.sorted(by: { $0.key < $1.key }) {
                rows.append([.text(name), .text(table), .text(kind)])
            }
        }
        return rows
    }
}

extension Entry {
    var isView: Bool {
        if case .view = self { return true }
        return false
    }

    /// As SHOW TABLES names it.
    var kind: String {
        switch self {
        case .view: "view"
        case .external: "external table"
        case .managed: "table"
        case .object: "object"
        }
    }
}
