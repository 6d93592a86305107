// Rows of pg_class, pg_namespace and what hangs on relations as a whole: rewrite rules, dependencies.
import Access
import Catalogs
import Columns
import Diagnostics

extension RelationRows {
    /// The relations that a filter on oid, name or schema leaves.
    static func relations(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [Directory.RelationEntry] {
        let directory = try await state.directory()
        if let oids = keys.numbers("oid") { return oids.sorted().compactMap { directory.relation($0) } }
        if let names = keys.names("relname") { return directory.relations.filter { names.contains($0.name.name) } }
        if let schemas = keys.numbers("relnamespace") {
            return directory.relations.filter { schemas.contains($0.schemaOID) }
        }
        return directory.relations
    }

    static let relationRows: [RelationRows] = [
        RelationRows(
            "pg_namespace",
            items: { (state, _) async throws(SQLError) -> [(Directory.SchemaEntry, [String]?)] in
                let access = try state.source().access
                return try await state.directory().schemas.map { schema in
                    let object = SecuredObject(.schema, name: schema.name, owner: schema.owner)
                    return (schema, access.texts(of: object) { state.roleName($0) ?? "?" })
                }
            },
            columns: { c in
                c["oid"] = { .int($0.0.oid) }
                c["nspname"] = { .string($0.0.name) }
                c["nspowner"] = { .int($0.0.owner) }
                c["nspacl"] = { .acl($0.1) }
            }),
        RelationRows("pg_class", items: classItems, columns: classColumns),
        RelationRows(
            "pg_rewrite", items: { (state, _) async throws(SQLError) in try await views(state) },
            columns: { c in
                c["oid"] = { .int(OIDs.hash("rule", $0.name.description)) }
                c["rulename"] = { _ in .string("_RETURN") }
                c["ev_class"] = { .int($0.oid) }
                c["ev_type"] = { _ in .string("1") }
                c["ev_enabled"] = { _ in .string("O") }
                c["is_instead"] = { _ in .bool(true) }
                c["ev_qual"] = { _ in .string("<>") }
                c["ev_action"] = { .string($0.viewText ?? "") }
            }),
        RelationRows(
            "pg_depend", items: dependencies,
            columns: { c in
                c["classid"] = { .int($0.classID) }
                c["objid"] = { .int($0.object) }
                c["refclassid"] = { .int($0.referencedClass) }
                c["refobjid"] = { .int($0.referenced) }
                c["deptype"] = { .string($0.kind) }
            }),
        RelationRows(
            "pg_description", items: descriptions,
            columns: { c in
                c["objoid"] = { .int($0.object) }
                c["classoid"] = { .int($0.classID) }
                c["objsubid"] = { .int($0.column) }
                c["description"] = { .string($0.text) }
            }),
    ]

    private static func views(_ state: SystemState) async throws(SQLError) -> [Directory.RelationEntry] {
        try await state.directory().relations.filter { ($0.kind == "v" || $0.kind == "m") && $0.lake != nil }
    }

    // MARK: pg_class

    /// A relation, or the index of a declared key.
    struct ClassItem: Sendable {
        var relation: Directory.RelationEntry
        var details: RelationDetails?
        var key: DeclaredKey?
        var acl: [String]?
        var hasPolicies = false
        var forcesPolicies = false
        /// Of a partition: `FOR VALUES ...`.
        var bound: String?
    }

    /// Relations that are opened to tell whether they have keys.
    private static let relationsOpened = 64

    private static func classItems(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [ClassItem] {
        let found = try await relations(state, keys)
        // Lists of tables do without what only the tables tell.
        let isFew = found.count <= relationsOpened
        if keys.wants("relnatts") || isFew && (keys.wants("relhasindex") || keys.wants("relchecks")) {
            _ = try await state.details(of: found)
        }
        var items = found.map { ClassItem(relation: $0, details: state.knownDetails($0.oid), key: nil) }
        let access = try state.source().access
        if !access.isOpen {
            for index in items.indices {
                guard let object = items[index].relation.secured else { continue }
                items[index].acl = access.texts(of: object) { state.roleName($0) ?? "?" }
                items[index].hasPolicies = access.policies(of: object)?.isEnabled ?? false
                items[index].forcesPolicies = access.policies(of: object)?.isForced ?? false
            }
        }
        if keys.wants("relpartbound") { try await tellBounds(&items, state) }
        // Keys are told by the tables themselves, which must be opened for it: not for lists of tables.
        if let kinds = keys.names("relkind"), !kinds.contains("i") { return items }
        if let oids = keys.numbers("oid"), found.count == oids.count { return items }
        let index = try await state.allKeys()
        if let oids = keys.numbers("oid") {
            for oid in oids.sorted() {
                guard let key = index.key(index: oid) else { continue }
                items.append(ClassItem(relation: key.relation, details: nil, key: key))
            }
            return items
        }
        let names = keys.names("relname")
        for key in index.all where key.hasIndex && names?.contains(key.name) != false {
            items.append(ClassItem(relation: key.relation, details: nil, key: key))
        }
        return items
    }

    /// Bounds of partitions are told by their parents.
    private static func tellBounds(_ items: inout [ClassItem], _ state: SystemState) async throws(SQLError) {
        let names = Set(items.compactMap(\.relation.partitionOf))
        guard !names.isEmpty else { return }
        let parents = try await state.directory().relations.filter { names.contains(TableProperty.quoted($0.name)) }
        var bounds: [String: String] = [:]
        for details in try await state.details(of: parents) {
            for (key, value) in details.properties where key.hasPrefix(TableProperty.partitionPrefix) {
                bounds[String(key.dropFirst(TableProperty.partitionPrefix.count))] = value
            }
        }
        for index in items.indices where items[index].relation.partitionOf != nil {
            items[index].bound = bounds[TableProperty.quoted(items[index].relation.name)]
        }
    }

    private static func classColumns(_ c: inout Columns<ClassItem>) {
        c["oid"] = { .int($0.key?.indexOID ?? $0.relation.oid) }
        c["relname"] = { .string($0.key?.name ?? $0.relation.name.name) }
        c["relnamespace"] = { .int($0.relation.schemaOID) }
        c["relowner"] = { .int($0.relation.owner) }
        c["relacl"] = { .acl($0.key == nil ? $0.acl : nil) }
        c["relrowsecurity"] = { .bool($0.hasPolicies) }
        c["relforcerowsecurity"] = { .bool($0.forcesPolicies) }
        c["relam"] = { .int($0.key != nil ? 403 : "vp".contains($0.relation.kind) ? 0 : 2) }
        c["relfilenode"] = { .int($0.relation.kind == "r" ? $0.relation.oid : 0) }
        c["relpages"] = { _ in .int(0) }
        c["reltuples"] = { .double($0.details?.rows ?? -1) }
        c["relhasindex"] = { .bool($0.key == nil && $0.details?.properties[TableProperty.key(1)] != nil) }
        c["relchecks"] = { item in
            .int(item.key == nil ? Int64(TableCheck.all(of: item.details?.properties ?? [:]).count) : 0)
        }
        c["relpersistence"] = { .string($0.relation.name.schema == "pg_temp" ? "t" : "p") }
        c["relkind"] = { .string($0.key != nil ? "i" : $0.relation.kind) }
        c["relnatts"] = { item in .int(Int64(item.key?.columns.count ?? item.details?.columns.count ?? 0)) }
        c["relhasrules"] = { .bool($0.key == nil && $0.relation.kind == "v") }
        c["relispartition"] = { .bool($0.key == nil && $0.relation.partitionOf != nil) }
        c["relpartbound"] = { item in item.key == nil ? item.bound.map { .string($0) } ?? .null : .null }
        c["relhassubclass"] = { .bool($0.key == nil && $0.relation.kind == "p") }
        c["relispopulated"] = { _ in .bool(true) }
        c["relreplident"] = { .string("rp".contains($0.relation.kind) && $0.relation.lake != nil ? "d" : "n") }
    }

    // MARK: pg_depend

    struct Dependency: Sendable {
        var classID: Int64
        var object: Int64
        var referencedClass: Int64
        var referenced: Int64
        var kind: String
    }

    /// Rules belong to their views, relations to their schemas. A view finds what it reads by name each time it is read:
    /// nothing stands in the way of dropping a table, and CASCADE takes no view along, so no dependency is told.
    private static func dependencies(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [Dependency] {
        let directory = try await state.directory()
        var result: [Dependency] = []
        for view in try await views(state) {
            let rule = OIDs.hash("rule", view.name.description)
            result.append(
                Dependency(classID: 2_618, object: rule, referencedClass: 1_259, referenced: view.oid, kind: "i"))
        }
        for relation in directory.relations where relation.lake != nil {
            result.append(
                Dependency(
                    classID: 1_259, object: relation.oid, referencedClass: 2_615, referenced: relation.schemaOID,
                    kind: "n"))
        }
        return result
    }
}

extension Directory.RelationEntry {
    /// A view's query.
    var viewText: String? {
        if case .view(let view)? = lake?.entry { return view.sql }
        return nil
    }
}
