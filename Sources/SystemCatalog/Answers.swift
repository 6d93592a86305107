// What functions about the catalog answer: names behind numbers, definitions, comments, sizes, rights.
import Catalogs
public import Columns
public import Diagnostics
public import Functions

extension SystemState {
    // MARK: - Names and numbers

    public func text(of type: SystemType, _ oid: Int64) -> String? {
        guard let directory = knownDirectory else { return nil }
        switch type {
        case .regclass:
            if let relation = directory.relation(oid) {
                let isVisible = self.isVisible(relation.name)
                return isVisible ? relation.name.name.quotedIdentifier : relation.name.quoted
            }
            return key(index: oid)?.name.quotedIdentifier
        case .regtype: return format(oid, nil)
        case .regproc: return function(oid)?.name
        case .regprocedure:
            return function(oid).map { function in
                let types = function.arguments.map { format($0, nil) ?? "???" }
                return "\(function.name)(\(types.joined(separator: ",")))"
            }
        case .regnamespace: return directory.schemaByOID[oid]?.quotedIdentifier
        case .regrole: return role(oid)?.quotedIdentifier
        case .regcollation: return [100: "\"default\"", 950: "\"C\"", 951: "\"POSIX\""][oid]
        default: return nil
        }
    }

    public func oid(of type: SystemType, named name: String) throws(SQLError) -> Int64 {
        guard let found = find(type, name) else {
            switch type {
            case .regclass: throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist")
            case .regproc, .regprocedure:
                throw SQLError(.undefinedFunction, "function \"\(name)\" does not exist")
            case .regnamespace: throw SQLError(.invalidSchema, "schema \"\(name)\" does not exist")
            case .regrole: throw SQLError(.undefinedObject, "role \"\(name)\" does not exist")
            case .regtype: throw SQLError(.undefinedObject, "type \"\(name)\" does not exist")
            default: throw SQLError(.undefinedObject, "\(type.rawValue) \"\(name)\" does not exist")
            }
        }
        return found
    }

    private func find(_ type: SystemType, _ name: String) -> Int64? {
        switch type {
        case .regclass: return relation(named: name)?.oid
        case .regtype: return SystemTypes.oid(named: name) ?? userType(named: name)
        case .regproc, .regprocedure:
            let bare = name.prefix { $0 != "(" }.split(separator: ".").last.map(String.init) ?? name
            return (SystemFunctionRows.byName[bare]?.first ?? knownDirectory?.functions.first { $0.name == bare })?.oid
        case .regnamespace: return SystemState.parts(name).last.flatMap { knownDirectory?.schemaByName[$0] }
        case .regrole:
            let bare = SystemState.parts(name).last ?? name
            return roleOID(bare)
        case .regcollation: return ["default": 100, "C": 950, "POSIX": 951][SystemState.parts(name).last ?? name]
        default: return nil
        }
    }

    private func function(_ oid: Int64) -> FunctionRow? {
        SystemFunctionRows.byOID[oid] ?? knownDirectory?.functions.first { $0.oid == oid }
    }

    /// format_type, the user's types among them.
    private func format(_ oid: Int64, _ modifier: Int64?) -> String? {
        if let known = SystemTypes.format(oid, modifier) { return known }
        guard let directory = knownDirectory, let type = directory.type(oid) else { return nil }
        if type.element != 0 { return format(type.element, modifier).map { $0 + "[]" } }
        let schema = directory.schemaByOID[type.schema] ?? ""
        let isVisible = knownSource?.searchPath.contains(schema) ?? false
        return (isVisible ? "" : schema.quotedIdentifier + ".") + type.name.quotedIdentifier
    }

    private func userType(named text: String) -> Int64? {
        guard let directory = knownDirectory else { return nil }
        let isArray = text.hasSuffix("[]")
        let parts = SystemState.parts(isArray ? String(text.dropLast(2)) : text)
        guard let name = parts.last else { return nil }
        let schemas = parts.count > 1 ? [parts[parts.count - 2]] : knownSource?.searchPath ?? []
        for schema in schemas {
            guard let oid = directory.schemaByName[schema],
                let found = directory.types.first(where: { $0.schema == oid && $0.name == name })
            else { continue }
            return isArray ? found.array : found.oid
        }
        return nil
    }

