// What is wrong with a file, before the path and the column are known; becomes an SQLError at the edge of the target.

import Columns
import Diagnostics
import Storage

/// A defect of a file, or a part of the format that is not supported.
struct Damage: Error {
    enum Kind { case corrupted, unsupported, text }

    var kind: Kind = .corrupted
    var reason: String
    /// Bytes from the start of the file, when known.
    var offset: Int64?
    /// The error that storage gave, which needs no words of ours.
    var cause: SQLError?

    init(_ reason: String, at offset: Int64? = nil, kind: Kind = .corrupted) {
        self.reason = reason
        self.offset = offset
        self.kind = kind
    }

    init(_ cause: SQLError) {
        reason = cause.message
        self.cause = cause
    }

    static func unsupported(_ what: String) -> Damage { Damage(what, kind: .unsupported) }

    /// The error for the client.
    func error(in path: ObjectPath, column: String? = nil) -> SQLError {
        if let cause { return cause }
        let place = column.map { ": column \"\($0)\"" } ?? ""
        switch kind {
        case .corrupted:
            let position = offset.map { " at offset \($0)" } ?? ""
            return SQLError(.dataCorrupted, "could not read Parquet file \"\(path)\"\(place): \(reason)\(position)")
        case .unsupported:
            return SQLError(
                .featureNotSupported, "could not read Parquet file \"\(path)\"\(place): \(reason) is not supported")
        case .text:
            return SQLError(
                .characterNotInRepertoire,
                "invalid byte sequence for encoding \"UTF8\" in Parquet file \"\(path)\"\(place)")
        }
    }
}
