// DuckDB's lambdas, list comprehensions, which are calls with lambdas, and COLUMNS(...) in select lists.
import Diagnostics

extension Parser {
    /// Functions whose arguments may be lambdas: elsewhere `a -> b` is an operator of JSON.
    static let takesLambda: Set<String> = [
        "list_transform", "array_transform", "list_apply", "array_apply", "apply", "list_filter", "array_filter",
        "filter", "list_reduce", "array_reduce", "reduce",
    ]

    /// `x -> ...`, `(x, y) -> ...`, `lambda x, y: ...`; nil when none begins here.
    mutating func lambda() throws(SQLError) -> Expression? {
        let position = token.position
        let start = index
        var names: [Identifier] = []
        if atWord("lambda"), peek().kind != .symbol("->"), peek().kind != .symbol(","), peek().kind != .symbol(")") {
            advance()
            repeat { names.append(try name()) } while take(",")
            try expect(":")
            return Expression(.lambda(names, try expression()), position: position)
        }
        if at("(") {
            advance()
            repeat {
                guard isName(token) else { break }
                names.append(try name())
            } while take(",")
            guard !names.isEmpty, take(")"), take("->") else {
                index = start
                return nil
            }
            return Expression(.lambda(names, try expression()), position: position)
        }
        guard isName(token), peek().kind == .symbol("->") else { return nil }
        names = [try name()]
        advance()
        return Expression(.lambda(names, try expression()), position: position)
    }

    /// `[x + 1 FOR x IN list IF x > 2]` behind its first expression: list_transform over list_filter.
    mutating func comprehension(_ value: Expression, _ position: Int) throws(SQLError) -> Expression? {
        guard takeWord("for") else { return nil }
        var names: [Identifier] = []
        repeat { names.append(try name()) } while take(",")
        try expectWord("in")
        var list = try expression()
        if takeWord("if") { list = Parser.listCall("list_filter", list, names, try expression(), position) }
        try expect("]")
        return Parser.listCall("list_transform", list, names, value, position)
    }

    private static func listCall(
        _ function: String, _ list: Expression, _ names: [Identifier], _ body: Expression, _ position: Int
    ) -> Expression {
        let name = QualifiedName([Identifier(function, position: position)], position: position)
        let lambda = Expression(.lambda(names, body), position: position)
        return Expression(
            .call(FunctionCall(name: name, arguments: [list, lambda].map { FunctionCall.Argument(value: $0) })),
            position: position)
    }

    /// COLUMNS(*), COLUMNS(t.* EXCLUDE (a)) and COLUMNS('pattern') as a whole item of a select list; nil for others.
    mutating func columnsItem() throws(SQLError) -> SelectItem? {
        guard atWord("columns"), peek().kind == .symbol("(") else { return nil }
        let (start, position) = (index, token.position)
        advance()
        advance()
        var star = Expression.Star()
        if take("*") {
            star = try starChanges(nil)
        } else if case .string(let pattern) = token.kind {
            advance()
            star.pattern = pattern
        } else if isName(token), peek().kind == .symbol("."), peek(2).kind == .symbol("*") {
            let table = try name()
            advance()
            advance()
            star = try starChanges(QualifiedName([table], position: table.position))
        }
        let isWhole = take(")") && (at(",") || isAtEnd || at(";") || at(")") || atWord("from"))
        guard isWhole else {
            index = start
            return nil
        }
        return SelectItem(value: Expression(.star(star), position: position))
    }
}
