// Names of the system catalog among the names of a statement: pg_catalog is searched first, and the statement's view of
// the catalog is loaded before binding, because functions and casts cannot wait for it.
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import SystemCatalog

/// What a session shows of itself in the system catalog.
struct SystemSessionFacts: Sendable {
    var user = ""
    var settings = SessionSettings()
}

extension Resolver {
    /// Loads what the functions and casts of a statement ask.
    func prepareCatalog(
        _ names: QueryNames, _ transaction: Transaction, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) {
        guard names.asksCatalog, let state = context.functions.system as? SystemState else { return }
        try await attach(state, .named(branch), transaction, &pinned)
        // Views' columns are found by binding them: that must not ask for the columns of all views again.
        try await state.prepare(details: names.asksDetails && !isNested)
    }

    /// Returns the relation of pg_catalog or information_schema that a name stands for, nil when it is none.
    func systemTable(
        _ reference: CatalogSnapshot.Reference, _ transaction: Transaction, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) -> SystemTable? {
        guard let schema = systemSchema(of: reference) else { return nil }
        let ref = try self.ref(of: reference)
        try await access?.requireReading(ref, engine.catalog, reference.definer)
        var state = context.functions.system as? SystemState ?? SystemState()
        let isOwn = ref == .named(branch) || ref == .branch(branch)
        // Another branch's catalog is a state of its own.
        if !isOwn { state = SystemState() }
        try await attach(state, ref, transaction, &pinned)
        try await state.prepare(details: false)
        return SystemTable(schema: schema, name: reference.name, state: state)
    }

    /// The system schema that a name is in. Temporary tables hide pg_catalog's.
    private func systemSchema(of reference: CatalogSnapshot.Reference) -> String? {
        // Attached databases have catalogs of their own.
        if let database = reference.database, databases.attached[database] != nil { return nil }
        if let schema = reference.schema { return SystemTable.schemas.contains(schema) ? schema : nil }
        let path = reference.searchPath ?? searchPath
        let name = reference.name
        if SystemTable.isRelation("pg_catalog", name), !path.contains("pg_catalog") || path.first == "pg_catalog" {
            return temporaries[name] == nil ? "pg_catalog" : nil
        }
        return path.first { SystemTable.schemas.contains($0) && SystemTable.isRelation($0, name) }
    }

    private func attach(
        _ state: SystemState, _ ref: Ref, _ transaction: Transaction, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) {
        let commit = try await commit(of: ref, &pinned)
        guard !state.isAttached else { return }
        let isOwn = transaction.branch.map { ref == .branch($0) || ref == .named($0) } ?? false
        state.attach(
            SessionLake(
                resolver: self, commit: commit, ref: ref, changes: isOwn ? transaction.changes : nil,
                transaction: transaction))
    }
}
