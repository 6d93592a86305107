// Group keys to dense group numbers. Hot.
//
// Key columns become bits of one or a few 64-bit words: plain values as they are, all others as numbers of an Interner.
// One word is looked up in slots of (word, group); more words in salted slots over rows of words. A single interned
// column needs no table, and keys that come as dictionary codes with few combinations go through a map of codes.
import Columns
import Diagnostics
import Glibc

/// Finds and numbers groups. One owner thread at a time.
final class GroupTable {
    private(set) var count = 0
    private let types: [SQLType]
    private let interners: [Interner?]
    private var layout: KeyLayout
    /// Words of each group, in order of number.
    private var words = Buffer(bytes: 0)
    private var slots = Buffer(bytes: 0)
    private var slotCount = 0
    private var codeMap: CodeMap?
    private var lastColumns: [Column?]
    private let encoded = Scratch<UInt64>()
    private let numbers = Scratch<Int32>()
    private let combinations = Scratch<Int32>()

    private static let slotsMin = 8192
    /// Combinations of dictionary codes that are mapped directly: 256 KiB.
    private static let codesMax = 1 << 16

    init(_ types: [SQLType]) {
        self.types = types
        interners = types.map { KeyLayout.bits($0.physical) == nil ? Interner($0) : nil }
        // A single key fills its word anyway.
        layout = KeyLayout(types, needs: types.map { _ in KeyLayout.Needs(isWide: types.count == 1) })
        lastColumns = types.map { _ in nil }
    }

    /// Memory held, in bytes.
    var sizeBytes: Int { interners.reduce(words.capacity + slots.capacity) { $0 + ($1?.sizeBytes ?? 0) } }

    /// Writes the group number of each row, giving new numbers where needed.
    func find(_ keys: [Column], _ rows: Int, to out: UnsafeMutablePointer<Int32>) {
        if findByCodes(keys, rows, to: out) { return }
        findByValues(keys, rows, to: out)
    }

    private func findByValues(_ keys: [Column], _ rows: Int, to out: UnsafeMutablePointer<Int32>) {
        if keys.count == 1, let interner = interners[0] {
            interner.write(keys[0], rows, to: out)
            count = interner.count
            return
        }
        let keys = zip(keys, interners).map { $1 == nil ? $0.flat() : $0 }
        widen(for: keys)
        let width = layout.words
        let row = encoded.room(rows * width)
        encode(keys, rows, to: row)
        reserve(rows)
        if width == 1 { lookUp(row, rows, out) } else { lookUp(row, width, rows, out) }
    }

    // MARK: - Dictionary codes

    /// Groups by combination of codes, for one set of dictionaries.
    private struct CodeMap {
        let dictionaries: [Column?]
        /// By key: what one step of its code adds to the index; NULL's code is the dictionary's count.
        let steps: [Int]
        let groups: Buffer
    }

    /// Looks groups up by their codes when all keys are codes; rows not yet known go through their values.
    private func findByCodes(_ keys: [Column], _ rows: Int, to out: UnsafeMutablePointer<Int32>) -> Bool {
        guard let map = map(for: keys, rows) else { return false }
        let index = combinations.room(rows)
        for row in 0..<rows { index[row] = 0 }
        for (key, step) in zip(keys, map.steps) where key.layout == .dictionary {
            let codes = key.codes
            let factor = Int32(truncatingIfNeeded: step)
            if let validity = key.validityWords {
                let null = Int32(truncatingIfNeeded: key.dictionary?.count ?? 0)
                for row in 0..<rows {
                    let code = Bitmap.get(validity, row) ? codes[row] : null
                    index[row] &+= code &* factor
                }
            } else {
                for row in 0..<rows { index[row] &+= codes[row] &* factor }
            }
        }
        let groups = map.groups.pointer(Int32.self)
        var lowest: Int32 = 0
        for row in 0..<rows {
            let group = groups[Int(index[row])]
            out[row] = group
            lowest = min(lowest, group)
        }
        if lowest < 0 { findUnknown(keys, index, groups, rows, out) }
        return true
    }

    private func map(for keys: [Column], _ rows: Int) -> CodeMap? {
        if let codeMap {
            var isSame = true
            for (index, key) in keys.enumerated() where key.dictionary !== codeMap.dictionaries[index] {
                isSame = false
            }
            if isSame, keys.allSatisfy({ $0.layout == .dictionary }) { return codeMap }
        }
        var total = 1
        var steps: [Int] = []
        for key in keys {
            guard let dictionary = key.dictionary else { return nil }
            steps.append(total)
            total *= dictionary.count + 1
            guard total <= GroupTable.codesMax else { return nil }
        }
        // A map that is larger than the batch would be filled for too little use.
        guard total <= max(rows * 4, 256) else { return nil }
        let groups = Buffer(count: total, of: Int32.self)
        groups.fill(0xff)
        let made = CodeMap(dictionaries: keys.map(\.dictionary), steps: steps, groups: groups)
        codeMap = made
        return made
    }

