// What is made from what: views and the relations they read, defaults and their sequences, columns and their types. Found
// from the stored definitions of a branch; views keep what they read, and tables whether they name anything.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax
import SystemCatalog

/// Something that DROP can take.
enum Dependable: Hashable, Sendable {
    case schema(String)
    /// A table or view.
    case relation(TableName)
    /// A sequence or a type, under the catalog's name for it.
    case object(TableName)
    /// Name and types of arguments.
    case function(TableName, String)
    case column(TableName, String)
    case defaultValue(TableName, String)
    case constraint(TableName, String)
    case policy(TableName, String)
    case mask(TableName, String)
}

/// The dependencies among the things of one state of a branch.
struct Dependencies: Sendable {
    /// What depends on a thing.
    private(set) var users: [Dependable: [Dependable]] = [:]
    /// Goes with the thing it belongs to without a word: the sequences of a table.
    private(set) var parts: [Dependable: [Dependable]] = [:]
    /// Columns whose default is an identity's, which need their sequence.
    private(set) var identities: Set<Dependable> = []
    private(set) var kinds: [TableName: String] = [:]
    private let visible: Set<String>
    private let context: PlanContext

    /// `listing` with the session's own changes, and the details of those tables that name something.
    init(
        _ listing: LakeListing, details: [TableName: RelationDetails], access: AccessState, visible: [String],
        context: PlanContext
    ) {
        self.visible = Set(visible).union([TableName.temporarySchema])
        self.context = context
        for relation in listing.relations {
            kinds[relation.name] = AccessGuard.secured(relation.name, relation.entry).kind
        }
        for object in listing.objects { kinds[object.name] = AccessGuard.secured(object.name, object.entry).kind }
        var functions: [TableName: [FunctionDefinition]] = [:]
        for object in listing.objects {
            if case .object(.functions(let all)) = object.entry { functions[object.name] = all }
        }
        for object in listing.objects { addObject(object) }
        for relation in listing.relations {
            add(part: .relation(relation.name), of: .schema(relation.name.schema))
            if case .view(let view) = relation.entry {
                addView(relation.name, view, functions)
            } else if let details = details[relation.name] {
                addTable(relation.name, details, functions)
            }
        }
        for (object, policies) in access.allPolicies {
            let table = TableName(schema: object.schema, name: object.name)
            guard kinds[table] != nil else { continue }
            for policy in policies.policies {
                for text in [policy.using, policy.check].compactMap({ $0 }) {
                    add(.policy(table, policy.name), readsIn: text, policy.searchPath ?? [object.schema], functions)
                }
            }
            for (column, mask) in policies.masks {
                add(.mask(table, column), readsIn: mask.expression, mask.searchPath ?? [object.schema], functions)
            }
        }
    }

    // MARK: - Finding

    private mutating func add(_ user: Dependable, on used: Dependable) {
        guard user != used, users[used]?.contains(user) != true else { return }
        users[used, default: []].append(user)
    }

    private mutating func addObject(_ object: LakeRelation) {
        guard case .object(let known) = object.entry else { return }
        switch known {
        case .sequence(let sequence):
            add(part: .object(object.name), of: .schema(object.name.schema))
            guard let table = sequence.ownerTable else { return }
            let owner = TableName(schema: object.name.schema, name: table)
            parts[.relation(owner), default: []].append(.object(object.name))
            if let column = sequence.ownerColumn {
                parts[.column(owner, column), default: []].append(.object(object.name))
            }
        case .functions(let all):
            for function in all {
                let user = Dependable.function(object.name, Dependencies.signature(function))
                add(part: user, of: .schema(object.name.schema))
                let types = (function.parameters + function.columns).map(\.type) + [function.returnType ?? ""]
                for type in types.compactMap(UserTypes.name) { add(user, onType: type, function.searchPath) }
            }
        case .type(let type):
            add(part: .object(object.name), of: .schema(object.name.schema))
            for part in UserTypes.parts(of: type) { add(.object(object.name), onType: part, []) }
        case .index: break
        }
    }

    /// What a schema holds depends on it.
    private mutating func add(part: Dependable, of schema: Dependable) { add(part, on: schema) }

