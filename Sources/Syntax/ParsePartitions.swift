// Declarative partitioning as PostgreSQL writes it: PARTITION BY, PARTITION OF, and the bounds of partitions.
public import Diagnostics

/// PARTITION BY: how the rows of a table are spread over its partitions.
public struct PartitionBy: Hashable, Sendable {
    public enum Strategy: String, Hashable, Sendable { case range, list, hash }

    public struct Key: Hashable, Sendable {
        /// The column; nil for an expression.
        public var column: Identifier?
        public var expression: Expression
        /// As written, without COLLATE and operator class.
        public var text: String
    }

    public var strategy: Strategy
    public var keys: [Key]
    public var position: Int

    /// As `pg_get_partkeydef` prints it, and as it can be parsed again.
    public var text: String { "\(strategy.rawValue.uppercased()) (\(keys.map(\.text).joined(separator: ", ")))" }
}

/// What follows FOR VALUES, or DEFAULT.
public enum PartitionBound: Hashable, Sendable {
    public enum Datum: Hashable, Sendable {
        case minimum, maximum
        case value(Expression)
    }

    case rest
    case list([Expression])
    case range(from: [Datum], to: [Datum])
    case hash(modulus: Int, remainder: Int)
}

/// PARTITION OF parent FOR VALUES ...
public struct PartitionOf: Hashable, Sendable {
    public var parent: QualifiedName
    public var bound: PartitionBound
    public var position: Int
}

extension Parser {
    /// Parses the text of a property: `RANGE (a, lower(b))`.
    public static func parsePartitionBy(_ text: String) throws(SQLError) -> PartitionBy {
        var parser = try Parser(text)
        let by = try parser.partitionBy()
        guard parser.isAtEnd else { throw parser.unexpected() }
        return by
    }

    /// Parses the text of a property: `FOR VALUES IN (1, 2)`.
    public static func parsePartitionBound(_ text: String) throws(SQLError) -> PartitionBound {
        var parser = try Parser(text)
        let bound = try parser.partitionBound()
        guard parser.isAtEnd else { throw parser.unexpected() }
        return bound
    }

    /// Parses the text of a property: a name with its schema.
    public static func parseName(_ text: String) throws(SQLError) -> QualifiedName {
        var parser = try Parser(text)
        let name = try parser.qualifiedName()
        guard parser.isAtEnd else { throw parser.unexpected() }
        return name
    }

    /// Behind PARTITION BY.
    mutating func partitionBy() throws(SQLError) -> PartitionBy {
        let position = token.position
        let word = try label()
        guard let strategy = PartitionBy.Strategy(rawValue: word.value) else {
            throw SQLError(
                .invalidParameterValue, "unrecognized partitioning strategy \"\(word.value)\"", position: position)
        }
        try expect("(")
        var keys: [PartitionBy.Key] = []
        repeat { keys.append(try partitionKey()) } while take(",")
        try expect(")")
        guard strategy != .list || keys.count == 1 else {
            throw SQLError(
                SQLState("42P17"), "cannot use \"list\" partition strategy with more than one column",
                position: position)
        }
        return PartitionBy(strategy: strategy, keys: keys, position: position)
    }

    /// A column, a call, or an expression in parentheses; with COLLATE and an operator class.
    private mutating func partitionKey() throws(SQLError) -> PartitionBy.Key {
        let start = token.position
        var key: PartitionBy.Key
        if at("(") {
            advance()
            let expression = try expression()
            try expect(")")
            key = PartitionBy.Key(column: nil, expression: expression, text: text(from: start))
            if case .column(let name) = expression.node, name.parts.count == 1 {
                key.column = name.parts[0]
                key.text = Parser.quoted(name.parts[0].value)
            }
        } else if peek().kind == .symbol("(") {
            let expression = try expression()
            key = PartitionBy.Key(column: nil, expression: expression, text: text(from: start))
        } else {
            let name = try name()
            let column = Expression(.column(QualifiedName([name], position: start)), position: start)
            key = PartitionBy.Key(column: name, expression: column, text: Parser.quoted(name.value))
        }
        if takeWord("collate") { _ = try qualifiedName() }
        if isName(token) { _ = try qualifiedName() }
        return key
    }

    /// FOR VALUES ..., or DEFAULT.
    mutating func partitionBound() throws(SQLError) -> PartitionBound {
        if takeWord("default") { return .rest }
        try expectWord("for")
        try expectWord("values")
        if takeWord("in") {
            try expect("(")
            let values = try expressions()
            try expect(")")
            return .list(values)
        }
        if takeWord("with") { return try hashBound() }
        try expectWord("from")
        let from = try data()
        try expectWord("to")
        return .range(from: from, to: try data())
    }

    private mutating func hashBound() throws(SQLError) -> PartitionBound {
        let position = token.position
        try expect("(")
        var numbers: [String: Int] = [:]
        repeat {
            let word = try label()
            guard ["modulus", "remainder"].contains(word.value) else {
                throw SQLError(
                    .syntaxError, "unrecognized hash partition bound specification \"\(word.value)\"",
                    position: word.position)
            }
            guard numbers[word.value] == nil else {
                throw SQLError(
                    .syntaxError, "\(word.value) for hash partition provided more than once", position: word.position)
            }
            guard case .integer(let digits) = token.kind, let number = Int(digits), number <= Int(Int32.max) else {
                throw unexpected()
            }
            advance()
            numbers[word.value] = number
        } while take(",")
        try expect(")")
        guard let modulus = numbers["modulus"] else {
            throw SQLError(.syntaxError, "modulus for hash partition must be specified", position: position)
        }
        guard let remainder = numbers["remainder"] else {
            throw SQLError(.syntaxError, "remainder for hash partition must be specified", position: position)
        }
        return .hash(modulus: modulus, remainder: remainder)
    }

    private mutating func data() throws(SQLError) -> [PartitionBound.Datum] {
        try expect("(")
        var list: [PartitionBound.Datum] = []
        repeat {
            if atWord("minvalue"), [.symbol(","), .symbol(")")].contains(peek().kind) {
                advance()
                list.append(.minimum)
            } else if atWord("maxvalue"), [.symbol(","), .symbol(")")].contains(peek().kind) {
                advance()
                list.append(.maximum)
            } else {
                list.append(.value(try expression()))
            }
        } while take(",")
        try expect(")")
        return list
    }

    /// Behind PARTITION OF in CREATE TABLE.
    mutating func partitionOf(_ table: inout Statement.CreateTable) throws(SQLError) {
        let position = token.position
        let parent = try qualifiedName()
        if at("(") { try tableElements(&table, typed: false) }
        table.partitionOf = PartitionOf(parent: parent, bound: try partitionBound(), position: position)
    }

    /// ATTACH PARTITION p bound, DETACH PARTITION p.
    mutating func partitionAction() throws(SQLError) -> Statement.AlterTable.Action? {
        if takeWords("attach", "partition") {
            let name = try qualifiedName()
            return .attachPartition(name, try partitionBound())
        }
        if takeWords("detach", "partition") {
            let name = try qualifiedName()
            if !takeWord("concurrently") { _ = takeWord("finalize") }
            return .detachPartition(name)
        }
        return nil
    }
}
