// Casts from and to strings: parsing by TextParse, printing by ValueText, lengths of varchar(n) and char(n). Hot.
import Columns
import Diagnostics

enum CastText {
    // MARK: From text

    /// Parses strings as values of a type.
    static func parse(_ from: SQLType, _ to: SQLType) -> Kernel? {
        switch to {
        case .boolean:
            return Rowwise.text(to) { (raw) throws(SQLError) -> UInt8 in try TextParse.boolean(raw) ? 1 : 0 }
        case .int2: return Rowwise.text(to) { (raw) throws(SQLError) -> Int16 in try TextParse.int2(raw) }
        case .int4: return Rowwise.text(to) { (raw) throws(SQLError) -> Int32 in try TextParse.int4(raw) }
        case .int8: return Rowwise.text(to) { (raw) throws(SQLError) -> Int64 in try TextParse.int8(raw) }
        case .float4: return Rowwise.text(to) { (raw) throws(SQLError) -> Float in try TextParse.float4(raw) }
        case .float8: return Rowwise.text(to) { (raw) throws(SQLError) -> Double in try TextParse.float8(raw) }
        case .numeric: return Rowwise.text(to) { (raw) throws(SQLError) -> Numeric in try TextParse.numeric(raw) }
        case .decimal(let precision, let scale):
            if to.physical == .int64 {
                return Rowwise.text(to) { (raw) throws(SQLError) -> Int64 in
                    Int64(truncatingIfNeeded: try TextParse.decimal(raw, precision: precision, scale: scale))
                }
            }
            return Rowwise.text(to) { (raw) throws(SQLError) -> Int128 in
                try TextParse.decimal(raw, precision: precision, scale: scale)
            }
        case .uuid: return Rowwise.text(to) { (raw) throws(SQLError) -> Int128 in try TextParse.uuid(raw) }
        case .interval: return Rowwise.text(to) { (raw) throws(SQLError) -> Interval in try TextParse.interval(raw) }
        case .date:
            return clock(to) { (raw, c) throws(SQLError) -> Int32 in try TextParse.date(raw, c) }
        case .time:
            return clock(to) { (raw, c) throws(SQLError) -> Int64 in try TextParse.time(raw, c) }
        case .timestamp:
            return clock(to) { (raw, c) throws(SQLError) -> Int64 in try TextParse.timestamp(raw, c) }
        case .timestamptz:
            return clock(to) { (raw, c) throws(SQLError) -> Int64 in try TextParse.timestamptz(raw, c) }
        case .bytea:
            return TextKernels.unary(.bytea) { (raw, out) throws(SQLError) in out = try TextParse.bytea(raw) }
        case .system(let type) where type.isReference: return CastSystem.named(type)
        case .array, .row, .map, .system, .bit, .varbit: return scalars(to)
        case .enumeration(let type):
            let places = Dictionary(
                zip(type.labels, Int32(0)...), uniquingKeysWith: { first, _ in first })
            return Rowwise.text(to) { (raw) throws(SQLError) -> Int32 in
                let label = String(decoding: raw, as: UTF8.self)
                if let place = places[label] { return place }
                return try type.place(of: label)
            }
        case .json:
            return { (_, a, rows) throws(SQLError) in
                let lane = Lane(a[0], StringView.self)
                try Loops.eachRow(Flatten.validity(a[0]), rows) { (row) throws(SQLError) in
                    try lane[row].read { (raw) throws(SQLError) in try JSONText.check(raw) }
                }
                return a[0].retyped(.json)
            }
        case .jsonb:
            return TextKernels.unary(.jsonb) { (raw, out) throws(SQLError) in
                try JSONText.appendNormal(raw, to: &out)
            }
        case .unknown, .text, .varchar, .char: return nil
        }
    }