    private mutating func add(_ user: Dependable, onType type: TypeName, _ path: [String]) {
        for part in type.parts { add(user, onType: part.type, path) }
        for schema in type.schema.map({ [$0] }) ?? path {
            let key = TableName.object(.type, schema: schema, name: type.name)
            guard kinds[key] != nil else { continue }
            return add(user, on: .object(key))
        }
    }

    private mutating func addView(
        _ name: TableName, _ view: ViewDefinition, _ functions: [TableName: [FunctionDefinition]]
    ) {
        guard let reads = view.reads else {
            return add(.relation(name), readsOf: view.sql, view.searchPath, functions)
        }
        for read in reads {
            if read.isObject, let open = read.objectName.firstIndex(of: "(") {
                let function = TableName.object(
                    .function, schema: read.schema, name: String(read.objectName[..<open]))
                add(.relation(name), on: .function(function, String(read.objectName[open...])))
            } else {
                add(.relation(name), on: read.isObject ? .object(read) : .relation(read))
            }
        }
    }

    /// The names of a query.
    private mutating func add(
        _ user: Dependable, readsOf query: String, _ path: [String], _ functions: [TableName: [FunctionDefinition]]
    ) {
        guard let query = try? Parser.parseQuery(query),
            let names = try? QueryNames.references(of: query, context: context, viewPath: path)
        else { return }
        add(user, names, path, functions)
    }

    /// The names of an expression.
    private mutating func add(
        _ user: Dependable, readsIn text: String, _ path: [String], _ functions: [TableName: [FunctionDefinition]]
    ) {
        guard let value = try? Parser.parseExpression(text),
            let names = try? QueryNames.references(in: value, context: context, path: path)
        else { return }
        add(user, names, path, functions)
    }

    private mutating func add(
        _ user: Dependable, _ names: QueryNames, _ path: [String], _ functions: [TableName: [FunctionDefinition]]
    ) {
        // Temporary views see the session's temporary tables first.
        var path = path
        if case .relation(let name) = user, name.isTemporary { path.insert(TableName.temporarySchema, at: 0) }
        for (reference, _) in names.relations where reference.ref == nil && reference.database == nil {
            for schema in reference.schema.map({ [$0] }) ?? path {
                let name = TableName(schema: schema, name: reference.name)
                guard kinds[name] != nil else { continue }
                add(user, on: .relation(name))
                break
            }
        }
        for text in names.sequences {
            guard case .column(let name)? = (try? Parser.parseExpression(text))?.node else { continue }
            if let key = key(.sequence, name, path) { add(user, on: .object(key)) }
        }
        for name in names.types {
            if let key = key(.type, name, path) { add(user, on: .object(key)) }
        }
        for name in names.functions {
            // Which of several is meant is not known without binding.
            guard let key = key(.function, name, path), let all = functions[key], all.count == 1 else { continue }
            add(user, on: .function(key, Dependencies.signature(all[0])))
        }
    }

    private func key(_ kind: TableName.ObjectKind, _ name: QualifiedName, _ path: [String]) -> TableName? {
        guard name.parts.count <= 2 else { return nil }
        let schemas = name.parts.count == 2 ? [name.parts[0].value] : path
        return schemas.lazy.map { TableName.object(kind, schema: $0, name: name.last) }.first { kinds[$0] != nil }
    }

    private mutating func addTable(
        _ name: TableName, _ details: RelationDetails, _ functions: [TableName: [FunctionDefinition]]
    ) {
        let path = [name.schema] + visible.sorted()
        let properties = details.properties
        if let query = properties[TableProperty.viewQuery] {
            let own = properties[TableProperty.viewPath].map(SessionSettings.names) ?? path
            add(.relation(name), readsOf: query, own, functions)
        }
        for field in details.columns {
            if let text = properties[TableProperty.defaultValue(of: field.name)] {
                let user = Dependable.defaultValue(name, field.name)
                add(user, readsIn: text, path, functions)
                if properties[TableProperty.identity(of: field.name)] != nil { identities.insert(user) }
            }
            if let text = properties[TableProperty.generated(field.name)] {
                add(.column(name, field.name), readsIn: text, path, functions)
            }
            for text in [TableProperty.userType(of: field.name), TableProperty.declaredType(of: field.name)] {
                guard let type = properties[text].flatMap(UserTypes.name) else { continue }
                add(.column(name, field.name), onType: type, path)
            }
        }
        for check in TableCheck.all(of: properties) {
            add(.constraint(name, check.name), readsIn: check.text, path, functions)
        }
        addForeignKeys(name, properties, path)
    }

