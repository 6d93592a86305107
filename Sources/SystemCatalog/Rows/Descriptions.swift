// Rows of pg_description: comments on relations, columns, constraints and everything else that a schema holds.
import Catalogs
import Columns
import Diagnostics

/// The tables of pg_catalog whose rows have comments.
enum CatalogClass {
    static let relation: Int64 = 1_259
    static let schema: Int64 = 2_615
    static let type: Int64 = 1_247
    static let function: Int64 = 1_255
    static let constraint: Int64 = 2_606

    /// By its name, as obj_description() takes it.
    static let byName: [String: Int64] = [
        "pg_class": relation, "pg_namespace": schema, "pg_type": type, "pg_proc": function,
        "pg_constraint": constraint,
    ]
}

extension RelationRows {
    /// A comment.
    struct Description: Sendable {
        var object: Int64
        var column: Int64
        var text: String
        var classID = CatalogClass.relation
    }

    static func descriptions(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [Description] {
        let directory = try await state.directory()
        var relations = directory.relations.filter { $0.lake != nil }
        let wanted = keys.numbers("objoid")
        if let wanted { relations = relations.filter { wanted.contains($0.oid) } }
        let details = try await state.details(of: relations)
        var result: [Description] = []
        for (relation, details) in zip(relations, details) {
            if let text = details.properties[TableProperty.comment] {
                result.append(Description(object: relation.oid, column: 0, text: text))
            }
            for (index, field) in details.columns.enumerated() {
                if let text = details.properties[TableProperty.comment(on: field.name)] {
                    result.append(Description(object: relation.oid, column: Int64(index + 1), text: text))
                }
            }
        }
        for key in try await declaredKeys(state, relations) {
            let text = key.details.properties[TableProperty.comment(onConstraint: key.name)]
            guard let text else { continue }
            result.append(Description(object: key.oid, column: 0, text: text, classID: CatalogClass.constraint))
        }
        return result + directory.comments.filter { wanted?.contains($0.object) ?? true }
    }
}

extension Directory {
    /// Comments on what is no relation of the lake.
    var comments: [RelationRows.Description] {
        var result: [RelationRows.Description] = []
        func add(_ object: Int64, _ classID: Int64, _ text: String?) {
            guard let text else { return }
            result.append(RelationRows.Description(object: object, column: 0, text: text, classID: classID))
        }
        for schema in schemas { add(schema.oid, CatalogClass.schema, schema.comment) }
        for relation in relations { add(relation.oid, CatalogClass.relation, relation.sequence?.comment) }
        for type in types {
            add(type.oid, CatalogClass.type, type.comment)
            for check in type.checks {
                add(RelationRows.checkOID(type, check), CatalogClass.constraint, check.comment)
            }
        }
        for function in functions { add(function.oid, CatalogClass.function, function.comment) }
        return result
    }
}
