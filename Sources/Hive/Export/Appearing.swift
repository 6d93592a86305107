// The moment at which the files of an export appear: all are written by then, and what is left to do is one request each.
// Where one of them fails, those that appeared before it are removed, and the error tells what could not be.

import Diagnostics
import Foundation
import Storage
import Synchronization

enum Appearing {
    /// Files that are completed at one time.
    private static let atOnce = 16
    /// Paths that an error names.
    private static let namedMax = 3

    struct Outcome: Sendable {
        var all = 0
        /// Those that are to be seen.
        var appeared: [ObjectPath] = []
        /// Those whose store did not say whether they are.
        var uncertain: [ObjectPath] = []
        /// The first error.
        var error: SQLError?
    }

    private struct State {
        var next = 0
        var outcome = Outcome()
    }

    /// Files that threads take one after the other.
    private final class Work: @unchecked Sendable {
        // Sendable: `state` gives each file to one thread.
        let files: [ExportFile]
        let state: Mutex<State>

        init(_ files: [ExportFile]) {
            self.files = files
            state = Mutex(State(outcome: Outcome(all: files.count)))
        }

        /// The next file; nil when there is none, or one failed.
        func take() -> ExportFile? {
            state.withLock { state in
                guard state.outcome.error == nil, state.next < files.count else { return nil }
                defer { state.next += 1 }
                return files[state.next]
            }
        }

        func complete(_ precondition: Precondition) {
            while let file = take() {
                do throws(SQLError) {
                    try file.complete(if: precondition)
                    state.withLock { $0.outcome.appeared.append(file.path) }
                } catch {
                    state.withLock { state in
                        // Somebody else's file, where one was in the way.
                        if error.state != .duplicateFile { state.outcome.uncertain.append(file.path) }
                        state.outcome.error = state.outcome.error ?? error
                    }
                }
            }
        }
    }

    /// Completes files that are written. Blocks. After an error no more are begun, and those begun are waited for.
    static func run(_ files: [ExportFile], if precondition: Precondition) -> Outcome {
        let work = Work(files)
        let group = DispatchGroup()
        for _ in 0..<min(atOnce, files.count) {
            group.enter()
            let thread = Thread {
                work.complete(precondition)
                group.leave()
            }
            thread.name = "export"
            thread.start()
        }
        group.wait()
        return work.state.withLock { $0.outcome }
    }

    /// Paths as an error lists them.
    fileprivate static func list(_ paths: [ObjectPath]) -> String {
        let named = paths.prefix(namedMax).map { "\"\($0)\"" }.joined(separator: ", ")
        return paths.count > namedMax ? "\(named) and \(paths.count - namedMax) more" : named
    }
}

extension Appearing.Outcome {
    /// Removes what appeared before one file failed, and says what is left. `earlier`: files that were there before; what
    /// replaced them stays, since what they were cannot come back.
    func undone(in store: any ObjectStore, earlier: Set<ObjectPath>) async -> SQLError {
        guard let error else { return SQLError(.internalError, "nothing is to be undone") }
        let isSingle = all == 1
        let replaced = isSingle ? [] : appeared.filter { earlier.contains($0) }
        var left: [ObjectPath] = []
        // The one file of an export may have replaced another, and is whole if it is there.
        for path in isSingle ? [] : (appeared + uncertain).filter({ !earlier.contains($0) }) {
            do throws(SQLError) { try await store.delete([path], metrics: nil) } catch { left.append(path) }
        }
        var details: [String] = []
        if !replaced.isEmpty { details.append("These replaced earlier files and stay: \(Appearing.list(replaced)).") }
        if !left.isEmpty { details.append("These could not be removed: \(Appearing.list(left)).") }
        if details.isEmpty { return error }
        details.append("The other files of \(all) are not there.")
        return SQLError(
            error.state, error.message, detail: ((error.detail.map { [$0] } ?? []) + details).joined(separator: " "),
            hint: error.hint)
    }
}
