// The entry to the parser, and its cursor over tokens. The grammar is in the extensions by topic.
public import Diagnostics

/// Parses SQL text. A recursive-descent parser with a bound on its depth.
public struct Parser {
    var tokens: [Token]
    var index = 0
    let bytes: [UInt8]
    /// Levels of nesting around the cursor.
    var depth = 0
    /// At least the height of what was parsed so far on this level. Chains such as a + b + c grow it without nesting.
    var height = 0
    /// The index of the token that closes a parenthesis, by the index of the one that opens it; made when needed.
    var closers: [Int32] = []
    /// SELECT ... INTO: the table that is made of the statement's rows.
    var intoTable: (name: QualifiedName, isTemporary: Bool)?
    private let stack = StackLimit()

    /// Levels of nesting; fewer where the thread's stack is small.
    static let depthMax = 500
    /// Levels of the tree. Bounded so that no later walk of the tree, nor its release, can exhaust a thread's stack;
    /// SQLite and DuckDB draw the line at the same place.
    static let heightMax = 1_000
    /// The depth of a statement's own SELECT.
    static let intoDepthMax = 2

    init(_ sql: String) throws(SQLError) {
        bytes = Array(sql.utf8)
        tokens = try Lexer.tokens(of: bytes)
    }

    /// Splits and parses a text of statements separated by semicolons; empty ones are left out.
    public static func parse(_ sql: String) throws(SQLError) -> [ParsedStatement] {
        var parser = try Parser(sql)
        var statements: [ParsedStatement] = []
        while true {
            while parser.take(";") {}
            if parser.isAtEnd { return statements }
            let start = parser.token.position
            let statement = try parser.statement()
            guard parser.isAtEnd || parser.at(";") else {
                // A message must not repeat a password.
                if statement.holdsSecrets, case .string = parser.token.kind {
                    throw SQLError(
                        .syntaxError, "syntax error in statement about a role", position: parser.token.position)
                }
                throw parser.unexpected()
            }
            statements.append(
                ParsedStatement(statement: statement, text: parser.text(from: start), offset: start))
        }
    }

    /// Parses one query: a view's text.
    public static func parseQuery(_ sql: String) throws(SQLError) -> Query {
        var parser = try Parser(sql)
        let query = try parser.query()
        while parser.take(";") {}
        guard parser.isAtEnd else { throw parser.unexpected() }
        return query
    }

    /// Parses one expression.
    public static func parseExpression(_ sql: String) throws(SQLError) -> Expression {
        var parser = try Parser(sql)
        let expression = try parser.expression()
        guard parser.isAtEnd else { throw parser.unexpected() }
        return expression
    }

    /// Parses the name of a type.
    public static func parseType(_ sql: String) throws(SQLError) -> TypeName {
        var parser = try Parser(sql)
        let type = try parser.typeName()
        guard parser.isAtEnd else { throw parser.unexpected() }
        return type
    }

    // MARK: - Cursor

    var token: Token { tokens[index] }
    var isAtEnd: Bool { token.kind == .end }

    func peek(_ ahead: Int = 1) -> Token { tokens[min(index + ahead, tokens.count - 1)] }

    mutating func advance() { if index < tokens.count - 1 { index += 1 } }

    /// The text from a position to the end of the last token taken.
    func text(from start: Int) -> String {
        let end = index > 0 ? tokens[index - 1].end : start
        return String(decoding: bytes[start..<max(start, end)], as: UTF8.self)
    }

    func at(_ symbol: String) -> Bool { token.kind == .symbol(symbol) }
    func atWord(_ word: String) -> Bool { token.kind == .word(word) }
    func atWords(_ words: String...) -> Bool {
        for (ahead, word) in words.enumerated() where peek(ahead).kind != .word(word) { return false }
        return true
    }

    mutating func take(_ symbol: String) -> Bool {
        guard at(symbol) else { return false }
        advance()
        return true
    }

    mutating func takeWord(_ word: String) -> Bool {
        guard atWord(word) else { return false }
        advance()
        return true
    }

