// The grammar of queries: WITH, set operations, SELECT, GROUP BY, ORDER BY, LIMIT.
import Diagnostics

extension Parser {
    func isQueryStart(_ token: Token) -> Bool {
        switch token.kind {
        case .word("select"), .word("with"), .word("values"), .word("table"), .word("from"): true
        default: false
        }
    }

    /// Whether a query begins here, perhaps behind parentheses.
    mutating func startsQuery() -> Bool {
        var ahead = 0
        while peek(ahead).kind == .symbol("(") { ahead += 1 }
        guard isQueryStart(peek(ahead)) else { return false }
        // `((select 1) + 2)` is an expression: what follows the inner query decides.
        return ahead == 0 || parenthesesHoldQuery(ahead)
    }

    /// Whether the `count` parentheses here hold a query and nothing but a query.
    private mutating func parenthesesHoldQuery(_ count: Int) -> Bool {
        if closers.isEmpty { matchParentheses() }
        // From the innermost one outwards: a parenthesis must follow, or what continues a query.
        for level in (0..<count).reversed() {
            let close = Int(closers[index + level])
            switch tokens[min(close + 1, tokens.count - 1)].kind {
            case .symbol(")"): continue
            case .end, .symbol(";"), .word("union"), .word("intersect"), .word("except"), .word("order"),
                .word("limit"), .word("offset"), .word("fetch"), .word("for"):
                return true
            default: return false
            }
        }
        return true
    }

    /// Finds the token that closes each parenthesis; the last token where there is none.
    private mutating func matchParentheses() {
        closers = Array(repeating: Int32(tokens.count - 1), count: tokens.count)
        var open: [Int] = []
        for cursor in tokens.indices {
            if tokens[cursor].kind == .symbol("(") {
                open.append(cursor)
            } else if tokens[cursor].kind == .symbol(")"), let opener = open.popLast() {
                closers[opener] = Int32(cursor)
            }
        }
    }

    /// Whether the parenthesis here holds a subquery of FROM, rather than a join.
    mutating func parenthesesBeginQuery() -> Bool {
        advance()
        defer { index -= 1 }
        return startsQuery()
    }

    mutating func query() throws(SQLError) -> Query {
        try nested { (parser) throws(SQLError) in try parser.queryBody() }
    }

    /// WITH at the begin of a statement: a query or a write follows.
    mutating func queryOrWrite() throws(SQLError) -> Statement {
        try nested { (parser) throws(SQLError) in
            let position = parser.token.position
            let (with, isRecursive) = try parser.withClause()
            if parser.beginsWrite {
                return .write(try parser.write(with: with, isRecursive: isRecursive))
            }
            return .query(try parser.queryBody(with, isRecursive, position))
        }
    }

    private mutating func withClause() throws(SQLError) -> (tables: [CommonTable], isRecursive: Bool) {
        guard takeWord("with") else { return ([], false) }
        let isRecursive = takeWord("recursive")
        var with: [CommonTable] = []
        repeat { with.append(try commonTable()) } while take(",")
        return (with, isRecursive)
    }

    private mutating func queryBody() throws(SQLError) -> Query {
        let position = token.position
        let (with, isRecursive) = try withClause()
        if !with.isEmpty { try refuseChange() }
        return try queryBody(with, isRecursive, position)
    }

    private mutating func queryBody(
        _ with: [CommonTable], _ isRecursive: Bool, _ position: Int
    ) throws(SQLError) -> Query {
        let body = try setOperations(isIntersect: false)
        var query = Query(with: with, isRecursive: isRecursive, body: body, position: position)
        try tail(&query)
        // Plain parentheses around a query change nothing.
        if case .nested(let inner) = query.body, query.order.isEmpty, query.orderAll == nil, query.limit == nil,
            query.offset == nil, query.with.isEmpty
        {
            return inner
        }
        return query
    }

    /// Says that subqueries are queries only.
    private func refuseChange() throws(SQLError) {
        guard case .word(let word) = token.kind, ["insert", "update", "delete", "merge"].contains(word) else { return }
        throw SQLError(
            .syntaxError, "\(word.uppercased()) cannot stand in a subquery", position: token.position)
    }

    private mutating func commonTable() throws(SQLError) -> CommonTable {
        let name = try name()
        let columns = try optionalNames()
        try expectWord("as")
        var isMaterialized: Bool?
        if takeWord("materialized") {
            isMaterialized = true
        } else if takeWords("not", "materialized") {
            isMaterialized = false
        }
        try expect("(")
        let statement: Statement
        if beginsWrite {
            statement = .write(try write())
        } else if atWord("with") {
            statement = try queryOrWrite()
        } else {
            statement = .query(try query())
        }
        try expect(")")
        let empty = Query(body: .values([]), position: name.position)
        var table = CommonTable(name: name, columns: columns, isMaterialized: isMaterialized, query: empty)
        switch statement {
        case .query(let query): table.query = query
        case .write(let write): table.write = write
        default: throw unexpected()
        }
        return table
    }

