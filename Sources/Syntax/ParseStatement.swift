// The grammar of everything that is not a query.
import Diagnostics

extension Parser {
    mutating func statement() throws(SQLError) -> Statement {
        try nested { (parser) throws(SQLError) in
            let statement = try parser.anyStatement()
            guard parser.intoTable == nil else {
                throw SQLError(.syntaxError, "SELECT ... INTO is not allowed here", position: parser.token.position)
            }
            return statement
        }
    }

    /// SELECT ... INTO t is CREATE TABLE t AS SELECT.
    private mutating func settledInto(_ statement: Statement) throws(SQLError) -> Statement {
        guard let into = intoTable, case .query(let query) = statement else { return statement }
        intoTable = nil
        var table = Statement.CreateTable(name: into.name)
        table.isTemporary = into.isTemporary
        table.query = query
        return .createTable(table)
    }

    private mutating func anyStatement() throws(SQLError) -> Statement {
        if atWord("with") { return try settledInto(try queryOrWrite()) }
        if startsQuery() || at("(") {
            return try settledInto(.query(try query()))
        }
        if beginsWrite { return .write(try write()) }
        guard case .word(let word) = token.kind else { throw unexpected() }
        let position = token.position
        let start = index
        if let statement = try accessStatement(word) { return statement }
        switch word {
        case "explain": return try explain()
        case "create": if let statement = try create() { return statement }
        case "drop": if let statement = try drop() { return statement }
        case "alter":
            if peek().kind == .word("branch") || peek().kind == .word("tag") {
                advance()
                let kind: Statement.RefKind = takeWord("tag") ? .tag : .branch
                if kind == .branch { advance() }
                return .branch(try alterRef(kind))
            }
            if let statement = try alter() { return statement }
        case "comment": if let statement = try comment() { return statement }
        case "truncate": return try truncate()
        case "refresh": return try refresh()
        case "copy": return .copy(try copy())
        case "attach":
            advance()
            return .attach(try attach())
        case "detach":
            advance()
            _ = takeWord("database")
            let ifExists = takeWords("if", "exists")
            return .detach(try name(), ifExists: ifExists)
        case "use":
            advance()
            _ = takeWord("branch")
            return .useBranch(try refName())
        case "show": return try show()
        case "set": return try setVariable()
        // DuckDB's other word for SET.
        case "pragma": if peek(2).kind == .symbol("=") { return try setVariable() }
        case "reset":
            advance()
            if takeWord("all") { return .reset(nil) }
            if takeWords("time", "zone") { return .reset(Identifier("timezone", position: position)) }
            if takeWords("session", "authorization") {
                return .reset(Identifier("session_authorization", position: position))
            }
            return .reset(try settingName())
        case "discard":
            advance()
            return .discard(try label().value)
        case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
            return try transaction(word)
        case "prepare": if peek().kind != .word("transaction") { return try prepare() }
        case "execute": return try execute()
        case "call":
            advance()
            let value = try expression()
            guard case .call(let call) = value.node else { throw unexpected() }
            return .call(call, isSelected: false)
        case "deallocate":
            advance()
            _ = takeWord("prepare")
            return .deallocate(takeWord("all") ? nil : try name())
        case "declare": return .declareCursor(try declareCursor())
        case "fetch", "move": return .fetch(try fetchRows(isMove: word == "move"))
        case "close":
            advance()
            return .closeCursor(takeWord("all") ? nil : try name())
        case "lock": return try lockTables()
        // Statistics and layout are kept in order without being told.
        case "listen":
            advance()
            return .notification(.listen(try name()))
        case "unlisten":
            advance()
            return .notification(.unlisten(take("*") ? nil : try name()))
        case "notify":
            advance()
            let channel = try name()
            return .notification(.notify(channel, payload: take(",") ? try stringLiteral() : ""))
        case "analyze", "analyse", "checkpoint", "reindex":
            skipToEnd()
            return .accepted(word == "analyse" ? "ANALYZE" : word.uppercased())
        case "merge":
            if peek().kind == .word("branch") {
                advance()
                advance()
                return .branch(.merge(try mergeBranch()))
            }
        case "revert":
            advance()
            let (commit, branch) = try replayedCommit()
            return .branch(.revert(commit: commit, branch: branch))
        case "cherry":
            advance()
            try expectWord("pick")
            let (commit, branch) = try replayedCommit()
            return .branch(.cherryPick(commit: commit, branch: branch))
        case "restore":
            advance()
            return .branch(try restore())
        case "optimize":
            advance()
            return .upkeep(try optimize())
        case "vacuum":
            advance()
            return .upkeep(try vacuum())
        case "expire":
            advance()
            return .upkeep(try expireSnapshots())
        case "collect":
            advance()
            return .upkeep(try collectGarbage())
        case "describe", "desc":
            advance()
            return .describe(try qualifiedName())
        default: break
        }
        guard Keywords.unsupportedStatements.contains(word) else { throw unexpected() }
        index = start
        return unsupported(position)
    }

