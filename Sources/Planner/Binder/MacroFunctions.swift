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
                """),
        // psql's \gdesc asks for the names of result types.
        "format_type": Macro(
            parameters: ["type", "modifier"],
            sql: """
                CASE
                WHEN type = 1700 AND modifier >= 4
                THEN 'numeric(' || (modifier - 4) / 65536 || ',' || (modifier - 4) % 65536 || ')'
                WHEN type = 1042 AND modifier >= 4 THEN 'character(' || modifier - 4 || ')'
                WHEN type = 1043 AND modifier >= 4 THEN 'character varying(' || modifier - 4 || ')'
                ELSE CASE type WHEN 16 THEN 'boolean' WHEN 17 THEN 'bytea' WHEN 18 THEN '"char"' WHEN 19 THEN 'name'
                WHEN 20 THEN 'bigint' WHEN 21 THEN 'smallint' WHEN 23 THEN 'integer' WHEN 25 THEN 'text'
                WHEN 26 THEN 'oid' WHEN 700 THEN 'real' WHEN 701 THEN 'double precision' WHEN 705 THEN 'unknown'
                WHEN 1000 THEN 'boolean[]' WHEN 1001 THEN 'bytea[]' WHEN 1005 THEN 'smallint[]'
                WHEN 1007 THEN 'integer[]' WHEN 1009 THEN 'text[]' WHEN 1015 THEN 'character varying[]'
                WHEN 1016 THEN 'bigint[]' WHEN 1021 THEN 'real[]' WHEN 1022 THEN 'double precision[]'
                WHEN 1042 THEN 'character' WHEN 1043 THEN 'character varying' WHEN 1082 THEN 'date'
                WHEN 1083 THEN 'time without time zone' WHEN 1114 THEN 'timestamp without time zone'
                WHEN 1115 THEN 'timestamp without time zone[]' WHEN 1182 THEN 'date[]'
                WHEN 1184 THEN 'timestamp with time zone' WHEN 1185 THEN 'timestamp with time zone[]'
                WHEN 1186 THEN 'interval' WHEN 1231 THEN 'numeric[]' WHEN 1700 THEN 'numeric' WHEN 2950 THEN 'uuid'
                WHEN 2951 THEN 'uuid[]' ELSE '???' END
                END
                """),
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
