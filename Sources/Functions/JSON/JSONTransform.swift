// from_json(j, '{"a": "INTEGER", "b": ["VARCHAR"]}'): JSON as values of the type that a JSON text describes. It goes type
// by type over all rows: a pass finds the parts of all objects, one cast reads the parts of one kind. Hot.
import Columns
import Diagnostics

enum JSONTransform {
    private static let names: [String: SQLType] = [
        "VARCHAR": .text, "TEXT": .text, "STRING": .text, "BOOLEAN": .boolean, "BOOL": .boolean, "TINYINT": .int2,
        "SMALLINT": .int2, "INTEGER": .int4, "INT": .int4, "BIGINT": .int8,
        "HUGEINT": .decimal(precision: 38, scale: 0),
        "UTINYINT": .int2, "USMALLINT": .int4, "UINTEGER": .int8, "UBIGINT": .decimal(precision: 20, scale: 0),
        "FLOAT": .float4, "REAL": .float4, "DOUBLE": .float8, "DATE": .date, "TIME": .time, "TIMESTAMP": .timestamp,
        "TIMESTAMPTZ": .timestamptz, "TIMESTAMP WITH TIME ZONE": .timestamptz, "UUID": .uuid, "JSON": .json,
    ]

    /// What a JSON text describes.
    indirect enum Shape: Sendable {
        case json
        case leaf(SQLType, read: Kernel?, numbers: Kernel?)
        case list(Shape)
        case row([(name: [UInt8], shape: Shape)])

        var type: SQLType {
            switch self {
            case .json: .json
            case .leaf(let type, _, _): type
            case .list(let element): .array(element.type)
            case .row(let fields):
                .row(fields.map { StructField(String(decoding: $0.name, as: UTF8.self), $0.shape.type) })
            }
        }
    }

    /// Fields of one struct.
    private static let fieldsMax = 1600

    static func binding(_ call: Call, _ type: SQLType, isStrict: Bool) throws(SQLError) -> Binding {
        guard case .string(let text)? = call.literal(1)?.value else {
            throw SQLError(.invalidParameterValue, "JSON structure must be a constant")
        }
        let bytes = Array(text.utf8)
        try bytes.parsedBytes { (raw) throws(SQLError) in try JSONText.check(raw) }
        let tree = try bytes.parsedBytes { (raw) throws(SQLError) in
            let scan = JSONScan(raw)
            return try describe(scan, scan.skipBlanks(0), isStrict, depth: 0)
        }
        let isList = type.element != nil
        return Binding(arguments: [type, .text], result: tree.type) { (context, a, rows) throws(SQLError) in
            let column = isList ? joined(a[0], rows) : a[0]
            if type == .text { try JSONAccess.check(column, rows) }
            return try read(column, rows, tree, context, isStrict: isStrict)
        }
    }

    /// The shape that gives values of a type; nil for types without one.
    static func shape(of type: SQLType, isStrict: Bool) -> Shape? {
        switch type {
        case .json: return .json
        case .text, .varchar(nil): return .leaf(type, read: nil, numbers: nil)
        case .array(let element): return shape(of: element, isStrict: isStrict).map { .list($0) }
        case .row(let fields):
            var parts: [(name: [UInt8], shape: Shape)] = []
            for field in fields {
                guard let part = shape(of: field.type, isStrict: isStrict) else { return nil }
                parts.append((Array(field.name.utf8), part))
            }
            return .row(parts)
        case .map, .unknown, .system, .bytea, .jsonb: return nil
        default: return leaf(type, isStrict)
        }
    }

    private static func leaf(_ type: SQLType, _ isStrict: Bool) -> Shape? {
        // Times with a zone become those of UTC.
        let read = type == .timestamp ? SQLType.timestamptz : type
        guard let cast = FunctionRegistry.cast(from: .text, to: read, context: .explicit, isTry: !isStrict) else {
            return nil
        }
        // 3.0 and 1e3 are integers too.
        let numbers =
            type.isInteger
            ? FunctionRegistry.cast(from: .float8, to: type, context: .explicit, isTry: !isStrict)?.kernel : nil
        guard type == .timestamp else { return .leaf(type, read: cast.kernel, numbers: numbers) }
        let kernel = cast.kernel
        return .leaf(
            type,
            read: { (_, a, rows) throws(SQLError) in
                Flatten.flat(try kernel(FunctionContext(), a, rows)).retyped(.timestamp)
            }, numbers: nil)
    }

    // MARK: - The type

