// The schema apus: what a lake tells about its branches and commits, as tables and table functions, so that any client
// can ask without statements of our own.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner

extension Resolver {
    /// apus.branches, apus.tags, apus.commits, apus.checks; nil for other names.
    func lakeTable(
        _ reference: CatalogSnapshot.Reference, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) -> RowsTable? {
        guard reference.schema == QueryNames.lakeSchema else { return nil }
        switch reference.name {
        case "branches", "tags":
            let kind: NamedRef.Kind = reference.name == "branches" ? .branch : .tag
            return LakeTables.refs(try await visibleRefs().filter { $0.kind == kind }, reference.name)
        case "checks": return LakeTables.checks(try await visibleRefs())
        case "commits":
            try await access?.requireReading(try ref(of: reference), engine.catalog, reference.definer)
            return try await log(try ref(of: reference), LakeTables.commitsMax, &pinned)
        default: return nil
        }
    }

    /// Branches that may be read, and tags.
    func visibleRefs() async throws(SQLError) -> [NamedRef] {
        let refs = try await engine.catalog.refs()
        return access?.visible(refs) ?? refs
    }

    /// The table of a call such as apus.log('dev'); nil for functions of other schemas.
    func lakeTable(
        _ call: CatalogSnapshot.FileCall, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) -> RowsTable? {
        let arguments = call.paths
        func count(_ range: ClosedRange<Int>) throws(SQLError) {
            guard range.contains(arguments.count) else {
                throw SQLError(.undefinedFunction, "\(call.function) does not take \(arguments.count) arguments")
            }
        }
        switch call.function {
        case "apus.log":
            try count(0...2)
            let limit = arguments.count > 1 ? Int(arguments[1]) : LakeTables.commitsMax
            guard let limit, limit >= 0 else {
                throw SQLError(.invalidParameterValue, "the limit of apus.log must be a number")
            }
            let ref = arguments.first.map(Ref.named) ?? .named(branch)
            return try await log(ref, min(limit, LakeTables.commitsMax), &pinned)
        case "apus.diff":
            try count(2...2)
            let from = try await commit(of: .named(arguments[0]), &pinned)
            let to = try await commit(of: .named(arguments[1]), &pinned)
            return LakeTables.differences(try await engine.catalog.differences(from: from, to: to))
        case "apus.changes":
            try count(1...1)
            let info = try await engine.catalog.log(.named(arguments[0]), limit: 1).first
            guard let info, let parent = info.parents.first else { return LakeTables.differences([]) }
            return LakeTables.differences(try await engine.catalog.differences(from: parent, to: info.id))
        case "apus.merge_preview":
            try count(1...2)
            let source = try await commit(of: .named(arguments[0]), &pinned)
            let target = try await commit(of: .named(arguments.count > 1 ? arguments[1] : branch), &pinned)
            guard let base = try await engine.catalog.mergeBase(source, target) else {
                throw SQLError(.invalidParameterValue, "\"\(arguments[0])\" has no history with the target")
            }
            let way = ThreeWay(catalog: engine.catalog, managed: engine.managed)
            let items = try await way.items(base: base, source: source, target: target) { _ in .cancel }
            return RowsTable(
                name: "apus.merge_preview", fields: ThreeWay.columns.map { Field($0, .text) },
                rows: items.map(\.row))
        default: return nil
        }
    }

    private func log(
        _ ref: Ref, _ limit: Int, _ pinned: inout [Ref: CommitID]
    ) async throws(SQLError) -> RowsTable {
        let commit = try await commit(of: ref, &pinned)
        return LakeTables.commits(try await engine.catalog.log(.commit(commit), limit: limit))
    }
}

/// The rows of those tables.
enum LakeTables {
    /// Commits that one table lists, newest first.
    static let commitsMax = 100_000

    private static func text(_ value: String?) -> Scalar { value.map(Scalar.text) ?? .null(.text) }
    private static func time(_ microseconds: Int64) -> Scalar { Scalar(.timestamptz, .int(microseconds)) }

    static func refs(_ refs: [NamedRef], _ name: String) -> RowsTable {
        let fields = [
            Field("name", .text), Field("commit", .text), Field("created_at", .timestamptz),
            Field("protected", .boolean), Field("retain_days", .int4),
        ]
        return RowsTable(
            name: "apus." + name, fields: fields,
            rows: refs.map { ref in
                [
                    .text(ref.name), .text(ref.head.hex), time(ref.createdAt), .boolean(ref.options.isProtected),
                    ref.options.retainDays.map { Scalar(.int4, .int(Int64($0))) } ?? .null(.int4),
                ]
            })
    }

    static func checks(_ refs: [NamedRef]) -> RowsTable {
        RowsTable(
            name: "apus.checks", fields: [Field("branch", .text), Field("name", .text), Field("query", .text)],
            rows: refs.flatMap { ref in
                ref.options.checks.map { [.text(ref.name), .text($0.name), .text($0.sql)] }
            })
    }

    /// Lineage: who committed what, with which dbt model, from which tables.
    static func commits(_ commits: [CommitInfo]) -> RowsTable {
        let fields = [
            Field("commit", .text), Field("parent", .text), Field("merged", .text), Field("committed_at", .timestamptz),
            Field("author", .text), Field("message", .text), Field("model", .text), Field("application", .text),
            Field("reads", .text),
        ]
        return RowsTable(
            name: "apus.commits", fields: fields,
            rows: commits.map { commit in
                let (message, trailers) = CommitTrailer.split(commit.message)
                return [
                    .text(commit.id.hex), text(commit.parents.first?.hex),
                    text(commit.parents.count > 1 ? commit.parents[1].hex : nil), time(commit.committedAt),
                    .text(commit.author), .text(message), text(trailers[CommitTrailer.model]),
                    text(trailers[CommitTrailer.application]), text(trailers[CommitTrailer.reads]),
                ]
            })
    }

    static let differenceColumns = ["schema", "name", "kind", "change", "before", "after"]

    static func differences(_ differences: [Difference]) -> RowsTable {
        RowsTable(
            name: "apus.diff", fields: differenceColumns.map { Field($0, .text) }, rows: differences.map(row))
    }

    static func row(_ difference: Difference) -> [Scalar] {
        func change(_ before: Bool, _ after: Bool) -> Scalar {
            .text(after ? (before ? "changed" : "added") : "dropped")
        }
        return switch difference {
        case .schema(let name, let before, let after):
            [
                .text(name), .null(.text), .text("schema"), change(before != nil, after != nil),
                text(before?.location), text(after?.location),
            ]
        case .entry(let name, let before, let after):
            [
                .text(name.schema), .text(name.name), .text(ThreeWay.kind(after ?? before)),
                change(before != nil, after != nil), text(ThreeWay.text(before)), text(ThreeWay.text(after)),
            ]
        }
    }
}

extension ThreeWay {
    /// How MERGE BRANCH and apus.merge_preview report an item.
    static let columns = ["schema", "name", "kind", "action", "base", "source", "target", "reason"]
}

extension ThreeWay.Item {
    /// In the order of ``ThreeWay/columns``.
    var row: [Scalar] {
        [schema, table, kind, action, base, source, target, reason].map { $0.map(Scalar.text) ?? .null(.text) }
    }
}
