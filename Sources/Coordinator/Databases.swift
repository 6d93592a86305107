// The lake and the databases attached beside it behind one set of names: a database is written like a branch "@name",
// and its states are commits "@name@...". No branch can be named so, and no hash.
import Access
public import Catalogs
public import Diagnostics
import Syntax

/// Sends each question to the catalog that it is about.
struct Databases: Sendable {
    let lake: any Versioned
    /// The lake's format.
    let managed: any ManagedFormat
    let attached: [String: any AttachedDatabase]

    /// What stands for an attached database where a branch is expected.
    static func branch(_ name: String) -> String { "@" + name }

    /// The name of the attached database that stands there, nil for a branch of the lake.
    static func name(ofBranch branch: String) -> String? { branch.hasPrefix("@") ? String(branch.dropFirst()) : nil }

    static func name(of ref: Ref) -> String? {
        switch ref {
        case .branch(let text), .named(let text): name(ofBranch: text)
        case .tag, .commit, .time: nil
        }
    }

    private func database(_ name: String) throws(SQLError) -> any AttachedDatabase {
        if let found = attached[name] { return found }
        throw SQLError(.invalidDatabase, "database \"\(name)\" is not attached")
    }

    /// The catalog that a commit is of, and the commit as that catalog knows it.
    private func place(_ commit: CommitID) throws(SQLError) -> (catalog: any Catalog, commit: CommitID) {
        guard commit.hex.hasPrefix("@") else { return (lake, commit) }
        let parts = commit.hex.dropFirst()
        guard let end = parts.lastIndex(of: "@") else { return (lake, commit) }
        return (try database(String(parts[..<end])), CommitID(hex: String(parts[parts.index(after: end)...])))
    }

    func commit(of ref: Ref) async throws(SQLError) -> CommitID {
        guard let name = Databases.name(of: ref) else { return try await lake.commit(of: ref) }
        let inner = try await database(name).commit(of: ref)
        return CommitID(hex: "@\(name)@\(inner.hex)")
    }

    func schemas(at commit: CommitID) async throws(SQLError) -> [SchemaDefinition] {
        let place = try place(commit)
        return try await place.catalog.schemas(at: place.commit)
    }

    func schema(_ name: String, at commit: CommitID) async throws(SQLError) -> SchemaDefinition? {
        let place = try place(commit)
        return try await place.catalog.schema(name, at: place.commit)
    }

    func names(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName] {
        let place = try place(commit)
        return try await place.catalog.names(in: schema, at: place.commit)
    }

    func objects(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName] {
        let place = try place(commit)
        return try await place.catalog.objects(in: schema, at: place.commit)
    }

    func entries(_ names: Set<TableName>, at commit: CommitID) async throws(SQLError) -> [TableName: Entry] {
        let place = try place(commit)
        return try await place.catalog.entries(names, at: place.commit)
    }

    func commit(
        _ changes: [Change], to branch: String, expecting head: CommitID, note: CommitNote
    ) async throws(SQLError) {
        let place = try place(head)
        _ = try await place.catalog.commit(changes, to: branch, expecting: place.commit, note: note)
    }

    /// The folder in which an attached database wants a new table; nil for the lake's own.
    func folder(forNew table: TableName, on branch: String?) async throws(SQLError) -> String? {
        guard let name = branch.flatMap(Databases.name(ofBranch:)) else { return nil }
        return try await database(name).folder(forNew: table)
    }

    /// What makes, opens and writes the managed tables of a branch, or of an attached database that stands for one, in
    /// a transaction that has pinned its commit; nil: temporary tables.
    func format(on branch: String?, _ pinned: [Ref: CommitID]) throws(SQLError) -> any ManagedFormat {
        guard let branch, let name = Databases.name(ofBranch: branch) else { return managed }
        guard let commit = pinned[.named(branch)] ?? pinned[.branch(branch)] else {
            throw SQLError(.internalError, "database \"\(name)\" was not looked into")
        }
        return try database(name).tables(at: try place(commit).commit) ?? managed
    }
}

