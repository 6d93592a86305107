// The syntax tree of expressions and type names, as written: nothing is looked up.

/// A name as written; unquoted ones are folded to lower case (ASCII only, as PostgreSQL does for UTF-8).
public struct Identifier: Hashable, Sendable {
    public var value: String
    public var isQuoted: Bool
    /// 0-based UTF-8 byte offset in the SQL text, as all positions here.
    public var position: Int

    public init(_ value: String, isQuoted: Bool = false, position: Int = 0) {
        self.value = value
        self.isQuoted = isQuoted
        self.position = position
    }
}

/// A dotted name. At least one part.
public struct QualifiedName: Hashable, Sendable {
    public var parts: [Identifier]
    public var position: Int

    public init(_ parts: [Identifier], position: Int) {
        self.parts = parts
        self.position = position
    }

    /// The last part.
    public var last: String { parts.last?.value ?? "" }
    /// The parts with dots between.
    public var text: String { parts.map(\.value).joined(separator: ".") }
}

/// An expression and where it begins (operators: where the operator stands, as PostgreSQL reports errors).
public struct Expression: Hashable, Sendable {
    public var node: Node
    public var position: Int

    public init(_ node: Node, position: Int) {
        self.node = node
        self.position = position
    }

    public indirect enum Node: Hashable, Sendable {
        /// Digits as written, without underscores; 0x and 0b forms are turned to decimal digits.
        case integer(String)
        case decimal(String)
        case string(String)
        case boolean(Bool)
        case null
        /// `date '2026-01-07'`, `interval '1' day`.
        case typedLiteral(TypeName, String)
        /// $n, 1-based.
        case parameter(Int)
        case column(QualifiedName)
        /// `*` or `t.*` (name without the star), only in select lists and count(*).
        case star(Star)
        case unary(String, Expression)
        case binary(String, Expression, Expression)
        case and([Expression])
        case or([Expression])
        case not(Expression)
        /// IS [NOT] NULL, TRUE, FALSE, UNKNOWN.
        case isTest(Expression, IsTest, negated: Bool)
        case isDistinct(Expression, Expression, negated: Bool)
        case between(Expression, low: Expression, high: Expression, symmetric: Bool, negated: Bool)
        case inList(Expression, [Expression], negated: Bool)
        case inQuery(Expression, Query, negated: Bool)
        /// LIKE, ILIKE, SIMILAR TO.
        case like(LikeKind, Expression, pattern: Expression, escape: Expression?, negated: Bool)
        /// `left op ANY (query)`, `left op ALL (array)`.
        case quantified(Expression, symbol: String, isAll: Bool, Quantified)
        case exists(Query)
        case scalarQuery(Query)
        case array([Expression])
        case arrayQuery(Query)
        case row([Expression])
        case conditional(operand: Expression?, branches: [Branch], otherwise: Expression?)
        case cast(Expression, TypeName, isTry: Bool)
        case call(FunctionCall)
        case collate(Expression, QualifiedName)
        case atTimeZone(Expression, Expression)
        case subscripted(Expression, Expression)
        case slice(Expression, from: Expression?, to: Expression?)
        /// `(x).field`.
        case field(Expression, Identifier)
        /// current_date, current_timestamp(3), user, ...: lower-case name and precision.
        case special(String, precision: Int?)
        /// GROUPING(a, b).
        case grouping([Expression])
        /// `x -> x + 1`, `lambda x, y: x + y`: the argument of functions over lists.
        case lambda([Identifier], Expression)
    }

    public enum IsTest: Hashable, Sendable { case null, yes, no, unknown }
    public enum LikeKind: Hashable, Sendable { case like, ilike, similar }

    public indirect enum Quantified: Hashable, Sendable {
        case query(Query)
        case array(Expression)
    }

    public struct Branch: Hashable, Sendable {
        public var when: Expression
        public var then: Expression
        public init(when: Expression, then: Expression) {
            self.when = when
            self.then = then
        }
    }

    /// A star with DuckDB's changes to it.
    public struct Star: Hashable, Sendable {
        /// Whether nothing is changed.
        public var isPlain: Bool { excluded.isEmpty && replaced.isEmpty && renamed.isEmpty && pattern == nil }
        /// The pattern of COLUMNS('pattern'), which the names must match.
        public var pattern: String?
        /// `t` of `t.*`; nil for a bare star.
        public var qualifier: QualifiedName?
        public var excluded: [QualifiedName]
        public var replaced: [SelectItem]
        public var renamed: [Renaming]
        public init(
            qualifier: QualifiedName? = nil, excluded: [QualifiedName] = [], replaced: [SelectItem] = [],
            renamed: [Renaming] = []
        ) {
            self.qualifier = qualifier
            self.excluded = excluded
            self.replaced = replaced
            self.renamed = renamed
        }
    }

    public struct Renaming: Hashable, Sendable {
        public var old: QualifiedName
        public var new: Identifier
        public init(old: QualifiedName, new: Identifier) {
            self.old = old
            self.new = new
        }
    }
}

