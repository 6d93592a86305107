// Runs one line of an expectations file: a call with typed literal arguments, through every column layout.
import Columns
import Diagnostics
import Functions

/// A call such as `+ <tab> integer <tab> 1 <tab> integer <tab> 2` and what PostgreSQL says about it.
struct FunctionCase {
    var call: String
    var arguments: [(type: SQLType, text: String?)]

    /// Types as the lines spell them.
    static func type(_ name: String) -> SQLType? {
        if name.hasSuffix("[]") { return type(String(name.dropLast(2))).map { .array($0) } }
        var base = name
        var numbers: [Int] = []
        if let open = name.firstIndex(of: "("), name.hasSuffix(")") {
            base = String(name[..<open])
            numbers = name[name.index(after: open)...].dropLast().split(separator: ",").compactMap { Int($0) }
        }
        switch base {
        case "unknown": return .unknown
        case "boolean": return .boolean
        case "smallint": return .int2
        case "integer": return .int4
        case "bigint": return .int8
        case "real": return .float4
        case "float8": return .float8
        case "numeric": return numbers.count == 2 ? .decimal(precision: numbers[0], scale: numbers[1]) : .numeric
        case "text": return .text
        case "varchar": return .varchar(numbers.first)
        case "char": return .char(numbers.first ?? 1)
        case "bytea": return .bytea
        case "date": return .date
        case "time": return .time
        case "timestamp": return .timestamp
        case "timestamptz": return .timestamptz
        case "interval": return .interval
        case "uuid": return .uuid
        default: return nil
        }
    }

    init?(_ fields: [String]) {
        guard let first = fields.first, fields.count % 2 == 1 else { return nil }
        call = first
        arguments = []
        for index in stride(from: 1, to: fields.count, by: 2) {
            guard let type = FunctionCase.type(fields[index]) else { return nil }
            arguments.append((type, fields[index + 1] == "\\N" ? nil : fields[index + 1]))
        }
    }

    static let context = FunctionContext(
        transactionTime: 1_704_456_000_123_456, statementTime: 1_704_456_000_123_456,
        timeZone: (try? SessionTimeZone.named("America/New_York")) ?? .utc)

    /// The result as text, `\N` for NULL, `ERROR <state>: <message>` for a failure.
    func run() -> String {
        do throws(SQLError) {
            return call.hasPrefix("agg:") ? try aggregate() : try scalar()
        } catch {
            return "ERROR \(error.state.code): \(error.message)"
        }
    }

    private func parse(_ text: String?, _ type: SQLType) throws(SQLError) -> Scalar {
        guard let text else { return .null(type) }
        let parse = TextParseContext(now: FunctionCase.context.transactionTime, timeZone: FunctionCase.context.timeZone)
        return try TextParse.scalar(text, as: type, context: parse)
    }

    private func converted(_ scalar: Scalar, to type: SQLType) throws(SQLError) -> Column {
        let column = Column.constant(scalar, count: 1)
        guard scalar.type != type else { return column }
        guard
            let cast = FunctionRegistry.cast(from: scalar.type, to: type, context: .explicit)
        else { throw SQLError(.cannotCoerce, "no cast from \(scalar.type.name) to \(type.name)") }
        return try cast.kernel(FunctionCase.context, [column], 1)
    }

    private static func text(_ column: Column, _ row: Int) -> String {
        guard column.isValid(row) else { return "\\N" }
        let scalar = column.scalar(row)
        if case .bool(let value) = scalar.value { return value ? "true" : "false" }
        return scalar.outputText(zone: context.timeZone) ?? "\\N"
    }

    private func scalar() throws(SQLError) -> String {
        var scalars: [Scalar] = []
        for argument in arguments { scalars.append(try parse(argument.text, argument.type)) }
        let bound: BoundFunction
        if call.hasPrefix("cast:") {
            guard let target = FunctionCase.type(String(call.dropFirst(5))), let first = scalars.first,
                let cast = FunctionRegistry.cast(from: first.type, to: target, context: .explicit)
            else { throw SQLError(.cannotCoerce, "cannot cast") }
            bound = cast
        } else if let head = call.unicodeScalars.first, !head.properties.isAlphabetic {
            bound = try FunctionRegistry.binaryOrUnary(
                call, scalars.count == 2 ? scalars[0].type : nil, scalars[scalars.count - 1].type,
                literals: scalars, position: nil)
        } else {
            bound = try FunctionRegistry.function(call, scalars.map(\.type), literals: scalars, position: nil)
        }
        var inputs: [Column] = []
        for (index, scalar) in scalars.enumerated() {
            inputs.append(try converted(scalar, to: bound.argumentTypes[index]))
        }
        let expected = try run(bound, inputs, 1, row: 0)
        // Flat, with a NULL row in between where that is possible, and behind a dictionary.
        var flat: [Column] = []
        var coded: [Column] = []
        for input in inputs {
            let value = input.scalar(0)
            let builder = ColumnBuilder(input.type)
            builder.append(value)
            builder.appendNull()
            builder.append(value)
            flat.append(builder.finish())
            coded.append(value.isNull ? flat[flat.count - 1] : FunctionCase.dictionary(value))
        }
        // Functions that take NULLs may fail for the NULL row.
        if bound.volatility != .volatile, bound.isStrict {
            for (name, columns) in [("flat", flat), ("dictionary", coded)] where !inputs.isEmpty {
                let other = try run(bound, columns, 3, row: 2)
                if other != expected { return "\(name) differs: \(other) instead of \(expected)" }
            }
            for index in inputs.indices where inputs.count > 1 {
                var mixed = inputs.map { Column.constant($0, count: 3) }
                mixed[index] = coded[index]
                let other = try run(bound, mixed, 3, row: 2)
                if other != expected { return "mixed \(index) differs: \(other) instead of \(expected)" }
                mixed[index] = flat[index]
                let third = try run(bound, mixed, 3, row: 2)
                if third != expected { return "mixed flat \(index) differs: \(third) instead of \(expected)" }
            }
        }
        return expected
    }

