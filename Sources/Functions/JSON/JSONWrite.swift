// Any value as JSON: to_json, json_build_object and its kin, row_to_json, and the aggregates that collect JSON.
import Columns
import Diagnostics

/// Writes values as JSON text.
enum JSONWrite {
    /// Appends the value of a row as PostgreSQL's to_json prints it.
    static func append(_ column: Column, _ row: Int, zone: SessionTimeZone, to out: inout [UInt8]) {
        guard column.isValid(row) else { return out.append(contentsOf: "null".utf8) }
        switch column.type {
        case .boolean:
            let flag = column.storage.pointer(UInt8.self)[column.slot(row)] != 0
            out.append(contentsOf: (flag ? "true" : "false").utf8)
        case .int2, .int4, .int8: TextForm.append(column, row, zone: zone, to: &out)
        case .float4, .float8, .decimal, .numeric:
            let start = out.count
            TextForm.append(column, row, zone: zone, to: &out)
            // NaN and the infinities are strings.
            if let last = out.last, last > 57 {
                out.insert(UInt8(ascii: "\""), at: start)
                out.append(UInt8(ascii: "\""))
            }
        case .json, .jsonb: TextForm.append(column, row, zone: zone, to: &out)
        case .timestamp, .timestamptz: appendMoment(column, row, zone, &out)
        case .array: appendArray(column, row, zone, &out)
        case .row(let fields): appendRow(column, fields, row, zone, &out)
        case .map: appendMap(column, row, zone, &out)
        default:
            if column.physical == .view, column.type != .bytea, !column.type.isNetwork {
                column.storage.pointer(StringView.self)[column.slot(row)].withBytes { JSONEscape.quote($0, to: &out) }
            } else {
                var text: [UInt8] = []
                TextForm.append(column, row, zone: zone, to: &text)
                text.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
            }
        }
    }

    /// ISO 8601 with a T, and minutes in the offset.
    private static func appendMoment(_ column: Column, _ row: Int, _ zone: SessionTimeZone, _ out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        let start = out.count
        TextForm.append(column, row, zone: zone, to: &out)
        if let blank = out[start...].firstIndex(of: 32) {
            out[blank] = UInt8(ascii: "T")
            if column.type == .timestamptz {
                let sign = out[blank...].lastIndex { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }
                let end = out[blank...].firstIndex(of: 32) ?? out.count
                if let sign, end - sign == 3 { out.insert(contentsOf: ":00".utf8, at: end) }
            }
        }
        out.append(UInt8(ascii: "\""))
    }

    private static func appendArray(_ column: Column, _ row: Int, _ zone: SessionTimeZone, _ out: inout [UInt8]) {
        out.append(UInt8(ascii: "["))
        if let child = column.storage.child {
            let span = column.storage.pointer(ListSpan.self)[column.slot(row)]
            for index in Int(span.start)..<Int(span.start) + Int(span.count) {
                if index > Int(span.start) { out.append(44) }
                append(child, index, zone: zone, to: &out)
            }
        }
        out.append(UInt8(ascii: "]"))
    }

    /// A struct is an object of its fields.
    private static func appendRow(
        _ column: Column, _ fields: [StructField], _ row: Int, _ zone: SessionTimeZone, _ out: inout [UInt8]
    ) {
        let place = Int(column.storage.pointer(Int32.self)[column.slot(row)])
        out.append(UInt8(ascii: "{"))
        for (index, (field, values)) in zip(fields, column.storage.fields).enumerated() {
            if index > 0 { out.append(44) }
            Array(field.name.utf8).withUnsafeBytes { JSONEscape.quote($0, to: &out) }
            out.append(58)
            append(values, place, zone: zone, to: &out)
        }
        out.append(UInt8(ascii: "}"))
    }

