// ALTER TABLE ... ALTER COLUMN for identity columns: the sequence, and the two properties that name it.
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    func changeIdentity(_ place: NewPlace, _ action: Statement.AlterTable.Action) async throws(SQLError) {
        guard case .managed(let definition)? = try await entry(at: place) else {
            throw SQLError(.wrongObjectType, "\"\(place.name.name)\" is not a table that Apus writes")
        }
        let table = try await format(on: place.branch).open(definition, named: place.name)
        switch action {
        case .addIdentity(let column, let identity):
            let changes = try await identityAdded(column, identity, table, place)
            try await alterProperties(place.name, place.branch, definition, changes)
        case .setIdentity(let column, let isAlways, let options):
            let text = try requireIdentity(column, table, place)
            if let isAlways {
                let key = TableProperty.identity(of: column.value)
                try await alterProperties(
                    place.name, place.branch, definition, [.setProperty(key, isAlways ? "always" : "default")])
            }
            try await alterSequence(try Session.sequenceName(text), false, options)
        case .dropIdentity(let column, let ifExists):
            let key = TableProperty.identity(of: column.value)
            if table.properties[key] == nil, table.schema.index(of: column.value) != nil, ifExists {
                let text = "column \"\(column.value)\" of relation \"\(place.name.name)\" is not an identity column"
                notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, text + ", skipping")))
                return
            }
            let text = try requireIdentity(column, table, place)
            try await alterProperties(
                place.name, place.branch, definition,
                [.removeProperty(key), .removeProperty(TableProperty.defaultValue(of: column.value))])
            let name = try Session.sequenceName(text)
            let sequence = TableName.object(.sequence, schema: place.name.schema, name: name.last)
            try record(sequence, place.branch) { $0.drop(sequence) }
        default: break
        }
    }

    private static func wrongState(
        _ column: Identifier, _ place: NewPlace, _ what: String
    ) -> SQLError {
        SQLError(
            SQLState("55000"), "column \"\(column.value)\" of relation \"\(place.name.name)\" \(what)",
            position: column.position)
    }

    private func identityAdded(
        _ column: Identifier, _ identity: Statement.ColumnDefinition.Identity, _ table: any WritableTable,
        _ place: NewPlace
    ) async throws(SQLError) -> [TableAlteration] {
        let name = column.value
        guard let index = table.schema.index(of: name) else { throw Session.missing(column, place) }
        let type = table.declaredType(of: table.schema.fields[index])
        guard type.isInteger else {
            throw SQLError(
                .invalidParameterValue, "identity column type must be smallint, integer, or bigint",
                position: column.position)
        }
        guard table.properties[TableProperty.identity(of: name)] == nil else {
            throw Session.wrongState(column, place, "is already an identity column")
        }
        guard !table.schema.fields[index].isNullable else {
            throw Session.wrongState(column, place, "must be declared NOT NULL before identity can be added")
        }
        guard table.properties[TableProperty.defaultValue(of: name)] == nil else {
            throw Session.wrongState(column, place, "already has a default value")
        }
        let text = try await createSequence(for: name, of: place, identity.options, type, column.position)
        return [
            .setProperty(TableProperty.defaultValue(of: name), text),
            .setProperty(TableProperty.identity(of: name), identity.isAlways ? "always" : "default"),
        ]
    }

    private static func missing(_ column: Identifier, _ place: NewPlace) -> SQLError {
        SQLError(
            .undefinedColumn,
            "column \"\(column.value)\" of relation \"\(place.name.name)\" does not exist", position: column.position)
    }

    /// The DEFAULT of an identity column.
    private func requireIdentity(
        _ column: Identifier, _ table: any WritableTable, _ place: NewPlace
    ) throws(SQLError) -> String {
        guard table.schema.index(of: column.value) != nil else { throw Session.missing(column, place) }
        guard table.properties[TableProperty.identity(of: column.value)] != nil,
            let text = table.properties[TableProperty.defaultValue(of: column.value)]
        else { throw Session.wrongState(column, place, "is not an identity column") }
        return text
    }

    /// The sequence that `nextval('"s"."n"'::regclass)` asks.
    private static func sequenceName(_ text: String) throws(SQLError) -> QualifiedName {
        guard let start = text.firstIndex(of: "'"), let end = text.lastIndex(of: "'"), start < end else {
            throw SQLError(.internalError, "an identity column without a sequence")
        }
        return try Parser.parseName(
            String(text[text.index(after: start)..<end]).replacing("''", with: "'"))
    }
}
