// What expressions are made of: literals, names, calls, CASE, CAST, subqueries.
import Diagnostics

extension Parser {
    mutating func primary() throws(SQLError) -> Expression {
        let position = token.position
        switch token.kind {
        case .integer(let digits):
            advance()
            return Expression(.integer(digits), position: position)
        case .decimal(let digits):
            advance()
            return Expression(.decimal(digits), position: position)
        case .string(let text):
            advance()
            return Expression(.string(text), position: position)
        case .parameter(let number):
            advance()
            return Expression(.parameter(number), position: position)
        case .bits(let text):
            advance()
            // A literal has the length of its digits.
            let length = (text.utf8.count - 1) * (text.hasPrefix("x") ? 4 : 1)
            let type =
                length == 0
                ? TypeName("varbit", position: position)
                : TypeName("bit", modifiers: [length], position: position)
            return Expression(.typedLiteral(type, text), position: position)
        case .symbol("("): return try parenthesized()
        // DuckDB's list literal.
        case .symbol("["): return try listLiteral(position)
        // DuckDB's struct literal.
        case .symbol("{"): return try structLiteral(position)
        case .word(let word): return try wordPrimary(word)
        case .quotedWord: return try named()
        case .symbol, .end:
            throw unexpected()
        }
    }

    private mutating func parenthesized() throws(SQLError) -> Expression {
        let position = token.position
        try expect("(")
        if startsQuery() {
            let inner = try query()
            try expect(")")
            return Expression(.scalarQuery(inner), position: position)
        }
        let first = try expression()
        guard at(",") else {
            try expect(")")
            return first
        }
        var items = [first]
        while take(",") { items.append(try expression()) }
        try expect(")")
        return Expression(.row(items), position: position)
    }

    private mutating func wordPrimary(_ word: String) throws(SQLError) -> Expression {
        let position = token.position
        switch word {
        case "true", "false":
            advance()
            return Expression(.boolean(word == "true"), position: position)
        case "null":
            advance()
            return Expression(.null, position: position)
        case "default":
            // Stands for a column's default in VALUES and SET; the binder refuses it elsewhere, as PostgreSQL does.
            advance()
            return Expression(.special("default", precision: nil), position: position)
        case "case": return try conditional()
        case "cast", "try_cast":
            guard word == "cast" || peek().kind == .symbol("(") else { break }
            advance()
            try expect("(")
            let value = try expression()
            try expectWord("as")
            let type = try typeName()
            try expect(")")
            return Expression(.cast(value, type, isTry: word == "try_cast"), position: position)
        case "exists":
            guard peek().kind == .symbol("(") else { break }
            advance()
            try expect("(")
            let inner = try query()
            try expect(")")
            return Expression(.exists(inner), position: position)
        case "array":
            advance()
            return try array(position)
        case "row":
            guard peek().kind == .symbol("(") else { break }
            advance()
            try expect("(")
            let items = at(")") ? [] : try expressions()
            try expect(")")
            return Expression(.row(items), position: position)
        case "grouping":
            guard peek().kind == .symbol("(") else { break }
            advance()
            try expect("(")
            let items = try expressions()
            try expect(")")
            return Expression(.grouping(items), position: position)
        case "map":
            guard peek().kind == .symbol("{") else { break }
            advance()
            return try mapLiteral(position)
        case "interval":
            if case .string = peek().kind { return try intervalLiteral() }
            if let interval = try plainInterval() { return interval }
        default: break
        }
        if Parser.specials.contains(word) { return try special(word) }
        if Parser.grammarFunctions.contains(word), peek().kind == .symbol("(") { return try grammarFunction(word) }
        if token.keyword.contains(.typeWord), peek().kind == .symbol("(") {
            let type = try typeName()
            return Expression(.typedLiteral(type, try stringLiteral()), position: position)
        }
        if Parser.literalTypes.contains(word), let literal = typedLiteral() { return literal }
        return try named()
    }

    // MARK: - Literals with types

    private static let specials: Set<String> = [
        "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user", "user",
        "session_user", "current_role", "current_catalog", "current_schema",
    ]

    private mutating func special(_ word: String) throws(SQLError) -> Expression {
        let position = token.position
        // current_schema() is a function as well.
        if word == "current_schema", peek().kind == .symbol("(") {
            advance()
            try expect("(")
            try expect(")")
            return Expression(.special(word, precision: nil), position: position)
        }
        advance()
        var precision: Int?
        if word.hasSuffix("time") || word.hasSuffix("timestamp"), at("("), case .integer(let digits) = peek().kind {
            advance()
            advance()
            try expect(")")
            precision = Int(digits)
        }
        return Expression(.special(word, precision: precision), position: position)
    }

