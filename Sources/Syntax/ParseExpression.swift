// Operator precedence (gram.y): OR, AND, NOT, IS, comparison, BETWEEN IN LIKE, other operators, + -, * / %, ^,
// AT TIME ZONE, COLLATE, unary sign, [], ::, dot.
import Diagnostics

extension Parser {
    /// Binding powers, weakest first.
    enum Power: Int, Comparable {
        case or, and, not, isTest, comparison, pattern, other, sum, product, power, zone, collate, sign
        static func < (left: Power, right: Power) -> Bool { left.rawValue < right.rawValue }
        var tighter: Power { Power(rawValue: rawValue + 1) ?? .sign }
    }

    mutating func expression() throws(SQLError) -> Expression {
        try nested { (parser) throws(SQLError) in try parser.expression(.or) }
    }

    mutating func expressions() throws(SQLError) -> [Expression] {
        var list = [try expression()]
        while take(",") { list.append(try expression()) }
        return list
    }

    /// Parses operators that bind at least as tightly as `least`.
    mutating func expression(_ least: Power) throws(SQLError) -> Expression {
        var left = try prefix(least)
        while let next = try infix(left, least) {
            left = next
            try grow()
        }
        return left
    }

    private mutating func prefix(_ least: Power) throws(SQLError) -> Expression {
        let position = token.position
        // Also behind a tighter operator, as in gram.y: a = NOT b AND c is (a = (NOT b)) AND c.
        if takeWord("not") {
            let operand = try nested { (parser) throws(SQLError) in try parser.expression(.not) }
            return Expression(.not(operand), position: position)
        }
        if case .symbol(let symbol) = token.kind, Parser.isOperator(symbol), symbol != "*" {
            if symbol == "-" || symbol == "+" {
                advance()
                let operand = try nested { (parser) throws(SQLError) in try parser.expression(.sign) }
                // Folded so that the most negative integer can be written.
                if symbol == "-" {
                    switch operand.node {
                    case .integer(let digits) where !digits.hasPrefix("-"):
                        return Expression(.integer("-" + digits), position: position)
                    case .decimal(let digits) where !digits.hasPrefix("-"):
                        return Expression(.decimal("-" + digits), position: position)
                    default: break
                    }
                }
                return Expression(.unary(symbol, operand), position: position)
            }
            guard Parser.comparisons[symbol] == nil, symbol != "/", symbol != "%", symbol != "^" else {
                throw unexpected()
            }
            advance()
            let operand = try nested { (parser) throws(SQLError) in try parser.expression(Power.other.tighter) }
            return Expression(.unary(symbol, operand), position: position)
        }
        return try postfixed()
    }

    static func isOperator(_ symbol: String) -> Bool {
        switch symbol {
        case "(", ")", "[", "]", "{", "}", ",", ";", ":", "::", ":=", ".", "..", "=>": false
        default: true
        }
    }

