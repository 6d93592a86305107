// COLLECT GARBAGE: lets go of commits that retention let go, then removes files of tables that no kept commit leads to.
import Catalogs
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

extension Session {
    static let garbageColumns = [
        ResultColumn("path", .text), ResultColumn("size_bytes", .int8), ResultColumn("modified_at", .timestamptz),
    ]

    func collectGarbage(_ statement: UpkeepStatement.CollectGarbage) async throws(SQLError) -> any ResultStream {
        let minAge = Int64(settings["garbage_min_age"]) ?? Session.garbageAgeMilliseconds
        let now = planContext().functions.statementTime
        let cutoff = try statement.olderThan.map { (age) throws(SQLError) in try instant(age) } ?? now - minAge * 1000
        let collector = GarbageCollector(engine: engine, own: hold, now: now)
        let isDryRun = statement.isDryRun
        let found = try await currentWatch.perform { () async throws(SQLError) -> GarbageCollector.Found in
            try await collector.collect(olderThan: cutoff, isDryRun: isDryRun)
        }
        if found.commits > 0 {
            let text = "\(found.commits) commits that retention let go \(isDryRun ? "would be" : "were") forgotten"
            notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, text)))
        }
        if found.cutoff < cutoff, let since = Scalar(.timestamptz, .int(found.cutoff)).outputText() {
            let text = "files since \(since) are kept: a session has been busy since then"
            notices.append(SQLNotice(.notice, SQLError(.successfulCompletion, text)))
        }
        let rows: [[Scalar]] = found.files.map {
            [.text($0.path), .int8($0.sizeBytes), Scalar(.timestamptz, .int($0.modified))]
        }
        return FixedStream(
            Session.garbageColumns, rows, tag: .done("COLLECT GARBAGE \(found.files.count)"),
            timeZone: planContext().functions.timeZone)
    }

    /// A day.
    private static let garbageAgeMilliseconds: Int64 = 86_400_000

    /// `'7 days'`, `interval '7 days'` or an instant: microseconds since 1970.
    func instant(_ expression: Syntax.Expression) throws(SQLError) -> Int64 {
        let context = planContext()
        if let age = try? Binder.value(of: expression, as: .interval, context: context),
            case .interval(let interval) = age.value
        {
            let back = Interval(
                months: 0 &- interval.months, days: 0 &- interval.days, microseconds: 0 &- interval.microseconds)
            return try Calendar.add(context.functions.statementTime, back)
        }
        let value = try Binder.value(of: expression, as: .timestamptz, context: context)
        guard case .int(let microseconds) = value.value else {
            throw SQLError(.invalidParameterValue, "the age must not be null", position: expression.position)
        }
        return microseconds
    }
}

/// One collection.
///
/// Whatever a statement reads was led to by a ref when it began, or stands in a commit that its transaction has pinned. So
/// nothing goes that a ref left, or that was written, since the oldest session that is busy began: the catalog keeps such
/// commits by its grace period, and files are told by their age.
struct GarbageCollector: Sendable {
    let engine: Engine
    let own: SessionHold?
    let now: Int64

    struct Found: Sendable {
        var files: [LostFile] = []
        var commits = 0
        /// Files older than this were looked at.
        var cutoff: Int64
    }

    /// Clocks of the catalog, of the object store and of this machine may differ by so much.
    private static let clockSkewMicroseconds: Int64 = 60_000_000

    /// Removes files older than an instant; with `isDryRun` only lists them.
    func collect(olderThan: Int64, isDryRun: Bool) async throws(SQLError) -> Found {
        let busy = engine.holds.others(than: own).map(\.now)
        let cutoff = busy.compactMap(\.since).reduce(olderThan) { min($0, $1 - GarbageCollector.clockSkewMicroseconds) }
        var found = Found(cutoff: cutoff)
        guard let garbage = engine.managed.garbageCollection() else { return found }
        let pinned = Set(busy.flatMap(\.pinned))
        let graceSeconds = Int(clamping: (max(0, now - cutoff) + 999_999) / 1_000_000)
        found.commits = try await engine.catalog.collect(
            dryRun: isDryRun, keeping: pinned, graceSeconds: graceSeconds
        ).commitCount
        var tables = try await engine.catalog.reachableTables(keeping: pinned, graceSeconds: graceSeconds)
        tables.formUnion(own?.now.temporaries ?? [])
        for session in busy { tables.formUnion(session.temporaries) }
        for table in tables { try await garbage.mark(table) }
        found.files = try await garbage.unmarked(olderThan: cutoff)
        if !isDryRun { try await garbage.remove(found.files) }
        return found
    }
}
