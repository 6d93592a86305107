// Sorted rows of some whole partitions: where partitions, peers and frames begin and end. Hot.
import Columns
import Diagnostics
import Functions
import Planner

/// Rows in order; positions count from the chunk's first row.
final class WindowChunk {
    let run: QueryRun
    let count: Int
    /// Starts of partitions, and the end.
    let partitions: [Int]
    /// Starts of peer groups, and the end.
    let peers: [Int]
    /// By row: number of its partition, of its peer group.
    let partitionOf: Buffer
    let peerOf: Buffer
    /// Sort keys of the rows, in order.
    let keys: [Column]
    let orders: [KeyOrder]

    init(
        rows: UnsafePointer<Int32>, count: Int, partitions: [Int], keys: [Column], orders: [KeyOrder], _ run: QueryRun
    ) throws(SQLError) {
        self.run = run
        self.count = count
        self.partitions = partitions
        self.orders = orders
        // Peers are runs of equal keys, and end where partitions end.
        let runs = try RowRuns.starts(keys, rows, rows: count, run)
        peers = WindowChunk.merged(runs, partitions)
        partitionOf = WindowChunk.numbers(partitions, count)
        peerOf = WindowChunk.numbers(peers, count)
        var sorted: [Column] = []
        for key in keys { sorted.append(Gather.take(key, rows, count: count)) }
        self.keys = sorted
    }

    private static func merged(_ a: [Int], _ b: [Int]) -> [Int] {
        var all: [Int] = []
        var (i, j) = (0, 0)
        while i < a.count || j < b.count {
            let next = min(i < a.count ? a[i] : Int.max, j < b.count ? b[j] : Int.max)
            all.append(next)
            if i < a.count, a[i] == next { i += 1 }
            if j < b.count, b[j] == next { j += 1 }
        }
        return all
    }

    private static func numbers(_ starts: [Int], _ count: Int) -> Buffer {
        let buffer = Buffer(count: max(1, count), of: Int32.self)
        let out = buffer.pointer(Int32.self)
        for index in 0..<max(0, starts.count - 1) {
            for row in starts[index]..<starts[index + 1] { out[row] = Int32(truncatingIfNeeded: index) }
        }
        return buffer
    }

    @inline(__always)
    func partition(_ row: Int) -> Int { Int(partitionOf.pointer(Int32.self)[row]) }
    @inline(__always)
    func peer(_ row: Int) -> Int { Int(peerOf.pointer(Int32.self)[row]) }

    /// Computes one call for all rows.
    func evaluate(
        _ call: WindowCall, _ arguments: [Column], _ filter: Column?, account: MemoryAccount, slidingMin: Int
    ) throws(SQLError) -> Column {
        try run.check()
        switch call.function {
        case .aggregate(let aggregate):
            let frames = try WindowFrames(call.frame, self)
            return try WindowAggregate(
                aggregate, arguments, filter, frames, self, account: account, slidingMin: slidingMin
            ).evaluate()
        case .window(let kind, let type):
            return try WindowFunctions(self, type).evaluate(kind, call, arguments)
        }
    }
}

/// The frame of each row: a range of positions, and what is left out of it.
struct WindowFrames {
    let exclusion: WindowFrame.Exclusion
    private let startBuffer: Buffer
    private let endBuffer: Buffer
    /// Every frame begins, or ends, with its partition.
    let isFromStart: Bool
    let isToEnd: Bool

    var starts: UnsafePointer<Int32> { UnsafePointer(startBuffer.pointer(Int32.self)) }
    var ends: UnsafePointer<Int32> { UnsafePointer(endBuffer.pointer(Int32.self)) }

    init(_ frame: WindowFrame, _ chunk: WindowChunk) throws(SQLError) {
        exclusion = frame.exclusion
        if case .unboundedPreceding = frame.start { isFromStart = true } else { isFromStart = false }
        if case .unboundedFollowing = frame.end { isToEnd = true } else { isToEnd = false }
        let size = max(1, chunk.count)
        startBuffer = Buffer(count: size, of: Int32.self)
        endBuffer = Buffer(count: size, of: Int32.self)
        let (first, last) = (startBuffer.pointer(Int32.self), endBuffer.pointer(Int32.self))
        let side = WindowBound(frame.mode, chunk)
        try side.write(frame.start, isEnd: false, to: first)
        try side.write(frame.end, isEnd: true, to: last)
        for row in 0..<chunk.count { last[row] = max(first[row], last[row]) }
    }

    /// Calls the body with the pieces of a row's frame that are not left out, in order.
    @inline(__always)
    func pieces(_ row: Int, _ chunk: WindowChunk, _ body: (Int, Int) -> Void) {
        let (start, end) = (Int(starts[row]), Int(ends[row]))
        switch exclusion {
        case .noOthers: body(start, end)
        case .currentRow:
            body(start, min(end, max(start, row)))
            body(max(start, min(end, row + 1)), end)
        case .group, .ties:
            let peer = chunk.peer(row)
            let (low, high) = (chunk.peers[peer], chunk.peers[peer + 1])
            body(start, min(end, max(start, low)))
            if exclusion == .ties, row >= start, row < end { body(row, row + 1) }
            body(max(start, min(end, high)), end)
        }
    }
}

