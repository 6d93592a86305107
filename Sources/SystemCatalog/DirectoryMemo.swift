// Whole relations as columns, remembered with the directory they were made from: one a commit, so that a tool that reads
// all columns of all tables again and again pays once.
import Columns
import Synchronization

/// What was made from one directory.
final class DirectoryMemo: Sendable {
    private let state = Mutex<[String: RowSet]>([:])
    private let columns = Mutex<[String: [Column]]>([:])

    /// The relations that are remembered: all are made from the directory and its relations' details only.
    static let relations: Set<String> = [
        "pg_catalog.pg_attribute", "pg_catalog.pg_attrdef", "pg_catalog.pg_description", "pg_catalog.pg_constraint",
        "pg_catalog.pg_index", "information_schema.columns",
    ]

    /// Filters on these columns make few rows, which are not worth remembering.
    static let keys: Set<String> = [
        "attrelid", "adrelid", "objoid", "conrelid", "indrelid", "table_name", "table_schema",
    ]

    private let details = Mutex<[Int64: RelationDetails]?>(nil)
    private let keys = Mutex<KeyIndex?>(nil)

    /// The details of all relations of the lake by their numbers, once all are known.
    var knownDetails: [Int64: RelationDetails]? { details.withLock { $0 } }
    func details(_ oid: Int64) -> RelationDetails? { details.withLock { $0?[oid] } }
    func keep(_ all: [Int64: RelationDetails]) { details.withLock { $0 = all } }

    /// The keys of all tables.
    var knownKeys: KeyIndex? { keys.withLock { $0 } }
    func keep(_ index: KeyIndex) { keys.withLock { $0 = index } }

    /// What was remembered is not true any more.
    func forget() {
        details.withLock { $0 = nil }
        keys.withLock { $0 = nil }
        state.withLock { $0 = [:] }
        columns.withLock { $0 = [:] }
    }

    func rows(_ relation: String) -> RowSet? { state.withLock { $0[relation] } }
    func keep(_ rows: RowSet, of relation: String) { state.withLock { $0[relation] = rows } }

    /// A column in pieces of a batch's size.
    func column(_ field: Field, of relation: String, in rows: RowSet) -> [Column] {
        let key = "\(relation).\(field.name)"
        if let known = columns.withLock({ $0[key] }) { return known }
        var pieces: [Column] = []
        var start = 0
        while start < rows.count {
            let end = min(rows.count, start + Batch.rowsMax)
            pieces.append(SystemColumns.column(field, rows, Array(start..<end)[...]))
            start = end
        }
        columns.withLock { $0[key] = pieces }
        return pieces
    }
}

/// Makes columns of rows.
enum SystemColumns {
    static func column(_ field: Field, _ rows: RowSet, _ places: ArraySlice<Int>) -> Column {
        guard let value = rows.values[field.name] else {
            return Column.constant(Scalar(field.type, RelationRows.empty(field)), count: places.count)
        }
        let builder = ColumnBuilder(field.type, capacity: places.count)
        for place in places { builder.append(Scalar(field.type, value(place))) }
        return builder.finish()
    }
}
