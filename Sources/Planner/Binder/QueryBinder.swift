// The state of binding one statement: fresh ids, parameters, the view being expanded, depth.
import Catalogs
import Columns
import Diagnostics
import Functions
import Syntax

/// Binds one statement. Extensions in this folder bind its parts.
final class QueryBinder {
    let snapshot: CatalogSnapshot
    let context: PlanContext
    /// Types of $1, $2, ...; `.unknown` until declared or settled by use.
    var parameters: [SQLType]
    /// Parameters that a statement may have (the wire's limit).
    static let parametersMax = 65_535
    /// Views within views and subqueries within subqueries that are followed.
    static let viewDepthMax = 32
    static let queryDepthMax = 200
    static let expressionDepthMax = 1_500

    private var columnCount = 0
    private var cteCount = 0
    var queryDepth = 0
    var expressionDepth = 0
    /// Whether the arguments of sum() or avg() are being bound: only their digits count, not how they print.
    var isInsideSum = false
    /// Queries bound so far: NOT MATERIALIZED tables are bound once a reference, which must not explode.
    var queriesBound = 0
    static let queriesBoundMax = 20_000
    /// Subqueries of expressions around the place being bound, and nullable sides of outer joins: a recursive query
    /// must not refer to itself there.
    var expressionSubqueries = 0
    var nullableSides = 0
    /// The views being expanded, outermost first.
    var views: [ViewFrame] = []
    /// What $1, $2, ... stand for in the bodies of functions being bound, outermost first.
    var functionArguments: [[Typed]] = []
    /// Scopes in which columns were found, while someone asks (aggregates, for their level).
    var usedScopes: [[Scope]] = []

    /// The relations that the statement names, and what it reads of them.
    private(set) var relationUses: [RelationUse] = []
    /// The functions of the user that the statement calls, once each.
    private(set) var functionUses: [FunctionUse] = []

    /// A view under expansion: how names inside it are looked up.
    struct ViewFrame {
        var name: String
        var ref: Ref?
        var searchPath: [String]
        /// The role whose rights its text has.
        var definer: Int64?
    }

    init(snapshot: CatalogSnapshot, context: PlanContext, parameterTypes: [SQLType?]) {
        self.snapshot = snapshot
        self.context = context
        parameters = parameterTypes.map { $0 ?? .unknown }
    }

    /// Makes a column with a new id.
    func column(_ name: String, _ type: SQLType, isNullable: Bool = true) -> PlanColumn {
        columnCount += 1
        return PlanColumn(id: ColumnID(columnCount), name: name, type: type, isNullable: isNullable)
    }

    /// Makes a number for a shared or recursive common table expression.
    func nextCTE() -> Int {
        cteCount += 1
        return cteCount
    }

    /// Positions inside a view's text mean nothing to the client.
    func position(_ offset: Int?) -> Int? { views.isEmpty ? offset : nil }

    /// Notes that a column was found in a scope.
    func noteUse(of scope: Scope) {
        if !usedScopes.isEmpty { usedScopes[usedScopes.count - 1].append(scope) }
    }

    /// Notes that a relation is named; gives its columns their sources.
    func use(of reference: CatalogSnapshot.Reference, isTarget: Bool = false, _ columns: inout [Scope.ItemColumn]) {
        let number = relationUses.count
        relationUses.append(RelationUse(reference: reference, isTarget: isTarget))
        for index in columns.indices {
            columns[index].source = ColumnSource(use: number, name: columns[index].name)
        }
    }

    /// Notes that a function of the user is called.
    func use(of function: FunctionDefinition, _ name: QualifiedName) {
        guard let schema = snapshot.functionSchemas[name],
            !functionUses.contains(where: { $0.schema == schema && $0.function == function && $0.name == name.last })
        else { return }
        functionUses.append(FunctionUse(function: function, schema: schema, name: name.last))
    }

    /// Notes that a column is read.
    func note(_ source: ColumnSource?) {
        if let source { relationUses[source.use].columns.insert(source.name) }
    }

    /// One row of no columns: what SELECT without FROM reads.
    static let oneRow = LogicalPlan.values(LogicalPlan.Values(columns: [], rows: [[]]))
}

/// A bound expression and where its text starts.
struct Typed {
    var expr: Expr
    var position: Int?
    var type: SQLType { expr.type }

    init(_ expr: Expr, _ position: Int?) {
        self.expr = expr
        self.position = position
    }

    /// The constant, when it is one.
    var literal: Scalar? {
        if case .literal(let scalar) = expr { return scalar }
        return nil
    }

    /// Whether this is a parameter without a type.
    var isParameter: Bool {
        if case .parameter(_, .unknown) = expr { return true }
        return false
    }

    /// Whether the type is still open: an untyped literal or parameter.
    var isOpen: Bool { type == .unknown }
}
