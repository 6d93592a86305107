// Functions that are SQL expressions over their arguments: OVERLAPS, and DuckDB's names for what PostgreSQL can write.
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

    /// By name; those of one name differ in the number of parameters.
    static let all: [String: [Macro]] = Dictionary(
        (plain + units).map { ($0.name, [Macro(parameters: $0.parameters, sql: $0.sql)]) }, uniquingKeysWith: +)

    /// Those whose text has each parameter once, so that it does not matter how often it would be evaluated.
    static let usedOnce: Set<String> = ["ifnull", "if"]

    private static let plain: [(name: String, parameters: [String], sql: String)] = [
        // Two spans of time share a moment; either end may come first, and one may be NULL.
        (
            "overlaps", ["a", "b", "c", "d"],
            """
            CASE
            WHEN least(a, b) > least(c, d) THEN CASE WHEN c IS NULL OR d IS NULL THEN NULL
            WHEN least(a, b) < greatest(c, d) THEN true
            WHEN a IS NULL OR b IS NULL THEN NULL ELSE false END
            WHEN least(a, b) < least(c, d) THEN CASE WHEN a IS NULL OR b IS NULL THEN NULL
            WHEN least(c, d) < greatest(a, b) THEN true WHEN c IS NULL OR d IS NULL THEN NULL ELSE false END
            WHEN a IS NULL OR b IS NULL OR c IS NULL OR d IS NULL THEN NULL
            ELSE true
            END
            """
        ),
        // Characters a to b of a text, counted from the end where they are negative; a missing bound is NULL.
        (
            "text_slice", ["s", "a", "b"],
            """
            substr(s, greatest(CASE WHEN a < 0 THEN length(s) + a + 1 ELSE coalesce(a, 1) END, 1),
            greatest(CASE WHEN b < 0 THEN length(s) + b + 1 ELSE coalesce(b, length(s)) END
            - greatest(CASE WHEN a < 0 THEN length(s) + a + 1 ELSE coalesce(a, 1) END, 1) + 1, 0))
            """
        ),
        ("ifnull", ["a", "b"], "coalesce(a, b)"),
        ("if", ["c", "a", "b"], "CASE WHEN c THEN a ELSE b END"),
        ("string_split", ["s", "d"], "string_to_array(s, nullif(d, ''))"),
        ("str_split", ["s", "d"], "string_to_array(s, nullif(d, ''))"),
        ("split", ["s", "d"], "string_to_array(s, nullif(d, ''))"),
        ("string_split_regex", ["s", "r"], "regexp_split_to_array(s, r)"),
        ("str_split_regex", ["s", "r"], "regexp_split_to_array(s, r)"),
        ("unicode", ["s"], "CASE WHEN s = '' THEN -1 ELSE ascii(s) END"),
        ("ord", ["s"], "CASE WHEN s = '' THEN -1 ELSE ascii(s) END"),
        ("from_base64", ["s"], "decode(s, 'base64')"),
        ("to_base64", ["b"], "encode(b, 'base64')"),
        ("base64", ["b"], "encode(b, 'base64')"),
        ("even", ["x"], "CASE WHEN x >= 0 THEN ceil(x / 2.0) * 2 ELSE floor(x / 2.0) * 2 END"),
        ("list_concat", ["a"], "a"),
        ("datepart", ["u", "t"], "date_part(u, t)"),
        ("datetrunc", ["u", "t"], "date_trunc(u, t)"),
        ("epoch_us", ["t"], "trunc(extract(epoch FROM t) * 1000000)::bigint"),
        ("make_timestamp", ["u"], "timestamp '1970-01-01' + u * interval '1 microsecond'"),
        ("time_bucket", ["w", "t"], "date_bin(w, t::timestamp, timestamp '2000-01-03')"),
        ("time_bucket", ["w", "t", "o"], "date_bin(w, t::timestamp, o::timestamp)"),
        (
            "whole_months", ["a", "b"],
            """
            month_steps(a, b) - CASE WHEN b >= a AND a + month_steps(a, b) * interval '1 month' > b THEN 1
            WHEN b < a AND a + month_steps(a, b) * interval '1 month' < b THEN -1 ELSE 0 END
            """
        ),
        (
            "month_steps", ["a", "b"],
            """
            ((extract(year FROM b) - extract(year FROM a)) * 12 + extract(month FROM b) - extract(month FROM a))::bigint
            """
        ),
        ("date_sub", ["u", "a", "b"], wholeUnits), ("datesub", ["u", "a", "b"], wholeUnits),
    ]

    /// Whole units of time from a to b.
    private static let wholeUnits = """
        CASE
        WHEN lower(u) IN ('year', 'years', 'yr', 'y') THEN whole_months(a::timestamp, b::timestamp) / 12
        WHEN lower(u) IN ('quarter', 'quarters') THEN whole_months(a::timestamp, b::timestamp) / 3
        WHEN lower(u) IN ('month', 'months', 'mon') THEN whole_months(a::timestamp, b::timestamp)
        ELSE trunc((extract(epoch FROM b) - extract(epoch FROM a)) / extract(epoch FROM ('1 ' || u)::interval))
        END::bigint
        """

    /// to_days(3) and its kin.
    private static let units: [(name: String, parameters: [String], sql: String)] =
        [
            "microseconds", "milliseconds", "seconds", "minutes", "hours", "days", "weeks", "months", "years",
            "decades",
            "centuries", "millennia",
        ].map { ("to_\($0)", ["n"], "n * interval '1 \($0)'") } + [("to_quarters", ["n"], "n * interval '3 months'")]
}

extension QueryBinder {
    /// Binds a macro's text with its parameters standing for the arguments; nil when there is no such macro.
    func macroCall(_ name: String, _ arguments: [Typed], _ at: Int?) throws(SQLError) -> Expr? {
        guard let macro = MacroFunctions.all[name]?.first(where: { $0.parameters.count == arguments.count }),
            !FunctionRegistry.takes(name, arguments.count)
        else { return nil }
        let isSafe = MacroFunctions.usedOnce.contains(name) || !arguments.contains { $0.expr.isVolatile }
        guard isSafe else {
            throw SQLError(.featureNotSupported, "volatile arguments of \(name) are not supported", position: at)
        }
        let scope = Scope(outer: nil, ctes: nil)
        var columns: [Scope.ItemColumn] = []
        for (parameter, argument) in zip(macro.parameters, arguments) {
            columns.append(Scope.ItemColumn(name: parameter, expr: argument.expr))
        }
        scope.items = [Scope.Item(name: name, columns: columns)]
        // Positions inside the macro's text mean nothing to the client.
        views.append(ViewFrame(name: name, ref: nil, searchPath: []))
        defer { views.removeLast() }
        return try bind(try Parser.parseExpression(macro.sql), scope).expr
    }
}
