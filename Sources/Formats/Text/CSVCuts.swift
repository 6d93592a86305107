// Where a large CSV file may be cut: a line end inside quotes ends no record, and whether a byte is inside quotes is known
// from all bytes before it. Each part is looked through once for what it makes of each state that it may begin in; the
// states at all cuts follow from these, and each part is then parsed by itself. Hot.

import Columns
public import Diagnostics
import Foundation
public import Storage

/// What stands between two bytes of a CSV file.
enum CSVState: UInt8, CaseIterable {
    /// Outside quotes.
    case outside
    /// Inside quotes.
    case inside
    /// Inside quotes, before a byte that was escaped.
    case escaped
    /// Behind something that no reader takes.
    case broken
}

/// Follows the quotes of a part.
struct CSVQuotes {
    let delimiter: UInt8
    let quote: UInt8?
    let escape: UInt8?

    init(_ dialect: CSVDialect) {
        (delimiter, quote, escape) = (dialect.delimiter, dialect.quote, dialect.escape)
    }

    /// Bytes of a file: those from `start` to `end` are the part's, the others tell what stands around it.
    struct Part {
        let base: UnsafePointer<UInt8>
        let start: Int
        let end: Int
        let count: Int
    }

    /// The state behind a part that begins in `state`.
    func run(_ part: Part, from begin: CSVState) -> CSVState {
        guard let quote else { return .outside }
        var state = begin
        var place = part.start
        while place < part.end {
            switch state {
            case .broken: return .broken
            case .outside:
                guard let found = CSVQuotes.find(quote, part, place) else { return .outside }
                if opensValue(part, found) { state = .inside }
                place = found &+ 1
            case .escaped:
                place &+= 1
                state = .inside
            case .inside:
                guard let found = special(quote, part, place) else { return .inside }
                let isPair = isEscape(quote, part, found)
                if isPair {
                    place = found &+ 2
                    if place > part.end { return .escaped }
                } else if part.base[found] != quote {
                    place = found &+ 1
                } else {
                    place = found &+ 1
                    while place < part.end, part.base[place] == 32, delimiter != 32 { place &+= 1 }
                    if place < part.end, !isStop(part.base[place]) { return .broken }
                    state = .outside
                }
            }
        }
        return state
    }

    /// Where the first record begins that follows a line end of the part; nil where there is none.
    func firstRecord(_ part: Part, from begin: CSVState) -> Int? {
        var state = begin
        var place = part.start
        while place < part.end {
            switch state {
            case .broken: return nil
            case .escaped:
                place &+= 1
                state = .inside
            case .inside:
                guard let quote, let found = special(quote, part, place) else { return nil }
                let rest = Part(base: part.base, start: found, end: min(found &+ 2, part.end), count: part.count)
                state = run(rest, from: .inside)
                place = rest.end
                // One byte behind a closing quote was looked at: it may be the line end.
                if state == .outside, place == found &+ 2 { place = found &+ 1 }
            case .outside:
                let byte = part.base[place]
                if byte == 10 { return place &+ 1 }
                if byte == 13, place &+ 1 >= part.count || part.base[place &+ 1] != 10 { return place &+ 1 }
                if byte == quote, opensValue(part, place) { state = .inside }
                place &+= 1
            }
        }
        return nil
    }

    private func isStop(_ byte: UInt8) -> Bool { byte == delimiter || byte == 10 || byte == 13 }

    /// Quotes are characters like others unless a value begins with them.
    private func opensValue(_ part: Part, _ place: Int) -> Bool { place == 0 || isStop(part.base[place &- 1]) }

    private static func find(_ byte: UInt8, _ part: Part, _ from: Int) -> Int? {
        memchr(part.base + from, Int32(byte), part.end &- from)
            .map { UnsafeRawPointer($0) - UnsafeRawPointer(part.base) }
    }

    /// The next byte that is special inside quotes.
    private func special(_ quote: UInt8, _ part: Part, _ from: Int) -> Int? {
        guard let escape, escape != quote else { return CSVQuotes.find(quote, part, from) }
        var place = from
        while place < part.end, part.base[place] != quote, part.base[place] != escape { place &+= 1 }
        return place < part.end ? place : nil
    }

    private func isEscape(_ quote: UInt8, _ part: Part, _ place: Int) -> Bool {
        guard let escape, part.base[place] == escape, place &+ 1 < part.count else { return false }
        let next = part.base[place &+ 1]
        return next == quote || (escape != quote && next == escape)
    }
}

