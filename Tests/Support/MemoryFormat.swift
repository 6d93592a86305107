// Managed tables in memory: the reference format of tests. States are immutable and never forgotten, as metadata files
// are; a definition's location names one.
public import Catalogs
import Columns
public import Diagnostics
import Synchronization

/// Keeps the states of all tables it made.
public final class MemoryFormat: ManagedFormat {
    private let states = Mutex(States())

    fileprivate struct States {
        var all: [String: MemoryState] = [:]
        var next = 0
        var tables = 0
        /// Files that sinks have made and nothing has removed.
        var files: Set<String> = []
    }

    public init() {}

    /// Files that were written and not abandoned.
    public var filesLeft: Int { states.withLock { $0.files.count } }

    fileprivate func state(_ location: String) throws(SQLError) -> MemoryState {
        guard let state = states.withLock({ $0.all[location] }) else {
            throw SQLError(.ioError, "could not read \"\(location)\"")
        }
        return state
    }

    fileprivate func keep(_ state: MemoryState, identity: String) -> ManagedDefinition {
        states.withLock { states in
            states.next += 1
            let location = "memory:\(states.next)"
            states.all[location] = state
            var definition = ManagedDefinition(
                format: "memory", identity: identity, metadataLocation: location,
                snapshotID: state.files.isEmpty ? nil : Int64(states.next))
            if state.properties[TableProperty.viewQuery] != nil { definition.isMaterializedView = true }
            if state.properties[TableProperty.partitionBy] != nil { definition.isPartitioned = true }
            definition.partitionOf = state.properties[TableProperty.partitionOf]
            definition.owner = state.properties[TableProperty.owner].flatMap { Int64($0) }
            return definition
        }
    }

    fileprivate func newFile() -> String {
        states.withLock { states in
            states.next += 1
            let name = "memory file number \(states.next)"
            states.files.insert(name)
            return name
        }
    }

    fileprivate func remove(_ files: [String]) { states.withLock { $0.files.subtract(files) } }

    // MARK: - ManagedFormat

    public func create(_ table: NewTable) async throws(SQLError) -> ManagedDefinition {
        let number = states.withLock { states in
            states.tables += 1
            return states.tables
        }
        var columns: [MemoryState.StoredColumn] = []
        for (index, field) in table.columns.enumerated() { columns.append(.init(id: index + 1, field: field)) }
        let state = MemoryState(columns: columns, nextColumn: columns.count + 1, properties: table.properties)
        return keep(state, identity: "table-\(number)")
    }

    public func open(
        _ definition: ManagedDefinition, named name: TableName
    ) async throws(SQLError) -> any WritableTable {
        MemoryManagedTable(
            format: self, definition: definition, name: name.name, state: try state(definition.metadataLocation))
    }

    public func alter(
        _ definition: ManagedDefinition, named name: TableName, _ changes: [TableAlteration]
    ) async throws(SQLError) -> ManagedDefinition {
        var state = try state(definition.metadataLocation)
        for change in changes { try state.apply(change) }
        return keep(state, identity: definition.identity)
    }

    public func merge(
        base: ManagedDefinition, source: ManagedDefinition, target: ManagedDefinition, named name: TableName
    ) async throws(SQLError) -> ManagedDefinition {
        let (old, ours) = (try state(base.metadataLocation), try state(source.metadataLocation))
        var theirs = try state(target.metadataLocation)
        guard ours.columns == old.columns || theirs.columns == old.columns else {
            throw SQLError(.serializationFailure, "both sides changed the columns of \"\(name.name)\"")
        }
        if ours.columns != old.columns { theirs.columns = ours.columns }
        for file in ours.files where !old.files.contains(where: { $0.name == file.name }) { theirs.files.append(file) }
        for file in old.files {
            let gone = ours.files.first { $0.name == file.name }?.removed.subtracting(file.removed)
            guard gone?.isEmpty != true else { continue }
            try theirs.remove(gone ?? Set(0..<Int64(file.rows)), from: file.name, named: name.name)
        }
        return keep(theirs, identity: target.identity)
    }
}

