// The one place that names concrete stores, formats, catalogs and runners.
import CatalogREST
import Catalogs
import Coordinator
import Diagnostics
import Execution
import Formats
import Foundation
import Hive
import Iceberg
import PostgresDatabase
import Storage
import Versions

/// Builds the engine of a configuration.
enum Composition {
    /// The engine, and the tables that other engines reach through the catalog's HTTP interface.
    struct Lake {
        var engine: Engine
        var tables: IcebergFormat
    }

    static func engine(_ configuration: Configuration) async throws(SQLError) -> Engine {
        try await lake(configuration).engine
    }

    static func lake(
        _ configuration: Configuration, users: Engine.UserRules = Engine.UserRules()
    ) async throws(SQLError) -> Lake {
        let folder = configuration["data_dir"]
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw SQLError(.ioError, "could not make the data folder \"\(folder)\": \(error.localizedDescription)")
        }
        let catalog = try await openCatalog(configuration["catalog"], folder)
        let footers = FooterCache()
        let seconds = try configuration.number("listing_cache_seconds", in: 0...86_400)
        let listings = seconds > 0 ? ListingCache(lifetime: .seconds(seconds)) : nil
        let stores = Stores(s3: objectStore(configuration), cache: try diskCache(configuration), listings: listings)
        let format = HiveFormat(stores: stores, footers: footers, listings: listings)
        let managed = IcebergFormat(stores: stores, warehouse: warehouse(configuration), footers: footers)
        let threads = configuration["threads"].isEmpty ? nil : try configuration.number("threads", in: 1...1_024)
        let scheduler = Scheduler(threads: threads)
        let runner = LocalRunner(scheduler: scheduler, memoryMaxBytes: try configuration.queryMemoryBytes())
        let kinds: [any DatabaseKind] = [RemoteCatalogKind(format: managed), PostgresDatabaseKind()]
        let engine = Engine(
            catalog: catalog, format: format, managed: managed, runners: [runner], users: users, kinds: kinds,
            attached: try await Engine.attaching(configuration["attach"], kinds: kinds),
            database: configuration["database"])
        return Lake(engine: engine, tables: managed)
    }

    /// The catalog over HTTP.
    static func catalogAPI(_ lake: Lake, _ configuration: Configuration) throws(SQLError) -> CatalogAPI {
        var options = CatalogAPI.Options(
            trustsLoopback: configuration["trust_loopback"] != "off" && configuration["hba"].isEmpty
                && configuration["hba_file"].isEmpty)
        for entry in configuration["api_tokens"].split(separator: ",") {
            let parts = entry.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2, !parts[1].isEmpty else {
                throw SQLError(.invalidParameterValue, "an entry of api_tokens is not of the form name:token")
            }
            options.users[parts[1]] = parts[0]
        }
        let s3 = objectStore(configuration)
        if let endpoint = s3.endpoint { options.storage["s3.endpoint"] = endpoint }
        if s3.pathStyle { options.storage["s3.path-style-access"] = "true" }
        if warehouse(configuration).hasPrefix("s3://") {
            options.storage["s3.region"] = s3.region
            options.storage["client.region"] = s3.region
        }
        if configuration["api_shares_s3_keys"] == "on", !s3.accessKey.isEmpty {
            options.storage["s3.access-key-id"] = s3.accessKey
            options.storage["s3.secret-access-key"] = s3.secretKey
        }
        return CatalogAPI(engine: lake.engine, tables: lake.tables, options: options)
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

    /// What the disk cache takes where nobody says how much: footers, small files and metadata only.
    private static let metadataCacheBytes: Int64 = 256 << 20

    /// The disk cache; nil when it is switched off.
    private static func diskCache(_ configuration: Configuration) throws(SQLError) -> DiskCache? {
        let text = configuration["cache_size"]
        if text == "0" { return nil }
        let given = configuration["cache_dir"]
        let folder = given.isEmpty ? configuration["data_dir"] + "/cache" : given
        // Nobody asked for this one: a folder that cannot be written is no reason not to start.
        if text.isEmpty { return try? DiskCache(folder: folder, bytesMax: metadataCacheBytes, keepsData: false) }
        guard let bytes = Settings.bytes(text) else {
            throw SQLError(.invalidParameterValue, "cache_size is not a size: \"\(text)\"")
        }
        return try DiskCache(folder: folder, bytesMax: bytes)
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
            s3.credentials = .given
            s3.anonymous = false
        }
        return s3
    }
}
