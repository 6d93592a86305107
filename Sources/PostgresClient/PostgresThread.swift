// Calls of libpq block; tasks must not.
public import Diagnostics
import Foundation

/// Runs what waits for a server on a thread of its own.
public enum PostgresThread {
    /// Calls `body` on a new thread. For what happens once or twice a statement; a pool serves what is frequent.
    public static func run<T: Sendable>(
        _ body: @escaping @Sendable () throws(SQLError) -> T
    ) async throws(SQLError) -> T {
        let result: Result<T, SQLError> = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                do throws(SQLError) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
