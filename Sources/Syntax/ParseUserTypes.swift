// The grammar of CREATE and ALTER of types and domains.
import Diagnostics

extension Parser {
    /// Behind CREATE TYPE; nil for ranges, base types and shells.
    mutating func createType() throws(SQLError) -> ObjectStatement? {
        let name = try qualifiedName()
        guard takeWord("as") else { return nil }
        if takeWord("enum") {
            try expect("(")
            var labels: [String] = []
            if !at(")") { repeat { labels.append(try stringLiteral()) } while take(",") }
            try expect(")")
            return .createType(name: name, .enumeration(labels))
        }
        // DuckDB's name for another type: a domain without conditions.
        if !at("("), !atWord("range"), isName(token) || token.keyword.contains(.columnName) {
            return .createType(name: name, .domain(ObjectStatement.Domain(base: try typeName())))
        }
        guard take("(") else { return nil }
        var attributes: [ObjectStatement.Attribute] = []
        if !at(")") {
            repeat {
                let name = try self.name()
                attributes.append(ObjectStatement.Attribute(name: name, type: try typeName()))
                if takeWord("collate") { _ = try qualifiedName() }
            } while take(",")
        }
        try expect(")")
        return .createType(name: name, .composite(attributes))
    }

    /// Behind CREATE DOMAIN.
    mutating func createDomain() throws(SQLError) -> ObjectStatement {
        let name = try qualifiedName()
        _ = takeWord("as")
        var domain = ObjectStatement.Domain(base: try typeName())
        while true {
            var constraint: Identifier?
            if takeWord("constraint") { constraint = try self.name() }
            if takeWords("not", "null") {
                domain.isNotNull = true
            } else if takeWord("null") {
                domain.isNotNull = false
            } else if takeWord("default") {
                let start = token.position
                _ = try expression(.sum)
                domain.defaultText = text(from: start)
            } else if takeWord("collate") {
                _ = try qualifiedName()
            } else if atWord("check") {
                domain.checks.append(try domainCheck(constraint))
            } else {
                guard constraint == nil else { throw unexpected() }
                return .createType(name: name, .domain(domain))
            }
        }
    }

    private mutating func domainCheck(_ name: Identifier?) throws(SQLError) -> ObjectStatement.Check {
        try expectWord("check")
        try expect("(")
        let start = token.position
        let condition = try expression()
        let text = text(from: start)
        try expect(")")
        _ = takeWords("not", "valid")
        return ObjectStatement.Check(name: name, condition: condition, text: text)
    }

    /// Behind ALTER TYPE and ALTER DOMAIN; nil for what is not supported.
    mutating func alterType(isDomain: Bool) throws(SQLError) -> Statement? {
        let ifExists = takeWords("if", "exists")
        let name = try qualifiedName()
        guard let action = isDomain ? try domainAction() : try typeAction() else { return nil }
        return .object(.alterType(name: name, isDomain: isDomain, ifExists: ifExists, action))
    }

    private mutating func typeAction() throws(SQLError) -> ObjectStatement.TypeAction? {
        if takeWords("add", "value") {
            let ifNotExists = takeWords("if", "not", "exists")
            let label = try stringLiteral()
            let before = takeWord("before") ? try stringLiteral() : nil
            let after = takeWord("after") ? try stringLiteral() : nil
            return .addValue(label, ifNotExists: ifNotExists, before: before, after: after)
        }
        if takeWords("rename", "value") {
            let old = try stringLiteral()
            try expectWord("to")
            return .renameValue(old, to: try stringLiteral())
        }
        return try ownerOrName()
    }

    private mutating func ownerOrName() throws(SQLError) -> ObjectStatement.TypeAction? {
        if takeWords("rename", "to") { return .rename(try name()) }
        if takeWords("owner", "to") { return .owner(try roleName()) }
        return nil
    }

    private mutating func domainAction() throws(SQLError) -> ObjectStatement.TypeAction? {
        if takeWords("set", "default") {
            let start = token.position
            _ = try expression(.sum)
            return .setDefault(text(from: start))
        }
        if takeWords("drop", "default") { return .setDefault(nil) }
        if takeWords("set", "not", "null") { return .setNotNull(true) }
        if takeWords("drop", "not", "null") { return .setNotNull(false) }
        if takeWord("add") {
            let constraint = takeWord("constraint") ? try name() : nil
            return .addCheck(try domainCheck(constraint))
        }
        if takeWords("drop", "constraint") {
            let ifExists = takeWords("if", "exists")
            let constraint = try name()
            if !takeWord("cascade") { _ = takeWord("restrict") }
            return .dropConstraint(constraint, ifExists: ifExists)
        }
        if takeWords("validate", "constraint") {
            _ = try name()
            return .validate
        }
        if takeWords("rename", "constraint") {
            let old = try name()
            try expectWord("to")
            return .renameConstraint(old, to: try name())
        }
        return try ownerOrName()
    }
}
