// Learns a layout from one branch of its folders: the partition keys, and a file that tells the columns.

import Columns
import Diagnostics
import Storage

/// What a walk down one branch found.
struct ProbedLayout: Sendable {
    /// The file that tells the columns.
    var sample: ObjectInfo
    /// Pairs of folders in the path of the sample, outermost first.
    var pairs: [PartitionPair]
    /// Values seen beside the sample's, by key.
    var values: [String: Set<String?>]
    /// The files of the sample's folder.
    var siblings: [ObjectInfo]
    /// Whether the siblings are all there is.
    var isComplete: Bool
    /// Estimate of how many folders are like the sample's.
    var folders: Double
}

/// Walks down one branch of a place's folders.
struct LayoutProbe: Sendable {
    let store: any ObjectStore
    let place: FilePlace
    let isWholePath: Bool
    /// Whether the last branch and file by name tell the columns (the newest days, usually) or the first.
    let takesLast: Bool
    let metrics: StoreMetrics
    /// What is known of the place already.
    var known: FilePlace.Found?
    /// Files that turned out to tell nothing.
    var excluded: Set<ObjectPath> = []
    /// Whether to look at the root only.
    var isShallow = false

    /// Folders looked at before the walk gives up and everything is listed.
    private static let foldersMax = 64
    private static let depthMax = 128

    private struct State {
        var looked = 0
    }

    /// Nil when there is no file.
    func run() async throws(SQLError) -> ProbedLayout? {
        switch place {
        case .file(let path):
            var info = known?.info
            if info == nil { info = try await store.head(path, metrics: metrics) }
            guard let info, !excluded.contains(path) else { return nil }
            return layout([info], info, values: [:], isComplete: true, folders: 1)
        case .tree:
            var state = State()
            if let found = try await descend(place.root, 0, &state) { return found }
            guard state.looked >= LayoutProbe.foldersMax else { return nil }
            // Many empty folders: the listing of everything says where the files are.
            let all = place.holding(try await store.list(place.root, metrics: metrics))
            guard let sample = sample(of: all) else { return nil }
            return layout(all, sample, values: [:], isComplete: true, folders: 1)
        }
    }

    private func descend(
        _ folder: ObjectPath, _ depth: Int, _ state: inout State
    ) async throws(SQLError) -> ProbedLayout? {
        guard state.looked < LayoutProbe.foldersMax, depth < LayoutProbe.depthMax else { return nil }
        state.looked += 1
        let children: FilePlace.Children
        if depth == 0, let known = known?.children {
            children = known
        } else {
            children = try await store.listChildren(folder, metrics: metrics)
        }
        let files = place.holding(children.objects)
        let folders = children.folders.filter { place.leads(to: $0) }
        let keyed = folders.filter { PartitionPair(folder: $0.name) != nil }
        if isShallow, !folders.isEmpty { return nil }
        if var found = try await first(of: keyed, depth, &state) {
            for name in keyed {
                guard let pair = PartitionPair(folder: name.name) else { continue }
                found.values[pair.key, default: []].insert(pair.value)
            }
            found.folders *= Double(keyed.count)
            return found
        }
        if let sample = sample(of: files) {
            return layout(files, sample, values: [:], isComplete: depth == 0 && folders.isEmpty, folders: 1)
        }
        let plain = folders.filter { PartitionPair(folder: $0.name) == nil }
        guard var found = try await first(of: plain, depth, &state) else { return nil }
        found.folders *= Double(plain.count)
        return found
    }

    private func sample(of files: [ObjectInfo]) -> ObjectInfo? {
        func isLeft(_ file: ObjectInfo) -> Bool { !excluded.contains(file.path) }
        return takesLast ? files.last(where: isLeft) : files.first(where: isLeft)
    }

    private func first(
        of folders: [ObjectPath], _ depth: Int, _ state: inout State
    ) async throws(SQLError) -> ProbedLayout? {
        for folder in takesLast ? folders.reversed() : folders {
            if let found = try await descend(folder, depth + 1, &state) { return found }
        }
        return nil
    }

    private func layout(
        _ files: [ObjectInfo], _ sample: ObjectInfo, values: [String: Set<String?>], isComplete: Bool, folders: Double
    ) -> ProbedLayout {
        let pairs = KeyReader.pairs(of: sample.path.parent, below: isWholePath ? nil : place.root)
        var values = values
        for pair in pairs { values[pair.key, default: []].insert(pair.value) }
        return ProbedLayout(
            sample: sample, pairs: pairs, values: values, siblings: files, isComplete: isComplete, folders: folders)
    }
}
