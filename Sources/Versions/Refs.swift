// Branches and tags: making, moving and dropping them.
public import Catalogs
public import Diagnostics

extension VersionedCatalog {
    public func refs() async throws(SQLError) -> [NamedRef] { try await store.refs().map(VersionedCatalog.named) }

    public func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> NamedRef? {
        try await store.ref(kind, name).map(VersionedCatalog.named)
    }

    private static func named(_ ref: StoredRef) -> NamedRef {
        NamedRef(
            kind: ref.kind, name: ref.name, head: CommitID(hex: ref.head.hex), createdAt: ref.createdAt,
            options: ref.options)
    }

    private static func check(_ kind: NamedRef.Kind, _ name: String) throws(SQLError) {
        guard !name.isEmpty, name.utf8.count <= VersionedCatalog.refNameMax, !name.contains("@"),
            !name.unicodeScalars.contains(where: { $0.value < 32 })
        else {
            throw SQLError(
                .invalidName, "invalid \(kind.rawValue) name \"\(name)\"",
                detail: "A name has 1 to \(VersionedCatalog.refNameMax) bytes, without \"@\" and control characters.")
        }
    }

    public func create(
        _ kind: NamedRef.Kind, _ name: String, at commit: CommitID, _ options: RefOptions
    ) async throws(SQLError) {
        try VersionedCatalog.check(kind, name)
        let move = RefMove(
            kind: kind, name: name, from: nil, to: try ObjectID(commit), time: now(), options: options)
        switch try await moved(move, writing: NewObjects()) {
        case .done: return
        case .refMoved: throw SQLError(.duplicateObject, "\(kind.rawValue) \"\(name)\" already exists")
        case .commitMissing: throw VersionedCatalog.missing(commit)
        }
    }

    public func drop(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) {
        guard kind != .branch || name != VersionedCatalog.mainBranch else {
            throw SQLError(.objectInUse, "cannot drop branch \"\(name)\"", detail: "It is the lake's main branch.")
        }
        guard let found = try await store.ref(kind, name) else {
            throw SQLError(.undefinedObject, "\(kind.rawValue) \"\(name)\" does not exist")
        }
        let move = RefMove(kind: kind, name: name, from: found.head, to: nil, time: now(), removing: found.createdAt)
        guard try await moved(move, writing: NewObjects()) == .done else {
            throw SQLError(.serializationFailure, "\(kind.rawValue) \"\(name)\" was changed by another commit")
        }
    }

    public func move(
        _ kind: NamedRef.Kind, _ name: String, from old: CommitID, to new: CommitID
    ) async throws(SQLError) {
        try await move(
            RefMove(kind: kind, name: name, from: try ObjectID(old), to: try ObjectID(new), time: now()),
            writing: NewObjects())
    }

    /// Moves a ref or says why it cannot.
    func move(_ move: RefMove, writing new: NewObjects) async throws(SQLError) {
        switch try await moved(move, writing: new) {
        case .done: return
        case .commitMissing:
            // Prepared long ago and collected since, or never there.
            throw VersionedCatalog.expired
        case .refMoved:
            let (kind, name) = (move.kind.rawValue, move.name)
            if try await store.ref(move.kind, name) == nil {
                throw SQLError(.undefinedObject, "\(kind) \"\(name)\" does not exist")
            }
            throw SQLError(
                .serializationFailure, "\(kind) \"\(name)\" was changed by another commit",
                hint: "The statement may be tried again.")
        }
    }

    static let expired = SQLError(
        .serializationFailure, "the commit has expired", hint: "The statement may be tried again.")

    static func missing(_ commit: CommitID) -> SQLError {
        SQLError(.undefinedObject, "commit \"\(commit.hex)\" does not exist")
    }

    public func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) {
        try VersionedCatalog.check(kind, newName)
        guard kind != .branch || name != VersionedCatalog.mainBranch else {
            throw SQLError(.objectInUse, "cannot rename branch \"\(name)\"", detail: "It is the lake's main branch.")
        }
        guard try await !renamed(kind, name, to: newName) else { return }
        if try await store.ref(kind, newName) != nil {
            throw SQLError(.duplicateObject, "\(kind.rawValue) \"\(newName)\" already exists")
        }
        throw SQLError(.undefinedObject, "\(kind.rawValue) \"\(name)\" does not exist")
    }

    public func set(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) {
        let isSet = try await resolving { () throws(SQLError) in try await store.setOptions(options, of: kind, name) }
        guard isSet else {
            throw SQLError(.undefinedObject, "\(kind.rawValue) \"\(name)\" does not exist")
        }
    }
}
