// Which relations and file functions a statement mentions: what the coordinator must look up before binding.
public import Catalogs
import Columns
public import Diagnostics
import Functions
public import Syntax

/// Finds the names in a syntax tree that a ``CatalogSnapshot`` must hold.
public struct QueryNames: Sendable {
    /// Relations in the order of the text, with positions. A name may come twice.
    public private(set) var relations: [(reference: CatalogSnapshot.Reference, position: Int)] = []
    /// Calls of file functions, with positions.
    public private(set) var fileCalls: [(call: CatalogSnapshot.FileCall, position: Int)] = []
    /// Whether functions or casts ask the system catalog.
    public private(set) var asksCatalog = false
    /// Whether they ask for what only the tables themselves tell.
    public private(set) var asksDetails = false

    /// Sequences that functions name, as they are written there.
    public private(set) var sequences: Set<String> = []
    /// Functions that may be the user's, by name.
    public private(set) var functions: Set<QualifiedName> = []
    /// Types that may be the user's, by name.
    public private(set) var types: Set<QualifiedName> = []

    private let context: PlanContext
    private let view: QueryBinder.ViewFrame?
    /// Names of common table expressions in view, innermost last.
    private var tables: [Set<String>] = []

    /// Names of table functions that read files.
    public static let fileFunctions: Set<String> = [
        "read_parquet", "parquet_scan", "iceberg_scan", "read_csv", "read_csv_auto", "read_json", "read_json_auto",
        "read_ndjson", "read_ndjson_auto",
    ]
    /// The schema of what a lake tells about itself: branches, commits, differences.
    public static let lakeSchema = "apus"
    /// Table functions in ``lakeSchema``.
    public static let lakeFunctions: Set<String> = ["log", "diff", "changes", "merge_preview"]

    private init(_ context: PlanContext, _ view: QueryBinder.ViewFrame?) {
        self.context = context
        self.view = view
    }

    /// Returns the names of a query. For a view's definition give the search path that it was created with, and the
    /// version at which the view itself was asked for.
    public static func references(
        of query: Query, context: PlanContext, viewPath: [String]? = nil, viewRef: Ref? = nil,
        definer: Int64? = nil
    ) throws(SQLError) -> QueryNames {
        let frame = viewPath.map {
            QueryBinder.ViewFrame(name: "", ref: viewRef, searchPath: $0, definer: definer)
        }
        var names = QueryNames(context, frame)
        try names.visit(query)
        return names
    }

    /// Returns the names of the query inside a statement, none for statements without a query.
    public static func references(of statement: Statement, context: PlanContext) throws(SQLError) -> QueryNames {
        switch statement {
        case .query(let query): return try references(of: query, context: context)
        case .write(let write): return try references(of: write, context: context)
        case .explain(let explain): return try references(of: explain.statement, context: context)
        case .createView(let view): return try references(of: view.query, context: context)
        case .prepare(_, _, let inner, _): return try references(of: inner, context: context)
        default: return QueryNames(context, nil)
        }
    }

    /// Returns the names that a write reads; its target is not among them, unless it is read as well.
    public static func references(of write: WriteStatement, context: PlanContext) throws(SQLError) -> QueryNames {
        var names = QueryNames(context, nil)
        try names.visit(write)
        return names
    }

    /// Adds the names of another text of the same statement.
    public mutating func add(_ other: QueryNames) {
        relations += other.relations
        fileCalls += other.fileCalls
        asksCatalog = asksCatalog || other.asksCatalog
        asksDetails = asksDetails || other.asksDetails
        sequences.formUnion(other.sequences)
        functions.formUnion(other.functions)
        types.formUnion(other.types)
    }

    /// Turns the name of a write's target into a reference as snapshots have them.
    public static func target(
        _ name: QualifiedName, _ version: Version? = nil, context: PlanContext
    ) throws(SQLError) -> CatalogSnapshot.Reference {
        try reference(name, version, context, nil)
    }

    // MARK: Writes

