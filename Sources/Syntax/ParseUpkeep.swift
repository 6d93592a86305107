// The grammar of upkeep.
import Diagnostics

extension Parser {
    /// `OPTIMIZE TABLE t [(file_size_threshold => '128MB')] [WHERE ...] [DRY RUN]`, after OPTIMIZE.
    mutating func optimize() throws(SQLError) -> UpkeepStatement {
        _ = takeWord("table")
        return try optimize(try qualifiedName())
    }

    private mutating func optimize(_ table: QualifiedName) throws(SQLError) -> UpkeepStatement {
        var optimize = UpkeepStatement.Optimize(tables: [table])
        if at("(") { optimize.options = try options() }
        if takeWord("where") { optimize.condition = try expression() }
        optimize.isDryRun = takeWords("dry", "run")
        return .optimize(optimize)
    }

    /// `VACUUM [(...)] [FULL] [FREEZE] [VERBOSE] [ANALYZE] [t, ...]`, after VACUUM. What PostgreSQL's options ask for is done
    /// or not needed.
    mutating func vacuum() throws(SQLError) -> UpkeepStatement {
        if take("(") {
            while !at(")"), !isAtEnd { advance() }
            try expect(")")
        }
        while takeWord("full") || takeWord("freeze") || takeWord("verbose") || takeWord("analyze")
            || takeWord("analyse")
        {}
        var vacuum = UpkeepStatement.Optimize(tables: [], verb: "VACUUM")
        if !isAtEnd, !at(";") {
            repeat { vacuum.tables.append(try qualifiedName()) } while take(",")
        }
        return .optimize(vacuum)
    }

    /// `EXPIRE SNAPSHOTS OF t [OLDER THAN '7 days'] [KEEP 5] [DRY RUN]`, after EXPIRE.
    mutating func expireSnapshots() throws(SQLError) -> UpkeepStatement {
        try expectWord("snapshots")
        if !takeWord("of") { _ = takeWord("from") }
        var expire = UpkeepStatement.ExpireSnapshots(table: try qualifiedName())
        while true {
            if takeWords("older", "than") {
                expire.olderThan = try expression()
            } else if takeWord("keep") {
                guard case .integer(let digits) = token.kind, let number = Int(digits), number > 0 else {
                    throw unexpected()
                }
                advance()
                expire.keeping = number
            } else if takeWords("dry", "run") {
                expire.isDryRun = true
            } else {
                return .expireSnapshots(expire)
            }
        }
    }

    /// `COLLECT GARBAGE [OLDER THAN '1 day'] [DRY RUN]`, after COLLECT.
    mutating func collectGarbage() throws(SQLError) -> UpkeepStatement {
        try expectWord("garbage")
        var collect = UpkeepStatement.CollectGarbage()
        while true {
            if takeWords("older", "than") {
                collect.olderThan = try expression()
            } else if takeWords("dry", "run") {
                collect.isDryRun = true
            } else {
                return .collectGarbage(collect)
            }
        }
    }

    /// Trino's names: `ALTER TABLE t EXECUTE optimize | expire_snapshots | remove_orphan_files`, after EXECUTE.
    mutating func executeUpkeep(_ table: QualifiedName) throws(SQLError) -> UpkeepStatement {
        let position = token.position
        let procedure = try label().value
        switch procedure {
        case "optimize": return try optimize(table)
        case "expire_snapshots":
            let options = at("(") ? try options() : [:]
            var expire = UpkeepStatement.ExpireSnapshots(
                table: table, olderThan: try retention(options, ["retention_threshold", "retain_last"], position))
            if let text = options["retain_last"] {
                guard let number = Int(text), number > 0 else {
                    throw SQLError(.invalidParameterValue, "invalid retain_last \"\(text)\"", position: position)
                }
                expire.keeping = number
            }
            expire.isDryRun = takeWords("dry", "run")
            return .expireSnapshots(expire)
        case "remove_orphan_files":
            throw SQLError(
                .featureNotSupported, "orphan files of a single table are not removed",
                hint: "COLLECT GARBAGE removes the files that no table of any branch needs.", position: position)
        default:
            throw SQLError(
                .undefinedObject, "procedure \"\(procedure)\" does not exist",
                hint: "There are optimize and expire_snapshots.", position: position)
        }
    }

    private func retention(
        _ options: [String: String], _ known: Set<String>, _ position: Int
    ) throws(SQLError) -> Expression? {
        if let odd = options.keys.sorted().first(where: { !known.contains($0) }) {
            throw SQLError(.syntaxError, "unrecognized option \"\(odd)\"", position: position)
        }
        return options["retention_threshold"].map { Expression(.string($0), position: position) }
    }
}
