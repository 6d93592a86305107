// bitstring_agg (DuckDB): a bit for each integer from the smallest to the largest, set where it was seen.
import Columns
import Diagnostics

final class BitstringAggregate: Aggregate {
    private var seen: [Set<Int64>] = []
    /// The ends that were given as arguments.
    private var ends: [Int: (low: Int64, high: Int64)] = [:]
    private var count = 0

    /// Bits of one value.
    private static let bitsMax: UInt64 = 1 << 26

    private func grow(_ groups: Int) {
        if seen.count < groups { seen.append(contentsOf: repeatElement([], count: groups - seen.count)) }
    }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        grow(max(groups.groups, 1))
        let column = Flatten.flat(arguments[0])
        let input = column.pointer(Int64.self)
        let limits = arguments.dropFirst().map { Flatten.flat($0) }
        try groups.each(column.validityWords) { (group, row) throws(SQLError) in
            if limits.count == 2, limits[0].isValid(row), limits[1].isValid(row) {
                let given = (limits[0].pointer(Int64.self)[row], limits[1].pointer(Int64.self)[row])
                guard input[row] >= given.0, input[row] <= given.1 else {
                    throw SQLError(
                        .numericValueOutOfRange,
                        "value \(input[row]) is outside of provided min and max range (\(given.0) <-> \(given.1))")
                }
                ends[group] = given
            }
            if seen[group].insert(input[row]).inserted { count += 1 }
        }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? BitstringAggregate else { throw AggregateResult.mismatch }
        grow(max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.seen.count) {
            let group = groups.group(index)
            let before = seen[group].count
            seen[group].formUnion(other.seen[index])
            count += seen[group].count - before
            if let given = other.ends[index] { ends[group] = given }
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        let builder = ColumnBuilder(.varbit(nil), capacity: range.count)
        for group in range {
            guard group < seen.count, let least = seen[group].min(), let most = seen[group].max() else {
                builder.appendNull()
                continue
            }
            let (low, high) = ends[group] ?? (least, most)
            let length = UInt64(bitPattern: high &- low)
            guard length < BitstringAggregate.bitsMax else {
                throw SQLError(
                    .programLimitExceeded,
                    "the range between min and max value (\(low) <-> \(high)) is too large for bitstring aggregation")
            }
            var bits = [UInt8](repeating: 48, count: Int(length) + 1)
            for value in seen[group] { bits[Int(value - low)] = 49 }
            builder.append(Scalar(.varbit(nil), .string(String(decoding: bits, as: UTF8.self))))
        }
        return builder.finish()
    }

    /// A set keeps about two words a value.
    var sizeBytes: Int { count * 24 + seen.count * 16 }
}
