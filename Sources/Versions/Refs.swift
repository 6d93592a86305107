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
        let made = try await store.swap(
            kind, name, from: nil, to: ObjectID(hex: commit.hex), writing: [:], at: now())
        guard made else {
            throw SQLError(.duplicateObject, "\(kind.rawValue) \"\(name)\" already exists")
        }
        if options != RefOptions() { try await set(options, of: kind, name) }
    }

    public func drop(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) {
        guard kind != .branch || name != VersionedCatalog.mainBranch else {
            throw SQLError(.objectInUse, "cannot drop branch \"\(name)\"", detail: "It is the lake's main branch.")
        }
        guard let found = try await store.ref(kind, name) else {
            throw SQLError(.undefinedObject, "\(kind.rawValue) \"\(name)\" does not exist")
        }
        guard try await store.swap(kind, name, from: found.head, to: nil, writing: [:], at: now()) else {
            throw SQLError(.serializationFailure, "\(kind.rawValue) \"\(name)\" was changed by another commit")
        }
    }

    public func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) {
        try VersionedCatalog.check(kind, newName)
        guard kind != .branch || name != VersionedCatalog.mainBranch else {
            throw SQLError(.objectInUse, "cannot rename branch \"\(name)\"", detail: "It is the lake's main branch.")
        }
        guard try await !store.rename(kind, name, to: newName) else { return }
        if try await store.ref(kind, newName) != nil {
            throw SQLError(.duplicateObject, "\(kind.rawValue) \"\(newName)\" already exists")
        }
        throw SQLError(.undefinedObject, "\(kind.rawValue) \"\(name)\" does not exist")
    }

    public func set(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) {
        guard try await store.setOptions(options, of: kind, name) else {
            throw SQLError(.undefinedObject, "\(kind.rawValue) \"\(name)\" does not exist")
        }
    }
}
