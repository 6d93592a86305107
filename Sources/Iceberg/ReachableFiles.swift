// All files that a table's metadata leads to: what garbage collection must keep.

public import Catalogs
public import Diagnostics
import Storage

extension IcebergFormat {
    /// The paths of all files that a definition leads to: its metadata, and every file of the snapshots that the
    /// metadata keeps. Gives each manifest's files as they are read; a path may come more than once.
    public func files(
        reachableFrom definition: ManagedDefinition, _ body: (String) -> Void
    ) async throws(SQLError) {
        let metadata = try await metadata(of: definition)
        body(metadata.file)
        for key in ["statistics", "partition-statistics"] {
            for entry in metadata.raw[key]?.asArray ?? [] {
                if let path = entry["statistics-path"]?.asString { body(path) }
            }
        }
        var seen: Set<String> = []
        for snapshot in metadata.snapshots.values {
            if let list = snapshot.manifestList { body(list) }
            for manifest in try await manifests.manifests(snapshot, of: metadata, in: stores) {
                guard seen.insert(manifest.path).inserted else { continue }
                body(manifest.path)
                try await manifests.forEach(manifest, of: metadata, in: stores) { (entry) throws(Malformed) in
                    // What a snapshot deleted is an older snapshot's, if that is kept.
                    if entry.isLive { body(entry.file.path) }
                }
            }
        }
    }
}
