// Structs and maps: construction, fields, keys and values. Whole columns at once, except where maps are made.
public import Columns
import Diagnostics

extension FunctionRegistry {
    /// Makes structs of its arguments.
    static func structMaker(_ name: String, _ fields: [StructField]) -> BoundFunction {
        let type = SQLType.row(fields)
        let kernel: Kernel = { (_, a, rows) throws(SQLError) in
            // A literal whose type nothing settled comes as it is.
            Column.structs(type, zip(fields, a).map { $1.type == $0.type ? $1 : $1.retyped($0.type) }, count: rows)
        }
        return BoundFunction(
            name: name, argumentTypes: fields.map(\.type), resultType: type, isStrict: false, canFail: false,
            kernel: KernelFrame.wrap(type, isStrict: false, volatility: .immutable, kernel))
    }

    /// `ROW(a, b)`: the fields are called f1, f2, ...
    public static func row(_ types: [SQLType]) -> BoundFunction {
        structMaker("row", types.enumerated().map { StructField("f\($0.offset + 1)", $0.element) })
    }

    /// `struct_pack(a := 1)`.
    public static func structPack(_ fields: [StructField]) -> BoundFunction { structMaker("struct_pack", fields) }

    /// The name of what takes a field out of a struct: the struct and the field's name are its arguments.
    public static let fieldFunction = "struct_extract"

    /// Takes a field out of a struct; nil when there is none of this name.
    public static func field(_ name: String, of type: SQLType) -> BoundFunction? {
        guard let fields = type.rowFields, let index = fields.place(of: name) else { return nil }
        let result = fields[index].type
        let kernel: Kernel = { (_, a, _) throws(SQLError) in a[0].field(index) }
        return BoundFunction(
            name: fieldFunction, argumentTypes: [type, .text], resultType: result, isStrict: true, canFail: false,
            kernel: KernelFrame.wrap(result, isStrict: true, volatility: .immutable, kernel))
    }
}

enum NestedFunctions {
    static let all: [Overload] = maps + values + structs

    static func undefined(_ name: String, _ call: Call) -> SQLError {
        SQLError(
            .undefinedFunction,
            "function \(name)(\(call.types.map(\.baseName).joined(separator: ", "))) does not exist",
            hint: "No function matches the given name and argument types. You might need to add explicit type casts.",
            position: call.position)
    }

    // MARK: Structs

    private static let structs: [Overload] = [
        Overload(FunctionRegistry.fieldFunction, [.anyRow, .type(.text)], canFail: false) {
            (call) throws(SQLError) in
            guard case .string(let name)? = call.literal(1)?.value,
                let bound = FunctionRegistry.field(name, of: call.types[0])
            else {
                throw SQLError(
                    .undefinedColumn, "a field of \(call.types[0].baseName) must be named by a constant",
                    position: call.position)
            }
            return Binding(arguments: [call.types[0], .text], result: bound.resultType, kernel: bound.kernel)
        }
    ]

    // MARK: Making maps

    private static let maps: [Overload] = [
        Overload("map", []) { (_) throws(SQLError) in
            let type = SQLType.map(key: .text, value: .text)
            return Binding(arguments: [], result: type) { (_, _, rows) throws(SQLError) in
                Column.constant(Scalar(type, .array([])), count: rows)
            }
        },
        Overload("map", [.any, .any]) { (call) throws(SQLError) in
            guard case .array(let key) = call.types[0], case .array(let value) = call.types[1] else {
                throw undefined("map", call)
            }
            let type = SQLType.map(key: key, value: value)
            let entry = type.element ?? .text
            return Binding(
                arguments: call.types, result: type,
                kernel: rowwise(type) { (a, row) throws(SQLError) in
                    guard let keys = ArrayFunctions.elements(a[0], row), let values = ArrayFunctions.elements(a[1], row)
                    else { return .null(type) }
                    guard keys.count == values.count else {
                        throw SQLError(.dataException, "a map needs as many keys as values")
                    }
                    return try map(zip(keys, values).map { Scalar(entry, .row([$0, $1])) }, type)
                })
        },
        Overload("map_from_entries", [.anyArray]) { (call) throws(SQLError) in
            guard case .array(.row(let fields)) = call.types[0], fields.count == 2 else {
                throw undefined("map_from_entries", call)
            }
            let type = SQLType.map(key: fields[0].type, value: fields[1].type)
            return Binding(
                arguments: call.types, result: type,
                kernel: rowwise(type) { (a, row) throws(SQLError) in
                    guard let entries = ArrayFunctions.elements(a[0], row) else { return .null(type) }
                    return try map(entries.filter { !$0.isNull }, type)
                })
        },
        Overload("map_concat", [.anyMap, .anyMap], isStrict: false) { (call) throws(SQLError) in
            guard call.types[0] == call.types[1] else { throw undefined("map_concat", call) }
            let type = call.types[0]
            return Binding(
                arguments: call.types, result: type,
                kernel: rowwise(type) { (a, row) throws(SQLError) in
                    let first = ArrayFunctions.elements(a[0], row) ?? []
                    let second = ArrayFunctions.elements(a[1], row) ?? []
                    let newer = Set(second.compactMap { key(of: $0)?.equalityKey })
                    let kept = first.filter { entry in key(of: entry).map { !newer.contains($0.equalityKey) } ?? false }
                    return Scalar(type, .array(kept + second))
                })
        },
    ]

