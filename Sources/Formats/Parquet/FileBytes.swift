// The bytes of a file that a scan reads: all of a small file, or what was asked for.

import Columns
import Diagnostics
import Storage

/// Gives byte ranges of a file.
enum FileBytes {
    case whole(Bytes)
    case fetched(RangeFetch)

    /// The bytes that hold a range, and where it starts in them; waits for them if need be.
    func bytes(_ range: Range<Int64>) throws(Damage) -> (bytes: Bytes, offset: Int) {
        switch self {
        case .whole(let bytes):
            guard range.lowerBound >= 0, range.upperBound <= Int64(bytes.count) else {
                throw Damage("bytes outside the file are referred to", at: range.lowerBound)
            }
            return (bytes, Int(range.lowerBound))
        case .fetched(let fetch):
            do throws(SQLError) { return try fetch.bytes(for: range) } catch { throw Damage(error) }
        }
    }
}
