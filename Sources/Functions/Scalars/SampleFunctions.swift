// What TABLESAMPLE keeps: rows, or blocks of rows, whose hash with the seed is below the percentage.
import Columns
import Diagnostics

enum SampleFunctions {
    /// Rows of a block for SYSTEM.
    private static let blockShift: Int64 = 9

    /// Percentage, seed, whether there is a seed, whether blocks are chosen, file, position.
    static let all: [Overload] = [
        Overload(
            "table_sample", [.float4, .float8, .boolean, .boolean, .text, .int8], .boolean, volatility: .stable,
            isStrict: false
        ) { (context, a, rows) throws(SQLError) in
            let (limit, seed, isBlock) = try settings(context, a, rows)
            let (files, places) = (Lane(a[4], StringView.self), Lane(a[5], Int64.self))
            var last: (view: StringView, hash: UInt64)?
            let out = Buffer(count: max(1, rows), of: UInt8.self)
            let o = out.pointer(UInt8.self)
            for row in 0..<rows {
                let view = files[row]
                let file: UInt64
                if let last, StringView.equal(last.view, view) {
                    file = last.hash
                } else {
                    file = view.withBytes { hash($0, seed) }
                    last = (view, file)
                }
                let place = isBlock ? places[row] >> blockShift : places[row]
                o[row] = mixed(file ^ UInt64(bitPattern: place) &* 0x9E37_79B9_7F4A_7C15) < limit ? 1 : 0
            }
            return Column(.boolean, count: rows, values: out, validity: nil)
        },
        Overload(
            "table_sample_row",
            [.type(.float4), .type(.float8), .type(.boolean), .type(.boolean), .type(.text)], isVariadic: true,
            volatility: .stable, isStrict: false
        ) { (call) throws(SQLError) in Binding(arguments: call.types, result: .boolean, kernel: byValues) },
    ]

    /// By the texts of a row's values.
    private static let byValues: Kernel = { (context, a, rows) throws(SQLError) in
        let (limit, seed, _) = try settings(context, a, rows)
        let out = Buffer(count: max(1, rows), of: UInt8.self)
        let o = out.pointer(UInt8.self)
        for row in 0..<rows {
            var value = seed
            for column in a.dropFirst(4) {
                guard case .string(var text) = column.scalar(row).value else {
                    value = mixed(value &+ 1)
                    continue
                }
                value = text.withUTF8 { hash(UnsafeRawBufferPointer($0), value) }
            }
            o[row] = mixed(value) < limit ? 1 : 0
        }
        return Column(.boolean, count: rows, values: out, validity: nil)
    }

    /// The hash below which rows are kept, the seed, and whether blocks are chosen.
    private static func settings(
        _ context: FunctionContext, _ a: [Column], _ rows: Int
    ) throws(SQLError) -> (limit: UInt64, seed: UInt64, isBlock: Bool) {
        guard rows > 0 else { return (0, 0, false) }
        guard case .double(let percent) = a[0].scalar(0).value else {
            throw SQLError(SQLState("2202H"), "TABLESAMPLE parameter cannot be null")
        }
        guard percent >= 0, percent <= 100 else {
            throw SQLError(SQLState("2202H"), "sample percentage must be between 0 and 100")
        }
        var seed = UInt64(bitPattern: context.statementTime) ^ UInt64(truncatingIfNeeded: context.processID) << 48
        if a[2].scalar(0).value == .bool(true) {
            guard case .double(let given) = a[1].scalar(0).value else {
                throw SQLError(SQLState("2202G"), "TABLESAMPLE REPEATABLE parameter cannot be null")
            }
            seed = given.bitPattern
        }
        // The top value stands for all of them.
        let share = percent / 100 * Double(UInt64.max)
        let limit = share >= Double(UInt64.max) ? UInt64.max : UInt64(share)
        return (limit, mixed(seed), a[3].scalar(0).value == .bool(true))
    }

    private static func hash(_ bytes: UnsafeRawBufferPointer, _ seed: UInt64) -> UInt64 {
        var value = seed ^ 0xCBF2_9CE4_8422_2325
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return mixed(value)
    }

    /// Never the largest value, so that 100 percent keeps every row.
    @inline(__always)
    private static func mixed(_ value: UInt64) -> UInt64 {
        var x = value &+ 0x9E37_79B9_7F4A_7C15
        x = (x ^ x >> 30) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ x >> 27) &* 0x94D0_49BB_1331_11EB
        x ^= x >> 31
        return x == .max ? 0 : x
    }
}