    /// Names a known statement by its first words, and skips it.
    /// LOCK [TABLE] [ONLY] a [*], b IN ACCESS SHARE MODE NOWAIT.
    private mutating func lockTables() throws(SQLError) -> Statement {
        let position = token.position
        advance()
        _ = takeWord("table")
        var names: [QualifiedName] = []
        repeat {
            _ = takeWord("only")
            names.append(try qualifiedName())
            _ = take("*")
        } while take(",")
        if takeWord("in") {
            let modes = ["access", "row", "share", "exclusive", "update"]
            while modes.contains(where: { atWord($0) }) { advance() }
            try expectWord("mode")
        }
        _ = takeWord("nowait")
        return .lock(names, position: position)
    }

    private mutating func unsupported(_ position: Int) -> Statement {
        var words: [String] = []
        if case .word(let first) = token.kind {
            words.append(first.uppercased())
            if ["create", "alter", "drop"].contains(first), case .word(let second) = peek().kind {
                words.append(second.uppercased())
            }
        }
        skipToEnd()
        return .unsupported(words.joined(separator: " "), position: position)
    }

    private mutating func skipToEnd() {
        while !isAtEnd, !at(";") { advance() }
    }

    private mutating func ifNotExists() throws(SQLError) -> Bool { takeWords("if", "not", "exists") }
    private mutating func ifExists() throws(SQLError) -> Bool { takeWords("if", "exists") }

    // MARK: - Create and drop

    /// nil: a CREATE that is not supported; the caller rewinds.
    private mutating func create() throws(SQLError) -> Statement? {
        let start = token.position
        advance()
        let orReplace = takeWords("or", "replace")
        if takeWord("schema") { return .createSchema(try createSchema()) }
        if takeWord("branch") { return .createRef(try createRef(.branch, orReplace)) }
        if takeWord("tag") { return .createRef(try createRef(.tag, orReplace)) }
        if takeWords("external", "table") { return .createExternalTable(try createExternalTable(orReplace)) }
        if let object = try createObject(orReplace, from: start) { return .object(object) }
        if takeWord("global") || takeWord("local") {}
        let isTemporary = takeWord("temporary") || takeWord("temp")
        if takeWord("table") || takeWords("unlogged", "table") {
            return .createTable(try createTable(orReplace, isTemporary))
        }
        if takeWords("materialized", "view") { return .createTable(try createMaterializedView(orReplace)) }
        if takeWord("sequence") || takeWords("unlogged", "sequence") { return .object(try createSequence()) }
        guard takeWord("view") else { return nil }
        return .createView(try createView(orReplace, isTemporary))
    }