/// One side of a frame.
private struct WindowBound {
    let mode: WindowFrame.Mode
    let chunk: WindowChunk

    init(_ mode: WindowFrame.Mode, _ chunk: WindowChunk) {
        self.mode = mode
        self.chunk = chunk
    }

    func write(
        _ bound: WindowFrame.Bound, isEnd: Bool, to out: UnsafeMutablePointer<Int32>
    ) throws(SQLError) {
        switch bound {
        case .unboundedPreceding:
            for row in 0..<chunk.count { out[row] = Int32(chunk.partitions[chunk.partition(row)]) }
        case .unboundedFollowing:
            for row in 0..<chunk.count { out[row] = Int32(chunk.partitions[chunk.partition(row) + 1]) }
        case .currentRow:
            for row in 0..<chunk.count {
                let peer = chunk.peer(row)
                let start = mode == .rows ? row : chunk.peers[peer]
                let end = mode == .rows ? row + 1 : chunk.peers[peer + 1]
                out[row] = Int32(isEnd ? end : start)
            }
        case .preceding(let expr): try write(try offset(expr, isEnd), isPreceding: true, isEnd, out)
        case .following(let expr): try write(try offset(expr, isEnd), isPreceding: false, isEnd, out)
        }
    }

    private func offset(_ expr: Expr, _ isEnd: Bool) throws(SQLError) -> Scalar {
        let side = isEnd ? "ending" : "starting"
        let value = try expr.constantValue(chunk.run)
        if value.isNull { throw SQLError(SQLState("22004"), "frame \(side) offset must not be null") }
        let isNegative: Bool
        switch value.value {
        case .int(let number): isNegative = number < 0
        case .int128(let number): isNegative = number < 0
        case .numeric(let mantissa, _): isNegative = mantissa < 0
        case .double(let number): isNegative = number < 0 || number.isNaN
        case .interval(let interval): isNegative = interval.comparisonKey < 0
        default: isNegative = false
        }
        guard !isNegative else {
            let state = SQLState("22013")
            if mode == .range { throw SQLError(state, "invalid preceding or following size in window function") }
            throw SQLError(state, "frame \(side) offset must not be negative")
        }
        return value
    }

    private func write(
        _ offset: Scalar, isPreceding: Bool, _ isEnd: Bool, _ out: UnsafeMutablePointer<Int32>
    ) throws(SQLError) {
        if mode == .range { return try RangeBound(chunk, offset, isPreceding: isPreceding).write(isEnd, out) }
        guard case .int(let given) = offset.value else {
            throw SQLError(.datatypeMismatch, "frame offsets of ROWS and GROUPS must be integers")
        }
        let distance = Int(min(given, Int64(Int32.max))) * (isPreceding ? -1 : 1)
        for row in 0..<chunk.count {
            let partition = chunk.partition(row)
            let (low, high) = (chunk.partitions[partition], chunk.partitions[partition + 1])
            if mode == .rows {
                out[row] = Int32(max(low, min(high, row + distance + (isEnd ? 1 : 0))))
                continue
            }
            // Peer groups do not cross partitions, so positions tell when one is left.
            let target = chunk.peer(row) + distance + (isEnd ? 1 : 0)
            let position = target < 0 ? 0 : target >= chunk.peers.count ? chunk.count : chunk.peers[target]
            out[row] = Int32(max(low, min(high, position)))
        }
    }
}

/// A RANGE bound with an offset: rows whose key lies at a distance from the current row's key.
private struct RangeBound {
    private let chunk: WindowChunk
    private let key: Column
    private let offset: Scalar
    private let isDescending: Bool
    private let isPreceding: Bool

