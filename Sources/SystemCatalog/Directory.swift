// Numbers for names: every schema and relation of a listing with its OID, found by either.
import Catalogs
import Columns

/// OIDs as hashes of names: the same in every session, after every restart and on every branch.
enum OIDs {
    /// PostgreSQL's own objects are below.
    static let catalogSchema: Int64 = 11
    static let publicSchema: Int64 = 2_200
    static let informationSchema: Int64 = 13_000
    /// The owner of everything.
    static let owner: Int64 = 10

    /// The number of a kind of thing by its name; `salt` gives another one when it is taken.
    static func hash(_ kind: String, _ name: String, salt: Int = 0) -> Int64 {
        StableOID.hash(kind, name, salt: salt)
    }

    static func role(_ name: String) -> Int64 { hash("role", name) }
    static func database(_ name: String) -> Int64 { hash("database", name) }
}

/// The schemas and relations of one state, those of the system catalog among them.
public final class Directory: Sendable {
    struct SchemaEntry: Sendable {
        var oid: Int64
        var name: String
        var owner = OIDs.owner
        var comment: String?
    }

    struct RelationEntry: Sendable {
        var oid: Int64
        var name: TableName
        var schemaOID: Int64
        /// relkind: r, p, v, m or S.
        var kind: String
        /// nil for those of the system catalog.
        var lake: LakeRelation?
        var system: CatalogData.SystemRelation?
        /// The owner of what is no relation of the lake: a sequence.
        var objectOwner: Int64?
        var sequence: SequenceDefinition?

        /// Whether files that others write tell its columns.
        var isExternal: Bool {
            if case .external? = lake?.entry { return true }
            return false
        }
    }

    let schemas: [SchemaEntry]
    let relations: [RelationEntry]
    let relationByOID: [Int64: Int]
    let relationByName: [TableName: Int]
    let schemaByOID: [Int64: String]
    let schemaByName: [String: Int64]
    /// The relations whose columns files tell.
    let externals: [RelationEntry]
    let memo = DirectoryMemo()
    /// Types and functions of the user, in the order of their names.
    let types: [SystemTypeRow]
    let functions: [FunctionRow]

    public init(_ listing: LakeListing) {
        var schemas: [SchemaEntry] = [
            SchemaEntry(oid: OIDs.catalogSchema, name: CatalogData.catalogSchema),
            SchemaEntry(oid: OIDs.informationSchema, name: CatalogData.informationSchema),
        ]
        var taken: Set<Int64> = Set(schemas.map(\.oid))
        /// A number that nothing else has: names come in their order, so that it depends on earlier names only.
        func number(_ kind: String, _ name: String) -> Int64 {
            var salt = 0
            while true {
                let oid = OIDs.hash(kind, name, salt: salt)
                if taken.insert(oid).inserted { return oid }
                salt += 1
            }
        }
        for name in listing.schemas.sorted() {
            schemas.append(
                SchemaEntry(
                    oid: name == "public" ? OIDs.publicSchema : number("schema", name), name: name,
                    owner: listing.schemaOwners[name] ?? OIDs.owner, comment: listing.schemaComments[name]))
        }
        let schemaByName = Dictionary(schemas.map { ($0.name, $0.oid) }, uniquingKeysWith: { first, _ in first })
        var relations: [RelationEntry] = []
        relations.reserveCapacity(CatalogData.relations.count + listing.relations.count)
        for system in CatalogData.relations {
            relations.append(
                RelationEntry(
                    oid: system.oid, name: TableName(schema: system.schema, name: system.name),
                    schemaOID: schemaByName[system.schema] ?? 0, kind: system.kind, lake: nil, system: system))
        }
        for relation in listing.relations.sorted(by: { ($0.name.schema, $0.name.name) < ($1.name.schema, $1.name.name) }
        ) {
            relations.append(
                RelationEntry(
                    oid: number("relation", relation.name.description), name: relation.name,
                    schemaOID: schemaByName[relation.name.schema] ?? 0, kind: relation.entry.relationKind,
                    lake: relation, system: nil))
        }
        var types: [SystemTypeRow] = []
        var functions: [FunctionRow] = []
        for object in listing.objects.sorted(by: { ($0.name.schema, $0.name.name) < ($1.name.schema, $1.name.name) }) {
            guard case .object(let known) = object.entry, let schema = schemaByName[object.name.schema] else {
                continue
            }
            switch known {
            case .sequence(let sequence):
                relations.append(
                    RelationEntry(
                        oid: number("relation", object.name.description),
                        name: TableName(schema: object.name.schema, name: object.name.objectName), schemaOID: schema,
                        kind: "S", lake: nil, system: nil, objectOwner: sequence.owner ?? OIDs.owner,
                        sequence: sequence))
            case .type(let type):
                types += SystemTypes.rows(of: type, object.name, schema)
                taken.formUnion(types.suffix(2).map(\.oid))
            case .functions(let all):
                for function in all {
                    functions.append(SystemFunctionRows.row(of: function, object.name, schema, number))
                }
            case .index: break
            }
        }
        self.types = types
        self.functions = functions
        self.schemas = schemas
        self.relations = relations
        externals = relations.filter(\.isExternal)
        self.schemaByName = schemaByName
        schemaByOID = Dictionary(schemas.map { ($0.oid, $0.name) }, uniquingKeysWith: { first, _ in first })
        relationByOID = Dictionary(
            relations.enumerated().map { ($1.oid, $0) }, uniquingKeysWith: { first, _ in first })
        relationByName = Dictionary(
            relations.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func type(_ oid: Int64) -> SystemTypeRow? { types.first { $0.oid == oid } }

    func relation(_ oid: Int64) -> RelationEntry? { relationByOID[oid].map { relations[$0] } }
    func relation(_ name: TableName) -> RelationEntry? { relationByName[name].map { relations[$0] } }
}

extension Entry {
    /// relkind. External tables are ordinary ones to clients: many show no foreign tables.
    fileprivate var relationKind: String {
        switch self {
        case .view: "v"
        case .external, .object: "r"
        case .managed(let definition):
            definition.isMaterializedView == true ? "m" : definition.isPartitioned == true ? "p" : "r"
        }
    }
}
