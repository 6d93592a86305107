// approx_count_distinct: HyperLogLog over the shared key hashes (Flajolet et al. 2007; 1.6 % standard error). Hot.
import Columns
import Diagnostics
import Glibc

final class DistinctSketch: Aggregate {
    /// 4096 registers.
    private static let bits: UInt64 = 12
    private static let registers = 1 << 12
    /// Groups with fewer values keep the hashes themselves and are exact.
    private static let exactMax = 512

    private enum State {
        case exact(Set<UInt64>)
        case registers([UInt8])
    }

    private var states: [State] = []

    private func grow(_ groups: Int) { while states.count < max(groups, 1) { states.append(.exact([])) } }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        grow(groups.groups)
        let hashes = Buffer(count: max(1, groups.rows), of: UInt64.self)
        let h = hashes.pointer(UInt64.self)
        KeyHash.hash([arguments[0]], rows: groups.rows, into: h)
        let validity = Flatten.validity(arguments[0])
        try groups.each(validity.map { UnsafePointer($0.pointer(UInt64.self)) }) { (group, row) throws(SQLError) in
            add(h[row], group)
        }
    }

    private func add(_ hash: UInt64, _ group: Int) {
        switch states[group] {
        case .registers(var registers):
            // Taken out first, so that the array is not copied.
            states[group] = .exact([])
            DistinctSketch.note(hash, &registers)
            states[group] = .registers(registers)
        case .exact(var seen):
            states[group] = .registers([])
            seen.insert(hash)
            states[group] =
                seen.count <= DistinctSketch.exactMax ? .exact(seen) : .registers(DistinctSketch.dense(seen))
        }
    }

    private static func dense(_ hashes: Set<UInt64>) -> [UInt8] {
        var registers = [UInt8](repeating: 0, count: registers)
        for hash in hashes { note(hash, &registers) }
        return registers
    }

    private static func note(_ hash: UInt64, _ registers: inout [UInt8]) {
        // The key hash may be weak in its high bits; one more mixing round makes all bits count.
        let mixed = KeyHash.mix(hash)
        let index = Int(mixed >> (64 - bits))
        let rank = UInt8(truncatingIfNeeded: min((mixed << bits).leadingZeroBitCount, 64 - Int(bits)) + 1)
        if rank > registers[index] { registers[index] = rank }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? DistinctSketch else { throw AggregateResult.mismatch }
        grow(groups.groups)
        for index in 0..<min(groups.rows, other.states.count) {
            let group = groups.group(index)
            switch other.states[index] {
            case .exact(let seen): for hash in seen { add(hash, group) }
            case .registers(let from):
                var into: [UInt8]
                switch states[group] {
                case .exact(let seen): into = DistinctSketch.dense(seen)
                case .registers(let known): into = known
                }
                for register in 0..<DistinctSketch.registers { into[register] = max(into[register], from[register]) }
                states[group] = .registers(into)
            }
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        try AggregateResult.column(.int8, range, zero: Int64(0)) { (group) throws(SQLError) -> Int64? in
            guard group < states.count else { return 0 }
            switch states[group] {
            case .exact(let seen): return Int64(seen.count)
            case .registers(let registers): return DistinctSketch.estimate(registers)
            }
        }
    }

    private static func estimate(_ registers: [UInt8]) -> Int64 {
        let count = Double(registers.count)
        var sum = 0.0
        var zeros = 0
        for register in registers {
            sum += exp2(-Double(register))
            if register == 0 { zeros += 1 }
        }
        let raw = 0.7213 / (1 + 1.079 / count) * count * count / sum
        // Few values: count the empty registers instead.
        if raw <= 2.5 * count, zeros > 0 { return Int64((count * log(count / Double(zeros))).rounded()) }
        return Int64(raw.rounded())
    }

    var sizeBytes: Int { states.count * 64 }
}
