// The grammar of roles, rights and row policies.
import Diagnostics

extension Parser {
    private static let roleWords: Set<String> = ["role", "user", "group"]

    /// Whether ROLE, USER or GROUP comes next, and is no more than that.
    private func atRole(_ ahead: Int) -> Bool {
        guard case .word(let word) = peek(ahead).kind, Parser.roleWords.contains(word) else { return false }
        return peek(ahead + 1).kind != .word("mapping")
    }

    /// CREATE, ALTER, DROP, GRANT, REVOKE and kin; nil: something else, nothing was taken.
    mutating func accessStatement(_ word: String) throws(SQLError) -> Statement? {
        let start = index
        do throws(SQLError) {
            let found = try anyAccessStatement(word)
            if found == nil { index = start }
            return found.map(Statement.access)
        } catch {
            // A message must not repeat a password.
            guard case .string = token.kind, atRoleStatement(start) else { throw error }
            throw SQLError(.syntaxError, "syntax error in statement about a role", position: token.position)
        }
    }

    private func atRoleStatement(_ start: Int) -> Bool {
        guard start + 1 < tokens.count, case .word(let word) = tokens[start + 1].kind else { return false }
        return Parser.roleWords.contains(word)
    }

    private mutating func anyAccessStatement(_ word: String) throws(SQLError) -> AccessStatement? {
        switch word {
        case "create":
            if atRole(1) {
                advance()
                return try createRole()
            }
            guard peek().kind == .word("policy") else { return nil }
            advance()
            advance()
            return .policy(.create(try policy(isNew: true)))
        case "alter": return try alterAccess()
        case "drop":
            if atRole(1) {
                advance()
                advance()
                let ifExists = takeWords("if", "exists")
                return .dropRoles(try roleNames(), ifExists: ifExists)
            }
            if peek().kind == .word("owned") {
                advance()
                advance()
                try expectWord("by")
                let roles = try roleNames()
                if !takeWord("cascade") { _ = takeWord("restrict") }
                return .dropOwned(roles)
            }
            guard peek().kind == .word("policy") else { return nil }
            advance()
            advance()
            let ifExists = takeWords("if", "exists")
            let name = try name()
            try expectWord("on")
            let table = try qualifiedName()
            if !takeWord("cascade") { _ = takeWord("restrict") }
            return .policy(.drop(name, on: table, ifExists: ifExists))
        case "grant", "revoke": return try grantOrRevoke()
        case "reassign":
            advance()
            try expectWord("owned")
            try expectWord("by")
            let roles = try roleNames()
            try expectWord("to")
            return .reassignOwned(roles, to: try roleName())
        default: return nil
        }
    }

    // MARK: - Roles

    private mutating func roleNames() throws(SQLError) -> [RoleName] {
        var names = [try roleName()]
        while take(",") { names.append(try roleName()) }
        return names
    }

    mutating func roleName() throws(SQLError) -> RoleName {
        if takeWord("current_user") || takeWord("current_role") { return .currentUser }
        if takeWord("session_user") { return .sessionUser }
        if case .word("public") = token.kind {
            advance()
            return .everybody
        }
        _ = atWord("group") && isName(peek()) && takeWord("group")
        return .named(try label())
    }

    private mutating func newRoleName() throws(SQLError) -> Identifier {
        let position = token.position
        guard case .named(let name) = try roleName() else {
            throw SQLError(SQLState("42939"), "role name \"public\" is reserved", position: position)
        }
        return name
    }

    private mutating func createRole() throws(SQLError) -> AccessStatement {
        let isUser = takeWord("user")
        if !isUser, !takeWord("group") { try expectWord("role") }
        let name = try newRoleName()
        _ = takeWord("with")
        var options = try roleOptions(isNew: true)
        if isUser, options.canLogin == nil { options.canLogin = true }
        return .createRole(name, options)
    }

    private mutating func roleOptions(isNew: Bool) throws(SQLError) -> RoleOptions {
        var options = RoleOptions()
        while case .word(let word) = token.kind {
            let position = token.position
            switch word {
            case "superuser", "nosuperuser": options.isSuperuser = word == "superuser"
            case "createdb", "nocreatedb": options.canCreateDatabases = word == "createdb"
            case "createrole", "nocreaterole", "createuser", "nocreateuser":
                options.canCreateRoles = !word.hasPrefix("no")
            case "inherit", "noinherit": options.inherits = word == "inherit"
            case "login", "nologin": options.canLogin = word == "login"
            case "replication", "noreplication": options.canReplicate = word == "replication"
            case "bypassrls", "nobypassrls": options.bypassesRowSecurity = word == "bypassrls"
            case "encrypted": break
            case "unencrypted":
                throw SQLError(
                    .featureNotSupported, "UNENCRYPTED PASSWORD is no longer supported",
                    hint: "Remove UNENCRYPTED to store the password in encrypted form instead.", position: position)
            case "password":
                advance()
                if atWord("null") {
                    options.password = RoleOptions.Password.none
                } else {
                    guard case .string(let text) = token.kind else { throw unexpected() }
                    options.password = .text(text)
                }
            case "valid":
                advance()
                guard atWord("until") else { throw unexpected() }
                advance()
                guard case .string(let text) = token.kind else { throw unexpected() }
                options.validUntil = text
            case "connection":
                advance()
                guard atWord("limit") else { throw unexpected() }
                advance()
                let isNegative = take("-")
                guard case .integer(let digits) = token.kind, let number = Int32(digits) else { throw unexpected() }
                options.connectionLimit = Int(isNegative ? -number : number)
                guard isNegative ? number == 1 : true else {
                    throw SQLError(
                        .invalidParameterValue, "invalid connection limit: \(-number)", position: position)
                }
            case "sysid":
                advance()
            case "in" where isNew:
                advance()
                guard atWord("role") || atWord("group") else { throw unexpected() }
                advance()
                options.groups += try roleNames()
                continue
            case "role" where isNew, "user" where isNew:
                advance()
                options.members += try roleNames()
                continue
            case "admin" where isNew:
                advance()
                options.admins += try roleNames()
                continue
            default: throw unexpected()
            }
            advance()
        }
        return options
    }

