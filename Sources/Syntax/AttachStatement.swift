// ATTACH and DETACH: databases beside the lake, as DuckDB writes them.
import Diagnostics

extension Statement {
    /// ATTACH 'location' AS name (TYPE kind, option value, ...).
    public struct Attach: Hashable, Sendable {
        public var location: String
        public var name: Identifier
        public var ifNotExists: Bool
        /// By lower-case name; TYPE is one of them.
        public var options: [String: String]
    }
}

extension Parser {
    /// Options of one statement.
    private static let attachOptionsMax = 100

    /// After ATTACH.
    mutating func attach() throws(SQLError) -> Statement.Attach {
        _ = takeWord("database")
        let ifNotExists = takeWords("if", "not", "exists")
        let location = try stringLiteral()
        try expectWord("as")
        var attach = Statement.Attach(location: location, name: try name(), ifNotExists: ifNotExists, options: [:])
        guard take("(") else { return attach }
        repeat {
            let option = try label()
            let key = option.value.lowercased()
            guard attach.options[key] == nil, attach.options.count < Parser.attachOptionsMax else {
                throw SQLError(
                    .syntaxError, "option \"\(key)\" is given more than once", position: option.position)
            }
            attach.options[key] = try attachValue()
        } while take(",")
        guard take(")") else { throw unexpected() }
        return attach
    }

    /// A string, a word, or a number.
    private mutating func attachValue() throws(SQLError) -> String {
        if case .string = peek(0).kind { return try stringLiteral() }
        return try label().value
    }
}
