// Moving rows between columns: take by row number, slice, concatenate. Joins, sorts and filters end here. Hot.

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Copies of rows as new columns. Strings stay where they are (the heaps are shared) unless asked otherwise.
public enum Gather {
    /// Returns the values at `rows`, in that order: dictionaries and constants keep their layout.
    public static func take(_ column: Column, _ rows: UnsafePointer<Int32>, count: Int) -> Column {
        if column.layout == .constant { return Column.constant(column, count: count) }
        let validity = column.validityWords.flatMap { bits($0, rows, count) }
        if let dictionary = column.dictionary {
            return Column(
                codes: pick(column.values, rows, count, UInt32.self), count: count, validity: validity,
                dictionary: dictionary)
        }
        return Column(
            column.type, count: count, values: picked(column, rows, count), validity: validity, heaps: column.heaps,
            child: column.child, fields: column.fields)
    }

    /// Returns the values at `rows`; row -1 gives NULL (the missing side of outer joins).
    public static func takeOrNull(_ column: Column, _ rows: UnsafePointer<Int32>, count: Int) -> Column {
        var lowest: Int32 = 0
        for index in 0..<count { lowest = min(lowest, rows[index]) }
        if lowest >= 0 { return take(column, rows, count: count) }
        if column.count == 0 || column.isNullConstant { return nulls(column.type, count: count) }
        let safe = Buffer(count: max(1, count), of: Int32.self)
        let at = safe.pointer(Int32.self)
        let isConstant = column.layout == .constant
        for index in 0..<count { at[index] = isConstant ? 0 : max(0, rows[index]) }
        let validity = Bitmap.make(count, all: false)
        let words = validity.pointer(UInt64.self)
        let from = isConstant ? nil : column.validityWords
        for index in 0..<count {
            let row = Int(at[index])
            var bit = UInt64(truncatingIfNeeded: rows[index] &>> 31) & 1 ^ 1
            if let from { bit &= from[row &>> 6] &>> UInt64(truncatingIfNeeded: row & 63) }
            words[index &>> 6] |= bit &<< UInt64(truncatingIfNeeded: index & 63)
        }
        if let dictionary = column.dictionary {
            return Column(
                codes: pick(column.values, at, count, UInt32.self), count: count, validity: validity,
                dictionary: dictionary)
        }
        return Column(
            column.type, count: count, values: picked(column, at, count), validity: validity, heaps: column.heaps,
            child: column.child, fields: column.fields)
    }

    /// Returns rows `start..<start + count`; shares memory where alignment allows it.
    public static func slice(_ column: Column, from start: Int, count: Int) -> Column {
        precondition(start >= 0 && count >= 0 && start + count <= column.count)
        if start == 0, count == column.count { return column }
        if column.layout == .constant { return Column.constant(column, count: count) }
        let stride = column.dictionary == nil ? column.physical.stride : 4
        let validity = column.validity.map { cut($0, start, count) }
        let values = part(column.values, start * stride, count * stride)
        if let dictionary = column.dictionary {
            return Column(codes: values, count: count, validity: validity, dictionary: dictionary)
        }
        return Column(
            column.type, count: count, values: values, validity: validity, heaps: column.heaps, child: column.child,
            fields: column.fields)
    }

