// JSON in queries: rows as JSON, functions that return sets of JSON, json_to_record with its column definitions.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    // MARK: Rows as JSON

    /// Functions that take a row: `to_json(t)`, `json_agg(ROW(1, 2))`.
    private static let rowTakers: Set<String> = [
        "row_to_json", "to_json", "to_jsonb", "json_agg", "jsonb_agg", "json_build_array", "jsonb_build_array",
        "json_build_object", "jsonb_build_object", "json_object_agg", "jsonb_object_agg",
    ]

    /// The call with its rows written as calls of `json_row`, which makes an object of names and values.
    func withRowsAsJSON(_ call: FunctionCall, _ scope: Scope) throws(SQLError) -> FunctionCall {
        let name = call.name.last
        guard QueryBinder.rowTakers.contains(name) else { return call }
        var call = call
        var isPretty = false
        if name == "row_to_json", call.arguments.count == 2, case .boolean(let flag) = call.arguments[1].value.node {
            isPretty = flag
            call.arguments.removeLast()
        }
        var hasRow = false
        for (index, argument) in call.arguments.enumerated() {
            guard let row = rowMembers(argument.value, scope) else { continue }
            hasRow = true
            let made = FunctionCall(
                name: renamed(call.name, isPretty ? "json_row_pretty" : "json_row"),
                arguments: row.map { FunctionCall.Argument(value: $0) })
            let place = argument.value.position
            let object = Expression(.call(made), position: place)
            call.arguments[index].value =
                missing(argument.value, scope).map { condition in
                    let branch = Expression.Branch(when: condition, then: Expression(.null, position: place))
                    return Expression(
                        .conditional(operand: nil, branches: [branch], otherwise: object), position: place)
                } ?? object
        }
        guard hasRow else { return call }
        if name == "row_to_json" { call.name = renamed(call.name, "to_json") }
        if name == "json_agg" || name == "jsonb_agg" { call.name = renamed(call.name, name + "_row") }
        return call
    }

    private func renamed(_ name: QualifiedName, _ last: String) -> QualifiedName {
        let position = name.parts.last?.position ?? 0
        return QualifiedName([Identifier(last, position: position)], position: name.position)
    }

    /// Whether an outer join found no row for `t` or `t.*`; nil where there always is one.
    private func missing(_ expr: Expression, _ scope: Scope) -> Expression? {
        let table: Identifier?
        switch expr.node {
        case .column(let name): table = name.parts.last
        case .star(let star): table = star.qualifier?.parts.last
        default: table = nil
        }
        guard let table, let (item, _, _) = scope.item(table.value, schema: nil), item.mayBeMissing else { return nil }
        let present = item.columns.first { column in
            if case .column(let known) = column.expr { !known.isNullable } else { false }
        }
        let tests = (present.map { [$0] } ?? item.columns.filter { !$0.isHidden }).map { column in
            let name = QualifiedName(
                [table, Identifier(column.name, position: expr.position)], position: expr.position)
            return Expression(
                .isTest(Expression(.column(name), position: expr.position), .null, negated: false),
                position: expr.position)
        }
        return tests.count == 1 ? tests.first : Expression(.and(tests), position: expr.position)
    }

    /// Names and values in turn of ROW(...), of `t`, or of `t.*`; nil for anything else.
    private func rowMembers(_ expr: Expression, _ scope: Scope) -> [Expression]? {
        switch expr.node {
        case .row(let items):
            return items.enumerated().flatMap { index, item in
                [Expression(.string("f\(index + 1)"), position: item.position), item]
            }
        case .column(let name) where name.parts.count == 1:
            guard case .nothing = scope.find(name.last), scope.block?.aliases[name.last] == nil else { return nil }
            return members(of: name.last, expr.position, scope)
        case .star(let star):
            guard let table = star.qualifier, table.parts.count == 1 else { return nil }
            return members(of: table.last, expr.position, scope)
        default: return nil
        }
    }

    private func members(of table: String, _ at: Int, _ scope: Scope) -> [Expression]? {
        guard let (item, _, isAmbiguous) = scope.item(table, schema: nil), !isAmbiguous, !item.isScalar else {
            return nil
        }
        return item.columns.filter { !$0.isHidden }.flatMap { column in
            let name = QualifiedName(
                [Identifier(table, position: at), Identifier(column.name, position: at)], position: at)
            return [Expression(.string(column.name), position: at), Expression(.column(name), position: at)]
        }
    }

    /// Aggregates know no time zone: moments come to them as JSON.
    func asJSONArguments(_ arguments: [Typed], _ name: String) throws(SQLError) -> [Typed] {
        guard name.hasPrefix("json") else { return arguments }
        var result: [Typed] = []
        for argument in arguments {
            guard argument.type == .timestamptz || argument.type == .array(.timestamptz) else {
                result.append(argument)
                continue
            }
            result.append(Typed(try call("to_json", [argument], argument.position), argument.position))
        }
        return result
    }

    // MARK: Equality and order

    /// json has no equality: two texts may mean the same.
    func checkEquality(_ type: SQLType, _ at: Int?) throws(SQLError) {
        guard type == .json else { return }
        throw SQLError(.undefinedFunction, "could not identify an equality operator for type json", position: at)
    }

    /// Sort keys as what is compared: jsonb sorts by a key of bytes.
    func comparable(_ keys: [SortKey]) throws(SQLError) -> [SortKey] {
        var result = keys
        for index in result.indices where result[index].expr.type == .jsonb {
            result[index].expr = try call("jsonb_order_key", [Typed(result[index].expr, nil)], nil)
        }
        return result
    }

    // MARK: Sets

    /// A set-returning function over JSON: unnest() of what scalar functions make arrays of.
    struct JSONSet {
        /// Functions that give the arrays, of one length.
        var arrays: [String]
        /// What its columns are named; nil when its alias names it.
        var columns: [String]?
    }

    static let jsonSets: [String: JSONSet] = {
        var sets: [String: JSONSet] = [:]
        for type in ["json", "jsonb"] {
            for name in ["\(type)_array_elements", "\(type)_array_elements_text"] {
                sets[name] = JSONSet(arrays: [name], columns: ["value"])
            }
            sets["\(type)_object_keys"] = JSONSet(arrays: ["\(type)_object_keys"])
            for (name, values) in [("each", "each_values"), ("each_text", "each_text_values")] {
                sets["\(type)_\(name)"] = JSONSet(
                    arrays: ["\(type)_each_keys", "\(type)_\(values)"], columns: ["key", "value"])
            }
        }
        sets["pg_options_to_table"] = JSONSet(
            arrays: ["pg_option_names", "pg_option_values"], columns: ["option_name", "option_value"])
        sets["aclexplode"] = JSONSet(
            arrays: ["acl_grantors", "acl_grantees", "acl_privileges", "acl_grantables"],
            columns: ["grantor", "grantee", "privilege_type", "is_grantable"])
        sets["pg_listening_channels"] = JSONSet(arrays: ["pg_listening_list"])
        sets["jsonb_path_query"] = JSONSet(arrays: ["jsonb_path_query"])
        sets["jsonb_path_query_tz"] = JSONSet(arrays: ["jsonb_path_query"])
        return sets
    }()

    /// The arrays that a set-returning function over JSON is unnest() of.
    func jsonArrays(_ set: JSONSet, _ bound: [Typed], _ at: Int?) throws(SQLError) -> [Typed] {
        var arrays: [Typed] = []
        for name in set.arrays { arrays.append(Typed(try call(name, bound, at), at)) }
        return arrays
    }

    // MARK: Records

    private static let recordFunctions: [String: String] = [
        "json_to_record": "json_record_list", "jsonb_to_record": "jsonb_record_list",
        "json_to_recordset": "json_recordset_list", "jsonb_to_recordset": "jsonb_recordset_list",
    ]

    /// `json_to_record(j) AS t(a integer, b text)`; nil for other functions.
    func recordTable(
        _ call: FunctionCall, _ withOrdinality: Bool, _ alias: TableAlias?, _ at: Int?, _ lateral: Scope,
        _ leftPlan: LogicalPlan?
    ) throws(SQLError) -> FromItem? {
        guard let function = QueryBinder.recordFunctions[call.name.last] else { return nil }
        guard let alias, !alias.types.isEmpty, alias.types.count == alias.columns.count else {
            throw SQLError(
                .syntaxError, "a column definition list is required for functions returning \"record\"", position: at)
        }
        let name = call.name.last
        let callPosition = position(call.name.position)
        let (objects, used) = try collectingScopes { () throws(SQLError) -> Typed in
            Typed(try self.call(function, try arguments(of: call, lateral), callPosition), callPosition)
        }
        guard case .array(let type) = objects.type else {
            throw SQLError(.internalError, "\(function) gave no array", position: at)
        }
        let usesLeft = used.contains { $0 === lateral }
        let input = usesLeft ? leftPlan : nil
        let object = column("value", type)
        let ordinality = withOrdinality ? column("ordinality", .int8, isNullable: false) : nil
        let plan = LogicalPlan.unnest(
            LogicalPlan.Unnest(
                input: input ?? QueryBinder.oneRow, function: .unnest, arguments: [objects.expr], columns: [object],
                ordinality: ordinality))
        var outputs = (input?.columns ?? []).map { LogicalPlan.Output($0, .column($0)) }
        var columns: [PlanColumn] = []
        for (identifier, typeName) in zip(alias.columns, alias.types) {
            let target = try TypeNames.type(typeName, snapshot.types)
            let value = try recordField(Typed(.column(object), at), identifier.value, target, at)
            let made = column(identifier.value, target)
            columns.append(made)
            outputs.append(LogicalPlan.Output(made, value))
        }
        if let ordinality {
            columns.append(ordinality)
            outputs.append(LogicalPlan.Output(ordinality, .column(ordinality)))
        }
        var item = Scope.Item(name: name, columns: itemColumns(columns))
        item.name = alias.name.value
        return FromItem(
            plan: .project(plan, outputs), items: [item], isLateral: usesLeft && input == nil,
            containsLeft: input != nil)
    }

    /// A member of an object as a value of a type, as json_populate_record converts it.
    private func recordField(
        _ object: Typed, _ key: String, _ target: SQLType, _ at: Int?
    ) throws(SQLError) -> Expr {
        let name = Typed(.literal(.text(key)), at)
        switch target {
        case .json, .jsonb:
            return try coerce(Typed(try call("json_record_value", [object, name], at), at), to: target, .explicit)
        case .array:
            let texts = Typed(try call("json_record_texts", [object, name], at), at)
            return try coerce(texts, to: target, .explicit)
        default:
            let text = Typed(try call("json_record_text", [object, name], at), at)
            return target == .text ? text.expr : try coerce(text, to: target, .explicit)
        }
    }
}
