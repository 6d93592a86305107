// Row policies and column masks: CREATE POLICY and its kin, and what they mean for one user and one statement.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension AccessGuard {
    /// What hides rows and columns of a table from who reads it: the session's user, or a view's owner.
    func security(of secured: Secured, for definer: Int64?) -> RowSecurity? {
        security(of: secured, standing(definer), .select, reads: true)
    }

    /// What holds for a write: rows that may be changed and rows that may come of it. Rows that are seen by a condition or
    /// by RETURNING must be visible for SELECT as well.
    func security(of secured: Secured, writing statement: WriteStatement) throws(SQLError) -> RowSecurity? {
        guard hidesRows(of: secured) else { return nil }
        switch statement.change {
        case .insert(let insert) where insert.conflict == nil:
            return security(of: secured, who, .insert, reads: !statement.returning.isEmpty)
        case .update, .delete:
            guard hasNoMasks(secured) else {
                throw SQLError(
                    .insufficientPrivilege, "permission denied for \(secured.what)",
                    detail: "Columns of it are masked: who does not see them cannot change its rows.")
            }
            if case .delete = statement.change { return security(of: secured, who, .delete, reads: true) }
            return security(of: secured, who, .update, reads: true)
        case .insert, .merge:
            throw SQLError(
                .featureNotSupported, "\(statement.verb) with row-level security is not supported",
                hint: "Use INSERT, UPDATE and DELETE.")
        }
    }

    private func hasNoMasks(_ secured: Secured) -> Bool { masks(secured, who).texts.isEmpty }

    private func masks(_ secured: Secured, _ who: Standing) -> (texts: [String: String], path: [String]) {
        guard let policies = state.policies(of: secured.object), !who.isSuperuser, !who.has(secured.object.owner) else {
            return ([:], [])
        }
        let own = policies.masks.filter { !$0.value.exempt.contains { who.has($0) } }
        return (own.mapValues { "(\($0.expression))" }, own.values.flatMap { $0.searchPath ?? [] })
    }

    private func security(
        of secured: Secured, _ who: Standing, _ command: RowPolicy.Command, reads: Bool
    ) -> RowSecurity? {
        guard let policies = state.policies(of: secured.object), !who.isSuperuser else { return nil }
        let masks = command == .select ? masks(secured, who) : (texts: [:], path: [])
        var path = [secured.object.schema] + masks.path
        let isOwner = who.has(secured.object.owner)
        guard policies.isEnabled, !who.bypassesRowSecurity, policies.isForced || !isOwner else {
            return masks.texts.isEmpty ? nil : RowSecurity(masks: masks.texts, searchPath: path)
        }
        let own = policies.policies.filter { policy in
            policy.roles.contains { $0 == KnownRole.everybody || who.inherited.contains($0) }
        }
        path += own.flatMap { $0.searchPath ?? [] }
        let seen = AccessGuard.condition(own, .select) { $0.using }
        var security = RowSecurity(masks: masks.texts, searchPath: path)
        switch command {
        case .select, .all: security.visible = seen
        case .insert: security.written = [AccessGuard.condition(own, .insert) { $0.check ?? $0.using }]
        case .update:
            security.visible = seen + " AND " + AccessGuard.condition(own, .update) { $0.using }
            security.written = [AccessGuard.condition(own, .update) { $0.check ?? $0.using }]
        case .delete: security.visible = seen + " AND " + AccessGuard.condition(own, .delete) { $0.using }
        }
        if reads, !security.written.isEmpty { security.written.append(seen) }
        return security
    }

    /// Permissive policies allow what one of them allows, restrictive ones what all of them do; without a permissive one
    /// nothing is allowed.
    private static func condition(
        _ policies: [RowPolicy], _ command: RowPolicy.Command, _ text: (RowPolicy) -> String?
    ) -> String {
        let own = policies.filter { $0.command == .all || $0.command == command }
        let permissive = own.filter(\.isPermissive).map { text($0).map { "(\($0))" } ?? "true" }
        let restrictive = own.filter { !$0.isPermissive }.compactMap(text).map { "(\($0))" }
        guard !permissive.isEmpty else { return "(false)" }
        return "(" + (["(" + permissive.joined(separator: " OR ") + ")"] + restrictive).joined(separator: " AND ") + ")"
    }
}

