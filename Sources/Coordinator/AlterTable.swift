// ALTER TABLE, ALTER VIEW and COMMENT: steps that change a table's metadata, or where its name points.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

extension Session {
    func alterTable(_ alter: Statement.AlterTable) async throws(SQLError) -> any ResultStream {
        let tag = alter.isView ? "ALTER VIEW" : "ALTER TABLE"
        guard let (found, branch) = try await find(alter.name) else {
            let what = alter.isView ? "view" : "relation"
            try missing("\(what) \"\(alter.name.text)\"", .undefinedTable, alter.ifExists, alter.name.position)
            return done(tag)
        }
        if alter.isView, !found.entry.isView {
            throw SQLError(
                .wrongObjectType, "\"\(alter.name.last)\" is not a view", position: alter.name.position)
        }
        try await requireStored(found, branch, alter.name)
        var place = NewPlace(name: found.name, branch: branch)
        for action in alter.actions {
            switch action {
            case .ignored: continue
            case .owner(let role):
                guard let entry = try await entry(at: place) else { continue }
                let new = try newOwner(role)
                if let access = accessGuard, let branch = place.branch, entry.owner != new,
                    let schema = try await self.schema(place.name.schema, on: branch),
                    !access.state.rights(on: AccessGuard.object(schema), of: access.state.standing(of: new))
                        .contains(.create)
                {
                    throw AccessGuard.denied("schema \(schema.name)")
                }
                try await give(place, entry, to: new)
            case .rowSecurity, .setMask, .dropMask: try await changeRowSecurity(place, action)
            case .rename(let name):
                place = try await move(place, to: TableName(schema: place.name.schema, name: name.value), name.position)
            case .setSchema(let schema): place = try await move(place, toSchema: schema)
            case .attachPartition(let child, let bound): try await attach(child, bound, to: alter.name)
            case .addIdentity, .setIdentity, .dropIdentity: try await changeIdentity(place, action)
            case .detachPartition(let child): try await detach(child, from: alter.name)
            default: try await changeAll(place, action, alter)
            }
        }
        return done(tag)
    }

    // MARK: - Names

    private func move(_ place: NewPlace, toSchema schema: Identifier) async throws(SQLError) -> NewPlace {
        guard let branch = place.branch else {
            throw SQLError(
                .featureNotSupported, "cannot move objects into or out of temporary schemas", position: schema.position)
        }
        guard try await self.schema(schema.value, on: branch) != nil else {
            throw SQLError(
                .invalidSchema, "schema \"\(schema.value)\" does not exist", position: schema.position)
        }
        return try await move(place, to: TableName(schema: schema.value, name: place.name.name), schema.position)
    }

    private func move(_ place: NewPlace, to name: TableName, _ position: Int) async throws(SQLError) -> NewPlace {
        let new = NewPlace(name: name, branch: place.branch)
        guard name != place.name else {
            guard name.schema == place.name.schema else { return place }
            throw SQLError(.duplicateTable, "relation \"\(name.name)\" already exists", position: position)
        }
        guard try await entry(at: new) == nil else {
            throw SQLError(
                .duplicateTable,
                "relation \"\(name.name)\" already exists"
                    + (name.schema == place.name.schema ? "" : " in schema \"\(name.schema)\""), position: position)
        }
        guard let entry = try await entry(at: place) else {
            throw SQLError(.undefinedTable, "relation \"\(place.name.name)\" does not exist", position: position)
        }
        if let branch = place.branch, name.schema != place.name.schema,
            let schema = try await self.schema(name.schema, on: branch)
        {
            try accessGuard?.require(.create, on: schema)
        }
        try record(place.name, place.branch) { $0.rename(place.name, to: name, entry) }
        try await tellRelatives(of: entry, was: place, now: new)
        let old = AccessGuard.secured(place.name, entry).object
        let moved = AccessGuard.secured(name, entry).object
        if access.isRecorded(old) || access.policies(of: old) != nil {
            try await changeAccess { (state) throws(SQLError) in state.renamed(old, to: moved) }
        }
        return new
    }

    // MARK: - Metadata

