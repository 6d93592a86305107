// The grammar of CREATE TABLE, ALTER TABLE and COMMENT.
import Diagnostics

extension Parser {
    // MARK: - Create

    /// Behind CREATE [OR REPLACE] [TEMPORARY] TABLE.
    mutating func createTable(_ orReplace: Bool, _ isTemporary: Bool) throws(SQLError) -> Statement.CreateTable {
        let ifNotExists = takeWords("if", "not", "exists")
        var table = Statement.CreateTable(name: try qualifiedName())
        table.orReplace = orReplace
        table.ifNotExists = ifNotExists
        table.isTemporary = isTemporary
        if takeWords("partition", "of") {
            try partitionOf(&table)
        } else if at("("), !parenthesesBeginQuery() {
            try tableElements(&table)
        }
        try tableOptions(&table)
        if takeWord("as") {
            table.query = try query()
            table.withData = withData()
        }
        if table.query != nil, let like = table.likes.first {
            throw SQLError(.syntaxError, "LIKE and AS do not go together", position: like.table.position)
        }
        let untyped = table.columns.first { $0.type.name.isEmpty }
        if let untyped, table.query == nil, table.partitionOf == nil {
            throw SQLError(
                .syntaxError, "column \"\(untyped.name.value)\" has no type", position: untyped.name.position)
        }
        return table
    }

    /// Behind CREATE MATERIALIZED VIEW: a table with a query that REFRESH runs again.
    mutating func createMaterializedView(_ orReplace: Bool) throws(SQLError) -> Statement.CreateTable {
        let ifNotExists = takeWords("if", "not", "exists")
        var view = Statement.CreateTable(name: try qualifiedName())
        view.orReplace = orReplace
        view.ifNotExists = ifNotExists
        view.columns = try optionalNames().map {
            Statement.ColumnDefinition(name: $0, type: TypeName("", position: $0.position))
        }
        try tableOptions(&view)
        try expectWord("as")
        let start = token.position
        view.query = try query()
        view.viewText = text(from: start)
        view.withData = withData()
        return view
    }

    /// WITH [NO] DATA.
    private mutating func withData() -> Bool {
        if takeWords("with", "no", "data") { return false }
        _ = takeWords("with", "data")
        return true
    }

    mutating func refresh() throws(SQLError) -> Statement {
        advance()
        try expectWord("materialized")
        try expectWord("view")
        _ = takeWord("concurrently")
        let name = try qualifiedName()
        return .refresh(name, withData: withData())
    }

    mutating func tableElements(_ table: inout Statement.CreateTable, typed: Bool = true) throws(SQLError) {
        try expect("(")
        if take(")") { return }
        repeat {
            if let key = try tableKey() {
                table.keys.append(key)
            } else if atWord("like"), peek().kind != .symbol(",") {
                advance()
                table.likes.append(try like(at: table.columns.count))
            } else {
                table.columns.append(try tableColumn(&table.keys, typed: typed))
            }
            // A comma behind the last one is forgiven, as DuckDB does.
        } while take(",") && !at(")")
        try expect(")")
    }

    /// Behind LIKE: what is taken over besides names and types.
    private mutating func like(at place: Int) throws(SQLError) -> Statement.CreateTable.Like {
        var like = Statement.CreateTable.Like(
            table: try qualifiedName(), place: place, includesDefaults: false, includesGenerated: false,
            includesIdentity: false)
        while atWord("including") || atWord("excluding") {
            let isIncluded = atWord("including")
            advance()
            let what = try label().value
            if what == "all" || what == "defaults" { like.includesDefaults = isIncluded }
            if what == "all" || what == "generated" { like.includesGenerated = isIncluded }
            if what == "all" || what == "identity" { like.includesIdentity = isIncluded }
            guard Parser.likeOptions.contains(what) else { throw unexpected() }
        }
        return like
    }

    private static let likeOptions: Set<String> = [
        "all", "comments", "compression", "constraints", "defaults", "generated", "identity", "indexes", "statistics",
        "storage",
    ]