    private func run(_ bound: BoundFunction, _ inputs: [Column], _ rows: Int, row: Int) throws(SQLError) -> String {
        let column = try bound.kernel(FunctionCase.context, inputs, rows)
        if column.type != bound.resultType { return "type \(column.type) instead of \(bound.resultType)" }
        if column.count != rows { return "\(column.count) rows instead of \(rows)" }
        return FunctionCase.text(column, row)
    }

    private static func dictionary(_ value: Scalar) -> Column {
        let entries = ColumnBuilder(value.type)
        entries.append(value)
        let codes = Buffer(count: 3, of: Int32.self)
        for row in 0..<3 { codes.pointer(Int32.self)[row] = 0 }
        // The code of the NULL row is out of range on purpose: nobody may look at it.
        codes.pointer(Int32.self)[1] = 77
        let valid = Bitmap.make(3, all: true)
        Bitmap.clear(valid.pointer(UInt64.self), 1)
        return Column(codes: codes, count: 3, validity: valid, dictionary: entries.finish())
    }

    // MARK: Aggregates

    /// Arguments hold rows separated by `;`.
    private func aggregate() throws(SQLError) -> String {
        let name = String(call.dropFirst(4))
        let bound = try FunctionRegistry.aggregate(
            name, arguments.map(\.type), literals: arguments.map { _ in nil }, position: nil)
        var columns: [Column] = []
        var rows = 0
        for (index, argument) in arguments.enumerated() {
            let type = bound.argumentTypes[index]
            let builder = ColumnBuilder(type)
            let texts = (argument.text ?? "").split(separator: ";", omittingEmptySubsequences: false).map(String.init)
            var values: [Scalar] = []
            for text in texts where !(texts.count == 1 && text.isEmpty) {
                let scalar = try parse(text == "\\N" ? nil : text, argument.type)
                values.append(try converted(scalar, to: type).scalar(0))
            }
            // WITHIN GROUP hands rows over in its order.
            if index == arguments.count - 1, ["percentile_cont", "percentile_disc", "mode"].contains(name) {
                values.sort { !$0.isNull && ($1.isNull || (Scalar.compare($0, $1) ?? 0) < 0) }
            }
            for value in values { builder.append(value) }
            rows = builder.count
            columns.append(builder.finish())
        }
        if arguments.isEmpty { rows = 3 }
        let whole = bound.make()
        try whole.update(columns, groups: GroupNumbers(numbers: nil, rows: rows, groups: 1))
        let expected = try FunctionCase.text(whole.finish(0..<1), 0)
        // The same by groups and in two parts: every row to group 1, and group 0 stays empty.
        let (first, second) = (bound.make(), bound.make())
        var numbers = [Int32](repeating: 1, count: max(1, rows))
        let parts: Result<String, SQLError> = numbers.withUnsafeMutableBufferPointer { buffer in
            do throws(SQLError) {
                let pointer = buffer.baseAddress.map { UnsafePointer($0) }
                let groups = GroupNumbers(numbers: pointer, rows: rows, groups: 2)
                try first.update(columns, groups: groups)
                let back = [Int32(0), Int32(1)].withUnsafeBufferPointer { identity -> Result<Void, SQLError> in
                    do throws(SQLError) {
                        try second.merge(
                            first, groups: GroupNumbers(numbers: identity.baseAddress, rows: 2, groups: 2))
                        return .success(())
                    } catch { return .failure(error) }
                }
                try back.get()
                return .success(FunctionCase.text(try second.finish(0..<2), 1))
            } catch { return .failure(error) }
        }
        let other = try parts.get()
        return other == expected ? expected : "grouped differs: \(other) instead of \(expected)"
    }
}
