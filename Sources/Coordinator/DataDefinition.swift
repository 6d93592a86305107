// CREATE and DROP of schemas, views and external tables: each is a change of the session's branch.
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    /// The commit that statements of this session see now.
    func head() async throws(SQLError) -> CommitID {
        if let known = transaction?.pinned[.named(branch)] { return known }
        let commit = try await engine.catalog.commit(of: .named(branch))
        transaction?.pinned[.named(branch)] = commit
        return commit
    }

    private var resolver: Resolver {
        Resolver(engine: engine, branch: branch, searchPath: settings.searchPath, context: planContext())
    }

    /// Makes changes part of the open transaction, or commits them at once.
    func apply(_ changes: [Change], _ text: String) async throws(SQLError) {
        let commit = try await head()
        try await refuseIfProtected(branch)
        if transaction != nil {
            try transaction?.add(changes, to: branch)
            return
        }
        guard settings["default_transaction_read_only"] != "on" else {
            throw SQLError(.readOnlyTransaction, "cannot change the catalog in a read-only transaction")
        }
        _ = try await engine.catalog.commit(
            changes, to: branch, expecting: commit,
            note: CommitNote(author: user, message: String(text.prefix(Session.messageMax))))
    }

    /// Characters of a statement that become a commit's message.
    private static let messageMax = 1_000

    /// Where a new table or view goes: the schema named, or the first of the search path.
    private func target(_ name: QualifiedName) async throws(SQLError) -> TableName {
        guard name.parts.count <= 2 else {
            throw SQLError(
                .featureNotSupported, "cross-database references are not implemented: \"\(name.text)\"",
                position: name.position)
        }
        let schema = name.parts.count == 2 ? name.parts[0].value : settings.searchPath.first
        guard let schema else {
            throw SQLError(.invalidSchema, "no schema has been selected to create in", position: name.position)
        }
        guard try await resolver.schema(schema, try await head(), transaction) != nil else {
            throw SQLError(.invalidSchema, "schema \"\(schema)\" does not exist", position: name.position)
        }
        return TableName(schema: schema, name: name.last)
    }

    // MARK: - Create

    func createSchema(_ create: Statement.CreateSchema, _ text: String) async throws(SQLError) -> any ResultStream {
        let name = create.name.value
        guard !name.hasPrefix("pg_"), name != "information_schema" else {
            throw SQLError(
                SQLState("42939"), "unacceptable schema name \"\(name)\"",
                detail: "The prefix \"pg_\" is reserved for system schemas.", position: create.name.position)
        }
        if try await resolver.schema(name, try await head(), transaction) != nil {
            let exists = SQLError(.duplicateSchema, "schema \"\(name)\" already exists")
            guard create.ifNotExists else { throw exists.at(create.name.position) }
            notices.append(SQLNotice(.notice, SQLError(.duplicateSchema, exists.message + ", skipping")))
            return done("CREATE SCHEMA")
        }
        try await apply([.putSchema(SchemaDefinition(name: name, location: create.location))], text)
        return done("CREATE SCHEMA")
    }

    func createView(_ create: Statement.CreateView, _ text: String) async throws(SQLError) -> any ResultStream {
        guard !create.isTemporary else {
            throw SQLError(.featureNotSupported, "temporary views are not supported", position: create.name.position)
        }
        let name = try await target(create.name)
        let old = try await resolver.entry(name, try await head(), transaction)
        if let old, !create.orReplace {
            return try existing(old, name, create.ifNotExists, create.name.position, "CREATE VIEW")
        }
        if case .external? = old {
            throw SQLError(.wrongObjectType, "\"\(name.name)\" is not a view", position: create.name.position)
        }
        let bound = try await life().bind(create.query, in: currentTransaction)
        guard bound.query.parameterTypes.isEmpty else {
            throw SQLError(.undefinedParameter, "there is no parameter $1")
        }
        guard create.columns.count <= bound.columns.count else {
            throw SQLError(.syntaxError, "CREATE VIEW specifies more column names than columns")
        }
        let view = ViewDefinition(
            sql: create.text, columnNames: create.columns.map(\.value), searchPath: settings.searchPath)
        try await apply([.put(name, .view(view))], text)
        return done("CREATE VIEW")
    }

    func createExternalTable(
        _ create: Statement.CreateExternalTable, _ text: String
    ) async throws(SQLError) -> any ResultStream {
        let name = try await target(create.name)
        let old = try await resolver.entry(name, try await head(), transaction)
        if let old, !create.orReplace {
            return try existing(old, name, create.ifNotExists, create.name.position, "CREATE EXTERNAL TABLE")
        }
        var definition = ExternalDefinition(
            format: create.format, location: create.location, columns: try fields(create.columns),
            partitionColumns: try fields(create.partitionColumns), options: create.options)
        // Opened once: a location without files, or with files of another kind, is known now.
        do throws(SQLError) {
            let table = try await engine.format.open(definition, named: name)
            definition = engine.format.completed(definition, as: table)
        } catch let error {
            throw error.at(create.name.position)
        }
        try await apply([.put(name, .external(definition))], text)
        return done("CREATE EXTERNAL TABLE")
    }

    private func fields(_ columns: [Statement.ColumnDefinition]) throws(SQLError) -> [Field] {
        var fields: [Field] = []
        for column in columns {
            guard !fields.contains(where: { $0.name == column.name.value }) else {
                throw SQLError(
                    .duplicateColumn, "column \"\(column.name.value)\" specified more than once",
                    position: column.name.position)
            }
            // A partition column without a type takes the one its values suggest.
            let type = column.type.name.isEmpty ? .unknown : try TypeNames.type(column.type)
            fields.append(Field(column.name.value, type, isNullable: !column.isNotNull))
        }
        return fields
    }

    private func existing(
        _ entry: Entry, _ name: TableName, _ ifNotExists: Bool, _ position: Int, _ tag: String
    ) throws(SQLError) -> any ResultStream {
        let error = SQLError(.duplicateTable, "relation \"\(name.name)\" already exists", position: position)
        guard ifNotExists else { throw error }
        notices.append(SQLNotice(.notice, SQLError(.duplicateTable, error.message + ", skipping")))
        return done(tag)
    }

    // MARK: - Drop

    func drop(_ drop: Statement.Drop, _ text: String) async throws(SQLError) -> any ResultStream {
        var changes: [Change] = []
        for name in drop.names {
            if drop.kind == .schema {
                changes += try await dropSchema(name, drop)
            } else {
                changes += try await dropRelation(name, drop)
            }
        }
        if !changes.isEmpty { try await apply(changes, text) }
        return done("DROP \(drop.kind.rawValue.uppercased())")
    }

    private func dropSchema(_ name: QualifiedName, _ drop: Statement.Drop) async throws(SQLError) -> [Change] {
        let schema = name.last
        guard try await resolver.schema(schema, try await head(), transaction) != nil else {
            return try missing("schema \"\(schema)\"", .invalidSchema, drop.ifExists, name.position)
        }
        let names = try await engine.catalog.names(in: schema, at: try await head())
        let left = names.filter { name in
            if let changed = transaction?.changed(name) { return changed != nil }
            return true
        }
        guard drop.isCascade || left.isEmpty else {
            throw SQLError(
                SQLState("2BP01"), "cannot drop schema \(schema) because other objects depend on it",
                detail: left.prefix(5).map { "\($0.name) depends on schema \(schema)" }.joined(separator: "\n"),
                hint: "Use DROP ... CASCADE to drop the dependent objects too.", position: name.position)
        }
        return [.dropSchema(schema)]
    }

    private func dropRelation(_ name: QualifiedName, _ drop: Statement.Drop) async throws(SQLError) -> [Change] {
        let path = name.parts.count >= 2 ? [name.parts[name.parts.count - 2].value] : settings.searchPath
        let what = drop.kind == .view ? "view" : "table"
        for schema in path {
            let table = TableName(schema: schema, name: name.last)
            guard let entry = try await resolver.entry(table, try await head(), transaction) else { continue }
            let isView = if case .view = entry { true } else { false }
            guard isView == (drop.kind == .view) else {
                throw SQLError(
                    .wrongObjectType, "\"\(name.last)\" is not a \(what)",
                    hint: "Use DROP \(isView ? "VIEW" : "TABLE") to remove a \(isView ? "view" : "table").",
                    position: name.position)
            }
            let stored = try await engine.catalog.entries([table], at: try await head())[table] != nil
            guard stored || transaction?.changed(table) != nil else {
                throw SQLError(
                    .wrongObjectType, "\"\(name.last)\" is a folder of the schema's location, and cannot be dropped",
                    position: name.position)
            }
            return [.drop(table)]
        }
        return try missing("\(what) \"\(name.text)\"", .undefinedTable, drop.ifExists, name.position)
    }

    private func missing(
        _ what: String, _ state: SQLState, _ ifExists: Bool, _ position: Int
    ) throws(SQLError) -> [Change] {
        guard ifExists else { throw SQLError(state, "\(what) does not exist", position: position) }
        notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, "\(what) does not exist, skipping")))
        return []
    }

    // MARK: - Show tables

    func tableRows(_ schema: Identifier?) async throws(SQLError) -> [[Scalar]] {
        let commit = try await head()
        var rows: [[Scalar]] = []
        for definition in try await engine.catalog.schemas(at: commit)
        where schema == nil || definition.name == schema?.value {
            let names = try await engine.catalog.names(in: definition.name, at: commit)
            let entries = try await engine.catalog.entries(Set(names), at: commit)
            var kinds = entries.reduce(into: [String: String]()) { kinds, entry in
                if case .view = entry.value {
                    kinds[entry.key.name] = "view"
                } else {
                    kinds[entry.key.name] = "external table"
                }
            }
            if let location = definition.location {
                for table in try await engine.format.tables(under: location) where kinds[table] == nil {
                    kinds[table] = "external table"
                }
            }
            for (name, kind) in kinds.sorted(by: { $0.key < $1.key }) {
                rows.append([.text(definition.name), .text(name), .text(kind)])
            }
        }
        return rows
    }
}
