// Rows about row policies. The masks of columns are Apus' own and have no place in PostgreSQL's catalogs.
import Access
import Catalogs
import Columns
import Diagnostics

/// A policy and the table that it is for.
struct PolicyItem: Sendable {
    var relation: Directory.RelationEntry
    var policy: RowPolicy
    var roleNames: [String]

    /// pg_policy's letter.
    var command: String {
        switch policy.command {
        case .all: "*"
        case .select: "r"
        case .insert: "a"
        case .update: "w"
        case .delete: "d"
        }
    }
}

enum PolicyRows {
    private static func items(_ state: SystemState, _ keys: Keys, _ name: String) async throws(SQLError) -> [PolicyItem]
    {
        let access = try state.source().access
        guard !access.isOpen else { return [] }
        var items: [PolicyItem] = []
        let (oids, names) = (keys.numbers("polrelid"), keys.names(name))
        for relation in try await state.directory().relations where oids?.contains(relation.oid) != false {
            guard names?.contains(relation.name.name) != false, let object = relation.secured else { continue }
            for policy in access.policies(of: object)?.policies ?? [] {
                let roles = policy.roles.map { $0 == KnownRole.everybody ? "public" : state.roleName($0) ?? "?" }
                items.append(PolicyItem(relation: relation, policy: policy, roleNames: roles))
            }
        }
        return items
    }

    static let rows: [RelationRows] = [
        RelationRows(
            "pg_policy",
            items: { (state, keys) async throws(SQLError) in try await items(state, keys, "") },
            columns: { c in
                c["oid"] = { .int(OIDs.hash("policy", "\($0.relation.oid) \($0.policy.name)")) }
                c["polname"] = { .string($0.policy.name) }
                c["polrelid"] = { .int($0.relation.oid) }
                c["polcmd"] = { .string($0.command) }
                c["polpermissive"] = { .bool($0.policy.isPermissive) }
                c["polroles"] = { item in
                    let roles = item.policy.roles.map { $0 == KnownRole.everybody ? 0 : $0 }
                    return .array(roles.map { Scalar(.system(.oid), .int($0)) })
                }
                c["polqual"] = { .optional($0.policy.using.map { "(\($0))" }) }
                c["polwithcheck"] = { .optional($0.policy.check.map { "(\($0))" }) }
            }),
        RelationRows(
            "pg_policies",
            items: { (state, keys) async throws(SQLError) in try await items(state, keys, "tablename") },
            columns: { c in
                c["schemaname"] = { .string($0.relation.name.schema) }
                c["tablename"] = { .string($0.relation.name.name) }
                c["policyname"] = { .string($0.policy.name) }
                c["permissive"] = { .string($0.policy.isPermissive ? "PERMISSIVE" : "RESTRICTIVE") }
                c["roles"] = { .array($0.roleNames.map { Scalar(.system(.name), .string($0)) }) }
                c["cmd"] = { .string($0.policy.command.rawValue.uppercased()) }
                c["qual"] = { .optional($0.policy.using.map { "(\($0))" }) }
                c["with_check"] = { .optional($0.policy.check.map { "(\($0))" }) }
            }),
    ]
}