    /// Returns the rows of all columns, in order. Codes into one shared dictionary stay codes; else the result is flat.
    /// `owned` copies long strings into a heap of the result, so that it keeps no other memory alive.
    public static func concatenate(_ columns: [Column], type: SQLType, owned: Bool = false) -> Column {
        if columns.count == 1, !owned, let only = columns.first { return only }
        var total = 0
        var hasNulls = false
        for column in columns {
            total += column.count
            hasNulls = hasNulls || column.validity != nil
        }
        if !owned, let codes = joinedCodes(columns, total, hasNulls) { return codes }
        let stride = type.physical.stride
        let values = Buffer(bytes: max(1, total) * stride)
        let validity = hasNulls ? Bitmap.make(total, all: true) : nil
        var heaps: [Buffer] = []
        var seen = Set<ObjectIdentifier>()
        var children: [Column] = []
        var parts: [[Column]] = []
        var (start, childStart) = (0, 0)
        for column in columns {
            let flat = Flatten.flat(column)
            memcpy(values.base + start * stride, flat.values.base, flat.count * stride)
            if let validity, let from = flat.validityWords {
                Bitmap.copy(from, 0, flat.count, to: validity.pointer(UInt64.self), start)
            }
            for heap in flat.heaps where seen.insert(ObjectIdentifier(heap)).inserted { heaps.append(heap) }
            if let child = flat.child {
                let spans = values.pointer(ListSpan.self)
                for row in start..<start + flat.count { spans[row].start &+= Int32(truncatingIfNeeded: childStart) }
                children.append(child)
                childStart += child.count
            }
            if let first = flat.fields.first {
                let places = values.pointer(Int32.self)
                for row in start..<start + flat.count { places[row] &+= Int32(truncatingIfNeeded: childStart) }
                parts.append(flat.fields)
                childStart += first.count
            }
            start += flat.count
        }
        var child: Column?
        if let element = type.element { child = concatenate(children, type: element, owned: owned) }
        var fields: [Column] = []
        for (index, field) in (type.rowFields ?? []).enumerated() {
            fields.append(Flatten.flat(concatenate(parts.map { $0[index] }, type: field.type, owned: owned)))
        }
        if owned, type.physical == .view {
            heaps = own(values.pointer(StringView.self), total, validity).map { [$0] } ?? []
        }
        return Column(
            type, count: total, values: values, validity: validity, heaps: heaps, child: child.map(Flatten.flat),
            fields: fields)
    }

    /// A column of NULLs.
    public static func nulls(_ type: SQLType, count: Int) -> Column { Column.constant(.null(type), count: count) }

    /// Copies the bytes of long views into one new heap and points the views there; nil when no view is long.
    public static func own(_ views: UnsafeMutablePointer<StringView>, _ count: Int, _ validity: Buffer?) -> Buffer? {
        let valid = validity.map { UnsafePointer($0.pointer(UInt64.self)) }
        var bytes = 0
        for row in 0..<count {
            if let valid, !Bitmap.get(valid, row) { views[row] = StringView(head: 0, tail: 0) }
            let length = views[row].count
            bytes &+= length > StringView.inlineMax ? length : 0
        }
        guard bytes > 0 else { return nil }
        let heap = Buffer(bytes: bytes)
        var used = 0
        for row in 0..<count where !views[row].isInline {
            let length = views[row].count
            memcpy(heap.base + used, views[row].address, length)
            views[row].tail = UInt64(UInt(bitPattern: heap.base + used))
            used &+= length
        }
        return heap
    }

    // MARK: - Values

    private static func picked(_ column: Column, _ rows: UnsafePointer<Int32>, _ count: Int) -> Buffer {
        switch column.physical.stride {
        case 1: pick(column.values, rows, count, UInt8.self)
        case 2: pick(column.values, rows, count, UInt16.self)
        case 4: pick(column.values, rows, count, UInt32.self)
        case 8: pick(column.values, rows, count, UInt64.self)
        case 16: pick(column.values, rows, count, SIMD2<UInt64>.self)
        default: pick(column.values, rows, count, SIMD4<UInt64>.self)
        }
    }

    @inline(__always)
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

    private static func joinedCodes(_ columns: [Column], _ total: Int, _ hasNulls: Bool) -> Column? {
        guard let shared = columns.first?.dictionary else { return nil }
        for column in columns where column.dictionary !== shared { return nil }
        let codes = Buffer(count: max(1, total), of: Int32.self)
        let validity = hasNulls ? Bitmap.make(total, all: true) : nil
        var start = 0
        for column in columns {
            memcpy(codes.base + start * 4, column.values.base, column.count * 4)
            if let validity, let from = column.validityWords {
                Bitmap.copy(from, 0, column.count, to: validity.pointer(UInt64.self), start)
            }
            start += column.count
        }
        return Column(codes: codes, count: total, validity: validity, dictionary: shared)
    }