/// The cuts of one file in one scan, found by those who read its parts.
public final class CSVCuts: @unchecked Sendable {
    // Sendable: the condition's lock guards all that changes.

    /// Parts are about so large.
    public static let partBytes: Int64 = 8 << 20
    private static let partBytesMin: Int64 = 4
    /// Bytes behind a part that come with it: mostly the rest of its last record.
    public static let behindBytes: Int64 = 64 << 10

    /// What is known where a part begins.
    struct Start {
        var state = CSVState.outside
        /// Line feeds before it, and carriage returns.
        var feeds = 0
        var returns = 0
    }

    private struct Summary {
        /// By the state before the part.
        var states: [CSVState]
        var feeds: Int
        var returns: Int
    }

    private enum Part {
        case untouched, claimed
        case known(Summary)
        case failed(SQLError)
    }

    private let info: ObjectInfo
    private let store: any ObjectStore
    private let quotes: CSVQuotes
    private let partBytes: Int64
    private let behindBytes: Int64
    private let condition = NSCondition()
    private var parts: [Part]
    /// Of the parts up to the first that is not known.
    private var starts = [Start()]

    public init(
        _ info: ObjectInfo, in store: any ObjectStore, _ dialect: CSVDialect, partBytes: Int64 = partBytes,
        behindBytes: Int64 = behindBytes
    ) {
        self.behindBytes = max(1, behindBytes)
        self.info = info
        self.store = store
        // A mark at the beginning of the file lies in one part with what follows.
        self.partBytes = max(CSVCuts.partBytesMin, partBytes)
        quotes = CSVQuotes(dialect)
        let count = max(1, (info.sizeBytes + self.partBytes - 1) / self.partBytes)
        parts = Array(repeating: .untouched, count: Int(count))
    }

    /// Whether quotes and line ends alone say where records are.
    public static func canCut(_ dialect: CSVDialect) -> Bool { dialect.comment == nil && dialect.skip == 0 }

    /// Parts of the file.
    public var count: Int { parts.count }

    /// The bytes that are a part's own.
    public func range(_ part: Int) -> Range<Int64> {
        Int64(part) * partBytes..<min(info.sizeBytes, Int64(part + 1) * partBytes)
    }

    /// The bytes that a part is read with.
    func readRange(_ part: Int) -> Range<Int64> {
        let own = range(part)
        return max(0, own.lowerBound - 1)..<min(info.sizeBytes, own.upperBound + behindBytes)
    }

    private func view(_ part: Int, _ bytes: Bytes) -> CSVQuotes.Part {
        let (own, read) = (range(part), readRange(part))
        let base = bytes.base.assumingMemoryBound(to: UInt8.self)
        let start = Int(own.lowerBound - read.lowerBound)
        let end = min(Int(own.upperBound - read.lowerBound), bytes.count)
        // A mark at the beginning of the file stands before its first value.
        let mark = part == 0 && bytes.count >= 3 && base[0] == 0xEF && base[1] == 0xBB && base[2] == 0xBF ? 3 : 0
        return CSVQuotes.Part(base: base + mark, start: start, end: end - mark, count: bytes.count - mark)
    }

    /// Where the first record that belongs to a part begins among the bytes read with it, and what is known there.
    func firstRecord(_ part: Int, _ bytes: Bytes, _ start: Start) -> Int? {
        if part == 0 { return 0 }
        return quotes.firstRecord(view(part, bytes), from: start.state)
    }

    /// What is known where a part begins. `bytes`: what `readRange` tells. Blocks: others may be reading what is missing.
    func start(of part: Int, _ bytes: Bytes, metrics: StoreMetrics?, stop: StopSignal?) throws(SQLError) -> Start {
        if claim(part) { publish(part, .known(summary(part, bytes, known(part)))) }
        while true {
            condition.lock()
            if starts.count > part {
                defer { condition.unlock() }
                return starts[part]
            }
            let missing = starts.count - 1
            let state = parts[missing]
            if case .claimed = state { _ = condition.wait(until: Date(timeIntervalSinceNow: 0.05)) }
            condition.unlock()
            if let error = stop?.reason { throw error }
            switch state {
            case .failed(let error): throw error
            case .untouched: if claim(missing) { try look(missing, metrics) }
            case .claimed, .known: continue
            }
        }
    }

    /// Reads a part that nobody has begun.
    private func look(_ part: Int, _ metrics: StoreMetrics?) throws(SQLError) {
        do throws(SQLError) {
            let range = readRange(part).clamped(to: 0..<range(part).upperBound + 1)
            let bytes = try store.readBlocking([range], of: info, metrics: metrics).first ?? .empty
            publish(part, .known(summary(part, bytes, known(part))))
        } catch {
            publish(part, .failed(error))
            throw error
        }
    }

