// Arrays: construction, subscripts, search, joining to and splitting from text. One dimension, lower bound 1.
import Columns
import Diagnostics

enum ArrayFunctions {
    static let all: [Overload] = building + reading + searching + texts + subscripts

    static let operators: [Overload] = [
        Overload("||", [.anyArray, .anyArray], isStrict: false, canFail: false) { (call) throws(SQLError) in
            joined(call.types[0])
        },
        Overload("||", [.anyArray, .anyElement], isStrict: false, canFail: false) { (call) throws(SQLError) in
            appended(call.types[0])
        },
        Overload("||", [.anyElement, .anyArray], isStrict: false, canFail: false) { (call) throws(SQLError) in
            prepended(call.types[1])
        },
        Overload("@>", [.anyArray, .anyArray], canFail: false) { (call) throws(SQLError) in
            predicate(call) { (a, b) in b.allSatisfy { item in a.contains { same($0, item) } } }
        },
        Overload("<@", [.anyArray, .anyArray], canFail: false) { (call) throws(SQLError) in
            predicate(call) { (a, b) in a.allSatisfy { item in b.contains { same($0, item) } } }
        },
        Overload("&&", [.anyArray, .anyArray], canFail: false) { (call) throws(SQLError) in
            predicate(call) { (a, b) in a.contains { item in b.contains { same($0, item) } } }
        },
    ]

    private static func same(_ a: Scalar, _ b: Scalar) -> Bool {
        !a.isNull && !b.isNull && Scalar.compare(a, b) == 0
    }

    /// The elements of a row; nil when it is NULL.
    static func elements(_ column: Column, _ row: Int) -> [Scalar]? {
        guard case .array(let items) = column.scalar(row).value else { return nil }
        return items
    }

    static func element(_ type: SQLType) -> SQLType {
        if case .array(let element) = type { return element }
        return type
    }