    /// One action on a managed table: what it alters, and what it does to rows that are there.
    func change(
        _ place: NewPlace, _ action: Statement.AlterTable.Action, _ alter: Statement.AlterTable
    ) async throws(SQLError) {
        guard case .managed(let definition)? = try await entry(at: place) else {
            throw SQLError(
                .wrongObjectType, "ALTER action cannot be performed on relation \"\(place.name.name)\"",
                detail: "It is not a table that Apus writes.", position: alter.name.position)
        }
        let format = try format(on: place.branch)
        let table = try await format.open(definition, named: place.name)
        var action = action
        var types = try await self.types(table.typeNames)
        switch action {
        case .addColumn(var column, let ifNotExists, let keys):
            types = try await usableTypes(
                in: [column.type], texts: [column.defaultValue].compactMap { $0 } + keys.compactMap(\.condition))
            try settleDomain(&column, types)
            action = .addColumn(column, ifNotExists: ifNotExists, keys)
        case .setType(let column, let type):
            types = try await usableTypes(in: [type])
            if let view = try await views(reading: column.value, of: place).first {
                throw SQLError(
                    .featureNotSupported, "cannot alter type of a column used by a view or rule",
                    detail: "rule _RETURN on \(view) depends on column \"\(column.value)\"", position: column.position)
            }
        case .dropColumn(let column, _, let isCascade) where table.schema.index(of: column.value) != nil:
            try await dropDependents(
                ofColumn: column.value, of: place, isCascade: isCascade || isCascading, at: column.position)
        case .setDefault(_, let value, _):
            types = try await self.types(QueryNames.typeNames(in: value, context: planContext()), known: types)
        case .addKey(let key):
            if let condition = key.condition {
                types = try await self.types(QueryNames.typeNames(in: condition, context: planContext()), known: types)
            }
        default: break
        }
        let planner = AlterationPlanner(table: table, name: place.name, context: planContext(), types: types)
        var alterations: [TableAlteration]
        switch action {
        case .addKey(let key) where key.kind == .check && key.isEnforced && !format.enforcesKeys:
            alterations = try await addCheck(key, table, place, types)
        case .addKey(let key):
            try check(key, table.schema.fields, format)
            alterations = planner.key(key)
        case .addColumn(let column, _, let keys):
            alterations = try planner.alterations(action)
            guard !alterations.isEmpty else { break }
            let field = Field(column.name.value, try TypeNames.type(column.type, types))
            var names = Set(TableCheck.all(of: table.properties).map(\.name))
            for key in keys {
                guard key.kind == .check, key.isEnforced, !format.enforcesKeys else {
                    alterations += planner.key(key)
                    continue
                }
                let fields = Binder.declaredFields(of: table, types) + [field]
                let check = try self.check(key, place.name, fields, types, taken: names)
                names.insert(check.name)
                alterations.append(.setProperty(TableProperty.check(names.count), check.property))
            }
        case .setPartitioning(let items):
            alterations = [.setPartitioning(try partitioning(items, table.schema.fields))]
        default: alterations = try planner.alterations(action)
        }
        for notice in planner.notices { notices.append(notice) }
        guard !alterations.isEmpty else { return }
        let altered = try await format.alter(definition, named: place.name, alterations)
        transaction?.keep(altered, from: definition, of: format)
        try record(place.name, place.branch) { $0.alter(place.name, altered, .alter(alterations)) }
        let object = AccessGuard.secured(place.name, .managed(definition)).object
        if case .renameColumn(let from, let to) = action,
            access.isRecorded(object) || access.policies(of: object) != nil
        {
            let (old, new) = (from.value, to.value)
            try await changeAccess { (state) throws(SQLError) in state.renamedColumn(of: object, old, to: new) }
        }
        if case .addColumn(let column, _, _) = action, column.defaultValue != nil, planner.hasRows {
            try await fill(column.name, place, altered)
        }
    }

    /// A CHECK that the rows which are there obey.
    private func addCheck(
        _ key: Statement.KeyDefinition, _ table: any WritableTable, _ place: NewPlace, _ types: UserTypes
    ) async throws(SQLError) -> [TableAlteration] {
        let known = TableCheck.all(of: table.properties)
        let check = try self.check(
            key, place.name, Binder.declaredFields(of: table, types), types, taken: Set(known.map(\.name)))
        if key.isValidated {
            let database = place.branch.map { Identifier("\(engine.database)@\($0)", isQuoted: true) }
            let parts = [Identifier(place.name.schema, isQuoted: true), Identifier(place.name.name, isQuoted: true)]
            let isElsewhere = place.branch != nil && place.branch != branch
            let name = QualifiedName(((isElsewhere ? [database] : []) + parts).compactMap { $0 }, position: 0)
            let from = TableExpression(.table(name, version: nil, alias: nil), position: 0)
            let condition = try Parser.parseExpression(check.text)
            let one = SelectItem(value: Expression(.integer("1"), position: 0))
            let select = Select(
                items: [one], from: [from], filter: Expression(.not(condition), position: 0), position: 0)
            var query = Query(body: .select(select), position: 0)
            query.limit = Expression(.integer("1"), position: 0)
            let life = life()
            let bound: QueryLife.Bound
            do throws(SQLError) { bound = try await bind(query, [], life) } catch { throw error.at(key.position) }
            let rows = try await collect(
                try await begin(try Optimizer.optimize(bound.query.plan, life.context), life))
            guard rows.allSatisfy({ $0.rows == 0 }) else {
                throw SQLError(
                    SQLState("23514"),
                    "check constraint \"\(check.name)\" of relation \"\(place.name.name)\" is violated by some row")
            }
        }
        return [.setProperty(TableProperty.check(known.count + 1), check.property)]
    }

