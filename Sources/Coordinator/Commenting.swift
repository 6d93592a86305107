// COMMENT ON everything there is: the text is part of the thing's entry, those of roles and branches lie with them.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    func comment(_ comment: Statement.Comment) async throws(SQLError) -> any ResultStream {
        let text = comment.text.flatMap { $0.isEmpty ? nil : $0 }
        switch comment.subject {
        case .table(let name): try await self.comment(onRelation: name, key: TableProperty.comment, text, "table")
        case .view(let name): try await self.comment(onRelation: name, key: TableProperty.comment, text, "view")
        case .column(let full):
            let name = QualifiedName(Array(full.parts.dropLast()), position: full.position)
            try await self.comment(
                onRelation: name, key: TableProperty.comment(on: full.last), text, nil, column: full.parts.last)
        case .constraint(let constraint, let name):
            let key = TableProperty.comment(onConstraint: constraint.value)
            try await self.comment(onRelation: name, key: key, text, nil, constraint: constraint)
        case .schema(let name): try await self.comment(onSchema: name, text)
        case .branch(let branch): try await self.comment(onBranch: branch, text)
        case .database(let name):
            // A database to connect to is the lake, or one of its branches.
            let parts = name.value.split(separator: "@", maxSplits: 1).map(String.init)
            // Dumps are restored under other names: PostgreSQL only warns.
            guard parts.first == engine.database else {
                warn("database \"\(name.value)\" does not exist", .invalidDatabase, .warning)
                return done("COMMENT")
            }
            let branch = parts.count > 1 ? parts[1] : "main"
            try await self.comment(onBranch: Identifier(branch, isQuoted: true, position: name.position), text)
        case .role(let role):
            let who = standing
            try await changeAccess { (state) throws(SQLError) in try state.comment(on: role.value, text, by: who) }
        case .object(let kind, let named, let constraint):
            try await self.comment(on: kind, named, constraint, text)
        }
        return done("COMMENT")
    }

    private func comment(onSchema name: Identifier, _ text: String?) async throws(SQLError) {
        let branch = try await requireBranch(.named(branch))
        guard var schema = try await self.schema(name.value, on: branch) else {
            throw SQLError(.invalidSchema, "schema \"\(name.value)\" does not exist", position: name.position)
        }
        try accessGuard?.requireOwner(of: schema)
        var properties = schema.properties ?? [:]
        properties[TableProperty.comment] = text
        schema.properties = properties.isEmpty ? nil : properties
        let changed = schema
        try transaction?.change(on: branch) { $0.putSchema(changed) }
    }

    private func comment(onBranch name: Identifier, _ text: String?) async throws(SQLError) {
        guard let ref = try await engine.catalog.ref(.branch, name.value) else {
            throw SQLError(.undefinedObject, "branch \"\(name.value)\" does not exist", position: name.position)
        }
        try accessGuard?.requireOwner(of: ref)
        var options = ref.options
        options.comment = text
        try await engine.catalog.set(options, of: .branch, name.value)
    }

    /// A relation, a column of it, or a constraint.
    private func comment(
        onRelation name: QualifiedName, key: String, _ text: String?, _ kind: String?, column: Identifier? = nil,
        constraint: Identifier? = nil
    ) async throws(SQLError) {
        guard let (found, branch) = try await find(name) else {
            throw SQLError(.undefinedTable, "relation \"\(name.text)\" does not exist", position: name.position)
        }
        if let kind {
            let actual = await self.kind(of: found)
            guard actual == kind || kind == "view" && actual == "materialized view" else {
                throw SQLError(.wrongObjectType, "\"\(name.last)\" is not a \(kind)", position: name.position)
            }
        }
        switch found.entry {
        case .managed(let definition):
            let format = try format(on: branch)
            let table = try await format.open(definition, named: found.name)
            if let column, table.schema.index(of: column.value) == nil { throw undefined(column, found.name) }
            if let constraint { try requireConstraint(constraint, table.properties, found.name) }
            let change = text.map { TableAlteration.setProperty(key, $0) } ?? .removeProperty(key)
            guard text != nil || table.properties[key] != nil else { return }
            let altered = try await format.alter(definition, named: found.name, [change])
            transaction?.keep(altered, from: definition, of: format)
            try record(found.name, branch) { $0.alter(found.name, altered, .alter([change])) }
        case .view(var view):
            try await requireStored(found, branch, name)
            if let constraint { throw missing(constraint, found.name) }
            if let column, try await !columnNames(of: name).contains(column.value) {
                throw undefined(column, found.name)
            }
            var properties = view.properties ?? [:]
            properties[key] = text
            view.properties = properties.isEmpty ? nil : properties
            let changed = view
            try record(found.name, branch) { $0.put(found.name, .view(changed)) }
        case .external(var definition):
            try await requireStored(found, branch, name)
            if let constraint { throw missing(constraint, found.name) }
            if let column, try await !columnNames(of: name).contains(column.value) {
                throw undefined(column, found.name)
            }
            var properties = definition.properties ?? [:]
            properties[key] = text
            definition.properties = properties.isEmpty ? nil : properties
            let changed = definition
            try record(found.name, branch) { $0.put(found.name, .external(changed)) }
        case .object: break
        }
    }

    private func missing(_ constraint: Identifier, _ table: TableName) -> SQLError {
        SQLError(
            .undefinedObject, "constraint \"\(constraint.value)\" for table \"\(table.name)\" does not exist",
            position: constraint.position)
    }

    private func requireConstraint(
        _ constraint: Identifier, _ properties: [String: String], _ table: TableName
    ) throws(SQLError) {
        if TableCheck.all(of: properties).contains(where: { $0.name == constraint.value }) { return }
        var keys: [(text: String, name: String?)] = []
        while let text = properties[TableProperty.key(keys.count + 1)] {
            keys.append((text, properties[TableProperty.keyName(keys.count + 1)]))
        }
        guard DeclaredKeyNames.names(of: keys, table: table.name).contains(constraint.value) else {
            throw missing(constraint, table)
        }
    }

    /// A sequence, an index, a function or a type.
    private func comment(
        on kind: ObjectStatement.Kind, _ named: ObjectStatement.Dropped, _ constraint: Identifier?, _ text: String?
    ) async throws(SQLError) {
        let name = named.name
        let stored: TableName.ObjectKind
        switch kind {
        case .function, .procedure, .routine:
            let found = try await routine(kind, named)
            try accessGuard?.requireOwner(
                AccessGuard.secured(found.function, found.name.schema, found.name.objectName))
            var all = found.all
            for index in all.indices where all[index] == found.function { all[index].comment = text }
            let changed = all
            let branch = try await requireBranch(.named(found.branch ?? self.branch))
            return try record(found.name, branch) { $0.put(found.name, .object(.functions(changed))) }
        case .sequence: stored = .sequence
        case .index: stored = .index
        case .type, .domain: stored = .type
        }
        guard let (key, entry, branch) = try await found(stored, name), case .object(var object) = entry else {
            let isType = stored == .type
            throw SQLError(
                isType ? .undefinedObject : .undefinedTable,
                "\(isType ? "type" : "relation") \"\(name.text)\" does not exist", position: name.position)
        }
        if kind == .domain {
            guard case .type(var type) = object, case .domain(var domain) = type.form else {
                throw SQLError(.wrongObjectType, "\"\(name.last)\" is not a domain", position: name.position)
            }
            if let constraint {
                guard let place = domain.checks.firstIndex(where: { $0.name == constraint.value }) else {
                    throw SQLError(
                        .undefinedObject,
                        "constraint \"\(constraint.value)\" for domain \(name.last) does not exist",
                        position: constraint.position)
                }
                domain.checks[place].comment = text
                type.form = .domain(domain)
                object = .type(type)
            } else {
                object.comment = text
            }
        } else {
            object.comment = text
        }
        let changed = object
        try record(key, branch) { $0.put(key, .object(changed)) }
    }
}
