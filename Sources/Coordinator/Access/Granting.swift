// GRANT and REVOKE on tables, columns, schemas, branches and the database; default privileges; owners.
import Access
import Catalogs
import Diagnostics
import Planner
import Syntax

extension Session {
    /// Objects that one GRANT names.
    private static let grantedMax = 100_000

    func grant(_ grant: GrantStatement) async throws(SQLError) {
        for target in try await targets(of: grant) {
            let change = try change(grant, on: target.object.kind)
            if let columns = target.columns {
                for part in change.columns where !columns.contains(part.column) {
                    throw SQLError(
                        .undefinedColumn,
                        "column \"\(part.column)\" of relation \"\(target.object.name)\" does not exist")
                }
            }
            let who = standing
            let (object, what) = (target.object, target.what)
            var probe = access
            if let warning = try probe.change(object, change, by: who, what: what) {
                notices.append(SQLNotice(.warning, warning))
            }
            try await changeAccess { (state) throws(SQLError) in
                _ = try state.change(object, change, by: who, what: what)
            }
        }
    }

    struct GrantTarget {
        var object: SecuredObject
        var what: String
        /// Of a relation, when rights on columns are asked for.
        var columns: Set<String>?
    }

    private func targets(of grant: GrantStatement) async throws(SQLError) -> [GrantTarget] {
        var targets: [GrantTarget] = []
        switch grant.target {
        case .sequences, .routines, .types, .objectsInSchemas: targets = try await objects(grant.target)
        case .databases(let names):
            for name in names {
                guard name.value == engine.database else {
                    throw SQLError(
                        .invalidDatabase, "database \"\(name.value)\" does not exist", position: name.position)
                }
                let object = SecuredObject(.database, name: name.value, owner: KnownRole.bootstrap)
                targets.append(GrantTarget(object: object, what: "database \(name.value)"))
            }
        case .schemas(let names):
            for name in names {
                let schema = try await requireSchema(name)
                targets.append(
                    GrantTarget(object: AccessGuard.object(schema), what: "schema \(schema.name)"))
            }
        case .branches(let names):
            for name in names {
                guard let ref = try await engine.catalog.ref(.branch, name.value) else {
                    throw SQLError(
                        .undefinedObject, "branch \"\(name.value)\" does not exist", position: name.position)
                }
                targets.append(GrantTarget(object: AccessGuard.object(ref), what: "branch \(ref.name)"))
            }
        case .relations(let names):
            for name in names { targets.append(try await relation(name, grant)) }
        case .relationsInSchemas(let names):
            for schema in names {
                let definition = try await requireSchema(schema)
                let tables = try await tableNames(in: definition.name, on: branch)
                guard tables.count <= Session.grantedMax else {
                    throw SQLError(.programLimitExceeded, "a schema has too many tables for one GRANT")
                }
                for table in tables {
                    guard let entry = try await entry(at: NewPlace(name: table, branch: branch)) else { continue }
                    let secured = AccessGuard.secured(table, entry)
                    targets.append(GrantTarget(object: secured.object, what: secured.what))
                }
            }
        }
        return targets
    }

    func requireSchema(_ name: Identifier) async throws(SQLError) -> SchemaDefinition {
        guard let schema = try await schema(name.value, on: branch) else {
            throw SQLError(.invalidSchema, "schema \"\(name.value)\" does not exist", position: name.position)
        }
        return schema
    }

    private func relation(_ name: QualifiedName, _ grant: GrantStatement) async throws(SQLError) -> GrantTarget {
        let context = planContext()
        var pinned = transaction?.pinned ?? [:]
        let reference = try QueryNames.target(name, context: context)
        guard let found = try await resolver(context).find(reference, currentTransaction, &pinned) else {
            if let sequence = try await lookUp(.sequence, name) {
                return GrantTarget(object: AccessGuard.secured(sequence.name, sequence.entry).object, what: name.text)
            }
            throw SQLError(.undefinedTable, "relation \"\(name.text)\" does not exist", position: name.position)
        }
        let secured = AccessGuard.secured(found)
        var target = GrantTarget(object: secured.object, what: secured.what)
        if !grant.allColumns.isEmpty || grant.rights.contains(where: { !$0.columns.isEmpty }) {
            target.columns = Set(try await columnNames(of: name))
        }
        return target
    }