    /// Members in the order of the text: a struct's fields have one.
    private static func describe(
        _ scan: JSONScan, _ start: Int, _ isStrict: Bool, depth: Int
    ) throws(SQLError) -> Shape {
        guard depth <= JSONText.depthMax else { throw SQLError(.statementTooComplex, "stack depth limit exceeded") }
        switch scan.kind(start) {
        case .string:
            var name: [UInt8] = []
            scan.appendText(scan.inside(start..<scan.skipValue(start)), to: &name)
            return try named(String(decoding: name, as: UTF8.self), isStrict)
        case .array:
            var (at, isFirst) = (start, true)
            guard let element = scan.nextElement(&at, &isFirst), scan.nextElement(&at, &isFirst) == nil else {
                throw unsupported(scan, start)
            }
            return .list(try describe(scan, element.lowerBound, isStrict, depth: depth + 1))
        case .object:
            var fields: [(name: [UInt8], shape: Shape)] = []
            var at = start
            while let member = scan.nextMember(&at) {
                var name: [UInt8] = []
                scan.appendText(member.key, to: &name)
                let shape = try describe(scan, member.value.lowerBound, isStrict, depth: depth + 1)
                guard fields.count < fieldsMax, !fields.contains(where: { $0.name == name }) else {
                    throw unsupported(scan, start)
                }
                fields.append((name, shape))
            }
            guard !fields.isEmpty else { throw unsupported(scan, start) }
            return .row(fields)
        default: throw unsupported(scan, start)
        }
    }

    private static func unsupported(_ scan: JSONScan, _ start: Int) -> SQLError {
        let part = String(decoding: scan.bytes(start..<scan.skipValue(start)), as: UTF8.self)
        return SQLError(
            .featureNotSupported, "JSON structure \(part) is not supported",
            hint:
                "Types such as \"INTEGER\", lists of one such as [\"VARCHAR\"] and structs such as {\"a\": \"DATE\"} are."
        )
    }

    private static func named(_ name: String, _ isStrict: Bool) throws(SQLError) -> Shape {
        let upper = name.uppercased().filter { $0 != " " || name.uppercased().hasPrefix("TIMESTAMP") }
        if upper.hasSuffix("[]") { return .list(try named(String(upper.dropLast(2)), isStrict)) }
        guard let type = names[upper] ?? decimal(upper) else {
            throw SQLError(
                .featureNotSupported, "type \"\(name)\" of a JSON structure is not supported",
                hint: "Types are such as VARCHAR, BIGINT, DOUBLE, DECIMAL(18,2), DATE, TIMESTAMP, JSON and BIGINT[].")
        }
        if type == .json { return .json }
        guard let shape = shape(of: type, isStrict: isStrict) else {
            throw SQLError(.featureNotSupported, "type \"\(name)\" of a JSON structure is not supported")
        }
        return shape
    }

    private static func decimal(_ name: String) -> SQLType? {
        for word in ["DECIMAL", "NUMERIC", "DEC"] where name.hasPrefix(word) {
            let rest = name.dropFirst(word.count)
            if rest.isEmpty { return .decimal(precision: 18, scale: 3) }
            guard rest.hasPrefix("("), rest.hasSuffix(")") else { return nil }
            let parts = rest.dropFirst().dropLast().split(separator: ",").map { Int($0) }
            guard let precision = parts.first ?? nil, parts.count <= 2,
                let scale = parts.count == 2 ? parts[1] : 0, (1...SQLType.precisionMax).contains(precision),
                (0...precision).contains(scale)
            else { return nil }
            return .decimal(precision: precision, scale: scale)
        }
        return nil
    }

    // MARK: - The values

    /// A JSON value inside an argument's memory; no address: NULL.
    private struct Part {
        var base: UnsafePointer<UInt8>?
        var count = 0

        init() { base = nil }
        init(_ scan: JSONScan, _ range: Range<Int>) {
            base = scan.base + range.lowerBound
            count = range.count
        }
        /// A JSON null is NULL.
        var scan: JSONScan? {
            guard let base, base[0] != UInt8(ascii: "n") else { return nil }
            return JSONScan(UnsafeRawBufferPointer(start: base, count: count))
        }
    }

