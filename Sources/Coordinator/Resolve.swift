// Step 4 of a query's life: the names a statement uses to one CatalogSnapshot, each at one commit. Views add a round.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax
import SystemCatalog

/// Resolves the names of one statement.
struct Resolver: Sendable {
    let engine: Engine
    /// The session's branch.
    let branch: String
    var searchPath: [String]
    let context: PlanContext
    /// The session's temporary tables.
    var temporaries: [String: TemporaryTable] = [:]
    /// What the session shows of itself in the system catalog.
    var facts = SystemSessionFacts()
    /// Whether a view is bound to find its columns for the system catalog.
    var isNested = false
    /// Databases that the session attached, besides the server's.
    var attached: [String: any AttachedDatabase] = [:]
    /// Checks rights; nil where everything is allowed.
    var access: AccessGuard?
    /// Rows that the statement itself has made, in a schema of their own.
    var given: [String: any Table] = [:]
    static let givenSchema = "pg_with"

    var databases: Databases {
        Databases(
            lake: engine.catalog, managed: engine.managed, attached: engine.attached.merging(attached) { $1 })
    }

    /// Views inside views.
    static let roundsMax = 64

    /// What resolving found.
    struct Result: Sendable {
        var snapshot = CatalogSnapshot()
        /// The commits that refs stood for, to pin them for the rest of the transaction.
        var pinned: [Ref: CommitID]
        /// What was found, for people: `schema.name`, and `@ref` where that is not the session's branch.
        var reads: Set<String> = []
        /// What rights are asked for, by the names of the statement.
        var secured: [CatalogSnapshot.Reference: AccessGuard.Secured] = [:]
    }

    /// Looks up all names of a query, and those of the views among them.
    func resolve(_ names: QueryNames, in transaction: Transaction) async throws(SQLError) -> Result {
        var result = Result(pinned: transaction.pinned)
        var open = names.relations
        var calls = names.fileCalls.map { (call: $0.call, position: $0.position, definer: Int64?.none) }
        var rounds = 0
        try await prepareCatalog(names, transaction, &result.pinned)
        try await learnSequences(names.sequences, transaction, &result.pinned)
        try await learnTypes(names.types, transaction, &result)
        var functions = try await bodies(names.functions, nil, transaction, &result)
        while !open.isEmpty || !calls.isEmpty || !functions.isEmpty {
            rounds += 1
            guard rounds <= Resolver.roundsMax else {
                throw SQLError(.statementTooComplex, "views are nested too deeply")
            }
            let fresh = open.filter { result.snapshot.relations[$0.reference] == nil }
            var next: [(reference: CatalogSnapshot.Reference, position: Int)] = []
            var nextCalls: [(call: CatalogSnapshot.FileCall, position: Int, definer: Int64?)] = []
            var nextFunctions: [QueryNames] = []
            for inner in functions {
                try await prepareCatalog(inner, transaction, &result.pinned)
                try await learnSequences(inner.sequences, transaction, &result.pinned)
                try await learnTypes(inner.types, transaction, &result)
                next += inner.relations
                nextCalls += inner.fileCalls.map { ($0.call, $0.position, nil) }
                nextFunctions += try await bodies(inner.functions, nil, transaction, &result)
            }
            for (reference, position) in fresh where result.snapshot.relations[reference] == nil {
                let relation: Relation?
                do {
                    relation = try await self.relation(reference, transaction, &result)
                } catch let error {
                    throw error.at(position)
                }
                guard let relation else { continue }
                result.snapshot.relations[reference] = relation
                let texts: (query: Query, path: [String], definer: Int64?)
                if case .view(let view) = relation {
                    texts = (try Parser.parseQuery(view.sql), view.searchPath, view.definer)
                } else if let secured = result.secured[reference],
                    let security = access?.security(of: secured, for: reference.definer)
                {
                    result.snapshot.security[reference] = security
                    texts = (try Parser.parseQuery(security.query), security.searchPath, nil)
                } else {
                    continue
                }
                let inner = try QueryNames.references(
                    of: texts.query, context: context, viewPath: texts.path, viewRef: reference.ref,
                    definer: texts.definer)
                try await prepareCatalog(inner, transaction, &result.pinned)
                try await learnSequences(inner.sequences, transaction, &result.pinned)
                try await learnTypes(inner.types, transaction, &result, searchPath: texts.path)
                next += inner.relations
                nextCalls += inner.fileCalls.map { ($0.call, $0.position, texts.definer) }
                nextFunctions += try await bodies(inner.functions, texts.path, transaction, &result)
            }
            for (call, position, definer) in calls {
                do throws(SQLError) {
                    try await requireRights(of: call, definer)
                    guard result.snapshot.fileTables[call] == nil else { continue }
                    if let table = try await lakeTable(call, &result.pinned) {
                        result.snapshot.fileTables[call] = table
                        continue
                    }
                    result.snapshot.fileTables[call] = try await table(of: call)
                } catch {
                    throw error.at(position)
                }
            }
            open = next
            calls = nextCalls
            functions = nextFunctions
        }
        return result
    }

