// EXPLAIN: a plan, or the report of a run, as an indented tree or as JSON. Golden files keep this text.
import Catalogs
import Columns
import Functions

/// Prints plans and run reports.
public enum PlanPrinter {
    /// A plan as lines: a node, its facts, its inputs behind arrows.
    public static func text(_ plan: LogicalPlan) -> [String] {
        var lines: [String] = []
        render(tree(plan), prefix: "", isRoot: true, measured: false, into: &lines)
        return lines
    }

    /// A plan as a JSON array of one object with the key "Plan".
    public static func json(_ plan: LogicalPlan) -> String {
        "[\n  {\n    \"Plan\": \(object(tree(plan), indent: 4, measured: false))\n  }\n]"
    }

    /// What a run did: rows, time and memory of each operator, then totals.
    public static func text(_ report: RunReport) -> [String] {
        var lines: [String] = []
        render(report.root, prefix: "", isRoot: true, measured: true, into: &lines)
        for measure in report.measures { lines.append("\(measure.name): \(measure.text)") }
        lines.append("Execution Time: \(milliseconds(report.nanoseconds)) ms")
        lines.append("Peak Memory: \(size(report.memoryPeakBytes))")
        return lines
    }

    /// The same as a JSON array of one object.
    public static func json(_ report: RunReport) -> String {
        let counts = report.measures.flatMap(\.counts).map { "\n    \(quoted($0.name)): \($0.value)," }.joined()
        return """
            [
              {
                "Plan": \(object(report.root, indent: 4, measured: true)),\(counts)
                "Execution Time": \(milliseconds(report.nanoseconds)),
                "Peak Memory Bytes": \(report.memoryPeakBytes)
              }
            ]
            """
    }

    /// A plan as report nodes without measurements.
    public static func tree(_ plan: LogicalPlan) -> RunReport.Node {
        var printer = NodePrinter(naming: PlanNaming(plan))
        return printer.node(plan)
    }

    /// A node's title and facts, for whoever reports on running it. Subqueries must be gone.
    public static func describe(
        _ plan: LogicalPlan, _ naming: PlanNaming
    ) -> (title: String, details: [(name: String, value: String)]) {
        var printer = NodePrinter(naming: naming)
        return (printer.title(plan), printer.details(plan))
    }

    private static func render(
        _ node: RunReport.Node, prefix: String, isRoot: Bool, measured: Bool, into lines: inout [String]
    ) {
        var head = prefix + (isRoot ? "" : "->  ") + node.title
        if let rows = node.rowsEstimated { head += "  (rows=\(rounded(rows)))" }
        if measured {
            head += "  (actual rows=\(node.rows) time=\(milliseconds(node.nanoseconds)) ms"
            head += node.memoryPeakBytes > 0 ? " memory=\(size(node.memoryPeakBytes)))" : ")"
        }
        lines.append(head)
        let inner = prefix + (isRoot ? "  " : "      ")
        for detail in node.details { lines.append("\(inner)\(detail.name): \(detail.value)") }
        for measure in node.measures { lines.append("\(inner)\(measure.name): \(measure.text)") }
        for child in node.children {
            render(child, prefix: inner, isRoot: false, measured: measured, into: &lines)
        }
    }