    /// DuckDB's INTERVAL 3 DAYS: that many of a unit; nil when it is none.
    private mutating func plainInterval() throws(SQLError) -> Expression? {
        let position = token.position
        if peek().kind == .symbol("(") { return try computedInterval() }
        guard case .word(let unit) = peek(2).kind, Parser.intervalUnits.contains(unit) else { return nil }
        let number = peek()
        let count: Expression.Node
        switch number.kind {
        case .integer(let digits): count = .integer(digits)
        case .decimal(let digits): count = .decimal(digits)
        default: return nil
        }
        for _ in 0..<3 { advance() }
        let one = Expression(
            .typedLiteral(TypeName("interval", position: position), "1 \(unit)"), position: position)
        return Expression(
            .binary("*", Expression(count, position: number.position), one), position: position)
    }

    /// DuckDB's INTERVAL (i + 1) DAYS; nil when no unit follows the parentheses: a call or a precision.
    private mutating func computedInterval() throws(SQLError) -> Expression? {
        let (start, position) = (index, token.position)
        advance()
        advance()
        if let count = try? expression(), take(")"), case .word(let unit) = token.kind,
            Parser.intervalUnits.contains(unit)
        {
            advance()
            let one = Expression(
                .typedLiteral(TypeName("interval", position: position), "1 \(unit)"), position: position)
            return Expression(.binary("*", count, one), position: position)
        }
        index = start
        return nil
    }

    private static let intervalUnits: Set<String> = [
        "microsecond", "microseconds", "millisecond", "milliseconds", "second", "seconds", "minute", "minutes", "hour",
        "hours", "day", "days", "week", "weeks", "month", "months", "quarter", "year", "years", "decade", "decades",
        "century", "centuries", "millennium", "millennia",
    ]

    private mutating func intervalLiteral() throws(SQLError) -> Expression {
        let position = token.position
        advance()
        let text = try stringLiteral()
        let fields = try intervalFields()
        return Expression(
            .typedLiteral(TypeName("interval", intervalFields: fields, position: position), text), position: position)
    }

    /// `timestamp(3) '2026-01-07'`: a type name of several tokens before a string.
    private mutating func typedLiteral() -> Expression? {
        switch peek().kind {
        // Without modifiers these are names like any other, see `named`.
        case .string, .word, .symbol("("): break
        default: return nil
        }
        let start = index
        let position = token.position
        if let type = try? typeName(), case .string(let text) = token.kind {
            advance()
            return Expression(.typedLiteral(type, text), position: position)
        }
        index = start
        return nil
    }

    private static let literalTypes: Set<String> = [
        "date", "time", "timestamp", "timestamptz", "timetz", "boolean", "bool", "int", "integer", "int2", "int4",
        "int8", "smallint", "bigint", "float4", "float8", "real", "double", "numeric", "decimal", "text", "varchar",
        "char", "character", "bpchar", "bytea", "uuid", "json", "jsonb", "regclass", "name", "oid", "float", "dec",
        "nchar", "national", "bit",
    ]

    private mutating func array(_ position: Int) throws(SQLError) -> Expression {
        if take("(") {
            let inner = try query()
            try expect(")")
            return Expression(.arrayQuery(inner), position: position)
        }
        return try arrayElements(position)
    }

    /// `[1, 2]`; `[]` is a call of list_value(), whose elements may become anything.
    private mutating func listLiteral(_ position: Int) throws(SQLError) -> Expression {
        guard peek().kind == .symbol("]") else { return try arrayElements(position) }
        try expect("[")
        try expect("]")
        let name = QualifiedName([Identifier("list_value", position: position)], position: position)
        return Expression(.call(FunctionCall(name: name)), position: position)
    }

    private mutating func arrayElements(_ position: Int) throws(SQLError) -> Expression {
        try expect("[")
        var items: [Expression] = []
        if !at("]") {
            repeat {
                if at("[") {
                    let inner = token.position
                    items.append(try nested { (parser) throws(SQLError) in try parser.listLiteral(inner) })
                } else {
                    items.append(try expression())
                }
                if items.count == 1, let list = try comprehension(items[0], position) { return list }
            } while take(",") && !at("]")
        }
        try expect("]")
        return Expression(.array(items), position: position)
    }

