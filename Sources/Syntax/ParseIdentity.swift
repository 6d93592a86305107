// ALTER COLUMN: what makes a column an identity column, changes its sequence, or makes it an ordinary one again.
import Diagnostics

extension Parser {
    /// ADD GENERATED ..., SET GENERATED ..., SET INCREMENT ..., RESTART, DROP IDENTITY; nil for what is none of them.
    mutating func identityAction(_ column: Identifier) throws(SQLError) -> Statement.AlterTable.Action? {
        if takeWord("add") {
            var made = Statement.ColumnDefinition(name: column, type: TypeName("", position: column.position))
            try expectWord("generated")
            try generated(&made)
            guard let identity = made.identity else { throw unexpected() }
            return .addIdentity(column, identity)
        }
        if takeWords("drop", "identity") {
            return .dropIdentity(column, ifExists: takeWords("if", "exists"))
        }
        var isAlways: Bool?
        var options = ObjectStatement.SequenceOptions()
        let start = token.position
        while true {
            if takeWords("set", "generated") {
                isAlways = takeWord("always")
                if isAlways == false {
                    try expectWord("by")
                    try expectWord("default")
                }
            } else if atWord("restart") {
                options = try sequenceOptions(options)
            } else if atWord("set"), case .word(let word) = peek().kind, Parser.sequenceWords.contains(word) {
                advance()
                options = try sequenceOptions(options)
            } else {
                break
            }
        }
        return token.position == start ? nil : .setIdentity(column, isAlways: isAlways, options)
    }

    private static let sequenceWords: Set<String> = [
        "increment", "minvalue", "maxvalue", "no", "cycle", "start", "restart", "cache",
    ]
}
