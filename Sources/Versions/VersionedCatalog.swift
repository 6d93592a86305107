// The Git-like catalog: a ref picks a commit, a commit holds every schema, table and view.
public import Catalogs
public import Diagnostics
public import Foundation

/// The catalog of the lake: this logic over a store.
public struct VersionedCatalog: Versioned {
    let store: any RefStore
    let objects: ObjectReader
    let tree: KeyTree
    let history: CommitLog
    let now: @Sendable () -> Int64

    /// The branch that exists from the beginning.
    public static let mainBranch = "main"
    /// The schema that exists from the beginning.
    public static let publicSchema = "public"
    /// A ref's name, in bytes.
    static let refNameMax = 255

    /// Opens the catalog in a SQLite file, made when missing; nil keeps it in memory. `now` tells microseconds since
    /// 1970 UTC, by default of the system's clock.
    public init(path: String?, now: (@Sendable () -> Int64)? = nil) async throws(SQLError) {
        let clock = now ?? VersionedCatalog.systemTime
        try await self.init(store: try SQLiteRefStore(path: path, now: clock), now: clock)
    }

    /// Opens the catalog in a PostgreSQL database, which other servers may use as well.
    public init(url: String) async throws(SQLError) { try await self.init(store: try await PostgresRefStore(url: url)) }

    init(store: any RefStore, now: (@Sendable () -> Int64)? = nil) async throws(SQLError) {
        self.store = store
        objects = ObjectReader(store)
        tree = KeyTree(objects: objects)
        history = CommitLog(objects: objects)
        self.now = now ?? VersionedCatalog.systemTime
        if try await store.ref(.branch, VersionedCatalog.mainBranch) == nil { try await makeMain() }
    }

