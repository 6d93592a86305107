// Row policies and column masks: what a role sees of a table and may write into it, beyond its rights.
public import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax

/// Conditions and masks that hold for one reading or writing of one table.
public struct RowSecurity: Hashable, Sendable {
    /// SQL text of the condition on rows that are seen, changed or deleted; nil: all are.
    public var visible: String?
    /// SQL text of conditions that new rows must meet.
    public var written: [String]
    /// SQL texts that stand in a column's place, by column.
    public var masks: [String: String]
    /// Where the texts' names are looked up.
    public var searchPath: [String]
    /// The version at which names without one are looked up; nil: the session's.
    public var ref: Ref?

    public init(visible: String? = nil, written: [String] = [], masks: [String: String] = [:], searchPath: [String]) {
        self.visible = visible
        self.written = written
        self.masks = masks
        self.searchPath = searchPath
    }

    /// A query that has all names of the texts.
    public var query: String {
        "SELECT " + ([visible].compactMap { $0 } + written + masks.values.sorted()).joined(separator: ", ")
    }
}

extension QueryBinder {
    /// A scan under a table's policies and masks: what they hide is not there for anything above. `columns` are those of
    /// the table itself.
    func secured(
        _ plan: LogicalPlan, _ columns: [PlanColumn], _ security: RowSecurity,
        _ reference: CatalogSnapshot.Reference, _ at: Int?
    ) throws(SQLError) -> LogicalPlan {
        try withTexts(of: security, reference, at) { () throws(SQLError) in
            let scope = Scope(outer: nil, ctes: nil)
            scope.items = [Scope.Item(name: reference.name, columns: itemColumns(columns))]
            var plan = plan
            if let text = security.visible {
                let seen = try condition(try bind(try Parser.parseExpression(text), scope), of: "POLICY")
                // Above the barrier stays what could fail: an error would tell of a row that is hidden.
                plan = .limit(LogicalPlan.LimitNode(input: .filter(plan, seen), limit: nil, offset: nil))
            }
            guard !security.masks.isEmpty else { return plan }
            let outputs = try plan.columns.map { (old) throws(SQLError) -> LogicalPlan.Output in
                guard let text = security.masks[old.name], columns.contains(where: { $0.id == old.id }) else {
                    return LogicalPlan.Output(old, .column(old))
                }
                let typed = try bind(try Parser.parseExpression(text), scope)
                let value = try assign(typed, to: Field(old.name, old.type))
                return LogicalPlan.Output(column(old.name, old.type), value)
            }
            return .project(plan, outputs)
        }
    }

    /// New rows, of which each must meet the conditions: the first that does not is 42501.
    func checked(
        _ plan: LogicalPlan, _ columns: [PlanColumn], _ security: RowSecurity,
        _ reference: CatalogSnapshot.Reference
    ) throws(SQLError) -> LogicalPlan {
        guard !security.written.isEmpty else { return plan }
        return try withTexts(of: security, reference, nil) { () throws(SQLError) in
            let scope = Scope(outer: nil, ctes: nil)
            scope.items = [Scope.Item(name: reference.name, columns: itemColumns(columns))]
            let message = "new row violates row-level security policy for table \"\(reference.name)\""
            var tests: [Expr] = []
            for text in security.written {
                let holds = try condition(try bind(try Parser.parseExpression(text), scope), of: "POLICY")
                tests.append(
                    try call(
                        RowCheck.name, [Typed(holds, nil), Typed(.literal(Scalar(.text, .string(message))), nil)], nil))
            }
            return plan.filtered(tests)
        }
    }

    private func withTexts<R>(
        of security: RowSecurity, _ reference: CatalogSnapshot.Reference, _ at: Int?,
        _ body: () throws(SQLError) -> R
    ) throws(SQLError) -> R {
        guard views.count < QueryBinder.viewDepthMax else {
            throw SQLError(
                SQLState("42P17"), "infinite recursion detected in policy for relation \"\(reference.name)\"",
                position: at)
        }
        views.append(
            ViewFrame(name: reference.name, ref: reference.ref, searchPath: security.searchPath, definer: nil))
        defer { views.removeLast() }
        return try body()
    }
}
