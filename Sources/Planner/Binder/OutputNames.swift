// What an unnamed select item is called: PostgreSQL's FigureColname.
import Syntax

/// Names output columns.
enum OutputNames {
    /// The name of an item without alias.
    static func name(_ expr: Expression) -> String { figure(expr)?.name ?? "?column?" }

    /// A name, and whether it is better than one made up from a cast or CASE.
    private static func figure(_ expr: Expression) -> (name: String, isStrong: Bool)? {
        switch expr.node {
        case .column(let name): return (name.last, true)
        case .field(_, let name): return (name.value, true)
        case .call(let call): return (call.name.last, true)
        case .special(let name, _): return (name, true)
        case .grouping: return ("grouping", true)
        case .exists: return ("exists", true)
        case .array, .arrayQuery: return ("array", true)
        case .row: return ("row", true)
        case .atTimeZone: return ("timezone", true)
        case .scalarQuery(let query): return first(of: query).map { ($0, true) }
        case .collate(let operand, _), .subscripted(let operand, _), .slice(let operand, _, _): return figure(operand)
        case .cast(let operand, let type, _):
            if let inner = figure(operand), inner.isStrong { return inner }
            return (typeName(type), false)
        case .typedLiteral(let type, _): return (typeName(type), false)
        case .conditional(_, _, let otherwise):
            if let otherwise, let inner = figure(otherwise), inner.isStrong { return inner }
            return ("case", false)
        default: return nil
        }
    }

    /// The first column's name of a scalar subquery.
    private static func first(of query: Query) -> String? {
        switch query.body {
        case .select(let select): return select.items.first.map { $0.alias?.value ?? name($0.value) }
        case .values: return "column1"
        case .setOperation(_, _, let left, _, _): return first(of: left)
        case .nested(let inner): return first(of: inner)
        }
    }

    /// The internal name of a type, as pg_type has it.
    private static func typeName(_ type: TypeName) -> String { internalNames[type.name] ?? type.name }

    private static let internalNames: [String: String] = [
        "bigint": "int8", "boolean": "bool", "char": "bpchar", "char varying": "varchar", "character": "bpchar",
        "character varying": "varchar", "dec": "numeric", "decimal": "numeric", "double": "float8",
        "double precision": "float8", "float": "float8", "int": "int4", "integer": "int4", "nchar": "bpchar",
        "real": "float4", "smallint": "int2", "string": "text", "time without time zone": "time",
        "timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp",
    ]
}
