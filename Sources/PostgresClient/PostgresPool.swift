// Connections and the threads that wait on them: libpq's calls block, tasks do not.
public import Diagnostics
import Foundation

/// A bounded number of connections to one database, made when needed. A connection that was lost is replaced.
public final class PostgresPool: Sendable {
    private let workers: Workers

    /// Makes no connection yet. Every new connection is given to `greeting` first; when that throws, the call that needed
    /// the connection fails.
    public init(
        url: String, password: String? = nil, limits: PostgresLimits = PostgresLimits(),
        greeting: @escaping @Sendable (PostgresConnection) throws(SQLError) -> Void = { _ in }
    ) {
        workers = Workers(url: url, password: password, limits: limits, greeting: greeting)
    }

    deinit { workers.close() }

    /// Calls `body` with a connection, on a thread of its own. What it throws comes back as it is; a class 08 error says
    /// that the connection was lost (08007: after something was sent).
    public func run<T: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection) throws(SQLError) -> T
    ) async throws(SQLError) -> T {
        let result: Result<T, SQLError> = await withCheckedContinuation { continuation in
            workers.add { connection in
                do throws(SQLError) {
                    continuation.resume(returning: .success(try body(try connection.get())))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    /// Calls a body that only reads, again when the connection is lost.
    public func reading<T: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection) throws(SQLError) -> T
    ) async throws(SQLError) -> T {
        var wait = Duration.milliseconds(20)
        for _ in 1..<PostgresPool.attemptsMax {
            do throws(SQLError) {
                return try await run(body)
            } catch {
                guard error.state.code.hasPrefix("08") || error.state.code.hasPrefix("57P") else { throw error }
            }
            try? await Task.sleep(for: wait)
            wait *= 2
        }
        return try await run(body)
    }

    private static let attemptsMax = 6
}

/// The threads of a pool. Each has a connection of its own.
private final class Workers: @unchecked Sendable {
    // Sendable: the fields are used while holding `condition`.
    typealias Job = @Sendable (Result<PostgresConnection, SQLError>) -> Void
    private let condition = NSCondition()
    private let url: String
    private let password: String?
    private let limits: PostgresLimits
    private var jobs: [Job] = []
    /// The first of `jobs` that was not taken: taking is O(1).
    private var next = 0
    private static let takenMax = 1_000
    private var threads = 0
    private var idle = 0
    private var isClosed = false
    /// Grows when a connection is found lost: the others are then not trusted either.
    private var generation = 0

    private let greeting: @Sendable (PostgresConnection) throws(SQLError) -> Void

    init(
        url: String, password: String?, limits: PostgresLimits,
        greeting: @escaping @Sendable (PostgresConnection) throws(SQLError) -> Void
    ) {
        self.url = url
        self.password = password
        self.limits = limits
        self.greeting = greeting
    }

    func add(_ job: @escaping Job) {
        condition.lock()
        let isFull = jobs.count - next >= limits.waitingMax
        if !isFull {
            jobs.append(job)
            if idle == 0 || jobs.count - next > idle, threads < limits.connectionsMax {
                threads += 1
                Thread.detachNewThread { self.work() }
            }
            condition.signal()
        }
        condition.unlock()
        if isFull { job(.failure(SQLError(.tooManyConnections, "too many calls wait for the database"))) }
    }

    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }

    private func work() {
        var connection: PostgresConnection?
        var made = 0
        while let (job, generation) = take() {
            if generation != made { connection = nil }
            do throws(SQLError) {
                let open: PostgresConnection
                if let connection { open = connection } else { open = try connected() }
                (connection, made) = (open, generation)
                job(.success(open))
                if !open.isIdle {
                    noteLost(open, made)
                    connection = nil
                }
            } catch {
                job(.failure(error))
            }
        }
    }

    private func connected() throws(SQLError) -> PostgresConnection {
        let connection = try PostgresConnection(url: url, password: password, limits: limits)
        try greeting(connection)
        return connection
    }

    private func noteLost(_ connection: PostgresConnection, _ made: Int) {
        condition.lock()
        if connection.isLost, generation == made { generation += 1 }
        condition.unlock()
    }

    /// Waits for a job; nil when the thread should end.
    private func take() -> (Job, generation: Int)? {
        condition.lock()
        defer { condition.unlock() }
        let until = Date(timeIntervalSinceNow: limits.idleSeconds)
        while next == jobs.count {
            if isClosed { return nil }
            idle += 1
            let isSignaled = condition.wait(until: until)
            idle -= 1
            if !isSignaled, next == jobs.count {
                threads -= 1
                return nil
            }
        }
        let job = jobs[next]
        next += 1
        if next == jobs.count || next > Workers.takenMax {
            jobs.removeFirst(next)
            next = 0
        }
        return (job, generation)
    }
}
