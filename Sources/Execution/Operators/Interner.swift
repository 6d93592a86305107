// Values of key columns as small dense numbers: groups are found by number, and strings are looked at once per
// dictionary entry. Hot.
import Columns
import Diagnostics
import Glibc

/// Numbers the distinct values of one column: 0, 1, 2, ... NULL is a value. One owner thread at a time.
final class Interner {
    let type: SQLType
    /// Numbers given so far.
    private(set) var count = 0
    /// NULL's number, -1 before the first NULL.
    private(set) var nullID: Int32 = -1
    private let physical: PhysicalType
    /// `char(n)`: blanks at the end do not count.
    private let isPadded: Bool
    /// The first-seen value of each number.
    private var values: Buffer
    /// Canonical forms of the values, for types where equal values may differ in bits.
    private var keys = Buffer(bytes: 0)
    private var slots: Buffer
    private var slotCount: Int
    private var heaps: [Buffer] = []
    private var heapUsed = 0
    private var heapBytes = 0
    /// Arrays, structs, maps and jsonb are rare as keys: they go through scalars.
    private let isByScalar: Bool
    private var lists: [Scalar.Value: Int32] = [:]
    private var listBytes = 0
    private var listValues: ColumnBuilder?
    private var dictionary: Column?
    private var dictionaryIDs = Buffer(bytes: 0)

    private static let heapMin = 64 << 10
    private static let slotsMin = 1024

    init(_ type: SQLType) {
        self.type = type
        physical = type.physical
        isByScalar = physical == .list || physical == .row || type == .jsonb
        if case .char = type { isPadded = true } else { isPadded = false }
        values = Buffer(bytes: 64 * physical.stride)
        slotCount = Interner.slotsMin
        slots = Buffer(count: slotCount, of: UInt64.self)
        slots.fill(0)
        if isByScalar { listValues = ColumnBuilder(type) }
    }

    /// Memory held, in bytes.
    var sizeBytes: Int {
        values.capacity + keys.capacity + slots.capacity + heapBytes + dictionaryIDs.capacity + listBytes
    }

    /// Writes the number of each row's value, giving new ones where needed.
    func write(_ column: Column, _ rows: Int, to out: UnsafeMutablePointer<Int32>) {
        switch column.layout {
        case .constant:
            let id = column.isValid(0) ? id(column.values, 0, column) : numberOfNull()
            for row in 0..<rows { out[row] = id }
        case .dictionary: writeDictionary(column, rows, to: out)
        case .flat: writeFlat(column, rows, to: out)
        }
    }

    private func writeFlat(_ column: Column, _ rows: Int, to out: UnsafeMutablePointer<Int32>) {
        if physical == .view, !isByScalar, column.validity == nil {
            reserve(rows)
            let views = column.pointer(StringView.self)
            for row in 0..<rows { out[row] = id(view: views[row]) }
            return
        }
        for row in 0..<rows {
            if column.isValid(row) {
                reserve(1)
                out[row] = id(column.values, row, column)
            } else {
                out[row] = numberOfNull()
            }
        }
    }

    private func writeDictionary(_ column: Column, _ rows: Int, to out: UnsafeMutablePointer<Int32>) {
        guard let entries = column.dictionary else { return }
        if dictionary !== entries {
            dictionary = entries
            dictionaryIDs = Buffer(count: max(1, entries.count), of: Int32.self)
            dictionaryIDs.fill(0xff)
        }
        let known = dictionaryIDs.pointer(Int32.self)
        let codes = column.codes
        let validity = column.validityWords
        for row in 0..<rows {
            if let validity, !Bitmap.get(validity, row) {
                out[row] = numberOfNull()
                continue
            }
            let code = Int(codes[row])
            var number = known[code]
            if number < 0 {
                reserve(1)
                number = id(entries.values, code, entries)
                known[code] = number
            }
            out[row] = number
        }
    }

    private func numberOfNull() -> Int32 {
        if nullID >= 0 { return nullID }
        reserve(1)
        nullID = Int32(count)
        if let listValues {
            listValues.appendNull()
        } else {
            memset(values.base + count * physical.stride, 0, physical.stride)
            if keys.capacity > 0 { memset(keys.base + count * 32, 0xff, 32) }
        }
        count += 1
        return nullID
    }

    /// Makes room for more values.
    private func reserve(_ more: Int) {
        let needed = (count + more) * physical.stride
        if needed > values.capacity { values = Interner.grown(values, used: count * physical.stride, to: needed) }
        switch physical {
        case .numeric, .interval, .int128:
            let bytes = (count + more) * 32
            if bytes > keys.capacity { keys = Interner.grown(keys, used: count * 32, to: bytes) }
        default: break
        }
        if (count + more) * 2 > slotCount { rehash((count + more) * 2) }
    }

    private static func grown(_ old: Buffer, used: Int, to needed: Int) -> Buffer {
        let made = Buffer(bytes: max(needed, old.capacity * 2))
        memcpy(made.base, old.base, used)
        return made
    }

    private func rehash(_ needed: Int) {
        while slotCount < needed { slotCount *= 2 }
        slots = Buffer(count: slotCount, of: UInt64.self)
        slots.fill(0)
        guard !isByScalar else { return }
        let (table, mask) = (slots.pointer(UInt64.self), slotCount - 1)
        for number in 0..<count where Int32(number) != nullID {
            let hash =
                physical == .view
                ? KeyHash.hash(form(values.pointer(StringView.self)[number]))
                : Interner.hash(keys.pointer(WideKey.self)[number])
            var at = Int(truncatingIfNeeded: hash) & mask
            while table[at] != 0 { at = (at &+ 1) & mask }
            table[at] = (hash & Interner.saltMask) | UInt64(number + 1)
        }
    }

