// INSERT, UPDATE, DELETE and MERGE inside WITH: every part of the statement sees the state before it, what RETURNING
// gives is a table of the parts behind it, and all changes are put into the transaction together at the end.
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

extension Statement {
    /// Whether the WITH of this statement changes data.
    var changesInWith: Bool {
        switch self {
        case .query(let query): query.with.contains { $0.write != nil }
        case .write(let write): write.with.contains { $0.write != nil }
        default: false
        }
    }

    fileprivate var with: [CommonTable] {
        switch self {
        case .query(let query): query.with
        case .write(let write): write.with
        default: []
        }
    }

    fileprivate var isRecursive: Bool {
        switch self {
        case .query(let query): query.isRecursive
        case .write(let write): write.isRecursive
        default: false
        }
    }
}

extension Session {
    /// The statement without the changes in its WITH, and these.
    private struct Parts {
        var main: Statement
        var done: [(write: BoundWrite, target: WriteTarget)] = []
        /// As far as they are known.
        var types: [SQLType?]
    }

    func changeInWith(
        _ statement: Statement, _ text: String, _ parameters: [Scalar], types: [SQLType?]
    ) async throws(SQLError) -> any ResultStream {
        try await changing(text) { () async throws(SQLError) -> any ResultStream in
            givenTables = [:]
            defer { givenTables = nil }
            var parts = Parts(main: statement, types: types)
            do throws(SQLError) {
                try await take(statement, &parts, parameters, runs: true)
                return try await finish(&parts, parameters)
            } catch {
                for part in parts.done { await part.write.write.abandon() }
                throw error
            }
        }
    }

    /// What Parse tells of such a statement.
    func describeParts(
        of statement: Statement, _ types: [SQLType?]
    ) async throws(SQLError) -> (parameters: [SQLType], columns: [ResultColumn]?) {
        givenTables = [:]
        defer { givenTables = nil }
        var parts = Parts(main: statement, types: types)
        try await take(statement, &parts, [], runs: false)
        let columns: [ResultColumn]?
        switch parts.main {
        case .query(let query):
            let bound = try await bind(query, parts.types, life())
            learn(bound.query.parameterTypes, &parts)
            columns = bound.columns
        case .write(let write):
            let (_, bound) = try await bind(write, parts.types, life())
            learn(bound.parameterTypes, &parts)
            columns = bound.returnsRows ? Session.columns(of: bound.plan) : nil
        default: throw SQLError(.internalError, "a statement without a query")
        }
        var known: [SQLType] = []
        for (index, type) in parts.types.enumerated() {
            guard let type, type != .unknown else {
                throw SQLError(
                    .indeterminateDatatype, "could not determine data type of parameter $\(index + 1)")
            }
            known.append(type)
        }
        return (known, columns)
    }

    private func learn(_ types: [SQLType], _ parts: inout Parts) {
        for (index, type) in types.enumerated() {
            if index >= parts.types.count { parts.types.append(nil) }
            if parts.types[index] == nil || parts.types[index] == .unknown { parts.types[index] = type }
        }
    }

    // MARK: - The tables of WITH

    /// Carries out the changes in WITH, and puts what they return in their places. Without `runs` they are bound only.
    private func take(
        _ statement: Statement, _ parts: inout Parts, _ parameters: [Scalar], runs: Bool
    ) async throws(SQLError) {
        var plain: [CommonTable] = []
        var silent: [String] = []
        let all = statement.with
        for (index, table) in all.enumerated() {
            guard !all[..<index].contains(where: { $0.name.value == table.name.value }) else {
                throw SQLError(
                    .duplicateAlias, "WITH query name \"\(table.name.value)\" specified more than once",
                    position: table.name.position)
            }
            guard var write = table.write else {
                try refuse(silent, in: .query(table.query))
                // Parts that share a query see the same rows, whatever it computes.
                if !table.query.isTrivial, try isShared(table, all[(index + 1)...], statement) {
                    let one = Query(
                        with: plain + [table], isRecursive: statement.isRecursive, body: selectAll(table.name),
                        position: table.name.position)
                    let bound = try await bind(one, parts.types, life())
                    learn(bound.query.parameterTypes, &parts)
                    let rows = runs ? try await rows(of: bound, parameters) : []
                    plain.append(give(table, bound.columns, rows, keepsColumns: false))
                } else {
                    plain.append(table)
                }
                continue
            }
            if statement.isRecursive, try mentions(table.name.value, .write(write)) {
                throw SQLError(
                    .invalidRecursion,
                    "recursive query \"\(table.name.value)\" must not contain data-modifying statements",
                    position: table.name.position)
            }
            try refuse(silent, in: .write(write))
            write.with = plain + write.with
            write.isRecursive = write.isRecursive || statement.isRecursive
            let life = life()
            let (target, bound) = try await bind(write, parts.types, life)
            learn(bound.parameterTypes, &parts)
            var rows: [Batch] = []
            if runs {
                rows = try await carryOut(bound, parameters, life).rows
                parts.done.append((bound, target))
            }
            guard bound.returnsRows else {
                silent.append(table.name.value)
                continue
            }
            plain.append(give(table, Session.columns(of: bound.plan), rows, keepsColumns: true))
        }
        try set(plain, silent, statement, &parts)
    }

