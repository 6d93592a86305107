// Fields of structs are read by the scan: of `t.a.b.c` one leaf of the file instead of all that lies in `a`.
import Catalogs
import Columns
import Diagnostics
import Functions

/// Replaces paths of fields by columns of the scan, where nothing reads the whole struct.
struct PushDownFields: OptimizerRule {
    let name = "push_down_fields"

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        var uses = FieldUses()
        uses.collectScans(plan)
        guard !uses.candidates.isEmpty else { return nil }
        uses.collect(plan)
        for column in plan.columns { uses.candidates.remove(column.id) }
        guard !uses.candidates.isEmpty else { return nil }
        let paths = uses.paths(FreshColumns(after: plan))
        let replaced = try plan.rewritten { (node) throws(SQLError) in
            guard case .scan(var scan) = node else { return node }
            var columns: [(column: PlanColumn, index: Int)] = []
            for entry in scan.columns {
                guard let found = paths[entry.column.id] else {
                    columns.append(entry)
                    continue
                }
                for path in found {
                    columns.append((path.column, entry.index))
                    scan.paths[path.column.id] = path.places
                }
            }
            scan.columns = columns
            return .scan(scan)
        }
        return try replaced.replacingExpressions { (expr) throws(SQLError) in
            guard let path = FieldPath(expr),
                let found = paths[path.column.id]?.first(where: { $0.names == path.names })
            else { return nil }
            return .column(found.column)
        }
    }
}

/// `struct_extract(struct_extract(column, 'a'), 'b')`.
private struct FieldPath {
    let column: PlanColumn
    let names: [String]
    let type: SQLType

    init?(_ expr: Expr) {
        var names: [String] = []
        var current = expr
        while case .call(let function, let arguments) = current, function.name == FunctionRegistry.fieldFunction,
            arguments.count == 2, case .literal(let literal) = arguments[1], case .string(let name) = literal.value
        {
            names.append(name)
            current = arguments[0]
        }
        guard !names.isEmpty, case .column(let column) = current else { return nil }
        self.column = column
        self.names = names.reversed()
        type = expr.type
    }

    /// The places of the fields in their structs.
    var places: [Int]? {
        var places: [Int] = []
        var type = column.type
        for name in names {
            guard let fields = type.rowFields, let place = fields.place(of: name) else { return nil }
            places.append(place)
            type = fields[place].type
        }
        return places
    }
}

/// How the structs of scans are used.
private struct FieldUses {
    struct Path {
        let names: [String]
        let places: [Int]
        let column: PlanColumn
    }

    /// Columns of scans of which only fields are read, as far as is known.
    var candidates: ColumnSet = []
    private var found: [ColumnID: [FieldPath]] = [:]

    mutating func collectScans(_ plan: LogicalPlan) {
        if case .scan(let scan) = plan, scan.table.readsFields {
            for entry in scan.columns where entry.column.type.rowFields != nil && scan.domains[entry.index] == nil {
                candidates.insert(entry.column.id)
            }
        }
        for input in plan.inputs { collectScans(input) }
    }

    /// Looks at every use: of a node's inputs as a whole, and in expressions.
    mutating func collect(_ plan: LogicalPlan) {
        switch plan {
        // These pass their inputs' columns on by place, or look at all of them.
        case .setOperation, .distinct, .recursive, .with, .write:
            for input in plan.inputs { for column in input.columns { candidates.remove(column.id) } }
        default: break
        }
        for expr in plan.expressions { collect(expr) }
        for input in plan.inputs { collect(input) }
    }

    private mutating func collect(_ expr: Expr) {
        if let path = FieldPath(expr), path.places != nil {
            if candidates.contains(path.column.id) { found[path.column.id, default: []].append(path) }
            return
        }
        if case .column(let column) = expr { candidates.remove(column.id) }
        for operand in expr.operands { collect(operand) }
        if case .subquery(let subquery) = expr { collect(subquery.plan) }
    }

    /// A column for each path.
    func paths(_ fresh: FreshColumns) -> [ColumnID: [Path]] {
        var result: [ColumnID: [Path]] = [:]
        for (id, all) in found where candidates.contains(id) {
            var kept: [Path] = []
            for path in all where !kept.contains(where: { $0.names == path.names }) {
                guard let places = path.places else { continue }
                let name = ([path.column.name] + path.names).joined(separator: ".")
                kept.append(Path(names: path.names, places: places, column: fresh.make(name, path.type)))
            }
            result[id] = kept
        }
        return result
    }
}
