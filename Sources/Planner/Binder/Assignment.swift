// Values on their way into a table's columns: assignment casts as PostgreSQL makes them, and defaults.
public import Catalogs
public import Columns
import Diagnostics
import Functions
import Syntax

extension WritableTable {
    /// The type that a column was declared with: a format may keep it in a wider one.
    public func declaredType(of field: Field, _ types: UserTypes = UserTypes()) -> SQLType {
        guard let text = properties[TableProperty.declaredType(of: field.name)], let name = UserTypes.name(text),
            let type = try? TypeNames.type(name, types)
        else { return field.type }
        return type
    }

    /// Precision and scale of a column declared with more digits than fixed decimals have: it is kept as text.
    func wideNumeric(of column: String) -> (precision: Int, scale: Int)? {
        guard let text = properties[TableProperty.declaredType(of: column)],
            case .cast(_, let name, _)? = try? Parser.parseExpression("NULL::\(text)").node
        else { return nil }
        return TypeNames.wideNumeric(name)
    }

    /// "always" or "default" for an identity column.
    func identity(of column: String) -> String? { properties[TableProperty.identity(of: column)] }

    /// The columns with their declared types: what values have to fit.
    func declaredFields(_ types: UserTypes = UserTypes()) -> [Field] {
        schema.fields.map { Field($0.name, declaredType(of: $0, types), isNullable: $0.isNullable) }
    }
}

extension QueryBinder {
    /// Gives the columns of a scan the types that they were declared with, where the format keeps them in others.
    func asDeclared(_ scan: LogicalPlan, _ fields: [Field]) -> LogicalPlan {
        var outputs: [LogicalPlan.Output] = []
        var hasOthers = false
        for (index, old) in scan.columns.enumerated() {
            guard index < fields.count, let expr = declared(old, fields[index].type) else {
                outputs.append(LogicalPlan.Output(old, .column(old)))
                continue
            }
            outputs.append(LogicalPlan.Output(column(old.name, expr.type, isNullable: old.isNullable), expr))
            hasOthers = true
        }
        return hasOthers ? .project(scan, outputs) : scan
    }

    /// nil when the column is what it was declared to be.
    private func declared(_ column: PlanColumn, _ type: SQLType) -> Expr? {
        guard column.type != type, column.type != type.withoutModifier || column.type == .text,
            let cast = FunctionRegistry.cast(from: column.type, to: type, context: .explicit)
        else { return nil }
        if case .varchar = type { return nil }
        let value = Expr.call(cast, [.column(column)])
        // Digits that only the column's scale has brought.
        return type == .numeric && !column.type.isText
            ? (try? call("trim_scale", [Typed(value, nil)], nil)) ?? value : value
    }

    /// Converts an expression to the type of the column that it is assigned to.
    func assign(_ typed: Typed, to field: Field) throws(SQLError) -> Expr {
        if let expr = try assigned(typed, field.type) { return expr }
        throw SQLError(
            .datatypeMismatch,
            "column \"\(field.name)\" is of type \(field.type.baseName) but expression is of type \(typed.type.baseName)",
            hint: "You will need to rewrite or cast the expression.", position: typed.position)
    }

    /// nil when no assignment cast exists.
    private func assigned(_ typed: Typed, _ target: SQLType) throws(SQLError) -> Expr? {
        if typed.type == target { return typed.expr }
        switch typed.expr {
        case .parameter(let index, .unknown):
            let settled = try settle(index, target, typed.position)
            return try assigned(Typed(.parameter(index, settled), typed.position), target)
        case .literal(let scalar) where scalar.type == .unknown:
            if scalar.isNull { return .literal(.null(target)) }
            // Text is read as the plain type, and then fitted: too long a string is an error, not cut.
            let plain = target.withoutModifier
            guard let read = try tryCoerce(typed, to: plain, .implicit) else { return nil }
            return plain == target ? read : try assigned(Typed(read, typed.position), target)
        default: break
        }
        if typed.type == .unknown {
            guard let cast = untypedCast(to: target) else { return nil }
            return .call(cast, [typed.expr])
        }
        // Literals inside structs and arrays become what the target wants.
        if target.isNested, case .call = typed.expr, let made = try tryCoerce(typed, to: target, .assignment) {
            return made
        }
        guard let cast = FunctionRegistry.cast(from: typed.type, to: target, context: .assignment) else { return nil }
        if let scalar = typed.literal, cast.volatility == .immutable {
            return .literal(try fold(cast, scalar, typed.position))
        }
        return .call(cast, [typed.expr])
    }

    /// A column's default: its DEFAULT, or NULL.
    func defaultValue(of field: Field, in table: any WritableTable) throws(SQLError) -> Expr {
        guard let text = table.properties[TableProperty.defaultValue(of: field.name)] else {
            return .literal(.null(field.type))
        }
        return try defaultValue(try Parser.parseExpression(text), of: field)
    }

    /// Binds a DEFAULT: positions in its text mean nothing to the client.
    func defaultValue(_ expression: Expression, of field: Field) throws(SQLError) -> Expr {
        views.append(ViewFrame(name: "", ref: nil, searchPath: []))
        defer { views.removeLast() }
        let scope = Scope(outer: nil, ctes: nil)
        scope.refused = "DEFAULT expressions"
        let typed = try bind(expression, scope)
        guard !typed.expr.hasSubquery else {
            throw SQLError(.featureNotSupported, "cannot use subquery in DEFAULT expression")
        }
        return try assign(typed, to: field)
    }

    /// Binds a value of VALUES or SET: DEFAULT stands for the column's.
    func value(
        _ expression: Expression, for field: Field, in table: any WritableTable, _ scope: Scope
    ) throws(SQLError) -> Expr {
        if expression.isDefault { return try defaultValue(of: field, in: table) }
        return try assign(try bind(expression, scope), to: field)
    }

    /// Brings a query's outputs to the types of the columns that they are assigned to.
    func assign(_ rows: BoundRows, to fields: [Field]) throws(SQLError) -> LogicalPlan {
        try assign(rows.plan, rows.positions, fields)
    }

    private func assign(_ plan: LogicalPlan, _ positions: [Int?], _ fields: [Field]) throws(SQLError) -> LogicalPlan {
        switch plan {
        case .with(let id, let definition, let body):
            return .with(id: id, definition: definition, body: try assign(body, positions, fields))
        case .project(let input, var outputs):
            // In place, so that open literals and parameters take the column's type.
            for index in outputs.indices {
                let typed = Typed(outputs[index].expr, index < positions.count ? positions[index] : nil)
                let expr = try assign(typed, to: fields[index])
                if outputs[index].column.type != fields[index].type {
                    outputs[index].column = column(outputs[index].column.name, fields[index].type)
                }
                outputs[index].expr = expr
            }
            return .project(input, outputs)
        default:
            var outputs: [LogicalPlan.Output] = []
            for (index, old) in plan.columns.enumerated() {
                let typed = Typed(.column(old), index < positions.count ? positions[index] : nil)
                let expr = try assign(typed, to: fields[index])
                let new = old.type == fields[index].type ? old : column(old.name, fields[index].type)
                outputs.append(LogicalPlan.Output(new, expr))
            }
            return .project(plan, outputs)
        }
    }
}

extension Expression {
    /// Whether this is the word DEFAULT.
    var isDefault: Bool {
        if case .special("default", _) = node { return true }
        return false
    }
}
