// Aggregates over frames, by means of what every aggregate can do: add rows to groups, merge groups. Hot.
// Frames that begin (or end) with their partition are running sums over segments, made in log(n) rounds of merges;
// small other frames are added up row by row, once for equal frames; large ones slide (WindowSliding.swift).
import Columns
import Diagnostics
import Functions
import Planner

/// Computes one aggregate for the rows of a chunk.
struct WindowAggregate {
    let aggregate: BoundAggregate
    let frames: WindowFrames
    let chunk: WindowChunk
    private let arguments: [Column]
    private let filter: Column?
    private let account: MemoryAccount
    /// See ``rowsPerFrameMin``.
    let slidingMin: Int

    init(
        _ aggregate: BoundAggregate, _ arguments: [Column], _ filter: Column?, _ frames: WindowFrames,
        _ chunk: WindowChunk, account: MemoryAccount, slidingMin: Int
    ) {
        self.aggregate = aggregate
        self.arguments = arguments
        self.filter = filter
        self.frames = frames
        self.chunk = chunk
        self.account = account
        self.slidingMin = slidingMin
    }

    func evaluate() throws(SQLError) -> Column {
        guard chunk.count > 0 else { return try aggregate.make().finish(0..<0) }
        if frames.exclusion == .noOthers {
            if frames.isFromStart { return try running(isForward: true) }
            if frames.isToEnd { return try running(isForward: false) }
        }
        if let result = try sliding() { return result }
        return try expanded()
    }

    // MARK: - Running frames

    /// Rows between one distinct frame bound and the next are a segment; a frame is all segments up to its bound.
    private func running(isForward: Bool) throws(SQLError) -> Column {
        let (segmentOf, partitionOf, resultOf, count) = segments(isForward)
        let states = aggregate.make()
        // One group more takes what merges must drop.
        try update(states, segmentOf, groups: count + 1)
        let summed = try scanned(states, partitionOf, count, isForward)
        let all = try summed.finish(0..<count)
        return Gather.take(all, resultOf.pointer(Int32.self), count: chunk.count)
    }

    /// By row its segment; by segment its partition; by row the segment that ends its frame. Each partition has a
    /// segment more, for rows that no frame holds or for frames without rows.
    private func segments(_ isForward: Bool) -> (of: Buffer, partitions: [Int32], results: Buffer, count: Int) {
        let of = Buffer(count: chunk.count, of: Int32.self)
        let results = Buffer(count: chunk.count, of: Int32.self)
        let (segment, result) = (of.pointer(Int32.self), results.pointer(Int32.self))
        let bounds = isForward ? frames.ends : frames.starts
        var partitions: [Int32] = []
        let isBound = Bitmap.make(chunk.count + 1, all: false)
        let words = isBound.pointer(UInt64.self)
        for row in 0..<chunk.count { Bitmap.set(words, Int(bounds[row])) }
        for partition in 0..<chunk.partitions.count - 1 {
            let (start, end) = (chunk.partitions[partition], chunk.partitions[partition + 1])
            // The segment of what lies before the first bound; without rows when the partition's edge is one.
            var current = partitions.count
            partitions.append(Int32(partition))
            var numbers = [Int32](repeating: 0, count: end - start + 1)
            for row in start..<end {
                if row > start, Bitmap.get(words, row) {
                    current += 1
                    partitions.append(Int32(partition))
                }
                segment[row] = Int32(current)
                numbers[row - start] = Int32(current)
            }
            numbers[end - start] = Int32(current)
            // An empty frame has a segment of its own, which nothing is added to.
            var empty: Int32 = -1
            for row in start..<end {
                let isEmpty = frames.starts[row] >= frames.ends[row]
                if isEmpty, empty < 0 {
                    empty = Int32(partitions.count)
                    partitions.append(-1)
                }
                let bound = Int(bounds[row]) - start
                // Forward: the segment that ends at the bound; backward: the one that begins there.
                result[row] = isEmpty ? empty : isForward ? numbers[max(0, bound - 1)] : numbers[bound]
            }
        }
        return (of, partitions, results, partitions.count)
    }

    /// Adds the rows that pass the filter to their groups.
    func update(_ states: any Aggregate, _ groupOf: Buffer, groups: Int) throws(SQLError) {
        let numbers = UnsafePointer(groupOf.pointer(Int32.self))
        var start = 0
        while start < chunk.count {
            try chunk.run.check()
            let count = min(Batch.rowsMax, chunk.count - start)
            try add(
                states, from: start, count: count, numbers: numbers + start, groups: groups)
            start += count
        }
    }

