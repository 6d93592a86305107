// The SQL/JSON path language: text to a tree (PostgreSQL docs 9.16.2).
import Columns
import Diagnostics

/// A parsed path.
struct JSONPath: Sendable {
    var isStrict: Bool
    var root: Node

    indirect enum Node: Sendable {
        // Starts.
        case root, current, last
        case variable(String)
        case literal(JSONTree)
        // Accessors, of what stands before them.
        case member(Node, [UInt8])
        case anyMember(Node)
        /// `.**{low to high}`.
        case descendants(Node, low: Int, high: Int)
        case anyElement(Node)
        case elements(Node, [(from: Node, to: Node?)])
        case filter(Node, Node)
        case method(Node, String)
        // Arithmetic.
        case unary(String, Node)
        case binary(String, Node, Node)
        // Predicates.
        case compare(String, Node, Node)
        case and(Node, Node)
        case or(Node, Node)
        case not(Node)
        case isUnknown(Node)
        case exists(Node)
        case startsWith(Node, Node)
        case matches(Node, [UInt8], flags: String)

        /// Whether this gives true, false or unknown instead of items.
        var isPredicate: Bool {
            switch self {
            case .compare, .and, .or, .not, .isUnknown, .exists, .startsWith, .matches: true
            default: false
            }
        }
    }

    init(_ text: String) throws(SQLError) {
        var parser = JSONPathParser(text)
        self = try parser.path()
    }

    init(isStrict: Bool, root: Node) {
        self.isStrict = isStrict
        self.root = root
    }

    static let methods: Set<String> = ["type", "size", "double", "ceiling", "floor", "abs", "keyvalue"]
}

private struct JSONPathParser {
    private enum Token: Hashable {
        case symbol(String), word(String), string(String), number(String), variable(String), end
    }

    private let source: [UInt8]
    private var at = 0
    private var token = Token.end
    private var start = 0
    private var depth = 0

    /// Expressions within each other.
    private static let depthMax = 200

    init(_ text: String) { source = Array(text.utf8) }

    // MARK: Tokens

    private func wrong() -> SQLError {
        if token == .end { return SQLError(.syntaxError, "syntax error at end of jsonpath input") }
        let near = String(decoding: source[start..<at], as: UTF8.self)
        return SQLError(.syntaxError, "syntax error at or near \"\(near)\" of jsonpath input")
    }

    private static let symbols = ["&&", "||", "==", "!=", "<>", "<=", ">=", "**"]

    private mutating func next() throws(SQLError) {
        while at < source.count, source[at] <= 32 { at += 1 }
        start = at
        guard at < source.count else {
            token = .end
            return
        }
        let byte = source[at]
        switch byte {
        case UInt8(ascii: "\""): token = .string(try quoted())
        case 48...57: token = .number(number())
        case UInt8(ascii: ".") where at + 1 < source.count && (48...57).contains(source[at + 1]):
            token = .number(number())
        case UInt8(ascii: "$"):
            at += 1
            if at < source.count, source[at] == UInt8(ascii: "\"") {
                token = .variable(try quoted())
            } else {
                let name = word()
                token = name.isEmpty ? .symbol("$") : .variable(name)
            }
        default:
            let name = word()
            if !name.isEmpty {
                token = .word(name)
                return
            }
            for symbol in JSONPathParser.symbols where source[at...].starts(with: symbol.utf8) {
                at += 2
                token = .symbol(symbol)
                return
            }
            at += 1
            token = .symbol(String(UnicodeScalar(byte)))
        }
    }

    private mutating func word() -> String {
        let first = at
        while at < source.count {
            let byte = source[at]
            let isLetter = (byte | 32) >= 97 && (byte | 32) <= 122 || byte == 95 || byte >= 128
            guard isLetter || byte >= 48 && byte <= 57 && (at > first || token == .symbol("$")) else { break }
            at += 1
        }
        return String(decoding: source[first..<at], as: UTF8.self)
    }

    private mutating func number() -> String {
        let first = at
        func isDigit(_ index: Int) -> Bool { index < source.count && source[index] >= 48 && source[index] <= 57 }
        while isDigit(at) { at += 1 }
        if at < source.count, source[at] == UInt8(ascii: "."), isDigit(at + 1) {
            at += 1
            while isDigit(at) { at += 1 }
        }
        if at < source.count, source[at] | 32 == UInt8(ascii: "e") {
            let sign = at + 1 < source.count && (source[at + 1] == 43 || source[at + 1] == 45) ? 1 : 0
            if isDigit(at + 1 + sign) {
                at += 1 + sign
                while isDigit(at) { at += 1 }
            }
        }
        return String(decoding: source[first..<at], as: UTF8.self)
    }

