// What has_table_privilege and its kin answer.
import Access
import Catalogs
import Columns
import Diagnostics

extension SystemState {
    /// The last argument names rights, the one before it (or, for columns, the two) the object; what is left before
    /// that names the role.
    func privilege(_ function: String, _ arguments: [Scalar]) throws(SQLError) -> Scalar {
        guard let wanted = arguments.last?.string, let source = knownSource else { return .null(.boolean) }
        let isColumn = function == "has_column_privilege"
        let isRole = function == "pg_has_role"
        let objects = isColumn ? 2 : 1
        guard arguments.count > objects else { return .null(.boolean) }
        var who = source.standing
        if arguments.count > objects + 1 {
            guard let named = try standing(named: arguments[0]) else { return .boolean(false) }
            who = named
        }
        let object = arguments[arguments.count - objects - 1]
        if isRole { return try role(object, wanted, who) }
        let kinds = try SystemState.rights(wanted)
        func answer(_ has: (Rights, Bool) -> Bool) -> Scalar {
            .boolean(kinds.contains { has($0.right, $0.isGrantable) })
        }
        switch function {
        case "has_table_privilege", "has_any_column_privilege", "has_column_privilege":
            guard let relation = try relation(object) else { return .null(.boolean) }
            guard let secured = relation.secured else {
                return answer { right, _ in
                    who.isSuperuser || right == .select && !["pg_authid", "pg_shadow"].contains(relation.name.name)
                }
            }
            let access = source.access
            if isColumn {
                guard let column = try column(arguments[arguments.count - 2], relation) else { return .null(.boolean) }
                return answer { right, grantable in
                    grantable
                        ? access.grantable(on: secured, column: column, of: who).contains(right)
                        : access.rights(on: secured, column: column, of: who).contains(right)
                }
            }
            return answer { right, grantable in
                if grantable { return access.grantable(on: secured, of: who).contains(right) }
                return
                    (function == "has_table_privilege"
                    ? access.rights(on: secured, of: who) : access.rightsOnAnyColumn(of: secured, of: who))
                    .contains(right)
            }
        case "has_schema_privilege":
            guard let schema = try schema(object) else { return .null(.boolean) }
            guard !SystemTable.schemas.contains(schema.name) else {
                return answer { right, _ in who.isSuperuser || right == .usage }
            }
            let secured = SecuredObject(.schema, name: schema.name, owner: schema.owner)
            return answer { right, grantable in
                (grantable
                    ? source.access.grantable(on: secured, of: who) : source.access.rights(on: secured, of: who))
                    .contains(right)
            }
        case "has_sequence_privilege":
            guard let relation = try relation(object) else { return .null(.boolean) }
            guard relation.sequence != nil, let secured = relation.secured else {
                throw SQLError(.wrongObjectType, "\"\(relation.name.name)\" is not a sequence")
            }
            return answer { right, grantable in has(right, grantable, secured, who) }
        case "has_type_privilege":
            guard let type = try type(object) else { return .null(.boolean) }
            guard let secured = type.secured else { return answer { right, _ in right == .usage } }
            return answer { right, grantable in has(right, grantable, secured, who) }
        case "has_function_privilege":
            guard let routine = try routine(object) else { return .null(.boolean) }
            guard let secured = routine.secured else { return answer { right, _ in right == .execute } }
            return answer { right, grantable in has(right, grantable, secured, who) }
        case "has_database_privilege":
            let secured = SecuredObject(.database, name: source.database, owner: OIDs.owner)
            return answer { right, grantable in
                (grantable
                    ? source.access.grantable(on: secured, of: who) : source.access.rights(on: secured, of: who))
                    .contains(right)
            }
        default: return .boolean(true)
        }
    }

    private func has(_ right: Rights, _ isGrantable: Bool, _ object: SecuredObject, _ who: Standing) -> Bool {
        guard let access = knownSource?.access else { return false }
        return (isGrantable ? access.grantable(on: object, of: who) : access.rights(on: object, of: who))
            .contains(right)
    }

    /// A type that was found; nil inside: PostgreSQL's own.
    private struct FoundType {
        var secured: SecuredObject?
    }

