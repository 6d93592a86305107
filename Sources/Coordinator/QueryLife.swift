// The life of a query, steps 3 to 7 of the walk in Sources/README.md: text to tree (Parser), names to one snapshot
// (Resolver), tree to typed plan (Binder), plan to better plan (Optimizer), plan to running query (PlanRunner).
// Names are resolved once and never again: binding and optimizing cannot wait, and cannot see two states of a branch.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

/// One statement's way from syntax tree to running query.
struct QueryLife: Sendable {
    let engine: Engine
    var resolver: Resolver
    let context: PlanContext
    /// Whether this is a part of a statement whose WITH changes data.
    var isPart = false

    /// A query with names and types settled.
    struct Bound: Sendable {
        var query: BoundQuery
        /// Commits that its names were resolved at.
        var pinned: [Ref: CommitID]
        /// What it reads, for people: `schema.name`, and `@ref` where that is not the session's branch.
        var reads: Set<String>
        /// What rights are asked for.
        var secured: [CatalogSnapshot.Reference: AccessGuard.Secured]
        /// The state of rights that it was checked against.
        var accessVersion: Int64

        var columns: [ResultColumn] {
            // An untyped literal goes out as text, as PostgreSQL does.
            query.plan.columns.map { ResultColumn($0.name, $0.type == .unknown ? .text : $0.type) }
        }
    }

    /// Steps 4 and 5: resolves and binds.
    func bind(
        _ query: Query, parameterTypes: [SQLType?] = [], in transaction: Transaction
    ) async throws(SQLError) -> Bound {
        let names = try QueryNames.references(of: query, context: context)
        let resolved = try await resolver.resolve(names, in: transaction)
        let bound = try Binder.bind(
            query, snapshot: resolved.snapshot, context: context, parameterTypes: parameterTypes,
            isPart: isPart)
        try resolver.access?.check(bound.uses, resolved.secured)
        try resolver.access?.check(bound.functions)
        return Bound(
            query: bound, pinned: resolved.pinned, reads: resolved.reads, secured: resolved.secured,
            accessVersion: engine.access.current.version)
    }

    /// Step 6: puts parameters in and optimizes.
    func optimize(
        _ bound: Bound, parameters: [Scalar] = [], trace: ((RuleTrace) -> Void)? = nil
    ) throws(SQLError) -> LogicalPlan {
        var plan = bound.query.plan
        if !bound.query.parameterTypes.isEmpty {
            guard parameters.count == bound.query.parameterTypes.count else {
                throw SQLError(.undefinedParameter, "there is no parameter $\(parameters.count + 1)")
            }
            plan = try Binder.replaceParameters(in: plan, with: parameters)
        }
        return try Optimizer.optimize(plan, context, trace: trace)
    }

    /// Step 7: starts.
    func start(_ plan: LogicalPlan) async throws(SQLError) -> any RunningQuery {
        let runner = try engine.runner(for: plan)
        // RETURNING stands above the write. A write is never begun twice: its rows would be there twice.
        if plan.changesRows { return try await runner.start(plan, context) }
        let (format, context) = (engine.format, context)
        return try await ReplannedQuery.start(format) { () async throws(SQLError) -> any RunningQuery in
            try await runner.start(plan, context)
        }
    }
}

extension LogicalPlan {
    /// Whether a table is written.
    fileprivate var changesRows: Bool {
        if case .write = self { return true }
        return inputs.contains { $0.changesRows }
    }
}
