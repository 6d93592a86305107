// Listings of an S3 server: by pages, and those of many pages in parts side by side.

public import Diagnostics

extension S3Store {
    /// Parts of a large listing that are asked for at one time.
    static let partsAtOnce = 32
    /// Pages that are asked for one after the other before that begins.
    static let pagesInRow = 3
    /// Levels of folders that are looked at for where parts may begin.
    private static let levelsMax = 3

    /// What pages told.
    struct Listing: Sendable {
        var folders: [ObjectPath] = []
        var objects: [ObjectInfo] = []
        /// Where to go on.
        var token: String?

        mutating func add(_ other: Listing) {
            folders += other.folders
            objects += other.objects
            token = other.token
        }

        mutating func sort() {
            folders.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            objects.sort { $0.path.key.utf8.lexicographicallyPrecedes($1.path.key.utf8) }
        }
    }

    public func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        var found = try await page(folder, delimiter: nil, after: .start, metrics)
        for _ in 1..<S3Store.pagesInRow {
            guard let token = found.token else { break }
            let next = try await page(folder, delimiter: nil, after: .token(token), metrics)
            if next.token == token { throw endless(folder) }
            found.add(next)
        }
        if let token = found.token {
            if let parts = try await listParts(folder, beyond: found.objects.last, metrics) {
                found.objects += parts
            } else {
                found.add(try await pages(folder, delimiter: nil, after: .token(token), metrics))
            }
        }
        found.sort()
        return found.objects
    }

    public func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        var found = try await pages(folder, delimiter: "/", after: .start, metrics)
        found.sort()
        return (found.folders, found.objects)
    }

    // MARK: - Parts

    /// What comes after the first pages, in parts that begin at folders; nil where there are too few of them, or where
    /// the server does not begin where it is told to.
    private func listParts(
        _ folder: ObjectPath, beyond last: ObjectInfo?, _ metrics: StoreMetrics?
    ) async throws(SQLError) -> [ObjectInfo]? {
        guard let last = last?.path.key else { return nil }
        let names = try await boundaries(folder, metrics).filter { last.utf8.lexicographicallyPrecedes($0.utf8) }
        guard names.count > 1 else { return nil }
        // Every key belongs to the part whose start is the last one before it.
        let count = min(S3Store.partsAtOnce, names.count)
        let starts = [last] + (1..<count).map { names[names.count * $0 / count] }
        let parts = (0..<count).map { (start: starts[$0], end: $0 + 1 < count ? starts[$0 + 1] : nil) }
        let lists = try await inParallel(parts, atOnce: S3Store.partsAtOnce) { (part) throws(SQLError) in
            try await self.part(folder, part.start, part.end, metrics)
        }
        var objects: [ObjectInfo] = []
        for list in lists {
            guard let list else { return nil }
            objects += list
        }
        return objects
    }

    /// Keys of folders, sorted: of the first level that has enough.
    private func boundaries(_ folder: ObjectPath, _ metrics: StoreMetrics?) async throws(SQLError) -> [String] {
        var folders = [folder]
        for _ in 0..<S3Store.levelsMax {
            let below = try await inParallel(folders, atOnce: S3Store.partsAtOnce) { (folder) throws(SQLError) in
                try await self.listChildren(folder, metrics: metrics).folders
            }.flatMap { $0 }
            if below.isEmpty { break }
            folders = below
            if folders.count >= S3Store.partsAtOnce { break }
        }
        return folders.map(\.key).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The objects whose keys are after `start` and not after `end`; nil if the server lists others.
    private func part(
        _ folder: ObjectPath, _ start: String, _ end: String?, _ metrics: StoreMetrics?
    ) async throws(SQLError) -> [ObjectInfo]? {
        var objects: [ObjectInfo] = []
        var position = Position.key(start)
        var last = start
        while true {
            let page = try await page(folder, delimiter: nil, after: position, metrics)
            for object in page.objects {
                guard last.utf8.lexicographicallyPrecedes(object.path.key.utf8) else { return nil }
                last = object.path.key
                if let end, end.utf8.lexicographicallyPrecedes(last.utf8) { return objects }
                objects.append(object)
            }
            guard let token = page.token else { return objects }
            if case .token(let old) = position, old == token { throw endless(folder) }
            guard objects.count <= S3Store.objectsMax else { throw tooMany(folder) }
            position = .token(token)
        }
    }

    // MARK: - Pages

    /// Where a page begins.
    enum Position: Sendable {
        case start
        case key(String)
        case token(String)
    }

    private func pages(
        _ folder: ObjectPath, delimiter: String?, after start: Position, _ metrics: StoreMetrics?
    ) async throws(SQLError) -> Listing {
        var found = Listing()
        var position = start
        while true {
            found.add(try await page(folder, delimiter: delimiter, after: position, metrics))
            guard let token = found.token else { return found }
            if case .token(let old) = position, old == token { throw endless(folder) }
            guard found.objects.count <= S3Store.objectsMax else { throw tooMany(folder) }
            position = .token(token)
        }
    }

    private func endless(_ folder: ObjectPath) -> SQLError {
        SQLError(.ioError, "could not list \"\(folder)\": the server does not go on")
    }

    private func tooMany(_ folder: ObjectPath) -> SQLError {
        SQLError(.programLimitExceeded, "too many objects below \"\(folder)\"")
    }

    private func page(
        _ folder: ObjectPath, delimiter: String?, after position: Position, _ metrics: StoreMetrics?
    ) async throws(SQLError) -> Listing {
        let prefix = folder.folderKey
        metrics?.addList(isBilled: true)
        let operation = S3Store.listing(folder, prefix, delimiter, position)
        let response = try await resultUnlessCancelled { flag, done in
            send(operation, isTwice: true, metrics, flag, then: done)
        }.get()
        guard let page = S3ListPage(response.body) else {
            throw SQLError(.ioError, "could not list \"\(folder)\": the server's answer is no listing")
        }
        var found = Listing()
        for entry in page.entries {
            guard entry.key.utf8.starts(with: prefix.utf8) else {
                throw SQLError(.ioError, "could not list \"\(folder)\": the server listed another folder")
            }
            // Consoles make such objects to show an empty folder.
            if entry.key.hasSuffix("/"), entry.sizeBytes == 0 { continue }
            found.objects.append(
                ObjectInfo(
                    path: folder.replacing(key: entry.key), sizeBytes: entry.sizeBytes, modified: entry.modified,
                    etag: entry.etag))
        }
        for folderKey in page.prefixes where folderKey.hasSuffix("/") && folderKey.utf8.count > prefix.utf8.count {
            found.folders.append(folder.replacing(key: String(folderKey.dropLast())))
        }
        guard page.isTruncated else { return found }
        guard let next = page.nextToken, !next.isEmpty else { throw endless(folder) }
        found.token = next
        return found
    }

    private static func listing(
        _ folder: ObjectPath, _ prefix: String, _ delimiter: String?, _ position: Position
    ) -> S3Operation {
        var operation = S3Operation(verb: "list", path: folder, isOfBucket: true)
        // In the order of their names, as the signature wants them.
        if case .token(let token) = position { operation.query.append(("continuation-token", token)) }
        if let delimiter { operation.query.append(("delimiter", delimiter)) }
        operation.query.append(("encoding-type", "url"))
        operation.query.append(("list-type", "2"))
        operation.query.append(("prefix", prefix))
        if case .key(let key) = position { operation.query.append(("start-after", key)) }
        operation.check = { response in
            if response.failure != nil { return .good }
            return S3ListPage.isListing(response.body) ? .good : .again("the answer is no listing")
        }
        return operation
    }
}
