// CREATE TABLE ... PARTITION BY and PARTITION OF, ATTACH and DETACH: the parent's properties tell its partitions, a
// partition's its parent.
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    /// A table with PARTITION BY that a statement adds to or takes from.
    struct PartitionParent {
        var found: Resolver.Found
        var branch: String?
        var definition: ManagedDefinition
        var table: any WritableTable
        var by: PartitionBy
        var keyTypes: [SQLType]
        var types: UserTypes

        /// The partitions by the parent's properties.
        var partitions: [(name: TableName, bound: StoredBound)] {
            var list: [(name: TableName, bound: StoredBound)] = []
            for (key, value) in table.properties where key.hasPrefix(TableProperty.partitionPrefix) {
                let text = String(key.dropFirst(TableProperty.partitionPrefix.count))
                guard let parsed = try? Parser.parseName(text), parsed.parts.count == 2,
                    let bound = StoredBound(value)
                else { continue }
                list.append((TableName(schema: parsed.parts[0].value, name: parsed.parts[1].value), bound))
            }
            return list.sorted { $0.name.description < $1.name.description }
        }
    }

    func partitionParent(_ name: QualifiedName) async throws(SQLError) -> PartitionParent {
        guard let (found, branch) = try await find(name) else {
            throw SQLError(.undefinedTable, "relation \"\(name.text)\" does not exist", position: name.position)
        }
        let refused = SQLError(SQLState("42P17"), "\"\(name.last)\" is not partitioned", position: name.position)
        guard case .managed(let definition) = found.entry else { throw refused }
        let table = try await format(on: branch).open(definition, named: found.name)
        guard let text = table.properties[TableProperty.partitionBy] else { throw refused }
        let by = try Parser.parsePartitionBy(text)
        let types = try await self.types(table.typeNames)
        let fields = Binder.declaredFields(of: table, types)
        var keyTypes: [SQLType] = []
        for key in by.keys {
            keyTypes.append(
                try Binder.partitionKeyType(key.expression, among: fields, context: planContext(), types: types))
        }
        return PartitionParent(
            found: found, branch: branch, definition: definition, table: table, by: by, keyTypes: keyTypes,
            types: types)
    }

    // MARK: - CREATE TABLE

    /// Checks PARTITION BY; returns the property that keeps it.
    func partitionProperty(
        _ create: Statement.CreateTable, _ place: NewPlace, _ fields: [Field], _ types: UserTypes
    ) throws(SQLError) -> String? {
        guard let by = create.partitionBy else { return nil }
        guard create.query == nil else {
            throw SQLError(.syntaxError, "PARTITION BY and AS do not go together", position: by.position)
        }
        guard place.branch.map({ Databases.name(ofBranch: $0) == nil }) ?? true else {
            throw SQLError(
                .featureNotSupported, "PARTITION BY is not supported in attached databases", position: by.position)
        }
        let invalid = SQLState("42P17")
        let generated = Set(create.columns.filter { $0.generated != nil }.map(\.name.value))
        var named: Set<String> = []
        for key in by.keys {
            if let column = key.column {
                guard fields.contains(where: { $0.name == column.value }) else {
                    throw SQLError(
                        .undefinedColumn, "column \"\(column.value)\" named in partition key does not exist",
                        position: column.position)
                }
                guard !generated.contains(column.value) else {
                    throw SQLError(invalid, "cannot use generated column in partition key", position: column.position)
                }
                named.insert(column.value)
            }
            _ = try Binder.partitionKeyType(key.expression, among: fields, context: planContext(), types: types)
            if by.strategy == .hash {
                _ = try Binder.partitionKeyType(
                    try Parser.parseExpression("partition_hash((\(key.text)))"), among: fields,
                    context: planContext(), types: types)
            }
        }
        for key in create.keys where key.kind == .primary || key.kind == .unique {
            guard by.keys.allSatisfy({ $0.column != nil }) else {
                throw SQLError(
                    .featureNotSupported,
                    "unsupported \(key.kind.rawValue) constraint with partition key definition",
                    detail: "\(key.kind.rawValue) constraints cannot be used when partition keys include expressions.",
                    position: key.position)
            }
            let columns = Set(key.columns.map(\.value))
            guard named.isSubset(of: columns) else {
                throw SQLError(
                    .featureNotSupported,
                    "unique constraint on partitioned table must include all partitioning columns",
                    position: key.position)
            }
        }
        return by.text
    }

    /// Gives CREATE TABLE ... PARTITION OF the columns and checks of the parent.
    func adoptParent(_ create: inout Statement.CreateTable, _ parent: PartitionParent, _ of: PartitionOf)
        async
        throws(SQLError)
    {
        let own = create.columns
        create.columns = []
        create.likes = [
            Statement.CreateTable.Like(
                table: of.parent, place: 0, includesDefaults: true, includesGenerated: true, includesIdentity: false)
        ]
        try await settleLikes(&create)
        var seen: Set<String> = []
        for column in own {
            guard let index = create.columns.firstIndex(where: { $0.name.value == column.name.value }) else {
                throw SQLError(
                    .undefinedColumn, "column \"\(column.name.value)\" does not exist", position: column.name.position)
            }
            guard seen.insert(column.name.value).inserted else {
                throw SQLError(
                    .duplicateColumn, "column \"\(column.name.value)\" specified more than once",
                    position: column.name.position)
            }
            guard column.identity == nil else {
                throw SQLError(
                    .featureNotSupported, "identity columns are not supported on partitions",
                    position: column.name.position)
            }
            if column.isNotNull { create.columns[index].isNotNull = true }
            if let value = column.defaultValue {
                create.columns[index].defaultValue = value
                create.columns[index].defaultText = column.defaultText
            }
        }
        let known = Set(create.keys.compactMap(\.name?.value))
        for check in TableCheck.all(of: parent.table.properties) where !known.contains(check.name) {
            var key = Statement.KeyDefinition(
                kind: .check, columns: [], text: "CHECK (\(check.text))", isEnforced: true, position: of.position)
            key.name = Identifier(check.name, isQuoted: true, position: of.position)
            key.condition = try Parser.parseExpression(check.text)
            create.keys.append(key)
        }
    }

    /// The parent's keys are those of each partition, under names of its own.
    func inheritKeys(_ new: inout NewTable, _ parent: PartitionParent) {
        var next = 1
        while new.properties[TableProperty.key(next)] != nil { next += 1 }
        var number = 1
        while let text = parent.table.properties[TableProperty.key(number)] {
            new.properties[TableProperty.key(next)] = text
            number += 1
            next += 1
        }
    }

    /// Requires that a partition lives where its parent does.
    func requireSamePlace(_ parent: PartitionParent, _ branch: String?, _ at: Int) throws(SQLError) {
        guard parent.branch != branch else { return }
        if parent.branch == nil {
            throw SQLError(
                .wrongObjectType,
                "cannot create a permanent relation as partition of temporary relation \"\(parent.found.name.name)\"",
                position: at)
        }
        throw SQLError(
            .wrongObjectType,
            "cannot create a temporary relation as partition of permanent relation \"\(parent.found.name.name)\"",
            position: at)
    }

    /// Makes a table a partition: the parent's rows that belong into it must not be elsewhere.
    func addPartition(
        _ name: TableName, _ bound: StoredBound, to parent: PartitionParent
    ) async throws(SQLError) {
        if !bound.isRest, let condition = bound.condition(parent.by),
            let rest = parent.partitions.first(where: { $0.bound.isRest }),
            try await hasRows(rest.name, parent.branch, where: condition)
        {
            throw SQLError(
                SQLState("23514"),
                "updated partition constraint for default partition \"\(rest.name.name)\" "
                    + "would be violated by some row")
        }
        let text = bound.text(parent.keyTypes.map { $0.isNumber || $0 == .boolean })
        try await alterProperties(
            parent.found.name, parent.branch, parent.definition, [.setProperty(TableProperty.partition(name), text)])
    }

    /// Whether a table has rows for which a condition holds.
    private func hasRows(
        _ table: TableName, _ branch: String?, where condition: String
    ) async throws(SQLError) -> Bool {
        var parts = [Identifier(table.schema, isQuoted: true), Identifier(table.name, isQuoted: true)]
        if let branch, branch != self.branch {
            parts.insert(Identifier("\(engine.database)@\(branch)", isQuoted: true), at: 0)
        }
        let from = TableExpression(
            .table(QualifiedName(parts, position: 0), version: nil, alias: nil), position: 0)
        let one = SelectItem(value: Expression(.integer("1"), position: 0))
        let select = Select(
            items: [one], from: [from], filter: try Parser.parseExpression(condition), position: 0)
        var query = Query(body: .select(select), position: 0)
        query.limit = Expression(.integer("1"), position: 0)
        let life = life()
        let bound = try await bind(query, [], life)
        let rows = try await collect(try await begin(try Optimizer.optimize(bound.query.plan, life.context), life))
        return rows.contains { $0.rows > 0 }
    }

    func alterProperties(
        _ name: TableName, _ branch: String?, _ definition: ManagedDefinition, _ changes: [TableAlteration]
    ) async throws(SQLError) {
        let format = try format(on: branch)
        let altered = try await format.alter(definition, named: name, changes)
        transaction?.keep(altered, from: definition, of: format)
        try record(name, branch) { $0.alter(name, altered, .alter(changes)) }
    }

    // MARK: - ATTACH and DETACH

    func attach(
        _ child: QualifiedName, _ bound: PartitionBound, to name: QualifiedName
    ) async throws(SQLError) {
        let parent = try await partitionParent(name)
        guard let (found, branch) = try await find(child) else {
            throw SQLError(.undefinedTable, "relation \"\(child.text)\" does not exist", position: child.position)
        }
        guard case .managed(let definition) = found.entry, definition.isMaterializedView != true else {
            throw SQLError(
                .wrongObjectType, "\"\(child.last)\" is not a table that Apus writes", position: child.position)
        }
        guard definition.partitionOf == nil else {
            throw SQLError(.wrongObjectType, "\"\(child.last)\" is already a partition", position: child.position)
        }
        guard branch == parent.branch else {
            let (own, other) = branch == nil ? ("temporary", "permanent") : ("permanent", "temporary")
            throw SQLError(
                .wrongObjectType,
                "cannot attach a \(own) relation as partition of \(other) relation \"\(parent.found.name.name)\"",
                position: child.position)
        }
        guard try await !isAbove(found.name, parent.found, branch) else {
            throw SQLError(
                .duplicateTable, "circular inheritance not allowed", position: child.position)
        }
        let table = try await format(on: branch).open(definition, named: found.name)
        try requireSameColumns(table, found.name, parent)
        let stored = try BoundCheck(parent: parent, context: planContext())
            .stored(bound, for: found.name.name, at: child.position)
        var conditions = [stored.condition(parent.by) ?? restCondition(parent)]
        var pinned = transaction?.pinned ?? [:]
        let above = try await resolver(planContext()).constraint(
            of: parent.found.name, parent.definition, parent.found, currentTransaction, &pinned)
        transaction?.pinned = pinned
        if let above { conditions.append(above) }
        if try await hasRows(found.name, branch, where: "NOT (\(conditions.joined(separator: " AND ")))") {
            throw SQLError(
                SQLState("23514"), "partition constraint of relation \"\(found.name.name)\" is violated by some row")
        }
        try await addPartition(found.name, stored, to: parent)
        try await alterProperties(
            found.name, branch, definition,
            [.setProperty(TableProperty.partitionOf, TableProperty.quoted(parent.found.name))])
    }

    private func restCondition(_ parent: PartitionParent) -> String {
        let others = parent.partitions.compactMap { $0.bound.condition(parent.by) }
        return others.isEmpty ? "true" : "NOT (\(others.joined(separator: " OR ")))"
    }

    /// Whether a table is a table itself or one of those above it.
    private func isAbove(_ name: TableName, _ found: Resolver.Found, _ branch: String?) async throws(SQLError) -> Bool {
        var (current, entry) = (found.name, Entry?.some(found.entry))
        for _ in 0..<Session.levelsMax {
            if current == name { return true }
            guard case .managed(let definition)? = entry, let text = definition.partitionOf else { return false }
            let parsed = try Parser.parseName(text)
            guard parsed.parts.count == 2 else { return false }
            current = TableName(schema: parsed.parts[0].value, name: parsed.parts[1].value)
            entry = try await self.entry(at: NewPlace(name: current, branch: branch))
        }
        return false
    }

    private static let levelsMax = 64

    private func requireSameColumns(
        _ table: any WritableTable, _ name: TableName, _ parent: PartitionParent
    ) throws(SQLError) {
        let wrong = SQLState.datatypeMismatch
        let own = Binder.declaredFields(of: table, parent.types)
        let theirs = Binder.declaredFields(of: parent.table, parent.types)
        for field in own where !theirs.contains(where: { $0.name == field.name }) {
            throw SQLError(
                wrong,
                "table \"\(name.name)\" contains column \"\(field.name)\" not found in parent "
                    + "\"\(parent.found.name.name)\"",
                detail: "The new partition may contain only the columns present in parent.")
        }
        for field in theirs {
            guard let mine = own.first(where: { $0.name == field.name }) else {
                throw SQLError(wrong, "child table is missing column \"\(field.name)\"")
            }
            let types = [
                table.properties[TableProperty.userType(of: field.name)],
                parent.table.properties[TableProperty.userType(of: field.name)],
            ]
            guard mine.type == field.type, types[0] == types[1] else {
                throw SQLError(
                    wrong, "child table \"\(name.name)\" has different type for column \"\(field.name)\"")
            }
            guard field.isNullable || !mine.isNullable else {
                throw SQLError(wrong, "column \"\(field.name)\" in child table must be marked NOT NULL")
            }
        }
        let checks = TableCheck.all(of: table.properties)
        for check in TableCheck.all(of: parent.table.properties) {
            guard let mine = checks.first(where: { $0.name == check.name }) else {
                throw SQLError(wrong, "child table is missing constraint \"\(check.name)\"")
            }
            guard mine.text == check.text else {
                throw SQLError(
                    wrong,
                    "child table \"\(name.name)\" has different definition for check constraint \"\(check.name)\"")
            }
        }
    }

    func detach(_ child: QualifiedName, from name: QualifiedName) async throws(SQLError) {
        let parent = try await partitionParent(name)
        let reference = try await find(child)
        guard let (found, branch) = reference else {
            // A partition that something else removed is forgotten by its name.
            guard let left = parent.partitions.first(where: { $0.name.name == child.last }) else {
                throw SQLError(.undefinedTable, "relation \"\(child.text)\" does not exist", position: child.position)
            }
            return try await alterProperties(
                parent.found.name, parent.branch, parent.definition,
                [.removeProperty(TableProperty.partition(left.name))])
        }
        guard case .managed(let definition) = found.entry,
            parent.table.properties[TableProperty.partition(found.name)] != nil
        else {
            throw SQLError(
                .undefinedTable,
                "relation \"\(child.last)\" is not a partition of relation \"\(parent.found.name.name)\"",
                position: child.position)
        }
        try await alterProperties(
            parent.found.name, parent.branch, parent.definition,
            [.removeProperty(TableProperty.partition(found.name))])
        guard definition.partitionOf != nil else { return }
        try await alterProperties(found.name, branch, definition, [.removeProperty(TableProperty.partitionOf)])
    }
}