    /// A map is an object whose keys are the texts of its keys.
    private static func appendMap(_ column: Column, _ row: Int, _ zone: SessionTimeZone, _ out: inout [UInt8]) {
        out.append(UInt8(ascii: "{"))
        if let entries = column.storage.child, entries.fields.count == 2, entries.physical == .row {
            let span = column.storage.pointer(ListSpan.self)[column.slot(row)]
            for index in Int(span.start)..<Int(span.start) + Int(span.count) {
                if index > Int(span.start) { out.append(44) }
                let place = Int(entries.storage.pointer(Int32.self)[entries.slot(index)])
                var key: [UInt8] = []
                TextForm.append(entries.fields[0], place, zone: zone, to: &key)
                key.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
                out.append(58)
                append(entries.fields[1], place, zone: zone, to: &out)
            }
        }
        out.append(UInt8(ascii: "}"))
    }

    /// Appends a value as an object's key.
    static func appendKey(
        _ column: Column, _ row: Int, zone: SessionTimeZone, to out: inout [UInt8]
    ) throws(SQLError) {
        switch column.type {
        case .array, .json, .jsonb, .row, .map:
            throw SQLError(
                .invalidParameterValue, "key value must be scalar, not array, composite, or json")
        default: break
        }
        if column.physical == .view, column.type != .bytea, !column.type.isNetwork {
            column.storage.pointer(StringView.self)[column.slot(row)].withBytes { JSONEscape.quote($0, to: &out) }
        } else {
            var text: [UInt8] = []
            if column.type == .boolean {
                let flag = column.storage.pointer(UInt8.self)[column.slot(row)] != 0
                text.append(contentsOf: (flag ? "true" : "false").utf8)
            } else {
                TextForm.append(column, row, zone: zone, to: &text)
            }
            text.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
        }
    }

    /// What a jsonb function makes of JSON text.
    static func normalised(_ text: [UInt8], to out: inout [UInt8]) throws(SQLError) {
        var made: [UInt8] = []
        try text.parsedBytes { (raw) throws(SQLError) in try JSONText.appendNormal(raw, to: &made) }
        out.append(contentsOf: made)
    }
}

enum JSONBuilding {
    static let functions: [Overload] =
        [SQLType.json, .jsonb].flatMap { type in
            let name = type.name
            return [
                made("to_\(name)", [.any], type, isStrict: true) { (a, row, zone, out) throws(SQLError) in
                    JSONWrite.append(a[0], row, zone: zone, to: &out)
                },
                made("\(name)_build_array", [.any], type, optional: 1, isVariadic: true, array),
                made("\(name)_build_object", [.any], type, optional: 1, isVariadic: true, object),
                Overload("\(name)_object", [.array(.text)], type, pairs(type)),
                Overload("\(name)_object", [.array(.text), .array(.text)], type, zipped(type)),
            ]
        } + [
            made("array_to_json", [.anyArray], .json, isStrict: true) { (a, row, zone, out) throws(SQLError) in
                JSONWrite.append(a[0], row, zone: zone, to: &out)
            },
            made("array_to_json", [.anyArray, .type(.boolean)], .json, isStrict: true) {
                (a, row, zone, out) throws(SQLError) in
                guard Lane(a[1], UInt8.self)[row] != 0, let child = a[0].child else {
                    return JSONWrite.append(a[0], row, zone: zone, to: &out)
                }
                let span = Lane(a[0], ListSpan.self)[row]
                out.append(UInt8(ascii: "["))
                for index in 0..<Int(span.count) {
                    if index > 0 { out.append(contentsOf: ",\n ".utf8) }
                    JSONWrite.append(child, Int(span.start) + index, zone: zone, to: &out)
                }
                out.append(UInt8(ascii: "]"))
            },
            // What the binder makes of a row: names and values in turn.
            made("json_row", [.any], .json, optional: 1, isVariadic: true) { (a, row, zone, out) throws(SQLError) in
                try record(a, row, zone, isPretty: false, &out)
            },
            made("json_row_pretty", [.any], .json, optional: 1, isVariadic: true) {
                (a, row, zone, out) throws(SQLError) in
                try record(a, row, zone, isPretty: true, &out)
            },
        ]

    private typealias Body =
        @Sendable ([Column], Int, SessionTimeZone, inout [UInt8]) throws(SQLError) -> Void

