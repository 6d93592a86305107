// The grammar of CREATE SCHEMA, and of CREATE, ALTER and DROP of sequences, indexes and functions.
import Diagnostics

extension Parser {
    /// Behind CREATE SCHEMA, with what is made in it at once.
    mutating func createSchema() throws(SQLError) -> Statement.CreateSchema {
        let ifNotExists = takeWords("if", "not", "exists")
        var database: Identifier?
        if takeWord("authorization") {
            // The schema has the role's name.
            let owner = try roleName()
            guard case .named(let name) = owner else { throw unexpected() }
            var create = Statement.CreateSchema(database: nil, name: name, ifNotExists: ifNotExists, location: nil)
            create.owner = owner
            return create
        }
        var name = try name()
        if take(".") {
            database = name
            name = try self.name()
        }
        var location: String?
        var owner: RoleName?
        if takeWord("authorization") { owner = try roleName() }
        if takeWord("location") { location = try stringLiteral() }
        var schema = Statement.CreateSchema(
            database: database, name: name, ifNotExists: ifNotExists, location: location)
        schema.owner = owner
        while atWord("create") {
            let start = token.position
            schema.elements.append(try statement())
            schema.elementTexts.append(text(from: start))
        }
        return schema
    }

    /// Behind CREATE: nil when something else is made.
    mutating func createObject(_ orReplace: Bool, from start: Int) throws(SQLError) -> ObjectStatement? {
        if takeWord("index") { return try createIndex(isUnique: false, from: start) }
        if takeWords("unique", "index") { return try createIndex(isUnique: true, from: start) }
        if takeWord("function") { return try createFunction(isProcedure: false, orReplace) }
        if takeWord("macro") { return try createMacro(orReplace) }
        if takeWord("type") { return try createType() }
        if takeWord("domain") { return try createDomain() }
        return takeWord("procedure") ? try createFunction(isProcedure: true, orReplace) : nil
    }

    /// Behind DROP: nil when something else is dropped.
    mutating func dropObject() throws(SQLError) -> ObjectStatement? {
        if takeWord("macro") {
            _ = takeWord("table")
            return try dropObjects(.function)
        }
        for kind in [ObjectStatement.Kind.sequence, .index, .function, .procedure, .routine, .type, .domain]
        where takeWord(kind.rawValue) {
            return try dropObjects(kind)
        }
        return nil
    }

    // MARK: - Indexes

    /// Behind CREATE [UNIQUE] INDEX.
    mutating func createIndex(isUnique: Bool, from start: Int) throws(SQLError) -> ObjectStatement {
        _ = takeWord("concurrently")
        let ifNotExists = takeWords("if", "not", "exists")
        let name = atWord("on") ? nil : try name()
        try expectWord("on")
        _ = takeWord("only")
        let table = try qualifiedName()
        if takeWord("using") { _ = try label() }
        try expect("(")
        var keys: [Expression] = []
        repeat { keys.append(try indexKey()) } while take(",")
        try expect(")")
        if takeWord("include") {
            try expect("(")
            _ = try names()
            try expect(")")
        }
        if takeWords("nulls", "not", "distinct") || takeWords("nulls", "distinct") {}
        if takeWord("with") { _ = try options() }
        if takeWord("tablespace") { _ = try self.name() }
        if takeWord("where") { _ = try expression() }
        return .createIndex(
            ObjectStatement.CreateIndex(
                name: name, ifNotExists: ifNotExists, isUnique: isUnique, table: table, keys: keys,
                text: text(from: start)))
    }

    private mutating func indexKey() throws(SQLError) -> Expression {
        let key = try expression()
        // An operator class, perhaps with options.
        if case .word(let word) = token.kind, !["asc", "desc", "nulls"].contains(word) {
            _ = try qualifiedName()
            if at("(") { _ = try options() }
        }
        if !takeWord("asc") { _ = takeWord("desc") }
        if takeWord("nulls"), !takeWord("first") { try expectWord("last") }
        return key
    }

    // MARK: - Sequences

    /// Behind CREATE [TEMPORARY] SEQUENCE.
    mutating func createSequence() throws(SQLError) -> ObjectStatement {
        let ifNotExists = takeWords("if", "not", "exists")
        return .createSequence(name: try qualifiedName(), ifNotExists: ifNotExists, try sequenceOptions())
    }

