// What a session knows about itself, and the type of a value.
import Columns
import Diagnostics
import Glibc

/// The wall clock.
enum SystemClock {
    /// Microseconds since 1970 UTC.
    static func microseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
    }
}

enum SystemFunctions {
    /// The version that clients are told: some refuse to work with what they do not know.
    static let version = "PostgreSQL 17.0 (Apus)"

    static let all: [Overload] = [
        name("current_user") { $0.user }, name("session_user") { $0.sessionUser ?? $0.user }, name("user") { $0.user },
        name("current_database") { $0.database }, name("current_catalog") { $0.database },
        name("current_schema") { $0.searchPath.first ?? "public" },
        text("current_branch") { $0.branch },
        text("version") { _ in version },
        Overload("current_schemas", [.boolean], .array(.system(.name)), volatility: .stable, canFail: false) {
            (context, a, rows) throws(SQLError) in
            let withImplicit = ["pg_catalog"] + context.searchPath.filter { $0 != "pg_catalog" }
            let path = a[0].scalar(0).value == .bool(true) ? withImplicit : context.searchPath
            return Column.constant(
                Scalar(.array(.system(.name)), .array(path.map { Scalar(.system(.name), .string($0)) })), count: rows)
        },
        Overload("pg_backend_pid", [SQLType](), .int4, volatility: .stable, canFail: false) {
            (context, _, rows) throws(SQLError) in
            Column.constant(Scalar.int4(context.processID), count: rows)
        },
        // Refuses the second row of a key in one INSERT ... ON CONFLICT DO UPDATE.
        Overload("insert_conflict_check", [.int8], .boolean, volatility: .volatile) { (_, a, rows) throws(SQLError) in
            for row in 0..<rows {
                guard case .int(let number) = a[0].scalar(row).value, number > 1 else { continue }
                throw SQLError(
                    SQLState("21000"), "ON CONFLICT DO UPDATE command cannot affect row a second time",
                    hint: "Ensure that no rows proposed for insertion within the same command have duplicate "
                        + "constrained values.")
            }
            return Column.constant(Scalar.boolean(true), count: rows)
        },
        Overload("current_setting", [.text], .text, volatility: .stable, setting(isLenient: false)),
        Overload("current_setting", [.text, .boolean], .text, volatility: .stable, setting(isLenient: true)),
        Overload("pg_typeof", [.any], isStrict: false, canFail: false) { (call) throws(SQLError) in
            let name = call.types[0].baseName
            return Binding(arguments: call.types, result: .text) { (_, _, rows) throws(SQLError) in
                Column.constant(Scalar.text(name), count: rows)
            }
        },
        Overload("num_nulls", [.any], isVariadic: true, isStrict: false, canFail: false) { (call) throws(SQLError) in
            nulls(call, counted: true)
        },
        Overload("num_nonnulls", [.any], isVariadic: true, isStrict: false, canFail: false) { (call) throws(SQLError) in
            nulls(call, counted: false)
        },
        Overload("booland_statefunc", [.boolean, .boolean], .boolean, canFail: false) { (_, a, rows) throws(SQLError) in
            Logic.boolAnd(a[0], a[1], rows: rows)
        },
        Overload("boolor_statefunc", [.boolean, .boolean], .boolean, canFail: false) { (_, a, rows) throws(SQLError) in
            Logic.boolOr(a[0], a[1], rows: rows)
        },
    ]

    private static func name(_ name: String, _ body: @escaping @Sendable (FunctionContext) -> String) -> Overload {
        Overload(name, [SQLType](), .system(.name), volatility: .stable, canFail: false) {
            (context, _, rows) throws(SQLError) in
            Column.constant(Scalar(.system(.name), .string(body(context))), count: rows)
        }
    }

    private static func text(_ name: String, _ body: @escaping @Sendable (FunctionContext) -> String) -> Overload {
        Overload(name, [SQLType](), .text, volatility: .stable, canFail: false) { (context, _, rows) throws(SQLError) in
            Column.constant(Scalar.text(body(context)), count: rows)
        }
    }

    private static func setting(isLenient: Bool) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let names = Lane(a[0], StringView.self)
            let missing = isLenient ? Lane(a[1], UInt8.self) : nil
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                let name = names[row].string
                guard let value = context.setting(name.lowercased()) else {
                    if let missing, missing[row] != 0 { return false }
                    throw SQLError(.undefinedObject, "unrecognized configuration parameter \"\(name)\"")
                }
                out.append(contentsOf: value.utf8)
                return true
            }
        }
    }

    private static func nulls(_ call: Call, counted: Bool) -> Binding {
        Binding(arguments: call.types, result: .int4) { (_, a, rows) throws(SQLError) in
            let out = Buffer(count: max(1, rows), of: Int32.self)
            let o = out.pointer(Int32.self)
            for row in 0..<rows {
                var total: Int32 = 0
                for column in a where column.isValid(row) != counted { total += 1 }
                o[row] = total
            }
            return Column(.int4, count: rows, values: out)
        }
    }
}
