// The grammar of statements about branches, tags and commits, besides CREATE and DROP.
import Diagnostics

extension Parser {
    /// After MERGE BRANCH.
    mutating func mergeBranch() throws(SQLError) -> BranchStatement.Merge {
        var isDryRun = takeWords("dry", "run")
        var merge = BranchStatement.Merge(
            source: try refName(), target: nil, isDryRun: false, choice: .cancel, exceptions: [], message: nil)
        if takeWord("into") {
            _ = takeWord("branch")
            merge.target = try refName()
        }
        while true {
            if takeWords("dry", "run") {
                isDryRun = true
            } else if takeWords("on", "conflict") {
                merge.choice = try choice()
                while takeWord("except") {
                    let choice = try choice()
                    repeat {
                        merge.exceptions.append(.init(choice: choice, table: try qualifiedName()))
                    } while take(",")
                }
            } else if takeWord("message") {
                merge.message = try stringLiteral()
            } else {
                break
            }
        }
        merge.isDryRun = isDryRun
        return merge
    }

    private mutating func choice() throws(SQLError) -> BranchStatement.Choice {
        if takeWord("cancel") { return .cancel }
        if takeWords("take", "source") || takeWord("overwrite") { return .takeSource }
        if takeWords("take", "target") || takeWord("discard") { return .takeTarget }
        throw unexpected()
    }

    /// After ALTER BRANCH or ALTER TAG.
    mutating func alterRef(_ kind: Statement.RefKind) throws(SQLError) -> BranchStatement {
        let name = try refName()
        if takeWords("rename", "to") { return .alter(kind: kind, name: name, .rename(try refName())) }
        if takeWord("assign") {
            _ = takeWord("to")
            _ = takeWord("branch") || takeWord("tag") || takeWord("commit")
            let target = try refName()
            return .alter(kind: kind, name: name, .assign(target, takeWord("at") ? try versionAfterAt() : nil))
        }
        if takeWord("set") { return .alter(kind: kind, name: name, .set(try refOptions())) }
        if takeWords("add", "check") {
            let check = try self.name()
            try expectWord("as")
            let isParenthesized = take("(")
            let start = token.position
            let query = try query()
            let text = text(from: start)
            if isParenthesized { try expect(")") }
            return .alter(kind: kind, name: name, .addCheck(check, query, text: text))
        }
        if takeWords("drop", "check") {
            let ifExists = takeWords("if", "exists")
            return .alter(kind: kind, name: name, .dropCheck(try self.name(), ifExists: ifExists))
        }
        throw unexpected()
    }

    /// `(protected = true, retain = '30 days')`.
    mutating func refOptions() throws(SQLError) -> RefOptionList {
        try expect("(")
        var options = RefOptionList()
        repeat {
            let name = try label()
            // `protected` alone means true.
            let hasValue = take("=")
            let position = token.position
            switch name.value {
            case "protected":
                options.isProtected = hasValue ? try isOn() : true
            case "retain":
                let text: String
                if case .integer(let digits) = token.kind {
                    advance()
                    text = digits
                } else {
                    text = try stringLiteral()
                }
                let words = text.split(separator: " ")
                let isDays = words.count == 1 || words.count == 2 && (words[1] == "days" || words[1] == "day")
                guard let first = words.first, let days = Int(first), days > 0, days <= Parser.retainDaysMax, isDays
                else {
                    throw SQLError(
                        .invalidParameterValue, "invalid retention \"\(text)\"", hint: "Write retain = '30 days'.",
                        position: position)
                }
                options.retainDays = days
            default:
                throw SQLError(
                    .syntaxError, "unrecognized option \"\(name.value)\"", hint: "There are protected and retain.",
                    position: name.position)
            }
        } while take(",")
        try expect(")")
        return options
    }

    /// A thousand years.
    private static let retainDaysMax = 365_000

    private mutating func isOn() throws(SQLError) -> Bool {
        let position = token.position
        let text: String
        if case .string(let quoted) = token.kind {
            advance()
            text = quoted.lowercased()
        } else {
            text = try label().value
        }
        if ["true", "on", "yes"].contains(text) { return true }
        if ["false", "off", "no"].contains(text) { return false }
        throw SQLError(.invalidParameterValue, "\"\(text)\" is not a Boolean value", position: position)
    }

    /// After REVERT or CHERRY PICK: a commit and the branch that it is applied to.
    mutating func replayedCommit() throws(SQLError) -> (commit: Identifier, branch: Identifier?) {
        _ = takeWord("commit")
        let commit = try refName()
        guard takeWord("on") || takeWord("into") else { return (commit, nil) }
        _ = takeWord("branch")
        return (commit, try refName())
    }

    /// After RESTORE.
    mutating func restore() throws(SQLError) -> BranchStatement {
        if !takeWord("table") { _ = takeWord("view") }
        let name = try qualifiedName()
        if !takeWord("from") { try expectWord("at") }
        return .restore(name, try versionAfterAt())
    }

    /// After SHOW DIFF.
    mutating func difference() throws(SQLError) -> BranchStatement {
        _ = takeWord("from")
        let from = try refName()
        try expectWord("to")
        let to = try refName()
        guard takeWord("for") else { return .difference(from: from, to: to) }
        _ = takeWord("table")
        return .rowDifference(from: from, to: to, table: try qualifiedName())
    }
}
