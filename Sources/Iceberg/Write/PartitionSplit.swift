// Partition values of batches, and batches cut by partition. Hot.

import Columns
import Diagnostics

/// Computes partition values of rows.
struct PartitionSplit: Sendable {
    private let fields: [(place: Int, transform: Transform, source: IcebergType)]

    /// `fields`: the columns of the batches.
    init(_ spec: PartitionSpec, _ columns: [IcebergField]) throws(SQLError) {
        var fields: [(place: Int, transform: Transform, source: IcebergType)] = []
        for field in spec.fields {
            guard let place = columns.firstIndex(where: { $0.id == field.sourceID }) else {
                // The column is gone: every value is NULL, as the specification wants it for void.
                fields.append((-1, .void, .int))
                continue
            }
            if case .other(let name) = field.transform {
                throw SQLError(
                    .featureNotSupported, "writing with the partition transform \"\(name)\" is not supported")
            }
            fields.append((place, field.transform, columns[place].type))
        }
        self.fields = fields
    }

    /// The partition values of a batch, by field.
    func values(_ batch: Batch) throws(SQLError) -> [Column] {
        var result: [Column] = []
        for field in fields {
            if field.place < 0 {
                result.append(Column.constant(.null(.int4), count: batch.rows))
            } else {
                result.append(try PartitionSplit.apply(field.transform, field.source, batch.columns[field.place]))
            }
        }
        return result
    }

    /// Transforms a column: loops for numbers, one value at a time for the rest.
    static func apply(_ transform: Transform, _ source: IcebergType, _ input: Column) throws(SQLError) -> Column {
        let type = transform.result(of: source).sqlType
        switch transform {
        case .identity: return input
        case .void: return Column.constant(.null(type), count: input.count)
        default: break
        }
        let column = Flatten.flat(input)
        let n = column.count
        if column.physical == .int32 || column.physical == .int64, let body = number(transform, source) {
            let output = Buffer(bytes: max(1, n) * type.physical.stride)
            if column.physical == .int32 {
                let from = column.pointer(Int32.self)
                store(n, output, type) { body(Int64(from[$0])) }
            } else {
                let from = column.pointer(Int64.self)
                store(n, output, type) { body(from[$0]) }
            }
            return Column(type, count: n, values: output, validity: column.validity)
        }
        if case .bucket(let count) = transform, column.physical == .view {
            let output = Buffer(count: max(1, n), of: Int32.self)
            let (from, to) = (column.pointer(StringView.self), output.pointer(Int32.self))
            let divisor = UInt32(truncatingIfNeeded: count)
            for row in 0..<n {
                let hash = column.isValid(row) ? from[row].withBytes { Murmur3.hash($0) } : 0
                to[row] = Int32(truncatingIfNeeded: (hash & 0x7fff_ffff) % divisor)
            }
            return Column(.int4, count: n, values: output, validity: column.validity)
        }
        let builder = ColumnBuilder(type, capacity: max(1, n))
        for row in 0..<n {
            let value = column.scalar(row)
            guard let made = transform.apply(Scalar(source.sqlType, value.value), source) else {
                throw SQLError(.internalError, "transform \(transform.name) has no value for \(source.name)")
            }
            builder.append(made)
        }
        return builder.finish()
    }

    private static func number(_ transform: Transform, _ source: IcebergType) -> ((Int64) -> Int64)? {
        switch (transform, source) {
        case (_, .decimal): return nil
        case (.bucket(let count), _):
            let divisor = UInt32(truncatingIfNeeded: count)
            return { Int64((Murmur3.hash($0) & 0x7fff_ffff) % divisor) }
        case (.truncate(let width), _):
            let width = Int64(width)
            return { Transform.floored($0, width) }
        case (.year, _), (.month, _), (.day, _), (.hour, _):
            let isDate = source == .date
            return { transform.units($0, isDate: isDate) }
        default: return nil
        }
    }

    @inline(__always)
    private static func store(_ n: Int, _ output: Buffer, _ type: SQLType, _ value: (Int) -> Int64) {
        if type.physical == .int32 {
            let to = output.pointer(Int32.self)
            for row in 0..<n { to[row] = Int32(truncatingIfNeeded: value(row)) }
        } else {
            let to = output.pointer(Int64.self)
            for row in 0..<n { to[row] = value(row) }
        }
    }

    /// Rows of one partition in a batch.
    struct Group {
        var rows: [Int32]
        /// A row that has the values.
        var sample: Int
    }

    /// The rows of a batch by partition, in the order of their first rows.
    static func groups(_ values: [Column], rows: Int) -> [Group] {
        let hashes = Buffer(count: max(1, rows), of: UInt64.self)
        KeyHash.hash(values, rows: rows, into: hashes.pointer(UInt64.self))
        let from = hashes.pointer(UInt64.self)
        var groups: [Group] = []
        var places: [UInt64: [Int]] = [:]
        var last = -1
        for row in 0..<rows {
            if last >= 0, from[row] == from[groups[last].sample],
                KeyEquality.equal(values, row, values, groups[last].sample)
            {
                groups[last].rows.append(Int32(truncatingIfNeeded: row))
                continue
            }
            let found = places[from[row]]?.first { KeyEquality.equal(values, row, values, groups[$0].sample) }
            if let found {
                last = found
            } else {
                last = groups.count
                places[from[row], default: []].append(last)
                groups.append(Group(rows: [], sample: row))
            }
            groups[last].rows.append(Int32(truncatingIfNeeded: row))
        }
        return groups
    }
}
