// COPY: rows of a query out, and rows of the client into a table. The Server reads and writes the bytes; what comes in
// is written part by part, each part by a query of its own, and becomes one change at the end.
import Access
import Catalogs
public import Columns
public import Diagnostics
import Functions
import Planner
import Synchronization
import Syntax

/// How COPY spells rows.
public struct CopyOptions: Sendable, Hashable {
    public enum Format: String, Sendable { case text, csv, binary }
    public var format: Format
    /// One byte.
    public var delimiter: UInt8
    public var null: String
    public var hasHeader: Bool
    /// Whether the header's names must be the columns'.
    public var matchesHeader: Bool
    public var quote: UInt8
    public var escape: UInt8
    /// By column: quoted whatever is in it.
    public var forceQuote: [Bool]
    /// By column: never NULL, the null text is taken as it is.
    public var forceNotNull: [Bool]
    /// By column: NULL also when the null text is quoted.
    public var forceNull: [Bool]
}

/// A COPY FROM STDIN that waits for rows.
public protocol CopyInput: ResultStream {
    var options: CopyOptions { get }
    /// The table's name, for errors.
    var table: String { get }
    /// A file of the server's machine with the rows; nil: the client sends them.
    var path: String? { get }
    /// What the rows must have.
    var fields: [Field] { get }
    /// What the text form of values depends on.
    var parsing: TextParseContext { get }
    /// Adds rows with the types of `fields`.
    func push(_ batch: Batch) async throws(SQLError)
}

extension Session {
    func copy(_ copy: CopyStatement, _ text: String) async throws(SQLError) -> any ResultStream {
        if let path = copy.path, !copy.isFrom { return try await copyOut(copy, to: path) }
        if [.parquet, .json].contains(copy.options.format) {
            throw SQLError(
                .featureNotSupported, "COPY in format \(copy.options.format.rawValue) is to a file only",
                hint: copy.isFrom
                    ? "Use INSERT INTO ... SELECT ... FROM read_\(copy.options.format.rawValue)(...)." : nil,
                position: copy.position)
        }
        guard copy.isFrom else { return try await copyOut(copy) }
        guard case .table(let name, let columns) = copy.subject else {
            throw SQLError(.syntaxError, "COPY query must be TO, not FROM", position: copy.position)
        }
        if copy.path != nil { try requireServerFiles(writing: false) }
        // The rows come later: a transaction of its own is ended by the stream.
        let isOwn = transaction == nil
        if isOwn { transaction = currentTransaction }
        do throws(SQLError) {
            let target = try await target(name, nil, "COPY FROM")
            let snapshot = CatalogSnapshot(types: try await types(target.table.typeNames))
            let all = Binder.declaredFields(of: target.table, snapshot.types)
            let indexes = try indexes(of: columns, in: all, name.last)
            let fields = indexes.map { all[$0] }
            if let access = accessGuard, let secured = target.secured {
                try access.require(.insert, fields.map(\.name), secured, access.who)
                guard !access.hidesRows(of: secured) else {
                    throw SQLError(
                        .featureNotSupported, "COPY FROM not supported with row-level security",
                        hint: "Use INSERT statements instead.")
                }
            }
            let context = planContext().functions
            return CopyStream(
                session: self, target: target, snapshot: snapshot, columns: indexes, fields: fields,
                options: try options(copy.options, fields),
                parsing: TextParseContext(now: context.transactionTime, timeZone: context.timeZone),
                text: text, commits: isOwn, path: copy.path,
                progress: showCopy(target.name, isFrom: true, isFile: copy.path != nil))
        } catch {
            if isOwn { await rollback() }
            throw error
        }
    }

