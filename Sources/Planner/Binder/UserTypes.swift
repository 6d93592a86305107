// Types of the user by the names that a statement writes: labels, structs, and domains over other types.
public import Catalogs
import Columns
import Diagnostics
public import Syntax

/// A type of the user, where it was found.
public struct UserType: Sendable, Hashable {
    public var schema: String
    public var name: String
    public var definition: TypeDefinition
    public init(schema: String, name: String, definition: TypeDefinition) {
        self.schema = schema
        self.name = name
        self.definition = definition
    }

    /// The domain, when it is one.
    public var domain: TypeDefinition.Domain? {
        if case .domain(let domain) = definition.form { return domain }
        return nil
    }

    public var qualifiedName: String { EnumType.qualified(schema, name) }
}

/// The types of the user that a statement may name.
public struct UserTypes: Sendable {
    /// By name as it is written; those that tables keep with their schemas.
    public var found: [QualifiedName: UserType] = [:]
    private var depth = 0

    /// Types made of types.
    private static let depthMax = 32

    public init() {}

    /// What a name stands for; nil for types of the program.
    public subscript(name: TypeName) -> UserType? { found[UserTypes.key(name)] }

    /// The name without its array brackets and positions.
    public static func key(_ name: TypeName) -> QualifiedName {
        QualifiedName(((name.schema.map { [$0] } ?? []) + [name.name]).map { Identifier($0) }, position: 0)
    }

    /// The same for the parts of a type, which must not go on for ever.
    func inner(_ at: Int) throws(SQLError) -> UserTypes {
        guard depth < UserTypes.depthMax else {
            throw SQLError(.statementTooComplex, "types are nested too deeply", position: at)
        }
        var copy = self
        copy.depth += 1
        return copy
    }

    /// A type's text as a name; nil when it is none.
    public static func name(_ text: String) -> TypeName? {
        guard case .cast(_, let name, _)? = try? Parser.parseExpression("NULL::\(text)").node else { return nil }
        return name
    }

    /// Names in a type that are not the program's.
    public static func unknown(in name: TypeName) -> [QualifiedName] {
        if !name.parts.isEmpty { return name.parts.flatMap { unknown(in: $0.type) } }
        var bare = name
        if bare.name.hasPrefix("_"), bare.schema == nil, bare.arrayDimensions == 0 { bare.name.removeFirst() }
        guard !TypeNames.isKnown(bare) else { return [] }
        return bare.name == name.name ? [key(name)] : [key(bare), key(name)]
    }

    /// A definition in a few words.
    public static func text(of definition: TypeDefinition) -> String {
        switch definition.form {
        case .enumeration(let labels): labels.joined(separator: ", ")
        case .composite(let fields): fields.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
        case .domain(let domain): ([domain.base] + domain.checks.map { "CHECK (\($0.text))" }).joined(separator: " ")
        }
    }

    /// The types that a definition is made of.
    public static func parts(of definition: TypeDefinition) -> [TypeName] {
        switch definition.form {
        case .enumeration: []
        case .composite(let fields): fields.compactMap { name($0.type) }
        case .domain(let domain): [name(domain.base)].compactMap { $0 }
        }
    }
}

extension TypeNames {
    /// Whether the program knows a name, schema and all.
    static func isKnown(_ name: TypeName) -> Bool {
        if let schema = name.schema, schema != "pg_catalog" { return false }
        return isBuiltIn(name.name)
    }

    /// The type behind the name of a user's type.
    static func type(of found: UserType, _ name: TypeName, _ user: UserTypes) throws(SQLError) -> SQLType {
        guard name.modifiers.isEmpty else {
            throw SQLError(
                .syntaxError, "type modifier is not allowed for type \"\(name.name)\"", position: name.position)
        }
        let inner = try user.inner(name.position)
        func part(_ text: String) throws(SQLError) -> SQLType {
            guard let parsed = UserTypes.name(text) else {
                throw SQLError(.undefinedObject, "type \"\(text)\" does not exist", position: name.position)
            }
            do throws(SQLError) { return try type(parsed, inner) } catch { throw error.at(name.position) }
        }
        switch found.definition.form {
        case .enumeration(let labels):
            return .enumeration(EnumType(schema: found.schema, name: found.name, labels: labels))
        case .domain(let domain): return try part(domain.base)
        case .composite(let fields):
            var made: [StructField] = []
            for field in fields { made.append(StructField(field.name, try part(field.type))) }
            return .row(made)
        }
    }
}

extension WritableTable {
    /// The types that the table's properties name and the program does not know.
    public var typeNames: Set<QualifiedName> {
        var names: Set<QualifiedName> = []
        for (key, text) in properties where key.hasPrefix("apus.") {
            if key.hasPrefix("apus.type.") || key.hasPrefix("apus.usertype.") {
                // Names of the user's types are in quotes.
                guard text.contains("\""), let name = UserTypes.name(text) else { continue }
                names.formUnion(UserTypes.unknown(in: name))
            } else if key.hasPrefix("apus.default.") || key.hasPrefix("apus.generated.") {
                names.formUnion(QueryNames.types(in: text))
            } else if key.hasPrefix("apus.check."), let check = TableCheck(text) {
                names.formUnion(QueryNames.types(in: check.text))
            }
        }
        return names
    }
}
