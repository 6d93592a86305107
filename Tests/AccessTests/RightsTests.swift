// Rights as values: grants, memberships, owners, records, connection rules and passwords.
import Diagnostics
import Foundation
import Testing

@testable import Access

@Suite struct RightsTests {
    static let root = Standing.superuser("root")

    /// A state with roles of these names; the state knows "root" as superuser.
    static func state(_ names: String...) throws -> AccessState {
        var state = AccessState()
        state.configured = ["root"]
        for name in names { try state.createRole(name, RoleChange(), by: root) }
        return state
    }

    static func table(_ name: String, owner: RoleID = KnownRole.bootstrap) -> SecuredObject {
        SecuredObject(.relation, schema: "public", name: name, owner: owner)
    }

    static func who(_ state: AccessState, _ name: String) throws -> Standing { try #require(state.standing(of: name)) }

    static func code(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "none"
        } catch let error as SQLError {
            return error.state.code
        } catch {
            return "\(error)"
        }
    }

    @Test("while no role is defined everybody may do everything, and who makes the first one stays superuser")
    func open() throws {
        var state = AccessState()
        #expect(state.standing(of: "anybody")?.isSuperuser == true)
        try state.createRole("bob", RoleChange(), by: .superuser("ann"))
        #expect(state.standing(of: "anybody") == nil)
        #expect(state.standing(of: "ann")?.isSuperuser == true)
        #expect(state.standing(of: "bob")?.isSuperuser == false)
    }