    private func claim(_ part: Int) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard case .untouched = parts[part] else { return false }
        parts[part] = .claimed
        return true
    }

    private func known(_ part: Int) -> CSVState? {
        condition.lock()
        defer { condition.unlock() }
        return starts.count > part ? starts[part].state : nil
    }

    private func publish(_ part: Int, _ found: Part) {
        condition.lock()
        defer { condition.unlock() }
        parts[part] = found
        while case .known(let summary) = parts[starts.count - 1], starts.count < parts.count {
            let last = starts[starts.count - 1]
            starts.append(
                Start(
                    state: summary.states[Int(last.state.rawValue)], feeds: last.feeds + summary.feeds,
                    returns: last.returns + summary.returns))
        }
        condition.broadcast()
    }

    /// `begin`: the state before the part, where that is known.
    private func summary(_ part: Int, _ bytes: Bytes, _ begin: CSVState?) -> Summary {
        let view = view(part, bytes)
        var states = CSVState.allCases
        for state in CSVState.allCases where begin == nil || begin == state {
            states[Int(state.rawValue)] = quotes.run(view, from: state)
        }
        return Summary(states: states, feeds: CSVCuts.occurrences(10, view), returns: CSVCuts.occurrences(13, view))
    }

    private static func occurrences(_ byte: UInt8, _ part: CSVQuotes.Part) -> Int {
        occurrences(byte, part.base + part.start, max(0, part.end - part.start))
    }

    /// Counted in blocks whose counts fit a byte, so that the compiler makes vectors of it.
    static func occurrences(_ byte: UInt8, _ base: UnsafePointer<UInt8>, _ count: Int) -> Int {
        var total = 0
        var place = 0
        while place < count {
            let end = min(count, place &+ 255 &* 16)
            var block: SIMD16<UInt8> = .zero
            while place &+ 16 <= end {
                let bytes = UnsafeRawPointer(base + place).loadUnaligned(as: SIMD16<UInt8>.self)
                block = block &+ SIMD16<UInt8>.zero.replacing(with: 1, where: bytes .== SIMD16(repeating: byte))
                place &+= 16
            }
            for lane in 0..<16 { total &+= Int(block[lane]) }
            while place < end {
                if base[place] == byte { total &+= 1 }
                place &+= 1
            }
        }
        return total
    }
}

/// One part of a cut file on its way to a reader.
public final class CSVPart {
    let cuts: CSVCuts
    let number: Int
    private let info: ObjectInfo
    private let store: any ObjectStore
    private let metrics: StoreMetrics?
    private let stop: StopSignal?
    private let reading: ReadAhead

    /// The bytes are on their way when this returns.
    public init(
        _ cuts: CSVCuts, _ number: Int, of info: ObjectInfo, in store: any ObjectStore, metrics: StoreMetrics?,
        stop: StopSignal?
    ) {
        self.cuts = cuts
        self.number = number
        self.info = info
        self.store = store
        self.metrics = metrics
        self.stop = stop
        reading = ReadAhead(stop)
        let reading = reading
        store.read([cuts.readRange(number)], of: info, metrics: metrics, until: reading.flag) { reading.set($0) }
    }

    deinit { reading.flag.set() }

    /// The reader of the part's records; nil where none begins in it. Blocks.
    public func reader(_ dialect: CSVDialect) throws(SQLError) -> CSVReader? {
        let bytes = try reading.wait() ?? .empty
        let start = try cuts.start(of: number, bytes, metrics: metrics, stop: stop)
        guard let first = cuts.firstRecord(number, bytes, start) else { return nil }
        let read = cuts.readRange(number)
        let base = bytes.base.assumingMemoryBound(to: UInt8.self)
        // Files whose lines end in carriage returns alone are counted by these.
        let lead = number == 0 ? 0 : 1
        let feeds = start.feeds + CSVCuts.occurrences(10, base + lead, max(0, first - lead))
        let returns = start.returns + CSVCuts.occurrences(13, base + lead, max(0, first - lead))
        let input = TextInput(
            info, in: store, loaded: bytes.slice(first..<bytes.count), from: read.lowerBound + Int64(first),
            metrics: metrics, stop: stop)
        return try CSVReader(
            input, dialect, line: 1 + (feeds > 0 ? feeds : returns), last: cuts.range(number).upperBound)
    }
}
