// GRANT and REVOKE, default privileges, and what becomes of rights when objects are renamed or change hands.
public import Diagnostics

/// GRANT or REVOKE on one object, with names settled.
public struct GrantChange: Sendable {
    public var isGrant: Bool
    /// nil: ALL PRIVILEGES.
    public var rights: Rights?
    /// Rights on single columns.
    public var columns: [(rights: Rights?, column: String)]
    public var grantees: [RoleID]
    /// WITH GRANT OPTION, or REVOKE GRANT OPTION FOR.
    public var withOption: Bool
    public var cascades: Bool
    public init(
        isGrant: Bool, rights: Rights?, columns: [(rights: Rights?, column: String)] = [], grantees: [RoleID],
        withOption: Bool = false, cascades: Bool = false
    ) {
        self.isGrant = isGrant
        self.rights = rights
        self.columns = columns
        self.grantees = grantees
        self.withOption = withOption
        self.cascades = cascades
    }
}

extension AccessState {
    /// Grants or revokes. Returns a warning when nothing, or not all, could be given. `what` names the object in errors:
    /// "table t".
    public mutating func change(
        _ object: SecuredObject, _ change: GrantChange, by who: Standing, what: String
    ) throws(SQLError) -> SQLError? {
        var record = rights(of: object)
        let grantor = who.has(object.owner) ? object.owner : who.id
        if change.withOption, change.isGrant, change.grantees.contains(KnownRole.everybody) {
            throw SQLError(SQLState("0LP01"), "grant options can only be granted to roles")
        }
        var warning: SQLError?
        func possible(_ wanted: Rights?, _ all: Rights, column: String?) throws(SQLError) -> Rights {
            let may = grantable(on: object, column: column, of: who)
            let asked = wanted ?? all
            let result = asked.intersection(may)
            if result.isEmpty, !asked.isEmpty {
                let has =
                    column.map { rights(on: object, column: $0, of: who) } ?? rightsOnAnyColumn(of: object, of: who)
                guard !has.isEmpty else { throw AccessState.denied("permission denied for \(what)") }
            }
            if change.isGrant, result.isEmpty {
                warning = SQLError(SQLState("01007"), "no privileges were granted for \"\(object.name)\"")
            } else if change.isGrant, wanted != nil, result != asked {
                warning = SQLError(SQLState("01007"), "not all privileges were granted for \"\(object.name)\"")
            } else if !change.isGrant, result.isEmpty {
                warning = SQLError(SQLState("01006"), "no privileges could be revoked for \"\(object.name)\"")
            } else if !change.isGrant, wanted != nil, result != asked {
                warning = SQLError(SQLState("01006"), "not all privileges could be revoked for \"\(object.name)\"")
            }
            return result
        }
        func apply(_ rights: Rights, _ items: inout [AccessItem]) throws(SQLError) {
            guard !rights.isEmpty else { return }
            for grantee in change.grantees {
                if change.isGrant {
                    AccessList.grant(rights, to: grantee, by: grantor, grantable: change.withOption, in: &items)
                } else {
                    try AccessList.revoke(
                        rights, from: grantee, by: grantor, optionOnly: change.withOption, cascades: change.cascades,
                        owner: object.owner, in: &items)
                }
            }
        }
        if change.columns.isEmpty || change.rights != nil && change.rights != [] {
            let rights = try possible(change.rights, object.kind.rights, column: nil)
            try apply(rights, &record.items)
            // Revoking from a table revokes from its columns.
            if !change.isGrant {
                for column in record.columns.keys.sorted() {
                    try apply(rights.intersection(.ofColumns), &record.columns[column, default: []])
                }
            }
        }
        for part in change.columns {
            let rights = try possible(part.rights, .ofColumns, column: part.column)
            try apply(rights, &record.columns[part.column, default: []])
        }
        record.columns = record.columns.filter { !$0.value.isEmpty }
        put(record, of: object)
        return warning
    }

    // MARK: - Objects that change

    /// An object gets its owner's default privileges when it is made, unless rights of its name are known.
    public mutating func created(_ object: SecuredObject) {
        guard !isRecorded(object) else { return }
        let found = defaults.filter {
            $0.role == object.owner && $0.kind == object.kind
                && ($0.schema == nil || object.kind.isInSchema && $0.schema == object.schema)
        }
        guard !found.isEmpty else { return }
        // What was said for all schemas takes the standard's place, what was said for one is added.
        let whole = found.first { $0.schema == nil && $0.items.contains { $0.grantee == object.owner } }
        var record = ObjectRights(items: whole?.items ?? object.standard)
        for item in found.filter({ $0 != whole }).flatMap(\.items) {
            AccessList.grant(
                item.rights.subtracting(item.grantable), to: item.grantee, by: object.owner, grantable: false,
                in: &record.items)
            AccessList.grant(item.grantable, to: item.grantee, by: object.owner, grantable: true, in: &record.items)
        }
        record.items.removeAll { $0.rights.isEmpty }
        put(record, of: object)
    }

    /// Whether ``created(_:)`` would do something.
    public func hasDefaults(for object: SecuredObject) -> Bool {
        !isRecorded(object) && defaults.contains { $0.role == object.owner && $0.kind == object.kind }
    }

    /// Rights go along with a new name. The old name keeps its own: other branches may have it still.
    public mutating func renamed(_ object: SecuredObject, to new: SecuredObject, forgetsOld: Bool = false) {
        if let record = recordedRights(of: object), !isRecorded(new) { put(record, of: new) }
        if let policy = policies(of: object), policies(of: new) == nil { put(policy, of: new) }
        if forgetsOld { forget(object) }
    }