extension Session {
    func changePolicy(_ statement: PolicyStatement) async throws(SQLError) {
        switch statement {
        case .create(let policy):
            let (object, _) = try await policed(policy.table)
            let command = try command(policy)
            try await checkCondition(policy.usingText, on: policy.table)
            try await checkCondition(policy.checkText, on: policy.table)
            var made = RowPolicy(
                name: policy.name.value, command: command, isPermissive: policy.isPermissive, roles: [],
                using: policy.usingText, check: policy.checkText, searchPath: settings.searchPath)
            made.roles =
                try policy.roles.map { (roles) throws(SQLError) in try numbers(roles) } ?? [KnownRole.everybody]
            let new = made
            try await changeAccess { (state) throws(SQLError) in
                try state.changePolicies(of: object) { (all) throws(SQLError) in
                    guard !all.policies.contains(where: { $0.name == new.name }) else {
                        throw SQLError(
                            .duplicateObject, "policy \"\(new.name)\" for table \"\(object.name)\" already exists")
                    }
                    all.policies.append(new)
                    all.policies.sort { $0.name < $1.name }
                }
            }
        case .alter(let policy):
            let (object, _) = try await policed(policy.table)
            try await checkCondition(policy.usingText, on: policy.table)
            try await checkCondition(policy.checkText, on: policy.table)
            let roles = try policy.roles.map { (roles) throws(SQLError) in try numbers(roles) }
            let path = settings.searchPath
            try await changePolicy(policy.name.value, of: object) { (known) in
                if let roles { known.roles = roles }
                if let text = policy.usingText { known.using = text }
                if let text = policy.checkText { known.check = text }
                known.searchPath = path
            }
        case .rename(let name, on: let table, to: let new):
            let (object, _) = try await policed(table)
            try await changePolicy(name.value, of: object) { $0.name = new.value }
        case .drop(let name, on: let table, let ifExists):
            let (object, _) = try await policed(table)
            guard access.policies(of: object)?.policies.contains(where: { $0.name == name.value }) == true else {
                guard ifExists else { throw undefinedPolicy(name.value, object) }
                return warn("policy \"\(name.value)\" for relation \"\(object.name)\" does not exist, skipping")
            }
            try await changeAccess { (state) throws(SQLError) in
                try state.changePolicies(of: object) { $0.policies.removeAll { $0.name == name.value } }
            }
        }
    }

    /// ALTER TABLE ... ROW LEVEL SECURITY, SET MASK and DROP MASK.
    func changeRowSecurity(_ place: NewPlace, _ action: Statement.AlterTable.Action) async throws(SQLError) {
        guard let entry = try await entry(at: place), place.branch != nil else {
            throw SQLError(.featureNotSupported, "temporary tables have no row-level security")
        }
        let secured = AccessGuard.secured(place.name, entry)
        try accessGuard?.requireOwner(secured)
        try requireTable(secured)
        let object = secured.object
        let name = QualifiedName([Identifier(place.name.schema), Identifier(place.name.name)], position: 0)
        switch action {
        case .rowSecurity(let isEnabled, let isForced):
            try await changeAccess { (state) throws(SQLError) in
                try state.changePolicies(of: object) { (all) in
                    if let isEnabled { all.isEnabled = isEnabled }
                    if let isForced { all.isForced = isForced }
                }
            }
        case .setMask(let column, _, let text, let exempt):
            try await requireColumn(column, of: name)
            // A mask has its column's type.
            try await check(
                "SELECT \(Session.quoted(column.value)) FROM \(Session.quoted(name)) UNION ALL SELECT (\(text)) FROM \(Session.quoted(name))"
            )
            let mask = ColumnMask(expression: text, exempt: try numbers(exempt), searchPath: settings.searchPath)
            try await changeAccess { (state) throws(SQLError) in
                try state.changePolicies(of: object) { $0.masks[column.value] = mask }
            }
        case .dropMask(let column):
            try await requireColumn(column, of: name)
            try await changeAccess { (state) throws(SQLError) in
                try state.changePolicies(of: object) { $0.masks[column.value] = nil }
            }
        default: return
        }
    }