    static func read(
        _ column: Column, _ rows: Int, _ shape: Shape, _ context: FunctionContext, isStrict: Bool
    ) throws(SQLError) -> Column {
        let flat = Flatten.flat(column)
        var parts = ContiguousArray(repeating: Part(), count: rows)
        let views = flat.pointer(StringView.self)
        let valid = flat.validityWords
        for row in 0..<rows {
            if let valid, !Bitmap.get(valid, row) { continue }
            let view = views[row]
            // Short texts lie in the view itself, which the column keeps where it is.
            let base = view.isInline ? UnsafeRawPointer(views + row) + 4 : view.address
            let scan = JSONScan(UnsafeRawBufferPointer(start: base, count: view.count))
            if let root = scan.root { parts[row] = Part(scan, root) }
        }
        let made = try read(parts, shape, Source(heaps: flat.heaps, context: context, isStrict: isStrict))
        return withExtendedLifetime(flat) { made }
    }

    /// What all parts of one reading share.
    private struct Source {
        let heaps: [Buffer]
        let context: FunctionContext
        /// Whether a value of another kind than the type's is an error, else it is NULL.
        let isStrict: Bool

        func mismatch(_ scan: JSONScan, _ shape: Shape) throws(SQLError) {
            guard isStrict else { return }
            let text = String(decoding: scan.bytes(0..<min(scan.end, 80)), as: UTF8.self)
            throw SQLError(
                .invalidTextRepresentation, "JSON value \(text) is no value of type \(shape.type.name)")
        }
    }

    private static func read(
        _ parts: ContiguousArray<Part>, _ shape: Shape, _ source: Source
    ) throws(SQLError) -> Column {
        switch shape {
        case .json: return try texts(parts, .json, source.heaps)
        case .leaf(let type, let cast, let numbers):
            let texts = try texts(parts, .text, source.heaps)
            guard let cast else { return type == .text ? texts : texts.retyped(type) }
            guard let numbers else { return Flatten.flat(try cast(source.context, [texts], parts.count)) }
            return try integers(parts, texts, type, cast, numbers, source)
        case .list(let element): return try lists(parts, element, source)
        case .row(let fields): return try structs(parts, fields, source)
        }
    }

    private static func texts(
        _ parts: ContiguousArray<Part>, _ type: SQLType, _ heaps: [Buffer]
    ) throws(SQLError) -> Column {
        let sink = TextSink(rows: parts.count)
        var scratch: [UInt8] = []
        for row in parts.indices {
            guard let scan = parts[row].scan else {
                sink.setNull(row)
                continue
            }
            var range = 0..<scan.end
            if type == .text, scan.kind(0) == .string {
                range = scan.inside(range)
                if scan.bytes(range).contains(UInt8(ascii: "\\")) {
                    scratch.removeAll(keepingCapacity: true)
                    JSONEscape.decode(scan.base, range, to: &scratch)
                    try sink.set(row, scratch)
                    continue
                }
            }
            sink.set(row, view: StringView(scan.base + range.lowerBound, range.count))
        }
        return sink.finish(type, validity: nil, sharing: heaps)
    }

    /// Integers: numbers with a point or an exponent, and booleans, are read again as such.
    private static func integers(
        _ parts: ContiguousArray<Part>, _ texts: Column, _ type: SQLType, _ cast: Kernel, _ numbers: Kernel,
        _ source: Source
    ) throws(SQLError) -> Column {
        var odd: [Int] = []
        for row in parts.indices {
            guard let scan = parts[row].scan else { continue }
            switch scan.kind(0) {
            case .boolean: odd.append(row)
            case .number:
                let isPlain = scan.bytes(0..<scan.end).allSatisfy { $0 &- 48 < 10 || $0 == UInt8(ascii: "-") }
                if !isPlain { odd.append(row) }
            default: break
            }
        }
        guard !odd.isEmpty else { return Flatten.flat(try cast(source.context, [texts], parts.count)) }
        var bits = Bitmap.make(parts.count, all: true)
        for row in odd { Bitmap.clear(bits.pointer(UInt64.self), row) }
        if let valid = texts.validity { bits = Bitmap.and(bits, valid, parts.count) ?? bits }
        let plain = Column(.text, count: texts.count, values: texts.values, validity: bits, heaps: texts.heaps)
        let made = Flatten.flat(try cast(source.context, [plain], parts.count))
        return try reread(odd, parts, made, type, numbers, source.context)
    }

    private static func reread(
        _ missed: [Int], _ parts: ContiguousArray<Part>, _ made: Column, _ type: SQLType, _ cast: Kernel,
        _ context: FunctionContext
    ) throws(SQLError) -> Column {
        let numbers = ColumnBuilder(.float8, capacity: missed.count)
        for row in missed {
            guard let scan = parts[row].scan else { continue }
            let text = String(decoding: scan.bytes(0..<scan.end), as: UTF8.self)
            if let number = text == "true" ? 1 : text == "false" ? 0 : Double(text) {
                numbers.append(number)
            } else {
                numbers.appendNull()
            }
        }
        let found = Flatten.flat(try cast(context, [numbers.finish()], missed.count))
        let builder = ColumnBuilder(type, capacity: parts.count)
        var next = 0
        for row in parts.indices {
            if next < missed.count, missed[next] == row {
                builder.append(found.scalar(next))
                next += 1
            } else {
                builder.append(made.scalar(row))
            }
        }
        return builder.finish()
    }