    private mutating func addForeignKeys(_ name: TableName, _ properties: [String: String], _ path: [String]) {
        var keys: [(text: String, name: String?)] = []
        while let text = properties[TableProperty.key(keys.count + 1)] {
            keys.append((text, properties[TableProperty.keyName(keys.count + 1)]))
        }
        guard !keys.isEmpty else { return }
        for (key, own) in zip(keys, DeclaredKeyNames.names(of: keys, table: name.name))
        where DeclaredKeyNames.kind(of: key.text).kind == "f" {
            let words = key.text.split(separator: " ")
            guard let place = words.firstIndex(where: { $0.uppercased() == "REFERENCES" }), place + 1 < words.count
            else { continue }
            let text = String(words[place + 1].prefix { $0 != "(" })
            guard case .column(let target)? = (try? Parser.parseExpression(text))?.node else { continue }
            for schema in target.parts.count > 1 ? [target.parts[target.parts.count - 2].value] : path {
                let table = TableName(schema: schema, name: target.last)
                guard kinds[table] != nil else { continue }
                // A table that refers to itself does not stand in its own way.
                if table != name { add(.constraint(name, own), on: .relation(table)) }
                break
            }
        }
    }

    /// `(integer,text)`.
    static func signature(_ function: FunctionDefinition) -> String {
        "(\(function.parameters.map(\.type).joined(separator: ",")))"
    }

    // MARK: - Following

    /// Something that goes with what is dropped.
    struct Follower: Sendable {
        var thing: Dependable
        /// What it depends on.
        var on: Dependable
        /// Part of something else: not spoken of.
        var isPart: Bool
    }

    /// Everything that cannot stay without some things, in PostgreSQL's order.
    func followers(of roots: [Dependable]) -> [Follower] {
        var seen = Set(roots)
        var found: [Follower] = []
        for root in roots.reversed() { follow(root, &seen, &found) }
        return found.reversed().filter { !isInside($0.thing, seen) }
    }

    private func follow(_ thing: Dependable, _ seen: inout Set<Dependable>, _ found: inout [Follower]) {
        for part in parts[thing] ?? [] where seen.insert(part).inserted {
            follow(part, &seen, &found)
            found.append(Follower(thing: part, on: thing, isPart: true))
        }
        for user in (users[thing] ?? []).sorted(by: { text($0) > text($1) }) where seen.insert(user).inserted {
            follow(user, &seen, &found)
            found.append(Follower(thing: user, on: thing, isPart: false))
        }
    }

    /// Whether a thing belongs to a table that goes as a whole.
    private func isInside(_ thing: Dependable, _ dropped: Set<Dependable>) -> Bool {
        switch thing {
        case .column(let table, let column):
            dropped.contains(.relation(table)) || column.isEmpty
        case .defaultValue(let table, let column):
            dropped.contains(.relation(table)) || dropped.contains(.column(table, column))
        case .constraint(let table, _), .policy(let table, _), .mask(let table, _): dropped.contains(.relation(table))
        case .schema, .relation, .object, .function: false
        }
    }

    // MARK: - Texts

    private func quoted(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
        return isPlain && !name.isEmpty ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    private func text(_ name: TableName) -> String {
        let own = quoted(name.objectName)
        return visible.contains(name.schema) ? own : "\(quoted(name.schema)).\(own)"
    }

    /// As PostgreSQL's errors speak of it.
    func text(_ thing: Dependable) -> String {
        switch thing {
        case .schema(let name): "schema \(quoted(name))"
        case .relation(let name), .object(let name): "\(kinds[name] ?? "table") \(text(name))"
        case .function(let name, let signature): "function \(text(name))\(signature)"
        case .column(let table, let column): "column \(quoted(column)) of \(text(.relation(table)))"
        case .defaultValue(let table, let column):
            "default value for column \(quoted(column)) of \(text(.relation(table)))"
        case .constraint(let table, let name): "constraint \(quoted(name)) on \(text(.relation(table)))"
        case .policy(let table, let name): "policy \(quoted(name)) on \(text(.relation(table)))"
        case .mask(let table, let column): "mask of column \(quoted(column)) of \(text(.relation(table)))"
        }
    }
}