    /// A result row by row through scalars: arrays are small and rare.
    static func rowwise(
        _ type: SQLType, _ body: @escaping @Sendable ([Column], Int) throws(SQLError) -> Scalar
    ) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(type, capacity: rows)
            for row in 0..<rows { builder.append(try body(a, row)) }
            return builder.finish()
        }
    }

    // MARK: Building

    private static let building: [Overload] =
        ["array", "make_array", "list_value"].map { name in
            Overload(name, [.anyElement], isVariadic: true, isStrict: false, canFail: false) {
                (call) throws(SQLError) in
                let type = call.types.first.map { $0 == .unknown ? .text : $0 } ?? .text
                return Binding(
                    arguments: call.types.map { _ in type }, result: .array(type),
                    kernel: rowwise(.array(type)) { (a, row) in
                        Scalar(.array(type), .array(a.map { $0.scalar(row) }))
                    })
            }
        } + [
            Overload("array_cat", [.anyArray, .anyArray], isStrict: false, canFail: false) { (call) throws(SQLError) in
                joined(call.types[0])
            },
            Overload("array_append", [.anyArray, .anyElement], isStrict: false, canFail: false) {
                (call) throws(SQLError) in appended(call.types[0])
            },
            Overload("array_prepend", [.anyElement, .anyArray], isStrict: false, canFail: false) {
                (call) throws(SQLError) in prepended(call.types[1])
            },
            Overload("array_remove", [.anyArray, .anyElement], isStrict: false, canFail: false) {
                (call) throws(SQLError) in
                let type = call.types[0]
                return Binding(
                    arguments: [type, element(type)], result: type,
                    kernel: rowwise(type) { (a, row) in
                        guard let items = elements(a[0], row) else { return .null(type) }
                        let gone = a[1].scalar(row)
                        return Scalar(type, .array(items.filter { !(gone.isNull ? $0.isNull : same($0, gone)) }))
                    })
            },
            Overload("array_replace", [.anyArray, .anyElement, .anyElement], isStrict: false, canFail: false) {
                (call) throws(SQLError) in
                let (type, item) = (call.types[0], element(call.types[0]))
                return Binding(
                    arguments: [type, item, item], result: type,
                    kernel: rowwise(type) { (a, row) in
                        guard let items = elements(a[0], row) else { return .null(type) }
                        let (old, new) = (a[1].scalar(row), a[2].scalar(row))
                        return Scalar(
                            type, .array(items.map { (old.isNull ? $0.isNull : same($0, old)) ? new : $0 }))
                    })
            },
        ]

    private static func joined(_ type: SQLType) -> Binding {
        Binding(
            arguments: [type, type], result: type,
            kernel: rowwise(type) { (a, row) in
                guard let left = elements(a[0], row) else { return a[1].scalar(row) }
                guard let right = elements(a[1], row) else { return a[0].scalar(row) }
                return Scalar(type, .array(left + right))
            })
    }

    private static func appended(_ type: SQLType) -> Binding {
        Binding(
            arguments: [type, element(type)], result: type,
            kernel: rowwise(type) { (a, row) in
                Scalar(type, .array((elements(a[0], row) ?? []) + [a[1].scalar(row)]))
            })
    }

    private static func prepended(_ type: SQLType) -> Binding {
        Binding(
            arguments: [element(type), type], result: type,
            kernel: rowwise(type) { (a, row) in
                Scalar(type, .array([a[0].scalar(row)] + (elements(a[1], row) ?? [])))
            })
    }

    // MARK: Reading

    private static let reading: [Overload] =
        ["array_subscript", "array_get", "list_extract", "element_at"].map { name in
            Overload(name, [.anyArray, .type(.int4)], canFail: false) { (call) throws(SQLError) in
                let (type, item) = (call.types[0], element(call.types[0]))
                let countsBack = name == "list_extract" || name == "element_at"
                return Binding(arguments: [type, .int4], result: item) { (_, a, rows) throws(SQLError) in
                    picked(a[0], a[1], rows, item, countsBack: countsBack)
                }
            }
        } + [
            Overload(
                "array_slice", [.anyArray, .type(.int4), .type(.int4)], isStrict: false, canFail: false
            ) { (call) throws(SQLError) in
                let type = call.types[0]
                return Binding(
                    arguments: [type, .int4, .int4], result: type,
                    kernel: rowwise(type) { (a, row) in
                        guard let items = elements(a[0], row) else { return .null(type) }
                        // A missing bound comes as NULL.
                        let low = a[1].isValid(row) ? Int(Lane(a[1], Int32.self)[row]) : 1
                        let high = a[2].isValid(row) ? Int(Lane(a[2], Int32.self)[row]) : items.count
                        let (first, last) = (max(low, 1), min(high, items.count))
                        return Scalar(type, .array(first <= last ? Array(items[(first - 1)..<last]) : []))
                    })
            },
            count("array_length"), count("len"), count("list_length"),
        ]

    /// The elements at the indexes; from the end where DuckDB's functions count so. NULL where there is none.
    private static func picked(
        _ lists: Column, _ indexes: Column, _ rows: Int, _ item: SQLType, countsBack: Bool
    ) -> Column {
        guard let child = lists.child else { return Gather.nulls(item, count: rows) }
        let places = Buffer(count: max(1, rows), of: Int32.self)
        let target = places.pointer(Int32.self)
        let (spans, wanted) = (Lane(lists, ListSpan.self), Lane(indexes, Int32.self))
        for row in 0..<rows {
            target[row] = -1
            guard lists.isValid(row), indexes.isValid(row) else { continue }
            let (span, index) = (spans[row], wanted[row])
            if index >= 1, index <= span.count {
                target[row] = span.start &+ index &- 1
            } else if countsBack, index < 0, index >= 0 &- span.count {
                target[row] = span.start &+ span.count &+ index
            }
        }
        return Gather.takeOrNull(child, target, count: rows)
    }

    private static func count(_ name: String) -> Overload {
        Overload(name, [.anyArray], canFail: false) { (call) throws(SQLError) in
            Binding(arguments: call.types, result: .int4) { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, .int4) { (x: ListSpan) -> Int32 in x.count }
            }
        }
    }

    // MARK: Subscripts

    private static let seriesMax = 1_000_000

    /// What generate_subscripts() and _pg_expandarray() unnest.
    static let subscripts: [Overload] = [
        Overload("array_subscripts", [.anyArray, .type(.int4), .type(.int4)], canFail: false) {
            (call) throws(SQLError) in
            Binding(
                arguments: [call.types[0], .int4, .int4], result: .array(.int4),
                kernel: rowwise(.array(.int4)) { (a, row) in
                    guard let items = elements(a[0], row), case .int(1) = a[1].scalar(row).value,
                        case .int(let first) = a[2].scalar(row).value
                    else { return .null(.array(.int4)) }
                    return Scalar(.array(.int4), .array(items.indices.map { .int4(Int32($0) + Int32(first)) }))
                })
        },
        Overload("array_reversed", [.anyArray], canFail: false) { (call) throws(SQLError) in
            let type = call.types[0]
            return Binding(
                arguments: [type], result: type,
                kernel: rowwise(type) { (a, row) in
                    guard let items = elements(a[0], row) else { return .null(type) }
                    return Scalar(type, .array(items.reversed()))
                })
        },
        // generate_series() beside other set-returning functions.
        Overload("series_array", [.int8, .int8, .int8], .array(.int8)) { (_, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(.array(.int8), capacity: rows)
            for row in 0..<rows {
                guard case .int(let start) = a[0].scalar(row).value, case .int(let stop) = a[1].scalar(row).value,
                    case .int(let step) = a[2].scalar(row).value
                else {
                    builder.appendNull()
                    continue
                }
                guard step != 0 else {
                    throw SQLError(.invalidParameterValue, "step size cannot equal zero")
                }
                var items: [Scalar] = []
                var (next, overflow) = (start, false)
                while !overflow, step > 0 ? next <= stop : next >= stop {
                    guard items.count < seriesMax else {
                        throw SQLError(
                            .programLimitExceeded, "generate_series beside other sets gives at most \(seriesMax) rows")
                    }
                    items.append(.int8(next))
                    (next, overflow) = next.addingReportingOverflow(step)
                }
                builder.append(Scalar(.array(.int8), .array(items)))
            }
            return builder.finish()
        },
        Overload("array_pairs", [.anyArray], canFail: false) { (call) throws(SQLError) in
            // A row of a value and its number is an array here: where the values are no integers, of texts.
            let given = element(call.types[0])
            let item: SQLType = [.int16, .int32, .int64].contains(given.physical) && !given.isNumeric ? given : .text
            let type = SQLType.array(.array(item))
            return Binding(
                arguments: call.types, result: type,
                kernel: { (context, a, rows) throws(SQLError) in
                    let builder = ColumnBuilder(type, capacity: rows)
                    for row in 0..<rows {
                        guard let items = elements(a[0], row) else {
                            builder.appendNull()
                            continue
                        }
                        let pairs = items.enumerated().map { place, value in
                            let number = Scalar(given, .int(Int64(place + 1)))
                            guard item == .text else { return Scalar(.array(item), .array([value, number])) }
                            let text = value.outputText(zone: context.timeZone)
                            return Scalar(
                                .array(.text),
                                .array([text.map { .text($0) } ?? .null(.text), .text(String(place + 1))]))
                        }
                        builder.append(Scalar(type, .array(pairs)))
                    }
                    return builder.finish()
                })
        },
    ]

    // MARK: Searching

    private static func predicate(
        _ call: Call, _ body: @escaping @Sendable ([Scalar], [Scalar]) -> Bool
    ) -> Binding {
        Binding(
            arguments: call.types, result: .boolean,
            kernel: rowwise(.boolean) { (a, row) in
                guard let left = elements(a[0], row), let right = elements(a[1], row) else { return .null(.boolean) }
                return .boolean(body(left, right))
            })
    }

    private static let searching: [Overload] =
        ["array_contains", "list_contains", "any_op"].map { name in
            Overload(name, [.anyArray, .anyElement], canFail: false) { (call) throws(SQLError) in
                Binding(
                    arguments: [call.types[0], element(call.types[0])], result: .boolean,
                    kernel: rowwise(.boolean) { (a, row) in
                        guard let items = elements(a[0], row), a[1].isValid(row) else { return .null(.boolean) }
                        let wanted = a[1].scalar(row)
                        if items.contains(where: { same($0, wanted) }) { return .boolean(true) }
                        // As `= ANY`: a NULL element may have been it.
                        return items.contains { $0.isNull } ? .null(.boolean) : .boolean(false)
                    })
            }
        } + [
            Overload("array_position", [.anyArray, .anyElement, .type(.int4)], optional: 1, isStrict: false) {
                (call) throws(SQLError) in
                Binding(
                    arguments: Array([call.types[0], element(call.types[0]), .int4].prefix(call.types.count)),
                    result: .int4,
                    kernel: rowwise(.int4) { (a, row) throws(SQLError) in
                        guard let items = elements(a[0], row) else { return .null(.int4) }
                        let wanted = a[1].scalar(row)
                        guard a.count < 3 || a[2].isValid(row) else {
                            throw SQLError(SQLState("22004"), "initial position must not be null")
                        }
                        let first = a.count < 3 ? 0 : max(0, Int(Lane(a[2], Int32.self)[row]) - 1)
                        let index = items.indices.dropFirst(first).first {
                            wanted.isNull ? items[$0].isNull : same(items[$0], wanted)
                        }
                        return index.map { .int4(Int32($0 + 1)) } ?? .null(.int4)
                    })
            },
            Overload("array_positions", [.anyArray, .anyElement], isStrict: false, canFail: false) {
                (call) throws(SQLError) in
                Binding(
                    arguments: [call.types[0], element(call.types[0])], result: .array(.int4),
                    kernel: rowwise(.array(.int4)) { (a, row) in
                        guard let items = elements(a[0], row) else { return .null(.array(.int4)) }
                        let wanted = a[1].scalar(row)
                        let places = items.indices.filter { wanted.isNull ? items[$0].isNull : same(items[$0], wanted) }
                        return Scalar(.array(.int4), .array(places.map { .int4(Int32($0 + 1)) }))
                    })
            },
        ]

    // MARK: Text

    private static let texts: [Overload] = [
        Overload("string_to_array", [.text, .text], .array(.text), isStrict: false, split(hasNull: false)),
        Overload("string_to_array", [.text, .text, .text], .array(.text), isStrict: false, split(hasNull: true)),
        Overload("array_to_string", [.anyArray, .type(.text)], canFail: false) { (call) throws(SQLError) in
            Binding(arguments: [call.types[0], .text], result: .text, kernel: join(hasNull: false))
        },
        Overload("array_to_string", [.anyArray, .type(.text), .type(.text)], isStrict: false, canFail: false) {
            (call) throws(SQLError) in
            Binding(arguments: [call.types[0], .text, .text], result: .text, kernel: join(hasNull: true))
        },
    ]

    private static func split(hasNull: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let (texts, separators) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            let nulls = hasNull ? Lane(a[2], StringView.self) : nil
            let builder = ColumnBuilder(.array(.text), capacity: rows)
            for row in 0..<rows {
                guard a[0].isValid(row) else {
                    builder.appendNull()
                    continue
                }
                let separator = a[1].isValid(row) ? TextKernels.bytes(separators[row]) : nil
                let text = TextKernels.bytes(texts[row])
                var null: String?
                if let nulls, a[2].isValid(row) { null = nulls[row].string }
                let parts = pieces(text, separator).map { part -> Scalar in
                    let piece = String(decoding: part, as: UTF8.self)
                    return piece == null ? .null(.text) : .text(piece)
                }
                builder.append(Scalar(.array(.text), .array(parts)))
            }
            return builder.finish()
        }
    }

    /// NULL separates all characters, the empty string none.
    private static func pieces(_ text: [UInt8], _ separator: [UInt8]?) -> [ArraySlice<UInt8>] {
        guard !text.isEmpty else { return [] }
        var result: [ArraySlice<UInt8>] = []
        text.withUnsafeBytes { raw in
            guard let separator else {
                var at = 0
                while at < raw.count {
                    let next = TextOps.next(raw, at)
                    result.append(text[at..<next])
                    at = next
                }
                return
            }
            guard !separator.isEmpty else {
                result = [text[...]]
                return
            }
            separator.withUnsafeBytes { needle in
                var start = 0
                while let hit = TextOps.find(needle, in: raw, from: start) {
                    result.append(text[start..<hit])
                    start = hit + needle.count
                }
                result.append(text[start...])
            }
        }
        return result
    }

    private static func join(hasNull: Bool) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let separators = Lane(a[1], StringView.self)
            let nulls = hasNull ? Lane(a[2], StringView.self) : nil
            let sink = TextSink(rows: rows)
            let validity = Loops.validity(Array(a[0..<2]), rows)
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                var out: [UInt8] = []
                var isFirst = true
                for item in elements(a[0], row) ?? [] {
                    var text = item.outputText(zone: context.timeZone)
                    if text == nil, let nulls, a[2].isValid(row) { text = nulls[row].string }
                    guard let text else { continue }
                    if !isFirst { separators[row].withBytes { out.append(contentsOf: $0) } }
                    out.append(contentsOf: text.utf8)
                    isFirst = false
                }
                try sink.set(row, out)
            }
            return sink.finish(.text, validity: validity)
        }
    }
}