    private func add(
        _ states: any Aggregate, from start: Int, count: Int, numbers: UnsafePointer<Int32>, groups: Int
    ) throws(SQLError) {
        var columns: [Column] = []
        for argument in arguments { columns.append(Gather.slice(argument, from: start, count: count)) }
        guard let filter else {
            return try states.update(columns, groups: GroupNumbers(numbers: numbers, rows: count, groups: groups))
        }
        let picked = Buffer(count: count, of: Int32.self)
        let kept = Buffer(count: count, of: Int32.self)
        let (rows, groupsOfKept) = (picked.pointer(Int32.self), kept.pointer(Int32.self))
        var total = 0
        for index in 0..<count where WindowAggregate.isTrue(filter, start + index) {
            rows[total] = Int32(index)
            groupsOfKept[total] = numbers[index]
            total += 1
        }
        for index in columns.indices { columns[index] = Gather.take(columns[index], rows, count: total) }
        try states.update(columns, groups: GroupNumbers(numbers: groupsOfKept, rows: total, groups: groups))
    }

    @inline(__always)
    private static func isTrue(_ filter: Column, _ row: Int) -> Bool {
        filter.isValid(row) && filter.storage.pointer(UInt8.self)[filter.slot(row)] != 0
    }

    /// Running totals over the segments of each partition: after round r a segment holds the 2^r last (or next) ones.
    func scanned(
        _ first: any Aggregate, _ partitions: [Int32], _ count: Int, _ isForward: Bool
    ) throws(SQLError) -> any Aggregate {
        var longest = 0
        var length = 0
        for index in 0..<count {
            length = index > 0 && partitions[index] == partitions[index - 1] ? length + 1 : 1
            longest = max(longest, length)
        }
        var states = first
        var distance = 1
        let target = Buffer(count: count + 1, of: Int32.self)
        let same = Buffer(count: count + 1, of: Int32.self)
        let (moved, own) = (target.pointer(Int32.self), same.pointer(Int32.self))
        for index in 0...count { own[index] = Int32(index) }
        moved[count] = Int32(count)
        // Two states at a time, of which one is given back when the round is done.
        let bytes = Int64(first.sizeBytes * 2)
        try account.add(bytes)
        while distance < longest {
            try chunk.run.check()
            // What leaves its partition goes to a group that nobody reads.
            for index in 0..<count {
                let to = isForward ? index + distance : index - distance
                let stays = to >= 0 && to < count && partitions[index] >= 0 && partitions[to] == partitions[index]
                moved[index] = stays ? Int32(to) : Int32(count)
            }
            let next = aggregate.make()
            // The earlier rows come first: some aggregates keep the order.
            for isMoved in isForward ? [true, false] : [false, true] {
                try next.merge(
                    states,
                    groups: GroupNumbers(
                        numbers: UnsafePointer(isMoved ? moved : own), rows: count + 1, groups: count + 1))
            }
            states = next
            distance *= 2
        }
        try account.add(-bytes)
        return states
    }

    // MARK: - Other frames

    /// Adds up each frame row by row; rows in sequence with the same frame share the result.
    private func expanded() throws(SQLError) -> Column {
        let results = Buffer(count: chunk.count, of: Int32.self)
        let groups = Buffer(count: Batch.rowsMax, of: Int32.self)
        let rows = Buffer(count: Batch.rowsMax, of: Int32.self)
        let (result, group, picked) = (
            results.pointer(Int32.self), groups.pointer(Int32.self), rows.pointer(Int32.self)
        )
        let states = aggregate.make()
        var (known, pending) = (0, 0)
        for row in 0..<chunk.count {
            if row & 1023 == 0 { try chunk.run.check() }
            if row > 0, frames.exclusion == .noOthers, frames.starts[row] == frames.starts[row - 1],
                frames.ends[row] == frames.ends[row - 1]
            {
                result[row] = result[row - 1]
                continue
            }
            result[row] = Int32(known)
            var pieces: [(Int, Int)] = []
            frames.pieces(row, chunk) { start, end in if start < end { pieces.append((start, end)) } }
            for (start, end) in pieces {
                for position in start..<end {
                    if let filter, !WindowAggregate.isTrue(filter, position) { continue }
                    picked[pending] = Int32(position)
                    group[pending] = Int32(known)
                    pending += 1
                    if pending == Batch.rowsMax {
                        try chunk.run.check()
                        try flush(states, picked, group, pending, known + 1)
                        pending = 0
                    }
                }
            }
            known += 1
        }
        try flush(states, picked, group, pending, known)
        let all = try states.finish(0..<known)
        return Gather.take(all, result, count: chunk.count)
    }

    private func flush(
        _ states: any Aggregate, _ rows: UnsafePointer<Int32>, _ groups: UnsafePointer<Int32>, _ count: Int,
        _ known: Int
    ) throws(SQLError) {
        var columns: [Column] = []
        for argument in arguments { columns.append(Gather.take(argument, rows, count: count)) }
        try states.update(columns, groups: GroupNumbers(numbers: groups, rows: count, groups: known))
    }
}