    /// Options in any order; with parentheses around them for identity columns.
    mutating func sequenceOptions(
        _ known: ObjectStatement.SequenceOptions = ObjectStatement.SequenceOptions()
    ) throws(SQLError) -> ObjectStatement.SequenceOptions {
        var options = known
        while true {
            if takeWord("as") {
                options.type = try typeName()
            } else if takeWord("increment") {
                _ = takeWord("by")
                options.increment = try signedInteger()
            } else if takeWord("minvalue") {
                options.min = try signedInteger()
            } else if takeWord("maxvalue") {
                options.max = try signedInteger()
            } else if takeWords("no", "minvalue") {
                options.min = .some(nil)
            } else if takeWords("no", "maxvalue") {
                options.max = .some(nil)
            } else if takeWords("no", "cycle") {
                options.isCycled = false
            } else if takeWord("cycle") {
                options.isCycled = true
            } else if takeWord("start") {
                _ = takeWord("with")
                options.start = try signedInteger()
            } else if takeWord("restart") {
                let hasValue = takeWord("with") || at("-") || at("+") || isInteger
                options.restart = .some(hasValue ? try signedInteger() : nil)
            } else if takeWord("cache") {
                _ = try signedInteger()
            } else if takeWords("owned", "by") {
                options.owner =
                    takeWord("none")
                    ? QualifiedName([], position: token.position) : try qualifiedName()
            } else {
                return options
            }
        }
    }

    private var isInteger: Bool { if case .integer = token.kind { true } else { false } }

    private mutating func signedInteger() throws(SQLError) -> Int64 {
        var sign = ""
        if at("-") || at("+") {
            if at("-") { sign = "-" }
            advance()
        }
        let digits: String
        switch token.kind {
        case .integer(let text), .decimal(let text): digits = text
        default: throw unexpected()
        }
        guard let number = Int64(sign + digits) else {
            throw SQLError(
                .invalidTextRepresentation, "invalid input syntax for type bigint: \"\(sign)\(digits)\"",
                position: token.position)
        }
        advance()
        return number
    }

    /// Behind ALTER SEQUENCE and ALTER INDEX; nil for what is not supported.
    mutating func alterObject(_ kind: ObjectStatement.Kind) throws(SQLError) -> Statement? {
        let ifExists = takeWords("if", "exists")
        let name = try qualifiedName()
        if takeWords("rename", "to") {
            return .object(.rename(kind, name, to: try self.name(), ifExists: ifExists))
        }
        guard kind == .sequence else { return nil }
        if takeWords("owner", "to") {
            return .access(.owner(.sequence(name, ifExists: ifExists), to: try roleName()))
        }
        return .object(.alterSequence(name: name, ifExists: ifExists, try sequenceOptions()))
    }

    // MARK: - Functions

    /// Behind CREATE [OR REPLACE] FUNCTION or PROCEDURE.
    mutating func createFunction(isProcedure: Bool, _ orReplace: Bool) throws(SQLError) -> ObjectStatement {
        var function = ObjectStatement.CreateFunction(
            name: try qualifiedName(), orReplace: orReplace, isProcedure: isProcedure)
        try expect("(")
        if !at(")") {
            repeat { function.parameters.append(try functionParameter()) } while take(",")
        }
        try expect(")")
        while try functionClause(&function) {}
        return .createFunction(function)
    }

    /// DuckDB's CREATE MACRO name(a, b := 1) AS expression, AS TABLE query: a function of any types.
    mutating func createMacro(_ orReplace: Bool) throws(SQLError) -> ObjectStatement {
        var function = ObjectStatement.CreateFunction(
            name: try qualifiedName(), orReplace: orReplace, isProcedure: false)
        function.language = "sql"
        let any = TypeName("anyelement", position: token.position)
        try expect("(")
        if !at(")") {
            repeat {
                let name = try name()
                var defaultValue: String?
                if take(":=") || take("=>") || takeWord("default") {
                    let start = token.position
                    _ = try expression()
                    defaultValue = text(from: start)
                }
                function.parameters.append(
                    ObjectStatement.CreateFunction.Parameter(
                        mode: .input, name: name, type: any, typeText: "anyelement", defaultValue: defaultValue))
            } while take(",")
        }
        try expect(")")
        try expectWord("as")
        let isTable = takeWord("table")
        let start = token.position
        if isTable {
            _ = try query()
            function.returns = TypeName("record", position: start)
        } else {
            _ = try expression()
            function.returns = any
        }
        function.returnsText = function.returns?.name
        function.isSet = isTable
        function.body = isTable ? text(from: start) : "SELECT " + text(from: start)
        return .createFunction(function)
    }

