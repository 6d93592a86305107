// The grammar of cursors: DECLARE, FETCH, MOVE.
import Diagnostics

extension Parser {
    mutating func declareCursor() throws(SQLError) -> Statement.DeclareCursor {
        advance()
        let name = try name()
        var isBinary = false
        var isScrollable: Bool?
        while !takeWord("cursor") {
            if takeWord("binary") {
                isBinary = true
            } else if takeWords("no", "scroll") {
                isScrollable = false
            } else if takeWord("scroll") {
                isScrollable = true
            } else if !takeWord("insensitive"), !takeWord("asensitive") {
                throw unexpected()
            }
        }
        let isHeld = takeWords("with", "hold")
        if !isHeld { _ = takeWords("without", "hold") }
        try expectWord("for")
        let start = token.position
        let query = try query()
        return Statement.DeclareCursor(
            name: name, isBinary: isBinary, isScrollable: isScrollable, isHeld: isHeld, query: query,
            text: text(from: start))
    }

    mutating func fetchRows(isMove: Bool) throws(SQLError) -> Statement.Fetch {
        advance()
        // A cursor may be named like a direction: FETCH next is one row of the cursor "next".
        let direction: Statement.Fetch.Direction
        switch peek().kind {
        case .end, .symbol(";"): direction = .forward(1)
        default: direction = try fetchDirection()
        }
        if !takeWord("from") { _ = takeWord("in") }
        return Statement.Fetch(direction: direction, cursor: try name(), isMove: isMove)
    }

    private mutating func fetchDirection() throws(SQLError) -> Statement.Fetch.Direction {
        if takeWord("next") { return .forward(1) }
        if takeWord("prior") { return .backward(1) }
        if takeWord("first") { return .absolute(1) }
        if takeWord("last") { return .absolute(-1) }
        if takeWord("all") { return .forward(nil) }
        if takeWord("absolute") { return .absolute(try signedInteger()) }
        if takeWord("relative") { return .relative(try signedInteger()) }
        if takeWord("forward") { return .forward(try fetchCount()) }
        if takeWord("backward") { return .backward(try fetchCount()) }
        switch token.kind {
        case .integer, .symbol("-"), .symbol("+"): return .forward(try signedInteger())
        default: return .forward(1)
        }
    }

    /// ALL, a number, or nothing for one row.
    private mutating func fetchCount() throws(SQLError) -> Int? {
        if takeWord("all") { return nil }
        switch token.kind {
        case .integer, .symbol("-"), .symbol("+"): return try signedInteger()
        default: return 1
        }
    }

    private mutating func signedInteger() throws(SQLError) -> Int {
        let sign = take("-") ? -1 : 1
        if sign > 0 { _ = take("+") }
        guard case .integer(let digits) = token.kind, let value = Int32(digits) else { throw unexpected() }
        advance()
        return sign * Int(value)
    }
}
