// What may end a statement before its time: the client's cancel and statement_timeout, while it is planned as well as
// while it runs.
import Diagnostics
import Planner
import Synchronization

/// Watches over one statement, from its start to the answer. `stop` may come from any thread.
final class StatementWatch: Sendable {
    private struct State {
        var cause: SQLError?
        var isOver = false
        /// Ends what is being done now.
        var onStop: (@Sendable (SQLError) -> Void)?
        var timer: Task<Void, Never>?
    }

    private let state = Mutex(State())

    /// Starts the clock; 0 is no timeout.
    init(timeoutMilliseconds: Int) {
        guard timeoutMilliseconds > 0 else { return }
        let timer = Task { [weak self] in
            try? await Task.sleep(for: .milliseconds(timeoutMilliseconds))
            guard !Task.isCancelled else { return }
            self?.stop(SQLError(.queryCanceled, "canceling statement due to statement timeout"))
        }
        state.withLock { $0.timer = timer }
    }

    deinit { state.withLock { $0.timer }?.cancel() }

    /// Ends the statement. The first cause counts.
    func stop(_ cause: SQLError) {
        let onStop = state.withLock { state -> (@Sendable (SQLError) -> Void)? in
            guard state.cause == nil, !state.isOver else { return nil }
            state.cause = cause
            return state.onStop
        }
        onStop?(cause)
    }

    /// Says what to do when the statement is to end; done at once when it is to end already.
    func onStop(_ action: @escaping @Sendable (SQLError) -> Void) {
        let cause = state.withLock { state -> SQLError? in
            state.onStop = action
            return state.cause
        }
        if let cause { action(cause) }
    }

    /// From now on the statement ends with its query.
    func follow(_ query: any RunningQuery) { onStop { query.cancel($0) } }

    /// The statement has been answered: neither cancel nor timeout is about it any more.
    func end() {
        let timer = state.withLock { state -> Task<Void, Never>? in
            state.isOver = true
            state.onStop = nil
            defer { state.timer = nil }
            return state.timer
        }
        timer?.cancel()
    }

    /// Does a part of the statement that cannot be interrupted everywhere. When the statement is stopped the caller goes
    /// on at once with the cause; the work is told by its task's cancellation, and what it still brings is discarded.
    func perform<R: Sendable>(
        _ work: @escaping @Sendable () async throws(SQLError) -> R,
        discard: @escaping @Sendable (R, SQLError) -> Void = { _, _ in }
    ) async throws(SQLError) -> R {
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<Result<R, SQLError>, Never>) in
            let answer = FirstAnswer(continuation)
            let task = Task(executorPreference: PlanningThreads.shared) {
                do throws(SQLError) {
                    let value = try await work()
                    if let cause = answer.give(.success(value)) { discard(value, cause) }
                } catch {
                    _ = answer.give(.failure(error))
                }
            }
            onStop { cause in
                _ = answer.give(.failure(cause))
                task.cancel()
            }
        }
        return try result.get()
    }
}

/// A continuation that the first of two takes.
private final class FirstAnswer<R: Sendable>: Sendable {
    private struct State {
        var continuation: CheckedContinuation<Result<R, SQLError>, Never>?
        /// Why the work was given up, if it was.
        var cause: SQLError?
    }
    private let state: Mutex<State>

    init(_ continuation: CheckedContinuation<Result<R, SQLError>, Never>) {
        state = Mutex(State(continuation: continuation))
    }

    /// Answers unless someone has; then returns the error that was the answer.
    func give(_ result: Result<R, SQLError>) -> SQLError? {
        let (continuation, cause) = state.withLock { state in
            defer {
                if state.continuation != nil, case .failure(let error) = result { state.cause = error }
                state.continuation = nil
            }
            return (state.continuation, state.cause)
        }
        continuation?.resume(returning: result)
        return continuation == nil ? cause : nil
    }
}
