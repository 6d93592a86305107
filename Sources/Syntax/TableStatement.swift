// The syntax tree of statements that define tables: CREATE TABLE, ALTER TABLE, COMMENT.

extension Statement {
    public struct CreateTable: Hashable, Sendable {
        public var name: QualifiedName
        public var orReplace = false
        public var ifNotExists = false
        public var isTemporary = false
        /// ON COMMIT DROP.
        public var dropsOnCommit = false
        public var columns: [ColumnDefinition] = []
        public var keys: [KeyDefinition] = []
        /// LIKE t: its columns come before the columns at `place`.
        public var likes: [Like] = []
        public struct Like: Hashable, Sendable {
            public var table: QualifiedName
            public var place: Int
            public var includesDefaults: Bool
            public var includesGenerated: Bool
            public var includesIdentity: Bool
            public init(
                table: QualifiedName, place: Int, includesDefaults: Bool, includesGenerated: Bool,
                includesIdentity: Bool
            ) {
                self.table = table
                self.place = place
                self.includesDefaults = includesDefaults
                self.includesGenerated = includesGenerated
                self.includesIdentity = includesIdentity
            }
        }
        public var partitioning: [PartitionItem] = []
        /// PARTITION BY: the rows lie in tables of their own.
        public var partitionBy: PartitionBy?
        public var partitionOf: PartitionOf?
        public var sortOrder: [SortItem] = []
        public var properties: [String: String] = [:]
        public var location: String?
        /// AS query.
        public var query: Query?
        /// The query's text, of CREATE MATERIALIZED VIEW.
        public var viewText: String?
        /// WITH NO DATA is false.
        public var withData = true
        public init(name: QualifiedName) { self.name = name }
    }

    /// A declared key or check.
    public struct KeyDefinition: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable {
            case primary = "PRIMARY KEY"
            case unique = "UNIQUE"
            case foreign = "FOREIGN KEY"
            case check = "CHECK"
        }
        public var kind: Kind
        /// Behind CONSTRAINT.
        public var name: Identifier?
        /// The column that it was written behind.
        public var column: Identifier?
        /// Of CHECK.
        public var condition: Expression?
        /// NOT VALID: rows that are there are not looked at.
        public var isValidated = true
        public var columns: [Identifier]
        /// As written, without a constraint name and NOT ENFORCED.
        public var text: String
        public var isEnforced: Bool
        public var position: Int
        public init(kind: Kind, columns: [Identifier], text: String, isEnforced: Bool, position: Int) {
            self.kind = kind
            self.columns = columns
            self.text = text
            self.isEnforced = isEnforced
            self.position = position
        }
    }

    /// `day(created_at)`, `bucket(16, id)`, `region`.
    public struct PartitionItem: Hashable, Sendable {
        /// Lower case; "identity" for a bare column.
        public var transform: String
        public var column: Identifier
        /// Of bucket and truncate.
        public var width: Int?
        public var position: Int
        public init(transform: String, column: Identifier, width: Int?, position: Int) {
            self.transform = transform
            self.column = column
            self.width = width
            self.position = position
        }
    }

    public struct SortItem: Hashable, Sendable {
        public var column: Identifier
        public var isDescending: Bool
        public var nullsFirst: Bool?
        public init(column: Identifier, isDescending: Bool, nullsFirst: Bool?) {
            self.column = column
            self.isDescending = isDescending
            self.nullsFirst = nullsFirst
        }
    }

    /// ALTER TABLE and ALTER VIEW.
    public struct AlterTable: Hashable, Sendable {
        public indirect enum Action: Hashable, Sendable {
            case addColumn(ColumnDefinition, ifNotExists: Bool, [KeyDefinition] = [])
            case dropColumn(Identifier, ifExists: Bool, isCascade: Bool = false)
            case renameColumn(from: Identifier, to: Identifier)
            case setType(Identifier, TypeName)
            case setNotNull(Identifier)
            case dropNotNull(Identifier)
            case setDefault(Identifier, Expression, text: String)
            case dropDefault(Identifier)
            case rename(Identifier)
            case setSchema(Identifier)
            case setProperties([String: String])
            case resetProperties([String])
            case setPartitioning([PartitionItem])
            case addKey(KeyDefinition)
            case dropConstraint(Identifier, ifExists: Bool)
            case renameConstraint(Identifier, to: Identifier)
            case owner(RoleName)
            /// ENABLE, DISABLE, FORCE and NO FORCE ROW LEVEL SECURITY; nil: not said.
            case rowSecurity(isEnabled: Bool?, isForced: Bool?)
            /// ALTER COLUMN c SET MASK (expression) [EXCEPT roles], and DROP MASK.
            case setMask(Identifier, Expression, text: String, exempt: [RoleName])
            case dropMask(Identifier)
            /// ALTER COLUMN c ADD GENERATED ... AS IDENTITY, SET GENERATED and options of the sequence, DROP IDENTITY.
            case addIdentity(Identifier, ColumnDefinition.Identity)
            case setIdentity(Identifier, isAlways: Bool?, ObjectStatement.SequenceOptions)
            case dropIdentity(Identifier, ifExists: Bool)
            case attachPartition(QualifiedName, PartitionBound)
            case detachPartition(QualifiedName)
            /// CLUSTER ON and its kin: taken, without effect.
            case ignored
        }
        public var name: QualifiedName
        public var isView: Bool
        public var ifExists: Bool
        public var actions: [Action]
        public init(name: QualifiedName, isView: Bool, ifExists: Bool, actions: [Action]) {
            self.name = name
            self.isView = isView
            self.ifExists = ifExists
            self.actions = actions
        }
    }

    public struct Comment: Hashable, Sendable {
        public enum Subject: Hashable, Sendable {
            case table(QualifiedName)
            case view(QualifiedName)
            case column(QualifiedName)
            case schema(Identifier)
            case database(Identifier)
            case branch(Identifier)
            case role(Identifier)
            case constraint(Identifier, on: QualifiedName)
            /// A sequence, index, function or type; of a domain perhaps a constraint.
            case object(ObjectStatement.Kind, ObjectStatement.Dropped, Identifier?)
        }
        public var subject: Subject
        /// nil: IS NULL.
        public var text: String?
        public init(subject: Subject, text: String?) {
            self.subject = subject
            self.text = text
        }
    }
}
