// The grammar of EXPLAIN, with options in parentheses and as words.
import Diagnostics

extension Parser {
    mutating func explain() throws(SQLError) -> Statement {
        advance()
        var explain = Statement.Explain(analyze: false, verbose: false, format: "text", statement: .reset(nil))
        if at("("), !startsQuery() {
            advance()
            repeat { try explainOption(&explain) } while take(",")
            try expect(")")
        } else {
            explain.analyze = takeWord("analyze") || takeWord("analyse")
            explain.verbose = takeWord("verbose")
        }
        explain.statement = try statement()
        return .explain(explain)
    }

    private mutating func explainOption(_ explain: inout Statement.Explain) throws(SQLError) {
        let position = token.position
        let option = try label().value
        var value = "true"
        switch token.kind {
        case .word(let word): value = word
        case .string(let text): value = text.lowercased()
        case .integer(let digits): value = digits
        default: break
        }
        if !at(","), !at(")") { advance() }
        let isOn = !["false", "off", "0"].contains(value)
        switch option {
        case "analyze", "analyse": explain.analyze = isOn
        case "verbose": explain.verbose = isOn
        case "format":
            guard value == "text" || value == "json" else {
                throw SQLError(
                    .invalidParameterValue, "unrecognized value for EXPLAIN option \"format\": \"\(value)\"",
                    position: position)
            }
            explain.format = value
        case "costs", "buffers", "timing", "summary", "settings", "wal", "generic_plan", "memory", "serialize": break
        default:
            throw SQLError(.syntaxError, "unrecognized EXPLAIN option \"\(option)\"", position: position)
        }
    }
}
