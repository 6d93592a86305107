// information_schema: the SQL standard's views over the same relations.
import Access
import Catalogs
import Columns
import Diagnostics

extension RelationRows {
    /// A relation with the database's name.
    struct NamedRelation: Sendable {
        var database: String
        var relation: Directory.RelationEntry
        var owner = ""
    }

    struct NamedColumn: Sendable {
        var database: String
        var column: ColumnItem
    }

    struct NamedKey: Sendable {
        var database: String
        var key: DeclaredKey
        /// 1-based, in the key.
        var position: Int64 = 0
        var schema: String { key.relation.name.schema }
        var column: String? { position >= 1 ? key.columnName(key.columns[Int(position) - 1]) : nil }
    }

    private static func shownRelations(
        _ state: SystemState, _ keys: Keys, viewsOnly: Bool = false
    ) async throws(SQLError) -> [NamedRelation] {
        let database = try state.source().database
        let (schemas, names) = (keys.names("table_schema"), keys.names("table_name"))
        let access = try state.source().access
        let who = try state.source().standing
        let showsAll = try state.showsAll()
        return try await state.directory().relations.filter { relation in
            if !showsAll, let object = relation.secured, !who.has(object.owner),
                access.rightsOnAnyColumn(of: object, of: who).isEmpty
            {
                return false
            }
            return
                relation.kind != "m" && (!viewsOnly || relation.kind == "v")
                && schemas?.contains(relation.name.schema) != false
                && names?.contains(relation.name.name) != false
        }.map { NamedRelation(database: database, relation: $0) }
    }