    private func indexes(
        of columns: [Identifier], in fields: [Field], _ table: String
    ) throws(SQLError) -> [Int] {
        guard !columns.isEmpty else { return Array(fields.indices) }
        var indexes: [Int] = []
        for column in columns {
            guard let index = fields.firstIndex(where: { $0.name == column.value }) else {
                throw SQLError(
                    .undefinedColumn, "column \"\(column.value)\" of relation \"\(table)\" does not exist",
                    position: column.position)
            }
            guard !indexes.contains(index) else {
                throw SQLError(
                    .duplicateColumn, "column \"\(column.value)\" specified more than once", position: column.position)
            }
            indexes.append(index)
        }
        return indexes
    }

    private func copyOut(_ copy: CopyStatement) async throws(SQLError) -> any ResultStream {
        let life = life()
        let bound = try await bind(Session.query(of: copy), [], life)
        let fields = bound.columns.map { Field($0.name, $0.type) }
        var table: TableName?
        if case .table(let name, _) = copy.subject { table = try await find(name)?.found.name }
        let options = try options(copy.options, fields)
        return try await start(
            bound, [], life, copy: options, progress: showCopy(table, isFrom: false, isFile: false))
    }

    /// The query whose rows COPY TO gives.
    static func query(of copy: CopyStatement) -> Query {
        let query: Query
        switch copy.subject {
        case .query(let given): query = given
        case .table(let name, let columns):
            let star = SelectItem(value: Expression(.star(Expression.Star()), position: name.position))
            let items = columns.map { column in
                SelectItem(
                    value: Expression(
                        .column(QualifiedName([column], position: column.position)), position: column.position))
            }
            let table = TableExpression(.table(name, version: nil, alias: nil), position: name.position)
            let select = Select(items: items.isEmpty ? [star] : items, from: [table], position: name.position)
            query = Query(body: .select(select), position: name.position)
        }
        return query
    }

    // MARK: - Options

    func options(
        _ given: CopyStatement.Options, _ fields: [Field]
    ) throws(SQLError) -> CopyOptions {
        let format = CopyOptions.Format(rawValue: given.format.rawValue) ?? .text
        let isCSV = format == .csv
        if format == .binary, given.delimiter != nil || given.null != nil || given.hasHeader {
            throw SQLError(.syntaxError, "cannot specify DELIMITER, NULL or HEADER in BINARY mode")
        }
        if !isCSV, given.quote != nil || given.escape != nil {
            throw SQLError(.featureNotSupported, "COPY quote and escape available only in CSV mode")
        }
        if !isCSV, given.forcesAllQuotes || !(given.forceQuote + given.forceNotNull + given.forceNull).isEmpty {
            throw SQLError(
                .featureNotSupported, "COPY force quote, force not null and force null available only in CSV mode")
        }
        let delimiter = try byte(given.delimiter ?? (isCSV ? "," : "\t"), "delimiter")
        let quote = try byte(given.quote ?? "\"", "quote")
        let null = given.null ?? (isCSV ? "" : "\\N")
        guard delimiter != 10, delimiter != 13, !null.contains("\n"), !null.contains("\r") else {
            throw SQLError(.invalidParameterValue, "COPY delimiter and null cannot be newline or carriage return")
        }
        guard !isCSV || delimiter != quote else {
            throw SQLError(.invalidParameterValue, "COPY delimiter and quote must be different")
        }
        return CopyOptions(
            format: format, delimiter: delimiter, null: null, hasHeader: given.hasHeader,
            matchesHeader: given.matchesHeader, quote: quote,
            escape: try byte(given.escape ?? given.quote ?? "\"", "escape"),
            forceQuote: given.forcesAllQuotes ? fields.map { _ in true } : try flags(given.forceQuote, fields),
            forceNotNull: try flags(given.forceNotNull, fields), forceNull: try flags(given.forceNull, fields))
    }

    private func byte(_ text: String, _ what: String) throws(SQLError) -> UInt8 {
        guard text.utf8.count == 1, let byte = text.utf8.first else {
            throw SQLError(.featureNotSupported, "COPY \(what) must be a single one-byte character")
        }
        return byte
    }