    /// The columns of a relation: no rights are asked for, whoever may grant knows them.
    func columnNames(of name: QualifiedName) async throws(SQLError) -> [String] {
        let star = Expression(.star(Expression.Star()), position: name.position)
        let table = TableExpression(.table(name, version: nil, alias: nil), position: name.position)
        let query = Query(
            body: .select(Select(items: [SelectItem(value: star)], from: [table], position: name.position)),
            position: name.position)
        var life = life()
        life.resolver.access = nil
        return try await bind(query, [], life).columns.map(\.name)
    }

    /// Rights and roles by number.
    private func change(_ grant: GrantStatement, on kind: SecuredKind) throws(SQLError) -> GrantChange {
        var grantees: [RoleID] = []
        for role in grant.grantees { grantees.append(try number(role)) }
        var change = GrantChange(
            isGrant: grant.isGrant, rights: grant.rights.isEmpty && grant.allColumns.isEmpty ? nil : [],
            grantees: grantees, withOption: grant.withOption, cascades: grant.cascades)
        for column in grant.allColumns { change.columns.append((nil, column.value)) }
        for right in grant.rights {
            let name = right.name.value.uppercased()
            guard let known = Rights(name: name) else {
                throw SQLError(
                    .syntaxError, "unrecognized privilege type \"\(right.name.value)\"", position: right.name.position)
            }
            let all = right.columns.isEmpty ? kind.rights : .ofColumns
            guard all.contains(known) else {
                throw SQLError(
                    SQLState("0LP01"),
                    "invalid privilege type \(name) for \(right.columns.isEmpty ? kind.noun : "column")",
                    position: right.name.position)
            }
            guard right.columns.isEmpty || kind == .relation else {
                throw SQLError(SQLState("0LP01"), "column privileges are only valid for relations")
            }
            if right.columns.isEmpty { change.rights = (change.rights ?? []).union(known) }
            for column in right.columns { change.columns.append((known, column.value)) }
        }
        return change
    }

    // MARK: - Default privileges

    func changeDefaults(
        _ roles: [RoleName], _ schemas: [Identifier], _ grant: GrantStatement
    ) async throws(SQLError) {
        let kind: SecuredKind
        switch grant.target {
        case .relations: kind = .relation
        case .schemas: kind = .schema
        case .sequences: kind = .sequence
        case .routines: kind = .function
        case .types: kind = .type
        default: return
        }
        guard kind != .schema || schemas.isEmpty else {
            throw SQLError(SQLState("0LP01"), "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS")
        }
        for schema in schemas { _ = try await requireSchema(schema) }
        let change = try change(grant, on: kind)
        let who = standing
        var owners: [RoleID] = []
        for role in roles { owners.append(try number(role)) }
        if owners.isEmpty { owners = [who.id] }
        let inside: [String?] = schemas.isEmpty ? [nil] : schemas.map(\.value)
        for owner in owners {
            for schema in inside {
                try await changeAccess { (state) throws(SQLError) in
                    try state.changeDefaults(of: owner, schema: schema, kind: kind, change, by: who)
                }
            }
        }
    }

    /// A new object gets its owner's default privileges.
    func grantDefaults(_ object: SecuredObject) async throws(SQLError) {
        guard access.hasDefaults(for: object) else { return }
        try await changeAccess { (state) throws(SQLError) in state.created(object) }
    }

    // MARK: - Owners