    /// UNION and EXCEPT from the left; INTERSECT binds tighter.
    private mutating func setOperations(isIntersect: Bool) throws(SQLError) -> Query.Body {
        var left = isIntersect ? try queryTerm() : try setOperations(isIntersect: true)
        while true {
            let position = token.position
            let kind: Query.SetOperator
            if isIntersect {
                guard takeWord("intersect") else { return left }
                kind = .intersect
            } else if takeWord("union") {
                kind = .union
            } else if takeWord("except") {
                kind = .except
            } else {
                return left
            }
            try grow()
            let isAll = takeWord("all")
            if !isAll { _ = takeWord("distinct") }
            let right = isIntersect ? try queryTerm() : try setOperations(isIntersect: true)
            left = .setOperation(
                kind, isAll: isAll, left: Parser.plain(left, position), right: Parser.plain(right, position),
                position: position)
        }
    }

    private static func plain(_ body: Query.Body, _ position: Int) -> Query {
        if case .nested(let query) = body { return query }
        return Query(body: body, position: position)
    }

    private mutating func queryTerm() throws(SQLError) -> Query.Body {
        let position = token.position
        if take("(") {
            let inner = try query()
            try expect(")")
            return .nested(inner)
        }
        if takeWord("values") {
            var rows: [[Expression]] = []
            repeat {
                try expect("(")
                rows.append(try expressions())
                try expect(")")
            } while take(",")
            return .values(rows)
        }
        if takeWord("table") {
            let table = TableExpression(
                .table(try qualifiedName(), version: try version(), alias: nil), position: position)
            return .select(Parser.selectAll(from: [table], position))
        }
        if atWord("from") {
            advance()
            let tables = try tableList()
            guard takeWord("select") else { return .select(Parser.selectAll(from: tables, position)) }
            return .select(try select(position, from: tables))
        }
        try expectWord("select")
        return .select(try select(position, from: nil))
    }

    private static func selectAll(from tables: [TableExpression], _ position: Int) -> Select {
        let star = Expression(.star(Expression.Star()), position: position)
        return Select(items: [SelectItem(value: star)], from: tables, position: position)
    }

    private mutating func select(_ position: Int, from: [TableExpression]?) throws(SQLError) -> Select {
        var select = Select(items: [], from: from ?? [], position: position)
        if takeWord("distinct") {
            select.distinct = .distinct
            if takeWord("on") {
                try expect("(")
                select.distinct = .on(try expressions())
                try expect(")")
            }
        } else {
            _ = takeWord("all")
        }
        if !endsSelectList() {
            repeat {
                // A comma before FROM is forgiven, as DuckDB does.
                if atWord("from"), !select.items.isEmpty { break }
                select.items.append(try selectItem())
            } while take(",")
        }
        if atWord("into") {
            let position = token.position
            advance()
            let isTemporary = takeWord("temporary") || takeWord("temp")
            if !isTemporary { _ = takeWord("unlogged") }
            _ = takeWord("table")
            // Only the statement itself makes a table, no query inside of it.
            guard depth <= Parser.intoDepthMax, intoTable == nil else {
                throw SQLError(.syntaxError, "SELECT ... INTO is not allowed here", position: position)
            }
            intoTable = (try qualifiedName(), isTemporary)
        }
        if from == nil, takeWord("from") { select.from = try tableList() }
        if takeWord("where") { select.filter = try expression() }
        if try takeBy("group") { try groupBy(&select) }
        if takeWord("having") { select.having = try expression() }
        if takeWord("window") {
            repeat {
                let name = try name()
                try expectWord("as")
                select.windows.append(NamedWindow(name: name, window: try windowSpecification()))
            } while take(",")
        }
        if takeWord("qualify") { select.qualify = try expression() }
        return select
    }

    private func endsSelectList() -> Bool {
        switch token.kind {
        case .end, .symbol(";"), .symbol(")"): true
        case .word(let word):
            [
                "from", "where", "group", "having", "window", "qualify", "union", "intersect", "except", "order",
                "limit", "offset", "fetch", "for", "into",
            ].contains(word)
        default: false
        }
    }

