// Filters of scans as domains of columns: what partitions, files, row groups and pages are pruned with.
import Columns
import Diagnostics
import Functions

/// Derives domains; the filters stay, since a domain only prunes.
struct DomainsOfFilters: OptimizerRule {
    let name = "domains_of_filters"

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        try plan.rewritten { (node) throws(SQLError) in
            guard case .scan(var scan) = node, !scan.filter.isEmpty else { return node }
            let indexes = Dictionary(
                scan.columns.map { ($0.column.id, $0.index) }, uniquingKeysWith: { first, _ in first })
            for condition in scan.filter {
                guard let (id, domain) = DomainsOfFilters.domain(condition), let index = indexes[id] else { continue }
                if scan.paths[id] != nil {
                    scan.fieldDomains[id] = scan.fieldDomains[id].map { $0.intersect(domain) } ?? domain
                    continue
                }
                scan.domains[index] = scan.domains[index].map { $0.intersect(domain) } ?? domain
            }
            return .scan(scan)
        }
    }

    /// Returns the column that a condition restricts, and the values that may pass; nil when it tells nothing.
    static func domain(_ condition: Expr) -> (ColumnID, ColumnDomain)? {
        switch condition {
        case .call(let function, let arguments) where arguments.count == 2:
            if let (column, value) = sides(arguments[0], arguments[1]) {
                return compare(function.name, column, value)
            }
            if let (column, value) = sides(arguments[1], arguments[0]) {
                let flipped = ["<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="][function.name]
                return flipped.flatMap { compare($0, column, value) }
            }
            return nil
        case .inList(let value, let items):
            guard let column = unwrapped(value) else { return nil }
            var values: [Scalar] = []
            for item in items {
                guard let literal = item.asLiteral else { return nil }
                if literal.isNull { continue }
                guard comparable(column.type, literal.type) else { return nil }
                values.append(literal)
            }
            return (column.id, list(values))
        case .or(let operands):
            // a = 1 OR a = 2.
            var id: ColumnID?
            var values: [Scalar] = []
            for operand in operands {
                guard let (column, domain) = domain(operand), let own = domain.values, !domain.allowsNull,
                    id == nil || id == column
                else { return nil }
                id = column
                values += own
            }
            return id.map { ($0, list(values)) }
        case .not(.isNull(let operand)):
            return operand.asColumn.map { ($0.id, ColumnDomain(allowsNull: false)) }
        case .isNull(let operand):
            return operand.asColumn.map { ($0.id, ColumnDomain(values: [], allowsNull: true)) }
        default: return nil
        }
    }

    private static func list(_ values: [Scalar]) -> ColumnDomain {
        let sorted = values.sorted { Scalar.compare($0, $1).map { $0 < 0 } ?? false }
        let short = values.count <= ColumnDomain.valuesMax ? sorted : nil
        return ColumnDomain(low: sorted.first, high: sorted.last, values: short)
    }

    private static func compare(_ name: String, _ column: PlanColumn, _ value: Scalar) -> (ColumnID, ColumnDomain)? {
        switch name {
        case "=": (column.id, ColumnDomain(low: value, high: value, values: [value]))
        case "<": (column.id, ColumnDomain(high: value, isHighInclusive: false))
        case "<=": (column.id, ColumnDomain(high: value))
        case ">": (column.id, ColumnDomain(low: value, isLowInclusive: false))
        case ">=": (column.id, ColumnDomain(low: value))
        default: nil
        }
    }

    private static func sides(_ left: Expr, _ right: Expr) -> (PlanColumn, Scalar)? {
        guard let column = unwrapped(left), let literal = right.asLiteral, !literal.isNull,
            comparable(column.type, literal.type)
        else { return nil }
        return (column, literal)
    }

    /// The column below a cast that keeps order and equality: to a wider number.
    private static func unwrapped(_ expr: Expr) -> PlanColumn? {
        if let column = expr.asColumn { return column }
        guard case .call(let function, let arguments) = expr, arguments.count == 1 else { return nil }
        if function.name == "trim_scale" { return unwrapped(arguments[0]) }
        guard function.name == "cast", let column = arguments[0].asColumn else { return nil }
        switch (column.type, function.resultType) {
        case (.int2, .int4), (.int2, .int8), (.int4, .int8): return column
        // Columns of smallint whose values are kept as integers.
        case (.int4, .int2): return column
        case (.int2, .decimal(_, 0)), (.int4, .decimal(_, 0)), (.int8, .decimal(_, 0)): return column
        case (.int2, .numeric), (.int4, .numeric), (.int8, .numeric), (.decimal, .numeric): return column
        case (.varchar, .text), (.text, .varchar(nil)), (.system(.name), .text): return column
        case (.decimal(let p, let s), .decimal(let q, let t)) where t >= s && q - t >= p - s: return column
        default: return nil
        }
    }

    private static func comparable(_ column: SQLType, _ literal: SQLType) -> Bool {
        if column == literal { return true }
        if column.isInteger || column.isNumeric { return literal.isInteger || literal.isNumeric }
        switch (column, literal) {
        case (.text, .varchar), (.varchar, .text), (.varchar, .varchar): return true
        case (.system(.name), .text), (.system(.name), .varchar), (.system(.char), .text): return true
        default: return false
        }
    }
}
