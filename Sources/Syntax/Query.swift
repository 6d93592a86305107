// The syntax tree of queries.

/// A query: common table expressions, a body, an order, a limit.
public struct Query: Hashable, Sendable {
    public var with: [CommonTable]
    public var isRecursive: Bool
    public var body: Body
    public var order: [OrderItem]
    /// ORDER BY ALL.
    public var orderAll: OrderAll?
    public var limit: Expression?
    public var offset: Expression?
    /// FETCH FIRST n ROWS WITH TIES.
    public var withTies: Bool
    /// FOR UPDATE and its kin: there are no row locks to take, but some queries may not ask for them.
    public var isLocking = false
    public var position: Int

    public struct OrderAll: Hashable, Sendable {
        public var isDescending: Bool
        public var nullsFirst: Bool?
        public init(isDescending: Bool, nullsFirst: Bool?) {
            self.isDescending = isDescending
            self.nullsFirst = nullsFirst
        }
    }

    public indirect enum Body: Hashable, Sendable {
        case select(Select)
        case values([[Expression]])
        case setOperation(SetOperator, isAll: Bool, left: Query, right: Query, position: Int)
        /// A query in parentheses with an order or limit of its own.
        case nested(Query)
    }

    public enum SetOperator: String, Hashable, Sendable { case union, intersect, except }

    public init(
        with: [CommonTable] = [], isRecursive: Bool = false, body: Body, order: [OrderItem] = [],
        orderAll: OrderAll? = nil, limit: Expression? = nil, offset: Expression? = nil, withTies: Bool = false,
        position: Int
    ) {
        self.with = with
        self.isRecursive = isRecursive
        self.body = body
        self.order = order
        self.orderAll = orderAll
        self.limit = limit
        self.offset = offset
        self.withTies = withTies
        self.position = position
    }
}

/// One table of WITH.
public struct CommonTable: Hashable, Sendable {
    public var name: Identifier
    public var columns: [Identifier]
    /// AS MATERIALIZED (true), AS NOT MATERIALIZED (false), unsaid (nil).
    public var isMaterialized: Bool?
    public var query: Query
    /// INSERT, UPDATE, DELETE or MERGE in place of the query, whose RETURNING gives the rows.
    public var write: WriteStatement?
    public init(name: Identifier, columns: [Identifier] = [], isMaterialized: Bool? = nil, query: Query) {
        self.name = name
        self.columns = columns
        self.isMaterialized = isMaterialized
        self.query = query
    }
}

/// SELECT ... FROM ... WHERE ... GROUP BY ... HAVING ... WINDOW ... QUALIFY.
public struct Select: Hashable, Sendable {
    public var distinct: Distinct
    public var items: [SelectItem]
    /// Comma-separated.
    public var from: [TableExpression]
    public var filter: Expression?
    public var groupBy: [GroupItem]
    /// GROUP BY ALL: every select item without an aggregate.
    public var groupByAll: Bool
    /// GROUP BY DISTINCT: grouping sets once.
    public var groupByDistinct: Bool
    public var having: Expression?
    public var windows: [NamedWindow]
    public var qualify: Expression?
    public var position: Int

    public enum Distinct: Hashable, Sendable {
        case all
        case distinct
        case on([Expression])
    }

    public init(
        distinct: Distinct = .all, items: [SelectItem], from: [TableExpression] = [], filter: Expression? = nil,
        groupBy: [GroupItem] = [], groupByAll: Bool = false, groupByDistinct: Bool = false, having: Expression? = nil,
        windows: [NamedWindow] = [], qualify: Expression? = nil, position: Int
    ) {
        self.distinct = distinct
        self.items = items
        self.from = from
        self.filter = filter
        self.groupBy = groupBy
        self.groupByAll = groupByAll
        self.groupByDistinct = groupByDistinct
        self.having = having
        self.windows = windows
        self.qualify = qualify
        self.position = position
    }
}

/// An expression of a select list.
public struct SelectItem: Hashable, Sendable {
    public var value: Expression
    public var alias: Identifier?
    public init(value: Expression, alias: Identifier? = nil) {
        self.value = value
        self.alias = alias
    }
}

public struct NamedWindow: Hashable, Sendable {
    public var name: Identifier
    public var window: WindowSpecification
    public init(name: Identifier, window: WindowSpecification) {
        self.name = name
        self.window = window
    }
}

/// An item of GROUP BY.
public indirect enum GroupItem: Hashable, Sendable {
    /// An expression, an ordinal or an alias.
    case value(Expression)
    /// `()` or `(a, b)` inside grouping sets, rollup and cube.
    case set([Expression])
    case rollup([GroupItem])
    case cube([GroupItem])
    case groupingSets([GroupItem])
}

/// Something in FROM.
public struct TableExpression: Hashable, Sendable {
    public var node: Node
    public var position: Int

    public init(_ node: Node, position: Int) {
        self.node = node
        self.position = position
    }

    public indirect enum Node: Hashable, Sendable {
        case table(QualifiedName, version: Version?, alias: TableAlias?)
        case subquery(Query, isLateral: Bool, alias: TableAlias?)
        /// `f(...)`, or several in ROWS FROM.
        case functions([FunctionCall], isLateral: Bool, withOrdinality: Bool, alias: TableAlias?)
        case join(Join)
        /// A join in parentheses under an alias.
        case aliased(TableExpression, TableAlias)
        case sampled(TableExpression, Sample)
    }

    /// TABLESAMPLE.
    public struct Sample: Hashable, Sendable {
        public var method: Identifier
        public var arguments: [Expression]
        /// REPEATABLE.
        public var seed: Expression?
        public init(method: Identifier, arguments: [Expression]) {
            self.method = method
            self.arguments = arguments
        }
    }

    public struct Join: Hashable, Sendable {
        public var kind: JoinKind
        public var left: TableExpression
        public var right: TableExpression
        public var condition: JoinCondition
        public init(kind: JoinKind, left: TableExpression, right: TableExpression, condition: JoinCondition) {
            self.kind = kind
            self.left = left
            self.right = right
            self.condition = condition
        }
    }

    public enum JoinKind: String, Hashable, Sendable { case inner, left, right, full, cross, semi, anti }

    public enum JoinCondition: Hashable, Sendable {
        case none
        case natural
        case using([Identifier], alias: Identifier?)
        case on(Expression)
    }
}

/// `AS t (a, b)`; function aliases may carry types.
public struct TableAlias: Hashable, Sendable {
    public var name: Identifier
    public var columns: [Identifier]
    /// Types of a column definition list, by column; empty when none were given.
    public var types: [TypeName]
    public init(name: Identifier, columns: [Identifier] = [], types: [TypeName] = []) {
        self.name = name
        self.columns = columns
        self.types = types
    }
}

/// The version at which a table is read.
public enum Version: Hashable, Sendable {
    /// `t@name`, FOR VERSION AS OF 'name', AT (VERSION => 'name'): branch, tag or commit.
    case named(Identifier)
    case branch(Identifier)
    case tag(Identifier)
    case commit(Identifier)
    case snapshot(Expression)
    /// AT TIMESTAMP x, FOR TIMESTAMP AS OF x, AT (TIMESTAMP => x).
    case timestamp(Expression)
}
