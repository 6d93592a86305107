// Finds the objects that match a pattern: one recursive listing where nothing can be left out,
// otherwise folder by folder, so that folders that cannot matter are never listed.

public import Diagnostics

extension Glob {
    /// Whether to look into a folder: its name and its whole path.
    public typealias KeepFolder = @Sendable (_ name: String, _ path: ObjectPath) -> Bool

    /// Folders listed at one time.
    static let foldersAtOnce = 32
    /// Folders nested deeper than this are an error.
    static let depthMax = 128

    /// The objects that match, sorted by path.
    ///
    /// Without `keepFolder` all folders are wanted. With it, a folder below the literal prefix for which it returns
    /// false is never listed. Names with a leading dot or underscore are included: what they mean, the caller knows.
    public func expand(
        in store: any ObjectStore, metrics: StoreMetrics? = nil, keepFolder: KeepFolder? = nil
    ) async throws(SQLError) -> [ObjectInfo] {
        guard hasWildcards else { return try await expandPlain(in: store, metrics, keepFolder) }
        guard let keepFolder else {
            if segments.count == 1 {
                return try await store.listChildren(literalPrefix, metrics: metrics).objects.filter { matches($0.path) }
            }
            return try await store.list(literalPrefix, metrics: metrics).filter { matches($0.path) }
        }
        return try await walk(in: store, metrics, keepFolder)
    }

    /// A path without wildcards: the object, or else everything below the folder of that name.
    private func expandPlain(
        in store: any ObjectStore, _ metrics: StoreMetrics?, _ keepFolder: KeepFolder?
    ) async throws(SQLError) -> [ObjectInfo] {
        let isWholeBucket = literalPrefix.scheme == .s3 && literalPrefix.key.isEmpty
        if !isWholeBucket, !text.hasSuffix("/") {
            do throws(SQLError) {
                return [try await store.head(literalPrefix, metrics: metrics)]
            } catch {
                // A folder is no object, and says so.
                guard error.state == .undefinedFile else { throw error }
            }
        }
        let below = Glob(below: literalPrefix, text)
        return try await below.expand(in: store, metrics: metrics, keepFolder: keepFolder)
    }

    /// Everything below a folder.
    private init(below folder: ObjectPath, _ text: String) {
        self.init(text: text, literalPrefix: folder, segments: [.anyDepth, .pattern(.any)])
    }

    private struct Step: Sendable {
        let folder: ObjectPath
        let states: [Int]
        let depth: Int
    }

    private struct Found: Sendable {
        var objects: [ObjectInfo] = []
        var steps: [Step] = []
    }

    private func walk(
        in store: any ObjectStore, _ metrics: StoreMetrics?, _ keepFolder: @escaping KeepFolder
    ) async throws(SQLError) -> [ObjectInfo] {
        let first = Step(folder: literalPrefix, states: start, depth: 0)
        let outcome = await withTaskGroup(of: Result<Found, SQLError>.self) { group -> Result<[ObjectInfo], SQLError> in
            var objects: [ObjectInfo] = []
            var waiting = [first]
            var running = 0
            while true {
                while running < Glob.foldersAtOnce, let step = waiting.popLast() {
                    running += 1
                    group.addTask { await look(step, in: store, metrics, keepFolder) }
                }
                guard let result = await group.next() else { return .success(objects) }
                running -= 1
                switch result {
                case .success(let found):
                    objects.append(contentsOf: found.objects)
                    waiting.append(contentsOf: found.steps)
                case .failure(let error):
                    group.cancelAll()
                    return .failure(error)
                }
            }
        }
        return try outcome.get().sorted { $0.path.key.utf8.lexicographicallyPrecedes($1.path.key.utf8) }
    }

    /// Looks into one folder: what matches there, and where to go on.
    private func look(
        _ step: Step, in store: any ObjectStore, _ metrics: StoreMetrics?, _ keepFolder: KeepFolder
    ) async -> Result<Found, SQLError> {
        guard step.depth < Glob.depthMax else {
            return .failure(SQLError(.programLimitExceeded, "folders below \"\(literalPrefix)\" are nested too deeply"))
        }
        var found = Found()
        func goOn(_ name: String, _ folder: ObjectPath) {
            let states = self.step(step.states, name[...])
            guard canGoOn(states), keepFolder(name, folder) else { return }
            found.steps.append(Step(folder: folder, states: states, depth: step.depth + 1))
        }
        if let name = onlyFolder(step.states) {
            goOn(name, step.folder.appending(name))
            return .success(found)
        }
        do throws(SQLError) {
            let children = try await store.listChildren(step.folder, metrics: metrics)
            for object in children.objects {
                if self.step(step.states, object.path.name[...]).last == segments.count {
                    found.objects.append(object)
                }
            }
            for folder in children.folders { goOn(folder.name, folder) }
            return .success(found)
        } catch {
            return .failure(error)
        }
    }
}
