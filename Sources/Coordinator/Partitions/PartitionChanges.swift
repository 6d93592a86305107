// What happens to a table happens to its partitions: ALTER TABLE goes down to them, names are kept on both sides, and
// DROP takes them along.
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    /// One action of ALTER TABLE on a table, and on the partitions below it.
    func changeAll(
        _ place: NewPlace, _ action: Statement.AlterTable.Action, _ alter: Statement.AlterTable
    ) async throws(SQLError) {
        guard case .managed(let definition)? = try await entry(at: place),
            definition.partitionOf != nil || definition.isPartitioned == true
        else { return try await change(place, action, alter) }
        if definition.partitionOf != nil { try refuseInherited(action) }
        if case .dropConstraint(let name, _) = action,
            let above = try await parent(of: definition, place.branch),
            TableCheck.all(of: above.table.properties).contains(where: { $0.name == name.value })
        {
            throw SQLError(
                SQLState("42P16"),
                "cannot drop inherited constraint \"\(name.value)\" of relation \"\(place.name.name)\"",
                position: name.position)
        }
        guard definition.isPartitioned == true else { return try await change(place, action, alter) }
        let table = try await format(on: place.branch).open(definition, named: place.name)
        let below = try await partitionPlaces(of: table, place.branch)
        try await keepKey(place, table, definition, action)
        try await change(place, action, alter)
        try await pass(action, to: below, alter)
    }

    private func pass(
        _ action: Statement.AlterTable.Action, to below: [NewPlace], _ alter: Statement.AlterTable
    ) async throws(SQLError) {
        var action = action
        switch action {
        case .addColumn, .dropColumn, .renameColumn, .setType, .setNotNull, .dropNotNull, .setDefault, .dropDefault,
            .addKey:
            break
        case .dropConstraint(let name, _): action = .dropConstraint(name, ifExists: true)
        case .renameConstraint: break
        default: return
        }
        for place in below {
            try await change(place, action, alter)
            guard case .managed(let definition)? = try await entry(at: place), definition.isPartitioned == true
            else { continue }
            let table = try await format(on: place.branch).open(definition, named: place.name)
            try await keepKey(place, table, definition, action)
            try await pass(action, to: try await partitionPlaces(of: table, place.branch), alter)
        }
    }

    /// The partitions that a table names and that are there.
    private func partitionPlaces(
        of table: any WritableTable, _ branch: String?
    ) async throws(SQLError) -> [NewPlace] {
        var places: [NewPlace] = []
        for key in table.properties.keys.sorted() where key.hasPrefix(TableProperty.partitionPrefix) {
            let parsed = try Parser.parseName(String(key.dropFirst(TableProperty.partitionPrefix.count)))
            guard parsed.parts.count == 2 else { continue }
            let name = TableName(schema: parsed.parts[0].value, name: parsed.parts[1].value)
            let place = NewPlace(name: name, branch: branch)
            if try await entry(at: place) != nil { places.append(place) }
        }
        return places
    }

    private func refuseInherited(_ action: Statement.AlterTable.Action) throws(SQLError) {
        let invalid = SQLState("42P16")
        switch action {
        case .addColumn(let column, _, _):
            throw SQLError(
                .wrongObjectType, "cannot add column to a partition", position: column.name.position)
        case .dropColumn(let column, _, _):
            throw SQLError(
                invalid, "cannot drop inherited column \"\(column.value)\"", position: column.position)
        case .renameColumn(let column, _):
            throw SQLError(
                invalid, "cannot rename inherited column \"\(column.value)\"", position: column.position)
        case .setType(let column, _):
            throw SQLError(
                invalid, "cannot alter inherited column \"\(column.value)\"", position: column.position)
        default: break
        }
    }

    /// Columns of the partition key stay, and keep their types; a new name is taken over.
    private func keepKey(
        _ place: NewPlace, _ table: any WritableTable, _ definition: ManagedDefinition,
        _ action: Statement.AlterTable.Action
    ) async throws(SQLError) {
        guard let text = table.properties[TableProperty.partitionBy] else { return }
        var by = try Parser.parsePartitionBy(text)
        func uses(_ column: Identifier) -> Bool {
            by.keys.contains { Session.columns(in: $0.text).contains(column.value) }
        }
        let invalid = SQLState("42P16")
        switch action {
        case .dropColumn(let column, _, _) where uses(column):
            throw SQLError(
                invalid,
                "cannot drop column \"\(column.value)\" because it is part of the partition key of relation "
                    + "\"\(place.name.name)\"", position: column.position)
        case .setType(let column, _) where uses(column):
            throw SQLError(
                invalid,
                "cannot alter column \"\(column.value)\" because it is part of the partition key of relation "
                    + "\"\(place.name.name)\"", position: column.position)
        case .renameColumn(let old, let new) where uses(old):
            for index in by.keys.indices where Session.columns(in: by.keys[index].text).contains(old.value) {
                guard by.keys[index].column != nil else {
                    throw SQLError(
                        .featureNotSupported, "a column in a partition key expression cannot be renamed",
                        position: old.position)
                }
                by.keys[index].text = "\"" + new.value.replacing("\"", with: "\"\"") + "\""
            }
            try await alterProperties(
                place.name, place.branch, definition, [.setProperty(TableProperty.partitionBy, by.text)])
        default: break
        }
    }

    // MARK: - Names

    /// A table that was renamed or moved is known by its new name above and below it.
    func tellRelatives(of entry: Entry, was old: NewPlace, now new: NewPlace) async throws(SQLError) {
        guard case .managed(let definition) = entry else { return }
        if let (parent, above, table) = try await parent(of: definition, old.branch),
            let bound = table.properties[TableProperty.partition(old.name)]
        {
            try await alterProperties(
                parent, old.branch, above,
                [
                    .removeProperty(TableProperty.partition(old.name)),
                    .setProperty(TableProperty.partition(new.name), bound),
                ])
        }
        guard definition.isPartitioned == true else { return }
        let table = try await format(on: new.branch).open(definition, named: new.name)
        for place in try await partitionPlaces(of: table, new.branch) {
            guard case .managed(let below)? = try await self.entry(at: place) else { continue }
            try await alterProperties(
                place.name, place.branch, below,
                [.setProperty(TableProperty.partitionOf, TableProperty.quoted(new.name))])
        }
    }

    private func parent(
        of definition: ManagedDefinition, _ branch: String?
    ) async throws(SQLError) -> (name: TableName, definition: ManagedDefinition, table: any WritableTable)? {
        guard let text = definition.partitionOf else { return nil }
        let parsed = try Parser.parseName(text)
        guard parsed.parts.count == 2 else { return nil }
        let name = TableName(schema: parsed.parts[0].value, name: parsed.parts[1].value)
        guard case .managed(let above)? = try await entry(at: NewPlace(name: name, branch: branch)) else { return nil }
        return (name, above, try await format(on: branch).open(above, named: name))
    }

    // MARK: - DROP

    /// Before a table is dropped: its partitions go too, and its parent forgets it.
    func dropPartitions(
        of name: TableName, _ branch: String?, _ gone: inout Set<TableName>
    ) async throws(SQLError) {
        guard case .managed(let definition)? = try await entry(at: NewPlace(name: name, branch: branch)) else { return }
        gone.insert(name)
        if let (parent, above, table) = try await parent(of: definition, branch), !gone.contains(parent),
            table.properties[TableProperty.partition(name)] != nil
        {
            try await alterProperties(parent, branch, above, [.removeProperty(TableProperty.partition(name))])
        }
        guard definition.isPartitioned == true else { return }
        let table = try await format(on: branch).open(definition, named: name)
        for place in try await partitionPlaces(of: table, branch) {
            try await dropOwned(by: place.name, branch)
            try await dropPartitions(of: place.name, branch, &gone)
            try record(place.name, branch) { $0.drop(place.name) }
        }
    }
}