    /// Files of the server are for those who may read them, states of the lake for those who may read their branches.
    private func requireRights(of call: CatalogSnapshot.FileCall, _ definer: Int64?) async throws(SQLError) {
        guard let access else { return }
        guard QueryNames.lakeFunctions.contains(where: { call.function == "\(QueryNames.lakeSchema).\($0)" }) else {
            guard access.standing(definer).readsServerFiles else {
                throw SQLError(
                    .insufficientPrivilege, "permission denied to read files of the server",
                    detail: "Only roles with the privileges of \"pg_read_server_files\" may.")
            }
            return
        }
        let isLog = call.function == "\(QueryNames.lakeSchema).log"
        var refs = isLog ? Array(call.paths.prefix(1)) : call.paths
        if refs.isEmpty || call.function.hasSuffix(".merge_preview") { refs.append(branch) }
        for ref in refs { try await access.requireReading(.named(ref), engine.catalog, definer) }
    }

    /// Looks up functions that are not the library's; returns the names that their bodies use.
    private func bodies(
        _ names: Set<QualifiedName>, _ path: [String]?, _ transaction: Transaction, _ result: inout Result
    ) async throws(SQLError) -> [QueryNames] {
        var found: [QueryNames] = []
        for name in names where name.parts.count <= 2 && result.snapshot.functions[name] == nil {
            let place = try await object(.function, name, transaction, &result.pinned, searchPath: path)
            guard let place, case .object(.functions(let functions)) = place.entry else { continue }
            result.snapshot.functions[name] = functions
            result.snapshot.functionSchemas[name] = place.name.schema
            for function in functions {
                let types = (function.parameters + function.columns).map(\.type) + [function.returnType ?? ""]
                for text in types {
                    guard let name = UserTypes.name(text) else { continue }
                    let unknown = UserTypes.unknown(in: name).filter { !Session.pseudoTypes.contains($0.last) }
                    try await learnTypes(Set(unknown), transaction, &result, searchPath: function.searchPath)
                }
                for parsed in try Parser.parse(function.body) {
                    guard case .query(let query) = parsed.statement else { continue }
                    found.append(
                        try QueryNames.references(of: query, context: context, viewPath: function.searchPath))
                }
            }
        }
        return found
    }

    private func table(of call: CatalogSnapshot.FileCall) async throws(SQLError) -> any Table {
        guard call.function == "iceberg_scan" else {
            return try await engine.format.read(call.function, call.paths, options: call.options)
        }
        guard let path = call.paths.first, call.paths.count == 1 else {
            throw SQLError(.invalidParameterValue, "iceberg_scan reads one table")
        }
        return try await engine.managed.open(path: path, options: call.options)
    }

    // MARK: - Types

    /// Looks up types of the user, and those that they are made of.
    func learnTypes(
        _ names: Set<QualifiedName>, _ transaction: Transaction, _ result: inout Result, searchPath: [String]? = nil,
        at ref: Ref? = nil
    ) async throws(SQLError) {
        let found = try await types(
            names, transaction, &result.pinned, known: result.snapshot.types, searchPath: searchPath, at: ref)
        result.snapshot.types = found
    }

