// Materialized views: managed tables that keep their query. REFRESH writes the query's rows in place of the old ones.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

extension Session {
    /// What a table keeps to be a materialized view.
    func viewProperties(_ text: String, _ create: Statement.CreateTable) -> [String: String] {
        let text = StoredText.relative(text, database: engine.database, branch: branch)
        var properties = [TableProperty.viewQuery: text, TableProperty.viewPath: settings["search_path"]]
        if !create.withData { properties[TableProperty.isPopulated] = "false" }
        return properties
    }

    /// REFRESH MATERIALIZED VIEW: readers have the old rows until it is committed.
    func refresh(_ name: QualifiedName, withData: Bool) async throws(SQLError) -> any ResultStream {
        let tag = "REFRESH MATERIALIZED VIEW"
        guard let (found, branch) = try await find(name) else {
            throw SQLError(.undefinedTable, "relation \"\(name.text)\" does not exist", position: name.position)
        }
        guard case .managed(let definition) = found.entry else { throw notMaterialized(name) }
        let format = try format(on: branch)
        let table = try await format.open(definition, named: found.name)
        guard let text = table.properties[TableProperty.viewQuery] else { throw notMaterialized(name) }
        var target = WriteTarget(name: found.name, branch: branch, table: table)
        if let altered = try await mark(target, isPopulated: withData) {
            target.table = try await format.open(altered, named: found.name)
        }
        let write = withData ? try await rows(of: text, target) : target.table.write(.replaceAll)
        try await put(write, target)
        return done(tag)
    }

    /// Runs the view's query with its own search path; gives the write that holds its rows.
    private func rows(of text: String, _ target: WriteTarget) async throws(SQLError) -> any TableWrite {
        let context = planContext()
        let path = target.table.properties[TableProperty.viewPath].map(SessionSettings.names) ?? settings.searchPath
        var access = accessGuard
        if let held = access {
            // It reads with its owner's rights.
            let owner = target.table.definition.owner ?? EntryOwner.bootstrap
            access = AccessGuard(state: held.state, who: held.state.standing(of: owner), database: held.database)
        }
        let resolver = Resolver(
            engine: engine, branch: target.branch ?? branch, searchPath: path, context: context, access: access)
        let life = QueryLife(engine: engine, resolver: resolver, context: context)
        let bound = try await bind(try Parser.parseQuery(text), [], life)
        remember(bound)
        transaction?.origin.add(reads: bound.reads)
        guard bound.columns.count == target.table.schema.fields.count else {
            throw SQLError(
                .datatypeMismatch, "the query of materialized view \"\(target.name.name)\" has other columns now",
                hint: "Use CREATE OR REPLACE MATERIALIZED VIEW.")
        }
        let write = try Binder.insert(
            bound.query, into: target.table, named: target.name, context: context, kind: .replaceAll)
        do throws(SQLError) {
            _ = try await collect(try await begin(try Optimizer.optimize(write.plan, context), life))
        } catch {
            await write.write.abandon()
            throw error
        }
        return write.write
    }

    /// Notes whether the view has rows that may be read.
    private func mark(_ target: WriteTarget, isPopulated: Bool) async throws(SQLError) -> ManagedDefinition? {
        let key = TableProperty.isPopulated
        guard (target.table.properties[key] == nil) != isPopulated else { return nil }
        let change = isPopulated ? TableAlteration.removeProperty(key) : .setProperty(key, "false")
        let format = try format(on: target.branch)
        let altered = try await format.alter(target.table.definition, named: target.name, [change])
        transaction?.keep(altered, from: target.table.definition, of: format)
        try record(target.name, target.branch) { $0.alter(target.name, altered, .alter([change])) }
        return altered
    }

    private func notMaterialized(_ name: QualifiedName) -> SQLError {
        SQLError(.featureNotSupported, "\"\(name.last)\" is not a materialized view", position: name.position)
    }
}