    private func flags(_ names: [Identifier], _ fields: [Field]) throws(SQLError) -> [Bool] {
        for name in names where !fields.contains(where: { $0.name == name.value }) {
            throw SQLError(.undefinedColumn, "column \"\(name.value)\" does not exist", position: name.position)
        }
        return fields.map { field in names.contains { $0.value == field.name } }
    }

    // MARK: - Rows in

    /// Writes a part of the rows.
    fileprivate func write(
        _ rows: [Batch], of fields: [Field], columns: [Int], into target: WriteTarget, _ snapshot: CatalogSnapshot,
        _ write: any TableWrite, _ count: WriteCount
    ) async throws(SQLError) {
        let context = planContext()
        let plan = try Binder.insert(
            rowsOf: RowsTable(name: "stdin", schema: Schema(fields), batches: rows), columns: columns,
            into: target.table,
            named: target.name, snapshot: snapshot, context: context, write: write, count: count)
        let life = life()
        _ = try await collect(try await begin(try Optimizer.optimize(plan, context), life))
    }

    /// Ends a COPY FROM; commits when it has a transaction of its own.
    fileprivate func finishCopy(
        _ write: any TableWrite, _ count: WriteCount, _ target: WriteTarget, _ text: String, commits: Bool
    ) async throws(SQLError) -> StatementOutcome {
        if count.rows > 0 { try await put(write, target) } else { await write.abandon() }
        transaction?.note(text)
        transaction?.origin.add(model: model)
        if commits { try await commit() }
        return StatementOutcome(
            .done("COPY \(count.rows)"), notices: takeNotices(), parameterChanges: parameterChanges())
    }
}

/// A COPY FROM STDIN under way. The Server's task calls it.
private actor CopyStream: CopyInput {
    nonisolated let columns: [ResultColumn]? = nil
    nonisolated let timeZone = SessionTimeZone.utc
    nonisolated let options: CopyOptions
    nonisolated var table: String { target.name.name }
    nonisolated let fields: [Field]
    nonisolated let parsing: TextParseContext
    private let session: Session
    private nonisolated let target: Session.WriteTarget
    /// The types of the user that the target's columns have.
    private let snapshot: CatalogSnapshot
    private let indexes: [Int]
    private let write: any TableWrite
    private let count = WriteCount()
    private let text: String
    /// Whether the transaction is this statement's own.
    private let commits: Bool
    nonisolated let path: String?
    nonisolated let copyProgress: CopyProgress?
    private var waiting: [Batch] = []
    private var waitingBytes = 0

    /// Bytes of rows that are kept before a part is written.
    private static let partBytes = 64 << 20

    init(
        session: Session, target: Session.WriteTarget, snapshot: CatalogSnapshot, columns: [Int], fields: [Field],
        options: CopyOptions, parsing: TextParseContext, text: String, commits: Bool, path: String?,
        progress: CopyProgress
    ) {
        copyProgress = progress
        self.path = path
        self.session = session
        self.target = target
        self.snapshot = snapshot
        indexes = columns
        self.fields = fields
        self.options = options
        self.parsing = parsing
        self.text = text
        self.commits = commits
        write = target.table.write(.change)
    }

    func next() -> Batch? { nil }

    func push(_ batch: Batch) async throws(SQLError) {
        waiting.append(batch)
        waitingBytes += batch.columns.reduce(0) { $0 + $1.sizeBytes }
        if waitingBytes >= CopyStream.partBytes { try await writePart() }
    }

    private func writePart() async throws(SQLError) {
        guard !waiting.isEmpty else { return }
        let rows = waiting
        waiting = []
        waitingBytes = 0
        try await session.write(rows, of: fields, columns: indexes, into: target, snapshot, write, count)
    }

    func finish() async throws(SQLError) -> StatementOutcome {
        try await writePart()
        return try await session.finishCopy(write, count, target, text, commits: commits)
    }

    /// Removes what was written; the transaction is failed by whoever reports the error.
    nonisolated func cancel() { Task { await abandon() } }

    private func abandon() async {
        waiting = []
        await write.abandon()
    }
}
