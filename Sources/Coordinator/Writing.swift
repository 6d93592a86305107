// INSERT, UPDATE, DELETE, MERGE and TRUNCATE: the rows are written first, by the query that gives them; the table's new
// state is a change of the transaction.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

extension Session {
    /// A managed table that a statement changes.
    struct WriteTarget: Sendable {
        var name: TableName
        /// The branch it is changed on; nil for a temporary table.
        var branch: String?
        var table: any WritableTable
        /// What rights are asked for; nil for a temporary table.
        var secured: AccessGuard.Secured?
        /// Whether rows are added because others were not there: then another's rows in between are a conflict.
        var dependsOnAbsence = false
    }

    // MARK: - Statements

    func write(
        _ statement: WriteStatement, _ text: String, _ parameters: [Scalar], types: [SQLType?]
    ) async throws(SQLError) -> any ResultStream {
        try await changing(text) { () async throws(SQLError) -> any ResultStream in
            let life = life()
            let (target, bound) = try await bind(statement, types, life)
            let (batches, _) = try await run(bound, target, parameters, life)
            let tag = "\(statement.verb) \(statement.verb == "INSERT" ? "0 " : "")\(bound.count.rows)"
            guard bound.returnsRows else { return done(tag) }
            return FixedStream(
                Session.columns(of: bound.plan), batches, tag: .done(tag), timeZone: life.context.functions.timeZone)
        }
    }

    /// What Parse tells of a write.
    func describe(
        _ statement: WriteStatement, _ types: [SQLType?]
    ) async throws(SQLError) -> (parameters: [SQLType], columns: [ResultColumn]?) {
        let (_, bound) = try await bind(statement, types, life())
        return (bound.parameterTypes, bound.returnsRows ? Session.columns(of: bound.plan) : nil)
    }

    static func columns(of plan: LogicalPlan) -> [ResultColumn] {
        plan.columns.map { ResultColumn($0.name, $0.type == .unknown ? .text : $0.type) }
    }

    func truncate(_ names: [QualifiedName]) async throws(SQLError) -> any ResultStream {
        for name in names {
            let target = try await target(name, nil, "TRUNCATE")
            if let secured = target.secured { try accessGuard?.require(.truncate, secured) }
            try await replaceRows(of: target)
        }
        return done("TRUNCATE TABLE")
    }

    private func replaceRows(of target: WriteTarget) async throws(SQLError) {
        let write = target.table.write(.replaceAll)
        try await put(write, target)
    }

    // MARK: - Parts

    /// Finds the table that a statement writes to.
    func target(
        _ name: QualifiedName, _ version: Version?, _ verb: String
    ) async throws(SQLError) -> WriteTarget {
        let context = planContext()
        let resolver = resolver(context)
        let open = currentTransaction
        guard !open.isReadOnly else {
            throw SQLError(.readOnlyTransaction, "cannot execute \(verb) in a read-only transaction")
        }
        let reference = try QueryNames.target(name, version, context: context)
        var pinned = open.pinned
        guard let found = try await resolver.find(reference, open, &pinned) else {
            throw SQLError(.undefinedTable, "relation \"\(name.text)\" does not exist", position: name.position)
        }
        transaction?.pinned = pinned
        switch found.entry {
        case .managed(let definition):
            var table = try await databases.format(on: found.branch, pinned).open(definition, named: found.name)
            guard table.properties[TableProperty.viewQuery] == nil else {
                throw SQLError(
                    .wrongObjectType, "cannot change materialized view \"\(name.last)\"", position: name.position)
            }
            try await learnSequences(of: table)
            table = try await resolver.united(table, found, open, &pinned)
            let constraint = try await resolver.constraint(of: found.name, definition, found, open, &pinned)
            if let constraint { table = BoundedPartition(table, constraint: constraint) }
            let branch = found.name.isTemporary ? nil : try await requireBranch(found.ref)
            return WriteTarget(
                name: found.name, branch: branch, table: table,
                secured: found.name.isTemporary ? nil : AccessGuard.secured(found))
        case .view:
            throw SQLError(
                .wrongObjectType, "cannot execute \(verb) on view \"\(name.last)\"",
                detail: "Views are not updatable.", position: name.position)
        case .external, .object:
            throw SQLError(
                .wrongObjectType, "cannot execute \(verb) on external table \"\(name.last)\"",
                detail: "External tables are files that others write.", position: name.position)
        }
    }