extension Session {
    /// What three-part names reach: the server's attached databases, and those of this session.
    var databases: Databases {
        Databases(
            lake: engine.catalog, managed: engine.managed, attached: engine.attached.merging(attached) { $1 })
    }

    /// What makes, opens and writes the tables of a branch that this transaction has looked into.
    func format(on branch: String?) throws(SQLError) -> any ManagedFormat {
        try databases.format(on: branch, transaction?.pinned ?? [:])
    }

    func attach(_ statement: Statement.Attach) async throws(SQLError) -> any ResultStream {
        let name = statement.name.value
        // It uses the server's network, files and keys.
        try requireSuperuser("attach a database")
        guard transaction?.isExplicit != true else {
            throw SQLError(.activeTransaction, "ATTACH cannot run inside a transaction block")
        }
        guard name != engine.database, !name.isEmpty, !name.contains("@"), !name.contains("/") else {
            throw SQLError(
                .duplicateDatabase, "a database cannot be attached as \"\(name)\"", position: statement.name.position)
        }
        if databases.attached[name] != nil {
            guard statement.ifNotExists else {
                throw SQLError(
                    .duplicateDatabase, "database \"\(name)\" is attached already", position: statement.name.position)
            }
            return done("ATTACH")
        }
        guard attached.count < Session.attachedMax else {
            throw SQLError(.programLimitExceeded, "a session attaches at most \(Session.attachedMax) databases")
        }
        let engine = engine
        attached[name] = try await currentWatch.perform { () async throws(SQLError) -> any AttachedDatabase in
            try await engine.attach(statement)
        }
        return done("ATTACH")
    }

    func detach(_ name: Identifier, ifExists: Bool) throws(SQLError) -> any ResultStream {
        guard transaction?.isExplicit != true else {
            throw SQLError(.activeTransaction, "DETACH cannot run inside a transaction block")
        }
        guard attached.removeValue(forKey: name.value) == nil, !ifExists else { return done("DETACH") }
        if engine.attached[name.value] != nil {
            throw SQLError(
                .objectInUse, "database \"\(name.value)\" is attached by the server's configuration",
                position: name.position)
        }
        throw SQLError(.invalidDatabase, "database \"\(name.value)\" is not attached", position: name.position)
    }

    /// Databases that one session attaches.
    private static let attachedMax = 100
}

extension Engine {
    /// Attaches what a statement describes; the caller keeps it.
    func attach(_ statement: Statement.Attach) async throws(SQLError) -> any AttachedDatabase {
        var options = statement.options
        let type = options.removeValue(forKey: "type")?.lowercased() ?? ""
        guard let kind = kinds.first(where: { $0.name == type }) else {
            let known = kinds.map(\.name).sorted().joined(separator: ", ")
            throw SQLError(
                .featureNotSupported, type.isEmpty ? "ATTACH needs a TYPE" : "database type \"\(type)\" is not known",
                hint: known.isEmpty ? nil : "Types are: \(known).", position: statement.name.position)
        }
        return try await kind.attach(statement.location, options: options)
    }

    /// Reads the server's configuration: ATTACH statements, whose databases all sessions see.
    public static func attaching(
        _ text: String, kinds: [any DatabaseKind]
    ) async throws(SQLError) -> [String: any AttachedDatabase] {
        var result: [String: any AttachedDatabase] = [:]
        for parsed in try Parser.parse(text) {
            guard case .attach(let statement) = parsed.statement else {
                throw SQLError(.invalidParameterValue, "attach holds something else than ATTACH statements")
            }
            var options = statement.options
            let type = options.removeValue(forKey: "type")?.lowercased() ?? ""
            guard let kind = kinds.first(where: { $0.name == type }) else {
                throw SQLError(.invalidParameterValue, "database type \"\(type)\" is not known")
            }
            result[statement.name.value] = try await kind.attach(statement.location, options: options)
        }
        return result
    }
}
