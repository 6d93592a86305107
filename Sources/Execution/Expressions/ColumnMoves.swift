// Moving rows between columns: gather, flatten, concatenate. Hot.
import Columns
import Glibc

extension Column {
    /// The values at `rows`, in that order.
    func gather(_ rows: UnsafePointer<Int32>, count: Int) -> Column {
        if layout == .constant { return Column.constant(self, count: count) }
        let bits = gatherValidity(rows, count)
        if let dictionary {
            return Column(
                codes: Column.pick(values, rows, count, UInt32.self), count: count, validity: bits,
                dictionary: dictionary)
        }
        let picked: Buffer
        switch physical.stride {
        case 1: picked = Column.pick(values, rows, count, UInt8.self)
        case 2: picked = Column.pick(values, rows, count, UInt16.self)
        case 4: picked = Column.pick(values, rows, count, UInt32.self)
        case 8: picked = Column.pick(values, rows, count, UInt64.self)
        case 16: picked = Column.pick(values, rows, count, SIMD2<UInt64>.self)
        default: picked = Column.pick(values, rows, count, SIMD4<UInt64>.self)
        }
        return Column(type, count: count, values: picked, validity: bits, heaps: heaps, child: child)
    }

    private static func pick<T>(_ from: Buffer, _ rows: UnsafePointer<Int32>, _ count: Int, _: T.Type) -> Buffer {
        let made = Buffer(count: max(1, count), of: T.self)
        let (source, target) = (UnsafeRawPointer(from.base), UnsafeMutableRawPointer(made.base))
        let stride = MemoryLayout<T>.stride
        for index in 0..<count {
            let value = source.loadUnaligned(fromByteOffset: Int(rows[index]) &* stride, as: T.self)
            target.storeBytes(of: value, toByteOffset: index &* stride, as: T.self)
        }
        return made
    }

    private func gatherValidity(_ rows: UnsafePointer<Int32>, _ count: Int) -> Buffer? {
        guard let from = validityWords else { return nil }
        let made = Bitmap.make(count, all: false)
        let words = made.pointer(UInt64.self)
        for index in 0..<count {
            let row = Int(rows[index])
            let bit = (from[row &>> 6] &>> UInt64(row & 63)) & 1
            words[index &>> 6] |= bit &<< UInt64(index & 63)
        }
        return made
    }

    /// The same values, one a row.
    func flat() -> Column { Flatten.flat(self) }

    /// The rows of all columns, in order; flat unless there is only one column.
    static func concatenate(_ columns: [Column], _ type: SQLType) -> Column {
        if columns.count == 1, let only = columns.first { return only }
        var total = 0
        var hasNulls = false
        for column in columns {
            total += column.count
            hasNulls = hasNulls || column.validity != nil
        }
        let stride = type.physical.stride
        let values = Buffer(bytes: max(1, total * stride))
        let validity = hasNulls ? Bitmap.make(total, all: true) : nil
        var heaps: [Buffer] = []
        var children: [Column] = []
        var start = 0
        var childStart = 0
        for column in columns {
            let flat = column.flat()
            memcpy(values.base + start * stride, flat.values.base, flat.count * stride)
            if let validity, flat.validity != nil {
                for row in 0..<flat.count where !flat.isValid(row) {
                    Bitmap.clear(validity.pointer(UInt64.self), start + row)
                }
            }
            for heap in flat.heaps where !heaps.contains(where: { $0 === heap }) { heaps.append(heap) }
            if let child = flat.child {
                let spans = values.pointer(ListSpan.self)
                for row in start..<start + flat.count { spans[row].start &+= Int32(truncatingIfNeeded: childStart) }
                children.append(child)
                childStart += child.count
            }
            start += flat.count
        }
        let child: Column? = children.first.map { concatenate(children, $0.type).flat() }
        return Column(type, count: total, values: values, validity: validity, heaps: heaps, child: child)
    }
}