    private func findUnknown(
        _ keys: [Column], _ index: UnsafePointer<Int32>, _ groups: UnsafeMutablePointer<Int32>, _ rows: Int,
        _ out: UnsafeMutablePointer<Int32>
    ) {
        // The first row of each unknown combination.
        let firsts = Buffer(count: rows, of: Int32.self)
        let first = firsts.pointer(Int32.self)
        var unknown = 0
        for row in 0..<rows where groups[Int(index[row])] == -1 {
            first[unknown] = Int32(truncatingIfNeeded: row)
            unknown += 1
            groups[Int(index[row])] = -2
        }
        let picked = keys.map { $0.gather(UnsafePointer(first), count: unknown) }
        let found = Buffer(count: unknown, of: Int32.self)
        findByValues(picked, unknown, to: found.pointer(Int32.self))
        for position in 0..<unknown {
            groups[Int(index[Int(first[position])])] = found.pointer(Int32.self)[position]
        }
        for row in 0..<rows { out[row] = groups[Int(index[row])] }
    }

    // MARK: - Words

    /// Gives NULL bits to columns that show their first NULL, and 64 bits to those that need them for the first time;
    /// re-encodes the groups.
    private func widen(for keys: [Column]) {
        var needs = layout.needs
        for (index, key) in keys.enumerated() where interners[index] == nil {
            if key.validity != nil { needs[index].hasNull = true }
            if types[index].physical == .int64, !needs[index].isWide {
                needs[index].isWide = KeyLayout.isWide(key.pointer(Int64.self), key.layout == .constant ? 1 : key.count)
            }
        }
        guard needs != layout.needs else { return }
        let wide = KeyLayout(types, needs: needs)
        let old = layout
        let moved = Buffer(count: max(1, count) * wide.words, of: UInt64.self)
        moved.fill(0)
        let (from, to) = (words.pointer(UInt64.self), moved.pointer(UInt64.self))
        for group in 0..<count {
            let (source, target) = (from + group * old.words, to + group * wide.words)
            for key in types.indices {
                wide.put(old.value(key, source), key, target)
                if old.isNull(key, source) { wide.putNull(key, target) }
            }
        }
        layout = wide
        words = moved
        slotCount = 0
        reserve(0)
    }

    private func encode(_ keys: [Column], _ rows: Int, to out: UnsafeMutablePointer<UInt64>) {
        let width = layout.words
        for index in 0..<rows * width { out[index] = 0 }
        for (index, key) in keys.enumerated() {
            let place = layout.places[index]
            if let interner = interners[index] {
                let ids = numbers.room(rows)
                interner.write(key, rows, to: ids)
                let target = out + place.word
                for row in 0..<rows {
                    target[row &* width] |= UInt64(UInt32(bitPattern: ids[row])) &<< place.shift
                }
                continue
            }
            layout.encode(index, key, rows, to: out)
            if let validity = key.validityWords, let null = layout.nullPlaces[index] {
                for row in 0..<rows where !Bitmap.get(validity, row) {
                    // A NULL's bits must not depend on what its value happens to be.
                    (out + row &* width)[place.word] &= ~(place.mask &<< place.shift)
                    (out + row &* width)[null.word] |= 1 &<< null.shift
                }
            }
        }
    }

    /// Makes room for as many new groups as there may be.
    private func reserve(_ more: Int) {
        let width = layout.words
        let needed = (count + more) * width * 8
        if needed > words.capacity {
            let grown = Buffer(bytes: max(needed, words.capacity * 2))
            memcpy(grown.base, words.base, count * width * 8)
            words = grown
        }
        guard (count + more) * 2 > slotCount else { return }
        if slotCount == 0 { slotCount = GroupTable.slotsMin }
        while (count + more) * 2 > slotCount { slotCount *= 2 }
        if width == 1 { rehashOne() } else { rehashMany(width) }
    }

    /// A slot of a one-word table.
    private struct Slot {
        var word: UInt64
        /// Group + 1; 0 is free.
        var group: Int64
    }

    private func rehashOne() {
        slots = Buffer(count: slotCount, of: Slot.self)
        slots.fill(0)
        let (table, mask, key) = (slots.pointer(Slot.self), slotCount &- 1, words.pointer(UInt64.self))
        for group in 0..<count {
            var at = Int(truncatingIfNeeded: KeyHash.mix(key[group])) & mask
            while table[at].group != 0 { at = (at &+ 1) & mask }
            table[at] = Slot(word: key[group], group: Int64(group &+ 1))
        }
    }

