// Loops over levels, a byte each: how many values there are, which slots exist, which are not NULL. Hot.

import Columns

enum LevelBits {
    /// Bits that levels up to `most` take.
    static func width(_ most: Int) -> Int { Int.bitWidth - most.leadingZeroBitCount }

    /// How many levels are the deepest.
    static func count(of most: Int, _ levels: UnsafePointer<UInt8>, _ n: Int) -> Int {
        let wanted = UInt8(truncatingIfNeeded: most)
        var total = 0
        for index in 0..<n { total &+= levels[index] == wanted ? 1 : 0 }
        return total
    }

    /// Makes bytes of levels; false when one is above `most`.
    static func narrow(
        _ from: UnsafePointer<UInt32>, _ n: Int, _ most: Int, to target: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        var highest: UInt32 = 0
        for index in 0..<n {
            let level = from[index]
            highest = max(highest, level)
            target[index] = UInt8(truncatingIfNeeded: level)
        }
        return highest <= UInt32(truncatingIfNeeded: most)
    }

    /// The deprecated form: bits from the most significant one on; false when a level is above `most`.
    static func unpack(
        _ from: UnsafeRawPointer, _ width: Int, _ most: Int, _ n: Int, to target: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        var bit = 0
        var highest = 0
        for index in 0..<n {
            var level = 0
            for _ in 0..<width {
                let byte = from.load(fromByteOffset: bit &>> 3, as: UInt8.self)
                level = level &<< 1 | Int(byte &>> UInt8(truncatingIfNeeded: 7 &- (bit & 7))) & 1
                bit &+= 1
            }
            highest = max(highest, level)
            target[index] = UInt8(truncatingIfNeeded: level)
        }
        return highest <= most
    }
}

/// The levels of one leaf for some rows.
struct LeafLevels {
    let definitions: UnsafePointer<UInt8>
    let repetitions: UnsafePointer<UInt8>
    let count: Int
    /// Whether an entry can be anything but the start of a row.
    let isRepeated: Bool

    /// How many slots there are in the elements of the lists around a part: entries that begin one.
    func slots(_ list: ListLevels) -> Int {
        guard isRepeated else { return count }
        var total = 0
        for index in 0..<count {
            let isSlot = definitions[index] >= list.exists && repetitions[index] <= list.repeats
            total &+= isSlot ? 1 : 0
        }
        return total
    }

    /// Which slots are not NULL, because the definition level reaches `present`; nil when all are.
    func validity(_ list: ListLevels, present: Int, slots: Int) -> Buffer? {
        guard present > Int(list.exists) else { return nil }
        let bits = Bitmap.make(slots, all: false)
        let words = bits.pointer(UInt64.self)
        let level = UInt8(truncatingIfNeeded: present)
        var ones = 0
        var slot = 0
        for index in 0..<count {
            let definition = definitions[index]
            let isSlot = definition >= list.exists && repetitions[index] <= list.repeats
            guard isSlot else { continue }
            let one: UInt64 = definition >= level ? 1 : 0
            words[slot &>> 6] |= one &<< UInt64(truncatingIfNeeded: slot & 63)
            ones &+= Int(truncatingIfNeeded: one)
            slot &+= 1
        }
        return ones == slots ? nil : bits
    }

    /// The lists in the slots; nil when the levels contradict each other.
    func spans(_ list: ListLevels, of inner: ListLevels, slots: Int) -> Buffer? {
        let buffer = Buffer(count: max(1, slots), of: ListSpan.self)
        let spans = buffer.pointer(ListSpan.self)
        var slot = -1
        var elements: Int32 = 0
        for index in 0..<count {
            let (definition, repetition) = (definitions[index], repetitions[index])
            guard definition >= list.exists else { continue }
            if repetition <= list.repeats {
                slot &+= 1
                spans[slot].start = elements
                spans[slot].count = 0
            }
            guard slot >= 0 else { return nil }
            if definition >= inner.exists, repetition <= inner.repeats {
                spans[slot].count &+= 1
                elements &+= 1
            }
        }
        return buffer
    }
}

/// The levels that elements of a list have: all of them if it is none, but the rows.
struct ListLevels {
    var exists: UInt8 = 0
    var repeats: UInt8 = 0
}
