// Random rows in every layout, and pipelines run on the calling thread: what tests of operators start from.
import Columns
import Diagnostics
import Functions
import Planner
import Synchronization

@testable import Execution

/// Numbers that repeat for a seed.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_f491_4f6c_dd1d
    }
}

/// Makes columns and batches.
struct RandomRows {
    var numbers: SeededNumbers
    init(_ seed: UInt64) { numbers = SeededNumbers(seed) }

    static let keyTypes: [SQLType] = [
        .boolean, .int2, .int4, .int8, .float4, .float8, .decimal(precision: 10, scale: 2),
        .decimal(precision: 30, scale: 2), .numeric, .text, .varchar(20), .char(8), .bytea, .date, .timestamp,
        .interval, .uuid, .array(.int4), .array(.text),
        .row([StructField("a", .int4), StructField("b", .text)]), .map(key: .int4, value: .text),
    ]

    /// A value out of about `distinct` ones.
    mutating func scalar(_ type: SQLType, distinct: Int) -> Scalar {
        let number = Int.random(in: 0..<distinct, using: &numbers)
        switch type {
        case .boolean: return .boolean(number & 1 == 1)
        case .int2, .int4, .int8, .date, .time, .timestamp, .timestamptz:
            return Scalar(type, .int(Int64(number) * 3 - Int64(distinct)))
        case .float4, .float8:
            if number == 0 { return Scalar(type, .double(Bool.random(using: &numbers) ? 0 : -0.0)) }
            return Scalar(type, .double(number == 1 ? .nan : Double(number) * 0.5 - 3))
        case .decimal: return Scalar(type, .int128(Int128(number) * 7 - 20))
        case .uuid: return Scalar(type, .int128(Int128(number) << 100))
        case .numeric:
            if number == 0 { return Scalar(type, .numeric(mantissa: Numeric.nan.mantissa, scale: 0)) }
            let zeros = Int.random(in: 0...2, using: &numbers)
            let factor = [Int128(1), 10, 100][zeros]
            return Scalar(type, .numeric(mantissa: (Int128(number) - 5) * factor, scale: 1 + zeros))
        case .json, .jsonb: return Scalar(type, .string("\"\(text(number))\""))
        case .text, .varchar, .unknown: return Scalar(type, .string(text(number)))
        case .bit, .varbit: return Scalar(type, .string(String(number & 7, radix: 2)))
        case .enumeration(let labels): return Scalar(type, .int(Int64(number % max(1, labels.labels.count))))
        case .system(let system):
            return Scalar(type, system.isNumber ? .int(Int64(number)) : .string(text(number)))
        case .char:
            return Scalar(type, .string("c\(number)" + String(repeating: " ", count: number % 3)))
        case .bytea: return Scalar(type, .bytes(Array(text(number).utf8)))
        case .interval:
            let isSplit = Bool.random(using: &numbers)
            return Scalar(
                type,
                .interval(
                    isSplit ? Interval(months: Int32(number)) : Interval(days: Int32(number) * 30)))
        case .array(let element):
            var items: [Scalar] = []
            for index in 0..<number % 4 { items.append(Scalar(element, self.item(element, number + index))) }
            return Scalar(type, .array(items))
        case .row(let fields):
            return Scalar(type, .row(fields.map { Scalar($0.type, item($0.type, number)) }))
        case .map(let key, let value):
            let entry = type.element ?? .text
            let entries = (0..<number % 3).map { index in
                Scalar(entry, .row([Scalar(key, .int(Int64(index))), Scalar(value, item(value, number + index))]))
            }
            return Scalar(type, .array(entries))
        }
    }

    private func item(_ type: SQLType, _ number: Int) -> Scalar.Value {
        if number % 5 == 0 { return .null }
        return type == .text ? .string(text(number)) : .int(Int64(number))
    }

    private func text(_ number: Int) -> String {
        number % 3 == 0 ? "s\(number)" : (number % 3 == 1 ? "a longer string \(number)" : "same prefix, 16 \(number)")
    }

