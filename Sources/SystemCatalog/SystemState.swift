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
        if details { _ = try await self.details(of: directory.relations) }
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
        var missing: [(place: Int, relation: LakeRelation)] = []
        loaded.withLock { loaded in
            for (place, relation) in relations.enumerated() {
                if let system = relation.system {
                    result.append(RelationDetails(columns: system.fields))
                } else {
                    result.append(loaded.details[relation.oid])
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

    /// Whether every relation's details are known and cannot change with files that others write.
    func knowsAll(of directory: Directory) -> Bool {
        loaded.withLock { loaded in
            directory.relations.allSatisfy { relation in
                guard let lake = relation.lake else { return true }
                if case .external(let definition) = lake.entry, definition.columns.isEmpty { return false }
                return loaded.details[relation.oid].map { !$0.columns.isEmpty } ?? false
            }
        }
    }

    // MARK: - What functions know without waiting

    var knownSource: (any LakeSource)? { loaded.withLock { $0.source } }
    var knownDirectory: Directory? { loaded.withLock { $0.directory } }
    func knownDetails(_ oid: Int64) -> RelationDetails? {
        if let system = knownDirectory?.relation(oid)?.system { return RelationDetails(columns: system.fields) }
        return loaded.withLock { $0.details[oid] }
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