    private static func clock<R: BitwiseCopyable>(
        _ to: SQLType, _ body: @escaping @Sendable (UnsafeRawBufferPointer, TextParseContext) throws(SQLError) -> R
    ) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let parse = TextParseContext(now: context.transactionTime, timeZone: context.timeZone)
            return try Loops.unaryThrowing(a[0], rows, to) { (view: StringView) throws(SQLError) -> R in
                try view.read { (raw) throws(SQLError) -> R in try body(raw, parse) }
            }
        }
    }

    private static func scalars(_ to: SQLType) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let parse = TextParseContext(now: context.transactionTime, timeZone: context.timeZone)
            let builder = ColumnBuilder(to, capacity: rows)
            let lane = Lane(a[0], StringView.self)
            for row in 0..<rows {
                guard a[0].isValid(row) else {
                    builder.appendNull()
                    continue
                }
                builder.append(
                    try lane[row].read { (raw) throws(SQLError) -> Scalar in
                        try TextParse.scalar(raw, as: to, context: parse)
                    })
            }
            return builder.finish()
        }
    }

    // MARK: To text

    static func toText(_ from: SQLType, _ to: SQLType, isExplicit: Bool) -> Kernel? {
        var make = from.isText ? nil : print(from)
        if case .char = from, case .varchar = to { make = withoutBlanks(.text) }
        switch to {
        case .varchar(.some(let limit)):
            return chained(make, cut(to, limit, isPadded: false, isExplicit: isExplicit))
        case .char(let limit):
            return chained(make, cut(to, limit, isPadded: true, isExplicit: isExplicit))
        default:
            if let make {
                return { [make] (context, a, rows) throws(SQLError) in
                    let made = try make(context, a, rows)
                    return made.type == to ? made : made.retyped(to)
                }
            }
            if case .char = from { return withoutBlanks(to) }
            return { (_, a, _) throws(SQLError) in a[0].retyped(to) }
        }
    }

    private static func chained(_ first: Kernel?, _ second: @escaping Kernel) -> Kernel {
        guard let first else { return second }
        return { (context, a, rows) throws(SQLError) in
            try second(context, [try first(context, a, rows)], rows)
        }
    }

    /// char(n) as other strings: blanks at the end go.
    private static func withoutBlanks(_ to: SQLType) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let made = Loops.unary(a[0], rows, to) { (x: StringView) -> StringView in
                x.slice(0, TextOps.lengthWithoutBlanks(x))
            }
            return Column(to, count: rows, values: made.values, validity: made.validity, heaps: a[0].heaps)
        }
    }

    /// varchar(n) and char(n): an explicit cast cuts, an assignment only cuts blanks.
    private static func cut(_ to: SQLType, _ limit: Int, isPadded: Bool, isExplicit: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            let lane = Lane(a[0], StringView.self)
            let validity = Flatten.validity(a[0])
            let tooLong = SQLError(.stringDataRightTruncation, "value too long for type \(to.name)")
            var scratch: [UInt8] = []
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let view = lane[row]
                if view.count <= limit, !isPadded {
                    sink.set(row, view: view)
                    return
                }
                let (length, characters) = view.withBytes { raw in
                    let end = TextOps.offset(raw, ofCharacter: limit)
                    return (end, end == raw.count ? TextOps.characters(raw) : limit)
                }
                if length < view.count, !isExplicit, TextOps.lengthWithoutBlanks(view) > length { throw tooLong }
                guard isPadded, characters < limit else {
                    sink.set(row, view: view.slice(0, length))
                    return
                }
                scratch.removeAll(keepingCapacity: true)
                view.withBytes { scratch.append(contentsOf: $0) }
                scratch.append(contentsOf: repeatElement(32, count: limit - characters))
                try sink.set(row, scratch)
            }
            return sink.finish(to, validity: validity, sharing: a[0].heaps)
        }
    }

    /// The text form of a type that is no string; nil when there is none.
    static func print(_ from: SQLType) -> Kernel? {
        switch from {
        case .boolean:
            return TextKernels.from { (x: UInt8, out) throws(SQLError) in
                out.append(contentsOf: (x != 0 ? "true" : "false").utf8)
            }
        case .int2: return fixed { (x: Int16, at) in TextForm.write(int: Int64(x), to: at) }
        case .int4: return fixed { (x: Int32, at) in TextForm.write(int: Int64(x), to: at) }
        case .int8: return fixed { (x: Int64, at) in TextForm.write(int: x, to: at) }
        case .float4: return fixed { (x: Float, at) in TextForm.write(float: x, to: at) }
        case .float8: return fixed { (x: Double, at) in TextForm.write(double: x, to: at) }
        case .decimal(_, let scale):
            return from.physical == .int64
                ? fixed { (x: Int64, at) in TextForm.write(decimal: x, scale: scale, to: at) }
                : fixed { (x: Int128, at) in TextForm.write(decimal: x, scale: scale, to: at) }
        case .numeric: return fixed { (x: Numeric, at) in TextForm.write(numeric: x, to: at) }
        case .time: return fixed { (x: Int64, at) in TextForm.write(time: x, to: at) }
        case .uuid: return fixed { (x: Int128, at) in TextForm.write(uuid: x, to: at) }
        case .system(let type) where type.isReference: return CastSystem.names(of: type)
        case .system(.inet), .system(.cidr):
            // Unlike what goes out to clients, the text always tells the bits.
            return TextKernels.unary { (raw, out) throws(SQLError) in
                guard let value = NetworkAddress(key: raw) else { return }
                out.append(contentsOf: value.text(isNetwork: true).utf8)
            }
        case .system(.timetz): return printed
        case .system: return fixed { (x: Int64, at) in TextForm.write(int: x, to: at) }
        case .array(.system(let type)) where type.isReference: return CastSystem.arrayText(of: type)
        case .bytea, .date, .timestamp, .timestamptz, .interval, .array, .row, .map:
            return printed
        case .json, .jsonb, .bit, .varbit: return { (_, a, _) throws(SQLError) in a[0].retyped(.text) }
        case .enumeration(let type):
            return TextKernels.from { (x: Int32, out) throws(SQLError) in
                out.append(contentsOf: type.label(x).utf8)
            }
        case .unknown, .text, .varchar, .char: return nil
        }
    }

    private static let printed: Kernel = { (context, a, rows) throws(SQLError) in
        let zone = context.timeZone
        return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
            TextForm.append(a[0], row, zone: zone, to: &out)
            return true
        }
    }

    /// Prints values of bounded length straight into the result's heap.
    @inline(__always)
    private static func fixed<T: BitwiseCopyable>(
        _ write: @escaping @Sendable (T, UnsafeMutablePointer<UInt8>) -> Int
    ) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            let lane = Lane(a[0], T.self)
            let validity = Flatten.validity(a[0])
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let at = try sink.room(TextForm.fixedMax)
                sink.commit(row, write(lane[row], at.assumingMemoryBound(to: UInt8.self)))
            }
            return sink.finish(.text, validity: validity)
        }
    }
}
