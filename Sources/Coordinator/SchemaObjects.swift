// CREATE, ALTER and DROP of sequences, indexes and functions in SQL: changes of the transaction like those of tables.
import Catalogs
import Columns
import Diagnostics
import Foundation
import Planner
import Syntax

extension Session {
    func object(_ statement: ObjectStatement) async throws(SQLError) -> any ResultStream {
        switch statement {
        case .createIndex(let create): return try await createIndex(create)
        case .createSequence(let name, let ifNotExists, let options):
            let place = try await newPlace(name)
            if try await taken(place.name, ifNotExists, name) { return done("CREATE SEQUENCE") }
            let definition = try await owned(try Session.sequence(options, name.position), options)
            try await put(.sequence(definition), .sequence, place)
            return done("CREATE SEQUENCE")
        case .alterSequence(let name, let ifExists, let options):
            try await alterSequence(name, ifExists, options)
            return done("ALTER SEQUENCE")
        case .rename(let kind, let name, let new, let ifExists):
            try await renameObject(kind, name, new, ifExists)
            return done("ALTER \(kind.rawValue.uppercased())")
        case .createFunction(let create): return try await createFunction(create)
        case .createType(let name, let form): return try await createType(name, form)
        case .alterType(let name, let isDomain, let ifExists, let action):
            return try await alterType(name, isDomain, ifExists, action)
        case .drop(let kind, let names, let ifExists, let isCascade):
            for name in names { try await dropNamed(kind, name, ifExists, isCascade) }
            return done("DROP \(kind.rawValue.uppercased())")
        }
    }

    func put(_ object: SchemaObject, _ kind: TableName.ObjectKind, _ place: NewPlace) async throws(SQLError) {
        let key = TableName.object(kind, schema: place.name.schema, name: place.name.name)
        var object = object
        object.owner = newOwner
        let owned = object
        try record(key, place.branch) { $0.put(key, .object(owned)) }
        if place.branch != nil, kind != .index {
            try await grantDefaults(AccessGuard.secured(key, .object(owned)).object)
        }
    }

    /// Relations, sequences and indexes of a schema share their names. True: it is there, and IF NOT EXISTS was said.
    private func taken(_ name: TableName, _ ifNotExists: Bool, _ at: QualifiedName) async throws(SQLError) -> Bool {
        let place = try await newPlace(at)
        var isTaken = try await entry(at: place) != nil
        for kind in [TableName.ObjectKind.sequence, .index] {
            let key = NewPlace(name: .object(kind, schema: name.schema, name: name.name), branch: place.branch)
            if try await entry(at: key) != nil { isTaken = true }
        }
        guard isTaken else { return false }
        let error = SQLError(.duplicateTable, "relation \"\(name.name)\" already exists", position: at.position)
        guard ifNotExists else { throw error }
        notices.append(SQLNotice(.notice, SQLError(.duplicateTable, error.message + ", skipping")))
        return true
    }

    func found(
        _ kind: TableName.ObjectKind, _ name: QualifiedName
    ) async throws(SQLError) -> (name: TableName, entry: Entry, branch: String?)? {
        var pinned = transaction?.pinned ?? [:]
        let found = try await resolver(planContext()).object(kind, name, currentTransaction, &pinned)
        transaction?.pinned = pinned
        if let found, let branch = found.branch {
            _ = try await requireBranch(.named(branch))
            try requireOwner(of: found.entry, at: NewPlace(name: found.name, branch: branch))
        }
        return found
    }

    // MARK: - Indexes

    /// Scans skip files and row groups by statistics, so that an index is a name only.
    private func createIndex(_ create: ObjectStatement.CreateIndex) async throws(SQLError) -> any ResultStream {
        guard let (found, branch) = try await find(create.table) else {
            throw SQLError(
                .undefinedTable, "relation \"\(create.table.text)\" does not exist", position: create.table.position)
        }
        try requireOwner(of: found.entry, at: NewPlace(name: found.name, branch: branch))
        guard case .managed(let definition) = found.entry else {
            throw SQLError(
                .wrongObjectType, "cannot create index on relation \"\(found.name.name)\"",
                position: create.table.position)
        }
        if create.isUnique, settings["unenforced_constraints"] != "on" {
            throw SQLError(
                .featureNotSupported, "unique indexes are not enforced",
                hint: "SET unenforced_constraints = on to have them recorded.", position: create.table.position)
        }
        let fields = try await engine.managed.open(definition, named: found.name).schema.fields
        for key in create.keys {
            guard case .column(let column) = key.node else { continue }
            guard column.parts.count > 1 || fields.contains(where: { $0.name == column.last }) else {
                throw SQLError(
                    .undefinedColumn, "column \"\(column.last)\" does not exist", position: key.position)
            }
        }
        let schema = found.name.schema
        var name = create.name?.value ?? ""
        if name.isEmpty { name = try await freeIndexName(create, found.name, branch) }
        if create.name != nil {
            let written = QualifiedName([Identifier(name)], position: create.table.position)
            if try await taken(TableName(schema: schema, name: name), create.ifNotExists, written) {
                return done("CREATE INDEX")
            }
        }
        try await put(
            .index(IndexDefinition(table: found.name.name, text: create.text)), .index,
            NewPlace(name: TableName(schema: schema, name: name), branch: branch))
        return done("CREATE INDEX")
    }

