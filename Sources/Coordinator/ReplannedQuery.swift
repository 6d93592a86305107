// A query whose files turn out to be other than was remembered: it is planned a second time, while it has given no rows.
import Catalogs
import Columns
import Diagnostics
import Planner
import Synchronization

/// Runs a query, and once more if a remembered listing was wrong.
final class ReplannedQuery: RunningQuery {
    typealias Start = @Sendable () async throws(SQLError) -> any RunningQuery

    private struct State {
        var query: any RunningQuery
        /// Nil once it may not be started again.
        var again: Start?
        var cancelled: SQLError?
    }

    private let format: any TableFormat
    private let wrongBefore: Int
    private let state: Mutex<State>

    private init(_ query: any RunningQuery, _ format: any TableFormat, _ wrongBefore: Int, _ again: @escaping Start) {
        self.format = format
        self.wrongBefore = wrongBefore
        state = Mutex(State(query: query, again: again))
    }

    /// Starts a query that changes nothing.
    static func start(_ format: any TableFormat, _ start: @escaping Start) async throws(SQLError) -> any RunningQuery {
        let wrongBefore = format.wrongListings
        do throws(SQLError) {
            return ReplannedQuery(try await start(), format, wrongBefore, start)
        } catch {
            guard format.wrongListings != wrongBefore, error.state != .queryCanceled else { throw error }
            return try await start()
        }
    }

    private var query: any RunningQuery { state.withLock { $0.query } }

    func next() async throws(SQLError) -> Batch? {
        let failure: SQLError
        do throws(SQLError) {
            let batch = try await query.next()
            if batch != nil { state.withLock { $0.again = nil } }
            return batch
        } catch { failure = error }
        let again = state.withLock { state in
            defer { state.again = nil }
            return state.cancelled == nil ? state.again : nil
        }
        guard let again, format.wrongListings != wrongBefore, failure.state != .queryCanceled else { throw failure }
        await query.ended()
        let made = try await again()
        let cancelled = state.withLock { state in
            state.query = made
            return state.cancelled
        }
        if let cancelled { made.cancel(cancelled) }
        return try await made.next()
    }

    func cancel(_ reason: SQLError) {
        let query = state.withLock { state in
            state.cancelled = state.cancelled ?? reason
            return state.query
        }
        query.cancel(reason)
    }

    func ended() async { await query.ended() }
    var report: RunReport { query.report }
    var progress: Double? { query.progress }
}
