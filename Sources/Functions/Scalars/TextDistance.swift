// How far two strings are apart: DuckDB's hamming, levenshtein, damerau_levenshtein, jaccard.
import Columns
import Diagnostics

enum TextDistance {
    static let all: [Overload] =
        ["hamming", "mismatches"].map { distance($0, hamming) }
        + ["levenshtein", "editdist3"].map { name in
            distance(name) { (a, b) throws(SQLError) in try edits(a, b, swaps: false) }
        }
        + [distance("damerau_levenshtein") { (a, b) throws(SQLError) in try edits(a, b, swaps: true) }]
        + [
            Overload(
                "jaccard", [.text, .text], .float8,
                Rowwise.binary(.float8) { (a: StringView, b: StringView) throws(SQLError) -> Double in
                    let (x, y) = (Set(characters(a)), Set(characters(b)))
                    guard !x.isEmpty, !y.isEmpty else {
                        throw SQLError(.invalidParameterValue, "jaccard needs strings that are not empty")
                    }
                    return Double(x.intersection(y).count) / Double(x.union(y).count)
                })
        ]

    private static func characters(_ view: StringView) -> [Unicode.Scalar] {
        view.withBytes { Array(String(decoding: $0, as: UTF8.self).unicodeScalars) }
    }

    private static func distance(
        _ name: String,
        _ body: @escaping @Sendable ([Unicode.Scalar], [Unicode.Scalar]) throws(SQLError) -> Int
    ) -> Overload {
        Overload(
            name, [.text, .text], .int8,
            Rowwise.binary(.int8) { (a: StringView, b: StringView) throws(SQLError) -> Int64 in
                Int64(try body(characters(a), characters(b)))
            })
    }

    @Sendable
    private static func hamming(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) throws(SQLError) -> Int {
        guard a.count == b.count, !a.isEmpty else {
            throw SQLError(.invalidParameterValue, "strings must be of equal length and not empty")
        }
        return zip(a, b).count { $0 != $1 }
    }

    /// Characters of a string whose distances are counted: the work grows with the product of both lengths.
    private static let lengthMax = 10_000

    /// Insertions, removals and replacements from one to the other; with swaps, exchanges of neighbours count as one.
    private static func edits(
        _ a: [Unicode.Scalar], _ b: [Unicode.Scalar], swaps: Bool
    ) throws(SQLError) -> Int {
        guard a.count <= lengthMax, b.count <= lengthMax else {
            throw SQLError(.programLimitExceeded, "distances are counted up to \(lengthMax) characters")
        }
        var before: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            row.reserveCapacity(b.count + 1)
            for j in b.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if swaps, i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, before[j - 1] + 1) }
                row.append(best)
            }
            (before, last) = (last, row)
        }
        return last[b.count]
    }
}
