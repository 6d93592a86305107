import Testing

@testable import Planner

@Suite struct ColumnSetTests {
    /// Numbers that look random, the same in every run.
    private struct Numbers {
        var state: UInt64
        mutating func next(below limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
    }

    @Test("does what a set of hashed ids does", arguments: [10, 64, 65, 200, 5_000])
    func equalsHashed(limit: Int) {
        var numbers = Numbers(state: UInt64(limit))
        for _ in 0..<200 {
            let (a, b) = (ids(&numbers, limit), ids(&numbers, limit))
            let (left, right) = (ColumnSet(a), ColumnSet(b))
            #expect(Array(left) == a.sorted())
            #expect(left.count == a.count && left.isEmpty == a.isEmpty)
            #expect(Array(left.union(right)) == a.union(b).sorted())
            #expect(Array(left.subtracting(right)) == a.subtracting(b).sorted())
            #expect(Array(left.intersection(right)) == a.intersection(b).sorted())
            #expect(left.isSubset(of: right) == a.isSubset(of: b))
            #expect(left.union(right).isSuperset(of: right))
            #expect(left.isDisjoint(with: right) == a.isDisjoint(with: b))
            #expect((left == right) == (a == b))
            // Sets that were made on different ways are equal.
            #expect(left.union(right).subtracting(right) == ColumnSet(a.subtracting(b)))
            let id = ColumnID(numbers.next(below: limit))
            var changed = left
            #expect(changed.insert(id).inserted == !a.contains(id))
            #expect(changed.contains(id))
            #expect(changed.remove(id) == id && !changed.contains(id) && changed.remove(id) == nil)
        }
    }

    private func ids(_ numbers: inout Numbers, _ limit: Int) -> Set<ColumnID> {
        var ids: Set<ColumnID> = []
        for _ in 0..<numbers.next(below: 12) { ids.insert(ColumnID(numbers.next(below: limit))) }
        return ids
    }
}
