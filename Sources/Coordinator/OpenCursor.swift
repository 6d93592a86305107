// An open cursor: a query parked between fetches, and the rows it has given, for those who go back.
import Columns
import Diagnostics
import Planner

/// The rows of a cursor by number. Position 0 is before the first row; behind the last one is one more than rows are.
actor OpenCursor {
    /// What DECLARE said about going back.
    enum Scrolling: Sendable {
        /// Rows are kept; too many are an error.
        case wanted
        /// Rows are kept as long as they are few.
        case unspecified
        case refused
    }

    nonisolated let columns: [ResultColumn]
    nonisolated let timeZone: SessionTimeZone
    nonisolated let names: (any SystemNames)?
    nonisolated let isHeld: Bool
    nonisolated let isBinary: Bool
    nonisolated let running: any RunningQuery
    private let stream: QueryStream
    private var scrolling: Scrolling
    /// Batches that are kept, and the number of the first row in each.
    private var kept: [(first: Int, batch: Batch)] = []
    /// Rows that the query has given so far.
    private var pulled = 0
    private var isAtEnd = false
    private var position = 0
    /// Memory of what is kept; parts that batches share count once.
    private var keptBytes = 0
    private var seen: Set<ObjectIdentifier> = []

    /// Memory of the rows of one SCROLL cursor.
    private static let scrollBytesMax = 256 << 20
    /// Memory up to which a cursor can go back without having been declared so.
    private static let unspecifiedBytesMax = 4 << 20

    init(_ stream: QueryStream, isHeld: Bool, isBinary: Bool, scrolling: Scrolling) {
        self.stream = stream
        running = stream.running
        self.isHeld = isHeld
        self.isBinary = isBinary
        self.scrolling = scrolling
        columns = stream.columns ?? []
        timeZone = stream.timeZone
        names = stream.names
    }

    static var forwardOnly: SQLError {
        SQLError(
            SQLState("55000"), "cursor can only scan forward",
            hint: "Declare it with SCROLL option to enable backward scan.")
    }

    // MARK: Moving

    /// Goes on by up to `rowsMax` rows; returns them, nil at the end.
    func next(_ rowsMax: Int) async throws(SQLError) -> Batch? {
        guard rowsMax > 0 else { return nil }
        guard try await hasRow(position + 1) else {
            position = pulled + 1
            return nil
        }
        guard let place = kept.firstIndex(where: { position + 1 < $0.first + $0.batch.rows }) else { return nil }
        let (first, batch) = kept[place]
        let start = position + 1 - first
        let count = min(rowsMax, batch.rows - start)
        position += count
        if scrolling == .refused { forget() }
        return OpenCursor.part(batch, start, count)
    }

    /// Goes back by `count` rows, nil for all; returns them, the last one first.
    func previous(_ count: Int?) async throws(SQLError) -> [Batch] {
        guard scrolling != .refused else { throw OpenCursor.forwardOnly }
        let last = position - 1
        let wanted = count ?? Int.max
        let first = wanted >= last ? 1 : position - wanted
        position = wanted > last ? 0 : first
        guard first <= last else { return [] }
        var result: [Batch] = []
        for (start, batch) in kept.reversed() where start <= last && start + batch.rows > first {
            let (low, high) = (max(first, start), min(last, start + batch.rows - 1))
            result.append(OpenCursor.reversed(OpenCursor.part(batch, low - start, high - low + 1)))
        }
        return result
    }

    /// Goes to a row by number, negative ones from the end; returns it, nil when there is none.
    func absolute(_ number: Int) async throws(SQLError) -> Batch? {
        var target = number
        if number < 0 {
            while !isAtEnd { _ = try await hasRow(pulled + 1) }
            target = pulled + 1 + number
        }
        guard target >= 1 else {
            if position > 0, scrolling == .refused { throw OpenCursor.forwardOnly }
            position = 0
            return nil
        }
        if target <= position, scrolling == .refused { throw OpenCursor.forwardOnly }
        guard try await hasRow(target) else {
            position = pulled + 1
            return nil
        }
        position = target
        return row(target)
    }

    func relative(_ offset: Int) async throws(SQLError) -> Batch? {
        if offset == 0 { return try current() }
        // Behind the end it is known how many rows there are.
        let target = position + offset
        if target < 1 {
            if scrolling == .refused { throw OpenCursor.forwardOnly }
            position = 0
            return nil
        }
        return try await absolute(target)
    }

    /// The row that the cursor stands on.
    private func current() throws(SQLError) -> Batch? {
        guard position >= 1, position <= pulled else { return nil }
        if scrolling == .refused { throw OpenCursor.forwardOnly }
        return row(position)
    }

    func close() {
        if !isAtEnd { stream.cancel() }
        isAtEnd = true
        kept = []
    }

    // MARK: Rows

    private func row(_ number: Int) -> Batch? {
        guard let (first, batch) = kept.first(where: { number >= $0.first && number < $0.first + $0.batch.rows }) else {
            return nil
        }
        return OpenCursor.part(batch, number - first, 1)
    }

    /// Asks the query for rows until it has given this one; false when there is none.
    private func hasRow(_ number: Int) async throws(SQLError) -> Bool {
        while pulled < number, !isAtEnd {
            guard let batch = try await stream.next() else {
                isAtEnd = true
                _ = try await stream.finish()
                break
            }
            guard batch.rows > 0 else { continue }
            if scrolling == .refused { forget() }
            kept.append((pulled + 1, batch))
            pulled += batch.rows
            if scrolling != .refused { try keep(batch) }
        }
        return number <= pulled
    }

    private func keep(_ batch: Batch) throws(SQLError) {
        for column in batch.columns { count(column) }
        switch scrolling {
        case .wanted:
            guard keptBytes <= OpenCursor.scrollBytesMax else {
                throw SQLError(
                    .programLimitExceeded,
                    "a SCROLL cursor holds at most \(OpenCursor.scrollBytesMax >> 20) MiB of rows",
                    hint: "Declare it with NO SCROLL, or limit its query.")
            }
        case .unspecified:
            if keptBytes > OpenCursor.unspecifiedBytesMax {
                scrolling = .refused
                seen = []
                forget()
            }
        case .refused: break
        }
    }

    private func count(_ column: Column) {
        for buffer in [column.values, column.validity].compactMap({ $0 }) + column.heaps
        where seen.insert(ObjectIdentifier(buffer)).inserted {
            keptBytes += buffer.capacity
        }
        if let dictionary = column.dictionary { count(dictionary) }
        if let child = column.child { count(child) }
        for field in column.fields { count(field) }
    }

    /// Lets go of batches behind the cursor that nobody comes back to.
    private func forget() { kept.removeAll { $0.first + $0.batch.rows <= position + 1 } }

    private static func part(_ batch: Batch, _ start: Int, _ count: Int) -> Batch {
        if start == 0, count == batch.rows { return batch }
        return Batch(batch.columns.map { Gather.slice($0, from: start, count: count) }, rows: count)
    }

    private static func reversed(_ batch: Batch) -> Batch {
        let rows = (0..<batch.rows).reversed().map { Int32(truncatingIfNeeded: $0) }
        return rows.withUnsafeBufferPointer { pointer in
            guard let base = pointer.baseAddress else { return batch }
            return Batch(batch.columns.map { Gather.take($0, base, count: batch.rows) }, rows: batch.rows)
        }
    }
}