    /// The branch that a ref names. Tags and commits cannot be changed.
    func requireBranch(_ ref: Ref) async throws(SQLError) -> String {
        let name: String
        switch ref {
        case .branch(let text), .named(let text): name = text
        case .tag, .commit, .time: name = ref.description
        }
        if transaction?.branch == name { return name }
        try await refuseIfProtected(name)
        try await require(.commit, onBranch: name)
        return name
    }

    /// Resolves and binds a write.
    func bind(
        _ statement: WriteStatement, _ types: [SQLType?], _ life: QueryLife
    ) async throws(SQLError) -> (target: WriteTarget, bound: BoundWrite) {
        var target = try await target(statement.target, statement.version, statement.verb)
        target.dependsOnAbsence = statement.dependsOnAbsence
        var names = try QueryNames.references(of: statement, context: life.context)
        let open = currentTransaction
        var security: RowSecurity?
        if let access = life.resolver.access, let secured = target.secured {
            security = try access.security(of: secured, writing: statement)
        }
        if security != nil {
            security?.ref = try QueryNames.target(statement.target, statement.version, context: life.context).ref
        }
        if let security {
            names.add(
                try QueryNames.references(
                    of: try Parser.parseQuery(security.query), context: life.context, viewPath: security.searchPath,
                    viewRef: security.ref))
        }
        let all = names
        let resolved = try await currentWatch.perform { () async throws(SQLError) -> Resolver.Result in
            try await life.resolver.resolve(all, in: open)
        }
        transaction?.pinned.merge(resolved.pinned) { first, _ in first }
        transaction?.origin.add(reads: resolved.reads)
        var snapshot = resolved.snapshot
        snapshot.types = try await self.types(target.table.typeNames, known: snapshot.types)
        let bound = try Binder.bind(
            statement, into: target.table, named: target.name, snapshot: snapshot, context: life.context,
            parameterTypes: types, security: security, isPart: life.isPart)
        if let access = life.resolver.access {
            if let secured = target.secured {
                try access.check(statement, secured, columns: Binder.declaredFields(of: target.table).map(\.name))
            }
            try access.check(bound.uses, resolved.secured, target: target.secured)
            try access.check(bound.functions)
        }
        return (target, bound)
    }

    /// Bytes of RETURNING rows that are kept: all are there before the first goes out, so that what a client does not
    /// fetch is changed nevertheless.
    private static let returnedBytesMax = 1 << 30

    /// Runs a write to its end, and makes the table's new state a change of the transaction.
    func run(
        _ bound: BoundWrite, _ target: WriteTarget, _ parameters: [Scalar], _ life: QueryLife
    ) async throws(SQLError) -> (rows: [Batch], report: RunReport) {
        let done = try await carryOut(bound, parameters, life)
        if bound.count.rows > 0 {
            try await put(bound.write, target)
        } else {
            await bound.write.abandon()
        }
        return done
    }

    /// Runs a write to its end: the files are there, and nothing knows of them yet.
    func carryOut(
        _ bound: BoundWrite, _ parameters: [Scalar], _ life: QueryLife
    ) async throws(SQLError) -> (rows: [Batch], report: RunReport) {
        var plan = bound.plan
        if !bound.parameterTypes.isEmpty {
            guard parameters.count == bound.parameterTypes.count || life.isPart else {
                throw SQLError(.undefinedParameter, "there is no parameter $\(parameters.count + 1)")
            }
            plan = try Binder.replaceParameters(in: plan, with: parameters)
        }
        plan = try Optimizer.optimize(plan, life.context)
        do throws(SQLError) {
            let query = try await begin(plan, life)
            let batches = try await collect(query)
            return (batches, query.report)
        } catch {
            await bound.write.abandon()
            throw error
        }
    }

