// Rows about declarative partitioning: which tables are partitioned, and whose partitions others are.
import Catalogs
import Columns
import Diagnostics

extension RelationRows {
    /// A partition and its parent.
    struct PartitionLink: Sendable {
        var child: Int64
        var parent: Int64
    }

    /// A table with PARTITION BY.
    struct PartitionedItem: Sendable {
        var relation: Directory.RelationEntry
        /// `RANGE (a, b)`.
        var text: String
        /// Numbers of the key's columns; 0: an expression.
        var columns: [Int64]
        /// The DEFAULT partition, or 0.
        var rest: Int64
    }

    static let partitionRows: [RelationRows] = [
        RelationRows(
            "pg_inherits",
            items: { (state, _) async throws(SQLError) -> [PartitionLink] in
                let directory = try await state.directory()
                var links: [PartitionLink] = []
                for relation in directory.relations {
                    guard let name = relation.partitionOf,
                        let parent = directory.relations.first(where: { TableProperty.quoted($0.name) == name })
                    else { continue }
                    links.append(PartitionLink(child: relation.oid, parent: parent.oid))
                }
                return links
            },
            columns: { c in
                c["inhrelid"] = { .int($0.child) }
                c["inhparent"] = { .int($0.parent) }
                c["inhseqno"] = { _ in .int(1) }
                c["inhdetachpending"] = { _ in .bool(false) }
            }),
        RelationRows(
            "pg_partitioned_table", items: partitioned,
            columns: { c in
                c["partrelid"] = { .int($0.relation.oid) }
                c["partstrat"] = { .string(String($0.text.lowercased().prefix(1))) }
                c["partnatts"] = { .int(Int64($0.columns.count)) }
                c["partdefid"] = { .int($0.rest) }
                c["partattrs"] = { .string($0.columns.map(String.init).joined(separator: " ")) }
            }),
    ]

    private static func partitioned(_ state: SystemState, _ keys: Keys) async throws(SQLError) -> [PartitionedItem] {
        let directory = try await state.directory()
        let tables = directory.relations.filter { $0.kind == "p" }
        var items: [PartitionedItem] = []
        for (table, details) in zip(tables, try await state.details(of: tables)) {
            guard let text = details.properties[TableProperty.partitionBy] else { continue }
            let inner = text.drop { $0 != "(" }.dropFirst().dropLast()
            let names = details.columns.map(\.name)
            let columns = parts(String(inner)).map { part -> Int64 in
                var bare = part
                if part.hasPrefix("\"") {
                    bare = String(part.dropFirst().dropLast()).replacing("\"\"", with: "\"")
                }
                return names.firstIndex(of: bare).map { Int64($0 + 1) } ?? 0
            }
            let rest = details.properties.first {
                $0.key.hasPrefix(TableProperty.partitionPrefix) && $0.value == "DEFAULT"
            }
            let name = rest.map { String($0.key.dropFirst(TableProperty.partitionPrefix.count)) }
            let child = directory.relations.first { TableProperty.quoted($0.name) == name }
            items.append(
                PartitionedItem(relation: table, text: text, columns: columns, rest: child?.oid ?? 0))
        }
        return items
    }

    /// The keys of a list: commas inside parentheses and quotes belong to them.
    private static func parts(_ text: String) -> [String] {
        var (parts, current, depth, quote): ([String], String, Int, Character?) = ([], "", 0, nil)
        for character in text {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if character == "(" {
                depth += 1
            } else if character == ")" {
                depth -= 1
            } else if character == ",", depth == 0 {
                parts.append(current)
                current = ""
                continue
            }
            if !(current.isEmpty && character == " ") { current.append(character) }
        }
        return parts + [current]
    }
}

extension Directory.RelationEntry {
    /// The parent of a partition, as its properties name it.
    var partitionOf: String? {
        if case .managed(let definition)? = lake?.entry { return definition.partitionOf }
        return nil
    }
}
