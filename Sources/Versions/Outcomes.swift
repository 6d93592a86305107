// Changes whose answer was lost. A store that cannot say whether a change has happened is asked for it again: every
// change here either is the same when it happens twice, or can be told from its traces.
import Catalogs
import Diagnostics
import Synchronization

extension VersionedCatalog {
    /// Times that a change is asked for, and the wait before the next time, which doubles.
    private static let attemptsMax = 6
    private static let firstWait = Duration.milliseconds(20)

    /// Whether a change that failed like this may be asked for again: its answer was lost (class 08, a disk's 58), or the
    /// database undid it for reasons of its own (deadlock, shutdown, failover).
    static func mayBeAskedAgain(_ error: SQLError) -> Bool {
        let code = error.state.code
        return code.hasPrefix("08") || code.hasPrefix("58") || code.hasPrefix("57P") || code == "40P01"
            || error.state == .readOnlyTransaction || error.state == .tooManyConnections
    }

    /// Carries out a change that may happen twice. It is not given up when the task is cancelled: it is short, and half
    /// an answer is worse than none.
    func resolving<T: Sendable>(
        _ change: @escaping @Sendable () async throws(SQLError) -> T
    ) async throws(SQLError) -> T {
        let task = Task { () -> Result<T, SQLError> in
            var wait = VersionedCatalog.firstWait
            var attempt = 1
            while true {
                do throws(SQLError) {
                    return .success(try await change())
                } catch {
                    guard VersionedCatalog.mayBeAskedAgain(error), attempt < VersionedCatalog.attemptsMax else {
                        return .failure(error)
                    }
                }
                attempt += 1
                try? await Task.sleep(for: wait)
                wait *= 2
            }
        }
        return try await task.value.get()
    }

    /// Moves a ref. When an answer is lost the same move is asked for again: it then either happens, or fails because the
    /// ref is elsewhere, and from then on the first one cannot happen any more. Whether the commit is there, or where the
    /// ref is, tells which of the two it was.
    func moved(_ move: RefMove, writing new: NewObjects) async throws(SQLError) -> MoveOutcome {
        let lost = LostAnswer()
        return try await resolving { () throws(SQLError) in
            do throws(SQLError) {
                // The ref may be where the move began although it took place: somebody moved it back since.
                if lost.isLost, new.commit != nil, try await hasHappened(move, new) { return .done }
                let outcome = try await store.move(move, writing: new)
                guard outcome == .refMoved, lost.isLost, try await hasHappened(move, new) else { return outcome }
                return .done
            } catch {
                lost.note(error)
                throw error
            }
        }
    }

    /// Whether a ref that is not where a move began is there because of that move.
    private func hasHappened(_ move: RefMove, _ new: NewObjects) async throws(SQLError) -> Bool {
        // A commit is written by the transaction that moves the ref, and by nothing else.
        if let to = move.to, new.commit == to { return try await store.objects([to])[to] != nil }
        switch (move.from, move.to) {
        case (nil, _?):
            return try await isThere(move.kind, createdAt: move.time)
        case (_?, nil):
            if let createdAt = move.removing { return try await !isThere(move.kind, createdAt: createdAt) }
            return try await store.ref(move.kind, move.name) == nil
        case (_?, let to?):
            // Others may have committed on top of it.
            guard let ref = try await store.ref(move.kind, move.name), let from = move.from,
                try await history.descends(ref.head, from: to)
            else { return false }
            // A move back, to where history of both begins to differ: not where another such move has put it.
            let isBack = try await history.descends(from, from: to)
            if !isBack { return true }
            return try await history.mergeBase(ref.head, from) == to
        case (nil, nil): return false
        }
    }

    /// Whether there is a ref that was made at this time: others may have committed to it, or given it another name.
    private func isThere(_ kind: NamedRef.Kind, createdAt: Int64) async throws(SQLError) -> Bool {
        try await store.refs().contains { $0.kind == kind && $0.createdAt == createdAt }
    }

    /// Renames a ref; false when the new name is taken or the old one does not exist.
    func renamed(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) -> Bool {
        guard let old = try await store.ref(kind, name) else { return false }
        let lost = LostAnswer()
        return try await resolving { () throws(SQLError) in
            do throws(SQLError) {
                if try await store.rename(kind, name, to: newName) { return true }
                guard lost.isLost, try await store.ref(kind, name) == nil else { return false }
                return try await store.ref(kind, newName)?.createdAt == old.createdAt
            } catch {
                lost.note(error)
                throw error
            }
        }
    }
}

/// Whether an answer to a change was lost. Attempts follow one another.
private final class LostAnswer: Sendable {
    private let lost = Atomic<Bool>(false)

    var isLost: Bool { lost.load(ordering: .acquiring) }

    func note(_ error: SQLError) { lost.store(true, ordering: .releasing) }
}
