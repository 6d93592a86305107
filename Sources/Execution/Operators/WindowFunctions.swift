// Functions that only exist over windows: numbers of rows, and values of other rows. Hot.
import Columns
import Diagnostics
import Functions
import Planner

/// Computes one window function for the rows of a chunk.
struct WindowFunctions {
    private let chunk: WindowChunk
    private let type: SQLType

    init(_ chunk: WindowChunk, _ type: SQLType) {
        self.chunk = chunk
        self.type = type
    }

    func evaluate(
        _ kind: WindowFunctionKind, _ call: WindowCall, _ arguments: [Column]
    ) throws(SQLError) -> Column {
        switch kind {
        case .rowNumber: return integers { Int64($0 - chunk.partitions[chunk.partition($0)] + 1) }
        case .rank: return integers { Int64(rank($0)) }
        case .denseRank:
            return integers { row in
                Int64(chunk.peer(row) - chunk.peer(chunk.partitions[chunk.partition(row)]) + 1)
            }
        case .percentRank:
            return doubles { row in
                let size = partitionSize(row)
                return size > 1 ? Double(rank(row) - 1) / Double(size - 1) : 0
            }
        case .cumeDist:
            return doubles { row in
                let start = chunk.partitions[chunk.partition(row)]
                return Double(chunk.peers[chunk.peer(row) + 1] - start) / Double(partitionSize(row))
            }
        case .ntile: return try ntile(arguments)
        case .lag: return try shifted(call, arguments, by: -1)
        case .lead: return try shifted(call, arguments, by: 1)
        case .firstValue: return try framed(call, arguments) { _ in 1 }
        case .lastValue: return try framed(call, arguments) { _ in -1 }
        case .nthValue:
            guard arguments.count == 2 else { throw WindowFunctions.wrongArguments }
            let places = Flatten.flat(arguments[1])
            return try framed(call, arguments) { row throws(SQLError) in
                guard places.isValid(row), case .int(let place) = places.scalar(row).value else { return nil }
                guard place > 0 else {
                    throw SQLError(SQLState("22016"), "argument of nth_value must be greater than zero")
                }
                return Int(min(place, Int64(Int32.max)))
            }
        }
    }

    private static var wrongArguments: SQLError {
        SQLError(.internalError, "a window function has the wrong number of arguments")
    }

    private func rank(_ row: Int) -> Int {
        chunk.peers[chunk.peer(row)] - chunk.partitions[chunk.partition(row)] + 1
    }

    private func partitionSize(_ row: Int) -> Int {
        let partition = chunk.partition(row)
        return chunk.partitions[partition + 1] - chunk.partitions[partition]
    }

    private func integers(_ value: (Int) -> Int64) -> Column {
        let isWide = type.physical == .int64
        let values = Buffer(bytes: max(1, chunk.count) * type.physical.stride)
        if isWide {
            let out = values.pointer(Int64.self)
            for row in 0..<chunk.count { out[row] = value(row) }
        } else {
            let out = values.pointer(Int32.self)
            for row in 0..<chunk.count { out[row] = Int32(truncatingIfNeeded: value(row)) }
        }
        return Column(type, count: chunk.count, values: values)
    }

    private func doubles(_ value: (Int) -> Double) -> Column {
        let values = Buffer(count: max(1, chunk.count), of: Double.self)
        let out = values.pointer(Double.self)
        for row in 0..<chunk.count { out[row] = value(row) }
        return Column(type, count: chunk.count, values: values)
    }

    /// Parts of equal size, the first ones one larger; the number is that of the partition's first row.
    private func ntile(_ arguments: [Column]) throws(SQLError) -> Column {
        guard let argument = arguments.first else { throw WindowFunctions.wrongArguments }
        let builder = ColumnBuilder(type, capacity: chunk.count)
        for partition in 0..<chunk.partitions.count - 1 {
            let (start, end) = (chunk.partitions[partition], chunk.partitions[partition + 1])
            guard start < end else { continue }
            guard case .int(let given) = argument.scalar(start).value else {
                for _ in start..<end { builder.appendNull() }
                continue
            }
            guard given > 0 else {
                throw SQLError(SQLState("22014"), "argument of ntile must be greater than zero")
            }
            let (size, parts) = (end - start, Int(given))
            let (each, larger) = (size / parts, size % parts)
            for row in 0..<size {
                let inLarger = larger * (each + 1)
                let part = row < inLarger ? row / (each + 1) : larger + (row - inLarger) / max(1, each)
                builder.append(Scalar(type, .int(Int64(part + 1))))
            }
        }
        return builder.finish()
    }

