// Functions about the catalog: signatures only. The statement's `SystemFacts` answers, one row at a time.
public import Columns
import Diagnostics

/// The functions that need the catalog.
public enum CatalogFunctions {
    /// A function: which types it takes and gives.
    public struct Declaration: Sendable {
        public let name: String
        public let parameters: [SQLType]
        public let result: SQLType
        /// NULL in any argument gives NULL.
        public let isStrict: Bool
        /// Whether answering needs what only the tables' own metadata tells: columns, sizes, comments.
        public let needsDetails: Bool

        init(
            _ name: String, _ parameters: [SQLType], _ result: SQLType, isStrict: Bool = true, details: Bool = false
        ) {
            self.name = name
            self.parameters = parameters
            self.result = result
            self.isStrict = isStrict
            needsDetails = details
        }
    }

    private static let oid = SQLType.system(.oid)

    /// All of them, a line each overload.
    public static let declarations: [Declaration] = names + definitions + visibility + sizes + privileges + session

    private static let names: [Declaration] = [
        Declaration("format_type", [oid, .int4], .text, isStrict: false),
        Declaration("pg_get_userbyid", [oid], .system(.name)),
        Declaration("pg_encoding_to_char", [.int4], .system(.name)),
        Declaration("to_regclass", [.text], .system(.regclass)),
        Declaration("to_regtype", [.text], .system(.regtype)),
        Declaration("to_regproc", [.text], .system(.regproc)),
        Declaration("to_regprocedure", [.text], .system(.regprocedure)),
        Declaration("to_regnamespace", [.text], .system(.regnamespace)),
        Declaration("to_regrole", [.text], .system(.regrole)),
        Declaration("pg_tablespace_location", [oid], .text),
        Declaration("pg_describe_object", [oid, oid, .int4], .text),
    ]

    private static let definitions: [Declaration] = [
        Declaration("pg_get_viewdef", [oid], .text, details: true),
        Declaration("pg_get_viewdef", [oid, .boolean], .text, details: true),
        Declaration("pg_get_viewdef", [oid, .int4], .text, details: true),
        Declaration("pg_get_viewdef", [.text], .text, details: true),
        Declaration("pg_get_viewdef", [.text, .boolean], .text, details: true),
        Declaration("pg_get_expr", [.system(.nodeTree), oid], .text),
        Declaration("pg_get_expr", [.system(.nodeTree), oid, .boolean], .text),
        Declaration("pg_get_constraintdef", [oid], .text, details: true),
        Declaration("pg_get_constraintdef", [oid, .boolean], .text, details: true),
        Declaration("pg_get_indexdef", [oid], .text, details: true),
        Declaration("pg_get_indexdef", [oid, .int4, .boolean], .text, details: true),
        Declaration("pg_get_partkeydef", [oid], .text, details: true),
        Declaration("pg_get_partition_constraintdef", [oid], .text),
        Declaration("pg_get_ruledef", [oid], .text),
        Declaration("pg_get_ruledef", [oid, .boolean], .text),
        Declaration("pg_get_triggerdef", [oid], .text),
        Declaration("pg_get_triggerdef", [oid, .boolean], .text),
        Declaration("pg_get_functiondef", [oid], .text),
        Declaration("pg_get_function_result", [oid], .text),
        Declaration("pg_get_function_arguments", [oid], .text),
        Declaration("pg_get_function_identity_arguments", [oid], .text),
        Declaration("pg_get_function_sqlbody", [oid], .text),
        Declaration("pg_get_statisticsobjdef_columns", [oid], .text),
        Declaration("pg_get_serial_sequence", [.text, .text], .text),
        Declaration("obj_description", [oid], .text, details: true),
        Declaration("obj_description", [oid, .text], .text, details: true),
        Declaration("col_description", [oid, .int4], .text, details: true),
        Declaration("shobj_description", [oid, .text], .text),
    ]

    private static let visibility: [Declaration] =
        [
            "pg_table_is_visible", "pg_type_is_visible", "pg_function_is_visible", "pg_operator_is_visible",
            "pg_opclass_is_visible", "pg_opfamily_is_visible", "pg_collation_is_visible", "pg_conversion_is_visible",
            "pg_statistics_obj_is_visible", "pg_ts_config_is_visible", "pg_ts_dict_is_visible",
            "pg_ts_parser_is_visible", "pg_ts_template_is_visible",
        ].map { Declaration($0, [oid], .boolean) } + [
            Declaration("pg_relation_is_publishable", [.system(.regclass)], .boolean),
            Declaration("pg_is_other_temp_schema", [oid], .boolean),
            Declaration("pg_my_temp_schema", [], oid),
            Declaration("pg_relation_is_updatable", [.system(.regclass), .boolean], .int4),
            Declaration("pg_column_is_updatable", [.system(.regclass), .int2, .boolean], .boolean),
        ]

