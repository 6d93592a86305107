// CREATE, ALTER and DROP of types and domains.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    /// Types of the user by their names, in the open transaction.
    func types(_ names: Set<QualifiedName>, known: UserTypes = UserTypes()) async throws(SQLError) -> UserTypes {
        guard !names.isEmpty else { return known }
        var pinned = transaction?.pinned ?? [:]
        let found = try await resolver(planContext()).types(names, currentTransaction, &pinned, known: known)
        transaction?.pinned = pinned
        return found
    }

    /// The types of the user that type names, and texts of expressions, mention.
    func types(in names: [TypeName], texts: [Expression] = []) async throws(SQLError) -> UserTypes {
        var unknown = Set(names.flatMap { UserTypes.unknown(in: $0) })
        for text in texts { unknown.formUnion(try QueryNames.typeNames(in: text, context: planContext())) }
        return try await types(unknown)
    }

    /// The same for what is defined with them: that needs USAGE.
    func usableTypes(in names: [TypeName], texts: [Expression] = []) async throws(SQLError) -> UserTypes {
        let found = try await types(in: names, texts: texts)
        try accessGuard?.check(found, Set(names.flatMap { UserTypes.unknown(in: $0) }))
        return found
    }

    // MARK: - Create

    func createType(
        _ name: QualifiedName, _ form: ObjectStatement.TypeForm
    ) async throws(SQLError) -> any ResultStream {
        let place = try await newPlace(name)
        let key = TableName.object(.type, schema: place.name.schema, name: place.name.name)
        let isTaken = try await entry(at: NewPlace(name: key, branch: place.branch)) != nil
        guard !isTaken else {
            throw SQLError(
                .duplicateObject, "type \"\(place.name.name)\" already exists", position: name.position)
        }
        let made: TypeDefinition.Form
        switch form {
        case .enumeration(let labels):
            for (index, label) in labels.enumerated() {
                try Session.checkLabel(label, name.position)
                guard !labels[..<index].contains(label) else {
                    throw SQLError(
                        SQLState("23505"),
                        "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"",
                        position: name.position)
                }
            }
            made = .enumeration(labels)
        case .composite(let attributes):
            guard try await entry(at: place) == nil else {
                throw SQLError(
                    .duplicateTable, "relation \"\(place.name.name)\" already exists", position: name.position)
            }
            made = .composite(try await fields(of: attributes))
        case .domain(let domain): made = .domain(try await self.domain(domain, place.name.name))
        }
        var definition = TypeDefinition(form: made)
        definition.owner = newOwner
        try await put(.type(definition), .type, place)
        if case .domain = made { return done("CREATE DOMAIN") }
        return done("CREATE TYPE")
    }

    private static func checkLabel(_ label: String, _ position: Int) throws(SQLError) {
        guard label.utf8.count > SystemText.nameBytesMax else { return }
        throw SQLError(
            SQLState("42602"), "invalid enum label \"\(label)\"",
            detail: "Labels must be \(SystemText.nameBytesMax) bytes or less.", position: position)
    }

    private func fields(
        of attributes: [ObjectStatement.Attribute]
    ) async throws(SQLError) -> [FunctionDefinition.Parameter] {
        let types = try await usableTypes(in: attributes.map(\.type))
        var fields: [FunctionDefinition.Parameter] = []
        for attribute in attributes {
            guard !fields.contains(where: { $0.name == attribute.name.value }) else {
                throw SQLError(
                    .duplicateColumn, "column \"\(attribute.name.value)\" specified more than once",
                    position: attribute.name.position)
            }
            fields.append(
                FunctionDefinition.Parameter(
                    name: attribute.name.value, type: try Session.written(attribute.type, types)))
        }
        return fields
    }

    /// A type's text as definitions keep it: the user's types with their schemas.
    static func written(_ name: TypeName, _ types: UserTypes) throws(SQLError) -> String {
        let type = try TypeNames.type(name, types)
        guard name.modifiers.isEmpty || TypeNames.wideNumeric(name) == nil else { return type.writtenName }
        if let found = types[name] {
            return found.qualifiedName + String(repeating: "[]", count: name.arrayDimensions)
        }
        return type.writtenName
    }

    private func domain(
        _ domain: ObjectStatement.Domain, _ name: String
    ) async throws(SQLError) -> TypeDefinition.Domain {
        let types = try await usableTypes(in: [domain.base], texts: domain.checks.map(\.condition))
        let base = try TypeNames.type(domain.base, types)
        let context = planContext()
        var made = TypeDefinition.Domain(
            base: try Session.written(domain.base, types), isNotNull: domain.isNotNull,
            defaultValue: domain.defaultText, checks: [])
        if let text = domain.defaultText {
            try Binder.checkDefault(
                try Parser.parseExpression(text), of: Field(name, base), context: context, types: types)
        }
        for check in domain.checks {
            try Binder.checkDomain(check.condition, over: base, context: context, types: types)
            made.checks.append(try Session.named(check, name, made.checks))
        }
        return made
    }

    /// A check under its name, or the one that PostgreSQL would give it.
    private static func named(
        _ check: ObjectStatement.Check, _ domain: String, _ others: [TypeDefinition.Check]
    ) throws(SQLError) -> TypeDefinition.Check {
        if let name = check.name {
            guard !others.contains(where: { $0.name == name.value }) else {
                throw SQLError(
                    .duplicateObject, "constraint \"\(name.value)\" for domain \"\(domain)\" already exists",
                    position: name.position)
            }
            return TypeDefinition.Check(name: name.value, text: check.text)
        }
        var name = "\(domain)_check"
        var number = 1
        while others.contains(where: { $0.name == name }) {
            name = "\(domain)_check\(number)"
            number += 1
        }
        return TypeDefinition.Check(name: name, text: check.text)
    }

    // MARK: - Alter

    func alterType(
        _ name: QualifiedName, _ isDomain: Bool, _ ifExists: Bool, _ action: ObjectStatement.TypeAction
    ) async throws(SQLError) -> any ResultStream {
        let tag = isDomain ? "ALTER DOMAIN" : "ALTER TYPE"
        guard let (key, entry, branch) = try await found(.type, name), case .object(.type(var type)) = entry else {
            try missing("type \"\(name.text)\"", .undefinedObject, ifExists, name.position)
            return done(tag)
        }
        switch action {
        case .addValue, .renameValue:
            guard case .enumeration(var labels) = type.form else {
                throw SQLError(.wrongObjectType, "\"\(name.text)\" is not an enum", position: name.position)
            }
            guard try changed(&labels, action, name) else { return done(tag) }
            type.form = .enumeration(labels)
        case .rename(let new):
            let target = TableName.object(.type, schema: key.schema, name: new.value)
            guard try await self.entry(at: NewPlace(name: target, branch: branch)) == nil else {
                throw SQLError(
                    .duplicateObject, "type \"\(new.value)\" already exists", position: new.position)
            }
            let users = try await dependencies(on: branch ?? self.branch)?.followers(of: [.object(key)]) ?? []
            guard users.isEmpty else {
                throw SQLError(
                    .featureNotSupported, "a type that other objects use cannot be renamed", position: name.position)
            }
            try record(key, branch) { changes in
                changes.drop(key)
                changes.put(target, entry)
            }
            return done(tag)
        case .owner(let role):
            type.owner = try newOwner(role)
        case .validate: return done(tag)
        case .setDefault, .setNotNull, .addCheck, .dropConstraint, .renameConstraint:
            guard case .domain(var domain) = type.form else {
                throw SQLError(.wrongObjectType, "\"\(name.text)\" is not a domain", position: name.position)
            }
            try await change(&domain, action, key.objectName)
            type.form = .domain(domain)
        }
        let changed = type
        try record(key, branch) { $0.put(key, .object(.type(changed))) }
        return done(tag)
    }

    /// False: IF NOT EXISTS, and it is there.
    private func changed(
        _ labels: inout [String], _ action: ObjectStatement.TypeAction, _ name: QualifiedName
    ) throws(SQLError) -> Bool {
        func place(_ label: String) throws(SQLError) -> Int {
            guard let place = labels.firstIndex(of: label) else {
                throw SQLError(
                    .invalidParameterValue, "\"\(label)\" is not an existing enum label", position: name.position)
            }
            return place
        }
        switch action {
        case .addValue(let label, let ifNotExists, let before, let after):
            try Session.checkLabel(label, name.position)
            if labels.contains(label) {
                let text = "enum label \"\(label)\" already exists"
                guard ifNotExists else { throw SQLError(.duplicateObject, text, position: name.position) }
                notices.append(SQLNotice(.notice, SQLError(.duplicateObject, text + ", skipping")))
                return false
            }
            if let before {
                labels.insert(label, at: try place(before))
            } else if let after {
                labels.insert(label, at: try place(after) + 1)
            } else {
                labels.append(label)
            }
        case .renameValue(let old, let new):
            let place = try place(old)
            guard !labels.contains(new) else {
                throw SQLError(
                    .duplicateObject, "enum label \"\(new)\" already exists", position: name.position)
            }
            throw SQLError(
                .featureNotSupported, "labels cannot be renamed: rows keep \"\(labels[place])\"",
                hint: "Add a value, and update the rows.", position: name.position)
        default: break
        }
        return true
    }

    private func change(
        _ domain: inout TypeDefinition.Domain, _ action: ObjectStatement.TypeAction, _ name: String
    ) async throws(SQLError) {
        switch action {
        case .setDefault(let text): domain.defaultValue = text
        case .setNotNull(let isNotNull): domain.isNotNull = isNotNull
        case .addCheck(let check):
            let base = UserTypes.name(domain.base)
            let types = try await types(in: [base].compactMap { $0 }, texts: [check.condition])
            let type = try base.map { (name) throws(SQLError) in try TypeNames.type(name, types) } ?? .text
            try Binder.checkDomain(check.condition, over: type, context: planContext(), types: types)
            domain.checks.append(try Session.named(check, name, domain.checks))
        case .dropConstraint(let constraint, let ifExists):
            guard let place = domain.checks.firstIndex(where: { $0.name == constraint.value }) else {
                return try missing(
                    "constraint \"\(constraint.value)\" of domain \"\(name)\"", .undefinedObject, ifExists,
                    constraint.position)
            }
            domain.checks.remove(at: place)
        case .renameConstraint(let old, let new):
            guard let place = domain.checks.firstIndex(where: { $0.name == old.value }) else {
                throw SQLError(
                    .undefinedObject, "constraint \"\(old.value)\" for domain \"\(name)\" does not exist",
                    position: old.position)
            }
            domain.checks[place].name = new.value
        default: break
        }
    }
}
