// The syntax tree of statements about sequences, indexes and functions.

/// CREATE, ALTER and DROP of what a schema holds besides relations.
public enum ObjectStatement: Hashable, Sendable {
    case createIndex(CreateIndex)
    case createSequence(name: QualifiedName, ifNotExists: Bool, SequenceOptions)
    case alterSequence(name: QualifiedName, ifExists: Bool, SequenceOptions)
    /// ALTER INDEX and ALTER SEQUENCE ... RENAME TO.
    case rename(Kind, QualifiedName, to: Identifier, ifExists: Bool)
    case createFunction(CreateFunction)
    case createType(name: QualifiedName, TypeForm)
    case alterType(name: QualifiedName, isDomain: Bool, ifExists: Bool, TypeAction)
    case drop(Kind, [Dropped], ifExists: Bool, isCascade: Bool)

    /// What CREATE TYPE and CREATE DOMAIN define.
    public enum TypeForm: Hashable, Sendable {
        case enumeration([String])
        case composite([Attribute])
        case domain(Domain)
    }

    /// A field of a composite type.
    public struct Attribute: Hashable, Sendable {
        public var name: Identifier
        public var type: TypeName
    }

    public struct Domain: Hashable, Sendable {
        public var base: TypeName
        public var isNotNull = false
        public var defaultText: String?
        /// Names, where given, and conditions over VALUE.
        public var checks: [Check] = []
    }

    /// A condition with its text, without parentheses.
    public struct Check: Hashable, Sendable {
        public var name: Identifier?
        public var condition: Expression
        public var text: String
    }

    /// What ALTER TYPE and ALTER DOMAIN change.
    public enum TypeAction: Hashable, Sendable {
        case addValue(String, ifNotExists: Bool, before: String?, after: String?)
        case renameValue(String, to: String)
        case rename(Identifier)
        case owner(RoleName)
        case setDefault(String?)
        case setNotNull(Bool)
        case addCheck(Check)
        case dropConstraint(Identifier, ifExists: Bool)
        case renameConstraint(Identifier, to: Identifier)
        /// VALIDATE CONSTRAINT: taken, without effect.
        case validate
    }

    public enum Kind: String, Hashable, Sendable { case sequence, index, function, procedure, routine, type, domain }

    /// A name to drop; for a function perhaps with the types of its arguments.
    public struct Dropped: Hashable, Sendable {
        public var name: QualifiedName
        public var arguments: [TypeName]?
        public init(name: QualifiedName, arguments: [TypeName]? = nil) {
            self.name = name
            self.arguments = arguments
        }
    }

    public struct CreateIndex: Hashable, Sendable {
        /// nil: a name is made.
        public var name: Identifier?
        public var ifNotExists: Bool
        public var isUnique: Bool
        public var table: QualifiedName
        /// Columns and expressions.
        public var keys: [Expression]
        public var text: String
        public init(
            name: Identifier?, ifNotExists: Bool, isUnique: Bool, table: QualifiedName, keys: [Expression], text: String
        ) {
            self.name = name
            self.ifNotExists = ifNotExists
            self.isUnique = isUnique
            self.table = table
            self.keys = keys
            self.text = text
        }
    }

    /// Options of CREATE SEQUENCE, ALTER SEQUENCE and identity columns; nil: not said.
    public struct SequenceOptions: Hashable, Sendable {
        public var type: TypeName?
        public var increment: Int64?
        /// The inner nil: NO MINVALUE.
        public var min: Int64??
        public var max: Int64??
        public var start: Int64?
        public var restart: Int64??
        public var isCycled: Bool?
        /// OWNED BY; a name of no parts: NONE.
        public var owner: QualifiedName?
        public init() {}
    }

    public struct CreateFunction: Hashable, Sendable {
        public struct Parameter: Hashable, Sendable {
            public enum Mode: Hashable, Sendable { case input, output, both }
            public var mode: Mode
            public var name: Identifier?
            public var type: TypeName
            public var typeText: String
            public var defaultValue: String?
            public init(mode: Mode, name: Identifier?, type: TypeName, typeText: String, defaultValue: String?) {
                self.mode = mode
                self.name = name
                self.type = type
                self.typeText = typeText
                self.defaultValue = defaultValue
            }
        }
        public var name: QualifiedName
        public var orReplace: Bool
        public var isProcedure: Bool
        public var parameters: [Parameter] = []
        /// RETURNS type, with its text.
        public var returns: TypeName?
        public var returnsText: String?
        /// RETURNS TABLE (...).
        public var columns: [Parameter] = []
        public var isSet = false
        public var isStrict = false
        /// Lower case; empty: not said.
        public var language = ""
        /// nil: none was given.
        public var body: String?
        public init(name: QualifiedName, orReplace: Bool, isProcedure: Bool) {
            self.name = name
            self.orReplace = orReplace
            self.isProcedure = isProcedure
        }
    }
}
