// Temporary tables: managed tables that one session keeps for itself, under the schema pg_temp. No commit holds them.
import Catalogs
import Diagnostics

/// A temporary table, and the writes whose files are removed with it.
struct TemporaryTable: Sendable {
    var entry: Entry
    var writes: [any TableWrite]
}

extension TableName {
    /// The schema of temporary tables.
    static let temporarySchema = "pg_temp"

    /// Whether this names a temporary table.
    var isTemporary: Bool { schema == TableName.temporarySchema }
}

extension Session {
    /// Takes over what a transaction that ends well did to temporary tables; returns the writes that are gone.
    func settleTemporaries(_ open: Transaction) -> [any TableWrite] {
        var gone: [any TableWrite] = []
        for (name, change) in open.changes.tables where name.isTemporary {
            let old = temporaries[name.name]
            var writes: [any TableWrite] = []
            for case .write(let write) in change.steps { writes.append(write) }
            guard let entry = change.entry else {
                gone += old?.writes ?? []
                temporaries[name.name] = nil
                continue
            }
            if change.origin == name {
                writes = (old?.writes ?? []) + writes
            } else if let origin = change.origin, let moved = temporaries[origin.name] {
                writes = moved.writes + writes
            } else {
                gone += old?.writes ?? []
            }
            temporaries[name.name] = TemporaryTable(entry: entry, writes: writes)
        }
        for name in droppedOnCommit {
            gone += temporaries.removeValue(forKey: name)?.writes ?? []
            for (key, table) in temporaries {
                guard case .object(.sequence(let sequence)) = table.entry, sequence.ownerTable == name else { continue }
                temporaries[key] = nil
            }
        }
        droppedOnCommit = []
        return gone
    }

    /// DISCARD TEMP, and the end of the session.
    func dropTemporaries() async {
        let all = temporaries.values.flatMap(\.writes)
        temporaries = [:]
        for write in all { await write.abandon() }
    }
}
