// Names to overloads: the one door by which the planner reaches the function library.
public import Columns
public import Diagnostics

/// Finds functions, operators, casts and aggregates by name and argument types, by PostgreSQL's rules (docs 10).
public enum FunctionRegistry {
    private static let operators = table(
        Arithmetic.all + Comparisons.all + DateOperators.all + LikeOperators.all + RegexOperators.all
            + MathFunctions.operators + StringSearch.operators + ByteFunctions.operators + ArrayFunctions.operators
            + JSONAccess.operators + JSONAccess.textOperators + JSONCompare.operators
            + JSONChange.operators + JSONPathFunctions.operators + BitStrings.operators + NetworkFunctions.operators
            + ZonedTimeFunctions.operators)
    private static let functions = table(
        Comparisons.distinct + LikeOperators.functions + ZoneFunctions.all + MathFunctions.all + ExtremeFunctions.all
            + StringFunctions.all + StringSearch.all + TextDistance.all + IntrospectionFunctions.all + ByteFunctions.all
            + EncodingFunctions.all + RegexFunctions.all
            + DatePartFunctions.all + DateTrunc.all + DateFunctions.all + SystemFunctions.all + CatalogFunctions.all
            + AdvisoryLockFunctions.all + SequenceFunctions.all + RowCheck.all + PartitionHash.all + HashFunctions.all
            + lists(ArrayFunctions.all + ArrayDimensions.all + ListFunctions.all) + NestedFunctions.all
            + ToChar.all + ToCharNumbers.all + ToDate.all + JSONAccess.functions + JSONBuilding.functions
            + JSONSets.functions + JSONCompare.functions + JSONChange.functions
            + JSONPathFunctions.functions + JSONDuckDB.functions + BitStrings.functions + EnumFunctions.all
            + SampleFunctions.all + NotificationFunctions.all + NetworkFunctions.functions
            + ZonedTimeFunctions.functions)

    /// The same functions under DuckDB's names, too.
    private static func lists(_ overloads: [Overload]) -> [Overload] {
        overloads
            + ListFunctions.aliases.flatMap { alias in
                overloads.filter { $0.name == alias.name }.map { $0.renamed(alias.alias) }
            }
    }

    private static func table(_ overloads: [Overload]) -> [String: [Overload]] {
        Dictionary(grouping: overloads, by: \.name)
    }

    /// Chooses the overload of a function; `.unknown` marks untyped literals. Throws 42883 when none fits, 42725 when
    /// several do. `literals` holds constant arguments where known: some results depend on them (round(x, n)).
    public static func function(
        _ name: String, _ types: [SQLType], literals: [Scalar?], position: Int?
    ) throws(SQLError) -> BoundFunction {
        let call = "function \(name)(\(types.map(\.baseName).joined(separator: ", ")))"
        switch OverloadChoice.choose(functions[name] ?? [], types, isOperator: false) {
        case .chosen(let overload): return try OverloadChoice.bind(overload, types, literals, position)
        case .none:
            if types.count == 1, let target = typeNames[name],
                let cast = Casts.bound(from: types[0], to: target, context: .explicit, isTry: false)
            {
                return cast
            }
            throw SQLError(
                .undefinedFunction, "\(call) does not exist",
                hint:
                    "No function matches the given name and argument types. You might need to add explicit type casts.",
                position: position)
        case .ambiguous:
            throw SQLError(
                .ambiguousFunction, "\(call) is not unique",
                hint: "Could not choose a best candidate function. You might need to add explicit type casts.",
                position: position)
        }
    }

    /// Types whose names work as functions of one argument: casts.
    private static let typeNames: [String: SQLType] = [
        "bool": .boolean, "bytea": .bytea, "date": .date, "float4": .float4, "float8": .float8, "int2": .int2,
        "int4": .int4, "int8": .int8, "interval": .interval, "numeric": .numeric, "text": .text, "time": .time,
        "timestamp": .timestamp, "timestamptz": .timestamptz, "uuid": .uuid, "varchar": .varchar(nil),
        "json": .json, "jsonb": .jsonb,
    ]

    /// Whether a scalar function of this name takes so many arguments.
    public static func takes(_ name: String, _ count: Int) -> Bool {
        functions[name]?.contains { $0.takes(count) } ?? false
    }

    /// Whether any scalar function has this name.
    public static func isFunction(_ name: String) -> Bool { functions[name] != nil || typeNames[name] != nil }

    /// Other spellings of operators; ** is DuckDB's.
    private static let sameOperators = ["!=": "<>", "==": "=", "**": "^"]

    /// Chooses the overload of an operator; `left` is nil for prefix operators. `literals` holds constant arguments
    /// where known (of the right side only, for prefix operators): they tighten the results of decimals.
    public static func binaryOrUnary(
        _ symbol: String, _ left: SQLType?, _ right: SQLType, literals: [Scalar?] = [], position: Int?
    ) throws(SQLError) -> BoundFunction {
        let types = left.map { [$0, right] } ?? [right]
        let name = sameOperators[symbol] ?? symbol
        let call =
            types.count == 2
            ? "\(types[0].baseName) \(symbol) \(types[1].baseName)" : "\(symbol) \(types[0].baseName)"
        switch OverloadChoice.choose(operators[name] ?? [], types, isOperator: true) {
        case .chosen(let overload): return try OverloadChoice.bind(overload, types, literals, position)
        case .none:
            let many = types.count == 2
            throw SQLError(
                .undefinedFunction, "operator does not exist: \(call)",
                hint: "No operator matches the given name and argument type\(many ? "s" : ""). "
                    + "You might need to add \(many ? "explicit type casts" : "an explicit type cast").",
                position: position)
        case .ambiguous:
            throw SQLError(
                .ambiguousFunction, "operator is not unique: \(call)",
                hint: "Could not choose a best candidate operator. You might need to add explicit type casts.",
                position: position)
        }
    }

    /// Whether any aggregate has this name.
    public static func isAggregate(_ name: String) -> Bool { AggregateRegistry.isAggregate(name) }

    /// Chooses the overload of an aggregate. count(*) has no arguments. For ordered-set aggregates (percentile_cont,
    /// mode) `types` are the direct arguments followed by the sort columns.
    public static func aggregate(
        _ name: String, _ types: [SQLType], literals: [Scalar?], position: Int?
    ) throws(SQLError) -> BoundAggregate {
        try AggregateRegistry.aggregate(name, types, literals, position)
    }

    /// Returns the cast, nil when the types cannot be cast in this context. `try` casts give NULL for a bad value.
    public static func cast(
        from: SQLType, to: SQLType, context: CastContext, isTry: Bool = false
    ) -> BoundFunction? { Casts.bound(from: from, to: to, context: context, isTry: isTry) }

    /// Returns the type that UNION, CASE, VALUES, IN and COALESCE give to these (PostgreSQL docs 10.5), nil when none.
    /// `isPrinted` is false when the values are compared or added up only, and need not keep scales of their own.
    public static func commonType(_ types: [SQLType], isPrinted: Bool = true) -> SQLType? {
        TypeRules.common(types, isPrinted: isPrinted)
    }
}
