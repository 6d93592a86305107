// DuckDB's names for what arrays can do, and what PostgreSQL has no function for: sorting, sums, sets of elements.
import Columns
import Diagnostics

enum ListFunctions {
    static let all: [Overload] = orders + sets + sums + nesting + SplitFunctions.all

    /// DuckDB's names of the functions in ``ArrayFunctions`` and here.
    static let aliases: [(alias: String, name: String)] = [
        ("list_append", "array_append"), ("list_prepend", "array_prepend"), ("list_concat", "array_cat"),
        ("list_cat", "array_cat"), ("array_concat", "array_cat"), ("list_has", "array_contains"),
        ("array_has", "array_contains"), ("list_position", "array_position"), ("list_indexof", "array_position"),
        ("array_indexof", "array_position"), ("list_slice", "array_slice"), ("list_remove", "array_remove"),
        ("array_sort", "list_sort"), ("array_reverse_sort", "list_reverse_sort"), ("array_reverse", "list_reverse"),
        ("array_distinct", "list_distinct"), ("array_unique", "list_unique"),
        ("array_intersect", "list_intersect"), ("array_sum", "list_sum"), ("array_min", "list_min"),
        ("array_max", "list_max"), ("array_avg", "list_avg"), ("list_element", "list_extract"),
        ("array_extract", "list_extract"),
    ]

    private static func element(_ type: SQLType) -> SQLType { type.element ?? type }

    private static func less(_ a: Scalar, _ b: Scalar) -> Bool { ArrayOrder.compare(a, b) < 0 }

    /// A function of one array that gives an array of the same type.
    private static func rearranged(
        _ name: String, _ body: @escaping @Sendable ([Scalar]) -> [Scalar]
    ) -> Overload {
        Overload(name, [.anyArray], canFail: false) { (call) throws(SQLError) in
            let type = call.types[0]
            return Binding(
                arguments: call.types, result: type,
                kernel: NestedFunctions.rowwise(type) { (a, row) throws(SQLError) in
                    guard let items = ArrayFunctions.elements(a[0], row) else { return .null(type) }
                    return Scalar(type, .array(body(items)))
                })
        }
    }

    /// A function of one array that gives an element.
    private static func picked(_ name: String, _ body: @escaping @Sendable ([Scalar]) -> Scalar?) -> Overload {
        Overload(name, [.anyArray], canFail: false) { (call) throws(SQLError) in
            let result = element(call.types[0])
            return Binding(
                arguments: call.types, result: result,
                kernel: NestedFunctions.rowwise(result) { (a, row) throws(SQLError) in
                    ArrayFunctions.elements(a[0], row).flatMap(body) ?? .null(result)
                })
        }
    }

    /// NULL elements come first, as in DuckDB's list_sort.
    private static func sorted(_ items: [Scalar], descending: Bool) -> [Scalar] {
        let nulls = items.filter(\.isNull)
        let rest = items.filter { !$0.isNull }.sorted { descending ? less($1, $0) : less($0, $1) }
        return nulls + rest
    }

    private static let orders: [Overload] = [
        rearranged("list_sort") { sorted($0, descending: false) },
        rearranged("list_reverse_sort") { sorted($0, descending: true) },
        rearranged("list_reverse") { $0.reversed() },
        picked("list_min") { $0.filter { !$0.isNull }.min(by: less) },
        picked("list_max") { $0.filter { !$0.isNull }.max(by: less) },
        picked("list_first") { $0.first }, picked("list_last") { $0.last },
        picked("list_any_value") { $0.first { !$0.isNull } },
    ]

    /// Elements without repetitions and NULLs, in the order of their first appearance.
    private static func distinct(_ items: [Scalar]) -> [Scalar] {
        var seen = Set<Scalar.Value>()
        return items.filter { !$0.isNull && seen.insert($0.equalityKey).inserted }
    }

    private static let sets: [Overload] = [
        rearranged("list_distinct", distinct),
        Overload("list_unique", [.anyArray], canFail: false) { (call) throws(SQLError) in
            Binding(
                arguments: call.types, result: .int8,
                kernel: NestedFunctions.rowwise(.int8) { (a, row) throws(SQLError) in
                    ArrayFunctions.elements(a[0], row).map { .int8(Int64(distinct($0).count)) } ?? .null(.int8)
                })
        },
        Overload("list_count", [.anyArray], canFail: false) { (call) throws(SQLError) in
            Binding(
                arguments: call.types, result: .int8,
                kernel: NestedFunctions.rowwise(.int8) { (a, row) throws(SQLError) in
                    guard let items = ArrayFunctions.elements(a[0], row) else { return .null(.int8) }
                    return .int8(Int64(items.count { !$0.isNull }))
                })
        },
        Overload("list_intersect", [.anyArray, .anyArray], canFail: false) { (call) throws(SQLError) in
            let type = call.types[0]
            return Binding(
                arguments: [type, type], result: type,
                kernel: NestedFunctions.rowwise(type) { (a, row) throws(SQLError) in
                    guard let left = ArrayFunctions.elements(a[0], row), let right = ArrayFunctions.elements(a[1], row)
                    else { return .null(type) }
                    let others = Set(right.map(\.equalityKey))
                    return Scalar(type, .array(distinct(left).filter { others.contains($0.equalityKey) }))
                })
        },
        membership("list_has_any") { items, wanted in wanted.contains { items.contains($0) } },
        membership("array_has_any") { items, wanted in wanted.contains { items.contains($0) } },
        membership("list_has_all") { items, wanted in wanted.allSatisfy { items.contains($0) } },
        membership("array_has_all") { items, wanted in wanted.allSatisfy { items.contains($0) } },
    ]