    // MARK: - Parts

    private static func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
    private static func quoted(_ name: QualifiedName) -> String {
        name.parts.map { quoted($0.value) }.joined(separator: ".")
    }

    private func requireColumn(_ column: Identifier, of name: QualifiedName) async throws(SQLError) {
        guard try await columnNames(of: name).contains(column.value) else {
            throw SQLError(
                .undefinedColumn, "column \"\(column.value)\" of relation \"\(name.last)\" does not exist",
                position: column.position)
        }
    }

    private func requireTable(_ secured: AccessGuard.Secured) throws(SQLError) {
        guard secured.kind == "table" else {
            throw SQLError(.wrongObjectType, "\"\(secured.object.name)\" is not a table")
        }
    }

    /// The table of a policy, for its owner.
    private func policed(_ name: QualifiedName) async throws(SQLError) -> (SecuredObject, String) {
        var pinned = transaction?.pinned ?? [:]
        let context = planContext()
        let reference = try QueryNames.target(name, context: context)
        guard let found = try await resolver(context).find(reference, currentTransaction, &pinned) else {
            throw SQLError(.undefinedTable, "relation \"\(name.text)\" does not exist", position: name.position)
        }
        let secured = AccessGuard.secured(found)
        try accessGuard?.requireOwner(secured)
        try requireTable(secured)
        guard !found.name.isTemporary else {
            throw SQLError(.featureNotSupported, "temporary tables have no row-level security", position: name.position)
        }
        return (secured.object, secured.what)
    }

    private func numbers(_ roles: [RoleName]) throws(SQLError) -> [RoleID] {
        var numbers: [RoleID] = []
        for role in roles { numbers.append(try number(role)) }
        return numbers
    }

    private func command(_ policy: PolicyStatement.Policy) throws(SQLError) -> RowPolicy.Command {
        let command = RowPolicy.Command(rawValue: policy.command) ?? .all
        if policy.checkText != nil, command == .select || command == .delete {
            throw SQLError(.syntaxError, "WITH CHECK cannot be applied to SELECT or DELETE")
        }
        if policy.usingText != nil, command == .insert {
            throw SQLError(.syntaxError, "only WITH CHECK expression allowed for INSERT")
        }
        return command
    }

    private func changePolicy(
        _ name: String, of object: SecuredObject, _ change: @escaping @Sendable (inout RowPolicy) -> Void
    ) async throws(SQLError) {
        let missing = undefinedPolicy(name, object)
        try await changeAccess { (state) throws(SQLError) in
            try state.changePolicies(of: object) { (all) throws(SQLError) in
                guard let index = all.policies.firstIndex(where: { $0.name == name }) else { throw missing }
                change(&all.policies[index])
                all.policies.sort { $0.name < $1.name }
            }
        }
    }

    private func undefinedPolicy(_ name: String, _ object: SecuredObject) -> SQLError {
        SQLError(.undefinedObject, "policy \"\(name)\" for table \"\(object.name)\" does not exist")
    }

    private func checkCondition(_ text: String?, on table: QualifiedName) async throws(SQLError) {
        guard let text else { return }
        try await check("SELECT 1 FROM \(Session.quoted(table)) WHERE (\(text))")
    }

    /// Binds a query that stands for an expression over a table: its owner need not be asked for rights.
    private func check(_ sql: String) async throws(SQLError) {
        var life = life()
        life.resolver.access = nil
        do throws(SQLError) {
            _ = try await bind(try Parser.parseQuery(sql), [], life)
        } catch {
            var plain = error
            plain.position = nil
            throw plain
        }
    }
}