    init(_ chunk: WindowChunk, _ offset: Scalar, isPreceding: Bool) throws(SQLError) {
        guard chunk.keys.count == 1, let key = chunk.keys.first else {
            throw SQLError(
                .windowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column")
        }
        self.chunk = chunk
        self.key = Flatten.flat(key)
        self.offset = offset
        self.isPreceding = isPreceding
        isDescending = chunk.orders[0].isDescending
    }

    func write(_ isEnd: Bool, _ out: UnsafeMutablePointer<Int32>) throws(SQLError) {
        // In descending order what precedes is greater.
        let isSubtracted = isPreceding != isDescending
        switch (key.type, offset.value) {
        case (.float4, .double(let distance)), (.float8, .double(let distance)):
            var keys = [Double](repeating: 0, count: chunk.count)
            for row in 0..<chunk.count where key.isValid(row) {
                if case .double(let number) = key.scalar(row).value { keys[row] = number }
            }
            let moved = keys.map { isSubtracted ? $0 - distance : $0 + distance }
            try search(keys, moved, isEnd, out) { Scalar.compareDoubles($0, $1) < 0 }
        case (.date, .interval(let interval)), (.timestamp, .interval(let interval)),
            (.timestamptz, .interval(let interval)):
            let step = isSubtracted ? try interval.negated() : interval
            var keys = [Int64](repeating: 0, count: chunk.count)
            var moved = keys
            for row in 0..<chunk.count where key.isValid(row) {
                guard case .int(var number) = key.scalar(row).value else { continue }
                if key.type == .date { number = number &* Calendar.microsecondsPerDay }
                keys[row] = number
                moved[row] =
                    key.type == .timestamptz
                    ? try Calendar.add(number, step, in: chunk.run.functions.timeZone)
                    : try Calendar.add(number, step)
            }
            try search(keys, moved, isEnd, out) { $0 < $1 }
        case (.time, .interval(let interval)):
            // Months and days do not move a time of day, and midnight does not wrap around.
            let step = isSubtracted ? -Int128(interval.microseconds) : Int128(interval.microseconds)
            let keys = rows(Int128(0)) { if case .int(let number) = $0.value { Int128(number) } else { nil } }
            try search(keys, keys.map { $0 + step }, isEnd, out) { $0 < $1 }
        case (.interval, .interval(let interval)):
            let step = isSubtracted ? -interval.comparisonKey : interval.comparisonKey
            let keys = rows(Int128(0)) { if case .interval(let value) = $0.value { value.comparisonKey } else { nil } }
            try search(keys, keys.map { $0 + step }, isEnd, out) { $0 < $1 }
        default: try exact(isSubtracted, isEnd, out)
        }
    }

    /// The keys as numbers; `missing` stands for NULLs.
    private func rows<K>(_ missing: K, _ read: (Scalar) -> K?) -> [K] {
        (0..<chunk.count).map { key.isValid($0) ? read(key.scalar($0)) ?? missing : missing }
    }

    /// Integers, decimals and numerics at one scale.
    private func exact(_ isSubtracted: Bool, _ isEnd: Bool, _ out: UnsafeMutablePointer<Int32>) throws(SQLError) {
        guard let distance = RangeBound.number(offset) else {
            throw SQLError(
                .featureNotSupported,
                "RANGE with offset PRECEDING/FOLLOWING is not supported for column type \(key.type.baseName)")
        }
        var numbers = [Numeric](repeating: Numeric(0, scale: 0), count: chunk.count)
        var scale = Int(distance.scale)
        for row in 0..<chunk.count where key.isValid(row) {
            guard let number = RangeBound.number(key.scalar(row)) else { continue }
            numbers[row] = number
            scale = max(scale, Int(number.scale))
        }
        guard let step = distance.rescaled(scale)?.mantissa else { throw DecimalMath.overflow }
        var keys = [Int128](repeating: 0, count: chunk.count)
        for row in 0..<chunk.count {
            guard let scaled = numbers[row].rescaled(scale) else { throw DecimalMath.overflow }
            keys[row] = scaled.mantissa
        }
        let moved = keys.map { isSubtracted ? $0.subtractingClamped(step) : $0.subtractingClamped(-step) }
        try search(keys, moved, isEnd, out) { $0 < $1 }
    }

    private static func number(_ scalar: Scalar) -> Numeric? {
        switch scalar.value {
        case .int(let number): return Numeric(Int128(number), scale: 0)
        case .int128(let mantissa):
            guard case .decimal(_, let scale) = scalar.type else { return nil }
            return Numeric(mantissa, scale: scale)
        case .numeric(let mantissa, let scale): return Numeric(mantissa, scale: scale)
        default: return nil
        }
    }

    /// Finds each row's bound among the keys of its partition that are not NULL; rows with NULL see their peers.
    private func search<K>(
        _ keys: [K], _ moved: [K], _ isEnd: Bool, _ out: UnsafeMutablePointer<Int32>, _ isLess: (K, K) -> Bool
    ) throws(SQLError) {
        for partition in 0..<chunk.partitions.count - 1 {
            try chunk.run.check()
            var (low, high) = (chunk.partitions[partition], chunk.partitions[partition + 1])
            let all = low..<high
            while low < high, !key.isValid(low) { low += 1 }
            while high > low, !key.isValid(high - 1) { high -= 1 }
            for row in all {
                guard key.isValid(row) else {
                    let peer = chunk.peer(row)
                    out[row] = Int32(isEnd ? chunk.peers[peer + 1] : chunk.peers[peer])
                    continue
                }
                let bound = moved[row]
                var (first, last) = (low, high)
                while first < last {
                    let middle = (first + last) / 2
                    let value = keys[middle]
                    let isBefore = isDescending ? isLess(bound, value) : isLess(value, bound)
                    let isAfter = isDescending ? isLess(value, bound) : isLess(bound, value)
                    if isEnd ? !isAfter : isBefore { first = middle + 1 } else { last = middle }
                }
                out[row] = Int32(first)
            }
        }
    }
}

extension Int128 {
    /// The difference, or the nearest number there is.
    fileprivate func subtractingClamped(_ other: Int128) -> Int128 {
        let (result, overflow) = subtractingReportingOverflow(other)
        return overflow ? (self < 0 ? Int128.min : Int128.max) : result
    }
}