    private static func shownColumns(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [NamedColumn] {
        let database = try state.source().database
        let found = try await shownRelations(state, keys)
        return try await columns(state, of: found.map(\.relation)).map { NamedColumn(database: database, column: $0) }
    }

    private static func shownKeys(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [NamedKey] {
        let database = try state.source().database
        let found = try await shownRelations(state, keys)
        return try await declaredKeys(state, found.map(\.relation)).map { NamedKey(database: database, key: $0) }
    }

    private static func keyColumns(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [NamedKey] {
        var result: [NamedKey] = []
        for item in try await shownKeys(state, keys) where item.key.kind != "c" {
            for position in item.key.columns.indices {
                result.append(NamedKey(database: item.database, key: item.key, position: Int64(position + 1)))
            }
        }
        return result
    }

    private static func information<Item: Sendable>(
        _ name: String, items: @escaping @Sendable (SystemState, Keys) async throws(SQLError) -> [Item],
        columns: (inout Columns<Item>) -> Void
    ) -> RelationRows {
        RelationRows(CatalogData.informationSchema, name, items: items, columns: columns)
    }

    static let informationRows: [RelationRows] = [
        information(
            "schemata",
            items: { (state, _) async throws(SQLError) -> [NamedRelation] in
                let database = try state.source().database
                let access = try state.source().access
                let who = try state.source().standing
                let showsAll = try state.showsAll()
                let schemas = try await state.directory().schemas.filter { schema in
                    showsAll || SystemTable.schemas.contains(schema.name) || who.has(schema.owner)
                        || !access.rights(
                            on: SecuredObject(.schema, name: schema.name, owner: schema.owner), of: who
                        ).isEmpty
                }
                return schemas.map { schema in
                    NamedRelation(
                        database: database,
                        relation: Directory.RelationEntry(
                            oid: schema.oid, name: TableName(schema: schema.name, name: ""), schemaOID: schema.oid,
                            kind: "", lake: nil, system: nil), owner: state.roleName(schema.owner) ?? "?")
                }
            },
            columns: { c in
                c["catalog_name"] = { .string($0.database) }
                c["schema_name"] = { .string($0.relation.name.schema) }
                c["schema_owner"] = { .string($0.owner) }
            }),
        information(
            "tables", items: { (state, keys) async throws(SQLError) in try await shownRelations(state, keys) },
            columns: { c in
                c["table_catalog"] = { .string($0.database) }
                c["table_schema"] = { .string($0.relation.name.schema) }
                c["table_name"] = { .string($0.relation.name.name) }
                c["table_type"] = { item in
                    let isTemporary = item.relation.name.schema == "pg_temp"
                    return .string(
                        item.relation.kind == "v" ? "VIEW" : isTemporary ? "LOCAL TEMPORARY" : "BASE TABLE")
                }
                c["is_insertable_into"] = { .yes($0.relation.isManaged) }
                c["is_typed"] = { _ in .yes(false) }
            }),
        information(
            "views",
            items: { (state, keys) async throws(SQLError) in try await shownRelations(state, keys, viewsOnly: true) },
            columns: { c in
                c["table_catalog"] = { .string($0.database) }
                c["table_schema"] = { .string($0.relation.name.schema) }
                c["table_name"] = { .string($0.relation.name.name) }
                c["view_definition"] = { .optional($0.relation.viewText) }
                c["check_option"] = { _ in .string("NONE") }
                for flag in [
                    "is_updatable", "is_insertable_into", "is_trigger_updatable", "is_trigger_deletable",
                    "is_trigger_insertable_into",
                ] { c[flag] = { _ in .yes(false) } }
            }),
        information("columns", items: shownColumns, columns: columnColumns),
        information(
            "table_constraints", items: shownKeys,
            columns: { c in
                c["constraint_catalog"] = { .string($0.database) }
                c["constraint_schema"] = { .string($0.schema) }
                c["constraint_name"] = { .string($0.key.name) }
                c["table_catalog"] = { .string($0.database) }
                c["table_schema"] = { .string($0.schema) }
                c["table_name"] = { .string($0.key.relation.name.name) }
                c["constraint_type"] = { .string($0.key.standardKind) }
                c["is_deferrable"] = { _ in .yes(false) }
                c["initially_deferred"] = { _ in .yes(false) }
                c["enforced"] = { _ in .yes(false) }
            }),
        information(
            "key_column_usage", items: keyColumns,
            columns: { c in
                c["constraint_catalog"] = { .string($0.database) }
                c["constraint_schema"] = { .string($0.schema) }
                c["constraint_name"] = { .string($0.key.name) }
                c["table_catalog"] = { .string($0.database) }
                c["table_schema"] = { .string($0.schema) }
                c["table_name"] = { .string($0.key.relation.name.name) }
                c["column_name"] = { .optional($0.column) }
                c["ordinal_position"] = { .int($0.position) }
            }),
        information(
            "constraint_column_usage", items: keyColumns,
            columns: { c in
                c["table_catalog"] = { .string($0.database) }
                c["table_schema"] = { .string($0.schema) }
                c["table_name"] = { .string($0.key.relation.name.name) }
                c["column_name"] = { .optional($0.column) }
                c["constraint_catalog"] = { .string($0.database) }
                c["constraint_schema"] = { .string($0.schema) }
                c["constraint_name"] = { .string($0.key.name) }
            }),
        information(
            "referential_constraints",
            items: { (state, keys) async throws(SQLError) -> [NamedKey] in
                try await shownKeys(state, keys).filter { $0.key.kind == "f" }
            },
            columns: { c in
                c["constraint_catalog"] = { .string($0.database) }
                c["constraint_schema"] = { .string($0.schema) }
                c["constraint_name"] = { .string($0.key.name) }
                c["match_option"] = { _ in .string("NONE") }
                c["update_rule"] = { _ in .string("NO ACTION") }
                c["delete_rule"] = { _ in .string("NO ACTION") }
            }),
        information(
            "information_schema_catalog_name",
            items: { (state, _) async throws(SQLError) -> [String] in [try state.source().database] },
            columns: { c in c["catalog_name"] = { .string($0) } }),
        information(
            "character_sets",
            items: { (state, _) async throws(SQLError) -> [String] in [try state.source().database] },
            columns: { c in
                c["character_set_name"] = { _ in .string("UTF8") }
                c["character_repertoire"] = { _ in .string("UCS") }
                c["form_of_use"] = { _ in .string("UTF8") }
                c["default_collate_catalog"] = { .string($0) }
                c["default_collate_schema"] = { _ in .string("pg_catalog") }
                c["default_collate_name"] = { _ in .string("C") }
            }),
    ]

    private static func columnColumns(_ c: inout Columns<NamedColumn>) {
        c["table_catalog"] = { .string($0.database) }
        c["table_schema"] = { .string($0.column.relation.name.schema) }
        c["table_name"] = { .string($0.column.relation.name.name) }
        c["column_name"] = { .string($0.column.field.name) }
        c["ordinal_position"] = { .int($0.column.number) }
        c["column_default"] = { .optional($0.column.defaultText) }
        c["is_nullable"] = { .yes($0.column.field.isNullable) }
        c["data_type"] = { .string($0.column.standardType) }
        c["character_maximum_length"] = { .optional($0.column.characters) }
        c["character_octet_length"] = { item in .optional(item.column.octets) }
        c["numeric_precision"] = { .optional($0.column.precision) }
        c["numeric_precision_radix"] = { item in
            .optional(item.column.precision == nil && item.column.field.type != .numeric ? nil : item.column.radix)
        }
        c["numeric_scale"] = { .optional($0.column.scale) }
        c["datetime_precision"] = { .optional($0.column.timePrecision) }
        c["udt_catalog"] = { .string($0.database) }
        c["udt_schema"] = { _ in .string("pg_catalog") }
        c["udt_name"] = { .string($0.column.typeName) }
        c["dtd_identifier"] = { .string(String($0.column.number)) }
        c["is_self_referencing"] = { _ in .yes(false) }
        c["is_identity"] = { _ in .yes(false) }
        c["is_generated"] = { _ in .string("NEVER") }
        c["is_updatable"] = { .yes($0.column.relation.isManaged) }
    }
}

extension Directory.RelationEntry {
    /// Whether rows can be changed.
    fileprivate var isManaged: Bool {
        if case .managed? = lake?.entry { return true }
        return false
    }
}

extension DeclaredKey {
    fileprivate var standardKind: String {
        switch kind {
        case "p": "PRIMARY KEY"
        case "u": "UNIQUE"
        case "f": "FOREIGN KEY"
        default: "CHECK"
        }
    }
}

extension ColumnItem {
    /// data_type: the name without modifiers, ARRAY for arrays.
    fileprivate var standardType: String {
        if case .array = field.type { return "ARRAY" }
        if let type, type.oid >= StableOID.first {
            return type.kind == "d" ? SystemTypes.format(type.base, nil) ?? "USER-DEFINED" : "USER-DEFINED"
        }
        return SystemTypes.format(type?.oid ?? 25, nil) ?? "text"
    }

    fileprivate var characters: Int64? {
        switch field.type {
        case .varchar(.some(let length)), .char(let length): Int64(length)
        default: nil
        }
    }

    /// Bytes of a text: four a character; 2^30 where there is no limit.
    fileprivate var octets: Int64? {
        if let characters { return characters * 4 }
        return field.type == .text || field.type == .varchar(nil) ? 1 << 30 : nil
    }

    fileprivate var precision: Int64? {
        switch field.type {
        case .int2: 16
        case .int4: 32
        case .int8: 64
        case .float4: 24
        case .float8: 53
        case .decimal(let precision, _): Int64(precision)
        default: nil
        }
    }

    fileprivate var radix: Int64 { field.type.isNumeric ? 10 : 2 }

    fileprivate var scale: Int64? {
        switch field.type {
        case .int2, .int4, .int8: 0
        case .decimal(_, let scale): Int64(scale)
        default: nil
        }
    }

    fileprivate var timePrecision: Int64? {
        switch field.type {
        case .date: 0
        case .time, .timestamp, .timestamptz, .interval: 6
        default: nil
        }
    }
}
