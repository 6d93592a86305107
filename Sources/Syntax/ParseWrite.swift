// The grammar of INSERT, UPDATE, DELETE, MERGE and TRUNCATE.
import Diagnostics

extension Parser {
    /// Whether INSERT, UPDATE, DELETE or MERGE begins here.
    var beginsWrite: Bool {
        switch token.kind {
        case .word("insert"), .word("update"), .word("delete"): true
        // MERGE BRANCH is about branches.
        case .word("merge"): peek().kind == .word("into")
        default: false
        }
    }

    /// A write at the cursor, behind a WITH that has been read.
    mutating func write(
        with: [CommonTable] = [], isRecursive: Bool = false
    ) throws(SQLError) -> WriteStatement {
        var write: WriteStatement
        if atWord("insert") {
            write = try insert()
        } else if atWord("update") {
            write = try update()
        } else if atWord("delete") {
            write = try delete()
        } else {
            write = try merge()
        }
        write.with = with
        write.isRecursive = isRecursive
        if takeWord("returning") {
            repeat { write.returning.append(try selectItem()) } while take(",")
        }
        return write
    }

    /// The table that is changed: a name, perhaps with a branch and an alias.
    private mutating func target(
        _ position: Int, isAliasWord: (Parser) -> Bool = { _ in true }
    ) throws(SQLError) -> WriteStatement {
        _ = takeWord("only")
        let name = try qualifiedName()
        _ = take("*")
        let version = try version()
        var alias: Identifier?
        if takeWord("as") {
            alias = try self.name()
        } else if isName(token), isAliasWord(self) {
            alias = try self.name()
        }
        return WriteStatement(
            target: name, version: version, alias: alias, change: .delete(using: [], filter: nil), position: position)
    }

    // MARK: - Insert

    private mutating func insert() throws(SQLError) -> WriteStatement {
        let position = token.position
        advance()
        try expectWord("into")
        // PostgreSQL takes an alias behind AS only.
        var write = try target(position) { _ in false }
        var columns: [Identifier] = []
        if at("("), !parenthesesBeginQuery() {
            advance()
            repeat { columns.append(try name()) } while take(",")
            try expect(")")
        }
        var overriding: WriteStatement.Insert.Overriding?
        if takeWord("overriding") {
            overriding = takeWord("system") ? .system : .user
            if overriding == .user { try expectWord("user") }
            try expectWord("value")
        }
        var insert = WriteStatement.Insert(columns: columns, query: nil)
        insert.overriding = overriding
        if !takeWords("default", "values") { insert.query = try query() }
        if atWords("on", "conflict") { insert.conflict = try conflict() }
        write.change = .insert(insert)
        return write
    }

    /// ON CONFLICT (a, b) DO NOTHING, DO UPDATE SET ... WHERE ...
    private mutating func conflict() throws(SQLError) -> WriteStatement.Insert.Conflict {
        let position = token.position
        advance()
        advance()
        var columns: [Identifier] = []
        if take("(") {
            repeat {
                columns.append(try name())
                if takeWord("collate") { _ = try qualifiedName() }
            } while take(",")
            try expect(")")
            if takeWord("where") {
                throw SQLError(
                    .featureNotSupported, "partial indexes in ON CONFLICT are not supported", position: position)
            }
        } else if atWords("on", "constraint") {
            throw SQLError(
                .featureNotSupported, "ON CONFLICT ON CONSTRAINT is not supported",
                hint: "Name the key's columns.", position: token.position)
        }
        try expectWord("do")
        if takeWord("nothing") {
            return WriteStatement.Insert.Conflict(
                columns: columns, assignments: nil, filter: nil, position: position)
        }
        try expectWord("update")
        guard !columns.isEmpty else {
            throw SQLError(
                .syntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                hint: "For example, ON CONFLICT (column_name).", position: position)
        }
        try expectWord("set")
        let assignments = try assignments()
        let filter = takeWord("where") ? try expression() : nil
        return WriteStatement.Insert.Conflict(
            columns: columns, assignments: assignments, filter: filter, position: position)
    }

    // MARK: - Update and delete