    /// `{'a': 1, b: 2}`: a call of struct_pack().
    private mutating func structLiteral(_ position: Int) throws(SQLError) -> Expression {
        try expect("{")
        var call = FunctionCall(
            name: QualifiedName([Identifier("struct_pack", position: position)], position: position))
        repeat {
            let name: Identifier
            if case .string(let text) = token.kind {
                name = Identifier(text, isQuoted: true, position: token.position)
                advance()
            } else {
                name = try label()
            }
            try expect(":")
            let value = try nested { (parser) throws(SQLError) in try parser.expression() }
            call.arguments.append(FunctionCall.Argument(name: name, value: value))
        } while take(",")
        try expect("}")
        return Expression(.call(call), position: position)
    }

    /// `MAP {'a': 1}`: a call of map() over two arrays.
    private mutating func mapLiteral(_ position: Int) throws(SQLError) -> Expression {
        try expect("{")
        var (keys, values): ([Expression], [Expression]) = ([], [])
        if !at("}") {
            repeat {
                keys.append(try nested { (parser) throws(SQLError) in try parser.expression() })
                try expect(":")
                values.append(try nested { (parser) throws(SQLError) in try parser.expression() })
            } while take(",")
        }
        try expect("}")
        var call = FunctionCall(name: QualifiedName([Identifier("map", position: position)], position: position))
        if !keys.isEmpty {
            for items in [keys, values] {
                call.arguments.append(FunctionCall.Argument(value: Expression(.array(items), position: position)))
            }
        }
        return Expression(.call(call), position: position)
    }

    private mutating func conditional() throws(SQLError) -> Expression {
        let position = token.position
        advance()
        let operand = atWord("when") ? nil : try expression()
        var branches: [Expression.Branch] = []
        while takeWord("when") {
            let when = try expression()
            try expectWord("then")
            branches.append(Expression.Branch(when: when, then: try expression()))
        }
        guard !branches.isEmpty else { throw unexpected() }
        let otherwise = takeWord("else") ? try expression() : nil
        try expectWord("end")
        return Expression(
            .conditional(operand: operand, branches: branches, otherwise: otherwise), position: position)
    }

    // MARK: - Names and calls

    /// A column, `t.*`, or a call.
    private mutating func named() throws(SQLError) -> Expression {
        let position = token.position
        guard let first = columnOrFunctionWord() else {
            // Such a word may stand here: what is wrong is the token behind it.
            if !token.keyword.isDisjoint(with: [.functionOrType, .columnName]) { advance() }
            throw unexpected()
        }
        advance()
        var parts = [first]
        while take(".") {
            if take("*") {
                let name = try checked(QualifiedName(parts, position: position))
                return Expression(.star(try starChanges(name)), position: position)
            }
            parts.append(try label())
        }
        // Behind the name of a column there may be fields.
        guard parts.count <= Parser.fieldsMax else { throw unexpected() }
        let plain = QualifiedName(parts, position: position)
        let name = at("(") ? try checked(plain) : plain
        if at("(") { return Expression(.call(try call(name)), position: position) }
        if case .string(let text) = token.kind, parts.count <= 2 {
            // Any type's name before a string makes a literal of that type.
            advance()
            let schema = parts.count == 2 ? parts[0].value : nil
            let type = TypeName(parts[parts.count - 1].value, schema: schema, position: position)
            return Expression(.typedLiteral(type, text), position: position)
        }
        return Expression(.column(name), position: position)
    }

    /// Names with more parts are refused.
    private static let fieldsMax = 64

    /// The word here, when it may begin a column or a call: left, right and other join words may name functions.
    private func columnOrFunctionWord() -> Identifier? {
        switch token.kind {
        case .quotedWord(let text): return Identifier(text, isQuoted: true, position: token.position)
        case .word(let word):
            if token.keyword.contains(.reserved) { return nil }
            if peek().kind == .symbol("(") {
                // The parenthesis is what does not fit behind a column.
                if token.keyword.contains(.columnName), !Keywords.callable.contains(word) { return nil }
            } else if token.keyword.contains(.functionOrType) {
                return nil
            }
            return Identifier(word, position: token.position)
        default: return nil
        }
    }

