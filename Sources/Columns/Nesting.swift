// Parts of nested values as columns: the field of every struct, the parts that rows use and no others. Hot.

extension Column {
    /// The field of every row's struct, whatever the layout: NULL where the struct is.
    public func field(_ index: Int) -> Column {
        switch layout {
        case .dictionary: return Flatten.flat(self).field(index)
        case .constant:
            guard isValid(0) else { return Gather.nulls(fields[index].type, count: count) }
            var place = pointer(Int32.self)[0]
            let one = withUnsafePointer(to: &place) { Gather.take(fields[index], $0, count: 1) }
            return Column.constant(Flatten.flat(one), count: count)
        case .flat: return flatField(index)
        }
    }

    private func flatField(_ index: Int) -> Column {
        let field = fields[index]
        guard field.count > 0 else { return Gather.nulls(field.type, count: count) }
        let places = pointer(Int32.self)
        if hasOwnPlaces {
            let part = Gather.slice(field, from: 0, count: count)
            guard let validity else { return part }
            return part.with(validity: Bitmap.and(validity, part.validity, count))
        }
        guard let valid = validityWords else { return Gather.take(field, places, count: count) }
        let safe = Buffer(count: max(1, count), of: Int32.self)
        let at = safe.pointer(Int32.self)
        for row in 0..<count { at[row] = Bitmap.get(valid, row) ? places[row] : 0 }
        let part = Gather.take(field, at, count: count)
        return part.with(validity: Bitmap.and(validity, part.validity, count))
    }

    /// Whether row i's fields are at place i, for structs in the flat layout.
    private var hasOwnPlaces: Bool {
        guard let first = fields.first, first.count >= count else { return false }
        let places = pointer(Int32.self)
        var difference: Int32 = 0
        for row in 0..<count { difference |= places[row] ^ Int32(truncatingIfNeeded: row) }
        return difference == 0
    }

    /// The same values with other rows NULL, in the flat layout.
    public func with(validity: Buffer?) -> Column {
        Column(type, count: count, values: values, validity: validity, heaps: heaps, child: child, fields: fields)
    }

    /// A flat nested column whose parts are those that its rows use, in their order: struct i's fields lie at place i,
    /// lists follow each other. Fields of structs that are NULL are NULL. Deeper levels stay as they are.
    public func compacted() -> Column {
        switch physical {
        case .row:
            var parts: [Column] = []
            for index in fields.indices { parts.append(Flatten.flat(flatField(index))) }
            return Column(type, count: count, values: Column.places(count), validity: validity, fields: parts)
        case .list: return compactedList()
        default: return self
        }
    }

    private func compactedList() -> Column {
        guard let child else { return self }
        let from = pointer(ListSpan.self)
        var (total, isTight) = (0, true)
        for row in 0..<count where isValid(row) {
            isTight = isTight && Int(from[row].start) == total
            total += Int(from[row].count)
        }
        if isTight, total == child.count, validity == nil { return self }
        let spans = Buffer(count: max(1, count), of: ListSpan.self)
        let to = spans.pointer(ListSpan.self)
        let picked = Buffer(count: max(1, total), of: Int32.self)
        let numbers = picked.pointer(Int32.self)
        var used = 0
        for row in 0..<count {
            let length = isValid(row) ? from[row].count : 0
            to[row] = ListSpan(start: used, count: Int(length))
            for offset in 0..<length {
                numbers[used] = from[row].start &+ offset
                used += 1
            }
        }
        let parts = Flatten.flat(Gather.take(child, numbers, count: total))
        return Column(type, count: count, values: spans, validity: validity, child: parts)
    }

    /// The numbers 0, 1, 2, ...: where the fields of structs lie that were made together.
    public static func places(_ count: Int) -> Buffer {
        let made = Buffer(count: max(1, count), of: Int32.self)
        let target = made.pointer(Int32.self)
        for row in 0..<count { target[row] = Int32(truncatingIfNeeded: row) }
        return made
    }

    /// Structs of fields that lie side by side; the columns may have any layout.
    public static func structs(_ type: SQLType, _ fields: [Column], count: Int, validity: Buffer? = nil) -> Column {
        Column(type, count: count, values: places(count), validity: validity, fields: fields.map(Flatten.flat))
    }
}