    private mutating func visit(_ write: WriteStatement) throws(SQLError) {
        tables.append(write.isRecursive ? Set(write.with.map(\.name.value)) : [])
        for table in write.with {
            if let inner = table.write { try visit(inner) } else { try visit(table.query) }
            tables[tables.count - 1].insert(table.name.value)
        }
        switch write.change {
        case .insert(let insert): if let query = insert.query { try visit(query) }
        case .update(let assignments, let from, let filter):
            for table in from { try visit(table) }
            try visit(assignments.map(\.value) + (filter.map { [$0] } ?? []))
        case .delete(let using, let filter):
            for table in using { try visit(table) }
            if let filter { try visit(filter) }
        case .merge(let merge):
            try visit(merge.source)
            try visit(merge.condition)
            for clause in merge.clauses { try visit(clause) }
        }
        try visit(write.returning.map(\.value))
        tables.removeLast()
    }

    private mutating func visit(_ clause: WriteStatement.MergeClause) throws(SQLError) {
        if let condition = clause.condition { try visit(condition) }
        switch clause.action {
        case .update(let assignments): try visit(assignments.map(\.value))
        case .insert(_, let values): try visit(values)
        case .delete, .nothing: break
        }
    }

    // MARK: Queries

    private mutating func visit(_ query: Query) throws(SQLError) {
        tables.append([])
        if query.isRecursive { tables[tables.count - 1].formUnion(query.with.map(\.name.value)) }
        for table in query.with {
            if let inner = table.write { try visit(inner) } else { try visit(table.query) }
            tables[tables.count - 1].insert(table.name.value)
        }
        switch query.body {
        case .select(let select): try visit(select)
        case .values(let rows): for row in rows { try visit(row) }
        case .setOperation(_, _, let left, let right, _):
            try visit(left)
            try visit(right)
        case .nested(let inner): try visit(inner)
        }
        try visit(query.order.map(\.value))
        try visit([query.limit, query.offset].compactMap { $0 })
        tables.removeLast()
    }

    private mutating func visit(_ select: Select) throws(SQLError) {
        for table in select.from { try visit(table) }
        if case .on(let exprs) = select.distinct { try visit(exprs) }
        try visit(select.items.map(\.value))
        for item in select.groupBy { try visit(item) }
        try visit([select.filter, select.having, select.qualify].compactMap { $0 })
        for window in select.windows { try visit(window.window) }
    }

    private mutating func visit(_ item: GroupItem) throws(SQLError) {
        switch item {
        case .value(let expr): try visit(expr)
        case .set(let exprs): try visit(exprs)
        case .rollup(let items), .cube(let items), .groupingSets(let items): for item in items { try visit(item) }
        }
    }

    private mutating func visit(_ table: TableExpression) throws(SQLError) {
        switch table.node {
        case .table(let name, let version, _):
            let isCommon = name.parts.count == 1 && version == nil && tables.contains { $0.contains(name.last) }
            guard !isCommon else { return }
            relations.append((try QueryNames.reference(name, version, context, view), table.position))
        case .subquery(let query, _, _): try visit(query)
        case .functions(let calls, _, _, _):
            for call in calls {
                if QueryNames.isFileFunction(call.name) {
                    fileCalls.append((try FileCalls.call(call, table.position, context), table.position))
                } else {
                    if let query = try? TableQueries.query(call) {
                        // As it is bound: like a view of the session.
                        add(
                            try QueryNames.references(
                                of: query, context: context, viewPath: context.functions.searchPath))
                    }
                    try visit(call)
                }
            }
        case .join(let join):
            try visit(join.left)
            try visit(join.right)
            if case .on(let condition) = join.condition { try visit(condition) }
        case .aliased(let inner, _): try visit(inner)
        case .sampled(let inner, let sample):
            try visit(inner)
            try visit(sample.arguments + (sample.seed.map { [$0] } ?? []))
        }
    }

    // MARK: Expressions

    private mutating func visit(_ exprs: [Expression]) throws(SQLError) {
        for expr in exprs { try visit(expr) }
    }

    private mutating func visit(_ expr: Expression) throws(SQLError) {
        switch expr.node {
        case .inQuery(let left, let query, _):
            try visit(left)
            try visit(query)
        case .quantified(let left, _, _, let right):
            try visit(left)
            switch right {
            case .query(let query): try visit(query)
            case .array(let array): try visit(array)
            }
        case .exists(let query), .scalarQuery(let query), .arrayQuery(let query): try visit(query)
        case .call(let call): try visit(call)
        case .cast(let operand, let type, _):
            note(type)
            try visit(operand)
        case .typedLiteral(let type, _): note(type)
        case .column(let name): if name.last == "tableoid" { asksCatalog = true }
        default: try visit(expr.operands)
        }
    }

