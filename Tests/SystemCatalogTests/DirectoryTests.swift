import Catalogs
import Columns
import Testing

@testable import SystemCatalog

@Suite struct DirectoryTests {
    private static func listing(_ count: Int) -> LakeListing {
        let view = Entry.view(ViewDefinition(sql: "SELECT 1", columnNames: [], searchPath: ["public"]))
        return LakeListing(
            schemas: ["public", "marts"],
            relations: (0..<count).map { LakeRelation(name: TableName(schema: "marts", name: "t\($0)"), entry: view) })
    }

    @Test("a hundred thousand relations have a number each, and keep it")
    func numbers() {
        let first = Directory(Self.listing(100_000))
        #expect(Set(first.relations.map(\.oid)).count == first.relations.count)
        let again = Directory(Self.listing(100_000))
        #expect(first.relations.map(\.oid) == again.relations.map(\.oid))
        #expect(first.relations.allSatisfy { $0.lake == nil || $0.oid >= 16_384 && $0.oid <= Int64(Int32.max) })
    }

    @Test("a relation's number does not depend on the others")
    func independence() throws {
        let name = TableName(schema: "marts", name: "t7")
        let many = try #require(Directory(Self.listing(1_000)).relation(name))
        let few = try #require(Directory(Self.listing(8)).relation(name))
        #expect(many.oid == few.oid)
    }

    @Test("the relations of PostgreSQL have their columns")
    func relations() throws {
        let attributes = try #require(CatalogData.relation("pg_catalog", "pg_attribute"))
        #expect(attributes.oid == 1_249)
        #expect(attributes.fields.map(\.name).prefix(3) == ["attrelid", "attname", "atttypid"])
        #expect(CatalogData.relations.count > 150)
        // Every relation with rows exists, and so do the columns that it fills.
        for (name, rows) in RelationRows.all {
            #expect(CatalogData.byName[name] != nil, "\(name)")
            #expect(name == "\(rows.schema).\(rows.name)")
        }
    }

    @Test(
        "types print as format_type does",
        arguments: [
            (23, nil, "integer"), (1_043, 44, "character varying(40)"), (1_700, 655_366, "numeric(10,2)"),
            (1_042, nil, "character"), (1_042, -1, "bpchar"), (1_007, nil, "integer[]"), (18, nil, "\"char\""),
        ] as [(Int64, Int64?, String)])
    func types(oid: Int64, modifier: Int64?, text: String) {
        #expect(SystemTypes.format(oid, modifier) == text)
    }

    @Test(
        "type names are read as SQL writes them",
        arguments: [
            ("int4", 23), ("integer", 23), ("pg_catalog.int8", 20), ("character varying(10)", 1_043), ("text[]", 1_009),
            ("\"char\"", 18), ("char", 1_042), ("nothing", 0),
        ] as [(String, Int64)])
    func typeNames(text: String, oid: Int64) {
        #expect(SystemTypes.oid(named: text) ?? 0 == oid)
    }
}
