// Sets of row positions as Roaring bitmaps: 65,536 positions a container, an array while it is small, else bits.

/// Positions of rows in a file.
struct PositionSet: Sendable, Hashable {
    /// The positions that share all but their low 16 bits.
    struct Container: Sendable, Hashable {
        /// Ascending; empty once there are bits.
        var array: [UInt16] = []
        /// 1,024 words, or none.
        var bits: [UInt64] = []
        var count = 0

        static let arrayMax = 4096
        static let words = 1024

        @inline(__always)
        func contains(_ low: UInt16) -> Bool {
            if !bits.isEmpty { return bits[Int(low) &>> 6] &>> UInt64(low & 63) & 1 != 0 }
            let place = place(of: low)
            return place < array.count && array[place] == low
        }

        /// Where a number is in the array, or would be.
        @inline(__always)
        private func place(of low: UInt16) -> Int {
            var (start, end) = (0, array.count)
            while start < end {
                let middle = (start &+ end) &>> 1
                if array[middle] < low { start = middle &+ 1 } else { end = middle }
            }
            return start
        }

        /// Whether it was not there before.
        mutating func insert(_ low: UInt16) -> Bool {
            if bits.isEmpty {
                if array.last.map({ $0 < low }) ?? true {
                    array.append(low)
                } else {
                    let place = place(of: low)
                    if place < array.count, array[place] == low { return false }
                    array.insert(low, at: place)
                }
                count += 1
                if array.count > Container.arrayMax { spread() }
                return true
            }
            let (word, bit) = (Int(low) >> 6, UInt64(1) << UInt64(low & 63))
            if bits[word] & bit != 0 { return false }
            bits[word] |= bit
            count += 1
            return true
        }

        mutating func spread() {
            guard bits.isEmpty else { return }
            bits = Array(repeating: 0, count: Container.words)
            for low in array { bits[Int(low) >> 6] |= 1 << UInt64(low & 63) }
            array = []
        }

        mutating func insert(_ range: ClosedRange<UInt16>) {
            spread()
            for low in range { bits[Int(low) >> 6] |= 1 << UInt64(low & 63) }
            count = bits.reduce(0) { $0 + $1.nonzeroBitCount }
        }

        mutating func formUnion(_ other: Container) {
            if bits.isEmpty, other.bits.isEmpty, count + other.count <= Container.arrayMax {
                other.forEach { _ = insert($0) }
                return
            }
            spread()
            var more = other
            more.spread()
            for word in 0..<Container.words { bits[word] |= more.bits[word] }
            count = bits.reduce(0) { $0 + $1.nonzeroBitCount }
            // Readers take what has few positions for an array.
            if count <= Container.arrayMax {
                var few: [UInt16] = []
                forEach { few.append($0) }
                (array, bits) = (few, [])
            }
        }

        func forEach(_ body: (UInt16) -> Void) {
            for low in array { body(low) }
            for (index, word) in bits.enumerated() where word != 0 {
                var left = word
                while left != 0 {
                    body(UInt16(truncatingIfNeeded: index << 6 + left.trailingZeroBitCount))
                    left &= left - 1
                }
            }
        }
    }

    /// Ascending: position >> 16.
    private(set) var keys: [UInt64] = []
    private(set) var containers: [Container] = []
    private(set) var count = 0

    /// Positions are below this.
    static let positionMax: Int64 = 1 << 47

    var isEmpty: Bool { count == 0 }

    /// Memory held.
    var sizeBytes: Int { containers.reduce(64) { $0 + 48 + $1.array.count * 2 + $1.bits.count * 8 } }

    private func place(of key: UInt64) -> Int {
        if let last = keys.last, last < key { return keys.count }
        var (start, end) = (0, keys.count)
        while start < end {
            let middle = (start &+ end) &>> 1
            if keys[middle] < key { start = middle &+ 1 } else { end = middle }
        }
        return start
    }

    /// Adds a position that is not negative; returns whether it was not there before.
    @discardableResult
    mutating func insert(_ position: Int64) -> Bool {
        let key = UInt64(bitPattern: position) >> 16
        let place = place(of: key)
        if place == keys.count || keys[place] != key {
            keys.insert(key, at: place)
            containers.insert(Container(), at: place)
        }
        guard containers[place].insert(UInt16(truncatingIfNeeded: position)) else { return false }
        count += 1
        return true
    }

    /// Adds a container with a key above all others.
    mutating func append(_ container: Container, key: UInt64) {
        keys.append(key)
        containers.append(container)
        count += container.count
    }

    func contains(_ position: Int64) -> Bool {
        let key = UInt64(bitPattern: position) >> 16
        let place = place(of: key)
        guard place < keys.count, keys[place] == key else { return false }
        return containers[place].contains(UInt16(truncatingIfNeeded: position))
    }

    /// The container of a position, for lookups in a row.
    func container(of position: Int64) -> Container? {
        let key = UInt64(bitPattern: position) >> 16
        let place = place(of: key)
        return place < keys.count && keys[place] == key ? containers[place] : nil
    }

    /// Whether there may be positions between two.
    func mayMeet(_ first: Int64, _ last: Int64) -> Bool {
        let place = place(of: UInt64(bitPattern: first) >> 16)
        return place < keys.count && keys[place] <= UInt64(bitPattern: last) >> 16
    }

    mutating func formUnion(_ other: PositionSet) {
        if isEmpty {
            self = other
            return
        }
        for (key, container) in zip(other.keys, other.containers) {
            let place = place(of: key)
            if place < keys.count, keys[place] == key {
                count -= containers[place].count
                containers[place].formUnion(container)
            } else {
                keys.insert(key, at: place)
                containers.insert(container, at: place)
            }
            count += containers[place].count
        }
    }

    func isDisjoint(with other: PositionSet) -> Bool {
        let (few, many) = count < other.count ? (self, other) : (other, self)
        var meets = false
        few.forEach { if !meets, many.contains($0) { meets = true } }
        return !meets
    }

    func subtracting(_ other: PositionSet) -> PositionSet {
        if other.isEmpty { return self }
        var result = PositionSet()
        forEach { if !other.contains($0) { result.insert($0) } }
        return result
    }

    /// In ascending order.
    func forEach(_ body: (Int64) -> Void) {
        for (key, container) in zip(keys, containers) {
            container.forEach { body(Int64(bitPattern: key << 16 | UInt64($0))) }
        }
    }
}