    private mutating func createView(
        _ orReplace: Bool, _ isTemporary: Bool
    ) throws(SQLError) -> Statement.CreateView {
        let ifNotExists = try ifNotExists()
        let name = try qualifiedName()
        let columns = try optionalNames()
        if takeWord("with") {
            try expect("(")
            while !at(")"), !isAtEnd { advance() }
            try expect(")")
        }
        try expectWord("as")
        let start = token.position
        let query = try query()
        let text = text(from: start)
        if takeWord("with") {
            if !takeWord("local") { _ = takeWord("cascaded") }
            guard takeWords("check", "option") else { throw unexpected() }
        }
        return Statement.CreateView(
            name: name, columns: columns, orReplace: orReplace, ifNotExists: ifNotExists, isTemporary: isTemporary,
            query: query, text: text)
    }

    private mutating func createExternalTable(_ orReplace: Bool) throws(SQLError) -> Statement.CreateExternalTable {
        let ifNotExists = try ifNotExists()
        var table = Statement.CreateExternalTable(
            name: try qualifiedName(), orReplace: orReplace, ifNotExists: ifNotExists, columns: [],
            partitionColumns: [], format: "", location: "", options: [:])
        if at("(") { table.columns = try columnDefinitions(typed: true) }
        while true {
            let position = token.position
            if takeWords("partitioned", "by") {
                table.partitionColumns = try columnDefinitions(typed: false)
            } else if takeWords("stored", "as") {
                table.format = try label().value.lowercased()
                guard ["parquet", "csv", "json"].contains(table.format) else {
                    throw SQLError(
                        .featureNotSupported, "format \"\(table.format)\" is not supported",
                        hint: "STORED AS PARQUET, CSV and JSON are.", position: position)
                }
            } else if takeWord("location") {
                table.location = try stringLiteral()
            } else if takeWord("with") || takeWord("options") {
                table.options = try options()
            } else {
                break
            }
        }
        guard !table.format.isEmpty else {
            throw SQLError(
                .syntaxError, "an external table needs STORED AS", hint: "Write STORED AS PARQUET LOCATION '...'.",
                position: table.name.position)
        }
        guard !table.location.isEmpty else {
            throw SQLError(
                .syntaxError, "an external table needs LOCATION", hint: "Write STORED AS PARQUET LOCATION '...'.",
                position: table.name.position)
        }
        return table
    }

    /// Columns with types; partition columns may be named without one.
    private mutating func columnDefinitions(typed: Bool) throws(SQLError) -> [Statement.ColumnDefinition] {
        try expect("(")
        var columns: [Statement.ColumnDefinition] = []
        repeat {
            let name = try name()
            if !typed, at(",") || at(")") {
                columns.append(
                    Statement.ColumnDefinition(name: name, type: TypeName("", position: name.position)))
                continue
            }
            var column = Statement.ColumnDefinition(name: name, type: try typeName())
            if takeWords("not", "null") { column.isNotNull = true } else { _ = takeWord("null") }
            columns.append(column)
        } while take(",")
        try expect(")")
        return columns
    }

    /// `(key = value, ...)`.
    mutating func options() throws(SQLError) -> [String: String] {
        try expect("(")
        var options: [String: String] = [:]
        repeat {
            let key = try optionKey()
            if !take("="), !take("=>") {}
            switch token.kind {
            case .string(let text), .word(let text), .quotedWord(let text), .integer(let text), .decimal(let text):
                options[key] = text
            case .parameter, .symbol, .bits, .end: throw unexpected()
            }
            advance()
        } while take(",")
        try expect(")")
        return options
    }

    mutating func optionKey() throws(SQLError) -> String {
        if case .string(let text) = token.kind {
            advance()
            return text
        }
        // Names of properties may have many parts: write.parquet.row-group-size-bytes.
        var key = try label().value
        while at(".") || at("-") {
            key += at(".") ? "." : "-"
            advance()
            key += try label().value
        }
        return key
    }

    private mutating func createRef(
        _ kind: Statement.RefKind, _ orReplace: Bool
    ) throws(SQLError) -> Statement.CreateRef {
        let ifNotExists = try ifNotExists()
        let name = try refName()
        var ref = Statement.CreateRef(
            kind: kind, name: name, ifNotExists: ifNotExists, orReplace: orReplace, source: nil, version: nil)
        if takeWord("from") {
            _ = takeWord("branch") || takeWord("tag") || takeWord("commit")
            ref.source = try refName()
        }
        if takeWord("at") { ref.version = try versionAfterAt() }
        if takeWord("with") { ref.options = try refOptions() }
        return ref
    }

