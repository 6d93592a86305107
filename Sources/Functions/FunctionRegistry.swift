// Names to overloads: the one door by which the planner reaches the function library.
public import Columns
public import Diagnostics

/// Finds functions, operators, casts and aggregates by name and argument types, by PostgreSQL's rules (docs 10).
public enum FunctionRegistry {
    /// Chooses the overload of a function; `.unknown` marks untyped literals. Throws 42883 when none fits, 42725 when
    /// several do. `literals` holds constant arguments where known: some results depend on them (round(x, n)).
    public static func function(
        _ name: String, _ types: [SQLType], literals: [Scalar?], position: Int?
    ) throws(SQLError) -> BoundFunction {
        throw SQLError(.undefinedFunction, "function \(name) does not exist", position: position)
    }

    /// Whether any scalar function has this name.
    public static func isFunction(_ name: String) -> Bool { false }

    /// Chooses the overload of an operator; `left` is nil for prefix operators.
    public static func binaryOrUnary(
        _ symbol: String, _ left: SQLType?, _ right: SQLType, position: Int?
    ) throws(SQLError) -> BoundFunction {
        throw SQLError(.undefinedFunction, "operator does not exist: \(symbol)", position: position)
    }

    /// Whether any aggregate has this name.
    public static func isAggregate(_ name: String) -> Bool { false }

    /// Chooses the overload of an aggregate. count(*) has no arguments. For ordered-set aggregates (percentile_cont,
    /// mode) `types` are the direct arguments followed by the sort columns.
    public static func aggregate(
        _ name: String, _ types: [SQLType], literals: [Scalar?], position: Int?
    ) throws(SQLError) -> BoundAggregate {
        throw SQLError(.undefinedFunction, "function \(name) does not exist", position: position)
    }

    /// Returns the cast, nil when the types cannot be cast in this context. `try` casts give NULL for a bad value.
    public static func cast(
        from: SQLType, to: SQLType, context: CastContext, isTry: Bool = false
    ) -> BoundFunction? { nil }

    /// Returns the type that UNION, CASE, VALUES, IN and COALESCE give to these (PostgreSQL docs 10.5), nil when none.
    public static func commonType(_ types: [SQLType]) -> SQLType? { nil }
}
