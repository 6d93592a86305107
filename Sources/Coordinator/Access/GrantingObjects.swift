// Rights on sequences, functions and types, and their owners.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    /// Finds an object of a schema, whosever it is.
    func lookUp(
        _ kind: TableName.ObjectKind, _ name: QualifiedName
    ) async throws(SQLError) -> (name: TableName, entry: Entry, branch: String?)? {
        var pinned = transaction?.pinned ?? [:]
        let found = try await resolver(planContext()).object(kind, name, currentTransaction, &pinned)
        transaction?.pinned = pinned
        return found
    }

    /// What GRANT ON SEQUENCE, FUNCTION, TYPE and their kin name.
    func objects(_ target: GrantStatement.Target) async throws(SQLError) -> [GrantTarget] {
        var targets: [GrantTarget] = []
        func add(_ secured: AccessGuard.Secured) {
            targets.append(GrantTarget(object: secured.object, what: secured.what))
        }
        switch target {
        case .sequences(let names):
            for name in names {
                guard let found = try await lookUp(.sequence, name) else {
                    guard try await find(name) == nil else {
                        throw SQLError(
                            .wrongObjectType, "\"\(name.last)\" is not a sequence", position: name.position)
                    }
                    throw SQLError(
                        .undefinedTable, "relation \"\(name.text)\" does not exist", position: name.position)
                }
                add(AccessGuard.secured(found.name, found.entry))
            }
        case .types(let names, let isDomain):
            for name in names {
                guard let found = try await lookUp(.type, name), case .object(.type(let type)) = found.entry else {
                    throw SQLError(
                        .undefinedObject, "type \"\(name.text)\" does not exist", position: name.position)
                }
                if isDomain {
                    guard case .domain = type.form else {
                        throw SQLError(
                            .wrongObjectType, "\"\(name.last)\" is not a domain", position: name.position)
                    }
                }
                add(AccessGuard.secured(found.name, found.entry))
            }
        case .routines(let kind, let routines):
            for routine in routines {
                let found = try await self.routine(kind, routine)
                add(AccessGuard.secured(found.function, found.name.schema, found.name.objectName))
            }
        case .objectsInSchemas(let kind, let schemas):
            for schema in schemas {
                let definition = try await requireSchema(schema)
                for (name, object) in try await objects(in: definition.name) {
                    switch object {
                    case .sequence where kind == .sequence: add(AccessGuard.secured(name, .object(object)))
                    case .functions(let functions) where kind != .sequence:
                        for function in functions
                        where kind == .routine || function.isProcedure == (kind == .procedure) {
                            add(AccessGuard.secured(function, name.schema, name.objectName))
                        }
                    default: break
                    }
                }
            }
        default: break
        }
        return targets
    }

    /// The objects of a schema on the session's branch, with the open transaction's changes.
    func objects(in schema: String) async throws(SQLError) -> [(name: TableName, object: SchemaObject)] {
        let stored = try await databases.objects(in: schema, at: try await head())
        let made = own(branch)?.changes.tables.keys.filter { $0.isObject && $0.schema == schema } ?? []
        var found: [(name: TableName, object: SchemaObject)] = []
        for name in Set(stored + made).sorted(by: { $0.name < $1.name }) {
            guard case .object(let object)? = try await entry(at: NewPlace(name: name, branch: branch)) else {
                continue
            }
            found.append((name, object))
        }
        return found
    }

    /// The one function that a name, perhaps with the types of arguments, means.
    func routine(
        _ kind: ObjectStatement.Kind, _ routine: ObjectStatement.Dropped
    ) async throws(SQLError) -> (
        name: TableName, all: [FunctionDefinition], function: FunctionDefinition, branch: String?
    ) {
        let name = routine.name
        let found = try await lookUp(.function, name)
        var all: [FunctionDefinition] = []
        if case .object(.functions(let known))? = found?.entry { all = known }
        let wanted = routine.arguments.map { $0.map { (try? TypeNames.type($0).name) ?? $0.name } }
        let matching = all.filter { function in
            guard kind == .routine || function.isProcedure == (kind == .procedure) else { return false }
            return wanted == nil || wanted == function.parameters.map(\.type)
        }
        guard let first = matching.first, let found else {
            let message =
                wanted.map { "\(kind.rawValue) \(name.text)(\($0.joined(separator: ", "))) does not exist" }
                ?? "could not find a \(kind.rawValue) named \"\(name.text)\""
            throw SQLError(.undefinedFunction, message, position: name.position)
        }
        guard matching.count == 1 else {
            throw SQLError(
                SQLState("42725"), "\(kind.rawValue) name \"\(name.text)\" is not unique",
                hint: "Specify the argument list to select the \(kind.rawValue) unambiguously.",
                position: name.position)
        }
        return (found.name, all, first, found.branch)
    }

    /// ALTER SEQUENCE and ALTER FUNCTION ... OWNER TO.
    func changeOwner(
        _ kind: ObjectStatement.Kind, _ named: ObjectStatement.Dropped, _ ifExists: Bool, to new: RoleID
    ) async throws(SQLError) {
        _ = try await changing("ALTER \(kind.rawValue.uppercased()) OWNER") {
            () async throws(SQLError) -> any ResultStream in
            let branch = try await requireBranch(.named(self.branch))
            if kind == .sequence {
                guard let found = try await lookUp(.sequence, named.name) else {
                    try missing(
                        "relation \"\(named.name.text)\"", .undefinedTable, ifExists, named.name.position)
                    return done("ALTER SEQUENCE")
                }
                let place = NewPlace(name: found.name, branch: branch)
                try requireOwner(of: found.entry, at: place)
                try await requireCreating(in: found.name.schema, on: branch, new)
                try await give(place, found.entry, to: new)
                return done("ALTER SEQUENCE")
            }
            let found = try await routine(kind, named)
            let secured = AccessGuard.secured(found.function, found.name.schema, found.name.objectName)
            try accessGuard?.requireOwner(secured)
            try await requireCreating(in: found.name.schema, on: branch, new)
            var all = found.all
            for index in all.indices where all[index] == found.function {
                all[index].owner = new == EntryOwner.bootstrap ? nil : new
            }
            let changed = all
            try record(found.name, branch) { $0.put(found.name, .object(.functions(changed))) }
            try await changeAccess { (state) throws(SQLError) in state.changedOwner(of: secured.object, to: new) }
            return done("ALTER FUNCTION")
        }
    }

    /// Who is to own something in a schema must be able to make it there; who gives it away may be a superuser.
    func requireCreating(in schema: String, on branch: String, _ owner: RoleID) async throws(SQLError) {
        guard let access = accessGuard, !access.who.isSuperuser,
            let definition = try await self.schema(schema, on: branch)
        else { return }
        let rights = access.state.rights(on: AccessGuard.object(definition), of: access.state.standing(of: owner))
        guard rights.contains(.create) else { throw AccessGuard.denied("schema \(schema)") }
    }

    /// Those functions of an entry that some roles own, and the rights on them, go to a new owner.
    func give(
        _ functions: [FunctionDefinition], of old: Set<RoleID>, at place: NewPlace, to new: RoleID
    ) async throws(SQLError) {
        var changed = functions
        var objects: [SecuredObject] = []
        for index in changed.indices where old.contains(changed[index].owner ?? EntryOwner.bootstrap) {
            objects.append(AccessGuard.secured(changed[index], place.name.schema, place.name.objectName).object)
            changed[index].owner = new == EntryOwner.bootstrap ? nil : new
        }
        let (settled, given) = (changed, objects)
        try record(place.name, place.branch) { $0.put(place.name, .object(.functions(settled))) }
        try await changeAccess { (state) throws(SQLError) in
            for object in given { state.changedOwner(of: object, to: new) }
        }
    }
}