    /// Gives a new column's default to the rows that are there.
    private func fill(_ column: Identifier, _ place: NewPlace, _ definition: ManagedDefinition) async throws(SQLError) {
        let word = Expression(.special("default", precision: nil), position: column.position)
        let statement = WriteStatement(
            target: QualifiedName([column], position: column.position),
            change: .update([WriteStatement.Assignment(columns: [column], value: word)], from: [], filter: nil),
            position: column.position)
        let life = life()
        let table = try await format(on: place.branch).open(definition, named: place.name)
        let types = try await types(table.typeNames)
        let bound = try Binder.bind(
            statement, into: table, named: place.name, snapshot: CatalogSnapshot(types: types), context: life.context)
        _ = try await run(bound, WriteTarget(name: place.name, branch: place.branch, table: table), [], life)
    }

    // MARK: - COMMENT

    func undefined(_ column: Identifier, _ table: TableName) -> SQLError {
        SQLError(
            .undefinedColumn, "column \"\(column.value)\" of relation \"\(table.name)\" does not exist",
            position: column.position)
    }
}

extension Session {
    /// The columns that the text of a condition names.
    static func columns(in text: String) -> Set<String> {
        QueryNames.columns(in: text)
    }
}

/// Turns one action of ALTER TABLE into alterations of one table.
private final class AlterationPlanner {
    private let table: any WritableTable
    private let name: TableName
    private let context: PlanContext
    private let types: UserTypes
    private(set) var notices: [SQLNotice] = []

    init(table: any WritableTable, name: TableName, context: PlanContext, types: UserTypes) {
        self.types = types
        self.table = table
        self.name = name
        self.context = context
    }

    /// Whether the table may have rows.
    var hasRows: Bool {
        table.definition.snapshotID != nil && !(table.statistics.isExact && table.statistics.rows == 0)
    }

    private func field(_ column: Identifier) throws(SQLError) -> Field {
        guard let index = table.schema.index(of: column.value) else {
            throw SQLError(
                .undefinedColumn, "column \"\(column.value)\" of relation \"\(name.name)\" does not exist",
                position: column.position)
        }
        return table.schema.fields[index]
    }

    private func declared(_ column: Identifier) throws(SQLError) -> Field {
        let field = try field(column)
        return Field(field.name, table.declaredType(of: field, types), isNullable: field.isNullable)
    }

    private func skip(_ state: SQLState, _ text: String) {
        notices.append(SQLNotice(.notice, SQLError(state, text + ", skipping")))
    }

    func alterations(_ action: Statement.AlterTable.Action) throws(SQLError) -> [TableAlteration] {
        switch action {
        case .addColumn(let column, let ifNotExists, _): return try add(column, ifNotExists)
        case .dropColumn(let column, let ifExists, _):
            guard table.schema.index(of: column.value) != nil || !ifExists else {
                skip(
                    .successfulCompletion,
                    "column \"\(column.value)\" of relation \"\(name.name)\" does not exist")
                return []
            }
            return try drop(column)
        case .renameColumn(let old, let new): return try rename(old, new)
        case .setType(let column, let type): return try setType(column, try TypeNames.type(type, types), type.position)
        case .setNotNull(let column):
            guard try field(column).isNullable else { return [] }
            throw SQLError(
                .featureNotSupported, "SET NOT NULL is not supported",
                hint: "Columns are declared NOT NULL by CREATE TABLE.", position: column.position)
        case .dropNotNull(let column): return try field(column).isNullable ? [] : [.dropNotNull(column.value)]
        case .setDefault(let column, let value, let text):
            let field = try declared(column)
            try refuseIdentity(column)
            try Binder.checkDefault(value, of: field, context: context, types: types)
            return [.setProperty(TableProperty.defaultValue(of: field.name), text)]
        case .dropDefault(let column):
            try refuseIdentity(column)
            let key = TableProperty.defaultValue(of: try field(column).name)
            return table.properties[key] == nil ? [] : [.removeProperty(key)]
        case .setProperties(let properties):
            try checkKeys(properties.keys)
            return properties.sorted { $0.key < $1.key }.map { .setProperty($0.key, $0.value) }
        case .resetProperties(let keys):
            try checkKeys(keys)
            return keys.filter { table.properties[$0] != nil }.map { .removeProperty($0) }
        case .dropConstraint(let constraint, let ifExists):
            return try self.constraint(constraint, ifExists: ifExists, renamedTo: nil)
        case .renameConstraint(let old, let new):
            return try self.constraint(old, ifExists: false, renamedTo: new)
        case .rename, .setSchema, .setPartitioning, .addKey, .ignored, .owner, .rowSecurity, .setMask, .dropMask,
            .attachPartition, .detachPartition, .addIdentity, .setIdentity, .dropIdentity:
            return []
        }
    }

