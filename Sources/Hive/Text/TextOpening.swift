// Opening CSV and JSON files as a table: which files, which keys, and what columns the first of them shows.

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Storage

/// One opening.
struct TextOpening: Sendable {
    let format: HiveFormat
    let paths: [String]
    let options: TextOptions
    var declared: [Field] = []
    var declaredKeys: [Field] = []

    init(_ format: HiveFormat, _ paths: [String], _ options: TextOptions) {
        self.format = format
        self.paths = paths
        self.options = options
    }

    /// Files whose columns are united with union_by_name.
    private static let unionMax = 10_000

    func open(_ name: String) async throws(SQLError) -> TextTable {
        let isFunction = name == options.kind.function || name == "read_ndjson"
        let metrics = StoreMetrics()
        let stores = format.stores
        let places = try await inParallel(paths, atOnce: HiveFormat.footersAtOnce) {
            (path) throws(SQLError) -> FilePlace in
            let found = try await FilePlace.find(path, in: stores, metrics).place
            // A folder's files have any ending.
            guard case .tree(let glob, true) = found else { return found }
            let text = Glob.escaped(glob.literalPrefix.text)
            return .tree(try Glob((text.hasSuffix("/") ? text : text + "/") + "**/*"), isFolder: false)
        }
        let wrongBefore = format.wrongListings
        let plain = FileListing(
            store: stores, reader: KeyReader(keys: [], isWholePath: isFunction), domains: [:], metrics: metrics)
        var files = try await plain.files(of: places).files
        guard let first = files.first else {
            throw SQLError(.undefinedFile, "no files match \"\(paths.joined(separator: ", "))\"")
        }
        let root = isFunction ? nil : places.first?.root
        let keys = try keys(files, root)
        let reader = KeyReader(keys: keys, isWholePath: isFunction)
        let keyed: @Sendable ([ListedFile]) throws(SQLError) -> [ListedFile] = { files throws(SQLError) in
            var files = files
            for index in files.indices {
                let values = try reader.values(of: files[index].info.path.parent, in: places[0])
                files[index] = ListedFile(info: files[index].info, keyValues: values)
            }
            return files
        }
        files = try keyed(files)
        let looked = options.files.unionByName == true ? Array(files.prefix(TextOpening.unionMax)) : [first]
        let sniffer = TextSniffer(options: options, declared: declared, stores: stores)
        let found = try await inParallel(looked, atOnce: TextOpening.sniffsAtOnce) {
            (file) throws(SQLError) -> TextShape in
            try await sniffer.shape(of: file.info)
        }
        let shape = try TextShape.united(found)
        let data = shape.fields.filter { declared.isEmpty || declaredKeys.position(of: $0.name) == nil }
        var columns = try TableColumns(data: data, keys: keys, options: options.files, sample: nil, mayLack: true)
        columns.sample = looked.count == 1 ? first.info.path : nil
        return TextTable(
            format: format, name: name, files: files, columns: columns, options: options, shape: shape,
            isDeclared: !declared.isEmpty, opening: metrics.counters, wrongBefore: wrongBefore
        ) { () async throws(SQLError) in
            try keyed(try await plain.files(of: places).files)
        }
    }

    /// Each looks at a few megabytes.
    private static let sniffsAtOnce = 4

    /// The keys that all paths have, with types that hold all their values.
    private func keys(_ files: [ListedFile], _ root: ObjectPath?) throws(SQLError) -> [Field] {
        if options.files.hivePartitioning == false { return [] }
        if !declaredKeys.isEmpty, !declaredKeys.contains(where: { $0.type == .unknown }) { return declaredKeys }
        var values: [String: Set<String?>] = [:]
        var names: [String] = []
        var known: ObjectPath?
        for (index, file) in files.enumerated() where file.info.path.parent != known {
            known = file.info.path.parent
            let pairs = KeyReader.pairs(of: file.info.path.parent, below: root)
            if index == 0 { names = pairs.map(\.key) }
            guard Set(pairs.map(\.key)) == Set(names) else {
                guard options.files.hivePartitioning == true || !declaredKeys.isEmpty else { return [] }
                throw SQLError(
                    .invalidParameterValue,
                    "\"\(files[0].info.path)\" and \"\(file.info.path)\" do not have the same partition keys",
                    hint: "Read with hive_partitioning => false, or read these files apart.")
            }
            for pair in pairs { values[pair.key, default: []].insert(pair.value) }
        }
        return names.map { name in
            if let place = options.files.hiveTypes.position(of: name) {
                return Field(name, options.files.hiveTypes[place].type)
            }
            if let place = declaredKeys.position(of: name), declaredKeys[place].type != .unknown {
                return declaredKeys[place]
            }
            return Field(name, options.files.isTypeInferred ? PartitionPath.type(of: values[name] ?? []) : .text)
        }
    }
}

/// What the columns of files are.
struct TextShape: Sendable {
    var fields: [Field]
    var dialect = CSVDialect()
    var hasHeader = false
    /// Whether values are found by the names of the header, else by their place.
    var isByName = false
    /// JSON: whether members of objects are the columns; else there is one column.
    var hasRecords = true
    /// JSON: keys whose column has another name.
    var keys: [String: String] = [:]

    /// The columns of all files, by name.
    static func united(_ shapes: [TextShape]) throws(SQLError) -> TextShape {
        var result = shapes[0]
        for shape in shapes.dropFirst() {
            result.keys.merge(shape.keys) { old, _ in old }
            for field in shape.fields {
                guard let place = result.fields.position(of: field.name) else {
                    result.fields.append(field)
                    continue
                }
                let known = result.fields[place].type
                // What no value was seen of takes any type; what does not go together stays as it is written.
                let isOpen = known == .json || known == field.type
                result.fields[place].type =
                    ColumnUnion.wider(known, field.type) ?? (isOpen ? field.type : shape.hasRecords ? .json : .text)
            }
        }
        return result
    }
}