    /// A column of any layout.
    mutating func column(_ type: SQLType, rows: Int, distinct: Int, nulls: Double) -> Column {
        let layout = Int.random(in: 0..<8, using: &numbers)
        if layout == 0 {
            let value =
                Double.random(in: 0..<1, using: &numbers) < nulls ? .null(type) : scalar(type, distinct: distinct)
            return Column.constant(value, count: rows)
        }
        if layout < 3 {
            let builder = ColumnBuilder(type)
            for _ in 0..<max(1, distinct) { builder.append(scalar(type, distinct: distinct)) }
            let dictionary = builder.finish()
            let codes = Buffer(count: max(1, rows), of: Int32.self)
            let validity = nulls > 0 ? Bitmap.make(rows, all: true) : nil
            for row in 0..<rows {
                codes.pointer(Int32.self)[row] = Int32.random(in: 0..<Int32(dictionary.count), using: &numbers)
                if let validity, Double.random(in: 0..<1, using: &numbers) < nulls {
                    Bitmap.clear(validity.pointer(UInt64.self), row)
                }
            }
            return Column(codes: codes, count: rows, validity: validity, dictionary: dictionary)
        }
        let builder = ColumnBuilder(type)
        for _ in 0..<rows {
            if Double.random(in: 0..<1, using: &numbers) < nulls {
                builder.appendNull()
            } else {
                builder.append(scalar(type, distinct: distinct))
            }
        }
        return builder.finish()
    }

    mutating func batches(
        _ types: [SQLType], rows: Int, distinct: Int, nulls: Double, batchRows: Int = 100
    ) -> [Batch] {
        var made: [Batch] = []
        var left = rows
        while left > 0 {
            let count = min(left, Int.random(in: 1...batchRows, using: &numbers))
            made.append(
                Batch(types.map { column($0, rows: count, distinct: distinct, nulls: nulls) }, rows: count))
            left -= count
        }
        return made
    }
}

/// Gives batches to all workers.
final class BatchesSource: SourceStage {
    private let rest: Mutex<[Batch]>
    init(_ batches: [Batch]) { rest = Mutex(batches.reversed()) }
    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource { Worker(self) }
    private final class Worker: BatchSource {
        let stage: BatchesSource
        init(_ stage: BatchesSource) { self.stage = stage }
        func next() throws(SQLError) -> Batch? { stage.rest.withLock { $0.popLast() } }
    }
}

/// Keeps what arrives, in order of arrival.
final class CollectingSink: SinkStage {
    private let kept = Mutex<[Batch]>([])
    func worker(_ run: QueryRun) throws(SQLError) -> any Sink { Worker(self) }
    func finish(_ run: QueryRun) throws(SQLError) {}
    var batches: [Batch] { kept.withLock { $0 } }
    var rows: [[Scalar]] { batches.rows }
    private final class Worker: Sink {
        let stage: CollectingSink
        init(_ stage: CollectingSink) { self.stage = stage }
        func push(_ batch: Batch) throws(SQLError) -> Bool {
            for column in batch.columns { precondition(column.count == batch.rows) }
            precondition(batch.rows <= Batch.rowsMax)
            stage.kept.withLock { $0.append(batch) }
            return true
        }
        func combine() throws(SQLError) {}
    }
}

extension Array where Element == Batch {
    var rows: [[Scalar]] {
        flatMap { batch in (0..<batch.rows).map { row in batch.columns.map { $0.scalar(row) } } }
    }
}

extension QueryRun {
    static func test(limit: Int64 = 1 << 32) -> QueryRun {
        QueryRun(functions: FunctionContext(), memory: MemoryPool(limitBytes: limit))
    }
}

/// Columns of a test plan.
func planColumns(_ types: [SQLType], from first: Int = 0) -> [PlanColumn] {
    types.enumerated().map { PlanColumn(id: ColumnID(first + $0), name: "c\(first + $0)", type: $1) }
}

/// A row as text, equal for rows that SQL holds equal.
func rowKey(_ row: [Scalar]) -> String { row.map { "\($0.equalityKey)" }.joined(separator: "|") }

/// Rows as a sorted list, to compare without order.
func bag(_ rows: [[Scalar]]) -> [String] { rows.map(rowKey).sorted() }

enum PairFunctions {
    /// a < b over int8, for residual conditions.
    static let less = BoundFunction(
        name: "<", argumentTypes: [.int8, .int8], resultType: .boolean, canFail: false
    ) { (_, arguments, rows) throws(SQLError) -> Column in
        let builder = ColumnBuilder(.boolean)
        for row in 0..<rows {
            let (a, b) = (arguments[0].scalar(row), arguments[1].scalar(row))
            if a.isNull || b.isNull {
                builder.appendNull()
            } else {
                builder.append(.boolean((Scalar.compare(a, b) ?? 0) < 0))
            }
        }
        return builder.finish()
    }
}
