// What stands in the way of DROP SEQUENCE: columns whose defaults ask it.
import Catalogs
import Diagnostics
import Planner
import Syntax

extension Session {
    /// The tables on the session's branch, opened; what cannot be read is left out.
    func managedTables() async throws(SQLError) -> [(name: TableName, table: any WritableTable)] {
        var schemas = try await databases.schemas(at: try await head()).map(\.name)
        let changed = own(branch)?.changes.schemas ?? [:]
        for (name, definition) in changed where definition != nil && !schemas.contains(name) { schemas.append(name) }
        var tables: [(name: TableName, table: any WritableTable)] = []
        for schema in schemas {
            for name in try await tableNames(in: schema, on: branch) {
                guard case .managed(let definition)? = try await entry(at: NewPlace(name: name, branch: branch)),
                    let table = try? await engine.managed.open(definition, named: name)
                else { continue }
                tables.append((name, table))
            }
        }
        return tables
    }

    /// Requires that no default asks a sequence, or drops those defaults with it.
    func dropDefaults(of key: TableName, _ isCascade: Bool, _ at: QualifiedName) async throws(SQLError) {
        let head = TableProperty.defaultValue(of: "")
        var users: [(table: TableName, column: String)] = []
        for (name, table) in try await managedTables() {
            for (property, text) in table.properties where property.hasPrefix(head) && text.contains("nextval") {
                guard let expression = try? Parser.parseExpression(text),
                    try QueryNames.sequences(in: expression, context: planContext())
                        .contains(where: { means($0, key) })
                else { continue }
                let column = String(property.dropFirst(head.count))
                guard table.properties[TableProperty.identity(of: column)] == nil else {
                    throw SQLError(
                        SQLState("2BP01"),
                        "cannot drop sequence \(key.objectName) because column \(column) of table \(name.name) requires it",
                        hint: "You can drop column \(column) of table \(name.name) instead.", position: at.position)
                }
                users.append((name, column))
            }
        }
        guard users.isEmpty || isCascade else {
            let lines = users.map {
                "default value for column \($0.column) of table \($0.table.name) depends on sequence \(key.objectName)"
            }
            throw SQLError(
                SQLState("2BP01"), "cannot drop sequence \(key.objectName) because other objects depend on it",
                detail: lines.sorted().joined(separator: "\n"),
                hint: "Use DROP ... CASCADE to drop the dependent objects too.", position: at.position)
        }
        for user in users {
            let text = "drop cascades to default value for column \(user.column) of table \(user.table.name)"
            notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, text)))
            let parts = [Identifier(user.table.schema, isQuoted: true), Identifier(user.table.name, isQuoted: true)]
            _ = try await alterTable(
                Statement.AlterTable(
                    name: QualifiedName(parts, position: at.position), isView: false, ifExists: true,
                    actions: [.dropDefault(Identifier(user.column, isQuoted: true, position: at.position))]))
        }
    }

    /// Whether a name as a default writes it means a sequence.
    private func means(_ text: String, _ key: TableName) -> Bool {
        guard case .column(let name)? = (try? Parser.parseExpression(text))?.node, name.last == key.objectName else {
            return false
        }
        if name.parts.count > 1 { return name.parts[name.parts.count - 2].value == key.schema }
        return settings.searchPath.contains(key.schema)
    }
}