    @Test("grants reach members that inherit, and go with what they came from")
    func grants() throws {
        var state = try Self.state("readers", "bob", "eve", "carl")
        let table = Self.table("t")
        let readers = try state.requireID(of: "readers")
        let (bob, eve) = (try state.requireID(of: "bob"), try state.requireID(of: "eve"))
        _ = try state.grant(role: "readers", to: "bob", admin: false, by: Self.root)
        _ = try state.change(
            table, GrantChange(isGrant: true, rights: .select, grantees: [readers], withOption: true), by: Self.root,
            what: "table t")
        #expect(state.rights(on: table, of: try Self.who(state, "bob")) == .select)
        #expect(state.rights(on: table, of: try Self.who(state, "eve")) == [])
        _ = try state.change(
            table, GrantChange(isGrant: true, rights: .select, grantees: [eve]), by: try Self.who(state, "bob"),
            what: "table t")
        #expect(state.rights(on: table, of: try Self.who(state, "eve")).isEmpty == false)
        #expect(
            Self.code {
                _ = try state.change(
                    table, GrantChange(isGrant: true, rights: .select, grantees: [bob]),
                    by: try Self.who(state, "carl"), what: "table t")
            } == "42501")
        let revoke = GrantChange(isGrant: false, rights: .select, grantees: [readers], cascades: true)
        _ = try state.change(table, revoke, by: Self.root, what: "table t")
        #expect(state.rights(on: table, of: try Self.who(state, "bob")) == [])
        #expect(
            state.texts(of: table) { state.name(of: $0) ?? "apus" }?.contains { $0.hasPrefix("readers=") } == false)
    }

    @Test("a right belongs to the owner's table: another owner's table of the name has none of it")
    func owners() throws {
        var state = try Self.state("bob", "eve")
        let eve = try state.requireID(of: "eve")
        let bob = try state.requireID(of: "bob")
        let (mine, theirs) = (Self.table("t", owner: bob), Self.table("t"))
        _ = try state.change(
            mine, GrantChange(isGrant: true, rights: nil, grantees: [eve]), by: try Self.who(state, "bob"),
            what: "table t")
        #expect(state.rights(on: mine, of: try Self.who(state, "eve")) == SecuredKind.relation.rights)
        #expect(state.rights(on: theirs, of: try Self.who(state, "eve")) == [])
        #expect(state.rights(on: mine, of: try Self.who(state, "bob")) == SecuredKind.relation.rights)
        state.renamed(mine, to: Self.table("u", owner: bob))
        #expect(state.rights(on: Self.table("u", owner: bob), of: try Self.who(state, "eve")) != [])
        state.changedOwner(of: mine, to: eve)
        #expect(state.rights(on: Self.table("t", owner: eve), of: try Self.who(state, "eve")) != [])
    }

    @Test("rights on columns, and what revoking from the table does to them")
    func columns() throws {
        var state = try Self.state("bob")
        let bob = try state.requireID(of: "bob")
        let table = Self.table("t")
        _ = try state.change(
            table, GrantChange(isGrant: true, rights: [], columns: [(.select, "a")], grantees: [bob]), by: Self.root,
            what: "table t")
        let who = try Self.who(state, "bob")
        #expect(state.rights(on: table, of: who) == [])
        #expect(state.rights(on: table, column: "a", of: who) == .select)
        #expect(state.rights(on: table, column: "b", of: who) == [])
        #expect(state.rightsOnAnyColumn(of: table, of: who) == .select)
        _ = try state.change(table, GrantChange(isGrant: false, rights: nil, grantees: [bob]), by: Self.root, what: "t")
        #expect(state.rightsOnAnyColumn(of: table, of: who) == [])
    }

    @Test("what a role without rights may not do to roles")
    func refusals() throws {
        var state = try Self.state("bob", "adm", "boss")
        var change = RoleChange()
        change.isSuperuser = true
        try state.alterRole("boss", change, by: Self.root)
        change = RoleChange()
        change.canCreateRoles = true
        try state.alterRole("adm", change, by: Self.root)
        let (bob, adm) = (try Self.who(state, "bob"), try Self.who(state, "adm"))
        var grab = RoleChange()
        grab.isSuperuser = true
        #expect(Self.code { try state.createRole("x", RoleChange(), by: bob) } == "42501")
        #expect(Self.code { try state.createRole("x", grab, by: adm) } == "42501")
        #expect(Self.code { try state.alterRole("adm", grab, by: adm) } == "42501")
        #expect(Self.code { try state.alterRole("boss", RoleChange(), by: adm) } == "42501")
        #expect(Self.code { _ = try state.grant(role: "boss", to: "adm", admin: false, by: adm) } == "42501")
        #expect(
            Self.code { _ = try state.grant(role: "pg_read_server_files", to: "adm", admin: false, by: adm) }
                == "42501")
        #expect(Self.code { _ = try state.grant(role: "root", to: "adm", admin: false, by: adm) } == "42501")
        #expect(Self.code { try state.createRole("pg_x", RoleChange(), by: Self.root) } == "42939")
        #expect(Self.code { try state.createRole("bob", RoleChange(), by: Self.root) } == "42710")
        #expect(Self.code { try state.dropRole("nobody", by: Self.root, sessionUser: "root", owned: []) } == "42704")
        _ = try state.grant(role: "bob", to: "adm", admin: false, by: Self.root)
        #expect(Self.code { _ = try state.grant(role: "adm", to: "bob", admin: false, by: Self.root) } == "0LP01")
    }

    @Test("a role goes only when nothing depends on it")
    func dependents() throws {
        var state = try Self.state("bob")
        let bob = try state.requireID(of: "bob")
        _ = try state.change(
            Self.table("t"), GrantChange(isGrant: true, rights: .select, grantees: [bob]), by: Self.root, what: "t")
        #expect(Self.code { try state.dropRole("bob", by: Self.root, sessionUser: "root", owned: []) } == "2BP01")
        state.revokeAll(from: bob)
        try state.dropRole("bob", by: Self.root, sessionUser: "root", owned: [])
        #expect(state.role(named: "bob") == nil)
    }

    @Test("records give the same state again")
    func records() throws {
        var state = try Self.state("bob", "odd/name%")
        let bob = try state.requireID(of: "bob")
        let odd = SecuredObject(.relation, schema: "a/b", name: "c%2F", owner: bob)
        _ = try state.change(
            odd, GrantChange(isGrant: true, rights: .select, grantees: [KnownRole.everybody]), by: Self.root, what: "t")
        var copy = AccessState()
        copy.configured = ["root"]
        try copy.take(try state.takingChanges(), version: 1)
        #expect(copy.rights(on: odd, of: try Self.who(copy, "odd/name%")) == .select)
        #expect(SecuredObject(key: odd.key) == odd)
        #expect(copy.allRoles == state.allRoles)
    }

    @Test("connection rules: the first that fits decides")
    func hosts() throws {
        let rules = try HostRules(
            text: """
                # type database user address method
                host    all     eve     0.0.0.0/0        reject
                hostssl lake    all     10.1.0.0/16      cert
                host    lake@dev all    10.1.0.0 255.255.0.0 trust; host all all ::1/128 md5
                host    all     +staff  all              password
                host    all     all     all              scram-sha-256
                """)
        func method(_ user: String, _ host: String?, tls: Bool = false, branch: String = "main") -> HostRule.Method? {
            rules.rule(database: "lake", branch: branch, user: user, host: host, isEncrypted: tls, nil)?.method
        }
        #expect(method("eve", "1.2.3.4") == .reject)
        #expect(method("bob", "10.1.2.3", tls: true) == .cert)
        #expect(method("bob", "10.1.2.3", branch: "dev") == .trust)
        #expect(method("bob", "10.1.2.3") == .scram)
        #expect(method("bob", "::1") == .md5)
        #expect(method("bob", "::ffff:10.1.2.3", tls: true) == .cert)
        #expect(method("bob", nil) == nil)
        #expect(throws: SQLError.self) { try HostRules(text: "host all all 1.2.3.4/33 trust") }
        #expect(throws: SQLError.self) { try HostRules(text: "host all all all nonsense") }
    }

    @Test("passwords are kept as verifiers, and known forms as they are")
    func passwords() throws {
        let made = try #require(StoredPassword.stored("secret", user: "bob", md5: false))
        #expect(made.hasPrefix("SCRAM-SHA-256$4096:") && !made.contains("secret"))
        #expect(StoredPassword.accepts(made, "secret", user: "bob"))
        #expect(!StoredPassword.accepts(made, "other", user: "bob"))
        #expect(StoredPassword.stored(made, user: "bob", md5: false) == made)
        // PostgreSQL's own: SELECT 'md5' || md5('secret' || 'bob').
        let md5 = try #require(StoredPassword.stored("secret", user: "bob", md5: true))
        #expect(md5 == "md5" + MD5.hex(Array("secretbob".utf8)) && md5.utf8.count == 35)
        #expect(StoredPassword.accepts(md5, "secret", user: "bob"))
        let answer = "md5" + MD5.hex(Array(md5.dropFirst(3).utf8) + [1, 2, 3, 4])
        #expect(StoredPassword.acceptsMD5(md5, answer, salt: [1, 2, 3, 4]))
        #expect(!StoredPassword.acceptsMD5(md5, answer, salt: [1, 2, 3, 5]))
        #expect(StoredPassword.stored("", user: "bob", md5: false) == nil)
    }
}
