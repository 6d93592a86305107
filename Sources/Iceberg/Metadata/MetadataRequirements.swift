// What a client of the REST catalog took for granted when it made its change (TableRequirement).

import Diagnostics

enum MetadataRequirements {
    /// Throws 40001 when the table is not as the client saw it; nil: there is no table.
    static func check(_ requirements: [JSON], _ table: TableMetadata?, _ name: String) throws(SQLError) {
        for requirement in requirements { try check(requirement, table, name) }
    }

    private static func check(_ requirement: JSON, _ table: TableMetadata?, _ name: String) throws(SQLError) {
        let kind = requirement["type"]?.asString ?? ""
        func failed(_ reason: String) -> SQLError {
            SQLError(
                .serializationFailure, "requirement \(kind) of table \"\(name)\" does not hold: \(reason)",
                hint: "Load the table again and retry.")
        }
        if kind == "assert-create" {
            if table != nil { throw failed("the table exists already") }
            return
        }
        guard let table else { throw failed("there is no table") }
        func expect(_ key: String, _ actual: Int32) throws(SQLError) {
            let expected = requirement[key]?.asInt
            guard expected == Int64(actual) else {
                throw failed("\(key) is \(actual), not \(expected.map { String($0) } ?? "given")")
            }
        }
        switch kind {
        case "assert-table-uuid":
            guard requirement["uuid"]?.asString?.lowercased() == table.uuid else {
                throw failed("the table was replaced by another one")
            }
        case "assert-ref-snapshot-id":
            let ref = requirement["ref"]?.asString ?? "main"
            let actual = table.refs[ref]?.snapshotID
            guard requirement["snapshot-id"]?.asInt == actual else {
                throw failed(
                    "\(ref == "main" ? "branch" : "ref") \"\(ref)\" of the table has changed: it is at "
                        + (actual.map { "snapshot \($0)" } ?? "no snapshot"))
            }
        case "assert-last-assigned-field-id": try expect("last-assigned-field-id", table.lastColumnID)
        case "assert-current-schema-id": try expect("current-schema-id", table.currentSchema.id)
        case "assert-last-assigned-partition-id": try expect("last-assigned-partition-id", table.lastPartitionID)
        case "assert-default-spec-id": try expect("default-spec-id", table.defaultSpec.id)
        case "assert-default-sort-order-id": try expect("default-sort-order-id", table.defaultSortOrderID)
        default: throw MetadataUpdates.invalid("requirement \"\(kind)\" is not known")
        }
    }
}
