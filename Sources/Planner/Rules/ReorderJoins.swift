// Join order by cost: trees of inner joins are taken apart and put together again so that intermediate results stay
// small. Exact (dynamic programming over subsets) for few relations, greedy for many.
import Columns
import Diagnostics
import Functions

/// Orders inner joins, sinks semi joins, and picks build sides.
struct ReorderJoins: OptimizerRule {
    let name = "reorder_joins"

    /// Relations for which all orders are compared: 3^n steps.
    static let exactMax = 10

    func rewrite(_ plan: LogicalPlan, _ context: PlanContext) throws(SQLError) -> LogicalPlan? {
        try reorder(plan)
    }

    private func reorder(_ plan: LogicalPlan) throws(SQLError) -> LogicalPlan {
        try PlanContext.checkGivenUp()
        guard case .join(var join) = plan else {
            return try plan.mapInputs { (input) throws(SQLError) in try reorder(input) }
        }
        switch join.kind {
        case .inner:
            var graph = JoinGraph()
            graph.collect(plan)
            for index in graph.relations.indices { graph.relations[index] = try reorder(graph.relations[index]) }
            return try graph.ordered().passing(plan.columns)
        case .semi, .anti:
            if let sunk = sink(join) { return try reorder(sunk).passing(plan.columns) }
            join.left = try reorder(join.left)
            join.right = try reorder(join.right)
            join.buildsLeft = isLeftSmaller(join)
            return .join(join)
        case .left, .right, .full, .mark, .single:
            join.left = try reorder(join.left)
            join.right = try reorder(join.right)
            return buildSmaller(join).passing(plan.columns)
        }
    }

    /// The right side is built into a table: for left and right joins let it be the smaller one.
    private func buildSmaller(_ join: LogicalPlan.Join) -> LogicalPlan {
        guard join.kind == .left || join.kind == .right, isLeftSmaller(join) else { return .join(join) }
        var swapped = join
        swapped.kind = join.kind == .left ? .right : .left
        (swapped.left, swapped.right) = (join.right, join.left)
        swapped.keys = join.keys.map {
            LogicalPlan.JoinKey(left: $0.right, right: $0.left, nullsEqual: $0.nullsEqual)
        }
        return .join(swapped)
    }

    private func isLeftSmaller(_ join: LogicalPlan.Join) -> Bool {
        guard !join.keys.isEmpty else { return false }
        let cardinality = Cardinality()
        return cardinality.estimate(join.left).rows < cardinality.estimate(join.right).rows / 2
    }

    /// A semi or anti join over an inner join, moved to the one input that its conditions look at when that input is
    /// the larger side: it then filters early.
    private func sink(_ join: LogicalPlan.Join) -> LogicalPlan? {
        guard case .join(var inner) = join.left, inner.kind == .inner else { return nil }
        var needed: ColumnSet = []
        for key in join.keys { needed.formUnion(key.left.columnIDs) }
        let right = join.right.columnIDs
        for condition in join.residual { needed.formUnion(condition.columnIDs.subtracting(right)) }
        guard !needed.isEmpty else { return nil }
        let cardinality = Cardinality()
        let cost = cardinality.estimate(join.right).rows
        var moved = join
        if needed.isSubset(of: inner.left.columnIDs), cost <= cardinality.estimate(inner.left).rows {
            moved.left = inner.left
            inner.left = sink(moved) ?? .join(moved)
        } else if needed.isSubset(of: inner.right.columnIDs), cost <= cardinality.estimate(inner.right).rows {
            moved.left = inner.right
            inner.right = sink(moved) ?? .join(moved)
        } else {
            return nil
        }
        return .join(inner)
    }
}

/// The relations of a tree of inner joins, and the conditions between them.
private struct JoinGraph {
    var relations: [LogicalPlan] = []
    private var conditions: [Expr] = []

    mutating func collect(_ plan: LogicalPlan) {
        switch plan {
        case .join(let join) where join.kind == .inner:
            collect(join.left)
            collect(join.right)
            conditions += join.keys.map(\.equality) + join.residual
        case .filter(let input, let condition) where isInner(input):
            collect(input)
            conditions += condition.conjuncts
        default: relations.append(plan)
        }
    }

    private func isInner(_ plan: LogicalPlan) -> Bool {
        if case .join(let join) = plan { return join.kind == .inner }
        return false
    }

