// Lists the files of a table. Folders of partition keys that a query constrains are looked at level by level, so that
// prefixes that cannot match are never listed; below the last such key one recursive listing takes all.

import Columns
import Diagnostics
import Storage

/// A file of a table, with the values that its path gives.
struct ListedFile: Sendable {
    let info: ObjectInfo
    /// By partition key.
    let keyValues: [Scalar]
}

/// One listing of a table's files.
struct FileListing: Sendable {
    let store: any ObjectStore
    let reader: KeyReader
    /// What must hold, by partition key.
    let domains: [Int: ColumnDomain]
    let metrics: StoreMetrics

    /// Folders listed at one time.
    private static let foldersAtOnce = 32
    /// Folders nested deeper than this are an error.
    private static let depthMax = 128
    /// Files of one table in one query.
    static let filesMax = 4_000_000

    /// What a listing found and left out.
    struct Found: Sendable {
        var files: [ListedFile] = []
        /// Files and folders that the partition keys rule out.
        var pruned = 0
    }

    private struct Step: Sendable {
        let folder: ObjectPath
        /// Constrained keys that are still to come.
        let waiting: Set<Int>
        let depth: Int
    }

    private struct Look: Sendable {
        var objects: [ObjectInfo] = []
        var steps: [Step] = []
        var pruned = 0
    }

    /// The files of all places, in the order given, those of each sorted by path.
    func files(of places: [FilePlace]) async throws(SQLError) -> Found {
        let looks = try await inParallel(places, atOnce: FileListing.foldersAtOnce) {
            (place) throws(SQLError) -> Look in
            switch place {
            case .file(let path): Look(objects: [try await store.head(path, metrics: metrics)])
            case .tree: try await walk(place)
            }
        }
        var found = Found()
        for (place, look) in zip(places, looks) {
            found.pruned += look.pruned
            try add(look.objects, place, to: &found)
            guard found.files.count <= FileListing.filesMax else {
                throw SQLError(.programLimitExceeded, "\"\(place.root)\" has more than \(FileListing.filesMax) files")
            }
        }
        return found
    }

    /// The data files of projected partitions.
    func files(of partitions: [(folder: ObjectPath, values: [Scalar])]) async throws(SQLError) -> Found {
        let lists = try await inParallel(Array(partitions.indices), atOnce: FileListing.foldersAtOnce) {
            (index) throws(SQLError) -> [ObjectInfo] in
            let folder = partitions[index].folder
            let place = try FilePlace.folder(folder)
            return place.holding(try await store.list(folder, metrics: metrics))
        }
        var found = Found()
        for (partition, objects) in zip(partitions, lists) {
            for object in objects { found.files.append(ListedFile(info: object, keyValues: partition.values)) }
            guard found.files.count <= FileListing.filesMax else {
                throw SQLError(.programLimitExceeded, "the table has more than \(FileListing.filesMax) files")
            }
        }
        return found
    }

    /// Reads the keys of files, folder by folder, and drops what they rule out.
    private func add(_ objects: [ObjectInfo], _ place: FilePlace, to found: inout Found) throws(SQLError) {
        var folder: FolderTest?
        var values: [Scalar] = []
        var matches = true
        found.files.reserveCapacity(found.files.count + objects.count)
        for object in objects {
            if folder?.holds(object.path) != true {
                let parent = object.path.parent
                values = try reader.values(of: parent, in: place)
                matches = domains.allSatisfy { $1.mayMatch(values[$0]) }
                folder = FolderTest(parent)
            }
            if matches {
                found.files.append(ListedFile(info: object, keyValues: values))
            } else {
                found.pruned += 1
            }
        }
    }

    private func walk(_ place: FilePlace) async throws(SQLError) -> Look {
        // Keys above the root are decided already; `add` drops the files if they do not match.
        var waiting = Set(domains.keys)
        if reader.isWholePath {
            for pair in reader.pairs(of: place.root, in: place) {
                guard let key = reader.keys.position(of: pair.key), let domain = domains[key] else { continue }
                waiting.remove(key)
                if !domain.mayMatch(try reader.value(pair, of: key, in: place.root)) {
                    return Look(pruned: 1)
                }
            }
        }
        guard case .tree(let glob, _) = place, !waiting.isEmpty else {
            return Look(objects: try await all(place, place.root))
        }
        let first = Step(folder: glob.literalPrefix, waiting: waiting, depth: 0)
        let outcome = await withTaskGroup(of: Result<Look, SQLError>.self) { group -> Result<Look, SQLError> in
            var total = Look()
            var steps = [first]
            var running = 0
            while true {
                while running < FileListing.foldersAtOnce, let step = steps.popLast() {
                    running += 1
                    group.addTask { await look(step, place) }
                }
                guard let result = await group.next() else { return .success(total) }
                running -= 1
                switch result {
                case .success(let look):
                    total.objects += look.objects
                    total.pruned += look.pruned
                    steps += look.steps
                case .failure(let error):
                    group.cancelAll()
                    return .failure(error)
                }
            }
        }
        var total = try outcome.get()
        total.objects.sort { $0.path.precedes($1.path) }
        return total
    }

    /// Looks into one folder.
    private func look(_ step: Step, _ place: FilePlace) async -> Result<Look, SQLError> {
        do throws(SQLError) {
            var found = Look()
            if step.waiting.isEmpty {
                found.objects = try await all(place, step.folder)
                return .success(found)
            }
            guard step.depth < FileListing.depthMax else {
                throw SQLError(.programLimitExceeded, "folders below \"\(place.root)\" are nested too deeply")
            }
            let children = try await store.listChildren(step.folder, metrics: metrics)
            found.objects = place.holding(children.objects)
            for folder in children.folders where place.leads(to: folder) {
                var waiting = step.waiting
                if let pair = PartitionPair(folder: folder.name), let key = reader.keys.position(of: pair.key),
                    let domain = domains[key], waiting.contains(key)
                {
                    guard domain.mayMatch(try reader.value(pair, of: key, in: folder)) else {
                        found.pruned += 1
                        continue
                    }
                    waiting.remove(key)
                }
                found.steps.append(Step(folder: folder, waiting: waiting, depth: step.depth + 1))
            }
            return .success(found)
        } catch {
            return .failure(error)
        }
    }

    /// All files of a place below a folder.
    private func all(_ place: FilePlace, _ folder: ObjectPath) async throws(SQLError) -> [ObjectInfo] {
        guard case .tree(let glob, _) = place else { return [] }
        if folder == glob.literalPrefix {
            // A pattern of one level needs no more than that level listed.
            if glob.segments.count == 1 {
                return place.holding(try await store.listChildren(folder, metrics: metrics).objects)
            }
        }
        return place.holding(try await store.list(folder, metrics: metrics))
    }
}