    private mutating func drop() throws(SQLError) -> Statement? {
        advance()
        if takeWord("branch") || atWord("tag") {
            let kind: Statement.RefKind = takeWord("tag") ? .tag : .branch
            let ifExists = try ifExists()
            return .dropRef(kind: kind, name: try refName(), ifExists: ifExists)
        }
        if let object = try dropObject() { return .object(object) }
        let kind: Statement.DropKind
        if takeWord("schema") {
            kind = .schema
        } else if takeWord("view") {
            kind = .view
        } else if takeWords("materialized", "view") {
            kind = .materializedView
        } else if takeWords("external", "table") {
            kind = .externalTable
        } else if takeWord("table") {
            kind = .table
        } else {
            return nil
        }
        let ifExists = try ifExists()
        var names: [QualifiedName] = []
        repeat { names.append(try qualifiedName()) } while take(",")
        let isCascade = takeWord("cascade")
        if !isCascade { _ = takeWord("restrict") }
        return .drop(Statement.Drop(kind: kind, names: names, ifExists: ifExists, isCascade: isCascade))
    }

    // MARK: - Show and set

    private mutating func show() throws(SQLError) -> Statement {
        advance()
        if takeWord("all") { return .show(.all) }
        if takeWord("branches") { return .show(.branches) }
        if takeWord("tags") { return .show(.tags) }
        if takeWord("schemas") { return .show(.schemas) }
        if takeWord("tables") {
            if takeWord("from") || takeWord("in") { return .show(.tables(try name())) }
            return .show(.tables(nil))
        }
        if takeWord("columns") {
            if !takeWord("from") { try expectWord("in") }
            return .describe(try qualifiedName())
        }
        if takeWord("diff") { return .branch(try difference()) }
        if takeWord("log") {
            var branch: Identifier?
            var limit: Int?
            if takeWord("for") {
                _ = takeWord("branch")
                branch = try refName()
            }
            if takeWord("limit") {
                guard case .integer(let digits) = token.kind, let number = Int(digits) else { throw unexpected() }
                advance()
                limit = number
            }
            return .show(.log(branch: branch, limit: limit))
        }
        let position = token.position
        if takeWords("time", "zone") { return .show(.variable(Identifier("timezone", position: position))) }
        if takeWords("transaction", "isolation", "level") {
            return .show(.variable(Identifier("transaction_isolation", position: position)))
        }
        if takeWords("session", "authorization") {
            return .show(.variable(Identifier("session_authorization", position: position)))
        }
        return .show(.variable(try settingName()))
    }

    /// A setting, perhaps with a prefix: `apus.threads`.
    mutating func settingName() throws(SQLError) -> Identifier {
        var name = try label()
        while take(".") { name.value += "." + (try label().value) }
        return name
    }