    /// Casts to regclass and its kin look names up.
    private mutating func note(_ type: TypeName) {
        if type.name.hasPrefix("reg") || type.name.hasPrefix("_reg") { asksCatalog = true }
        types.formUnion(UserTypes.unknown(in: type))
    }

    private mutating func visit(_ call: FunctionCall) throws(SQLError) {
        if let needsDetails = CatalogFunctions.details[call.name.last] {
            asksCatalog = true
            if needsDetails { asksDetails = true }
        }
        if SequenceFunctions.names.contains(call.name.last), let first = call.arguments.first?.value,
            let text = QueryNames.sequenceName(first)
        {
            sequences.insert(text)
        }
        let isKnown =
            call.name.parts.count == 1
            && (FunctionRegistry.isFunction(call.name.last) || FunctionRegistry.isAggregate(call.name.last))
        if !isKnown, call.over == nil { functions.insert(QueryNames.plain(call.name)) }
        try visit(call.arguments.map(\.value))
        try visit((call.order + call.withinGroup).map(\.value))
        if let filter = call.filter { try visit(filter) }
        if case .inline(let window) = call.over { try visit(window) }
    }

    /// The name without positions, so that it can be a key.
    static func plain(_ name: QualifiedName) -> QualifiedName {
        QualifiedName(name.parts.map { Identifier($0.value) }, position: 0)
    }

    /// The text in nextval('s') and nextval('s'::regclass).
    static func sequenceName(_ argument: Expression) -> String? {
        switch argument.node {
        case .string(let text): text
        case .cast(let inner, let type, _) where ["regclass", "text"].contains(type.name): sequenceName(inner)
        case .typedLiteral(let type, let text) where type.name == "regclass": text
        default: nil
        }
    }

    /// All names in an expression.
    public static func references(
        in expression: Expression, context: PlanContext, path: [String]? = nil
    ) throws(SQLError) -> QueryNames {
        let frame = path.map { QueryBinder.ViewFrame(name: "", ref: nil, searchPath: $0, definer: nil) }
        var names = QueryNames(context, frame)
        try names.visit(expression)
        return names
    }

    /// The types of the user that an expression may name.
    static func types(in text: String) -> Set<QualifiedName> {
        // Names of types stand behind casts only, or before literals.
        guard text.contains("::") || text.contains("'"), let expression = try? Parser.parseExpression(text) else {
            return []
        }
        var names = QueryNames(PlanContext(), nil)
        guard (try? names.visit(expression)) != nil else { return [] }
        return names.types
    }

    /// The columns that an expression names.
    public static func columns(in text: String) -> Set<String> {
        guard let expression = try? Parser.parseExpression(text) else { return [] }
        var names: Set<String> = []
        var open = [expression]
        while let next = open.popLast() {
            if case .column(let name) = next.node { names.insert(name.last) }
            if case .call(let call) = next.node { open += call.arguments.map(\.value) } else { open += next.operands }
        }
        return names
    }

    /// The types of the user that an expression may name.
    public static func typeNames(
        in expression: Expression, context: PlanContext
    ) throws(SQLError) -> Set<QualifiedName> {
        var names = QueryNames(context, nil)
        try names.visit(expression)
        return names.types
    }

    /// The sequences that an expression names.
    public static func sequences(in expression: Expression, context: PlanContext) throws(SQLError) -> Set<String> {
        var names = QueryNames(context, nil)
        try names.visit(expression)
        return names.sequences
    }

    private mutating func visit(_ window: WindowSpecification) throws(SQLError) {
        try visit(window.partition + window.order.map(\.value))
    }

    // MARK: References

    static func isFileFunction(_ name: QualifiedName) -> Bool {
        name.parts.count == 1 && fileFunctions.contains(name.last) || isLakeFunction(name)
    }

    static func isLakeFunction(_ name: QualifiedName) -> Bool {
        name.parts.count == 2 && name.parts[0].value == lakeSchema && lakeFunctions.contains(name.last)
    }

