// What two commits do not have in common.
public import Catalogs
public import Diagnostics
import Foundation

extension VersionedCatalog {
    public func mergeBase(_ a: CommitID, _ b: CommitID) async throws(SQLError) -> CommitID? {
        try await history.mergeBase(try ObjectID(a), try ObjectID(b)).map { CommitID(hex: $0.hex) }
    }

    public func differences(from old: CommitID, to new: CommitID) async throws(SQLError) -> [Difference] {
        let before = try await objects.commit(try ObjectID(old)).schemas
        let after = try await objects.commit(try ObjectID(new)).schemas
        var result: [Difference] = []
        for (schema, change) in try await tree.difference(before, after).sorted(by: { $0.key < $1.key }) {
            let left = try change.before.map { (bytes) throws(SQLError) in
                try ObjectCoding.decode(SchemaObject.self, bytes, before)
            }
            let right = try change.after.map { (bytes) throws(SQLError) in
                try ObjectCoding.decode(SchemaObject.self, bytes, after)
            }
            let leftDefinition = left?.definition(schema)
            let rightDefinition = right?.definition(schema)
            if leftDefinition != rightDefinition {
                result.append(.schema(schema, before: leftDefinition, after: rightDefinition))
            }
            let entries = try await tree.difference(left?.entries, right?.entries)
            for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
                result.append(
                    .entry(
                        TableName(schema: schema, name: name),
                        before: try VersionedCatalog.entry(entry.before, left),
                        after: try VersionedCatalog.entry(entry.after, right)))
            }
        }
        return result
    }

    private static func entry(_ bytes: Data?, _ schema: SchemaObject?) throws(SQLError) -> Entry? {
        guard let bytes, let schema else { return nil }
        return try ObjectCoding.decode(Entry.self, bytes, schema.entries)
    }
}
