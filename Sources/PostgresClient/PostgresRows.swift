// What a statement returned.
import CPq
public import Diagnostics
public import Foundation

/// The rows of a statement, in the server's binary format.
public struct PostgresRows {
    private let result: PostgresResult
    /// Rows returned.
    public let count: Int

    init(_ result: PostgresResult) {
        self.result = result
        count = Int(PQntuples(result.pointer))
    }

    /// Rows that INSERT, UPDATE or DELETE changed.
    public var changed: Int { Int(String(cString: PQcmdTuples(result.pointer))) ?? 0 }

    /// nil for NULL.
    private func value(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer? {
        let (row, column) = (Int32(truncatingIfNeeded: row), Int32(truncatingIfNeeded: column))
        guard row < PQntuples(result.pointer), column < PQnfields(result.pointer),
            PQgetisnull(result.pointer, row, column) == 0, let start = PQgetvalue(result.pointer, row, column)
        else { return nil }
        return UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(result.pointer, row, column)))
    }

    public func data(_ row: Int, _ column: Int) -> Data? { value(row, column).map { Data($0) } }

    public func text(_ row: Int, _ column: Int) -> String? {
        value(row, column).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A whole number of two, four or eight bytes.
    public func int(_ row: Int, _ column: Int) -> Int64? {
        guard let bytes = value(row, column), [2, 4, 8].contains(bytes.count) else { return nil }
        let bits = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let shift = UInt64(64 - 8 * bytes.count)
        return Int64(bitPattern: bits << shift) >> Int64(shift)
    }

    public func bool(_ row: Int, _ column: Int) -> Bool? { value(row, column).map { $0.first == 1 } }

    /// A column that cannot be NULL. Throws XX001 when it is: the table is not the one that was meant.
    public func required<T>(_ value: T?) throws(SQLError) -> T {
        guard let value else { throw SQLError(.dataCorrupted, "the database returned a value of another type") }
        return value
    }
}

/// Owns a result of libpq.
final class PostgresResult {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { PQclear(pointer) }
}