    /// High half of a slot: hash bits; low half: number + 1.
    private static let saltMask: UInt64 = 0xffff_ffff_0000_0000

    @inline(__always)
    private func form(_ view: StringView) -> StringView { isPadded ? view.withoutTrailingBlanks : view }

    @inline(__always)
    private func id(view: StringView) -> Int32 {
        let key = form(view)
        let hash = KeyHash.hash(key)
        let (table, mask) = (slots.pointer(UInt64.self), slotCount &- 1)
        let views = values.pointer(StringView.self)
        let salt = hash & Interner.saltMask
        var at = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = table[at]
            if slot == 0 { break }
            if slot & Interner.saltMask == salt {
                let number = Int(truncatingIfNeeded: slot & 0xffff_ffff) &- 1
                if StringView.equal(form(views[number]), key) { return Int32(truncatingIfNeeded: number) }
            }
            at = (at &+ 1) & mask
        }
        return insert(view, at, salt)
    }

    @inline(never)
    private func insert(_ view: StringView, _ slot: Int, _ salt: UInt64) -> Int32 {
        values.pointer(StringView.self)[count] = kept(view)
        slots.pointer(UInt64.self)[slot] = salt | UInt64(count + 1)
        count += 1
        return Int32(truncatingIfNeeded: count - 1)
    }

    /// Copies a long string to memory of our own.
    private func kept(_ view: StringView) -> StringView {
        guard !view.isInline else { return view }
        if heaps.isEmpty || heaps[heaps.count - 1].capacity - heapUsed < view.count {
            let size = max(view.count, min(1 << 20, max(Interner.heapMin, heapBytes)))
            heaps.append(Buffer(bytes: size))
            heapBytes += size
            heapUsed = 0
        }
        let target = heaps[heaps.count - 1].base + heapUsed
        memcpy(target, view.address, view.count)
        heapUsed += view.count
        return StringView(target, view.count)
    }

    /// The number of a value that is not NULL.
    private func id(_ from: Buffer, _ index: Int, _ column: Column) -> Int32 {
        reserve(1)
        switch physical {
        case .view where !isByScalar: return id(view: from.pointer(StringView.self)[index])
        case .int128:
            let value = from.pointer(Int128.self)[index]
            return id(WideKey(value, 0), from, index)
        case .numeric:
            let value = from.pointer(Numeric.self)[index].normal
            return id(WideKey(value.mantissa, UInt64(truncatingIfNeeded: value.scale)), from, index)
        case .interval:
            return id(WideKey(from.pointer(Interval.self)[index].comparisonKey, 0), from, index)
        case .view, .list, .row:
            let scalar = column.scalar(index)
            let key = scalar.equalityKey
            if let known = lists[key] { return known }
            let number = Int32(count)
            lists[key] = number
            listBytes += 200
            if case .bytes(let bytes) = key { listBytes += 2 * bytes.count }
            listValues?.append(scalar)
            count += 1
            return number
        case .bool, .int16, .int32, .int64, .float32, .float64:
            // Plain values are their own numbers and never come here.
            return 0
        }
    }

    /// A value of 16 bytes and something beside, comparable by bits.
    private struct WideKey {
        var low: UInt64
        var high: UInt64
        var extra: UInt64
        var padding: UInt64 = 0
        init(_ value: Int128, _ extra: UInt64) {
            low = UInt64(truncatingIfNeeded: value)
            high = UInt64(truncatingIfNeeded: value >> 64)
            self.extra = extra
        }
    }

    private static func hash(_ key: WideKey) -> UInt64 {
        KeyHash.combine(KeyHash.combine(KeyHash.mix(key.low), key.high), key.extra)
    }

    private func id(_ key: WideKey, _ from: Buffer, _ index: Int) -> Int32 {
        let hash = Interner.hash(key)
        let (table, mask) = (slots.pointer(UInt64.self), slotCount &- 1)
        let known = keys.pointer(WideKey.self)
        let salt = hash & Interner.saltMask
        var at = Int(truncatingIfNeeded: hash) & mask
        while table[at] != 0 {
            if table[at] & Interner.saltMask == salt {
                let number = Int(truncatingIfNeeded: table[at] & 0xffff_ffff) &- 1
                let other = known[number]
                if other.low == key.low, other.high == key.high, other.extra == key.extra {
                    return Int32(truncatingIfNeeded: number)
                }
            }
            at = (at &+ 1) & mask
        }
        table[at] = salt | UInt64(count + 1)
        keys.pointer(WideKey.self)[count] = key
        let stride = physical.stride
        memcpy(values.base + count * stride, from.base + index * stride, stride)
        count += 1
        return Int32(truncatingIfNeeded: count - 1)
    }

    /// All values by number. Nothing may be added afterwards while the column is in use.
    func column() -> Column {
        if let listValues {
            self.listValues = nil
            let made = listValues.finish()
            finishedLists = made
            return made
        }
        if let finishedLists { return finishedLists }
        var validity: Buffer?
        if nullID >= 0 {
            let bits = Bitmap.make(count, all: true)
            Bitmap.clear(bits.pointer(UInt64.self), Int(nullID))
            validity = bits
        }
        return Column(type, count: count, values: values, validity: validity, heaps: heaps)
    }
    private var finishedLists: Column?
}