    private static func object(_ node: RunReport.Node, indent: Int, measured: Bool) -> String {
        let pad = String(repeating: " ", count: indent + 2)
        var fields = ["\(pad)\"Node Type\": \(quoted(node.title))"]
        if let rows = node.rowsEstimated { fields.append("\(pad)\"Plan Rows\": \(rounded(rows))") }
        if measured {
            fields.append("\(pad)\"Actual Rows\": \(node.rows)")
            fields.append("\(pad)\"Actual Time\": \(milliseconds(node.nanoseconds))")
            fields.append("\(pad)\"Peak Memory Bytes\": \(node.memoryPeakBytes)")
        }
        for detail in node.details { fields.append("\(pad)\(quoted(detail.name)): \(quoted(detail.value))") }
        for count in node.measures.flatMap(\.counts) { fields.append("\(pad)\(quoted(count.name)): \(count.value)") }
        if !node.children.isEmpty {
            let plans = node.children.map { "\(pad)  \(object($0, indent: indent + 4, measured: measured))" }
            fields.append("\(pad)\"Plans\": [\n\(plans.joined(separator: ",\n"))\n\(pad)]")
        }
        return "{\n\(fields.joined(separator: ",\n"))\n\(String(repeating: " ", count: indent))}"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Three decimals, without Foundation.
    private static func milliseconds(_ nanoseconds: Int64) -> String {
        let micro = max(0, nanoseconds) / 1000
        let fraction = String(micro % 1000)
        return "\(micro / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }

    private static func size(_ bytes: Int64) -> String {
        if bytes < 10 << 10 { return "\(bytes) B" }
        if bytes < 10 << 20 { return "\(bytes >> 10) kB" }
        return "\(bytes >> 20) MB"
    }

    private static func rounded(_ rows: Double) -> String {
        rows.isFinite && rows < 9e18 ? "\(Int64(rows.rounded()))" : "unknown"
    }
}

/// Turns plan nodes into titles and facts, and numbers the plans of subqueries.
private struct NodePrinter {
    let naming: PlanNaming
    private var subplans = 0
    /// Plans of subqueries in the node that is being printed.
    private var pending: [(number: Int, plan: LogicalPlan)] = []

    init(naming: PlanNaming) { self.naming = naming }

    mutating func node(_ plan: LogicalPlan) -> RunReport.Node {
        let title = title(plan)
        let details = details(plan)
        let subqueries = pending
        pending = []
        var children: [RunReport.Node] = []
        for input in plan.inputs { children.append(node(input)) }
        for subquery in subqueries {
            var child = node(subquery.plan)
            child.title = "SubPlan \(subquery.number): \(child.title)"
            children.append(child)
        }
        return RunReport.Node(title: title, details: details, children: children)
    }

    func title(_ plan: LogicalPlan) -> String {
        switch plan {
        case .scan(let scan):
            return scan.alias == scan.table.name || scan.alias.isEmpty
                ? "Scan on \(scan.table.name)" : "Scan on \(scan.table.name) \(PlanNaming.quoted(scan.alias))"
        case .values(let values): return values.columns.isEmpty && values.rows.count == 1 ? "Result" : "Values"
        case .filter: return "Filter"
        case .project: return "Project"
        case .aggregate(let node):
            if node.sets != nil { return "Grouping Sets Aggregate" }
            return node.groups.isEmpty ? "Aggregate" : "Group Aggregate"
        case .window: return "Window"
        case .sort: return "Sort"
        case .limit(let node): return node.order.isEmpty ? "Limit" : "Top N"
        case .distinct(let node): return node.on == nil ? "Distinct" : "Distinct On"
        case .join(let join): return joinTitle(join)
        case .setOperation(let node): return node.kind.rawValue.capitalizedASCII + (node.isAll ? " All" : "")
        case .unnest(let node): return "Function Scan on \(functionName(node.function))"
        case .recursive(let node): return "Recursive Union\(node.isAll ? " All" : "") \(node.id)"
        case .cteScan(let scan): return "CTE Scan on \(PlanNaming.quoted(scan.name))"
        case .with(let id, _, _): return "With \(id)"
        case .write(let node): return "\(node.verb) on \(PlanNaming.quoted(node.table))"
        }
    }

    private func joinTitle(_ join: LogicalPlan.Join) -> String {
        let kind = join.kind.rawValue.capitalizedASCII
        let lateral = join.isLateral ? " Lateral" : ""
        if join.kind == .inner, join.keys.isEmpty, join.residual.isEmpty { return "Cross\(lateral) Join" }
        return "\(join.keys.isEmpty ? "Nested Loop" : "Hash Join")  (\(kind.lowercased())\(lateral.lowercased()))"
    }

    private func functionName(_ function: LogicalPlan.Unnest.Function) -> String {
        switch function {
        case .generateSeries: "generate_series"
        case .unnest: "unnest"
        case .regexpMatches: "regexp_matches"
        case .regexpSplitToTable: "regexp_split_to_table"
        case .stringToTable: "string_to_table"
        }
    }

    mutating func details(_ plan: LogicalPlan) -> [(name: String, value: String)] {
        switch plan {
        case .scan(let scan): return scanDetails(scan)
        case .values(let values):
            if values.columns.isEmpty { return [] }
            let rows = values.rows.prefix(NodePrinter.rowsShown).map { "(\(list($0)))" }.joined(separator: ", ")
            let more = values.rows.count > NodePrinter.rowsShown ? ", ... (\(values.rows.count) rows)" : ""
            return [("Output", names(values.columns)), ("Rows", rows + more)]
        case .filter(_, let condition): return [("Filter", conditions(condition.conjuncts))]
        case .project(_, let outputs): return [("Output", list(outputs))]
        case .aggregate(let node): return aggregateDetails(node)
        case .window(let node): return windowDetails(node)
        case .sort(_, let keys): return [("Sort Key", list(keys))]
        case .limit(let node):
            var details: [(name: String, value: String)] = []
            if !node.order.isEmpty { details.append(("Sort Key", list(node.order))) }
            if let limit = node.limit { details.append(("Limit", sql(limit) + (node.withTies ? " WITH TIES" : ""))) }
            if let offset = node.offset { details.append(("Offset", sql(offset))) }
            return details
        case .distinct(let node):
            guard let on = node.on else { return [] }
            return [("On", list(on))] + (node.order.isEmpty ? [] : [("Sort Key", list(node.order))])
        case .join(let join): return joinDetails(join)
        case .setOperation(let node): return [("Output", names(node.columns))]
        case .unnest(let node):
            let outputs = node.columns + (node.ordinality.map { [$0] } ?? [])
            return [
                ("Function", "\(functionName(node.function))(\(list(node.arguments)))"), ("Output", names(outputs)),
            ]
                + (node.keepsEmpty ? [("Keeps Empty", "true")] : [])
        case .recursive(let node): return [("Output", names(node.columns))]
        case .cteScan(let scan): return [("Output", names(scan.columns)), ("With", "\(scan.id)")]
        case .with: return []
        case .write(let node):
            var details: [(name: String, value: String)] = []
            if !node.appended.isEmpty { details.append(("Columns", names(node.appended))) }
            if let place = node.place, place.repeated != .never {
                details.append(("Repeated Rows", place.repeated.rawValue))
            }
            return details
        }
    }

    private mutating func scanDetails(_ scan: LogicalPlan.Scan) -> [(name: String, value: String)] {
        var details: [(name: String, value: String)] = [("Columns", names(scan.columns.map(\.column)))]
        if !scan.filter.isEmpty { details.append(("Filter", conditions(scan.filter))) }
        if !scan.domains.isEmpty {
            let pruned = scan.domains.keys.sorted().map { index in
                (scan.table.schema.fields + scan.table.hiddenColumns).dropFirst(index).first?.name ?? "#\(index)"
            }
            details.append(("Pruned By", pruned.joined(separator: ", ")))
        }
        if let limit = scan.limit { details.append(("Limit", "\(limit)")) }
        if !scan.runtimeFilters.isEmpty {
            let filters = scan.runtimeFilters.map { "\(naming.name($0.column)) from join \($0.joinID)" }
            details.append(("Runtime Filter", filters.joined(separator: ", ")))
        }
        return details
    }

    private mutating func aggregateDetails(_ node: LogicalPlan.AggregateNode) -> [(name: String, value: String)] {
        var details: [(name: String, value: String)] = []
        if !node.groups.isEmpty { details.append(("Group Key", list(node.groups))) }
        if let sets = node.sets {
            let texts = sets.map { "(\(names($0.map { node.groups[$0].column })))" }
            details.append(("Sets", texts.joined(separator: ", ")))
        }
        if let column = node.setColumn { details.append(("Set Number", naming.name(column))) }
        if !node.calls.isEmpty {
            var calls: [String] = []
            for (column, call) in node.calls { calls.append(named(numbered { $0.sql(call, subplan: $1) }, column)) }
            details.append(("Calls", calls.joined(separator: ", ")))
        }
        return details
    }

    private mutating func windowDetails(_ node: LogicalPlan.WindowNode) -> [(name: String, value: String)] {
        var details: [(name: String, value: String)] = []
        if !node.partition.isEmpty { details.append(("Partition By", list(node.partition))) }
        if !node.order.isEmpty { details.append(("Order By", list(node.order))) }
        var calls: [String] = []
        for (column, call) in node.calls { calls.append(named(numbered { $0.sql(call, subplan: $1) }, column)) }
        details.append(("Calls", calls.joined(separator: ", ")))
        return details
    }

    private mutating func joinDetails(_ join: LogicalPlan.Join) -> [(name: String, value: String)] {
        var details: [(name: String, value: String)] = []
        if !join.keys.isEmpty {
            var keys: [String] = []
            for key in join.keys {
                keys.append("(\(sql(key.left)) \(key.nullsEqual ? "IS NOT DISTINCT FROM" : "=") \(sql(key.right)))")
            }
            details.append(("Cond", keys.joined(separator: " AND ")))
        }
        if !join.residual.isEmpty { details.append(("Join Filter", conditions(join.residual))) }
        if let mark = join.mark { details.append(("Mark", naming.name(mark))) }
        if join.buildsLeft { details.append(("Builds", "left side")) }
        if let id = join.runtimeFilterID { details.append(("Filters Scans As", "join \(id)")) }
        return details
    }

    private mutating func sql(_ expr: Expr) -> String { numbered { $0.sql(expr, subplan: $1) } }

    /// Makes text in which the plans of subqueries are numbered; they are printed below the node.
    private mutating func numbered(_ make: (PlanNaming, (LogicalPlan) -> String) -> String) -> String {
        var found: [(number: Int, plan: LogicalPlan)] = []
        var number = subplans
        let text = make(naming) { plan in
            number += 1
            found.append((number, plan))
            return "(SubPlan \(number))"
        }
        subplans = number
        pending += found
        return text
    }

    private mutating func list(_ exprs: [Expr]) -> String {
        var texts: [String] = []
        for expr in exprs { texts.append(sql(expr)) }
        return texts.joined(separator: ", ")
    }

    private mutating func list(_ outputs: [LogicalPlan.Output]) -> String {
        var texts: [String] = []
        for output in outputs {
            if case .column(let column) = output.expr, column.id == output.column.id {
                texts.append(naming.name(column))
            } else {
                texts.append(named(sql(output.expr), output.column))
            }
        }
        return texts.joined(separator: ", ")
    }

    private func list(_ keys: [SortKey]) -> String { keys.map { naming.sql($0) }.joined(separator: ", ") }

    private mutating func conditions(_ exprs: [Expr]) -> String {
        var texts: [String] = []
        for expr in exprs { texts.append(sql(expr)) }
        return texts.isEmpty ? "true" : texts.joined(separator: " AND ")
    }

    private func named(_ text: String, _ column: PlanColumn) -> String { "\(text) AS \(naming.name(column))" }

    private func names(_ columns: [PlanColumn]) -> String { columns.map { naming.name($0) }.joined(separator: ", ") }

    /// Rows of VALUES that EXPLAIN lists.
    private static let rowsShown = 4
}

extension String {
    /// The first letter in upper case.
    fileprivate var capitalizedASCII: String { prefix(1).uppercased() + dropFirst() }
}