    /// A window of a buffer: shared when it starts at an aligned byte.
    private static func part(_ buffer: Buffer, _ offset: Int, _ bytes: Int) -> Buffer {
        if offset & 15 == 0 { return Buffer(base: buffer.base + offset, bytes: bytes, owner: buffer) }
        let made = Buffer(bytes: bytes)
        memcpy(made.base, buffer.base + offset, bytes)
        return made
    }

    // MARK: - Validity

    /// Gathers bits; nil when all of them are set.
    private static func bits(_ from: UnsafePointer<UInt64>, _ rows: UnsafePointer<Int32>, _ count: Int) -> Buffer? {
        let made = Buffer(bytes: max(1, Bitmap.words(count)) * 8)
        let out = made.pointer(UInt64.self)
        var missing: UInt64 = 0
        for word in 0..<Bitmap.words(count) {
            let start = word &<< 6
            let length = min(64, count &- start)
            var gathered: UInt64 = 0
            for index in 0..<length {
                let row = Int(rows[start &+ index])
                let bit = (from[row &>> 6] &>> UInt64(truncatingIfNeeded: row & 63)) & 1
                gathered |= bit &<< UInt64(truncatingIfNeeded: index)
            }
            out[word] = gathered
            missing |= gathered ^ (length == 64 ? ~0 : (1 &<< UInt64(length)) &- 1)
        }
        return missing == 0 ? nil : made
    }

    private static func cut(_ validity: Buffer, _ start: Int, _ count: Int) -> Buffer {
        let made = Bitmap.make(count, all: false)
        Bitmap.copy(validity.pointer(UInt64.self), start, count, to: made.pointer(UInt64.self), 0)
        return made
    }
}

extension Bitmap {
    /// Copies `count` bits from bit `start` of `from` to bit `offset` of `to`; other bits of `to` stay as they are.
    public static func copy(
        _ from: UnsafePointer<UInt64>, _ start: Int, _ count: Int, to: UnsafeMutablePointer<UInt64>, _ offset: Int
    ) {
        var done = 0
        while done < count {
            let target = offset &+ done
            let room = 64 &- (target & 63)
            let length = min(room, count &- done)
            let source = start &+ done
            let shift = UInt64(truncatingIfNeeded: source & 63)
            var chunk = from[source &>> 6] &>> shift
            if shift != 0, 64 &- Int(shift) < length { chunk |= from[(source &>> 6) &+ 1] &<< (64 &- shift) }
            let mask: UInt64 = length == 64 ? ~0 : (1 &<< UInt64(truncatingIfNeeded: length)) &- 1
            let place = UInt64(truncatingIfNeeded: target & 63)
            to[target &>> 6] = to[target &>> 6] & ~(mask &<< place) | (chunk & mask) &<< place
            done &+= length
        }
    }
}

extension Batch {
    /// The rows at `rows`, in that order.
    public func take(_ rows: UnsafePointer<Int32>, count: Int) -> Batch {
        var taken: [Column] = []
        taken.reserveCapacity(columns.count)
        for column in columns { taken.append(Gather.take(column, rows, count: count)) }
        return Batch(taken, rows: count)
    }

    /// Rows `start..<start + count`.
    public func slice(from start: Int, count: Int) -> Batch {
        var cut: [Column] = []
        cut.reserveCapacity(columns.count)
        for column in columns { cut.append(Gather.slice(column, from: start, count: count)) }
        return Batch(cut, rows: count)
    }

    /// The rows of all batches, in order. `types` are the columns' types.
    public static func concatenate(_ batches: [Batch], types: [SQLType], owned: Bool = false) -> Batch {
        var joined: [Column] = []
        for (index, type) in types.enumerated() {
            joined.append(Gather.concatenate(batches.map { $0.columns[index] }, type: type, owned: owned))
        }
        return Batch(joined, rows: batches.reduce(0) { $0 + $1.rows })
    }
}