    func changeOwner(_ owned: AccessStatement.Owned, _ role: RoleName) async throws(SQLError) {
        let new = try newOwner(role)
        switch owned {
        case .database(let name):
            throw SQLError(
                .featureNotSupported, "the owner of database \"\(name.value)\" cannot be changed",
                position: name.position)
        case .branch(let name):
            guard let ref = try await engine.catalog.ref(.branch, name.value) else {
                throw SQLError(.undefinedObject, "branch \"\(name.value)\" does not exist", position: name.position)
            }
            try accessGuard?.requireOwner(of: ref)
            try await give(ref, to: new)
        case .sequence(let name, let ifExists):
            try await changeOwner(.sequence, ObjectStatement.Dropped(name: name), ifExists, to: new)
        case .routine(let kind, let routine): try await changeOwner(kind, routine, false, to: new)
        case .schema(let name):
            _ = try await changing("ALTER SCHEMA \(name.value) OWNER") {
                () async throws(SQLError) -> any ResultStream in
                let branch = try await requireBranch(.named(self.branch))
                let schema = try await requireSchema(name)
                try accessGuard?.requireOwner(of: schema)
                try accessGuard?.require(.create)
                try await give(schema, on: branch, to: new)
                return done("ALTER SCHEMA")
            }
        }
    }

    /// The number of a role that is to own something; who gives it must be one of them.
    func newOwner(_ role: RoleName) throws(SQLError) -> RoleID {
        // Scripts name owners that mean nothing where no role is defined.
        if access.isOpen { return EntryOwner.bootstrap }
        let new = try number(role)
        guard new != KnownRole.everybody else { throw AccessState.undefined("public") }
        if let access = accessGuard, !access.who.isMember(of: new) {
            throw SQLError(.insufficientPrivilege, "must be member of role \"\(try name(role))\"")
        }
        return new
    }

    func give(_ ref: NamedRef, to new: RoleID) async throws(SQLError) {
        var options = ref.options
        options.owner = new == EntryOwner.bootstrap ? nil : new
        guard options != ref.options else { return }
        try await engine.catalog.set(options, of: ref.kind, ref.name)
        let object = AccessGuard.object(ref)
        try await changeAccess { (state) throws(SQLError) in state.changedOwner(of: object, to: new) }
    }

    func give(_ schema: SchemaDefinition, on branch: String, to new: RoleID) async throws(SQLError) {
        var changed = schema
        changed.owner = new == EntryOwner.bootstrap ? nil : new
        guard changed != schema else { return }
        let settled = changed
        try transaction?.change(on: branch) { $0.putSchema(settled) }
        let object = AccessGuard.object(schema)
        try await changeAccess { (state) throws(SQLError) in state.changedOwner(of: object, to: new) }
    }

    /// Gives a relation to another owner: a change of its entry on this branch.
    func give(_ place: NewPlace, _ entry: Entry, to new: RoleID) async throws(SQLError) {
        guard entry.owner != new else { return }
        if let branch = place.branch, let name = Databases.name(ofBranch: branch) {
            throw SQLError(.featureNotSupported, "database \"\(name)\" has owners of its own")
        }
        let owner = new == EntryOwner.bootstrap ? nil : new
        switch entry {
        case .view(var view):
            view.owner = owner
            let settled = view
            try record(place.name, place.branch) { $0.put(place.name, .view(settled)) }
        case .external(var definition):
            definition.owner = owner
            let settled = definition
            try record(place.name, place.branch) { $0.put(place.name, .external(settled)) }
        case .object(var object):
            object.owner = owner
            let settled = object
            try record(place.name, place.branch) { $0.put(place.name, .object(settled)) }
        case .managed(let definition):
            let change: TableAlteration =
                owner.map { .setProperty(TableProperty.owner, String($0)) } ?? .removeProperty(TableProperty.owner)
            let altered = try await engine.managed.alter(definition, named: place.name, [change])
            try record(place.name, place.branch) { $0.alter(place.name, altered, .alter([change])) }
        }
        let object = AccessGuard.secured(place.name, entry).object
        try await changeAccess { (state) throws(SQLError) in state.changedOwner(of: object, to: new) }
    }
}

extension SecuredKind {
    /// As PostgreSQL's errors name it.
    fileprivate var noun: String {
        switch self {
        case .database: "database"
        case .schema: "schema"
        case .relation: "table"
        case .branch: "branch"
        case .sequence: "sequence"
        case .function: "function"
        case .type: "type"
        }
    }
}
