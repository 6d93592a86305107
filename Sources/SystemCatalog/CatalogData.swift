// The shape of pg_catalog and information_schema: relations, columns and types as PostgreSQL 15 has them.
import Columns

/// Texts that record.py wrote, parsed once.
enum CatalogData {
    /// A relation of pg_catalog or information_schema.
    struct SystemRelation: Sendable {
        var schema: String
        var name: String
        var oid: Int64
        /// "r" or "v".
        var kind: String
        var fields: [Field]
        /// pg_type's name of each column's type.
        var typeNames: [String]
    }

    static let catalogSchema = "pg_catalog"
    static let informationSchema = "information_schema"

    /// By schema and name.
    static let relations: [SystemRelation] =
        parse(catalogTables, catalogSchema) + parse(catalogViews, catalogSchema)
        + parse(informationViews, informationSchema)

    static let byName: [String: SystemRelation] = Dictionary(
        relations.map { ("\($0.schema).\($0.name)", $0) }, uniquingKeysWith: { first, _ in first })

    static func relation(_ schema: String, _ name: String) -> SystemRelation? { byName["\(schema).\(name)"] }

    private static func parse(_ text: String, _ schema: String) -> [SystemRelation] {
        var result: [SystemRelation] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard line.hasPrefix("  ") else {
                guard words.count == 3, let oid = Int64(words[1]) else { continue }
                result.append(
                    SystemRelation(
                        schema: schema, name: String(words[0]), oid: oid, kind: String(words[2]), fields: [],
                        typeNames: []))
                continue
            }
            guard var relation = result.popLast() else { continue }
            for word in words {
                let parts = word.split(separator: ":")
                guard parts.count == 2 else { continue }
                let isRequired = parts[1].hasSuffix("!")
                let type = String(isRequired ? parts[1].dropLast() : parts[1])
                relation.fields.append(Field(String(parts[0]), sqlType(type), isNullable: !isRequired))
                relation.typeNames.append(type)
            }
            result.append(relation)
        }
        return result
    }

    /// The type by pg_type's name; text for what is not here.
    static func sqlType(_ name: String) -> SQLType {
        if name.hasPrefix("_") { return .array(sqlType(String(name.dropFirst()))) }
        return types[name] ?? .text
    }

    private static let types: [String: SQLType] = {
        var table: [String: SQLType] = [
            "bool": .boolean, "bytea": .bytea, "int8": .int8, "int2": .int2, "int4": .int4, "text": .text,
            "float4": .float4, "float8": .float8, "bpchar": .char(1), "varchar": .varchar(nil), "date": .date,
            "time": .time, "timestamp": .timestamp, "timestamptz": .timestamptz, "interval": .interval,
            "numeric": .numeric, "uuid": .uuid, "json": .json, "jsonb": .jsonb,
            "char": .system(.char),
        ]
        for type in SystemType.allCases where type != .char { table[type.rawValue] = .system(type) }
        return table
    }()
}