    private func refuseIdentity(_ column: Identifier) throws(SQLError) {
        guard table.properties[TableProperty.identity(of: column.value)] != nil else { return }
        throw SQLError(
            .syntaxError, "column \"\(column.value)\" of relation \"\(name.name)\" is an identity column",
            position: column.position)
    }

    private func checkKeys(_ keys: some Sequence<String>) throws(SQLError) {
        for key in keys where key.hasPrefix("apus.") {
            throw SQLError(.invalidParameterValue, "property \"\(key)\" is set by statements of its own")
        }
    }

    private func add(
        _ column: Statement.ColumnDefinition, _ ifNotExists: Bool
    ) throws(SQLError) -> [TableAlteration] {
        let new = column.name.value
        if table.schema.index(of: new) != nil {
            let text = "column \"\(new)\" of relation \"\(name.name)\" already exists"
            guard ifNotExists else { throw SQLError(.duplicateColumn, text, position: column.name.position) }
            skip(.duplicateColumn, text)
            return []
        }
        let field = Field(new, try TypeNames.type(column.type, types), isNullable: !column.isNotNull)
        if column.isNotNull, hasRows {
            guard column.defaultValue == nil else {
                throw SQLError(
                    .featureNotSupported, "a NOT NULL column cannot be added to a table with rows",
                    position: column.name.position)
            }
            throw SQLError(
                .notNullViolation, "column \"\(new)\" of relation \"\(name.name)\" contains null values")
        }
        var alterations: [TableAlteration] = [
            .addColumn(Field(field.name, field.type.stored, isNullable: field.isNullable))
        ]
        if let value = column.defaultValue, let text = column.defaultText {
            try Binder.checkDefault(value, of: field, context: context, types: types)
            alterations.append(.setProperty(TableProperty.defaultValue(of: new), text))
        }
        if let text = Session.declaredType(field.type) {
            alterations.append(.setProperty(TableProperty.declaredType(of: new), text))
        }
        if let text = Session.userType(column.type, types) {
            alterations.append(.setProperty(TableProperty.userType(of: new), text))
        }
        return alterations
    }

    /// The properties that SQL keeps about a column.
    private func properties(of column: String) -> [(key: String, value: String)] {
        [
            TableProperty.defaultValue(of: column), TableProperty.comment(on: column),
            TableProperty.declaredType(of: column), TableProperty.userType(of: column),
        ].compactMap { key in table.properties[key].map { (key, $0) } }
    }

    private func drop(_ column: Identifier) throws(SQLError) -> [TableAlteration] {
        let field = try field(column)
        guard table.schema.fields.count > 1 else {
            throw SQLError(
                .featureNotSupported, "cannot drop the last column of \"\(name.name)\"", position: column.position)
        }
        // Checks over the column go with it.
        var checks = TableCheck.all(of: table.properties)
        let count = checks.count
        checks.removeAll { check in Session.columns(in: check.text).contains(field.name) }
        return [.dropColumn(field.name)] + (checks.count < count ? rewritten(checks, count) : [])
            + properties(of: field.name).map { .removeProperty($0.key) }
    }

    private func rename(_ old: Identifier, _ new: Identifier) throws(SQLError) -> [TableAlteration] {
        let field = try field(old)
        guard table.schema.index(of: new.value) == nil else {
            throw SQLError(
                .duplicateColumn, "column \"\(new.value)\" of relation \"\(name.name)\" already exists",
                position: new.position)
        }
        var alterations: [TableAlteration] = [.renameColumn(from: field.name, to: new.value)]
        let pairs = [
            (TableProperty.defaultValue(of: field.name), TableProperty.defaultValue(of: new.value)),
            (TableProperty.comment(on: field.name), TableProperty.comment(on: new.value)),
            (TableProperty.declaredType(of: field.name), TableProperty.declaredType(of: new.value)),
            (TableProperty.userType(of: field.name), TableProperty.userType(of: new.value)),
        ]
        let checks = TableCheck.all(of: table.properties)
        guard !checks.contains(where: { Session.columns(in: $0.text).contains(field.name) }) else {
            throw SQLError(
                .featureNotSupported, "a column in a CHECK constraint cannot be renamed",
                hint: "Drop the constraint, and add it again.", position: old.position)
        }
        for (from, to) in pairs {
            guard let value = table.properties[from] else { continue }
            alterations += [.removeProperty(from), .setProperty(to, value)]
        }
        return alterations
    }