    /// A column with its constraints; in CREATE TABLE t (a, b) AS a name alone.
    private mutating func tableColumn(
        _ keys: inout [Statement.KeyDefinition], typed: Bool = true
    ) throws(SQLError) -> Statement.ColumnDefinition {
        let name = try name()
        if at(",") || at(")") {
            return Statement.ColumnDefinition(name: name, type: TypeName("", position: name.position))
        }
        // Columns of PARTITION OF have their types from the parent.
        if !typed { _ = takeWords("with", "options") }
        var column = Statement.ColumnDefinition(
            name: name, type: typed ? try typeName() : TypeName("", position: name.position))
        while true {
            let position = token.position
            let keysBefore = keys.count
            var constraint: Identifier?
            if takeWord("constraint") { constraint = try self.name() }
            defer {
                for index in keysBefore..<keys.count { (keys[index].name, keys[index].column) = (constraint, name) }
            }
            if takeWords("not", "null") {
                column.isNotNull = true
            } else if takeWord("null") {
            } else if takeWord("default") {
                let start = token.position
                column.defaultValue = try expression(.sum)
                column.defaultText = text(from: start)
            } else if takeWord("collate") {
                _ = try qualifiedName()
            } else if takeWord("generated") {
                try generated(&column)
            } else if takeWords("primary", "key") {
                keys.append(
                    try key(.primary, [name], "PRIMARY KEY (\(Parser.quoted(name.value)))", position))
            } else if takeWord("unique") {
                keys.append(try key(.unique, [name], "UNIQUE (\(Parser.quoted(name.value)))", position))
            } else if atWord("references") {
                let start = token.position
                try skipReference()
                let text = "FOREIGN KEY (\(Parser.quoted(name.value))) " + text(from: start)
                keys.append(try key(.foreign, [name], text, position))
            } else if atWord("check") {
                keys.append(try check(position))
            } else {
                return column
            }
        }
    }

    /// Behind GENERATED.
    mutating func generated(_ column: inout Statement.ColumnDefinition) throws(SQLError) {
        let isAlways = takeWord("always")
        if !isAlways {
            try expectWord("by")
            try expectWord("default")
        }
        try expectWord("as")
        if takeWord("identity") {
            var options = ObjectStatement.SequenceOptions()
            if take("(") {
                options = try sequenceOptions()
                try expect(")")
            }
            column.identity = Statement.ColumnDefinition.Identity(isAlways: isAlways, options: options)
            column.isNotNull = true
            return
        }
        guard isAlways else { throw unexpected() }
        try expect("(")
        let start = token.position
        column.generated = try expression()
        column.generatedText = text(from: start)
        try expect(")")
        try expectWord("stored")
    }

    static func quoted(_ name: String) -> String {
        let isPlain = name.utf8.enumerated().allSatisfy { index, byte in
            (97...122).contains(byte) || byte == 95 || (index > 0 && (48...57).contains(byte))
        }
        return isPlain && !name.isEmpty
            ? name
            : "\""
                + name.split(separator: "\"", omittingEmptySubsequences: false)
                .joined(separator: "\"\"") + "\""
    }

    /// A constraint of the table; nil where a column begins.
    private mutating func tableKey() throws(SQLError) -> Statement.KeyDefinition? {
        let position = token.position
        var name: Identifier?
        if takeWord("constraint") { name = try self.name() }
        var key = try unnamedKey(position)
        key?.name = name
        return key
    }

    private mutating func unnamedKey(_ position: Int) throws(SQLError) -> Statement.KeyDefinition? {
        if takeWords("primary", "key") { return try keyColumns(.primary, position) }
        if takeWord("unique") { return try keyColumns(.unique, position) }
        if atWords("foreign", "key") {
            let start = token.position
            advance()
            advance()
            try expect("(")
            let columns = try names()
            try expect(")")
            try skipReference()
            return try key(.foreign, columns, text(from: start), position)
        }
        if atWord("check"), peek().kind == .symbol("(") { return try check(position) }
        if token.position != position { throw unexpected() }
        return nil
    }

    private mutating func keyColumns(
        _ kind: Statement.KeyDefinition.Kind, _ position: Int
    ) throws(SQLError) -> Statement.KeyDefinition {
        try expect("(")
        let columns = try names()
        try expect(")")
        let list = columns.map { Parser.quoted($0.value) }.joined(separator: ", ")
        return try key(kind, columns, "\(kind.rawValue) (\(list))", position)
    }