    /// PostgreSQL's name: table_column_idx, with a number where that is taken.
    private func freeIndexName(
        _ create: ObjectStatement.CreateIndex, _ table: TableName, _ branch: String?
    ) async throws(SQLError) -> String {
        var parts = [table.name]
        for key in create.keys {
            switch key.node {
            case .column(let column): parts.append(column.last)
            case .call(let call): parts.append(call.name.last)
            default: parts.append("expr")
            }
        }
        let base = String(parts.joined(separator: "_").prefix(SystemText.nameBytesMax - 8)) + "_idx"
        var number = 0
        while number < Session.indexNamesMax {
            let name = number == 0 ? base : base + String(number)
            let key = TableName.object(.index, schema: table.schema, name: name)
            if try await entry(at: NewPlace(name: key, branch: branch)) == nil { return name }
            number += 1
        }
        throw SQLError(.programLimitExceeded, "too many indexes on \"\(table.name)\"")
    }

    private static let indexNamesMax = 1_000

    // MARK: - Sequences

    /// A new sequence of these options.
    static func sequence(
        _ options: ObjectStatement.SequenceOptions, _ position: Int
    ) throws(SQLError) -> SequenceDefinition {
        let type = try options.type.map { (name) throws(SQLError) in try TypeNames.type(name) } ?? .int8
        let bounds: (Int64, Int64)
        switch type {
        case .int2: bounds = (Int64(Int16.min), Int64(Int16.max))
        case .int4: bounds = (Int64(Int32.min), Int64(Int32.max))
        case .int8: bounds = (.min, .max)
        default:
            throw invalid("sequence type must be smallint, integer, or bigint", position)
        }
        let increment = options.increment ?? 1
        guard increment != 0 else { throw invalid("INCREMENT must not be zero", position) }
        let min = (options.min ?? nil) ?? (increment > 0 ? 1 : bounds.0)
        let max = (options.max ?? nil) ?? (increment > 0 ? bounds.1 : -1)
        guard min >= bounds.0, min <= bounds.1 else {
            throw invalid("MINVALUE (\(min)) is out of range for sequence data type \(type.name)", position)
        }
        guard max >= bounds.0, max <= bounds.1 else {
            throw invalid("MAXVALUE (\(max)) is out of range for sequence data type \(type.name)", position)
        }
        guard min < max else {
            throw invalid("MINVALUE (\(min)) must be less than MAXVALUE (\(max))", position)
        }
        let start = options.start ?? (increment > 0 ? min : max)
        guard start >= min else {
            throw invalid("START value (\(start)) cannot be less than MINVALUE (\(min))", position)
        }
        guard start <= max else {
            throw invalid("START value (\(start)) cannot be greater than MAXVALUE (\(max))", position)
        }
        return SequenceDefinition(
            identity: UUID().uuidString.lowercased(), type: type.name, start: start, increment: increment, min: min,
            max: max, isCycled: options.isCycled ?? false)
    }

    private static func invalid(_ message: String, _ position: Int) -> SQLError {
        SQLError(.invalidParameterValue, message, position: position)
    }

    /// OWNED BY table.column: both must exist.
    private func owned(
        _ definition: SequenceDefinition, _ options: ObjectStatement.SequenceOptions
    ) async throws(SQLError) -> SequenceDefinition {
        guard let owner = options.owner else { return definition }
        var definition = definition
        (definition.ownerTable, definition.ownerColumn) = (nil, nil)
        guard !owner.parts.isEmpty else { return definition }
        guard owner.parts.count > 1 else {
            throw SQLError(
                .syntaxError, "invalid OWNED BY option",
                hint: "Specify OWNED BY table.column or OWNED BY NONE.", position: owner.position)
        }
        let table = QualifiedName(Array(owner.parts.dropLast()), position: owner.position)
        guard let (found, _) = try await find(table) else {
            throw SQLError(.undefinedTable, "relation \"\(table.text)\" does not exist", position: owner.position)
        }
        (definition.ownerTable, definition.ownerColumn) = (found.name.name, owner.last)
        return definition
    }

