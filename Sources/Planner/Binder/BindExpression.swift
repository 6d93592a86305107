// Expressions: names, literals, casts and the forms that have nodes of their own.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    /// Binds an expression in a scope.
    func bind(_ expr: Expression, _ scope: Scope) throws(SQLError) -> Typed {
        try PlanContext.checkGivenUp()
        expressionDepth += 1
        defer { expressionDepth -= 1 }
        guard expressionDepth <= QueryBinder.expressionDepthMax else {
            throw SQLError(.statementTooComplex, "expression is nested too deeply", position: position(expr.position))
        }
        let at = position(expr.position)
        if let simple = try bindSimple(expr, at, scope) { return Typed(simple, at) }
        return Typed(try bindOperator(expr, at, scope), at)
    }

    /// Names, literals, calls and casts; nil for what ``bindOperator(_:_:_:)`` takes.
    private func bindSimple(_ expr: Expression, _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr? {
        switch expr.node {
        case .integer(let digits): return try number(digits, at)
        case .decimal(let digits): return try number(digits, at)
        case .string(let text): return .literal(Scalar(.unknown, .string(text)))
        case .boolean(let flag): return .literal(.boolean(flag))
        case .null: return .literal(.null(.unknown))
        case .typedLiteral(let name, let text): return try typedLiteral(name, text, at).expr
        case .parameter(let number):
            if let arguments = functionArguments.last {
                guard number >= 1, number <= arguments.count else {
                    throw SQLError(.undefinedParameter, "there is no parameter $\(number)")
                }
                return arguments[number - 1].expr
            }
            return try parameter(number, at)
        case .column(let name): return try columnReference(name, scope)
        case .star(let star) where star.qualifier != nil && star.isPlain:
            guard let table = star.qualifier else { return nil }
            return try columnReference(table, scope)
        case .star:
            throw SQLError(.featureNotSupported, "row expansion via \"*\" is not supported here", position: at)
        case .cast(let operand, let name, let isTry): return try cast(operand, name, isTry: isTry, at, scope)
        case .call(let call): return try bindCall(call, at, scope)
        case .special(let name, let precision): return try special(name, precision, at)
        case .grouping(let arguments): return try grouping(arguments, at, scope)
        case .collate(let operand, let name): return try collate(operand, name, scope)
        case .exists(let query):
            return .subquery(Expr.Subquery(kind: .exists, plan: try subquery(query, in: scope)))
        case .scalarQuery(let query): return try scalarQuery(query, at, scope)
        case .arrayQuery(let query): return try arrayQuery(query, at, scope)
        case .row(let items): return try rowValue(items, at, scope)
        case .lambda:
            throw SQLError(.featureNotSupported, "a lambda is an argument of functions over lists only", position: at)
        case .field(let value, let name): return try field(name.value, of: try bind(value, scope), at)
        default: return nil
        }
    }

    // MARK: Literals

    /// A number as PostgreSQL types it: integer, bigint, else numeric; with all its digits.
    func number(_ digits: String, isNegative: Bool = false, _ at: Int?) throws(SQLError) -> Expr {
        let text = isNegative ? "-" + digits : digits
        if let value = Int64(text) {
            return .literal(Int32(exactly: value).map { Scalar.int4($0) } ?? .int8(value))
        }
        if let scalar = QueryBinder.decimal(digits, isNegative: isNegative) { return .literal(scalar) }
        return try coerce(Typed(.literal(Scalar(.unknown, .string(text))), at), to: .numeric, .explicit)
    }

    /// A plain decimal literal as a fixed decimal of exactly its digits; nil for exponents and beyond 38 digits.
    private static func decimal(_ text: String, isNegative: Bool) -> Scalar? {
        var mantissa: Int128 = 0
        var digits = 0
        var scale = 0
        var sawPoint = false
        for byte in text.utf8 {
            if byte == UInt8(ascii: "."), !sawPoint {
                sawPoint = true
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            if digits > 0 || byte != UInt8(ascii: "0") { digits += 1 }
            if sawPoint { scale += 1 }
            guard digits <= SQLType.precisionMax, scale <= SQLType.precisionMax else { return nil }
            mantissa = mantissa * 10 + Int128(byte - UInt8(ascii: "0"))
        }
        let type = SQLType.decimal(precision: max(digits, scale, 1), scale: scale)
        return Scalar(type, .int128(isNegative ? -mantissa : mantissa))
    }

    private func parameter(_ number: Int, _ at: Int?) throws(SQLError) -> Expr {
        guard number >= 1, number <= QueryBinder.parametersMax else {
            throw SQLError(.undefinedParameter, "there is no parameter $\(number)", position: at)
        }
        while parameters.count < number { parameters.append(.unknown) }
        return .parameter(number - 1, parameters[number - 1])
    }

    // MARK: Columns

    private func columnReference(_ name: QualifiedName, _ scope: Scope) throws(SQLError) -> Expr {
        let at = position(name.position)
        let column = name.last
        if name.parts.count == 1 {
            switch scope.find(column) {
            case .column(let expr, let found, let source):
                note(source)
                return use(expr, at, found)
            case .ambiguous:
                throw SQLError(.ambiguousColumn, "column reference \"\(column)\" is ambiguous", position: at)
            case .nothing: break
            }
            if let alias = scope.block?.aliases[column] { return alias }
            if column == "tableoid", scope.items.count == 1, let expr = try tableNumber(scope.items[0], at) {
                return expr
            }
            if let (item, found, isAmbiguous) = scope.item(column, schema: nil), !isAmbiguous {
                if item.isScalar, let value = item.columns.first { return use(value.expr, at, found) }
                return wholeRow(item, found, at)
            }
            throw missing("column \"\(column)\" does not exist", column, nil, at, scope)
        }
        let parts = name.parts.map(\.value)
        let table = parts[parts.count - 2]
        let schema = parts.count > 2 ? parts[parts.count - 3] : nil
        guard let (item, found, isAmbiguous) = scope.item(table, schema: schema) else {
            if let expr = try fieldPath(name, scope) { return expr }
            guard parts.count <= QueryBinder.namePartsMax else {
                throw SQLError(
                    .syntaxError, "improper qualified name (too many dotted names): \(name.text)", position: at)
            }
            throw missingTable(parts.dropLast().joined(separator: "."), at, scope)
        }
        guard !isAmbiguous else {
            throw SQLError(SQLState("42P09"), "table reference \"\(table)\" is ambiguous", position: at)
        }
        // A column that the table hides gives way to its others.
        let named = item.columns.filter { $0.name == column }
        let matches = named.contains { !$0.isHidden } ? named.filter { !$0.isHidden } : named
        if matches.isEmpty, column == "tableoid", let expr = try tableNumber(item, at) { return expr }
        guard let first = matches.first else {
            if let expr = try fieldPath(name, scope) { return expr }
            throw missing("column \(table).\(column) does not exist", column, table, at, scope)
        }
        guard matches.count == 1 else {
            throw SQLError(.ambiguousColumn, "column reference \"\(column)\" is ambiguous", position: at)
        }
        note(first.source)
        return use(first.expr, at, found)
    }

    /// Database, schema, table, column.
    private static let namePartsMax = 4

    private func missing(
        _ message: String, _ column: String, _ qualifier: String?, _ at: Int?, _ scope: Scope
    ) -> SQLError {
        let names = scope.suggestions(for: column, qualifier: qualifier).map { "\"\($0)\"" }
        var hint: String?
        if names.count == 1 { hint = "Perhaps you meant to reference the column \(names[0])." }
        if names.count == 2 {
            hint = "Perhaps you meant to reference the column \(names[0]) or the column \(names[1])."
        }
        return SQLError(.undefinedColumn, message, hint: hint, position: at)
    }

    func missingTable(_ name: String, _ at: Int?, _ scope: Scope) -> SQLError {
        var current: Scope? = scope
        while let here = current {
            if let item = here.items.first(where: { $0.table == name && $0.name != name }), let alias = item.name {
                return SQLError(
                    .undefinedTable, "invalid reference to FROM-clause entry for table \"\(name)\"",
                    hint: "Perhaps you meant to reference the table alias \"\(alias)\".", position: at)
            }
            if here.unreachable.contains(name) {
                return SQLError(
                    .undefinedTable, "invalid reference to FROM-clause entry for table \"\(name)\"",
                    detail: "There is an entry for table \"\(name)\", but it cannot be referenced from this part of "
                        + "the query.",
                    hint: here.isLateralAdvised
                        ? "To reference that table, you must mark this subquery with LATERAL." : nil, position: at)
            }
            current = here.outer
        }
        return SQLError(.undefinedTable, "missing FROM-clause entry for table \"\(name)\"", position: at)
    }

    /// Notes that a column is used, for aggregates' levels and the check of ungrouped columns.
    func use(_ expr: Expr, _ at: Int?, _ scope: Scope) -> Expr {
        noteUse(of: scope)
        if let block = scope.block, !scope.isInsideAggregate {
            if case .column(let column) = expr { block.uses.append((column.id, at)) }
        }
        return expr
    }

    // MARK: Casts

    private func cast(
        _ operand: Expression, _ name: TypeName, isTry: Bool, _ at: Int?, _ scope: Scope
    ) throws(SQLError) -> Expr {
        var target: SQLType
        do throws(SQLError) { target = try TypeNames.type(name, snapshot.types) } catch { throw moved(error) }
        if case .array(let items) = operand.node, items.isEmpty, case .array = target {
            return .literal(Scalar(target, .array([])))
        }
        let typed = try bind(operand, scope)
        if case .numeric = target, case .decimal = typed.type { target = typed.type }
        target = QueryBinder.deepened(target, for: typed)
        if isTry { return try tryCast(typed, target, at) }
        guard let expr = try tryCoerce(typed, to: target, .explicit) else {
            throw SQLError(
                .cannotCoerce, "cannot cast type \(typed.type.baseName) to \(target.baseName)", position: at)
        }
        return try rounded(expr, name, at)
    }

    /// int[] says nothing of dimensions (PostgreSQL docs 8.15.1): the value has as many as it has.
    private static func deepened(_ target: SQLType, for typed: Typed) -> SQLType {
        guard case .array(let element) = target, element.arrayDepth == 0 else { return target }
        var depth = typed.type.arrayDepth
        if typed.type == .unknown, case .string(let text)? = typed.literal?.value {
            depth = text.drop { $0.isWhitespace }.prefix { $0 == "{" }.count
        }
        return (1..<max(1, min(depth, arrayDepthMax))).reduce(target) { (type, _) in .array(type) }
    }

    /// Dimensions of an array, as in PostgreSQL.
    private static let arrayDepthMax = 6

    /// TRY_CAST gives NULL for a bad value.
    private func tryCast(_ typed: Typed, _ target: SQLType, _ at: Int?) throws(SQLError) -> Expr {
        if typed.type == target { return typed.expr }
        let operand = typed.isOpen ? Typed(try coerce(typed, to: .text), typed.position) : typed
        guard
            let cast = FunctionRegistry.cast(from: operand.type, to: target, context: .explicit, isTry: true)
        else {
            throw SQLError(
                .cannotCoerce, "cannot cast type \(operand.type.baseName) to \(target.baseName)", position: at)
        }
        return .call(cast, [operand.expr])
    }

    private func moved(_ error: SQLError) -> SQLError {
        var copy = error
        copy.position = position(error.position)
        return copy
    }

    // MARK: Special forms

    /// current_date, current_timestamp(3), user.
    private func special(_ name: String, _ precision: Int?, _ at: Int?) throws(SQLError) -> Expr {
        if name == "default" {
            throw SQLError(.syntaxError, "DEFAULT is not allowed in this context", position: at)
        }
        let expr = try call(QueryBinder.specialFunctions[name] ?? name, [], at)
        guard let precision else { return expr }
        return try rounded(expr, TypeName("timestamptz", modifiers: [precision], position: at ?? 0), at)
    }

    private static let specialFunctions: [String: String] = [
        "current_role": "current_user", "current_catalog": "current_database", "user": "current_user",
    ]

    /// All text is ordered by its bytes: only collations that say so are accepted.
    private func collate(_ operand: Expression, _ name: QualifiedName, _ scope: Scope) throws(SQLError) -> Expr {
        let at = position(name.position)
        guard ["c", "posix", "default", "ucs_basic", "c.utf-8", "c.utf8"].contains(name.last.lowercased()) else {
            throw SQLError(
                .undefinedObject, "collation \"\(name.text)\" for encoding \"UTF8\" does not exist", position: at)
        }
        let typed = try bind(operand, scope)
        guard typed.type.isText else {
            throw SQLError(
                .datatypeMismatch, "collations are not supported by type \(typed.type.baseName)", position: at)
        }
        return typed.expr
    }
}
