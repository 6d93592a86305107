// A session without SQL: a few words that give canned results, so that tests see the sockets and nothing else.
import Columns
import Coordinator
import Diagnostics
import Synchronization

/// Words of the fake language: `rows N`, `types`, `echo T..`, `fail`, `failat N`, `wait`, `notice`, `set N V`, `begin`,
/// `commit`, `rollback`, `insert N`, several with `;` between.
struct FakeEngine: SQLServerEngine {
    /// Verifiers by user; a user that is not listed is trusted, `nobody` is unknown.
    var verifiers: [String: String] = [:]
    let open = Opened()

    /// Sessions open now.
    final class Opened: Sendable {
        let count = Atomic<Int>(0)
        /// Statements that began to wait.
        let waiting = Atomic<Int>(0)
        /// Batches handed out by `rows`.
        let batches = Atomic<Int>(0)
    }

    func authentication(of user: String, database: String, from peer: PeerAddress) async -> AuthenticationRule {
        if user == "nobody" { return .scram(verifier: nil) }
        if user == "reject" { return .reject(isListed: true) }
        return verifiers[user].map { .scram(verifier: $0) } ?? .trust
    }

    func openSession(_ request: SessionRequest) async throws(SQLError) -> any SQLSession {
        guard request.database != "missing" else {
            throw SQLError(.invalidDatabase, "database \"missing\" does not exist")
        }
        open.count.wrappingAdd(1, ordering: .relaxed)
        return FakeSession(request, open)
    }

    func metricsText() async -> String { "apus_fake 1\n" }
}

