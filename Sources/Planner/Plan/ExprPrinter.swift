// Expressions as SQL text with column names: what EXPLAIN shows and golden files keep.
public import Columns
import Diagnostics
import Functions

/// Names for the columns of one plan, and its expressions in SQL.
///
/// A column keeps its bare name unless another column of the plan has the same one.
public struct PlanNaming: Sendable {
    private var labels: [ColumnID: String] = [:]

    /// Finds names for all columns of a plan.
    public init(_ plan: LogicalPlan) {
        var found: [(column: PlanColumn, alias: String?)] = []
        var seen: ColumnSet = []
        PlanNaming.collect(plan, &found, &seen)
        var uses: [String: Int] = [:]
        for item in found { uses[item.column.name, default: 0] += 1 }
        var taken: [String: Int] = [:]
        for item in found {
            let name = PlanNaming.quoted(item.column.name)
            let base =
                uses[item.column.name] == 1 ? name : item.alias.map { "\(PlanNaming.quoted($0)).\(name)" } ?? name
            taken[base, default: 0] += 1
            let count = taken[base] ?? 1
            labels[item.column.id] = count == 1 ? base : "\(base)#\(count)"
        }
    }

    /// The name of a column, unique in the plan.
    public func name(_ column: PlanColumn) -> String { labels[column.id] ?? PlanNaming.quoted(column.name) }

    /// A sort key: `a DESC NULLS LAST`.
    public func sql(_ key: SortKey) -> String {
        var text = sql(key.expr)
        if key.isDescending { text += " DESC" }
        if key.nullsFirst != key.isDescending { text += key.nullsFirst ? " NULLS FIRST" : " NULLS LAST" }
        return text
    }

    /// An aggregate with DISTINCT, ORDER BY and FILTER.
    public func sql(_ call: AggregateCall, subplan: (LogicalPlan) -> String = { _ in "(subquery)" }) -> String {
        func text(_ expr: Expr) -> String { sql(expr, subplan: subplan) }
        var inner = call.arguments.map(text).joined(separator: ", ")
        if call.arguments.isEmpty { inner = call.function.name == "count" ? "*" : "" }
        if call.isDistinct { inner = "DISTINCT " + inner }
        if !call.order.isEmpty { inner += " ORDER BY " + call.order.map { sql($0) }.joined(separator: ", ") }
        return "\(call.function.name)(\(inner))" + (call.filter.map { " FILTER (WHERE \(text($0)))" } ?? "")
    }

    /// A window call without its OVER clause.
    public func sql(_ call: WindowCall, subplan: (LogicalPlan) -> String = { _ in "(subquery)" }) -> String {
        func text(_ expr: Expr) -> String { sql(expr, subplan: subplan) }
        let name: String
        switch call.function {
        case .window(let kind, _): name = kind.rawValue
        case .aggregate(let aggregate): name = aggregate.name
        }
        var inner = call.arguments.map(text).joined(separator: ", ")
        if call.arguments.isEmpty, name == "count" { inner = "*" }
        var result = "\(name)(\(inner))"
        if call.ignoresNulls { result += " IGNORE NULLS" }
        if let filter = call.filter { result += " FILTER (WHERE \(text(filter)))" }
        return result + frame(call.frame)
    }

    /// An expression. `subplan` numbers the plans of subqueries.
    public func sql(_ expr: Expr, subplan: (LogicalPlan) -> String = { _ in "(subquery)" }) -> String {
        func inner(_ expr: Expr) -> String { sql(expr, subplan: subplan) }
        func list(_ exprs: [Expr]) -> String { exprs.map(inner).joined(separator: ", ") }
        switch expr {
        case .column(let column): return name(column)
        case .literal(let scalar): return PlanNaming.literal(scalar)
        case .parameter(let index, _): return "$\(index + 1)"
        case .call(let function, let arguments): return call(function, arguments.map(inner))
        case .and(let operands): return "(" + operands.map(inner).joined(separator: " AND ") + ")"
        case .or(let operands): return "(" + operands.map(inner).joined(separator: " OR ") + ")"
        case .not(.isNull(let operand)): return "(\(inner(operand)) IS NOT NULL)"
        case .not(.notDistinct(let left, let right)): return "(\(inner(left)) IS DISTINCT FROM \(inner(right)))"
        case .not(let operand): return "(NOT \(inner(operand)))"
        case .isNull(let operand): return "(\(inner(operand)) IS NULL)"
        case .notDistinct(let left, let right): return "(\(inner(left)) IS NOT DISTINCT FROM \(inner(right)))"
        case .conditional(let branches, let otherwise, _):
            let whens = branches.map { "WHEN \(inner($0.when)) THEN \(inner($0.then))" }
            return "CASE \(whens.joined(separator: " ")) ELSE \(inner(otherwise)) END"
        case .coalesce(let operands, _): return "COALESCE(\(list(operands)))"
        case .inList(let operand, let items): return "(\(inner(operand)) IN (\(list(items))))"
        case .subquery(let subquery):
            let plan = subplan(subquery.plan)
            switch subquery.kind {
            case .scalar: return plan
            case .exists: return "EXISTS\(plan)"
            case .any(let pairs): return "(\(comparison(pairs, inner)) ANY \(plan))"
            case .all(let pairs): return "(\(comparison(pairs, inner)) ALL \(plan))"
            }
        }
    }

