// The grammar of FROM: tables at versions, subqueries, functions, joins.
import Diagnostics

extension Parser {
    mutating func tableList() throws(SQLError) -> [TableExpression] {
        var tables: [TableExpression] = []
        repeat { tables.append(try joined()) } while take(",")
        return tables
    }

    private mutating func joined() throws(SQLError) -> TableExpression {
        try nested { (parser) throws(SQLError) in
            var left = try parser.tablePrimary()
            while let next = try parser.join(left) {
                left = next
                try parser.grow()
            }
            return left
        }
    }

    private mutating func join(_ left: TableExpression) throws(SQLError) -> TableExpression? {
        let position = token.position
        let start = index
        if takeWord("cross") {
            try expectWord("join")
            let right = try tablePrimary()
            return TableExpression(
                .join(TableExpression.Join(kind: .cross, left: left, right: right, condition: .none)),
                position: position)
        }
        let isNatural = takeWord("natural")
        var kind = TableExpression.JoinKind.inner
        if takeWord("left") {
            kind = .left
        } else if takeWord("right") {
            kind = .right
        } else if takeWord("full") {
            kind = .full
        } else if atWord("semi"), peek().kind == .word("join") {
            advance()
            kind = .semi
        } else if atWord("anti"), peek().kind == .word("join") {
            advance()
            kind = .anti
        } else {
            _ = takeWord("inner")
        }
        if kind == .left || kind == .right || kind == .full { _ = takeWord("outer") }
        guard takeWord("join") else {
            if index != start { throw unexpected() }
            return nil
        }
        // A NATURAL JOIN is complete with its table; another join behind it takes the whole as its left side.
        let right = isNatural ? try tablePrimary() : try tablePrimaryOrNestedJoin()
        let condition = isNatural ? .natural : try joinCondition()
        return TableExpression(
            .join(TableExpression.Join(kind: kind, left: left, right: right, condition: condition)), position: position)
    }

    /// `a JOIN b JOIN c ON ... ON ...`: the right side may be a join itself when its ON comes first.
    private mutating func tablePrimaryOrNestedJoin() throws(SQLError) -> TableExpression {
        var right = try tablePrimary()
        while !atWord("on"), !atWord("using"), beginsJoin() {
            guard let next = try nested({ (parser) throws(SQLError) in try parser.join(right) }) else { break }
            right = next
            try grow()
        }
        return right
    }

    private func beginsJoin() -> Bool {
        ["join", "inner", "left", "right", "full", "cross", "natural"].contains { atWord($0) }
    }

    private mutating func joinCondition() throws(SQLError) -> TableExpression.JoinCondition {
        if takeWord("using") {
            try expect("(")
            let columns = try names()
            try expect(")")
            let alias = takeWord("as") ? try name() : nil
            return .using(columns, alias: alias)
        }
        try expectWord("on")
        return .on(try expression())
    }

    private mutating func tablePrimary() throws(SQLError) -> TableExpression {
        let position = token.position
        let isLateral = takeWord("lateral")
        if at("("), parenthesesBeginQuery() {
            advance()
            let inner = try query()
            try expect(")")
            let alias = try tableAlias()
            return TableExpression(.subquery(inner, isLateral: isLateral, alias: alias), position: position)
        }
        if at("("), !isLateral {
            advance()
            let inner = try joined()
            try expect(")")
            guard let alias = try tableAlias() else { return inner }
            return TableExpression(.aliased(inner, alias), position: position)
        }
        if takeWords("rows", "from") {
            try expect("(")
            var calls: [FunctionCall] = []
            repeat { calls.append(try call(try functionName())) } while take(",")
            try expect(")")
            return try functions(calls, isLateral, position)
        }
        if atWord("values") {
            let inner = try query()
            return TableExpression(
                .subquery(inner, isLateral: false, alias: try tableAlias()), position: position)
        }
        _ = takeWord("only")
        let name = try functionName()
        if at("(") { return try functions([try call(name)], isLateral, position) }
        _ = take("*")
        if isLateral { throw unexpected() }
        var version = try version()
        let alias = try tableAlias()
        if version == nil { version = try self.version() }
        let table = TableExpression(.table(name, version: version, alias: alias), position: position)
        guard takeWord("tablesample") else { return table }
        let method = try self.name()
        try expect("(")
        var sample = TableExpression.Sample(method: method, arguments: try expressions())
        try expect(")")
        if takeWord("repeatable") {
            try expect("(")
            sample.seed = try expression()
            try expect(")")
        }
        return TableExpression(.sampled(table, sample), position: position)
    }