    // MARK: - Values of other rows

    private func shifted(_ call: WindowCall, _ arguments: [Column], by sign: Int) throws(SQLError) -> Column {
        guard let value = arguments.first else { throw WindowFunctions.wrongArguments }
        let offsets = arguments.count > 1 ? Flatten.flat(arguments[1]) : nil
        let rows = Buffer(count: max(1, chunk.count), of: Int32.self)
        let out = rows.pointer(Int32.self)
        let hasDefault = arguments.count > 2
        for row in 0..<chunk.count {
            if row & 4095 == 0 { try chunk.run.check() }
            var distance = sign
            if let offsets {
                guard case .int(let given) = offsets.scalar(row).value else {
                    out[row] = -1
                    continue
                }
                distance = sign * Int(max(-Int64(Int32.max), min(Int64(Int32.max), given)))
            }
            let partition = chunk.partition(row)
            let range = chunk.partitions[partition]..<chunk.partitions[partition + 1]
            let target = call.ignoresNulls ? skip(value, row, distance, range) : row + distance
            if let target, range.contains(target) {
                out[row] = Int32(target)
            } else {
                out[row] = hasDefault ? Int32(chunk.count + row) : -1
            }
        }
        let from = hasDefault ? Gather.concatenate([value, arguments[2]], type: value.type) : value
        return Gather.takeOrNull(from, out, count: chunk.count).retyped(type)
    }

    /// The row of the n-th value that is not NULL before or after a row.
    private func skip(_ value: Column, _ row: Int, _ distance: Int, _ range: Range<Int>) -> Int? {
        if distance == 0 { return row }
        var (at, left) = (row, abs(distance))
        while left > 0 {
            at += distance.signum()
            guard range.contains(at) else { return nil }
            if value.isValid(at) { left -= 1 }
        }
        return at
    }

    /// The n-th value of each row's frame, from the end when negative.
    private func framed(
        _ call: WindowCall, _ arguments: [Column], _ place: (Int) throws(SQLError) -> Int?
    ) throws(SQLError) -> Column {
        guard let value = arguments.first else { throw WindowFunctions.wrongArguments }
        let frames = try WindowFrames(call.frame, chunk)
        let rows = Buffer(count: max(1, chunk.count), of: Int32.self)
        let out = rows.pointer(Int32.self)
        // Positions of values that are not NULL, and how many come before each row.
        let valid = call.ignoresNulls ? ValidPositions(value, chunk.count) : nil
        for row in 0..<chunk.count {
            if row & 4095 == 0 { try chunk.run.check() }
            guard let wanted = try place(row) else {
                out[row] = -1
                continue
            }
            out[row] = Int32(find(row, wanted, frames, valid) ?? -1)
        }
        return Gather.takeOrNull(value, out, count: chunk.count).retyped(type)
    }

    private func find(_ row: Int, _ wanted: Int, _ frames: WindowFrames, _ valid: ValidPositions?) -> Int? {
        if frames.exclusion == .noOthers, valid == nil {
            let (start, end) = (Int(frames.starts[row]), Int(frames.ends[row]))
            guard abs(wanted) <= end - start else { return nil }
            return wanted > 0 ? start + wanted - 1 : end + wanted
        }
        var pieces: [(Int, Int)] = []
        frames.pieces(row, chunk) { start, end in if start < end { pieces.append((start, end)) } }
        var left = abs(wanted)
        for (start, end) in wanted > 0 ? pieces : pieces.reversed() {
            let (first, last) = valid.map { ($0.before[start], $0.before[end]) } ?? (start, end)
            if left > last - first {
                left -= last - first
                continue
            }
            let index = wanted > 0 ? first + left - 1 : last - left
            return valid.map { $0.positions[index] } ?? index
        }
        return nil
    }

    /// Where a column is not NULL.
    private struct ValidPositions {
        var positions: [Int] = []
        var before: [Int] = []

        init(_ column: Column, _ count: Int) {
            before.reserveCapacity(count + 1)
            for row in 0..<count {
                before.append(positions.count)
                if column.isValid(row) { positions.append(row) }
            }
            before.append(positions.count)
        }
    }
}