    private static let sizes: [Declaration] = [
        Declaration("pg_relation_size", [.system(.regclass)], .int8, details: true),
        Declaration("pg_relation_size", [.system(.regclass), .text], .int8, details: true),
        Declaration("pg_table_size", [.system(.regclass)], .int8, details: true),
        Declaration("pg_indexes_size", [.system(.regclass)], .int8),
        Declaration("pg_total_relation_size", [.system(.regclass)], .int8, details: true),
        Declaration("pg_database_size", [oid], .int8, details: true),
        Declaration("pg_database_size", [.system(.name)], .int8, details: true),
        Declaration("pg_tablespace_size", [oid], .int8, details: true),
        Declaration("pg_stat_get_numscans", [oid], .int8),
        Declaration("pg_stat_get_live_tuples", [oid], .int8, details: true),
    ]

    /// With the user named, by number, or left out.
    private static let privileges: [Declaration] = {
        var all: [Declaration] = []
        for what in ["table", "schema", "database", "function", "sequence", "language", "tablespace", "type"] {
            let name = "has_\(what)_privilege"
            for object in [SQLType.text, oid] {
                all.append(Declaration(name, [object, .text], .boolean))
                for user in [SQLType.system(.name), oid] {
                    all.append(Declaration(name, [user, object, .text], .boolean))
                }
            }
        }
        for object in [SQLType.text, oid] {
            for user in [[], [SQLType.system(.name)], [oid]] {
                all.append(Declaration("has_any_column_privilege", user + [object, .text], .boolean))
                for column in [SQLType.text, .int2] {
                    all.append(Declaration("has_column_privilege", user + [object, column, .text], .boolean))
                }
            }
            all.append(Declaration("row_security_active", [object], .boolean))
        }
        for role in [SQLType.system(.name), oid] {
            all.append(Declaration("pg_has_role", [role, .text], .boolean))
            for user in [SQLType.system(.name), oid] {
                all.append(Declaration("pg_has_role", [user, role, .text], .boolean))
            }
        }
        return all
    }()

    private static let session: [Declaration] = [
        Declaration("set_config", [.text, .text, .boolean], .text, isStrict: false),
        // What aclexplode() is made of.
        Declaration("acl_grantors", [.array(.system(.aclitem))], .array(oid)),
        Declaration("acl_grantees", [.array(.system(.aclitem))], .array(oid)),
        Declaration("acl_privileges", [.array(.system(.aclitem))], .array(.text)),
        Declaration("acl_grantables", [.array(.system(.aclitem))], .array(.boolean)),
        Declaration("acldefault", [.system(.char), oid], .array(.system(.aclitem))),
        Declaration("pg_partition_ancestors", [.system(.regclass)], .system(.regclass)),
        Declaration("pg_is_in_recovery", [], .boolean),
        Declaration("pg_postmaster_start_time", [], .timestamptz),
        Declaration("pg_conf_load_time", [], .timestamptz),
        Declaration("inet_server_port", [], .int4),
        Declaration("inet_server_addr", [], .text),
        Declaration("inet_client_addr", [], .text),
        Declaration("inet_client_port", [], .int4),
        Declaration("pg_current_xact_id_if_assigned", [], .int8),
        Declaration("txid_current_if_assigned", [], .int8),
        Declaration("pg_export_snapshot", [], .text),
        Declaration("pg_blocking_pids", [.int4], .array(.int4)),
        Declaration("pg_isolation_test_session_is_blocked", [.int4, .array(.int4)], .boolean),
        Declaration("pg_get_replica_identity_index", [.system(.regclass)], .system(.regclass)),
    ]

    /// The names, and whether any overload needs details.
    public static let details: [String: Bool] = Dictionary(
        declarations.map { ($0.name, $0.needsDetails) }, uniquingKeysWith: { $0 || $1 })

    static let all: [Overload] = declarations.map { declaration in
        Overload(
            declaration.name, declaration.parameters, declaration.result,
            volatility: declaration.name == "set_config" ? .volatile : .stable,
            isStrict: declaration.isStrict, kernel(declaration))
    }

    private static func kernel(_ declaration: Declaration) -> Kernel {
        let (name, type) = (declaration.name, declaration.result)
        return { (context, a, rows) throws(SQLError) in
            guard let facts = context.system else {
                throw SQLError(.featureNotSupported, "function \(name) cannot be used here")
            }
            let builder = ColumnBuilder(type, capacity: rows)
            for row in 0..<rows {
                var arguments: [Scalar] = []
                for column in a { arguments.append(column.scalar(row)) }
                guard !declaration.isStrict || !arguments.contains(where: \.isNull) else {
                    builder.appendNull()
                    continue
                }
                builder.append(try facts.call(name, arguments, context))
            }
            return builder.finish()
        }
    }
}
