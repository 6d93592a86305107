// Several writers on several servers do random things to a store that fails at random; in the end everything that was
// acknowledged is there once, and nothing that was refused. APUS_MODEL_SEEDS and APUS_MODEL_STEPS make it longer.
import Catalogs
import Diagnostics
import Foundation
import Synchronization
import Testing

@testable import Versions

@Suite struct ModelTests {
    static func number(_ name: String, _ standard: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
    }
    static let seeds = Array(1...UInt64(max(number("APUS_MODEL_SEEDS", 2), 1)))

    @Test("writers, faults and collections leave what the model says", arguments: StoreKind.allCases, seeds)
    func model(kind: StoreKind, seed: UInt64) async throws {
        let store = try TestStore(kind)
        let steps = Self.number("APUS_MODEL_STEPS", 60)
        let model = CatalogModel()
        await model.start(main: try await store.catalog().commit(of: .branch("main")))
        var writers: [ModelWriter] = []
        var servers: [FaultyStore] = []
        for server in 0..<2 {
            let faulty = FaultyStore(try await store.open(), seed: seed * 10 + UInt64(server), percent: 5)
            servers.append(faulty)
            // A catalog whose opening met no fault.
            var opened: VersionedCatalog?
            while opened == nil { opened = try? await store.catalog(over: faulty) }
            let catalog = try #require(opened)
            for number in 0..<3 {
                writers.append(
                    ModelWriter(
                        name: "s\(server)w\(number)", catalog: catalog, model: model,
                        seed: seed * 1_000 + UInt64(server * 10 + number)))
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in writers { group.addTask { for _ in 0..<steps { try await writer.step() } } }
            let cutter = Task {
                while !Task.isCancelled {
                    try await Task.sleep(for: .milliseconds(150))
                    try store.cut()
                }
            }
            try await group.waitForAll()
            cutter.cancel()
        }
        let madeAgain = servers.reduce(into: Set<String>()) { $0.formUnion($1.madeAgain) }
        try await check(model, try await store.catalog(), madeAgain)
        let catalog = try await store.catalog()
        _ = try await catalog.collect(dryRun: false, keeping: [], graceSeconds: 0)
        #expect(try await catalog.collect(dryRun: false, keeping: [], graceSeconds: 0) == Collected())
        try await check(model, try await store.catalog(), madeAgain)
        let faults = servers.reduce(0) { $0 + $1.faults.load(ordering: .relaxed) }
        let (done, refused, unknown) = await (model.done, model.refused, model.unknown)
        print("model \(kind) seed \(seed): \(done) moves, \(refused) refused, \(unknown) unknown, \(faults) faults")
        #expect(done > steps && faults > steps)
    }

    /// Compares a store with the model. A ref whose creation was asked for again, and that somebody dropped or renamed in
    /// between, may be there again: that cannot be told from one that was not made yet.
    func check(_ model: CatalogModel, _ catalog: VersionedCatalog, _ madeAgain: Set<String>) async throws {
        let refs = try await catalog.refs()
        var reached: [CommitID: CommitInfo] = [:]
        var pending = refs.map(\.head)
        while let id = pending.popLast() {
            if reached[id] != nil { continue }
            let info = try #require(try await catalog.log(.commit(id), limit: 1).first)
            reached[id] = info
            pending += info.parents
            await model.note(id, info.message)
        }
        let commits = await model.commits
        for (token, ids) in commits { #expect(ids.count == 1, "\(token) was committed \(ids.count) times") }
        let messages = Dictionary(grouping: reached.values, by: \.message)
        for ref in await model.refs.values {
            let found = refs.filter { found in
                found.kind == ref.kind && ref.names.contains { $0.0 == found.name && $0.1 != .refused }
            }
            let isGone = !ref.dropped.isEmpty || ref.names.count > 1
            if isGone, ref.names.contains(where: { madeAgain.contains($0.0) }) { continue }
            #expect(found.count <= 1)
            if ref.creation == .refused || ref.dropped.contains(where: { $0 == .done }) {
                #expect(found.isEmpty, "\(ref.names) was dropped and is there")
            } else if ref.creation == .done, ref.dropped.allSatisfy({ $0 == .refused }) {
                #expect(found.count == 1, "\(ref.names) is lost")
            }
            if ref.creation != .refused, found.count == 1 || ref.creation == .done {
                #expect(
                    ref.explains(found.first?.head) { commits[$0]?.first },
                    """
                    the moves of \(ref.names) do not lead from \(ref.start.hex.prefix(6)) to \
                    \(found.first?.head.hex.prefix(6) ?? "an end"): \
                    \(ref.moves.map { "\($0) = \(commits[$0.token]?.first?.hex.prefix(6) ?? "-")" }), \
                    dropped \(ref.dropped)
                    """)
            }
            for move in ref.moves where move.outcome == .refused && !move.isPrepared {
                #expect(messages[move.token] == nil, "\(move.token) was refused and is there")
            }
            if let days = found.first?.options.retainDays { #expect(ref.options.contains(days)) }
        }
        for id in reached.keys { try await ModelTests.compare(id, await model.state(id), catalog) }
    }

    static func compare(_ commit: CommitID, _ state: ModelState?, _ catalog: VersionedCatalog) async throws {
        let state = try #require(state, "a commit that nobody made: \(commit)")
        #expect(Set(try await catalog.schemas(at: commit)) == Set(state.schemas.values))
        for schema in state.schemas.keys {
            let names = Set(try await catalog.names(in: schema, at: commit))
            let expected = state.tables.filter { $0.key.schema == schema }
            #expect(names == Set(expected.keys))
            #expect(try await catalog.entries(names, at: commit) == expected)
        }
    }
}

/// One writer of the model test.
actor ModelWriter {
    private let name: String
    private let catalog: VersionedCatalog
    private let model: CatalogModel
    private var random: SeededRandom

    init(name: String, catalog: VersionedCatalog, model: CatalogModel, seed: UInt64) {
        self.name = name
        self.catalog = catalog
        self.model = model
        random = SeededRandom(seed)
    }

    /// Refusals; anything else that is not class 08 is a failure of the test.
    private static let refusals: Set<SQLState> = [
        .serializationFailure, .undefinedObject, .objectInUse,
        // A commit that was left behind, and collected while it was read.
        .dataCorrupted,
    ]

    private static func outcome(_ error: SQLError) -> ModelOutcome {
        if error.state.code.hasPrefix("08") { return .unknown }
        if !refusals.contains(error.state) { Issue.record("\(error)") }
        return .refused
    }

    /// Reads until there is no fault.
    private func reading<T: Sendable>(_ body: () async throws(SQLError) -> T) async throws(SQLError) -> T {
        while true {
            do throws(SQLError) {
                return try await body()
            } catch {
                guard error.state.code.hasPrefix("08") else { throw error }
            }
        }
    }

    func step() async throws {
        let refs = try await reading { () throws(SQLError) in try await catalog.refs() }
        let ref = refs[random.below(refs.count)]
        let branches = refs.filter { $0.kind == .branch }
        let branch = branches[random.below(branches.count)]
        let other = branches[random.below(branches.count)]
        for used in [ref, branch, other] { await model.use(used.head) }
        do throws(SQLError) {
            switch random.below(100) {
            case 0..<40: try await commit(branch)
            case 40..<52: try await merge(other, into: branch)
            case 52..<60: try await revert(branch)
            case 60..<68: try await create(ref, isFull: refs.count > 12)
            case 68..<75: if ref.name != "main" { try await drop(ref) }
            case 75..<80: if ref.name != "main" { try await rename(ref) }
            case 80..<84: try await set(ref)
            case 84..<88: try await goBack(branch)
            case 88..<92: try await collect()
            default: try await compare(ref)
            }
        } catch {
            _ = ModelWriter.outcome(error)
        }
        for used in [ref, branch, other] { await model.leave(used.head) }
    }

    // MARK: - Commits

    private func state(_ commit: CommitID) async throws(SQLError) -> ModelState {
        if let state = await model.state(commit) { return state }
        // Somebody's commit whose answer is still under way, or was lost.
        let log = try await reading { () throws(SQLError) in try await catalog.log(.commit(commit), limit: 1) }
        await model.note(commit, log[0].message)
        guard let state = await model.state(commit) else {
            throw SQLError(.internalError, "a commit that nobody made: \(commit)")
        }
        return state
    }

    private func changed(_ old: ModelState) -> ModelState {
        var state = old
        for _ in 0...random.below(5) {
            let schemas = state.schemas.keys.sorted()
            let schema = schemas[random.below(schemas.count)]
            let table = TableName(schema: schema, name: "t\(random.below(90))")
            switch random.below(20) {
            case 0: state.schemas["s\(random.below(3))"] = SchemaDefinition(name: "s\(random.below(3))")
            case 1 where schema != "public": state = state.applying([.dropSchema(schema)])
            case 2..<7: state.tables[table] = nil
            case 7..<12:
                state.tables[table] = .view(
                    ViewDefinition(sql: "SELECT \(random.next())", columnNames: [], searchPath: []))
            default:
                state.tables[table] = .managed(
                    ManagedDefinition(
                        format: "iceberg", identity: "x", metadataLocation: "/\(random.next())", snapshotID: nil))
            }
        }
        // The names under which schemas are kept are their own.
        for name in state.schemas.keys { state.schemas[name]?.name = name }
        return state
    }

    private func commit(_ branch: NamedRef) async throws(SQLError) {
        let old = try await state(branch.head)
        try await commit(branch, changed(old), old)
    }

    private func revert(_ branch: NamedRef) async throws(SQLError) {
        let log = try await reading { () throws(SQLError) in try await catalog.log(.commit(branch.head), limit: 1) }
        guard let parent = log[0].parents.first else { return }
        try await commit(branch, try await state(parent), try await state(branch.head))
    }

    private func commit(_ branch: NamedRef, _ new: ModelState, _ old: ModelState) async throws(SQLError) {
        let token = "\(name) \(await model.next())"
        await model.expect(token, new)
        var move = ModelRef.Move(from: branch.head, to: nil, token: token, outcome: .done, isPrepared: false)
        do throws(SQLError) {
            let id = try await catalog.commit(
                new.changes(from: old), to: branch.name, expecting: branch.head,
                note: CommitNote(author: name, message: token))
            await model.note(id, token)
            move.to = id
        } catch {
            move.outcome = ModelWriter.outcome(error)
        }
        await model.moved(branch.name, move)
    }

    private func merge(_ source: NamedRef, into target: NamedRef) async throws(SQLError) {
        let base = try await reading { () throws(SQLError) in try await catalog.mergeBase(source.head, target.head) }
        guard let base, base != source.head else { return }
        let (theirs, ours) = (try await state(source.head), try await state(target.head))
        let before = try await state(base)
        let differences = try await reading { () throws(SQLError) in
            try await catalog.differences(from: base, to: source.head)
        }
        var merged = ours
        var seen = 0
        for difference in differences {
            switch difference {
            case .schema(let name, let old, let new):
                if before.schemas[name] != old || theirs.schemas[name] != new { Issue.record("schema \(name)") }
                // A dropped schema stays: the target may have put something into it.
                if let new { merged.schemas[name] = new }
            case .entry(let name, let old, let new):
                if before.tables[name] != old || theirs.tables[name] != new { Issue.record("entry \(name)") }
                if merged.schemas[name.schema] != nil { merged.tables[name] = new }
                seen += 1
            }
        }
        let names = Set(before.tables.keys).union(theirs.tables.keys)
        #expect(seen == names.filter { before.tables[$0] != theirs.tables[$0] }.count)
        let token = "\(name) merges \(await model.next())"
        await model.expect(token, merged)
        let id = try await reading { () throws(SQLError) in
            try await catalog.prepare(
                merged.changes(from: ours), onto: target.head, merging: source.head,
                note: CommitNote(author: name, message: token))
        }
        await model.note(id, token)
        await model.use(id)
        try await move(target, to: id, token, isBack: false)
        await model.leave(id)
    }

    private func move(
        _ branch: NamedRef, to commit: CommitID, _ token: String, isBack: Bool
    ) async throws(SQLError) {
        var move = ModelRef.Move(
            from: branch.head, to: commit, token: token, outcome: .done, isPrepared: true, isBack: isBack)
        do throws(SQLError) {
            try await catalog.move(.branch, branch.name, from: branch.head, to: commit)
        } catch {
            move.outcome = ModelWriter.outcome(error)
        }
        await model.moved(branch.name, move)
    }

    private func goBack(_ branch: NamedRef) async throws(SQLError) {
        let log = try await reading { () throws(SQLError) in try await catalog.log(.commit(branch.head), limit: 5) }
        for known in log { await model.note(known.id, known.message) }
        let commit = log[random.below(log.count)].id
        if commit != branch.head { try await move(branch, to: commit, "", isBack: true) }
    }

    // MARK: - Refs

    private func create(_ ref: NamedRef, isFull: Bool) async throws(SQLError) {
        if isFull { return }
        let kind: NamedRef.Kind = random.chance(70) ? .branch : .tag
        let made = "r\(await model.next())"
        // Others may see it, and move it, before this writer has its answer.
        let id = await model.add(kind, made, at: ref.head, .unknown)
        do throws(SQLError) {
            try await catalog.create(kind, made, at: ref.head, RefOptions())
            await model.created(id, .done)
        } catch {
            // It may have been made, and dropped before the lost answer was asked for again.
            let isOwn = error.state == .duplicateObject
            await model.created(id, isOwn ? .unknown : ModelWriter.outcome(error))
        }
    }

    private func drop(_ ref: NamedRef) async throws(SQLError) {
        var outcome = ModelOutcome.done
        do throws(SQLError) {
            try await catalog.drop(ref.kind, ref.name)
        } catch {
            outcome = ModelWriter.outcome(error)
        }
        await model.dropped(ref.name, outcome)
    }

    private func rename(_ ref: NamedRef) async throws(SQLError) {
        let newName = "r\(await model.next())"
        await model.renaming(ref.name, to: newName)
        var outcome = ModelOutcome.done
        do throws(SQLError) {
            try await catalog.rename(ref.kind, ref.name, to: newName)
        } catch {
            outcome = ModelWriter.outcome(error)
        }
        await model.renamed(newName, outcome)
    }

    private func set(_ ref: NamedRef) async throws(SQLError) {
        let days = 1 + random.below(1_000)
        await model.set(days, of: ref.name)
        try await catalog.set(RefOptions(retainDays: days), of: ref.kind, ref.name)
    }

    // MARK: - Collections and checks

    private func collect() async throws(SQLError) {
        _ = try await catalog.collect(dryRun: random.chance(20), keeping: await model.used, graceSeconds: 0)
    }

    private func compare(_ ref: NamedRef) async throws(SQLError) {
        let expected = try await state(ref.head)
        for schema in expected.schemas.keys {
            let names = try await reading { () throws(SQLError) in try await catalog.names(in: schema, at: ref.head) }
            let entries = try await reading { () throws(SQLError) in
                try await catalog.entries(Set(names), at: ref.head)
            }
            #expect(entries == expected.tables.filter { $0.key.schema == schema })
        }
    }
}
