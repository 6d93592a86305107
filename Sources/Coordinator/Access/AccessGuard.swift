// The one place where rights are enforced: what a bound statement reads, what it writes, and whose names it may find.
import Access
import Catalogs
import Diagnostics
import Planner
import Syntax

/// Checks one statement's rights. There is none while no role is defined.
struct AccessGuard: Sendable {
    let state: AccessState
    /// The current user.
    let who: Standing
    let database: String
    /// Whether what is read is a commit that no branch has yet.
    var isAtUnpublished = false

    static func denied(_ what: String) -> SQLError {
        SQLError(.insufficientPrivilege, "permission denied for \(what)")
    }

    /// A relation that a statement found.
    struct Secured: Sendable {
        var object: SecuredObject
        /// "table", "view", "materialized view": as errors name it.
        var kind: String
        /// Of a function: its name without arguments.
        var label: String?
        var what: String { "\(kind) \(label ?? object.name)" }
    }

    /// A function of the user, by its name and arguments.
    static func secured(_ function: FunctionDefinition, _ schema: String, _ name: String) -> Secured {
        let object = SecuredObject(
            .function, schema: schema, name: "\(name)(\(function.parameters.map(\.type).joined(separator: ",")))",
            owner: function.owner ?? EntryOwner.bootstrap)
        return Secured(object: object, kind: function.isProcedure ? "procedure" : "function", label: name)
    }

    /// A type of the user.
    static func secured(_ type: UserType) -> Secured {
        let object = SecuredObject(
            .type, schema: type.schema, name: type.name, owner: type.definition.owner ?? EntryOwner.bootstrap)
        return Secured(object: object, kind: "type")
    }

    static func secured(_ found: Resolver.Found) -> Secured {
        secured(found.name, found.entry, database: Databases.name(of: found.ref) ?? "")
    }

    static func secured(_ name: TableName, _ entry: Entry, database: String = "") -> Secured {
        var kind = "table"
        var secured = SecuredKind.relation
        switch entry {
        case .view: kind = "view"
        case .managed(let definition) where definition.isMaterializedView == true: kind = "materialized view"
        case .object(.sequence): (kind, secured) = ("sequence", .sequence)
        case .object(.functions): (kind, secured) = ("function", .function)
        case .object(.type): (kind, secured) = ("type", .type)
        case .object(.index): kind = "index"
        case .managed, .external: break
        }
        // Who owns something inside another database is that database's business.
        let owner = database.isEmpty ? entry.owner : EntryOwner.bootstrap
        return Secured(
            object: SecuredObject(
                secured, database: database, schema: name.schema, name: name.objectName, owner: owner),
            kind: kind)
    }

    func standing(_ definer: Int64?) -> Standing { definer.map(state.standing) ?? who }

    // MARK: - Reading

    /// Checks what a query reads.
    func check(
        _ uses: [RelationUse], _ found: [CatalogSnapshot.Reference: Secured], target: Secured? = nil
    ) throws(SQLError) {
        for use in uses {
            if use.isTarget {
                if let target, !use.columns.isEmpty { try require(.select, use.columns, target, who) }
            } else if let secured = found[use.reference] {
                try require(.select, use.columns, secured, standing(use.reference.definer))
            }
        }
    }

    /// Requires a right on a table, or on each of the columns; with no columns named, on any.
    func require(
        _ right: Rights, _ columns: some Collection<String>, _ secured: Secured, _ who: Standing
    ) throws(SQLError) {
        if who.isSuperuser || state.rights(on: secured.object, of: who).contains(right) { return }
        let isAllowed =
            columns.isEmpty
            ? state.rightsOnAnyColumn(of: secured.object, of: who).contains(right)
            : columns.allSatisfy { state.rights(on: secured.object, column: $0, of: who).contains(right) }
        guard isAllowed else { throw AccessGuard.denied(secured.what) }
    }

    func require(_ right: Rights, _ secured: Secured) throws(SQLError) {
        guard state.rights(on: secured.object, of: who).contains(right) else {
            throw AccessGuard.denied(secured.what)
        }
    }

    /// Checks that functions of the user may be called.
    func check(_ functions: [FunctionUse]) throws(SQLError) {
        for use in functions { try require(.execute, AccessGuard.secured(use.function, use.schema, use.name)) }
    }

    /// Checks that types of the user may be used for what is defined.
    func check(_ types: UserTypes, _ names: Set<QualifiedName>) throws(SQLError) {
        for name in names {
            if let type = types.found[name] { try require(.usage, AccessGuard.secured(type)) }
        }
    }

    // MARK: - Writing