    private static func map(_ entries: [Scalar], _ type: SQLType) throws(SQLError) -> Scalar {
        try MapKeys.check(entries)
        let entry = type.element ?? .text
        return Scalar(type, .array(entries.map { Scalar(entry, $0.value) }))
    }

    private static func key(of entry: Scalar) -> Scalar? {
        guard case .row(let parts) = entry.value else { return nil }
        return parts.first
    }

    static func rowwise(
        _ type: SQLType, _ body: @escaping @Sendable ([Column], Int) throws(SQLError) -> Scalar
    ) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(type, capacity: rows)
            for row in 0..<rows { builder.append(try body(a, row)) }
            return builder.finish()
        }
    }

    // MARK: Parts of maps

    private static let values: [Overload] =
        [
            part("map_keys", 0), part("map_values", 1),
            Overload("map_entries", [.anyMap], canFail: false) { (call) throws(SQLError) in
                let result = SQLType.array(call.types[0].element ?? .text)
                return Binding(arguments: call.types, result: result) { (_, a, _) throws(SQLError) in
                    a[0].retyped(result)
                }
            },
            Overload("map_extract", [.anyMap, .any], canFail: false) { (call) throws(SQLError) in
                guard case .map(let key, let value) = call.types[0] else { throw undefined("map_extract", call) }
                return Binding(
                    arguments: [call.types[0], key], result: .array(value),
                    kernel: { (_, a, rows) throws(SQLError) in
                        let found = lookUp(a[0], a[1], rows)
                        let builder = ColumnBuilder(.array(value), capacity: rows)
                        let values = a[0].storage.child?.fields[1]
                        for row in 0..<rows {
                            let items = found[row] < 0 ? [] : [values?.scalar(found[row]) ?? .null(value)]
                            builder.append(Scalar(.array(value), .array(items)))
                        }
                        return builder.finish()
                    })
            },
            Overload("map_contains", [.anyMap, .any], canFail: false) { (call) throws(SQLError) in
                guard case .map(let key, _) = call.types[0] else { throw undefined("map_contains", call) }
                return Binding(
                    arguments: [call.types[0], key], result: .boolean,
                    kernel: { (_, a, rows) throws(SQLError) in
                        let builder = ColumnBuilder(.boolean, capacity: rows)
                        for place in lookUp(a[0], a[1], rows) { builder.append(UInt8(place < 0 ? 0 : 1)) }
                        return builder.finish()
                    })
            },
        ] + ["map_extract_value", "element_at", "array_subscript"].map(value)
        + ["cardinality", "len", "map_size"].map { name in
            Overload(name, [.anyMap], canFail: false) { (call) throws(SQLError) in
                Binding(arguments: call.types, result: .int4) { (_, a, rows) throws(SQLError) in
                    Loops.unary(a[0], rows, .int4) { (x: ListSpan) -> Int32 in x.count }
                }
            }
        }

    /// The value of a key; NULL when the map does not have it.
    private static func value(_ name: String) -> Overload {
        Overload(name, [.anyMap, .any], canFail: false) { (call) throws(SQLError) in
            guard case .map(let key, let value) = call.types[0] else { throw undefined(name, call) }
            return Binding(
                arguments: [call.types[0], key], result: value,
                kernel: { (_, a, rows) throws(SQLError) in
                    let places = Buffer(count: max(1, rows), of: Int32.self)
                    let target = places.pointer(Int32.self)
                    for (row, place) in lookUp(a[0], a[1], rows).enumerated() {
                        target[row] = Int32(truncatingIfNeeded: place)
                    }
                    guard let values = a[0].storage.child?.fields[1] else { return Gather.nulls(value, count: rows) }
                    return Gather.takeOrNull(values, target, count: rows)
                })
        }
    }

    /// For each row the place of its key among the entries' fields; -1 when the map does not have it, or is NULL.
    private static func lookUp(_ maps: Column, _ keys: Column, _ rows: Int) -> [Int] {
        var found = [Int](repeating: -1, count: rows)
        guard let entries = maps.storage.child, let names = entries.fields.first else { return found }
        let places = entries.pointer(Int32.self)
        for row in 0..<rows where maps.isValid(row) && keys.isValid(row) {
            let span = maps.storage.pointer(ListSpan.self)[maps.slot(row)]
            for index in Int(span.start)..<Int(span.start) + Int(span.count) {
                let place = Int(places[index])
                if KeyCompare.compare(names, place, keys, row, KeyOrder()) == 0 {
                    found[row] = place
                    break
                }
            }
        }
        return found
    }

    /// The keys or the values as arrays: the same lists over another child.
    private static func part(_ name: String, _ index: Int) -> Overload {
        Overload(name, [.anyMap], canFail: false) { (call) throws(SQLError) in
            let fields = call.types[0].element?.rowFields ?? []
            let result = SQLType.array(fields[index].type)
            return Binding(arguments: call.types, result: result) { (_, a, rows) throws(SQLError) in
                let maps = Flatten.flat(a[0])
                guard let entries = maps.child else { return Gather.nulls(result, count: rows) }
                return Column(
                    result, count: rows, values: maps.values, validity: maps.validity,
                    child: Flatten.flat(entries.field(index)))
            }
        }
    }
}