actor FakeSession: SQLSession {
    private let request: SessionRequest
    private let open: FakeEngine.Opened
    private let cancelled = FakeFlag()
    private var statements: [String: String] = [:]
    private var portals: [String: (sql: String, parameters: [Scalar])] = [:]
    private var status = TransactionStatus.idle

    init(_ request: SessionRequest, _ open: FakeEngine.Opened) {
        self.request = request
        self.open = open
    }

    func reportedParameters() async -> [(name: String, value: String)] {
        [
            ("server_version", "15.0 (Apus 0.1)"), ("server_encoding", "UTF8"), ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"), ("IntervalStyle", "postgres"), ("TimeZone", "UTC"),
            ("integer_datetimes", "on"), ("standard_conforming_strings", "on"),
            ("application_name", request.settings.last { $0.name == "application_name" }?.value ?? ""),
        ]
    }

    func query(_ sql: String) async throws(SQLError) -> any StatementSequence {
        if sql.contains("syntax") { throw SQLError(.syntaxError, "syntax error at or near \"syntax\"", position: 2) }
        var parts = sql.split(separator: ";").map(String.init)
        if parts.isEmpty { parts = [""] }
        return FakeSequence(self, parts)
    }

    func start(_ sql: String, _ parameters: [Scalar]) throws(SQLError) -> any ResultStream {
        cancelled.clear()
        let words = sql.split(whereSeparator: { $0.isWhitespace }).map(String.init)
        let first = words.first?.lowercased() ?? ""
        guard status != .failed || first == "rollback" else {
            throw SQLError(
                .inFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
        }
        switch first {
        case "": return FakeStream(nil, [], .empty, cancelled)
        case "begin", "start":
            status = .active
            return FakeStream(nil, [], .done("BEGIN"), cancelled)
        case "commit", "rollback":
            status = .idle
            return FakeStream(nil, [], .done(first.uppercased()), cancelled)
        case "insert": return FakeStream(nil, [], .done("INSERT 0 \(words.last ?? "0")"), cancelled)
        case "fail": throw SQLError(.divisionByZero, "division by zero", hint: "do not")
        case "set":
            let change = (name: words[1], value: words[2])
            return FakeStream(nil, [], .done("SET"), cancelled, changes: [change])
        case "notice":
            let notice = SQLNotice(.notice, SQLError(.successfulCompletion, "here I am"))
            return FakeStream(nil, [], .done("DO"), cancelled, notices: [notice])
        default: break
        }
        let columns = try columns(sql) ?? []
        switch first {
        case "rows": return FakeStream(columns, FakeRows(rows: Int(words[1]) ?? 0, open), cancelled)
        case "failat": return FakeStream(columns, FakeRows(rows: 5000, open, failAt: Int(words[1])), cancelled)
        case "wait": return FakeStream(columns, FakeRows(rows: 1, open, waits: true), cancelled)
        case "types":
            var made: [Column] = []
            for (type, text) in FakeSession.types {
                made.append(
                    .constant(
                        try text.map { t throws(SQLError) in try TextParse.scalar(t, as: type) } ?? .null(type),
                        count: 1))
            }
            return FakeStream(columns, [Batch(made, rows: 1)], .rows("SELECT"), cancelled)
        case "echo":
            let batch = Batch(parameters.map { .constant($0, count: 1) }, rows: 1)
            return FakeStream(columns, [batch], .rows("SELECT"), cancelled)
        default: throw SQLError(.undefinedFunction, "no such word: \(first)")
        }
    }

    static let types: [(SQLType, String?)] = [
        (.boolean, "t"), (.int2, "-2"), (.int4, "4"), (.int8, "8000000000"), (.float4, "1.5"), (.float8, "1e+20"),
        (.decimal(precision: 10, scale: 2), "-12345.60"), (.numeric, "0.00001"), (.text, "häy"), (.varchar(9), nil),
        (.bytea, "\\xdead"), (.date, "2024-02-29"), (.time, "04:05:06.789"), (.timestamp, "1999-12-31 23:59:59.5"),
        (.timestamptz, "2024-07-01 12:00:00+00"), (.interval, "1 year 2 mons 3 days 04:05:06"),
        (.uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), (.array(.int4), "{1,NULL,3}"), (.array(.text), "{a,\"b c\"}"),
    ]

    private func columns(_ sql: String) throws(SQLError) -> [ResultColumn]? {
        let words = sql.split(whereSeparator: { $0.isWhitespace }).map(String.init)
        switch words.first?.lowercased() {
        case "rows", "failat", "wait": return [ResultColumn("n", .int8), ResultColumn("t", .text)]
        case "types": return FakeSession.types.enumerated().map { ResultColumn("c\($0)", $1.0) }
        case "echo": return try parameters(sql).enumerated().map { ResultColumn("p\($0 + 1)", $1) }
        default: return nil
        }
    }

    private func parameters(_ sql: String) throws(SQLError) -> [SQLType] {
        var types: [SQLType] = []
        for word in sql.split(whereSeparator: { $0.isWhitespace }).dropFirst() where sql.hasPrefix("echo") {
            guard !word.hasPrefix("$"), !word.hasPrefix("%") else { continue }
            let name = word.hasSuffix("[]") ? String(word.dropLast(2)) : String(word)
            let all: [SQLType] = FakeSession.types.map(\.0) + [.varchar(nil)]
            guard let type = all.first(where: { $0.baseName.split(separator: " ")[0] == name || "\($0)" == name })
            else { throw SQLError(.undefinedObject, "type \"\(name)\" does not exist") }
            types.append(word.hasSuffix("[]") ? .array(type) : type)
        }
        return types
    }

    func parse(_ name: String, sql: String, parameterTypes: [SQLType?]) async throws(SQLError) {
        if sql.contains("syntax") { throw SQLError(.syntaxError, "syntax error at or near \"syntax\"", position: 2) }
        if !name.isEmpty, statements[name] != nil {
            throw SQLError(.duplicatePreparedStatement, "prepared statement \"\(name)\" already exists")
        }
        statements[name] = sql
    }

    func statement(_ name: String) async throws(SQLError) -> StatementDescription {
        guard let sql = statements[name] else {
            throw SQLError(.invalidStatementName, "prepared statement \"\(name)\" does not exist")
        }
        return StatementDescription(parameters: try parameters(sql), columns: try columns(sql))
    }

    func bind(_ portal: String, statement: String, parameters: [Scalar]) async throws(SQLError) {
        portals[portal] = (statements[statement] ?? "", parameters)
    }

    func portal(_ name: String) async throws(SQLError) -> [ResultColumn]? { try columns(try known(name).sql) }

    private func known(_ name: String) throws(SQLError) -> (sql: String, parameters: [Scalar]) {
        guard let portal = portals[name] else {
            throw SQLError(.invalidCursorName, "portal \"\(name)\" does not exist")
        }
        return portal
    }

    func execute(_ portal: String) async throws(SQLError) -> any ResultStream {
        let portal = try known(portal)
        return try start(portal.sql, portal.parameters)
    }

    func resume(_ portal: String) async {}
    func closeStatement(_ name: String) async { statements[name] = nil }
    func closePortal(_ name: String) async { portals[name] = nil }
    func fail(_ error: SQLError) async { if status == .active { status = .failed } }

    func finishCycle() async -> CycleReport {
        if status == .idle { portals.removeAll() }
        return CycleReport(status: status)
    }

    nonisolated func cancel() { cancelled.set() }
    func close() async { open.count.wrappingSubtract(1, ordering: .relaxed) }
}

/// A flag that any thread may raise.
final class FakeFlag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
    func clear() { value.store(false, ordering: .relaxed) }
}