    mutating func selectItem() throws(SQLError) -> SelectItem {
        let position = token.position
        if take("*") { return SelectItem(value: Expression(.star(try starChanges(nil)), position: position)) }
        if let columns = try columnsItem() { return columns }
        if isName(token), peek().kind == .symbol(":") {
            // DuckDB's names in front: a: 1 + 2.
            let alias = try label()
            try expect(":")
            return SelectItem(value: try expression(), alias: alias)
        }
        let value = try expression()
        if takeWord("as") { return SelectItem(value: value, alias: try label()) }
        switch token.kind {
        case .quotedWord: return SelectItem(value: value, alias: try label())
        case .word where !token.keyword.contains(.needsAs):
            if case .star = value.node { return SelectItem(value: value) }
            return SelectItem(value: value, alias: try label())
        default: return SelectItem(value: value)
        }
    }

    private mutating func groupBy(_ select: inout Select) throws(SQLError) {
        if takeWord("all") {
            if isGroupingEnd() {
                select.groupByAll = true
                return
            }
        } else {
            select.groupByDistinct = takeWord("distinct")
        }
        select.groupBy = try groupItems()
    }

    private func isGroupingEnd() -> Bool {
        switch token.kind {
        case .end, .symbol(";"), .symbol(")"): true
        case .word(let word):
            ["having", "order", "limit", "offset", "fetch", "union", "intersect", "except", "window", "qualify", "for"]
                .contains(word)
        default: false
        }
    }

    private mutating func groupItems() throws(SQLError) -> [GroupItem] {
        var items: [GroupItem] = []
        repeat { items.append(try groupItem()) } while take(",")
        return items
    }

    private mutating func groupItem() throws(SQLError) -> GroupItem {
        try nested { (parser) throws(SQLError) in
            if parser.peek().kind == .symbol("(") {
                if parser.takeWord("rollup") { return .rollup(try parser.groupList()) }
                if parser.takeWord("cube") { return .cube(try parser.groupList()) }
            }
            if parser.takeWords("grouping", "sets") { return .groupingSets(try parser.groupList()) }
            if parser.at("("), parser.peek().kind == .symbol(")") {
                parser.advance()
                parser.advance()
                return .set([])
            }
            let value = try parser.expression()
            if case .row(let items) = value.node { return .set(items) }
            return .value(value)
        }
    }

    private mutating func groupList() throws(SQLError) -> [GroupItem] {
        try expect("(")
        let items = try groupItems()
        try expect(")")
        return items
    }

    // MARK: - Order and limits

    mutating func orderItems() throws(SQLError) -> [OrderItem] {
        var items: [OrderItem] = []
        repeat {
            var item = OrderItem(value: try expression())
            item.isDescending = try direction()
            item.nullsFirst = try nullsFirst()
            items.append(item)
        } while take(",")
        return items
    }

    private mutating func direction() throws(SQLError) -> Bool {
        if takeWord("desc") { return true }
        if takeWord("asc") { return false }
        guard takeWord("using") else { return false }
        if take("<") { return false }
        guard take(">") else { throw unexpected() }
        return true
    }

    private mutating func nullsFirst() throws(SQLError) -> Bool? {
        if takeWords("nulls", "first") { return true }
        return takeWords("nulls", "last") ? false : nil
    }

    private mutating func tail(_ query: inout Query) throws(SQLError) {
        if try takeBy("order") {
            if takeWord("all") {
                let isDescending = try direction()
                query.orderAll = Query.OrderAll(isDescending: isDescending, nullsFirst: try nullsFirst())
            } else {
                query.order = try orderItems()
            }
        }
        while true {
            if query.limit == nil, takeWord("limit") {
                if takeWord("all") { continue }
                query.limit = try expression()
                if at(",") {
                    throw SQLError(
                        .syntaxError, "LIMIT #,# syntax is not supported",
                        hint: "Use separate LIMIT and OFFSET clauses.", position: token.position)
                }
            } else if query.offset == nil, takeWord("offset") {
                query.offset = try expression()
                if !takeWord("rows") { _ = takeWord("row") }
            } else if query.limit == nil, takeWord("fetch") {
                try fetch(&query)
            } else if atWord("for") {
                try lockingClause()
                query.isLocking = true
            } else {
                return
            }
        }
    }

    private mutating func fetch(_ query: inout Query) throws(SQLError) {
        if !takeWord("first") { try expectWord("next") }
        if atWord("row") || atWord("rows") {
            query.limit = Expression(.integer("1"), position: token.position)
        } else {
            query.limit = try expression(.sum)
        }
        if !takeWord("rows") { try expectWord("row") }
        if takeWords("with", "ties") {
            query.withTies = true
        } else {
            try expectWord("only")
        }
    }

    /// FOR UPDATE and its kin: there are no row locks to take, so nothing is kept.
    private mutating func lockingClause() throws(SQLError) {
        advance()
        _ = takeWords("no", "key") || takeWord("key")
        if !takeWord("update") { try expectWord("share") }
        if takeWord("of") { repeat { _ = try qualifiedName() } while take(",") }
        if !takeWord("nowait") { _ = takeWords("skip", "locked") }
    }
}