    func alterSequence(
        _ name: QualifiedName, _ ifExists: Bool, _ options: ObjectStatement.SequenceOptions
    ) async throws(SQLError) {
        guard let (key, entry, branch) = try await found(.sequence, name), case .object(.sequence(let old)) = entry
        else {
            return try missing("relation \"\(name.text)\"", .undefinedTable, ifExists, name.position)
        }
        let now = engine.sequences.sequence(old).definition
        var merged = options
        merged.increment = options.increment ?? now.increment
        merged.min = options.min ?? .some(now.min)
        merged.max = options.max ?? .some(now.max)
        merged.start = options.start ?? now.start
        merged.isCycled = options.isCycled ?? now.isCycled
        if merged.type == nil { merged.type = TypeName(now.type, position: name.position) }
        var new = try Session.sequence(merged, name.position)
        (new.last, new.isCalled) = (now.last, now.isCalled)
        (new.ownerTable, new.ownerColumn, new.owner) = (now.ownerTable, now.ownerColumn, old.owner)
        if let restart = options.restart {
            (new.last, new.isCalled) = (restart ?? new.start, false)
        }
        guard new.last >= new.min, new.last <= new.max else {
            throw Session.invalid("RESTART value (\(new.last)) is out of the sequence's bounds", name.position)
        }
        new = try await owned(new, options)
        try record(key, branch) { $0.put(key, .object(.sequence(new))) }
    }

    /// The sequence of a serial or identity column.
    func createSequence(
        for column: String, of table: NewPlace, _ options: ObjectStatement.SequenceOptions, _ type: SQLType,
        _ position: Int
    ) async throws(SQLError) -> String {
        var typed = options
        typed.type = typed.type ?? TypeName(type.name, position: position)
        var definition = try Session.sequence(typed, position)
        (definition.ownerTable, definition.ownerColumn) = (table.name.name, column)
        let base = "\(table.name.name)_\(column)_seq"
        var name = base
        for number in 1..<Session.indexNamesMax {
            let key = TableName.object(.sequence, schema: table.name.schema, name: name)
            if try await entry(at: NewPlace(name: key, branch: table.branch)) == nil { break }
            name = base + String(number)
        }
        try await put(
            .sequence(definition), .sequence,
            NewPlace(name: TableName(schema: table.name.schema, name: name), branch: table.branch))
        func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
        let text = table.branch == nil ? quoted(name) : "\(quoted(table.name.schema)).\(quoted(name))"
        return "nextval('\(text.replacing("'", with: "''"))'::regclass)"
    }

    /// What goes with a table: its sequences and its indexes.
    func dropOwned(by table: TableName, _ branch: String?) async throws(SQLError) {
        guard case .managed? = try await entry(at: NewPlace(name: table, branch: branch)) else { return }
        var pinned = transaction?.pinned ?? [:]
        let resolver = resolver(planContext())
        let commit = try await resolver.commit(of: .named(branch ?? self.branch), &pinned)
        transaction?.pinned = pinned
        let all =
            table.isTemporary
            ? temporaries.keys.map { TableName(schema: TableName.temporarySchema, name: $0) }.filter(\.isObject)
            : try await databases.objects(in: table.schema, at: commit)
        let made = transaction?.changes.tables.keys.filter { $0.isObject && $0.schema == table.schema } ?? []
        for key in Set(all + made) {
            switch try await entry(at: NewPlace(name: key, branch: branch)) {
            case .object(.sequence(let sequence))? where sequence.ownerTable == table.name:
                try record(key, branch) { $0.drop(key) }
            case .object(.index(let index))? where index.table == table.name:
                try record(key, branch) { $0.drop(key) }
            default: break
            }
        }
    }

    // MARK: - Names

    private func renameObject(
        _ kind: ObjectStatement.Kind, _ name: QualifiedName, _ new: Identifier, _ ifExists: Bool
    ) async throws(SQLError) {
        let stored: TableName.ObjectKind = kind == .index ? .index : .sequence
        guard let (key, entry, branch) = try await found(stored, name) else {
            return try missing("relation \"\(name.text)\"", .undefinedTable, ifExists, name.position)
        }
        let target = TableName.object(stored, schema: key.schema, name: new.value)
        let written = QualifiedName([new], position: new.position)
        _ = try await taken(TableName(schema: key.schema, name: new.value), false, written)
        try record(key, branch) { changes in
            changes.drop(key)
            changes.put(target, entry)
        }
    }

    private func dropNamed(
        _ kind: ObjectStatement.Kind, _ dropped: ObjectStatement.Dropped, _ ifExists: Bool, _ isCascade: Bool
    ) async throws(SQLError) {
        let name = dropped.name
        switch kind {
        case .type, .domain, .sequence: try await dropObject(kind, name, ifExists, isCascade)
        case .index:
            guard let (key, _, branch) = try await found(.index, name) else {
                return try missing("index \"\(name.text)\"", .undefinedObject, ifExists, name.position)
            }
            try record(key, branch) { $0.drop(key) }
        case .function, .procedure, .routine: try await dropFunction(kind, dropped, ifExists, isCascade)
        }
    }
}
