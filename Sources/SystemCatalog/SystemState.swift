// The system catalog of one statement: loaded when the statement's names are resolved, asked by scans and by functions.
import Catalogs
import Columns
public import Diagnostics
public import Functions
import Synchronization

/// What one statement sees of the system catalog, at one commit.
public final class SystemState: SystemFacts {
    private let loaded = Mutex(Loaded())

    private struct Loaded {
        var source: (any LakeSource)?
        var directory: Directory?
        var refs: [NamedRef]?
        var details: [Int64: RelationDetails] = [:]
        /// The keys of the relations in `details`, as many as there were.
        var keys: (index: KeyIndex, details: Int)?
        var isRefreshed = false
        var settings: [(name: String, value: String?, isLocal: Bool)] = []
    }

    public init() {}

    /// Gives the state its source. Asked before, it knows nothing.
    public func attach(_ source: any LakeSource) {
        loaded.withLock { loaded in
            if loaded.source == nil { loaded.source = source }
        }
    }

    /// Whether a source is attached.
    public var isAttached: Bool { loaded.withLock { $0.source != nil } }

    /// Loads what functions may ask: they cannot wait. `details` loads every relation's own metadata, too.
    public func prepare(details: Bool) async throws(SQLError) {
        let directory = try await directory()
        _ = try await refs()
        if details { try await prepareDetails(directory) }
    }

    /// Opens every relation, unless that was done before: then the directory remembers.
    private func prepareDetails(_ directory: Directory) async throws(SQLError) {
        try await refresh(directory)
        guard directory.memo.knownDetails == nil else { return }
        _ = try await self.details(of: directory.relations)
        _ = knowsAll(of: directory)
    }

    /// Opens external tables anew, once a statement, where they are few; when one has changed, what the directory
    /// remembers goes.
    func refresh(_ directory: Directory) async throws(SQLError) {
        guard let known = directory.memo.knownDetails, !directory.externals.isEmpty,
            directory.externals.count <= RelationDetails.openedAnewMax
        else { return }
        let isDone = loaded.withLock { loaded in
            defer { loaded.isRefreshed = true }
            return loaded.isRefreshed
        }
        guard !isDone else { return }
        let now = try await details(of: directory.externals)
        for (relation, details) in zip(directory.externals, now)
        where known[relation.oid]?.columns != details.columns {
            directory.memo.forget()
            return
        }
    }

    /// The keys of all tables.
    func allKeys() async throws(SQLError) -> KeyIndex {
        let directory = try await directory()
        try await refresh(directory)
        if let known = directory.memo.knownKeys { return known }
        try await prepareDetails(directory)
        return knownKeys
    }

    /// The keys of the tables that were opened.
    var knownKeys: KeyIndex {
        guard let directory = knownDirectory else { return KeyIndex([]) }
        if let known = directory.memo.knownKeys { return known }
        let opened = loaded.withLock { $0.details.count }
        if let known = loaded.withLock({ $0.keys }), known.details == opened { return known.index }
        var keys: [DeclaredKey] = []
        for relation in directory.relations where relation.lake != nil && "rp".contains(relation.kind) {
            guard let details = knownDetails(relation.oid),
                details.properties[TableProperty.key(1)] != nil || details.properties[TableProperty.check(1)] != nil
            else { continue }
            keys += RelationRows.keys(relation, details, directory)
        }
        let index = KeyIndex(keys)
        if directory.memo.knownDetails != nil {
            directory.memo.keep(index)
        } else {
            loaded.withLock { $0.keys = (index, opened) }
        }
        return index
    }

    /// What set_config() asked for, in order: the session does it when the statement ends.
    public func takeSettings() -> [(name: String, value: String?, isLocal: Bool)] {
        loaded.withLock { loaded in
            defer { loaded.settings = [] }
            return loaded.settings
        }
    }

    func keep(setting name: String, _ value: String?, isLocal: Bool) {
        loaded.withLock { $0.settings.append((name, value, isLocal)) }
    }

    func source() throws(SQLError) -> any LakeSource {
        guard let source = loaded.withLock({ $0.source }) else {
            throw SQLError(.featureNotSupported, "the system catalog cannot be asked here")
        }
        return source
    }

    func directory() async throws(SQLError) -> Directory {
        if let known = loaded.withLock({ $0.directory }) { return known }
        let made = try await source().directory()
        loaded.withLock { $0.directory = made }
        return made
    }

    func refs() async throws(SQLError) -> [NamedRef] {
        if let known = loaded.withLock({ $0.refs }) { return known }
        let made = try await source().refs()
        loaded.withLock { $0.refs = made }
        return made
    }

    /// The details of relations, by their places.
    func details(of relations: [Directory.RelationEntry]) async throws(SQLError) -> [RelationDetails] {
        var result: [RelationDetails?] = []
        let memo = try await directory().memo.knownDetails
        // External tables have columns that files may add to: who asks for few gets them as they are now.
        let isFew = relations.count <= RelationDetails.openedAnewMax
        var missing: [(place: Int, relation: LakeRelation)] = []
        loaded.withLock { loaded in
            for (place, relation) in relations.enumerated() {
                if let system = relation.system {
                    result.append(RelationDetails(columns: system.fields))
                } else {
                    let isRemembered = !(isFew && relation.isExternal)
                    result.append(loaded.details[relation.oid] ?? (isRemembered ? memo?[relation.oid] : nil))
                    if result[place] == nil, let lake = relation.lake { missing.append((place, lake)) }
                }
            }
        }
        if !missing.isEmpty {
            let found = try await source().details(of: missing.map(\.relation))
            loaded.withLock { loaded in
                for (item, details) in zip(missing, found) {
                    result[item.place] = details
                    loaded.details[relations[item.place].oid] = details
                }
            }
        }
        return result.map { $0 ?? RelationDetails(columns: []) }
    }

    /// Whether every relation's details are known; the directory remembers them then. What could not be read may be
    /// there the next time.
    func knowsAll(of directory: Directory) -> Bool {
        // Few external tables are opened anew by each statement.
        if (1...RelationDetails.openedAnewMax).contains(directory.externals.count) { return false }
        if directory.memo.knownDetails != nil { return true }
        let known = loaded.withLock { $0.details }
        let isWhole = directory.relations.allSatisfy { relation in
            relation.lake == nil || known[relation.oid].map { !$0.columns.isEmpty } ?? false
        }
        if isWhole { directory.memo.keep(known) }
        return isWhole
    }

    // MARK: - What functions know without waiting

    var knownSource: (any LakeSource)? { loaded.withLock { $0.source } }
    var knownDirectory: Directory? { loaded.withLock { $0.directory } }
    func knownDetails(_ oid: Int64) -> RelationDetails? {
        if let system = knownDirectory?.relation(oid)?.system { return RelationDetails(columns: system.fields) }
        return loaded.withLock { $0.details[oid] } ?? knownDirectory?.memo.details(oid)
    }
}

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

extension SystemState {
    /// When this process first looked at the clock, microseconds since 1970 UTC.
    static let startedAt: Int64 = {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000
    }()
}