    private static func membership(
        _ name: String, _ body: @escaping @Sendable (Set<Scalar.Value>, [Scalar.Value]) -> Bool
    ) -> Overload {
        Overload(name, [.anyArray, .anyArray], canFail: false) { (call) throws(SQLError) in
            Binding(
                arguments: [call.types[0], call.types[0]], result: .boolean,
                kernel: NestedFunctions.rowwise(.boolean) { (a, row) throws(SQLError) in
                    guard let left = ArrayFunctions.elements(a[0], row), let right = ArrayFunctions.elements(a[1], row)
                    else { return .null(.boolean) }
                    let wanted = right.filter { !$0.isNull }.map(\.equalityKey)
                    return .boolean(body(Set(left.filter { !$0.isNull }.map(\.equalityKey)), wanted))
                })
        }
    }

    // MARK: Sums

    private static let sums: [Overload] = [
        Overload("list_sum", [.anyArray]) { (call) throws(SQLError) in
            let (item, result) = try summed("list_sum", call)
            return Binding(
                arguments: [.array(item)], result: result,
                kernel: NestedFunctions.rowwise(result) { (a, row) throws(SQLError) in
                    guard let items = ArrayFunctions.elements(a[0], row)?.filter({ !$0.isNull }), !items.isEmpty else {
                        return .null(result)
                    }
                    return try sum(items, result)
                })
        },
        Overload("list_avg", [.anyArray]) { (call) throws(SQLError) in
            guard element(call.types[0]).isNumber else { throw NestedFunctions.undefined("list_avg", call) }
            return Binding(
                arguments: [.array(.float8)], result: .float8,
                kernel: NestedFunctions.rowwise(.float8) { (a, row) throws(SQLError) in
                    guard let items = ArrayFunctions.elements(a[0], row)?.filter({ !$0.isNull }), !items.isEmpty,
                        case .double(let total) = try sum(items, .float8).value
                    else { return .null(.float8) }
                    return Scalar(.float8, .double(total / Double(items.count)))
                })
        },
    ]

    /// What elements are added up as, and the type of the sum.
    private static func summed(_ name: String, _ call: Call) throws(SQLError) -> (item: SQLType, result: SQLType) {
        let item = element(call.types[0])
        if item.isInteger { return (.int8, .int8) }
        if item.isFloat { return (.float8, .float8) }
        guard item.isNumeric else { throw NestedFunctions.undefined(name, call) }
        return (.numeric, .numeric)
    }

    private static func sum(_ items: [Scalar], _ type: SQLType) throws(SQLError) -> Scalar {
        var (whole, real, exact): (Int64, Double, Numeric) = (0, 0, Numeric(0, scale: 0))
        for item in items {
            switch item.value {
            case .int(let value):
                let (total, overflow) = whole.addingReportingOverflow(value)
                guard !overflow else { throw SQLError(.numericValueOutOfRange, "bigint out of range") }
                whole = total
            case .double(let value): real += value
            case .numeric(let mantissa, let scale):
                exact = try NumericMath.add(exact, Numeric(mantissa, scale: scale))
            default: break
            }
        }
        switch type {
        case .int8: return .int8(whole)
        case .float8: return Scalar(type, .double(real))
        default: return Scalar(type, .numeric(mantissa: exact.mantissa, scale: Int(exact.scale)))
        }
    }

    // MARK: Lists of lists

    private static let nesting: [Overload] = [
        Overload("flatten", [.anyArray], canFail: false) { (call) throws(SQLError) in
            guard case .array(.array(let item)) = call.types[0] else {
                throw NestedFunctions.undefined("flatten", call)
            }
            let result = SQLType.array(item)
            return Binding(
                arguments: call.types, result: result,
                kernel: NestedFunctions.rowwise(result) { (a, row) throws(SQLError) in
                    guard let lists = ArrayFunctions.elements(a[0], row) else { return .null(result) }
                    var items: [Scalar] = []
                    for list in lists { if case .array(let parts) = list.value { items += parts } }
                    return Scalar(result, .array(items))
                })
        }
    ]
}
