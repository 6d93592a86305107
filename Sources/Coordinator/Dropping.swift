// DROP: what depends on the thing stands in its way, or goes with it under CASCADE.
import Access
import Catalogs
import Diagnostics
import Planner
import Syntax
import SystemCatalog

extension Session {
    /// Lines of a detail, as in PostgreSQL.
    private static let linesMax = 100

    /// The dependencies on a branch, with the open transaction's changes and the session's temporary views; nil for an
    /// attached database, which has its own.
    func dependencies(on branch: String) async throws(SQLError) -> Dependencies? {
        guard Databases.name(ofBranch: branch) == nil else { return nil }
        let commit = try await commit(of: branch)
        var listing = try await engine.directories.listing(at: commit, of: engine.catalog)
        if let changes = own(branch)?.changes, !changes.isEmpty {
            listing.relations.removeAll { changes.changed($0.name) != nil }
            listing.objects.removeAll { changes.changed($0.name) != nil }
            for (name, change) in changes.tables where !name.isTemporary {
                guard let entry = change.entry else { continue }
                let relation = LakeRelation(name: name, entry: entry)
                if name.isObject { listing.objects.append(relation) } else { listing.relations.append(relation) }
            }
        }
        let resolver = resolver(planContext())
        for name in resolver.temporaries.keys.sorted() {
            let name = TableName(schema: TableName.temporarySchema, name: name)
            if let entry = resolver.temporary(name, transaction) {
                listing.relations.append(LakeRelation(name: name, entry: entry))
            }
        }
        listing.relations.sort { ($0.name.schema, $0.name.name) < ($1.name.schema, $1.name.name) }
        let naming = listing.relations.filter { relation in
            guard case .managed(let definition) = relation.entry else { return false }
            return definition.namesOthers != false || definition.isMaterializedView == true
        }
        let lake = SessionLake(
            resolver: resolver, commit: commit, ref: .named(branch), changes: own(branch)?.changes,
            transaction: currentTransaction)
        var details: [TableName: RelationDetails] = [:]
        if !naming.isEmpty {
            for (relation, found) in zip(naming, try await lake.details(of: naming)) { details[relation.name] = found }
        }
        return Dependencies(
            listing, details: details, access: access, visible: settings.searchPath, context: planContext())
    }

    // MARK: - Statements

    func drop(_ drop: Statement.Drop) async throws(SQLError) -> any ResultStream {
        var found: [(name: TableName, branch: String?)] = []
        var schemas: [(name: String, branch: String)] = []
        for name in drop.names {
            if drop.kind == .schema {
                if let one = try await schema(toDrop: name, drop) { schemas.append(one) }
            } else if let one = try await relation(toDrop: name, drop), !found.contains(where: { $0 == one }) {
                found.append(one)
            }
        }
        let position = drop.names.first?.position
        let roots = found.map { Dependable.relation($0.name) } + schemas.map { Dependable.schema($0.name) }
        if let branch = found.first.map({ $0.branch ?? self.branch }) ?? schemas.first?.branch {
            try await dropDependents(of: roots, on: branch, isCascade: drop.isCascade, at: position)
        }
        var gone = Set(found.map(\.name))
        for (name, branch) in found {
            try await dropOwned(by: name, branch)
            try await dropPartitions(of: name, branch, &gone)
            try record(name, branch) { $0.drop(name) }
        }
        for (name, branch) in schemas { try transaction?.change(on: branch) { $0.dropSchema(name) } }
        return done("DROP \(drop.kind.rawValue.uppercased())")
    }

    private func schema(
        toDrop name: QualifiedName, _ drop: Statement.Drop
    ) async throws(SQLError) -> (name: String, branch: String)? {
        let schema = name.last
        guard name.parts.count <= 2 else {
            throw SQLError(
                .syntaxError, "improper qualified name (too many dotted names): \(name.text)", position: name.position)
        }
        let database = name.parts.count == 2 ? name.parts[0] : nil
        let branch = try await branch(ofSchema: database, named: Identifier(schema, position: name.position))
        guard let definition = try await self.schema(schema, on: branch) else {
            try missing("schema \"\(schema)\"", .invalidSchema, drop.ifExists, name.position)
            return nil
        }
        try accessGuard?.requireOwner(of: definition)
        if Databases.name(ofBranch: branch) != nil, !drop.isCascade {
            let left = try await tableNames(in: schema, on: branch)
            guard left.isEmpty else {
                throw SQLError(
                    SQLState("2BP01"), "cannot drop schema \(schema) because other objects depend on it",
                    detail: left.prefix(5).map { "table \($0) depends on schema \(schema)" }.joined(separator: "\n"),
                    hint: "Use DROP ... CASCADE to drop the dependent objects too.", position: name.position)
            }
        }
        return (schema, branch)
    }

    private func relation(
        toDrop name: QualifiedName, _ drop: Statement.Drop
    ) async throws(SQLError) -> (name: TableName, branch: String?)? {
        let wanted = drop.kind == .externalTable ? "table" : drop.kind.rawValue
        guard let (found, branch) = try await find(name, isDropped: true) else {
            try missing("\(wanted) \"\(name.text)\"", .undefinedTable, drop.ifExists, name.position)
            return nil
        }
        let kind = await kind(of: found)
        guard kind == wanted else {
            throw SQLError(
                .wrongObjectType, "\"\(name.last)\" is not a \(wanted)",
                hint: "Use DROP \(kind.uppercased()) to remove a \(kind).", position: name.position)
        }
        try await requireStored(found, branch, name)
        return (found.name, branch)
    }

