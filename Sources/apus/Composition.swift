// The one place that names concrete stores, formats, catalogs and runners.
import Coordinator
import Diagnostics
import Execution
import Formats
import Foundation
import Hive
import Iceberg
import Storage
import Versions

/// Builds the engine of a configuration.
enum Composition {
    static func engine(_ configuration: Configuration, users: Engine.UserRules = Engine.UserRules())
        async throws(SQLError)
        -> Engine
    {
        let folder = configuration["data_dir"]
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw SQLError(.ioError, "could not make the data folder \"\(folder)\": \(error.localizedDescription)")
        }
        let catalog = try await openCatalog(configuration["catalog"], folder)
        let footers = FooterCache()
        let stores = Stores(s3: objectStore(configuration))
        let format = HiveFormat(stores: stores, footers: footers)
        let managed = IcebergFormat(stores: stores, warehouse: warehouse(configuration), footers: footers)
        let threads = configuration["threads"].isEmpty ? nil : try configuration.number("threads", in: 1...1_024)
        let scheduler = Scheduler(threads: threads)
        let runner = LocalRunner(scheduler: scheduler, memoryMaxBytes: try configuration.queryMemoryBytes())
        return Engine(
            catalog: catalog, format: format, managed: managed, runners: [runner], users: users,
            database: configuration["database"])
    }

    private static func openCatalog(_ url: String, _ folder: String) async throws(SQLError) -> VersionedCatalog {
        if url.isEmpty { return try await VersionedCatalog(path: folder + "/catalog.sqlite") }
        guard url.hasPrefix("postgresql://") || url.hasPrefix("postgres://") else {
            throw SQLError(
                .invalidParameterValue, "catalog must be empty or a postgresql:// URL, not \"\(url)\"")
        }
        return try await VersionedCatalog(url: url)
    }

    /// Where new tables go: a path is made absolute, because the tables' metadata keeps it.
    private static func warehouse(_ configuration: Configuration) -> String {
        let named = configuration["warehouse"]
        if named.contains("://") { return named }
        return URL(fileURLWithPath: named.isEmpty ? configuration["data_dir"] + "/lake" : named).path
    }

    /// S3 from the environment and ~/.aws, with the configuration's own values first.
    private static func objectStore(_ configuration: Configuration) -> S3Configuration {
        var s3 = S3Configuration(environment: nil)
        if !configuration["s3_endpoint"].isEmpty {
            s3.endpoint = configuration["s3_endpoint"]
            s3.pathStyle = true
        }
        if !configuration["s3_path_style"].isEmpty { s3.pathStyle = configuration["s3_path_style"] == "on" }
        if !configuration["s3_region"].isEmpty { s3.region = configuration["s3_region"] }
        if !configuration["s3_access_key"].isEmpty {
            s3.accessKey = configuration["s3_access_key"]
            s3.secretKey = configuration["s3_secret_key"]
            s3.sessionToken = nil
        }
        return s3
    }
}