    /// Finds a relation by a name as SQL writes it.
    func relation(named text: String) -> Directory.RelationEntry? {
        guard let directory = knownDirectory else { return nil }
        let parts = SystemState.parts(text)
        guard let name = parts.last else { return nil }
        if parts.count > 1 { return directory.relation(TableName(schema: parts[parts.count - 2], name: name)) }
        return visiblePath.lazy.compactMap { directory.relation(TableName(schema: $0, name: name)) }.first
    }

    /// The identifiers of a dotted name: quoted ones as they are, others in lower case.
    static func parts(_ text: String) -> [String] {
        var parts: [String] = []
        var current = ""
        var isQuoted = false
        for character in text {
            switch character {
            case "\"": isQuoted.toggle()
            case "." where !isQuoted:
                parts.append(current)
                current = ""
            default: current += isQuoted ? String(character) : character.lowercased()
            }
        }
        return parts + [current.trimmingBlanks]
    }

    /// Where names without a schema are looked up.
    var visiblePath: [String] {
        let path = knownSource?.searchPath ?? []
        return ["pg_temp"] + (path.contains(CatalogData.catalogSchema) ? path : [CatalogData.catalogSchema] + path)
    }

    /// Whether a name without its schema means this relation.
    func isVisible(_ name: TableName) -> Bool {
        guard let directory = knownDirectory else { return false }
        for schema in visiblePath {
            if schema == name.schema { return true }
            if directory.relation(TableName(schema: schema, name: name.name)) != nil { return false }
        }
        return false
    }

    private func role(_ oid: Int64) -> String? { roleName(oid) }

    // MARK: - Functions

    public func call(
        _ function: String, _ arguments: [Scalar], _ context: FunctionContext
    ) throws(SQLError) -> Scalar {
        let number = arguments.first.flatMap(\.number)
        if function.hasPrefix("has_") || function == "pg_has_role" { return try privilege(function, arguments) }
        if function.hasSuffix("_is_visible") { return visible(function, number ?? 0) }
        if function.hasPrefix("to_reg"), let type = SystemType(rawValue: String(function.dropFirst(3))) {
            let found = arguments.first.flatMap(\.string).flatMap { find(type, $0) }
            return Scalar(.system(type), found.map { .int($0) } ?? .null)
        }
        if function.hasSuffix("_size") { return .int8(try size(function, arguments)) }
        if let text = try definition(function, arguments, number ?? 0) { return text.map { .text($0) } ?? .null(.text) }
        switch function {
        case "format_type":
            guard let number else { return .null(.text) }
            return .text(format(number, arguments[1].number) ?? "???")
        case "pg_get_userbyid":
            return Scalar(.system(.name), .string(role(number ?? 0) ?? "unknown (OID=\(number ?? 0))"))
        case "pg_encoding_to_char": return Scalar(.system(.name), .string(number == 6 ? "UTF8" : ""))
        case "pg_is_in_recovery", "pg_is_other_temp_schema", "pg_isolation_test_session_is_blocked":
            return .boolean(false)
        case "row_security_active": return try hasActivePolicies(arguments[0])
        case "pg_relation_is_publishable": return .boolean(knownDirectory?.relation(number ?? 0)?.lake != nil)
        case "pg_relation_is_updatable": return .int4(0)
        case "pg_column_is_updatable": return .boolean(false)
        case "pg_my_temp_schema": return Scalar(.system(.oid), .int(knownDirectory?.schemaByName["pg_temp"] ?? 0))
        case "pg_stat_get_numscans": return .int8(0)
        case "pg_stat_get_live_tuples": return .int8(Int64(number.flatMap { knownDetails($0) }?.rows ?? 0))
        case "pg_postmaster_start_time", "pg_conf_load_time": return Scalar(.timestamptz, .int(SystemState.startedAt))
        case "set_config":
            guard let name = arguments[0].string else {
                throw SQLError(SQLState("22004"), "SET requires parameter name")
            }
            keep(setting: name, arguments[1].string, isLocal: arguments[2].value == .bool(true))
            return arguments[1].string.map { .text($0) } ?? .null(.text)
        case "acl_grantors", "acl_grantees", "acl_privileges", "acl_grantables":
            return try exploded(function, arguments[0])
        case "acldefault":
            let items = standardRights(
                arguments.first?.string ?? "", owner: arguments.count > 1 ? arguments[1].number : nil)
            return Scalar(.array(.system(.aclitem)), Scalar.Value.acl(items))
        case "pg_blocking_pids": return Scalar(.array(.int4), .array([]))
        default:
            let type = CatalogFunctions.declarations.first { $0.name == function }?.result ?? .text
            return .null(type)
        }
    }

