// Folders of Parquet as tables: external tables, schemas whose sub-folders are tables, and read_parquet.

public import Catalogs
public import Columns
public import Diagnostics
public import Formats
public import Storage

/// Opens Hive layouts (key=value folders), plain folders and single files of Parquet.
public final class HiveFormat: TableFormat {
    let stores: any ObjectStore
    let footers: FooterCache
    let facts = FactsCache()
    let layouts = LayoutCache()

    /// Footers read at one time.
    static let footersAtOnce = 32
    /// Footers read to plan one scan or open one table, where a request takes long and where it does not.
    static let remoteFootersMax = 64
    static let localFootersMax = 1024

    private let listings: ListingCache?

    /// `listings`: those that `stores` keeps.
    public init(
        stores: any ObjectStore, footers: FooterCache = FooterCache(), listings: ListingCache? = nil
    ) {
        self.listings = listings
        self.stores = stores
        self.footers = footers
    }

    public var wrongListings: Int { listings?.wrong ?? 0 }

    /// Does something that lists and reads, and once more where a remembered listing was wrong.
    private func again<T>(_ body: () async throws(SQLError) -> T) async throws(SQLError) -> T {
        let before = wrongListings
        do throws(SQLError) { return try await body() } catch {
            guard wrongListings != before, error.state != .queryCanceled else { throw error }
            return try await body()
        }
    }

    public func open(_ definition: ExternalDefinition, named name: TableName) async throws(SQLError) -> any Table {
        try await again { () async throws(SQLError) in try await table(definition, named: name) }
    }

    private func table(_ definition: ExternalDefinition, named name: TableName) async throws(SQLError) -> any Table {
        if let kind = TextOptions.Kind(rawValue: definition.format.lowercased()) {
            var opening = TextOpening(
                self, [definition.location], try TextOptions(kind, definition.options.mapValues { .text($0) }))
            opening.declared = definition.columns
            opening.declaredKeys = definition.partitionColumns
            return try await opening.open(name.name)
        }
        guard definition.format.lowercased() == "parquet" else {
            throw SQLError(.featureNotSupported, "table format \"\(definition.format)\" is not supported")
        }
        return try await opening(of: definition, named: name.name).open()
    }

    private func opening(
        of definition: ExternalDefinition, named name: String
    ) async throws(SQLError) -> TableOpening {
        let options = try ReadOptions(texts: definition.options)
        let metrics = StoreMetrics()
        let found = try await place(of: definition, metrics)
        let keys = definition.partitionColumns.map { HiveFormat.readable($0) }
        let projection = try Projection(definition.options, keys: keys, location: definition.location)
        return TableOpening(
            format: self, name: name, found: [found], options: options,
            declared: definition.columns.map { HiveFormat.readable($0) },
            declaredKeys: keys, isFunction: false, metrics: metrics, location: definition.location,
            rowsEstimated: definition.rowsEstimated, projection: projection)
    }

    /// Keys are in folders, so a location with declared keys is one: nobody needs to be asked.
    private func place(
        of definition: ExternalDefinition, _ metrics: StoreMetrics
    ) async throws(SQLError) -> FilePlace.Found {
        let glob = try Glob(definition.location)
        if !definition.partitionColumns.isEmpty, !glob.hasWildcards,
            !PartitionPath.isNamedAsFile(glob.literalPrefix.name)
        {
            return FilePlace.Found(place: try .folder(glob.literalPrefix))
        }
        return try await FilePlace.find(definition.location, in: stores, metrics)
    }

    /// Adds the keys that opening a table over key=value folders found, and the columns of all its files, so that later
    /// queries need not look for them. Files whose types do not go together are an error here.
    ///
    /// Flat folders and files are looked into anyway, for exact statistics.
    public func completed(
        _ definition: ExternalDefinition, as table: any Table
    ) async throws(SQLError) -> ExternalDefinition {
        if let table = table as? TextTable, definition.columns.isEmpty { return table.completed(definition) }
        guard let table = table as? HiveTable, definition.columns.isEmpty || definition.partitionColumns.isEmpty else {
            return definition
        }
        var completed = definition
        var keys: [Field] = []
        var columns: [Field] = []
        for column in table.columns.columns {
            switch column.origin {
            case .key: keys.append(column.field)
            case .file: columns.append(column.field)
            case .filename, .rowNumber, .sizeBytes, .modified: continue
            }
        }
        if definition.columns.isEmpty, try ReadOptions(texts: definition.options).unionByName != false {
            (keys, columns) = try await opening(of: definition, named: table.name).united(keys)
            columns.removeAll { keys.position(of: $0.name) != nil }
        }
        guard !keys.isEmpty else { return definition }
        if definition.partitionColumns.isEmpty { completed.partitionColumns = keys }
        if definition.columns.isEmpty { completed.columns = columns }
        completed.rowsEstimated = table.statistics.rows
        return completed
    }