    /// Types of the user by their names.
    func types(
        _ names: Set<QualifiedName>, _ transaction: Transaction, _ pinned: inout [Ref: CommitID],
        known: UserTypes = UserTypes(), searchPath: [String]? = nil, at ref: Ref? = nil
    ) async throws(SQLError) -> UserTypes {
        var types = known
        var open = names.filter { types.found[$0] == nil }
        while let name = open.popFirst() {
            guard name.parts.count <= 2, types.found[name] == nil,
                let found = try await object(
                    .type, name, transaction, &pinned, searchPath: searchPath, at: ref),
                case .object(.type(let definition)) = found.entry
            else { continue }
            types.found[name] = UserType(
                schema: found.name.schema, name: found.name.objectName, definition: definition)
            for part in UserTypes.parts(of: definition) { open.formUnion(UserTypes.unknown(in: part)) }
        }
        return types
    }

    // MARK: - One name

    private func relation(
        _ reference: CatalogSnapshot.Reference, _ transaction: Transaction, _ result: inout Result
    ) async throws(SQLError) -> Relation? {
        if reference.schema == Resolver.givenSchema, let table = given[reference.name] { return .table(table) }
        if let system = try await systemTable(reference, transaction, &result.pinned) {
            if let access, ["pg_authid", "pg_shadow"].contains(reference.name),
                !access.standing(reference.definer).isSuperuser
            {
                throw AccessGuard.denied("\(reference.name == "pg_authid" ? "table" : "view") \(reference.name)")
            }
            return .table(system)
        }
        if let table = try await lakeTable(reference, &result.pinned) { return .table(table) }
        guard let found = try await find(reference, transaction, &result.pinned) else { return nil }
        if access != nil, !found.name.isTemporary { result.secured[reference] = AccessGuard.secured(found) }
        let isHere = found.ref == .named(branch) || found.ref == .branch(branch)
        result.reads.insert(found.name.description + (isHere ? "" : "@\(found.ref)"))
        switch found.entry {
        case .object: return nil
        case .view(let view): return .view(view)
        case .external(let definition):
            let table = try await engine.format.open(definition, named: found.name)
            // Lists of many tables show what was seen last.
            engine.directories.keep(
                [
                    (
                        LakeRelation(name: found.name, entry: .external(definition)),
                        RelationDetails(
                            columns: table.schema.fields, rows: table.statistics.rows,
                            sizeBytes: table.statistics.sizeBytes)
                    )
                ], at: nil)
            return .table(table)
        case .managed(let definition):
            let table = try await databases.format(on: found.branch, result.pinned).open(definition, named: found.name)
            guard table.properties[TableProperty.isPopulated] != "false" else {
                throw SQLError(
                    SQLState("55000"),
                    "materialized view \"\(found.name.name)\" has not been populated",
                    hint: "Use the REFRESH MATERIALIZED VIEW command.")
            }
            try await learnTypes(table.typeNames, transaction, &result, at: found.ref)
            return .table(try await united(table, found, transaction, &result.pinned))
        }
    }

    /// What a name stands for.
    struct Found: Sendable {
        var name: TableName
        var entry: Entry
        /// Where it was looked up.
        var ref: Ref
        /// The branch, or what stands for a database; nil: a temporary table, or no branch.
        var branch: String? {
            switch ref {
            case .branch(let text), .named(let text): name.isTemporary ? nil : text
            case .tag, .commit, .time: nil
            }
        }
    }

    /// Looks a name up: temporary tables first, then the schemas of the search path.
    func find(
        _ reference: CatalogSnapshot.Reference, _ transaction: Transaction, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) -> Found? {
        let ref = try self.ref(of: reference)
        if reference.ref == nil, reference.searchPath == nil,
            reference.schema == nil || reference.schema == TableName.temporarySchema
        {
            let name = TableName(schema: TableName.temporarySchema, name: reference.name)
            if let entry = temporary(name, transaction) { return Found(name: name, entry: entry, ref: ref) }
            if reference.schema != nil { return nil }
        }
        let commit = try await commit(of: ref, &pinned)
        try await access?.requireReading(ref, engine.catalog, reference.definer)
        // Changes of this transaction are seen on the branch they are made on.
        let own = transaction.branch.map { ref == .branch($0) || ref == .named($0) } ?? false ? transaction : nil
        let path = reference.schema.map { [$0] } ?? reference.searchPath ?? searchPath
        for schema in path {
            let name = TableName(schema: schema, name: reference.name)
            if reference.schema != nil { _ = try await mayUse(schema, commit, own, reference) }
            guard let entry = try await entry(name, commit, own) else { continue }
            guard try await mayUse(schema, commit, own, reference) else { continue }
            return Found(name: name, entry: entry, ref: ref)
        }
        // What functions and views read may be temporary, too.
        if reference.ref == nil, reference.searchPath != nil, reference.schema == nil {
            let name = TableName(schema: TableName.temporarySchema, name: reference.name)
            if let entry = temporary(name, transaction) { return Found(name: name, entry: entry, ref: ref) }
        }
        return nil
    }