actor FakeSequence: StatementSequence {
    private let session: FakeSession
    private var rest: ArraySlice<String>

    init(_ session: FakeSession, _ parts: [String]) {
        self.session = session
        rest = parts[...]
    }

    func next() async throws(SQLError) -> (any ResultStream)? {
        guard let sql = rest.popFirst() else { return nil }
        return try await session.start(sql, [])
    }
}

/// Rows made as they are asked for.
struct FakeRows: Sendable {
    var rows: Int
    var made = 0
    var open: FakeEngine.Opened
    var failAt: Int?
    var waits = false

    init(rows: Int, _ open: FakeEngine.Opened, failAt: Int? = nil, waits: Bool = false) {
        self.rows = rows
        self.open = open
        self.failAt = failAt
        self.waits = waits
    }
}

actor FakeStream: ResultStream {
    nonisolated let columns: [ResultColumn]?
    nonisolated let timeZone = SessionTimeZone.utc
    private var batches: ArraySlice<Batch>
    private var generator: FakeRows?
    private let tag: CommandTag
    private let cancelled: FakeFlag
    private let notices: [SQLNotice]
    private let changes: [(name: String, value: String)]

    init(
        _ columns: [ResultColumn]?, _ batches: [Batch], _ tag: CommandTag, _ cancelled: FakeFlag,
        notices: [SQLNotice] = [], changes: [(name: String, value: String)] = [], generator: FakeRows? = nil
    ) {
        self.generator = generator
        self.columns = columns
        self.batches = batches[...]
        self.tag = tag
        self.cancelled = cancelled
        self.notices = notices
        self.changes = changes
    }

    init(_ columns: [ResultColumn], _ generator: FakeRows, _ cancelled: FakeFlag) {
        self.init(columns, [], .rows("SELECT"), cancelled, generator: generator)
    }

    func next() async throws(SQLError) -> Batch? {
        if let batch = batches.popFirst() { return batch }
        if generator?.waits == true { generator?.open.waiting.wrappingAdd(1, ordering: .relaxed) }
        while generator?.waits == true {
            if cancelled.isSet {
                throw SQLError(.queryCanceled, "canceling statement due to user request")
            }
            await Task.yield()
        }
        guard let made = generator?.made, let rows = generator?.rows, made < rows else { return nil }
        if cancelled.isSet { throw SQLError(.queryCanceled, "canceling statement due to user request") }
        if let failAt = generator?.failAt, made >= failAt {
            throw SQLError(.divisionByZero, "division by zero")
        }
        let count = min(Batch.rowsMax, rows - made)
        let numbers = ColumnBuilder(.int8, capacity: count)
        let texts = ColumnBuilder(.text, capacity: count)
        for row in made..<made + count {
            numbers.append(Int64(row))
            if row % 5 == 4 { texts.appendNull() } else { texts.append("the text of row \(row)") }
        }
        generator?.made += count
        generator?.open.batches.wrappingAdd(1, ordering: .relaxed)
        return Batch([numbers.finish(), texts.finish()], rows: count)
    }

    func finish() async throws(SQLError) -> StatementOutcome {
        StatementOutcome(tag, notices: notices, parameterChanges: changes)
    }

    nonisolated func cancel() {}
}