    private func lookUp(_ keys: UnsafePointer<UInt64>, _ rows: Int, _ out: UnsafeMutablePointer<Int32>) {
        let (table, mask, known) = (slots.pointer(Slot.self), slotCount &- 1, words.pointer(UInt64.self))
        var groups = count
        for row in 0..<rows {
            let key = keys[row]
            var at = Int(truncatingIfNeeded: KeyHash.mix(key)) & mask
            while true {
                let slot = table[at]
                if slot.group == 0 {
                    known[groups] = key
                    groups &+= 1
                    table[at] = Slot(word: key, group: Int64(truncatingIfNeeded: groups))
                    out[row] = Int32(truncatingIfNeeded: groups &- 1)
                    break
                }
                if slot.word == key {
                    out[row] = Int32(truncatingIfNeeded: slot.group &- 1)
                    break
                }
                at = (at &+ 1) & mask
            }
        }
        count = groups
    }

    /// High 16 bits of a slot of a many-word table: salt; the rest: group + 1.
    private static let saltMask: UInt64 = 0xffff_0000_0000_0000

    @inline(__always)
    private static func hash(_ row: UnsafePointer<UInt64>, _ width: Int) -> UInt64 {
        var hash = KeyHash.mix(row[0])
        for word in 1..<width { hash = KeyHash.combine(hash, row[word]) }
        return hash
    }

    private func rehashMany(_ width: Int) {
        slots = Buffer(count: slotCount, of: UInt64.self)
        slots.fill(0)
        let (table, mask, known) = (slots.pointer(UInt64.self), slotCount &- 1, words.pointer(UInt64.self))
        for group in 0..<count {
            let hash = GroupTable.hash(known + group &* width, width)
            var at = Int(truncatingIfNeeded: hash) & mask
            while table[at] != 0 { at = (at &+ 1) & mask }
            table[at] = (hash & GroupTable.saltMask) | UInt64(group &+ 1)
        }
    }

    private func lookUp(
        _ keys: UnsafePointer<UInt64>, _ width: Int, _ rows: Int, _ out: UnsafeMutablePointer<Int32>
    ) {
        let (table, mask, known) = (slots.pointer(UInt64.self), slotCount &- 1, words.pointer(UInt64.self))
        var groups = count
        for row in 0..<rows {
            let key = keys + row &* width
            let hash = GroupTable.hash(key, width)
            let salt = hash & GroupTable.saltMask
            var at = Int(truncatingIfNeeded: hash) & mask
            while true {
                let slot = table[at]
                if slot == 0 {
                    let target = known + groups &* width
                    for word in 0..<width { target[word] = key[word] }
                    groups &+= 1
                    table[at] = salt | UInt64(truncatingIfNeeded: groups)
                    out[row] = Int32(truncatingIfNeeded: groups &- 1)
                    break
                }
                if slot & GroupTable.saltMask == salt {
                    let group = Int(truncatingIfNeeded: slot & ~GroupTable.saltMask) &- 1
                    let other = known + group &* width
                    var difference: UInt64 = 0
                    for word in 0..<width { difference |= other[word] ^ key[word] }
                    if difference == 0 {
                        out[row] = Int32(truncatingIfNeeded: group)
                        break
                    }
                }
                at = (at &+ 1) & mask
            }
        }
        count = groups
    }

    // MARK: - Output

    /// The values of one key for a range of groups.
    func column(_ key: Int, _ range: Range<Int>) -> Column {
        let rows = Buffer(count: max(1, range.count), of: Int32.self)
        let index = rows.pointer(Int32.self)
        if let interner = interners[key] {
            if types.count == 1 {
                for offset in 0..<range.count { index[offset] = Int32(truncatingIfNeeded: range.lowerBound &+ offset) }
            } else {
                let place = layout.places[key]
                let from = words.pointer(UInt64.self) + place.word
                for offset in 0..<range.count {
                    let word = from[(range.lowerBound &+ offset) &* layout.words]
                    index[offset] = Int32(truncatingIfNeeded: (word &>> place.shift) & 0xffff_ffff)
                }
            }
            let all = lastColumns[key].flatMap { $0.count == interner.count ? $0 : nil } ?? interner.column()
            lastColumns[key] = all
            return all.gather(UnsafePointer(index), count: range.count)
        }
        return layout.decode(key, types[key], words.pointer(UInt64.self), range)
    }
}