    // MARK: - ALTER

    private mutating func alterAccess() throws(SQLError) -> AccessStatement? {
        if atRole(1) {
            advance()
            let isGroup = atWord("group")
            advance()
            return try alterRole(isGroup: isGroup)
        }
        guard case .word(let kind) = peek().kind else { return nil }
        switch kind {
        case "default":
            advance()
            advance()
            try expectWord("privileges")
            return try alterDefaults()
        case "policy":
            advance()
            advance()
            let ifExists = takeWords("if", "exists")
            _ = ifExists
            let start = index
            let name = try name()
            try expectWord("on")
            let table = try qualifiedName()
            if takeWords("rename", "to") { return .policy(.rename(name, on: table, to: try self.name())) }
            index = start
            return .policy(.alter(try policy(isNew: false)))
        case "schema", "database", "branch":
            advance()
            advance()
            let name = kind == "branch" ? try refName() : try name()
            guard takeWords("owner", "to") else { return nil }
            let role = try roleName()
            switch kind {
            case "schema": return .owner(.schema(name), to: role)
            case "database": return .owner(.database(name), to: role)
            default: return .owner(.branch(name), to: role)
            }
        default: return nil
        }
    }

    private mutating func alterRole(isGroup: Bool) throws(SQLError) -> AccessStatement {
        var role: RoleName?
        if !takeWord("all") { role = try roleName() }
        if isGroup, let role, atWord("add") || atWord("drop") {
            let isGrant = takeWord("add")
            if !isGrant { advance() }
            try expectWord("user")
            guard case .named(let group) = role else { throw unexpected() }
            return .memberships([group], of: try roleNames(), isGrant: isGrant, adminOption: false)
        }
        if takeWords("rename", "to") {
            guard case .named(let name)? = role else { throw unexpected() }
            return .renameRole(name, to: try newRoleName())
        }
        var database: Identifier?
        if takeWords("in", "database") { database = try name() }
        if atWord("set") {
            guard case .set(let set) = try setVariable() else { throw unexpected() }
            return .setDefault(role, database: database, set)
        }
        if takeWord("reset") {
            if takeWord("all") { return .resetDefault(role, database: database, setting: nil) }
            return .resetDefault(role, database: database, setting: try settingName())
        }
        guard database == nil, let role else { throw unexpected() }
        _ = takeWord("with")
        return .alterRole(role, try roleOptions(isNew: false))
    }

    private mutating func alterDefaults() throws(SQLError) -> AccessStatement {
        var roles: [RoleName] = []
        var schemas: [Identifier] = []
        while true {
            if takeWord("for") {
                guard takeWord("role") || takeWord("user") else { throw unexpected() }
                roles = try roleNames()
            } else if takeWords("in", "schema") {
                schemas = try names()
            } else {
                break
            }
        }
        guard atWord("grant") || atWord("revoke") else { throw unexpected() }
        let isGrant = takeWord("grant")
        if !isGrant { advance() }
        var grant = try grantHead(isGrant: isGrant)
        try expectWord("on")
        let kind = try label().value
        switch kind {
        case "tables": grant.target = .relations([])
        case "schemas": grant.target = .schemas([])
        case "sequences": grant.target = .sequences([])
        case "functions", "routines": grant.target = .routines(.function, [])
        case "types": grant.target = .types([], isDomain: false)
        default: throw unexpected()
        }
        try grantTail(&grant)
        return .defaults(roles: roles, schemas: schemas, grant)
    }

    // MARK: - GRANT and REVOKE

    private mutating func grantOrRevoke() throws(SQLError) -> AccessStatement {
        let isGrant = atWord("grant")
        advance()
        // Without ON it is about memberships.
        var ahead = 0
        while ![.end, .symbol(";"), .word("on"), .word("to"), .word("from")].contains(peek(ahead).kind) { ahead += 1 }
        guard peek(ahead).kind == .word("on") else { return try memberships(isGrant: isGrant) }
        var grant = try grantHead(isGrant: isGrant)
        try expectWord("on")
        grant.target = try grantTarget()
        try grantTail(&grant)
        return .grant(grant)
    }