    /// The parentheses of a call and what follows them.
    mutating func call(_ name: QualifiedName) throws(SQLError) -> FunctionCall {
        var call = FunctionCall(name: name)
        try expect("(")
        if take("*") {
            call.isStar = true
        } else if !at(")") {
            call.isDistinct = takeWord("distinct")
            if !call.isDistinct { _ = takeWord("all") }
            repeat { call.arguments.append(try argument(&call)) } while take(",")
            if try takeBy("order") { call.order = try orderItems() }
            if takeWords("ignore", "nulls") { call.ignoresNulls = true }
        }
        try expect(")")
        if takeWords("within", "group") {
            try expect("(")
            guard try takeBy("order") else { throw unexpected() }
            call.withinGroup = try orderItems()
            try expect(")")
        }
        if atWord("filter"), peek().kind == .symbol("(") {
            advance()
            advance()
            try expectWord("where")
            call.filter = try expression()
            try expect(")")
        }
        if takeWords("ignore", "nulls") { call.ignoresNulls = true } else { _ = takeWords("respect", "nulls") }
        if takeWord("over") {
            if at("(") {
                call.over = .inline(try windowSpecification())
            } else {
                call.over = .named(try self.name())
            }
        }
        return call
    }

    private mutating func argument(_ call: inout FunctionCall) throws(SQLError) -> FunctionCall.Argument {
        if takeWord("variadic") { call.isVariadic = true }
        if isName(token), peek().kind == .symbol("=>") || peek().kind == .symbol(":=") {
            let label = try name()
            advance()
            return FunctionCall.Argument(name: label, value: try expression())
        }
        if Parser.takesLambda.contains(call.name.last), let lambda = try lambda() {
            return FunctionCall.Argument(value: lambda)
        }
        return FunctionCall.Argument(value: try expression())
    }

    mutating func starChanges(_ qualifier: QualifiedName?) throws(SQLError) -> Expression.Star {
        var star = Expression.Star(qualifier: qualifier)
        if atWord("exclude") || (atWord("except") && peek().kind == .symbol("(") && !isQueryStart(peek(2))) {
            advance()
            if take("(") {
                repeat { star.excluded.append(try qualifiedName()) } while take(",")
                try expect(")")
            } else {
                star.excluded.append(try qualifiedName())
            }
        }
        if atWord("replace"), peek().kind == .symbol("(") {
            advance()
            advance()
            repeat {
                let value = try expression()
                try expectWord("as")
                star.replaced.append(SelectItem(value: value, alias: try label()))
            } while take(",")
            try expect(")")
        }
        if atWord("rename"), peek().kind == .symbol("(") {
            advance()
            advance()
            repeat {
                let old = try qualifiedName()
                try expectWord("as")
                star.renamed.append(Expression.Renaming(old: old, new: try label()))
            } while take(",")
            try expect(")")
        }
        return star
    }

    mutating func windowSpecification() throws(SQLError) -> WindowSpecification {
        var window = WindowSpecification(position: token.position)
        try expect("(")
        if isName(token), !["partition", "rows", "range", "groups"].contains(where: { atWord($0) }) {
            window.base = try name()
        }
        if try takeBy("partition") { window.partition = try expressions() }
        if try takeBy("order") { window.order = try orderItems() }
        if atWord("rows") || atWord("range") || atWord("groups") { window.frame = try frame() }
        try expect(")")
        return window
    }

    private mutating func frame() throws(SQLError) -> WindowSpecification.Frame {
        let position = token.position
        let mode: WindowSpecification.Mode = atWord("rows") ? .rows : atWord("range") ? .range : .groups
        advance()
        var end: WindowSpecification.Bound?
        let start: WindowSpecification.Bound
        if takeWord("between") {
            start = try bound()
            try expectWord("and")
            end = try bound()
        } else {
            start = try bound()
        }
        var exclusion = WindowSpecification.Exclusion.noOthers
        if takeWord("exclude") {
            if takeWords("current", "row") {
                exclusion = .currentRow
            } else if takeWord("group") {
                exclusion = .group
            } else if takeWord("ties") {
                exclusion = .ties
            } else {
                guard takeWords("no", "others") else { throw unexpected() }
            }
        }
        return WindowSpecification.Frame(mode: mode, start: start, end: end, exclusion: exclusion, position: position)
    }

    private mutating func bound() throws(SQLError) -> WindowSpecification.Bound {
        if takeWords("unbounded", "preceding") { return .unboundedPreceding }
        if takeWords("unbounded", "following") { return .unboundedFollowing }
        if takeWords("current", "row") { return .currentRow }
        let value = try expression()
        if takeWord("preceding") { return .preceding(value) }
        try expectWord("following")
        return .following(value)
    }
}