    private func type(_ object: Scalar) throws(SQLError) -> FoundType? {
        let oid: Int64
        if let number = object.number {
            oid = number
        } else {
            oid = try self.oid(of: .regtype, named: object.string ?? "")
        }
        guard let directory = knownDirectory, let type = directory.type(oid) else {
            return SystemTypes.byOID[oid] == nil ? nil : FoundType()
        }
        let owner = SecuredObject(
            .type, schema: directory.schemaByOID[type.schema] ?? "", name: type.name, owner: type.owner)
        return FoundType(secured: owner)
    }

    /// A function by its number, or by name and types of arguments.
    private func routine(_ object: Scalar) throws(SQLError) -> FunctionRow? {
        guard let text = object.string else {
            guard let oid = object.number else { return nil }
            return SystemFunctionRows.byOID[oid] ?? knownDirectory?.functions.first { $0.oid == oid }
        }
        return try routine(named: text)
    }

    /// `schema.name(type, type)`.
    func routine(named text: String) throws(SQLError) -> FunctionRow {
        guard let open = text.firstIndex(of: "("), text.hasSuffix(")") else {
            throw SQLError(.invalidTextRepresentation, "expected a left parenthesis")
        }
        let parts = SystemState.parts(String(text[..<open]))
        let list = text[text.index(after: open)...].dropLast()
        var types: [Int64] = []
        for part in list.split(separator: ",") {
            types.append(try oid(of: .regtype, named: String(part).trimmingBlanks))
        }
        let name = parts.last ?? ""
        let own = knownDirectory?.functions.filter { function in
            guard function.name == name, function.arguments == types else { return false }
            let schema = knownDirectory?.schemaByOID[function.schema] ?? ""
            return parts.count > 1 ? parts[parts.count - 2] == schema : visiblePath.contains(schema)
        }
        if let found = own?.first { return found }
        let known = SystemFunctionRows.byName[name]?.first { $0.arguments == types }
        guard let known, parts.count == 1 || parts[parts.count - 2] == CatalogData.catalogSchema else {
            throw SQLError(.undefinedFunction, "function \"\(text)\" does not exist")
        }
        return known
    }

    /// Whether row policies hold for the user.
    func hasActivePolicies(_ object: Scalar) throws(SQLError) -> Scalar {
        guard let source = knownSource, let relation = try relation(object) else { return .null(.boolean) }
        let who = source.standing
        guard let secured = relation.secured, let policies = source.access.policies(of: secured), policies.isEnabled,
            !who.isSuperuser, !who.bypassesRowSecurity
        else { return .boolean(false) }
        return .boolean(policies.isForced || !who.has(secured.owner))
    }

    /// One part of every right in a list of `grantee=rights/grantor`.
    func exploded(_ function: String, _ list: Scalar) throws(SQLError) -> Scalar {
        guard case .array(let items) = list.value else { return .null(list.type) }
        let type: SQLType =
            switch function {
            case "acl_privileges": .text
            case "acl_grantables": .boolean
            default: .system(.oid)
            }
        var parts: [Scalar] = []
        for item in items {
            guard let text = item.string, let slash = text.lastIndex(of: "/"),
                let equals = text[..<slash].lastIndex(of: "=")
            else { continue }
            func role(_ name: Substring) -> Scalar {
                let bare =
                    name.hasPrefix("\"")
                    ? String(name.dropFirst().dropLast()).replacing("\"\"", with: "\"") : String(name)
                return Scalar(.system(.oid), .int(bare.isEmpty ? 0 : roleOID(bare) ?? 0))
            }
            let letters = Array(text[text.index(after: equals)..<slash])
            for (place, letter) in letters.enumerated() where letter != "*" {
                guard let known = Rights.all.first(where: { $0.letter == letter }) else { continue }
                switch function {
                case "acl_grantors": parts.append(role(text[text.index(after: slash)...]))
                case "acl_grantees": parts.append(role(text[..<equals]))
                case "acl_privileges": parts.append(.text(known.name))
                default: parts.append(.boolean(place + 1 < letters.count && letters[place + 1] == "*"))
                }
            }
        }
        return Scalar(.array(type), .array(parts))
    }

