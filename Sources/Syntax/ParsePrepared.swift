// The grammar of PREPARE and EXECUTE.
import Diagnostics

extension Parser {
    mutating func prepare() throws(SQLError) -> Statement {
        advance()
        let name = try name()
        var types: [TypeName] = []
        if take("(") {
            repeat { types.append(try typeName()) } while take(",")
            try expect(")")
        }
        try expectWord("as")
        let start = token.position
        let inner = try statement()
        return .prepare(name: name, types: types, statement: inner, text: text(from: start))
    }

    mutating func execute() throws(SQLError) -> Statement {
        advance()
        let name = try name()
        var arguments: [Expression] = []
        if take("(") {
            arguments = try expressions()
            try expect(")")
        }
        return .execute(name: name, arguments: arguments)
    }
}