    private mutating func check(_ position: Int) throws(SQLError) -> Statement.KeyDefinition {
        let start = token.position
        advance()
        try expect("(")
        let condition = try expression()
        try expect(")")
        var check = try key(.check, [], text(from: start), position)
        check.condition = condition
        return check
    }

    /// What follows a constraint: DEFERRABLE and its kin, NOT ENFORCED.
    private mutating func key(
        _ kind: Statement.KeyDefinition.Kind, _ columns: [Identifier], _ text: String, _ position: Int
    ) throws(SQLError) -> Statement.KeyDefinition {
        var isEnforced = true
        var isValidated = true
        while true {
            if takeWords("not", "enforced") {
                isEnforced = false
            } else if takeWords("not", "valid") {
                isValidated = false
            } else if takeWord("enforced") || takeWords("not", "deferrable") || takeWord("deferrable")
                || takeWords("initially", "deferred") || takeWords("initially", "immediate")
                || takeWords("no", "inherit")
            {
            } else {
                var key = Statement.KeyDefinition(
                    kind: kind, columns: columns, text: text, isEnforced: isEnforced, position: position)
                key.isValidated = isValidated
                return key
            }
        }
    }

    private mutating func skipReference() throws(SQLError) {
        try expectWord("references")
        _ = try qualifiedName()
        _ = try optionalNames()
        if takeWord("match") { _ = try label() }
        while atWord("on") {
            advance()
            if !takeWord("delete") { try expectWord("update") }
            if takeWord("no") {
                try expectWord("action")
            } else if takeWord("set") {
                _ = try label()
            } else {
                _ = try label()
            }
        }
    }

    /// PARTITIONED BY, SORTED BY, WITH, LOCATION, ON COMMIT, in any order.
    private mutating func tableOptions(_ table: inout Statement.CreateTable) throws(SQLError) {
        while true {
            let position = token.position
            if takeWords("partitioned", "by") {
                table.partitioning = try partitionItems()
            } else if takeWords("sorted", "by") {
                try expect("(")
                table.sortOrder = try sortItems()
                try expect(")")
            } else if takeWord("location") {
                table.location = try stringLiteral()
            } else if atWord("with"), peek().kind == .symbol("(") {
                advance()
                table.properties.merge(try options()) { $1 }
            } else if takeWord("using") {
                table.properties["format"] = try label().value.lowercased()
            } else if takeWord("tablespace") {
                _ = try name()
            } else if takeWords("on", "commit") {
                if takeWord("drop") {
                    table.dropsOnCommit = true
                } else if takeWords("delete", "rows") {
                    throw SQLError(
                        .featureNotSupported, "ON COMMIT DELETE ROWS is not supported", position: position)
                } else {
                    guard takeWords("preserve", "rows") else { throw unexpected() }
                }
            } else if takeWords("partition", "by") {
                table.partitionBy = try partitionBy()
            } else {
                return
            }
        }
    }

    /// `(region, day(created_at), bucket(16, id))`.
    mutating func partitionItems() throws(SQLError) -> [Statement.PartitionItem] {
        try expect("(")
        var items: [Statement.PartitionItem] = []
        repeat {
            let position = token.position
            guard case .word(let word) = token.kind, peek().kind == .symbol("(") else {
                items.append(
                    Statement.PartitionItem(transform: "identity", column: try name(), width: nil, position: position))
                continue
            }
            advance()
            try expect("(")
            var width: Int?
            if case .integer(let digits) = token.kind {
                width = Int(digits)
                advance()
                try expect(",")
            }
            let column = try name()
            if width == nil, take(",") {
                guard case .integer(let digits) = token.kind else { throw unexpected() }
                width = Int(digits)
                advance()
            }
            try expect(")")
            items.append(Statement.PartitionItem(transform: word, column: column, width: width, position: position))
        } while take(",")
        try expect(")")
        return items
    }