    /// What an object of a kind has before anything is granted, as acldefault() tells it; nil for an unknown kind.
    func standardRights(_ kind: String, owner: Int64?) -> [String]? {
        guard let owner else { return nil }
        let name = roleName(owner) ?? "?"
        func items(_ everybody: Rights, _ own: Rights) -> [String] {
            var list = [AccessItem(grantee: owner, grantor: owner, rights: own)]
            if !everybody.isEmpty {
                list.insert(AccessItem(grantee: KnownRole.everybody, grantor: owner, rights: everybody), at: 0)
            }
            return AccessState.texts(list) { _ in name }
        }
        switch kind {
        case "c": return []
        case "r": return items([], SecuredKind.relation.rights)
        case "s": return items([], [.select, .update, .usage])
        case "n": return items([], SecuredKind.schema.rights)
        case "d": return items([.connect, .temporary], SecuredKind.database.rights)
        case "f": return items(.execute, .execute)
        case "l", "T": return items(.usage, .usage)
        case "t": return items([], .create)
        case "F", "S": return items([], .usage)
        default: return nil
        }
    }

    private func standing(named role: Scalar) throws(SQLError) -> Standing? {
        if let number = role.number { return standing(ofRole: number) }
        guard let name = role.string else { return nil }
        guard let oid = roleOID(name), let found = standing(ofRole: oid) else {
            throw SQLError(.undefinedObject, "role \"\(name)\" does not exist")
        }
        return found
    }

    /// `SELECT, UPDATE WITH GRANT OPTION`.
    private static func rights(_ text: String) throws(SQLError) -> [(right: Rights, isGrantable: Bool)] {
        var result: [(right: Rights, isGrantable: Bool)] = []
        for part in text.split(separator: ",") {
            var name = String(part).trimmingBlanks.uppercased()
            let isGrantable = name.hasSuffix(" WITH GRANT OPTION")
            if isGrantable { name = String(name.dropLast(" WITH GRANT OPTION".count)) }
            guard let right = Rights(name: name) else {
                throw SQLError(
                    .invalidParameterValue, "unrecognized privilege type: \"\(String(part).trimmingBlanks)\"")
            }
            result.append((right, isGrantable))
        }
        return result
    }

    private func relation(_ object: Scalar) throws(SQLError) -> Directory.RelationEntry? {
        if let number = object.number { return knownDirectory?.relation(number) }
        guard let name = object.string else { return nil }
        guard let found = relation(named: name) else {
            throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist")
        }
        return found
    }

    private func column(_ column: Scalar, _ relation: Directory.RelationEntry) throws(SQLError) -> String? {
        guard let name = column.string else {
            guard let place = column.number, let columns = knownDetails(relation.oid)?.columns,
                place >= 1, place <= columns.count
            else { return nil }
            return columns[Int(place) - 1].name
        }
        if let columns = knownDetails(relation.oid)?.columns, !columns.contains(where: { $0.name == name }) {
            throw SQLError(
                .undefinedColumn, "column \"\(name)\" of relation \"\(relation.name.name)\" does not exist")
        }
        return name
    }

    private func schema(_ object: Scalar) throws(SQLError) -> Directory.SchemaEntry? {
        guard let directory = knownDirectory else { return nil }
        if let number = object.number { return directory.schemas.first { $0.oid == number } }
        guard let name = object.string else { return nil }
        guard let found = directory.schemas.first(where: { $0.name == name }) else {
            throw SQLError(.invalidSchema, "schema \"\(name)\" does not exist")
        }
        return found
    }

    private func role(_ object: Scalar, _ wanted: String, _ who: Standing) throws(SQLError) -> Scalar {
        let oid: Int64
        if let number = object.number {
            oid = number
        } else {
            let name = object.string ?? ""
            guard let found = roleOID(name) else {
                throw SQLError(.undefinedObject, "role \"\(name)\" does not exist")
            }
            oid = found
        }
        switch wanted.trimmingBlanks.uppercased() {
        case "USAGE": return .boolean(who.has(oid))
        case "MEMBER", "SET", "MEMBER WITH ADMIN OPTION", "USAGE WITH ADMIN OPTION", "MEMBER WITH GRANT OPTION",
            "USAGE WITH GRANT OPTION":
            return .boolean(who.isMember(of: oid))
        default:
            throw SQLError(.invalidParameterValue, "unrecognized privilege type: \"\(wanted)\"")
        }
    }
}
