// count(*) and count(x). Hot.
import Columns
import Diagnostics

final class CountAggregate: Aggregate {
    private let counts = StateArray<Int64>(0)

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        counts.grow(to: max(groups.groups, 1))
        let c = counts.base
        let rows = groups.rows
        if let argument = arguments.first, argument.validity != nil {
            guard let bits = Flatten.validity(argument) else { return add(groups) }
            let valid = UnsafePointer(bits.pointer(UInt64.self))
            guard let numbers = groups.numbers else {
                c[0] &+= Int64(Bitmap.count(valid, rows))
                return
            }
            for row in 0..<rows {
                let bit = (valid[row &>> 6] &>> UInt64(truncatingIfNeeded: row & 63)) & 1
                c[Int(numbers[row])] &+= Int64(bitPattern: bit)
            }
            return
        }
        add(groups)
    }

    private func add(_ groups: GroupNumbers) {
        let c = counts.base
        guard let numbers = groups.numbers else {
            c[0] &+= Int64(groups.rows)
            return
        }
        for row in 0..<groups.rows { c[Int(numbers[row])] &+= 1 }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? CountAggregate else { throw AggregateResult.mismatch }
        counts.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.counts.count) {
            counts.base[groups.group(index)] &+= other.counts.base[index]
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        try AggregateResult.column(.int8, range, zero: Int64(0)) { (group) throws(SQLError) -> Int64? in counts[group] }
    }

    var sizeBytes: Int { counts.sizeBytes }
}