    private mutating func sortItems() throws(SQLError) -> [Statement.SortItem] {
        var items: [Statement.SortItem] = []
        repeat {
            var item = Statement.SortItem(column: try name(), isDescending: false, nullsFirst: nil)
            if takeWord("desc") { item.isDescending = true } else { _ = takeWord("asc") }
            if takeWords("nulls", "first") { item.nullsFirst = true }
            if takeWords("nulls", "last") { item.nullsFirst = false }
            items.append(item)
        } while take(",")
        return items
    }

    // MARK: - Alter

    /// ALTER TABLE and ALTER VIEW; nil for the others.
    mutating func alter() throws(SQLError) -> Statement? {
        advance()
        if takeWord("sequence") { return try alterObject(.sequence) }
        if takeWord("index") { return try alterObject(.index) }
        if takeWord("type") { return try alterType(isDomain: false) }
        if takeWord("domain") { return try alterType(isDomain: true) }
        for kind in [ObjectStatement.Kind.function, .procedure, .routine] where takeWord(kind.rawValue) {
            let routine = try routine()
            guard takeWords("owner", "to") else { return nil }
            return .access(.owner(.routine(kind, routine), to: try roleName()))
        }
        // A materialized view is a table with a query.
        let isMaterialized = takeWords("materialized", "view")
        let isView = !isMaterialized && takeWord("view")
        guard isMaterialized || isView || takeWord("table") else { return nil }
        let ifExists = takeWords("if", "exists")
        _ = takeWord("only")
        var alter = Statement.AlterTable(
            name: try qualifiedName(), isView: isView, ifExists: ifExists, actions: [])
        _ = take("*")
        if !isView, takeWord("execute") { return .upkeep(try executeUpkeep(alter.name)) }
        repeat { alter.actions.append(try alterAction()) } while take(",")
        return .alterTable(alter)
    }

    private mutating func alterAction() throws(SQLError) -> Statement.AlterTable.Action {
        if takeWord("add") { return try addAction() }
        if takeWord("drop") {
            if takeWord("constraint") {
                let ifExists = takeWords("if", "exists")
                let name = try name()
                if !takeWord("cascade") { _ = takeWord("restrict") }
                return .dropConstraint(name, ifExists: ifExists)
            }
            _ = takeWord("column")
            let ifExists = takeWords("if", "exists")
            let name = try name()
            let isCascade = takeWord("cascade")
            if !isCascade { _ = takeWord("restrict") }
            return .dropColumn(name, ifExists: ifExists, isCascade: isCascade)
        }
        if takeWord("rename") {
            if takeWord("to") { return .rename(try name()) }
            if takeWord("constraint") {
                let old = try name()
                try expectWord("to")
                return .renameConstraint(old, to: try name())
            }
            _ = takeWord("column")
            let old = try name()
            try expectWord("to")
            return .renameColumn(from: old, to: try name())
        }
        if takeWord("set") { return try setAction() }
        if takeWord("reset") {
            try expect("(")
            var keys: [String] = []
            repeat { keys.append(try optionKey()) } while take(",")
            try expect(")")
            return .resetProperties(keys)
        }
        if takeWord("alter") { return try alterColumn() }
        if takeWord("owner") {
            try expectWord("to")
            return .owner(try roleName())
        }
        if let action = try partitionAction() { return action }
        if takeWords("validate", "constraint") {
            _ = try name()
            return .ignored
        }
        if takeWords("enable", "row", "level", "security") { return .rowSecurity(isEnabled: true, isForced: nil) }
        if takeWords("disable", "row", "level", "security") { return .rowSecurity(isEnabled: false, isForced: nil) }
        if takeWords("force", "row", "level", "security") { return .rowSecurity(isEnabled: nil, isForced: true) }
        if takeWords("no", "force", "row", "level", "security") {
            return .rowSecurity(isEnabled: nil, isForced: false)
        }
        throw unexpected()
    }

    private func unsupportedAction(_ what: String) -> SQLError {
        SQLError(.featureNotSupported, "ALTER TABLE ... \(what) is not supported", position: token.position)
    }

    private mutating func addAction() throws(SQLError) -> Statement.AlterTable.Action {
        if let key = try tableKey() { return .addKey(key) }
        _ = takeWord("column")
        let ifNotExists = takeWords("if", "not", "exists")
        var keys: [Statement.KeyDefinition] = []
        let column = try tableColumn(&keys)
        guard !column.type.name.isEmpty else { throw unexpected() }
        return .addColumn(column, ifNotExists: ifNotExists, keys)
    }