/// One state of a table.
struct MemoryState: Sendable {
    struct StoredColumn: Sendable, Equatable {
        var id: Int
        var field: Field
    }
    /// Columns are found by id: what a file lacks is NULL.
    struct File: Sendable {
        var name: String
        var columns: [Int: [Column]]
        var batchRows: [Int]
        var removed: Set<Int64> = []
        var rows: Int { batchRows.reduce(0, +) }
    }
    var columns: [StoredColumn]
    var nextColumn: Int
    var properties: [String: String]
    var files: [File] = []

    private func index(_ name: String) throws(SQLError) -> Int {
        guard let index = columns.firstIndex(where: { $0.field.name == name }) else {
            throw SQLError(.undefinedColumn, "column \"\(name)\" does not exist")
        }
        return index
    }

    mutating func apply(_ change: TableAlteration) throws(SQLError) {
        switch change {
        case .addColumn(let field):
            guard field.isNullable || files.isEmpty else {
                throw SQLError(.notNullViolation, "column \"\(field.name)\" contains null values")
            }
            columns.append(StoredColumn(id: nextColumn, field: field))
            nextColumn += 1
        case .dropColumn(let name): columns.remove(at: try index(name))
        case .renameColumn(let old, let new): columns[try index(old)].field.name = new
        case .setType(let name, let type): columns[try index(name)].field.type = type
        case .dropNotNull(let name): columns[try index(name)].field.isNullable = true
        case .setPartitioning: break
        case .setProperty(let key, let value): properties[key] = value
        case .removeProperty(let key): properties[key] = nil
        case .expireSnapshots: break
        }
    }

    mutating func remove(_ places: Set<Int64>, from file: String, named table: String) throws(SQLError) {
        guard let index = files.firstIndex(where: { $0.name == file }), files[index].removed.isDisjoint(with: places)
        else {
            throw SQLError(.serializationFailure, "rows of \"\(table)\" were changed by another transaction")
        }
        files[index].removed.formUnion(places)
        if files[index].removed.count == files[index].rows { files.remove(at: index) }
    }
}

struct MemoryManagedTable: WritableTable {
    let format: MemoryFormat
    let definition: ManagedDefinition
    let name: String
    let state: MemoryState

    var schema: Schema { Schema(state.columns.map(\.field)) }
    var properties: [String: String] { state.properties }
    var statistics: TableStatistics {
        TableStatistics(rows: Double(state.files.reduce(0) { $0 + $1.rows - $1.removed.count }))
    }

    func write(_ kind: WriteKind) -> any TableWrite { MemoryWrite(self, kind) }

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        ScanPlan(tasks: state.files.map { MemoryFileTask(file: $0, columns: state.columns, wanted: request.columns) })
    }
}

private struct MemoryFileTask: ScanTask {
    let file: MemoryState.File
    let columns: [MemoryState.StoredColumn]
    let wanted: [Int]
    var bytes: Int64 { 1 }
    var rows: Int64? { Int64(file.rows) }
    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource { MemoryFileSource(self, context) }
}

private final class MemoryFileSource: BatchSource {
    private let task: MemoryFileTask
    private let context: ScanContext
    private var next_ = 0
    private var position: Int64 = 0

    init(_ task: MemoryFileTask, _ context: ScanContext) {
        self.task = task
        self.context = context
    }

    func next() throws(SQLError) -> Batch? {
        guard next_ < task.file.batchRows.count else { return nil }
        let (number, rows) = (next_, task.file.batchRows[next_])
        next_ += 1
        var batch = Batch(task.wanted.map { column($0, number, rows) }, rows: rows)
        var kept: [Int32] = []
        for row in 0..<rows where !task.file.removed.contains(position + Int64(row)) { kept.append(Int32(row)) }
        position += Int64(rows)
        if kept.count < rows { batch = kept.withUnsafeBufferPointer { batch.take($0.baseAddress!, count: kept.count) } }
        guard let filter = context.filter else { return batch }
        for stage in filter.stages.indices where batch.rows > 0 {
            if let selection = try filter.select(stage: stage, batch.columns, rows: batch.rows) {
                batch = batch.take(selection.rows, count: selection.count)
            }
        }
        return batch
    }