    private mutating func functionParameter() throws(SQLError) -> ObjectStatement.CreateFunction.Parameter {
        var mode = ObjectStatement.CreateFunction.Parameter.Mode.input
        if takeWord("inout") || takeWords("in", "out") {
            mode = .both
        } else if takeWord("out") {
            mode = .output
        } else if takeWord("variadic") {
            throw SQLError(
                .featureNotSupported, "VARIADIC parameters are not supported", position: token.position)
        } else {
            _ = takeWord("in")
        }
        // A type alone, or a name before it.
        var name: Identifier?
        let next = peek().kind
        if isName(token), next != .symbol(","), next != .symbol(")"), next != .symbol("("), next != .symbol("["),
            next != .word("default"), next != .symbol("="), !atWords("double", "precision"),
            !atWords("character", "varying"), next != .word("with"), next != .word("without")
        {
            name = try self.name()
        }
        let start = token.position
        let type = try typeName()
        let typeText = text(from: start)
        var defaultValue: String?
        if takeWord("default") || take("=") || take(":=") {
            let from = token.position
            _ = try expression()
            defaultValue = text(from: from)
        }
        return ObjectStatement.CreateFunction.Parameter(
            mode: mode, name: name, type: type, typeText: typeText, defaultValue: defaultValue)
    }

    /// One clause behind the parameters; false at the end.
    private mutating func functionClause(_ function: inout ObjectStatement.CreateFunction) throws(SQLError) -> Bool {
        if takeWord("returns") {
            if takeWords("null", "on", "null", "input") {
                function.isStrict = true
                return true
            }
            if takeWord("table") {
                try expect("(")
                repeat { function.columns.append(try functionParameter()) } while take(",")
                try expect(")")
                function.isSet = true
                return true
            }
            function.isSet = takeWord("setof")
            let start = token.position
            function.returns = try typeName()
            function.returnsText = text(from: start)
        } else if takeWord("language") {
            if case .string(let text) = token.kind {
                advance()
                function.language = text.lowercased()
            } else {
                function.language = try label().value.lowercased()
            }
        } else if takeWord("strict") {
            function.isStrict = true
        } else if takeWords("called", "on", "null", "input") || takeWord("immutable") || takeWord("stable")
            || takeWord("volatile") || takeWord("leakproof") || takeWords("not", "leakproof") || takeWord("window")
            || takeWords("security", "definer") || takeWords("security", "invoker")
            || takeWords("external", "security", "definer") || takeWords("external", "security", "invoker")
        {
        } else if takeWord("cost") || takeWord("rows") || takeWord("parallel") || takeWord("support") {
            advance()
        } else if takeWord("as") {
            function.body = try stringLiteral()
        } else if takeWord("return") {
            let start = token.position
            _ = try expression()
            function.body = "SELECT " + text(from: start)
        } else if takeWords("begin", "atomic") {
            try atomicBody(&function)
        } else {
            return false
        }
        return true
    }

    /// BEGIN ATOMIC statement; ... END.
    private mutating func atomicBody(_ function: inout ObjectStatement.CreateFunction) throws(SQLError) {
        let start = token.position
        var body = ""
        while !takeWord("end") {
            guard !isAtEnd else { throw unexpected() }
            _ = try statement()
            body = text(from: start)
            try expect(";")
        }
        function.body = body
    }

    // MARK: - Drop

    /// A function, perhaps with the types of its arguments.
    mutating func routine() throws(SQLError) -> ObjectStatement.Dropped {
        var routine = ObjectStatement.Dropped(name: try qualifiedName())
        guard take("(") else { return routine }
        var types: [TypeName] = []
        if !at(")") {
            repeat {
                let parameter = try functionParameter()
                if parameter.mode != .output { types.append(parameter.type) }
            } while take(",")
        }
        try expect(")")
        routine.arguments = types
        return routine
    }

    mutating func dropObjects(_ kind: ObjectStatement.Kind) throws(SQLError) -> ObjectStatement {
        if kind == .index { _ = takeWord("concurrently") }
        let ifExists = takeWords("if", "exists")
        var names: [ObjectStatement.Dropped] = []
        repeat {
            let isRoutine = [.function, .procedure, .routine].contains(kind)
            names.append(try isRoutine ? routine() : ObjectStatement.Dropped(name: qualifiedName()))
        } while take(",")
        let isCascade = takeWord("cascade")
        if !isCascade { _ = takeWord("restrict") }
        return .drop(kind, names, ifExists: ifExists, isCascade: isCascade)
    }
}