    private static func made(
        _ name: String, _ parameters: [Parameter], _ type: SQLType, optional: Int = 0, isVariadic: Bool = false,
        isStrict: Bool = false, _ body: @escaping Body
    ) -> Overload {
        Overload(
            name, parameters, optional: optional, isVariadic: isVariadic, volatility: .stable, isStrict: isStrict
        ) { (call) throws(SQLError) in
            Binding(arguments: call.types.map { $0 == .unknown ? .text : $0 }, result: type) {
                (context, a, rows) throws(SQLError) in
                let sink = TextSink(rows: rows)
                let validity = isStrict ? Loops.validity(a, rows) : nil
                var (scratch, normal): ([UInt8], [UInt8]) = ([], [])
                try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                    scratch.removeAll(keepingCapacity: true)
                    try body(a, row, context.timeZone, &scratch)
                    guard type == .jsonb else { return try sink.set(row, scratch) }
                    normal.removeAll(keepingCapacity: true)
                    try JSONWrite.normalised(scratch, to: &normal)
                    try sink.set(row, normal)
                }
                return sink.finish(type, validity: validity)
            }
        }
    }

    private static let array: Body = { (a, row, zone, out) throws(SQLError) in
        out.append(UInt8(ascii: "["))
        for (index, column) in a.enumerated() {
            if index > 0 { out.append(contentsOf: [44, 32]) }
            JSONWrite.append(column, row, zone: zone, to: &out)
        }
        out.append(UInt8(ascii: "]"))
    }

    private static let object: Body = { (a, row, zone, out) throws(SQLError) in
        guard a.count % 2 == 0 else {
            throw SQLError(
                .invalidParameterValue, "argument list must have even number of elements",
                hint: "The arguments of json_build_object() must consist of alternating keys and values.")
        }
        out.append(UInt8(ascii: "{"))
        for index in stride(from: 0, to: a.count, by: 2) {
            if index > 0 { out.append(contentsOf: [44, 32]) }
            guard a[index].isValid(row) else {
                throw SQLError(
                    .invalidParameterValue, "argument \(index + 1) cannot be null",
                    hint: "Object keys should be text.")
            }
            try JSONWrite.appendKey(a[index], row, zone: zone, to: &out)
            out.append(contentsOf: [32, 58, 32])
            JSONWrite.append(a[index + 1], row, zone: zone, to: &out)
        }
        out.append(UInt8(ascii: "}"))
    }

    private static func record(
        _ a: [Column], _ row: Int, _ zone: SessionTimeZone, isPretty: Bool, _ out: inout [UInt8]
    ) throws(SQLError) {
        out.append(UInt8(ascii: "{"))
        for index in stride(from: 0, to: a.count - 1, by: 2) {
            if index > 0 { out.append(contentsOf: (isPretty ? ",\n " : ",").utf8) }
            try JSONWrite.appendKey(a[index], row, zone: zone, to: &out)
            out.append(58)
            JSONWrite.append(a[index + 1], row, zone: zone, to: &out)
        }
        out.append(UInt8(ascii: "}"))
    }

    // MARK: json_object

    private static func write(
        _ keys: [Scalar], _ values: [Scalar], _ type: SQLType, _ out: inout [UInt8]
    ) throws(SQLError) {
        var text: [UInt8] = [UInt8(ascii: "{")]
        for (index, key) in keys.enumerated() {
            guard case .string(let name) = key.value else {
                throw SQLError(SQLState("22004"), "null value not allowed for object key")
            }
            if index > 0 { text.append(contentsOf: [44, 32]) }
            Array(name.utf8).withUnsafeBytes { JSONEscape.quote($0, to: &text) }
            text.append(contentsOf: [32, 58, 32])
            if case .string(let value) = values[index].value {
                Array(value.utf8).withUnsafeBytes { JSONEscape.quote($0, to: &text) }
            } else {
                text.append(contentsOf: "null".utf8)
            }
        }
        text.append(UInt8(ascii: "}"))
        if type == .jsonb { try JSONWrite.normalised(text, to: &out) } else { out.append(contentsOf: text) }
    }

    private static func pairs(_ type: SQLType) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            try TextKernels.rows(a, rows, type) { (row, out) throws(SQLError) in
                let items = ArrayFunctions.elements(a[0], row) ?? []
                guard items.count % 2 == 0 else {
                    throw SQLError(SQLState("2202E"), "array must have even number of elements")
                }
                let keys = stride(from: 0, to: items.count, by: 2).map { items[$0] }
                let values = stride(from: 1, to: items.count, by: 2).map { items[$0] }
                try write(keys, values, type, &out)
                return true
            }
        }
    }

    private static func zipped(_ type: SQLType) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            try TextKernels.rows(a, rows, type) { (row, out) throws(SQLError) in
                let keys = ArrayFunctions.elements(a[0], row) ?? []
                let values = ArrayFunctions.elements(a[1], row) ?? []
                guard keys.count == values.count else {
                    throw SQLError(SQLState("2202E"), "mismatched array dimensions")
                }
                try write(keys, values, type, &out)
                return true
            }
        }
    }
}