    private static let comparisons = ["=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "<>": "<>", "!=": "<>"]

    /// Takes an operator behind `left` that binds tightly enough; nil when there is none.
    private mutating func infix(_ left: Expression, _ least: Power) throws(SQLError) -> Expression? {
        switch token.kind {
        case .symbol("::"):
            // Behind what is no primary, `x IS NULL::text`, the cast is of all that stands before.
            let position = token.position
            advance()
            return Expression(.cast(left, try typeName(), isTry: false), position: position)
        case .symbol(let symbol): return try symbolInfix(left, symbol, least)
        case .word(let word): return try wordInfix(left, word, least)
        default: return nil
        }
    }

    private mutating func symbolInfix(
        _ left: Expression, _ symbol: String, _ least: Power
    ) throws(SQLError) -> Expression? {
        guard Parser.isOperator(symbol) else { return nil }
        let position = token.position
        if let name = Parser.comparisons[symbol] {
            guard least <= .comparison else { return nil }
            advance()
            if let quantified = try quantified(left, name, position) { return quantified }
            let right = try operand(Power.comparison.tighter)
            if case .symbol(let next) = token.kind, Parser.comparisons[next] != nil { throw unexpected() }
            return Expression(.binary(name, left, right), position: position)
        }
        let power: Power =
            switch symbol {
            case "+", "-": .sum
            case "*", "/", "%", "//": .product
            case "^", "**": .power
            default: .other
            }
        guard least <= power else { return nil }
        advance()
        if power == .other, let quantified = try quantified(left, symbol, position) { return quantified }
        return Expression(.binary(symbol, left, try operand(power.tighter)), position: position)
    }

    private mutating func operand(_ least: Power) throws(SQLError) -> Expression {
        try nested { (parser) throws(SQLError) in try parser.expression(least) }
    }

    private mutating func quantified(
        _ left: Expression, _ symbol: String, _ position: Int
    ) throws(SQLError) -> Expression? {
        guard atWord("any") || atWord("all") || atWord("some") else { return nil }
        let isAll = atWord("all")
        advance()
        try expect("(")
        let source: Expression.Quantified
        if startsQuery() {
            source = .query(try query())
        } else {
            source = .array(try expression())
        }
        try expect(")")
        return Expression(.quantified(left, symbol: symbol, isAll: isAll, source), position: position)
    }

    private mutating func wordInfix(
        _ left: Expression, _ word: String, _ least: Power
    ) throws(SQLError) -> Expression? {
        let position = token.position
        switch word {
        case "or":
            guard least <= .or else { return nil }
            var list = [left]
            while takeWord("or") { list.append(try operand(.and)) }
            return Expression(.or(list), position: position)
        case "and":
            guard least <= .and else { return nil }
            var list = [left]
            while takeWord("and") { list.append(try operand(.not)) }
            return Expression(.and(list), position: position)
        case "is":
            guard least <= .isTest else { return nil }
            advance()
            return try isTest(left, position)
        case "isnull", "notnull":
            guard least <= .isTest else { return nil }
            advance()
            return Expression(.isTest(left, .null, negated: word == "notnull"), position: position)
        case "not":
            guard least <= .pattern else { return nil }
            switch peek().kind {
            case .word("between"), .word("in"), .word("like"), .word("ilike"), .word("similar"):
                advance()
                return try pattern(left, position, negated: true)
            default: return nil
            }
        case "between", "in", "like", "ilike", "similar":
            guard least <= .pattern else { return nil }
            // SUBSTRING(x SIMILAR y ESCAPE z) has no TO.
            if word == "similar", peek().kind != .word("to") { return nil }
            return try pattern(left, position, negated: false)
        case "at":
            guard least <= .zone, peek().kind == .word("time"), peek(2).kind == .word("zone") else { return nil }
            advance()
            advance()
            advance()
            return Expression(.atTimeZone(left, try operand(Power.zone.tighter)), position: position)
        case "collate":
            guard least <= .collate else { return nil }
            advance()
            return Expression(.collate(left, try qualifiedName()), position: position)
        case "operator":
            guard least <= .other, peek().kind == .symbol("(") else { return nil }
            let symbol = try qualifiedOperator()
            return Expression(.binary(symbol, left, try operand(Power.other.tighter)), position: position)
        case "overlaps":
            guard least <= .other else { return nil }
            advance()
            let right = try operand(Power.other.tighter)
            guard case .row(let first) = left.node, case .row(let second) = right.node, first.count == 2,
                second.count == 2
            else {
                throw SQLError(
                    .syntaxError, "wrong number of parameters on left or right side of OVERLAPS expression",
                    position: position)
            }
            let name = QualifiedName([Identifier("overlaps", position: position)], position: position)
            let call = FunctionCall(name: name, arguments: (first + second).map { FunctionCall.Argument(value: $0) })
            return Expression(.call(call), position: position)
        default: return nil
        }
    }

    /// OPERATOR(pg_catalog.+).
    private mutating func qualifiedOperator() throws(SQLError) -> String {
        advance()
        try expect("(")
        while isName(token), peek().kind == .symbol(".") {
            advance()
            advance()
        }
        guard case .symbol(let symbol) = token.kind, Parser.isOperator(symbol) else { throw unexpected() }
        advance()
        try expect(")")
        return symbol == "!=" ? "<>" : symbol
    }

    private mutating func isTest(_ left: Expression, _ position: Int) throws(SQLError) -> Expression {
        let negated = takeWord("not")
        if takeWord("null") { return Expression(.isTest(left, .null, negated: negated), position: position) }
        if takeWord("true") { return Expression(.isTest(left, .yes, negated: negated), position: position) }
        if takeWord("false") { return Expression(.isTest(left, .no, negated: negated), position: position) }
        if takeWord("unknown") { return Expression(.isTest(left, .unknown, negated: negated), position: position) }
        if takeWord("distinct") {
            try expectWord("from")
            let right = try operand(Power.isTest.tighter)
            return Expression(.isDistinct(left, right, negated: negated), position: position)
        }
        throw unexpected()
    }

    private mutating func pattern(
        _ left: Expression, _ position: Int, negated: Bool
    ) throws(SQLError) -> Expression {
        if takeWord("between") {
            let symmetric = takeWord("symmetric")
            _ = takeWord("asymmetric")
            let low = try operand(Power.pattern.tighter)
            try expectWord("and")
            let high = try operand(Power.pattern.tighter)
            return Expression(
                .between(left, low: low, high: high, symmetric: symmetric, negated: negated), position: position)
        }
        if takeWord("in") {
            // DuckDB's lists: x IN [1, 2], x IN column.
            if at("[") {
                let list = try operand(Power.pattern.tighter)
                let found = Expression(.quantified(left, symbol: "=", isAll: false, .array(list)), position: position)
                return negated ? Expression(.not(found), position: position) : found
            }
            try expect("(")
            if startsQuery() {
                let inner = try query()
                try expect(")")
                return Expression(.inQuery(left, inner, negated: negated), position: position)
            }
            let items = try expressions()
            try expect(")")
            return Expression(.inList(left, items, negated: negated), position: position)
        }
        let kind: Expression.LikeKind
        if takeWord("like") {
            kind = .like
        } else if takeWord("ilike") {
            kind = .ilike
        } else {
            try expectWord("similar")
            try expectWord("to")
            kind = .similar
        }
        if kind != .similar, atWord("any") || atWord("all") || atWord("some") {
            let symbol = (negated ? "!" : "") + (kind == .like ? "~~" : "~~*")
            if let result = try quantified(left, symbol, position) { return result }
        }
        let text = try operand(Power.pattern.tighter)
        let escape = takeWord("escape") ? try operand(Power.pattern.tighter) : nil
        return Expression(.like(kind, left, pattern: text, escape: escape, negated: negated), position: position)
    }

    /// A primary with `::type`, `[i]`, and `.field` behind it.
    private mutating func postfixed() throws(SQLError) -> Expression {
        // Fields are taken from parenthesized values, parameters and elements: names take their dots themselves.
        var hasFields = at("(")
        if case .parameter = token.kind { hasFields = true }
        var value = try primary()
        if case .call = value.node { hasFields = true }
        while true {
            let position = token.position
            try grow()
            if take("::") {
                value = Expression(.cast(value, try typeName(), isTry: false), position: position)
                hasFields = false
            } else if take("[") {
                value = try subscripted(value, position)
                hasFields = true
            } else if at("."), hasFields {
                advance()
                if at("*") {
                    if case .column(let name) = value.node {
                        advance()
                        return Expression(.star(try starChanges(name)), position: position)
                    }
                    throw SQLError(
                        .featureNotSupported, "expanding a row by .* is not supported", position: token.position)
                }
                value = Expression(.field(value, try label()), position: position)
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ value: Expression, _ position: Int) throws(SQLError) -> Expression {
        var from: Expression?
        if !at(":") { from = try expression() }
        if take(":") {
            let to = at("]") ? nil : try expression()
            try expect("]")
            return Expression(.slice(value, from: from, to: to), position: position)
        }
        try expect("]")
        guard let from else { throw unexpected() }
        return Expression(.subscripted(value, from), position: position)
    }
}