    /// Checks what a write does to its target, besides reading it.
    func check(_ statement: WriteStatement, _ target: Secured, columns all: [String]) throws(SQLError) {
        switch statement.change {
        case .insert(let insert):
            try require(.insert, insert.columns.isEmpty ? all : insert.columns.map(\.value), target, who)
        case .update(let assignments, _, _):
            try require(.update, assignments.flatMap(\.columns).map(\.value), target, who)
        case .delete: try require(.delete, target)
        case .merge(let merge):
            for clause in merge.clauses {
                switch clause.action {
                case .update(let assignments):
                    try require(.update, assignments.flatMap(\.columns).map(\.value), target, who)
                case .insert(let columns, _):
                    try require(.insert, columns.isEmpty ? all : columns.map(\.value), target, who)
                case .delete: try require(.delete, target)
                case .nothing: break
                }
            }
        }
    }

    // MARK: - Owners, schemas, the database

    func requireOwner(_ secured: Secured, orSchema schema: SchemaDefinition? = nil) throws(SQLError) {
        if who.has(secured.object.owner) { return }
        if let schema, who.has(schema.owner ?? EntryOwner.bootstrap) { return }
        throw SQLError(.insufficientPrivilege, "must be owner of \(secured.what)")
    }

    static func object(_ schema: SchemaDefinition, database: String = "") -> SecuredObject {
        SecuredObject(
            .schema, database: database, name: schema.name,
            owner: database.isEmpty ? schema.owner ?? EntryOwner.bootstrap : EntryOwner.bootstrap)
    }

    func has(_ right: Rights, on schema: SchemaDefinition, database: String = "") -> Bool {
        state.rights(on: AccessGuard.object(schema, database: database), of: who).contains(right)
    }

    func require(_ right: Rights, on schema: SchemaDefinition, database: String = "") throws(SQLError) {
        guard has(right, on: schema, database: database) else { throw AccessGuard.denied("schema \(schema.name)") }
    }

    func requireOwner(of schema: SchemaDefinition) throws(SQLError) {
        guard who.has(schema.owner ?? EntryOwner.bootstrap) else {
            throw SQLError(.insufficientPrivilege, "must be owner of schema \(schema.name)")
        }
    }

    var lake: SecuredObject { SecuredObject(.database, name: database, owner: EntryOwner.bootstrap) }

    func require(_ right: Rights) throws(SQLError) {
        guard state.rights(on: lake, of: who).contains(right) else { throw AccessGuard.denied("database \(database)") }
    }

    /// Whether row policies or masks hide something of a relation from the user.
    func hidesRows(of secured: Secured) -> Bool {
        guard !who.isSuperuser, let policies = state.policies(of: secured.object) else { return false }
        if !policies.masks.isEmpty, !who.has(secured.object.owner) { return true }
        return policies.isEnabled && !who.bypassesRowSecurity && (policies.isForced || !who.has(secured.object.owner))
    }

    // MARK: - Branches

    static func object(_ ref: NamedRef) -> SecuredObject {
        SecuredObject(.branch, name: ref.name, owner: ref.options.owner ?? EntryOwner.bootstrap)
    }

    func has(_ right: Rights, on ref: NamedRef, _ who: Standing) -> Bool {
        who.isSuperuser || state.rights(on: AccessGuard.object(ref), of: who).contains(right)
    }

    func require(_ right: Rights, on ref: NamedRef) throws(SQLError) {
        guard has(right, on: ref, who) else { throw AccessGuard.denied("branch \(ref.name)") }
    }

    func requireOwner(of ref: NamedRef) throws(SQLError) {
        guard who.has(ref.options.owner ?? EntryOwner.bootstrap) else {
            throw SQLError(.insufficientPrivilege, "must be owner of \(ref.kind.rawValue) \(ref.name)")
        }
    }

    /// Checks that a version may be read: a branch by its own rights, a tag or commit when it is part of the history of
    /// a branch that may be read.
    func requireReading(_ ref: Ref, _ catalog: any Versioned, _ definer: Int64? = nil) async throws(SQLError) {
        let who = standing(definer)
        guard !who.isSuperuser, !isAtUnpublished, Databases.name(of: ref) == nil else { return }
        switch ref {
        case .branch(let name), .time(let name, _), .named(let name):
            if let found = try await catalog.ref(.branch, name) {
                guard has(.select, on: found, who) else { throw AccessGuard.denied("branch \(name)") }
                return
            }
        case .tag, .commit: break
        }
        let commit = try await catalog.commit(of: ref)
        let branches = try await catalog.refs().filter { $0.kind == .branch }
        let readable = branches.filter { has(.select, on: $0, who) }
        if readable.count == branches.count { return }
        for branch in readable {
            if branch.head == commit { return }
            if try await catalog.mergeBase(commit, branch.head) == commit { return }
        }
        throw AccessGuard.denied("version \(ref)")
    }

    /// The branches that may be read, and the tags.
    func visible(_ refs: [NamedRef]) -> [NamedRef] {
        refs.filter { $0.kind != .branch || has(.select, on: $0, who) }
    }
}