    /// Sequences, types and domains.
    func dropObject(
        _ kind: ObjectStatement.Kind, _ name: QualifiedName, _ ifExists: Bool, _ isCascade: Bool
    ) async throws(SQLError) {
        let stored: TableName.ObjectKind = kind == .sequence ? .sequence : .type
        guard let (key, entry, branch) = try await found(stored, name) else {
            let state: SQLState = kind == .sequence ? .undefinedTable : .undefinedObject
            let what = kind == .sequence ? "sequence" : "type"
            return try missing("\(what) \"\(name.text)\"", state, ifExists, name.position)
        }
        if kind == .domain, case .object(.type(let type)) = entry {
            guard case .domain = type.form else {
                throw SQLError(.wrongObjectType, "\"\(name.text)\" is not a domain", position: name.position)
            }
        }
        try await dropDependents(of: [.object(key)], on: branch, isCascade: isCascade, at: name.position)
        try record(key, branch) { $0.drop(key) }
    }

    // MARK: - Dependents

    /// Drops what depends on things that are about to go, or refuses.
    func dropDependents(
        of roots: [Dependable], on branch: String?, isCascade: Bool, at position: Int?
    ) async throws(SQLError) {
        let branch = branch ?? self.branch
        guard let all = try await dependencies(on: branch) else { return }
        try await drop(all.followers(of: roots), roots, all, on: branch, isCascade, position)
    }

    func drop(
        _ followers: [Dependencies.Follower], _ roots: [Dependable], _ all: Dependencies, on branch: String,
        _ isCascade: Bool, _ position: Int?
    ) async throws(SQLError) {
        let shown = followers.filter { !$0.isPart }
        if let needed = shown.first(where: { all.identities.contains($0.thing) }), roots.contains(needed.on),
            case .defaultValue(let table, let column) = needed.thing
        {
            let user = all.text(.column(table, column))
            throw SQLError(
                SQLState("2BP01"), "cannot drop \(all.text(needed.on)) because \(user) requires it",
                hint: "You can drop \(user) instead.", position: position)
        }
        if !isCascade, !shown.isEmpty {
            let what = roots.count == 1 ? all.text(roots[0]) : "desired object(s)"
            throw SQLError(
                SQLState("2BP01"),
                "cannot drop \(what) because other objects depend on \(roots.count == 1 ? "it" : "them")",
                detail: Session.lines(shown.map { "\(all.text($0.thing)) depends on \(all.text($0.on))" }),
                hint: "Use DROP ... CASCADE to drop the dependent objects too.", position: position)
        }
        if shown.count == 1 {
            warn("drop cascades to \(all.text(shown[0].thing))")
        } else if !shown.isEmpty {
            let text = "drop cascades to \(shown.count) other objects"
            let detail = Session.lines(shown.map { "drop cascades to \(all.text($0.thing))" })
            notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, text, detail: detail)))
        }
        guard !followers.isEmpty else { return }
        let wasCascading = isCascading
        isCascading = true
        defer { isCascading = wasCascading }
        // The last in the chain first: a default goes before its column, a view before its table.
        for follower in followers.reversed() where !isGone(follower.thing, with: roots) {
            try await remove(follower.thing, on: branch)
        }
    }

    private static func lines(_ lines: [String]) -> String {
        guard lines.count > linesMax else { return lines.joined(separator: "\n") }
        let rest = lines.count - linesMax
        return lines.prefix(linesMax).joined(separator: "\n")
            + "\nand \(rest) other object\(rest == 1 ? "" : "s") (see server log for list)"
    }

    /// Whether a schema that is dropped takes it.
    private func isGone(_ thing: Dependable, with roots: [Dependable]) -> Bool {
        let name: TableName
        switch thing {
        case .relation(let some), .object(let some), .function(let some, _), .column(let some, _),
            .defaultValue(let some, _), .constraint(let some, _):
            name = some
        case .policy, .mask, .schema: return false
        }
        return roots.contains(.schema(name.schema))
    }

    private func remove(_ thing: Dependable, on branch: String) async throws(SQLError) {
        switch thing {
        case .schema: break
        case .relation(let name), .object(let name):
            try record(name, name.isTemporary ? nil : branch) { $0.drop(name) }
        case .function(let name, let signature):
            let place = NewPlace(name: name, branch: branch)
            guard case .object(.functions(let functions))? = try await entry(at: place) else { return }
            let left = functions.filter { Dependencies.signature($0) != signature }
            try record(name, branch) {
                if left.isEmpty { $0.drop(name) } else { $0.put(name, .object(.functions(left))) }
            }
        case .column(let table, let column):
            try await alter(table, .dropColumn(Identifier(column, isQuoted: true), ifExists: true))
        case .defaultValue(let table, let column):
            try await alter(table, .dropDefault(Identifier(column, isQuoted: true)))
        case .constraint(let table, let name):
            try await alter(table, .dropConstraint(Identifier(name, isQuoted: true), ifExists: true))
        case .policy(let table, let name):
            guard let entry = try await entry(at: NewPlace(name: table, branch: branch)) else { return }
            let object = AccessGuard.secured(table, entry).object
            try await changeAccess { (state) throws(SQLError) in
                try state.changePolicies(of: object) { (policies) throws(SQLError) in
                    policies.policies.removeAll { $0.name == name }
                }
            }
        case .mask(let table, let column):
            // Without its mask everybody would see the column.
            throw SQLError(
                SQLState("2BP01"), "the mask of column \(column) of table \(table) needs what is to be dropped",
                hint: "Drop the mask first.")
        }
    }

    private func alter(_ table: TableName, _ action: Statement.AlterTable.Action) async throws(SQLError) {
        let parts = [Identifier(table.schema, isQuoted: true), Identifier(table.name, isQuoted: true)]
        _ = try await alterTable(
            Statement.AlterTable(
                name: QualifiedName(parts, position: 0), isView: false, ifExists: true, actions: [action]))
    }
}