    /// Turns a table name into the key under which the snapshot holds its relation.
    static func reference(
        _ name: QualifiedName, _ version: Version?, _ context: PlanContext, _ view: QueryBinder.ViewFrame?
    ) throws(SQLError) -> CatalogSnapshot.Reference {
        guard name.parts.count <= 3 else {
            throw SQLError(
                .syntaxError, "improper qualified name (too many dotted names): \(name.text)", position: name.position)
        }
        var parts = name.parts.map(\.value)
        var branch: String?
        if parts.count == 3 { (parts[0], branch) = split(parts[0]) }
        var ref = try branch.map { (name) throws(SQLError) in Ref.named(name) }
        if let version {
            ref = try self.ref(version, branch: branch ?? context.functions.branch, context)
        } else if let last = name.parts.last, last.isQuoted, last.value.contains("@") {
            let (table, version) = split(last.value)
            parts[parts.count - 1] = table
            if let version { ref = .named(version) }
        }
        let schema = parts.count > 1 ? parts[parts.count - 2] : nil
        return CatalogSnapshot.Reference(
            database: parts.count == 3 ? parts[0] : nil, schema: schema, name: parts[parts.count - 1],
            ref: ref ?? view?.ref, searchPath: schema == nil ? view?.searchPath : nil,
            definer: view?.definer)
    }

    /// Splits `name@ref` at the last @; both sides must have text.
    private static func split(_ text: String) -> (String, String?) {
        guard let at = text.lastIndex(of: "@"), at != text.startIndex else { return (text, nil) }
        let ref = String(text[text.index(after: at)...])
        return ref.isEmpty ? (text, nil) : (String(text[..<at]), ref)
    }

    private static func ref(_ version: Version, branch: String, _ context: PlanContext) throws(SQLError) -> Ref {
        switch version {
        case .named(let name): return .named(name.value)
        case .branch(let name): return .branch(name.value)
        case .tag(let name): return .tag(name.value)
        case .commit(let name): return .commit(CommitID(hex: name.value.lowercased()))
        case .snapshot(let expr):
            throw SQLError(.featureNotSupported, "snapshots of tables are not supported", position: expr.position)
        case .timestamp(let expr):
            let binder = QueryBinder(snapshot: CatalogSnapshot(), context: context, parameterTypes: [])
            let typed = try binder.bind(expr, Scope(outer: nil, ctes: nil))
            let instant = try binder.coerce(typed, to: .timestamptz, .assignment)
            guard ConstantFold.isConstant(instant, upTo: .stable),
                case .int(let microseconds) = try ConstantFold.evaluate(instant, context.functions).value
            else {
                throw SQLError(
                    .invalidParameterValue, "the time of a version must be a constant", position: expr.position)
            }
            return .time(branch: branch, microseconds: microseconds)
        }
    }

    /// Whether a query mentions a relation by this bare name that no inner WITH of the same name hides.
    static func mentions(_ name: String, in query: Query, context: PlanContext) throws(SQLError) -> Bool {
        var names = QueryNames(context, nil)
        try names.visit(query)
        return names.relations.contains {
            $0.reference.name == name && $0.reference.schema == nil && $0.reference.ref == nil
        }
    }
}

extension Expression {
    /// The direct operands; queries and window specifications are not among them.
    var operands: [Expression] {
        switch node {
        case .integer, .decimal, .string, .boolean, .null, .typedLiteral, .parameter, .column, .special: []
        case .star(let star): star.replaced.map(\.value)
        case .unary(_, let operand), .not(let operand), .isTest(let operand, _, _), .cast(let operand, _, _),
            .collate(let operand, _), .field(let operand, _):
            [operand]
        case .binary(_, let left, let right), .isDistinct(let left, let right, _), .atTimeZone(let left, let right),
            .subscripted(let left, let right):
            [left, right]
        case .and(let operands), .or(let operands), .array(let operands), .row(let operands), .grouping(let operands):
            operands
        case .between(let operand, let low, let high, _, _): [operand, low, high]
        case .inList(let operand, let items, _): [operand] + items
        case .inQuery(let operand, _, _): [operand]
        case .like(_, let operand, let pattern, let escape, _): [operand, pattern] + (escape.map { [$0] } ?? [])
        case .quantified(let operand, _, _, let right):
            if case .array(let array) = right { [operand, array] } else { [operand] }
        case .exists, .scalarQuery, .arrayQuery: []
        case .conditional(let operand, let branches, let otherwise):
            [operand, otherwise].compactMap { $0 } + branches.flatMap { [$0.when, $0.then] }
        case .call(let call):
            call.arguments.map(\.value) + (call.order + call.withinGroup).map(\.value)
                + (call.filter.map { [$0] } ?? [])
        case .slice(let operand, let from, let to): [operand] + [from, to].compactMap { $0 }
        case .lambda(_, let body): [body]
        }
    }
}
