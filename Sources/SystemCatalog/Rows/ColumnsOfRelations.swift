// Rows of pg_attribute and pg_attrdef: a row a column. Relations are opened only when the filter does not tell which.
import Access
import Catalogs
import Columns
import Diagnostics

/// A column of a relation.
struct ColumnItem: Sendable {
    var relation: Directory.RelationEntry
    var number: Int64
    var field: Field
    /// pg_type's name.
    var typeName: String
    var type: SystemTypeRow?
    var defaultText: String?
    var comment: String?
    var acl: [String]?
}

extension RelationRows {
    /// The columns of relations.
    static func columns(
        _ state: SystemState, of relations: [Directory.RelationEntry]
    ) async throws(SQLError) -> [ColumnItem] {
        let details = try await state.details(of: relations)
        let directory = try await state.directory()
        var items: [ColumnItem] = []
        let access = try state.source().access
        for (relation, details) in zip(relations, details) {
            let rights = access.isOpen ? nil : relation.secured.map { access.rights(of: $0).columns }
            for (index, field) in details.columns.enumerated() {
                var typeName = relation.system?.typeNames[index] ?? SystemTypes.name(of: field.type)
                var type = SystemTypes.byName[typeName]
                let own = details.properties[TableProperty.userType(of: field.name)].flatMap(SystemTypes.userOID)
                let oid = own ?? (field.type.holdsEnumeration ? SystemTypes.oid(of: field.type) : nil)
                if let oid, let found = directory.type(oid) { (typeName, type) = (found.name, found) }
                items.append(
                    ColumnItem(
                        relation: relation, number: Int64(index + 1), field: field, typeName: typeName, type: type,
                        defaultText: details.properties[TableProperty.defaultValue(of: field.name)],
                        comment: details.properties[TableProperty.comment(on: field.name)],
                        acl: rights?[field.name].map { AccessState.texts($0) { state.roleName($0) ?? "?" } }))
            }
        }
        return items
    }

    private static func columns(_ state: SystemState, _ keys: Keys, _ key: String) async throws(SQLError)
        -> [ColumnItem]
    {
        let directory = try await state.directory()
        if let oids = keys.numbers(key) {
            var items = try await columns(state, of: oids.sorted().compactMap { directory.relation($0) })
            // The columns of a declared key's index.
            let rest = oids.filter { directory.relationByOID[$0] == nil }
            guard !rest.isEmpty else { return items }
            let index = try await state.allKeys()
            for key in rest.sorted().compactMap({ index.key(index: $0) }) {
                var relation = key.relation
                relation.oid = key.indexOID
                for (index, place) in key.columns.enumerated() where place <= key.details.columns.count {
                    let field = key.details.columns[Int(place) - 1]
                    let typeName = SystemTypes.name(of: field.type)
                    items.append(
                        ColumnItem(
                            relation: relation, number: Int64(index + 1), field: field, typeName: typeName,
                            type: SystemTypes.byName[typeName]))
                }
            }
            return items
        }
        return try await columns(state, of: directory.relations)
    }

    static let columnRows: [RelationRows] = [
        RelationRows(
            "pg_attribute",
            items: { (state, keys) async throws(SQLError) -> [ColumnItem] in try await columns(state, keys, "attrelid")
            },
            columns: { c in
                c["attrelid"] = { .int($0.relation.oid) }
                c["attname"] = { .string($0.field.name) }
                c["atttypid"] = { .int($0.type?.oid ?? 25) }
                c["attstattarget"] = { _ in .int(-1) }
                c["attlen"] = { .int($0.type?.length ?? -1) }
                c["attnum"] = { .int($0.number) }
                c["attndims"] = { .int($0.typeName.hasPrefix("_") ? 1 : 0) }
                c["attcacheoff"] = { _ in .int(-1) }
                c["atttypmod"] = { .int(SystemTypes.modifier(of: $0.field.type)) }
                c["attbyval"] = { .bool($0.type?.isByValue ?? false) }
                c["attalign"] = { .string($0.type?.alignment ?? "i") }
                c["attstorage"] = { .string($0.type?.storage ?? "x") }
                c["attnotnull"] = { .bool(!$0.field.isNullable) }
                c["atthasdef"] = { .bool($0.defaultText != nil) }
                c["attislocal"] = { _ in .bool(true) }
                c["attacl"] = { .acl($0.acl) }
                c["attcollation"] = { .int($0.type?.collation ?? 0) }
            }),
        RelationRows(
            "pg_attrdef",
            items: { (state, keys) async throws(SQLError) -> [ColumnItem] in
                try await columns(state, keys, "adrelid").filter { $0.defaultText != nil }
            },
            columns: { c in
                c["oid"] = { .int(OIDs.hash("default", "\($0.relation.name).\($0.field.name)")) }
                c["adrelid"] = { .int($0.relation.oid) }
                c["adnum"] = { .int($0.number) }
                c["adbin"] = { .optional($0.defaultText) }
            }),
    ]
}
