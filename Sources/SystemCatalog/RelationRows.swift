// How a relation of the system catalog gets its rows: items, and a closure a column. Columns without one are empty.
import Columns
import Diagnostics

/// The rows of one relation for one scan.
struct RowSet: Sendable {
    var count: Int
    /// By column name; the value of a row.
    var values: [String: @Sendable (Int) -> Scalar.Value]
}

/// What a scan's filter says about single columns, for generators that can do with fewer items.
struct Keys: Sendable {
    private let domains: [String: ColumnDomain]
    /// The columns that the scan returns.
    private let wanted: Set<String>

    init(_ domains: [String: ColumnDomain], wanted: Set<String>) {
        self.domains = domains
        self.wanted = wanted
    }

    /// Whether the scan returns a column.
    func wants(_ column: String) -> Bool { wanted.contains(column) }

    private func values(_ column: String) -> [Scalar]? {
        guard let domain = domains[column], !domain.allowsNull else { return nil }
        return domain.values ?? domain.single.map { [$0] }
    }

    /// The only numbers that matter, nil for any.
    func numbers(_ column: String) -> Set<Int64>? {
        guard let values = values(column) else { return nil }
        var result: Set<Int64> = []
        for value in values {
            guard case .int(let number) = value.value else { return nil }
            result.insert(number)
        }
        return result
    }

    /// The only names that matter, nil for any.
    func names(_ column: String) -> Set<String>? {
        guard let values = values(column) else { return nil }
        var result: Set<String> = []
        for value in values {
            guard case .string(let name) = value.value else { return nil }
            result.insert(name)
        }
        return result
    }
}

/// Makes the rows of one relation.
struct RelationRows: Sendable {
    let schema: String
    let name: String
    let build: @Sendable (SystemState, Keys) async throws(SQLError) -> RowSet

    /// The columns of a relation whose rows are made from items.
    struct Columns<Item: Sendable> {
        fileprivate var values: [String: @Sendable (Item) -> Scalar.Value] = [:]
        subscript(name: String) -> (@Sendable (Item) -> Scalar.Value)? {
            get { values[name] }
            set { values[name] = newValue }
        }
    }

    init<Item: Sendable>(
        _ schema: String, _ name: String,
        items: @escaping @Sendable (SystemState, Keys) async throws(SQLError) -> [Item],
        columns: (inout Columns<Item>) -> Void
    ) {
        self.schema = schema
        self.name = name
        var made = Columns<Item>()
        columns(&made)
        let values = made.values
        build = { (state, keys) async throws(SQLError) -> RowSet in
            let items = try await items(state, keys)
            var rows = RowSet(count: items.count, values: [:])
            for (name, value) in values {
                rows.values[name] = { @Sendable row in value(items[row]) }
            }
            return rows
        }
    }

    /// In pg_catalog.
    init<Item: Sendable>(
        _ name: String, items: @escaping @Sendable (SystemState, Keys) async throws(SQLError) -> [Item],
        columns: (inout Columns<Item>) -> Void
    ) {
        self.init(CatalogData.catalogSchema, name, items: items, columns: columns)
    }

    /// Every relation that has rows; the others are empty.
    static let all: [String: RelationRows] = Dictionary(
        (relationRows + partitionRows + columnRows + typeRows + clusterRows + listRows + informationRows + keyRows
            + rightRows
            + PolicyRows.rows).map { ("\($0.schema).\($0.name)", $0) }, uniquingKeysWith: { first, _ in first })

    /// What a column is without a value: NULL, or the nothing of its type.
    static func empty(_ field: Field) -> Scalar.Value {
        if field.isNullable { return .null }
        switch field.type {
        case .boolean: return .bool(false)
        case .int2, .int4, .int8: return .int(0)
        case .float4, .float8: return .double(0)
        case .system(let type): return type.isNumber ? .int(0) : .string("")
        case .array: return .array([])
        default: return .string("")
        }
    }
}

extension Scalar.Value {
    /// Text, or NULL.
    static func optional(_ text: String?) -> Scalar.Value { text.map { .string($0) } ?? .null }
    /// A number, or NULL.
    static func optional(_ number: Int64?) -> Scalar.Value { number.map { .int($0) } ?? .null }
    /// An array of texts.
    static func texts(_ texts: [String]) -> Scalar.Value { .array(texts.map { Scalar.text($0) }) }
    /// An array of small integers.
    static func small(_ numbers: [Int64]) -> Scalar.Value { .array(numbers.map { Scalar(.int2, .int($0)) }) }
    static func yes(_ flag: Bool) -> Scalar.Value { .string(flag ? "YES" : "NO") }
}
