// Type names, and the functions that SQL gives a grammar of their own: EXTRACT, SUBSTRING, TRIM, POSITION, OVERLAY.
import Diagnostics

extension Parser {
    static let grammarFunctions: Set<String> = ["extract", "substring", "position", "overlay", "trim"]

    mutating func grammarFunction(_ word: String) throws(SQLError) -> Expression {
        let position = token.position
        let start = index
        advance()
        try expect("(")
        var arguments: [Expression] = []
        var name = word
        switch word {
        case "extract":
            arguments.append(try extractField())
            try expectWord("from")
            arguments.append(try expression())
        case "position":
            arguments.append(try operandWithoutIn())
            try expectWord("in")
            arguments.append(try expression())
        case "substring":
            arguments.append(try expression())
            guard atWord("from") || atWord("for") || atWord("similar") else { return try plainCall(start) }
            if takeWord("similar") {
                let pattern = try expression()
                try expectWord("escape")
                let name = QualifiedName([Identifier("similar_to_escape", position: position)], position: position)
                let parts = [pattern, try expression()].map { FunctionCall.Argument(value: $0) }
                arguments.append(Expression(.call(FunctionCall(name: name, arguments: parts)), position: position))
                break
            }
            let length = takeWord("for") ? try expression() : nil
            if takeWord("from") {
                arguments.append(try expression())
            } else {
                arguments.append(Expression(.integer("1"), position: position))
            }
            if let length {
                arguments.append(length)
            } else if takeWord("for") {
                arguments.append(try expression())
            }
        case "overlay":
            arguments.append(try expression())
            guard takeWord("placing") else { return try plainCall(start) }
            arguments.append(try expression())
            try expectWord("from")
            arguments.append(try expression())
            if takeWord("for") { arguments.append(try expression()) }
        default:
            name = takeWord("leading") ? "ltrim" : takeWord("trailing") ? "rtrim" : "btrim"
            if name == "btrim" { _ = takeWord("both") }
            if takeWord("from") {
                arguments.append(try expression())
            } else {
                let first = try expression()
                if takeWord("from") {
                    arguments = [try expression(), first]
                } else {
                    arguments = [first]
                    if take(",") { arguments.append(try expression()) }
                }
            }
        }
        try expect(")")
        let call = FunctionCall(
            name: QualifiedName([Identifier(name, position: position)], position: position),
            arguments: arguments.map { FunctionCall.Argument(value: $0) })
        return Expression(.call(call), position: position)
    }

    /// The same word as an ordinary call.
    private mutating func plainCall(_ start: Int) throws(SQLError) -> Expression {
        index = start
        let name = QualifiedName([try label()], position: tokens[start].position)
        return Expression(.call(try call(name)), position: name.position)
    }

    private mutating func extractField() throws(SQLError) -> Expression {
        let position = token.position
        if case .string(let text) = token.kind {
            advance()
            return Expression(.string(text), position: position)
        }
        guard !token.keyword.contains(.reserved) else { throw unexpected() }
        return Expression(.string(try label().value), position: position)
    }

    /// An expression in which IN is not an operator: POSITION(a IN b).
    private mutating func operandWithoutIn() throws(SQLError) -> Expression { try expression(Power.pattern.tighter) }

    // MARK: - Types

    private static let fieldNames = ["year", "month", "day", "hour", "minute", "second"]

    /// `year to month`, `second(3)`: what may follow `interval` or an interval literal.
    mutating func intervalFields() throws(SQLError) -> [String] {
        guard case .word(let first) = token.kind, Parser.fieldNames.contains(first) else { return [] }
        advance()
        if first == "second" { _ = try modifiers() }
        guard atWord("to"), case .word(let last) = peek().kind, Parser.fieldNames.contains(last) else { return [first] }
        advance()
        advance()
        if last == "second" { _ = try modifiers() }
        return [first, last]
    }

    private mutating func modifiers() throws(SQLError) -> [Int] {
        guard take("(") else { return [] }
        var list: [Int] = []
        repeat {
            var sign = 1
            if take("-") { sign = -1 }
            guard case .integer(let digits) = token.kind, let value = Int(digits), value <= Int(Int32.max) else {
                throw unexpected()
            }
            advance()
            list.append(sign * value)
        } while take(",")
        try expect(")")
        return list
    }

    mutating func typeName() throws(SQLError) -> TypeName {
        let position = token.position
        _ = takeWord("setof")
        var type = try typeNameBody(position)
        while true {
            if at("["), peek().kind == .symbol("]") {
                advance()
                advance()
                type.arrayDimensions += 1
            } else if at("["), case .integer = peek().kind, peek(2).kind == .symbol("]") {
                advance()
                advance()
                advance()
                type.arrayDimensions += 1
            } else if takeWord("array") {
                type.arrayDimensions = max(1, type.arrayDimensions)
            } else {
                return type
            }
        }
    }

    private mutating func typeNameBody(_ position: Int) throws(SQLError) -> TypeName {
        if takeWords("double", "precision") { return TypeName("double precision", position: position) }
        if atWord("character") || atWord("char") || atWord("nchar") {
            advance()
            let name = takeWord("varying") ? "character varying" : "character"
            return TypeName(name, modifiers: try modifiers(), position: position)
        }
        if takeWords("national", "character") {
            let name = takeWord("varying") ? "character varying" : "character"
            return TypeName(name, modifiers: try modifiers(), position: position)
        }
        if takeWord("bit") {
            let name = takeWord("varying") ? "bit varying" : "bit"
            return TypeName(name, modifiers: try modifiers(), position: position)
        }
        if atWord("timestamp") || atWord("time") {
            guard case .word(let word) = token.kind else { throw unexpected() }
            advance()
            let precision = try modifiers()
            let withZone = takeWords("with", "time", "zone")
            if !withZone { _ = takeWords("without", "time", "zone") }
            return TypeName(
                withZone ? word + " with time zone" : word + " without time zone", modifiers: precision,
                position: position)
        }
        if takeWord("interval") {
            let fields = try intervalFields()
            return TypeName(
                "interval", modifiers: fields.isEmpty ? try modifiers() : [], intervalFields: fields,
                position: position)
        }
        if peek().kind == .symbol("("), let nested = try nestedType(position) { return nested }
        // The words with a grammar of their own are taken above, except these.
        let isPlain = token.keyword.isDisjoint(with: .columnName) || token.keyword.contains(.typeWord)
        guard isPlain, !token.keyword.contains(.reserved) else { throw unexpected() }
        var name = try label()
        var schema: String?
        while take(".") {
            schema = name.value
            name = try label()
        }
        // "char" in quotes is PostgreSQL's one-byte type, not character(1).
        return TypeName(
            name.isQuoted && name.value == "char" ? "\"char\"" : name.value, schema: schema,
            modifiers: try modifiers(), position: position)
    }

    /// `struct(a int, b text)`, the same as `row(...)`, and `map(text, int)`; nil for other types.
    private mutating func nestedType(_ position: Int) throws(SQLError) -> TypeName? {
        guard case .word(let word) = token.kind, word == "struct" || word == "row" || word == "map" else { return nil }
        advance()
        try expect("(")
        var type = TypeName(word == "map" ? "map" : "struct", position: position)
        repeat {
            let name = word == "map" ? nil : try label()
            let part = try nested { (parser) throws(SQLError) in try parser.typeName() }
            type.parts.append(TypeName.Part(name: name, type: part))
        } while take(",")
        try expect(")")
        return type
    }
}
