// Function calls: which kind a name is, special forms, set-returning calls in select lists.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    func bindCall(_ call: FunctionCall, _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        if let own = try userCall(call, at, scope) { return try value(of: own, at) }
        try checkSchema(call.name)
        if let list = try listCall(call, at, scope) { return list }
        let call = try withRowsAsJSON(call, scope)
        let name = call.name.last
        if let over = call.over { return try windowCall(call, name, over, at, scope) }
        if FunctionRegistry.isAggregate(name) { return try aggregateCall(call, name, at, scope) }
        if WindowFunctionKind(rawValue: name) != nil {
            throw SQLError(.wrongObjectType, "window function \(name) requires an OVER clause", position: at)
        }
        try checkPlain(call, name, at)
        if let function = QueryBinder.setReturning[name] { return try setReturning(function, name, call, at, scope) }
        if let special = try specialCall(name, call, at, scope) { return special }
        var plain = call
        if SequenceFunctions.names.contains(name), let first = call.arguments.first?.value,
            let text = QueryNames.sequenceName(first)
        {
            plain.arguments[0].value = Expression(.string(text), position: first.position)
        }
        let bound = try arguments(of: plain, scope)
        if let expr = try macroCall(name, bound, at) { return expr }
        return try self.call(name, bound, at)
    }

    /// What may be named in calls of make_date() and its kin; those of make_interval() may be left out.
    private static let argumentNames: [String: [String]] = [
        "make_date": ["year", "month", "day"], "make_time": ["hour", "min", "sec"],
        "make_timestamp": ["year", "month", "mday", "hour", "min", "sec"],
        "make_timestamptz": ["year", "month", "mday", "hour", "min", "sec", "timezone"],
        "make_interval": ["years", "months", "weeks", "days", "hours", "mins", "secs"],
    ]

    /// Brings named arguments to their places; nil when the function has no such names.
    private func placed(_ call: FunctionCall) -> [FunctionCall.Argument]? {
        guard let names = QueryBinder.argumentNames[call.name.last] else { return nil }
        var places = [FunctionCall.Argument?](repeating: nil, count: names.count)
        for (index, argument) in call.arguments.enumerated() {
            guard let place = argument.name.map({ names.firstIndex(of: $0.value) }) ?? index, place < names.count,
                places[place] == nil
            else { return nil }
            places[place] = FunctionCall.Argument(value: argument.value)
        }
        let isOptional = call.name.last == "make_interval"
        guard isOptional || !places.contains(where: { $0 == nil }) else { return nil }
        let zero = Expression(.integer("0"), position: call.name.position)
        return places.map { $0 ?? FunctionCall.Argument(value: zero) }
    }

    /// Binds the arguments; few functions besides those over files take names.
    func arguments(of call: FunctionCall, _ scope: Scope) throws(SQLError) -> [Typed] {
        guard call.arguments.count <= QueryBinder.argumentsMax else {
            throw SQLError(
                .programLimitExceeded, "cannot pass more than \(QueryBinder.argumentsMax) arguments to a function",
                position: position(call.name.position))
        }
        var bound: [Typed] = []
        let isNamed = call.arguments.contains { $0.name != nil }
        for argument in isNamed ? placed(call) ?? call.arguments : call.arguments {
            if let name = argument.name {
                throw SQLError(
                    .undefinedFunction, "function \(call.name.last) has no argument named \"\(name.value)\"",
                    position: position(name.position))
            }
            bound.append(try bind(argument.value, scope))
        }
        return bound
    }

    private static let argumentsMax = 1_000

    func checkSchema(_ name: QualifiedName) throws(SQLError) {
        guard name.parts.count > 1, let schema = name.parts.first?.value else { return }
        let isExpand = schema == "information_schema" && name.last == "_pg_expandarray"
        guard name.parts.count == 2, schema == "pg_catalog" || isExpand else {
            throw SQLError(
                .undefinedFunction, "function \(name.text) does not exist",
                hint: "No function matches the given name and argument types. You might need to add explicit type "
                    + "casts.", position: position(name.position))
        }
    }

    /// Refuses what only aggregates take.
    private func checkPlain(_ call: FunctionCall, _ name: String, _ at: Int?) throws(SQLError) {
        var problem: String?
        if call.isStar { problem = "\(name)(*) specified, but \(name) is not an aggregate function" }
        if call.isDistinct { problem = "DISTINCT specified, but \(name) is not an aggregate function" }
        if !call.withinGroup.isEmpty { problem = "WITHIN GROUP specified, but \(name) is not an aggregate function" }
        if !call.order.isEmpty { problem = "ORDER BY specified, but \(name) is not an aggregate function" }
        if call.filter != nil { problem = "FILTER specified, but \(name) is not an aggregate function" }
        if let problem { throw SQLError(.wrongObjectType, problem, position: at) }
        if call.isVariadic {
            throw SQLError(.featureNotSupported, "VARIADIC arguments are not supported", position: at)
        }
    }

    // MARK: Special forms

    /// Forms that are no functions of the library; nil for everything else.
    private func specialCall(
        _ name: String, _ call: FunctionCall, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr? {
        switch name {
        case "coalesce":
            let bound = try arguments(of: call, scope)
            guard !bound.isEmpty else { return nil }
            let (exprs, type) = try unify(bound, "COALESCE")
            return exprs.count == 1 ? exprs[0] : .coalesce(exprs, type)
        case "greatest", "least":
            let bound = try arguments(of: call, scope)
            guard !bound.isEmpty else { return nil }
            let (exprs, _) = try unify(bound, name.uppercased())
            return exprs.count == 1 ? exprs[0] : try self.call(name, exprs.map { Typed($0, at) }, at)
        case "nullif":
            let bound = try arguments(of: call, scope)
            guard bound.count == 2 else { return nil }
            return try nullIf(bound[0], bound[1], at)
        case "overlaps":
            let bound = try arguments(of: call, scope)
            return bound.count == 4 ? try overlaps(bound, at) : nil
        case "list_value" where call.arguments.isEmpty:
            return .literal(Scalar(.array(.unknown), .array([])))
        case "map" where call.arguments.isEmpty:
            return .literal(Scalar(.map(key: .unknown, value: .unknown), .array([])))
        case "struct_pack": return try structPack(call, at, scope)
        case "row" where call.arguments.allSatisfy { $0.name == nil }:
            return try rowValue(call.arguments.map(\.value), at, scope)
        case "pg_typeof":
            let bound = try arguments(of: call, scope)
            guard bound.count == 1 else { return nil }
            return .literal(.text(bound[0].type.baseName))
        default: return nil
        }
    }

    /// Spans end at a moment, or after an interval.
    private func overlaps(_ bound: [Typed], _ at: Int?) throws(SQLError) -> Expr? {
        var ends = bound
        for index in [1, 3] where bound[index].type == .interval && bound[index - 1].type != .interval {
            ends[index] = Typed(try operation("+", bound[index - 1], bound[index], at), at)
        }
        let (exprs, type) = try unify(ends, "OVERLAPS")
        guard [.date, .time, .timestamp, .timestamptz].contains(type) else { return nil }
        return try macroCall("overlaps", exprs.map { Typed($0, at) }, at)
    }

    private func nullIf(_ value: Typed, _ other: Typed, _ at: Int?) throws(SQLError) -> Expr {
        let equal = try operation("=", value, other, at)
        let result = try settleAsText(value)
        return .conditional([(equal, .literal(.null(result.type)))], otherwise: result, result.type)
    }

    // MARK: Set-returning functions

    static let setReturning: [String: LogicalPlan.Unnest.Function] = [
        "generate_series": .generateSeries, "unnest": .unnest, "regexp_matches": .regexpMatches,
        "regexp_split_to_table": .regexpSplitToTable, "string_to_table": .stringToTable,
        "generate_subscripts": .unnest, "_pg_expandarray": .unnest, "range": .generateSeries, "unlist": .unnest,
    ].merging(jsonSets.keys.map { ($0, .unnest) }) { first, _ in first }

    /// A set-returning call in a select list: rows multiply.
    private func setReturning(
        _ function: LogicalPlan.Unnest.Function, _ name: String, _ call: FunctionCall, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        guard let block = scope.block, block.allowsSetReturning else {
            let place = scope.refused ?? "this context"
            throw SQLError(
                .featureNotSupported, "set-returning functions are not allowed in \(place)", position: at)
        }
        if scope.isInsideAggregate {
            throw SQLError(
                .featureNotSupported, "aggregate function calls cannot contain set-returning function calls",
                hint: "You might be able to move the set-returning function into a LATERAL FROM item.", position: at)
        }
        let (arguments, types) = try setArguments(function, name, try arguments(of: call, scope), at)
        guard types.count == 1, let type = types.first else {
            throw SQLError(
                .featureNotSupported, "\(name) of several arrays is supported in FROM only", position: at)
        }
        if !block.setReturning.isEmpty, !(block.setReturning.allSatisfy { $0.function.isUnnest } && function.isUnnest) {
            // Functions of several kinds run in step as arrays.
            for index in block.setReturning.indices {
                let known = block.setReturning[index]
                guard let array = try series(known.function, known.arguments, known.column.type, at) else { continue }
                (block.setReturning[index].function, block.setReturning[index].arguments) = (.unnest, [array])
            }
            if let array = try series(function, arguments, type, at) {
                let result = column(name, type)
                block.setReturning.append(
                    SelectBlock.SetReturningCall(column: result, function: .unnest, arguments: [array]))
                return .column(result)
            }
        }
        guard block.setReturning.allSatisfy({ $0.function.isUnnest && function.isUnnest }) || block.setReturning.isEmpty
        else {
            throw SQLError(
                .featureNotSupported, "a select list can have several set-returning functions only if all are unnest",
                hint: "Call them in FROM instead.", position: at)
        }
        let result = column(name, type)
        block.setReturning.append(
            SelectBlock.SetReturningCall(column: result, function: function, arguments: arguments))
        return .column(result)
    }

    /// generate_series() over integers as an array; nil for other functions and types.
    private func series(
        _ function: LogicalPlan.Unnest.Function, _ arguments: [Expr], _ type: SQLType, _ at: Int?
    ) throws(SQLError) -> Expr? {
        guard case .generateSeries = function, type == .int4 || type == .int8 else { return nil }
        var bounds: [Typed] = []
        for argument in arguments { bounds.append(Typed(try coerce(Typed(argument, at), to: .int8), at)) }
        return try coerce(Typed(try call("series_array", bounds, at), at), to: .array(type), .explicit)
    }

    /// Brings the arguments of a set-returning function to their types; returns its columns' types.
    func setArguments(
        _ function: LogicalPlan.Unnest.Function, _ name: String, _ bound: [Typed], _ at: Int?
    ) throws(SQLError) -> (arguments: [Expr], types: [SQLType]) {
        let undefined = SQLError(
            .undefinedFunction,
            "function \(name)(\(bound.map(\.type.baseName).joined(separator: ", "))) does not exist",
            hint: "No function matches the given name and argument types. You might need to add explicit type casts.",
            position: at)
        switch function {
        case .generateSeries:
            return try seriesArguments(name == "range" ? try rangeArguments(bound, at) : bound, undefined)
        case .unnest:
            guard !bound.isEmpty || QueryBinder.jsonSets[name]?.arrays == ["pg_listening_list"] else { throw undefined }
            var arrays: [Typed] = []
            if QueryBinder.subscriptSets.contains(name) {
                arrays = try subscriptArrays(name, bound, at)
            } else if let set = QueryBinder.jsonSets[name] {
                arrays = try jsonArrays(set, bound, at)
            } else {
                for argument in bound {
                    guard case .map = argument.type else {
                        arrays.append(try arrayed(argument))
                        continue
                    }
                    // A map gives its keys and its values side by side.
                    for part in ["map_keys", "map_values"] {
                        arrays.append(Typed(try self.call(part, [argument], at), argument.position))
                    }
                }
            }
            var types: [SQLType] = []
            for argument in arrays {
                guard case .array(let element) = argument.type else { throw undefined }
                types.append(element)
            }
            return (arrays.map(\.expr), types)
        case .regexpMatches, .regexpSplitToTable, .stringToTable:
            guard (2...3).contains(bound.count) else { throw undefined }
            var exprs: [Expr] = []
            for argument in bound {
                guard let expr = try tryCoerce(argument, to: .text, .implicit) else { throw undefined }
                exprs.append(expr)
            }
            return (exprs, [function.isMatches ? .array(.text) : .text])
        }
    }

    /// int4, int8, numeric, timestamp or timestamptz; dates count as timestamptz, as in PostgreSQL.
    private func seriesArguments(
        _ bound: [Typed], _ undefined: SQLError
    ) throws(SQLError) -> (arguments: [Expr], types: [SQLType]) {
        guard (2...3).contains(bound.count) else { throw undefined }
        let known = bound.prefix(2).filter { !$0.isOpen }.map(\.type)
        let isTime = known.contains { $0 == .timestamp || $0 == .timestamptz || $0 == .date }
        let type: SQLType
        if isTime {
            guard bound.count == 3 else { throw undefined }
            type = known.allSatisfy { $0 == .timestamp } ? .timestamp : .timestamptz
        } else {
            let all = bound.filter { !$0.isOpen }.map(\.type)
            guard all.allSatisfy({ $0.isInteger || $0.isNumeric }) else { throw undefined }
            type = all.contains { $0.isNumeric } ? .numeric : all.contains(.int8) ? .int8 : .int4
        }
        var exprs: [Expr] = []
        for (index, argument) in bound.enumerated() {
            let target = index == 2 && isTime ? SQLType.interval : type
            guard let expr = try tryCoerce(argument, to: target, .implicit) else { throw undefined }
            exprs.append(expr)
        }
        if exprs.count == 2 { exprs.append(try coerce(Typed(.literal(.int4(1)), nil), to: type)) }
        return (exprs, [type])
    }
}

extension LogicalPlan.Unnest.Function {
    fileprivate var isMatches: Bool { if case .regexpMatches = self { true } else { false } }
    fileprivate var isUnnest: Bool { if case .unnest = self { true } else { false } }
}