    /// A column got another name.
    public mutating func renamedColumn(of object: SecuredObject, _ old: String, to new: String) {
        if var record = recordedRights(of: object), let items = record.columns[old] {
            record.columns[new] = record.columns[new] ?? items
            put(record, of: object)
        }
        if var policy = policies(of: object), let mask = policy.masks[old] {
            policy.masks[new] = policy.masks[new] ?? mask
            put(policy, of: object)
        }
    }

    /// Rights that the old owner gave are the new owner's gifts.
    public mutating func changedOwner(of object: SecuredObject, to owner: RoleID) {
        var new = object
        new.owner = owner
        if let policy = policies(of: object) { put(policy, of: new) }
        guard var record = recordedRights(of: object) else { return }
        func moved(_ items: [AccessItem]) -> [AccessItem] {
            var result: [AccessItem] = []
            for item in items {
                let grantee = item.grantee == object.owner ? owner : item.grantee
                let grantor = item.grantor == object.owner ? owner : item.grantor
                AccessList.grant(item.rights, to: grantee, by: grantor, grantable: false, in: &result)
                AccessList.grant(item.grantable, to: grantee, by: grantor, grantable: true, in: &result)
            }
            return result
        }
        record.items = moved(record.items)
        record.columns = record.columns.mapValues(moved)
        put(record, of: new)
    }

    /// Removes what is known of an object that is gone for good.
    public mutating func forget(_ object: SecuredObject) {
        if isRecorded(object) { put(nil as ObjectRights?, of: object) }
        if policies(of: object) != nil { put(nil as TablePolicies?, of: object) }
    }

    /// Objects on which a role was granted something.
    public func recorded(naming role: RoleID) -> [SecuredObject] {
        recorded.filter { rights(of: $0).names(role) }
    }

    private func recordedRights(of object: SecuredObject) -> ObjectRights? {
        isRecorded(object) ? rights(of: object) : nil
    }

    // MARK: - Default privileges

    public mutating func changeDefaults(
        of role: RoleID, schema: String?, kind: SecuredKind, _ change: GrantChange, by who: Standing
    ) throws(SQLError) {
        guard who.isMember(of: role) else {
            throw AccessState.denied("permission denied to change default privileges")
        }
        var list = defaults
        let place: Int
        if let found = list.firstIndex(where: { $0.role == role && $0.schema == schema && $0.kind == kind }) {
            place = found
        } else {
            place = list.count
            let standard = schema == nil ? AccessState.standard(kind, role) : []
            list.append(DefaultRights(role: role, schema: schema, kind: kind, items: standard))
        }
        for grantee in change.grantees {
            let rights = change.rights ?? kind.rights
            if change.isGrant {
                AccessList.grant(
                    rights, to: grantee, by: role, grantable: change.withOption, in: &list[place].items)
            } else {
                try AccessList.revoke(
                    rights, from: grantee, by: role, optionOnly: change.withOption, cascades: true, owner: role,
                    in: &list[place].items)
            }
        }
        list.removeAll {
            $0.items.isEmpty || $0.schema == nil && Set($0.items) == Set(AccessState.standard($0.kind, $0.role))
        }
        put(list)
    }

    private static func standard(_ kind: SecuredKind, _ owner: RoleID) -> [AccessItem] {
        SecuredObject(kind, name: "", owner: owner).standard
    }

    /// What was said, for pg_default_acl.
    public var defaultRights: [DefaultRights] { defaults }

    // MARK: - DROP OWNED

    /// Takes from a role everything that it was granted.
    public mutating func revokeAll(from role: RoleID) {
        for object in recorded {
            // What it owned is dropped, or somebody else's now.
            guard object.owner != role else {
                forget(object)
                continue
            }
            var record = rights(of: object)
            record.items.removeAll { $0.grantee == role }
            record.columns = record.columns.mapValues { $0.filter { $0.grantee != role } }.filter { !$0.value.isEmpty }
            put(record, of: object)
        }
        // A policy for nobody else goes as well.
        for (key, known) in policies {
            guard let object = SecuredObject(key: key), known.policies.contains(where: { $0.roles.contains(role) })
            else { continue }
            var left = known
            for index in left.policies.indices { left.policies[index].roles.removeAll { $0 == role } }
            left.policies.removeAll(where: \.roles.isEmpty)
            put(left.isEmpty ? nil : left, of: object)
        }
        var list = defaults.filter { $0.role != role }
        for index in list.indices { list[index].items.removeAll { $0.grantee == role } }
        put(list.filter { !$0.items.isEmpty })
    }

    // MARK: - Policies

    /// Changes the policies of a table.
    public mutating func changePolicies(
        of object: SecuredObject, _ body: (inout TablePolicies) throws(SQLError) -> Void
    ) throws(SQLError) {
        var policies = policies(of: object) ?? TablePolicies()
        try body(&policies)
        put(policies.isEmpty ? nil : policies, of: object)
    }

    // MARK: - Texts

    /// An access control list as PostgreSQL prints it: `{alice=arwdDxt/alice,=r/alice}`; nil when it is the standard one.
    public func texts(of object: SecuredObject, name: (RoleID) -> String) -> [String]? {
        guard let record = recordedRights(of: object) else { return nil }
        return AccessState.texts(record.items, name: name)
    }

    public static func texts(_ items: [AccessItem], name: (RoleID) -> String) -> [String] {
        items.map { item in
            var text = item.grantee == KnownRole.everybody ? "" : quoted(name(item.grantee))
            text += "="
            for (right, letter, _) in Rights.all where item.rights.contains(right) {
                text.append(letter)
                if item.grantable.contains(right) { text += "*" }
            }
            return text + "/" + quoted(name(item.grantor))
        }
    }

    private static func quoted(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy {
            (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 95
        }
        return isPlain ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
    }
}
