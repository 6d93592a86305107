// COPY both ways over one connection: rows pass through as the server's messages, nothing is collected.
import CPq
public import Diagnostics

extension PostgresConnection {
    /// Begins COPY ... TO STDOUT; `nextRow` gives its messages.
    public func beginCopyOut(_ sql: String) throws(SQLError) {
        _ = try checked(PQexec(connection, sql), begun: PGRES_COPY_OUT)
    }

    /// Calls `body` with the next message of COPY OUT, a row in binary format; false at the end.
    public func nextRow(_ body: (UnsafeRawBufferPointer) -> Void) throws(SQLError) -> Bool {
        var start: UnsafeMutablePointer<CChar>?
        let count = PQgetCopyData(connection, &start, 0)
        if count > 0, let start {
            body(UnsafeRawBufferPointer(start: start, count: Int(count)))
            PQfreemem(start)
            return true
        }
        // -1: the end, whose result says whether it went well; -2: an error.
        while let pointer = PQgetResult(connection) { _ = try checked(pointer) }
        guard count == -1, !isLost else { throw lost() }
        return false
    }

    /// Begins COPY ... FROM STDIN.
    public func beginCopyIn(_ sql: String) throws(SQLError) {
        _ = try checked(PQexec(connection, sql), begun: PGRES_COPY_IN)
    }

    /// Sends a piece of the data; waits while the server is slow. When the server has refused the rows, throws its reason.
    public func put(_ bytes: UnsafeRawBufferPointer) throws(SQLError) {
        var rest = bytes
        while !rest.isEmpty {
            let piece = min(rest.count, Self.pieceBytesMax)
            let sent = PQputCopyData(
                connection, rest.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(truncatingIfNeeded: piece))
            guard sent == 1 else {
                try drain()
                throw lost()
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[piece...])
        }
    }

    /// Sends a few bytes.
    public func put(_ bytes: [UInt8]) throws(SQLError) {
        let result: Result<Void, SQLError> = bytes.withUnsafeBytes { raw in
            do throws(SQLError) {
                return .success(try put(raw))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Ends COPY IN; returns the rows that were added. With a reason the COPY fails, and nothing is thrown.
    @discardableResult
    public func endCopyIn(failing reason: String? = nil) throws(SQLError) -> Int {
        guard PQputCopyEnd(connection, reason) == 1 else {
            try drain()
            throw lost()
        }
        guard reason == nil else {
            while let pointer = PQgetResult(connection) { PQclear(pointer) }
            return 0
        }
        return try drain()
    }

    /// Reads what the statement returns to its end; returns the rows it changed.
    @discardableResult
    private func drain() throws(SQLError) -> Int {
        var failure: SQLError?
        var changed = 0
        while let pointer = PQgetResult(connection) {
            do throws(SQLError) {
                changed = PostgresRows(try checked(pointer)).changed
            } catch {
                failure = failure ?? error
                if isLost { break }
            }
        }
        if let failure { throw failure }
        return changed
    }

    private static var pieceBytesMax: Int { 1 << 20 }

    /// What stops a statement of this connection from another thread.
    public func canceller() -> PostgresCanceller? { PQgetCancel(connection).map { PostgresCanceller($0) } }
}

/// Asks a server to stop what a connection is waiting for.
public final class PostgresCanceller: @unchecked Sendable {
    // Sendable: libpq lets any thread use it.
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { PQfreeCancel(handle) }

    /// Connects to the server for it: may wait. The statement then ends with 57014, unless it has ended already.
    public func cancel() {
        var message = [CChar](repeating: 0, count: 256)
        _ = PQcancel(handle, &message, Int32(message.count))
    }
}