    private func visible(_ function: String, _ oid: Int64) -> Scalar {
        guard function == "pg_table_is_visible" else { return .boolean(true) }
        if let relation = knownDirectory?.relation(oid) { return .boolean(isVisible(relation.name)) }
        return key(index: oid).map { .boolean(isVisible($0.relation.name)) } ?? .null(.boolean)
    }

    /// The key whose index has a number, among the tables that were opened.
    private func key(index oid: Int64) -> DeclaredKey? {
        knownKeys.key(index: oid)
    }

    /// Texts of definitions; nil when the function gives none of them.
    private func definition(
        _ function: String, _ arguments: [Scalar], _ oid: Int64
    ) throws(SQLError) -> String?? {
        switch function {
        case "pg_get_viewdef":
            let relation = arguments[0].string.flatMap { self.relation(named: $0) } ?? knownDirectory?.relation(oid)
            let text =
                relation?.viewText ?? relation.flatMap { knownDetails($0.oid)?.properties[TableProperty.viewQuery] }
            return .some(text.map { " " + $0.trimmingBlanks + ";" })
        case "pg_get_partkeydef": return .some(knownDetails(oid)?.properties[TableProperty.partitionBy])
        case "pg_get_expr": return .some(arguments[0].string)
        case "pg_get_constraintdef":
            if let key = knownKeys.key(oid) { return .some(key.text) }
            for type in knownDirectory?.types ?? [] {
                for check in type.checks where RelationRows.checkOID(type, check) == oid {
                    return .some("CHECK ((\(check.text)))")
                }
            }
            return .some(nil)
        case "pg_get_indexdef":
            return .some(key(index: oid)?.indexText(column: arguments.count > 1 ? arguments[1].number ?? 0 : 0))
        case "pg_get_function_result", "pg_get_function_arguments", "pg_get_function_identity_arguments":
            guard let row = self.function(oid) else { return .some(nil) }
            if function == "pg_get_function_result" {
                return .some((row.returnsSet ? "SETOF " : "") + (format(row.result, nil) ?? "???"))
            }
            return .some(row.arguments.map { format($0, nil) ?? "???" }.joined(separator: ", "))
        case "obj_description":
            let wanted = arguments.count > 1 ? CatalogClass.byName[arguments[1].string ?? ""] ?? 0 : nil
            if wanted == nil || wanted == CatalogClass.relation,
                let text = knownDetails(oid)?.properties[TableProperty.comment]
            {
                return .some(text)
            }
            if wanted == nil || wanted == CatalogClass.constraint, let key = knownKeys.key(oid),
                let text = key.details.properties[TableProperty.comment(onConstraint: key.name)]
            {
                return .some(text)
            }
            let others = knownDirectory?.comments.first { $0.object == oid && (wanted ?? $0.classID) == $0.classID }
            return .some(others?.text)
        case "col_description":
            guard let details = knownDetails(oid), let place = arguments[1].number, place >= 1,
                place <= details.columns.count
            else { return .some(nil) }
            return .some(details.properties[TableProperty.comment(on: details.columns[Int(place) - 1].name)])
        default: return nil
        }
    }

    private func size(_ function: String, _ arguments: [Scalar]) throws(SQLError) -> Int64 {
        if function == "pg_database_size" || function == "pg_tablespace_size" {
            return knownDirectory?.relations.reduce(0) { $0 + (knownDetails($1.oid)?.sizeBytes ?? 0) } ?? 0
        }
        if function == "pg_indexes_size" { return 0 }
        // Forks that Apus has not are empty.
        if function == "pg_relation_size", arguments.count > 1, let fork = arguments[1].string, fork != "main" {
            guard ["fsm", "vm", "init"].contains(fork) else {
                throw SQLError(
                    .invalidParameterValue, "invalid fork name",
                    hint: "Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\".")
            }
            return 0
        }
        return arguments.first.flatMap(\.number).flatMap { knownDetails($0) }?.sizeBytes ?? 0
    }
}

extension Scalar {
    var number: Int64? {
        if case .int(let number) = value { return number }
        return nil
    }

    var string: String? {
        if case .string(let text) = value { return text }
        return nil
    }
}