    /// Runs a query to its end; afterwards no worker works for it any more.
    func collect(_ query: any RunningQuery) async throws(SQLError) -> [Batch] {
        var batches: [Batch] = []
        var bytes = 0
        do throws(SQLError) {
            while let batch = try await query.next() {
                batches.append(batch)
                bytes += batch.columns.reduce(0) { $0 + $1.sizeBytes }
                guard bytes <= Session.returnedBytesMax else {
                    throw SQLError(
                        .programLimitExceeded, "rows of RETURNING exceed \(Session.returnedBytesMax >> 20) MiB")
                }
            }
        } catch {
            query.cancel(error)
            await query.ended()
            throw error
        }
        await query.ended()
        return batches
    }

    /// Makes what a finished write did a change of the transaction.
    func put(_ rows: any TableWrite, _ target: WriteTarget) async throws(SQLError) {
        if let parted = rows as? PartitionedWrite {
            for part in parted.changed {
                try await put(
                    part.write,
                    WriteTarget(
                        name: part.leaf.name, branch: target.branch, table: part.leaf.table,
                        dependsOnAbsence: target.dependsOnAbsence))
            }
            return
        }
        let write = target.dependsOnAbsence ? UnreplayableWrite(rows, over: target.table.definition) : rows
        let definition: ManagedDefinition
        // Another part of the same statement may have changed the table since it was opened.
        var base = target.table.definition
        if case .managed(let now)?? = transaction?.changes.changed(target.name) { base = now }
        do throws(SQLError) {
            definition = try await write.commit(onto: base)
            try record(target.name, target.branch) { $0.alter(target.name, definition, .write(write)) }
        } catch {
            await write.abandon()
            throw error
        }
        transaction?.keep(write)
    }

    /// Notes a change of a name in the open transaction.
    func record(
        _ name: TableName, _ branch: String?, _ body: (inout TransactionChanges) -> Void
    ) throws(SQLError) {
        guard transaction != nil else { throw SQLError(.internalError, "a change outside of a transaction") }
        if let branch {
            try transaction?.change(on: branch, body)
        } else {
            transaction?.changeTemporary(body)
        }
    }
}

/// A write that holds over one state of its table only. INSERT ... ON CONFLICT and MERGE add rows that they have not found:
/// taken again over a state to which somebody else has added the same, they would be there twice.
private final class UnreplayableWrite: TableWrite {
    private let write: any TableWrite
    private let base: ManagedDefinition

    init(_ write: any TableWrite, over base: ManagedDefinition) {
        self.write = write
        self.base = base
    }

    func sink() throws(SQLError) -> any RowSink { try write.sink() }

    func commit(onto base: ManagedDefinition) async throws(SQLError) -> ManagedDefinition {
        guard base == self.base else {
            throw SQLError(
                .serializationFailure, "could not serialize access: the table was changed by another transaction",
                hint: "The transaction might succeed if retried.")
        }
        return try await write.commit(onto: base)
    }

    func abandon() async { await write.abandon() }
}

extension WriteStatement {
    /// Whether this adds rows because it has not found them.
    fileprivate var dependsOnAbsence: Bool {
        switch change {
        case .insert(let insert): insert.conflict != nil
        case .merge(let merge):
            merge.clauses.contains { clause in if case .insert = clause.action { true } else { false } }
        case .update, .delete: false
        }
    }
}

extension Statement {
    /// Whether this changes tables or the catalog.
    var isChange: Bool {
        switch self {
        case .write, .truncate, .refresh, .createTable, .alterTable, .comment, .createSchema, .createView,
            .createExternalTable,
            .drop, .object:
            true
        case .query: changesInWith
        case .copy(let copy): copy.isFrom
        default: false
        }
    }
}
