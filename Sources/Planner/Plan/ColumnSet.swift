// Sets of columns as bits: rules ask at every node what is read and made there, and ids of one plan lie close together.

/// A set of column ids.
public struct ColumnSet: Sendable, Equatable, ExpressibleByArrayLiteral, Sequence {
    /// The word of the lowest bits, in words of 64 ids; of no meaning while the set is empty.
    private var base = 0
    /// Most sets fit one word, and then need no memory of their own.
    private var first: UInt64 = 0
    private var more: [UInt64] = []

    public init() {}

    public init(_ ids: some Sequence<ColumnID>) {
        for id in ids { insert(id) }
    }

    public init(arrayLiteral elements: ColumnID...) { self.init(elements) }

    private var words: Range<Int> { base..<base + 1 + more.count }

    private func word(_ index: Int) -> UInt64 {
        if index == base { return first }
        let place = index - base - 1
        return more.indices.contains(place) ? more[place] : 0
    }

    private mutating func set(_ index: Int, _ word: UInt64) {
        if index == base { first = word } else { more[index - base - 1] = word }
    }

    /// Makes room for a word.
    private mutating func reach(_ index: Int) {
        if isEmpty {
            (base, first, more) = (index, 0, [])
        } else if index < base {
            more = Array(repeating: 0, count: base - index - 1) + [first] + more
            (base, first) = (index, 0)
        } else if index - base > more.count {
            more += Array(repeating: 0, count: index - base - more.count)
        }
    }

    public var isEmpty: Bool { first == 0 && more.allSatisfy { $0 == 0 } }

    public var count: Int { more.reduce(first.nonzeroBitCount) { $0 + $1.nonzeroBitCount } }

    public func contains(_ id: ColumnID) -> Bool { word(id.number >> 6) & ColumnSet.bit(id) != 0 }

    private static func bit(_ id: ColumnID) -> UInt64 { 1 << UInt64(id.number & 63) }

    @discardableResult
    public mutating func insert(_ id: ColumnID) -> (inserted: Bool, memberAfterInsert: ColumnID) {
        let index = id.number >> 6
        reach(index)
        let old = word(index)
        set(index, old | ColumnSet.bit(id))
        return (old & ColumnSet.bit(id) == 0, id)
    }

    @discardableResult
    public mutating func remove(_ id: ColumnID) -> ColumnID? {
        guard contains(id) else { return nil }
        let index = id.number >> 6
        set(index, word(index) & ~ColumnSet.bit(id))
        return id
    }

    public mutating func formUnion(_ other: ColumnSet) {
        if other.isEmpty { return }
        if isEmpty {
            self = other
            return
        }
        reach(other.base)
        reach(other.words.upperBound - 1)
        for index in other.words { set(index, word(index) | other.word(index)) }
    }

    public mutating func formUnion(_ ids: some Sequence<ColumnID>) {
        for id in ids { insert(id) }
    }

    public func union(_ other: ColumnSet) -> ColumnSet {
        var result = self
        result.formUnion(other)
        return result
    }

    public func union(_ ids: some Sequence<ColumnID>) -> ColumnSet { union(ColumnSet(ids)) }

    public mutating func subtract(_ other: ColumnSet) {
        for index in words { set(index, word(index) & ~other.word(index)) }
    }

    public func subtracting(_ other: ColumnSet) -> ColumnSet {
        var result = self
        result.subtract(other)
        return result
    }

    public func intersection(_ other: ColumnSet) -> ColumnSet {
        var result = self
        for index in words { result.set(index, word(index) & other.word(index)) }
        return result
    }

    public func isDisjoint(with other: ColumnSet) -> Bool { words.allSatisfy { word($0) & other.word($0) == 0 } }

    public func isSubset(of other: ColumnSet) -> Bool { words.allSatisfy { word($0) & ~other.word($0) == 0 } }

    public func isSuperset(of other: ColumnSet) -> Bool { other.isSubset(of: self) }

    public static func == (left: ColumnSet, right: ColumnSet) -> Bool {
        left.isSubset(of: right) && right.isSubset(of: left)
    }

    /// In ascending order.
    public func makeIterator() -> Iterator { Iterator(self) }

    public struct Iterator: IteratorProtocol {
        private let set: ColumnSet
        private var index: Int
        private var rest: UInt64

        init(_ set: ColumnSet) {
            self.set = set
            index = set.base
            rest = set.first
        }

        public mutating func next() -> ColumnID? {
            while rest == 0 {
                index += 1
                guard set.words.contains(index) else { return nil }
                rest = set.word(index)
            }
            let bit = rest.trailingZeroBitCount
            rest &= rest - 1
            return ColumnID(index << 6 | bit)
        }
    }
}