    /// What a declared key that would have to be enforced is answered with.
    static func enforced(_ key: Statement.KeyDefinition) -> SQLError {
        SQLError(
            .featureNotSupported, "\(key.kind.rawValue) constraints are not enforced",
            hint: "Write NOT ENFORCED behind it to have it recorded, or SET unenforced_constraints = on.",
            position: key.position)
    }

    private mutating func setAction() throws(SQLError) -> Statement.AlterTable.Action {
        if takeWord("schema") { return .setSchema(try name()) }
        if takeWords("partitioned", "by") { return .setPartitioning(try partitionItems()) }
        if takeWord("properties") || takeWord("tblproperties") || at("(") { return .setProperties(try options()) }
        if takeWord("logged") || takeWord("unlogged") || takeWords("without", "cluster") || takeWords("without", "oids")
        {
            return .ignored
        }
        if takeWord("tablespace") {
            _ = try name()
            return .ignored
        }
        throw unexpected()
    }

    private mutating func alterColumn() throws(SQLError) -> Statement.AlterTable.Action {
        _ = takeWord("column")
        let column = try name()
        if takeWords("set", "not", "null") { return .setNotNull(column) }
        if takeWords("drop", "not", "null") { return .dropNotNull(column) }
        if takeWords("drop", "default") { return .dropDefault(column) }
        if takeWords("set", "default") {
            let start = token.position
            let value = try expression()
            return .setDefault(column, value, text: text(from: start))
        }
        if takeWords("set", "mask") {
            let (mask, text) = try parenthesized()
            var exempt: [RoleName] = []
            if takeWord("except") { repeat { exempt.append(try roleName()) } while take(",") }
            return .setMask(column, mask, text: text, exempt: exempt)
        }
        if takeWords("drop", "mask") { return .dropMask(column) }
        if takeWord("type") || takeWords("set", "data", "type") {
            let type = try typeName()
            if takeWord("collate") { _ = try qualifiedName() }
            if atWord("using") { throw unsupportedAction("TYPE ... USING") }
            return .setType(column, type)
        }
        if takeWords("set", "statistics") || takeWords("set", "storage") {
            advance()
            return .ignored
        }
        if let action = try identityAction(column) { return action }
        throw unexpected()
    }

    // MARK: - Comment

    private func routine(_ name: QualifiedName) -> ObjectStatement.Dropped { ObjectStatement.Dropped(name: name) }

    mutating func comment() throws(SQLError) -> Statement? {
        advance()
        try expectWord("on")
        let subject: Statement.Comment.Subject
        if takeWord("table") {
            subject = .table(try qualifiedName())
        } else if takeWord("view") || takeWords("materialized", "view") {
            subject = .view(try qualifiedName())
        } else if takeWord("column") {
            let name = try qualifiedName()
            guard name.parts.count > 1 else {
                throw SQLError(.syntaxError, "column name must be qualified", position: name.position)
            }
            subject = .column(name)
        } else if takeWord("schema") {
            subject = .schema(try name())
        } else if takeWord("database") {
            subject = .database(try name())
        } else if takeWord("branch") {
            subject = .branch(try refName())
        } else if takeWord("role") {
            subject = .role(try label())
        } else if takeWord("constraint") {
            let constraint = try name()
            try expectWord("on")
            subject =
                takeWord("domain")
                ? .object(.domain, routine(try qualifiedName()), constraint)
                : .constraint(constraint, on: try qualifiedName())
        } else {
            let kinds = [ObjectStatement.Kind.sequence, .index, .function, .procedure, .routine, .type, .domain]
            guard let kind = kinds.first(where: { atWord($0.rawValue) }) else { return nil }
            advance()
            let isRoutine = [.function, .procedure, .routine].contains(kind)
            subject = .object(kind, try isRoutine ? routine() : routine(qualifiedName()), nil)
        }
        try expectWord("is")
        let text = takeWord("null") ? nil : try stringLiteral()
        return .comment(Statement.Comment(subject: subject, text: text))
    }
}
