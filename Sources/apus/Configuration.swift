// One checked value from three places: defaults, then the configuration file, then the environment, then flags.
import Coordinator
import Diagnostics
import Foundation

/// What a process runs with.
struct Configuration {
    /// An option: `name` in the file, `APUS_NAME` in the environment, `--na-me` as a flag.
    struct Option {
        let name: String
        let standard: String
        let summary: String
        var environment: String { "APUS_" + name.uppercased() }
    }

    /// Sorted by name; `apus settings` prints it.
    static let options: [Option] = [
        Option(
            name: "api_shares_s3_keys", standard: "off",
            summary: "on: clients of the catalog over HTTP get the server's S3 keys."),
        Option(
            name: "api_tokens", standard: "",
            summary: "name:token, separated by commas: bearer tokens of the catalog over HTTP."),
        Option(
            name: "attach", standard: "",
            summary: "ATTACH statements, separated by semicolons: databases that every session sees."),
        Option(
            name: "cache_dir", standard: "",
            summary: "Folder of the disk cache for object storage; by default cache in data_dir."),
        Option(
            name: "cache_size", standard: "",
            summary:
                "Size of the disk cache for object storage, such as 50GB; 0 for none. By default 256MB for footers, "
                + "small files and metadata only."),
        Option(
            name: "catalog", standard: "",
            summary: "postgresql:// URL of a catalog that servers share; by default SQLite in data_dir."),
        Option(
            name: "catalog_warmup", standard: "on",
            summary: "on: names and columns of all tables are read once after the start."),
        Option(name: "data_dir", standard: "apus-data", summary: "Folder of the embedded catalog."),
        Option(name: "database", standard: "lake", summary: "Database name that clients connect to."),
        Option(
            name: "hba", standard: "",
            summary: "Rules as in pg_hba.conf, separated by semicolons; the first that fits decides who may connect."),
        Option(
            name: "hba_file", standard: "", summary: "File with rules as in pg_hba.conf, for when hba is empty."),
        Option(name: "host", standard: "127.0.0.1", summary: "Address to listen on."),
        Option(
            name: "http_port", standard: "8080",
            summary: "Port of /health, /metrics, Iceberg REST and Nessie; 0 for none."),
        Option(
            name: "listing_cache_seconds", standard: "0",
            summary: "How long listings of object storage are used again; others' new files may be seen so much later."),
        Option(name: "log_level", standard: "info", summary: "trace, debug, info, notice, warning, error or critical."),
        Option(name: "max_connections", standard: "1000", summary: "Sessions at one time; more are refused (53300)."),
        Option(
            name: "memory_limit", standard: "",
            summary: "Memory of one query's operators, such as 4GB; by default 60 % of the machine's or the cgroup's."),
        Option(name: "port", standard: "5432", summary: "Port of the PostgreSQL protocol."),
        Option(name: "s3_access_key", standard: "", summary: "Access key; AWS_ACCESS_KEY_ID and ~/.aws work as well."),
        Option(name: "s3_endpoint", standard: "", summary: "URL of the object store, when it is not Amazon's."),
        Option(name: "s3_path_style", standard: "", summary: "on: bucket in the path; the default with an endpoint."),
        Option(name: "s3_region", standard: "", summary: "Region that requests are signed for."),
        Option(name: "s3_secret_key", standard: "", summary: "Secret key; AWS_SECRET_ACCESS_KEY works as well."),
        Option(
            name: "superuser", standard: "apus",
            summary: "The user who may do everything, and who owns what no role owns."),
        Option(name: "threads", standard: "", summary: "Worker threads; by default one a core."),
        Option(
            name: "tls_ca", standard: "",
            summary: "PEM file with the authorities of client certificates; lets rules ask for them."),
        Option(
            name: "tls_cert", standard: "",
            summary: "PEM file with the certificate chain; switches TLS on. Read again when changed, and on SIGHUP."),
        Option(name: "tls_key", standard: "", summary: "PEM file with the private key."),
        Option(
            name: "trust_loopback", standard: "on", summary: "Whether connections from this machine need no password."),
        Option(
            name: "upkeep_hours", standard: "0",
            summary: "Hours between runs of VACUUM and COLLECT GARBAGE inside the server; 0 for never."),
        Option(
            name: "users", standard: "",
            summary: "name:password or name:SCRAM-SHA-256$... verifiers, separated by commas, for other connections."),
        Option(
            name: "warehouse", standard: "",
            summary: "Folder or s3:// prefix of new tables; by default lake in data_dir."),
    ]

    private var values: [String: String] = [:]

    /// Reads the file (nil: none), the environment and the flags given.
    init(
        file: String?, flags: [String: String],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(SQLError) {
        for option in Configuration.options { values[option.name] = option.standard }
        if let file { try read(file) }
        for option in Configuration.options {
            if let value = environment[option.environment] { values[option.name] = value }
        }
        for (name, value) in flags { values[name] = value }
    }

    subscript(name: String) -> String { values[name] ?? "" }

    /// A number option within a range.
    func number(_ name: String, in range: ClosedRange<Int>) throws(SQLError) -> Int {
        guard let value = Int(self[name]), range.contains(value) else {
            throw SQLError(
                .invalidParameterValue,
                "\(name) must be a number from \(range.lowerBound) to \(range.upperBound), not \"\(self[name])\"")
        }
        return value
    }

    /// Lines of `name = value`; # begins a comment.
    private mutating func read(_ path: String) throws(SQLError) {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw SQLError(.undefinedFile, "could not read the configuration file \"\(path)\"")
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
            let parts = trimmed.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2, values[parts[0]] != nil else {
                throw SQLError(
                    .invalidParameterValue,
                    "line \(index + 1) of \"\(path)\" is not a setting: \"\(parts.first ?? "")\"",
                    hint: "\"apus settings\" lists the names.")
            }
            values[parts[0]] = parts[1].trimmingCharacters(in: CharacterSet(charactersIn: "\"'"))
        }
    }

    // MARK: - The machine

    /// Bytes that one query may hold.
    func queryMemoryBytes() throws(SQLError) -> Int64 {
        let text = self["memory_limit"]
        guard text.isEmpty else {
            guard let bytes = Settings.bytes(text) else {
                throw SQLError(.invalidParameterValue, "memory_limit is not a size: \"\(text)\"")
            }
            return bytes
        }
        return Configuration.memoryBytes() * 6 / 10
    }

    /// Memory of the cgroup, or else of the machine.
    private static func memoryBytes() -> Int64 {
        let machine = Int64(clamping: ProcessInfo.processInfo.physicalMemory)
        for path in ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] {
            if let text = try? String(contentsOfFile: path, encoding: .utf8),
                let limit = Int64(text.trimmingCharacters(in: .whitespacesAndNewlines))
            {
                return min(limit, machine)
            }
        }
        return machine
    }
}
