// Functions that are SQL expressions over their arguments: catalog functions that clients call.
import Columns
import Diagnostics
import Functions
import Syntax

/// Names, parameters and texts.
enum MacroFunctions {
    struct Macro {
        var parameters: [String]
        var sql: String
    }

    static let all: [String: Macro] = [
        // Two spans of time share a moment; either end may come first, and one may be NULL.
        "overlaps": Macro(
            parameters: ["a", "b", "c", "d"],
            sql: """
                CASE
                WHEN least(a, b) > least(c, d) THEN CASE WHEN c IS NULL OR d IS NULL THEN NULL
                WHEN least(a, b) < greatest(c, d) THEN true
                WHEN a IS NULL OR b IS NULL THEN NULL ELSE false END
                WHEN least(a, b) < least(c, d) THEN CASE WHEN a IS NULL OR b IS NULL THEN NULL
                WHEN least(c, d) < greatest(a, b) THEN true WHEN c IS NULL OR d IS NULL THEN NULL ELSE false END
                WHEN a IS NULL OR b IS NULL OR c IS NULL OR d IS NULL THEN NULL
                ELSE true
                END
                """)
    ]
}

extension QueryBinder {
    /// Binds a macro's text with its parameters standing for the arguments; nil when there is no such macro.
    func macroCall(_ name: String, _ arguments: [Typed], _ at: Int?) throws(SQLError) -> Expr? {
        guard let macro = MacroFunctions.all[name], macro.parameters.count == arguments.count,
            !FunctionRegistry.isFunction(name)
        else { return nil }
        let scope = Scope(outer: nil, ctes: nil)
        var columns: [Scope.ItemColumn] = []
        for (parameter, argument) in zip(macro.parameters, arguments) {
            let expr = argument.isOpen ? try coerce(argument, to: .int8) : argument.expr
            columns.append(Scope.ItemColumn(name: parameter, expr: expr))
        }
        scope.items = [Scope.Item(name: name, columns: columns)]
        // Positions inside the macro's text mean nothing to the client.
        views.append(ViewFrame(name: name, ref: nil, searchPath: []))
        defer { views.removeLast() }
        return try bind(try Parser.parseExpression(macro.sql), scope).expr
    }
}
