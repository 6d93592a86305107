// Large frames that slide: each row is added twice and no frame row by row, whatever the frames' size. Hot.
// Frames in sequence that share a row, the pivot, are a run: what a frame holds before the pivot is a running sum
// backwards over the run's frames, what it holds from there on one forwards. Both are made by merges, as for running
// frames, so that this works for every aggregate and nothing is ever subtracted.
import Columns
import Diagnostics
import Functions
import Planner

extension WindowAggregate {
    /// Rows in all frames, per row of the chunk, from which on sliding pays.
    static let rowsPerFrameMin = 16

    /// One piece of every frame (frames with exclusions have up to three), by frame.
    private final class Pieces {
        let starts: Buffer
        let ends: Buffer

        init(frames: Int) {
            starts = Buffer(count: max(1, frames), of: Int32.self)
            ends = Buffer(count: max(1, frames), of: Int32.self)
        }

        /// Pieces that have rows must begin and end no earlier than the one before.
        func isSorted(frames: Int) -> Bool {
            let (first, last) = (starts.pointer(Int32.self), ends.pointer(Int32.self))
            var (start, end): (Int32, Int32) = (0, 0)
            for frame in 0..<frames where first[frame] < last[frame] {
                if first[frame] < start || last[frame] < end { return false }
                (start, end) = (first[frame], last[frame])
            }
            return true
        }
    }

    /// The results; nil when frames are small, or do not slide.
    func sliding() throws(SQLError) -> Column? {
        // States that keep their rows are as large as the frames.
        guard !aggregate.isOrderSensitive, isLarge else { return nil }
        let resultOf = Buffer(count: chunk.count, of: Int32.self)
        let (pieces, count) = try numbered(resultOf.pointer(Int32.self))
        guard pieces.allSatisfy({ $0.isSorted(frames: count) }) else { return nil }
        let total = aggregate.make()
        let map = Buffer(count: count + 1, of: Int32.self)
        let target = map.pointer(Int32.self)
        for piece in pieces {
            let (first, last) = (piece.starts.pointer(Int32.self), piece.ends.pointer(Int32.self))
            // Empty pieces stand in runs of others: what they have summed up is dropped.
            for frame in 0..<count {
                target[frame] = first[frame] < last[frame] ? Int32(truncatingIfNeeded: frame) : Int32(count)
            }
            target[count] = Int32(count)
            let groups = GroupNumbers(numbers: UnsafePointer(target), rows: count + 1, groups: count + 1)
            let (before, after) = try slid(first, last, count)
            try total.merge(before, groups: groups)
            try total.merge(after, groups: groups)
        }
        let all = try total.finish(0..<count)
        return Gather.take(all, resultOf.pointer(Int32.self), count: chunk.count)
    }

    private var isLarge: Bool {
        var rows = 0
        for row in 0..<chunk.count { rows &+= Int(frames.ends[row] &- frames.starts[row]) }
        return rows > chunk.count * slidingMin
    }

    /// The pieces of all frames, and by row its frame: rows in sequence with the same frame share it.
    private func numbered(_ result: UnsafeMutablePointer<Int32>) throws(SQLError) -> (pieces: [Pieces], count: Int) {
        let pieceCount =
            switch frames.exclusion {
            case .noOthers: 1
            case .currentRow, .group: 2
            case .ties: 3
            }
        let pieces = (0..<pieceCount).map { _ in Pieces(frames: chunk.count) }
        var known = 0
        for row in 0..<chunk.count {
            if row & 0xffff == 0 { try chunk.run.check() }
            if row > 0, pieceCount == 1, frames.starts[row] == frames.starts[row - 1],
                frames.ends[row] == frames.ends[row - 1]
            {
                result[row] = result[row - 1]
                continue
            }
            result[row] = Int32(truncatingIfNeeded: known)
            var index = 0
            frames.pieces(row, chunk) { start, end in
                guard index < pieceCount else { return }
                pieces[index].starts.pointer(Int32.self)[known] = Int32(truncatingIfNeeded: start)
                pieces[index].ends.pointer(Int32.self)[known] = Int32(truncatingIfNeeded: max(start, end))
                index += 1
            }
            while index < pieceCount {
                pieces[index].starts.pointer(Int32.self)[known] = 0
                pieces[index].ends.pointer(Int32.self)[known] = 0
                index += 1
            }
            known += 1
        }
        return (pieces, known)
    }

    /// By frame, the states of its rows before its run's pivot, and from the pivot on.
    private func slid(
        _ starts: UnsafePointer<Int32>, _ ends: UnsafePointer<Int32>, _ count: Int
    ) throws(SQLError) -> (before: any Aggregate, after: any Aggregate) {
        let (early, late) = (
            Buffer(count: chunk.count, of: Int32.self), Buffer(count: chunk.count, of: Int32.self)
        )
        let (before, after) = (early.pointer(Int32.self), late.pointer(Int32.self))
        // Rows of no frame go to a group that nobody reads.
        before.update(repeating: Int32(count), count: chunk.count)
        after.update(repeating: Int32(count), count: chunk.count)
        var runs = [Int32](repeating: -1, count: count)
        var run: Int32 = -1
        var (pivot, previous) = (0, -1)
        func put(_ frame: Int, _ target: UnsafeMutablePointer<Int32>, _ start: Int, _ end: Int) {
            for row in start..<max(start, end) { target[row] = Int32(truncatingIfNeeded: frame) }
        }
        for frame in 0..<count {
            let (start, end) = (Int(starts[frame]), Int(ends[frame]))
            if start < end {
                if run < 0 || start >= pivot {
                    if previous >= 0 { put(previous, before, Int(starts[previous]), pivot) }
                    run += 1
                    pivot = end
                } else {
                    put(previous, before, Int(starts[previous]), start)
                    put(frame, after, Int(ends[previous]), end)
                }
                previous = frame
            }
            runs[frame] = run
        }
        if previous >= 0 { put(previous, before, Int(starts[previous]), pivot) }
        return (
            try summed(early, runs, count, isForward: false), try summed(late, runs, count, isForward: true)
        )
    }

    private func summed(
        _ frameOf: Buffer, _ runs: [Int32], _ count: Int, isForward: Bool
    ) throws(SQLError) -> any Aggregate {
        let states = aggregate.make()
        try update(states, frameOf, groups: count + 1)
        return try scanned(states, runs, count, isForward)
    }
}