    /// A way to join a set of relations.
    private struct Candidate {
        var plan: LogicalPlan
        var estimate: Estimate
        /// Rows of all intermediate results, and of all build sides.
        var cost: Double
        var ids: ColumnSet
    }

    /// Equalities that follow from others: a = b and b = c give a = c, which allows more orders.
    private func closed() -> [Expr] {
        var all = conditions
        var added = true
        while added, all.count < 64 {
            added = false
            let keys = all.compactMap(\.asEquality).filter { $0.left.asColumn != nil && $0.right.asColumn != nil }
            for first in keys {
                for second in keys {
                    for (shared, a, b) in [
                        (first.left.asColumn?.id == second.left.asColumn?.id, first.right, second.right),
                        (first.left.asColumn?.id == second.right.asColumn?.id, first.right, second.left),
                        (first.right.asColumn?.id == second.right.asColumn?.id, first.left, second.left),
                    ] where shared && a.asColumn?.id != b.asColumn?.id && a.type == b.type {
                        let exists = keys.contains {
                            ($0.left.isSame(as: a) && $0.right.isSame(as: b))
                                || ($0.left.isSame(as: b) && $0.right.isSame(as: a))
                        }
                        guard !exists, !sameRelation(a, b),
                            let equal = try? FunctionRegistry.binaryOrUnary("=", a.type, b.type, position: nil)
                        else { continue }
                        let condition = Expr.call(equal, [a, b])
                        if !all.contains(where: { $0.isSame(as: condition) }) {
                            all.append(condition)
                            added = true
                        }
                    }
                }
            }
        }
        return all
    }

    /// A condition with the columns it looks at, which every pair of candidates asks for.
    private struct Condition {
        let expr: Expr
        let ids: ColumnSet

        init(_ expr: Expr) {
            self.expr = expr
            ids = expr.columnIDs
        }

        /// Whether it can be looked at where two sets of columns meet, and no sooner.
        func links(_ a: ColumnSet, _ b: ColumnSet, _ both: ColumnSet) -> Bool {
            !ids.isEmpty && ids.isSubset(of: both) && !ids.isSubset(of: a) && !ids.isSubset(of: b)
        }
    }

    /// How two candidates would be joined.
    private struct Pairing {
        var keys: [LogicalPlan.JoinKey] = []
        var residual: [Expr] = []
        var isSwapped: Bool
        var ids: ColumnSet
        var rows = 0.0
        var cost = 0.0
        /// There is no key.
        var isCross: Bool { keys.isEmpty }
    }

    private func sameRelation(_ a: Expr, _ b: Expr) -> Bool {
        relations.contains { $0.columnIDs.isSuperset(of: a.columnIDs.union(b.columnIDs)) }
    }

    func ordered() throws(SQLError) -> LogicalPlan {
        let cardinality = Cardinality()
        let all = closed().map { Condition($0) }
        let leaves = relations.map { relation in
            let estimate = cardinality.estimate(relation)
            return Candidate(plan: relation, estimate: estimate, cost: 0, ids: relation.columnIDs)
        }
        let best: Candidate
        switch leaves.count {
        case ...ReorderJoins.exactMax: best = try exact(leaves, all)
        case ...JoinGraph.greedyMax: best = try greedy(leaves, all)
        default: best = try inOrder(leaves, all)
        }
        // Conditions over no relation at all, or that no join took.
        let rest = conditions.filter { $0.columnIDs.isEmpty }
        return best.plan.filtered(rest)
    }

    /// What joining two candidates on all conditions that lie between them would cost. The plan and its estimate are
    /// made for the best of many only.
    private func pair(_ a: Candidate, _ b: Candidate, _ all: [Condition]) -> Pairing {
        // The smaller side is built.
        let isSwapped = a.estimate.rows < b.estimate.rows
        let (left, right) = isSwapped ? (b, a) : (a, b)
        var pairing = Pairing(isSwapped: isSwapped, ids: a.ids.union(b.ids))
        for condition in all where condition.links(a.ids, b.ids, pairing.ids) {
            if let key = LogicalPlan.JoinKey(condition.expr, left.ids, right.ids) {
                if !redundant(key, pairing.keys) { pairing.keys.append(key) }
            } else {
                pairing.residual.append(condition.expr)
            }
        }
        pairing.rows = Cardinality().joinedRows(left.estimate, right.estimate, pairing.keys, pairing.residual)
        // Without a key every pair of rows is looked at.
        let pairs = pairing.isCross ? left.estimate.rows * right.estimate.rows : 0
        pairing.cost = a.cost + b.cost + pairing.rows + right.estimate.rows + pairs
        return pairing
    }