    private mutating func quoted() throws(SQLError) -> String {
        let first = at
        at += 1
        while at < source.count, source[at] != UInt8(ascii: "\"") {
            at += source[at] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard at < source.count else {
            at = source.count
            throw SQLError(.syntaxError, "unterminated quoted string at end of jsonpath input")
        }
        at += 1
        var text: [UInt8] = []
        source.withUnsafeBufferPointer { buffer in
            if let base = buffer.baseAddress { JSONEscape.decode(base, first + 1..<at - 1, to: &text) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func take(_ symbol: String) throws(SQLError) -> Bool {
        guard token == .symbol(symbol) else { return false }
        try next()
        return true
    }

    private mutating func takeWord(_ word: String) throws(SQLError) -> Bool {
        guard token == .word(word) else { return false }
        try next()
        return true
    }

    private mutating func expect(_ symbol: String) throws(SQLError) {
        guard try take(symbol) else { throw wrong() }
    }

    // MARK: Grammar

    mutating func path() throws(SQLError) -> JSONPath {
        guard source.contains(where: { $0 > 32 }) else {
            throw SQLError(.invalidTextRepresentation, "invalid input syntax for type jsonpath: \"\"")
        }
        try next()
        var isStrict = false
        if try takeWord("strict") { isStrict = true } else { _ = try takeWord("lax") }
        let root = try either()
        guard token == .end else { throw wrong() }
        try check(root, isFilter: false, isSubscript: false)
        return JSONPath(isStrict: isStrict, root: root)
    }

    /// `@` is for filters, `last` for subscripts.
    private func check(_ node: JSONPath.Node, isFilter: Bool, isSubscript: Bool) throws(SQLError) {
        func inner(_ nodes: JSONPath.Node...) throws(SQLError) {
            for node in nodes { try check(node, isFilter: isFilter, isSubscript: isSubscript) }
        }
        switch node {
        case .current where !isFilter:
            throw SQLError(.syntaxError, "@ is not allowed in root expressions")
        case .last where !isSubscript:
            throw SQLError(.syntaxError, "LAST is allowed only in array subscripts")
        case .root, .current, .last, .variable, .literal: break
        case .member(let base, _), .anyMember(let base), .descendants(let base, _, _), .anyElement(let base),
            .method(let base, _), .unary(_, let base), .not(let base), .isUnknown(let base), .exists(let base),
            .matches(let base, _, _):
            try inner(base)
        case .binary(_, let left, let right), .compare(_, let left, let right), .and(let left, let right),
            .or(let left, let right), .startsWith(let left, let right):
            try inner(left, right)
        case .elements(let base, let items):
            try inner(base)
            for item in items {
                try check(item.from, isFilter: isFilter, isSubscript: true)
                if let to = item.to { try check(to, isFilter: isFilter, isSubscript: true) }
            }
        case .filter(let base, let condition):
            try inner(base)
            try check(condition, isFilter: true, isSubscript: isSubscript)
        }
    }

    private mutating func either() throws(SQLError) -> JSONPath.Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= JSONPathParser.depthMax else {
            throw SQLError(.statementTooComplex, "jsonpath is nested too deeply")
        }
        var left = try both()
        while try take("||") { left = .or(left, try both()) }
        return left
    }

    private mutating func both() throws(SQLError) -> JSONPath.Node {
        var left = try negation()
        while try take("&&") { left = .and(left, try negation()) }
        return left
    }

    private mutating func negation() throws(SQLError) -> JSONPath.Node {
        guard try take("!") else { return try comparison() }
        depth += 1
        defer { depth -= 1 }
        guard depth <= JSONPathParser.depthMax else {
            throw SQLError(.statementTooComplex, "jsonpath is nested too deeply")
        }
        return .not(try negation())
    }

    private mutating func comparison() throws(SQLError) -> JSONPath.Node {
        let left = try sum()
        if case .symbol(let symbol) = token, ["==", "!=", "<>", "<", "<=", ">", ">="].contains(symbol) {
            try next()
            return .compare(symbol == "<>" ? "!=" : symbol, left, try sum())
        }
        if try takeWord("starts") {
            guard try takeWord("with") else { throw wrong() }
            return .startsWith(left, try sum())
        }
        if try takeWord("like_regex") {
            guard case .string(let pattern) = token else { throw wrong() }
            try next()
            var flags = ""
            if try takeWord("flag") {
                guard case .string(let text) = token else { throw wrong() }
                flags = text
                try next()
            }
            return .matches(left, Array(pattern.utf8), flags: flags)
        }
        if case .word("is") = token {
            try next()
            guard try takeWord("unknown") else { throw wrong() }
            return .isUnknown(left)
        }
        return left
    }

    private mutating func sum() throws(SQLError) -> JSONPath.Node {
        var left = try product()
        while case .symbol(let symbol) = token, symbol == "+" || symbol == "-" {
            try next()
            left = .binary(symbol, left, try product())
        }
        return left
    }

    private mutating func product() throws(SQLError) -> JSONPath.Node {
        var left = try signed()
        while case .symbol(let symbol) = token, symbol == "*" || symbol == "/" || symbol == "%" {
            try next()
            left = .binary(symbol, left, try signed())
        }
        return left
    }

    private mutating func signed() throws(SQLError) -> JSONPath.Node {
        guard case .symbol(let symbol) = token, symbol == "+" || symbol == "-" else { return try accessors() }
        depth += 1
        defer { depth -= 1 }
        guard depth <= JSONPathParser.depthMax else {
            throw SQLError(.statementTooComplex, "jsonpath is nested too deeply")
        }
        try next()
        let operand = try signed()
        // A sign before a number is part of it.
        guard case .literal(.number(let digits)) = operand else { return .unary(symbol, operand) }
        if symbol == "+" { return operand }
        let minus = UInt8(ascii: "-")
        let isZero = digits.allSatisfy { $0 == 48 || $0 == 46 }
        return .literal(.number(digits.first == minus ? Array(digits.dropFirst()) : isZero ? digits : [minus] + digits))
    }

    private mutating func accessors() throws(SQLError) -> JSONPath.Node {
        var node = try primary()
        while true {
            if try take(".") {
                node = try afterDot(node)
            } else if try take("[") {
                node = try elements(of: node)
            } else if try take("?") {
                try expect("(")
                node = .filter(node, try either())
                try expect(")")
            } else {
                return node
            }
        }
    }

    private mutating func afterDot(_ node: JSONPath.Node) throws(SQLError) -> JSONPath.Node {
        if try take("*") { return .anyMember(node) }
        if try take("**") {
            guard try take("{") else { return .descendants(node, low: 0, high: Int.max) }
            let low = try level()
            var high = low
            if try takeWord("to") { high = try level() }
            try expect("}")
            return .descendants(node, low: low, high: high)
        }
        switch token {
        case .word(let name):
            try next()
            if token == .symbol("("), JSONPath.methods.contains(name) {
                try next()
                try expect(")")
                return .method(node, name)
            }
            if token == .symbol("("), name == "datetime" {
                throw SQLError(.featureNotSupported, "jsonpath item method .datetime() is not supported")
            }
            return .member(node, Array(name.utf8))
        case .string(let name):
            try next()
            return .member(node, Array(name.utf8))
        case .variable(let name):
            // `.$x` is a key of that name.
            try next()
            return .member(node, Array(("$" + name).utf8))
        default: throw wrong()
        }
    }

    private mutating func level() throws(SQLError) -> Int {
        if try takeWord("last") { return Int.max }
        guard case .number(let text) = token, let value = Int(text) else { throw wrong() }
        try next()
        return value
    }

    private mutating func elements(of node: JSONPath.Node) throws(SQLError) -> JSONPath.Node {
        if try take("*") {
            try expect("]")
            return .anyElement(node)
        }
        var items: [(from: JSONPath.Node, to: JSONPath.Node?)] = []
        repeat {
            let from = try sum()
            items.append((from, try takeWord("to") ? try sum() : nil))
        } while try take(",")
        try expect("]")
        return .elements(node, items)
    }

    private mutating func primary() throws(SQLError) -> JSONPath.Node {
        switch token {
        case .symbol("$"):
            try next()
            return .root
        case .symbol("@"):
            try next()
            return .current
        case .symbol("("):
            try next()
            let inner = try either()
            try expect(")")
            return inner
        case .variable(let name):
            try next()
            return .variable(name)
        case .string(let text):
            try next()
            return .literal(.string(Array(text.utf8)))
        case .number(let text):
            try next()
            var normal: [UInt8] = []
            let digits = text.hasPrefix(".") ? "0" + text : text
            let bytes = Array(digits.utf8)
            normal = try JSONPathNumbers.normal(bytes)
            return .literal(.number(normal))
        case .word(let word): return try keyword(word)
        default: throw wrong()
        }
    }

    private mutating func keyword(_ word: String) throws(SQLError) -> JSONPath.Node {
        switch word {
        case "true", "false":
            try next()
            return .literal(.boolean(word == "true"))
        case "null":
            try next()
            return .literal(.null)
        case "last":
            try next()
            return .last
        case "exists":
            try next()
            try expect("(")
            let inner = try either()
            try expect(")")
            return .exists(inner)
        default: throw wrong()
        }
    }
}
