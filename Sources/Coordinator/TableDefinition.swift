// CREATE TABLE and CREATE TABLE AS: the format writes the metadata, the catalog's commit makes the table visible.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    /// Statements that define something, inside a transaction.
    func define(_ statement: Statement, _ text: String) async throws(SQLError) -> any ResultStream {
        try await changing(text) { () async throws(SQLError) -> any ResultStream in
            switch statement {
            case .truncate(let names): return try await truncate(names)
            case .refresh(let name, let withData): return try await refresh(name, withData: withData)
            case .createTable(let create): return try await createTable(create)
            case .alterTable(let alter): return try await alterTable(alter)
            case .comment(let comment): return try await self.comment(comment)
            case .createSchema(let create): return try await createSchema(create)
            case .createView(let create): return try await createView(create)
            case .createExternalTable(let create): return try await createExternalTable(create)
            case .drop(let drop): return try await self.drop(drop)
            case .object(let statement): return try await object(statement)
            default: throw SQLError(.internalError, "not a definition")
            }
        }
    }

    func createTable(_ create: Statement.CreateTable) async throws(SQLError) -> any ResultStream {
        let tag =
            create.viewText != nil
            ? "CREATE MATERIALIZED VIEW" : create.query == nil ? "CREATE TABLE" : "CREATE TABLE AS"
        let place = try await newPlace(create.name, isTemporary: create.isTemporary)
        if let old = try await entry(at: place) {
            guard create.orReplace else { return try existing(old, place.name, create.ifNotExists, create.name, tag) }
            if case .view = old {
                throw SQLError(
                    .wrongObjectType, "\"\(place.name.name)\" is not a table", position: create.name.position)
            }
            try requireOwner(of: old, at: place)
            if case .managed(let known) = old, known.isPartitioned == true || known.partitionOf != nil {
                throw SQLError(
                    .featureNotSupported, "CREATE OR REPLACE of a partitioned table or a partition is not supported",
                    hint: "Drop it first.", position: create.name.position)
            }
        }
        if let query = create.query { return try await createTable(create, as: query, place) }
        let format = try format(on: place.branch)
        var create = create
        var parent: PartitionParent?
        var bound: StoredBound?
        if let of = create.partitionOf {
            let made = try await partitionParent(of.parent)
            try requireSamePlace(made, place.branch, of.parent.position)
            bound = try BoundCheck(parent: made, context: planContext())
                .stored(of.bound, for: place.name.name, at: of.position)
            try await adoptParent(&create, made, of)
            parent = made
        }
        try await settleLikes(&create)
        try await settleSerials(&create, place)
        let types = try await usableTypes(
            in: create.columns.map(\.type),
            texts: create.columns.compactMap(\.defaultValue) + create.columns.compactMap(\.generated)
                + create.keys.compactMap(\.condition))
        for index in create.columns.indices { try settleDomain(&create.columns[index], types) }
        let fields = try fields(create.columns, types)
        var new = try newTable(create, place.name, fields, format, types)
        new.properties[TableProperty.partitionBy] = try partitionProperty(create, place, fields, types)
        if let parent {
            inheritKeys(&new, parent)
            new.properties[TableProperty.partitionOf] = TableProperty.quoted(parent.found.name)
        }
        let definition = try await format.create(try await placed(new, place))
        transaction?.keep(definition, from: nil, of: format)
        try await tellOfNarrowed(new, definition, format)
        try record(place.name, place.branch) { $0.put(place.name, .managed(definition)) }
        if let parent, let bound { try await addPartition(place.name, bound, to: parent) }
        try await grantDefaults(AccessGuard.secured(place.name, .managed(definition)).object)
        if create.dropsOnCommit { droppedOnCommit.insert(place.name.name) }
        return done(tag)
    }

    /// A domain's DEFAULT is that of columns without one.
    func settleDomain(_ column: inout Statement.ColumnDefinition, _ types: UserTypes) throws(SQLError) {
        guard column.type.arrayDimensions == 0, column.defaultValue == nil, column.identity == nil,
            column.generated == nil, let text = types[column.type]?.domain?.defaultValue
        else { return }
        column.defaultText = text
        column.defaultValue = try Parser.parseExpression(text)
    }

    /// Puts the columns of LIKE in their places.
    func settleLikes(_ create: inout Statement.CreateTable) async throws(SQLError) {
        for like in create.likes.reversed() {
            let star = Expression(.star(Expression.Star()), position: like.table.position)
            let table = TableExpression(
                .table(like.table, version: nil, alias: nil), position: like.table.position)
            let select = Select(items: [SelectItem(value: star)], from: [table], position: like.table.position)
            let query = Query(body: .select(select), position: like.table.position)
            let plain = try await bind(query, [], life()).columns
            var kept: (any WritableTable)?
            if case .managed(let definition)? = try await find(like.table)?.found.entry {
                kept = try await engine.managed.open(definition, named: TableName(schema: "", name: like.table.last))
            }
            var columns: [Statement.ColumnDefinition] = []
            for column in plain {
                guard case .cast(_, let type, _) = try Parser.parseExpression("NULL::\(column.type.name)").node else {
                    throw SQLError(.internalError, "a type that cannot be written")
                }
                var new = Statement.ColumnDefinition(
                    name: Identifier(column.name, isQuoted: true, position: like.table.position), type: type)
                let field = kept?.schema.fields.first { $0.name == column.name }
                new.isNotNull = field?.isNullable == false
                try take(over: &new, from: kept?.properties ?? [:], like)
                columns.append(new)
            }
            create.columns.insert(contentsOf: columns, at: like.place)
        }
        create.likes = []
    }

    private func take(
        over column: inout Statement.ColumnDefinition, from properties: [String: String],
        _ like: Statement.CreateTable.Like
    ) throws(SQLError) {
        let name = column.name.value
        if let identity = properties[TableProperty.identity(of: name)] {
            guard like.includesIdentity else { return }
            column.identity = Statement.ColumnDefinition.Identity(
                isAlways: identity == "always", options: ObjectStatement.SequenceOptions())
            return
        }
        if let text = properties[TableProperty.generated(name)], like.includesGenerated {
            column.generated = try Parser.parseExpression(text)
            column.generatedText = text
        }
        if let text = properties[TableProperty.defaultValue(of: name)], like.includesDefaults {
            column.defaultValue = try Parser.parseExpression(text)
            column.defaultText = text
        }
    }

    /// The types that bring a sequence along.
    private static let serials: [String: String] = [
        "serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint",
        "smallserial": "smallint", "serial2": "smallint",
    ]

    /// Columns of serial types and identity columns get their sequences, and defaults that ask them.
    private func settleSerials(
        _ create: inout Statement.CreateTable, _ place: NewPlace
    ) async throws(SQLError) {
        for index in create.columns.indices {
            var column = create.columns[index]
            let at = column.name.position
            let serial = column.type.arrayDimensions == 0 ? Session.serials[column.type.name] : nil
            guard serial != nil || column.identity != nil else { continue }
            if let serial {
                column.type = TypeName(serial, position: column.type.position)
                column.isNotNull = true
            }
            guard column.defaultValue == nil else {
                let what = serial == nil ? "both default and identity" : "multiple default values"
                throw SQLError(
                    .syntaxError,
                    "\(what) specified for column \"\(column.name.value)\" of table \"\(place.name.name)\"",
                    position: at)
            }
            let type = try TypeNames.type(column.type)
            guard type.isInteger else {
                throw SQLError(
                    .invalidParameterValue, "identity column type must be smallint, integer, or bigint", position: at)
            }
            let text = try await createSequence(
                for: column.name.value, of: place, column.identity?.options ?? ObjectStatement.SequenceOptions(), type,
                at)
            column.defaultText = text
            column.defaultValue = try Parser.parseExpression(text)
            create.columns[index] = column
        }
    }

    /// CREATE TABLE AS: a new table, and one write into it.
    private func createTable(
        _ create: Statement.CreateTable, as query: Query, _ place: NewPlace
    ) async throws(SQLError) -> any ResultStream {
        if let by = create.partitionBy {
            throw SQLError(.syntaxError, "PARTITION BY and AS do not go together", position: by.position)
        }
        let life = life()
        let bound = try await bind(query, [], life)
        remember(bound)
        transaction?.origin.add(reads: bound.reads)
        guard bound.query.parameterTypes.isEmpty else {
            throw SQLError(.undefinedParameter, "there is no parameter $1")
        }
        let format = try format(on: place.branch)
        var new = try newTable(create, place.name, try fields(of: bound, create), format)
        if let text = create.viewText { new.properties.merge(viewProperties(text, create)) { _, new in new } }
        let definition = try await format.create(try await placed(new, place))
        transaction?.keep(definition, from: nil, of: format)
        try await tellOfNarrowed(new, definition, format)
        try await grantDefaults(AccessGuard.secured(place.name, .managed(definition)).object)
        if create.dropsOnCommit { droppedOnCommit.insert(place.name.name) }
        guard create.withData else {
            try record(place.name, place.branch) { $0.put(place.name, .managed(definition)) }
            return done("CREATE TABLE AS")
        }
        let table = try await format.open(definition, named: place.name)
        let write = try Binder.insert(bound.query, into: table, named: place.name, context: life.context)
        guard let filled = try await finished(write, onto: definition, life) else {
            try record(place.name, place.branch) { $0.put(place.name, .managed(definition)) }
            return done("SELECT 0")
        }
        try record(place.name, place.branch) { $0.put(place.name, .managed(filled), [.write(write.write)]) }
        return done("SELECT \(write.count.rows)")
    }

    /// Runs a write of a query's rows to its end, and keeps it in the transaction; nil when there were none.
    func finished(
        _ write: BoundWrite, onto definition: ManagedDefinition, _ life: QueryLife
    ) async throws(SQLError) -> ManagedDefinition? {
        do throws(SQLError) {
            _ = try await collect(try await begin(try Optimizer.optimize(write.plan, life.context), life))
            guard write.count.rows > 0 else {
                await write.write.abandon()
                return nil
            }
            let filled = try await write.write.commit(onto: definition)
            transaction?.keep(write.write)
            return filled
        } catch {
            await write.write.abandon()
            throw error
        }
    }

    /// The columns of CREATE TABLE AS: the query's, with the names that were given.
    private func fields(
        of bound: QueryLife.Bound, _ create: Statement.CreateTable
    ) throws(SQLError) -> [Field] {
        let columns = bound.columns
        guard create.columns.count <= columns.count else {
            throw SQLError(.syntaxError, "too many column names were specified", position: create.name.position)
        }
        var fields: [Field] = []
        for (index, column) in columns.enumerated() {
            let name = index < create.columns.count ? create.columns[index].name.value : column.name
            guard !fields.contains(where: { $0.name == name }) else {
                throw SQLError(
                    .duplicateColumn, "column \"\(name)\" specified more than once", position: create.name.position)
            }
            // Labels and bits are known by their types; those of the system catalog become text and bigint.
            let isOwn = column.type.holdsEnumeration || column.type.isBits
            fields.append(Field(name, isOwn ? column.type : column.type.stored))
        }
        return fields
    }

    /// numeric without a precision has as many digits as it likes; where the format keeps fewer, values are rounded to
    /// them from now on, and whoever makes the table shall know.
    private func tellOfNarrowed(
        _ new: NewTable, _ definition: ManagedDefinition, _ format: any ManagedFormat
    ) async throws(SQLError) {
        guard new.columns.contains(where: { $0.type == .numeric }) else { return }
        let kept = try await format.open(definition, named: new.name).schema.fields
        for (column, field) in zip(new.columns, kept) where column.type == .numeric && field.type != .numeric {
            let message = "column \"\(column.name)\" of type numeric is kept as \(field.type.name)"
            notices.append(
                SQLNotice(
                    .notice,
                    SQLError(
                        .successfulCompletion, message, detail: "Values are rounded to its scale.",
                        hint: "Declare numeric(precision, scale).")))
        }
    }

    // MARK: - What the format is told

    /// The same table in the folder that an attached database wants for it.
    private func placed(_ table: NewTable, _ place: NewPlace) async throws(SQLError) -> NewTable {
        var table = table
        let isOurs = place.branch.map { Databases.name(ofBranch: $0) == nil } ?? false
        if isOurs, let owner = newOwner { table.properties[TableProperty.owner] = String(owner) }
        guard table.location == nil else { return table }
        table.location = try await databases.folder(forNew: place.name, on: place.branch)
        return table
    }

    private func newTable(
        _ create: Statement.CreateTable, _ name: TableName, _ columns: [Field], _ format: any ManagedFormat,
        _ types: UserTypes = UserTypes()
    ) throws(SQLError) -> NewTable {
        var new = NewTable(name: name, columns: columns, properties: create.properties, location: create.location)
        for key in create.properties.keys where key.hasPrefix("apus.") {
            throw SQLError(.invalidParameterValue, "property \"\(key)\" is set by statements of its own")
        }
        if create.location != nil { try requireServerFiles(writing: true) }
        let context = planContext()
        for (column, field) in zip(create.columns, columns) where create.query == nil {
            if let text = column.defaultText, let value = column.defaultValue {
                try Binder.checkDefault(value, of: field, context: context, types: types)
                new.properties[TableProperty.defaultValue(of: field.name)] = text
            }
            if let identity = column.identity {
                new.properties[TableProperty.identity(of: field.name)] = identity.isAlways ? "always" : "default"
            }
            if let value = column.generated, let text = column.generatedText {
                let generated = Set(create.columns.filter { $0.generated != nil }.map(\.name.value))
                try Binder.checkGenerated(
                    value, of: field, among: columns, generated: generated, context: context, types: types)
                new.properties[TableProperty.generated(field.name)] = text
            }
        }
        for field in columns {
            if let text = Session.declaredType(field.type) {
                new.properties[TableProperty.declaredType(of: field.name)] = text
            }
        }
        for column in create.columns where create.query == nil {
            new.properties[TableProperty.userType(of: column.name.value)] = Session.userType(column.type, types)
        }
        // Types of the system catalog are kept as text and bigint.
        for index in new.columns.indices { new.columns[index].type = new.columns[index].type.stored }
        for (index, column) in create.columns.enumerated() where create.query == nil {
            guard let wide = TypeNames.wideNumeric(column.type) else { continue }
            // No format has so many digits, or NaN: text keeps them all.
            new.columns[index].type = .text
            new.properties[TableProperty.declaredType(of: columns[index].name)] =
                "numeric(\(wide.precision),\(wide.scale))"
        }
        var number = 0
        var names: Set<String> = []
        for key in create.keys {
            if key.isEnforced, key.kind == .check, !format.enforcesKeys {
                let check = try self.check(key, name, columns, types, taken: names)
                names.insert(check.name)
                new.properties[TableProperty.check(names.count)] = check.property
                continue
            }
            try check(key, columns, format)
            if key.isEnforced || !format.enforcesKeys {
                number += 1
                new.properties[TableProperty.key(number)] = key.text
                new.properties[TableProperty.keyName(number)] = key.name?.value
            }
            guard key.kind == .primary else { continue }
            for column in key.columns {
                guard let place = columns.firstIndex(where: { $0.name == column.value }) else { continue }
                new.columns[place].isNullable = false
            }
        }
        new.partitioning = try partitioning(create.partitioning, columns)
        for item in create.sortOrder {
            try require(item.column, columns)
            new.sortOrder.append(
                TableSortKey(
                    column: item.column.value, isDescending: item.isDescending,
                    nullsFirst: item.nullsFirst ?? item.isDescending))
        }
        return new
    }

    /// The user's type that a column is declared with, as its property keeps it; nil for the program's types.
    static func userType(_ name: TypeName, _ types: UserTypes) -> String? {
        var bare = name
        bare.arrayDimensions = 0
        return types[bare].map { $0.qualifiedName + String(repeating: "[]", count: name.arrayDimensions) }
    }

    /// A CHECK that writes will obey, under its name or the one that PostgreSQL would give it.
    func check(
        _ key: Statement.KeyDefinition, _ table: TableName, _ columns: [Field], _ types: UserTypes,
        taken: Set<String>
    ) throws(SQLError) -> TableCheck {
        guard let condition = key.condition, let open = key.text.firstIndex(of: "(") else {
            throw SQLError(.internalError, "a check without a condition")
        }
        let text = String(key.text[key.text.index(after: open)...].dropLast())
        let used = try Binder.checkCondition(condition, among: columns, context: planContext(), types: types)
        if let name = key.name {
            guard !taken.contains(name.value) else {
                throw SQLError(
                    .duplicateObject,
                    "constraint \"\(name.value)\" for relation \"\(table.name)\" already exists",
                    position: name.position)
            }
            return TableCheck(name: name.value, text: text)
        }
        let column = key.column?.value ?? (used.count == 1 ? used[0] : nil)
        let base = [table.name, column, "check"].compactMap { $0 }.joined(separator: "_")
        var name = base
        var number = 1
        while taken.contains(name) {
            name = base + String(number)
            number += 1
        }
        return TableCheck(name: name, text: text)
    }

    /// The type's text, for types of which a table format keeps less.
    static func declaredType(_ type: SQLType) -> String? {
        switch type {
        case .varchar(.some(_)), .char, .int2, .json, .jsonb, .numeric, .interval, .bit, .varbit: type.name
        case _ where type.holdsEnumeration: type.writtenName
        case .system where type.reference == nil: type.name
        default: nil
        }
    }

    private func require(_ column: Identifier, _ columns: [Field]) throws(SQLError) {
        guard columns.contains(where: { $0.name == column.value }) else {
            throw SQLError(
                .undefinedColumn, "column \"\(column.value)\" does not exist", position: column.position)
        }
    }

    /// Declared keys are recorded, and not enforced: that has to be said.
    func check(
        _ key: Statement.KeyDefinition, _ columns: [Field], _ format: any ManagedFormat
    ) throws(SQLError) {
        let setting = settings["unenforced_constraints"]
        let isKept = format.enforcesKeys || setting == "on"
        guard !key.isEnforced || isKept || setting == "warn" && key.kind != .check else {
            throw SQLError(
                .featureNotSupported, "\(key.kind.rawValue) constraints are not enforced",
                hint: "Write NOT ENFORCED behind it to have it recorded, or SET unenforced_constraints = on.",
                position: key.position)
        }
        for column in key.columns {
            guard columns.contains(where: { $0.name == column.value }) else {
                throw SQLError(
                    .undefinedColumn, "column \"\(column.value)\" named in key does not exist",
                    position: column.position)
            }
        }
        // Tools declare keys everywhere; whoever relies on them has to know.
        if key.isEnforced, !isKept {
            notices.append(
                SQLNotice(
                    .warning,
                    SQLError(.warning, "\(key.kind.rawValue) constraints are recorded, and not enforced")))
        }
    }

    func partitioning(
        _ items: [Statement.PartitionItem], _ columns: [Field]
    ) throws(SQLError) -> [PartitionField] {
        var fields: [PartitionField] = []
        for item in items {
            try require(item.column, columns)
            let transform: PartitionTransform
            switch (item.transform, item.width) {
            case ("identity", nil): transform = .identity
            case ("year", nil), ("years", nil): transform = .year
            case ("month", nil), ("months", nil): transform = .month
            case ("day", nil), ("days", nil), ("date", nil): transform = .day
            case ("hour", nil), ("hours", nil): transform = .hour
            case ("bucket", let width?): transform = .bucket(try size(width, item))
            case ("truncate", let width?): transform = .truncate(try size(width, item))
            default:
                throw SQLError(
                    .invalidParameterValue, "unknown partition transform \"\(item.transform)\"",
                    hint: "Transforms are: column, year(column), month(column), day(column), hour(column), "
                        + "bucket(n, column), truncate(width, column).", position: item.position)
            }
            fields.append(PartitionField(column: item.column.value, transform: transform))
        }
        return fields
    }

    private func size(_ width: Int, _ item: Statement.PartitionItem) throws(SQLError) -> Int {
        guard (1...Int(Int32.max)).contains(width) else {
            throw SQLError(
                .invalidParameterValue, "\(item.transform) needs a number from 1 to \(Int32.max)",
                position: item.position)
        }
        return width
    }
}
