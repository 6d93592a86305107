// Bounds of partitions as a parent's properties keep them: which rows each takes, as SQL, and in which order they come.
import Catalogs
import Syntax

/// The bound of one partition; its values are literals.
struct StoredBound: Sendable {
    enum Datum: Sendable, Equatable {
        case minimum, maximum, null
        /// A value's text.
        case value(String)
    }

    enum Kind: Sendable {
        case rest
        case list([Datum])
        case range(from: [Datum], to: [Datum])
        case hash(modulus: Int, remainder: Int)
    }

    var kind: Kind

    init(_ kind: Kind) { self.kind = kind }

    /// Reads the text of a property.
    init?(_ text: String) {
        guard let bound = try? Parser.parsePartitionBound(text) else { return nil }
        switch bound {
        case .rest: kind = .rest
        case .list(let values): kind = .list(values.map(StoredBound.datum))
        case .range(let from, let to): kind = .range(from: from.map(StoredBound.datum), to: to.map(StoredBound.datum))
        case .hash(let modulus, let remainder): kind = .hash(modulus: modulus, remainder: remainder)
        }
    }

    private static func datum(_ datum: PartitionBound.Datum) -> Datum {
        switch datum {
        case .minimum: .minimum
        case .maximum: .maximum
        case .value(let expression): StoredBound.datum(expression)
        }
    }

    private static func datum(_ expression: Expression) -> Datum {
        switch expression.node {
        case .string(let text), .integer(let text), .decimal(let text): .value(text)
        case .boolean(let value): .value(value ? "true" : "false")
        default: .null
        }
    }

    var isRest: Bool { if case .rest = kind { true } else { false } }

    /// As `pg_get_expr(relpartbound)` prints it. `isPlain`: whether values of a key are written without quotes.
    func text(_ isPlain: [Bool]) -> String {
        func written(_ data: [Datum]) -> String {
            data.enumerated().map { index, datum in
                StoredBound.literal(datum, isPlain: isPlain[min(index, isPlain.count - 1)])
            }.joined(separator: ", ")
        }
        switch kind {
        case .rest: return "DEFAULT"
        case .list(let data):
            let values = data.map { StoredBound.literal($0, isPlain: isPlain[0]) }
            return "FOR VALUES IN (\(values.joined(separator: ", ")))"
        case .range(let from, let to): return "FOR VALUES FROM (\(written(from))) TO (\(written(to)))"
        case .hash(let modulus, let remainder):
            return "FOR VALUES WITH (modulus \(modulus), remainder \(remainder))"
        }
    }

    private static func literal(_ datum: Datum, isPlain: Bool) -> String {
        switch datum {
        case .minimum: return "MINVALUE"
        case .maximum: return "MAXVALUE"
        case .null: return "NULL"
        case .value(let text):
            let isBare = isPlain && !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) || $0 == 46 }
            return isBare || isPlain && ["true", "false"].contains(text) ? text : quoted(text)
        }
    }

    static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }

    // MARK: - Conditions

    /// What rows of the partition satisfy, and no others: true or false, never NULL. nil for DEFAULT.
    func condition(_ by: PartitionBy) -> String? {
        let keys = by.keys.map { "(\($0.text))" }
        switch kind {
        case .rest: return nil
        case .hash(let modulus, let remainder):
            return "partition_fits(partition_hash(\(keys.joined(separator: ", "))), \(modulus), \(remainder))"
        case .list(let data):
            var values: [String] = []
            for case .value(let text) in data { values.append(StoredBound.quoted(text)) }
            let isAny = "(\(keys[0]) IS NOT NULL AND \(keys[0]) IN (\(values.joined(separator: ", "))))"
            guard data.contains(.null) else { return isAny }
            return values.isEmpty ? "(\(keys[0]) IS NULL)" : "(\(keys[0]) IS NULL OR \(isAny))"
        case .range(let from, let to):
            let parts = keys.map { "\($0) IS NOT NULL" } + [lower(keys, from, 0), upper(keys, to, 0)].compactMap { $0 }
            return "(" + parts.joined(separator: " AND ") + ")"
        }
    }

    /// Keys from the one at `index` on are not below the bound; nil: always.
    private func lower(_ keys: [String], _ bound: [Datum], _ index: Int) -> String? {
        guard index < min(keys.count, bound.count) else { return nil }
        switch bound[index] {
        case .minimum: return nil
        case .maximum, .null: return "false"
        case .value(let text):
            let value = StoredBound.quoted(text)
            guard index + 1 < keys.count, let rest = lower(keys, bound, index + 1) else {
                return "\(keys[index]) >= \(value)"
            }
            return "(\(keys[index]) > \(value) OR (\(keys[index]) = \(value) AND \(rest)))"
        }
    }

    /// Keys from the one at `index` on are below the bound; nil: always.
    private func upper(_ keys: [String], _ bound: [Datum], _ index: Int) -> String? {
        guard index < min(keys.count, bound.count) else { return "false" }
        switch bound[index] {
        case .maximum: return nil
        case .minimum, .null: return "false"
        case .value(let text):
            let value = StoredBound.quoted(text)
            guard index + 1 < keys.count else { return "\(keys[index]) < \(value)" }
            guard let rest = upper(keys, bound, index + 1) else { return "\(keys[index]) <= \(value)" }
            return "(\(keys[index]) < \(value) OR (\(keys[index]) = \(value) AND \(rest)))"
        }
    }

    // MARK: - Order

    /// The order in which partitions are read: by their bounds, DEFAULT last. Where values do not compare as numbers
    /// they do as text; nothing depends on it but the order of rows.
    static func isBefore(_ left: StoredBound, _ right: StoredBound) -> Bool {
        switch (left.kind, right.kind) {
        case (.rest, _): return false
        case (_, .rest): return true
        case (.hash(let m, let r), .hash(let n, let s)): return (m, r) < (n, s)
        case (.range(let a, _), .range(let b, _)): return compare(a, b) < 0
        case (.list(let a), .list(let b)): return compare(least(a), least(b)) < 0
        default: return false
        }
    }

    private static func least(_ data: [Datum]) -> [Datum] {
        data.min { compare([$0], [$1]) < 0 }.map { [$0] } ?? []
    }

    private static func compare(_ left: [Datum], _ right: [Datum]) -> Int {
        for (a, b) in zip(left, right) {
            let (rankA, rankB) = (rank(a), rank(b))
            if rankA != rankB { return rankA - rankB }
            guard case .value(let x) = a, case .value(let y) = b, x != y else { continue }
            if let m = Double(x), let n = Double(y), m != n { return m < n ? -1 : 1 }
            return x.utf8.lexicographicallyPrecedes(y.utf8) ? -1 : 1
        }
        return 0
    }

    private static func rank(_ datum: Datum) -> Int {
        switch datum {
        case .minimum: 0
        case .value: 1
        case .maximum: 2
        case .null: 3
        }
    }
}