    public func read(
        _ function: String, _ paths: [String], options: [String: Scalar]
    ) async throws(SQLError) -> any Table {
        try await again { () async throws(SQLError) in try await table(function, paths, options) }
    }

    private func table(
        _ function: String, _ paths: [String], _ options: [String: Scalar]
    ) async throws(SQLError) -> any Table {
        guard !paths.isEmpty else { throw SQLError(.invalidParameterValue, "\(function) requires at least one path") }
        var options = options
        switch function {
        case "read_parquet": return try await readParquet(paths, options: options)
        case "read_csv": return try await TextOpening(self, paths, try TextOptions(.csv, options)).open(function)
        case "read_ndjson", "read_json":
            if function == "read_ndjson" { options["format"] = options["format"] ?? .text("newline_delimited") }
            return try await TextOpening(self, paths, try TextOptions(.json, options)).open(function)
        default: throw SQLError(.featureNotSupported, "function \(function) is not supported")
        }
    }

    public func readParquet(_ paths: [String], options: [String: Scalar]) async throws(SQLError) -> any Table {
        let options = try ReadOptions(options)
        guard !paths.isEmpty else { throw SQLError(.invalidParameterValue, "read_parquet requires at least one path") }
        let metrics = StoreMetrics()
        let found = try await inParallel(paths, atOnce: HiveFormat.footersAtOnce) {
            [stores] (path) throws(SQLError) -> FilePlace.Found in
            try await FilePlace.find(path, in: stores, metrics)
        }
        let opening = TableOpening(
            format: self, name: "read_parquet", found: found, options: options, declared: [], declaredKeys: [],
            isFunction: true, metrics: metrics, location: paths.joined(separator: ", "))
        return try await opening.open()
    }

    public func tables(under location: String) async throws(SQLError) -> [String] {
        let root = try HiveFormat.folder(location)
        let names = try await stores.listChildren(root).folders.map(\.name)
        return names.filter { HiveFormat.isTableName($0) }
    }

    public func definition(of table: String, under location: String) async throws(SQLError) -> ExternalDefinition? {
        guard HiveFormat.isTableName(table) else { return nil }
        let folder = try HiveFormat.folder(location).appending(table)
        let definition = ExternalDefinition(format: "parquet", location: Glob.escaped(folder.text) + "/")
        if layouts.layouts(LayoutCache.Key(location: definition.location, isFunction: false)) != nil {
            return definition
        }
        let children = try await stores.listChildren(folder)
        return children.folders.isEmpty && children.objects.isEmpty ? nil : definition
    }

    /// The folder of a schema. Its name is no pattern.
    private static func folder(_ location: String) throws(SQLError) -> ObjectPath {
        var text = location
        while text.count > 1, text.hasSuffix("/"), !text.hasSuffix("://") { text.removeLast() }
        return try ObjectPath(text)
    }

    private static func isTableName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.contains("/") && !PartitionPath.isHiddenFolder(name)
            && PartitionPair(folder: name) == nil
    }

    /// A declared column as it is read. Lengths of strings and NOT NULL bind writers; nobody enforces them here.
    private static func readable(_ field: Field) -> Field {
        switch field.type {
        case .varchar, .char: Field(field.name, .text)
        default: Field(field.name, field.type)
        }
    }
}

extension Glob {
    /// A pattern that matches only this text.
    static func escaped(_ text: String) -> String {
        guard isPattern(text) else { return text }
        var result = ""
        for character in text {
            if "*?[\\".contains(character) { result.append("\\") }
            result.append(character)
        }
        return result
    }
}