    private mutating func memberships(isGrant: Bool) throws(SQLError) -> AccessStatement {
        var adminOption = !isGrant && takeWords("admin", "option", "for")
        let position = token.position
        let roles = try roleNames()
        var names: [Identifier] = []
        for role in roles {
            guard case .named(let name) = role else {
                throw SQLError(.syntaxError, "role name expected", position: position)
            }
            names.append(name)
        }
        try expectWord(isGrant ? "to" : "from")
        let members = try roleNames()
        if isGrant, takeWords("with", "admin") {
            guard takeWord("option") || takeWord("true") else { throw unexpected() }
            adminOption = true
        }
        if takeWords("granted", "by") { _ = try roleName() }
        if !takeWord("cascade") { _ = takeWord("restrict") }
        return .memberships(names, of: members, isGrant: isGrant, adminOption: adminOption)
    }

    private mutating func grantHead(isGrant: Bool) throws(SQLError) -> GrantStatement {
        var grant = GrantStatement(isGrant: isGrant, rights: [])
        if !isGrant, takeWords("grant", "option", "for") { grant.withOption = true }
        if takeWord("all") {
            _ = takeWord("privileges")
            grant.allColumns = try optionalNames()
            return grant
        }
        repeat {
            let name = try label()
            guard name.value.utf8.allSatisfy({ (97...122).contains($0) || $0 == 95 }) else { throw unexpected() }
            grant.rights.append(GrantStatement.Right(name: name, columns: try optionalNames()))
        } while take(",")
        return grant
    }

    private mutating func grantTarget() throws(SQLError) -> GrantStatement.Target {
        if atWord("all"), case .word(let kind) = peek().kind,
            ["tables", "sequences", "functions", "procedures", "routines"].contains(kind)
        {
            advance()
            advance()
            try expectWord("in")
            try expectWord("schema")
            let schemas = try names()
            guard let kind = ObjectStatement.Kind(rawValue: String(kind.dropLast())) else {
                return .relationsInSchemas(schemas)
            }
            return .objectsInSchemas(kind, schemas)
        }
        if takeWord("schema") { return .schemas(try names()) }
        if takeWord("database") { return .databases(try names()) }
        if takeWord("branch") {
            var branches = [try refName()]
            while take(",") { branches.append(try refName()) }
            return .branches(branches)
        }
        if atWord("sequence"), isName(peek()) {
            advance()
            var names = [try qualifiedName()]
            while take(",") { names.append(try qualifiedName()) }
            return .sequences(names)
        }
        for kind in [ObjectStatement.Kind.type, .domain] where atWord(kind.rawValue) && isName(peek()) {
            advance()
            var names = [try qualifiedName()]
            while take(",") { names.append(try qualifiedName()) }
            return .types(names, isDomain: kind == .domain)
        }
        for kind in [ObjectStatement.Kind.function, .procedure, .routine]
        where atWord(kind.rawValue) && isName(peek()) {
            advance()
            var routines = [try routine()]
            while take(",") { routines.append(try routine()) }
            return .routines(kind, routines)
        }
        for kind in ["language", "parameter"] where atWord(kind) && isName(peek()) {
            throw SQLError(
                .featureNotSupported, "GRANT ON \(kind.uppercased()) is not supported", position: token.position)
        }
        _ = takeWord("table")
        var names = [try qualifiedName()]
        while take(",") { names.append(try qualifiedName()) }
        return .relations(names)
    }

    private mutating func grantTail(_ grant: inout GrantStatement) throws(SQLError) {
        try expectWord(grant.isGrant ? "to" : "from")
        grant.grantees = try roleNames()
        if grant.isGrant, takeWords("with", "grant", "option") { grant.withOption = true }
        if takeWords("granted", "by") { _ = try roleName() }
        grant.cascades = takeWord("cascade")
        if !grant.cascades { _ = takeWord("restrict") }
    }

    // MARK: - Policies

    /// After CREATE POLICY and ALTER POLICY.
    private mutating func policy(isNew: Bool) throws(SQLError) -> PolicyStatement.Policy {
        let name = try name()
        try expectWord("on")
        var policy = PolicyStatement.Policy(name: name, table: try qualifiedName())
        if isNew, takeWord("as") {
            if takeWord("restrictive") { policy.isPermissive = false } else { try expectWord("permissive") }
        }
        if isNew, takeWord("for") {
            policy.command = try label().value
            guard ["all", "select", "insert", "update", "delete"].contains(policy.command) else { throw unexpected() }
        }
        if takeWord("to") { policy.roles = try roleNames() }
        if takeWord("using") { (policy.using, policy.usingText) = try parenthesized() }
        if takeWords("with", "check") { (policy.check, policy.checkText) = try parenthesized() }
        return policy
    }

    mutating func parenthesized() throws(SQLError) -> (Expression, String) {
        try expect("(")
        let start = token.position
        let value = try expression()
        let text = text(from: start)
        try expect(")")
        return (value, text)
    }
}