/// A function call. EXTRACT, SUBSTRING, POSITION, OVERLAY, TRIM come as calls under PostgreSQL's names: extract(text,
/// x), substring(x, from, for), position(substring, string), overlay(...), btrim/ltrim/rtrim(x, characters).
public struct FunctionCall: Hashable, Sendable {
    public var name: QualifiedName
    public var arguments: [Argument]
    /// count(*).
    public var isStar: Bool
    public var isDistinct: Bool
    /// ORDER BY inside the parentheses.
    public var order: [OrderItem]
    /// WITHIN GROUP (ORDER BY ...).
    public var withinGroup: [OrderItem]
    public var filter: Expression?
    /// IGNORE NULLS (true) or RESPECT NULLS.
    public var ignoresNulls: Bool
    public var over: Over?
    /// VARIADIC before the last argument.
    public var isVariadic: Bool

    public struct Argument: Hashable, Sendable {
        /// `name => value`.
        public var name: Identifier?
        public var value: Expression
        public init(name: Identifier? = nil, value: Expression) {
            self.name = name
            self.value = value
        }
    }

    public indirect enum Over: Hashable, Sendable {
        case named(Identifier)
        case inline(WindowSpecification)
    }

    public init(
        name: QualifiedName, arguments: [Argument] = [], isStar: Bool = false, isDistinct: Bool = false,
        order: [OrderItem] = [], withinGroup: [OrderItem] = [], filter: Expression? = nil, ignoresNulls: Bool = false,
        over: Over? = nil, isVariadic: Bool = false
    ) {
        self.name = name
        self.arguments = arguments
        self.isStar = isStar
        self.isDistinct = isDistinct
        self.order = order
        self.withinGroup = withinGroup
        self.filter = filter
        self.ignoresNulls = ignoresNulls
        self.over = over
        self.isVariadic = isVariadic
    }
}

/// A window as written in OVER or WINDOW.
public struct WindowSpecification: Hashable, Sendable {
    /// The window this one extends.
    public var base: Identifier?
    public var partition: [Expression]
    public var order: [OrderItem]
    public var frame: Frame?
    public var position: Int

    public init(
        base: Identifier? = nil, partition: [Expression] = [], order: [OrderItem] = [], frame: Frame? = nil,
        position: Int
    ) {
        self.base = base
        self.partition = partition
        self.order = order
        self.frame = frame
        self.position = position
    }

    public struct Frame: Hashable, Sendable {
        public var mode: Mode
        public var start: Bound
        /// nil: CURRENT ROW.
        public var end: Bound?
        public var exclusion: Exclusion
        public var position: Int
        public init(mode: Mode, start: Bound, end: Bound?, exclusion: Exclusion, position: Int) {
            self.mode = mode
            self.start = start
            self.end = end
            self.exclusion = exclusion
            self.position = position
        }
    }

    public enum Mode: Hashable, Sendable { case rows, range, groups }
    public enum Exclusion: Hashable, Sendable { case noOthers, currentRow, group, ties }
    public indirect enum Bound: Hashable, Sendable {
        case unboundedPreceding
        case preceding(Expression)
        case currentRow
        case following(Expression)
        case unboundedFollowing
    }
}

/// A sort key as written.
public struct OrderItem: Hashable, Sendable {
    public var value: Expression
    public var isDescending: Bool
    /// nil: PostgreSQL's default (last ascending, first descending).
    public var nullsFirst: Bool?
    public init(value: Expression, isDescending: Bool = false, nullsFirst: Bool? = nil) {
        self.value = value
        self.isDescending = isDescending
        self.nullsFirst = nullsFirst
    }
}

/// A type as written. Names are lower case; the words of a multi-word type are joined by one space ("double precision",
/// "character varying", "timestamp with time zone").
public struct TypeName: Hashable, Sendable {
    public var name: String
    /// A schema such as pg_catalog, when given.
    public var schema: String?
    public var modifiers: [Int]
    /// The fields of a struct (row), or key and value of a map, which have no names.
    public var parts: [Part]
    /// Number of [] behind it.
    public var arrayDimensions: Int
    /// "year", "month", "day", "hour", "minute", "second" of `interval day to second`: first and last.
    public var intervalFields: [String]
    public var position: Int

    public init(
        _ name: String, schema: String? = nil, modifiers: [Int] = [], arrayDimensions: Int = 0,
        intervalFields: [String] = [], parts: [Part] = [], position: Int
    ) {
        self.name = name
        self.schema = schema
        self.modifiers = modifiers
        self.arrayDimensions = arrayDimensions
        self.intervalFields = intervalFields
        self.parts = parts
        self.position = position
    }

    /// A type inside a type.
    public struct Part: Hashable, Sendable {
        public var name: Identifier?
        public var type: TypeName

        public init(name: Identifier? = nil, type: TypeName) {
            self.name = name
            self.type = type
        }
    }
}
