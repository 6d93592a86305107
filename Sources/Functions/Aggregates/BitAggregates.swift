// bool_and, bool_or, bit_and, bit_or, bit_xor. Hot.
// A generic class called through a protocol runs unspecialised code unless it lists its specialisations.
import Columns
import Diagnostics

/// An operation on bits.
enum BitOperation: Sendable { case and, or, xor }

/// Folds values with an operation on their bits.
final class BitAggregate<T: FixedWidthInteger & BitwiseCopyable>: Aggregate {
    private let values: StateArray<T>
    private let seen = StateArray<UInt8>(0)
    private let operation: BitOperation
    private let type: SQLType

    init(_ operation: BitOperation, type: SQLType) {
        self.operation = operation
        self.type = type
        values = StateArray<T>(operation == .and ? ~0 : 0)
    }

    @inline(__always)
    private func combine(_ a: T, _ b: T) -> T {
        switch operation {
        case .and: a & b
        case .or: a | b
        case .xor: a ^ b
        }
    }

    @_specialize(where T == UInt8)
    @_specialize(where T == Int16)
    @_specialize(where T == Int32)
    @_specialize(where T == Int64)
    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        values.grow(to: max(groups.groups, 1))
        seen.grow(to: max(groups.groups, 1))
        let column = Flatten.flat(arguments[0])
        let input = column.pointer(T.self)
        let (v, s) = (values.base, seen.base)
        try groups.each(column.validityWords) { (group, row) throws(SQLError) in
            v[group] = combine(v[group], input[row])
            s[group] = 1
        }
    }

    @_specialize(where T == UInt8)
    @_specialize(where T == Int16)
    @_specialize(where T == Int32)
    @_specialize(where T == Int64)
    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? BitAggregate<T> else { throw AggregateResult.mismatch }
        values.grow(to: max(groups.groups, 1))
        seen.grow(to: max(groups.groups, 1))
        for index in 0..<min(groups.rows, other.values.count) {
            let group = groups.group(index)
            values.base[group] = combine(values.base[group], other.values.base[index])
            seen.base[group] |= other.seen.base[index]
        }
    }

    @_specialize(where T == UInt8)
    @_specialize(where T == Int16)
    @_specialize(where T == Int32)
    @_specialize(where T == Int64)
    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        try AggregateResult.column(type, range, zero: T(0)) { (group) throws(SQLError) -> T? in
            seen[group] != 0 ? values[group] : nil
        }
    }

    var sizeBytes: Int { values.sizeBytes + seen.sizeBytes }
}
