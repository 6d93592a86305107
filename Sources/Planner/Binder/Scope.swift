// What names mean at a place of a query: FROM items, columns, and the scopes around a subquery.
import Columns
import Diagnostics

/// The names that one FROM clause brings into view. Subqueries have a scope of their own inside this one.
final class Scope {
    /// A FROM item, or a join's merged columns.
    struct Item {
        /// Table name or alias, nil for an unnamed join or subquery.
        var name: String?
        /// Schema of a table without an alias: `schema.table.column`.
        var schema: String?
        /// The table behind an alias, for hints.
        var table: String?
        var columns: [ItemColumn]
        /// Whether `name.column` finds it.
        var isNameVisible = true
        /// Whether its name alone means its first column: a function that returns no rows of several columns.
        var isScalar = false
        /// Whether an outer join may put NULLs in the place of its rows.
        var mayBeMissing = false
        /// Whether bare column names find it: false below a join that merges columns.
        var areColumnsVisible = true
    }

    /// A column of an item; merged columns of joins may be expressions.
    struct ItemColumn {
        var name: String
        var expr: Expr
        /// Whether `*` lists it.
        var isHidden = false
        /// The column of a table or view that this is; nil for what is computed.
        var source: ColumnSource?
    }

    let outer: Scope?
    var items: [Item] = []
    /// The select whose FROM this is; nil while FROM itself is bound.
    var block: SelectBlock?
    /// The clause in which no aggregate or window function may stand: "WHERE", "JOIN conditions"; nil where they may.
    var refused: String?
    /// The clause in which aggregates may stand, but no window functions: "HAVING".
    var windowsRefused: String?
    /// Names of items beside this one that cannot be referred to from here.
    var unreachable: Set<String> = []
    /// Whether LATERAL would help to refer to them.
    var isLateralAdvised = true
    /// Whether we are inside an aggregate's arguments of this very scope.
    var isInsideAggregate = false
    /// Common table expressions in view, innermost last.
    let ctes: CTEScope?

    init(outer: Scope?, ctes: CTEScope?) {
        self.outer = outer
        self.ctes = ctes
    }

    /// All columns of this scope's items, for the check of ungrouped columns.
    var columnIDs: ColumnSet {
        var ids: ColumnSet = []
        for item in items {
            for column in item.columns {
                _ = column.expr.contains { expr in
                    if case .column(let found) = expr { ids.insert(found.id) }
                    return false
                }
            }
        }
        return ids
    }

    /// What a name was found to be.
    enum Found {
        case column(Expr, scope: Scope, source: ColumnSource?)
        case ambiguous
        case nothing
    }

    /// Looks a bare column name up, here and then outwards.
    func find(_ name: String) -> Found {
        // A column that a table hides gives way to every other, also to one further out.
        for hidden in [false, true] {
            var scope: Scope? = self
            while let current = scope {
                var found: ItemColumn?
                for item in current.items where item.areColumnsVisible {
                    for column in item.columns where column.name == name && column.isHidden == hidden {
                        if found != nil { return .ambiguous }
                        found = column
                    }
                }
                if let found { return .column(found.expr, scope: current, source: found.source) }
                scope = current.outer
            }
        }
        return .nothing
    }

    /// Finds an item by name, here and then outwards.
    func item(_ name: String, schema: String?) -> (item: Item, scope: Scope, isAmbiguous: Bool)? {
        var scope: Scope? = self
        while let current = scope {
            let matches = current.items.filter {
                $0.isNameVisible && $0.name == name && (schema == nil || $0.schema == schema)
            }
            if let first = matches.first { return (first, current, matches.count > 1) }
            scope = current.outer
        }
        return nil
    }

    /// The nearest names to one that was not found, as PostgreSQL's hint lists them: at most two, by edit distance.
    func suggestions(for name: String, qualifier: String?) -> [String] {
        var best: [(text: String, distance: Int)] = []
        var scope: Scope? = self
        while let current = scope {
            for item in current.items where qualifier == nil || item.name == qualifier {
                for column in item.columns where !column.isHidden {
                    let distance = editDistance(name, column.name)
                    guard distance <= Scope.suggestionDistanceMax, distance * 2 <= max(name.count, 1) else { continue }
                    best.append((item.name.map { "\($0).\(column.name)" } ?? column.name, distance))
                }
            }
            scope = current.outer
        }
        guard let nearest = best.map(\.distance).min() else { return [] }
        var texts: [String] = []
        for candidate in best where candidate.distance == nearest && !texts.contains(candidate.text) {
            texts.append(candidate.text)
        }
        return texts.count <= 2 ? texts : []
    }

    private static let suggestionDistanceMax = 3
}

/// A column of a relation that a statement names.
struct ColumnSource {
    /// Which use of a relation: an index of ``QueryBinder/relationUses``.
    var use: Int
    var name: String
}

/// Levenshtein distance of two short names; long ones count as far apart.
private func editDistance(_ left: String, _ right: String) -> Int {
    let (a, b) = (Array(left.utf8), Array(right.utf8))
    guard a.count <= 63, b.count <= 63 else { return Int.max / 4 }
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let above = row[j + 1]
            row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
            diagonal = above
        }
    }
    return row[b.count]
}