    private func joined(_ a: Candidate, _ b: Candidate, _ pairing: Pairing) -> Candidate {
        let (left, right) = pairing.isSwapped ? (b, a) : (a, b)
        let plan = LogicalPlan.join(
            LogicalPlan.Join(
                kind: .inner, left: left.plan, right: right.plan, keys: pairing.keys, residual: pairing.residual))
        let estimate = Cardinality().joined(left.estimate, right.estimate, pairing.keys, pairing.residual)
        return Candidate(plan: plan, estimate: estimate, cost: pairing.cost, ids: pairing.ids)
    }

    /// With a = x there is no need for b = x when a and b are equal on their side already.
    private func redundant(_ key: LogicalPlan.JoinKey, _ keys: [LogicalPlan.JoinKey]) -> Bool {
        keys.contains { $0.left.isSame(as: key.left) && $0.right.isSame(as: key.right) }
    }

    private func exact(_ leaves: [Candidate], _ all: [Condition]) throws(SQLError) -> Candidate {
        let count = leaves.count
        var table: [Candidate?] = Array(repeating: nil, count: 1 << count)
        for (index, leaf) in leaves.enumerated() { table[1 << index] = leaf }
        for set in 1..<(1 << count) where set.nonzeroBitCount > 1 {
            try PlanContext.checkGivenUp()
            var best: (part: Int, pairing: Pairing)?
            var crossBest: (part: Int, pairing: Pairing)?
            var part = (set - 1) & set
            while part > 0 {
                // Each split once.
                if part > set ^ part, let a = table[part], let b = table[set ^ part] {
                    let pairing = pair(a, b, all)
                    if pairing.isCross {
                        if crossBest.map({ pairing.cost < $0.pairing.cost }) ?? true { crossBest = (part, pairing) }
                    } else if best.map({ pairing.cost < $0.pairing.cost }) ?? true {
                        best = (part, pairing)
                    }
                }
                part = (part - 1) & set
            }
            // Cross products only where nothing else joins the set, and between small sides.
            if let known = best, let cross = crossBest, cross.pairing.cost * 10 < known.pairing.cost { best = cross }
            if let (part, pairing) = best ?? crossBest, let a = table[part], let b = table[set ^ part] {
                table[set] = joined(a, b, pairing)
            }
        }
        if let whole = table[(1 << count) - 1] { return whole }
        return try greedy(leaves, all)
    }

    /// Relations among which the cheapest pair is looked for: the time grows with the cube of their number.
    private static let greedyMax = 64
    /// How many relations ahead one with a key to those joined so far is looked for.
    private static let lookAhead = 16

    /// Joins in the order of the query, except that what has a key comes before what has none.
    private func inOrder(_ leaves: [Candidate], _ all: [Condition]) throws(SQLError) -> Candidate {
        var joined = leaves[0]
        var open = leaves[1...]
        while let next = open.first {
            try PlanContext.checkGivenUp()
            var chosen = (index: open.startIndex, pairing: pair(joined, next, all))
            for index in open.indices.prefix(JoinGraph.lookAhead).dropFirst() where chosen.pairing.isCross {
                let other = pair(joined, open[index], all)
                if !other.isCross { chosen = (index, other) }
            }
            joined = self.joined(joined, open[chosen.index], chosen.pairing)
            open.remove(at: chosen.index)
        }
        return joined
    }

    private func greedy(_ leaves: [Candidate], _ all: [Condition]) throws(SQLError) -> Candidate {
        var open = leaves
        while open.count > 1 {
            var best: (first: Int, second: Int, pairing: Pairing)?
            for first in open.indices {
                try PlanContext.checkGivenUp()
                for second in (first + 1)..<max(first + 1, open.count) {
                    let pairing = pair(open[first], open[second], all)
                    let better: Bool
                    if let known = best?.pairing {
                        better = known.isCross == pairing.isCross ? pairing.rows < known.rows : known.isCross
                    } else {
                        better = true
                    }
                    if better { best = (first, second, pairing) }
                }
            }
            guard let best else { break }
            let made = joined(open[best.first], open[best.second], best.pairing)
            open.remove(at: best.second)
            open[best.first] = made
        }
        return open[0]
    }
}
