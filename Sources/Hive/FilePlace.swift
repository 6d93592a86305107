// Where the files of a table are: one file, or all that match below a folder; and what their paths say.

import Columns
import Diagnostics
import Storage

/// One location of a table.
enum FilePlace: Sendable {
    /// Exactly this file.
    case file(ObjectPath)
    /// All data files below a folder (`isFolder`), or those that match a pattern.
    case tree(Glob, isFolder: Bool)

    /// All data files below a folder.
    static func folder(_ path: ObjectPath) throws(SQLError) -> FilePlace {
        let text = Glob.escaped(path.text)
        return .tree(try Glob(text.hasSuffix("/") ? text : text + "/"), isFolder: true)
    }

    /// The folder that holds everything.
    var root: ObjectPath {
        switch self {
        case .file(let path): path.parent
        case .tree(let glob, _): glob.literalPrefix
        }
    }

    /// What is directly in a folder.
    typealias Children = (folders: [ObjectPath], objects: [ObjectInfo])

    /// A place, with what finding it told about it.
    struct Found: Sendable {
        let place: FilePlace
        var children: Children?
        var info: ObjectInfo?
    }

    /// What a location stands for; asks the store whether a name without wildcards is a file or a folder.
    static func find(
        _ text: String, in store: any ObjectStore, _ metrics: StoreMetrics
    ) async throws(SQLError) -> Found {
        let glob = try Glob(text)
        if glob.hasWildcards { return Found(place: .tree(glob, isFolder: text.hasSuffix("/"))) }
        let path = glob.literalPrefix
        if text.hasSuffix("/") || (path.scheme == .s3 && path.key.isEmpty) { return Found(place: try folder(path)) }
        if !PartitionPath.isNamedAsFile(path.name) {
            let children = try await store.listChildren(path, metrics: metrics)
            if !children.folders.isEmpty || !children.objects.isEmpty {
                return Found(place: try folder(path), children: children)
            }
        }
        do throws(SQLError) {
            let info = try await store.head(path, metrics: metrics)
            return Found(place: .file(info.path), info: info)
        } catch {
            // A folder is no object, and says so.
            guard error.state == .undefinedFile else { throw error }
            return Found(place: try folder(path))
        }
    }

    /// Whether an object below the root belongs to the table.
    func holds(_ object: ObjectInfo) -> Bool {
        guard case .tree(let glob, let isFolder) = self else { return true }
        guard object.sizeBytes > 0, !PartitionPath.isHiddenFile(object.path.name),
            !isFolder || PartitionPath.isDataFile(object.path.name), glob.matches(object.path),
            let rest = object.path.relative(to: glob.literalPrefix)
        else { return false }
        return !rest.split(separator: "/").dropLast().contains { PartitionPath.isHiddenFolder($0) }
    }

    /// The objects of a listing that belong to the table. What a folder's name tells is asked once for its files.
    func holding(_ objects: [ObjectInfo]) -> [ObjectInfo] {
        guard case .tree(let glob, isFolder: true) = self, !glob.hasWildcards else {
            return objects.filter { holds($0) }
        }
        var test: FolderTest?
        var isShown = false
        return objects.filter { object in
            guard object.sizeBytes > 0 else { return false }
            if test?.holds(object.path) != true {
                let folder = object.path.parent
                test = FolderTest(folder)
                if folder == glob.literalPrefix {
                    isShown = true
                } else if let rest = folder.relative(to: glob.literalPrefix) {
                    isShown = !rest.split(separator: "/").contains { PartitionPath.isHiddenFolder($0) }
                } else {
                    isShown = false
                }
            }
            guard isShown else { return false }
            let name = object.path.name
            return !PartitionPath.isHiddenFile(name) && PartitionPath.isDataFile(name)
        }
    }

    /// Whether files of the table can be below a child folder.
    func leads(to folder: ObjectPath) -> Bool {
        guard case .tree(let glob, _) = self else { return false }
        return !PartitionPath.isHiddenFolder(folder.name) && glob.matchesFolderPrefix(folder)
    }
}

/// Reads partition values from paths.
struct KeyReader: Sendable {
    /// The partition keys with their types.
    let keys: [Field]
    /// Names of keys whose type was taken from the values of one branch: others must fit it as well.
    var inferred: Set<String> = []
    /// Whether folders above the location count too, as they do for read_parquet.
    let isWholePath: Bool

    /// The pairs in a folder's path.
    func pairs(of folder: ObjectPath, in place: FilePlace) -> [PartitionPair] {
        KeyReader.pairs(of: folder, below: isWholePath ? nil : place.root)
    }

    static func pairs(of folder: ObjectPath, below root: ObjectPath?) -> [PartitionPair] {
        if folder == root { return [] }
        let path = root.flatMap { folder.relative(to: $0) } ?? folder.key[...]
        return path.split(separator: "/").compactMap { PartitionPair(folder: $0) }
    }

    /// The value of a pair as its key's type.
    func value(_ pair: PartitionPair, of key: Int, in path: ObjectPath) throws(SQLError) -> Scalar {
        let field = keys[key]
        if inferred.contains(field.name), let text = pair.value, PartitionPath.type(of: [text]) != field.type,
            field.type != .text
        {
            throw PartitionPath.mistyped(text, field, path, .invalidTextRepresentation)
        }
        return try PartitionPath.scalar(pair.value, of: field, in: path)
    }

    /// One value for each key, from the path of a file's folder.
    func values(of folder: ObjectPath, in place: FilePlace) throws(SQLError) -> [Scalar] {
        if keys.isEmpty { return [] }
        var values: [Scalar?] = Array(repeating: nil, count: keys.count)
        for pair in pairs(of: folder, in: place) {
            guard let key = keys.position(of: pair.key) else { continue }
            values[key] = try value(pair, of: key, in: folder)
        }
        var result: [Scalar] = []
        for (key, value) in zip(keys, values) {
            guard let value else {
                throw SQLError(
                    SQLState("42P17"), "files in \"\(folder)\" have no value for the partition key \"\(key.name)\"",
                    detail: "Other files of the table are below folders named \"\(key.name)=...\".",
                    hint: "Give a location that holds only such folders, or read with hive_partitioning => false.")
            }
            result.append(value)
        }
        return result
    }
}