    mutating func takeWords(_ words: String...) -> Bool {
        for (ahead, word) in words.enumerated() where peek(ahead).kind != .word(word) { return false }
        for _ in words { advance() }
        return true
    }

    /// ORDER BY, GROUP BY, PARTITION BY: the first word decides, so that what is wrong is the token behind it.
    mutating func takeBy(_ word: String) throws(SQLError) -> Bool {
        guard takeWord(word) else { return false }
        try expectWord("by")
        return true
    }

    mutating func expect(_ symbol: String) throws(SQLError) {
        guard take(symbol) else { throw unexpected() }
    }

    mutating func expectWord(_ word: String) throws(SQLError) {
        guard takeWord(word) else { throw unexpected() }
    }

    /// PostgreSQL's error for a token that does not fit here.
    func unexpected() -> SQLError {
        guard !isAtEnd else {
            return SQLError(.syntaxError, "syntax error at end of input", position: token.position)
        }
        let text = String(decoding: bytes[token.position..<token.end], as: UTF8.self)
        return SQLError(.syntaxError, "syntax error at or near \"\(text)\"", position: token.position)
    }

    /// Counts a level of nesting for the time of `body`.
    mutating func nested<T>(_ body: (inout Parser) throws(SQLError) -> T) throws(SQLError) -> T {
        depth += 1
        let siblings = height
        height = 0
        defer { depth -= 1 }
        guard depth <= Parser.depthMax, !stack.isReached else { throw tooDeep() }
        let result = try body(&self)
        try grow()
        height = max(height, siblings)
        return result
    }

    /// Counts a level of the tree: what was parsed so far becomes a child of what comes next.
    mutating func grow() throws(SQLError) {
        height += 1
        guard height <= Parser.heightMax else { throw tooDeep() }
    }

    func tooDeep() -> SQLError {
        SQLError(
            .statementTooComplex, "stack depth limit exceeded",
            hint: "Nest at most \(Parser.depthMax) levels, and chain at most \(Parser.heightMax) operators.",
            position: token.position)
    }

    // MARK: - Names

    /// A name of a column, table or alias: any word but reserved ones and those for functions and types.
    func isName(_ token: Token) -> Bool {
        switch token.kind {
        case .quotedWord: true
        case .word: token.keyword.isDisjoint(with: [.reserved, .functionOrType])
        default: false
        }
    }

    mutating func name() throws(SQLError) -> Identifier {
        guard isName(token) else { throw unexpected() }
        return anyWord()
    }

    /// Takes a word of any kind, reserved too: after AS and after a dot.
    mutating func label() throws(SQLError) -> Identifier {
        switch token.kind {
        case .word, .quotedWord: return anyWord()
        default: throw unexpected()
        }
    }

    private mutating func anyWord() -> Identifier {
        defer { advance() }
        switch token.kind {
        case .quotedWord(let text): return Identifier(text, isQuoted: true, position: token.position)
        case .word(let text): return Identifier(text, position: token.position)
        default: return Identifier("", position: token.position)
        }
    }

    mutating func qualifiedName() throws(SQLError) -> QualifiedName {
        let position = token.position
        var parts = [try name()]
        while take(".") { parts.append(try label()) }
        return try checked(QualifiedName(parts, position: position))
    }

    /// Refuses a name of more parts than database, schema, table and column.
    func checked(_ name: QualifiedName) throws(SQLError) -> QualifiedName {
        guard name.parts.count <= 4 else {
            throw SQLError(
                .syntaxError, "improper qualified name (too many dotted names): \(name.text)",
                position: name.position)
        }
        return name
    }

    mutating func names() throws(SQLError) -> [Identifier] {
        var list = [try name()]
        while take(",") { list.append(try name()) }
        return list
    }

    /// `(a, b)` when there is one.
    mutating func optionalNames() throws(SQLError) -> [Identifier] {
        guard take("(") else { return [] }
        let list = try names()
        try expect(")")
        return list
    }

    mutating func stringLiteral() throws(SQLError) -> String {
        guard case .string(let text) = token.kind else { throw unexpected() }
        advance()
        return text
    }
}