    private static func lists(
        _ parts: ContiguousArray<Part>, _ element: Shape, _ source: Source
    ) throws(SQLError) -> Column {
        let spans = Buffer(count: max(1, parts.count), of: ListSpan.self)
        let target = spans.pointer(ListSpan.self)
        var elements: ContiguousArray<Part> = []
        elements.reserveCapacity(parts.count)
        var validity: Buffer?
        for row in parts.indices {
            let start = elements.count
            if let scan = parts[row].scan, scan.kind(0) == .array {
                var (at, isFirst) = (0, true)
                while let range = scan.nextElement(&at, &isFirst) { elements.append(Part(scan, range)) }
            } else {
                if let scan = parts[row].scan { try source.mismatch(scan, .list(element)) }
                let bits = validity ?? Bitmap.make(parts.count, all: true)
                Bitmap.clear(bits.pointer(UInt64.self), row)
                validity = bits
            }
            guard elements.count <= Int(Int32.max) else {
                throw SQLError(.programLimitExceeded, "too many elements")
            }
            target[row] = ListSpan(start: start, count: elements.count - start)
        }
        return Column(
            .array(element.type), count: parts.count, values: spans, validity: validity,
            child: try read(elements, element, source))
    }

    private static func structs(
        _ parts: ContiguousArray<Part>, _ fields: [(name: [UInt8], shape: Shape)], _ source: Source
    ) throws(SQLError) -> Column {
        let count = parts.count
        let places = Buffer(count: max(1, count), of: Int32.self)
        let target = places.pointer(Int32.self)
        var found = ContiguousArray(repeating: Part(), count: count * fields.count)
        var validity: Buffer?
        for row in 0..<count {
            target[row] = Int32(truncatingIfNeeded: row)
            guard let scan = parts[row].scan else {
                let bits = validity ?? Bitmap.make(count, all: true)
                Bitmap.clear(bits.pointer(UInt64.self), row)
                validity = bits
                continue
            }
            guard scan.kind(0) == .object else {
                try source.mismatch(scan, .row(fields))
                continue
            }
            var at = 0
            // Members mostly come in the order of the fields.
            var guess = 0
            var left = fields.count
            while left > 0, let member = scan.nextMember(&at) {
                for step in fields.indices {
                    let index = guess + step < fields.count ? guess + step : guess + step - fields.count
                    guard fields[index].name.withUnsafeBytes({ scan.isKey(member, $0) }) else { continue }
                    // Of members with one key the first counts, as in DuckDB.
                    if found[index * count + row].base == nil {
                        found[index * count + row] = Part(scan, member.value)
                        left -= 1
                    }
                    guess = index + 1 < fields.count ? index + 1 : 0
                    break
                }
            }
        }
        var columns: [Column] = []
        for (index, field) in fields.enumerated() {
            let own = ContiguousArray(found[index * count..<(index + 1) * count])
            columns.append(try read(own, field.shape, source))
        }
        let type = Shape.row(fields).type
        return Column(type, count: count, values: places, validity: validity, fields: columns)
    }

    // MARK: - Lists of JSON

    /// Each list of JSON values as one JSON array: what json_extract with a wildcard gives goes into from_json.
    private static func joined(_ column: Column, _ rows: Int) -> Column {
        let builder = ColumnBuilder(.json, capacity: rows)
        let flat = Flatten.flat(column)
        guard let child = flat.child else { return flat }
        let spans = flat.pointer(ListSpan.self)
        let views = child.pointer(StringView.self)
        var text: [UInt8] = []
        for row in 0..<rows {
            guard flat.isValid(row) else {
                builder.appendNull()
                continue
            }
            text.removeAll(keepingCapacity: true)
            text.append(UInt8(ascii: "["))
            for index in 0..<Int(spans[row].count) {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                let place = Int(spans[row].start) + index
                if child.isValid(place) {
                    views[place].withBytes { text.append(contentsOf: $0) }
                } else {
                    text.append(contentsOf: "null".utf8)
                }
            }
            text.append(UInt8(ascii: "]"))
            text.withUnsafeBytes { builder.append(bytes: $0) }
        }
        return builder.finish()
    }
}