    mutating func setVariable() throws(SQLError) -> Statement {
        advance()
        var scope = Statement.SetVariable.Scope.session
        if takeWord("local") {
            scope = .local
            if atWords("session", "authorization") { advance() }
        } else if atWord("session"), peek().kind != .symbol("="), peek().kind != .word("to") {
            advance()
        }
        let position = token.position
        if takeWords("time", "zone") {
            let value: [Statement.SetVariable.Value]
            if takeWord("local") || takeWord("default") {
                value = [.defaultValue]
            } else if atWord("interval") {
                advance()
                value = [.text(try stringLiteral())]
                _ = try intervalFields()
            } else {
                value = [try settingValue()]
            }
            return .set(
                Statement.SetVariable(scope: scope, name: Identifier("timezone", position: position), values: value))
        }
        if atWord("transaction") || atWords("characteristics", "as", "transaction") {
            let isDefault = takeWords("characteristics", "as")
            advance()
            let modes = try transactionModes()
            var values: [Statement.SetVariable.Value] = []
            if let isReadOnly = modes.isReadOnly { values.append(.text(isReadOnly ? "read only" : "read write")) }
            if let isolation = modes.isolation { values.append(.text(isolation)) }
            let name = Identifier(isDefault ? "session characteristics" : "transaction", position: position)
            return .set(Statement.SetVariable(scope: scope, name: name, values: values))
        }
        if takeWord("names") {
            let name = Identifier("client_encoding", position: position)
            return .set(Statement.SetVariable(scope: scope, name: name, values: [try settingValue()]))
        }
        if atWord("authorization") || atWord("role") && peek().kind != .symbol("=") && peek().kind != .word("to") {
            let name = Identifier(atWord("role") ? "role" : "session_authorization", position: position)
            advance()
            if takeWord("default") {
                return .set(Statement.SetVariable(scope: scope, name: name, values: [.defaultValue]))
            }
            return .set(Statement.SetVariable(scope: scope, name: name, values: [try settingValue()]))
        }
        let name = try settingName()
        guard take("=") || takeWord("to") else { throw unexpected() }
        if takeWord("default") {
            return .set(Statement.SetVariable(scope: scope, name: name, values: [.defaultValue]))
        }
        var values: [Statement.SetVariable.Value] = []
        repeat { values.append(try settingValue()) } while take(",")
        return .set(Statement.SetVariable(scope: scope, name: name, values: values))
    }

    private mutating func settingValue() throws(SQLError) -> Statement.SetVariable.Value {
        defer { advance() }
        var sign = ""
        if at("-") || at("+") {
            if at("-") { sign = "-" }
            advance()
        }
        switch token.kind {
        case .string(let text), .quotedWord(let text), .word(let text): return .text(sign + text)
        case .integer(let digits), .decimal(let digits): return .number(sign + digits)
        case .parameter, .symbol, .bits, .end: throw unexpected()
        }
    }

    // MARK: - Transactions and prepared statements

    private mutating func transaction(_ word: String) throws(SQLError) -> Statement {
        advance()
        switch word {
        case "begin", "start":
            if word == "start" {
                try expectWord("transaction")
            } else if !takeWord("transaction") {
                _ = takeWord("work")
            }
            return .transaction(.begin(try transactionModes()))
        case "commit", "end":
            if !takeWord("transaction") { _ = takeWord("work") }
            if takeWords("and", "chain") { return .transaction(.chain(isCommit: true)) }
            _ = takeWords("and", "no", "chain")
            return .transaction(.commit)
        case "savepoint": return .transaction(.savepoint(try name()))
        case "release":
            _ = takeWord("savepoint")
            return .transaction(.release(try name()))
        default:
            if !takeWord("transaction") { _ = takeWord("work") }
            if takeWord("to") {
                _ = takeWord("savepoint")
                return .transaction(.rollbackTo(try name()))
            }
            if takeWords("and", "chain") { return .transaction(.chain(isCommit: false)) }
            _ = takeWords("and", "no", "chain")
            return .transaction(.rollback)
        }
    }

    private mutating func transactionModes() throws(SQLError) -> Statement.TransactionModes {
        var modes = Statement.TransactionModes()
        while true {
            if takeWords("isolation", "level") {
                if takeWord("serializable") {
                    modes.isolation = "serializable"
                } else if takeWords("repeatable", "read") {
                    modes.isolation = "repeatable read"
                } else if takeWords("read", "committed") {
                    modes.isolation = "read committed"
                } else if takeWords("read", "uncommitted") {
                    modes.isolation = "read uncommitted"
                } else {
                    throw unexpected()
                }
            } else if takeWords("read", "only") {
                modes.isReadOnly = true
            } else if takeWords("read", "write") {
                modes.isReadOnly = false
            } else if !takeWords("not", "deferrable"), !takeWord("deferrable") {
                return modes
            }
            _ = take(",")
        }
    }
}
