// Branches and tags in SQL: CREATE, DROP, SHOW BRANCHES, SHOW TAGS, SHOW LOG.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    func createRef(_ create: Statement.CreateRef) async throws(SQLError) -> any ResultStream {
        let kind: NamedRef.Kind = create.kind == .branch ? .branch : .tag
        let name = create.name.value
        let tag = "CREATE \(kind.rawValue.uppercased())"
        guard transaction == nil || transaction?.changes.isEmpty == true else {
            throw SQLError(
                .activeTransaction, "\(tag) cannot follow changes in one transaction", hint: "COMMIT first.")
        }
        let exists = try await engine.catalog.ref(kind, name) != nil
        if exists, create.ifNotExists {
            let text = "\(kind.rawValue) \"\(name)\" already exists, skipping"
            notices.append(SQLNotice(.notice, SQLError(.duplicateObject, text)))
            return done(tag)
        }
        do throws(SQLError) {
            let wanted = try await ref(create.version, of: create.source?.value ?? branch)
            try await requireReading(wanted)
            try accessGuard?.require(.create)
            let commit = try await engine.catalog.commit(of: wanted)
            let options = RefOptions(
                isProtected: create.options.isProtected ?? false, retainDays: create.options.retainDays,
                owner: newOwner)
            if create.orReplace, let old = try await engine.catalog.ref(kind, name) {
                try accessGuard?.requireOwner(of: old)
                try await engine.catalog.drop(kind, name)
                try await forget(old)
            }
            try await engine.catalog.create(kind, name, at: commit, options)
        } catch let error {
            throw error.at(create.name.position)
        }
        return done(tag)
    }

    /// A version of a ref: its head, or what AT says.
    func ref(_ version: Version?, of from: String) async throws(SQLError) -> Ref {
        switch version {
        case nil: return .named(from)
        case .named(let name): return .named(name.value)
        case .branch(let name): return .branch(name.value)
        case .tag(let name): return .tag(name.value)
        case .commit(let name): return .commit(CommitID(hex: name.value))
        case .timestamp(let expression):
            let value = try Binder.value(of: expression, as: .timestamptz, context: planContext())
            guard case .int(let microseconds) = value.value else {
                throw SQLError(.invalidParameterValue, "the time of a version must not be null")
            }
            return .time(branch: from, microseconds: microseconds)
        case .snapshot:
            throw SQLError(.featureNotSupported, "AT SNAPSHOT needs a table", hint: "Use AT COMMIT or AT TIMESTAMP.")
        }
    }

    func dropRef(
        _ kind: Statement.RefKind, _ name: Identifier, _ ifExists: Bool
    ) async throws(SQLError) -> any ResultStream {
        let named: NamedRef.Kind = kind == .branch ? .branch : .tag
        let tag = "DROP \(kind.rawValue.uppercased())"
        let exists = try await engine.catalog.ref(named, name.value) != nil
        if !exists, ifExists {
            let text = "\(kind.rawValue) \"\(name.value)\" does not exist, skipping"
            notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, text)))
            return done(tag)
        }
        guard named != .branch || name.value != branch else {
            throw SQLError(
                .objectInUse, "cannot drop branch \"\(name.value)\"", detail: "This session is on it.",
                position: name.position)
        }
        let old = try await engine.catalog.ref(named, name.value)
        if let old { try accessGuard?.requireOwner(of: old) }
        do throws(SQLError) {
            try await engine.catalog.drop(named, name.value)
        } catch let error {
            throw error.at(name.position)
        }
        if let old { try await forget(old) }
        return done(tag)
    }

    /// A branch that is made anew under the name shall not have the rights of the old one.
    private func forget(_ ref: NamedRef) async throws(SQLError) {
        guard ref.kind == .branch, access.isRecorded(AccessGuard.object(ref)) else { return }
        let object = AccessGuard.object(ref)
        try await changeAccess { (state) throws(SQLError) in state.forget(object) }
    }

    /// Commits that SHOW LOG lists unless it says LIMIT.
    private static let logStandard = 100
    /// Commits that SHOW LOG lists at most.
    private static let logMax = 100_000

    func refRows(_ show: Statement.Show) async throws(SQLError) -> [[Scalar]] {
        func time(_ microseconds: Int64) -> Scalar { Scalar(.timestamptz, .int(microseconds)) }
        switch show {
        case .branches, .tags:
            let kind: NamedRef.Kind = show == .branches ? .branch : .tag
            let refs = try await engine.catalog.refs()
            return (accessGuard?.visible(refs) ?? refs).filter { $0.kind == kind }.map {
                [
                    .text($0.name), .text($0.head.hex), time($0.createdAt), .boolean($0.options.isProtected),
                    $0.options.retainDays.map { Scalar(.int4, .int(Int64($0))) } ?? .null(.int4),
                ]
            }
        case .log(let named, let limit):
            let ref = Ref.named(named?.value ?? branch)
            try await requireReading(ref)
            let wanted = min(limit ?? Session.logStandard, Session.logMax)
            return try await engine.catalog.log(ref, limit: wanted).map {
                [.text($0.id.hex), time($0.committedAt), .text($0.author), .text($0.message)]
            }
        case .variable, .all, .schemas, .tables: return []
        }
    }
}
