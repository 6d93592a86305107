// Structs, maps and their parts: literals, fields behind dots, rows of a table as structs.
import Columns
import Diagnostics
import Functions
import Syntax

extension QueryBinder {
    // MARK: Making structs

    /// `ROW(a, b)` and `(a, b)`.
    func rowValue(_ items: [Expression], _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        var exprs: [Expr] = []
        for item in items { exprs.append(try part(item, scope)) }
        return .call(FunctionRegistry.row(exprs.map { $0.type == .unknown ? .text : $0.type }), exprs)
    }

    /// A field's value; a literal stays open, for a cast that is to come.
    private func part(_ item: Expression, _ scope: Scope) throws(SQLError) -> Expr {
        let typed = try bind(item, scope)
        return typed.literal == nil ? try settleAsText(typed) : typed.expr
    }

    /// `struct_pack(a := 1)` and `{'a': 1}`.
    func structPack(_ call: FunctionCall, _ at: Int?, _ scope: Scope) throws(SQLError) -> Expr {
        var fields: [StructField] = []
        var exprs: [Expr] = []
        var names: Set<String> = []
        for argument in call.arguments {
            // An unnamed column gives its own name, as in DuckDB.
            let name = argument.name?.value ?? OutputNames.name(argument.value)
            guard argument.name != nil || name != "?column?" else {
                throw SQLError(
                    .syntaxError, "struct_pack needs names for its fields, as in struct_pack(a := 1)",
                    position: position(argument.value.position))
            }
            guard names.insert(name.lowercased()).inserted else {
                throw SQLError(
                    .duplicateColumn, "field \"\(name)\" specified more than once", position: at)
            }
            let expr = try part(argument.value, scope)
            fields.append(StructField(name, expr.type == .unknown ? .text : expr.type.settled))
            exprs.append(expr)
        }
        guard !exprs.isEmpty else {
            throw SQLError(.syntaxError, "a struct needs at least one field", position: at)
        }
        return .call(FunctionRegistry.structPack(fields), exprs)
    }

    // MARK: Fields

    /// The field of a struct. Throws 42703 when there is none, 42809 when the value is no struct.
    func field(_ name: String, of value: Typed, _ at: Int?) throws(SQLError) -> Expr {
        if let expr = try pairPart(name, of: value, at) { return expr }
        guard value.type.rowFields != nil else {
            throw SQLError(
                .wrongObjectType,
                "column notation .\(name) applied to type \(value.type.baseName), which is not a composite type",
                position: at)
        }
        guard let function = FunctionRegistry.field(name, of: value.type) else {
            throw SQLError(
                .undefinedColumn, "column \"\(name)\" not found in data type \(value.type.name)", position: at)
        }
        return .call(function, [value.expr, .literal(.text(name))])
    }

    /// `column.field.field`, `item.column.field`, `schema.item.column.field`, and `item.field` where the item is the
    /// struct that an unnest gives; nil when the name is nothing of this.
    func fieldPath(_ name: QualifiedName, _ scope: Scope) throws(SQLError) -> Expr? {
        let parts = name.parts.map(\.value)
        let at = position(name.position)
        guard parts.count > 1 else { return nil }
        // The longest name of a column wins.
        for length in [3, 2] where parts.count > length {
            let (schema, table, column) = (length == 3 ? parts[0] : nil, parts[length - 2], parts[length - 1])
            guard let (item, found, isAmbiguous) = scope.item(table, schema: schema), !isAmbiguous else { continue }
            let matches = item.columns.filter { $0.name == column }
            if matches.count == 1, let first = matches.first {
                return try fields(parts[length...], of: read(first, at, found), at)
            }
        }
        if case .column(let expr, let found, let source) = scope.find(parts[0]), isStruct(expr) {
            note(source)
            return try fields(parts[1...], of: use(expr, at, found), at)
        }
        if let (item, found, isAmbiguous) = scope.item(parts[0], schema: nil), !isAmbiguous, item.columns.count == 1,
            let only = item.columns.first, let fields = only.expr.type.rowFields, fields.place(of: parts[1]) != nil
        {
            return try self.fields(parts[1...], of: read(only, at, found), at)
        }
        return nil
    }

    /// Notes that a column is read, also for whoever checks the rights to it.
    private func read(_ column: Scope.ItemColumn, _ at: Int?, _ found: Scope) -> Expr {
        note(column.source)
        return use(column.expr, at, found)
    }

    private func isStruct(_ expr: Expr) -> Bool { expr.type.rowFields != nil }

    private func fields(_ names: ArraySlice<String>, of expr: Expr, _ at: Int?) throws(SQLError) -> Expr {
        var result = expr
        for name in names { result = try field(name, of: Typed(result, at), at) }
        return result
    }

    /// `column.*`: the fields of a struct; nil when the name is no struct.
    func structColumns(_ name: QualifiedName, _ scope: Scope) throws(SQLError) -> [Scope.ItemColumn]? {
        let found: Expr?
        if name.parts.count == 1 {
            guard case .column(let expr, let owner, let source) = scope.find(name.last), isStruct(expr) else {
                return nil
            }
            note(source)
            found = use(expr, position(name.position), owner)
        } else {
            found = try fieldPath(name, scope)
        }
        guard let value = found, let fields = value.type.rowFields else { return nil }
        var columns: [Scope.ItemColumn] = []
        for field in fields {
            let expr = try self.field(field.name, of: Typed(value, nil), position(name.position))
            columns.append(Scope.ItemColumn(name: field.name, expr: expr))
        }
        return columns
    }

    // MARK: Rows of tables

    /// `t` as a value: the columns of a FROM item as one struct.
    func wholeRow(_ item: Scope.Item, _ found: Scope, _ at: Int?) -> Expr {
        let columns = item.columns.filter { !$0.isHidden }
        if columns.count == 1, let only = columns.first, isStruct(only.expr) { return read(only, at, found) }
        let fields = columns.map { StructField($0.name, $0.expr.type) }
        let row = Expr.call(FunctionRegistry.structPack(fields), columns.map { read($0, at, found) })
        guard item.mayBeMissing else { return row }
        // Where an outer join found no row there is none: told by a column that is never NULL, else by all of them.
        let present = item.columns.first { column in
            if case .column(let known) = column.expr { !known.isNullable } else { false }
        }
        let nulls = (present.map { [$0] } ?? columns).map { Expr.isNull(read($0, at, found)) }
        guard let first = nulls.first else { return row }
        return .conditional(
            [(nulls.count == 1 ? first : .and(nulls), .literal(.null(row.type)))], otherwise: row, row.type)
    }
}