    /// The name of a table or, with a parenthesis behind it, of a function.
    private mutating func functionName() throws(SQLError) -> QualifiedName {
        let isCall = peek().kind == .symbol("(")
        if token.keyword.contains(.functionOrType) {
            let position = token.position
            let name = try label()
            guard isCall else { throw unexpected() }
            return QualifiedName([name], position: position)
        }
        if isCall, token.keyword.contains(.columnName), case .word(let word) = token.kind,
            !Keywords.callable.contains(word)
        {
            advance()
            throw unexpected()
        }
        return try qualifiedName()
    }

    private mutating func functions(
        _ calls: [FunctionCall], _ isLateral: Bool, _ position: Int
    ) throws(SQLError) -> TableExpression {
        let withOrdinality = takeWords("with", "ordinality")
        let alias = try tableAlias(mayHaveTypes: true)
        return TableExpression(
            .functions(calls, isLateral: isLateral, withOrdinality: withOrdinality, alias: alias), position: position)
    }

    private mutating func tableAlias(mayHaveTypes: Bool = false) throws(SQLError) -> TableAlias? {
        let name: Identifier
        if takeWord("as") {
            // A function's column definitions may come without a name: AS (a int).
            if mayHaveTypes, at("(") {
                name = Identifier("", position: token.position)
            } else {
                name = try self.name()
            }
        } else if isName(token), !beginsVersion(), !((atWord("semi") || atWord("anti")) && peek().kind == .word("join"))
        {
            name = try self.name()
        } else {
            return nil
        }
        var alias = TableAlias(name: name)
        if take("(") {
            repeat {
                alias.columns.append(try self.name())
                if mayHaveTypes, !at(","), !at(")") { alias.types.append(try typeName()) }
            } while take(",")
            try expect(")")
        }
        return alias
    }

    // MARK: - Versions

    /// AT is an alias unless a version follows; FOR begins a version before VERSION, TIMESTAMP and SYSTEM_TIME.
    private func beginsVersion() -> Bool {
        if atWord("at") {
            switch peek().kind {
            case .word("branch"), .word("tag"), .word("commit"), .word("snapshot"), .word("timestamp"),
                .word("version"), .symbol("("):
                return true
            default: return false
            }
        }
        return false
    }

    mutating func version() throws(SQLError) -> Version? {
        if take("@") { return .named(try refName()) }
        if atWord("for"), case .word(let word) = peek().kind, ["version", "timestamp", "system_time"].contains(word) {
            advance()
            advance()
            guard takeWords("as", "of") else { throw unexpected() }
            if word != "version" { return .timestamp(try expression(.sum)) }
            return .named(try refName())
        }
        guard beginsVersion() else { return nil }
        advance()
        return try versionAfterAt()
    }

    mutating func versionAfterAt() throws(SQLError) -> Version {
        if take("(") {
            let isTimestamp = takeWord("timestamp")
            if !isTimestamp { try expectWord("version") }
            guard take("=>") || take(":=") || take("=") else { throw unexpected() }
            let version: Version = isTimestamp ? .timestamp(try expression()) : .named(try refName())
            try expect(")")
            return version
        }
        if takeWord("branch") { return .branch(try refName()) }
        if takeWord("tag") { return .tag(try refName()) }
        if takeWord("commit") { return .commit(try refName()) }
        if takeWord("snapshot") { return .snapshot(try expression(.sum)) }
        if takeWord("version") { return .named(try refName()) }
        try expectWord("timestamp")
        return .timestamp(try expression(.sum))
    }

    /// A branch, tag or commit: a word, a quoted name or a string.
    mutating func refName() throws(SQLError) -> Identifier {
        let position = token.position
        switch token.kind {
        case .string(let text):
            advance()
            return Identifier(text, isQuoted: true, position: position)
        case .integer(let digits):
            // The number of a snapshot. A commit hash that begins with a digit needs quotes.
            advance()
            return Identifier(digits, isQuoted: true, position: position)
        default: return try label()
        }
    }
}