    /// Types change to wider ones only: rows stay as they were written.
    private func setType(
        _ column: Identifier, _ type: SQLType, _ position: Int
    ) throws(SQLError) -> [TableAlteration] {
        let field = try field(column)
        let declared = table.declaredType(of: field, types)
        if declared == type { return [] }
        guard AlterationPlanner.isWider(type, than: declared) else {
            throw SQLError(
                .featureNotSupported,
                "column \"\(field.name)\" of type \(declared.name) cannot be changed to type \(type.name)",
                hint: "Types can be widened: smallint to integer, integer to bigint, real to double precision, "
                    + "numeric and varchar to more digits or characters.", position: position)
        }
        var alterations: [TableAlteration] = []
        // A format may keep the type in a wider one already.
        if field.type != type, !(field.type.isText && type.isText && field.type == .text) {
            alterations.append(.setType(field.name, type))
        }
        let key = TableProperty.declaredType(of: field.name)
        if let text = Session.declaredType(type) {
            alterations.append(.setProperty(key, text))
        } else if table.properties[key] != nil {
            alterations.append(.removeProperty(key))
        }
        return alterations
    }

    private static func isWider(_ new: SQLType, than old: SQLType) -> Bool {
        switch (old, new) {
        case (.int2, .int4), (.int2, .int8), (.int4, .int8), (.float4, .float8): true
        case (.decimal(let p, let s), .decimal(let q, let t)): s == t && q >= p
        case (.varchar, .text), (.varchar, .varchar(nil)), (.text, .varchar(nil)): true
        case (.varchar(let n?), .varchar(let m?)): m >= n
        default: false
        }
    }

    func key(_ key: Statement.KeyDefinition) -> [TableAlteration] {
        var number = 1
        while table.properties[TableProperty.key(number)] != nil { number += 1 }
        return [.setProperty(TableProperty.key(number), key.text)]
            + (key.name.map { [.setProperty(TableProperty.keyName(number), $0.value)] } ?? [])
    }

    /// The checks in place of those that are there.
    private func rewritten(_ checks: [TableCheck], _ count: Int) -> [TableAlteration] {
        checks.enumerated().map { .setProperty(TableProperty.check($0 + 1), $1.property) }
            + (checks.count..<count).map { .removeProperty(TableProperty.check($0 + 1)) }
    }

    /// Constraints by name: checks first, then keys, under the names that the catalog shows.
    private func constraint(
        _ constraint: Identifier, ifExists: Bool, renamedTo new: Identifier?
    ) throws(SQLError) -> [TableAlteration] {
        var checks = TableCheck.all(of: table.properties)
        if let place = checks.firstIndex(where: { $0.name == constraint.value }) {
            if let new { checks[place].name = new.value } else { checks.remove(at: place) }
            return rewritten(checks, TableCheck.all(of: table.properties).count)
        }
        var keys: [(text: String, name: String?)] = []
        while let text = table.properties[TableProperty.key(keys.count + 1)] {
            keys.append((text, table.properties[TableProperty.keyName(keys.count + 1)]))
        }
        let names = DeclaredKeyNames.names(of: keys, table: name.name)
        guard let place = names.firstIndex(of: constraint.value) else {
            let text = "constraint \"\(constraint.value)\" of relation \"\(name.name)\" does not exist"
            guard ifExists else { throw SQLError(.undefinedObject, text, position: constraint.position) }
            skip(.undefinedObject, text)
            return []
        }
        let count = keys.count
        if let new { keys[place].name = new.value } else { keys.remove(at: place) }
        var alterations: [TableAlteration] = []
        for number in 1...count {
            let key = number <= keys.count ? keys[number - 1] : nil
            for (property, value) in [
                (TableProperty.key(number), key?.text), (TableProperty.keyName(number), key?.name),
            ] where value != table.properties[property] {
                alterations.append(value.map { .setProperty(property, $0) } ?? .removeProperty(property))
            }
        }
        return alterations
    }
}
