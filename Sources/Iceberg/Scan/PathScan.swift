// iceberg_scan: a table of which no catalog knows, by the path of its metadata or its folder.

public import Catalogs
public import Columns
public import Diagnostics

extension IcebergFormat {
    /// Opens a table by a path. Options are DuckDB's `snapshot_from_id` and `snapshot_from_timestamp`, and `ref`.
    public func open(path: String, options: [String: Scalar]) async throws(SQLError) -> any Table {
        var version: Version?
        for (name, value) in options.sorted(by: { $0.key < $1.key }) {
            let chosen: Version
            switch (name, value.value) {
            case ("snapshot_from_id", .int(let id)): chosen = .snapshot(id)
            case ("snapshot_from_timestamp", .string(let text)):
                let microseconds = try IcebergFormat.instant(text)
                chosen = .time(microseconds >= 0 ? microseconds / 1_000 : (microseconds - 999) / 1_000)
            case ("ref", .string(let ref)), ("version", .string(let ref)): chosen = .ref(ref)
            case ("allow_moved_paths", .bool(false)): continue
            default:
                throw SQLError(
                    .invalidParameterValue, "option \"\(name)\" of iceberg_scan is not known, or has another type",
                    hint: "Options are: ref => text, snapshot_from_id => bigint, snapshot_from_timestamp => text.")
            }
            guard version == nil else {
                throw SQLError(.invalidParameterValue, "iceberg_scan reads one version of a table")
            }
            version = chosen
        }
        return try await open(metadataLocation: path, at: version ?? .current, named: "iceberg_scan")
    }

    private static func instant(_ text: String) throws(SQLError) -> Int64 {
        let parsed = Array(text.utf8).withUnsafeBytes { bytes -> Result<Int64, SQLError> in
            do throws(SQLError) { return .success(try TextParse.timestamptz(bytes)) } catch { return .failure(error) }
        }
        return try parsed.get()
    }
}
