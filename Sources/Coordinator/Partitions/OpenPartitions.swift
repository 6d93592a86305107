// Opening tables with PARTITION BY: the parent's properties name its partitions, which are looked up where the parent
// was.
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

/// The partitions of one table.
struct PartitionTree {
    struct Child {
        var name: TableName
        var bound: StoredBound
        var table: any WritableTable
        /// Of a partition that has partitions itself.
        var tree: PartitionTree?
    }

    var by: PartitionBy
    /// In the order of their bounds.
    var children: [Child]

    /// The rows of a child: those of its bound, or those of no other's.
    func condition(of child: Child) -> String {
        if let condition = child.bound.condition(by) { return condition }
        let others = children.compactMap { $0.bound.condition(by) }
        return others.isEmpty ? "(true)" : "(NOT (\(others.joined(separator: " OR "))))"
    }

    /// The number of the leaf that takes a row, as SQL; leaves are numbered as they are met.
    func routing(_ above: String?, _ leaves: inout [PartitionLeaf], columns: [Field]) throws(SQLError) -> String {
        var branches = ""
        var rest = "NULL::int4"
        for child in children {
            let own = condition(of: child)
            let condition = above.map { "(\($0) AND \(own))" } ?? own
            let target: String
            if let tree = child.tree {
                target = try tree.routing(condition, &leaves, columns: columns)
            } else {
                target = String(leaves.count)
                var places: [Int] = []
                for column in columns {
                    guard let place = child.table.schema.index(of: column.name) else {
                        throw SQLError(
                            SQLState("42P16"),
                            "partition \"\(child.name.name)\" has no column \"\(column.name)\" of its parent")
                    }
                    places.append(place)
                }
                leaves.append(
                    PartitionLeaf(
                        name: child.name, table: child.table, condition: condition, columns: places,
                        oid: StableOID.hash("relation", child.name.description)))
            }
            if child.bound.isRest {
                rest = target
            } else {
                branches += " WHEN \(own) THEN \(target)"
            }
        }
        return branches.isEmpty ? rest : "CASE\(branches) ELSE \(rest) END"
    }
}

extension Resolver {
    /// Levels of partitions.
    private static let partitionLevelsMax = 16

    /// A table as statements see it: one that is partitioned with its partitions, any other as it is.
    func united(
        _ table: any WritableTable, _ found: Found, _ transaction: Transaction, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) -> any WritableTable {
        guard table.properties[TableProperty.partitionBy] != nil else { return table }
        let commit = try await commit(of: found.ref, &pinned)
        guard let tree = try await partitions(of: table, found, commit, transaction, pinned, 0) else { return table }
        var leaves: [PartitionLeaf] = []
        let routing = try tree.routing(nil, &leaves, columns: table.schema.fields)
        return PartitionedTable(table, leaves, routing: routing)
    }

    /// The partitions of a table; nil for one that is not partitioned.
    func partitions(
        of table: any WritableTable, _ found: Found, _ commit: CommitID, _ transaction: Transaction,
        _ pinned: [Ref: CommitID], _ level: Int
    ) async throws(SQLError) -> PartitionTree? {
        guard let text = table.properties[TableProperty.partitionBy] else { return nil }
        guard level < Resolver.partitionLevelsMax else {
            throw SQLError(.statementTooComplex, "partitions are nested too deeply")
        }
        let own =
            transaction.branch.map { found.ref == .branch($0) || found.ref == .named($0) } ?? false
            ? transaction : nil
        let format = try databases.format(on: found.branch, pinned)
        var children: [PartitionTree.Child] = []
        for (key, value) in table.properties where key.hasPrefix(TableProperty.partitionPrefix) {
            guard let bound = StoredBound(value),
                let parsed = try? Parser.parseName(String(key.dropFirst(TableProperty.partitionPrefix.count))),
                parsed.parts.count == 2
            else { throw SQLError(.dataCorrupted, "a partition of table \"\(found.name.name)\" cannot be read") }
            let name = TableName(schema: parsed.parts[0].value, name: parsed.parts[1].value)
            let entry =
                name.isTemporary
                ? temporary(name, transaction) : try await self.entry(name, commit, own)
            guard case .managed(let definition)? = entry,
                definition.partitionOf == TableProperty.quoted(found.name)
            else {
                throw SQLError(
                    .undefinedTable, "partition \"\(name.name)\" of table \"\(found.name.name)\" does not exist",
                    hint: "ALTER TABLE ... DETACH PARTITION forgets it.")
            }
            let partition = try await format.open(definition, named: name)
            let place = Found(name: name, entry: .managed(definition), ref: found.ref)
            let tree = try await partitions(of: partition, place, commit, transaction, pinned, level + 1)
            children.append(PartitionTree.Child(name: name, bound: bound, table: partition, tree: tree))
        }
        children.sort { a, b in
            if StoredBound.isBefore(a.bound, b.bound) { return true }
            if StoredBound.isBefore(b.bound, a.bound) { return false }
            return (a.name.schema, a.name.name) < (b.name.schema, b.name.name)
        }
        return PartitionTree(by: try Parser.parsePartitionBy(text), children: children)
    }

    /// What the rows of a partition satisfy on all levels above it, as SQL; nil for a table that is no partition.
    func constraint(
        of name: TableName, _ definition: ManagedDefinition, _ found: Found, _ transaction: Transaction,
        _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) -> String? {
        var conditions: [String] = []
        var (child, open) = (name, definition.partitionOf)
        while let text = open, conditions.count < Resolver.partitionLevelsMax {
            let parsed = try Parser.parseName(text)
            guard parsed.parts.count == 2 else { break }
            let parent = TableName(schema: parsed.parts[0].value, name: parsed.parts[1].value)
            let commit = try await commit(of: found.ref, &pinned)
            let own =
                transaction.branch.map { found.ref == .branch($0) || found.ref == .named($0) } ?? false
                ? transaction : nil
            let entry =
                parent.isTemporary
                ? temporary(parent, transaction) : try await self.entry(parent, commit, own)
            guard case .managed(let above)? = entry else { break }
            let table = try await databases.format(on: found.branch, pinned).open(above, named: parent)
            let place = Found(name: parent, entry: .managed(above), ref: found.ref)
            guard let tree = try await partitions(of: table, place, commit, transaction, pinned, 0),
                let own = tree.children.first(where: { $0.name == child })
            else { break }
            conditions.append(tree.condition(of: own))
            (child, open) = (parent, above.partitionOf)
        }
        return conditions.isEmpty ? nil : conditions.reversed().joined(separator: " AND ")
    }
}