    /// Microseconds since 1970 UTC.
    static let systemTime: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1_000_000) }

    /// The first commit: the branch main with an empty schema public.
    private func makeMain() async throws(SQLError) {
        var new = NewObjects()
        let none = try new.add(TreeNode.empty)
        let schema = try ObjectCoding.encode(SchemaObject(location: nil, entries: none))
        let root = try await tree.changing(nil, [VersionedCatalog.publicSchema: schema], writing: &new)
        let commit = CommitObject(
            parents: [], generation: 0, jump: nil, schemas: root, committedAt: now(), author: "apus",
            message: "Create the catalog")
        let id = try new.add(commit)
        // Another process may have been first: then its commit stands.
        _ = try await moved(
            RefMove(
                kind: .branch, name: VersionedCatalog.mainBranch, from: nil, to: id, time: commit.committedAt),
            writing: new)
    }

    // MARK: - Reading

    public func commit(of ref: Ref) async throws(SQLError) -> CommitID {
        CommitID(hex: try await head(ref).hex)
    }

    private func head(_ ref: Ref) async throws(SQLError) -> ObjectID {
        switch ref {
        case .branch(let name):
            if let found = try await store.ref(.branch, name) { return found.head }
            throw SQLError(.undefinedObject, "branch \"\(name)\" does not exist")
        case .tag(let name):
            if let found = try await store.ref(.tag, name) { return found.head }
            throw SQLError(.undefinedObject, "tag \"\(name)\" does not exist")
        case .commit(let id):
            return try await commit(named: id.hex)
        case .time(let branch, let microseconds):
            let tip = try await head(.branch(branch))
            if let found = try await history.commit(before: microseconds, from: tip) { return found }
            throw SQLError(.undefinedObject, "branch \"\(branch)\" has no commit at or before that time")
        case .named(let name):
            if let branch = try await store.ref(.branch, name) { return branch.head }
            if let tag = try await store.ref(.tag, name) { return tag.head }
            if VersionedCatalog.looksLikeHash(name) { return try await commit(named: name) }
            throw SQLError(
                .undefinedObject, "branch, tag or commit \"\(name)\" does not exist",
                hint: "SHOW BRANCHES lists the branches.")
        }
    }

    private func commit(named prefix: String) async throws(SQLError) -> ObjectID {
        guard VersionedCatalog.looksLikeHash(prefix) else {
            throw SQLError(
                .invalidParameterValue, "\"\(prefix)\" is not a commit hash",
                hint: "Give 8 to 64 hexadecimal digits, as SHOW LOG prints them.")
        }
        let found = try await store.commits(startingWith: prefix.lowercased())
        guard let first = found.first else {
            throw SQLError(.undefinedObject, "commit \"\(prefix)\" does not exist")
        }
        guard found.count == 1 else {
            throw SQLError(.invalidParameterValue, "commit hash \"\(prefix)\" is ambiguous")
        }
        return first
    }

    private static func looksLikeHash(_ text: String) -> Bool {
        (8...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (97...102).contains(byte | 32)
            }
    }

    private func schemaObjects(at commit: CommitID) async throws(SQLError) -> [String: SchemaObject] {
        let root = try await objects.commit(try ObjectID(commit)).schemas
        var result: [String: SchemaObject] = [:]
        for (name, bytes) in try await tree.all(in: root) {
            result[name] = try ObjectCoding.decode(SchemaObject.self, bytes, root)
        }
        return result
    }

    private func schemaObject(_ name: String, at commit: CommitID) async throws(SQLError) -> SchemaObject? {
        let root = try await objects.commit(try ObjectID(commit)).schemas
        guard let bytes = try await tree.values([name], in: root)[name] else { return nil }
        return try ObjectCoding.decode(SchemaObject.self, bytes, root)
    }

    public func schemas(at commit: CommitID) async throws(SQLError) -> [SchemaDefinition] {
        try await schemaObjects(at: commit)
            .map { $0.value.definition($0.key) }
            .sorted { $0.name < $1.name }
    }

    public func schema(_ name: String, at commit: CommitID) async throws(SQLError) -> SchemaDefinition? {
        try await schemaObject(name, at: commit)?.definition(name)
    }

    public func names(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName] {
        guard let object = try await schemaObject(schema, at: commit) else { return [] }
        return try await tree.all(in: object.entries).keys.sorted().map { TableName(schema: schema, name: $0) }
            .filter { !$0.isObject }
    }

    public func objects(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName] {
        guard let object = try await schemaObject(schema, at: commit) else { return [] }
        return try await tree.all(in: object.entries).keys.map { TableName(schema: schema, name: $0) }
            .filter(\.isObject)
    }

    public func entries(_ names: Set<TableName>, at commit: CommitID) async throws(SQLError) -> [TableName: Entry] {
        var found: [TableName: Entry] = [:]
        for (schema, group) in Dictionary(grouping: names, by: \.schema) {
            guard let object = try await schemaObject(schema, at: commit) else { continue }
            for (name, bytes) in try await tree.values(group.map(\.name), in: object.entries) {
                found[TableName(schema: schema, name: name)] = try ObjectCoding.decode(
                    Entry.self, bytes, object.entries)
            }
        }
        return found
    }

    // MARK: - Roles and rights

    public func accessRecords(since version: Int64) async throws(SQLError) -> AccessRecords {
        try await store.accessRecords(since: version)
    }

    public func putAccessRecords(
        _ records: [String: Data?], expecting version: Int64
    ) async throws(SQLError) -> Bool { try await store.putAccessRecords(records, expecting: version) }

    // MARK: - Changing

    public func commit(
        _ changes: [Change], to branch: String, expecting head: CommitID, note: CommitNote
    ) async throws(SQLError) -> CommitID {
        let (id, new, time) = try await object(changes, onto: head, merging: nil, note: note)
        try await move(
            RefMove(kind: .branch, name: branch, from: try ObjectID(head), to: id, time: time), writing: new)
        objects.keep(new)
        return CommitID(hex: id.hex)
    }

    public func prepare(
        _ changes: [Change], onto head: CommitID, merging merged: CommitID?, note: CommitNote
    ) async throws(SQLError) -> CommitID {
        let (id, new, _) = try await object(changes, onto: head, merging: merged, note: note)
        var parents = [try ObjectID(head)]
        if let merged { parents.append(try ObjectID(merged)) }
        let needed = parents
        let isStored = try await resolving { () throws(SQLError) in try await store.store(new, needing: needed) }
        guard isStored else { throw VersionedCatalog.expired }
        objects.keep(new)
        return CommitID(hex: id.hex)
    }

    /// Makes a commit's objects.
    private func object(
        _ changes: [Change], onto head: CommitID, merging merged: CommitID?, note: CommitNote
    ) async throws(SQLError) -> (ObjectID, NewObjects, Int64) {
        var new = NewObjects()
        let parentID = try ObjectID(head)
        let parent = try await objects.commit(parentID)
        let schemas = try await applying(changes, at: head, root: parent.schemas, writing: &new)
        // Clocks may step back; history must not.
        var commit = CommitObject(
            parents: [parentID], generation: parent.generation + 1, height: parent.height.map { $0 + 1 },
            jump: try await history.jump(forChildOf: parentID), schemas: schemas,
            committedAt: max(now(), parent.committedAt), author: note.author, message: note.message)
        if let merged {
            let mergedID = try ObjectID(merged)
            let other = try await objects.commit(mergedID)
            commit.parents.append(mergedID)
            commit.height = max(parent.anyHeight, other.anyHeight) + 1
            commit.committedAt = max(commit.committedAt, other.committedAt)
        }
        return (try new.add(commit), new, commit.committedAt)
    }

    private func applying(
        _ changes: [Change], at head: CommitID, root: ObjectID, writing new: inout NewObjects
    ) async throws(SQLError) -> ObjectID {
        var schemas: [String: SchemaObject?] = [:]
        var entries: [String: [String: Data?]] = [:]
        let (none, _) = try TreeNode.empty.encoded()
        for change in changes {
            switch change {
            case .putSchema(let definition):
                let old = try await known(definition.name, schemas, head)
                if old == nil { _ = try new.add(TreeNode.empty) }
                schemas[definition.name] = SchemaObject(
                    location: definition.location, properties: definition.properties,
                    owner: definition.owner, entries: old?.entries ?? none)
            case .dropSchema(let name):
                schemas[name] = .some(nil)
                entries[name] = nil
            case .put(let name, let entry):
                entries[name.schema, default: [:]][name.name] = .some(try ObjectCoding.encode(entry))
            case .drop(let name):
                entries[name.schema, default: [:]][name.name] = .some(nil)
            }
        }
        for (name, changed) in entries {
            guard var schema = try await known(name, schemas, head) else {
                throw SQLError(.invalidSchema, "schema \"\(name)\" does not exist")
            }
            schema.entries = try await tree.changing(schema.entries, changed, writing: &new)
            schemas[name] = schema
        }
        var rootChanges: [String: Data?] = [:]
        for (name, object) in schemas {
            if let object {
                rootChanges[name] = .some(try ObjectCoding.encode(object))
            } else {
                rootChanges[name] = .some(nil)
            }
        }
        return try await tree.changing(root, rootChanges, writing: &new)
    }

    private func known(
        _ name: String, _ changed: [String: SchemaObject?], _ head: CommitID
    ) async throws(SQLError) -> SchemaObject? {
        if let object = changed[name] { return object }
        return try await schemaObject(name, at: head)
    }

    public func log(_ ref: Ref, limit: Int) async throws(SQLError) -> [CommitInfo] {
        let start = try await head(ref)
        return try await history.log(from: start, limit: limit).map { id, commit in
            CommitInfo(id, commit)
        }
    }
}