/// json_agg, json_object_agg and their jsonb forms. The binder gives moments as JSON already: an aggregate knows no zone.
enum JSONAggregates {
    static let all: [AggregateOverload] =
        [SQLType.json, .jsonb].flatMap { type in
            [
                collected("\(type.name)_agg", type, isRows: false), objects("\(type.name)_object_agg", type),
                collected("\(type.name)_agg_row", type, isRows: true),
            ]
        } + [collected("json_group_array", .json, isRows: false), objects("json_group_object", .json)]

    private static func text(_ bytes: [UInt8], _ type: SQLType) throws(SQLError) -> Scalar {
        try StringFunctions.checkLength(bytes.count)
        guard type == .jsonb else { return Scalar(type, .string(String(decoding: bytes, as: UTF8.self))) }
        var normal: [UInt8] = []
        try JSONWrite.normalised(bytes, to: &normal)
        return Scalar(type, .string(String(decoding: normal, as: UTF8.self)))
    }

    private static func collected(_ name: String, _ type: SQLType, isRows: Bool) -> AggregateOverload {
        AggregateOverload(name, [.any], isOrderSensitive: true) { (call) throws(SQLError) in
            var isLined = isRows
            switch call.types[0] {
            case .array, .row: isLined = true
            default: break
            }
            return AggregateBinding(arguments: call.types, result: type) { [isLined] in
                CollectingAggregate(type, required: nil) { (rows, group) throws(SQLError) in
                    guard rows.count(group) > 0 else { return .null(type) }
                    var out: [UInt8] = [UInt8(ascii: "[")]
                    try rows.each(group) { (columns, row) throws(SQLError) in
                        if out.count > 1 {
                            out.append(contentsOf: (isLined && columns[0].isValid(row) ? ", \n " : ", ").utf8)
                        }
                        JSONWrite.append(columns[0], row, zone: .utc, to: &out)
                    }
                    out.append(UInt8(ascii: "]"))
                    return try text(out, type)
                }
            }
        }
    }

    private static func objects(_ name: String, _ type: SQLType) -> AggregateOverload {
        AggregateOverload(name, [.any, .any], isOrderSensitive: true) { (call) throws(SQLError) in
            AggregateBinding(arguments: call.types, result: type) {
                CollectingAggregate(type, required: nil) { (rows, group) throws(SQLError) in
                    guard rows.count(group) > 0 else { return .null(type) }
                    var out: [UInt8] = Array("{ ".utf8)
                    try rows.each(group) { (columns, row) throws(SQLError) in
                        guard columns[0].isValid(row) else {
                            throw SQLError(.invalidParameterValue, "field name must not be null")
                        }
                        if out.count > 2 { out.append(contentsOf: [44, 32]) }
                        try JSONWrite.appendKey(columns[0], row, zone: .utc, to: &out)
                        out.append(contentsOf: " : ".utf8)
                        JSONWrite.append(columns[1], row, zone: .utc, to: &out)
                    }
                    out.append(contentsOf: " }".utf8)
                    return try text(out, type)
                }
            }
        }
    }
}