    /// Whether names of a schema may be found: one that is named says so, one of the search path is passed over. Inside
    /// a view that was asked when it was made.
    private func mayUse(
        _ name: String, _ commit: CommitID, _ own: Transaction?, _ reference: CatalogSnapshot.Reference
    ) async throws(SQLError) -> Bool {
        guard let access, !access.who.isSuperuser, reference.definer == nil else { return true }
        let database = commit.hex.hasPrefix("@") ? "@" : ""
        guard let definition = try await schema(name, commit, own) else { return true }
        if access.has(.usage, on: definition, database: database) { return true }
        guard reference.schema == nil else { throw AccessGuard.denied("schema \(name)") }
        return false
    }

    /// A temporary table of the session.
    func temporary(_ name: TableName, _ transaction: Transaction?) -> Entry? {
        if let changed = transaction?.changes.changed(name) { return changed }
        return temporaries[name.name]?.entry
    }

    /// Returns what a name stands for at a commit, with a transaction's own changes over it.
    func entry(_ name: TableName, _ commit: CommitID, _ own: Transaction?) async throws(SQLError) -> Entry? {
        if name.isTemporary { return temporary(name, own) }
        if let changed = own?.changes.changed(name) { return changed }
        if let entry = try await databases.entries([name], at: commit)[name] { return entry }
        guard let schema = try await schema(name.schema, commit, own), let location = schema.location else {
            return nil
        }
        return try await engine.format.definition(of: name.name, under: location).map { .external($0) }
    }

    /// Returns a schema at a commit, with a transaction's own changes over it.
    func schema(_ name: String, _ commit: CommitID, _ own: Transaction?) async throws(SQLError) -> SchemaDefinition? {
        if let changed = own?.changes.changedSchema(name) { return changed }
        return try await databases.schema(name, at: commit)
    }

    /// `"lake@dev".s.t`, `t@dev`, or the session's branch.
    func ref(of reference: CatalogSnapshot.Reference) throws(SQLError) -> Ref {
        guard let database = reference.database, database != engine.database else {
            return sessionBased(reference.ref) ?? .named(branch)
        }
        for separator in ["@", "/"] where database.hasPrefix(engine.database + separator) {
            return reference.ref ?? .named(String(database.dropFirst(engine.database.count + 1)))
        }
        if databases.attached[database] != nil {
            guard reference.ref == nil else {
                throw SQLError(.featureNotSupported, "versions of tables in attached databases are not supported")
            }
            return .branch(Databases.branch(database))
        }
        let text = [reference.database, reference.schema, reference.name].compactMap { $0 }.joined(separator: ".")
        throw SQLError(
            .featureNotSupported, "cross-database references are not implemented: \"\(text)\"",
            hint:
                "This database is \"\(engine.database)\"; \"\(engine.database)@branch\" names one of its branches, ATTACH adds databases."
        )
    }

    /// AT TIMESTAMP without a branch means the session's.
    private func sessionBased(_ ref: Ref?) -> Ref? {
        if case .time(let named, let microseconds)? = ref, named.isEmpty {
            return .time(branch: branch, microseconds: microseconds)
        }
        return ref
    }

    /// Returns the commit of a ref, the same for the whole transaction.
    func commit(of ref: Ref, _ pinned: inout [Ref: CommitID]) async throws(SQLError) -> CommitID {
        if let known = pinned[ref] { return known }
        // `dev` and `BRANCH dev` must not stand for two commits in one transaction.
        if case .branch(let name) = ref, let known = pinned[.named(name)] { return known }
        if case .named(let name) = ref, let known = pinned[.branch(name)] { return known }
        let commit = try await databases.commit(of: ref)
        pinned[ref] = commit
        return commit
    }
}