    private func set(
        _ plain: [CommonTable], _ silent: [String], _ statement: Statement, _ parts: inout Parts
    ) throws(SQLError) {
        switch statement {
        case .query(var query):
            query.with = plain
            parts.main = .query(query)
        case .write(var write):
            write.with = plain
            parts.main = .write(write)
        default: throw SQLError(.internalError, "a statement without WITH")
        }
        try refuse(silent, in: parts.main)
    }

    private func mentions(_ name: String, _ statement: Statement) throws(SQLError) -> Bool {
        try QueryNames.references(of: statement, context: planContext()).relations.contains {
            $0.reference.name == name && $0.reference.schema == nil && $0.reference.ref == nil
        }
    }

    /// A change without RETURNING is no table.
    private func refuse(_ silent: [String], in statement: Statement) throws(SQLError) {
        for name in silent where try mentions(name, statement) {
            throw SQLError(.featureNotSupported, "WITH query \"\(name)\" does not have a RETURNING clause")
        }
    }

    /// Whether more than one part of the statement reads a table of WITH.
    private func isShared(
        _ table: CommonTable, _ later: ArraySlice<CommonTable>, _ statement: Statement
    ) throws(SQLError) -> Bool {
        var readers = 0
        let name = table.name.value
        for other in later {
            let part: Statement = other.write.map { .write($0) } ?? .query(other.query)
            if try mentions(name, part) { readers += 1 }
        }
        var main = statement
        switch statement {
        case .query(var query):
            query.with = []
            main = .query(query)
        case .write(var write):
            write.with = []
            main = .write(write)
        default: break
        }
        if try mentions(name, main) { readers += 1 }
        return readers > 1
    }

    private func selectAll(_ name: Identifier, in schema: String? = nil) -> Query.Body {
        let at = name.position
        let parts =
            (schema.map { [Identifier($0, isQuoted: true, position: at)] } ?? [])
            + [Identifier(name.value, isQuoted: true, position: at)]
        let from = TableExpression(
            .table(QualifiedName(parts, position: at), version: nil, alias: nil), position: at)
        let star = SelectItem(value: Expression(.star(Expression.Star()), position: at))
        return .select(Select(items: [star], from: [from], position: at))
    }

    /// Keeps rows as a table, and returns the table of WITH that reads it.
    private func give(
        _ table: CommonTable, _ columns: [ResultColumn], _ rows: [Batch], keepsColumns: Bool
    ) -> CommonTable {
        let name = "\(givenTables?.count ?? 0)"
        let fields = columns.map { Field($0.name, $0.type) }
        givenTables?[name] = RowsTable(name: table.name.value, schema: Schema(fields), batches: rows)
        let place = Identifier(name, isQuoted: true, position: table.name.position)
        let query = Query(body: selectAll(place, in: Resolver.givenSchema), position: table.name.position)
        return CommonTable(name: table.name, columns: keepsColumns ? table.columns : [], query: query)
    }

    private func rows(of bound: QueryLife.Bound, _ parameters: [Scalar]) async throws(SQLError) -> [Batch] {
        let life = life()
        remember(bound)
        var plan = bound.query.plan
        if !bound.query.parameterTypes.isEmpty { plan = try Binder.replaceParameters(in: plan, with: parameters) }
        return try await collect(try await begin(try Optimizer.optimize(plan, life.context), life))
    }

    // MARK: - The main part

    private func finish(_ parts: inout Parts, _ parameters: [Scalar]) async throws(SQLError) -> any ResultStream {
        let life = life()
        let columns: [ResultColumn]?
        let rows: [Batch]
        let tag: String
        switch parts.main {
        case .query(let query):
            let bound = try await bind(query, parts.types, life)
            rows = try await self.rows(of: bound, parameters)
            columns = bound.columns
            tag = "SELECT \(rows.reduce(0) { $0 + $1.rows })"
        case .write(let write):
            let (target, bound) = try await bind(write, parts.types, life)
            rows = try await carryOut(bound, parameters, life).rows
            parts.done.append((bound, target))
            columns = bound.returnsRows ? Session.columns(of: bound.plan) : nil
            tag = "\(write.verb) \(write.verb == "INSERT" ? "0 " : "")\(bound.count.rows)"
        default: throw SQLError(.internalError, "a statement without a query")
        }
        for part in parts.done {
            if part.write.count.rows > 0 {
                try await put(part.write.write, part.target)
            } else {
                await part.write.write.abandon()
            }
        }
        guard let columns else { return done(tag) }
        return FixedStream(columns, rows, tag: .done(tag), timeZone: life.context.functions.timeZone)
    }
}