    private func comparison(
        _ pairs: [(operand: Expr, comparison: BoundFunction, column: PlanColumn)], _ inner: (Expr) -> String
    ) -> String {
        let symbol = pairs.first?.comparison.name ?? "="
        let operands = pairs.map { inner($0.operand) }.joined(separator: ", ")
        return (pairs.count == 1 ? operands : "(\(operands))") + " \(symbol)"
    }

    private func call(_ function: BoundFunction, _ arguments: [String]) -> String {
        if function.name == "cast" || function.name == "try_cast", let operand = arguments.first {
            return function.name == "cast"
                ? "\(operand)::\(function.resultType.name)" : "TRY_CAST(\(operand) AS \(function.resultType.name))"
        }
        let isOperator = function.name.unicodeScalars.allSatisfy { "+-*/<>=~!@#%^&|`?".unicodeScalars.contains($0) }
        let isWord = PlanNaming.infixWords.contains(function.name.lowercased())
        if isOperator || isWord {
            let symbol = isWord ? function.name.uppercased() : function.name
            if arguments.count == 2 { return "(\(arguments[0]) \(symbol) \(arguments[1]))" }
            if arguments.count == 1 { return "(\(symbol) \(arguments[0]))" }
        }
        return "\(function.name)(\(arguments.joined(separator: ", ")))"
    }

    private func frame(_ frame: WindowFrame) -> String {
        if case .unboundedPreceding = frame.start, case .currentRow = frame.end, frame.mode == .range,
            frame.exclusion == .noOthers
        {
            return ""
        }
        let mode =
            switch frame.mode {
            case .rows: "ROWS"
            case .range: "RANGE"
            case .groups: "GROUPS"
            }
        let exclusion =
            switch frame.exclusion {
            case .noOthers: ""
            case .currentRow: " EXCLUDE CURRENT ROW"
            case .group: " EXCLUDE GROUP"
            case .ties: " EXCLUDE TIES"
            }
        return " \(mode) BETWEEN \(bound(frame.start)) AND \(bound(frame.end))\(exclusion)"
    }

    private func bound(_ bound: WindowFrame.Bound) -> String {
        switch bound {
        case .unboundedPreceding: "UNBOUNDED PRECEDING"
        case .preceding(let expr): "\(sql(expr)) PRECEDING"
        case .currentRow: "CURRENT ROW"
        case .following(let expr): "\(sql(expr)) FOLLOWING"
        case .unboundedFollowing: "UNBOUNDED FOLLOWING"
        }
    }

    /// A value as SQL: numbers and booleans bare, text quoted, other types quoted with their type.
    public static func literal(_ scalar: Scalar) -> String {
        switch scalar.value {
        case .null: return scalar.type == .unknown || scalar.type == .text ? "NULL" : "NULL::\(scalar.type.name)"
        case .bool(let flag): return flag ? "true" : "false"
        case .string(let text): return textLiteral(text, scalar.type)
        case .int(let number) where scalar.type == .int4: return "\(number)"
        case .int(let number) where scalar.type.isInteger: return "\(number)::\(scalar.type.name)"
        default:
            guard let text = rendered(scalar) else { return "?::\(scalar.type.name)" }
            if scalar.type.isNumeric { return text }
            return textLiteral(text, scalar.type)
        }
    }

    /// Folded with the cast to text, so that literals read as PostgreSQL prints values.
    private static func rendered(_ scalar: Scalar) -> String? {
        guard let cast = FunctionRegistry.cast(from: scalar.type, to: .text, context: .explicit),
            let result = try? ConstantFold.call(cast, [scalar], FunctionContext()),
            case .string(let text) = result.value
        else { return nil }
        return text
    }

    private static func textLiteral(_ text: String, _ type: SQLType) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            escaped.unicodeScalars.append(character)
            if character == "'" { escaped.unicodeScalars.append(character) }
        }
        return type == .text || type == .unknown ? "'\(escaped)'" : "'\(escaped)'::\(type.name)"
    }

    static func quoted(_ name: String) -> String {
        let plain = name.unicodeScalars.enumerated().allSatisfy { index, scalar in
            switch scalar {
            case "a"..."z", "_": true
            case "0"..."9", "$": index > 0
            default: false
            }
        }
        if plain && !name.isEmpty || name.hasPrefix("?") { return name }
        return "\"\(name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
    }

    private static let infixWords: Set<String> = [
        "like", "ilike", "not like", "not ilike", "similar to", "overlaps",
    ]

    private static func collect(
        _ plan: LogicalPlan, _ found: inout [(column: PlanColumn, alias: String?)], _ seen: inout ColumnSet
    ) {
        for input in plan.inputs { collect(input, &found, &seen) }
        for expr in plan.expressions { collect(expr, &found, &seen) }
        if case .scan(let scan) = plan {
            for (column, _) in scan.columns where seen.insert(column.id).inserted {
                found.append((column, scan.alias))
            }
            return
        }
        var alias: String?
        if case .cteScan(let scan) = plan { alias = scan.name }
        for column in plan.columns where seen.insert(column.id).inserted { found.append((column, alias)) }
    }

    private static func collect(
        _ expr: Expr, _ found: inout [(column: PlanColumn, alias: String?)], _ seen: inout ColumnSet
    ) {
        for operand in expr.operands { collect(operand, &found, &seen) }
        if case .subquery(let subquery) = expr { collect(subquery.plan, &found, &seen) }
    }
}
