// What a schema holds besides relations: sequences, functions in SQL, and the names of indexes. Each lies in the catalog
// under a name that no relation can have, so that lists of tables never meet it.

/// An object of a schema that is no relation.
public enum SchemaObject: Hashable, Sendable, Codable {
    case sequence(SequenceDefinition)
    /// All functions of one name.
    case functions([FunctionDefinition])
    /// An index: a name only, since tables are read by their statistics.
    case index(IndexDefinition)
    case type(TypeDefinition)

    /// The number of the role that owns it; nil: the bootstrap user.
    public var owner: Int64? {
        get {
            switch self {
            case .sequence(let sequence): sequence.owner
            case .functions(let functions): functions.first?.owner
            case .index(let index): index.owner
            case .type(let type): type.owner
            }
        }
        set {
            switch self {
            case .sequence(var sequence):
                sequence.owner = newValue
                self = .sequence(sequence)
            case .functions(var functions):
                for index in functions.indices { functions[index].owner = newValue }
                self = .functions(functions)
            case .index(var index):
                index.owner = newValue
                self = .index(index)
            case .type(var type):
                type.owner = newValue
                self = .type(type)
            }
        }
    }
}

extension SchemaObject {
    /// The COMMENT of a sequence, an index or a type; functions have one each.
    public var comment: String? {
        get {
            switch self {
            case .sequence(let sequence): sequence.comment
            case .functions: nil
            case .index(let index): index.comment
            case .type(let type): type.comment
            }
        }
        set {
            switch self {
            case .sequence(var sequence):
                sequence.comment = newValue
                self = .sequence(sequence)
            case .functions: break
            case .index(var index):
                index.comment = newValue
                self = .index(index)
            case .type(var type):
                type.comment = newValue
                self = .type(type)
            }
        }
    }
}

/// A sequence, and how far it has got.
public struct SequenceDefinition: Hashable, Sendable, Codable {
    /// Stays when the sequence is renamed or counts on.
    public var identity: String
    /// "smallint", "integer", "bigint".
    public var type: String
    public var start: Int64
    public var increment: Int64
    public var min: Int64
    public var max: Int64
    public var isCycled: Bool
    /// The value that was given last, or that is given next.
    public var last: Int64
    /// Whether `last` has been given already.
    public var isCalled: Bool
    /// The table and the column that it goes with, nil: none.
    public var ownerTable: String?
    public var ownerColumn: String?
    /// The server that counted last: its sessions share one count in memory, those of another do not.
    public var writer: String?
    public var owner: Int64?
    public var comment: String?
    public init(
        identity: String, type: String, start: Int64, increment: Int64, min: Int64, max: Int64, isCycled: Bool
    ) {
        self.identity = identity
        self.type = type
        self.start = start
        self.increment = increment
        self.min = min
        self.max = max
        self.isCycled = isCycled
        last = start
        isCalled = false
    }

    /// The state that is further on.
    public func joined(_ other: SequenceDefinition) -> SequenceDefinition {
        var result = self
        guard other.isCalled else { return result }
        let isFurther = !isCalled || (increment > 0 ? other.last > last : other.last < last)
        if isFurther { (result.last, result.isCalled) = (other.last, true) }
        return result
    }
}

/// A function in SQL, bound anew where it is called.
public struct FunctionDefinition: Hashable, Sendable, Codable {
    /// A parameter as it was declared.
    public struct Parameter: Hashable, Sendable, Codable {
        /// Empty: without a name.
        public var name: String
        public var type: String
        /// SQL text, nil: the argument must be given.
        public var defaultValue: String?
        public init(name: String, type: String, defaultValue: String? = nil) {
            self.name = name
            self.type = type
            self.defaultValue = defaultValue
        }
    }
    public var parameters: [Parameter]
    /// The type of a value; nil for a table or nothing.
    public var returnType: String?
    /// Columns of RETURNS TABLE or of several OUT parameters.
    public var columns: [Parameter]
    public var isSet: Bool
    /// NULL for an argument gives NULL at once.
    public var isStrict: Bool
    public var isProcedure: Bool
    public var body: String
    public var searchPath: [String]
    public var owner: Int64?
    public var comment: String?
    public init(
        parameters: [Parameter], returnType: String?, columns: [Parameter], isSet: Bool, isStrict: Bool,
        isProcedure: Bool, body: String, searchPath: [String]
    ) {
        self.parameters = parameters
        self.returnType = returnType
        self.columns = columns
        self.isSet = isSet
        self.isStrict = isStrict
        self.isProcedure = isProcedure
        self.body = body
        self.searchPath = searchPath
    }
}

/// A type of the user.
public struct TypeDefinition: Hashable, Sendable, Codable {
    public enum Form: Hashable, Sendable, Codable {
        /// Labels in their order.
        case enumeration([String])
        /// Fields with their types as text; types of the user with their schemas.
        case composite([FunctionDefinition.Parameter])
        case domain(Domain)
    }
    public struct Domain: Hashable, Sendable, Codable {
        public var base: String
        public var isNotNull: Bool
        /// SQL text.
        public var defaultValue: String?
        public var checks: [Check]
        public init(base: String, isNotNull: Bool, defaultValue: String?, checks: [Check]) {
            self.base = base
            self.isNotNull = isNotNull
            self.defaultValue = defaultValue
            self.checks = checks
        }
    }
    /// A condition over VALUE, as SQL text.
    public struct Check: Hashable, Sendable, Codable {
        public var name: String
        public var text: String
        public var comment: String?
        public init(name: String, text: String) {
            self.name = name
            self.text = text
        }
    }
    public var form: Form
    public var owner: Int64?
    public var comment: String?
    public init(form: Form) { self.form = form }
}

/// What CREATE INDEX said.
public struct IndexDefinition: Hashable, Sendable, Codable {
    /// The table, in the same schema.
    public var table: String
    public var text: String
    public var owner: Int64?
    public var comment: String?
    public init(table: String, text: String) {
        self.table = table
        self.text = text
    }
}

extension TableName {
    /// The kinds of objects that share a space of names.
    public enum ObjectKind: String, Sendable { case sequence, function, index, type }

    /// The name under which the catalog keeps an object.
    public static func object(_ kind: ObjectKind, schema: String, name: String) -> TableName {
        TableName(schema: schema, name: "\(objectMark)\(kind.rawValue):\(name)")
    }

    /// Whether an object of a schema is meant, and no relation.
    public var isObject: Bool { name.hasPrefix(TableName.objectMark) }

    /// The object's own name.
    public var objectName: String {
        guard isObject, let colon = name.firstIndex(of: ":") else { return name }
        return String(name[name.index(after: colon)...])
    }

    /// No name of SQL begins with a control character.
    private static let objectMark = "\u{1}"
}
