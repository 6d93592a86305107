// Random tables, running plans, comparing rows as multisets.
import Columns
import Diagnostics
import Execution
import Functions
import Planner

/// SplitMix64: the same numbers for the same seed everywhere.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// A table of random values and the plan that scans it.
struct Sample {
    let table: MemoryTable
    let columns: [PlanColumn]
    let rows: [[Scalar]]

    /// Columns: a int8 (few values), b int8 (many), c text (few), d text (many), e int4, f float8, g boolean.
    static let types: [(String, SQLType)] = [
        ("a", .int8), ("b", .int8), ("c", .text), ("d", .text), ("e", .int4), ("f", .float8), ("g", .boolean),
    ]

    init(rows count: Int, seed: UInt64, nulls: Double = 0.1, firstID: Int = 0, distinct: Int64 = 1_000_000) {
        var random = Seeded(seed)
        var rows: [[Scalar]] = []
        for _ in 0..<count {
            var row: [Scalar] = []
            for (index, (_, type)) in Sample.types.enumerated() {
                if Double.random(in: 0..<1, using: &random) < nulls {
                    row.append(.null(type))
                    continue
                }
                switch index {
                case 0: row.append(.int8(Int64.random(in: -3...3, using: &random)))
                case 1: row.append(.int8(Int64.random(in: 0..<distinct, using: &random)))
                case 2:
                    row.append(
                        .text(
                            ["red", "green", "a rather long colour name", "", "blue"].randomElement(using: &random)
                                ?? ""))
                case 3: row.append(.text("value number \(Int64.random(in: 0..<distinct, using: &random))"))
                case 4: row.append(.int4(Int32.random(in: -50...50, using: &random)))
                case 5:
                    row.append(
                        Scalar(
                            .float8, .double([0, -0.0, 1.5, .nan, .infinity, -2].randomElement(using: &random) ?? 0)))
                default: row.append(.boolean(Bool.random(using: &random)))
                }
            }
            rows.append(row)
        }
        self.rows = rows
        var batches: [Batch] = []
        var start = 0
        while start < count {
            let end = min(start + Int.random(in: 1...Batch.rowsMax, using: &random), count)
            let columns = Sample.types.indices.map { index in
                Sample.column(
                    rows[start..<end].map { $0[index] }, Sample.types[index].1, dictionary: index == 2 && start % 3 != 0
                )
            }
            batches.append(Batch(columns, rows: end - start))
            start = end
        }
        table = MemoryTable(
            schema: Schema(Sample.types.map { Field($0.0, $0.1) }), batches: batches)
        columns = Sample.types.enumerated().map {
            PlanColumn(id: ColumnID(firstID + $0.offset), name: $0.element.0, type: $0.element.1)
        }
    }

    static func column(_ values: [Scalar], _ type: SQLType, dictionary: Bool = false) -> Column {
        let builder = ColumnBuilder(type, capacity: values.count)
        guard dictionary else {
            for value in values { builder.append(value) }
            return builder.finish()
        }
        var entries: [Scalar: Int32] = [:]
        let codes = Buffer(count: values.count, of: Int32.self)
        let validity = Bitmap.make(values.count, all: true)
        builder.append(.text("an entry that no row uses"))
        for (row, value) in values.enumerated() {
            if value.isNull {
                // The code of a NULL row means nothing.
                codes.pointer(Int32.self)[row] = 1 << 20
                Bitmap.clear(validity.pointer(UInt64.self), row)
                continue
            }
            if entries[value] == nil {
                entries[value] = Int32(builder.count)
                builder.append(value)
            }
            codes.pointer(Int32.self)[row] = entries[value] ?? 0
        }
        return Column(codes: codes, count: values.count, validity: validity, dictionary: builder.finish())
    }

    func scan(_ filter: [Expr] = [], limit: Int? = nil) -> LogicalPlan {
        .scan(
            LogicalPlan.Scan(
                table: table, alias: "t", columns: columns.enumerated().map { ($0.element, $0.offset) }, filter: filter,
                limit: limit))
    }

    subscript(_ name: String) -> PlanColumn { columns.first { $0.name == name } ?? columns[0] }
    func expr(_ name: String) -> Expr { .column(self[name]) }
}

/// Runs a plan to its end.
func execute(
    _ plan: LogicalPlan, threads: Int = 2, memory: Int64? = nil, profiled: Bool = false
) async throws(SQLError) -> [[Scalar]] {
    let runner = LocalRunner(scheduler: Scheduler(threads: threads))
    let context = PlanContext(threadsMax: threads, memoryMaxBytes: memory, isProfiled: profiled)
    let query = try await runner.start(plan, context)
    var rows: [[Scalar]] = []
    while let batch = try await query.next() { rows += batch.scalars }
    return rows
}

extension Batch {
    var scalars: [[Scalar]] { (0..<rows).map { row in columns.map { $0.scalar(row) } } }
}

/// Rows as sorted text, so that order and float identity do not matter.
func multiset(_ rows: [[Scalar]]) -> [String] {
    rows.map { $0.map { text($0) }.joined(separator: " | ") }.sorted()
}

private func text(_ scalar: Scalar) -> String {
    if case .double(let number) = scalar.value { return number == 0 ? "0.0" : "\(number)" }
    return "\(scalar.value)"
}

func call(_ function: BoundFunction, _ arguments: Expr...) -> Expr { .call(function, arguments) }
func number(_ value: Int64) -> Expr { .literal(.int8(value)) }
