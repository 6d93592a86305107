// DuckDB's lambdas, and list comprehensions, which are calls with lambdas.
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
}
