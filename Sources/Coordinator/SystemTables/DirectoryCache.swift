// What the system catalog remembers between statements: listings of commits, and the details of tables. A commit never
// changes, and neither does what an entry points to.
import Catalogs
import Diagnostics
import Synchronization
import SystemCatalog

/// Shared by all sessions.
final class DirectoryCache: Sendable {
    private let state = Mutex(State())

    private struct State {
        var listings: [CommitID: LakeListing] = [:]
        var directories: [CommitID: Directory] = [:]
        /// Commits in the order they were met, oldest first.
        var order: [CommitID] = []
        /// Of managed tables, whose metadata is immutable; of external ones as they were when opened last.
        var details: [Entry: RelationDetails] = [:]
        /// Of views, which depend on what they read.
        var views: [CommitID: [TableName: RelationDetails]] = [:]
    }

    /// Commits that are remembered.
    private static let commitsMax = 16
    /// Tables whose details are remembered.
    private static let detailsMax = 200_000

    /// The schemas and relations at a commit: those of a remembered commit with the differences, or all of them anew.
    func listing(at commit: CommitID, of catalog: any Versioned) async throws(SQLError) -> LakeListing {
        let (known, last) = state.withLock { state in
            (state.listings[commit], state.order.last.flatMap { id in state.listings[id].map { (id, $0) } })
        }
        if let known { return known }
        let made: LakeListing
        if let (base, listing) = last {
            made = try await derived(from: listing, at: base, to: commit, catalog)
        } else {
            made = try await read(commit, catalog)
        }
        state.withLock { state in
            if state.listings.updateValue(made, forKey: commit) == nil { state.order.append(commit) }
            if state.order.count > DirectoryCache.commitsMax {
                let oldest = state.order.removeFirst()
                state.listings[oldest] = nil
                state.directories[oldest] = nil
                state.views[oldest] = nil
            }
        }
        return made
    }

    private func read(_ commit: CommitID, _ catalog: any Versioned) async throws(SQLError) -> LakeListing {
        var listing = LakeListing(schemas: [], relations: [])
        for schema in try await catalog.schemas(at: commit) {
            listing.schemas.append(schema.name)
            listing.schemaOwners[schema.name] = schema.owner
            listing.schemaComments[schema.name] = schema.properties?[TableProperty.comment]
            let names = Set(try await catalog.names(in: schema.name, at: commit))
            for (name, entry) in try await catalog.entries(names, at: commit) {
                listing.relations.append(LakeRelation(name: name, entry: entry))
            }
            let objects = Set(try await catalog.objects(in: schema.name, at: commit))
            guard !objects.isEmpty else { continue }
            for (name, entry) in try await catalog.entries(objects, at: commit) {
                listing.objects.append(LakeRelation(name: name, entry: entry))
            }
        }
        return listing
    }

    private func derived(
        from listing: LakeListing, at base: CommitID, to commit: CommitID, _ catalog: any Versioned
    ) async throws(SQLError) -> LakeListing {
        var schemas = Set(listing.schemas)
        var owners = listing.schemaOwners
        var comments = listing.schemaComments
        var changed: [TableName: Entry?] = [:]
        for difference in try await catalog.differences(from: base, to: commit) {
            switch difference {
            case .schema(let name, _, let after):
                if after == nil { schemas.remove(name) } else { schemas.insert(name) }
                owners[name] = after?.owner
                comments[name] = after?.properties?[TableProperty.comment]
            case .entry(let name, _, let after): changed[name] = .some(after)
            }
        }
        var relations = listing.relations.filter { changed[$0.name] == nil && schemas.contains($0.name.schema) }
        var objects = listing.objects.filter { changed[$0.name] == nil && schemas.contains($0.name.schema) }
        for case (let name, .some(let entry)) in changed {
            let relation = LakeRelation(name: name, entry: entry)
            if name.isObject { objects.append(relation) } else { relations.append(relation) }
        }
        var newer = LakeListing(schemas: schemas.sorted(), relations: relations)
        newer.objects = objects
        newer.schemaOwners = owners
        newer.schemaComments = comments
        return newer
    }

    /// The numbered listing of a commit.
    func directory(of listing: LakeListing, at commit: CommitID) -> Directory {
        if let known = state.withLock({ $0.directories[commit] }) { return known }
        let made = Directory(listing)
        state.withLock { state in
            if state.listings[commit] != nil { state.directories[commit] = made }
        }
        return made
    }

    // MARK: - Details

    /// What is remembered of relations. Views are asked for at a commit only.
    func details(of relations: [LakeRelation], at commit: CommitID?) -> [RelationDetails?] {
        state.withLock { state in
            let views = commit.flatMap { state.views[$0] } ?? [:]
            let externals = relations.count {
                if case .external = $0.entry { true } else { false }
            }
            let isFew = externals <= RelationDetails.openedAnewMax
            return relations.map { relation in
                switch relation.entry {
                case .managed: state.details[relation.entry]
                case .view: views[relation.name]
                case .external: isFew ? nil : state.details[relation.entry]
                case .object: nil
                }
            }
        }
    }

    func keep(_ items: [(relation: LakeRelation, details: RelationDetails)], at commit: CommitID?) {
        state.withLock { state in
            if state.details.count > DirectoryCache.detailsMax { state.details = [:] }
            for (relation, details) in items where !details.columns.isEmpty {
                switch relation.entry {
                case .managed: state.details[relation.entry] = details
                case .external:
                    let old = state.details.updateValue(details, forKey: relation.entry)
                    // Directories remember rows that were made from what is known to be old now.
                    if let old, old.columns != details.columns { state.directories = [:] }
                case .view:
                    if let commit, state.listings[commit] != nil {
                        state.views[commit, default: [:]][relation.name] = details
                    }
                case .object: break
                }
            }
        }
    }
}

/// The open sessions, as pg_stat_activity shows them.
final class ActivityList: Sendable {
    private let sessions = Mutex<[Int32: SessionActivity]>([:])

    var all: [SessionActivity] {
        sessions.withLock { Array($0.values) }.sorted { $0.processID < $1.processID }
    }

    func open(_ session: SessionActivity) { sessions.withLock { $0[session.processID] = session } }
    func close(_ processID: Int32) { sessions.withLock { $0[processID] = nil } }

    func begin(_ processID: Int32, _ query: String, at time: Int64) {
        sessions.withLock { sessions in
            sessions[processID]?.state = "active"
            sessions[processID]?.query = String(query.prefix(ActivityList.queryCharactersMax))
            sessions[processID]?.queryStartedAt = time
        }
    }

    func end(_ processID: Int32, state: String, application: String) {
        sessions.withLock { sessions in
            sessions[processID]?.state = state
            sessions[processID]?.application = application
        }
    }

    private static let queryCharactersMax = 1_024
}
