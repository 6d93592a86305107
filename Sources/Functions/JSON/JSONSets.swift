// Arrays of the elements, keys and members of JSON values: what set-returning functions are unnest() of. Elements are
// views into the argument's own memory.
import Columns
import Diagnostics

enum JSONSets {
    static let functions: [Overload] = [SQLType.json, .jsonb].flatMap { type -> [Overload] in
        let name = type.name
        let isBinary = type == .jsonb
        func each(_ function: String, _ part: Part, _ result: SQLType) -> Overload {
            Overload(function, [type], .array(result)) { (_, a, rows) throws(SQLError) in
                try lists(a[0], rows, result) { (scan, start, list) throws(SQLError) in
                    guard scan.kind(start) == .object else {
                        throw deconstruction(name, scan.kind(start), part, isBinary)
                    }
                    var at = start
                    while let member = scan.nextMember(&at) { try list.append(scan, member, part) }
                }
            }
        }
        func elements(_ function: String, _ part: Part, _ result: SQLType) -> Overload {
            Overload(function, [type], .array(result)) { (_, a, rows) throws(SQLError) in
                try lists(a[0], rows, result) { (scan, start, list) throws(SQLError) in
                    guard scan.kind(start) == .array else { throw noElements(function, scan.kind(start), isBinary) }
                    var at = start
                    var isFirst = true
                    while let element = scan.nextElement(&at, &isFirst) {
                        try list.append(scan, value: element, asText: part == .text)
                    }
                }
            }
        }
        return [
            elements("\(name)_array_elements", .value, type), elements("\(name)_array_elements_text", .text, .text),
            each("\(name)_object_keys", .key, .text), each("\(name)_each_keys", .key, .text),
            each("\(name)_each_values", .value, type), each("\(name)_each_text_values", .text, .text),
            // Records: the objects that json_to_record(set) reads.
            Overload("\(name)_record_list", [type], .array(type)) { (_, a, rows) throws(SQLError) in
                try lists(a[0], rows, type) { (scan, start, list) throws(SQLError) in
                    guard scan.kind(start) == .object else {
                        let kind = scan.kind(start) == .array ? "an array" : "a scalar"
                        throw SQLError(.invalidParameterValue, "cannot call populate_composite on \(kind)")
                    }
                    try list.append(scan, value: start..<scan.skipValue(start), asText: false)
                }
            },
            Overload("\(name)_recordset_list", [type], .array(type)) { (_, a, rows) throws(SQLError) in
                try lists(a[0], rows, type) { (scan, start, list) throws(SQLError) in
                    try objects("\(name)_to_recordset", scan, start, &list)
                }
            },
            Overload("json_record_value", [type, .text], type, canFail: false, field(type)),
            Overload("json_record_text", [type, .text], .text, canFail: false, field(.text)),
            Overload("json_record_texts", [type, .text], .array(.text), texts),
        ]
    }

    fileprivate enum Part { case key, value, text }

    // MARK: Errors

    private static func noElements(_ function: String, _ kind: JSONKind, _ isBinary: Bool) -> SQLError {
        let what = kind == .object ? (isBinary ? "an object" : "a non-array") : "a scalar"
        let message = isBinary ? "cannot extract elements from \(what)" : "cannot call \(function) on \(what)"
        return SQLError(.invalidParameterValue, message)
    }

    private static func deconstruction(_ name: String, _ kind: JSONKind, _ part: Part, _ isBinary: Bool) -> SQLError {
        let what = kind == .array ? "an array" : "a scalar"
        if isBinary {
            return SQLError(
                .invalidParameterValue,
                part == .key ? "cannot call jsonb_object_keys on \(what)" : "cannot call jsonb_each on a non-object")
        }
        return SQLError(
            .invalidParameterValue,
            part == .key
                ? "cannot call json_object_keys on \(what)"
                : kind == .array ? "cannot deconstruct an array as an object" : "cannot deconstruct a scalar")
    }

    private static func objects(
        _ function: String, _ scan: JSONScan, _ start: Int, _ list: inout ListSink
    ) throws(SQLError) {
        guard scan.kind(start) == .array else {
            let what = scan.kind(start) == .object ? "an object" : "a scalar"
            throw SQLError(
                .invalidParameterValue,
                scan.kind(start) == .object
                    ? "cannot call \(function) on a non-array" : "cannot call \(function) on \(what)")
        }
        var at = start
        var isFirst = true
        while let element = scan.nextElement(&at, &isFirst) {
            guard scan.kind(element.lowerBound) == .object else {
                throw SQLError(
                    .invalidParameterValue, "argument of \(function) must be an array of objects")
            }
            try list.append(scan, value: element, asText: false)
        }
    }

    // MARK: Lists

    /// Grows the elements of a list column.
    struct ListSink {
        private var views: [StringView] = []
        private var nulls: [Int] = []
        private var heaps: [Buffer] = []
        private var free: UnsafeMutableRawPointer?
        private var left = 0
        private var scratch: [UInt8] = []

        private static let heapBytes = 64 << 10

        var count: Int { views.count }

        mutating func append(_ scan: JSONScan, value: Range<Int>, asText: Bool) throws(SQLError) {
            guard asText else { return append(scan, raw: value) }
            switch scan.kind(value.lowerBound) {
            case .null: appendNull()
            case .string: append(scan, inside: scan.inside(value))
            default: append(scan, raw: value)
            }
        }