    private func column(_ index: Int, _ number: Int, _ rows: Int) -> Column {
        if index == task.columns.count { return Column.constant(.text(task.file.name), count: rows) }
        if index == task.columns.count + 1 {
            let builder = ColumnBuilder(.int8, capacity: rows)
            for row in 0..<rows { builder.append(position + Int64(row)) }
            return builder.finish()
        }
        let column = task.columns[index]
        guard let stored = task.file.columns[column.id]?[number] else {
            return Column.constant(.null(column.field.type), count: rows)
        }
        if stored.type == column.field.type { return stored }
        if stored.physical == column.field.type.physical { return stored.retyped(column.field.type) }
        let builder = ColumnBuilder(column.field.type, capacity: rows)
        for row in 0..<rows { builder.append(Scalar(column.field.type, stored.scalar(row).value)) }
        return builder.finish()
    }
}

private final class MemoryWrite: TableWrite {
    let table: MemoryManagedTable
    private let kind: WriteKind
    private let done = Mutex(Done())

    struct Done {
        var files: [MemoryState.File] = []
        var removed: [String: Set<Int64>] = [:]
    }

    init(_ table: MemoryManagedTable, _ kind: WriteKind) {
        self.table = table
        self.kind = kind
    }

    func sink() throws(SQLError) -> any RowSink { MemorySink(self) }

    func add(_ file: MemoryState.File?, _ removed: [String: Set<Int64>]) {
        done.withLock { done in
            if let file { done.files.append(file) }
            done.removed.merge(removed) { $0.union($1) }
        }
    }

    func commit(onto base: ManagedDefinition) async throws(SQLError) -> ManagedDefinition {
        var state = try table.format.state(base.metadataLocation)
        let (files, removed) = done.withLock { ($0.files, $0.removed) }
        guard state.columns.map(\.id) == table.state.columns.map(\.id) else {
            throw SQLError(
                .serializationFailure, "the columns of \"\(table.name)\" were changed by another transaction")
        }
        if kind == .replaceAll { state.files = [] }
        for (file, places) in removed { try state.remove(places, from: file, named: table.name) }
        state.files += files
        return table.format.keep(state, identity: base.identity)
    }

    func abandon() async { table.format.remove(done.withLock { $0.files.map(\.name) }) }
}

private final class MemorySink: RowSink {
    private let write: MemoryWrite
    private var batches: [Batch] = []
    private var removed: [String: Set<Int64>] = [:]

    init(_ write: MemoryWrite) { self.write = write }

    func append(_ batch: Batch) throws(SQLError) {
        for (column, stored) in zip(batch.columns, write.table.state.columns) where !stored.field.isNullable {
            for row in 0..<batch.rows where !column.isValid(row) {
                throw SQLError(
                    .notNullViolation,
                    "null value in column \"\(stored.field.name)\" of relation \"\(write.table.name)\" violates "
                        + "not-null constraint")
            }
        }
        batches.append(batch)
    }

    func remove(_ places: Batch) throws(SQLError) {
        for row in 0..<places.rows {
            guard case .string(let file) = places.columns[0].scalar(row).value,
                case .int(let position) = places.columns[1].scalar(row).value
            else { throw SQLError(.internalError, "a place is missing") }
            removed[file, default: []].insert(position)
        }
    }

    func finish() throws(SQLError) {
        var file: MemoryState.File?
        if !batches.isEmpty {
            var columns: [Int: [Column]] = [:]
            for (index, stored) in write.table.state.columns.enumerated() {
                columns[stored.id] = batches.map { $0.columns[index] }
            }
            file = MemoryState.File(
                name: write.table.format.newFile(), columns: columns, batchRows: batches.map(\.rows))
        }
        write.add(file, removed)
    }
}