    private mutating func update() throws(SQLError) -> WriteStatement {
        let position = token.position
        advance()
        var write = try target(position) { !$0.atWord("set") }
        try expectWord("set")
        let assignments = try assignments()
        let from = takeWord("from") ? try tableList() : []
        write.change = .update(assignments, from: from, filter: try whereCondition())
        return write
    }

    private mutating func delete() throws(SQLError) -> WriteStatement {
        let position = token.position
        advance()
        try expectWord("from")
        var write = try target(position) { !$0.atWord("using") && !$0.atWord("where") }
        let using = takeWord("using") ? try tableList() : []
        write.change = .delete(using: using, filter: try whereCondition())
        return write
    }

    private mutating func whereCondition() throws(SQLError) -> Expression? {
        guard takeWord("where") else { return nil }
        if atWords("current", "of") {
            throw SQLError(.featureNotSupported, "WHERE CURRENT OF is not supported", position: token.position)
        }
        return try expression()
    }

    private mutating func assignments() throws(SQLError) -> [WriteStatement.Assignment] {
        var list: [WriteStatement.Assignment] = []
        repeat {
            var columns: [Identifier] = []
            if take("(") {
                repeat { columns.append(try assigned()) } while take(",")
                try expect(")")
                try expect("=")
                let value = try expression()
                list.append(WriteStatement.Assignment(columns: columns, value: value))
            } else {
                columns = [try assigned()]
                try expect("=")
                list.append(WriteStatement.Assignment(columns: columns, value: try expression()))
            }
        } while take(",")
        return list
    }

    /// A column that is assigned to: PostgreSQL takes no table name before it; MERGE of other systems does.
    private mutating func assigned() throws(SQLError) -> Identifier {
        let first = try name()
        guard at(".") else { return first }
        advance()
        return try label()
    }

    // MARK: - Merge

    private mutating func merge() throws(SQLError) -> WriteStatement {
        let position = token.position
        advance()
        try expectWord("into")
        var write = try target(position) { !$0.atWord("using") }
        try expectWord("using")
        guard let source = try tableList().first else { throw unexpected() }
        try expectWord("on")
        let condition = try expression()
        var merge = WriteStatement.Merge(source: source, condition: condition, clauses: [])
        while atWord("when") { merge.clauses.append(try mergeClause()) }
        guard !merge.clauses.isEmpty else { throw unexpected() }
        write.change = .merge(merge)
        return write
    }

    private mutating func mergeClause() throws(SQLError) -> WriteStatement.MergeClause {
        let position = token.position
        advance()
        let kind: WriteStatement.MergeClause.Kind
        if takeWord("matched") {
            kind = .matched
        } else {
            try expectWord("not")
            try expectWord("matched")
            if takeWords("by", "source") {
                kind = .notMatchedBySource
            } else {
                if takeWord("by") { try expectWord("target") }
                kind = .notMatched
            }
        }
        let condition = takeWord("and") ? try expression() : nil
        try expectWord("then")
        return WriteStatement.MergeClause(
            kind: kind, condition: condition, action: try mergeAction(kind), position: position)
    }

    private mutating func mergeAction(
        _ kind: WriteStatement.MergeClause.Kind
    ) throws(SQLError) -> WriteStatement.MergeClause.Action {
        if takeWords("do", "nothing") { return .nothing }
        guard kind == .notMatched else {
            if takeWord("delete") { return .delete }
            try expectWord("update")
            try expectWord("set")
            return .update(try assignments())
        }
        try expectWord("insert")
        let columns = try optionalNames()
        if takeWord("overriding") {
            if !takeWord("system") { try expectWord("user") }
            try expectWord("value")
        }
        if takeWords("default", "values") { return .insert(columns: columns, values: []) }
        try expectWord("values")
        try expect("(")
        let values = try expressions()
        try expect(")")
        return .insert(columns: columns, values: values)
    }

    // MARK: - Truncate

    mutating func truncate() throws(SQLError) -> Statement {
        advance()
        _ = takeWord("table")
        var names: [QualifiedName] = []
        repeat {
            _ = takeWord("only")
            names.append(try qualifiedName())
            _ = take("*")
        } while take(",")
        if takeWord("restart") || takeWord("continue") { try expectWord("identity") }
        if !takeWord("cascade") { _ = takeWord("restrict") }
        return .truncate(names)
    }
}