        fileprivate mutating func append(_ scan: JSONScan, _ member: JSONScan.Member, _ part: Part) throws(SQLError) {
            switch part {
            case .key: append(scan, inside: member.key)
            case .value: append(scan, raw: member.value)
            case .text: try append(scan, value: member.value, asText: true)
            }
        }

        private mutating func append(_ scan: JSONScan, raw: Range<Int>) {
            views.append(StringView(scan.base + raw.lowerBound, raw.count))
        }

        private mutating func append(_ scan: JSONScan, inside: Range<Int>) {
            guard scan.bytes(inside).contains(UInt8(ascii: "\\")) else { return append(scan, raw: inside) }
            scratch.removeAll(keepingCapacity: true)
            JSONEscape.decode(scan.base, inside, to: &scratch)
            append(scratch)
        }

        /// Copies bytes.
        mutating func append(_ bytes: [UInt8]) {
            bytes.withUnsafeBytes { raw in
                guard let base = raw.baseAddress, raw.count > 0 else {
                    return views.append(StringView(head: 0, tail: 0))
                }
                if raw.count <= StringView.inlineMax { return views.append(StringView(base, raw.count)) }
                if left < raw.count {
                    let heap = Buffer(bytes: max(ListSink.heapBytes, raw.count))
                    heaps.append(heap)
                    free = heap.base
                    left = heap.capacity
                }
                guard let target = free else { return }
                target.copyMemory(from: base, byteCount: raw.count)
                views.append(StringView(target, raw.count))
                free = target + raw.count
                left -= raw.count
            }
        }

        mutating func appendNull() {
            nulls.append(views.count)
            views.append(StringView(head: 0, tail: 0))
        }

        func child(_ type: SQLType, sharing shared: [Buffer]) -> Column {
            let values = Buffer(count: max(1, views.count), of: StringView.self)
            let target = values.pointer(StringView.self)
            for (index, view) in views.enumerated() { target[index] = view }
            var validity: Buffer?
            if !nulls.isEmpty {
                let bits = Bitmap.make(views.count, all: true)
                for index in nulls { Bitmap.clear(bits.pointer(UInt64.self), index) }
                validity = bits
            }
            return Column(type, count: views.count, values: values, validity: validity, heaps: heaps + shared)
        }
    }

    /// A list for each row, of what the body appends.
    static func lists(
        _ column: Column, _ rows: Int, _ element: SQLType,
        _ body: (JSONScan, Int, inout ListSink) throws(SQLError) -> Void
    ) throws(SQLError) -> Column {
        try lists([column], rows, element) { (row, scan, sink) throws(SQLError) in
            try body(scan, scan.skipBlanks(0), &sink)
        }
    }

    /// The same with several arguments, of which the first is the JSON value; rows with NULL in any of them are NULL.
    static func lists(
        _ columns: [Column], _ rows: Int, _ element: SQLType,
        _ body: (Int, JSONScan, inout ListSink) throws(SQLError) -> Void
    ) throws(SQLError) -> Column {
        let spans = Buffer(count: max(1, rows), of: ListSpan.self)
        let target = spans.pointer(ListSpan.self)
        for row in 0..<rows { target[row] = ListSpan(start: 0, count: 0) }
        let validity = Loops.validity(columns, rows)
        let lane = Lane(columns[0], StringView.self)
        var sink = ListSink()
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            let start = sink.count
            try lane[row].read { (raw) throws(SQLError) in try body(row, JSONScan(raw), &sink) }
            guard sink.count <= Int(Int32.max) else {
                throw SQLError(.programLimitExceeded, "too many elements")
            }
            target[row] = ListSpan(start: start, count: sink.count - start)
        }
        return Column(
            .array(element), count: rows, values: spans, validity: validity,
            child: sink.child(element, sharing: columns[0].heaps))
    }

    // MARK: Fields of records

    private static func field(_ result: SQLType) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let keys = Lane(a[1], StringView.self)
            return try JSONAccess.parts(a, rows, result) { (scan, row) throws(SQLError) in
                try keys[row].read { (key) throws(SQLError) in
                    scan.member(scan.skipBlanks(0), key, isUnique: false)
                }
            }
        }
    }

    /// A JSON array as texts; a string holds an array as SQL writes it.
    private static let texts: Kernel = { (context, a, rows) throws(SQLError) in
        let keys = Lane(a[1], StringView.self)
        let values = try JSONAccess.parts(a, rows, .json) { (scan, row) throws(SQLError) in
            try keys[row].read { (key) throws(SQLError) in
                guard let range = scan.member(scan.skipBlanks(0), key, isUnique: false) else { return nil }
                return scan.kind(range.lowerBound) == .null ? nil : range
            }
        }
        return try lists(values, rows, .text) { (scan, start, list) throws(SQLError) in
            switch scan.kind(start) {
            case .array:
                var at = start
                var isFirst = true
                while let element = scan.nextElement(&at, &isFirst) {
                    try list.append(scan, value: element, asText: true)
                }
            case .string:
                var text: [UInt8] = []
                scan.appendText(scan.inside(start..<scan.skipValue(start)), to: &text)
                let made = try TextParse.scalar(String(decoding: text, as: UTF8.self), as: .array(.text))
                guard case .array(let items) = made.value else { return }
                for item in items {
                    if case .string(let text) = item.value { list.append(Array(text.utf8)) } else { list.appendNull() }
                }
            default:
                throw SQLError(.invalidTextRepresentation, "expected JSON array")
            }
        }
    }
}
