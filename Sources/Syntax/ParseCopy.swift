// The grammar of COPY, with the options of today and those of PostgreSQL before 9.0.
import Diagnostics

extension Parser {
    mutating func copy() throws(SQLError) -> CopyStatement {
        let position = token.position
        advance()
        var options = CopyStatement.Options()
        if takeWord("binary") { options.format = .binary }
        let subject: CopyStatement.Subject
        if at("(") {
            advance()
            subject = .query(try query())
            try expect(")")
        } else {
            let name = try qualifiedName()
            subject = .table(name, columns: try optionalNames())
        }
        let isFrom = takeWord("from")
        if !isFrom { try expectWord("to") }
        if case .query = subject, isFrom {
            throw SQLError(.syntaxError, "COPY query must be TO, not FROM", position: position)
        }
        var path: String?
        if case .string(let text) = token.kind {
            path = text
            advance()
        } else if !takeWord(isFrom ? "stdin" : "stdout") {
            throw unexpected()
        }
        _ = takeWord("with")
        if at("(") {
            try copyOptions(&options, isFile: path != nil && !isFrom)
        } else {
            try legacyCopyOptions(&options)
        }
        if isFrom, takeWord("where") {
            throw SQLError(.featureNotSupported, "COPY FROM ... WHERE is not supported", position: token.position)
        }
        var copy = CopyStatement(subject: subject, isFrom: isFrom, options: options, position: position)
        copy.path = path
        return copy
    }

    private mutating func copyOptions(
        _ options: inout CopyStatement.Options, isFile: Bool
    ) throws(SQLError) {
        try expect("(")
        repeat {
            let name = try label()
            switch name.value {
            case "format":
                options.format = try copyFormat()
                options.hasFormat = true
            case "delimiter": options.delimiter = try stringLiteral()
            case "null": options.null = try stringLiteral()
            case "header":
                if takeWord("match") {
                    options.hasHeader = true
                    options.matchesHeader = true
                } else {
                    options.hasHeader = copyFlag()
                }
            case "quote": options.quote = try stringLiteral()
            case "escape": options.escape = try stringLiteral()
            case "encoding": try checkEncoding(try stringLiteral())
            case "freeze", "oids": _ = copyFlag()
            case "force_quote":
                if take("*") { options.forcesAllQuotes = true } else { options.forceQuote = try optionalNames() }
            case "force_not_null": options.forceNotNull = try optionalNames()
            case "force_null": options.forceNull = try optionalNames()
            case "partition_by" where isFile:
                options.partitionBy = at("(") ? try optionalNames() : [try self.name()]
            case let other where isFile: options.others[other] = copyValue()
            default:
                throw SQLError(.syntaxError, "option \"\(name.value)\" not recognized", position: name.position)
            }
        } while take(",")
        try expect(")")
    }

    /// An option's value as text; empty where it is said alone.
    private mutating func copyValue() -> String {
        switch token.kind {
        case .word(let text), .quotedWord(let text), .string(let text), .integer(let text):
            advance()
            return text
        default: return ""
        }
    }

    private mutating func legacyCopyOptions(_ options: inout CopyStatement.Options) throws(SQLError) {
        while true {
            if takeWord("binary") {
                options.format = .binary
                options.hasFormat = true
            } else if takeWord("csv") {
                options.format = .csv
                options.hasFormat = true
            } else if takeWord("header") {
                options.hasHeader = true
            } else if takeWord("delimiter") {
                _ = takeWord("as")
                options.delimiter = try stringLiteral()
            } else if takeWord("null") {
                _ = takeWord("as")
                options.null = try stringLiteral()
            } else if takeWord("quote") {
                _ = takeWord("as")
                options.quote = try stringLiteral()
            } else if takeWord("escape") {
                _ = takeWord("as")
                options.escape = try stringLiteral()
            } else if takeWord("encoding") {
                try checkEncoding(try stringLiteral())
            } else if takeWords("force", "quote") {
                if take("*") { options.forcesAllQuotes = true } else { options.forceQuote = try names() }
            } else if takeWords("force", "not", "null") {
                options.forceNotNull = try names()
            } else if takeWords("force", "null") {
                options.forceNull = try names()
            } else {
                return
            }
        }
    }

    private mutating func copyFormat() throws(SQLError) -> CopyStatement.Format {
        let position = token.position
        let name: String
        if case .string(let text) = token.kind {
            advance()
            name = text.lowercased()
        } else {
            name = try label().value.lowercased()
        }
        guard let format = CopyStatement.Format(rawValue: name) else {
            throw SQLError(.invalidParameterValue, "COPY format \"\(name)\" not recognized", position: position)
        }
        return format
    }

    /// An option's boolean; said alone it is on.
    private mutating func copyFlag() -> Bool {
        let text: String
        switch token.kind {
        case .word(let word): text = word
        case .string(let string): text = string.lowercased()
        case .integer(let digits): text = digits
        default: return true
        }
        advance()
        return !["false", "off", "0"].contains(text)
    }

    private func checkEncoding(_ name: String) throws(SQLError) {
        guard ["utf8", "utf-8", "unicode"].contains(name.lowercased()) else {
            throw SQLError(.featureNotSupported, "COPY encoding \"\(name)\" is not supported", hint: "Use UTF8.")
        }
    }
}
